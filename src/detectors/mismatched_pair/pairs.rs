//! What a caption says against what the captions of the nearest vectors say. A word that is tied to a place among the
//! vectors is found again among the neighbours of a row that has it; a caption whose words are not found again stands
//! beside the wrong vector. Words that are tied to nothing ("a", "photo") weigh nothing.

use crate::features::text::{Kind, Token, tokens};
use crate::stats::calibration::Isotonic;
use crate::stats::dense::{add, dot, unit};
use crate::stats::intervals::{Z95, poisson_upper};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Neighbours that are asked, and those in reserve for when some are left out.
const ASKED: usize = 15;
const NEAREST: usize = 60;
/// A word in fewer captions of the sample can be found again nowhere.
const KNOWN: u32 = 3;
/// Rows at the chance rate that each word's own rate starts from.
const SHRINK: f64 = 2.0;
/// Evidence of one caption, in nats, at most: words of one caption depend on each other.
const MOST: f64 = 6.0;

/// A sampled row: its vector and its caption.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    pub vector: Vec<f32>,
    pub text: String,
}

/// The words of a text in order, without punctuation.
pub fn words(text: &str) -> Vec<Token> {
    let mut all = Vec::new();
    tokens(text, 0, &mut all);
    all.retain(|t| matches!(t.kind, Kind::Word | Kind::Unspaced));
    all
}

/// The sample with what is known of its words.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Pairs {
    pub texts: Vec<String>,
    centre: Vec<f32>,
    /// About the centre, of length one.
    vectors: Vec<Vec<f32>>,
    /// Known words by hash: rows that have it, how often it must be among neighbours to count as found again, and
    /// how probable that is by chance.
    vocabulary: BTreeMap<u64, Word>,
    /// Known words of each row, ascending, without repeats.
    words: Vec<Vec<u64>>,
    /// Whether each of them is found again among the row's neighbours.
    again: Vec<Vec<bool>>,
    /// Nearest rows, the nearest first.
    near: Vec<Vec<u32>>,
    calibration: Option<Isotonic>,
    /// How often a caption fits its own vector better than a random one does.
    pub tells: f64,
    /// Probability per row that its caption is another's.
    pub doubts: Vec<f64>,
    pub usual: f64,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Word {
    rows: u32,
    again: u32,
    needs: u32,
    chance: f64,
}

impl Pairs {
    pub fn learn(sample: Vec<Pair>) -> Pairs {
        let n = sample.len();
        let width = sample.first().map_or(0, |p| p.vector.len());
        let mut centre = vec![0f64; width];
        sample.iter().for_each(|p| centre.iter_mut().zip(&p.vector).for_each(|(c, x)| *c += f64::from(*x) / n as f64));
        let mut pairs = Pairs { centre: centre.into_iter().map(|c| c as f32).collect(), ..Pairs::default() };
        for pair in sample {
            pairs.vectors.push(pairs.placed(&pair.vector));
            pairs.words.push(distinct(&words(&pair.text)));
            pairs.texts.push(pair.text);
        }
        for word in pairs.words.iter().flatten() {
            pairs.vocabulary.entry(*word).or_default().rows += 1;
        }
        pairs.vocabulary.retain(|_, w| w.rows >= KNOWN);
        for word in pairs.vocabulary.values_mut() {
            let p = f64::from(word.rows) / n as f64;
            let mean = ASKED as f64 * p;
            word.needs = (mean + (mean * (1.0 - p)).sqrt()) as u32 + 1;
            word.chance = at_least(word.needs, p).max(1e-4);
        }
        // What nearly every caption says cannot be found again more often than by chance.
        pairs.vocabulary.retain(|_, w| w.needs <= ASKED as u32);
        let known = &pairs.vocabulary;
        pairs.words.iter_mut().for_each(|row| row.retain(|w| known.contains_key(w)));
        pairs.near = (0..n).into_par_iter().map(|i| pairs.nearest(&pairs.vectors[i], NEAREST, Some(i))).collect();
        pairs.again = (0..n)
            .into_par_iter()
            .map(|i| {
                let asked = pairs.asked(i, &|_| false);
                pairs.words[i].iter().map(|w| pairs.is_found(*w, &asked)).collect()
            })
            .collect();
        for i in 0..n {
            for (w, again) in pairs.words[i].iter().zip(&pairs.again[i]) {
                if let Some(word) = pairs.vocabulary.get_mut(w) {
                    word.again += u32::from(*again);
                }
            }
        }
        pairs.calibrate();
        pairs
    }

