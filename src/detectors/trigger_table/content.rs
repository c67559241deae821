//! What the other columns say: an additive model (naive Bayes over bins of each column) that is read
//! out of fold and without the columns under suspicion, and its calibration on a reference sample.
//! Folds go by the hash of a row's cells without its label, so twins never vouch for one another.

use super::sketch::BottomK;
use crate::features::table::{Kind, NULL};
use serde::{Deserialize, Serialize};

pub const FOLDS: usize = 5;

/// A column's log-odds count at most this much: one column alone shall not outvote the rest, and a bin
/// seen a few times says little.
const CLIP: f64 = 3.0;

pub fn fold_of(hash: u64) -> usize {
    ((hash >> 32) % FOLDS as u64) as usize
}

/// How a column's codes fall into bins; bin 0 is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Binning {
    /// Between and on these cut points: a value that is a cut point has a bin of its own, so heavy
    /// values (a zero, a cap) never hide among others.
    Number(Vec<u64>),
    /// The most frequent strings, sorted by code, each with a bin; the last bin is "another".
    Text(Vec<u64>),
}

impl Binning {
    /// From a sample of the column's codes, with at most `bins` bins.
    pub fn fit(kind: Kind, mut sample: Vec<u64>, bins: usize) -> Self {
        sample.retain(|c| *c != NULL);
        sample.sort_unstable();
        match kind {
            Kind::Number | Kind::Time => {
                let cuts = (bins.saturating_sub(2) / 2).max(1);
                let at = |i: usize| sample[i * sample.len() / (cuts + 1)];
                let mut edges: Vec<u64> = if sample.is_empty() { Vec::new() } else { (1..=cuts).map(at).collect() };
                edges.dedup();
                Binning::Number(edges)
            }
            Kind::Text => {
                let mut counted: Vec<(usize, u64)> = sample.chunk_by(|a, b| a == b).map(|run| (run.len(), run[0])).collect();
                counted.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
                counted.truncate(bins.saturating_sub(2));
                let mut codes: Vec<u64> = counted.into_iter().map(|(_, code)| code).collect();
                codes.sort_unstable();
                Binning::Text(codes)
            }
        }
    }
    pub fn bins(&self) -> usize {
        match self {
            Binning::Number(edges) => 2 * edges.len() + 2,
            Binning::Text(codes) => codes.len() + 2,
        }
    }
    pub fn bin(&self, code: u64) -> u8 {
        if code == NULL {
            return 0;
        }
        let bin = match self {
            Binning::Number(edges) => {
                let below = edges.partition_point(|e| *e < code);
                1 + 2 * below + usize::from(edges.get(below) == Some(&code))
            }
            Binning::Text(codes) => 1 + codes.binary_search(&code).unwrap_or(codes.len()),
        };
        u8::try_from(bin).unwrap_or(u8::MAX)
    }
}

/// Where each column's bins start in a flat table.
pub fn offsets(binnings: &[Binning]) -> Vec<usize> {
    let mut at = 0;
    let mut offsets: Vec<usize> = Vec::with_capacity(binnings.len() + 1);
    for binning in binnings {
        offsets.push(at);
        at += binning.bins();
    }
    offsets.push(at);
    offsets
}

/// `ln P(class | bin) / P(class)` per held-out fold, column, bin and class.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Content {
    classes: usize,
    offsets: Vec<usize>,
    table: Vec<f32>,
    /// Share of each class.
    pub prior: Vec<f64>,
}

impl Content {
    /// From counts `[fold][bin of a column][class]`.
    pub fn new(offsets: Vec<usize>, classes: usize, counts: &[u64], class_rows: &[u64]) -> Self {
        let bins = offsets.last().copied().unwrap_or(0);
        let all: u64 = class_rows.iter().sum();
        let prior: Vec<f64> = class_rows.iter().map(|n| *n as f64 / all.max(1) as f64).collect();
        let mut table = vec![0f32; FOLDS * bins * classes];
        for bin in 0..bins {
            for fold in 0..FOLDS {
                let rest = |class: usize| -> f64 {
                    let others = (0..FOLDS).filter(|f| *f != fold);
                    others.map(|f| counts[(f * bins + bin) * classes + class]).sum::<u64>() as f64
                };
                let total: f64 = (0..classes).map(rest).sum();
                for class in 0..classes {
                    let share = (rest(class) + 2.0 * prior[class]) / (total + 2.0);
                    table[(fold * bins + bin) * classes + class] = (share / prior[class].max(1e-12)).ln().clamp(-CLIP, CLIP) as f32;
                }
            }
        }
        Content { classes, offsets, table, prior }
    }
    /// What a column says for each class.
    pub fn part(&self, fold: usize, column: usize, bin: u8) -> &[f32] {
        let bins = self.offsets.last().copied().unwrap_or(0);
        let at = (fold * bins + self.offsets[column] + usize::from(bin)) * self.classes;
        &self.table[at..at + self.classes]
    }
    /// Log-odds of class `y` against the rest for one row, leaving out the columns in `without` (sorted).
    pub fn log_odds(&self, fold: usize, bins: &[u8], without: &[usize], y: usize, scores: &mut Vec<f64>) -> f64 {
        scores.clear();
        scores.extend(self.prior.iter().map(|p| p.max(1e-12).ln()));
        for (column, bin) in bins.iter().enumerate() {
            if without.binary_search(&column).is_err() {
                for (score, part) in scores.iter_mut().zip(self.part(fold, column, *bin)) {
                    *score += f64::from(*part);
                }
            }
        }
        against(scores, y)
    }
}

