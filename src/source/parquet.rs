//! Parquet. The footer is parsed once, at opening, and checked against the file's real size before
//! anything is allocated by it. Shards are row ranges: small row groups are joined and huge ones
//! split, by the footer alone, so the plan does not depend on the number of threads.

use super::divide::{Content, Halves, decoded};
use super::guard::{Stamp, guarded};
use super::page;
use super::portion::Portion;
use super::schema;
use super::{Rows, Table};
use crate::batch::MAX_ROWS;
use crate::error::{Error, Result};
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use std::fs::File;
use std::io::{BufReader, Chain, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Every piece of a split row group walks over the pages before it, so pieces are few. With lists
/// the skipped pages must even be decoded.
const MAX_PIECES: u64 = 16;
const MAX_PIECES_NESTED: u64 = 4;
/// Decoded bytes of a batch.
const BATCH_BYTES: u64 = 16 << 20;

pub(super) struct ParquetTable {
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
    metadata: ArrowReaderMetadata,
    fields: Vec<Field>,
    /// First row of every row group, and the end.
    pub(super) starts: Vec<u64>,
    digest: [u8; 32],
}

/// Reads at positions, so that the columns of a batch share one handle, and refuses a length that
/// the file does not have before it allocates.
pub(super) struct At {
    pub file: Arc<File>,
    pub len: u64,
}

pub(super) struct From {
    file: Arc<File>,
    position: u64,
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = read_at(&self.file, buffer, self.position)?;
        // The footer stands behind all pages, so nobody reads to the end. A header that says it holds a billion
        // pieces of nothing would be told a billion times that there is nothing.
        if n == 0 && !buffer.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.position += n as u64;
        Ok(n)
    }
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> std::io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, position)
}
#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], position: u64) -> std::io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, position)
}

impl Length for At {
    fn len(&self) -> u64 {
        self.len
    }
}

impl ChunkReader for At {
    type T = Chain<Cursor<Vec<u8>>, BufReader<From>>;
    /// What begins at `start` is a page header, some dozens of bytes: a larger buffer would read pages twice.
    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let mut header = vec![0; page::BYTES];
        let mut known = 0;
        while known < header.len() {
            match read_at(&self.file, &mut header[known..], start.saturating_add(known as u64))? {
                0 => break,
                n => known += n,
            }
        }
        header.truncate(known);
        // Its values would be allocated as soon as the header is read.
        if let Some(d) = page::dictionary(&header).filter(|d| !d.is_possible()) {
            return Err(ParquetError::General(format!("a dictionary page claims {} values in {} bytes", d.values, d.size)));
        }
        let rest = From { file: self.file.clone(), position: start.saturating_add(known as u64) };
        Ok(Cursor::new(header).chain(BufReader::with_capacity(page::BYTES, rest)))
    }
    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.len) {
            return Err(ParquetError::EOF(format!("{length} bytes at {start} lie beyond the end of the file ({} bytes)", self.len)));
        }
        let mut buffer = vec![0; length];
        let mut done = 0;
        while done < length {
            match read_at(&self.file, &mut buffer[done..], start + done as u64)? {
                0 => return Err(ParquetError::EOF("the file ended early".into())),
                n => done += n,
            }
        }
        Ok(buffer.into())
    }
}

pub(super) fn damaged(path: &Path, e: impl std::fmt::Display) -> Error {
    Error::data(path, format!("the Parquet file is damaged or cut short: {e}")).help("write or fetch the file again")
}

impl ParquetTable {
    pub fn open(path: &Path) -> Result<ParquetTable> {
        let file = File::open(path).map_err(|e| super::paths::unreadable(path, &e))?;
        let stamp = Stamp::of(path, &file)?;
        super::format::confirm(path, super::format::Format::Parquet)?;
        guarded(path, || Self::parse(path, file, stamp))
    }

