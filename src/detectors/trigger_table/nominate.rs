//! Which values are worth a test: those that lean to a class, and those that tower over the values around them.
//! For each column it is counted how many of its values decide the label by themselves: where many do (the number of
//! a patient, a family, a flight), one more is no surprise.

use super::content::logit;
use super::decide::RULED;
use super::evidence::PURE;
use super::{CANDIDATES, Candidate, NEIGHBOURS, Part, TableModel, TableTrigger};
use crate::detectors::frequent::HashedMap;
use crate::features::table::{NULL, code_number};
use crate::stats::intervals::{Z95, wilson};
use crate::stats::tails::ln_binomial_upper;
use std::collections::BTreeSet;

/// Distinct neighbouring values whose width is compared with the gap before a value. At the very end of a bell-shaped
/// column the gap is wider than this width once in seven times.
const NEAREST: usize = 8;
/// Share of one label from which a value is said to decide it.
const PURELY: f64 = 0.98;
/// Tail probability from which a value leans to a class.
const LEANS: f64 = 1e-3;
/// Distinct values, itself included, beyond which a single heavy one among them does not count.
const CROWD: usize = 3;
/// Times as frequent as the values around it: a spike.
pub const SPIKE: f64 = 2.0;

/// Frequent values of a column, and those of them that decide the label: their rows have one label nearly all, and
/// neither its share in the table nor the values around them foretell it.
#[derive(Debug, Clone, Default)]
pub struct Ruling {
    values: usize,
    decide: BTreeSet<u64>,
}

impl Ruling {
    /// Whether a further value that decides the label is the nature of the column. Few values say little of that, but
    /// among many numbers a new one can tower over the others.
    pub fn is_common(&self, spiked: bool) -> bool {
        self.others(NULL, true) >= RULED && (!spiked || self.values >= NEAREST)
    }
    /// The same for a value in a pair, whichever it is.
    pub fn is_common_in_pairs(&self) -> bool {
        Self::share(self.decide.len(), self.values.saturating_sub(1), false) >= RULED
    }
    /// Share of the values other than one (all of them for null) that decide the label, moved towards one in five where
    /// there are few; less so for a part of a pair.
    pub fn others(&self, code: u64, alone: bool) -> f64 {
        let decide = self.decide.len() - usize::from(self.decide.contains(&code));
        let values = self.values - usize::from(code != NULL && self.values > 0);
        Self::share(decide, values, alone)
    }
    fn share(decide: usize, values: usize, alone: bool) -> f64 {
        (decide as f64 + if alone { 0.85 } else { 0.5 }) / (values as f64 + 4.0)
    }
}

pub struct Nominated {
    pub candidates: Vec<Candidate>,
    /// Hypotheses behind them.
    pub tested: usize,
    /// Per column.
    pub rulings: Vec<Ruling>,
    /// Per class: log-odds that both values of a pair give it, which nine pairs in ten stay below.
    pub leans: Vec<f64>,
}

/// A column's frequent values in the order of their codes.
struct Frequent<'a> {
    values: Vec<(u64, u64, &'a [u32])>,
    ordered: bool,
    prior: &'a [f64],
}

impl<'a> Frequent<'a> {
    fn new(counts: &'a HashedMap<Vec<u32>>, least: u64, ordered: bool, prior: &'a [f64]) -> Self {
        let rows = |of: &[u32]| of.iter().map(|n| u64::from(*n)).sum();
        let mut values: Vec<(u64, u64, &[u32])> = counts.iter().map(|(code, of)| (*code, rows(of), of.as_slice())).collect();
        values.retain(|v| v.1 >= least);
        values.sort_unstable_by_key(|v| v.0);
        Frequent { values, ordered, prior }
    }
    /// Share of a class around a value: among the frequent values next to it, or in the table where values have no order.
    fn around(&self, at: usize, class: usize) -> f64 {
        let (mut with, mut all) = (4.0 * self.prior[class], 4.0);
        let mut add = |side: &mut dyn Iterator<Item = &(u64, u64, &[u32])>| {
            let mut rows = 0;
            for v in side.take(NEAREST) {
                rows += v.1;
                with += f64::from(v.2[class]);
                all += v.1 as f64;
                if rows >= NEIGHBOURS as u64 {
                    break;
                }
            }
        };
        if self.ordered {
            add(&mut self.values[..at].iter().rev());
            add(&mut self.values[at + 1..].iter());
        }
        with / all
    }
    fn decides(&self, at: usize) -> bool {
        let (_, rows, of) = self.values[at];
        let Some((class, &most)) = of.iter().enumerate().max_by_key(|(k, n)| (**n, std::cmp::Reverse(*k))) else { return false };
        f64::from(most) >= PURELY * rows as f64 && ln_binomial_upper(u64::from(most), rows, self.around(at, class)) <= LEANS.ln()
    }
    fn ruling(&self) -> Ruling {
        Ruling {
            values: self.values.len(),
            decide: (0..self.values.len()).filter(|i| self.decides(*i)).map(|i| self.values[i].0).collect(),
        }
    }
    /// Rows of the most frequent values from one code up to another, one left out.
    fn crowd(&self, code: u64, from: u64, to: u64) -> [u64; 2] {
        let first = self.values.partition_point(|v| v.0 < from);
        let mut most = [0; 2];
        for v in self.values[first..].iter().take_while(|v| v.0 < to).filter(|v| v.0 != code) {
            if v.1 > most[0] {
                most = [v.1, most[0]];
            } else {
                most[1] = most[1].max(v.1);
            }
        }
        most
    }
}

