//! The sentences of the contract language about values, each against data in memory; and properties
//! against slow obvious references, over every encoding and any split.

use super::*;
use crate::contract::{Contract, Roles, parse};
use crate::engine::memory::InMemory;
use crate::engine::{Engine, Silent};
use crate::error::Diagnostic;
use crate::rule::{Action, Context, DynRule, Findings, Plan};
use arrow::array::*;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, TimeUnit};
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// 2026-03-01T12:00:00Z
pub const NOW: chrono::DateTime<chrono::Utc> = chrono::DateTime::from_timestamp_secs(1_772_366_400).unwrap();

pub struct Run {
    pub outcomes: Vec<Outcome>,
    /// (file, row, code, action)
    pub hits: Vec<(u32, u64, &'static str, Action)>,
}

fn contract(folder: Option<&std::path::Path>, text: &str) -> Contract {
    parse::parse(folder.map(|f| f.join("c.yaml")).as_deref(), text).unwrap_or_else(|e| panic!("{e}"))
}

type Parts = (Vec<Box<dyn DynRule>>, Vec<Outcome>);

pub fn build(text: &str, schema: &Schema, rows: u64) -> Result<Parts, Vec<Diagnostic>> {
    build_in(None, text, schema, rows)
}

fn build_in(folder: Option<&std::path::Path>, text: &str, schema: &Schema, rows: u64) -> Result<Parts, Vec<Diagnostic>> {
    let contract = contract(folder, text);
    let roles = Roles::resolve(&contract, schema);
    let plan = Plan { seed: 1, rows, memory: 1 << 14, false_alarms: 0.001, threads: 2 };
    let ctx = Context { contract: &contract, schema, roles: &roles, plan: &plan, now: NOW };
    let (mut rules, mut settled) = (Vec::new(), Vec::new());
    for entry in REGISTRY {
        let built = (entry.build)(&ctx)?;
        rules.extend(built.rules);
        settled.extend(built.settled);
    }
    Ok((rules, settled))
}

pub fn run_split(text: &str, files: Vec<RecordBatch>, shard_rows: usize, batch_rows: usize) -> Run {
    go(None, text, files, shard_rows, batch_rows)
}

/// With the contract in a folder, beside other data.
pub fn run_in(folder: &std::path::Path, text: &str, files: Vec<RecordBatch>, shard_rows: usize, batch_rows: usize) -> Run {
    go(Some(folder), text, files, shard_rows, batch_rows)
}

fn go(folder: Option<&std::path::Path>, text: &str, files: Vec<RecordBatch>, shard_rows: usize, batch_rows: usize) -> Run {
    let schema = files[0].schema();
    let input = InMemory { shard_rows, batch_rows, ..InMemory::new(files) };
    let (rules, mut outcomes) = build_in(folder, text, &schema, input.rows()).expect("a contract that fits");
    let plan = Plan { seed: 1, rows: input.rows(), memory: 1 << 14, false_alarms: 0.001, threads: 2 };
    let stop = AtomicBool::new(false);
    let engine = Engine::new(&input, &plan, &Silent, &stop).unwrap();
    let learned = engine.learn(&rules).unwrap();
    let mut hits = Vec::new();
    for (file, frame) in input.files.iter().enumerate() {
        let batch = crate::batch::Batch::new(frame.clone(), file as u32, 0);
        for (rule, l) in rules.iter().zip(&learned) {
            let mut out = Findings::default();
            if rule.has_rows(&l.model) {
                rule.judge(&l.model, &batch, &mut out).unwrap();
            }
            hits.extend(out.hits.iter().map(|h| (file as u32, u64::from(h.row), rule.meta().code, h.action)));
            assert!(out.hits.iter().all(|h| h.score == 1.0));
        }
    }
    outcomes.extend(learned.into_iter().map(|l| l.outcome));
    Run { outcomes, hits }
}

pub fn run(text: &str, columns: Vec<(&str, ArrayRef)>) -> Run {
    run_split(text, vec![RecordBatch::try_from_iter(columns).unwrap()], 1 << 16, 1 << 15)
}

impl Run {
    pub fn rows(&self, code: &str) -> Vec<u64> {
        self.hits.iter().filter(|h| h.2 == code).map(|h| h.1).collect()
    }
    pub fn outcome(&self, title: &str) -> &Outcome {
        self.outcomes.iter().find(|o| o.title.starts_with(title)).unwrap_or_else(|| panic!("no {title}: {:?}", self.outcomes))
    }
}

pub fn ints(v: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(Int64Array::from(v))
}
pub fn doubles(v: Vec<Option<f64>>) -> ArrayRef {
    Arc::new(Float64Array::from(v))
}
pub fn strings(v: Vec<Option<&str>>) -> ArrayRef {
    Arc::new(StringArray::from(v))
}

/// The same strings in every encoding.
pub fn encodings(plain: &ArrayRef) -> Vec<ArrayRef> {
    let dict = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    [DataType::Utf8, DataType::LargeUtf8, DataType::Utf8View, dict].iter().map(|t| cast(plain, t).unwrap()).collect()
}

#[test]
fn nulls_are_skipped_by_value_rules_and_seen_by_required() {
    let text = "taster: 1\ncolumns:\n  a: {required: true, range: {min: 1, max: 5}}\n";
    let r = run(text, vec![("a", ints(vec![Some(1), None, Some(6)]))]);
    assert_eq!((r.rows("C103"), r.rows("C107")), (vec![1], vec![2]));
    assert_eq!((r.outcome("a: required").tested, r.outcome("a: range").tested), (3, 2));
    assert_eq!(r.outcome("a: range").message, "1 of 2 rows is outside 1..5 (50.0%)");
}

#[test]
fn no_value_left_passes_with_zero_tested() {
    let r = run("taster: 1\ncolumns:\n  a: {range: {min: 1}}\n", vec![("a", ints(vec![None, None]))]);
    let o = r.outcome("a: range");
    assert_eq!((&o.status, o.tested), (&Status::Pass, 0));
}

#[test]
fn nan_fails_range_and_allowed_and_passes_forbidden() {
    let text = "taster: 1\ncolumns:\n  a: {range: {min: 0}, allowed: [1, 2.5, -0.0], forbidden: [7]}\n";
    let r = run(text, vec![("a", doubles(vec![Some(f64::NAN), Some(1.0), Some(0.0), Some(7.0), Some(f64::INFINITY)]))]);
    assert_eq!(r.rows("C107"), vec![0]);
    assert_eq!(r.rows("C105"), vec![0, 3, 4]);
    assert_eq!(r.rows("C106"), vec![3]);
}

#[test]
fn exclusive_ends_are_outside() {
    let text = "taster: 1\ncolumns:\n  a: {range: {min: 1, max: 3, exclusive: true}}\n  b: {range: {min: 0, max: 1, exclusive: true}}\n";
    let b = doubles(vec![Some(0.0), Some(f64::MIN_POSITIVE), Some(1.0)]);
    let r = run(text, vec![("a", ints(vec![Some(1), Some(2), Some(3)])), ("b", b)]);
    assert_eq!(r.rows("C107"), vec![0, 2, 0, 2]);
}

#[test]
fn integers_and_floats_compare_without_rounding() {
    let two53 = 9_007_199_254_740_992_i64;
    let text = format!("taster: 1\ncolumns:\n  a: {{range: {{max: {two53}}}}}\n  b: {{range: {{min: {}}}}}\n", two53 + 1);
    let r = run(
        &text,
        vec![("a", ints(vec![Some(two53), Some(two53 + 1)])), ("b", doubles(vec![Some(two53 as f64), Some(two53 as f64 + 2.0)]))],
    );
    assert_eq!(r.hits.iter().map(|h| h.1).collect::<Vec<_>>(), vec![1, 0]);
}

#[test]
fn decimals_dates_and_instants_compare_exactly() {
    let d: ArrayRef = Arc::new(Decimal128Array::from(vec![109, 110, 111]).with_precision_and_scale(5, 2).unwrap());
    let day: ArrayRef = Arc::new(Date32Array::from(vec![0, 1, 2]));
    let at: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![-1, 0, 1]).with_timezone("+02:00"));
    let text = "taster: 1\ncolumns:\n  d: {range: {max: 1.10}}\n  day: {range: {min: 1970-01-02}}\n  at: {range: {min: '1970-01-01T02:00:00+02:00'}}\n";
    let r = run(text, vec![("d", d), ("day", day), ("at", at)]);
    assert_eq!(r.rows("C107"), vec![2, 0, 0]);
}

