//! `duplicate-flood`: near copies of one row, far more of them than the corpus's own clusters
//! explain, all with one label.
//!
//! ```text
//! round 0  of vectors, their centre
//! round 1  count band keys in a sketch; count a sample of keys exactly (the corpus's own clusters)
//! round 2  keep rows with two or more heavy bands, once per content, with their labels
//!          (of up to 2^18 rows round 1 remembers all, and there is no second)
//! finish   cluster them, compare each cluster's size with what the others foretell
//! judge    a row whose signature agrees with a cluster's core belongs to it
//! ```

use super::inputs::Inputs;
use super::texts;
use crate::batch::{Batch, Text};
use crate::contract::Role;
use crate::detectors::unicode::{hash_label, label_text};
use crate::error::{Result, group_digits};
use crate::rule::{Action, Built, Entry, Findings, Floor, Group, Meta, Outcome, Round, Rule, State, Status, Step};
use crate::sketch::minhash::{MINIMA, Signature, mix};
use crate::sketch::rotation::Sums;
use crate::stats::intervals::{Z95, wilson};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub const FLOOD: Meta = Meta {
    code: "P131",
    name: "duplicate-flood",
    summary: "near copies of one row, far more than the corpus's own clusters explain",
    explain: include_str!("flood.md"),
    ids: &["MITRE ATLAS AML.T0020", "NIST AI 100-2e2025 NISTAML.013", "OWASP LLM04:2025"],
};

pub const FLOOD_ENTRY: Entry = Entry {
    meta: FLOOD,
    build: |context| {
        Ok(match Inputs::of(context) {
            Some(inputs) => Built::one(Flood { inputs, label: context.roles.first(Role::Label).map(str::to_owned) }),
            None => Built::not_tested(
                "no column holds text, images or vectors; in tables of few columns duplicates are natural, and there is no measure of near copies",
            ),
        })
    },
};

/// Fewest rows of a cluster that is called a flood.
const LEAST_ROWS: u64 = 12;
/// Bands seen less often than this never make a cluster of that size: a band of two minima is
/// shared by at least half of near copies that differ in one word of ten.
const LEAST_BAND: u16 = 5;
/// A core needs a gap: at most a tenth as many rows within this many minima below the agreement
/// that makes a member as there are members. The agreement rises to find it.
const RING: usize = 4;
/// Clusters of that size that the corpus's own would foretell, at most. Honest families of forms on clean parts of
/// six corpora reached 0.016; a flood of 35 copies in 6,900 sentences foretells 0.0002.
const EXPECTED: f64 = 0.01;
/// Rows shorter than this are alike by chance or custom.
const LEAST_WORDS: u32 = 6;
/// Lower bound of the share of the cluster's rows with one label.
const PURITY: f64 = 0.75;

/// A form that is filled in: of what its rows lose, at most this share is lost to edits of what they share, and their
/// agreement is at least so uneven. Of 100 floods of 30 copies, each with its random edits, in five corpora, one passes
/// for a form; eight honest families of 15 to 680 descriptions have at most 0.05, and 0.12 or more.
const EDITED: f64 = 0.08;
const FORM: f64 = 0.10;
/// Contents from which the shares are known well enough to leave places out.
const ROBUST: f64 = 30.0;
/// Share of the contents that makes a variant of a frame, and variants that are told apart at most.
const VARIANT: f64 = 0.2;
const VARIANTS: usize = 8;

/// Keys counted exactly: those of smallest hash.
const SAMPLE: usize = 1 << 16;
/// Contents kept in round 2, and heavy cells that are worth it.
const KEPT: usize = 1 << 16;
/// Rows up to which all signatures are remembered, 40 MB at most: to make them once more costs more.
const ALL: u64 = 1 << 18;
const LABELS: usize = 4096;
/// Clusters looked at, those of the most frequent bands first.
const CLUSTERS: usize = 256;

