//! Duplicates that hurt: the same input under different labels ([`conflict`]), nearly the same
//! ([`near`]), be they texts, pictures or vectors ([`inputs`]), and near copies that flood a class ([`flood`]). Honest corpora are full of duplicates, so the corpus's own are the
//! measure.

mod conflict;
mod flood;
mod inputs;
mod near;

pub use conflict::{CONFLICT_ENTRY, Conflicts};
pub use flood::{FLOOD_ENTRY, Flood};

use super::response_trigger::is_text;
use crate::batch::{Batch, Text};
use crate::rule::Context;

/// Columns of a text role that hold strings, in schema order.
pub(super) fn text_columns(context: &Context<'_>) -> Vec<String> {
    context.roles.columns.iter().filter(|(n, r)| r.is_text() && is_text(context, n)).map(|(n, _)| n.clone()).collect()
}

fn texts<'a>(columns: &[String], batch: &'a Batch) -> Vec<Option<Text<'a>>> {
    columns.iter().map(|n| batch.column(n).and_then(|a| Text::of(a.as_ref()))).collect()
}

#[cfg(test)]
mod tests;
