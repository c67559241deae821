//! `rules:` of a contract: each entry is one kind of rule and the keys that any rule may have.

use super::clauses::{ColumnClause, Shares, shares};
use super::columns::{min_max, no_bounds, severity};
use super::fields::{Fields, Sink, known};
use super::keys::{DRIFT, LABEL_SHARE, ROWS, RULE_KINDS, RULE_SHARED};
use super::tree::{Entry, Kind, Node};
use super::{At, ColumnSpec, Drift, DriftColumns, Role, RuleKind, RuleSpec, Severity, Share, dataset_rules};
use crate::error::Diagnostic;
use crate::stats::drift::Statistic;

pub fn read(e: &Entry, columns: &[ColumnSpec], sink: &mut Sink) -> Vec<RuleSpec> {
    match &e.value.kind {
        Kind::Seq(items) => items.iter().filter_map(|n| rule(n, columns, sink)).collect(),
        _ if e.value.is_null() => Vec::new(),
        _ => {
            let d = Diagnostic::new("C004", format!("`rules` wants a list, here is {}", e.value.what())).at(e.value.span);
            sink.push(d.help("each rule begins with a dash: `- rows: {min: 1}`"));
            Vec::new()
        }
    }
}

fn rule(node: &Node, columns: &[ColumnSpec], sink: &mut Sink) -> Option<RuleSpec> {
    let Kind::Map(entries) = &node.kind else {
        let d = Diagnostic::new("C004", format!("a rule is a map of keys, here is {}", node.what())).at(node.span);
        sink.push(d.help("such as `- rows: {min: 1}` or `- unique: [a, b]`"));
        return None;
    };
    let mut kind: Option<&Entry> = None;
    let mut supported = true;
    for e in entries {
        supported &= known(&[&RULE_KINDS, &RULE_SHARED], e, sink);
        if RULE_KINDS.find(&e.key).is_none() {
            continue;
        }
        match kind {
            None => kind = Some(e),
            Some(first) => {
                let d = Diagnostic::new("C007", format!("one entry holds two rules, `{}` and `{}`", first.key, e.key)).at(e.key_span);
                sink.push(d.help("give each its own dash"));
                supported = false;
            }
        }
    }
    let find = |name: &str| entries.iter().find(|e| e.key == name);
    // Shared keys are read even where the rule is refused, so that all their errors show.
    let shared = RuleSpec {
        key: kind.and_then(|e| RULE_KINDS.find(&e.key)).map_or("", |k| k.name),
        kind: RuleKind::Rows { min: None, max: None },
        span: node.span,
        name: find("name").and_then(|e| sink.text(e)).map(|t| t.value),
        severity: find("severity").and_then(|e| severity(e, sink)).unwrap_or(Severity::Error),
        tolerance: find("tolerance").and_then(|e| sink.share(e)),
        when: find("when").and_then(|e| sink.expression(e)),
        by: find("by").map(|e| sink.texts(e)).filter(|b| !b.is_empty()).map(|names| {
            let span = find("by").map_or(node.span, |e| e.value.span);
            At::new(names.into_iter().map(|n| n.value).collect(), span)
        }),
    };
    let Some(e) = kind else {
        if supported {
            let names: Vec<&str> = RULE_KINDS.keys.iter().map(|k| k.name).collect();
            let d = Diagnostic::new("C008", "this entry says no rule").at(node.span.start());
            sink.push(d.help(format!("it needs one of {}", names.join(", "))));
        }
        return None;
    };
    if !supported {
        return None;
    }
    let kind = match e.key.as_str() {
        "rows" => rows(e, sink),
        "unique" => unique_names(e, sink).map(RuleKind::Unique),
        "drift" => drift(e, sink),
        "expression" => sink.expression(e).map(RuleKind::Expression),
        "column_count" => column_count(e, sink),
        "column_order" => unique_names(e, sink).map(RuleKind::ColumnOrder),
        "label_share" => label_share(e, columns, sink),
        _ => dataset_rules::read(e, sink).map(RuleKind::Dataset),
    }?;
    shared_fits(&kind, &shared, e, entries, sink);
    Some(RuleSpec { kind, ..shared })
}

