//! C109: a text that its pattern is not found in.

use super::cells::{Cells, each_value, misfit};
use super::dfa::Table;
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use crate::batch::{Batch, Text};
use crate::contract::types;
use crate::error::{Diagnostic, Error, Result};
use crate::rule::{Built, Context, Entry, Meta};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;
use regex::Regex;

pub const META: Meta = Meta {
    code: "C109",
    name: "pattern-mismatch",
    summary: "The column's pattern is found in every text.",
    ids: &[],
    explain: "\
A row fails when the regular expression under `pattern` is not found in its text. It is searched, not matched as a whole: anchor
it with `^` and `$` to ask for that.

**Why it hurts a model.** Broken identifiers, e-mail fields that hold names, and numbers with the wrong decimal sign are the
marks of a column that moved, and every join on them drops rows in silence.

**How it is computed.** Nulls are skipped; the empty string is searched. The engine is linear in the text whatever the pattern,
so a hostile contract cannot stall a run; look-around and back-references, which need backtracking, are refused. Patterns know
Unicode: `\\w` matches letters of every script.

**Example.** `email: {pattern: '^[^@\\s]+@[^@\\s]+$'}` fails for `nobody`.

**What fools it.** A pattern without anchors: `[0-9]+` is found in `abc1`.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct PatternMismatch {
    cells: Cells,
    pattern: Regex,
    /// The same pattern for short texts, where it has few states.
    table: Option<Table>,
}

/// A compiled pattern may take this much memory.
const SIZE_LIMIT: usize = 1 << 20;

/// Verdicts remembered per batch, by the text's view. Columns repeat their values, and a view (16
/// bytes) is cheaper to compare than a text to search.
const MEMO: usize = 1024;

/// Bytes up to which a table look per byte costs less than a search, which skips ahead in a long
/// text but borrows scratch memory first.
const SHORT: usize = 64;

impl PatternMismatch {
    fn fails(&self, array: &ArrayRef) -> Result<BooleanBuffer> {
        // A clone owns its scratch memory; threads would queue for that of a shared one.
        let search = std::cell::OnceCell::new();
        let slow = |text: &str| !search.get_or_init(|| self.pattern.clone()).is_match(text);
        let fails = |text: &str| match &self.table {
            Some(table) if text.len() <= SHORT => table.is_match(text.as_bytes()).map_or_else(|| slow(text), |found| !found),
            _ => slow(text),
        };
        let Some(a) = array.as_string_view_opt() else {
            let text = Text::of(array.as_ref()).ok_or_else(|| Error::internal(format!("a pattern over {}", array.data_type())))?;
            return Ok(BooleanBuffer::collect_bool(array.len(), |i| text.get(i).is_some_and(fails)));
        };
        let views = a.views();
        // Slot: view and verdict. Equal views of one array are equal texts; view 0 is the empty one.
        let mut memo: Vec<(u128, bool)> = Vec::new();
        let mut remembered = |i: usize| {
            if memo.is_empty() {
                memo = vec![(0, fails("")); MEMO];
            }
            let view = views[i];
            let folded = (view as u64 ^ (view >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let slot = &mut memo[(folded >> 54) as usize];
            if slot.0 != view {
                *slot = (view, a.is_valid(i) && fails(a.value(i)));
            }
            slot.1
        };
        Ok(match &self.table {
            Some(table) => BooleanBuffer::collect_bool(array.len(), |i| {
                // Texts of up to 12 bytes lie in the view itself, behind their length.
                let view = views[i];
                let length = view as u32 as usize;
                let text = view.to_le_bytes();
                let known = text.get(4..4 + length).and_then(|text| table.is_match(text));
                known.map_or_else(|| remembered(i), |found| !found)
            }),
            None => BooleanBuffer::collect_bool(array.len(), remembered),
        })
    }
}

impl Test for PatternMismatch {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        self.cells.test(batch, &mut |a| self.fails(a))
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for (spec, cells, pattern) in each_value(ctx, &mut built, "pattern", |s| s.pattern.as_ref()) {
        if !matches!(cells.kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
            let message = format!("pattern needs a column of text; `{}` is {}", cells.name, types::name(&cells.kind));
            misfit(spec, &cells, "pattern", Diagnostic::new("C109", message).at(pattern.span), &mut built, &mut errors);
            continue;
        }
        let regex = match regex::RegexBuilder::new(&pattern.value).size_limit(SIZE_LIMIT).build() {
            Ok(regex) => regex,
            Err(e) => {
                errors.push(Diagnostic::new("C109", format!("pattern of column `{}`: {e}", cells.name)).at(pattern.span));
                continue;
            }
        };
        let written = format!("`{}`", pattern.value);
        let clause = Clause {
            title: format!("{}: pattern {written}", cells.name),
            span: pattern.span,
            severity: spec.severity,
            tolerance: spec.tolerance.as_ref().map(|t| t.value.clone()),
            about: vec![cells.name.clone()],
            reads: cells.reads(),
            wrong: Wrong::not_doing(&format!("match {written}")),
            evidence: format!("does not match {written}"),
            threshold: written,
        };
        built.rules.push(Box::new(RowRule { clause, test: PatternMismatch { cells, pattern: regex, table: Table::of(&pattern.value) } }));
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
