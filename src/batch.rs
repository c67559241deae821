//! `Batch` and `RowId`, the only currency between modules. A batch is a run of consecutive rows of
//! one file, at most [`MAX_ROWS`] of them, with only the columns that somebody asked for.

use crate::error::Result;
use arrow::array::{AnyDictionaryArray, Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows in a batch, at most.
pub const MAX_ROWS: usize = 32 * 1024;

/// File (index into the sorted list of files) and 0-based record in it. No split, thread or batch
/// size changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowId {
    pub source: u32,
    pub row: u64,
}

#[derive(Debug, Clone)]
pub struct Batch {
    frame: RecordBatch,
    source: u32,
    first_row: u64,
    /// Where each row stands, counted from the first, when some were left out.
    places: Option<Arc<[u32]>>,
    features: Features,
}

type Feature = Arc<dyn Any + Send + Sync>;

/// What was made of a batch for one rule and may serve the next, by name.
#[derive(Clone, Default)]
struct Features(Arc<Mutex<Vec<(String, Feature)>>>);

impl std::fmt::Debug for Features {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_list().entries(all.iter().map(|(name, _)| name)).finish()
    }
}

impl Batch {
    pub fn new(frame: RecordBatch, source: u32, first_row: u64) -> Self {
        Batch { frame, source, first_row, places: None, features: Features::default() }
    }
    /// The feature of that name, made by whoever asks for it first. One name stands for one feature, and a
    /// feature depends on nothing but the batch.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn feature<T: Any + Send + Sync>(&self, name: &str, make: impl FnOnce(&Batch) -> Result<T>) -> Result<Arc<T>> {
        let known = {
            let all = self.features.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter().find(|(n, _)| n == name).map(|(_, feature)| feature.clone())
        };
        if let Some(known) = known.and_then(|k| k.downcast::<T>().ok()) {
            return Ok(known);
        }
        let made = Arc::new(make(self)?);
        self.features.0.lock().unwrap_or_else(PoisonError::into_inner).push((name.to_owned(), made.clone()));
        Ok(made)
    }
    /// Bytes of all texts, those inside lists and structs too.
    pub fn text_bytes(&self) -> usize {
        self.frame.columns().iter().map(|c| text_bytes(c.as_ref())).sum()
    }
    pub fn rows(&self) -> usize {
        self.frame.num_rows()
    }
    pub fn source(&self) -> u32 {
        self.source
    }
    pub fn first_row(&self) -> u64 {
        self.first_row
    }
    pub fn row_id(&self, i: usize) -> RowId {
        RowId { source: self.source, row: self.first_row + self.place(i) as u64 }
    }
    /// Where row `i` stands in the batch that this one was picked from: `i` in a whole one.
    pub fn place(&self, i: usize) -> usize {
        self.places.as_ref().map_or(i, |p| p[i] as usize)
    }
    /// Some rows of this batch, which keep their identity; `rows` is ascending.
    pub fn pick(&self, rows: &[u32]) -> Result<Batch> {
        if rows.len() == self.rows() {
            return Ok(self.clone());
        }
        let indices = arrow::array::UInt32Array::from_iter_values(rows.iter().copied());
        let frame = if self.frame.num_columns() == 0 {
            let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
            RecordBatch::try_new_with_options(self.frame.schema(), Vec::new(), &options)
        } else {
            arrow::compute::take_record_batch(&self.frame, &indices)
        };
        let places = rows.iter().map(|r| self.place(*r as usize) as u32).collect();
        Ok(Batch {
            frame: frame.map_err(crate::error::Error::internal)?,
            places: Some(places),
            features: Features::default(),
            source: self.source,
            first_row: self.first_row,
        })
    }
    /// The column of that name, if this batch carries it.
    pub fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.frame.column_by_name(name)
    }
    pub fn frame(&self) -> &RecordBatch {
        &self.frame
    }
    /// Rows `from..from + len` of this batch, sharing its memory.
    pub fn slice(&self, from: usize, len: usize) -> Batch {
        let (first_row, places) = match &self.places {
            None => (self.first_row + from as u64, None),
            Some(p) => (self.first_row, Some(p[from..from + len].into())),
        };
        Batch { frame: self.frame.slice(from, len), source: self.source, first_row, places, features: Features::default() }
    }
}

