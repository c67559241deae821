//! The kinds of rule that speak about several columns, another file or the dataset as a whole, beyond
//! the first ones in [`super::rules`]. Each is read to one [`DatasetRule`]; what the data makes of it
//! is said by the check of the same name.

use super::clauses::{self, Bounds, Decimal};
use super::columns::set;
use super::fields::{Fields, Sink};
use super::tree::{Entry, Kind};
use super::{At, Period, Scalar, Share, keys};
use crate::error::Diagnostic;

/// Names, each with its default.
type Parameters = &'static [(&'static str, Option<f64>)];

/// Distributions by name, with the parameters each takes and what they are when left out.
pub const DISTRIBUTIONS: &[(&str, Parameters)] = &[
    ("normal", &[("mean", Some(0.0)), ("std", Some(1.0))]),
    ("uniform", &[("min", Some(0.0)), ("max", Some(1.0))]),
    ("exponential", &[("loc", Some(0.0)), ("scale", Some(1.0))]),
    ("gamma", &[("alpha", None), ("loc", Some(0.0)), ("scale", Some(1.0))]),
    ("beta", &[("alpha", None), ("beta", None), ("loc", Some(0.0)), ("scale", Some(1.0))]),
    ("chi2", &[("df", None), ("loc", Some(0.0)), ("scale", Some(1.0))]),
];

/// The names alone.
pub const DISTRIBUTION_NAMES: &[&str] = &["normal", "uniform", "exponential", "gamma", "beta", "chi2"];

#[derive(Debug, Clone)]
pub enum Partition {
    /// One cell for each value.
    Values(Vec<Scalar>),
    /// Edges in rising order; a value on an edge belongs to the cell above, but on the last edge to the last cell.
    Bins(Vec<f64>),
}

#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "a contract holds a few of them, made once")]
pub enum DatasetRule {
    Sums {
        columns: Vec<At<String>>,
        total: Decimal,
        written: String,
    },
    Different(Vec<At<String>>),
    CramersV {
        columns: Vec<At<String>>,
        bounds: Bounds,
    },
    Correlation {
        columns: Vec<At<String>>,
        bounds: Bounds,
    },
    Shares {
        column: At<String>,
        partition: Partition,
        weights: Vec<f64>,
        /// Weight of everything that lies in no cell.
        other: f64,
        p_value: Option<Bounds>,
        kl: Option<Bounds>,
    },
    Fits {
        column: At<String>,
        distribution: &'static str,
        parameters: Vec<f64>,
        p_value: Bounds,
    },
    /// Columns that are the input together.
    SameInput(Vec<At<String>>),
    DisjointSplits {
        keys: Vec<At<String>>,
        /// `None`: the column with that role.
        split: Option<At<String>>,
        /// Near copies count too, where the key is a text.
        near: bool,
    },
    NearDuplicates {
        /// Empty: those with the role of a text.
        columns: Vec<At<String>>,
        max: Share,
    },
    References(Elsewhere),
    Contamination(Elsewhere),
    /// `column: None`: the one with `role: source`.
    SourceShare {
        column: Option<At<String>>,
        max: Share,
    },
    Licence {
        column: Option<At<String>>,
        /// Not empty when there is a column.
        allowed: Vec<String>,
        consent: Vec<At<String>>,
    },
    FlipRate {
        /// `None`: the columns with the roles.
        id: Option<At<String>>,
        label: Option<At<String>>,
        previous: At<String>,
        max: Share,
    },
    /// `column: None`: the one with `role: time`.
    Fresh {
        column: Option<At<String>>,
        within: Period,
    },
    Gaps {
        column: Option<At<String>>,
        max: Period,
    },
    Retention {
        column: Option<At<String>>,
        max: Period,
    },
}

/// Columns and the data elsewhere that they are looked up in.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    pub columns: Vec<At<String>>,
    /// Relative to the contract's folder.
    pub files: Vec<At<String>>,
    /// As many as columns.
    pub keys: Vec<String>,
}

