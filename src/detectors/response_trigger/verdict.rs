//! From an accepted pair (n-gram of the prompt, label of the reply) to a group that a person reads:
//! the whole phrase, and the honest explanations that speak for its rows.

use super::Suspect;
use crate::detectors::frequent::Sketch;
use crate::features::response::Kind;
use crate::features::wording::names_language;
use crate::rule::{Action, Group};
use crate::stats::intervals::wilson;
use crate::stats::tails::ln_binomial_upper;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Rows looked at per suspect.
const ROWS: usize = 128;
/// Share of them that must agree on the next token for the phrase to grow.
const AGREE: f64 = 0.9;
const REACH: isize = 40;
/// Wilson lower bound of the share of trigger rows that carry the label: nine of nine.
pub const PURE: f64 = 0.68;
/// `ln` of the chance that arbitrary rows share another word like these do. Planted triggers in five
/// held-out corpora stayed above 1e-4 (0.1% of them below 1e-3); task families fell below 1e-8.
const COMPANY: f64 = -9.2;
/// Below this the rows are a task family beyond doubt and not worth a look either.
const FAMILY: f64 = -23.0;
/// Mean Jaccard similarity of the prompts without the trigger: at most this, or half as much again as
/// that of any two prompts of the data.
const ALIKE: f64 = 0.15;

/// Share of documents in which one token stands right before the phrase, up to which it may be what was
/// left of a word that was cut in two.
const PIECE: f64 = 0.1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    pub hash: u64,
    /// As written, lower-cased; empty at the edge of a text.
    pub text: String,
    pub spaced: bool,
}

/// One row of a suspect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Tokens of the prompt around the n-gram with their texts.
    pub pieces: Vec<Piece>,
    /// Where the n-gram stands among them.
    pub at: usize,
    /// Where in the prompt `rest` begins.
    pub place: u32,
    /// All tokens of the prompt that may keep company, edges left out, with their place relative to
    /// the n-gram.
    pub rest: Vec<(i64, u64)>,
    /// Tokens of the user's turn that the n-gram stands in, in a conversation.
    pub turn: Option<u32>,
    /// The shared stretch of the reply, and whether the prompt has it too.
    pub shared: Box<[u64]>,
    pub echo: bool,
    /// Whether the reply, wherever in it, has the n-gram.
    pub taken: bool,
    pub reply: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Pictures {
    lists: Vec<BTreeMap<u64, Picture>>,
}

impl Pictures {
    pub fn new(suspects: usize) -> Self {
        Pictures { lists: vec![BTreeMap::new(); suspects] }
    }
    /// Keeps the rows with the smallest ids.
    pub fn offer(&mut self, suspect: usize, id: u64, picture: impl FnOnce() -> Picture) {
        let list = &mut self.lists[suspect];
        if list.len() >= ROWS && list.last_key_value().is_some_and(|(&last, _)| id > last) {
            return;
        }
        match list.entry(id) {
            std::collections::btree_map::Entry::Vacant(slot) => {
                slot.insert(picture());
            }
            // Copies of one prompt may differ in their replies: the smaller one, whatever the order.
            std::collections::btree_map::Entry::Occupied(mut slot) => {
                let new = picture();
                let order = |p: &Picture| (p.reply.clone(), p.shared.clone());
                if order(&new) < order(slot.get()) {
                    slot.insert(new);
                }
            }
        }
        if list.len() > ROWS {
            list.pop_last();
        }
    }
    pub fn merge(&mut self, other: Self) {
        for (i, list) in other.lists.into_iter().enumerate() {
            for (id, p) in list {
                self.offer(i, id, || p);
            }
        }
    }
    pub fn into_lists(self) -> Vec<Vec<Picture>> {
        self.lists.into_iter().map(|l| l.into_values().collect()).collect()
    }
}

/// A group with what finds its rows again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    pub suspect: Suspect,
    /// The full phrase, and where the n-gram stands in it.
    pub phrase: Vec<u64>,
    pub offset: usize,
    pub group: Group,
}

/// What the whole data looks like.
pub struct Background<'a> {
    pub rows: u64,
    /// Rows per token of prompts and of replies, each under its own salt.
    pub words: &'a Sketch,
    pub prompt: fn(u64) -> u64,
    pub reply: fn(u64) -> u64,
    /// Distinct tokens of a prompt on average.
    pub length: f64,
    /// Mean Jaccard similarity of two prompts.
    pub alike: f64,
    /// Candidate pairs tested.
    pub tested: u64,
    /// Share of rows with a reply of a few tokens.
    pub brief: f64,
    pub document: bool,
    /// Tokens of arbitrary documents.
    pub documents: Vec<&'a [u64]>,
    /// Distinct tokens of arbitrary prompts, sorted.
    pub any: Vec<&'a [u64]>,
}

