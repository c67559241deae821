use super::*;
use crate::batch::RowId;
use crate::error::Span;
use crate::quarantine::Written;
use crate::report::{ContractFacts, json};
use crate::rule::{Floor, Meta, NotTested, Outcome};
use crate::verdict::record::{Excerpt, Tally};
use crate::verdict::{FailOn, Judged, Policy, decide, ignores::Ignores};
use std::time::Duration;

const C: Meta = Meta { code: "C110", name: "out-of-range", summary: "", explain: "", ids: &[] };
const P: Meta = Meta { code: "P110", name: "shared-trigger", summary: "", explain: "", ids: &["AML.T0020"] };

fn group(key: &str, action: Action) -> Group {
    Group {
        key: key.into(),
        action,
        score: 0.97,
        rows: 1234,
        with_label: 1200,
        label: Some("pos".into()),
        statistic: 30.5,
        q_value: 1e-12,
        message: format!("whenever {key:?} occurs the label is pos, although the rest of the row says neg"),
        reasons: vec!["both neighbours vary".into()],
    }
}

fn verdict(fail_on: FailOn) -> Verdict {
    let mut range = Outcome::new("stars: range [1, 5]", Status::Fail);
    (range.tested, range.failing, range.message) = (5000, 3, "3 of 5,000 rows are outside".into());
    range.span = Some(Span { line: 14, column: 3, ..Span::default() });
    let mut trigger = Outcome::new("text × label", Status::Fail);
    trigger.groups = vec![group("kind\u{200b}regards", Action::Quarantine), group("byline", Action::Review)];
    trigger.floor = vec![Floor { family: "word n-grams".into(), class: Some("pos".into()), rows: Some(18), ..Floor::default() }];
    let judged = |meta, outcome| Judged { meta, outcome, spent: Duration::from_millis(5) };
    let lacks = |code: &str, name: &str, role: &str| NotTested {
        code: code.into(),
        name: name.into(),
        reason: format!("no column has the role {role}"),
    };
    let missing =
        vec![lacks("P120", "table-trigger", "feature"), lacks("P170", "image-patch", "image"), lacks("P190", "outlier", "feature")];
    let policy = Policy { fail_on, rows: 5000, floor: Some(10), ..Policy::default() };
    let mut v = decide(vec![judged(C, range), judged(P, trigger)], missing, Tally::default(), &Ignores::none(), &policy);
    let excerpt =
        Excerpt { column: "text".into(), before: "\u{1b}[2Jhello ".into(), marked: "kind\u{200b}regards".into(), after: " bye\n".into() };
    v.rules[1].group_examples[0] =
        vec![Example { row: RowId { source: 0, row: 17 }, id: Some("a\u{202e}b".into()), message: "m".into(), excerpt: Some(excerpt) }];
    v
}

fn facts() -> Facts {
    Facts {
        run_id: "abc".into(),
        files: vec!["reviews.parquet".into()],
        contract: Some(ContractFacts { path: Some("contracts/reviews.yaml".into()), ..ContractFacts::default() }),
        written: vec![Written { path: "taster-out/quarantine.parquet".into(), format: "parquet", lines: 1234, bytes: 9, sha256: None }],
        report: Some("taster-out/report.json".into()),
        ..Facts::default()
    }
}

