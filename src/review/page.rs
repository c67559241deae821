//! A suspect group as a person reads it: what its rows share, what speaks for poison and what against it,
//! and rows with the place marked. Everything from the data is escaped; with redaction nothing of it shows.

use super::session::{Member, Run, Suspects};
use crate::batch::{Batch, Text, cell_text};
use crate::contract::{Role, Roles};
use crate::error::{Result, group_digits, plural};
use crate::report::escape;
use crate::report::terminal::{BOLD, DIM, RED, View, YELLOW, clip, paint};
use crate::rule::Action;
use crate::verdict::record::cut;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Characters of text on either side of a marked place.
const CONTEXT: usize = 240;
/// Characters of a cell that nothing is marked in.
const CELL: usize = 200;
/// Labels that are counted by name.
const LABELS: usize = 6;
/// Lines of a manual's section that are shown.
const MANUAL: usize = 6;

/// The key of a group, between quotes.
fn key(run: &Run, g: &Suspects, most: usize) -> String {
    match &g.group {
        None => "rows that share nothing".into(),
        Some(_) if run.redacted => "(redacted)".into(),
        Some(key) => format!("`{}`", clip(&escape::terminal(key), most)),
    }
}

fn name(code: &str) -> &'static str {
    crate::detectors::REGISTRY.iter().find(|e| e.meta.code == code).map_or("", |e| e.meta.name)
}

fn head(run: &Run, i: usize, g: &Suspects, view: View, most: usize) -> String {
    let style = if g.action == Action::Quarantine { RED } else { YELLOW };
    let rule = paint(view, style, &format!("{} {}", escape::terminal(&g.rule), name(&g.rule)));
    format!("[{}] {rule} {}", i + 1, paint(view, BOLD, &key(run, g, most)))
}

/// One line per group.
pub fn list(run: &Run, view: View) -> String {
    let mut out = String::new();
    for (i, g) in run.groups.iter().enumerate() {
        let _ = write!(out, "{}\n    {} for {}", head(run, i, g, view, 80), plural(g.members.len(), "row"), g.action.as_str());
        if let Some(word) = &g.word {
            let _ = write!(out, "; {}", escape::terminal(word));
            let open = g.members.len() as u64 - g.kept - g.removed;
            if open > 0 {
                let _ = write!(out, "; undecided: {}", group_digits(open));
            }
        }
        out.push('\n');
    }
    if run.groups.is_empty() {
        out.push_str("No detector accuses a row of this data\n");
    }
    if run.by_contract > 0 {
        let rows = plural(run.by_contract as usize, "row");
        let _ = writeln!(out, "{rows} break the contract; what it demands is changed there, not decided here");
    }
    out
}

struct Page<'a> {
    run: &'a Run,
    view: View,
    out: String,
}

impl Page<'_> {
    fn heading(&mut self, text: &str) {
        let text = paint(self.view, BOLD, text);
        let _ = writeln!(self.out, "  {text}");
    }
    /// Escaped words, wrapped.
    fn say(&mut self, text: &str) {
        let text = escape::terminal(text).into_owned();
        let width = self.view.width.clamp(40, 200) - 4;
        let mut used = 0;
        for word in text.split(' ') {
            let n = word.chars().count();
            if used > 0 && used + 1 + n > width {
                self.out.push('\n');
                used = 0;
            }
            self.out.push_str(if used == 0 { "    " } else { " " });
            self.out.push_str(word);
            used += n + usize::from(used > 0);
        }
        self.out.push('\n');
    }
}

