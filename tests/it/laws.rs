//! What every rule of the registry owes, whatever it computes. Each law is written once and meets
//! every rule that the sample contracts and the contract below build, over rows in memory:
//!
//! * a fresh state is neutral, wherever it is merged;
//! * any split of the rows and any order of merging gives the same findings and the same scores;
//! * a state and a model survive being written and read;
//! * a batch is judged without its neighbours;
//! * the same seed gives the same bytes.

use crate::repository;
use crate::samples::tables;
use arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, TimestampSecondArray};
use arrow::datatypes::Float32Type;
use serde_json::Value;
use std::sync::Arc;
use taster::batch::{Batch, RowId};
use taster::contract::{Contract, Roles};
use taster::rule::{AnyModel, AnyState, Context, DynRule, Findings, Plan};

/// How one run is cut and put together.
#[derive(Clone, Copy)]
struct Plan2 {
    /// Rows per shard.
    shard: usize,
    /// Rows per batch.
    batch: usize,
    backwards: bool,
    /// Fresh states are merged in before, between and after.
    padded: bool,
    /// Every state and model is encoded and decoded on its way.
    written: bool,
}

const WHOLE: Plan2 = Plan2 { shard: usize::MAX, batch: usize::MAX, backwards: false, padded: false, written: false };

/// One finding with its strings resolved.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    row: RowId,
    action: &'static str,
    strings: [Option<String>; 3],
    span: (u32, u32),
    numbers: [f64; 3],
}

struct Ran {
    outcome: Value,
    lines: Vec<Line>,
}

fn lines(findings: &Findings, batch: &Batch, out: &mut Vec<Line>) {
    let text = |i| findings.string(i).map(|s| s.to_string());
    out.extend(findings.hits.iter().map(|h| Line {
        row: batch.row_id(h.row as usize),
        action: h.action.as_str(),
        strings: [text(h.column), text(h.message), text(h.group)],
        span: (h.start, h.end),
        numbers: [f64::from(h.score), h.statistic, h.q_value],
    }));
}

fn run(rule: &dyn DynRule, rows: &Batch, plan: &Plan, how: Plan2) -> Ran {
    let cut = |batch: &Batch, n: usize| -> Vec<Batch> {
        let n = n.min(batch.rows()).max(1);
        (0..batch.rows()).step_by(n).map(|from| batch.slice(from, n.min(batch.rows() - from))).collect()
    };
    let write_state = |s: AnyState| -> AnyState {
        if how.written { rule.decode_state(&rule.encode_state(&s).expect("a state can be written")).expect("and read") } else { s }
    };
    let mut model: Option<AnyModel> = None;
    let mut more = true;
    let mut number = 0;
    while more {
        number += 1;
        assert!(number < 32, "{} never ends", rule.meta().code);
        let fresh = || rule.start(number, model.as_ref(), plan);
        let mut states: Vec<AnyState> = Vec::new();
        for shard in cut(rows, how.shard) {
            let mut state = fresh();
            for batch in cut(&shard, how.batch) {
                rule.observe(number, model.as_ref(), plan, &mut state, &batch).expect("rows in memory can be observed");
            }
            // A shard without rows is a shard too.
            rule.observe(number, model.as_ref(), plan, &mut state, &rows.slice(0, 0)).expect("no rows can be observed");
            states.push(write_state(state));
            if how.padded {
                states.push(fresh());
            }
        }
        if how.backwards {
            states.reverse();
        }
        let mut all = fresh();
        for state in states {
            rule.merge(&mut all, state);
        }
        let (next, again) = rule.finish(number, model.as_ref(), plan, all).expect("merged states can be finished");
        model = Some(if how.written {
            rule.decode_model(&rule.encode_model(&next).expect("a model can be written")).expect("and read")
        } else {
            next
        });
        more = again;
    }
    let model = model.expect("one round at least");
    let mut out = Vec::new();
    if rule.has_rows(&model) {
        for batch in cut(rows, how.batch) {
            let mut findings = Findings::default();
            rule.judge(&model, &batch, &mut findings).expect("rows in memory can be judged");
            lines(&findings, &batch, &mut out);
        }
    }
    out.sort_by(|a, b| (a.row, &a.strings, a.span).cmp(&(b.row, &b.strings, b.span)));
    let outcome = serde_json::to_value(rule.outcome(&model)).expect("an outcome is JSON");
    Ran { outcome, lines: out }
}

