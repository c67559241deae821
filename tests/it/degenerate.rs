//! Data at the edge of what a statistic is defined for: each run ends with an answer, or with a rule that says why
//! it could not give one. Never a panic, never an internal error, never a number that is none.

// A generator that cannot make its input is a failed test.
#![allow(clippy::unwrap_used)]

use crate::{show, taster};
use arrow::array::{
    ArrayRef, BinaryArray, FixedSizeListBuilder, Float32Array, Float32Builder, Float64Array, Int64Array, ListBuilder, RecordBatch,
    StringArray,
};
use base64::Engine;
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat};
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Case {
    name: &'static str,
    columns: Vec<(&'static str, ArrayRef)>,
    /// The column of this name has this role; `label` always is the label where it is there.
    role: Option<(&'static str, &'static str)>,
}

fn case(name: &'static str, columns: Vec<(&'static str, ArrayRef)>, role: Option<(&'static str, &'static str)>) -> Case {
    Case { name, columns, role }
}

/// Labels in turn, of so many classes.
fn labels(rows: usize, classes: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values((0..rows).map(|i| format!("c{}", i % classes))))
}
fn floats(values: impl IntoIterator<Item = Option<f64>>) -> ArrayRef {
    Arc::new(Float64Array::from_iter(values))
}
/// Numbers without a pattern.
fn noise(rows: usize, seed: u64) -> Vec<f64> {
    let mix = |i: u64| (i.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5555).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11;
    (0..rows as u64).map(|i| mix(i) as f64 / (1_u64 << 53) as f64).collect()
}
fn some(values: Vec<f64>) -> ArrayRef {
    floats(values.into_iter().map(Some))
}

fn tables(out: &mut Vec<Case>) {
    for rows in [0, 1, 2, 3] {
        let name = ["no row", "one row", "two rows", "three rows"][rows];
        out.push(case(name, vec![("label", labels(rows, 2)), ("x", some(noise(rows, 1))), ("y", some(noise(rows, 2)))], None));
    }
    let n = 600;
    out.push(case("one class", vec![("label", labels(n, 1)), ("x", some(noise(n, 1)))], None));
    out.push(case("a class per row", vec![("label", labels(n, n)), ("x", some(noise(n, 1)))], None));
    out.push(case("constant columns", vec![("label", labels(n, 2)), ("x", some(vec![7.0; n])), ("y", some(vec![0.0; n]))], None));
    out.push(case("columns without a value", vec![("label", labels(n, 2)), ("x", floats(vec![None; n])), ("y", some(noise(n, 1)))], None));
    out.push(case(
        "labels without a value",
        vec![("label", Arc::new(StringArray::new_null(n)) as ArrayRef), ("x", some(noise(n, 1)))],
        None,
    ));
    let odd = (0..n).map(|i| Some([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, f64::MAX, f64::MIN_POSITIVE, i as f64][i % 8]));
    out.push(case("no numbers and infinite ones", vec![("label", labels(n, 2)), ("x", floats(odd)), ("y", some(noise(n, 1)))], None));
    out.push(case("nothing but NaN", vec![("label", labels(n, 2)), ("x", some(vec![f64::NAN; n])), ("y", some(noise(n, 1)))], None));
    let huge = Int64Array::from_iter_values((0..n as i64).map(|i| if i % 2 == 0 { i64::MAX - i } else { i64::MIN + i }));
    out.push(case("the ends of the integers", vec![("label", labels(n, 2)), ("x", Arc::new(huge) as ArrayRef)], None));
    out.push(case("one row many times", vec![("label", labels(n, 1)), ("x", some(vec![1.0; n])), ("y", some(vec![2.0; n]))], None));
    let names: Vec<&'static str> = (0..10_000).map(|i| &*Box::leak(format!("x{i}").into_boxed_str())).collect();
    let wide = |rows: usize| {
        let mut columns = vec![("label", labels(rows, 2))];
        columns.extend(names.iter().enumerate().map(|(i, name)| (*name, some(noise(rows, i as u64 * 7919)))));
        columns
    };
    out.push(case("more columns than rows", wide(40), None));
}

