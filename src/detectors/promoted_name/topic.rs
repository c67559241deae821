//! Are texts about one thing? Those that share a name share other rare words as well; a name that was worked
//! into arbitrary texts comes with arbitrary words.

use crate::detectors::frequent::{HashedMap, Sketch};
use crate::features::text::mix;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};
use std::collections::HashMap;

/// A word of more rows is no topic.
const COMMON: f64 = 0.1;
/// Random sets of as many texts.
const SETS: usize = 60;

/// Arbitrary texts, distinct words of each, and how frequent words are.
pub struct Topics<'a> {
    background: Vec<&'a [u64]>,
    frequencies: &'a Sketch,
    rows: u64,
    seed: u64,
    /// Texts that must share a word for it to count.
    least: u32,
    /// Mean and deviation of what random texts share, by their number.
    random: HashMap<usize, (f64, f64)>,
}

impl<'a> Topics<'a> {
    pub fn new(background: Vec<&'a [u64]>, frequencies: &'a Sketch, rows: u64, seed: u64) -> Self {
        Topics { background, frequencies, rows, seed, least: 2, random: HashMap::new() }
    }
    /// Counts only words that `least` texts share: two near copies among them share all of theirs.
    pub fn shared_by(self, least: u32) -> Self {
        Topics { least, ..self }
    }

    /// Pairs of texts that share a rare word, weighted by one over its frequency.
    fn shared(&self, texts: &[&[u64]]) -> f64 {
        let mut counts: HashedMap<u32> = HashedMap::default();
        texts.iter().flat_map(|p| p.iter()).for_each(|w| *counts.entry(*w).or_default() += 1);
        let most = COMMON * self.rows as f64;
        let pairs = counts.into_iter().filter(|(_, v)| *v >= self.least).map(|(w, v)| {
            let frequency = f64::from(self.frequencies.at_most(w));
            // In whole billionths: sums of floats would depend on the order of a map.
            if frequency < most { (f64::from(v * (v - 1) / 2) / frequency.max(2.0) * 1e9) as u128 } else { 0 }
        });
        pairs.sum::<u128>() as f64 / 1e9
    }

    fn random(&mut self, texts: usize) -> (f64, f64) {
        if let Some(known) = self.random.get(&texts) {
            return *known;
        }
        let mut sums = Vec::with_capacity(SETS);
        let mut order: Vec<usize> = (0..self.background.len()).collect();
        let mut state = mix(self.seed, 0x0074_6F70_6963);
        for _ in 0..SETS {
            for i in 0..texts {
                state = mix(state, i as u64 + 1);
                let other = i + ((u128::from(state) * (order.len() - i) as u128) >> 64) as usize;
                order.swap(i, other);
            }
            sums.push(self.shared(&order[..texts].iter().map(|i| self.background[*i]).collect::<Vec<_>>()));
        }
        let mean = sums.iter().sum::<f64>() / SETS as f64;
        let deviation = (sums.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (SETS - 1) as f64).sqrt();
        self.random.insert(texts, (mean, deviation));
        (mean, deviation)
    }

    /// Standard deviations by which these texts share more rare words than random ones do.
    pub fn of(&mut self, texts: &[&[u64]]) -> f64 {
        let mine = &texts[..texts.len().min(self.background.len() / 2)];
        let (mean, deviation) = self.random(mine.len());
        let above = self.shared(mine) - mean;
        if above <= 0.0 { above / deviation.max(1e-9) } else { above / deviation.max(1e-9).max(mean / 100.0) }
    }
}

/// How strongly names of this data are tied to subjects: the logarithm of (standard deviations per row) is taken
/// for normal. Of eight corpora in five languages the centre was between -1.1 and 0.9 and the deviation between
/// 0.4 and 0.9; where there are too few names to tell, the loosest of these are taken.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ties {
    centre: f64,
    deviation: f64,
}

/// Names below which they do not tell, and the least deviation that is believed.
const FEW: usize = 12;
const NARROW: f64 = 0.4;

impl Ties {
    fn value(rows: usize, z: f64) -> f64 {
        (z.max(1.0) / rows.max(1) as f64).ln()
    }
    /// Of names with their rows and the standard deviations of what these share; the median tells, so that a
    /// few promoted names among them do not.
    pub fn of(names: &[(usize, f64)]) -> Ties {
        if names.len() < FEW {
            return Ties { centre: -1.1, deviation: 0.9 };
        }
        let middle = |mut of: Vec<f64>| {
            of.sort_unstable_by(f64::total_cmp);
            of[of.len() / 2]
        };
        let centre = middle(names.iter().map(|&(n, z)| Ties::value(n, z)).collect());
        let spread = middle(names.iter().map(|&(n, z)| (Ties::value(n, z) - centre).abs()).collect());
        // The median distance of a normal is 0.6745 standard deviations.
        Ties { centre, deviation: (spread / 0.6745).max(NARROW) }
    }
    /// Share of names that are tied as loosely.
    pub fn tail(&self, rows: usize, z: f64) -> f64 {
        Normal::standard().cdf((Ties::value(rows, z) - self.centre) / self.deviation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_one_subject_share_rare_words_and_random_ones_do_not() {
        // Text i has the words of its subject i % 40 and common ones.
        let word = |kind: u64, i: u64| mix(kind, i + 1);
        let text = |i: u64| vec![word(1, i % 40), word(2, i % 3), word(3, mix(i, 5) % 500), word(4, mix(i, 6) % 500)];
        let all: Vec<Vec<u64>> = (0..2000).map(text).collect();
        let mut sketch = Sketch::new(2000);
        all.iter().flatten().for_each(|w| sketch.add(*w));
        let background: Vec<&[u64]> = all.iter().step_by(2).map(AsRef::as_ref).collect();
        let mut topics = Topics::new(background, &sketch, 2000, 7).shared_by(3);
        let one: Vec<&[u64]> = all.iter().skip(3).step_by(40).map(AsRef::as_ref).collect();
        let any: Vec<&[u64]> = (0..50).map(|i| all[(mix(i, 8) % 2000) as usize].as_slice()).collect();
        assert!(topics.of(&one) > 10.0, "{}", topics.of(&one));
        assert!(topics.of(&any).abs() < 3.0, "{}", topics.of(&any));
        assert_eq!(topics.of(&any), topics.of(&any));
    }

    #[test]
    fn the_tail_is_that_of_the_names_of_this_data() {
        // Standard deviations per row from 0.25 to 4, log-uniform: median 1, median distance ln 2.
        let names: Vec<(usize, f64)> = (0..401).map(|i| (40, 40.0 * 2f64.powf(-2.0 + f64::from(i) / 100.0))).collect();
        let ties = Ties::of(&names);
        assert!(ties.centre.abs() < 1e-9 && (ties.deviation - 2f64.ln() / 0.6745).abs() < 0.01, "{ties:?}");
        // scipy.stats.norm.cdf(log(1 / 40) / (log(2) / 0.6745))
        assert!((ties.tail(40, -3.0) / 1.655_67e-4 - 1.0).abs() < 0.05, "{}", ties.tail(40, -3.0));
        assert!(ties.tail(40, 40.0) > 0.49);
        assert_eq!(Ties::of(&names[..5]), Ties { centre: -1.1, deviation: 0.9 });
    }
}
