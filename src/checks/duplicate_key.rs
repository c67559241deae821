//! C104: a key that several rows share.

use super::cells::{Cells, each_column, misfit, settled_columns};
use super::crossing::{Seen, joint};
use super::row::{Clause, Tally, Wrong};
use super::scope::Scope;
use crate::batch::{Batch, keys_of};
use crate::contract::RuleKind;
use crate::error::{Diagnostic, Error, Result, group_digits, plural};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, Step};
use crate::sketch::keys::{self, Duplicates};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float16Type, Float32Type, Float64Type};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

pub const META: Meta = Meta {
    code: "C104",
    name: "duplicate-key",
    summary: "No two rows share the key of a unique column or a unique rule.",
    ids: &[],
    explain: "\
Every row of a group that shares its key fails: of one column with `unique: true`, or of several with `- unique: [a, b]`.

**Why it hurts a model.** A repeated row counts twice in the loss; a key repeated across splits leaks the answer into the test
set; flooding with copies is the cheapest way to move a decision boundary.

**How it is computed.** Rows with a null in the key are left out, unless that column is `required`: then null is a key like any
other. All NaN are one key, and -0.0 is 0.0. Keys are compared by a 128-bit hash and sorted on disk when they outgrow the memory,
so the answer is exact for any number of rows. The outcome tells shared keys, the rows that have them, and the excess rows
(beyond the first of each key); the rule counts rows.

**Example.** `review_id: {unique: true}` over the ids 1, 2, 2 fails for rows 1 and 2.

**What fools it.** Copies with a new id. See near-duplicate detection.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct DuplicateKey {
    clause: Clause,
    /// With whether a null counts as a value.
    columns: Vec<(Cells, bool)>,
    memory: u64,
}

#[derive(Serialize, Deserialize)]
struct Shared {
    tested: u64,
    found: Duplicates,
}

impl Shared {
    fn tally(&self) -> Tally {
        Tally { tested: self.tested, failing: self.found.row_count, undecided: 0 }
    }
}

/// Stands for null; no value hashes to it but by chance.
const NULL: u128 = 0x6e75_6c6c_6e75_6c6c_6e75_6c6c_6e75_6c6c;

/// One hash per row, `None` for null.
pub fn hashes(array: &ArrayRef) -> Result<Vec<Option<u128>>> {
    let n = array.len();
    if let Some(dict) = array.as_any_dictionary_opt() {
        let values = hashes(dict.values())?;
        return Ok(keys_of(dict).into_iter().map(|k| k.and_then(|k| values.get(k).copied().flatten())).collect());
    }
    // All NaN are one key; adding zero turns -0.0 into 0.0.
    let float = |v: f64| xxh3_128(&if v.is_nan() { f64::NAN } else { v + 0.0 }.to_bits().to_le_bytes());
    macro_rules! each {
        (|$i:ident| $hash:expr) => {
            (0..n).map(|$i| array.is_valid($i).then(|| $hash)).collect()
        };
    }
    Ok(match array.data_type() {
        DataType::Null => vec![None; n],
        DataType::Boolean => {
            let a = array.as_boolean();
            each!(|i| xxh3_128(&[a.value(i).into()]))
        }
        DataType::Float64 => {
            let a = array.as_primitive::<Float64Type>();
            each!(|i| float(a.value(i)))
        }
        DataType::Float32 => {
            let a = array.as_primitive::<Float32Type>();
            each!(|i| float(a.value(i).into()))
        }
        DataType::Float16 => {
            let a = array.as_primitive::<Float16Type>();
            each!(|i| float(a.value(i).to_f64()))
        }
        DataType::Utf8 => {
            let a = array.as_string::<i32>();
            each!(|i| xxh3_128(a.value(i).as_bytes()))
        }
        DataType::LargeUtf8 => {
            let a = array.as_string::<i64>();
            each!(|i| xxh3_128(a.value(i).as_bytes()))
        }
        DataType::Utf8View => {
            let a = array.as_string_view();
            each!(|i| xxh3_128(a.value(i).as_bytes()))
        }
        DataType::Binary => {
            let a = array.as_binary::<i32>();
            each!(|i| xxh3_128(a.value(i)))
        }
        DataType::LargeBinary => {
            let a = array.as_binary::<i64>();
            each!(|i| xxh3_128(a.value(i)))
        }
        DataType::BinaryView => {
            let a = array.as_binary_view();
            each!(|i| xxh3_128(a.value(i)))
        }
        DataType::FixedSizeBinary(_) => {
            let a = array.as_fixed_size_binary();
            each!(|i| xxh3_128(a.value(i)))
        }
        t => {
            let width = t.primitive_width().ok_or_else(|| Error::internal(format!("a key of {t}")))?;
            let data = array.to_data();
            let bytes = &data.buffers()[0].as_slice()[data.offset() * width..];
            each!(|i| xxh3_128(&bytes[i * width..(i + 1) * width]))
        }
    })
}

/// Whether [`hashes`] knows the type; lists and structs have no keys.
pub fn can_be_key(t: &DataType) -> bool {
    !t.is_nested()
}

impl DuplicateKey {
    /// Hash per row of the batch; `None` is exempt.
    fn row_keys(&self, batch: &Batch) -> Result<Vec<Option<u128>>> {
        let mut parts = Vec::with_capacity(self.columns.len());
        for (cells, null_is_a_value) in &self.columns {
            let mut part = hashes(&cells.of(batch)?)?;
            if *null_is_a_value {
                part.iter_mut().for_each(|k| *k = k.or(Some(NULL)));
            }
            parts.push(part);
        }
        Ok(joint(parts, batch.rows()))
    }
}

impl Rule for DuplicateKey {
    const META: Meta = META;
    type State = Seen;
    type Model = Shared;

    fn columns(&self) -> Vec<String> {
        self.clause.reads.clone()
    }
    fn start(&self, _: &Round<'_, Shared>) -> Seen {
        Seen::new(self.memory)
    }
    fn observe(&self, _: &Round<'_, Shared>, state: &mut Seen, batch: &Batch) -> Result<()> {
        for (i, key) in self.row_keys(batch)?.into_iter().enumerate() {
            if let Some(hash) = key {
                state.tested += 1;
                state.keys.push(keys::Entry { hash, row: batch.row_id(i), payload: 0 })?;
            }
        }
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Shared>, mut state: Seen) -> Result<Step<Shared>> {
        Ok(Step::Done(Shared { tested: state.tested, found: state.keys.duplicates()? }))
    }
    fn outcome(&self, model: &Shared) -> Outcome {
        let mut outcome = self.clause.outcome(&model.tally());
        if model.found.groups > 0 {
            let keys = plural(model.found.groups as usize, "shared key");
            outcome.message.push_str(&format!("; {keys}, {} in excess", group_digits(model.found.excess)));
        }
        outcome
    }
    fn has_rows(&self, model: &Shared) -> bool {
        !model.found.rows.is_empty()
    }
    fn judge(&self, model: &Shared, batch: &Batch, out: &mut Findings) -> Result<()> {
        self.clause.report_set(&model.tally(), &model.found.rows, batch, out);
        Ok(())
    }
}

/// Keys take at most this share of the memory for sketches; one state per thread and rule.
fn memory(ctx: &Context<'_>, rules: usize) -> u64 {
    ctx.plan.memory / 4 / (ctx.plan.threads.max(1) * rules.max(1)) as u64
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors, mut found) = (Built::default(), Vec::new(), Vec::new());
    let required = |name: &str| ctx.contract.specs_for(name).any(|s| s.required.as_ref().is_some_and(|r| r.value));
    for (spec, cells, at) in each_column(ctx, &mut built, "unique", |s| s.unique.as_ref().filter(|u| u.value)) {
        if !can_be_key(&cells.kind) {
            let message =
                format!("unique needs a column of plain values; `{}` is {}", cells.name, crate::contract::types::name(&cells.kind));
            misfit(spec, &cells, "unique", Diagnostic::new("C104", message).at(at.span), &mut built, &mut errors);
            continue;
        }
        let clause = Clause {
            title: format!("{}: unique", cells.name),
            span: at.span,
            severity: spec.severity,
            tolerance: spec.tolerance.as_ref().map(|t| t.value.clone()),
            about: vec![cells.name.clone()],
            reads: cells.reads(),
            wrong: Wrong { one: "shares its key".into(), many: "share their key with another row".into() },
            evidence: "another row has the same value".into(),
            threshold: "no shared key".into(),
        };
        let null_is_a_value = required(&cells.name);
        found.push((None, clause, vec![(cells, null_is_a_value)]));
    }
    for rule in &ctx.contract.rules {
        let RuleKind::Unique(names) = &rule.kind else { continue };
        let Some(mut scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let listed: Vec<&str> = names.iter().map(|n| n.value.as_str()).collect();
        let title = rule.name.clone().unwrap_or_else(|| format!("unique [{}]", listed.join(", ")));
        let Some(columns) = settled_columns(ctx, rule, &title, names, (&mut built, &mut errors)) else { continue };
        if let Some(cells) = columns.iter().find(|c| !can_be_key(&c.kind)) {
            let message = format!("a key needs plain values; `{}` is {}", cells.name, crate::contract::types::name(&cells.kind));
            errors.push(Diagnostic::new("C104", message).at(rule.span));
            continue;
        }
        let by = scope.take_by();
        let clause = Clause {
            title,
            span: rule.span,
            severity: rule.severity,
            tolerance: rule.tolerance.as_ref().map(|t| t.value.clone()),
            about: columns.iter().map(|c| c.name.clone()).collect(),
            reads: columns.iter().chain(&by).flat_map(Cells::reads).collect(),
            wrong: Wrong { one: "shares its key".into(), many: "share their key with another row".into() },
            evidence: format!("another row has the same {}", listed.join(", ")),
            threshold: "no shared key".into(),
        };
        let columns = columns.into_iter().map(|c| {
            let r = required(&c.name);
            (c, r)
        });
        // A group is a part of the key; a row without one is in none.
        let columns = columns.chain(by.into_iter().map(|c| (c, false))).collect();
        found.push((Some(scope), clause, columns));
    }
    let memory = memory(ctx, found.len());
    for (scope, clause, columns) in found {
        let rule = DuplicateKey { clause, columns, memory };
        match scope {
            Some(scope) => scope.push(&mut built, rule),
            None => built.rules.push(Box::new(rule)),
        }
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::DictionaryArray;
    use arrow::datatypes::Int8Type;
    use std::sync::Arc;

    #[test]
    fn a_dictionary_without_values_has_no_key() {
        let dict: DictionaryArray<Int8Type> = vec![None::<&str>, None].into_iter().collect();
        let array: ArrayRef = Arc::new(dict);
        assert_eq!(hashes(&array).unwrap(), vec![None, None]);
    }
}
