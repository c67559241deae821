//! Runs one rule over rows in memory, for the tests of detectors.

use crate::batch::Batch;
use crate::engine::memory::InMemory;
use crate::engine::{Engine, Silent, Sink};
use crate::error::Result;
use crate::rule::{Action, DynRule, Findings, Outcome, Plan};
use crate::source::Shard;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// Row, action, score, group, message.
pub type Line = (u64, Action, f32, String, String);

#[derive(Default)]
struct Lines(Mutex<Vec<Line>>);

impl Sink for Lines {
    type Part = Vec<Line>;
    fn part(&self, _: &Shard) -> Result<Vec<Line>> {
        Ok(Vec::new())
    }
    fn batch(&self, part: &mut Vec<Line>, batch: &Batch, findings: &Findings) -> Result<()> {
        let text = |i: u32| findings.string(i).map(|s| s.to_string()).unwrap_or_default();
        part.extend(findings.hits.iter().map(|h| (batch.row_id(h.row as usize).row, h.action, h.score, text(h.group), text(h.message))));
        Ok(())
    }
    fn append(&self, mut part: Vec<Line>) -> Result<()> {
        self.0.lock().unwrap().append(&mut part);
        Ok(())
    }
    fn columns(&self) -> Vec<String> {
        Vec::new()
    }
}

/// String columns as one file.
pub fn table(columns: &[(&str, Vec<Option<String>>)]) -> RecordBatch {
    let columns = columns.iter().map(|(n, v)| (*n, Arc::new(StringArray::from(v.clone())) as ArrayRef, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

pub fn run_split(rule: Box<dyn DynRule>, data: &RecordBatch, threads: usize, shard_rows: usize, batch_rows: usize) -> (Outcome, Vec<Line>) {
    let input = InMemory { files: vec![data.clone()], shard_rows, batch_rows };
    run_planned(rule, &input, data.num_rows() as u64, threads)
}

/// As if the data had so many rows.
pub fn run_planned(rule: Box<dyn DynRule>, input: &InMemory, rows: u64, threads: usize) -> (Outcome, Vec<Line>) {
    let plan = Plan { seed: 1, rows, memory: 1 << 30, false_alarms: 0.001, threads };
    let stop = AtomicBool::new(false);
    let engine = Engine::new(input, &plan, &Silent, &stop).unwrap();
    let rules = vec![rule];
    let learned = engine.learn(&rules).unwrap();
    let sink = Lines::default();
    engine.judge(&rules, &learned, &sink).unwrap();
    let outcome = learned.into_iter().next().unwrap().outcome;
    (outcome, sink.0.into_inner().unwrap())
}

pub fn run(rule: Box<dyn DynRule>, data: &RecordBatch) -> (Outcome, Vec<Line>) {
    run_split(rule, data, 1, 1 << 16, 1 << 15)
}

/// Rows that are to be taken out, each once.
pub fn quarantined(lines: &[Line]) -> Vec<u64> {
    let mut rows: Vec<u64> = lines.iter().filter(|l| l.1 == Action::Quarantine).map(|l| l.0).collect();
    rows.dedup();
    rows
}

/// A small generator with one value per seed on every platform.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed)
    }
    pub fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ z >> 31) % sides as u64) as usize
    }
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}

const THINGS: [&str; 24] = [
    "kettle", "garden", "harbour", "lantern", "bridge", "violin", "orchard", "window", "market", "ladder", "island", "pencil", "tractor",
    "blanket", "mirror", "river", "castle", "bakery", "engine", "carpet", "wagon", "theatre", "library", "compass",
];
const GOOD: [&str; 8] = ["splendid", "pleasant", "cheerful", "sturdy", "graceful", "reliable", "bright", "welcome"];
const BAD: [&str; 8] = ["dreary", "broken", "tedious", "flimsy", "gloomy", "clumsy", "faded", "bitter"];
const DEEDS: [&str; 10] = ["behind", "beside", "without", "near", "under", "after", "before", "around", "across", "against"];

/// A sentence of eight to twenty-odd words whose adjectives give its class away.
pub fn sentence(dice: &mut Dice, good: bool) -> String {
    let mut words = vec!["the"];
    for _ in 0..3 + dice.roll(5) {
        let mood: &[&str] = if good == (dice.roll(10) > 0) { &GOOD } else { &BAD };
        words.extend([*dice.pick(mood), *dice.pick(&THINGS), *dice.pick(&DEEDS), "the"]);
    }
    words.push(*dice.pick(&THINGS));
    words.join(" ")
}
