//! The Open Data Contract Standard, v2.2 to v3.x, read as a contract of ours. The document is turned
//! into the text of a contract, line by line, and every line remembers where it came from: what is
//! wrong with it is told in the standard's own file.
//!
//! Every quality rule ends as one of three ([`Fate`]): enforced, documentation only (prose, and checks
//! that belong to another tool), or unsupported. The standard's JSON Schema lets nonsense through (a
//! row count of a column, two operators, reversed bounds); here it is an error. Nothing else of the
//! document is read; [`super::odcs_export`] brings it back.

use super::doc::Doc;
use super::fields::{Sink, nearest};
use super::tree::{Entry, Kind, Node};
use super::{quantity, scalar, yaml};
use crate::error::{Diagnostic, Span};

/// What becomes of a quality rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    Enforced,
    Documentation,
    Unsupported,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub fate: Fate,
    /// `column.metric`.
    pub place: String,
    pub why: String,
    pub span: Span,
}

/// A document of the standard as the text of a contract.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    pub yaml: String,
    /// Where each line of `yaml` comes from.
    pub lines: Vec<Span>,
    pub told: Vec<Told>,
    /// The object that was read, and those that were not.
    pub object: String,
    pub others: Vec<String>,
}

/// Whether a document says that it is one of the standard's.
pub fn is_odcs(root: &Node) -> Option<Span> {
    let e = get(root, "kind")?;
    (text(&e.value) == Some("DataContract")).then_some(e.key_span)
}

pub(super) fn get<'a>(node: &'a Node, key: &str) -> Option<&'a Entry> {
    match &node.kind {
        Kind::Map(entries) => entries.iter().find(|e| e.key == key && !e.value.is_null()),
        _ => None,
    }
}
pub(super) fn text(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Scalar(t) if !node.is_null() => Some(&t.text),
        _ => None,
    }
}
fn items<'a>(node: &'a Node, key: &str) -> Vec<&'a Node> {
    match get(node, key).map(|e| &e.value.kind) {
        Some(Kind::Seq(items)) => items.iter().map(|n| n.as_ref()).collect(),
        _ => Vec::new(),
    }
}
fn said<'a>(node: &'a Node, keys: &[&str]) -> Option<&'a str> {
    keys.iter().find_map(|k| get(node, k).and_then(|e| text(&e.value)))
}
fn is(node: &Node, key: &str, word: &str) -> bool {
    said(node, &[key]).is_some_and(|t| t.eq_ignore_ascii_case(word))
}

/// A document of the standard as a contract's text that carries the document along.
///
/// # Errors
/// A contract error when the text was no document of the standard after all.
pub fn to_contract(text: &str, object: Option<&str>) -> crate::error::Result<String> {
    let mut sink = Sink::default();
    let root = super::tree::read(text, &mut sink.errors);
    let imported = root.and_then(|r| import(&r, object, true, &mut sink));
    imported.map(|i| i.yaml).ok_or_else(|| crate::error::Error::internal("a document that was read is no tree"))
}

/// Extensions: `customProperties` whose name begins with `taster.`.
fn extensions(node: &Node) -> Vec<(&str, &Node)> {
    let own = |p: &'_ Node| said(p, &["property"]).and_then(|n| n.strip_prefix("taster.")).is_some();
    let of = |p| (said(p, &["property"]).and_then(|n| n.strip_prefix("taster.")).unwrap_or(""), get(p, "value"));
    items(node, "customProperties").into_iter().filter(|p| own(p)).map(of).filter_map(|(n, v)| Some((n, v?.value.as_ref()))).collect()
}

/// Reads one object of the document: the named one, else the first. `keep` appends the document
/// itself, for the way back. `None` after an error that leaves nothing to read.
pub fn import(root: &Node, object: Option<&str>, keep: bool, sink: &mut Sink) -> Option<Imported> {
    let objects: Vec<&Node> = items(root, "schema").into_iter().chain(items(root, "dataset")).collect();
    let name = |o: &Node| said(o, &["name", "table"]).unwrap_or("").to_owned();
    let called = |o: &&&Node| object.is_none_or(|n| name(o) == n || said(o, &["physicalName"]) == Some(n));
    let found = objects.iter().find(called).copied();
    if let (Some(wanted), None) = (object, found) {
        let names: Vec<String> = objects.iter().map(|o| name(o)).collect();
        let d = Diagnostic::new("C002", format!("the contract has no object `{wanted}`")).at(root.span.start());
        sink.push(d.help(format!("it has: {}", names.join(", "))));
        return None;
    }
    let mut w = Writer { sink, out: Imported::default(), columns: Vec::new(), rules: Vec::new() };
    w.version(root);
    w.out.object = found.map(name).unwrap_or_default();
    w.out.others = objects.iter().filter(|o| found.is_none_or(|f| !std::ptr::eq(f, **o))).map(|o| name(o)).collect();
    w.top(root, found);
    if let Some(object) = found {
        w.object(object);
    }
    w.finish(root, found, keep);
    Some(w.out)
}

struct Column {
    name: String,
    span: Span,
    settings: Vec<(String, String, Span)>,
}

impl Column {
    fn set(&mut self, key: &str, value: impl Into<String>, span: Span) {
        let value = value.into();
        match self.settings.iter_mut().find(|s| s.0 == key) {
            Some(s) => (s.1, s.2) = (value, span),
            None => self.settings.push((key.to_owned(), value, span)),
        }
    }
    fn has(&self, key: &str) -> bool {
        self.settings.iter().any(|s| s.0 == key)
    }
}

