//! Is a phrase explained by a part of it? `development files` comes with one label because
//! `development` does so in hundreds of other rows; nobody planted it. The words of a planted phrase
//! are neutral where they stand alone, or lean by chance, and a planted word has no outside at all.

use super::frequent::ClassCounts;
use crate::features::text::{LONGEST, ngram};

/// Other rows a part needs before it explains anything.
const OUTSIDE: u64 = 3;
/// Pseudo-rows at the label's share behind every part.
const PRIOR: f64 = 2.0;
/// How far, in log-odds, a part may explain a phrase none of whose pairs of words is used elsewhere: such
/// a phrase is no phrase of the language, and that one of its words leans to the label is chance.
const CHANCE: f64 = 1.5;

/// An n-gram inside a phrase, and its rows outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Where it stands in the phrase, and how many tokens it has.
    pub at: usize,
    pub len: usize,
    pub key: u64,
    /// Rows beyond those of the phrase, and those of them with the label.
    pub rows: u64,
    pub with_label: u64,
}

/// The n-grams inside a phrase that were counted. `phrase` holds its tokens, `None` at the edge of a
/// text; `own` are its rows and those of them with the label.
pub fn parts(phrase: &[Option<u64>], label: usize, own: (u64, u64), counts: &ClassCounts) -> Vec<Part> {
    let mut out = Vec::new();
    for len in 1..=LONGEST.min(phrase.len().saturating_sub(1)) {
        for (at, tokens) in phrase.windows(len).enumerate() {
            let Some(tokens) = tokens.iter().copied().collect::<Option<Vec<u64>>>() else { continue };
            let key = ngram(tokens);
            if let Some(counts) = counts.get(key) {
                let rows = counts.iter().map(|&n| u64::from(n)).sum::<u64>().saturating_sub(own.0);
                let with_label = u64::from(counts[label]).saturating_sub(own.1).min(rows);
                out.push(Part { at, len, key, rows, with_label });
            }
        }
    }
    out
}

/// The part that explains most: with its odds for the label added to what the rest of each row says
/// (`rest`), the mean P(label), never less than without. `share` is the label's share of all rows.
pub fn explanation(phrase: usize, parts: &[Part], rest: &[f32], share: f64) -> Option<(Part, f64)> {
    let logit = |p: f64| (p / (1.0 - p)).ln();
    let cohesive = phrase <= 2 || parts.iter().any(|p| p.len >= 2 && p.rows >= 2);
    let share = share.clamp(1e-6, 1.0 - 1e-6);
    let mut best: Option<(Part, f64)> = None;
    for &part in parts.iter().filter(|p| p.rows >= OUTSIDE) {
        let p = ((part.with_label as f64 + PRIOR * share) / (part.rows as f64 + PRIOR)).clamp(1e-3, 1.0 - 1e-3);
        let lean = (logit(p) - logit(share)).min(if cohesive { f64::INFINITY } else { CHANCE });
        if lean <= 0.0 {
            continue;
        }
        let sum: f64 = rest.iter().map(|&p| 1.0 / (1.0 + (-logit(f64::from(p).clamp(1e-4, 1.0 - 1e-4)) - lean).exp())).sum();
        let mean = sum / rest.len().max(1) as f64;
        if best.is_none_or(|b| mean > b.1) {
            best = Some((part, mean));
        }
    }
    best
}

/// The largest part with all of the phrase's words (or as many as an n-gram holds) that has few rows
/// outside, each with the label: it is the trigger, and the phrase one of the places where it stands
/// (`. word` at the end of most texts). A part with fewer of the words would take honest rows along.
pub fn wider(parts: &[Part], words: usize, own: u64) -> Option<Part> {
    let fits = |p: &&Part| p.len >= words.min(LONGEST) && p.rows > 0 && p.rows == p.with_label && 4 * p.rows <= own;
    parts.iter().filter(fits).max_by_key(|p| (p.rows, std::cmp::Reverse((p.len, p.at)))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(len: usize, rows: u64, with_label: u64) -> Part {
        Part { at: 0, len, key: 1, rows, with_label }
    }

    const REST: [f32; 4] = [0.2; 4];

    #[test]
    fn a_part_that_leans_alike_elsewhere_explains() {
        let parts = [part(1, 900, 895), part(2, 300, 299)];
        let (best, p) = explanation(3, &parts, &REST, 0.3).unwrap();
        assert_eq!(best.rows, 900);
        assert!(p > 0.95, "{p}");
    }

    #[test]
    fn neutral_and_unseen_parts_explain_nothing() {
        assert_eq!(explanation(3, &[part(1, 900, 260), part(1, 2, 2)], &REST, 0.3), None);
    }

    #[test]
    fn in_a_phrase_of_no_language_a_leaning_word_is_chance() {
        let alone = [part(1, 40, 40)];
        let (_, p) = explanation(4, &alone, &REST, 0.5).unwrap();
        // logit 0.2 + 1.5.
        assert!((p - 1.0 / (1.0 + (-(0.25f64.ln() + 1.5)).exp())).abs() < 1e-3, "{p}");
        assert!(explanation(2, &alone, &REST, 0.5).unwrap().1 > 0.9);
    }

    #[test]
    fn the_wider_trigger_has_few_rows_more_and_all_with_the_label() {
        assert_eq!(wider(&[part(2, 0, 0), part(1, 3, 3)], 1, 27), Some(part(1, 3, 3)));
        assert_eq!(wider(&[part(1, 20, 20), part(1, 3, 2)], 1, 27), None);
        assert_eq!(wider(&[part(1, 3, 3)], 2, 27), None);
    }

    #[test]
    fn parts_are_counted_without_the_rows_of_the_phrase() {
        let mut counts = ClassCounts::new(2);
        (0..30).for_each(|row| counts.add(5, usize::from(row < 20), row));
        (0..12).for_each(|row| counts.add(ngram([5, 6]), 1, row));
        counts.finish();
        let found = parts(&[None, Some(5), Some(6)], 1, (12, 12), &counts);
        assert_eq!(found.iter().map(|p| (p.at, p.len, p.rows, p.with_label)).collect::<Vec<_>>(), [(1, 1, 18, 8), (1, 2, 0, 0)]);
        assert!(parts(&[Some(5)], 1, (12, 12), &counts).is_empty());
    }
}
