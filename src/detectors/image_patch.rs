//! `image-patch`: the same few pixels at the same place, in rows of one label.
//!
//! ```text
//!  round 1  classes; a tally of every patch at its place   ─► how often a patch must occur to be looked at
//!  round 2  such patches exactly, by class                 ─► those that lean to one class
//!  round 3  the same pixels at other places; what surrounds them ─► the whole patch, or chance
//!  judge    every row that carries the whole patch
//! ```
//!
//! Strokes and edges repeat too, but they repeat everywhere; what is stamped is found at one place.

mod decide;
mod near;
#[cfg(test)]
mod tests;

use super::image_classes::{Classes, Labels, columns};
use super::trigger_table::sketch::BottomK;
use crate::batch::Batch;
use crate::error::Result;
use crate::features::image::patch::{Patch, Workspace, for_each as for_each_patch};
use crate::features::image::{Raster, for_each};
use crate::rule::{Action, Built, Entry, Findings, Floor, Group, Meta, Outcome, Picture, Round, Rule, State, Status, Step};
use crate::sketch::tally::Tally;
use decide::{Finding, Nominee};
use near::Near;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

pub const META: Meta = Meta {
    code: "P170",
    name: "image-patch",
    summary: "the same small patch at the same place of images with one label",
    explain: include_str!("image_patch/explain.md"),
    ids: &["MITRE ATLAS AML.T0020", "NIST AI 100-2e2025 NISTAML.023", "OWASP LLM04:2025"],
};

pub const ENTRY: Entry = Entry {
    meta: META,
    build: |context| {
        Ok(match columns(context) {
            Ok((image, label)) => Built::one(ImagePatch { image, label }),
            Err(reason) => Built::not_tested(reason),
        })
    },
};

/// Images with the patch, at least: fewer cannot carry the evidence asked for.
pub const LEAST: u8 = 8;
/// Patches that are counted exactly, about.
const EXACT: usize = 400_000;
/// Nominees whose surroundings are collected, the most significant ones.
const NOMINEES: usize = 512;
/// Images sampled with and without a nominee.
const SAMPLE: usize = 48;
/// Patches of an image, about; what the tally is sized by.
const PER_IMAGE: u64 = 1500;
/// Patches in all that the largest tally can still tell apart.
const CROWD: u64 = 1 << 29;

#[derive(Debug, Clone)]
pub struct ImagePatch {
    pub image: String,
    pub label: String,
}

/// A patch counted exactly.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Counted {
    content: u64,
    /// x, y, width, height in one image that has it: the least of them.
    place: [u16; 4],
    size: [u16; 2],
    classes: Vec<(u32, u32)>,
    /// Smallest and largest hash of an image that has it: equal when all are copies of one image.
    images: (u64, u64),
}

impl Counted {
    fn merge(&mut self, other: Counted) {
        if (other.place, other.size) < (self.place, self.size) {
            (self.place, self.size) = (other.place, other.size);
        }
        self.images = (self.images.0.min(other.images.0), self.images.1.max(other.images.1));
        for (class, n) in other.classes {
            self.add(class, n);
        }
    }
    fn add(&mut self, class: u32, n: u32) {
        match self.classes.binary_search_by_key(&class, |c| c.0) {
            Ok(i) => self.classes[i].1 = self.classes[i].1.saturating_add(n),
            Err(i) => self.classes.insert(i, (class, n)),
        }
    }
}

/// What is collected about a nominee.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Witness {
    /// Images that show the same pixels, but not at this place.
    elsewhere: u64,
    with: BottomK<Near>,
    without: BottomK<Near>,
}

#[derive(Serialize, Deserialize)]
pub enum PatchState {
    Look { labels: Labels, tally: Tally, sizes: BTreeMap<(u32, u32), u64>, images: u64 },
    Count(BottomK<Counted>),
    Test(Vec<Witness>),
}

/// Sizes of images that are told apart.
const SIZES: usize = 256;

