//! A contract as a document of the Open Data Contract Standard. What the standard has a word for is
//! said in it; everything else goes into `customProperties` named `taster.*`, which [`super::odcs`]
//! reads back. A contract that came from such a document brings it along: what was not edited since is
//! written back as it was, to the letter of its values, and blocks that nobody here reads are kept.

use super::Contract;
use super::compare::{Map, canon, canon_of};
use super::doc::Doc;
use super::fields::Sink;
use super::odcs::{import, is_plain_number, logical_of};
use super::tree::{self, Entry, Kind, Node};
use crate::error::{Error, Result};
use std::rc::Rc;

/// The version of the standard in which new documents are written.
const VERSION: &str = "v3.1.0";
/// Top-level keys that have no word in the standard.
const TOP: [&str; 7] = ["data", "roots", "format", "extra_columns", "on_not_evaluated", "poisoning", "ignore"];

/// The document as YAML.
///
/// # Errors
/// An internal error when the contract's own text is no tree.
pub fn export(contract: &Contract) -> Result<String> {
    let root = contract.tree()?;
    let map = Map::of(&root);
    let doc = match map.get("odcs").map(|e| Map::of(&e.value)) {
        Some(kept) => edited(&map, &kept)?,
        None => fresh(&map, contract),
    };
    let mut out = String::new();
    doc.block(0, &mut out);
    Ok(out)
}

fn pair(key: &str, value: Doc) -> (String, Doc) {
    (key.to_owned(), value)
}
fn custom(key: &str, value: Doc) -> Doc {
    Doc::Map(vec![pair("property", Doc::Text(format!("taster.{key}"))), pair("value", value)])
}
fn doc_of(e: &Entry) -> Doc {
    Doc::of(&e.value)
}

fn fresh(map: &Map<'_>, contract: &Contract) -> Doc {
    let name = contract.name.clone().unwrap_or_else(|| "dataset".into());
    let mut doc = Doc::Map(vec![
        pair("apiVersion", Doc::text(VERSION)),
        pair("kind", Doc::text("DataContract")),
        pair("id", Doc::text(name.clone())),
        pair("name", Doc::text(name.clone())),
        pair("version", Doc::text(contract.version.clone().unwrap_or_else(|| "0.1.0".into()))),
        pair("status", Doc::text("active")),
    ]);
    if let Some(d) = &contract.description {
        doc.set("description", Some(Doc::Map(vec![pair("purpose", Doc::text(d.clone()))])));
    }
    let mut object =
        Doc::Map(vec![pair("name", Doc::text(name)), pair("logicalType", Doc::text("object")), pair("physicalType", Doc::text("table"))]);
    let properties: Vec<Doc> = map.under("columns").0.iter().map(property).collect();
    if !properties.is_empty() {
        object.set("properties", Some(Doc::List(properties)));
    }
    rules(&mut object, map.get("rules"));
    doc.set("schema", Some(Doc::List(vec![object])));
    let own: Vec<Doc> = TOP.iter().filter_map(|k| map.get(k).map(|e| custom(k, doc_of(e)))).collect();
    if !own.is_empty() {
        doc.set("customProperties", Some(Doc::List(own)));
    }
    doc
}

/// A column as a property, in the standard's words as far as they bring back the same entry.
fn property(e: &Entry) -> Doc {
    let settings = Map::of(&e.value);
    let mut out = Doc::Map(vec![pair("name", Doc::text(e.key.clone()))]);
    let mut own = Vec::new();
    let declared = settings.text("type").unwrap_or("");
    let (logical, format) = logical_of(declared).unwrap_or(("", None));
    let mut options = Doc::Map(Vec::new());
    if !logical.is_empty() {
        out.set("logicalType", Some(Doc::text(logical)));
        out.set("physicalType", Some(Doc::text(declared)));
    }
    if let Some(f) = format {
        options.set("format", Some(Doc::text(f)));
    }
    for s in settings.0 {
        let words = |n: &Node| matches!(&n.kind, Kind::Scalar(_));
        match s.key.as_str() {
            "type" if !logical.is_empty() => {}
            "description" => out.set("description", Some(Doc::text(settings.text("description").unwrap_or("")))),
            "required" | "unique" if settings.text(&s.key) == Some("true") => out.set(&s.key, Some(Doc::Bool(true))),
            "pattern" if logical == "string" => options.set("pattern", Some(Doc::text(settings.text("pattern").unwrap_or("")))),
            "length" if logical == "string" && Map::of(&s.value).get("unit").is_none() && words_are_counts(&s.value) => {
                for (end, option) in [("min", "minLength"), ("max", "maxLength")] {
                    if let Some(n) = Map::of(&s.value).text(end) {
                        options.set(option, Some(Doc::Number(n.to_owned())));
                    }
                }
            }
            "range" if matches!(logical, "integer" | "number") && numbers(&s.value) => {
                let exclusive = Map::of(&s.value).text("exclusive") == Some("true");
                let names = if exclusive { ["exclusiveMinimum", "exclusiveMaximum"] } else { ["minimum", "maximum"] };
                for (end, option) in ["min", "max"].into_iter().zip(names) {
                    if let Some(n) = Map::of(&s.value).text(end) {
                        options.set(option, Some(Doc::Number(n.to_owned())));
                    }
                }
            }
            _ if words(&s.value) || s.value.is_null() => own.push(custom(&s.key, Doc::of(&s.value))),
            _ => own.push(custom(&s.key, doc_of(s))),
        }
    }
    if options != Doc::Map(Vec::new()) {
        out.set("logicalTypeOptions", Some(options));
    }
    if !own.is_empty() {
        out.set("customProperties", Some(Doc::List(own)));
    }
    out
}

