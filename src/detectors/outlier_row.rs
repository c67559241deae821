//! `outlier-row`: single rows that lie apart from all others in several numeric columns together.
//!
//! ```text
//!  round 1  a bottom-k sample of distinct rows  ─► tails of columns and of scores, the score that lists a row
//!  round 2  rows beyond it, on all rows         ─► listed, or too many to be apart from anything
//! ```
//!
//! Rows apart that share a label are `outlier-group`'s, and one cell out of its range is the contract's.

mod surprise;
mod tail;
#[cfg(test)]
mod tests;

use crate::batch::{Batch, cell_text};
use crate::contract::Role;
use crate::detectors::trigger_table::sketch::BottomK;
use crate::error::{Diagnostic, Result, group_digits, plural};
use crate::features::table::{Kind, NULL, code_number, columns_of, kind_of, number_code, row_hashes};
use crate::rule::{Action, Built, Context, Entry, Findings, Group, Meta, Outcome, Round, Rule, Status, Step};
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use surprise::{Column, far};
use tail::Tail;

pub const META: Meta = Meta {
    code: "P191",
    name: "outlier-row",
    summary: "single rows that lie apart from all others in several numeric columns together",
    explain: include_str!("outlier_row/outlier_row.md"),
    ids: &["MITRE ATLAS AML.T0020 (v4)", "NIST AI 100-2e2025 2.3.2"],
};

pub const ENTRY: Entry = Entry { meta: META, build };

/// Distinct rows below which a tail is not told from chance.
const LEAST: usize = 200;
/// Rows of the sample, and its cells where columns are many.
const SAMPLED: usize = 20_000;
const CELLS: usize = 4_000_000;
/// More columns than this leave no sample worth the name.
const COLUMNS: usize = 1000;
/// Rows so far out that are expected by chance in a whole table. In 514 clean tables (3.1 million rows) 10 rows were listed, in 7 of them.
const EXPECTED: f64 = 0.01;
/// The surprises of independent columns are standard exponential, and so is the tail of their sum at least.
const LEAST_SCALE: f64 = 1.0;
/// Outliers among which those that share a label would be a group of `outlier-group`, and the most that anybody reads.
const FEW: u64 = 11;
const MOST: u64 = 100;
/// More likely true than wrong: what lies apart may be right.
const SCORE: f64 = 0.35;
const KEY: &str = "rows apart from all others";
/// Columns that a message names.
const NAMED: usize = 3;

pub struct OutlierRow {
    /// Name, and whether its type holds whole numbers.
    columns: Vec<(String, bool)>,
}

fn build(context: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let features: HashSet<&str> = context.roles.all(Role::Feature).collect();
    let is_number = |f: &DataType| kind_of(f) == Some(Kind::Number) && *f != DataType::Boolean;
    let held = context.schema.fields().iter().filter(|f| is_number(f.data_type()) && features.contains(f.name().as_str()));
    let columns: Vec<(String, bool)> = held.map(|f| (f.name().clone(), f.data_type().is_integer())).collect();
    Ok(match columns.len() {
        0 => Built::not_tested("no numeric column is a feature"),
        1 => Built::not_tested(format!("`{}` is the only numeric feature; its range is the contract's matter", columns[0].0)),
        n if n > COLUMNS => Built::not_tested(format!("more than {COLUMNS} numeric features")),
        _ => Built::one(OutlierRow { columns }),
    })
}

#[derive(Debug, Serialize, Deserialize)]
pub enum RowState {
    /// Codes of a row's cells by the hash of the row.
    Sample(BottomK<Vec<u64>>),
    /// Rows beyond the score that lists them.
    Count(u64),
}

