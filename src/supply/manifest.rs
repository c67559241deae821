//! Which bytes a dataset consists of: every file below the named paths with its size and SHA-256, and one
//! root digest over all of it.
//!
//! The root is the SHA-256 of the list that `sha256sum` would print for the files sorted by path, so it
//! covers names as well as bytes and can be computed without this program.
//!
//! As JSON, a manifest has the form of OpenSSF model-signing (`https://model_signing/signature/v1.0`): its
//! subject is the digest of all digests as defined there, which knows no names; ours stands under `taster`.

use super::dsse::{self, Envelope};
use super::key::Public;
use crate::error::{Error, Result, group_digits, plural};
use crate::quarantine::hex;
use crate::source::Stamp;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

pub const PREDICATE: &str = "https://model_signing/signature/v1.0";
pub const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const SCHEMA: &str = "taster-manifest/1";

/// One file. `path` is relative, with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub path: String,
    pub bytes: u64,
    pub sha256: [u8; 32],
    /// Of files that hold rows, once somebody has counted them.
    pub rows: Option<u64>,
}

/// Sorted by path, no path twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    pub entries: Vec<Entry>,
}

/// A manifest and the files it was made of.
pub struct Measured {
    pub root: PathBuf,
    pub manifest: Manifest,
    /// In the manifest's order.
    files: Vec<(PathBuf, Stamp)>,
}

impl Measured {
    /// Reads every file below these paths. `apart`: what lies among them and is no part of the dataset, such
    /// as the statement about it.
    ///
    /// # Errors
    /// Usage errors for paths that name nothing or something twice; a data error for a file that cannot be
    /// read; an interruption.
    pub fn of(paths: &[String], apart: &[&Path], stop: Option<&AtomicBool>) -> Result<Measured> {
        let (root, found) = crate::source::every_file(paths)?;
        let apart: Vec<PathBuf> = apart.iter().filter_map(|p| std::fs::canonicalize(p).ok()).collect();
        let is_apart = |path: &Path| !apart.is_empty() && std::fs::canonicalize(path).is_ok_and(|p| apart.contains(&p));
        let found: Vec<(String, PathBuf)> = found.into_iter().filter(|(_, path)| !is_apart(path)).collect();
        if found.is_empty() {
            return Err(Error::usage(format!("{}: there is no file to measure", paths.join(", "))));
        }
        let measured = found.into_par_iter().map(|(relative, path)| {
            if stop.is_some_and(|s| s.load(Ordering::Relaxed)) {
                return Err(Error::Interrupted);
            }
            let (stamp, sha256) = crate::source::measure(&path, stop)?;
            Ok((Entry { path: relative, bytes: stamp.bytes, sha256, rows: None }, (path, stamp)))
        });
        let (entries, files) = measured.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        Ok(Measured { root, manifest: Manifest { entries }, files })
    }

    /// Writes down the rows of the files that hold some.
    pub fn count(&mut self, source: &crate::source::Source) {
        let rows: BTreeMap<PathBuf, u64> =
            source.files.iter().filter_map(|f| Some((std::fs::canonicalize(&f.path).ok()?, f.rows))).collect();
        for (entry, (path, _)) in self.manifest.entries.iter_mut().zip(&self.files) {
            entry.rows = std::fs::canonicalize(path).ok().and_then(|p| rows.get(&p).copied());
        }
    }

    /// What was measured is still what lies there.
    ///
    /// # Errors
    /// A data error that names the first file which changed or vanished since.
    pub fn still(&self) -> Result<()> {
        self.files.iter().try_for_each(|(path, stamp)| stamp.reopen(path).map(drop))
    }

    /// The weaker digest of a file, for those who have no other.
    ///
    /// # Errors
    /// A data error for a file that cannot be read.
    pub fn md5(&self, entry: &Entry) -> Result<[u8; 16]> {
        let at = self.manifest.entries.binary_search_by(|e| e.path.cmp(&entry.path));
        let (path, stamp) = at.ok().and_then(|at| self.files.get(at)).ok_or_else(|| Error::internal("an unknown file"))?;
        let mut file = stamp.reopen(path)?;
        let (mut hash, mut buffer) = (md5::Md5::new(), vec![0; 1 << 18]);
        loop {
            match file.read(&mut buffer).map_err(|e| Error::data(path, format!("cannot be read: {e}")))? {
                0 => return Ok(hash.finalize().into()),
                n => hash.update(&buffer[..n]),
            }
        }
    }

    /// The name of the dataset: of its folder, or of its only file.
    pub fn name(&self) -> String {
        match self.manifest.entries.as_slice() {
            [only] => only.path.clone(),
            _ => self.root.file_name().map_or_else(|| "dataset".to_owned(), |n| n.to_string_lossy().into_owned()),
        }
    }
}