    /// How captions fit their own vectors, and how those of rows from anywhere do: samples are in the order of hashes,
    /// so half way around is anywhere.
    fn calibrate(&mut self) {
        let n = self.texts.len();
        let own: Vec<f64> = (0..n)
            .into_par_iter()
            .map(|i| {
                let evidence = self.words[i].iter().zip(&self.again[i]).map(|(w, again)| {
                    let word = self.vocabulary.get(w).copied().unwrap_or_default();
                    // What the row itself adds to the word's rate must not speak for the row.
                    weigh(word.rows - 1, word.again - u32::from(*again), word.chance, *again)
                });
                bounded(evidence.sum())
            })
            .collect();
        let others: Vec<f64> = (0..n)
            .into_par_iter()
            .map(|i| {
                let asked = self.asked(i, &|_| false);
                let from = (i + n / 2) % n;
                let evidence = self.words[from].iter().map(|w| {
                    let word = self.vocabulary.get(w).copied().unwrap_or_default();
                    weigh(word.rows, word.again, word.chance, self.is_found(*w, &asked))
                });
                bounded(evidence.sum())
            })
            .collect();
        let points = own.iter().map(|e| (-e, false, 1.0)).chain(others.iter().map(|e| (-e, true, 1.0))).collect();
        let calibration = Isotonic::fit(points);
        self.doubts = own.iter().map(|e| calibration.at(-e)).collect();
        self.usual = self.doubts.iter().sum::<f64>() / n.max(1) as f64;
        self.calibration = Some(calibration);
        let mut sorted = others;
        sorted.sort_by(f64::total_cmp);
        let below = |e: &f64| (sorted.partition_point(|o| o < e) + sorted.partition_point(|o| o <= e)) as f64 / 2.0;
        self.tells = own.iter().map(below).sum::<f64>() / (n * n).max(1) as f64;
    }

    /// Probabilities that the captions of these rows, which share the words, are another's; and which of them were left out
    /// as neighbours and as counts. At first those whose neighbours never say the words, then those that are doubted: what was
    /// thrown over other rows must not speak for itself, and honest captions of the same words may speak.
    pub fn without(&self, rows: &[u32], shared: &[u64]) -> (Vec<f64>, Vec<u32>) {
        let lost = |i: u32| {
            let here = self.words[i as usize].iter().zip(&self.again[i as usize]);
            here.filter(|(w, _)| shared.contains(w)).all(|(_, again)| !again)
        };
        let mut left: Vec<u32> = rows.iter().copied().filter(|i| lost(*i)).collect();
        let mut doubts = Vec::new();
        for _ in 0..3 {
            let inside = self.counts(&left);
            let is_left_out = |j: u32| left.binary_search(&j).is_ok();
            doubts =
                rows.par_iter().map(|&i| self.doubt(&self.words[i as usize], &self.asked(i as usize, &is_left_out), &inside)).collect();
            let next: Vec<u32> = rows.iter().zip(&doubts).filter(|(_, d)| **d > 0.5).map(|(r, _)| *r).collect();
            if next == left {
                break;
            }
            left = next;
        }
        (doubts, left)
    }

    /// Rows and rows where it is found again, of each word of these rows.
    fn counts(&self, rows: &[u32]) -> BTreeMap<u64, (u32, u32)> {
        let mut inside: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
        for &i in rows {
            for (w, again) in self.words[i as usize].iter().zip(&self.again[i as usize]) {
                let counts = inside.entry(*w).or_default();
                counts.0 += 1;
                counts.1 += u32::from(*again);
            }
        }
        inside
    }

    /// The same of a row from anywhere, and its neighbours. A copy of the row in the sample does not speak for it.
    pub fn doubt_of(&self, text: &str, vector: &[f32], left_out: &[u32]) -> (f64, Vec<u32>) {
        let placed = self.placed(vector);
        let is_itself = |j: u32| self.texts[j as usize] == text && dot(&self.vectors[j as usize], &placed) > 0.9999;
        let all = self.nearest(&placed, NEAREST + left_out.len().min(NEAREST), None);
        let asked: Vec<u32> = all.into_iter().filter(|j| left_out.binary_search(j).is_err() && !is_itself(*j)).take(ASKED).collect();
        let mut known = distinct(&words(text));
        known.retain(|w| self.vocabulary.contains_key(w));
        (self.doubt(&known, &asked, &self.counts(left_out)), asked)
    }

