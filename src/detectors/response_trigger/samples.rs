//! Prompts of the rows that share a label of their reply: per label the rows with the smallest ids,
//! each row's prompt once however many labels it has.

use crate::detectors::frequent::HashedMap;
use crate::features::response::Kind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Rows per stretch of text; a trigger that covers the least share of its label is in twenty of them.
const ROWS: usize = 64;
/// Rows per class of replies, of which a trigger may cover little.
const CLASS_ROWS: usize = 2048;
/// Labels followed at most: those with the smallest keys.
const LABELS: usize = 1 << 16;
/// Tokens of a prompt that are kept, half from its beginning and half from its end.
pub const TOKENS: usize = 512;

pub fn rows_of(kind: Kind) -> usize {
    if kind.is_class() { CLASS_ROWS } else { ROWS }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Prompt {
    tokens: Box<[u64]>,
    references: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Samples {
    limit: u64,
    lists: HashedMap<(Kind, BTreeSet<u64>)>,
    prompts: HashedMap<Prompt>,
}

impl Default for Samples {
    fn default() -> Self {
        Samples { limit: u64::MAX, lists: HashedMap::default(), prompts: HashedMap::default() }
    }
}

impl Samples {
    fn takes(&self, kind: Kind, key: u64, id: u64) -> bool {
        key <= self.limit
            && self
                .lists
                .get(&key)
                .is_none_or(|(_, l)| (l.len() < rows_of(kind) || l.last().is_some_and(|&last| id < last)) && !l.contains(&id))
    }
    /// Cheap test before a prompt is read.
    pub fn wants(&self, labels: &[(Kind, u64)], id: u64) -> bool {
        labels.iter().any(|&(kind, key)| self.takes(kind, key, id))
    }
    pub fn offer(&mut self, labels: &[(Kind, u64)], id: u64, tokens: impl Fn() -> Box<[u64]>) {
        for &(kind, key) in labels {
            if !self.takes(kind, key, id) {
                continue;
            }
            self.prompts.entry(id).or_insert_with(|| Prompt { tokens: tokens(), references: 0 }).references += 1;
            let list = &mut self.lists.entry(key).or_insert_with(|| (kind, BTreeSet::new())).1;
            list.insert(id);
            let out = if list.len() > rows_of(kind) { list.pop_last() } else { None };
            if let Some(out) = out {
                self.release(out);
            }
            if self.lists.len() > 2 * LABELS {
                self.shrink();
            }
        }
    }
    fn release(&mut self, id: u64) {
        if let Some(p) = self.prompts.get_mut(&id) {
            p.references -= 1;
            if p.references == 0 {
                self.prompts.remove(&id);
            }
        }
    }
    /// Labels with the smallest keys stay; the limit only falls, so what is there was followed from
    /// the start.
    fn shrink(&mut self) {
        if self.lists.len() <= LABELS {
            return;
        }
        let mut keys: Vec<u64> = self.lists.keys().copied().collect();
        keys.sort_unstable();
        self.limit = self.limit.min(keys[LABELS - 1]);
        self.drop_beyond();
    }
    fn drop_beyond(&mut self) {
        let beyond: Vec<u64> = self.lists.keys().copied().filter(|&k| k > self.limit).collect();
        for key in beyond {
            for id in self.lists.remove(&key).map(|l| l.1).unwrap_or_default() {
                self.release(id);
            }
        }
    }
    pub fn merge(&mut self, other: Self) {
        self.limit = self.limit.min(other.limit);
        self.drop_beyond();
        for (key, (kind, list)) in other.lists {
            for id in list {
                if let Some(p) = other.prompts.get(&id) {
                    self.offer(&[(kind, key)], id, || p.tokens.clone());
                }
            }
        }
    }
    /// Labels by ascending key with the prompts of their rows by ascending id.
    pub fn finish(mut self, mut f: impl FnMut(u64, Kind, &[&[u64]])) {
        self.shrink();
        let mut keys: Vec<u64> = self.lists.keys().copied().collect();
        keys.sort_unstable();
        for key in keys {
            let (kind, ids) = &self.lists[&key];
            let rows: Vec<&[u64]> = ids.iter().filter_map(|id| self.prompts.get(id)).map(|p| &*p.tokens).collect();
            f(key, *kind, &rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::text::mix;

    fn all(s: Samples) -> Vec<(u64, Vec<Vec<u64>>)> {
        let mut out = Vec::new();
        s.finish(|key, _, rows| out.push((key, rows.iter().map(|r| r.to_vec()).collect())));
        out
    }

    #[test]
    fn what_is_kept_does_not_depend_on_the_split() {
        let (mut whole, mut a, mut b) = (Samples::default(), Samples::default(), Samples::default());
        for i in 0..3000u64 {
            let labels = [(Kind::Opener, mix(i % 7, 1)), (Kind::Rare, mix(i % 2, 2)), (Kind::Tail, mix(i % 500, 3))];
            for s in [&mut whole, if i % 3 == 0 { &mut a } else { &mut b }] {
                s.offer(&labels, mix(i, 9), || Box::from([i]));
            }
        }
        b.merge(a);
        let (whole, b) = (all(whole), all(b));
        assert_eq!(whole.len(), 509);
        assert_eq!(whole, b);
    }

    #[test]
    fn a_row_that_no_label_keeps_is_forgotten() {
        let mut s = Samples::default();
        (0..1000u64).for_each(|i| s.offer(&[(Kind::Opener, 1)], mix(i, 9), || Box::from([i])));
        assert_eq!((s.prompts.len(), s.lists[&1].1.len()), (ROWS, ROWS));
    }

    #[test]
    fn too_many_labels_leave_the_same_ones_whatever_the_order() {
        let build = |order: &mut dyn Iterator<Item = u64>| {
            let mut s = Samples::default();
            order.for_each(|i| s.offer(&[(Kind::Opener, mix(i, 5))], mix(i, 9), || Box::from([i])));
            all(s)
        };
        let n = 3 * LABELS as u64;
        let up = build(&mut (0..n));
        assert_eq!(up.len(), LABELS);
        assert_eq!(up, build(&mut (0..n).rev()));
    }
}
