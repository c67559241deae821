//! Plain arrays: NumPy's `.npy` and the IDX files that digit collections come in. The rows are the
//! first dimension; the labels lie in a file of their own beside them, found by its name
//! (`X_train.npy` and `y_train.npy`, `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`).
//!
//! Headers are attacker-controlled: the size that they promise must be the file's, so nothing is
//! allocated that is not there.

use super::divide::{Content, Halves, create, decoded, seal, written};
use super::guard::Stamp;
use super::{Rows, Table};
use crate::error::{Error, Result, group_digits};
use arrow::array::{ArrayRef, BinaryViewArray, FixedSizeListArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SHARD_ROWS: u64 = 64 * 1024;
/// Bytes that are read at once, about.
const BLOCK: u64 = 16 << 20;
/// A row larger than this is no training example, and it has to fit in memory.
const MOST_BYTES: u64 = 64 << 20;

/// One array file: its first dimension is the rows.
struct Matrix {
    path: PathBuf,
    stamp: Stamp,
    number: DataType,
    shape: Vec<u64>,
    /// Where the numbers begin, and the bytes of a row.
    start: u64,
    row: u64,
    digest: [u8; 32],
}

pub(super) struct ArrayFile {
    data: Matrix,
    labels: Option<Matrix>,
    fields: Vec<Field>,
}

/// Names of the file of labels that may lie beside a file of data, from the file's own name.
fn label_names(name: &str) -> Vec<String> {
    let mut names = Vec::new();
    for word in ["images", "embeddings", "vectors", "features", "data"] {
        if name.contains(word) {
            names.push(name.replacen(word, "labels", 1).replace("idx3", "idx1"));
        }
    }
    if let Some(rest) = name.strip_prefix(['X', 'x']).filter(|r| r.starts_with(['.', '_', '-'])) {
        names.push(format!("y{rest}"));
    }
    names
}

/// The file of labels beside this one, if there is one.
pub(super) fn labels_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    label_names(name).into_iter().map(|n| path.with_file_name(n)).find(|p| p.is_file())
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::data(path, format!("the array file is damaged: {why}")).help("write or fetch the file again")
}

fn unread(path: &Path, what: &str) -> Error {
    Error::data(path, format!("{what} is not read by taster"))
        .help("save it again as a C-ordered array of little-endian integers, float32 or float64: np.save(path, np.ascontiguousarray(a, 'float32'))")
}

impl Matrix {
    fn open(path: &Path) -> Result<Matrix> {
        let mut file = File::open(path).map_err(|e| super::paths::unreadable(path, &e))?;
        let stamp = Stamp::of(path, &file)?;
        let mut head = Vec::new();
        (&mut file).take(1 << 16).read_to_end(&mut head).map_err(|e| super::paths::unreadable(path, &e))?;
        let (number, shape, start) = if head.starts_with(b"\x93NUMPY") { npy(path, &head)? } else { idx(path, &head)? };
        if shape.is_empty() {
            return Err(unread(path, "an array without dimensions"));
        }
        let width = number.primitive_width().unwrap_or(1) as u64;
        let row = shape[1..].iter().try_fold(width, |n, d| n.checked_mul(*d)).filter(|n| *n <= MOST_BYTES);
        let row = row.ok_or_else(|| damaged(path, "a row of it is larger than a row may be"))?;
        if row == 0 {
            return Err(damaged(path, "its rows hold nothing"));
        }
        let promised = row.checked_mul(shape[0]).and_then(|n| n.checked_add(start));
        if promised != Some(stamp.bytes) {
            let promised = promised.map_or_else(|| "more bytes than there can be".into(), |n| format!("{} bytes", group_digits(n)));
            return Err(damaged(path, &format!("its header promises {promised} and it has {}", group_digits(stamp.bytes))));
        }
        file.seek(SeekFrom::Start(0)).map_err(|e| super::paths::unreadable(path, &e))?;
        let digest = super::sha256_of(&mut file).map_err(|e| super::paths::unreadable(path, &e))?;
        Ok(Matrix { path: path.to_owned(), stamp, number, shape, start, row, digest })
    }