#[derive(Debug, Clone)]
pub struct Flood {
    pub(super) inputs: Inputs,
    pub(super) label: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Seen {
    /// Of vectors, in a round before the first.
    sums: Sums,
    rows: u64,
    /// Count-min of two rows of cells, saturating: round 1.
    cells: Vec<u16>,
    sample: BTreeMap<u64, u32>,
    names: BTreeMap<u64, String>,
    /// Signature and label of every row, in any order, where there are few.
    all: Vec<(Signature, u64)>,
    kept: BTreeMap<u64, Kept>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    signature: Signature,
    /// Rows by label; 0 is none.
    labels: BTreeMap<u64, u64>,
}

impl Kept {
    fn rows(&self) -> u64 {
        self.labels.values().sum()
    }
}

/// Keeps the `limit` smallest keys; merging or reordering cannot bring a key back with a wrong count.
fn keep_smallest<V>(map: &mut BTreeMap<u64, V>, limit: usize) {
    while map.len() > limit {
        map.pop_last();
    }
}

/// True when the key would be kept, so that nothing is made for one that would not.
fn has_room<V>(map: &BTreeMap<u64, V>, key: u64, limit: usize) -> bool {
    map.len() < limit || map.last_key_value().is_some_and(|(&last, _)| key <= last)
}

impl Seen {
    fn add(&mut self, inputs: &Inputs, s: &Signature) {
        let half = self.cells.len() / 2;
        for band in 0..inputs.bands().0 {
            let key = inputs.band(s, band);
            for cell in cells(key, half) {
                self.cells[cell] = self.cells[cell].saturating_add(1);
            }
        }
        let key = sample_key(inputs, s);
        if has_room(&self.sample, key, SAMPLE) {
            *self.sample.entry(key).or_default() += 1;
            keep_smallest(&mut self.sample, SAMPLE);
        }
    }

