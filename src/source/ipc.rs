//! Arrow IPC, as files (Feather version 2) and as streams. Message headers are walked once at
//! opening: they give the row counts, and every length in them is checked against the file's size
//! before the decoder allocates by it.

use super::divide::{Content, Halves, create, decoded, halve, seal, written};
use super::guard::{Stamp, guarded};
use super::portion::Portion;
use super::{Rows, Table, schema};
use crate::error::{Error, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::Field;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use arrow::ipc::{CompressionType, root_as_footer, root_as_message};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

const STREAM_PIECES: u64 = 8;

pub(super) struct IpcTable {
    path: PathBuf,
    stamp: Stamp,
    stream: bool,
    fields: Vec<Field>,
    /// First row of every record batch, and the end.
    starts: Vec<u64>,
    digest: [u8; 32],
    compression: Option<CompressionType>,
    metadata: std::collections::HashMap<String, String>,
}

type Batches = Box<dyn Iterator<Item = std::result::Result<RecordBatch, ArrowError>>>;
/// Schema, whether it is a stream, compression, metadata of the footer.
type Form<'a> = (&'a arrow::datatypes::Schema, bool, Option<CompressionType>, &'a [(String, String)]);

/// One half of a file while it is written.
struct Half<'a> {
    path: &'a Path,
    out: Writing,
}

enum Writing {
    File(FileWriter<BufWriter<File>>),
    Stream(StreamWriter<BufWriter<File>>),
}

impl<'a> Half<'a> {
    fn begin(path: &'a Path, (schema, stream, compression, custom): Form<'_>) -> Result<Half<'a>> {
        let file = BufWriter::with_capacity(1 << 18, create(path)?);
        let options = IpcWriteOptions::default().try_with_compression(compression).map_err(Error::internal)?;
        let out = if stream {
            Writing::Stream(StreamWriter::try_new_with_options(file, schema, options).map_err(|e| failed(path, e))?)
        } else {
            let mut writer = FileWriter::try_new_with_options(file, schema, options).map_err(|e| failed(path, e))?;
            custom.iter().for_each(|(k, v)| writer.write_metadata(k, v));
            Writing::File(writer)
        };
        Ok(Half { path, out })
    }
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match &mut self.out {
            Writing::File(w) => w.write(batch),
            Writing::Stream(w) => w.write(batch),
        }
        .map_err(|e| failed(self.path, e))
    }
    fn finish(self) -> Result<()> {
        let path = self.path;
        let file = match self.out {
            Writing::File(w) => w.into_inner(),
            Writing::Stream(w) => w.into_inner(),
        };
        seal(file.map_err(|e| failed(path, e))?, path)
    }
}

fn failed(path: &Path, e: ArrowError) -> Error {
    match e {
        ArrowError::IoError(_, e) => written(path, &e),
        e => Error::internal(e),
    }
}

fn damaged(path: &Path, e: impl std::fmt::Display) -> Error {
    Error::data(path, format!("the Arrow file is damaged or cut short: {e}")).help("write or fetch the file again")
}

impl IpcTable {
    pub fn open(path: &Path) -> Result<IpcTable> {
        super::format::confirm(path, super::format::Format::Arrow)?;
        let mut file = File::open(path).map_err(|e| super::paths::unreadable(path, &e))?;
        let stamp = Stamp::of(path, &file)?;
        guarded(path, || {
            let mut magic = [0; 6];
            file.read_exact(&mut magic).map_err(|e| damaged(path, e))?;
            let stream = &magic != b"ARROW1";
            let (rows, digest, compression) =
                if stream { walk_stream(path, &mut file, stamp.bytes)? } else { walk_file(path, &mut file, stamp.bytes)? };
            let mut starts = vec![0u64];
            for n in rows {
                let end = u64::try_from(n).ok().and_then(|n| starts.last().copied().unwrap_or(0).checked_add(n));
                starts.push(
                    end.filter(|e| *e <= i64::MAX as u64 && stamp.holds(*e))
                        .ok_or_else(|| damaged(path, "a record batch claims an impossible number of rows"))?,
                );
            }
            file.seek(SeekFrom::Start(0)).map_err(|e| damaged(path, e))?;
            let found = match stream {
                true => StreamReader::try_new(BufReader::new(file), None).map(|r| r.schema()),
                false => FileReader::try_new(BufReader::new(file), None).map(|r| r.schema()),
            };
            let found = found.map_err(|e| damaged(path, e))?;
            let fields: Vec<Field> = found.fields().iter().map(|f| schema::canonical(f)).collect();
            schema::unique_names(path, &fields)?;
            Ok(IpcTable {
                path: path.to_owned(),
                stamp,
                stream,
                fields,
                starts,
                digest,
                compression,
                metadata: found.metadata().clone().into(),
            })
        })
    }

