//! C143: too many or too few nulls.

use super::cells::{Cells, each_column, settled};
use super::row::percent;
use crate::batch::Batch;
use crate::contract::clauses::{ColumnClause, Shares};
use crate::error::{Diagnostic, Result, group_digits};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use arrow::array::Array;
use serde::{Deserialize, Serialize};

pub const META: Meta = Meta {
    code: "C143",
    name: "null-share",
    summary: "The share of nulls in a column lies between min and max.",
    ids: &[],
    explain: "\
Fails when fewer than `min` or more than `max` of the rows are null in the column.

**Why it hurts a model.** Absence carries a signal: whoever did not answer, whatever sensor was off. When its share jumps, the
signal has changed its meaning, and an imputed value stands for something else than it did in training.

**How it is computed.** Nulls over all rows, compared as integers. Null is absence and nothing else: NaN, the empty text and a
cell of a text file that does not parse as its type are values. Without rows the rule is not evaluated. There is no guilty row;
`required` with a `tolerance` lists the rows.

**Example.** `income: {null_share: {min: 5%, max: 20%}}`.

**What fools it.** A filler such as -1 or `unknown`; put it into `forbidden`.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct NullShare {
    cells: Cells,
    limits: Shares,
    base: Outcome,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Counted {
    rows: u64,
    nulls: u64,
}

impl State for Counted {
    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.nulls += other.nulls;
    }
}

impl Rule for NullShare {
    const META: Meta = META;
    type State = Counted;
    type Model = Counted;

    fn columns(&self) -> Vec<String> {
        self.cells.reads()
    }
    fn start(&self, _: &Round<'_, Counted>) -> Counted {
        Counted::default()
    }
    fn observe(&self, _: &Round<'_, Counted>, state: &mut Counted, batch: &Batch) -> Result<()> {
        let array = self.cells.of(batch)?;
        let unparsed = self.cells.unparsed(batch).map_or(0, |u| u.count_set_bits());
        state.rows += array.len() as u64;
        state.nulls += (array.logical_null_count() - unparsed) as u64;
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Counted>, state: Counted) -> Result<Step<Counted>> {
        Ok(Step::Done(state))
    }
    fn outcome(&self, c: &Counted) -> Outcome {
        let wanted = self.base.threshold.clone().unwrap_or_default();
        if c.rows == 0 {
            return Outcome {
                status: Status::NotEvaluated("there is no row".into()),
                message: "there is no row".into(),
                ..self.base.clone()
            };
        }
        Outcome {
            status: if self.limits.hold(c.nulls, c.rows) { Status::Pass } else { Status::Fail },
            tested: c.rows,
            statistic: Some(c.nulls as f64 / c.rows as f64),
            message: format!(
                "{} of {} rows are null ({}); the contract asks for {wanted}",
                group_digits(c.nulls),
                group_digits(c.rows),
                percent(c.nulls, c.rows)
            ),
            ..self.base.clone()
        }
    }
    fn has_rows(&self, _: &Counted) -> bool {
        false
    }
    fn judge(&self, _: &Counted, _: &Batch, _: &mut Findings) -> Result<()> {
        Ok(())
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let mut built = Built::default();
    for (spec, cells, at) in each_column(ctx, &mut built, "null_share", |s| s.clause("null_share")) {
        let ColumnClause::NullShare(limits) = &at.value else { continue };
        let wanted = limits.written();
        let base = settled(spec, &format!("{}: null_share {wanted}", cells.name), Status::Pass);
        let base = Outcome { span: Some(at.span), columns: vec![cells.name.clone()], threshold: Some(wanted), ..base };
        built.rules.push(Box::new(NullShare { cells, limits: limits.clone(), base }));
    }
    Ok(built)
}
