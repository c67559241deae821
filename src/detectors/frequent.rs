//! Which n-grams are frequent, and with which classes: a sketch first, exact counts of what may
//! matter second, so that memory does not grow with the vocabulary.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// For keys that are hashes already.
#[derive(Default, Clone)]
pub struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.0 = self.0.rotate_left(8) ^ u64::from(b));
    }
    fn write_u64(&mut self, x: u64) {
        self.0 = x;
    }
}

pub type HashedMap<V> = HashMap<u64, V, BuildHasherDefault<Plain>>;

/// Occurrences per cell, saturating: never less than the truth, so nothing frequent is missed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sketch {
    cells: Vec<u16>,
}

impl Sketch {
    /// 64 cells a row, 2 to 64 MB.
    pub fn new(rows: u64) -> Self {
        Sketch::of(rows, 64)
    }
    /// For about a quarter as many different keys as there are cells, at most 2^25: what is rare stays
    /// rare only where few keys share a cell, and what fits into a cache is counted faster.
    pub fn of(rows: u64, cells: u64) -> Self {
        Sketch { cells: vec![0; (rows.saturating_mul(cells).clamp(1 << 20, 1 << 25)).next_power_of_two() as usize] }
    }
    fn cell(&self, key: u64) -> usize {
        (key >> 20) as usize & (self.cells.len() - 1)
    }
    pub fn add(&mut self, key: u64) {
        let i = self.cell(key);
        self.cells[i] = self.cells[i].saturating_add(1);
    }
    /// All of these. Places come first: where the sketch is larger than a cache, its cells are then fetched side
    /// by side.
    pub fn add_all(&mut self, keys: &[u64]) {
        let mut places = [0u32; 64];
        for keys in keys.chunks(places.len()) {
            places.iter_mut().zip(keys).for_each(|(place, key)| *place = self.cell(*key) as u32);
            for &place in &places[..keys.len()] {
                let cell = &mut self.cells[place as usize];
                *cell += u16::from(*cell != u16::MAX);
            }
        }
    }
    /// Occurrences per cell on average.
    pub fn load(&self) -> f64 {
        self.cells.iter().map(|c| u64::from(*c)).sum::<u64>() as f64 / self.cells.len().max(1) as f64
    }
    /// At least as often as `key` occurred (up to 65,535).
    pub fn at_most(&self, key: u64) -> u32 {
        if self.cells.is_empty() { 0 } else { u32::from(self.cells[self.cell(key)]) }
    }
    pub fn merge(&mut self, other: Self) {
        self.cells.iter_mut().zip(other.cells).for_each(|(a, b)| *a = a.saturating_add(b));
    }
    /// Which keys may be in more than `least` rows.
    pub fn above(&self, least: u16) -> Above {
        let mut above = Above { least, bits: vec![0; self.cells.len().div_ceil(64)], cells: self.cells.len() };
        for (i, _) in self.cells.iter().enumerate().filter(|(_, n)| **n > least) {
            above.bits[i / 64] |= 1 << (i % 64);
        }
        above
    }
}

/// One bit per cell of a [`Sketch`]: a sixteenth of its size, so that it stays in a processor's cache where most
/// keys are asked for only to be told apart from the rare ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Above {
    least: u16,
    bits: Vec<u64>,
    cells: usize,
}

impl Above {
    /// `sketch.at_most(key) > least`.
    pub fn has(&self, key: u64) -> bool {
        if self.cells == 0 {
            return false;
        }
        let i = (key >> 20) as usize & (self.cells - 1);
        self.bits[i / 64] >> (i % 64) & 1 != 0
    }
    /// Whether there is any such key.
    pub fn is_empty(&self) -> bool {
        self.bits.iter().all(|b| *b == 0)
    }
    /// The same, folded to so few bits that the fastest cache holds them: true also for some other keys.
    pub fn folded(&self) -> Above {
        let set: u32 = self.bits.iter().map(|b| b.count_ones()).sum();
        let cells = (8 * set as usize).next_power_of_two().clamp(1 << 12, 1 << 20).min(self.cells.max(64));
        let mut bits = vec![0; cells.div_ceil(64)];
        self.bits.iter().enumerate().for_each(|(i, b)| bits[i % (cells / 64)] |= b);
        Above { least: self.least, bits, cells }
    }
}

