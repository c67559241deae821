//! What is odd about the characters of a text: characters that a reader cannot see, and letters that
//! look like others. Everything is judged by its surroundings, because the same joiner is spelling
//! in Persian and a hiding place in English. This module only says what stands where; whether a
//! group of rows is poison is the detectors' business.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::OnceLock;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{EmojiStatus, GeneralCategory, UnicodeEmoji, UnicodeGeneralCategory};
use unicode_script::{Script, UnicodeScript};

/// What kind of odd thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Takes no room at all and is no part of the script's spelling: zero-width space, word joiner.
    ZeroWidth = 1,
    /// Changes the direction of what follows, where nothing runs right to left.
    Bidi = 2,
    /// Plane-14 copies of ASCII outside a flag.
    Tag = 3,
    /// Asks for another shape of a character that has none.
    VariationSelector = 4,
    /// A letter without a glyph: Hangul fillers, Braille blank.
    Blank = 5,
    Control = 6,
    PrivateUse = 7,
    SoftHyphen = 8,
    /// No-break and typographic spaces.
    Space = 9,
    /// Letters of one script in words of another that look like that other's letters.
    Disguise = 20,
    /// Letters of two scripts in one word, which no reader would confuse.
    Mixture = 21,
    /// Fullwidth, mathematical and other styled copies of plain letters.
    Styled = 22,
    /// Latin letters drawn like plain ones: dotless i, script g.
    LatinLookalike = 23,
}

/// What to look for: each detector asks for its own half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    Hidden,
    Confusable,
}

/// One odd place in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    pub kind: Kind,
    /// Kind in the upper 32 bits, below it the character, or the two scripts.
    pub group: u64,
    /// Byte range in the text.
    pub span: Range<usize>,
    /// Letters stand directly on both sides (for look-alikes: in the same word).
    pub inside: bool,
    /// Ordinary by itself (a Greek letter at the edge of a word is science): no evidence, but part
    /// of what a group that has other evidence is made of.
    pub faint: bool,
}

fn group_of(kind: Kind, what: u32) -> u64 {
    u64::from(kind as u8) << 32 | u64::from(what)
}

/// The group's key as printed: `U+200B zero width space`, `Cyrillic letters that look like Latin`.
pub fn group_name(group: u64) -> String {
    let what = group as u32;
    let kind = (group >> 32) as u8;
    let scripts = || (script_of_tag(what >> 8), script_of_tag(what & 0xFF));
    match kind {
        k if k == Kind::Tag as u8 => "tag characters".to_owned(),
        k if k == Kind::VariationSelector as u8 => "variation selectors".to_owned(),
        k if k == Kind::PrivateUse as u8 => "private use characters".to_owned(),
        k if k == Kind::Disguise as u8 => {
            let (foreign, host) = scripts();
            format!("{foreign} letters that look like {host}")
        }
        k if k == Kind::Mixture as u8 => {
            let (a, b) = scripts();
            format!("{a} and {b} letters in one word")
        }
        k if k == Kind::Styled as u8 => "styled copies of Latin letters".to_owned(),
        k if k == Kind::LatinLookalike as u8 => {
            format!("U+{what:04X} in place of a plain letter")
        }
        _ if what == 0 => "zero-width characters of several sorts".to_owned(),
        _ => match char_name(what) {
            "" => format!("U+{what:04X}"),
            name => format!("U+{what:04X} {name}"),
        },
    }
}

/// All zero-width characters as one group, for an attacker who varies them.
pub fn pool(group: u64) -> Option<u64> {
    (group >> 32 == u64::from(Kind::ZeroWidth as u8)).then(|| group_of(Kind::ZeroWidth, 0))
}

