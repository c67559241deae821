//! C140: a number of the whole column outside its bounds.

use super::cells::{Cells, each_column, misfit, settled};
use super::limits::Limits;
use super::moments::{Moments, each_number, has_numbers, scale};
use super::scalars::{Reader, Scalar, is_scalar, plain};
use crate::batch::{Batch, cell_text};
use crate::contract::clauses::{Bounds, ColumnClause};
use crate::contract::scalar::{self, Value};
use crate::contract::types;
use crate::error::{Diagnostic, Result, group_digits};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use crate::sketch::exact::Big;
use crate::sketch::keys::{self, Keys};
use arrow::datatypes::{DataType, i256};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

pub const META: Meta = Meta {
    code: "C140",
    name: "aggregate-out-of-bounds",
    summary: "Mean, median, deviation, sum, quantiles, smallest and largest value of a column lie within their bounds.",
    ids: &[],
    explain: "\
Fails when `mean`, `median`, `std`, `sum`, a level of `quantiles`, the `smallest` or the `largest` value of a column lies outside
its bounds: `min` and `max` belong to the range, `above` and `below` do not.

**Why it hurts a model.** A feature whose mean moved is scaled wrongly for every row, and a largest value of ten times the usual
was a unit, a currency or an attack. Each row may be in range all the same.

**How it is computed.** Over the values that are not null; without one, or with fewer than two for `std`, the rule is not
evaluated. NaN fails every bound of every aggregate. Sums are kept without rounding, so no order of rows and no split changes a
bit; `mean` and `std` (of a sample, n - 1) are rounded once to a double and then compared, `sum` of integers and decimals is
compared exactly, `smallest` and `largest` as `range` compares. Quantiles are exact, by sorting on disk where the column outgrows
the memory, and interpolated between neighbours (level 0.5 is the median; numpy's default). true counts as 1. There is no guilty
row.

**Example.** `age: {mean: {min: 30, max: 45}, quantiles: {0.99: {max: 90}}}`.

**What fools it.** Changes that cancel each other; `drift` compares whole distributions.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Mean,
    Deviation,
    Sum,
    Quantile(f64),
}

struct Numeric {
    cells: Cells,
    what: What,
    limits: Limits,
    base: Outcome,
    memory: u64,
}

#[derive(Serialize, Deserialize)]
struct Seen {
    moments: Moments,
    /// Values in order-preserving form, for quantiles alone.
    values: Keys,
    nan: bool,
}

impl State for Seen {
    fn merge(&mut self, other: Self) {
        self.moments.merge(other.moments);
        self.values.merge(other.values);
        self.nan |= other.nan;
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Answer {
    count: u64,
    /// As bits, so that NaN survives every encoding.
    value: Option<u64>,
    /// Whether the bounds hold, where that was decided without rounding.
    holds: Option<bool>,
}

/// Order-preserving bits of a double, and back. -0.0 and 0.0 are one value.
pub fn ordered(v: f64) -> u128 {
    let bits = (v + 0.0).to_bits();
    u128::from(if bits >> 63 == 1 { !bits } else { bits | 1 << 63 })
}

pub fn unordered(k: u128) -> f64 {
    let k = k as u64;
    f64::from_bits(if k >> 63 == 1 { k & !(1 << 63) } else { !k })
}

/// The same for integers.
fn ordered_int(v: i128) -> u128 {
    (v as u128) ^ (1 << 127)
}

impl Numeric {
    fn is_float(&self) -> bool {
        matches!(self.cells.kind, DataType::Float16 | DataType::Float32 | DataType::Float64)
    }

    fn number(&self, key: u128) -> f64 {
        if self.is_float() {
            unordered(key)
        } else {
            Big::int((key ^ (1 << 127)) as i128).over(&[1]) / 10_f64.powi(scale(&self.cells.kind).into())
        }
    }

    fn quantile(&self, level: f64, seen: &mut Seen) -> Result<Option<f64>> {
        let n = seen.values.len();
        if seen.nan {
            return Ok(Some(f64::NAN));
        }
        if n == 0 {
            return Ok(None);
        }
        let place = level * (n - 1) as f64;
        let (low, high) = (place.floor() as u64, (place.ceil() as u64).min(n - 1));
        let (mut i, mut ends) = (0, [None, None]);
        seen.values.groups(&mut |entry, _| {
            if i == low {
                ends[0] = Some(entry.hash);
            }
            if i == high {
                ends[1] = Some(entry.hash);
            }
            i += 1;
        })?;
        let [Some(a), Some(b)] = ends else { return Ok(None) };
        let (a, b) = (self.number(a), self.number(b));
        if a == b || low == high {
            return Ok(Some(a));
        }
        let part = place - place.floor();
        // From the nearer end, so that an exact half of two integers is exact.
        Ok(Some(if part < 0.5 { a + (b - a) * part } else { b - (b - a) * (1.0 - part) }))
    }
}

impl Rule for Numeric {
    const META: Meta = META;
    type State = Seen;
    type Model = Answer;

    fn columns(&self) -> Vec<String> {
        self.cells.reads()
    }
    fn start(&self, _: &Round<'_, Answer>) -> Seen {
        Seen { moments: Moments::default(), values: Keys::new(self.memory), nan: false }
    }
    fn observe(&self, _: &Round<'_, Answer>, state: &mut Seen, batch: &Batch) -> Result<()> {
        let array = plain(self.cells.of(batch)?)?;
        if !matches!(self.what, What::Quantile(_)) {
            return each_number(&array, |_, v| state.moments.add(v));
        }
        let reader = Reader::new(&array)?;
        for i in 0..batch.rows() {
            let hash = match reader.get(i) {
                Some(Scalar::Int(v)) => ordered_int(v),
                Some(Scalar::Float(v)) if v.is_nan() => {
                    state.nan = true;
                    continue;
                }
                Some(Scalar::Float(v)) => ordered(v),
                _ => continue,
            };
            state.values.push(keys::Entry { hash, row: batch.row_id(i), payload: 0 })?;
        }
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Answer>, mut state: Seen) -> Result<Step<Answer>> {
        let s = scale(&self.cells.kind);
        let m = &state.moments;
        let value = match self.what {
            What::Mean => m.mean(s),
            What::Deviation => m.deviation(s),
            What::Sum => (m.count > 0).then(|| m.sum(s)),
            What::Quantile(level) => self.quantile(level, &mut state)?,
        };
        let m = &state.moments;
        let mut holds = None;
        if self.what == What::Sum && !self.is_float() && m.count > 0 {
            // value / 10^s against digits / 10^t, crosswise.
            let power = |n: u32| (0..n).fold(Big::int(1), |p, _| p.times(&Big::int(10)));
            let (up, down) = if s >= 0 { (0, u32::from(s.unsigned_abs())) } else { (u32::from(s.unsigned_abs()), 0) };
            holds = m.exact_sum().map(|sum| {
                self.limits.hold(|l| {
                    let d = l.decimal?;
                    Some(sum.times(&power(up + d.scale)).compare(&Big::int(d.digits).times(&power(down))))
                })
            });
        }
        let count = if matches!(self.what, What::Quantile(_)) { state.values.len() + u64::from(state.nan) } else { m.count };
        Ok(Step::Done(Answer { count, value: value.map(f64::to_bits), holds }))
    }
    fn outcome(&self, answer: &Answer) -> Outcome {
        let Some(value) = answer.value.map(f64::from_bits) else {
            let why = match (self.what, answer.count) {
                (What::Deviation, 1) => "one value has no deviation",
                _ => "there is no value",
            };
            return Outcome { status: Status::NotEvaluated(why.into()), message: why.into(), tested: answer.count, ..self.base.clone() };
        };
        let holds = answer.holds.unwrap_or_else(|| self.limits.admit(value));
        let wanted = self.base.threshold.clone().unwrap_or_default();
        Outcome {
            status: if holds { Status::Pass } else { Status::Fail },
            tested: answer.count,
            statistic: Some(value),
            message: format!("{value} over {} values; the contract asks for {wanted}", group_digits(answer.count)),
            ..self.base.clone()
        }
    }
    fn has_rows(&self, _: &Answer) -> bool {
        false
    }
    fn judge(&self, _: &Answer, _: &Batch, _: &mut Findings) -> Result<()> {
        Ok(())
    }
}

/// The smallest or the largest value, of any type that has an order.
struct Extreme {
    cells: Cells,
    largest: bool,
    /// min, max, above, below.
    limits: [Option<Value>; 4],
    base: Outcome,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Most {
    count: u64,
    nan: bool,
    /// With how it prints.
    value: Option<(Scalar, String)>,
}

impl Most {
    fn offer(&mut self, value: (Scalar, String), largest: bool) {
        let wanted = if largest { Ordering::Greater } else { Ordering::Less };
        // Equal values print alike but for -0.0: the larger text is as good as any, and always the same.
        let better = self.value.as_ref().is_none_or(|old| match value.0.compare(&old.0) {
            Some(Ordering::Equal) => value.1 > old.1,
            order => order == Some(wanted),
        });
        if better {
            self.value = Some(value);
        }
    }
}

/// Both ends are kept: a state does not know which one is asked for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Ends {
    low: Most,
    high: Most,
}

impl State for Ends {
    fn merge(&mut self, other: Self) {
        for (mine, theirs, largest) in [(&mut self.low, other.low, false), (&mut self.high, other.high, true)] {
            mine.count += theirs.count;
            mine.nan |= theirs.nan;
            if let Some(v) = theirs.value {
                mine.offer(v, largest);
            }
        }
    }
}

/// A value of the column against a literal of the contract, exactly.
fn against(v: &Scalar, literal: &Value, t: &DataType) -> Option<Ordering> {
    match (v, literal) {
        (Scalar::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Scalar::Int(a), Value::Bool(b)) => Some(a.cmp(&i128::from(*b))),
        (Scalar::Int(a), Value::Timestamp(b) | Value::Duration(b)) => Some(a.checked_mul(step(t))?.cmp(b)),
        (Scalar::Int(a), Value::Time(b)) => Some(a.checked_mul(step(t))?.cmp(&i128::from(*b))),
        (Scalar::Int(a), Value::Date(b)) => {
            let days = if *t == DataType::Date64 { 86_400_000 } else { 1 };
            Some(a.cmp(&(i128::from(*b) * days)))
        }
        (Scalar::Int(a), Value::Decimal { unscaled, .. }) => Some(i256::from_i128(*a).cmp(unscaled)),
        (Scalar::Float(a), Value::Float(b)) => a.partial_cmp(b),
        (Scalar::Float(a), Value::Int(b)) => scalar::int_float(*b, *a).map(Ordering::reverse),
        (Scalar::Bytes(a), Value::Str(b)) => Some(a.as_slice().cmp(b.as_bytes())),
        (Scalar::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Scalar::Bytes(a), Value::Decimal { unscaled, .. }) => {
            let mut bytes = unscaled.to_be_bytes();
            bytes[0] ^= 0x80;
            Some(a.as_slice().cmp(&bytes))
        }
        _ => None,
    }
}

fn step(t: &DataType) -> i128 {
    match t {
        DataType::Timestamp(u, _) | DataType::Time32(u) | DataType::Time64(u) | DataType::Duration(u) => scalar::nanos_per(*u).into(),
        _ => 1,
    }
}

impl Rule for Extreme {
    const META: Meta = META;
    type State = Ends;
    type Model = Ends;

    fn columns(&self) -> Vec<String> {
        self.cells.reads()
    }
    fn start(&self, _: &Round<'_, Ends>) -> Ends {
        Ends::default()
    }
    fn observe(&self, _: &Round<'_, Ends>, state: &mut Ends, batch: &Batch) -> Result<()> {
        let array = plain(self.cells.of(batch)?)?;
        let reader = Reader::new(&array)?;
        let end = if self.largest { &mut state.high } else { &mut state.low };
        let wanted = if self.largest { Ordering::Greater } else { Ordering::Less };
        // The batch's own extreme first; only that one is printed.
        let mut best: Option<(Scalar, usize)> = None;
        for i in 0..batch.rows() {
            let Some(v) = reader.get(i) else { continue };
            end.count += 1;
            end.nan |= v.is_nan();
            if !v.is_nan() && best.as_ref().is_none_or(|(b, _)| v.compare(b) == Some(wanted)) {
                best = Some((v, i));
            }
        }
        if let Some((v, i)) = best {
            // A negative zero is a zero.
            let v = if let Scalar::Float(f) = v { Scalar::Float(f + 0.0) } else { v };
            let text = if let Scalar::Float(f) = &v { f.to_string() } else { cell_text(array.as_ref(), i).unwrap_or_default() };
            end.offer((v, text), self.largest);
        }
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Ends>, state: Ends) -> Result<Step<Ends>> {
        Ok(Step::Done(state))
    }
    fn outcome(&self, ends: &Ends) -> Outcome {
        let end = if self.largest { &ends.high } else { &ends.low };
        let wanted = self.base.threshold.clone().unwrap_or_default();
        let base = Outcome { tested: end.count, ..self.base.clone() };
        if end.nan {
            return Outcome { status: Status::Fail, message: format!("there is a NaN, which meets no bound such as {wanted}"), ..base };
        }
        let Some((value, text)) = &end.value else {
            return Outcome { status: Status::NotEvaluated("there is no value".into()), message: "there is no value".into(), ..base };
        };
        let tests: [fn(Ordering) -> bool; 4] = [Ordering::is_ge, Ordering::is_le, Ordering::is_gt, Ordering::is_lt];
        let holds =
            self.limits.iter().zip(tests).all(|(l, ok)| l.as_ref().is_none_or(|l| against(value, l, &self.cells.kind).is_some_and(ok)));
        let statistic = match value {
            Scalar::Float(f) => Some(*f),
            Scalar::Int(_) if self.cells.kind.is_integer() => text.parse().ok(),
            _ => None,
        };
        Outcome {
            status: if holds { Status::Pass } else { Status::Fail },
            statistic,
            message: format!("{text} over {} values; the contract asks for {wanted}", group_digits(end.count)),
            ..base
        }
    }
    fn has_rows(&self, _: &Ends) -> bool {
        false
    }
    fn judge(&self, _: &Ends, _: &Batch, _: &mut Findings) -> Result<()> {
        Ok(())
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    let memory = ctx.plan.memory / 16 / ctx.plan.threads.max(1) as u64;
    for key in ["mean", "median", "std", "sum", "quantiles"] {
        for (spec, cells, at) in each_column(ctx, &mut built, key, |s| s.clause(key)) {
            if !has_numbers(&cells.kind) {
                let message = format!("{key} needs a column of numbers; `{}` is {}", cells.name, types::name(&cells.kind));
                misfit(spec, &cells, key, Diagnostic::new(META.code, message).at(at.span), &mut built, &mut errors);
                continue;
            }
            let levels: Vec<(What, String, &Bounds)> = match &at.value {
                ColumnClause::Aggregate(b) => {
                    let what = match key {
                        "mean" => What::Mean,
                        "std" => What::Deviation,
                        "sum" => What::Sum,
                        _ => What::Quantile(0.5),
                    };
                    vec![(what, key.to_owned(), b)]
                }
                ColumnClause::Quantiles(all) => {
                    all.iter().map(|(l, written, b)| (What::Quantile(*l), format!("quantile {written}"), b)).collect()
                }
                _ => continue,
            };
            for (what, written, bounds) in levels {
                let limits = match Limits::new(bounds) {
                    Ok(limits) => limits,
                    Err((why, span)) => {
                        errors.push(Diagnostic::new(META.code, format!("{key} of column `{}`: {why}", cells.name)).at(span));
                        continue;
                    }
                };
                let base = base(spec, &cells, at.span, &written, bounds);
                built.rules.push(Box::new(Numeric { cells: cells.clone(), what, limits, base, memory }));
            }
        }
    }
    for (key, largest) in [("smallest", false), ("largest", true)] {
        for (spec, cells, at) in each_column(ctx, &mut built, key, |s| s.clause(key)) {
            let ColumnClause::Aggregate(bounds) = &at.value else { continue };
            if !is_scalar(&cells.kind) {
                let message = format!("values of type {} have no order", types::name(&cells.kind));
                misfit(spec, &cells, key, Diagnostic::new(META.code, message).at(at.span), &mut built, &mut errors);
                continue;
            }
            let mut wrong = None;
            let limits = [&bounds.min, &bounds.max, &bounds.above, &bounds.below].map(|s| {
                let s = s.as_ref()?;
                scalar::typed(s, &cells.kind).map_err(|why| wrong = Some((why, s.span))).ok()
            });
            if let Some((why, span)) = wrong {
                let d = Diagnostic::new(META.code, format!("{key} of column `{}`: {why}", cells.name)).at(span);
                misfit(spec, &cells, key, d, &mut built, &mut errors);
                continue;
            }
            let base = base(spec, &cells, at.span, key, bounds);
            built.rules.push(Box::new(Extreme { cells, largest, limits, base }));
        }
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}

fn base(spec: &crate::contract::ColumnSpec, cells: &Cells, span: crate::error::Span, what: &str, bounds: &Bounds) -> Outcome {
    let wanted = bounds.written();
    let base = settled(spec, &format!("{}: {what} {wanted}", cells.name), Status::Pass);
    Outcome { span: Some(span), columns: vec![cells.name.clone()], threshold: Some(wanted), ..base }
}
