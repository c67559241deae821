//! C114: a value where there should be none.

use super::cells::{Cells, each_column};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use crate::batch::Batch;
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta};
use arrow::array::Array;
use arrow::buffer::BooleanBuffer;

pub const META: Meta = Meta {
    code: "C114",
    name: "present-value",
    summary: "A column that must be empty holds nothing but null.",
    ids: &[],
    explain: "\
A row fails when its cell in a column with `is_null: true` holds anything.

**Why it hurts a model.** A column that was retired, or blanked because it gives the answer away or names a person, must stay
empty: a model that finds the label in a leftover column learns nothing else.

**How it is computed.** Every row is tested. Null is absence and nothing else: NaN, the empty text and a cell of a text file that
does not parse as its type are values and fail. In CSV the empty field is null unless `format: {nulls: [...]}` says otherwise.

**Example.** `old_label: {is_null: true, tolerance: 1%}` passes when one row of two hundred still has a label.

**What fools it.** The same content under another column's name; `extra_columns: forbid` sees that.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct PresentValue {
    cells: Cells,
}

impl Test for PresentValue {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        let array = self.cells.of(batch)?;
        let n = array.len();
        let present = array.logical_nulls().map_or_else(|| BooleanBuffer::new_set(n), |nulls| nulls.inner().clone());
        let failing = match self.cells.unparsed(batch) {
            Some(unparsed) => &present | &unparsed,
            None => present,
        };
        Ok(Marks { tested: n, undecided: 0, failing: Some(failing) })
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for (spec, cells, at) in each_column(ctx, &mut built, "is_null", |s| s.clause("is_null")) {
        if spec.required.as_ref().is_some_and(|r| r.value) {
            let d = Diagnostic::new("C007", format!("`{}` cannot be both required and always null", cells.name));
            errors.push(d.at(at.span).help("keep one of `required` and `is_null`"));
            continue;
        }
        let clause = Clause::of_column(spec, &cells, at.span, "is_null", Wrong::being("not null"), "not null, but must be".into());
        built.rules.push(Box::new(RowRule { clause, test: PresentValue { cells } }));
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
