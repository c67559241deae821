//! A quarantine list, read back: in any of its formats, of any age and from anybody. It is data like all
//! other data, so it goes through [`Source`] and its checks.

use crate::batch::{Text, cell_text};
use crate::error::{Error, Result};
use crate::quarantine::{Format, RUN_ID_KEY, hex};
use crate::source::{OpenOptions, Source};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, UInt64Type};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The lines of a list: of ten million rows at most a few are suspect, and those of a broken set are
/// still no more than its rows.
pub struct List {
    pub path: PathBuf,
    pub sha256: String,
    pub run_id: Option<String>,
    pub files: Vec<String>,
    /// (index into `files`, row, whether the row is to be taken out rather than reviewed)
    pub lines: Vec<(usize, u64, bool)>,
}

fn digest(path: &Path) -> Result<String> {
    let failed = |e: std::io::Error| Error::data(path, format!("cannot be read: {e}"));
    let digest = std::fs::File::open(path).and_then(|mut file| crate::source::sha256_of(&mut file));
    Ok(hex(&digest.map_err(failed)?))
}

/// # Errors
/// A usage error for a suffix that no list has; a data error for what is no quarantine list.
pub fn read(path: &Path) -> Result<List> {
    let format = Format::of(path)?;
    let sha256 = digest(path)?;
    let mut list = List { path: path.to_owned(), sha256, run_id: None, files: Vec::new(), lines: Vec::new() };
    // A list without a line has no bytes in this format.
    if format == Format::JsonLines && std::fs::metadata(path).is_ok_and(|m| m.len() == 0) {
        return Ok(list);
    }
    let name = path.to_str().ok_or_else(|| Error::usage("the name of the list is no valid Unicode"))?;
    let declared = vec![("file".to_owned(), DataType::Utf8), ("row".to_owned(), DataType::UInt64), ("action".to_owned(), DataType::Utf8)];
    let source = Source::open(&[name.to_owned()], &OpenOptions { declared, ..OpenOptions::default() })?;
    list.run_id = source.metadata(RUN_ID_KEY);
    let columns = ["file", "row", "action"].map(str::to_owned);
    for column in &columns {
        if source.schema.index_of(column).is_err() {
            let message = format!("is no quarantine list: it has no column `{column}`");
            return Err(Error::data(path, message).help("`taster check` writes one, by default to taster-out/quarantine.parquet"));
        }
    }
    let mut index: HashMap<String, usize> = HashMap::new();
    let mut line = 0_u64;
    let mut seen = std::collections::HashSet::new();
    for shard in source.shards() {
        source.read(&shard, &columns, &mut |batch| {
            let wrong = |line: u64, what: &str| {
                Error::data(path, format!("line {}: {what}", line + 1)).help("write the list again with `taster check`")
            };
            let column = |name: &str| batch.column(name).cloned().ok_or_else(|| Error::internal("a column of the list was not read"));
            let (files, rows, actions) = (column("file")?, column("row")?, column("action")?);
            let rows = arrow::compute::cast(&rows, &DataType::UInt64).map_err(|e| wrong(line, &e.to_string()))?;
            let rows = rows.as_primitive::<UInt64Type>();
            let text = Text::of(files.as_ref()).ok_or_else(|| wrong(line, "`file` is no text"))?;
            for i in 0..batch.rows() {
                let file = text.get(i).ok_or_else(|| wrong(line, "`file` is empty"))?;
                if rows.is_null(i) {
                    return Err(wrong(line, "`row` is no row number"));
                }
                let quarantine = match cell_text(actions.as_ref(), i).as_deref() {
                    Some("quarantine") => true,
                    Some("review") => false,
                    _ => return Err(wrong(line, "`action` is neither `quarantine` nor `review`")),
                };
                let at = match index.get(file) {
                    Some(at) => *at,
                    None => {
                        index.insert(file.to_owned(), list.files.len());
                        list.files.push(file.to_owned());
                        list.files.len() - 1
                    }
                };
                if !seen.insert((at, rows.value(i))) {
                    return Err(wrong(line, &format!("row {} of `{file}` is there twice", rows.value(i))));
                }
                list.lines.push((at, rows.value(i), quarantine));
                line += 1;
            }
            Ok(())
        })?;
    }
    Ok(list)
}

impl List {
    /// Whether the report beside the list, or the one whose list it is, is about exactly this data.
    /// Without a report there is nothing to compare: `false`.
    ///
    /// # Errors
    /// A data error when the report is about other data.
    pub fn agrees_with(&self, source: &Source) -> Result<bool> {
        const LARGEST: u64 = 256 << 20;
        let path = self.path.with_file_name("report.json");
        let Ok(file) = std::fs::File::open(&path) else { return Ok(false) };
        let mut text = String::new();
        if file.take(LARGEST).read_to_string(&mut text).is_err() {
            return Ok(false);
        }
        let Ok(report) = serde_json::from_str::<serde_json::Value>(&text) else { return Ok(false) };
        let listed = report["files"].as_array().into_iter().flatten().any(|f| f["sha256"].as_str() == Some(&self.sha256));
        let same_run = self.run_id.as_deref().is_some_and(|id| report["run_id"].as_str() == Some(id));
        if !listed && !same_run {
            return Ok(false);
        }
        if report["data"]["fingerprint"].as_str() == Some(&source.fingerprint()) {
            return Ok(true);
        }
        let message = format!("is about other data than this: {} was made from other files or other bytes", path.display());
        Err(Error::data(&self.path, message).help("check the data again, or name the data that was checked, with the same paths"))
    }
}
