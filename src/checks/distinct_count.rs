//! C141: too few or too many distinct values.

use super::cells::{Cells, each_column, misfit, settled};
use super::duplicate_key::{can_be_key, hashes};
use crate::batch::Batch;
use crate::contract::clauses::{ColumnClause, Counts, Shares};
use crate::contract::types;
use crate::error::{Diagnostic, Result, group_digits};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use crate::sketch::keys::{self, Keys};
use serde::{Deserialize, Serialize};

pub const META: Meta = Meta {
    code: "C141",
    name: "distinct-count",
    summary: "A column has so many distinct values, or so many of its values are distinct.",
    ids: &[],
    explain: "\
Fails when the number of distinct values lies outside `distinct`, or distinct values over values outside `unique_share`.

**Why it hurts a model.** A category that grew from 12 to 4,000 values was joined with free text; a text column in which one row
in three is a copy trains on fewer examples than it counts.

**How it is computed.** Exactly, for any number of rows: values are compared by a 128-bit hash and sorted on disk when they
outgrow the memory. Nulls are skipped, all NaN are one value and -0.0 is 0.0. Shares are compared as integers. Without a value
`unique_share` is not evaluated; `distinct` then counts 0. There is no guilty row; `unique` names the rows that repeat.

**Example.** `country: {distinct: {max: 250}}`, `text: {unique_share: {min: 99%}}`.

**What fools it.** Values that differ in case, spaces or invisible characters count as distinct.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

enum Limit {
    Count(Counts),
    Share(Shares),
}

struct DistinctCount {
    cells: Cells,
    limit: Limit,
    base: Outcome,
    memory: u64,
}

#[derive(Serialize, Deserialize)]
struct Seen(Keys);

impl State for Seen {
    fn merge(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Counted {
    values: u64,
    distinct: u64,
}

impl Rule for DistinctCount {
    const META: Meta = META;
    type State = Seen;
    type Model = Counted;

    fn columns(&self) -> Vec<String> {
        self.cells.reads()
    }
    fn start(&self, _: &Round<'_, Counted>) -> Seen {
        Seen(Keys::new(self.memory))
    }
    fn observe(&self, _: &Round<'_, Counted>, state: &mut Seen, batch: &Batch) -> Result<()> {
        for (i, hash) in hashes(&self.cells.of(batch)?)?.into_iter().enumerate() {
            if let Some(hash) = hash {
                state.0.push(keys::Entry { hash, row: batch.row_id(i), payload: 0 })?;
            }
        }
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Counted>, mut state: Seen) -> Result<Step<Counted>> {
        let mut counted = Counted { values: 0, distinct: 0 };
        state.0.groups(&mut |_, fresh| {
            counted.values += 1;
            counted.distinct += u64::from(fresh);
        })?;
        Ok(Step::Done(counted))
    }
    fn outcome(&self, c: &Counted) -> Outcome {
        let wanted = self.base.threshold.clone().unwrap_or_default();
        let (holds, statistic) = match &self.limit {
            Limit::Count(l) => (l.min.is_none_or(|m| c.distinct >= m) && l.max.is_none_or(|m| c.distinct <= m), c.distinct as f64),
            Limit::Share(_) if c.values == 0 => {
                let why = "there is no value";
                return Outcome { status: Status::NotEvaluated(why.into()), message: why.into(), ..self.base.clone() };
            }
            Limit::Share(l) => (l.hold(c.distinct, c.values), c.distinct as f64 / c.values as f64),
        };
        Outcome {
            status: if holds { Status::Pass } else { Status::Fail },
            tested: c.values,
            statistic: Some(statistic),
            message: format!(
                "{} distinct among {} values; the contract asks for {wanted}",
                group_digits(c.distinct),
                group_digits(c.values)
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
    let (mut built, mut errors) = (Built::default(), Vec::new());
    let memory = ctx.plan.memory / 16 / ctx.plan.threads.max(1) as u64;
    for key in ["distinct", "unique_share"] {
        for (spec, cells, at) in each_column(ctx, &mut built, key, |s| s.clause(key)) {
            if !can_be_key(&cells.kind) {
                let message = format!("{key} needs a column of plain values; `{}` is {}", cells.name, types::name(&cells.kind));
                misfit(spec, &cells, key, Diagnostic::new(META.code, message).at(at.span), &mut built, &mut errors);
                continue;
            }
            let (limit, wanted) = match &at.value {
                ColumnClause::Distinct(c) => (Limit::Count(c.clone()), c.written()),
                ColumnClause::UniqueShare(s) => (Limit::Share(s.clone()), s.written()),
                _ => continue,
            };
            let base = settled(spec, &format!("{}: {key} {wanted}", cells.name), Status::Pass);
            let base = Outcome { span: Some(at.span), columns: vec![cells.name.clone()], threshold: Some(wanted), ..base };
            built.rules.push(Box::new(DistinctCount { cells, limit, base, memory }));
        }
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
