//! Does a word stand at random places? A trigger that was only put into rows that had its label
//! already contradicts nothing. But whoever inserts a word takes a place at random: the words around
//! it are words of the text at large, and the two of them belong side by side. An honest word
//! chooses its neighbours (`the`, `of`, `very`), and its two neighbours never meet without it.

use super::frequent::ClassCounts;
use super::phrase::{Named, Window};
use crate::features::text::ngram;
use crate::stats::intervals::Z95;
use crate::stats::tails::ln_poisson_upper;
use std::collections::BTreeMap;

/// Places beside the word that its neighbours are compared with, on each side.
const NEARBY: isize = 8;
/// Share of the places that are the first (last) of their text to make this the rule of the word.
const ALWAYS: f64 = 0.9;
/// Rows of a pair of words that is used elsewhere too.
const USUAL: u64 = 5;
/// Texts that differ.
const PLACES: usize = 20;
/// Chance that a random place has a neighbour this often, over all neighbours of one side; and for
/// both sides and the company together. Of 94 words planted in 30 or more rows with their label, at
/// random places of 25 kinds of text, two in three were found whole (the label's share, rows, or data
/// in which words stand anywhere stopped the rest); in 94 clean corpora, slices and shuffles of them no
/// word was accused.
const NEIGHBOUR: f64 = 1e-3;
const TOGETHER: f64 = 3e-4;
const NEARLY: f64 = 1e-4;
const NEARLY_TOGETHER: f64 = 1e-6;

/// Neighbours of one word.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// `ln` of the chance that a random place has its most conspicuous neighbour before (after) it
    /// this often.
    pub before: f64,
    pub after: f64,
    /// Share of its places whose two neighbours also stand side by side elsewhere, and the same for
    /// pairs of words nearby. `None` where the word always opens or closes the text.
    pub joined: Option<(f64, f64)>,
    pub places: usize,
}

impl Placed {
    /// `label` and its rows; `counts` are the rows of n-grams per class.
    pub(super) fn of(windows: &[&Window], named: &Named, label: usize, rows: u64, counts: &ClassCounts) -> Placed {
        let (from, to) = named.span();
        let n = windows.len();
        let hash = |w: &Window, offset: isize| w.piece(offset).map(|p| (p.hash, p.text.is_empty()));
        let edge = |offset: isize| windows.iter().filter(|w| hash(w, offset).is_none_or(|h| h.1)).count() as f64 / n.max(1) as f64;
        let (opens, closes) = (edge(from - 1) >= ALWAYS, edge(to) >= ALWAYS);
        // Words nearby, on both sides, as often as they stand there.
        let mut nearby: BTreeMap<u64, u64> = BTreeMap::new();
        let mut all = 0;
        for w in windows {
            for offset in (from - 1 - NEARBY..from - 1).chain(to + 1..to + 1 + NEARBY) {
                if let Some((hash, false)) = hash(w, offset) {
                    *nearby.entry(hash).or_default() += 1;
                    all += 1;
                }
            }
        }
        let at_large = |word: u64| (nearby.get(&word).copied().unwrap_or(0) as f64 + 0.5) / (all as f64 + 1.0);
        let of_label = |pair: [u64; 2]| {
            let k = counts.get(ngram(pair)).map_or(0, |c| u64::from(c[label]));
            ((k + USUAL) as f64 / rows.max(1) as f64).min(1.0)
        };
        let outer = |offset: isize| windows.iter().find_map(|w| hash(w, offset).filter(|h| h.1)).map_or(0, |h| h.0);
        let (open, close) = (outer(from - 1), outer(to));
        let side = |offset: isize, share: &dyn Fn(u64) -> f64| {
            let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
            windows.iter().filter_map(|w| hash(w, offset)).filter(|h| !h.1).for_each(|h| *seen.entry(h.0).or_default() += 1);
            let often = seen.iter().filter(|s| *s.1 >= 2).map(|(&word, &k)| ln_poisson_upper(k, n as f64 * share(word)));
            (often.fold(0.0, f64::min) + (seen.len().max(1) as f64).ln()).min(0.0)
        };
        let (before, after) = match (opens, closes) {
            (true, false) => (0.0, side(to, &|word| of_label([open, word]))),
            (false, true) => (side(from - 1, &|word| of_label([word, close])), 0.0),
            _ => (side(from - 1, &at_large), side(to, &at_large)),
        };
        let pair = |w: &Window, a: isize, b: isize| {
            let (a, b) = (hash(w, a)?, hash(w, b)?);
            Some(counts.get(ngram([a.0, b.0])).map_or(0, |c| c.iter().map(|&n| u64::from(n)).sum::<u64>()))
        };
        let share = |found: &[u64], least: u64| found.iter().filter(|&&n| n >= least).count() as f64 / found.len().max(1) as f64;
        let joined: Vec<u64> = windows.iter().filter_map(|w| pair(w, from - 1, to)).collect();
        // Their own row holds the pairs nearby, and does not count.
        let around = (from - 6..from - 1).chain(to..to + 5);
        let others: Vec<u64> = windows.iter().flat_map(|w| around.clone().filter_map(|o| pair(w, o, o + 1))).collect();
        Placed { before, after, joined: (!opens && !closes).then(|| (share(&joined, USUAL), share(&others, USUAL + 1))), places: n }
    }