    fn bytes(&self, first: u64, rows: u64) -> Result<Vec<u8>> {
        let failed = |e: std::io::Error| super::paths::unreadable(&self.path, &e);
        let mut file = self.stamp.reopen(&self.path)?;
        file.seek(SeekFrom::Start(self.start + first * self.row)).map_err(failed)?;
        let mut bytes = vec![0; (rows * self.row) as usize];
        file.read_exact(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// The header with another number of rows, its length unchanged: numpy leaves room for it.
    fn header(&self, rows: u64) -> Result<Vec<u8>> {
        let mut file = self.stamp.reopen(&self.path)?;
        let mut head = vec![0; self.start as usize];
        file.read_exact(&mut head).map_err(|e| super::paths::unreadable(&self.path, &e))?;
        if !head.starts_with(b"\x93NUMPY") {
            let rows = u32::try_from(rows).map_err(Error::internal)?;
            head.get_mut(4..8).ok_or_else(|| Error::internal("an IDX file without its sizes"))?.copy_from_slice(&rows.to_be_bytes());
            return Ok(head);
        }
        // Fewer rows never take more digits; the rest is spaces before the line break.
        let changed = || -> Option<Vec<u8>> {
            let from = head.windows(7).position(|w| w == b"'shape'")?;
            let open = from + head[from..].iter().position(|b| *b == b'(')? + 1;
            let digits = head[open..].iter().position(|b| matches!(b, b',' | b')'))?;
            let mut out = head[..open].to_vec();
            out.extend_from_slice(rows.to_string().as_bytes());
            out.extend_from_slice(head[open + digits..].strip_suffix(b"\n").unwrap_or(&head[open + digits..]));
            out.resize(head.len() - 1, b' ');
            out.push(b'\n');
            Some(out)
        };
        changed().filter(|h| h.len() == head.len()).ok_or_else(|| damaged(&self.path, "its header has no shape"))
    }

    fn divide(&self, halves: &Halves<'_>, clean: &Path, quarantined: Option<&Path>) -> Result<()> {
        let out = quarantined.map_or(0, |_| halves.removed.count);
        let begin = |path: &Path, rows: u64| -> Result<BufWriter<File>> {
            let mut file = BufWriter::with_capacity(1 << 18, create(path)?);
            file.write_all(&self.header(rows)?).map_err(|e| written(path, &e))?;
            Ok(file)
        };
        let mut kept = begin(clean, self.shape[0] - out)?;
        let mut taken = quarantined.map(|p| begin(p, out)).transpose()?;
        let block = (BLOCK / self.row).max(1);
        for first in (0..self.shape[0]).step_by(block as usize) {
            halves.check_stop()?;
            let bytes = self.bytes(first, block.min(self.shape[0] - first))?;
            for (row, bytes) in (first..).zip(bytes.chunks_exact(self.row as usize)) {
                match (&mut taken, quarantined) {
                    (Some(file), Some(path)) if halves.removed.contains(row) => file.write_all(bytes).map_err(|e| written(path, &e))?,
                    _ => kept.write_all(bytes).map_err(|e| written(clean, &e))?,
                }
            }
        }
        seal(kept, clean)?;
        taken.zip(quarantined).map_or(Ok(()), |(file, path)| seal(file, path))
    }

    fn is_image(&self) -> bool {
        self.shape.len() == 3
    }

    fn type_(&self) -> DataType {
        match self.shape.len() {
            1 => self.number.clone(),
            2 => DataType::FixedSizeList(Arc::new(Field::new("item", self.number.clone(), true)), self.shape[1] as i32),
            _ => DataType::BinaryView,
        }
    }

    fn array(&self, first: u64, rows: u64) -> Result<ArrayRef> {
        let bytes = self.bytes(first, rows)?;
        if self.is_image() {
            let (height, width) = (self.shape[1] as u32, self.shape[2] as u32);
            let mut files = Vec::with_capacity(rows as usize);
            for pixels in bytes.chunks_exact(self.row as usize) {
                let mut png = Vec::with_capacity(pixels.len());
                PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::NoFilter)
                    .write_image(pixels, width, height, ExtendedColorType::L8)
                    .map_err(Error::internal)?;
                files.push(png);
            }
            return Ok(Arc::new(BinaryViewArray::from_iter_values(files)));
        }
        let values = numbers(&self.number, &bytes)?;
        if self.shape.len() == 1 {
            return Ok(values);
        }
        let DataType::FixedSizeList(field, width) = self.type_() else { return Err(Error::internal("a matrix that is no list")) };
        Ok(Arc::new(FixedSizeListArray::try_new(field, width, values, None).map_err(Error::internal)?))
    }
}

/// Little-endian numbers as an array of their type.
fn numbers(t: &DataType, bytes: &[u8]) -> Result<ArrayRef> {
    let data = arrow::array::ArrayData::builder(t.clone());
    let width = t.primitive_width().ok_or_else(|| Error::internal("numbers without a width"))?;
    // The machine's own order: arrow's buffers are little-endian only on little-endian machines.
    let mut bytes = bytes.to_vec();
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    let data = data.len(bytes.len() / width).add_buffer(arrow::buffer::Buffer::from(bytes)).align_buffers(true).build();
    Ok(arrow::array::make_array(data.map_err(Error::internal)?))
}

type Header = (DataType, Vec<u64>, u64);

/// NumPy's format, versions 1 to 3: magic, length, a Python dictionary in text.
fn npy(path: &Path, head: &[u8]) -> Result<Header> {
    let short = || damaged(path, "its header is cut short");
    let (length, at) = match head.get(6).ok_or_else(short)? {
        1 => (u64::from(u16::from_le_bytes([*head.get(8).ok_or_else(short)?, *head.get(9).ok_or_else(short)?])), 10),
        2 | 3 => {
            let four: [u8; 4] = head.get(8..12).and_then(|b| b.try_into().ok()).ok_or_else(short)?;
            (u64::from(u32::from_le_bytes(four)), 12)
        }
        other => return Err(unread(path, &format!("version {other} of the .npy format"))),
    };
    let start = at as u64 + length;
    let text = head.get(at..start as usize).and_then(|b| std::str::from_utf8(b).ok()).ok_or_else(short)?;
    let after = |key: &str| text.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start()).ok_or_else(short);
    let Some(descr) = after("descr")?.strip_prefix('\'').and_then(|d| d.split_once('\'')).map(|(d, _)| d) else {
        return Err(unread(path, "an array of records"));
    };
    let number = match descr {
        "<f4" => DataType::Float32,
        "<f8" => DataType::Float64,
        "|i1" => DataType::Int8,
        "<i2" => DataType::Int16,
        "<i4" => DataType::Int32,
        "<i8" => DataType::Int64,
        "|u1" => DataType::UInt8,
        "<u2" => DataType::UInt16,
        "<u4" => DataType::UInt32,
        "<u8" => DataType::UInt64,
        other => return Err(unread(path, &format!("an array of the type {:?}", other.chars().take(12).collect::<String>()))),
    };
    let shape = after("shape")?.strip_prefix('(').and_then(|s| s.split_once(')')).map(|(s, _)| s).ok_or_else(short)?;
    let shape: std::result::Result<Vec<u64>, _> = shape.split(',').map(str::trim).filter(|d| !d.is_empty()).map(str::parse).collect();
    let shape = shape.map_err(|_| damaged(path, "its shape is no list of sizes"))?;
    if after("fortran_order")?.starts_with("True") && shape.len() > 1 {
        return Err(unread(path, "an array in Fortran order"));
    }
    if shape.len() > 2 {
        return Err(unread(path, &format!("an array of {} dimensions", shape.len())));
    }
    Ok((number, shape, start))
}

