//! Claims about the language as a whole: what a contract may say, and what is answered when it
//! says something else.

use super::parse::parse;
use super::*;
use crate::error::Error;

/// Everything that works today, once.
pub(super) const ALL: &str = r"
taster: 1                           # format version
name: film-notes
version: 1.4.0
description: Notes on films, one row per note.
data: [notes-*.parquet]
columns:
  note_id: {type: int64, role: id, required: true, unique: true}
  text:    {type: string, role: text, required: true, length: {min: 1, max: 5000}}
  label:   {type: string, role: label, required: true, allowed: [neg, pos]}
  stars:   {type: int8, range: {min: 1, max: 5}}
  email:   {type: string, pattern: '^[^@\s]+@[^@\s]+$', tolerance: 0.5%}
  site:    {type: string, role: source}
  split:   {type: string, role: split, allowed: [train, valid, test]}
extra_columns: warn
rules:
  - rows: {min: 10000}
  - unique: [site, note_id]
  - expression: >-
      stars >= 4 OR label = 'neg'
    name: stars agree with the label
    severity: warning
    tolerance: 1%
  - label_share: {max: 60%}
    by: split
poisoning:
  detectors: default
  false_alarms: 0.1%
  floor: 25 rows
ignore:
  - {rule: P110, group: 'url url', reason: site boilerplate, expires: 2027-02-01}
";

pub(super) fn errors(text: &str) -> Vec<Diagnostic> {
    match parse(None, text) {
        Err(Error::Contract(e)) => e.diagnostics,
        Err(other) => panic!("{other}"),
        Ok(_) => Vec::new(),
    }
}

pub(super) fn contract(text: &str) -> Contract {
    match parse(None, text) {
        Ok(c) => c,
        Err(Error::Contract(e)) => panic!("{:#?}", e.diagnostics),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_whole_language_is_read() {
    let c = contract(ALL);
    assert_eq!(c.name.as_deref(), Some("film-notes"));
    assert_eq!(c.version.as_deref(), Some("1.4.0"));
    assert_eq!(c.columns.len(), 7);
    assert_eq!(c.extra_columns.value, ExtraColumns::Warn);
    let text = c.specs_for("text").next().unwrap();
    assert_eq!(text.role.as_ref().unwrap().value, Role::Text);
    assert_eq!(text.length.as_ref().unwrap().value, Length { min: Some(1), max: Some(5000), unit: LengthUnit::Chars });
    let email = c.specs_for("email").next().unwrap();
    assert_eq!(email.pattern.as_ref().unwrap().value, r"^[^@\s]+@[^@\s]+$");
    assert!(email.tolerance.as_ref().unwrap().value.covers(1, 200));
    assert_eq!(c.rules.len(), 4);
    let RuleKind::Expression(e) = &c.rules[2].kind else { panic!("an expression") };
    assert_eq!(e.value, "stars >= 4 OR label = 'neg'");
    assert_eq!(c.rules[2].severity, Severity::Warning);
    assert_eq!(c.rules[3].by.as_ref().unwrap().value, ["split"]);
    assert_eq!(c.poisoning.floor.as_ref().unwrap().value, 25);
    assert_eq!(c.ignore[0].group.as_ref().unwrap().value, "url url");
    assert_eq!(c.digest.len(), 64);
    assert!(c.warnings.is_empty());
}

#[test]
fn all_errors_of_a_contract_are_told_at_once_in_the_order_of_the_text() {
    let text = "taster: 2\nnam: x\ncolumns:\n  a: {type: int, rnge: {min: 1}}\n  a: {}\n";
    let codes: Vec<(&str, u32)> = errors(text).iter().map(|d| (d.code, d.span.unwrap().line)).collect();
    assert_eq!(codes, [("C004", 1), ("C003", 2), ("C004", 4), ("C003", 4), ("C006", 5)]);
}

#[test]
fn a_type_cut_at_its_comma_is_one_error_wherever_it_is_cut() {
    for whole in ["decimal(10, 2)", "timestamp(us, UTC)", "list<float32, 768>", "map<string, list<int8, 3>>"] {
        let text = format!("taster: 1\ncolumns: {{a: {{type: {whole}, required: true}}}}\n");
        let found = errors(&text);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].help.as_ref().unwrap().contains(&format!("'{whole}'")), "{found:?}");
        let span = found[0].span.unwrap();
        assert_eq!(&text[span.offset..span.offset + span.len], whole);
    }
    assert_eq!(errors("taster: 1\ncolumns: {a: {type: 'decimal(10, 2)', colour:}}\n")[0].code, "C003");
}
