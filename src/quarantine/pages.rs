//! The list as Parquet, page by page.
//!
//! A run may list tens of millions of rows, nearly all of whose columns repeat: one file, few
//! messages, few groups. The rows' strings are interned already, so their numbers *are* Parquet's
//! dictionary indices, and writing them as runs costs next to nothing. The general writer of the
//! parquet crate would hash every value again and compute nesting levels for each column. So this
//! file encodes the pages of this one schema and leaves the file format around them, headers,
//! metadata and footer, to the crate. Measured with the `list_speed` test on one of two busy cores:
//! 141 ns a line with an id and one hit, 222 ns with a second hit on every third line.
//!
//! Plain Parquet 1: one data page per column chunk, RLE dictionary or plain or delta values, ZSTD
//! where plain bytes remain.

use super::file::AtomicFile;
use super::rows::{Rows, span};
use super::{Codes, RUN_ID_KEY};
use crate::error::{Error, Result};
use crate::rule::{Action, Hit, NONE};
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, KeyValue};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::SchemaDescriptor;
use std::collections::HashMap;
use std::sync::Arc;

/// Numbers with more distinct values than this in a chunk are written plain.
const MAX_DISTINCT_NUMBERS: usize = 1024;

/// The schema in Parquet's terms.
pub struct Layout {
    schema: Arc<SchemaDescriptor>,
}

/// One encoded row group: a buffer per leaf column.
pub struct RowGroup {
    columns: Vec<(Bytes, ColumnCloseResult)>,
}

pub struct PageFile {
    writer: SerializedFileWriter<AtomicFile>,
}

impl Layout {
    pub fn new() -> Result<Layout> {
        let schema = ArrowSchemaConverter::new().convert(&super::schema()).map_err(parquet_error)?;
        Ok(Layout { schema: Arc::new(schema) })
    }

    pub fn file(&self, file: AtomicFile, run_id: &str) -> Result<PageFile> {
        let properties = WriterProperties::builder()
            .set_created_by(format!("taster version {}", env!("CARGO_PKG_VERSION")))
            .set_statistics_enabled(EnabledStatistics::None)
            .set_offset_index_disabled(true)
            .set_key_value_metadata(Some(vec![KeyValue::new(RUN_ID_KEY.to_owned(), run_id.to_owned())]))
            .build();
        let writer = SerializedFileWriter::new(file, self.schema.root_schema_ptr(), Arc::new(properties)).map_err(parquet_error)?;
        Ok(PageFile { writer })
    }

    /// Encodes lines; the leaves come in the order of the schema.
    pub fn encode(&self, rows: &Rows, files: &[String], codes: &Codes) -> Result<RowGroup> {
        let mut out = Encoder { layout: self, lines: rows.len(), columns: Vec::with_capacity(15) };
        let flat = Levels::flat(rows.len());
        let code_names: Vec<&str> = codes.codes.clone();
        let actions = [Action::Review.as_str(), Action::Quarantine.as_str()];
        let strings: Vec<&str> = rows.strings.list.iter().map(|s| &**s).collect();

        let runs = rows.runs.iter().map(|&(file, n)| (file, n as usize));
        out.runs(&flat, runs, |f| files[f as usize].as_str())?;
        out.column(&flat, Values::delta(&rows.row))?;
        let valid = rows.ids.valid.iter().copied();
        out.column(&flat.optional(valid.clone()), Values::plain_texts((0..rows.len()).filter_map(|i| rows.ids.get(i))))?;
        out.column(&flat, Values::named(rows.action.iter().map(|&a| a as u32), &actions))?;
        out.column(&flat, Values::numbers(rows.score.iter().map(|s| s.to_bits())))?;

        let rules = Levels::nested(&rows.rule_ends, rows.rules.len());
        out.column(&rules, Values::named(rows.rules.iter().map(|&r| u32::from(r)), &code_names))?;

        let hits = Levels::nested(&rows.hit_ends, rows.hits.len());
        let each = || rows.hits.iter();
        out.column(&hits, Values::named(each().map(|h| u32::from(h.rule)), &code_names))?;
        out.column(&hits, Values::named(each().map(|h| h.action as u32), &actions))?;
        let name = |out: &mut Encoder<'_>, f: fn(&Hit) -> u32| {
            let levels = hits.optional(each().map(|h| f(h) != NONE));
            out.column(&levels, Values::named(each().map(f).filter(|&i| i != NONE), &strings))
        };
        let offset = |out: &mut Encoder<'_>, f: fn((u32, u32)) -> u32| {
            let levels = hits.optional(each().map(|h| span(h).is_some()));
            out.column(&levels, Values::plain_u32(each().filter_map(span).map(f)))
        };
        let number = |out: &mut Encoder<'_>, f: fn(&Hit) -> f64| {
            let levels = hits.optional(each().map(|h| !f(h).is_nan()));
            out.column(&levels, Values::numbers(each().map(f).filter(|x| !x.is_nan()).map(f64::to_bits)))
        };
        name(&mut out, |h| h.column)?;
        offset(&mut out, |s| s.0)?;
        offset(&mut out, |s| s.1)?;
        out.column(&hits, Values::named(each().map(|h| h.message), &strings))?;
        number(&mut out, |h| h.statistic)?;
        number(&mut out, |h| h.q_value)?;
        name(&mut out, |h| h.group)?;
        Ok(RowGroup { columns: out.columns })
    }
}

