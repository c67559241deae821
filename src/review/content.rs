//! What a row holds, as a digest that does not depend on where the row stands: neither on its file, its
//! place and the order of columns, nor on the format and encoding of the file. Decisions name rows by it.
//!
//! `split` proves its sums with a hash of its own ([`crate::source::divide`]), which is fast, compares a file
//! with its copies, and takes a line of text as it stands; it withstands accidents. This one withstands an
//! author of rows who would like one of his to pass for a row that was kept, so it is a cut SHA-256.

use crate::batch::{Batch, Text};
use crate::contract::decisions::Content;
use crate::error::{Error, Result};
use crate::source::unparsed_column;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type, Schema};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The columns that make up a row's content. Of a folder of images that is the image and its class, not the
/// name of the file.
pub fn columns(schema: &Schema) -> Vec<String> {
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let images = names == ["image", "label", "path"] && schema.field(0).data_type() == &DataType::BinaryView;
    let mut out: Vec<String> = names.into_iter().filter(|n| !(images && *n == "path")).map(str::to_owned).collect();
    out.sort();
    out
}

/// The content of each row of a batch that carries [`columns`]. `None` for a row with a cell that does not
/// parse: what stands there is not known here, so nobody can have judged it.
///
/// # Errors
/// Internal: a column that is not there or cannot be printed.
pub fn contents(batch: &Batch, columns: &[String]) -> Result<Vec<Option<Content>>> {
    let n = batch.rows();
    let mut cells = Vec::with_capacity(columns.len());
    for name in columns {
        let array = batch.column(name).ok_or_else(|| Error::internal("a column of a row's content was not read"))?;
        cells.push((name.as_str(), Cells::of(array)?, batch.column(&unparsed_column(name))));
    }
    let mut out = Vec::with_capacity(n);
    let mut bytes = Vec::new();
    for row in 0..n {
        bytes.clear();
        let mut readable = true;
        for (name, cells, unparsed) in &cells {
            readable &= !unparsed.is_some_and(|marks| marks.as_boolean_opt().is_some_and(|m| m.is_valid(row) && m.value(row)));
            let start = bytes.len();
            sized(&mut bytes, name.as_bytes());
            let before = bytes.len();
            bytes.extend_from_slice(&[0; 8]);
            if cells.append(row, &mut bytes)? {
                let len = (bytes.len() - before - 8) as u64;
                bytes[before..before + 8].copy_from_slice(&len.to_le_bytes());
            } else {
                // A null is as if the column were not there.
                bytes.truncate(start);
            }
        }
        out.push(readable.then(|| {
            let mut content = Content::default();
            let digest = Sha256::digest(&bytes);
            content.copy_from_slice(&digest[..size_of::<Content>()]);
            content
        }));
    }
    Ok(out)
}