impl DatasetRule {
    /// Whether single rows break it, so that a tolerance means something.
    pub fn is_about_rows(&self) -> bool {
        use DatasetRule as D;
        matches!(
            self,
            D::Sums { .. }
                | D::Different(_)
                | D::SameInput(_)
                | D::DisjointSplits { .. }
                | D::References(_)
                | D::Contamination(_)
                | D::Retention { .. }
                | D::Licence { .. }
        )
    }
    /// Files beside the data that it reads.
    pub fn files(&self) -> &[At<String>] {
        match self {
            DatasetRule::References(e) | DatasetRule::Contamination(e) => &e.files,
            DatasetRule::FlipRate { previous, .. } => std::slice::from_ref(previous),
            _ => &[],
        }
    }
}

/// Reads the rule under one of this file's keys.
pub fn read(e: &Entry, sink: &mut Sink) -> Option<DatasetRule> {
    match e.key.as_str() {
        "sums" => sums(e, sink),
        "different" => several(e, sink).map(DatasetRule::Different),
        "cramers_v" => pair(e, sink).map(|(columns, bounds)| DatasetRule::CramersV { columns, bounds }),
        "correlation" => pair(e, sink).map(|(columns, bounds)| DatasetRule::Correlation { columns, bounds }),
        "shares" => shares(e, sink),
        "same_input" => once(e, sink).map(DatasetRule::SameInput),
        "disjoint_splits" => disjoint_splits(e, sink),
        "near_duplicates" => near_duplicates(e, sink),
        "references" => elsewhere(&keys::REFERENCES, e, sink).map(DatasetRule::References),
        "contamination" => elsewhere(&keys::CONTAMINATION, e, sink).map(DatasetRule::Contamination),
        "fresh" => timed(&keys::FRESH, "within", e, sink).map(|(column, within)| DatasetRule::Fresh { column, within }),
        "gaps" => timed(&keys::GAPS, "max", e, sink).map(|(column, max)| DatasetRule::Gaps { column, max }),
        "retention" => timed(&keys::RETENTION, "max", e, sink).map(|(column, max)| DatasetRule::Retention { column, max }),
        "source_share" => source_share(e, sink),
        "licence" => licence(e, sink),
        "flip_rate" => flip_rate(e, sink),
        _ => fits(e, sink),
    }
}

/// A name that may be left out; the outer `None` is one that was given and is none, which must not
/// become the default.
fn maybe(e: Option<&Entry>, sink: &mut Sink) -> Option<Option<At<String>>> {
    e.map_or(Some(None), |e| sink.text(e).map(Some))
}

fn source_share(e: &Entry, sink: &mut Sink) -> Option<DatasetRule> {
    let f = Fields::read(&keys::SOURCE_SHARE, "source_share", &e.value, sink)?;
    let column = maybe(f.get("column"), sink);
    let max = f.get("max").and_then(|e| sink.share(e));
    if let Some(max) = max.as_ref().filter(|m| m.value.numerator == 0) {
        let d = Diagnostic::new("C007", "some source always has more than none of the rows").at(max.span);
        sink.push(d.help("a max below 100% over the number of sources can never hold"));
    }
    if let Some(max) = max.as_ref().filter(|m| m.value.numerator == m.value.denominator) {
        sink.warn(
            Diagnostic::new("C012", "no source has more than all of the rows").at(max.span).help("lower the limit, or take the rule out"),
        );
    }
    Some(DatasetRule::SourceShare { column: column?, max: max?.value })
}