fn words_are_counts(n: &Node) -> bool {
    Map::of(n).0.iter().all(|e| matches!(&e.value.kind, Kind::Scalar(t) if t.text.parse::<u64>().is_ok()))
}

/// A range whose ends are numbers as JSON has them, nothing else in it.
fn numbers(n: &Node) -> bool {
    Map::of(n).0.iter().all(|e| match e.key.as_str() {
        "min" | "max" => matches!(&e.value.kind, Kind::Scalar(t) if is_plain_number(&t.text)),
        "exclusive" => matches!(&e.value.kind, Kind::Scalar(t) if t.text == "true"),
        _ => false,
    })
}

/// Rules of the dataset: a bare row count in the standard's words, everything else as an extension.
fn rules(object: &mut Doc, list: Option<&Entry>) {
    let Some(Kind::Seq(items)) = list.map(|e| &e.value.kind) else { return };
    let count = |n: &Rc<Node>| match &n.kind {
        Kind::Map(entries) if entries.len() == 1 && entries[0].key == "rows" => row_count(&entries[0].value),
        _ => None,
    };
    if let [only] = items.as_slice()
        && let Some(q) = count(only)
    {
        object.set("quality", Some(Doc::List(vec![q])));
    } else if !items.is_empty() {
        let own = custom("rules", Doc::List(items.iter().map(|n| Doc::of(n)).collect()));
        let counts: Vec<Doc> = items.iter().filter_map(count).collect();
        if !counts.is_empty() {
            // Said twice, so that other readers see it too; the extension is what is read back.
            object.set("quality", Some(Doc::List(counts)));
        }
        extend(object, own);
    }
}

fn row_count(bounds: &Node) -> Option<Doc> {
    let b = Map::of(bounds);
    let number = |k: &str| b.text(k).map(|t| Doc::Number(t.to_owned()));
    let (operator, value) = match (number("min"), number("max")) {
        (Some(a), Some(b)) if a == b => ("mustBe", a),
        (Some(a), Some(b)) => ("mustBeBetween", Doc::List(vec![a, b])),
        (Some(a), None) => ("mustBeGreaterOrEqualTo", a),
        (None, Some(b)) => ("mustBeLessOrEqualTo", b),
        (None, None) => return None,
    };
    Some(Doc::Map(vec![pair("type", Doc::text("library")), pair("metric", Doc::text("rowCount")), pair(operator, value)]))
}

/// Adds or replaces an extension.
fn extend(node: &mut Doc, own: Doc) {
    let name = own.get("property").cloned();
    let mut all = node.get("customProperties").map(|c| c.items().to_vec()).unwrap_or_default();
    all.retain(|p| p.get("property") != name.as_ref());
    all.push(own);
    node.set("customProperties", Some(Doc::List(all)));
}

fn retract(node: &mut Doc, key: &str) {
    let name = Doc::Text(format!("taster.{key}"));
    let Some(all) = node.get("customProperties") else { return };
    let left: Vec<Doc> = all.items().iter().filter(|p| p.get("property") != Some(&name)).cloned().collect();
    if left.len() != all.items().len() {
        node.set("customProperties", (!left.is_empty()).then_some(Doc::List(left)));
    }
}

