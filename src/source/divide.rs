//! A file in two halves: the rows that stay and the rows that were taken out, each in the file's own
//! format, schema and layout. Text goes over record by record as it stands; Parquet is [`super::divide_parquet`].
//! What was written is measured again from the disk: rows, and a content hash that no order changes.

use super::format::Packed;
use super::{Source, Table};
use crate::error::{Error, Result};
use crate::quarantine::io_error;
use crate::sketch::minhash::mix;
use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;
use rayon::prelude::*;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use xxhash_rust::xxh3::xxh3_128;

/// The rows of one file that are taken out.
pub struct Removed {
    rows: BooleanBuffer,
    pub count: u64,
}

impl Removed {
    /// Of `rows` in all. `None` when one lies beyond the end.
    pub fn of(rows: u64, removed: &[u64]) -> Option<Removed> {
        let mut bits = vec![0_u8; usize::try_from(rows.div_ceil(8)).ok()?];
        for row in removed {
            *bits.get_mut(usize::try_from(row / 8).ok()?).filter(|_| *row < rows)? |= 1 << (row % 8);
        }
        let rows = BooleanBuffer::new(bits.into(), 0, usize::try_from(rows).ok()?);
        let count = rows.count_set_bits() as u64;
        Some(Removed { rows, count })
    }
    pub fn contains(&self, row: u64) -> bool {
        self.rows.value(row as usize)
    }
    /// How many of `n` rows from `first` on.
    pub fn among(&self, first: u64, n: u64) -> u64 {
        self.rows.slice(first as usize, n as usize).count_set_bits() as u64
    }
    /// Rows of a range that stay.
    fn kept(&self, first: u64, n: usize) -> BooleanBuffer {
        !&self.rows.slice(first as usize, n)
    }
}

/// Where the two halves of a file go. Their folders are made here, the files must not exist.
pub struct Halves<'a> {
    pub removed: &'a Removed,
    pub clean: &'a Path,
    /// `None` when no row of the file is taken out.
    pub quarantined: Option<&'a Path>,
    pub stop: Option<&'a AtomicBool>,
}

impl Halves<'_> {
    pub(super) fn check_stop(&self) -> Result<()> {
        if self.stop.is_some_and(|s| s.load(Ordering::Relaxed)) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// Rows and the sum, modulo 2^128, of a hash of each: equal for the same rows in any order and any
/// division, and different for others but for a chance of 2^-128.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Content {
    pub rows: u64,
    pub hash: u128,
}

impl Content {
    pub fn and(self, other: Content) -> Content {
        Content { rows: self.rows + other.rows, hash: self.hash.wrapping_add(other.hash) }
    }
    pub(super) fn add(&mut self, row: u128) {
        self.rows += 1;
        self.hash = self.hash.wrapping_add(row);
    }
}

impl Source {
    /// Writes the two halves of a file.
    ///
    /// # Errors
    /// A data error where the file is damaged, a resource error where the halves cannot be written.
    pub fn divide(&self, file: usize, halves: &Halves<'_>) -> Result<()> {
        self.table(file)?.divide(halves)
    }
    /// The content of a file of the dataset, or of another (`at`) in the same format.
    ///
    /// # Errors
    /// A data error where it is damaged or missing.
    pub fn content(&self, file: usize, at: Option<&Path>) -> Result<Content> {
        let path = self.files.get(file).map(|f| f.path.as_path());
        let path = at.or(path).ok_or_else(|| Error::internal("content of an unknown file"))?;
        self.table(file)?.content(path)
    }
    fn table(&self, file: usize) -> Result<&dyn Table> {
        self.tables.get(file).map(AsRef::as_ref).ok_or_else(|| Error::internal("an unknown file"))
    }
}

/// A new file, with its folders.
pub(super) fn create(path: &Path) -> Result<File> {
    let failed = |e: std::io::Error| io_error(&format!("cannot write {}", path.display()), &e);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    File::options().write(true).create_new(true).open(path).map_err(failed)
}

pub(super) fn written(path: &Path, e: &std::io::Error) -> Error {
    io_error(&format!("writing {}", path.display()), e)
}

/// Brings a finished file to disk.
pub(super) fn seal(file: BufWriter<File>, path: &Path) -> Result<()> {
    let file = file.into_inner().map_err(|e| written(path, e.error()))?;
    file.sync_all().map_err(|e| written(path, &e))
}

/// A text file that is written the way it was read.
pub(super) struct TextOut<'a> {
    path: &'a Path,
    out: Packing,
    encoding: Option<&'static encoding_rs::Encoding>,
}