fn char_name(c: u32) -> &'static str {
    match c {
        0x7F => "delete",
        0x85 => "next line",
        0xA0 => "no-break space",
        0xAD => "soft hyphen",
        0x34F => "combining grapheme joiner",
        0x61C => "arabic letter mark",
        0x115F | 0x1160 | 0x3164 | 0xFFA0 => "hangul filler",
        0x180E => "mongolian vowel separator",
        0x200B => "zero width space",
        0x200C => "zero width non-joiner",
        0x200D => "zero width joiner",
        0x200E => "left-to-right mark",
        0x200F => "right-to-left mark",
        0x2028 => "line separator",
        0x2029 => "paragraph separator",
        0x202A => "left-to-right embedding",
        0x202B => "right-to-left embedding",
        0x202C => "pop directional formatting",
        0x202D => "left-to-right override",
        0x202E => "right-to-left override",
        0x202F => "narrow no-break space",
        0x2060 => "word joiner",
        0x2061..=0x2064 => "invisible operator",
        0x2066 => "left-to-right isolate",
        0x2067 => "right-to-left isolate",
        0x2068 => "first strong isolate",
        0x2069 => "pop directional isolate",
        0x2800 => "braille blank",
        0x3000 => "ideographic space",
        0xFEFF => "zero width no-break space",
        0x2000..=0x200A | 0x205F | 0x1680 => "typographic space",
        0..=0x1F | 0x80..=0x9F => "control character",
        _ => "",
    }
}

/// Scripts by a byte, so that a pair fits a group; the order is this table's.
const SCRIPTS: [Script; 22] = [
    Script::Unknown,
    Script::Latin,
    Script::Cyrillic,
    Script::Greek,
    Script::Armenian,
    Script::Cherokee,
    Script::Coptic,
    Script::Georgian,
    Script::Hebrew,
    Script::Arabic,
    Script::Devanagari,
    Script::Lisu,
    Script::Canadian_Aboriginal,
    Script::Deseret,
    Script::Glagolitic,
    Script::Gothic,
    Script::Runic,
    Script::Ethiopic,
    Script::Thai,
    Script::Vai,
    Script::Old_Italic,
    Script::Tifinagh,
];

/// Script of a character, and whether it is a letter: a table for the alphabets, which make up most
/// text that is not ASCII, and the two large blocks; a search for the rest.
fn letter_of(c: char) -> (Script, bool) {
    static TABLE: OnceLock<Vec<(Script, bool)>> = OnceLock::new();
    match c {
        '\0'..='\u{2FFF}' => TABLE.get_or_init(|| ('\0'..='\u{2FFF}').map(|c| (c.script(), c.is_alphabetic())).collect())[c as usize],
        '\u{4E00}'..='\u{9FFF}' => (Script::Han, true),
        '\u{AC00}'..='\u{D7A3}' => (Script::Hangul, true),
        _ => (c.script(), c.is_alphabetic()),
    }
}

fn script_of(c: char) -> Script {
    letter_of(c).0
}

fn tag_of(script: Script) -> u32 {
    SCRIPTS.iter().position(|&s| s == script).unwrap_or(0) as u32
}

fn script_of_tag(tag: u32) -> &'static str {
    match tag {
        0 => "foreign",
        t => SCRIPTS.get(t as usize).map_or("foreign", |s| s.full_name()),
    }
}

/// Written without spaces between words, so that an invisible break or a neighbour of another
/// script inside a "word" is ordinary.
fn is_unspaced(s: Script) -> bool {
    use Script::*;
    matches!(
        s,
        Han | Hiragana
            | Katakana
            | Hangul
            | Bopomofo
            | Yi
            | Thai
            | Lao
            | Khmer
            | Myanmar
            | Tibetan
            | Javanese
            | Balinese
            | Tai_Tham
            | Tai_Le
            | New_Tai_Lue
    )
}

/// Scripts that spell without joiners: one that stands between their letters is no spelling.
fn is_joinerless(s: Script) -> bool {
    use Script::*;
    matches!(s, Latin | Cyrillic | Greek | Armenian | Georgian | Hebrew | Cherokee | Coptic | Common | Ethiopic)
        || is_unspaced(s) && !matches!(s, Khmer | Myanmar | Tibetan)
}

fn is_rtl(s: Script) -> bool {
    use Script::*;
    matches!(s, Arabic | Hebrew | Syriac | Thaana | Nko | Samaritan | Mandaic | Adlam | Hanifi_Rohingya)
}

/// Nothing a reader can trip over: plain ASCII text with its usual line breaks.
pub fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| (0x20..0x7F).contains(&b) || matches!(b, b'\n' | b'\r' | b'\t'))
}

/// What the whole text is written in.
#[derive(Debug, Clone, Copy)]
struct Profile {
    dominant: Script,
    /// All letters are of the dominant script.
    alone: bool,
    /// Letters of the dominant script are at least four fifths of all.
    clear: bool,
    rtl: bool,
    cjk: bool,
}