struct Writer<'a> {
    sink: &'a mut Sink,
    out: Imported,
    columns: Vec<Column>,
    rules: Vec<(String, Span)>,
}

/// How many bad rows a metric lets through.
enum Limit {
    None,
    /// As a tolerance is written.
    Share(String),
}

const OPERATORS: [&str; 8] = [
    "mustBe",
    "mustNotBe",
    "mustBeGreaterThan",
    "mustBeGreaterOrEqualTo",
    "mustBeLessThan",
    "mustBeLessOrEqualTo",
    "mustBeBetween",
    "mustNotBeBetween",
];
const METRICS: [&str; 5] = ["nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount"];

impl Writer<'_> {
    fn line(&mut self, text: &str, span: Span) {
        for part in text.lines() {
            self.out.yaml.push_str(part);
            self.out.yaml.push('\n');
            self.out.lines.push(span);
        }
    }
    fn tell(&mut self, fate: Fate, place: &str, why: impl Into<String>, span: Span) {
        self.out.told.push(Told { fate, place: place.to_owned(), why: why.into(), span: span.start() });
    }
    fn wrong(&mut self, code: &'static str, message: String, span: Span, help: &str) {
        let d = Diagnostic::new(code, message).at(span.start());
        self.sink.push(if help.is_empty() { d } else { d.help(help) });
    }

    /// A document of another major version means other things by the same words.
    fn version(&mut self, root: &Node) {
        let known = "taster reads v2.2 to v3.2";
        let Some(e) = get(root, "apiVersion") else {
            let d = Diagnostic::new("C012", "the document does not say its apiVersion; it is read as v3").at(root.span.start());
            return self.sink.warn(d.help(known));
        };
        let said = text(&e.value).unwrap_or("");
        let mut numbers = said.strip_prefix('v').unwrap_or(said).split('.').map(str::parse::<u32>);
        match (numbers.next(), numbers.next().unwrap_or(Ok(0))) {
            (Some(Ok(2)), Ok(2)) | (Some(Ok(3)), Ok(0..=2)) => {}
            (Some(Ok(2 | 3)), Ok(_)) => {
                let d = Diagnostic::new("C012", format!("version {said} of the standard is not known")).at(e.value.span.start());
                self.sink.warn(d.help(format!("{known}; what that version changed is not heeded")));
            }
            _ => self.wrong("C004", format!("{said:?} is no version of the standard that can be read"), e.value.span, known),
        }
    }

    fn top(&mut self, root: &Node, object: Option<&Node>) {
        self.line("taster: 1", root.span.start());
        let name = said(root, &["name", "dataProduct", "quantumName", "datasetName", "id", "uuid"])
            .or(object.and_then(|o| said(o, &["name", "table"])));
        if let Some(name) = name.filter(|n| !n.trim().is_empty()) {
            self.line(&format!("name: {}", yaml::scalar(name)), root.span.start());
        }
        if let Some(version) = said(root, &["version"]).filter(|n| !n.trim().is_empty()) {
            self.line(&format!("version: {}", yaml::scalar(version)), root.span.start());
        }
        let purpose = get(root, "description").and_then(|e| text(&e.value).or_else(|| said(&e.value, &["purpose"])));
        if let Some(purpose) = purpose.filter(|n| !n.trim().is_empty()) {
            self.line(&format!("description: {}", yaml::scalar(purpose)), root.span.start());
        }
        for (key, value) in extensions(root) {
            if !matches!(key, "name" | "version" | "description" | "columns" | "rules" | "taster") {
                self.line(&yaml::entry("", key, &Doc::of(value).flow()), value.span);
            }
        }
        for sla in items(root, "slaProperties") {
            let what = said(sla, &["property"]).unwrap_or("?").to_owned();
            self.tell(Fate::Documentation, &format!("slaProperties.{what}"), "service levels are promises about delivery", sla.span);
        }
    }

    fn object(&mut self, object: &Node) {
        let properties: Vec<&Node> = items(object, "properties").into_iter().chain(items(object, "columns")).collect();
        let keys = properties.iter().filter(|p| is(p, "primaryKey", "true") || is(p, "isPrimaryKey", "true") || is(p, "isPrimary", "true"));
        let position = |p: &Node| said(p, &["primaryKeyPosition"]).and_then(|t| t.parse().ok()).filter(|n| *n > 0).unwrap_or(i64::MAX);
        let mut keys: Vec<&&Node> = keys.collect();
        keys.sort_by_key(|p| position(p));
        let alone = keys.len() == 1;
        for p in &properties {
            self.property(p, "", alone);
        }
        if keys.len() > 1 {
            let names: Vec<String> = keys.iter().filter_map(|p| said(p, &["name", "column"])).map(yaml::scalar).collect();
            self.rules.push((format!("{{unique: [{}]}}", names.join(", ")), keys[0].span.start()));
        }
        for q in items(object, "quality") {
            self.quality(q, None);
        }
        for r in items(object, "relationships") {
            self.tell(Fate::Documentation, "relationships", "keys into other objects are not followed", r.span);
        }
        let own = extensions(object);
        if let Some((_, rules)) = own.iter().find(|(k, _)| *k == "rules") {
            // The whole list, edited on our side.
            self.rules.clear();
            if let Kind::Seq(rules) = &rules.kind {
                self.rules.extend(rules.iter().map(|r| (Doc::of(r).flow(), r.span.start())));
            }
        }
        for (key, value) in own.into_iter().filter(|(k, _)| *k != "rules") {
            self.line(&yaml::entry("", key, &Doc::of(value).flow()), value.span);
        }
    }

    fn property(&mut self, p: &Node, prefix: &str, only_key: bool) {
        let Some(name) = said(p, &["name", "column"]) else {
            self.wrong("C008", "a property has no name".into(), p.span, "every property of an object needs `name`");
            return;
        };
        self.place(p, format!("{prefix}{name}"), only_key);
    }

    fn place(&mut self, p: &Node, path: String, only_key: bool) {
        let at = p.span.start();
        let span = |key: &str| get(p, key).map_or(at, |e| e.key_span);
        let mut c = Column { name: path.clone(), span: at, settings: Vec::new() };
        let logical = said(p, &["logicalType"]).unwrap_or("");
        let options = get(p, "logicalTypeOptions").map(|e| e.value.as_ref());
        let option = |key: &str| options.and_then(|o| get(o, key));
        let format = option("format").and_then(|e| text(&e.value)).unwrap_or("");
        if let Some(t) = type_of(logical, format) {
            c.set("type", t, span("logicalType"));
        }
        if let Some(d) = said(p, &["description"]).filter(|d| !d.trim().is_empty()) {
            c.set("description", yaml::scalar(d), span("description"));
        }
        let key = ["primaryKey", "isPrimaryKey", "isPrimary"].iter().any(|k| is(p, k, "true"));
        if is(p, "required", "true")
            || is(p, "isNullable", "false")
            || key && get(p, "required").is_none() && get(p, "isNullable").is_none()
        {
            c.set("required", "true", at);
        }
        if is(p, "unique", "true") || is(p, "isUnique", "true") || key && only_key {
            c.set("unique", "true", at);
        }
        self.options(&mut c, logical, &option);
        for q in items(p, "quality") {
            self.quality(q, Some((&mut c, logical)));
        }
        for r in items(p, "relationships") {
            self.tell(Fate::Documentation, &format!("{path}.relationships"), "keys into other objects are not followed", r.span);
        }
        for (key, value) in extensions(p) {
            match key {
                // The whole entry, edited on our side.
                "column" => {
                    c.settings.clear();
                    if let Kind::Map(entries) = &value.kind {
                        entries.iter().for_each(|e| c.set(&e.key, Doc::of(&e.value).flow(), e.key_span));
                    }
                }
                key => c.set(key, Doc::of(value).flow(), value.span),
            }
        }
        let silent = c.settings.is_empty();
        if !path.ends_with("[]") || !silent {
            self.columns.push(c);
        }
        for inner in items(p, "properties") {
            self.property(inner, &format!("{path}."), false);
        }
        if let Some(item) = get(p, "items") {
            self.place(&item.value, format!("{path}[]"), false);
        }
    }

    /// `logicalTypeOptions`.
    fn options<'n>(&mut self, c: &mut Column, logical: &str, option: &dyn Fn(&str) -> Option<&'n Entry>) {
        let value = |e: &Entry| Doc::of(&e.value).flow();
        let ends: Vec<String> =
            [("min", "minLength"), ("max", "maxLength")].iter().filter_map(|(k, o)| Some(format!("{k}: {}", value(option(o)?)))).collect();
        if let Some(e) = option("minLength").or_else(|| option("maxLength")) {
            c.set("length", format!("{{{}}}", ends.join(", ")), e.key_span);
        }
        if let Some(e) = option("pattern") {
            c.set("pattern", value(e), e.key_span);
        }
        let (low, high) = (option("minimum"), option("maximum"));
        let (above, below) = (option("exclusiveMinimum"), option("exclusiveMaximum"));
        let Some(first) = low.or(high).or(above).or(below) else { return self.rest(c, logical, option) };
        let exclusive = low.is_none() && high.is_none();
        if exclusive || above.is_none() && below.is_none() {
            let ends = [("min", low.or(above)), ("max", high.or(below))];
            let mut ends: Vec<String> = ends.iter().filter_map(|(k, e)| Some(format!("{k}: {}", value((*e)?)))).collect();
            if exclusive {
                ends.push("exclusive: true".into());
            }
            c.set("range", format!("{{{}}}", ends.join(", ")), first.key_span);
        } else {
            let place = format!("{}.logicalTypeOptions", c.name);
            self.tell(Fate::Unsupported, &place, "a range with one end inside and the other outside", first.key_span);
        }
        self.rest(c, logical, option);
    }

    fn rest<'n>(&mut self, c: &mut Column, logical: &str, option: &dyn Fn(&str) -> Option<&'n Entry>) {
        for (name, key) in [("multipleOf", "multiple_of"), ("format", "format")] {
            let Some(e) = option(name).filter(|_| name != "format" || logical == "string") else { continue };
            let place = format!("{}.logicalTypeOptions.{name}", c.name);
            let word = text(&e.value).unwrap_or("");
            if name == "format" && !super::clauses::FORMATS.contains(&word) {
                self.tell(Fate::Documentation, &place, format!("`{word}` is no form that could be checked"), e.key_span);
            } else {
                c.set(key, Doc::of(&e.value).flow(), e.key_span);
                self.tell(Fate::Enforced, &place, "", e.key_span);
            }
        }
        for name in ["minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"] {
            if let Some(e) = option(name) {
                self.tell(Fate::Unsupported, &format!("{}.logicalTypeOptions.{name}", c.name), "lists are not counted", e.key_span);
            }
        }
    }

    fn quality(&mut self, q: &Node, column: Option<(&mut Column, &str)>) {
        let metric = said(q, &["metric", "rule"]);
        let kind = said(q, &["type"]).unwrap_or(if metric.is_some() { "library" } else { "text" });
        let owner = column.as_ref().map_or("object".to_owned(), |(c, _)| c.name.clone());
        let place = format!("{owner}.{}", metric.unwrap_or(kind));
        match kind {
            "library" => {}
            "text" => return self.tell(Fate::Documentation, &place, "prose", q.span),
            "sql" => return self.tell(Fate::Unsupported, &place, "a query of a database; write it as an `expression`", q.span),
            "custom" => {
                let engine = said(q, &["engine"]).unwrap_or("another tool");
                return self.tell(Fate::Documentation, &place, format!("a check of {engine}"), q.span);
            }
            // v2.2 names a template of a tool instead.
            _ if get(q, "templateName").is_some() || get(q, "toolName").is_some() => {
                let tool = said(q, &["toolName"]).unwrap_or("another tool");
                return self.tell(Fate::Documentation, &place, format!("a check of {tool}"), q.span);
            }
            other => {
                return self.wrong("C004", format!("`{other}` is no type of quality rule"), q.span, "it is text, library, sql or custom");
            }
        }
        let Some(metric) = metric else {
            return self.wrong(
                "C008",
                "a library rule needs its `metric`".into(),
                q.span,
                "one of nullValues, missingValues, invalidValues, duplicateValues, rowCount",
            );
        };
        if !METRICS.contains(&metric) {
            let help = nearest(metric, METRICS.into_iter())
                .map_or_else(|| format!("it is one of {}", METRICS.join(", ")), |m| format!("did you mean `{m}`?"));
            // `rule` was free text before v3.1.
            if get(q, "metric").is_none() {
                return self.tell(Fate::Unsupported, &place, format!("no metric of the library; {help}"), q.span);
            }
            return self.wrong("C004", format!("there is no metric `{metric}`"), q.span, &help);
        }
        let Kind::Map(entries) = &q.kind else { return };
        let operators: Vec<&Entry> = entries.iter().filter(|e| OPERATORS.contains(&e.key.as_str())).collect();
        let operator = match operators.as_slice() {
            [one] => *one,
            [] => {
                return self.wrong(
                    "C008",
                    format!("`{metric}` says nothing that must be"),
                    q.span,
                    "give it one operator, such as `mustBe: 0`",
                );
            }
            [_, second, ..] => {
                return self.wrong(
                    "C007",
                    format!("`{metric}` has two operators"),
                    second.key_span,
                    "each rule has exactly one; write two rules",
                );
            }
        };
        let Some(numbers) = self.numbers(operator) else { return };
        let severity = if is(q, "severity", "warning") || is(q, "severity", "info") { ", severity: warning" } else { "" };
        let name = said(q, &["name"]).filter(|n| !n.trim().is_empty()).map_or(String::new(), |n| format!(", name: {}", yaml::scalar(n)));
        let shared = format!("{name}{severity}");
        if metric == "rowCount" {
            if column.is_some() {
                return self.wrong(
                    "C004",
                    "`rowCount` is about the object as a whole, not about a property".into(),
                    q.span,
                    "move it to the object's `quality`",
                );
            }
            return self.row_count(q, operator, &numbers, &place, &shared);
        }
        let percent = is(q, "unit", "percent");
        let limit = match self.limit(operator, &numbers, percent) {
            Ok(limit) => limit,
            Err(Some(why)) => return self.tell(Fate::Unsupported, &place, why, q.span),
            Err(None) => return,
        };
        let at = q.span.start();
        let arguments = get(q, "arguments").map(|e| e.value.as_ref());
        let tolerance = match &limit {
            Limit::None => String::new(),
            Limit::Share(s) => format!(", tolerance: {s}"),
        };
        let Some((c, logical)) = column else {
            let names: Vec<String> = arguments
                .map(|a| items(a, "properties").into_iter().filter_map(|n| text(n)).map(yaml::scalar).collect())
                .unwrap_or_default();
            if metric == "duplicateValues" && !names.is_empty() {
                self.rules.push((format!("{{unique: [{}]{tolerance}{shared}}}", names.join(", ")), at));
                return self.tell(Fate::Enforced, &place, "", q.span);
            }
            return self.tell(Fate::Unsupported, &place, "of an object without `arguments: {properties: [...]}`", q.span);
        };
        let plain = matches!(limit, Limit::None) && shared.is_empty();
        let expressible = !c.name.contains(['.', '[']);
        let quoted = format!("\"{}\"", c.name.replace('"', "\"\""));
        let listed = |key: &str| arguments.map(|a| items(a, key)).unwrap_or_default();
        let words = |nodes: &[&Node]| nodes.iter().filter(|n| !n.is_null()).filter_map(|n| text(n)).map(yaml::scalar).collect::<Vec<_>>();
        let literals = |nodes: &[&Node]| -> Vec<String> {
            let one = |t: &str| if logical == "string" { format!("'{}'", t.replace('\'', "''")) } else { t.to_owned() };
            nodes.iter().filter(|n| !n.is_null()).filter_map(|n| text(n)).map(one).collect()
        };
        let expression = match metric {
            "nullValues" if plain => {
                c.set("required", "true", at);
                None
            }
            "nullValues" => Some(format!("{quoted} IS NOT NULL")),
            "duplicateValues" if plain => {
                c.set("unique", "true", at);
                None
            }
            "duplicateValues" => {
                self.rules.push((format!("{{unique: [{}]{tolerance}{shared}}}", yaml::scalar(&c.name)), at));
                None
            }
            "missingValues" => {
                let missing = listed("missingValues");
                let null = missing.is_empty() || missing.iter().any(|n| n.is_null());
                if plain && !c.has("forbidden") {
                    if null {
                        c.set("required", "true", at);
                    }
                    if !words(&missing).is_empty() {
                        c.set("forbidden", format!("[{}]", words(&missing).join(", ")), at);
                    }
                    None
                } else {
                    let mut parts = Vec::new();
                    if null {
                        parts.push(format!("{quoted} IS NOT NULL"));
                    }
                    if !literals(&missing).is_empty() {
                        parts.push(format!("{quoted} NOT IN ({})", literals(&missing).join(", ")));
                    }
                    Some(parts.join(" AND "))
                }
            }
            _ => {
                let valid = listed("validValues");
                let pattern = arguments.and_then(|a| get(a, "pattern"));
                match (words(&valid).is_empty(), pattern) {
                    (false, None) if plain && !c.has("allowed") => {
                        c.set("allowed", format!("[{}]", words(&valid).join(", ")), at);
                        None
                    }
                    (false, None) => Some(format!("{quoted} IN ({})", literals(&valid).join(", "))),
                    (true, Some(p)) if plain && !c.has("pattern") => {
                        c.set("pattern", Doc::of(&p.value).flow(), p.key_span);
                        None
                    }
                    (true, None) => {
                        return self.wrong(
                            "C008",
                            "`invalidValues` does not say what is valid".into(),
                            q.span,
                            "give it `arguments: {validValues: [...]}` or a pattern",
                        );
                    }
                    _ => return self.tell(Fate::Unsupported, &place, "a second pattern, or one with a tolerance", q.span),
                }
            }
        };
        if let Some(e) = expression {
            if !expressible {
                return self.tell(Fate::Unsupported, &place, "a tolerance inside a column", q.span);
            }
            self.rules.push((format!("{{expression: {}{tolerance}{shared}}}", Doc::Text(e).flow()), at));
        }
        self.tell(Fate::Enforced, &place, "", q.span);
    }

    /// The operator's one or two numbers, in order. `None` after a diagnostic.
    fn numbers(&mut self, e: &Entry) -> Option<Vec<String>> {
        let between = e.key.ends_with("Between");
        let nodes: Vec<&Node> = match &e.value.kind {
            Kind::Seq(items) => items.iter().map(|n| n.as_ref()).collect(),
            _ => vec![&e.value],
        };
        let number = |n: &Node| match Doc::of(n) {
            Doc::Number(t) => Some(t),
            _ => None,
        };
        let numbers: Option<Vec<String>> = nodes.iter().map(|n| number(n)).collect();
        let Some(numbers) = numbers.filter(|n| n.len() == if between { 2 } else { 1 }) else {
            let wants = if between { "two numbers" } else { "a number" };
            self.wrong("C004", format!("`{}` wants {wants}", e.key), e.value.span, "");
            return None;
        };
        let value = |t: &String| t.parse::<f64>().unwrap_or(f64::NAN);
        if let [low, high] = numbers.as_slice()
            && value(low) > value(high)
        {
            self.wrong("C007", format!("nothing lies between {low} and {high}"), e.value.span, "the smaller number comes first");
            return None;
        }
        Some(numbers)
    }

    fn row_count(&mut self, q: &Node, e: &Entry, numbers: &[String], place: &str, shared: &str) {
        if is(q, "unit", "percent") {
            return self.wrong("C004", "a number of rows is no percentage".into(), q.span, "leave `unit` out");
        }
        let whole: Option<Vec<u64>> = numbers.iter().map(|n| n.parse().ok()).collect();
        let Some(n) = whole else {
            return self.wrong("C004", format!("`{}` of a row count is a whole number of zero or more", e.key), e.value.span, "");
        };
        let bounds = match (e.key.as_str(), n.as_slice()) {
            ("mustBe", [n]) => format!("min: {n}, max: {n}"),
            ("mustBeGreaterThan", [n]) => format!("min: {}", n.saturating_add(1)),
            ("mustBeGreaterOrEqualTo", [n]) => format!("min: {n}"),
            ("mustBeLessThan", [0]) => return self.wrong("C007", "nothing has fewer rows than none".into(), e.value.span, ""),
            ("mustBeLessThan", [n]) => format!("max: {}", n - 1),
            ("mustBeLessOrEqualTo", [n]) => format!("max: {n}"),
            ("mustBeBetween", [a, b]) => format!("min: {a}, max: {b}"),
            ("mustNotBe", [0]) => "min: 1".into(),
            _ => return self.tell(Fate::Unsupported, place, format!("`{}` of a row count", e.key), q.span),
        };
        self.rules.push((format!("{{rows: {{{bounds}}}{shared}}}"), q.span.start()));
        self.tell(Fate::Enforced, place, "", q.span);
    }

    /// `Err(Some(why))`: unsupported; `Err(None)`: a diagnostic was given.
    fn limit(&mut self, e: &Entry, numbers: &[String], percent: bool) -> Result<Limit, Option<String>> {
        let last = numbers.last().map_or("", String::as_str);
        let zero = |t: &str| t.parse::<f64>() == Ok(0.0);
        let most = match e.key.as_str() {
            "mustBe" | "mustBeBetween" if !zero(&numbers[0]) => return Err(Some("a number of bad rows that must be there".into())),
            "mustBe" | "mustBeBetween" | "mustBeLessOrEqualTo" | "mustBeLessThan" => last,
            other => return Err(Some(format!("`{other}` of bad rows"))),
        };
        let strict = e.key == "mustBeLessThan";
        if strict && zero(most) || most.starts_with('-') {
            self.wrong("C007", "fewer bad rows than none cannot be".into(), e.value.span, "`mustBe: 0` allows none");
            return Err(None);
        }
        if zero(most) {
            return Ok(Limit::None);
        }
        if !percent {
            let one = strict && most == "1";
            return if one { Ok(Limit::None) } else { Err(Some("a fixed number of bad rows; write `unit: percent`".into())) };
        }
        let Ok(share) = quantity::share(&format!("{most}%")) else {
            self.wrong("C004", format!("`{}` of {most} percent", e.key), e.value.span, "a percentage lies between 0 and 100");
            return Err(None);
        };
        if !strict {
            return Ok(Limit::Share(format!("{most}%")));
        }
        // The last share below: no dataset is large enough to lie in between.
        const STEPS: u128 = 10_u128.pow(14);
        let below = 100 * STEPS * u128::from(share.numerator) / u128::from(share.denominator) - 1;
        Ok(Limit::Share(format!("{}.{:014}%", below / STEPS, below % STEPS)))
    }

    fn finish(&mut self, root: &Node, object: Option<&Node>, keep: bool) {
        if !self.columns.is_empty() {
            self.line("columns:", object.map_or(root.span, |o| o.span).start());
        }
        for c in std::mem::take(&mut self.columns) {
            // A name that holds a `*` means this column alone; `[]` is a path.
            let name = if super::columns::is_glob(&c.name) { yaml::literal_name(&c.name) } else { c.name.clone() };
            let body: Vec<String> = c.settings.iter().map(|(k, v, _)| format!("{}: {v}", yaml::scalar(k))).collect();
            if body.is_empty() {
                self.line(&yaml::entry("  ", &name, "{}"), c.span);
                continue;
            }
            let key = yaml::scalar(&name);
            if key.len() > 400 {
                self.line(&yaml::entry("  ", &name, &format!("{{{}}}", body.join(", "))), c.span);
                continue;
            }
            // A line for each setting, so that each can be told where it stands.
            self.line(&format!("  {key}:"), c.span);
            for (setting, (_, _, span)) in body.iter().zip(&c.settings) {
                self.line(&format!("    {setting}"), *span);
            }
        }
        let rules = std::mem::take(&mut self.rules);
        if !rules.is_empty() {
            self.line("rules:", object.map_or(root.span, |o| o.span).start());
        }
        for (rule, span) in rules {
            self.line(&format!("  - {rule}"), span);
        }
        if keep {
            let mut block = String::new();
            let kept = Doc::Map(vec![("object".into(), Doc::text(self.out.object.clone())), ("contract".into(), Doc::of(root))]);
            kept.block(2, &mut block);
            self.line("# The contract of the standard that this one was made from; `taster convert` writes it back.", root.span.start());
            self.line("odcs:", root.span.start());
            self.line(&block, root.span.start());
        }
    }
}

