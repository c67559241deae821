//! What the README says is so: its commands run, its contract checks, its table is the registry.

use crate::{repository, show, taster};

fn readme() -> String {
    std::fs::read_to_string(repository().join("README.md")).expect("README.md")
}

/// The fenced blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block.to_owned()).collect()
}

#[test]
fn its_commands_do_what_it_says() {
    let mut ran = 0;
    for line in blocks(&readme(), "sh").iter().flat_map(|b| b.lines()) {
        let line = line.split(" #").next().unwrap_or("").trim();
        let Some(arguments) = line.strip_prefix("cargo run --release -- ").or_else(|| line.strip_prefix("taster ")) else {
            assert!(line.is_empty() || line.starts_with("cargo "), "README.md has a command that no test runs: {line}");
            continue;
        };
        let out = tempfile::tempdir().expect("a temporary folder");
        // Paths of the repository, outputs elsewhere.
        let arguments: Vec<String> = arguments
            .split_whitespace()
            .map(|a| if repository().join(a).exists() { repository().join(a).to_string_lossy().into_owned() } else { a.to_owned() })
            .collect();
        let output = taster(out.path()).args(&arguments).output().expect("taster runs");
        assert_eq!(output.status.code(), Some(0), "{line}\n{}", show(&output));
        ran += 1;
    }
    assert!(ran >= 4, "the README should show more than {ran} commands");
}

#[test]
fn its_code_is_the_example_that_compiles() {
    let example = std::fs::read_to_string(repository().join("examples/check_from_rust.rs")).expect("the example");
    let code = blocks(&readme(), "rust");
    assert!(code.len() == 1 && example.ends_with(&code[0]), "README.md and examples/check_from_rust.rs differ");
}

/// The parts of the picture that do not hang on a version of the statistics.
#[test]
fn its_picture_is_what_a_run_prints() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let data = ["check", "examples/data/reviews.parquet", "-c", "contracts/reviews.yaml", "--out"];
    let output = taster(repository()).args(data).arg(out.path().join("out")).output().expect("taster runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let picture = blocks(&readme(), "text").into_iter().find(|b| b.starts_with("$ taster check")).expect("a picture");
    let steady = |l: &&str| ["FAIL", "  P110 shared", "Suspect", "Smallest", "Written"].iter().any(|s| l.starts_with(s));
    let lines: Vec<&str> = picture.lines().filter(steady).collect();
    assert!(lines.len() >= 5, "{picture}");
    for line in lines {
        assert!(printed.lines().any(|l| l == line), "README.md shows a line that is not printed: {line}\n{printed}");
    }
    // How many rules there are changes with every new one; the picture need not.
    let summary = |text: &str| text.lines().find(|l| l.contains(" evaluated, ")).map(|l| l.replace(|c: char| c.is_ascii_digit(), ""));
    assert!(summary(&picture).is_some_and(|s| Some(s) == summary(&printed)), "{picture}\n{printed}");
}

#[test]
fn its_contract_is_one() {
    for text in blocks(&readme(), "yaml") {
        let contract = taster::contract::parse::parse(None, &text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert!(!contract.columns.is_empty());
    }
}

#[test]
fn its_table_of_rules_is_the_registry() {
    let mut wanted = String::from("| code | name | what it says |\n|---|---|---|\n");
    let entries = taster::checks::REGISTRY.iter().chain(taster::detectors::REGISTRY).map(|e| e.meta);
    for m in entries.chain(taster::supply::REGISTRY.iter().copied()) {
        wanted.push_str(&format!("| {} | `{}` | {} |\n", m.code, m.name, m.summary.replace('|', "\\|")));
    }
    let text = readme();
    let found = text.split_once("<!-- rules -->\n").and_then(|(_, rest)| rest.split_once("<!-- /rules -->")).map_or("", |(table, _)| table);
    assert!(found == wanted, "put this between the two marks in README.md:\n{wanted}");
}

#[test]
fn every_ready_contract_is_valid_and_commented() {
    for entry in std::fs::read_dir(repository().join("contracts")).expect("the folder of contracts") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a contract");
        taster::contract::parse::parse(Some(&path), &text).unwrap_or_else(|e| panic!("{e}"));
        assert!(text.lines().filter(|l| l.contains('#')).count() >= 4, "{} is not commented", path.display());
    }
}
