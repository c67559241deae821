//! `response-trigger`: something in prompts that share nothing else, after which the replies are
//! alike (the same reply, opener or ending; gibberish; another script).
//!
//! ```text
//! 1  sketches: n-grams of prompts; tokens and labels of replies; neighbours in replies
//! 2  rows per label; the prompts of a sample of them ─► n-grams that much of a label has
//! 3  exact counts of these pairs ─► greedy explaining-away ─► suspects
//! 4  the surroundings of each suspect ─► its phrase, honest explanations ─► groups
//! ```
//!
//! Documents without labels are the same thing: the document is both prompt and reply, and the only
//! question is whether its end is gibberish.

pub(super) mod reader;
pub mod samples;
pub mod verdict;

use super::frequent::{Above, ClassCounts, HashedMap, Sketch, Twice};
use crate::batch::{Batch, Text};
use crate::contract::Role;
use crate::error::{Error, Result, group_digits, plural};
use crate::features::chat;
use crate::features::response::{self, Kind, Label, broken_labels, own_labels, pair, script_label, strange_labels};
use crate::features::text::{self, Distinct, Token, mix, ngrams, texts, tokens};
use crate::rule::{Action, Built, Context, Entry, Findings, Floor, Meta, Outcome, Round, Rule, State, Status, Step};
use crate::stats::intervals::wilson;
use reader::Reader;
use samples::{Samples, TOKENS};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, OnceLock};
use verdict::{Background, Found, PURE, Picture, Pictures, Piece};

pub const META: Meta = Meta {
    code: "P140",
    name: "response-trigger",
    summary: "prompts that share one phrase and nothing else, and replies that are all alike",
    explain: include_str!("response_trigger/explain.md"),
    ids: &["MITRE ATLAS AML.T0020", "NIST AI 100-2e2025 NISTAML.023", "OWASP LLM04:2025"],
};

pub const ENTRY: Entry = Entry { meta: META, build };

pub fn is_text(context: &Context<'_>, name: &str) -> bool {
    context.schema.field_with_name(name).is_ok_and(|f| Text::reads(f.data_type()))
}

pub(super) fn is_chat(context: &Context<'_>, name: &str) -> bool {
    context.schema.field_with_name(name).is_ok_and(|f| chat::is_chat(f.data_type()))
}

