//! The summary on the terminal, for a tired person: the verdict first, then what is wrong and where
//! the contract says so, then suspect groups with their evidence, what could not be seen, and what
//! to do next. A pure function to a string; text from the data is escaped, colour is optional.
//!
//! With `-q` only [`verdict_line`] is printed: a quiet run still answers the question it was asked.

use super::Facts;
use super::escape;
use crate::contract::decisions::is_hidden;
use crate::error::{group_digits, plural};
use crate::review::decided;
use crate::rule::{Action, Group, Severity, Status};
use crate::verdict::record::Example;
use crate::verdict::{Overall, RuleResult, Verdict, ignores};
use anstyle::{AnsiColor, Style};
use std::fmt::Write;

/// More findings of a kind than this are counted, not printed; the report has them all.
const SHOWN: usize = 20;
const SHOWN_REVIEW: usize = 5;
const SHOWN_FLOORS: usize = 12;

#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Columns of the terminal; 100 where it is not known.
    pub width: usize,
    pub color: bool,
}

impl Default for View {
    fn default() -> Self {
        View { width: 100, color: false }
    }
}

pub(crate) const RED: Style = AnsiColor::Red.on_default().bold();
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();

struct Page<'a> {
    out: String,
    view: View,
    facts: &'a Facts,
}

/// One line: the verdict and why.
pub fn verdict_line(verdict: &Verdict, view: View) -> String {
    let (word, style) = match verdict.overall {
        Overall::Pass => ("PASS", GREEN),
        Overall::Fail => ("FAIL", RED),
        Overall::Warnings => ("PASS WITH WARNINGS", YELLOW),
        Overall::NothingChecked => ("NOTHING CHECKED", YELLOW),
    };
    format!("{}: {}\n", paint(view, style, word), why(verdict))
}

fn why(v: &Verdict) -> String {
    if v.overall == Overall::NothingChecked {
        return if v.rows == 0 { "the data has no rows".into() } else { "no rule applied to this data".into() };
    }
    let failing = |r: &&RuleResult| r.is_contract() && r.level.is_some() && r.outcome.status == Status::Fail;
    let groups =
        |a: Action| v.rules.iter().filter(|r| r.ignored.is_none()).flat_map(|r| &r.outcome.groups).filter(|g| g.action == a).count() as u64;
    let mut parts = Vec::new();
    let mut say = |n: u64, one: &str, many: &str| {
        if n > 0 {
            parts.push(format!("{} {}", group_digits(n), if n == 1 { one } else { many }));
        }
    };
    say(v.rules.iter().filter(failing).count() as u64, "broken contract rule", "broken contract rules");
    say(v.not_evaluated as u64, "rule not evaluated", "rules not evaluated");
    say(groups(Action::Quarantine), "suspect group", "suspect groups");
    say(groups(Action::Review), "group to review", "groups to review");
    say(v.missed_floors.len() as u64 + u64::from(v.floor_unknown), "missed floor", "missed floors");
    say(v.rows_quarantine, "row to quarantine", "rows to quarantine");
    say(v.rows_review, "row to review", "rows to review");
    say(
        v.ignores.iter().filter(|u| u.is_warning()).count() as u64,
        "`ignore` entry that hides nothing",
        "`ignore` entries that hide nothing",
    );
    say(v.contract_warnings as u64, "warning about the contract", "warnings about the contract");
    if parts.is_empty() {
        parts.push("nothing found".into());
    }
    format!("{} (of {})", parts.join(", "), plural(v.rows as usize, "row"))
}

