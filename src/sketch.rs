//! Small, mergeable summaries whose value does not depend on the split.

pub mod categories;
pub mod distinct;
pub mod exact;
pub mod exact_sum;
pub mod keys;
pub mod minhash;
pub mod rotation;
pub mod rowset;
pub mod tally;
pub mod values;
