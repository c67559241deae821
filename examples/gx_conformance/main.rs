//! Runs test definitions in the form of Great Expectations' `tests/test_definitions` against this
//! library: an independent statement of what row and column checks mean. Each test becomes data in
//! memory and a contract; verdict and exact failing rows are compared.
//!
//! `cargo run --release --example gx_conformance -- DIR`
//!
//! * passed, failed: evaluated, and agrees or not. What the contract language refuses for this data
//!   (a pattern over numbers) or does not evaluate counts as `success: false`.
//! * unsupported: the contract language cannot say it; the reason is printed.
//! * not applicable: tests for other engines or suppressed for this one, random ones, columns that
//!   mix types (no columnar meaning), and tests of that tool's own error texts.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example is a command line of its own")]

mod data;
mod translate;

use arrow::array::RecordBatch;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use taster::contract::{Roles, parse};
use taster::engine::memory::InMemory;
use taster::engine::{Engine, Silent};
use taster::error::Error;
use taster::rule::{Context, Findings, Outcome, Plan, Status};

/// How one test came out.
enum Came {
    Passed,
    Failed(String),
    Unsupported(String),
    NotApplicable(&'static str),
}

fn main() {
    let Some(dir) = std::env::args().nth(1) else {
        eprintln!("usage: gx_conformance DIR");
        std::process::exit(2);
    };
    let mut files: Vec<_> = match std::fs::read_dir(&dir) {
        Ok(entries) => entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "json")).collect(),
        Err(e) => {
            eprintln!("cannot read {dir}: {e}");
            std::process::exit(2);
        }
    };
    files.sort();
    // Per kind: passed, failed, unsupported, not applicable.
    let mut kinds: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    let (mut reasons, mut outside) = (BTreeMap::<(String, String), usize>::new(), BTreeMap::<&str, usize>::new());
    for file in &files {
        let Some((kind, tests)) = tests(file) else {
            eprintln!("{} is no test definition", file.display());
            std::process::exit(2);
        };
        for (dataset, test) in tests {
            let title = test["title"].as_str().unwrap_or("untitled").to_owned();
            let row = kinds.entry(kind.clone()).or_default();
            match came(&kind, &dataset, &test) {
                Came::Passed => row[0] += 1,
                Came::Failed(why) => {
                    row[1] += 1;
                    println!("FAILED {kind} / {title}: {why}\n    in: {}", short(&test["in"].to_string()));
                }
                Came::Unsupported(why) => {
                    row[2] += 1;
                    *reasons.entry((kind.clone(), why)).or_default() += 1;
                }
                Came::NotApplicable(why) => {
                    row[3] += 1;
                    *outside.entry(why).or_default() += 1;
                }
            }
        }
    }
    println!("{:<76} passed failed unsupported n/a", "kind");
    let mut all = [0; 4];
    for (kind, row) in &kinds {
        println!("{kind:<76} {:>6} {:>6} {:>11} {:>3}", row[0], row[1], row[2], row[3]);
        all.iter_mut().zip(row).for_each(|(a, n)| *a += n);
    }
    if !reasons.is_empty() {
        println!("\nunsupported, and why:");
        reasons.iter().for_each(|((kind, why), n)| println!("  {n:>3}  {kind}: {why}"));
    }
    println!("\nnot applicable, and why:");
    outside.iter().for_each(|(why, n)| println!("  {n:>3}  {why}"));
    println!("\ngx: {} passed, {} failed, {} unsupported, {} not applicable", all[0], all[1], all[2], all[3]);
    std::process::exit(i32::from(all[1] > 0));
}

fn short(text: &str) -> String {
    let mut out: String = text.chars().take(300).collect();
    if out.len() < text.len() {
        out.push_str(" ...");
    }
    out
}

/// The kind of check that a file is about, and its tests, each with the data it runs on.
fn tests(file: &Path) -> Option<(String, Vec<(Value, Value)>)> {
    let text = std::fs::read_to_string(file).ok()?;
    // Python writes what JSON does not know; the quoted words are read back where numbers are wanted.
    let text = text.replace("-Infinity", "\"-Infinity\"").replace(" Infinity", " \"Infinity\"").replace(" NaN", " \"NaN\"");
    let all: Value = serde_json::from_str(&text).ok()?;
    let kind = all["expectation_type"].as_str()?.to_owned();
    let mut out = Vec::new();
    for dataset in all["datasets"].as_array()? {
        out.extend(dataset["tests"].as_array()?.iter().map(|t| (dataset.clone(), t.clone())));
    }
    Some((kind, out))
}

/// Whether a list of engines names this one: tests for pandas are the ones that apply here.
fn names_us(list: &Value) -> bool {
    let one = |v: &Value| v.as_str().is_some_and(|s| s == "pandas" || s == "pandas_v3_api" || s.starts_with("pandas>="));
    list.as_array().map_or_else(|| one(list), |l| l.iter().any(one))
}

fn not_applicable(kind: &str, dataset: &Value, test: &Value) -> Option<&'static str> {
    for part in [dataset, test] {
        if !part["only_for"].is_null() && !names_us(&part["only_for"]) {
            return Some("for other engines");
        }
        if names_us(&part["suppress_test_for"]) {
            return Some("suppressed for pandas");
        }
    }
    if kind.contains("bootstrapped") {
        return Some("random");
    }
    if !test["error"].is_null() || !test["out"]["traceback_substring"].is_null() {
        return Some("about that tool's own error texts");
    }
    dataset["data"].is_array().then_some("for other engines")
}