impl Manifest {
    pub fn bytes(&self) -> u64 {
        self.entries.iter().map(|e| e.bytes).sum()
    }

    pub fn rows(&self) -> Option<u64> {
        self.entries.iter().filter_map(|e| e.rows).reduce(|a, b| a + b)
    }

    /// The list as `sha256sum` prints it, without its trailing counts: what the root is the digest of.
    pub fn sums(&self) -> String {
        let mut out = String::new();
        for e in &self.entries {
            let odd = e.path.contains(['\\', '\n', '\r']);
            let name = if odd { e.path.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r") } else { e.path.clone() };
            out.push_str(&format!("{}{}  {name}\n", if odd { "\\" } else { "" }, hex(&e.sha256)));
        }
        out
    }

    /// Lower-case hex.
    pub fn root(&self) -> String {
        hex(&Sha256::digest(self.sums().as_bytes()))
    }

    /// The unsigned statement.
    pub fn statement(&self, name: &str) -> serde_json::Value {
        let mut all = Sha256::new();
        self.entries.iter().for_each(|e| all.update(e.sha256));
        let resources: Vec<_> = self
            .entries
            .iter()
            .map(|e| {
                let mut out = json!({"name": e.path, "algorithm": "sha256", "digest": hex(&e.sha256), "size": e.bytes});
                if let (Some(rows), Some(o)) = (e.rows, out.as_object_mut()) {
                    o.insert("rows".into(), rows.into());
                }
                out
            })
            .collect();
        json!({
            "_type": STATEMENT,
            "subject": [{"name": name, "digest": {"sha256": hex(&all.finalize())}}],
            "predicateType": PREDICATE,
            "predicate": {
                "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": true, "ignore_paths": []},
                "resources": resources,
                "taster": {"schema": SCHEMA, "root": self.root(), "version": env!("CARGO_PKG_VERSION")},
            },
        })
    }
}

#[derive(Deserialize)]
struct Statement {
    subject: Vec<Subject>,
    predicate: Predicate,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

/// A statement of that predicate and of no other.
pub(super) fn of_kind(payload: &[u8], predicate: &str) -> std::result::Result<(), String> {
    let kind: Kind = serde_json::from_slice(payload).map_err(|e| format!("its payload is no statement: {e}"))?;
    if kind.kind == STATEMENT && kind.predicate_type == predicate {
        return Ok(());
    }
    Err(format!("it is a statement of another kind: `{}`, `{}`", kind.kind, kind.predicate_type))
}

#[derive(Deserialize)]
struct Subject {
    digest: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Predicate {
    resources: Vec<Resource>,
    taster: Option<Own>,
}

#[derive(Deserialize)]
struct Own {
    root: String,
}

#[derive(Serialize, Deserialize)]
struct Resource {
    name: String,
    algorithm: String,
    digest: String,
    size: Option<u64>,
    rows: Option<u64>,
}

/// A digest that somebody promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promised {
    Sha256([u8; 32]),
    /// Holds against accidents, not against whoever prepared the file.
    Md5([u8; 16]),
}

/// One line of a source of truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `None`: whichever single file there is.
    pub path: Option<String>,
    pub digest: Promised,
    pub bytes: Option<u64>,
    pub rows: Option<u64>,
}

/// What files ought to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// For messages: `a sha256sum list`.
    pub kind: &'static str,
    pub lines: Vec<Line>,
    /// Files that it names without a digest.
    pub unnamed: usize,
}

/// Of `2 * N` hexadecimal digits.
pub(super) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let text = text.as_bytes();
    let mut out = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |c: u8| char::from(c).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(out)
}

/// A path that stays below its root, in its plainest spelling.
pub(super) fn plain(path: &str) -> std::result::Result<String, String> {
    let path = path.strip_prefix("./").unwrap_or(path);
    let odd = path.is_empty() || path.starts_with('/') || path.contains('\0') || path.split('/').any(|p| matches!(p, "" | "." | ".."));
    if odd { Err(format!("`{path}` is no path below the dataset's folder")) } else { Ok(path.to_owned()) }
}

