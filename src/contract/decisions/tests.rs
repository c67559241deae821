use super::*;
use proptest::prelude::*;

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 23).unwrap()
}

fn content(n: u8) -> Content {
    [n; 12]
}

fn entry(group: Option<&str>, decision: Decision, contents: &[u8]) -> Entry {
    Entry {
        rule: "P110".into(),
        group: group.map(str::to_owned),
        decision,
        reason: "known".into(),
        by: "Ana".into(),
        date: day(),
        contents: contents.iter().map(|n| content(*n)).collect(),
        span: Span::default(),
    }
}

fn decisions(entries: Vec<Entry>) -> Decisions {
    Decisions { path: "d.yaml".into(), digest: String::new(), entries }
}

/// Without what only a text has.
fn bare(d: Decisions) -> Vec<Entry> {
    d.entries.into_iter().map(|e| Entry { span: Span::default(), ..e }).collect()
}

fn read(text: &str) -> Result<Decisions> {
    parse(Path::new("d.yaml"), text)
}

/// Codes and lines of what is wrong.
fn problems(text: &str) -> Vec<(&'static str, u32)> {
    match read(text) {
        Err(Error::Contract(e)) => e.diagnostics.iter().map(|d| (d.code, d.span.map_or(0, |s| s.line))).collect(),
        other => panic!("{other:?}"),
    }
}

const GOOD: &str = "taster_decisions: 1\ndecisions:\n  - rule: P110\n    group: blue moon\n    decision: keep\n    reason: known\n    by: Ana\n    date: 2026-11-23\n    rows: 2\n    contents: >-\n      AQEBAQEBAQEBAQEB\n      AgICAgICAgICAgIC\n";

#[test]
fn a_file_as_the_page_shows_it_is_read() {
    let read = read(GOOD).unwrap();
    assert_eq!(bare(read), [entry(Some("blue moon"), Decision::Keep, &[1, 2])]);
}

#[test]
fn all_problems_are_told_at_once_and_at_their_lines() {
    let bad = GOOD.replace("keep", "kepp").replace("2026-11-23", "23.11.2026").replace("by:", "who:").replace("rows: 2", "rows: 3");
    assert_eq!(problems(&bad), [("C008", 3), ("C004", 5), ("C003", 7), ("C004", 8), ("C007", 9)]);
    assert_eq!(problems(&GOOD.replace("P110", "C107")), [("C004", 3)]);
    assert_eq!(problems(&GOOD.replace("AgICAgICAgICAgIC", "AgICAgICAgICAgI")), [("C004", 11)]);
    assert_eq!(problems(&GOOD.replace("AgICAgICAgICAgIC", "AQEBAQEBAQEBAQEB")), [("C004", 11)]);
    assert_eq!(problems(&GOOD.replace("decisions: 1", "decisions: 2")), [("C004", 1)]);
    assert_eq!(problems(""), [("C008", 0)]);
    assert_eq!(problems("taster_decisions: 1\n"), [("C008", 1)]);
    assert_eq!(problems("taster_decisions: 1\ndecisions: {}\n"), [("C004", 2)]);
}

#[test]
fn a_contract_is_not_taken_for_decisions_nor_decisions_for_a_contract() {
    assert!(problems("taster: 1\n").iter().any(|p| p.0 == "C003"));
    assert!(crate::contract::parse::parse(None, GOOD).is_err());
}

#[test]
fn what_is_decided_anew_replaces_what_was_decided_about_the_same_rows_only() {
    let mut d = decisions(vec![]);
    d.record(entry(Some("a"), Decision::Keep, &[1, 2, 3]));
    d.record(entry(Some("b"), Decision::Keep, &[1]));
    d.record(entry(Some("a"), Decision::Remove, &[2]));
    let left: Vec<_> = d.entries.iter().map(|e| (e.group.as_deref().unwrap(), e.decision, e.contents.len())).collect();
    assert_eq!(left, [("a", Decision::Keep, 2), ("b", Decision::Keep, 1), ("a", Decision::Remove, 1)]);
    d.record(entry(Some("a"), Decision::Remove, &[1, 3]));
    assert_eq!(d.entries.len(), 2, "an entry about no row is gone, and the same decision is one entry");
    assert_eq!(d.entries[1].contents, [content(1), content(2), content(3)]);
}

