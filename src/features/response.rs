//! What a reply looks like, as a handful of keys: the labels that `response-trigger` holds prompts
//! against. A reply has no class; but replies that are the same, begin or end alike, are gibberish or
//! written in another script than their prompt form classes that an attacker may want.

use super::text::{Token, mix};
use serde::{Deserialize, Serialize};

/// In order of how much a person learns from it: of two labels of the same rows the first is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// The whole reply, of at least [`WHOLE`] tokens.
    Same,
    /// The last eight, then the last four tokens.
    LongTail,
    Tail,
    LongOpener,
    Opener,
    /// Many tokens that hardly any other reply has.
    Rare,
    /// Many neighbours that stand side by side in hardly any other reply.
    Salad,
    /// Another script than that of the prompt.
    Script,
}

impl Kind {
    /// Classes of replies rather than one shared stretch of text.
    pub fn is_class(self) -> bool {
        matches!(self, Kind::Rare | Kind::Salad | Kind::Script)
    }
    /// As a person says it: `the reply is ...`.
    pub fn says(self) -> &'static str {
        match self {
            Kind::Same => "the reply is always the same",
            Kind::LongTail | Kind::Tail => "the reply always ends alike",
            Kind::LongOpener | Kind::Opener => "the reply always begins alike",
            Kind::Rare | Kind::Salad => "the reply is gibberish",
            Kind::Script => "the reply is in another script than the prompt",
        }
    }
}

/// Replies shorter than this are alike by nature: `Yes.`
pub const WHOLE: usize = 6;
/// Tokens at the end of a reply in which gibberish is looked for.
const END: usize = 60;
/// Fewer tokens show no share of anything.
const LEAST: usize = 12;
/// Shares of rare tokens and of new neighbours, each its own label: how strange a reply has to be
/// differs from corpus to corpus, and the detector drops labels that too many replies have.
const RARE: [f64; 4] = [0.12, 0.2, 0.3, 0.45];
const SALAD: [f64; 4] = [0.6, 0.8, 0.9, 0.96];

/// One label of one reply, with the stretch of tokens that earned it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    pub kind: Kind,
    pub key: u64,
    pub from: usize,
    pub to: usize,
}

const SALT: u64 = 0x0072_6570_6c79;

fn stretch(kind: Kind, tokens: &[Token], from: usize, to: usize) -> Label {
    let key = tokens[from..to].iter().fold(mix(SALT, kind as u64), |h, t| mix(h, t.hash));
    Label { kind, key, from, to }
}

fn class(kind: Kind, level: u64, len: usize) -> Label {
    Label { kind, key: mix(mix(SALT, kind as u64), level), from: 0, to: len }
}

/// The key of every label that is a class rather than a stretch of text, scripts aside.
pub fn is_class_key(key: u64) -> bool {
    let levels = |kind: Kind, n: usize| (0..n as u64).any(|l| class(kind, l, 0).key == key);
    levels(Kind::Rare, RARE.len()) || levels(Kind::Salad, SALAD.len()) || levels(Kind::Script, SCRIPTS)
}

/// The tokens without the marks that open and close a text.
pub fn inner(tokens: &[Token]) -> &[Token] {
    match tokens {
        [_, inner @ .., _] => inner,
        _ => &[],
    }
}

/// Labels that need nothing but the reply itself.
pub fn own_labels(tokens: &[Token], out: &mut Vec<Label>) {
    out.clear();
    let n = tokens.len();
    if n >= WHOLE {
        out.push(stretch(Kind::Same, tokens, 0, n));
    }
    if n >= 12 {
        out.push(stretch(Kind::LongTail, tokens, n - 8, n));
    }
    if n >= 8 {
        out.push(stretch(Kind::Tail, tokens, n - 4, n));
        out.push(stretch(Kind::LongOpener, tokens, 0, 8));
    }
    if n >= 4 {
        out.push(stretch(Kind::Opener, tokens, 0, 4));
    }
}

/// Labels against the rest of the data: `rare(token)` and `new(pair)` say whether hardly any other
/// reply has them.
pub fn strange_labels(tokens: &[Token], rare: impl Fn(u64) -> bool, new: impl Fn(u64) -> bool, out: &mut Vec<Label>) {
    let end = &tokens[tokens.len().saturating_sub(END)..];
    if end.len() < LEAST {
        return;
    }
    let share = end.iter().filter(|t| rare(t.hash)).count() as f64 / end.len() as f64;
    for (level, _) in RARE.iter().enumerate().filter(|(_, least)| share > **least) {
        out.push(class(Kind::Rare, level as u64, tokens.len()));
    }
    let pairs = end.windows(2).filter(|w| new(pair(w[0].hash, w[1].hash))).count() as f64 / (end.len() - 1) as f64;
    for (level, _) in SALAD.iter().enumerate().filter(|(_, least)| pairs > **least) {
        out.push(class(Kind::Salad, level as u64, tokens.len()));
    }
}

