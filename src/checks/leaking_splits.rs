//! C134: rows of one split that stand in another.

use super::cells::{Cells, rule_columns};
use super::crossing::{About, Crossing, memory};
use super::duplicate_key::can_be_key;
use super::near_copies;
use super::row::{Clause, Wrong};
use super::scope::Scope;
use crate::batch::Text;
use crate::contract::dataset_rules::DatasetRule;
use crate::contract::{Role, RuleKind, types};
use crate::error::Diagnostic;
use crate::rule::{Built, Context, Entry, Meta};
use std::marker::PhantomData;

pub const META: Meta = Meta {
    code: "C134",
    name: "leaking-splits",
    summary: "No value of a key stands in two splits.",
    ids: &[],
    explain: "\
Every row fails whose key stands in more than one split, on both sides: `- disjoint_splits: {keys: [review_id, text]}`. Each key
is a rule of its own, so a row leaks when its id *or* its text does. The splits are the values of the column with
`role: split`, or of the one under `split`.

**Why it hurts a model.** A test row that was trained on measures memory, not skill; the score is too good until the day of use.

**How it is computed.** Keys compare as in `unique`: exactly, by a 128-bit hash, NaN equals NaN and -0.0 is 0.0; the hashes are
sorted on disk when they outgrow the memory, so the answer holds for any number of rows. A row with a null key or a null split is
not tested. A key that is a text or an image
(by the role of its column) leaks by near copies too, which are rules of their own; see C138 for what is near. `near: false` leaves
that out.

**Example.** With `keys: [text]`, `a dull film` in `train` and again in `test` fails for both rows. The same text twice in `train`
passes; `unique` is for that.

**What raises false alarms.** Short texts that anybody writes (`ok`). Give a `tolerance`, or a key that identifies.

**What fools it.** A paraphrase.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct Splits;

impl About for Splits {
    const META: Meta = META;
    const KEY: &'static str = "in more than one split";
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors, mut found, mut near_found) = (Built::default(), Vec::new(), Vec::new(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Dataset(DatasetRule::DisjointSplits { keys, split, near }) = &rule.kind else { continue };
        let Some(mut scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let listed: Vec<&str> = keys.iter().map(|n| n.value.as_str()).collect();
        let title = rule.name.clone().unwrap_or_else(|| "disjoint_splits".into());
        let declared = ctx.contract.columns.iter().find(|c| c.role.as_ref().is_some_and(|r| r.value == Role::Split));
        let by_role = ctx.roles.first(Role::Split).or_else(|| declared.map(|c| c.name.value.as_str()));
        let Some((name, span)) = split.as_ref().map(|s| (s.value.as_str(), s.span)).or(by_role.map(|n| (n, rule.span))) else {
            let d = Diagnostic::new(META.code, "disjoint_splits needs a column with `role: split`").at(rule.span);
            errors.push(d.help("declare it: `columns: {NAME: {role: split}}`, or name it: `split: NAME`"));
            continue;
        };
        let mut names: Vec<_> = keys.iter().map(|n| (n.value.as_str(), n.span)).collect();
        names.push((name, span));
        match rule_columns(ctx, &names) {
            Err(more) => errors.extend(more),
            Ok(Err(why)) => built.settled.push(super::not_evaluated(rule, &title, why)),
            Ok(Ok(mut columns)) => {
                let Some(split) = columns.pop() else { continue };
                if let Some(c) = columns.iter().chain([&split]).find(|c| !can_be_key(&c.kind)) {
                    let message = format!("disjoint_splits needs plain values; `{}` is {}", c.name, types::name(&c.kind));
                    errors.push(Diagnostic::new(META.code, message).at(rule.span));
                    continue;
                }
                if listed.contains(&split.name.as_str()) {
                    let message = format!("`{}` holds the splits; it is no key that two of them could share", split.name);
                    errors.push(Diagnostic::new(META.code, message).at(rule.span));
                    continue;
                }
                let by = scope.take_by();
                for key in columns {
                    let title = if listed.len() == 1 && rule.name.is_some() { title.clone() } else { format!("{title}: {}", key.name) };
                    let wrong = Wrong::having(&format!("a {} that stands in another split too", key.name));
                    let evidence = format!("the same {} stands in another split", key.name);
                    let is_text = Text::reads(&key.kind) && ctx.roles.of(&key.name).is_some_and(Role::is_text);
                    if *near && (is_text || near_copies::are_pictures(ctx, &key)) {
                        let title = format!("{title}, near copies");
                        let wrong = Wrong::having(&format!("a {} of which a near copy stands in another split", key.name));
                        let evidence = format!("nearly the same {} stands in another split", key.name);
                        let clause = Clause::of_rule(rule, title, &[key.clone(), split.clone()], wrong, evidence, "no near copy".into());
                        near_found.push((scope.clone(), clause, key.clone(), split.clone()));
                    }
                    let both: Vec<Cells> = [key.clone(), split.clone()].into_iter().chain(by.iter().cloned()).collect();
                    let clause = Clause::of_rule(rule, title, &both, wrong, evidence, "no shared key".into());
                    found.push((scope.clone(), clause, [vec![key], by.clone()].concat(), split.clone()));
                }
            }
        }
    }
    let memory = memory(ctx, found.len() + near_found.len());
    for (scope, clause, key, other) in found {
        scope.push(&mut built, Crossing::<Splits> { clause, key, other, memory, about: PhantomData });
    }
    for (scope, clause, key, split) in near_found {
        scope.push(&mut built, near_copies::across::<Splits>(clause, key, split, memory));
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