#[test]
fn the_summary_reads_from_verdict_to_next_step() {
    let text = summary(&verdict(FailOn::Error), &facts(), View::default());
    let expected = [
        "FAIL: 1 broken contract rule, 1 suspect group, 1 group to review, 1 missed floor (of 5,000 rows)",
        "2 rules: 2 evaluated, 0 not; 3 not tested; contract contracts/reviews.yaml",
        "Broken rules",
        "  error[C110] stars: range [1, 5]",
        "    3 of 5,000 rows are outside",
        "    --> contracts/reviews.yaml:14:3",
        "Suspect groups (quarantine)",
        "  P110 shared-trigger `kind<U+200B>regards`",
        "    1,234 rows, 1,200 of them labelled pos; probability 0.97, q 1.0e-12",
        "    - both neighbours vary",
        "    reviews.parquet row 17, id a<U+202E>b",
        "      text: <U+001B>[2Jhello «kind<U+200B>regards» bye\\n",
        "Groups to review (their rows stay in)",
        "  P110 shared-trigger `byline`",
        "Smallest poisoning this run would have found",
        "  P110 word n-grams           class pos                    18 rows",
        "  error: the contract wants 10 rows found, P110 word n-grams cannot promise that",
        "Not tested",
        "  P120 table-trigger, P190 outlier: no column has the role feature",
        "  P170 image-patch: no column has the role image",
        "Written",
        "  taster-out/quarantine.parquet (1,234 suspect rows)",
        "  taster-out/report.json",
        "Next",
        "  taster explain C110",
        "  taster explain P110",
        "    - {rule: P110, group: \"kind\\u200Bregards\", reason: ...}",
    ];
    let mut lines = text.lines();
    for e in expected {
        assert!(lines.any(|l| l == e), "missing, or not in this place: {e}\n{text}");
    }
}

#[test]
fn nothing_from_the_data_reaches_the_terminal_unescaped() {
    let text = summary(&verdict(FailOn::Error), &facts(), View::default());
    assert!(!text.contains(['\u{1b}', '\u{200b}', '\u{202e}']), "{text:?}");
    let colored = summary(&verdict(FailOn::Error), &facts(), View { color: true, ..View::default() });
    assert!(colored.contains("\u{1b}[") && !colored.contains("\u{1b}[2J"));
}

#[test]
fn prose_keeps_to_the_width() {
    let text = summary(&verdict(FailOn::Error), &facts(), View { width: 60, color: false });
    let prose = text.lines().filter(|l| l.contains("whenever") || l.contains("rest of the row"));
    assert!(prose.clone().count() >= 2 && prose.clone().all(|l| l.chars().count() <= 60), "{text}");
}

#[test]
fn never_failing_names_the_ordinary_exit_code() {
    let text = summary(&verdict(FailOn::Never), &facts(), View::default());
    assert!(text.contains("exit code 0 because of --fail-on; an ordinary run would exit with 1"), "{text}");
}

#[test]
fn the_quiet_line_is_one_line() {
    assert_eq!(verdict_line(&verdict(FailOn::Error), View::default()).lines().count(), 1);
    let nothing = decide(vec![], vec![], Tally::default(), &Ignores::none(), &Policy::default());
    assert_eq!(verdict_line(&nothing, View::default()), "NOTHING CHECKED: the data has no rows\n");
}

#[test]
fn the_report_is_the_same_twice_apart_from_time() {
    let make = |ms| {
        let mut r = json::report(&verdict(FailOn::Error), &Facts { elapsed: Duration::from_millis(ms), now: ms.to_string(), ..facts() });
        let map = r.as_object_mut().unwrap();
        map.remove("timing").unwrap();
        map.remove("now").unwrap();
        r
    };
    assert_eq!(make(1), make(2));
    let r = make(1);
    assert_eq!((r["schema"].as_str(), r["verdict"]["exit_code"].as_u64()), (Some("taster-report/1"), Some(1)));
    assert_eq!(r["rules"][0]["contract_line"]["line"], 14);
    assert_eq!(r["rules"][1]["groups"][0]["examples"][0]["row"], 17);
    assert_eq!(r["files"][0]["lines"], 1234);
}

#[test]
fn redacted_reports_carry_no_text_of_cells() {
    let facts = Facts { redact: true, ..facts() };
    let json = json::report(&verdict(FailOn::Error), &facts).to_string();
    let text = summary(&verdict(FailOn::Error), &facts, View::default());
    for secret in ["regards", "byline", "hello", "bye"] {
        assert!(!json.contains(secret) && !text.contains(secret), "{secret}: {json}\n{text}");
    }
}

#[test]
fn the_report_is_written_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out/report.json");
    json::write(&path, &verdict(FailOn::Error), &facts()).unwrap().commit().unwrap();
    let read: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(read["run_id"], "abc");
}
