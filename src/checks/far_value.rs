//! C119: a value too many standard deviations from the mean.

use super::cells::{Cells, each_column, misfit};
use super::moments::{Moments, each_number, has_numbers, scale};
use super::row::{Clause, Tally, Wrong};
use super::scalars::{Reader, Scalar, plain};
use crate::batch::Batch;
use crate::contract::clauses::{ColumnClause, Side};
use crate::contract::types;
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;
use serde::{Deserialize, Serialize};

pub const META: Meta = Meta {
    code: "C119",
    name: "far-value",
    summary: "No value lies too many standard deviations from the mean of its column.",
    ids: &[],
    explain: "\
A row fails when its value lies more than `max` standard deviations from the mean (with `below`, also when exactly as many), above
or below it; `sides: upper` or `lower` looks at one side.

**Why it hurts a model.** Squared losses and linear layers follow the few values that are far out; a decimal point that slipped
in one row can outweigh a thousand good ones.

**How it is computed.** Mean and standard deviation (of a sample, n - 1) of the values that are not null, from sums without
rounding, in a first pass; then every value is compared. Among n values none can lie further out than (n - 1) / sqrt(n)
deviations: with ten rows, `max: 3` never fails. Where all values are equal each is at the mean and none fails. NaN fails; with
NaN or an infinity in the column there is no mean and every other value passes. With fewer than two values the rule is not
evaluated.

**Example.** `price: {z_score: {max: 6}}`.

**What fools it.** Many far values at once: they move the mean and the deviation with them. A `range` does not move.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct FarValue {
    clause: Clause,
    cells: Cells,
    most: f64,
    exclusive: bool,
    side: Side,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Seen {
    moments: Moments,
    failing: u64,
}

impl State for Seen {
    fn merge(&mut self, other: Self) {
        self.moments.merge(other.moments);
        self.failing += other.failing;
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Spread {
    count: u64,
    /// Bits of mean and deviation, so that NaN survives every encoding.
    mean: u64,
    deviation: u64,
    failing: u64,
}

impl FarValue {
    fn fails(&self, spread: &Spread, array: &ArrayRef) -> Result<BooleanBuffer> {
        let (mean, deviation) = (f64::from_bits(spread.mean), f64::from_bits(spread.deviation));
        let unit = 10_f64.powi(-i32::from(scale(&self.cells.kind)));
        let reader = Reader::new(array)?;
        let far = |v: f64| {
            if v.is_nan() {
                return true;
            }
            let z = if deviation == 0.0 { 0.0 } else { (v - mean) / deviation };
            let z = match self.side {
                Side::Both => z.abs(),
                Side::Upper => z,
                Side::Lower => -z,
            };
            z > self.most || self.exclusive && z == self.most
        };
        Ok(BooleanBuffer::collect_bool(array.len(), |i| match reader.get(i) {
            Some(Scalar::Int(v)) => far(v as f64 * unit),
            Some(Scalar::Float(v)) => far(v),
            _ => false,
        }))
    }
    fn tally(spread: &Spread) -> Tally {
        Tally { tested: spread.count, failing: spread.failing, undecided: 0 }
    }
}

impl Rule for FarValue {
    const META: Meta = META;
    type State = Seen;
    type Model = Spread;

    fn columns(&self) -> Vec<String> {
        self.clause.reads.clone()
    }
    fn start(&self, _: &Round<'_, Spread>) -> Seen {
        Seen::default()
    }
    fn observe(&self, round: &Round<'_, Spread>, state: &mut Seen, batch: &Batch) -> Result<()> {
        let array = plain(self.cells.of(batch)?)?;
        match round.model {
            None => each_number(&array, |_, v| state.moments.add(v))?,
            Some(spread) => state.failing += self.fails(spread, &array)?.count_set_bits() as u64,
        }
        Ok(())
    }
    fn finish(&self, round: &Round<'_, Spread>, state: Seen) -> Result<Step<Spread>> {
        if let Some(spread) = round.model {
            return Ok(Step::Done(Spread { failing: state.failing, ..spread.clone() }));
        }
        let s = scale(&self.cells.kind);
        let (mean, deviation) = (state.moments.mean(s).unwrap_or(0.0), state.moments.deviation(s).unwrap_or(0.0));
        let spread = Spread { count: state.moments.count, mean: mean.to_bits(), deviation: deviation.to_bits(), failing: 0 };
        Ok(if spread.count < 2 { Step::Done(spread) } else { Step::Again(spread) })
    }
    fn outcome(&self, spread: &Spread) -> Outcome {
        let outcome = self.clause.outcome(&Self::tally(spread));
        if spread.count < 2 {
            let why = if spread.count == 0 { "there is no value" } else { "one value has no deviation" };
            return Outcome { status: Status::NotEvaluated(why.into()), message: why.into(), ..outcome };
        }
        let (mean, deviation) = (f64::from_bits(spread.mean), f64::from_bits(spread.deviation));
        Outcome { message: format!("{}; mean {mean}, standard deviation {deviation}", outcome.message), ..outcome }
    }
    fn has_rows(&self, spread: &Spread) -> bool {
        spread.failing > 0
    }
    fn judge(&self, spread: &Spread, batch: &Batch, out: &mut Findings) -> Result<()> {
        let array = plain(self.cells.of(batch)?)?;
        let failing = self.fails(spread, &array)?;
        self.clause.report(&Self::tally(spread), &failing, out);
        Ok(())
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for (spec, cells, at) in each_column(ctx, &mut built, "z_score", |s| s.clause("z_score")) {
        let ColumnClause::ZScore { most, exclusive, side, written } = &at.value else { continue };
        if !has_numbers(&cells.kind) {
            let message = format!("z_score needs a column of numbers; `{}` is {}", cells.name, types::name(&cells.kind));
            misfit(spec, &cells, "z_score", Diagnostic::new(META.code, message).at(at.span), &mut built, &mut errors);
            continue;
        }
        let wrong = Wrong::being(&format!("not {written} from the mean"));
        let evidence = format!("not {written} from the mean");
        let clause = Clause::of_column(spec, &cells, at.span, &format!("z_score {written}"), wrong, evidence);
        built.rules.push(Box::new(FarValue { clause, cells, most: *most, exclusive: *exclusive, side: *side }));
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
