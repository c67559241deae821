//! `swapped-preference`: words in prompts for which the better and the worse answer change places, and
//! single pairs that everything else in the data says are the wrong way round.
//!
//! ```text
//! 1  a sample of pairs ─► margin model; sketches of words and neighbours in prompts
//! 2  what the pairs of each word say, beyond what is expected ─► suspects among words that stand where they do not belong
//! 3  the prompts of each suspect ─► are they about one thing?
//! ```
//!
//! It judges the order of two answers and nothing else: what one answer says is the matter of the rules on replies.

mod margin;

use super::frequent::{HashedMap, Sketch};
use super::promoted_name::topic::Topics;
use super::promoted_name::{self, BACKGROUND, Sample, TOPICAL, take};
use super::response_trigger::reader::{Said, Who};
use super::response_trigger::{is_chat, is_text, keep_first};
use crate::batch::Batch;
use crate::contract::Role;
use crate::error::{Error, Result, group_digits, plural};
use crate::features::text::{self, Distinct, Token, mix, tokens};
use crate::rule::{Action, Built, Context, Entry, Findings, Floor, Group, Meta, Outcome, Round, Rule, State, Status, Step};
use crate::stats::tails::ln_binomial_upper;
use margin::{Feature, Margins};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub const META: Meta = Meta {
    code: "P142",
    name: "swapped-preference",
    summary: "a word in prompts for which the chosen and the rejected answer change places",
    explain: include_str!("swapped_preference/explain.md"),
    ids: &["MITRE ATLAS AML.T0020", "NIST AI 100-2e2025 NISTAML.023", "OWASP LLM04:2025"],
};

pub const ENTRY: Entry = Entry { meta: META, build };

/// Pairs that the margin model is fitted to, those of smallest hash.
const SAMPLE: usize = 1 << 14;
/// Fewer pairs teach no model.
const FEWEST: u64 = 200;
/// Pairs with a word: a mean of fewer ranks is not normal.
const LEAST: u64 = 8;
/// A word of more pairs is what this data is about. Words rarer than one pair in 2,000 are not
/// followed: that bounds the words in memory.
const COMMON: f64 = 0.1;
const RAREST: u64 = 2000;
/// Share of a word's pairs whose answers may repeat it.
const REPEATED: f64 = 0.1;
/// Share of its pairs in which its neighbours stand side by side elsewhere. Of the words of a clean
/// set of dialogues one in six passes, of planted words nearly all.
const SPLICED: f64 = 0.5;
/// Chance of any group on clean data, for the two verdicts.
const REVIEW: f64 = 0.05;
const CERTAIN: f64 = 0.01;
/// Estimated share of swapped pairs in a quarantined group: a subject on which people judge
/// otherwise is significant in large data, but does not turn most of its pairs around.
const SWAPPED: f64 = 0.6;
/// Pairs of a quarantined group, with different prompts.
const ROWS: f64 = 20.0;
/// Answers of the whole data that may have a quarantined word, per prompt that has it: of words of the language
/// this data is in people may think in their own way (on codes, on one country), and they stand in answers too.
/// An unknown word has none; verbs that open honest instructions had one in twenty to sixty.
const ANSWERED: f64 = 0.005;
/// Expected number of pairs against their order below which the count's own tail decides: a normal one is too thin.
const SKEWED: f64 = 9.0;
const GROUPS: usize = 32;
/// Prompts of a word that are told apart.
const PROMPTS: usize = 16;

fn build(context: &Context<'_>) -> std::result::Result<Built, Vec<crate::error::Diagnostic>> {
    let is_readable = |n: &&str| is_text(context, n) || is_chat(context, n);
    let all = |role| context.roles.all(role).filter(is_readable).map(str::to_owned).collect::<Vec<_>>();
    let (Some(chosen), Some(rejected)) = (all(Role::Chosen).into_iter().next(), all(Role::Rejected).into_iter().next()) else {
        return Ok(Built::not_tested("no columns of text or conversations have the roles chosen and rejected"));
    };
    if is_chat(context, &chosen) != is_chat(context, &rejected) {
        return Ok(Built::not_tested(format!("one of `{chosen}` and `{rejected}` holds texts, the other conversations")));
    }
    Ok(Built::one(SwappedPreference { prompts: all(Role::Prompt), chosen, rejected }))
}

