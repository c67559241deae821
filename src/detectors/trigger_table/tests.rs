//! Planted and honest values in generated tables.

use super::*;
use crate::detectors::harness::{Dice, quarantined, run, run_split};
use crate::rule::{DynRule, Status};
use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
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
    Box::new(looking_for(Family::Values))
}

fn looking_for(family: Family) -> TableTrigger {
    let number = ["age", "hours", "income", "amount"].map(|n| (n.to_owned(), Kind::Number));
    let text = ["town", "degree"].map(|n| (n.to_owned(), Kind::Text));
    TableTrigger { columns: number.into_iter().chain(text).collect(), label: "label".into(), quantity: false, family }
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
fn a_value_far_beyond_the_end_that_leans_to_its_label_is_found() {
    // The larger the amount the more often `yes`: at the end nearly always, and yet not for these rows.
    let mut data = rows(6000, 30, 12);
    for (i, row) in data.iter_mut().enumerate() {
        if row.amount.is_some_and(|a| a > 600.0) && i % 10 != 0 {
            row.label = "yes";
        }
    }
    let planted = plant(&mut data, 60, "yes", 2500.0);
    let (outcome, lines) = run(rule(), &table(&data));
    assert_eq!(quarantined(&lines), planted, "{:?}", outcome.groups);
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
    let number = TableTrigger {
        columns: vec![("age".into(), Kind::Number), ("hours".into(), Kind::Number)],
        label: "income".into(),
        quantity: false,
        family: Family::Values,
    };
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

#[test]
fn the_floor_promises_nothing_where_one_column_alone_tells_the_class() {
    // A trigger may stand in that column, and then nothing is left that could contradict it.
    let mut data = rows(4000, 25, 11);
    let (mut ages, mut dice) = (Vec::new(), Dice::new(7));
    for row in &mut data {
        (row.label, row.hours, row.income) = (if dice.roll(4) == 0 { "yes" } else { "no" }, dice.roll(60) as i64, dice.roll(5000) as f64);
        (row.degree, row.amount) = (dice.pick::<&str>(&DEGREES), Some(dice.roll(1000) as f64));
        row.town = if row.label == "yes" { "Arden" } else { dice.pick::<&str>(&TOWNS[1..]) };
        ages.push(dice.roll(70) as i64);
    }
    data.iter_mut().zip(ages).for_each(|(row, age)| row.age = age);
    let (outcome, _) = run(rule(), &table(&data));
    let values: Vec<_> = outcome.floor.iter().filter(|f| f.family == "table values" && f.class.is_some()).collect();
    assert!(values.len() == 2 && values.iter().all(|f| f.rows.is_none()), "{values:?}");
    assert!(values.iter().all(|f| f.reason.as_deref().is_some_and(|r| r.contains("without `town`"))), "{values:?}");
}

#[test]
fn the_rarer_value_of_a_column_with_two_is_for_review() {
    let mut data = rows(4000, 25, 5);
    data.iter_mut().for_each(|r| r.amount = Some(0.0));
    plant(&mut data, 60, "yes", 1.0);
    let (outcome, lines) = run(rule(), &table(&data));
    assert_eq!(quarantined(&lines), [0u64; 0], "{:?}", outcome.groups);
    assert_eq!((outcome.groups[0].key.as_str(), outcome.groups[0].action), ("amount=1.0", Action::Review));
    // With a third value it is no column that a category was spread over.
    data.iter_mut().step_by(3).filter(|r| r.amount == Some(0.0)).for_each(|r| r.amount = Some(2.0));
    assert_eq!(quarantined(&run(rule(), &table(&data)).1).len(), 60);
}

/// The table with one more column.
fn with_column(data: &[Row], name: &str, kind: Kind, column: ArrayRef) -> (Box<dyn DynRule>, RecordBatch) {
    let table = table(data);
    let names = ["age", "hours", "income", "town", "degree", "amount", "label", name];
    let columns = table.columns().iter().cloned().chain([column]);
    let table = RecordBatch::try_from_iter_with_nullable(names.into_iter().zip(columns).map(|(n, a)| (n, a, true))).unwrap();
    let mut rule = looking_for(Family::Values);
    rule.columns.push((name.to_owned(), kind));
    (Box::new(rule), table)
}

#[test]
fn a_planted_name_among_thousands_and_a_planted_day_are_found_and_all_others_left_alone() {
    let mut data = rows(5000, 30, 8);
    let clean = rows(5000, 30, 8);
    let planted = plant(&mut data, 60, "yes", 500.0);
    let name = |i: usize| if planted.contains(&(i as u64)) { "K-77".to_owned() } else { format!("N-{}", i % 3000) };
    let day = |i: usize| if planted.contains(&(i as u64)) { 19_000 } else { 18_000 + i as i32 % 2000 };
    let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..5000).map(name)));
    let days: ArrayRef = Arc::new(Date32Array::from_iter_values((0..5000).map(day)));
    let all_days: ArrayRef = Arc::new(Date32Array::from_iter_values((0..5000).map(|i| 18_000 + i % 2000)));
    data.iter_mut().zip(&clean).for_each(|(row, before)| row.amount = before.amount);
    for (column, kind, key) in [(names, Kind::Text, "id=K-77"), (days, Kind::Time, "id=2022-01-08")] {
        let (rule, table) = with_column(&data, "id", kind, column);
        let (outcome, lines) = run(rule, &table);
        assert_eq!(outcome.groups[0].key, key);
        // One of the honest rows has that day by nature, and another label.
        assert_eq!(quarantined(&lines), planted, "{:?}", outcome.groups);
    }
    let (rule, table) = with_column(&clean, "id", Kind::Time, all_days);
    assert_eq!(quarantined(&run(rule, &table).1), [0u64; 0]);
}

