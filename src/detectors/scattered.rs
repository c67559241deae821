//! Triggers that no n-gram holds: two words that act together wherever they stand, and letters in
//! the middle of words. There are too many of either to count in all rows. Poisoned rows are rows
//! whose content argues against their label, so a sample of such rows nominates what they share more
//! often than chance; what is nominated is then looked up, and tested, in all rows.

use super::contradiction::{Accepted, Candidate, Gates, Member};
use super::frequent::{HashedMap, Sketch};
use super::postings::{Place, Postings};
use crate::batch::Text;
use crate::features::text::{Kind, Token, mix};
use crate::stats::tails::{ln_binomial_upper, ln_poisson_upper};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// P(label | content) below which a row is odd.
pub const ODD: f64 = 0.5;
/// Odd rows kept over all classes, and words of each.
const ROWS: usize = 1 << 15;
const WORDS: usize = 64;
/// Groups of letters kept of an odd row.
const LETTERS: usize = 256;
/// Rows that must share a thing, and how many things of one class are looked up.
const LEAST: u32 = 8;
const NOMINEES: usize = 256;
/// `ln` of the chance, over all that was counted, from which a thing is worth a look.
const CHANCE: f64 = -6.9;
/// Words of one row come from one text, which makes any two of them come together more often than
/// independent ones: this many times.
const TOGETHER: f64 = 2.0;
/// A word of more of the rows says nothing of a trigger.
const COMMON: f64 = 0.05;
/// Letters are looked at in words of at least this many, which are rarer than one in so many rows.
const WORD: usize = 5;
const RARE: u64 = 50_000;
/// Cells of the table that finds pairs worth counting.
const CELLS: usize = 1 << 22;

/// What several rows may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Shared {
    /// Hashes of two words, the smaller first.
    Pair(u64, u64),
    /// Hash of three to five letters inside rare words, and how many there are.
    Letters(u64, u8),
}

/// `ln` of a chance, and of what.
type Ranked = Vec<(f64, Shared)>;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Nominee {
    pub shared: Shared,
    pub class: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OddRow {
    words: Box<[u64]>,
    letters: Box<[(u64, u8)]>,
}

/// A sample of the odd rows of each class: those with the smallest keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Odd {
    classes: Vec<BTreeMap<u64, OddRow>>,
}

