//! One setting in two contracts: whether the second asks for more, for less, or for something else.
//! Values are compared as their column's type compares them; where no type is known, what reads as a
//! number is one. [`super::diff`] knows which settings belong together.

use super::diff::Effect;
use super::scalar::{self, Value};
use super::tree::{Entry, Kind, Node};
use super::{LogicalType, Scalar, quantity, types};
use arrow::datatypes::DataType;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// The entries of a map node; none for anything else.
pub struct Map<'a>(pub &'a [Entry]);

impl<'a> Map<'a> {
    pub fn of(node: &'a Node) -> Map<'a> {
        match &node.kind {
            Kind::Map(entries) => Map(entries),
            _ => Map(&[]),
        }
    }
    pub fn under(&self, key: &str) -> Map<'a> {
        self.get(key).map_or(Map(&[]), |e| Map::of(&e.value))
    }
    pub fn get(&self, key: &str) -> Option<&'a Entry> {
        self.0.iter().find(|e| e.key == key && !e.value.is_null())
    }
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(|e| text(&e.value))
    }
}

pub fn text(node: &Node) -> Option<&str> {
    match &node.kind {
        Kind::Scalar(t) => Some(&t.text),
        _ => None,
    }
}

/// What a node says, without order of keys, quotes and layout.
pub fn canon(node: &Node) -> String {
    match &node.kind {
        _ if node.is_null() => "~".into(),
        Kind::Scalar(t) => format!("{:?}", t.text.split_whitespace().collect::<Vec<_>>().join(" ")),
        Kind::Seq(items) => format!("[{}]", items.iter().map(|i| canon(i)).collect::<Vec<_>>().join(", ")),
        Kind::Map(entries) => {
            let mut parts: Vec<String> = entries.iter().map(|e| format!("{}: {}", e.key, canon(&e.value))).collect();
            parts.sort();
            format!("{{{}}}", parts.join(", "))
        }
    }
}

pub fn canon_of(entry: Option<&Entry>) -> Option<String> {
    entry.map(|e| canon(&e.value))
}

/// The node as a person wrote it, shortened.
pub fn shown(node: &Node) -> String {
    const LONG: usize = 80;
    let full = match &node.kind {
        Kind::Scalar(t) => t.text.split_whitespace().collect::<Vec<_>>().join(" "),
        Kind::Seq(items) => format!("[{}]", items.iter().map(|i| shown(i)).collect::<Vec<_>>().join(", ")),
        Kind::Map(entries) => {
            let parts: Vec<String> = entries.iter().map(|e| format!("{}: {}", e.key, shown(&e.value))).collect();
            format!("{{{}}}", parts.join(", "))
        }
    };
    match full.char_indices().nth(LONG) {
        Some((at, _)) => format!("{}…", &full[..at]),
        None => full,
    }
}

pub fn from_to(old: Option<&Entry>, new: Option<&Entry>) -> String {
    match (old, new) {
        (Some(a), Some(b)) => format!("{} became {}", shown(&a.value), shown(&b.value)),
        (Some(a), None) => format!("{} is gone", shown(&a.value)),
        (None, Some(b)) => format!("{} is new", shown(&b.value)),
        (None, None) => String::new(),
    }
}

/// A key that demands something: there or not, true or false, or bounds.
pub fn setting(p: Option<&Entry>, q: Option<&Entry>, t: Option<&DataType>) -> (Effect, String) {
    let on = |e: Option<&Entry>| e.is_some_and(|e| text(&e.value) != Some("false"));
    match (p, q) {
        _ if on(p) && !on(q) => (Effect::Loosened, format!("no longer demanded (it was {})", p.map_or(String::new(), |p| shown(&p.value)))),
        _ if !on(p) && on(q) => (Effect::Tightened, format!("demanded now: {}", q.map_or(String::new(), |q| shown(&q.value)))),
        (Some(p), Some(q)) => match bounds(&p.value, &q.value, t, &[]) {
            Some((effect, why)) => (effect, why.unwrap_or_else(|| from_to(Some(p), Some(q)))),
            None => (Effect::Changed, from_to(Some(p), Some(q))),
        },
        _ => (Effect::Neutral, String::new()),
    }
}

/// Lists among the parameters of a rule, with whether one more of them asks for more.
const LISTS: [(&str, bool); 4] = [("allowed", false), ("consent", true), ("keys", true), ("in", true)];