/// Which keys came once, and which came again: two bits per cell, so that pairs of all words of a large corpus
/// have room in a cache. Keys share cells; one that came again is never taken for a single one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Twice {
    /// 32 cells: whether anything was seen in the lower half, whether more than once in the upper.
    cells: Vec<u64>,
}

impl Twice {
    /// 64 cells a row, 256 KB to 8 MB.
    pub fn new(rows: u64) -> Self {
        Twice { cells: vec![0; (rows.saturating_mul(2).clamp(1 << 15, 1 << 20)).next_power_of_two() as usize] }
    }
    fn cell(&self, key: u64) -> (usize, u32) {
        ((key >> 25) as usize & (self.cells.len() - 1), (key >> 20) as u32 & 31)
    }
    pub fn add(&mut self, key: u64) {
        let (i, bit) = self.cell(key);
        let seen = self.cells[i] >> bit & 1;
        self.cells[i] |= (1 | seen << 32) << bit;
    }
    /// Whether the key may have come more than once.
    pub fn again(&self, key: u64) -> bool {
        if self.cells.is_empty() {
            return false;
        }
        let (i, bit) = self.cell(key);
        self.cells[i] >> (bit + 32) & 1 != 0
    }
    pub fn merge(&mut self, other: Self) {
        self.cells.iter_mut().zip(other.cells).for_each(|(a, b)| *a |= b | (*a & b) << 32);
    }
}

/// Rows per (key, class), exact, for at most `most` keys: beyond that the keys with the smallest
/// hashes stay. The limit only ever falls, so a key that is still there was counted from the start.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ClassCounts {
    classes: usize,
    most: usize,
    limit: u64,
    index: HashedMap<u32>,
    counts: Vec<u32>,
    /// Whether the key is a word by itself.
    words: Vec<bool>,
    /// Last row that touched the key, so that a row counts once.
    #[serde(skip)]
    seen: Vec<u32>,
}