/// IDX: two zeros, the type, the number of dimensions, each size as 32 bits, most significant first.
fn idx(path: &Path, head: &[u8]) -> Result<Header> {
    let short = || damaged(path, "its header is cut short");
    let &[0, 0, kind, dimensions] = head.get(..4).ok_or_else(short)? else {
        return Err(damaged(path, "wrong magic bytes at its start: neither .npy nor IDX"));
    };
    if kind != 8 {
        return Err(Error::data(path, "an IDX file of other numbers than unsigned bytes is not read by taster").help("convert it to .npy"));
    }
    if ![1, 3].contains(&dimensions) {
        let message = format!("an IDX file of {dimensions} dimensions is not read by taster: it has neither labels nor grey images");
        return Err(Error::data(path, message).help("convert it to .npy"));
    }
    let end = 4 + 4 * usize::from(dimensions);
    let sizes = head.get(4..end).ok_or_else(short)?.chunks_exact(4);
    let shape = sizes.map(|b| b.iter().fold(0, |n, d| n << 8 | u64::from(*d))).collect();
    Ok((DataType::UInt8, shape, end as u64))
}

impl ArrayFile {
    pub fn open(path: &Path) -> Result<ArrayFile> {
        let data = Matrix::open(path)?;
        let labels = labels_of(path).map(|p| Matrix::open(&p)).transpose()?;
        if let Some(labels) = &labels {
            if labels.shape.len() != 1 {
                return Err(damaged(&labels.path, "labels have one dimension"));
            }
            if labels.shape[0] != data.shape[0] {
                let (a, b) = (group_digits(labels.shape[0]), group_digits(data.shape[0]));
                return Err(damaged(&labels.path, &format!("it has {a} labels for the {b} rows of {}", path.display())));
            }
        }
        let name = match data.shape.len() {
            1 => "value",
            2 => "embedding",
            _ => "image",
        };
        let mut fields = vec![Field::new(name, data.type_(), true)];
        fields.extend(labels.as_ref().map(|l| Field::new("label", l.type_(), true)));
        Ok(ArrayFile { data, labels, fields })
    }
}

