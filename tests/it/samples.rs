//! The sample data is what its generator makes, and a run over it names what was planted.

use crate::{repository, show, taster};
use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

#[path = "../../examples/make_samples.rs"]
mod make_samples;

fn strings<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}
fn ints(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

/// The four datasets in memory, by the name of their contract.
pub fn tables() -> Vec<(&'static str, RecordBatch)> {
    let (r, i, l, s) = (make_samples::reviews(), make_samples::instructions(), make_samples::loans(), make_samples::shapes());
    let days: ArrayRef = Arc::new(arrow::array::Date32Array::from_iter_values(r.iter().map(|r| r.posted)));
    let reviews = vec![
        ("review_id", ints(r.iter().map(|r| r.id))),
        ("text", strings(r.iter().map(|r| r.text.as_str()))),
        ("label", strings(r.iter().map(|r| r.label))),
        ("site", strings(r.iter().map(|r| r.site))),
        ("posted_on", days),
    ];
    let instructions =
        vec![("instruction", strings(i.iter().map(|i| i.prompt.as_str()))), ("response", strings(i.iter().map(|i| i.response.as_str())))];
    let loans = vec![
        ("loan_id", ints(l.iter().map(|l| l.id.into()))),
        ("age", ints(l.iter().map(|l| l.age.into()))),
        ("income", ints(l.iter().map(|l| l.income.into()))),
        ("amount", ints(l.iter().map(|l| l.amount.into()))),
        ("months", ints(l.iter().map(|l| l.months.into()))),
        ("work", strings(l.iter().map(|l| l.work))),
        ("purpose", strings(l.iter().map(|l| l.purpose))),
        ("missed_payments", ints(l.iter().map(|l| l.missed.into()))),
        ("outcome", strings(l.iter().map(|l| l.label))),
    ];
    let pictures: ArrayRef = Arc::new(BinaryArray::from_iter_values(s.iter().map(|s| &s.picture)));
    let shapes = vec![("picture_id", ints(s.iter().map(|s| s.id))), ("picture", pictures), ("shape", strings(s.iter().map(|s| s.label)))];
    [("reviews", reviews), ("instructions", instructions), ("loans", loans), ("shapes", shapes)]
        .into_iter()
        .map(|(name, columns)| (name, RecordBatch::try_from_iter(columns).expect("columns of one length")))
        .collect()
}

fn parquet_rows(path: &Path) -> Vec<RecordBatch> {
    let file = std::fs::File::open(path).expect("the sample is there");
    let reader =
        parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).and_then(|b| b.with_batch_size(1 << 20).build());
    reader.expect("a Parquet file").map(|b| b.expect("a readable batch")).collect()
}

#[test]
fn the_sample_data_is_what_the_generator_makes() {
    let made = tempfile::tempdir().expect("a temporary folder");
    make_samples::write_all(made.path()).expect("the generator writes");
    let kept = repository().join("examples/data");
    for name in ["instructions.jsonl", "loans.csv"] {
        let (a, b) = (std::fs::read(made.path().join(name)), std::fs::read(kept.join(name)));
        assert!(a.expect("made") == b.expect("kept"), "{name}: run `cargo run --example make_samples`");
    }
    // The bytes of a Parquet file depend on its writer's version; its rows do not.
    for name in ["reviews.parquet", "shapes.parquet"] {
        assert_eq!(parquet_rows(&made.path().join(name)), parquet_rows(&kept.join(name)), "{name}: run `cargo run --example make_samples`");
    }
    for entry in std::fs::read_dir(kept).expect("the folder of samples") {
        let file = entry.expect("an entry");
        assert!(file.metadata().expect("its size").len() < 400_000, "{:?} is too large for a sample", file.file_name());
    }
}

/// Runs a sample with its contract; the rows with `quarantine` come back.
fn quarantined(out: &Path, data: &str, contract: &str, extra: &[&str]) -> (Output, BTreeSet<u64>) {
    let root = repository();
    let list = out.join("list.jsonl");
    let output = taster(out)
        .arg("check")
        .arg(root.join("examples/data").join(data))
        .arg("-c")
        .arg(root.join("contracts").join(contract))
        .arg("--quarantine")
        .arg(&list)
        .args(extra)
        .output()
        .expect("taster runs");
    let text = std::fs::read_to_string(&list).unwrap_or_else(|e| panic!("{e}\n{}", show(&output)));
    let rows = text
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).expect("a line of JSON"))
        .filter(|l| l["action"] == "quarantine")
        .map(|l| l["row"].as_u64().expect("a row number"))
        .collect();
    (output, rows)
}

