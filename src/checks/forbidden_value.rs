//! C106: a value that the contract rules out.

use super::cells::{Cells, each_value};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use super::set::Set;
use super::unknown_value::{set_of, written};
use crate::batch::Batch;
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta};

pub const META: Meta = Meta {
    code: "C106",
    name: "forbidden-value",
    summary: "No value of a column is one of those listed under forbidden.",
    ids: &[],
    explain: "\
A row fails when its value is in the column's `forbidden` list.

**Why it hurts a model.** Fillers (`N/A`, `-1`, `1970-01-01`, `test`) are values to a loader. The model learns them as if they
meant something, and they often mark one supplier.

**How it is computed.** Nulls are skipped. Entries mean what the column's type says, and are compared exactly as in `allowed`.
NaN equals nothing, so it passes: rule it out with `range`.

**Example.** `age: {forbidden: [-1, 999]}` fails for a row with 999.

**What fools it.** Another spelling: `n/a` is not `N/A`. A `pattern` can name all of them.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct ForbiddenValue {
    cells: Cells,
    forbidden: Set,
}

impl Test for ForbiddenValue {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        self.cells.test(batch, &mut |a| self.forbidden.contains(a))
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for (spec, cells, list) in each_value(ctx, &mut built, "forbidden", |s| s.forbidden.as_ref()) {
        let Some(forbidden) = set_of(spec, &cells, list, "forbidden", &mut built, &mut errors) else { continue };
        let listed = written(list);
        let clause = Clause {
            title: format!("{}: forbidden {listed}", cells.name),
            span: list.span,
            severity: spec.severity,
            tolerance: spec.tolerance.as_ref().map(|t| t.value.clone()),
            about: vec![cells.name.clone()],
            reads: cells.reads(),
            wrong: Wrong::being(&format!("one of {listed}")),
            evidence: format!("one of {listed}"),
            threshold: format!("none of {listed}"),
        };
        built.rules.push(Box::new(RowRule { clause, test: ForbiddenValue { cells, forbidden } }));
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
