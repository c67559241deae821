//! Poisoning detectors, one file each, and their registry.

pub mod contradiction;

use crate::rule::Entry;

/// In code order.
pub static REGISTRY: &[Entry] = &[];
