//! Copies of pictures are found in another size and format: across splits, and anywhere.

// A generator that cannot make its input is a failed test.
#![allow(clippy::unwrap_used)]

use crate::{show, taster};
use arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

/// Hills of its own for every number.
fn picture(number: u64, side: u32, format: image::ImageFormat) -> Vec<u8> {
    let mut state = number;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (z >> 40) as f32 / (1 << 24) as f32
    };
    let waves: Vec<[f32; 3]> = (0..6).map(|_| std::array::from_fn(|_| 9.0 * next())).collect();
    let level = |x: u32, y: u32| {
        let (x, y) = ((x as f32 + 0.5) / side as f32, (y as f32 + 0.5) / side as f32);
        (128.0 + waves.iter().map(|w| 18.0 * (w[0] * x + w[1] * y + w[2]).sin()).sum::<f32>()) as u8
    };
    let mut file = Cursor::new(Vec::new());
    image::DynamicImage::from(image::RgbImage::from_fn(side, side, |x, y| image::Rgb([level(x, y), level(y, x), 90])))
        .write_to(&mut file, format)
        .unwrap();
    file.into_inner()
}

#[test]
fn a_picture_leaks_in_another_size_and_format_and_a_copy_within_a_split_only_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let (png, jpeg) = (image::ImageFormat::Png, image::ImageFormat::Jpeg);
    // Row 40 is row 3 in another split, row 41 is row 7 in its own.
    let mut rows: Vec<(Vec<u8>, &str)> = (0..40).map(|i| (picture(i, 48, png), if i % 2 == 0 { "train" } else { "test" })).collect();
    rows.push((picture(3, 64, jpeg), "train"));
    rows.push((picture(7, 96, jpeg), "test"));
    let pictures: ArrayRef = Arc::new(BinaryArray::from_iter_values(rows.iter().map(|r| &r.0)));
    let parts: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.1)));
    let batch = RecordBatch::try_from_iter([("picture", pictures), ("part", parts)]).unwrap();
    let file = std::fs::File::create(folder.path().join("d.parquet")).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let contract = "taster: 1\ncolumns:\n  picture: {role: image}\n  part: {role: split}\nrules:\n  - disjoint_splits: {keys: [picture]}\n  - near_duplicates: {max: 0}\n";
    std::fs::write(folder.path().join("c.yaml"), contract).unwrap();
    let output =
        taster(folder.path()).args(["check", "d.parquet", "-c", "c.yaml", "--select", "C", "--quarantine", "q.jsonl"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", show(&output));
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in std::fs::read_to_string(folder.path().join("q.jsonl")).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        for rule in line["evidence"].as_array().into_iter().flatten() {
            found.entry(rule["rule"].as_str().unwrap_or_default().to_owned()).or_default().push(line["row"].as_u64().unwrap());
        }
    }
    assert_eq!(found.get("C134"), Some(&vec![3, 40]), "{found:?} {}", show(&output));
    assert_eq!(found.get("C138"), Some(&vec![3, 7, 40, 41]), "{found:?} {}", show(&output));
}
