//! Parquet in two halves, on the level of the format's own columns: levels and physical values go from
//! reader to writer, so that the schema of both halves is the input's to the last annotation. Column
//! chunks of row groups from which nothing is taken are copied as they stand.
//!
//! ```text
//!  row group ─ no row taken ──► chunk bytes ─────────────────────► clean
//!            └ some ─► column ─► records (levels, values) ─┬─────► clean
//!                                                          └─────► quarantined
//! ```

use super::divide::{Halves, Removed, create, seal, written};
use super::guard::guarded;
use super::parquet::{At, ParquetTable, damaged};
use crate::error::{Error, Result};
use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::column::writer::{ColumnCloseResult, ColumnWriter, get_column_writer, get_typed_column_writer_mut};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::file::properties::{EnabledStatistics, ReaderProperties, WriterProperties, WriterPropertiesPtr, WriterVersion};
use parquet::file::reader::RowGroupReader;
use parquet::file::serialized_reader::SerializedRowGroupReader;
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use rayon::prelude::*;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

/// Records that are held at once, at most, and their bytes, about.
const RECORDS: u64 = 16 * 1024;
const BYTES: u64 = 8 << 20;

type Writer = SerializedFileWriter<BufWriter<File>>;

/// An error of the writer, which may be the disk's.
fn unwritten(path: &Path, e: ParquetError) -> Error {
    match e {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => written(path, &io),
            Err(other) => Error::internal(other),
        },
        e => Error::internal(e),
    }
}

/// Layout and codecs of the input: what a row group says about its columns holds for the file.
fn properties(metadata: &ParquetMetaData) -> Result<WriterProperties> {
    let file = metadata.file_metadata();
    let version = if file.version() >= 2 { WriterVersion::PARQUET_2_0 } else { WriterVersion::PARQUET_1_0 };
    let rows = metadata.row_groups().iter().map(|g| g.num_rows()).max().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    let mut p = WriterProperties::builder()
        .set_writer_version(version)
        .set_max_row_group_row_count(rows)
        .set_key_value_metadata(file.key_value_metadata().cloned())
        .set_created_by(concat!("taster version ", env!("CARGO_PKG_VERSION")).to_owned());
    let Some(group) = metadata.row_groups().first() else { return Ok(p.build()) };
    if group.columns().iter().all(|c| c.offset_index_offset().is_none()) {
        p = p.set_offset_index_disabled(true);
    }
    p = p.set_sorting_columns(group.sorting_columns().cloned());
    for column in group.columns() {
        let path = column.column_path().clone();
        let encodings: Vec<Encoding> = column.encodings().collect();
        #[allow(deprecated, reason = "older files say so")]
        let dictionary = encodings.iter().any(|e| matches!(e, Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY));
        let statistics = match (column.statistics().is_some(), column.column_index_offset().is_some()) {
            (true, true) => EnabledStatistics::Page,
            (true, false) => EnabledStatistics::Chunk,
            _ => EnabledStatistics::None,
        };
        p = p
            .set_column_compression(path.clone(), column.compression())
            .set_column_dictionary_enabled(path.clone(), dictionary)
            .set_column_statistics_enabled(path.clone(), statistics)
            .set_column_bloom_filter_enabled(path.clone(), column.bloom_filter_offset().is_some());
        let special = encodings.into_iter().find(|e| {
            matches!(
                e,
                Encoding::DELTA_BINARY_PACKED
                    | Encoding::DELTA_BYTE_ARRAY
                    | Encoding::DELTA_LENGTH_BYTE_ARRAY
                    | Encoding::BYTE_STREAM_SPLIT
            )
        });
        if let Some(encoding) = special {
            p = p.set_column_encoding(path, encoding);
        }
    }
    Ok(p.build())
}

pub(super) fn divide(table: &ParquetTable, halves: &Halves<'_>) -> Result<()> {
    guarded(&table.path, || inside(table, halves))
}

