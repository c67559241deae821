//! `poisoning:` and `ignore:`, what the detectors are told and which findings are accepted.

use super::fields::{Fields, Sink, nearest, not_supported};
use super::tree::{Entry, Kind, Node};
use super::{At, Ignore, Poisoning, keys, quantity, scalar};
use crate::error::Diagnostic;

pub fn poisoning(node: &Node, sink: &mut Sink) -> Option<Poisoning> {
    if node.is_null() {
        return None;
    }
    if matches!(&node.kind, Kind::Scalar(t) if t.text == "off") {
        let d = Diagnostic::new("C004", "`poisoning` wants a map of keys, here is `off`").at(node.span);
        sink.push(d.help("write `poisoning: {detectors: off}`"));
        return None;
    }
    let f = Fields::read(&keys::POISONING, "poisoning", node, sink)?;
    let mut out = Poisoning { span: f.span, ..Poisoning::default() };
    if let Some(e) = f.get("detectors") {
        detectors(e, &mut out, sink);
    }
    out.false_alarms = f.get("false_alarms").and_then(|e| sink.share(e));
    if let Some(share) = &out.false_alarms {
        let (n, d) = (share.value.numerator, share.value.denominator);
        if n == 0 {
            let e = Diagnostic::new("C004", "detectors that never raise a false alarm never raise one at all").at(share.span);
            sink.push(e.help("name a small share, such as 0.1%"));
        } else if u128::from(n) * 2 > u128::from(d) {
            let e = Diagnostic::new("C004", "more than half of the clean rows would be taken out").at(share.span);
            sink.push(e.help("name a small share, such as 0.1%"));
        }
    }
    if let Some(e) = f.get("floor")
        && let Some(t) = sink.scalar(e, "a number of rows such as `25 rows`")
    {
        match quantity::rows(&t.text) {
            Ok(n) => out.floor = Some(At::new(n, e.value.span)),
            Err((message, help)) => sink.push(Diagnostic::new("C004", message).at(e.value.span).help(help)),
        }
    }
    Some(out)
}

fn detectors(e: &Entry, out: &mut Poisoning, sink: &mut Sink) {
    let entries = match &e.value.kind {
        Kind::Scalar(t) if t.text == "default" => return,
        Kind::Scalar(t) if t.text == "off" => {
            out.off = true;
            return;
        }
        Kind::Map(entries) => entries,
        _ => {
            let d = Diagnostic::new("C004", "`detectors` is `default`, `off`, or a map from detector to one of them").at(e.value.span);
            sink.push(d.help("written `detectors: {shared-trigger: off}`"));
            return;
        }
    };
    for d in entries {
        let name = At::new(d.key.clone(), d.key_span);
        // What is said to nobody is not worth a second message.
        if !is_detector(&name, sink) {
            continue;
        }
        match &d.value.kind {
            Kind::Scalar(t) if t.text == "off" => out.disabled.push(name),
            Kind::Scalar(t) if t.text == "default" => {}
            Kind::Scalar(_) if d.value.is_null() => {
                let e = Diagnostic::new("C004", format!("`{}` is `off` or `default`, here is nothing", d.key)).at(d.key_span);
                sink.push(e);
            }
            Kind::Map(settings) => parameters(&d.key, settings, sink),
            _ => {
                let e = Diagnostic::new("C004", format!("`{}` is `off` or `default`, here is {}", d.key, d.value.what()));
                sink.push(e.at(d.value.span));
            }
        }
    }
}

/// No detector has parameters yet; one that is written down and read by nobody would be believed.
fn parameters(detector: &str, settings: &[Entry], sink: &mut Sink) {
    for e in settings {
        let d = not_supported(&format!("a parameter `{}` of `{detector}`", e.key), e.key_span);
        let meant = keys::POISONING.find(&e.key).map(|k| k.name).or_else(|| nearest(&e.key, keys::POISONING.keys.iter().map(|k| k.name)));
        sink.push(match meant {
            Some(key) => d.help(format!("`{key}` holds for all detectors and stands directly under `poisoning:`")),
            None => d.help("a detector is `default` or `off`"),
        });
    }
}

/// A detector that does not exist would be configured in vain.
fn is_detector(name: &At<String>, sink: &mut Sink) -> bool {
    let metas = || crate::detectors::REGISTRY.iter().map(|e| e.meta);
    if metas().any(|m| m.code == name.value || m.name == name.value) {
        return true;
    }
    let meant = nearest(&name.value, metas().flat_map(|m| [m.code, m.name])).map(|n| format!("did you mean `{n}`?"));
    let help = meant.unwrap_or_else(|| format!("the detectors are {}", metas().map(|m| m.name).collect::<Vec<_>>().join(", ")));
    sink.push(Diagnostic::new("C003", format!("there is no detector `{}`", name.value)).at(name.span).help(help));
    false
}