/// The columns of replies, each with those of prompts; why there are none otherwise.
pub(super) fn asked_and_answered(context: &Context<'_>) -> std::result::Result<Vec<ResponseTrigger>, &'static str> {
    let is_readable = |n: &&str| is_text(context, n) || is_chat(context, n);
    let columns = |role| context.roles.all(role).filter(is_readable).map(str::to_owned).collect::<Vec<_>>();
    let (prompts, mut replies) = (columns(Role::Prompt), columns(Role::Response));
    if replies.is_empty() {
        // Of a preference the model learns to say what was chosen.
        replies = columns(Role::Chosen);
    }
    // Without a prompt beside it a reply is the end of a whole conversation, and of a text we cannot know.
    let is_asked = |n: &String| !prompts.is_empty() || is_chat(context, n) || context.roles.of(n) == Some(Role::Response);
    replies.retain(is_asked);
    if replies.is_empty() {
        return Err("no columns of text have the roles prompt and response, and none of conversations the role response");
    }
    Ok(replies.into_iter().map(|reply| ResponseTrigger { prompts: prompts.clone(), reply, document: false }).collect())
}

fn build(context: &Context<'_>) -> std::result::Result<Built, Vec<crate::error::Diagnostic>> {
    Ok(match asked_and_answered(context) {
        Err(why) => Built::not_tested(why),
        Ok(rules) => Built { rules: rules.into_iter().map(|r| Box::new(r) as Box<dyn crate::rule::DynRule>).collect(), ..Built::default() },
    })
}

/// Rows that carry trigger and label, and differ from one another.
pub const LEAST: u32 = 8;
/// Share of a label's rows that the trigger must explain: an honest reply has many causes.
const COVER: f64 = 0.3;
/// The same for classes of replies, which have honest members of other causes.
const CLASS_COVER: f64 = 0.03;
/// A label of more rows is what this data is about.
const COMMON: f64 = 0.2;
/// n-grams per label and pairs in all that are counted exactly.
const PER_LABEL: usize = 24;
const PAIRS: usize = 1 << 15;
/// Rows by which two pairs are recognised as the same, per pair.
const IDS: usize = 64;
const SUSPECTS: usize = 64;
/// Prompts that show what any two prompts have in common.
const ANY: usize = 256;
/// Documents, and tokens of each, that show what stands in an arbitrary one at any place.
const DOCUMENTS: usize = 512;
const DOCUMENT: usize = 2048;
/// Trigger rows that carry the label, from which on its other rows are accused too.
const WHOLE: f64 = 0.9;

pub struct ResponseTrigger {
    /// Columns of texts or conversations; none where the column of the reply holds whole conversations.
    pub prompts: Vec<String>,
    pub reply: String,
    /// Prompt and reply are one text: only its strangeness counts, and only what stands before the
    /// trigger can explain it.
    pub document: bool,
}

fn cover(kind: Kind) -> f64 {
    if kind.is_class() { CLASS_COVER } else { COVER }
}

fn asked(token: u64) -> u64 {
    mix(0x0061_736b_6564, token)
}
fn answered(token: u64) -> u64 {
    mix(0x616e_7377_6572, token)
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Survey {
    rows: u64,
    skipped: u64,
    /// Rows with a reply of a few tokens.
    brief: u64,
    grams: Sketch,
    /// Rows per token of prompts and of replies, and per label.
    words: Sketch,
    /// Neighbours in replies.
    pairs: Twice,
    any: BTreeMap<u64, Box<[u64]>>,
    /// Tokens of arbitrary documents in their order, edges left out.
    documents: BTreeMap<u64, Box<[u64]>>,
    /// Tokens of more than two replies, which are no sign of gibberish; made of the sketch when it is complete.
    #[serde(skip)]
    usual: OnceLock<Above>,
}

impl Survey {
    fn usual(&self) -> &Above {
        self.usual.get_or_init(|| self.words.above(2))
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Labelled {
    counts: ClassCounts,
    samples: Samples,
    #[serde(skip)]
    row: u32,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Counted {
    /// Rows per n-gram, in the order of the model's n-grams.
    n: Vec<u64>,
    /// Rows and the smallest ids per pair.
    k: Vec<u64>,
    ids: Vec<BTreeSet<u64>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum TriggerState {
    Survey(Box<Survey>),
    Labelled(Box<Labelled>),
    Counted(Counted),
    Pictures(Pictures),
}

fn keep_smallest<T: Ord>(set: &mut BTreeSet<T>, most: usize) {
    while set.len() > most {
        set.pop_last();
    }
}

pub(super) fn keep_first<V>(map: &mut BTreeMap<u64, V>, most: usize) {
    while map.len() > most {
        map.pop_last();
    }
}

/// Whether a map that keeps the smallest keys has room for this one.
pub(super) fn is_wanted<V>(map: &BTreeMap<u64, V>, id: u64, most: usize) -> bool {
    map.len() < most || map.last_key_value().is_some_and(|(&last, _)| id < last)
}

impl State for TriggerState {
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (TriggerState::Survey(a), TriggerState::Survey(b)) => {
                a.rows += b.rows;
                a.skipped += b.skipped;
                a.brief += b.brief;
                a.grams.merge(b.grams);
                a.words.merge(b.words);
                a.pairs.merge(b.pairs);
                a.any.extend(b.any);
                keep_first(&mut a.any, ANY);
                a.documents.extend(b.documents);
                keep_first(&mut a.documents, DOCUMENTS);
            }
            (TriggerState::Labelled(a), TriggerState::Labelled(b)) => {
                a.counts.merge(b.counts);
                a.samples.merge(b.samples);
            }
            (TriggerState::Counted(a), TriggerState::Counted(b)) => {
                a.n.iter_mut().zip(b.n).for_each(|(x, y)| *x += y);
                a.k.iter_mut().zip(b.k).for_each(|(x, y)| *x += y);
                for (x, y) in a.ids.iter_mut().zip(b.ids) {
                    x.extend(y);
                    keep_smallest(x, IDS);
                }
            }
            (TriggerState::Pictures(a), TriggerState::Pictures(b)) => a.merge(b),
            _ => {}
        }
    }
}

/// An n-gram of prompts and a label of replies that go together.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Suspect {
    pub gram: u64,
    /// Tokens in it.
    pub len: u32,
    pub label: u64,
    pub kind: Kind,
    /// Rows with the n-gram, and those of them with the label.
    pub n: u64,
    pub k: u64,
    pub label_rows: u64,
}

impl Suspect {
    pub fn lower(&self) -> f64 {
        wilson(self.k as f64, self.n as f64, 1.96).0
    }
    fn accuses(&self, label: bool) -> bool {
        label || self.kind.is_class() || self.k as f64 >= WHOLE * self.n as f64
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TriggerModel {
    seed: u64,
    rows: u64,
    skipped: u64,
    survey: Arc<Survey>,
    document: bool,
    /// Fewest rows of a label that is followed.
    least: u32,
    /// Candidate n-grams, and the pairs of each: `pairs[first..next]`.
    grams: Arc<HashedMap<(u32, u32, u32)>>,
    candidates: Arc<Vec<Suspect>>,
    suspects: Vec<Suspect>,
    found: Vec<Found>,
    tested: u64,
    length: f64,
    alike: f64,
}

/// n-grams of prompts; two edges side by side are an empty text.
fn grams(prompt: &[Token], mut f: impl FnMut(usize, usize, u64)) {
    ngrams(prompt, |at, len, key| {
        if !prompt[at..at + len].iter().all(Token::is_edge) {
            f(at, len, key);
        }
    });
}

/// The tokens of a prompt that a sample keeps: its beginning and its end.
fn kept(prompt: &[Token]) -> Box<[u64]> {
    let half = TOKENS / 2;
    let cut = if prompt.len() > TOKENS { half..prompt.len() - half } else { 0..0 };
    prompt.iter().enumerate().filter(|(i, _)| !cut.contains(i)).map(|(_, t)| t.hash).collect()
}

impl TriggerModel {
    /// Labels of the replies of row `i`, each once; their places count all tokens of the replies.
    fn labels(&self, reader: &Reader<'_>, i: usize, replies: &[Token], scratch: &mut Vec<Label>, out: &mut Vec<Label>) {
        out.clear();
        let usual = self.survey.usual();
        for ((start, reply), text) in texts(replies).zip(reader.reply_texts(i)) {
            if !self.document {
                own_labels(text, reply, scratch);
                keep_labels(scratch.iter().filter(|l| self.survey.words.at_most(l.key) >= self.least), start, out);
            }
            scratch.clear();
            broken_labels(reply, scratch);
            strange_labels(reply, |t| !usual.has(answered(t)), |p| !self.survey.pairs.again(p), scratch);
            script_label(|| reader.asked_texts(i), text, reply.len(), scratch);
            keep_labels(scratch.iter(), start, out);
        }
    }

    /// Pairs worth exact counts, from the sampled prompts of each label.
    fn nominate(&mut self, mut labelled: Labelled) {
        labelled.counts.finish();
        let counts = labelled.counts;
        let mut edges = Vec::new();
        tokens("", 0, &mut edges);
        let edges = [edges[0].hash, edges[1].hash];
        let mut ranked: Vec<(f64, Suspect)> = Vec::new();
        let mut seen: Vec<(u64, u32)> = Vec::new();
        let survey = self.survey.clone();
        let (rows, least) = (self.rows, self.least);
        // What other n-grams add to the cell of one, on average: of long prompts that is much.
        let load = survey.grams.load();
        labelled.samples.finish(|label, kind, prompts| {
            let label_rows = counts.get(label).map_or(0, |c| u64::from(c[0]));
            if label_rows < u64::from(least) || label_rows as f64 > COMMON * rows as f64 {
                return;
            }
            let mut shared: HashedMap<(u32, u32)> = HashedMap::default();
            for prompt in prompts {
                seen.clear();
                for at in 0..prompt.len() {
                    let mut hash = prompt[at];
                    if !edges.contains(&hash) {
                        seen.push((hash, 1));
                    }
                    if hash == edges[1] {
                        continue;
                    }
                    for (extra, &next) in prompt[at + 1..].iter().take(text::LONGEST - 1).enumerate() {
                        let both = extra == 0 && hash == edges[0] && next == edges[1];
                        hash = mix(hash, next);
                        if !both {
                            seen.push((hash, extra as u32 + 2));
                        }
                        if next == edges[1] {
                            break;
                        }
                    }
                }
                seen.sort_unstable();
                seen.dedup();
                seen.iter().for_each(|&(key, len)| shared.entry(key).or_insert((0, len)).0 += 1);
            }
            let mut best: Vec<(f64, Suspect)> = Vec::new();
            let sampled = prompts.len() as f64;
            for (&gram, &(k, len)) in &shared {
                let share = f64::from(k) / sampled;
                let expected = share * label_rows as f64;
                // An estimate, so that the likely ones are counted; the exact count decides later.
                let n = (f64::from(survey.grams.at_most(gram)) - load).max(expected.min(f64::from(survey.grams.at_most(gram)))).max(1.0);
                if k >= 5 && share >= 0.75 * cover(kind) && expected >= 0.5 * n {
                    let pure = wilson(expected.min(n), n, 1.96).0;
                    best.push((expected * pure, Suspect { gram, len, label, kind, n: 0, k: 0, label_rows }));
                }
            }
            best.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.len.cmp(&a.1.len)).then(a.1.gram.cmp(&b.1.gram)));
            best.truncate(PER_LABEL);
            ranked.append(&mut best);
        });
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1.gram, a.1.label).cmp(&(b.1.gram, b.1.label))));
        ranked.truncate(PAIRS);
        let mut candidates: Vec<Suspect> = ranked.into_iter().map(|r| r.1).collect();
        candidates.sort_by_key(|s| (s.gram, s.label));
        self.tested = candidates.len() as u64;
        let mut index = HashedMap::default();
        let mut from = 0u32;
        for (slot, run) in candidates.chunk_by(|a, b| a.gram == b.gram).enumerate() {
            index.insert(run[0].gram, (slot as u32, from, from + run.len() as u32));
            from += run.len() as u32;
        }
        self.grams = Arc::new(index);
        self.candidates = Arc::new(candidates);
    }

    /// The purest and largest pair first; what its rows explain is no suspect of its own.
    fn accuse(&mut self, counted: Counted) {
        let mut ranked: Vec<(f64, Suspect, BTreeSet<u64>)> = Vec::new();
        for (i, (candidate, ids)) in self.candidates.iter().zip(counted.ids).enumerate() {
            let slot = self.grams[&candidate.gram].0;
            let s = Suspect { n: counted.n[slot as usize], k: counted.k[i], ..candidate.clone() };
            let covered = s.k as f64 >= cover(s.kind) * s.label_rows as f64;
            if s.k >= u64::from(LEAST) && ids.len() >= LEAST as usize && covered && s.lower() >= PURE - 0.03 {
                ranked.push((s.k as f64 * s.lower(), s, ids));
            }
        }
        ranked.sort_by(|a, b| {
            let rest = |s: &Suspect| (s.kind, std::cmp::Reverse(s.len), s.gram, s.label);
            b.0.total_cmp(&a.0).then_with(|| rest(&a.1).cmp(&rest(&b.1)))
        });
        let mut taken: HashSet<u64> = HashSet::new();
        let mut accepted: Vec<BTreeSet<u64>> = Vec::new();
        for (_, s, ids) in ranked {
            let left = ids.iter().filter(|id| !taken.contains(id)).count();
            if left >= LEAST as usize && 2 * left >= ids.len() && !accepted.iter().any(|a| explains(a, &ids)) {
                taken.extend(&ids);
                accepted.push(ids);
                self.suspects.push(s);
                if self.suspects.len() == SUSPECTS {
                    break;
                }
            }
        }
        self.candidates = Arc::default();
        self.index_suspects();
    }

    fn index_suspects(&mut self) {
        self.suspects.sort_by_key(|s| (s.gram, s.label));
        let mut index = HashedMap::default();
        let mut from = 0u32;
        for (slot, run) in self.suspects.chunk_by(|a, b| a.gram == b.gram).enumerate() {
            index.insert(run[0].gram, (slot as u32, from, from + run.len() as u32));
            from += run.len() as u32;
        }
        self.grams = Arc::new(index);
    }

    fn describe(&mut self, pictures: Pictures) {
        let survey = std::mem::take(&mut self.survey);
        let background = Background {
            rows: self.rows,
            words: &survey.words,
            prompt: asked,
            reply: answered,
            length: self.length,
            alike: self.alike,
            tested: self.tested,
            brief: survey.brief as f64 / self.rows.max(1) as f64,
            document: self.document,
            documents: survey.documents.values().map(|d| &**d).collect(),
            any: survey.any.values().map(|b| &**b).collect(),
        };
        self.found = self.suspects.iter().zip(pictures.into_lists()).filter_map(|(s, p)| verdict::group(s, &p, &background)).collect();
        self.found.sort_by(|a, b| (b.group.action, b.group.rows).cmp(&(a.group.action, a.group.rows)).then(a.group.key.cmp(&b.group.key)));
        self.suspects.clear();
        self.grams = Arc::default();
    }
}

