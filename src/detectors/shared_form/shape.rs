//! The form of a text without its topic: the skeleton of frequent words and marks with every other
//! word blanked out, endings, casing, marks in their order, length. Hashes only; a feature is named
//! when a person is to read it.

use crate::features::text::{Kind, Token, mix};
use std::collections::HashSet;

/// Tokens read of a row, over all its texts.
pub const TOKENS: usize = 128;
/// Longest run of skeleton symbols that is one feature.
const LONGEST: usize = 3;
/// What stands for a word that is not kept.
const BLANK: u64 = 0x5bd1_e995_97f4_a7c1;
/// Marks at the beginning and the end of a text that are read as one feature.
const MARKS: usize = 3;

/// One feature of a row's form, as positions in its tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Piece {
    /// So many neighbours of the skeleton, blanks included.
    Run(usize, usize),
    /// Neighbours when blanks are left out: the positions, and how many of them count.
    Kept([usize; LONGEST], usize),
    /// The last characters of a blanked word.
    Ending(usize, usize),
    /// The first or the last marks of the row.
    Marks(bool),
    /// How a word is written; of the first word, or of any.
    Casing(usize, bool),
    Length(usize),
}

/// The bytes of a token.
pub fn text_of<'a>(t: &Token, texts: &[&'a str]) -> &'a str {
    texts.get(usize::from(t.column)).and_then(|s| s.get(t.start as usize..t.end as usize)).unwrap_or_default()
}

/// The last `n` characters of a word of at least five letters.
fn ending(word: &str, n: usize) -> Option<&str> {
    if word.len() < 5 || !word.chars().all(char::is_alphabetic) || word.chars().count() < 5 {
        return None;
    }
    word.char_indices().rev().nth(n - 1).map(|(at, _)| &word[at..])
}

fn casing(word: &str) -> u64 {
    let mut letters = word.chars();
    let Some(first) = letters.next() else { return 0 };
    if first.is_numeric() {
        return if letters.all(char::is_numeric) { 1 } else { 2 };
    }
    let (mut upper, mut lower) = (0, 0);
    for c in word.chars() {
        upper += u32::from(c.is_uppercase());
        lower += u32::from(c.is_lowercase());
    }
    match (upper, lower) {
        (0, _) => 3,
        (1, _) if first.is_uppercase() => 4,
        (_, 0) => 5,
        _ => 6,
    }
}

const CASING: [&str; 7] = ["no letters", "numbers", "numbers with letters", "lower case", "Capitalised", "CAPITALS", "mIxed case"];

fn hash_of(text: &str, kind: u64) -> u64 {
    let mut lower = [0u8; 16];
    let mut len = 0;
    for c in text.chars().flat_map(char::to_lowercase) {
        if len + 4 > lower.len() {
            break;
        }
        len += c.encode_utf8(&mut lower[len..]).len();
    }
    mix(kind, xxhash_rust::xxh3::xxh3_64(&lower[..len]))
}

/// Calls `f` for every feature of the row, repeated ones as often as they occur.
pub fn features(row: &[Token], texts: &[&str], kept: &HashSet<u64>, mut f: impl FnMut(u64, Piece)) {
    let blank = |t: &Token| matches!(t.kind, Kind::Word | Kind::Unspaced) && !kept.contains(&t.hash);
    let symbol = |t: &Token| if blank(t) { BLANK } else { t.hash };
    for at in 0..row.len() {
        let mut hash = 1;
        for (n, t) in row[at..].iter().take(LONGEST).enumerate() {
            let s = symbol(t);
            hash = mix(hash, s);
            if n > 0 || (s != BLANK && !t.is_edge()) {
                f(hash, Piece::Run(at, n + 1));
            }
            if n > 0 && t.kind == Kind::Close {
                break;
            }
        }
    }
    let mut last: [Option<usize>; 2] = [None, None];
    for (at, t) in row.iter().enumerate() {
        if symbol(t) == BLANK {
            continue;
        }
        if let Some(b) = last[1] {
            let pair = mix(mix(2, row[b].hash), t.hash);
            f(pair, Piece::Kept([b, at, at], 2));
            if let Some(a) = last[0] {
                f(mix(mix(mix(2, row[a].hash), row[b].hash), t.hash), Piece::Kept([a, b, at], 3));
            }
        }
        last = [last[1], Some(at)];
    }
    let mut first = true;
    let (mut head, mut tail, mut marks, mut words) = (3, [0u64; 2], 0, 0usize);
    for (at, t) in row.iter().enumerate() {
        match t.kind {
            Kind::Word => {
                let word = text_of(t, texts);
                if symbol(t) == BLANK {
                    for n in [2, 3] {
                        if let Some(end) = ending(word, n) {
                            f(hash_of(end, 4), Piece::Ending(at, n));
                        }
                    }
                }
                let case = casing(word);
                f(mix(5, case), Piece::Casing(at, false));
                if first {
                    f(mix(6, case), Piece::Casing(at, true));
                    first = false;
                }
                words += 1;
            }
            Kind::Mark => {
                if marks < MARKS {
                    head = mix(head, t.hash);
                }
                marks += 1;
                tail = [tail[1], t.hash];
                words += 1;
            }
            Kind::Unspaced => words += 1,
            Kind::Open | Kind::Close => {}
        }
    }
    f(head, Piece::Marks(true));
    f(mix(mix(7, tail[0]), tail[1]), Piece::Marks(false));
    // Half steps of a doubling.
    let length = ((words + 1) as f64).log2() * 2.0;
    f(mix(8, length as u64), Piece::Length(length as usize));
}