impl Odd {
    pub fn new(classes: usize) -> Self {
        Odd { classes: vec![BTreeMap::new(); classes] }
    }
    fn most(&self) -> usize {
        ROWS / self.classes.len().max(1)
    }
    pub fn wants(&self, class: usize, key: u64) -> bool {
        let kept = &self.classes[class];
        kept.len() < self.most() || kept.last_key_value().is_some_and(|(&last, _)| key < last)
    }
    /// A row whose content argues against its label.
    pub fn offer<'t>(&mut self, class: usize, key: u64, row: &[Token], seen: &Rarity<'_>, text: impl Fn(u16) -> Option<&'t str>) {
        if !self.wants(class, key) {
            return;
        }
        let mut words = Vec::new();
        seen.ordinary(row, &mut words);
        words.truncate(WORDS);
        let mut letters = Vec::new();
        seen.letters(row, text, |hash, n, _, _, _| letters.push((hash, n)));
        letters.sort_unstable();
        letters.dedup();
        letters.truncate(LETTERS);
        self.classes[class].insert(key, OddRow { words: words.into(), letters: letters.into() });
        if self.classes[class].len() > self.most() {
            self.classes[class].pop_last();
        }
    }
    pub fn merge(&mut self, other: Self) {
        let most = self.most();
        for (mine, other) in self.classes.iter_mut().zip(other.classes) {
            mine.extend(other);
            while mine.len() > most {
                mine.pop_last();
            }
        }
    }

    /// What the odd rows of each class share, and how many things were compared.
    pub fn nominate(&self, seen: &Rarity<'_>) -> (Vec<Nominee>, u64) {
        let (mut out, mut tested) = (Vec::new(), 0);
        for class in 0..self.classes.len() {
            let (among_odd, among_all, n) = self.pairs(class, seen);
            let (letters, m) = self.letters(class);
            tested += n + m;
            let mut chosen = BTreeSet::new();
            for mut found in [among_odd, among_all, letters] {
                found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                found.truncate(NOMINEES);
                chosen.extend(found.into_iter().map(|(_, shared)| shared));
            }
            out.extend(chosen.into_iter().map(|shared| Nominee { shared, class: class as u32 }));
        }
        (out, tested)
    }

    /// Pairs that come together more often than their words among odd rows explain, and more often than
    /// their words among all rows do: where many odd rows are poisoned, the first expects too much.
    fn pairs(&self, class: usize, seen: &Rarity<'_>) -> (Ranked, Ranked, u64) {
        let rows = &self.classes[class];
        let mut words: HashedMap<u32> = HashedMap::default();
        rows.values().flat_map(|r| r.words.iter()).for_each(|&w| *words.entry(w).or_default() += 1);
        words.retain(|_, n| *n >= LEAST);
        let mut kept: Vec<u64> = Vec::new();
        let mut each = |f: &mut dyn FnMut(u64, u64)| {
            for row in rows.values() {
                kept.clear();
                kept.extend(row.words.iter().filter(|w| words.contains_key(*w)));
                for (i, &a) in kept.iter().enumerate() {
                    kept[i + 1..].iter().for_each(|&b| f(a, b));
                }
            }
        };
        let cell = |a: u64, b: u64| (mix(a, b) >> 20) as usize & (CELLS - 1);
        let mut sketch = vec![0u16; CELLS];
        each(&mut |a, b| {
            let cell = &mut sketch[cell(a, b)];
            *cell = cell.saturating_add(1);
        });
        let tested = sketch.iter().filter(|&&n| n > 0).count() as u64;
        let mut counts: BTreeMap<(u64, u64), u32> = BTreeMap::new();
        each(&mut |a, b| {
            if u32::from(sketch[cell(a, b)]) >= LEAST {
                *counts.entry((a, b)).or_default() += 1;
            }
        });
        let chance = |a: f64, b: f64, of: f64, n: u32| {
            let expected = TOGETHER * a * b / of * (rows.len() as f64 / of);
            ln_poisson_upper(u64::from(n), expected) + (tested as f64).ln()
        };
        let (mut among_odd, mut among_all) = (Vec::new(), Vec::new());
        for ((a, b), n) in counts.into_iter().filter(|(_, n)| *n >= LEAST) {
            let of_odd = chance(f64::from(words[&a]), f64::from(words[&b]), rows.len() as f64, n);
            let of_all = chance(f64::from(seen.sketch.at_most(a)), f64::from(seen.sketch.at_most(b)), seen.rows, n);
            for (chance, list) in [(of_odd, &mut among_odd), (of_all, &mut among_all)] {
                if chance <= CHANCE {
                    list.push((chance, Shared::Pair(a, b)));
                }
            }
        }
        (among_odd, among_all, tested)
    }

    fn letters(&self, class: usize) -> (Ranked, u64) {
        let mut counts: BTreeMap<(u64, u8), (u32, u32)> = BTreeMap::new();
        self.classes[class].values().flat_map(|r| r.letters.iter()).for_each(|&l| counts.entry(l).or_default().0 += 1);
        counts.retain(|_, n| n.0 >= LEAST);
        let others = self.classes.iter().enumerate().filter(|(c, _)| *c != class).flat_map(|(_, rows)| rows.values());
        for row in others.clone() {
            for letters in &row.letters {
                if let Some(n) = counts.get_mut(letters) {
                    n.1 += 1;
                }
            }
        }
        let own = self.classes[class].len() as f64;
        let share = own / (own + others.count() as f64).max(1.0);
        let tested = counts.len() as u64;
        let chance = |(k, other): (u32, u32)| {
            let n = u64::from(k) + u64::from(other);
            ln_binomial_upper(u64::from(k), n, share.clamp(0.01, 0.9))
        };
        let found = counts.into_iter().map(|((hash, n), k)| (chance(k), Shared::Letters(hash, n)));
        // Few rows of other labels may be odd at all: the best are looked up, whatever the chance.
        (found.filter(|f| f.0 < 0.0).collect(), tested)
    }
}

/// Which words are ordinary, and which are rare enough to look inside.
pub struct Rarity<'a> {
    sketch: &'a Sketch,
    rows: f64,
    common: u32,
    rare: u32,
}

