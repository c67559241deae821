//! What lies beside the rows: files under the data paths that would run code in whoever loads them.
//! Every regular file is looked at by content, whatever its name. Nothing is executed, unpickled or
//! extracted. Rules about rows live next door; these know files only.

pub mod attest;
pub mod bom;
pub mod dsse;
pub mod key;
pub mod manifest;
pub mod pickle;
pub mod pointers;

use crate::rule::{Meta, Outcome, Severity, Status};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

pub const UNSAFE_PICKLE: Meta = Meta {
    code: "S101",
    name: "unsafe-pickle",
    summary: "a file is a Python pickle, which can run code in whoever loads it",
    explain: "
A pickle is a program: loading it imports names and calls them. A data set has no need of one.

Every regular file under the data paths is looked at by content, whatever its name. A walker reads the
opcodes of protocols 0 to 5 and builds no object; it follows stack and memo to see which names would be
imported, also in bytes objects that are pickles themselves and in `.npy` arrays of objects. Only the names that
rebuild plain numpy arrays, torch tensors and containers are allowed. Any other name, a name that is computed,
or a stream that breaks is an error; a pickle of plain values is a warning.

False alarms: a pickle of your own classes is harmless to you and is an error all the same. Store the data as
Parquet or as a plain array.

A file without a finding is not mentioned. Only the data paths are looked at, after the data was opened: data that cannot be
read ends the run before.

Not looked into: archives (also `.npz` and torch files, which are zip files), and pickles encoded as text.
",
    ids: &["MITRE ATLAS AML.T0011.000", "NIST AI 100-2e2025 NISTAML.05", "OWASP LLM03:2025"],
};

/// In code order.
pub static REGISTRY: &[Meta] = &[UNSAFE_PICKLE];

/// One outcome for each file with a finding; nothing for clean files. Paths are folders, which are
/// walked, or files; what is neither (a glob) is passed over.
pub fn scan(paths: &[PathBuf]) -> Vec<(Meta, Outcome)> {
    let mut files = BTreeSet::new();
    let mut out = Vec::new();
    for path in paths {
        let walk = walkdir::WalkDir::new(path).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|e| e.file_name() != "taster-out") {
            match entry {
                // A pipe would never end.
                Ok(e) if std::fs::metadata(e.path()).is_ok_and(|m| m.is_file()) => drop(files.insert(e.into_path())),
                Ok(_) => {}
                Err(e) if e.depth() > 0 => {
                    let named = e.path().unwrap_or(path).to_owned();
                    out.push(finding(&named, Severity::Error, format!("cannot be read: {e}")));
                }
                Err(_) => {}
            }
        }
    }
    for file in files {
        let looked = crate::source::quietly(|| look(&file));
        match looked {
            Ok(Ok(None)) => {}
            Ok(Ok(Some((severity, message)))) => out.push(finding(&file, severity, message)),
            Ok(Err(e)) => out.push(finding(&file, Severity::Error, format!("cannot be read: {e}"))),
            Err(_) => out.push(finding(&file, Severity::Error, "could not be looked at".into())),
        }
    }
    // The report carries one rule per file: a folder of pickles must not make it endless.
    const MOST: usize = 1000;
    if let Some(more) = out.len().checked_sub(MOST).filter(|more| *more > 0) {
        out.truncate(MOST);
        let message = format!("and {more} more files of this kind");
        out.push((UNSAFE_PICKLE, Outcome { message, ..Outcome::new("more files", Status::Fail) }));
    }
    out
}

fn finding(path: &Path, severity: Severity, message: String) -> (Meta, Outcome) {
    let named = path.display().to_string();
    let message = format!("{named}: {message}");
    (UNSAFE_PICKLE, Outcome { severity, message, ..Outcome::new(named, Status::Fail) })
}