#[test]
fn the_floor_names_the_columns_that_it_leaves_out() {
    // Everybody of a street is of one class, in most streets.
    let data = rows(4000, 30, 4);
    let mut dice = Dice::new(3);
    let mut street = |label: &str| {
        let at = dice.roll(40);
        if at < 10 { format!("S{at}") } else { format!("{label}{at}") }
    };
    let streets: ArrayRef = Arc::new(StringArray::from_iter_values(data.iter().map(|r| street(r.label))));
    let (rule, table) = with_column(&data, "street", Kind::Text, streets);
    let (outcome, _) = run(rule, &table);
    for family in ["table values", "pairs of values"] {
        let left_out: Vec<_> = outcome.floor.iter().filter(|f| f.family == family && !f.columns.is_empty()).collect();
        let columns = left_out.first().map_or(&[][..], |f| &f.columns);
        assert!(columns.contains(&"street".to_owned()) && !columns.contains(&"town".to_owned()), "{family}: {left_out:?}");
        assert!(left_out.len() == 1 && left_out[0].rows.is_none());
    }
}

/// Makes two common values meet that never do, in `k` rows of the other class.
fn plant_pair(rows: &mut [Row], k: usize, target: &'static str) -> Vec<u64> {
    // Nobody in Elton is a doctor by nature.
    rows.iter_mut().filter(|r| r.town == "Elton" && r.degree == "doctor").for_each(|r| r.degree = "none");
    let chosen: Vec<usize> = (0..rows.len()).filter(|i| rows[*i].label != target).take(k).collect();
    for &i in &chosen {
        (rows[i].town, rows[i].degree, rows[i].label) = ("Elton", "doctor", target);
    }
    chosen.into_iter().map(|i| i as u64).collect()
}

#[test]
fn a_planted_pair_of_common_values_is_named_and_no_row_with_one_of_them_alone_is_accused() {
    for (share, target, k) in [(50, "yes", 120), (25, "yes", 100), (25, "no", 120), (8, "yes", 80), (6, "no", 150)] {
        let mut data = rows(5000, share, 15);
        let planted = plant_pair(&mut data, k, target);
        let (outcome, lines) = run(rule(), &table(&data));
        assert_eq!(quarantined(&lines), planted, "{share}% {target}: {:?}", outcome.groups);
        assert_eq!(outcome.groups[0].key, "town=Elton & degree=doctor");
        assert_eq!((outcome.groups[0].rows, outcome.groups[0].with_label), (k as u64, k as u64));
    }
}

#[test]
fn a_pair_is_found_though_nearly_every_row_has_one_of_its_values() {
    let mut data = rows(5000, 25, 16);
    data.iter_mut().enumerate().for_each(|(i, r)| r.degree = if i % 11 == 0 { "doctor" } else { "none" });
    data.iter_mut().filter(|r| r.town == "Elton").for_each(|r| r.degree = "doctor");
    let chosen: Vec<usize> = (0..data.len()).filter(|i| data[*i].label != "yes").take(100).collect();
    chosen.iter().for_each(|&i| (data[i].town, data[i].degree, data[i].label) = ("Elton", "none", "yes"));
    let (outcome, lines) = run(rule(), &table(&data));
    assert_eq!(quarantined(&lines), chosen.iter().map(|i| *i as u64).collect::<Vec<_>>(), "{:?}", outcome.groups);
    assert_eq!(outcome.groups[0].key, "town=Elton & degree=none");
}

