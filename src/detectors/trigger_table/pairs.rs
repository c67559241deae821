//! Which pairs of common values are worth a test. All pairs of the frequent values in a bounded sample
//! of distinct rows are counted, one pair of columns at a time, so memory does not grow with the number
//! of pairs; those that a label fills although the rest of their rows leans the other way are named.
//! Exact counts and the real test come with the next reading of the data.

use super::content::{Content, logit};
use super::evidence::{PURE, ROWS};
use super::nominate::Ruling;
use super::{Candidate, NEIGHBOURS, Part, TableModel};
use crate::detectors::frequent::HashedMap;
use crate::features::table::NULL;
use crate::stats::intervals::{Z95, wilson};
use serde::{Deserialize, Serialize};

/// Pairs that get an exact test, at most: the most contradicted ones.
const PAIRS: usize = 1200;
/// Look-ups spent on counting pairs; a sample of r rows affords this over r pairs of columns.
const WORK: usize = 600_000_000;
/// Cells up to which a pair of columns is counted in an array.
const DENSE: usize = 1 << 21;
/// Share of the way from a class's members to the others, in mean log-odds, from which a pair is
/// looked at. The exact gate is far higher; this one keeps the list short.
const CONTRADICTED: f64 = 0.5;
/// A value that is not frequent enough to be part of a pair.
const RARE: u16 = u16::MAX;

/// A distinct row with its label.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mined {
    pub class: u32,
    pub fold: u8,
    pub cells: Vec<u64>,
}

/// Candidates, how many hypotheses were behind them, or why pairs were not looked at.
pub struct Nominated {
    pub candidates: Vec<Candidate>,
    pub tested: usize,
    pub skipped: Option<String>,
}

/// The sample by column.
struct Sample<'a> {
    rows: Vec<&'a Mined>,
    class: Vec<usize>,
    /// Per column, the index of each row's value among the frequent ones.
    ids: Vec<Vec<u16>>,
    /// Per column, the frequent codes.
    codes: Vec<Vec<u64>>,
    /// Per column, what it says for the row's own label.
    own: Vec<Vec<f32>>,
    total: Vec<f64>,
}

impl<'a> Sample<'a> {
    fn new(model: &TableModel, content: &Content, rows: Vec<&'a Mined>) -> Self {
        let columns = model.used.len();
        let class: Vec<usize> = rows.iter().map(|r| r.class as usize).collect();
        let (mut ids, mut codes, mut own) = (Vec::new(), Vec::new(), Vec::new());
        let mut total = vec![0f64; rows.len()];
        for c in 0..columns {
            let mut sorted: Vec<u64> = rows.iter().map(|r| r.cells[c]).filter(|code| *code != NULL).collect();
            sorted.sort_unstable();
            let frequent = sorted.chunk_by(|a, b| a == b).filter(|run| run.len() as u64 >= ROWS);
            let kept: Vec<u64> = frequent.map(|run| run[0]).take(usize::from(RARE)).collect();
            ids.push(rows.iter().map(|r| kept.binary_search(&r.cells[c]).map_or(RARE, |i| i as u16)).collect());
            codes.push(kept);
            let says = |r: &&Mined| content.part(usize::from(r.fold), c, model.binnings[c].bin(r.cells[c]))[r.class as usize];
            let says: Vec<f32> = rows.iter().map(says).collect();
            total.iter_mut().zip(&says).for_each(|(t, s)| *t += f64::from(*s));
            own.push(says);
        }
        Sample { rows, class, ids, codes, own, total }
    }
}

/// Per class and column: what the column says for the class, on average over its members and over
/// the others; and the spread of the members' sums.
struct Means {
    members: Vec<Vec<f64>>,
    others: Vec<Vec<f64>>,
    spread: Vec<f64>,
}

impl Means {
    fn new(model: &TableModel, content: &Content, sample: &Sample) -> Self {
        let (classes, columns) = (model.classes.len(), model.used.len());
        let mut of = vec![0f64; classes];
        sample.class.iter().for_each(|k| of[*k] += 1.0);
        let all: f64 = of.iter().sum();
        let (mut members, mut others) = (vec![vec![0f64; columns]; classes], vec![vec![0f64; columns]; classes]);
        for (row, &class) in sample.rows.iter().zip(&sample.class) {
            for c in 0..columns {
                let part = content.part(usize::from(row.fold), c, model.binnings[c].bin(row.cells[c]));
                for (k, says) in part.iter().enumerate() {
                    let side = if k == class { &mut members } else { &mut others };
                    side[k][c] += f64::from(*says);
                }
            }
        }
        for k in 0..classes {
            members[k].iter_mut().for_each(|m| *m /= of[k].max(1.0));
            others[k].iter_mut().for_each(|m| *m /= (all - of[k]).max(1.0));
        }
        let centre: Vec<f64> = members.iter().map(|m| m.iter().sum()).collect();
        let mut spread = vec![0f64; classes];
        sample.class.iter().zip(&sample.total).for_each(|(k, t)| spread[*k] += (t - centre[*k]).powi(2));
        spread.iter_mut().zip(&of).for_each(|(s, n)| *s = (*s / n.max(1.0)).sqrt().max(1e-6));
        Means { members, others, spread }
    }
}