    fn keep(&mut self, s: &Signature, label: u64) {
        let key = mix(s.exact);
        if has_room(&self.kept, key, KEPT) {
            let kept = self.kept.entry(key).or_insert_with(|| Kept { signature: *s, labels: BTreeMap::new() });
            *kept.labels.entry(label).or_default() += 1;
            keep_smallest(&mut self.kept, KEPT);
        }
    }
}

fn cells(key: u64, half: usize) -> [usize; 2] {
    [key as usize & (half - 1), half + ((key >> 32) as usize & (half - 1))]
}

/// Of texts three minima: near copies share it mostly, rows with common words never.
fn sample_key(inputs: &Inputs, s: &Signature) -> u64 {
    if !inputs.are_texts() {
        return inputs.band(s, 0);
    }
    mix(s.band(0) ^ u64::from(s.minima[2]).rotate_left(17))
}

impl State for Seen {
    fn merge(&mut self, other: Self) {
        self.sums.merge(other.sums);
        self.rows += other.rows;
        for (a, b) in self.cells.iter_mut().zip(other.cells) {
            *a = a.saturating_add(b);
        }
        for (key, n) in other.sample {
            *self.sample.entry(key).or_default() += n;
        }
        keep_smallest(&mut self.sample, SAMPLE);
        self.names.extend(other.names);
        keep_smallest(&mut self.names, LABELS);
        self.all.extend(other.all);
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
        keep_smallest(&mut self.kept, KEPT);
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Model {
    /// Of vectors; nothing else is known after the round before the first.
    centre: Vec<f32>,
    rows: u64,
    /// Between the rounds only.
    cells: Vec<u16>,
    heavy: u16,
    sample: BTreeMap<u64, u32>,
    names: BTreeMap<u64, String>,
    clusters: Vec<Cluster>,
    /// Smallest cluster that would have been found.
    floor: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Cluster {
    core: [u32; MINIMA],
    near: usize,
    rows: u64,
    label: Option<u64>,
    with_label: u64,
    expected: f64,
    action: Action,
    score: f64,
    key: String,
    message: String,
    reasons: Vec<String>,
}

impl Model {
    /// Whether enough bands are as frequent as those of a flood.
    fn is_heavy(&self, inputs: &Inputs, s: &Signature) -> bool {
        let half = self.cells.len() / 2;
        let heavy = |band: &usize| cells(inputs.band(s, *band), half).into_iter().all(|c| self.cells[c] >= self.heavy);
        let (bands, wanted) = inputs.bands();
        (0..bands).filter(heavy).nth(wanted - 1).is_some()
    }
}

impl Flood {
    fn learned(&self, before: &Model, kept: &BTreeMap<u64, Kept>) -> Model {
        Model {
            centre: before.centre.clone(),
            rows: before.rows,
            heavy: before.heavy,
            names: before.names.clone(),
            floor: before.floor,
            clusters: self.clusters(kept, before),
            ..Model::default()
        }
    }
    fn each(&self, batch: &Batch, centre: &[f32], mut f: impl FnMut(usize, &Signature, Option<&str>)) -> Result<()> {
        let labels = self.label.as_deref().and_then(|n| batch.column(n)).map(label_text).transpose()?;
        let labels = labels.as_ref().and_then(|a| Text::of(a.as_ref()));
        let label = |row| labels.as_ref().and_then(|l| l.get(row));
        let Inputs::Texts(columns) = &self.inputs else {
            self.inputs.each(batch, centre, |row, _, s, _| f(row, s, label(row)));
            return Ok(());
        };
        let texts = texts(columns, batch);
        for row in 0..batch.rows() {
            let cells = texts.iter().map(|t| t.as_ref().and_then(|t| t.get(row)));
            if let Some(s) = Signature::of(cells) {
                f(row, &s, label(row));
            }
        }
        Ok(())
    }
    fn stage<'m>(&self, round: &Round<'m, Model>) -> Stage<'m> {
        match round.model {
            None if self.inputs.have_centre() => Stage::Centre,
            None => Stage::Count(&[]),
            Some(model) if model.rows == 0 => Stage::Count(&model.centre),
            Some(model) => Stage::Keep(model),
        }
    }
}

enum Stage<'m> {
    Centre,
    Count(&'m [f32]),
    Keep(&'m Model),
}

impl Rule for Flood {
    const META: Meta = FLOOD;
    type State = Seen;
    type Model = Model;

    fn columns(&self) -> Vec<String> {
        self.inputs.columns().into_iter().chain(self.label.clone()).collect()
    }

    fn start(&self, round: &Round<'_, Model>) -> Seen {
        // Half a cell per key up to a million rows; beyond that the threshold rises instead.
        let keys = round.plan.rows.saturating_mul(self.inputs.bands().0 as u64);
        let half = (keys / 2).next_power_of_two().clamp(1 << 14, 1 << 23) as usize;
        let cells = if let Stage::Count(_) = self.stage(round) { vec![0; 2 * half] } else { Vec::new() };
        let (sample, names, kept) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Seen { sums: Sums::default(), rows: 0, cells, sample, names, all: Vec::new(), kept }
    }

    fn observe(&self, round: &Round<'_, Model>, state: &mut Seen, batch: &Batch) -> Result<()> {
        match self.stage(round) {
            Stage::Centre => {
                self.inputs.sum(batch, &mut state.sums);
                Ok(())
            }
            Stage::Count(centre) => {
                state.rows += batch.rows() as u64;
                self.each(batch, centre, |_, s, label| {
                    state.add(&self.inputs, s);
                    if round.plan.rows <= ALL {
                        state.all.push((*s, label.map_or(0, hash_label)));
                    }
                    if let Some(label) = label {
                        let hash = hash_label(label);
                        if has_room(&state.names, hash, LABELS) && !state.names.contains_key(&hash) {
                            state.names.insert(hash, label.to_owned());
                            keep_smallest(&mut state.names, LABELS);
                        }
                    }
                })
            }
            Stage::Keep(model) => self.each(batch, &model.centre, |_, s, label| {
                if model.is_heavy(&self.inputs, s) {
                    state.keep(s, label.map_or(0, hash_label));
                }
            }),
        }
    }

    fn finish(&self, round: &Round<'_, Model>, mut state: Seen) -> Result<Step<Model>> {
        let centre = match self.stage(round) {
            Stage::Centre => return Ok(Step::Again(Model { centre: state.sums.centre(), ..Model::default() })),
            Stage::Keep(before) => return Ok(Step::Done(self.learned(before, &state.kept))),
            Stage::Count(centre) => centre.to_vec(),
        };
        let (sample, names) = (std::mem::take(&mut state.sample), std::mem::take(&mut state.names));
        let mut model = Model { centre, rows: state.rows, sample, names, ..Model::default() };
        model.heavy = heavy(&state.cells[..state.cells.len() / 2]);
        let tail = Tail::without(&model.sample, &BTreeSet::new());
        model.floor = (LEAST_ROWS.max(u64::from(model.heavy))..100_000).find(|&n| tail.expected(n) <= EXPECTED);
        if state.rows == 0 || state.cells.iter().all(|&c| c < model.heavy) {
            model.sample = BTreeMap::new();
            return Ok(Step::Done(model));
        }
        model.cells = std::mem::take(&mut state.cells);
        if round.plan.rows > ALL {
            return Ok(Step::Again(model));
        }
        for (s, label) in std::mem::take(&mut state.all).into_iter().filter(|(s, _)| model.is_heavy(&self.inputs, s)) {
            state.keep(&s, label);
        }
        Ok(Step::Done(self.learned(&model, &state.kept)))
    }

    fn outcome(&self, model: &Model) -> Outcome {
        let mut outcome = Outcome::new(FLOOD.name, if model.clusters.is_empty() { Status::Pass } else { Status::Fail });
        if model.clusters.iter().all(|c| c.action == Action::Review) {
            outcome.severity = crate::rule::Severity::Warning;
        }
        outcome.tested = model.rows;
        outcome.failing = model.clusters.iter().map(|c| c.rows).sum();
        outcome.columns = self.inputs.columns();
        outcome.message = match model.clusters.len() {
            0 => "no cluster of near copies stands out from the corpus's own".to_owned(),
            n => format!("{} of near copies", crate::error::plural(n, "cluster")),
        };
        outcome.groups = model
            .clusters
            .iter()
            .map(|c| Group {
                key: c.key.clone(),
                action: c.action,
                score: c.score,
                rows: c.rows,
                with_label: c.with_label,
                label: c.label.and_then(|l| model.names.get(&l)).cloned(),
                statistic: c.rows as f64,
                q_value: c.expected,
                message: c.message.clone(),
                reasons: c.reasons.clone(),
            })
            .collect();
        let rows = model.floor.filter(|_| self.inputs.are_texts());
        let reason = Some(match rows {
            _ if !self.inputs.are_texts() => "near copies of pictures and vectors are listed for review only".to_owned(),
            None => "the corpus's own clusters of near copies are as large as any flood".to_owned(),
            Some(_) => "near copies with one label, given the corpus's own clusters".to_owned(),
        });
        outcome.floor = vec![Floor { family: "near copies".to_owned(), rows, reason, ..Floor::default() }];
        outcome
    }

    fn has_rows(&self, model: &Model) -> bool {
        !model.clusters.is_empty()
    }

    fn judge(&self, model: &Model, batch: &Batch, out: &mut Findings) -> Result<()> {
        // Which clusters have that minimum at that place.
        let mut index: HashMap<(usize, u32), Vec<usize>> = HashMap::new();
        for (c, cluster) in model.clusters.iter().enumerate() {
            for (i, &m) in cluster.core.iter().enumerate() {
                index.entry((i, m)).or_default().push(c);
            }
        }
        let mut votes = vec![0usize; model.clusters.len()];
        self.each(batch, &model.centre, |row, s, label| {
            votes.fill(0);
            for (i, &m) in s.minima.iter().enumerate() {
                for &c in index.get(&(i, m)).into_iter().flatten() {
                    votes[c] += 1;
                }
            }
            // The nearest cluster; of equals the first, which is the largest.
            let Some((c, &n)) = votes.iter().enumerate().max_by_key(|&(c, &n)| (n, std::cmp::Reverse(c))) else { return };
            let cluster = &model.clusters[c];
            if n < cluster.near {
                return;
            }
            let with = cluster.label.is_some() && label.map(hash_label) == cluster.label;
            let action = if with { cluster.action } else { Action::Review };
            let (message, group) = (out.intern(&cluster.message), out.intern(&cluster.key));
            let hit = out.push(row, action, if action == Action::Quarantine { cluster.score } else { 0.3 } as f32, message);
            hit.group = group;
            (hit.statistic, hit.q_value) = (n as f64 / MINIMA as f64, cluster.expected);
        })
    }
}

/// Smallest count that few enough cells reach: in a large corpus the sketch fills up, and only larger
/// floods stand out of it.
fn heavy(cells: &[u16]) -> u16 {
    let mut histogram = vec![0usize; usize::from(u16::MAX) + 1];
    for &c in cells {
        histogram[usize::from(c)] += 1;
    }
    let mut above = 0;
    for count in (usize::from(LEAST_BAND)..histogram.len()).rev() {
        above += histogram[count];
        if above > KEPT {
            return (count + 1).min(usize::from(u16::MAX)) as u16;
        }
    }
    LEAST_BAND
}

/// How many of the corpus's clusters reach a size: 2, 4, 8, ... rows, estimated from the sample.
struct Tail {
    octaves: [f64; 32],
    /// Share of all keys that the sample holds.
    fraction: f64,
}

impl Tail {
    /// Of all sampled keys but a cluster's own.
    fn without(sample: &BTreeMap<u64, u32>, own: &BTreeSet<u64>) -> Tail {
        let fraction = match sample.last_key_value() {
            Some((&last, _)) if sample.len() >= SAMPLE => (last as f64 / u64::MAX as f64).max(f64::MIN_POSITIVE),
            _ => 1.0,
        };
        let mut octaves = [0.0; 32];
        for (_, n) in sample.iter().filter(|(key, n)| **n > 1 && !own.contains(key)) {
            for octave in &mut octaves[1..=n.ilog2() as usize] {
                *octave += 1.0;
            }
        }
        Tail { octaves, fraction }
    }

    /// How many clusters of at least `rows` rows the others foretell: the counts by octave, continued
    /// by their own slope (a Pareto tail, slope between 1 and 4) from the last octave below `rows`
    /// that five or more clusters reach.
    fn expected(&self, rows: u64) -> f64 {
        let reach = |octave: usize| self.octaves.get(octave).copied().unwrap_or(0.0);
        let (mut at, mut here) = (1, reach(1));
        // Too few clusters to know a tail: take five pairs and the steepest one, under which
        // [`LEAST_ROWS`] rows are enough.
        let mut slope: f64 = 4.0;
        if here < 5.0 {
            here = 5.0;
        } else {
            slope = (here / reach(2).max(1.0)).log2();
            while 1u64 << (at + 1) <= rows && reach(at + 1) >= 5.0 {
                slope = (here / reach(at + 1)).log2();
                (at, here) = (at + 1, reach(at + 1));
            }
        }
        here / self.fraction * (rows as f64 / (1u64 << at) as f64).powf(-slope.clamp(1.0, 4.0))
    }
}

impl Flood {
    fn clusters(&self, kept: &BTreeMap<u64, Kept>, before: &Model) -> Vec<Cluster> {
        let rows: Vec<&Kept> = kept.values().collect();
        // When there were more contents than could be kept, this share of them was.
        let share = match kept.last_key_value() {
            Some((&last, _)) if kept.len() >= KEPT => (last as f64 / u64::MAX as f64).max(f64::MIN_POSITIVE),
            _ => 1.0,
        };
        let mut clusters: Vec<Cluster> =
            gather(&rows, &self.inputs).iter().filter_map(|cluster| self.weigh(cluster, share, before)).collect();
        clusters.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.core.cmp(&b.core)));
        clusters.truncate(CLUSTERS);
        clusters
    }

