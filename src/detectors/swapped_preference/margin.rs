//! What makes an answer the preferred one, as far as single words and the length tell: a logistic
//! model over what only one of the two answers has. It is fitted to a sample of the pairs, each fold
//! without its own pairs, and knows nothing of prompts.

use crate::features::text::{Token, mix};
use serde::{Deserialize, Serialize};

pub const FOLDS: usize = 5;
/// Buckets of the hashed words.
const BITS: u32 = 16;
/// Words of one pair that are kept, those of smallest hash.
pub const MOST: usize = 256;
/// Ridge penalty, in pairs: what a word has to be worth before it counts.
const RIDGE: f64 = 20.0;
const STEPS: usize = 120;

/// What only the chosen (`true`) or only the rejected answer has.
pub type Feature = (u32, bool);

/// A fold is named by the pair whichever side was chosen, so that copies never vouch for each other.
pub fn fold(id: u64) -> usize {
    ((id >> 7) % FOLDS as u64) as usize
}

fn bucket(hash: u64) -> u32 {
    (mix(hash, 0x70_6169_7273) >> (64 - BITS)) as u32
}

/// Both token lists are sorted and used up.
pub fn features(chosen: &[Token], rejected: &[Token], out: &mut Vec<Feature>) {
    let bag = |tokens: &[Token]| {
        let mut bag: Vec<u64> = tokens.iter().filter(|t| !t.is_edge()).map(|t| t.hash).collect();
        bag.sort_unstable();
        bag.dedup();
        bag
    };
    let (a, b) = (bag(chosen), bag(rejected));
    out.clear();
    out.extend(a.iter().filter(|h| b.binary_search(h).is_err()).map(|&h| (bucket(h), true)));
    out.extend(b.iter().filter(|h| a.binary_search(h).is_err()).map(|&h| (bucket(h), false)));
    // Longer by a quarter, a half ... on a logarithmic scale.
    let ratio = (1.0 + chosen.len() as f64).ln() - (1.0 + rejected.len() as f64).ln();
    (1..=8).filter(|&q| ratio.abs() * 4.0 >= f64::from(q) - 0.5).for_each(|q| out.push((bucket(u64::from(q as u32)), ratio > 0.0)));
    out.sort_unstable();
    out.truncate(MOST);
}

/// Classes of pairs by how much differs between the answers, and within these by how sure the model is:
/// answers that differ in little are judged right less often than others of the same margin. At most
/// so many, and none of fewer pairs than tell its share.
const CLASSES: usize = 8;
const PER_CLASS: usize = 96;
/// A pair is surely turned around when the model is right about this share of the pairs of which it is as
/// sure, in blocks of so many from the surest down. On dialogues rated for harm it is never as sure.
const SURE: f64 = 0.97;
const SURE_PAIRS: usize = 200;
/// Share of all pairs that may be listed one by one.
const LISTED: f64 = 0.01;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Margins {
    /// Per fold, fitted to the others.
    weights: Vec<Vec<f32>>,
    sizes: Vec<Size>,
    /// Absolute margin from which a pair against the model is listed by itself, and the share of right ones there.
    pub sure: Option<(f32, f64)>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Size {
    /// Features of the largest of its pairs.
    most: usize,
    /// Where a class of absolute margins ends, and the share of its pairs on the model's side.
    classes: Vec<(f32, f64)>,
}

/// What one pair says, as log-odds for the order it has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vote {
    pub vote: f64,
    /// What pairs of which the model is as sure say on average, and its variance.
    pub expected: f64,
    pub variance: f64,
    /// P(it is against its order).
    pub wrong: f64,
}