impl PageFile {
    pub fn append(&mut self, group: RowGroup) -> Result<()> {
        let mut writer = self.writer.next_row_group().map_err(parquet_error)?;
        for (bytes, close) in group.columns {
            writer.append_column(&bytes, close).map_err(parquet_error)?;
        }
        writer.close().map_err(parquet_error)?;
        Ok(())
    }

    pub fn finish(mut self) -> Result<AtomicFile> {
        // `into_inner` alone would hide why a last write failed.
        self.writer.flush().map_err(super::list_error)?;
        self.writer.into_inner().map_err(parquet_error)
    }
}

fn parquet_error(e: ParquetError) -> Error {
    match e {
        ParquetError::External(e) => match e.downcast::<std::io::Error>() {
            Ok(e) => super::list_error(*e),
            Err(e) => Error::internal(e),
        },
        e => Error::internal(e),
    }
}

/// Repetition and definition levels of a column, encoded.
struct Levels {
    /// Entries, nulls included.
    entries: usize,
    bytes: Vec<u8>,
    /// Definition level of a present entry of a required leaf.
    depth: u32,
}

impl Levels {
    fn flat(lines: usize) -> Levels {
        Levels { entries: lines, bytes: Vec::new(), depth: 0 }
    }

    /// A list that is never empty: every line has a rule and a hit.
    fn nested(ends: &[u32], entries: usize) -> Levels {
        let mut bytes = Vec::new();
        if ends.len() == entries {
            with_length(&mut bytes, |out| run(0, entries, 1, out));
        } else {
            let mut levels = vec![1; entries];
            let starts = std::iter::once(0).chain(ends.iter().map(|&e| e as usize));
            starts.take(ends.len()).for_each(|s| levels[s] = 0);
            with_length(&mut bytes, |out| hybrid(&levels, 1, out));
        }
        Levels { entries, bytes, depth: 1 }
    }

    /// The same places, some of them null.
    fn optional(&self, valid: impl Iterator<Item = bool>) -> Optional<'_> {
        let mut present = 0;
        let levels: Vec<u32> = valid
            .map(|v| {
                present += usize::from(v);
                self.depth + u32::from(v)
            })
            .collect();
        let mut bytes = Vec::new();
        with_length(&mut bytes, |out| hybrid(&levels, 1 + self.depth, out));
        Optional { levels: self, bytes }
    }
}

struct Optional<'a> {
    levels: &'a Levels,
    bytes: Vec<u8>,
}

/// Where the levels of a page come from.
trait Places {
    fn entries(&self) -> usize;
    fn write(&self, out: &mut Vec<u8>);
}

impl Places for Levels {
    fn entries(&self) -> usize {
        self.entries
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
        if self.depth > 0 {
            with_length(out, |out| run(self.depth, self.entries, 1, out));
        }
    }
}

impl Places for Optional<'_> {
    fn entries(&self) -> usize {
        self.levels.entries
    }
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.levels.bytes);
        out.extend_from_slice(&self.bytes);
    }
}

/// The values of a page, encoded, with their dictionary.
struct Values {
    dictionary: Option<(Vec<u8>, u32)>,
    bytes: Vec<u8>,
    encoding: Encoding,
    compress: bool,
}

