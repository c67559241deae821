//! Table cells that push a label: the table families of `shared-trigger` (one value of one column, or
//! a pair of values that are common each by itself) and the joint tails of `outlier-group`.
//!
//! ```text
//!  round 1  classes, a row sample, a count-min per column     ─► bins, the counts a value must reach
//!  round 2  bins × classes per fold, exact counts of frequent values, row samples ─► content, candidates
//!  round 3  a row sample per candidate, labels of its neighbouring values              ─► tests, groups
//! ```
//!
//! A natural value can be as label-pure as a planted one. What a planted value cannot imitate is
//! that its rows are, in all other columns, a random draw from the *other* classes; what a natural
//! spike often shows is that the neighbouring values say the same. Pairs and joint tails are found in
//! the sample of round 2, which bounds the work, and tested on all rows.

mod blocks;
mod content;
mod decide;
mod evidence;
mod floor;
mod nominate;
mod pairs;
pub(super) mod sketch;
#[cfg(test)]
mod tests;

use super::frequent::HashedMap;
use super::shared_trigger::META;
use crate::batch::{Batch, cell_text};
use crate::error::Result;
use crate::features::table::{Kind, NULL, code_number, codes, columns_of, mix, row_hashes};
use crate::rule::{Action, Findings, Group, Meta, Outcome, Round, Rule, Status, Step};
use content::{Binning, Content, FOLDS, fold_of, offsets};
use evidence::{Evidence, Finding, Told};
use pairs::Mined;
use serde::{Deserialize, Serialize};
use sketch::{BottomK, CountMin};

/// Bins of a column, at most.
const BINS: usize = 34;
/// Classes that a numeric label with more values is cut into, of as many rows each.
const TENTHS: usize = 10;
/// More classes than this are a quantity, not classes.
pub const MAX_CLASSES: usize = 100;
/// Distinct labels that are told apart while looking for too many.
const LABELS: usize = 1024;
/// A value must occur this often to be looked at: fewer rows cannot carry the evidence asked for.
const LEAST: u64 = 8;
/// Frequent values over all columns, at most; the least count grows with the table to keep to it.
const VALUES: u64 = 500_000;
/// Candidates that are tested; the most significant ones.
const CANDIDATES: usize = 1500;
/// Rows sampled per candidate.
const POSTINGS: usize = 400;
/// Neighbouring rows on each side of a value.
const NEIGHBOURS: usize = 60;
/// Cells of the sample in which pairs and blocks are looked for, and rows of it at most.
const MINED_CELLS: usize = 3_000_000;
const MINED_ROWS: usize = 65_536;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Exact values, alone and in pairs.
    Values,
    /// Blocks of extreme values in more than one column.
    Tails,
}

pub struct TableTrigger {
    pub columns: Vec<(String, Kind)>,
    pub label: String,
    /// Whether the label is a number: with many values it is cut into classes.
    pub quantity: bool,
    pub family: Family,
}

/// A condition on a row: the code of a column lies in a range, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    pub column: usize,
    pub from: u64,
    pub to: u64,
}

impl Part {
    fn value(column: usize, code: u64) -> Self {
        Part { column, from: code, to: code }
    }
    fn holds(&self, code: u64) -> bool {
        code != NULL && self.from <= code && code <= self.to
    }
}

/// A class by the code of its label.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Class {
    code: u64,
    name: String,
    rows: u64,
}

/// A value, or two conditions together, that lean to a class.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Candidate {
    /// One, or several of different columns in the order of the columns.
    parts: Vec<Part>,
    class: usize,
    /// Exact for one value; of the sample for two conditions.
    rows: u64,
    labelled: u64,
    ln_p: f64,
    /// The codes between which a single value's neighbours lie, itself excluded; equal for strings.
    from: u64,
    to: u64,
    /// Count of the most frequent value among the neighbours.
    crowd: u64,
    /// How far the neighbours can speak for the value, 0 to 1.
    near: f64,
    /// Log-odds that the parts by themselves and their neighbours give the class.
    lean: f64,
    /// Share of the other values of its column that decide the label by themselves; of two, the larger.
    ruled: f64,
    /// Of a pair: rows with each of its values.
    each: [u64; 2],
}