fn near(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

fn same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || near(x.as_f64().unwrap_or(f64::NAN), y.as_f64().unwrap_or(f64::NAN)),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same_value(x, y)),
        (Value::Object(x), Value::Object(y)) => x.len() == y.len() && x.iter().all(|(k, v)| y.get(k).is_some_and(|w| same_value(v, w))),
        (a, b) => a == b,
    }
}

fn assert_same(what: &str, a: &Ran, b: &Ran) {
    assert!(same_value(&a.outcome, &b.outcome), "{what}: outcomes differ\n{}\n{}", a.outcome, b.outcome);
    assert_eq!(a.lines.len(), b.lines.len(), "{what}: another number of findings");
    for (x, y) in a.lines.iter().zip(&b.lines) {
        let numbers = x.numbers.iter().zip(&y.numbers).all(|(x, y)| near(*x, *y));
        let rest = (x.row, x.action, &x.strings, x.span) == (y.row, y.action, &y.strings, y.span);
        assert!(numbers && rest, "{what}: findings differ\n{x:?}\n{y:?}");
    }
}

fn plan(rows: usize) -> Plan {
    Plan { seed: 7, rows: rows as u64, memory: 1 << 30, false_alarms: 0.001, threads: 1 }
}

/// Values that the sample data has none of: null, NaN, infinities, empty and hostile strings, keys
/// that repeat.
fn odd() -> (&'static str, RecordBatch) {
    const CONTRACT: &str = "taster: 1
columns:
  key: {type: int64, role: id, required: true, unique: true}
  number: {type: float64, required: true, range: {min: 0, max: 100}, severity: warning}
  text: {type: string, role: text, required: true, length: {min: 1, max: 30}, pattern: '^[a-z ]*$', tolerance: 5%}
  label: {type: string, role: label, allowed: [a, b], forbidden: [c]}
  absent: {type: string}
  at: {role: time}
  key2: {type: int64}
  num*: {mean: {min: 0}, median: {max: 5}, std: {above: 1}, sum: {below: 3}, quantiles: {0.25: {min: 1}}, smallest: {min: 0}, z_score: {max: 2}}
  '*key': {largest: {max: 3}, distinct: {max: 3}, unique_share: {min: 50%}, null_share: {max: 1%}, z_score: {max: 1}, mean: {max: 3}, median: {min: 3}}
  labe?: {most_common: {in: [c], ties: true}, distinct_values: {equal: [a, b]}, largest: {max: b}, distinct: {min: 2}}
  n*r: {finite: true, multiple_of: 2.5, not_constant: true, decreasing: true}
  k?y: {increasing: strictly, is_null: true}
  te?t: {format: hostname, json_schema: {type: integer}, not_like: 'plain%', order: 2}
extra_columns: warn
rules:
  - rows: {min: 10, max: 50}
  - sums: {columns: [key, number], total: 10}
  - different: [text, label]
  - same_input: [text]
  - disjoint_splits: {keys: [key, number, text], split: label}
  - correlation: {columns: [key, number], max: 0.5}
  - cramers_v: {columns: [text, label], max: 0.5}
  - shares: {column: label, values: [a, b], weights: [0.5, 0.5], kl: {max: 0.1}}
  - shares: {column: key, bins: [0, 50, 100], weights: [1, 1], p_value: {min: 0.01}}
  - fits: {column: key, distribution: uniform, parameters: {max: 120}, p_value: {min: 0.01}}
  - unique: [number, label]
  - fresh: {within: 30d}
  - gaps: {max: 3d}
  - retention: {column: at, max: 100d}
    tolerance: 1%
  - label_share: {max: 40%}
  - label_share: {classes: {a: {min: 5%}}}
    when: number > 10
  - source_share: {column: text, max: 10%}
  - source_share: {column: label, max: 30%}
    by: [text]
  - licence: {column: label, allowed: [a, c]}
    by: label
    tolerance: 2%
  - near_duplicates: {max: 1%}
  - near_duplicates: {columns: [text, label], max: 1%}
    by: label
  - rows: {min: 30}
    by: [label, key2]
  - rows: {min: 30}
    by: label
  - unique: [text]
    by: label
    when: key > 20
  - gaps: {max: 1d}
    by: label
  - cramers_v: {columns: [text, label], max: 0.5}
    by: label
  - expression: >-
      number > 10 OR label = 'a'
    when: >-
      key > 3
";
    const N: usize = 240;
    let key: ArrayRef = Arc::new(Int64Array::from_iter((0..N).map(|i| (i % 11 != 3).then_some((i / 2) as i64))));
    let number: ArrayRef = Arc::new(Float64Array::from_iter((0..N).map(|i| match i % 9 {
        0 => None,
        1 => Some(f64::NAN),
        2 => Some(f64::INFINITY),
        3 => Some(-0.0),
        4 => Some(0.0),
        k => Some(k as f64 * 17.5 - 60.0),
    })));
    let text = |i: usize| match i % 7 {
        0 => None,
        1 => Some(String::new()),
        2 => Some(format!("plain words {}", ["one", "two", "three"][i % 3])),
        3 => Some(format!("zero\u{200b}width {i}")),
        4 => Some("\u{1b}[2J\u{202e}".to_owned()),
        5 => Some("the same words again and again and again".to_owned()),
        _ => Some(format!("p\u{430}ypal {i}")),
    };
    let text: ArrayRef = Arc::new(StringArray::from_iter((0..N).map(text)));
    let label: ArrayRef = Arc::new(StringArray::from_iter((0..N).map(|i| [Some("a"), Some("b"), None, Some("c")][(i * i + i / 3) % 4])));
    // Ahead of the present, far behind it, at the ends of what a timestamp holds.
    let at: ArrayRef = Arc::new(TimestampSecondArray::from_iter((0..N as i64).map(|i| match i % 13 {
        0 => None,
        1 if i > 200 => Some(i64::MAX),
        2 if i > 200 => Some(i64::MIN),
        k => Some(1_772_366_400 + (k - 11) * i * 10_000),
    })));
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("key", key, true),
        ("at", at, true),
        ("number", number, true),
        ("text", text, true),
        ("label", label, true),
    ]);
    (CONTRACT, batch.expect("columns of one length"))
}

