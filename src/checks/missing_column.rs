//! C100: the contract declares a column that the data does not have.

use super::cells::{columns_of, is_companion, listing, settled};
use crate::error::Diagnostic;
use crate::rule::{Built, Context, Entry, Meta, Outcome, Status};

pub const META: Meta = Meta {
    code: "C100",
    name: "missing-column",
    summary: "Every declared column is in the data.",
    ids: &[],
    explain: "\
Fails when the contract declares a column and the data does not have it. The column's other checks are then not evaluated,
and each says that this is why. A pattern such as `feat_*` fails when no column matches it.

**Why it hurts a model.** A renamed or dropped column is the quietest of errors: the loader falls back to a default, joins on
another key, or trains without a feature that production will send.

**How it is computed.** From the schema alone, before a row is read. Names are compared exactly, case included. There is no
guilty row.

**Example.** The contract declares `label`, the data has `id, text, lable`.

**What fools it.** A column that is present and empty; `required` speaks about that.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

fn build(ctx: &Context<'_>) -> Result<Built, Vec<Diagnostic>> {
    let mut built = Built::default();
    let known: Vec<&str> = ctx.schema.fields().iter().map(|f| f.name().as_str()).filter(|n| !is_companion(n)).collect();
    for spec in &ctx.contract.columns {
        let name = &spec.name.value;
        let absent = columns_of(ctx, spec).is_empty();
        let message = match (absent, spec.is_glob) {
            (false, _) => "present".to_owned(),
            (true, true) => format!("no column matches `{name}`; the data has: {}", listing(&known)),
            (true, false) => format!("column `{name}` is not in the data, which has: {}", listing(&known)),
        };
        let outcome = settled(spec, &format!("{name}: present"), if absent { Status::Fail } else { Status::Pass });
        built.settled.push(Outcome { message, ..outcome });
    }
    Ok(built)
}
