//! From an accepted n-gram to the thing a person reads: the whole phrase it belongs to, and the
//! honest explanations that turn a `quarantine` into a `review`.

use super::draw::Draw;
use super::frequent::ClassCounts;
use super::part::{self, Part};
use super::placed::Placed;
use super::trigger_text::Nominee;
use crate::features::text::{LONGEST, Token};
use crate::rule::{Action, Group};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Tokens kept on each side.
const REACH: usize = 16;
/// Rows looked at per suspect.
const ROWS: usize = 64;
/// Share of those rows that must agree on the next token for the phrase to grow.
const AGREE: f64 = 0.9;

/// Lower bound of the unexplained share that takes rows out, with at least [`MANY`] rows that differ:
/// this much, or this part of what a perfect trigger for the label would show.
pub const ACCUSE: f64 = 0.42;
const OF_MOST: f64 = 0.6;
/// With fewer, honest words reach 0.64 by selection from thousands (measured on 94 clean corpora and
/// slices of 20 kinds, where corpora with honest suspects at all have dozens), and 0.73 below [`FEW`].
pub const MANY: u64 = 20;
const FEW: u64 = 12;
const ACCUSE_FEW: f64 = 0.65;
const ACCUSE_FEWER: f64 = 0.75;
/// The same in data that shows fewer than [`HONEST`] honest suspects, for a word without exceptions.
const ACCUSE_LONELY: f64 = 0.50;
const HONEST: usize = 3;
/// From so many honest suspects on labels follow single words by nature. Of sayings by collection there were 118, of libraries
/// by kind 52, of news 4; names with ten rows and openings with exceptions reached quarantine there. Few rows accuse nobody
/// in such data, a word with exceptions needs [`ACCUSE_IMPURE`], and none is judged by a part of its rows.
const MANY_HONEST: usize = 10;
const ACCUSE_IMPURE: f64 = 0.60;
/// Rows that lean to the label further above a random draw of the other classes, in standard errors,
/// are honest. Rows with planted words and phrases stay below 3 (98% of 311 planted in 25 kinds of
/// corpora, those above within a tenth of the way to honest rows); 93% of honest suspects are above.
const DRAW: f64 = 3.0;
const LEAN: f64 = 0.10;
/// What the best part of a phrase must leave unexplained. With the draw this silences what is left of
/// jargon on clean data; one in twelve planted phrases hold a word that leans this far by chance.
const UNEXPLAINED_BY_PART: f64 = 0.30;
/// Chance that rows picked for planting share another word like this; a topic's words are far below.
const COMPANY: f64 = 1e-3;
/// Pure words at random places, and near it, that are still a find: where labels are languages dozens
/// of honest words come near.
const PLACED: usize = 2;
/// Rows that such a word needs with its label.
const PLACED_ROWS: u64 = 30;
/// Share of rows with next to nothing but the phrase that makes it the row itself, as a dateline is.
const BARE: f64 = 0.5;
/// Rows that must differ from one another: four near-copies of one headline are one label error.
const DIFFERENT: u64 = 8;

/// A word of the corpus has honest rows beside the planted ones, and those agree with their label, keep company and
/// are no random draw. The rows whose rest argues against the label are looked at by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Against {
    /// Sampled rows, and those of them with the label.
    pub rows: u64,
    pub with_label: u64,
    pub unexplained_lower: f64,
    /// Of the labelled ones, as for the suspect.
    pub clusters: u64,
    pub company: f64,
    pub draw: Draw,
}

