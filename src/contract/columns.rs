//! `columns:` of a contract, one entry per column or glob. What can be said without the data is
//! said here: bad values, and contradictions where the type is declared.

use super::fields::{Fields, Sink};
use super::tree::{Entry, Kind, Node, Text};
use super::{At, ColumnSpec, Length, LengthUnit, Range, Role, Scalar, Severity, keys, scalar, types, values};
use crate::error::{Diagnostic, Span};

/// Roles that describe the row as a whole: a second column would leave open which one is meant.
pub const SINGLE: [Role; 4] = [Role::Id, Role::Label, Role::Split, Role::Weight];

/// Compiled patterns stay small; a contract is untrusted.
const PATTERN_BYTES: usize = 4 << 20;

pub fn read(e: &Entry, sink: &mut Sink) -> Vec<ColumnSpec> {
    let Kind::Map(entries) = &e.value.kind else {
        let d = Diagnostic::new("C004", format!("`columns` wants a map from column to its settings, here is {}", e.value.what()));
        sink.push(d.at(e.value.span).help("written `columns: {label: {type: string, role: label}}`"));
        return Vec::new();
    };
    let columns: Vec<ColumnSpec> = entries.iter().filter_map(|e| column(e, sink)).collect();
    single_roles(&columns, sink);
    columns
}

fn column(e: &Entry, sink: &mut Sink) -> Option<ColumnSpec> {
    if e.key.is_empty() {
        sink.push(Diagnostic::new("C004", "a column has an empty name").at(e.key_span));
        return None;
    }
    if let Kind::Scalar(t) = &e.value.kind
        && !e.value.is_null()
        && types::parse(&t.text).is_ok()
    {
        let d = Diagnostic::new("C004", format!("the settings of a column are a map, here is only `{}`", t.text)).at(e.value.span);
        sink.push(d.help(format!("write `{}: {{type: {}}}`", e.key, t.text)));
        return None;
    }
    let mut spec = ColumnSpec {
        name: At::new(e.key.clone(), e.key_span),
        is_glob: is_glob(&e.key),
        matcher: None,
        type_: None,
        role: None,
        required: None,
        unique: None,
        allowed: None,
        forbidden: None,
        range: None,
        length: None,
        pattern: None,
        clauses: Vec::new(),
        tolerance: None,
        severity: Severity::Error,
        description: None,
    };
    if spec.is_glob {
        match glob(&e.key) {
            Ok(glob) => spec.matcher = Some(glob.compile_matcher()),
            Err(error) => {
                let d = Diagnostic::new("C009", format!("`{}` is no glob: {}", e.key, error.kind())).at(e.key_span);
                sink.push(d.help("`*` and `?` stand for characters, `[ab]` for one of them"));
            }
        }
    }
    if e.value.is_null() {
        // `text:` alone declares that the column is there.
        return Some(spec);
    }
    if let Kind::Map(settings) = &e.value.kind
        && let Some(d) = cut_type(settings)
    {
        sink.push(d);
        return None;
    }
    let f = Fields::read(&keys::COLUMN, &e.key, &e.value, sink)?;
    spec.type_ = f.get("type").and_then(|e| type_(e, sink));
    spec.role = f.get("role").and_then(|e| role(e, sink));
    spec.required = f.get("required").and_then(|e| sink.bool(e));
    spec.unique = f.get("unique").and_then(|e| sink.bool(e));
    spec.allowed = f.get("allowed").and_then(|e| set(e, sink));
    spec.forbidden = f.get("forbidden").and_then(|e| set(e, sink));
    spec.range = f.get("range").and_then(|e| range(e, sink));
    spec.length = f.get("length").and_then(|e| length(e, sink));
    spec.pattern = f.get("pattern").and_then(|e| pattern(e, sink));
    spec.clauses = super::clauses::read(&f, sink);
    spec.tolerance = f.get("tolerance").and_then(|e| sink.share(e));
    spec.severity = f.get("severity").and_then(|e| severity(e, sink)).unwrap_or(Severity::Error);
    spec.description = f.get("description").and_then(|e| sink.text(e)).map(|t| t.value);
    values::check_untyped(&spec, sink);
    if let Some(t) = &spec.type_ {
        values::check(&spec, &t.value, sink);
    }
    Some(spec)
}

/// `tags[]` is a path into a list, not a glob.
pub fn is_glob(name: &str) -> bool {
    let name = name.replace("[]", "");
    name.contains(['*', '?']) || name.find('[').is_some_and(|i| name[i..].contains(']'))
}