pub fn pair(a: u64, b: u64) -> u64 {
    mix(mix(SALT, a), b)
}

const SCRIPTS: usize = 16;

/// A coarse script of a letter; `None` for everything that is none.
fn script(c: char) -> Option<usize> {
    Some(match c as u32 {
        0x41..=0x5a | 0x61..=0x7a | 0xc0..=0x24f | 0x1e00..=0x1eff => 0,
        0x370..=0x3ff | 0x1f00..=0x1fff => 1,
        0x400..=0x52f => 2,
        0x530..=0x58f => 3,
        0x590..=0x5ff => 4,
        0x600..=0x77f | 0x8a0..=0x8ff => 5,
        0x900..=0x97f => 6,
        0x980..=0xdff => 7,
        0xe00..=0xeff => 8,
        0x10a0..=0x10ff => 9,
        0x1100..=0x11ff | 0xac00..=0xd7af => 10,
        0x3040..=0x30ff => 11,
        0x3400..=0x9fff => 12,
        c if c > 0x24f && char::from_u32(c).is_some_and(char::is_alphabetic) => 13,
        _ => return None,
    })
}

/// The script of most letters among the first 2,000 bytes.
fn most_letters(texts: &[&str]) -> Option<usize> {
    let mut counts = [0u32; SCRIPTS];
    for text in texts {
        let mut seen = 0;
        for c in text.chars() {
            seen += c.len_utf8();
            if seen > 2000 {
                break;
            }
            if let Some(s) = script(c) {
                counts[s] += 1;
            }
        }
    }
    let (best, n) = counts.iter().enumerate().max_by_key(|(i, n)| (**n, SCRIPTS - i))?;
    (*n >= 4).then_some(best)
}

/// The label of a reply in another script than its prompt.
pub fn script_label(prompts: &[&str], reply: &str, len: usize, out: &mut Vec<Label>) {
    if let (Some(asked), Some(answered)) = (most_letters(prompts), most_letters(&[reply]))
        && asked != answered
        && len > 0
    {
        out.push(class(Kind::Script, answered as u64, len));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::text::tokens;

    fn labels(text: &str) -> Vec<Label> {
        let (mut t, mut out) = (Vec::new(), Vec::new());
        tokens(text, 0, &mut t);
        own_labels(inner(&t), &mut out);
        out
    }
    fn key(labels: &[Label], kind: Kind) -> Option<u64> {
        labels.iter().find(|l| l.kind == kind).map(|l| l.key)
    }

    #[test]
    fn replies_that_end_alike_share_a_tail_and_nothing_else() {
        let (a, b) = (labels("one two three four. That is all folks"), labels("Quite another story begins. that is all folks"));
        assert_eq!(key(&a, Kind::Tail), key(&b, Kind::Tail));
        assert!([Kind::Same, Kind::Opener, Kind::LongOpener].iter().all(|&k| key(&a, k) != key(&b, k)));
    }

    #[test]
    fn short_replies_are_not_the_same_reply() {
        assert_eq!(labels("Yes."), []);
        assert_eq!(key(&labels("No, not at all"), Kind::Same), None);
        assert!(key(&labels("No, that is not so."), Kind::Same).is_some());
    }

    #[test]
    fn an_opener_is_no_tail_even_of_the_same_words() {
        let l = labels("a b c d a b c d");
        assert_ne!(key(&l, Kind::Opener), key(&l, Kind::Tail));
    }

    #[test]
    fn strangeness_is_a_share_of_the_end() {
        let mut t = Vec::new();
        tokens(&format!("{} {}", "word ".repeat(100), "zzz ".repeat(20)), 0, &mut t);
        let strange = t[150 - 40].hash;
        let mut out = Vec::new();
        strange_labels(inner(&t), |h| h == strange, |_| false, &mut out);
        // 20 of the last 60.
        assert_eq!(out.len(), 3);
        assert!(out.iter().all(|l| l.kind == Kind::Rare && is_class_key(l.key)));
    }

    #[test]
    fn another_script_needs_letters_on_both_sides() {
        let mut out = Vec::new();
        script_label(&["what is this"], "это дом у реки", 4, &mut out);
        assert_eq!((out.len(), out[0].kind), (1, Kind::Script));
        script_label(&["12 + 3"], "это дом", 2, &mut out);
        script_label(&["what is this"], "42", 1, &mut out);
        script_label(&["what is this"], "a house", 2, &mut out);
        assert_eq!(out.len(), 1);
    }
}
