//! Every format says the same, and what it says can be read by others' readers.

use super::*;
use crate::rule::{Action, NONE};
use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use serde_json::Value;
use std::sync::Arc;

const RULES: [&str; 4] = ["C010", "P110", "C010", "P120"];

fn batch(source: u32, first: u64, rows: usize) -> Batch {
    let ids: ArrayRef = Arc::new((0..rows as i64).map(|i| (i % 7 != 3).then_some(i - 5)).collect::<Int64Array>());
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
    Batch::new(RecordBatch::try_new(schema, vec![ids]).unwrap(), source, first)
}

fn hit(findings: &mut Findings, row: usize, rule: u16, text: &str) {
    let message = findings.intern(text);
    findings.push(row, Action::Quarantine, 0.5, message).rule = rule;
}

fn write(path: &Path, shards: &[Vec<(Batch, Findings)>]) -> Written {
    let files = vec!["a.parquet".to_owned(), "sub/=b.csv".to_owned()];
    let writer = Writer::create(path, files, Codes::new(&RULES), "run-1").unwrap();
    for shard in shards {
        let mut part = writer.part();
        for (batch, findings) in shard {
            writer.add(&mut part, batch, batch.column("id").map(|c| &**c), findings, &findings.hits).unwrap();
        }
        writer.append(part).unwrap();
    }
    writer.finish().unwrap().commit().unwrap()
}

fn to_json(batches: &[RecordBatch]) -> Vec<Value> {
    let mut out = Vec::new();
    let mut writer = arrow::json::WriterBuilder::new().with_explicit_nulls(true).build::<_, arrow::json::writer::LineDelimited>(&mut out);
    writer.write_batches(&batches.iter().collect::<Vec<_>>()).unwrap();
    writer.finish().unwrap();
    String::from_utf8(out).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn read(path: &Path) -> Vec<Value> {
    match Format::of(path).unwrap() {
        Format::Parquet => {
            let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(path).unwrap()).unwrap();
            let metadata = reader.metadata().file_metadata().key_value_metadata().unwrap().clone();
            assert!(metadata.iter().any(|kv| kv.key == RUN_ID_KEY && kv.value.as_deref() == Some("run-1")));
            assert_eq!(reader.schema().fields(), schema().fields());
            to_json(&reader.build().unwrap().collect::<Result<Vec<_>, _>>().unwrap())
        }
        Format::Arrow => {
            let reader = arrow::ipc::reader::FileReader::try_new(std::fs::File::open(path).unwrap(), None).unwrap();
            assert_eq!(reader.schema().metadata()[RUN_ID_KEY], "run-1");
            assert_eq!(reader.schema().fields(), schema().fields());
            to_json(&reader.collect::<Result<Vec<_>, _>>().unwrap())
        }
        Format::JsonLines => std::fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect(),
        Format::Csv => {
            // Every field as text, so that nothing is guessed, then the JSON columns parsed.
            let names = ["file", "row", "id", "action", "score", "rules", "evidence"];
            let schema = Arc::new(Schema::new(names.iter().map(|n| Field::new(*n, DataType::Utf8, true)).collect::<Vec<_>>()));
            let reader = arrow::csv::ReaderBuilder::new(schema).with_header(true).build(std::fs::File::open(path).unwrap()).unwrap();
            let mut out = Vec::new();
            for batch in reader.map(|b| b.unwrap()) {
                for i in 0..batch.num_rows() {
                    let mut line = serde_json::Map::new();
                    for (c, name) in names.iter().enumerate() {
                        let cell = batch.column(c).as_string::<i32>();
                        let cell = cell.is_valid(i).then(|| {
                            let cell = cell.value(i);
                            cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '+', '-', '@', '\t', '\r'])).unwrap_or(cell)
                        });
                        let value = match (*name, cell) {
                            (_, None) => Value::Null,
                            ("file" | "id" | "action", Some(text)) => Value::from(text),
                            ("score", Some(text)) => Value::from(text.parse::<f64>().unwrap()),
                            (_, Some(text)) => serde_json::from_str(text).unwrap(),
                        };
                        line.insert((*name).to_owned(), value);
                    }
                    out.push(Value::Object(line));
                }
            }
            out
        }
    }
}

