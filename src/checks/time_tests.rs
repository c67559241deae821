//! Freshness, pauses and retention, against data in memory and a slow, obvious reference.

use super::tests::{NOW, Run, build, ints, run, run_split, strings};
use crate::rule::Status;
use arrow::array::{ArrayRef, Date32Array, RecordBatch, TimestampMicrosecondArray, TimestampSecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use proptest::prelude::*;
use std::sync::Arc;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn instants(v: &[Option<i64>]) -> ArrayRef {
    Arc::new(TimestampSecondArray::from(v.to_vec()).with_timezone("+02:00"))
}
fn days(v: &[Option<i32>]) -> ArrayRef {
    Arc::new(Date32Array::from(v.to_vec()))
}
fn today() -> i32 {
    (NOW.timestamp() / DAY) as i32
}
fn rule(text: &str, column: ArrayRef) -> Run {
    run(&format!("taster: 1\ncolumns: {{at: {{role: time}}}}\nrules:\n  - {text}\n"), vec![("at", column)])
}
fn status(text: &str, column: ArrayRef) -> Status {
    rule(text, column).outcome(text.split(':').next().unwrap()).status.clone()
}

#[test]
fn the_newest_time_decides_and_its_limit_belongs_to_it() {
    let now = NOW.timestamp();
    for (age, ok) in [(0, true), (DAY, true), (DAY + 1, false)] {
        let column = instants(&[None, Some(now - age), Some(now - 90 * DAY)]);
        assert_eq!(status("fresh: {within: 1d}", column.clone()) == Status::Pass, ok, "{age}");
        let r = rule("fresh: {column: at, within: 1d}", column);
        assert_eq!((r.outcome("fresh").tested, r.outcome("fresh").statistic), (2, Some(age as f64)));
        assert!(r.hits.is_empty());
    }
}

#[test]
fn a_time_after_the_present_proves_no_freshness() {
    let now = NOW.timestamp();
    let r = rule("fresh: {within: 1d}", instants(&[Some(now + 1), Some(now - 2 * DAY)]));
    assert_eq!(r.outcome("fresh").status, Status::Fail);
    assert!(r.outcome("fresh").message.ends_with("; 1 time after the present left out"), "{}", r.outcome("fresh").message);
    assert_eq!(status("fresh: {within: 1d}", instants(&[Some(now + DAY)])), Status::Fail);
    assert!(matches!(status("fresh: {within: 1d}", instants(&[None])), Status::NotEvaluated(_)));
    // A huge value is no overflow.
    assert_eq!(status("fresh: {within: 1d}", instants(&[Some(i64::MAX), Some(i64::MIN)])), Status::Fail);
}

#[test]
fn a_date_is_a_whole_day() {
    // The present is noon: yesterday is a day old, not a day and a half.
    assert_eq!(status("fresh: {within: 1d}", days(&[Some(today() - 1)])), Status::Pass);
    assert_eq!(status("fresh: {within: 36h}", days(&[Some(today() - 2)])), Status::Fail);
    let r = rule("retention: {max: 10d}", days(&[Some(today() - 10), Some(today() - 11), None, Some(today() + 3)]));
    assert_eq!((r.rows("C162"), r.outcome("retention").tested), (vec![1], 3));
    assert_eq!(r.outcome("retention").message, "1 of 3 rows is older than 10d (33.3%)");
}

#[test]
fn zones_are_instants_and_no_zone_is_utc() {
    let now = NOW.timestamp_micros();
    let plain: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![now - 1, now]));
    let zoned: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![now - 1, now]).with_timezone("America/New_York"));
    for column in [plain, zoned] {
        let r = rule("fresh: {within: 1s}", column);
        assert_eq!((r.outcome("fresh").statistic, r.outcome("fresh").tested), (Some(0.0), 2));
    }
}

