//! Paths, folders and globs become files; files become shards; a shard becomes batches.
//!
//! The border: nothing behind this module knows of files or formats, and nothing in it knows of
//! rules or threads. A row is (file, record in the file) whatever the shards, and every file is
//! either read in full or the run ends with an error that names it.

mod arrays;
mod cells;
mod csv;
pub mod divide;
mod divide_parquet;
mod footer;
mod format;
mod guard;
mod hive;
mod images;
mod ipc;
mod json;
mod nesting;
mod page;
mod parquet;
mod paths;
mod portion;
mod schema;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use footer::footer;
pub(crate) use format::is_data_name;
pub(crate) use guard::{Stamp, measure, quietly};
pub(crate) use paths::every_file;
pub use schema::is_categorical;

use crate::batch::{Batch, MAX_ROWS};
use crate::error::{Error, Result, group_digits, plural};
use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use format::Format;
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Column that marks cells of a text file that did not parse as their declared type: the cell
/// itself reads as null, and this boolean companion is true. A batch carries it beside its column
/// when at least one cell of the batch failed. Absent for typed formats.
pub fn unparsed_column(name: &str) -> String {
    format!("\u{0}unparsed:{name}")
}

#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    pub format: crate::contract::Format,
    /// Types that the contract declares, for text formats. Cells that do not parse are null and
    /// marked in [`unparsed_column`].
    pub declared: Vec<(String, DataType)>,
    /// Text files are read once in full when they are opened; set by a signal handler, it ends that.
    pub stop: Option<&'static AtomicBool>,
}

