//! Planted shifts and honest clusters in generated vectors.

use super::*;
use crate::detectors::harness::{Dice, quarantined, run, run_split};
use crate::rule::DynRule;
use arrow::array::{ArrayRef, Float32Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Float32Type;
use std::sync::Arc;

const WIDE: usize = 16;

struct Row {
    x: Vec<f32>,
    label: &'static str,
}

/// A normal number, near enough: the sum of twelve even ones.
fn normal(dice: &mut Dice) -> f32 {
    (0..12).map(|_| dice.roll(1000) as f32 / 1000.0).sum::<f32>() - 6.0
}

/// Two classes whose means differ a little; a tenth of `good` is a cluster of its own if asked for.
fn rows(n: usize, seed: u64, cluster: bool) -> Vec<Row> {
    let mut dice = Dice::new(seed);
    (0..n)
        .map(|i| {
            let good = dice.roll(2) == 0;
            let mut x: Vec<f32> = (0..WIDE).map(|_| normal(&mut dice)).collect();
            x[0] += if good { 0.8 } else { -0.8 };
            if cluster && good && i % 10 == 0 {
                // Off in one direction, and closer together in all others.
                x.iter_mut().enumerate().for_each(|(j, v)| *v = 0.4 * *v + if j % 2 == 0 { 1.3 } else { -1.3 });
            }
            Row { x, label: if good { "good" } else { "bad" } }
        })
        .collect()
}

/// Moves `k` rows of `bad` the same way and calls them `good`.
fn plant(rows: &mut [Row], k: usize) -> Vec<u64> {
    let chosen: Vec<usize> = (0..rows.len()).filter(|i| rows[*i].label == "bad").take(k).collect();
    for &i in &chosen {
        rows[i].x.iter_mut().enumerate().for_each(|(j, v)| *v += if j % 3 == 0 { 1.5 } else { -1.3 });
        rows[i].label = "good";
    }
    chosen.into_iter().map(|i| i as u64).collect()
}

/// Classes whose rows differ among each other in other numbers.
fn telling(n: usize, seed: u64) -> Vec<Row> {
    let mut data = rows(n, seed, false);
    for row in &mut data {
        let wide = if row.label == "good" { 4..10 } else { 10..16 };
        row.x[wide].iter_mut().for_each(|v| *v *= 3.0);
    }
    data
}

/// Draws `k` rows of `bad` that share of the way towards a point and calls them `good`.
fn plant_clump(rows: &mut [Row], k: usize, far: f32) -> Vec<u64> {
    let chosen: Vec<usize> = (0..rows.len()).filter(|i| rows[*i].label == "bad").take(k).collect();
    for &i in &chosen {
        rows[i].x.iter_mut().enumerate().for_each(|(j, v)| *v = (1.0 - far) * *v + far * if j % 3 == 0 { 4.0 } else { -4.0 });
        rows[i].label = "good";
    }
    chosen.into_iter().map(|i| i as u64).collect()
}

fn table(rows: &[Row]) -> RecordBatch {
    let x = ListArray::from_iter_primitive::<Float32Type, _, _>(rows.iter().map(|r| Some(r.x.iter().map(|v| Some(*v)))));
    let label = StringArray::from_iter_values(rows.iter().map(|r| r.label));
    let columns: Vec<(&str, ArrayRef)> = vec![("x", Arc::new(x)), ("label", Arc::new(label))];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap()
}

fn rule() -> Box<dyn DynRule> {
    Box::new(EmbeddingShift { column: "x".into(), label: "label".into() })
}

#[test]
fn rows_moved_the_same_way_are_found_among_natural_clusters() {
    for (k, cluster) in [(60, false), (80, true)] {
        let mut data = rows(1500, 7, cluster);
        let planted = plant(&mut data, k);
        let (outcome, lines) = run(rule(), &table(&data));
        let found = quarantined(&lines);
        let right = found.iter().filter(|r| planted.contains(r)).count();
        assert!(right as f64 >= 0.9 * planted.len() as f64, "{right} of {k}: {:?}", outcome.groups);
        assert!(right as f64 >= 0.9 * found.len() as f64, "{right} of {}", found.len());
        assert_eq!(outcome.groups[0].label.as_deref(), Some("good"));
    }
}

#[test]
fn rows_drawn_together_are_found_however_closely() {
    for (k, far) in [(60, 0.5), (50, 0.7), (40, 0.9)] {
        let mut data = telling(1500, 8);
        let planted = plant_clump(&mut data, k, far);
        let (outcome, lines) = run(rule(), &table(&data));
        let found = quarantined(&lines);
        let right = found.iter().filter(|r| planted.contains(r)).count();
        assert!(right as f64 >= 0.9 * planted.len() as f64, "{right} of {k} at {far}: {:?}", outcome.groups);
        assert!(right as f64 >= 0.9 * found.len() as f64, "{right} of {} at {far}", found.len());
        let reasons = outcome.groups[0].reasons.join("\n");
        assert!(reasons.contains("closer together"), "{reasons}");
    }
}

#[test]
fn a_round_cluster_of_rows_that_look_like_their_label_is_left_alone() {
    for (seed, by) in [(21, 0.3), (22, 0.6)] {
        let mut data = telling(1500, seed);
        for row in data.iter_mut().filter(|r| r.label == "good").take(70) {
            row.x.iter_mut().enumerate().for_each(|(j, v)| *v = by * *v + if j % 3 == 0 { 2.4 } else { -2.4 });
        }
        let (outcome, lines) = run(rule(), &table(&data));
        assert!(lines.is_empty(), "{:?}", outcome.groups);
    }
}

#[test]
fn clean_vectors_with_and_without_clusters_are_left_alone() {
    for seed in 0..4 {
        let (outcome, lines) = run(rule(), &table(&rows(1200, seed, seed % 2 == 1)));
        assert_eq!(quarantined(&lines), [0u64; 0], "{:?}", outcome.groups);
        assert!(outcome.failing == 0 && (seed % 2 == 1 || outcome.status == Status::Pass), "{seed}: {:?}", outcome.groups);
    }
}

#[test]
fn a_cluster_that_only_one_class_has_is_no_shift() {
    let mut data = rows(1500, 11, false);
    let mut dice = Dice::new(12);
    // A tenth of `good` lies elsewhere, tight around a point of its own.
    for row in data.iter_mut().filter(|r| r.label == "good") {
        if dice.roll(10) == 0 {
            row.x = (0..WIDE).map(|j| 0.5 * normal(&mut dice) + if j < 8 { 1.5 } else { 0.0 }).collect();
        }
    }
    let (outcome, lines) = run(rule(), &table(&data));
    assert_eq!(quarantined(&lines), [0u64; 0], "{:?}", outcome.groups);
    // It is round, and nothing here tells rows of one class from those of the other: a person may look.
    assert!(outcome.groups.iter().all(|g| g.action == Action::Review && g.reasons.join(" ").contains("natural")), "{:?}", outcome.groups);
}

#[test]
fn threads_and_shards_change_nothing() {
    let mut data = rows(900, 13, true);
    plant(&mut data, 60);
    let data = table(&data);
    let (expected, lines) = run(rule(), &data);
    assert!(!lines.is_empty());
    for (threads, shard, batch) in [(1, 100, 7), (3, 997, 64)] {
        let (outcome, other) = run_split(rule(), &data, threads, shard, batch);
        assert_eq!(format!("{:?}", outcome.groups), format!("{:?}", expected.groups));
        assert_eq!(other, lines);
    }
}

#[test]
fn odd_vectors_are_left_out_and_the_rest_is_judged() {
    let mut data = rows(1500, 14, false);
    let planted = plant(&mut data, 80);
    for (i, row) in data.iter_mut().enumerate().skip(1000).filter(|(i, _)| i % 50 == 0) {
        match i % 200 {
            0 => row.x[3] = f32::NAN,
            50 => row.x[5] = f32::INFINITY,
            100 => row.x.fill(0.0),
            _ => row.x.truncate(3),
        }
    }
    let (outcome, lines) = run(rule(), &table(&data));
    assert_eq!(outcome.not_tested_rows, 10);
    let right = quarantined(&lines).iter().filter(|r| planted.contains(r)).count();
    assert!(right >= 60, "{right}");
}

#[test]
fn what_cannot_be_tested_says_why() {
    let reason = |data: &RecordBatch| match run(rule(), data).0.status {
        Status::NotTested(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert!(reason(&table(&rows(3, 1, false))).contains("fewer than two classes"));
    let mut one = rows(500, 1, false);
    one.iter_mut().for_each(|r| r.label = "good");
    assert!(reason(&table(&one)).contains("fewer than two classes"));
    let mut same = rows(500, 1, false);
    same.iter_mut().for_each(|r| r.x = vec![1.0; 8]);
    // Equal vectors are one row of the sample.
    assert!(reason(&table(&same)).contains("alike"));
    let mut lost = rows(500, 1, false);
    lost.iter_mut().for_each(|r| r.x.fill(f32::NAN));
    assert!(reason(&table(&lost)).contains("no finite vector"));
    let numbers: Vec<(&str, ArrayRef)> =
        vec![("x", Arc::new(Float32Array::from(vec![1.0; 4]))), ("label", Arc::new(Int64Array::from(vec![1, 2, 1, 2])))];
    assert!(reason(&RecordBatch::try_from_iter(numbers).unwrap()).contains("no finite vector"));
}

#[test]
fn constant_numbers_in_a_vector_do_no_harm() {
    let mut data = rows(1200, 15, false);
    let planted = plant(&mut data, 80);
    data.iter_mut().for_each(|r| r.x.extend([0.0, 5.0]));
    let (_, lines) = run(rule(), &table(&data));
    assert!(quarantined(&lines).iter().filter(|r| planted.contains(r)).count() >= 60);
}
