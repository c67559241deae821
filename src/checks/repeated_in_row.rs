//! C131: columns of a row that repeat a value.

use super::cells::{Cells, settled_columns};
use super::duplicate_key::{can_be_key, hashes};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use super::scope::Scope;
use crate::batch::Batch;
use crate::contract::dataset_rules::DatasetRule;
use crate::contract::{RuleKind, types};
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta};
use arrow::buffer::BooleanBuffer;

pub const META: Meta = Meta {
    code: "C131",
    name: "repeated-in-row",
    summary: "The listed columns of a row hold different values.",
    ids: &[],
    explain: "\
A row fails when two of the columns listed under `different` hold the same value.

**Why it hurts a model.** A preferred answer that equals the rejected one teaches nothing or, with the wrong sign, the opposite; a
pair of an item with itself makes every similarity look perfect.

**How it is computed.** Values compare as in `unique`: by a 128-bit hash, NaN equals NaN and -0.0 is 0.0. The columns must have
one type. Null is absence and repeats nothing; a row with fewer than two values is not tested.

**Example.** `- different: [chosen, rejected]` fails for a row in which both answers are the same.

**What fools it.** Copies that differ in a space; near-duplicate detection sees those.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct RepeatedInRow {
    columns: Vec<Cells>,
}

impl Test for RepeatedInRow {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        let parts = self.columns.iter().map(|c| hashes(&c.of(batch)?)).collect::<Result<Vec<_>>>()?;
        let mut tested = 0;
        let mut row: Vec<u128> = Vec::with_capacity(parts.len());
        let failing = BooleanBuffer::collect_bool(batch.rows(), |i| {
            row.clear();
            row.extend(parts.iter().filter_map(|p| p[i]));
            tested += usize::from(row.len() > 1);
            row.sort_unstable();
            row.windows(2).any(|w| w[0] == w[1])
        });
        Ok(Marks { tested, undecided: 0, failing: Some(failing) })
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Dataset(DatasetRule::Different(names)) = &rule.kind else { continue };
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let listed: Vec<&str> = names.iter().map(|c| c.value.as_str()).collect();
        let title = rule.name.clone().unwrap_or_else(|| format!("different [{}]", listed.join(", ")));
        let Some(columns) = settled_columns(ctx, rule, &title, names, (&mut built, &mut errors)) else { continue };
        let odd = columns.iter().find(|c| c.is_elements() || !can_be_key(&c.kind) || !types::same(&c.kind, &columns[0].kind));
        if let Some(c) = odd {
            let message = format!("columns of one plain type can be compared; `{}` is {}", c.name, types::name(&c.kind));
            errors.push(Diagnostic::new(META.code, message).at(rule.span));
            continue;
        }
        let wrong = Wrong { one: "repeats a value".into(), many: "repeat a value".into() };
        let evidence = format!("two of {} are the same", listed.join(", "));
        let clause = Clause::of_rule(rule, title, &columns, wrong, evidence, "no value twice".into());
        scope.push(&mut built, RowRule { clause, test: RepeatedInRow { columns } });
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