const FORMATS: [&str; 4] = ["parquet", "arrow", "csv", "jsonl"];

#[test]
fn the_parquet_columns_have_exactly_these_types() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.parquet");
    write(&path, &[]);
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&path).unwrap()).unwrap();
    let types: Vec<String> = reader.schema().fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect();
    assert_eq!(types[..5], ["file Utf8", "row UInt64", "id Utf8", "action Utf8", "score Float64"]);
    let DataType::List(rule) = reader.schema().field(5).data_type().clone() else { panic!() };
    assert_eq!((reader.schema().field(5).name().as_str(), rule.data_type()), ("rules", &DataType::Utf8));
    let DataType::List(evidence) = reader.schema().field(6).data_type().clone() else { panic!() };
    let DataType::Struct(fields) = evidence.data_type() else { panic!() };
    let names: Vec<&str> = fields.iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, ["rule", "action", "column", "start", "end", "message", "statistic", "q_value", "group"]);
}

#[test]
fn an_empty_list_is_a_file_with_columns_and_no_lines() {
    let dir = tempfile::tempdir().unwrap();
    for format in FORMATS {
        let path = dir.path().join("empty").with_extension(format);
        let written = write(&path, &[]);
        assert_eq!(written.lines, 0);
        assert_eq!(written.bytes, std::fs::metadata(&path).unwrap().len());
        assert!(read(&path).is_empty());
    }
}

#[test]
fn hits_of_a_row_become_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.jsonl");
    let mut f = Findings::default();
    let message = f.intern("odd");
    let group = f.intern("url url");
    let column = f.intern("text");
    let h = f.push(4, Action::Review, 0.25, message);
    (h.rule, h.group, h.column, h.start, h.end, h.statistic, h.q_value) = (1, group, column, 3, 9, 5.5, 1e-9);
    hit(&mut f, 4, 2, "bad");
    hit(&mut f, 4, 0, "worse");
    f.push(6, Action::Review, 0.7, message).rule = 3;
    f.sort();
    let written = write(&path, &[vec![(batch(1, 100, 10), f)]]);
    assert_eq!(written.lines, 2);
    let lines = read(&path);
    let expected = serde_json::json!([
        {"file": "sub/=b.csv", "row": 104, "id": "-1", "action": "quarantine", "score": 1.0, "rules": ["C010", "P110"], "evidence": [
            {"rule": "C010", "action": "quarantine", "column": null, "start": null, "end": null, "message": "worse",
             "statistic": null, "q_value": null, "group": null},
            {"rule": "P110", "action": "review", "column": "text", "start": 3, "end": 9, "message": "odd",
             "statistic": 5.5, "q_value": 1e-9, "group": "url url"},
            {"rule": "C010", "action": "quarantine", "column": null, "start": null, "end": null, "message": "bad",
             "statistic": null, "q_value": null, "group": null}]},
        {"file": "sub/=b.csv", "row": 106, "id": "1", "action": "review", "score": 0.7, "rules": ["P120"], "evidence": [
            {"rule": "P120", "action": "review", "column": null, "start": null, "end": null, "message": "odd",
             "statistic": null, "q_value": null, "group": null}]}
    ]);
    assert_eq!(Value::from(lines), expected);
}

#[test]
fn a_row_none_of_whose_hits_are_given_is_no_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.jsonl");
    let writer = Writer::create(&path, vec!["a".into()], Codes::new(&RULES), "run-1").unwrap();
    let mut f = Findings::default();
    hit(&mut f, 1, 0, "x");
    hit(&mut f, 2, 0, "x");
    hit(&mut f, 2, 1, "x");
    let mut part = writer.part();
    let shown: Vec<Hit> = f.hits.iter().filter(|h| h.rule == 1).copied().collect();
    writer.add(&mut part, &batch(0, 0, 3), None, &f, &shown).unwrap();
    writer.append(part).unwrap();
    assert_eq!(writer.finish().unwrap().commit().unwrap().lines, 1);
    let lines = read(&path);
    assert_eq!((lines[0]["row"].clone(), lines[0]["rules"].clone()), (2.into(), serde_json::json!(["P110"])));
}

