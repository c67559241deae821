//! Two versions of a contract: what became tighter, what looser, what has another name. Loosening is
//! what whoever poisons a dataset does first, so it is told apart with care: a change whose direction
//! cannot be known (another pattern, another expression) counts as both.
//!
//! Both texts are walked as trees, key by key, so that a key which the language gains later is
//! compared too: by its bounds where it has `min` and `max`, else as changed. Columns are matched by
//! name and then by equal settings (a renaming), rules by name, then by what they are about.

use super::compare::*;
use super::tree::{Entry, Kind, Node};
use super::{Contract, LogicalType, keys, quantity, scalar};
use crate::error::{Result, Span};
use arrow::datatypes::DataType;
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::rc::Rc;

/// What a change does to the rows that pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Something may pass that failed before.
    Loosened,
    /// Both, or nobody can tell which.
    Changed,
    /// The same promise under another name.
    Renamed,
    /// Something may fail that passed before.
    Tightened,
    /// No row passes or fails because of it.
    Neutral,
}

impl Effect {
    pub const ALL: [Effect; 5] = [Effect::Loosened, Effect::Changed, Effect::Renamed, Effect::Tightened, Effect::Neutral];
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::Loosened => "loosened",
            Effect::Changed => "changed",
            Effect::Renamed => "renamed",
            Effect::Tightened => "tightened",
            Effect::Neutral => "neutral",
        }
    }
    /// Whether those who rely on the old contract must act.
    pub fn is_alarm(self) -> bool {
        matches!(self, Effect::Loosened | Effect::Changed | Effect::Renamed)
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    pub effect: Effect,
    /// `columns.stars.range`, `rules: rows`.
    pub place: String,
    pub message: String,
    pub old: Option<Span>,
    pub new: Option<Span>,
}

/// The differences, loosening first, each kind in the order of the new text.
///
/// # Errors
/// An internal error when one of the texts is no tree: contracts that parsed are.
pub fn diff(old: &Contract, new: &Contract) -> Result<Vec<Change>> {
    let (a, b) = (old.tree()?, new.tree()?);
    let mut out = Out { changes: Vec::new() };
    let (a, b) = (Map::of(&a), Map::of(&b));
    for section in ["name", "version", "description", "data"] {
        out.neutral(section, a.get(section), b.get(section));
    }
    columns(&a, &b, old, new, &mut out);
    ordered("extra_columns", &["allow", "warn", "forbid"], &a, &b, &mut out);
    ordered("on_not_evaluated", &["warn", "fail"], &a, &b, &mut out);
    rules(&a, &b, &mut out);
    poisoning(&a, &b, &mut out);
    ignores(&a, &b, &mut out);
    roots(&a, &b, &mut out);
    let (x, y) = (a.get("format"), b.get("format"));
    if canon_of(x) != canon_of(y) {
        out.add(Effect::Changed, "format", "text files are read in another way, so the rules see other values", x, y);
    }
    let mut changes = out.changes;
    changes.sort_by(|x, y| {
        (x.effect, x.new.or(x.old).map(|s| s.offset), &x.place).cmp(&(y.effect, y.new.or(y.old).map(|s| s.offset), &y.place))
    });
    Ok(changes)
}

struct Out {
    changes: Vec<Change>,
}

impl Out {
    fn add(&mut self, effect: Effect, place: impl Into<String>, message: impl Into<String>, old: Option<&Entry>, new: Option<&Entry>) {
        self.put(effect, place, message, old.map(|e| e.key_span), new.map(|e| e.key_span));
    }
    fn put(&mut self, effect: Effect, place: impl Into<String>, message: impl Into<String>, old: Option<Span>, new: Option<Span>) {
        self.changes.push(Change { effect, place: place.into(), message: message.into(), old, new });
    }
    fn neutral(&mut self, place: &str, old: Option<&Entry>, new: Option<&Entry>) {
        if canon_of(old) != canon_of(new) {
            self.add(Effect::Neutral, place, from_to(old, new), old, new);
        }
    }
}

