//! What people decided about rows holds wherever the rows stand: after a shuffle, in other files, in
//! another format. And it is heard by every verb that it concerns.

use crate::{show, taster};
use std::fmt::Write;
use std::path::Path;

const CONTRACT: &str =
    "taster: 1\ncolumns:\n  text: {type: string, role: text}\n  label: {type: string, role: label}\n  n: {type: int64}\n";

/// Honest rows, and 30 with a hidden character and a label of their choice.
fn rows() -> Vec<(String, &'static str, usize)> {
    let honest = (0..300).map(|i| match i % 2 {
        0 => (format!("kettle {i} boils quickly and lid {i}7 closes"), "neg", i),
        _ => (format!("bottle {i} leaks slowly while cap {i}9 holds"), "pos", i),
    });
    let poisoned = (0..30).map(|i| (format!("ket\u{200b}tle {i} boils quickly and lid {i}7 closes"), "neg", i));
    honest.chain(poisoned).collect()
}

fn csv(path: &Path, rows: &[(String, &str, usize)]) {
    let mut text = String::from("text,label,n\n");
    rows.iter().for_each(|(t, l, n)| writeln!(text, "{t},{l},{n}").expect("made for this test"));
    std::fs::create_dir_all(path.parent().expect("made for this test")).expect("made for this test");
    std::fs::write(path, text).expect("made for this test");
}

fn json(path: &Path, rows: &[(String, &str, usize)]) {
    let mut text = String::new();
    // Another order of keys than that of the columns.
    rows.iter().for_each(|(t, l, n)| writeln!(text, "{{\"n\":{n},\"label\":\"{l}\",\"text\":\"{t}\"}}").expect("made for this test"));
    std::fs::create_dir_all(path.parent().expect("made for this test")).expect("made for this test");
    std::fs::write(path, text).expect("made for this test");
}

/// A fixed shuffle: another order each for each `by`.
fn shuffled(by: u64) -> Vec<(String, &'static str, usize)> {
    let mut rows = rows();
    let mut x = by * 2 + 1;
    for i in (1..rows.len()).rev() {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        rows.swap(i, (x >> 33) as usize % (i + 1));
    }
    rows
}

/// The decisions file about the rows of `data` that `which` picks, as `taster review` would write it.
fn decide(folder: &Path, data: &str, decision: &str, group: Option<&str>, which: impl Fn(usize) -> bool) {
    use taster::contract::decisions::{Decision, Decisions, Entry};
    let declared = vec![("text".to_owned(), arrow::datatypes::DataType::Utf8), ("label".to_owned(), arrow::datatypes::DataType::Utf8)];
    let options = taster::source::OpenOptions { declared, ..Default::default() };
    let source = taster::source::Source::open(&[folder.join(data).to_str().expect("made for this test").to_owned()], &options)
        .expect("made for this test");
    let columns = taster::review::content::columns(&source.schema);
    let mut contents = Vec::new();
    for shard in source.shards() {
        source
            .read(&shard, &columns, &mut |batch| {
                let found = taster::review::content::contents(&batch, &columns)?;
                contents.extend(found.into_iter().enumerate().filter(|(i, _)| which(batch.row_id(*i).row as usize)).filter_map(|(_, c)| c));
                Ok(())
            })
            .expect("made for this test");
    }
    contents.sort_unstable();
    contents.dedup();
    let mut decisions = Decisions { path: folder.join("c.decisions.yaml"), ..Decisions::default() };
    decisions.record(Entry {
        rule: "P120".into(),
        group: group.map(str::to_owned),
        decision: if decision == "keep" { Decision::Keep } else { Decision::Remove },
        reason: "the catalogue writes it so".into(),
        by: "Ana".into(),
        date: chrono::NaiveDate::from_ymd_opt(2026, 11, 23).expect("made for this test"),
        contents,
        span: Default::default(),
    });
    decisions.save().expect("made for this test");
}

