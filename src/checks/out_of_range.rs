//! C107: a value outside its range.

use super::cells::{Cells, each_value, misfit};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use super::set::Interval;
use crate::batch::Batch;
use crate::contract::{Range, scalar, types};
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta};

pub const META: Meta = Meta {
    code: "C107",
    name: "out-of-range",
    summary: "Every value of a column lies between min and max.",
    ids: &[],
    explain: "\
A row fails when its value is below `min` or above `max`. Both ends belong to the range unless `exclusive: true`.

**Why it hurts a model.** One age of 9999 moves a mean, stretches a scaler and pushes every real value into one corner; a
rating of 6 out of 5 comes from somewhere else than the rest.

**How it is computed.** Nulls are skipped. NaN is ordered with nothing and fails every range; infinities are ordered and fail
where a bound excludes them. Integers and floats compare by value without rounding (2^53 + 1 is not 2^53), decimals exactly,
timestamps as instants, strings by code point.

**Example.** `stars: {range: {min: 1, max: 5}}` fails for 0, 6 and NaN.

**What fools it.** A value that is wrong and plausible.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct OutOfRange {
    cells: Cells,
    interval: Interval,
}

impl Test for OutOfRange {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        self.cells.test(batch, &mut |a| self.interval.excludes(a))
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for (spec, cells, range) in each_value(ctx, &mut built, "range", |s| s.range.as_ref()) {
        let r = &range.value;
        let interval = match interval(r, &cells) {
            Ok(i) => i,
            Err((why, at)) => {
                let d = Diagnostic::new("C107", format!("range of column `{}`: {why}", cells.name)).at(at.unwrap_or(range.span));
                misfit(spec, &cells, "range", d, &mut built, &mut errors);
                continue;
            }
        };
        let written = written(r);
        let clause = Clause {
            title: format!("{}: range {written}", cells.name),
            span: range.span,
            severity: spec.severity,
            tolerance: spec.tolerance.as_ref().map(|t| t.value.clone()),
            about: vec![cells.name.clone()],
            reads: cells.reads(),
            wrong: Wrong::being(&format!("outside {written}")),
            evidence: format!("outside {written}"),
            threshold: written,
        };
        built.rules.push(Box::new(RowRule { clause, test: OutOfRange { cells, interval } }));
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}

fn interval(r: &Range, cells: &Cells) -> std::result::Result<Interval, (String, Option<crate::error::Span>)> {
    let bound = |s: &Option<crate::contract::Scalar>| match s {
        None => Ok(None),
        Some(s) => scalar::typed(s, &cells.kind).map(Some).map_err(|why| (why, Some(s.span))),
    };
    let (min, max) = (bound(&r.min)?, bound(&r.max)?);
    Interval::new(min.as_ref(), max.as_ref(), r.exclusive, &cells.kind)
        .ok_or_else(|| (format!("values of type {} have no order", types::name(&cells.kind)), None))
}

/// `1..5`, `at least 1`, `between 0 and 1, ends excluded`.
fn written(r: &Range) -> String {
    let text = |s: &Option<crate::contract::Scalar>| s.as_ref().map(|s| s.text.clone());
    match (text(&r.min), text(&r.max), r.exclusive) {
        (Some(a), Some(b), false) => format!("{a}..{b}"),
        (Some(a), Some(b), true) => format!("{a}..{b}, ends excluded"),
        (Some(a), None, false) => format!("{a}.."),
        (None, Some(b), false) => format!("..{b}"),
        (Some(a), None, true) => format!("{a}.., {a} excluded"),
        (None, Some(b), true) => format!("..{b}, {b} excluded"),
        (None, None, _) => "any value".into(),
    }
}
