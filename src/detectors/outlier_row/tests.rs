use super::*;
use crate::detectors::harness::{Line, run, run_split};
use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use std::sync::Arc;

/// Even numbers in (0, 1), the same on every platform.
fn even(i: usize, column: usize) -> f64 {
    let hash = crate::features::table::mix((i * 64 + column) as u64);
    ((hash >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
}

/// Nearly normal cells of four columns that share a part, so that they belong together.
fn body(rows: usize) -> Vec<Vec<f64>> {
    let near = |i: usize, c: usize| (0..12).map(|k| even(i, c * 12 + k)).sum::<f64>() - 6.0;
    (0..4).map(|c| (0..rows).map(|i| near(i, c) + near(i, 4)).collect()).collect()
}

fn data(columns: &[Vec<f64>]) -> RecordBatch {
    let column = |c: &Vec<f64>| Arc::new(Float64Array::from_iter(c.iter().map(|x| (!x.is_nan()).then_some(*x)))) as ArrayRef;
    RecordBatch::try_from_iter_with_nullable(columns.iter().enumerate().map(|(i, c)| (format!("n{i}"), column(c), true))).unwrap()
}

fn rule(columns: usize) -> Box<OutlierRow> {
    Box::new(OutlierRow { columns: (0..columns).map(|i| (format!("n{i}"), false)).collect() })
}

fn rows(lines: &[Line]) -> Vec<u64> {
    lines.iter().map(|l| l.0).collect()
}

#[test]
fn rows_far_out_in_several_columns_are_for_review_and_no_others() {
    let mut columns = body(3000);
    for (row, c, x) in [(7, 0, 31.0), (7, 1, -28.0), (7, 3, 40.0), (1500, 0, -22.0), (1500, 1, -25.0), (1500, 2, 36.0)] {
        columns[c][row] = x;
    }
    let (outcome, lines) = run(rule(4), &data(&columns));
    assert_eq!(rows(&lines), [7, 1500]);
    assert!(lines.iter().all(|l| l.1 == Action::Review && l.3 == KEY));
    assert!(lines[0].4.starts_with("apart from all other rows: n") && lines[0].4.contains("n3 40.0 (1 row in "), "{}", lines[0].4);
    assert_eq!((outcome.failing, outcome.groups.len(), outcome.groups[0].rows), (2, 1, 2));
    assert!(outcome.groups[0].q_value <= 0.010_001);
}

#[test]
fn one_cell_however_far_lists_no_row() {
    let mut columns = body(3000);
    columns[2][40] = 1e12;
    let (outcome, lines) = run(rule(4), &data(&columns));
    assert!(lines.is_empty() && outcome.status == Status::Pass, "{lines:?}");
}

#[test]
fn a_clean_table_has_no_row_apart() {
    let columns = body(20_000);
    let skewed: Vec<Vec<f64>> = columns.iter().map(|c| c.iter().map(|x| x.exp()).collect()).collect();
    for columns in [columns, skewed] {
        let (outcome, lines) = run(rule(4), &data(&columns));
        assert!(lines.is_empty() && outcome.status == Status::Pass, "{lines:?}");
    }
}

#[test]
fn sentinels_null_and_infinite_cells_make_no_outlier() {
    let mut columns = body(3000);
    for row in (0..3000).step_by(60) {
        for column in &mut columns {
            column[row] = -99_999.0;
        }
    }
    for column in &mut columns {
        (column[1], column[2], column[3]) = (f64::INFINITY, f64::NAN, f64::NEG_INFINITY);
    }
    let (_, lines) = run(rule(4), &data(&columns));
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn more_rows_than_few_are_counted_and_not_listed() {
    // Each of 26 rows is at an end of three of the four columns; 24 rows would be few.
    let mut columns = body(24_000);
    for i in 0..26 {
        for c in [i % 4, (i + 1) % 4, (i + 2) % 4] {
            columns[c][i * 900] = if i / 4 % 2 == 0 { 60.0 } else { -60.0 } + even(i, c);
        }
    }
    let (outcome, lines) = run(rule(4), &data(&columns));
    assert!(lines.is_empty() && outcome.status == Status::Pass && outcome.message.contains("none is listed"), "{}", outcome.message);
}

#[test]
fn too_little_is_not_tested_and_says_why() {
    let (outcome, _) = run(rule(4), &data(&body(199)));
    assert_eq!(outcome.status, Status::NotTested("fewer than 200 distinct rows".into()));
    let mut columns = body(300);
    columns[0].fill(1.0);
    columns[1].fill(f64::NAN);
    columns.truncate(3);
    let (outcome, _) = run(rule(3), &data(&columns));
    assert!(matches!(outcome.status, Status::NotTested(why) if why.starts_with("fewer than two numeric columns")));
}

#[test]
fn a_table_larger_than_the_sample_is_judged_as_a_whole_in_any_split() {
    let mut columns = body(24_000);
    for (c, column) in columns.iter_mut().enumerate() {
        column[23_999] = 30.0 + c as f64;
        column[5] = -30.0;
    }
    let data = data(&columns);
    let (whole, lines) = run(rule(4), &data);
    assert_eq!(rows(&lines), [5, 23_999]);
    let (parts, again) = run_split(rule(4), &data, 2, 3001, 700);
    assert_eq!(again, lines);
    assert_eq!(serde_json::to_string(&whole).unwrap(), serde_json::to_string(&parts).unwrap());
}
