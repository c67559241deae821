//! C112: a number that is no multiple of its step.

use super::cells::{Cells, each_value, misfit};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use super::scalars::{Reader, Scalar};
use crate::batch::Batch;
use crate::contract::clauses::{ColumnClause, Decimal, is_multiple};
use crate::contract::types;
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Decimal256Type, Float16Type, Float32Type};

pub const META: Meta = Meta {
    code: "C112",
    name: "not-a-multiple",
    summary: "Every number of a column is a multiple of its step.",
    ids: &[],
    explain: "\
A row fails when its number is not a whole number of steps of `multiple_of`: 0, the step itself, twice the step, and so on,
below zero as well.

**Why it hurts a model.** Prices in steps of 0.05 and ratings in halves that suddenly have other digits were converted, averaged
or made up; the odd rows form a group that a model can tell from the rest.

**How it is computed.** In decimal, as the number is written: 0.3 is three times 0.1, although their doubles are not. A float is
taken as the shortest decimal that reads back as the same float of its width. Integers and decimals are exact. Nulls are
skipped; NaN and infinities fail. The step has at most 18 digits and is more than zero.

**Example.** `stars: {multiple_of: 0.5}` fails for 3.7 and NaN.

**What fools it.** Wrong numbers in right steps.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct NotMultiple {
    cells: Cells,
    step: Decimal,
}

impl NotMultiple {
    fn fails(&self, array: &ArrayRef) -> Result<BooleanBuffer> {
        let scale = match array.data_type() {
            DataType::Decimal32(_, s) | DataType::Decimal64(_, s) | DataType::Decimal128(_, s) | DataType::Decimal256(_, s) => *s,
            _ => 0,
        };
        let wide = array.as_primitive_opt::<Decimal256Type>();
        let narrow = array.as_primitive_opt::<Float32Type>();
        let half = array.as_primitive_opt::<Float16Type>();
        let reader = Reader::new(array)?;
        let whole_step = (self.step.scale == 0).then_some(self.step.digits);
        Ok(BooleanBuffer::collect_bool(array.len(), |i| {
            if array.is_null(i) {
                return false;
            }
            if let Some(a) = wide {
                return !is_multiple(&format!("{}e{}", a.value(i), -i32::from(scale)), self.step);
            }
            // The shortest decimal depends on the width.
            if let Some(a) = narrow {
                return !is_multiple(&format!("{:e}", a.value(i)), self.step);
            }
            if let Some(a) = half {
                return !is_multiple(&a.value(i).to_string(), self.step);
            }
            match (reader.get(i), whole_step) {
                (Some(Scalar::Int(v)), Some(step)) if scale == 0 => v % step != 0,
                (Some(Scalar::Int(v)), _) => !is_multiple(&format!("{v}e{}", -i32::from(scale)), self.step),
                (Some(Scalar::Float(v)), _) => !is_multiple(&format!("{v:e}"), self.step),
                _ => false,
            }
        }))
    }
}

impl Test for NotMultiple {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        self.cells.test(batch, &mut |a| self.fails(a))
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for (spec, cells, at) in each_value(ctx, &mut built, "multiple_of", |s| s.clause("multiple_of")) {
        let ColumnClause::MultipleOf(step) = at.value else { continue };
        if !cells.kind.is_numeric() && cells.kind != DataType::Null {
            let message = format!("multiple_of needs a column of numbers; `{}` is {}", cells.name, types::name(&cells.kind));
            misfit(spec, &cells, "multiple_of", Diagnostic::new(META.code, message).at(at.span), &mut built, &mut errors);
            continue;
        }
        let written = if step.scale == 0 { step.digits.to_string() } else { step.as_f64().to_string() };
        let wrong = Wrong { one: format!("is no multiple of {written}"), many: format!("are no multiples of {written}") };
        let evidence = format!("no multiple of {written}");
        let clause = Clause::of_column(spec, &cells, at.span, &format!("multiple_of {written}"), wrong, evidence);
        built.rules.push(Box::new(RowRule { clause, test: NotMultiple { cells, step } }));
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
