//! Every format against good, odd and hostile files. Helpers write the files; the claims follow,
//! one format after the other.

use super::*;
use arrow::array::{DictionaryArray, Float64Array, Int64Array, LargeStringArray, ListArray, StringArray};
use arrow::datatypes::{Int32Type, Int64Type};
use std::path::Path;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn write(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn open(paths: &[&str]) -> Result<Source> {
    Source::open(&paths.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>(), &OpenOptions::default())
}

fn failure(result: Result<Source>) -> String {
    match result {
        Ok(source) => panic!("opened, with {} rows", source.rows()),
        Err(e) => e.to_string(),
    }
}

/// All rows of all shards as text, in order, after the check that batches follow each other.
fn dump(source: &Source) -> Result<Vec<String>> {
    let names: Vec<String> = source.schema.fields().iter().map(|f| f.name().clone()).collect();
    dump_columns(source, &source.shards(), &names)
}

fn dump_columns(source: &Source, shards: &[Shard], names: &[String]) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    for shard in shards {
        let mut next = shard.first_row;
        source.read(shard, names, &mut |batch| {
            assert_eq!((batch.source(), batch.first_row()), (shard.source, next));
            assert!(batch.rows() <= MAX_ROWS);
            next += batch.rows() as u64;
            for row in 0..batch.rows() {
                let cell =
                    |name: &String| batch.column(name).and_then(|a| crate::batch::cell_text(a.as_ref(), row)).unwrap_or_else(|| "∅".into());
                rows.push(names.iter().map(cell).collect::<Vec<_>>().join("|"));
            }
            Ok(())
        })?;
        assert_eq!(next, shard.first_row + shard.rows);
    }
    Ok(rows)
}

