//! S104 and S105: where files lie and what they are called. The walk itself is here, since links and names
//! are all that it sees.

use super::scan::Finding;
use crate::rule::{Meta, Severity};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

pub(super) const LINKS: Meta = Meta {
    code: "S104",
    name: "link-out-of-data",
    summary: "a link leads out of the data's folder",
    explain: "
A link in a folder of data is followed by every loader. One that came with a downloaded archive can lead to a file
of whoever trains, whose content then ends up in the model or in a published copy of the data; and what it leads to can be
exchanged without a byte of the folder changing.

Every link under the data paths is resolved. One that leaves the path that was named, leads nowhere, or leads in a
circle is a warning. The cache of Hugging Face, where `snapshots/*` links to `blobs/*` beside it, is passed.

False alarms: data that was put together by links on purpose. Name the folder that it links to, or copy it.
",
    ids: &["NIST AI 100-2e2025 NISTAML.05", "OWASP LLM03:2025"],
};

pub(super) const NAMES: Meta = Meta {
    code: "S105",
    name: "deceptive-name",
    summary: "a file's name hides what it is, or collides with another",
    explain: "
Control characters, zero-width characters and those that turn the direction of writing make a name look like another:
`photo<U+202E>gnp.exe` is shown as `photoexe.png`. Two names that differ only in case or in the composition
of their letters are one file on other systems, and which of them survives a copy is chance. A hidden file that holds data is read
by loaders that take every file, and by nobody who looks.

Characters of the first kind are an error; colliding names and hidden files of data are warnings.

False alarms: hidden files that a file system leaves behind (`._name` of macOS). Delete them: loaders that take every
file stumble over them too.
",
    ids: &["NIST AI 100-2e2025 NISTAML.05", "OWASP LLM03:2025"],
};

/// Nobody's data, and full of packed objects.
const VERSIONS: &str = ".git";
const RESULTS: &str = "taster-out";
/// A folder with more entries than this is looked at all the same; its collisions are not.
const COMPARED: usize = 5_000_000;

/// Every regular file below the paths, and what links and names say. Other files than regular ones are passed
/// over: a pipe would never end.
pub(super) fn walk(paths: &[PathBuf], out: &mut Vec<Finding>) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    // Folder and folded name → name.
    let mut folded: BTreeMap<(PathBuf, String), String> = BTreeMap::new();
    for path in paths {
        let root = std::fs::canonicalize(path).ok();
        let walker = walkdir::WalkDir::new(path).follow_links(true).sort_by_file_name().into_iter();
        let shown = |e: &walkdir::DirEntry| e.depth() == 0 || e.file_name() != RESULTS && e.file_name() != VERSIONS;
        for entry in walker.filter_entry(shown) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) if e.depth() == 0 => continue,
                Err(e) => {
                    let at = e.path().unwrap_or(path);
                    let link = at.symlink_metadata().is_ok_and(|m| m.is_symlink());
                    let (rule, severity, message) = match (e.loop_ancestor(), link) {
                        (Some(ancestor), _) => {
                            (&LINKS, Severity::Warning, format!("is a link back to its own ancestor {}", ancestor.display()))
                        }
                        (None, true) => (&LINKS, Severity::Warning, "is a link that leads nowhere".to_owned()),
                        (None, false) => (&super::pickles::META, Severity::Error, format!("cannot be read: {e}")),
                    };
                    out.push(finding(rule, at, severity, message));
                    continue;
                }
            };
            let at = entry.path();
            if entry.path_is_symlink() && entry.depth() > 0 {
                link(at, root.as_deref(), out);
            }
            if entry.depth() > 0 {
                name(at, &entry.file_name().to_string_lossy(), entry.file_type().is_file(), &mut folded, out);
            }
            if entry.file_type().is_file() {
                files.insert(at.to_owned());
            }
        }
    }
    // A file that is named beside its folder is one file.
    let mut seen = BTreeSet::new();
    files.retain(|f| seen.insert(std::fs::canonicalize(f).unwrap_or_else(|_| f.clone())));
    files
}

fn finding(rule: &Meta, at: &Path, severity: Severity, message: impl Into<String>) -> Finding {
    Finding { rule: rule.code, place: at.display().to_string(), severity, message: message.into() }
}

fn link(at: &Path, root: Option<&Path>, out: &mut Vec<Finding>) {
    let (Some(root), Ok(target)) = (root, std::fs::canonicalize(at)) else { return };
    if target.starts_with(root) || is_cache(root, &target) {
        return;
    }
    out.push(finding(&LINKS, at, Severity::Warning, format!("is a link out of the data, to {}", target.display())));
}

/// `X/snapshots/REVISION/..` links to `X/blobs/DIGEST`.
fn is_cache(root: &Path, target: &Path) -> bool {
    let home = root.ancestors().find(|a| a.file_name().is_some_and(|n| n == "snapshots")).and_then(Path::parent);
    home.is_some_and(|home| target.parent() == Some(&home.join("blobs")))
}

fn name(at: &Path, name: &str, is_file: bool, folded: &mut BTreeMap<(PathBuf, String), String>, out: &mut Vec<Finding>) {
    let hidden = |c: char| {
        matches!(
            c.general_category(),
            GeneralCategory::Control | GeneralCategory::Format | GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator
        )
    };
    if let Some(c) = name.chars().find(|c| hidden(*c)) {
        out.push(finding(&NAMES, at, Severity::Error, format!("its name holds the invisible character U+{:04X}", u32::from(c))));
    } else if name.contains(char::REPLACEMENT_CHARACTER) {
        out.push(finding(&NAMES, at, Severity::Warning, "its name is not valid Unicode"));
    }
    if is_file && name.starts_with('.') && crate::source::is_data_name(Path::new(name.trim_start_matches(['.', '_']))) {
        out.push(finding(&NAMES, at, Severity::Warning, "is a hidden file of data"));
    }
    if folded.len() < COMPARED {
        let key = (at.parent().unwrap_or(at).to_owned(), name.nfkc().flat_map(char::to_lowercase).collect());
        match folded.get(&key) {
            Some(other) if other != name => {
                out.push(finding(&NAMES, at, Severity::Warning, format!("is the same name as `{other}` on other systems")));
            }
            Some(_) => {}
            None => drop(folded.insert(key, name.to_owned())),
        }
    }
}