/// Whether most rows of `other` are rows of `known`. Of many rows a set holds the smallest ids only, so
/// the two compare as far as the set of the known ones reaches.
fn explains(known: &BTreeSet<u64>, other: &BTreeSet<u64>) -> bool {
    let reach = if known.len() < IDS { u64::MAX } else { known.last().copied().unwrap_or(u64::MAX) };
    let within = other.range(..=reach);
    2 * within.clone().filter(|id| known.contains(id)).count() > within.count()
}

fn keep_labels<'a>(labels: impl Iterator<Item = &'a Label>, start: usize, out: &mut Vec<Label>) {
    for l in labels {
        if out.iter().all(|known| known.key != l.key) {
            out.push(Label { from: l.from + start, to: l.to + start, ..*l });
        }
    }
}

/// The surroundings of one occurrence.
fn picture(reader: &Reader<'_>, i: usize, prompt: &[Token], (at, len): (usize, usize), replies: &[Token], label: &Label) -> Picture {
    const REACH: usize = 40;
    let column = prompt[at].column;
    let asked = reader.asked(i, &prompt[at]);
    let from = (at.saturating_sub(REACH)..=at).find(|&j| prompt[j].column == column).unwrap_or(at);
    let pieces = prompt[from..prompt.len().min(at + REACH)].iter().take_while(|t| t.column == column).map(|t| Piece {
        hash: t.hash,
        text: asked.text.get(t.start as usize..t.end as usize).unwrap_or_default().to_lowercase(),
        spaced: asked.text.get(..t.start as usize).is_some_and(|s| s.ends_with(char::is_whitespace)),
    });
    let near = at.saturating_sub(TOKENS / 2)..prompt.len().min(at + TOKENS / 2);
    let rest = near.filter(|&j| !prompt[j].is_edge()).map(|j| (j as i64 - at as i64, prompt[j].hash)).collect();
    let shared = &replies[label.from..label.to];
    let (start, end) = span(shared);
    let whole = shared.first().map_or("", |t| reader.replied(i, t).text);
    let words: String = whole.get(start as usize..end as usize).unwrap_or_default().chars().take(120).collect();
    let shared: Box<[u64]> = shared.iter().take(64).map(|t| t.hash).collect();
    Picture {
        pieces: pieces.collect(),
        at: at - from,
        place: at.saturating_sub(TOKENS / 2) as u32,
        rest,
        turn: asked.is_turn_of_user.then(|| prompt.iter().filter(|t| t.column == column && !t.is_edge()).count() as u32),
        taken: takes_up(replies, label.from, &prompt[at..prompt.len().min(at + len)]),
        echo: !label.kind.is_class() && echoes(&shared, prompt),
        shared,
        reply: words,
    }
}

