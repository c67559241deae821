//! Draws a diagnostic under its line of the contract. The contract is untrusted, so its line, and
//! every message that quotes it, is escaped before anything is drawn.

use crate::error::{ContractError, Diagnostic};
use crate::report::escape;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use std::path::Path;

/// More are counted, not drawn.
const SHOWN: usize = 50;
/// Characters of a line that are drawn around its span.
const LINE: usize = 160;

/// All errors of a contract, in the order of its lines, and how many there are.
pub fn render(error: &ContractError, color: bool) -> String {
    let path = error.path.display().to_string();
    let mut out: Vec<String> = error.diagnostics.iter().take(SHOWN).map(|d| draw(d, &path, &error.text, Level::ERROR, color)).collect();
    let n = error.diagnostics.len();
    let more = if n > SHOWN { format!(", {} of them not shown", n - SHOWN) } else { String::new() };
    let total = format!("{} in {}{more}; nothing was checked", crate::error::plural(n, "error"), escape::terminal(&path));
    out.push(total);
    out.join("\n\n")
}

/// One warning about a contract.
pub fn warning(d: &Diagnostic, path: Option<&Path>, text: &str, color: bool) -> String {
    let path = path.map_or_else(|| "<contract>".to_owned(), |p| p.display().to_string());
    draw(d, &path, text, Level::WARNING, color)
}

fn draw(d: &Diagnostic, path: &str, text: &str, level: Level<'_>, color: bool) -> String {
    let message = escape::terminal(&d.message).into_owned();
    let path = escape::terminal(path).into_owned();
    let label = d.label.as_deref().map(|l| escape::terminal(l).into_owned());
    let help = d.help.as_deref().map(|h| h.lines().map(escape::terminal).collect::<Vec<_>>().join("\n"));
    let place = d.span.and_then(|s| Place::of(text, s.offset, s.len).map(|p| (s.line as usize, p)));
    let mut group =
        level.primary_title(&*message).id(d.code).elements(std::iter::empty::<Snippet<'_, annotate_snippets::Annotation<'_>>>());
    if let Some((line, place)) = &place {
        let annotation = AnnotationKind::Primary.span(place.span.clone()).label(label.as_deref());
        group = group.element(Snippet::source(&*place.line).path(&*path).line_start(*line).annotation(annotation));
    } else {
        group = group.element(annotate_snippets::Origin::path(&*path));
    }
    if let Some(help) = &help {
        group = group.element(Level::HELP.message(&**help));
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// A line of the contract, escaped and cut to a width, and the span in it.
struct Place {
    line: String,
    span: std::ops::Range<usize>,
}

impl Place {
    fn of(text: &str, offset: usize, len: usize) -> Option<Place> {
        let boundary = |i: usize| (0..=i.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
        let start = boundary(offset);
        let from = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line = text[from..].lines().next().unwrap_or("");
        let at = (start - from).min(line.len());
        let to = boundary(start.saturating_add(len)).saturating_sub(from).clamp(at, line.len());
        // A line of a megabyte helps nobody.
        let skip = line[..at].char_indices().rev().nth(LINE / 2).map_or(0, |(i, _)| i);
        let keep = line[to..].char_indices().nth(LINE / 2).map_or(line.len(), |(i, _)| to + i);
        let to = line[at..to].char_indices().nth(LINE).map_or(to, |(i, _)| at + i);
        let before = escape::terminal(&line[skip..at]);
        let marked = escape::terminal(&line[at..to]);
        let after = escape::terminal(if to < keep { &line[to..keep] } else { "" });
        // An empty span points at the character behind it.
        let pointed = if marked.is_empty() { after.chars().next().map_or(0, char::len_utf8) } else { marked.len() };
        Some(Place { span: before.len()..before.len() + pointed, line: format!("{before}{marked}{after}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(text: &str) -> String {
        let crate::error::Error::Contract(e) = crate::contract::parse::parse(Some(Path::new("a.yaml")), text).unwrap_err() else {
            panic!("a contract error")
        };
        render(&e, false)
    }

    #[test]
    fn an_empty_span_before_a_wide_character_is_drawn() {
        for wide in ["é", "\u{fffd}", "😀"] {
            let text = format!("{wide}taster: 1\n");
            let empty = Diagnostic::new("C001", "here").at(crate::error::Span { line: 1, ..Default::default() });
            assert!(warning(&empty, None, &text, false).contains(&text.trim().to_owned()), "{wide}");
            assert!(drawn(&format!("\u{feff}{wide}taster: 1\nname: x\n")).contains("taster: 1"), "{wide}");
        }
    }

    #[test]
    fn an_error_names_its_code_place_and_remedy() {
        let out = drawn("taster: 1\ncolumns:\n  label: {tpye: string}\n");
        for part in ["error[C003]", "a.yaml:3:", "label: {tpye: string}", "^^^^", "did you mean", "1 error in a.yaml"] {
            assert!(out.contains(part), "{part} is missing in\n{out}");
        }
    }

    #[test]
    fn what_the_contract_quotes_cannot_move_the_cursor() {
        let out = drawn("taster: 1\nna\u{202e}me: \u{1b}[2Jx\ncolumns: {\"a\\e[2J\": {tpye: string}}\n");
        assert!(!out.contains('\u{1b}') && !out.contains('\u{202e}'), "{out}");
    }

    #[test]
    fn a_span_at_the_very_end_or_beyond_is_drawn() {
        for (offset, len) in [(9, 0), (9, 100), (1000, 5), (3, 1000)] {
            let span = crate::error::Span { line: 1, column: 1, offset, len };
            let d = Diagnostic::new("C001", "x").at(span);
            assert!(warning(&d, None, "taster: 1", false).contains("warning[C001]"));
        }
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let text = format!("taster: 1\n{}: 1\n", "é".repeat(100_000));
        assert!(drawn(&text).len() < 4000);
    }
}