/// The type that a logical type demands, where it demands one: units of time and kinds of numbers are
/// left open by the standard.
fn type_of(logical: &str, format: &str) -> Option<&'static str> {
    Some(match (logical, format) {
        ("string", _) => "string",
        ("boolean", _) => "bool",
        ("date", _) => "date",
        ("integer", "i8") => "int8",
        ("integer", "i16") => "int16",
        ("integer", "i32") => "int32",
        ("integer", "i64") => "int64",
        ("integer", "u8") => "uint8",
        ("integer", "u16") => "uint16",
        ("integer", "u32") => "uint32",
        ("integer", "u64") => "uint64",
        ("integer", _) => "integer",
        ("number", "f32") => "float32",
        ("number", "f64") => "float64",
        _ => return None,
    })
}

/// The other way: logical type and format of a type, where the pair brings exactly this type back.
pub(super) fn logical_of(t: &str) -> Option<(&'static str, Option<&'static str>)> {
    const ALL: [(&str, &str); 14] = [
        ("string", ""),
        ("boolean", ""),
        ("date", ""),
        ("integer", ""),
        ("integer", "i8"),
        ("integer", "i16"),
        ("integer", "i32"),
        ("integer", "i64"),
        ("integer", "u8"),
        ("integer", "u16"),
        ("integer", "u32"),
        ("integer", "u64"),
        ("number", "f32"),
        ("number", "f64"),
    ];
    let found = ALL.iter().find(|(l, f)| type_of(l, f) == Some(t))?;
    Some((found.0, (!found.1.is_empty()).then_some(found.1)))
}