enum Packing {
    Plain(BufWriter<File>),
    Gzip(flate2::write::GzEncoder<BufWriter<File>>),
    Zstd(zstd::stream::write::Encoder<'static, BufWriter<File>>),
}

impl<'a> TextOut<'a> {
    pub fn create(path: &'a Path, packed: Packed, encoding: Option<&'static encoding_rs::Encoding>) -> Result<TextOut<'a>> {
        let file = BufWriter::with_capacity(1 << 18, create(path)?);
        let out = match packed {
            Packed::No => Packing::Plain(file),
            Packed::Gzip => Packing::Gzip(flate2::write::GzEncoder::new(file, flate2::Compression::default())),
            Packed::Zstd => {
                let level = 3;
                let mut encoder = zstd::stream::write::Encoder::new(file, level).map_err(|e| written(path, &e))?;
                encoder.include_checksum(true).map_err(|e| written(path, &e))?;
                Packing::Zstd(encoder)
            }
        };
        Ok(TextOut { path, out, encoding })
    }
    /// Bytes as they stand in the file, such as a byte order mark.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        let out: &mut dyn Write = match &mut self.out {
            Packing::Plain(w) => w,
            Packing::Gzip(w) => w,
            Packing::Zstd(w) => w,
        };
        out.write_all(bytes).map_err(|e| written(self.path, &e))
    }
    /// UTF-8, brought back to the file's encoding.
    pub fn text(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(encoding) = self.encoding else { return self.raw(bytes) };
        let text = std::str::from_utf8(bytes).map_err(Error::internal)?;
        let wide = |big: bool| text.encode_utf16().flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect::<Vec<u8>>();
        if encoding == encoding_rs::UTF_16LE || encoding == encoding_rs::UTF_16BE {
            return self.raw(&wide(encoding == encoding_rs::UTF_16BE));
        }
        let (bytes, _, lossy) = encoding.encode(text);
        if lossy {
            return Err(Error::internal(format!("text that came from {} does not go back to it", encoding.name())));
        }
        self.raw(&bytes)
    }
    pub fn finish(self) -> Result<()> {
        let path = self.path;
        let failed = |e: std::io::Error| written(path, &e);
        let file = match self.out {
            Packing::Plain(w) => w,
            Packing::Gzip(w) => w.finish().map_err(failed)?,
            Packing::Zstd(w) => w.finish().map_err(failed)?,
        };
        seal(file, path)
    }
}

/// Both halves of a batch, in order. A half without a row is `None`.
pub(super) fn halve(batch: &RecordBatch, removed: &Removed, first: u64) -> Result<(Option<RecordBatch>, Option<RecordBatch>)> {
    let n = batch.num_rows();
    let out = removed.among(first, n as u64) as usize;
    if out == 0 {
        return Ok((Some(batch.clone()), None));
    }
    if out == n {
        return Ok((None, Some(batch.clone())));
    }
    let kept = removed.kept(first, n);
    let filter = |rows: BooleanBuffer| {
        let rows = arrow::array::BooleanArray::new(rows, None);
        arrow::compute::filter_record_batch(batch, &rows).map_err(Error::internal)
    };
    Ok((Some(filter(kept.clone())?), Some(filter(!&kept)?)))
}

/// The content of an opened table, by the values that it decodes to. Shards are read in parallel.
pub(super) fn decoded(table: &dyn Table) -> Result<Content> {
    let columns: Vec<usize> = (0..table.fields().len()).collect();
    let one = |(first, rows): &(u64, u64)| {
        let mut content = Content::default();
        table.read(*first, *rows, &columns, &mut |batch| {
            // Readers yield columns in an order of their own.
            let named = |c: &usize| batch.column_by_name(table.fields()[*c].name()).ok_or_else(|| Error::internal("a column was not read"));
            let mut all = vec![0_u128; batch.num_rows()];
            for column in &columns {
                fold(&mut all, hashes(named(column)?)?);
            }
            all.into_iter().for_each(|h| content.add(last(h)));
            Ok(())
        })?;
        Ok(content)
    };
    table.shards().par_iter().map(one).try_reduce(Content::default, |a, b| Ok(a.and(b)))
}

const ODD: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;
const NULL: u128 = 0x6E75_6C6C_6E75_6C6C_6E75_6C6C_6E75_6C6D;

fn joined(a: u128, b: u128) -> u128 {
    (a.rotate_left(41) ^ b).wrapping_mul(ODD)
}

/// Sums of rows must not show the structure of their cells.
fn last(h: u128) -> u128 {
    let (high, low) = (mix((h >> 64) as u64), mix(h as u64));
    u128::from(mix(high ^ low.rotate_left(32))) << 64 | u128::from(mix(low.wrapping_add(high)))
}