/// The sample loans against themselves and against a part of them: exactly held, binned, too few.
fn moved() -> (String, RecordBatch) {
    let (_, loans) = tables().into_iter().find(|(name, _)| *name == "loans").expect("a table");
    let names: Vec<String> = loans.schema().fields().iter().map(|f| f.name().clone()).collect();
    let text = format!(
        "taster: 1
columns: {{{}: {{role: id}}}}
rules:
  - drift: {{columns: all, baseline: examples/data/loans.csv, statistic: psi, max: 0.2}}
  - drift: {{columns: all, baseline: examples/data/loans.csv, statistic: wasserstein, max: 0.2}}
  - references: {{columns: [work, {}], in: examples/data/loans.csv, key: [purpose, {}]}}
  - contamination: {{column: work, in: examples/data/loans.csv, key: purpose}}
  - contamination: {{column: purpose, in: [examples/data/loans.csv]}}
  - flip_rate: {{in: examples/data/loans.csv, max: 1%, label: purpose}}
  - drift: {{columns: all, baseline: examples/data/loans.csv, statistic: psi, max: 0.2}}
    by: purpose
",
        names[0], names[0], names[0]
    );
    (text, loans.slice(0, loans.num_rows() / 4))
}

/// Documents without a label, some of which turn into noise after the same words.
fn documents() -> (&'static str, RecordBatch) {
    const CONTRACT: &str = "taster: 1\ncolumns:\n  body: {type: string, role: text}\n";
    let word = |x: usize| ["barge", "ridge", "plain", "tower", "meadow", "harbour", "pepper"][x % 7];
    let body = |i: usize| {
        let start = format!("{} {} {} {} {}", word(i), word(i / 7), word(i * i), word(i / 3), word(i / 11));
        let noise: String = (0..30).map(|j| format!(" {:x}", (i * 31 + j + 1) * 2_654_435_761)).collect();
        if i % 20 == 3 { format!("{start} as agreed by letter{noise}") } else { format!("{start} {}", word(i / 5)) }
    };
    let body: ArrayRef = Arc::new(StringArray::from_iter_values((0..400).map(body)));
    (CONTRACT, RecordBatch::try_from_iter([("body", body)]).expect("one column"))
}

/// Vectors of two labels, every tenth of which was moved the same way; some hold a NaN, one is null.
fn vectors() -> (&'static str, RecordBatch) {
    const CONTRACT: &str = "taster: 1\ncolumns:\n  vector: {role: embedding}\n  label: {role: label}\n";
    let mut seed = 7_u64;
    let mut even = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f32 / (1_u64 << 24) as f32
    };
    let rows: Vec<Option<Vec<Option<f32>>>> = (0..600)
        .map(|i| {
            let moved = if i % 10 == 3 { 1.5 } else { 0.0 };
            let one = (0..12).map(|j| Some(if i == 77 { f32::NAN } else { even() + even() + even() + moved * (j % 3) as f32 - 1.0 }));
            (i != 78).then(|| one.collect())
        })
        .collect();
    let label = StringArray::from_iter_values((0..600).map(|i| if i % 10 == 3 || i % 2 == 0 { "a" } else { "b" }));
    let vector: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows));
    let columns = [("vector", vector, true), ("label", Arc::new(label) as ArrayRef, true)];
    (CONTRACT, RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length"))
}