/// The manifest in a statement; its subject must be the digest of what it lists.
pub(super) fn of_statement(payload: &[u8]) -> std::result::Result<Truth, String> {
    of_kind(payload, PREDICATE)?;
    let statement: Statement = serde_json::from_slice(payload).map_err(|e| format!("it is no statement about files: {e}"))?;
    let mut all = Sha256::new();
    let mut entries = Vec::with_capacity(statement.predicate.resources.len());
    for r in &statement.predicate.resources {
        if r.algorithm != "sha256" {
            return Err(format!("`{}` has a digest of kind `{}`; only sha256 is read", r.name, r.algorithm));
        }
        let sha256 = unhex(&r.digest).ok_or_else(|| format!("the digest of `{}` is no SHA-256", r.name))?;
        all.update(sha256);
        entries.push(Entry { path: plain(&r.name)?, bytes: r.size.unwrap_or(0), sha256, rows: r.rows });
    }
    let subject = statement.subject.first().and_then(|s| s.digest.get("sha256"));
    if statement.subject.len() != 1 || subject.is_none_or(|s| *s != hex(&all.finalize())) {
        return Err("its subject is not the digest of the files that it lists".into());
    }
    let lines = statement.predicate.resources.iter().zip(&entries);
    let lines = lines.map(|(r, e)| Line { path: Some(e.path.clone()), digest: Promised::Sha256(e.sha256), bytes: r.size, rows: r.rows });
    let lines = lines.collect();
    if let Some(own) = statement.predicate.taster {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        if (Manifest { entries }).root() != own.root {
            return Err("its root is not the digest of the files that it lists".into());
        }
    }
    Ok(Truth { kind: "a manifest", lines, unnamed: 0 })
}

impl Truth {
    /// Reads a source of truth; with a key, only one that the key signed.
    ///
    /// # Errors
    /// A data error for what is no source of truth, or whose signature does not hold.
    pub fn load(path: &Path, key: Option<&Public>) -> Result<Truth> {
        if path.is_dir() {
            if key.is_some() {
                return Err(Error::usage(format!("{}: a folder of pointers carries no signature", path.display())));
            }
            return super::pointers::folder(path);
        }
        let bytes = dsse::read(path)?;
        let bad = |why: String| Error::data(path, why);
        let truth = match (Envelope::of(&bytes), key) {
            (Some(envelope), Some(key)) => of_statement(&envelope.open(key).map_err(bad)?),
            (Some(envelope), None) => match envelope.unverified() {
                Some(payload) => of_statement(&payload),
                None => Err("its payload is not base64".into()),
            },
            (None, Some(_)) => {
                return Err(
                    bad("is not signed".into()).help("verify without --key, or have it signed: taster manifest create --key NAME.pem")
                );
            }
            (None, None) => super::pointers::of(&bytes),
        };
        truth.and_then(Truth::sound).map_err(bad)
    }

    /// No path twice, at least one line.
    pub(super) fn sound(mut self) -> std::result::Result<Truth, String> {
        if self.lines.is_empty() {
            return Err("it names no file with a digest".into());
        }
        self.lines.sort_by(|a, b| (&a.path, a.digest).cmp(&(&b.path, b.digest)));
        match self.lines.windows(2).find(|w| w[0].path == w[1].path) {
            Some(twice) => Err(format!("it names `{}` twice", twice[0].path.as_deref().unwrap_or("its file"))),
            None => Ok(self),
        }
    }
}

/// One difference between what ought to be there and what is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    Changed { path: String, how: String },
    Renamed { from: String, to: String },
    Missing { path: String },
    Extra { path: String },
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Difference::Changed { path, how } => write!(f, "changed  {path}: {how}"),
            Difference::Renamed { from, to } => write!(f, "renamed  {from} -> {to}"),
            Difference::Missing { path } => write!(f, "missing  {path}"),
            Difference::Extra { path } => write!(f, "added    {path}"),
        }
    }
}

fn how(line: &Line, now: &Entry) -> String {
    let mut parts = Vec::new();
    if let Some(bytes) = line.bytes.filter(|b| *b != now.bytes) {
        parts.push(format!("{} -> {} bytes", group_digits(bytes), group_digits(now.bytes)));
    }
    match (line.rows, now.rows) {
        (Some(a), Some(b)) if a != b => parts.push(format!("{} -> {}", group_digits(a), plural(b as usize, "row"))),
        // Rows were replaced: what nobody sees who only counts.
        (Some(_), Some(b)) => parts.push(format!("still {}, other content", plural(b as usize, "row"))),
        _ if parts.is_empty() && line.bytes.is_some() => parts.push("same size, other content".into()),
        _ => parts.push("other content".into()),
    }
    parts.join(", ")
}

