//! Poisoning detectors, one file each, and their registry.

use crate::rule::Entry;

/// In code order.
pub static REGISTRY: &[Entry] = &[];
