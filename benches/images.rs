//! Time and memory of `check` on labelled images, next to merely decoding them.
//!
//! `cargo bench --bench images` makes 50 thousand colour images of 32 x 32 pixels as PNG (smooth fields
//! that depend on the class, with noise; a patch on 100 of them), decodes them, checks them with all
//! detectors and prints seconds, peak memory and the ratio. `-- ROWS...` takes other sizes.

#![allow(clippy::print_stdout, reason = "a bench prints its figures")]

mod measure;

use arrow::array::{BinaryArray, Int64Array, RecordBatch, StringArray};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

/// SplitMix64: one seed, one dataset, on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((u128::from(z ^ (z >> 31)) * u128::from(n)) >> 64) as u64
    }
}

const SIDE: u32 = 32;
const RUNS: usize = 3;

fn picture(random: &mut Random, class: u64, stamped: bool) -> Vec<u8> {
    let corners: Vec<u64> = (0..27).map(|c| 40 + random.below(120) + 20 * ((c + class) % 5)).collect();
    let mut picture = RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let (cx, cy, fx, fy) = (x / 16, y / 16, u64::from(x % 16), u64::from(y % 16));
        Rgb([0, 1, 2].map(|c| {
            let v = |i: u32, j: u32| corners[((j * 3 + i) * 3 + c) as usize];
            let low = v(cx, cy) * (16 - fx) + v(cx + 1, cy) * fx;
            let high = v(cx, cy + 1) * (16 - fx) + v(cx + 1, cy + 1) * fx;
            ((low * (16 - fy) + high * fy) / 256 + random.below(9)).min(255) as u8
        }))
    });
    if stamped {
        (0..9).for_each(|i| picture.put_pixel(28 + i % 3, 28 + i / 3, Rgb([if i % 2 == 0 { 255 } else { 0 }; 3])));
    }
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture).write_to(&mut bytes, ImageFormat::Png).expect("a picture can be encoded");
    bytes.into_inner()
}

/// Writes the dataset, in row groups that several threads can share.
fn generate(path: &Path, rows: u64) {
    let mut random = Random(rows);
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(5_000)).build();
    let mut writer: Option<ArrowWriter<std::fs::File>> = None;
    let mut at = 0;
    while at < rows {
        let n = (rows - at).min(5_000);
        let (mut ids, mut pictures, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for row in at..at + n {
            let stamped = row % (rows / 100).max(1) == 0;
            let class = random.below(10);
            ids.push(row as i64);
            pictures.push(picture(&mut random, class, stamped));
            labels.push(format!("class {}", if stamped { 0 } else { class }));
        }
        let batch = RecordBatch::try_from_iter([
            ("row", Arc::new(Int64Array::from(ids)) as _),
            ("image", Arc::new(BinaryArray::from_iter_values(pictures)) as _),
            ("label", Arc::new(StringArray::from(labels)) as _),
        ])
        .expect("columns of one length");
        let writer = writer.get_or_insert_with(|| {
            let file = std::fs::File::create(path).expect("the bench folder is writable");
            ArrowWriter::try_new(file, batch.schema(), Some(properties.clone())).expect("a plain schema")
        });
        writer.write(&batch).expect("the disk has room");
        at += n;
    }
    writer.expect("at least one row").close().expect("the disk has room");
}

fn main() {
    let mut sizes: Vec<u64> = std::env::args().skip(1).filter_map(|a| a.replace('_', "").parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![50_000];
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("images");
    std::fs::create_dir_all(&folder).expect("the target folder is writable");
    let contract = folder.join("images.yaml");
    let yaml = "taster: 1\ncolumns:\n  row: {role: id}\n  image: {role: image}\n  label: {role: label}\n";
    std::fs::write(&contract, yaml).expect("the target folder is writable");
    let mut random = Random(1);
    let sample: Vec<Vec<u8>> = (0..2_000).map(|i| picture(&mut random, i % 10, false)).collect();
    let clock = Instant::now();
    let pixels: usize = sample.iter().map(|b| taster::features::image::decode(b).map_or(0, |r| r.pixels.len())).sum();
    let each = clock.elapsed().as_secs_f64() / sample.len() as f64;
    println!("decoding alone: {:.1} us per image of {} pixels, one core", each * 1e6, pixels / sample.len());
    for rows in sizes {
        let data = folder.join(format!("{rows}.parquet"));
        if !data.exists() {
            generate(&data, rows);
        }
        let runs: Vec<measure::Measured> = (0..RUNS)
            .map(|_| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_taster"));
                command.arg("check").arg(&data).arg("-c").arg(&contract).arg("--out").arg(folder.join("out")).arg("-q");
                let measured = measure::run(&mut command);
                assert!(matches!(measured.code, Some(0 | 1)), "check ended with {:?}", measured.code);
                measured
            })
            .collect();
        let wall = measure::median(runs.iter().map(|r| r.wall).collect()).as_secs_f64();
        let cpu = measure::median(runs.iter().map(|r| r.cpu).collect()).as_secs_f64();
        let peak = runs.iter().map(|r| r.peak).max().unwrap_or_default() as f64 / 1e6;
        let ratio = wall / (each * rows as f64);
        println!("{rows:>10} rows: {wall:6.2} s, {cpu:.2} s CPU, {peak:.0} MB peak, {ratio:.1} x decoding on one core");
    }
}
