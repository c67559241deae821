//! The order-free summaries that the rounds fold rows into: a bottom-k sample by hash and a count-min
//! table. Each holds the same content for any split of the rows.

use crate::features::table::{NULL, mix};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The `cap` smallest distinct hashes and what belongs to each. An entry that survives was never
/// dropped on the way, so values that add up stay exact.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BottomK<V> {
    cap: usize,
    map: BTreeMap<u64, V>,
}

impl<V> BottomK<V> {
    pub fn new(cap: usize) -> Self {
        BottomK { cap, map: BTreeMap::new() }
    }
    /// The entry of `hash`, made by `make` when it is new and small enough; `None` when it stays out.
    pub fn entry(&mut self, hash: u64, make: impl FnOnce() -> V) -> Option<&mut V> {
        if self.map.len() >= self.cap && self.map.last_key_value().is_none_or(|(last, _)| hash > *last) {
            return None;
        }
        if !self.map.contains_key(&hash) && self.map.len() >= self.cap {
            self.map.pop_last();
        }
        Some(self.map.entry(hash).or_insert_with(make))
    }
    pub fn merge(&mut self, other: Self, mut add: impl FnMut(&mut V, V)) {
        for (hash, value) in other.map {
            match self.map.entry(hash) {
                std::collections::btree_map::Entry::Occupied(mut mine) => add(mine.get_mut(), value),
                std::collections::btree_map::Entry::Vacant(free) => {
                    free.insert(value);
                }
            }
        }
        while self.map.len() > self.cap {
            self.map.pop_last();
        }
    }
    pub fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        self.map.iter().map(|(h, v)| (*h, v))
    }
    pub fn len(&self) -> usize {
        self.map.len()
    }
}

/// Count-min (Cormode & Muthukrishnan 2005), two rows per column: never too small, and sums of shards
/// are the sums of the whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CountMin {
    bits: u32,
    seed: u64,
    cells: Vec<u32>,
}

impl CountMin {
    pub fn new(columns: usize, bits: u32, seed: u64) -> Self {
        CountMin { bits, seed, cells: vec![0; (columns * 2) << bits] }
    }
    fn slots(&self, column: usize, code: u64) -> [usize; 2] {
        let hash = mix(code ^ self.seed) as usize;
        let mask = (1 << self.bits) - 1;
        [(column * 2) << self.bits | (hash & mask), ((column * 2 + 1) << self.bits) | ((hash >> 32) & mask)]
    }
    pub fn add(&mut self, column: usize, code: u64) {
        if code != NULL {
            for slot in self.slots(column, code) {
                self.cells[slot] = self.cells[slot].saturating_add(1);
            }
        }
    }
    /// At least the number of times that `code` was added.
    pub fn at_most(&self, column: usize, code: u64) -> u32 {
        let [a, b] = self.slots(column, code);
        self.cells[a].min(self.cells[b])
    }
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.cells.iter_mut().zip(&other.cells) {
            *mine = mine.saturating_add(*theirs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bottom_k_of_parts_is_that_of_the_whole_counts_included() {
        let hashes: Vec<u64> = (0..400).map(|i| mix(i % 90)).collect();
        let fold = |part: &[u64]| {
            let mut k = BottomK::new(16);
            for &h in part {
                if let Some(n) = k.entry(h, || 0u32) {
                    *n += 1;
                }
            }
            k
        };
        let whole = fold(&hashes);
        for cut in [0, 1, 37, 399] {
            let (left, right) = hashes.split_at(cut);
            let mut merged = fold(right);
            merged.merge(fold(left), |a, b| *a += b);
            assert_eq!(merged.map, whole.map);
        }
        assert_eq!(whole.len(), 16);
    }

    #[test]
    fn count_min_never_counts_too_few() {
        let mut sketch = CountMin::new(2, 4, 1);
        for code in 1..200 {
            for _ in 0..code % 5 {
                sketch.add(1, code);
            }
        }
        assert!((1..200).all(|code| u64::from(sketch.at_most(1, code)) >= code % 5));
        assert_eq!(sketch.at_most(0, 7), 0);
    }
}