fn came(kind: &str, dataset: &Value, test: &Value) -> Came {
    if let Some(why) = not_applicable(kind, dataset, test) {
        return Came::NotApplicable(why);
    }
    let frame = match data::frame(dataset, &test["in"]) {
        Ok(frame) => frame,
        Err(data::Odd::Mixed) => return Came::NotApplicable("about a column that mixes types"),
        Err(data::Odd::Other(why)) => return Came::Unsupported(why),
    };
    let contracts = match translate::contracts(kind, &test["in"], &frame) {
        Ok(contracts) => contracts,
        Err(why) => return Came::Unsupported(why),
    };
    let mut got = Got { success: false, rows: BTreeSet::new(), said: String::new() };
    for contract in contracts {
        match run(&contract, &frame) {
            Ok(one) => {
                let done = one.success;
                got = one;
                if done {
                    break;
                }
            }
            Err(Refused::Later(why)) => return Came::Unsupported(why),
            Err(Refused::Wrong(why)) => return Came::Failed(format!("the contract does not parse: {why}\n    {contract}")),
        }
    }
    compare(&test["out"], &got)
}

struct Got {
    success: bool,
    rows: BTreeSet<u64>,
    said: String,
}

fn compare(out: &Value, got: &Got) -> Came {
    if let Some(wanted) = out["success"].as_bool()
        && wanted != got.success
    {
        return Came::Failed(format!("expected success: {wanted}; {}", got.said));
    }
    let result = if out["result"].is_object() { &out["result"] } else { out };
    if let Some(list) = result["unexpected_index_list"].as_array() {
        let row = |v: &Value| v.as_u64().or_else(|| v["pk_index"].as_u64());
        let wanted: BTreeSet<u64> = list.iter().filter_map(row).collect();
        if wanted != got.rows {
            return Came::Failed(format!("expected rows {wanted:?}, got {:?}; {}", got.rows, got.said));
        }
    }
    if let Some(n) = result["unexpected_count"].as_u64()
        && n != got.rows.len() as u64
    {
        return Came::Failed(format!("expected {n} failing rows, got {:?}", got.rows));
    }
    Came::Passed
}

enum Refused {
    Later(String),
    Wrong(String),
}

fn run(text: &str, frame: &RecordBatch) -> Result<Got, Refused> {
    let contract = match parse::parse(None, text) {
        Ok(contract) => contract,
        Err(Error::Contract(e)) if e.diagnostics.iter().any(|d| d.code == "C005") => {
            let later = e.diagnostics.iter().find(|d| d.code == "C005").map(|d| d.message.clone());
            return Err(Refused::Later(later.unwrap_or_default()));
        }
        Err(e) => return Err(Refused::Wrong(e.to_string())),
    };
    let schema = frame.schema();
    let roles = Roles::resolve(&contract, &schema);
    let rows = frame.num_rows() as u64;
    let plan = Plan { seed: 0, rows, memory: 1 << 20, false_alarms: 0.001, threads: 1 };
    let context = Context { contract: &contract, schema: &schema, roles: &roles, plan: &plan, now: chrono::Utc::now() };
    let (mut rules, mut outcomes): (Vec<_>, Vec<Outcome>) = (Vec::new(), Vec::new());
    for entry in taster::checks::REGISTRY {
        match (entry.build)(&context) {
            Ok(built) => {
                rules.extend(built.rules);
                outcomes.extend(built.settled);
            }
            // The contract does not fit the data's types: it was not evaluated, which is no success.
            Err(diagnostics) => {
                let said = diagnostics.iter().map(|d| d.message.clone()).collect::<Vec<_>>().join("; ");
                return Ok(Got { success: false, rows: BTreeSet::new(), said: format!("refused: {said}") });
            }
        }
    }
    let input = InMemory::new(vec![frame.clone()]);
    let stop = AtomicBool::new(false);
    let broken = |e: Error| Refused::Wrong(e.to_string());
    let engine = Engine::new(&input, &plan, &Silent, &stop).map_err(broken)?;
    let learned = engine.learn(&rules).map_err(broken)?;
    let batch = taster::batch::Batch::new(frame.clone(), 0, 0);
    let mut failing = BTreeSet::new();
    for (rule, l) in rules.iter().zip(&learned) {
        if rule.has_rows(&l.model) {
            let mut out = Findings::default();
            rule.judge(&l.model, &batch, &mut out).map_err(broken)?;
            failing.extend(out.hits.iter().map(|h| u64::from(h.row)));
        }
    }
    outcomes.extend(learned.into_iter().map(|l| l.outcome));
    // A column of the wrong type is wrong in every row that has a value.
    for o in outcomes.iter().filter(|o| o.status == Status::Fail && o.title.contains(": type ")) {
        if let Some(column) = o.columns.first().and_then(|c| frame.column_by_name(c)) {
            use arrow::array::Array;
            failing.extend((0..column.len()).filter(|i| column.is_valid(*i)).map(|i| i as u64));
        }
    }
    let success = !outcomes.is_empty() && outcomes.iter().all(|o| o.status == Status::Pass);
    let said: Vec<String> = outcomes.iter().map(|o| format!("{}: {:?}, {}", o.title, o.status, o.message)).collect();
    Ok(Got { success, rows: failing, said: said.join("; ") })
}
