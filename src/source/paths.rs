//! What the user typed becomes a sorted list of files. Everything that is refused is refused here,
//! by name, before a byte of data is read. Nothing is left out in silence: a file that no reader
//! understands is either no data at all (`README.md` in a folder) or an error.

use super::format::{self, Format};
use crate::error::{Error, Result, plural};
use globset::GlobBuilder;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The folder that every run writes to; its quarantine list must not become data of the next run.
const OUTPUT_FOLDER: &str = "taster-out";

/// Book-keeping of Spark and Delta beside the data; no loader reads it as rows.
const BOOKKEEPING: [&str; 7] = ["_SUCCESS", "_metadata", "_common_metadata", "_delta_log", "_temporary", "_spark_metadata", "__MACOSX"];

#[derive(Debug, Clone)]
pub(super) struct Found {
    /// As typed, plus what the walk added: what messages show and what is opened.
    pub path: PathBuf,
    /// Below the root, with `/`.
    pub relative: String,
    pub format: Format,
}

/// The root (longest common folder) and the files, sorted by relative path.
pub(super) fn find(arguments: &[String]) -> Result<(PathBuf, Vec<Found>)> {
    if arguments.is_empty() {
        return Err(Error::usage("no data was named").help("name a file, a folder or a glob: taster check data/"));
    }
    // Absolute path, with the typed part's links resolved → path as typed.
    let mut found: BTreeMap<PathBuf, (PathBuf, Format)> = BTreeMap::new();
    let mut real: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for argument in arguments {
        for (absolute, path, format) in expand(argument)? {
            let target = std::fs::canonicalize(&path).map_err(|e| unreadable(&path, &e))?;
            if let Some(earlier) = real.insert(target, path.clone()) {
                let message = if earlier == path {
                    "the file is given twice".to_owned()
                } else {
                    format!("the same file as {}: it is given twice", earlier.display())
                };
                return Err(Error::Usage {
                    message: format!("{}: {message}", path.display()),
                    help: Some("every file counts once; name it once, and mind that folders and globs may overlap".into()),
                });
            }
            found.insert(absolute, (path, format));
        }
    }
    // Labels that lie beside an array are a column of it, and no rows of their own.
    let labels: Vec<PathBuf> =
        found.iter().filter(|(_, (_, f))| *f == Format::Array).filter_map(|(p, _)| super::arrays::labels_of(p)).collect();
    for path in labels {
        found.remove(&path);
    }
    let root = common_folder(found.keys());
    let mut files = Vec::with_capacity(found.len());
    for (absolute, (path, format)) in found {
        files.push(Found { relative: relative(&absolute, &root, &path)?, path, format });
    }
    files.sort_by(|a, b| a.relative.cmp(&b.relative));
    Ok((root, files))
}

/// One file that a run wrote.
pub(super) fn result(path: &Path) -> Result<Found> {
    let relative = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Found { path: path.to_owned(), relative, format: format::of_named(path)? })
}

/// One argument: (absolute path, path as typed, format) of every file it stands for.
fn expand(argument: &str) -> Result<Vec<(PathBuf, PathBuf, Format)>> {
    if argument.is_empty() {
        return Err(Error::usage("an empty path was given as data"));
    }
    if let Some((scheme, _)) = argument.split_once("://") {
        return Err(Error::usage(format!("{argument}: {scheme}:// is not supported by this build"))
            .help("download the files and name the local copies"));
    }
    let path = Path::new(argument);
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => walk(argument, path, None),
        Ok(meta) if meta.is_file() => {
            if in_output_folder(path) {
                return Err(Error::usage(format!("{argument}: files in `{OUTPUT_FOLDER}/` are results, never data")));
            }
            let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let parent = std::fs::canonicalize(parent).map_err(|e| unreadable(path, &e))?;
            let absolute = path.file_name().map_or_else(|| parent.clone(), |name| parent.join(name));
            Ok(vec![(absolute, path.to_owned(), format::of_named(path)?)])
        }
        Ok(_) => Err(Error::data(path, "is neither a file nor a folder (a pipe or a device?)").help("write the data to a file first")),
        Err(_) if argument.contains(['*', '?', '[', '{']) => glob(argument),
        Err(e) => Err(unreadable(path, &e)),
    }
}

