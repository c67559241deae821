//! Tests, intervals, multiple testing and calibration: pure functions of counts, each with its
//! reference. Nothing in here reads data or knows what a row is.

pub mod calibration;
pub mod dense;
pub mod discriminant;
pub mod divergence;
pub mod drift;
pub mod ecdf;
pub mod intervals;
pub mod kolmogorov;
pub mod multiple;
pub mod robust;
pub mod tails;
