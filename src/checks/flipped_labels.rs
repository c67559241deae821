//! C137: labels that differ from the previous version of the data.

use super::cells::Cells;
use super::key_set::{self, Labels, Likeness, row_keys, short};
use super::row::{Clause, Marks, RowRule, Tally, Test, Wrong};
use super::scope::Scope;
use super::times::by_role;
use crate::batch::Batch;
use crate::contract::dataset_rules::DatasetRule;
use crate::contract::{Role, RuleKind};
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, Status, Step};
use arrow::buffer::BooleanBuffer;

pub const META: Meta = Meta {
    code: "C137",
    name: "flipped-labels",
    summary: "Few rows have another label than in the previous version of the data.",
    ids: &[],
    explain: "\
Rows are found again by their id in an earlier version; the rule fails when more than `max` of them have another label now:

    - flip_rate: {in: ../v1/reviews.parquet, max: 0.5%}
    - flip_rate: {in: previous/*.csv, id: row_id, label: verdict, max: 0%}

Without `id` and `label` they are the columns with those roles; they are called the same in both versions. The earlier version
lies below the contract's roots and `--root`, links resolved first.

**Why it hurts a model.** Corrections of labels are few and each has its reason. A wave of changed labels between two versions is
what an attacker with write access leaves, or a join on the wrong key.

**How it is computed.** Rows whose id the earlier version does not have, and rows with a null id or label on either side, are not
tested; if none is left the rule is not evaluated, so that new ids for all rows are no way around it. An id that had several
labels before flips when its label now is none of them. Values compare as in `references`. The earlier ids and labels are held as
sorted hashes, 32 bytes each, in a quarter of the memory that all such sets of a contract share; more of them end the run with an
error. Every flipped row is listed: for review up to `max`, and to be taken out beyond it.

**Example.** `max: 0.5%` fails when 6 of 1,000 rows that were there before are labelled otherwise.

**What fools it.** New rows, and new ids for the rows that were changed; compare the number tested with the rows there were.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct Flipped {
    id: Cells,
    label: Cells,
    before: Labels,
}

impl Test for Flipped {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        let ids = row_keys(&[self.id.of(batch)?], Likeness::Exact)?;
        let labels = row_keys(&[self.label.of(batch)?], Likeness::Exact)?;
        let differs: Vec<Option<bool>> = ids.into_iter().zip(labels).map(|(id, label)| self.before.differs(id?, short(label?))).collect();
        let tested = differs.iter().flatten().count();
        Ok(Marks { tested, undecided: 0, failing: Some(BooleanBuffer::collect_bool(differs.len(), |i| differs[i] == Some(true))) })
    }
}

/// A share that is not evaluated where nothing can be compared; its rows are those of a row rule.
struct FlipRate {
    rows: RowRule<Flipped>,
    previous: String,
}

impl Rule for FlipRate {
    const META: Meta = META;
    type State = Tally;
    type Model = Tally;

    fn columns(&self) -> Vec<String> {
        Rule::columns(&self.rows)
    }
    fn start(&self, round: &Round<'_, Tally>) -> Tally {
        Rule::start(&self.rows, round)
    }
    fn observe(&self, round: &Round<'_, Tally>, state: &mut Tally, batch: &Batch) -> Result<()> {
        Rule::observe(&self.rows, round, state, batch)
    }
    fn finish(&self, round: &Round<'_, Tally>, state: Tally) -> Result<Step<Tally>> {
        Rule::finish(&self.rows, round, state)
    }
    fn outcome(&self, model: &Tally) -> Outcome {
        let mut out = Rule::outcome(&self.rows, model);
        if model.tested == 0 {
            out.message = format!("no row with a label is in {} too", self.previous);
            out.status = Status::NotEvaluated(out.message.clone());
        }
        out
    }
    fn has_rows(&self, model: &Tally) -> bool {
        Rule::has_rows(&self.rows, model)
    }
    fn judge(&self, model: &Tally, batch: &Batch, out: &mut Findings) -> Result<()> {
        Rule::judge(&self.rows, model, batch, out)
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Dataset(DatasetRule::FlipRate { id, label, previous, max }) = &rule.kind else { continue };
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let title = rule.name.clone().unwrap_or_else(|| format!("flip_rate against {}", previous.value));
        let id = by_role(ctx, rule, &title, id.as_ref(), Role::Id, (&mut built, &mut errors));
        let Some(id) = id else { continue };
        let label = by_role(ctx, rule, &title, label.as_ref(), Role::Label, (&mut built, &mut errors));
        let Some(label) = label else { continue };
        let names = [id.name.clone(), label.name.clone()];
        match key_set::read_labels(ctx, META.code, previous, &names, &[id.kind.clone(), label.kind.clone()]) {
            Err(d) => errors.push(d),
            Ok(before) => {
                let wrong = Wrong::having(&format!("another {} than in {}", label.name, previous.value));
                let evidence = wrong.one.clone();
                let both = [id.clone(), label.clone()];
                let mut clause = Clause::of_rule(rule, title, &both, wrong, evidence, format!("at most {}", max.text));
                clause.tolerance = Some(max.clone());
                let rows = RowRule { clause, test: Flipped { id, label, before } };
                scope.push(&mut built, FlipRate { rows, previous: previous.value.clone() });
            }
        }
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