/// Everything about one group, with at most so many of its rows.
///
/// # Errors
/// Those of reading the rows.
pub fn group(run: &Run, i: usize, roles: &Roles, examples: usize, view: View) -> Result<String> {
    let g = &run.groups[i];
    let told = g.told.as_ref();
    let mut p = Page { run, view, out: format!("{} ({} of {})\n", head(run, i, g, view, 200), i + 1, run.groups.len()) };
    let mut counts = format!("{} for {}", plural(g.members.len(), "row"), g.action.as_str());
    if let Some(t) = told {
        let number = |key: &str| t[key].as_f64();
        let with = t["rows_with_label"].as_u64().unwrap_or(0);
        if let (Some(label), Some(rows), false) = (t["label"].as_str(), t["rows"].as_u64(), run.redacted) {
            let _ = write!(counts, "; of {} that share it {} are labelled {}", group_digits(rows), group_digits(with), clip(label, 60));
        }
        let _ = write!(counts, "; probability that they do not belong {:.2}", g.score());
        if let Some(x) = number("statistic") {
            let _ = write!(counts, ", statistic {x:.3}");
        }
        if let Some(q) = number("q_value") {
            let _ = write!(counts, ", q {q:.1e}");
        }
    }
    p.say(&counts);
    if let Some(word) = &g.word {
        p.say(&format!("decided: {word}"));
    }

    p.heading("Why it is suspect");
    let message = told.and_then(|t| t["message"].as_str()).unwrap_or(&g.message);
    p.say(if run.redacted { "(redacted)" } else { message });
    let reasons = told.and_then(|t| t["reasons"].as_array()).into_iter().flatten().filter_map(|r| r.as_str());
    for reason in reasons.filter(|_| !run.redacted) {
        p.say(&format!("- {reason}"));
    }

    let manual = crate::detectors::REGISTRY.iter().find(|e| e.meta.code == g.rule).map_or("", |e| e.meta.explain);
    let innocent = section(manual, "false alarm");
    if !innocent.is_empty() {
        p.heading("Why it may be honest all the same");
        p.say(first_sentences(&innocent, MANUAL * view.width.clamp(40, 200)));
    }
    rows(&mut p, g, roles, examples)?;
    Ok(p.out)
}

