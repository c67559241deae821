//! What people decided about suspect rows: a small YAML file next to the contract, written by
//! `taster review` and read by `check` and `split`. It is read like a contract, with every problem told at
//! its place, because a person may edit it and an attacker may want to.
//!
//! ```yaml
//! taster_decisions: 1
//! decisions:
//!   - rule: P110
//!     group: 'blue moon'
//!     decision: keep
//!     reason: 'the shop signs its replies so'
//!     by: 'Ana'
//!     date: 2026-11-23
//!     rows: 2
//!     contents: >-
//!       Ejq1yP0s3d4f5g6H SGVsbG8gd29ybGQh
//! ```
//!
//! Rows are named by what they hold, not by where they stand ([`crate::review::content`]), so a decision
//! outlives a shuffle and another division into files. Sixteen characters per distinct row keep a group of a
//! thousand rows at 17 kB.

use super::fields::{Fields, Sink};
use super::keys::{Section, Shape, key, needed};
use super::tree::{self, Kind, Node};
use super::{scalar, yaml};
use crate::error::{ContractError, Diagnostic, Error, Result, Span, group_digits, plural};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::NaiveDate;
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// About a million distinct rows.
pub const MAX_BYTES: usize = 16 << 20;
/// The key that says what the file is; the value is the version of its format.
const VERSION_KEY: &str = "taster_decisions";
/// Contents per line.
const PER_LINE: usize = 6;

/// Stands for what a row holds: the beginning of a SHA-256. 96 bits, because whoever can write rows must
/// not be able to write one that passes for a row that was kept: even against a million of them that takes
/// 2^76 attempts.
pub type Content = [u8; 12];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// The rows are honest: the rule does not accuse them for what they share.
    Keep,
    /// The rows do not belong: they are quarantined, whatever the rules say.
    Remove,
}

impl Decision {
    pub fn as_str(self) -> &'static str {
        WORDS[self as usize]
    }
}

const WORDS: &[&str] = &["keep", "remove"];

/// One decision about the rows of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Code of the detector.
    pub rule: String,
    /// The group's key, or `sha256:` and its digest where it must not be spelt out; `None` for rows that
    /// the rule accuses each by itself.
    pub group: Option<String>,
    pub decision: Decision,
    pub reason: String,
    /// Who decided.
    pub by: String,
    pub date: NaiveDate,
    /// Sorted and distinct.
    pub contents: Vec<Content>,
    pub span: Span,
}

impl Entry {
    /// Whether it is about this group of this rule.
    pub fn is_about(&self, rule: &str, group: Option<&str>) -> bool {
        self.rule == rule
            && match (self.group.as_deref(), group) {
                (None, None) => true,
                (Some(own), Some(key)) => own == key || (own.starts_with(HIDDEN) && own == hidden(key)),
                _ => false,
            }
    }
}

const HIDDEN: &str = "sha256:";

/// A group's key for a file in which it must not be spelt out.
pub fn hidden(group: &str) -> String {
    format!("{HIDDEN}{}", crate::quarantine::hex(&Sha256::digest(group.as_bytes())))
}

/// Whether two entries mean the same group, spelt out or not.
fn same_group(a: Option<&str>, b: Option<&str>) -> bool {
    let digest = |g: &str| if is_hidden(g) { g.to_owned() } else { hidden(g) };
    a == b || a.map(digest) == b.map(digest)
}

/// Whether a key is such a digest.
pub fn is_hidden(group: &str) -> bool {
    group.starts_with(HIDDEN)
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    pub path: PathBuf,
    /// SHA-256 of the text, lower-case hex.
    pub digest: String,
    pub entries: Vec<Entry>,
}

static TOP: Section = Section {
    name: "a decisions file",
    keys: &[
        needed(VERSION_KEY, Shape::FormatVersion, "Version of the format; always 1."),
        needed("decisions", Shape::List(&Shape::Map(&ENTRY)), "What was decided, group by group."),
    ],
    hints: &[("taster", "a decisions file begins with `taster_decisions: 1`")],
};

static ENTRY: Section = Section {
    name: "a decision",
    keys: &[
        needed("rule", Shape::Text, "Code of the detector that accused the rows."),
        key("group", Shape::Text, "What the rows share, as the report has it; absent for rows accused one by one."),
        needed("decision", Shape::OneOf(WORDS), "keep or remove."),
        needed("reason", Shape::Text, "Why."),
        needed("by", Shape::Text, "Who decided."),
        needed("date", Shape::Date, "When, written 2027-02-01."),
        needed("rows", Shape::Count, "How many contents follow; a line that got lost shows."),
        needed("contents", Shape::Text, "What the rows hold, as digests of 16 characters; `taster review` writes them."),
    ],
    hints: &[
        ("name", "did you mean `by`?"),
        ("who", "did you mean `by`?"),
        ("code", "did you mean `rule`?"),
        ("key", "did you mean `group`?"),
        ("action", "did you mean `decision`?"),
        ("hashes", "did you mean `contents`?"),
    ],
};

