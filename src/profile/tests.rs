//! The whole is the merge of its parts, byte for byte; what was damaged is refused.

use super::*;
use crate::engine::memory::InMemory;
use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray,
};
use arrow::array::{TimestampMicrosecondArray, UInt64Array};
use arrow::datatypes::{Int8Type, Int32Type};
use proptest::prelude::*;
use std::sync::Arc;

/// Rows `from..to` of an endless table with every kind of column and every odd value.
fn rows(from: usize, to: usize, names: usize) -> RecordBatch {
    let range = || from..to;
    let some = |i: usize, v: f64| (i % 7 != 3).then_some(v);
    let float = |i: usize| {
        some(
            i,
            match i % 11 {
                0 => f64::NAN,
                1 => f64::INFINITY,
                2 => -0.0,
                3 => 1e-310,
                4 => 1e300,
                _ => (i * i % 1_999) as f64 * 0.1 - 60.0,
            },
        )
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("float", Arc::new(Float64Array::from_iter(range().map(float)))),
        ("big", Arc::new(UInt64Array::from_iter(range().map(|i| Some(u64::MAX - (i % 5) as u64))))),
        ("int", Arc::new(Int64Array::from_iter(range().map(|i| (i % 3 > 0).then_some(i as i64 * 7_919 % 3_001))))),
        ("price", Arc::new(Decimal128Array::from_iter(range().map(|i| Some(i as i128 % 90 - 20))).with_precision_and_scale(9, 2).unwrap())),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values(range().map(|i| i as i64)))),
        ("name", Arc::new(StringArray::from_iter(range().map(|i| some(i, 0.0).map(|_| format!("n{}", i * 31 % names)))))),
        ("kind", Arc::new(range().map(|i| Some(["a", "b", "é"][i % 3])).collect::<DictionaryArray<Int8Type>>())),
        ("yes", Arc::new(BooleanArray::from_iter(range().map(|i| some(i, 0.0).map(|_| i % 4 == 0))))),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(range().map(|i| (i % 2 == 0).then(|| vec![Some(i as i32)]))))),
        ("null", Arc::new(StringArray::from_iter(range().map(|_| None::<&str>)))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap()
}

fn of(batches: Vec<RecordBatch>) -> Profile {
    let schema = batches[0].schema();
    learn(&InMemory { files: batches, shard_rows: 301, batch_rows: 64 }, &schema).unwrap()
}

#[test]
fn a_profile_says_what_was_seen() {
    let p = of(vec![rows(0, 2_310, 50)]);
    let Content::Numbers(big) = &p.column("big").unwrap().content else { panic!() };
    assert_eq!((big.least, big.most), (Some(Exact::Int(u64::MAX as i128 - 4)), Some(Exact::Int(u64::MAX.into()))));
    let Content::Numbers(float) = &p.column("float").unwrap().content else { panic!() };
    assert_eq!((float.nan, float.most, float.unsquared > 0), (180, Some(Exact::Float(f64::INFINITY)), true));
    let text = p.text().unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let seen = |i: usize| &value["columns"][i]["seen"];
    assert_eq!(seen(3)["distinct"], 90);
    assert_eq!(value["columns"][3]["content"]["numbers"]["least"], json!({"decimal": ["-20", 2]}));
    assert_eq!(seen(6)["top"][0], json!(["a", 770]));
    assert_eq!(value["columns"][9]["nulls"], 2_310);
    assert_eq!(text.lines().count(), 12);
}

/// Mean and deviation of 1e9 + (0, 1, ..., 9): what the textbook formula in doubles gets wrong.
#[test]
fn moments_survive_a_mean_far_from_zero() {
    let x: ArrayRef = Arc::new(Float64Array::from_iter_values((0..1_000).map(|i| 1e9 + f64::from(i % 10))));
    let p = of(vec![RecordBatch::try_from_iter([("x", x)]).unwrap()]);
    let Content::Numbers(n) = &p.columns[0].content else { panic!() };
    // numpy.std(x, ddof=1) in extended precision: sqrt(8.25 * 1000 / 999)
    assert_eq!(n.mean(), Some(1e9 + 4.5));
    assert!((n.std().unwrap() - (8_250.0_f64 / 999.0).sqrt()).abs() < 1e-12);
}

#[test]
fn the_profile_of_two_parts_is_the_merge_of_their_profiles_byte_for_byte() {
    // 1,999 distinct floats and 3,001 integers are too many to hold; 700 in one part are not.
    for (a, b) in [(700, 9_000), (5_000, 9_000), (0, 9_000)] {
        let whole = of(vec![rows(0, b, 3_000)]).text().unwrap();
        let mut parts = of(vec![rows(a, b, 3_000)]);
        parts.merge(of(vec![rows(0, a, 3_000)])).unwrap();
        assert!(parts.text().unwrap() == whole);
        assert!(of(vec![rows(0, a, 3_000), rows(a, b, 3_000)]).text().unwrap() == whole);
    }
}

