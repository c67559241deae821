//! The shape that all values of a text column share, as a pattern for a first contract: a well-known
//! one (a UUID, an address), or runs of digits and letters between the same punctuation (`AB-1234`).
//! Prose has none and is given up at its second value. Parts merge in any order to the same shape.

use regex::RegexSet;
use std::sync::LazyLock;

/// Runs of a value, at most; longer ones are prose or data.
const MAX_RUNS: usize = 16;
/// With fewer values, what they share may be chance.
pub const FEWEST: u64 = 20;
/// From so many values on, a run that always has one length is taken to have it by rule.
const SURE: u64 = 200;

/// What a well-known kind of text looks like, the most telling first. The pattern that is written is
/// the one that was tested.
const KNOWN: [(&str, &str); 5] = [
    ("a UUID", r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"),
    ("an IPv4 address", r"^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$"),
    ("an e-mail address", r"^[^@\s]+@[^@\s]+\.[^@\s]+$"),
    ("a web address", r"^https?://[^\s]+$"),
    ("hexadecimal digits", r"^[0-9a-f]{16,}$"),
];

static SET: LazyLock<RegexSet> = LazyLock::new(|| RegexSet::new(KNOWN.map(|(_, p)| p)).expect("the patterns above compile"));

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Digits,
    Lower,
    Upper,
    /// One character that stands for itself.
    Mark(char),
}

/// A run: its class and the shortest and longest that was seen.
type Run = (Class, u32, u32);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    values: u64,
    /// Bit `i`: every value is a `KNOWN[i]`.
    known: u8,
    /// `None`: the values have no common runs.
    runs: Option<Vec<Run>>,
}

/// `None` for text that no shape describes: long, not ASCII, blank.
fn runs(text: &str) -> Option<Vec<Run>> {
    let mut out: Vec<Run> = Vec::new();
    for c in text.chars() {
        let class = match c {
            '0'..='9' => Class::Digits,
            'a'..='z' => Class::Lower,
            'A'..='Z' => Class::Upper,
            c if c.is_ascii_graphic() => Class::Mark(c),
            _ => return None,
        };
        if let Some((last, min, max)) = out.last_mut()
            && *last == class
        {
            (*min, *max) = (*min + 1, *max + 1);
            continue;
        }
        if out.len() == MAX_RUNS {
            return None;
        }
        out.push((class, 1, 1));
    }
    (!out.is_empty()).then_some(out)
}

fn join(a: Option<Vec<Run>>, b: Option<Vec<Run>>) -> Option<Vec<Run>> {
    let (mut a, b) = (a?, b?);
    if a.len() != b.len() || a.iter().zip(&b).any(|(x, y)| x.0 != y.0) {
        return None;
    }
    for (x, y) in a.iter_mut().zip(&b) {
        (x.1, x.2) = (x.1.min(y.1), x.2.max(y.2));
    }
    Some(a)
}

impl Shape {
    pub fn observe(&mut self, text: &str) {
        let first = self.values == 0;
        self.values += 1;
        if first || self.known != 0 {
            let hits = SET.matches(text).iter().fold(0, |mask, i| mask | 1 << i);
            self.known = if first { hits } else { self.known & hits };
        }
        if first {
            self.runs = runs(text);
        } else if self.runs.is_some() {
            self.runs = join(self.runs.take(), runs(text));
        }
    }

    pub fn merge(&mut self, other: Shape) {
        if self.values == 0 {
            *self = other;
        } else if other.values > 0 {
            self.values += other.values;
            self.known &= other.known;
            self.runs = join(self.runs.take(), other.runs);
        }
    }

