//! What a column holds, as far as a first contract needs to know: nulls, extremes, lengths, a few
//! distinct values, whether any value repeats. One pass, mergeable, and bounded however long the
//! data is: what no longer fits is given up and said to be unknown, never guessed.

use super::shape::Shape;
use crate::batch::{Batch, Text};
use crate::error::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, UInt64Type};
use std::collections::{BTreeMap, HashSet};
use xxhash_rust::xxh3::xxh3_128;

/// Distinct values that are kept with their counts; a longer list is nobody's to write by hand.
const MAX_VALUES: usize = 100;
/// A value longer than this is prose, not a category.
const MAX_VALUE_BYTES: usize = 200;
/// Distinct values that are counted; beyond it the answer is "more".
pub const MAX_DISTINCT: usize = 10_000;
/// Values whose repetition is still looked for: 16 bytes each, so 64 MB for the longest column.
const MAX_UNIQUE: usize = 4 << 20;

/// Everything seen in one column.
#[derive(Debug, Clone)]
pub struct Seen {
    pub rows: u64,
    pub nulls: u64,
    pub nan: u64,
    pub infinite: u64,
    /// Of integers.
    pub ints: Option<(i128, i128)>,
    /// Of floats, without NaN.
    pub floats: Option<(f64, f64)>,
    /// Characters of the shortest and the longest string.
    pub lengths: Option<(u64, u64)>,
    /// Characters of all strings, and strings that hold a space.
    pub characters: u64,
    pub spaced: u64,
    /// Strings that are a conversation in JSON.
    pub chats: u64,
    /// Of dates (days) and timestamps (their own unit), since 1970.
    pub times: Option<(i64, i64)>,
    /// Of decimals, unscaled.
    pub decimals: Option<(i128, i128)>,
    /// Booleans: how many are true.
    pub truths: u64,
    /// What all strings look like.
    pub shape: Shape,
    /// Each value with its count, while there are few.
    values: Option<BTreeMap<String, u64>>,
    distinct: Option<HashSet<u128>>,
    /// Every value so far, while none came twice.
    unique: Option<HashSet<u128>>,
}

impl Default for Seen {
    fn default() -> Self {
        Seen {
            rows: 0,
            nulls: 0,
            nan: 0,
            infinite: 0,
            ints: None,
            floats: None,
            lengths: None,
            characters: 0,
            spaced: 0,
            chats: 0,
            times: None,
            decimals: None,
            truths: 0,
            shape: Shape::default(),
            values: Some(BTreeMap::new()),
            distinct: Some(HashSet::new()),
            unique: Some(HashSet::new()),
        }
    }
}

impl Seen {
    /// Values with their counts, sorted, when there are few enough to list.
    pub fn values(&self) -> Option<&BTreeMap<String, u64>> {
        self.values.as_ref()
    }
    /// `None`: more than [`MAX_DISTINCT`], or of a type that is not counted.
    pub fn distinct(&self) -> Option<usize> {
        self.distinct.as_ref().map(HashSet::len).filter(|_| self.values_seen())
    }
    /// No value came twice; false as well when the column is too long to tell.
    pub fn is_unique(&self) -> bool {
        self.unique.is_some() && self.values_seen()
    }
    fn values_seen(&self) -> bool {
        self.rows > self.nulls && (self.ints.is_some() || self.lengths.is_some())
    }
    pub fn present(&self) -> u64 {
        self.rows - self.nulls
    }

    fn add(&mut self, value: &[u8], text: impl FnOnce() -> String) {
        if self.distinct.is_none() && self.unique.is_none() {
            return;
        }
        let hash = xxh3_128(value);
        if self.unique.as_mut().is_some_and(|u| !u.insert(hash) || u.len() > MAX_UNIQUE) {
            self.unique = None;
        }
        if self.distinct.as_mut().is_some_and(|d| d.insert(hash) && d.len() > MAX_DISTINCT) {
            self.distinct = None;
        }
        if let Some(values) = &mut self.values {
            if value.len() <= MAX_VALUE_BYTES {
                *values.entry(text()).or_default() += 1;
            }
            if value.len() > MAX_VALUE_BYTES || values.len() > MAX_VALUES {
                self.values = None;
            }
        }
    }