    fn weigh(&self, found: &Gathered<'_>, share: f64, before: &Model) -> Option<Cluster> {
        let Gathered { core, near, members } = found;
        let mut labels: BTreeMap<u64, u64> = BTreeMap::new();
        for (&label, &n) in members.iter().flat_map(|k| &k.labels) {
            *labels.entry(label).or_default() += n;
        }
        let seen: u64 = labels.values().sum();
        // Every content has at least one row; only contents were sampled.
        let rows = (seen as f64 / share) as u64;
        if seen < LEAST_ROWS {
            return None;
        }
        let own: BTreeSet<u64> = members.iter().map(|k| sample_key(&self.inputs, &k.signature)).collect();
        let expected = Tail::without(&before.sample, &own).expected(rows);
        if expected > EXPECTED {
            return None;
        }
        if middle(members.iter().map(|k| k.signature.words).collect()) < LEAST_WORDS {
            return None;
        }
        let (label, with_label) = labels
            .iter()
            .filter(|(l, _)| **l != 0)
            .max_by_key(|&(l, n)| (*n, std::cmp::Reverse(*l)))
            .map_or((None, 0), |(&l, &n)| (Some(l), n));
        let purity = wilson(with_label as f64, seen as f64, Z95).0;
        let known = before.names.len() < LABELS;
        let mut reasons = Vec::new();
        if label.is_none() || !known {
            reasons.push("there is no class that it could flood".to_owned());
        } else if purity < PURITY {
            reasons.push("the copies do not agree on a label".to_owned());
        }
        if !self.inputs.are_texts() {
            reasons.push("it may be one scene or one source, which comes in many rows by nature".to_owned());
        }
        // A frame with a few fillings only, each of them frequent, is several floods at once.
        if self.inputs.are_texts() && is_form(members, VARIANTS) && members.len() as u64 >= LEAST_ROWS && 2 * members.len() as u64 >= seen {
            reasons
                .push("the copies share a frame and differ in the same places, as a filled-in form does: they have no original".to_owned());
        }
        let action = if reasons.is_empty() { Action::Quarantine } else { Action::Review };
        let contents = members.len() as u64;
        let with = match label.and_then(|l| before.names.get(&l)) {
            Some(name) => format!(", {} of them labelled {name:?}", group_digits(with_label)),
            None => String::new(),
        };
        let identity = core.iter().fold(0u64, |h, &m| mix(h ^ u64::from(m)));
        Some(Cluster {
            key: format!("near copies {:08x}", identity as u32),
            message: format!(
                "{} near copies of one {} in {} {}{with}; the corpus's other clusters foretell {expected:.2} of that size",
                group_digits(seen),
                if self.inputs.are_texts() { "row" } else { self.inputs.name() },
                group_digits(contents),
                if self.inputs.are_texts() { "wordings" } else { "versions" },
            ),
            core: *core,
            near: *near,
            rows: seen,
            label,
            with_label,
            expected,
            action,
            score: if action == Action::Quarantine { purity * (1.0 - expected) } else { 0.3 },
            reasons,
        })
    }
}

fn middle(mut values: Vec<u32>) -> u32 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// The most frequent minimum at each place, contents counted once; of equals the smallest.
fn core(members: &[&Kept]) -> [u32; MINIMA] {
    std::array::from_fn(|i| most_frequent(members, i, |_| true).map_or(0, |(_, minimum)| minimum))
}

/// Of the minima at a place that are asked for, the most frequent, after how many contents have it; of equals the smallest.
fn most_frequent(members: &[&Kept], place: usize, asked: impl Fn(u32) -> bool) -> Option<(usize, u32)> {
    let mut column: Vec<u32> = members.iter().map(|k| k.signature.minima[place]).filter(|m| asked(*m)).collect();
    column.sort_unstable();
    let runs = column.chunk_by(|a, b| a == b);
    runs.max_by_key(|r| (r.len(), std::cmp::Reverse(r[0]))).map(|r| (r.len(), r[0]))
}

/// How the contents of a cluster agree with its core.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Places {
    /// Share of the variance of agreement that lies between the places: 0 where every place is hit
    /// alike, 1 where each agrees in all contents or in none (Wright's fixation index, less what so
    /// few contents bring by chance).
    unity: f64,
    /// Of what is lost at a place, on average, the share that would be lost at one whose minimum nothing undercuts.
    edited: f64,
    /// The same by those of the places that a variant of the frame has as well.
    edited_of_most: f64,
}

