//! C122: a class takes too large or too small a share.

use super::cells::{Cells, rule_columns};
use super::scope::Scope;
use crate::batch::{Batch, cell_text};
use crate::contract::clauses::Shares;
use crate::contract::{Role, RuleKind, RuleSpec, Share};
use crate::error::{Diagnostic, Result, group_digits};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const META: Meta = Meta {
    code: "C122",
    name: "class-share",
    summary: "Each class of the label takes at least min and at most max of the rows.",
    ids: &[],
    explain: "\
Fails when a class of the column with `role: label` takes less than `min` or more than `max` of the rows that have a label; with
`by: [split]` in each group of rows that agree in those columns. `classes` bounds single classes, in place of the bounds for all:

    - label_share: {max: 60%, classes: {spam: {min: 5%, max: 20%}}}

**Why it hurts a model.** A class that swells is the first sign of flooding, and a class that is missing from one split makes
its score there a matter of luck.

**How it is computed.** Rows with a null label are left out, and so are rows with a null in a `by` column. Shares are compared as
integers. A class counts where it occurs at all: one that a group lacks entirely has no share to compare, unless it stands
under `classes`; then its share there is 0. More than 100,000
classes and groups are no classification: then the rule is not evaluated. There is no guilty row.

**Example.** `- label_share: {max: 60%}` fails when 61 of 100 labelled rows are `pos`.

**What fools it.** Labels flipped both ways keep every share.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

/// Distinct (group, class) pairs held at most.
const MOST: usize = 100_000;

struct ClassShare {
    label: Cells,
    by: Vec<Cells>,
    min: Option<Share>,
    max: Option<Share>,
    /// In place of those.
    classes: BTreeMap<String, Shares>,
    base: Outcome,
}

/// Rows per group and class. Beyond [`MOST`] pairs nothing is kept: whether that happens depends on
/// the data alone, not on its order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    pairs: BTreeMap<(Vec<String>, String), u64>,
    too_many: bool,
}

impl Counts {
    fn add(&mut self, key: (Vec<String>, String), n: u64) {
        if !self.too_many {
            *self.pairs.entry(key).or_default() += n;
            if self.pairs.len() > MOST {
                *self = Counts { pairs: BTreeMap::new(), too_many: true };
            }
        }
    }
}

impl State for Counts {
    fn merge(&mut self, other: Self) {
        if other.too_many {
            *self = other;
            return;
        }
        other.pairs.into_iter().for_each(|(k, n)| self.add(k, n));
    }
}

impl ClassShare {
    fn bounds(&self, class: &str) -> (Option<&Share>, Option<&Share>) {
        self.classes.get(class).map_or((self.min.as_ref(), self.max.as_ref()), |s| (s.min.as_ref(), s.max.as_ref()))
    }
    /// `at most 60%, pos at least 30%`.
    fn threshold(&self) -> String {
        let all = [("", &self.min, &self.max)];
        let each = self.classes.iter().map(|(class, s)| (class.as_str(), &s.min, &s.max));
        let told = |(class, min, max): (&str, &Option<Share>, &Option<Share>)| {
            let space = if class.is_empty() { "" } else { " " };
            let least = min.as_ref().map(|s| format!("{class}{space}at least {}", s.text));
            let most = max.as_ref().map(|s| format!("{class}{space}at most {}", s.text));
            [least, most]
        };
        all.into_iter().chain(each).flat_map(told).flatten().collect::<Vec<_>>().join(", ")
    }
}

impl Rule for ClassShare {
    const META: Meta = META;
    type State = Counts;
    type Model = Counts;

