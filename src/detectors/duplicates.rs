//! Duplicates that hurt: the same input under different labels ([`conflict`]), nearly the same
//! ([`near`]), and near copies that flood a class ([`flood`]). Honest corpora are full of duplicates, so the corpus's own are the
//! measure.

mod conflict;
mod flood;
mod near;

pub use conflict::{CONFLICT_ENTRY, Conflicts};
pub use flood::{FLOOD_ENTRY, Flood};

use crate::batch::{Batch, Text};
use crate::rule::Context;

/// Columns of a text role that hold strings, in schema order.
fn text_columns(context: &Context<'_>) -> Vec<String> {
    use arrow::datatypes::DataType::{Dictionary, LargeUtf8, Utf8, Utf8View};
    let string = |t: &_| matches!(t, Utf8 | LargeUtf8 | Utf8View);
    let is_text = |name: &str| {
        context.schema.field_with_name(name).is_ok_and(|f| match f.data_type() {
            Dictionary(_, v) => string(v),
            t => string(t),
        })
    };
    context.roles.columns.iter().filter(|(n, r)| r.is_text() && is_text(n)).map(|(n, _)| n.clone()).collect()
}

fn texts<'a>(columns: &[String], batch: &'a Batch) -> Vec<Option<Text<'a>>> {
    columns.iter().map(|n| batch.column(n).and_then(|a| Text::of(a.as_ref()))).collect()
}

#[cfg(test)]
mod tests;
