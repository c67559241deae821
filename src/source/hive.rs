//! Hive-style folders: `year=2024/part.parquet` gives every row of that file `year = 2024`. Keys
//! are taken from the path as typed and as walked, not from what lies above it, so that the place
//! of a checkout never changes the schema. A file's own column of that name wins.

use super::paths::Found;
use crate::error::{Error, Result};
use arrow::array::{ArrayRef, Int64Array, StringViewArray, new_null_array};
use arrow::datatypes::{DataType, Field, Fields};
use std::path::Component;
use std::sync::Arc;

/// How Hive spells null.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";

#[derive(Default)]
pub(super) struct Partitions {
    columns: Vec<(String, DataType)>,
    /// Per file and column.
    values: Vec<Vec<Option<String>>>,
}

impl Partitions {
    pub fn of(files: &[Found], stored: &Fields) -> Result<Partitions> {
        let keys: Vec<Vec<(String, Option<String>)>> = files.iter().map(keys).collect::<Result<_>>()?;
        let Some(first) = keys.first() else { return Ok(Partitions::default()) };
        let names = |k: &[(String, Option<String>)]| k.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        for (file, other) in files.iter().zip(&keys) {
            if names(other) != names(first) {
                let show = |k: &[(String, Option<String>)]| if k.is_empty() { "none".to_owned() } else { names(k).join(", ") };
                let message = format!(
                    "its folders give the partition columns {}, those of {} give {}",
                    show(other),
                    files[0].path.display(),
                    show(first)
                );
                return Err(Error::data(&file.path, message).help("all files of a dataset lie under the same key=value folders"));
            }
        }
        let kept: Vec<usize> = (0..first.len()).filter(|i| stored.find(&first[*i].0).is_none()).collect();
        let columns = kept.iter().map(|i| {
            let values = || keys.iter().filter_map(|k| k[*i].1.as_deref());
            let integers = values().next().is_some() && values().all(is_integer);
            (first[*i].0.clone(), if integers { DataType::Int64 } else { DataType::Utf8View })
        });
        let columns = columns.collect();
        let values = keys.iter().map(|k| kept.iter().map(|i| k[*i].1.clone()).collect()).collect();
        Ok(Partitions { columns, values })
    }

    pub fn len(&self) -> usize {
        self.columns.len()
    }

    pub fn fields(&self) -> Vec<Field> {
        self.columns.iter().map(|(name, t)| Field::new(name, t.clone(), true)).collect()
    }

    pub fn array(&self, file: usize, column: usize, rows: usize) -> ArrayRef {
        let data_type = &self.columns[column].1;
        match (&self.values[file][column], data_type) {
            (None, _) => new_null_array(data_type, rows),
            // Every value was seen to parse.
            (Some(v), DataType::Int64) => Arc::new(Int64Array::from(vec![v.parse::<i64>().unwrap_or_default(); rows])),
            (Some(v), _) => {
                let mut builder = arrow::array::StringViewBuilder::with_capacity(rows);
                let block = builder.append_block(v.as_bytes().to_vec().into());
                let len = u32::try_from(v.len()).unwrap_or(u32::MAX);
                for _ in 0..rows {
                    // A path component is far below 4 GB, so the view is always in its block.
                    if builder.try_append_view(block, 0, len).is_err() {
                        builder.append_null();
                    }
                }
                Arc::new(builder.finish()) as Arc<StringViewArray>
            }
        }
    }
}

/// Leading zeros are names (`month=01`), not numbers: `01` and `1` would become one value.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (digits == "0" || !digits.starts_with('0')) && text.parse::<i64>().is_ok() && !text.starts_with('+')
}

fn keys(file: &Found) -> Result<Vec<(String, Option<String>)>> {
    let mut keys: Vec<(String, Option<String>)> = Vec::new();
    let folders = file.path.parent().into_iter().flat_map(|p| p.components());
    for part in folders.filter_map(|c| if let Component::Normal(n) = c { n.to_str() } else { None }) {
        let Some((key, value)) = part.split_once('=') else { continue };
        let (Some(key), Some(value)) = (decode(key), decode(value)) else {
            return Err(Error::data(&file.path, format!("the folder name {part:?} does not decode to valid UTF-8")));
        };
        if key.is_empty() {
            continue;
        }
        if keys.iter().any(|(k, _)| *k == key) {
            return Err(Error::data(&file.path, format!("two of its folders give the partition column `{key}`")));
        }
        keys.push((key, (value != NULL).then_some(value)));
    }
    Ok(keys)
}

/// Percent-decoding; `None` when the bytes are no UTF-8. A `%` without two digits stands for itself.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes().peekable();
    let mut out = Vec::with_capacity(text.len());
    let source = text.as_bytes();
    let mut i = 0;
    while let Some(b) = bytes.next() {
        let hex = |at: usize| source.get(at).and_then(|c| char::from(*c).to_digit(16));
        match (b, hex(i + 1), hex(i + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                bytes.nth(1);
                i += 3;
            }
            _ => {
                out.push(b);
                i += 1;
            }
        }
    }
    String::from_utf8(out).ok()
}