impl crate::rule::State for RowState {
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (RowState::Sample(mine), RowState::Sample(theirs)) => mine.merge(theirs, |_, _| {}),
            (RowState::Count(mine), RowState::Count(theirs)) => *mine += theirs,
            _ => unreachable!("states of one round are merged"),
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RowModel {
    stopped: Option<String>,
    /// The columns that have tails, by their place in the rule.
    used: Vec<(usize, Column)>,
    scores: Option<Tail>,
    /// The score that lists a row.
    cut: f64,
    rows: u64,
    sampled: u64,
    /// Rows beyond, and how many of them would still be few.
    beyond: u64,
    few: u64,
}

/// A row's score and what each column adds.
struct Apart {
    score: f64,
    /// Place among the used columns and surprise, greatest first.
    parts: Vec<(usize, f64)>,
}

impl RowModel {
    fn stop(reason: String) -> Step<RowModel> {
        Step::Done(RowModel { stopped: Some(reason), ..RowModel::default() })
    }

    /// `None` for a row that has one cell far out at most; `cell` is that of a used column.
    fn apart(&self, cell: impl Fn(usize) -> f64) -> Option<Apart> {
        let mut parts: Vec<(usize, f64)> = self.used.iter().enumerate().map(|(i, (_, column))| (i, column.surprise(cell(i)))).collect();
        let score = parts.iter().map(|p| p.1).sum();
        parts.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        parts.get(1).is_some_and(|second| second.1 > far()).then_some(Apart { score, parts })
    }

    fn lists(&self) -> bool {
        (1..=self.few).contains(&self.beyond)
    }

    /// Calls `f(row, apart)` for every row of the batch that is beyond.
    fn visit(&self, rule: &OutlierRow, batch: &Batch, mut f: impl FnMut(usize, &Apart)) {
        let names: Vec<String> = self.used.iter().map(|(c, _)| rule.columns[*c].0.clone()).collect();
        let cells = columns_of(batch, &names);
        // Nearly every row has fewer than two cells outside the inner bounds, which codes show without any sum.
        let mut far_out = vec![0_u16; batch.rows()];
        for (column, (_, known)) in cells.iter().zip(&self.used) {
            let (low, high) = (number_code(known.inner.0), number_code(known.inner.1));
            for (n, &code) in far_out.iter_mut().zip(column) {
                *n += u16::from(code != NULL && (code <= low || code >= high));
            }
        }
        for (row, _) in far_out.iter().enumerate().filter(|(_, n)| **n >= 2) {
            if let Some(apart) = self.apart(|i| code_number(cells[i][row])).filter(|a| a.score >= self.cut) {
                f(row, &apart);
            }
        }
    }

    /// Rows with such a score that chance puts into the whole table.
    fn expected(&self, score: f64) -> f64 {
        self.scores.map_or(f64::NAN, |t| (t.ln_beyond(score) + (self.rows as f64).ln()).exp())
    }
}

impl Rule for OutlierRow {
    const META: Meta = META;
    type State = RowState;
    type Model = RowModel;

    fn columns(&self) -> Vec<String> {
        self.columns.iter().map(|c| c.0.clone()).collect()
    }

    fn start(&self, round: &Round<'_, RowModel>) -> RowState {
        match round.model {
            None => RowState::Sample(BottomK::new((CELLS / self.columns.len().max(1)).clamp(LEAST, SAMPLED))),
            Some(_) => RowState::Count(0),
        }
    }

    fn observe(&self, round: &Round<'_, RowModel>, state: &mut RowState, batch: &Batch) -> Result<()> {
        match (round.model, state) {
            (None, RowState::Sample(sample)) => {
                let cells = columns_of(batch, &self.columns());
                for (row, hash) in row_hashes(&cells, batch.rows(), round.plan.seed).into_iter().enumerate() {
                    sample.entry(hash, || cells.iter().map(|c| c[row]).collect());
                }
            }
            (Some(model), RowState::Count(beyond)) => model.visit(self, batch, |_, _| *beyond += 1),
            _ => unreachable!("a state belongs to its round"),
        }
        Ok(())
    }

    fn finish(&self, round: &Round<'_, RowModel>, state: RowState) -> Result<Step<RowModel>> {
        Ok(match (round.model, state) {
            (None, RowState::Sample(sample)) => self.learn(&sample, round.plan.rows),
            (Some(model), RowState::Count(beyond)) => {
                let counted = RowModel { beyond, ..model.clone() };
                let used = if counted.lists() { counted.used.clone() } else { Vec::new() };
                Step::Done(RowModel { used, ..counted })
            }
            _ => unreachable!("a state belongs to its round"),
        })
    }