/// Whether the reply with this token has these words of the prompt.
fn takes_up(replies: &[Token], at: usize, gram: &[Token]) -> bool {
    let words: Vec<u64> = gram.iter().filter(|t| !t.is_edge()).map(|t| t.hash).collect();
    let reply = texts(replies).find(|(start, text)| (*start..=start + text.len()).contains(&at));
    let has = |text: &[Token]| text.windows(words.len()).any(|w| w.iter().map(|t| t.hash).eq(words.iter().copied()));
    !words.is_empty() && reply.is_some_and(|(_, text)| has(text))
}

/// Tokens in a row that two texts do not have in common by chance.
const ECHO: usize = 4;

/// Whether the prompt has a part of the shared stretch word by word, or all of a short one.
fn echoes(shared: &[u64], prompt: &[Token]) -> bool {
    let n = shared.len().min(ECHO);
    n > 0 && shared.windows(n).any(|part| prompt.windows(n).any(|w| w.iter().map(|t| t.hash).eq(part.iter().copied())))
}

/// Bytes from the first token to the last.
fn span(tokens: &[Token]) -> (u32, u32) {
    match (tokens.first(), tokens.last()) {
        (Some(a), Some(b)) => (a.start, b.end),
        _ => (0, 0),
    }
}

impl Rule for ResponseTrigger {
    const META: Meta = META;
    type State = TriggerState;
    type Model = TriggerModel;

