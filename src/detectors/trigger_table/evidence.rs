//! From counts to accusations: which values lean to a class, whether the rest of their rows
//! contradicts it, and whether an honest explanation remains.

use super::content::{Content, Contrast, logit};
use super::sketch::BottomK;
use super::{CANDIDATES, Candidate, NEIGHBOURS, Posting, TableModel, TableTrigger, action, cell};
use crate::detectors::frequent::HashedMap;
use crate::features::table::{Kind, mix};
use crate::rule::{Action, Plan};
use crate::stats::intervals::{Z95, wilson};
use crate::stats::multiple::benjamini_hochberg;
use crate::stats::tails::{ln_binomial_upper, ln_poisson_binomial_upper};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// False discovery rate of accused values.
pub const Q: f64 = 0.01;
/// Labelled rows that an accusation rests on, at least.
pub const ROWS: u64 = 12;
/// Share of a class's members over that of others, in mean balanced probability, below which the
/// other columns cannot contradict anything.
pub const SEPARATION: f64 = 0.08;
/// Lower bound of the label's share among a value's rows that nominates it.
const PURE: f64 = 0.6;
/// Lower bound of the share of rows that look like the other classes. On clean income data 20
/// natural spikes reach 0.1 to 0.92, planted values 0.76 to 0.98; the two gates below split them.
const FOREIGN: f64 = 0.70;
/// From here on the share speaks for itself; below, the value must stand out from its neighbours.
pub const FOREIGN_ALONE: f64 = 0.85;
/// Times as frequent as the most frequent neighbouring value.
const SPIKE: f64 = 2.0;
/// From here on a value that is foreign on its own needs no further witness: an attacker may choose
/// his rows, and then they are no random draw. Natural spikes in income data reach 1.3.
const SPIKE_ALONE: f64 = 5.0;
/// The share asked of a value that towers like this: no clean table looked at had a candidate that did.
const FOREIGN_TOWER: f64 = 0.40;
/// Label share left unexplained by other columns and neighbouring values, lower bound.
pub const UNEXPLAINED: f64 = 0.20;
/// Log10 of the probability, over all columns, that rows drawn from the other classes differ as much
/// as these do. A planted value fails this gate once in a hundred; natural spikes score -1.6 to -15.
const DRAWN: f64 = -2.0;
/// Expected rows in a cell of the homogeneity test.
const EXPECTED: f64 = 5.0;
/// Groups for review that a reader can be asked to read.
const REVIEWS: usize = 12;

/// An accused value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    pub column: usize,
    pub code: u64,
    pub class: usize,
    pub shown: String,
    pub rows: u64,
    pub labelled: u64,
    pub action: Action,
    pub score: f64,
    /// Unexplained share of the label, lower bound.
    pub unexplained: f64,
    pub q: f64,
    /// Mean probability of the label without the value.
    pub expected: f64,
    /// Log-odds that the neighbouring values add.
    pub shift: f64,
    pub contrast: Contrast,
    pub reasons: Vec<String>,
    /// Of the row hashes that folds go by.
    pub seed: u64,
}

