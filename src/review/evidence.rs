//! The evidence of a quarantine list, read back in any of its formats. Like the list itself it is data of
//! unknown origin.

use crate::batch::{Batch, Text, cell_text};
use crate::error::{Error, Result};
use crate::quarantine::Format;
use crate::source::{OpenOptions, Source};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, UInt64Type};
use serde::Deserialize;
use std::path::Path;

/// One piece of evidence against a row.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Evidence {
    pub rule: String,
    pub action: String,
    pub column: Option<String>,
    pub start: Option<u64>,
    pub end: Option<u64>,
    pub message: Option<String>,
    pub group: Option<String>,
}

/// Receives file, row and evidence of a line.
type Line<'a> = &'a mut dyn FnMut(&str, u64, Vec<Evidence>) -> Result<()>;

/// Calls `f` with file, row and evidence of every line for which `wanted` says so.
///
/// # Errors
/// A data error for what is no quarantine list; whatever `f` says.
pub fn read(path: &Path, wanted: &dyn Fn(&str, u64) -> bool, f: Line<'_>) -> Result<()> {
    if Format::of(path)? == Format::JsonLines && std::fs::metadata(path).is_ok_and(|m| m.len() == 0) {
        return Ok(());
    }
    let declared = vec![("file".to_owned(), DataType::Utf8), ("row".to_owned(), DataType::UInt64)];
    let source = Source::open_result(path, &OpenOptions { declared, ..OpenOptions::default() })?;
    let no_list = |why: String| Error::data(path, format!("is no quarantine list: {why}")).help("`taster check` writes one");
    let columns = ["file", "row", "evidence"].map(str::to_owned);
    for column in &columns {
        if source.schema.index_of(column).is_err() {
            return Err(no_list(format!("it has no column `{column}`")));
        }
    }
    for shard in source.shards() {
        source.read(&shard, &columns, &mut |batch| {
            let column = |name: &str| batch.column(name).cloned().ok_or_else(|| Error::internal("a column of the list was not read"));
            let (files, rows, evidence) = (column("file")?, column("row")?, column("evidence")?);
            let rows = arrow::compute::cast(&rows, &DataType::UInt64).map_err(|e| no_list(e.to_string()))?;
            let rows = rows.as_primitive::<UInt64Type>();
            let files = Text::of(files.as_ref()).ok_or_else(|| no_list("`file` is no text".into()))?;
            for i in 0..Batch::rows(&batch) {
                let (Some(file), true) = (files.get(i), rows.is_valid(i)) else {
                    return Err(no_list("a line names no row".into()));
                };
                if wanted(file, rows.value(i)) {
                    let found = of_line(&evidence, i).ok_or_else(|| no_list("a line has no evidence".into()))?;
                    f(file, rows.value(i), found)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Lists of structs where the format has them, JSON text where it has none.
fn of_line(column: &ArrayRef, i: usize) -> Option<Vec<Evidence>> {
    if let Some(text) = Text::of(column.as_ref()) {
        return serde_json::from_str(text.get(i)?).ok();
    }
    if column.is_null(i) {
        return None;
    }
    let items = match column.data_type() {
        DataType::List(_) => column.as_list::<i32>().value(i),
        DataType::LargeList(_) => column.as_list::<i64>().value(i),
        _ => return None,
    };
    let items = items.as_struct_opt()?;
    let text = |name: &str, i: usize| items.column_by_name(name).and_then(|c| cell_text(c.as_ref(), i));
    let number = |name: &str, i: usize| text(name, i).and_then(|t| t.parse::<f64>().ok()).map(|n| n as u64);
    let one = |i: usize| {
        Some(Evidence {
            rule: text("rule", i)?,
            action: text("action", i)?,
            column: text("column", i),
            start: number("start", i),
            end: number("end", i),
            message: text("message", i),
            group: text("group", i),
        })
    };
    (0..items.len()).map(one).collect()
}
