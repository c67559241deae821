//! Sources, licences and flips, against data in memory and slow, obvious references.

use super::tests::{Run, build, run, run_split, strings};
use crate::rule::Status;
use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn sources(rule: &str, column: ArrayRef) -> Run {
    run(&format!("taster: 1\ncolumns: {{site: {{role: source}}}}\nrules:\n  - source_share: {rule}\n"), vec![("site", column)])
}

#[test]
fn a_source_may_have_exactly_its_share() {
    let column = strings(vec![Some("a"), Some("b"), Some("a"), None, Some("c")]);
    let r = sources("{max: 50%}", column.clone());
    let o = r.outcome("source_share");
    assert_eq!((&o.status, o.tested, o.statistic), (&Status::Pass, 4, Some(0.5)));
    let r = sources("{column: site, max: 49%}", column);
    let o = r.outcome("source_share");
    assert_eq!((&o.status, o.message.as_str()), (&Status::Fail, "`a` has 50.0% (2 of 4 rows); the contract asks for at most 49%"));
    assert!(r.hits.is_empty());
    assert!(matches!(sources("{max: 50%}", strings(vec![None])).outcome("source_share").status, Status::NotEvaluated(_)));
}

#[test]
fn very_many_sources_are_answered_exactly() {
    // 30,000 sources with one row each, and one with 303 of 30,303: one percent to the row.
    let names: Vec<String> = (0..30_000).map(|i| format!("site {i}")).chain((0..303).map(|_| "flood".into())).collect();
    let column: ArrayRef = Arc::new(StringArray::from_iter_values(&names));
    let frame = || vec![RecordBatch::try_from_iter([("site", column.clone())]).unwrap()];
    let ask = |max: &str| {
        let text = format!("taster: 1\nrules:\n  - source_share: {{column: site, max: {max}}}\n");
        run_split(&text, frame(), 7_001, 977).outcome("source_share").clone()
    };
    let fails = ask("0.9%");
    assert_eq!((&fails.status, fails.tested), (&Status::Fail, 30_303));
    assert_eq!(fails.message, "`flood` has 1.0% (303 of 30,303 rows); the contract asks for at most 0.9%");
    assert_eq!(ask("1%").status, Status::Pass);
    // Buckets are heavy by chance, no source is.
    assert_eq!(ask("0.009999").status, Status::Fail);
    assert_eq!(ask("5%").message, "none of more than 10,000 sources has more than 5%");
}

#[test]
fn what_is_absent_was_not_licensed() {
    let text = "taster: 1\nrules:\n  - licence: {column: l, allowed: [CC0-1.0, mit], consent: ok}\n  - licence: {consent: [ok]}\n    name: consent\n";
    let consent: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), Some(true), Some(false), None, Some(true), Some(true)]));
    let licence = strings(vec![Some("MIT"), Some("GPL-3.0 OR CC0-1.0"), Some("mit"), Some("mit"), None, Some(" ")]);
    let r = run(text, vec![("l", licence), ("ok", consent)]);
    let o = r.outcome("licence: l, ok");
    assert_eq!((o.tested, o.failing), (6, 4));
    assert_eq!(r.outcome("consent").failing, 2);
    assert_eq!(o.message, "4 of 6 rows have no allowed licence or no consent (66.7%)");
    let schema = Schema::new(vec![Field::new("n", DataType::Int64, true)]);
    for rule in ["{column: n, allowed: [a]}", "{consent: n}"] {
        let errors = build(&format!("taster: 1\nrules:\n  - licence: {rule}\n"), &schema, 1).err().unwrap();
        assert!(errors[0].message.contains("`n` is int64"), "{errors:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn shares_of_sources_agree_with_the_obvious_in_any_split(rows in prop::collection::vec(prop::option::of("[a-dé]{0,1}"), 1..80), max in 1_u64..100, shard in 1_usize..20, batch in 1_usize..9) {
        let frame = RecordBatch::try_from_iter([("site", Arc::new(StringArray::from(rows.clone())) as ArrayRef)]).unwrap();
        let text = format!("taster: 1\nrules:\n  - source_share: {{column: site, max: {max}%}}\n");
        let r = run_split(&text, vec![frame], shard, batch);
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        rows.iter().flatten().for_each(|s| *counts.entry(s).or_default() += 1);
        let all: u64 = counts.values().sum();
        let o = r.outcome("source_share");
        prop_assert_eq!(o.tested, all);
        prop_assert_eq!(matches!(o.status, Status::NotEvaluated(_)), all == 0);
        prop_assert_eq!(o.status == Status::Fail, counts.values().any(|n| n * 100 > max * all));
        prop_assert_eq!(o.statistic, counts.values().max().map(|n| *n as f64 / all as f64));
    }

    #[test]
    fn flips_agree_with_the_obvious_in_any_split(
        before in prop::collection::vec((prop::option::of(0_i64..30), prop::option::of("[ab]{0,1}")), 1..40),
        after in prop::collection::vec((prop::option::of(0_i64..30), prop::option::of("[ab]{0,1}")), 1..40),
        shard in 1_usize..20)
    {
        use arrow::array::{Int32Array, Int64Array};
        let folder = tempfile::tempdir().unwrap();
        let old = RecordBatch::try_from_iter_with_nullable([
            ("id", Arc::new(Int64Array::from_iter(before.iter().map(|r| r.0))) as ArrayRef, true),
            ("y", Arc::new(StringArray::from_iter(before.iter().map(|r| r.1.clone()))) as ArrayRef, true),
        ]).unwrap();
        let file = std::fs::File::create(folder.path().join("old.parquet")).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(file, old.schema(), None).unwrap();
        writer.write(&old).unwrap();
        writer.close().unwrap();
        let new = RecordBatch::try_from_iter_with_nullable([
            ("id", Arc::new(Int32Array::from_iter(after.iter().map(|r| r.0.map(|i| i as i32)))) as ArrayRef, true),
            ("y", Arc::new(StringArray::from_iter(after.iter().map(|r| r.1.clone()))) as ArrayRef, true),
        ]).unwrap();
        let text = "taster: 1\ncolumns: {id: {role: id}, y: {role: label}}\nrules:\n  - flip_rate: {in: old.parquet, max: 25%}\n";
        let r = super::tests::run_in(folder.path(), text, vec![new], shard, 3);
        let labels = |id: i64| before.iter().filter(|r| r.0 == Some(id)).filter_map(|r| r.1.as_deref()).collect::<Vec<_>>();
        let state = |r: &(Option<i64>, Option<String>)| {
            let known = labels(r.0?);
            let y = r.1.as_deref()?;
            (!known.is_empty()).then(|| !known.contains(&y))
        };
        let states: Vec<Option<bool>> = after.iter().map(state).collect();
        let flipped: Vec<u64> = (0..after.len()).filter(|i| states[*i] == Some(true)).map(|i| i as u64).collect();
        let tested = states.iter().flatten().count() as u64;
        let o = r.outcome("flip_rate");
        prop_assert_eq!((o.tested, o.failing), (tested, flipped.len() as u64));
        prop_assert_eq!(r.rows("C137"), flipped.clone());
        prop_assert_eq!(matches!(o.status, Status::NotEvaluated(_)), tested == 0);
        prop_assert_eq!(o.status == Status::Fail, 4 * flipped.len() as u64 > tested);
    }
}