/// The settings of a column that a person would not call a different column for.
fn essence(e: &Entry) -> String {
    let mut parts: Vec<String> =
        Map::of(&e.value).0.iter().filter(|s| s.key != "description").map(|s| format!("{}: {}", s.key, canon(&s.value))).collect();
    parts.sort();
    parts.join(", ")
}

fn columns(a: &Map<'_>, b: &Map<'_>, old: &Contract, new: &Contract, out: &mut Out) {
    let (a, b) = (a.under("columns"), b.under("columns"));
    let forbids = |c: &Contract| c.extra_columns.value == super::ExtraColumns::Forbid;
    let find = |map: &Map<'_>, name: &str| map.0.iter().position(|e| e.key == name);
    let mut gone: Vec<&Entry> = a.0.iter().filter(|e| find(&b, &e.key).is_none()).collect();
    for e in b.0 {
        if let Some(at) = find(&a, &e.key) {
            column(&a.0[at], e, old, new, out);
            continue;
        }
        // A column that says nothing cannot be recognised.
        let alike = |g: &&Entry| essence(g) == essence(e) && !essence(e).is_empty();
        let near = gone
            .iter()
            .filter(|g| alike(g))
            .min_by_key(|g| (strsim::damerau_levenshtein(&g.key, &e.key), g.key.clone()))
            .map(|g| g.key.clone());
        if let Some(at) = near.and_then(|name| gone.iter().position(|g| g.key == name)) {
            let was = gone.remove(at);
            let message = format!("`{}` is called `{}` now", was.key, e.key);
            out.add(Effect::Renamed, format!("columns.{}", e.key), message, Some(was), Some(e));
        } else if forbids(old) {
            let message = format!("`{}` must be there now; before, it was forbidden", e.key);
            out.add(Effect::Changed, format!("columns.{}", e.key), message, None, Some(e));
        } else {
            out.add(Effect::Tightened, format!("columns.{}", e.key), format!("`{}` must be there now", e.key), None, Some(e));
        }
    }
    for e in gone {
        let (effect, more) = match forbids(new) {
            true => (Effect::Changed, ", and is forbidden by `extra_columns`"),
            false => (Effect::Loosened, ": it may be missing, and nothing about it is checked"),
        };
        out.add(effect, format!("columns.{}", e.key), format!("`{}` is no longer declared{more}", e.key), Some(e), None);
    }
}

/// The type that literals of a column are read as: the new contract's word, else the old one's.
fn literal_type(name: &str, old: &Contract, new: &Contract) -> Option<DataType> {
    let of = |c: &Contract| {
        let declared = c.columns.iter().find(|s| s.name.value == name)?.type_.as_ref()?;
        Some(match &declared.value {
            LogicalType::Integer => DataType::Int64,
            LogicalType::Exact(t) => t.clone(),
        })
    };
    of(new).or_else(|| of(old))
}

fn column(old: &Entry, new: &Entry, a: &Contract, b: &Contract, out: &mut Out) {
    let name = &new.key;
    let t = literal_type(name, a, b);
    let (x, y) = (Map::of(&old.value), Map::of(&new.value));
    let mut settings: Vec<&str> = keys::COLUMN.keys.iter().map(|k| k.name).collect();
    settings.retain(|k| x.get(k).is_some() || y.get(k).is_some());
    for key in settings {
        let (p, q) = (x.get(key), y.get(key));
        if canon_of(p) == canon_of(q) {
            continue;
        }
        let place = format!("columns.{name}.{key}");
        let (effect, message) = match key {
            "description" => (Effect::Neutral, from_to(p, q)),
            "type" => type_change(p, q),
            "role" => role_change(p, q),
            "allowed" => set_change(p, q, t.as_ref(), false),
            "forbidden" => set_change(p, q, t.as_ref(), true),
            "severity" => severity_change(p, q),
            "tolerance" => share_change(p, q, "0%", false),
            _ => setting(p, q, t.as_ref()),
        };
        if effect != Effect::Neutral || key == "description" {
            out.add(effect, place, message, p.or(Some(old)), q.or(Some(new)));
        }
    }
}