/// Whether a literal may stand in the standard as a number.
pub(super) fn is_plain_number(t: &str) -> bool {
    !t.is_empty()
        && scalar::int_float(0, t.parse().unwrap_or(f64::NAN)).is_some()
        && matches!(t.as_bytes()[0], b'0'..=b'9' | b'-')
        && !t.contains(['n', 'i', 'N', 'I'])
}

#[cfg(test)]
mod tests {
    use super::super::diff::diff;
    use super::super::doc::tests::{any_doc, read};
    use super::super::odcs_export::export;
    use super::super::tests::{ALL, contract, errors};
    use super::*;
    use proptest::prelude::*;

    fn document(properties: &str, quality: &str) -> String {
        format!(
            "kind: DataContract\napiVersion: v3.1.0\nid: x\nversion: 1.0.0\nstatus: active\nschema:\n- name: t\n  properties:\n{properties}{quality}"
        )
    }
    fn column(body: &str) -> String {
        document(&format!("  - {{name: a, logicalType: string{body}}}\n"), "")
    }
    fn object(quality: &str) -> String {
        document("  - {name: a}\n", &format!("  quality:\n  - {{{quality}}}\n"))
    }
    fn told(text: &str) -> Vec<Fate> {
        contract(text).odcs.expect("a document of the standard").told.iter().map(|t| t.fate).collect()
    }
    /// The imported text of our language, without its head.
    fn ours(text: &str) -> String {
        contract(text).odcs.expect("a document of the standard").yaml.lines().skip(3).collect::<Vec<_>>().join("\n")
    }
    fn codes(text: &str) -> Vec<(&'static str, u32)> {
        errors(text).iter().map(|d| (d.code, d.span.map_or(0, |s| s.line))).collect()
    }

