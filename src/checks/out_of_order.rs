//! C117: a value out of order.

use super::cells::{Cells, each_column, misfit};
use super::row::{Clause, Tally, Wrong};
use super::scalars::{Reader, Scalar, is_scalar, plain};
use crate::batch::{Batch, RowId};
use crate::contract::clauses::ColumnClause;
use crate::contract::types;
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Step};
use crate::sketch::rowset::RowSet;
use arrow::array::Array;
use arrow::buffer::BooleanBuffer;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeMap;

pub const META: Meta = Meta {
    code: "C117",
    name: "out-of-order",
    summary: "The values of a column rise or fall from row to row.",
    ids: &[],
    explain: "\
With `increasing: true` a row fails when its value is smaller than the last value before it, with `increasing: strictly` also
when it is equal; `decreasing` asks for the reverse.

**Why it hurts a model.** Series, logs and training curricula depend on their order: a shuffled or spliced file leaks the future
into the past, and rows that were slipped in later stand out by their time.

**How it is computed.** In the order of rows, file after file in the sorted list of files; the first value of a file is compared
with the last of the file before. Nulls are skipped. Numbers, times and decimals compare by value, strings by code point. NaN is
ordered with nothing and fails; the value after it is compared with the last that was not NaN. A value that fails is what the
next one is compared with. The rule depends on the order of rows by its nature; shards and threads change nothing.

**Example.** `posted_at: {increasing: true}` over 1, 3, 2, 4 fails for the row with 2 alone.

**What fools it.** Rows inserted in order.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct OutOfOrder {
    clause: Clause,
    cells: Cells,
    falling: bool,
    strictly: bool,
}

/// What one run of consecutive rows looks like from outside.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Run {
    /// The row after the last one.
    end: u64,
    /// First and last value that is not NaN, the first with its row.
    first: Option<(RowId, Scalar)>,
    last: Option<Scalar>,
}

/// Runs by their first row. A shard is one run; what joins two of them is judged when all are there.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Runs {
    runs: BTreeMap<RowId, Run>,
    tested: u64,
    failing: u64,
    rows: RowSet,
}

impl State for Runs {
    fn merge(&mut self, other: Self) {
        self.runs.extend(other.runs);
        self.tested += other.tested;
        self.failing += other.failing;
        self.rows.union(other.rows);
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Broken {
    tally: Tally,
    rows: RowSet,
}

impl OutOfOrder {
    fn breaks(&self, before: &Scalar, after: &Scalar) -> bool {
        match after.compare(before) {
            None => true,
            Some(Ordering::Equal) => self.strictly,
            Some(order) => (order == Ordering::Less) != self.falling,
        }
    }
}

impl Rule for OutOfOrder {
    const META: Meta = META;
    type State = Runs;
    type Model = Broken;

    fn columns(&self) -> Vec<String> {
        self.clause.reads.clone()
    }
    fn start(&self, _: &Round<'_, Broken>) -> Runs {
        Runs::default()
    }
    fn observe(&self, _: &Round<'_, Broken>, state: &mut Runs, batch: &Batch) -> Result<()> {
        if batch.rows() == 0 {
            return Ok(());
        }
        let array = plain(self.cells.of(batch)?)?;
        let reader = Reader::new(&array)?;
        // Go on with the run that ends where this batch begins.
        let start = state.runs.last_key_value().filter(|(s, r)| s.source == batch.source() && r.end == batch.first_row()).map(|(s, _)| *s);
        let start = start.unwrap_or_else(|| batch.row_id(0));
        let mut run = state.runs.remove(&start).unwrap_or(Run { end: 0, first: None, last: None });
        for i in 0..array.len() {
            let Some(value) = reader.get(i) else { continue };
            let row = batch.row_id(i);
            state.tested += 1;
            if value.is_nan() || run.last.as_ref().is_some_and(|last| self.breaks(last, &value)) {
                state.failing += 1;
                state.rows.insert(row);
            }
            if value.is_nan() {
                continue;
            }
            if run.first.is_none() {
                run.first = Some((row, value.clone()));
            }
            run.last = Some(value);
        }
        run.end = batch.first_row() + batch.rows() as u64;
        state.runs.insert(start, run);
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Broken>, state: Runs) -> Result<Step<Broken>> {
        let Runs { runs, tested, mut failing, mut rows } = state;
        let mut last: Option<Scalar> = None;
        for run in runs.into_values() {
            if let (Some(last), Some((row, first))) = (&last, &run.first)
                && self.breaks(last, first)
            {
                failing += 1;
                rows.insert(*row);
            }
            last = run.last.or(last);
        }
        Ok(Step::Done(Broken { tally: Tally { tested, failing, undecided: 0 }, rows }))
    }
    fn outcome(&self, model: &Broken) -> Outcome {
        self.clause.outcome(&model.tally)
    }
    fn has_rows(&self, model: &Broken) -> bool {
        model.tally.failing > 0
    }
    fn judge(&self, model: &Broken, batch: &Batch, out: &mut Findings) -> Result<()> {
        let failing = BooleanBuffer::collect_bool(batch.rows(), |i| model.rows.contains(batch.row_id(i)));
        self.clause.report(&model.tally, &failing, out);
        Ok(())
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for key in ["increasing", "decreasing"] {
        for (spec, cells, at) in each_column(ctx, &mut built, key, |s| s.clause(key)) {
            let ColumnClause::Ordered { falling, strictly } = at.value else { continue };
            if !is_scalar(&cells.kind) {
                let message = format!("values of type {} have no order", types::name(&cells.kind));
                misfit(spec, &cells, key, Diagnostic::new(META.code, message).at(at.span), &mut built, &mut errors);
                continue;
            }
            let what = if strictly { format!("{key} strictly") } else { key.to_owned() };
            let wrong = Wrong::being(&format!("not {what}"));
            let evidence = match (falling, strictly) {
                (false, false) => "smaller than the value before it",
                (false, true) => "not larger than the value before it",
                (true, false) => "larger than the value before it",
                (true, true) => "not smaller than the value before it",
            };
            let clause = Clause::of_column(spec, &cells, at.span, &what, wrong, evidence.into());
            built.rules.push(Box::new(OutOfOrder { clause, cells, falling, strictly }));
        }
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