impl ClassCounts {
    pub fn new(classes: usize) -> Self {
        let most = ((1 << 23) / classes.max(2)).min(1 << 20);
        ClassCounts { classes, most, limit: u64::MAX, ..ClassCounts::default() }
    }
    /// `row` differs from row to row within one state.
    pub fn add(&mut self, key: u64, class: usize, row: u32) {
        if key > self.limit {
            return;
        }
        let i = self.slot(key);
        if self.seen[i] != row {
            self.seen[i] = row;
            self.counts[i * self.classes + class] += 1;
        }
        if self.index.len() > 2 * self.most {
            self.shrink();
        }
    }
    /// The same for a key that is one word, which [`Self::is_word`] remembers.
    pub fn add_word(&mut self, key: u64, class: usize, row: u32) {
        self.add(key, class, row);
        if let Some(&i) = self.index.get(&key) {
            self.words[i as usize] = true;
        }
    }
    pub fn is_word(&self, key: u64) -> bool {
        self.index.get(&key).is_some_and(|&i| self.words[i as usize])
    }
    fn slot(&mut self, key: u64) -> usize {
        let next = self.index.len() as u32;
        let i = *self.index.entry(key).or_insert(next) as usize;
        if i == next as usize {
            self.counts.resize((i + 1) * self.classes, 0);
            self.words.resize(i + 1, false);
        }
        if self.seen.len() <= i {
            self.seen.resize(i + 1, u32::MAX);
        }
        i
    }
    fn shrink(&mut self) {
        if self.index.len() <= self.most {
            return;
        }
        let mut keys: Vec<u64> = self.index.keys().copied().collect();
        keys.sort_unstable();
        self.limit = self.limit.min(keys[self.most - 1]);
        let mut kept = ClassCounts { classes: self.classes, most: self.most, limit: self.limit, ..ClassCounts::default() };
        for &key in &keys[..self.most] {
            let (from, to) = (self.index[&key] as usize * self.classes, kept.slot(key));
            kept.words[to] = self.words[self.index[&key] as usize];
            kept.counts[to * self.classes..][..self.classes].copy_from_slice(&self.counts[from..from + self.classes]);
        }
        *self = kept;
    }
    pub fn merge(&mut self, other: Self) {
        self.limit = self.limit.min(other.limit);
        for (&key, &i) in &other.index {
            let slot = self.slot(key);
            self.words[slot] |= other.words[i as usize];
            for c in 0..self.classes {
                self.counts[slot * self.classes + c] += other.counts[i as usize * self.classes + c];
            }
        }
        let limit = self.limit;
        if self.index.keys().any(|&k| k > limit) {
            let mut kept = ClassCounts { classes: self.classes, most: self.most, limit, ..ClassCounts::default() };
            for (&key, &i) in self.index.iter().filter(|(k, _)| **k <= limit) {
                let to = kept.slot(key);
                kept.words[to] = self.words[i as usize];
                kept.counts[to * self.classes..][..self.classes].copy_from_slice(&self.counts[i as usize * self.classes..][..self.classes]);
            }
            *self = kept;
        }
        if self.index.len() > 2 * self.most {
            self.shrink();
        }
    }
    /// Rows per class of one key.
    pub fn get(&self, key: u64) -> Option<&[u32]> {
        self.index.get(&key).map(|&i| &self.counts[i as usize * self.classes..][..self.classes])
    }
    /// No more rows will come. The keys that are left, the smallest first.
    pub fn finish(&mut self) -> Vec<u64> {
        self.shrink();
        self.seen = Vec::new();
        let mut all: Vec<u64> = self.index.keys().copied().collect();
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(i: u64) -> u64 {
        crate::features::text::mix(i, 7)
    }

    #[test]
    fn the_sketch_never_counts_too_little() {
        let mut s = Sketch::new(10);
        (0..1000u64).for_each(|i| (0..=i % 5).for_each(|_| s.add(key(i))));
        assert!((0..1000u64).all(|i| u64::from(s.at_most(key(i))) > i % 5));
        let mut all = Sketch::new(10);
        all.add_all(&(0..1000u64).flat_map(|i| (0..=i % 5).map(move |_| key(i))).collect::<Vec<_>>());
        assert_eq!(all.cells, s.cells);
        assert_eq!(all.load(), 3000.0 / (1 << 20) as f64);
    }

    #[test]
    fn what_came_again_is_known_whatever_the_split() {
        let (mut whole, mut a, mut b) = (Twice::new(10), Twice::new(10), Twice::new(10));
        for i in 0..6000u64 {
            let k = key(i % 4500);
            whole.add(k);
            if i % 3 == 0 { &mut a } else { &mut b }.add(k);
        }
        a.merge(b);
        assert_eq!(a.cells, whole.cells);
        assert!((0..1500u64).all(|i| whole.again(key(i))));
        let single = (1500..4500u64).filter(|&i| !whole.again(key(i))).count();
        assert!(single > 2950, "{single}");
        assert!(!Twice::default().again(key(1)));
    }

    #[test]
    fn one_bit_per_cell_says_what_the_sketch_says() {
        let mut s = Sketch::new(10);
        (0..200_000u64).for_each(|i| s.add(key(i % 70_000 * (i % 3))));
        for least in [0, 1, 2, 20] {
            let above = s.above(least);
            let folded = above.folded();
            assert!((0..100_000u64).all(|i| above.has(key(i)) == (s.at_most(key(i)) > u32::from(least))));
            assert!((0..100_000u64).all(|i| folded.has(key(i)) || !above.has(key(i))));
        }
        assert!(s.above(u16::MAX).is_empty() && !s.above(0).is_empty() && !Above::default().has(key(1)));
    }

    #[test]
    fn a_row_counts_once() {
        let mut c = ClassCounts::new(2);
        for row in [1, 1, 2] {
            c.add(key(1), 1, row);
        }
        assert_eq!(c.finish(), [key(1)]);
        assert_eq!(c.get(key(1)), Some([0, 2].as_slice()));
        assert_eq!(c.get(key(2)), None);
    }

    #[test]
    fn the_cap_keeps_exact_counts_whatever_the_split() {
        let small = || ClassCounts { most: 50, ..ClassCounts::new(2) };
        let (mut whole, mut a, mut b) = (small(), small(), small());
        for row in 0..3000u32 {
            let k = key(u64::from(row) % 400);
            whole.add(k, (row % 2) as usize, row);
            if row % 3 == 0 { &mut a } else { &mut b }.add(k, (row % 2) as usize, row);
        }
        a.merge(b);
        let keys = whole.finish();
        assert_eq!(keys.len(), 50);
        assert_eq!(a.finish(), keys);
        assert!(keys.iter().all(|&k| a.get(k) == whole.get(k)));
    }
}