/// Shared keys that mean nothing for the kind.
fn shared_fits(kind: &RuleKind, shared: &RuleSpec, e: &Entry, entries: &[Entry], sink: &mut Sink) {
    let row_rule = match kind {
        RuleKind::Expression(_) | RuleKind::Unique(_) => true,
        RuleKind::Dataset(rule) => rule.is_about_rows(),
        _ => false,
    };
    for other in entries {
        match other.key.as_str() {
            "tolerance" if !row_rule => {
                let d = Diagnostic::new("C004", format!("`{}` is about the dataset as a whole; no row of it can be tolerated", e.key));
                sink.push(d.at(other.key_span).help("widen its bounds instead"));
            }
            "when" | "by" if matches!(kind, RuleKind::ColumnCount { .. } | RuleKind::ColumnOrder(_)) => {
                let d = Diagnostic::new("C004", format!("`{}` is about the columns; it has no rows to choose from", e.key));
                sink.push(d.at(other.key_span));
            }
            "by" if shared.tolerance.is_some() && joins_keys(kind) => {
                let message = format!("`{}` by groups has no tolerance: the groups become a part of the key", e.key);
                sink.push(Diagnostic::new("C007", message).at(other.key_span).help("leave one of them out"));
            }
            _ => {}
        }
    }
    if let Some(t) = &shared.tolerance
        && t.value.numerator == t.value.denominator
    {
        sink.warn(Diagnostic::new("C012", "a tolerance of everything lets every row fail").at(t.span));
    }
}

/// A rule about keys, to which the columns of `by` are added.
fn joins_keys(kind: &RuleKind) -> bool {
    use dataset_rules::DatasetRule as D;
    matches!(kind, RuleKind::Unique(_) | RuleKind::Dataset(D::SameInput(_) | D::DisjointSplits { .. }))
}

/// What a column's entry says under `references`, as a rule.
pub fn references(column: &ColumnSpec, sink: &mut Sink) -> Option<RuleSpec> {
    let at = column.clause("references")?;
    let ColumnClause::References(lookup) = &at.value else { return None };
    if column.is_glob {
        let d = Diagnostic::new("C004", "`references` of several columns at once").at(at.span);
        sink.push(d.help("give each column its own entry"));
        return None;
    }
    let name = &column.name;
    let keys = vec![lookup.key.clone().unwrap_or_else(|| name.value.clone())];
    let elsewhere = dataset_rules::Elsewhere { columns: vec![name.clone()], files: vec![lookup.file.clone()], keys };
    Some(RuleSpec {
        key: "references",
        kind: RuleKind::Dataset(dataset_rules::DatasetRule::References(elsewhere)),
        span: at.span,
        name: None,
        severity: column.severity,
        tolerance: column.tolerance.clone(),
        when: None,
        by: None,
    })
}

fn rows(e: &Entry, sink: &mut Sink) -> Option<RuleKind> {
    let f = Fields::read(&ROWS, "rows", &e.value, sink)?;
    let (min, max) = (f.get("min").and_then(|e| sink.count(e)), f.get("max").and_then(|e| sink.count(e)));
    if f.get("min").is_none() && f.get("max").is_none() {
        no_bounds("rows", f.span, sink);
    }
    min_max(min.as_ref(), max.as_ref(), sink);
    if min.as_ref().is_some_and(|m| m.value == 0) && max.is_none() {
        sink.warn(Diagnostic::new("C012", "every dataset has at least no rows").at(f.span).help("`min: 1` rules out the empty one"));
    }
    Some(RuleKind::Rows { min: min.map(|m| m.value), max: max.map(|m| m.value) })
}

fn column_count(e: &Entry, sink: &mut Sink) -> Option<RuleKind> {
    super::clauses::counts(e, sink).map(|c| RuleKind::ColumnCount { min: c.min, max: c.max })
}

/// Columns, each named once.
fn unique_names(e: &Entry, sink: &mut Sink) -> Option<Vec<At<String>>> {
    let names = sink.texts(e);
    twice(&names, sink);
    (!names.is_empty()).then_some(names)
}

