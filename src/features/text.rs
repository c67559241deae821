//! Text into tokens and n-grams, as hashes with byte spans; no string is made per token.
//!
//! A token is a run of letters, digits and marks, lower-cased; or one other visible character
//! (punctuation, emoji, an invisible character); or one character of a script written without
//! spaces. Canonically different spellings stay different on purpose: a trigger may hide in them.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};
use xxhash_rust::xxh3::xxh3_64_with_seed;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub hash: u64,
    /// Bytes in its column's text; both 0 for the marks that open and close a text.
    pub start: u32,
    pub end: u32,
    /// Which of the rule's text columns.
    pub column: u16,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Word,
    Mark,
    /// A character of a script without spaces.
    Unspaced,
    Open,
    Close,
}

impl Token {
    pub fn is_edge(&self) -> bool {
        matches!(self.kind, Kind::Open | Kind::Close)
    }
}

/// The longest n-gram that is counted; longer phrases are grown from these.
pub const LONGEST: usize = 3;

const SEED: u64 = 0x7461_7374_6572;
const OPEN: u64 = 0x9e37_79b9_7f4a_7c15;
const CLOSE: u64 = 0xc2b2_ae3d_27d4_eb4f;

/// Whether this is the lower half of the hash of a mark that opens or closes a text.
pub fn is_edge_hash(hash: u32) -> bool {
    hash == OPEN as u32 || hash == CLOSE as u32
}

/// Mixes two hashes; the order matters.
pub fn mix(a: u64, b: u64) -> u64 {
    let x = u128::from(a ^ 0xa076_1d64_78bd_642f) * u128::from(b.rotate_left(23) ^ 0xe703_7ed1_a0b4_28db);
    (x as u64) ^ ((x >> 64) as u64)
}

/// Han, kana and the scripts of mainland South-East Asia and Tibet.
fn is_unspaced(c: char) -> bool {
    matches!(c as u32,
        0x0e00..=0x0eff | 0x0f00..=0x0fff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x19e0..=0x19ff | 0x1a20..=0x1aaf
        | 0x3005..=0x3007 | 0x3040..=0x30ff | 0x31f0..=0x31ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff
        | 0xa9e0..=0xa9ff | 0xaa60..=0xaa7f | 0xf900..=0xfaff | 0xff66..=0xff9f | 0x2_0000..=0x3_ffff)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c.general_category_group() == GeneralCategoryGroup::Mark
}

/// Lower-cased bytes of the word being read; longer words are hashed block by block.
struct Word {
    bytes: [u8; 128],
    len: usize,
    hash: u64,
}

impl Word {
    fn push(&mut self, c: char) {
        if self.len + 4 > self.bytes.len() {
            self.hash = mix(self.hash, xxh3_64_with_seed(&self.bytes[..self.len], SEED));
            self.len = 0;
        }
        self.len += c.encode_utf8(&mut self.bytes[self.len..]).len();
    }
    fn take(&mut self) -> u64 {
        let hash = mix(self.hash, xxh3_64_with_seed(&self.bytes[..self.len], SEED));
        (self.len, self.hash) = (0, SEED);
        hash
    }
}

/// Appends the tokens of one text, between an opening and a closing mark. Texts past 4 GiB are cut.
pub fn tokens(text: &str, column: u16, out: &mut Vec<Token>) {
    let edge = |hash, kind| Token { hash, start: 0, end: 0, column, kind };
    out.push(edge(OPEN, Kind::Open));
    let mut word = Word { bytes: [0; 128], len: 0, hash: SEED };
    let mut start = None;
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len().min(u32::MAX as usize) {
        let b = bytes[at];
        let (c, len) = if b < 0x80 {
            (b as char, 1)
        } else {
            let c = text[at..].chars().next().unwrap_or('\u{fffd}');
            (c, c.len_utf8())
        };
        let (inside, unspaced) = if b < 0x80 { (b.is_ascii_alphanumeric(), false) } else { (is_word(c), is_unspaced(c)) };
        if inside && !unspaced {
            start.get_or_insert(at);
            if b < 0x80 {
                word.push(b.to_ascii_lowercase() as char);
            } else {
                c.to_lowercase().for_each(|l| word.push(l));
            }
        } else {
            if let Some(from) = start.take() {
                out.push(Token { hash: word.take(), start: from as u32, end: at as u32, column, kind: Kind::Word });
            }
            if unspaced || !c.is_whitespace() {
                word.push(c);
                let kind = if unspaced { Kind::Unspaced } else { Kind::Mark };
                out.push(Token { hash: word.take(), start: at as u32, end: (at + len) as u32, column, kind });
            }
        }
        at += len;
    }
    if let Some(from) = start {
        out.push(Token { hash: word.take(), start: from as u32, end: at as u32, column, kind: Kind::Word });
    }
    out.push(edge(CLOSE, Kind::Close));
}

