//! Every format through a split, against the rows read back; what goes wrong, and what is left then.

use super::*;
use crate::batch::cell_text;
use crate::source::OpenOptions;
use arrow::array::*;
use arrow::datatypes::*;
use proptest::prelude::*;
use std::fs;
use std::sync::Arc;
use tempfile::TempDir;

/// Columns of many types, with nulls, nesting and dictionaries.
fn frame(n: usize) -> RecordBatch {
    let some = |i: usize| !i.is_multiple_of(5);
    let id: ArrayRef = Arc::new(Int64Array::from_iter_values(0..n as i64));
    let text: ArrayRef = Arc::new(StringArray::from_iter((0..n).map(|i| some(i).then(|| format!("row {i} é,\"\n")))));
    let float: ArrayRef = Arc::new(Float32Array::from_iter((0..n).map(|i| match i % 7 {
        0 => None,
        1 => Some(f32::NAN),
        2 => Some(-0.0),
        _ => Some(i as f32 / 3.0),
    })));
    let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(
        (0..n).map(|i| some(i + 1).then(|| (0..i % 4).map(|j| (j != 2).then_some(j as i32)).collect::<Vec<_>>())),
    ));
    let dictionary: DictionaryArray<Int8Type> = (0..n).map(|i| some(i + 2).then_some(["a", "b", "c"][i % 3])).collect();
    let decimal: ArrayRef =
        Arc::new(Decimal128Array::from_iter_values((0..n).map(|i| i as i128 * 1_000_003)).with_precision_and_scale(30, 4).unwrap());
    let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values((0..n as i64).map(|i| i * 1_000_001)).with_timezone("UTC"));
    let inner: ArrayRef = Arc::new(BooleanArray::from_iter((0..n).map(|i| some(i + 3).then_some(i % 2 == 0))));
    let fields = Fields::from(vec![Field::new("flag", DataType::Boolean, true)]);
    let nulls = arrow::buffer::NullBuffer::from_iter((0..n).map(|i| i % 6 != 1));
    let both: ArrayRef = Arc::new(StructArray::new(fields, vec![inner], Some(nulls)));
    let bytes: ArrayRef = Arc::new(
        FixedSizeBinaryArray::try_from_iter((0..n).map(|i| [i as u8, 7, 0])).unwrap_or_else(|_| FixedSizeBinaryArray::new_null(3, 0)),
    );
    RecordBatch::try_from_iter_with_nullable([
        ("id", id, false),
        ("text", text, true),
        ("float", float, true),
        ("list", list, true),
        ("kind", Arc::new(dictionary) as ArrayRef, true),
        ("price", decimal, true),
        ("at", at, true),
        ("both", both, true),
        ("bytes", bytes, true),
    ])
    .unwrap()
}