    fn outcome(&self, model: &RowModel) -> Outcome {
        let title = format!("outlier row: {} together", plural(self.columns.len(), "numeric column"));
        if let Some(reason) = &model.stopped {
            return Outcome::new(title, Status::NotTested(reason.clone()));
        }
        let mut o = Outcome::new(title, if model.lists() { Status::Fail } else { Status::Pass });
        o.tested = model.rows;
        o.columns = self.columns();
        o.threshold = Some(format!("score {:.1}", model.cut));
        o.message = match model.beyond {
            0 => format!("no row lies apart from the others (distributions from {} rows)", group_digits(model.sampled)),
            n if model.lists() => format!("{} apart from all others", plural(n as usize, "row")),
            n => format!("{} rows lie far out, more than {}: this table has such rows, and none is listed", group_digits(n), model.few),
        };
        if model.lists() {
            o.failing = model.beyond;
            o.groups.push(Group {
                key: KEY.to_owned(),
                action: Action::Review,
                score: SCORE,
                rows: model.beyond,
                with_label: model.beyond,
                label: None,
                statistic: model.cut,
                q_value: model.expected(model.cut),
                message: format!(
                    "{} far out in two numeric columns or more at once, where the table by its own habits has {:.2}",
                    plural(model.beyond as usize, "row"),
                    model.expected(model.cut)
                ),
                reasons: vec!["what lies apart may be true".to_owned()],
            });
        }
        o
    }

    fn has_rows(&self, model: &RowModel) -> bool {
        model.lists()
    }

    fn judge(&self, model: &RowModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        let name = |part: &(usize, f64)| self.columns[model.used[part.0].0].0.as_str();
        model.visit(self, batch, |row, apart| {
            let mut said = Vec::new();
            for part in apart.parts.iter().take(NAMED).filter(|p| p.1 > far()) {
                let cell = batch.column(name(part)).and_then(|a| cell_text(a.as_ref(), row)).unwrap_or_default();
                said.push(format!("{} {cell} (1 row in {})", name(part), group_digits(part.1.exp().round() as u64)));
            }
            let message = out.intern(&format!("apart from all other rows: {}", said.join(", ")));
            let (column, group) = (out.intern(name(&apart.parts[0])), out.intern(KEY));
            let hit = out.push(row, Action::Review, SCORE as f32, message);
            hit.column = column;
            hit.group = group;
            hit.statistic = apart.score;
            hit.q_value = model.expected(apart.score);
        });
        Ok(())
    }
}

impl OutlierRow {
    fn learn(&self, sample: &BottomK<Vec<u64>>, rows: u64) -> Step<RowModel> {
        let sampled = sample.len();
        if sampled < LEAST {
            return RowModel::stop(format!("fewer than {LEAST} distinct rows"));
        }
        let used: Vec<(usize, Column)> = (0..self.columns.len())
            .filter_map(|c| {
                let cells: Vec<f64> = sample.iter().map(|(_, row)| code_number(row[c])).collect();
                Column::of(&cells, self.columns[c].1).map(|column| (c, column))
            })
            .collect();
        if used.len() < 2 {
            return RowModel::stop(
                "fewer than two numeric columns have ten values that are neither numbers of rows nor mostly null".into(),
            );
        }
        let mut scores: Vec<f64> =
            sample.iter().map(|(_, row)| used.iter().map(|(c, column)| column.surprise(code_number(row[*c]))).sum()).collect();
        scores.sort_unstable_by(f64::total_cmp);
        let Some(tail) = Tail::exponential(&scores, LEAST_SCALE) else {
            return RowModel::stop("the scores of the sampled rows have no tail".into());
        };
        let rows = rows.max(sampled as u64);
        let cut = tail.reaches(EXPECTED.ln() - (rows as f64).ln());
        let few = (rows / 1000).clamp(FEW, MOST);
        Step::Again(RowModel { used, scores: Some(tail), cut, rows, sampled: sampled as u64, few, ..RowModel::default() })
    }
}
