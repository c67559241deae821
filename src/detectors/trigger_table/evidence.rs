//! From counts to accusations: which values lean to a class, whether the rest of their rows
//! contradicts it, and whether an honest explanation remains.

use super::content::{Content, Contrast, logit};
use super::{Candidate, Part, Posting, TableModel, TableTrigger, Tests, cell};
use crate::rule::{Action, Plan};
use crate::stats::intervals::{Z95, wilson};
use crate::stats::tails::ln_poisson_binomial_upper;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Labelled rows that an accusation rests on, at least.
pub const ROWS: u64 = 12;
/// Share of a class's members over that of others, in mean balanced probability, below which the
/// other columns cannot contradict anything.
pub const SEPARATION: f64 = 0.08;
/// Lower bound of the label's share among a value's rows that nominates it.
pub const PURE: f64 = 0.6;
/// Distinct values of a column from which on one can be a spike among the others.
pub const SPIKED: usize = 20;
/// Share of the rows that may be honest without being a difference to a draw.
const HONEST: f64 = 0.03;
/// Expected rows in a cell of the homogeneity test.
const EXPECTED: f64 = 5.0;

/// Accused rows: those that satisfy all parts and have the label.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    pub parts: Vec<Part>,
    pub class: usize,
    pub class_name: String,
    /// `town=Arden & degree=none`.
    pub key: String,
    /// The same as a clause: `town is Arden and degree is none`.
    pub said: String,
    pub rows: u64,
    pub labelled: u64,
    pub action: Action,
    pub score: f64,
    /// Unexplained share of the label, lower bound.
    pub unexplained: f64,
    pub q: f64,
    /// Mean probability of the label without the parts.
    pub expected: f64,
    /// Log-odds that neighbouring values add.
    pub shift: f64,
    pub contrast: Contrast,
    pub reasons: Vec<String>,
    /// Of the row hashes that folds go by.
    pub seed: u64,
}

pub struct Evidence<'a> {
    pub rule: &'a TableTrigger,
    pub model: &'a TableModel,
    pub tests: &'a Tests,
    pub plan: &'a Plan,
}

/// How well the columns tell a class apart without some of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Told {
    pub without: Vec<String>,
    /// `None` where the class has too few rows to calibrate it.
    pub contrast: Option<Contrast>,
}

/// What a candidate's rows say.
pub struct Weighed {
    pub index: usize,
    pub rows: u64,
    pub labelled: u64,
    pub ln_p: f64,
    pub expected: f64,
    pub unexplained: f64,
    /// Lower bound of the share of rows that look like the other classes, and how many standard errors the share
    /// lies beyond what a random draw of these has.
    pub foreign: f64,
    pub beyond: f64,
    /// Log10 of the probability that a draw from the other classes differs as much in one of the columns, and which.
    pub drawn: f64,
    pub drawn_column: Option<usize>,
    pub spike: Option<f64>,
    /// Log-odds that the neighbouring values, or each half of a pair, give the label.
    pub shift: f64,
    /// Share of the other values of the column that decide the label by themselves.
    pub ruled: f64,
    /// Of a pair: times as frequent as its values would meet by chance.
    pub lift: f64,
    /// Of a pair: share of the rarer value's rows that it is.
    pub part: f64,
    pub contrast: Contrast,
    /// Sampled rows with the label, and their balanced probability.
    pub keys: BTreeMap<u64, f64>,
    /// Beyond this key the sample is cut.
    pub limit: u64,
}

impl Weighed {
    /// Share of this candidate's rows that another has as well, as far as both samples reach.
    pub fn within(&self, other: &Weighed) -> f64 {
        let limit = self.limit.min(other.limit);
        let own = self.keys.range(..=limit);
        let both = own.clone().filter(|(k, _)| other.keys.contains_key(k)).count();
        both as f64 / own.count().max(1) as f64
    }
}

/// Balanced log-odds need every class's sum; kept for each reference row so that leaving out a column
/// is a subtraction.
struct Totals {
    scores: Vec<f64>,
    weights: Vec<f64>,
}