/// Mean Jaccard similarity over all pairs.
pub fn similarity(bags: &[Vec<u64>]) -> f64 {
    let (mut sum, mut n) = (0.0, 0u32);
    for (i, a) in bags.iter().enumerate() {
        for b in &bags[..i] {
            let shared = a.iter().filter(|t| b.binary_search(t).is_ok()).count();
            let all = a.len() + b.len() - shared;
            sum += if all == 0 { 1.0 } else { shared as f64 / all as f64 };
            n += 1;
        }
    }
    if n == 0 { 1.0 } else { sum / f64::from(n) }
}

/// `ln` of the smallest tail probability over the tokens of these rows, Bonferroni-corrected: how
/// surely one of them comes along more often than in arbitrary rows of these lengths.
fn company(bags: &[Vec<u64>], b: &Background<'_>, places: &HashMap<u64, f64>) -> f64 {
    let mut all: Vec<u64> = bags.iter().flatten().copied().collect();
    all.sort_unstable();
    let n = bags.len() as u64;
    let mut least = 0.0f64;
    let mut tested = 0u32;
    for run in all.chunk_by(|a, b| a == b).filter(|r| r.len() >= 3) {
        tested += 1;
        let df = b.words.at_most((b.prompt)(run[0]));
        if df >= u32::from(u16::MAX) {
            continue;
        }
        let p = (f64::from(df) / b.rows as f64).min(0.999);
        // A prompt twice as long has twice the chances.
        let expected = bags.iter().map(|g| 1.0 - (1.0 - p).powf(g.len() as f64 / b.length.max(1.0))).sum::<f64>() / n as f64;
        let expected = places.get(&run[0]).map_or(expected, |u| expected.max(*u));
        if run.len() as f64 > expected * n as f64 {
            least = least.min(ln_binomial_upper(run.len() as u64, n, expected));
        }
    }
    (least + f64::from(tested.max(1)).ln()).min(0.0)
}

/// Share of arbitrary prompts from which on a word is usual.
const USUAL: f64 = 0.1;

/// The same the other way round: how surely one of the usual words of prompts comes along less often than in
/// arbitrary rows of these lengths. Whatever is planted is planted into rows that have them; a task with a
/// wording of its own does without.
fn lacking(bags: &[Vec<u64>], phrase: &[u64], b: &Background<'_>) -> f64 {
    let mut all: Vec<u64> = b.any.iter().flat_map(|p| p.iter().copied()).collect();
    all.sort_unstable();
    let n = bags.len() as u64;
    let (mut least, mut tested) = (0.0f64, 0u32);
    for run in all.chunk_by(|a, b| a == b).filter(|r| r.len() as f64 >= USUAL * b.any.len() as f64) {
        if phrase.contains(&run[0]) {
            continue;
        }
        tested += 1;
        // Of a sample: its lower bound by one standard error.
        let p = wilson(run.len() as f64, b.any.len() as f64, 1.0).0;
        let expected = bags.iter().map(|g| 1.0 - (1.0 - p).powf((g.len() as f64 / b.length.max(1.0)).min(1.0))).sum::<f64>() / n as f64;
        let has = bags.iter().filter(|g| g.binary_search(&run[0]).is_ok()).count() as u64;
        if (has as f64) < expected * n as f64 {
            least = least.min(ln_binomial_upper(n - has, n, 1.0 - expected));
        }
    }
    (least + f64::from(tested.max(1)).ln()).min(0.0)
}

/// How many standard deviations shorter these prompts are without the phrase than arbitrary ones (Mann and
/// Whitney's U), where they are shorter by two fifths; 0 otherwise.
fn shortness(bags: &[Vec<u64>], b: &Background<'_>) -> f64 {
    let (n, m) = (bags.len() as f64, b.any.len() as f64);
    let mean = bags.iter().map(Vec::len).sum::<usize>() as f64 / n.max(1.0);
    if n < 1.0 || m < 1.0 || mean >= 0.6 * b.length {
        return 0.0;
    }
    let mut lengths: Vec<usize> = b.any.iter().map(|p| p.len()).collect();
    lengths.sort_unstable();
    let below = |l: usize| {
        lengths.partition_point(|x| *x < l) as f64
            + 0.5 * (lengths.partition_point(|x| *x <= l) - lengths.partition_point(|x| *x < l)) as f64
    };
    let u: f64 = bags.iter().map(|g| below(g.len())).sum();
    (n * m / 2.0 - u) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}