/// The parameters of a rule: its lists grow or shrink, the rest is bounds.
pub fn parameters(p: &Entry, q: &Entry) -> (Effect, String) {
    let (Kind::Map(_), Kind::Map(_)) = (&p.value.kind, &q.value.kind) else { return setting(Some(p), Some(q), None) };
    let (a, b) = (Map::of(&p.value), Map::of(&q.value));
    let is_list = |e: Option<&Entry>| e.is_none_or(|e| matches!(e.value.kind, Kind::Seq(_)));
    let (mut changes, mut apart) = (Vec::new(), Vec::new());
    for (key, demands) in LISTS {
        let (x, y) = (a.get(key), b.get(key));
        if !is_list(x) || !is_list(y) || canon_of(x) == canon_of(y) {
            continue;
        }
        apart.push(key);
        // A list that was not there asked for nothing, or allowed everything.
        let (effect, why) = set_change(x, y, None, demands);
        changes.push((effect, format!("`{key}`: {}", if demands { from_to(x, y) } else { why })));
    }
    let keys: BTreeSet<&str> = a.0.iter().chain(b.0).map(|e| e.key.as_str()).filter(|k| !apart.contains(k)).collect();
    if keys.iter().any(|k| canon_of(a.get(k)) != canon_of(b.get(k))) {
        let (effect, why) = bounds(&p.value, &q.value, None, &apart).unwrap_or((Effect::Changed, None));
        changes.push((effect, why.unwrap_or_else(|| from_to(Some(p), Some(q)))));
    }
    changes.retain(|(effect, _)| *effect != Effect::Neutral);
    let effect = match changes.as_slice() {
        [] => Effect::Neutral,
        [(first, _), rest @ ..] if rest.iter().all(|(e, _)| e == first) => *first,
        _ => Effect::Changed,
    };
    (effect, changes.into_iter().map(|(_, why)| why).collect::<Vec<_>>().join("; "))
}

/// Two ends, each of which may have moved in or out. `None` when the nodes are no bounds, or say
/// something else that differs, outside of what is looked at `apart`.
fn bounds(p: &Node, q: &Node, t: Option<&DataType>, apart: &[&str]) -> Option<(Effect, Option<String>)> {
    let (Kind::Map(a), Kind::Map(b)) = (&p.kind, &q.kind) else { return None };
    let (a, b) = (Map(a), Map(b));
    const ENDS: [&str; 4] = ["min", "max", "exclusive", "within"];
    let rest = |m: &Map<'_>| -> BTreeSet<String> {
        m.0.iter()
            .filter(|e| !ENDS.contains(&e.key.as_str()) && !apart.contains(&e.key.as_str()) && !e.value.is_null())
            .map(|e| format!("{}: {}", e.key, canon(&e.value)))
            .collect()
    };
    if rest(&a) != rest(&b) || !ENDS.iter().any(|k| a.get(k).is_some() || b.get(k).is_some()) {
        return None;
    }
    let exclusive = |m: &Map<'_>| m.text("exclusive") == Some("true");
    let (mut tighter, mut looser) = (Vec::new(), Vec::new());
    for (end, sign) in [("min", 1), ("max", -1), ("within", -1)] {
        let (x, y) = (a.get(end), b.get(end));
        let order = match (x, y) {
            (None, None) => continue,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) => {
                let order = compare(&x.value, &y.value, t)?;
                let order = if sign > 0 { order } else { order.reverse() };
                // At the same end, leaving the end out is tighter.
                order.then(exclusive(&a).cmp(&exclusive(&b)))
            }
        };
        let said = match (x, y) {
            (Some(x), Some(y)) if canon(&x.value) == canon(&y.value) => {
                format!("`{end}` itself is {}", if exclusive(&b) { "outside now" } else { "inside now" })
            }
            (Some(x), Some(y)) => format!("`{end}` {} became {}", shown(&x.value), shown(&y.value)),
            (Some(x), None) => format!("`{end}` {} is gone", shown(&x.value)),
            (_, y) => format!("`{end}` {} is new", y.map_or(String::new(), |y| shown(&y.value))),
        };
        match order {
            Ordering::Less => tighter.push(said),
            Ordering::Greater => looser.push(said),
            Ordering::Equal => {}
        }
    }
    let effect = match (tighter.is_empty(), looser.is_empty()) {
        (true, true) => Effect::Neutral,
        (false, true) => Effect::Tightened,
        (true, false) => Effect::Loosened,
        (false, false) => Effect::Changed,
    };
    tighter.append(&mut looser);
    Some((effect, (!tighter.is_empty()).then(|| tighter.join(", "))))
}

fn literal(node: &Node) -> Option<Scalar> {
    match &node.kind {
        Kind::Scalar(t) => Some(Scalar { text: t.text.clone(), quoted: t.quoted, span: node.span }),
        _ => None,
    }
}

fn value(node: &Node, t: Option<&DataType>) -> Option<Value> {
    let s = literal(node)?;
    // Without a type, what reads as a number is one.
    scalar::typed(&s, t.unwrap_or(&DataType::Float64)).ok()
}

/// By the column's type; else as shares, durations or numbers of rows. `None` when nobody can tell.
fn compare(a: &Node, b: &Node, t: Option<&DataType>) -> Option<Ordering> {
    if canon(a) == canon(b) {
        return Some(Ordering::Equal);
    }
    if let (Some(a), Some(b)) = (value(a, t), value(b, t)) {
        return a.compare(&b);
    }
    let (a, b) = (text(a)?, text(b)?);
    if let (Ok(a), Ok(b)) = (quantity::share(a), quantity::share(b)) {
        return Some(shares(&a, &b));
    }
    if let (Some(a), Some(b)) = (scalar::duration(a), scalar::duration(b)) {
        return Some(a.cmp(&b));
    }
    quantity::rows(a).ok().zip(quantity::rows(b).ok()).map(|(a, b)| a.cmp(&b))
}