/// What differs, sorted: changed, renamed, missing, added. `md5` computes the weaker digest of a file
/// where the truth has no other.
pub fn compare(truth: &[Line], now: &[Entry], md5: &dyn Fn(&Entry) -> Result<[u8; 16]>) -> Result<Vec<Difference>> {
    let mut here: BTreeMap<&str, &Entry> = now.iter().map(|e| (e.path.as_str(), e)).collect();
    let (mut out, mut gone) = (Vec::new(), Vec::new());
    for line in truth {
        let found = match &line.path {
            Some(path) => here.remove(path.as_str()),
            None if now.len() == 1 => here.pop_first().map(|(_, e)| e),
            None => {
                return Err(Error::usage("the pointer names no file, and the data is more than one").help("name the one file it is about"));
            }
        };
        let Some(entry) = found else {
            gone.push(line);
            continue;
        };
        let same = match line.digest {
            Promised::Sha256(d) => d == entry.sha256,
            Promised::Md5(d) => d == md5(entry)?,
        };
        if !same || line.bytes.is_some_and(|b| b != entry.bytes) {
            out.push(Difference::Changed { path: entry.path.clone(), how: how(line, entry) });
        }
    }
    // The same bytes under another name.
    let mut left: BTreeMap<[u8; 32], Vec<&Entry>> = BTreeMap::new();
    for entry in here.values().rev() {
        left.entry(entry.sha256).or_default().push(entry);
    }
    for line in gone {
        let path = line.path.clone().unwrap_or_default();
        let other = match line.digest {
            Promised::Sha256(d) => left.get_mut(&d).and_then(Vec::pop),
            Promised::Md5(_) => None,
        };
        match other {
            Some(entry) => {
                here.remove(entry.path.as_str());
                out.push(Difference::Renamed { from: path, to: entry.path.clone() });
            }
            None => out.push(Difference::Missing { path }),
        }
    }
    out.extend(here.into_values().map(|e| Difference::Extra { path: e.path.clone() }));
    out.sort();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(manifest: &Manifest) -> Vec<Line> {
        let line = |e: &Entry| Line { path: Some(e.path.clone()), digest: Promised::Sha256(e.sha256), bytes: Some(e.bytes), rows: e.rows };
        manifest.entries.iter().map(line).collect()
    }

    fn measured(folder: &Path) -> Measured {
        Measured::of(&[folder.to_string_lossy().into_owned()], &[], None).unwrap()
    }

    #[test]
    fn the_root_is_the_digest_of_the_list_that_sha256sum_prints() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        std::fs::write(folder.path().join("b/c"), "hello").unwrap();
        std::fs::write(folder.path().join("a.b"), "").unwrap();
        std::fs::write(folder.path().join(".hidden"), "").unwrap();
        let m = measured(folder.path()).manifest;
        let list = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a.b\n\
                    2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  b/c\n";
        assert_eq!(m.sums(), list);
        assert_eq!(m.root(), hex(&Sha256::digest(list.as_bytes())));
    }

    #[cfg(unix)]
    #[test]
    fn odd_names_are_escaped_as_sha256sum_does_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a\n\\b"), "").unwrap();
        let m = measured(folder.path()).manifest;
        assert!(m.sums().starts_with('\\') && m.sums().ends_with("  a\\n\\\\b\n"));
        let truth = super::super::pointers::of(m.sums().as_bytes()).unwrap();
        assert!(compare(&truth.lines, &m.entries, &|_| unreachable!()).unwrap().is_empty());
    }

    #[test]
    fn a_statement_is_read_back_and_one_about_another_list_is_not() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a"), "hello").unwrap();
        let m = measured(folder.path()).manifest;
        let statement = m.statement("d");
        let truth = of_statement(statement.to_string().as_bytes()).unwrap();
        assert_eq!(truth.lines, lines(&m));
        for (from, to) in [("\"name\":\"a\"", "\"name\":\"b\""), ("2cf24", "2cf25"), ("resources", "sources"), (PREDICATE, "x")] {
            assert!(of_statement(statement.to_string().replacen(from, to, 1).as_bytes()).is_err(), "{from}");
        }
    }

    #[test]
    fn what_changed_since_it_was_measured_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "hello").unwrap();
        let m = measured(folder.path());
        assert!(m.still().is_ok());
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, "hallo").unwrap();
        // Setting the clock of the file back does not help.
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        #[cfg(unix)]
        assert!(m.still().is_err());
        std::fs::remove_file(&path).unwrap();
        assert!(m.still().is_err());
    }

    #[test]
    fn a_swap_of_two_files_is_two_renames_or_two_changes_and_never_nothing() {
        let entry = |path: &str, byte: u8| Entry { path: path.into(), bytes: 1, sha256: [byte; 32], rows: None };
        let old = Manifest { entries: vec![entry("a", 1), entry("b", 2)] };
        let new = [entry("a", 2), entry("b", 1)];
        let found = compare(&lines(&old), &new, &|_| unreachable!()).unwrap();
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|d| matches!(d, Difference::Changed { .. })));
    }

    #[test]
    fn a_pointer_without_a_name_is_about_one_file_only() {
        let line = [Line { path: None, digest: Promised::Sha256([1; 32]), bytes: Some(1), rows: None }];
        let entry = |path: &str| Entry { path: path.into(), bytes: 1, sha256: [1; 32], rows: None };
        assert!(compare(&line, &[entry("x")], &|_| unreachable!()).unwrap().is_empty());
        assert!(compare(&line, &[entry("x"), entry("y")], &|_| unreachable!()).is_err());
    }
}