/// Calls `f(position, length, hash)` for every 1- to [`LONGEST`]-gram inside one text. The opening
/// and closing marks take part in the longer ones (so "first word" and "last word" are n-grams)
/// but are none by themselves.
pub fn ngrams(tokens: &[Token], mut f: impl FnMut(usize, usize, u64)) {
    for at in 0..tokens.len() {
        let first = tokens[at];
        if !first.is_edge() {
            f(at, 1, first.hash);
        }
        if first.kind == Kind::Close {
            continue;
        }
        let mut hash = first.hash;
        for (extra, token) in tokens[at + 1..].iter().take(LONGEST - 1).enumerate() {
            hash = mix(hash, token.hash);
            f(at, extra + 2, hash);
            if token.kind == Kind::Close {
                break;
            }
        }
    }
}

/// Hash of `tokens` as one n-gram: what [`ngrams`] gives for that stretch.
pub fn ngram(tokens: impl IntoIterator<Item = u64>) -> u64 {
    tokens.into_iter().reduce(mix).unwrap_or(0)
}

/// Hash of a row's whole content: names the row whatever its file, id or label.
pub fn content(tokens: &[Token], seed: u64) -> u64 {
    tokens.iter().fold(seed ^ SEED, |h, t| mix(h, t.hash))
}

/// Features of the content model, distinct and sorted: tokens, and pairs of characters where words
/// are not separated (odd numbers; tokens are even). At most `most`, those with the smallest hash beyond that.
pub fn content_features(tokens: &[Token], most: usize, out: &mut Vec<u32>) {
    out.clear();
    for (i, t) in tokens.iter().enumerate() {
        if t.is_edge() {
            continue;
        }
        out.push((t.hash >> 32) as u32 & !1);
        if let Some(next) = tokens.get(i + 1)
            && t.kind == Kind::Unspaced
            && next.kind == Kind::Unspaced
        {
            out.push((mix(t.hash, next.hash) >> 32) as u32 | 1);
        }
    }
    out.sort_unstable();
    out.dedup();
    out.truncate(most);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        let mut out = Vec::new();
        tokens(text, 0, &mut out);
        assert_eq!((out[0].kind, out[out.len() - 1].kind), (Kind::Open, Kind::Close));
        out[1..out.len() - 1].iter().map(|t| &text[t.start as usize..t.end as usize]).collect()
    }

    fn hashes(text: &str) -> Vec<u64> {
        let mut out = Vec::new();
        tokens(text, 0, &mut out);
        out.iter().map(|t| t.hash).collect()
    }

    #[test]
    fn words_and_marks_are_tokens_with_their_spans() {
        assert_eq!(words("The cat's mat, 12 €!"), ["The", "cat", "'", "s", "mat", ",", "12", "€", "!"]);
    }

    #[test]
    fn scripts_without_spaces_are_read_by_character() {
        assert_eq!(words("天気は good"), ["天", "気", "は", "good"]);
    }

    #[test]
    fn marks_stay_with_their_letters_and_invisible_characters_stand_alone() {
        assert_eq!(words("हिन्दी re\u{301}sume\u{301}"), ["हिन्दी", "re\u{301}sume\u{301}"]);
        assert_eq!(words("mo\u{200b}vie"), ["mo", "\u{200b}", "vie"]);
    }

    #[test]
    fn case_and_spacing_do_not_matter() {
        assert_eq!(hashes("Straße  ÉTÉ\nok"), hashes("straße été ok"));
        assert_ne!(hashes("a b"), hashes("b a"));
    }

    #[test]
    fn a_word_longer_than_the_buffer_is_still_one_token() {
        let long = "ab".repeat(500);
        assert_eq!(words(&long), [long.as_str()]);
        assert_ne!(hashes(&long)[1], hashes(&long[2..])[1]);
    }

    #[test]
    fn empty_text_has_only_its_edges() {
        assert_eq!(words(" \n").len(), 0);
    }

    #[test]
    fn ngrams_cross_neither_texts_nor_edges() {
        let mut out = Vec::new();
        tokens("a b", 0, &mut out);
        tokens("c", 1, &mut out);
        let mut seen = Vec::new();
        ngrams(&out, |at, n, _| seen.push((at, n)));
        // ^ a b $ ^ c $
        assert_eq!(seen, [(0, 2), (0, 3), (1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (4, 2), (4, 3), (5, 1), (5, 2)]);
    }

    #[test]
    fn an_ngram_hashes_alike_in_every_place() {
        let mut out = Vec::new();
        tokens("x y z x y", 0, &mut out);
        let mut pairs = Vec::new();
        ngrams(&out, |at, n, h| {
            if n == 2 {
                pairs.push((at, h));
            }
        });
        assert_eq!(pairs[1].1, pairs[4].1);
        assert_eq!(pairs[1].1, ngram([out[1].hash, out[2].hash]));
    }

    #[test]
    fn content_features_are_distinct_and_bounded() {
        let (mut out, mut features) = (Vec::new(), Vec::new());
        tokens("b a b a c", 0, &mut out);
        content_features(&out, 100, &mut features);
        assert_eq!(features.len(), 3);
        content_features(&out, 2, &mut features);
        assert_eq!(features.len(), 2);
    }
}