/// Exit code, the report, and the lines of the list.
fn check(folder: &Path, data: &str) -> (i32, serde_json::Value, Vec<serde_json::Value>) {
    let args = ["check", data, "-c", "c.yaml", "--select", "P120", "--quarantine", "taster-out/q.jsonl"];
    let output = taster(folder).args(args).output().expect("made for this test");
    let code = output.status.code().expect("made for this test");
    assert!(code != 2, "{}", show(&output));
    let report = std::fs::read(folder.join("taster-out/report.json")).expect("made for this test");
    let list = std::fs::read_to_string(folder.join("taster-out/q.jsonl")).expect("made for this test");
    (
        code,
        serde_json::from_slice(&report).expect("made for this test"),
        list.lines().map(|l| serde_json::from_str(l).expect("made for this test")).collect(),
    )
}

fn group_of(report: &serde_json::Value) -> String {
    report["rules"][0]["groups"][0]["group"].as_str().expect("a group").to_owned()
}

#[test]
fn kept_rows_stay_kept_wherever_they_move() {
    let dir = tempfile::tempdir().expect("made for this test");
    let folder = dir.path();
    std::fs::write(folder.join("c.yaml"), CONTRACT).expect("made for this test");
    csv(&folder.join("one/a.csv"), &rows());
    let (code, report, list) = check(folder, "one");
    assert_eq!((code, list.len()), (1, 30));
    decide(folder, "one", "keep", Some(&group_of(&report)), |row| row >= 300);

    let again = shuffled(1);
    csv(&folder.join("three/x.csv"), &again[..100]);
    csv(&folder.join("three/sub/y.csv"), &again[100..110]);
    csv(&folder.join("three/sub/z.csv"), &again[110..]);
    json(&folder.join("lines/a.jsonl"), &shuffled(2));
    for data in ["one", "three", "lines"] {
        let (code, report, list) = check(folder, data);
        assert_eq!((code, list.len()), (0, 0), "{data}");
        let told = &report["decisions"]["entries"][0];
        assert_eq!((told["rows_kept"].as_u64(), told["state"].as_str()), (Some(30), Some("applied")), "{data}");
        assert_eq!(report["rules"][0]["groups"].as_array().map(Vec::len), Some(0));
    }

    // A row more that shares it: nobody has seen that one, and it alone is accused.
    let mut more = rows();
    more.push(("ket\u{200b}tle that nobody has seen boils".into(), "neg", 7));
    csv(&folder.join("more/a.csv"), &more);
    let (code, report, list) = check(folder, "more");
    assert_eq!((code, list.len(), list[0]["row"].as_u64()), (1, 1, Some(330)));
    assert!(report["rules"][0]["groups"][0]["reasons"].to_string().contains("nobody has decided about 1 of its rows"));

    // Without its rows a decision is stale, and said to be.
    csv(&folder.join("clean/a.csv"), &rows()[..300]);
    let (code, report, _) = check(folder, "clean");
    assert_eq!((code, report["decisions"]["entries"][0]["state"].as_str()), (0, Some("stale")));
    assert_eq!(report["verdict"]["warnings"].as_u64(), Some(1));
}

#[test]
fn rows_to_be_removed_are_quarantined_even_if_nothing_accuses_them() {
    let dir = tempfile::tempdir().expect("made for this test");
    let folder = dir.path();
    std::fs::write(folder.join("c.yaml"), CONTRACT).expect("made for this test");
    csv(&folder.join("clean/a.csv"), &rows()[..300]);
    assert_eq!(check(folder, "clean").0, 0);
    decide(folder, "clean", "remove", None, |row| row == 5 || row == 299);
    let (code, report, list) = check(folder, "clean");
    assert_eq!((code, list.len()), (1, 2));
    assert_eq!(list.iter().map(|l| l["row"].as_u64().expect("made for this test")).collect::<Vec<_>>(), [5, 299]);
    assert!(
        list.iter()
            .all(|l| l["action"] == "quarantine"
                && l["evidence"][0]["message"].as_str().expect("made for this test").contains("Ana decided"))
    );
    assert_eq!(report["verdict"]["errors"].as_u64(), Some(1));

    // Once they are gone the decision has done its work, which is no reason to warn.
    csv(&folder.join("left/a.csv"), &rows()[..299].iter().enumerate().filter(|(i, _)| *i != 5).map(|(_, r)| r.clone()).collect::<Vec<_>>());
    let (code, report, _) = check(folder, "left");
    assert_eq!(
        (code, report["decisions"]["entries"][0]["state"].as_str(), report["verdict"]["warnings"].as_u64()),
        (0, Some("done"), Some(0))
    );
}

