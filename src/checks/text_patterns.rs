//! C115: a text that breaks a list of patterns.

use super::cells::{Cells, each_value};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use super::texts;
use crate::batch::Batch;
use crate::contract::clauses::{ColumnClause, Quantifier};
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta};
use regex::Regex;

pub const META: Meta = Meta {
    code: "C115",
    name: "text-patterns",
    summary: "Every text matches any, all or none of several patterns, or an SQL LIKE.",
    ids: &[],
    explain: "\
`patterns: {any: [...]}` fails for a text in which none of the regular expressions is found, `patterns: {all: [...]}` for one in
which some is not found, `not_pattern` for one in which any is found. `like` and `not_like` do the same by SQL patterns, of which
one, or none, must match the whole text.

**Why it hurts a model.** Markup that was not stripped, boilerplate of one supplier and leaked instructions are found by the
patterns that no text should have; identifiers of several generations by the patterns of which each text has one.

**How it is computed.** Nulls are skipped; the empty text is searched. Regular expressions are searched, not matched as a whole,
know Unicode and take time linear in the text; look-around and back-references are refused. In `like`, `%` stands for any run of
characters, `_` for one, and a backslash before either for itself; letters count as they are written, and nothing else is
special: `[a]%` begins with a bracket.

**Example.** `body: {not_pattern: ['<[a-z]+>', 'lorem ipsum']}` fails for `a <b>bold</b> claim`.

**What fools it.** A spelling that the list does not know: look-alike letters, invisible characters. Detectors search for these.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

/// Compiled patterns may take this much memory each.
const SIZE_LIMIT: usize = 1 << 20;

struct TextPatterns {
    cells: Cells,
    quantifier: Quantifier,
    patterns: Vec<Regex>,
}

impl Test for TextPatterns {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        let p = &self.patterns;
        match self.quantifier {
            Quantifier::Any => texts::test(&self.cells, batch, &|t| p.iter().any(|p| p.is_match(t))),
            Quantifier::All => texts::test(&self.cells, batch, &|t| p.iter().all(|p| p.is_match(t))),
            Quantifier::None => texts::test(&self.cells, batch, &|t| !p.iter().any(|p| p.is_match(t))),
        }
    }
}

/// An SQL pattern as a regular expression over the whole text.
pub fn like(pattern: &str) -> String {
    let mut out = String::from("(?s)^");
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '\\' => {
                let literal = chars.next_if(|n| matches!(n, '%' | '_' | '\\')).unwrap_or('\\');
                out.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4])));
            }
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push('$');
    out
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for key in ["patterns", "not_pattern", "like", "not_like"] {
        for (spec, cells, at) in each_value(ctx, &mut built, key, |s| s.clause(key)) {
            if !texts::must_be_text(spec, &cells, key, META.code, at.span, &mut built, &mut errors) {
                continue;
            }
            let (quantifier, written, sources) = match &at.value {
                ColumnClause::Patterns(q, list) => {
                    let texts: Vec<String> = list.iter().map(|p| p.value.clone()).collect();
                    (*q, texts.clone(), texts)
                }
                ColumnClause::Like(q, list) => (*q, list.clone(), list.iter().map(|l| like(l)).collect()),
                _ => continue,
            };
            let compiled: std::result::Result<Vec<Regex>, _> =
                sources.iter().map(|s| regex::RegexBuilder::new(s).size_limit(SIZE_LIMIT).build()).collect();
            let patterns = match compiled {
                Ok(patterns) => patterns,
                Err(e) => {
                    errors.push(Diagnostic::new(META.code, format!("{key} of column `{}`: {e}", cells.name)).at(at.span));
                    continue;
                }
            };
            let listed = super::cells::listing(&written.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>());
            let wrong = match (quantifier, written.len()) {
                (Quantifier::Any, 1) => Wrong::not_doing(&format!("match {listed}")),
                (Quantifier::Any, _) => Wrong { one: format!("matches none of {listed}"), many: format!("match none of {listed}") },
                (Quantifier::All, _) => Wrong::not_doing(&format!("match all of {listed}")),
                (Quantifier::None, _) => Wrong { one: format!("matches {listed}"), many: format!("match {listed}") },
            };
            let evidence = wrong.one.clone();
            let clause = Clause::of_column(spec, &cells, at.span, &format!("{key} {listed}"), wrong, evidence);
            built.rules.push(Box::new(RowRule { clause, test: TextPatterns { cells, quantifier, patterns } }));
        }
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
