//! Text of unknown origin made harmless where it is shown: on a terminal, in a spreadsheet.

use std::borrow::Cow;
use std::fmt::Write;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// Text as a terminal may show it: control, format (zero width, bidirectional), private and
/// unassigned characters, odd spaces and line breaks become `<U+200B>`; the usual three escapes stay
/// short. Everything else is left as it is.
pub fn terminal(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_hidden(c) => {
                let _ = write!(out, "<U+{:04X}>", u32::from(c));
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// Whether a reader would not see this character, or see it do something.
fn is_hidden(c: char) -> bool {
    if c == ' ' || c.is_ascii_graphic() {
        return false;
    }
    matches!(
        c.general_category(),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::SpaceSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
    ) || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{34f}')
}

/// A spreadsheet runs a cell that begins like a formula; an apostrophe in front keeps it text.
pub fn neutralise_formula(cell: &str) -> Cow<'_, str> {
    match cell.as_bytes().first() {
        Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r') => Cow::Owned(format!("'{cell}")),
        _ => Cow::Borrowed(cell),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_cannot_see_is_spelt_out() {
        assert_eq!(terminal("plain text"), "plain text");
        assert_eq!(terminal("a\u{1b}[31mb"), "a<U+001B>[31mb");
        assert_eq!(terminal("zero\u{200b}width"), "zero<U+200B>width");
        assert_eq!(terminal("\u{202e}rtl \u{2066}x"), "<U+202E>rtl <U+2066>x");
        assert_eq!(terminal("\u{e0041}\u{feff}\u{a0}\u{3164}"), "<U+E0041><U+FEFF><U+00A0><U+3164>");
        assert_eq!(terminal("line\nnext\ttab\r\u{85}"), "line\\nnext\\ttab\\r<U+0085>");
        assert_eq!(terminal("\u{7f}\u{9b}"), "<U+007F><U+009B>");
    }

    #[test]
    fn letters_of_every_script_stay() {
        for text in ["naïve", "日本語", "поezd", "नमस्ते", "😀", "e\u{301}"] {
            assert_eq!(terminal(text), text);
        }
    }

    #[test]
    fn cells_that_start_like_a_formula_get_an_apostrophe() {
        for cell in ["=1+1", "+1", "-1", "@x", "\tx", "\rx"] {
            assert_eq!(neutralise_formula(cell), format!("'{cell}"));
        }
        for cell in ["", "1-1", "a=b", " =x"] {
            assert_eq!(neutralise_formula(cell), cell);
        }
    }
}
