//! `when` and `by` on every kind of rule, against the same rule on the rows picked by hand.

use super::tests::{Run, build, run_in, run_split, strings};
use crate::rule::{Outcome, Status};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

type Row = (Option<i64>, Option<String>, Option<String>);

fn frame(rows: &[Row]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([
        ("a", Arc::new(Int64Array::from_iter(rows.iter().map(|r| r.0))) as ArrayRef, true),
        ("g", Arc::new(StringArray::from_iter(rows.iter().map(|r| r.1.clone()))) as ArrayRef, true),
        ("y", Arc::new(StringArray::from_iter(rows.iter().map(|r| r.2.clone()))) as ArrayRef, true),
    ])
    .unwrap()
}

fn contract(rule: &str, shared: &str) -> String {
    format!("taster: 1\ncolumns: {{y: {{role: label}}, g: {{role: source}}}}\nrules:\n  - {rule}\n{shared}")
}

/// Kinds whose answer for a part of the rows is that of the same rule on a file with only these.
const KINDS: [&str; 9] = [
    "rows: {min: 3}",
    "unique: [a]",
    "expression: a > 2",
    "label_share: {max: 60%}",
    "label_share: {classes: {p: {min: 20%}}}",
    "same_input: [a]",
    "different: [g, y]",
    "source_share: {max: 70%}",
    "near_duplicates: {columns: [g, y], max: 30%}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn when_is_the_rule_on_the_rows_where_it_is_true(
        rows in prop::collection::vec((prop::option::of(0_i64..6), prop::option::of("[uv]"), prop::option::of("[pq]")), 1..40),
        shard in 1_usize..20, batch in 1_usize..9)
    {
        let chosen: Vec<u32> = (0..rows.len() as u32).filter(|i| rows[*i as usize].0.is_some_and(|a| a < 4)).collect();
        let all = frame(&rows);
        let picked = arrow::compute::take_record_batch(&all, &UInt32Array::from(chosen.clone())).unwrap();
        for rule in KINDS {
            let scoped = run_split(&contract(rule, "    when: a < 4\n"), vec![all.clone()], shard, batch);
            let (o, rows_found) = (subject(&scoped), places(&scoped));
            if chosen.is_empty() {
                prop_assert_eq!((o.tested, o.failing, rows_found.len()), (0, 0, 0), "{}", rule);
                continue;
            }
            let plain = run_split(&contract(rule, ""), vec![picked.clone()], shard, batch);
            let p = subject(&plain);
            prop_assert_eq!(std::mem::discriminant(&o.status), std::mem::discriminant(&p.status), "{}: {} / {}", rule, o.message, p.message);
            prop_assert_eq!((o.tested, o.failing), (p.tested, p.failing), "{}", rule);
            let there: Vec<u64> = places(&plain).iter().map(|r| u64::from(chosen[*r as usize])).collect();
            prop_assert_eq!(rows_found, there, "{}", rule);
        }
    }

    #[test]
    fn by_is_the_rule_on_each_group(
        rows in prop::collection::vec((prop::option::of(0_i64..6), prop::option::of("[uvw]"), prop::option::of("[pq]")), 1..40),
        shard in 1_usize..20, batch in 1_usize..9)
    {
        let mut groups: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for (i, r) in rows.iter().enumerate() {
            if let Some(g) = &r.1 {
                groups.entry(g).or_default().push(i as u32);
            }
        }
        let all = frame(&rows);
        for rule in KINDS {
            let grouped = run_split(&contract(rule, "    by: g\n"), vec![all.clone()], shard, batch);
            let o = subject(&grouped);
            let (mut tested, mut failing, mut there, mut failed) = (0, 0, Vec::new(), false);
            for rows in groups.values() {
                let part = arrow::compute::take_record_batch(&all, &UInt32Array::from(rows.clone())).unwrap();
                let one = run_split(&contract(rule, ""), vec![part], shard, batch);
                let p = subject(&one);
                tested += p.tested;
                failing += p.failing;
                failed |= p.status == Status::Fail;
                there.extend(places(&one).iter().map(|r| u64::from(rows[*r as usize])));
            }
            there.sort_unstable();
            if groups.is_empty() {
                continue;
            }
            prop_assert_eq!((o.tested, o.failing, o.status == Status::Fail), (tested, failing, failed), "{}: {}", rule, o.message);
            prop_assert_eq!(places(&grouped), there, "{}", rule);
        }
    }
}

