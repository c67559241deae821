//! The list as Arrow columns: its schema, and the Arrow IPC (Feather) file.

use super::file::AtomicFile;
use super::rows::{Rows, span};
use super::{Codes, RUN_ID_KEY};
use crate::error::{Error, Result};
use crate::rule::{Action, Hit};
use arrow::array::{ArrayRef, Float64Array, ListArray, RecordBatch, StringArray, StructArray, UInt32Array, UInt64Array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use std::collections::HashMap;
use std::io::BufWriter;
use std::sync::Arc;

/// Fields of one piece of evidence.
fn evidence_fields() -> Fields {
    Fields::from(vec![
        Field::new("rule", DataType::Utf8, false),
        Field::new("action", DataType::Utf8, false),
        Field::new("column", DataType::Utf8, true),
        Field::new("start", DataType::UInt32, true),
        Field::new("end", DataType::UInt32, true),
        Field::new("message", DataType::Utf8, false),
        Field::new("statistic", DataType::Float64, true),
        Field::new("q_value", DataType::Float64, true),
        Field::new("group", DataType::Utf8, true),
    ])
}

/// The columns of the list, in every format that has types. `start` and `end` are bytes in the
/// column's text; list elements are called `element`, as Parquet prescribes.
pub fn schema() -> SchemaRef {
    let list = |name: &str, element: DataType| Field::new(name, DataType::List(Arc::new(Field::new("element", element, false))), false);
    Arc::new(Schema::new(vec![
        Field::new("file", DataType::Utf8, false),
        Field::new("row", DataType::UInt64, false),
        Field::new("id", DataType::Utf8, true),
        Field::new("action", DataType::Utf8, false),
        Field::new("score", DataType::Float64, false),
        list("rules", DataType::Utf8),
        list("evidence", DataType::Struct(evidence_fields())),
    ]))
}

pub fn record_batch(rows: &Rows, files: &[String], codes: &Codes) -> Result<RecordBatch> {
    let strings = |f: &dyn Fn(&Hit) -> Option<u32>| -> ArrayRef {
        Arc::new(rows.hits.iter().map(|h| f(h).and_then(|i| rows.strings.get(i))).collect::<StringArray>())
    };
    let numbers = |f: &dyn Fn(&Hit) -> Option<u32>| -> ArrayRef { Arc::new(rows.hits.iter().map(f).collect::<UInt32Array>()) };
    let floats = |f: &dyn Fn(&Hit) -> f64| -> ArrayRef {
        Arc::new(rows.hits.iter().map(|h| Some(f(h)).filter(|x| !x.is_nan())).collect::<Float64Array>())
    };
    let name = |code: u16| codes.codes[usize::from(code)];
    let evidence: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.hits.iter().map(|h| name(h.rule)))),
        Arc::new(StringArray::from_iter_values(rows.hits.iter().map(|h| h.action.as_str()))),
        strings(&|h| Some(h.column)),
        numbers(&|h| span(h).map(|s| s.0)),
        numbers(&|h| span(h).map(|s| s.1)),
        Arc::new(StringArray::from_iter_values(rows.hits.iter().map(|h| rows.strings.get(h.message).unwrap_or("")))),
        floats(&|h| h.statistic),
        floats(&|h| h.q_value),
        strings(&|h| Some(h.group)),
    ];
    let evidence = StructArray::try_new(evidence_fields(), evidence, None).map_err(arrow_error)?;
    let schema = schema();
    let rules: ArrayRef = Arc::new(StringArray::from_iter_values(rows.rules.iter().map(|&r| name(r))));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.sources().map(|s| files[s as usize].as_str()))),
        Arc::new(UInt64Array::from(rows.row.clone())),
        Arc::new((0..rows.len()).map(|i| rows.ids.get(i)).collect::<StringArray>()),
        Arc::new(StringArray::from_iter_values(rows.action.iter().copied().map(Action::as_str))),
        Arc::new(Float64Array::from(rows.score.clone())),
        list(&schema, 5, &rows.rule_ends, rules)?,
        list(&schema, 6, &rows.hit_ends, Arc::new(evidence))?,
    ];
    RecordBatch::try_new(schema, columns).map_err(arrow_error)
}

fn list(schema: &Schema, column: usize, ends: &[u32], values: ArrayRef) -> Result<ArrayRef> {
    let DataType::List(element) = schema.field(column).data_type() else {
        return Err(Error::internal("a list column that is none"));
    };
    let offsets: Vec<i32> = std::iter::once(0).chain(ends.iter().map(|&e| e as i32)).collect();
    Ok(Arc::new(ListArray::try_new(element.clone(), OffsetBuffer::new(offsets.into()), values, None).map_err(arrow_error)?))
}

pub fn arrow_error(e: ArrowError) -> Error {
    match e {
        ArrowError::IoError(_, e) => super::list_error(e),
        e => Error::internal(e),
    }
}

pub type IpcFile = FileWriter<BufWriter<AtomicFile>>;

pub fn ipc_writer(file: AtomicFile, run_id: &str) -> Result<IpcFile> {
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::LZ4_FRAME)).map_err(arrow_error)?;
    let metadata = HashMap::from([(RUN_ID_KEY.to_owned(), run_id.to_owned())]);
    let schema = schema().as_ref().clone().with_metadata(metadata);
    FileWriter::try_new_with_options(BufWriter::with_capacity(1 << 18, file), &schema, options).map_err(arrow_error)
}

pub fn ipc_finish(writer: IpcFile) -> Result<AtomicFile> {
    let out = writer.into_inner().map_err(arrow_error)?;
    out.into_inner().map_err(|e| super::list_error(e.into_error()))
}