fn drift(e: &Entry, sink: &mut Sink) -> Option<RuleKind> {
    let f = Fields::read(&DRIFT, "drift", &e.value, sink)?;
    let columns = match (f.get("column"), f.get("columns")) {
        (Some(one), None) => sink.text(one).map(|name| DriftColumns::Named(vec![name])),
        (None, Some(all)) if matches!(&all.value.kind, Kind::Scalar(t) if t.text == "all") => Some(DriftColumns::All(all.value.span)),
        (None, Some(list)) => {
            let names = sink.texts(list);
            twice(&names, sink);
            (!names.is_empty()).then_some(DriftColumns::Named(names))
        }
        (Some(_), Some(both)) => {
            let d = Diagnostic::new("C007", "`drift` has both `column` and `columns`").at(both.key_span);
            sink.push(d.help("keep one of them"));
            None
        }
        (None, None) => {
            let d = Diagnostic::new("C008", "`drift` names no column").at(f.span.start());
            sink.push(d.help("add `column: NAME`, `columns: [A, B]` or `columns: all`"));
            None
        }
    };
    let baseline = f.get("baseline").and_then(|e| sink.text(e));
    let statistic = f.get("statistic").and_then(|e| sink.one_of(e, crate::stats::drift::NAMES));
    let statistic = statistic.and_then(|i| Statistic::ALL.get(i.value).copied());
    let max = f.get("max").and_then(|e| distance(e, statistic, sink));
    Some(RuleKind::Drift(Drift { columns: columns?, baseline: baseline?, statistic: statistic?, max: max? }))
}

/// A limit that some data can keep and some can break.
fn distance(e: &Entry, statistic: Option<Statistic>, sink: &mut Sink) -> Option<f64> {
    let t = sink.scalar(e, "a number")?;
    let most = statistic.map_or(f64::INFINITY, Statistic::most);
    let wrong = match t.text.trim().parse::<f64>() {
        Ok(x) if x > 0.0 && x.is_finite() => {
            if x >= most {
                let d = Diagnostic::new("C012", format!("no {} is larger than {most}", statistic.map_or("", Statistic::name)));
                sink.warn(d.at(e.value.span).help("lower the limit, or take the rule out"));
            }
            return Some(x);
        }
        Ok(0.0) => Diagnostic::new("C007", "two samples never agree to the last digit").help("allow a small distance, such as 0.1"),
        _ => Diagnostic::new("C004", format!("`max` is a number above zero, not `{}`", t.text)).help("written 0.2"),
    };
    sink.push(wrong.at(e.value.span));
    None
}

fn twice(names: &[At<String>], sink: &mut Sink) {
    for (i, name) in names.iter().enumerate() {
        if names[..i].iter().any(|n| n.value == name.value) {
            sink.push(Diagnostic::new("C006", format!("`{}` is named twice", name.value)).at(name.span).help("keep one of them"));
        }
    }
}

fn label_share(e: &Entry, columns: &[ColumnSpec], sink: &mut Sink) -> Option<RuleKind> {
    let f = Fields::read(&LABEL_SHARE, "label_share", &e.value, sink)?;
    let (min, max) = (f.get("min").and_then(|e| sink.share(e)), f.get("max").and_then(|e| sink.share(e)));
    let classes = f.get("classes").map(|e| classes(e, sink));
    if f.get("min").is_none() && f.get("max").is_none() && classes.is_none() {
        no_bounds("label_share", f.span, sink);
    }
    if let (Some(min), Some(max)) = (&min, &max)
        && u128::from(min.value.numerator) * u128::from(max.value.denominator)
            > u128::from(max.value.numerator) * u128::from(min.value.denominator)
    {
        let d = Diagnostic::new("C007", format!("no share lies between a min of {} and a max of {}", min.value.text, max.value.text));
        sink.push(d.at(min.span).label("larger than max").help("swap them?"));
    }
    if let Some(max) = &max
        && max.value.numerator == 0
    {
        let d = Diagnostic::new("C007", "some class always has more than none of the rows").at(max.span);
        sink.push(d.help("a max below 100% over the number of classes can never hold"));
    }
    if !columns.iter().any(|c| c.role.as_ref().is_some_and(|r| r.value == Role::Label)) {
        let d = Diagnostic::new("C008", "`label_share` needs a label, and no column has that role").at(e.key_span);
        sink.push(d.help("add `role: label` to the column that holds the classes"));
    }
    Some(RuleKind::LabelShare { min: min.map(|m| m.value), max: max.map(|m| m.value), classes: classes.unwrap_or_default() })
}