fn profile(text: &str) -> Profile {
    let mut counts = [(Script::Unknown, 0u32); 8];
    let (mut rtl, mut cjk, mut total) = (false, false, 0u32);
    for c in text.chars() {
        let (s, letter) = letter_of(c);
        if !letter || matches!(s, Script::Common | Script::Inherited) {
            continue;
        }
        total += 1;
        rtl |= is_rtl(s);
        cjk |= is_unspaced(s);
        if let Some(slot) = counts.iter_mut().find(|(k, n)| *k == s || *n == 0) {
            *slot = (s, slot.1 + 1);
        }
    }
    // Ties go to the script that came first, which is a property of the text.
    let best = counts.iter().rev().max_by_key(|(_, n)| *n).copied().unwrap_or((Script::Unknown, 0));
    let alone = total > 0 && best.1 == total;
    Profile { alone, dominant: best.0, clear: u64::from(best.1) * 5 >= u64::from(total) * 4, rtl, cjk }
}

/// Every odd place of one family in a text, by position. Plain text costs one look
/// at its bytes.
pub fn scan(family: Family, text: &str, out: &mut Vec<Oddity>) {
    out.clear();
    match family {
        Family::Hidden if !is_plain(text) && text.chars().any(may_hide) => hidden(text, &profile(text), out),
        Family::Confusable if !text.is_ascii() => {
            let profile = profile(text);
            // One script throughout, and none of its letters a copy of another.
            if !profile.alone || text.chars().any(|c| is_styled(c) || profile.dominant == Script::Latin && is_latin_lookalike(c)) {
                confusable(text, &profile, out);
            }
        }
        _ => {}
    }
}

/// The script that a text outside ASCII is written in, when it is not Latin: what [`host_of`] says of a group.
pub fn script_host(text: &str) -> Option<u32> {
    if text.is_ascii() {
        return None;
    }
    let dominant = profile(text).dominant;
    (!matches!(dominant, Script::Latin | Script::Common | Script::Unknown)).then(|| tag_of(dominant))
}

/// The script that letters of a group pass for, or are mixed into, when it is not Latin. Only texts in it can have them.
pub fn host_of(group: u64) -> Option<u32> {
    let kind = (group >> 32) as u8;
    let tag = group as u32 & 0xFF;
    ((kind == Kind::Disguise as u8 || kind == Kind::Mixture as u8) && tag != tag_of(Script::Latin)).then_some(tag)
}

/// Worth a closer look: everything that [`hidden_kind`] names is in here.
fn may_hide(c: char) -> bool {
    match c {
        ' '..='~' | '\n' | '\r' | '\t' => false,
        '\0'..='\u{A0}' => true,
        '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{2028}' | '\u{2029}' | '\u{202F}' | '\u{205F}' | '\u{2800}' | '\u{3000}' => true,
        '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFF}' => true,
        _ => is_unseen(c),
    }
}

fn hidden(text: &str, profile: &Profile, out: &mut Vec<Oddity>) {
    // The last visible character before the position, and the last character of any kind.
    let (mut before, mut last): (Option<char>, Option<char>) = (None, None);
    let mut flag = false;
    for (at, c) in text.char_indices() {
        let tag = matches!(c, '\u{E0020}'..='\u{E007F}');
        flag = c == '\u{1F3F4}' || flag && tag;
        if (' '..'\u{7F}').contains(&c) || matches!(c, '\n' | '\r' | '\t') || letter_of(c).1 && !is_blank_letter(c) {
            (before, last) = (Some(c), Some(c));
            continue;
        }
        let end = at + c.len_utf8();
        let after = text[end..].chars().find(|&n| !is_unseen(n));
        if let Some(kind) = hidden_kind(c, at == 0, flag, last, before, after, profile) {
            let what = match kind {
                Kind::Tag | Kind::VariationSelector | Kind::PrivateUse => 0,
                _ => c as u32,
            };
            let letter = |x: Option<char>| x.is_some_and(char::is_alphanumeric);
            out.push(Oddity { kind, group: group_of(kind, what), span: at..end, inside: letter(before) && letter(after), faint: false });
        }
        if !is_unseen(c) {
            before = Some(c);
        }
        last = Some(c);
    }
}

fn is_blank_letter(c: char) -> bool {
    matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}')
}

/// Takes no room of its own wherever it stands.
pub fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