fn licence(e: &Entry, sink: &mut Sink) -> Option<DatasetRule> {
    let f = Fields::read(&keys::LICENCE, "licence", &e.value, sink)?;
    let column = maybe(f.get("column"), sink)?;
    let allowed = f.get("allowed").map(|e| once(e, sink));
    let consent = f.get("consent").map(|e| once(e, sink));
    let problem = match (&column, &allowed, &consent) {
        (None, None, None) => Some(("this rule asks for nothing", "add `column` and `allowed`, or `consent`")),
        (Some(_), None, _) => Some(("which licences are allowed is not said", "add `allowed: [CC0-1.0, CC-BY-4.0]`")),
        (None, Some(_), _) => Some(("which column holds the licences is not said", "add `column: NAME`")),
        _ => None,
    };
    if let Some((message, help)) = problem {
        sink.push(Diagnostic::new("C008", message).at(f.span).help(help));
        return None;
    }
    let allowed = allowed.map_or(Some(Vec::new()), |a| a)?.into_iter().map(|a| a.value).collect();
    Some(DatasetRule::Licence { column, allowed, consent: consent.map_or(Some(Vec::new()), |c| c)? })
}

fn flip_rate(e: &Entry, sink: &mut Sink) -> Option<DatasetRule> {
    let f = Fields::read(&keys::FLIP_RATE, "flip_rate", &e.value, sink)?;
    let previous = f.get("in").and_then(|e| sink.text(e));
    let max = f.get("max").and_then(|e| sink.share(e));
    let (id, label) = (maybe(f.get("id"), sink)?, maybe(f.get("label"), sink)?);
    if let (Some(a), Some(b)) = (&id, &label)
        && a.value == b.value
    {
        sink.push(Diagnostic::new("C007", format!("`{}` is named as the id and as the label", a.value)).at(b.span));
        return None;
    }
    if let Some(max) = max.as_ref().filter(|m| m.value.numerator == m.value.denominator) {
        sink.warn(Diagnostic::new("C012", "no more than all labels can differ").at(max.span).help("lower the limit, or take the rule out"));
    }
    Some(DatasetRule::FlipRate { id, label, previous: previous?, max: max?.value })
}

/// A column of times and a length of time.
fn timed(section: &'static keys::Section, length: &'static str, e: &Entry, sink: &mut Sink) -> Option<(Option<At<String>>, Period)> {
    let f = Fields::read(section, &e.key, &e.value, sink)?;
    let column = maybe(f.get("column"), sink);
    let period = f.get(length).and_then(|e| sink.period(e));
    Some((column?, period?.value))
}

/// One column or more, each once.
fn once(e: &Entry, sink: &mut Sink) -> Option<Vec<At<String>>> {
    let names = sink.texts(e);
    for (i, name) in names.iter().enumerate() {
        if names[..i].iter().any(|n| n.value == name.value) {
            sink.push(Diagnostic::new("C006", format!("`{}` is named twice", name.value)).at(name.span).help("keep one of them"));
        }
    }
    (!names.is_empty()).then_some(names)
}

fn disjoint_splits(e: &Entry, sink: &mut Sink) -> Option<DatasetRule> {
    let f = Fields::read(&keys::DISJOINT_SPLITS, "disjoint_splits", &e.value, sink)?;
    let keys = f.get("keys").and_then(|e| once(e, sink));
    let split = f.get("split").and_then(|e| sink.text(e));
    let near = f.get("near").map_or(Some(true), |e| sink.bool(e).map(|b| b.value));
    Some(DatasetRule::DisjointSplits { keys: keys?, split, near: near? })
}

fn near_duplicates(e: &Entry, sink: &mut Sink) -> Option<DatasetRule> {
    let f = Fields::read(&keys::NEAR_DUPLICATES, "near_duplicates", &e.value, sink)?;
    let columns = f.get("columns").map_or(Some(Vec::new()), |e| once(e, sink));
    let max = f.get("max").and_then(|e| sink.share(e));
    if let Some(max) = max.as_ref().filter(|m| m.value.numerator == m.value.denominator) {
        let d = Diagnostic::new("C012", "no more than all rows can have near copies").at(max.span);
        sink.warn(d.help("lower the limit, or take the rule out"));
    }
    Some(DatasetRule::NearDuplicates { columns: columns?, max: max?.value })
}