fn fold(into: &mut [u128], column: Vec<u128>) {
    into.iter_mut().zip(column).for_each(|(a, b)| *a = joined(*a, b));
}

fn wide(v: u64) -> u128 {
    let low = mix(v);
    u128::from(mix(low ^ 0xD6E8_FEB8_6659_FD93)) << 64 | u128::from(low)
}

/// One hash per value, of its bits; a null has one of its own.
fn hashes(array: &ArrayRef) -> Result<Vec<u128>> {
    let n = array.len();
    macro_rules! bytes {
        ($a:expr) => {{
            let a = $a;
            (0..n).map(|i| xxh3_128(a.value(i).as_ref())).collect::<Vec<u128>>()
        }};
    }
    let sequences = |ends: &dyn Fn(usize) -> (usize, usize), inner: &ArrayRef| -> Result<Vec<u128>> {
        let inner = hashes(inner)?;
        Ok((0..n)
            .map(|i| {
                let (from, to) = ends(i);
                inner[from..to].iter().fold(wide((to - from) as u64), |h, v| joined(h, *v))
            })
            .collect())
    };
    let mut out: Vec<u128> = match array.data_type() {
        DataType::Null => vec![NULL; n],
        DataType::Boolean => {
            let a = array.as_boolean();
            (0..n).map(|i| wide(a.value(i).into())).collect()
        }
        DataType::Utf8 => bytes!(array.as_string::<i32>()),
        DataType::LargeUtf8 => bytes!(array.as_string::<i64>()),
        DataType::Utf8View => {
            let a = array.as_string_view();
            (0..n).map(|i| xxh3_128(a.value(i).as_bytes())).collect()
        }
        DataType::Binary => bytes!(array.as_binary::<i32>()),
        DataType::LargeBinary => bytes!(array.as_binary::<i64>()),
        DataType::BinaryView => bytes!(array.as_binary_view()),
        DataType::FixedSizeBinary(_) => bytes!(array.as_fixed_size_binary()),
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let values = hashes(dictionary.values())?;
            let keys = crate::batch::keys_of(dictionary);
            return Ok(keys.into_iter().map(|k| k.and_then(|k| values.get(k).copied()).unwrap_or(NULL)).collect());
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let o = list.value_offsets();
            sequences(&|i| (o[i] as usize, o[i + 1] as usize), list.values())?
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let o = list.value_offsets();
            sequences(&|i| (o[i] as usize, o[i + 1] as usize), list.values())?
        }
        DataType::Map(_, _) => {
            let map = array.as_map();
            let o = map.value_offsets();
            let entries: ArrayRef = std::sync::Arc::new(map.entries().clone());
            sequences(&|i| (o[i] as usize, o[i + 1] as usize), &entries)?
        }
        DataType::FixedSizeList(_, size) => {
            let (list, size) = (array.as_fixed_size_list(), *size as usize);
            sequences(&|i| (i * size, (i + 1) * size), list.values())?
        }
        DataType::Struct(_) => {
            let mut all = vec![0; n];
            for column in array.as_struct().columns() {
                fold(&mut all, hashes(column)?);
            }
            all
        }
        t => match t.primitive_width() {
            Some(width @ (1 | 2 | 4 | 8)) => {
                let data = array.to_data();
                let bytes = &data.buffers()[0].as_slice()[data.offset() * width..][..n * width];
                match width {
                    8 => bytes.as_chunks::<8>().0.iter().map(|b| wide(u64::from_le_bytes(*b))).collect(),
                    4 => bytes.as_chunks::<4>().0.iter().map(|b| wide(u32::from_le_bytes(*b).into())).collect(),
                    2 => bytes.as_chunks::<2>().0.iter().map(|b| wide(u16::from_le_bytes(*b).into())).collect(),
                    _ => bytes.iter().map(|b| wide((*b).into())).collect(),
                }
            }
            Some(width) => {
                let data = array.to_data();
                data.buffers()[0].as_slice()[data.offset() * width..][..n * width].chunks_exact(width).map(xxh3_128).collect()
            }
            // Unions, runs and list views: rare, and equal where they print equally.
            None => (0..n)
                .map(|i| arrow::util::display::array_value_to_string(array.as_ref(), i).map(|s| xxh3_128(s.as_bytes())))
                .collect::<std::result::Result<_, _>>()
                .map_err(Error::internal)?,
        },
    };
    if let Some(nulls) = array.nulls().filter(|n| n.null_count() > 0) {
        out.iter_mut().enumerate().filter(|(i, _)| nulls.is_null(*i)).for_each(|(_, h)| *h = NULL);
    }
    Ok(out)
}

/// The content of a text record: its characters without the line break.
pub(super) fn record(bytes: &[u8]) -> u128 {
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    last(xxh3_128(line.strip_suffix(b"\r").unwrap_or(line)))
}

