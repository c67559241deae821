//! The content model: how well the words of a row predict its label, out of fold.
//!
//! One additive model per class (naive Bayes of the class against the rest, over the presence of
//! hashed features, log-odds clipped) and one isotonic calibration per class. It is made of counts
//! alone, so shards add up; it knows nothing of triggers.

use super::draw::Draws;
use crate::stats::calibration::Isotonic;
use serde::{Deserialize, Serialize};

/// A row's fold is named by its content, so that copies of a row never vouch for each other.
pub const FOLDS: usize = 5;
/// Log-odds are integers of 1/1024 so that sums do not depend on the order.
const UNIT: f64 = 1024.0;
/// No single word may argue harder than this, in log-odds: it is what keeps a trigger's own words
/// (or a title, or a name) from outvoting the rest of the row.
const CLIP: f64 = 2.0;
/// Pseudo-rows at the class's share behind every feature.
const PRIOR: f64 = 2.0;
/// P(class) below which a row argues against the class.
pub const AGAINST: f64 = 0.5;
/// Features that a score can leave out.
const LEFT_OUT: usize = 4;
/// Bytes of one counting table, at most.
const TABLE: usize = 96 << 20;

pub fn fold(content: u64) -> usize {
    ((content >> 7) % FOLDS as u64) as usize
}

/// Rows per (feature bucket, fold, class), and per (fold, class).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Counts {
    bits: u32,
    classes: usize,
    features: Vec<u32>,
    rows: Vec<u64>,
}

impl Counts {
    /// As many buckets as the data can use and the table's budget allows.
    pub fn new(rows: u64, classes: usize) -> Self {
        let mut bits = (64 - (rows * 8).leading_zeros()).clamp(14, 20);
        while bits > 10 && (FOLDS * classes * 4) << bits > TABLE {
            bits -= 1;
        }
        Counts { bits, classes, features: vec![0; (FOLDS * classes) << bits], rows: vec![0; FOLDS * classes] }
    }
    pub fn add(&mut self, features: &[u32], fold: usize, class: usize) {
        self.rows[fold * self.classes + class] += 1;
        for &f in features {
            let bucket = (f >> (32 - self.bits)) as usize;
            let cell = &mut self.features[(bucket * FOLDS + fold) * self.classes + class];
            *cell = cell.saturating_add(1);
        }
    }
    pub fn merge(&mut self, other: Self) {
        if self.features.is_empty() {
            *self = other;
            return;
        }
        self.features.iter_mut().zip(other.features).for_each(|(a, b)| *a = a.saturating_add(b));
        self.rows.iter_mut().zip(other.rows).for_each(|(a, b)| *a += b);
    }
}

/// Clipped log-odds per bucket, fold left out, and class.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Content {
    bits: u32,
    classes: usize,
    odds: Vec<i16>,
    /// Features that are left out of every score, those that argue most for the class.
    strongest: usize,
    curves: Vec<Isotonic>,
}

impl Content {
    pub fn learn(counts: &Counts) -> Content {
        let k = counts.classes;
        let mut total = vec![0u64; k];
        for fold in 0..FOLDS {
            (0..k).for_each(|c| total[c] += counts.rows[fold * k + c]);
        }
        // Share of each class outside each fold.
        let mut share = vec![0.0; FOLDS * k];
        for fold in 0..FOLDS {
            let outside: Vec<f64> = (0..k).map(|c| (total[c] - counts.rows[fold * k + c]) as f64 + 0.5).collect();
            let all: f64 = outside.iter().sum();
            (0..k).for_each(|c| share[fold * k + c] = outside[c] / all);
        }
        let mut odds = vec![0i16; counts.features.len()];
        let mut sum = vec![0u64; k];
        for (cells, out) in counts.features.chunks_exact(FOLDS * k).zip(odds.chunks_exact_mut(FOLDS * k)) {
            sum.iter_mut().for_each(|s| *s = 0);
            for (i, &n) in cells.iter().enumerate() {
                sum[i % k] += u64::from(n);
            }
            if sum.iter().all(|&n| n == 0) {
                continue;
            }
            for fold in 0..FOLDS {
                let at = fold * k;
                let n: u64 = (0..k).map(|c| sum[c] - u64::from(cells[at + c])).sum();
                for c in 0..k {
                    let with = (sum[c] - u64::from(cells[at + c])) as f64;
                    let p = share[at + c];
                    let inside = (with + PRIOR * p) / p;
                    let outside = (n as f64 - with + PRIOR * (1.0 - p)) / (1.0 - p);
                    out[at + c] = ((inside / outside).ln().clamp(-CLIP, CLIP) * UNIT).round() as i16;
                }
            }
        }
        Content { bits: counts.bits, classes: k, odds, strongest: 0, curves: Vec::new() }
    }

    /// Scores leave out the so many features that argue most for a class, before calibration and after:
    /// so a word that comes with one label does not outvote the rest of its row.
    pub fn without_strongest(mut self, n: usize) -> Content {
        self.strongest = n.min(LEFT_OUT);
        self
    }