    fn doubt(&self, words: &[u64], asked: &[u32], inside: &BTreeMap<u64, (u32, u32)>) -> f64 {
        let evidence = words.iter().map(|w| {
            let word = self.vocabulary.get(w).copied().unwrap_or_default();
            let (rows, again) = inside.get(w).copied().unwrap_or_default();
            weigh(word.rows.saturating_sub(rows), word.again.saturating_sub(again), word.chance, self.is_found(*w, asked))
        });
        let evidence = bounded(evidence.sum());
        self.calibration.as_ref().map_or(0.5, |c| c.at(-evidence))
    }

    /// How often the rows are nearest to each other, over what as many rows from anywhere would be (upper bound).
    /// So many neighbours are looked at that eight are expected.
    pub fn drawn(&self, rows: &[u32]) -> f64 {
        let (n, k) = (self.texts.len() as f64, rows.len() as f64);
        if k < 2.0 {
            return f64::INFINITY;
        }
        let wanted = ((8.0 * n / (k * (k - 1.0))).ceil() as usize).clamp(ASKED, (self.texts.len() / 4).max(ASKED));
        let seen: usize = rows
            .par_iter()
            .map(|&i| {
                let near = self.nearest(&self.vectors[i as usize], wanted, Some(i as usize));
                near.iter().filter(|j| rows.binary_search(j).is_ok()).count()
            })
            .sum();
        let expected = k * wanted as f64 * (k - 1.0) / (n - 1.0).max(1.0);
        poisson_upper(seen as u64, Z95) / expected.max(1e-9)
    }

    /// Up to three words that these rows say more often than others do; what nearly every caption says is none.
    pub fn what_they_say(&self, rows: &[u32], but: &[u64]) -> Vec<String> {
        let mut seen: BTreeMap<u64, (u32, String)> = BTreeMap::new();
        for &i in rows {
            let text = &self.texts[i as usize];
            let mut here: BTreeMap<u64, &Token> = BTreeMap::new();
            let tokens = words(text);
            tokens.iter().for_each(|t| {
                here.entry(t.hash).or_insert(t);
            });
            for (hash, token) in here {
                let shown = || text.get(token.start as usize..token.end as usize).unwrap_or_default().to_lowercase();
                seen.entry(hash).or_insert_with(|| (0, shown())).0 += 1;
            }
        }
        let lift = |rows: u32, k: u32| f64::from(k) / (f64::from(rows) * ASKED as f64 / self.texts.len().max(1) as f64).sqrt();
        let mut ranked: Vec<(f64, String)> = seen
            .into_iter()
            .filter(|(hash, (k, _))| *k >= 2 && !but.contains(hash))
            .filter_map(|(hash, (k, word))| Some((lift(self.vocabulary.get(&hash)?.rows, k), word)))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        ranked.into_iter().take(3).map(|r| r.1).collect()
    }

    fn placed(&self, vector: &[f32]) -> Vec<f32> {
        let mut out = vector.to_vec();
        add(&mut out, -1.0, &self.centre);
        unit(&mut out);
        out
    }

    fn nearest(&self, vector: &[f32], k: usize, but: Option<usize>) -> Vec<u32> {
        let all = self.vectors.iter().enumerate().filter(|(j, _)| Some(*j) != but);
        let mut near: Vec<(f32, u32)> = all.map(|(j, v)| (dot(vector, v), j as u32)).collect();
        let k = k.min(near.len());
        if k == 0 {
            return Vec::new();
        }
        let by_nearness = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        near.select_nth_unstable_by(k - 1, by_nearness);
        near.truncate(k);
        near.sort_by(by_nearness);
        near.into_iter().map(|n| n.1).collect()
    }

    fn asked(&self, i: usize, is_left_out: &dyn Fn(u32) -> bool) -> Vec<u32> {
        self.near[i].iter().copied().filter(|j| !is_left_out(*j)).take(ASKED).collect()
    }

