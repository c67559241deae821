//! C135: a reference to nothing. The lookup itself is shared with contamination, its opposite.

use super::cells::{Cells, settled_columns};
use super::key_set::{self, KeySet, Likeness};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use super::scope::Scope;
use crate::batch::Batch;
use crate::contract::RuleKind;
use crate::contract::dataset_rules::DatasetRule;
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta};
use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;

pub const META: Meta = Meta {
    code: "C135",
    name: "dangling-reference",
    summary: "The values of the referring columns exist in another file.",
    ids: &[],
    explain: "\
A row fails when its value does not exist in the other data:

    - references: {column: movie_id, in: movies.parquet, key: id}
    - references: {columns: [site, user], in: users/*.csv, key: [site, id]}

`key` names the columns there, in the same order; without it they are called the same. The other data is a file, a folder or a
glob below the contract's roots and `--root`, links resolved first.

**Why it hurts a model.** A row whose image, document or author is gone is joined to nothing: it drops out silently, or it is
trained with an empty half.

**How it is computed.** The other keys are read once and held as sorted 128-bit hashes, 16 bytes each, in a quarter of the memory that all
such sets of a contract share; more of them end the run with an error, never with a smaller set. Values compare exactly; widths of integers and floats
and encodings do not count, everything else must have one type on both sides. NaN equals NaN and -0.0 is 0.0. A row with a null in
any of the columns refers to nothing and is not tested; other rows with a null key are no target.

**Example.** `movie_id` 7 fails where no row of `movies.parquet` has the `id` 7.

**What fools it.** A reference to the wrong row.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct DanglingReference {
    columns: Vec<Cells>,
    known: KeySet,
}

/// Hashes of the columns as [`KeySet`] holds them.
pub fn keys_of(columns: &[Cells], batch: &Batch, how: Likeness) -> Result<Vec<Option<u128>>> {
    let arrays = columns.iter().map(|c| c.of(batch)).collect::<Result<Vec<ArrayRef>>>()?;
    key_set::row_keys(&arrays, how)
}

impl Test for DanglingReference {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        let keys = keys_of(&self.columns, batch, Likeness::Exact)?;
        let tested = keys.iter().flatten().count();
        let failing = BooleanBuffer::collect_bool(keys.len(), |i| keys[i].is_some_and(|k| !self.known.contains(k)));
        Ok(Marks { tested, undecided: 0, failing: Some(failing) })
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Dataset(DatasetRule::References(spec)) = &rule.kind else { continue };
        let listed: Vec<&str> = spec.columns.iter().map(|c| c.value.as_str()).collect();
        let Some(file) = spec.files.first() else { continue };
        let title = rule.name.clone().unwrap_or_else(|| format!("{} in {}", listed.join(", "), file.value));
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let Some(columns) = settled_columns(ctx, rule, &title, &spec.columns, (&mut built, &mut errors)) else { continue };
        let kinds: Vec<_> = columns.iter().map(|c| c.kind.clone()).collect();
        match key_set::read(ctx, META.code, file, &spec.keys, &kinds, Likeness::Exact) {
            Err(d) => errors.push(d),
            Ok(known) => {
                let wrong = Wrong::being(&format!("not in {}", file.value));
                let evidence = format!("no row of {} has this {}", file.value, spec.keys.join(", "));
                let threshold = format!("one of {} keys", crate::error::group_digits(known.len() as u64));
                let clause = Clause::of_rule(rule, title, &columns, wrong, evidence, threshold);
                scope.push(&mut built, RowRule { clause, test: DanglingReference { columns, known } });
            }
        }
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