impl Table for ArrayFile {
    fn fields(&self) -> &[Field] {
        &self.fields
    }
    fn rows(&self) -> u64 {
        self.data.shape[0]
    }
    fn bytes(&self) -> u64 {
        self.data.stamp.bytes + self.labels.as_ref().map_or(0, |l| l.stamp.bytes)
    }
    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.data.digest);
        hash.update(self.labels.as_ref().map_or([0; 32], |l| l.digest));
        hash.finalize().into()
    }
    fn shards(&self) -> Vec<(u64, u64)> {
        (0..self.rows()).step_by(SHARD_ROWS as usize).map(|from| (from, SHARD_ROWS.min(self.rows() - from))).collect()
    }
    fn divide(&self, halves: &Halves<'_>) -> Result<()> {
        self.data.divide(halves, halves.clean, halves.quarantined)?;
        let Some(labels) = &self.labels else { return Ok(()) };
        let beside = |path: &Path| labels.path.file_name().map_or_else(|| path.to_owned(), |name| path.with_file_name(name));
        labels.divide(halves, &beside(halves.clean), halves.quarantined.map(beside).as_deref())
    }
    fn content(&self, path: &Path) -> Result<Content> {
        if path == self.data.path { decoded(self) } else { decoded(&ArrayFile::open(path)?) }
    }
    fn read(&self, first: u64, rows: u64, columns: &[usize], f: Rows<'_>) -> Result<()> {
        let block = (BLOCK / self.data.row).max(1);
        let mut from = first;
        while from < first + rows {
            let n = block.min(first + rows - from);
            let (mut shown, mut arrays) = (Vec::new(), Vec::new());
            for &column in columns {
                let matrix = if column == 0 { Some(&self.data) } else { self.labels.as_ref() };
                let matrix = matrix.ok_or_else(|| Error::internal("no such column of an array"))?;
                shown.push(self.fields[column].clone());
                arrays.push(matrix.array(from, n)?);
            }
            let options = RecordBatchOptions::new().with_row_count(Some(n as usize));
            f(RecordBatch::try_new_with_options(Arc::new(Schema::new(shown)), arrays, &options).map_err(Error::internal)?)?;
            from += n;
        }
        Ok(())
    }
}
