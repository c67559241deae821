//! Contract checks on wide, plain data: 50 million rows × 7 columns of Parquet (about 1 GB), 13 checks,
//! against decoding the same columns with the parquet crate alone over all cores.
//!
//! `cargo bench --bench contract` prints the median of 5 runs of each, their ratio and the peak memory,
//! first with clean data, then with half of the rows failing and written to the list. `-- ROWS` takes
//! another size. The goals are 2.0 × and 4 ×, both within 300 MB. Data is made once, outside the clock.
//!
//! Then the key alone as `unique` within `--memory 1GB`, and 200 rules on 100 columns of 2 million rows
//! (goal 4 ×).

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod decoding;
mod measure;

use arrow::array::{Float64Array, Int8Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use measure::{Measured, median, run};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// 13 checks on 7 columns: five of them required, four ranges, two sets, one length, one pattern.
const CONTRACT: &str = "\
taster: 1
columns:
  id: {required: true, range: {min: 0}}
  price: {required: true, range: {min: 0, max: 1000}}
  stars: {required: true, range: {min: 1, max: STARS}}
  label: {required: true, allowed: [neg, neutral, pos]}
  country: {allowed: [de, fr, it, es, pl, nl, at, ch], length: {min: 2, max: 2}}
  user: {pattern: '^u[0-9]+$'}
  posted_at: {required: true, range: {min: '2020-01-01T00:00:00', max: '2030-01-01T00:00:00'}}
poisoning: {detectors: off}
";

const KEY_CONTRACT: &str = "\
taster: 1
columns:
  id: {unique: true}
poisoning: {detectors: off}
";

const WIDE_ROWS: u64 = 2_000_000;
const WIDE_COLUMNS: u64 = 100;

/// Two rules for each of the wide columns, by its kind.
fn wide_contract() -> String {
    let mut text = "taster: 1\npoisoning: {detectors: off}\ncolumns:\n".to_owned();
    for c in 0..WIDE_COLUMNS {
        text += &match c % 4 {
            0 => format!("  c{c}: {{required: true, range: {{min: 0, max: 1000000}}}}\n"),
            1 => format!("  c{c}: {{required: true, range: {{min: 0, max: 1000.5}}}}\n"),
            2 => format!("  c{c}: {{required: true, allowed: [v0, v1, v2, v3, v4, v5, v6, v7]}}\n"),
            _ => format!("  c{c}: {{length: {{min: 2, max: 12}}, pattern: '^u[0-9]+$'}}\n"),
        };
    }
    text
}

/// 100 columns: integers, doubles, eight words, many words, in turn.
fn wide_batch(at: u64, to: u64) -> RecordBatch {
    let columns = (0..WIDE_COLUMNS).map(|c| {
        let h = (at..to).map(|r| hash(r ^ (c << 40)));
        let array: arrow::array::ArrayRef = match c % 4 {
            0 => Arc::new(Int64Array::from_iter_values(h.map(|h| (h % 1_000_000) as i64))),
            1 => Arc::new(Float64Array::from_iter_values(h.map(|h| (h >> 20) as f64 / (1_u64 << 44) as f64 * 1000.0))),
            2 => Arc::new(StringArray::from_iter_values(h.map(|h| format!("v{}", h % 8)))),
            _ => Arc::new(StringArray::from_iter_values(h.map(|h| format!("u{}", h % 100_000)))),
        };
        (format!("c{c}"), array)
    });
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// SplitMix64 of the row: the same data on every machine.
fn hash(row: u64) -> u64 {
    let mut z = row.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn narrow_batch(at: u64, to: u64) -> RecordBatch {
    const LABELS: [&str; 3] = ["neg", "neutral", "pos"];
    const COUNTRIES: [&str; 8] = ["de", "fr", "it", "es", "pl", "nl", "at", "ch"];
    let h: Vec<u64> = (at..to).map(hash).collect();
    let users: Vec<String> = h.iter().map(|h| format!("u{}", h % 100_000)).collect();
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values((at..to).map(|r| r as i64))) as _),
        ("price", Arc::new(Float64Array::from_iter_values(h.iter().map(|h| (h >> 20) as f64 / (1_u64 << 44) as f64 * 1000.0))) as _),
        ("stars", Arc::new(Int8Array::from_iter_values(h.iter().map(|h| 1 + (h >> 8 & 3) as i8))) as _),
        ("label", Arc::new(StringArray::from_iter_values(h.iter().map(|h| LABELS[(h >> 16) as usize % 3]))) as _),
        ("country", Arc::new(StringArray::from_iter_values(h.iter().map(|h| COUNTRIES[(h >> 24) as usize % 8]))) as _),
        ("user", Arc::new(StringArray::from_iter_values(&users)) as _),
        (
            "posted_at",
            Arc::new(TimestampMicrosecondArray::from_iter_values((at..to).map(|r| 1_600_000_000_000_000 + r as i64 * 1_000_000))) as _,
        ),
    ])
    .expect("columns of one length")
}

