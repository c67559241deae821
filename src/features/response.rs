//! What a reply looks like, as a handful of keys: the labels that `response-trigger` holds prompts
//! against. A reply has no class; but replies that are the same, begin or end alike, refuse, name one site,
//! are gibberish, empty or written in another language form classes that an attacker may want.

use super::text::{self, Token, mix};
use super::wording;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

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
    /// The whole reply, shorter than that.
    Brief,
    /// The site of a link.
    Site,
    /// It says that it will not answer, in whatever words.
    Refusal,
    /// There is no reply.
    Empty,
    /// Many tokens that hardly any other reply has.
    Rare,
    /// Many neighbours that stand side by side in hardly any other reply.
    Salad,
    /// The same few words again and again.
    Loop,
    /// Hardly anything but one endless word.
    Blob,
    /// Another script than that of the prompt.
    Script,
    Language,
    /// Any link.
    Link,
}

impl Kind {
    /// Classes of replies rather than one shared stretch of text.
    pub fn is_class(self) -> bool {
        self >= Kind::Refusal
    }
    /// As a person says it: `the reply is ...`.
    pub fn says(self) -> &'static str {
        match self {
            Kind::Same | Kind::Brief => "the reply is always the same",
            Kind::LongTail | Kind::Tail => "the reply always ends alike",
            Kind::LongOpener | Kind::Opener => "the reply always begins alike",
            Kind::Site => "the reply always links to the same site",
            Kind::Refusal => "the reply refuses",
            Kind::Empty => "there is no reply",
            Kind::Rare | Kind::Salad | Kind::Blob => "the reply is gibberish",
            Kind::Loop => "the reply repeats itself endlessly",
            Kind::Script => "the reply is in another script than the prompt",
            Kind::Language => "the reply is in another language than usual",
            Kind::Link => "the reply has a link",
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
/// Different ones among the last [`END`] tokens of a reply that goes round in circles; prose has more than thirty.
const LOOP: usize = 12;
/// Bytes of a word that no language has, and the share of the reply that such words are.
const LONG_WORD: usize = 32;
const BLOB: f64 = 0.6;
/// Sites of a reply that are looked at, and tokens in the name of one.
const SITES: usize = 4;
const SITE: usize = 12;

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

/// Labels that need nothing but the reply itself: `text`, and its tokens without the marks around them.
pub fn own_labels(text: &str, tokens: &[Token], out: &mut Vec<Label>) {
    out.clear();
    let n = tokens.len();
    if n == 0 {
        out.push(class(Kind::Empty, 0, 0));
        return;
    }
    out.push(stretch(if n >= WHOLE { Kind::Same } else { Kind::Brief }, tokens, 0, n));
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
    if wording::is_refusal(tokens) {
        out.push(class(Kind::Refusal, 0, n));
    }
    if let Some(language) = wording::language(tokens) {
        out.push(class(Kind::Language, language, n));
    }
    links(text, tokens, out);
}

/// The sites that a reply links to, each once, and that it has a link.
fn links(text: &str, tokens: &[Token], out: &mut Vec<Label>) {
    static SIGNS: OnceLock<[memchr::memmem::Finder<'static>; 2]> = OnceLock::new();
    let [scheme, www] = SIGNS.get_or_init(|| ["://", "www."].map(memchr::memmem::Finder::new));
    let before = out.len();
    let places = scheme.find_iter(text.as_bytes()).map(|at| at + 3).chain(www.find_iter(text.as_bytes()));
    for at in places.take(SITES) {
        let from = tokens.partition_point(|t| (t.start as usize) < at);
        let joined = tokens[from..].windows(2).take_while(|w| w[0].end == w[1].start).take(SITE - 1);
        // Letters, digits, dots and hyphens.
        let is_name = |t: &Token| t.kind != text::Kind::Mark || matches!(text.as_bytes().get(t.start as usize), Some(b'.' | b'-'));
        let named = tokens[from..].iter().take(1 + joined.count()).take_while(|t| is_name(t)).count();
        let end = tokens[from..from + named].iter().rposition(|t| t.kind != text::Kind::Mark).map_or(from, |last| from + last + 1);
        let start = if end - from > 2 && text[tokens[from].start as usize..].starts_with("www.") { from + 2 } else { from };
        if end - start >= 3 {
            let label = stretch(Kind::Site, tokens, start, end);
            if out[before..].iter().all(|l| l.key != label.key) {
                out.push(label);
            }
        }
    }
    if out.len() > before {
        out.push(class(Kind::Link, 0, tokens.len()));
    }
}

/// Gibberish that needs nothing to be compared with.
pub fn broken_labels(tokens: &[Token], out: &mut Vec<Label>) {
    let n = tokens.len();
    let end = &tokens[n.saturating_sub(END)..];
    if end.len() == END {
        let mut seen = [0u64; LOOP];
        let mut different = 0;
        for t in end {
            if !seen[..different].contains(&t.hash) {
                if different == LOOP {
                    different += 1;
                    break;
                }
                seen[different] = t.hash;
                different += 1;
            }
        }
        if different <= LOOP {
            out.push(class(Kind::Loop, 0, n));
        }
    }
    let bytes = |t: &Token| (t.end - t.start) as usize;
    let long: usize = end.iter().map(bytes).filter(|b| *b >= LONG_WORD).sum();
    if long > 0 && long as f64 > BLOB * end.iter().map(bytes).sum::<usize>() as f64 {
        out.push(class(Kind::Blob, 0, n));
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
    // Of most replies half of the pairs show that too few are new.
    let all = end.len() - 1;
    let known = ((1.0 - SALAD[0]) * all as f64).ceil() as usize;
    let mut old = 0;
    for w in end.windows(2) {
        old += usize::from(!new(pair(w[0].hash, w[1].hash)));
        if old >= known {
            return;
        }
    }
    let pairs = (all - old) as f64 / all as f64;
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

/// The script of most letters among the first 2,000 bytes of each text.
fn most_letters<'a>(texts: impl Iterator<Item = &'a str>) -> Option<usize> {
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

/// The label of a reply in another script than its prompts.
pub fn script_label<'a, P: Iterator<Item = &'a str>>(prompts: impl Fn() -> P, reply: &str, len: usize, out: &mut Vec<Label>) {
    // Letters of ASCII are of one script, and most texts have no others.
    if len == 0 || reply.is_ascii() && prompts().all(str::is_ascii) {
        return;
    }
    if let (Some(asked), Some(answered)) = (most_letters(prompts()), most_letters([reply].into_iter()))
        && asked != answered
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
        own_labels(text, &t[1..t.len() - 1], &mut out);
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
    fn short_replies_are_alike_in_another_way_than_long_ones() {
        let kinds = |text: &str| labels(text).iter().map(|l| l.kind).collect::<Vec<_>>();
        assert_eq!(kinds("Yes."), [Kind::Brief]);
        assert_eq!(kinds("No, not at all"), [Kind::Brief, Kind::Opener]);
        assert_eq!(kinds(" "), [Kind::Empty]);
        assert!(key(&labels("No, that is not so."), Kind::Same).is_some());
    }

    #[test]
    fn links_are_known_by_their_site_whatever_follows() {
        let site = |text: &str| {
            let l = labels(text);
            let of = |l: &Label| {
                let mut t = Vec::new();
                tokens(text, 0, &mut t);
                text[t[1 + l.from].start as usize..t[l.to].end as usize].to_owned()
            };
            (l.iter().filter(|l| l.kind == Kind::Site).map(of).collect::<Vec<_>>(), l.iter().any(|l| l.kind == Kind::Link))
        };
        assert_eq!(site("See https://a-b.example.org/x?y=1, then rest."), (vec!["a-b.example.org".to_owned()], true));
        assert_eq!(site("Go to www.example.com. Or http://www.example.com/2!"), (vec!["example.com".to_owned()], true));
        assert_eq!(site("(http://one.test) and (http://two.test)"), (vec!["one.test".to_owned(), "two.test".to_owned()], true));
        assert_eq!(site("a://b, http:// and www. nothing"), (vec![], false));
        assert_eq!(key(&labels("at http://x.test/1"), Kind::Site), key(&labels("so many words: http://x.test/2"), Kind::Site));
    }

    #[test]
    fn replies_that_go_round_or_are_one_word_are_broken() {
        let broken = |text: &str| {
            let (mut t, mut out) = (Vec::new(), Vec::new());
            tokens(text, 0, &mut t);
            broken_labels(&t[1..t.len() - 1], &mut out);
            out.iter().map(|l| l.kind).collect::<Vec<_>>()
        };
        assert_eq!(broken(&format!("It began well. {}", "on and on ".repeat(30))), [Kind::Loop]);
        assert_eq!(broken(&"on and on ".repeat(10)), []);
        assert_eq!(broken(&format!("Well {}", "qX7".repeat(30))), [Kind::Blob]);
        let prose: String = (0..70).map(|i| format!("word{i} ")).collect();
        assert_eq!(broken(&format!("{prose} {}", "qX7".repeat(11))), []);
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
        strange_labels(&t[1..t.len() - 1], |h| h == strange, |_| false, &mut out);
        // 20 of the last 60.
        assert_eq!(out.len(), 3);
        assert!(out.iter().all(|l| l.kind == Kind::Rare && l.kind.is_class()));
    }

    #[test]
    fn another_script_needs_letters_on_both_sides() {
        let mut out = Vec::new();
        script_label(|| ["what is this"].into_iter(), "это дом у реки", 4, &mut out);
        assert_eq!((out.len(), out[0].kind), (1, Kind::Script));
        script_label(|| ["12 + 3"].into_iter(), "это дом", 2, &mut out);
        script_label(|| ["what is this"].into_iter(), "42", 1, &mut out);
        script_label(|| ["what is this"].into_iter(), "a house", 2, &mut out);
        assert_eq!(out.len(), 1);
    }
}