fn inside(table: &ParquetTable, halves: &Halves<'_>) -> Result<()> {
    let bad = |e: ParquetError| damaged(&table.path, e);
    let file = Arc::new(At { file: Arc::new(table.stamp.reopen(&table.path)?), len: table.stamp.bytes });
    let mut footer = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
    footer.try_parse(&*file).map_err(bad)?;
    let metadata = footer.finish().map_err(bad)?;
    let schema = metadata.file_metadata().schema_descr().root_schema_ptr();
    let properties = Arc::new(properties(&metadata)?);
    let begin = |path: &Path| -> Result<Writer> {
        let file = BufWriter::with_capacity(1 << 20, create(path)?);
        SerializedFileWriter::new(file, schema.clone(), properties.clone()).map_err(|e| unwritten(path, e))
    };
    let mut clean = begin(halves.clean)?;
    let mut out = halves.quarantined.map(begin).transpose()?;
    let quarantined = halves.quarantined.unwrap_or(halves.clean);
    let reading = Arc::new(ReaderProperties::builder().build());
    for (index, group) in metadata.row_groups().iter().enumerate() {
        halves.check_stop()?;
        let rows = group.num_rows() as u64;
        if rows == 0 {
            continue;
        }
        let first = table.starts[index];
        let taken = halves.removed.among(first, rows);
        // A filter for lookups cannot go over with the bytes of its chunk.
        let filtered = group.columns().iter().any(|c| c.bloom_filter_offset().is_some());
        let mut kept_group = if taken < rows { Some(clean.next_row_group().map_err(|e| unwritten(halves.clean, e))?) } else { None };
        if taken == 0 && !filtered {
            let Some(to) = &mut kept_group else { continue };
            copy(&metadata, index, group, &file, to).map_err(|e| unwritten(halves.clean, e))?;
        } else {
            let target = halves.quarantined.zip(out.as_mut()).filter(|_| taken > 0);
            let mut taken_group = match target {
                Some((path, out)) => Some(out.next_row_group().map_err(|e| unwritten(path, e))?),
                None => None,
            };
            let plan = Plan {
                path: &table.path,
                removed: halves.removed,
                first,
                rows,
                kept: kept_group.is_some(),
                taken: taken_group.is_some(),
                properties: &properties,
            };
            let columns: Vec<usize> = (0..group.num_columns()).collect();
            // As many columns at once as there are threads: their chunks are what is held.
            for some in columns.chunks(rayon::current_num_threads().max(1)) {
                halves.check_stop()?;
                let parts = some.par_iter().map(|column| {
                    guarded(&table.path, || {
                        let pages = metadata.page_index_for_row_group(index);
                        let source = SerializedRowGroupReader::new(file.clone(), group, pages, reading.clone()).map_err(bad)?;
                        plan.column(source.get_column_reader(*column).map_err(bad)?, group.column(*column))
                    })
                });
                for (kept, taken) in parts.collect::<Result<Vec<_>>>()? {
                    for (group, part, path) in [(&mut kept_group, kept, halves.clean), (&mut taken_group, taken, quarantined)] {
                        if let (Some(group), Some((bytes, close))) = (group, part) {
                            group.append_column(&bytes, close).map_err(|e| unwritten(path, e))?;
                        }
                    }
                }
            }
            if let Some(group) = taken_group {
                group.close().map_err(|e| unwritten(halves.quarantined.unwrap_or(halves.clean), e))?;
            }
        }
        if let Some(group) = kept_group {
            group.close().map_err(|e| unwritten(halves.clean, e))?;
        }
    }
    let finish = |writer: Writer, path: &Path| -> Result<()> { seal(writer.into_inner().map_err(|e| unwritten(path, e))?, path) };
    finish(clean, halves.clean)?;
    out.zip(halves.quarantined).map_or(Ok(()), |(out, path)| finish(out, path))
}

/// The chunks of a row group as they stand, with their indexes.
fn copy(
    metadata: &ParquetMetaData,
    index: usize,
    group: &RowGroupMetaData,
    chunks: &At,
    to: &mut SerializedRowGroupWriter<'_, BufWriter<File>>,
) -> std::result::Result<(), ParquetError> {
    let pages = metadata.page_index_for_row_group(index);
    for (i, column) in group.columns().iter().enumerate() {
        let close = ColumnCloseResult {
            bytes_written: u64::try_from(column.compressed_size()).unwrap_or(0),
            rows_written: group.num_rows() as u64,
            metadata: column.clone(),
            bloom_filter: None,
            column_index: pages.column_index(i).cloned(),
            offset_index: pages.offset_index(i).cloned(),
        };
        to.append_column(chunks, close)?;
    }
    Ok(())
}

/// One row group that falls apart.
struct Plan<'a> {
    path: &'a Path,
    removed: &'a Removed,
    first: u64,
    rows: u64,
    /// Which halves have rows.
    kept: bool,
    taken: bool,
    properties: &'a WriterPropertiesPtr,
}

/// An encoded column chunk, and what stands in the footer about it.
type Chunk = (Bytes, ColumnCloseResult);
type To<'g, 'w> = Option<&'g mut ColumnWriter<'w>>;