/// The whole summary.
pub fn summary(verdict: &Verdict, facts: &Facts, view: View) -> String {
    let mut p = Page { out: verdict_line(verdict, view), view: View { width: view.width.clamp(40, 200), ..view }, facts };
    let total = verdict.evaluated + verdict.not_evaluated;
    let mut counts = format!("{}: {} evaluated, {} not", plural(total, "rule"), verdict.evaluated, verdict.not_evaluated);
    if !verdict.not_tested.is_empty() {
        let _ = write!(counts, "; {} not tested", verdict.not_tested.len());
    }
    if let Some(path) = facts.contract.as_ref().and_then(|c| c.path.as_ref()) {
        let _ = write!(counts, "; contract {}", escape::terminal(&path.display().to_string()));
    }
    p.wrapped(0, &counts);
    facts.notes.iter().for_each(|n| p.wrapped(0, &escape::terminal(n)));
    if verdict.exit != verdict.ordinary_exit {
        p.wrapped(
            0,
            &format!("exit code {} because of --fail-on; an ordinary run would exit with {}", verdict.exit, verdict.ordinary_exit),
        );
    }
    p.contract(verdict);
    p.groups(verdict);
    p.floors(verdict);
    p.not_tested(verdict);
    p.ignores(verdict);
    p.decisions(verdict);
    p.contract_warnings();
    p.files();
    p.next(verdict);
    p.out
}

pub(crate) fn paint(view: View, style: Style, text: &str) -> String {
    if view.color { format!("{}{text}{}", style.render(), style.render_reset()) } else { text.to_owned() }
}

fn level_style(level: Option<Severity>) -> (&'static str, Style) {
    match level {
        Some(Severity::Error) => ("error", RED),
        Some(Severity::Warning) => ("warning", YELLOW),
        None => ("note", DIM),
    }
}

