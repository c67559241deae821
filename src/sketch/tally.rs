//! Counts of very many things, of which only "at least eight" or so matters: a count-min sketch
//! (Cormode & Muthukrishnan 2005) of two rows whose cells stop at 255. Sums that stop are commutative
//! and associative, so that shards add up exactly.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    bits: u32,
    cells: Vec<u8>,
}

impl Tally {
    /// `2 << bits` bytes.
    pub fn new(bits: u32) -> Self {
        let bits = bits.clamp(4, 31);
        Tally { bits, cells: vec![0; 2 << bits] }
    }
    /// A key is already a hash; its two halves pick the cells.
    fn slots(&self, key: u64) -> [usize; 2] {
        let mask = (1usize << self.bits) - 1;
        [key as usize & mask, (1 << self.bits) + ((key >> 32) as usize & mask)]
    }
    pub fn add(&mut self, key: u64) {
        for slot in self.slots(key) {
            self.cells[slot] = self.cells[slot].saturating_add(1);
        }
    }
    /// At least the number of times that `key` was added, or 255.
    pub fn at_most(&self, key: u64) -> u8 {
        let [a, b] = self.slots(key);
        self.cells[a].min(self.cells[b])
    }
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.cells.iter_mut().zip(&other.cells) {
            *mine = mine.saturating_add(*theirs);
        }
    }
    /// The least count from `from` up that at most `many` cells of the first row reach: so many keys,
    /// about, have to be counted exactly.
    pub fn threshold(&self, from: u8, many: usize) -> u8 {
        let mut reach = [0usize; 257];
        for &cell in &self.cells[..1 << self.bits] {
            reach[usize::from(cell)] += 1;
        }
        for count in (0..256).rev() {
            reach[count] += reach[count + 1];
        }
        (from..=u8::MAX).find(|&t| reach[usize::from(t)] <= many).unwrap_or(u8::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::minhash::mix;

    #[test]
    fn it_never_counts_too_few_and_parts_add_up() {
        let (mut whole, mut left, mut right) = (Tally::new(6), Tally::new(6), Tally::new(6));
        for i in 0..300u64 {
            for n in 0..i % 7 {
                whole.add(mix(i));
                if n % 2 == 0 { left.add(mix(i)) } else { right.add(mix(i)) }
            }
        }
        right.merge(&left);
        assert_eq!(right, whole);
        assert!((0..300).all(|i| u64::from(whole.at_most(mix(i))) >= i % 7));
    }

    #[test]
    fn sums_stop_at_the_top_in_any_order() {
        let full = |n: usize| {
            let mut t = Tally::new(4);
            (0..n).for_each(|_| t.add(5));
            t
        };
        let (mut a, mut b) = (full(200), full(100));
        a.merge(&full(100));
        b.merge(&full(200));
        assert_eq!((a.at_most(5), a == b), (255, true));
    }

    #[test]
    fn the_threshold_leaves_no_more_than_asked() {
        let mut t = Tally::new(12);
        (0..100u64).for_each(|i| (0..i).for_each(|_| t.add(mix(i))));
        assert_eq!(t.threshold(8, 4096), 8);
        let least = t.threshold(8, 20);
        assert!((75..=90).contains(&least), "{least}");
    }
}