fn generate(path: &Path, rows: u64, group: usize, make: fn(u64, u64) -> RecordBatch) {
    if path.exists() {
        return;
    }
    let unfinished = path.with_extension("part");
    let properties =
        WriterProperties::builder().set_compression(parquet::basic::Compression::SNAPPY).set_max_row_group_row_count(Some(group)).build();
    let mut writer: Option<ArrowWriter<File>> = None;
    let mut at = 0;
    while at < rows {
        let to = rows.min(at + 100_000);
        let batch = make(at, to);
        let file = || File::create(&unfinished).expect("the target folder is writable");
        let writer =
            writer.get_or_insert_with(|| ArrowWriter::try_new(file(), batch.schema(), Some(properties.clone())).expect("a plain schema"));
        writer.write(&batch).expect("disk space");
        at = to;
    }
    writer.expect("at least one row").close().expect("disk space");
    std::fs::rename(unfinished, path).expect("the target folder is writable");
}

/// One command of the bench, with the exit codes it may end with.
struct Case<'a> {
    what: &'a str,
    make: Box<dyn Fn() -> Command + 'a>,
    codes: &'a [i32],
    /// Times of decoding alone and MB, at most; none for the floor itself.
    goal: Option<(f64, u32)>,
}

/// Runs of each command, taken in turns, so that a slow minute of the machine slows all of them.
const RUNS: usize = 5;

fn compare(cases: &[Case]) {
    let mut runs: Vec<Vec<Measured>> = cases.iter().map(|_| Vec::new()).collect();
    for _ in 0..RUNS {
        for (case, runs) in cases.iter().zip(&mut runs) {
            let run = run(&mut (case.make)());
            assert!(run.code.is_some_and(|c| case.codes.contains(&c)), "{} ended with {:?}", case.what, run.code);
            runs.push(run);
        }
    }
    let middle = |runs: &[Measured], of: fn(&Measured) -> Duration| median(runs.iter().map(of).collect()).as_secs_f64();
    println!("{:<28} {:>9} {:>9} {:>8}", "", "wall", "CPU", "peak");
    let mut floor = None;
    for (case, runs) in cases.iter().zip(&runs) {
        let (wall, cpu) = (middle(runs, |r| r.wall), middle(runs, |r| r.cpu));
        let peak = runs.iter().map(|r| r.peak).max().unwrap_or(0);
        println!("{:<28} {wall:>7.2} s {cpu:>7.2} s {:>5} MB", case.what, peak / 1_000_000);
        let (floor_wall, floor_cpu) = *floor.get_or_insert((wall, cpu));
        if let Some((goal, memory)) = case.goal {
            println!("{:<28} {:>7.2} × {:>7.2} ×    (goal {goal} ×, {memory} MB)", "", wall / floor_wall, cpu / floor_cpu);
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [mode, path] = args.as_slice()
        && mode == "decode"
    {
        return decoding::all(Path::new(path));
    }
    let rows: u64 = args.first().map_or(50_000_000, |a| a.parse().expect("a number of rows"));
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("contract");
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    let data = folder.join(format!("{rows}.parquet"));
    generate(&data, rows, 1 << 20, narrow_batch);
    let megabytes = |file: &Path| std::fs::metadata(file).expect("made before").len() / 1_000_000;
    println!("{rows} rows × 7 columns, {} MB of Parquet, 13 checks, median of {RUNS}", megabytes(&data));
    let check = |name: &str, text: &str, data: &Path| {
        let contract = folder.join(name);
        std::fs::write(&contract, text).expect("the target folder is writable");
        let (data, out) = (data.to_owned(), folder.join("out"));
        Box::new(move || {
            let mut c = Command::new(env!("CARGO_BIN_EXE_taster"));
            c.arg("check").arg(&data).arg("-c").arg(&contract).arg("--out").arg(&out).args(["--memory", "1GB"]);
            c
        })
    };
    let decode = |data: &Path| {
        let data = data.to_owned();
        Box::new(move || decoding::command(&data))
    };
    // Stars run from 1 to 4 evenly, so a maximum of 2 fails half of the rows.
    let stars = |most: &str| check(&format!("{most}.yaml"), &CONTRACT.replace("STARS", most), &data);
    compare(&[
        Case { what: "decode alone", make: decode(&data), codes: &[0], goal: None },
        Case { what: "check, all pass", make: stars("5"), codes: &[0], goal: Some((2.0, 300)) },
        Case { what: "check, half of the rows fail", make: stars("2"), codes: &[1], goal: Some((4.0, 300)) },
    ]);
    println!("\n{rows} keys, each of them once");
    compare(&[Case { what: "unique", make: check("key.yaml", KEY_CONTRACT, &data), codes: &[0], goal: None }]);
    let wide = folder.join("wide.parquet");
    generate(&wide, WIDE_ROWS, 1 << 16, wide_batch);
    println!("\n{WIDE_ROWS} rows × {WIDE_COLUMNS} columns, {} MB of Parquet, 200 rules", megabytes(&wide));
    compare(&[
        Case { what: "decode alone", make: decode(&wide), codes: &[0], goal: None },
        Case { what: "check, all pass", make: check("wide.yaml", &wide_contract(), &wide), codes: &[0], goal: Some((4.0, 1000)) },
    ]);
}