fn glob(pattern: &str) -> Result<Vec<(PathBuf, PathBuf, Format)>> {
    let invalid = |e: globset::Error| Error::usage(format!("{pattern}: not a valid glob: {}", e.kind()));
    let matcher = GlobBuilder::new(pattern).literal_separator(true).build().map_err(invalid)?.compile_matcher();
    // The walk starts at the last folder before the first component with a wildcard.
    let mut base = PathBuf::new();
    for part in Path::new(pattern).components() {
        if part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']) {
            break;
        }
        base.push(part);
    }
    if !base.is_dir() && !base.as_os_str().is_empty() {
        return Err(Error::usage(format!("{pattern}: no file matches; there is no folder {}", base.display())));
    }
    walk(pattern, &base, Some(&matcher))
}

fn walk(argument: &str, base: &Path, matcher: Option<&globset::GlobMatcher>) -> Result<Vec<(PathBuf, PathBuf, Format)>> {
    let start = if base.as_os_str().is_empty() { Path::new(".") } else { base };
    let absolute = std::fs::canonicalize(start).map_err(|e| unreadable(start, &e))?;
    if matcher.is_none() && absolute.file_name().is_some_and(|n| n == OUTPUT_FOLDER) {
        return Err(Error::usage(format!("{argument}: files in `{OUTPUT_FOLDER}/` are results, never data")));
    }
    let mut hits = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    // Links are followed, as every training loader does; a circle of links is an error that names it.
    let walker = walkdir::WalkDir::new(start).follow_links(true).sort_by_file_name().into_iter();
    for entry in walker.filter_entry(|e| e.depth() == 0 || !never_data(&e.file_name().to_string_lossy())) {
        let entry = entry.map_err(|e| {
            let path = e.path().map_or_else(|| start.to_owned(), Path::to_owned);
            match e.loop_ancestor() {
                Some(ancestor) => Error::data(path, format!("is a link back to its own ancestor {}", ancestor.display())),
                None => Error::data(path, format!("cannot be read: {e}")),
            }
        })?;
        let below = entry.path().strip_prefix(start).unwrap_or(entry.path());
        let path = if base.as_os_str().is_empty() { below.to_owned() } else { entry.path().to_owned() };
        if entry.file_type().is_dir() || matcher.is_some_and(|m| !m.is_match(&path)) {
            continue;
        }
        match format::of_seen(&path) {
            Ok(Some(format)) if entry.file_type().is_file() => hits.push((absolute.join(below), path, format)),
            Ok(Some(_)) => return Err(Error::data(path, "is neither a file nor a folder (a pipe or a device?)")),
            Ok(None) => {
                let kind = path.extension().map_or_else(|| "no extension".to_owned(), |e| format!(".{}", e.to_string_lossy()));
                *seen.entry(kind).or_default() += 1;
            }
            Err(e) => return Err(e),
        }
    }
    // Many tools leave a `dataset_info.json` beside the data: `.json` counts only when nothing else does.
    if hits.iter().any(|(_, path, _)| !format::is_plain_json(path)) {
        hits.retain(|(_, path, _)| !format::is_plain_json(path));
    }
    // Caches and embeddings lie beside tables and images as arrays: these are data where nothing else is.
    if hits.iter().any(|(_, _, f)| *f != Format::Array) {
        hits.retain(|(_, _, f)| *f != Format::Array);
    }
    // So do previews and plots; and where images are the data, `metadata.csv` beside them is about them.
    let about = |path: &Path| path.file_stem().is_some_and(|s| s.eq_ignore_ascii_case("metadata"));
    if hits.iter().any(|(_, path, f)| !format::is_image(*f) && !about(path)) {
        hits.retain(|(_, _, f)| !format::is_image(*f));
    } else if hits.iter().any(|(_, _, f)| format::is_image(*f)) {
        hits.retain(|(_, _, f)| format::is_image(*f));
    }
    if hits.is_empty() {
        let what = if matcher.is_some() { "no data file matches" } else { "the folder holds no data file" };
        let saw: Vec<String> = seen.iter().take(12).map(|(kind, n)| format!("{} ({kind})", plural(*n, "file"))).collect();
        let saw = if saw.is_empty() { "nothing at all".to_owned() } else { saw.join(", ") };
        return Err(Error::usage(format!("{argument}: {what}; seen: {saw}")).help(format!("taster reads {}", format::SUPPORTED)));
    }
    Ok(hits)
}