fn sized(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// A column whose cells become bytes: scalars as the text that prints them, so that `1` is the same number
/// in a CSV file, in eight bits and in sixty-four; lists and structs by their elements.
enum Cells<'a> {
    Text(Text<'a>),
    Bytes(&'a ArrayRef),
    Float(Vec<Option<f64>>, bool),
    List(Vec<Option<(usize, usize)>>, Box<Cells<'a>>),
    Struct(&'a ArrayRef, Vec<(&'a str, Cells<'a>)>),
    Dictionary(Vec<Option<usize>>, Box<Cells<'a>>),
    Times(ArrayRef),
    Other(&'a ArrayRef, Box<ArrayFormatter<'a>>),
}

impl<'a> Cells<'a> {
    fn of(array: &'a ArrayRef) -> Result<Cells<'a>> {
        let n = array.len();
        if let Some(text) = Text::of(array.as_ref()) {
            return Ok(Cells::Text(text));
        }
        if let Some(utc) = crate::batch::in_utc(array.as_ref()) {
            return Ok(Cells::Times(utc));
        }
        let valid = |i: usize| array.is_valid(i);
        let spans = |end: &dyn Fn(usize) -> (usize, usize)| (0..n).map(|i| valid(i).then(|| end(i))).collect::<Vec<_>>();
        Ok(match array.data_type() {
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => Cells::Bytes(array),
            DataType::Float16 => {
                let a = array.as_primitive::<Float16Type>();
                Cells::Float((0..n).map(|i| valid(i).then(|| f64::from(a.value(i)))).collect(), true)
            }
            DataType::Float32 => {
                let a = array.as_primitive::<Float32Type>();
                Cells::Float((0..n).map(|i| valid(i).then(|| f64::from(a.value(i)))).collect(), true)
            }
            DataType::Float64 => {
                let a = array.as_primitive::<Float64Type>();
                Cells::Float((0..n).map(|i| valid(i).then(|| a.value(i))).collect(), false)
            }
            DataType::List(_) => {
                let (list, o) = (array.as_list::<i32>(), array.as_list::<i32>().value_offsets());
                Cells::List(spans(&|i| (o[i] as usize, o[i + 1] as usize)), Box::new(Cells::of(list.values())?))
            }
            DataType::LargeList(_) => {
                let (list, o) = (array.as_list::<i64>(), array.as_list::<i64>().value_offsets());
                Cells::List(spans(&|i| (o[i] as usize, o[i + 1] as usize)), Box::new(Cells::of(list.values())?))
            }
            DataType::FixedSizeList(_, size) => {
                let (list, size) = (array.as_fixed_size_list(), *size as usize);
                Cells::List(spans(&|i| (i * size, (i + 1) * size)), Box::new(Cells::of(list.values())?))
            }
            DataType::Struct(fields) => {
                let columns = fields.iter().zip(array.as_struct().columns());
                let mut columns = columns.map(|(f, a)| Ok((f.name().as_str(), Cells::of(a)?))).collect::<Result<Vec<_>>>()?;
                columns.sort_by_key(|c| c.0);
                Cells::Struct(array, columns)
            }
            DataType::Dictionary(_, _) => {
                let dictionary = array.as_any_dictionary();
                Cells::Dictionary(crate::batch::keys_of(dictionary), Box::new(Cells::of(dictionary.values())?))
            }
            _ => {
                static OPTIONS: FormatOptions<'static> = FormatOptions::new();
                Cells::Other(array, Box::new(ArrayFormatter::try_new(array.as_ref(), &OPTIONS).map_err(Error::internal)?))
            }
        })
    }

    /// Appends the cell of row `i`; false for null, with nothing appended.
    fn append(&self, i: usize, out: &mut Vec<u8>) -> Result<bool> {
        let print = |out: &mut Vec<u8>, what: &dyn std::fmt::Display| {
            let mut text = String::new();
            write!(text, "{what}").map_err(Error::internal)?;
            out.extend_from_slice(text.as_bytes());
            Ok(true)
        };
        match self {
            Cells::Text(text) => Ok(text.get(i).map(|s| out.extend_from_slice(s.as_bytes())).is_some()),
            Cells::Bytes(array) => {
                if array.is_null(i) {
                    return Ok(false);
                }
                out.extend_from_slice(match array.data_type() {
                    DataType::Binary => array.as_binary::<i32>().value(i),
                    DataType::LargeBinary => array.as_binary::<i64>().value(i),
                    DataType::BinaryView => array.as_binary_view().value(i),
                    _ => array.as_fixed_size_binary().value(i),
                });
                Ok(true)
            }
            // The shortest text of the width that the number is stored in: 0.1 is 0.1 in both. -0.0 is 0.
            Cells::Float(values, single) => match values[i] {
                None => Ok(false),
                Some(0.0) => print(out, &0),
                Some(v) if *single => print(out, &(v as f32)),
                Some(v) => print(out, &v),
            },
            Cells::List(spans, inner) => {
                let Some((from, to)) = spans[i] else { return Ok(false) };
                out.extend_from_slice(&((to - from) as u64).to_le_bytes());
                for i in from..to {
                    inner.nested(i, out)?;
                }
                Ok(true)
            }
            Cells::Struct(array, columns) => {
                if array.is_null(i) {
                    return Ok(false);
                }
                for (name, cells) in columns {
                    let start = out.len();
                    sized(out, name.as_bytes());
                    if !cells.nested(i, out)? {
                        out.truncate(start);
                    }
                }
                Ok(true)
            }
            Cells::Dictionary(keys, values) => match keys[i] {
                Some(key) => values.append(key, out),
                None => Ok(false),
            },
            Cells::Times(utc) => match crate::batch::cell_text(utc.as_ref(), i) {
                Some(text) => print(out, &text),
                None => Ok(false),
            },
            Cells::Other(array, format) => {
                if array.is_null(i) || array.data_type() == &DataType::Null {
                    return Ok(false);
                }
                print(out, &format.value(i))
            }
        }
    }

    /// A cell within another, with its length, which is odd for a null.
    fn nested(&self, i: usize, out: &mut Vec<u8>) -> Result<bool> {
        let at = out.len();
        out.extend_from_slice(&u64::MAX.to_le_bytes());
        let there = self.append(i, out)?;
        if there {
            let len = (out.len() - at - 8) as u64;
            out[at..at + 8].copy_from_slice(&len.to_le_bytes());
        }
        Ok(there)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::*;
    use arrow::datatypes::{Field, Int8Type, Int32Type};
    use std::sync::Arc;

    fn of(columns_: Vec<(&str, ArrayRef)>) -> Vec<Content> {
        let frame = RecordBatch::try_from_iter_with_nullable(columns_.into_iter().map(|(n, a)| (n, a, true))).unwrap();
        let names = columns(&frame.schema());
        contents(&Batch::new(frame, 0, 0), &names).unwrap().into_iter().map(|c| c.unwrap()).collect()
    }

    #[test]
    fn encoding_width_and_order_of_columns_do_not_matter() {
        let plain = of(vec![
            ("n", Arc::new(Int64Array::from(vec![Some(1), None, Some(-3)]))),
            ("t", Arc::new(StringArray::from(vec![Some("a"), Some("b"), None]))),
            ("x", Arc::new(Float64Array::from(vec![0.1, -0.0, 2.0]))),
        ]);
        let dictionary: DictionaryArray<Int8Type> = vec![Some("a"), Some("b"), None].into_iter().collect();
        let other = of(vec![
            ("x", Arc::new(Float32Array::from(vec![0.1, 0.0, 2.0]))),
            ("t", Arc::new(dictionary)),
            ("n", Arc::new(Int8Array::from(vec![Some(1), None, Some(-3)]))),
        ]);
        let text = of(vec![
            ("n", Arc::new(StringViewArray::from(vec![Some("1"), None, Some("-3")]))),
            ("nothing", Arc::new(NullArray::new(3))),
            ("t", Arc::new(LargeStringArray::from(vec![Some("a"), Some("b"), None]))),
            ("x", Arc::new(StringArray::from(vec!["0.1", "0", "2"]))),
        ]);
        assert_eq!(plain, other);
        assert_eq!(plain, text);
        assert_eq!(plain.iter().collect::<std::collections::HashSet<_>>().len(), 3);
    }

    #[test]
    fn cells_do_not_run_into_each_other() {
        let two = |a: &str, b: &str| {
            of(vec![("a", Arc::new(StringArray::from(vec![a])) as ArrayRef), ("b", Arc::new(StringArray::from(vec![b])))])[0]
        };
        assert_ne!(two("ab", ""), two("a", "b"));
        assert_ne!(two("x", "y"), two("y", "x"));
        let missing = of(vec![("a", Arc::new(StringArray::from(vec![None::<&str>])) as ArrayRef)]);
        let empty = of(vec![("a", Arc::new(StringArray::from(vec![""])) as ArrayRef)]);
        assert_ne!(missing, empty);
    }

    fn list(rows: Vec<Vec<Option<&str>>>) -> ArrayRef {
        let mut b = ListBuilder::new(StringBuilder::new());
        for row in rows {
            row.into_iter().for_each(|v| b.values().append_option(v));
            b.append(true);
        }
        Arc::new(b.finish())
    }

    #[test]
    fn lists_and_structs_differ_by_their_elements() {
        let lists =
            of(vec![("l", list(vec![vec![Some("a, b")], vec![Some("a"), Some("b")], vec![Some("a"), None], vec![Some("a")], vec![]]))]);
        assert_eq!(lists.iter().collect::<std::collections::HashSet<_>>().len(), 5);
        let s = |names: [&str; 2], values: [&str; 2]| {
            let arrays: Vec<ArrayRef> = values.iter().map(|v| Arc::new(StringArray::from(vec![*v])) as ArrayRef).collect();
            let fields: Vec<Field> = names.iter().map(|n| Field::new(*n, DataType::Utf8, true)).collect();
            of(vec![("s", Arc::new(StructArray::new(fields.into(), arrays, None)) as ArrayRef)])[0]
        };
        assert_eq!(s(["role", "text"], ["user", "hi"]), s(["text", "role"], ["hi", "user"]));
        assert_ne!(s(["role", "text"], ["user", "hi"]), s(["role", "text"], ["hi", "user"]));
    }

    #[test]
    fn a_cell_that_does_not_parse_leaves_its_row_without_content() {
        let frame = RecordBatch::try_from_iter_with_nullable([
            ("n".to_owned(), Arc::new(Int32Array::from(vec![Some(1), None])) as ArrayRef, true),
            (unparsed_column("n"), Arc::new(BooleanArray::from(vec![false, true])), true),
        ]);
        let found = contents(&Batch::new(frame.unwrap(), 0, 0), &["n".to_owned()]).unwrap();
        assert!(found[0].is_some() && found[1].is_none());
    }

    #[test]
    fn an_image_is_its_bytes_and_its_class_wherever_it_lies() {
        let t = |d: DataType| move |n: &str| Field::new(n, d.clone(), true);
        let text = t(DataType::Utf8View);
        let images = Schema::new(vec![t(DataType::BinaryView)("image"), text("label"), text("path")]);
        assert_eq!(columns(&images), ["image", "label"]);
        let table = Schema::new(vec![text("path"), text("label")]);
        assert_eq!(columns(&table), ["label", "path"]);
        let keyed = DictionaryArray::<Int32Type>::from_iter([Some("a"), None]);
        assert_eq!(of(vec![("d", Arc::new(keyed) as ArrayRef)]).len(), 2);
    }
}
