//! From an accepted n-gram to the thing a person reads: the whole phrase it belongs to, and the
//! honest explanations that turn a `quarantine` into a `review`.

use super::trigger_text::Nominee;
use crate::features::text::Token;
use crate::rule::{Action, Group};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Tokens kept on each side.
const REACH: usize = 16;
/// Rows looked at per suspect.
const ROWS: usize = 64;
/// Share of those rows that must agree on the next token for the phrase to grow.
const AGREE: f64 = 0.9;

/// Lower bound of the unexplained share that takes rows out; clean news stays below 0.48.
const ACCUSE: f64 = 0.50;
/// The same where the data has jargon: its words reach 0.58 on clean package descriptions.
const ACCUSE_TOPICAL: f64 = 0.60;
/// Suspects that keep company make a dataset of jargon.
const TOPICS: usize = 3;
/// Chance that rows picked for planting share another word like this; a topic's words are far below.
const COMPANY: f64 = 1e-3;
/// Rows that must differ from one another: four near-copies of one headline are one label error.
const DIFFERENT: u64 = 8;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Suspect {
    pub nominee: Nominee,
    pub unexplained: f64,
    pub unexplained_lower: f64,
    /// Mean P(label) without it.
    pub expected: f64,
    pub z: f64,
    pub q: f64,
    /// Share of its places whose two neighbours also stand side by side elsewhere.
    pub joined: f64,
    /// See [`super::company`].
    pub company: f64,
    /// Rows that are not near-copies of one another.
    pub clusters: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Piece {
    hash: u64,
    /// As written, lower-cased; empty at the edge of a text.
    text: String,
    spaced: bool,
}

/// One occurrence with its surroundings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pieces: Vec<Piece>,
    at: usize,
    len: usize,
}

impl Window {
    pub fn new<'a>(row: &[Token], at: usize, len: usize, text: impl Fn(u16) -> &'a str) -> Self {
        let column = row[at].column;
        let from = (at.saturating_sub(REACH)..=at).find(|&i| row[i].column == column).unwrap_or(at);
        let to = (at + len + REACH).min(row.len());
        let text = text(column);
        let pieces: Vec<Piece> = row[from..to]
            .iter()
            .take_while(|t| t.column == column)
            .map(|t| Piece {
                hash: t.hash,
                text: text.get(t.start as usize..t.end as usize).unwrap_or_default().to_lowercase(),
                spaced: text.get(..t.start as usize).is_some_and(|s| s.ends_with(char::is_whitespace)),
            })
            .collect();
        Window { pieces, at: at - from, len }
    }
    fn piece(&self, offset: isize) -> Option<&Piece> {
        self.pieces.get(usize::try_from(self.at as isize + offset).ok()?)
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Windows {
    lists: Vec<BTreeMap<u64, Window>>,
}

impl Windows {
    pub fn new(suspects: usize) -> Self {
        Windows { lists: vec![BTreeMap::new(); suspects] }
    }
    /// Keeps the rows with the smallest ids; of a row its first occurrence.
    pub fn offer(&mut self, suspect: u32, id: u64, window: impl FnOnce() -> Window) {
        let list = &mut self.lists[suspect as usize];
        if list.contains_key(&id) || (list.len() >= ROWS && list.last_key_value().is_some_and(|(&last, _)| id > last)) {
            return;
        }
        list.insert(id, window());
        if list.len() > ROWS {
            list.pop_last();
        }
    }
    pub fn merge(&mut self, other: Self) {
        for (i, list) in other.lists.into_iter().enumerate() {
            for (id, w) in list {
                self.offer(i as u32, id, || w);
            }
        }
    }
}

/// A suspect with its name and verdict.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TextGroup {
    /// The n-gram that finds its rows.
    pub key: u64,
    pub class: u32,
    /// Pure, and short of nothing but certainty.
    weak: bool,
    /// The full phrase, and where the n-gram stands in it.
    phrase: Vec<u64>,
    offset: usize,
    pub group: Group,
}

impl TextGroup {
    /// Tokens of the phrase around the n-gram found at `at`; the n-gram alone where the rest of
    /// the phrase is missing.
    pub fn extent(&self, row: &[Token], at: usize, len: usize) -> (usize, usize) {
        let mut span = (at, at + len);
        if let Some(from) = at.checked_sub(self.offset)
            && let Some(stretch) = row.get(from..from + self.phrase.len())
            && stretch.iter().map(|t| t.hash).eq(self.phrase.iter().copied())
        {
            span = (from, from + self.phrase.len());
        }
        // The marks at the edge of a text have no bytes.
        while span.1 - span.0 > 1 && row[span.0].is_edge() {
            span.0 += 1;
        }
        while span.1 - span.0 > 1 && row[span.1 - 1].is_edge() {
            span.1 -= 1;
        }
        span
    }
}

/// Number of rows left when near-copies (at least three in five features shared) count as one.
pub fn clusters(bags: &[Vec<u32>]) -> usize {
    let mut leaders: Vec<&[u32]> = Vec::new();
    for bag in bags {
        let near = |other: &&[u32]| {
            let shared = bag.iter().filter(|f| other.binary_search(f).is_ok()).count();
            5 * shared >= 3 * (bag.len() + other.len() - shared)
        };
        if !leaders.iter().any(near) {
            leaders.push(bag);
        }
    }
    leaders.len()
}

