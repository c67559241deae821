//! C111: a text whose JSON does not meet its schema.

use super::cells::{Cells, each_value};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use super::texts;
use crate::batch::Batch;
use crate::contract::clauses::ColumnClause;
use crate::contract::json_schema::JsonSchema;
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta};

pub const META: Meta = Meta {
    code: "C111",
    name: "invalid-json",
    summary: "Every text is JSON that meets the column's schema.",
    ids: &[],
    explain: "\
A row fails when its text is not JSON, or is JSON that the schema under `json_schema` does not accept.

**Why it hurts a model.** Conversations, tool calls and annotations are often stored as JSON in a text column. A message without
a role or an answer that became a list is dropped or flattened by the loader, and the rows that remain are a biased sample.

**How it is computed.** Nulls are skipped. The schema is written as YAML in the contract and checked by the assertions of JSON
Schema draft 2020-12: type, enum, const, bounds on numbers, lengths, items and members, patterns (linear-time, searched), allOf,
anyOf, oneOf, not, if, dependentRequired and references into the schema itself. A keyword that is not understood is an error in
the contract; `format` and the descriptive keywords assert nothing. 1.0 is an integer, and equal to 1. A reference that never
ends accepts nothing. `multipleOf` compares in decimal.

**Example.** `turn: {json_schema: {type: object, required: [role]}}` fails for `{\"content\": \"hi\"}` and for `hi`.

**What fools it.** A value of the right shape with the wrong content.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct InvalidJson {
    cells: Cells,
    schema: JsonSchema,
}

impl Test for InvalidJson {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        texts::test(&self.cells, batch, &|t| serde_json::from_str(t).is_ok_and(|v| self.schema.accepts(&v)))
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for (spec, cells, at) in each_value(ctx, &mut built, "json_schema", |s| s.clause("json_schema")) {
        let ColumnClause::JsonSchema(schema) = &at.value else { continue };
        if !texts::must_be_text(spec, &cells, "json_schema", META.code, at.span, &mut built, &mut errors) {
            continue;
        }
        let schema = match JsonSchema::new(schema) {
            Ok(schema) => schema,
            Err(why) => {
                errors.push(Diagnostic::new(META.code, format!("json_schema of column `{}`: {why}", cells.name)).at(at.span));
                continue;
            }
        };
        let wrong = Wrong::not_doing("meet the JSON schema");
        let clause = Clause::of_column(spec, &cells, at.span, "json_schema", wrong, "does not meet the JSON schema".into());
        built.rules.push(Box::new(RowRule { clause, test: InvalidJson { cells, schema } }));
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