impl Evidence<'_> {
    /// The accused values and pairs, strongest first, and how well each class is told apart at worst.
    pub fn weigh(&self) -> (Vec<Finding>, Vec<[Told; 2]>) {
        let Some(content) = &self.model.content else { return (Vec::new(), Vec::new()) };
        let totals = self.totals(content);
        let told = (0..self.model.classes.len()).map(|class| self.told(content, &totals, class)).collect();
        let mut fitted: BTreeMap<(usize, usize), Option<Contrast>> = BTreeMap::new();
        let mut scores = Vec::new();
        let (mut singles, mut pairs) = (Vec::new(), Vec::new());
        for (index, k) in self.model.candidates.iter().enumerate() {
            let contrast = match k.single() {
                Some((column, _)) => {
                    *fitted.entry((column, k.class)).or_insert_with(|| self.contrast(content, &totals, &[column], k.class, None))
                }
                // A planted block can be most of a small class; its own rows are no reference.
                None => self.contrast(content, &totals, &k.columns(), k.class, Some(k)),
            };
            if let Some(contrast) = contrast.filter(|c| c.separation() >= SEPARATION) {
                let weighed = self.weigh_one(content, index, contrast, &mut scores);
                if k.single().is_some() { &mut singles } else { &mut pairs }.extend(weighed);
            }
        }
        (self.decide(singles, pairs), told)
    }

    /// A class without the column that tells it best, and without the best two: a trigger may stand in these, and what
    /// holds then holds for the others. A column tells as much as its log-odds for the class differ between members and
    /// the rest.
    fn told(&self, content: &Content, totals: &Totals, class: usize) -> [Told; 2] {
        let mut tells: Vec<(f64, usize)> = (0..self.model.binnings.len()).map(|column| (0.0, column)).collect();
        let prior: Vec<f64> = content.prior.iter().map(|p| p.max(1e-12).ln()).collect();
        let mut scores = prior.clone();
        let mut mass = [0.0; 2];
        for (r, weight) in self.model.references.iter().zip(&totals.weights) {
            mass[usize::from(r.class as usize == class)] += weight;
        }
        for (r, weight) in self.model.references.iter().zip(&totals.weights) {
            let share = if r.class as usize == class { weight / mass[1] } else { -weight / mass[0] };
            for (tell, bin) in tells.iter_mut().zip(&r.bins) {
                let part = content.part(super::fold_of(r.hash), tell.1, *bin);
                scores.iter_mut().zip(prior.iter().zip(part)).for_each(|(s, (a, b))| *s = a + f64::from(*b));
                tell.0 += share * super::content::against(&scores, class);
            }
        }
        tells.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        [1, 2].map(|n| {
            let mut without: Vec<usize> = tells.iter().take(n).map(|t| t.1).collect();
            without.sort_unstable();
            let contrast = self.contrast(content, totals, &without, class, None);
            Told { without: without.iter().map(|c| self.rule.columns[self.model.used[*c]].0.clone()).collect(), contrast }
        })
    }

    fn totals(&self, content: &Content) -> Totals {
        let classes = self.model.classes.len();
        let mut scores = Vec::with_capacity(self.model.references.len() * classes);
        let mut sampled = vec![0u64; classes];
        for r in &self.model.references {
            sampled[r.class as usize] += 1;
            let at = scores.len();
            scores.extend(content.prior.iter().map(|p| p.max(1e-12).ln()));
            for (column, bin) in r.bins.iter().enumerate() {
                let part = content.part(super::fold_of(r.hash), column, *bin);
                scores[at..].iter_mut().zip(part).for_each(|(s, p)| *s += f64::from(*p));
            }
        }
        let weight = |r: &super::content::Reference| {
            let of = r.class as usize;
            self.model.classes[of].rows as f64 / sampled[of].max(1) as f64
        };
        Totals { scores, weights: self.model.references.iter().map(weight).collect() }
    }

    /// Class against the rest by the reference sample, read without some columns and some rows.
    fn contrast(&self, content: &Content, totals: &Totals, without: &[usize], class: usize, rows: Option<&Candidate>) -> Option<Contrast> {
        let classes = self.model.classes.len();
        let mut scores = vec![0f64; classes];
        let mut points = Vec::with_capacity(self.model.references.len());
        for (i, r) in self.model.references.iter().enumerate() {
            if rows.is_some_and(|k| r.class as usize == k.class && k.parts.iter().all(|p| p.holds(r.cells[p.column]))) {
                continue;
            }
            scores.copy_from_slice(&totals.scores[i * classes..(i + 1) * classes]);
            for &column in without {
                let part = content.part(super::fold_of(r.hash), column, r.bins[column]);
                scores.iter_mut().zip(part).for_each(|(s, p)| *s -= f64::from(*p));
            }
            points.push((super::content::against(&scores, class), r.class as usize == class, totals.weights[i]));
        }
        Contrast::fit(&points)
    }

    fn weigh_one(&self, content: &Content, index: usize, contrast: Contrast, scores: &mut Vec<f64>) -> Option<Weighed> {
        let k = &self.model.candidates[index];
        let prior = content.prior[k.class];
        let shift = if k.single().is_some() { self.neighbours(k, prior) } else { k.lean };
        let (mut balanced, mut probabilities, mut observed) = (Vec::new(), Vec::new(), 0usize);
        let mut rows: Vec<&Posting> = Vec::new();
        let mut keys = BTreeMap::new();
        let (columns, postings) = (k.columns(), &self.tests.postings[index]);
        let mut last = 0;
        for (key, posting) in postings.iter() {
            last = key;
            let odds = content.log_odds(usize::from(posting.fold), &posting.bins, &columns, k.class, scores);
            probabilities.push(contrast.probability(odds, prior, shift.max(0.0)));
            if posting.class as usize == k.class {
                observed += 1;
                balanced.push(contrast.balanced(odds));
                rows.push(posting);
                keys.insert(key, contrast.balanced(odds));
            }
        }
        let n = probabilities.len();
        if (observed as u64) < super::LEAST {
            return None;
        }
        let expected = probabilities.iter().sum::<f64>() / n as f64;
        // Twins are no further witnesses, here as in the reference sample.
        let m = balanced.len() as f64;
        let mean = balanced.iter().sum::<f64>() / m;
        let variance = balanced.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / m;
        // The rows are a mixture of members (who look like the class) and rows of other classes given
        // the label; the mean balanced probability is linear in the mixture's weight.
        let separation = contrast.separation();
        let foreign = (contrast.members - mean) / separation;
        let error = ((0.5 * (variance / m + (contrast.others_variance + 1e-4) / m) + contrast.means_variance).sqrt()) / separation;
        let (drawn, drawn_column) = self.homogeneity(k, &rows);
        let few = k.single().is_some_and(|(column, _)| self.model.distinct(column) < SPIKED);
        let spike = (k.from < k.to && !few).then(|| k.rows as f64 / k.crowd.max(1) as f64);
        let [all_rows, labelled] = self.tests.counts[index];
        let [least, most] = [k.each[0].min(k.each[1]), k.each[0].max(k.each[1])];
        let table: u64 = self.model.classes.iter().map(|c| c.rows).sum();
        let lift = all_rows as f64 * table as f64 / (least as f64 * most as f64).max(1.0);
        let part = all_rows as f64 / least.max(1) as f64;
        Some(Weighed {
            index,
            rows: all_rows,
            labelled,
            limit: if postings.len() < super::POSTINGS { u64::MAX } else { last },
            ln_p: ln_poisson_binomial_upper(observed, &probabilities),
            expected,
            unexplained: wilson(observed as f64, n as f64, Z95).0 - expected,
            foreign: foreign - Z95 * error,
            beyond: (foreign - 1.0) / error,
            ruled: k.ruled,
            lift,
            part,
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
        let Some((column, code)) = k.single().filter(|_| k.from < k.to) else { return 0.0 };
        let classes = self.model.classes.len();
        let bounds = &self.model.bounds[column];
        let (first, last) = (cell(bounds, k.from), cell(bounds, k.to.saturating_sub(1)));
        let own = cell(bounds, code);
        let (mut with, mut all) = (0, 0);
        for i in (first..=last).filter(|i| *i != own) {
            let counts = &self.tests.cells[column][i * classes..(i + 1) * classes];
            with += counts[k.class];
            all += counts.iter().sum::<u64>();
        }
        // Four pseudo-rows at the overall share: two neighbours decide nothing.
        let share = (with as f64 + 4.0 * prior) / (all as f64 + 4.0);
        k.near * (logit(share) - logit(prior))
    }

    /// Log10 of the Bonferroni-corrected least p-value, over the other columns, of Pearson's
    /// chi-squared test that the labelled rows are a draw from the rows of the other classes.
    fn homogeneity(&self, k: &Candidate, rows: &[&Posting]) -> (f64, Option<usize>) {
        let offsets = super::offsets(&self.model.binnings);
        let (classes, width) = (self.model.classes.len(), offsets.last().copied().unwrap_or(0));
        let mut least: (f64, Option<usize>) = (0.0, None);
        let mut columns = 0;
        for column in (0..self.model.binnings.len()).filter(|c| k.parts.iter().all(|p| p.column != *c)) {
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
    // The reference is itself a sample; its error widens the test as if n were smaller. A few of the rows may be honest
    // ones that have the value as well; such a few are no difference.
    let shrink = all / (all + n);
    let few = (HONEST * n).floor();
    let x = shrink * cells.iter().map(|(e, o)| (o - e - (o - e).clamp(0.0, few)).powi(2) / e).sum::<f64>();
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
        // scipy.stats.chi2.logsf(x, 2) / log(10) for x = sum((o - e)^2 / e) with e = (20, 30, 50), three of the 100 rows
        // that a cell has too many taken for honest ones.
        let big = [200_000.0, 300_000.0, 500_000.0];
        let p = chi_squared(&big, &[30.0, 30.0, 40.0]).unwrap();
        let x: f64 = 49.0 / 20.0 + 0.0 + 100.0 / 50.0;
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
}
