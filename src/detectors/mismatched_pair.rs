//! `mismatched-pair`: captions that share a phrase and stand beside images or vectors of something else.
//!
//! ```text
//!  round 1  widths of the vectors                             ─► the common width
//!  round 2  a bottom-k sample of captions with their vectors  ─► which captions the neighbourhood doubts, phrases
//!  round 3  captions with each phrase, and doubted ones       ─► verdict
//! ```
//!
//! The label of other detectors is what a caption says here; the content that argues against it is what the captions
//! of the nearest vectors say.

mod decide;
mod pairs;
#[cfg(test)]
mod tests;

use crate::batch::{Batch, Text};
use crate::contract::Role;
use crate::detectors::trigger_table::sketch::BottomK;
use crate::error::{Diagnostic, Result};
use crate::features::image::views::{Grid, Planes};
use crate::features::image::{Images, for_each};
use crate::features::table::mix;
use crate::features::vectors::{Vectors, folded, has_direction, is_vector};
use crate::rule::{Action, Built, Context, Entry, Findings, Floor, Group, Meta, Outcome, Round, Rule, Status, Step};
use decide::{GROUP, Phrase, phrases};
use pairs::{Pair, Pairs};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub const META: Meta = Meta {
    code: "P181",
    name: "mismatched-pair",
    summary: "captions that share a phrase, beside images or vectors whose neighbours speak of something else",
    explain: include_str!("mismatched_pair/mismatched_pair.md"),
    ids: &["MITRE ATLAS AML.T0020 (v4)", "NIST AI 100-2e2025 2.3.2"],
};

pub const ENTRY: Entry = Entry { meta: META, build };

/// Rows in the sample, at most and at least, and numbers of all their vectors.
const ROWS: usize = 8000;
const FEWEST: usize = 200;
const SAMPLED: usize = 8_000_000;
/// Wider vectors are folded to this width, and vectors of more numbers are not read.
const WIDTH: usize = 1024;
const WIDEST: u32 = 65_536;
/// Images are looked at as planes of this side: what they are of, coarsely.
const SIDE: usize = 16;
/// Longer captions are cut for the sample.
const LONG: usize = 2000;
/// A caption must fit its own vector better than a random one this often, or neighbourhoods say nothing of captions. 0.5
/// is chance; sentences by their vectors have 0.97, icons by their pixels 0.93.
const TELLS: f64 = 0.75;

/// Where the vectors come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Vector,
    Image,
}

pub struct MismatchedPair {
    pub text: String,
    pub column: String,
    pub side: Side,
}

fn build(context: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let field = |name: &str| context.schema.field_with_name(name).ok();
    let is_text = |name: &&str| field(name).is_some_and(|f| Text::reads(f.data_type()));
    let texts = [Role::Text, Role::Prompt, Role::Response];
    let Some(text) = texts.iter().flat_map(|r| context.roles.all(*r)).find(is_text) else {
        return Ok(Built::not_tested("no column of text has the role text, prompt or response"));
    };
    let mut built = Built::default();
    for (role, side) in [(Role::Embedding, Side::Vector), (Role::Image, Side::Image)] {
        for column in context.roles.all(role) {
            let fits = field(column).is_some_and(|f| match side {
                Side::Vector => is_vector(f.data_type()),
                Side::Image => Images::fits(f.data_type()),
            });
            if fits {
                built.rules.push(Box::new(MismatchedPair { text: text.to_owned(), column: column.to_owned(), side }));
            } else {
                built.not_tested.push(format!("`{column}` holds no {}", if side == Side::Vector { "vectors" } else { "images" }));
            }
        }
    }
    if built.rules.is_empty() && built.not_tested.is_empty() {
        return Ok(Built::not_tested("no column beside the text has the role image or embedding"));
    }
    Ok(built)
}

#[derive(Serialize, Deserialize)]
pub enum PairState {
    /// Rows by the width of their vectors (0: no caption, or no usable vector).
    Look(BTreeMap<u32, u64>),
    Sample(BottomK<Pair>),
    /// Per phrase: captions that have it, and doubted ones.
    Count(Vec<[u64; 2]>),
}

