//! C120: too few or too many rows.

use super::scope::Scope;
use crate::batch::Batch;
use crate::contract::RuleKind;
use crate::error::{Diagnostic, Result, group_digits, plural};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use serde::{Deserialize, Serialize};

pub const META: Meta = Meta {
    code: "C120",
    name: "row-count",
    summary: "The dataset has at least min and at most max rows.",
    ids: &[],
    explain: "\
Fails when the dataset, all files together, has fewer than `min` or more than `max` rows.

**Why it hurts a model.** A truncated export trains without an error, and a doubled one counts everything twice.

**How it is computed.** Every record counts, empty ones too; the header of a text file is none. With `when`, those are counted
for which it is true; with `by`, each group that occurs by itself. There is no guilty row.

**Example.** `- rows: {min: 10000}` fails on 9,120 rows.

**What fools it.** Copies make up the number; `unique` and near-duplicate detection see them.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct RowCount {
    min: Option<u64>,
    max: Option<u64>,
    /// Some of the rows are meant, and they are counted.
    some: bool,
    base: Outcome,
}

#[derive(Serialize, Deserialize)]
struct Rows(u64);

impl State for Rows {
    fn merge(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl Rule for RowCount {
    const META: Meta = META;
    type State = Rows;
    type Model = u64;

    fn columns(&self) -> Vec<String> {
        Vec::new()
    }
    fn start(&self, _: &Round<'_, u64>) -> Rows {
        Rows(0)
    }
    fn observe(&self, _: &Round<'_, u64>, state: &mut Rows, batch: &Batch) -> Result<()> {
        state.0 += batch.rows() as u64;
        Ok(())
    }
    fn finish(&self, round: &Round<'_, u64>, state: Rows) -> Result<Step<u64>> {
        Ok(Step::Done(if self.some { state.0 } else { round.plan.rows }))
    }
    fn outcome(&self, &rows: &u64) -> Outcome {
        let wanted = match (self.min, self.max) {
            (Some(a), Some(b)) if a == b => format!("exactly {}", group_digits(a)),
            (Some(a), Some(b)) => format!("between {} and {}", group_digits(a), group_digits(b)),
            (Some(a), None) => format!("at least {}", group_digits(a)),
            (None, Some(b)) => format!("at most {}", group_digits(b)),
            (None, None) => "any number".into(),
        };
        let ok = self.min.is_none_or(|m| rows >= m) && self.max.is_none_or(|m| rows <= m);
        Outcome {
            status: if ok { Status::Pass } else { Status::Fail },
            tested: rows,
            statistic: Some(rows as f64),
            message: format!("{}; the contract asks for {wanted}", plural(rows as usize, "row")),
            threshold: Some(wanted),
            ..self.base.clone()
        }
    }
    fn has_rows(&self, _: &u64) -> bool {
        false
    }
    fn judge(&self, _: &u64, _: &Batch, _: &mut Findings) -> Result<()> {
        Ok(())
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Rows { min, max } = rule.kind else { continue };
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let title = rule.name.clone().unwrap_or_else(|| "rows".into());
        let base = Outcome { severity: rule.severity, span: Some(rule.span), ..Outcome::new(title, Status::Pass) };
        scope.push(&mut built, RowCount { min, max, some: rule.when.is_some() || rule.by.is_some(), base });
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