impl Plan<'_> {
    /// Both halves of a column, encoded in memory.
    fn column(&self, reader: ColumnReader, about: &ColumnChunkMetaData) -> Result<(Option<Chunk>, Option<Chunk>)> {
        let bytes = u64::try_from(about.uncompressed_size()).unwrap_or(0) / self.rows;
        let batch = (BYTES / bytes.max(1)).clamp(1, RECORDS) as usize;
        let (mut kept, mut taken) = (TrackedWrite::new(Vec::new()), TrackedWrite::new(Vec::new()));
        let mut a = self.kept.then(|| self.writer(about, &mut kept));
        let mut b = self.taken.then(|| self.writer(about, &mut taken));
        let to = (a.as_mut(), b.as_mut());
        match reader {
            ColumnReader::BoolColumnReader(r) => self.typed(r, batch, to),
            ColumnReader::Int32ColumnReader(r) => self.typed(r, batch, to),
            ColumnReader::Int64ColumnReader(r) => self.typed(r, batch, to),
            ColumnReader::Int96ColumnReader(r) => self.typed(r, batch, to),
            ColumnReader::FloatColumnReader(r) => self.typed(r, batch, to),
            ColumnReader::DoubleColumnReader(r) => self.typed(r, batch, to),
            ColumnReader::ByteArrayColumnReader(r) => self.typed(r, batch, to),
            ColumnReader::FixedLenByteArrayColumnReader(r) => self.typed(r, batch, to),
        }?;
        let a = a.map(ColumnWriter::close).transpose().map_err(Error::internal)?;
        let b = b.map(ColumnWriter::close).transpose().map_err(Error::internal)?;
        let whole = |bytes: TrackedWrite<Vec<u8>>| bytes.into_inner().map(Bytes::from).map_err(Error::internal);
        let (kept, taken) = (whole(kept)?, whole(taken)?);
        Ok((a.map(|a| (kept, a)), b.map(|b| (taken, b))))
    }

    fn writer<'w>(&self, about: &ColumnChunkMetaData, to: &'w mut TrackedWrite<Vec<u8>>) -> ColumnWriter<'w> {
        get_column_writer(about.column_descr_ptr(), self.properties.clone(), Box::new(SerializedPageWriter::new(to)))
    }

    fn typed<T: DataType>(
        &self,
        mut reader: ColumnReaderImpl<T>,
        batch: usize,
        (mut kept, mut taken): (To<'_, '_>, To<'_, '_>),
    ) -> Result<()> {
        let known = kept.as_mut().map(|w| get_typed_column_writer_mut::<T>(w).get_descriptor().clone());
        let descriptor = known.or_else(|| taken.as_mut().map(|w| get_typed_column_writer_mut::<T>(w).get_descriptor().clone()));
        let Some(descriptor) = descriptor else { return Ok(()) };
        let (most_def, most_rep) = (descriptor.max_def_level(), descriptor.max_rep_level());
        let mut all = Part::<T>::default();
        let (mut a, mut b) = (Part::<T>::default(), Part::<T>::default());
        let mut row = 0;
        while row < self.rows {
            all.clear();
            let want = batch.min((self.rows - row) as usize);
            let (records, _, levels) = reader
                .read_records(want, (most_def > 0).then_some(&mut all.def), (most_rep > 0).then_some(&mut all.rep), &mut all.values)
                .map_err(|e| damaged(self.path, e))?;
            if records == 0 {
                return Err(damaged(self.path, "a column has fewer rows than its row group"));
            }
            a.clear();
            b.clear();
            // Runs of records with one fate go over together.
            let (mut level, mut value) = (0, 0);
            let mut record = 0;
            while record < records {
                let fate = self.removed.contains(self.first + row + record as u64);
                let (level_from, value_from) = (level, value);
                while record < records && self.removed.contains(self.first + row + record as u64) == fate {
                    record += 1;
                    loop {
                        value += usize::from(most_def == 0 || all.def.get(level) == Some(&most_def));
                        level += 1;
                        if level >= levels || most_rep == 0 || all.rep.get(level) == Some(&0) {
                            break;
                        }
                    }
                }
                let half = if fate { &mut b } else { &mut a };
                let Some(values) = all.values.get(value_from..value) else { return Err(damaged(self.path, "a column lacks values")) };
                half.values.extend_from_slice(values);
                if most_def > 0 {
                    half.def.extend_from_slice(&all.def[level_from..level]);
                }
                if most_rep > 0 {
                    half.rep.extend_from_slice(&all.rep[level_from..level]);
                }
                half.records += 1;
            }
            a.write(&mut kept)?;
            b.write(&mut taken)?;
            row += records as u64;
        }
        Ok(())
    }
}

/// Levels and values of some records.
struct Part<T: DataType> {
    def: Vec<i16>,
    rep: Vec<i16>,
    values: Vec<T::T>,
    /// Runs of records, of which it matters whether there are any.
    records: usize,
}

impl<T: DataType> Default for Part<T> {
    fn default() -> Self {
        Part { def: Vec::new(), rep: Vec::new(), values: Vec::new(), records: 0 }
    }
}

impl<T: DataType> Part<T> {
    fn write(&self, writer: &mut To<'_, '_>) -> Result<()> {
        if self.records == 0 {
            return Ok(());
        }
        let Some(writer) = writer else { return Err(Error::internal("rows for a half that is not written")) };
        // Without levels of a kind there are none of them to write.
        let (def, rep) = (Some(self.def.as_slice()).filter(|d| !d.is_empty()), Some(self.rep.as_slice()).filter(|r| !r.is_empty()));
        get_typed_column_writer_mut::<T>(writer).write_batch(&self.values, def, rep).map(|_| ()).map_err(Error::internal)
    }
    fn clear(&mut self) {
        self.def.clear();
        self.rep.clear();
        self.values.clear();
        self.records = 0;
    }
}