#[test]
fn a_naive_literal_against_a_zoned_column_is_an_error() {
    let schema = Schema::new(vec![Field::new("at", DataType::Timestamp(TimeUnit::Second, Some("UTC".into())), true)]);
    let errors = build("taster: 1\ncolumns:\n  at: {range: {min: '2026-01-01T00:00:00'}}\n", &schema, 0).err().expect("an error");
    assert!(errors[0].message.contains("no zone"), "{errors:?}");
}

#[test]
fn yaml_words_mean_what_the_column_says() {
    let text = "taster: 1\ncolumns:\n  a: {allowed: [no, 012, 2022-10-03]}\n";
    let r = run(text, vec![("a", strings(vec![Some("no"), Some("12"), Some("012"), Some("false"), Some("2022-10-03")]))]);
    assert_eq!(r.rows("C105"), vec![1, 3]);
}

#[test]
fn lengths_count_characters_graphemes_or_bytes() {
    let text =
        "taster: 1\ncolumns:\n  a: {length: {max: 2}}\n  b: {length: {max: 2, unit: graphemes}}\n  c: {length: {max: 2, unit: bytes}}\n";
    let v = || strings(vec![Some("ab"), Some("äö"), Some("e\u{301}e\u{301}"), Some("abc")]);
    let r = run(text, vec![("a", v()), ("b", v()), ("c", v())]);
    assert_eq!(r.rows("C108"), vec![2, 3, 3, 1, 2, 3]);
}