impl<'a> Rarity<'a> {
    pub fn new(sketch: &'a Sketch, rows: u64) -> Self {
        let common = (rows as f64 * COMMON).clamp(f64::from(LEAST), f64::from(u16::MAX)) as u32;
        Rarity { sketch, rows: rows.max(1) as f64, common, rare: (rows / RARE).clamp(3, u64::from(u16::MAX) - 1) as u32 }
    }
    /// Distinct words that are neither rare nor everywhere, by ascending hash.
    pub fn ordinary(&self, row: &[Token], out: &mut Vec<u64>) {
        out.clear();
        let is_word = |t: &&Token| matches!(t.kind, Kind::Word | Kind::Unspaced);
        let fits = |t: &&Token| (LEAST..self.common).contains(&self.sketch.at_most(t.hash));
        out.extend(row.iter().filter(is_word).filter(fits).map(|t| t.hash));
        out.sort_unstable();
        out.dedup();
    }
    /// Calls `f(hash, letters, column, start, end)` for the groups of letters inside rare words.
    pub fn letters<'t>(&self, row: &[Token], text: impl Fn(u16) -> Option<&'t str>, mut f: impl FnMut(u64, u8, u16, u32, u32)) {
        let mut characters: Vec<(u32, char)> = Vec::new();
        let mut bytes = [0u8; 64];
        for t in row.iter().filter(|t| t.kind == Kind::Word && self.sketch.at_most(t.hash) <= self.rare) {
            let Some(word) = text(t.column).and_then(|text| text.get(t.start as usize..t.end as usize)) else { continue };
            characters.clear();
            characters.extend(word.char_indices().take(48).map(|(i, c)| (t.start + i as u32, c)));
            if characters.len() < WORD {
                continue;
            }
            let end = |i: usize| characters.get(i).map_or(t.start + word.len() as u32, |c| c.0);
            for n in 3..=5usize {
                for (at, letters) in characters.windows(n).enumerate() {
                    if !letters.iter().all(|c| c.1.is_alphabetic()) {
                        continue;
                    }
                    let mut len = 0;
                    for c in letters.iter().filter_map(|c| c.1.to_lowercase().next()) {
                        len += c.encode_utf8(&mut bytes[len..]).len();
                    }
                    f(xxh3_64_with_seed(&bytes[..len], n as u64), n as u8, t.column, letters[0].0, end(at + n));
                }
            }
        }
    }
}

/// Looks nominees up in rows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Lookup {
    /// By the first word: the second, and which nominee.
    pairs: HashedMap<Vec<(u64, u32)>>,
    letters: HashedMap<Vec<u32>>,
}

/// A nominee in a row: where it stands (of a pair its first word), and how far its parts are apart in
/// tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sighting {
    pub nominee: u32,
    pub column: u16,
    pub start: u32,
    pub end: u32,
    /// Span of the second word.
    pub other: Option<(u16, u32, u32)>,
    pub distance: i32,
}

impl Lookup {
    pub fn new(shared: impl Iterator<Item = Shared>) -> Self {
        let mut out = Lookup::default();
        for (i, shared) in (0u32..).zip(shared) {
            match shared {
                Shared::Pair(a, b) => out.pairs.entry(a).or_default().push((b, i)),
                Shared::Letters(hash, _) => out.letters.entry(hash).or_default().push(i),
            }
        }
        out
    }
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.letters.is_empty()
    }
    /// The nominees of a row, each once, by ascending number.
    pub fn find<'t>(&self, row: &[Token], seen: &Rarity<'_>, text: impl Fn(u16) -> Option<&'t str>, out: &mut Vec<Sighting>) {
        out.clear();
        if !self.pairs.is_empty() {
            for (i, a) in row.iter().enumerate() {
                let Some(partners) = self.pairs.get(&a.hash) else { continue };
                for &(b, nominee) in partners {
                    if out.iter().any(|s| s.nominee == nominee) {
                        continue;
                    }
                    let Some((j, b)) = row.iter().enumerate().find(|(_, t)| t.hash == b) else { continue };
                    let other = Some((b.column, b.start, b.end));
                    out.push(Sighting { nominee, column: a.column, start: a.start, end: a.end, other, distance: j as i32 - i as i32 });
                }
            }
        }
        if !self.letters.is_empty() {
            seen.letters(row, text, |hash, _, column, start, end| {
                for &nominee in self.letters.get(&hash).into_iter().flatten() {
                    if !out.iter().any(|s| s.nominee == nominee) {
                        out.push(Sighting { nominee, column, start, end, other: None, distance: 0 });
                    }
                }
            });
        }
        out.sort_unstable_by_key(|s| s.nominee);
    }
}

