//! `conflicting-duplicates`: the same input under different labels. Which label is wrong the copies
//! cannot say, so nothing here is ever quarantined.
//!
//! ```text
//! round 1  per cell of two tables: smallest and largest label seen ──► cells with two labels
//! round 2  rows in such cells of both tables, exactly: content ──► label counts
//! judge    a row whose content has two labels
//! ```

use super::inputs::{Inputs, content, each_vector};
use super::near::NearConflicts;
use super::{text_columns, texts};
use crate::batch::{Batch, Text};
use crate::contract::Role;
use crate::detectors::unicode::{hash_label, label_text};
use crate::error::{Error, Result, group_digits};
use crate::features::image::for_each;
use crate::rule::{Action, Built, DynRule, Entry, Findings, Group, Meta, Outcome, Round, Rule, Severity, State, Status, Step};
use crate::sketch::minhash::mix;
use arrow::array::ArrayRef;
use arrow::row::{RowConverter, SortField};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

pub const CONFLICT: Meta = Meta {
    code: "P130",
    name: "conflicting-duplicates",
    summary: "the same input under different labels",
    explain: include_str!("conflict.md"),
    ids: &["MITRE ATLAS AML.T0020", "NIST AI 100-2e2025 NISTAML.013", "OWASP LLM04:2025"],
};

pub const CONFLICT_ENTRY: Entry = Entry {
    meta: CONFLICT,
    build: |context| {
        let role = |r: Role| context.roles.first(r).map(str::to_owned);
        let kind = match (role(Role::Label), role(Role::Chosen), role(Role::Rejected)) {
            (Some(label), _, _) => match Inputs::of(context) {
                Some(inputs) => Kind::Input { inputs, label },
                None => {
                    let features: Vec<String> = context.roles.all(Role::Feature).map(str::to_owned).collect();
                    if features.is_empty() || role(Role::Image).is_some() || role(Role::Embedding).is_some() {
                        return Ok(Built::not_tested("there are no texts, images, vectors or table of features to compare"));
                    }
                    Kind::Table { columns: features, label }
                }
            },
            (None, Some(chosen), Some(rejected)) => {
                let text = text_columns(context);
                if !text.contains(&chosen) || !text.contains(&rejected) {
                    return Ok(Built::not_tested(NOTHING_TO_DISAGREE));
                }
                let prompts = text.into_iter().filter(|c| *c != chosen && *c != rejected).collect();
                Kind::Pairs { prompts, chosen, rejected }
            }
            _ => return Ok(Built::not_tested(NOTHING_TO_DISAGREE)),
        };
        let near = match &kind {
            Kind::Input { inputs, label } => Some(NearConflicts { inputs: inputs.clone(), label: label.clone() }),
            Kind::Table { .. } | Kind::Pairs { .. } => None,
        };
        let mut built = Built::one(Conflicts { kind });
        built.rules.extend(near.map(|rule| Box::new(rule) as Box<dyn DynRule>));
        Ok(built)
    },
};

const NOTHING_TO_DISAGREE: &str = "no column has the role label, and there are no pairs of answers";
/// Contents with two labels that are kept, those of smallest hash.
const KEPT: usize = 1 << 18;
/// A label column with more distinct values is a number to predict or free text.
const LABELS: usize = 1000;
/// Of tables: conflicts in more rows than this are what columns of few values bring by nature.
const NATURAL: f64 = 0.01;
/// Of texts: above it the data holds several opinions per text on purpose.
const OPINIONS: f64 = 0.1;
/// Groups in the report, largest first.
const GROUPS: usize = 100;
/// Characters of a content that a group is shown by.
const SHOWN: usize = 60;

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Input {
        inputs: Inputs,
        label: String,
    },
    Table {
        columns: Vec<String>,
        label: String,
    },
    /// The same two answers, preferred one way and the other.
    Pairs {
        prompts: Vec<String>,
        chosen: String,
        rejected: String,
    },
}

