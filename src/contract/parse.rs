//! YAML to [`Contract`]: the frame of the contract, and the one place where its errors come
//! together. The tree comes from [`super::tree`], the keys from [`super::keys`]; columns, rules and
//! policy are read next door. What only the data can tell is left to the rules of [`crate::checks`].

use super::fields::{Fields, Sink, nearest};
use super::tree::{self, Kind, Node};
use super::{At, Contract, ExtraColumns, Format, OnNotEvaluated, columns, find, keys, odcs, policy, rules};
use crate::error::{ContractError, Diagnostic, Error, Result, Span};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Reads, parses and validates a contract. At most [`tree::MAX_BYTES`] are read, whatever the path
/// leads to.
pub fn load(path: &Path) -> Result<Contract> {
    load_object(path, None)
}

/// As [`load`]; `object` names one of several that a document of the Open Data Contract Standard
/// describes.
pub fn load_object(path: &Path, object: Option<&str>) -> Result<Contract> {
    let cannot = |e: std::io::Error| {
        let error = Error::usage(format!("cannot read the contract {}: {e}", path.display()));
        if e.kind() == std::io::ErrorKind::NotFound { error.help("`taster init DATA` writes a first one from the data") } else { error }
    };
    let file = std::fs::File::open(path).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(tree::MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    match String::from_utf8(bytes) {
        Ok(text) => parse_object(Some(path), &text, object),
        Err(e) => {
            let at = e.utf8_error().valid_up_to();
            let bytes = e.into_bytes();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let before = &bytes[..at];
            let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
            let span = Span {
                line: before.iter().filter(|b| **b == b'\n').count() as u32 + 1,
                column: String::from_utf8_lossy(&before[start..]).chars().count() as u32 + 1,
                offset: at,
                len: 1,
            };
            let d = Diagnostic::new("C001", "the contract is not UTF-8 text").at(span).help("save it as UTF-8");
            Err(error(Some(path), &text, vec![d]))
        }
    }
}

/// Parses and validates a contract's text, in this language or as a document of the Open Data Contract
/// Standard. The error carries every problem found.
pub fn parse(path: Option<&Path>, text: &str) -> Result<Contract> {
    parse_object(path, text, None)
}

/// As [`parse`]; `object` names one of several that a document of the standard describes.
pub fn parse_object(path: Option<&Path>, text: &str, object: Option<&str>) -> Result<Contract> {
    let mut sink = Sink::default();
    let root = tree::read(text, &mut sink.errors);
    let contract = root.and_then(|node| match odcs::is_odcs(&node) {
        Some(_) => standard(path, text, &node, object, &mut sink),
        None => contract(path, text, &node, &mut sink),
    });
    let (errors, warnings) = sink.finish();
    match contract {
        Some(contract) if errors.is_empty() => Ok(Contract { warnings, ..contract }),
        _ if errors.is_empty() => Err(error(path, text, vec![empty()])),
        _ => Err(error(path, text, errors)),
    }
}

/// A document of the standard: turned into this language and read as such, with its own places.
fn standard(path: Option<&Path>, text: &str, root: &Node, object: Option<&str>, sink: &mut Sink) -> Option<Contract> {
    let imported = odcs::import(root, object, false, sink)?;
    let mut problems = Vec::new();
    let own = tree::read(&imported.yaml, &mut problems);
    for d in problems {
        let span = d.span.and_then(|s| imported.lines.get((s.line as usize).saturating_sub(1)).copied());
        sink.push(Diagnostic { span, ..d });
    }
    let own = tree::relocated(&*own?, &imported.lines);
    let contract = contract(path, text, &own, sink)?;
    Some(Contract { odcs: Some(imported), ..contract })
}

fn error(path: Option<&Path>, text: &str, diagnostics: Vec<Diagnostic>) -> Error {
    let path = path.map_or_else(|| PathBuf::from("<contract>"), Path::to_owned);
    Error::Contract(Box::new(ContractError { path, text: text.to_owned(), diagnostics }))
}

fn empty() -> Diagnostic {
    Diagnostic::new("C008", "the contract is empty")
        .help("the smallest contract is `taster: 1`; `taster init DATA` writes one from the data")
}

fn contract(path: Option<&Path>, text: &str, root: &Node, sink: &mut Sink) -> Option<Contract> {
    if root.is_null() {
        sink.push(empty());
        return None;
    }
    let f = Fields::read(&keys::TOP, "the contract", root, sink)?;
    if let Some(e) = f.get("taster") {
        version(e, sink);
    }
    let mut out = Contract {
        path: path.map(Path::to_owned),
        text: text.to_owned(),
        digest: digest(text),
        name: f.get("name").and_then(|e| sink.text(e)).map(|t| t.value),
        version: f.get("version").and_then(|e| sink.text(e)).map(|t| t.value),
        description: f.get("description").and_then(|e| sink.text(e)).map(|t| t.value),
        data: f.get("data").map(|e| sink.texts(e)).unwrap_or_default(),
        roots: f.get("roots").map(|e| sink.texts(e)).unwrap_or_default(),
        format: f.get("format").and_then(|e| format(&e.value, sink)).unwrap_or_default(),
        columns: f.get("columns").map(|e| columns::read(e, sink)).unwrap_or_default(),
        extra_columns: At::default(),
        on_not_evaluated: OnNotEvaluated::Fail,
        rules: Vec::new(),
        poisoning: f.get("poisoning").and_then(|e| policy::poisoning(&e.value, sink)).unwrap_or_default(),
        ignore: f.get("ignore").map(|e| policy::ignore(e, sink)).unwrap_or_default(),
        warnings: Vec::new(),
        limit: None,
        odcs: None,
        inferred: false,
    };
    if let Some(i) = f.get("extra_columns").and_then(|e| sink.one_of(e, keys::EXTRA_COLUMNS)) {
        let value = [ExtraColumns::Forbid, ExtraColumns::Warn, ExtraColumns::Allow][i.value];
        out.extra_columns = At::new(value, i.span);
    }
    if let Some(i) = f.get("on_not_evaluated").and_then(|e| sink.one_of(e, keys::NOT_EVALUATED)) {
        out.on_not_evaluated = [OnNotEvaluated::Fail, OnNotEvaluated::Warn][i.value];
    }
    out.rules = f.get("rules").map(|e| rules::read(e, &out.columns, sink)).unwrap_or_default();
    out.rules.extend(out.columns.iter().filter_map(|c| rules::references(c, sink)));
    find::check_paths(&out, sink);
    if let Some(e) = f.get("odcs") {
        left_behind(e, sink);
    }
    Some(out)
}

/// A contract made from a document of the standard carries that document along. What of its quality
/// rules nobody checks is said at every run, lest it be taken for checked.
fn left_behind(e: &tree::Entry, sink: &mut Sink) {
    let part = |key: &str| odcs::get(&e.value, key).map(|e| &e.value);
    let Some(document) = part("contract") else { return };
    let object = part("object").and_then(|n| odcs::text(n)).filter(|n| !n.is_empty());
    let Some(imported) = odcs::import(document, object, false, &mut Sink::default()) else { return };
    for t in imported.told.into_iter().filter(|t| t.fate == odcs::Fate::Unsupported) {
        let d = Diagnostic::new("C005", format!("the quality rule `{}` was not translated and is not checked: {}", t.place, t.why));
        sink.warn(d.at(t.span).help("write it as a rule of this contract and mark the original as `type: text`, or take it out"));
    }
}

/// SHA-256 of the text, lower-case hex.
fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

fn version(e: &tree::Entry, sink: &mut Sink) {
    let Some(t) = sink.scalar(e, "the version of the contract format, 1") else { return };
    if t.text != "1" {
        let d = Diagnostic::new("C004", format!("this taster reads contracts of format 1, not `{}`", t.text)).at(e.value.span);
        sink.push(d.help("write `taster: 1`; the version of your own contract goes under `version:`"));
    }
}

fn format(node: &Node, sink: &mut Sink) -> Option<Format> {
    let f = Fields::read(&keys::FORMAT, "format", node, sink)?;
    let delimiter = f.get("delimiter").and_then(|e| character(e, sink));
    let quote = f.get("quote").and_then(|e| character(e, sink));
    if let (Some(d), Some(q)) = (delimiter, quote)
        && d == q
    {
        let message = "`delimiter` and `quote` are the same character";
        sink.push(Diagnostic::new("C007", message).at(f.span).help("fields are split by one and enclosed by the other"));
    }
    let encoding = f.get("encoding").and_then(|e| {
        let t = sink.scalar(e, "an encoding")?;
        let known = encoding_rs::Encoding::for_label(t.text.as_bytes()).is_some() || t.text.eq_ignore_ascii_case("latin-1");
        if known {
            return Some(t.text.clone());
        }
        const COMMON: [&str; 6] = ["utf-8", "latin-1", "iso-8859-15", "windows-1252", "utf-16le", "utf-16be"];
        let help = nearest(&t.text.replace('_', "-"), COMMON.into_iter())
            .map_or_else(|| format!("such as {}", COMMON.join(", ")), |n| format!("did you mean `{n}`?"));
        sink.push(Diagnostic::new("C004", format!("`{}` is no encoding", t.text)).at(e.value.span).help(help));
        None
    });
    Some(Format {
        delimiter,
        quote,
        header: f.get("header").and_then(|e| sink.bool(e)).map(|b| b.value),
        nulls: f.get("nulls").and_then(|e| nulls(e, sink)),
        encoding,
    })
}

/// Spellings of null: here the empty text and the word `null` are meant as they stand.
fn nulls(e: &tree::Entry, sink: &mut Sink) -> Option<Vec<String>> {
    let items = sink.items(e, true)?;
    let texts = items.iter().map(|n| match &n.kind {
        Kind::Scalar(t) => Some(t.text.clone()),
        _ => None,
    });
    let all = texts.collect::<Option<Vec<_>>>();
    if all.is_none() {
        let d = Diagnostic::new("C004", "`nulls` wants spellings of null, here is something nested").at(e.value.span);
        sink.push(d.help("written ['', NA, null]"));
    }
    all
}

/// One ASCII character that can separate or enclose fields.
fn character(e: &tree::Entry, sink: &mut Sink) -> Option<char> {
    let t = match &e.value.kind {
        Kind::Scalar(t) => t,
        _ => sink.scalar(e, "one character")?,
    };
    let mut chars = t.text.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if c.is_ascii() && !matches!(c, '\n' | '\r' | '\0') => Some(c),
        _ => {
            let help = match t.text.as_str() {
                "\\t" | "tab" | "TAB" => "a tab is written \"\\t\", in double quotes",
                _ => "one ASCII character in quotes, such as ';'",
            };
            let message = format!("`{}` is one ASCII character, not `{}`", e.key, t.text);
            sink.push(Diagnostic::new("C004", message).at(e.value.span).help(help));
            None
        }
    }
}