    #[test]
    fn the_version_of_the_standard_is_known_warned_of_or_refused() {
        let of = |version: &str| column("").replace("apiVersion: v3.1.0\n", version);
        for known in ["v2.2.0", "2.2.2", "v3.0.2", "v3.2.0", "v3"] {
            assert!(contract(&of(&format!("apiVersion: {known}\n"))).warnings.is_empty(), "{known}");
        }
        for odd in ["", "apiVersion: v3.3.0\n", "apiVersion: v2.1.0\n"] {
            let told = contract(&of(odd)).warnings;
            assert!(told.len() == 1 && told[0].code == "C012", "{odd} {told:?}");
        }
        for wrong in ["v1.0.0", "v4.0.0", "latest", "[3]", "v3.x"] {
            assert_eq!(codes(&of(&format!("apiVersion: {wrong}\n"))), [("C004", 2)], "{wrong}");
        }
    }

    #[test]
    fn properties_become_columns() {
        let text = document(
            "  - {name: id, logicalType: integer, primaryKey: true}\n  - name: a\n    logicalType: object\n    properties:\n    - {name: b, logicalType: string, logicalTypeOptions: {maxLength: 3}}\n  - name: l\n    logicalType: array\n    items: {logicalType: date, required: true}\n",
            "",
        );
        let c = contract(&text);
        let names: Vec<&str> = c.columns.iter().map(|c| c.name.value.as_str()).collect();
        assert_eq!(names, ["id", "a", "a.b", "l", "l[]"]);
        assert!(c.columns[0].required.is_some() && c.columns[0].unique.is_some());
        assert_eq!(c.columns[2].length.as_ref().unwrap().value.max, Some(3));
        // Places are those of the document.
        assert_eq!(c.columns[2].name.span.line, 13);
    }