    fn parse(path: &Path, file: File, stamp: Stamp) -> Result<ParquetTable> {
        let at = At { file: Arc::new(file), len: stamp.bytes };
        let tail = |n: u64| {
            let start = stamp.bytes.checked_sub(n).ok_or_else(|| damaged(path, "it is too short to hold a footer"))?;
            at.get_bytes(start, n as usize).map_err(|e| damaged(path, e))
        };
        let end = tail(8)?;
        let (length, magic) = end.split_at(4);
        if magic == b"PARE" {
            return Err(Error::data(path, "the Parquet file is encrypted").help("decrypt it first"));
        }
        if magic != b"PAR1" {
            return Err(damaged(path, "the magic bytes at its end are missing"));
        }
        let length = u64::from(u32::from_le_bytes([length[0], length[1], length[2], length[3]]));
        if length + 12 > stamp.bytes {
            return Err(damaged(path, format!("the footer claims {length} bytes, the file has {}", stamp.bytes)));
        }
        let footer = tail(length + 8)?;
        super::nesting::shallow(&footer[..length as usize]).map_err(|e| damaged(path, e))?;
        let digest = super::sha256(&footer);
        let found = ArrowReaderMetadata::load(&at, ArrowReaderOptions::new()).map_err(|e| damaged(path, e))?;
        // Views and plain values instead of offsets and dictionaries, where the decoder can.
        let wanted = found.schema().fields().iter().map(|f| f.as_ref().clone().with_data_type(schema::plain(f.data_type())));
        let wanted = Schema::new_with_metadata(wanted.collect::<Vec<_>>(), found.schema().metadata().clone());
        let options = ArrowReaderOptions::new().with_schema(Arc::new(wanted));
        let metadata = ArrowReaderMetadata::try_new(found.metadata().clone(), options).unwrap_or_else(|_| found.clone());
        let fields: Vec<Field> = found.schema().fields().iter().map(|f| schema::canonical(f)).collect();
        schema::unique_names(path, &fields)?;

        let mut starts = vec![0u64];
        let mut total = 0u64;
        for (i, group) in metadata.metadata().row_groups().iter().enumerate() {
            let rows =
                u64::try_from(group.num_rows()).map_err(|_| damaged(path, format!("row group {i} claims {} rows", group.num_rows())))?;
            for (column, chunk) in group.columns().iter().enumerate() {
                let offset = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
                let inside =
                    u64::try_from(offset).ok().zip(u64::try_from(chunk.compressed_size()).ok()).and_then(|(o, n)| o.checked_add(n));
                if inside.is_none_or(|end| end > stamp.bytes) || chunk.data_page_offset() < 0 || chunk.num_values() < 0 {
                    return Err(damaged(path, format!("column {column} of row group {i} lies outside of the file")));
                }
                if chunk.column_descr().max_rep_level() == 0 && chunk.num_values() != group.num_rows() {
                    return Err(damaged(
                        path,
                        format!("row group {i} claims {rows} rows, its column {column} {} values", chunk.num_values()),
                    ));
                }
            }
            total = total
                .checked_add(rows)
                .filter(|t| *t <= i64::MAX as u64 && stamp.holds(*t))
                .ok_or_else(|| damaged(path, "it claims more rows than there can be"))?;
            starts.push(total);
        }
        if i64::try_from(total).ok() != Some(metadata.metadata().file_metadata().num_rows()) {
            return Err(damaged(
                path,
                format!("the footer claims {} rows, its row groups {total}", metadata.metadata().file_metadata().num_rows()),
            ));
        }
        Ok(ParquetTable { path: path.to_owned(), stamp, metadata, fields, starts, digest })
    }

    /// Rows of a batch so that the chosen columns decode to about [`BATCH_BYTES`].
    fn batch_rows(&self, groups: &[usize], mask: &ProjectionMask) -> usize {
        let groups = groups.iter().map(|g| self.metadata.metadata().row_group(*g));
        let widest = groups.map(|g| {
            let bytes = g.columns().iter().enumerate().filter(|(i, _)| mask.leaf_included(*i));
            let bytes: u64 = bytes.map(|(_, c)| u64::try_from(c.uncompressed_size()).unwrap_or(0).max(c.num_values() as u64 * 8)).sum();
            bytes / (g.num_rows() as u64).max(1)
        });
        (BATCH_BYTES / widest.max().unwrap_or(0).max(1)).clamp(16, MAX_ROWS as u64) as usize
    }
}

