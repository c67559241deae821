//! The quarantine list: one line per suspect row, sorted by file and row, in Parquet, Arrow, CSV or
//! JSON Lines. It decides nothing: rules say what is wrong with a row, [`crate::verdict`] what that
//! means for the run, and this module writes it down, streaming and atomically.
//!
//! ```text
//!  worker threads                                     one thread, in shard order
//!  hits of a batch ─► Rows ─► (full: encode) ─► Part ─► append ─► temporary file ─► finish ─► commit
//! ```
//!
//! The costly part, encoding, happens in the workers, on chunks of [`CHUNK`] lines. A chunk never
//! crosses a shard unless it is a short rest, which joins the rests of its neighbours, so the bytes
//! depend on the data and its shards alone, never on the number of threads.

mod columns;
mod file;
mod pages;
mod rows;
#[cfg(test)]
mod tests;
mod text;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::rule::{Findings, Hit};
use arrow::array::Array;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

pub use columns::schema;
pub use file::{AtomicFile, Pending, Written};
pub(crate) use file::{hex, io_error};
use rows::Rows;

/// Lines per encoded chunk (a row group in Parquet). Larger chunks compress no better, since files,
/// messages and groups repeat at every scale; smaller ones cost metadata.
pub const CHUNK: usize = 64 * 1024;

/// A chunk is also full at this many bytes of strings, so that long ids or messages cannot grow it
/// without bound.
const CHUNK_BYTES: usize = 32 << 20;

/// The key under which Parquet and Arrow files carry the run they belong to.
pub const RUN_ID_KEY: &str = "taster.run_id";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Parquet,
    Arrow,
    Csv,
    JsonLines,
}

impl Format {
    /// By the suffix of the file's name.
    ///
    /// # Errors
    /// A usage error that lists the suffixes there are.
    pub fn of(path: &Path) -> Result<Format> {
        let suffix = path.extension().and_then(|s| s.to_str()).map(str::to_ascii_lowercase);
        Ok(match suffix.as_deref() {
            Some("parquet") => Format::Parquet,
            Some("arrow") => Format::Arrow,
            Some("csv") => Format::Csv,
            Some("jsonl") => Format::JsonLines,
            _ => {
                return Err(Error::usage(format!("the quarantine list cannot be written as `{}`", path.display()))
                    .help("its name must end in .parquet, .arrow, .csv or .jsonl"));
            }
        })
    }
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
            Format::Csv => "csv",
            Format::JsonLines => "jsonl",
        }
    }
}

/// What the list says about the rules of a run, by the index that [`Hit::rule`] carries.
#[derive(Debug, Clone)]
pub struct Codes {
    /// Distinct codes, sorted: the order of the `rules` column.
    codes: Vec<&'static str>,
    of_rule: Vec<u16>,
}

impl Codes {
    pub fn new(rules: &[&'static str]) -> Self {
        let mut codes = rules.to_vec();
        codes.sort_unstable();
        codes.dedup();
        let of_rule = rules.iter().map(|r| codes.binary_search(r).expect("it was put there") as u16).collect();
        Codes { codes, of_rule }
    }
    fn of(&self, rule: u16) -> u16 {
        self.of_rule[usize::from(rule)]
    }
    fn is_contract(&self, code: u16) -> bool {
        self.codes[usize::from(code)].starts_with('C')
    }
}

/// What a shard has to say, encoded as far as that is possible without its neighbours.
pub struct Part {
    chunks: Vec<Chunk>,
    open: Rows,
}

struct Chunk {
    lines: u64,
    body: Body,
}

enum Body {
    Pages(pages::RowGroup),
    Frame(arrow::array::RecordBatch),
    Bytes(Vec<u8>),
}

/// Writes the list. Shared by all worker threads.
pub struct Writer {
    format: Format,
    files: Vec<String>,
    codes: Codes,
    pages: pages::Layout,
    out: Mutex<Out>,
}

struct Out {
    sink: Sink,
    /// Rests of shards, too short to be worth a chunk each.
    rest: Rows,
    lines: u64,
}

enum Sink {
    Pages(Box<pages::PageFile>),
    Frames(Box<arrow::ipc::writer::FileWriter<std::io::BufWriter<AtomicFile>>>),
    Text(std::io::BufWriter<AtomicFile>),
}

impl Writer {
    /// Opens a temporary file beside `path`; nothing appears under that name before
    /// [`Pending::commit`]. `files` are the dataset's files by [`crate::batch::RowId::source`].
    ///
    /// # Errors
    /// A resource error when the folder cannot be made or written to, so that it is known before
    /// any work is done; a usage error for an unknown suffix.
    pub fn create(path: &Path, files: Vec<String>, codes: Codes, run_id: &str) -> Result<Writer> {
        let format = Format::of(path)?;
        let hashed = matches!(format, Format::Csv | Format::JsonLines);
        let file = AtomicFile::create(path, hashed)?;
        let pages = pages::Layout::new()?;
        let sink = match format {
            Format::Parquet => Sink::Pages(Box::new(pages.file(file, run_id)?)),
            Format::Arrow => Sink::Frames(Box::new(columns::ipc_writer(file, run_id)?)),
            Format::Csv | Format::JsonLines => {
                let mut out = std::io::BufWriter::with_capacity(1 << 18, file);
                if format == Format::Csv {
                    out.write_all(text::CSV_HEADER.as_bytes()).map_err(list_error)?;
                }
                Sink::Text(out)
            }
        };
        let out = Mutex::new(Out { sink, rest: Rows::default(), lines: 0 });
        Ok(Writer { format, files, codes, pages, out })
    }