impl crate::rule::State for PairState {
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (PairState::Look(mine), PairState::Look(theirs)) => {
                theirs.into_iter().for_each(|(width, rows)| *mine.entry(width).or_insert(0) += rows);
            }
            (PairState::Sample(mine), PairState::Sample(theirs)) => mine.merge(theirs, |_, _| {}),
            (PairState::Count(mine), PairState::Count(theirs)) => {
                for (a, b) in mine.iter_mut().zip(theirs) {
                    a[0] += b[0];
                    a[1] += b[1];
                }
            }
            _ => unreachable!("states of one round are merged"),
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PairModel {
    stopped: Option<String>,
    width: usize,
    tested: u64,
    left_out: u64,
    seed: u64,
    sampled: usize,
    /// Kept only when a phrase is accused.
    pairs: Option<Pairs>,
    phrases: Vec<Phrase>,
    counts: Vec<[u64; 2]>,
}

impl PairModel {
    fn stop(reason: impl Into<String>) -> Step<PairModel> {
        Step::Done(PairModel { stopped: Some(reason.into()), ..PairModel::default() })
    }
    fn sample(&self) -> usize {
        (SAMPLED / self.width.clamp(1, WIDTH)).clamp(FEWEST, ROWS)
    }
}

impl MismatchedPair {
    /// Visits the rows that have a caption and a vector: row, caption, vector.
    fn visit(&self, batch: &Batch, mut f: impl FnMut(usize, &str, &[f32])) {
        let Some(text) = batch.column(&self.text).and_then(|a| Text::of(a.as_ref())) else { return };
        let caption = |row: usize| text.get(row).filter(|t| !t.trim().is_empty());
        match self.side {
            Side::Vector => {
                let Some(vectors) = batch.column(&self.column).and_then(Vectors::of) else { return };
                for row in 0..batch.rows() {
                    if let (Some(caption), Some(x)) = (caption(row), vectors.row(row).filter(|x| has_direction(x))) {
                        f(row, caption, x);
                    }
                }
            }
            Side::Image => for_each(batch, &self.column, |row, image| {
                if let (Some(caption), Some(Ok(raster))) = (caption(row), image) {
                    let planes = Planes::of(raster, Grid { width: SIDE, height: SIDE });
                    let grey = planes.grey.iter().map(|v| f32::from(*v));
                    let x: Vec<f32> = grey.chain(planes.colour.iter().map(|v| f32::from(*v))).collect();
                    if has_direction(&x) {
                        f(row, caption, &x);
                    }
                }
            }),
        }
    }

