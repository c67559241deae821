//! `conflicting-duplicates` between near copies: texts that differ in a word or two and in their
//! label, a picture in another size or format, vectors in nearly the same direction. Which of them is wrong they cannot say, and a template with one telling slot makes honest
//! pairs by the thousand; so everything here is for review, and only where near copies usually agree.
//!
//! ```text
//! round 0  of vectors, their centre
//! round 1  smallest and largest label per band cell; labels of a sample of bands (do copies agree?)
//! round 2  contents in bands with two labels, whole bands at a time
//! finish   join contents that agree in 24 of 32 minima; groups with several labels stay
//! judge    a row whose content is in such a group
//! ```

use super::conflict::{CONFLICT, add_label, cells, code, normalise};
use super::inputs::Inputs;
use crate::batch::{Batch, Text};
use crate::detectors::unicode::{hash_label, label_text};
use crate::error::{Result, group_digits};
use crate::rule::{Action, Findings, Group, Meta, Outcome, Round, Rule, Severity, State, Status, Step};
use crate::sketch::minhash::{MINIMA, Signature, mix};
use crate::sketch::rotation::Sums;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Minima in a band: copies of similarity 0.8 share one of the eight bands in 98.5% of cases,
/// strangers of similarity 0.1 in 0.1%.
const WIDTH: usize = 4;
const BANDS: usize = MINIMA / WIDTH;
/// Contents compared within a band, those of smallest hash: the work per band is bounded.
const PER_BAND: usize = 64;
/// Band entries kept in round 2, whole bands of smallest hash first.
const KEPT: usize = 1 << 17;
/// Bands whose labels are counted exactly, and fewest of them with two rows that tell a custom.
const SAMPLE: usize = 1 << 14;
const LEAST_PAIRS: f64 = 20.0;
const LABELS: usize = 1000;
/// Near copies that disagree this often, measured by how often strangers do, say nothing about the label.
const CUSTOM: f64 = 0.5;
/// Conflicts in more rows than this are a template's slot rather than errors.
const NATURAL: f64 = 0.05;
const GROUPS: usize = 100;
const SHOWN: usize = 60;