fn texts(out: &mut Vec<Case>) {
    let n = 600;
    let text = |f: &dyn Fn(usize) -> String| Arc::new(StringArray::from_iter_values((0..n).map(f))) as ArrayRef;
    let role = Some(("text", "text"));
    for (name, f) in [
        ("empty texts", Box::new(|_| String::new()) as Box<dyn Fn(usize) -> String>),
        ("the same text", Box::new(|_| "the same words in every row of it".into())),
        ("texts of spaces", Box::new(|i| " ".repeat(i % 9))),
        ("texts without a letter", Box::new(|i| "!?.,-".repeat(i % 7))),
        ("texts of one letter", Box::new(|i| char::from(b'a' + (i % 26) as u8).to_string())),
        ("texts of invisible characters", Box::new(|i| "\u{200b}\u{202e}\u{feff}".repeat(i % 5))),
        ("a long text without a space", Box::new(|i| if i == 0 { "x".repeat(2 << 20) } else { format!("row {i}") })),
    ] {
        out.push(case(name, vec![("label", labels(n, 2)), ("text", text(&*f))], role));
    }
    out.push(case("texts without a value", vec![("label", labels(n, 2)), ("text", Arc::new(StringArray::new_null(n)) as ArrayRef)], role));
    out.push(case("one text", vec![("label", labels(1, 1)), ("text", Arc::new(StringArray::from(vec!["a word"])) as ArrayRef)], role));
}

fn vectors(out: &mut Vec<Case>) {
    let fixed = |rows: usize, width: i32, f: &dyn Fn(usize, usize) -> f32| {
        let mut b = FixedSizeListBuilder::new(Float32Builder::new(), width);
        for r in 0..rows {
            (0..width as usize).for_each(|c| b.values().append_value(f(r, c)));
            b.append(true);
        }
        Arc::new(b.finish()) as ArrayRef
    };
    let (n, role) = (600, Some(("v", "embedding")));
    let wave = |r: usize, c: usize| ((r * 37 + c * 101) % 211) as f32 / 211.0 - 0.5;
    let mut push = |name, column| out.push(case(name, vec![("label", labels(n, 2)), ("v", column)], role));
    push("vectors of zeros", fixed(n, 16, &|_, _| 0.0));
    push("vectors of NaN", fixed(n, 16, &|_, _| f32::NAN));
    push("vectors with infinities", fixed(n, 16, &|r, c| if (r + c) % 50 == 0 { f32::INFINITY } else { wave(r, c) }));
    push("the same vector", fixed(n, 16, &|_, c| c as f32));
    push("vectors of one number", fixed(n, 1, &|r, _| wave(r, 0)));
    push("vectors of huge numbers", fixed(n, 8, &|r, c| if (r + c) % 2 == 0 { f32::MAX } else { -f32::MAX }));
    push("more dimensions than rows", fixed(n, 1500, &wave));
    let mut empty = ListBuilder::new(Float32Builder::new());
    (0..n).for_each(|_| empty.append(true));
    push("vectors of no number", Arc::new(empty.finish()));
    let mut ragged = ListBuilder::new(Float32Builder::new());
    for r in 0..n {
        (0..r % 5).for_each(|c| ragged.values().append_value(wave(r, c)));
        ragged.append(r % 7 > 0);
    }
    push("vectors of all lengths", Arc::new(ragged.finish()));
    out.push(case("one vector", vec![("label", labels(1, 1)), ("v", fixed(1, 4, &wave))], role));
    let plain = Arc::new(Float32Array::from_iter_values((0..n).map(|r| wave(r, 0)))) as ArrayRef;
    out.push(case("numbers where vectors should be", vec![("label", labels(n, 2)), ("v", plain)], role));
}