fn shares(a: &super::Share, b: &super::Share) -> Ordering {
    (u128::from(a.numerator) * u128::from(b.denominator)).cmp(&(u128::from(b.numerator) * u128::from(a.denominator)))
}

pub fn type_change(p: Option<&Entry>, q: Option<&Entry>) -> (Effect, String) {
    let read = |e: Option<&Entry>| e.and_then(|e| text(&e.value)).and_then(|t| types::parse(t).ok());
    let effect = match (read(p), read(q)) {
        (None, _) => Effect::Tightened,
        (_, None) => Effect::Loosened,
        (Some(a), Some(b)) if a == b => Effect::Neutral,
        (Some(LogicalType::Exact(t)), Some(LogicalType::Integer)) if t.is_integer() => Effect::Loosened,
        (Some(LogicalType::Integer), Some(LogicalType::Exact(t))) if t.is_integer() => Effect::Tightened,
        (Some(LogicalType::Exact(a)), Some(LogicalType::Exact(b))) if types::same(&a, &b) => Effect::Neutral,
        _ => Effect::Changed,
    };
    (effect, from_to(p, q))
}

/// Detectors are chosen by role: without it they do not run.
pub fn role_change(p: Option<&Entry>, q: Option<&Entry>) -> (Effect, String) {
    match (p, q) {
        (None, _) => (Effect::Tightened, format!("{}: its detectors look at the column now", from_to(p, q))),
        (_, None) => (Effect::Loosened, format!("{}: its detectors no longer look at the column", from_to(p, q))),
        _ => (Effect::Changed, format!("{}: other detectors look at the column", from_to(p, q))),
    }
}

pub fn set_change(p: Option<&Entry>, q: Option<&Entry>, t: Option<&DataType>, forbidden: bool) -> (Effect, String) {
    let (more, less) = if forbidden { (Effect::Tightened, Effect::Loosened) } else { (Effect::Loosened, Effect::Tightened) };
    let (Some(p), Some(q)) = (p, q) else {
        return (if q.is_some() { Effect::Tightened } else { Effect::Loosened }, from_to(p, q));
    };
    let items = |e: &Entry| -> Vec<(String, String)> {
        let Kind::Seq(items) = &e.value.kind else { return Vec::new() };
        let name = |n: &Node| t.and_then(|t| value(n, Some(t))).map_or_else(|| canon(n), |v| super::values::identity(&v));
        items.iter().map(|n| (name(n), shown(n))).collect()
    };
    let (a, b) = (items(p), items(q));
    let only = |x: &[(String, String)], y: &[(String, String)]| -> Vec<String> {
        x.iter().filter(|(v, _)| !y.iter().any(|(w, _)| v == w)).map(|(_, s)| format!("`{s}`")).collect()
    };
    let (gone, come) = (only(&a, &b), only(&b, &a));
    let word = if forbidden { "forbidden" } else { "allowed" };
    let mut parts = Vec::new();
    if !come.is_empty() {
        parts.push(format!("{} {word} now", list(&come)));
    }
    if !gone.is_empty() {
        parts.push(format!("{} no longer {word}", list(&gone)));
    }
    let effect = match (come.is_empty(), gone.is_empty()) {
        (true, true) => Effect::Neutral,
        (false, true) => more,
        (true, false) => less,
        (false, false) => Effect::Changed,
    };
    (effect, parts.join(", "))
}

pub fn list(items: &[String]) -> String {
    const SHOWN: usize = 6;
    let verb = if items.len() == 1 { "is" } else { "are" };
    let more = if items.len() > SHOWN { format!(" and {} more", items.len() - SHOWN) } else { String::new() };
    format!("{}{more} {verb}", items[..items.len().min(SHOWN)].join(", "))
}

pub fn severity_change(p: Option<&Entry>, q: Option<&Entry>) -> (Effect, String) {
    let warns = |e: Option<&Entry>| e.and_then(|e| text(&e.value)) == Some("warning");
    match (warns(p), warns(q)) {
        (false, true) => (Effect::Loosened, "a failure is only a warning now".into()),
        (true, false) => (Effect::Tightened, "a failure is an error now".into()),
        _ => (Effect::Neutral, String::new()),
    }
}

/// A share whose growth loosens, or tightens where `growth_tightens`.
pub fn share_change(p: Option<&Entry>, q: Option<&Entry>, default: &str, growth_tightens: bool) -> (Effect, String) {
    let read = |e: Option<&Entry>| quantity::share(e.and_then(|e| text(&e.value)).unwrap_or(default)).ok();
    let effect = match (read(p), read(q)) {
        (Some(a), Some(b)) => match shares(&a, &b) {
            Ordering::Equal => Effect::Neutral,
            order if (order == Ordering::Less) == growth_tightens => Effect::Tightened,
            _ => Effect::Loosened,
        },
        _ => Effect::Changed,
    };
    let word = |e: Option<&Entry>| e.and_then(|e| text(&e.value)).unwrap_or(default).to_owned();
    (effect, format!("{} became {}", word(p), word(q)))
}