/// Values that lean to a class, the most significant ones, and how many were looked at.
pub fn nominate(rule: &TableTrigger, model: &TableModel, values: &[HashedMap<Vec<u32>>], prior: &[f64]) -> (Vec<Candidate>, usize) {
    let all: u64 = model.classes.iter().map(|c| c.rows).sum();
    let (mut found, mut towers) = (Vec::new(), Vec::new());
    let mut tested = 0;
    for (column, counts) in values.iter().enumerate() {
        let kind = rule.columns[model.used[column]].1;
        let mut frequent: Vec<(u64, u64)> = Vec::new();
        for (&code, of) in counts {
            let rows: u64 = of.iter().map(|n| u64::from(*n)).sum();
            if rows >= model.least {
                frequent.push((code, rows));
            }
        }
        frequent.sort_unstable();
        tested += frequent.len() * model.classes.len();
        for &(code, rows) in &frequent {
            // What most rows share is no trigger but the rule.
            if 2 * rows > all {
                continue;
            }
            for (class, of) in counts[&code].iter().enumerate() {
                let labelled = u64::from(*of);
                if labelled < model.least || wilson(labelled as f64, rows as f64, Z95).0 < PURE {
                    continue;
                }
                let (from, to) = if kind == Kind::Number { around(&model.sample[column], code, all) } else { (code, code) };
                let inside = |other: &&(u64, u64)| other.0 != code && other.0 >= from && other.0 < to;
                let crowd = frequent.iter().filter(inside).map(|f| f.1).max().unwrap_or(model.least / 2);
                let ln_p = ln_binomial_upper(labelled, rows, prior[class]);
                let candidate = Candidate { column, code, class, rows, labelled, ln_p, from, to, crowd };
                if ln_p <= (1e-3f64).ln() {
                    found.push(candidate);
                } else if from < to && rows as f64 >= SPIKE * crowd as f64 {
                    // A label that nearly every row has cannot be significant; a value that towers
                    // over its neighbours is worth a look all the same.
                    towers.push(candidate);
                }
            }
        }
    }
    found.sort_by(|a, b| a.ln_p.total_cmp(&b.ln_p).then((a.column, a.code, a.class).cmp(&(b.column, b.code, b.class))));
    found.truncate(CANDIDATES);
    // Compared as fractions, exactly.
    let height = |c: &Candidate| (u128::from(c.rows), u128::from(c.crowd.max(1)));
    towers.sort_by(|a, b| {
        let ((a_rows, a_crowd), (b_rows, b_crowd)) = (height(a), height(b));
        (b_rows * a_crowd).cmp(&(a_rows * b_crowd)).then((a.column, a.code, a.class).cmp(&(b.column, b.code, b.class)))
    });
    towers.truncate(CANDIDATES / 4);
    found.extend(towers);
    // One value has one posting list; its most significant class speaks for it.
    let mut seen = BTreeSet::new();
    found.retain(|c| seen.insert((c.column, c.code)));
    (found, tested)
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

pub struct Evidence<'a> {
    pub rule: &'a TableTrigger,
    pub model: &'a TableModel,
    pub postings: &'a [BottomK<Posting>],
    pub shown: &'a [Option<String>],
    pub cells: &'a [Vec<u64>],
    pub plan: &'a Plan,
}

/// What a candidate's rows say.
struct Weighed {
    index: usize,
    ln_p: f64,
    expected: f64,
    unexplained: f64,
    foreign: f64,
    drawn: f64,
    drawn_column: Option<usize>,
    spike: Option<f64>,
    shift: f64,
    contrast: Contrast,
    keys: BTreeSet<u64>,
}

