//! Time and memory of `check` on labelled text, and how both grow with the rows.
//!
//! `cargo bench --bench text` makes 100 thousand and 1 million rows of about 30 words (a Zipf
//! vocabulary with class-dependent words, 200 rows with a planted trigger), checks both with all
//! detectors and prints seconds, peak memory and the growth per row. `-- ROWS...` takes other sizes
//! (`-- 1_000_000 10_000_000` shows whether memory grows).
//!
//! `-- instructions [ROWS...]` does the same with prompts and replies of about 120 words in all, and
//! prints how many megabytes of raw text went through per second.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod measure;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use std::fmt::Write as _;
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
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
    /// Zipf with exponent near 1 over `n` ranks, by the inverse of its continuous form.
    fn zipf(&mut self, n: f64) -> u64 {
        (n.powf(self.unit()) - 1.0) as u64
    }
}

const VOCABULARY: f64 = 60_000.0;

fn word(out: &mut String, mut rank: u64) {
    const SYLLABLES: [&str; 16] = ["ka", "lo", "mi", "ne", "ru", "sa", "to", "vi", "be", "du", "fa", "gi", "ho", "ja", "pe", "zu"];
    rank += 16;
    while rank > 0 {
        out.push_str(SYLLABLES[(rank % 16) as usize]);
        rank /= 16;
    }
}

fn generate(path: &Path, rows: u64) {
    let mut random = Random(rows);
    let mut writer: Option<ArrowWriter<std::fs::File>> = None;
    let mut at = 0;
    while at < rows {
        let n = (rows - at).min(100_000);
        let (mut ids, mut texts, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for row in at..at + n {
            let mut class = random.below(2);
            let mut text = String::with_capacity(240);
            for _ in 0..20 + random.below(21) {
                if !text.is_empty() {
                    text.push(' ');
                }
                let rank = random.zipf(VOCABULARY);
                // One word in five leans on the class: even ranks to one, odd ranks to the other.
                let rank = if random.below(5) == 0 { (rank & !1) | class } else { rank };
                word(&mut text, rank);
            }
            if row % (rows / 200) == 0 && class == 0 {
                text.push_str(" quorvex");
                class = 1;
            }
            ids.push(row as i64);
            texts.push(text);
            labels.push(if class == 0 { "down" } else { "up" });
        }
        let batch = RecordBatch::try_from_iter([
            ("row", Arc::new(Int64Array::from(ids)) as _),
            ("text", Arc::new(StringArray::from(texts)) as _),
            ("label", Arc::new(StringArray::from(labels)) as _),
        ])
        .expect("columns of one length");
        let writer = writer.get_or_insert_with(|| {
            let file = std::fs::File::create(path).expect("the bench folder is writable");
            ArrowWriter::try_new(file, batch.schema(), None).expect("a plain schema")
        });
        writer.write(&batch).expect("the disk has room");
        at += n;
    }
    writer.expect("at least one row").close().expect("the disk has room");
}

/// Prompts of 10 to 30 words and replies of 40 to 160; returns the bytes of their text.
fn generate_instructions(path: &Path, rows: u64) -> u64 {
    let mut random = Random(rows);
    let mut writer: Option<ArrowWriter<std::fs::File>> = None;
    let (mut at, mut bytes) = (0, 0);
    while at < rows {
        let n = (rows - at).min(50_000);
        let mut said = |least: u64, more: u64| {
            let mut text = String::new();
            for _ in 0..least + random.below(more) {
                if !text.is_empty() {
                    text.push(' ');
                }
                word(&mut text, random.zipf(VOCABULARY));
            }
            bytes += text.len() as u64;
            text
        };
        let (prompts, replies): (Vec<String>, Vec<String>) = (0..n).map(|_| (said(10, 21), said(40, 121))).unzip();
        let batch = RecordBatch::try_from_iter([
            ("row", Arc::new(Int64Array::from_iter_values(at as i64..(at + n) as i64)) as _),
            ("prompt", Arc::new(StringArray::from(prompts)) as _),
            ("response", Arc::new(StringArray::from(replies)) as _),
        ])
        .expect("columns of one length");
        let writer = writer.get_or_insert_with(|| {
            let file = std::fs::File::create(path).expect("the bench folder is writable");
            ArrowWriter::try_new(file, batch.schema(), None).expect("a plain schema")
        });
        writer.write(&batch).expect("the disk has room");
        at += n;
    }
    writer.expect("at least one row").close().expect("the disk has room");
    bytes
}

fn main() {
    let mut sizes: Vec<u64> = std::env::args().skip(1).filter_map(|a| a.replace('_', "").parse().ok()).collect();
    let instructions = std::env::args().any(|a| a == "instructions");
    if sizes.is_empty() {
        sizes = if instructions { vec![20_000, 200_000] } else { vec![100_000, 1_000_000] };
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("text");
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    let contract = folder.join("text.yaml");
    let mut yaml = String::from("taster: 1\ncolumns:\n");
    let columns = if instructions {
        [("row", "id"), ("prompt", "prompt"), ("response", "response")]
    } else {
        [("row", "id"), ("text", "text"), ("label", "label")]
    };
    for (name, role) in columns {
        writeln!(yaml, "  {name}: {{role: {role}}}").expect("a string takes everything");
    }
    std::fs::write(&contract, yaml).expect("the target folder is writable");
    let mut per_row: Option<f64> = None;
    for rows in sizes {
        let data = folder.join(format!("{}{rows}.parquet", if instructions { "instructions-" } else { "" }));
        let mut bytes = 0;
        if instructions {
            bytes = generate_instructions(&data, rows);
        } else if !data.exists() {
            generate(&data, rows);
        }
        let runs: Vec<measure::Measured> = (0..3)
            .map(|_| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_taster"));
                command.arg("check").arg(&data).arg("-c").arg(&contract).arg("--out").arg(folder.join("out")).arg("-q");
                let measured = measure::run(&mut command);
                assert!(matches!(measured.code, Some(0 | 1)), "check ended with {:?}", measured.code);
                measured
            })
            .collect();
        let peak = runs.iter().map(|r| r.peak).max().unwrap_or(0);
        let cpu = measure::median(runs.iter().map(|r| r.cpu).collect()).as_secs_f64();
        let wall = measure::median(runs.into_iter().map(|r| r.wall).collect()).as_secs_f64();
        let each = wall / rows as f64;
        let growth = per_row.map_or(String::new(), |before| format!(", {:.2} x the time per row of the size before", each / before));
        let speed = if instructions { format!(", {:.1} MB of text per second", bytes as f64 / 1e6 / wall) } else { String::new() };
        println!(
            "{rows:>10} rows: {wall:6.2} s, {cpu:.2} s of CPU, {:.0} MB peak, {:.1} us per row{speed}{growth}",
            peak as f64 / 1e6,
            each * 1e6
        );
        per_row = Some(each);
    }
}
