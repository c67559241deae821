//! C160: the newest row is too old.

use super::scope::Scope;
use super::times::{self, Times, length};
use crate::batch::Batch;
use crate::contract::dataset_rules::DatasetRule;
use crate::contract::{Period, RuleKind};
use crate::error::{Diagnostic, Result, plural};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use serde::{Deserialize, Serialize};

pub const META: Meta = Meta {
    code: "C160",
    name: "stale-data",
    summary: "The newest time of a column is not older than asked for.",
    ids: &[],
    explain: "\
Fails when the newest time of a column lies further back than `within`:

    - fresh: {column: posted_at, within: 30d}
    - fresh: {within: 12h}

Without `column` it is the one with `role: time`. Durations are written `30s`, `5m`, `12h`, `30d` or `2w`.

**Why it hurts a model.** A feed that stopped goes unnoticed while yesterday's file is still there: the model is trained again
and again on the same old world.

**How it is computed.** Against the present, which is the clock or `--now`, in whole seconds, and is printed in the report so
that the run can be repeated. Times with a zone are instants, times without one are read as UTC. A date is a whole day, its age
the days since: yesterday's date is one day old at any hour. Nulls are skipped. A time after the present proves nothing about
freshness and does not count; where no other is left, the rule fails, and where there is no time at all it is not evaluated.
There is no guilty row.

**Example.** `within: 7d` fails on 1 March when the newest row is of 20 February.

**What fools it.** One fresh row among stale ones; `gaps` and `retention` look at the others.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct StaleData {
    times: Times,
    within: Period,
    now: i128,
    base: Outcome,
}

/// Counts and the newest time that is not after the present.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Newest {
    count: u64,
    ahead: u64,
    time: Option<i128>,
}

impl State for Newest {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.ahead += other.ahead;
        self.time = self.time.max(other.time);
    }
}

impl Rule for StaleData {
    const META: Meta = META;
    type State = Newest;
    type Model = Newest;

    fn columns(&self) -> Vec<String> {
        self.times.cells.reads()
    }
    fn start(&self, _: &Round<'_, Newest>) -> Newest {
        Newest::default()
    }
    fn observe(&self, _: &Round<'_, Newest>, state: &mut Newest, batch: &Batch) -> Result<()> {
        self.times.each(batch, |_, t| {
            state.count += 1;
            if t > self.now {
                state.ahead += 1;
            } else {
                state.time = state.time.max(Some(t));
            }
            Ok(())
        })
    }
    fn finish(&self, _: &Round<'_, Newest>, state: Newest) -> Result<Step<Newest>> {
        Ok(Step::Done(state))
    }
    fn outcome(&self, newest: &Newest) -> Outcome {
        let now = self.times.show(self.now);
        let mut out = Outcome { tested: newest.count, ..self.base.clone() };
        match newest.time {
            None if newest.count == 0 => {
                out.message = "there is no time".into();
                out.status = Status::NotEvaluated(out.message.clone());
            }
            None => {
                out.message = format!("every time lies after {now}, so none of them proves freshness");
                out.status = Status::Fail;
            }
            Some(newest) => {
                let age = self.now - newest;
                out.statistic = Some(times::seconds(age));
                out.status = if age > self.within.nanos { Status::Fail } else { Status::Pass };
                out.message = format!(
                    "the newest is {}, {} before {now}; the contract asks for {}",
                    self.times.show(newest),
                    length(age),
                    self.within.text
                );
            }
        }
        if newest.ahead > 0 && newest.time.is_some() {
            out.message.push_str(&format!("; {} after the present left out", plural(newest.ahead as usize, "time")));
        }
        out
    }
    fn has_rows(&self, _: &Newest) -> bool {
        false
    }
    fn judge(&self, _: &Newest, _: &Batch, _: &mut Findings) -> Result<()> {
        Ok(())
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Dataset(DatasetRule::Fresh { column, within }) = &rule.kind else { continue };
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let title = rule.name.clone().unwrap_or_else(|| column.as_ref().map_or("fresh".into(), |c| format!("fresh: {}", c.value)));
        let Some(times) = times::find(ctx, rule, &title, column.as_ref(), (&mut built, &mut errors)) else { continue };
        let base = Outcome {
            severity: rule.severity,
            span: Some(rule.span),
            columns: vec![times.cells.name.clone()],
            threshold: Some(format!("within {}", within.text)),
            ..Outcome::new(title, Status::Pass)
        };
        let now = times.now(ctx.now);
        scope.push(&mut built, StaleData { times, within: within.clone(), now, base });
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