/// What all rows say of the nominees.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Rows, and those of them with the label.
    pub counts: Vec<(u64, u64)>,
    /// Sampled rows; numbers past the nominees are suspects of other kinds.
    pub postings: Postings,
    /// The parts as written in the row with the smallest key.
    pub names: Vec<Option<(u64, String)>>,
}

impl Tally {
    pub fn new(nominees: usize, suspects: usize) -> Self {
        Tally { counts: vec![(0, 0); nominees], postings: Postings::new(nominees + suspects), names: vec![None; nominees] }
    }
    pub fn merge(&mut self, other: Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(a, b)| *a = (a.0 + b.0, a.1 + b.1));
        self.postings.merge(other.postings);
        for (mine, other) in self.names.iter_mut().zip(other.names) {
            if let Some(other) = other {
                match mine {
                    Some(mine) if *mine <= other => {}
                    _ => *mine = Some(other),
                }
            }
        }
    }
    /// Counts one row's sightings.
    pub fn count(&mut self, sightings: &[Sighting], nominees: &[Nominee], class: u32, key: u64, texts: &[Text<'_>], i: usize) {
        for s in sightings {
            let n = s.nominee as usize;
            let own = nominees[n].class == class;
            self.counts[n].0 += 1;
            self.counts[n].1 += u64::from(own);
            if own && self.names[n].as_ref().is_none_or(|(known, _)| key < *known) {
                let part = |column: u16, from: u32, to: u32| {
                    let text = texts[usize::from(column)].get(i).and_then(|t| t.get(from as usize..to as usize));
                    text.unwrap_or_default().to_lowercase()
                };
                let first = part(s.column, s.start, s.end);
                let name = match s.other {
                    // In the order of the alphabet: they may stand in any.
                    Some((column, from, to)) => {
                        let mut both = [first, part(column, from, to)];
                        both.sort();
                        both.join(" … ")
                    }
                    None => format!("…{first}…"),
                };
                self.names[n] = Some((key, name));
            }
        }
    }
}

pub fn places(sightings: &[Sighting]) -> impl Iterator<Item = Place> {
    sightings.iter().map(|s| Place { candidate: s.nominee, before: s.distance as u32, after: 0, len: 1 })
}

/// Share of the rows in which the parts stand equally far apart: a phrase, then, or a template.
pub fn same_distance(distances: impl Iterator<Item = u32>) -> f64 {
    let mut all: Vec<u32> = distances.collect();
    all.sort_unstable();
    let most = all.chunk_by(|a, b| a == b).map(<[u32]>::len).max().unwrap_or(0);
    most as f64 / all.len().max(1) as f64
}

