//! Values and their order against slow obvious references.

use super::tests::{Run, doubles, encodings, ints, run, run_split, strings};
use crate::rule::Status;
use arrow::array::*;
use arrow::datatypes::{DataType, Decimal256Type, i256};
use proptest::prelude::*;
use std::sync::Arc;

fn one(clause: &str, array: ArrayRef) -> Run {
    run(&format!("taster: 1\ncolumns:\n  a: {{{clause}}}\n"), vec![("a", array)])
}

#[test]
fn forms_are_tested_in_every_encoding_and_skip_nulls() {
    for a in encodings(&strings(vec![Some("a@b.co"), None, Some("a@b@c"), Some("")])) {
        let r = one("format: email", a);
        assert_eq!(r.rows("C110"), vec![2, 3]);
        assert_eq!(r.outcome("a: format email").tested, 3);
    }
    let r = one("time_format: '%d/%m/%Y', json: true", strings(vec![Some("31/12/2020"), Some("2020-12-31"), Some("7")]));
    assert_eq!(r.rows("C110"), vec![1, 2, 0, 1]);
}

#[test]
fn json_is_held_against_its_schema() {
    let r = one(
        "json_schema: {type: object, required: [n], properties: {n: {minimum: 2}}}",
        strings(vec![Some(r#"{"n": 2}"#), Some(r#"{"n": 1}"#), Some("{"), None, Some("[]")]),
    );
    assert_eq!(r.rows("C111"), vec![1, 2, 4]);
}

#[test]
fn pattern_lists_ask_for_any_all_or_none() {
    let v = || strings(vec![Some("ab"), Some("a"), Some("b"), Some(""), None]);
    assert_eq!(one("patterns: {any: [a, b]}", v()).rows("C115"), vec![3]);
    assert_eq!(one("patterns: {all: [a, b]}", v()).rows("C115"), vec![1, 2, 3]);
    assert_eq!(one("not_pattern: [a, ^$]", v()).rows("C115"), vec![0, 1, 3]);
    assert_eq!(one("like: ['a%', '_']", v()).rows("C115"), vec![3]);
    assert_eq!(one("not_like: a_", v()).rows("C115"), vec![0]);
    let odd = strings(vec![Some("100%"), Some("1000"), Some("[a]"), Some("a\nb")]);
    assert_eq!(one(r"like: ['100\%', '[a]', 'a%']", odd).rows("C115"), vec![1]);
}

#[test]
fn multiples_are_decimal_in_every_width() {
    let narrow: ArrayRef = Arc::new(Float32Array::from(vec![Some(0.3_f32), Some(0.35), None, Some(f32::NAN)]));
    assert_eq!(one("multiple_of: 0.1", narrow).rows("C112"), vec![1, 3]);
    assert_eq!(
        one("multiple_of: 0.1", doubles(vec![Some(0.3), Some(-0.7), Some(0.05), Some(f64::INFINITY), Some(0.0)])).rows("C112"),
        vec![2, 3]
    );
    assert_eq!(one("multiple_of: 3", ints(vec![Some(i64::MIN), Some(-9), Some(0), Some(i64::MAX)])).rows("C112"), vec![0, 3]);
    let d: ArrayRef = Arc::new(Decimal128Array::from(vec![105, 110]).with_precision_and_scale(5, 2).unwrap());
    assert_eq!(one("multiple_of: 0.1", d).rows("C112"), vec![0]);
    let wide = PrimitiveArray::<Decimal256Type>::from(vec![i256::from_string(&"9".repeat(60)).unwrap(), i256::from_i128(7)]);
    let wide: ArrayRef = Arc::new(wide.with_precision_and_scale(70, 1).unwrap());
    assert_eq!(one("multiple_of: 0.3", wide).rows("C112"), vec![1]);
}

#[test]
fn only_nan_and_infinities_are_not_finite() {
    let v = vec![Some(f64::NAN), None, Some(f64::NEG_INFINITY), Some(f64::MAX), Some(-0.0)];
    assert_eq!(one("finite: true", doubles(v)).rows("C113"), vec![0, 2]);
    assert!(one("finite: true", ints(vec![Some(1)])).rows("C113").is_empty());
}

#[test]
fn a_column_that_must_be_empty_lists_what_is_there() {
    let r = one("is_null: true", doubles(vec![None, Some(f64::NAN), Some(0.0)]));
    assert_eq!((r.rows("C114"), r.outcome("a: is_null").tested), (vec![1, 2], 3));
    let none: ArrayRef = Arc::new(NullArray::new(3));
    assert_eq!(one("is_null: true", none).outcome("a: is_null").status, Status::Pass);
}

#[test]
fn a_constant_is_one_value_however_often() {
    let status = |v: Vec<Option<f64>>| one("not_constant: true", doubles(v)).outcome("a: not_constant").status.clone();
    assert_eq!(status(vec![Some(1.0), None, Some(1.0)]), Status::Fail);
    assert_eq!(status(vec![Some(0.0), Some(-0.0)]), Status::Fail);
    assert_eq!(status(vec![Some(f64::NAN), Some(1.0)]), Status::Pass);
    assert!(matches!(status(vec![Some(1.0), None]), Status::NotEvaluated(_)));
    assert!(matches!(status(vec![]), Status::NotEvaluated(_)));
}

#[test]
fn columns_are_counted_and_stand_in_order() {
    let text = "taster: 1\ncolumns:\n  b: {order: 0}\nrules:\n  - column_count: {min: 1, max: 1}\n  - column_order: [a, b]\n";
    let r = run(text, vec![("a", ints(vec![])), ("b", ints(vec![]))]);
    assert_eq!(r.outcome("column_count").status, Status::Fail);
    assert_eq!(r.outcome("column_order").status, Status::Pass);
    assert_eq!(r.outcome("b: order").message, "column 1, counted from 0; the contract asks for 0");
}

#[test]
fn text_checks_refuse_other_columns() {
    let schema = arrow::datatypes::Schema::new(vec![arrow::datatypes::Field::new("a", DataType::Int64, true)]);
    for clause in ["format: email", "time_format: '%Y'", "json: true", "like: a%", "not_pattern: a"] {
        let errors = super::tests::build(&format!("taster: 1\ncolumns:\n  a: {{{clause}}}\n"), &schema, 0).err().expect("an error");
        assert!(errors[0].message.contains("needs a column of text"), "{errors:?}");
    }
}

fn some_doubles() -> impl Strategy<Value = Vec<Option<f64>>> {
    let value = prop_oneof![
        Just(None),
        (-4_i32..4).prop_map(|i| Some(f64::from(i))),
        Just(Some(f64::NAN)),
        Just(Some(f64::INFINITY)),
        Just(Some(-0.0))
    ];
    prop::collection::vec(value, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn order_agrees_with_the_obvious_for_any_split(v in some_doubles(), strictly: bool, falling: bool, shard in 1_usize..9, batch in 1_usize..9) {
        let mut expect = Vec::new();
        let mut last: Option<f64> = None;
        for (i, x) in v.iter().enumerate() {
            let Some(x) = *x else { continue };
            let ok = match last {
                None => !x.is_nan(),
                Some(l) => match (falling, strictly) {
                    (false, false) => x >= l,
                    (false, true) => x > l,
                    (true, false) => x <= l,
                    (true, true) => x < l,
                },
            };
            if !ok {
                expect.push(i as u64);
            }
            if !x.is_nan() {
                last = Some(x);
            }
        }
        let key = if falling { "decreasing" } else { "increasing" };
        let text = format!("taster: 1\ncolumns:\n  a: {{{key}: {}}}\n", if strictly { "strictly" } else { "true" });
        let frame = RecordBatch::try_from_iter([("a", doubles(v.clone()))]).unwrap();
        let r = run_split(&text, vec![frame.clone()], shard, batch);
        prop_assert_eq!(r.rows("C117"), expect.clone());
        prop_assert_eq!(r.outcome(&format!("a: {key}")).tested, v.iter().flatten().count() as u64);
        // Cut into two files, the order goes on.
        let cut = v.len() / 3;
        let files = vec![frame.slice(0, cut), frame.slice(cut, v.len() - cut)];
        let two = run_split(&text, files, 1 << 16, 7);
        let rows: Vec<u64> = two.hits.iter().map(|h| h.1 + if h.0 == 1 { cut as u64 } else { 0 }).collect();
        prop_assert_eq!(rows, expect);
    }

    #[test]
    fn like_agrees_with_a_matcher_by_hand(pattern in "[ab%_]{0,6}", text in "[ab]{0,6}") {
        fn matches(p: &[u8], t: &[u8]) -> bool {
            match (p.first(), t.first()) {
                (None, None) => true,
                (Some(b'%'), _) => matches(&p[1..], t) || (!t.is_empty() && matches(p, &t[1..])),
                (Some(b'_'), Some(_)) => matches(&p[1..], &t[1..]),
                (Some(a), Some(b)) if a == b => matches(&p[1..], &t[1..]),
                _ => false,
            }
        }
        let regex = regex::Regex::new(&super::text_patterns::like(&pattern)).unwrap();
        prop_assert_eq!(regex.is_match(&text), matches(pattern.as_bytes(), text.as_bytes()));
    }
}

fn whole(clause: &str, array: ArrayRef) -> (Status, Option<f64>) {
    let r = one(clause, array);
    let o = r.outcomes.iter().find(|o| !o.title.ends_with("present")).expect("an outcome");
    (o.status.clone(), o.statistic)
}

#[test]
fn aggregates_are_exact_and_nan_meets_no_bound() {
    assert_eq!(whole("mean: {min: 0.1, max: 0.1}", doubles(vec![Some(0.1); 3])), (Status::Pass, Some(0.1)));
    assert_eq!(whole("std: {above: 1.15, below: 1.16}", ints(vec![Some(1), Some(1), Some(3), None])).0, Status::Pass);
    assert_eq!(whole("sum: {max: 9007199254740992}", ints(vec![Some(9_007_199_254_740_992), Some(1)])).0, Status::Fail);
    assert_eq!(
        whole("sum: {min: 0.30, max: 0.3}", Arc::new(Decimal128Array::from(vec![10, 20]).with_precision_and_scale(5, 2).unwrap())).0,
        Status::Pass
    );
    assert_eq!(whole("median: {min: 2.5, max: 2.5}", ints(vec![Some(4), Some(1), Some(3), Some(2)])), (Status::Pass, Some(2.5)));
    assert_eq!(whole("quantiles: {1: {max: -1}}", doubles(vec![Some(-0.5), Some(f64::NEG_INFINITY)])), (Status::Fail, Some(-0.5)));
    assert_eq!(whole("largest: {below: c}", strings(vec![Some("b"), None, Some("a")])).0, Status::Pass);
    assert_eq!(whole("smallest: {min: 0}", doubles(vec![Some(-0.0), Some(1.0)])).0, Status::Pass);
    for clause in ["mean: {min: -1}", "sum: {max: 1}", "median: {min: -1}", "largest: {min: -1}", "smallest: {max: 9}", "std: {min: 0}"] {
        assert_eq!(whole(clause, doubles(vec![Some(f64::NAN), Some(0.0)])).0, Status::Fail, "{clause}");
        assert!(matches!(whole(clause, doubles(vec![None])).0, Status::NotEvaluated(_)), "{clause}");
    }
}

#[test]
fn distinct_values_are_counted_and_compared_with_sets() {
    let v = || ints(vec![Some(1), Some(1), Some(2), Some(5), None]);
    assert_eq!(whole("distinct: {min: 3, max: 3}", v()), (Status::Pass, Some(3.0)));
    assert_eq!(whole("unique_share: {max: 75%}", v()), (Status::Pass, Some(0.75)));
    assert_eq!(whole("unique_share: {max: 74.9%}", v()).0, Status::Fail);
    assert_eq!(whole("null_share: {max: 20%}", v()), (Status::Pass, Some(0.2)));
    assert_eq!(whole("distinct_values: {equal: [1, 2, 5]}", v()).0, Status::Pass);
    assert_eq!(whole("distinct_values: {contain: [1, 3]}", v()).0, Status::Fail);
    assert_eq!(whole("distinct_values: {inside: [1, 2]}", v()).0, Status::Fail);
    assert_eq!(whole("most_common: {in: [1]}", v()).0, Status::Pass);
    assert_eq!(whole("most_common: {in: [1]}", ints(vec![Some(1), Some(2)])).0, Status::Fail);
    assert_eq!(whole("most_common: {in: [1], ties: true}", ints(vec![Some(1), Some(2)])).0, Status::Pass);
    for a in encodings(&strings(vec![Some("a"), Some("b"), None])) {
        assert_eq!(whole("distinct_values: {equal: [a, b]}", a).0, Status::Pass);
    }
}

#[test]
fn far_values_are_found_by_exact_moments() {
    let mut v = vec![Some(0.0); 99];
    v.push(Some(1.0));
    assert_eq!(one("z_score: {max: 3}", doubles(v)).rows("C119"), vec![99]);
    assert!(one("z_score: {max: 1}", doubles(vec![Some(-1.0), Some(0.0), Some(1.0)])).rows("C119").is_empty());
    assert_eq!(one("z_score: {below: 1}", doubles(vec![Some(-1.0), Some(0.0), Some(1.0)])).rows("C119"), vec![0, 2]);
    assert_eq!(one("z_score: {below: 1, sides: upper}", doubles(vec![Some(-1.0), Some(0.0), Some(1.0)])).rows("C119"), vec![2]);
    assert!(one("z_score: {max: 1}", doubles(vec![Some(7.0), Some(7.0)])).rows("C119").is_empty());
}

#[test]
fn rows_add_up_and_differ() {
    let text = "taster: 1\nrules:\n  - sums: {columns: [a, b], total: 1}\n  - different: [a, b]\n";
    let a = doubles(vec![Some(0.5), Some(0.7), None, Some(f64::NAN)]);
    let b = doubles(vec![Some(0.5), Some(0.2), Some(1.0), Some(f64::NAN)]);
    let r = run(text, vec![("a", a), ("b", b)]);
    assert_eq!((r.rows("C127"), r.rows("C131")), (vec![1, 3], vec![0, 3]));
    assert_eq!(r.outcome("a + b").tested, 3);
}

#[test]
fn labels_and_splits_are_crossed_by_row_and_nulls_are_left_out() {
    let text =
        "taster: 1\ncolumns: {y: {role: label}, s: {role: split}}\nrules:\n  - same_input: [a, b]\n  - disjoint_splits: {keys: [a]}\n";
    let a = doubles(vec![Some(0.0), Some(-0.0), Some(f64::NAN), Some(f64::NAN), None, None, Some(1.0)]);
    let b = strings(vec![Some("x"), Some("x"), Some("x"), Some("z"), Some("x"), Some("x"), Some("x")]);
    let y = ints(vec![Some(0), Some(1), Some(0), Some(1), Some(0), Some(1), None]);
    let s = strings(vec![Some("t"), Some("t"), Some("t"), Some("v"), Some("t"), Some("v"), Some("t")]);
    for s in encodings(&s) {
        let r = run(text, vec![("a", a.clone()), ("b", b.clone()), ("y", y.clone()), ("s", s)]);
        assert_eq!((r.rows("C133"), r.rows("C134")), (vec![0, 1], vec![2, 3]));
        assert_eq!((r.outcome("same_input").tested, r.outcome("disjoint_splits: a").tested), (4, 5));
    }
}

#[test]
fn columns_hang_together_as_in_closed_forms() {
    let text = "taster: 1\nrules:\n  - correlation: {columns: [a, b], min: 1}\n    name: r\n  - cramers_v: {columns: [a, b], max: 0.5}\n    name: v\n";
    let r = run(text, vec![("a", ints(vec![Some(1), Some(2), Some(3)])), ("b", ints(vec![Some(2), Some(4), Some(6)]))]);
    assert_eq!((r.outcome("r").statistic, r.outcome("v").statistic), (Some(1.0), Some(1.0)));
    assert_eq!((&r.outcome("r").status, &r.outcome("v").status), (&Status::Pass, &Status::Fail));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn aggregates_agree_with_the_obvious_for_any_split(v in prop::collection::vec(prop_oneof![Just(None), (-50_i64..50).prop_map(Some)], 1..40), shard in 1_usize..9, batch in 1_usize..9) {
        let text = "taster: 1\ncolumns:\n  a: {mean: {min: -99}, sum: {min: -9999}, median: {min: -99}, largest: {min: -99}, distinct: {min: 0}, most_common: {in: [1], ties: true}}\n";
        let frame = RecordBatch::try_from_iter([("a", ints(v.clone()))]).unwrap();
        let cut = run_split(text, vec![frame.clone()], shard, batch);
        let all = run_split(text, vec![frame], 1 << 16, 1 << 15);
        for (x, y) in all.outcomes.iter().zip(&cut.outcomes) {
            prop_assert_eq!(serde_json::to_string(x).unwrap(), serde_json::to_string(y).unwrap());
        }
        let mut values: Vec<i64> = v.into_iter().flatten().collect();
        prop_assume!(!values.is_empty());
        values.sort_unstable();
        let n = values.len();
        let sum: i64 = values.iter().sum();
        prop_assert_eq!(all.outcome("a: mean").statistic, Some(sum as f64 / n as f64));
        prop_assert_eq!(all.outcome("a: sum").statistic, Some(sum as f64));
        let median = (values[(n - 1) / 2] + values[n / 2]) as f64 / 2.0;
        prop_assert_eq!(all.outcome("a: median").statistic, Some(median));
        prop_assert_eq!(all.outcome("a: largest").statistic, Some(values[n - 1] as f64));
        values.dedup();
        prop_assert_eq!(all.outcome("a: distinct").statistic, Some(values.len() as f64));
    }
}
