//! `report.json`: the whole run for a program. Everything but `timing` and `now` is a function of the
//! data, the contract, the seed and the options. It is written last and thereby commits the set: a
//! file beside it belongs to it when it carries the same run id, or is named here with its digest.

use super::Facts;
use crate::error::{Error, Result};
use crate::quarantine::{AtomicFile, Pending};
use crate::rule::{Group, NotTested, Severity, Status};
use crate::verdict::record::Example;
use crate::verdict::{RuleResult, Verdict};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// The version of the shape. A new key does not change it; a changed meaning does.
pub const SCHEMA: &str = "taster-report/1";

/// The report as JSON.
pub fn report(verdict: &Verdict, facts: &Facts) -> Value {
    let milliseconds = |d: std::time::Duration| d.as_secs_f64() * 1e3;
    let rules: Vec<Value> = verdict.rules.iter().map(|r| rule(r, facts)).collect();
    let spent: Vec<Value> = verdict
        .rules
        .iter()
        .map(|r| json!({"code": r.meta.code, "title": title(r, facts), "milliseconds": milliseconds(r.spent)}))
        .collect();
    let floor: Vec<Value> = verdict
        .rules
        .iter()
        .flat_map(|r| {
            r.outcome
                .floor
                .iter()
                .map(|f| json!({"code": r.meta.code, "family": f.family, "class": f.class, "rows": f.rows, "reason": f.reason, "columns": f.columns}))
        })
        .collect();
    let files: Vec<Value> = facts
        .written
        .iter()
        .map(|w| json!({"path": w.path.display().to_string(), "format": w.format, "lines": w.lines, "bytes": w.bytes, "sha256": w.sha256}))
        .collect();
    let not_tested = |n: &NotTested| json!({"code": n.code, "name": n.name, "reason": n.reason});
    json!({
        "schema": SCHEMA,
        "tool": {"name": "taster", "version": env!("CARGO_PKG_VERSION")},
        "run_id": facts.run_id,
        "verdict": {
            "status": verdict.overall,
            "exit_code": verdict.exit,
            "ordinary_exit_code": verdict.ordinary_exit,
            "errors": verdict.errors,
            "warnings": verdict.warnings,
            "rules": verdict.evaluated + verdict.not_evaluated,
            "evaluated": verdict.evaluated,
            "not_evaluated": verdict.not_evaluated,
            "rows": verdict.rows,
            "rows_quarantine": verdict.rows_quarantine,
            "rows_review": verdict.rows_review,
        },
        "data": {"paths": facts.data, "root": facts.root.display().to_string(), "files": facts.files.len(), "fingerprint": facts.fingerprint},
        "contract": facts.contract.as_ref().map(|c| json!({
            "path": c.path.as_ref().map(|p| p.display().to_string()),
            "name": c.name, "version": c.version, "sha256": c.digest,
            "warnings": c.warnings.iter().map(warning).collect::<Vec<_>>(),
        })),
        "seed": facts.seed,
        "options": facts.options.iter().map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect::<serde_json::Map<_, _>>(),
        "redacted": facts.redact,
        "notes": facts.notes,
        "rules": rules,
        "floor": floor,
        "floor_missed": verdict.missed_floors,
        "floor_unknown": verdict.floor_unknown,
        "not_tested": verdict.not_tested.iter().map(not_tested).collect::<Vec<_>>(),
        "ignored": verdict.ignores,
        "decisions": facts.decisions.as_ref().map(|d| json!({
            "path": d.path.display().to_string(), "sha256": d.sha256,
            "entries": verdict.decisions.iter().map(|u| decision(u, facts)).collect::<Vec<_>>(),
        })),
        "files": files,
        "now": facts.now,
        "timing": {"milliseconds": milliseconds(facts.elapsed), "rules": spent},
    })
}

/// A warning about the contract quotes the contract, never the data.
fn warning(d: &crate::error::Diagnostic) -> Value {
    json!({
        "code": d.code,
        "message": d.message,
        "help": d.help,
        "contract_line": d.span.map(|s| json!({"line": s.line, "column": s.column})),
    })
}