    fn batches(&self, file: File, from: usize, columns: &[usize]) -> Result<Batches> {
        let columns = Some(columns.to_vec());
        let input = BufReader::with_capacity(256 << 10, file);
        let bad = |e| damaged(&self.path, e);
        if self.stream {
            return Ok(Box::new(StreamReader::try_new(input, columns).map_err(bad)?.skip(from)));
        }
        let mut reader = FileReader::try_new(input, columns).map_err(bad)?;
        reader.set_index(from).map_err(bad)?;
        Ok(Box::new(reader))
    }
}

fn take(path: &Path, file: &mut File, at: u64, n: u64, size: u64) -> Result<Vec<u8>> {
    if at.checked_add(n).is_none_or(|end| end > size) {
        return Err(damaged(path, format!("{n} bytes at {at} lie beyond its end ({size} bytes)")));
    }
    let mut bytes = vec![0; n as usize];
    file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes)).map_err(|e| damaged(path, e))?;
    Ok(bytes)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |b| u32::from_le_bytes(*b))
}

type Walked = (Vec<i64>, [u8; 32], Option<CompressionType>);

/// By the footer: blocks, and the header of each.
fn walk_file(path: &Path, file: &mut File, size: u64) -> Result<Walked> {
    let start = size.checked_sub(10).ok_or_else(|| damaged(path, "it is too short to hold a footer"))?;
    let tail = take(path, file, start, 10, size)?;
    if &tail[4..] != b"ARROW1" {
        return Err(damaged(path, "the magic bytes at its end are missing"));
    }
    let length = u64::from(number(&tail));
    let at = start.checked_sub(length).ok_or_else(|| damaged(path, format!("the footer claims {length} bytes, the file has {size}")))?;
    let bytes = take(path, file, at, length, size)?;
    let footer = root_as_footer(&bytes).map_err(|e| damaged(path, e))?;
    let (mut rows, mut compression) = (Vec::new(), None);
    let dictionaries = footer.dictionaries().into_iter().flatten().map(|b| (b, false));
    for (block, data) in dictionaries.chain(footer.recordBatches().into_iter().flatten().map(|b| (b, true))) {
        let parts =
            u64::try_from(block.offset()).ok().zip(u64::try_from(block.metaDataLength()).ok()).zip(u64::try_from(block.bodyLength()).ok());
        let ((offset, head), body) = parts.ok_or_else(|| damaged(path, "a block has a negative length"))?;
        if offset.checked_add(head).and_then(|e| e.checked_add(body)).is_none_or(|e| e > size) {
            return Err(damaged(path, "a block lies outside of the file"));
        }
        let head = take(path, file, offset, head, size)?;
        let head = if number(&head) == u32::MAX { head.get(8..) } else { head.get(4..) };
        let message = root_as_message(head.unwrap_or_default()).map_err(|e| damaged(path, e))?;
        if data {
            let batch = message.header_as_record_batch().ok_or_else(|| damaged(path, "a block is no record batch"))?;
            compression = compression.or(batch.compression().map(|c| c.codec()));
            rows.push(batch.length());
        }
    }
    Ok((rows, super::sha256(&[bytes, tail].concat()), compression))
}

