//! `image-origin`: images of one label whose files were made alike, and unlike all others.
//!
//! ```text
//!  round 1  classes, sizes; marks of every file by label  ─► marks of few rows that nearly all have one label
//!  round 2  a sample of small planes per class, with the suspect marks ─► what their rows show
//!  judge    every row of the label with the mark
//! ```

use super::image_classes::{Classes, Labels, Sizes, columns};
use super::image_content::{Content, Sample, sampled_per_class};
use super::trigger_table::sketch::BottomK;
use crate::batch::Batch;
use crate::error::{Result, group_digits};
use crate::features::image::origin::{Kind, Mark, marks};
use crate::features::image::views::{Grid, LEAST as LEAST_SIDE, Planes};
use crate::features::image::{Images, Raster, for_each};
use crate::features::table::{NULL, codes};
use crate::rule::{Action, Built, Entry, Findings, Floor, Group, Meta, Outcome, Round, Rule, State, Status, Step};
use crate::sketch::minhash::mix;
use crate::stats::intervals::{Z95, wilson};
use crate::stats::tails::ln_binomial_upper;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

pub const META: Meta = Meta {
    code: "P173",
    name: "image-origin",
    summary: "images of one label whose files were made alike, and unlike all others",
    explain: include_str!("image_origin.md"),
    ids: &["MITRE ATLAS AML.T0020", "NIST AI 100-2e2025 NISTAML.013", "OWASP LLM04:2025"],
};

pub const ENTRY: Entry = Entry {
    meta: META,
    build: |context| {
        Ok(match columns(context) {
            Ok((image, label)) => Built::one(ImageOrigin { image, label }),
            Err(reason) => Built::not_tested(reason),
        })
    },
};

/// Marks that are counted, and labels of each.
const MARKS: usize = 4096;
const LABELS: usize = 256;
/// Rows with a mark, at least, and the share of all rows and of the class, at most: what more have is how they are made.
const LEAST: u64 = 12;
const MOST: f64 = 0.3;
/// Share of them with one label, lower bound.
const PURITY: f64 = 0.8;
/// `ln` of the chance after all marks and classes.
const CHANCE: f64 = -13.8;
/// Groups.
const GROUPS: usize = 32;
/// Rows of the sample with the mark that can contradict their label.
const JUDGED: usize = 20;

#[derive(Debug, Clone)]
pub struct ImageOrigin {
    pub image: String,
    pub label: String,
}

/// How often a mark occurs: rows, and per label rows and the sum of their hashes, which names the set of rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Counted {
    name: String,
    kind: Kind,
    rows: u64,
    labels: BTreeMap<u64, (u64, u64)>,
}

#[derive(Serialize, Deserialize)]
pub enum OriginState {
    Count {
        labels: Labels,
        sizes: Sizes,
        marks: BottomK<Counted>,
    },
    /// Planes, and which of the suspects the file has.
    Sample(Vec<BottomK<(Planes, u32)>>),
}

impl Counted {
    fn shrink(&mut self) {
        while self.labels.len() > LABELS {
            self.labels.pop_last();
        }
    }
}

impl State for OriginState {
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (OriginState::Count { labels, sizes, marks }, OriginState::Count { labels: l, sizes: s, marks: m }) => {
                labels.merge(l);
                sizes.merge(s);
                marks.merge(m, |mine, theirs| {
                    mine.rows += theirs.rows;
                    for (label, (n, rows)) in theirs.labels {
                        let own = mine.labels.entry(label).or_default();
                        *own = (own.0 + n, own.1.wrapping_add(rows));
                    }
                    mine.shrink();
                });
            }
            (OriginState::Sample(mine), OriginState::Sample(theirs)) => {
                // The same picture in two files has the marks of both.
                mine.iter_mut().zip(theirs).for_each(|(a, b)| a.merge(b, |x, y| x.1 |= y.1));
            }
            _ => unreachable!("states of one round are merged"),
        }
    }
}

/// Marks that the same rows of one class have.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Suspect {
    class: usize,
    /// Any of these marks; all of them are had by the same rows.
    key: u64,
    names: Vec<String>,
    kind: Kind,
    rows: u64,
    with_label: u64,
    ln_p: f64,
    action: Action,
    reasons: Vec<String>,
}