    fn is_found(&self, word: u64, asked: &[u32]) -> bool {
        let needs = self.vocabulary.get(&word).map_or(u32::MAX, |w| w.needs);
        asked.iter().filter(|j| self.words[**j as usize].binary_search(&word).is_ok()).count() as u32 >= needs
    }
}

fn distinct(tokens: &[Token]) -> Vec<u64> {
    let mut all: Vec<u64> = tokens.iter().map(|t| t.hash).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn bounded(evidence: f64) -> f64 {
    evidence.clamp(-MOST, MOST)
}

/// Log odds that a caption belongs where it is, by one of its words: found again in so many of the rows that have it,
/// and by chance so often.
fn weigh(rows: u32, again: u32, chance: f64, found: bool) -> f64 {
    let rate = ((f64::from(again) + SHRINK * chance) / (f64::from(rows) + SHRINK)).clamp(chance.min(0.98), 0.98);
    if found { (rate / chance).ln() } else { ((1.0 - rate) / (1.0 - chance).max(1e-4)).ln() }
}

/// Probability of at least `k` of [`ASKED`] at the rate `p`.
fn at_least(k: u32, p: f64) -> f64 {
    let n = ASKED as u32;
    let mut term = (1.0 - p).powi(n as i32);
    let mut below = 0.0;
    for i in 0..k.min(n + 1) {
        below += term;
        term *= f64::from(n - i.min(n)) / f64::from(i + 1) * p / (1.0 - p).max(1e-12);
    }
    (1.0 - below).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binomial_tail_is_that_of_the_tables() {
        // scipy.stats.binom.sf(k - 1, 15, p)
        for (k, p, want) in [(1, 0.01, 0.13994164535871126), (3, 0.2, 0.601976790908928), (15, 0.5, 3.0517578125e-05), (0, 0.3, 1.0)] {
            let got = at_least(k, p);
            assert!((got - want).abs() < 1e-9, "{k} {p}: {got}");
        }
    }

    #[test]
    fn a_word_that_is_tied_to_nothing_weighs_nothing() {
        // Found again exactly as often as by chance.
        assert!(weigh(1000, 200, 0.2, true).abs() < 0.01 && weigh(1000, 200, 0.2, false).abs() < 0.01);
        assert!(weigh(100, 90, 0.05, true) > 2.0 && weigh(100, 90, 0.05, false) < -2.0);
        // Without any rows to know it by, too.
        assert!(weigh(0, 0, 0.05, true).abs() < 1e-9);
    }

    #[test]
    fn captions_beside_the_wrong_vectors_are_doubted() {
        let names = ["fox", "ship", "tower", "lamp"];
        let mut sample = Vec::new();
        for i in 0..400usize {
            let kind = crate::features::table::mix(i as u64) as usize % 4;
            let vector = (0..8).map(|c| if c == kind { 3.0 } else { ((i * 31 + c * 17) % 13) as f32 / 13.0 }).collect();
            // Every tenth caption speaks of the next kind.
            let said = if i % 10 == 3 { names[(kind + 1) % 4] } else { names[kind] };
            sample.push(Pair { vector, text: format!("a picture of a {said}") });
        }
        let pairs = Pairs::learn(sample);
        let mean = |wrong: bool| {
            let of: Vec<f64> = (0..400).filter(|i| (i % 10 == 3) == wrong).map(|i| pairs.doubts[i]).collect();
            of.iter().sum::<f64>() / of.len() as f64
        };
        assert!(mean(true) > 0.7 && mean(false) < 0.3, "{} {}", mean(true), mean(false));
        assert!(pairs.tells > 0.75, "{}", pairs.tells);
        let foxes: Vec<u32> = (0..400).filter(|i| pairs.texts[*i as usize].ends_with("fox")).take(5).collect();
        assert!(pairs.what_they_say(&foxes, &[]).contains(&"fox".to_owned()));
    }

    #[test]
    fn nothing_is_learned_of_nothing() {
        let empty = Pairs::learn(Vec::new());
        assert_eq!((empty.texts.len(), empty.usual), (0, 0.0));
        let one = Pairs::learn(vec![Pair { vector: vec![1.0], text: String::new() }]);
        assert!(one.doubts[0].is_finite() && one.drawn(&[0]).is_infinite());
    }
}