/// Captions beside vectors: a case has one role, and the text keeps the name that it is guessed by.
fn captions(out: &mut Vec<Case>) {
    let (n, role) = (600, Some(("v", "embedding")));
    let wave = |r: usize, c: usize| ((r * 37 + c * 101) % 211) as f32 / 211.0 - 0.5;
    let vectors = |f: &dyn Fn(usize, usize) -> f32| {
        let mut b = FixedSizeListBuilder::new(Float32Builder::new(), 8);
        for r in 0..n {
            (0..8).for_each(|c| b.values().append_value(f(r, c)));
            b.append(true);
        }
        Arc::new(b.finish()) as ArrayRef
    };
    let mut push = |name, vector, text: &dyn Fn(usize) -> Option<String>| {
        let text = Arc::new(StringArray::from_iter((0..n).map(text))) as ArrayRef;
        out.push(case(name, vec![("caption", text), ("v", vector)], role));
    };
    push("empty captions", vectors(&wave), &|_| Some(String::new()));
    push("captions without a value", vectors(&wave), &|_| None);
    push("the same caption", vectors(&wave), &|_| Some("a picture of a thing".into()));
    push("captions of their own words", vectors(&wave), &|r| Some(format!("w{r} x{r} y{r}")));
    push("captions of the same vector", vectors(&|_, c| c as f32), &|r| Some(format!("thing {} of {}", r % 7, r % 3)));
    push("captions of vectors of NaN", vectors(&|_, _| f32::NAN), &|r| Some(format!("thing {}", r % 7)));
    push("captions of huge numbers", vectors(&|r, c| if (r + c) % 2 == 0 { f32::MAX } else { -f32::MAX }), &|r| {
        Some(format!("thing {}", r % 7))
    });
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn pictures(out: &mut Vec<Case>) {
    let (n, role) = (200, Some(("picture", "image")));
    let rgb = |w: u32, h: u32, r: usize| {
        DynamicImage::from(image::RgbImage::from_fn(w, h, |x, y| image::Rgb([(x * 9) as u8, (y * 7) as u8, (r * 31) as u8])))
    };
    let mut push = |name, f: &dyn Fn(usize) -> Vec<u8>| {
        let column: ArrayRef = Arc::new(BinaryArray::from_iter_values((0..n).map(f)));
        out.push(case(name, vec![("label", labels(n, 2)), ("picture", column)], role));
    };
    push("pictures of one pixel", &|r| encoded(&rgb(1, 1, r), ImageFormat::Png));
    push("pictures of one line", &|r| encoded(&rgb(40, 1, r), ImageFormat::Png));
    push("pictures of all sizes", &|r| encoded(&rgb(1 + r as u32 % 17, 1 + r as u32 % 13, r), ImageFormat::Png));
    push("the same picture", &|_| encoded(&rgb(8, 8, 1), ImageFormat::Png));
    push("black pictures", &|_| encoded(&DynamicImage::new_rgb8(9, 9), ImageFormat::Bmp));
    push("grey pictures with transparency", &|r| {
        let picture = image::GrayAlphaImage::from_fn(9, 9, |x, y| image::LumaA([(x * y) as u8, (r * x as usize) as u8]));
        encoded(&DynamicImage::from(picture), ImageFormat::Png)
    });
    push("deep pictures", &|r| {
        let picture = image::ImageBuffer::from_fn(9, 9, |x, y| image::Rgb([x as u16 * 900, y as u16 * 700, (r * 310) as u16]));
        encoded(&DynamicImage::ImageRgb16(picture), ImageFormat::Png)
    });
    push("pictures in the colours of printing", &|_| {
        // A JPEG of 4 x 4 pixels in cyan, magenta, yellow and black.
        const CMYK: &str = "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwBQNzxGPDJQRkFGWlVQX3jIgnhubnj1r7mRyP///////////////////////////////////////////////////8AAFAgABAAEBEMRAE0RAFkRAEsRAP/EABUAAQEAAAAAAAAAAAAAAAAAAAQD/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAA4EQwBNAFkASwAAPwBiBRL/2Q==";
        base64::engine::general_purpose::STANDARD.decode(CMYK).unwrap()
    });
    push("pictures that move", &|r| {
        let mut bytes = Vec::new();
        let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
        for frame in 0..3 {
            encoder.encode(rgb(6, 6, r + frame).to_rgb8().as_raw(), 6, 6, ExtendedColorType::Rgb8).unwrap();
        }
        drop(encoder);
        bytes
    });
    push("pictures of no bytes", &|_| Vec::new());
    push("bytes that are no pictures", &|r| format!("text {r}").into_bytes());
    push("pictures cut short", &|r| encoded(&rgb(20, 20, r), ImageFormat::Png)[..60].to_vec());
    push("a picture of every kind", &|r| match r % 6 {
        0 => encoded(&rgb(9, 9, r), ImageFormat::Png),
        1 => encoded(&rgb(9, 9, r), ImageFormat::Jpeg),
        2 => encoded(&rgb(9, 9, r), ImageFormat::Bmp),
        3 => encoded(&rgb(9, 9, r), ImageFormat::Gif),
        4 => encoded(&rgb(9, 9, r), ImageFormat::WebP),
        _ => encoded(&rgb(9, 9, r), ImageFormat::Tiff),
    });
    let mut grey = Vec::new();
    image::codecs::png::PngEncoder::new(&mut grey).write_image(&[3; 81], 9, 9, ExtendedColorType::L8).unwrap();
    let nulls: ArrayRef = Arc::new(BinaryArray::from_iter((0..n).map(|r| (r % 3 == 0).then_some(&grey))));
    out.push(case("pictures that are not there", vec![("label", labels(n, 2)), ("picture", nulls)], role));
}

/// What went wrong with it, if anything did.
fn tell(case: &Case) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let batch = RecordBatch::try_from_iter_with_nullable(case.columns.iter().map(|(n, c)| (*n, c.clone(), true))).unwrap();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(std::fs::File::create(path.join("data.parquet")).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let role = case.role.map_or(String::new(), |(column, role)| format!("  {column}: {{role: {role}}}\n"));
    let contract = format!("taster: 1\nextra_columns: allow\ncolumns:\n  label: {{role: label}}\n{role}");
    std::fs::write(path.join("c.yaml"), contract).unwrap();
    let output = taster(path).args(["check", "data.parquet", "-c", "c.yaml"]).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let told = match output.status.code() {
        Some(0 | 1 | 3) => {
            let report = std::fs::read_to_string(path.join("taster-out/report.json")).unwrap();
            let report: serde_json::Value = serde_json::from_str(&report).unwrap();
            let reasons = report["not_tested"].as_array().unwrap().iter().all(|n| n["reason"].as_str().is_some_and(|r| !r.is_empty()));
            reasons && report["verdict"]["rows"].as_u64() == Some(batch.num_rows() as u64)
        }
        // The contract does not fit this data, and says where.
        Some(2) => text.contains("c.yaml"),
        _ => false,
    };
    // A number that is none, where people read numbers.
    let wrong = ["panicked", "internal error", "NaN rows", "inf rows", "NaN%"].iter().any(|w| text.contains(w));
    (!told || wrong).then(|| format!("==== {}\n{}", case.name, show(&output)))
}

#[test]
fn every_degenerate_dataset_gets_an_answer() {
    let mut cases = Vec::new();
    for part in [tables, texts, vectors, captions, pictures] {
        part(&mut cases);
    }
    let next = AtomicUsize::new(0);
    let work = || -> Vec<String> { std::iter::from_fn(|| cases.get(next.fetch_add(1, Ordering::Relaxed))).filter_map(tell).collect() };
    let mut failures: Vec<String> = std::thread::scope(|scope| {
        let workers = [scope.spawn(work), scope.spawn(work)];
        workers.into_iter().flat_map(|w| w.join().expect("no worker panics")).collect()
    });
    failures.sort();
    assert!(failures.is_empty(), "{} of {} datasets\n{}", failures.len(), cases.len(), failures.join("\n"));
}