fn parquet(path: &Path, batch: &RecordBatch, group: usize, properties: parquet::file::properties::WriterPropertiesBuilder) {
    let properties = properties.set_max_row_group_row_count(Some(group)).build();
    let file = fs::File::create(path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn plain() -> parquet::file::properties::WriterPropertiesBuilder {
    parquet::file::properties::WriterProperties::builder()
}

fn list(folder: &Path, lines: &[(&str, u64, &str)]) -> List {
    let mut text = "file,row,action,score\n".to_owned();
    lines.iter().for_each(|(f, r, a)| text.push_str(&format!("{f},{r},{a},1\n")));
    fs::write(folder.join("list.csv"), text).unwrap();
    read_list(&folder.join("list.csv")).unwrap()
}

fn open(path: &Path) -> Source {
    Source::open(&[path.to_str().unwrap().to_owned()], &OpenOptions::default()).unwrap()
}

fn run(data: &Path, list: List, out: &Path) -> Result<Summary> {
    split(&open(data), list, &Options { out, review_out: false, overwrite: false, stop: None })
}

/// Every row as text, in order.
fn rows(path: &Path) -> Vec<String> {
    let source = open(path);
    let names: Vec<String> = source.schema.fields().iter().map(|f| f.name().clone()).collect();
    let mut rows = Vec::new();
    for shard in source.shards() {
        source
            .read(&shard, &names, &mut |batch| {
                for i in 0..batch.rows() {
                    let cells = names.iter().map(|n| format!("{:?}", cell_text(batch.column(n).unwrap().as_ref(), i)));
                    rows.push(cells.collect::<Vec<_>>().join("|"));
                }
                Ok(())
            })
            .unwrap();
    }
    rows
}

fn divided(before: &[String], out: &Path, name: &str, taken: &[u64]) {
    let want = |wanted: bool| {
        before.iter().enumerate().filter(|(i, _)| taken.contains(&(*i as u64)) == wanted).map(|(_, r)| r.clone()).collect::<Vec<_>>()
    };
    assert_eq!(rows(&out.join("clean").join(name)), want(false), "{name}: clean");
    assert_eq!(rows(&out.join("quarantined").join(name)), want(true), "{name}: quarantined");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn parquet_falls_apart_by_row_with_its_schema(
        n in 1_usize..60, group in 1_usize..25, taken in prop::collection::btree_set(0_u64..60, 1..30), dictionary: bool, v2: bool, bloom: bool)
    {
        let folder = TempDir::new().unwrap();
        let (data, out) = (folder.path().join("d.parquet"), folder.path().join("out"));
        let taken: Vec<u64> = taken.into_iter().filter(|t| *t < n as u64).collect();
        let version = if v2 { parquet::file::properties::WriterVersion::PARQUET_2_0 } else { parquet::file::properties::WriterVersion::PARQUET_1_0 };
        let properties = plain().set_dictionary_enabled(dictionary).set_writer_version(version).set_bloom_filter_enabled(bloom)
            .set_compression(parquet::basic::Compression::SNAPPY);
        parquet(&data, &frame(n), group, properties);
        let before = rows(&data);
        let lines: Vec<_> = taken.iter().map(|t| ("d.parquet", *t, "quarantine")).collect();
        let summary = run(&data, list(folder.path(), &lines), &out).unwrap();
        prop_assert_eq!((summary.input.rows, summary.clean.rows, summary.quarantined.rows), (n as u64, (n - taken.len()) as u64, taken.len() as u64));
        if taken.is_empty() {
            prop_assert_eq!(rows(&out.join("clean/d.parquet")), before);
            prop_assert!(!out.join("quarantined/d.parquet").exists());
            return Ok(());
        }
        divided(&before, &out, "d.parquet", &taken);
        let footer = |p: &Path| parquet::file::serialized_reader::SerializedFileReader::new(fs::File::open(p).unwrap()).unwrap();
        use parquet::file::reader::FileReader;
        let (a, b, c) = (footer(&data), footer(&out.join("clean/d.parquet")), footer(&out.join("quarantined/d.parquet")));
        let schema = |r: &parquet::file::serialized_reader::SerializedFileReader<fs::File>| r.metadata().file_metadata().schema().clone();
        prop_assert_eq!(schema(&a), schema(&b));
        prop_assert_eq!(schema(&a), schema(&c));
        let keys = |r: &parquet::file::serialized_reader::SerializedFileReader<fs::File>| r.metadata().file_metadata().key_value_metadata().cloned();
        prop_assert_eq!(keys(&a), keys(&b));
        for r in [&b, &c] {
            for g in r.metadata().row_groups() {
                prop_assert!(g.num_rows() as usize <= group);
                for c in g.columns() {
                    prop_assert_eq!(c.compression(), parquet::basic::Compression::SNAPPY);
                    prop_assert_eq!(c.bloom_filter_offset().is_some(), bloom);
                }
            }
        }
    }

    #[test]
    fn text_goes_over_byte_by_byte(
        cells in prop::collection::vec("[a\"\n\réx,]{0,6}", 1..25), taken in prop::collection::btree_set(0_u64..25, 1..12),
        suffix in prop::sample::select(vec!["csv", "csv.gz", "csv.zst", "jsonl", "jsonl.gz"]), mark: bool, windows: bool, ended: bool)
    {
        let folder = TempDir::new().unwrap();
        let name = format!("d.{suffix}");
        let (data, out) = (folder.path().join(&name), folder.path().join("out"));
        let taken: Vec<u64> = taken.into_iter().filter(|t| *t < cells.len() as u64).collect();
        let json = suffix.starts_with("jsonl");
        let line = if windows { "\r\n" } else { "\n" };
        let record = |i: usize, c: &str| match json {
            true => serde_json::json!({"id": i, "c": c}).to_string(),
            false => format!("{i},\"{}\"", c.replace('"', "\"\"")),
        };
        let head = format!("{}{}", if mark { "\u{feff}" } else { "" }, if json { String::new() } else { format!("id,c{line}") });
        let records: Vec<String> = cells.iter().enumerate().map(|(i, c)| {
            let last = i + 1 == cells.len() && !ended;
            format!("{}{}", record(i, c), if last { "" } else { line })
        }).collect();
        let whole = format!("{head}{}", records.concat());
        write_packed(&data, whole.as_bytes());
        let lines: Vec<_> = taken.iter().map(|t| (name.as_str(), *t, "quarantine")).collect();
        run(&data, list(folder.path(), &lines), &out).unwrap();
        let part = |wanted: bool| head.clone() + &records.iter().enumerate().filter(|(i, _)| taken.contains(&(*i as u64)) == wanted).map(|(_, r)| r.as_str()).collect::<String>();
        prop_assert_eq!(read_packed(&out.join("clean").join(&name)), part(false).into_bytes());
        if !taken.is_empty() {
            prop_assert_eq!(read_packed(&out.join("quarantined").join(&name)), part(true).into_bytes());
        }
    }
}

fn write_packed(path: &Path, bytes: &[u8]) {
    let packed = match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => {
            let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            w.write_all(bytes).unwrap();
            w.finish().unwrap()
        }
        Some("zst") => zstd::encode_all(bytes, 1).unwrap(),
        _ => bytes.to_vec(),
    };
    fs::write(path, packed).unwrap();
}

fn read_packed(path: &Path) -> Vec<u8> {
    use std::io::Read;
    let bytes = fs::read(path).unwrap();
    match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => {
            let mut out = Vec::new();
            flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut out).unwrap();
            out
        }
        Some("zst") => zstd::decode_all(bytes.as_slice()).unwrap(),
        _ => bytes,
    }
}

