//! C125: too few or too many columns, or in the wrong order.

use super::cells::{is_companion, listing};
use crate::contract::clauses::ColumnClause;
use crate::contract::{RuleKind, RuleSpec};
use crate::error::{Diagnostic, plural};
use crate::rule::{Built, Context, Entry, Meta, Outcome, Status};

pub const META: Meta = Meta {
    code: "C125",
    name: "wrong-columns",
    summary: "The dataset has so many columns, in the declared order.",
    ids: &[],
    explain: "\
`column_count` bounds how many columns there are, `column_order` lists all of them in order, and `order: 0` at a column says at
which position it stands, counted from 0.

**Why it hurts a model.** Code that reads by position (arrays, CSV without a header, feature stores) takes the wrong column after
one was added in the middle, and trains on it without a word.

**How it is computed.** From the schema, before a row is read; there is no guilty row. Partition columns of the path (`day=...`)
are columns, the last ones. Fields inside a struct are none. `column_order` fails when the data's columns are not exactly the
listed ones in that order.

**Example.** `- column_order: [id, text, label]` fails for a file with `id, label, text`.

**What fools it.** Two columns of one type that swapped their names; `drift` sees that.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

fn build(ctx: &Context<'_>) -> Result<Built, Vec<Diagnostic>> {
    let mut built = Built::default();
    let found: Vec<&str> = ctx.schema.fields().iter().map(|f| f.name().as_str()).filter(|n| !is_companion(n)).collect();
    for rule in &ctx.contract.rules {
        let (title, holds, message, threshold) = match &rule.kind {
            RuleKind::ColumnCount { min, max } => {
                let n = found.len() as u64;
                let wanted = match (min, max) {
                    (Some(a), Some(b)) if a == b => format!("exactly {a}"),
                    (Some(a), Some(b)) => format!("between {a} and {b}"),
                    (Some(a), None) => format!("at least {a}"),
                    (None, Some(b)) => format!("at most {b}"),
                    (None, None) => "any number".into(),
                };
                let holds = min.is_none_or(|m| n >= m) && max.is_none_or(|m| n <= m);
                ("column_count", holds, format!("{}; the contract asks for {wanted}", plural(found.len(), "column")), wanted)
            }
            RuleKind::ColumnOrder(names) => {
                let wanted: Vec<&str> = names.iter().map(|n| n.value.as_str()).collect();
                let holds = wanted == found;
                let message = format!("the data has: {}", listing(&found));
                ("column_order", holds, message, listing(&wanted))
            }
            _ => continue,
        };
        built.settled.push(outcome(rule, title, holds, message, threshold, found.len()));
    }
    for spec in &ctx.contract.columns {
        let Some(at) = spec.clause("order") else { continue };
        let ColumnClause::Order(wanted) = at.value else { continue };
        let name = &spec.name.value;
        let place = found.iter().position(|f| f == name);
        let (status, message) = match place {
            None => {
                let why = format!("column `{name}` is not in the data");
                (Status::NotEvaluated(why.clone()), why)
            }
            Some(p) => {
                let status = if p as u64 == wanted { Status::Pass } else { Status::Fail };
                (status, format!("column {p}, counted from 0; the contract asks for {wanted}"))
            }
        };
        let base = super::cells::settled(spec, &format!("{name}: order {wanted}"), status);
        built.settled.push(Outcome { span: Some(at.span), message, threshold: Some(wanted.to_string()), ..base });
    }
    Ok(built)
}

fn outcome(rule: &RuleSpec, title: &str, holds: bool, message: String, threshold: String, n: usize) -> Outcome {
    Outcome {
        severity: rule.severity,
        span: Some(rule.span),
        message,
        threshold: Some(threshold),
        statistic: Some(n as f64),
        ..Outcome::new(rule.name.clone().unwrap_or_else(|| title.to_owned()), if holds { Status::Pass } else { Status::Fail })
    }
}
