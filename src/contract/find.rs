//! Where a contract's data lies, and which contract covers given data. The paths a contract names
//! are untrusted: they must stay inside its `roots`, first by their spelling (here, when it is
//! parsed), then with links resolved ([`inside_roots`], before anything is opened).

use super::fields::{Sink, not_supported};
use super::{At, Contract, RuleKind};
use crate::error::{Diagnostic, Error, Result};
use std::path::{Component, Path, PathBuf};

/// The path without `.` and `..`, by spelling alone.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if !out.pop() && !path.has_root() {
                    out.push("..");
                }
            }
            other => out.push(other),
        }
    }
    out
}

/// The contract's folder, absolute.
fn base(contract: &Contract) -> PathBuf {
    let folder = contract.folder();
    let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    normal(&std::path::absolute(&folder).unwrap_or(folder))
}

/// What the contract may read, absolute, by spelling.
fn roots(contract: &Contract) -> Vec<PathBuf> {
    let base = base(contract);
    if contract.roots.is_empty() {
        return vec![base];
    }
    contract.roots.iter().map(|r| normal(&base.join(&r.value))).collect()
}

fn baselines(contract: &Contract) -> impl Iterator<Item = &At<String>> + Clone {
    contract.rules.iter().flat_map(|r| match &r.kind {
        RuleKind::Drift(d) => std::slice::from_ref(&d.baseline),
        RuleKind::Dataset(d) => d.files(),
        _ => &[],
    })
}

/// Files, folders and globs that the rules compare the data with, as the contract has them, each once.
pub fn compared_with(contract: &Contract) -> Vec<String> {
    let mut out: Vec<String> = baselines(contract).map(|b| b.value.clone()).collect();
    out.sort();
    out.dedup();
    out
}

/// Data and roots that cannot be right whatever the disk holds.
pub fn check_paths(contract: &Contract, sink: &mut Sink) {
    let base = base(contract);
    let roots = roots(contract);
    let baselines = baselines(contract);
    for entry in contract.roots.iter().chain(&contract.data).chain(baselines.clone()) {
        if entry.value.contains('\0') {
            sink.push(Diagnostic::new("C004", "a path cannot hold a null character").at(entry.span));
        } else if let Some((scheme, _)) = entry.value.split_once("://") {
            sink.push(not_supported(&format!("data from `{scheme}://`"), entry.span));
        }
    }
    for entry in contract.data.iter().chain(baselines) {
        if entry.value.contains("://") || entry.value.contains('\0') {
            continue;
        }
        if let Err(e) = globset::GlobBuilder::new(&entry.value).literal_separator(true).build() {
            sink.push(Diagnostic::new("C009", format!("`{}` is no glob: {}", entry.value, e.kind())).at(entry.span));
        }
        let path = normal(&base.join(&entry.value));
        if !roots.iter().any(|r| path.starts_with(r)) {
            sink.push(escapes(entry, contract.roots.is_empty()));
        }
    }
}

fn escapes(entry: &At<String>, default_roots: bool) -> Diagnostic {
    let which = if default_roots { "the contract's folder" } else { "the contract's `roots`" };
    let ups = Path::new(&entry.value).components().take_while(|c| *c == Component::ParentDir).count().max(1);
    let root = vec![".."; ups].join("/");
    Diagnostic::new("C010", format!("`{}` lies outside {which}", entry.value))
        .at(entry.span)
        .help(format!("a contract reads only below its roots; to widen them add `roots: [{root}]`"))
}

/// Whether a file that exists lies inside the contract's roots once links are resolved, and inside
/// the limit that the command line set, which a contract cannot widen.
pub fn inside_roots(contract: &Contract, limit: Option<&Path>, file: &Path) -> bool {
    let Ok(real) = file.canonicalize() else { return false };
    let within = |root: &Path| root.canonicalize().is_ok_and(|r| real.starts_with(r));
    limit.is_none_or(within) && roots(contract).iter().any(|r| within(r))
}
/// The contract whose `data:` covers all of the given files, looked for in `folder` and its
/// `contracts/`.
///
/// # Errors
/// A usage error when two contracts cover them, or when a contract there cannot be read: which of
/// several is meant must not depend on a typing error in one of them.
pub fn covering(files: &[PathBuf], folder: &Path) -> Result<Option<PathBuf>> {
    let wanted: Vec<PathBuf> = files.iter().filter_map(|f| f.canonicalize().ok()).collect();
    let mut found: Vec<PathBuf> = Vec::new();
    for place in [folder.to_owned(), folder.join("contracts")] {
        for path in yaml_files(&place) {
            let Some(contract) = contract_at(&path)? else { continue };
            let paths: Vec<String> =
                contract.data.iter().map(|d| contract.folder().join(&d.value).to_string_lossy().into_owned()).collect();
            // A `data:` that names nothing here covers nothing here.
            let Ok(own) = crate::source::Source::find(&paths) else { continue };
            let own: Vec<PathBuf> = own.iter().filter_map(|f| f.canonicalize().ok()).collect();
            if !wanted.is_empty() && wanted.iter().all(|w| own.contains(w)) {
                found.push(path);
            }
        }
    }
    match found.len() {
        0 => Ok(None),
        1 => Ok(found.pop()),
        _ => {
            let names: Vec<String> = found.iter().map(|p| p.display().to_string()).collect();
            Err(Error::usage(format!("several contracts cover this data: {}", names.join(", "))).help("name one with -c"))
        }
    }
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|e| e.path());
    let yaml = |p: &PathBuf| p.is_file() && matches!(p.extension().and_then(|e| e.to_str()), Some("yaml" | "yml"));
    // `./` in front of every name would only be noise in messages.
    let plain = |p: PathBuf| p.strip_prefix(".").map(Path::to_owned).unwrap_or(p);
    let mut files: Vec<PathBuf> = paths.filter(yaml).map(plain).collect();
    files.sort();
    files
}