fn parquet_bytes(batch: &RecordBatch, group_rows: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let properties = ::parquet::file::properties::WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn sample(rows: usize) -> RecordBatch {
    let text: StringArray = (0..rows).map(|i| (i % 7 != 3).then(|| format!("row {i}"))).collect();
    let kind: DictionaryArray<Int32Type> = (0..rows).map(|i| Some(["up", "down"][i % 2])).collect();
    let list = ListArray::from_iter_primitive::<Int64Type, _, _>((0..rows).map(|i| Some((0..i % 3).map(|k| Some(k as i64)))));
    RecordBatch::try_from_iter(vec![
        ("id", Arc::new(Int64Array::from_iter_values(0..rows as i64)) as ArrayRef),
        ("text", Arc::new(text)),
        ("kind", Arc::new(kind)),
        ("score", Arc::new(Float64Array::from_iter_values((0..rows).map(|i| i as f64 / 4.0)))),
        ("list", Arc::new(list)),
    ])
    .unwrap()
}

// Parquet

#[test]
fn parquet_rows_read_back_in_plain_form_and_in_order() {
    let dir = folder();
    let path = write(&dir, "a.parquet", parquet_bytes(&sample(1000), 64));
    let source = open(&[&path]).unwrap();
    assert_eq!(source.rows(), 1000);
    assert_eq!(source.schema.field(1).data_type(), &DataType::Utf8View);
    assert_eq!(source.schema.field(2).data_type(), &DataType::Utf8View);
    assert!(is_categorical(source.schema.field(2)) && !is_categorical(source.schema.field(1)));
    let rows = dump(&source).unwrap();
    assert_eq!(rows[0], "0|row 0|up|0.0|[]");
    assert_eq!(rows[3], "3|∅|down|0.75|[]");
    assert_eq!(rows[999], "999|row 999|down|249.75|[]");
}

#[test]
fn parquet_rows_do_not_depend_on_the_shards() {
    let dir = folder();
    let path = write(&dir, "a.parquet", parquet_bytes(&sample(700), 128));
    let source = open(&[&path]).unwrap();
    let all = dump(&source).unwrap();
    for size in [1, 7, 100, 128, 129, 699] {
        let shards: Vec<Shard> =
            (0..700).step_by(size).map(|first| Shard { source: 0, first_row: first, rows: (size as u64).min(700 - first) }).collect();
        let names = ["id", "text", "kind", "score", "list"].map(str::to_owned);
        assert_eq!(dump_columns(&source, &shards, &names).unwrap(), all, "shards of {size}");
    }
    assert_eq!(dump_columns(&source, &source.shards(), &[]).unwrap().len(), 700);
    assert_eq!(dump_columns(&source, &source.shards(), &["score".to_owned()]).unwrap()[5], "1.25");
}

#[test]
fn a_huge_row_group_is_split_and_small_ones_are_joined() {
    let dir = folder();
    let rows = 1_200_000;
    let batch = RecordBatch::try_from_iter(vec![("id", Arc::new(Int64Array::from_iter_values(0..rows)) as ArrayRef)]).unwrap();
    let huge = open(&[&write(&dir, "huge.parquet", parquet_bytes(&batch, rows as usize))]).unwrap();
    assert!(huge.shards().len() >= 4, "{:?}", huge.shards());
    assert_eq!(dump(&huge).unwrap(), (0..rows).map(|i| i.to_string()).collect::<Vec<_>>());
    let small = open(&[&write(&dir, "small.parquet", parquet_bytes(&batch.slice(0, 5000), 10))]).unwrap();
    assert_eq!(small.shards(), vec![Shard { source: 0, first_row: 0, rows: 5000 }]);
}

#[test]
fn parquet_without_rows_has_a_schema_and_no_shards() {
    let dir = folder();
    let source = open(&[&write(&dir, "a.parquet", parquet_bytes(&sample(0), 10))]).unwrap();
    assert_eq!((source.rows(), source.shards().len(), source.schema.fields().len()), (0, 0, 5));
}

#[test]
fn parquet_cut_anywhere_is_an_error_that_names_the_file() {
    let dir = folder();
    let bytes = parquet_bytes(&sample(20), 10);
    for cut in 0..bytes.len() {
        let message = failure(open(&[&write(&dir, "cut.parquet", &bytes[..cut])]));
        assert!(message.contains("cut.parquet"), "cut at {cut}: {message}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]
    #[test]
    fn parquet_with_flipped_bytes_is_read_or_refused_but_never_panics(flips in proptest::collection::vec((0usize..10_000, 0u8..=255), 1..6)) {
        let dir = folder();
        let mut bytes = parquet_bytes(&sample(50), 20);
        for (at, byte) in flips {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let path = write(&dir, "flip.parquet", &bytes);
        let result = open(&[&path]).and_then(|source| dump(&source));
        if let Err(e) = result {
            proptest::prop_assert!(matches!(e, Error::Data { .. }), "{e}");
            proptest::prop_assert!(e.to_string().contains("flip.parquet"), "{e}");
        }
    }
}

#[test]
fn wrong_magic_says_what_the_file_looks_like() {
    let dir = folder();
    let message = failure(open(&[&write(&dir, "a.parquet", "id,text\n1,hello\n")]));
    assert!(message.contains("not a Parquet file") && message.contains("CSV"), "{message}");
    let message = failure(open(&[&write(&dir, "b.parquet", "")]));
    assert!(message.contains("is empty"), "{message}");
}

#[test]
fn a_file_that_changes_during_the_run_is_an_error() {
    let dir = folder();
    let path = write(&dir, "a.parquet", parquet_bytes(&sample(50), 20));
    let source = open(&[&path]).unwrap();
    write(&dir, "a.parquet", parquet_bytes(&sample(51), 20));
    assert!(dump(&source).unwrap_err().to_string().contains("changed during the run"));
    std::fs::remove_file(&path).unwrap();
    assert!(dump(&source).unwrap_err().to_string().contains("vanished"));
}

// Several files

#[test]
fn encodings_may_differ_between_files_but_types_may_not() {
    let dir = folder();
    let plain = RecordBatch::try_from_iter(vec![("a", Arc::new(StringArray::from(vec!["x"])) as ArrayRef)]).unwrap();
    let large = RecordBatch::try_from_iter(vec![("a", Arc::new(LargeStringArray::from(vec!["y"])) as ArrayRef)]).unwrap();
    let dict: DictionaryArray<Int32Type> = vec!["z"].into_iter().collect();
    let dict = RecordBatch::try_from_iter(vec![("a", Arc::new(dict) as ArrayRef)]).unwrap();
    for (name, batch) in [("1", &plain), ("2", &large), ("3", &dict)] {
        write(&dir, &format!("{name}.parquet"), parquet_bytes(batch, 10));
    }
    let root = dir.path().to_str().unwrap();
    assert_eq!(dump(&open(&[root]).unwrap()).unwrap(), ["x", "y", "z"]);
    let other = RecordBatch::try_from_iter(vec![("a", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    write(&dir, "4.parquet", parquet_bytes(&other, 10));
    let message = failure(open(&[root]));
    assert!(message.contains("4.parquet") && message.contains("`a`") && message.contains("Int64"), "{message}");
    let other = RecordBatch::try_from_iter(vec![("b", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    write(&dir, "4.parquet", parquet_bytes(&other, 10));
    let message = failure(open(&[root]));
    assert!(message.contains("4.parquet") && message.contains("`a`") && message.contains("`b`"), "{message}");
}

#[test]
fn hive_folders_become_columns() {
    let dir = folder();
    for (folder, n) in [("y=2024/c=a%20b", 1), ("y=2025/c=__HIVE_DEFAULT_PARTITION__", 2)] {
        let batch = RecordBatch::try_from_iter(vec![("n", Arc::new(Int64Array::from(vec![n])) as ArrayRef)]).unwrap();
        write(&dir, &format!("{folder}/p.parquet"), parquet_bytes(&batch, 10));
    }
    let root = dir.path().to_str().unwrap();
    let source = open(&[root]).unwrap();
    assert_eq!(source.schema.field(1).data_type(), &DataType::Int64);
    assert_eq!(dump(&source).unwrap(), ["1|2024|a b", "2|2025|∅"]);
    assert_eq!(source.files[0].relative, "y=2024/c=a%20b/p.parquet");
    let batch = RecordBatch::try_from_iter(vec![("n", Arc::new(Int64Array::from(vec![3])) as ArrayRef)]).unwrap();
    write(&dir, "y=2026/p.parquet", parquet_bytes(&batch, 10));
    assert!(failure(open(&[root])).contains("partition columns"));
}

#[test]
fn paths_are_refused_by_name() {
    let dir = folder();
    let root = dir.path().to_str().unwrap().to_owned();
    let bytes = parquet_bytes(&sample(3), 10);
    write(&dir, "notes.md", "hello");
    let message = failure(open(&[&root]));
    assert!(message.contains("no data file") && message.contains(".md"), "{message}");
    let a = write(&dir, "in/a.parquet", &bytes);
    write(&dir, "in/b.parquet", &bytes);
    write(&dir, "in/.hidden.parquet", "junk");
    write(&dir, "taster-out/quarantine.parquet", "junk");
    assert_eq!(open(&[&root]).unwrap().files.len(), 2);
    assert_eq!(open(&[&format!("{root}/**/*.parquet")]).unwrap().files.len(), 2);
    assert_eq!(open(&[&format!("{root}/in/[ab].parquet")]).unwrap().files[1].relative, "b.parquet");
    assert!(failure(open(&[&format!("{root}/in/c*.parquet")])).contains("c*.parquet"));
    assert!(failure(open(&[&a, &a])).contains("given twice"));
    assert!(failure(open(&[&a, &root])).contains("given twice"));
    assert!(failure(open(&[&format!("{root}/none.parquet")])).contains("no such file"));
    assert!(failure(open(&[&format!("{root}/taster-out/quarantine.parquet")])).contains("never data"));
    assert!(failure(open(&[&format!("{root}/notes.md")])).contains("no format"));
    assert!(failure(open(&[])).contains("no data"));
    write(&dir, "in/c.csv.bz2", "x");
    assert!(failure(open(&[&root])).contains(".bz2"));
    std::fs::remove_file(dir.path().join("in/c.csv.bz2")).unwrap();
    write(&dir, "in/c.csv", "x\n1\n");
    let message = failure(open(&[&root]));
    assert!(message.contains("two formats") && message.contains("c.csv") && message.contains("a.parquet"), "{message}");
}

#[test]
fn all_unreadable_files_are_named_at_once() {
    let dir = folder();
    write(&dir, "a.parquet", parquet_bytes(&sample(3), 10));
    write(&dir, "b.parquet", "junk");
    write(&dir, "c.parquet", "");
    let message = failure(open(&[dir.path().to_str().unwrap()]));
    assert!(message.contains("b.parquet") && message.contains("c.parquet"), "{message}");
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_circles_are_errors() {
    let dir = folder();
    let target = folder();
    let file = write(&target, "blob", parquet_bytes(&sample(3), 10));
    std::os::unix::fs::symlink(&file, dir.path().join("a.parquet")).unwrap();
    let root = dir.path().to_str().unwrap();
    assert_eq!(open(&[root]).unwrap().files[0].relative, "a.parquet");
    std::os::unix::fs::symlink(dir.path(), dir.path().join("circle")).unwrap();
    assert!(failure(open(&[root])).contains("circle"));
    std::fs::remove_file(dir.path().join("circle")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("b.parquet")).unwrap();
    assert!(failure(open(&[root])).contains("b.parquet"));
}

#[test]
fn the_fingerprint_knows_names_and_content() {
    let dir = folder();
    let bytes = parquet_bytes(&sample(3), 10);
    let a = write(&dir, "a.parquet", &bytes);
    let b = write(&dir, "b.parquet", &bytes);
    let c = write(&dir, "other/a.parquet", &bytes);
    let print = |p: &str| open(&[p]).unwrap().fingerprint();
    assert_eq!(print(&a), print(&c));
    assert_ne!(print(&a), print(&b));
    write(&dir, "b.parquet", parquet_bytes(&sample(4), 10));
    assert_ne!(print(&a), print(&b));
    assert!(Path::new(&a).exists() && print(&a).len() == 64);
}

/// Keeps a folder for as long as the test runs, whose thread is its own.
fn kept(dir: tempfile::TempDir) {
    thread_local!(static KEPT: std::cell::RefCell<Vec<tempfile::TempDir>> = const { std::cell::RefCell::new(Vec::new()) });
    KEPT.with_borrow_mut(|kept| kept.push(dir));
}

// CSV

fn csv(text: impl AsRef<[u8]>) -> Result<Source> {
    let dir = folder();
    let path = write(&dir, "a.csv", text);
    let source = open(&[&path]);
    kept(dir);
    source
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn csv_cells_are_typed_by_all_their_values() {
    let source = csv("\u{feff}id,name,x,ok,zip\r\n1,\"a \"\"b\"\",\nc\",1,true,007\r\n\r\n2,,2.5,False,010\r\n3,\"\",,true,1").unwrap();
    let types: Vec<_> = source.schema.fields().iter().map(|f| f.data_type().clone()).collect();
    assert_eq!(types, [DataType::Int64, DataType::Utf8View, DataType::Float64, DataType::Boolean, DataType::Utf8View]);
    assert_eq!(dump(&source).unwrap(), ["1|a \"b\",\nc|1.0|true|007", "2|∅|2.5|false|010", "3||∅|true|1"]);
}

#[test]
fn csv_errors_name_the_line() {
    for (text, words) in [
        ("a,b\n1,2\n\"x\ny\",2\n3\n", "line 5: expected 2 fields, found 1"),
        ("a,b\n1,2,3\n", "line 2: expected 2 fields, found 3"),
        ("a,b\n1,2\n\n3,\"x\n", "line 4: the quote opened here is never closed"),
        ("a,b\n1,\"x\"y\n", "line 2: text follows a closing quote"),
        ("a,a\n1,2\n", "line 1: two columns are named `a`"),
        (",a\n1,2\n", "line 1: field 1 of the header is empty"),
        ("a,b\n1,\0\n", "line 2: a NUL byte"),
        ("", "is empty"),
        ("\n\n", "no record"),
        ("PK\u{3}\u{4}", "zip archive"),
    ] {
        let message = failure(csv(text));
        assert!(message.contains(words) && message.contains("a.csv"), "{text:?}: {message}");
    }
    let message = failure(csv(b"a,b\n1,2\n\"\n\",\xff\n"));
    assert!(message.contains("line 4: invalid UTF-8 (byte 0xff)"), "{message}");
    let message = failure(csv(b"a,b\n\xc3,\xa9\n"));
    assert!(message.contains("line 2: invalid UTF-8"), "{message}");
    assert!(failure(csv(b"\xff\xfea\0\n\0")).contains("UTF-16"));
}

#[test]
fn a_header_alone_is_a_table_without_rows() {
    let source = csv("a,b\n").unwrap();
    assert_eq!((source.rows(), source.schema.fields().len(), source.shards().len()), (0, 2, 0));
}

#[test]
fn an_open_quote_does_not_load_the_file() {
    let mut text = b"a\n1\n\"".to_vec();
    text.resize(70 << 20, b'x');
    let message = failure(csv(&text));
    assert!(message.contains("line 3: the quote opened here is never closed"), "{message}");
}

#[test]
fn csv_shards_start_anywhere_and_change_nothing() {
    let mut text = String::from("id,text\n");
    for i in 0..150_000 {
        text.push_str(&format!("{i},\"line\n{i}\"\n"));
    }
    let source = csv(&text).unwrap();
    assert!(source.shards().len() >= 3, "{:?}", source.shards());
    let all = dump(&source).unwrap();
    assert_eq!((all.len(), all[149_999].as_str()), (150_000, "149999|line\n149999"));
    let names = ["id", "text"].map(str::to_owned);
    let odd = [(0, 1), (1, 70_000), (70_001, 79_999)].map(|(first_row, rows)| Shard { source: 0, first_row, rows });
    assert_eq!(dump_columns(&source, &odd, &names).unwrap(), all);
    assert_eq!(dump_columns(&source, &odd, &[]).unwrap().len(), 150_000);

    let dir = folder();
    for (name, bytes) in [("a.csv.gz", gzip(text.as_bytes())), ("a.csv.zst", zstd::encode_all(text.as_bytes(), 1).unwrap())] {
        let path = write(&dir, name, &bytes);
        let packed = open(&[&path]).unwrap();
        assert_eq!(dump(&packed).unwrap(), all);
        assert_eq!(dump_columns(&packed, &odd, &names).unwrap(), all);
        let message = failure(open(&[&write(&dir, name, &bytes[..bytes.len() / 2])]));
        assert!(message.contains("cut short") && message.contains(name), "{message}");
        assert!(failure(open(&[&write(&dir, name, "id\n1\n")])).contains("wrong magic"));
    }
}

#[test]
fn declared_cells_that_do_not_parse_are_null_and_marked() {
    let dir = folder();
    let path = write(&dir, "a.csv", "n,d,s\n1,2024-01-01,x\n300,soon,2\n,,\n");
    let declared = [("n", DataType::Int8), ("d", DataType::Date32), ("s", DataType::Utf8), ("absent", DataType::Utf8)];
    let options = OpenOptions { declared: declared.map(|(n, t)| (n.to_owned(), t)).to_vec(), ..Default::default() };
    let source = Source::open(std::slice::from_ref(&path), &options).unwrap();
    assert_eq!(source.schema.field(0).data_type(), &DataType::Int8);
    let names = ["n", "d", "s", &unparsed_column("n"), &unparsed_column("d"), &unparsed_column("s")].map(str::to_owned);
    assert_eq!(
        dump_columns(&source, &source.shards(), &names).unwrap(),
        ["1|2024-01-01|x|false|false|∅", "∅|∅|2|true|true|∅", "∅|∅|∅|false|false|∅"]
    );
    let options = OpenOptions { declared: vec![("n".to_owned(), DataType::new_list(DataType::Int8, true))], ..Default::default() };
    assert!(failure(Source::open(&[path], &options)).contains("cannot hold"));
}

#[test]
fn a_stop_ends_the_first_reading_of_text_files() {
    static STOP: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(true);
    let dir = folder();
    for (name, bytes) in [("a.csv", "n\n1\n2\n"), ("a.jsonl", "{\"n\": 1}\n{\"n\": 2}\n")] {
        let path = write(&dir, name, bytes);
        let stopped = Source::open(&[path], &OpenOptions { stop: Some(&STOP), ..Default::default() });
        assert!(matches!(stopped, Err(Error::Interrupted)), "{name}");
    }
}

#[test]
fn the_format_of_the_contract_is_obeyed() {
    let dir = folder();
    let read = |bytes: &[u8], format: crate::contract::Format| {
        let path = write(&dir, "a.csv", bytes);
        Source::open(&[path], &OpenOptions { format, ..Default::default() }).and_then(|s| dump(&s))
    };
    let format = crate::contract::Format::default;
    assert_eq!(
        read(b"1;'a;b'\n2;c\n", crate::contract::Format { delimiter: Some(';'), quote: Some('\''), header: Some(false), ..format() })
            .unwrap(),
        ["1|a;b", "2|c"]
    );
    assert_eq!(read(b"a,b\nNA,\n1,x\n", crate::contract::Format { nulls: Some(vec!["NA".into()]), ..format() }).unwrap(), ["∅|", "1|x"]);
    assert_eq!(read(b"a,b\ncaf\xe9,1\n", crate::contract::Format { encoding: Some("latin-1".into()), ..format() }).unwrap(), ["café|1"]);
    let wide: Vec<u8> = "\u{feff}a,b\né,1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(&wide, crate::contract::Format { encoding: Some("utf-16le".into()), ..format() }).unwrap(), ["é|1"]);
    assert!(
        read(b"a\n", crate::contract::Format { encoding: Some("klingon".into()), ..format() }).unwrap_err().to_string().contains("klingon")
    );
    assert_eq!(read(b"a;b\n1;2\n", format()).unwrap(), ["1|2"]);
}

#[test]
fn types_are_those_of_all_files_together() {
    let dir = folder();
    write(&dir, "a.csv", "x,y\n1,2\n");
    write(&dir, "b.csv", "y,x\n3,0.5\n");
    let source = open(&[dir.path().to_str().unwrap()]).unwrap();
    assert_eq!(dump(&source).unwrap(), ["1.0|2", "0.5|3"]);
    write(&dir, "c.csv", "x,z\n1,2\n");
    let message = failure(open(&[dir.path().to_str().unwrap()]));
    assert!(message.contains("c.csv") && message.contains("`y`"), "{message}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
    #[test]
    fn csv_of_any_bytes_is_read_or_refused(bytes in proptest::collection::vec(proptest::prop_oneof![proptest::strategy::Just(b','), proptest::strategy::Just(b'"'), proptest::strategy::Just(b'\n'), proptest::strategy::Just(b'\r'), proptest::strategy::Just(b'1'), 0u8..=255], 0..60)) {
        let dir = folder();
        let path = write(&dir, "a.csv", &bytes);
        match open(&[&path]).and_then(|source| dump(&source).map(|rows| (rows.len() as u64, source.rows()))) {
            Ok((read, announced)) => proptest::prop_assert_eq!(read, announced),
            Err(e) => proptest::prop_assert!(matches!(e, Error::Data { .. }), "{}", e),
        }
    }

    #[test]
    fn csv_written_with_quotes_reads_back(cells in proptest::collection::vec(("[a-z\",\n\r é]{0,8}", "[a-z\",\n\r é]{0,8}"), 1..20)) {
        let quote = |s: &str| format!("\"{}\"", s.replace('"', "\"\""));
        let text: String = std::iter::once("a,b\n".to_owned()).chain(cells.iter().map(|(a, b)| format!("{},{}\n", quote(a), quote(b)))).collect();
        let dir = folder();
        let source = open(&[&write(&dir, "a.csv", &text)]).unwrap();
        proptest::prop_assert_eq!(dump(&source).unwrap(), cells.iter().map(|(a, b)| format!("{a}|{b}")).collect::<Vec<_>>());
    }
}

// JSON Lines

fn jsonl(text: impl AsRef<[u8]>) -> Result<Source> {
    let dir = folder();
    let path = write(&dir, "a.jsonl", text);
    let source = open(&[&path]);
    kept(dir);
    source
}

#[test]
fn json_shapes_are_learned_over_all_rows() {
    let source = jsonl("{\"n\": 1, \"s\": \"é\\n\", \"t\": [1], \"o\": {\"a\": true}}\n\n{\"n\": 2.5, \"big\": 18446744073709551615, \"o\": {\"b\": null}, \"t\": []}\n{\"x\": null}").unwrap();
    let types: Vec<String> = source.schema.fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect();
    assert_eq!(types[..3], ["n Float64", "s Utf8View", "t List(Int64)"], "{types:?}");
    assert_eq!(types[4..], ["big UInt64", "x Utf8View"]);
    let names = ["n", "s", "t", "big", "x"].map(str::to_owned);
    assert_eq!(
        dump_columns(&source, &source.shards(), &names).unwrap(),
        ["1.0|é\n|[1]|∅|∅", "2.5|∅|[]|18446744073709551615|∅", "∅|∅|∅|∅|∅"]
    );
    assert_eq!(dump_columns(&source, &source.shards(), &["o".to_owned()]).unwrap(), ["{a: true, b: }", "{a: , b: }", "∅"]);
}

#[test]
fn json_errors_name_the_line() {
    for (text, words) in [
        ("{\"a\": 1}\n\n{\"a\": 1\n", "line 3: EOF while parsing"),
        ("{\"a\": 1}\n{\"a\": 1} x\n", "line 2: trailing characters"),
        ("{\"a\": 1, \"a\": 2}\n", "line 1: the key `a` is given twice"),
        ("{\"a\": 1}\n{\"a\": \"x\"}\n", "line 2: a string where earlier rows have another type"),
        ("{\"a\": [1]}\n{\"a\": [\"x\"]}\n", "line 2: a string"),
        ("[{\"a\": 1}]\n", "line 1: not an object"),
        ("{\"a\": NaN}\n", "line 1: expected value"),
        ("", "is empty"),
    ] {
        let message = failure(jsonl(text));
        assert!(message.contains(words) && message.contains("a.jsonl"), "{text:?}: {message}");
    }
    assert!(failure(jsonl(b"{\"a\": 1}\n{\"a\": \"\xff\"}\n")).contains("line 2: invalid UTF-8"));
    let deep = format!("{{\"a\": {}{}}}\n", "[".repeat(10_000), "]".repeat(10_000));
    assert!(failure(jsonl(&deep)).contains("line 1: recursion limit"));
    assert_eq!(jsonl("\n").unwrap().rows(), 0);
}

#[test]
fn json_values_that_are_not_of_the_declared_type_are_null_and_marked() {
    let dir = folder();
    let path = write(
        &dir,
        "a.jsonl",
        "{\"n\": 1, \"s\": \"x\", \"d\": \"2024-01-01\"}\n{\"n\": \"1\", \"s\": 2, \"d\": {\"y\": 1}}\n{\"n\": 300, \"s\": [1]}\n",
    );
    let declared = [("s", DataType::Utf8), ("absent", DataType::Utf8), ("n", DataType::Int8), ("d", DataType::Date32)];
    let options = OpenOptions { declared: declared.map(|(n, t)| (n.to_owned(), t)).to_vec(), ..Default::default() };
    let source = Source::open(&[path], &options).unwrap();
    assert_eq!(source.schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(), ["n", "s", "d"]);
    let names = ["n", "s", "d", &unparsed_column("n"), &unparsed_column("s"), &unparsed_column("d")].map(str::to_owned);
    let rows = dump_columns(&source, &source.shards(), &names).unwrap();
    assert_eq!(rows, ["1|x|2024-01-01|false|false|false", "∅|∅|∅|true|true|true", "∅|∅|∅|true|true|false"]);
}

#[test]
fn json_shards_start_anywhere_and_files_may_lack_keys() {
    let text: String = (0..150_000).map(|i| format!("{{\"id\": {i}, \"t\": \"row {i}\"}}\n")).collect();
    let source = jsonl(&text).unwrap();
    assert!(source.shards().len() >= 3);
    let all = dump(&source).unwrap();
    assert_eq!(all[149_999], "149999|row 149999");
    let names = ["id", "t"].map(str::to_owned);
    let odd = [(0, 1), (1, 70_000), (70_001, 79_999)].map(|(first_row, rows)| Shard { source: 0, first_row, rows });
    assert_eq!(dump_columns(&source, &odd, &names).unwrap(), all);
    let dir = folder();
    write(&dir, "a.jsonl.gz", gzip(text.as_bytes()));
    write(&dir, "b.jsonl", "{\"id\": 0.5, \"more\": true}\n");
    let both = open(&[dir.path().to_str().unwrap()]).unwrap();
    let rows = dump(&both).unwrap();
    assert_eq!((rows.len(), rows[1].as_str(), rows[150_000].as_str()), (150_001, "1.0|row 1|∅", "0.5|∅|true"));
    write(&dir, "c.jsonl", "{\"id\": \"x\"}\n");
    let message = failure(open(&[dir.path().to_str().unwrap()]));
    assert!(message.contains("c.jsonl") && message.contains("`id`"), "{message}");
}

#[test]
fn a_settings_file_beside_the_data_is_no_data() {
    let dir = folder();
    write(&dir, "dataset_info.json", "{\n  \"a\": 1\n}\n");
    write(&dir, "a.csv", "x\n1\n");
    assert_eq!(open(&[dir.path().to_str().unwrap()]).unwrap().files.len(), 1);
    std::fs::remove_file(dir.path().join("a.csv")).unwrap();
    write(&dir, "b.json", "{\"a\": 1}\n");
    assert!(failure(open(&[dir.path().to_str().unwrap()])).contains("dataset_info.json"));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
    #[test]
    fn json_of_any_bytes_is_read_or_refused(flips in proptest::collection::vec((0usize..200, 0u8..=255), 0..4)) {
        let mut bytes = b"{\"a\": 1, \"b\": [\"x\", null], \"c\": {\"d\": true}}\n{\"a\": -2.5e3, \"b\": []}\n{\"c\": null, \"a\": 7}\n".to_vec();
        for (at, byte) in flips {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let dir = folder();
        let path = write(&dir, "a.jsonl", &bytes);
        match open(&[&path]).and_then(|source| dump(&source).map(|rows| (rows.len() as u64, source.rows()))) {
            Ok((read, announced)) => proptest::prop_assert_eq!(read, announced),
            Err(e) => proptest::prop_assert!(matches!(e, Error::Data { .. }), "{}", e),
        }
    }
}

// Arrow IPC

fn ipc_bytes(batch: &RecordBatch, stream: bool, rows: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let parts = (0..batch.num_rows()).step_by(rows).map(|i| batch.slice(i, rows.min(batch.num_rows() - i)));
    if stream {
        let mut writer = arrow::ipc::writer::StreamWriter::try_new(&mut bytes, &batch.schema()).unwrap();
        parts.for_each(|p| writer.write(&p).unwrap());
        writer.finish().unwrap();
    } else {
        let mut writer = arrow::ipc::writer::FileWriter::try_new(&mut bytes, &batch.schema()).unwrap();
        parts.for_each(|p| writer.write(&p).unwrap());
        writer.finish().unwrap();
    }
    bytes
}

#[test]
fn arrow_files_and_streams_read_alike() {
    let dir = folder();
    let batch = sample(500);
    let expected = dump(&open(&[&write(&dir, "a.parquet", parquet_bytes(&batch, 500))]).unwrap()).unwrap();
    for stream in [false, true] {
        let source = open(&[&write(&dir, "a.arrow", ipc_bytes(&batch, stream, 60))]).unwrap();
        assert_eq!(dump(&source).unwrap(), expected);
        let odd = [(0, 1), (1, 250), (251, 249)].map(|(first_row, rows)| Shard { source: 0, first_row, rows });
        let names = ["id", "text", "kind", "score", "list"].map(str::to_owned);
        assert_eq!(dump_columns(&source, &odd, &names).unwrap(), expected);
        assert_eq!(dump_columns(&source, &odd, &[]).unwrap().len(), 500);
        assert!(is_categorical(source.schema.field(2)));
    }
    assert_eq!(open(&[&write(&dir, "b.feather", ipc_bytes(&sample(0), false, 1))]).unwrap().rows(), 0);
    assert!(failure(open(&[&write(&dir, "old.feather", "FEA1 and more")])).contains("Feather version 1"));
    let message = failure(open(&[&write(&dir, "old.feather", "id,text\n1,hello\n")]));
    assert!(message.contains("not an Arrow IPC file") && message.contains("CSV"), "{message}");
}

#[test]
fn arrow_cut_anywhere_is_an_error_that_names_the_file() {
    let dir = folder();
    for stream in [false, true] {
        let bytes = ipc_bytes(&sample(10), stream, 4);
        for cut in 0..bytes.len() {
            let message = failure(open(&[&write(&dir, "cut.arrow", &bytes[..cut])]));
            assert!(message.contains("cut.arrow"), "cut at {cut}: {message}");
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
    #[test]
    fn arrow_with_flipped_bytes_is_read_or_refused(stream: bool, flips in proptest::collection::vec((0usize..10_000, 0u8..=255), 1..6)) {
        let mut bytes = ipc_bytes(&sample(30), stream, 10);
        for (at, byte) in flips {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let dir = folder();
        if let Err(e) = open(&[&write(&dir, "flip.arrow", &bytes)]).and_then(|source| dump(&source)) {
            proptest::prop_assert!(matches!(e, Error::Data { .. }), "{e}");
        }
    }
}

#[test]
fn a_folder_of_images_is_a_row_per_file_with_its_folder_as_class() {
    let folder = folder();
    for name in ["cat/1.png", "cat/2.JPG", "dog/1.png"] {
        write(&folder, name, format!("bytes of {name}"));
    }
    write(&folder, "metadata.csv", "file_name,stars\ncat/1.png,5\n");
    write(&folder, "README.md", "about");
    let source = open(&[folder.path().to_str().unwrap()]).unwrap();
    let names: Vec<String> = ["label", "path"].map(str::to_owned).to_vec();
    let rows = dump_columns(&source, &source.shards(), &names).unwrap();
    assert_eq!(rows, ["cat|cat/1.png", "cat|cat/2.JPG", "dog|dog/1.png"]);
    source
        .read(&source.shards()[2], &["image".to_owned()], &mut |batch| {
            let image =
                crate::features::image::Images::of(batch.column("image").unwrap().as_ref()).and_then(|i| i.get(0).map(<[u8]>::to_vec));
            assert_eq!(image.unwrap(), b"bytes of dog/1.png");
            Ok(())
        })
        .unwrap();
    // One class alone is still its class; an image beside a table is no data.
    let one = open(&[folder.path().join("dog").to_str().unwrap()]).unwrap();
    assert_eq!(dump_columns(&one, &one.shards(), &names).unwrap(), ["dog|1.png"]);
    write(&folder, "mixed/preview.png", "a plot");
    write(&folder, "mixed/table.csv", "a,b\n1,2\n3,4\n");
    assert_eq!(open(&[folder.path().join("mixed").to_str().unwrap()]).unwrap().rows(), 2);
}

fn npy(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}");
    header += &" ".repeat(63 - (10 + header.len()) % 64);
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn little(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn a_matrix_is_a_column_of_vectors_with_the_labels_beside_it() {
    let folder = folder();
    let x = write(&folder, "X_train.npy", npy("'<f4'", "False", "(3, 2)", &little(&[1.0, 2.0, 3.0, 4.5, -5.0, 6.0])));
    let alone = open(&[&x]).unwrap();
    assert_eq!(dump(&alone).unwrap(), ["[1.0, 2.0]", "[3.0, 4.5]", "[-5.0, 6.0]"]);
    let y = write(&folder, "y_train.npy", npy("'|u1'", "False", "(3,)", &[7, 8, 7]));
    for paths in [vec![x.as_str()], vec![&x, &y], vec![folder.path().to_str().unwrap()]] {
        let both = open(&paths).unwrap();
        assert_eq!(dump(&both).unwrap(), ["[1.0, 2.0]|7", "[3.0, 4.5]|8", "[-5.0, 6.0]|7"]);
        assert_ne!(both.fingerprint(), alone.fingerprint());
    }
    assert_eq!(dump(&open(&[&y]).unwrap()).unwrap(), ["7", "8", "7"]);
    let table = write(&folder, "table.csv", "a\n1\n");
    assert_eq!(dump(&open(&[folder.path().to_str().unwrap()]).unwrap()).unwrap(), ["1"]);
    std::fs::remove_file(table).unwrap();
    let source = open(&[&x]).unwrap();
    assert_eq!(dump_columns(&source, &[Shard { source: 0, first_row: 1, rows: 2 }], &["label".into()]).unwrap(), ["8", "7"]);
    write(&folder, "y_train.npy", npy("'|u1'", "False", "(2,)", &[7, 8]));
    assert!(failure(open(&[&x])).contains("2 labels for the 3 rows"));
}

#[test]
fn arrays_that_are_not_what_they_promise_are_refused_by_name() {
    let folder = folder();
    let good = npy("'<f8'", "False", "(2, 1)", &[0; 16]);
    assert_eq!(dump(&open(&[&write(&folder, "good.npy", &good)]).unwrap()).unwrap(), ["[0.0]", "[0.0]"]);
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("fortran", npy("'<f4'", "True", "(2, 2)", &[0; 16]), "Fortran"),
        ("objects", npy("'|O'", "False", "(2,)", &[0; 16]), "an array of the type"),
        ("big", npy("'>f4'", "False", "(2,)", &[0; 8]), "an array of the type"),
        ("records", npy("[('a', '<f4')]", "False", "(2,)", &[0; 8]), "records"),
        ("cube", npy("'<f4'", "False", "(1, 1, 1)", &[0; 4]), "3 dimensions"),
        ("scalar", npy("'<f4'", "False", "()", &[0; 4]), "without dimensions"),
        ("huge", npy("'<f8'", "False", "(18446744073709551615, 4)", &[0; 8]), "promises more bytes"),
        ("wide", npy("'<f8'", "False", "(1, 18446744073709551615)", &[0; 8]), "larger than a row may be"),
        ("cut", good[..good.len() - 3].to_vec(), "its header promises"),
    ];
    for (name, bytes, wanted) in cases {
        let message = failure(open(&[&write(&folder, &format!("{name}.npy"), bytes)]));
        assert!(message.contains(wanted), "{name}: {message}");
    }
    for cut in 0..good.len() {
        failure(open(&[&write(&folder, "short.npy", &good[..cut])]));
    }
}

#[test]
fn digits_in_idx_files_are_images_with_labels() {
    let folder = folder();
    let mut images = vec![0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3];
    images.extend([10, 20, 30, 40, 50, 60]);
    let path = write(&folder, "train-images-idx3-ubyte", &images);
    write(&folder, "train-labels-idx1-ubyte", [0, 0, 8, 1, 0, 0, 0, 2, 5, 9]);
    let source = open(&[folder.path().to_str().unwrap()]).unwrap();
    assert_eq!(source.schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(), ["image", "label"]);
    let mut seen = Vec::new();
    source
        .read(&source.shards()[0], &["image".into(), "label".into()], &mut |batch| {
            crate::features::image::for_each(&batch, "image", |_, r| {
                let r = r.unwrap().unwrap();
                seen.push((r.width, r.height, r.pixels.iter().map(|p| p & 255).collect::<Vec<_>>()));
            });
            assert_eq!(crate::batch::cell_text(batch.column("label").unwrap(), 1).as_deref(), Some("9"));
            Ok(())
        })
        .unwrap();
    assert_eq!(seen, [(3, 1, vec![10, 20, 30]), (3, 1, vec![40, 50, 60])]);
    images[3] = 4;
    write(&folder, "train-images-idx3-ubyte", &images);
    assert!(failure(open(&[&path])).contains("4 dimensions"));
    images[2..4].copy_from_slice(&[13, 3]);
    write(&folder, "train-images-idx3-ubyte", &images);
    assert!(failure(open(&[&path])).contains("unsigned bytes"));
}