/// A key with words in order of strictness, the first being the loosest; its default by position.
fn ordered(key: &'static str, words: &[&str], a: &Map<'_>, b: &Map<'_>, out: &mut Out) {
    let default = if key == "extra_columns" { 0 } else { words.len() - 1 };
    let rank = |m: &Map<'_>| m.text(key).and_then(|t| words.iter().position(|w| *w == t)).unwrap_or(default);
    let (x, y) = (rank(a), rank(b));
    let effect = match x.cmp(&y) {
        Ordering::Equal => return,
        Ordering::Less => Effect::Tightened,
        Ordering::Greater => Effect::Loosened,
    };
    out.add(effect, key, format!("{} became {}", words[x], words[y]), a.get(key), b.get(key));
}

/// One entry of `rules`.
#[derive(Clone, Copy)]
struct Rule<'a> {
    node: &'a Node,
    kind: &'a Entry,
}

impl<'a> Rule<'a> {
    fn all(map: &Map<'a>) -> Vec<Rule<'a>> {
        let Some(Kind::Seq(items)) = map.get("rules").map(|e| &e.value.kind) else { return Vec::new() };
        items
            .iter()
            .filter_map(|n| Some(Rule { node: n, kind: Map::of(n).0.iter().find(|e| keys::RULE_KINDS.find(&e.key).is_some())? }))
            .collect()
    }
    fn map(&self) -> Map<'a> {
        Map::of(self.node)
    }
    fn name(&self) -> Option<&'a str> {
        self.map().text("name")
    }
    /// What it is about: everything but how much is asked for.
    fn subject(&self) -> String {
        const HOW_MUCH: [&str; 4] = ["min", "max", "exclusive", "within"];
        let params = match &self.kind.value.kind {
            Kind::Map(entries) => {
                let about: Vec<String> = entries
                    .iter()
                    .filter(|e| !HOW_MUCH.contains(&e.key.as_str()))
                    .map(|e| format!("{}: {}", e.key, canon(&e.value)))
                    .collect();
                about.join(", ")
            }
            _ => canon(&self.kind.value),
        };
        format!("{} {params} by {:?}", self.kind.key, canon_of(self.map().get("by")))
    }
    fn title(&self) -> String {
        self.name().map_or_else(|| format!("{}: {}", self.kind.key, shown(&self.kind.value)), str::to_owned)
    }
    fn head(&self) -> Span {
        self.kind.key_span
    }
}

fn rules(a: &Map<'_>, b: &Map<'_>, out: &mut Out) {
    let (mut old, mut new) = (Rule::all(a), Rule::all(b));
    let mut pairs = Vec::new();
    let passes: [fn(&Rule<'_>, &Rule<'_>) -> bool; 5] = [
        |x, y| canon(x.node) == canon(y.node),
        |x, y| x.kind.key == y.kind.key && x.name().is_some() && x.name() == y.name(),
        |x, y| x.kind.key == y.kind.key && canon(&x.kind.value) == canon(&y.kind.value),
        |x, y| x.subject() == y.subject(),
        |x, y| x.kind.key == y.kind.key && x.name().is_none() && y.name().is_none() && x.kind.key != "expression",
    ];
    for same in passes {
        new.retain(|y| match old.iter().position(|x| same(x, y)) {
            Some(at) => {
                pairs.push((old.remove(at), *y));
                false
            }
            None => true,
        });
    }
    for (x, y) in pairs {
        rule(&x, &y, out);
    }
    for x in old {
        out.put(Effect::Loosened, format!("rules: {}", x.title()), "the rule is gone", Some(x.head()), None);
    }
    for y in new {
        out.put(Effect::Tightened, format!("rules: {}", y.title()), "the rule is new", None, Some(y.head()));
    }
}

