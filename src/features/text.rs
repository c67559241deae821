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
    bytes: [u8; BLOCK],
    len: usize,
    hash: u64,
}

const BLOCK: usize = 128;

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

const LOWER: u8 = 1;
const UPPER: u8 = 2;
/// Letters and digits of ASCII: what has no upper case counts as lower.
const ASCII: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 128 {
        if (b as u8).is_ascii_uppercase() {
            table[b] = UPPER;
        } else if (b as u8).is_ascii_alphanumeric() {
            table[b] = LOWER;
        }
        b += 1;
    }
    table
};

/// The hash of a word of ASCII letters and digits, which most words are: the same as [`Word`] gives.
fn ascii_word(bytes: &[u8], has_upper: bool) -> Option<u64> {
    if bytes.len() + 3 > BLOCK {
        return None;
    }
    if !has_upper {
        return Some(mix(SEED, xxh3_64_with_seed(bytes, SEED)));
    }
    let mut lower = [0; BLOCK];
    let lower = &mut lower[..bytes.len()];
    lower.iter_mut().zip(bytes).for_each(|(l, b)| *l = b.to_ascii_lowercase());
    Some(mix(SEED, xxh3_64_with_seed(lower, SEED)))
}

/// Appends the tokens of one text, between an opening and a closing mark. Texts past 4 GiB are cut.
pub fn tokens(text: &str, column: u16, out: &mut Vec<Token>) {
    let edge = |hash, kind| Token { hash, start: 0, end: 0, column, kind };
    out.push(edge(OPEN, Kind::Open));
    let mut word = Word { bytes: [0; BLOCK], len: 0, hash: SEED };
    let mut start = None;
    let bytes = text.as_bytes();
    let bytes = &bytes[..bytes.len().min(u32::MAX as usize)];
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        if ASCII[b as usize] != 0 && start.is_none() {
            let (mut to, mut seen) = (at, 0);
            while let Some(class) = bytes.get(to).map(|b| ASCII[*b as usize]).filter(|c| *c != 0) {
                seen |= class;
                to += 1;
            }
            // A letter beyond ASCII may go on with the word.
            if bytes.get(to).is_none_or(u8::is_ascii)
                && let Some(hash) = ascii_word(&bytes[at..to], seen & UPPER != 0)
            {
                out.push(Token { hash, start: at as u32, end: to as u32, column, kind: Kind::Word });
                at = to;
                continue;
            }
        }
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

/// Tokens of the rows of a batch, one row after the other.
#[derive(Debug, Clone, Default)]
pub struct Tokenised {
    tokens: Vec<Token>,
    ends: Vec<usize>,
}

impl Tokenised {
    /// The next row is what `write` appends.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<Token>)) {
        write(&mut self.tokens);
        self.ends.push(self.tokens.len());
    }
    pub fn row(&self, i: usize) -> &[Token] {
        let from = i.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.tokens[from..self.ends[i]]
    }
}

/// The texts of a row, without the marks that open and close them, each with the place of its first token.
pub fn texts(tokens: &[Token]) -> impl Iterator<Item = (usize, &[Token])> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = tokens.get(from + 1..)?;
        let text = &rest[..rest.iter().position(|t| t.kind == Kind::Close)?];
        let at = from + 1;
        from = at + text.len() + 1;
        Some((at, text))
    })
}

/// Distinct hashes of a row's tokens, in the order in which they come first: a table instead of a sort,
/// because every row goes through it.
#[derive(Debug, Clone, Default)]
pub struct Distinct {
    slots: Vec<(u64, u32)>,
    turn: u32,
}

impl Distinct {
    /// Replaces `out` by the distinct tokens that are no edges.
    pub fn of(&mut self, tokens: &[Token], out: &mut Vec<u64>) {
        out.clear();
        // At least half of the slots stay free, so that a search ends soon.
        let wanted = (2 * tokens.len()).next_power_of_two().max(256);
        if self.slots.len() < wanted || self.turn == u32::MAX {
            (self.slots, self.turn) = (vec![(0, 0); wanted.max(self.slots.len())], 0);
        }
        self.turn += 1;
        let mask = wanted - 1;
        for t in tokens.iter().filter(|t| !t.is_edge()) {
            let mut at = (t.hash >> 32) as usize & mask;
            while self.slots[at].1 == self.turn && self.slots[at].0 != t.hash {
                at = (at + 1) & mask;
            }
            if self.slots[at].1 != self.turn {
                self.slots[at] = (t.hash, self.turn);
                out.push(t.hash);
            }
        }
    }
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

    /// What every word hashes to, letter by letter.
    fn slowly(text: &str) -> u64 {
        let mut word = Word { bytes: [0; BLOCK], len: 0, hash: SEED };
        text.chars().flat_map(char::to_lowercase).for_each(|c| word.push(c));
        word.take()
    }

    #[test]
    fn words_of_ascii_take_a_shorter_way_to_the_same_hash() {
        for n in [1, 2, 3, 7, 8, 9, 16, 17, 100, 124, 125, 126, 127, 128, 129, 300] {
            let lower: String = ('a'..='z').chain('0'..='9').cycle().take(n).collect();
            for text in [lower.clone(), lower.to_uppercase(), format!("{lower}\u{e9}")] {
                assert_eq!(hashes(&text)[1], slowly(&text), "{text}");
                assert_eq!(words(&format!("({text}) {text}"))[1], text);
            }
        }
    }

    #[test]
    fn the_texts_of_a_row_come_apart_again() {
        let mut out = Vec::new();
        for (column, text) in ["a b", "", "c"].into_iter().enumerate() {
            tokens(text, column as u16, &mut out);
        }
        assert_eq!(texts(&out).map(|(at, t)| (at, t.len())).collect::<Vec<_>>(), [(1, 2), (5, 0), (7, 1)]);
        assert_eq!(texts(&[]).count(), 0);
    }

    #[test]
    fn distinct_tokens_are_those_of_a_set() {
        let (mut out, mut found, mut distinct) = (Vec::new(), Vec::new(), Distinct::default());
        for text in ["a b a, c b", "", "x", &"a b c d ".repeat(1000), &(0..5000).map(|i| format!("w{} ", i % 1700)).collect::<String>()] {
            out.clear();
            tokens(text, 0, &mut out);
            distinct.of(&out, &mut found);
            let set: std::collections::BTreeSet<u64> = out.iter().filter(|t| !t.is_edge()).map(|t| t.hash).collect();
            assert_eq!(found.len(), set.len());
            assert_eq!(found.iter().copied().collect::<std::collections::BTreeSet<u64>>(), set);
        }
    }

    #[test]
    fn rows_of_a_batch_keep_their_tokens() {
        let mut all = Tokenised::default();
        all.push(|out| tokens("a b", 0, out));
        all.push(|_| {});
        all.push(|out| tokens("c", 1, out));
        assert_eq!([0, 1, 2].map(|i| all.row(i).len()), [4, 0, 3]);
        assert_eq!(all.row(2)[1].hash, hashes("c")[1]);
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