/// Shell-style: `*`, `?` and `[...]`; a `/` is a character like any other.
fn glob(name: &str) -> Result<globset::Glob, globset::Error> {
    globset::GlobBuilder::new(name).literal_separator(false).build()
}

/// The glob in a column's name, where it is one.
pub fn matcher(name: &str) -> Option<globset::GlobMatcher> {
    glob(name).ok().map(|g| g.compile_matcher())
}

fn type_(e: &Entry, sink: &mut Sink) -> Option<At<super::LogicalType>> {
    let t = sink.scalar(e, "a type such as int64 or string")?;
    match types::parse(&t.text) {
        Ok(t) => Some(At::new(t, e.value.span)),
        Err(error) => {
            let d = Diagnostic { help: error.help, ..Diagnostic::new("C004", error.message).at(e.value.span) };
            sink.push(d);
            None
        }
    }
}

/// `{type: decimal(10, 2)}` without quotes: YAML ends the value at the comma and takes the rest for a
/// key. One error that names the cause, instead of one about half a type and one about a key `2)`.
fn cut_type(settings: &[Entry]) -> Option<Diagnostic> {
    let at = settings.iter().position(|e| e.key == "type")?;
    let Kind::Scalar(Text { text, quoted: false, .. }) = &settings[at].value.kind else { return None };
    let depth = |t: &str| t.matches(['(', '<']).count() as isize - t.matches([')', '>']).count() as isize;
    let mut whole = text.clone();
    let mut open = depth(text);
    let mut end = settings[at].value.span;
    for e in &settings[at + 1..] {
        if open <= 0 || !e.value.is_null() {
            break;
        }
        whole.push_str(", ");
        whole.push_str(&e.key);
        open += depth(&e.key);
        end = e.key_span;
    }
    let start = settings[at].value.span;
    if open != 0 || end == start || end.offset < start.offset {
        return None;
    }
    let span = Span { len: end.offset + end.len - start.offset, ..start };
    let d = Diagnostic::new("C004", format!("the type `{whole}` has a comma, which ends a value inside `{{...}}`")).at(span);
    Some(d.help(format!("put it in quotes: `type: '{whole}'`")))
}

fn role(e: &Entry, sink: &mut Sink) -> Option<At<Role>> {
    let names = || Role::ALL.iter().map(|(n, _)| *n);
    let t = sink.scalar(e, "a role such as label or text")?;
    if let Some((_, role)) = Role::ALL.iter().find(|(n, _)| *n == t.text) {
        return Some(At::new(*role, e.value.span));
    }
    let meant = super::fields::nearest(&t.text, names()).map(|n| format!("did you mean `{n}`?"));
    let help = meant.unwrap_or_else(|| format!("the roles are {}", names().collect::<Vec<_>>().join(", ")));
    sink.push(Diagnostic::new("C004", format!("`{}` is not a role", t.text)).at(e.value.span).help(help));
    None
}

pub fn severity(e: &Entry, sink: &mut Sink) -> Option<Severity> {
    sink.one_of(e, keys::SEVERITIES).map(|i| [Severity::Error, Severity::Warning][i.value])
}

pub fn value(node: &Node, key: &str, sink: &mut Sink) -> Option<Scalar> {
    match &node.kind {
        Kind::Scalar(t) if !node.is_null() => Some(Scalar { text: t.text.clone(), quoted: t.quoted, span: node.span }),
        Kind::Scalar(t) => {
            let help = if scalar::is_null(&t.text) && !t.text.is_empty() {
                format!("for the text `{0}` write '{0}'; whether null may be is said by `required`", t.text)
            } else {
                "for the empty text write ''".into()
            };
            sink.push(Diagnostic::new("C004", format!("`{key}` wants a value, here is null")).at(node.span).help(help));
            None
        }
        _ => {
            sink.push(Diagnostic::new("C004", format!("`{key}` wants a single value, here is {}", node.what())).at(node.span));
            None
        }
    }
}

pub fn set(e: &Entry, sink: &mut Sink) -> Option<At<Vec<Scalar>>> {
    let items = sink.items(e, false)?;
    let values: Vec<Scalar> = items.iter().filter_map(|n| value(n, &e.key, sink)).collect();
    (values.len() == items.len()).then(|| At::new(values, e.value.span))
}