impl Values {
    /// Indices into `names`: a dictionary of those that occur, in order of first occurrence.
    fn named(indices: impl Iterator<Item = u32>, names: &[&str]) -> Values {
        let mut dense = vec![NONE; names.len()];
        let mut used = Vec::new();
        let indices: Vec<u32> = indices
            .map(|i| {
                let known = &mut dense[i as usize];
                if *known == NONE {
                    *known = used.len() as u32;
                    used.push(i);
                }
                *known
            })
            .collect();
        if used.is_empty() {
            return Values::none();
        }
        // A dictionary of words used once only adds indices to them.
        if used.len() > 1024 && used.len() * 2 > indices.len() {
            return Values::plain_texts(indices.iter().map(|&i| names[used[i as usize] as usize]));
        }
        let mut dictionary = Vec::new();
        used.iter().for_each(|&i| text(names[i as usize], &mut dictionary));
        let compress = dictionary.len() > 4096;
        Values { dictionary: Some((dictionary, used.len() as u32)), compress, ..Values::indices(&indices, used.len()) }
    }

    /// Of a column that is null throughout.
    fn none() -> Values {
        Values { dictionary: None, bytes: Vec::new(), encoding: Encoding::PLAIN, compress: false }
    }

    fn indices(indices: &[u32], distinct: usize) -> Values {
        let width = width_of(distinct.saturating_sub(1) as u32).max(1);
        let mut bytes = vec![width as u8];
        hybrid(indices, width, &mut bytes);
        Values { dictionary: None, bytes, encoding: Encoding::RLE_DICTIONARY, compress: false }
    }

    /// Doubles, given by their bits: statistics repeat from row to row of a group.
    fn numbers(bits: impl Iterator<Item = u64>) -> Values {
        let bits: Vec<u64> = bits.collect();
        let mut index: HashMap<u64, u32> = HashMap::new();
        let mut distinct: Vec<u64> = Vec::new();
        let mut indices = Vec::with_capacity(bits.len());
        let mut last = None;
        for &b in &bits {
            let i = match last {
                Some((value, i)) if value == b => i,
                _ => *index.entry(b).or_insert_with(|| {
                    distinct.push(b);
                    distinct.len() as u32 - 1
                }),
            };
            last = Some((b, i));
            indices.push(i);
            if distinct.len() > MAX_DISTINCT_NUMBERS {
                let bytes = bits.iter().flat_map(|b| b.to_le_bytes()).collect();
                return Values { dictionary: None, bytes, encoding: Encoding::PLAIN, compress: true };
            }
        }
        if distinct.is_empty() {
            return Values::none();
        }
        let dictionary = distinct.iter().flat_map(|b| b.to_le_bytes()).collect();
        Values { dictionary: Some((dictionary, distinct.len() as u32)), ..Values::indices(&indices, distinct.len()) }
    }

    fn plain_u32(values: impl Iterator<Item = u32>) -> Values {
        let bytes: Vec<u8> = values.flat_map(u32::to_le_bytes).collect();
        Values { dictionary: None, bytes, encoding: Encoding::PLAIN, compress: true }
    }

    fn plain_texts<'a>(texts: impl Iterator<Item = &'a str>) -> Values {
        let mut bytes = Vec::new();
        texts.for_each(|t| text(t, &mut bytes));
        Values { dictionary: None, bytes, encoding: Encoding::PLAIN, compress: true }
    }

    /// Row numbers grow by small steps.
    fn delta(values: &[u64]) -> Values {
        let mut bytes = Vec::with_capacity(values.len() + 16);
        delta(values, &mut bytes);
        Values { dictionary: None, bytes, encoding: Encoding::DELTA_BINARY_PACKED, compress: false }
    }
}

struct Encoder<'a> {
    layout: &'a Layout,
    lines: usize,
    columns: Vec<(Bytes, ColumnCloseResult)>,
}