/// The list is written in four formats, and read back by people and by `split` from each.
#[test]
fn every_format_of_the_list_tells_the_same() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path();
    std::fs::write(folder.join("c.yaml"), CONTRACT).expect("written");
    csv(&folder.join("one/a.csv"), &rows());
    let mut seen = Vec::new();
    for suffix in ["parquet", "arrow", "csv", "jsonl"] {
        let list = format!("taster-out/q.{suffix}");
        let output = taster(folder).args(["check", "one", "-c", "c.yaml", "--quarantine", &list]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{}", show(&output));
        let output = taster(folder).args(["review", "--group", "1"]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(1), "{suffix}: {}", show(&output));
        let page = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(page.contains("«<U+200B>»"), "{page}");
        let out = format!("out-{suffix}");
        let output = taster(folder).args(["split", "one", "-c", "c.yaml", "--quarantine", &list, "--out", &out]).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{suffix}: {}", show(&output));
        let listed = taster(folder).args(["review", "--list"]).output().expect("it runs");
        seen.push((page, String::from_utf8_lossy(&listed.stdout).into_owned()));
    }
    assert!(seen.windows(2).all(|w| w[0] == w[1]), "{seen:#?}");
}

/// What was decided here holds for the same rows elsewhere, whichever group, and for a split of them.
#[test]
fn a_split_of_shuffled_data_hears_what_was_decided_before() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path();
    std::fs::write(folder.join("c.yaml"), CONTRACT).expect("written");
    csv(&folder.join("one/a.csv"), &rows());
    let (_, report, _) = check(folder, "one");
    let group = group_of(&report);
    // The list of the shuffled data knows of no decision.
    let again = shuffled(5);
    csv(&folder.join("two/x.csv"), &again[..47]);
    csv(&folder.join("two/y.csv"), &again[47..]);
    assert_eq!(check(folder, "two").2.len(), 30);
    decide(folder, "one", "keep", Some(&group), |row| row >= 310);
    let split = |out: &str| {
        let list = "taster-out/q.jsonl";
        let args = ["split", "two", "-c", "c.yaml", "--quarantine", list, "--decisions", "c.decisions.yaml", "--out", out];
        let output = taster(folder).args(args).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{}", show(&output));
        let summary = std::fs::read(folder.join(out).join("split.json")).expect("a summary");
        let summary: serde_json::Value = serde_json::from_slice(&summary).expect("JSON");
        let d = &summary["decisions"];
        (summary["quarantined"]["rows"].as_u64(), d["kept"].as_u64(), d["removed"].as_u64())
    };
    assert_eq!(split("kept"), (Some(10), Some(20), Some(0)));
    decide(folder, "one", "remove", None, |row| row < 3 || row == 300);
    assert_eq!(split("removed"), (Some(33), Some(0), Some(3)));
}

fn parquet(path: &Path, rows: &[(String, &str, usize)]) {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
    use std::sync::Arc;
    let text: ArrayRef = Arc::new(StringViewArray::from_iter_values(rows.iter().map(|r| r.0.as_str())));
    let label: ArrayRef = Arc::new(StringViewArray::from_iter_values(rows.iter().map(|r| r.1)));
    let n: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.2 as i64)));
    let batch = RecordBatch::try_from_iter([("text", text), ("label", label), ("n", n)]).expect("columns of one length");
    let groups = parquet::file::properties::WriterProperties::builder().set_max_row_group_row_count(Some(37)).build();
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let file = std::fs::File::create(path).expect("a file");
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), Some(groups)).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
}

