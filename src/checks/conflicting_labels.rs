//! C133: the same input under different labels.

use super::cells::{Cells, rule_columns};
use super::crossing::{About, Crossing, memory};
use super::duplicate_key::can_be_key;
use super::row::{Clause, Wrong};
use super::scope::Scope;
use crate::contract::dataset_rules::DatasetRule;
use crate::contract::{Role, RuleKind, types};
use crate::error::Diagnostic;
use crate::rule::{Built, Context, Entry, Meta};
use std::marker::PhantomData;

pub const META: Meta = Meta {
    code: "C133",
    name: "conflicting-labels",
    summary: "Rows with the same input have the same label.",
    ids: &[],
    explain: "\
Every row of an input fails that stands under two labels or more: `- same_input: [title, text]` over the listed columns
together, against the column with `role: label`.

**Why it hurts a model.** One of the two labels is wrong, and the loss on both rows can never reach zero; copies under another
label are also the simplest label-flipping attack.

**How it is computed.** Inputs compare as in `unique`: exactly, by a 128-bit hash, NaN equals NaN and -0.0 is 0.0; the hashes are
sorted on disk when they outgrow the memory, so the answer holds for any number of rows. A row with a null in the input or
without a label is not tested.

**Example.** `- same_input: text` fails for both rows when `a dull film` is once `neg` and once `pos`.

**What raises false alarms.** Inputs that leave something out: a reply without the question it answers. List more columns, or
give a `tolerance`.

**What fools it.** A copy that differs in a space; `conflicting-duplicates` (P130) sees near copies.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct Labels;

impl About for Labels {
    const META: Meta = META;
    const KEY: &'static str = "under more than one label";
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors, mut found) = (Built::default(), Vec::new(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Dataset(DatasetRule::SameInput(names)) = &rule.kind else { continue };
        let Some(mut scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let listed: Vec<&str> = names.iter().map(|n| n.value.as_str()).collect();
        let title = rule.name.clone().unwrap_or_else(|| format!("same_input [{}]", listed.join(", ")));
        let declared = ctx.contract.columns.iter().find(|c| c.role.as_ref().is_some_and(|r| r.value == Role::Label));
        let Some(label) = ctx.roles.first(Role::Label).and_then(|name| Cells::find(ctx, name)) else {
            match declared {
                Some(spec) => {
                    let why = format!("column `{}` is not in the data", spec.name.value);
                    built.settled.push(super::not_evaluated(rule, &title, why));
                }
                None => errors.push(
                    Diagnostic::new(META.code, "same_input needs a column with `role: label`")
                        .at(rule.span)
                        .help("declare it: `columns: {NAME: {role: label}}`"),
                ),
            }
            continue;
        };
        match rule_columns(ctx, &names.iter().map(|n| (n.value.as_str(), n.span)).collect::<Vec<_>>()) {
            Err(more) => errors.extend(more),
            Ok(Err(why)) => built.settled.push(super::not_evaluated(rule, &title, why)),
            Ok(Ok(key)) => {
                let all: Vec<Cells> = key.iter().chain([&label]).cloned().collect();
                if let Some(c) = all.iter().find(|c| !can_be_key(&c.kind)) {
                    let message = format!("same_input needs plain values; `{}` is {}", c.name, types::name(&c.kind));
                    errors.push(Diagnostic::new(META.code, message).at(rule.span));
                    continue;
                }
                if let Some(c) = key.iter().find(|c| c.name == label.name) {
                    let message = format!("`{}` is the label itself; it is no part of the input", c.name);
                    errors.push(Diagnostic::new(META.code, message).at(rule.span));
                    continue;
                }
                let key = [key, scope.take_by()].concat();
                let all: Vec<Cells> = key.iter().chain([&label]).cloned().collect();
                let wrong = Wrong::having("an input that stands under another label too");
                let evidence = format!("another row has the same {} and a different label", listed.join(", "));
                found.push((scope, Clause::of_rule(rule, title, &all, wrong, evidence, "one label per input".into()), key, label));
            }
        }
    }
    let memory = memory(ctx, found.len());
    for (scope, clause, key, other) in found {
        scope.push(&mut built, Crossing::<Labels> { clause, key, other, memory, about: PhantomData });
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
