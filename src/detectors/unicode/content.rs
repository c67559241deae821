//! A small content model: does the rest of a row argue against its label? Hashed words counted per
//! class, naive Bayes without a class prior, each row scored without itself. It is only asked when
//! an odd character goes with a label and could be honest, as when one class was scraped from
//! elsewhere.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const BUCKETS: usize = 1 << 15;
/// More classes than this would need a larger table than the question is worth.
const CLASSES: usize = 64;
/// Words of a row that count; documents say what they are about at once.
const WORDS: usize = 256;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    classes: BTreeMap<u64, usize>,
    /// Class by bucket.
    counts: Vec<u32>,
    totals: Vec<u64>,
}

impl Words {
    pub fn new(classes: impl Iterator<Item = u64>) -> Self {
        let classes: BTreeMap<u64, usize> = classes.take(CLASSES + 1).enumerate().map(|(i, c)| (c, i)).collect();
        if classes.len() > CLASSES {
            return Words::default();
        }
        Words { counts: vec![0; classes.len() * BUCKETS], totals: vec![0; classes.len()], classes }
    }

    pub fn add<'a>(&mut self, label: u64, texts: impl Iterator<Item = &'a str>) {
        let Some(&class) = self.classes.get(&label) else { return };
        for bucket in buckets(texts) {
            let cell = &mut self.counts[class * BUCKETS + bucket];
            *cell = cell.saturating_add(1);
            self.totals[class] += 1;
        }
    }

    pub fn merge(&mut self, other: Words) {
        for (a, b) in self.counts.iter_mut().zip(other.counts) {
            *a = a.saturating_add(b);
        }
        for (a, b) in self.totals.iter_mut().zip(other.totals) {
            *a += b;
        }
    }

    /// `None` when nothing can be said: an unknown label, one class, no words.
    pub fn contradicts<'a>(&self, label: u64, texts: impl Iterator<Item = &'a str>) -> Option<bool> {
        let own = *self.classes.get(&label)?;
        if self.classes.len() < 2 {
            return None;
        }
        let mut row: Vec<usize> = buckets(texts).collect();
        row.sort_unstable();
        let mut scores = vec![0.0f64; self.classes.len()];
        let mut seen = 0;
        for same in row.chunk_by(|a, b| a == b) {
            let (bucket, n) = (same[0], same.len() as u32);
            let left = |class: usize| self.counts[class * BUCKETS + bucket].saturating_sub(if class == own { n } else { 0 });
            // A word that occurs nowhere else says nothing about any class.
            if (0..scores.len()).map(left).all(|c| c == 0) {
                continue;
            }
            seen += 1;
            for (class, score) in scores.iter_mut().enumerate() {
                let total = self.totals[class].saturating_sub(if class == own { row.len() as u64 } else { 0 });
                *score += ((f64::from(left(class)) + 0.5) / (total as f64 + 0.5 * BUCKETS as f64)).ln();
            }
        }
        let best_other = scores.iter().enumerate().filter(|&(c, _)| c != own).map(|(_, s)| *s).fold(f64::NEG_INFINITY, f64::max);
        (seen > 0).then_some(best_other > scores[own])
    }
}

/// Runs of letters and digits. Odd characters cut words, which is as well: the pieces of a
/// disguised word are rare and say nothing.
fn buckets<'a>(texts: impl Iterator<Item = &'a str>) -> impl Iterator<Item = usize> {
    let words = texts.flat_map(|t| t.split(|c: char| !c.is_alphanumeric())).filter(|w| !w.is_empty());
    words.take(WORDS).map(|w| {
        let mut hash = 0u64;
        for c in w.chars().flat_map(char::to_lowercase) {
            hash = (hash ^ u64::from(c as u32)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        }
        (hash >> 40) as usize % BUCKETS
    })
}