#[test]
fn arrow_files_and_streams_keep_schema_metadata_and_compression() {
    use arrow::ipc::writer::*;
    let folder = TempDir::new().unwrap();
    let batch = frame(40);
    let schema =
        Schema::new_with_metadata(batch.schema().fields().clone(), std::collections::HashMap::from([("k".to_owned(), "v".to_owned())]));
    let batch = RecordBatch::try_new(Arc::new(schema.clone()), batch.columns().to_vec()).unwrap();
    let options = || IpcWriteOptions::default().try_with_compression(Some(arrow::ipc::CompressionType::ZSTD)).unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut file = FileWriter::try_new_with_options(fs::File::create(path("a.arrow")).unwrap(), &schema, options()).unwrap();
    let mut stream = StreamWriter::try_new_with_options(fs::File::create(path("b.arrows")).unwrap(), &schema, options()).unwrap();
    for (from, n) in [(0, 15), (15, 25)] {
        file.write(&batch.slice(from, n)).unwrap();
        stream.write(&batch.slice(from, n)).unwrap();
    }
    file.write_metadata("own", "x");
    file.finish().unwrap();
    stream.finish().unwrap();
    drop((file, stream));
    fs::rename(path("b.arrows"), path("b.ipc")).unwrap();
    for name in ["a.arrow", "b.ipc"] {
        let (data, out) = (path(name), path(&format!("out-{name}")));
        let before = rows(&data);
        run(&data, list(folder.path(), &[(name, 3, "quarantine"), (name, 20, "quarantine"), (name, 39, "review")]), &out).unwrap();
        divided(&before, &out, name, &[3, 20]);
        if name == "a.arrow" {
            let read = arrow::ipc::reader::FileReader::try_new(fs::File::open(out.join("clean/a.arrow")).unwrap(), None).unwrap();
            assert_eq!((read.schema().as_ref(), read.custom_metadata()["own"].as_str(), read.num_batches()), (&schema, "x", 2));
            let sizes = |p: &Path| fs::metadata(p).unwrap().len();
            assert!(sizes(&out.join("clean/a.arrow")) < sizes(&data) + 64, "compressed as before");
        }
    }
}

