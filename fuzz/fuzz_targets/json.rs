//! Any bytes: an answer, never a panic. What it does stands in `taster::fuzz::json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| taster::fuzz::json(bytes));