pub fn ignore(e: &Entry, sink: &mut Sink) -> Vec<Ignore> {
    match &e.value.kind {
        Kind::Seq(items) => items.iter().filter_map(|n| one(n, sink)).collect(),
        _ if e.value.is_null() => Vec::new(),
        _ => {
            let d = Diagnostic::new("C004", format!("`ignore` wants a list, here is {}", e.value.what())).at(e.value.span);
            sink.push(d.help("each entry begins with a dash: `- {rule: P110, reason: ...}`"));
            Vec::new()
        }
    }
}

fn one(node: &Node, sink: &mut Sink) -> Option<Ignore> {
    let f = Fields::read(&keys::IGNORE, "ignore", node, sink)?;
    let rule = f.get("rule").and_then(|e| sink.text(e));
    let reason = f.get("reason").and_then(|e| sink.text(e));
    let group = f.get("group").and_then(|e| sink.text(e));
    let expires = f.get("expires").and_then(|e| date(e, sink));
    Some(Ignore { rule: rule?, group, reason: reason?.value, expires, span: f.span })
}

fn date(e: &Entry, sink: &mut Sink) -> Option<At<chrono::NaiveDate>> {
    let t = sink.scalar(e, "a date")?;
    let date = scalar::date(&t.text);
    if date.is_none() {
        let d = Diagnostic::new("C004", format!("`{}` is not a date", t.text)).at(e.value.span);
        sink.push(d.help("a date is written 2027-02-01: year, month, day"));
    }
    date.map(|d| At::new(d, e.value.span))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{contract, errors};

    fn codes(poisoning: &str) -> Vec<&'static str> {
        errors(&format!("taster: 1\npoisoning: {poisoning}\n")).iter().map(|d| d.code).collect()
    }

    #[test]
    fn detectors_are_switched_by_name_or_code() {
        let c = contract("taster: 1\npoisoning: {detectors: {shared-trigger: off, P110: default}}\n");
        assert_eq!(c.poisoning.disabled.len(), 1);
        assert!(!c.poisoning.off);
        assert!(contract("taster: 1\npoisoning: {detectors: off}\n").poisoning.off);
        assert_eq!(codes("{detectors: {P1: off}}"), ["C003"]);
        assert_eq!(codes("{detectors: {C107: off}}"), ["C003"]);
        assert_eq!(codes("{detectors: [P110]}"), ["C004"]);
        assert_eq!(codes("{detectors: {P110: on}}"), ["C004"]);
        assert_eq!(codes("off"), ["C004"]);
    }

    #[test]
    fn a_parameter_that_nobody_reads_is_an_error_each() {
        assert_eq!(codes("{detectors: {P110: {a: 1, b: [x]}}}"), ["C005", "C005"]);
        assert_eq!(codes("{detectors: {P110: {}}}"), [""; 0]);
    }

    #[test]
    fn an_unknown_detector_is_one_error_whatever_it_is_told() {
        assert_eq!(codes("{detectors: {shared-triger: {a: 1}}}"), ["C003"]);
    }

    #[test]
    fn false_alarms_lie_between_none_and_half() {
        for bad in ["0", "0%", "50.1%", "1", "-1%"] {
            assert_eq!(codes(&format!("{{false_alarms: {bad}}}")), ["C004"], "{bad}");
        }
        let c = contract("taster: 1\npoisoning: {false_alarms: 0.25%, floor: 25 rows}\n");
        assert!((c.poisoning.false_alarm_share() - 0.0025).abs() < 1e-15);
        assert_eq!(codes("{floor: 25}"), ["C004"]);
    }

    #[test]
    fn an_ignore_says_what_and_why() {
        let codes =
            |entry: &str| -> Vec<&str> { errors(&format!("taster: 1\nignore:\n  - {{{entry}}}\n")).iter().map(|d| d.code).collect() };
        assert_eq!(codes("rule: P110"), ["C008"]);
        assert_eq!(codes("reason: x"), ["C008"]);
        assert_eq!(codes("rule: P110, reason: x, expires: 2027-13-01"), ["C004"]);
        assert_eq!(codes("rule: P110, reason: x, until: 2027-01-01"), ["C003"]);
        assert_eq!(codes("rule: P110, reason: ''"), ["C004"]);
        let c = contract("taster: 1\nignore:\n  - {rule: P110, group: ' a ', reason: x, expires: 2027-02-28}\n");
        assert_eq!(c.ignore[0].group.as_ref().unwrap().value, " a ");
    }
}