impl Candidate {
    /// Column and code of a single value.
    fn single(&self) -> Option<(usize, u64)> {
        match self.parts[..] {
            [part] => Some((part.column, part.from)),
            _ => None,
        }
    }
    /// The part that fewer rows have.
    fn rarer(&self) -> Part {
        self.parts[usize::from(self.parts.len() == 2 && self.each[1] < self.each[0])]
    }
    fn columns(&self) -> Vec<usize> {
        self.parts.iter().map(|p| p.column).collect()
    }
}

/// Rows with a candidate that are alike in every cell and the label.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Posting {
    class: u32,
    fold: u8,
    rows: u32,
    bins: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
pub enum TableState {
    Look { labels: BottomK<(u64, String)>, sample: BottomK<Vec<u64>>, heavy: CountMin },
    Count { bins: Vec<u64>, values: Vec<HashedMap<Vec<u32>>>, samples: Vec<BottomK<Vec<u64>>>, mined: BottomK<Mined> },
    Test(Tests),
}

/// What round 3 learns of each candidate.
#[derive(Serialize, Deserialize)]
pub struct Tests {
    postings: Vec<BottomK<Posting>>,
    /// The cells of the parts as a person reads them.
    shown: Vec<Option<Vec<String>>>,
    /// Rows, and those with the label.
    counts: Vec<[u64; 2]>,
    cells: Vec<Vec<u64>>,
}

impl crate::rule::State for TableState {
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (TableState::Look { labels, sample, heavy }, TableState::Look { labels: l, sample: s, heavy: h }) => {
                labels.merge(l, |a, b| {
                    a.0 += b.0;
                    a.1 = std::mem::take(&mut a.1).min(b.1);
                });
                sample.merge(s, |mine, theirs| {
                    if let (Some(a), Some(b)) = (mine.last_mut(), theirs.last()) {
                        *a = (*a).min(*b);
                    }
                });
                heavy.merge(&h);
            }
            (TableState::Count { bins, values, samples, mined }, TableState::Count { bins: b, values: v, samples: s, mined: m }) => {
                mined.merge(m, |_, _| {});
                add(bins, &b);
                for (mine, theirs) in values.iter_mut().zip(v) {
                    for (code, counts) in theirs {
                        match mine.entry(code) {
                            std::collections::hash_map::Entry::Occupied(mut e) => {
                                e.get_mut().iter_mut().zip(counts).for_each(|(a, b)| *a = a.saturating_add(b));
                            }
                            std::collections::hash_map::Entry::Vacant(e) => {
                                e.insert(counts);
                            }
                        }
                    }
                }
                samples.iter_mut().zip(s).for_each(|(a, b)| a.merge(b, |_, _| {}));
            }
            (TableState::Test(mine), TableState::Test(theirs)) => {
                let merge = |(a, b): (&mut BottomK<Posting>, _)| a.merge(b, |mine, other| mine.rows += other.rows);
                mine.postings.iter_mut().zip(theirs.postings).for_each(merge);
                for (mine, theirs) in mine.shown.iter_mut().zip(theirs.shown) {
                    *mine = match (mine.take(), theirs) {
                        (Some(a), Some(b)) => Some(a.min(b)),
                        (a, b) => a.or(b),
                    };
                }
                mine.counts.iter_mut().zip(&theirs.counts).for_each(|(a, b)| add(a, b));
                mine.cells.iter_mut().zip(theirs.cells).for_each(|(a, b)| add(a, &b));
            }
            _ => unreachable!("states of one round are merged"),
        }
    }
}