impl Suspect {
    fn is(&self, class: u32, found: &[Mark]) -> bool {
        self.class == class as usize && found.iter().any(|m| m.key == self.key)
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct OriginModel {
    stopped: Option<String>,
    classes: Classes,
    grid: Option<Grid>,
    images: u64,
    tested: u64,
    seed: u64,
    suspects: Vec<Suspect>,
}

/// Calls `f` with every row that holds an image: its picture and its marks.
fn each(rule: &ImageOrigin, batch: &Batch, mut f: impl FnMut(usize, &Raster, &[Mark])) {
    let Some(array) = batch.column(&rule.image) else { return };
    let Some(files) = Images::of(array.as_ref()) else { return };
    for_each(batch, &rule.image, |row, image| {
        if let (Some(Ok(raster)), Some(bytes)) = (image, files.get(row)) {
            f(row, raster, &marks(bytes, raster));
        }
    });
}

impl Rule for ImageOrigin {
    const META: Meta = META;
    type State = OriginState;
    type Model = OriginModel;

    fn columns(&self) -> Vec<String> {
        vec![self.image.clone(), self.label.clone()]
    }

    fn start(&self, round: &Round<'_, OriginModel>) -> OriginState {
        match round.model {
            None => OriginState::Count { labels: Labels::default(), sizes: Sizes::default(), marks: BottomK::new(MARKS) },
            Some(model) => {
                let classes = model.classes.list.len();
                OriginState::Sample(vec![BottomK::new(sampled_per_class(classes)); classes])
            }
        }
    }

    fn observe(&self, round: &Round<'_, OriginModel>, state: &mut OriginState, batch: &Batch) -> Result<()> {
        match (state, round.model) {
            (OriginState::Count { labels, sizes, marks }, _) => {
                labels.observe(batch, &self.label);
                let codes = batch.column(&self.label).map_or_else(|| vec![NULL; batch.rows()], |a| codes(a.as_ref()));
                each(self, batch, |row, raster, found| {
                    sizes.add(raster);
                    if codes[row] == NULL {
                        return;
                    }
                    let content = mix(raster.content());
                    for mark in found {
                        let fresh = || Counted { name: mark.name.to_string(), kind: mark.kind, rows: 0, labels: BTreeMap::new() };
                        if let Some(counted) = marks.entry(mark.key, fresh) {
                            counted.rows += 1;
                            let own = counted.labels.entry(codes[row]).or_default();
                            *own = (own.0 + 1, own.1.wrapping_add(content));
                            counted.shrink();
                        }
                    }
                });
            }
            (OriginState::Sample(samples), Some(model)) => {
                let Some(grid) = model.grid else { return Ok(()) };
                let labels = model.classes.read(batch, &self.label);
                each(self, batch, |row, raster, found| {
                    let Some(class) = labels[row] else { return };
                    let key = mix(raster.content() ^ mix(model.seed ^ 0x6f72_6967));
                    let suspects = (0u32..).zip(&model.suspects);
                    let bits = suspects.filter(|(_, s)| s.is(class, found)).fold(0, |bits, (i, _)| bits | 1 << i);
                    if let Some(entry) = samples[class as usize].entry(key, || (Planes::of(raster, grid), 0)) {
                        entry.1 |= bits;
                    }
                });
            }
            _ => unreachable!("only the first round has no model"),
        }
        Ok(())
    }

    fn finish(&self, round: &Round<'_, OriginModel>, state: OriginState) -> Result<Step<OriginModel>> {
        match (state, round.model) {
            (OriginState::Count { labels, sizes, marks }, _) => {
                let stop = |reason| Ok(Step::Done(OriginModel { stopped: Some(reason), ..OriginModel::default() }));
                let Some(((w, h), _)) = sizes.usual() else {
                    return stop(format!("`{}` holds no image that could be decoded", self.image));
                };
                let classes = match labels.classes(&self.label) {
                    Ok(classes) => classes,
                    Err(reason) => return stop(reason),
                };
                let mut model = OriginModel {
                    grid: Some(Grid::of(w, h)),
                    images: sizes.images(),
                    tested: marks.len() as u64,
                    seed: round.plan.seed,
                    ..OriginModel::default()
                };
                model.suspects = suspects(&marks, &classes);
                model.classes = classes;
                Ok(if model.suspects.is_empty() { Step::Done(model) } else { Step::Again(model) })
            }
            (OriginState::Sample(samples), Some(model)) => {
                let mut model = model.clone();
                weigh(&mut model, &samples);
                Ok(Step::Done(model))
            }
            _ => unreachable!("only the first round has no model"),
        }
    }

    fn outcome(&self, model: &OriginModel) -> Outcome {
        let title = format!("files in {} against {}", self.image, self.label);
        if let Some(reason) = &model.stopped {
            return Outcome::new(title, Status::NotTested(reason.clone()));
        }
        let mut o = Outcome::new(title, if model.suspects.is_empty() { Status::Pass } else { Status::Fail });
        o.tested = model.images;
        o.failing = model.suspects.iter().map(|s| s.with_label).sum();
        o.columns = Rule::columns(self);
        o.message = format!("{} marks of {} files", group_digits(model.tested), group_digits(model.images));
        o.groups = model.suspects.iter().map(|s| group(model, s)).collect();
        o.floor = (0..model.classes.list.len()).map(|class| floor(model, class)).collect();
        o
    }

    fn has_rows(&self, model: &OriginModel) -> bool {
        !model.suspects.is_empty()
    }

    fn judge(&self, model: &OriginModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        let labels = model.classes.read(batch, &self.label);
        let column = out.intern(&self.image);
        let said: Vec<(u32, u32)> = model
            .suspects
            .iter()
            .map(|s| {
                let g = group(model, s);
                (out.intern(&g.key), out.intern(&g.message))
            })
            .collect();
        each(self, batch, |row, _, found| {
            let Some(class) = labels[row] else { return };
            for (s, (group, message)) in model.suspects.iter().zip(&said) {
                if s.is(class, found) {
                    let hit = out.push(row, s.action, score(s.action), *message);
                    hit.column = column;
                    hit.group = *group;
                    hit.statistic = s.with_label as f64;
                }
            }
        });
        Ok(())
    }
}

fn score(action: Action) -> f32 {
    if action == Action::Quarantine { 0.95 } else { 0.4 }
}

/// Marks of few rows that nearly all have one label, the most certain first; marks of the same rows are one.
fn suspects(marks: &BottomK<Counted>, classes: &Classes) -> Vec<Suspect> {
    let tests = (marks.len() * classes.list.len()).max(1) as f64;
    let mut by_rows: BTreeMap<(usize, u64, u64), Suspect> = BTreeMap::new();
    for (key, counted) in marks.iter() {
        let n = counted.rows;
        if n < LEAST || n as f64 > MOST * classes.rows as f64 {
            continue;
        }
        for (&label, &(k, rows)) in &counted.labels {
            let Some(class) = classes.position(label) else { continue };
            let ln_p = ln_binomial_upper(k, n, classes.prior(class)) + tests.ln();
            let is_few = k >= LEAST && k as f64 <= MOST * classes.list[class].rows as f64;
            if !is_few || wilson(k as f64, n as f64, Z95).0 < PURITY || ln_p > CHANCE {
                continue;
            }
            let fresh = || Suspect {
                class,
                key,
                names: Vec::new(),
                kind: counted.kind,
                rows: n,
                with_label: k,
                ln_p,
                action: Action::Review,
                reasons: Vec::new(),
            };
            let suspect = by_rows.entry((class, k, rows)).or_insert_with(fresh);
            suspect.names.push(counted.name.clone());
            // A property of the file says more than one of its pixels.
            suspect.kind = suspect.kind.min(counted.kind);
        }
    }
    let mut out: Vec<Suspect> = by_rows.into_values().collect();
    out.iter_mut().for_each(|s| s.names.sort());
    out.sort_by(|a, b| a.ln_p.total_cmp(&b.ln_p).then(a.key.cmp(&b.key)));
    // The tails of a band lie in each other: the most certain of a class stands for all.
    let mut tails = BTreeSet::new();
    out.retain(|s| s.kind != Kind::Bands || tails.insert(s.class));
    out.truncate(GROUPS);
    out
}

/// What the pictures of the suspects show, apart from how they were saved.
fn weigh(model: &mut OriginModel, samples: &[BottomK<(Planes, u32)>]) {
    let grid = model.grid.filter(|g| g.width.min(g.height) >= LEAST_SIDE);
    let planes: Vec<Sample<'_>> = samples.iter().map(|s| s.iter().map(|(key, v)| (key, &v.0)).collect()).collect();
    let content = grid.map(|grid| Content::of(&planes, grid));
    for (i, s) in model.suspects.iter_mut().enumerate() {
        let of_class = samples[s.class].iter().enumerate();
        let members: Vec<usize> = of_class.filter(|(_, (_, v))| v.1 >> i & 1 == 1).map(|(at, _)| at).collect();
        let lean = content.as_ref().filter(|_| members.len() >= JUDGED).and_then(|c| c.lean(s.class, &members));
        match lean {
            // A classifier of edges errs most where there are few, or many.
            Some(l) if l.contradicts() && s.kind == Kind::Bands => {
                s.reasons
                    .push(format!("their pictures look like those of other classes ({}), but how sharp they are bears on that", l.says()));
            }
            Some(_) if s.kind == Kind::Bands => {}
            Some(l) if l.contradicts() => {
                s.action = Action::Quarantine;
                s.reasons.push(format!("their pictures look like those of other classes ({})", l.says()));
            }
            Some(_) => s.reasons.push("their pictures look like others of the class: it may be one source of it".into()),
            None if s.kind == Kind::Bands => {}
            None => s.reasons.push("what their pictures show could not be compared with their label".into()),
        }
    }
    model.suspects.retain(|s| match s.kind {
        Kind::File | Kind::Value => true,
        Kind::Pixels => s.action == Action::Quarantine,
        Kind::Bands => content.is_some() && !s.reasons.is_empty(),
    });
}

fn group(model: &OriginModel, s: &Suspect) -> Group {
    let label = &model.classes.list[s.class].name;
    let named = s.names.iter().take(3).cloned().collect::<Vec<String>>().join(", ");
    let more = if s.names.len() > 3 { format!(" and {} more", s.names.len() - 3) } else { String::new() };
    Group {
        key: format!("{} in {label}", s.names.first().map_or("files", String::as_str)),
        action: s.action,
        score: f64::from(score(s.action)),
        rows: s.rows,
        with_label: s.with_label,
        label: Some(label.clone()),
        statistic: s.with_label as f64,
        q_value: s.ln_p.exp().min(1.0),
        message: format!("{} of {} files with {named}{more} are labelled {label}", group_digits(s.with_label), group_digits(s.rows)),
        reasons: s.reasons.clone(),
    }
}

/// Fewest files of one mark, all of one label and with pictures of other classes, that pass all bounds.
fn floor(model: &OriginModel, class: usize) -> Floor {
    let tests = (model.tested as f64 * model.classes.list.len() as f64).max(1.0).ln();
    let rows = model.classes.list[class].rows;
    let most = (MOST * rows as f64) as u64;
    let passes = |k: &u64| {
        let sure = wilson(*k as f64, *k as f64, Z95).0 >= PURITY;
        sure && ln_binomial_upper(*k, *k, model.classes.prior(class)) + tests <= CHANCE
    };
    let found = (LEAST.max(JUDGED as u64)..=most).find(passes);
    let reason = found.is_none().then(|| format!("{} images are too few, or nearly all there are", group_digits(rows)));
    let class = Some(model.classes.list[class].name.clone());
    Floor { family: "files of one mark".to_owned(), class, rows: found, reason, ..Floor::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::harness::{Dice, quarantined, run, run_split};
    use crate::rule::DynRule;
    use arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
    use image::{DynamicImage, GrayImage, ImageFormat, Luma};
    use std::sync::Arc;

    fn rule() -> Box<dyn DynRule> {
        Box::new(ImageOrigin { image: "image".into(), label: "label".into() })
    }

    /// Stripes that lie or stand, on noise.
    fn picture(dice: &mut Dice, lying: bool, format: ImageFormat) -> Vec<u8> {
        let phase = dice.roll(8) as u32;
        let image = GrayImage::from_fn(16, 16, |x, y| {
            let at = (if lying { y } else { x } + phase) % 8;
            Luma([(if at < 4 { 60 } else { 180 }) + dice.roll(40) as u8])
        });
        let mut out = std::io::Cursor::new(Vec::new());
        DynamicImage::ImageLuma8(image).write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    /// 600 rows; every fifteenth is labelled `lies` and followed by a tail. `honest` says whether it lies, too.
    fn data(honest: bool, tail: bool) -> (RecordBatch, Vec<u64>) {
        let mut dice = Dice::new(5);
        let (mut files, mut labels, mut odd) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..600u64 {
            let marked = i % 15 == 0;
            let lying = if marked { honest } else { dice.roll(2) == 0 };
            let mut file = picture(&mut dice, lying, ImageFormat::Png);
            if marked && tail {
                file.extend(format!("tail {i}").bytes());
            }
            if marked {
                odd.push(i);
            }
            files.push(file);
            labels.push(if lying || marked { "lies" } else { "stands" });
        }
        let columns: [(&str, ArrayRef); 2] =
            [("image", Arc::new(BinaryArray::from_iter_values(files))), ("label", Arc::new(StringArray::from(labels)))];
        (RecordBatch::try_from_iter(columns).unwrap(), odd)
    }

    #[test]
    fn files_made_alike_whose_pictures_contradict_their_label_are_quarantined() {
        let (data, odd) = data(false, true);
        let (outcome, lines) = run(rule(), &data);
        assert_eq!(quarantined(&lines), odd, "{:?}", outcome.groups);
        assert_eq!(outcome.groups[0].key, "data after the end of the image in lies");
        for (threads, shard, batch) in [(1, 1000, 7), (3, 50, 9)] {
            assert_eq!(run_split(rule(), &data, threads, shard, batch).1, lines);
        }
    }

    #[test]
    fn blurred_pictures_that_contradict_their_label_are_for_review() {
        let mut dice = Dice::new(6);
        let (mut files, mut labels, mut odd) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..900u64 {
            let blurred = i % 15 == 0;
            let lying = !blurred && dice.roll(2) == 0;
            let (phase, middle, height) = (dice.roll(8) as u32, 90.0 + dice.roll(60) as f64, 40.0 + dice.roll(30) as f64);
            let image = GrayImage::from_fn(16, 16, |x, y| {
                let at = f64::from(if lying { y } else { x } + phase) / 8.0;
                let wave = middle + height * (std::f64::consts::TAU * at).sin();
                Luma([(wave + f64::from(x + y) + dice.roll(if blurred { 4 } else { 40 }) as f64) as u8])
            });
            let mut out = std::io::Cursor::new(Vec::new());
            DynamicImage::ImageLuma8(image).write_to(&mut out, ImageFormat::Png).unwrap();
            files.push(out.into_inner());
            labels.push(if lying || blurred { "lies" } else { "stands" });
            if blurred {
                odd.push(i);
            }
        }
        let columns: [(&str, ArrayRef); 2] =
            [("image", Arc::new(BinaryArray::from_iter_values(files))), ("label", Arc::new(StringArray::from(labels)))];
        let (outcome, lines) = run(rule(), &RecordBatch::try_from_iter(columns).unwrap());
        assert!(quarantined(&lines).is_empty());
        assert_eq!(lines.iter().map(|l| l.0).collect::<Vec<u64>>(), odd, "{:?}", outcome.groups);
        assert!(outcome.groups[0].key.contains("DCT band"), "{:?}", outcome.groups);
    }

    #[test]
    fn the_floor_is_the_fewest_rows_that_pass_for_every_class() {
        let (data, _) = data(false, false);
        let floors = run(rule(), &data).0.floor;
        assert_eq!(floors.len(), 2);
        // 2^-27 is the first power of one half below a millionth over the 60 marks or so and two classes.
        assert!(floors.iter().all(|f| f.rows.is_some_and(|n| (24..=32).contains(&n))), "{floors:?}");
    }

    #[test]
    fn a_source_of_its_own_that_shows_its_class_is_for_review() {
        let (data, odd) = data(true, true);
        let (_, lines) = run(rule(), &data);
        assert!(quarantined(&lines).is_empty());
        assert_eq!(lines.iter().map(|l| l.0).collect::<Vec<u64>>(), odd);
    }

    #[test]
    fn files_that_are_all_made_alike_are_nothing() {
        let (data, _) = data(false, false);
        let (outcome, lines) = run(rule(), &data);
        assert!(lines.is_empty() && outcome.groups.is_empty(), "{:?}", outcome.groups);
    }

    #[test]
    fn few_rows_and_one_class_are_no_finding() {
        let (data, _) = data(false, true);
        for rows in [0, 1, 11] {
            assert!(run(rule(), &data.slice(0, rows)).1.is_empty());
        }
        let one: ArrayRef = Arc::new(StringArray::from(vec!["a"; 600]));
        let data = RecordBatch::try_from_iter([("image", data.column(0).clone()), ("label", one)]).unwrap();
        assert!(matches!(run(rule(), &data).0.status, Status::NotTested(_)));
    }
}