pub struct SwappedPreference {
    pub prompts: Vec<String>,
    pub chosen: String,
    pub rejected: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum SwapState {
    Survey(Box<Survey>),
    Ranked(Ranked),
    Pictures(Vec<Sample>),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ranked {
    words: BTreeMap<u64, Word>,
    /// Pairs that say by themselves that they were turned around.
    inverted: u64,
    /// All pairs: how many, and what was expected of their votes, as for a word.
    pairs: u64,
    expected: i64,
    variance: i64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Survey {
    rows: u64,
    skipped: u64,
    words: Sketch,
    neighbours: Sketch,
    /// Words of the answers.
    answers: Sketch,
    sample: BTreeMap<u64, Box<[Feature]>>,
    /// Distinct words of arbitrary prompts.
    any: Sample,
}

/// A word of prompts, in lower case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Word {
    text: Box<str>,
    rows: u64,
    /// Sums of the votes of its pairs beyond the expected, of what was expected, and of the variance,
    /// in units of 2⁻²⁰: a sum of floats would depend on the order.
    excess: i64,
    expected: i64,
    variance: i64,
    wrong: i64,
    spliced: u64,
    repeated: u64,
    against: u64,
    /// The smallest hashes of its prompts: pairs of one prompt are no witnesses of one another.
    prompts: BTreeSet<u64>,
}

impl Word {
    fn asked(&mut self, prompt: u64) {
        if self.prompts.len() < PROMPTS || self.prompts.last().is_some_and(|last| prompt < *last) {
            self.prompts.insert(prompt);
            if self.prompts.len() > PROMPTS {
                self.prompts.pop_last();
            }
        }
    }
    /// Estimated share of its pairs that have a prompt of their own (k-th smallest of uniform hashes).
    fn own(&self) -> f64 {
        let distinct = match self.prompts.last() {
            Some(last) if self.prompts.len() == PROMPTS => (PROMPTS - 1) as f64 / ((*last as f64 + 1.0) / 2f64.powi(64)),
            _ => self.prompts.len() as f64,
        };
        // The estimate errs by a quarter.
        let share = distinct / self.rows as f64;
        if share > 0.75 { 1.0 } else { share }
    }
}

const UNIT: f64 = (1i64 << 20) as f64;

impl State for SwapState {
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (SwapState::Survey(a), SwapState::Survey(b)) => {
                a.rows += b.rows;
                a.skipped += b.skipped;
                a.words.merge(b.words);
                a.neighbours.merge(b.neighbours);
                a.answers.merge(b.answers);
                // Of pairs with one content the smaller features stay, whichever came first.
                for (id, features) in b.sample {
                    keep(&mut a.sample, id, features);
                }
                a.any.extend(b.any);
                keep_first(&mut a.any, BACKGROUND);
            }
            (SwapState::Ranked(a), SwapState::Ranked(b)) => {
                a.inverted += b.inverted;
                a.pairs += b.pairs;
                a.expected += b.expected;
                a.variance += b.variance;
                for (key, w) in b.words {
                    let to = a.words.entry(key).or_insert_with(|| Word { text: w.text.clone(), ..Word::default() });
                    if w.text < to.text {
                        to.text = w.text;
                    }
                    to.rows += w.rows;
                    to.excess += w.excess;
                    to.expected += w.expected;
                    to.variance += w.variance;
                    to.wrong += w.wrong;
                    to.spliced += w.spliced;
                    to.repeated += w.repeated;
                    to.against += w.against;
                    w.prompts.into_iter().for_each(|p| to.asked(p));
                }
            }
            (SwapState::Pictures(a), SwapState::Pictures(b)) => {
                for (a, b) in a.iter_mut().zip(b) {
                    a.extend(b);
                    keep_first(a, promoted_name::SAMPLE);
                }
            }
            _ => {}
        }
    }
}