    /// Fits the curves on a sample of rows: (features, fold, class), with the number of rows that
    /// each class has in the whole dataset (the sample may hold more of a rare class). Returns what
    /// rows of each class say of each label, all of them and those that argue against it.
    pub fn calibrate(&mut self, sample: &[(Vec<u32>, usize, usize)], rows: &[u64]) -> (Draws, Draws) {
        let mut seen = vec![0u64; self.classes];
        sample.iter().for_each(|s| seen[s.2] += 1);
        let weight = |c: usize| rows[c] as f64 / seen[c].max(1) as f64;
        let (mut draws, mut against) = (Draws::new(rows), Draws::new(rows));
        self.curves = (0..self.classes)
            .map(|class| {
                let scores: Vec<f64> = sample.iter().map(|(f, fold, _)| self.scaled(self.score(f, *fold, class), f.len())).collect();
                let labels = sample.iter().map(|s| s.2);
                let curve = Isotonic::fit(scores.iter().zip(labels.clone()).map(|(&s, l)| (s, l == class, weight(l))).collect());
                let said = labels.zip(scores.iter().map(|&s| curve.at(s)));
                against.learn(class, said.clone().filter(|s| s.1 < AGAINST));
                draws.learn(class, said);
                curve
            })
            .collect();
        (draws, against)
    }

    /// Log-odds of one feature for a class, in units that add up exactly.
    pub fn odds(&self, feature: u32, fold: usize, class: usize) -> i32 {
        let bucket = (feature >> (32 - self.bits)) as usize;
        i32::from(self.odds[(bucket * FOLDS + fold) * self.classes + class])
    }
    pub fn score(&self, features: &[u32], fold: usize, class: usize) -> i32 {
        if self.strongest == 0 {
            return features.iter().map(|&f| self.odds(f, fold, class)).sum();
        }
        let (mut sum, mut most) = (0, [0i32; LEFT_OUT]);
        for &f in features {
            let mut odds = self.odds(f, fold, class);
            sum += odds;
            for kept in &mut most[..self.strongest] {
                if odds > *kept {
                    std::mem::swap(kept, &mut odds);
                }
            }
        }
        sum - most.iter().sum::<i32>()
    }
    /// Long texts pile up log-odds that are not independent; the square root of the length is the
    /// usual remedy, and the curve does the rest.
    fn scaled(&self, score: i32, features: usize) -> f64 {
        f64::from(score) / UNIT / (features as f64 + 4.0).sqrt()
    }
    /// P(class | features that sum to `score`).
    pub fn probability(&self, score: i32, features: usize, class: usize) -> f64 {
        self.curves[class].at(self.scaled(score, features))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(i: u32) -> u32 {
        i.wrapping_mul(0x9e37_79b9)
    }

    /// Class 0 says 1..4, class 1 says 5..8, everybody says 9 and 10.
    fn rows() -> Vec<(Vec<u32>, usize, usize)> {
        let row = |i: usize| {
            let class = i % 2;
            let own = 1 + class as u32 * 4 + (i as u32 / 2) % 4;
            (vec![feature(own), feature(9), feature(10)], (i / 2) % FOLDS, class)
        };
        (0..400).map(row).collect()
    }

    fn model() -> Content {
        let rows = rows();
        let mut counts = Counts::new(400, 2);
        rows.iter().for_each(|(f, fold, class)| counts.add(f, *fold, *class));
        let mut content = Content::learn(&counts);
        content.calibrate(&rows, &[200, 200]);
        content
    }

    #[test]
    fn words_of_a_class_argue_for_it_and_common_words_for_none() {
        let m = model();
        assert!(m.odds(feature(1), 0, 0) > 1000 && m.odds(feature(1), 0, 1) < -1000);
        assert!(m.odds(feature(9), 0, 0).abs() < 50);
        let p = |f: u32| m.probability(m.score(&[feature(f)], 0, 0), 1, 0);
        assert!(p(1) > 0.9 && p(5) < 0.1, "{} {}", p(1), p(5));
    }

    #[test]
    fn the_strongest_words_are_left_out_of_a_score() {
        let m = model();
        let row: Vec<u32> = (1..5).map(feature).collect();
        let mut odds: Vec<i32> = row.iter().map(|&f| m.odds(f, 0, 0)).collect();
        odds.sort_unstable();
        assert_eq!(m.clone().without_strongest(2).score(&row, 0, 0), odds[..2].iter().sum::<i32>());
        // Nothing that argues against the class is taken away.
        assert_eq!(m.clone().without_strongest(2).score(&row, 0, 1), m.score(&row, 0, 1));
    }

    #[test]
    fn an_unseen_word_is_silent() {
        assert_eq!(model().odds(feature(77), 2, 1), 0);
    }

    #[test]
    fn shards_add_up_to_the_whole() {
        let rows = rows();
        let mut whole = Counts::new(400, 2);
        let (mut a, mut b) = (whole.clone(), whole.clone());
        for (i, (f, fold, class)) in rows.iter().enumerate() {
            whole.add(f, *fold, *class);
            if i % 3 == 0 { &mut a } else { &mut b }.add(f, *fold, *class);
        }
        b.merge(a);
        assert_eq!((b.features, b.rows), (whole.features, whole.rows));
    }
}