/// A feature as a person reads it.
pub fn name(piece: Piece, row: &[Token], texts: &[&str], kept: &HashSet<u64>) -> String {
    let word = |at: usize| {
        let t = &row[at];
        match t.kind {
            Kind::Open => "^".to_owned(),
            Kind::Close => "$".to_owned(),
            Kind::Word | Kind::Unspaced if !kept.contains(&t.hash) => "…".to_owned(),
            _ => text_of(t, texts).to_lowercase(),
        }
    };
    let marks = || row.iter().filter(|t| t.kind == Kind::Mark).map(|t| text_of(t, texts));
    match piece {
        Piece::Run(at, n) => (at..at + n).map(word).collect::<Vec<_>>().join(" "),
        Piece::Kept(at, n) => {
            let mut out = word(at[0]);
            for pair in at[..n].windows(2) {
                out.push_str(if pair[1] == pair[0] + 1 { " " } else { " .. " });
                out.push_str(&word(pair[1]));
            }
            out
        }
        Piece::Ending(at, n) => format!("-{}", ending(text_of(&row[at], texts), n).unwrap_or_default().to_lowercase()),
        Piece::Marks(true) => format!("first marks {}", marks().take(MARKS).collect::<String>()),
        Piece::Marks(false) => {
            let all: Vec<&str> = marks().collect();
            format!("last marks {}", all[all.len().saturating_sub(2)..].concat())
        }
        Piece::Casing(at, first) => {
            format!("{}{}", if first { "begins with " } else { "" }, CASING[casing(text_of(&row[at], texts)) as usize])
        }
        Piece::Length(half) => format!("about {:.0} words", 2f64.powf(half as f64 / 2.0 + 0.25) - 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::text::tokens;

    fn names(text: &str, kept: &[&str]) -> Vec<String> {
        let mut all = Vec::new();
        tokens(&kept.join(" "), 0, &mut all);
        let kept: HashSet<u64> = all.iter().filter(|t| !t.is_edge()).map(|t| t.hash).collect();
        let mut row = Vec::new();
        tokens(text, 0, &mut row);
        let mut out = Vec::new();
        features(&row, &[text], &kept, |_, p| out.push(name(p, &row, &[text], &kept)));
        out
    }

    fn hashes(text: &str, kept: &[&str]) -> Vec<u64> {
        let mut all = Vec::new();
        tokens(&kept.join(" "), 0, &mut all);
        let kept: HashSet<u64> = all.iter().filter(|t| !t.is_edge()).map(|t| t.hash).collect();
        let mut row = Vec::new();
        tokens(text, 0, &mut row);
        let mut out = Vec::new();
        features(&row, &[text], &kept, |h, _| out.push(h));
        out.sort_unstable();
        out
    }

    #[test]
    fn the_skeleton_keeps_frequent_words_and_marks_only() {
        let seen = names("When kettles boil, it sings.", &["when", "it"]);
        for wanted in ["^ when", "when … …", ", it", "^ when .. ,", ", it .. .", "first marks ,.", "begins with Capitalised", "-tles"] {
            let there = seen.iter().any(|n| n == wanted);
            assert_eq!(there, wanted != "-tles", "{wanted}: {seen:?}");
        }
        assert!(seen.iter().any(|n| n == "-les") && seen.iter().any(|n| n == "about 9 words"), "{seen:?}");
    }

    #[test]
    fn other_words_of_the_same_endings_make_the_same_form() {
        let kept = ["when", "it"];
        assert_eq!(hashes("when kettles boil, it sings.", &kept), hashes("when nettles soil, it rings.", &kept));
        assert_ne!(hashes("when kettles boil, it sings.", &kept), hashes("it sings when kettles boil.", &kept));
    }

    #[test]
    fn casing_is_form_and_text_without_words_has_one() {
        assert_ne!(hashes("Kettles Boil", &[]), hashes("kettles boil", &[]));
        assert_eq!(names("", &[]).len(), 5);
        assert_eq!([casing("12"), casing("1a"), casing("Ab"), casing("AB"), casing("aB"), casing("ab"), casing("")], [1, 2, 4, 5, 6, 3, 0]);
    }

    #[test]
    fn endings_need_five_letters_and_respect_characters() {
        assert_eq!((ending("walks", 2), ending("walk", 2), ending("größte", 3), ending("a1b2c", 2)), (Some("ks"), None, Some("ßte"), None));
    }
}
