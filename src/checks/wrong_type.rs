//! C102: a column does not have its declared type.

use super::cells::{Cells, each_value, settled};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use crate::batch::Batch;
use crate::contract::types;
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta, Outcome, Status};
use arrow::array::Array;
use arrow::buffer::BooleanBuffer;

pub const META: Meta = Meta {
    code: "C102",
    name: "wrong-type",
    summary: "A column has the type that the contract declares.",
    ids: &[],
    explain: "\
Fails when a column's type is not the declared one. Types match by what they hold, not by how it is encoded: dictionary, view
and large-offset forms of a string are all `string`. Integer width counts (`int8` is not `int64`) unless the contract says
`integer`; so do the unit and zone of a timestamp and the precision and scale of a decimal.

**Why it hurts a model.** A label that turned from integer to text sorts, hashes and one-hot-encodes differently; a float that
became an integer lost its fractions before anybody looked.

**How it is computed.** In Parquet and Arrow the type belongs to the file: it is compared once and there is no guilty row. Text
formats are read as the declared type, so each cell is tested: one that does not parse is a failing row. Such a cell is not a
null (`required` does not count it) and not a value (`range` and the like skip it). Null cells are not tested.

**Example.** `stars: {type: int8}` over

    text,stars
    a fine film,5
    a dull film,one

fails for row 1.

**What fools it.** Text that looks like a number in a column declared `string`; use `pattern`.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct WrongType {
    cells: Cells,
}

impl Test for WrongType {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        let failing = self.cells.unparsed(batch).filter(|u| u.count_set_bits() > 0);
        // Every value there is has the type by now: what did not parse reads as null, and is tested
        // nevertheless.
        let values = self.cells.test(batch, &mut |a| Ok(BooleanBuffer::new_unset(a.len())))?;
        let tested = values.tested + failing.as_ref().map_or(0, |f| f.count_set_bits());
        Ok(Marks { tested, undecided: 0, failing })
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let mut built = Built::default();
    for (spec, cells, declared) in each_value(ctx, &mut built, "type", |s| s.type_.as_ref()) {
        let title = format!("{}: type {}", cells.name, declared.value);
        let matches = declared.value.matches(&cells.kind);
        if matches {
            let clause = Clause {
                title,
                span: declared.span,
                severity: spec.severity,
                tolerance: spec.tolerance.as_ref().map(|t| t.value.clone()),
                about: vec![cells.name.clone()],
                reads: cells.reads(),
                wrong: Wrong::not_doing(&format!("parse as {}", declared.value)),
                evidence: format!("does not parse as {}", declared.value),
                threshold: declared.value.to_string(),
            };
            built.rules.push(Box::new(RowRule { clause, test: WrongType { cells } }));
            continue;
        }
        let found = types::name(&cells.kind);
        let outcome = settled(spec, &title, Status::Fail);
        let message = format!("is {found}, declared {}", declared.value);
        built.settled.push(Outcome { message, threshold: Some(declared.value.to_string()), span: Some(declared.span), ..outcome });
    }
    Ok(built)
}