impl Evidence<'_> {
    /// The accused values, strongest first, and how well each class is told apart.
    pub fn weigh(&self) -> (Vec<Finding>, Vec<Option<Contrast>>) {
        let Some(content) = &self.model.content else { return (Vec::new(), Vec::new()) };
        let mut scores = Vec::new();
        let contrasts: Vec<Option<Contrast>> =
            (0..self.model.classes.len()).map(|class| self.contrast(content, None, class, &mut scores)).collect();
        let mut fitted: std::collections::BTreeMap<(usize, usize), Option<Contrast>> = std::collections::BTreeMap::new();
        let mut weighed = Vec::new();
        for (index, k) in self.model.candidates.iter().enumerate() {
            let contrast =
                *fitted.entry((k.column, k.class)).or_insert_with(|| self.contrast(content, Some(k.column), k.class, &mut scores));
            if let Some(contrast) = contrast.filter(|c| c.separation() >= SEPARATION) {
                weighed.extend(self.weigh_one(content, index, contrast, &mut scores));
            }
        }
        let p: Vec<f64> = weighed.iter().map(|w| w.ln_p.exp()).collect();
        let q = benjamini_hochberg(&p, self.model.tested);
        let mut order: Vec<usize> = (0..weighed.len()).collect();
        order.sort_by(|&a, &b| weighed[a].ln_p.total_cmp(&weighed[b].ln_p).then(weighed[a].index.cmp(&weighed[b].index)));
        let (mut findings, mut reviews) = (Vec::new(), 0);
        let mut taken: Vec<&BTreeSet<u64>> = Vec::new();
        for i in order {
            let w = &weighed[i];
            if q[i] > Q || w.unexplained < UNEXPLAINED || w.foreign < FOREIGN_TOWER {
                continue;
            }
            // A value that only rides on an accused one's rows is explained by it.
            if taken.iter().any(|t| 2 * t.intersection(&w.keys).count() > w.keys.len()) {
                continue;
            }
            let finding = self.finding(w, q[i]);
            if finding.action == Action::Review {
                reviews += 1;
                if reviews > REVIEWS {
                    continue;
                }
            }
            taken.push(&w.keys);
            findings.push(finding);
        }
        findings.sort_by_key(|f| std::cmp::Reverse(f.action));
        (findings, contrasts)
    }

    /// Class against the rest by the reference sample, read without one column.
    fn contrast(&self, content: &Content, without: Option<usize>, class: usize, scores: &mut Vec<f64>) -> Option<Contrast> {
        let mut sampled = vec![0u64; self.model.classes.len()];
        self.model.references.iter().for_each(|r| sampled[r.class as usize] += 1);
        let without: Vec<usize> = without.into_iter().collect();
        let point = |r: &super::content::Reference| {
            let of = r.class as usize;
            let odds = content.log_odds(super::fold_of(r.hash), &r.bins, &without, class, scores);
            (odds, of == class, self.model.classes[of].rows as f64 / sampled[of].max(1) as f64)
        };
        let points: Vec<(f64, bool, f64)> = self.model.references.iter().map(point).collect();
        Contrast::fit(&points)
    }

    fn weigh_one(&self, content: &Content, index: usize, contrast: Contrast, scores: &mut Vec<f64>) -> Option<Weighed> {
        let k = &self.model.candidates[index];
        let prior = content.prior[k.class];
        let shift = self.neighbours(k, prior);
        let (mut balanced, mut probabilities, mut observed) = (Vec::new(), Vec::new(), 0usize);
        let mut rows: Vec<&Posting> = Vec::new();
        let mut keys = BTreeSet::new();
        for (key, posting) in self.postings[index].iter() {
            let odds = content.log_odds(usize::from(posting.fold), &posting.bins, &[k.column], k.class, scores);
            probabilities.push(contrast.probability(odds, prior, shift.max(0.0)));
            if posting.class as usize == k.class {
                observed += 1;
                balanced.push((contrast.balanced(odds), f64::from(posting.rows)));
                rows.push(posting);
                keys.insert(key);
            }
        }
        let n = probabilities.len();
        if (observed as u64) < super::LEAST {
            return None;
        }
        let expected = probabilities.iter().sum::<f64>() / n as f64;
        // Twins are no further witnesses, so distinct rows make the sample size; but the classes have
        // twins as well, so means and shares count every row.
        let m = balanced.len() as f64;
        let all: f64 = balanced.iter().map(|b| b.1).sum();
        let mean = balanced.iter().map(|b| b.0 * b.1).sum::<f64>() / all;
        let variance = balanced.iter().map(|b| b.1 * (b.0 - mean).powi(2)).sum::<f64>() / all;
        // The rows are a mixture of members (who look like the class) and rows of other classes given
        // the label; the mean balanced probability is linear in the mixture's weight.
        let separation = contrast.separation();
        let foreign = (contrast.members - mean) / separation;
        let error = ((0.5 * (variance / m + (contrast.others_variance + 1e-4) / m) + contrast.means_variance).sqrt()) / separation;
        let (drawn, drawn_column) = self.homogeneity(k, &rows);
        let spike = (k.from < k.to).then(|| k.rows as f64 / k.crowd.max(1) as f64);
        Some(Weighed {
            index,
            ln_p: ln_poisson_binomial_upper(observed, &probabilities),
            expected,
            unexplained: wilson(observed as f64, n as f64, Z95).0 - expected,
            foreign: foreign - Z95 * error,
            drawn,
            drawn_column,
            spike,
            shift,
            contrast,
            keys,
        })
    }

    /// How much the neighbouring values of the same column lean to the class, in log-odds.
    fn neighbours(&self, k: &Candidate, prior: f64) -> f64 {
        if k.from >= k.to {
            return 0.0;
        }
        let classes = self.model.classes.len();
        let bounds = &self.model.bounds[k.column];
        let (first, last) = (cell(bounds, k.from), cell(bounds, k.to.saturating_sub(1)));
        let own = cell(bounds, k.code);
        let (mut with, mut all) = (0, 0);
        for i in (first..=last).filter(|i| *i != own) {
            let counts = &self.cells[k.column][i * classes..(i + 1) * classes];
            with += counts[k.class];
            all += counts.iter().sum::<u64>();
        }
        // Four pseudo-rows at the overall share: two neighbours decide nothing.
        let share = (with as f64 + 4.0 * prior) / (all as f64 + 4.0);
        logit(share) - logit(prior)
    }

    /// Log10 of the Bonferroni-corrected least p-value, over the other columns, of Pearson's
    /// chi-squared test that the labelled rows are a draw from the rows of the other classes.
    fn homogeneity(&self, k: &Candidate, rows: &[&Posting]) -> (f64, Option<usize>) {
        let offsets = super::offsets(&self.model.binnings);
        let (classes, width) = (self.model.classes.len(), offsets.last().copied().unwrap_or(0));
        let mut least: (f64, Option<usize>) = (0.0, None);
        let mut columns = 0;
        for column in (0..self.model.binnings.len()).filter(|c| *c != k.column) {
            let bins = offsets[column + 1] - offsets[column];
            let mut others = vec![0f64; bins];
            for fold in 0..super::FOLDS {
                for (bin, sum) in others.iter_mut().enumerate() {
                    let at = (fold * width + offsets[column] + bin) * classes;
                    let counts = &self.model.bins[at..at + classes];
                    *sum += (counts.iter().sum::<u64>() - counts[k.class]) as f64;
                }
            }
            let mut observed = vec![0f64; bins];
            rows.iter().for_each(|r| observed[usize::from(r.bins[column]).min(bins - 1)] += f64::from(r.rows));
            if let Some(log10_p) = chi_squared(&others, &observed) {
                columns += 1;
                if log10_p < least.0 {
                    least = (log10_p, Some(column));
                }
            }
        }
        (least.0 + f64::from(columns.max(1)).log10(), least.1)
    }

    fn finding(&self, w: &Weighed, q: f64) -> Finding {
        let k = &self.model.candidates[w.index];
        let name = |c: usize| self.rule.columns[self.model.used[c]].0.as_str();
        let mut reasons = Vec::new();
        let mut honest = Vec::new();
        if let Some(spike) = w.spike.filter(|s| *s >= SPIKE) {
            reasons.push(format!("{spike:.0} times as frequent as the values around it"));
        }
        reasons
            .push(format!("at least {:.0}% of its rows look like other classes in the other columns", 100.0 * w.foreign.clamp(0.0, 1.0)));
        if k.labelled < ROWS {
            honest.push(format!("only {} rows", k.labelled));
        }
        let tower = w.spike.is_some_and(|s| s >= SPIKE_ALONE);
        if w.foreign < if tower { FOREIGN_TOWER } else { FOREIGN } {
            honest.push(format!("its rows may partly be honest: the bound is {:.0}%", 100.0 * w.foreign));
        } else if w.foreign < FOREIGN_ALONE && w.spike.is_none_or(|s| s < SPIKE) {
            honest.push("it does not stand out from the values around it".into());
        }
        let chosen = tower && w.foreign >= FOREIGN_ALONE;
        if w.drawn < DRAWN && !chosen {
            let column = w.drawn_column.map_or("another column", name);
            honest.push(format!(
                "its rows are no random draw from the other classes: they differ in `{column}` (p {:.0e}), as those of a natural value do",
                10f64.powf(w.drawn)
            ));
        }
        let quarantine = honest.is_empty();
        reasons.extend(honest);
        let shown = self.shown[w.index].clone().unwrap_or_default();
        Finding {
            column: k.column,
            code: k.code,
            class: k.class,
            shown,
            rows: k.rows,
            labelled: k.labelled,
            action: action(quarantine),
            score: if quarantine { w.foreign.clamp(0.5, 0.99) } else { 0.3 },
            unexplained: w.unexplained,
            q,
            expected: w.expected,
            shift: w.shift,
            contrast: w.contrast,
            reasons,
            seed: mix(self.plan.seed ^ 0x7ab1e),
        }
    }
}