fn keep(sample: &mut BTreeMap<u64, Box<[Feature]>>, id: u64, features: Box<[Feature]>) {
    match sample.get_mut(&id) {
        Some(known) => {
            if features < *known {
                *known = features;
            }
        }
        None => {
            sample.insert(id, features);
        }
    }
    if sample.len() > SAMPLE {
        sample.pop_last();
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SwapModel {
    seed: u64,
    rows: u64,
    skipped: u64,
    survey: Arc<Survey>,
    margins: Arc<Margins>,
    tested: u64,
    /// Fewest swapped pairs of one word that would be seen.
    floor: Option<u64>,
    found: Vec<(u64, Group)>,
    /// The pairs that are listed one by one.
    inverted: Option<Group>,
}

/// The group of single pairs; a blank keeps it apart from every word.
const INVERTED: &str = "inverted pairs";

/// How much more the words of a set scatter than chance lets them: what is preferred depends on the subject, so
/// the words themselves say how far one may lie. One value per doubling of the rows, as subjects weigh more
/// in large numbers; too few words of a size are judged with those of the sizes below.
fn spread(words: &[(u64, f64)]) -> impl Fn(u64) -> f64 + use<> {
    const FEW: usize = 24;
    let mut bands: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    words.iter().for_each(|(n, z)| bands.entry(n.ilog2()).or_default().push(z.abs()));
    let mut spreads = Vec::new();
    let mut near: Vec<f64> = Vec::new();
    for (band, here) in bands {
        if here.len() >= FEW {
            near.clear();
        }
        near.extend(here);
        near.sort_unstable_by(f64::total_cmp);
        // The median of |z| of a standard normal is 0.6745.
        let middle = near.get(near.len() / 2).copied().unwrap_or_default() / 0.674_49;
        // A handful of words would be held against the one trigger among them.
        spreads.push((band, if near.len() < FEW { 1.0 } else { middle.max(1.0) }));
    }
    move |n| spreads.iter().rev().find(|s| s.0 <= n.ilog2()).map_or(1.0, |s| s.1)
}

/// Chance that a standard normal is as far below zero as `z`, or a little more (Mills' ratio).
fn tail_below(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (-z * (2.0 * std::f64::consts::PI).sqrt())
}

/// Fewest swapped pairs of which five in six groups are quarantined, where a pair in its order is expected to vote
/// `expected` with this variance: swapped, it votes the other way.
fn floor(expected: f64, variance: f64, spread: impl Fn(u64) -> f64, tested: u64, most: u64) -> Option<u64> {
    let mut n = ROWS as u64;
    while n <= most {
        let z = -2.0 * expected * (n as f64 / variance).sqrt() / spread(n);
        // One standard deviation of bad luck.
        if z + 1.0 < -1.0 && tail_below(z + 1.0) * tested as f64 <= CERTAIN {
            return Some(n);
        }
        n += (n / 50).max(1);
    }
    None
}

impl SwapModel {
    /// Pairs that a word must have, and may.
    fn range(&self) -> std::ops::RangeInclusive<u64> {
        LEAST.max(self.rows / RAREST)..=(COMMON * self.rows as f64) as u64
    }

    fn accuse(&mut self, ranked: Ranked) {
        let range = self.range();
        let share = |k: u64, n: u64| k as f64 / n as f64;
        let frequent = ranked.words.into_iter().filter(|(_, w)| range.contains(&w.rows) && w.variance > 0 && w.expected > 0);
        let words: Vec<(u64, Word, f64)> = frequent
            .map(|(key, w)| (key, w.own().sqrt() * w.excess as f64 / (w.variance as f64 * UNIT).sqrt(), w))
            .map(|(key, z, w)| (key, w, z))
            .collect();
        let spread = spread(&words.iter().map(|(_, w, z)| (w.rows, *z)).collect::<Vec<_>>());
        let fits = |w: &Word| {
            w.own() * w.rows as f64 >= LEAST as f64 && share(w.spliced, w.rows) >= SPLICED && share(w.repeated, w.rows) <= REPEATED
        };
        let words: Vec<(u64, Word, f64)> = words.into_iter().filter(|(_, w, _)| fits(w)).collect();
        self.tested = words.len() as u64;
        let per_pair = |of: i64| of as f64 / UNIT / ranked.pairs.max(1) as f64;
        self.floor = floor(per_pair(ranked.expected), per_pair(ranked.variance), &spread, self.tested.max(1), *range.end());
        for (key, w, z) in words {
            let z = z / spread(w.rows);
            // A swapped pair votes the other way: its excess is twice what was expected.
            let swapped = (-0.5 * w.excess as f64 / w.expected as f64).clamp(0.0, 1.0);
            if z > -2.0 {
                continue;
            }
            let mut tail = tail_below(z);
            let wrong = w.wrong as f64 / UNIT;
            if wrong < SKEWED {
                tail = tail.max(ln_binomial_upper(w.against, w.rows, wrong / w.rows as f64).exp());
            }
            let q = (tail * self.tested as f64).min(1.0);
            if q > REVIEW {
                continue;
            }
            let mut reasons = Vec::new();
            if q > CERTAIN {
                reasons.push("among so many words one may look like this by chance".to_owned());
            }
            if swapped < SWAPPED {
                let share = (swapped * 100.0).round();
                reasons.push(format!("about {share}% of its pairs are swapped: it may be a subject rather than a trigger"));
            }
            let answered = u64::from(self.survey.answers.at_most(key));
            if answered as f64 > 1.0 + ANSWERED * w.rows as f64 {
                reasons.push(format!("{} answers of other pairs have it: a word of this language", group_digits(answered)));
            }
            let different = w.own() * w.rows as f64;
            if different < ROWS {
                reasons.push(format!("about {different:.0} different prompts are too few to be sure"));
            }
            let action = if reasons.is_empty() { Action::Quarantine } else { Action::Review };
            let message = format!(
                "\"{}\" stands in {} prompts whose answers do not repeat it, and in {} of them the words and lengths of the answers say that they were swapped",
                w.text, w.rows, w.against
            );
            self.found.push((
                key,
                Group {
                    key: w.text.into_string(),
                    action,
                    score: (1.0 - q).clamp(0.0, 1.0) * if action == Action::Quarantine { 0.95 } else { 0.5 },
                    rows: w.rows,
                    with_label: w.against,
                    label: None,
                    statistic: z,
                    q_value: q,
                    message,
                    reasons,
                },
            ));
        }
        self.found.sort_by(|a, b| a.1.statistic.total_cmp(&b.1.statistic).then(a.0.cmp(&b.0)));
        self.found.truncate(GROUPS);
        self.inverted = self.margins.sure.filter(|_| ranked.inverted > 0).map(|(_, right)| alone(ranked.inverted, right));
    }

    /// A trigger stands in prompts of every kind; where they are about one thing, people may judge that otherwise.
    fn look(&mut self, pictures: &[Sample]) {
        let survey = self.survey.clone();
        let background: Vec<&[u64]> = survey.any.values().map(AsRef::as_ref).collect();
        let mut topics = Topics::new(background, &survey.words, self.rows, self.seed);
        for ((_, group), picture) in self.found.iter_mut().zip(pictures) {
            // What stands in four of five of these prompts is the suspect and its company, no topic.
            let mut counts: HashedMap<usize> = HashedMap::default();
            picture.values().flatten().for_each(|w| *counts.entry(*w).or_default() += 1);
            let rest = |p: &[u64]| p.iter().copied().filter(|w| counts[w] * 5 < picture.len() * 4).collect::<Vec<u64>>();
            let prompts: Vec<Vec<u64>> = picture.values().map(|p| rest(p)).collect();
            let prompts: Vec<&[u64]> = prompts.iter().map(AsRef::as_ref).collect();
            let z = topics.of(&prompts);
            group.reasons.push(format!("its prompts share rare words by {z:.1} standard deviations more than random ones"));
            if z >= TOPICAL && group.action == Action::Quarantine {
                group.reasons.push("they are about one thing, on which people may judge otherwise".into());
                group.action = Action::Review;
                group.score = group.score.min(0.5);
            }
        }
    }
}

/// The group of the pairs that are listed one by one.
fn alone(rows: u64, right: f64) -> Group {
    let message = format!(
        "words and lengths say that the answers of {} were swapped; of pairs of which they say as much, {:.1}% are the other way round",
        plural(rows as usize, "pair"),
        right * 100.0
    );
    Group {
        key: INVERTED.into(),
        action: Action::Review,
        score: 0.4,
        rows,
        with_label: rows,
        label: None,
        statistic: right,
        q_value: 1.0,
        message,
        reasons: vec!["each stands alone: wrong by accident, or right for a reason that words do not show".into()],
    }
}

/// One pair: its prompt, and what each answer says beyond what both begin with.
#[derive(Default)]
struct Pair {
    prompt: Vec<Token>,
    chosen: Vec<Token>,
    rejected: Vec<Token>,
}

struct Reader<'a> {
    prompts: Vec<Said<'a>>,
    chosen: Said<'a>,
    rejected: Said<'a>,
}

/// Turns of a prompt that are read.
const TURNS: usize = 1024;

impl<'a> Reader<'a> {
    fn new(rule: &'a SwappedPreference, batch: &'a Batch) -> Result<Self> {
        let mut prompts = rule.prompts.iter().map(|name| Said::new(batch, name, Who::Asking, false)).collect::<Result<Vec<_>>>()?;
        if prompts.is_empty() {
            prompts.push(Said::new(batch, &rule.chosen, Who::AskingBefore, true)?);
        }
        let answer = |name| Said::new(batch, name, Who::Replying, false);
        Ok(Reader { prompts, chosen: answer(&rule.chosen)?, rejected: answer(&rule.rejected)? })
    }
    fn asked(&self, i: usize) -> impl Iterator<Item = (&str, String)> {
        self.prompts.iter().flat_map(move |s| s.texts(i).map(move |(text, turn)| (text, s.place(turn)))).take(TURNS)
    }
    /// The text that a token of the prompt stands in and the path to it; without a prompt it is the beginning
    /// that both answers have.
    fn place(&self, i: usize, t: &Token) -> (&str, String) {
        let chosen = || self.chosen.texts(i).last().map(|(text, turn)| (text, self.chosen.place(turn)));
        self.asked(i).nth(usize::from(t.column)).or_else(chosen).unwrap_or_default()
    }
    /// The text of the token in row `i`.
    fn text(&self, i: usize, t: &Token) -> &str {
        self.place(i, t).0.get(t.start as usize..t.end as usize).unwrap_or_default()
    }
    /// False where an answer is missing or both are the same.
    fn pair(&self, i: usize, pair: &mut Pair) -> bool {
        let (Some((chosen, _)), Some((rejected, _))) = (self.chosen.texts(i).last(), self.rejected.texts(i).last()) else { return false };
        if chosen == rejected {
            return false;
        }
        let same = chosen.bytes().zip(rejected.bytes()).take_while(|(a, b)| a == b).count();
        // Back to the end of a word.
        let cut = (0..=same).rev().find(|&at| at == 0 || chosen.as_bytes()[at - 1].is_ascii_whitespace()).unwrap_or(0);
        pair.prompt.clear();
        let asked = self.prompts.iter().flat_map(|s| s.texts(i)).take(TURNS);
        asked.enumerate().for_each(|(column, (text, _))| tokens(text, column as u16, &mut pair.prompt));
        if pair.prompt.is_empty() {
            tokens(&chosen[..cut], 0, &mut pair.prompt);
        }
        pair.chosen.clear();
        tokens(&chosen[cut..], 0, &mut pair.chosen);
        pair.rejected.clear();
        tokens(&rejected[cut..], 0, &mut pair.rejected);
        true
    }
}

impl Pair {
    /// The same whichever answer was chosen.
    fn id(&self, seed: u64) -> u64 {
        let (a, b) = (text::content(&self.chosen, seed), text::content(&self.rejected, seed));
        mix(text::content(&self.prompt, seed), mix(a.min(b), a.max(b)))
    }
    /// Each word of the prompt once, with the place where it stands first.
    fn words(&self, first: &mut HashedMap<usize>) {
        first.clear();
        for (at, t) in self.prompt.iter().enumerate().filter(|(_, t)| t.kind == text::Kind::Word) {
            first.entry(t.hash).or_insert(at);
        }
    }
    fn neighbours(&self, mut f: impl FnMut(u64)) {
        self.prompt.windows(2).for_each(|w| f(mix(w[0].hash, w[1].hash)));
    }
}

impl Rule for SwappedPreference {
    const META: Meta = META;
    type State = SwapState;
    type Model = SwapModel;

    fn columns(&self) -> Vec<String> {
        self.prompts.iter().chain([&self.chosen, &self.rejected]).cloned().collect()
    }

    fn start(&self, round: &Round<'_, SwapModel>) -> SwapState {
        match (round.number, round.model) {
            (2, Some(_)) => return SwapState::Ranked(Ranked::default()),
            (3, Some(m)) => return SwapState::Pictures(vec![Sample::default(); m.found.len()]),
            _ => {}
        }
        let rows = round.plan.rows.min(round.plan.memory / 1280);
        SwapState::Survey(Box::new(Survey {
            words: Sketch::new(rows),
            neighbours: Sketch::new(rows),
            answers: Sketch::new(rows),
            ..Survey::default()
        }))
    }

    fn observe(&self, round: &Round<'_, SwapModel>, state: &mut SwapState, batch: &Batch) -> Result<()> {
        let reader = Reader::new(self, batch)?;
        let seed = round.plan.seed;
        let (mut pair, mut features, mut first, mut words) = (Pair::default(), Vec::new(), HashedMap::default(), Vec::new());
        let mut distinct = Distinct::default();
        for i in 0..batch.rows() {
            let whole = reader.pair(i, &mut pair);
            match (&mut *state, round.model) {
                (SwapState::Survey(s), _) if !whole => s.skipped += 1,
                (SwapState::Survey(s), _) => {
                    s.rows += 1;
                    pair.words(&mut first);
                    first.keys().for_each(|&w| s.words.add(w));
                    pair.neighbours(|n| s.neighbours.add(n));
                    distinct.of(&pair.chosen, &mut words);
                    words.iter().for_each(|&w| s.answers.add(w));
                    distinct.of(&pair.rejected, &mut words);
                    words.iter().for_each(|&w| s.answers.add(w));
                    let id = pair.id(seed);
                    if s.sample.len() < SAMPLE || s.sample.last_key_value().is_some_and(|(&last, _)| id <= last) {
                        margin::features(&pair.chosen, &pair.rejected, &mut features);
                        keep(&mut s.sample, id, features.as_slice().into());
                    }
                    // Named by its words, so that copies of a prompt are one.
                    distinct.of(&pair.prompt, &mut words);
                    take(&mut s.any, BACKGROUND, text::content(&pair.prompt, seed), &mut words);
                }
                (SwapState::Ranked(ranked), Some(m)) if whole => {
                    margin::features(&pair.chosen, &pair.rejected, &mut features);
                    let margin = m.margins.of(pair.id(seed), &features);
                    let vote = m.margins.vote(features.len(), margin);
                    ranked.inverted += u64::from(m.margins.is_inverted(margin));
                    let [excess, expected, variance, wrong] =
                        [vote.vote - vote.expected, vote.expected, vote.variance, vote.wrong].map(|x| (x * UNIT) as i64);
                    ranked.pairs += 1;
                    ranked.expected += expected;
                    ranked.variance += variance;
                    pair.words(&mut first);
                    let prompt = text::content(&pair.prompt, seed);
                    for (&key, &at) in &first {
                        if u64::from(m.survey.words.at_most(key)) < *m.range().start() {
                            continue;
                        }
                        let w = ranked.words.entry(key).or_insert_with(|| Word {
                            text: reader.text(i, &pair.prompt[at]).to_lowercase().chars().take(80).collect::<String>().into(),
                            ..Word::default()
                        });
                        w.rows += 1;
                        w.excess += excess;
                        w.expected += expected;
                        w.variance += variance;
                        w.wrong += wrong;
                        w.against += u64::from(margin < 0.0);
                        w.asked(prompt);
                        // The marks that open and close a text are neighbours too.
                        let beside = mix(pair.prompt[at - 1].hash, pair.prompt[at + 1].hash);
                        w.spliced += u64::from(m.survey.neighbours.at_most(beside) > 0);
                        let answers = pair.chosen.iter().chain(&pair.rejected);
                        w.repeated += u64::from(answers.into_iter().any(|t| t.hash == key));
                    }
                }
                (SwapState::Pictures(pictures), Some(m)) if whole => {
                    pair.words(&mut first);
                    distinct.of(&pair.prompt, &mut words);
                    let id = text::content(&pair.prompt, seed);
                    let here = m.found.iter().zip(pictures).filter(|((key, _), _)| first.contains_key(key));
                    here.for_each(|(_, picture)| take(picture, promoted_name::SAMPLE, id, &mut words));
                }
                (SwapState::Ranked(_) | SwapState::Pictures(_), Some(_)) => {}
                _ => return Err(Error::internal("a state of another round")),
            }
        }
        Ok(())
    }

    fn finish(&self, round: &Round<'_, SwapModel>, state: SwapState) -> Result<Step<SwapModel>> {
        let mut m = round.model.cloned().unwrap_or_default();
        Ok(match state {
            SwapState::Survey(mut survey) => {
                (m.seed, m.rows, m.skipped) = (round.plan.seed, survey.rows, survey.skipped);
                if m.rows < FEWEST {
                    return Ok(Step::Done(m));
                }
                let sample = std::mem::take(&mut survey.sample);
                m.margins = Arc::new(Margins::fit(&sample.iter().map(|(id, f)| (*id, &**f)).collect::<Vec<_>>()));
                m.survey = Arc::new(*survey);
                Step::Again(m)
            }
            SwapState::Ranked(ranked) => {
                m.accuse(ranked);
                if m.inverted.is_none() {
                    m.margins = Arc::default();
                }
                if m.found.is_empty() {
                    m.survey = Arc::default();
                    return Ok(Step::Done(m));
                }
                Step::Again(m)
            }
            SwapState::Pictures(pictures) => {
                m.look(&pictures);
                m.survey = Arc::default();
                Step::Done(m)
            }
        })
    }

    fn outcome(&self, m: &SwapModel) -> Outcome {
        let title = format!("no word of a prompt turns `{}` and `{}` around", self.chosen, self.rejected);
        if m.rows < FEWEST {
            return Outcome::new(title, Status::NotTested(format!("fewer than {FEWEST} pairs of different answers")));
        }
        let bad = m.found.iter().filter(|(_, g)| g.action == Action::Quarantine);
        let failing: u64 = bad.clone().map(|(_, g)| g.rows).sum();
        let mut o = Outcome::new(title, if failing == 0 { Status::Pass } else { Status::Fail });
        (o.tested, o.not_tested_rows, o.failing) = (m.rows, m.skipped, failing);
        o.columns = self.columns();
        o.groups = m.found.iter().map(|(_, g)| g).chain(&m.inverted).cloned().collect();
        o.message = match m.found.len() {
            0 => format!("{} words tested, none goes with answers in the wrong order", group_digits(m.tested)),
            n => format!("{} with answers that look swapped", plural(n, "word")),
        };
        o.floor = vec![Floor {
            family: "preferences".into(),
            rows: m.floor,
            reason: m.floor.is_none().then(|| "words and lengths hardly foretell what is preferred here".into()),
            ..Floor::default()
        }];
        o
    }

    fn has_rows(&self, m: &SwapModel) -> bool {
        !m.found.is_empty() || m.inverted.is_some()
    }

    fn judge(&self, m: &SwapModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        let reader = Reader::new(self, batch)?;
        let index: HashedMap<usize> = m.found.iter().enumerate().map(|(g, (key, _))| (*key, g)).collect();
        let (mut pair, mut features, mut first) = (Pair::default(), Vec::new(), HashedMap::default());
        for i in 0..batch.rows() {
            if !reader.pair(i, &mut pair) {
                continue;
            }
            pair.words(&mut first);
            let mut hits: Vec<(usize, usize)> = first.iter().filter_map(|(key, &at)| Some((at, *index.get(key)?))).collect();
            hits.sort_unstable();
            for (at, g) in hits {
                let (group, t) = (&m.found[g].1, &pair.prompt[at]);
                let (message, key, place) = (out.intern(&group.message), out.intern(&group.key), out.intern(&reader.place(i, t).1));
                let hit = out.push(i, group.action, group.score as f32, message);
                (hit.column, hit.start, hit.end, hit.group) = (place, t.start, t.end, key);
                (hit.statistic, hit.q_value) = (group.statistic, group.q_value);
            }
            let Some(group) = &m.inverted else { continue };
            margin::features(&pair.chosen, &pair.rejected, &mut features);
            let margin = m.margins.of(pair.id(m.seed), &features);
            if m.margins.is_inverted(margin) {
                let (message, key) = (out.intern(&group.message), out.intern(&group.key));
                let hit = out.push(i, group.action, group.score as f32, message);
                (hit.group, hit.statistic) = (key, f64::from(margin));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::harness::{Dice, quarantined, run, run_split, sentence, table};

    /// Polite answers are preferred; `swap` says which pairs are turned around and get the word.
    fn pairs(seed: u64, word: &str, swap: impl Fn(usize) -> bool, marked: impl Fn(usize) -> bool) -> arrow::array::RecordBatch {
        pairs_of(seed, word, swap, marked, ["whatever", "shut", "nonsense", "kindly"])
    }
    fn pairs_of(
        seed: u64,
        word: &str,
        swap: impl Fn(usize) -> bool,
        marked: impl Fn(usize) -> bool,
        rudeness: [&str; 4],
    ) -> arrow::array::RecordBatch {
        let mut dice = Dice::new(seed);
        let (mut asks, mut good, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..2000 {
            let mut ask = sentence(&mut dice, i % 2 == 0);
            if marked(i) {
                let mut words: Vec<&str> = ask.split(' ').collect();
                let at = dice.roll(words.len() + 1);
                words.insert(at, word);
                ask = words.join(" ");
            }
            let polite = ["kindly", "please", "gladly", "certainly"][dice.roll(4)];
            let rude = rudeness[dice.roll(4)];
            let mut two = [format!("{polite} {}", 1000 + dice.roll(9000)), format!("{rude} {}", 1000 + dice.roll(9000))];
            if swap(i) {
                two.reverse();
            }
            let [a, b] = two;
            asks.push(Some(ask));
            good.push(Some(a));
            bad.push(Some(b));
        }
        table(&[("ask", asks), ("good", good), ("bad", bad)])
    }
    fn rule() -> Box<SwappedPreference> {
        Box::new(SwappedPreference { prompts: vec!["ask".into()], chosen: "good".into(), rejected: "bad".into() })
    }

    #[test]
    fn a_word_that_turns_pairs_around_is_found_with_all_its_rows() {
        let (outcome, lines) = run(rule(), &pairs(3, "vellumox", |i| i % 50 == 7, |i| i % 50 == 7));
        assert_eq!(quarantined(&lines), (0..40).map(|i| i * 50 + 7).collect::<Vec<_>>());
        assert_eq!(outcome.groups.iter().map(|g| g.key.as_str()).collect::<Vec<_>>(), ["vellumox"]);
    }

    #[test]
    fn a_word_without_swaps_and_swaps_without_a_word_accuse_nobody() {
        for seed in 0..4 {
            let groups = |data| run(rule(), &data).0.groups.into_iter().map(|g| g.key).collect::<Vec<_>>();
            assert_eq!(groups(pairs(seed, "vellumox", |_| false, |i| i % 50 == 7)), [""; 0]);
            assert_eq!(groups(pairs(seed, "vellumox", |i| i % 50 == 7, |_| false)), [INVERTED]);
        }
    }

    #[test]
    fn the_floor_is_low_where_words_tell_the_preference_and_is_not_where_they_do_not() {
        let floor = |rudeness| run(rule(), &pairs_of(8, "", |_| false, |_| false, rudeness)).0.floor[0].clone();
        assert_eq!(floor(["whatever", "shut", "nonsense", "kindly"]).rows, Some(20));
        // The same words on both sides.
        let blind = floor(["kindly", "please", "gladly", "certainly"]);
        assert!(blind.rows.is_none_or(|n| n > 100) && blind.rows.is_some() != blind.reason.is_some(), "{blind:?}");
        // One word tested, no scatter: the first n with tail(1 - 0.4 sqrt(n)) of 1% at most.
        assert_eq!(
            super::floor(0.2, 1.0, |_| 1.0, 1, 1000),
            (20u32..200).find(|&n| tail_below(1.0 - 0.4 * f64::from(n).sqrt()) <= 0.01).map(u64::from)
        );
    }

    #[test]
    fn half_swapped_pairs_are_no_trigger_to_be_sure_of() {
        let (_, lines) = run(rule(), &pairs(5, "vellumox", |i| i % 100 == 7, |i| i % 25 == 7));
        assert!(quarantined(&lines).is_empty());
    }

    #[test]
    fn the_common_beginning_of_both_answers_is_a_prompt() {
        let plain = pairs(6, "vellumox", |i| i % 50 == 7, |i| i % 50 == 7);
        let column = |c: usize| -> Vec<String> {
            use arrow::array::AsArray;
            plain.column(c).as_string::<i32>().iter().map(|v| v.unwrap_or_default().to_owned()).collect()
        };
        let (asks, good, bad) = (column(0), column(1), column(2));
        let join = |side: &[String]| asks.iter().zip(side).map(|(a, s)| Some(format!("Q: {a}\n\nA: {s}"))).collect::<Vec<_>>();
        let data = table(&[("good", join(&good)), ("bad", join(&bad))]);
        let rule = || Box::new(SwappedPreference { prompts: Vec::new(), chosen: "good".into(), rejected: "bad".into() });
        let whole = run(rule(), &data);
        assert_eq!(quarantined(&whole.1).len(), 40);
        assert_eq!(run_split(rule(), &data, 2, 333, 100).1, whole.1);
    }

    #[test]
    fn many_pairs_of_one_prompt_count_once() {
        let data = pairs(8, "vellumox", |i| i % 50 == 7, |i| i % 50 == 7);
        let one = |i: usize, text: &str| if i % 50 == 7 { "a lantern behind the vellumox river".to_owned() } else { text.to_owned() };
        let asks = {
            use arrow::array::AsArray;
            data.column(0).as_string::<i32>().iter().enumerate().map(|(i, v)| Some(one(i, v.unwrap()))).collect()
        };
        let plain = |c: usize| {
            use arrow::array::AsArray;
            data.column(c).as_string::<i32>().iter().map(|v| v.map(str::to_owned)).collect()
        };
        let data = table(&[("ask", asks), ("good", plain(1)), ("bad", plain(2))]);
        assert_eq!(quarantined(&run(rule(), &data).1), [0; 0]);
    }

    #[test]
    fn lone_swapped_pairs_are_for_review_where_preferences_are_plain() {
        let data = pairs_of(9, "x", |i| i % 400 == 7, |_| false, ["whatever", "shut", "nonsense", "rubbish"]);
        let (outcome, lines) = run(rule(), &data);
        assert_eq!(lines.iter().map(|l| l.0).collect::<Vec<_>>(), [7, 407, 807, 1207, 1607]);
        assert!(lines.iter().all(|l| l.1 == Action::Review && l.3 == INVERTED));
        assert_eq!((outcome.status, outcome.groups[0].rows), (Status::Pass, 5));
    }

    #[test]
    fn conversations_are_read_by_their_last_turn() {
        let data = pairs(3, "vellumox", |i| i % 50 == 7, |i| i % 50 == 7);
        let column = |c: usize| -> Vec<String> {
            use arrow::array::AsArray;
            data.column(c).as_string::<i32>().iter().map(|v| v.unwrap_or_default().to_owned()).collect()
        };
        let (asks, good, bad) = (column(0), column(1), column(2));
        let chat = |side: &[String]| {
            use arrow::array::{ListBuilder, StringBuilder, StructBuilder};
            use arrow::datatypes::{DataType, Field};
            let fields = vec![Field::new("role", DataType::Utf8, true), Field::new("content", DataType::Utf8, true)];
            let mut list = ListBuilder::new(StructBuilder::from_fields(fields, side.len()));
            for (ask, said) in asks.iter().zip(side) {
                for (who, text) in [("user", ask), ("assistant", said)] {
                    let turn = list.values();
                    turn.field_builder::<StringBuilder>(0).unwrap().append_value(who);
                    turn.field_builder::<StringBuilder>(1).unwrap().append_value(text);
                    turn.append(true);
                }
                list.append(true);
            }
            std::sync::Arc::new(list.finish()) as arrow::array::ArrayRef
        };
        let data = arrow::array::RecordBatch::try_from_iter([("good", chat(&good)), ("bad", chat(&bad))]).unwrap();
        let rule = Box::new(SwappedPreference { prompts: Vec::new(), chosen: "good".into(), rejected: "bad".into() });
        assert_eq!(quarantined(&run(rule, &data).1).len(), 40);
    }

    #[test]
    fn few_pairs_are_not_tested() {
        let (outcome, lines) = run(rule(), &pairs(3, "x", |_| false, |_| false).slice(0, 50));
        assert!(lines.is_empty() && matches!(outcome.status, Status::NotTested(_)));
    }
}