#[test]
fn frequent_texts_among_too_many_are_counted_exactly_and_bounded_after_a_merge() {
    let names = |k: u64, often: usize| {
        let text = (0..6_000).map(|i| if i % 10 < often { "often".to_owned() } else { format!("{k}-{i}") });
        of(vec![RecordBatch::try_from_iter([("x", Arc::new(StringArray::from_iter_values(text)) as ArrayRef)]).unwrap()])
    };
    let top = |p: &Profile| {
        let Content::Texts(t) = &p.columns[0].content else { panic!() };
        t.categories.top(9).into_iter().map(|(t, a, b)| (t.to_owned(), a, b)).collect::<Vec<_>>()
    };
    let (mut a, b) = (names(0, 3), names(1, 2));
    assert_eq!(top(&a)[0].0, "often");
    assert_eq!((top(&a).len(), top(&a)[0].1), (1, 1_800));
    a.merge(b).unwrap();
    let (text, least, most) = top(&a)[0].clone();
    assert!(text == "often" && least == 3_000 && (3_000..3_100).contains(&most), "{least} {most}");
}

#[test]
fn what_was_written_is_read_and_what_was_damaged_is_refused() {
    for p in [of(vec![rows(0, 400, 30)]), of(vec![rows(0, 6_000, 5_000)]), of(vec![rows(0, 0, 1)])] {
        let text = p.text().unwrap();
        let back = Profile::parse(text.as_bytes()).unwrap();
        assert_eq!(back.text().unwrap(), text);
    }
    let text = of(vec![rows(0, 400, 30)]).text().unwrap();
    for (from, to, says) in [
        ("{\"taster_profile\":1", "{\"taster_profile\":2", "version 2"),
        ("\"rows\":400,\"nulls\":400", "\"rows\":400,\"nulls\":401", "do not add up"),
        ("\"name\":\"int\"", "\"name\":\"float\"", "do not add up"),
        ("[\"a\",134]", "[\"a\",135]", "do not add up"),
        ("[\"a\",134]", "[\"b\",134]", "distinct texts"),
        ("\"bytes\":4", "\"bytes\":18446744073709551615", "do not add up"),
        ("\"unsquared\":0", "\"unsquared\":18446744073709551615", "do not add up"),
        ("]}\n", "]", "damaged"),
        ("{\"taster", "{ \"taster", "no profile"),
    ] {
        let at = text.rfind(from).unwrap_or_else(|| panic!("{from} is not in {text}"));
        let bad = format!("{}{to}{}", &text[..at], &text[at + from.len()..]);
        let why = Profile::parse(bad.as_bytes()).unwrap_err();
        assert!(why.contains(says), "{from} -> {to}: {why}");
    }
}

#[test]
fn profiles_of_other_columns_do_not_merge() {
    let mut a = of(vec![rows(0, 10, 5)]);
    let b = of(vec![rows(0, 10, 5).project(&[0, 1]).unwrap()]);
    assert!(a.merge(b).unwrap_err().contains("columns"));
    let mut b = of(vec![rows(0, 10, 5)]);
    b.columns[0].kind = "float32".into();
    assert!(a.merge(b).unwrap_err().contains("`float` is float64"));
    let mut b = of(vec![rows(0, 10, 5)]);
    b.detail.numbers += 1;
    assert!(a.merge(b).unwrap_err().contains("sizes"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_split_changes_a_byte(at in 0_usize..500, shard in 1_usize..200, batch in 1_usize..90) {
        let whole = of(vec![rows(0, 500, 40)]).text().unwrap();
        let (a, b) = (rows(0, at, 40), rows(at, 500, 40));
        let schema = a.schema();
        let cut = learn(&InMemory { files: vec![b, a], shard_rows: shard, batch_rows: batch }, &schema).unwrap();
        prop_assert_eq!(cut.text().unwrap(), whole);
    }

    #[test]
    fn damaged_bytes_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut text = of(vec![rows(0, 30, 7)]).text().unwrap().into_bytes();
        let i = at.index(text.len());
        text[i] = byte;
        if let Ok(mut p) = Profile::parse(&text) {
            let again = p.clone();
            let _ = p.merge(again);
            let _ = p.text();
        }
        text.truncate(cut.index(text.len()));
        let _ = Profile::parse(&text);
    }
}
