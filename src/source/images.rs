//! Folders of images: every file is one row, its bytes beside the name of its folder, which is its
//! class in the trees that image loaders read (`train/cat/001.png`). A file that does not decode is a
//! row all the same: what is wrong with it is a finding, not a reason to see nothing.

use super::divide::{Content, Halves, create, whole, written};
use super::guard::Stamp;
use super::{Rows, Table, sha256};
use crate::error::{Error, Result};
use arrow::array::{ArrayRef, BinaryViewArray, RecordBatch, RecordBatchOptions, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file larger than this is no training image, and a row has to fit in memory.
const MOST_BYTES: u64 = 256 << 20;

pub(super) struct ImageFile {
    path: PathBuf,
    stamp: Stamp,
    fields: Vec<Field>,
    /// Name of the folder it lies in.
    label: Option<String>,
    relative: String,
    digest: [u8; 32],
}

impl ImageFile {
    pub fn open(path: &Path, relative: &str) -> Result<ImageFile> {
        let file = std::fs::File::open(path).map_err(|e| super::paths::unreadable(path, &e))?;
        let stamp = Stamp::of(path, &file)?;
        if stamp.bytes > MOST_BYTES {
            return Err(Error::data(path, format!("an image of {} MB: more than a row may hold", stamp.bytes >> 20))
                .help("take the file out of the dataset, or store it smaller"));
        }
        // One folder given alone is the root, and yet it is the class.
        let whole = std::fs::canonicalize(path).map_err(|e| super::paths::unreadable(path, &e))?;
        let label = Path::new(relative).parent().and_then(Path::file_name).or_else(|| whole.parent().and_then(Path::file_name));
        let label = label.and_then(|name| name.to_str()).map(str::to_owned);
        let fields = [("image", DataType::BinaryView), ("label", DataType::Utf8View), ("path", DataType::Utf8View)];
        let fields = fields.into_iter().map(|(name, t)| Field::new(name, t, true)).collect();
        let mut table = ImageFile { path: path.to_owned(), stamp, fields, label, relative: relative.to_owned(), digest: [0; 32] };
        table.digest = sha256(&table.bytes_of(file)?);
        Ok(table)
    }

    fn bytes_of(&self, file: std::fs::File) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.stamp.bytes as usize);
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|e| super::paths::unreadable(&self.path, &e))?;
        if bytes.len() as u64 != self.stamp.bytes {
            return Err(Error::data(&self.path, "the file changed during the run").help("run again when nobody writes to the dataset"));
        }
        Ok(bytes)
    }
}

impl Table for ImageFile {
    fn fields(&self) -> &[Field] {
        &self.fields
    }
    fn rows(&self) -> u64 {
        1
    }
    fn bytes(&self) -> u64 {
        self.stamp.bytes
    }
    fn digest(&self) -> [u8; 32] {
        self.digest
    }
    fn shards(&self) -> Vec<(u64, u64)> {
        vec![(0, 1)]
    }
    fn divide(&self, halves: &Halves<'_>) -> Result<()> {
        let bytes = self.bytes_of(self.stamp.reopen(&self.path)?)?;
        // A file is a row: it stands in one half alone.
        let path = match halves.quarantined {
            Some(path) if halves.removed.contains(0) => path,
            _ => halves.clean,
        };
        let mut file = create(path)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(|e| written(path, &e))
    }
    fn content(&self, path: &Path) -> Result<Content> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(whole(&bytes)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Content::default()),
            Err(e) => Err(super::paths::unreadable(path, &e)),
        }
    }
    fn read(&self, _: u64, rows: u64, columns: &[usize], f: Rows<'_>) -> Result<()> {
        if rows == 0 {
            return Ok(());
        }
        let mut shown = Vec::with_capacity(columns.len());
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
        for &column in columns {
            let array: ArrayRef = match column {
                0 => {
                    let file = self.stamp.reopen(&self.path)?;
                    Arc::new(BinaryViewArray::from_iter_values([self.bytes_of(file)?]))
                }
                1 => Arc::new(StringViewArray::from_iter([self.label.as_deref()])),
                _ => Arc::new(StringViewArray::from_iter_values([&self.relative])),
            };
            let field = self.fields.get(column).ok_or_else(|| Error::internal("no such column of an image"))?;
            shown.push(field.clone());
            arrays.push(array);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        f(RecordBatch::try_new_with_options(Arc::new(Schema::new(shown)), arrays, &options).map_err(Error::internal)?)
    }
}
