//! Checks that judge a row alone. Each names its failing rows as a bit mask per batch; counting,
//! tolerance, severity, wording and the findings are the same for all of them and live here.
//!
//! ```text
//!  batch ─► Test::test ─► Marks ─► Tally ─ merge (sums) ─► Outcome
//!                           └────────────────────────────► one finding per set bit, no cap
//! ```

use super::cells::Cells;
use crate::batch::Batch;
use crate::contract::{ColumnSpec, RuleSpec, Severity, Share};
use crate::error::{Result, Span, group_digits};
use crate::rule::{Action, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use crate::sketch::rowset::RowSet;
use arrow::buffer::BooleanBuffer;
use serde::{Deserialize, Serialize};

/// What a check says about the rows of one batch.
pub struct Marks {
    /// Rows in the denominator.
    pub tested: usize,
    /// Rows left out of it because an expression (or `when`) was null.
    pub undecided: usize,
    /// Set bits are failing rows, all of them tested; `None` when no row fails.
    pub failing: Option<BooleanBuffer>,
}

/// A check of one row at a time.
pub trait Test: Send + Sync + 'static {
    const META: Meta;
    fn test(&self, batch: &Batch) -> Result<Marks>;
}

/// `1 of 9 rows is outside 1..5`, `3 of 9 rows are outside 1..5`.
pub struct Wrong {
    pub one: String,
    pub many: String,
}

impl Wrong {
    /// `is`/`are` and what follows.
    pub fn being(what: &str) -> Self {
        Wrong { one: format!("is {what}"), many: format!("are {what}") }
    }
    /// `has`/`have` and what follows.
    pub fn having(what: &str) -> Self {
        Wrong { one: format!("has {what}"), many: format!("have {what}") }
    }
    /// `does not`/`do not` and what follows.
    pub fn not_doing(what: &str) -> Self {
        Wrong { one: format!("does not {what}"), many: format!("do not {what}") }
    }
}

/// A clause of the contract as every row check carries it.
pub struct Clause {
    /// `stars: range 1..5`.
    pub title: String,
    pub span: Span,
    pub severity: Severity,
    pub tolerance: Option<Share>,
    /// Columns concerned, as the reader knows them; a finding names the column when it is the only one.
    pub about: Vec<String>,
    /// Top-level columns to decode.
    pub reads: Vec<String>,
    /// What failing rows do, for the outcome.
    pub wrong: Wrong,
    /// What stands beside a single row in the list.
    pub evidence: String,
    /// What the values are compared with.
    pub threshold: String,
}

/// A [`Test`] with its clause: the rule that the engine runs.
pub struct RowRule<T> {
    pub clause: Clause,
    pub test: T,
}

/// Sums over rows; exact and commutative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub tested: u64,
    pub failing: u64,
    pub undecided: u64,
}

impl State for Tally {
    fn merge(&mut self, other: Self) {
        self.tested += other.tested;
        self.failing += other.failing;
        self.undecided += other.undecided;
    }
}

impl Clause {
    /// About one column: `what` is the clause as the contract writes it, `range 1..5`.
    pub fn of_column(spec: &ColumnSpec, cells: &Cells, span: Span, what: &str, wrong: Wrong, evidence: String) -> Clause {
        Clause {
            title: format!("{}: {what}", cells.name),
            span,
            severity: spec.severity,
            tolerance: spec.tolerance.as_ref().map(|t| t.value.clone()),
            about: vec![cells.name.clone()],
            reads: cells.reads(),
            wrong,
            evidence,
            threshold: what.to_owned(),
        }
    }

    /// About an entry of `rules` over several columns.
    pub fn of_rule(rule: &RuleSpec, title: String, columns: &[Cells], wrong: Wrong, evidence: String, threshold: String) -> Clause {
        let mut reads: Vec<String> = columns.iter().flat_map(Cells::reads).collect();
        reads.sort();
        reads.dedup();
        Clause {
            title,
            span: rule.span,
            severity: rule.severity,
            tolerance: rule.tolerance.as_ref().map(|t| t.value.clone()),
            about: columns.iter().map(|c| c.name.clone()).collect(),
            reads,
            wrong,
            evidence,
            threshold,
        }
    }