#[test]
fn arrays_keep_their_labels_and_images_their_folders() {
    let folder = TempDir::new().unwrap();
    let npy = |rows: usize, width: usize| {
        let shape = if width == 1 { format!("({rows},)") } else { format!("({rows}, {width})") };
        let mut head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
        head.push_str(&" ".repeat(63 - (10 + head.len()) % 64));
        head.push('\n');
        let mut out = b"\x93NUMPY\x01\x00".to_vec();
        out.extend_from_slice(&(head.len() as u16).to_le_bytes());
        out.extend_from_slice(head.as_bytes());
        (0..rows * width).for_each(|i| out.extend_from_slice(&(i as f32).to_le_bytes()));
        out
    };
    fs::write(folder.path().join("X_train.npy"), npy(12, 3)).unwrap();
    fs::write(folder.path().join("y_train.npy"), npy(12, 1)).unwrap();
    let (data, out) = (folder.path().join("X_train.npy"), folder.path().join("out"));
    let before = rows(&data);
    run(&data, list(folder.path(), &[("X_train.npy", 0, "quarantine"), ("X_train.npy", 11, "quarantine")]), &out).unwrap();
    divided(&before, &out, "X_train.npy", &[0, 11]);
    assert!(before[0].contains("0.0") && out.join("clean/y_train.npy").exists());

    let images = folder.path().join("images");
    for (class, name) in [("cat", "1.png"), ("cat", "2.png"), ("dog", "1.png")] {
        fs::create_dir_all(images.join(class)).unwrap();
        let pixel = [class.len() as u8 + name.as_bytes()[0], 0, 0];
        image::RgbImage::from_fn(3, 3, |x, _| image::Rgb([pixel[0].wrapping_add(x as u8), 1, if class == "cat" { 9 } else { 200 }]))
            .save(images.join(class).join(name))
            .unwrap();
    }
    let out = folder.path().join("image-out");
    let summary = run(&images, list(folder.path(), &[("cat/2.png", 0, "quarantine")]), &out).unwrap();
    assert_eq!((summary.clean.rows, summary.quarantined.rows), (2, 1));
    assert_eq!(fs::read(out.join("quarantined/cat/2.png")).unwrap(), fs::read(images.join("cat/2.png")).unwrap());
    assert!(!out.join("clean/cat/2.png").exists() && out.join("clean/dog/1.png").exists());
}

#[test]
fn utf_16_comes_back_as_utf_16() {
    let folder = TempDir::new().unwrap();
    let encode = |s: &str| [0xff, 0xfe].into_iter().chain(s.encode_utf16().flat_map(u16::to_le_bytes)).collect::<Vec<u8>>();
    let data = folder.path().join("d.csv");
    fs::write(&data, encode("id,c\n1,é\n2,x\n3,y\n")).unwrap();
    let format = crate::contract::Format { encoding: Some("utf-16le".into()), ..Default::default() };
    let source = Source::open(&[data.to_str().unwrap().to_owned()], &OpenOptions { format, ..OpenOptions::default() }).unwrap();
    let out = folder.path().join("out");
    let options = Options { out: &out, review_out: false, overwrite: false, stop: None };
    split(&source, list(folder.path(), &[("d.csv", 1, "quarantine")]), &options).unwrap();
    assert_eq!(fs::read(out.join("clean/d.csv")).unwrap(), encode("id,c\n1,é\n3,y\n"));
    assert_eq!(fs::read(out.join("quarantined/d.csv")).unwrap(), encode("id,c\n2,x\n"));
}

#[test]
fn rows_for_review_stay_unless_they_are_asked_out() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("d.csv");
    fs::write(&data, "a\n1\n2\n3\n").unwrap();
    let lines = [("d.csv", 0, "review"), ("d.csv", 2, "quarantine")];
    let out = folder.path().join("a");
    assert_eq!(run(&data, list(folder.path(), &lines), &out).unwrap().clean.rows, 2);
    let out = folder.path().join("b");
    let options = Options { out: &out, review_out: true, overwrite: false, stop: None };
    assert_eq!(split(&open(&data), list(folder.path(), &lines), &options).unwrap().clean.rows, 1);
    // Everything taken out leaves a header.
    let all: Vec<_> = (0..3).map(|i| ("d.csv", i, "quarantine")).collect();
    let out = folder.path().join("c");
    assert_eq!(run(&data, list(folder.path(), &all), &out).unwrap().quarantined.rows, 3);
    assert_eq!(fs::read_to_string(out.join("clean/d.csv")).unwrap(), "a\n");
}

#[test]
fn a_list_that_does_not_fit_the_data_is_refused_and_nothing_is_left() {
    let folder = TempDir::new().unwrap();
    let (data, out) = (folder.path().join("d.csv"), folder.path().join("out"));
    fs::write(&data, "a\n1\n2\n").unwrap();
    let fails = |lines: &[(&str, u64, &str)]| run(&data, list(folder.path(), lines), &out).unwrap_err().to_string();
    assert!(fails(&[("e.csv", 0, "quarantine")]).contains("names the file `e.csv`"));
    assert!(fails(&[("d.csv", 2, "quarantine")]).contains("names row 2 of `d.csv`, which has 2 rows"));
    assert!(!out.exists());
    for (text, what) in [
        ("file,row,action\nd.csv,0,quarantine\nd.csv,0,review\n", "row 0 of `d.csv` is there twice"),
        ("file,row,action\nd.csv,-1,quarantine\n", "`row` is no row number"),
        ("file,row,action\nd.csv,0,drop\n", "`action` is neither"),
        ("file,row\nd.csv,0\n", "no column `action`"),
    ] {
        let path = folder.path().join("bad.csv");
        fs::write(&path, text).unwrap();
        let error = read_list(&path).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains(what), "{what}: {error}");
    }
}