/// The first paragraph of a manual page below a heading that holds some words, or after bold type that does.
fn section(manual: &str, words: &str) -> String {
    let mut bold = manual.split("\n\n").filter_map(|p| p.strip_prefix("**")?.split_once("**"));
    if let Some((_, text)) = bold.find(|(head, _)| head.to_lowercase().contains(words)) {
        return text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    let lines = manual.lines().skip_while(|l| !(l.starts_with('#') && l.to_lowercase().contains(words))).skip(1);
    let text: Vec<&str> = lines.skip_while(|l| l.trim().is_empty()).take_while(|l| !l.trim().is_empty() && !l.starts_with('#')).collect();
    text.join(" ")
}

/// Whole sentences of at most so many bytes together, at least one.
fn first_sentences(text: &str, most: usize) -> &str {
    let ends = text.match_indices(". ").map(|(i, _)| i + 1).chain([text.len()]);
    let mut end = None;
    for at in ends {
        if at <= most || end.is_none() {
            end = Some(at);
        }
    }
    &text[..end.unwrap_or(text.len())]
}

fn rows(p: &mut Page<'_>, g: &Suspects, roles: &Roles, examples: usize) -> Result<()> {
    let run = p.run;
    let sample = Run::sample(g, examples);
    let label = roles.first(Role::Label).map(str::to_owned);
    // What a person needs beside the marked place.
    let beside = [Role::Id, Role::Label, Role::Prompt, Role::Response, Role::Chosen, Role::Source, Role::Text];
    let mut shown: Vec<String> = beside.into_iter().filter_map(|r| roles.first(r)).map(str::to_owned).collect();
    let marked = |m: &Member| m.column.and_then(|c| run.columns.get(c as usize));
    for column in sample.iter().filter_map(marked) {
        if !shown.contains(column) {
            shown.insert(0, column.clone());
        }
    }
    shown.retain(|c| run.source.schema.index_of(c).is_ok());
    if shown.is_empty() {
        shown = run.source.schema.fields().iter().take(4).map(|f| f.name().clone()).collect();
    }
    if let Some(label) = label.as_ref().filter(|l| !run.redacted && run.source.schema.index_of(l).is_ok()) {
        let (mut labels, mut rows): (BTreeMap<String, u64>, Vec<_>) = (BTreeMap::new(), g.members.iter().map(|m| m.row).collect());
        rows.dedup();
        run.read(&rows, std::slice::from_ref(label), &mut |batch| {
            let Some(column) = batch.column(label) else { return Ok(()) };
            for i in 0..batch.rows() {
                let text = cell_text(column.as_ref(), i).map_or_else(|| "null".to_owned(), |t| clip(&t, 40));
                // Of a column that is no class, the first few say enough.
                if labels.len() < 1000 || labels.contains_key(&text) {
                    *labels.entry(text).or_default() += 1;
                }
            }
            Ok(())
        })?;
        let mut labels: Vec<(String, u64)> = labels.into_iter().collect();
        labels.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let more = if labels.len() > LABELS { format!(", and {} more", labels.len() - LABELS) } else { String::new() };
        let named: Vec<String> = labels.iter().take(LABELS).map(|(l, n)| format!("{l} {}", group_digits(*n))).collect();
        p.heading("Labels of its rows");
        p.say(&format!("{}{more}", named.join(", ")));
    }
    p.heading(&format!("{} of its {}", group_digits(sample.len() as u64), plural(g.members.len(), "row")));
    let ids: Vec<_> = sample.iter().map(|m| m.row).collect();
    let mut at = 0;
    let mut text = String::new();
    run.read(&ids, &shown, &mut |batch| {
        for i in 0..batch.rows() {
            let Some(member) = sample.get(at) else { return Ok(()) };
            at += 1;
            one(run, member, marked(member), &batch, i, &shown, p.view, &mut text);
        }
        Ok(())
    })?;
    p.out.push_str(&text);
    Ok(())
}

#[allow(clippy::too_many_arguments, reason = "one row of one page")]
fn one(run: &Run, m: &Member, marked: Option<&String>, batch: &Batch, i: usize, shown: &[String], view: View, out: &mut String) {
    let file = run.source.files.get(m.row.source as usize).map_or("?", |f| f.relative.as_str());
    let place = format!("{} row {}", escape::terminal(file), group_digits(m.row.row));
    let _ = writeln!(out, "    {}", paint(view, DIM, &place));
    if run.redacted {
        return;
    }
    for name in shown {
        let Some(array) = batch.column(name) else { continue };
        let text = match Text::of(array.as_ref()) {
            Some(text) => text.get(i).map(|t| cut_at(name, t, m, marked)),
            None if array.data_type().is_binary() => crate::verdict::record::bytes_of(array.as_ref(), i)
                .map(|b| (crate::verdict::record::about_bytes(b), String::new(), String::new())),
            None => cell_text(array.as_ref(), i).map(|t| cut_at(name, &t, m, marked)),
        };
        let Some((before, middle, after)) = text else { continue };
        let middle = if middle.is_empty() { String::new() } else { paint(view, RED, &format!("«{}»", escape::terminal(&middle))) };
        let _ = writeln!(out, "      {}: {}{middle}{}", escape::terminal(name), escape::terminal(&before), escape::terminal(&after));
    }
}

/// Text before, in and after the marked place; the beginning of a cell that has none.
fn cut_at(name: &str, text: &str, m: &Member, marked: Option<&String>) -> (String, String, String) {
    if marked.is_some_and(|c| c == name) && m.start < m.end {
        let x = cut(name, text, m.start, m.end, CONTEXT);
        return (x.before, x.marked, x.after);
    }
    (clip(text, CELL), String::new(), String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_says_what_raises_false_alarms() {
        let manual = "# What it finds\n\nThings.\n\n# What raises false alarms\n\nHonest\nhabits.\n\nMore.\n\n# Papers\n";
        assert_eq!(section(manual, "false alarm"), "Honest habits.");
        assert_eq!(section("# What it finds\n", "false alarm"), "");
        assert_eq!(section("Text.\n\n**What raises false alarms.** Old\nhabits.\n\nMore.", "false alarm"), "Old habits.");
    }

    #[test]
    fn sentences_are_shown_whole() {
        assert_eq!(first_sentences("One. Two. Three.", 9), "One. Two.");
        assert_eq!(first_sentences("One long sentence. Two.", 3), "One long sentence.");
        assert_eq!(first_sentences("No end", 3), "No end");
    }

    #[test]
    fn every_detector_says_what_raises_false_alarms() {
        for e in crate::detectors::REGISTRY {
            assert!(!section(e.meta.explain, "false alarm").is_empty(), "{}", e.meta.code);
        }
    }
}
