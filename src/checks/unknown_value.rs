//! C105: a value outside the allowed ones.

use super::cells::{Cells, each_value, misfit};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use super::set::Set;
use crate::batch::Batch;
use crate::contract::{At, ColumnSpec, Scalar, scalar, types};
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta};

pub const META: Meta = Meta {
    code: "C105",
    name: "unknown-value",
    summary: "Every value of a column is one of those listed under allowed.",
    ids: &[],
    explain: "\
A row fails when its value is not in the column's `allowed` list.

**Why it hurts a model.** A misspelt class (`postive`) becomes a class of its own with too few rows to learn, and takes them
from the class they belong to. A new split name silently drops rows from training.

**How it is computed.** Nulls are skipped; the denominator is the rows with a value. The list's entries mean what the column's
type says: `no` is text in a string column, `012` is 12 in an integer column. Strings compare by code point, numbers by value
without rounding, times as instants. NaN equals nothing and fails; -0.0 equals 0.0.

**Example.** `label: {allowed: [neg, pos]}` fails for a row whose label is `Pos`.

**What fools it.** Letters that look alike (a Cyrillic `о` in `pоs`) do fail here, and print like the allowed value; see
hidden and confusable Unicode. A wrong label out of the list passes: that is what the poisoning detectors are for.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct UnknownValue {
    cells: Cells,
    allowed: Set,
}

impl Test for UnknownValue {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        self.cells.test(batch, &mut |a| Ok(!&self.allowed.contains(a)?))
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for (spec, cells, list) in each_value(ctx, &mut built, "allowed", |s| s.allowed.as_ref()) {
        let Some(allowed) = set_of(spec, &cells, list, "allowed", &mut built, &mut errors) else { continue };
        let listed = written(list);
        let clause = Clause {
            title: format!("{}: allowed {listed}", cells.name),
            span: list.span,
            severity: spec.severity,
            tolerance: spec.tolerance.as_ref().map(|t| t.value.clone()),
            about: vec![cells.name.clone()],
            reads: cells.reads(),
            wrong: Wrong::being(&format!("none of {listed}")),
            evidence: format!("none of {listed}"),
            threshold: listed,
        };
        built.rules.push(Box::new(RowRule { clause, test: UnknownValue { cells, allowed } }));
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}

/// The list as a set of the column's type; problems go to `built` or `errors`.
pub(super) fn set_of(
    spec: &ColumnSpec,
    cells: &Cells,
    list: &At<Vec<Scalar>>,
    what: &str,
    built: &mut Built,
    errors: &mut Vec<Diagnostic>,
) -> Option<Set> {
    let mut values = Vec::with_capacity(list.value.len());
    for s in &list.value {
        match scalar::typed(s, &cells.kind) {
            Ok(v) => values.push(v),
            Err(why) => {
                let d = Diagnostic::new("C105", format!("{what} of column `{}`: {why}", cells.name)).at(s.span);
                misfit(spec, cells, what, d, built, errors);
                return None;
            }
        }
    }
    let set = Set::new(&values, &cells.kind);
    if set.is_none() {
        let message = format!("{what} needs a column of plain values; `{}` is {}", cells.name, types::name(&cells.kind));
        misfit(spec, cells, what, Diagnostic::new("C105", message).at(list.span), built, errors);
    }
    set
}

/// `[neg, pos]`, shortened when long.
pub(super) fn written(list: &At<Vec<Scalar>>) -> String {
    let texts: Vec<&str> = list.value.iter().map(|s| s.text.as_str()).collect();
    format!("[{}]", super::cells::listing(&texts))
}
