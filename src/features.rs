//! Rows into features: what the detectors count. One file per family; features know nothing of
//! labels, thresholds or verdicts.

pub mod chat;
pub mod image;
pub mod response;
pub mod table;
pub mod text;
pub mod unicode;
pub mod vectors;
pub mod wording;
