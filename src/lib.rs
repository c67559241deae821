//! taster tastes a training set before the model does.

pub mod batch;
pub mod check;
pub mod checks;
pub mod cli;
pub mod contract;
pub mod detectors;
pub mod drill;
pub mod engine;
pub mod error;
pub mod features;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
pub mod profile;
pub mod quarantine;
pub mod report;
pub mod review;
pub mod rule;
pub mod sketch;
pub mod source;
pub mod split;
pub mod stats;
pub mod supply;
pub mod verdict;

pub use check::check;
