//! Time and memory of `check` on tables of features and on embeddings, next to merely decoding them.
//!
//! `cargo bench --bench numbers` makes a table of 1 million rows x 20 columns (doubles, counts and categories,
//! some of which follow the label; 300 rows share a planted value) and 100 thousand vectors of 768 floats (ten classes with
//! means of their own; 300 vectors moved one way), checks both with all detectors and prints seconds, peak memory and the
//! ratio. `-- TABLE_ROWS VECTOR_ROWS` takes other sizes. The goals are 30 s and 60 s, 2 GB each.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod decoding;
mod measure;

use arrow::array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field};
use measure::{Measured, median, run};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// SplitMix64: one seed, one dataset, on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }
    /// Nearly normal: the sum of four even draws, mean 0 and deviation 1.
    fn normal(&mut self) -> f64 {
        let even = |r: u64| (r & 0xFFFF) as f64 / 65_536.0;
        let r = self.next();
        ((0..4).map(|i| even(r >> (16 * i))).sum::<f64>() - 2.0) * 3f64.sqrt()
    }
}

const RUNS: usize = 3;
const COLUMNS: usize = 20;
const WIDTH: usize = 768;
const PLANTED: u64 = 300;

fn table(random: &mut Random, at: u64, to: u64, rows: u64) -> RecordBatch {
    let n = (to - at) as usize;
    let mut columns: Vec<Vec<f64>> = (0..COLUMNS).map(|_| Vec::with_capacity(n)).collect();
    let mut labels = Vec::with_capacity(n);
    for row in at..to {
        let planted = row % (rows / PLANTED).max(1) == 0;
        let class = if planted { 0 } else { random.below(2) };
        for (c, column) in columns.iter_mut().enumerate() {
            let lean = if c % 3 == 0 { class as f64 * 0.6 } else { 0.0 };
            let v = random.normal() + lean;
            column.push(match c {
                // One value that no neighbour explains.
                0 if planted => 1234.5,
                0..12 => (v * 1000.0).round() / 10.0 + 500.0,
                12..16 => (v * 4.0).round() + 40.0,
                _ => (v * 2.0).round().rem_euclid(8.0),
            });
        }
        labels.push(if planted || class == 1 { "yes" } else { "no" });
    }
    let arrays = columns.into_iter().enumerate().map(|(c, v)| {
        let array: ArrayRef = match c {
            0..12 => Arc::new(Float64Array::from(v)),
            12..16 => Arc::new(Int64Array::from_iter_values(v.into_iter().map(|x| x as i64))),
            _ => Arc::new(StringArray::from_iter_values(v.into_iter().map(|x| format!("kind {x}")))),
        };
        (format!("c{c}"), array)
    });
    let label: ArrayRef = Arc::new(StringArray::from(labels));
    RecordBatch::try_from_iter(arrays.chain([("label".to_owned(), label)])).expect("columns of one length")
}

fn vectors(random: &mut Random, at: u64, to: u64, rows: u64) -> RecordBatch {
    let mut labels = Vec::new();
    let mut values = Vec::with_capacity((to - at) as usize * WIDTH);
    for row in at..to {
        let planted = row % (rows / PLANTED).max(1) == 0;
        let class = random.below(10);
        // The same means and the same shift in every batch.
        let (mut means, mut shift) = (Random(class + 1), Random(99));
        for _ in 0..WIDTH {
            let pushed = if planted { shift.normal() * 0.25 } else { 0.0 };
            values.push((means.normal() * 0.15 + pushed + random.normal()) as f32);
        }
        labels.push(format!("class {}", if planted { 0 } else { class }));
    }
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let list = FixedSizeListArray::new(item, WIDTH as i32, Arc::new(Float32Array::from(values)), None);
    let columns: [(&str, ArrayRef); 2] = [("vector", Arc::new(list)), ("label", Arc::new(StringArray::from(labels)))];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

type Make = fn(&mut Random, u64, u64, u64) -> RecordBatch;

fn generate(path: &Path, rows: u64, group: u64, make: Make) {
    if path.exists() {
        return;
    }
    let unfinished = path.with_extension("part");
    let mut random = Random(rows);
    let mut writer: Option<ArrowWriter<std::fs::File>> = None;
    let mut at = 0;
    while at < rows {
        let to = rows.min(at + group);
        let batch = make(&mut random, at, to, rows);
        let writer = writer.get_or_insert_with(|| {
            let file = std::fs::File::create(&unfinished).expect("the target folder is writable");
            let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group as usize)).build();
            ArrowWriter::try_new(file, batch.schema(), Some(properties)).expect("a plain schema")
        });
        writer.write(&batch).expect("disk space");
        at = to;
    }
    writer.expect("at least one row").close().expect("disk space");
    std::fs::rename(unfinished, path).expect("the target folder is writable");
}

fn show(what: &str, runs: &[Measured]) -> f64 {
    let wall = median(runs.iter().map(|r| r.wall).collect()).as_secs_f64();
    let cpu = median(runs.iter().map(|r| r.cpu).collect()).as_secs_f64();
    let peak = runs.iter().map(|r| r.peak).max().unwrap_or_default() / 1_000_000;
    println!("{what:<34} {wall:>7.2} s {cpu:>7.2} s CPU {peak:>6} MB");
    wall
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [mode, path] = args.as_slice()
        && mode == "decode"
    {
        return decoding::all(Path::new(path));
    }
    let sizes: Vec<u64> = args.iter().filter_map(|a| a.replace('_', "").parse().ok()).collect();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("numbers");
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    let jobs: [(&str, u64, u64, Make, &str); 2] = [
        ("table", sizes.first().copied().unwrap_or(1_000_000), 100_000, table, "  label: {role: label}\n"),
        ("vectors", sizes.get(1).copied().unwrap_or(100_000), 10_000, vectors, "  label: {role: label}\n  vector: {role: embedding}\n"),
    ];
    for (name, rows, group, make, columns) in jobs {
        let data = folder.join(format!("{name}-{rows}.parquet"));
        generate(&data, rows, group, make);
        let contract = folder.join(format!("{name}.yaml"));
        std::fs::write(&contract, format!("taster: 1\ncolumns:\n{columns}")).expect("the target folder is writable");
        let (mut floor, mut checks) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            floor.push(run(&mut decoding::command(&data)));
            let mut command = Command::new(env!("CARGO_BIN_EXE_taster"));
            command.arg("check").arg(&data).arg("-c").arg(&contract).arg("--out").arg(folder.join("out")).arg("-q");
            let measured = run(&mut command);
            assert!(matches!(measured.code, Some(0 | 1)), "check ended with {:?}", measured.code);
            checks.push(measured);
        }
        println!("{rows} rows of {name}");
        let (floor, wall) = (show("decode alone", &floor), show("check", &checks));
        println!("{:<34} {:>7.1} x", "", wall / floor);
    }
}
