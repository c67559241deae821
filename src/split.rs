//! `taster split`: a dataset in two folders, the rows that stay and those that the quarantine list names,
//! in the input's own format. Nothing is lost, and that is proven on what stands on the disk afterwards:
//! counts and contents of both halves add up to the input's.
//!
//! ```text
//!  list ─► rows to take out, per file ─┐
//!  file ───────────────────────────────┴─► OUT/.unfinished-…/{clean,quarantined}/file ─► measured again
//!  all files done ─► OUT/clean, OUT/quarantined ─► OUT/split.json, which says that it is complete
//! ```

mod folder;
mod list;

use crate::error::{Error, Result, group_digits, plural};
use crate::quarantine::{AtomicFile, hex};
use crate::source::Source;
use crate::source::divide::{Content, Halves, Removed};
use folder::Folder;
pub use list::{Heard, List, read as read_list};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Written last: without it a split is not complete.
pub const SUMMARY: &str = "split.json";
const SCHEMA: &str = "taster-split/1";

pub struct Options<'a> {
    pub out: &'a Path,
    /// Rows for review are taken out too.
    pub review_out: bool,
    /// An earlier split in `out` may be replaced.
    pub overwrite: bool,
    pub stop: Option<&'a AtomicBool>,
}

/// What was done, as `split.json` has it.
#[derive(Debug, Serialize)]
pub struct Summary {
    schema: &'static str,
    tool: Tool,
    pub input: Side,
    pub clean: Side,
    pub quarantined: Side,
    /// What the list said of rows.
    pub list: Told,
    /// What people's decisions changed of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decisions: Option<Heard>,
    /// Which rows of the list stayed.
    pub review: &'static str,
    pub files: Vec<FileRows>,
}