impl OpenOptions {
    fn check_stop(&self) -> Result<()> {
        if self.stop.is_some_and(|s| s.load(Ordering::Relaxed)) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// One file of the dataset.
#[derive(Debug, Clone)]
pub struct File {
    pub path: PathBuf,
    /// Relative to the dataset's root, with `/`.
    pub relative: String,
    pub rows: u64,
    pub bytes: u64,
}

/// A run of consecutive rows of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    pub source: u32,
    pub first_row: u64,
    pub rows: u64,
}

/// Receives the record batches of one read, in order.
type Rows<'a> = &'a mut dyn FnMut(RecordBatch) -> Result<()>;

/// One opened file. Columns are named by their index in `fields`; batches carry the chosen ones in
/// any order, by name, and may add companions of [`unparsed_column`].
trait Table: Send + Sync {
    /// In the dataset's plain form (see [`schema`]).
    fn fields(&self) -> &[Field];
    fn rows(&self) -> u64;
    fn bytes(&self) -> u64;
    /// Stands for the content in the fingerprint.
    fn digest(&self) -> [u8; 32];
    /// (first row, rows), in order, without gaps.
    fn shards(&self) -> Vec<(u64, u64)>;
    fn metadata(&self, _key: &str) -> Option<String> {
        None
    }
    fn read(&self, first: u64, rows: u64, columns: &[usize], f: Rows<'_>) -> Result<()>;
    /// Writes the file in two halves, in its own format.
    fn divide(&self, halves: &divide::Halves<'_>) -> Result<()>;
    /// Of this file or of another one of its format.
    fn content(&self, path: &std::path::Path) -> Result<divide::Content>;
}

pub struct Source {
    pub root: PathBuf,
    /// Sorted by relative path; the index is `RowId::source`.
    pub files: Vec<File>,
    pub schema: SchemaRef,
    tables: Vec<Box<dyn Table>>,
    /// Per file, the values of the partition columns: the last columns of the schema.
    partitions: hive::Partitions,
}

impl Source {
    /// Opens every file and checks all of them against one schema. Text files are read once in
    /// full, to count records and to find their types.
    ///
    /// # Errors
    /// Usage errors for paths that name nothing or something twice; data errors naming the file
    /// (and the line of a text file) for everything that cannot be read as what it claims to be.
    pub fn open(paths: &[String], options: &OpenOptions) -> Result<Source> {
        let (root, found) = paths::find(paths)?;
        Source::of(root, found, options)
    }

    /// A result of an earlier run, such as its quarantine list, read as a table. Unlike data it may lie in
    /// `taster-out/`.
    ///
    /// # Errors
    /// As [`Source::open`].
    pub fn open_result(path: &std::path::Path, options: &OpenOptions) -> Result<Source> {
        Source::of(PathBuf::new(), vec![paths::result(path)?], options)
    }

    fn of(root: PathBuf, found: Vec<paths::Found>, options: &OpenOptions) -> Result<Source> {
        if u32::try_from(found.len()).is_err() {
            return Err(Error::usage("too many files"));
        }
        let Some(first) = found.first() else { return Err(Error::usage("no data file was found")) };
        if let Some(other) = found.iter().find(|f| f.format.family() != first.format.family()) {
            let (a, b) = ((first.format.family(), &first.path), (other.format.family(), &other.path));
            let message = format!("one dataset holds two formats: {} is {}, {} is {}", a.1.display(), a.0, b.1.display(), b.0);
            return Err(Error::usage(message).help("check them apart, or name the files of one format"));
        }
        let tables = open_all(&found, options)?;
        let fields: Vec<Field> = tables.first().map(|t| t.fields().to_vec()).unwrap_or_default();
        let mut shown = Fields::from(fields.clone());
        for (table, file) in tables.iter().zip(&found).skip(1) {
            schema::agree((&first.relative, &shown), &file.path, table.fields())?;
        }
        let partitions = hive::Partitions::of(&found, &shown)?;
        shown = fields.into_iter().chain(partitions.fields()).collect();
        let files = tables.iter().zip(found).map(|(t, f)| File { path: f.path, relative: f.relative, rows: t.rows(), bytes: t.bytes() });
        let files = files.collect();
        Ok(Source { root, files, schema: Arc::new(Schema::new(shown)), tables, partitions })
    }

    /// The files that these paths, folders and globs name, sorted; none is opened.
    ///
    /// # Errors
    /// Usage errors for paths that name nothing or something twice.
    pub fn find(paths: &[String]) -> Result<Vec<PathBuf>> {
        Ok(paths::find(paths)?.1.into_iter().map(|f| f.path).collect())
    }

    pub fn rows(&self) -> u64 {
        self.files.iter().map(|f| f.rows).sum()
    }

    /// All rows, cut by the files' own layout: the same on every machine.
    pub fn shards(&self) -> Vec<Shard> {
        let mut shards = Vec::new();
        for (source, table) in self.tables.iter().enumerate() {
            let source = source as u32;
            shards.extend(table.shards().into_iter().map(|(first_row, rows)| Shard { source, first_row, rows }));
        }
        shards
    }

    /// Reads a shard in order; `columns` are top-level names (unknown ones are an internal error);
    /// an empty list still yields batches with the right row counts. Companions of
    /// [`unparsed_column`] come along unasked, and asking for one asks for its column.
    pub fn read(&self, shard: &Shard, columns: &[String], f: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        let at = shard.source as usize;
        let (Some(table), Some(file)) = (self.tables.get(at), self.files.get(at)) else {
            return Err(Error::internal(format!("shard of unknown file {at}")));
        };
        if shard.first_row.checked_add(shard.rows).is_none_or(|end| end > file.rows) {
            return Err(Error::internal(format!("shard beyond the end of {}", file.relative)));
        }
        let prefix = unparsed_column("");
        let mut wanted: Vec<usize> = Vec::with_capacity(columns.len());
        for name in columns {
            let base = name.strip_prefix(&prefix).unwrap_or(name);
            let index = self.schema.index_of(base).map_err(|_| Error::internal(format!("no column {base:?} to read")))?;
            if !wanted.contains(&index) {
                wanted.push(index);
            }
        }
        wanted.sort_unstable();
        let stored = self.schema.fields().len() - self.partitions.len();
        let own: Vec<usize> = {
            let of_name = |i: &usize| table.fields().iter().position(|f| f.name() == self.schema.field(*i).name());
            wanted.iter().filter(|i| **i < stored).filter_map(of_name).collect()
        };
        let mut row = shard.first_row;
        let end = shard.first_row + shard.rows;
        table.read(shard.first_row, shard.rows, &own, &mut |batch| {
            let damaged = |e: arrow::error::ArrowError| Error::data(&file.path, format!("row {row}: {e}"));
            let mut fields = Vec::with_capacity(wanted.len());
            let mut arrays: Vec<ArrayRef> = Vec::with_capacity(wanted.len());
            let rows = batch.num_rows();
            for index in &wanted {
                let field = self.schema.field(*index);
                let array = if *index < stored {
                    let array = batch
                        .column_by_name(field.name())
                        .ok_or_else(|| Error::internal(format!("column {:?} was not read", field.name())))?;
                    schema::conform(array, field.data_type()).map_err(damaged)?
                } else {
                    self.partitions.array(at, *index - stored, rows)
                };
                fields.push(self.schema.fields()[*index].clone());
                arrays.push(array);
                if let Some(marks) = batch.column_by_name(&unparsed_column(field.name())) {
                    fields.push(Arc::new(Field::new(unparsed_column(field.name()), DataType::Boolean, true)));
                    arrays.push(marks.clone());
                }
            }
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let frame = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(Error::internal)?;
            let mut from = 0;
            while from < rows {
                let n = (rows - from).min(MAX_ROWS);
                let part = if n == rows { frame.clone() } else { frame.slice(from, n) };
                f(Batch::new(part, shard.source, row))?;
                from += n;
                row += n as u64;
            }
            Ok(())
        })?;
        if row == end {
            return Ok(());
        }
        let message = format!("{} rows were announced and {} are there", group_digits(shard.rows), group_digits(row - shard.first_row));
        Err(Error::data(&file.path, message).help("the file is damaged; write or fetch it again"))
    }

    /// What the first file's own metadata says under a key: of Parquet and Arrow files.
    pub fn metadata(&self, key: &str) -> Option<String> {
        self.tables.first()?.metadata(key)
    }

    /// Hex digest of sorted path, size and footer digest (content hash for text files).
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        for (file, table) in self.files.iter().zip(&self.tables) {
            hash.update((file.relative.len() as u64).to_le_bytes());
            hash.update(file.relative.as_bytes());
            hash.update(file.bytes.to_le_bytes());
            hash.update(table.digest());
        }
        hex(&hash.finalize())
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Of all that follows, read piece by piece.
pub(crate) fn sha256_of(input: &mut impl std::io::Read) -> std::io::Result<[u8; 32]> {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn open_all(found: &[paths::Found], options: &OpenOptions) -> Result<Vec<Box<dyn Table>>> {
    fn boxed<T: Table + 'static>(tables: Vec<T>) -> Vec<Box<dyn Table>> {
        tables.into_iter().map(|t| Box::new(t) as Box<dyn Table>).collect()
    }
    match found.first().map(|f| f.format) {
        Some(Format::Csv { .. }) => {
            let mut tables = each(found, options, |f| match f.format {
                Format::Csv { tabs, packed } => csv::CsvTable::scan(&f.path, tabs, packed, options),
                other => Err(Error::internal(other.family())),
            })?;
            csv::CsvTable::settle(&mut tables, &options.declared)?;
            Ok(boxed(tables))
        }
        Some(Format::Parquet) => Ok(boxed(each(found, options, |f| parquet::ParquetTable::open(&f.path))?)),
        Some(Format::Json { .. }) => {
            let mut tables = each(found, options, |f| match f.format {
                Format::Json { packed } => json::JsonTable::scan(&f.path, packed, options),
                other => Err(Error::internal(other.family())),
            })?;
            json::JsonTable::settle(&mut tables, &options.declared)?;
            Ok(boxed(tables))
        }
        Some(Format::Arrow) => Ok(boxed(each(found, options, |f| ipc::IpcTable::open(&f.path))?)),
        Some(Format::Array) => Ok(boxed(each(found, options, |f| arrays::ArrayFile::open(&f.path))?)),
        Some(Format::Image) => Ok(boxed(each(found, options, |f| images::ImageFile::open(&f.path, &f.relative))?)),
        None => Ok(Vec::new()),
    }
}

/// Opens every file before it gives up, so that all bad ones are named at once.
fn each<T>(found: &[paths::Found], options: &OpenOptions, open: impl Fn(&paths::Found) -> Result<T>) -> Result<Vec<T>> {
    let (mut tables, mut errors) = (Vec::with_capacity(found.len()), Vec::new());
    for file in found {
        options.check_stop()?;
        match open(file) {
            Ok(table) => tables.push(table),
            Err(Error::Interrupted) => return Err(Error::Interrupted),
            Err(e) => errors.push(e),
        }
    }
    all_in_one(errors).map_or(Ok(tables), Err)
}

/// For the modules that read text: a batch of columns, each with its marks beside it.
fn gather(rows: usize, fields: &Fields, columns: Vec<(ArrayRef, Option<ArrayRef>)>) -> Result<RecordBatch> {
    let mut shown = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for (field, (array, marks)) in fields.iter().zip(columns) {
        shown.push(field.clone());
        arrays.push(array);
        if let Some(marks) = marks {
            shown.push(Arc::new(Field::new(unparsed_column(field.name()), DataType::Boolean, true)));
            arrays.push(marks);
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(shown)), arrays, &options).map_err(Error::internal)
}

/// The first error, which names in its help the other files that failed.
fn all_in_one(errors: Vec<Error>) -> Option<Error> {
    let mut errors = errors.into_iter();
    let mut first = errors.next()?;
    let others: Vec<Error> = errors.collect();
    if let (Error::Data { message, .. }, false) = (&mut first, others.is_empty()) {
        message.push_str(&format!("; {} cannot be read either:", plural(others.len(), "other file")));
        for other in others.iter().take(20) {
            message.push_str(&format!("\n  {other}"));
        }
        if others.len() > 20 {
            message.push_str(&format!("\n  and {} more", others.len() - 20));
        }
    }
    Some(first)
}