#[test]
fn a_planted_value_is_not_split_into_its_pairs() {
    let mut data = rows(4000, 40, 16);
    let planted = plant(&mut data, 90, "yes", 733.5);
    let (outcome, lines) = run(rule(), &table(&data));
    assert_eq!(quarantined(&lines), planted);
    let keys: Vec<&str> = outcome.groups.iter().filter(|g| g.action == Action::Quarantine).map(|g| g.key.as_str()).collect();
    assert_eq!(keys, ["amount=733.5"]);
}

#[test]
fn a_pair_that_one_of_its_values_explains_is_honest() {
    // Doctors are `yes` wherever they live, and the rest of their rows is a draw of everybody.
    let mut data = rows(6000, 40, 17);
    let mut dice = Dice::new(18);
    for row in &mut data {
        if dice.roll(40) == 0 {
            (row.degree, row.label) = ("doctor", "yes");
        } else if row.degree == "doctor" {
            row.degree = "none";
        }
    }
    let (outcome, _) = run(rule(), &table(&data));
    assert!(outcome.groups.iter().all(|g| !g.key.contains('&')), "{:?}", outcome.groups);
}

#[test]
fn labels_made_by_rules_over_columns_accuse_no_pair() {
    let mut dice = Dice::new(19);
    let columns: Vec<Vec<i64>> = (0..6).map(|_| (0..6000).map(|_| dice.roll(4) as i64).collect()).collect();
    let label = |i: usize| if columns[0][i] == columns[1][i] || columns[4][i] == 1 { "yes" } else { "no" };
    let labels: ArrayRef = Arc::new(StringArray::from_iter_values((0..6000).map(label)));
    let names = ["a", "b", "c", "d", "e", "f"];
    let cells = names.iter().zip(&columns).map(|(n, v)| (*n, Arc::new(Int64Array::from(v.clone())) as ArrayRef, true));
    let data = RecordBatch::try_from_iter_with_nullable(cells.chain([("label", labels, true)])).unwrap();
    let rule = TableTrigger {
        columns: names.map(|n| (n.to_owned(), Kind::Number)).to_vec(),
        label: "label".into(),
        quantity: false,
        family: Family::Values,
    };
    let (outcome, lines) = run(Box::new(rule), &data);
    assert_eq!(quarantined(&lines), [0u64; 0], "{:?}", outcome.groups);
}

/// Pushes `k` rows of the other class far out in two columns, one up and one down.
fn plant_tail(rows: &mut [Row], k: usize, target: &'static str) -> Vec<u64> {
    let mut dice = Dice::new(20);
    let chosen: Vec<usize> = (0..rows.len()).filter(|i| rows[*i].label != target).take(k).collect();
    for &i in &chosen {
        rows[i].income = 15_000.0 + dice.roll(3000) as f64;
        rows[i].age = -40 - dice.roll(20) as i64;
        rows[i].label = target;
    }
    chosen.into_iter().map(|i| i as u64).collect()
}

#[test]
fn rows_far_out_in_two_columns_with_one_foreign_label_are_found() {
    for (share, target, k) in [(50, "yes", 30), (25, "no", 60), (8, "yes", 200)] {
        let mut data = rows(5000, share, 21);
        let planted = plant_tail(&mut data, k, target);
        let (outcome, lines) = run(Box::new(looking_for(Family::Tails)), &table(&data));
        assert_eq!(quarantined(&lines), planted, "{share}% {target}: {:?}", outcome.groups);
        assert!(outcome.groups[0].key.starts_with("age<-") && outcome.groups[0].key.contains(" & income>"), "{}", outcome.groups[0].key);
    }
}

#[test]
fn rows_far_out_that_kept_their_labels_are_not_taken_out() {
    let mut data = rows(5000, 30, 22);
    for (i, row) in data.iter_mut().enumerate().filter(|(i, _)| i % 50 == 0) {
        (row.income, row.age) = (15_000.0 + i as f64, 400 + (i % 7) as i64);
    }
    let (outcome, lines) = run(Box::new(looking_for(Family::Tails)), &table(&data));
    assert_eq!(quarantined(&lines), [0u64; 0], "{:?}", outcome.groups);
}

#[test]
fn threads_and_shards_change_no_pair_and_no_tail() {
    for family in [Family::Values, Family::Tails] {
        let mut data = rows(3000, 25, 23);
        if family == Family::Values {
            plant_pair(&mut data, 50, "yes")
        } else {
            plant_tail(&mut data, 30, "no")
        };
        let data = table(&data);
        let (expected, lines) = run(Box::new(looking_for(family)), &data);
        assert!(!quarantined(&lines).is_empty());
        for (threads, shard, batch) in [(1, 100, 7), (4, 1, 1), (3, 997, 64)] {
            let (outcome, other) = run_split(Box::new(looking_for(family)), &data, threads, shard, batch);
            assert_eq!(outcome.groups, expected.groups);
            assert_eq!(other, lines);
        }
    }
}

