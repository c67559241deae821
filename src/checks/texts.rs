//! Checks of one text at a time: the loop over a column's texts, with the verdicts of repeated
//! values remembered, and what such checks ask of a column's type.

use super::cells::{Cells, misfit};
use super::row::Marks;
use crate::batch::{Batch, Text};
use crate::contract::{ColumnSpec, types};
use crate::error::{Diagnostic, Error, Result, Span};
use crate::rule::Built;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

/// Verdicts remembered per batch, by the text's view.
const MEMO: usize = 1024;

/// One bit per text that does not meet `holds`.
fn failing(array: &ArrayRef, holds: &dyn Fn(&str) -> bool) -> Result<BooleanBuffer> {
    if let Some(a) = array.as_string_view_opt() {
        let views = a.views();
        // Equal views of one array are equal texts; view 0 is the empty one.
        let mut memo = vec![(0_u128, !holds("")); MEMO];
        return Ok(BooleanBuffer::collect_bool(array.len(), |i| {
            if !a.is_valid(i) {
                return false;
            }
            let view = views[i];
            let folded = (view as u64 ^ (view >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let slot = &mut memo[(folded >> 54) as usize];
            if slot.0 != view {
                *slot = (view, !holds(a.value(i)));
            }
            slot.1
        }));
    }
    let text = Text::of(array.as_ref()).ok_or_else(|| Error::internal(format!("a check of text over {}", array.data_type())))?;
    Ok(BooleanBuffer::collect_bool(array.len(), |i| text.get(i).is_some_and(|t| !holds(t))))
}

/// The rows whose text does not meet `holds`; nulls are skipped.
pub fn test(cells: &Cells, batch: &Batch, holds: &dyn Fn(&str) -> bool) -> Result<Marks> {
    cells.test(batch, &mut |a| failing(a, holds))
}

/// Says so where the column holds no text. A column of nothing but null has no type to speak of.
pub fn must_be_text(
    spec: &ColumnSpec,
    cells: &Cells,
    what: &str,
    code: &'static str,
    span: Span,
    built: &mut Built,
    errors: &mut Vec<Diagnostic>,
) -> bool {
    if matches!(cells.kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null) {
        return true;
    }
    let message = format!("{what} needs a column of text; `{}` is {}", cells.name, types::name(&cells.kind));
    misfit(spec, cells, what, Diagnostic::new(code, message).at(span), built, errors);
    false
}
