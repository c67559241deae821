//! Paths, folders and globs become files; files become shards; a shard becomes batches.
//!
//! Placeholder signatures; see the module's files for each format.

use crate::batch::Batch;
use crate::error::Result;
use arrow::datatypes::{DataType, SchemaRef};
use std::path::PathBuf;

/// Column that marks cells of a text file that did not parse as their declared type: the cell
/// itself reads as null, and this boolean companion is true. Absent for typed formats.
pub fn unparsed_column(name: &str) -> String {
    format!("\u{0}unparsed:{name}")
}

#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    pub format: crate::contract::Format,
    /// Types that the contract declares, for text formats. Cells that do not parse are null and
    /// marked in [`unparsed_column`].
    pub declared: Vec<(String, DataType)>,
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

pub struct Source {
    pub root: PathBuf,
    /// Sorted by relative path; the index is `RowId::source`.
    pub files: Vec<File>,
    pub schema: SchemaRef,
}

impl Source {
    pub fn open(_paths: &[String], _options: &OpenOptions) -> Result<Source> {
        Err(crate::error::Error::internal("not built"))
    }
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|f| f.rows).sum()
    }
    pub fn shards(&self) -> Vec<Shard> {
        Vec::new()
    }
    /// Reads a shard in order; `columns` are top-level names (unknown ones are an internal error);
    /// an empty list still yields batches with the right row counts.
    pub fn read(&self, _shard: &Shard, _columns: &[String], _f: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        Err(crate::error::Error::internal("not built"))
    }
    /// Hex digest of sorted path, size and footer digest (content hash for text files).
    pub fn fingerprint(&self) -> String {
        String::new()
    }
}
