//! Reading the tree: a map's keys are checked against their section once, and each value is read
//! as its shape. Every problem goes to the [`Sink`]; reading goes on, so that all of them are told
//! at once.

use super::keys::{Key, Section};
use super::tree::{Entry, Kind, Node, Text};
use super::{At, Period, Share, quantity};
use crate::error::{Diagnostic, Span};
use std::rc::Rc;

/// More problems than a person reads; a contract made of nothing but errors stays bounded.
const MAX_PROBLEMS: usize = 100;

#[derive(Debug, Default)]
pub struct Sink {
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
    dropped: usize,
}

impl Sink {
    pub fn push(&mut self, d: Diagnostic) {
        if self.errors.len() < MAX_PROBLEMS {
            self.errors.push(d);
        } else {
            self.dropped += 1;
        }
    }
    pub fn warn(&mut self, d: Diagnostic) {
        if self.warnings.len() < MAX_PROBLEMS {
            self.warnings.push(d);
        }
    }
    /// The errors in the order of the text, with a line on those that are not shown.
    pub fn finish(mut self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let place = |d: &Diagnostic| d.span.map_or((usize::MAX, 0), |s| (s.offset, s.len));
        self.errors.sort_by_key(place);
        self.warnings.sort_by_key(place);
        if self.errors.len() > MAX_PROBLEMS {
            self.dropped += self.errors.len() - MAX_PROBLEMS;
            self.errors.truncate(MAX_PROBLEMS);
        }
        if self.dropped > 0 {
            let n = crate::error::plural(self.dropped, "more problem");
            self.errors.push(Diagnostic::new("C001", format!("{n}; mend these first")));
        }
        (self.errors, self.warnings)
    }

    fn bad(&mut self, span: Span, message: impl Into<String>, help: &str) {
        let d = Diagnostic::new("C004", message).at(span);
        self.push(if help.is_empty() { d } else { d.help(help) });
    }

