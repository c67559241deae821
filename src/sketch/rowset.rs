//! A set of rows, at most one bit per row of the data: sorted lists where it is sparse, bitmaps where
//! it is dense. Two sets of the same rows are equal, whatever the order of insertion.

use crate::batch::RowId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Rows of one file whose numbers agree above the low 16 bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Chunk {
    Sparse(Vec<u16>),
    Dense(Vec<u64>),
}

/// A list of this many takes as much memory as a bitmap.
const SPARSE: usize = 4096;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowSet {
    chunks: BTreeMap<(u32, u64), Chunk>,
}

impl RowSet {
    pub fn insert(&mut self, row: RowId) {
        let low = (row.row & 0xFFFF) as u16;
        let chunk = self.chunks.entry((row.source, row.row >> 16)).or_insert_with(|| Chunk::Sparse(Vec::new()));
        match chunk {
            Chunk::Dense(bits) => bits[usize::from(low >> 6)] |= 1 << (low & 63),
            Chunk::Sparse(list) => {
                let Err(at) = list.binary_search(&low) else { return };
                list.insert(at, low);
                if list.len() > SPARSE {
                    let mut bits = vec![0_u64; 1024];
                    list.iter().for_each(|l| bits[usize::from(l >> 6)] |= 1 << (l & 63));
                    *chunk = Chunk::Dense(bits);
                }
            }
        }
    }
    /// Adds every row of the other set.
    pub fn union(&mut self, other: RowSet) {
        for ((source, high), chunk) in other.chunks {
            let row = |low: u16| RowId { source, row: high << 16 | u64::from(low) };
            match chunk {
                Chunk::Sparse(list) => list.iter().for_each(|l| self.insert(row(*l))),
                Chunk::Dense(bits) => {
                    let set = (0..=u16::MAX).filter(|l| bits.get(usize::from(l >> 6)).is_some_and(|b| b >> (l & 63) & 1 == 1));
                    set.for_each(|l| self.insert(row(l)));
                }
            }
        }
    }
    pub fn len(&self) -> u64 {
        let rows = |c: &Chunk| match c {
            Chunk::Sparse(list) => list.len() as u64,
            Chunk::Dense(bits) => bits.iter().map(|b| u64::from(b.count_ones())).sum(),
        };
        self.chunks.values().map(rows).sum()
    }
    pub fn contains(&self, row: RowId) -> bool {
        let low = (row.row & 0xFFFF) as u16;
        match self.chunks.get(&(row.source, row.row >> 16)) {
            None => false,
            Some(Chunk::Sparse(list)) => list.binary_search(&low).is_ok(),
            Some(Chunk::Dense(bits)) => bits.get(usize::from(low >> 6)).is_some_and(|b| b >> (low & 63) & 1 == 1),
        }
    }
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dense_and_a_sparse_set_answer_alike() {
        let mut set = RowSet::default();
        let member = |r: u64| r.is_multiple_of(3) || r > 300_000;
        for r in (0..310_000).rev().filter(|r| member(*r)) {
            set.insert(RowId { source: 1, row: r });
        }
        assert!((0..310_100).all(|r| set.contains(RowId { source: 1, row: r }) == (member(r) && r < 310_000)));
        assert!(!set.contains(RowId { source: 0, row: 0 }));
    }
}
