//! C101: the data has a column that the contract does not know.

use super::cells::{is_companion, listing};
use crate::contract::{ExtraColumns, Severity};
use crate::error::{Diagnostic, plural};
use crate::rule::{Built, Context, Entry, Meta, Outcome, Status};

pub const META: Meta = Meta {
    code: "C101",
    name: "unexpected-column",
    summary: "With extra_columns forbid or warn, the data has no column that the contract does not declare.",
    ids: &[],
    explain: "\
With `extra_columns: forbid` (an error) or `warn`, fails when the data has a column that no entry of `columns` declares, by
name, by pattern (`feat_*`) or by a path into it (`answer.text`). `allow`, the default, asks for nothing.

**Why it hurts a model.** A column that nobody ordered is how a target leaks into the features, how personal data enters a
training set, and how a changed export announces itself.

**How it is computed.** From the schema alone; partition columns taken from folder names count. There is no guilty row.

**Example.** `extra_columns: forbid` with `columns: {id: {}, text: {}}` fails on data with `id, text, reviewer_email`.

**What fools it.** New content inside a declared column, for instance more keys in a JSON text.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

fn build(ctx: &Context<'_>) -> Result<Built, Vec<Diagnostic>> {
    let severity = match ctx.contract.extra_columns.value {
        ExtraColumns::Allow => return Ok(Built::default()),
        ExtraColumns::Warn => Severity::Warning,
        ExtraColumns::Forbid => Severity::Error,
    };
    let declared = |name: &str| {
        let inside = |path: &str| path.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '[']));
        ctx.contract.specs_for(name).next().is_some() || ctx.contract.columns.iter().any(|c| inside(&c.name.value))
    };
    let names = ctx.schema.fields().iter().map(|f| f.name());
    let extra: Vec<&str> = names.map(String::as_str).filter(|n| !is_companion(n) && !declared(n)).collect();
    let (status, message) = match extra.len() {
        0 => (Status::Pass, "every column is declared".to_owned()),
        n => (Status::Fail, format!("{} not declared: {}", plural(n, "column"), listing(&extra))),
    };
    let outcome = Outcome {
        severity,
        message,
        threshold: Some("declared columns only".into()),
        span: Some(ctx.contract.extra_columns.span),
        columns: extra.iter().map(|n| (*n).to_owned()).collect(),
        ..Outcome::new("extra_columns", status)
    };
    Ok(Built { settled: vec![outcome], ..Built::default() })
}