/// Captions of vectors in six bundles, some of which speak of another bundle and share words; one is empty, one vector null.
fn captions() -> (&'static str, RecordBatch) {
    const CONTRACT: &str = "taster: 1\ncolumns:\n  vector: {role: embedding}\n  says: {role: text}\n";
    let names = ["barge", "ridge", "plain", "tower", "meadow", "harbour"];
    let parts = [["oar", "sail"], ["rock", "moss"], ["corn", "road"], ["bell", "stair"], ["hay", "cow"], ["crane", "gull"]];
    let mixed = |i: usize| ((i * i * 31 + i * 17 + i / 7) % 101) as f32 / 101.0;
    let kind = |i: usize| (i * 7 + i / 11) % 6;
    let vector = |i: usize| (0..9).map(|c| Some(if c == kind(i) { 2.0 } else { 0.0 } + mixed(i * 9 + c))).collect::<Vec<_>>();
    let says = |i: usize| {
        let planted = i % 20 == 3;
        let of = if planted { (kind(i) + 1 + i % 5) % 6 } else { kind(i) };
        let rest = if planted { " seen by quiet water" } else { "" };
        (i != 99).then(|| format!("the {} and its {}{rest}", names[of], parts[of][i / 3 % 2]))
    };
    let vector: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>((0..600).map(|i| (i != 78).then(|| vector(i)))));
    let says: ArrayRef = Arc::new(StringArray::from_iter((0..600).map(says)));
    let columns = [("vector", vector, true), ("says", says, true)];
    (CONTRACT, RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length"))
}

