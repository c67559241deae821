//! Rows that agree in a key and differ in another column, for any number of rows: what a label
//! conflict and a leak between splits have in common. Keys go through the external sort of
//! [`crate::sketch::keys`]; the rows found are held as a bitmap at worst.

use super::cells::Cells;
use super::duplicate_key::hashes;
use super::row::{Clause, Tally};
use crate::batch::Batch;
use crate::error::{Result, group_digits, plural};
use crate::rule::{Context, Findings, Meta, Outcome, Round, Rule, State, Step};
use crate::sketch::keys::{Entry, Keys};
use crate::sketch::rowset::RowSet;
use serde::{Deserialize, Serialize};
use std::marker::PhantomData;
use xxhash_rust::xxh3::xxh3_128;

/// Which rule a crossing is about.
pub trait About: Send + Sync + 'static {
    const META: Meta;
    /// What a crossing key is called: `input under several labels`.
    const KEY: &'static str;
}

pub struct Crossing<A> {
    pub clause: Clause,
    /// Rows that agree in all of these share a key.
    pub key: Vec<Cells>,
    /// Rows that share a key agree in this one too.
    pub other: Cells,
    pub memory: u64,
    pub about: PhantomData<A>,
}

/// Keys of the rows that were tested.
#[derive(Serialize, Deserialize)]
pub struct Seen {
    pub tested: u64,
    pub keys: Keys,
}

impl Seen {
    pub fn new(memory: u64) -> Seen {
        Seen { tested: 0, keys: Keys::new(memory) }
    }
}

impl State for Seen {
    fn merge(&mut self, other: Self) {
        self.tested += other.tested;
        self.keys.merge(other.keys);
    }
}

/// The rows whose key stands beside two values or more.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crossed {
    tested: u64,
    keys: u64,
    row_count: u64,
    rows: RowSet,
}

impl Crossed {
    fn tally(&self) -> Tally {
        Tally { tested: self.tested, failing: self.row_count, undecided: 0 }
    }
}

/// One hash per row over several columns; `None` where any of them is null.
pub fn joint(mut parts: Vec<Vec<Option<u128>>>, rows: usize) -> Vec<Option<u128>> {
    if parts.len() == 1 {
        return parts.swap_remove(0);
    }
    let mut bytes = Vec::with_capacity(16 * parts.len());
    let key = |i: usize| {
        bytes.clear();
        for part in &parts {
            bytes.extend_from_slice(&part[i]?.to_le_bytes());
        }
        Some(xxh3_128(&bytes))
    };
    (0..rows).map(key).collect()
}

/// Bytes of keys per state: rules of this kind share an eighth of the memory among all threads.
pub fn memory(ctx: &Context<'_>, rules: usize) -> u64 {
    ctx.plan.memory / 8 / (ctx.plan.threads.max(1) * rules.max(1)) as u64
}

/// Rows of one key, until two values beside it are known. A key with one row needs no set.
struct Open {
    first: Entry,
    same: RowSet,
    rows: u64,
    crossed: bool,
}

impl Crossed {
    fn of(tested: u64, keys: &mut Keys) -> Result<Crossed> {
        let mut found = Crossed { tested, ..Crossed::default() };
        let mut open: Option<Open> = None;
        let mut close = |open: &mut Option<Open>| {
            if let Some(o) = open.take().filter(|o| o.crossed) {
                found.keys += 1;
                found.row_count += o.rows;
                found.rows.insert(o.first.row);
                found.rows.union(o.same);
            }
        };
        keys.groups(&mut |entry, fresh| {
            if fresh {
                close(&mut open);
            }
            match &mut open {
                None => open = Some(Open { first: entry, same: RowSet::default(), rows: 1, crossed: false }),
                Some(o) => {
                    o.same.insert(entry.row);
                    o.rows += 1;
                    o.crossed |= o.first.payload != entry.payload;
                }
            }
        })?;
        close(&mut open);
        Ok(found)
    }
}

impl<A: About> Rule for Crossing<A> {
    const META: Meta = A::META;
    type State = Seen;
    type Model = Crossed;

    fn columns(&self) -> Vec<String> {
        self.clause.reads.clone()
    }
    fn start(&self, _: &Round<'_, Crossed>) -> Seen {
        Seen::new(self.memory)
    }
    fn observe(&self, _: &Round<'_, Crossed>, state: &mut Seen, batch: &Batch) -> Result<()> {
        let parts = self.key.iter().map(|c| hashes(&c.of(batch)?)).collect::<Result<Vec<_>>>()?;
        let other = hashes(&self.other.of(batch)?)?;
        for (i, (key, value)) in joint(parts, batch.rows()).into_iter().zip(other).enumerate() {
            if let (Some(hash), Some(value)) = (key, value) {
                state.tested += 1;
                // The low half tells any realistic number of labels or splits apart.
                state.keys.push(Entry { hash, row: batch.row_id(i), payload: value as u64 })?;
            }
        }
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Crossed>, mut state: Seen) -> Result<Step<Crossed>> {
        Ok(Step::Done(Crossed::of(state.tested, &mut state.keys)?))
    }
    fn outcome(&self, model: &Crossed) -> Outcome {
        let mut outcome = self.clause.outcome(&model.tally());
        if model.keys > 0 {
            let count = usize::try_from(model.keys).unwrap_or(usize::MAX);
            let keys = if count == 1 { plural(count, "key") } else { format!("{} keys", group_digits(model.keys)) };
            outcome.message.push_str(&format!("; {keys} {}", A::KEY));
        }
        outcome
    }
    fn has_rows(&self, model: &Crossed) -> bool {
        model.row_count > 0
    }
    fn judge(&self, model: &Crossed, batch: &Batch, out: &mut Findings) -> Result<()> {
        self.clause.report_set(&model.tally(), &model.rows, batch, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::RowId;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    proptest! {
        #[test]
        fn crossings_agree_with_a_map_however_small_the_memory(rows in prop::collection::vec((0_u128..60, 0_u64..3), 0..900)) {
            let mut keys = Keys::new(0);
            let mut values: BTreeMap<u128, BTreeSet<u64>> = BTreeMap::new();
            for (i, (key, value)) in rows.iter().enumerate() {
                keys.push(Entry { hash: *key, row: RowId { source: (i % 2) as u32, row: i as u64 }, payload: *value }).unwrap();
                values.entry(*key).or_default().insert(*value);
            }
            let found = Crossed::of(rows.len() as u64, &mut keys).unwrap();
            let guilty = |key: &u128| values[key].len() > 1;
            prop_assert_eq!(found.row_count, rows.iter().filter(|(k, _)| guilty(k)).count() as u64);
            prop_assert_eq!(found.keys, values.values().filter(|v| v.len() > 1).count() as u64);
            for (i, (key, _)) in rows.iter().enumerate() {
                prop_assert_eq!(found.rows.contains(RowId { source: (i % 2) as u32, row: i as u64 }), guilty(key));
            }
        }
    }
}