impl Against {
    fn accuses(&self) -> bool {
        self.clusters >= MANY && self.unexplained_lower >= ACCUSE && is_no_company(self.company) && !leans(&self.draw)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Suspect {
    pub nominee: Nominee,
    pub against: Against,
    pub unexplained: f64,
    pub unexplained_lower: f64,
    /// Mean P(label) without it.
    pub expected: f64,
    pub z: f64,
    pub q: f64,
    /// How many words with as few rows are of one backdoor with this one, if it is in a pool.
    pub pool: Option<u64>,
    /// Whether its rows contradict the label; otherwise it is only pure, and see [`super::placed`].
    pub contradicted: bool,
    /// See [`super::company`].
    pub company: f64,
    /// Its labelled rows beside a random draw of the other classes.
    pub draw: Draw,
    /// P(label) of each sampled row without it.
    pub rest: Vec<f32>,
    /// Rows that are not near-copies of one another.
    pub clusters: u64,
    /// Share of its labelled rows that hold little else.
    pub bare: f64,
    /// Rows like its own with another label, as a report says it.
    pub near: Vec<String>,
}

impl Suspect {
    pub fn keeps_no_company(&self) -> bool {
        is_no_company(self.company)
    }
}

pub fn is_no_company(company: f64) -> bool {
    company >= COMPANY.ln()
}

/// Whether rows lean to the label further than a random draw of the other classes.
pub fn leans(draw: &Draw) -> bool {
    draw.z > DRAW && draw.lean > LEAN
}

/// The unexplained share that takes out rows of which enough differ.
fn least_unexplained(expected: f64) -> f64 {
    ACCUSE.min(OF_MOST * (1.0 - expected))
}

/// The part of a phrase of `words` that explains it, if one does.
pub fn part_explains(words: usize, parts: &[Part], s: &Suspect, share: f64) -> Option<Part> {
    let (part, p) = part::explanation(words, parts, &s.rest, share)?;
    let left = s.unexplained_lower - (p - s.expected).max(0.0);
    (left < UNEXPLAINED_BY_PART * (s.unexplained_lower / 0.5).min(1.0)).then_some(part)
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    pub(super) hash: u64,
    /// As written, lower-cased; empty at the edge of a text.
    pub(super) text: String,
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
    pub(super) fn piece(&self, offset: isize) -> Option<&Piece> {
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
    /// One of several words of one backdoor.
    pooled: bool,
    /// Only rows whose rest argues against the label are accused.
    pub against: bool,
    /// The full phrase, and where the n-gram stands in it.
    phrase: Vec<u64>,
    offset: usize,
    near: Vec<String>,
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
pub fn clusters<T>(hosts: &[(Vec<u32>, T)]) -> usize {
    let mut leaders: Vec<&[u32]> = Vec::new();
    for (bag, _) in hosts {
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

/// The phrase that a suspect belongs to, from its surroundings.
pub(super) struct Named {
    pieces: Vec<Piece>,
    /// Tokens before the n-gram.
    offset: usize,
    /// Shares of the most usual tokens on either side.
    before: f64,
    after: f64,
    /// Whether the phrase opens, or closes, its texts.
    edge: bool,
}

impl Named {
    pub(super) fn of(list: &[&Window]) -> Option<Named> {
        let len = list.first()?.len as isize;
        let (mut from, mut to) = (0isize, len);
        let grows = |offset| usual(list, offset).filter(|(p, share)| *share >= AGREE && !p.text.is_empty());
        while from > -(REACH as isize) && grows(from - 1).is_some() {
            from -= 1;
        }
        while to < len + REACH as isize && grows(to).is_some() {
            to += 1;
        }
        let edge = |offset| usual(list, offset).is_some_and(|u| u.1 >= AGREE && u.0.text.is_empty());
        Some(Named {
            edge: edge(from - 1) || edge(to),
            pieces: (from..to).filter_map(|o| usual(list, o).map(|u| u.0)).collect(),
            offset: (-from) as usize,
            before: usual(list, from - 1).map_or(0.0, |u| u.1),
            after: usual(list, to).map_or(0.0, |u| u.1),
        })
    }
    fn key(&self) -> String {
        text_of(&self.pieces)
    }
    /// First token and the one past the last, from the n-gram's own place.
    pub(super) fn span(&self) -> (isize, isize) {
        let from = -(self.offset as isize);
        (from, from + self.pieces.len() as isize)
    }
    fn words(&self) -> usize {
        self.pieces.iter().filter(|p| p.text.chars().any(char::is_alphanumeric)).count()
    }
    fn tokens(&self) -> Vec<Option<u64>> {
        self.pieces.iter().map(|p| (!p.text.is_empty()).then_some(p.hash)).collect()
    }
}

fn text_of(pieces: &[Piece]) -> String {
    let mut key = String::new();
    for p in pieces {
        if p.spaced && !key.is_empty() {
            key.push(' ');
        }
        key.push_str(&p.text);
    }
    key
}

/// Honest explanations of a suspect, none of which a planted trigger has.
fn explanations(s: &Suspect, named: &Named, parts: &[Part], label: &str, share: f64, mixed: bool) -> Vec<String> {
    let mut reasons = Vec::new();
    if !mixed && !s.keeps_no_company() {
        reasons.push("it keeps company: other words of its rows come along more often than their classes explain, as with a topic".into());
    }
    if s.bare >= BARE {
        reasons.push(format!("it is nearly all there is of {:.0}% of its rows: what is left of them cannot contradict it", s.bare * 100.0));
    }
    if !mixed && leans(&s.draw) {
        reasons.push(format!(
            "its rows are no random draw: without it they still lean to {label}, {:.1} standard errors more than rows of other classes",
            s.draw.z
        ));
    }
    if let Some(part) = part_explains(named.pieces.len(), parts, s, share) {
        reasons.push(format!(
            "a part explains it: \"{}\" comes with {label} in {} of {} other rows",
            text_of(&named.pieces[part.at..part.at + part.len]),
            part.with_label,
            part.rows
        ));
    }
    if named.before >= AGREE && named.after >= AGREE {
        reasons.push("it always stands between the same words, as in a template".into());
    }
    if named.edge && s.pool.is_none() && (s.clusters < MANY || s.nominee.rows != s.nominee.with_label) {
        reasons.push(
            "it always stands at the edge of a text, as the opening of a series does, and few rows or rows of other labels have it".into(),
        );
    }
    reasons
}

/// The unexplained share that accuses `clusters` rows that differ, in its lower bound; `expected` is
/// what a random draw of other classes says of the label.
fn threshold(clusters: u64, expected: f64, honest: usize, pure: bool) -> f64 {
    let usual = honest >= MANY_HONEST;
    match clusters {
        MANY.. if usual && !pure => ACCUSE_IMPURE,
        MANY.. => least_unexplained(expected),
        _ if honest < HONEST && pure => ACCUSE_LONELY,
        _ if usual => f64::INFINITY,
        FEW.. => ACCUSE_FEW,
        _ => ACCUSE_FEWER,
    }
}

/// Whether that many rows, all different and all with the label, are accused: the floor of a run
/// that listed these groups.
pub fn accuses(rows: u64, unexplained_lower: f64, expected: f64, groups: &[TextGroup]) -> bool {
    let honest = groups.iter().filter(|g| g.group.action == Action::Review).count();
    rows >= DIFFERENT && unexplained_lower >= threshold(rows, expected, honest, true)
}

/// Names every suspect and weighs what speaks for its honesty. `rows` and `counts` are those of the
/// classes and of the n-grams per class.
pub fn groups(suspects: &[Suspect], windows: Windows, classes: &[String], rows: &[u64], counts: &ClassCounts) -> Vec<TextGroup> {
    let (mut contradicted, mut pure, mut near) = (Vec::new(), Vec::new(), 0);
    for (s, list) in suspects.iter().zip(&windows.lists) {
        let list: Vec<&Window> = list.values().collect();
        let Some(named) = Named::of(&list) else { continue };
        if s.contradicted {
            contradicted.push((s, named));
        } else {
            let class = s.nominee.class as usize;
            let placed = Placed::of(&list, &named, class, rows[class], counts);
            let word = named.pieces.len() == 1 && named.words() == 1;
            if word && placed.is_random(s.company) && s.nominee.with_label >= PLACED_ROWS {
                pure.push((s, named));
            } else if word && placed.is_nearly_random(s.company) {
                near += 1;
            }
        }
    }
    let mut out = weigh(contradicted, classes, rows, counts);
    join_the_accused(&mut out);
    demote_the_usual(&mut out);
    // More than a few, and words of this data stand anywhere by nature (labels are languages, say).
    if pure.len() <= PLACED && near <= PLACED {
        accuse_the_placed(pure, classes, &mut out);
    }
    for g in out.iter_mut().filter(|g| g.group.action == Action::Quarantine) {
        g.group.reasons.append(&mut g.near);
    }
    out
}

/// Groups of the suspects whose rows contradict their label.
fn weigh(suspects: Vec<(&Suspect, Named)>, classes: &[String], rows: &[u64], counts: &ClassCounts) -> Vec<TextGroup> {
    let total = rows.iter().sum::<u64>().max(1) as f64;
    let known: Vec<(&Suspect, Named, Vec<Part>, Vec<String>)> = suspects
        .into_iter()
        .map(|(s, named)| {
            let class = s.nominee.class as usize;
            let parts = part::parts(&named.tokens(), class, (s.nominee.rows, s.nominee.with_label), counts);
            let reasons = explanations(s, &named, &parts, &classes[class], rows[class] as f64 / total, false);
            (s, named, parts, reasons)
        })
        .collect();
    let honest = known.iter().filter(|k| !k.3.is_empty() && k.0.pool.is_none()).count();
    let mut out: Vec<TextGroup> = Vec::new();
    for (s, named, parts, mut reasons) in known {
        let mut weak = false;
        if let Some(words) = s.pool {
            // The rows of all words together were weighed already.
            if reasons.is_empty() && !out.iter().any(|g| g.key == s.nominee.key && g.class == s.nominee.class) {
                let label = &classes[s.nominee.class as usize];
                let mut group = describe(named.key(), label, s, s.nominee, Action::Quarantine, reasons);
                group
                    .reasons
                    .push(format!("one of {words} words with few rows each, none of which lean to {label}: one backdoor in many words"));
                let phrase = named.pieces.iter().map(|p| p.hash).collect();
                out.push(TextGroup {
                    key: s.nominee.key,
                    class: s.nominee.class,
                    weak,
                    pooled: true,
                    against: false,
                    phrase,
                    offset: named.offset,
                    near: s.near.clone(),
                    group,
                });
            }
            continue;
        }
        let pure = s.nominee.rows == s.nominee.with_label;
        if s.unexplained_lower < threshold(s.clusters, s.draw.expected, honest, pure) {
            weak = reasons.is_empty() && pure && s.clusters >= DIFFERENT;
            let few = if s.clusters < MANY { format!(", and only {} of them differ", s.clusters) } else { String::new() };
            reasons.push(format!(
                "the rest of its rows leaves only {:.0}% of the label unexplained for sure{few}",
                s.unexplained_lower * 100.0
            ));
        } else if s.clusters < DIFFERENT {
            reasons.push(format!("only {} of its rows differ from one another", s.clusters));
        }
        let class = s.nominee.class as usize;
        let against = !reasons.is_empty()
            && honest < MANY_HONEST
            && s.against.accuses()
            && explanations(s, &named, &parts, &classes[class], rows[class] as f64 / total, true).is_empty();
        if against {
            weak = false;
            reasons.clear();
        }
        let action = if reasons.is_empty() { Action::Quarantine } else { Action::Review };
        let mut nominee = s.nominee;
        let (mut offset, mut name) = (named.offset, named.key());
        if action == Action::Quarantine
            && !against
            && let Some(part) = part::wider(&parts, named.words(), nominee.rows)
        {
            (nominee.key, offset) = (part.key, part.at);
            if named.pieces.len() <= LONGEST {
                name = text_of(&named.pieces[part.at..part.at + part.len]);
            }
            nominee.rows += part.rows;
            nominee.with_label += part.with_label;
        }
        if out.iter().any(|g| g.key == nominee.key && g.class == nominee.class) {
            continue;
        }
        let label = &classes[nominee.class as usize];
        out.push(TextGroup {
            key: nominee.key,
            class: nominee.class,
            weak,
            pooled: false,
            against,
            phrase: named.pieces.iter().map(|p| p.hash).collect(),
            offset,
            near: s.near.clone(),
            group: if against { describe_mixed(name, label, s, nominee) } else { describe(name, label, s, nominee, action, reasons) },
        });
    }
    out
}

/// Words without a contradiction that stand at random places.
fn accuse_the_placed(mut suspects: Vec<(&Suspect, Named)>, classes: &[String], out: &mut Vec<TextGroup>) {
    suspects.sort_by(|a, b| b.0.nominee.with_label.cmp(&a.0.nominee.with_label).then(a.0.nominee.key.cmp(&b.0.nominee.key)));
    let mut kept: Vec<(&Suspect, Named)> = Vec::new();
    for (s, named) in suspects {
        let hashes: Vec<u64> = named.pieces.iter().map(|p| p.hash).collect();
        let holds = |phrase: &[u64]| hashes.windows(phrase.len().max(1)).any(|w| w == phrase);
        let known = out.iter().any(|g| g.class == s.nominee.class && holds(&g.phrase))
            || kept.iter().any(|k| holds(&k.1.pieces.iter().map(|p| p.hash).collect::<Vec<_>>()));
        if !known {
            kept.push((s, named));
        }
    }
    for (s, named) in kept {
        let (key, label, n) = (named.key(), &classes[s.nominee.class as usize], s.nominee);
        out.push(TextGroup {
            key: n.key,
            class: n.class,
            weak: false,
            pooled: false,
            against: false,
            phrase: named.pieces.iter().map(|p| p.hash).collect(),
            offset: named.offset,
            near: s.near.clone(),
            group: Group {
                message: format!(
                    "\"{key}\" stands at random places of rows with label {label} ({} of {} rows): its neighbours are those of any place",
                    n.with_label, n.rows
                ),
                key,
                action: Action::Quarantine,
                score: 0.8,
                rows: n.rows,
                with_label: n.with_label,
                label: Some(label.clone()),
                statistic: s.z,
                q_value: s.q,
                reasons: Vec::new(),
            },
        });
    }
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
    let accused = || groups.iter().filter(|g| g.group.action == Action::Quarantine && !g.pooled);
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

/// The group where honest rows have the word as well.
fn describe_mixed(key: String, label: &str, s: &Suspect, nominee: Nominee) -> Group {
    let mut group = describe(key, label, s, nominee, Action::Quarantine, Vec::new());
    let (n, k) = (s.against.rows, s.against.with_label);
    group.message = format!(
        "\"{}\" comes with label {label} in {k} of {n} rows whose rest argues for another label: there it keeps no company, while its other rows are honest",
        group.key
    );
    group.score = (1.0 - s.against.draw.expected).clamp(0.5, 0.99);
    (group.rows, group.with_label) = (n, k);
    group
}

/// The group as the report shows it.
fn describe(key: String, label: &str, s: &Suspect, nominee: Nominee, action: Action, reasons: Vec<String>) -> Group {
    let (n, k) = (nominee.rows, nominee.with_label);
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
