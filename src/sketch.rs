//! Small, mergeable summaries whose value does not depend on the split.

pub mod keys;
pub mod minhash;
pub mod rowset;
pub mod tally;