/// Every file below these paths, whatever it holds, as (path relative to the root, path), sorted: what a
/// loader could open. Hidden files, our own results and links that lead in circles are left out or
/// refused as in [`find`]. The root of one folder is that folder, so that another file in it changes no
/// name; otherwise it is the longest common folder.
pub(crate) fn every_file(arguments: &[String]) -> Result<(PathBuf, Vec<(String, PathBuf)>)> {
    let (mut found, mut bases) = (BTreeMap::new(), Vec::new());
    for argument in arguments {
        let path = Path::new(argument);
        let mut of_this: Vec<(PathBuf, PathBuf)> = Vec::new();
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                let absolute = std::fs::canonicalize(path).map_err(|e| unreadable(path, &e))?;
                let walker = walkdir::WalkDir::new(path).follow_links(true).sort_by_file_name().into_iter();
                let shown = |e: &walkdir::DirEntry| e.depth() == 0 || !is_apart(&e.file_name().to_string_lossy());
                for entry in walker.filter_entry(shown) {
                    let entry = entry.map_err(|e| Error::data(e.path().unwrap_or(path), format!("cannot be read: {e}")))?;
                    if entry.file_type().is_dir() {
                        continue;
                    }
                    if !entry.file_type().is_file() {
                        return Err(Error::data(entry.path(), "is neither a file nor a folder (a pipe or a device?)"));
                    }
                    let below = entry.path().strip_prefix(path).unwrap_or(entry.path());
                    of_this.push((absolute.join(below), entry.path().to_owned()));
                }
                bases.push(absolute);
            }
            _ => {
                of_this = expand_any(argument)?;
                bases.extend(of_this.iter().filter_map(|(absolute, _)| absolute.parent().map(Path::to_owned)));
            }
        }
        for (absolute, path) in of_this {
            if let Some(earlier) = found.insert(absolute, path) {
                return Err(Error::usage(format!("{}: the file is given twice", earlier.display())));
            }
        }
    }
    let mut root = bases.first().cloned().unwrap_or_default();
    for base in &bases {
        while !base.starts_with(&root) && root.pop() {}
    }
    let mut files = Vec::with_capacity(found.len());
    for (absolute, path) in found {
        files.push((relative(&absolute, &root, &path)?, path));
    }
    files.sort();
    Ok((root, files))
}

/// A file or a glob, of any format: (absolute path, path as typed).
fn expand_any(argument: &str) -> Result<Vec<(PathBuf, PathBuf)>> {
    let path = Path::new(argument);
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => {
            let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let parent = std::fs::canonicalize(parent).map_err(|e| unreadable(path, &e))?;
            Ok(vec![(path.file_name().map_or_else(|| parent.clone(), |name| parent.join(name)), path.to_owned())])
        }
        _ => Ok(expand(argument)?.into_iter().map(|(absolute, path, _)| (absolute, path)).collect()),
    }
}

/// The path below the root, with `/`.
fn relative(absolute: &Path, root: &Path, path: &Path) -> Result<String> {
    let mut parts = Vec::new();
    for part in absolute.strip_prefix(root).unwrap_or(absolute).components() {
        let part = part.as_os_str().to_str();
        parts.push(
            part.ok_or_else(|| {
                Error::data(path, "the file's name is not valid Unicode, so no list could name it").help("rename the file")
            })?,
        );
    }
    Ok(parts.join("/"))
}

/// Neither data nor beside it.
fn is_apart(name: &str) -> bool {
    name.starts_with('.') || name == OUTPUT_FOLDER
}

fn never_data(name: &str) -> bool {
    is_apart(name) || BOOKKEEPING.contains(&name)
}

fn in_output_folder(path: &Path) -> bool {
    path.components().any(|c| matches!(c, Component::Normal(n) if n == OUTPUT_FOLDER))
}

fn common_folder<'a>(mut files: impl Iterator<Item = &'a PathBuf>) -> PathBuf {
    let Some(first) = files.next() else { return PathBuf::new() };
    let mut root = first.parent().map(Path::to_owned).unwrap_or_default();
    for file in files {
        while !file.starts_with(&root) {
            if !root.pop() {
                break;
            }
        }
    }
    root
}

pub(super) fn unreadable(path: &Path, e: &std::io::Error) -> Error {
    match e.kind() {
        std::io::ErrorKind::NotFound => Error::data(path, "no such file or folder"),
        std::io::ErrorKind::PermissionDenied => {
            Error::data(path, "permission denied").help("the file must be readable: an unreadable file is never skipped")
        }
        _ => Error::data(path, format!("cannot be read: {e}")),
    }
}