impl Encoder<'_> {
    /// A required column of few long runs.
    fn runs<'n>(&mut self, levels: &Levels, runs: impl Iterator<Item = (u32, usize)>, name: impl Fn(u32) -> &'n str) -> Result<()> {
        let runs: Vec<(u32, usize)> = runs.collect();
        let mut files: Vec<u32> = runs.iter().map(|r| r.0).collect();
        files.sort_unstable();
        files.dedup();
        let names: Vec<&str> = files.iter().map(|&f| name(f)).collect();
        let index = |f: u32| files.binary_search(&f).expect("it was put there") as u32;
        let indices = runs.iter().flat_map(|&(f, n)| std::iter::repeat_n(index(f), n));
        self.column(levels, Values::named(indices, &names))
    }

    fn column(&mut self, places: &impl Places, values: Values) -> Result<()> {
        self.write(places, values).map_err(parquet_error)
    }

    fn write(&mut self, places: &impl Places, values: Values) -> Result<(), ParquetError> {
        let mut page = Vec::with_capacity(values.bytes.len() + 64);
        places.write(&mut page);
        page.extend_from_slice(&values.bytes);
        let compression = if values.compress { Compression::ZSTD(ZstdLevel::try_new(1)?) } else { Compression::UNCOMPRESSED };
        let squeeze =
            |page: Vec<u8>| -> std::io::Result<Vec<u8>> { if values.compress { zstd::bulk::compress(&page, 1) } else { Ok(page) } };

        let mut out = TrackedWrite::new(Vec::new());
        let (mut uncompressed, mut dictionary_offset, mut data_offset) = (0, None, 0);
        let mut pages = SerializedPageWriter::new(&mut out);
        let mut put = |page: Page, size: usize| -> Result<u64, ParquetError> {
            let spec = pages.write_page(CompressedPage::new(page, size))?;
            uncompressed += spec.uncompressed_size as i64;
            Ok(spec.offset)
        };
        let mut encodings = vec![values.encoding, Encoding::RLE];
        if let Some((bytes, n)) = values.dictionary {
            let size = bytes.len();
            let page = Page::DictionaryPage { buf: squeeze(bytes)?.into(), num_values: n, encoding: Encoding::PLAIN, is_sorted: false };
            dictionary_offset = Some(put(page, size)? as i64);
            encodings.push(Encoding::PLAIN);
        }
        let size = page.len();
        let page = Page::DataPage {
            buf: squeeze(page)?.into(),
            num_values: places.entries() as u32,
            encoding: values.encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        data_offset += put(page, size)? as i64;
        let bytes = Bytes::from(out.into_inner()?);
        let metadata = ColumnChunkMetaData::builder(self.layout.schema.column(self.columns.len()))
            .set_compression(compression)
            .set_encodings(encodings)
            .set_num_values(places.entries() as i64)
            .set_total_compressed_size(bytes.len() as i64)
            .set_total_uncompressed_size(uncompressed)
            .set_dictionary_page_offset(dictionary_offset)
            .set_data_page_offset(data_offset)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: bytes.len() as u64,
            rows_written: self.lines as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        self.columns.push((bytes, close));
        Ok(())
    }
}

/// Levels in a data page are preceded by their length.
fn with_length(out: &mut Vec<u8>, f: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    f(out);
    let n = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&n.to_le_bytes());
}

fn text(s: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(s.len() as u32).to_le_bytes());
    out.extend_from_slice(s.as_bytes());
}

fn width_of(max: u32) -> u32 {
    u32::BITS - max.leading_zeros()
}

fn varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

fn zigzag(n: i64, out: &mut Vec<u8>) {
    varint(((n << 1) ^ (n >> 63)) as u64, out);
}

/// One run of the RLE / bit-packing hybrid.
fn run(value: u32, n: usize, width: u32, out: &mut Vec<u8>) {
    varint((n as u64) << 1, out);
    out.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
}

/// The RLE / bit-packing hybrid: repeated values as runs, the others packed in groups of eight.
fn hybrid(values: &[u32], width: u32, out: &mut Vec<u8>) {
    // Shorter runs cost more in headers than they save.
    const WORTH_A_RUN: usize = 24;
    let (mut packed_from, mut i) = (0, 0);
    while i < values.len() {
        let n = values[i..].iter().take_while(|&&v| v == values[i]).count();
        // A packed stretch that is followed by something must fill its last group of eight.
        let fill = (8 - (i - packed_from) % 8) % 8;
        if n >= WORTH_A_RUN + fill {
            pack_groups(&values[packed_from..i + fill], width, out);
            run(values[i], n - fill, width, out);
            packed_from = i + n;
        }
        i += n;
    }
    pack_groups(&values[packed_from..], width, out);
}

