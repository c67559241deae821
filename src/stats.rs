//! Tests, intervals, multiple testing and calibration: pure functions of counts, each with its
//! reference. Nothing in here reads data or knows what a row is.

pub mod calibration;
pub mod intervals;
pub mod multiple;
pub mod tails;
