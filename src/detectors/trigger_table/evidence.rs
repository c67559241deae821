//! From counts to accusations: which values lean to a class, whether the rest of their rows
//! contradicts it, and whether an honest explanation remains.

use super::content::{Content, Contrast, logit};
use super::{CANDIDATES, Candidate, Family, NEIGHBOURS, Part, Posting, TableModel, TableTrigger, Tests, action, cell};
use crate::detectors::frequent::HashedMap;
use crate::features::table::{Kind, code_number, mix};
use crate::rule::{Action, Plan};
use crate::stats::intervals::{Z95, wilson};
use crate::stats::multiple::benjamini_hochberg;
use crate::stats::tails::{ln_binomial_upper, ln_poisson_binomial_upper};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Distinct neighbouring values whose width is compared with the gap before a value. At the very end of a bell-shaped
/// column the gap is wider than this width once in seven times.
const NEAREST: usize = 8;
/// False discovery rate of accused values.
pub const Q: f64 = 0.01;
/// Labelled rows that an accusation rests on, at least.
pub const ROWS: u64 = 12;
/// Share of a class's members over that of others, in mean balanced probability, below which the
/// other columns cannot contradict anything.
pub const SEPARATION: f64 = 0.08;
/// Lower bound of the label's share among a value's rows that nominates it.
pub const PURE: f64 = 0.6;
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
/// A pair with this many rows, nearly all of the label, is accused whatever the prior: where a label is
/// common, or each value leans to it, no label is a surprise, but rows that are a random draw from the
/// other classes are. Over 70 clean tables and 1.4 million pairs of this size none passed both of the
/// next two gates; natural ones reach a share of 0.81 with a draw of -2.5, or 0.63 with -1.6.
const MANY: u64 = 50;
const NEARLY_ALL: f64 = 0.90;
const FOREIGN_MANY: f64 = 0.75;
const DRAWN_MANY: f64 = -1.5;
/// Rows that are foreign beyond doubt may differ a little more: a draw is a draw in 99 of 100 tables.
const FOREIGN_SURE: f64 = 0.93;
const DRAWN_SURE: f64 = -4.0;
/// Expected rows in a cell of the homogeneity test.
const EXPECTED: f64 = 5.0;
/// Groups for review that a reader can be asked to read.
const REVIEWS: usize = 12;
/// The same for pairs, of which there are far more to come across.
const PAIR_REVIEWS: usize = 3;
/// More accused pairs than this are the nature of the table (labels made by rules over columns).
const PAIRS: usize = 3;
/// Foreign share of a value's rows beside an accused pair, below which the pair explains the value.
const BESIDE: f64 = 0.6;

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
                let parts = vec![Part::value(column, code)];
                let near = if kind == Kind::Number { nearness(&model.sample[column], code) } else { 1.0 };
                let candidate = Candidate { parts, class, rows, labelled, ln_p, from, to, crowd, near, lean: 0.0 };
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

pub struct Evidence<'a> {
    pub rule: &'a TableTrigger,
    pub model: &'a TableModel,
    pub tests: &'a Tests,
    pub plan: &'a Plan,
}

/// What a candidate's rows say.
struct Weighed {
    index: usize,
    rows: u64,
    labelled: u64,
    ln_p: f64,
    expected: f64,
    unexplained: f64,
    foreign: f64,
    drawn: f64,
    drawn_column: Option<usize>,
    spike: Option<f64>,
    shift: f64,
    contrast: Contrast,
    /// Sampled rows with the label, and their balanced probability.
    keys: BTreeMap<u64, f64>,
    /// Beyond this key the sample is cut.
    limit: u64,
}