#[test]
fn a_pattern_is_searched_and_unanchored() {
    for a in encodings(&strings(vec![
        Some("x1y"),
        Some(""),
        None,
        Some("a text that is longer than a view holds, 7"),
        Some("no digit, and long as well"),
    ])) {
        let r = run("taster: 1\ncolumns:\n  a: {pattern: '[0-9]'}\n", vec![("a", a)]);
        assert_eq!(r.rows("C109"), vec![1, 4]);
    }
}

#[test]
fn unique_exempts_nulls_unless_required_and_joins_nan_and_zeros() {
    let v = || doubles(vec![None, None, Some(f64::NAN), Some(-f64::NAN), Some(0.0), Some(-0.0), Some(1.0)]);
    let r = run("taster: 1\ncolumns:\n  a: {unique: true}\n  b: {unique: true, required: true}\n", vec![("a", v()), ("b", v())]);
    assert_eq!(r.rows("C104"), vec![2, 3, 4, 5, 0, 1, 2, 3, 4, 5]);
    let o = r.outcome("a: unique");
    assert_eq!((o.tested, o.failing), (5, 4));
    assert_eq!(o.message, "4 of 5 rows share their key with another row (80.0%); 2 shared keys, 2 in excess");
}

#[test]
fn a_composite_key_is_its_parts_in_order() {
    let text = "taster: 1\nrules:\n  - unique: [a, b]\n";
    let a = strings(vec![Some("x"), Some("x"), Some("y"), Some("x"), None]);
    let b = strings(vec![Some("y"), Some("x"), Some("x"), Some("y"), Some("y")]);
    let r = run(text, vec![("a", a), ("b", b)]);
    assert_eq!(r.rows("C104"), vec![0, 3]);
    assert_eq!(r.outcome("unique").tested, 4);
}

#[test]
fn an_absent_column_fails_and_its_other_checks_say_why() {
    let r = run("taster: 1\ncolumns:\n  gone: {required: true, range: {min: 1}}\n", vec![("a", ints(vec![Some(1)]))]);
    assert_eq!(r.outcome("gone: present").status, Status::Fail);
    for check in ["gone: required", "gone: range"] {
        assert!(matches!(&r.outcome(check).status, Status::NotEvaluated(why) if why.contains("not in the data")));
    }
}