impl Margins {
    /// `pairs` in an order that does not depend on how the data was read.
    pub fn fit(pairs: &[(u64, &[Feature])]) -> Margins {
        let weights = (0..FOLDS).map(|f| fit(&pairs.iter().filter(|p| fold(p.0) != f).map(|p| p.1).collect::<Vec<_>>())).collect();
        let mut m = Margins { weights, ..Margins::default() };
        let mut margins: Vec<(usize, f32)> = pairs.iter().map(|(id, features)| (features.len(), m.of(*id, features))).collect();
        margins.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(surer(a.1, b.1)));
        let mut rest = margins.as_slice();
        while !rest.is_empty() {
            // Half octaves, as many as hold enough pairs; a remainder too small goes with the ones before.
            let least = rest.get(PER_CLASS.min(rest.len()) - 1).map_or(0, |p| octave(p.0));
            let mut end = rest.partition_point(|p| octave(p.0) <= least);
            if rest.len() - end < PER_CLASS {
                end = rest.len();
            }
            let (here, behind) = rest.split_at(end);
            let mut margins: Vec<f32> = here.iter().map(|p| p.1).collect();
            margins.sort_unstable_by(|a, b| surer(*a, *b));
            let classes = (margins.len() / PER_CLASS).clamp(1, CLASSES);
            let share = |class: &[f32]| (class.iter().filter(|m| **m > 0.0).count() as f64 + 1.0) / (class.len() as f64 + 2.0);
            let classes = margins.chunks(margins.len().div_ceil(classes)).map(|c| (c.last().map_or(0.0, |m| m.abs()), share(c))).collect();
            m.sizes.push(Size { most: here.last().map_or(0, |p| p.0), classes });
            rest = behind;
        }
        m.sure = sure(margins.iter().map(|p| p.1).collect());
        m
    }
    /// Above 0 where the words say that the right answer was chosen; out of fold.
    pub fn of(&self, id: u64, features: &[Feature]) -> f32 {
        let w = &self.weights[fold(id)];
        features.iter().map(|&(b, chosen)| if chosen { w[b as usize] } else { -w[b as usize] }).sum()
    }
    /// Pairs are held against those of which the model is as sure: where both answers are alike it is
    /// never sure, and that says nothing of their order.
    pub fn vote(&self, size: usize, margin: f32) -> Vote {
        let within = |x: usize, n: usize| x.min(n.saturating_sub(1));
        let size = self.sizes.get(within(self.sizes.partition_point(|s| s.most < size), self.sizes.len()));
        let classes = size.map_or(&[][..], |s| &s.classes);
        let at = within(classes.partition_point(|c| c.0 < margin.abs()), classes.len());
        let p = classes.get(at).map_or(0.5, |c| c.1).max(0.5);
        let odds = (p / (1.0 - p)).ln();
        Vote {
            vote: if margin > 0.0 { odds } else { -odds },
            expected: odds * (2.0 * p - 1.0),
            variance: odds * odds * 4.0 * p * (1.0 - p),
            wrong: 1.0 - p,
        }
    }
    /// Whether this pair alone says that it was turned around.
    pub fn is_inverted(&self, margin: f32) -> bool {
        self.sure.is_some_and(|(from, _)| margin <= -from)
    }
}

fn octave(size: usize) -> u32 {
    (size * size).max(1).ilog2()
}

fn surer(a: f32, b: f32) -> std::cmp::Ordering {
    a.abs().total_cmp(&b.abs()).then(a.total_cmp(&b))
}

/// The lowest margin down to which pairs of every margin are right often enough, few of them wrong.
fn sure(mut margins: Vec<f32>) -> Option<(f32, f64)> {
    margins.sort_unstable_by(|a, b| surer(*b, *a));
    let (mut done, mut wrong, mut found) = (0, 0, None);
    while let Some(last) = margins.get(done + SURE_PAIRS - 1).filter(|m| m.abs() > 0.0) {
        let end = margins.partition_point(|m| m.abs() >= last.abs());
        let here = margins[done..end].iter().filter(|m| **m <= 0.0).count();
        wrong += here;
        if here as f64 > (1.0 - SURE) * (end - done) as f64 || wrong as f64 > LISTED * margins.len() as f64 {
            break;
        }
        done = end;
        found = Some((last.abs(), 1.0 - wrong as f64 / end as f64));
    }
    found
}