impl Kind {
    fn label(&self) -> Option<&str> {
        match self {
            Kind::Input { label, .. } | Kind::Table { label, .. } => Some(label),
            Kind::Pairs { .. } => None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Conflicts {
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Seen {
    rows: u64,
    /// Smallest and largest label code per cell, two tables; 0 is empty.
    low: Vec<u16>,
    high: Vec<u16>,
    names: BTreeMap<u64, String>,
    kept: BTreeMap<u64, Content>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    /// How it begins; empty in tables.
    shown: String,
    labels: BTreeMap<u64, u64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Model {
    rows: u64,
    low: Vec<u16>,
    high: Vec<u16>,
    names: BTreeMap<u64, String>,
    conflicts: BTreeMap<u64, Content>,
    conflicting_rows: u64,
    /// The dataset has them by nature; no row is listed.
    natural: bool,
    /// More were there than could be kept.
    cut: bool,
}

fn keep_smallest<V>(map: &mut BTreeMap<u64, V>, limit: usize) {
    while map.len() > limit {
        map.pop_last();
    }
}

pub(super) fn cells(content: u64, half: usize) -> [usize; 2] {
    [content as usize & (half - 1), half + ((content >> 32) as usize & (half - 1))]
}

/// Two labels share a code once in 65,535 pairs.
pub(super) fn code(label: u64) -> u16 {
    (mix(label) % 65_535) as u16 + 1
}

pub(super) fn add_label(low: &mut u16, high: &mut u16, l: u16, h: u16) {
    if l != 0 {
        *low = if *low == 0 { l } else { (*low).min(l) };
        *high = (*high).max(h);
    }
}

impl State for Seen {
    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        for ((low, high), (l, h)) in self.low.iter_mut().zip(&mut self.high).zip(other.low.into_iter().zip(other.high)) {
            add_label(low, high, l, h);
        }
        self.names.extend(other.names);
        keep_smallest(&mut self.names, LABELS + 1);
        for (key, content) in other.kept {
            let mine = self.kept.entry(key).or_insert_with(|| Content { shown: content.shown, labels: BTreeMap::new() });
            for (label, n) in content.labels {
                *mine.labels.entry(label).or_default() += n;
            }
        }
        keep_smallest(&mut self.kept, KEPT);
    }
}

/// Lower case, single spaces, nothing unseen: what a reader would call the same text. Punctuation
/// stays, since `:)` and `:(` differ.
pub(super) fn normalise(text: &str, into: &mut String) {
    into.clear();
    let mut gap = false;
    for c in text.chars() {
        if c.is_whitespace() {
            gap = !into.is_empty();
        } else if !crate::features::unicode::is_unseen(c) {
            if gap {
                into.push(' ');
                gap = false;
            }
            if c.is_ascii() { into.push(c.to_ascii_lowercase()) } else { into.extend(c.to_lowercase()) }
        }
    }
}

fn hash_text(text: Option<&str>, seed: u64, scratch: &mut String) -> u64 {
    match text {
        Some(text) => {
            normalise(text, scratch);
            xxh3_64_with_seed(scratch.as_bytes(), seed)
        }
        None => mix(seed),
    }
}

impl Conflicts {
    /// Every row with a label: its content's hash, label, label's name and the beginning of the content.
    fn each(&self, batch: &Batch, mut f: impl FnMut(usize, u64, u64, &str, &str)) -> Result<()> {
        let mut scratch = String::new();
        let labels = self.kind.label().and_then(|name| batch.column(name)).map(label_text).transpose()?;
        let labels = labels.as_ref().and_then(|a| Text::of(a.as_ref()));
        let label = |row: usize| labels.as_ref().and_then(|l| l.get(row));
        match &self.kind {
            Kind::Input { inputs: Inputs::Texts(columns), .. } => {
                let texts = texts(columns, batch);
                for row in 0..batch.rows() {
                    let Some(name) = label(row) else { continue };
                    let (mut hash, mut any) = (0, false);
                    let mut shown = "";
                    for text in &texts {
                        let text = text.as_ref().and_then(|t| t.get(row)).map(str::trim).filter(|t| !t.is_empty());
                        any |= text.is_some();
                        shown = if shown.is_empty() { text.unwrap_or_default() } else { shown };
                        hash = hash_text(text, hash, &mut scratch);
                    }
                    if any {
                        f(row, hash, hash_label(name), name, shown);
                    }
                }
            }
            Kind::Table { columns, .. } => {
                let arrays: Vec<ArrayRef> = columns.iter().filter_map(|c| batch.column(c).cloned()).collect();
                let fields = arrays.iter().map(|a| SortField::new(a.data_type().clone())).collect();
                let converter = RowConverter::new(fields).map_err(Error::internal)?;
                let rows = converter.convert_columns(&arrays).map_err(Error::internal)?;
                for (row, bytes) in rows.iter().enumerate() {
                    if let Some(name) = label(row) {
                        f(row, xxh3_64(bytes.as_ref()), hash_label(name), name, "");
                    }
                }
            }
            Kind::Input { inputs: Inputs::Image(column), .. } => for_each(batch, column, |row, image| {
                if let (Some(Ok(raster)), Some(name)) = (image, label(row)) {
                    f(row, raster.content(), hash_label(name), name, "");
                }
            }),
            Kind::Input { inputs: Inputs::Vectors(column), .. } => each_vector(batch, column, |row, x| {
                if let Some(name) = label(row) {
                    f(row, content(x), hash_label(name), name, "");
                }
            }),
            Kind::Pairs { prompts, chosen, rejected } => {
                let prompts = texts(prompts, batch);
                let pair = texts(&[chosen.clone(), rejected.clone()], batch);
                for row in 0..batch.rows() {
                    let answer = |i: usize| pair.get(i).and_then(Option::as_ref).and_then(|t: &Text<'_>| t.get(row));
                    let (Some(yes), Some(no)) = (answer(0), answer(1)) else { continue };
                    let mut hash = 0;
                    for text in &prompts {
                        hash = hash_text(text.as_ref().and_then(|t| t.get(row)), hash, &mut scratch);
                    }
                    let (a, b) = (hash_text(Some(yes), 1, &mut scratch), hash_text(Some(no), 1, &mut scratch));
                    if a != b {
                        let order = if a < b { "one way" } else { "the other way" };
                        let shown = if a < b { yes } else { no };
                        f(row, mix(hash ^ mix(a.min(b)) ^ mix(a.max(b)).rotate_left(1)), hash_label(order), order, shown);
                    }
                }
            }
        }
        Ok(())
    }

    fn is_table(&self) -> bool {
        matches!(self.kind, Kind::Table { .. })
    }

    fn describe(&self, content: &Content, names: &BTreeMap<u64, String>) -> String {
        let mut labels: Vec<(u64, &str)> = content.labels.iter().map(|(l, &n)| (n, names.get(l).map_or("?", String::as_str))).collect();
        labels.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let labels: Vec<String> = labels.iter().take(4).map(|(n, l)| format!("{} × {l}", group_digits(*n))).collect();
        match self.kind {
            Kind::Pairs { .. } => format!("the same two answers are preferred both ways: {}", labels.join(", ")),
            _ => format!("the same input has several labels: {}", labels.join(", ")),
        }
    }
}

fn group_key(hash: u64, content: &Content) -> String {
    if content.shown.is_empty() { format!("same row {hash:016x}") } else { format!("same input {hash:016x}: {}", content.shown) }
}

impl Rule for Conflicts {
    const META: Meta = CONFLICT;
    type State = Seen;
    type Model = Model;

    fn columns(&self) -> Vec<String> {
        match &self.kind {
            Kind::Input { inputs, label } => inputs.columns().into_iter().chain([label.clone()]).collect(),
            Kind::Table { columns, label } => columns.iter().chain([label]).cloned().collect(),
            Kind::Pairs { prompts, chosen, rejected } => prompts.iter().chain([chosen, rejected]).cloned().collect(),
        }
    }

    fn start(&self, round: &Round<'_, Model>) -> Seen {
        // Four cells per row up to two million rows. Fuller tables only send more rows to round 2.
        let half = round.plan.rows.saturating_mul(4).next_power_of_two().clamp(1 << 12, 1 << 23) as usize;
        let cells = if round.number == 1 { 2 * half } else { 0 };
        Seen { rows: 0, low: vec![0; cells], high: vec![0; cells], names: BTreeMap::new(), kept: BTreeMap::new() }
    }

    fn observe(&self, round: &Round<'_, Model>, state: &mut Seen, batch: &Batch) -> Result<()> {
        match round.model {
            None => {
                let half = state.low.len() / 2;
                self.each(batch, |_, content, label, name, _| {
                    state.rows += 1;
                    for cell in cells(content, half) {
                        add_label(&mut state.low[cell], &mut state.high[cell], code(label), code(label));
                    }
                    state.names.entry(label).or_insert_with(|| name.to_owned());
                    keep_smallest(&mut state.names, LABELS + 1);
                })
            }
            Some(model) => {
                let half = model.low.len() / 2;
                self.each(batch, |_, content, label, _, shown| {
                    if cells(content, half).into_iter().any(|c| model.low[c] == model.high[c]) {
                        return;
                    }
                    if state.kept.len() >= KEPT && state.kept.last_key_value().is_some_and(|(&last, _)| content > last) {
                        return;
                    }
                    let start = || {
                        let mut text = String::new();
                        let beginning: String = shown.chars().take(4 * SHOWN).collect();
                        normalise(&beginning, &mut text);
                        Content { shown: text.chars().take(SHOWN).collect(), labels: BTreeMap::new() }
                    };
                    *state.kept.entry(content).or_insert_with(start).labels.entry(label).or_default() += 1;
                    keep_smallest(&mut state.kept, KEPT);
                })
            }
        }
    }

    fn finish(&self, round: &Round<'_, Model>, state: Seen) -> Result<Step<Model>> {
        let Some(before) = round.model else {
            let mut model = Model { rows: state.rows, names: state.names, ..Model::default() };
            if model.names.len() > LABELS || state.low.iter().zip(&state.high).all(|(l, h)| l == h) {
                return Ok(Step::Done(model));
            }
            (model.low, model.high) = (state.low, state.high);
            return Ok(Step::Again(model));
        };
        let cut = state.kept.len() >= KEPT;
        let conflicts: BTreeMap<u64, Content> = state.kept.into_iter().filter(|(_, c)| c.labels.len() > 1).collect();
        let conflicting_rows: u64 = conflicts.values().flat_map(|c| c.labels.values()).sum();
        let share = conflicting_rows as f64 / before.rows.max(1) as f64;
        let natural = share > if self.is_table() { NATURAL } else { OPINIONS };
        Ok(Step::Done(Model {
            rows: before.rows,
            names: before.names.clone(),
            conflicts,
            conflicting_rows,
            natural,
            cut,
            ..Model::default()
        }))
    }

    fn outcome(&self, model: &Model) -> Outcome {
        if model.names.len() > LABELS {
            return Outcome::new(CONFLICT.name, Status::NotTested(format!("the label has more than {LABELS} values: not a class")));
        }
        let listed = !model.conflicts.is_empty() && !model.natural;
        let mut outcome = Outcome::new(CONFLICT.name, if listed { Status::Fail } else { Status::Pass });
        outcome.severity = Severity::Warning;
        outcome.tested = model.rows;
        outcome.failing = if listed { model.conflicting_rows } else { 0 };
        outcome.statistic = Some(model.conflicting_rows as f64);
        outcome.columns = Rule::columns(self);
        let found = format!("{} rows share their input with another label", group_digits(model.conflicting_rows));
        let cut = if model.cut { ", of those looked at; there are more" } else { "" };
        outcome.message = match (model.conflicts.is_empty(), model.natural, self.is_table()) {
            (true, _, _) => "no input has two labels".to_owned(),
            (_, true, true) => {
                format!("{found}{cut}: more than {}%, as columns of few values bring by nature; not listed", NATURAL * 100.0)
            }
            (_, true, false) => {
                format!("{found}{cut}: more than {}%, so the data holds several opinions per input; not listed", OPINIONS * 100.0)
            }
            _ => format!("{found}{cut}"),
        };
        if listed {
            let mut groups: Vec<(&u64, &Content)> = model.conflicts.iter().collect();
            groups.sort_by_key(|(hash, c)| (std::cmp::Reverse(c.labels.values().sum::<u64>()), **hash));
            outcome.groups = groups
                .into_iter()
                .take(GROUPS)
                .map(|(&hash, c)| Group {
                    key: group_key(hash, c),
                    action: Action::Review,
                    score: 0.3,
                    rows: c.labels.values().sum(),
                    with_label: c.labels.values().copied().max().unwrap_or(0),
                    label: None,
                    statistic: c.labels.len() as f64,
                    q_value: f64::NAN,
                    message: self.describe(c, &model.names),
                    reasons: vec!["copies do not say which of their labels is wrong".to_owned()],
                })
                .collect();
        }
        outcome
    }

    fn has_rows(&self, model: &Model) -> bool {
        !model.conflicts.is_empty() && !model.natural
    }

    fn judge(&self, model: &Model, batch: &Batch, out: &mut Findings) -> Result<()> {
        self.each(batch, |row, content, label, _, _| {
            let Some(c) = model.conflicts.get(&content) else { return };
            let all: u64 = c.labels.values().sum();
            let mine = c.labels.get(&label).copied().unwrap_or(0);
            let (message, group) = (out.intern(&self.describe(c, &model.names)), out.intern(&group_key(content, c)));
            // The label that fewer copies have is the likelier error.
            let hit = out.push(row, Action::Review, (1.0 - mine as f64 / all as f64) as f32, message);
            hit.group = group;
            hit.statistic = c.labels.len() as f64;
        })
    }
}