impl State for PatchState {
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (PatchState::Look { labels, tally, sizes, images }, PatchState::Look { labels: l, tally: t, sizes: s, images: i }) => {
                labels.merge(l);
                tally.merge(&t);
                *images += i;
                for (size, n) in s {
                    *sizes.entry(size).or_default() += n;
                }
                while sizes.len() > SIZES {
                    sizes.pop_last();
                }
            }
            (PatchState::Count(mine), PatchState::Count(theirs)) => mine.merge(theirs, Counted::merge),
            (PatchState::Test(mine), PatchState::Test(theirs)) => {
                for (a, b) in mine.iter_mut().zip(theirs) {
                    a.elsewhere += b.elsewhere;
                    a.with.merge(b.with, |_, _| {});
                    a.without.merge(b.without, |_, _| {});
                }
            }
            _ => unreachable!("states of one round are merged"),
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PatchModel {
    stopped: Option<String>,
    classes: Classes,
    images: u64,
    /// Sizes of the images, the smallest ones where there are many.
    sizes: BTreeMap<(u32, u32), u64>,
    thin: u32,
    /// Count from which a patch is looked at.
    least: u8,
    tally: Option<Tally>,
    /// Patches that were counted: the hypotheses.
    tested: u64,
    nominees: Vec<Nominee>,
    findings: Vec<Finding>,
}

/// Patches are thinned out where even the largest tally would be full of them.
fn thin(rows: u64) -> u32 {
    (rows.saturating_mul(PER_IMAGE) / CROWD).checked_ilog2().map_or(0, |b| b + 1)
}

impl ImagePatch {
    fn count(&self, model: &PatchModel, tally: &Tally, counted: &mut BottomK<Counted>, batch: &Batch) {
        let labels = model.classes.read(batch, &self.label);
        let mut work = Workspace::default();
        let mut seen: Vec<u64> = Vec::new();
        for_each(batch, &self.image, |row, image| {
            let (Some(Ok(raster)), Some(class)) = (image, labels[row]) else { return };
            let mut content = None;
            seen.clear();
            for_each_patch(raster, model.thin, &mut work, |p| {
                if tally.at_most(p.key) < model.least || seen.contains(&p.key) {
                    return;
                }
                seen.push(p.key);
                let content = *content.get_or_insert_with(|| raster.content());
                let new = || Counted {
                    content: p.content,
                    place: [p.x, p.y, p.width, p.height],
                    size: [raster.width as u16, raster.height as u16],
                    classes: Vec::new(),
                    images: (u64::MAX, 0),
                };
                if let Some(entry) = counted.entry(p.key, new) {
                    let place = ([p.x, p.y, p.width, p.height], [raster.width as u16, raster.height as u16]);
                    if place < (entry.place, entry.size) {
                        (entry.place, entry.size) = place;
                    }
                    entry.add(class, 1);
                    entry.images = (entry.images.0.min(content), entry.images.1.max(content));
                }
            });
        });
    }

    fn test(&self, model: &PatchModel, witnesses: &mut [Witness], batch: &Batch) {
        let labels = model.classes.read(batch, &self.label);
        let mut by_content: HashMap<u64, Vec<u32>> = HashMap::new();
        for (i, n) in model.nominees.iter().enumerate() {
            by_content.entry(n.content).or_default().push(i as u32);
        }
        // Most patches are no nominee's; one bit tells.
        let mut filter = vec![0u64; 1 << 10];
        for content in by_content.keys() {
            filter[(content >> 38) as usize & 1023] |= 1 << (content >> 48 & 63);
        }
        let mut work = Workspace::default();
        // Per nominee: the image shows its pixels (1), and at its place (2).
        let mut shown = vec![0u8; model.nominees.len()];
        let mut touched: Vec<u32> = Vec::new();
        for_each(batch, &self.image, |row, image| {
            let (Some(Ok(raster)), Some(class)) = (image, labels[row]) else { return };
            for_each_patch(raster, model.thin, &mut work, |p: Patch| {
                if filter[(p.content >> 38) as usize & 1023] >> (p.content >> 48 & 63) & 1 == 0 {
                    return;
                }
                for &i in by_content.get(&p.content).into_iter().flatten() {
                    let state = &mut shown[i as usize];
                    if *state == 0 {
                        touched.push(i);
                    }
                    *state |= if model.nominees[i as usize].key == p.key { 3 } else { 1 };
                }
            });
            let content = raster.content();
            for (i, (n, w)) in model.nominees.iter().zip(witnesses.iter_mut()).enumerate() {
                match shown[i] {
                    3 => drop(w.with.entry(content, || Near::cut(raster, n, class))),
                    state => {
                        w.elsewhere += u64::from(state);
                        w.without.entry(content, || Near::cut(raster, n, class));
                    }
                }
            }
            touched.drain(..).for_each(|i| shown[i as usize] = 0);
        });
    }
}

impl Rule for ImagePatch {
    const META: Meta = META;
    type State = PatchState;
    type Model = PatchModel;