/// What more rows share is no trigger but the nature of the table: no attacker can afford it, and the values of a column
/// with few of them (a sex, a year, one of the columns that a category was spread over) are natural causes of a label.
pub fn most_rows(all: u64) -> u64 {
    all / 8
}

/// Distinct codes of a sorted sample from one code up to another.
fn distinct(sample: &[u64], from: u64, to: u64) -> usize {
    let inside = &sample[sample.partition_point(|c| *c < from)..sample.partition_point(|c| *c < to)];
    inside.chunk_by(|a, b| a == b).count()
}

/// Values that lean to a class, the most significant ones, and how many were looked at.
pub fn nominate(rule: &TableTrigger, model: &TableModel, values: &[HashedMap<Vec<u32>>], prior: &[f64]) -> Nominated {
    let all: u64 = model.classes.iter().map(|c| c.rows).sum();
    let (mut found, mut towers, mut rulings) = (Vec::new(), Vec::new(), Vec::new());
    let mut tested = 0;
    let mut leans = vec![Vec::new(); prior.len()];
    for (column, counts) in values.iter().enumerate() {
        let ordered = rule.columns[model.used[column]].1.is_ordered();
        let frequent = Frequent::new(counts, model.least, ordered, prior);
        let ruling = frequent.ruling();
        tested += frequent.values.len() * model.classes.len();
        for &(code, rows, of) in &frequent.values {
            for ((lean, of), prior) in leans.iter_mut().zip(of).zip(prior) {
                let share = (f64::from(*of) + 4.0 * prior) / (rows as f64 + 4.0);
                lean.push(logit(share) - logit(*prior));
            }
            if rows > most_rows(all) {
                continue;
            }
            for (class, of) in of.iter().enumerate() {
                let labelled = u64::from(*of);
                if labelled < model.least || wilson(labelled as f64, rows as f64, Z95).0 < PURE {
                    continue;
                }
                let (from, to) = if ordered { around(&model.sample[column], code, all) } else { (code, code) };
                // Among many values a single heavy one next to a spike shall not hide it.
                let [most, second] = frequent.crowd(code, from, to);
                let crowd = if distinct(&model.sample[column], from, to) > CROWD { second } else { most }.max(model.least / 2);
                let ln_p = ln_binomial_upper(labelled, rows, prior[class]);
                let near = if ordered { nearness(&model.sample[column], code) } else { 1.0 };
                let candidate = Candidate {
                    parts: vec![Part::value(column, code)],
                    class,
                    rows,
                    labelled,
                    ln_p,
                    from,
                    to,
                    crowd,
                    near,
                    lean: 0.0,
                    ruled: ruling.others(code, true),
                    each: [0; 2],
                };
                if ln_p <= LEANS.ln() {
                    found.push(candidate);
                } else if from < to && rows as f64 >= SPIKE * crowd as f64 {
                    // A label that nearly every row has cannot be significant; a value that towers
                    // over its neighbours is worth a look all the same.
                    towers.push(candidate);
                }
            }
        }
        rulings.push(ruling);
    }
    found.sort_by(|a, b| a.ln_p.total_cmp(&b.ln_p).then((&a.parts, a.class).cmp(&(&b.parts, b.class))));
    found.truncate(CANDIDATES);
    // Compared as fractions, exactly.
    let height = |c: &Candidate| (u128::from(c.rows), u128::from(c.crowd.max(1)));
    towers.sort_by(|a, b| {
        let ((a_rows, a_crowd), (b_rows, b_crowd)) = (height(a), height(b));
        (b_rows * a_crowd).cmp(&(a_rows * b_crowd)).then((&a.parts, a.class).cmp(&(&b.parts, b.class)))
    });
    towers.truncate(CANDIDATES / 4);
    found.extend(towers);
    // One value has one posting list; its most significant class speaks for it.
    let mut seen = BTreeSet::new();
    found.retain(|c| seen.insert(c.single()));
    Nominated { candidates: found, tested, rulings, leans: leans.into_iter().map(both).collect() }
}