fn rule(x: &Rule<'_>, y: &Rule<'_>, out: &mut Out) {
    let place = format!("rules: {}", y.title());
    let (a, b) = (x.map(), y.map());
    let mut say = |(effect, message): (Effect, String), key: &str| {
        if effect != Effect::Neutral {
            let span = |m: &Map<'_>, r: &Rule<'_>| m.get(key).map_or(r.head(), |e| e.key_span);
            out.put(effect, format!("{place}.{key}"), message, Some(span(&a, x)), Some(span(&b, y)));
        }
    };
    if canon(&x.kind.value) != canon(&y.kind.value) {
        let change = match (&x.kind.value.kind, &y.kind.value.kind) {
            // More columns in a key leave fewer rows alike.
            _ if x.kind.key == "unique" => match set_change(Some(x.kind), Some(y.kind), None, false) {
                (Effect::Neutral, why) => (Effect::Neutral, why),
                (effect, _) => (effect, from_to(Some(x.kind), Some(y.kind))),
            },
            _ => parameters(x.kind, y.kind),
        };
        say(change, &y.kind.key);
    }
    say(severity_change(a.get("severity"), b.get("severity")), "severity");
    say(share_change(a.get("tolerance"), b.get("tolerance"), "0%", false), "tolerance");
    let (p, q) = (a.get("when"), b.get("when"));
    if canon_of(p) != canon_of(q) {
        let effect = match (p, q) {
            (None, _) => Effect::Loosened,
            (_, None) => Effect::Tightened,
            _ => Effect::Changed,
        };
        say((effect, format!("{}: other rows are tested", from_to(p, q))), "when");
    }
    let (p, q) = (a.get("by"), b.get("by"));
    if canon_of(p) != canon_of(q) {
        say((Effect::Changed, format!("{}: other groups are judged", from_to(p, q))), "by");
    }
    if x.name() != y.name() {
        out.put(Effect::Neutral, format!("{place}.name"), from_to(a.get("name"), b.get("name")), Some(x.head()), Some(y.head()));
    }
}

fn poisoning(a: &Map<'_>, b: &Map<'_>, out: &mut Out) {
    let (x, y) = (a.under("poisoning"), b.under("poisoning"));
    let runs = |m: &Map<'_>, code: &str, name: &str| match m.get("detectors") {
        None => true,
        Some(e) if text(&e.value) == Some("off") => false,
        Some(e) => !Map::of(&e.value).0.iter().any(|d| (d.key == code || d.key == name) && text(&d.value) == Some("off")),
    };
    let (mut off, mut on) = (Vec::new(), Vec::new());
    for meta in crate::detectors::REGISTRY.iter().map(|e| e.meta) {
        match (runs(&x, meta.code, meta.name), runs(&y, meta.code, meta.name)) {
            (true, false) => off.push(format!("`{}`", meta.name)),
            (false, true) => on.push(format!("`{}`", meta.name)),
            _ => {}
        }
    }
    let (p, q) = (x.get("detectors"), y.get("detectors"));
    if !off.is_empty() {
        out.add(Effect::Loosened, "poisoning.detectors", format!("{} switched off", list(&off)), p, q);
    }
    if !on.is_empty() {
        out.add(Effect::Tightened, "poisoning.detectors", format!("{} switched on", list(&on)), p, q);
    }
    let (p, q) = (x.get("false_alarms"), y.get("false_alarms"));
    let (effect, why) = share_change(p, q, "0.1%", true);
    if effect != Effect::Neutral {
        let how = if effect == Effect::Loosened { "less" } else { "more" };
        out.add(effect, "poisoning.false_alarms", format!("{why}: detectors find {how}"), p, q);
    }
    let (p, q) = (x.get("floor"), y.get("floor"));
    let rows = |e: Option<&Entry>| e.and_then(|e| text(&e.value)).and_then(|t| quantity::rows(t).ok());
    let effect = match (rows(p), rows(q)) {
        (None, None) => return,
        (None, Some(_)) => Effect::Tightened,
        (Some(_), None) => Effect::Loosened,
        (Some(a), Some(b)) => match a.cmp(&b) {
            Ordering::Equal => return,
            Ordering::Less => Effect::Loosened,
            Ordering::Greater => Effect::Tightened,
        },
    };
    out.add(effect, "poisoning.floor", from_to(p, q), p, q);
}