/// Message after message. A stream has no footer, so all its bytes are its digest.
fn walk_stream(path: &Path, file: &mut File, size: u64) -> Result<Walked> {
    let (mut at, mut rows, mut first, mut compression) = (0, Vec::new(), true, None);
    loop {
        if at == size {
            // Legal on a pipe; in a file nothing else would tell a stream that was cut short.
            return Err(damaged(path, "the stream ends without its end marker"));
        }
        let mut length = number(&take(path, file, at, 4, size)?);
        at += 4;
        if length == u32::MAX {
            length = number(&take(path, file, at, 4, size)?);
            at += 4;
        }
        if length == 0 && at == size {
            break;
        }
        if length == 0 {
            return Err(damaged(path, "more bytes follow the end marker of the stream"));
        }
        let head = take(path, file, at, u64::from(length), size)?;
        let message = root_as_message(&head).map_err(|e| damaged(path, e))?;
        if std::mem::take(&mut first) && message.header_as_schema().is_none() {
            return Err(damaged(path, "it does not begin with a schema"));
        }
        let body = u64::try_from(message.bodyLength()).map_err(|e| damaged(path, e))?;
        at = at
            .checked_add(u64::from(length) + body)
            .filter(|e| *e <= size)
            .ok_or_else(|| damaged(path, "a message lies beyond its end"))?;
        if let Some(batch) = message.header_as_record_batch() {
            compression = compression.or(batch.compression().map(|c| c.codec()));
            rows.push(batch.length());
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(|e| damaged(path, e))?;
    Ok((rows, super::sha256_of(file).map_err(|e| damaged(path, e))?, compression))
}

impl Table for IpcTable {
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
        self.metadata.get(key).cloned()
    }

    /// Whole record batches, joined when small. A stream can only be read from its start, so the
    /// pieces of one are few.
    fn shards(&self) -> Vec<(u64, u64)> {
        let mut portion = Portion::of(self.rows(), self.bytes());
        if self.stream {
            portion = Portion { rows: portion.rows.max(self.rows() / STREAM_PIECES), bytes: u64::MAX };
        }
        // Record batches are taken to be alike: what each of them holds is not in the footer.
        let bytes = |rows: u64| (u128::from(self.bytes()) * u128::from(rows) / u128::from(self.rows().max(1))) as u64;
        portion.join(self.starts.windows(2).map(|s| (s[0], s[1] - s[0], bytes(s[1] - s[0]))))
    }

    /// In the file's own form (file or stream), compression and record batches.
    fn divide(&self, halves: &Halves<'_>) -> Result<()> {
        let bad = |e| damaged(&self.path, e);
        let file = BufReader::with_capacity(256 << 10, self.stamp.reopen(&self.path)?);
        let (schema, custom, mut read) = guarded(&self.path, || {
            if self.stream {
                let reader = StreamReader::try_new(file, None).map_err(bad)?;
                return Ok((reader.schema(), Vec::new(), Box::new(reader) as Batches));
            }
            let reader = FileReader::try_new(file, None).map_err(bad)?;
            let mut custom: Vec<(String, String)> = reader.custom_metadata().iter().map(|(k, v)| (k.clone(), v.clone())).collect();
            custom.sort();
            Ok((reader.schema(), custom, Box::new(reader) as Batches))
        })?;
        let form = (&*schema, self.stream, self.compression, custom.as_slice());
        let mut clean = Half::begin(halves.clean, form)?;
        let mut out = halves.quarantined.map(|path| Half::begin(path, form)).transpose()?;
        let mut row = 0;
        while let Some(batch) = guarded(&self.path, || read.next().transpose().map_err(bad))? {
            halves.check_stop()?;
            if row + batch.num_rows() as u64 > self.rows() {
                return Err(damaged(&self.path, "more rows than its batches promise"));
            }
            let (kept, taken) = halve(&batch, halves.removed, row)?;
            row += batch.num_rows() as u64;
            match (&mut out, taken) {
                (Some(out), Some(taken)) => out.write(&taken)?,
                (None, Some(_)) => return Err(Error::internal("a row to take out, and no place for it")),
                _ => {}
            }
            kept.map_or(Ok(()), |kept| clean.write(&kept))?;
        }
        clean.finish()?;
        out.map_or(Ok(()), Half::finish)
    }
    fn content(&self, path: &Path) -> Result<Content> {
        if path == self.path { decoded(self) } else { decoded(&IpcTable::open(path)?) }
    }

    fn read(&self, first: u64, rows: u64, columns: &[usize], f: Rows<'_>) -> Result<()> {
        let file = self.stamp.reopen(&self.path)?;
        // The batch that holds the first row; empty batches before it are of no interest.
        let from = self.starts.partition_point(|s| *s <= first).saturating_sub(1);
        let mut at = self.starts.get(from).copied().unwrap_or(0);
        let end = first + rows;
        let mut batches = guarded(&self.path, || self.batches(file, from, columns))?;
        while at < end {
            let batch = guarded(&self.path, || batches.next().transpose().map_err(|e| damaged(&self.path, e)))?;
            let Some(batch) = batch else { break };
            let n = batch.num_rows() as u64;
            let skip = first.saturating_sub(at).min(n);
            let keep = (end - at).min(n) - skip;
            at += n;
            if keep > 0 {
                f(batch.slice(skip as usize, keep as usize))?;
            }
        }
        Ok(())
    }
}
