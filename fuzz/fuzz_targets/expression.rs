//! Any text as an expression over a few columns: a checked tree or a problem, never a panic.
#![no_main]

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use libfuzzer_sys::fuzz_target;
use taster::contract::{At, expression};
use taster::error::Span;

fuzz_target!(|text: &str| {
    let schema = Schema::new(vec![
        Field::new("stars", DataType::Int8, true),
        Field::new("text", DataType::Utf8View, true),
        Field::new("label", DataType::Boolean, true),
        Field::new("email", DataType::Decimal128(10, 2), true),
        Field::new("site", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), true),
    ]);
    let text = At::new(text.to_owned(), Span::default());
    let _ = expression::columns(&text.value);
    let _ = expression::compile(&text, &schema);
});
