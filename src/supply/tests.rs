//! The rules about files, from the outside: a file goes in, findings come out.

use super::*;
use crate::rule::{Outcome, Severity, Status};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

fn failing(paths: &[PathBuf]) -> Vec<(Meta, Outcome)> {
    let out = scan(paths, 1, &|_| true, &AtomicBool::new(false)).unwrap();
    out.into_iter().filter(|(_, o)| o.status == Status::Fail).collect()
}

fn found(name: &str, bytes: &[u8]) -> Vec<(Meta, Outcome)> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), bytes).unwrap();
    failing(&[folder.path().to_owned()])
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
    let out = failing(&[folder.path().to_owned()]);
    assert_eq!((out.len(), out[1000].1.message.as_str()), (1001, "and 3 more findings of this kind"));
}

#[test]
fn the_examples_are_clean() {
    let out = failing(&[concat!(env!("CARGO_MANIFEST_DIR"), "/examples").into()]);
    assert!(out.is_empty(), "{:?}", out.iter().map(|o| &o.1.message).collect::<Vec<_>>());
}