fn pack_groups(values: &[u32], width: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(8);
    varint((groups as u64) << 1 | 1, out);
    let end = out.len() + groups * width as usize;
    pack(values.iter().map(|&v| u64::from(v)), width, out);
    out.resize(end, 0);
}

/// Least significant bit first, the last byte filled with zeros.
fn pack(values: impl Iterator<Item = u64>, width: u32, out: &mut Vec<u8>) {
    let (mut buffer, mut bits) = (0u128, 0);
    for v in values {
        buffer |= u128::from(v) << bits;
        bits += width;
        while bits >= 8 {
            out.push(buffer as u8);
            buffer >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        out.push(buffer as u8);
    }
}

/// `DELTA_BINARY_PACKED`: blocks of 128 differences, less their minimum, in four packed groups.
fn delta(values: &[u64], out: &mut Vec<u8>) {
    const BLOCK: usize = 128;
    const GROUPS: usize = 4;
    varint(BLOCK as u64, out);
    varint(GROUPS as u64, out);
    varint(values.len() as u64, out);
    zigzag(values.first().map_or(0, |&v| v as i64), out);
    // The file of a line may change, and its rows then start anew: differences wrap.
    let deltas: Vec<i64> = values.windows(2).map(|w| w[1].wrapping_sub(w[0]) as i64).collect();
    for block in deltas.chunks(BLOCK) {
        let least = block.iter().copied().min().unwrap_or(0);
        zigzag(least, out);
        let rest = |d: &i64| d.wrapping_sub(least) as u64;
        let groups = || block.chunks(BLOCK / GROUPS);
        let widths = groups().map(|g| u64::BITS - g.iter().map(rest).max().unwrap_or(0).leading_zeros());
        let mut all = [0u8; GROUPS];
        all.iter_mut().zip(widths).for_each(|(a, w)| *a = w as u8);
        out.extend_from_slice(&all);
        for (group, &width) in groups().zip(&all) {
            let end = out.len() + BLOCK / GROUPS * usize::from(width) / 8;
            pack(group.iter().map(rest), width.into(), out);
            out.resize(end, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hybrid read back as the format describes it.
    fn read(mut bytes: &[u8], width: u32, n: usize) -> Vec<u32> {
        let mut out = Vec::new();
        while out.len() < n {
            let mut header = 0;
            for shift in (0..).step_by(7) {
                header |= u64::from(bytes[0] & 0x7f) << shift;
                let last = bytes[0] < 0x80;
                bytes = &bytes[1..];
                if last {
                    break;
                }
            }
            let count = (header >> 1) as usize;
            if header & 1 == 1 {
                let len = count * width as usize;
                let bit = |i: usize| u32::from(bytes[i / 8] >> (i % 8) & 1);
                let value = |i: usize| (0..width as usize).map(|b| bit(i * width as usize + b) << b).sum::<u32>();
                out.extend((0..count * 8).map(value));
                bytes = &bytes[len..];
            } else {
                let len = width.div_ceil(8) as usize;
                let value = bytes[..len].iter().rev().fold(0, |v, &b| v << 8 | u32::from(b));
                out.extend(std::iter::repeat_n(value, count));
                bytes = &bytes[len..];
            }
        }
        out.truncate(n);
        out
    }

    #[test]
    fn runs_and_packed_groups_read_back() {
        for seed in 0..200u64 {
            let width = 1 + (seed % 20) as u32;
            let mut state = seed;
            let mut values = Vec::new();
            for _ in 0..seed % 13 {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let (value, n) = ((state >> 33) as u32 & ((1 << width) - 1), (state >> 20) as usize % 60);
                values.extend(std::iter::repeat_n(value, if state % 3 == 0 { n } else { 1 }));
            }
            let mut bytes = Vec::new();
            hybrid(&values, width, &mut bytes);
            assert_eq!(read(&bytes, width, values.len()), values, "seed {seed}");
        }
    }

    #[test]
    fn a_constant_column_is_one_run() {
        let mut bytes = Vec::new();
        hybrid(&[5; 100_000], 3, &mut bytes);
        assert_eq!(bytes.len(), 4);
    }
}