/// Bounds by class. At least so much of each, in sum more than everything, can never hold.
fn classes(e: &Entry, sink: &mut Sink) -> Vec<(At<String>, Shares)> {
    let Kind::Map(entries) = &e.value.kind else {
        let d = Diagnostic::new("C004", format!("`classes` wants a map from class to bounds, here is {}", e.value.what()));
        sink.push(d.at(e.value.span).help("written `classes: {pos: {min: 30%, max: 60%}}`"));
        return Vec::new();
    };
    let read = |e: &Entry| Some((At::new(e.key.clone(), e.key_span), shares(e, sink)?));
    let out: Vec<(At<String>, Shares)> = entries.iter().filter_map(read).collect();
    let least: f64 = out.iter().filter_map(|(_, s)| s.min.as_ref()).map(Share::as_f64).sum();
    if least > 1.0 + 1e-9 {
        let message = format!("the classes are to take at least {:.1}% of the rows, all together", 100.0 * least);
        sink.push(Diagnostic::new("C007", message).at(e.value.span));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::{contract, errors};

    fn codes(rule: &str) -> Vec<&'static str> {
        errors(&format!("taster: 1\ncolumns: {{y: {{role: label}}}}\nrules:\n  - {{{rule}}}\n")).iter().map(|d| d.code).collect()
    }

    #[test]
    fn an_entry_is_exactly_one_rule() {
        assert_eq!(codes("rows: {min: 1}, unique: [a, b]"), ["C007"]);
        assert_eq!(codes("name: x"), ["C008"]);
        assert_eq!(codes(""), ["C008"]);
        assert_eq!(codes("unqiue: [a]"), ["C003"]);
        assert_eq!(errors("taster: 1\nrules: [rows]\n")[0].code, "C004");
        assert_eq!(errors("taster: 1\nrules: {rows: {min: 1}}\n")[0].code, "C004");
    }

    #[test]
    fn bounds_bound_something_and_leave_something() {
        assert_eq!(codes("rows: {}"), ["C008"]);
        assert_eq!(codes("rows: {min: 2, max: 1}"), ["C007"]);
        assert_eq!(codes("rows: {min: -1}"), ["C004"]);
        assert_eq!(codes("label_share: {}"), ["C008"]);
        assert_eq!(codes("label_share: {min: 60%, max: 0.5}"), ["C007"]);
        assert_eq!(codes("label_share: {max: 0%}"), ["C007"]);
        assert_eq!(codes("label_share: {max: 1}"), ["C004"]);
        assert_eq!(contract("taster: 1\nrules: [{rows: {min: 0}}]\n").warnings.len(), 1);
    }

    #[test]
    fn keys_are_named_once_and_by_name() {
        assert_eq!(codes("unique: [a, a]"), ["C006"]);
        assert_eq!(codes("unique: []"), ["C007"]);
        assert_eq!(codes("unique: ['']"), ["C004"]);
        assert_eq!(codes("unique: a"), [""; 0]);
    }

    #[test]
    fn shared_keys_that_mean_nothing_are_refused() {
        assert_eq!(codes("rows: {min: 1}, tolerance: 1%"), ["C004"]);
        assert_eq!(codes("unique: [a], when: b > 1"), [""; 0]);
        assert_eq!(codes("unique: [a], by: b"), [""; 0]);
        assert_eq!(codes("unique: [a], by: b, tolerance: 1%"), ["C007"]);
        assert_eq!(codes("column_count: {min: 1}, by: b"), ["C004"]);
        assert_eq!(codes("column_order: [a], when: b > 1"), ["C004"]);
        assert_eq!(codes("rows: {min: 1}, severity: fatal"), ["C004"]);
        assert_eq!(contract("taster: 1\nrules: [{unique: [a], tolerance: 100%}]\n").warnings.len(), 1);
    }

    #[test]
    fn a_rule_that_is_wrong_is_told_with_all_else_that_is_wrong() {
        assert_eq!(codes("near_duplicates: {column: a}, severity: fatal, colour: red"), ["C004", "C003"]);
    }

    #[test]
    fn label_share_needs_a_label() {
        assert_eq!(errors("taster: 1\nrules: [{label_share: {max: 60%}}]\n")[0].code, "C008");
    }
}