fn add(mine: &mut [u64], theirs: &[u64]) {
    mine.iter_mut().zip(theirs).for_each(|(a, b)| *a += b);
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TableModel {
    /// Why nothing was tested; ends the rule.
    stopped: Option<String>,
    classes: Vec<Class>,
    /// A class is a range of the label, from its code up to the next one's.
    ranges: bool,
    /// Columns that carry something, by index into the rule's.
    used: Vec<usize>,
    binnings: Vec<Binning>,
    /// Sorted codes of the row sample, per used column.
    sample: Vec<Vec<u64>>,
    heavy: Option<CountMin>,
    /// Count a value must reach.
    least: u64,
    content: Option<Content>,
    bins: Vec<u64>,
    references: Vec<content::Reference>,
    candidates: Vec<Candidate>,
    /// Hypotheses behind the candidates: values, and pairs of conditions.
    tested: usize,
    tested_pairs: usize,
    /// Why pairs were not looked at.
    pairs_skipped: Option<String>,
    /// Columns whose values decide the label by themselves: for values alone, and for those of pairs.
    ruled: [Vec<String>; 2],
    /// Per class: log-odds that the values of a pair give it by themselves, which nine in ten stay below.
    leans: Vec<f64>,
    /// Distinct rows in which pairs were looked for.
    mined: u64,
    /// Per used column, sorted codes that bound the cells in which neighbours are counted.
    bounds: Vec<Vec<u64>>,
    findings: Vec<Finding>,
    /// Per class: how well the columns tell it apart without the one that tells it best, and without the best two.
    told: Vec<[Told; 2]>,
}

impl TableModel {
    fn stop(reason: impl Into<String>) -> Step<TableModel> {
        Step::Done(TableModel { stopped: Some(reason.into()), ..TableModel::default() })
    }
    /// Distinct values of a column, as far as the sample shows.
    fn distinct(&self, column: usize) -> usize {
        self.sample[column].chunk_by(|a, b| a == b).count()
    }
    /// Whether a value is one of two that its column has.
    fn is_one_of_two(&self, part: Part) -> bool {
        self.distinct(part.column) == 2 && self.sample[part.column].binary_search(&part.from).is_ok()
    }
    fn class_of(&self, code: u64) -> Option<usize> {
        if self.ranges {
            return self.classes.partition_point(|c| c.code <= code).checked_sub(1);
        }
        self.classes.binary_search_by_key(&code, |c| c.code).ok()
    }
}

impl TableTrigger {
    fn names(&self, model: &TableModel) -> Vec<String> {
        model.used.iter().map(|&c| self.columns[c].0.clone()).collect()
    }

    /// Codes of the used columns and class of each row (`usize::MAX` without label).
    fn read(&self, model: &TableModel, batch: &Batch) -> (Vec<Vec<u64>>, Vec<usize>) {
        let columns = columns_of(batch, &self.names(model));
        let labels = batch.column(&self.label).map_or_else(|| vec![NULL; batch.rows()], |a| codes(a.as_ref()));
        // Runs of one label are common and a look-up per row is not free.
        let mut last = (NULL, usize::MAX);
        let class = |code: u64| {
            if code != last.0 {
                last = (code, model.class_of(code).unwrap_or(usize::MAX));
            }
            last.1
        };
        (columns, labels.into_iter().map(class).collect())
    }

    fn look(&self, seed: u64, labels: &mut BottomK<(u64, String)>, sample: &mut BottomK<Vec<u64>>, heavy: &mut CountMin, batch: &Batch) {
        let names: Vec<String> = self.columns.iter().map(|c| c.0.clone()).collect();
        let columns = columns_of(batch, &names);
        let hashes = row_hashes(&columns, batch.rows(), seed);
        if let Some(label) = batch.column(&self.label) {
            let mut seen: HashedMap<(u64, usize)> = HashedMap::default();
            for (row, code) in codes(label.as_ref()).into_iter().enumerate() {
                if code != NULL {
                    seen.entry(code).or_insert((0, row)).0 += 1;
                }
            }
            for (code, (rows, row)) in seen {
                // Keyed by a hash, told apart by the code itself: bottom-k needs spread keys.
                if let Some(entry) = labels.entry(code, || (0, cell_text(label.as_ref(), row).unwrap_or_default())) {
                    entry.0 += rows;
                }
            }
        }
        if self.family == Family::Values {
            for (column, cells) in columns.iter().enumerate() {
                cells.iter().for_each(|code| heavy.add(column, *code));
            }
        }
        // The label stands behind the columns.
        let labels = batch.column(&self.label).map(|a| codes(a.as_ref()));
        let label = |row: usize| labels.as_ref().map_or(NULL, |l| l[row]);
        for (row, hash) in hashes.into_iter().enumerate() {
            let cells = || columns.iter().map(|c| c[row]).chain([label(row)]).collect::<Vec<u64>>();
            let kept = sample.entry(hash, cells);
            // Rows that differ in nothing but the label: the smaller one, whatever the order.
            if let Some(last) = kept.and_then(|cells| cells.last_mut()) {
                *last = (*last).min(label(row));
            }
        }
    }

    fn finish_look(&self, labels: &BottomK<(u64, String)>, sample: &BottomK<Vec<u64>>, heavy: CountMin, rows: u64) -> Step<TableModel> {
        let tenths = if self.quantity && labels.len() > MAX_CLASSES { ranges(sample, rows) } else { Vec::new() };
        let is_range = tenths.len() >= 2;
        if labels.len() > MAX_CLASSES && !is_range {
            let many = if labels.len() >= LABELS { format!("{LABELS} or more") } else { labels.len().to_string() };
            return TableModel::stop(format!("`{}` has {many} distinct values: a quantity, not classes", self.label));
        }
        if labels.len() < 2 {
            return TableModel::stop(format!("`{}` has {} class; a trigger needs two", self.label, labels.len()));
        }
        let mut classes: Vec<Class> = labels.iter().map(|(code, (rows, name))| Class { code, name: name.clone(), rows: *rows }).collect();
        classes.sort_by_key(|c| c.code);
        if is_range {
            classes = tenths;
        }
        let (mut used, mut binnings, mut sorted) = (Vec::new(), Vec::new(), Vec::new());
        for (c, (_, kind)) in self.columns.iter().enumerate() {
            let mut column: Vec<u64> = sample.iter().map(|(_, cells)| cells[c]).filter(|code| *code != NULL).collect();
            column.sort_unstable();
            let mut distinct = column.clone();
            distinct.dedup();
            // A constant says nothing.
            if distinct.len() < 2 {
                continue;
            }
            used.push(c);
            binnings.push(Binning::fit(*kind, column.clone(), BINS));
            sorted.push(column);
        }
        if used.len() < 2 {
            return TableModel::stop("fewer than two feature columns hold more than one value: nothing could contradict a value");
        }
        let least = LEAST.max(rows * used.len() as u64 / VALUES);
        Step::Again(TableModel {
            classes,
            ranges: is_range,
            used,
            binnings,
            sample: sorted,
            heavy: Some(heavy),
            least,
            ..TableModel::default()
        })
    }

    fn finish_count(
        &self,
        model: &TableModel,
        bins: Vec<u64>,
        values: &[HashedMap<Vec<u32>>],
        samples: &[BottomK<Vec<u64>>],
        mined: &BottomK<Mined>,
    ) -> TableModel {
        let classes = model.classes.len();
        let mut named = model.classes.clone();
        if model.ranges {
            // Every row is in one bin of the first column.
            let (first, width) = (offsets(&model.binnings)[1], bins.len() / (FOLDS * classes));
            let rows = |class| (0..FOLDS).flat_map(move |f| (0..first).map(move |b| (f * width + b) * classes + class));
            named.iter_mut().enumerate().for_each(|(i, c)| c.rows = rows(i).map(|at| bins[at]).sum());
        }
        let class_rows: Vec<u64> = named.iter().map(|c| c.rows).collect();
        let content = Content::new(offsets(&model.binnings), classes, &bins, &class_rows);
        let references = content::references(samples, &model.binnings);
        let sampled: Vec<&Mined> = mined.iter().map(|(_, row)| row).collect();
        let rows = sampled.len() as u64;
        let (mut ruled, mut leans) = ([Vec::new(), Vec::new()], Vec::new());
        let (candidates, tested, tested_pairs, pairs_skipped) = match self.family {
            Family::Values => {
                let nominate::Nominated { mut candidates, tested, rulings, leans: both } =
                    nominate::nominate(self, model, values, &content.prior);
                let pairs = pairs::nominate(model, &content, sampled, &rulings, values);
                candidates.extend(pairs.candidates);
                let spiked = |c: usize| self.columns[model.used[c]].1.is_ordered() && model.distinct(c) >= evidence::SPIKED;
                let common = rulings.iter().enumerate().filter(|(c, r)| r.is_common(spiked(*c)));
                let name = |c: usize| self.columns[model.used[c]].0.clone();
                ruled[0] = common.map(|(c, _)| name(c)).collect();
                ruled[1] = (0..rulings.len()).filter(|c| rulings[*c].is_common_in_pairs()).map(name).collect();
                leans = both;
                (candidates, tested, pairs.tested, pairs.skipped)
            }
            Family::Tails => {
                let kinds: Vec<Kind> = model.used.iter().map(|c| self.columns[*c].1).collect();
                let (candidates, tested) = blocks::nominate(&kinds, model, &sampled);
                (candidates, 0, tested, None)
            }
        };
        let mut bounds: Vec<Vec<u64>> = vec![Vec::new(); model.used.len()];
        for k in candidates.iter().filter(|k| k.from < k.to) {
            if let Some((column, code)) = k.single() {
                bounds[column].extend([k.from, code, code + 1, k.to]);
            }
        }
        for all in &mut bounds {
            all.sort_unstable();
            all.dedup();
        }
        let learned = TableModel {
            content: Some(content),
            bins,
            references,
            candidates,
            tested,
            tested_pairs,
            pairs_skipped,
            ruled,
            leans,
            bounds,
            classes: named,
            ..model.clone()
        };
        TableModel { heavy: None, mined: rows, ..learned }
    }
}

/// Ranges of the label of as many rows each, by the sampled rows; fewer where one value fills several.
fn ranges(sample: &BottomK<Vec<u64>>, rows: u64) -> Vec<Class> {
    let mut codes: Vec<u64> = sample.iter().filter_map(|(_, cells)| cells.last().copied()).filter(|c| *c != NULL).collect();
    codes.sort_unstable();
    let mut from: Vec<u64> = (1..TENTHS).filter_map(|i| codes.get(i * codes.len() / TENTHS).copied()).collect();
    from.dedup();
    // The first range has no lower end, so what is at the least value needs no bound.
    from.retain(|c| codes.first().is_some_and(|least| c > least));
    let shown = |code: u64| code_number(code).to_string();
    let name = |i: usize| match (i.checked_sub(1).map(|i| from[i]), from.get(i)) {
        (None, Some(to)) => format!("below {}", shown(*to)),
        (Some(from), Some(to)) => format!("{} to {}", shown(from), shown(*to)),
        (Some(from), None) => format!("{} or more", shown(from)),
        (None, None) => "any".to_owned(),
    };
    (0..=from.len())
        .map(|i| Class { code: if i == 0 { NULL + 1 } else { from[i - 1] }, name: name(i), rows: rows / (from.len() as u64 + 1) })
        .collect()
}

/// Index of the cell that a code falls into: cell i holds codes below `bounds[i]`, from `bounds[i - 1]`.
fn cell(bounds: &[u64], code: u64) -> usize {
    bounds.partition_point(|b| *b <= code)
}

impl Rule for TableTrigger {
    const META: Meta = META;
    type State = TableState;
    type Model = TableModel;

    fn columns(&self) -> Vec<String> {
        self.columns.iter().map(|c| c.0.clone()).chain([self.label.clone()]).collect()
    }

    fn start(&self, round: &Round<'_, TableModel>) -> TableState {
        let Some(model) = round.model else {
            let columns = self.columns.len().max(1);
            // A few thousand rows fix the bins; wide tables must not cost more than narrow ones.
            let rows = (2_000_000 / columns).clamp(2048, 32_768);
            let budget = (round.plan.memory / 16).min(256 << 20) as usize / (8 * columns);
            let bits = budget.max(1 << 10).ilog2().min((round.plan.rows.max(1024) * 2).ilog2() + 1);
            return TableState::Look {
                labels: BottomK::new(LABELS),
                sample: BottomK::new(rows),
                heavy: CountMin::new(if self.family == Family::Values { self.columns.len() } else { 0 }, bits, mix(round.plan.seed)),
            };
        };
        let classes = model.classes.len();
        if model.content.is_none() {
            let bins = offsets(&model.binnings).last().copied().unwrap_or(0);
            let each = (8000 / classes).clamp(60, 1500);
            return TableState::Count {
                bins: vec![0; FOLDS * bins * classes],
                values: vec![HashedMap::default(); model.used.len()],
                samples: vec![BottomK::new(each); classes],
                mined: BottomK::new((MINED_CELLS / model.used.len().max(1)).clamp(2048, MINED_ROWS)),
            };
        }
        let candidates = model.candidates.len();
        TableState::Test(Tests {
            postings: vec![BottomK::new(POSTINGS); candidates],
            shown: vec![None; candidates],
            counts: vec![[0; 2]; candidates],
            cells: model.bounds.iter().map(|b| vec![0; (b.len() + 1) * classes]).collect(),
        })
    }

    fn observe(&self, round: &Round<'_, TableModel>, state: &mut TableState, batch: &Batch) -> Result<()> {
        let seed = mix(round.plan.seed ^ 0x7ab1e);
        let model = match (round.model, &mut *state) {
            (None, TableState::Look { labels, sample, heavy }) => {
                self.look(seed, labels, sample, heavy, batch);
                return Ok(());
            }
            (Some(model), _) => model,
            _ => unreachable!("the first round looks"),
        };
        let (columns, labels) = self.read(model, batch);
        let hashes = row_hashes(&columns, batch.rows(), seed);
        let classes = model.classes.len();
        match state {
            TableState::Look { .. } => unreachable!("only the first round looks"),
            TableState::Count { bins, values, samples, mined } => {
                let offsets = offsets(&model.binnings);
                let width = offsets.last().copied().unwrap_or(0);
                for (c, cells) in columns.iter().enumerate() {
                    for (row, &code) in cells.iter().enumerate() {
                        let class = labels[row];
                        if class == usize::MAX {
                            continue;
                        }
                        let bin = offsets[c] + usize::from(model.binnings[c].bin(code));
                        bins[(fold_of(hashes[row]) * width + bin) * classes + class] += 1;
                        if self.family == Family::Values
                            && code != NULL
                            && model.heavy.as_ref().is_some_and(|h| u64::from(h.at_most(model.used[c], code)) >= model.least)
                        {
                            let counts = values[c].entry(code).or_insert_with(|| vec![0; classes]);
                            counts[class] = counts[class].saturating_add(1);
                        }
                    }
                }
                for (row, &class) in labels.iter().enumerate() {
                    if class != usize::MAX {
                        let cells = || columns.iter().map(|c| c[row]).collect::<Vec<u64>>();
                        samples[class].entry(hashes[row], cells);
                        let fold = fold_of(hashes[row]) as u8;
                        mined.entry(labelled_key(hashes[row], class), || Mined { class: class as u32, fold, cells: cells() });
                    }
                }
            }
            TableState::Test(tests) => self.test(model, tests, batch, &columns, &labels, &hashes),
        }
        Ok(())
    }

    fn finish(&self, round: &Round<'_, TableModel>, state: TableState) -> Result<Step<TableModel>> {
        Ok(match (round.model, state) {
            (None, TableState::Look { labels, sample, heavy }) => self.finish_look(&labels, &sample, heavy, round.plan.rows),
            (Some(model), TableState::Count { bins, values, samples, mined }) => {
                Step::Again(self.finish_count(model, bins, &values, &samples, &mined))
            }
            (Some(model), TableState::Test(tests)) => {
                let evidence = Evidence { rule: self, model, tests: &tests, plan: round.plan };
                let (findings, told) = evidence.weigh();
                let slim = TableModel { bins: Vec::new(), references: Vec::new(), sample: Vec::new(), ..model.clone() };
                Step::Done(TableModel { findings, told, ..slim })
            }
            _ => unreachable!("a state belongs to its round"),
        })
    }

    fn outcome(&self, model: &TableModel) -> Outcome {
        let title = match self.family {
            Family::Values => format!("shared trigger: values of {} columns against {}", self.columns.len(), self.label),
            Family::Tails => format!("outlier group: tails of {} columns against {}", self.columns.len(), self.label),
        };
        if let Some(reason) = &model.stopped {
            let family = if self.family == Family::Values { "table values" } else { "joint tails" };
            return Outcome::new(title, Status::NotTested(format!("{family}: {reason}")));
        }
        let mut o = Outcome::new(title, if model.findings.is_empty() { Status::Pass } else { Status::Fail });
        o.tested = model.classes.iter().map(|c| c.rows).sum();
        o.failing = model.findings.iter().map(|f| f.labelled).sum();
        o.columns = self.columns();
        let tested = match (self.family, &model.pairs_skipped) {
            (Family::Tails, _) => format!("{} pairs of tails tested", model.tested_pairs),
            (_, None) => format!("{} frequent values and {} pairs of them tested", model.tested, model.tested_pairs),
            (_, Some(reason)) => format!("{} frequent values tested; pairs not: {reason}", model.tested),
        };
        o.message = match model.findings.len() {
            0 => tested,
            n => format!("{n} suspicious: {tested}"),
        };
        o.groups = model.findings.iter().map(|f| self.group(f)).collect();
        o.floor = floor::floors(self.family, model, o.tested);
        o
    }

    fn has_rows(&self, model: &TableModel) -> bool {
        !model.findings.is_empty()
    }

    fn judge(&self, model: &TableModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        let Some(content) = &model.content else { return Ok(()) };
        let (columns, labels) = self.read(model, batch);
        let seed_free_folds = row_hashes(&columns, batch.rows(), model.findings.first().map_or(0, |f| f.seed));
        let mut scores = Vec::new();
        for f in &model.findings {
            let without_columns: Vec<usize> = f.parts.iter().map(|p| p.column).collect();
            let (name, group) = (out.intern(&self.columns[model.used[without_columns[0]]].0), out.intern(&f.key));
            let class = &model.classes[f.class];
            for row in 0..batch.rows() {
                if labels[row] != f.class || !f.parts.iter().all(|p| p.holds(columns[p.column][row])) {
                    continue;
                }
                let bins: Vec<u8> = columns.iter().zip(&model.binnings).map(|(c, b)| b.bin(c[row])).collect();
                let odds = content.log_odds(fold_of(seed_free_folds[row]), &bins, &without_columns, f.class, &mut scores);
                let without = f.contrast.probability(odds, content.prior[f.class], f.shift.max(0.0));
                let text = format!(
                    "{} is {} in {} of the {} rows with {}; the rest of this row gives it {:.0}%",
                    self.label,
                    class.name,
                    f.labelled,
                    f.rows,
                    f.key,
                    100.0 * without
                );
                let message = out.intern(&text);
                let hit = out.push(row, f.action, f.score as f32, message);
                hit.column = name;
                hit.group = group;
                hit.statistic = f.unexplained;
                hit.q_value = f.q;
            }
        }
        Ok(())
    }
}

impl TableTrigger {
    /// Counts the candidates of a batch and samples their rows.
    fn test(&self, model: &TableModel, tests: &mut Tests, batch: &Batch, columns: &[Vec<u64>], labels: &[usize], hashes: &[u64]) {
        let classes = model.classes.len();
        // Values by their code and pairs by that of their rarer part; ranges one by one.
        let mut wanted: Vec<HashedMap<Vec<u32>>> = vec![HashedMap::default(); columns.len()];
        let mut ranges: Vec<usize> = Vec::new();
        for (i, k) in model.candidates.iter().enumerate() {
            let first = k.rarer();
            if first.from == first.to {
                wanted[first.column].entry(first.from).or_default().push(i as u32);
            } else {
                ranges.push(i);
            }
        }
        for (c, column) in columns.iter().enumerate() {
            let bounds = &model.bounds[c];
            if wanted[c].is_empty() {
                continue;
            }
            for (row, &code) in column.iter().enumerate() {
                let class = labels[row];
                if class == usize::MAX || code == NULL {
                    continue;
                }
                if !bounds.is_empty() {
                    tests.cells[c][cell(bounds, code) * classes + class] += 1;
                }
                for &i in wanted[c].get(&code).into_iter().flatten() {
                    self.post(model, tests, batch, columns, (i as usize, row, class, hashes[row]));
                }
            }
        }
        for i in ranges {
            for (row, &class) in labels.iter().enumerate() {
                if class != usize::MAX {
                    self.post(model, tests, batch, columns, (i, row, class, hashes[row]));
                }
            }
        }
    }

    /// Adds a row to a candidate whose other parts it has as well.
    fn post(
        &self,
        model: &TableModel,
        tests: &mut Tests,
        batch: &Batch,
        columns: &[Vec<u64>],
        (i, row, class, hash): (usize, usize, usize, u64),
    ) {
        let k = &model.candidates[i];
        if !k.parts.iter().all(|p| p.holds(columns[p.column][row])) {
            return;
        }
        tests.counts[i][0] += 1;
        tests.counts[i][1] += u64::from(class == k.class);
        let bins = || columns.iter().zip(&model.binnings).map(|(c, b)| b.bin(c[row])).collect();
        let fold = fold_of(hash) as u8;
        let posting = || Posting { class: class as u32, fold, rows: 0, bins: bins() };
        if let Some(posting) = tests.postings[i].entry(labelled_key(hash, class), posting) {
            posting.rows += 1;
        }
        if tests.shown[i].is_none() && self.family == Family::Values {
            let text = |p: &Part| batch.column(&self.columns[model.used[p.column]].0).and_then(|a| cell_text(a.as_ref(), row));
            tests.shown[i] = k.parts.iter().map(text).collect();
        }
    }

    fn group(&self, f: &Finding) -> Group {
        Group {
            key: f.key.clone(),
            action: f.action,
            score: f.score,
            rows: f.rows,
            with_label: f.labelled,
            label: Some(f.class_name.clone()),
            statistic: f.unexplained,
            q_value: f.q,
            message: format!(
                "wherever {}, {} is {} ({} of {} rows), although the other columns and the neighbouring values give it {:.0}%",
                f.said,
                self.label,
                f.class_name,
                f.labelled,
                f.rows,
                100.0 * f.expected
            ),
            reasons: f.reasons.clone(),
        }
    }
}

/// The label is part of a sampled row's key: twins with one label are one witness.
fn labelled_key(hash: u64, class: usize) -> u64 {
    mix(hash ^ (class as u64 + 1))
}

/// The rule over a table's features, or why there is none.
pub fn build(context: &crate::rule::Context<'_>, label: &str, family: Family) -> std::result::Result<TableTrigger, String> {
    use crate::contract::Role;
    let kind = |name: &str| context.schema.field_with_name(name).ok().and_then(|f| crate::features::table::kind_of(f.data_type()));
    let columns: Vec<(String, Kind)> =
        context.roles.all(Role::Feature).filter(|n| *n != label).filter_map(|n| kind(n).map(|k| (n.to_owned(), k))).collect();
    if !kind(label).is_some_and(Kind::names_classes) {
        return Err(format!("table values: `{label}` is neither text nor a number"));
    }
    match columns.len() {
        0 => Err("table values: no column is a feature".into()),
        1 => Err(format!("table values: `{}` is the only feature; nothing could contradict it", columns[0].0)),
        _ => Ok(TableTrigger { columns, label: label.to_owned(), quantity: kind(label) == Some(Kind::Number), family }),
    }
}

/// What a hit costs a reader is the same for every value: certain enough to take out, or not.
fn action(quarantine: bool) -> Action {
    if quarantine { Action::Quarantine } else { Action::Review }
}