    /// Visits the captions that have an accused phrase: row, phrase, place, doubt, neighbours.
    fn visit_accused(&self, model: &PairModel, batch: &Batch, mut f: impl FnMut(usize, usize, (usize, usize), f64, &[u32])) {
        let Some(pairs) = &model.pairs else { return };
        self.visit(batch, |row, caption, x| {
            if x.len() != model.width {
                return;
            }
            for (i, phrase) in model.phrases.iter().enumerate() {
                if let Some(place) = phrase.place(caption) {
                    let (doubt, near) = pairs.doubt_of(cut(caption), &folded(x, WIDTH, model.seed), &phrase.doubted);
                    f(row, i, place, doubt, &near);
                    // The strongest explains the row.
                    break;
                }
            }
        });
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONG);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl Rule for MismatchedPair {
    const META: Meta = META;
    type State = PairState;
    type Model = PairModel;

    fn columns(&self) -> Vec<String> {
        vec![self.text.clone(), self.column.clone()]
    }

    fn start(&self, round: &Round<'_, PairModel>) -> PairState {
        match round.model {
            None => PairState::Look(BTreeMap::new()),
            Some(model) if model.phrases.is_empty() => PairState::Sample(BottomK::new(model.sample())),
            Some(model) => PairState::Count(vec![[0; 2]; model.phrases.len()]),
        }
    }

    fn observe(&self, round: &Round<'_, PairModel>, state: &mut PairState, batch: &Batch) -> Result<()> {
        match (round.model, state) {
            (None, PairState::Look(widths)) => {
                let mut usable = 0;
                self.visit(batch, |_, _, x| {
                    usable += 1;
                    let width = u32::try_from(x.len()).unwrap_or(u32::MAX).min(WIDEST + 1);
                    *widths.entry(width).or_insert(0) += 1;
                });
                *widths.entry(0).or_insert(0) += batch.rows() as u64 - usable;
            }
            (Some(model), PairState::Sample(sample)) => self.visit(batch, |_, caption, x| {
                if x.len() == model.width {
                    let mut bytes: Vec<u8> = x.iter().flat_map(|v| v.to_le_bytes()).collect();
                    bytes.extend_from_slice(caption.as_bytes());
                    let hash = xxh3_64_with_seed(&bytes, model.seed);
                    sample.entry(hash, || Pair { vector: folded(x, WIDTH, model.seed), text: cut(caption).to_owned() });
                }
            }),
            (Some(model), PairState::Count(counts)) => self.visit_accused(model, batch, |_, i, _, doubt, _| {
                counts[i][0] += 1;
                counts[i][1] += u64::from(doubt > 0.5);
            }),
            _ => unreachable!("a state belongs to its round"),
        }
        Ok(())
    }

    fn finish(&self, round: &Round<'_, PairModel>, state: PairState) -> Result<Step<PairModel>> {
        Ok(match (round.model, state) {
            (None, PairState::Look(widths)) => {
                let rows: u64 = widths.values().sum();
                let fits = widths.iter().filter(|(w, _)| **w > 1 && **w <= WIDEST);
                let Some((&width, &tested)) = fits.max_by_key(|(w, n)| (**n, **w)) else {
                    return Ok(PairModel::stop(format!("no row has a text in `{}` and a usable `{}`", self.text, self.column)));
                };
                if tested < FEWEST as u64 {
                    return Ok(PairModel::stop(format!("{tested} pairs are too few to compare neighbours (at least {FEWEST})")));
                }
                let seed = mix(round.plan.seed ^ 0x7061_6972);
                Step::Again(PairModel { width: width as usize, tested, left_out: rows - tested, seed, ..PairModel::default() })
            }
            (Some(model), PairState::Sample(sample)) => {
                let sample: Vec<Pair> = sample.iter().map(|(_, pair)| pair.clone()).collect();
                if sample.len() < FEWEST {
                    return Ok(PairModel::stop(format!("{} different pairs are too few (at least {FEWEST})", sample.len())));
                }
                let pairs = Pairs::learn(sample);
                if pairs.tells < TELLS {
                    let (text, column) = (&self.text, &self.column);
                    let better = 100.0 * pairs.tells;
                    return Ok(PairModel::stop(format!(
                        "neighbours in `{column}` say too little of `{text}`: it fits its own row better than another in {better:.0}% of cases"
                    )));
                }
                let phrases = phrases(&pairs);
                let sampled = pairs.texts.len();
                if phrases.is_empty() {
                    Step::Done(PairModel { sampled, ..model.clone() })
                } else {
                    Step::Again(PairModel { sampled, phrases, pairs: Some(pairs), ..model.clone() })
                }
            }
            (Some(model), PairState::Count(counts)) => Step::Done(PairModel { counts, ..model.clone() }),
            _ => unreachable!("a state belongs to its round"),
        })
    }

    fn outcome(&self, model: &PairModel) -> Outcome {
        let title = format!("mismatched pairs: {} against {}", self.text, self.column);
        if let Some(reason) = &model.stopped {
            return Outcome::new(title, Status::NotTested(reason.clone()));
        }
        let mut o = Outcome::new(title, if model.phrases.is_empty() { Status::Pass } else { Status::Fail });
        o.tested = model.tested;
        o.not_tested_rows = model.left_out;
        o.failing = model.counts.iter().map(|c| c[1]).sum();
        o.columns = self.columns();
        o.message = format!("{} captions with a vector, {} of them compared with their neighbours", model.tested, model.sampled);
        if model.left_out > 0 {
            o.message += &format!("; {} rows without a caption or a usable {} left out", model.left_out, self.column);
        }
        o.groups = model.phrases.iter().zip(&model.counts).map(|(p, c)| group(p, *c)).collect();
        o.floor = vec![floor(model)];
        o
    }

    fn has_rows(&self, model: &PairModel) -> bool {
        !model.phrases.is_empty()
    }

    fn judge(&self, model: &PairModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        let Some(pairs) = &model.pairs else { return Ok(()) };
        let column = out.intern(&self.text);
        let mut hits = Vec::new();
        self.visit_accused(model, batch, |row, i, place, doubt, near| {
            if doubt > 0.5 {
                hits.push((row, i, place, doubt, pairs.what_they_say(near, &model.phrases[i].words)));
            }
        });
        for (row, i, (from, to), doubt, said) in hits {
            let phrase = &model.phrases[i];
            let said = if said.is_empty() { "nothing of it".to_owned() } else { said.join(", ") };
            let message = out.intern(&format!("{:?} is said here; the captions of the nearest rows say: {said}", phrase.text));
            let group = out.intern(&phrase.text);
            let hit = out.push(row, Action::Quarantine, doubt as f32, message);
            hit.column = column;
            (hit.start, hit.end) = (from as u32, to as u32);
            hit.group = group;
            hit.statistic = phrase.lower;
            hit.q_value = phrase.q_value;
        }
        Ok(())
    }
}

fn group(phrase: &Phrase, [rows, doubted]: [u64; 2]) -> Group {
    Group {
        key: phrase.text.clone(),
        action: Action::Quarantine,
        score: (phrase.excess + 0.1).clamp(0.5, 0.99),
        rows,
        with_label: doubted,
        label: None,
        statistic: phrase.lower,
        q_value: phrase.q_value,
        message: format!(
            "{:?} stands in {rows} captions, and in {doubted} of them what is said is not what the nearest rows say",
            phrase.text
        ),
        reasons: vec![format!(
            "these rows do not look alike: they are near each other at most {:.1} times as often as rows from anywhere",
            phrase.drawn
        )],
    }
}

/// Twice the least group: half of what shares a phrase may fit by chance.
fn floor(model: &PairModel) -> Floor {
    let share = model.tested as f64 / model.sampled.max(1) as f64;
    Floor {
        family: "captions of other rows that share a phrase".into(),
        rows: Some((2.0 * GROUP as f64 * share.max(1.0)).ceil() as u64),
        ..Floor::default()
    }
}