/// The outcome of the entry of `rules`.
fn subject(run: &Run) -> &Outcome {
    run.outcomes.iter().find(|o| !o.title.ends_with(": present")).unwrap()
}

fn places(run: &Run) -> Vec<u64> {
    let mut rows: Vec<u64> = run.hits.iter().map(|h| h.1).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

fn rows(n: usize, f: impl Fn(usize) -> (i64, &'static str, &'static str)) -> RecordBatch {
    frame(&(0..n).map(f).map(|(a, g, y)| (Some(a), Some(g.to_owned()), Some(y.to_owned()))).collect::<Vec<_>>())
}

#[test]
fn a_group_that_fails_is_named_and_so_is_what_was_left_out() {
    let data = rows(100, |i| (if i < 5 { 0 } else { 9 }, if i % 2 == 0 { "u" } else { "v" }, "p"));
    let r = run_split(&contract("expression: a > 2", "    by: g\n    tolerance: 5%\n"), vec![data.clone()], 30, 7);
    let o = subject(&r);
    assert_eq!((o.title.as_str(), &o.status, o.tested, o.failing), ("a > 2 by g", &Status::Fail, 100, 5));
    assert_eq!(o.message, "u: 3 of 50 rows break `a > 2` (6.0%, tolerance 5%)");
    let r = run_split(&contract("rows: {min: 60}", "    when: g = 'u'\n"), vec![data.clone()], 30, 7);
    assert_eq!(subject(&r).title, "rows when g = 'u'");
    assert_eq!(subject(&r).message, "50 rows; the contract asks for at least 60");
    let r = run_split(&contract("rows: {min: 1}", "    by: source\n"), vec![data], 30, 7);
    assert_eq!((&subject(&r).status, subject(&r).message.as_str()), (&Status::Pass, "100 rows in 2 groups, each of which passes"));
    let some = frame(&[(None, Some("u".into()), None), (Some(1), None, None), (Some(1), Some("u".into()), None)]);
    let r = run_split(&contract("rows: {min: 2}", "    by: g\n    when: a = 1\n"), vec![some], 30, 7);
    let o = subject(&r);
    assert_eq!((o.not_tested_rows, &o.status), (2, &Status::Fail));
    assert_eq!(o.message, "u: 1 row; the contract asks for at least 2; 2 rows left out, where `when` or `by` is null");
}

#[test]
fn groups_beyond_number_are_not_evaluated_in_any_split() {
    let names: Vec<String> = (0..10_001).map(|i| format!("g{i}")).collect();
    let text = |by: &str| format!("taster: 1\nrules:\n  - rows: {{min: 1}}\n    by: {by}\n");
    for (n, fits) in [(10_000, true), (10_001, false)] {
        let column: ArrayRef = Arc::new(StringArray::from_iter_values(&names[..n]));
        for shard in [1_000, 20_000] {
            let data = RecordBatch::try_from_iter([("g", column.clone())]).unwrap();
            let r = run_split(&text("g"), vec![data], shard, 999);
            assert_eq!(subject(&r).status == Status::Pass, fits, "{}", subject(&r).message);
        }
    }
}

#[test]
fn columns_of_a_scope_are_known_plain_and_there() {
    let schema = Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("l", DataType::List(Arc::new(Field::new("item", DataType::Int64, true))), true),
    ]);
    let fails = |shared: &str| {
        let text = format!("taster: 1\ncolumns: {{gone: {{required: true}}}}\nrules:\n  - rows: {{min: 1}}\n    {shared}\n");
        build(&text, &schema, 1).err().map(|e| e[0].code)
    };
    assert_eq!(fails("by: b"), Some("C002"));
    assert_eq!(fails("when: b = 1"), Some("C002"));
    assert_eq!(fails("by: l"), Some("C004"));
    assert_eq!(fails("by: a"), None);
    for shared in ["by: gone", "when: gone = 1"] {
        let text = format!("taster: 1\ncolumns: {{gone: {{required: true}}}}\nrules:\n  - rows: {{min: 1}}\n    {shared}\n");
        let (_, settled) = build(&text, &schema, 1).ok().unwrap();
        assert!(settled.iter().any(|o| o.title == "rows" && matches!(o.status, Status::NotEvaluated(_))), "{shared}");
    }
}