    /// The characters of a scalar that is not null.
    pub fn scalar<'a>(&mut self, e: &'a Entry, wants: &str) -> Option<&'a Text> {
        self.item(&e.key, &e.value, wants)
    }
    fn item<'a>(&mut self, key: &str, node: &'a Node, wants: &str) -> Option<&'a Text> {
        match &node.kind {
            Kind::Scalar(t) if !node.is_null() => Some(t),
            _ => {
                self.bad(node.span, format!("`{key}` wants {wants}, here is {}", node.what()), "");
                None
            }
        }
    }
    pub fn text(&mut self, e: &Entry) -> Option<At<String>> {
        let t = self.scalar(e, "text")?;
        if t.text.trim().is_empty() {
            self.bad(e.value.span, format!("`{}` is empty", e.key), "");
            return None;
        }
        Some(At::new(t.text.clone(), e.value.span))
    }
    pub fn bool(&mut self, e: &Entry) -> Option<At<bool>> {
        let t = self.scalar(e, "true or false")?;
        match t.text.as_str() {
            "true" => Some(At::new(true, e.value.span)),
            "false" => Some(At::new(false, e.value.span)),
            other => {
                let message = format!("`{}` is true or false, not `{other}`", e.key);
                self.bad(e.value.span, message, "");
                None
            }
        }
    }
    pub fn count(&mut self, e: &Entry) -> Option<At<u64>> {
        let t = self.scalar(e, "a whole number")?;
        let digits = !t.text.is_empty() && t.text.bytes().all(|b| b.is_ascii_digit());
        match t.text.parse() {
            Ok(n) if digits => Some(At::new(n, e.value.span)),
            _ => {
                let message = format!("`{}` is a whole number of zero or more, not `{}`", e.key, t.text);
                self.bad(e.value.span, message, "write the digits alone: 10000");
                None
            }
        }
    }
    pub fn share(&mut self, e: &Entry) -> Option<At<Share>> {
        let t = self.scalar(e, "a share")?;
        match quantity::share(&t.text) {
            Ok(s) => Some(At::new(s, e.value.span)),
            Err((message, help)) => {
                self.bad(e.value.span, message, &help);
                None
            }
        }
    }
    /// A duration of some length.
    pub fn period(&mut self, e: &Entry) -> Option<At<Period>> {
        let t = self.scalar(e, "a duration")?;
        match super::scalar::duration(t.text.trim()) {
            Some(nanos) if nanos > 0 => Some(At::new(Period { nanos, text: t.text.trim().to_owned() }, e.value.span)),
            Some(_) => {
                self.push(
                    Diagnostic::new("C007", format!("`{}` leaves no time at all", e.key)).at(e.value.span).help("write `1d`, or more"),
                );
                None
            }
            None => {
                let message = format!("`{}` is a duration, not `{}`", e.key, t.text);
                self.bad(e.value.span, message, "a number and one of s, m, h, d, w, such as 30d");
                None
            }
        }
    }
    /// One of some words, as its index.
    pub fn one_of(&mut self, e: &Entry, words: &'static [&'static str]) -> Option<At<usize>> {
        let list = words.join(", ");
        let t = self.scalar(e, &format!("one of {list}"))?;
        if let Some(i) = words.iter().position(|w| *w == t.text) {
            return Some(At::new(i, e.value.span));
        }
        let meant = nearest(&t.text, words.iter().copied()).map(|w| format!("did you mean `{w}`?"));
        let help = meant.unwrap_or_else(|| format!("it is one of {list}"));
        self.bad(e.value.span, format!("`{}` cannot be `{}`", e.key, t.text), &help);
        None
    }
    /// The items of a list; a single value is a list of one where the grammar says "one or more".
    pub fn items<'a>(&mut self, e: &'a Entry, one_is_enough: bool) -> Option<&'a [Rc<Node>]> {
        match &e.value.kind {
            Kind::Seq(items) if items.is_empty() => {
                self.push(
                    Diagnostic::new("C007", format!("`{}` is an empty list", e.key))
                        .at(e.value.span)
                        .help("leave the key out, or name a value"),
                );
                None
            }
            Kind::Seq(items) => Some(items),
            Kind::Scalar(_) if one_is_enough && !e.value.is_null() => Some(std::slice::from_ref(&e.value)),
            _ => {
                let wants = if one_is_enough { "a value or a list" } else { "a list, written [a, b]" };
                self.bad(e.value.span, format!("`{}` wants {wants}, here is {}", e.key, e.value.what()), "");
                None
            }
        }
    }
    /// Texts of a list of them, or of one.
    pub fn texts(&mut self, e: &Entry) -> Vec<At<String>> {
        let mut out: Vec<At<String>> = Vec::new();
        for item in self.items(e, true).unwrap_or_default() {
            let Some(t) = self.item(&e.key, item, "text") else { continue };
            if t.text.is_empty() {
                self.bad(item.span, format!("`{}` holds an empty text", e.key), "");
            } else {
                out.push(At::new(t.text.clone(), item.span));
            }
        }
        out
    }
    /// An expression, refused where YAML may have cut it.
    pub fn expression(&mut self, e: &Entry) -> Option<At<String>> {
        match &e.value.kind {
            Kind::Map(_) => {
                self.push(super::quote::broken(&e.key, e.value.span));
                None
            }
            Kind::Scalar(Text { cut: Some(comment), .. }) => {
                self.push(super::quote::broken(&e.key, *comment).label("YAML takes the rest of the line for a comment"));
                None
            }
            _ => self.text(e),
        }
    }
}

/// A map whose keys have been checked against their section.
pub struct Fields<'a> {
    section: &'static Section,
    entries: &'a [Entry],
    pub span: Span,
}

