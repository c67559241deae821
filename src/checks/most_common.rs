//! C144: the most common value is not one of those expected.

use super::cells::{Cells, each_column, listing, misfit, settled};
use super::duplicate_key::hashes;
use super::set::Set;
use crate::batch::{Batch, cell_text};
use crate::contract::clauses::ColumnClause;
use crate::contract::{scalar, types};
use crate::error::{Diagnostic, Result, group_digits};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use crate::sketch::keys::{self, Keys};
use arrow::array::{Array, ArrayRef, AsArray};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const META: Meta = Meta {
    code: "C144",
    name: "most-common-value",
    summary: "The most common value of a column is one of those listed.",
    ids: &[],
    explain: "\
Fails when the value that most rows have is not listed under `most_common: {in: [...]}`. Several equally common values fail as
well, unless `ties: true`: then one of them has to be listed.

**Why it hurts a model.** A default that replaced real values, a placeholder of one supplier or a class that was flooded shows
first as a new most common value.

**How it is computed.** Exactly, for any number of rows: values are counted by a 128-bit hash, sorted on disk when they outgrow
the memory; a second pass finds out what the most common ones are. Nulls are skipped, all NaN are one value (which is in no set)
and -0.0 is 0.0. Without a value the rule is not evaluated. There is no guilty row.

**Example.** `country: {most_common: {in: [DE, FR]}}` fails when most rows say `XX`.

**What fools it.** A wrong value that is common without being the most common; bound `label_share` or `distinct`.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

/// Equally common values that are looked up; beyond, a tie is a tie.
const TIES: usize = 1_000;

struct MostCommon {
    cells: Cells,
    listed: Set,
    ties: bool,
    base: Outcome,
    memory: u64,
}

#[derive(Serialize, Deserialize)]
struct Seen {
    keys: Keys,
    /// Second round: what the most common hashes stand for, and whether it is listed.
    named: BTreeMap<u128, (String, bool)>,
}

impl State for Seen {
    fn merge(&mut self, other: Self) {
        self.keys.merge(other.keys);
        self.named.extend(other.named);
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Top {
    values: u64,
    most: u64,
    /// Values that occur so often; more than [`TIES`] are only counted.
    tied: u64,
    hashes: Vec<u128>,
    named: BTreeMap<u128, (String, bool)>,
}

/// A dictionary hides its values from the set.
fn values(cells: &Cells, batch: &Batch) -> Result<ArrayRef> {
    let array = cells.of(batch)?;
    match array.as_any_dictionary_opt() {
        Some(d) => arrow::compute::cast(&array, d.values().data_type()).map_err(crate::error::Error::internal),
        None => Ok(array),
    }
}

impl Rule for MostCommon {
    const META: Meta = META;
    type State = Seen;
    type Model = Top;

    fn columns(&self) -> Vec<String> {
        self.cells.reads()
    }
    fn start(&self, _: &Round<'_, Top>) -> Seen {
        Seen { keys: Keys::new(self.memory), named: BTreeMap::new() }
    }
    fn observe(&self, round: &Round<'_, Top>, state: &mut Seen, batch: &Batch) -> Result<()> {
        let array = values(&self.cells, batch)?;
        let hashes = hashes(&array)?;
        let Some(top) = round.model else {
            for (i, hash) in hashes.into_iter().enumerate() {
                if let Some(hash) = hash {
                    state.keys.push(keys::Entry { hash, row: batch.row_id(i), payload: 0 })?;
                }
            }
            return Ok(());
        };
        if state.named.len() == top.hashes.len() || array.is_empty() {
            return Ok(());
        }
        let listed = self.listed.contains(&array)?;
        for (i, hash) in hashes.into_iter().enumerate() {
            if let Some(hash) = hash
                && top.hashes.binary_search(&hash).is_ok()
                && !state.named.contains_key(&hash)
            {
                // Both zeros are one value; they print as one.
                let text = cell_text(array.as_ref(), i).unwrap_or_default();
                let text = if text == "-0.0" { "0.0".to_owned() } else { text };
                state.named.insert(hash, (text.chars().take(80).collect(), listed.value(i)));
            }
        }
        Ok(())
    }
    fn finish(&self, round: &Round<'_, Top>, mut state: Seen) -> Result<Step<Top>> {
        if let Some(top) = round.model {
            return Ok(Step::Done(Top { named: state.named, ..top.clone() }));
        }
        let mut top = Top::default();
        let (mut current, mut count) = (0, 0);
        let mut close = |hash: u128, n: u64| {
            if n > top.most {
                top.most = n;
                top.tied = 0;
                top.hashes.clear();
            }
            if n == top.most && n > 0 {
                top.tied += 1;
                if top.hashes.len() < TIES {
                    top.hashes.push(hash);
                }
            }
            top.values += n;
        };
        state.keys.groups(&mut |entry, fresh| {
            if fresh {
                close(current, count);
                (current, count) = (entry.hash, 0);
            }
            count += 1;
        })?;
        close(current, count);
        top.hashes.sort_unstable();
        Ok(if top.values == 0 { Step::Done(top) } else { Step::Again(top) })
    }
    fn outcome(&self, top: &Top) -> Outcome {
        let base = Outcome { tested: top.values, ..self.base.clone() };
        if top.values == 0 {
            return Outcome { status: Status::NotEvaluated("there is no value".into()), message: "there is no value".into(), ..base };
        }
        let listed = top.named.values().any(|(_, listed)| *listed);
        let holds = listed && (self.ties || top.tied == 1);
        let mut names: Vec<&str> = top.named.values().map(|(text, _)| text.as_str()).collect();
        names.sort_unstable();
        let tie = if top.tied > 1 { format!("{} values tie", group_digits(top.tied)) } else { "the most common value is".into() };
        Outcome {
            status: if holds { Status::Pass } else { Status::Fail },
            statistic: Some(top.most as f64 / top.values as f64),
            message: format!("{tie}: {} ({} of {} values)", listing(&names), group_digits(top.most), group_digits(top.values)),
            ..base
        }
    }
    fn has_rows(&self, _: &Top) -> bool {
        false
    }
    fn judge(&self, _: &Top, _: &Batch, _: &mut Findings) -> Result<()> {
        Ok(())
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    let memory = ctx.plan.memory / 16 / ctx.plan.threads.max(1) as u64;
    for (spec, cells, at) in each_column(ctx, &mut built, "most_common", |s| s.clause("most_common")) {
        let ColumnClause::MostCommon { values, ties } = &at.value else { continue };
        let mut wrong = None;
        let typed: Vec<scalar::Value> =
            values.iter().filter_map(|v| scalar::typed(v, &cells.kind).map_err(|why| wrong = Some((why, v.span))).ok()).collect();
        let listed = Set::new(&typed, &cells.kind);
        let (Some(listed), None) = (listed, &wrong) else {
            let (why, span) = wrong.unwrap_or_else(|| (format!("values of type {} cannot be listed", types::name(&cells.kind)), at.span));
            let d = Diagnostic::new(META.code, format!("most_common of column `{}`: {why}", cells.name)).at(span);
            misfit(spec, &cells, "most_common", d, &mut built, &mut errors);
            continue;
        };
        let written = listing(&values.iter().map(|v| v.text.clone()).collect::<Vec<_>>());
        let base = settled(spec, &format!("{}: most_common in [{written}]", cells.name), Status::Pass);
        let base = Outcome { span: Some(at.span), columns: vec![cells.name.clone()], threshold: Some(written), ..base };
        built.rules.push(Box::new(MostCommon { cells, listed, ties: *ties, base, memory }));
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