    /// The failing rows fall under the tolerance, compared in integers.
    pub fn tolerates(&self, tally: &Tally) -> bool {
        self.tolerance.as_ref().is_some_and(|t| t.covers(tally.failing, tally.tested))
    }

    pub fn outcome(&self, tally: &Tally) -> Outcome {
        let within = tally.failing > 0 && self.tolerates(tally);
        let status = if tally.failing == 0 || within { Status::Pass } else { Status::Fail };
        Outcome {
            severity: self.severity,
            tested: tally.tested,
            failing: tally.failing,
            not_tested_rows: tally.undecided,
            statistic: (tally.tested > 0).then(|| tally.failing as f64 / tally.tested as f64),
            threshold: Some(self.threshold.clone()),
            message: self.sentence(tally),
            span: Some(self.span),
            within_tolerance: within,
            columns: self.about.clone(),
            ..Outcome::new(self.title.clone(), status)
        }
    }

    /// `1,203 of 50,000 rows are outside 1..5 (2.4%, tolerance 0.5%)`.
    fn sentence(&self, tally: &Tally) -> String {
        let tolerance = self.tolerance.as_ref().map(|t| format!("tolerance {}", t.text));
        let mut out = match tally.failing {
            0 if tally.tested == 0 => "no row was tested".to_owned(),
            0 => format!("{} rows tested, none {}", group_digits(tally.tested), self.wrong.one),
            n => {
                let wrong = if n == 1 { &self.wrong.one } else { &self.wrong.many };
                let share = percent(n, tally.tested);
                let within = tolerance.map_or(String::new(), |t| format!(", {t}"));
                format!("{} of {} rows {wrong} ({share}{within})", group_digits(n), group_digits(tally.tested))
            }
        };
        if tally.undecided > 0 {
            out.push_str(&format!("; {} not tested (the expression is null)", crate::error::plural(tally.undecided as usize, "row")));
        }
        out
    }

    /// Failing rows leave the set when an error-level clause is broken; otherwise a person looks.
    pub fn action(&self, tally: &Tally) -> Action {
        if self.severity == Severity::Error && !self.tolerates(tally) { Action::Quarantine } else { Action::Review }
    }

    /// One hit for each row of the batch that is in the set.
    pub fn report_set(&self, tally: &Tally, rows: &RowSet, batch: &Batch, out: &mut Findings) {
        let failing = BooleanBuffer::collect_bool(batch.rows(), |i| rows.contains(batch.row_id(i)));
        self.report(tally, &failing, out);
    }

    /// One hit for each set bit.
    pub fn report(&self, tally: &Tally, failing: &BooleanBuffer, out: &mut Findings) {
        let action = self.action(tally);
        let message = out.intern(&self.evidence);
        let column = match self.about.as_slice() {
            [one] => out.intern(one),
            _ => crate::rule::NONE,
        };
        for row in failing.set_indices() {
            out.push(row, action, 1.0, message).column = column;
        }
    }
}

/// `2.4%`, with enough digits that a share which is not zero does not print as zero.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 || part == 0 {
        return "0%".into();
    }
    let p = 100.0 * part as f64 / whole as f64;
    match p {
        _ if part == whole => "100%".into(),
        p if p >= 99.95 => "just under 100%".into(),
        p if p >= 0.095 => format!("{p:.1}%"),
        p => {
            let digits = (1.0 - p.log10()).ceil().clamp(2.0, 9.0) as usize;
            format!("{p:.digits$}%")
        }
    }
}

impl<T: Test> Rule for RowRule<T> {
    const META: Meta = T::META;
    type State = Tally;
    type Model = Tally;