#[derive(Debug, Clone)]
pub struct NearConflicts {
    pub(super) inputs: Inputs,
    pub(super) label: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Seen {
    /// Of vectors, in a round before the first.
    sums: Sums,
    rows: u64,
    low: Vec<u16>,
    high: Vec<u16>,
    /// Rows by label name, exact for as many labels as a class can have.
    names: BTreeMap<u64, (String, u64)>,
    /// Rows by label in the sampled bands.
    sample: BTreeMap<u64, BTreeMap<u64, u32>>,
    /// By band and content.
    kept: BTreeMap<(u64, u64), Kept>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    signature: Signature,
    shown: String,
    labels: BTreeMap<u64, u64>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Model {
    centre: Vec<f32>,
    rows: u64,
    low: Vec<u16>,
    high: Vec<u16>,
    names: BTreeMap<u64, String>,
    /// Content to its group.
    members: BTreeMap<u64, u32>,
    groups: Vec<Near>,
    conflicting_rows: u64,
    /// Why none is listed though there are some.
    silent: Option<String>,
    cut: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Near {
    key: String,
    message: String,
    labels: BTreeMap<u64, u64>,
}

impl State for Seen {
    fn merge(&mut self, other: Self) {
        self.sums.merge(other.sums);
        self.rows += other.rows;
        for ((low, high), (l, h)) in self.low.iter_mut().zip(&mut self.high).zip(other.low.into_iter().zip(other.high)) {
            add_label(low, high, l, h);
        }
        for (label, (name, n)) in other.names {
            self.names.entry(label).or_insert((name, 0)).1 += n;
        }
        shrink(&mut self.names, LABELS + 1);
        for (band, labels) in other.sample {
            let mine = self.sample.entry(band).or_default();
            for (label, n) in labels {
                *mine.entry(label).or_default() += n;
            }
        }
        shrink(&mut self.sample, SAMPLE);
        for (key, kept) in other.kept {
            match self.kept.get_mut(&key) {
                Some(mine) => {
                    for (label, n) in kept.labels {
                        *mine.labels.entry(label).or_default() += n;
                    }
                }
                None => {
                    self.kept.insert(key, kept);
                }
            }
        }
        shrink(&mut self.kept, KEPT);
    }
}

/// The smallest keys stay; what was dropped once can never come back with a wrong count.
fn shrink<K: Ord, V>(map: &mut BTreeMap<K, V>, limit: usize) {
    while map.len() > limit {
        map.pop_last();
    }
}

fn has_room<K: Ord, V>(map: &BTreeMap<K, V>, key: &K, limit: usize) -> bool {
    map.len() < limit || map.last_key_value().is_some_and(|(last, _)| key <= last)
}

fn band(s: &Signature, i: usize) -> u64 {
    s.minima[i * WIDTH..][..WIDTH].iter().fold(i as u64, |h, &m| mix(h ^ u64::from(m)))
}

impl NearConflicts {
    /// Every row with a label that can be compared: its content's hash, signature, label and how it begins.
    fn each(&self, batch: &Batch, centre: &[f32], mut f: impl FnMut(usize, u64, &Signature, &str, &str)) -> Result<()> {
        let labels = batch.column(&self.label).map(label_text).transpose()?;
        let Some(labels) = labels.as_ref().and_then(|a| Text::of(a.as_ref())) else { return Ok(()) };
        self.inputs.each(batch, centre, |row, content, signature, shown| {
            if let Some(name) = labels.get(row) {
                f(row, content, signature, name, shown);
            }
        });
        Ok(())
    }

    /// Labels per band cell and in a sample of the bands.
    fn count(&self, centre: &[f32], state: &mut Seen, batch: &Batch) -> Result<()> {
        let half = state.low.len() / 2;
        self.each(batch, centre, |_, _, s, name, _| {
            let label = hash_label(name);
            state.rows += 1;
            if let Some(known) = state.names.get_mut(&label) {
                known.1 += 1;
            } else if has_room(&state.names, &label, LABELS + 1) {
                state.names.insert(label, (name.to_owned(), 1));
                shrink(&mut state.names, LABELS + 1);
            }
            let code = code(label);
            let bands: [u64; BANDS] = std::array::from_fn(|i| band(s, i));
            for cell in bands.into_iter().flat_map(|band| cells(band, half)) {
                add_label(&mut state.low[cell], &mut state.high[cell], code, code);
            }
            let halves = self.inputs.halves(s);
            for &key in halves.as_ref().map_or(bands.as_slice(), |h| h.as_slice()) {
                if has_room(&state.sample, &key, SAMPLE) {
                    *state.sample.entry(key).or_default().entry(label).or_default() += 1;
                    shrink(&mut state.sample, SAMPLE);
                }
            }
        })
    }

    fn stage<'m>(&self, model: Option<&'m Model>) -> Stage<'m> {
        match model {
            None if self.inputs.have_centre() => Stage::Centre,
            None => Stage::Cells(&[]),
            Some(model) if model.low.is_empty() => Stage::Cells(&model.centre),
            Some(model) => Stage::Contents(model),
        }
    }
}

/// What a round looks for.
enum Stage<'m> {
    Centre,
    Cells(&'m [f32]),
    Contents(&'m Model),
}

impl Rule for NearConflicts {
    const META: Meta = CONFLICT;
    type State = Seen;
    type Model = Model;

    fn columns(&self) -> Vec<String> {
        self.inputs.columns().into_iter().chain([self.label.clone()]).collect()
    }

    fn start(&self, round: &Round<'_, Model>) -> Seen {
        // Two cells per band up to half a million rows; fuller tables send more rows to round 2.
        let half = round.plan.rows.saturating_mul(2 * BANDS as u64).next_power_of_two().clamp(1 << 12, 1 << 23) as usize;
        let cells = if matches!(self.stage(round.model), Stage::Cells(_)) { 2 * half } else { 0 };
        let (names, sample, kept) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Seen { sums: Sums::default(), rows: 0, low: vec![0; cells], high: vec![0; cells], names, sample, kept }
    }

    fn observe(&self, round: &Round<'_, Model>, state: &mut Seen, batch: &Batch) -> Result<()> {
        let model = match self.stage(round.model) {
            Stage::Centre => {
                self.inputs.sum(batch, &mut state.sums);
                return Ok(());
            }
            Stage::Cells(centre) => return self.count(centre, state, batch),
            Stage::Contents(model) => model,
        };
        let half = model.low.len() / 2;
        self.each(batch, &model.centre, |_, content, s, name, shown| {
            for i in 0..BANDS {
                let key = (band(s, i), content);
                if cells(key.0, half).into_iter().any(|c| model.low[c] == model.high[c]) || !has_room(&state.kept, &key, KEPT) {
                    continue;
                }
                let start = || {
                    let mut text = String::new();
                    normalise(&shown.chars().take(4 * SHOWN).collect::<String>(), &mut text);
                    Kept { signature: *s, shown: text.chars().take(SHOWN).collect(), labels: BTreeMap::new() }
                };
                *state.kept.entry(key).or_insert_with(start).labels.entry(hash_label(name)).or_default() += 1;
                shrink(&mut state.kept, KEPT);
            }
        })
    }

    fn finish(&self, round: &Round<'_, Model>, state: Seen) -> Result<Step<Model>> {
        let before = match self.stage(round.model) {
            Stage::Contents(model) => Some(model),
            Stage::Cells(_) => None,
            Stage::Centre => return Ok(Step::Again(Model { centre: state.sums.centre(), ..Model::default() })),
        };
        let Some(before) = before else {
            let centre = round.model.map(|m| m.centre.clone()).unwrap_or_default();
            let mut model = Model { rows: state.rows, centre, ..Model::default() };
            if state.names.len() > LABELS {
                model.silent = Some(format!("the label has more than {LABELS} values: not a class"));
                return Ok(Step::Done(model));
            }
            let disagreement = disagreement(&state);
            model.names = state.names.into_iter().map(|(label, (name, _))| (label, name)).collect();
            if disagreement >= CUSTOM {
                model.silent = Some(format!(
                    "near copies disagree {:.0}% as often as strangers: likeness says nothing about the label here",
                    100.0 * disagreement
                ));
            } else if state.low.iter().zip(&state.high).any(|(l, h)| l != h) {
                (model.low, model.high) = (state.low, state.high);
                return Ok(Step::Again(model));
            }
            return Ok(Step::Done(model));
        };
        let mut model = Model {
            centre: before.centre.clone(),
            rows: before.rows,
            names: before.names.clone(),
            cut: state.kept.len() >= KEPT,
            ..Model::default()
        };
        model.join(&state.kept, &self.inputs);
        if model.conflicting_rows as f64 > NATURAL * model.rows as f64 {
            model.silent = Some(format!(
                "more than {}% of the rows: here the label hangs on what copies differ in, such as the slot of a template",
                NATURAL * 100.0
            ));
        }
        Ok(Step::Done(model))
    }

    fn outcome(&self, model: &Model) -> Outcome {
        let listed = Rule::has_rows(self, model);
        let mut outcome = Outcome::new("conflicting near-duplicates", if listed { Status::Fail } else { Status::Pass });
        outcome.severity = Severity::Warning;
        outcome.tested = model.rows;
        outcome.failing = if listed { model.conflicting_rows } else { 0 };
        outcome.statistic = Some(model.conflicting_rows as f64);
        outcome.columns = Rule::columns(self);
        let found = format!("{} rows have near copies with another label", group_digits(model.conflicting_rows));
        let cut = if model.cut { ", of those looked at; there may be more" } else { "" };
        outcome.message = match &model.silent {
            Some(why) if model.groups.is_empty() => format!("not listed: {why}"),
            Some(why) => format!("{found}{cut}; not listed: {why}"),
            None if model.groups.is_empty() => "no near copies have two labels".to_owned(),
            None => format!("{found}{cut}"),
        };
        if listed {
            outcome.groups = model
                .groups
                .iter()
                .take(GROUPS)
                .map(|g| Group {
                    key: g.key.clone(),
                    action: Action::Review,
                    score: 0.3,
                    rows: g.labels.values().sum(),
                    with_label: g.labels.values().copied().max().unwrap_or(0),
                    label: None,
                    statistic: g.labels.len() as f64,
                    q_value: f64::NAN,
                    message: g.message.clone(),
                    reasons: vec!["near copies do not say which of their labels is wrong, and one word can decide it".to_owned()],
                })
                .collect();
        }
        outcome
    }

    fn has_rows(&self, model: &Model) -> bool {
        !model.groups.is_empty() && model.silent.is_none()
    }

    fn judge(&self, model: &Model, batch: &Batch, out: &mut Findings) -> Result<()> {
        self.each(batch, &model.centre, |row, content, _, name, _| {
            let Some(group) = model.members.get(&content).and_then(|&g| model.groups.get(g as usize)) else { return };
            let all: u64 = group.labels.values().sum();
            let mine = group.labels.get(&hash_label(name)).copied().unwrap_or(0);
            let (message, key) = (out.intern(&group.message), out.intern(&group.key));
            // Half of what equal copies would say: the word in which they differ may be the reason.
            let hit = out.push(row, Action::Review, (0.5 - 0.5 * mine as f64 / all.max(1) as f64) as f32, message);
            hit.group = key;
            hit.statistic = group.labels.len() as f64;
        })
    }
}

/// How often two rows of a band have different labels, over how often two rows of the data have: 0
/// where near copies always agree, 1 where they agree no more than strangers. 0 when too few bands
/// of the sample hold two rows.
fn disagreement(seen: &Seen) -> f64 {
    let differ = |counts: &mut dyn Iterator<Item = f64>| {
        let (mut n, mut squares) = (0.0, 0.0);
        for c in counts {
            n += c;
            squares += c * c;
        }
        (n > 1.0).then(|| (n * n - squares) / (n * (n - 1.0)))
    };
    let Some(strangers) = differ(&mut seen.names.values().map(|(_, n)| *n as f64)).filter(|d| *d > 0.0) else { return 0.0 };
    let bands: Vec<f64> = seen.sample.values().filter_map(|labels| differ(&mut labels.values().map(|n| f64::from(*n)))).collect();
    if (bands.len() as f64) < LEAST_PAIRS {
        return 0.0;
    }
    bands.iter().sum::<f64>() / bands.len() as f64 / strangers
}

impl Model {
    /// Joins the kept contents that are near copies, and keeps the groups with several labels. A
    /// content that has several labels itself is the exact rule's matter and joins nothing.
    fn join(&mut self, kept: &BTreeMap<(u64, u64), Kept>, inputs: &Inputs) {
        let (near, kind) = (inputs.near(), inputs.name());
        let mut contents: BTreeMap<u64, &Kept> = BTreeMap::new();
        for ((_, content), k) in kept {
            if k.labels.len() == 1 {
                contents.insert(*content, k);
            }
        }
        let index: BTreeMap<u64, usize> = contents.keys().enumerate().map(|(i, &c)| (c, i)).collect();
        let mut parent: Vec<usize> = (0..contents.len()).collect();
        fn root(parent: &mut [usize], mut i: usize) -> usize {
            while parent[i] != i {
                parent[i] = parent[parent[i]];
                i = parent[i];
            }
            i
        }
        let keys: Vec<(u64, u64)> = kept.keys().copied().collect();
        for bucket in keys.chunk_by(|a, b| a.0 == b.0) {
            let members: Vec<(usize, &Kept)> =
                bucket.iter().filter_map(|(_, c)| Some((*index.get(c)?, *contents.get(c)?))).take(PER_BAND).collect();
            for (at, (i, a)) in members.iter().enumerate() {
                for (j, b) in &members[at + 1..] {
                    if a.signature.agreement(&b.signature.minima) >= near {
                        let (x, y) = (root(&mut parent, *i), root(&mut parent, *j));
                        parent[x.max(y)] = x.min(y);
                    }
                }
            }
        }
        let list: Vec<(u64, &Kept)> = contents.into_iter().collect();
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for i in 0..list.len() {
            groups.entry(root(&mut parent, i)).or_default().push(i);
        }
        let mut found: Vec<(u64, Near, Vec<u64>)> = Vec::new();
        for members in groups.into_values().filter(|m| m.len() > 1) {
            let mut labels: BTreeMap<u64, u64> = BTreeMap::new();
            for (&label, &n) in members.iter().flat_map(|&i| &list[i].1.labels) {
                *labels.entry(label).or_default() += n;
            }
            if labels.len() < 2 {
                continue;
            }
            let (first, shown) = (list[members[0]].0, &list[members[0]].1.shown);
            let near = Near {
                key: if shown.is_empty() { format!("near {kind} {first:016x}") } else { format!("near {kind} {first:016x}: {shown}") },
                message: self.describe(&labels),
                labels,
            };
            found.push((first, near, members.iter().map(|&i| list[i].0).collect()));
        }
        let rows = |near: &Near| near.labels.values().sum::<u64>();
        found.sort_by(|a, b| rows(&b.1).cmp(&rows(&a.1)).then(a.0.cmp(&b.0)));
        for (g, (_, near, members)) in found.into_iter().enumerate() {
            self.conflicting_rows += rows(&near);
            self.members.extend(members.into_iter().map(|m| (m, g as u32)));
            self.groups.push(near);
        }
    }

    fn describe(&self, labels: &BTreeMap<u64, u64>) -> String {
        let mut all: Vec<(u64, &str)> = labels.iter().map(|(l, &n)| (n, self.names.get(l).map_or("?", String::as_str))).collect();
        all.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let all: Vec<String> = all.iter().take(4).map(|(n, l)| format!("{} × {l}", group_digits(*n))).collect();
        format!("near copies have several labels: {}", all.join(", "))
    }
}
