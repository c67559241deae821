//! Poisoning detectors, one file each, and their registry.

pub mod contradiction;
pub mod duplicates;
#[cfg(test)]
mod harness;
pub mod unicode;

use crate::rule::Entry;

/// In code order.
pub static REGISTRY: &[Entry] = &[unicode::HIDDEN_ENTRY, unicode::CONFUSABLE_ENTRY, duplicates::CONFLICT_ENTRY, duplicates::FLOOD_ENTRY];