#[test]
fn a_rule_naming_an_unknown_column_is_a_contract_error_with_a_hint() {
    let schema = Schema::new(vec![Field::new("site", DataType::Utf8, true)]);
    let errors = build("taster: 1\nrules:\n  - unique: [siet]\n", &schema, 0).err().expect("an error");
    assert_eq!((errors[0].code, errors[0].help.as_deref()), ("C002", Some("did you mean `site`?")));
}

#[test]
fn types_match_by_what_they_hold() {
    let text = "taster: 1\ncolumns:\n  a: {type: string}\n  b: {type: integer}\n  c: {type: int8}\n";
    for a in encodings(&strings(vec![Some("x")])) {
        let r = run(text, vec![("a", a), ("b", ints(vec![Some(1)])), ("c", ints(vec![Some(1)]))]);
        assert_eq!(r.outcome("a: type").status, Status::Pass);
        assert_eq!(r.outcome("b: type").status, Status::Pass);
        assert_eq!((&r.outcome("c: type").status, r.outcome("c: type").message.as_str()), (&Status::Fail, "is int64, declared int8"));
    }
}

#[test]
fn an_unparsed_cell_breaks_the_type_and_is_not_a_null() {
    let marks: ArrayRef = Arc::new(BooleanArray::from(vec![false, true, false]));
    let companion = crate::source::unparsed_column("a");
    let frame = RecordBatch::try_from_iter([("a", ints(vec![Some(1), None, None])), (companion.as_str(), marks)]).unwrap();
    let schema = Schema::new(vec![Field::new("a", DataType::Int64, true)]);
    let (rules, _) = build("taster: 1\ncolumns:\n  a: {type: int64, required: true}\n", &schema, 3).unwrap();
    let plan = Plan { seed: 1, rows: 3, memory: 1 << 14, false_alarms: 0.001, threads: 1 };
    let batch = crate::batch::Batch::new(frame, 0, 0);
    let seen: Vec<(&str, u64, u64)> = rules
        .iter()
        .map(|rule| {
            let mut state = rule.start(1, None, &plan);
            rule.observe(1, None, &plan, &mut state, &batch).unwrap();
            let outcome = rule.outcome(&rule.finish(1, None, &plan, state).unwrap().0);
            (rule.meta().code, outcome.tested, outcome.failing)
        })
        .collect();
    assert_eq!(seen, vec![("C102", 2, 1), ("C103", 3, 1)]);
}

#[test]
fn extra_columns_are_forbidden_warned_about_or_allowed() {
    for (word, expect) in
        [("forbid", Some(crate::contract::Severity::Error)), ("warn", Some(crate::contract::Severity::Warning)), ("allow", None)]
    {
        let text = format!("taster: 1\ncolumns:\n  a: {{}}\n  'feat_*': {{}}\nextra_columns: {word}\n");
        let r = run(&text, vec![("a", ints(vec![Some(1)])), ("feat_1", ints(vec![Some(1)])), ("b", ints(vec![Some(1)]))]);
        let found = r.outcomes.iter().find(|o| o.title == "extra_columns");
        assert_eq!(found.map(|o| o.severity), expect);
        assert!(found.is_none_or(|o| o.status == Status::Fail && o.columns == ["b"]));
    }
}

#[test]
fn row_counts_and_class_shares_have_no_guilty_row() {
    let text = "taster: 1\ncolumns:\n  l: {role: label}\nrules:\n  - rows: {min: 5}\n  - label_share: {max: 60%}\n";
    let r = run(text, vec![("l", strings(vec![Some("a"), Some("a"), Some("b"), None]))]);
    assert_eq!(r.outcome("rows").message, "4 rows; the contract asks for at least 5");
    let o = r.outcome("label_share");
    assert_eq!((&o.status, o.tested), (&Status::Fail, 3));
    assert_eq!(o.message, "`a` takes 66.7% (2 of 3 rows); the contract asks for at most 60%");
    assert!(r.hits.is_empty());
}

#[test]
fn a_label_without_values_leaves_its_share_not_evaluated() {
    let r = run("taster: 1\ncolumns:\n  l: {role: label}\nrules:\n  - label_share: {max: 60%}\n", vec![("l", strings(vec![None]))]);
    assert!(matches!(r.outcome("label_share").status, Status::NotEvaluated(_)));
}