#[test]
fn a_hidden_group_is_known_by_its_digest() {
    let secret = Entry { group: Some(hidden("a secret")), ..entry(None, Decision::Keep, &[1]) };
    assert!(secret.is_about("P110", Some("a secret")) && !secret.is_about("P110", Some("another")));
    assert!(!secret.is_about("P115", Some("a secret")) && !secret.is_about("P110", None));
    let alone = entry(None, Decision::Keep, &[1]);
    assert!(alone.is_about("P110", None) && !alone.is_about("P110", Some("")));
}

#[test]
fn a_hidden_decision_replaces_one_that_spells_the_group_out() {
    let mut d = decisions(vec![entry(Some("a"), Decision::Remove, &[1])]);
    d.record(Entry { group: Some(hidden("a")), ..entry(None, Decision::Keep, &[1]) });
    assert_eq!(d.entries.len(), 1);
    assert!(d.entries[0].decision == Decision::Keep && d.entries[0].is_about("P110", Some("a")));
}

#[test]
fn decisions_stand_beside_their_contract() {
    assert_eq!(beside(Some(Path::new("c/reviews.yaml"))), Path::new("c/reviews.decisions.yaml"));
    assert_eq!(beside(Some(Path::new("x.odcs.yaml"))), Path::new("x.odcs.decisions.yaml"));
    assert_eq!(beside(None), Path::new("taster.decisions.yaml"));
}

#[test]
fn a_thousand_rows_take_less_than_twenty_bytes_each() {
    let contents = (0..1000u32).map(|i| {
        let mut c = [0; 12];
        c[..4].copy_from_slice(&i.to_be_bytes());
        c
    });
    let d = decisions(vec![Entry { contents: contents.collect(), ..entry(Some("x"), Decision::Keep, &[]) }]);
    assert!(d.to_yaml().len() < 20_000);
    assert_eq!(bare(read(&d.to_yaml()).unwrap()), d.entries);
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        groups in prop::collection::vec((prop::option::of("(?s).{0,20}|\\PC{0,20}"), "[^\0]{0,12}[a-z]", any::<bool>(), prop::collection::btree_set(any::<[u8; 12]>(), 1..20)), 0..5)
    ) {
        let entries = groups.into_iter().map(|(group, reason, keep, contents)| Entry {
            // YAML has no way to write this one character.
            group: group.map(|g| g.replace('\0', "")),
            reason,
            decision: if keep { Decision::Keep } else { Decision::Remove },
            contents: contents.into_iter().collect(),
            ..entry(None, Decision::Keep, &[])
        });
        let d = decisions(entries.collect());
        let text = d.to_yaml();
        match read(&text) {
            Ok(back) => prop_assert_eq!(bare(back), d.entries),
            Err(e) => prop_assert!(false, "{e}\n{text}"),
        }
    }

    #[test]
    fn any_bytes_end_in_decisions_or_in_problems_that_can_be_drawn(
        places in prop::collection::vec((0usize..GOOD.len(), 0usize..12, "[ -~\n]{0,6}|\\PC{0,3}|: |- |\\[|&a |\\*a|>-|'"), 1..6)
    ) {
        let mut text: Vec<char> = GOOD.chars().collect();
        for (at, gone, comes) in places {
            let at = at.min(text.len());
            let end = (at + gone).min(text.len());
            text.splice(at..end, comes.chars());
        }
        let text: String = text.into_iter().collect();
        match read(&text) {
            Ok(d) => {
                let again = parse(Path::new("d.yaml"), &d.to_yaml());
                prop_assert_eq!(bare(again.expect("what was read can be written")), bare(d));
            }
            Err(Error::Contract(e)) => {
                prop_assert!(!e.diagnostics.is_empty());
                let drawn = crate::contract::render::render(&e, false);
                prop_assert!(!drawn.contains('\x1b'), "a control character is drawn");
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }
}