fn ignores(a: &Map<'_>, b: &Map<'_>, out: &mut Out) {
    let all = |m: &Map<'_>| -> Vec<Rc<Node>> {
        match m.get("ignore").map(|e| &e.value.kind) {
            Some(Kind::Seq(items)) => items.clone(),
            _ => Vec::new(),
        }
    };
    let about = |n: &Node| (canon_of(Map::of(n).get("rule")), canon_of(Map::of(n).get("group")));
    let place = |n: &Node| {
        let group = Map::of(n).text("group").map_or(String::new(), |g| format!(" `{g}`"));
        format!("ignore: {}{group}", Map::of(n).text("rule").unwrap_or(""))
    };
    let (mut old, new) = (all(a), all(b));
    for y in &new {
        let Some(at) = old.iter().position(|x| about(x) == about(y)) else {
            out.put(Effect::Loosened, place(y), "a finding is accepted now that was not", None, Some(y.span));
            continue;
        };
        let x = old.remove(at);
        let (p, q) = (Map::of(&x).text("expires"), Map::of(y).text("expires"));
        let day = |t: Option<&str>| t.and_then(scalar::date).unwrap_or(chrono::NaiveDate::MAX);
        let effect = match day(p).cmp(&day(q)) {
            Ordering::Less => Effect::Loosened,
            Ordering::Greater => Effect::Tightened,
            Ordering::Equal => continue,
        };
        let word = |t: Option<&str>| t.unwrap_or("never").to_owned();
        out.put(effect, place(y), format!("expires {} instead of {}", word(q), word(p)), Some(x.span), Some(y.span));
    }
    for x in old {
        out.put(Effect::Tightened, place(&x), "a finding is no longer accepted", Some(x.span), None);
    }
}