#[test]
fn warnings_and_tolerated_rows_are_for_review() {
    let text =
        "taster: 1\ncolumns:\n  a: {range: {max: 1}, severity: warning}\n  b: {range: {max: 1}, tolerance: 50%}\n  c: {range: {max: 1}}\n";
    let v = || ints(vec![Some(1), Some(2)]);
    let r = run(text, vec![("a", v()), ("b", v()), ("c", v())]);
    assert_eq!(r.hits.iter().map(|h| h.3).collect::<Vec<_>>(), vec![Action::Review, Action::Review, Action::Quarantine]);
    assert!(r.outcome("b: range").within_tolerance && r.outcome("b: range").status == Status::Pass);
}

/// Failing rows, tested, not tested.
#[cfg(feature = "polars")]
fn expression(e: &str, columns: Vec<(&str, ArrayRef)>) -> (Vec<u64>, u64, u64) {
    let r = run(&format!("taster: 1\nrules:\n  - expression: >-\n      {e}\n    name: it\n"), columns);
    let o = r.outcome("it");
    (r.rows("C121"), o.tested, o.not_tested_rows)
}

#[cfg(feature = "polars")]
#[test]
fn nan_is_ordered_with_nothing_in_expressions() {
    let v = || vec![("x", doubles(vec![Some(f64::NAN), Some(1.0), None]))];
    for (e, failing) in [
        ("x > 0", vec![0]),
        ("x < 2", vec![0]),
        ("x = x", vec![0]),
        ("x <> 1", vec![1]),
        ("NOT (x > 0)", vec![1]),
        ("x BETWEEN 0 AND 2", vec![0]),
    ] {
        assert_eq!(expression(e, v()), (failing, 2, 1), "{e}");
    }
}

#[cfg(feature = "polars")]
#[test]
fn a_null_result_is_not_tested_and_kleene_logic_holds() {
    let v = || vec![("a", ints(vec![None, Some(1), None])), ("b", ints(vec![Some(1), Some(2), Some(2)]))];
    assert_eq!(expression("a = 1 OR b = 1", v()), (vec![], 2, 1));
    assert_eq!(expression("a = 1 AND b = 1", v()), (vec![1, 2], 2, 1));
    assert_eq!(expression("a IS NULL OR a = 5", v()), (vec![1], 3, 0));
    assert_eq!(expression("COALESCE(a, 7) = 7", v()), (vec![1], 3, 0));
}

#[cfg(feature = "polars")]
#[test]
fn expressions_compute_exactly() {
    let big = 9_007_199_254_740_993_i64;
    let v =
        || vec![("i", ints(vec![Some(big), Some(i64::MAX)])), ("f", doubles(vec![Some(big as f64), Some(9_223_372_036_854_775_808.0)]))];
    assert_eq!(expression("i = f", v()), (vec![0, 1], 2, 0));
    assert_eq!(expression("i > f", v()), (vec![1], 2, 0));
    // What leaves 64 bits is null, not a wrapped number; so is a division by zero.
    assert_eq!(expression("i + 1 > 0", v()), (vec![], 1, 1));
    assert_eq!(expression("i / (i - i) = 1", v()), (vec![], 0, 2));
    let u: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX, 1]));
    assert_eq!(expression("u > i", vec![("u", u), ("i", ints(vec![Some(-1), Some(1)]))]), (vec![1], 2, 0));
}