/// A pair by its columns and the indices of its values there.
struct Found {
    /// Standard deviations by which its rows fall short of the class.
    short: f64,
    columns: [usize; 2],
    ids: [u16; 2],
    class: usize,
    rows: u64,
    labelled: u64,
}

pub fn nominate(model: &TableModel, content: &Content, rows: Vec<&Mined>, rulings: &[Ruling], values: &[HashedMap<Vec<u32>>]) -> Nominated {
    let mut out = Nominated { candidates: Vec::new(), tested: 0, skipped: None };
    let sample = Sample::new(model, content, rows);
    let eligible: Vec<usize> = (0..model.used.len()).filter(|c| !sample.codes[*c].is_empty()).collect();
    let pairs = eligible.len() * eligible.len().saturating_sub(1) / 2;
    if model.used.len() < 3 {
        out.skipped = Some("two columns: nothing could contradict a pair".into());
        return out;
    }
    if pairs.saturating_mul(sample.rows.len()) > WORK {
        out.skipped = Some(format!("{} columns are too many to test their pairs", eligible.len()));
        return out;
    }
    let means = Means::new(model, content, &sample);
    let mut found: Vec<Found> = Vec::new();
    let mut counter = Counter::default();
    for (i, &a) in eligible.iter().enumerate() {
        for &b in &eligible[i + 1..] {
            out.tested += counter.count(&sample, &means, [a, b], &mut found) * model.classes.len();
            if found.len() > 16 * PAIRS {
                shorten(&mut found);
            }
        }
    }
    shorten(&mut found);
    out.candidates = found.iter().map(|f| candidate(model, content, &sample, f, rulings, values)).collect();
    out
}

fn shorten(found: &mut Vec<Found>) {
    found.sort_by(|a, b| b.short.total_cmp(&a.short).then((a.columns, a.ids, a.class).cmp(&(b.columns, b.ids, b.class))));
    found.truncate(PAIRS);
}

/// Buffers reused from one pair of columns to the next.
#[derive(Default)]
struct Counter {
    dense: Vec<u32>,
    sparse: HashedMap<u32>,
    touched: Vec<usize>,
    counts: Vec<u32>,
    sums: Vec<f64>,
}