fn look(path: &Path) -> std::io::Result<Option<(Severity, String)>> {
    /// Pickles that follow one another in a file, of which each is loaded by a call of its own.
    const IN_A_ROW: usize = 1000;
    /// More than any header of an array.
    const HEADER: u64 = 1 << 20;
    let mut file = File::open(path)?;
    let mut head = Vec::new();
    file.by_ref().take(6).read_to_end(&mut head)?;
    if head == b"\x93NUMPY" {
        file.by_ref().take(HEADER).read_to_end(&mut head)?;
    }
    let objects = objects_at(&head);
    file.seek(SeekFrom::Start(objects.unwrap_or(0)))?;
    let mut input = BufReader::new(file);
    let mut seen = pickle::walk(&mut input);
    let sure = seen.marked || objects.is_some();
    let mut more = 0;
    while sure && seen.whole && !input.fill_buf()?.is_empty() {
        more += 1;
        if more == IN_A_ROW {
            return Ok(Some((Severity::Error, format!("more than {IN_A_ROW} pickles, one after the other"))));
        }
        let next = pickle::walk(&mut input);
        seen.foreign.extend(next.foreign);
        (seen.whole, seen.broken) = (next.whole, next.broken);
    }
    if !seen.foreign.is_empty() && (sure || seen.calls) {
        let names: Vec<&str> = seen.foreign.iter().take(5).map(String::as_str).collect();
        return Ok(Some((Severity::Error, format!("a pickle that imports {}", names.join(", ")))));
    }
    Ok(match seen.broken {
        Some(why) if sure => Some((Severity::Error, format!("a pickle that cannot be followed: {why}"))),
        None if sure => Some((Severity::Warning, "a pickle of plain values".into())),
        _ => None,
    })
}

/// Where the pickle of a `.npy` array of objects begins.
fn objects_at(head: &[u8]) -> Option<u64> {
    let rest = head.strip_prefix(b"\x93NUMPY")?;
    let (start, length) = match *rest {
        [1, _, a, b, ..] => (10, usize::from(u16::from_le_bytes([a, b]))),
        [_, _, a, b, c, d, ..] => (12, u32::from_le_bytes([a, b, c, d]) as usize),
        _ => return None,
    };
    let end = start + length;
    let header = String::from_utf8_lossy(head.get(start..end.min(head.len()))?);
    // A type code `O` stands alone in quotes, after a byte order and before a size.
    let is_object = |word: &str| {
        let word = word.trim_start_matches(['|', '<', '>', '=']);
        word.strip_prefix('O').is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()))
    };
    header.split(['\'', '"']).any(is_object).then_some(end as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, bytes: &[u8]) -> Vec<(Meta, Outcome)> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), bytes).unwrap();
        scan(&[folder.path().to_owned()])
    }

    #[test]
    fn a_pickle_is_found_under_any_name() {
        for name in ["a.pkl", "a.csv", ".hidden", "README"] {
            let out = found(name, b"\x80\x04\x8c\x02os\x8c\x06getcwd\x93)R.");
            assert_eq!(out.len(), 1);
            assert!(out[0].1.message.contains(name) && out[0].1.message.contains("os.getcwd"));
            assert_eq!(out[0].1.severity, Severity::Error);
        }
    }

    #[test]
    fn an_array_of_objects_is_looked_into_and_numbers_are_not() {
        let npy = |kind: &str, body: &[u8]| {
            let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': (1,), }}\n");
            [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), body].concat()
        };
        let payload = b"\x80\x02cos\ngetcwd\n)R.";
        assert_eq!(found("a.npy", &npy("|O", payload))[0].1.severity, Severity::Error);
        assert!(found("a.npy", &npy("<f8", payload)).is_empty());
        assert!(found("a.npy", &npy("[('Open', '<f8')]", payload)).is_empty());
        assert_eq!(found("a.npy", &npy("O8", payload))[0].1.severity, Severity::Error);
    }

    #[test]
    fn a_pickle_that_breaks_is_an_error_and_one_of_plain_values_a_warning() {
        assert_eq!(found("a", b"\x80\x04]\xff")[0].1.severity, Severity::Error);
        assert_eq!(found("a", b"\x80\x04].")[0].1.severity, Severity::Warning);
    }

    #[test]
    fn what_follows_a_pickle_is_looked_at_too() {
        let out = found("a", b"\x80\x04N.\x80\x04\x8c\x02os\x8c\x06getcwd\x93)R.");
        assert!(out[0].1.message.contains("os.getcwd") && out[0].1.severity == Severity::Error, "{:?}", out[0].1);
        assert_eq!(found("a", b"\x80\x04N.rest")[0].1.severity, Severity::Error);
    }

    #[test]
    fn a_folder_of_pickles_ends_with_how_many_more_there_are() {
        let folder = tempfile::tempdir().unwrap();
        (0..1003).for_each(|i| std::fs::write(folder.path().join(i.to_string()), b"\x80\x04N.").unwrap());
        let out = scan(&[folder.path().to_owned()]);
        assert_eq!((out.len(), out[1000].1.message.as_str()), (1001, "and 3 more files of this kind"));
    }

    #[test]
    fn the_examples_are_clean() {
        let out = scan(&[concat!(env!("CARGO_MANIFEST_DIR"), "/examples").into()]);
        assert!(out.is_empty(), "{:?}", out.iter().map(|o| &o.1.message).collect::<Vec<_>>());
    }
}