/// Log-odds of class `y` against the rest, from the log scores of all classes.
pub fn against(scores: &[f64], y: usize) -> f64 {
    let others = scores.iter().enumerate().filter(|(k, _)| *k != y).map(|(_, s)| *s);
    let top = others.clone().fold(f64::NEG_INFINITY, f64::max);
    scores[y] - (top + others.map(|s| (s - top).exp()).sum::<f64>().ln())
}

/// A row of the reference sample.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Reference {
    pub class: u32,
    pub hash: u64,
    pub cells: Vec<u64>,
    pub bins: Vec<u8>,
}

/// The samples of all classes, in class order and by hash inside one.
pub fn references(samples: &[BottomK<Vec<u64>>], binnings: &[Binning]) -> Vec<Reference> {
    let bins = |cells: &[u64]| cells.iter().zip(binnings).map(|(c, b)| b.bin(*c)).collect();
    let of_class = |(class, sample): (usize, &BottomK<Vec<u64>>)| -> Vec<Reference> {
        sample.iter().map(|(hash, cells)| Reference { class: class as u32, hash, bins: bins(cells), cells: cells.clone() }).collect()
    };
    samples.iter().enumerate().flat_map(of_class).collect()
}

/// Class `y` against the rest, calibrated for equal shares of both, and what its members and the
/// others score.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Contrast {
    centre: f64,
    scale: f64,
    slope: f64,
    shift: f64,
    /// Mean balanced probability among rows of the class, and among the others.
    pub members: f64,
    pub others: f64,
    /// Variance among the others, and of the two means together.
    pub others_variance: f64,
    pub means_variance: f64,
}

impl Contrast {
    /// Balanced Platt scaling (Platt 1999) of `(log-odds, is of the class, weight)`; weights make up for
    /// the sampling of classes. `None` when either side has fewer than ten rows.
    pub fn fit(points: &[(f64, bool, f64)]) -> Option<Self> {
        let side = |of: bool| points.iter().filter(move |p| p.1 == of);
        if side(true).count() < 10 || side(false).count() < 10 {
            return None;
        }
        let mass = [false, true].map(|of| side(of).map(|p| p.2).sum::<f64>());
        let weight = |p: &(f64, bool, f64)| 0.5 * p.2 / mass[usize::from(p.1)].max(1e-300);
        let centre: f64 = points.iter().map(|p| weight(p) * p.0).sum();
        let scale = points.iter().map(|p| weight(p) * (p.0 - centre).powi(2)).sum::<f64>().sqrt().max(1e-9);
        let mut fitted =
            Contrast { centre, scale, slope: 0.0, shift: 0.0, members: 0.5, others: 0.5, others_variance: 0.0, means_variance: 0.0 };
        for _ in 0..25 {
            // Newton's step on the weighted log-likelihood; a small ridge keeps separable data finite.
            let (mut g, mut h) = ([-1e-4 * fitted.slope, 0.0], [1e-4, 0.0, 1e-9]);
            for point in points {
                let x = fitted.standard(point.0);
                let p = fitted.balanced(point.0);
                let (w, miss) = (weight(point), f64::from(u8::from(point.1)) - p);
                let bend = w * p * (1.0 - p);
                g = [g[0] + w * miss * x, g[1] + w * miss];
                h = [h[0] + bend * x * x, h[1] + bend * x, h[2] + bend];
            }
            let det = (h[0] * h[2] - h[1] * h[1]).max(1e-12);
            let step = [(h[2] * g[0] - h[1] * g[1]) / det, (h[0] * g[1] - h[1] * g[0]) / det];
            fitted.slope += step[0].clamp(-2.0, 2.0);
            fitted.shift += step[1].clamp(-2.0, 2.0);
            if step[0].abs() + step[1].abs() < 1e-7 {
                break;
            }
        }
        let mean = |of: bool| side(of).map(|p| p.2 * fitted.balanced(p.0)).sum::<f64>() / mass[usize::from(of)].max(1e-300);
        let (others, members) = (mean(false), mean(true));
        let spread = |of: bool, m: f64| side(of).map(|p| p.2 * (fitted.balanced(p.0) - m).powi(2)).sum::<f64>() / mass[usize::from(of)];
        let (apart, around) = (spread(false, others), spread(true, members));
        fitted.members = members;
        fitted.others = others;
        fitted.others_variance = apart;
        fitted.means_variance = apart / side(false).count() as f64 + around / side(true).count() as f64;
        Some(fitted)
    }
    fn standard(&self, log_odds: f64) -> f64 {
        ((log_odds - self.centre) / self.scale).clamp(-4.0, 4.0)
    }
    fn logit(&self, log_odds: f64) -> f64 {
        self.slope * self.standard(log_odds) + self.shift
    }
    /// Probability of the class if it and the rest were equally frequent.
    pub fn balanced(&self, log_odds: f64) -> f64 {
        sigmoid(self.logit(log_odds))
    }
    /// Probability of the class at its real share, moved by `extra` log-odds.
    pub fn probability(&self, log_odds: f64, prior: f64, extra: f64) -> f64 {
        sigmoid(self.logit(log_odds) + logit(prior) + extra)
    }
    /// How far apart the other columns hold the class and the rest, 0 (not at all) to 1.
    pub fn separation(&self) -> f64 {
        self.members - self.others
    }
}

