//! The same question asked of vectors: rows whose nearest neighbours have another label (Wilson 1972), as far as the
//! neighbours of rows of that label usually agree (confident learning).
//!
//! ```text
//! 1  labels, widths
//! 2  a sample of rows, of which each is judged by the others ─► how much a class agrees, how far the list goes
//! judge  every row by its nearest in the sample
//! ```

use super::{CLASSES, FEWEST, GROUP, LISTED, META, floor, group};
use crate::batch::Batch;
use crate::detectors::image_classes::{Classes, Labels};
use crate::detectors::trigger_table::sketch::BottomK;
use crate::error::{Result, group_digits, plural};
use crate::features::vectors::{Vectors, folded, has_direction, hash};
use crate::rule::{Action, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use crate::sketch::minhash::mix;
use crate::stats::dense::{add, dot, unit};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rows that all others are compared with, and the width that their vectors are folded to: 4 MB, and a million products a row.
const REFERENCE: usize = 4096;
const WIDTH: usize = 256;
/// Wider vectors are not read.
const WIDEST: usize = 65_536;
/// Neighbours that vote.
const NEIGHBOURS: usize = 20;
/// Of the label's own and of another, the neighbour whose distance stands for how dense the label is there.
const NEAR: usize = 5;
/// Share of what a class's prior leaves open that its rows' neighbours must agree in, for them to tell the class at all.
const TELLING: f64 = 0.2;
/// Times as many neighbours, one more added to each side, must have the other label.
const TIMES: f64 = 5.0;

pub struct VectorConflict {
    pub column: String,
    pub label: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum VectorState {
    Look {
        labels: Labels,
        widths: BTreeMap<u32, u64>,
    },
    /// Class and folded vector, by a hash of the vector.
    Sample(BottomK<(u32, Vec<f32>)>),
}

impl State for VectorState {
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (VectorState::Look { labels, widths }, VectorState::Look { labels: l, widths: w }) => {
                labels.merge(l);
                w.into_iter().for_each(|(width, n)| *widths.entry(width).or_default() += n);
            }
            // Of equal vectors with two labels the first class stands for both, whatever the order.
            (VectorState::Sample(mine), VectorState::Sample(theirs)) => mine.merge(theirs, |a, b| a.0 = a.0.min(b.0)),
            _ => unreachable!("states of one round are merged"),
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct VectorModel {
    stopped: Option<String>,
    classes: Classes,
    width: usize,
    rows: u64,
    skipped: u64,
    seed: u64,
    centre: Vec<f32>,
    /// Hash, class and direction from the centre.
    reference: Vec<(u64, u32, Vec<f32>)>,
    /// Mean share of own neighbours, per class.
    usual: Vec<f64>,
    cut: Option<f64>,
    suspects: usize,
    listed: u64,
}

/// What the neighbours of a row say.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Vote {
    own: usize,
    other: usize,
    class: usize,
    /// Distance to the label's own over distance to the other's: the ratio of their densities, to the power of one dimension.
    density: f64,
}

impl Vote {
    /// Votes first; the densities tell between equal ones.
    fn rank(&self) -> f64 {
        (self.other - self.own) as f64 + self.density / (1.0 + self.density)
    }
}

impl VectorModel {
    fn direction(&self, x: &[f32]) -> Vec<f32> {
        let mut x = folded(x, WIDTH, self.seed);
        add(&mut x, -1.0, &self.centre);
        unit(&mut x);
        x
    }

    /// Neighbours by class, and the distance to the class's few nearest; a row is no neighbour of itself or of its copies.
    fn neighbours(&self, hash: u64, x: &[f32]) -> (Vec<usize>, Vec<f64>) {
        let others = self.reference.iter().enumerate().filter(|(_, r)| r.0 != hash);
        let mut near: Vec<(f32, usize)> = others.map(|(i, r)| (dot(x, &r.2), i)).collect();
        let classes = self.classes.list.len();
        let mut closest = vec![[f32::NEG_INFINITY; NEAR]; classes];
        for (alike, i) in &near {
            let best = &mut closest[self.reference[*i].1 as usize];
            if *alike > best[NEAR - 1] {
                let at = best.partition_point(|b| b >= alike);
                best[at..].rotate_right(1);
                best[at] = *alike;
            }
        }
        // No two directions are farther apart than 2.
        let far = closest.into_iter().map(|c| f64::from(2.0 - 2.0 * c[NEAR - 1]).max(0.0).sqrt().min(2.0)).collect();
        let k = NEIGHBOURS.min(near.len());
        if 0 < k && k < near.len() {
            near.select_nth_unstable_by(k - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        }
        let mut votes = vec![0; classes];
        near[..k].iter().for_each(|(_, i)| votes[self.reference[*i].1 as usize] += 1);
        (votes, far)
    }

    /// Whether neighbours say anything of a class.
    fn tells(&self, class: usize) -> bool {
        let prior = self.classes.prior(class);
        self.usual[class] - prior >= TELLING * (1.0 - prior)
    }

    fn vote(&self, class: usize, hash: u64, x: &[f32]) -> Option<Vote> {
        if !self.tells(class) {
            return None;
        }
        let (votes, far) = self.neighbours(hash, x);
        let total = votes.iter().sum::<usize>().max(1) as f64;
        let confident = |c: &usize| *c != class && self.tells(*c) && votes[*c] as f64 / total >= self.usual[*c];
        let other = (0..votes.len()).filter(confident).max_by_key(|c| (votes[*c], std::cmp::Reverse(*c)))?;
        let times = (votes[other] + 1) as f64 / (votes[class] + 1) as f64;
        let density = far[class] / far[other].max(1e-9);
        (times >= TIMES).then_some(Vote { own: votes[class], other: votes[other], class: other, density })
    }

    fn learn(&mut self, sample: &BottomK<(u32, Vec<f32>)>) {
        let mut sum = vec![0f64; self.width.min(WIDTH)];
        for (_, (_, x)) in sample.iter() {
            sum.iter_mut().zip(x).for_each(|(s, v)| *s += f64::from(*v));
        }
        let n = sample.len().max(1) as f64;
        self.centre = sum.into_iter().map(|s| (s / n) as f32).collect();
        self.reference = sample.iter().map(|(hash, (class, x))| (hash, *class, self.direction(x))).collect();
        let all: Vec<(usize, Vec<usize>)> =
            self.reference.par_iter().map(|(hash, class, x)| (*class as usize, self.neighbours(*hash, x).0)).collect();
        let mut agree = vec![(0.0, 0.0); self.classes.list.len()];
        for (class, votes) in &all {
            agree[*class].0 += votes[*class] as f64 / votes.iter().sum::<usize>().max(1) as f64;
            agree[*class].1 += 1.0;
        }
        self.usual = agree.into_iter().map(|(share, n)| if n > 0.0 { share / n } else { 1.0 }).collect();
        let votes = self.reference.par_iter().filter_map(|(hash, class, x)| self.vote(*class as usize, *hash, x));
        let mut ranks: Vec<f64> = votes.map(|v| v.rank()).collect();
        ranks.sort_unstable_by(|a, b| b.total_cmp(a));
        let most = (LISTED * self.reference.len() as f64) as usize;
        self.suspects = ranks.len();
        // Equal ranks are listed together or not at all.
        let mut listed = ranks.len().min(most);
        while listed > 0 && ranks.get(listed).is_some_and(|next| *next == ranks[listed - 1]) {
            listed -= 1;
        }
        self.cut = listed.checked_sub(1).map(|last| ranks[last]);
        self.listed = (listed as f64 * self.rows as f64 / self.reference.len().max(1) as f64).round() as u64;
    }
}

/// Calls `f` with every row that has a class and a usable vector: row, class, hash, vector.
fn visit(rule: &VectorConflict, model: &VectorModel, batch: &Batch, mut f: impl FnMut(usize, u32, u64, &[f32])) {
    let Some(vectors) = batch.column(&rule.column).and_then(Vectors::of) else { return };
    for (row, class) in model.classes.read(batch, &rule.label).into_iter().enumerate() {
        let x = vectors.row(row).filter(|x| x.len() == model.width && has_direction(x));
        if let (Some(class), Some(x)) = (class, x) {
            f(row, class, mix(hash(x, model.seed)), x);
        }
    }
}

impl VectorConflict {
    fn key(&self) -> String {
        format!("{GROUP} by {}", self.column)
    }
}

impl Rule for VectorConflict {
    const META: Meta = META;
    type State = VectorState;
    type Model = VectorModel;

    fn columns(&self) -> Vec<String> {
        vec![self.column.clone(), self.label.clone()]
    }

    fn start(&self, round: &Round<'_, VectorModel>) -> VectorState {
        match round.model {
            None => VectorState::Look { labels: Labels::default(), widths: BTreeMap::new() },
            Some(_) => VectorState::Sample(BottomK::new(REFERENCE)),
        }
    }

    fn observe(&self, round: &Round<'_, VectorModel>, state: &mut VectorState, batch: &Batch) -> Result<()> {
        match (state, round.model) {
            (VectorState::Look { labels, widths }, _) => {
                labels.observe(batch, &self.label);
                let vectors = batch.column(&self.column).and_then(Vectors::of);
                for row in 0..batch.rows() {
                    let x = vectors.as_ref().and_then(|v| v.row(row)).filter(|x| has_direction(x) && x.len() <= WIDEST);
                    *widths.entry(x.map_or(0, |x| x.len() as u32)).or_default() += 1;
                }
            }
            (VectorState::Sample(sample), Some(model)) => visit(self, model, batch, |_, class, hash, x| {
                if let Some(entry) = sample.entry(hash, || (class, folded(x, WIDTH, model.seed))) {
                    entry.0 = entry.0.min(class);
                }
            }),
            _ => unreachable!("only the first round has no model"),
        }
        Ok(())
    }

    fn finish(&self, round: &Round<'_, VectorModel>, state: VectorState) -> Result<Step<VectorModel>> {
        match (state, round.model) {
            (VectorState::Look { labels, widths }, _) => {
                let stop = |reason| Ok(Step::Done(VectorModel { stopped: Some(reason), ..VectorModel::default() }));
                let all: u64 = widths.values().sum();
                let Some((&width, &rows)) = widths.iter().filter(|(w, _)| **w > 0).max_by_key(|(w, n)| (**n, **w)) else {
                    return stop(format!("`{}` holds no finite vector", self.column));
                };
                let classes = match labels.classes(&self.label) {
                    Ok(classes) if classes.list.len() > CLASSES => return stop(format!("`{}` has more than {CLASSES} labels", self.label)),
                    Ok(classes) => classes,
                    Err(reason) => return stop(reason),
                };
                if rows < FEWEST {
                    return stop(format!("fewer than {FEWEST} rows have a vector of {width} numbers"));
                }
                let seed = mix(round.plan.seed ^ 0x6b6e_6e31);
                let model = VectorModel { classes, width: width as usize, rows, skipped: all - rows, seed, ..VectorModel::default() };
                Ok(Step::Again(model))
            }
            (VectorState::Sample(sample), Some(model)) => {
                let mut model = model.clone();
                model.learn(&sample);
                if model.cut.is_none() {
                    model.reference = Vec::new();
                }
                Ok(Step::Done(model))
            }
            _ => unreachable!("only the first round has no model"),
        }
    }

    fn outcome(&self, m: &VectorModel) -> Outcome {
        let title = format!("the neighbours in `{}` do not contradict `{}`", self.column, self.label);
        if let Some(reason) = &m.stopped {
            return Outcome::new(title, Status::NotTested(reason.clone()));
        }
        let mut o = Outcome::new(title, Status::Pass);
        (o.tested, o.not_tested_rows) = (m.rows, m.skipped);
        o.columns = Rule::columns(self);
        let sampled = group_digits(m.rows.min(REFERENCE as u64));
        o.message = format!("in a sample of {sampled}, the neighbours of {} argue for another label", plural(m.suspects, "row"));
        let message = format!("the nearest vectors of about {} have another label", plural(m.listed as usize, "row"));
        let reason = "each stands alone: a wrong label, or an input that lies where another class does";
        o.groups = m.cut.into_iter().map(|_| group(self.key(), m.listed, message.clone(), reason)).collect();
        o.floor = vec![floor()];
        o
    }

    fn has_rows(&self, m: &VectorModel) -> bool {
        m.cut.is_some()
    }

    fn judge(&self, m: &VectorModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        let Some(cut) = m.cut else { return Ok(()) };
        let (column, key) = (out.intern(&self.column), out.intern(&self.key()));
        let mut hits = Vec::new();
        visit(self, m, batch, |row, class, hash, x| {
            let vote = m.vote(class as usize, hash, &m.direction(x)).filter(|v| v.rank() >= cut);
            hits.extend(vote.map(|vote| (row, class as usize, vote)));
        });
        for (row, class, vote) in hits {
            let name = |c: usize| &m.classes.list[c].name;
            let message =
                format!("{} of its {NEIGHBOURS} nearest are labelled {}, {} {}", vote.other, name(vote.class), vote.own, name(class));
            let message = out.intern(&message);
            let hit = out.push(row, Action::Review, 0.5, message);
            (hit.column, hit.group, hit.statistic) = (column, key, vote.density);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::harness::{Dice, run, run_split};
    use crate::rule::DynRule;
    use arrow::array::{ArrayRef, ListArray, RecordBatch, StringArray};
    use arrow::datatypes::Float32Type;
    use std::sync::Arc;

    fn rule() -> Box<dyn DynRule> {
        Box::new(VectorConflict { column: "x".into(), label: "label".into() })
    }
    /// Three classes about means of their own, `apart` from each other.
    fn rows(n: usize, seed: u64, apart: f32, wrong: impl Fn(usize) -> bool) -> RecordBatch {
        let mut dice = Dice::new(seed);
        let (mut x, mut labels) = (Vec::new(), Vec::new());
        for i in 0..n {
            let class = dice.roll(3);
            let mut noise = || (0..6).map(|_| dice.roll(1000) as f32 / 1000.0).sum::<f32>() - 3.0;
            let row: Vec<Option<f32>> = (0..12).map(|c| Some(noise() + if c % 3 == class { apart } else { 0.0 })).collect();
            x.push(Some(row));
            labels.push(["a", "b", "c"][if wrong(i) { (class + 1) % 3 } else { class }]);
        }
        let columns: [(&str, ArrayRef); 2] =
            [("x", Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(x))), ("label", Arc::new(StringArray::from(labels)))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn turned_labels_lead_a_list_of_bounded_length() {
        let wrong = |i: usize| i % 200 == 7;
        let (outcome, lines) = run(rule(), &rows(3000, 1, 1.5, wrong));
        assert!((4..=6).contains(&lines.len()), "{}", lines.len());
        assert!(lines.iter().all(|l| wrong(l.0 as usize) && l.1 == Action::Review), "{lines:?}");
        assert_eq!((outcome.status, outcome.failing), (Status::Pass, 0));
    }

    #[test]
    fn labels_that_vectors_do_not_foretell_list_nothing() {
        assert!(run(rule(), &rows(2000, 2, 0.0, |_| false)).1.is_empty());
    }

    #[test]
    fn the_list_does_not_depend_on_how_the_data_is_split() {
        let data = rows(1500, 3, 1.5, |i| i % 100 == 7);
        let whole = run(rule(), &data).1;
        assert!(!whole.is_empty());
        for (threads, shard, batch) in [(1, 1500, 7), (2, 333, 100)] {
            assert_eq!(run_split(rule(), &data, threads, shard, batch).1, whole);
        }
    }

    #[test]
    fn few_rows_one_label_and_no_vectors_are_not_tested() {
        let not_tested = |data: &RecordBatch| matches!(run(rule(), data).0.status, Status::NotTested(_));
        let data = rows(400, 4, 1.0, |_| false);
        assert!(!not_tested(&data) && not_tested(&data.slice(0, 150)) && not_tested(&data.slice(0, 0)));
        let one: ArrayRef = Arc::new(StringArray::from(vec!["a"; 400]));
        assert!(not_tested(&RecordBatch::try_from_iter([("x", data.column(0).clone()), ("label", one)]).unwrap()));
        let none = ListArray::from_iter_primitive::<Float32Type, _, _>((0..400).map(|_| Some(vec![Some(0.0), Some(f32::NAN)])));
        let none: ArrayRef = Arc::new(none);
        assert!(not_tested(&RecordBatch::try_from_iter([("x", none), ("label", data.column(1).clone())]).unwrap()));
    }

    #[test]
    fn copies_of_a_row_do_not_vote_for_it() {
        let data = rows(600, 5, 1.5, |_| false);
        let mut model = VectorModel { width: 12, rows: 600, seed: 9, ..VectorModel::default() };
        let mut labels = Labels::default();
        let batch = Batch::new(data.clone(), 0, 0);
        labels.observe(&batch, "label");
        model.classes = labels.classes("label").unwrap();
        let mut sample = BottomK::new(REFERENCE);
        let rule = VectorConflict { column: "x".into(), label: "label".into() };
        visit(&rule, &model, &batch, |_, class, hash, x| {
            sample.entry(hash, || (class, x.to_vec()));
        });
        model.learn(&sample);
        let (hash, _, x) = model.reference[0].clone();
        let (without, with) = (model.neighbours(hash, &x), model.neighbours(hash ^ 1, &x));
        assert_eq!(without.0.iter().sum::<usize>(), NEIGHBOURS);
        assert!(with.1.iter().zip(&without.1).all(|(a, b)| a <= b));
        assert_ne!(with, without);
    }
}