fn range(e: &Entry, sink: &mut Sink) -> Option<At<Range>> {
    let f = Fields::read(&keys::RANGE, "range", &e.value, sink)?;
    let end = |k: &'static str, sink: &mut Sink| f.get(k).and_then(|e| value(&e.value, k, sink));
    let range = Range {
        min: end("min", sink),
        max: end("max", sink),
        exclusive: f.get("exclusive").and_then(|e| sink.bool(e)).is_some_and(|b| b.value),
    };
    if f.get("min").is_none() && f.get("max").is_none() {
        no_bounds("range", f.span, sink);
    }
    Some(At::new(range, e.value.span))
}

pub fn no_bounds(what: &str, span: Span, sink: &mut Sink) {
    sink.push(Diagnostic::new("C008", format!("`{what}` bounds nothing")).at(span).help("give it `min`, `max`, or both"));
}

fn length(e: &Entry, sink: &mut Sink) -> Option<At<Length>> {
    let f = Fields::read(&keys::LENGTH, "length", &e.value, sink)?;
    let (min, max) = (f.get("min").and_then(|e| sink.count(e)), f.get("max").and_then(|e| sink.count(e)));
    if f.get("min").is_none() && f.get("max").is_none() {
        no_bounds("length", f.span, sink);
    }
    min_max(min.as_ref(), max.as_ref(), sink);
    let unit = f.get("unit").and_then(|e| sink.one_of(e, keys::LENGTH_UNITS));
    let unit = unit.map_or(LengthUnit::Chars, |i| [LengthUnit::Chars, LengthUnit::Graphemes, LengthUnit::Bytes][i.value]);
    Some(At::new(Length { min: min.map(|m| m.value), max: max.map(|m| m.value), unit }, e.value.span))
}

/// Bounds in the right order.
pub fn min_max(min: Option<&At<u64>>, max: Option<&At<u64>>, sink: &mut Sink) {
    if let (Some(min), Some(max)) = (min, max)
        && min.value > max.value
    {
        let d = Diagnostic::new("C007", format!("nothing lies between a min of {} and a max of {}", min.value, max.value));
        sink.push(d.at(min.span).label("larger than max").help("swap them?"));
    }
}

pub fn pattern(e: &Entry, sink: &mut Sink) -> Option<At<String>> {
    let t = sink.scalar(e, "a regular expression")?;
    let text = t.text.clone();
    if text.is_empty() {
        sink.push(
            Diagnostic::new("C009", "an empty pattern matches everything")
                .at(e.value.span)
                .help("leave the key out, or say what must occur"),
        );
        return None;
    }
    let Err(error) = regex::RegexBuilder::new(&text).size_limit(PATTERN_BYTES).build() else {
        return Some(At::new(text, e.value.span));
    };
    let full = error.to_string();
    let reason = full.lines().rev().find_map(|l| l.strip_prefix("error: ")).unwrap_or("it is too large once compiled");
    let help = if reason.contains("look-around") || reason.contains("backreference") {
        "patterns are searched in linear time, however hostile the text; that rules out look-around and back-references"
    } else if matches!(error, regex::Error::CompiledTooBig(_)) {
        "repeat less: counted repetitions such as {1,1000} multiply"
    } else {
        "a backslash needs single quotes around the pattern, as in '^\\d+$'"
    };
    sink.push(Diagnostic::new("C009", format!("the pattern cannot be used: {reason}")).at(e.value.span).help(help));
    None
}

fn single_roles(columns: &[ColumnSpec], sink: &mut Sink) {
    for role in SINGLE {
        let mut holders = columns.iter().filter_map(|c| c.role.as_ref().filter(|r| r.value == role).map(|r| (c, r)));
        let Some((first, _)) = holders.next() else { continue };
        for (other, at) in holders {
            let d = Diagnostic::new(
                "C007",
                format!("`{}` and `{}` both have the role `{}`", first.name.value, other.name.value, role.as_str()),
            );
            sink.push(d.at(at.span).label("a second one").help(single_help(role)));
        }
    }
}

pub fn single_help(role: Role) -> &'static str {
    match role {
        Role::Id => "one column names the row in the quarantine list; for a key of several columns add a rule `unique: [a, b]`",
        Role::Label => "detectors look at one label at a time; run once per label, with a contract each",
        _ => "give the role to one column",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_are_told_from_paths_and_plain_names() {
        for glob in ["feat_*", "x?", "[ab]_score"] {
            assert!(is_glob(glob), "{glob}");
        }
        for plain in ["text", "a.b", "tags[]", "tags[].name", "odd]name", "a["] {
            assert!(!is_glob(plain), "{plain}");
        }
    }
}