#[cfg(feature = "polars")]
#[test]
fn strings_dates_and_cases_work_in_every_encoding() {
    // A name is a name, also one that polars would read as a pattern.
    assert_eq!(expression("\"*\" > 1", vec![("*", ints(vec![Some(1)])), ("b", ints(vec![Some(2)]))]), (vec![0], 1, 0));
    let d: ArrayRef = Arc::new(Decimal128Array::from(vec![110, 111]).with_precision_and_scale(5, 2).unwrap());
    assert_eq!(expression("d <= 1.1 AND d > 1", vec![("d", d)]), (vec![1], 2, 0));
    for s in encodings(&strings(vec![Some("Abc"), Some("zeta"), None])) {
        let day: ArrayRef = Arc::new(Date32Array::from(vec![0, 20_000, 1]));
        let v = || vec![("s", s.clone()), ("day", day.clone())];
        assert_eq!(expression("s LIKE 'A%'", v()), (vec![1], 2, 1));
        assert_eq!(expression("s ILIKE '%BC' OR LENGTH(s) = 4", v()), (vec![], 2, 1));
        assert_eq!(expression("LOWER(s) || 'x' = 'abcx'", v()), (vec![1], 2, 1));
        assert_eq!(expression("s IN ('Abc', 'b', 'c')", v()), (vec![1], 2, 1));
        assert_eq!(expression("day < DATE '1971-01-01'", v()), (vec![1], 3, 0));
        assert_eq!(expression("CASE WHEN s = 'zeta' THEN day > '2020-01-01' ELSE day < '1971-01-01' END", v()), (vec![], 3, 0));
    }
}

#[cfg(feature = "polars")]
#[test]
fn when_chooses_the_rows_that_are_tested() {
    let text = "taster: 1\nrules:\n  - expression: a > 1\n    when: b = 1\n    name: it\n";
    let r = run(text, vec![("a", ints(vec![Some(1), Some(1), Some(2), None])), ("b", ints(vec![Some(1), Some(2), None, Some(1)]))]);
    let o = r.outcome("it");
    assert_eq!((r.rows("C121"), o.tested, o.not_tested_rows), (vec![0], 1, 2));
}

#[cfg(feature = "polars")]
#[test]
fn what_is_not_row_wise_or_mixes_types_is_refused_with_its_place() {
    let schema = Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Second, Some("UTC".into())), true),
    ]);
    for (e, says) in [
        ("SUM(a) > 1", "aggregate"),
        ("ROW_NUMBER() OVER (ORDER BY a) = 1", "window"),
        ("a IN (SELECT 1)", "subquery"),
        ("a = s", "cannot be compared"),
        ("a + s = 1", "needs numbers"),
        ("at > '2026-01-01T00:00:00'", "no zone"),
        ("SLEEP(a) = 1", "not supported"),
        ("a", "yields an integer"),
        ("a = 1 b", "left over"),
        ("1 = 1", "names no column"),
        ("aa = 1", "column `aa` is not in the data"),
    ] {
        let errors =
            build(&format!("taster: 1\nrules:\n  - expression: >-\n      {e}\n"), &schema, 0).err().unwrap_or_else(|| panic!("{e}"));
        assert!(errors[0].message.contains(says), "{e}: {errors:?}");
        assert!(errors[0].span.is_some());
    }
    let deep = format!("{}a = 1{}", "(".repeat(500), ")".repeat(500));
    assert!(build(&format!("taster: 1\nrules:\n  - expression: >-\n      {deep}\n"), &schema, 0).is_err());
}

fn odd_doubles() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        Just(None),
        (-3_i32..4).prop_map(|i| Some(f64::from(i))),
        Just(Some(f64::NAN)),
        Just(Some(f64::INFINITY)),
        Just(Some(f64::NEG_INFINITY)),
        Just(Some(-0.0)),
        Just(Some(f64::MAX)),
        any::<f64>().prop_map(Some)
    ]
}