    pub fn observe(&mut self, array: &ArrayRef) -> Result<()> {
        let plain = decoded(array)?;
        let nulls = plain.logical_null_count() as u64;
        self.rows += plain.len() as u64;
        self.nulls += nulls;
        if let Some(text) = Text::of(plain.as_ref()) {
            for s in (0..plain.len()).filter_map(|i| text.get(i)) {
                let n = s.chars().count() as u64;
                self.lengths = Some(self.lengths.map_or((n, n), |(lo, hi)| (lo.min(n), hi.max(n))));
                self.characters += n;
                self.spaced += u64::from(s.contains(' '));
                self.chats += u64::from(crate::features::chat::is_json(s));
                self.shape.observe(s);
                self.add(s.as_bytes(), || s.to_owned());
            }
        } else if plain.data_type() == &DataType::UInt64 {
            for v in plain.as_primitive::<UInt64Type>().iter().flatten() {
                self.integer(i128::from(v));
            }
        } else if plain.data_type().is_integer() {
            let wide = arrow::compute::cast(&plain, &DataType::Int64).map_err(Error::internal)?;
            for v in wide.as_primitive::<Int64Type>().iter().flatten() {
                self.integer(i128::from(v));
            }
        } else if plain.data_type().is_floating() {
            let wide = arrow::compute::cast(&plain, &DataType::Float64).map_err(Error::internal)?;
            for v in wide.as_primitive::<Float64Type>().iter().flatten() {
                self.nan += u64::from(v.is_nan());
                self.infinite += u64::from(v.is_infinite());
                if !v.is_nan() {
                    self.floats = Some(self.floats.map_or((v, v), |(lo, hi)| (lo.min(v), hi.max(v))));
                }
            }
        } else if let Some(bools) = plain.as_boolean_opt() {
            self.truths += bools.true_count() as u64;
        } else if matches!(plain.data_type(), DataType::Date32 | DataType::Timestamp(..)) {
            let steps = if plain.data_type() == &DataType::Date32 {
                let days = arrow::compute::cast(&plain, &DataType::Int32).map_err(Error::internal)?;
                arrow::compute::cast(&days, &DataType::Int64).map_err(Error::internal)?
            } else {
                arrow::compute::cast(&plain, &DataType::Int64).map_err(Error::internal)?
            };
            for v in steps.as_primitive::<Int64Type>().iter().flatten() {
                self.times = Some(self.times.map_or((v, v), |(lo, hi)| (lo.min(v), hi.max(v))));
            }
        } else if let Some(decimals) = plain.as_primitive_opt::<Decimal128Type>() {
            for v in decimals.iter().flatten() {
                self.decimals = Some(self.decimals.map_or((v, v), |(lo, hi)| (lo.min(v), hi.max(v))));
            }
        }
        Ok(())
    }

    fn integer(&mut self, v: i128) {
        self.ints = Some(self.ints.map_or((v, v), |(lo, hi)| (lo.min(v), hi.max(v))));
        self.add(&v.to_le_bytes(), || v.to_string());
    }

    pub fn merge(&mut self, other: Seen) {
        self.rows += other.rows;
        self.nulls += other.nulls;
        self.nan += other.nan;
        self.infinite += other.infinite;
        self.characters += other.characters;
        self.spaced += other.spaced;
        self.chats += other.chats;
        self.ints = both(self.ints, other.ints, |a, b| (a.0.min(b.0), a.1.max(b.1)));
        self.floats = both(self.floats, other.floats, |a, b| (a.0.min(b.0), a.1.max(b.1)));
        self.lengths = both(self.lengths, other.lengths, |a, b| (a.0.min(b.0), a.1.max(b.1)));
        self.times = both(self.times, other.times, |a, b| (a.0.min(b.0), a.1.max(b.1)));
        self.decimals = both(self.decimals, other.decimals, |a, b| (a.0.min(b.0), a.1.max(b.1)));
        self.truths += other.truths;
        self.shape.merge(other.shape);
        self.values = self.values.take().zip(other.values).and_then(|(mut a, b)| {
            for (value, n) in b {
                *a.entry(value).or_default() += n;
            }
            (a.len() <= MAX_VALUES).then_some(a)
        });
        self.distinct = self.distinct.take().zip(other.distinct).and_then(|(mut a, b)| {
            a.extend(b);
            (a.len() <= MAX_DISTINCT).then_some(a)
        });
        self.unique = self.unique.take().zip(other.unique).and_then(|(mut a, b)| {
            let n = a.len() + b.len();
            a.extend(b);
            (a.len() == n && n <= MAX_UNIQUE).then_some(a)
        });
    }
}

fn both<T>(a: Option<T>, b: Option<T>, join: impl FnOnce(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(join(a, b)),
        (a, b) => a.or(b),
    }
}

/// Dictionaries and run-ends unpacked, unless they hold strings, which [`Text`] reads as they are.
fn decoded(array: &ArrayRef) -> Result<ArrayRef> {
    let inner = match array.data_type() {
        DataType::Dictionary(_, v) if Text::of(array.as_ref()).is_none() => v.as_ref().clone(),
        DataType::RunEndEncoded(_, v) => v.data_type().clone(),
        _ => return Ok(array.clone()),
    };
    arrow::compute::cast(array, &inner).map_err(Error::internal)
}