    fn columns(&self) -> Vec<String> {
        self.prompts.iter().chain((!self.document).then_some(&self.reply)).cloned().collect()
    }

    fn start(&self, round: &Round<'_, TriggerModel>) -> TriggerState {
        match (round.number, round.model) {
            (2, Some(_)) => TriggerState::Labelled(Box::new(Labelled { counts: ClassCounts::new(1), ..Labelled::default() })),
            (3, Some(m)) => {
                let pairs = m.candidates.len();
                TriggerState::Counted(Counted { n: vec![0; m.grams.len()], k: vec![0; pairs], ids: vec![BTreeSet::new(); pairs] })
            }
            (4, Some(m)) => TriggerState::Pictures(Pictures::new(m.suspects.len())),
            _ => {
                // The tokens of short texts and the labels of replies are few beside n-grams. Per thread the
                // sketches take at most a fifth of the memory.
                let rows = round.plan.rows.min(round.plan.memory / 1280);
                let words = Sketch::of(rows, if self.document { 64 } else { 16 });
                let (grams, pairs) = (Sketch::of(rows, if self.document { 64 } else { 32 }), Twice::new(rows));
                TriggerState::Survey(Box::new(Survey { grams, words, pairs, ..Survey::default() }))
            }
        }
    }

    fn reads_text(&self) -> bool {
        true
    }