impl Counter {
    /// Counts the pairs of two columns, adds the suspicious ones, and says how many were frequent.
    fn count(&mut self, sample: &Sample, means: &Means, columns: [usize; 2], found: &mut Vec<Found>) -> usize {
        let [a, b] = columns;
        let (ids_a, ids_b, width) = (&sample.ids[a], &sample.ids[b], sample.codes[b].len());
        let cells = sample.codes[a].len() * width;
        let dense = cells <= DENSE;
        if dense && self.dense.len() < cells {
            self.dense.resize(cells, 0);
        }
        let at = |row: usize| (ids_a[row] != RARE && ids_b[row] != RARE).then(|| usize::from(ids_a[row]) * width + usize::from(ids_b[row]));
        for row in 0..sample.rows.len() {
            let Some(cell) = at(row) else { continue };
            let count =
                if dense { &mut self.dense[cell] } else { self.sparse.entry(crate::features::table::mix(cell as u64)).or_insert(0) };
            if *count == 0 {
                self.touched.push(cell);
            }
            *count += 1;
        }
        // From here on a cell holds its slot, counted from one.
        let mut slots: Vec<(usize, u32)> = Vec::new();
        for &cell in &self.touched {
            let count =
                if dense { &mut self.dense[cell] } else { self.sparse.entry(crate::features::table::mix(cell as u64)).or_insert(0) };
            let frequent = u64::from(*count) >= ROWS;
            if frequent {
                slots.push((cell, *count));
            }
            *count = if frequent { slots.len() as u32 } else { 0 };
        }
        if !slots.is_empty() {
            let classes = means.spread.len();
            self.counts.clear();
            self.counts.resize(slots.len() * classes, 0);
            self.sums.clear();
            self.sums.resize(slots.len() * classes, 0.0);
            for row in 0..sample.rows.len() {
                let Some(cell) = at(row) else { continue };
                let slot =
                    if dense { self.dense[cell] } else { self.sparse.get(&crate::features::table::mix(cell as u64)).copied().unwrap_or(0) };
                if slot > 0 {
                    let i = (slot as usize - 1) * classes + sample.class[row];
                    self.counts[i] += 1;
                    self.sums[i] += sample.total[row] - f64::from(sample.own[a][row]) - f64::from(sample.own[b][row]);
                }
            }
            for (slot, &(cell, rows)) in slots.iter().enumerate() {
                for class in 0..classes {
                    let labelled = self.counts[slot * classes + class];
                    if u64::from(labelled) < ROWS || wilson(f64::from(labelled), f64::from(rows), Z95).0 < PURE {
                        continue;
                    }
                    let rest = |of: &[f64]| of.iter().sum::<f64>() - of[a] - of[b];
                    let (members, others) = (rest(&means.members[class]), rest(&means.others[class]));
                    let short = members - self.sums[slot * classes + class] / f64::from(labelled);
                    if members - others > 1e-3 && short >= CONTRADICTED * (members - others) {
                        found.push(Found {
                            short: short * f64::from(labelled).sqrt() / means.spread[class],
                            columns,
                            ids: [(cell / width) as u16, (cell % width) as u16],
                            class,
                            rows: u64::from(rows),
                            labelled: u64::from(labelled),
                        });
                    }
                }
            }
        }
        if dense {
            self.touched.iter().for_each(|cell| self.dense[*cell] = 0);
        } else {
            self.sparse.clear();
        }
        self.touched.clear();
        slots.len()
    }
}

/// A found pair with the lean that honest causes give it: each value by itself, and the pairs near it.
fn candidate(
    model: &TableModel,
    content: &Content,
    sample: &Sample,
    f: &Found,
    rulings: &[Ruling],
    values: &[HashedMap<Vec<u32>>],
) -> Candidate {
    let [a, b] = f.columns;
    let (code_a, code_b) = (sample.codes[a][usize::from(f.ids[0])], sample.codes[b][usize::from(f.ids[1])]);
    let prior = content.prior[f.class];
    // Rows with one of the two values: of the other column, and whether they have the label.
    let mut with_a: Vec<(u64, bool)> = Vec::new();
    let mut with_b: Vec<(u64, bool)> = Vec::new();
    for (row, mined) in sample.rows.iter().enumerate() {
        let (has_a, has_b) = (sample.ids[a][row] == f.ids[0], sample.ids[b][row] == f.ids[1]);
        let labelled = sample.class[row] == f.class;
        match (has_a, has_b) {
            (true, false) => with_a.push((mined.cells[b], labelled)),
            (false, true) => with_b.push((mined.cells[a], labelled)),
            _ => {}
        }
    }
    let lean = |rows: &[(u64, bool)]| {
        let with = rows.iter().filter(|r| r.1).count() as f64;
        logit((with + 4.0 * prior) / (rows.len() as f64 + 4.0)) - logit(prior)
    };
    let near = |column: usize, code: u64, rows: &mut Vec<(u64, bool)>| {
        if !matches!(model.binnings[column], super::Binning::Number(_)) {
            return f64::NEG_INFINITY;
        }
        rows.retain(|r| r.0 != NULL);
        rows.sort_unstable();
        let split = rows.partition_point(|r| r.0 < code);
        lean(&rows[split.saturating_sub(NEIGHBOURS)..(split + NEIGHBOURS).min(rows.len())])
    };
    let alone = lean(&with_a) + lean(&with_b);
    let near = near(b, code_b, &mut with_a).max(near(a, code_a, &mut with_b));
    let rows_of = |column: usize, code: u64| values[column].get(&code).map_or(0, |of| of.iter().map(|n| u64::from(*n)).sum());
    Candidate {
        parts: vec![Part::value(a, code_a), Part::value(b, code_b)],
        class: f.class,
        rows: f.rows,
        labelled: f.labelled,
        ln_p: 0.0,
        from: 0,
        to: 0,
        crowd: 0,
        near: 1.0,
        lean: alone.max(near).max(0.0),
        ruled: rulings[a].others(code_a, false).max(rulings[b].others(code_b, false)),
        each: [rows_of(a, code_a), rows_of(b, code_b)],
    }
}
