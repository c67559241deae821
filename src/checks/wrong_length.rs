//! C108: a text is too short or too long.

use super::cells::{Cells, each_value, misfit};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use crate::batch::Batch;
use crate::contract::{Length, LengthUnit, types};
use crate::error::{Diagnostic, Error, Result};
use crate::rule::{Built, Context, Entry, Meta};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;
use unicode_segmentation::UnicodeSegmentation;

pub const META: Meta = Meta {
    code: "C108",
    name: "wrong-length",
    summary: "Every text of a column is between min and max long.",
    ids: &[],
    explain: "\
A row fails when its text is shorter than `min` or longer than `max`: in characters (Unicode code points), with
`unit: graphemes` in what a reader sees as one character, with `unit: bytes` in bytes of UTF-8 (for binary columns, bytes).

**Why it hurts a model.** An empty text carries a label and nothing to learn it from; a text of a million characters is a page
that failed to split, and one batch of them stops the training job.

**How it is computed.** Nulls are skipped; the empty string is a value of length 0. Where the number of bytes alone decides,
nothing is decoded.

**Example.** `text: {length: {min: 1, max: 5000}}` fails for an empty text.

**What fools it.** Blanks and invisible characters count. `pattern: '\\S'` asks for something visible.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct WrongLength {
    cells: Cells,
    min: u64,
    max: u64,
    unit: LengthUnit,
}

/// Bytes of UTF-8 in one code point, at most.
const WIDEST: u64 = 4;

/// A view holds so short a text itself, after four bytes for its length, and zeros behind it.
const INLINE: u32 = 12;

/// Characters of a text that its view holds: all bytes but those that continue a character.
fn inline_chars(view: u128) -> u64 {
    const LOW: u128 = u128::from_ne_bytes([1; 16]);
    let text = view >> 32;
    let continuing = (text >> 7) & !(text >> 6) & LOW;
    u64::from((view as u32).wrapping_sub(continuing.count_ones()))
}

impl WrongLength {
    /// What a byte length says by itself: `Some(failing)`, or `None` when the text must be read.
    fn by_bytes(&self, bytes: u64) -> Option<bool> {
        match self.unit {
            LengthUnit::Bytes => Some(bytes < self.min || bytes > self.max),
            // A text of n bytes has between n/4 and n characters.
            LengthUnit::Chars if bytes < self.min || bytes.div_ceil(WIDEST) > self.max => Some(true),
            LengthUnit::Chars if bytes <= self.max && bytes.div_ceil(WIDEST) >= self.min => Some(false),
            // A grapheme may be any number of bytes long, and is at least one.
            LengthUnit::Graphemes if bytes < self.min => Some(true),
            LengthUnit::Graphemes if bytes <= self.max && (self.min == 0 || (self.min == 1 && bytes > 0)) => Some(false),
            _ => None,
        }
    }
    fn by_text(&self, text: &str) -> bool {
        let n = match self.unit {
            LengthUnit::Bytes => text.len(),
            LengthUnit::Chars => text.chars().count(),
            LengthUnit::Graphemes => text.graphemes(true).count(),
        } as u64;
        self.misses(n)
    }
    fn misses(&self, length: u64) -> bool {
        (length < self.min) | (length > self.max)
    }
    fn fails(&self, array: &ArrayRef) -> Result<BooleanBuffer> {
        let n = array.len();
        macro_rules! plain {
            ($a:expr) => {{
                let (a, offsets) = ($a, $a.value_offsets());
                BooleanBuffer::collect_bool(n, |i| {
                    let bytes = (offsets[i + 1] - offsets[i]) as u64;
                    self.by_bytes(bytes).unwrap_or_else(|| self.by_text(a.value(i)))
                })
            }};
        }
        macro_rules! view {
            ($a:expr, $text:expr) => {{
                let (a, views) = ($a, $a.views());
                BooleanBuffer::collect_bool(n, |i| {
                    let bytes = views[i] as u32;
                    match self.unit {
                        LengthUnit::Chars if bytes <= INLINE => self.misses(inline_chars(views[i])),
                        _ => self.by_bytes(bytes.into()).unwrap_or_else(|| a.is_valid(i) && $text(a.value(i))),
                    }
                })
            }};
        }
        let bytes_only = |_: &[u8]| false;
        Ok(match array.data_type() {
            DataType::Utf8 => plain!(array.as_string::<i32>()),
            DataType::LargeUtf8 => plain!(array.as_string::<i64>()),
            DataType::Utf8View => view!(array.as_string_view(), |t: &str| self.by_text(t)),
            DataType::BinaryView => view!(array.as_binary_view(), bytes_only),
            DataType::Binary => {
                let offsets = array.as_binary::<i32>().value_offsets();
                BooleanBuffer::collect_bool(n, |i| self.by_bytes((offsets[i + 1] - offsets[i]) as u64) == Some(true))
            }
            DataType::LargeBinary => {
                let offsets = array.as_binary::<i64>().value_offsets();
                BooleanBuffer::collect_bool(n, |i| self.by_bytes((offsets[i + 1] - offsets[i]) as u64) == Some(true))
            }
            other => return Err(Error::internal(format!("a length of {other}"))),
        })
    }
}

impl Test for WrongLength {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        self.cells.test(batch, &mut |a| self.fails(a))
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for (spec, cells, length) in each_value(ctx, &mut built, "length", |s| s.length.as_ref()) {
        let Length { min, max, unit } = length.value;
        let text = matches!(cells.kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let binary = matches!(cells.kind, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
        if !(text || binary && unit == LengthUnit::Bytes) {
            let message = format!("length needs a column of text; `{}` is {}", cells.name, types::name(&cells.kind));
            let mut d = Diagnostic::new("C108", message).at(length.span);
            if binary {
                d = d.help("for bytes write `length: {..., unit: bytes}`");
            }
            misfit(spec, &cells, "length", d, &mut built, &mut errors);
            continue;
        }
        let noun = match unit {
            LengthUnit::Chars => "characters",
            LengthUnit::Graphemes => "graphemes",
            LengthUnit::Bytes => "bytes",
        };
        let written = match (min, max) {
            (Some(a), Some(b)) => format!("{a}..{b} {noun}"),
            (Some(a), None) => format!("{a}.. {noun}"),
            (None, Some(b)) => format!("..{b} {noun}"),
            (None, None) => format!("any number of {noun}"),
        };
        let clause = Clause {
            title: format!("{}: length {written}", cells.name),
            span: length.span,
            severity: spec.severity,
            tolerance: spec.tolerance.as_ref().map(|t| t.value.clone()),
            about: vec![cells.name.clone()],
            reads: cells.reads(),
            wrong: Wrong::having(&format!("a length outside {written}")),
            evidence: format!("length outside {written}"),
            threshold: written,
        };
        let test = WrongLength { cells, min: min.unwrap_or(0), max: max.unwrap_or(u64::MAX), unit };
        built.rules.push(Box::new(RowRule { clause, test }));
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_inside_a_view() {
        for text in ["", "a", "zwölf", "日本語", "👍👍👍", "abcdefghijkl", "é\u{0}é"] {
            let array = arrow::array::StringViewArray::from(vec![text]);
            assert_eq!(inline_chars(array.views()[0]), text.chars().count() as u64, "{text:?}");
        }
    }
}
