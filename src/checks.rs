//! Contract checks, one file each, and their registry. A check says what it reads, which rows break
//! it and how that reads to a person; tolerance, severity and counting are one place for all of
//! them ([`row`]). What concerns the dataset as a whole (columns, row counts, shares) settles its
//! own outcome. Poisoning detectors live next door and share only the engine.

mod cells;
mod crossing;
mod dfa;
mod forms;
mod key_set;
mod limits;
mod moments;
mod row;
mod scalars;
mod set;
mod texts;
mod times;

mod aggregate_bounds;
mod association;
mod broken_expression;
mod class_share;
mod conflicting_labels;
mod constant_column;
mod contaminated;
mod dangling_reference;
mod distinct_count;
mod distinct_values;
pub(crate) mod distribution_drift;
mod dominant_source;
mod duplicate_key;
mod far_value;
mod flipped_labels;
mod forbidden_value;
mod gap_in_time;
mod invalid_json;
mod kept_too_long;
mod leaking_splits;
mod missing_column;
mod missing_value;
mod most_common;
mod near_copies;
mod not_finite;
mod not_multiple;
mod null_share;
mod out_of_order;
mod out_of_range;
mod pattern_mismatch;
mod poor_fit;
mod present_value;
mod repeated_in_row;
mod row_count;
mod scope;
mod stale_data;
mod text_patterns;
mod unexpected_column;
mod unknown_value;
mod unlicensed;
mod wrong_columns;
mod wrong_format;
mod wrong_length;
mod wrong_shares;
mod wrong_sum;
mod wrong_type;

#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod scope_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod time_tests;
#[cfg(test)]
mod training_tests;
#[cfg(test)]
mod value_tests;

use crate::contract::RuleSpec;
use crate::rule::{Entry, Outcome, Status};

/// In code order.
pub static REGISTRY: &[Entry] = &[
    missing_column::ENTRY,
    unexpected_column::ENTRY,
    wrong_type::ENTRY,
    missing_value::ENTRY,
    duplicate_key::ENTRY,
    unknown_value::ENTRY,
    forbidden_value::ENTRY,
    out_of_range::ENTRY,
    wrong_length::ENTRY,
    pattern_mismatch::ENTRY,
    wrong_format::ENTRY,
    invalid_json::ENTRY,
    not_multiple::ENTRY,
    not_finite::ENTRY,
    present_value::ENTRY,
    text_patterns::ENTRY,
    out_of_order::ENTRY,
    constant_column::ENTRY,
    far_value::ENTRY,
    row_count::ENTRY,
    broken_expression::ENTRY,
    class_share::ENTRY,
    dominant_source::ENTRY,
    unlicensed::ENTRY,
    wrong_columns::ENTRY,
    wrong_sum::ENTRY,
    repeated_in_row::ENTRY,
    conflicting_labels::ENTRY,
    leaking_splits::ENTRY,
    dangling_reference::ENTRY,
    contaminated::ENTRY,
    flipped_labels::ENTRY,
    near_copies::ENTRY,
    aggregate_bounds::ENTRY,
    distinct_count::ENTRY,
    distinct_values::ENTRY,
    null_share::ENTRY,
    most_common::ENTRY,
    association::ENTRY,
    wrong_shares::ENTRY,
    poor_fit::ENTRY,
    distribution_drift::ENTRY,
    stale_data::ENTRY,
    gap_in_time::ENTRY,
    kept_too_long::ENTRY,
];

/// A rule that could not be answered, with the reason.
fn not_evaluated(rule: &RuleSpec, title: &str, why: String) -> Outcome {
    let message = why.clone();
    Outcome { severity: rule.severity, span: Some(rule.span), message, ..Outcome::new(title, Status::NotEvaluated(why)) }
}