impl<'a> Fields<'a> {
    /// Reports unknown keys and missing ones; `key` is what holds the map,
    /// for messages. A null is an empty map where `may_be_empty`.
    pub fn read(section: &'static Section, key: &str, node: &'a Node, sink: &mut Sink) -> Option<Self> {
        let Kind::Map(entries) = &node.kind else {
            sink.bad(node.span, format!("`{key}` wants a map of keys, here is {}", node.what()), &form(section));
            return None;
        };
        for e in entries {
            known(&[section], e, sink);
        }
        for k in section.keys.iter().filter(|k| k.needed && !entries.iter().any(|e| e.key == k.name)) {
            missing(section, k, node.span, sink);
        }
        Some(Fields { section, entries, span: node.span })
    }
    /// A key of the section.
    pub fn get(&self, name: &'static str) -> Option<&'a Entry> {
        debug_assert!(self.section.find(name).is_some(), "`{name}` is in the table of {}", self.section.name);
        self.entries.iter().find(|e| e.key == name)
    }
}

fn form(section: &Section) -> String {
    let keys: Vec<&str> = section.keys.iter().map(|k| k.name).collect();
    format!("the keys of {} are {}", section.name, keys.join(", "))
}

fn missing(section: &Section, k: &Key, span: Span, sink: &mut Sink) {
    sink.push(Diagnostic::new("C008", format!("{} needs `{}`", section.name, k.name)).at(span.start()).help(k.doc));
}

/// Whether the key belongs to one of the sections; says so if not.
pub fn known(sections: &[&'static Section], e: &Entry, sink: &mut Sink) -> bool {
    match sections.iter().find_map(|s| s.find(&e.key)) {
        Some(_) => true,
        None => {
            let names = sections.iter().flat_map(|s| s.keys).map(|k| k.name);
            let hint = sections.iter().find_map(|s| s.hints.iter().find(|(w, _)| *w == e.key)).map(|(_, h)| (*h).to_owned());
            let meant = hint.or_else(|| nearest(&e.key, names.clone()).map(|n| format!("did you mean `{n}`?")));
            let help = meant.unwrap_or_else(|| format!("the keys of {} are {}", sections[0].name, names.collect::<Vec<_>>().join(", ")));
            sink.push(Diagnostic::new("C003", format!("{} has no key `{}`", sections[0].name, e.key)).at(e.key_span).help(help));
            false
        }
    }
}

pub fn not_supported(what: &str, span: Span) -> Diagnostic {
    Diagnostic::new("C005", format!("{what} is not supported yet"))
        .at(span)
        .help("this version of taster cannot check it; take it out, so that nobody believes it is checked")
}

/// The candidate that a misspelt word most likely means: at most a third of its letters differ.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Distances cost the product of the lengths, and the word is untrusted.
    const LONGEST: usize = 64;
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    let letters = lower.chars().count();
    candidates
        .filter(|c| c.len() <= LONGEST)
        .map(|c| (strsim::damerau_levenshtein(&lower, &c.to_lowercase()), c))
        .filter(|(d, c)| *d <= (letters.max(c.chars().count()) / 3).max(1) && *d < letters)
        .min_by_key(|(d, c)| (*d, *c))
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_across_case_and_swapped_letters() {
        let words = ["label", "length", "range"];
        assert_eq!(nearest("lable", words.into_iter()), Some("label"));
        assert_eq!(nearest("Lenght", words.into_iter()), Some("length"));
        assert_eq!(nearest("colour", words.into_iter()), None);
        assert_eq!(nearest("", words.into_iter()), None);
        assert_eq!(nearest(&"l".repeat(100_000), words.into_iter()), None);
    }

    #[test]
    fn a_word_of_one_letter_means_nothing_else() {
        assert_eq!(nearest("x", ["a", "b"].into_iter()), None);
    }

    #[test]
    fn problems_are_bounded_and_the_rest_is_counted() {
        let mut sink = Sink::default();
        for i in 0..1_000 {
            sink.push(Diagnostic::new("C003", i.to_string()));
        }
        let (errors, _) = sink.finish();
        assert_eq!(errors.len(), MAX_PROBLEMS + 1);
        assert!(errors[MAX_PROBLEMS].message.starts_with("900 more problems"));
    }
}