/// Where decisions stand beside a contract: `reviews.yaml` has `reviews.decisions.yaml`. Without a contract
/// they stand in the working directory.
pub fn beside(contract: Option<&Path>) -> PathBuf {
    match contract {
        Some(path) => path.with_extension("decisions.yaml"),
        None => PathBuf::from("taster.decisions.yaml"),
    }
}

/// # Errors
/// A usage error when the file cannot be read; every problem in it at once otherwise.
pub fn load(path: &Path) -> Result<Decisions> {
    let cannot = |e: std::io::Error| {
        let error = Error::usage(format!("cannot read the decisions {}: {e}", path.display()));
        if e.kind() == std::io::ErrorKind::NotFound { error.help("`taster review` writes them") } else { error }
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path).and_then(|f| f.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)).map_err(cannot)?;
    let text = String::from_utf8(bytes).map_err(|_| cannot(std::io::Error::other("it is not UTF-8 text")))?;
    parse(path, &text)
}

/// As [`load`], where no file means no decision.
///
/// # Errors
/// As [`load`]; a link to nothing is one too.
pub fn load_if_there(path: &Path) -> Result<Option<Decisions>> {
    match path.symlink_metadata() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        _ => load(path).map(Some),
    }
}

/// # Errors
/// Every problem in the text at once.
pub fn parse(path: &Path, text: &str) -> Result<Decisions> {
    let mut sink = Sink::default();
    let root = tree::read_as("decisions file", MAX_BYTES, text, &mut sink.errors);
    let entries = root.and_then(|node| {
        if node.is_null() {
            return None;
        }
        let f = Fields::read(&TOP, "the decisions file", &node, &mut sink)?;
        if let Some(e) = f.get(VERSION_KEY)
            && let Some(t) = sink.scalar(e, "the version of the format, 1")
            && t.text != "1"
        {
            let d = Diagnostic::new("C004", format!("this taster reads decisions of format 1, not `{}`", t.text)).at(e.value.span);
            sink.push(d.help("use the version of taster that wrote it, or a newer one"));
        }
        match &f.get("decisions")?.value.kind {
            Kind::Seq(items) => Some(items.iter().filter_map(|n| entry(n, &mut sink)).collect()),
            _ => {
                let node = &f.get("decisions")?.value;
                let d = Diagnostic::new("C004", format!("`decisions` wants a list, here is {}", node.what())).at(node.span);
                sink.push(d.help("each decision begins with a dash"));
                None
            }
        }
    });
    let (mut diagnostics, _) = sink.finish();
    if entries.is_none() && diagnostics.is_empty() {
        let d = Diagnostic::new("C008", "the decisions file is empty");
        diagnostics.push(d.help("remove it, or let `taster review` write it again"));
    }
    match entries {
        Some(entries) if diagnostics.is_empty() => Ok(Decisions { path: path.to_owned(), digest: digest(text), entries }),
        _ => Err(Error::Contract(Box::new(ContractError { path: path.to_owned(), text: text.to_owned(), diagnostics }))),
    }
}

fn digest(text: &str) -> String {
    crate::quarantine::hex(&Sha256::digest(text.as_bytes()))
}

fn entry(node: &Node, sink: &mut Sink) -> Option<Entry> {
    let f = Fields::read(&ENTRY, "a decision", node, sink)?;
    let rule = f.get("rule").and_then(|e| sink.text(e));
    if let Some(rule) = &rule
        && !is_detector(&rule.value)
    {
        let d = Diagnostic::new("C004", format!("`{}` is no detector that this taster has", rule.value)).at(rule.span);
        sink.push(d.help("decisions are about findings of detectors, named by code, such as P110; what a contract says is changed there"));
    }
    // An empty key is a key, too.
    let group = match f.get("group") {
        Some(e) => Some(sink.scalar(e, "text")?.text.clone()),
        None => None,
    };
    let decision = f.get("decision").and_then(|e| sink.one_of(e, WORDS));
    let reason = f.get("reason").and_then(|e| sink.text(e));
    let by = f.get("by").and_then(|e| sink.text(e));
    let date = f.get("date").and_then(|e| {
        let t = sink.scalar(e, "a date")?;
        let date = scalar::date(&t.text);
        if date.is_none() {
            let d = Diagnostic::new("C004", format!("`{}` is not a date", t.text)).at(e.value.span);
            sink.push(d.help("a date is written 2027-02-01: year, month, day"));
        }
        date
    });
    let rows = f.get("rows").and_then(|e| sink.count(e));
    let contents = f.get("contents").and_then(|e| {
        let t = sink.text(e)?;
        contents(&t.value).map_err(|(message, help)| sink.push(Diagnostic::new("C004", message).at(t.span.start()).help(help))).ok()
    });
    if let (Some(rows), Some(contents)) = (&rows, &contents)
        && rows.value != contents.len() as u64
    {
        let message = format!("{} announced, {} there", plural(rows.value as usize, "row"), group_digits(contents.len() as u64));
        sink.push(Diagnostic::new("C007", message).at(rows.span).help("some contents got lost or were added; review the group again"));
    }
    Some(Entry {
        rule: rule?.value,
        group,
        decision: [Decision::Keep, Decision::Remove][decision?.value],
        reason: reason?.value,
        by: by?.value,
        date: date?,
        contents: contents?,
        span: f.span,
    })
}

