//! C161: a pause in a column of times.

use super::scope::Scope;
use super::times::{self, Times, length};
use crate::batch::Batch;
use crate::contract::dataset_rules::DatasetRule;
use crate::contract::{Period, RuleKind};
use crate::error::{Diagnostic, Result, group_digits};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use crate::sketch::keys::{self, Keys};
use serde::{Deserialize, Serialize};

pub const META: Meta = Meta {
    code: "C161",
    name: "gap-in-time",
    summary: "Between one time of a column and the next there is no longer pause than allowed.",
    ids: &[],
    explain: "\
Fails when two neighbours among the sorted times of a column lie further apart than `max`:

    - gaps: {column: posted_at, max: 1d}

Without `column` it is the one with `role: time`.

**Why it hurts a model.** A day that is missing from a log is a file that was not delivered, or that somebody took out; a model
of seasons or sequences learns that nothing happens then.

**How it is computed.** All times are sorted, on disk where they outgrow the memory, so neither the order of rows nor any split
matters. A pause of exactly `max` is allowed; dates lie whole days apart, so `max: 1d` asks for every day. Nulls are skipped.
Fewer than two times have no pause between them: the rule is not evaluated. What lies before the first time and after the last is
not looked at; `fresh` asks about the end. The outcome tells the longest pause and how many are too long. There is no guilty row.

**Example.** Dates of 1, 2 and 5 March fail under `max: 1d`: a pause of 3 days.

**What fools it.** A single row in every hole.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct GapInTime {
    times: Times,
    max: Period,
    base: Outcome,
    memory: u64,
}

#[derive(Serialize, Deserialize)]
struct Seen {
    count: u64,
    times: Keys,
}

impl State for Seen {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.times.merge(other.times);
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Pauses {
    count: u64,
    too_long: u64,
    /// The longest one, the earliest of several: from, to.
    longest: Option<(i128, i128)>,
}

/// Integers in the order of unsigned keys, and back.
fn ordered(v: i128) -> u128 {
    (v as u128) ^ (1 << 127)
}
fn unordered(k: u128) -> i128 {
    (k ^ (1 << 127)) as i128
}

impl Rule for GapInTime {
    const META: Meta = META;
    type State = Seen;
    type Model = Pauses;

    fn columns(&self) -> Vec<String> {
        self.times.cells.reads()
    }
    fn start(&self, _: &Round<'_, Pauses>) -> Seen {
        Seen { count: 0, times: Keys::new(self.memory) }
    }
    fn observe(&self, _: &Round<'_, Pauses>, state: &mut Seen, batch: &Batch) -> Result<()> {
        let mut before = None;
        self.times.each(batch, |i, t| {
            state.count += 1;
            // A run of equal times is one time.
            if before.replace(t) == Some(t) {
                return Ok(());
            }
            state.times.push(keys::Entry { hash: ordered(t), row: batch.row_id(i), payload: 0 })
        })
    }
    fn finish(&self, _: &Round<'_, Pauses>, mut state: Seen) -> Result<Step<Pauses>> {
        let mut out = Pauses { count: state.count, ..Pauses::default() };
        let mut before: Option<i128> = None;
        state.times.groups(&mut |entry, fresh| {
            let t = unordered(entry.hash);
            if let Some(b) = before.filter(|_| fresh) {
                out.too_long += u64::from(t - b > self.max.nanos);
                if out.longest.is_none_or(|(from, to)| t - b > to - from) {
                    out.longest = Some((b, t));
                }
            }
            before = Some(t);
        })?;
        // Equal times have no pause between them, and that is an answer.
        if out.count > 1 && out.longest.is_none() {
            out.longest = before.map(|t| (t, t));
        }
        Ok(Step::Done(out))
    }
    fn outcome(&self, found: &Pauses) -> Outcome {
        let mut out = Outcome { tested: found.count, ..self.base.clone() };
        let Some((from, to)) = found.longest else {
            out.message = if found.count == 0 { "there is no time" } else { "a single time has no pause before the next" }.into();
            out.status = Status::NotEvaluated(out.message.clone());
            return out;
        };
        out.statistic = Some(times::seconds(to - from));
        let (a, b) = (self.times.show(from), self.times.show(to));
        let pause = format!("the longest pause is {}, from {a} to {b}", length(to - from));
        let over = format!("over {} times", group_digits(found.count));
        if found.too_long == 0 {
            out.message = format!("{pause}, {over}");
        } else {
            out.status = Status::Fail;
            let many = if found.too_long == 1 { "1 pause is".into() } else { format!("{} pauses are", group_digits(found.too_long)) };
            out.message = format!("{pause}; {many} longer than {}, {over}", self.max.text);
        }
        out
    }
    fn has_rows(&self, _: &Pauses) -> bool {
        false
    }
    fn judge(&self, _: &Pauses, _: &Batch, _: &mut Findings) -> Result<()> {
        Ok(())
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors, mut found) = (Built::default(), Vec::new(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Dataset(DatasetRule::Gaps { column, max }) = &rule.kind else { continue };
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let title = rule.name.clone().unwrap_or_else(|| column.as_ref().map_or("gaps".into(), |c| format!("gaps: {}", c.value)));
        let Some(times) = times::find(ctx, rule, &title, column.as_ref(), (&mut built, &mut errors)) else { continue };
        let base = Outcome {
            severity: rule.severity,
            span: Some(rule.span),
            columns: vec![times.cells.name.clone()],
            threshold: Some(format!("at most {}", max.text)),
            ..Outcome::new(title, Status::Pass)
        };
        found.push((scope, times, max.clone(), base));
    }
    let memory = super::crossing::memory(ctx, found.len());
    for (scope, times, max, base) in found {
        scope.push(&mut built, GapInTime { times, max, base, memory });
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