    fn columns(&self) -> Vec<String> {
        vec![self.image.clone(), self.label.clone()]
    }

    fn start(&self, round: &Round<'_, PatchModel>) -> PatchState {
        match round.model {
            None => {
                let room = (round.plan.memory / 32).clamp(1 << 16, 1 << 26).ilog2() - 1;
                let bits = (round.plan.rows.max(64) * PER_IMAGE).ilog2().clamp(12, room);
                PatchState::Look { labels: Labels::default(), tally: Tally::new(bits), sizes: BTreeMap::new(), images: 0 }
            }
            Some(model) if model.tally.is_some() => PatchState::Count(BottomK::new(2 * EXACT)),
            Some(model) => {
                let witness = || Witness { elsewhere: 0, with: BottomK::new(SAMPLE), without: BottomK::new(SAMPLE) };
                PatchState::Test(model.nominees.iter().map(|_| witness()).collect())
            }
        }
    }

    fn observe(&self, round: &Round<'_, PatchModel>, state: &mut PatchState, batch: &Batch) -> Result<()> {
        match (state, round.model) {
            (PatchState::Look { labels, tally, sizes, images }, _) => {
                labels.observe(batch, &self.label);
                let thin = thin(round.plan.rows);
                let mut work = Workspace::default();
                for_each(batch, &self.image, |_, image| {
                    let Some(Ok(raster)) = image else { return };
                    *images += 1;
                    *sizes.entry((raster.width as u32, raster.height as u32)).or_default() += 1;
                    while sizes.len() > SIZES {
                        sizes.pop_last();
                    }
                    for_each_patch(raster, thin, &mut work, |p| tally.add(p.key));
                });
            }
            (PatchState::Count(counted), Some(model)) => {
                if let Some(tally) = &model.tally {
                    self.count(model, tally, counted, batch);
                }
            }
            (PatchState::Test(witnesses), Some(model)) => self.test(model, witnesses, batch),
            _ => unreachable!("only the first round has no model"),
        }
        Ok(())
    }

    fn finish(&self, round: &Round<'_, PatchModel>, state: PatchState) -> Result<Step<PatchModel>> {
        Ok(match (state, round.model) {
            (PatchState::Look { labels, tally, sizes, images }, _) => {
                let stop = |reason| Step::Done(PatchModel { stopped: Some(reason), ..PatchModel::default() });
                if images == 0 {
                    return Ok(stop(format!("`{}` holds no image that could be decoded", self.image)));
                }
                let classes = match labels.classes(&self.label) {
                    Ok(classes) => classes,
                    Err(reason) => return Ok(stop(reason)),
                };
                let least = tally.threshold(LEAST, EXACT);
                let thin = thin(round.plan.rows);
                Step::Again(PatchModel { classes, images, sizes, thin, least, tally: Some(tally), ..PatchModel::default() })
            }
            (PatchState::Count(counted), Some(model)) => {
                let model = PatchModel { tally: None, ..model.clone() };
                let (nominees, tested) = decide::nominate(&model.classes, model.least, &counted);
                let done = nominees.is_empty();
                let model = PatchModel { nominees, tested, ..model };
                if done { Step::Done(model) } else { Step::Again(model) }
            }
            (PatchState::Test(witnesses), Some(model)) => {
                let findings = decide::findings(&model.classes, &model.nominees, &witnesses, model.tested);
                Step::Done(PatchModel { findings, nominees: Vec::new(), ..model.clone() })
            }
            _ => unreachable!("only the first round has no model"),
        })
    }

