//! features

pub mod unicode;
