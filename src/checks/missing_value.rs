//! C103: a required column has a null.

use super::cells::{Cells, each_value};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use crate::batch::Batch;
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta};

pub const META: Meta = Meta {
    code: "C103",
    name: "missing-value",
    summary: "A required column has no null.",
    ids: &[],
    explain: "\
A row fails when its cell in a column with `required: true` is null. For the elements of a list (`tags[]`), it fails when one of
them is; a row without elements has nothing to be null and is not counted as tested.

**Why it hurts a model.** Loaders turn absence into something: an empty string, a zero, a class of its own. The model then
learns from the filler, and a column that one supplier leaves empty becomes a hidden mark of that supplier.

**How it is computed.** Every row is tested. Null is absence and nothing else: NaN, the empty string and a cell of a text
file that does not parse as its type are values here (`range`, `length` and `type` speak about those). In CSV the empty
field is null unless `format: {nulls: [...]}` says otherwise.

**Example.** `label: {type: string, required: true}` over

    text,label
    a fine film,pos
    a dull film,

fails for row 1.

**What fools it.** A filler such as `N/A`, `-1` or `unknown` is a value. Put it into `forbidden`.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct MissingValue {
    cells: Cells,
}

impl Test for MissingValue {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        let (tested, nulls) = self.cells.nulls(batch)?;
        let failing = nulls.map(|null| match self.cells.unparsed(batch) {
            Some(unparsed) => &null & &!&unparsed,
            None => null,
        });
        Ok(Marks { tested, undecided: 0, failing })
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let mut built = Built::default();
    for (spec, cells, at) in each_value(ctx, &mut built, "required", |s| s.required.as_ref().filter(|r| r.value)) {
        let clause = Clause {
            title: format!("{}: required", cells.name),
            span: at.span,
            severity: spec.severity,
            tolerance: spec.tolerance.as_ref().map(|t| t.value.clone()),
            about: vec![cells.name.clone()],
            reads: cells.reads(),
            wrong: Wrong::being("null"),
            evidence: "null, but required".into(),
            threshold: "no null".into(),
        };
        built.rules.push(Box::new(RowRule { clause, test: MissingValue { cells } }));
    }
    Ok(built)
}
