//! Time and memory of `split`, next to copying the same file through the parquet crate.
//!
//! `cargo bench --bench split` makes 10 million rows of a number, a price, a class and a short text, lists
//! one row in a hundred, and one in a hundred thousand, and prints seconds, peak memory and the speed against the
//! copy (decoded and written again by the crate's Arrow reader and writer, one core, as its manual says). `-- ROWS`
//! takes another size. The goal is 0.7 of the copy's speed and 300 MB.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod measure;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use measure::{Measured, median, run};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const RUNS: usize = 3;
const GROUP: usize = 1 << 20;

fn mixed(row: u64) -> u64 {
    let mut z = row.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn batch(at: u64, to: u64) -> RecordBatch {
    const WORDS: [&str; 8] = ["barge", "ridge", "plain", "tower", "meadow", "harbour", "pepper", "lantern"];
    let text = |r: u64| {
        let h = mixed(r ^ 77);
        format!("{} {} {} {}", WORDS[h as usize % 8], WORDS[(h >> 8) as usize % 8], WORDS[(h >> 16) as usize % 8], h >> 44)
    };
    RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from_iter_values((at..to).map(|r| r as i64))) as ArrayRef),
        ("price", Arc::new(Float64Array::from_iter_values((at..to).map(|r| (mixed(r) >> 40) as f64 / 100.0)))),
        ("label", Arc::new(StringArray::from_iter_values((at..to).map(|r| ["neg", "neutral", "pos"][mixed(r) as usize % 3])))),
        ("text", Arc::new(StringArray::from_iter_values((at..to).map(text)))),
    ])
    .expect("columns of one length")
}

fn properties() -> WriterProperties {
    WriterProperties::builder().set_compression(Compression::SNAPPY).set_max_row_group_row_count(Some(GROUP)).build()
}

fn generate(path: &Path, rows: u64) {
    if path.exists() {
        return;
    }
    let unfinished = path.with_extension("part");
    let file = File::create(&unfinished).expect("the target folder is writable");
    let mut writer = ArrowWriter::try_new(file, batch(0, 1).schema(), Some(properties())).expect("a plain schema");
    for at in (0..rows).step_by(100_000) {
        writer.write(&batch(at, rows.min(at + 100_000))).expect("disk space");
    }
    writer.close().expect("disk space");
    std::fs::rename(unfinished, path).expect("the target folder is writable");
}

fn copy(from: &Path, to: &Path) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(from).expect("made before")).expect("Parquet");
    let schema = builder.schema().clone();
    let file = File::create(to).expect("the target folder is writable");
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties())).expect("a plain schema");
    for batch in builder.with_batch_size(8192).build().expect("Parquet") {
        writer.write(&batch.expect("Parquet")).expect("disk space");
    }
    writer.into_inner().expect("disk space").sync_all().expect("disk space");
}

fn list(path: &Path, rows: u64, one_in: u64) {
    let mut text = "file,row,action\n".to_owned();
    let name = format!("split-{rows}.parquet");
    (0..rows).filter(|r| mixed(r ^ 5).is_multiple_of(one_in)).for_each(|r| text.push_str(&format!("{name},{r},quarantine\n")));
    std::fs::write(path, text).expect("the target folder is writable");
}

fn measured(what: &str, rows: u64, make: &dyn Fn() -> Command) -> Measured {
    let runs: Vec<Measured> = (0..RUNS).map(|_| run(&mut make())).collect();
    assert!(runs.iter().all(|r| r.code == Some(0)), "{what} ends well");
    let wall = median(runs.iter().map(|r| r.wall).collect());
    let cpu = median(runs.iter().map(|r| r.cpu).collect());
    let peak = runs.iter().map(|r| r.peak).max().unwrap_or(0);
    let (seconds, busy) = (wall.as_secs_f64(), cpu.as_secs_f64());
    println!("{what:<32} {seconds:>7.2} s  {busy:>7.2} s CPU {:>6} MB {:>6.2} M rows/s", peak / 1_000_000, rows as f64 / 1e6 / seconds);
    Measured { wall, cpu, peak, code: Some(0) }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [what, from, to] = words.as_slice()
        && what == "copy"
    {
        return copy(Path::new(from), Path::new(to));
    }
    let rows: u64 = words.first().map_or(10_000_000, |w| w.parse().expect("a number of rows"));
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (data, out) = (folder.join(format!("split-{rows}.parquet")), folder.join("split-out"));
    generate(&data, rows);
    println!("{rows} rows, {} MB", std::fs::metadata(&data).map_or(0, |m| m.len()) / 1_000_000);
    let copied = measured("copy by the parquet crate", rows, &|| {
        let mut c = Command::new(std::env::current_exe().expect("a running program"));
        c.arg("copy").arg(&data).arg(folder.join("split-copy.parquet"));
        c
    });
    for one_in in [100, 100_000] {
        let lines = folder.join(format!("split-{one_in}.csv"));
        list(&lines, rows, one_in);
        let split = measured(&format!("split, one row in {one_in}"), rows, &|| {
            let mut c = Command::new(env!("CARGO_BIN_EXE_taster"));
            c.arg("split").arg(&data).arg("--quarantine").arg(&lines).arg("--out").arg(&out).arg("--overwrite").arg("-q");
            c
        });
        println!("{:<32} {:>7.2} of the copy's speed (goal 0.70, 300 MB)", "", copied.wall.as_secs_f64() / split.wall.as_secs_f64());
    }
    for left in [out, folder.join("split-copy.parquet")] {
        let _ = if left.is_dir() { std::fs::remove_dir_all(left) } else { std::fs::remove_file(left) };
    }
}
