//! C113: NaN or an infinity.

use super::cells::{Cells, each_value, misfit};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use crate::batch::Batch;
use crate::contract::types;
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};

pub const META: Meta = Meta {
    code: "C113",
    name: "not-finite",
    summary: "No value of a column is NaN or an infinity.",
    ids: &[],
    explain: "\
A row fails when its value in a column with `finite: true` is NaN, plus infinity or minus infinity.

**Why it hurts a model.** One NaN in a batch makes the loss NaN, and with it every weight that the step touches; an infinity does
the same one operation later. Frameworks seldom name the row.

**How it is computed.** Nulls are skipped: absence is the business of `required`. Integers, decimals and times are always finite,
so the rule passes there. Of a list (`embedding[]`) every element is tested.

**Example.** `embedding[]: {finite: true}` fails for a row with `[0.1, NaN]`.

**What fools it.** A filler such as 1e30 or -999 is finite; bound it by `range`.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct NotFinite {
    cells: Cells,
}

fn fails(array: &ArrayRef) -> BooleanBuffer {
    let n = array.len();
    match array.data_type() {
        DataType::Float64 => {
            let v = array.as_primitive::<Float64Type>().values();
            BooleanBuffer::collect_bool(n, |i| !v[i].is_finite())
        }
        DataType::Float32 => {
            let v = array.as_primitive::<Float32Type>().values();
            BooleanBuffer::collect_bool(n, |i| !v[i].is_finite())
        }
        DataType::Float16 => {
            let v = array.as_primitive::<Float16Type>().values();
            BooleanBuffer::collect_bool(n, |i| !v[i].is_finite())
        }
        _ => BooleanBuffer::new_unset(n),
    }
}

impl Test for NotFinite {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        self.cells.test(batch, &mut |a| Ok(fails(a)))
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for (spec, cells, at) in each_value(ctx, &mut built, "finite", |s| s.clause("finite")) {
        if !(cells.kind.is_numeric() || cells.kind.is_temporal() || cells.kind == DataType::Null) {
            let message = format!("finite needs a column of numbers; `{}` is {}", cells.name, types::name(&cells.kind));
            misfit(spec, &cells, "finite", Diagnostic::new(META.code, message).at(at.span), &mut built, &mut errors);
            continue;
        }
        let clause = Clause::of_column(spec, &cells, at.span, "finite", Wrong::being("not finite"), "NaN or infinite".into());
        built.rules.push(Box::new(RowRule { clause, test: NotFinite { cells } }));
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