fn text_bytes(array: &dyn Array) -> usize {
    let within = |from: usize, to: usize, items: &ArrayRef| text_bytes(items.slice(from, to - from).as_ref());
    match array.data_type() {
        DataType::Utf8 => {
            array.as_string::<i32>().value_offsets().last().map_or(0, |end| end - array.as_string::<i32>().value_offsets()[0]) as usize
        }
        DataType::LargeUtf8 => {
            array.as_string::<i64>().value_offsets().last().map_or(0, |end| end - array.as_string::<i64>().value_offsets()[0]) as usize
        }
        DataType::Utf8View => array.as_string_view().lengths().map(|n| n as usize).sum(),
        DataType::List(_) => match array.as_list::<i32>().value_offsets() {
            [from, .., to] => within(*from as usize, *to as usize, array.as_list::<i32>().values()),
            _ => 0,
        },
        DataType::LargeList(_) => match array.as_list::<i64>().value_offsets() {
            [from, .., to] => within(*from as usize, *to as usize, array.as_list::<i64>().values()),
            _ => 0,
        },
        DataType::Struct(_) => array.as_struct().columns().iter().map(|c| text_bytes(c.as_ref())).sum(),
        _ => 0,
    }
}

/// A string column read without a copy, whatever its encoding (Utf8, LargeUtf8, Utf8View, or a
/// dictionary of one of them).
pub enum Text<'a> {
    Utf8(&'a arrow::array::StringArray),
    Large(&'a arrow::array::LargeStringArray),
    View(&'a arrow::array::StringViewArray),
    /// Keys widened to usize, with the dictionary's values.
    Dict(Vec<Option<usize>>, Box<Text<'a>>),
}

impl<'a> Text<'a> {
    /// Whether a column of this type holds strings.
    pub fn reads(t: &arrow::datatypes::DataType) -> bool {
        match t {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
            DataType::Dictionary(_, values) => Text::reads(values),
            _ => false,
        }
    }
    /// `None` when the column holds no strings.
    pub fn of(array: &'a dyn Array) -> Option<Self> {
        use arrow::array::StringArray;
        Some(match array.data_type() {
            DataType::Utf8 => Text::Utf8(array.as_any().downcast_ref::<StringArray>()?),
            DataType::LargeUtf8 => Text::Large(array.as_string::<i64>()),
            DataType::Utf8View => Text::View(array.as_string_view()),
            DataType::Dictionary(_, _) => {
                let dict = array.as_any_dictionary();
                Text::Dict(keys_of(dict), Box::new(Text::of(dict.values().as_ref())?))
            }
            _ => return None,
        })
    }
    /// The string in row `i`; `None` is null.
    pub fn get(&self, i: usize) -> Option<&str> {
        match self {
            Text::Utf8(a) => a.is_valid(i).then(|| a.value(i)),
            Text::Large(a) => a.is_valid(i).then(|| a.value(i)),
            Text::View(a) => a.is_valid(i).then(|| a.value(i)),
            Text::Dict(keys, values) => keys[i].and_then(|k| values.get(k)),
        }
    }
}

/// A dictionary's keys widened to usize, `None` where the key is null. A key under a null may hold
/// anything, and a dictionary of nothing but nulls may have no values at all.
pub fn keys_of(dict: &dyn AnyDictionaryArray) -> Vec<Option<usize>> {
    if dict.values().is_empty() {
        return vec![None; dict.len()];
    }
    dict.normalized_keys().into_iter().enumerate().map(|(i, k)| (!dict.is_null(i)).then_some(k)).collect()
}

/// A cell as plain text, the way the quarantine list's `id` column and class names print it:
/// strings as they are, integers in decimal, everything else as Arrow displays it.
pub fn cell_text(array: &dyn Array, row: usize) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    if let Some(text) = Text::of(array) {
        return text.get(row).map(str::to_owned);
    }
    match in_utc(array) {
        Some(utc) => arrow::util::display::array_value_to_string(utc.as_ref(), row).ok(),
        None => arrow::util::display::array_value_to_string(array, row).ok(),
    }
}

/// Times of a zone with a name (`UTC`, `Europe/Berlin`) as the same instants at an offset of zero,
/// which Arrow can print without a table of zones; `None` for every other column.
pub fn in_utc(array: &dyn Array) -> Option<ArrayRef> {
    match array.data_type() {
        DataType::Timestamp(unit, Some(zone)) if has_name(zone) => relabelled(array, DataType::Timestamp(*unit, Some("+00:00".into()))),
        _ => None,
    }
}

/// Whether a zone is more than an offset such as `+02:00`.
pub fn has_name(zone: &str) -> bool {
    !zone.starts_with(['+', '-'])
}

/// The same values under another type of the same layout.
pub fn relabelled(array: &dyn Array, to: arrow::datatypes::DataType) -> Option<ArrayRef> {
    array.to_data().into_builder().data_type(to).build().ok().map(arrow::array::make_array)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{DictionaryArray, StringArray, StringViewArray};
    use arrow::datatypes::Int8Type;

    #[test]
    fn picked_rows_keep_their_identity() {
        let frame = RecordBatch::try_from_iter([("a", std::sync::Arc::new(arrow::array::Int32Array::from_iter_values(0..10)) as ArrayRef)]);
        let batch = Batch::new(frame.unwrap(), 3, 100);
        let picked = batch.pick(&[1, 4, 5, 9]).unwrap();
        let again = picked.pick(&[1, 3]).unwrap();
        assert_eq!((0..2).map(|i| (again.row_id(i).row, again.place(i))).collect::<Vec<_>>(), [(104, 4), (109, 9)]);
        assert_eq!(again.column("a").unwrap().as_ref(), &arrow::array::Int32Array::from(vec![4, 9]));
        let part = picked.slice(2, 2);
        assert_eq!((part.rows(), part.row_id(0).row, part.row_id(1).row), (2, 105, 109));
        assert_eq!(batch.slice(2, 2).row_id(1), RowId { source: 3, row: 103 });
    }

    #[test]
    fn a_feature_is_made_once_for_all_who_ask_by_name() {
        let batch =
            Batch::new(RecordBatch::try_from_iter([("a", Arc::new(StringArray::from(vec!["x", "yz"])) as ArrayRef)]).unwrap(), 0, 0);
        let made = std::cell::Cell::new(0);
        let rows = |b: &Batch| {
            b.feature("rows", |b| {
                made.set(made.get() + 1);
                Ok(b.rows())
            })
        };
        assert_eq!((*rows(&batch).unwrap(), *rows(&batch.clone()).unwrap(), made.get()), (2, 2, 1));
        assert_eq!((*rows(&batch.slice(1, 1)).unwrap(), made.get()), (1, 2));
        let failed = batch.feature::<u8>("other", |_| Err(crate::error::Error::internal("cannot be made")));
        assert!(failed.is_err());
    }

    #[test]
    fn texts_are_measured_wherever_they_stand() {
        use arrow::array::{LargeStringArray, ListArray, StructArray};
        let (plain, large, view) = (vec!["ab", "c", ""], vec!["abcd", "", "e"], vec!["a string that is longer than a view", "", "b"]);
        let inner = StructArray::from(vec![(
            Arc::new(arrow::datatypes::Field::new("t", DataType::Utf8, false)),
            Arc::new(StringArray::from(vec!["x", "yy", "zzz"])) as ArrayRef,
        )]);
        let field = Arc::new(arrow::datatypes::Field::new("item", inner.data_type().clone(), true));
        let list = ListArray::new(field, arrow::buffer::OffsetBuffer::from_lengths([1, 2, 0]), Arc::new(inner), None);
        let columns: [(&str, ArrayRef); 5] = [
            ("p", Arc::new(StringArray::from(plain))),
            ("l", Arc::new(LargeStringArray::from(large))),
            ("v", Arc::new(StringViewArray::from(view))),
            ("s", Arc::new(list)),
            ("n", Arc::new(arrow::array::Int32Array::from(vec![1, 2, 3]))),
        ];
        let batch = Batch::new(RecordBatch::try_from_iter(columns).unwrap(), 0, 0);
        assert_eq!(batch.text_bytes(), 3 + 5 + 36 + 6);
        assert_eq!(batch.slice(1, 1).text_bytes(), 1 + 5);
    }

    #[test]
    fn text_reads_every_string_encoding_alike() {
        let plain = StringArray::from(vec![Some("a"), None, Some("b")]);
        let view = StringViewArray::from(vec![Some("a"), None, Some("b")]);
        let dict: DictionaryArray<Int8Type> = vec![Some("a"), None, Some("b")].into_iter().collect();
        for array in [&plain as &dyn Array, &view, &dict] {
            let text = Text::of(array).expect("a string column");
            assert_eq!((text.get(0), text.get(1), text.get(2)), (Some("a"), None, Some("b")));
        }
    }

    #[test]
    fn times_of_a_named_zone_print_as_instants() {
        for zone in ["UTC", "Europe/Berlin", "+00:00"] {
            let array = arrow::array::TimestampSecondArray::from(vec![Some(0), None]).with_timezone(zone);
            assert_eq!(cell_text(&array, 0).as_deref(), Some("1970-01-01T00:00:00Z"), "{zone}");
            assert_eq!(cell_text(&array, 1), None);
        }
    }

    #[test]
    fn a_dictionary_without_values_holds_nulls() {
        let dict: DictionaryArray<Int8Type> = vec![None::<&str>, None].into_iter().collect();
        assert!(dict.values().is_empty());
        let text = Text::of(&dict).expect("a string column");
        assert_eq!((text.get(0), text.get(1)), (None, None));
        assert_eq!(cell_text(&dict, 0), None);
    }
}