#[test]
fn a_list_of_other_bytes_is_refused_by_its_report() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("d.csv");
    fs::write(&data, "a\n1\n2\n").unwrap();
    let l = list(folder.path(), &[("d.csv", 0, "quarantine")]);
    let report = |fingerprint: &str| serde_json::json!({"files": [{"sha256": l.sha256}], "data": {"fingerprint": fingerprint}}).to_string();
    fs::write(folder.path().join("report.json"), report(&open(&data).fingerprint())).unwrap();
    let again = || list(folder.path(), &[("d.csv", 0, "quarantine")]);
    assert!(run(&data, again(), &folder.path().join("a")).unwrap().list.matched_report);
    fs::write(folder.path().join("report.json"), report("00")).unwrap();
    assert!(run(&data, again(), &folder.path().join("b")).unwrap_err().to_string().contains("other data"));
    // A report about another list says nothing.
    fs::write(folder.path().join("report.json"), "{\"files\": []}").unwrap();
    assert!(!run(&data, again(), &folder.path().join("c")).unwrap().list.matched_report);
}

#[test]
fn a_folder_with_anything_else_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("d.csv");
    fs::write(&data, "a\n1\n2\n").unwrap();
    let line = || list(folder.path(), &[("d.csv", 0, "quarantine")]);
    let out = folder.path().join("out");
    fs::create_dir_all(out.join("clean")).unwrap();
    fs::write(out.join("clean/mine.txt"), "mine").unwrap();
    assert!(run(&data, line(), &out).unwrap_err().to_string().contains("no split wrote"));
    assert_eq!(fs::read_to_string(out.join("clean/mine.txt")).unwrap(), "mine");
    fs::create_dir_all(folder.path().join("other/notes")).unwrap();
    assert!(run(&data, line(), &folder.path().join("other")).is_err());
    assert!(run(&data, line(), &data).is_err());

    // A split is replaced only when that is asked for; what a killed run left, always.
    let out = folder.path().join("again");
    run(&data, line(), &out).unwrap();
    let names = |p: &Path| {
        let mut n: Vec<String> = fs::read_dir(p).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        n.sort();
        n
    };
    assert_eq!(names(&out), ["clean", "quarantined", "split.json"]);
    assert!(run(&data, line(), &out).unwrap_err().to_string().contains("holds a split already"));
    let options = Options { out: &out, review_out: false, overwrite: true, stop: None };
    split(&open(&data), list(folder.path(), &[("d.csv", 1, "quarantine")]), &options).unwrap();
    assert_eq!(fs::read_to_string(out.join("clean/d.csv")).unwrap(), "a\n1\n");
    fs::remove_file(out.join("split.json")).unwrap();
    fs::create_dir_all(out.join(".unfinished-split/clean")).unwrap();
    run(&data, line(), &out).unwrap();
    assert_eq!(names(&out), ["clean", "quarantined", "split.json"]);
}

#[test]
fn an_interruption_leaves_the_older_split() {
    let folder = TempDir::new().unwrap();
    let (data, out) = (folder.path().join("d.parquet"), folder.path().join("out"));
    parquet(&data, &frame(30), 10, plain());
    let line = || list(folder.path(), &[("d.parquet", 4, "quarantine")]);
    run(&data, line(), &out).unwrap();
    let before = fs::read(out.join("split.json")).unwrap();
    let stop = AtomicBool::new(true);
    let options = Options { out: &out, review_out: false, overwrite: true, stop: Some(&stop) };
    assert!(matches!(split(&open(&data), line(), &options), Err(Error::Interrupted)));
    assert_eq!(fs::read(out.join("split.json")).unwrap(), before);
    assert!(out.join("clean/d.parquet").exists() && !out.join(".unfinished-split").exists());
    let fresh = folder.path().join("fresh");
    let options = Options { out: &fresh, review_out: false, overwrite: false, stop: Some(&stop) };
    assert!(split(&open(&data), line(), &options).is_err() && !fresh.exists());
}
