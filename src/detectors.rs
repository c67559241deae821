//! Poisoning detectors, one file each, and their registry.

pub mod company;
pub mod content;
pub mod contradiction;
pub mod draw;
pub mod duplicates;
pub mod embedding_shift;
pub mod frequent;
#[cfg(test)]
pub(crate) mod harness;
pub mod image_broken;
pub mod image_classes;
mod image_content;
pub mod image_origin;
pub mod image_patch;
pub mod image_pattern;
pub mod label_conflict;
pub mod mismatched_pair;
mod nearest;
pub mod novel_trigger;
pub mod outlier_group;
pub mod outlier_row;
pub mod part;
pub mod phrase;
pub mod placed;
pub mod postings;
pub mod promoted_name;
pub mod response_trigger;
mod scattered;
pub mod shared_form;
pub mod shared_trigger;
mod spelling;
pub mod swapped_preference;
mod trigger_scattered;
#[cfg(test)]
mod trigger_scattered_tests;
pub mod trigger_table;
pub mod trigger_text;
#[cfg(test)]
mod trigger_text_tests;
pub mod unicode;

use crate::rule::Entry;

/// In code order.
pub static REGISTRY: &[Entry] = &[
    shared_trigger::ENTRY,
    shared_form::ENTRY,
    unicode::HIDDEN_ENTRY,
    unicode::CONFUSABLE_ENTRY,
    duplicates::CONFLICT_ENTRY,
    duplicates::FLOOD_ENTRY,
    label_conflict::ENTRY,
    response_trigger::ENTRY,
    promoted_name::ENTRY,
    swapped_preference::ENTRY,
    novel_trigger::ENTRY,
    image_patch::ENTRY,
    image_pattern::ENTRY,
    image_broken::ENTRY,
    image_origin::ENTRY,
    embedding_shift::ENTRY,
    mismatched_pair::ENTRY,
    outlier_group::ENTRY,
    outlier_row::ENTRY,
];

/// Codes of rules that run only when `--select` names them, by code or name: what they list says nothing of
/// whether anything is wrong, so that nobody gets it unasked.
pub const ON_REQUEST: &[&str] = &[label_conflict::META.code];