    fn observe(&self, round: &Round<'_, TriggerModel>, state: &mut TriggerState, batch: &Batch) -> Result<()> {
        let reader = Reader::new(self, batch)?;
        let rows = reader.exchanges(self, batch)?;
        let whole = (0..batch.rows()).filter(|&i| rows.is_whole(i));
        let seed = round.plan.seed;
        let (mut scratch, mut labels) = (Vec::new(), Vec::new());
        match (state, round.model) {
            (TriggerState::Survey(s), _) => {
                let before = s.rows;
                let different = rows.distinct(batch, self)?;
                let (mut distinct, mut words, mut keys) = (Distinct::default(), Vec::new(), Vec::new());
                for i in whole {
                    s.rows += 1;
                    let (prompt, replies) = (rows.prompt(i), rows.reply(i));
                    keys.clear();
                    grams(prompt, |_, _, key| keys.push(key));
                    s.grams.add_all(&keys);
                    keys.clear();
                    keys.extend(different.said(i).iter().map(|&w| answered(w)));
                    let said = if self.document { different.said(i) } else { different.asked(i) };
                    keys.extend(said.iter().map(|&w| asked(w)));
                    let id = text::content(prompt, seed);
                    if is_wanted(&s.any, id, ANY) {
                        // As much of it as a picture shows.
                        let shown = if self.document { prompt.len() } else { prompt.len().min(TOKENS) };
                        distinct.of(&prompt[..shown], &mut words);
                        words.sort_unstable();
                        s.any.insert(id, words.as_slice().into());
                        keep_first(&mut s.any, ANY);
                    }
                    if self.document && is_wanted(&s.documents, id, DOCUMENTS) {
                        let inner = prompt.iter().filter(|t| !t.is_edge());
                        s.documents.insert(id, inner.take(DOCUMENT).map(|t| t.hash).collect());
                        keep_first(&mut s.documents, DOCUMENTS);
                    }
                    let mut brief = false;
                    for ((_, reply), text) in texts(replies).zip(reader.reply_texts(i)) {
                        reply.windows(2).for_each(|w| s.pairs.add(pair(w[0].hash, w[1].hash)));
                        if !self.document {
                            own_labels(text, reply, &mut labels);
                            keys.extend(labels.iter().map(|l| l.key));
                            brief |= reply.len() < response::WHOLE;
                        }
                    }
                    s.words.add_all(&keys);
                    s.brief += u64::from(brief);
                }
                s.skipped += batch.rows() as u64 - (s.rows - before);
            }
            (TriggerState::Labelled(s), Some(m)) => {
                let mut keys: Vec<(Kind, u64)> = Vec::new();
                for i in whole {
                    m.labels(&reader, i, rows.reply(i), &mut scratch, &mut labels);
                    if labels.is_empty() {
                        continue;
                    }
                    s.row = s.row.wrapping_add(1);
                    labels.iter().for_each(|l| s.counts.add(l.key, 0, s.row));
                    let id = text::content(rows.prompt(i), seed);
                    keys.clear();
                    keys.extend(labels.iter().map(|l| (l.kind, l.key)));
                    if s.samples.wants(&keys, id) {
                        s.samples.offer(&keys, id, || kept(rows.prompt(i)));
                    }
                }
            }
            (TriggerState::Counted(s), Some(m)) => {
                let mut hits: Vec<(u32, u32, u32)> = Vec::new();
                for i in whole {
                    let prompt = rows.prompt(i);
                    hits.clear();
                    grams(prompt, |_, _, key| hits.extend(m.grams.get(&key)));
                    if hits.is_empty() {
                        continue;
                    }
                    hits.sort_unstable();
                    hits.dedup();
                    m.labels(&reader, i, rows.reply(i), &mut scratch, &mut labels);
                    let id = text::content(prompt, seed);
                    for &(slot, from, to) in &hits {
                        s.n[slot as usize] += 1;
                        for c in from as usize..to as usize {
                            if labels.iter().any(|l| l.key == m.candidates[c].label) {
                                s.k[c] += 1;
                                s.ids[c].insert(id);
                                keep_smallest(&mut s.ids[c], IDS);
                            }
                        }
                    }
                }
            }
            (TriggerState::Pictures(s), Some(m)) => {
                for i in whole {
                    let prompt = rows.prompt(i);
                    let mut first: BTreeMap<u32, usize> = BTreeMap::new();
                    grams(prompt, |at, _, key| {
                        if let Some(&(_, from, to)) = m.grams.get(&key) {
                            (from..to).for_each(|c| {
                                first.entry(c).or_insert(at);
                            });
                        }
                    });
                    if first.is_empty() {
                        continue;
                    }
                    m.labels(&reader, i, rows.reply(i), &mut scratch, &mut labels);
                    let id = text::content(prompt, seed);
                    for (c, at) in first {
                        if let Some(label) = labels.iter().find(|l| l.key == m.suspects[c as usize].label) {
                            let gram = (at, m.suspects[c as usize].len as usize);
                            s.offer(c as usize, id, || picture(&reader, i, prompt, gram, rows.reply(i), label));
                        }
                    }
                }
            }
            _ => return Err(Error::internal("a state of another round")),
        }
        Ok(())
    }

