//! Cells of a table as 64-bit codes: two cells of a column are equal exactly when their codes are
//! (up to hash collisions of strings), and codes of numbers are ordered as the numbers are. What a
//! code means for a label, and which columns are worth reading, is decided by whoever asks.

use crate::batch::{Batch, Text, keys_of};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The code of null, and of NaN, which is a null that got lost.
pub const NULL: u64 = 0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// Numbers and booleans: codes are ordered.
    Number,
    /// Dates, times and durations: ordered as well, but nobody reads their codes.
    Time,
    /// Strings: codes are hashes.
    Text,
}

impl Kind {
    /// Whether the codes have an order that means something.
    pub fn is_ordered(self) -> bool {
        self != Kind::Text
    }
    /// Whether a column of these can be a label.
    pub fn names_classes(self) -> bool {
        self != Kind::Time
    }
}

/// `None` for a type that is no table feature (lists, bytes).
pub fn kind_of(t: &DataType) -> Option<Kind> {
    match t {
        DataType::Boolean => Some(Kind::Number),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Some(Kind::Text),
        DataType::Dictionary(_, values) => kind_of(values),
        DataType::Date32
        | DataType::Date64
        | DataType::Timestamp(..)
        | DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Duration(_) => Some(Kind::Time),
        other => other.is_numeric().then_some(Kind::Number),
    }
}