/// The token that most windows have at `offset`, with its share.
fn usual(windows: &[&Window], offset: isize) -> Option<(Piece, f64)> {
    let mut counts: BTreeMap<u64, (usize, &Piece)> = BTreeMap::new();
    for w in windows {
        if let Some(p) = w.piece(offset) {
            counts.entry(p.hash).or_insert((0, p)).0 += 1;
        }
    }
    let best = counts.into_values().max_by(|a, b| a.0.cmp(&b.0).then(b.1.hash.cmp(&a.1.hash)))?;
    Some((best.1.clone(), best.0 as f64 / windows.len() as f64))
}

/// Names every suspect and weighs what speaks for its honesty.
pub fn groups(suspects: &[Suspect], windows: Windows, classes: &[String]) -> Vec<TextGroup> {
    let mut out: Vec<TextGroup> = Vec::new();
    let topical = suspects.iter().filter(|s| s.company < COMPANY.ln()).count() >= TOPICS;
    let accuse = if topical { ACCUSE_TOPICAL } else { ACCUSE };
    for (s, list) in suspects.iter().zip(windows.lists) {
        let list: Vec<&Window> = list.values().collect();
        let Some(len) = list.first().map(|w| w.len as isize) else { continue };
        let (mut from, mut to) = (0isize, len);
        let grows = |offset| usual(&list, offset).filter(|(p, share)| *share >= AGREE && !p.text.is_empty());
        while from > -(REACH as isize) && grows(from - 1).is_some() {
            from -= 1;
        }
        while to < len + REACH as isize && grows(to).is_some() {
            to += 1;
        }
        let pieces: Vec<Piece> = (from..to).filter_map(|o| usual(&list, o).map(|u| u.0)).collect();
        let mut key = String::new();
        for p in &pieces {
            if p.spaced && !key.is_empty() {
                key.push(' ');
            }
            key.push_str(&p.text);
        }
        let before = usual(&list, from - 1).map_or(0.0, |u| u.1);
        let after = usual(&list, to).map_or(0.0, |u| u.1);
        let mut reasons = Vec::new();
        if s.unexplained_lower < accuse {
            reasons.push(format!("the rest of its rows leaves only {:.0}% of the label unexplained for sure", s.unexplained_lower * 100.0));
        }
        if s.clusters < DIFFERENT {
            reasons.push(format!("only {} of its rows differ from one another", s.clusters));
        }
        if s.company < COMPANY.ln() {
            reasons
                .push("it keeps company: other words of its rows come along more often than their classes explain, as with a topic".into());
        }
        if before >= AGREE && after >= AGREE {
            reasons.push("it always stands between the same words, as in a template".into());
        }
        let weak = s.unexplained_lower < accuse && reasons.len() == 1 && s.nominee.rows == s.nominee.with_label;
        let action = if reasons.is_empty() { Action::Quarantine } else { Action::Review };
        let label = &classes[s.nominee.class as usize];
        out.push(TextGroup {
            key: s.nominee.key,
            class: s.nominee.class,
            weak,
            phrase: pieces.iter().map(|p| p.hash).collect(),
            offset: (-from) as usize,
            group: describe(key, label, s, action, reasons),
        });
    }
    join_the_accused(&mut out);
    demote_the_usual(&mut out);
    out
}

/// An attacker who spreads one backdoor over several words leaves few rows to each. A pure suspect
/// that lacks nothing but certainty joins two accused groups of the same label and length.
fn join_the_accused(groups: &mut [TextGroup]) {
    let accused: Vec<(u32, usize)> =
        groups.iter().filter(|g| g.group.action == Action::Quarantine).map(|g| (g.class, g.phrase.len())).collect();
    for g in groups.iter_mut().filter(|g| g.weak) {
        if accused.iter().filter(|a| **a == (g.class, g.phrase.len())).count() >= 2 {
            g.group.action = Action::Quarantine;
            g.group.score *= 2.0;
            g.group.reasons = vec!["few rows, but two more accused groups have the same label and length".into()];
        }
    }
}

/// A backdoor pushes one label with few triggers. Where many unrelated features of several labels
/// look alike, labels follow single words by nature (question types, intents), and no group of that
/// kind accuses anybody.
fn demote_the_usual(groups: &mut [TextGroup]) {
    let accused = || groups.iter().filter(|g| g.group.action == Action::Quarantine);
    let labels: std::collections::BTreeSet<u32> = accused().map(|g| g.class).collect();
    let n = accused().count();
    if n < 8 || labels.len() < 2 || (labels.len() == 2 && n <= 12) {
        return;
    }
    let reason =
        format!("{n} unrelated groups of {} labels look like this one: here labels may follow single words by nature", labels.len());
    for g in groups.iter_mut().filter(|g| g.group.action == Action::Quarantine) {
        g.group.action = Action::Review;
        g.group.score *= 0.5;
        g.group.reasons.push(reason.clone());
    }
}

/// The group as the report shows it.
fn describe(key: String, label: &str, s: &Suspect, action: Action, reasons: Vec<String>) -> Group {
    let (n, k) = (s.nominee.rows, s.nominee.with_label);
    let sure = (1.0 - s.expected).clamp(0.5, 0.99);
    Group {
        message: format!(
            "\"{key}\" comes with label {label} in {k} of {n} rows; the rest of these rows explains {:.0}%",
            s.expected * 100.0
        ),
        key,
        action,
        score: if action == Action::Review { sure / 2.0 } else { sure },
        rows: n,
        with_label: k,
        label: Some(label.to_owned()),
        statistic: s.z,
        q_value: s.q,
        reasons,
    }
}
