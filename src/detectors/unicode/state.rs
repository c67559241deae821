//! What one shard learned: integers and sets only, so that any split adds up to the same.

use super::content::Words;
use crate::features::unicode::host_of;
use crate::rule::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Distinct labels kept with their names, and distinct openers kept per group: those of smallest
/// hash, which no order of rows changes. A column with more labels is not a class.
pub const LABELS: usize = 4096;

/// Cells per row of the sketch that counts labels (openers can be as many as rows).
const CELLS: usize = 1 << 16;

/// `[all rows, rows with it inside a word]`.
pub type Pair = [u64; 2];

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Odd {
    pub rows: Pair,
    pub labels: BTreeMap<u64, Pair>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub rows: u64,
    pub labelled: u64,
    /// Count-min, two rows: never counts too little, which errs towards silence.
    sketch: Vec<u32>,
    pub names: BTreeMap<u64, String>,
    pub groups: BTreeMap<u64, Odd>,
    /// Rows by label, per column and script other than Latin that their text is written in.
    pub hosts: BTreeMap<(u16, u32), BTreeMap<u64, u64>>,
    /// Round 2.
    words: Option<Words>,
    /// Round 3: (group or 0 for all rows, label) to rows and contradicted rows.
    pub judged: BTreeMap<(u64, u64), Pair>,
}

fn keep_smallest<V>(map: &mut BTreeMap<u64, V>) {
    while map.len() > LABELS {
        map.pop_last();
    }
}

impl Seen {
    /// `classes` are given in the round that counts words.
    pub fn start(classes: Option<&BTreeMap<u64, String>>) -> Self {
        Seen {
            rows: 0,
            labelled: 0,
            sketch: Vec::new(),
            names: BTreeMap::new(),
            groups: BTreeMap::new(),
            hosts: BTreeMap::new(),
            words: classes.map(|c| Words::new(c.keys().copied())),
            judged: BTreeMap::new(),
        }
    }

    pub fn row(&mut self, label: Option<u64>, name: Option<&str>) {
        self.rows += 1;
        let Some(label) = label else { return };
        self.labelled += 1;
        if self.sketch.is_empty() {
            self.sketch = vec![0; 2 * CELLS];
        }
        for cell in cells(label) {
            self.sketch[cell] = self.sketch[cell].saturating_add(1);
        }
        if let Some(name) = name
            && !self.names.contains_key(&label)
            && (self.names.len() < LABELS || self.names.last_key_value().is_some_and(|(&k, _)| label < k))
        {
            self.names.insert(label, name.to_owned());
            keep_smallest(&mut self.names);
        }
    }

    /// Rows with that label: exact for few labels, else an upper bound.
    pub fn rows_with(&self, label: u64) -> u64 {
        if self.sketch.is_empty() { 0 } else { cells(label).map(|c| u64::from(self.sketch[c])).min().unwrap_or(0) }
    }

    pub fn odd(&mut self, key: u64, inside: bool, label: Option<u64>) {
        let group = self.groups.entry(key).or_default();
        let add = |pair: &mut Pair| {
            pair[0] += 1;
            pair[1] += u64::from(inside);
        };
        add(&mut group.rows);
        if let Some(label) = label {
            add(group.labels.entry(label).or_default());
            keep_smallest(&mut group.labels);
        }
    }

    pub fn host(&mut self, column: u16, script: u32, label: u64) {
        let labels = self.hosts.entry((column, script)).or_default();
        *labels.entry(label).or_default() += 1;
        keep_smallest(labels);
    }

    /// Share of the label among the rows whose text could hold such a group at all.
    pub fn prior(&self, key: u64, label: u64) -> f64 {
        let all = self.labelled.max(1) as f64;
        let usual = self.rows_with(label) as f64 / all;
        let host = host_of(key).and_then(|script| self.hosts.get(&((key >> 48) as u16, script)));
        let here = host.map_or(0.0, |labels| labels.get(&label).copied().unwrap_or(0) as f64 / labels.values().sum::<u64>().max(1) as f64);
        usual.max(here).clamp(1.0 / all, 1.0)
    }

    pub fn words<'a>(&mut self, label: u64, texts: impl Iterator<Item = &'a str>) {
        if let Some(words) = &mut self.words {
            words.add(label, texts);
        }
    }

    pub fn judged(&mut self, key: u64, label: u64, contradicted: bool) {
        let pair = self.judged.entry((key, label)).or_default();
        pair[0] += 1;
        pair[1] += u64::from(contradicted);
    }

    pub fn into_words(self) -> Words {
        self.words.unwrap_or_default()
    }
}

fn cells(label: u64) -> impl Iterator<Item = usize> {
    [label as usize % CELLS, CELLS + (label >> 32) as usize % CELLS].into_iter()
}

impl State for Seen {
    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.labelled += other.labelled;
        if self.sketch.is_empty() {
            self.sketch = other.sketch;
        } else {
            for (a, b) in self.sketch.iter_mut().zip(other.sketch) {
                *a = a.saturating_add(b);
            }
        }
        self.names.extend(other.names);
        keep_smallest(&mut self.names);
        for (key, odd) in other.groups {
            let mine = self.groups.entry(key).or_default();
            add(&mut mine.rows, odd.rows);
            for (label, pair) in odd.labels {
                add(mine.labels.entry(label).or_default(), pair);
            }
            keep_smallest(&mut mine.labels);
        }
        for (script, labels) in other.hosts {
            let mine = self.hosts.entry(script).or_default();
            labels.into_iter().for_each(|(label, n)| *mine.entry(label).or_default() += n);
            keep_smallest(mine);
        }
        match (&mut self.words, other.words) {
            (Some(a), Some(b)) => a.merge(b),
            (mine @ None, theirs) => *mine = theirs,
            _ => {}
        }
        for (key, pair) in other.judged {
            add(self.judged.entry(key).or_default(), pair);
        }
    }
}

fn add(into: &mut Pair, other: Pair) {
    into[0] += other[0];
    into[1] += other[1];
}