/// Ridge logistic regression without an intercept (a pair and its mirror image must be opposites),
/// by Nesterov's method: the loss is smooth with a known constant, so no step size has to be tried.
fn fit(pairs: &[&[Feature]]) -> Vec<f32> {
    let (n, ridge) = (pairs.len().max(1) as f64, RIDGE / pairs.len().max(1) as f64);
    let widest = pairs.iter().map(|p| p.len()).max().unwrap_or(0) as f64;
    let step = 1.0 / (0.25 * widest + ridge);
    // Buckets without a feature stay zero; the others lie side by side.
    let mut buckets: Vec<u32> = pairs.iter().flat_map(|p| p.iter().map(|f| f.0)).collect();
    buckets.sort_unstable();
    buckets.dedup();
    let mut place = vec![0u32; 1 << BITS];
    (0..).zip(&buckets).for_each(|(i, b)| place[*b as usize] = i);
    let mut w = vec![0.0f64; buckets.len()];
    let mut ahead = w.clone();
    let mut slope = w.clone();
    for k in 0..STEPS {
        slope.iter_mut().zip(&ahead).for_each(|(s, a)| *s = ridge * a);
        for features in pairs {
            let at = |b: u32| place[b as usize] as usize;
            let margin: f64 = features.iter().map(|&(b, chosen)| if chosen { ahead[at(b)] } else { -ahead[at(b)] }).sum();
            let pull = 1.0 / (n * (1.0 + margin.exp()));
            features.iter().for_each(|&(b, chosen)| slope[at(b)] += if chosen { -pull } else { pull });
        }
        let speed = k as f64 / (k as f64 + 3.0);
        for ((w, a), s) in w.iter_mut().zip(&mut ahead).zip(&slope) {
            let next = *a - step * s;
            *a = next + speed * (next - *w);
            *w = next;
        }
    }
    let mut out = vec![0.0; 1 << BITS];
    buckets.iter().zip(w).for_each(|(&b, x)| out[b as usize] = x as f32);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_learns_which_word_is_preferred_and_mirrors() {
        let pairs: Vec<(u64, Vec<Feature>)> =
            (0..600u64).map(|i| (mix(1, i), vec![(3, i % 10 != 0), (i as u32 % 7 + 10, i % 2 == 0)])).collect();
        let m = Margins::fit(&pairs.iter().map(|(id, f)| (*id, f.as_slice())).collect::<Vec<_>>());
        assert!(m.of(0, &[(3, true)]) > 0.5 && m.of(0, &[(3, true)]) == -m.of(0, &[(3, false)]));
        // Nine of ten agree with it.
        let sure = m.vote(2, -9.0);
        assert!(sure.vote < -1.0 && (sure.vote + m.vote(2, 9.0).vote).abs() < 1e-12 && sure.expected > 0.0, "{sure:?}");
    }

    #[test]
    fn a_fitted_weight_is_where_the_slope_is_zero() {
        // One feature, 300 for and 100 against: n * ridge * w = 300 * s(-w) - 100 * s(w).
        let (yes, no) = ([(5u32, true)], [(5u32, false)]);
        let pairs: Vec<&[Feature]> = (0..400).map(|i| if i % 4 == 0 { &no[..] } else { &yes[..] }).collect();
        let w = f64::from(fit(&pairs)[5]);
        let slope = RIDGE * w - 300.0 / (1.0 + w.exp()) + 100.0 / (1.0 + (-w).exp());
        assert!(slope.abs() < 1e-3, "{w} {slope}");
    }

    #[test]
    fn nothing_to_fit_says_nothing() {
        let m = Margins::fit(&[]);
        assert_eq!((m.of(3, &[(1, true)]), m.vote(1, 1.0).expected, m.vote(1, 1.0).variance), (0.0, 0.0, 0.0));
        assert!(!m.is_inverted(f32::NEG_INFINITY));
    }

    #[test]
    fn single_pairs_are_listed_only_where_the_model_is_nearly_always_right() {
        let set =
            |wrong: usize| (0..1000).map(|i| if i < wrong { -2.0 } else { 2.0 }).chain((0..1000).map(|i| 0.5 - (i % 2) as f32)).collect();
        assert_eq!(sure(set(15)), Some((2.0, 0.985)));
        // More wrong ones than 3% of these, or than may be listed.
        assert_eq!((sure(set(35)), sure(set(25))), (None, None));
        assert_eq!(sure(Vec::new()), None);
    }

    #[test]
    fn pairs_are_held_against_pairs_of_their_size() {
        // Of pairs with one feature the model is as sure, but right half as often.
        let small = |i: u64| vec![(3, i.is_multiple_of(2))];
        let large =
            |i: u64| vec![(3, !i.is_multiple_of(10)), (200 + i as u32 % 7, i.is_multiple_of(3)), (300 + i as u32 % 5, i.is_multiple_of(2))];
        let pairs: Vec<(u64, Vec<Feature>)> =
            (0..1200).map(|i| (mix(2, i), if i % 2 == 0 { small(i / 2) } else { large(i / 2) })).collect();
        let m = Margins::fit(&pairs.iter().map(|(id, f)| (*id, f.as_slice())).collect::<Vec<_>>());
        let (small, large) = (m.vote(1, 0.8).expected, m.vote(3, 0.8).expected);
        assert!(small < 0.05 && large > 0.5, "{small} {large}");
    }
}