#[test]
fn pauses_are_found_in_any_order_of_rows() {
    let column = days(&[Some(5), Some(1), None, Some(2), Some(2), Some(9)]);
    let r = rule("gaps: {max: 3d}", column.clone());
    let o = r.outcome("gaps");
    assert_eq!((&o.status, o.statistic, o.tested), (&Status::Fail, Some(4.0 * DAY as f64), 5));
    assert_eq!(o.message, "the longest pause is 4d, from 1970-01-06 to 1970-01-10; 1 pause is longer than 3d, over 5 times");
    assert_eq!(status("gaps: {max: 4d}", column), Status::Pass);
    assert!(matches!(status("gaps: {max: 4d}", days(&[Some(1), None])), Status::NotEvaluated(_)));
    assert_eq!(status("gaps: {max: 1s}", days(&[Some(1), Some(1)])), Status::Pass);
    assert_eq!(status("gaps: {max: 1s}", instants(&[Some(i64::MAX), Some(i64::MIN)])), Status::Fail);
}

#[test]
fn a_column_that_holds_no_times_is_told_so() {
    let schema = Schema::new(vec![Field::new("at", DataType::Utf8, true)]);
    let errors = build("taster: 1\nrules:\n  - fresh: {column: at, within: 1d}\n", &schema, 1).err().unwrap();
    assert!(errors[0].message.contains("needs dates or timestamps"), "{errors:?}");
    let errors = build("taster: 1\nrules:\n  - gaps: {max: 1d}\n", &schema, 1).err().unwrap();
    assert!(errors[0].message.contains("`role: time`"), "{errors:?}");
    // What the type rule fails for already is not blamed on the contract.
    let text = "taster: 1\ncolumns: {at: {type: date}}\nrules:\n  - retention: {column: at, max: 1d}\n";
    let r = run(text, vec![("at", strings(vec![Some("x")]))]);
    assert!(matches!(r.outcome("retention").status, Status::NotEvaluated(_)));
    let text = "taster: 1\ncolumns: {at: {role: time}}\nrules:\n  - retention: {max: 1d}\n";
    assert!(matches!(run(text, vec![("b", ints(vec![None]))]).outcome("retention").status, Status::NotEvaluated(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn times_agree_with_the_obvious_in_any_split(
        ages in prop::collection::vec(prop::option::of(prop_oneof![-50_i64..400, Just(100), any::<i32>().prop_map(i64::from)]), 0..60),
        limit in 1_i64..200, shard in 1_usize..20, batch in 1_usize..9)
    {
        let times: Vec<Option<i64>> = ages.iter().map(|a| a.map(|a| NOW.timestamp() - a)).collect();
        let text = format!("taster: 1\nrules:\n  - fresh: {{column: at, within: {limit}s}}\n  - gaps: {{column: at, max: {limit}s}}\n  - retention: {{column: at, max: {limit}s}}\n");
        let frame = RecordBatch::try_from_iter([("at", instants(&times))]).unwrap();
        let r = run_split(&text, vec![frame], shard, batch);
        let known: Vec<i64> = ages.iter().flatten().copied().collect();

        let old: Vec<u64> = (0..ages.len()).filter(|i| ages[*i].is_some_and(|a| a > limit)).map(|i| i as u64).collect();
        prop_assert_eq!(r.rows("C162"), old);
        prop_assert_eq!(r.outcome("retention").tested, known.len() as u64);

        let newest = known.iter().copied().filter(|a| *a >= 0).min();
        let fresh = r.outcome("fresh");
        prop_assert_eq!(fresh.statistic, newest.map(|a| a as f64));
        prop_assert_eq!(fresh.status == Status::Pass, newest.is_some_and(|a| a <= limit));
        prop_assert_eq!(matches!(fresh.status, Status::NotEvaluated(_)), known.is_empty());

        let mut sorted = known.clone();
        sorted.sort_unstable();
        let longest = sorted.windows(2).map(|w| w[1] - w[0]).max();
        let gaps = r.outcome("gaps");
        prop_assert_eq!(gaps.statistic, longest.map(|g| g as f64));
        prop_assert_eq!(gaps.status == Status::Pass, longest.is_some_and(|g| g <= limit));
    }
}