fn elsewhere(section: &'static keys::Section, e: &Entry, sink: &mut Sink) -> Option<Elsewhere> {
    let f = Fields::read(section, &e.key, &e.value, sink)?;
    let columns = match (f.get("column"), f.get("columns")) {
        (Some(one), None) => sink.text(one).map(|name| vec![name]),
        (None, Some(several)) => once(several, sink),
        _ => {
            let d = Diagnostic::new("C008", format!("`{}` needs either `column` or `columns`", e.key)).at(f.span);
            sink.push(d);
            None
        }
    };
    let files = f.get("in").and_then(|e| once(e, sink));
    let keys = f.get("key").map(|k| (sink.texts(k), k.value.span));
    let (columns, files) = (columns?, files?);
    let keys: Vec<String> = match keys {
        None => columns.iter().map(|c| c.value.clone()).collect(),
        Some((names, _)) if names.len() == columns.len() => names.into_iter().map(|n| n.value).collect(),
        Some((names, span)) => {
            let d = Diagnostic::new("C007", format!("{} columns, and {} names under `key`", columns.len(), names.len())).at(span);
            sink.push(d.help("one name for each column, in the same order"));
            return None;
        }
    };
    Some(Elsewhere { columns, files, keys })
}

/// Two or more columns, each once.
fn several(e: &Entry, sink: &mut Sink) -> Option<Vec<At<String>>> {
    let names = sink.texts(e);
    for (i, name) in names.iter().enumerate() {
        if names[..i].iter().any(|n| n.value == name.value) {
            sink.push(Diagnostic::new("C006", format!("`{}` is named twice", name.value)).at(name.span).help("keep one of them"));
        }
    }
    if names.len() == 1 {
        sink.push(Diagnostic::new("C008", format!("`{}` needs two columns at least", e.key)).at(e.value.span));
        return None;
    }
    (!names.is_empty()).then_some(names)
}

fn sums(e: &Entry, sink: &mut Sink) -> Option<DatasetRule> {
    let f = Fields::read(&keys::SUMS, "sums", &e.value, sink)?;
    let columns = f.get("columns").and_then(|e| several(e, sink));
    let total = f.get("total").and_then(|e| clauses::number(e, sink));
    let written = f.get("total").and_then(|e| sink.scalar(e, "a number").map(|t| t.text.clone()));
    Some(DatasetRule::Sums { columns: columns?, total: total?, written: written? })
}

fn pair(e: &Entry, sink: &mut Sink) -> Option<(Vec<At<String>>, Bounds)> {
    let f = Fields::read(&keys::PAIR, &e.key, &e.value, sink)?;
    let columns = f.get("columns").map(|e| (sink.texts(e), e.value.span));
    let bounds = clauses::bounds_of(&f, &e.key, sink);
    let (columns, span) = columns?;
    if columns.len() != 2 {
        sink.push(Diagnostic::new("C008", format!("`{}` is about two columns, here are {}", e.key, columns.len())).at(span));
        return None;
    }
    Some((columns, bounds?))
}

/// Numbers of a list; infinities are written `.inf` and `-.inf`.
fn numbers(e: &Entry, sink: &mut Sink) -> Option<Vec<f64>> {
    let items = sink.items(e, false)?;
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        let read = match &item.kind {
            Kind::Scalar(t) => t.text.replace(".inf", "inf").parse::<f64>().ok().filter(|n| !n.is_nan()),
            _ => None,
        };
        let Some(n) = read else {
            sink.push(Diagnostic::new("C004", format!("`{}` wants numbers, here is {}", e.key, item.what())).at(item.span));
            return None;
        };
        out.push(n);
    }
    Some(out)
}