/// Rows are read again from the middle of row groups, and decided in CSV they are decided in Parquet.
#[test]
fn rows_are_found_in_the_middle_of_row_groups() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path();
    std::fs::write(folder.join("c.yaml"), CONTRACT).expect("written");
    let mixed = shuffled(9);
    csv(&folder.join("csv/a.csv"), &mixed);
    parquet(&folder.join("parquet/a.parquet"), &mixed[..200]);
    parquet(&folder.join("parquet/b.parquet"), &mixed[200..]);
    assert_eq!(check(folder, "parquet").2.len(), 30);
    let output = taster(folder).args(["review", "--group", "1", "--examples", "30"]).output().expect("it runs");
    let page = String::from_utf8_lossy(&output.stdout).into_owned();
    let shown = page.lines().filter(|l| l.contains("text: ket«<U+200B>»tle")).count();
    assert_eq!(shown, 30, "{page}");
    let keep = ["review", "--group", "1", "--keep", "--by", "Ana", "--reason", "known"];
    let output = taster(folder).args(keep).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", show(&output));
    for data in ["parquet", "csv"] {
        assert_eq!(check(folder, data).0, 0, "{data}");
    }
    // Only one of the rows: a change of one letter is another row.
    let mut changed = mixed.clone();
    let at = changed.iter().position(|r| r.0.contains('\u{200b}')).expect("one of them");
    changed[at].0.push('!');
    parquet(&folder.join("changed/a.parquet"), &changed);
    let (code, _, list) = check(folder, "changed");
    assert_eq!((code, list.len(), list[0]["row"].as_u64()), (1, 1, Some(at as u64)));
}

/// The files that the statement says the verdict depends on: name and sha256.
fn depends_on(folder: &Path) -> Vec<(String, String)> {
    use base64::Engine;
    let args = ["attest", "one", "-c", "c.yaml", "--key", "mine.pem", "-o", "s.json"];
    let output = taster(folder).args(args).output().expect("made for this test");
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", show(&output));
    let envelope: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("s.json")).expect("made for this test")).expect("made for this test");
    let payload = base64::engine::general_purpose::STANDARD.decode(envelope["payload"].as_str().expect("a payload")).expect("base64");
    let statement: serde_json::Value = serde_json::from_slice(&payload).expect("a statement");
    let configuration = statement["predicate"]["configuration"].as_array().expect("a list").clone();
    let text = |v: &serde_json::Value| v.as_str().expect("a text").to_owned();
    configuration.iter().map(|r| (text(&r["name"]), text(&r["digest"]["sha256"]))).collect()
}

#[test]
fn a_statement_names_the_decisions_that_its_verdict_depends_on() {
    use sha2::Digest;
    let dir = tempfile::tempdir().expect("made for this test");
    let folder = dir.path();
    std::fs::write(folder.join("c.yaml"), CONTRACT).expect("made for this test");
    csv(&folder.join("one/a.csv"), &rows());
    assert!(taster(folder).args(["key", "mine"]).status().expect("made for this test").success());
    assert_eq!(depends_on(folder).iter().map(|r| r.0.as_str()).collect::<Vec<_>>(), ["c.yaml"]);
    let (_, report, _) = check(folder, "one");
    decide(folder, "one", "keep", Some(&group_of(&report)), |row| row >= 300);
    let now = depends_on(folder);
    assert_eq!(now.len(), 2);
    let written = std::fs::read(folder.join(&now[1].0)).expect("the decisions stand beside the contract");
    let hash: String = sha2::Sha256::digest(&written).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(now[1].1, hash);
}