fn is_detector(code: &str) -> bool {
    crate::detectors::REGISTRY.iter().any(|e| e.meta.code == code)
}

fn contents(text: &str) -> Result<Vec<Content>, (String, &'static str)> {
    let one = |word: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(word).ok();
        bytes.and_then(|b| Content::try_from(b).ok()).ok_or_else(|| {
            let shown: String = word.chars().take(24).collect();
            (format!("`{shown}` stands for no row"), "16 characters each, as `taster review` writes them; review the group again")
        })
    };
    let mut all = text.split_ascii_whitespace().map(one).collect::<Result<Vec<_>, _>>()?;
    all.sort_unstable();
    if all.windows(2).any(|w| w[0] == w[1]) {
        return Err(("a content stands here twice".into(), "review the group again"));
    }
    Ok(all)
}

impl Decisions {
    /// The text that reads back as these entries.
    pub fn to_yaml(&self) -> String {
        let mut out = format!(
            "# Decisions of people about suspect rows, by what the rows hold. `taster review` writes this file,\n\
             # `taster check` and `taster split` act on it. Keep it under version control, next to the contract.\n\
             {VERSION_KEY}: 1\ndecisions:"
        );
        if self.entries.is_empty() {
            out.push_str(" []\n");
            return out;
        }
        out.push('\n');
        for e in &self.entries {
            let mut line = |indent: &str, key: &str, value: &str| out.push_str(&format!("{indent}{key}: {value}\n"));
            line("  - ", "rule", &yaml::scalar(&e.rule));
            if let Some(group) = &e.group {
                line("    ", "group", &yaml::scalar(group));
            }
            line("    ", "decision", e.decision.as_str());
            line("    ", "reason", &yaml::scalar(&e.reason));
            line("    ", "by", &yaml::scalar(&e.by));
            line("    ", "date", &e.date.to_string());
            line("    ", "rows", &e.contents.len().to_string());
            line("    ", "contents", ">-");
            for words in e.contents.chunks(PER_LINE) {
                let words: Vec<String> = words.iter().map(|c| URL_SAFE_NO_PAD.encode(c)).collect();
                out.push_str(&format!("      {}\n", words.join(" ")));
            }
        }
        out
    }

    /// Takes a decision in. What was decided before about the same rows of the same group is replaced; about
    /// its other rows it still stands.
    pub fn record(&mut self, new: Entry) {
        for old in &mut self.entries {
            if old.rule == new.rule && same_group(old.group.as_deref(), new.group.as_deref()) {
                old.contents.retain(|c| new.contents.binary_search(c).is_err());
            }
        }
        self.entries.retain(|e| !e.contents.is_empty());
        let same = |e: &&mut Entry| {
            (&e.rule, &e.group, e.decision, &e.reason, &e.by, e.date)
                == (&new.rule, &new.group, new.decision, &new.reason, &new.by, new.date)
        };
        match self.entries.iter_mut().find(same) {
            Some(old) => {
                old.contents.extend(new.contents);
                old.contents.sort_unstable();
            }
            None if !new.contents.is_empty() => self.entries.push(new),
            None => {}
        }
    }

    /// Writes the file whole or not at all.
    ///
    /// # Errors
    /// A usage error when it would be larger than what is read back; a resource error when it cannot be written.
    pub fn save(&mut self) -> Result<()> {
        let text = self.to_yaml();
        if text.len() > MAX_BYTES {
            return Err(Error::usage(format!(
                "{} would have {} bytes, more than is read back",
                self.path.display(),
                group_digits(text.len() as u64)
            ))
            .help("a group this large is better accepted by `ignore:` in the contract, or taken out by `taster split`"));
        }
        let mut file = crate::quarantine::AtomicFile::create(&self.path, false)?;
        file.write_all(text.as_bytes()).map_err(|e| crate::quarantine::io_error(&format!("writing {}", self.path.display()), &e))?;
        file.finish("yaml", self.entries.len() as u64)?.commit()?;
        self.digest = digest(&text);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