    fn columns(&self) -> Vec<String> {
        self.by.iter().chain([&self.label]).flat_map(Cells::reads).collect()
    }
    fn start(&self, _: &Round<'_, Counts>) -> Counts {
        Counts::default()
    }
    fn observe(&self, _: &Round<'_, Counts>, state: &mut Counts, batch: &Batch) -> Result<()> {
        let label = self.label.of(batch)?;
        let by = self.by.iter().map(|c| c.of(batch)).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.rows() {
            let Some(class) = cell_text(label.as_ref(), row) else { continue };
            let Some(group) = by.iter().map(|a| cell_text(a.as_ref(), row)).collect::<Option<Vec<_>>>() else { continue };
            state.add((group, class), 1);
        }
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Counts>, state: Counts) -> Result<Step<Counts>> {
        Ok(Step::Done(state))
    }
    fn outcome(&self, counts: &Counts) -> Outcome {
        let mut totals: BTreeMap<&[String], u64> = BTreeMap::new();
        for ((group, _), n) in &counts.pairs {
            *totals.entry(group).or_default() += n;
        }
        let threshold = self.threshold();
        let tested: u64 = totals.values().sum();
        let mut outcome = Outcome { tested, threshold: Some(threshold.clone()), ..self.base.clone() };
        if counts.too_many {
            outcome.message = format!("more than {} classes", group_digits(MOST as u64));
            outcome.status = Status::NotEvaluated(outcome.message.clone());
            return outcome;
        }
        if tested == 0 {
            outcome.message = "no row has a label".into();
            outcome.status = Status::NotEvaluated(outcome.message.clone());
            return outcome;
        }
        let mut wrong = Vec::new();
        let mut worst: Option<(f64, f64)> = None;
        let seen = counts.pairs.iter().map(|((group, class), n)| (group.as_slice(), class, *n));
        // A class that is named is asked for in every group.
        let asked = totals.keys().flat_map(|group| self.classes.keys().map(move |class| (*group, class)));
        let absent = asked.filter(|(g, c)| !counts.pairs.contains_key(&(g.to_vec(), (*c).clone()))).map(|(g, c)| (g, c, 0));
        for (group, class, n) in seen.chain(absent) {
            let total = totals.get(group).copied().unwrap_or(n);
            let share = n as f64 / total as f64;
            let (min, max) = self.bounds(class);
            let above = max.is_some_and(|m| !m.covers(n, total));
            let below = min.is_some_and(|m| below(n, total, m));
            let bound = if above { max } else { min };
            let distance = bound.map_or(0.0, |b| (share - b.as_f64()).abs());
            if above || below {
                let place = if group.is_empty() { String::new() } else { format!(" in {}", group.join(", ")) };
                wrong.push(format!(
                    "`{class}`{place} takes {} ({} of {} rows)",
                    super::row::percent(n, total),
                    group_digits(n),
                    group_digits(total)
                ));
                if worst.is_none_or(|(d, _)| distance > d) {
                    worst = Some((distance, share));
                }
            }
        }
        let largest =
            counts.pairs.iter().map(|((g, _), n)| *n as f64 / totals.get(g.as_slice()).copied().unwrap_or(*n) as f64).fold(0.0, f64::max);
        outcome.statistic = Some(worst.map_or(largest, |(_, share)| share));
        if wrong.is_empty() {
            outcome.message = format!("{} labelled rows, every class takes {threshold}", group_digits(tested));
        } else {
            outcome.status = Status::Fail;
            outcome.message = format!("{}; the contract asks for {threshold}", super::cells::listing(&wrong));
        }
        outcome
    }
    fn has_rows(&self, _: &Counts) -> bool {
        false
    }
    fn judge(&self, _: &Counts, _: &Batch, _: &mut Findings) -> Result<()> {
        Ok(())
    }
}

/// `n / total < share`, in integers.
fn below(n: u64, total: u64, share: &Share) -> bool {
    u128::from(n) * u128::from(share.denominator) < u128::from(share.numerator) * u128::from(total)
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::LabelShare { min, max, classes } = &rule.kind else { continue };
        // It groups by itself.
        let ungrouped = RuleSpec { by: None, ..rule.clone() };
        let Some(scope) = Scope::of(ctx, &ungrouped, (&mut built, &mut errors)) else { continue };
        let title = rule.name.clone().unwrap_or_else(|| "label_share".into());
        let declared = ctx.contract.columns.iter().find(|c| c.role.as_ref().is_some_and(|r| r.value == Role::Label));
        let label = ctx.roles.first(Role::Label).and_then(|name| Cells::find(ctx, name));
        let Some(label) = label else {
            if let Some(spec) = declared {
                built.settled.push(super::not_evaluated(rule, &title, format!("column `{}` is not in the data", spec.name.value)));
            } else {
                let d = Diagnostic::new("C122", "label_share needs a column with `role: label`").at(rule.span);
                errors.push(d.help("declare it: `columns: {NAME: {role: label}}`"));
            }
            continue;
        };
        let names: Vec<_> = rule.by.iter().flat_map(|b| b.value.iter().map(|n| (n.as_str(), b.span))).collect();
        match rule_columns(ctx, &names) {
            Err(more) => errors.extend(more),
            Ok(Err(why)) => built.settled.push(super::not_evaluated(rule, &title, why)),
            Ok(Ok(by)) => {
                let classes = classes.iter().map(|(c, s)| (c.value.clone(), s.clone())).collect();
                let columns = by.iter().chain([&label]).map(|c| c.name.clone()).collect();
                let base = Outcome { severity: rule.severity, span: Some(rule.span), columns, ..Outcome::new(title, Status::Pass) };
                scope.push(&mut built, ClassShare { label, by, min: min.clone(), max: max.clone(), classes, base });
            }
        }
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