    pub fn format(&self) -> Format {
        self.format
    }

    pub fn part(&self) -> Part {
        Part { chunks: Vec::new(), open: Rows::default() }
    }

    /// Adds hits of one batch, sorted as [`Findings::sort`] does: those of `findings`, or the part of
    /// them that nobody ignores. `ids` is the batch's id column, where there is one. Runs in the worker.
    ///
    /// # Errors
    /// An internal error when encoding fails.
    pub fn add(&self, part: &mut Part, batch: &Batch, ids: Option<&dyn Array>, findings: &Findings, hits: &[Hit]) -> Result<()> {
        let mut source = rows::Incoming::new(&self.codes, batch, ids, findings)?;
        for own in hits.chunk_by(|a, b| a.row == b.row) {
            part.open.push(&mut source, own)?;
            if part.open.is_full() {
                part.chunks.push(self.encode(&part.open)?);
                part.open.clear();
                source.forget();
            }
        }
        Ok(())
    }

    /// Takes a shard's part; parts come in shard order.
    ///
    /// # Errors
    /// A resource error when the disk is full or fails.
    pub fn append(&self, part: Part) -> Result<()> {
        let mut out = self.out.lock().map_err(|_| Error::internal("the list's writer panicked"))?;
        if !part.chunks.is_empty() {
            self.flush_rest(&mut out)?;
        }
        for chunk in part.chunks {
            self.write(&mut out, chunk)?;
        }
        out.rest.extend(&part.open)?;
        if out.rest.is_full() {
            self.flush_rest(&mut out)?;
        }
        Ok(())
    }

    /// Writes what is left and brings the file to disk, still under its temporary name.
    ///
    /// # Errors
    /// A resource error when the disk is full or fails.
    pub fn finish(self) -> Result<Pending> {
        let mut out = self.out.lock().map_err(|_| Error::internal("the list's writer panicked"))?;
        self.flush_rest(&mut out)?;
        drop(out);
        let out = self.out.into_inner().map_err(|_| Error::internal("the list's writer panicked"))?;
        let lines = out.lines;
        let file = match out.sink {
            Sink::Pages(file) => file.finish()?,
            Sink::Frames(writer) => columns::ipc_finish(*writer)?,
            Sink::Text(out) => out.into_inner().map_err(|e| list_error(e.into_error()))?,
        };
        file.finish(self.format.as_str(), lines)
    }

    fn flush_rest(&self, out: &mut Out) -> Result<()> {
        if out.rest.len() > 0 {
            let chunk = self.encode(&out.rest)?;
            self.write(out, chunk)?;
            out.rest.clear();
        }
        Ok(())
    }

    fn write(&self, out: &mut Out, chunk: Chunk) -> Result<()> {
        match (&mut out.sink, chunk.body) {
            (Sink::Pages(file), Body::Pages(group)) => file.append(group)?,
            (Sink::Frames(writer), Body::Frame(frame)) => writer.write(&frame).map_err(columns::arrow_error)?,
            (Sink::Text(out), Body::Bytes(bytes)) => out.write_all(&bytes).map_err(list_error)?,
            _ => return Err(Error::internal("a chunk of another format")),
        }
        out.lines += chunk.lines;
        Ok(())
    }

    fn encode(&self, rows: &Rows) -> Result<Chunk> {
        let body = match self.format {
            Format::Parquet => Body::Pages(self.pages.encode(rows, &self.files, &self.codes)?),
            Format::Arrow => Body::Frame(columns::record_batch(rows, &self.files, &self.codes)?),
            Format::Csv => Body::Bytes(text::csv(rows, &self.files, &self.codes)?),
            Format::JsonLines => Body::Bytes(text::json_lines(rows, &self.files, &self.codes)?),
        };
        Ok(Chunk { lines: rows.len() as u64, body })
    }
}

/// A failed write: nearly always the disk.
fn list_error(e: std::io::Error) -> Error {
    file::io_error("the quarantine list", &e)
}