impl Weighed {
    /// Share of this candidate's rows that another has as well, as far as both samples reach.
    fn within(&self, other: &Weighed) -> f64 {
        let limit = self.limit.min(other.limit);
        let own = self.keys.range(..=limit);
        let both = own.clone().filter(|(k, _)| other.keys.contains_key(k)).count();
        both as f64 / own.count().max(1) as f64
    }
    /// Large, nearly all of one label, and a random draw of rows that look like other classes.
    fn many(&self) -> bool {
        self.keys.len() as u64 >= MANY
            && wilson(self.labelled as f64, self.rows as f64, Z95).0 >= NEARLY_ALL
            && self.foreign >= FOREIGN_MANY
            && self.drawn >= DRAWN_MANY
    }
    /// Whether the rows are, in every other column, a random draw of the other classes.
    fn is_drawn(&self) -> bool {
        let sure = self.foreign >= FOREIGN_SURE && self.keys.len() as u64 >= 2 * MANY;
        self.drawn >= if sure { DRAWN_SURE } else { DRAWN }
    }
    /// Whether a value is honest once the rows of an accused pair are taken out: what remains has other
    /// labels too, and its rows look like their label. A planted value leaves nothing of the kind.
    fn explained_by(&self, pair: &Weighed, prior: f64) -> bool {
        let (rows, labelled) = (self.rows.saturating_sub(pair.rows), self.labelled.saturating_sub(pair.labelled));
        if labelled as f64 >= 0.5 * (1.0 + prior) * rows as f64 {
            return false;
        }
        let rest = self.keys.range(..=self.limit.min(pair.limit)).filter(|(k, _)| !pair.keys.contains_key(k));
        let rest: Vec<f64> = rest.map(|(_, p)| *p).collect();
        let mean = rest.iter().sum::<f64>() / rest.len().max(1) as f64;
        (rest.len() as u64) < super::LEAST || (self.contrast.members - mean) / self.contrast.separation() < BESIDE
    }
}

/// Balanced log-odds need every class's sum; kept for each reference row so that leaving out a column
/// is a subtraction.
struct Totals {
    scores: Vec<f64>,
    weights: Vec<f64>,
}