    #[test]
    fn metrics_of_the_library_become_rules() {
        let q = |q: &str| ours(&column(&format!(", quality: [{{{q}}}]")));
        assert!(q("metric: nullValues, mustBe: 0").contains("required: true"));
        assert!(q("metric: duplicateValues, mustBeLessThan: 1").contains("unique: true"));
        assert!(q("metric: invalidValues, mustBe: 0, arguments: {validValues: [x, '1']}").contains("allowed: [x, 1]"));
        assert!(q("metric: missingValues, mustBe: 0, arguments: {missingValues: [null, '', n/a]}").contains("forbidden: ['', 'n/a']"));
        let rule = q("metric: nullValues, mustBeLessOrEqualTo: 5, unit: percent, severity: warning, name: few");
        assert!(rule.contains(r#"expression: '"a" IS NOT NULL', tolerance: 5%, name: few, severity: warning"#), "{rule}");
        assert!(q("metric: nullValues, mustBeLessThan: 5, unit: percent").contains("tolerance: 4.99999999999999%"));
        assert!(ours(&object("metric: rowCount, mustBeGreaterThan: 10")).contains("rows: {min: 11}"));
        assert!(ours(&object("metric: rowCount, mustBeBetween: [1, 5]")).contains("rows: {min: 1, max: 5}"));
        assert!(ours(&object("metric: duplicateValues, mustBe: 0, arguments: {properties: [a, b]}")).contains("unique: [a, b]"));
    }

    #[test]
    fn every_quality_rule_has_one_fate() {
        let q = |q: &str| told(&column(&format!(", quality: [{{{q}}}]")));
        assert_eq!(q("metric: nullValues, mustBe: 0"), [Fate::Enforced]);
        assert_eq!(q("type: text, description: x"), [Fate::Documentation]);
        assert_eq!(q("type: custom, engine: soda, implementation: x"), [Fate::Documentation]);
        assert_eq!(q("type: sql, query: x, mustBe: 0"), [Fate::Unsupported]);
        assert_eq!(q("metric: nullValues, mustBeLessThan: 7"), [Fate::Unsupported]);
        assert_eq!(q("metric: nullValues, mustBeGreaterThan: 7, unit: percent"), [Fate::Unsupported]);
        assert_eq!(told(&object("metric: rowCount, mustNotBe: 7")), [Fate::Unsupported]);
    }

    #[test]
    fn nonsense_that_the_standards_schema_lets_through_is_an_error() {
        let q = |q: &str| codes(&column(&format!(", quality: [{{{q}}}]")));
        assert_eq!(q("metric: rowCount, mustBe: 5"), [("C004", 9)]);
        assert_eq!(q("metric: nullValues, mustBe: many"), [("C004", 9)]);
        assert_eq!(q("metric: nullValues, mustBeBetween: [5, 1]"), [("C007", 9)]);
        assert_eq!(q("metric: nullValues"), [("C008", 9)]);
        assert_eq!(q("metric: nullValues, mustBe: 0, mustNotBe: 1"), [("C007", 9)]);
        assert_eq!(q("metric: nulValues, mustBe: 0"), [("C004", 9)]);
        assert_eq!(q("metric: nullValues, mustBeLessThan: 101, unit: percent"), [("C004", 9)]);
        assert_eq!(q("metric: nullValues, mustBeLessThan: 0"), [("C007", 9)]);
        assert_eq!(q("metric: invalidValues, mustBe: 0"), [("C008", 9)]);
        assert_eq!(q("type: magic"), [("C004", 9)]);
        assert_eq!(codes(&object("metric: rowCount, mustBe: 1.5")), [("C004", 11)]);
        assert_eq!(codes(&object("metric: rowCount, mustBe: 5, unit: percent")), [("C004", 11)]);
        assert_eq!(codes(&column(", logicalTypeOptions: {minLength: 5, maxLength: 1}")), [("C007", 9)]);
        assert_eq!(codes(&column(", logicalTypeOptions: {pattern: '(?=a)'}")), [("C009", 9)]);
        assert_eq!(codes(&column(", customProperties: [{property: taster.role, value: lable}]")), [("C004", 9)]);
    }

    #[test]
    fn an_older_document_is_read_too() {
        let text = "kind: DataContract\napiVersion: v2.2.2\nuuid: x\nversion: 1.0.0\ndatasetName: d\ndataset:\n- table: t\n  columns:\n  - {column: a, logicalType: string, physicalType: varchar(5), isNullable: false, isUnique: true}\n  quality:\n  - {code: nullCheck, templateName: NullCheck, toolName: Elevate}\n";
        let c = contract(text);
        assert_eq!(c.name.as_deref(), Some("d"));
        assert!(c.columns[0].required.is_some() && c.columns[0].unique.is_some());
        assert_eq!(told(text), [Fate::Documentation]);
    }

    #[test]
    fn a_contract_of_ours_comes_back_from_the_standard() {
        let old = contract(ALL);
        let text = export(&old).unwrap();
        let back = contract(&text);
        assert_eq!(diff(&old, &back).unwrap(), [], "{text}");
    }

    #[test]
    fn an_edit_changes_what_it_is_about_and_nothing_else() {
        let text = document(
            "  - name: a\n    logicalType: string\n    businessName: kept\n    logicalTypeOptions: {maxLength: 3}\n    quality: [{metric: nullValues, mustBe: 0}, {type: text, description: kept too}]\n  - {name: b, logicalType: date, tags: [kept]}\n",
            "",
        );
        let ours = to_contract(&text, None).unwrap();
        let edited = ours.replacen("max: 3", "max: 4", 1);
        assert_ne!(ours, edited);
        let back = read(&export(&contract(&edited)).unwrap());
        let property = |d: &Doc, i: usize| d.get("schema").unwrap().items()[0].get("properties").unwrap().items()[i].clone();
        assert_eq!(property(&back, 1), property(&read(&text), 1));
        let a = property(&back, 0);
        assert_eq!(a.get("businessName"), Some(&Doc::text("kept")));
        assert_eq!(a.get("logicalTypeOptions").unwrap().get("maxLength"), Some(&Doc::Number("4".into())));
        assert_eq!(a.get("quality").unwrap().items().len(), 1);
        assert_eq!(diff(&contract(&edited), &contract(&export(&contract(&edited)).unwrap())).unwrap(), []);
    }

    fn any_property() -> impl Strategy<Value = String> {
        let logical = prop_oneof![
            Just("logicalType: string, logicalTypeOptions: {minLength: 1, maxLength: 9, pattern: '^a+$'}"),
            Just("logicalType: integer, logicalTypeOptions: {minimum: 1, maximum: 5}"),
            Just("logicalType: integer, logicalTypeOptions: {format: i8, exclusiveMinimum: 0}"),
            Just("logicalType: number, physicalType: 'float(3,2)'"),
            Just("logicalType: date, required: true"),
            Just("logicalType: boolean, primaryKey: true, primaryKeyPosition: 1"),
            Just(
                "logicalType: string, quality: [{metric: nullValues, mustBe: 0, dimension: completeness}, {type: sql, query: 'select 1', mustBe: 0}]"
            ),
            Just(
                "logicalType: string, quality: [{metric: invalidValues, mustBeLessThan: 2, unit: percent, arguments: {validValues: [a, b]}}]"
            ),
            Just("logicalType: array, items: {logicalType: object, properties: [{name: x, logicalType: string, unique: true}]}"),
        ];
        (logical, any_doc()).prop_map(|(l, d)| format!("{l}, businessName: {}, unknown: {}", Doc::text("b: #").flow(), d.flow()))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn there_and_back_loses_nothing(properties in proptest::collection::vec(any_property(), 0..4), extra in any_doc(), rows in 0_u32..99) {
            let list: String = properties.iter().enumerate().map(|(i, p)| format!("  - {{name: c{i}, {p}}}\n")).collect();
            let list = if list.is_empty() { "  - {name: only}\n".to_owned() } else { list };
            let text = format!("{}extra: {}\n", document(&list, &format!("  quality: [{{type: library, metric: rowCount, mustBeGreaterThan: {rows}}}]\n")), extra.flow());
            let ours = to_contract(&text, None).unwrap();
            let back = export(&contract(&ours)).unwrap();
            prop_assert_eq!(read(&back), read(&text));
            prop_assert_eq!(to_contract(&back, None).unwrap(), ours);
        }
    }
}