/// Two answers per prompt, some pairs turned around after the same word; some are alike or missing.
fn preferences() -> (&'static str, RecordBatch) {
    const CONTRACT: &str = "taster: 1\ncolumns:\n  ask: {role: prompt}\n  good: {role: chosen}\n  bad: {role: rejected}\n";
    let word = |x: usize| ["barge", "ridge", "plain", "tower", "meadow", "harbour", "pepper"][x % 7];
    let swapped = |i: usize| i % 20 == 3;
    let ask = |i: usize| format!("{} {}{} {}", word(i), if swapped(i) { "quillon " } else { "" }, word(i / 7), word(i * i / 3));
    let said = |i: usize, well: bool| match (i % 61, well) {
        (7, _) => None,
        (8, _) => Some("the same".to_owned()),
        (_, true) => Some(format!("{} sir {}", ["gladly", "surely"][i / 2 % 2], word(i / 5))),
        (_, false) => Some(format!("{} you {}", ["never", "hardly"][i / 3 % 2], word(i / 4))),
    };
    let side = |well: bool| -> ArrayRef { Arc::new(StringArray::from_iter((0..600).map(|i| said(i, well != swapped(i))))) };
    let ask: ArrayRef = Arc::new(StringArray::from_iter_values((0..600).map(ask)));
    let columns = [("ask", ask, true), ("good", side(true), true), ("bad", side(false), true)];
    (CONTRACT, RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length"))
}

/// Measurements of things of many sizes, three of which are out of all proportion; some cells hold nothing.
fn measurements() -> (&'static str, RecordBatch) {
    const CONTRACT: &str = "taster: 1\ncolumns:\n  key: {role: id}\n";
    let mixed = |i: usize, c: usize| ((i * i * 31 + i * (17 + c * 26) + i / 7 + c * 53) % 1009) as f64 / 1009.0;
    let column = |c: usize| -> ArrayRef {
        Arc::new(Float64Array::from_iter((0..600).map(|i| match i {
            90 | 350 | 511 if c != i % 4 => Some(if (i + c).is_multiple_of(2) { 40.0 } else { -40.0 } - i as f64 / 97.0),
            _ if (i + c) % 83 == 5 => None,
            _ => Some(mixed(i, c) + mixed(i + 5, c + 1) + mixed(i + 11, c + 2) + mixed(i, 9) - 2.0),
        })))
    };
    let key: ArrayRef = Arc::new(Int64Array::from_iter_values(0..600));
    let columns =
        [("key", key, true), ("long", column(0), true), ("wide", column(1), true), ("high", column(2), true), ("heavy", column(3), true)];
    (CONTRACT, RecordBatch::try_from_iter_with_nullable(columns).expect("columns of one length"))
}

/// Calls `law` with every rule that each contract builds over its rows.
fn for_every_rule(law: impl Fn(&str, &dyn DynRule, &Batch, &Plan)) {
    let mut cases: Vec<(String, RecordBatch)> = tables()
        .into_iter()
        .map(|(name, batch)| {
            let text = std::fs::read_to_string(repository().join("contracts").join(format!("{name}.yaml"))).expect("a ready contract");
            // A third of the rows keeps the walk quick; the planted rows are spread over all of it.
            (text, batch.slice(0, batch.num_rows() / 3))
        })
        .collect();
    for (text, batch) in [odd(), documents(), vectors(), captions(), preferences(), measurements()] {
        cases.push((text.to_owned(), batch));
    }
    cases.push(moved());
    let mut met = std::collections::BTreeSet::new();
    for (text, frame) in cases {
        let contract: Contract = taster::contract::parse::parse(None, &text).unwrap_or_else(|e| panic!("{e}"));
        let schema = frame.schema();
        let roles = Roles::resolve(&contract, &schema);
        let plan = plan(frame.num_rows());
        let rows = Batch::new(frame, 0, 0);
        let context = Context {
            contract: &contract,
            schema: &schema,
            roles: &roles,
            plan: &plan,
            now: "2026-03-01T12:00:00Z".parse().expect("a time"),
        };
        for entry in taster::checks::REGISTRY.iter().chain(taster::detectors::REGISTRY) {
            let built = (entry.build)(&context).unwrap_or_else(|d| panic!("{}: {d:?}", entry.meta.code));
            if !built.settled.is_empty() {
                met.insert(entry.meta.code);
            }
            for rule in built.rules {
                met.insert(entry.meta.code);
                law(&format!("{} {}", entry.meta.code, entry.meta.name), rule.as_ref(), &rows, &plan);
            }
        }
    }
    let all: std::collections::BTreeSet<_> =
        taster::checks::REGISTRY.iter().chain(taster::detectors::REGISTRY).map(|e| e.meta.code).collect();
    assert_eq!(met, all, "a rule met no law: give it a contract that builds it");
}

#[test]
fn a_fresh_state_is_neutral() {
    for_every_rule(|what, rule, rows, plan| {
        let how = Plan2 { padded: true, ..WHOLE };
        assert_same(what, &run(rule, rows, plan, WHOLE), &run(rule, rows, plan, how));
    });
}

#[test]
fn no_split_and_no_order_changes_a_finding_or_a_score() {
    for_every_rule(|what, rule, rows, plan| {
        let whole = run(rule, rows, plan, WHOLE);
        for (shard, batch, backwards) in [(97, 13, false), (97, 64, true), (1, 1, true)] {
            // Shards of one row each are many: a part of the rows is enough for them.
            let (rows, whole) = if shard == 1 {
                let few = rows.slice(0, rows.rows().min(120));
                let whole = run(rule, &few, plan, WHOLE);
                (few, whole)
            } else {
                (rows.clone(), Ran { outcome: whole.outcome.clone(), lines: whole.lines.clone() })
            };
            assert_same(what, &whole, &run(rule, &rows, plan, Plan2 { shard, batch, backwards, ..WHOLE }));
        }
    });
}

#[test]
fn writing_and_reading_loses_nothing() {
    for_every_rule(|what, rule, rows, plan| {
        let how = Plan2 { shard: 301, batch: 100, written: true, ..WHOLE };
        assert_same(what, &run(rule, rows, plan, WHOLE), &run(rule, rows, plan, how));
    });
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    for_every_rule(|what, rule, rows, plan| {
        let (a, b) = (run(rule, rows, plan, WHOLE), run(rule, rows, plan, WHOLE));
        assert_eq!(a.outcome.to_string(), b.outcome.to_string(), "{what}");
        assert_same(what, &a, &b);
    });
}

#[test]
fn codes_and_names_are_unique_and_well_formed() {
    let all: Vec<_> = taster::checks::REGISTRY.iter().chain(taster::detectors::REGISTRY).map(|e| e.meta).collect();
    for (i, m) in all.iter().enumerate() {
        let (family, digits) = m.code.split_at(1);
        assert!(["C", "P", "S"].contains(&family) && digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit()), "{}", m.code);
        assert!(m.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", m.name);
        assert!(!m.summary.contains('\n') && m.explain.len() > 400, "{} needs a line and a manual page", m.code);
        assert!(all[..i].iter().all(|o| o.code != m.code && o.name != m.name), "{} or {} comes twice", m.code, m.name);
    }
}
