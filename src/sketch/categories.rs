//! The distribution of a column of texts: each distinct text with its count while they are few and short,
//! and from then on a count-min sketch (Cormode & Muthukrishnan 2005) and the number of distinct texts.
//! Which of the two depends on the texts alone, never on the split: the set of them only grows.
//!
//! The sketch says at most how often a text occurs. A second pass counts exactly the texts that it
//! cannot rule out ([`Categories::may_be_heavy`]): no text with a share of [`HEAVY`] is missed.

use super::distinct::Distinct;
use super::values::Table;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// Rows of the count-min sketch, and cells in each: a text is overestimated by more than `e / 1024` = 0.27% of the
/// rows with a probability of at most `e^-4` = 1.8%.
const DEPTH: usize = 4;
pub const WIDTH: usize = 1024;
/// Texts of this share or more are counted exactly even beyond the bound: `1 / HEAVY`.
pub const HEAVY: u64 = 100;
/// Bytes of all distinct texts that are held exactly, at most.
const BYTES: usize = 1 << 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Categories {
    /// Distinct texts beyond which the sketch takes over.
    most: usize,
    held: Held,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Held {
    Exact {
        #[serde(with = "by_text")]
        counts: Table<Box<str>>,
        bytes: usize,
    },
    Sketch {
        cells: Vec<u64>,
        distinct: Distinct,
        /// Rows of heavy texts as far as they were counted: a lower bound after a merge with a profile that did not list them.
        #[serde(with = "by_text")]
        heavy: Table<Box<str>>,
    },
}

/// The cell of a text in each row of the sketch.
fn places(hash: u128) -> [usize; DEPTH] {
    std::array::from_fn(|i| i * WIDTH + (hash >> (16 * i)) as usize % WIDTH)
}

impl Categories {
    pub fn new(most: usize) -> Self {
        Categories { most, held: Held::Exact { counts: Table::default(), bytes: 0 } }
    }

    pub fn add(&mut self, text: &str, n: u64) {
        match &mut self.held {
            Held::Exact { counts, bytes } => {
                if let Some(count) = counts.get_mut(text) {
                    *count += n;
                    return;
                }
                counts.insert(text.into(), n);
                *bytes += text.len();
                if counts.len() > self.most || *bytes > BYTES {
                    self.collapse();
                }
            }
            Held::Sketch { cells, distinct, .. } => {
                let hash = xxh3_128(text.as_bytes());
                places(hash).into_iter().for_each(|p| cells[p] += n);
                distinct.add((hash >> 64) as u64);
            }
        }
    }

    fn collapse(&mut self) {
        if let Held::Exact { counts, .. } = &mut self.held {
            let counts = std::mem::take(counts);
            self.held = Held::Sketch { cells: vec![0; DEPTH * WIDTH], distinct: Distinct::default(), heavy: Table::default() };
            for (text, n) in counts {
                self.add(&text, n);
            }
        }
    }

    /// Two parts of one run, before any second pass.
    pub fn merge(&mut self, other: Self) {
        match other.held {
            Held::Exact { counts, .. } => counts.into_iter().for_each(|(text, n)| self.add(&text, n)),
            Held::Sketch { cells: more, distinct: others, .. } => {
                self.collapse();
                if let Held::Sketch { cells, distinct, .. } = &mut self.held {
                    cells.iter_mut().zip(more).for_each(|(a, b)| *a = a.saturating_add(b));
                    distinct.merge(&others);
                }
            }
        }
    }

    /// Two finished profiles: what either side counted exactly stays known as a lower bound, as long as
    /// the sketch does not rule the text out.
    pub fn join(&mut self, other: Self) {
        let mut known = self.known().clone();
        other.known().iter().for_each(|(text, n)| *known.entry(text.clone()).or_default() += n);
        self.merge(other);
        let rows = self.size().unwrap_or(u64::MAX);
        known.retain(|text, _| self.may_be_heavy(text, rows));
        if let Held::Sketch { heavy, .. } = &mut self.held {
            *heavy = known;
        }
    }

    fn known(&self) -> &Table<Box<str>> {
        match &self.held {
            Held::Exact { counts, .. } => counts,
            Held::Sketch { heavy, .. } => heavy,
        }
    }

    pub fn is_exact(&self) -> bool {
        matches!(self.held, Held::Exact { .. })
    }
    pub fn most(&self) -> usize {
        self.most
    }
    /// Exact while the texts are, else an estimate.
    pub fn distinct(&self) -> f64 {
        match &self.held {
            Held::Exact { counts, .. } => counts.len() as f64,
            Held::Sketch { distinct, .. } => distinct.estimate(),
        }
    }
    /// `None` when the counts exceed any number of rows or the sketch is damaged.
    pub fn size(&self) -> Option<u64> {
        let total = |counts: &mut dyn Iterator<Item = u64>| counts.map(Some).reduce(|a, b| a?.checked_add(b?)).unwrap_or(Some(0));
        match &self.held {
            Held::Exact { counts, .. } => total(&mut counts.values().copied()),
            Held::Sketch { cells, .. } => {
                let rows: Vec<Option<u64>> = cells.chunks(WIDTH).map(|row| total(&mut row.iter().copied())).collect();
                (cells.len() == DEPTH * WIDTH && rows.iter().all(|r| *r == rows[0])).then(|| rows[0]).flatten()
            }
        }
    }
    /// Whether a sketch that was read can have been written: no list exceeds what the sketch allows.
    pub fn is_sound(&self) -> bool {
        match &self.held {
            Held::Exact { counts, bytes } => counts.len() <= self.most && counts.keys().map(|t| t.len()).sum::<usize>() == *bytes,
            Held::Sketch { heavy, .. } => self.size().is_some() && heavy.iter().all(|(t, n)| *n <= self.at_most(t)),
        }
    }
    /// Sorted by text; `None` beyond the bound.
    pub fn counts(&self) -> Option<Vec<(&str, u64)>> {
        let Held::Exact { counts, .. } = &self.held else { return None };
        let mut all: Vec<(&str, u64)> = counts.iter().map(|(t, n)| (t.as_ref(), *n)).collect();
        all.sort_unstable();
        Some(all)
    }
    /// Rows per hash cell: a coarser picture of the same distribution, comparable with any other.
    pub fn hashed(&self) -> Vec<u64> {
        match &self.held {
            Held::Sketch { cells, .. } => cells.iter().take(WIDTH).copied().collect(),
            Held::Exact { counts, .. } => {
                let mut cells = vec![0; WIDTH];
                counts.iter().for_each(|(t, n)| cells[places(xxh3_128(t.as_bytes()))[0]] += n);
                cells
            }
        }
    }
    /// A text occurs at most this often, and exactly this often while texts are held.
    pub fn at_most(&self, text: &str) -> u64 {
        match &self.held {
            Held::Exact { counts, .. } => counts.get(text).copied().unwrap_or(0),
            Held::Sketch { cells, .. } => places(xxh3_128(text.as_bytes())).into_iter().map(|p| cells[p]).min().unwrap_or(0),
        }
    }
    /// Beyond the bound: whether a text may have a share of `1 / HEAVY` of these rows.
    pub fn may_be_heavy(&self, text: &str, rows: u64) -> bool {
        !self.is_exact() && u128::from(self.at_most(text)) * u128::from(HEAVY) >= u128::from(rows)
    }
    /// What a second pass counted.
    pub fn set_heavy(&mut self, counted: Table<Box<str>>, rows: u64) {
        if let Held::Sketch { heavy, .. } = &mut self.held {
            *heavy = counted;
            heavy.retain(|_, n| u128::from(*n) * u128::from(HEAVY) >= u128::from(rows));
        }
    }
    /// The most frequent texts, most frequent first: (text, at least, at most).
    pub fn top(&self, n: usize) -> Vec<(&str, u64, u64)> {
        let mut all: Vec<(&str, u64, u64)> = self.known().iter().map(|(t, c)| (t.as_ref(), *c, self.at_most(t).max(*c))).collect();
        all.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all.truncate(n);
        all
    }
}

mod by_text {
    use super::Table;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(table: &Table<Box<str>>, s: S) -> Result<S::Ok, S::Error> {
        let mut all: Vec<(&str, u64)> = table.iter().map(|(t, n)| (t.as_ref(), *n)).collect();
        all.sort_unstable();
        all.serialize(s)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Table<Box<str>>, D::Error> {
        let mut table = Table::default();
        for (text, n) in Vec::<(Box<str>, u64)>::deserialize(d)? {
            if n == 0 || table.insert(text, n).is_some() {
                return Err(serde::de::Error::custom("these are not the counts of distinct texts"));
            }
        }
        Ok(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of<'a>(texts: impl IntoIterator<Item = &'a str>, most: usize) -> Categories {
        let mut c = Categories::new(most);
        texts.into_iter().for_each(|t| c.add(t, 1));
        c
    }

    #[test]
    fn few_texts_are_counted_exactly() {
        let c = of(["b", "a", "b", ""], 3);
        assert_eq!(c.counts(), Some(vec![("", 1), ("a", 1), ("b", 2)]));
        assert_eq!(c.top(1), [("b", 2, 2)]);
        assert!(!c.may_be_heavy("b", 4));
    }

    #[test]
    fn long_texts_are_not_held() {
        let long: Vec<String> = (0..30).map(|i| format!("{i}{}", "x".repeat(BYTES / 20))).collect();
        assert!(!of(long.iter().map(String::as_str), 1000).is_exact());
    }

    /// 20,000 rare texts and three frequent ones: the sketch is off by at most 0.27% for nearly all, never
    /// below the truth, and rules out all but a few.
    #[test]
    fn the_stated_error_of_the_sketch_holds() {
        let rare: Vec<String> = (0..20_000).map(|i| format!("rare {i}")).collect();
        let mut c = of(rare.iter().map(String::as_str), 50);
        for (text, n) in [("first", 4_000), ("second", 1_000), ("third", 260)] {
            c.add(text, n);
        }
        let rows = c.size().unwrap();
        assert_eq!(rows, 25_260);
        let bound = rows as f64 * std::f64::consts::E / WIDTH as f64;
        let off = rare.iter().filter(|t| c.at_most(t) as f64 - 1.0 > bound).count();
        assert!(off as f64 <= 0.018 * 20_000.0, "{off}");
        assert!(["first", "second", "third"].iter().all(|t| c.may_be_heavy(t, rows)));
        assert!(c.at_most("first") >= 4_000 && c.at_most("rare 7") >= 1);
        assert!(rare.iter().filter(|t| c.may_be_heavy(t, rows)).count() < 40);
        assert!((c.distinct() / 20_003.0 - 1.0).abs() < 0.065);
        let counted: Table<Box<str>> = [("first", 4_000), ("third", 260), ("rare 1", 1)].map(|(t, n)| (t.into(), n)).into_iter().collect();
        c.set_heavy(counted, rows);
        assert_eq!(c.top(9).iter().map(|t| t.0).collect::<Vec<_>>(), ["first", "third"]);
    }

    #[test]
    fn hash_cells_of_exact_and_of_sketched_texts_agree() {
        let texts: Vec<String> = (0..90).map(|i| format!("t{}", i % 40)).collect();
        let texts = || texts.iter().map(String::as_str);
        assert_eq!(of(texts(), 100).hashed(), of(texts(), 10).hashed());
    }

    proptest! {
        #[test]
        fn no_order_and_no_split_changes_a_sketch(mut texts in proptest::collection::vec("[a-e]{0,2}", 0..100), at in 0_usize..100, most in 0_usize..40) {
            let whole = of(texts.iter().map(String::as_str), most);
            let (a, b) = texts.split_at(at.min(texts.len()));
            let mut parts = Categories::new(most);
            parts.merge(of(b.iter().map(String::as_str), most));
            parts.merge(of(a.iter().map(String::as_str), most));
            let text = serde_json::to_string(&whole).unwrap();
            prop_assert_eq!(&serde_json::to_string(&parts).unwrap(), &text);
            let back: Categories = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&serde_json::to_string(&back).unwrap(), &text);
            texts.reverse();
            prop_assert_eq!(&serde_json::to_string(&of(texts.iter().map(String::as_str), most)).unwrap(), &text);
        }
    }
}