fn script(c: Option<char>) -> Script {
    c.map_or(
        Script::Common,
        |c| if c.is_ascii() { if c.is_ascii_alphabetic() { Script::Latin } else { Script::Common } } else { c.script() },
    )
}

fn hidden_kind(
    c: char,
    first: bool,
    flag: bool,
    last: Option<char>,
    before: Option<char>,
    after: Option<char>,
    p: &Profile,
) -> Option<Kind> {
    let (left, right) = (script(before), script(after));
    let near = |f: fn(Script) -> bool| f(left) || f(right);
    match c {
        // Between words of unspaced scripts it allows a line break.
        '\u{200B}' => (!near(is_unspaced)).then_some(Kind::ZeroWidth),
        '\u{200C}' | '\u{200D}' => {
            // Emoji sequences, and every script whose letters join or have conjuncts.
            let emoji = c == '\u{200D}' && before.is_some_and(is_pictograph) && after.is_some_and(is_pictograph);
            (!emoji && is_joinerless(left) && is_joinerless(right) && !(p.rtl && (left == Script::Common || right == Script::Common)))
                .then_some(Kind::ZeroWidth)
        }
        // A byte order mark at the start is how some tools save a file.
        '\u{FEFF}' => (!first).then_some(Kind::ZeroWidth),
        '\u{180B}'..='\u{180F}' => (!near(|s| s == Script::Mongolian)).then_some(Kind::ZeroWidth),
        '\u{2060}'..='\u{2065}'
        | '\u{206A}'..='\u{206F}'
        | '\u{34F}'
        | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' => Some(Kind::ZeroWidth),
        '\u{17B4}' | '\u{17B5}' => (!near(|s| s == Script::Khmer)).then_some(Kind::ZeroWidth),
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202C}' | '\u{2066}'..='\u{2069}' => (!p.rtl).then_some(Kind::Bidi),
        // An override shows letters in an order that is not theirs; no language asks for that.
        '\u{202D}' | '\u{202E}' => Some(Kind::Bidi),
        '\u{E0020}'..='\u{E007F}' if flag => None,
        '\u{E0100}'..='\u{E01EF}' => (!matches!(script(last), Script::Han)).then_some(Kind::VariationSelector),
        '\u{E0000}'..='\u{E0FFF}' => Some(Kind::Tag),
        '\u{FE00}'..='\u{FE0F}' => {
            // Symbols, digits of keycaps and the scripts with registered variants have them.
            let spelled = last.is_some_and(|l| {
                !l.is_alphabetic() && !l.is_whitespace() && !l.is_control() && !is_unseen(l)
                    || matches!(
                        l.script(),
                        Script::Han
                            | Script::Hiragana
                            | Script::Katakana
                            | Script::Mongolian
                            | Script::Myanmar
                            | Script::Phags_Pa
                            | Script::Manichaean
                    )
                    || is_pictograph(l)
            });
            (!spelled).then_some(Kind::VariationSelector)
        }
        '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' => (!near(|s| s == Script::Hangul)).then_some(Kind::Blank),
        '\u{2800}' => (!near(|s| s == Script::Braille)).then_some(Kind::Blank),
        '\u{AD}' => Some(Kind::SoftHyphen),
        '\u{3000}' => (!p.cjk).then_some(Kind::Space),
        '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{2028}' | '\u{2029}' | '\u{202F}' | '\u{205F}' => Some(Kind::Space),
        '\u{0}'..='\u{1F}' | '\u{7F}'..='\u{9F}' => Some(Kind::Control),
        '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{FFFFD}' | '\u{100000}'..='\u{10FFFD}' => Some(Kind::PrivateUse),
        _ => None,
    }
}

fn is_pictograph(c: char) -> bool {
    !c.is_ascii()
        && (!matches!(c.emoji_status(), EmojiStatus::NonEmoji | EmojiStatus::NonEmojiButEmojiComponent)
            || matches!(c.general_category(), GeneralCategory::OtherSymbol)
            || matches!(c, '\u{1F3FB}'..='\u{1F3FF}'))
}