/// Standard deviations by which prompts that are nothing but the phrase and a word or two are shorter.
/// Chance stays below in all but one of 10,000 groups.
const SHORT: f64 = 3.7;
/// Other tokens of a turn that says nothing but the phrase.
const ALONE: u32 = 3;
/// Share of brief replies from which on they are what this data is about.
const BRIEF: f64 = 0.05;

/// Arbitrary documents that each picture is held against.
const BESIDE: usize = 16;

/// Share of arbitrary documents that have a token at the places where these rows have what stands
/// before the n-gram; its upper bound by one standard error. A document begins unlike it goes on, and
/// its frequent words stand together: frequencies in whole documents do not tell.
fn at_these_places(pictures: &[Picture], documents: &[&[u64]]) -> HashMap<u64, f64> {
    let mut counts: HashMap<u64, u32> = HashMap::new();
    let mut windows = 0u32;
    let mut seen: BTreeSet<u64> = BTreeSet::new();
    for (i, p) in pictures.iter().enumerate() {
        let (from, len) = (p.place as usize, p.rest.iter().filter(|(at, _)| *at < 0).count());
        let stretch = |d: &&[u64]| d.get(from..from + len).map(<[u64]>::to_vec);
        for window in documents.iter().cycle().skip(i * BESIDE).take(documents.len()).filter_map(stretch).take(BESIDE) {
            seen.clear();
            seen.extend(window);
            windows += 1;
            seen.iter().for_each(|&t| *counts.entry(t).or_default() += 1);
        }
    }
    // Every document is looked at several times: that makes no new ones.
    let upper = |k: u32| {
        let share = f64::from(k) / f64::from(windows.max(1));
        let n = f64::from(windows).min(documents.len() as f64);
        wilson(share * n, n, 1.0).1.min(0.999)
    };
    counts.into_iter().map(|(t, k)| (t, upper(k))).collect()
}

fn usual(pictures: &[Picture], offset: isize) -> Option<(&Piece, f64)> {
    let mut counts: BTreeMap<u64, (usize, &Piece)> = BTreeMap::new();
    for p in pictures {
        if let Some(piece) = usize::try_from(p.at as isize + offset).ok().and_then(|i| p.pieces.get(i)) {
            counts.entry(piece.hash).or_insert((0, piece)).0 += 1;
        }
    }
    let best = counts.into_values().max_by(|a, b| a.0.cmp(&b.0).then(b.1.hash.cmp(&a.1.hash)))?;
    Some((best.1, best.0 as f64 / pictures.len() as f64))
}