    /// A pattern that every value matches, and what it is called. `None` where there is none worth
    /// writing: too few values, or nothing in common.
    pub fn pattern(&self) -> Option<(String, Option<&'static str>)> {
        if self.values < FEWEST {
            return None;
        }
        if let Some((name, pattern)) = KNOWN.iter().enumerate().find(|(i, _)| self.known & (1 << i) != 0).map(|(_, k)| k) {
            return Some(((*pattern).to_owned(), Some(name)));
        }
        let runs = self.runs.as_ref()?;
        let mut out = String::from("^");
        for (class, min, max) in runs {
            match class {
                Class::Digits => out.push_str("[0-9]"),
                Class::Lower => out.push_str("[a-z]"),
                Class::Upper => out.push_str("[A-Z]"),
                Class::Mark(c) => out.push_str(&regex::escape(&c.to_string())),
            }
            match (min, max) {
                (1, 1) if matches!(class, Class::Mark(_)) || self.values >= SURE => {}
                (a, b) if a == b && self.values >= SURE => out.push_str(&format!("{{{a}}}")),
                _ => out.push('+'),
            }
        }
        out.push('$');
        Some((out, None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: impl IntoIterator<Item = String>) -> Shape {
        let mut shape = Shape::default();
        values.into_iter().for_each(|v| shape.observe(&v));
        shape
    }
    fn pattern(values: impl IntoIterator<Item = String>) -> Option<String> {
        of(values).pattern().map(|p| p.0)
    }

    #[test]
    fn codes_have_the_shape_of_their_runs() {
        assert_eq!(pattern((0..300).map(|i| format!("AB-{:04}", i))).as_deref(), Some(r"^[A-Z]{2}\-[0-9]{4}$"));
        assert_eq!(pattern((0..300).map(|i| format!("user{i}"))).as_deref(), Some("^[a-z]{4}[0-9]+$"));
        assert_eq!(pattern((0..30).map(|i| format!("AB-{:04}", i))).as_deref(), Some(r"^[A-Z]+\-[0-9]+$"));
    }

    #[test]
    fn well_known_kinds_are_named() {
        let named = |v: Vec<String>| of(v).pattern().and_then(|p| p.1);
        assert_eq!(named((0..50).map(|i| format!("{i:08x}-0000-4000-8000-{i:012X}")).collect()), Some("a UUID"));
        assert_eq!(named((0..50).map(|i| format!("a{i}@example.org")).collect()), Some("an e-mail address"));
        assert_eq!(named((0..50).map(|i| format!("https://example.org/{i}?q=a b").replace(' ', "+")).collect()), Some("a web address"));
        assert_eq!(named((0..50).map(|i| format!("10.0.0.{i}")).collect()), Some("an IPv4 address"));
        assert_eq!(named((0..50).map(|i| format!("{:032x}", i * 7_919)).collect()), Some("hexadecimal digits"));
    }

    #[test]
    fn prose_and_few_values_have_none() {
        assert_eq!(pattern((0..100).map(|i| format!("the word {i}"))), None);
        assert_eq!(pattern((0..19).map(|i| format!("AB-{i:04}"))), None);
        assert_eq!(pattern((0..100).map(|i| if i == 50 { String::new() } else { "a".into() })), None);
        assert_eq!(pattern((0..100).map(|i| if i % 2 == 0 { "a1".into() } else { "1a".into() })), None);
    }

    proptest! {
        #[test]
        fn every_value_matches_the_pattern_of_all(values in proptest::collection::vec("[a-c]{1,3}[-.][0-9]{1,3}|[0-9]{1,2}|\\PC{0,4}", 20..60)) {
            if let Some((pattern, _)) = of(values.iter().cloned()).pattern() {
                let regex = regex::Regex::new(&pattern).expect("a pattern of ours");
                prop_assert!(values.iter().all(|v| regex.is_match(v)), "{pattern}");
            }
        }
        #[test]
        fn parts_merge_to_the_whole(values in proptest::collection::vec("[a-b]{1,2}-?[0-9]{1,2}", 1..40), cut in any::<proptest::sample::Index>()) {
            let at = cut.index(values.len());
            let mut right = of(values[at..].iter().cloned());
            right.merge(of(values[..at].iter().cloned()));
            prop_assert_eq!(right, of(values));
        }
    }
}
