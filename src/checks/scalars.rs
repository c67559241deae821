//! One cell as a value that can be compared, hashed, added and printed, whatever the encoding of its
//! column. For checks whose state holds values; tight loops over native slices are in [`super::set`].

use crate::batch::Text;
use crate::error::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::*;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// A value in the domain of its column: comparable with others of the same column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Scalar {
    /// Integers, and the native steps of times, dates and decimals.
    Int(i128),
    Float(f64),
    /// Strings, bytes, and decimals beyond 128 bits in an order-preserving form.
    Bytes(Vec<u8>),
}

impl Scalar {
    /// `None` for NaN, which is ordered with nothing.
    pub fn compare(&self, other: &Scalar) -> Option<Ordering> {
        match (self, other) {
            (Scalar::Int(a), Scalar::Int(b)) => Some(a.cmp(b)),
            (Scalar::Float(a), Scalar::Float(b)) => a.partial_cmp(b),
            (Scalar::Bytes(a), Scalar::Bytes(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
    pub fn is_nan(&self) -> bool {
        matches!(self, Scalar::Float(f) if f.is_nan())
    }
}

/// Reads a column's cells by row.
pub struct Reader<'a> {
    array: &'a ArrayRef,
    text: Option<Text<'a>>,
}

impl<'a> Reader<'a> {
    /// # Errors
    /// An internal error for nested types; checks ask [`is_scalar`] first.
    pub fn new(array: &'a ArrayRef) -> Result<Reader<'a>> {
        let t = crate::contract::types::unencoded(array.data_type());
        if !is_scalar(t) {
            return Err(Error::internal(format!("single values of {t}")));
        }
        Ok(Reader { array, text: Text::of(array.as_ref()) })
    }

    /// The cell in row `i`; `None` is null.
    pub fn get(&self, i: usize) -> Option<Scalar> {
        match &self.text {
            Some(text) => text.get(i).map(|t| Scalar::Bytes(t.as_bytes().to_vec())),
            None => scalar(self.array.as_ref(), i),
        }
    }
}

/// Whether a column of the type has single values.
pub fn is_scalar(t: &DataType) -> bool {
    !t.is_nested() && !matches!(t, DataType::Interval(_))
}

fn scalar(array: &dyn Array, i: usize) -> Option<Scalar> {
    if let Some(dict) = array.as_any_dictionary_opt() {
        if array.is_null(i) {
            return None;
        }
        let key = dict.normalized_keys().get(i).copied()?;
        return (key < dict.values().len()).then(|| scalar(dict.values().as_ref(), key)).flatten();
    }
    if matches!(array.data_type(), DataType::Null) || array.is_null(i) {
        return None;
    }
    macro_rules! int {
        ($t:ty) => {
            Scalar::Int(i128::from(array.as_primitive::<$t>().value(i)))
        };
    }
    Some(match array.data_type() {
        DataType::Boolean => Scalar::Int(array.as_boolean().value(i).into()),
        DataType::Int8 => int!(Int8Type),
        DataType::Int16 => int!(Int16Type),
        DataType::Int32 => int!(Int32Type),
        DataType::Int64 => int!(Int64Type),
        DataType::UInt8 => int!(UInt8Type),
        DataType::UInt16 => int!(UInt16Type),
        DataType::UInt32 => int!(UInt32Type),
        DataType::UInt64 => int!(UInt64Type),
        DataType::Date32 => int!(Date32Type),
        DataType::Date64 => int!(Date64Type),
        DataType::Time32(TimeUnit::Second) => int!(Time32SecondType),
        DataType::Time32(_) => int!(Time32MillisecondType),
        DataType::Time64(TimeUnit::Microsecond) => int!(Time64MicrosecondType),
        DataType::Time64(_) => int!(Time64NanosecondType),
        DataType::Timestamp(TimeUnit::Second, _) => int!(TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => int!(TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => int!(TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => int!(TimestampNanosecondType),
        DataType::Duration(TimeUnit::Second) => int!(DurationSecondType),
        DataType::Duration(TimeUnit::Millisecond) => int!(DurationMillisecondType),
        DataType::Duration(TimeUnit::Microsecond) => int!(DurationMicrosecondType),
        DataType::Duration(TimeUnit::Nanosecond) => int!(DurationNanosecondType),
        DataType::Decimal32(..) => int!(Decimal32Type),
        DataType::Decimal64(..) => int!(Decimal64Type),
        DataType::Decimal128(..) => Scalar::Int(array.as_primitive::<Decimal128Type>().value(i)),
        DataType::Decimal256(..) => {
            // Big-endian with the sign bit turned: bytes in the order of the values.
            let mut bytes = array.as_primitive::<Decimal256Type>().value(i).to_be_bytes();
            bytes[0] ^= 0x80;
            Scalar::Bytes(bytes.to_vec())
        }
        DataType::Float16 => Scalar::Float(array.as_primitive::<Float16Type>().value(i).to_f64()),
        DataType::Float32 => Scalar::Float(array.as_primitive::<Float32Type>().value(i).into()),
        DataType::Float64 => Scalar::Float(array.as_primitive::<Float64Type>().value(i)),
        DataType::Binary => Scalar::Bytes(array.as_binary::<i32>().value(i).to_vec()),
        DataType::LargeBinary => Scalar::Bytes(array.as_binary::<i64>().value(i).to_vec()),
        DataType::BinaryView => Scalar::Bytes(array.as_binary_view().value(i).to_vec()),
        DataType::FixedSizeBinary(_) => Scalar::Bytes(array.as_fixed_size_binary().value(i).to_vec()),
        _ => return None,
    })
}

/// A column without its dictionary, so that a row costs no look-up.
pub fn plain(array: ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Dictionary(_, values) if !matches!(**values, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) => {
            arrow::compute::cast(&array, values).map_err(Error::internal)
        }
        _ => Ok(array),
    }
}