/// One [`Seen`] per column of the schema, over the whole dataset.
pub fn look(input: &impl crate::engine::Input, columns: &[String]) -> Result<Vec<Seen>> {
    use rayon::prelude::*;
    let empty = || vec![Seen::default(); columns.len()];
    input
        .shards()
        .par_iter()
        .map(|shard| {
            let mut seen = empty();
            input.read(shard, columns, &mut |batch: Batch| {
                for (column, seen) in columns.iter().zip(&mut seen) {
                    let array = batch.column(column).ok_or_else(|| Error::internal(format!("the batch lacks `{column}`")))?;
                    seen.observe(array)?;
                }
                Ok(())
            })?;
            Ok(seen)
        })
        .try_reduce(empty, |mut a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| a.merge(b));
            Ok(a)
        })
}

/// For each pair of columns, whether no two rows have the same values in both; rows with a null in
/// either do not count. False as well when there are too many rows to tell.
pub fn unique_pairs(input: &impl crate::engine::Input, pairs: &[(String, String)]) -> Result<Vec<bool>> {
    use rayon::prelude::*;
    let mut columns: Vec<String> = pairs.iter().flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    columns.sort();
    columns.dedup();
    let empty = || vec![Some(HashSet::<u128>::new()); pairs.len()];
    let join = |mut a: Vec<Option<HashSet<u128>>>, b: Vec<Option<HashSet<u128>>>| {
        for (a, b) in a.iter_mut().zip(b) {
            *a = a.take().zip(b).and_then(|(mut a, b)| {
                let n = a.len() + b.len();
                a.extend(b);
                (a.len() == n && n <= MAX_UNIQUE).then_some(a)
            });
        }
        a
    };
    let shards = input.shards();
    let seen = shards.par_iter().map(|shard| {
        let mut seen = empty();
        input.read(shard, &columns, &mut |batch: Batch| {
            for ((a, b), seen) in pairs.iter().zip(&mut seen) {
                let (Some(x), Some(y), Some(keys)) = (batch.column(a), batch.column(b), seen.as_mut()) else { continue };
                let alone = (0..batch.rows()).filter(|i| !x.is_null(*i) && !y.is_null(*i)).all(|i| {
                    let (x, y) = (crate::batch::cell_text(x.as_ref(), i), crate::batch::cell_text(y.as_ref(), i));
                    keys.insert(xxh3_128(format!("{x:?}\u{0}{y:?}").as_bytes()))
                });
                if !alone || keys.len() > MAX_UNIQUE {
                    *seen = None;
                }
            }
            Ok(())
        })?;
        Ok::<_, Error>(seen)
    });
    let seen = seen.try_reduce(empty, |a, b| Ok(join(a, b)))?;
    Ok(seen.iter().map(Option::is_some).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{DictionaryArray, Float64Array, Int8Array, StringArray, UInt64Array};
    use arrow::datatypes::Int8Type;
    use std::sync::Arc;

    fn seen(array: impl Array + 'static) -> Seen {
        let mut seen = Seen::default();
        seen.observe(&(Arc::new(array) as ArrayRef)).expect("a readable column");
        seen
    }

    #[test]
    fn extremes_are_exact_beyond_what_a_float_holds() {
        let big = u64::MAX - 1;
        assert_eq!(seen(UInt64Array::from(vec![3, big])).ints, Some((3, i128::from(big))));
    }

    #[test]
    fn nan_is_counted_and_kept_out_of_the_extremes() {
        let s = seen(Float64Array::from(vec![Some(f64::NAN), Some(-1.0), None, Some(2.5)]));
        assert_eq!((s.nan, s.nulls, s.floats), (1, 1, Some((-1.0, 2.5))));
    }

    #[test]
    fn merging_parts_is_seeing_the_whole() {
        let words: Vec<String> = (0..300).map(|i| format!("w{}", i % 150)).collect();
        let whole = seen(StringArray::from_iter_values(&words));
        let mut parts = seen(StringArray::from_iter_values(&words[200..]));
        parts.merge(Seen::default());
        parts.merge(seen(StringArray::from_iter_values(&words[..200])));
        assert_eq!(parts.distinct(), whole.distinct());
        assert_eq!(parts.values(), whole.values());
        assert_eq!((parts.lengths, parts.rows, parts.is_unique()), (whole.lengths, whole.rows, false));
    }

    #[test]
    fn a_value_that_repeats_across_parts_is_not_unique() {
        let mut a = seen(Int8Array::from(vec![1, 2]));
        assert!(a.is_unique());
        a.merge(seen(Int8Array::from(vec![2, 3])));
        assert!(!a.is_unique());
    }

    #[test]
    fn encodings_do_not_matter() {
        let plain = seen(StringArray::from(vec![Some("a"), None, Some("bb")]));
        let dict: DictionaryArray<Int8Type> = vec![Some("a"), None, Some("bb")].into_iter().collect();
        let dict = seen(dict);
        assert_eq!((plain.nulls, plain.lengths, plain.values()), (dict.nulls, dict.lengths, dict.values()));
    }
}
