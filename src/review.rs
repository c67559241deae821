//! People and suspect rows: what a person decided about a group, and how later runs act on it.
//!
//! ```text
//!  report.json, quarantine list, data ─► groups ─► a person ─► decisions (contract::decisions)
//!  decisions, data ─► content of every row ─► rows decided about ─► check: evidence left out or added
//!                                                                └► split: rows that stay or go
//! ```
//!
//! Nothing here detects anything, and nothing here asks: the questions are those of `taster review`.

pub mod content;
pub mod decided;
pub mod evidence;
pub mod page;
pub mod session;