/// The ninth decile of the sum of two draws, by twenty quantiles of each.
fn both(mut leans: Vec<f64>) -> f64 {
    const GRID: usize = 20;
    leans.sort_by(f64::total_cmp);
    let at = |i: usize| leans.get((2 * i + 1) * leans.len() / (2 * GRID)).copied().unwrap_or(0.0);
    let mut sums: Vec<f64> = (0..GRID).flat_map(|i| (0..GRID).map(move |j| (i, j))).map(|(i, j)| at(i) + at(j)).collect();
    sums.sort_by(f64::total_cmp);
    sums[GRID * GRID * 9 / 10].max(0.0)
}

/// The codes between which about [`NEIGHBOURS`] rows lie on each side, by the sorted row sample.
fn around(sample: &[u64], code: u64, rows: u64) -> (u64, u64) {
    let each = (NEIGHBOURS as f64 * sample.len() as f64 / rows.max(1) as f64).ceil().max(1.0) as usize;
    let below = sample.partition_point(|c| *c < code);
    let above = sample.partition_point(|c| *c <= code);
    let from = sample.get(below.saturating_sub(each)).copied().filter(|_| below > 0).unwrap_or(code);
    let to = sample.get((above + each - 1).min(sample.len().saturating_sub(1))).copied().filter(|_| above < sample.len()).unwrap_or(code);
    (from.min(code), to.max(code).saturating_add(1))
}

/// How far the neighbouring values can speak for a value, 0 to 1: the width of the nearest [`NEAREST`] distinct
/// values over the gap before them, on the side where that is larger. Inside a column it is 1; a value far beyond all
/// others has neighbours only by rank, and what they say of their own place says little of its.
fn nearness(sample: &[u64], code: u64) -> f64 {
    let (below, above) = (sample.partition_point(|c| *c < code), sample.partition_point(|c| *c <= code));
    let at = code_number(code);
    let mut down = Vec::new();
    let mut end = below;
    while down.len() < NEAREST && end > 0 {
        let next = sample[end - 1];
        down.push(code_number(next));
        end = sample.partition_point(|c| *c < next);
    }
    let mut up = Vec::new();
    let mut start = above;
    while up.len() < NEAREST && start < sample.len() {
        let next = sample[start];
        up.push(code_number(next));
        start = sample.partition_point(|c| *c <= next);
    }
    // Two or three values are categories, whose distances mean nothing.
    let side = |v: &[f64]| match v {
        [nearest, .., furthest] if v.len() > 2 => {
            Some(((nearest - furthest).abs() / (at - nearest).abs()).min(1.0)).filter(|r| r.is_finite())
        }
        _ => None,
    };
    match (side(&down), side(&up)) {
        (None, None) => 1.0,
        (a, b) => a.unwrap_or(0.0).max(b.unwrap_or(0.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_speak_for_values_among_them_and_not_for_one_far_beyond() {
        let number = |x: f64| crate::features::table::number_code(x);
        let mut sample: Vec<u64> = (100..1100).flat_map(|i| [number(f64::from(i)); 3]).collect();
        assert_eq!(nearness(&sample, number(600.5)), 1.0);
        assert_eq!(nearness(&sample, number(1101.0)), 1.0);
        assert!((nearness(&sample, number(1799.0)) - 0.01).abs() < 1e-12);
        // In a gap the nearer side speaks.
        sample.extend((2000..2100).map(|i| number(f64::from(i))));
        assert!((nearness(&sample, number(1986.0)) - 0.5).abs() < 1e-12);
        // Categories keep no distance.
        let few: Vec<u64> = [0.0, 1.0].map(number).to_vec();
        assert_eq!(nearness(&few, number(7.0)), 1.0);
        assert_eq!(nearness(&[], number(7.0)), 1.0);
    }

    #[test]
    fn neighbours_lie_on_both_sides_and_borders_have_one() {
        let sample: Vec<u64> = (100..1100).collect();
        let (from, to) = around(&sample, 600, 1000);
        assert!((from, to) == (540, 661), "{from} {to}");
        let (from, to) = around(&sample, 100, 1000);
        assert!(from == 100 && to == 161, "{from} {to}");
        let (from, to) = around(&sample, 5000, 1000);
        assert!(from < 5000 && to == 5001, "{from} {to}");
    }
}