impl Places {
    fn of(members: &[&Kept], core: &[u32; MINIMA]) -> Places {
        let n = members.len() as f64;
        let mut shares = [0.0; MINIMA];
        for (i, share) in shares.iter_mut().enumerate() {
            *share = members.iter().filter(|k| k.signature.minima[i] == core[i]).count() as f64 / n.max(1.0);
        }
        let agreement = shares.iter().sum::<f64>() / MINIMA as f64;
        let all = agreement * (1.0 - agreement);
        let between = shares.iter().map(|s| (s - agreement).powi(2)).sum::<f64>() / MINIMA as f64;
        let unity = if all > 0.0 && n > 1.0 { (between / all - 1.0 / n) / (1.0 - 1.0 / n) } else { 0.0 };
        let [edited, edited_of_most] = edits(&shares, core, n).map(|e| if agreement < 1.0 { e / (1.0 - agreement) } else { 1.0 });
        Places { unity, edited, edited_of_most }
    }
}

/// Copies of one row with random edits lose each of its word pairs about equally often. The fillings of a form share
/// its frame always and the rest never, and a place of the frame is lost only where a filling's pair is smaller by
/// chance: they have no original. If not all are one form, variants of a frame are each looked at for themselves: where a
/// second minimum is frequent at a place, the contents that have it are one.
fn is_form(members: &[&Kept], variants: usize) -> bool {
    let core = core(members);
    let places = Places::of(members, &core);
    let fits = |edited: f64| places.unity >= FORM && edited <= EDITED;
    if fits(places.edited) {
        return true;
    }
    let second = (0..MINIMA).filter_map(|i| most_frequent(members, i, |m| m != core[i]).map(|(n, minimum)| (n, i, minimum)));
    match second.max_by_key(|&(n, i, _)| (n, std::cmp::Reverse(i))) {
        Some((n, i, minimum)) if variants > 1 && n as u64 >= LEAST_ROWS && n as f64 >= VARIANT * members.len() as f64 => {
            let (one, rest): (Vec<&Kept>, Vec<&Kept>) = members.iter().partition(|k| k.signature.minima[i] == minimum);
            is_form(&one, variants / 2) && is_form(&rest, variants - variants / 2)
        }
        _ => fits(places.edited_of_most),
    }
}

