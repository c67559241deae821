//! A quarantine list, read back: in any of its formats, of any age and from anybody. It is data like all
//! other data, so it goes through [`Source`] and its checks.

use crate::batch::{RowId, Text, cell_text};
use crate::contract::decisions::Decision;
use crate::error::{Error, Result};
use crate::quarantine::{Format, RUN_ID_KEY, hex};
use crate::review::decided::Decided;
use crate::review::evidence;
use crate::source::{OpenOptions, Source};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, UInt64Type};
use std::collections::{BTreeSet, HashMap, HashSet};
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
    /// Once decisions have been applied.
    pub heard: Option<Heard>,
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
    let mut list = List { path: path.to_owned(), sha256, run_id: None, files: Vec::new(), lines: Vec::new(), heard: None };
    // A list without a line has no bytes in this format.
    if format == Format::JsonLines && std::fs::metadata(path).is_ok_and(|m| m.len() == 0) {
        return Ok(list);
    }
    let declared = vec![("file".to_owned(), DataType::Utf8), ("row".to_owned(), DataType::UInt64), ("action".to_owned(), DataType::Utf8)];
    let source = Source::open_result(path, &OpenOptions { declared, ..OpenOptions::default() })?;
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

/// What decisions changed of a list.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Heard {
    pub path: PathBuf,
    pub sha256: String,
    /// Lines of the list whose rows stay because a person says so.
    pub kept: u64,
    /// Rows that go because a person says so, and that the list did not take out.
    pub removed: u64,
}

impl List {
    /// Applies decisions that the list does not know yet. A line is dropped when every piece of its evidence
    /// is about a group that a person keeps the row from; what breaks the contract is never dropped so.
    ///
    /// # Errors
    /// A data error when the evidence cannot be read.
    pub fn hear(&mut self, source: &Source, decided: &Decided) -> Result<()> {
        let of_file: HashMap<&str, u32> = source.files.iter().enumerate().map(|(i, f)| (f.relative.as_str(), i as u32)).collect();
        let place = |file: &str| of_file.get(file).or_else(|| of_file.get(file.strip_prefix('\'')?)).copied();
        let row_of = |file: &str, row: u64| Some(RowId { source: place(file)?, row });
        let known = |file: &str, row: u64| row_of(file, row).is_some_and(|r| decided.of(r).next().is_some());
        let mut kept: HashSet<RowId> = HashSet::new();
        evidence::read(&self.path, &known, &mut |file, row, evidence| {
            let Some(id) = row_of(file, row) else { return Ok(()) };
            if !evidence.is_empty() && evidence.iter().all(|e| decided.keeps(id, &e.rule, e.group.as_deref()).is_some()) {
                kept.insert(id);
            }
            Ok(())
        })?;
        let remove: BTreeSet<RowId> = decided
            .rows()
            .iter()
            .filter(|(_, e)| decided.decisions.entries[*e as usize].decision == Decision::Remove)
            .map(|r| r.0)
            .collect();
        let files = &self.files;
        let ids: Vec<Option<RowId>> = self.lines.iter().map(|(file, row, _)| row_of(&files[*file], *row)).collect();
        let (mut lines, mut listed) = (Vec::with_capacity(self.lines.len()), HashSet::new());
        let mut heard = Heard { path: decided.decisions.path.clone(), sha256: decided.decisions.digest.clone(), kept: 0, removed: 0 };
        for ((file, row, quarantine), id) in self.lines.drain(..).zip(ids) {
            let goes = id.is_some_and(|id| remove.contains(&id));
            if id.is_some_and(|id| kept.contains(&id)) && !goes {
                heard.kept += 1;
                continue;
            }
            heard.removed += u64::from(goes && !quarantine);
            listed.extend(id.filter(|_| goes));
            lines.push((file, row, quarantine || goes));
        }
        for id in remove.into_iter().filter(|id| !listed.contains(id)) {
            let name = source.files[id.source as usize].relative.as_str();
            let at = self.files.iter().position(|f| f == name).unwrap_or_else(|| {
                self.files.push(name.to_owned());
                self.files.len() - 1
            });
            heard.removed += 1;
            lines.push((at, id.row, true));
        }
        self.lines = lines;
        self.heard = Some(heard);
        Ok(())
    }
}