impl Table for ParquetTable {
    fn fields(&self) -> &[Field] {
        &self.fields
    }
    fn rows(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }
    fn bytes(&self) -> u64 {
        self.stamp.bytes
    }
    fn digest(&self) -> [u8; 32] {
        self.digest
    }
    fn metadata(&self, key: &str) -> Option<String> {
        let all = self.metadata.metadata().file_metadata().key_value_metadata()?;
        all.iter().find(|kv| kv.key == key)?.value.clone()
    }

    fn shards(&self) -> Vec<(u64, u64)> {
        let nested = self.metadata.parquet_schema().columns().iter().any(|c| c.max_rep_level() > 0);
        let max_pieces = if nested { MAX_PIECES_NESTED } else { MAX_PIECES };
        let groups = self.metadata.metadata().row_groups().iter().zip(self.starts.windows(2));
        let groups = groups.map(|(g, s)| (s[0], s[1] - s[0], u64::try_from(g.total_byte_size()).unwrap_or(0)));
        let portion = Portion::of(self.rows(), groups.clone().fold(0, |sum, g| g.2.saturating_add(sum)));
        let cut = groups.flat_map(|(first, rows, bytes)| {
            let pieces = portion.pieces(rows, bytes).min(max_pieces);
            let at = move |k: u64| (u128::from(rows) * u128::from(k) / u128::from(pieces)) as u64;
            // A piece is a portion by itself; what is whole may be joined with others.
            let size = if pieces > 1 { portion.bytes } else { bytes };
            (0..pieces).map(move |k| (first + at(k), at(k + 1) - at(k), size))
        });
        portion.join(cut)
    }

    fn divide(&self, halves: &Halves<'_>) -> Result<()> {
        super::divide_parquet::divide(self, halves)
    }
    fn content(&self, path: &Path) -> Result<Content> {
        if path == self.path { decoded(self) } else { decoded(&ParquetTable::open(path)?) }
    }

    fn read(&self, first: u64, rows: u64, columns: &[usize], f: Rows<'_>) -> Result<()> {
        let file = self.stamp.reopen(&self.path)?;
        let end = first + rows;
        if columns.is_empty() {
            let mut at = first;
            while at < end {
                let n = (end - at).min(MAX_ROWS as u64) as usize;
                let options = RecordBatchOptions::new().with_row_count(Some(n));
                f(RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).map_err(Error::internal)?)?;
                at += n as u64;
            }
            return Ok(());
        }
        let groups: Vec<usize> = (0..self.starts.len() - 1).filter(|g| self.starts[*g] < end && self.starts[g + 1] > first).collect();
        let Some(start) = groups.first().map(|g| self.starts[*g]) else { return Ok(()) };
        let mut reader = guarded(&self.path, || {
            let at = At { file: Arc::new(file), len: self.stamp.bytes };
            let mask = ProjectionMask::roots(self.metadata.parquet_schema(), columns.iter().copied());
            let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(at, self.metadata.clone());
            let builder = builder.with_batch_size(self.batch_rows(&groups, &mask)).with_projection(mask);
            let mut builder = builder.with_row_groups(groups.clone());
            if first > start || groups.last().is_some_and(|g| self.starts[g + 1] > end) {
                let skip = usize::try_from(first - start).map_err(|e| damaged(&self.path, e))?;
                let take = usize::try_from(rows).map_err(|e| damaged(&self.path, e))?;
                builder = builder.with_offset(skip).with_limit(take);
            }
            builder.build().map_err(|e| damaged(&self.path, e))
        })?;
        while let Some(batch) = guarded(&self.path, || reader.next().transpose().map_err(|e| damaged(&self.path, e)))? {
            f(batch)?;
        }
        Ok(())
    }
}