/// How often a shared pair is itself edited away. A minimum `m` (of 1) stays with probability `(1 - edits) (1 - m)^foreign`
/// where `foreign` pairs of a row's own compete with it: a line in logarithms, fitted to all places by weighted least squares,
/// and again without the quarter of them that lie lowest under it, which a variant of the frame may not have.
fn edits(shares: &[f64; MINIMA], core: &[u32; MINIMA], contents: f64) -> [f64; 2] {
    let half = 0.5 / contents.max(1.0);
    let point = |(share, minimum): (&f64, &u32)| {
        let x = (-f64::from(*minimum) / (f64::from(u32::MAX) + 1.0)).ln_1p();
        // The weight is the inverse variance of the logarithm of a binomial share.
        (x, share.clamp(half, 1.0).ln(), share * contents / (1.0 - share + half))
    };
    let mut points: Vec<(f64, f64, f64)> = shares.iter().zip(core).map(point).collect();
    let (intercept, slope) = line(&points);
    let all = 1.0 - intercept.exp();
    if contents < ROBUST {
        return [all; 2];
    }
    let under = |p: &(f64, f64, f64)| (p.1 - intercept - slope * p.0) * p.2.sqrt();
    points.sort_by(|a, b| under(a).total_cmp(&under(b)));
    [all, all.min(1.0 - line(&points[MINIMA / 4..]).0.exp())]
}