/// What letters of a script look like: (script, prototype) of every letter of the scripts above.
fn looks() -> &'static HashSet<(Script, u64)> {
    static LOOKS: OnceLock<HashSet<(Script, u64)>> = OnceLock::new();
    LOOKS.get_or_init(|| {
        let mut set = HashSet::new();
        for c in ('\u{41}'..='\u{2FFF}').chain('\u{A000}'..='\u{ABFF}').chain('\u{10280}'..='\u{104FF}') {
            let s = c.script();
            if c.is_alphabetic() && s != Script::Unknown && SCRIPTS.contains(&s) && (s != Script::Cyrillic || is_everyday_cyrillic(c)) {
                set.insert((s, prototype(c)));
            }
        }
        set
    })
}

/// The Russian and Ukrainian alphabets. Historic and minority letters look like most of the Latin
/// alphabet, so that any English word in a Russian text would pass for a disguise.
fn is_everyday_cyrillic(c: char) -> bool {
    matches!(
        c,
        '\u{410}'
            ..='\u{44F}'
                | '\u{401}'
                | '\u{451}'
                | '\u{404}'
                | '\u{454}'
                | '\u{406}'
                | '\u{456}'
                | '\u{407}'
                | '\u{457}'
                | '\u{490}'
                | '\u{491}'
    )
}

fn prototype(c: char) -> u64 {
    let mut buffer = [0u8; 4];
    let mut hash = 0u64;
    for p in unicode_security::skeleton(c.encode_utf8(&mut buffer)) {
        hash = xxhash_rust::xxh3::xxh3_64_with_seed(&(p as u32).to_le_bytes(), hash);
    }
    hash
}

/// A letter that a reader takes for one of `host`, in either case: `к` passes for `k` because `К`
/// is `K`.
fn looks_like(c: char, host: Script) -> bool {
    let is = |c: char| looks().contains(&(host, prototype(c)));
    is(c)
        || c.to_uppercase().all(is) && c.to_uppercase().next() != Some(c)
        || c.to_lowercase().all(is) && c.to_lowercase().next() != Some(c)
}

/// Plain ASCII letter behind a styled copy (fullwidth, mathematical, circled, Roman numeral).
fn is_styled(c: char) -> bool {
    let styled = matches!(c, '\u{FF21}'..='\u{FF3A}' | '\u{FF41}'..='\u{FF5A}' | '\u{1D400}'..='\u{1D7FF}' | '\u{2102}'..='\u{2149}'
        | '\u{2160}'..='\u{217F}' | '\u{24B6}'..='\u{24E9}' | '\u{1F130}'..='\u{1F189}');
    // The micro, ohm and similar signs are units, not copies of Latin letters.
    styled
        && std::iter::once(c).nfkd().all(|n| n.is_ascii_alphabetic())
        && !matches!(c, '\u{2116}' | '\u{2120}'..='\u{2122}' | '\u{212A}' | '\u{212B}')
}

/// A Latin letter that is neither ASCII nor an accented one, and is drawn like an ASCII letter.
fn is_latin_lookalike(c: char) -> bool {
    if c.is_ascii()
        || script_of(c) != Script::Latin
        || matches!(c, 'ª' | 'º')
        || is_styled(c)
        || std::iter::once(c).nfkd().next() != Some(c)
    {
        return false;
    }
    let mut buffer = [0u8; 4];
    let mut look = unicode_security::skeleton(c.encode_utf8(&mut buffer));
    look.next().is_some_and(|p| p.is_ascii_alphabetic()) && look.next().is_none()
}

/// A maximal run of letters, marks and unseen characters, by the scripts of its letters.
#[derive(Default)]
struct Word {
    from: usize,
    to: usize,
    letters: u32,
    /// At most four scripts; a fifth is not worth telling apart.
    scripts: [(Option<Script>, u32); 4],
    styled: u32,
    lookalike: Option<char>,
    plain: u32,
}

impl Word {
    fn add(&mut self, c: char) {
        self.letters += 1;
        self.plain += u32::from(c.is_ascii());
        if is_styled(c) {
            self.styled += 1;
            return;
        }
        let s = script(Some(c));
        if is_latin_lookalike(c) {
            self.lookalike.get_or_insert(c);
        }
        if let Some(slot) = self.scripts.iter_mut().find(|(k, _)| *k == Some(s) || k.is_none()) {
            *slot = (Some(s), slot.1 + 1);
        }
    }
    fn only(&self) -> Option<Script> {
        self.scripts[0].0.filter(|_| self.scripts[1].0.is_none() && self.styled == 0)
    }
    /// The text's own script when the word has a letter of it, else the script of most letters.
    fn host(&self, dominant: Script) -> Option<Script> {
        let scripts = self.scripts.iter().filter_map(|(s, n)| s.map(|s| (s, *n)));
        scripts.max_by_key(|&(s, n)| (s == dominant, n, std::cmp::Reverse(tag_of(s)))).map(|(s, _)| s)
    }
}

