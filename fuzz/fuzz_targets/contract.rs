//! Any bytes as a contract: a contract or a bounded list of problems, never a panic.
#![no_main]

use arrow::datatypes::{DataType, Field, Schema};
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use taster::contract::{bind, parse, render};
use taster::error::Error;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    match parse::parse(Some(Path::new("c.yaml")), &text) {
        Ok(contract) => {
            let schema = Schema::new(vec![
                Field::new("text", DataType::Utf8View, true),
                Field::new("label", DataType::Int8, true),
                Field::new("a", DataType::Float64, true),
            ]);
            let (errors, warnings) = bind::bind(&contract, &schema);
            for d in errors.iter().chain(&warnings) {
                render::warning(d, None, &text, true);
            }
        }
        Err(Error::Contract(e)) => assert!(!render::render(&e, true).is_empty()),
        Err(other) => panic!("{other}"),
    }
});