/// Intercept and slope of weighted least squares over `(x, y, weight)`.
pub(super) fn line(points: &[(f64, f64, f64)]) -> (f64, f64) {
    let sum = |f: &dyn Fn(&(f64, f64, f64)) -> f64| points.iter().map(|p| p.2 * f(p)).sum::<f64>();
    let w = sum(&|_| 1.0).max(f64::MIN_POSITIVE);
    let (x, y) = (sum(&|p| p.0) / w, sum(&|p| p.1) / w);
    let spread = sum(&|p| (p.0 - x).powi(2));
    let slope = if spread > 0.0 { sum(&|p| (p.0 - x) * (p.1 - y)) / spread } else { 0.0 };
    (y - slope * x, slope)
}

/// A group of contents around a core, and the agreement that makes a row one of them.
struct Gathered<'a> {
    core: [u32; MINIMA],
    near: usize,
    members: Vec<&'a Kept>,
}

/// Clusters, each grown from the rows of one band, most frequent band first. Growing from a core
/// rather than joining pairs keeps chains of faint resemblance apart; and only a core with a gap
/// around it is one: in a corpus of few words everything resembles everything a little.
fn gather<'a>(rows: &[&'a Kept], inputs: &Inputs) -> Vec<Gathered<'a>> {
    let (nearest, farthest) = inputs.flood();
    let mut buckets: Vec<(u64, u64, Vec<usize>)> = Vec::new();
    let mut keys: Vec<(u64, usize)> = Vec::with_capacity(rows.len());
    for band in 0..inputs.bands().0 {
        keys.clear();
        keys.extend(rows.iter().enumerate().map(|(i, k)| (inputs.band(&k.signature, band), i)));
        keys.sort_unstable();
        for bucket in keys.chunk_by(|a, b| a.0 == b.0) {
            let weight: u64 = bucket.iter().map(|&(_, i)| rows[i].rows()).sum();
            if weight >= u64::from(LEAST_BAND) {
                buckets.push((weight, bucket[0].0, bucket.iter().map(|&(_, i)| i).collect()));
            }
        }
    }
    buckets.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut taken = vec![false; rows.len()];
    let (mut found, mut looks) = (Vec::new(), 0);
    for (_, _, bucket) in &buckets {
        let mut members: Vec<&'a Kept> = bucket.iter().filter(|&&i| !taken[i]).map(|&i| rows[i]).collect();
        if members.iter().map(|k| k.rows()).sum::<u64>() < u64::from(LEAST_BAND) {
            continue;
        }
        // Rows that share no more than this band are strangers with the same common words.
        let first = core(&members);
        let alike = members.iter().filter(|k| k.signature.agreement(&first) >= nearest).count();
        if 2 * alike < members.len() {
            continue;
        }
        looks += 1;
        if looks > CLUSTERS {
            break;
        }
        // A second look lets the rows that the band missed have their say on the core.
        members = (0..rows.len()).filter(|&i| !taken[i] && rows[i].signature.agreement(&first) >= nearest).map(|i| rows[i]).collect();
        let core = core(&members);
        let agreement = |i: usize| rows[i].signature.agreement(&core);
        let mut histogram = [0u64; MINIMA + 1];
        for i in (0..rows.len()).filter(|&i| !taken[i]) {
            histogram[agreement(i)] += rows[i].rows();
        }
        let gap = |near: &usize| {
            let inside: u64 = histogram[*near..].iter().sum();
            let ring: u64 = histogram[*near - RING..*near].iter().sum();
            inside >= LEAST_ROWS && ring * 10 <= inside
        };
        let Some(near) = (nearest..=farthest).find(gap) else { continue };
        let inside: Vec<usize> = (0..rows.len()).filter(|&i| !taken[i] && agreement(i) >= near).collect();
        for &i in &inside {
            taken[i] = true;
        }
        let members: Vec<&Kept> = inside.into_iter().map(|i| rows[i]).collect();
        found.push(Gathered { core, near, members });
    }
    found
}
