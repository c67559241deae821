//! C162: a row older than it may be kept.

use super::row::{Clause, Marks, RowRule, Test, Wrong};
use super::scope::Scope;
use super::times::{self, Times};
use crate::batch::Batch;
use crate::contract::RuleKind;
use crate::contract::dataset_rules::DatasetRule;
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta};
use arrow::array::BooleanBufferBuilder;

pub const META: Meta = Meta {
    code: "C162",
    name: "kept-too-long",
    summary: "No row is older than its data may be kept.",
    ids: &[],
    explain: "\
A row fails when its time lies further back than `max`:

    - retention: {column: collected_at, max: 730d}

Without `column` it is the one with `role: time`.

**Why it hurts a model.** What had to be deleted is trained into the weights, where nobody can delete it any more; and old rows
describe a world that is gone.

**How it is computed.** Against the present, which is the clock or `--now`, in whole seconds, and is printed in the report so that
the run can be repeated. An age of exactly `max` is allowed. Times with a zone are instants, times without one are read as UTC; a
date is a whole day, its age the days since. Rows without a time are not tested; say `required` as well.

**Example.** `max: 365d` fails on 1 March 2026 for a row of 28 February 2025.

**What fools it.** A time that was rewritten when the row was copied.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct KeptTooLong {
    times: Times,
    /// Earlier than this is too old.
    since: i128,
}

impl Test for KeptTooLong {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        let mut failing = BooleanBufferBuilder::new(batch.rows());
        failing.append_n(batch.rows(), false);
        let mut tested = 0;
        self.times.each(batch, |i, t| {
            tested += 1;
            failing.set_bit(i, t < self.since);
            Ok(())
        })?;
        Ok(Marks { tested, undecided: 0, failing: Some(failing.finish()) })
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Dataset(DatasetRule::Retention { column, max }) = &rule.kind else { continue };
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let title = rule.name.clone().unwrap_or_else(|| column.as_ref().map_or("retention".into(), |c| format!("retention: {}", c.value)));
        let Some(times) = times::find(ctx, rule, &title, column.as_ref(), (&mut built, &mut errors)) else { continue };
        let since = times.now(ctx.now) - max.nanos;
        let wrong = Wrong::being(&format!("older than {}", max.text));
        let (evidence, threshold) = (format!("older than {}", max.text), format!("{} or later", times.show(since)));
        let clause = Clause::of_rule(rule, title, std::slice::from_ref(&times.cells), wrong, evidence, threshold);
        scope.push(&mut built, RowRule { clause, test: KeptTooLong { times, since } });
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