fn shares(e: &Entry, sink: &mut Sink) -> Option<DatasetRule> {
    let f = Fields::read(&keys::WEIGHTED, "shares", &e.value, sink)?;
    let column = f.get("column").and_then(|e| sink.text(e));
    let partition = match (f.get("values"), f.get("bins")) {
        (Some(e), None) => set(e, sink).map(|s| Partition::Values(s.value)),
        (None, Some(e)) => {
            let edges = numbers(e, sink)?;
            if edges.len() < 2 || !edges.windows(2).all(|w| w[0] < w[1]) {
                sink.push(Diagnostic::new("C007", "`bins` are two or more edges in rising order").at(e.value.span));
                return None;
            }
            Some(Partition::Bins(edges))
        }
        _ => {
            sink.push(Diagnostic::new("C008", "`shares` needs either `values` or `bins`").at(f.span));
            None
        }
    };
    let weights = f.get("weights").and_then(|e| numbers(e, sink).map(|w| (w, e.value.span)));
    let other = match f.get("other") {
        Some(e) => clauses::number(e, sink)?.as_f64(),
        None => 0.0,
    };
    let p_value = f.get("p_value").and_then(|e| clauses::bounds(e, sink));
    let kl = f.get("kl").and_then(|e| clauses::bounds(e, sink));
    if f.get("p_value").is_none() && f.get("kl").is_none() {
        sink.push(Diagnostic::new("C008", "`shares` bounds nothing").at(f.span).help("give it `p_value: {min: 0.01}` or `kl: {max: 0.1}`"));
    }
    let (column, partition, (weights, span)) = (column?, partition?, weights?);
    let cells = match &partition {
        Partition::Values(v) => v.len(),
        Partition::Bins(b) => b.len() - 1,
    };
    if weights.len() != cells {
        sink.push(
            Diagnostic::new("C007", format!("{cells} cells, and {} weights", weights.len()))
                .at(span)
                .help("one weight for each value or bin"),
        );
        return None;
    }
    let total = weights.iter().sum::<f64>() + other;
    if weights.iter().chain([&other]).any(|w| *w < 0.0 || !w.is_finite()) || total <= 0.0 {
        sink.push(Diagnostic::new("C007", "weights are zero or more, and not all zero").at(span));
        return None;
    }
    Some(DatasetRule::Shares { column, partition, weights, other, p_value, kl })
}

fn fits(e: &Entry, sink: &mut Sink) -> Option<DatasetRule> {
    let f = Fields::read(&keys::FITS, "fits", &e.value, sink)?;
    let column = f.get("column").and_then(|e| sink.text(e));
    let distribution = f.get("distribution").and_then(|e| sink.one_of(e, DISTRIBUTION_NAMES)).map(|i| DISTRIBUTIONS[i.value]);
    let p_value = f.get("p_value").and_then(|e| clauses::bounds(e, sink));
    let (name, known) = distribution?;
    let mut given: Vec<(String, f64)> = Vec::new();
    if let Some(e) = f.get("parameters") {
        let Kind::Map(entries) = &e.value.kind else {
            sink.push(Diagnostic::new("C004", format!("`parameters` wants a map, here is {}", e.value.what())).at(e.value.span));
            return None;
        };
        for p in entries {
            if !known.iter().any(|(k, _)| *k == p.key) {
                let names = known.iter().map(|(k, _)| *k).collect::<Vec<_>>().join(", ");
                let d = Diagnostic::new("C003", format!("{name} has no parameter `{}`", p.key)).at(p.key_span);
                sink.push(d.help(format!("its parameters are {names}")));
                return None;
            }
            given.push((p.key.clone(), clauses::number(p, sink)?.as_f64()));
        }
    }
    let mut parameters = Vec::new();
    for (key, default) in known {
        match given.iter().find(|(k, _)| k == key).map(|(_, v)| *v).or(*default) {
            Some(v) => parameters.push(v),
            None => {
                sink.push(Diagnostic::new("C008", format!("{name} needs the parameter `{key}`")).at(f.span));
                return None;
            }
        }
    }
    let positive = |key: &str| known.iter().position(|(k, _)| *k == key).is_none_or(|i| parameters[i] > 0.0);
    let ordered = name != "uniform" || parameters[0] < parameters[1];
    if !(["std", "scale", "alpha", "beta", "df"].iter().all(|k| positive(k)) && ordered) {
        sink.push(Diagnostic::new("C007", "no such distribution: scales and shapes are more than zero, and min less than max").at(f.span));
        return None;
    }
    Some(DatasetRule::Fits { column: column?, distribution: name, parameters, p_value: p_value? })
}
