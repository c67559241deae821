//! C118: a column with one value.

use super::cells::{Cells, each_column, misfit};
use super::duplicate_key::hashes;
use crate::batch::Batch;
use crate::contract::types;
use crate::error::{Diagnostic, Result, group_digits};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use serde::{Deserialize, Serialize};

pub const META: Meta = Meta {
    code: "C118",
    name: "constant-column",
    summary: "A column has more than one value.",
    ids: &[],
    explain: "\
Fails when every value of a column with `not_constant: true` is the same.

**Why it hurts a model.** A constant teaches nothing and hides a break upstream: a join that matched one row, a default that
replaced every value, a sensor that froze. Scalers divide by its standard deviation, which is zero.

**How it is computed.** Nulls are skipped; values are compared by a 128-bit hash, all NaN are one value and -0.0 is 0.0. With
fewer than two values the rule is not evaluated: one value cannot vary. There is no guilty row.

**Example.** `temperature: {not_constant: true}` fails for 21.5, 21.5, null.

**What fools it.** A single row with another value; bound `distinct` or `most_common` instead.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct ConstantColumn {
    cells: Cells,
    base: Outcome,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Seen {
    values: u64,
    one: Option<u128>,
    varies: bool,
}

impl Seen {
    fn add(&mut self, hash: u128) {
        // Any two values give the same answer, so the smaller hash stands for what was seen.
        match self.one {
            Some(one) => {
                self.varies |= one != hash;
                self.one = Some(one.min(hash));
            }
            None => self.one = Some(hash),
        }
    }
}

impl State for Seen {
    fn merge(&mut self, other: Self) {
        self.values += other.values;
        self.varies |= other.varies;
        if let Some(hash) = other.one {
            self.add(hash);
        }
    }
}

impl Rule for ConstantColumn {
    const META: Meta = META;
    type State = Seen;
    type Model = Seen;

    fn columns(&self) -> Vec<String> {
        self.cells.reads()
    }
    fn start(&self, _: &Round<'_, Seen>) -> Seen {
        Seen::default()
    }
    fn observe(&self, _: &Round<'_, Seen>, state: &mut Seen, batch: &Batch) -> Result<()> {
        let array = self.cells.of(batch)?;
        state.values += (array.len() - array.logical_null_count()) as u64;
        // Once two values were seen there is nothing to find out.
        if !state.varies {
            hashes(&array)?.into_iter().flatten().for_each(|h| state.add(h));
        }
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Seen>, state: Seen) -> Result<Step<Seen>> {
        Ok(Step::Done(state))
    }
    fn outcome(&self, seen: &Seen) -> Outcome {
        let (status, message) = match seen.values {
            0 => (Status::NotEvaluated("there is no value".into()), "there is no value".to_owned()),
            1 => (Status::NotEvaluated("there is a single value".into()), "there is a single value".to_owned()),
            n if seen.varies => (Status::Pass, format!("{} values, not all alike", group_digits(n))),
            n => (Status::Fail, format!("all {} values are the same", group_digits(n))),
        };
        Outcome { status, message, tested: seen.values, threshold: Some("more than one value".into()), ..self.base.clone() }
    }
    fn has_rows(&self, _: &Seen) -> bool {
        false
    }
    fn judge(&self, _: &Seen, _: &Batch, _: &mut Findings) -> Result<()> {
        Ok(())
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for (spec, cells, at) in each_column(ctx, &mut built, "not_constant", |s| s.clause("not_constant")) {
        if cells.kind.is_nested() {
            let message = format!("not_constant needs plain values; `{}` is {}", cells.name, types::name(&cells.kind));
            misfit(spec, &cells, "not_constant", Diagnostic::new(META.code, message).at(at.span), &mut built, &mut errors);
            continue;
        }
        let base = super::cells::settled(spec, &format!("{}: not_constant", cells.name), Status::Pass);
        let base = Outcome { span: Some(at.span), columns: vec![cells.name.clone()], ..base };
        built.rules.push(Box::new(ConstantColumn { cells, base }));
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