#[test]
fn a_class_may_have_bounds_of_its_own() {
    let data = rows(100, |i| (0, if i < 50 { "u" } else { "v" }, if i < 30 { "p" } else { "q" }));
    let ask = |rule: &str, shared: &str| {
        let r = run_split(&contract(&format!("label_share: {rule}"), shared), vec![data.clone()], 30, 7);
        (subject(&r).status.clone(), subject(&r).message.clone())
    };
    assert_eq!(ask("{max: 60%, classes: {q: {max: 70%}}}", "").0, Status::Pass);
    let (status, message) = ask("{max: 60%, classes: {p: {min: 31%}}}", "");
    assert_eq!(status, Status::Fail);
    assert!(message.starts_with("`p` takes 30.0% (30 of 100 rows), `q` takes 70.0%"), "{message}");
    assert!(message.ends_with("the contract asks for at most 60%, p at least 31%"), "{message}");
    // A class that is nowhere has no row: too few, if any are asked for.
    assert_eq!(ask("{classes: {r: {min: 1%}}}", "").1, "`r` takes 0% (0 of 100 rows); the contract asks for r at least 1%");
    assert_eq!(ask("{classes: {r: {max: 1%}}}", "").0, Status::Pass);
    assert_eq!(ask("{classes: {p: {min: 1%}}}", "    by: g\n").1, "`p` in v takes 0% (0 of 50 rows); the contract asks for p at least 1%");
}

const LONG: &str =
    "the committee met again on a grey morning in march and it turned out that nobody but the clerk had read the long report";

#[test]
fn near_copies_are_counted_and_leak_between_splits() {
    let texts = [
        LONG,
        &LONG.replace("grey", "cold"),
        "another row entirely about cats that sleep in warm boxes all day",
        "short one",
        "Short, one!",
        "unlike any",
    ];
    let text = strings(texts.iter().map(|t| Some(*t)).chain([None, Some("...")]).collect());
    let split = strings(["a", "b", "a", "a", "a", "b", "a", "b"].map(Some).to_vec());
    let data = || vec![RecordBatch::try_from_iter_with_nullable([("t", text.clone(), true), ("s", split.clone(), true)]).unwrap()];
    let head = "taster: 1\ncolumns: {t: {role: text}, s: {role: split}}\nrules:\n";
    let r = run_split(&format!("{head}  - near_duplicates: {{max: 50%}}\n"), data(), 3, 2);
    let o = r.outcome("near_duplicates");
    assert_eq!((&o.status, o.tested, o.failing), (&Status::Fail, 6, 4));
    assert_eq!(r.rows("C138"), [0, 1, 3, 4]);
    let r = run_split(&format!("{head}  - disjoint_splits: {{keys: [t]}}\n"), data(), 3, 2);
    assert_eq!((r.outcome("disjoint_splits: t").failing, r.outcome("disjoint_splits: t, near copies").failing), (0, 2));
    assert_eq!(r.rows("C134"), [0, 1]);
    let r = run_split(&format!("{head}  - disjoint_splits: {{keys: [t], near: false}}\n"), data(), 3, 2);
    assert!(r.hits.is_empty() && r.outcomes.iter().all(|o| !o.title.contains("near")));
}

#[test]
fn a_column_may_refer_to_another_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("known.csv"), "id\n1\n2\n").unwrap();
    let data = || vec![RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(vec![1, 2, 3, 1])) as ArrayRef)]).unwrap()];
    let text = "taster: 1\ncolumns:\n  a: {references: {in: known.csv, key: id}, tolerance: 25%}\n";
    let r = run_in(folder.path(), text, data(), 2, 2);
    let o = r.outcome("a in known.csv");
    assert_eq!((&o.status, o.tested, o.failing, o.within_tolerance), (&Status::Pass, 4, 1, true));
    let r = run_in(folder.path(), "taster: 1\ncolumns:\n  a: {references: {in: known.csv, key: id}}\n", data(), 2, 2);
    assert_eq!((&r.outcome("a in known.csv").status, r.rows("C135")), (&Status::Fail, vec![2]));
}