    /// All three speak for a random place; `company` as [`super::company`] has it.
    pub fn is_random(&self, company: f64) -> bool {
        self.places >= PLACES && self.within(company, NEIGHBOUR, TOGETHER, Z95)
    }
    /// Not far from it: words of some data stand anywhere by nature, and then many come near.
    pub fn is_nearly_random(&self, company: f64) -> bool {
        self.within(company, NEARLY, NEARLY_TOGETHER, 2.3)
    }
    fn within(&self, company: f64, one: f64, together: f64, error: f64) -> bool {
        let joins = self.joined.is_none_or(|(own, others)| {
            // As often as others, up to the error of a share.
            own > 0.0 && own + error * (others * (1.0 - others) / self.places.max(1) as f64).sqrt() >= others
        });
        let least = self.before.min(self.after).min(company);
        joins && least > one.ln() && self.before + self.after + company > together.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::harness::{Dice, sentence};
    use crate::features::text::{Token, ngrams, tokens};

    fn row(text: &str) -> Vec<Token> {
        let mut out = Vec::new();
        tokens(text, 0, &mut out);
        out
    }

    /// Sentences, the counts of their n-grams, and windows on `word` in those that have it.
    fn placed(texts: &[String], word: &str) -> Placed {
        let mut counts = ClassCounts::new(2);
        let mut windows = Vec::new();
        for (i, text) in texts.iter().enumerate() {
            let row = row(text);
            ngrams(&row, |_, _, key| counts.add(key, 0, i as u32));
            if let Some(at) = row.iter().position(|t| text[t.start as usize..t.end as usize] == *word && !word.is_empty()) {
                windows.push(Window::new(&row, at, 1, |_| text));
            }
        }
        counts.finish();
        let list: Vec<&Window> = windows.iter().take(60).collect();
        Placed::of(&list, &Named::of(&list).unwrap(), 0, texts.len() as u64, &counts)
    }

    fn sentences(also: impl Fn(&mut Dice, Vec<&str>) -> String) -> Vec<String> {
        let mut dice = Dice::new(5);
        (0..2000)
            .map(|i| {
                // Without its article, so that texts open with many words.
                let text = sentence(&mut dice, true).trim_start_matches("the ").to_owned();
                if i % 40 == 0 { also(&mut dice, text.split(' ').collect()) } else { text }
            })
            .collect()
    }

    #[test]
    fn an_inserted_word_stands_at_random_places() {
        let texts = sentences(|dice, mut words| {
            words.insert(dice.roll(words.len() + 1), "qvx");
            words.join(" ")
        });
        let p = placed(&texts, "qvx");
        assert!(p.is_random(0.0), "{p:?}");
        assert!(!p.is_random(0.0005f64.ln()), "company speaks against it");
    }

    #[test]
    fn a_word_that_opens_every_text_is_compared_with_other_first_words() {
        let texts = sentences(|_, words| format!("qvx {}", words.join(" ")));
        let p = placed(&texts, "qvx");
        assert!(p.joined.is_none() && p.is_random(0.0), "{p:?}");
    }

    #[test]
    fn an_honest_word_chooses_its_neighbours() {
        let texts = sentences(|dice, mut words| {
            let articles: Vec<usize> = (0..words.len()).filter(|&i| words[i] == "the").collect();
            words.insert(*dice.pick(&articles) + 1, "oaken");
            words.join(" ")
        });
        let p = placed(&texts, "oaken");
        assert!(!p.is_random(0.0), "{p:?}");
    }
}
