//! `docs/semantics.md`: each of its sentences is numbered and held by a test that exists.

use crate::repository;
use std::path::Path;

/// All Rust text below a folder.
fn sources(folder: &Path, out: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push_str(&std::fs::read_to_string(&path).expect("Rust is UTF-8"));
        }
    }
}

#[test]
fn every_sentence_has_a_number_and_a_test() {
    let page = std::fs::read_to_string(repository().join("docs/semantics.md")).expect("docs/semantics.md");
    let mut code = String::new();
    sources(&repository().join("src"), &mut code);
    let body = page.split_once("\n## ").expect("a page with sections").1;
    let mut number = 0;
    for line in body.lines().skip(1).filter(|l| !l.is_empty() && !l.starts_with("## ")) {
        number += 1;
        let sentence = line.strip_prefix(&format!("{number}. ")).unwrap_or_else(|| panic!("no number {number}: {line}"));
        let test = sentence.rsplit_once(" [").and_then(|(_, t)| t.strip_suffix(']')).unwrap_or_else(|| panic!("no test: {line}"));
        let exists = match test.strip_suffix(".story") {
            Some(_) => repository().join("tests/cmd").join(test).is_file(),
            None => code.contains(&format!("fn {test}(")),
        };
        assert!(exists, "{test} holds sentence {number}, and there is no such test");
    }
    assert!(number >= 30, "only {number} sentences were read");
}