    fn columns(&self) -> Vec<String> {
        self.clause.reads.clone()
    }
    fn start(&self, _: &Round<'_, Tally>) -> Tally {
        Tally::default()
    }
    fn observe(&self, _: &Round<'_, Tally>, state: &mut Tally, batch: &Batch) -> Result<()> {
        let marks = self.test.test(batch)?;
        state.tested += marks.tested as u64;
        state.undecided += marks.undecided as u64;
        state.failing += marks.failing.map_or(0, |f| f.count_set_bits()) as u64;
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Tally>, state: Tally) -> Result<Step<Tally>> {
        Ok(Step::Done(state))
    }
    fn outcome(&self, model: &Tally) -> Outcome {
        self.clause.outcome(model)
    }
    fn has_rows(&self, model: &Tally) -> bool {
        model.failing > 0
    }
    fn judge(&self, model: &Tally, batch: &Batch, out: &mut Findings) -> Result<()> {
        if let Some(failing) = self.test.test(batch)?.failing {
            self.clause.report(model, &failing, out);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clause(tolerance: Option<(u64, u64, &str)>, severity: Severity) -> Clause {
        Clause {
            title: "stars: range 1..5".into(),
            span: Span::default(),
            severity,
            tolerance: tolerance.map(|(n, d, t)| Share { numerator: n, denominator: d, text: t.into() }),
            about: vec!["stars".into()],
            reads: vec!["stars".into()],
            wrong: Wrong::being("outside 1..5"),
            evidence: "outside 1..5".into(),
            threshold: "1..5".into(),
        }
    }
    fn tally(failing: u64, tested: u64) -> Tally {
        Tally { tested, failing, undecided: 0 }
    }

    #[test]
    fn a_tolerance_is_compared_in_integers_at_its_edge() {
        let c = clause(Some((1, 200, "0.5%")), Severity::Error);
        assert_eq!(c.outcome(&tally(5, 1000)).status, Status::Pass);
        assert_eq!(c.outcome(&tally(6, 1000)).status, Status::Fail);
        // In doubles both shares are the same number.
        let big = u64::MAX / 200 * 200;
        assert_eq!(c.outcome(&tally(big / 200, big)).status, Status::Pass);
        assert_eq!(c.outcome(&tally(big / 200 + 1, big)).status, Status::Fail);
    }

    #[test]
    fn rows_within_the_tolerance_are_for_review() {
        let c = clause(Some((1, 10, "10%")), Severity::Error);
        assert_eq!(c.action(&tally(1, 10)), Action::Review);
        assert!(c.outcome(&tally(1, 10)).within_tolerance);
        assert_eq!(c.action(&tally(2, 10)), Action::Quarantine);
        assert_eq!(clause(None, Severity::Warning).action(&tally(2, 10)), Action::Review);
    }

    #[test]
    fn the_sentence_counts_and_names_the_tolerance() {
        let c = clause(Some((1, 200, "0.5%")), Severity::Error);
        assert_eq!(c.outcome(&tally(1203, 50_000)).message, "1,203 of 50,000 rows are outside 1..5 (2.4%, tolerance 0.5%)");
        assert_eq!(clause(None, Severity::Error).outcome(&tally(1, 3)).message, "1 of 3 rows is outside 1..5 (33.3%)");
        let t = Tally { tested: 2, failing: 0, undecided: 1 };
        assert_eq!(c.outcome(&t).message, "2 rows tested, none is outside 1..5; 1 row not tested (the expression is null)");
    }

    #[test]
    fn a_share_that_is_not_zero_never_prints_as_zero() {
        assert_eq!(percent(1, 50_000_000), "0.0000020%");
        assert_eq!(percent(49_999_999, 50_000_000), "just under 100%");
        assert_eq!(percent(0, 0), "0%");
    }

    #[test]
    fn nothing_tested_passes_with_zero_tested() {
        let o = clause(None, Severity::Error).outcome(&tally(0, 0));
        assert_eq!((o.status, o.tested, o.statistic), (Status::Pass, 0, None));
    }
}