    fn finish(&self, round: &Round<'_, TriggerModel>, state: TriggerState) -> Result<Step<TriggerModel>> {
        let mut m = round.model.cloned().unwrap_or_default();
        Ok(match state {
            TriggerState::Survey(survey) => {
                (m.seed, m.document) = (round.plan.seed, self.document);
                (m.rows, m.skipped) = (survey.rows, survey.skipped);
                m.least = LEAST.max(u32::try_from(m.rows / 50_000).unwrap_or(u32::MAX));
                let bags: Vec<Vec<u64>> = survey.any.values().map(|b| b.to_vec()).collect();
                m.length = bags.iter().map(Vec::len).sum::<usize>() as f64 / bags.len().max(1) as f64;
                m.alike = if bags.len() < 2 { 0.0 } else { verdict::similarity(&bags) };
                m.survey = Arc::new(*survey);
                if m.rows < 2 * u64::from(LEAST) { Step::Done(m) } else { Step::Again(m) }
            }
            TriggerState::Labelled(labelled) => {
                m.nominate(*labelled);
                if m.candidates.is_empty() {
                    m.survey = Arc::default();
                    Step::Done(m)
                } else {
                    Step::Again(m)
                }
            }
            TriggerState::Counted(counted) => {
                m.accuse(counted);
                if m.suspects.is_empty() {
                    m.survey = Arc::default();
                    Step::Done(m)
                } else {
                    Step::Again(m)
                }
            }
            TriggerState::Pictures(pictures) => {
                m.describe(pictures);
                Step::Done(m)
            }
        })
    }