/// `None` when the file is some other YAML: a contract has the key `taster` at its top level.
fn contract_at(path: &Path) -> Result<Option<Contract>> {
    use std::io::Read;
    let mut head = Vec::new();
    let read = std::fs::File::open(path).and_then(|f| f.take(super::tree::MAX_BYTES as u64).read_to_end(&mut head));
    if read.is_err() || !String::from_utf8_lossy(&head).lines().any(|l| l.starts_with("taster:") || l.starts_with("\"taster\"")) {
        return Ok(None);
    }
    super::parse::load(path).map(Some)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use std::fs;

    fn codes(text: &str) -> Vec<&'static str> {
        match parse::parse(Some(Path::new("/data/c/x.yaml")), text) {
            Ok(_) => Vec::new(),
            Err(Error::Contract(e)) => e.diagnostics.iter().map(|d| d.code).collect(),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn paths_are_plain_by_their_spelling() {
        for (path, plain) in [("a/./b", "a/b"), ("a/../b", "b"), ("../a", "../a"), ("/../a", "/a"), ("a/../../b", "../b"), ("./", "")] {
            assert_eq!(normal(Path::new(path)), Path::new(plain), "{path}");
        }
    }

    #[test]
    fn data_stays_below_the_roots() {
        assert_eq!(codes("taster: 1\ndata: [a.csv, sub/*.csv, ./x/../b.csv]\n"), [""; 0]);
        assert_eq!(codes("taster: 1\ndata: ['../a.csv', /etc/passwd, sub/../../a.csv]\n"), ["C010"; 3]);
        assert_eq!(codes("taster: 1\ndata: ['../a.csv']\nroots: [..]\n"), [""; 0]);
        assert_eq!(codes("taster: 1\ndata: [a.csv]\nroots: [sub]\n"), ["C010"]);
        // A neighbour whose name begins alike is no part of the root.
        assert_eq!(codes("taster: 1\ndata: ['../c-evil/a.csv']\n"), ["C010"]);
    }

    #[test]
    fn what_cannot_be_a_path_is_told() {
        assert_eq!(codes("taster: 1\ndata: ['s3://bucket/a', \"a\\0b\", 'a[']\n"), ["C005", "C004", "C009"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_roots_is_outside() {
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join("in");
        fs::create_dir(&inside).unwrap();
        fs::write(dir.path().join("secret.csv"), "a\n").unwrap();
        fs::write(inside.join("a.csv"), "a\n").unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret.csv"), inside.join("link.csv")).unwrap();
        let contract = parse::parse(Some(&inside.join("c.yaml")), "taster: 1\ndata: [link.csv, a.csv]\n").unwrap();
        assert!(inside_roots(&contract, None, &inside.join("a.csv")));
        assert!(!inside_roots(&contract, None, &inside.join("link.csv")));
        assert!(!inside_roots(&contract, None, &inside.join("gone.csv")));
        let narrow = dir.path().join("elsewhere");
        fs::create_dir(&narrow).unwrap();
        assert!(!inside_roots(&contract, Some(&narrow), &inside.join("a.csv")));
    }

    #[test]
    fn the_contract_of_the_data_is_found_and_two_are_a_question() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("contracts")).unwrap();
        fs::write(at("a.csv"), "a\n1\n").unwrap();
        fs::write(at("b.csv"), "a\n1\n").unwrap();
        fs::write(at("other.yaml"), "services: {}\n").unwrap();
        assert_eq!(covering(&[at("a.csv")], dir.path()).unwrap(), None);
        fs::write(at("contracts/a.yaml"), "taster: 1\ndata: ['../a.csv']\nroots: [..]\n").unwrap();
        assert_eq!(covering(&[at("a.csv")], dir.path()).unwrap(), Some(at("contracts/a.yaml")));
        assert_eq!(covering(&[at("a.csv"), at("b.csv")], dir.path()).unwrap(), None);
        fs::write(at("all.yaml"), "taster: 1\ndata: ['*.csv']\n").unwrap();
        assert!(covering(&[at("a.csv")], dir.path()).unwrap_err().to_string().contains("several contracts"));
        fs::write(at("broken.yaml"), "taster: 1\ncolums: {}\n").unwrap();
        assert!(matches!(covering(&[at("b.csv")], dir.path()), Err(Error::Contract(_))));
    }
}