#[derive(Debug, Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Debug, Serialize)]
pub struct Side {
    pub path: PathBuf,
    pub rows: u64,
    /// Sum of the rows' hashes modulo 2^128, in hex.
    pub content: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Told {
    pub path: PathBuf,
    pub sha256: String,
    pub run_id: Option<String>,
    /// Whether a report says that the list is about exactly this data.
    pub matched_report: bool,
    pub quarantine: u64,
    pub review: u64,
}

#[derive(Debug, Serialize)]
pub struct FileRows {
    pub file: String,
    pub clean: u64,
    pub quarantined: u64,
}

fn side(path: &Path, content: Content) -> Side {
    Side { path: path.to_owned(), rows: content.rows, content: hex(&content.hash.to_be_bytes()), fingerprint: None }
}

/// Rows to take out, per file of the dataset.
fn removed(source: &Source, list: &List, review_out: bool) -> Result<Vec<Removed>> {
    let index: BTreeMap<&str, usize> = source.files.iter().enumerate().map(|(i, f)| (f.relative.as_str(), i)).collect();
    let mut rows: Vec<Vec<u64>> = vec![Vec::new(); source.files.len()];
    for (file, row, quarantine) in &list.lines {
        // A list in CSV puts an apostrophe before what a spreadsheet would compute.
        let found = index.get(list.files[*file].as_str()).or_else(|| index.get(list.files[*file].strip_prefix('\'')?));
        let Some(&at) = found else {
            let name = &list.files[*file];
            let message = format!("names the file `{name}`, which the data below {} does not have", source.root.display());
            return Err(Error::data(&list.path, message).help("split the data that was checked, with the same paths"));
        };
        if *row >= source.files[at].rows {
            let message = format!(
                "names row {} of `{}`, which has {}",
                group_digits(*row),
                list.files[*file],
                plural(source.files[at].rows as usize, "row")
            );
            return Err(Error::data(&list.path, message).help("the data changed since it was checked; check it again"));
        }
        if *quarantine || review_out {
            rows[at].push(*row);
        }
    }
    let made = rows.iter().zip(&source.files).map(|(rows, f)| Removed::of(f.rows, rows));
    made.collect::<Option<Vec<_>>>().ok_or_else(|| Error::internal("a row beyond the end of its file"))
}

/// Divides the data as the list says.
///
/// # Errors
/// A data error when list and data do not go together or a file is damaged; a resource error when the
/// output cannot be written; in every case the output folder is as it was.
pub fn split(source: &Source, list: List, options: &Options<'_>) -> Result<Summary> {
    let removed = removed(source, &list, options.review_out)?;
    let matched_report = list.agrees_with(source)?;
    let mut folder = Folder::open(options.out, options.overwrite)?;
    let (clean, quarantined) = (folder.work().join("clean"), folder.work().join("quarantined"));
    for path in [&clean, &quarantined] {
        std::fs::create_dir_all(path).map_err(|e| crate::quarantine::io_error(&format!("cannot write to {}", path.display()), &e))?;
    }
    let one = |i: usize| -> Result<(Content, Content, Content)> {
        let relative = below(&source.files[i].relative)?;
        let (kept, taken) = (clean.join(&relative), quarantined.join(&relative));
        let has_any = removed[i].count > 0;
        let halves = Halves { removed: &removed[i], clean: &kept, quarantined: has_any.then_some(taken.as_path()), stop: options.stop };
        let (divided, input) = rayon::join(|| source.divide(i, &halves), || source.content(i, None));
        divided?;
        let input = input?;
        let kept = source.content(i, Some(&kept))?;
        let taken = if has_any { source.content(i, Some(&taken))? } else { Content::default() };
        // Here and not only in the sum, so that the file is named.
        if kept.and(taken) != input || taken.rows != removed[i].count {
            let path = &source.files[i].path;
            let message = format!(
                "its halves do not add up: {} and {} rows of {}",
                group_digits(kept.rows),
                group_digits(taken.rows),
                group_digits(input.rows)
            );
            return Err(Error::data(path, message).help("nothing was written; did the file change meanwhile? If not, please report it"));
        }
        Ok((input, kept, taken))
    };
    let measured = (0..source.files.len()).into_par_iter().map(one).collect::<Result<Vec<_>>>()?;
    let (mut input, mut kept, mut taken) = (Content::default(), Content::default(), Content::default());
    let mut files = Vec::with_capacity(measured.len());
    for ((a, b, c), file) in measured.iter().zip(&source.files) {
        (input, kept, taken) = (input.and(*a), kept.and(*b), taken.and(*c));
        files.push(FileRows { file: file.relative.clone(), clean: b.rows, quarantined: c.rows });
    }
    let count = |q: bool| list.lines.iter().filter(|l| l.2 == q).count() as u64;
    let summary = Summary {
        schema: SCHEMA,
        tool: Tool { name: "taster", version: env!("CARGO_PKG_VERSION") },
        input: Side { fingerprint: Some(source.fingerprint()), ..side(&source.root, input) },
        clean: side(&options.out.join("clean"), kept),
        quarantined: side(&options.out.join("quarantined"), taken),
        list: Told {
            path: list.path.clone(),
            sha256: list.sha256.clone(),
            run_id: list.run_id.clone(),
            matched_report,
            quarantine: count(true),
            review: count(false),
        },
        decisions: list.heard.clone(),
        review: if options.review_out { "taken out" } else { "kept" },
        files,
    };
    let mut text = serde_json::to_vec_pretty(&summary).map_err(Error::internal)?;
    text.push(b'\n');
    folder.publish()?;
    let mut file = AtomicFile::create(&options.out.join(SUMMARY), false)?;
    file.write_all(&text).map_err(|e| crate::quarantine::io_error("writing split.json", &e))?;
    file.finish("json", 0)?.commit()?;
    folder.close();
    Ok(summary)
}

/// A relative path with nothing but names in it.
fn below(relative: &str) -> Result<PathBuf> {
    let path = Path::new(relative);
    let plain = path.components().all(|c| matches!(c, std::path::Component::Normal(_)));
    if plain && !relative.is_empty() {
        Ok(path.to_owned())
    } else {
        Err(Error::internal(format!("{relative:?} is no place below a folder")))
    }
}

#[cfg(test)]
mod tests;