fn words() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        "[a-cä]{0,3}".prop_map(Some),
        Just(Some("a word beyond twelve bytes".to_owned())),
        "[ab😀]{10,20}".prop_map(Some)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn ranges_of_floats_agree_with_the_obvious(v in prop::collection::vec(odd_doubles(), 0..60), lo in -3_i32..3, width in 1_i32..4, exclusive: bool) {
        let hi = lo + width;
        let text = format!("taster: 1\ncolumns:\n  a: {{range: {{min: {lo}, max: {hi}, exclusive: {exclusive}}}}}\n");
        let r = run(&text, vec![("a", doubles(v.clone()))]);
        let (lo, hi) = (f64::from(lo), f64::from(hi));
        let inside = |x: f64| if exclusive { x > lo && x < hi } else { x >= lo && x <= hi };
        let expect: Vec<u64> = (0..v.len()).filter(|&i| v[i].is_some_and(|x| !inside(x))).map(|i| i as u64).collect();
        prop_assert_eq!(r.rows("C107"), expect);
    }

    #[test]
    fn ranges_of_integers_agree_with_the_obvious(v in prop::collection::vec(prop_oneof![Just(None), any::<i64>().prop_map(Some), Just(Some(i64::MIN)), Just(Some(i64::MAX)), (-5_i64..5).prop_map(Some)], 0..60),
        lo in prop_oneof![Just(i64::MIN), -4_i64..0, any::<i64>()], hi in prop_oneof![Just(i64::MAX), 0_i64..4, any::<i64>()]) {
        prop_assume!(lo < hi);
        let r = run(&format!("taster: 1\ncolumns:\n  a: {{range: {{min: {lo}, max: {hi}}}}}\n"), vec![("a", ints(v.clone()))]);
        let expect: Vec<u64> = (0..v.len()).filter(|&i| v[i].is_some_and(|x| x < lo || x > hi)).map(|i| i as u64).collect();
        prop_assert_eq!(r.rows("C107"), expect);
    }

    #[test]
    fn strings_agree_with_the_obvious_in_every_encoding_and_split(v in prop::collection::vec(words(), 1..80), min in 0_usize..4, extra in 0_usize..12, shard in 1_usize..20, batch in 1_usize..20) {
        let max = min + extra.max(1);
        let listed = ["a", "bc", "äa", "a word beyond twelve bytes"];
        let text = format!("taster: 1\ncolumns:\n  a: {{length: {{min: {min}, max: {max}}}, allowed: [a, bc, äa, a word beyond twelve bytes], unique: true}}\n");
        let plain: ArrayRef = Arc::new(StringArray::from(v.clone()));
        let at = |f: &dyn Fn(&str) -> bool| -> Vec<u64> { (0..v.len()).filter(|&i| v[i].as_deref().is_some_and(f)).map(|i| i as u64).collect() };
        for a in encodings(&plain) {
            let frame = RecordBatch::try_from_iter([("a", a)]).unwrap();
            let whole = run_split(&text, vec![frame.clone()], 1 << 16, 1 << 15);
            prop_assert_eq!(whole.rows("C108"), at(&|s| !(min..=max).contains(&s.chars().count())));
            prop_assert_eq!(whole.rows("C105"), at(&|s| !listed.contains(&s)));
            prop_assert_eq!(whole.rows("C104"), at(&|s| v.iter().flatten().filter(|t| *t == s).count() > 1));
            let cut = run_split(&text, vec![frame], shard, batch);
            prop_assert_eq!(&whole.hits, &cut.hits);
            for (x, y) in whole.outcomes.iter().zip(&cut.outcomes) {
                prop_assert_eq!(serde_json::to_string(x).unwrap(), serde_json::to_string(y).unwrap());
            }
        }
    }
}

#[test]
fn what_stands_under_a_null_key_is_never_followed() {
    let keys = Int32Array::new(vec![0, 99, 1].into(), Some(vec![true, false, true].into()));
    let dict: ArrayRef = Arc::new(dictionary(keys));
    let r = run("taster: 1\ncolumns:\n  a: {allowed: [x], unique: true}\n", vec![("a", dict)]);
    assert_eq!(r.rows("C105"), vec![2]);
}

fn dictionary(keys: Int32Array) -> DictionaryArray<Int32Type> {
    DictionaryArray::try_new(keys, strings(vec![Some("x"), Some("y")])).unwrap()
}

#[test]
fn codes_ascend_and_every_page_says_what_fools_the_check() {
    let codes: Vec<_> = REGISTRY.iter().map(|e| e.meta.code).collect();
    assert!(codes.is_sorted(), "{codes:?}");
    for e in REGISTRY {
        for heading in ["**Why it hurts a model.**", "**How it is computed.**", "**Example.**", "**What fools it.**"] {
            assert!(e.meta.explain.contains(heading), "{} lacks {heading}", e.meta.code);
        }
    }
}