impl Page<'_> {
    fn heading(&mut self, text: &str) {
        let text = paint(self.view, BOLD, text);
        let _ = writeln!(self.out, "\n{text}");
    }

    /// Words wrapped at the width; a word that is longer stands alone.
    fn wrapped(&mut self, indent: usize, text: &str) {
        let mut used = 0;
        for word in text.split(' ') {
            let n = word.chars().count();
            if used > 0 && indent + used + 1 + n > self.view.width {
                self.out.push('\n');
                used = 0;
            }
            if used == 0 {
                self.out.extend(std::iter::repeat_n(' ', indent));
            } else {
                self.out.push(' ');
                used += 1;
            }
            self.out.push_str(word);
            used += n;
        }
        self.out.push('\n');
    }

    fn more(&mut self, hidden: usize, what: &str) {
        if hidden > 0 {
            self.wrapped(2, &format!("... and {} more {what}; report.json has them all", group_digits(hidden as u64)));
        }
    }

    fn contract(&mut self, v: &Verdict) {
        let said: Vec<&RuleResult> =
            v.rules.iter().filter(|r| r.level.is_some() && (r.is_contract() || r.outcome.groups.is_empty())).collect();
        if said.is_empty() {
            return;
        }
        self.heading("Broken rules");
        for r in said.iter().take(SHOWN) {
            let (word, style) = level_style(r.level);
            let head = paint(self.view, style, &format!("{word}[{}]", r.meta.code));
            let _ = writeln!(self.out, "  {head} {}", escape::terminal(&r.outcome.title));
            let o = &r.outcome;
            let reason = match &o.status {
                Status::NotEvaluated(reason) => format!("not evaluated: {reason}"),
                _ if o.message.is_empty() => format!("{} of {} rows", group_digits(o.failing), group_digits(o.tested)),
                _ => o.message.clone(),
            };
            self.wrapped(4, &escape::terminal(&reason));
            if let (Some(x), Some(limit)) = (o.statistic, &o.threshold) {
                self.wrapped(4, &format!("seen {x}, allowed {}", escape::terminal(limit)));
            }
            if let (Some(span), Some(path)) = (o.span, self.facts.contract.as_ref().and_then(|c| c.path.as_ref())) {
                let _ = writeln!(self.out, "    --> {}:{}:{}", escape::terminal(&path.display().to_string()), span.line, span.column);
            }
            self.examples(&r.examples);
        }
        self.more(said.len().saturating_sub(SHOWN), "broken rules");
    }

    fn groups(&mut self, v: &Verdict) {
        for (action, title, shown) in [
            (Action::Quarantine, "Suspect groups (quarantine)", SHOWN),
            (Action::Review, "Groups to review (their rows stay in)", SHOWN_REVIEW),
        ] {
            let rules = v.rules.iter().filter(|r| r.ignored.is_none());
            let of = |r| move |(i, g): (usize, _)| (r, i, g);
            let mut all: Vec<(&RuleResult, usize, &Group)> = rules.flat_map(|r| r.outcome.groups.iter().enumerate().map(of(r))).collect();
            all.retain(|(_, _, g)| g.action == action);
            if all.is_empty() {
                continue;
            }
            all.sort_by(|a, b| b.2.score.total_cmp(&a.2.score).then(b.2.rows.cmp(&a.2.rows)).then(a.2.key.cmp(&b.2.key)));
            self.heading(title);
            for (r, i, g) in all.iter().take(shown) {
                self.group(r, *i, g);
            }
            self.more(all.len().saturating_sub(shown), "groups");
        }
    }

    fn group(&mut self, r: &RuleResult, i: usize, g: &Group) {
        let style = if g.action == Action::Quarantine { RED } else { YELLOW };
        let redact = self.facts.redact;
        let key = if redact { "(redacted)".to_owned() } else { format!("`{}`", clip(&escape::terminal(&g.key), 120)) };
        let head = paint(self.view, style, &format!("{} {}", r.meta.code, r.meta.name));
        let _ = writeln!(self.out, "  {head} {}", paint(self.view, BOLD, &key));
        let mut counts = format!("{} rows", group_digits(g.rows));
        if let Some(label) = g.label.as_deref().filter(|_| !redact) {
            let _ = write!(counts, ", {} of them labelled {}", group_digits(g.with_label), clip(&escape::terminal(label), 60));
        }
        let _ = write!(counts, "; probability {:.2}", g.score);
        if g.q_value.is_finite() {
            let _ = write!(counts, ", q {:.1e}", g.q_value);
        }
        self.wrapped(4, &counts);
        if !redact {
            self.wrapped(4, &escape::terminal(&g.message));
            for reason in &g.reasons {
                self.wrapped(4, &format!("- {}", escape::terminal(reason)));
            }
        }
        if let (Some(picture), Some(report)) = (self.facts.pictures.get(&(r.meta.code.to_owned(), g.key.clone())), &self.facts.report) {
            self.wrapped(4, &format!("what they share: {}", escape::terminal(&report.with_file_name(picture).display().to_string())));
        }
        if g.action == Action::Quarantine {
            self.examples(r.group_examples.get(i).map_or(&[], |e| e));
        }
    }

    /// A row each: where it is, and the text around what is wrong, marked.
    fn examples(&mut self, examples: &[Example]) {
        for e in examples {
            let mut place = format!("{} row {}", escape::terminal(self.facts.file(e.row.source)), group_digits(e.row.row));
            if let Some(id) = e.id.as_deref().filter(|_| !self.facts.redact) {
                let _ = write!(place, ", id {}", escape::terminal(id));
            }
            let _ = writeln!(self.out, "    {}", paint(self.view, DIM, &place));
            if let Some(x) = e.excerpt.as_ref().filter(|_| !self.facts.redact) {
                let marked = if x.marked.is_empty() { String::new() } else { format!("«{}»", escape::terminal(&x.marked)) };
                let marked = paint(self.view, RED, &marked);
                let _ = writeln!(
                    self.out,
                    "      {}: {}{}{}",
                    escape::terminal(&x.column),
                    escape::terminal(&x.before),
                    if x.marked.is_empty() { "" } else { &marked },
                    escape::terminal(&x.after)
                );
            }
        }
    }

    fn floors(&mut self, v: &Verdict) {
        let rules = v.rules.iter().flat_map(|r| r.outcome.floor.iter().map(move |f| (r.meta.code, f)));
        let all: Vec<_> = rules.collect();
        if all.is_empty() && !v.floor_unknown {
            return;
        }
        self.heading("Smallest poisoning this run would have found");
        for (code, f) in all.iter().take(SHOWN_FLOORS) {
            let rows = f
                .rows
                .map_or("none: ".to_owned() + f.reason.as_deref().unwrap_or("not at any size"), |n| format!("{} rows", group_digits(n)));
            let class = f.class.as_deref().map_or("all classes".into(), |c| {
                if self.facts.redact { "a class".into() } else { format!("class {}", escape::terminal(c)) }
            });
            let class = clip(&class, 28);
            let _ = writeln!(self.out, "  {code} {:<22} {class:<28} {}", escape::terminal(&f.family), escape::terminal(&rows));
        }
        self.more(all.len().saturating_sub(SHOWN_FLOORS), "lines");
        for m in &v.missed_floors {
            let line = format!(
                "error: the contract wants {} rows found, {} {} cannot promise that",
                group_digits(m.demanded),
                m.code,
                m.floor.family
            );
            self.wrapped(2, &escape::terminal(&line));
        }
        if v.floor_unknown {
            self.wrapped(2, "error: the contract sets a floor, and no detector could state one");
        }
    }

    fn not_tested(&mut self, v: &Verdict) {
        if v.not_tested.is_empty() {
            return;
        }
        self.heading("Not tested");
        // What lacks the same thing stands in one line, in the order of the codes.
        let mut reasons: Vec<&str> = v.not_tested.iter().map(|n| n.reason.as_str()).collect();
        let mut seen = std::collections::HashSet::new();
        reasons.retain(|r| seen.insert(*r));
        for reason in reasons {
            let those = v.not_tested.iter().filter(|n| n.reason == reason);
            let names: Vec<String> = those.map(|n| format!("{} {}", n.code, n.name)).collect();
            self.wrapped(2, &escape::terminal(&format!("{}: {reason}", names.join(", "))));
        }
    }

    fn ignores(&mut self, v: &Verdict) {
        if v.ignores.is_empty() {
            return;
        }
        self.heading("Ignored");
        for u in &v.ignores {
            let what = u.group.as_ref().map_or(u.rule.clone(), |g| format!("{} `{g}`", u.rule));
            let how = match u.state {
                ignores::State::Used => format!("{} hits hidden: {}", group_digits(u.hidden), u.reason),
                ignores::State::Unmatched => format!("warning: matches nothing; remove it (contract line {})", u.line),
                ignores::State::Expired => {
                    format!("warning: expired on {}; it hides nothing (contract line {})", u.expires.as_deref().unwrap_or("?"), u.line)
                }
            };
            self.wrapped(2, &escape::terminal(&format!("{what}: {how}")));
        }
    }

    fn decisions(&mut self, v: &Verdict) {
        let Some(told) = self.facts.decisions.as_ref().filter(|_| !v.decisions.is_empty()) else { return };
        self.heading("Decided by people");
        let path = told.path.display().to_string();
        for u in v.decisions.iter().take(SHOWN) {
            let group = u.group.as_deref().map(|g| {
                if self.facts.redact { " (redacted)".to_owned() } else { format!(" `{}`", clip(g, if is_hidden(g) { 20 } else { 120 })) }
            });
            let told = match u.state {
                decided::State::Applied => {
                    let (n, how) = if u.rows_removed > 0 { (u.rows_removed, "for quarantine") } else { (u.rows_kept, "kept") };
                    let gone = u.contents - u.present;
                    let gone = if gone > 0 { format!(", {} no longer there", group_digits(gone)) } else { String::new() };
                    format!("{} {how}{gone}: {} ({}, {})", plural(n as usize, "row"), u.reason, u.by, u.date)
                }
                decided::State::Idle => format!("nothing accuses the rows that {} kept on {}", u.by, u.date),
                decided::State::Done => format!("the rows that {} wanted removed on {} are gone", u.by, u.date),
                decided::State::Stale => {
                    format!("warning: stale, none of the rows that {} kept on {} is in the data ({path} line {})", u.by, u.date, u.line)
                }
                decided::State::NotRun if u.is_warning() => {
                    format!(
                        "warning: the rule did not run, so rows that {} wanted removed on {} stayed ({path} line {})",
                        u.by, u.date, u.line
                    )
                }
                decided::State::NotRun => "the rule did not run".to_owned(),
            };
            self.wrapped(2, &escape::terminal(&format!("{}{}: {told}", u.rule, group.unwrap_or_default())));
        }
        self.more(v.decisions.len().saturating_sub(SHOWN), "decisions");
    }

    fn contract_warnings(&mut self) {
        let Some(contract) = self.facts.contract.as_ref().filter(|c| !c.warnings.is_empty()) else { return };
        self.heading("The contract itself");
        for w in contract.warnings.iter().take(SHOWN) {
            let head = paint(self.view, YELLOW, &format!("warning[{}]", w.code));
            let _ = writeln!(self.out, "  {head} {}", escape::terminal(&w.message));
            if let Some(help) = &w.help {
                self.wrapped(4, &escape::terminal(help));
            }
            if let (Some(span), Some(path)) = (w.span, &contract.path) {
                let _ = writeln!(self.out, "    --> {}:{}:{}", escape::terminal(&path.display().to_string()), span.line, span.column);
            }
        }
        self.more(contract.warnings.len().saturating_sub(SHOWN), "warnings");
    }

    fn files(&mut self) {
        let facts = self.facts;
        if facts.written.is_empty() && facts.report.is_none() {
            return;
        }
        self.heading("Written");
        for w in &facts.written {
            let _ =
                writeln!(self.out, "  {} ({})", escape::terminal(&w.path.display().to_string()), plural(w.lines as usize, "suspect row"));
        }
        if let Some(path) = &facts.report {
            let _ = writeln!(self.out, "  {}", escape::terminal(&path.display().to_string()));
        }
    }

    /// Concrete next steps, only with verbs that exist.
    fn next(&mut self, v: &Verdict) {
        let mut codes: Vec<&str> = v.rules.iter().filter(|r| r.level.is_some()).map(|r| r.meta.code).collect();
        codes.sort_unstable();
        codes.dedup();
        if codes.is_empty() {
            return;
        }
        self.heading("Next");
        for code in codes.iter().take(3) {
            let _ = writeln!(self.out, "  taster explain {code}");
        }
        let groups = v.rules.iter().filter(|r| r.ignored.is_none()).flat_map(|r| r.outcome.groups.iter().map(move |g| (r, g)));
        let first = groups.max_by(|a, b| (a.1.action, a.1.rows).cmp(&(b.1.action, b.1.rows)).then(b.1.key.cmp(&a.1.key)));
        if let Some((r, g)) = first.filter(|_| !self.facts.redact) {
            let folder = self.facts.report.as_ref().and_then(|r| r.parent()).map(|f| f.display().to_string());
            let from = folder.filter(|f| f != "taster-out").map_or(String::new(), |f| format!(" --from {}", escape::terminal(&f)));
            let _ = writeln!(self.out, "  taster review{from}");
            self.wrapped(2, "for a habit of the whole dataset put this under `ignore:` in the contract:");
            let key = serde_json::to_string(&g.key).unwrap_or_default();
            let _ = writeln!(self.out, "    - {{rule: {}, group: {}, reason: ...}}", r.meta.code, yaml_escape(&key));
        }
    }
}

/// A JSON string is a YAML double-quoted scalar; what a terminal must not see becomes `\uXXXX`.
fn yaml_escape(json: &str) -> String {
    let mut out = String::new();
    for c in json.chars() {
        if escape::terminal(c.encode_utf8(&mut [0; 4])).starts_with("<U+") {
            let n = u32::from(c);
            let _ = if n > 0xffff { write!(out, "\\U{n:08X}") } else { write!(out, "\\u{n:04X}") };
        } else {
            out.push(c);
        }
    }
    out
}

pub(crate) fn clip(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((i, _)) => format!("{}…", &text[..i]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
