//! C136: rows of an evaluation set in the training data.

use super::cells::{Cells, settled_columns};
use super::dangling_reference::keys_of;
use super::key_set::{self, KeySet, Likeness};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use super::scope::Scope;
use crate::batch::Batch;
use crate::contract::RuleKind;
use crate::contract::dataset_rules::DatasetRule;
use crate::error::{Diagnostic, Result, group_digits};
use crate::rule::{Built, Context, Entry, Meta};
use arrow::buffer::BooleanBuffer;

pub const META: Meta = Meta {
    code: "C136",
    name: "contaminated",
    summary: "No row of a named evaluation set stands in the data.",
    ids: &[],
    explain: "\
A row fails when it stands in an evaluation set too; each set is a rule of its own, so the report says which one it was:

    - contamination: {column: text, in: [evals/reviews.parquet, evals/news.csv]}
    - contamination: {column: prompt, in: evals/maths.jsonl, key: question}

`key` names the columns there, in the same order. The sets lie below the contract's roots and `--root`, links resolved first.

**Why it hurts a model.** A model that has seen the answers scores well and has learnt nothing; nobody notices, since the score is
all that is looked at.

**How it is computed.** Texts are compared without case, and with every run of characters that are neither letters nor digits as
one space, so that a copy with other quotes or line breaks is found; other values as in `references`. The keys of a set are held
as sorted 128-bit hashes, 16 bytes each, in a quarter of the memory that all such sets of a contract share; more of them
end the run with an error. Rows with a
null in any of the columns are not tested.

**Example.** `The cat sat.` fails where an evaluation set has `the cat  sat`.

**What raises false alarms.** Short texts that anybody writes (`yes`). Give a `tolerance`, or compare prompt and reply together.

**What fools it.** A paraphrase, a translation, or a part of the text.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct Contaminated {
    columns: Vec<Cells>,
    evaluation: KeySet,
}

impl Test for Contaminated {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        let keys = keys_of(&self.columns, batch, Likeness::Folded)?;
        let tested = keys.iter().flatten().count();
        let failing = BooleanBuffer::collect_bool(keys.len(), |i| keys[i].is_some_and(|k| self.evaluation.contains(k)));
        Ok(Marks { tested, undecided: 0, failing: Some(failing) })
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Dataset(DatasetRule::Contamination(spec)) = &rule.kind else { continue };
        let listed = spec.columns.iter().map(|c| c.value.as_str()).collect::<Vec<_>>().join(", ");
        let title = rule.name.clone().unwrap_or_else(|| format!("{listed}: contamination"));
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let Some(columns) = settled_columns(ctx, rule, &title, &spec.columns, (&mut built, &mut errors)) else { continue };
        let kinds: Vec<_> = columns.iter().map(|c| c.kind.clone()).collect();
        for file in &spec.files {
            match key_set::read(ctx, META.code, file, &spec.keys, &kinds, Likeness::Folded) {
                Err(d) => errors.push(d),
                Ok(evaluation) => {
                    let wrong = Wrong { one: format!("stands in {}", file.value), many: format!("stand in {}", file.value) };
                    let evidence = format!("the same {listed} stands in {}", file.value);
                    let threshold = format!("none of {} keys", group_digits(evaluation.len() as u64));
                    let title = format!("{title} by {}", file.value);
                    let clause = Clause::of_rule(rule, title, &columns, wrong, evidence, threshold);
                    scope.push(&mut built, RowRule { clause, test: Contaminated { columns: columns.clone(), evaluation } });
                }
            }
        }
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