/// The content of an image: the bytes of its file.
pub(super) fn whole(bytes: &[u8]) -> Content {
    Content { rows: 1, hash: last(xxh3_128(bytes)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::*;
    use arrow::datatypes::Int8Type;
    use proptest::prelude::*;
    use std::sync::Arc;

    #[test]
    fn rows_beyond_the_end_are_refused() {
        assert!(Removed::of(9, &[8]).is_some_and(|r| r.contains(8) && !r.contains(7) && r.count == 1));
        assert!(Removed::of(9, &[9]).is_none() && Removed::of(0, &[0]).is_none() && Removed::of(0, &[]).is_some());
        let removed = Removed::of(20, &[3, 4, 19, 3]).unwrap();
        assert_eq!((removed.count, removed.among(0, 4), removed.among(4, 16), removed.among(5, 3)), (3, 1, 2, 0));
    }

    #[test]
    fn hashes_tell_values_nulls_and_structure_apart() {
        let one = |a: ArrayRef| hashes(&a).unwrap();
        let text = one(Arc::new(StringArray::from(vec![Some("a"), Some(""), None])));
        assert_eq!(text, one(Arc::new(StringViewArray::from(vec![Some("a"), Some(""), None]))));
        let dict: DictionaryArray<Int8Type> = vec![Some("a"), Some(""), None].into_iter().collect();
        assert_eq!(text, one(Arc::new(dict)));
        assert!(text[0] != text[1] && text[1] != text[2]);
        // A slice has the hashes of its values.
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(-1), Some(0)]));
        assert_eq!(hashes(&numbers.slice(1, 3)).unwrap(), one(numbers)[1..]);
        let list = |rows: Vec<Vec<i32>>| {
            one(Arc::new(ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>(
                rows.into_iter().map(|r| Some(r.into_iter().map(Some))),
            )))
        };
        let lists = list(vec![vec![1, 2], vec![2, 1], vec![], vec![1], vec![1, 2]]);
        assert!(lists[0] == lists[4] && lists[..4].iter().collect::<std::collections::BTreeSet<_>>().len() == 4);
    }

    proptest! {
        #[test]
        fn contents_add_up_in_any_order_and_division(rows in prop::collection::vec((0_i64..5, "[ab]{0,2}"), 0..60), taken in prop::collection::vec(any::<bool>(), 60)) {
            let content = |rows: &[&(i64, String)]| {
                let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0)));
                let texts: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.1)));
                let mut all = vec![0; rows.len()];
                fold(&mut all, hashes(&numbers).unwrap());
                fold(&mut all, hashes(&texts).unwrap());
                let mut c = Content::default();
                all.into_iter().for_each(|h| c.add(last(h)));
                c
            };
            let all: Vec<_> = rows.iter().collect();
            let (a, b): (Vec<_>, Vec<_>) = rows.iter().enumerate().partition(|(i, _)| taken[*i]);
            let part = |p: Vec<(usize, _)>| p.into_iter().map(|(_, r)| r).rev().collect::<Vec<_>>();
            prop_assert_eq!(content(&part(a.clone())).and(content(&part(b.clone()))), content(&all));
            // A row of one half in the place of another row of it shows.
            let mut changed: Vec<_> = part(b);
            if let (Some(first), Some(other)) = (changed.first().copied(), rows.iter().find(|r| Some(*r) != changed.first().copied())) {
                changed[0] = other;
                prop_assert!(first == other || content(&part(a)).and(content(&changed)) != content(&all));
            }
        }

        #[test]
        fn halves_of_a_batch_hold_every_row_once(n in 1_usize..50, out in prop::collection::btree_set(0_u64..50, 0..50), first in 0_u64..9) {
            let rows: Vec<u64> = out.into_iter().filter(|r| *r < n as u64 + first).collect();
            let removed = Removed::of(n as u64 + first, &rows).unwrap();
            let batch = RecordBatch::try_from_iter([("a", Arc::new(UInt64Array::from_iter_values((0..n as u64).map(|i| i + first))) as ArrayRef)]).unwrap();
            let (kept, taken) = halve(&batch, &removed, first).unwrap();
            let values = |b: Option<RecordBatch>| b.map_or(Vec::new(), |b| b.column(0).as_primitive::<arrow::datatypes::UInt64Type>().values().to_vec());
            let all = first..n as u64 + first;
            prop_assert_eq!(values(kept), all.clone().filter(|r| !removed.contains(*r)).collect::<Vec<_>>());
            prop_assert_eq!(values(taken), all.filter(|r| removed.contains(*r)).collect::<Vec<_>>());
        }
    }
}
