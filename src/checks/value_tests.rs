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
