//! Where a contract's data lies, and which contract covers given data. The paths a contract names
//! are untrusted: they must stay inside its `roots`, first by their spelling (here, when it is
//! parsed), then with links resolved ([`inside_roots`], before anything is opened).

use super::fields::{Sink, not_supported};
use super::{At, Contract};
use crate::error::Diagnostic;
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

/// Data and roots that cannot be right whatever the disk holds.
pub fn check_paths(contract: &Contract, sink: &mut Sink) {
    let base = base(contract);
    let roots = roots(contract);
    for entry in contract.roots.iter().chain(&contract.data) {
        if entry.value.contains('\0') {
            sink.push(Diagnostic::new("C004", "a path cannot hold a null character").at(entry.span));
        } else if let Some((scheme, _)) = entry.value.split_once("://") {
            sink.push(not_supported(&format!("data from `{scheme}://`"), entry.span));
        }
    }
    for entry in &contract.data {
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
