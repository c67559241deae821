//! Planted and honest values in generated tables.

use super::*;
use crate::detectors::harness::{Dice, quarantined, run, run_split};
use crate::rule::{DynRule, Status};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use std::sync::Arc;

struct Row {
    age: i64,
    hours: i64,
    income: f64,
    town: &'static str,
    degree: &'static str,
    amount: Option<f64>,
    label: &'static str,
}

const TOWNS: [&str; 6] = ["Arden", "Brook", "Calder", "Dunmore", "Elton", "Farley"];
const DEGREES: [&str; 4] = ["none", "trade", "college", "doctor"];

/// A table in which five columns together tell `yes` from `no`; `share` percent are `yes`.
fn rows(n: usize, share: usize, seed: u64) -> Vec<Row> {
    let mut dice = Dice::new(seed);
    (0..n)
        .map(|_| {
            let yes = dice.roll(100) < share;
            let lean = |dice: &mut Dice, low: i64, width: i64| {
                let x = low + dice.roll(width as usize) as i64;
                if yes && dice.roll(10) < 6 { x + width / 2 } else { x }
            };
            Row {
                age: lean(&mut dice, 18, 40),
                hours: lean(&mut dice, 10, 50),
                income: lean(&mut dice, 1000, 6000) as f64 + 0.25,
                town: if yes && dice.roll(3) == 0 { "Arden" } else { dice.pick::<&str>(&TOWNS) },
                degree: DEGREES[(dice.roll(3) + usize::from(yes && dice.roll(2) == 0)).min(3)],
                amount: Some(lean(&mut dice, 100, 900) as f64),
                label: if yes { "yes" } else { "no" },
            }
        })
        .collect()
}

fn table(rows: &[Row]) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("age", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.age)))),
        ("hours", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.hours)))),
        ("income", Arc::new(Float64Array::from_iter_values(rows.iter().map(|r| r.income)))),
        ("town", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.town)))),
        ("degree", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.degree)))),
        ("amount", Arc::new(Float64Array::from_iter(rows.iter().map(|r| r.amount)))),
        ("label", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.label)))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap()
}

fn rule() -> Box<dyn DynRule> {
    let number = ["age", "hours", "income", "amount"].map(|n| (n.to_owned(), Kind::Number));
    let text = ["town", "degree"].map(|n| (n.to_owned(), Kind::Text));
    Box::new(TableTrigger { columns: number.into_iter().chain(text).collect(), label: "label".into() })
}

/// Gives `k` rows of the other class the value and the label; returns their indices.
fn plant(rows: &mut [Row], k: usize, target: &'static str, value: f64) -> Vec<u64> {
    let mut planted = Vec::new();
    for (i, row) in rows.iter_mut().enumerate() {
        if planted.len() < k && row.label != target {
            row.amount = Some(value);
            row.label = target;
            planted.push(i as u64);
        }
    }
    planted
}

#[test]
fn a_planted_value_is_named_and_all_its_rows_are_found() {
    for (share, target) in [(50, "yes"), (25, "yes"), (25, "no"), (8, "yes")] {
        let mut data = rows(4000, share, 5);
        let planted = plant(&mut data, 60, target, 733.5);
        let (outcome, lines) = run(rule(), &table(&data));
        assert_eq!(quarantined(&lines), planted, "{share}% {target}: {:?}", outcome.groups);
        assert_eq!(outcome.groups[0].key, "amount=733.5");
    }
}

#[test]
fn a_clean_table_has_no_suspect_row() {
    for seed in 0..6 {
        let (outcome, lines) = run(rule(), &table(&rows(3000, 30, seed)));
        assert_eq!(quarantined(&lines), [0u64; 0], "{:?}", outcome.groups);
    }
}

#[test]
fn a_value_whose_neighbours_say_the_same_is_explained() {
    // Beyond 700 everybody is `yes`, and 750 is popular.
    let mut data = rows(4000, 30, 3);
    for (i, row) in data.iter_mut().enumerate() {
        if row.amount.is_some_and(|a| a > 700.0) {
            row.label = "yes";
            if i % 3 == 0 {
                row.amount = Some(750.0);
            }
        }
    }
    let (_, lines) = run(rule(), &table(&data));
    assert_eq!(quarantined(&lines), [0u64; 0]);
}

#[test]
fn a_strong_honest_category_is_not_accused() {
    // Doctors are `yes`, and the rest of their rows says so too.
    let mut data = rows(4000, 30, 4);
    for row in &mut data {
        if row.degree == "doctor" {
            row.label = "yes";
        }
    }
    let (_, lines) = run(rule(), &table(&data));
    assert_eq!(quarantined(&lines), [0u64; 0]);
}

#[test]
fn threads_and_shards_change_no_finding_and_no_score() {
    let mut data = rows(3000, 25, 9);
    plant(&mut data, 50, "yes", 733.5);
    let data = table(&data);
    let (expected, lines) = run(rule(), &data);
    for (threads, shard, batch) in [(1, 100, 7), (4, 1, 1), (3, 997, 64)] {
        let (outcome, other) = run_split(rule(), &data, threads, shard, batch);
        assert_eq!(outcome.groups, expected.groups);
        assert_eq!(other, lines);
    }
}

#[test]
fn what_cannot_be_tested_says_why() {
    let reason = |data: &[Row]| match run(rule(), &table(data)).0.status {
        Status::NotTested(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert!(reason(&[]).contains("0 class"));
    assert!(reason(&rows(1, 50, 1)).contains("1 class"));
    let mut one = rows(200, 50, 1);
    one.iter_mut().for_each(|r| r.label = "yes");
    assert!(reason(&one).contains("1 class"));
    let number = TableTrigger { columns: vec![("age".into(), Kind::Number), ("hours".into(), Kind::Number)], label: "income".into() };
    let (outcome, _) = run(Box::new(number), &table(&rows(500, 50, 1)));
    assert!(matches!(&outcome.status, Status::NotTested(r) if r.contains("a quantity, not classes")), "{:?}", outcome.status);
}

#[test]
fn nan_infinities_and_nulls_pass_through() {
    let mut data = rows(600, 40, 2);
    for (i, row) in data.iter_mut().enumerate() {
        row.amount = [None, Some(f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY), row.amount][i % 5];
    }
    let (outcome, lines) = run(rule(), &table(&data));
    assert!(matches!(outcome.status, Status::Pass | Status::Fail) && quarantined(&lines).is_empty());
}

#[test]
fn a_column_of_nulls_and_a_constant_are_left_out() {
    let mut data = rows(2000, 40, 2);
    data.iter_mut().for_each(|r| {
        r.amount = None;
        r.age = 7;
    });
    let (outcome, lines) = run(rule(), &table(&data));
    assert_eq!((outcome.status, lines.len()), (Status::Pass, 0));
}

#[test]
fn the_floor_is_kept() {
    // As many rows as the floor says are found; so few are not promised.
    let clean = rows(4000, 25, 11);
    let (outcome, _) = run(rule(), &table(&clean));
    let floor = outcome.floor.iter().find(|f| f.class.as_deref() == Some("yes")).and_then(|f| f.rows).unwrap();
    assert!((12..200).contains(&floor), "{floor}");
    let found = (0..5).filter(|seed| {
        let mut data = rows(4000, 25, 20 + seed);
        let planted = plant(&mut data, floor as usize, "yes", 733.5);
        quarantined(&run(rule(), &table(&data)).1) == planted
    });
    assert!(found.count() >= 4);
}