impl Evidence<'_> {
    /// The accused values and pairs, strongest first, and how well each class is told apart.
    pub fn weigh(&self) -> (Vec<Finding>, Vec<Option<Contrast>>) {
        let Some(content) = &self.model.content else { return (Vec::new(), Vec::new()) };
        let totals = self.totals(content);
        let contrasts: Vec<Option<Contrast>> =
            (0..self.model.classes.len()).map(|class| self.contrast(content, &totals, &[], class, None)).collect();
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
        let singles = significant(singles, self.model.tested);
        let strong = |(w, q): &(Weighed, f64)| match self.rule.family {
            Family::Values => (*q <= Q && w.unexplained >= UNEXPLAINED) || w.many(),
            // Joint tails are rare by themselves: where most rows have the label, it need not be a surprise.
            Family::Tails => *q <= Q || w.many(),
        };
        let pairs = with_q(pairs, self.model.tested_pairs).into_iter().filter(strong);
        // Pairs: those that are accused first, then the largest, so that a part of one comes after it.
        let mut pairs: Vec<(Finding, Weighed)> = pairs.filter_map(|(w, q)| Some((self.joint(&w, q)?, w))).collect();
        pairs.sort_by(|a, b| b.0.action.cmp(&a.0.action).then(b.1.labelled.cmp(&a.1.labelled)).then(a.0.parts.cmp(&b.0.parts)));
        let explains = |w: &Weighed| {
            let single = &self.model.candidates[w.index];
            let has = |f: &Finding| f.action == Action::Quarantine && f.class == single.class && f.parts.contains(&single.parts[0]);
            pairs.iter().any(|(f, p)| has(f) && w.explained_by(p, content.prior[single.class]))
        };
        let singles: Vec<(Finding, Weighed)> =
            singles.into_iter().filter(|(w, _)| !explains(w)).map(|(w, q)| (self.finding(&w, q), w)).collect();
        let mut taken: Vec<Weighed> = Vec::new();
        let mut findings = disjoint(singles, REVIEWS, &mut taken);
        let mut pairs = disjoint(pairs, PAIR_REVIEWS, &mut taken);
        let accused = pairs.iter().filter(|f| f.action == Action::Quarantine).count();
        if self.rule.family == Family::Values && accused > PAIRS {
            for finding in &mut pairs {
                finding.action = Action::Review;
                finding.score = 0.3;
                finding.reasons.push(format!("{accused} pairs of this table do so: its labels may follow rules over columns"));
            }
        }
        findings.append(&mut pairs);
        findings.sort_by_key(|f| std::cmp::Reverse(f.action));
        (findings, contrasts)
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
                balanced.push((contrast.balanced(odds), f64::from(posting.rows)));
                rows.push(posting);
                keys.insert(key, contrast.balanced(odds));
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
        let [all_rows, labelled] = self.tests.counts[index];
        Some(Weighed {
            index,
            rows: all_rows,
            labelled,
            limit: if postings.len() < super::POSTINGS { u64::MAX } else { last },
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
        self.accuse(w, q, honest.is_empty(), w.foreign, reasons.into_iter().chain(honest).collect())
    }

    /// Two conditions together; `None` when too little speaks against them to be worth a look.
    fn joint(&self, w: &Weighed, q: f64) -> Option<Finding> {
        let (mut reasons, mut honest) = (Vec::new(), Vec::new());
        reasons
            .push(format!("at least {:.0}% of its rows look like other classes in the other columns", 100.0 * w.foreign.clamp(0.0, 1.0)));
        // Many more pairs than values are looked at; only joint tails are rare enough by themselves.
        let needed = match self.rule.family {
            Family::Values if w.many() => FOREIGN_MANY,
            Family::Values => FOREIGN_ALONE,
            Family::Tails => {
                reasons.push("cut off from all other rows in all these columns at once".into());
                FOREIGN
            }
        };
        if w.labelled < ROWS {
            honest.push(format!("only {} rows", w.labelled));
        }
        if w.foreign < FOREIGN {
            return None;
        }
        if w.foreign < needed {
            honest.push(format!("its rows may partly be honest: the bound is {:.0}%", 100.0 * w.foreign));
        }
        if !w.is_drawn() {
            if self.rule.family == Family::Values {
                return None;
            }
            let name = |c: usize| self.rule.columns[self.model.used[c]].0.as_str();
            let column = w.drawn_column.map_or("another column", name);
            honest.push(format!(
                "its rows are no random draw from the other classes: they differ in `{column}` (p {:.0e})",
                10f64.powf(w.drawn)
            ));
        }
        Some(self.accuse(w, q, honest.is_empty(), w.foreign, reasons.into_iter().chain(honest).collect()))
    }

    fn accuse(&self, w: &Weighed, q: f64, quarantine: bool, foreign: f64, reasons: Vec<String>) -> Finding {
        let k = &self.model.candidates[w.index];
        let name = |p: &Part| self.rule.columns[self.model.used[p.column]].0.as_str();
        let (key, said): (Vec<String>, Vec<String>) = match self.rule.family {
            Family::Values => {
                let shown = self.tests.shown[w.index].clone().unwrap_or_default();
                let both = |(p, s): (&Part, &String)| (format!("{}={s}", name(p)), format!("{} is {s}", name(p)));
                k.parts.iter().zip(&shown).map(both).unzip()
            }
            Family::Tails => {
                let range = |p: &Part| {
                    let (sign, words, edge) = if p.to == u64::MAX { (">", "above", p.from) } else { ("<", "below", p.to) };
                    let edge = code_number(edge);
                    (format!("{}{sign}{edge}", name(p)), format!("{} is {words} {edge}", name(p)))
                };
                k.parts.iter().map(range).unzip()
            }
        };
        Finding {
            parts: k.parts.clone(),
            class: k.class,
            class_name: self.model.classes[k.class].name.clone(),
            key: key.join(" & "),
            said: said.join(" and "),
            rows: w.rows,
            labelled: w.labelled,
            action: action(quarantine),
            score: if quarantine { foreign.clamp(0.5, 0.99) } else { 0.3 },
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

/// The findings that do not ride on the rows of an earlier one, with at most `reviews` for review.
fn disjoint(family: Vec<(Finding, Weighed)>, reviews: usize, taken: &mut Vec<Weighed>) -> Vec<Finding> {
    let (mut kept, mut reviewed) = (Vec::new(), 0);
    for (finding, w) in family {
        if taken.iter().any(|t| w.within(t) > 0.5) {
            continue;
        }
        if finding.action == Action::Review {
            reviewed += 1;
            if reviewed > reviews {
                continue;
            }
        }
        taken.push(w);
        kept.push(finding);
    }
    kept
}

/// Values whose label the rest of their rows leaves unexplained, the least probable first.
fn significant(weighed: Vec<Weighed>, tested: usize) -> Vec<(Weighed, f64)> {
    // Where nearly every row has the label it is no surprise; what the neighbours say must then be the contrary.
    let surprising = |w: &Weighed, q: f64| (q <= Q && w.unexplained >= UNEXPLAINED) || (w.many() && w.shift <= 0.0);
    let strong = |(w, q): &(Weighed, f64)| surprising(w, *q) && w.foreign >= FOREIGN_TOWER;
    let mut kept: Vec<(Weighed, f64)> = with_q(weighed, tested).into_iter().filter(strong).collect();
    kept.sort_by(|a, b| a.0.ln_p.total_cmp(&b.0.ln_p).then(a.0.index.cmp(&b.0.index)));
    kept
}

fn with_q(weighed: Vec<Weighed>, tested: usize) -> Vec<(Weighed, f64)> {
    let p: Vec<f64> = weighed.iter().map(|w| w.ln_p.exp()).collect();
    let q = benjamini_hochberg(&p, tested);
    weighed.into_iter().zip(q).collect()
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
