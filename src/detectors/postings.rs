//! Sampled rows of each nominated feature: at most [`ROWS`] per feature, those with the smallest
//! keys, and each row once however many features share it. A row's key is made of its content and
//! label, so that copies of a row are one row.

use super::frequent::HashedMap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Enough for the bound of a share within 0.07 either way.
pub const ROWS: usize = 128;

/// Where a feature stood in a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Place {
    pub candidate: u32,
    /// Hashes of the tokens around it.
    pub before: u32,
    pub after: u32,
    /// Tokens in it.
    pub len: u8,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub class: u32,
    pub fold: u8,
    pub features: Box<[u32]>,
    pub places: Box<[Place]>,
    references: u32,
}

impl Row {
    pub fn new(class: usize, fold: usize, features: &[u32], places: &[Place]) -> Self {
        Row { class: class as u32, fold: fold as u8, features: features.into(), places: places.into(), references: 0 }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Postings {
    lists: Vec<BTreeSet<u64>>,
    rows: HashedMap<Row>,
}

impl Postings {
    pub fn new(candidates: usize) -> Self {
        Postings { lists: vec![BTreeSet::new(); candidates], rows: HashedMap::default() }
    }
    fn takes(&self, candidate: u32, key: u64) -> bool {
        let list = &self.lists[candidate as usize];
        list.len() < ROWS || list.last().is_some_and(|&last| key < last)
    }
    /// Cheap test before a row is built.
    pub fn wants(&self, key: u64, places: &[Place]) -> bool {
        !self.rows.contains_key(&key) && places.iter().any(|p| self.takes(p.candidate, key))
    }
    pub fn offer(&mut self, key: u64, mut row: Row) {
        if !self.wants(key, &row.places) {
            return;
        }
        row.references = 0;
        for p in &row.places {
            if self.takes(p.candidate, key) && self.lists[p.candidate as usize].insert(key) {
                row.references += 1;
                if self.lists[p.candidate as usize].len() > ROWS
                    && let Some(out) = self.lists[p.candidate as usize].pop_last()
                    && let Some(old) = self.rows.get_mut(&out)
                {
                    old.references -= 1;
                    if old.references == 0 {
                        self.rows.remove(&out);
                    }
                }
            }
        }
        self.rows.insert(key, row);
    }
    pub fn merge(&mut self, other: Self) {
        for (key, row) in other.rows {
            self.offer(key, row);
        }
    }
    /// Rows by ascending key, and per candidate the indices of its rows among them.
    pub fn finish(self) -> (Vec<Row>, Vec<Vec<u32>>) {
        let mut rows: Vec<(u64, Row)> = self.rows.into_iter().collect();
        rows.sort_unstable_by_key(|r| r.0);
        let find = |key: &u64| rows.binary_search_by_key(key, |r| r.0).ok().map(|i| i as u32);
        let lists = self.lists.iter().map(|l| l.iter().filter_map(find).collect()).collect();
        (rows.into_iter().map(|r| r.1).collect(), lists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(candidates: &[u32]) -> Row {
        let places: Vec<Place> = candidates.iter().map(|&candidate| Place { candidate, before: 0, after: 0, len: 1 }).collect();
        Row::new(0, 0, &[1, 2], &places)
    }

    #[test]
    fn lists_and_rows_do_not_depend_on_the_split() {
        let key = |i: u64| crate::features::text::mix(i, 3);
        let (mut whole, mut a, mut b) = (Postings::new(2), Postings::new(2), Postings::new(2));
        for i in 0..1000u64 {
            let r = || if i % 4 == 0 { row(&[0, 1]) } else { row(&[0]) };
            whole.offer(key(i), r());
            if i % 3 == 0 { &mut a } else { &mut b }.offer(key(i), r());
        }
        b.merge(a);
        let (rows, lists) = whole.finish();
        let (rows_b, lists_b) = b.finish();
        assert_eq!(lists, lists_b);
        assert_eq!((lists[0].len(), lists[1].len()), (ROWS, ROWS));
        assert_eq!(rows.len(), rows_b.len());
        assert!(rows.len() < 2 * ROWS);
    }

    #[test]
    fn copies_of_a_row_are_one_row() {
        let mut p = Postings::new(1);
        (0..5).for_each(|_| p.offer(9, row(&[0])));
        assert_eq!(p.finish().1[0].len(), 1);
    }
}