/// Log10 of the p-value of Pearson's test of `observed` against the shares of `reference`,
/// neighbouring bins pooled until [`EXPECTED`] rows are expected in each; `None` with one cell left.
fn chi_squared(reference: &[f64], observed: &[f64]) -> Option<f64> {
    let (all, n): (f64, f64) = (reference.iter().sum(), observed.iter().sum());
    if all <= 0.0 || n <= 0.0 {
        return None;
    }
    let mut cells: Vec<(f64, f64)> = Vec::new();
    let mut open = (0.0, 0.0);
    for (r, o) in reference.iter().zip(observed) {
        open = (open.0 + r / all * n, open.1 + o);
        if open.0 >= EXPECTED {
            cells.push(std::mem::take(&mut open));
        }
    }
    if let Some(last) = cells.last_mut() {
        *last = (last.0 + open.0, last.1 + open.1);
    }
    if cells.len() < 2 {
        return None;
    }
    // The reference is itself a sample; its error widens the test as if n were smaller.
    let shrink = all / (all + n);
    let x = shrink * cells.iter().map(|(e, o)| (o - e).powi(2) / e).sum::<f64>();
    let df = (cells.len() - 1) as f64;
    // The library has no answer for an exact fit, whose p is 1.
    let p = statrs::function::gamma::checked_gamma_ur(df / 2.0, x / 2.0).unwrap_or(1.0);
    Some(p.max(1e-300).log10())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_homogeneity_test_agrees_with_scipy() {
        // scipy.stats.chi2.logsf(x, 2) / log(10) for x = sum((o - e)^2 / e) with e = (20, 30, 50)
        let big = [200_000.0, 300_000.0, 500_000.0];
        let p = chi_squared(&big, &[30.0, 30.0, 40.0]).unwrap();
        let x: f64 = 100.0 / 20.0 + 0.0 + 100.0 / 50.0;
        let expected = (-x / 2.0) / std::f64::consts::LN_10;
        assert!((p - expected).abs() < 1e-3, "{p} {expected}");
    }

    #[test]
    fn an_exact_fit_has_p_one() {
        assert_eq!(chi_squared(&[50.0, 50.0], &[10.0, 10.0]), Some(0.0));
    }

    #[test]
    fn few_rows_or_one_bin_test_nothing() {
        assert!(chi_squared(&[10.0], &[5.0]).is_none());
        assert!(chi_squared(&[10.0, 10.0], &[2.0, 2.0]).is_none());
        assert!(chi_squared(&[0.0, 0.0], &[2.0, 2.0]).is_none());
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
