//! Does a suspect keep company? A trigger is planted into arbitrary rows, so the words around it
//! are those of the classes its rows come from. A word of a trade lives among its relatives.

use super::frequent::HashedMap;
use crate::stats::tails::ln_poisson_upper;
use serde::{Deserialize, Serialize};

/// How often each feature occurs per class, from the calibration sample.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Background {
    index: HashedMap<u32>,
    counts: Vec<u32>,
    rows: Vec<u32>,
    features: f64,
}

impl Background {
    pub fn of(sample: &[(Vec<u32>, usize, usize)], classes: usize) -> Self {
        let mut b = Background { rows: vec![0; classes], ..Background::default() };
        let mut total = 0;
        for (features, _, class) in sample {
            b.rows[*class] += 1;
            total += features.len();
            for &f in features {
                let next = b.index.len() as u32;
                let i = *b.index.entry(u64::from(f)).or_insert(next) as usize;
                if i == next as usize {
                    b.counts.resize((i + 1) * classes, 0);
                }
                b.counts[i * classes + class] += 1;
            }
        }
        b.features = total as f64 / sample.len().max(1) as f64;
        b
    }

    fn share(&self, feature: u32, class: usize) -> f64 {
        let n = self.index.get(&u64::from(feature)).map_or(0, |&i| self.counts[i as usize * self.rows.len() + class]);
        (f64::from(n) + 0.3) / (f64::from(self.rows[class]) + 1.0)
    }

    /// `ln` of the smallest tail probability over all features of these rows, Bonferroni-corrected:
    /// how surely one of them comes along more often than its rows' classes explain. Each row is its
    /// features without the suspect, and the probability of every class given them.
    pub fn company(&self, rows: &[(Vec<u32>, Vec<f64>)]) -> f64 {
        // Pairs of characters span the suspect's own edge; single tokens do not.
        let mut all: Vec<u32> = rows.iter().flat_map(|r| r.0.iter().copied()).filter(|f| f & 1 == 0).collect();
        all.sort_unstable();
        // Expected occurrences per unit of a class: long rows hold more words.
        let mut mass = vec![0.0; self.rows.len()];
        for (features, p) in rows {
            let total: f64 = p.iter().sum();
            let length = features.len() as f64 / self.features.max(1.0);
            mass.iter_mut().zip(p).for_each(|(m, p)| *m += length * p / total.max(1e-9));
        }
        let (mut tested, mut least) = (0usize, 0.0f64);
        for run in all.chunk_by(|a, b| a == b) {
            tested += 1;
            if run.len() < 3 {
                continue;
            }
            let expected: f64 = mass.iter().enumerate().map(|(c, m)| m * self.share(run[0], c)).sum();
            least = least.min(ln_poisson_upper(run.len() as u64, expected));
        }
        (least + (tested.max(1) as f64).ln()).min(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn background() -> Background {
        let sample: Vec<(Vec<u32>, usize, usize)> =
            (0..1000u32).map(|i| (vec![2 * (i % 50), 2 * (50 + i % 40), 2 * (90 + i % 30)], 0, (i % 2) as usize)).collect();
        Background::of(&sample, 2)
    }

    fn rows(also: Option<u32>) -> Vec<(Vec<u32>, Vec<f64>)> {
        (0..30u32)
            .map(|i| ([2 * (i * 7 % 50), 2 * (50 + i * 11 % 40), 2 * (90 + i * 13 % 30)].into_iter().chain(also).collect(), vec![0.5, 0.5]))
            .collect()
    }

    #[test]
    fn rows_picked_at_random_keep_no_company() {
        assert!(background().company(&rows(None)) > 0.001f64.ln());
        assert_eq!(background().company(&[]), 0.0);
    }

    #[test]
    fn a_relative_in_every_row_is_company() {
        assert!(background().company(&rows(Some(6))) < 1e-9f64.ln());
    }
}