/// Order-preserving code of a number: the usual map of IEEE 754 bits to integers, with the two zeros
/// made one. The code of no number is [`NULL`] (it would be a NaN).
pub fn number_code(x: f64) -> u64 {
    if x.is_nan() {
        return NULL;
    }
    let bits = if x == 0.0 { 0 } else { x.to_bits() };
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// The number behind a code of [`number_code`].
pub fn code_number(code: u64) -> f64 {
    if code == NULL {
        f64::NAN
    } else if code >> 63 == 1 {
        f64::from_bits(code & !(1 << 63))
    } else {
        f64::from_bits(!code)
    }
}

fn text_code(s: &str) -> u64 {
    // Zero is taken; a string that hashes to it shares a code with one other.
    xxh3_64(s.as_bytes()).max(1)
}

/// Codes of all cells of a column. Integers and decimals go through `f64`: beyond 2^53 neighbours
/// merge, which for identifiers of that size changes nothing that is counted here (nor for instants, of
/// which those within a microsecond do). A type that is no feature reads as null throughout.
pub fn codes(array: &dyn Array) -> Vec<u64> {
    let rows = array.len();
    if let DataType::Dictionary(_, _) = array.data_type() {
        let dict = array.as_any_dictionary();
        let values = codes(dict.values().as_ref());
        return keys_of(dict).into_iter().map(|k| k.and_then(|k| values.get(k).copied()).unwrap_or(NULL)).collect();
    }
    if let Some(text) = Text::of(array) {
        return (0..rows).map(|i| text.get(i).map_or(NULL, text_code)).collect();
    }
    if let Some(flags) = array.as_boolean_opt() {
        return flags.iter().map(|b| b.map_or(NULL, |b| number_code(f64::from(u8::from(b))))).collect();
    }
    let numbers = match kind_of(array.data_type()) {
        Some(Kind::Number) => arrow::compute::cast(array, &DataType::Float64),
        Some(Kind::Time) => arrow::compute::cast(array, &DataType::Int64).and_then(|a| arrow::compute::cast(&a, &DataType::Float64)),
        _ => return vec![NULL; rows],
    };
    let Ok(numbers) = numbers else { return vec![NULL; rows] };
    match numbers.as_primitive_opt::<Float64Type>() {
        Some(numbers) if numbers.null_count() == 0 => numbers.values().iter().map(|x| number_code(*x)).collect(),
        Some(numbers) => numbers.iter().map(|x| x.map_or(NULL, number_code)).collect(),
        None => vec![NULL; rows],
    }
}

/// The columns of a batch as codes. A column that the batch lacks reads as null.
pub fn columns_of(batch: &Batch, names: &[String]) -> Vec<Vec<u64>> {
    names.iter().map(|name| batch.column(name).map_or_else(|| vec![NULL; batch.rows()], |a| codes(a.as_ref()))).collect()
}

/// A seeded hash of each row's cells; the same row has the same hash wherever it stands.
pub fn row_hashes(columns: &[Vec<u64>], rows: usize, seed: u64) -> Vec<u64> {
    let mut hashes = vec![mix(seed ^ 0x7461_626c_6520_726f); rows];
    for (position, column) in columns.iter().enumerate() {
        let salt = mix(seed.wrapping_add(position as u64));
        for (hash, cell) in hashes.iter_mut().zip(column) {
            *hash = mix(hash.wrapping_add(cell ^ salt));
        }
    }
    hashes
}

/// The finaliser of SplitMix64 (Steele, Lea & Flood 2014): a bijection that spreads every bit.
pub fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, BooleanArray, DictionaryArray, Float32Array, Int64Array, ListArray, StringArray};
    use arrow::array::{
        Date32Array, Date64Array, DurationMillisecondArray, Time32SecondArray, Time64MicrosecondArray, TimestampNanosecondArray,
    };
    use arrow::datatypes::{Int8Type, Int32Type};
    use std::sync::Arc;

    #[test]
    fn a_dictionary_without_values_is_null_throughout() {
        let dict: DictionaryArray<Int8Type> = vec![None::<&str>, None].into_iter().collect();
        assert_eq!(codes(&dict), vec![NULL, NULL]);
    }

    #[test]
    fn codes_of_numbers_keep_their_order_and_come_back() {
        let numbers = [f64::NEG_INFINITY, -1e300, -2.5, -1e-300, 0.0, 1e-300, 1.0, 1.5, 1e300, f64::INFINITY];
        for pair in numbers.windows(2) {
            assert!(number_code(pair[0]) < number_code(pair[1]), "{pair:?}");
        }
        for x in numbers {
            assert_eq!(code_number(number_code(x)), x);
            assert_ne!(number_code(x), NULL);
        }
        assert_eq!(number_code(-0.0), number_code(0.0));
        assert_eq!(number_code(f64::NAN), NULL);
        assert_eq!(number_code(-f64::NAN), NULL);
    }

    #[test]
    fn equal_values_have_equal_codes_whatever_their_encoding() {
        let plain = StringArray::from(vec![Some("a"), None, Some("b")]);
        let dict: DictionaryArray<Int8Type> = vec![Some("a"), None, Some("b")].into_iter().collect();
        assert_eq!(codes(&plain), codes(&dict));
        assert_eq!(codes(&plain)[1], NULL);
        let ints = Int64Array::from(vec![Some(3), None]);
        let floats = Float32Array::from(vec![Some(3.0), Some(f32::NAN)]);
        assert_eq!(codes(&ints), codes(&floats));
        let flags = BooleanArray::from(vec![Some(true), None, Some(false)]);
        assert_eq!(codes(&flags), [number_code(1.0), NULL, number_code(0.0)]);
    }

    #[test]
    fn dates_and_times_are_ordered_and_equal_in_any_dictionary() {
        let days = Date32Array::from(vec![Some(-1), None, Some(19_000)]);
        assert_eq!(codes(&days), [number_code(-1.0), NULL, number_code(19_000.0)]);
        let instants: [ArrayRef; 5] = [
            Arc::new(Date64Array::from(vec![-5, 7])),
            Arc::new(TimestampNanosecondArray::from(vec![-5, 7]).with_timezone("+01:00")),
            Arc::new(Time32SecondArray::from(vec![-5, 7])),
            Arc::new(Time64MicrosecondArray::from(vec![-5, 7])),
            Arc::new(DurationMillisecondArray::from(vec![-5, 7])),
        ];
        for array in instants {
            assert_eq!(kind_of(array.data_type()), Some(Kind::Time), "{}", array.data_type());
            assert_eq!(codes(array.as_ref()), [-5.0, 7.0].map(number_code), "{}", array.data_type());
        }
        let keys = arrow::array::Int8Array::from(vec![1, 0]);
        let dict = DictionaryArray::try_new(keys, Arc::new(Date32Array::from(vec![3, 4]))).unwrap();
        assert_eq!(codes(&dict), [4.0, 3.0].map(number_code));
    }

    #[test]
    fn lists_are_no_features() {
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None]);
        assert_eq!(kind_of(list.data_type()), None);
        assert_eq!(codes(&list), [NULL, NULL]);
    }

    #[test]
    fn a_row_hash_depends_on_every_cell_its_column_and_the_seed() {
        let hash = |a: u64, b: u64, seed| row_hashes(&[vec![a], vec![b]], 1, seed)[0];
        let all = [hash(1, 2, 0), hash(2, 1, 0), hash(1, 3, 0), hash(1, 2, 1)];
        let distinct: std::collections::BTreeSet<u64> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