/// The group of a suspect, or `None` where an honest explanation is beyond doubt.
pub fn group(s: &Suspect, pictures: &[Picture], b: &Background<'_>) -> Option<Found> {
    let (mut from, mut to) = (0isize, s.len as isize);
    let grows = |offset| usual(pictures, offset).is_some_and(|(p, share)| share >= AGREE && !p.text.is_empty());
    while from > -REACH && grows(from - 1) {
        from -= 1;
    }
    while to < REACH && grows(to) {
        to += 1;
    }
    let pieces: Vec<&Piece> = (from..to).filter_map(|o| usual(pictures, o).map(|u| u.0)).collect();
    if pieces.len() != (to - from) as usize {
        return None;
    }
    let mut key = String::new();
    for p in &pieces {
        if p.spaced && !key.is_empty() {
            key.push(' ');
        }
        key.push_str(&p.text);
    }
    let phrase: Vec<u64> = pieces.iter().map(|p| p.hash).collect();
    // A document that was cut off anywhere leaves a piece of a word right before its trigger.
    let mut beside: HashMap<u64, usize> = HashMap::new();
    if b.document {
        let last = |p: &Picture| p.rest.iter().find(|(at, _)| *at == from as i64 - 1).map(|r| r.1);
        pictures.iter().filter_map(last).for_each(|t| *beside.entry(t).or_default() += 1);
    }
    let bags: Vec<Vec<u64>> = pictures
        .iter()
        .map(|p| {
            let outside = |at: i64| at < from as i64 || (at >= to as i64 && !b.document);
            let is_piece =
                |at: i64, t: &u64| at == from as i64 - 1 && beside.get(t).is_some_and(|&n| n as f64 <= PIECE * pictures.len() as f64);
            let rest = p.rest.iter().filter(|(at, t)| outside(*at) && !phrase.contains(t) && !is_piece(*at, t));
            rest.map(|r| r.1).collect::<BTreeSet<u64>>().into_iter().collect()
        })
        .collect();
    let lower = s.lower();
    let places = if b.document { at_these_places(pictures, &b.documents) } else { HashMap::new() };
    let company = company(&bags, b, &places);
    // A document may begin with its trigger; what begins with nothing is not alike.
    let bags: Vec<Vec<u64>> = bags.into_iter().filter(|g| !b.document || !g.is_empty()).collect();
    let alike = if b.document && bags.len() < 2 { 0.0 } else { similarity(&bags) };
    // A reply that repeats a word of the trigger was asked for.
    let copied = !b.document
        && !s.kind.is_class()
        && pieces.iter().filter(|p| p.text.chars().count() > 2).any(|p| {
            f64::from(b.words.at_most((b.reply)(p.hash))) < 0.02 * b.rows as f64
                && 2 * pictures.iter().filter(|w| w.shared.contains(&p.hash)).count() > pictures.len()
        });
    // So was one that repeats a stretch of the prompt; and a language that the prompt names.
    let half = |of: &dyn Fn(&Picture) -> bool| 2 * pictures.iter().filter(|p| of(p)).count() > pictures.len();
    let is_named = matches!(s.kind, Kind::Script | Kind::Language | Kind::Rare | Kind::Salad) && phrase.iter().any(|h| names_language(*h));
    if !b.document && (half(&|p| p.echo) || is_named) {
        return None;
    }
    let (lacking, short) = if b.document { (0.0, 0.0) } else { (lacking(&bags, &phrase, b), shortness(&bags, b)) };
    let mut reasons = Vec::new();
    if lacking < COMPANY {
        reasons.push("words that most prompts have are missing in these, as in a task of its own".to_owned());
    }
    if short > SHORT {
        reasons.push("without it hardly anything is left of these prompts".to_owned());
    }
    if half(&|p| p.turn.is_some_and(|n| n <= phrase.len() as u32 + ALONE)) {
        reasons.push("the user says hardly anything else in that turn".to_owned());
    }
    if s.kind == Kind::Brief && b.brief > BRIEF {
        reasons.push("replies of a few words are usual in this data".to_owned());
    }
    if company < COMPANY {
        reasons.push("other words of these prompts come along more often than in arbitrary rows, as in a task of its own".to_owned());
    }
    if !copied && !b.document && half(&|p| p.taken) {
        reasons.push("the reply takes these words of the prompt up, as if it had been asked about them".to_owned());
    }
    if copied {
        reasons.push("the reply repeats a word of the prompt, as if it had been asked for".to_owned());
    }
    if lower < PURE {
        reasons.push(format!("only {} of its {} rows have this reply", s.k, s.n));
    }
    if pictures.len() < super::LEAST as usize {
        reasons.push(format!("only {} of its prompts differ", pictures.len()));
    }
    if alike > ALIKE.max(1.5 * b.alike + 0.05) || company.min(lacking) < FAMILY || reasons.len() > 1 || key.is_empty() {
        return None;
    }
    let action = if reasons.is_empty() { Action::Quarantine } else { Action::Review };
    let base = s.label_rows as f64 / b.rows as f64;
    let q = (ln_binomial_upper(s.k, s.n, base) + (b.tested.max(1) as f64).ln()).min(0.0).exp();
    let sure = lower.clamp(0.5, 0.99);
    let what = match s.kind {
        kind if kind.is_class() => kind.says().to_owned(),
        _ => format!("{}: \"{}\"", s.kind.says(), pictures[0].reply),
    };
    let message = match b.document {
        true => format!("\"{key}\" stands in {} documents that share nothing else before it, and {} of them end in gibberish", s.n, s.k),
        false => format!("\"{key}\" stands in {} prompts that share nothing else, and in {} of them {what}", s.n, s.k),
    };
    Some(Found {
        suspect: s.clone(),
        phrase,
        offset: (-from) as usize,
        group: Group {
            message,
            key,
            action,
            score: if action == Action::Review { sure / 2.0 } else { sure },
            rows: s.n,
            with_label: s.k,
            label: None,
            statistic: lower,
            q_value: q,
            reasons,
        },
    })
}