fn confusable(text: &str, profile: &Profile, out: &mut Vec<Oddity>) {
    // Script of the last finished word, and a word that waits for its right neighbour.
    let mut previous: Option<Script> = None;
    let mut waiting: Option<Oddity> = None;
    let mut word: Option<Word> = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let (s, alphabetic) = letter_of(c);
        let letter = (alphabetic || is_styled(c)) && !is_blank_letter(c) && !is_unspaced(s) && !matches!(c, 'ª' | 'º');
        if letter && (is_styled(c) || !matches!(s, Script::Common | Script::Inherited)) {
            let w = word.get_or_insert_with(|| Word { from: at, ..Word::default() });
            w.add(c);
            w.to = at + c.len_utf8();
            continue;
        }
        // Marks and unseen characters do not end a word.
        if word.is_some() && (matches!(s, Script::Inherited) || is_unseen(c)) {
            continue;
        }
        let Some(w) = word.take() else { continue };
        let only = w.only();
        if let Some(odd) = waiting.take()
            && only.or(w.host(profile.dominant)) == Some(profile.dominant)
        {
            out.push(odd);
        }
        let span = w.from..w.to;
        if let Some(s) = only {
            if let Some(c) = w.lookalike {
                out.push(Oddity {
                    kind: Kind::LatinLookalike,
                    group: group_of(Kind::LatinLookalike, c as u32),
                    span: span.clone(),
                    inside: w.plain > 0,
                    faint: w.plain == 0,
                });
            }
            // A whole word of look-alikes amid the text's own script. One Greek letter is a symbol.
            let host = profile.dominant;
            // Roman numerals and acronyms keep their script when quoted.
            let alone = w.letters == 1 && s == Script::Greek || w.letters > 1 && !text[span.clone()].chars().any(char::is_lowercase);
            if s != host
                && profile.clear
                && !alone
                && previous.is_none_or(|p| p == host)
                && text[span.clone()].chars().all(|c| !c.is_alphabetic() || looks_like(c, host))
            {
                let odd = Oddity { kind: Kind::Disguise, group: pair(Kind::Disguise, s, host), span, inside: false, faint: false };
                // The end of the text is as good a neighbour as a word of the host.
                if text[w.to..].chars().any(char::is_alphabetic) { waiting = Some(odd) } else { out.push(odd) }
            }
        } else if w.styled > 0 && !profile.cjk {
            out.push(Oddity { kind: Kind::Styled, group: group_of(Kind::Styled, 0), span, inside: w.plain > 0, faint: false });
        } else if let Some(host) = w.host(profile.dominant) {
            mixed(text, &w, host, out);
        }
        previous = only.or(w.host(profile.dominant));
    }
}

fn pair(kind: Kind, foreign: Script, host: Script) -> u64 {
    group_of(kind, tag_of(foreign) << 8 | tag_of(host))
}

fn mixed(text: &str, word: &Word, host: Script, out: &mut Vec<Oddity>) {
    for foreign in word.scripts.iter().filter_map(|(s, _)| *s).filter(|&s| s != host) {
        let (mut first, mut last, mut inside, mut all_look) = (None, 0, false, true);
        let slice = &text[word.from..word.to];
        let mut neighbour = None;
        for (i, c) in slice.char_indices() {
            let s = script(Some(c));
            if s == foreign {
                first.get_or_insert(i);
                last = i + c.len_utf8();
                all_look &= looks_like(c, host);
                // Its host stands before it, and the rest of the word goes on after it.
                inside |= neighbour == Some(host) && slice[last..].chars().any(|n| script(Some(n)) == host);
            }
            neighbour = Some(s);
        }
        let Some(first) = first else { continue };
        let span = word.from + first..word.from + last;
        let greek_symbol = foreign == Script::Greek && !inside;
        let kind = if all_look { Kind::Disguise } else { Kind::Mixture };
        // Delta-t, alpha helices and micrometres are science, not disguise.
        out.push(Oddity { kind, group: pair(kind, foreign, host), span, inside, faint: greek_symbol });
    }
}