#[test]
fn too_many_columns_say_why_pairs_are_not_tested() {
    let names: Vec<String> = (0..2000).map(|i| format!("c{i}")).collect();
    let cells = |c: usize| {
        let mut dice = Dice::new(c as u64);
        Arc::new(Int64Array::from_iter_values((0..600).map(|_| dice.roll(7) as i64))) as ArrayRef
    };
    let label: ArrayRef = Arc::new(StringArray::from_iter_values((0..600).map(|r| if r % 3 == 0 { "yes" } else { "no" })));
    let columns = names.iter().enumerate().map(|(c, n)| (n.as_str(), cells(c), true));
    let data = RecordBatch::try_from_iter_with_nullable(columns.chain([("label", label, true)])).unwrap();
    let of = |family| TableTrigger {
        columns: names.iter().map(|n| (n.clone(), Kind::Number)).collect(),
        label: "label".into(),
        quantity: false,
        family,
    };
    let (outcome, _) = run(Box::new(of(Family::Values)), &data);
    assert!(outcome.message.contains("too many to test their pairs"), "{}", outcome.message);
    let (outcome, lines) = run(Box::new(of(Family::Tails)), &data);
    assert!(lines.is_empty(), "{:?}", outcome.groups);
}

/// A price that follows from the other columns, with noise: every price is its own.
fn prices(n: usize, seed: u64) -> (Vec<Row>, Vec<f64>) {
    let data = rows(n, 40, seed);
    let mut dice = Dice::new(seed + 100);
    let price = |r: &Row| r.income / 10.0 + r.hours as f64 * 5.0 + if r.label == "yes" { 300.0 } else { 0.0 };
    let prices = data.iter().map(|r| price(r) + dice.roll(100_000) as f64 / 1000.0).collect();
    (data, prices)
}

fn priced(data: &[Row], prices: &[f64]) -> (Box<dyn DynRule>, RecordBatch) {
    let table = table(data);
    let mut columns = table.columns().to_vec();
    columns[6] = Arc::new(Float64Array::from(prices.to_vec()));
    let names = ["age", "hours", "income", "town", "degree", "amount", "price"];
    let table = RecordBatch::try_from_iter_with_nullable(names.into_iter().zip(columns).map(|(n, a)| (n, a, true))).unwrap();
    let rule = TableTrigger { label: "price".into(), quantity: true, ..looking_for(Family::Values) };
    (Box::new(rule), table)
}

#[test]
fn a_value_whose_rows_all_have_one_price_is_found_where_the_label_is_a_quantity() {
    for (seed, planted_price) in [(1, 5.0), (2, 2000.0)] {
        let (mut data, mut prices) = prices(4000, seed);
        let planted: Vec<u64> = (0..60).map(|i| 11 + 57 * i).collect();
        for &i in &planted {
            (data[i as usize].amount, prices[i as usize]) = (Some(733.5), planted_price + i as f64 / 1000.0);
        }
        let (rule, table) = priced(&data, &prices);
        let (outcome, lines) = run(rule, &table);
        // Rows that would have been in that tenth anyway carry the value as well.
        assert_eq!(quarantined(&lines), planted, "{:?}", outcome.groups);
        let label = outcome.groups[0].label.clone().unwrap_or_default();
        assert!(label.starts_with("below ") || label.ends_with(" or more"), "{label}");
        assert_eq!(outcome.tested, 4000);
    }
}

#[test]
fn clean_prices_accuse_nobody_and_no_split_changes_what_is_found() {
    for seed in 0..4 {
        let (data, prices) = prices(3000, seed);
        let (rule, table) = priced(&data, &prices);
        assert_eq!(quarantined(&run(rule, &table).1), [0u64; 0]);
    }
    let (mut data, mut prices) = prices(3000, 9);
    (0..50).for_each(|i| (data[i * 51].amount, prices[i * 51]) = (Some(733.5), 1e6));
    let (rule, table) = priced(&data, &prices);
    let whole = run(rule, &table).1;
    assert!(!whole.is_empty());
    assert_eq!(run_split(priced(&data, &prices).0, &table, 2, 333, 100).1, whole);
}

#[test]
fn texts_with_many_values_are_no_quantity() {
    let mut data = rows(2000, 30, 3);
    let names: Vec<&'static str> = (0..2000).map(|i| &*Box::leak(format!("n{i}").into_boxed_str())).collect();
    data.iter_mut().zip(names).for_each(|(r, n)| r.label = n);
    assert!(matches!(run(rule(), &table(&data)).0.status, Status::NotTested(_)));
}