/// Those nominees that contradict their rows, the best first, each on the rows that the ones before
/// it left; `known` are rows that something else explains.
pub fn accepted(candidates: Vec<Candidate>, gates: Gates, known: &[bool], carriers: impl Fn(u32) -> Vec<u32>) -> Vec<Accepted> {
    let free = |c: Candidate| Candidate { members: c.members.iter().copied().filter(|m: &Member| !known[m.row as usize]).collect(), ..c };
    let candidates = candidates.into_iter().map(free).collect();
    super::contradiction::explain_away_among(candidates, gates, 64, carriers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::text::{ngrams, tokens};

    fn row(text: &str) -> Vec<Token> {
        let mut out = Vec::new();
        tokens(text, 0, &mut out);
        out
    }

    fn sketch_of(texts: &[String]) -> Sketch {
        let mut sketch = Sketch::new(texts.len() as u64);
        texts.iter().for_each(|t| ngrams(&row(t), |_, _, key| sketch.add(key)));
        sketch
    }

    /// Two ordinary words per row; every tenth row has `ann` and `bee` too.
    fn texts() -> Vec<String> {
        let mut dice = crate::detectors::harness::Dice::new(4);
        (0..1000usize)
            .map(|i| {
                let (a, b) = (dice.roll(40), dice.roll(40));
                if i % 10 == 0 { format!("wan{a} bee wun{b} ann") } else { format!("wan{a} wun{b}") }
            })
            .collect()
    }

    fn odd(of: impl Iterator<Item = usize>, texts: &[String], sketch: &Sketch) -> Odd {
        let seen = Rarity { sketch, rows: 1000.0, common: 500, rare: 3 };
        let mut odd = Odd::new(2);
        of.for_each(|i| odd.offer(i % 2, i as u64, &row(&texts[i]), &seen, |_| Some(&texts[i])));
        odd
    }

    #[test]
    fn what_odd_rows_share_is_nominated_whatever_the_split() {
        let texts = texts();
        let sketch = sketch_of(&texts);
        let seen = Rarity { sketch: &sketch, rows: 1000.0, common: 500, rare: 3 };
        let whole = odd(0..1000, &texts, &sketch);
        let mut parts = odd((0..1000).filter(|i| i % 3 == 0), &texts, &sketch);
        parts.merge(odd((0..1000).filter(|i| i % 3 != 0), &texts, &sketch));
        assert_eq!(whole, parts);
        let (nominees, tested) = whole.nominate(&seen);
        let hash = |word: &str| row(word)[1].hash;
        let pair = Shared::Pair(hash("ann").min(hash("bee")), hash("ann").max(hash("bee")));
        assert_eq!(nominees, [Nominee { shared: pair, class: 0 }]);
        assert!(tested > 100);
    }

    #[test]
    fn a_sample_keeps_the_smallest_keys() {
        let sketch = sketch_of(&["x".into()]);
        let seen = Rarity::new(&sketch, 10);
        let mut odd = Odd::new(500);
        (0..200u64).rev().for_each(|key| odd.offer(3, key, &row("x"), &seen, |_| Some("x")));
        assert_eq!(odd.classes[3].len(), odd.most());
        assert_eq!(odd.classes[3].keys().copied().collect::<Vec<_>>(), (0..odd.most() as u64).collect::<Vec<_>>());
    }

    #[test]
    fn letters_are_looked_for_inside_rare_words_only() {
        let texts: Vec<String> = (0..50).map(|_| "garden".to_owned()).chain(["garxqden".into()]).collect();
        let sketch = sketch_of(&texts);
        let seen = Rarity { sketch: &sketch, rows: 51.0, common: 500, rare: 3 };
        let letters = |text: &str| {
            let mut out = Vec::new();
            seen.letters(&row(text), |_| Some(text), |_, n, _, from, to| out.push((n, text[from as usize..to as usize].to_owned())));
            out
        };
        assert!(letters("garden").is_empty() && letters("gax").is_empty());
        assert!(letters("the Garxqden").contains(&(3, "rxq".to_owned())));
        assert!(letters("élanxq").contains(&(5, "élanx".to_owned())));
        assert!(letters("gar1xq2den").iter().all(|l| l.1.chars().all(char::is_alphabetic)));
    }

    #[test]
    fn a_pair_is_sighted_in_any_order_with_both_spans() {
        let hash = |word: &str| row(word)[1].hash;
        let (a, b) = (hash("ann").min(hash("bee")), hash("ann").max(hash("bee")));
        let lookup = Lookup::new([Shared::Pair(a, b)].into_iter());
        let sketch = sketch_of(&["x".into()]);
        let seen = Rarity::new(&sketch, 10);
        let mut out = Vec::new();
        for text in ["bee and ann", "ann and bee"] {
            lookup.find(&row(text), &seen, |_| Some(text), &mut out);
            assert_eq!((out.len(), out[0].distance.abs()), (1, 2));
            let other = out[0].other.unwrap();
            let mut spans = [(out[0].start, out[0].end), (other.1, other.2)];
            spans.sort_unstable();
            assert_eq!(spans, [(0, 3), (8, 11)]);
        }
        lookup.find(&row("bee alone"), &seen, |_| Some("bee alone"), &mut out);
        assert!(out.is_empty());
    }

    #[test]
    fn equal_distances_make_a_phrase() {
        assert_eq!(same_distance([1, 1, 1, 4].into_iter()), 0.75);
        assert_eq!(same_distance(std::iter::empty()), 0.0);
    }
}
