//! C124: a row without an allowed licence, or without consent.

use super::cells::{Cells, rule_columns};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use super::scope::Scope;
use crate::batch::{Batch, Text};
use crate::contract::RuleKind;
use crate::contract::dataset_rules::DatasetRule;
use crate::contract::types;
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta};
use arrow::array::{Array, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;
use std::collections::{BTreeSet, HashMap};

pub const META: Meta = Meta {
    code: "C124",
    name: "unlicensed",
    summary: "Every row has an allowed licence and its consents.",
    ids: &[],
    explain: "\
A row fails when its licence is not among those allowed, or when one of its consents is not true:

    - licence: {column: licence, allowed: [CC0-1.0, CC-BY-4.0, MIT]}
    - licence: {consent: [opted_in, adult]}

**Why it hurts a model.** What may not be used cannot be taken out of the weights again: the model is withdrawn, or trained anew.

**How it is computed.** Case and outer spaces do not count. A value that is not listed is read as an SPDX expression: `MIT OR
GPL-2.0-only` is allowed when one side is, `MIT AND CC-BY-4.0` when both are, `X WITH Y` when it is listed as such; AND binds
closer than OR. Consents are columns of true and false. A licence that is absent or empty is none, and a consent that is absent
was not given: unlike in other rules, null fails here, so every row is tested.

**Example.** A row under `CC-BY-NC-4.0` fails where only `CC-BY-4.0` is allowed.

**What fools it.** A column that says whatever the uploader liked.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

/// Longer than any expression that a person wrote.
const LONGEST: usize = 4096;
/// Parentheses within parentheses.
const DEEPEST: usize = 32;

struct Allowed(BTreeSet<String>);

fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

impl Allowed {
    fn admits(&self, written: &str) -> bool {
        if written.len() > LONGEST {
            return false;
        }
        let text = plain(written);
        if self.0.contains(&text) {
            return true;
        }
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let tokens: Vec<&str> = spaced.split_whitespace().collect();
        let mut rest = tokens.as_slice();
        self.either(&mut rest, 0) == Some(true) && rest.is_empty()
    }
    /// Parts joined by OR. `None` when it is no expression.
    fn either(&self, rest: &mut &[&str], depth: usize) -> Option<bool> {
        let mut admitted = self.all(rest, depth)?;
        while rest.first() == Some(&"or") {
            *rest = &rest[1..];
            admitted |= self.all(rest, depth)?;
        }
        Some(admitted)
    }
    fn all(&self, rest: &mut &[&str], depth: usize) -> Option<bool> {
        let mut admitted = self.one(rest, depth)?;
        while rest.first() == Some(&"and") {
            *rest = &rest[1..];
            admitted &= self.one(rest, depth)?;
        }
        Some(admitted)
    }
    fn one(&self, rest: &mut &[&str], depth: usize) -> Option<bool> {
        let (first, after) = rest.split_first()?;
        *rest = after;
        match *first {
            "(" if depth < DEEPEST => {
                let admitted = self.either(rest, depth + 1)?;
                let (close, after) = rest.split_first()?;
                *rest = after;
                (*close == ")").then_some(admitted)
            }
            "(" | ")" | "or" | "and" | "with" => None,
            id => match rest {
                ["with", exception, after @ ..] => {
                    *rest = after;
                    Some(self.0.contains(&format!("{id} with {exception}")))
                }
                _ => Some(self.0.contains(id)),
            },
        }
    }
}

struct Unlicensed {
    licence: Option<(Cells, Allowed)>,
    consents: Vec<Cells>,
}

impl Test for Unlicensed {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        let n = batch.rows();
        let mut failing = BooleanBuffer::new_unset(n);
        if let Some((cells, allowed)) = &self.licence {
            let array = cells.of(batch)?;
            let text = Text::of(array.as_ref());
            let mut known: HashMap<&str, bool> = HashMap::new();
            let bad = BooleanBuffer::collect_bool(n, |i| match text.as_ref().and_then(|t| t.get(i)) {
                Some(t) => !*known.entry(t).or_insert_with(|| allowed.admits(t)),
                None => true,
            });
            failing = &failing | &bad;
        }
        for cells in &self.consents {
            let array = cells.of(batch)?;
            let given = array.as_boolean_opt();
            let bad = BooleanBuffer::collect_bool(n, |i| !given.is_some_and(|g| g.is_valid(i) && g.value(i)));
            failing = &failing | &bad;
        }
        Ok(Marks { tested: n, undecided: 0, failing: Some(failing) })
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Dataset(DatasetRule::Licence { column, allowed, consent }) = &rule.kind else { continue };
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let named: Vec<_> = column.iter().chain(consent).map(|c| (c.value.as_str(), c.span)).collect();
        let listed = named.iter().map(|(n, _)| *n).collect::<Vec<_>>().join(", ");
        let title = rule.name.clone().unwrap_or_else(|| format!("licence: {listed}"));
        let columns = match rule_columns(ctx, &named) {
            Err(more) => {
                errors.extend(more);
                continue;
            }
            Ok(Err(why)) => {
                built.settled.push(super::not_evaluated(rule, &title, why));
                continue;
            }
            Ok(Ok(columns)) => columns,
        };
        // A column of nothing but nulls may have no type of its own.
        let licences = column.iter().count();
        let fits = |c: &Cells, i: usize| match c.kind {
            DataType::Null => true,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => i < licences,
            DataType::Boolean => i >= licences,
            _ => false,
        };
        if let Some((i, c)) = columns.iter().enumerate().find(|(i, c)| !fits(c, *i)) {
            let wants = if i < licences { "licences are texts" } else { "consents are true or false" };
            let message = format!("{wants}; `{}` is {}", c.name, types::name(&c.kind));
            errors.push(Diagnostic::new("C004", message).at(named[i].1));
            continue;
        }
        let wrong = match (column, consent.as_slice()) {
            (Some(_), []) => Wrong::having("no allowed licence"),
            (None, _) => Wrong::having("no consent"),
            (Some(_), _) => Wrong::having("no allowed licence or no consent"),
        };
        let (evidence, threshold) = (wrong.one.clone(), if allowed.is_empty() { "true".to_owned() } else { allowed.join(", ") });
        let clause = Clause::of_rule(rule, title, &columns, wrong, evidence, threshold);
        let mut columns = columns.into_iter();
        let licence = column.as_ref().and_then(|_| columns.next()).map(|c| (c, Allowed(allowed.iter().map(|a| plain(a)).collect())));
        scope.push(&mut built, RowRule { clause, test: Unlicensed { licence, consents: columns.collect() } });
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_licences_are_read() {
        let allowed = Allowed(["mit", "cc0-1.0", "apache-2.0", "gpl-2.0 with classpath-exception-2.0"].map(String::from).into());
        for good in [
            "MIT",
            " mit ",
            "MIT OR GPL-3.0",
            "(MIT)",
            "(GPL-3.0 OR CC0-1.0) AND MIT",
            "GPL-2.0 WITH  Classpath-exception-2.0",
            "MIT AND MIT OR X",
        ] {
            assert!(allowed.admits(good), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "GPL-2.0",
            "MIT OR",
            "(MIT",
            "MIT)",
            "MIT X",
            "OR",
            "X OR MIT AND Y",
            "MIT WITH",
            "WITH MIT X",
        ] {
            assert!(!allowed.admits(bad), "{bad}");
        }
        assert!(!allowed.admits(&"(".repeat(4000)));
        assert!(!allowed.admits(&format!("{}MIT", " ".repeat(LONGEST))));
    }
}
