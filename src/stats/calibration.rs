//! From a score to a probability.

use serde::{Deserialize, Serialize};

/// A monotone map from score to probability: isotonic regression by pooling adjacent violators
/// (Ayer et al. 1955), then linear between the blocks' centres so that equal steps of content
/// count equally. Ties and few rows are pooled; every block is shrunk to the overall share, so no
/// probability is exactly 0 or 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Isotonic {
    /// (mean score, probability), both ascending.
    knots: Vec<(f64, f64)>,
}

/// Rows a block must hold at least before it speaks for itself.
const BLOCK: usize = 50;
/// Pseudo-rows at the overall share, per block.
const SHRINK: f64 = 2.0;

impl Isotonic {
    /// `points` are (score, success, weight), sorted here; weights stand for rows of the population.
    pub fn fit(mut points: Vec<(f64, bool, f64)>) -> Isotonic {
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.total_cmp(&b.2)));
        let all: f64 = points.iter().map(|p| p.2).sum();
        if points.is_empty() || all <= 0.0 {
            return Isotonic { knots: vec![(0.0, 0.5)] };
        }
        let share = points.iter().filter(|p| p.1).map(|p| p.2).sum::<f64>() / all;
        // Blocks: (weighted score, successes, weight).
        let mut blocks: Vec<(f64, f64, f64)> = Vec::new();
        let size = BLOCK.max(points.len() / 400);
        let mut from = 0;
        while from < points.len() {
            let mut to = (from + size).min(points.len());
            while to < points.len() && points[to].0 == points[to - 1].0 {
                to += 1;
            }
            if points.len() - to < size {
                to = points.len();
            }
            let mut block = (0.0, 0.0, 0.0);
            for p in &points[from..to] {
                let w = p.2;
                block = (block.0 + w * p.0, block.1 + if p.1 { w } else { 0.0 }, block.2 + w);
            }
            blocks.push(block);
            while blocks.len() > 1 {
                let (b, a) = (blocks[blocks.len() - 1], blocks[blocks.len() - 2]);
                if a.1 * b.2 < b.1 * a.2 {
                    break;
                }
                blocks.pop();
                blocks.pop();
                blocks.push((a.0 + b.0, a.1 + b.1, a.2 + b.2));
            }
            from = to;
        }
        let knots = blocks.iter().map(|b| (b.0 / b.2, (b.1 + SHRINK * share) / (b.2 + SHRINK))).collect();
        Isotonic { knots }
    }

    pub fn at(&self, score: f64) -> f64 {
        let i = self.knots.partition_point(|k| k.0 <= score);
        match (i.checked_sub(1).map(|j| self.knots[j]), self.knots.get(i)) {
            (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (score - a.0) / (b.0 - a.0),
            (Some(a), None) => a.1,
            (None, Some(b)) => b.1,
            (None, None) => 0.5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve() -> Isotonic {
        // P(hit) = (i mod 10) / 10 style steps: the score's decile decides.
        let points = (0..5000).map(|i| (f64::from(i) / 500.0, (i * 7) % 10 < i / 500, 1.0)).collect();
        Isotonic::fit(points)
    }

    #[test]
    fn it_recovers_a_known_curve() {
        let c = curve();
        for (score, p) in [(1.5, 0.1), (5.5, 0.5), (8.5, 0.8)] {
            assert!((c.at(score) - p).abs() < 0.06, "{score}: {}", c.at(score));
        }
    }

    #[test]
    fn it_never_falls() {
        let c = curve();
        let values: Vec<f64> = (-10..120).map(|i| c.at(f64::from(i) / 10.0)).collect();
        assert!(values.windows(2).all(|w| w[0] <= w[1] + 1e-12));
        assert!(values.iter().all(|p| (0.0..=1.0).contains(p)));
    }

    #[test]
    fn useless_scores_give_the_share_of_the_class() {
        let c = Isotonic::fit((0..1000).map(|i| (0.0, i % 4 == 0, 1.0)).collect());
        assert!((c.at(3.0) - 0.25).abs() < 1e-6);
    }

    #[test]
    fn weights_undo_an_uneven_sample() {
        // A sample with as many of either kind, drawn from a population with 1 in 10.
        let c = Isotonic::fit((0..1000).map(|i| (0.0, i % 2 == 0, if i % 2 == 0 { 1.0 } else { 9.0 })).collect());
        assert!((c.at(0.0) - 0.1).abs() < 1e-6);
    }

    #[test]
    fn nothing_to_fit_is_even_odds() {
        assert_eq!(Isotonic::fit(Vec::new()).at(1.0), 0.5);
    }
}
