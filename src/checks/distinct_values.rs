//! C142: a set of distinct values that is not the declared one.

use super::cells::{Cells, each_column, listing, misfit, settled};
use super::set::Set;
use crate::batch::{Batch, cell_text};
use crate::contract::clauses::{ColumnClause, SetRelation};
use crate::contract::{scalar, types};
use crate::error::{Diagnostic, Result, group_digits};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::BooleanBuffer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

pub const META: Meta = Meta {
    code: "C142",
    name: "distinct-values",
    summary: "The distinct values of a column equal, contain or stay inside a set.",
    ids: &[],
    explain: "\
`distinct_values: {inside: [...]}` fails when a value occurs that is not listed, `contain` when a listed value does not occur, and
`equal` when either is so.

**Why it hurts a model.** A class that is missing from the training set is one the model will never predict; a language or a
region that vanished from the data vanishes from what it can do.

**How it is computed.** Nulls are skipped; values compare as in `allowed`: NaN is in no set, integers and floats compare without
rounding, strings by code point. The outcome names what is missing and a few of the values that are not listed. Without a value
`inside` is not evaluated, `contain` and `equal` fail. There is no guilty row; `allowed` lists the rows.

**Example.** `label: {distinct_values: {equal: [neg, pos]}}` fails for a file without a single `pos`.

**What fools it.** One row of each value is enough; bound their shares with `label_share`.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

/// Other values that the outcome can name.
const NAMED: usize = 8;

struct DistinctValues {
    cells: Cells,
    relation: SetRelation,
    /// Each listed value with its text.
    listed: Vec<(Set, String)>,
    all: Set,
    base: Outcome,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Seen {
    values: u64,
    /// Indices of listed values that occur.
    found: BTreeSet<u32>,
    /// Rows with another value, and the first few such values in their order as text.
    other: u64,
    named: BTreeSet<String>,
}

impl State for Seen {
    fn merge(&mut self, other: Self) {
        self.values += other.values;
        self.found.extend(other.found);
        self.other += other.other;
        self.named.extend(other.named);
        self.trim();
    }
}

impl Seen {
    fn trim(&mut self) {
        while self.named.len() > NAMED {
            self.named.pop_last();
        }
    }
}

impl DistinctValues {
    /// Looks at values that are all there: a dictionary's own, or a column's.
    fn look(&self, state: &mut Seen, array: &ArrayRef, valid: &BooleanBuffer) -> Result<BooleanBuffer> {
        for (i, (set, _)) in self.listed.iter().enumerate() {
            if !state.found.contains(&(i as u32)) && (&set.contains(array)? & valid).count_set_bits() > 0 {
                state.found.insert(i as u32);
            }
        }
        let other = valid & &!&self.all.contains(array)?;
        for row in other.set_indices() {
            let text: String = cell_text(array.as_ref(), row).unwrap_or_default().chars().take(80).collect();
            if state.named.len() < NAMED || state.named.last().is_some_and(|last| text < *last) {
                state.named.insert(text);
                state.trim();
            }
        }
        Ok(other)
    }
}

impl Rule for DistinctValues {
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
        let n = array.len();
        let valid = array.logical_nulls().map_or_else(|| BooleanBuffer::new_set(n), |v| v.inner().clone());
        state.values += valid.count_set_bits() as u64;
        if valid.count_set_bits() == 0 {
            return Ok(());
        }
        let Some(dict) = array.as_any_dictionary_opt() else {
            let other = self.look(state, &array, &valid)?;
            state.other += other.count_set_bits() as u64;
            return Ok(());
        };
        // Only the entries that some row uses are values of the column.
        let keys = dict.normalized_keys();
        let mut used = vec![false; dict.values().len()];
        valid.set_indices().for_each(|i| used[keys[i]] = true);
        let entries = dict.values();
        let used = BooleanArray::from(used);
        let present = entries.logical_nulls().map_or_else(|| used.values().clone(), |v| used.values() & v.inner());
        let other = self.look(state, entries, &present)?;
        state.other += valid.set_indices().filter(|i| other.value(keys[*i])).count() as u64;
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Seen>, state: Seen) -> Result<Step<Seen>> {
        Ok(Step::Done(state))
    }
    fn outcome(&self, seen: &Seen) -> Outcome {
        let missing: Vec<&str> = self
            .listed
            .iter()
            .enumerate()
            .filter(|(i, _)| !seen.found.contains(&(*i as u32)))
            .map(|(_, (_, text))| text.as_str())
            .collect();
        let base = Outcome { tested: seen.values, ..self.base.clone() };
        if seen.values == 0 && self.relation == SetRelation::Inside {
            return Outcome { status: Status::NotEvaluated("there is no value".into()), message: "there is no value".into(), ..base };
        }
        let mut wrong = Vec::new();
        if self.relation != SetRelation::Inside && !missing.is_empty() {
            wrong.push(format!("{} did not occur", listing(&missing)));
        }
        if self.relation != SetRelation::Contain && seen.other > 0 {
            let named: Vec<&str> = seen.named.iter().map(String::as_str).collect();
            wrong.push(format!("{} values are not listed, such as {}", group_digits(seen.other), listing(&named)));
        }
        if wrong.is_empty() {
            return Outcome { message: format!("{} values, as listed", group_digits(seen.values)), ..base };
        }
        Outcome { status: Status::Fail, message: wrong.join("; "), ..base }
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
    for (spec, cells, at) in each_column(ctx, &mut built, "distinct_values", |s| s.clause("distinct_values")) {
        let ColumnClause::DistinctValues(relation, values) = &at.value else { continue };
        let mut typed = Vec::new();
        let mut wrong = None;
        for v in values {
            match scalar::typed(v, &cells.kind) {
                Ok(value) => typed.push((value, v.text.clone())),
                Err(why) => wrong = wrong.or(Some((why, v.span))),
            }
        }
        let plain: Vec<scalar::Value> = typed.iter().map(|(v, _)| v.clone()).collect();
        let all = Set::new(&plain, &cells.kind);
        let listed = typed.into_iter().map(|(v, text)| Some((Set::new(&[v], &cells.kind)?, text))).collect::<Option<Vec<_>>>();
        let (Some(all), Some(listed), None) = (all, listed, &wrong) else {
            let (why, span) = wrong.unwrap_or_else(|| (format!("values of type {} cannot be listed", types::name(&cells.kind)), at.span));
            let d = Diagnostic::new(META.code, format!("distinct_values of column `{}`: {why}", cells.name)).at(span);
            misfit(spec, &cells, "distinct_values", d, &mut built, &mut errors);
            continue;
        };
        let written = format!("{} [{}]", relation.word(), listing(&values.iter().map(|v| v.text.clone()).collect::<Vec<_>>()));
        let base = settled(spec, &format!("{}: distinct_values {written}", cells.name), Status::Pass);
        let base = Outcome { span: Some(at.span), columns: vec![cells.name.clone()], threshold: Some(written), ..base };
        built.rules.push(Box::new(DistinctValues { cells, relation: *relation, listed, all, base }));
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
