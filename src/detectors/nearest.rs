//! Rows that resemble those of a suspect group and have another label: what a person compares a group
//! with. It is evidence for the reader and decides nothing.

use super::frequent::HashedMap;
use serde::{Deserialize, Serialize};

/// Neighbours of a group, and rows of it that look for them.
pub const SHOWN: usize = 3;
pub const SEEKERS: usize = 8;
/// Characters of a neighbour that are kept.
const EXCERPT: usize = 100;
/// A feature of more rows of the sample says nothing about likeness, and would cost the most.
const COMMON: f64 = 0.1;
/// Weight that must be shared: below, nothing in the sample is alike.
const LEAST: f64 = 0.15;

/// A row of the sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub class: u32,
    pub features: Vec<u32>,
    /// How it begins.
    pub text: Box<str>,
}

/// How a text begins, on one line.
pub fn excerpt(text: &str) -> Box<str> {
    let mut out = String::with_capacity(EXCERPT + 3);
    let mut chars = text.split_whitespace().flat_map(|w| std::iter::once(' ').chain(w.chars())).skip(1);
    out.extend(chars.by_ref().take(EXCERPT));
    if chars.next().is_some() {
        out.push('…');
    }
    out.into()
}

/// Rows per feature.
#[derive(Debug, Clone, Default)]
pub struct Nearest {
    rows: Vec<Row>,
    lists: HashedMap<Vec<u32>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Neighbour {
    pub class: u32,
    pub text: Box<str>,
    /// Part of the weight (inverse frequency) of the group's row that it has too.
    pub shared: f64,
}

impl Nearest {
    pub fn of(rows: Vec<Row>) -> Self {
        let mut lists: HashedMap<Vec<u32>> = HashedMap::default();
        for (i, row) in (0u32..).zip(&rows) {
            row.features.iter().for_each(|&f| lists.entry(u64::from(f)).or_default().push(i));
        }
        let most = (COMMON * rows.len() as f64) as usize;
        lists.retain(|_, l| l.len() <= most.max(1));
        Nearest { rows, lists }
    }

    /// In thousandths, so that sums do not depend on the order; 0 for common features.
    fn weight(&self, rows: usize) -> u64 {
        (1024.0 * ((self.rows.len() + 1) as f64 / (rows + 1) as f64).ln()).round() as u64
    }

    /// The rows most like any of these hosts (sorted features), without those of the class and those that have all
    /// of `own`, the features of the suspect itself.
    pub fn to(&self, hosts: &[&[u32]], class: u32, own: &[u32]) -> Vec<Neighbour> {
        let mut best: Vec<(u64, u64, u32)> = Vec::new();
        let mut sums: HashedMap<u64> = HashedMap::default();
        for host in hosts.iter().take(SEEKERS) {
            sums.clear();
            let mut total = 0;
            for &f in *host {
                let Some(list) = self.lists.get(&u64::from(f)) else { continue };
                let weight = self.weight(list.len());
                total += weight;
                list.iter().for_each(|&i| *sums.entry(u64::from(i)).or_default() += weight);
            }
            let fits = |i: u32| {
                let row = &self.rows[i as usize];
                row.class != class && (own.is_empty() || !own.iter().all(|f| row.features.binary_search(f).is_ok()))
            };
            let least = (LEAST * total as f64) as u64;
            best.extend(sums.iter().map(|(&i, &s)| (s, total, i as u32)).filter(|b| b.0 > least && fits(b.2)));
            // a/b > c/d without division; the sample's order decides ties.
            best.sort_unstable_by(|x, y| (y.0 * x.1).cmp(&(x.0 * y.1)).then(x.2.cmp(&y.2)));
            best.dedup_by_key(|b| b.2);
            best.truncate(4 * SHOWN);
        }
        let mut out: Vec<Neighbour> = Vec::new();
        for (shared, total, i) in best {
            let row = &self.rows[i as usize];
            if out.len() < SHOWN && out.iter().all(|n| n.text != row.text) {
                out.push(Neighbour { class: row.class, text: row.text.clone(), shared: shared as f64 / total as f64 });
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(class: u32, features: &[u32], text: &str) -> Row {
        Row { class, features: features.to_vec(), text: text.into() }
    }
    fn sample() -> Nearest {
        let mut rows: Vec<Row> = (0..200).map(|i| row(i % 2, &[1, 100 + i, 1000 + i], "other")).collect();
        rows.push(row(0, &[1, 5, 6, 7], "near"));
        rows.push(row(0, &[1, 5, 6, 9, 50], "with the suspect"));
        rows.push(row(1, &[1, 5, 6, 7], "same label"));
        rows.push(row(0, &[1, 7, 11, 12], "less near"));
        Nearest::of(rows)
    }

    #[test]
    fn the_nearest_rows_of_other_labels_come_first_and_rows_with_the_suspect_never() {
        let host: &[u32] = &[1, 5, 6, 7, 8];
        let found = sample().to(&[host], 1, &[50]);
        assert_eq!(found.iter().map(|n| &*n.text).collect::<Vec<_>>(), ["near", "less near"]);
        assert!(found[0].class == 0 && found[0].shared > 0.99 && found[1].shared < 0.5);
    }

    #[test]
    fn common_features_make_no_neighbours() {
        assert_eq!(sample().to(&[&[1, 77]], 1, &[]), []);
        assert_eq!(Nearest::default().to(&[&[1]], 0, &[]), []);
    }

    #[test]
    fn copies_are_shown_once() {
        let mut rows: Vec<Row> = (0..60).map(|i| row(0, &[100 + i], "x")).collect();
        rows.extend((0..5).map(|_| row(0, &[3, 4], "copy")));
        assert_eq!(Nearest::of(rows).to(&[&[3, 4]], 1, &[]).len(), 1);
    }

    #[test]
    fn an_excerpt_is_one_short_line() {
        assert_eq!(&*excerpt(" a\n b\t\u{e9} "), "a b \u{e9}");
        let long = excerpt(&"ab ".repeat(200));
        assert!(long.chars().count() == EXCERPT + 1 && long.ends_with('…'));
    }
}