#[test]
fn formula_cells_are_neutralised_in_csv_only() {
    let dir = tempfile::tempdir().unwrap();
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["=cmd|' /C calc'!A0", "+1", "@x", "a,\"b\"\nc"]));
    let frame = RecordBatch::try_from_iter([("id", ids)]).unwrap();
    for format in ["csv", "jsonl"] {
        let mut f = Findings::default();
        (0..4).for_each(|i| hit(&mut f, i, 1, "=1+1"));
        let path = dir.path().join("list").with_extension(format);
        write(&path, &[vec![(Batch::new(frame.clone(), 0, 0), f)]]);
    }
    let csv = std::fs::read_to_string(dir.path().join("list.csv")).unwrap();
    assert!(csv.starts_with("file,row,id,action,score,rules,evidence\na.parquet,0,'=cmd|' /C calc'!A0,quarantine,0.5,"), "{csv}");
    assert!(csv.contains(",'+1,") && csv.contains(",'@x,") && csv.contains(",\"a,\"\"b\"\"\nc\","), "{csv}");
    let json = std::fs::read_to_string(dir.path().join("list.jsonl")).unwrap();
    assert!(json.contains(r#""id":"=cmd|' /C calc'!A0""#), "{json}");
}

#[test]
fn an_unknown_suffix_and_an_unwritable_place_are_known_before_any_work() {
    let dir = tempfile::tempdir().unwrap();
    let create = |p: &Path| Writer::create(p, Vec::new(), Codes::new(&RULES), "r").err();
    assert!(matches!(create(&dir.path().join("list.xlsx")), Some(Error::Usage { .. })));
    std::fs::write(dir.path().join("plain"), "").unwrap();
    assert!(matches!(create(&dir.path().join("plain/list.csv")), Some(Error::Resource { .. })));
}

#[test]
fn a_full_disk_is_a_resource_error() {
    let e = super::list_error(std::io::ErrorKind::StorageFull.into());
    assert!(matches!(e, Error::Resource { help: Some(_), .. }), "{e:?}");
}

/// Rows of a batch, and its hits: row, rule, message, kind.
type Drawn = (usize, Vec<(usize, u16, u8, u8)>);

/// Shards of batches of hits, drawn so that chunks split inside a shard and rests join.
fn shards() -> impl Strategy<Value = Vec<Vec<Drawn>>> {
    let hits = prop::collection::vec((0..60usize, 0..4u16, 0..6u8, 0..4u8), 0..40);
    prop::collection::vec(prop::collection::vec((60..61usize, hits), 0..4), 0..5)
}

fn findings(hits: &[(usize, u16, u8, u8)]) -> Findings {
    let mut f = Findings::default();
    for &(row, rule, message, kind) in hits {
        let text = format!("message {message} \"quoted\", \u{202e}é\n");
        let message = f.intern(&text);
        let column = if kind % 2 == 0 { f.intern("text") } else { NONE };
        let group = if kind == 3 { f.intern("=group") } else { NONE };
        let action = if kind == 1 { Action::Quarantine } else { Action::Review };
        let h = f.push(row, action, f32::from(kind) / 7.0, message);
        (h.rule, h.column, h.group) = (rule, column, group);
        if kind > 1 {
            (h.start, h.end, h.statistic) = (u32::from(kind), 70_000, f64::from(kind) / 3.0);
        }
        if kind == 0 {
            h.q_value = 1e-300;
        }
    }
    f.sort();
    f
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn all_formats_say_the_same(plan in shards()) {
        let dir = tempfile::tempdir().unwrap();
        let mut all = Vec::new();
        for format in FORMATS {
            let path = dir.path().join("list").with_extension(format);
            let (mut first, mut shards) = (0, Vec::new());
            for (s, shard) in plan.iter().enumerate() {
                let mut batches = Vec::new();
                for (rows, hits) in shard {
                    batches.push((batch(s as u32 / 3, first, *rows), findings(hits)));
                    first += *rows as u64;
                }
                shards.push(batches);
            }
            write(&path, &shards);
            all.push(read(&path));
        }
        prop_assert!(all.iter().all(|lines| *lines == all[3]), "{:#?}", all);
    }
}

#[test]
fn long_lists_cross_chunks_and_keep_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.parquet");
    // 3.3 chunks in one shard, a rest in each of the next.
    let make = || {
        let mut shards = Vec::new();
        for (shard, batches) in [(0u64, 11usize), (1, 1), (2, 2)] {
            let one = |b: usize| {
                let mut f = Findings::default();
                (0..20_000).for_each(|i| hit(&mut f, i, 1, if i % 1000 == 0 { "rare" } else { "usual" }));
                (batch((shard > 0).into(), shard * 1_000_000 + b as u64 * 20_000, 20_000), f)
            };
            shards.push((0..batches).map(one).collect::<Vec<_>>());
        }
        shards
    };
    assert_eq!(write(&path, &make()).lines, 280_000);
    let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&path).unwrap()).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 4);
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(|b| b.unwrap()).collect();
    let rows: Vec<u64> = batches.iter().flat_map(|b| b.column(1).as_primitive::<UInt64Type>().values().to_vec()).collect();
    let expected: Vec<u64> = (0..220_000).chain(1_000_000..1_020_000).chain(2_000_000..2_040_000).collect();
    assert!(rows == expected);
    let bytes = std::fs::read(&path).unwrap();
    write(&path, &make());
    assert!(bytes == std::fs::read(&path).unwrap(), "the same lines give the same bytes");
}