pub fn logit(p: f64) -> f64 {
    let p = p.clamp(1e-9, 1.0 - 1e-9);
    (p / (1.0 - p)).ln()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::table::number_code;

    #[test]
    fn a_heavy_value_has_a_bin_of_its_own() {
        let sample: Vec<u64> = (0..1000).map(|i| number_code(if i < 900 { 0.0 } else { f64::from(i) })).collect();
        let binning = Binning::fit(Kind::Number, sample, 32);
        let bin = |x: f64| binning.bin(number_code(x));
        assert_ne!(bin(0.0), bin(1e-9));
        assert_ne!(bin(0.0), bin(-1e-9));
        assert_eq!(binning.bin(NULL), 0);
        assert!(usize::from(bin(f64::INFINITY)) < binning.bins());
    }

    #[test]
    fn rare_strings_share_the_last_bin() {
        let sample: Vec<u64> = (1..=50).flat_map(|i| vec![i * 1000; i as usize]).collect();
        let binning = Binning::fit(Kind::Text, sample, 10);
        assert_eq!(binning.bins(), 10);
        assert_eq!(binning.bin(1000), binning.bin(7));
        assert_ne!(binning.bin(50_000), binning.bin(49_000));
    }

    #[test]
    fn an_empty_column_still_has_bins() {
        for kind in [Kind::Number, Kind::Text] {
            let binning = Binning::fit(kind, vec![NULL; 5], 32);
            assert!(usize::from(binning.bin(77)) < binning.bins());
        }
    }

    #[test]
    fn a_contrast_finds_the_logit_that_made_the_data() {
        // P(class) = sigmoid(x) at equal shares: the weighted count of each grid point is its exact share.
        let grid = (-30..=30).map(|i| f64::from(i) / 10.0);
        let points: Vec<(f64, bool, f64)> = grid.flat_map(|x| [(x, true, sigmoid(x)), (x, false, sigmoid(-x))]).collect();
        let contrast = Contrast::fit(&points).unwrap();
        for x in [-2.0, 0.0, 1.0, 2.5] {
            assert!((contrast.balanced(x) - sigmoid(x)).abs() < 0.01, "{x}: {}", contrast.balanced(x));
        }
        assert!(contrast.separation() > 0.2);
        assert!((contrast.probability(0.0, 0.1, 0.0) - 0.1).abs() < 0.01);
    }

    #[test]
    fn separable_and_constant_scores_stay_finite() {
        for spread in [0.0, 1.0] {
            let points: Vec<(f64, bool, f64)> = (0..40).map(|i| (spread * f64::from(i), i >= 20, 1.0)).collect();
            let contrast = Contrast::fit(&points).unwrap();
            assert!(contrast.balanced(7.0).is_finite() && contrast.separation().is_finite());
        }
        assert!(Contrast::fit(&[(0.0, true, 1.0); 30]).is_none());
    }
}
