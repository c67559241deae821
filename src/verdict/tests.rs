use super::*;
use crate::contract::{At, Ignore};
use crate::rule::Action;
use chrono::NaiveDate;

pub const C: Meta = Meta { code: "C110", name: "out-of-range", summary: "", explain: "", ids: &[] };
pub const P: Meta = Meta { code: "P110", name: "shared-trigger", summary: "", explain: "", ids: &[] };

fn group(key: &str, action: Action) -> Group {
    Group {
        key: key.into(),
        action,
        score: 0.9,
        rows: 10,
        with_label: 10,
        label: Some("pos".into()),
        statistic: 9.0,
        q_value: 1e-9,
        message: "m".into(),
        reasons: vec![],
    }
}

fn judged(meta: Meta, status: Status, f: impl FnOnce(&mut Outcome)) -> Judged {
    let mut outcome = Outcome::new("title", status);
    f(&mut outcome);
    Judged { meta, outcome, spent: Duration::ZERO }
}

fn run(judged: Vec<Judged>, policy: Policy) -> Verdict {
    decide(judged, vec![], Tally::default(), &Ignores::none(), &policy)
}

fn policy(fail_on: FailOn) -> Policy {
    Policy { fail_on, rows: 100, ..Policy::default() }
}

fn ignore(rule: &str, group: Option<&str>, expires: Option<NaiveDate>) -> Ignore {
    Ignore {
        rule: At { value: rule.into(), ..At::default() },
        group: group.map(|g| At { value: g.into(), ..At::default() }),
        reason: "known".into(),
        expires: expires.map(|d| At::new(d, Default::default())),
        span: Default::default(),
    }
}

#[test]
fn the_exit_code_table_is_complete() {
    use FailOn::{Error, Never, Warning};
    for errors in [0, 1] {
        for warnings in [0, 1] {
            for nothing in [false, true] {
                let quiet = if nothing { 3 } else { 0 };
                let expected = |fails: bool| if fails { 1 } else { quiet };
                assert_eq!(exit_code(errors, warnings, nothing, Error), expected(errors > 0));
                assert_eq!(exit_code(errors, warnings, nothing, Warning), expected(errors + warnings > 0));
                assert_eq!(exit_code(errors, warnings, nothing, Never), quiet);
            }
        }
    }
}

#[test]
fn statuses_weigh_what_the_interface_says() {
    let code = |meta, status, f: fn(&mut Outcome)| run(vec![judged(meta, status, f)], policy(FailOn::Error)).exit;
    assert_eq!(code(C, Status::Pass, |_| ()), 0);
    assert_eq!(code(C, Status::Fail, |_| ()), 1);
    assert_eq!(code(C, Status::Fail, |o| o.severity = Severity::Warning), 0);
    assert_eq!(code(C, Status::NotEvaluated("absent".into()), |_| ()), 1);
    assert_eq!(code(P, Status::NotTested("no label".into()), |_| ()), 3);
    assert_eq!(code(P, Status::Fail, |o| o.groups = vec![group("x", Action::Quarantine)]), 1);
    assert_eq!(code(P, Status::Fail, |o| o.groups = vec![group("x", Action::Review)]), 0);
}

#[test]
fn not_evaluated_is_a_warning_where_the_contract_says_so() {
    let one = || vec![judged(C, Status::NotEvaluated("absent".into()), |_| ())];
    let lenient = |fail_on| Policy { on_not_evaluated: OnNotEvaluated::Warn, ..policy(fail_on) };
    assert_eq!(run(one(), lenient(FailOn::Error)).exit, 0);
    assert_eq!(run(one(), lenient(FailOn::Warning)).exit, 1);
}

#[test]
fn nothing_checked_is_never_a_pass() {
    let v = run(vec![], policy(FailOn::Error));
    assert_eq!((v.exit, v.overall), (3, Overall::NothingChecked));
    let empty = Policy { rows: 0, ..policy(FailOn::Error) };
    assert_eq!(run(vec![judged(C, Status::Pass, |_| ())], empty.clone()).exit, 3);
    assert_eq!(run(vec![judged(C, Status::Fail, |_| ())], empty).exit, 1);
}

#[test]
fn a_missed_floor_is_an_error_and_so_is_an_unknown_one() {
    let floor = |rows| Floor { family: "words".into(), rows, ..Floor::default() };
    let demand = || Policy { floor: Some(25), ..policy(FailOn::Error) };
    let with = |rows| run(vec![judged(P, Status::Pass, |o| o.floor = vec![floor(rows)])], demand());
    assert_eq!(with(Some(25)).exit, 0);
    assert_eq!(with(Some(26)).exit, 1);
    assert_eq!(with(None).exit, 1);
    assert_eq!(run(vec![judged(C, Status::Pass, |_| ())], demand()).exit, 1);
}

#[test]
fn never_still_says_what_an_ordinary_run_would_do() {
    let v = run(vec![judged(C, Status::Fail, |_| ())], policy(FailOn::Never));
    assert_eq!((v.exit, v.ordinary_exit, v.overall), (0, 1, Overall::Fail));
}

#[test]
fn ignores_hide_by_rule_or_group_and_unmatched_or_expired_ones_warn() {
    let day = |d| NaiveDate::from_ymd_opt(2026, 5, d).unwrap();
    let groups = || judged(P, Status::Fail, |o| o.groups = vec![group("a", Action::Quarantine), group("b", Action::Review)]);
    let with = |list: &[Ignore]| decide(vec![groups()], vec![], Tally::default(), &Ignores::new(list, day(10)), &policy(FailOn::Error));
    let v = with(&[ignore("P110", Some("a"), Some(day(10)))]);
    assert_eq!((v.exit, v.warnings, v.ignores[0].state), (0, 1, ignores::State::Used));
    let v = with(&[ignore("P110", Some("a"), Some(day(9)))]);
    assert_eq!((v.exit, v.ignores[0].state), (1, ignores::State::Expired));
    let v = with(&[ignore("shared-trigger", None, None), ignore("P110", Some("none"), None)]);
    assert_eq!((v.exit, v.errors, v.ignores[0].state), (0, 0, ignores::State::Used));
    assert_eq!(v.ignores[1].state, ignores::State::Unmatched);
}

#[test]
fn rules_are_chosen_by_code_prefix_and_name() {
    assert!(matches("P110", "P110", "shared-trigger") && matches("P", "P110", "x") && matches("P11", "P110", "x"));
    assert!(matches("shared-trigger", "P110", "shared-trigger"));
    assert!(!matches("shared", "P110", "shared-trigger") && !matches("P1100", "P110", "x") && !matches("", "P110", "x"));
    let s = |x: &str| vec![x.to_owned()];
    assert!(selected(&[], &[], "C110", "n") && selected(&s("C"), &[], "C110", "n") && !selected(&s("P"), &[], "C110", "n"));
    assert!(!selected(&s("C"), &s("C110"), "C110", "n"));
    // What runs on request is named in full.
    let asked = |list: &[String]| selected(list, &[], "P132", "label-conflict");
    assert!(asked(&s("P132")) && asked(&s("label-conflict")) && !asked(&[]) && !asked(&s("P")) && !asked(&s("P13")));
}