/// Lists in memory, from the texts of their elements; a null list's slot holds an element all the
/// same, as the format allows.
fn lists(rows: &[Option<&[Option<&str>]>]) -> ArrayRef {
    let mut offsets = vec![0_i32];
    let mut values: Vec<Option<&str>> = Vec::new();
    for row in rows {
        values.extend(row.map_or(&[Some("under a null")][..], |r| r));
        offsets.push(values.len() as i32);
    }
    let nulls = arrow::buffer::NullBuffer::from(rows.iter().map(Option::is_some).collect::<Vec<_>>());
    let item = Arc::new(Field::new("item", DataType::Utf8, true));
    Arc::new(ListArray::new(item, arrow::buffer::OffsetBuffer::new(offsets.into()), strings(values), Some(nulls)))
}

#[test]
fn a_row_fails_when_any_element_of_its_list_does() {
    let tags = lists(&[Some(&[Some("a"), Some("b")]), Some(&[]), None, Some(&[None]), Some(&[Some("zz"), None, Some("zz")])]);
    let text = "taster: 1\ncolumns:\n  'tags[]': {type: string, required: true, allowed: [a, b], length: {max: 1}}\n";
    let r = run(text, vec![("tags", tags)]);
    assert_eq!((r.rows("C105"), r.rows("C108"), r.rows("C103")), (vec![4], vec![4], vec![3, 4]));
    assert_eq!((r.outcome("tags[]: allowed").tested, r.outcome("tags[]: required").tested), (2, 3));
}

#[test]
fn elements_of_fixed_and_nested_lists_are_found() {
    let vectors = FixedSizeListArray::from_iter_primitive::<arrow::datatypes::Float32Type, _, _>(
        [Some(vec![Some(0.5), Some(1.0)]), None, Some(vec![None, Some(7.0)]), Some(vec![Some(f32::NAN), Some(0.0)])],
        2,
    );
    let text = "taster: 1\ncolumns:\n  'v[]': {type: float32, range: {min: 0, max: 1}}\n";
    let r = run(text, vec![("v", Arc::new(vectors))]);
    assert_eq!((r.rows("C107"), r.outcome("v[]: range").tested), (vec![2, 3], 3));

    let inner = lists(&[Some(&[Some("a")]), Some(&[Some("x")]), None, Some(&[]), Some(&[Some("a"), Some("x")])]);
    let item = Arc::new(Field::new("item", inner.data_type().clone(), true));
    let outer = ListArray::new(item, arrow::buffer::OffsetBuffer::new(vec![0, 1, 3, 3, 5].into()), inner, None);
    let r = run("taster: 1\ncolumns:\n  'g[][]': {forbidden: [x]}\n", vec![("g", Arc::new(outer))]);
    assert_eq!((r.rows("C106"), r.outcome("g[][]: forbidden").tested), (vec![1, 3], 3));
}

proptest! {
    #[test]
    fn elements_are_judged_as_a_loop_over_them_would(rows in proptest::collection::vec(
        proptest::option::of(proptest::collection::vec(proptest::option::of(0_u8..4), 0..4)), 0..40), shard in 1_usize..9)
    {
        const WORDS: [&str; 4] = ["a", "b", "c", "d"];
        let cells: Vec<Option<Vec<Option<&str>>>> = rows.iter()
            .map(|r| r.as_ref().map(|r| r.iter().map(|v| v.map(|v| WORDS[usize::from(v)])).collect())).collect();
        let borrowed: Vec<Option<&[Option<&str>]>> = cells.iter().map(Option::as_deref).collect();
        let batch = RecordBatch::try_from_iter([("t", lists(&borrowed))]).unwrap();
        let text = "taster: 1\ncolumns:\n  't[]': {required: true, allowed: [a, b]}\n";
        let r = run_split(text, vec![batch], shard, 1 + shard / 2);
        let of = |wrong: &dyn Fn(&Option<&str>) -> bool| -> Vec<u64> {
            (0..cells.len()).filter(|i| cells[*i].iter().flatten().any(wrong)).map(|i| i as u64).collect()
        };
        prop_assert_eq!(r.rows("C105"), of(&|v| v.is_some_and(|v| v != "a" && v != "b")));
        prop_assert_eq!(r.rows("C103"), of(&|v| v.is_none()));
        prop_assert_eq!(r.outcome("t[]: allowed").tested, of(&|v| v.is_some()).len() as u64);
        prop_assert_eq!(r.outcome("t[]: required").tested, of(&|_| true).len() as u64);
    }
}