    fn outcome(&self, model: &PatchModel) -> Outcome {
        let title = format!("patches of {} against {}", self.image, self.label);
        if let Some(reason) = &model.stopped {
            return Outcome::new(title, Status::NotTested(reason.clone()));
        }
        let mut o = Outcome::new(title, if model.findings.is_empty() { Status::Pass } else { Status::Fail });
        o.tested = model.images;
        o.failing = model.findings.iter().map(|f| f.with_label).sum();
        o.columns = Rule::columns(self);
        let sizes = match (model.sizes.len(), model.sizes.first_key_value()) {
            (1, Some(((w, h), _))) => format!("images of {w} x {h}"),
            (n, _) => format!("images of {n} sizes, aligned at their corners"),
        };
        o.message = format!("{} patches that come back at one place tested, in {sizes}", crate::error::group_digits(model.tested));
        o.groups = model.findings.iter().map(|f| self.group(model, f)).collect();
        o.floor = (0..model.classes.list.len())
            .map(|c| Floor {
                family: "image patch".into(),
                class: Some(model.classes.list[c].name.clone()),
                rows: Some(decide::floor(&model.classes, c, model.tested).max(u64::from(model.least))),
                ..Floor::default()
            })
            .collect();
        o
    }

    fn pictures(&self, model: &PatchModel) -> Vec<Picture> {
        let opaque = |p: &u32| if *p == near::OUTSIDE { 0 } else { 0xff00_0000 | *p };
        let picture = |f: &Finding| Picture {
            group: self.key(f),
            width: f.patch.width as u32,
            height: f.patch.height as u32,
            pixels: f.patch.pixels.iter().map(opaque).collect(),
        };
        model.findings.iter().map(picture).collect()
    }

    fn has_rows(&self, model: &PatchModel) -> bool {
        !model.findings.is_empty()
    }

    fn judge(&self, model: &PatchModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        let labels = model.classes.read(batch, &self.label);
        let column = out.intern(&self.image);
        for_each(batch, &self.image, |row, image| {
            let Some(Ok(raster)) = image else { return };
            for f in &model.findings {
                let Some((x, y)) = f.patch.is_in(raster) else { continue };
                let name = &model.classes.list[f.class].name;
                let has_label = labels[row] == Some(f.class as u32);
                let what = format!("the patch of {} x {} pixels at x={x}, y={y}", f.patch.width, f.patch.height);
                let text = if has_label {
                    format!("{what} stands in {} images, of which {} are labelled {name}", f.rows, f.with_label)
                } else {
                    format!("{what} is that of {} images labelled {name}, but this one has another label", f.with_label)
                };
                let message = out.intern(&text);
                let group = out.intern(&self.key(f));
                let action = if has_label { f.action } else { Action::Review };
                let hit = out.push(row, action, if has_label { f.score } else { 0.5 } as f32, message);
                hit.column = column;
                hit.group = group;
                hit.statistic = f.ln_p;
                hit.q_value = f.q;
            }
        });
        Ok(())
    }
}

impl ImagePatch {
    fn key(&self, f: &Finding) -> String {
        format!("{} x {} pixels {}", f.patch.width, f.patch.height, f.patch.place())
    }

    fn group(&self, model: &PatchModel, f: &Finding) -> Group {
        let name = &model.classes.list[f.class].name;
        Group {
            key: self.key(f),
            action: f.action,
            score: f.score,
            rows: f.rows,
            with_label: f.with_label,
            label: Some(name.clone()),
            statistic: f.ln_p,
            q_value: f.q,
            message: format!(
                "{} of the {} images with these {} x {} pixels at x={}, y={} have the label {name}; {} show them elsewhere",
                f.with_label, f.rows, f.patch.width, f.patch.height, f.patch.shown.0, f.patch.shown.1, f.elsewhere
            ),
            reasons: f.reasons.clone(),
        }
    }
}

/// The sum of a raster's colours in a coarse grid: what the image shows beyond any patch.
fn thumb(raster: &Raster) -> Vec<u16> {
    raster.grey(8, 8)
}
