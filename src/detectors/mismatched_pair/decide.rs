//! Phrases whose captions stand beside the wrong vectors: candidates, gates, and the strongest explained away before the
//! next is sought.

use super::pairs::{Pairs, words};
use crate::features::text::mix;
use crate::stats::tails::ln_binomial_upper;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Words of a phrase, at most.
const LONGEST: usize = 3;
/// Contradicted captions of the sample that share a phrase, at least.
pub const GROUP: usize = 10;
/// A phrase that more of the captions have is how this dataset speaks.
const COMMON: f64 = 0.2;
/// Captions of a phrase must be doubted this much more than captions are: lower bound of the excess. Phrases of clean
/// captions reach 0.17 where nothing else speaks for them; captions of one thing beside other things have 0.41 and more, with a
/// quarter of honest ones among them, and captions with a phrase written in have 0.59 to 0.78.
const UNEXPLAINED: f64 = 0.35;
/// Upper bound of how much more often doubted rows are near each other than rows from anywhere: what looks alike is a
/// kind of picture with a language of its own, not captions thrown over pictures.
const DRAWN: f64 = 2.5;
/// Phrases that are tested with their own rows left out, at most.
const TESTED: usize = 4000;
/// Groups, at most.
const GROUPS: usize = 20;

/// A phrase that is accused.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Phrase {
    /// Hashes of its words.
    pub words: Vec<u64>,
    pub text: String,
    /// Rows of the sample that have it, and those of them that are doubted.
    pub rows: Vec<u32>,
    pub doubted: Vec<u32>,
    /// Excess of doubt over what is usual, lower bound and estimate.
    pub lower: f64,
    pub excess: f64,
    pub drawn: f64,
    pub q_value: f64,
}

impl Phrase {
    /// Where the phrase stands in a text, in bytes.
    pub fn place(&self, text: &str) -> Option<(usize, usize)> {
        let all = words(text);
        let fits = |at: &usize| all[*at..*at + self.words.len()].iter().map(|t| t.hash).eq(self.words.iter().copied());
        let at = (0..(all.len() + 1).saturating_sub(self.words.len())).find(fits)?;
        Some((all[at].start as usize, all[at + self.words.len() - 1].end as usize))
    }
}

struct Candidate {
    words: Vec<u64>,
    text: String,
    rows: Vec<u32>,
}

pub fn phrases(pairs: &Pairs) -> Vec<Phrase> {
    let (mut candidates, tested) = candidates(pairs);
    let mut found: Vec<Phrase> = Vec::new();
    let mut explained: Vec<u32> = Vec::new();
    while found.len() < GROUPS {
        let best = candidates.iter().filter_map(|c| judge(pairs, c, tested)).max_by(|a, b| {
            strength(a).total_cmp(&strength(b)).then_with(|| b.words.len().cmp(&a.words.len())).then_with(|| b.words.cmp(&a.words))
        });
        let Some(best) = best else { break };
        explained.extend(&best.rows);
        explained.sort_unstable();
        explained.dedup();
        for candidate in &mut candidates {
            candidate.rows.retain(|r| explained.binary_search(r).is_err());
        }
        candidates.retain(|c| c.rows.len() >= GROUP);
        found.push(best);
    }
    found
}

/// How much a phrase explains: its bound by its doubted rows.
fn strength(p: &Phrase) -> f64 {
    p.lower * p.excess * p.rows.len() as f64
}

fn judge(pairs: &Pairs, c: &Candidate, tested: usize) -> Option<Phrase> {
    if c.rows.len() < GROUP {
        return None;
    }
    let (doubts, _) = pairs.without(&c.rows, &c.words);
    let n = doubts.len() as f64;
    let mean = doubts.iter().sum::<f64>() / n;
    let variance = doubts.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let excess = mean - pairs.usual;
    let lower = excess - 2.0 * (variance / n).sqrt();
    let doubted: Vec<u32> = c.rows.iter().zip(&doubts).filter(|(_, d)| **d > 0.5).map(|(r, _)| *r).collect();
    if lower < UNEXPLAINED || doubted.len() < GROUP {
        return None;
    }
    // So many doubted captions by chance, after so many phrases.
    let share = pairs.doubts.iter().filter(|d| **d > 0.5).count() as f64 / pairs.doubts.len().max(1) as f64;
    let chance = ln_binomial_upper(doubted.len() as u64, c.rows.len() as u64, share.max(1e-3)).exp();
    let q_value = (chance * tested as f64).min(1.0);
    if q_value > 1e-3 {
        return None;
    }
    let drawn = pairs.drawn(&doubted);
    (drawn <= DRAWN).then(|| Phrase {
        words: c.words.clone(),
        text: c.text.clone(),
        rows: c.rows.clone(),
        doubted,
        lower,
        excess,
        drawn,
        q_value,
    })
}

/// Phrases whose captions are doubted more than usual even with each other's support, of the same rows the longest.
fn candidates(pairs: &Pairs) -> (Vec<Candidate>, usize) {
    struct Seen {
        words: Vec<u64>,
        place: (u32, u32, u32),
        rows: Vec<u32>,
    }
    let mut seen: BTreeMap<u64, Seen> = BTreeMap::new();
    for (i, text) in pairs.texts.iter().enumerate() {
        let i = i as u32;
        let tokens = words(text);
        for at in 0..tokens.len() {
            let mut hash = 0;
            for len in 1..=LONGEST.min(tokens.len() - at) {
                hash = mix(hash, tokens[at + len - 1].hash);
                let entry = seen.entry(hash).or_insert_with(|| Seen {
                    words: tokens[at..at + len].iter().map(|t| t.hash).collect(),
                    place: (i, tokens[at].start, tokens[at + len - 1].end),
                    rows: Vec::new(),
                });
                if entry.rows.last() != Some(&i) {
                    entry.rows.push(i);
                }
            }
        }
    }
    let most = COMMON * pairs.texts.len() as f64;
    let fits = |s: &Seen| s.rows.len() >= GROUP && s.rows.len() as f64 <= most;
    let all: Vec<Seen> = seen.into_values().filter(fits).collect();
    let tested = all.len();
    let mut by_rows: BTreeMap<Vec<u32>, (f64, Seen)> = BTreeMap::new();
    for phrase in all {
        let doubt = phrase.rows.iter().map(|r| pairs.doubts[*r as usize]).sum::<f64>() / phrase.rows.len() as f64 - pairs.usual;
        // Its own rows support each other, and make its words seem tied to nothing; the exact test leaves them out.
        if doubt < UNEXPLAINED / 6.0 {
            continue;
        }
        let longer = |old: &Seen| (phrase.words.len(), &old.words) > (old.words.len(), &phrase.words);
        match by_rows.get(&phrase.rows) {
            Some((_, old)) if !longer(old) => {}
            _ => {
                by_rows.insert(phrase.rows.clone(), (doubt, phrase));
            }
        }
    }
    let mut kept: Vec<(f64, Seen)> = by_rows.into_values().collect();
    kept.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.words.cmp(&b.1.words)));
    kept.truncate(TESTED);
    let made = kept.into_iter().map(|(_, s)| {
        let (row, from, to) = s.place;
        let text = pairs.texts[row as usize].get(from as usize..to as usize).unwrap_or_default().to_owned();
        Candidate { words: s.words, text, rows: s.rows }
    });
    (made.collect(), tested)
}
