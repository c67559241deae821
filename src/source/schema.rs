//! One schema over all files. Files may store a column in different encodings (dictionary, view,
//! large offsets, nullability, names inside lists); the dataset shows one plain form of it, and
//! everything behind this module meets only that form: strings as `Utf8View`, bytes as
//! `BinaryView`, small decimals as `Decimal128`, no dictionaries, all fields nullable.

use crate::error::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, ListArray, StructArray};
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use std::path::Path;
use std::sync::Arc;

/// Metadata of a field that a file stores as a dictionary: a category by intention.
const CATEGORICAL: &str = "taster.categorical";

/// True when the data itself declares the column to be categorical (a dictionary in its files).
pub fn is_categorical(field: &Field) -> bool {
    field.metadata().contains_key(CATEGORICAL)
}

/// The type with its encoding taken off; names and nullability inside stay as the file has them,
/// which is what a Parquet reader can be asked for.
pub(super) fn plain(data_type: &DataType) -> DataType {
    strip(data_type, false)
}

fn strip(data_type: &DataType, rename: bool) -> DataType {
    let inner = |f: &FieldRef| {
        let data_type = strip(f.data_type(), rename);
        Arc::new(if rename { Field::new(f.name(), data_type, true) } else { f.as_ref().clone().with_data_type(data_type) })
    };
    let item = |f: &FieldRef| if rename { Arc::new(inner(f).as_ref().clone().with_name("item")) } else { inner(f) };
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => DataType::BinaryView,
        DataType::Dictionary(_, values) => strip(values, rename),
        DataType::RunEndEncoded(_, values) => strip(values.data_type(), rename),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::List(f) | DataType::LargeList(f) | DataType::ListView(f) | DataType::LargeListView(f) => DataType::List(item(f)),
        DataType::FixedSizeList(f, n) => DataType::FixedSizeList(item(f), *n),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(inner).collect()),
        other => other.clone(),
    }
}

/// The field as the dataset shows it.
pub(super) fn canonical(field: &Field) -> Field {
    let shown = Field::new(field.name(), strip(field.data_type(), true), true);
    match field.data_type() {
        DataType::Dictionary(..) => shown.with_metadata([(CATEGORICAL.to_owned(), "true".to_owned())]),
        _ => shown,
    }
}

/// Brings an array into the dataset's form. Equal types cost nothing; lists and structs share
/// their buffers; only a real change of encoding copies.
pub(super) fn conform(array: &ArrayRef, to: &DataType) -> std::result::Result<ArrayRef, arrow::error::ArrowError> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    Ok(match (array.data_type(), to) {
        (DataType::List(_), DataType::List(field)) => {
            let list = array.as_list::<i32>();
            let values = conform(list.values(), field.data_type())?;
            Arc::new(ListArray::try_new(field.clone(), list.offsets().clone(), values, list.nulls().cloned())?)
        }
        (DataType::FixedSizeList(..), DataType::FixedSizeList(field, n)) => {
            let list = array.as_fixed_size_list();
            let values = conform(list.values(), field.data_type())?;
            Arc::new(FixedSizeListArray::try_new(field.clone(), *n, values, list.nulls().cloned())?)
        }
        (DataType::Struct(_), DataType::Struct(fields)) if array.as_struct().num_columns() == fields.len() => {
            let parts = array.as_struct();
            let columns = parts.columns().iter().zip(fields).map(|(c, f)| conform(c, f.data_type()));
            let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
            Arc::new(StructArray::try_new_with_length(fields.clone(), columns, parts.nulls().cloned(), parts.len())?)
        }
        _ => arrow::compute::cast_with_options(array, to, &arrow::compute::CastOptions { safe: false, ..Default::default() })?,
    })
}

/// Column names must tell columns apart.
pub(super) fn unique_names(path: &Path, fields: &[Field]) -> Result<()> {
    let mut names: Vec<&str> = fields.iter().map(|f| f.name().as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => {
            Err(Error::data(path, format!("two columns are named `{}`", pair[0])).help("rename one of them; rules and roles go by name"))
        }
        None => Ok(()),
    }
}

/// A later file must have the first file's columns, in any order, with equal plain types.
pub(super) fn agree(first: (&str, &Fields), path: &Path, fields: &[Field]) -> Result<()> {
    let (name, expected) = first;
    for field in expected {
        match fields.iter().find(|f| f.name() == field.name()) {
            None => {
                let extra = fields.iter().find(|f| expected.find(f.name()).is_none());
                let extra = extra.map_or_else(String::new, |f| format!(" (it has `{}` instead)", f.name()));
                return Err(differs(path, format!("the column `{}` of {name} is missing here{extra}", field.name())));
            }
            Some(found) if found.data_type() != field.data_type() => {
                let message = format!("the column `{}` is {} here and {} in {name}", field.name(), found.data_type(), field.data_type());
                return Err(differs(path, message));
            }
            Some(_) => {}
        }
    }
    match fields.iter().find(|f| expected.find(f.name()).is_none()) {
        Some(extra) => Err(differs(path, format!("the column `{}` is not in {name}", extra.name()))),
        None => Ok(()),
    }
}

fn differs(path: &Path, message: String) -> Error {
    Error::data(path, message).help("all files of a dataset have one schema; check the files apart if they are different datasets")
}