/// `cargo test --release -- --ignored --nocapture list_speed`
#[test]
#[ignore = "a measurement"]
fn list_speed() {
    const ROWS: usize = 32 * 1024;
    let dir = tempfile::tempdir().unwrap();
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    for (name, one) in [("one hit a row", true), ("one or two hits, groups, spans", false)] {
        for format in FORMATS {
            let path = dir.path().join("list").with_extension(format);
            let writer = Writer::create(&path, vec!["a.parquet".into()], Codes::new(&RULES), "r").unwrap();
            let mut f = Findings::default();
            let text = f.intern("stars is below 1");
            let other = f.intern("whenever `word word` occurs the label is pos, although the rest of the row says neg");
            let group = f.intern("word word");
            for i in (0..ROWS).filter(|i| i % 2 == 0) {
                f.push(i, Action::Quarantine, 1.0, text).column = text;
                if !one && i % 6 == 0 {
                    let h = f.push(i, Action::Quarantine, 0.93, other);
                    (h.rule, h.group, h.start, h.end, h.statistic, h.q_value) = (1, group, i as u32 % 90, 100, 12.5, 1e-12);
                }
            }
            let lines = if matches!(format, "parquet") { 5_000_000 } else { 1_100_000 };
            let shards = lines / (ROWS / 2) / 32;
            let clock = std::time::Instant::now();
            for s in 0..shards {
                let mut part = writer.part();
                for b in 0..32 {
                    let first = ((s * 32 + b) * ROWS) as u64;
                    let frame = RecordBatch::try_from_iter([("id", ids.clone())]).unwrap();
                    writer.add(&mut part, &Batch::new(frame, 0, first), Some(&*ids), &f, &f.hits).unwrap();
                }
                writer.append(part).unwrap();
            }
            let written = writer.finish().unwrap().commit().unwrap();
            let ns = clock.elapsed().as_nanos() as f64 / written.lines as f64;
            let bytes = written.bytes as f64 / written.lines as f64;
            println!("{name}, {format}: {ns:.0} ns and {bytes:.1} bytes a line, one thread, {} lines", written.lines);
        }
    }
}