/// A contract that may read more is a looser fence.
fn roots(a: &Map<'_>, b: &Map<'_>, out: &mut Out) {
    let all = |m: &Map<'_>| -> BTreeSet<String> {
        match m.get("roots").map(|e| &e.value.kind) {
            Some(Kind::Seq(items)) => items.iter().filter_map(|n| text(n)).map(str::to_owned).collect(),
            Some(Kind::Scalar(t)) => [t.text.clone()].into(),
            _ => [".".to_owned()].into(),
        }
    };
    let (x, y) = (all(a), all(b));
    let (p, q) = (a.get("roots"), b.get("roots"));
    let name = |s: BTreeSet<&String>| list(&s.into_iter().map(|r| format!("`{r}`")).collect::<Vec<_>>());
    let (come, gone): (BTreeSet<_>, BTreeSet<_>) = (y.difference(&x).collect(), x.difference(&y).collect());
    if !come.is_empty() {
        out.add(Effect::Loosened, "roots", format!("{} readable now", name(come)), p, q);
    }
    if !gone.is_empty() {
        out.add(Effect::Tightened, "roots", format!("{} no longer readable", name(gone)), p, q);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ALL, contract};
    use super::*;
    use proptest::prelude::*;

    fn changes(old: &str, new: &str) -> Vec<(Effect, String)> {
        diff(&contract(old), &contract(new)).unwrap().into_iter().map(|c| (c.effect, c.place)).collect()
    }
    /// The one effect of replacing the settings of a column.
    fn column(old: &str, new: &str) -> Vec<Effect> {
        let text = |s: &str| format!("taster: 1\ncolumns:\n  a: {{{s}}}\n");
        let found = changes(&text(old), &text(new));
        assert!(found.iter().all(|c| c.1.starts_with("columns.a")), "{found:?}");
        let back = changes(&text(new), &text(old));
        assert_eq!(found.len(), back.len());
        found.into_iter().map(|c| c.0).collect()
    }
    fn rule(old: &str, new: &str) -> Vec<Effect> {
        let text = |s: &str| format!("taster: 1\ncolumns: {{y: {{role: label}}}}\nrules:\n{s}");
        let line = |s: &str| if s.is_empty() { String::new() } else { format!("  - {{{s}}}\n") };
        changes(&text(&line(old)), &text(&line(new))).into_iter().map(|c| c.0).collect()
    }
    use Effect::{Changed, Loosened, Neutral, Renamed, Tightened};

    #[test]
    fn a_contract_equals_itself_in_any_layout() {
        assert_eq!(changes(ALL, ALL), []);
        let block = "taster: 1\ncolumns:\n  a:\n    range: {max: 5, min: 1}\n    type: 'int8'\n";
        assert_eq!(changes("taster: 1\ncolumns: {a: {type: int8, range: {min: 1, max: 5}}}\n", block), []);
    }

    #[test]
    fn bounds_move_in_or_out() {
        assert_eq!(column("range: {min: 1, max: 5}", "range: {min: 1, max: 4}"), [Tightened]);
        assert_eq!(column("range: {min: 1, max: 5}", "range: {max: 5}"), [Loosened]);
        assert_eq!(column("range: {min: 1, max: 5}", "range: {min: 2, max: 6}"), [Changed]);
        assert_eq!(column("range: {min: 1}", "range: {min: 1, exclusive: true}"), [Tightened]);
        assert_eq!(column("range: {min: 1}", "range: {min: 1.0}"), []);
        assert_eq!(column("type: string, range: {min: '9'}", "type: string, range: {min: '10'}"), [Loosened]);
        assert_eq!(column("type: int8, range: {min: 9}", "type: int8, range: {min: 10}"), [Tightened]);
        assert_eq!(column("type: date, range: {max: 2026-01-31}", "type: date, range: {max: 2026-02-01}"), [Loosened]);
        assert_eq!(column("length: {max: 10}", "length: {max: 10, unit: bytes}"), [Changed]);
        assert_eq!(column("range: {min: a}", "range: {min: b}"), [Changed]);
    }

    #[test]
    fn sets_grow_or_shrink_by_value() {
        assert_eq!(column("allowed: [a, b]", "allowed: [b, a, c]"), [Loosened]);
        assert_eq!(column("allowed: [a, b]", "allowed: [a]"), [Tightened]);
        assert_eq!(column("allowed: [a, b]", "allowed: [a, c]"), [Changed]);
        assert_eq!(column("forbidden: [a]", "forbidden: [a, b]"), [Tightened]);
        assert_eq!(column("type: int8, allowed: [1, 2]", "type: int8, allowed: [02, 01]"), []);
        assert_eq!(column("", "allowed: [a]"), [Tightened]);
        assert_eq!(column("forbidden: [a]", ""), [Loosened]);
    }

    #[test]
    fn what_is_demanded_and_how_hard() {
        assert_eq!(column("", "required: true"), [Tightened]);
        assert_eq!(column("required: true", "required: false"), [Loosened]);
        assert_eq!(column("", "required: false"), []);
        assert_eq!(column("required: true", "required: true, tolerance: 1%"), [Loosened]);
        assert_eq!(column("required: true, tolerance: 1%", "required: true, tolerance: 0.010"), []);
        assert_eq!(column("severity: warning", ""), [Tightened]);
        assert_eq!(column("pattern: a", "pattern: b"), [Changed]);
        assert_eq!(column("pattern: a", ""), [Loosened]);
        assert_eq!(column("description: x", "description: y"), [Neutral]);
        assert_eq!(column("role: label", ""), [Loosened]);
        assert_eq!(column("role: label", "role: source"), [Changed]);
    }

    #[test]
    fn types_widen_narrow_or_change() {
        assert_eq!(column("type: int8", "type: integer"), [Loosened]);
        assert_eq!(column("type: integer", "type: int8"), [Tightened]);
        assert_eq!(column("type: int8", "type: int16"), [Changed]);
        assert_eq!(column("type: categorical", "type: string"), []);
        assert_eq!(column("type: int8", ""), [Loosened]);
    }

    #[test]
    fn columns_come_go_and_are_renamed() {
        let one = "taster: 1\ncolumns:\n  a: {type: int8}\n";
        assert_eq!(changes(one, "taster: 1\ncolumns:\n  b: {type: int8, description: x}\n"), [(Renamed, "columns.b".into())]);
        assert_eq!(
            changes(one, "taster: 1\ncolumns:\n  b: {type: int16}\n"),
            [(Loosened, "columns.a".into()), (Tightened, "columns.b".into())]
        );
        assert_eq!(changes("taster: 1\ncolumns: {a: {}}\n", "taster: 1\ncolumns: {b: {}}\n").len(), 2);
        let forbid = "taster: 1\nextra_columns: forbid\ncolumns:\n  a: {type: int8}\n";
        assert_eq!(changes(forbid, "taster: 1\nextra_columns: forbid\n"), [(Changed, "columns.a".into())]);
        // The nearest of two equal ones.
        let two = "taster: 1\ncolumns:\n  text: {type: int8}\n  label: {type: int8}\n";
        assert_eq!(
            changes(two, "taster: 1\ncolumns:\n  labels: {type: int8}\n"),
            [(Loosened, "columns.text".into()), (Renamed, "columns.labels".into())]
        );
    }

    #[test]
    fn lists_of_a_rule_grow_or_shrink() {
        let licence = |p: &str| format!("licence: {{column: l, {p}}}");
        assert_eq!(rule(&licence("allowed: [a]"), &licence("allowed: [b, a]")), [Loosened]);
        assert_eq!(rule(&licence("allowed: [a, b]"), &licence("allowed: [b]")), [Tightened]);
        assert_eq!(rule(&licence("allowed: [a], consent: [c]"), &licence("allowed: [a]")), [Loosened]);
        assert_eq!(rule(&licence("allowed: [a], consent: [c]"), &licence("allowed: [a, b], consent: [c, d]")), [Changed]);
        assert_eq!(rule("contamination: {column: t, in: [a.csv, b.csv]}", "contamination: {column: t, in: [b.csv]}"), [Loosened]);
        assert_eq!(rule("references: {column: t, in: a.csv}", "references: {column: t, in: b.csv}"), [Changed]);
        assert_eq!(rule("disjoint_splits: {keys: [a], split: s}", "disjoint_splits: {keys: [a, b], split: s}"), [Tightened]);
        assert_eq!(rule("flip_rate: {in: v.csv, max: 1%}", "flip_rate: {in: v.csv, max: 2%}"), [Loosened]);
        assert_eq!(rule("near_duplicates: {max: 1%}", "near_duplicates: {max: 0.5%}"), [Tightened]);
    }

    #[test]
    fn rules_come_go_and_move() {
        assert_eq!(rule("", "rows: {min: 5}"), [Tightened]);
        assert_eq!(rule("rows: {min: 5}", ""), [Loosened]);
        assert_eq!(rule("rows: {min: 5}", "rows: {min: 4}"), [Loosened]);
        assert_eq!(rule("label_share: {max: 60%}", "label_share: {max: 0.5}"), [Tightened]);
        assert_eq!(rule("label_share: {max: 60%}", "label_share: {max: 60%}, by: s"), [Changed]);
        assert_eq!(rule("unique: [a]", "unique: [a, b]"), [Loosened]);
        assert_eq!(rule("unique: [b, a]", "unique: [a, b]"), [Effect::Neutral; 0]);
        assert_eq!(rule("expression: a > 1", "expression: a  >  1"), [Effect::Neutral; 0]);
        assert_eq!(rule("expression: a > 1", "expression: a > 2"), [Loosened, Tightened]);
        assert_eq!(rule("expression: a > 1, name: x", "expression: a > 2, name: x"), [Changed]);
        assert_eq!(rule("expression: a > 1", "expression: a > 1, when: b > 0"), [Loosened]);
        assert_eq!(rule("expression: a > 1", "expression: a > 1, tolerance: 1%, severity: warning"), [Loosened, Loosened]);
    }

    #[test]
    fn the_watch_itself_can_be_loosened() {
        let all = |s: &str| changes("taster: 1\n", &format!("taster: 1\n{s}\n")).into_iter().map(|c| c.0).collect::<Vec<_>>();
        assert_eq!(all("poisoning: {detectors: off}"), [Loosened]);
        assert_eq!(all("poisoning: {detectors: {P110: off}}"), [Loosened]);
        assert_eq!(all("poisoning: {detectors: default}"), []);
        assert_eq!(all("poisoning: {false_alarms: 0.01%}"), [Loosened]);
        assert_eq!(all("poisoning: {false_alarms: 1%}"), [Tightened]);
        assert_eq!(all("poisoning: {floor: 25 rows}"), [Tightened]);
        assert_eq!(all("ignore: [{rule: P110, reason: x}]"), [Loosened]);
        assert_eq!(all("on_not_evaluated: warn"), [Loosened]);
        assert_eq!(all("extra_columns: forbid"), [Tightened]);
        assert_eq!(all("extra_columns: allow"), []);
        assert_eq!(all("roots: ['.', '..']"), [Loosened]);
        assert_eq!(all("format: {nulls: [NA]}"), [Changed]);
        assert_eq!(all("name: x"), [Neutral]);
        let until = |day: &str| format!("taster: 1\nignore: [{{rule: P110, reason: x{day}}}]\n");
        assert_eq!(changes(&until(", expires: 2026-01-01"), &until(""))[0].0, Loosened);
        assert_eq!(changes(&until(", expires: 2026-01-02"), &until(", expires: 2026-01-01"))[0].0, Tightened);
    }

    proptest! {
        /// The way back undoes every change: what was looser is tighter again.
        #[test]
        fn the_way_back_is_the_mirror(
            a in proptest::collection::btree_set(0_u8..6, 1..5), b in proptest::collection::btree_set(0_u8..6, 1..5),
            low in proptest::array::uniform2(0_i8..3), high in proptest::array::uniform2(3_i8..6), need: [bool; 2], share in proptest::array::uniform2(0_u8..99))
        {
            let text = |set: &BTreeSet<u8>, i: usize| {
                let set: Vec<u8> = set.iter().copied().collect();
                format!(
                "taster: 1\ncolumns:\n  x: {{type: string, allowed: {set:?}, required: {}, tolerance: {}%}}\n  n: {{type: int8, range: {{min: {}, max: {}}}}}\nrules:\n  - rows: {{min: {}}}\n",
                need[i], share[i], low[i], high[i], low[i] + 1)
            };
            let (old, new) = (text(&a, 0), text(&b, 1));
            let mirror = |e: Effect| match e { Loosened => Tightened, Tightened => Loosened, other => other };
            let there: BTreeSet<(String, Effect)> = changes(&old, &new).into_iter().map(|(e, p)| (p, e)).collect();
            let back: BTreeSet<(String, Effect)> = changes(&new, &old).into_iter().map(|(e, p)| (p, mirror(e))).collect();
            prop_assert_eq!(&there.iter().map(|x| x.1).collect::<Vec<_>>().len(), &back.len());
            let columns = |s: &BTreeSet<(String, Effect)>| s.iter().filter(|x| x.0.starts_with("columns")).cloned().collect::<Vec<_>>();
            prop_assert_eq!(columns(&there), columns(&back));
            prop_assert_eq!(there.is_empty(), a == b && low[0] == low[1] && high[0] == high[1] && need[0] == need[1] && share[0] == share[1]);
        }
    }
}