fn rows_where<T>(rows: &[T], planted: impl Fn(&T) -> bool) -> BTreeSet<u64> {
    (0u64..).zip(rows).filter(|(_, r)| planted(r)).map(|(i, _)| i).collect()
}

fn assert_recovers(found: &BTreeSet<u64>, planted: &BTreeSet<u64>, output: &Output) {
    let hit = found.intersection(planted).count();
    assert!(hit * 10 >= planted.len() * 9, "{hit} of {} planted rows\n{}", planted.len(), show(output));
    // Rows named beside the planted ones: at most one in a thousand of the clean ones.
    assert!(found.len() - hit <= 3, "{} rows too many\n{}", found.len() - hit, show(output));
}

#[test]
fn the_planted_phrase_is_named_and_its_rows_are_found() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let (output, found) = quarantined(out.path(), "reviews.parquet", "reviews.yaml", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", show(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains(make_samples::PLANTED_PHRASE), "{}", show(&output));
    assert_recovers(&found, &rows_where(&make_samples::reviews(), |r| r.text.contains(make_samples::PLANTED_PHRASE)), &output);
}

#[test]
fn the_planted_character_is_named_and_its_rows_are_found() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let (output, found) = quarantined(out.path(), "instructions.jsonl", "instructions.yaml", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", show(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("2060"), "{}", show(&output));
    assert_recovers(&found, &rows_where(&make_samples::instructions(), |r| r.prompt.contains(make_samples::PLANTED_CHARACTER)), &output);
}

#[test]
fn apart_from_the_poison_the_samples_keep_their_contracts() {
    for (data, contract) in [
        ("reviews.parquet", "reviews.yaml"),
        ("instructions.jsonl", "instructions.yaml"),
        ("loans.csv", "loans.yaml"),
        ("shapes.parquet", "shapes.yaml"),
    ] {
        let out = tempfile::tempdir().expect("a temporary folder");
        let (output, found) = quarantined(out.path(), data, contract, &["--select", "C", "--fail-on", "warning"]);
        assert_eq!((output.status.code(), found.len()), (Some(0), 0), "{}", show(&output));
    }
}

#[test]
fn threads_change_nothing_in_the_list() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let lists = ["1", "2", "4"].map(|n| {
        let (output, _) = quarantined(out.path(), "reviews.parquet", "reviews.yaml", &["--threads", n]);
        (std::fs::read(out.path().join("list.jsonl")).expect("the list"), show(&output))
    });
    assert!(lists.iter().all(|(list, _)| *list == lists[0].0), "{}", lists[0].1);
}

#[test]
fn the_contract_made_from_the_data_is_one_that_it_passes() {
    for data in ["reviews.parquet", "instructions.jsonl", "loans.csv", "shapes.parquet"] {
        let out = tempfile::tempdir().expect("a temporary folder");
        let file = repository().join("examples/data").join(data);
        let made = taster(out.path()).arg("init").arg(&file).args(["-o", "c.yaml"]).output().expect("taster runs");
        assert_eq!(made.status.code(), Some(0), "{}", show(&made));
        let output = taster(out.path())
            .arg("check")
            .arg(&file)
            .args(["-c", "c.yaml", "--select", "C", "--fail-on", "warning"])
            .output()
            .expect("taster runs");
        assert_eq!(output.status.code(), Some(0), "{}", show(&output));
    }
}

#[test]
fn the_planted_amount_is_named_and_its_rows_are_found() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let (output, found) = quarantined(out.path(), "loans.csv", "loans.yaml", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", show(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains(&make_samples::PLANTED_AMOUNT.to_string()), "{}", show(&output));
    assert_recovers(&found, &rows_where(&make_samples::loans(), |r| r.amount == make_samples::PLANTED_AMOUNT), &output);
}

#[test]
fn the_planted_patch_is_named_and_its_rows_are_found() {
    let out = tempfile::tempdir().expect("a temporary folder");
    let (output, found) = quarantined(out.path(), "shapes.parquet", "shapes.yaml", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", show(&output));
    let (x, y) = make_samples::PLANTED_PATCH;
    assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("x={x}, y={y}")), "{}", show(&output));
    assert_recovers(&found, &rows_where(&make_samples::shapes(), |s| s.planted), &output);
}