fn decision(u: &crate::review::decided::Use, facts: &Facts) -> Value {
    let mut value = serde_json::to_value(u).unwrap_or_default();
    value["group"] = u.group.as_deref().map_or(Value::Null, |g| text(g, facts));
    value
}

/// Titles, messages and group keys may quote cells; with `--redact` none of them is printed.
fn text(s: &str, facts: &Facts) -> Value {
    if facts.redact { Value::Null } else { Value::from(s) }
}

/// A contract rule's title is the contract's word, not the data's.
fn title(r: &RuleResult, facts: &Facts) -> Value {
    if r.is_contract() { Value::from(r.outcome.title.as_str()) } else { text(&r.outcome.title, facts) }
}

fn rule(r: &RuleResult, facts: &Facts) -> Value {
    let o = &r.outcome;
    let (status, reason) = match &o.status {
        Status::Pass => ("pass", None),
        Status::Fail => ("fail", None),
        Status::NotEvaluated(reason) => ("not_evaluated", Some(reason)),
        Status::NotTested(reason) => ("not_tested", Some(reason)),
    };
    let examples = |list: &[Example]| list.iter().map(|e| example(e, facts)).collect::<Vec<_>>();
    let groups =
        o.groups.iter().enumerate().map(|(i, g)| group(r.meta.code, g, examples(r.group_examples.get(i).map_or(&[], |e| e)), facts));
    json!({
        "code": r.meta.code,
        "name": r.meta.name,
        "ids": r.meta.ids,
        "title": title(r, facts),
        "status": status,
        "reason": reason,
        "level": r.level.map(|l| if l == Severity::Error { "error" } else { "warning" }),
        "severity": o.severity,
        "ignored_by": r.ignored,
        "rows_tested": o.tested,
        "rows_failing": o.failing,
        "rows_not_tested": o.not_tested_rows,
        "rows_quarantine": r.quarantined,
        "rows_review": r.review,
        "statistic": o.statistic,
        "threshold": o.threshold,
        "within_tolerance": o.within_tolerance,
        "columns": o.columns,
        "message": text(&o.message, facts),
        "contract_line": o.span.map(|s| json!({"line": s.line, "column": s.column})),
        "examples": examples(&r.examples),
        "groups": groups.collect::<Vec<_>>(),
    })
}

fn group(code: &str, g: &Group, examples: Vec<Value>, facts: &Facts) -> Value {
    json!({
        "group": text(&g.key, facts),
        "action": g.action,
        "score": g.score,
        "rows": g.rows,
        "rows_with_label": g.with_label,
        "label": g.label.as_deref().map(|l| text(l, facts)),
        "statistic": g.statistic,
        "q_value": g.q_value,
        "message": text(&g.message, facts),
        "picture": facts.pictures.get(&(code.to_owned(), g.key.clone())),
        "reasons": g.reasons.iter().map(|r| text(r, facts)).collect::<Vec<_>>(),
        "examples": examples,
    })
}

fn example(e: &Example, facts: &Facts) -> Value {
    let excerpt = e.excerpt.as_ref().filter(|_| !facts.redact);
    json!({
        "file": facts.file(e.row.source),
        "row": e.row.row,
        "id": e.id.as_deref().map(|id| text(id, facts)),
        "message": text(&e.message, facts),
        "excerpt": excerpt.map(|x| json!({"column": x.column, "before": x.before, "marked": x.marked, "after": x.after})),
    })
}

/// Writes the report under its temporary name; commit it after every other file of the run.
///
/// # Errors
/// A resource error when the place cannot be written to or the disk is full.
pub fn write(path: &Path, verdict: &Verdict, facts: &Facts) -> Result<Pending> {
    let mut file = AtomicFile::create(path, false)?;
    let mut bytes = serde_json::to_vec_pretty(&report(verdict, facts)).map_err(Error::internal)?;
    bytes.push(b'\n');
    file.write_all(&bytes).map_err(|e| crate::quarantine::io_error(&format!("writing {}", path.display()), &e))?;
    file.finish("json", 0)
}