/// The kept document with what was edited since.
fn edited(map: &Map<'_>, kept: &Map<'_>) -> Result<Doc> {
    let gone = || {
        Error::usage("the `odcs:` block of the contract is not what `taster convert` wrote")
            .help("take the block out to convert without it")
    };
    let base = &kept.get("contract").ok_or_else(gone)?.value;
    let name = kept.text("object").filter(|n| !n.is_empty());
    let mut sink = Sink::default();
    let before = import(base, name, false, &mut sink).ok_or_else(gone)?;
    let mut problems = Vec::new();
    let before = tree::read(&before.yaml, &mut problems).ok_or_else(gone)?;
    let before = Map::of(&before);
    let mut doc = Doc::of(base);
    for key in ["name", "version"] {
        if canon_of(map.get(key)) != canon_of(before.get(key)) {
            doc.set(key, map.text(key).map(Doc::text));
        }
    }
    if canon_of(map.get("description")) != canon_of(before.get("description")) {
        let mut description = doc.get("description").filter(|d| matches!(d, Doc::Map(_))).cloned().unwrap_or(Doc::Map(Vec::new()));
        description.set("purpose", map.text("description").map(Doc::text));
        doc.set("description", Some(description));
    }
    for key in TOP.into_iter().filter(|k| canon_of(map.get(k)) != canon_of(before.get(k))) {
        match map.get(key) {
            Some(e) => extend(&mut doc, custom(key, doc_of(e))),
            None => retract(&mut doc, key),
        }
    }
    let list = if doc.get("schema").is_some() { "schema" } else { "dataset" };
    let Some(Doc::List(objects)) = doc.get_mut(list) else { return Ok(doc) };
    let called = |o: &Doc| [o.get("name"), o.get("table")].into_iter().flatten().any(|n| n.as_text() == name);
    let Some(object) = objects.iter_mut().find(|o| name.is_none() || called(o)) else { return Ok(doc) };
    if canon_of(map.get("rules")) != canon_of(before.get("rules")) {
        let rules = map.get("rules").map_or(Doc::List(Vec::new()), doc_of);
        extend(object, custom("rules", rules));
    }
    let (now, then) = (map.under("columns"), before.under("columns"));
    for e in now.0 {
        let was = then.0.iter().find(|t| t.key == e.key);
        if was.is_some_and(|w| canon(&w.value) == canon(&e.value)) {
            continue;
        }
        match find(object, &e.key) {
            Some(p) => update(p, e),
            None => {
                let mut all = object.get("properties").map(|p| p.items().to_vec()).unwrap_or_default();
                all.push(property(e));
                object.set("properties", Some(Doc::List(all)));
            }
        }
    }
    for e in then.0.iter().filter(|e| !now.0.iter().any(|n| n.key == e.key)) {
        remove(object, &e.key);
    }
    Ok(doc)
}

/// The property that an entry came from, followed through objects and items.
fn find<'d>(node: &'d mut Doc, path: &str) -> Option<&'d mut Doc> {
    if let Some(rest) = path.strip_prefix("[]") {
        let items = node.get_mut("items")?;
        return if rest.is_empty() { Some(items) } else { find(items, rest) };
    }
    let path = path.strip_prefix('.').unwrap_or(path);
    let key = if node.get("properties").is_some() { "properties" } else { "columns" };
    let Doc::List(list) = node.get_mut(key)? else { return None };
    let at = list.iter().position(|p| {
        let name = p.get("name").or_else(|| p.get("column")).and_then(Doc::as_text).unwrap_or("\0");
        path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with("[]"))
    })?;
    let p = &mut list[at];
    let name = p.get("name").or_else(|| p.get("column")).and_then(Doc::as_text).unwrap_or("").len();
    if name == path.len() { Some(p) } else { find(p, &path[name..]) }
}

fn remove(object: &mut Doc, path: &str) {
    let (parent, name) = match path.rsplit_once('.') {
        Some((parent, name)) => (find(object, parent), name.to_owned()),
        None => (Some(object), path.to_owned()),
    };
    let Some(parent) = parent else { return };
    for key in ["properties", "columns"] {
        if let Some(Doc::List(list)) = parent.get_mut(key) {
            list.retain(|p| p.get("name").or_else(|| p.get("column")).and_then(Doc::as_text) != Some(&name));
        }
    }
}

/// What was said about the column in words that are read here is said anew; all else stays.
fn update(p: &mut Doc, e: &Entry) {
    const READ: [&str; 9] =
        ["logicalType", "logicalTypeOptions", "required", "unique", "isNullable", "isUnique", "primaryKey", "isPrimaryKey", "description"];
    let new = property(e);
    READ.iter().for_each(|k| p.set(k, None));
    let library = |q: &Doc| q.get("metric").is_some() || q.get("type").and_then(Doc::as_text) == Some("library");
    if let Some(Doc::List(quality)) = p.get_mut("quality") {
        quality.retain(|q| !library(q));
    }
    if let Some(Doc::List(custom)) = p.get_mut("customProperties") {
        custom.retain(|c| !c.get("property").and_then(Doc::as_text).is_some_and(|n| n.starts_with("taster.")));
    }
    let Doc::Map(entries) = new else { return };
    for (key, value) in entries {
        match key.as_str() {
            "name" => {}
            "physicalType" if p.get("physicalType").is_some() => {}
            "customProperties" => value.items().iter().for_each(|c| extend(p, c.clone())),
            key => p.set(key, Some(value)),
        }
    }
}