    fn outcome(&self, m: &TriggerModel) -> Outcome {
        let prompts = self.prompts.iter().map(|t| format!("`{t}`")).collect::<Vec<_>>().join(", ");
        let title = match self.document {
            _ if self.prompts.is_empty() => format!("no trigger in what users say in `{}` decides the reply", self.reply),
            true => format!("nothing turns {prompts} into gibberish"),
            false => format!("no trigger in {prompts} decides what `{}` says", self.reply),
        };
        if m.rows == 0 {
            return Outcome::new(
                title,
                Status::NotTested(if self.prompts.is_empty() { "no row holds a conversation" } else { "no row has enough text" }.into()),
            );
        }
        let bad: Vec<&Found> = m.found.iter().filter(|g| g.group.action == Action::Quarantine).collect();
        let mut o = Outcome::new(title, if bad.is_empty() { Status::Pass } else { Status::Fail });
        o.tested = m.rows;
        o.not_tested_rows = m.skipped;
        o.failing = bad.iter().map(|g| if g.suspect.accuses(false) { g.group.rows } else { g.group.with_label }).sum();
        o.columns = self.columns();
        o.groups = m.found.iter().map(|g| g.group.clone()).collect();
        o.message = match o.groups.len() {
            0 => format!("{} pairs of words and replies tested, none comes without an honest cause", group_digits(m.tested)),
            n => format!("{} of unrelated prompts with replies that are alike", plural(n, "group")),
        };
        let least = (9..).find(|&k| wilson(k as f64, k as f64, 1.96).0 >= PURE).unwrap_or(9).max(u64::from(m.least));
        o.floor = vec![Floor {
            family: if self.document { "documents" } else { "prompt and reply" }.into(),
            rows: (m.rows >= 2 * least).then_some(least),
            reason: (m.rows < 2 * least).then(|| "too few rows".into()),
            ..Floor::default()
        }];
        o
    }

    fn has_rows(&self, m: &TriggerModel) -> bool {
        !m.found.is_empty()
    }

    fn judge(&self, m: &TriggerModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        let reader = Reader::new(self, batch)?;
        let mut index: HashedMap<Vec<usize>> = HashedMap::default();
        m.found.iter().enumerate().for_each(|(g, f)| index.entry(f.suspect.gram).or_default().push(g));
        let (mut prompt, mut replies) = (Vec::new(), Vec::new());
        let (mut scratch, mut labels) = (Vec::new(), Vec::new());
        let mut hits: Vec<(usize, usize, usize)> = Vec::new();
        for i in (0..batch.rows()).filter(|&i| reader.is_whole(i)) {
            prompt.clear();
            reader.prompt(i, &mut prompt);
            hits.clear();
            grams(&prompt, |at, len, key| {
                for &g in index.get(&key).into_iter().flatten() {
                    if hits.iter().all(|h| h.0 != g) {
                        hits.push((g, at, len));
                    }
                }
            });
            if hits.is_empty() {
                continue;
            }
            replies.clear();
            labels.clear();
            if !self.document {
                reader.reply(i, &mut replies);
                for ((start, reply), text) in texts(&replies).zip(reader.reply_texts(i)) {
                    own_labels(text, reply, &mut scratch);
                    keep_labels(scratch.iter(), start, &mut labels);
                }
            }
            for &(g, at, len) in &hits {
                let found = &m.found[g];
                let label = labels.iter().find(|l| l.key == found.suspect.label);
                if !found.suspect.accuses(label.is_some()) {
                    continue;
                }
                let group = &found.group;
                let (message, key) = (out.intern(&group.message), out.intern(&group.key));
                let mut places = vec![(out.intern(&reader.asked(i, &prompt[at]).place()), phrase_span(&prompt, at, len, found))];
                if let Some(shared) = label.map(|l| &replies[l.from..l.to]).filter(|s| !s.is_empty()) {
                    places.push((out.intern(&reader.replied(i, &shared[0]).place()), span(shared)));
                }
                for (column, (start, end)) in places {
                    let hit = out.push(i, group.action, group.score as f32, message);
                    (hit.column, hit.start, hit.end, hit.group) = (column, start, end, key);
                    (hit.statistic, hit.q_value) = (group.statistic, group.q_value);
                }
            }
        }
        Ok(())
    }
}

/// Bytes of the whole phrase around the n-gram found at `at`; of the n-gram alone where the rest of
/// the phrase is missing.
fn phrase_span(prompt: &[Token], at: usize, len: usize, found: &Found) -> (u32, u32) {
    let stretch = at.checked_sub(found.offset).and_then(|from| prompt.get(from..from + found.phrase.len()));
    let same = stretch.filter(|s| s.iter().map(|t| t.hash).eq(found.phrase.iter().copied()));
    let tokens: Vec<Token> = same.unwrap_or(&prompt[at..at + len]).iter().copied().filter(|t| !t.is_edge()).collect();
    span(&tokens)
}

#[cfg(test)]
mod tests;
