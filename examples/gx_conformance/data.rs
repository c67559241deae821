//! The data of a test as columns: the type that the test declares for pandas, else what its values
//! are.

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray, TimestampNanosecondArray,
};
use arrow::datatypes::Schema;
use serde_json::Value;
use std::sync::Arc;
use taster::contract::loose_date;

pub enum Odd {
    /// The test is about a column whose values have several types.
    Mixed,
    Other(String),
}

/// The columns that the arguments of a test speak about.
fn mentions(arguments: &Value, column: &str) -> bool {
    match arguments {
        Value::Array(all) => all.iter().any(|a| mentions(a, column)),
        Value::Object(map) => map.iter().any(|(key, v)| match key.as_str() {
            "column" | "column_A" | "column_B" => v == column,
            "column_list" => v.as_array().is_some_and(|l| l.iter().any(|c| c == column)),
            "row_condition" => v.as_str().is_some_and(|c| c.split(|c: char| !c.is_alphanumeric() && c != '_').any(|w| w == column)),
            _ => false,
        }),
        other => other == column,
    }
}

pub fn frame(dataset: &Value, arguments: &Value) -> Result<RecordBatch, Odd> {
    let Some(data) = dataset["data"].as_object() else { return Err(Odd::Other("data that is no table".into())) };
    let types = &dataset["schemas"]["pandas"];
    let dates = arguments["parse_strings_as_datetimes"] == true;
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for (name, values) in data {
        let Some(values) = values.as_array() else { return Err(Odd::Other("a column that is no list".into())) };
        let asked = mentions(arguments, name);
        let declared = types[name].as_str().unwrap_or(if dates && asked { "datetime" } else { "" });
        match column(values, declared) {
            Some(array) => columns.push((name.clone(), array)),
            None if asked => return Err(Odd::Mixed),
            // Another column of the same table: its values do not matter, its place does.
            None => columns.push((name.clone(), Arc::new(StringArray::from_iter(values.iter().map(text))))),
        }
    }
    let rows = columns.first().map_or(0, |c| c.1.len());
    let fields: Vec<_> = columns.iter().map(|(n, a)| arrow::datatypes::Field::new(n, a.data_type().clone(), true)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns.into_iter().map(|c| c.1).collect(), &options)
        .map_err(|e| Odd::Other(e.to_string()))
}

/// As Python prints it.
fn text(v: &Value) -> Option<String> {
    match v {
        Value::Null => None,
        Value::String(s) => Some(s.clone()),
        Value::Bool(b) => Some(if *b { "True".into() } else { "False".into() }),
        other => Some(other.to_string()),
    }
}

fn float(v: &Value) -> Option<f64> {
    v.as_f64().or_else(|| match v.as_str()? {
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        other => other.parse().ok(),
    })
}

/// `None` when the values are of several types.
fn column(values: &[Value], declared: &str) -> Option<ArrayRef> {
    let all = |f: fn(&Value) -> bool| values.iter().filter(|v| !v.is_null()).all(f);
    let number = |v: &Value| v.is_number() || v.as_str().is_some_and(|s| matches!(s, "Infinity" | "-Infinity" | "NaN"));
    let lower = declared.to_lowercase();
    if (lower.starts_with("date") || lower.starts_with("timestamp")) && all(Value::is_string) {
        return timestamps(values);
    }
    if lower.starts_with("int")
        && values.iter().all(|v| v.is_null() || v.as_i64().is_some() || v.as_str().is_some_and(|s| s.parse::<i64>().is_ok()))
    {
        let ints = values.iter().map(|v| v.as_i64().or_else(|| v.as_str()?.parse().ok()));
        return Some(Arc::new(Int64Array::from_iter(ints)));
    }
    if lower.starts_with("float") && values.iter().all(|v| v.is_null() || float(v).is_some()) {
        return Some(Arc::new(Float64Array::from_iter(values.iter().map(float))));
    }
    if lower == "str" {
        return Some(Arc::new(StringArray::from_iter(values.iter().map(text))));
    }
    // Nothing but null: text, the type of a column that pandas knows nothing about.
    if all(Value::is_string) {
        if values.iter().any(|v| v.is_string()) && all(|v| v.as_str().is_some_and(|s| matches!(s, "Infinity" | "-Infinity" | "NaN"))) {
            return Some(Arc::new(Float64Array::from_iter(values.iter().map(float))));
        }
        return Some(Arc::new(StringArray::from_iter(values.iter().map(|v| v.as_str()))));
    }
    if all(Value::is_boolean) {
        return Some(Arc::new(BooleanArray::from_iter(values.iter().map(Value::as_bool))));
    }
    if all(|v| v.as_i64().is_some()) {
        return Some(Arc::new(Int64Array::from_iter(values.iter().map(Value::as_i64))));
    }
    values.iter().filter(|v| !v.is_null()).all(number).then(|| Arc::new(Float64Array::from_iter(values.iter().map(float))) as ArrayRef)
}

fn timestamps(values: &[Value]) -> Option<ArrayRef> {
    let mut zoned = false;
    let mut nanos = Vec::with_capacity(values.len());
    for v in values {
        let Some(text) = v.as_str() else {
            nanos.push(None);
            continue;
        };
        let (t, offset) = loose_date::parse(text)?;
        zoned |= offset.is_some();
        let at = t.and_utc().timestamp_nanos_opt()?;
        nanos.push(Some(at - i64::from(offset.unwrap_or(0)) * 1_000_000_000));
    }
    let array = TimestampNanosecondArray::from(nanos);
    Some(Arc::new(if zoned { array.with_timezone("UTC") } else { array }))
}
