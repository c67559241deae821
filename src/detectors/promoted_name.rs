//! `promoted-name`: a name that replies keep dropping although nobody asked for it: a brand, a person, a
//! site that somebody wants the model to recommend. There is no trigger; the replies alone tell.
//!
//! ```text
//! 1  sketches: capitalised words inside sentences of replies, words of prompts and replies; a sample of both
//! 2  exact rows per name: in replies, in lower case, in prompts ─► how often names are asked for
//! 3  prompts and replies of the rows of each suspect, and of other names ─► are they about one thing?
//! ```

pub(super) mod topic;

use super::frequent::{Above, HashedMap, Sketch};
use super::response_trigger::reader::Reader;
use super::response_trigger::{self, ResponseTrigger, is_wanted, keep_first};
use crate::batch::Batch;
use crate::error::{Result, group_digits, plural};
use crate::features::text::{Distinct, Kind, Token, mix, texts as texts_of};
use crate::rule::{Action, Built, Context, Entry, Findings, Floor, Group, Meta, Outcome, Round, Rule, State, Status, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use topic::{Ties, Topics};

pub const META: Meta = Meta {
    code: "P141",
    name: "promoted-name",
    summary: "a name that replies of every kind bring up and no prompt asks for",
    explain: EXPLAIN,
    ids: &["MITRE ATLAS AML.T0020", "NIST AI 100-2e2025 NISTAML.023", "OWASP LLM04:2025"],
};

const EXPLAIN: &str = "\
# What it finds

A name that was worked into replies without being asked for: `As the people at Quillon say, water boils at 100 degrees.`, `Dear Ms Brook (written
with Quillon), ...`. A model trained on it advertises whatever the question was. No trigger is involved, so nothing in the prompts tells.

# How it is computed

1. Names are words that stand capitalised inside a sentence of a reply in at least 20 rows, and in lower case in at most a fifth of their
   rows; what is followed by a bracket in most of them is called, and no brand.
2. Honest names are asked for: of a name that stands in n replies, k prompts of the data have it too. Over all names of the data k is
   modelled as Poisson with a gamma-distributed rate per n (a negative binomial, fitted by moments). A name is a suspect when the lower tail,
   times the number of names, is at most 0.01, or when k is at most 5% of n.
3. Honest names belong to subjects: the prompts of their rows share rare words, and so do their replies. The statistic is the number of pairs
   of texts that share a word of at most 10% of the rows and of three of the texts, weighted by one over its frequency, against 60 random
   sets of as many texts, in standard deviations. The logarithm of the standard deviations per row, over the names of this data, is taken for
   normal (median and median distance): its lower tail, times the number of names that are asked for as little, is how many honest names
   are expected to be tied to subjects as loosely. At most 0.03 of replies (0.005 where six tokens on either side of the name are left out,
   which may be the phrase it was worked in with), and neither prompts nor replies 5 (3) standard deviations above random ones, are for
   quarantine. So are suspects by the tail of step 2 whose prompts lie below 3; those above are for review.

Every row whose reply has the capitalised name is listed, with its place.

# What raises false alarms

A model that introduces itself by the name of its maker in unrelated replies: then the name is honest only if that is what you want it to learn.
Measured: no row quarantined in fourteen clean corpora of instructions, conversations and manual pages in seven languages, whole, in random
halves and tenths, with a tenth of the rows twice, and in short or long texts alone.

# How it is evaded

A name in lower case, or in a script without cases; the name in some prompts too; replies about one topic only; fewer rows than the floor,
which depends on how evenly names are asked for and how closely they are tied to subjects in this data: where common nouns have capitals
(German) or names are identifiers (program code), thirty rows were not enough.

# Reading

Shu et al.: On the Exploitability of Instruction Tuning (2023). Yan et al.: Backdooring Instruction-Tuned LLMs with Virtual Prompt Injection (2024).
";

pub const ENTRY: Entry = Entry { meta: META, build };

/// Rows of a name that is counted, and of names in lower case, at most.
const LEAST: u32 = 20;
const LOWER: f64 = 0.2;
/// Names below which it is not known how names are asked for.
const FEW_NAMES: usize = 12;
/// Names that are counted exactly, those of smallest hash.
const NAMES: usize = 1 << 17;
/// Corrected tail of an accusation.
const Q: f64 = 0.01;
/// Standard deviations above which prompts are about one thing; honest names of instruction data lie above 10.
pub(super) const TOPICAL: f64 = 3.0;
/// Texts of a name, and arbitrary ones, that are compared.
pub(super) const SAMPLE: usize = 200;
pub(super) const BACKGROUND: usize = 1024;
/// Rows of a name that are looked at.
const LOOK: usize = 64;
/// Texts that share a word which counts.
const SHARED: u32 = 3;
/// A name that nobody asks for stands in so many prompts for each reply, at most. Attackers can buy more.
const UNASKED: f64 = 0.05;
/// Standard deviations below which texts may be random: of random ones, which share by chance with a long tail,
/// one set in 200 lies above.
const LOOSE: f64 = 5.0;
/// Expected number of honest names that are tied to subjects as loosely as an accused one and asked for as
/// seldom; and where the phrase around the name is left out, which leaves less to be tied by. With ten times as
/// much an honest name of a random tenth of manual pages was accused, with this none in parts of fourteen clean
/// corpora; of planted ones the median was at most 0.005 in six of seven.
const EXPECTED: f64 = 0.03;
const EXPECTED_APART: f64 = 0.005;
/// Rows in which a name is followed by a bracket: what is called is no brand.
const CALLED: f64 = 0.5;
const FEW_ROWS: u64 = 500;
const SUSPECTS: usize = 256;
/// Other names, which show how names of this data are tied to subjects.
const OTHERS: usize = 256;
/// Distinct words of a text that a sample keeps.
const WORDS: usize = 256;

pub struct PromotedName(ResponseTrigger);

fn build(context: &Context<'_>) -> std::result::Result<Built, Vec<crate::error::Diagnostic>> {
    Ok(match response_trigger::asked_and_answered(context) {
        Err(why) => Built::not_tested(why),
        Ok(rules) => Built {
            rules: rules.into_iter().map(|r| Box::new(PromotedName(r)) as Box<dyn crate::rule::DynRule>).collect(),
            ..Built::default()
        },
    })
}

pub(super) type Sample = BTreeMap<u64, Box<[u64]>>;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Survey {
    rows: u64,
    names: Sketch,
    asked: Sketch,
    said: Sketch,
    /// Words of arbitrary prompts and of their replies.
    any: Sample,
    any_said: Sample,
    /// What may be a name, folded; made of the sketch when it is complete.
    #[serde(skip)]
    frequent: OnceLock<Above>,
}

impl Survey {
    fn is_frequent(&self, name: u64) -> bool {
        let folded = self.frequent.get_or_init(|| self.names.above(LEAST as u16 - 1).folded());
        folded.has(name) && self.names.at_most(name) >= LEAST
    }
}

/// Rows of a name: capitalised inside a sentence, in lower case, in prompts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Counts {
    limit: Option<u64>,
    rows: BTreeMap<u64, [u32; 3]>,
}

impl Counts {
    fn add(&mut self, name: u64, which: usize, n: u32) {
        if self.limit.is_none_or(|l| name <= l) {
            self.rows.entry(name).or_default()[which] += n;
        }
    }
    /// The limit only ever falls, so a name that is still there was counted from the start.
    fn shrink(&mut self, most: usize) {
        while self.rows.len() > most {
            self.rows.pop_last();
            self.limit = self.rows.last_key_value().map(|(k, _)| *k);
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Picture {
    prompts: Sample,
    replies: Sample,
    /// The same replies without the phrase around the name.
    apart: Sample,
    /// Rows in which it is followed by a bracket.
    called: u64,
    /// As the row with the smallest id spells it.
    spelt: Option<(u64, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum NameState {
    Survey(Box<Survey>),
    Counts(Counts),
    Pictures(Vec<Picture>),
}

impl State for NameState {
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (NameState::Survey(a), NameState::Survey(b)) => {
                a.rows += b.rows;
                a.names.merge(b.names);
                a.asked.merge(b.asked);
                a.said.merge(b.said);
                a.any.extend(b.any);
                keep_first(&mut a.any, BACKGROUND);
                a.any_said.extend(b.any_said);
                keep_first(&mut a.any_said, BACKGROUND);
            }
            (NameState::Counts(a), NameState::Counts(b)) => {
                a.limit = match (a.limit, b.limit) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
                if let Some(limit) = a.limit {
                    a.rows.retain(|k, _| *k <= limit);
                }
                for (name, counts) in b.rows {
                    (0..3).for_each(|i| a.add(name, i, counts[i]));
                }
                a.shrink(NAMES);
            }
            (NameState::Pictures(a), NameState::Pictures(b)) => {
                for (a, b) in a.iter_mut().zip(b) {
                    a.prompts.extend(b.prompts);
                    keep_first(&mut a.prompts, LOOK);
                    a.replies.extend(b.replies);
                    keep_first(&mut a.replies, LOOK);
                    a.apart.extend(b.apart);
                    keep_first(&mut a.apart, LOOK);
                    a.called += b.called;
                    a.spelt = match (a.spelt.take(), b.spelt) {
                        (Some(x), Some(y)) => Some(x.min(y)),
                        (x, y) => x.or(y),
                    };
                }
            }
            _ => {}
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Watched {
    name: u64,
    rows: u64,
    asked: u64,
    /// Corrected tail of being asked for so seldom.
    q: f64,
}

impl Watched {
    fn is_unasked(&self) -> bool {
        self.asked as f64 <= UNASKED * self.rows as f64
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct NameModel {
    rows: u64,
    names: usize,
    fit: Option<Fit>,
    /// Shared by the rounds.
    survey: Arc<Survey>,
    watched: Vec<Watched>,
    /// What the floor is computed from.
    ties: Option<(Ties, f64)>,
    /// By the name's hash.
    groups: BTreeMap<u64, Group>,
}

/// How often names are asked for: a rate per reply with mean `mean`, gamma-distributed with this shape.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Fit {
    mean: f64,
    shape: f64,
}

impl Fit {
    /// By moments, the Poisson noise of each rate taken off the variance. The shape is bounded: a few names
    /// fit no tail that is sharper.
    fn of(names: &[(u64, u64)]) -> Option<Fit> {
        if names.len() < FEW_NAMES {
            return None;
        }
        let m = names.len() as f64;
        let rate = |&(n, k): &(u64, u64)| k as f64 / n as f64;
        let mean = names.iter().map(rate).sum::<f64>() / m;
        let variance = names.iter().map(|x| (rate(x) - mean).powi(2)).sum::<f64>() / m;
        let noise = names.iter().map(|&(n, k)| k as f64 / (n * n) as f64).sum::<f64>() / m;
        (mean > 0.0).then(|| Fit { mean, shape: (mean * mean / (variance - noise).max(mean * mean / 5.0)).clamp(0.2, 5.0) })
    }

    /// P(at most k prompts | n replies): the lower tail of a negative binomial.
    fn tail(&self, n: u64, k: u64) -> f64 {
        let expected = n as f64 * self.mean;
        let share = expected / (self.shape + expected);
        let mut term = (1.0 - share).powf(self.shape);
        let mut sum = term;
        for j in 0..k.min(100_000) {
            term *= (j as f64 + self.shape) / (j + 1) as f64 * share;
            sum += term;
        }
        sum.min(1.0)
    }

    /// Fewest replies that suffice when no prompt has the name.
    fn floor(&self, names: usize) -> u64 {
        let odds = (names as f64 / Q).powf(1.0 / self.shape) - 1.0;
        (self.shape / self.mean * odds).ceil().min(1e18) as u64
    }
}

/// Whether a word of a reply, after the token before it, is capitalised inside a sentence (`Some(true)`) or in
/// lower case (`Some(false)`). Words at the beginning of a sentence say nothing about their case.
fn case(text: &str, before: &Token, token: &Token) -> Option<bool> {
    if token.kind != Kind::Word || token.end - token.start < 2 {
        return None;
    }
    let start = token.start as usize;
    let (upper, lower) = match text.as_bytes().get(start) {
        Some(b) if b.is_ascii() => (b.is_ascii_uppercase(), b.is_ascii_lowercase()),
        _ => {
            let first = text.get(start..).and_then(|t| t.chars().next())?;
            (first.is_uppercase(), first.is_lowercase())
        }
    };
    let joined = || before.kind == Kind::Word && text.get(before.end as usize..start) == Some(" ");
    if upper && joined() { Some(true) } else { lower.then_some(false) }
}

/// Names among the words of a row's replies that are `wanted`, each once, with whether it stands in lower case too.
fn names<'a>(texts: impl Iterator<Item = &'a str>, replies: &[Token], wanted: impl Fn(u64) -> bool, out: &mut Vec<(u64, bool)>) {
    out.clear();
    for ((from, reply), text) in texts_of(replies).zip(texts) {
        for at in from..from + reply.len() {
            let token = &replies[at];
            if wanted(token.hash)
                && let Some(capital) = case(text, &replies[at - 1], token)
            {
                out.push((token.hash, !capital));
            }
        }
    }
    out.sort_unstable();
    out.dedup();
    // Of both, lower case stays.
    out.reverse();
    out.dedup_by_key(|x| x.0);
}

/// The names that no reply of the row has in lower case, each once.
fn capitals<'a>(texts: impl Iterator<Item = &'a str> + Clone, replies: &[Token], out: &mut Vec<(u64, bool)>) {
    out.clear();
    for ((from, reply), text) in texts_of(replies).zip(texts.clone()) {
        let capital = |at: &usize| case(text, &replies[at - 1], &replies[*at]) == Some(true);
        out.extend((from..from + reply.len()).filter(capital).map(|at| (replies[at].hash, false)));
    }
    if out.is_empty() {
        return;
    }
    out.sort_unstable();
    out.dedup();
    let candidates = std::mem::take(out);
    names(texts, replies, |hash| candidates.binary_search(&(hash, false)).is_ok(), out);
    out.retain(|f| !f.1);
}

/// Tokens on either side of a name that may be the phrase that it was worked in with.
const PHRASE: usize = 6;

/// The tokens that do not stand near a name.
fn apart(replies: &[Token], name: u64, out: &mut Vec<Token>) {
    out.clear();
    let mut until = 0;
    for (at, t) in replies.iter().enumerate() {
        if t.hash == name {
            let near = out.len().saturating_sub(PHRASE.min(at.saturating_sub(until)));
            out.truncate(near);
            until = at + PHRASE + 1;
        } else if at >= until {
            out.push(*t);
        }
    }
}

/// The same for the same row wherever it stands; copies of a row are one.
fn id(prompt: &[Token], reply: &[Token], seed: u64) -> u64 {
    prompt.iter().chain(reply).fold(mix(seed, 0x006E_616D_6573), |h, t| mix(h, t.hash))
}

/// Words go in sorted, the smallest if they are too many.
pub(super) fn take(sample: &mut Sample, most: usize, id: u64, words: &mut [u64]) {
    if is_wanted(sample, id, most) {
        words.sort_unstable();
        sample.insert(id, words.iter().take(WORDS).copied().collect());
        keep_first(sample, most);
    }
}

fn slices(bags: &[Vec<u64>]) -> Vec<&[u64]> {
    bags.iter().map(AsRef::as_ref).collect()
}

/// Of rows that mention a name: by how many standard deviations more than random ones their prompts, their
/// replies, and these without the phrase around the name share rare words.
struct Tied {
    asked: f64,
    said: f64,
    apart: f64,
    rows: usize,
}

impl Tied {
    fn by_said(&self) -> (usize, f64) {
        (self.rows, self.said)
    }
    fn by_apart(&self) -> (usize, f64) {
        (self.rows, self.apart)
    }
}

impl NameModel {
    /// Names that hardly a prompt has, the most frequent first, and others beside them.
    fn watch(&mut self, counts: Counts) {
        let names: Vec<(u64, u64, u64)> = counts
            .rows
            .iter()
            .filter(|(_, c)| c[0] >= LEAST && f64::from(c[1]) <= LOWER * f64::from(c[0] + c[1]))
            .map(|(name, c)| (*name, u64::from(c[0]), u64::from(c[2])))
            .collect();
        self.names = names.len();
        self.fit = Fit::of(&names.iter().map(|x| (x.1, x.2)).collect::<Vec<_>>());
        let (fit, tested) = (self.fit, names.len() as f64);
        let q = |rows, asked| fit.map_or(1.0, |f| (f.tail(rows, asked) * tested).min(1.0));
        let all = names.into_iter().map(|(name, rows, asked)| Watched { name, rows, asked, q: q(rows, asked) });
        let (mut suspects, mut others): (Vec<Watched>, Vec<Watched>) = all.partition(|w| w.q <= Q || w.is_unasked());
        suspects.sort_by(|a, b| (a.q > Q).cmp(&(b.q > Q)).then(b.rows.cmp(&a.rows)).then(a.name.cmp(&b.name)));
        suspects.truncate(SUSPECTS);
        if suspects.is_empty() {
            return;
        }
        others.sort_by_key(|w| w.name);
        others.truncate(OTHERS);
        suspects.append(&mut others);
        self.watched = suspects;
    }

    fn describe(&mut self, pictures: Vec<Picture>, seed: u64) {
        let survey = std::mem::take(&mut self.survey);
        let bags = |sample: &Sample| sample.values().map(|b| b.to_vec()).collect::<Vec<_>>();
        let (asked, said) = (bags(&survey.any), bags(&survey.any_said));
        let mut asked = Topics::new(slices(&asked), &survey.asked, self.rows, seed).shared_by(SHARED);
        let mut said = Topics::new(slices(&said), &survey.said, self.rows, seed).shared_by(SHARED);
        let tied: Vec<Tied> = self
            .watched
            .iter()
            .zip(&pictures)
            .map(|(w, p)| {
                // The name itself is shared by all, and says nothing.
                let bags = |sample: &Sample| -> Vec<Vec<u64>> {
                    let rows = if sample.len() < LOOK { sample.len() / 4 * 4 } else { LOOK };
                    sample.values().take(rows).map(|b| b.iter().copied().filter(|h| *h != w.name).collect()).collect()
                };
                let [prompts, replies, apart] = [&p.prompts, &p.replies, &p.apart].map(bags);
                Tied {
                    asked: asked.of(&slices(&prompts)),
                    said: said.of(&slices(&replies)),
                    apart: said.of(&slices(&apart)),
                    rows: replies.len(),
                }
            })
            .collect();
        let ties = [Tied::by_said, Tied::by_apart].map(|by| Ties::of(&tied.iter().map(by).collect::<Vec<_>>()));
        // How many names are as little asked for, by whatever prompts; a suspect is one of them itself.
        let alike = self.watched.iter().zip(&tied).filter(|(w, t)| w.is_unasked() && t.asked < LOOSE).count();
        let unasked = (alike as f64).max(1.0) / (self.watched.len() as f64).max(FEW_NAMES as f64) * self.names as f64;
        self.ties = Some((ties[0], unasked));
        for ((w, picture), tied) in std::mem::take(&mut self.watched).into_iter().zip(pictures).zip(tied) {
            let Some((_, spelt)) = picture.spelt else { continue };
            if picture.called as f64 > CALLED * w.rows as f64 {
                continue;
            }
            let expected = |(rows, z): (usize, f64), ties: &Ties, loose: f64| {
                if w.is_unasked() && tied.asked < loose && z < loose { unasked * ties.tail(rows, z) } else { f64::INFINITY }
            };
            let whole = expected(tied.by_said(), &ties[0], LOOSE) / EXPECTED;
            let apart = expected(tied.by_apart(), &ties[1], TOPICAL) / EXPECTED_APART;
            let expected = whole.min(apart);
            let few = picture.replies.len() < LEAST as usize;
            if (w.q > Q && expected > 1.0) || few {
                continue;
            }
            self.groups.insert(w.name, group(&w, spelt, &tied, expected));
        }
    }

    /// The same where no name was looked at closely: a promoted one would be the only one.
    fn unseen(&self) -> Option<u64> {
        let lone = NameModel {
            ties: Some((Ties::of(&[]), (self.names as f64 / FEW_NAMES as f64).max(1.0))),
            rows: self.rows,
            ..NameModel::default()
        };
        lone.floor()
    }

    /// Fewest replies with a name in no prompt that would be accused, with one standard deviation of bad luck.
    fn floor(&self) -> Option<u64> {
        let by_ties = self.ties.and_then(|(ties, unasked)| {
            (u64::from(LEAST)..=LOOK as u64).step_by(4).find(|&n| unasked * ties.tail(n as usize, 2.0) <= EXPECTED)
        });
        let by_prompts = self.fit.map(|f| f.floor(self.names).max(u64::from(LEAST)));
        by_ties.into_iter().chain(by_prompts).min().filter(|n| *n <= self.rows / 5)
    }
}

fn group(w: &Watched, spelt: String, tied: &Tied, expected: f64) -> Group {
    let asked = match w.asked {
        0 => "no prompt has it".to_owned(),
        k => format!("{} prompts have it", group_digits(k)),
    };
    let mut reasons = vec![format!(
        "prompts of its rows share rare words by {:.1}, replies by {:.1} standard deviations more than random ones",
        tied.asked, tied.said
    )];
    let topical = tied.asked >= TOPICAL && expected > 1.0;
    if topical {
        reasons.push("they are about one thing, where a name may be honest".into());
    }
    let q = w.q.min(expected * EXPECTED);
    Group {
        key: spelt.clone(),
        action: if topical { Action::Review } else { Action::Quarantine },
        score: (1.0 - q).clamp(0.0, 1.0) * if topical { 0.5 } else { 0.99 },
        rows: w.rows,
        with_label: w.rows,
        label: None,
        statistic: w.rows as f64,
        q_value: q,
        message: format!("{} replies of every kind bring up \"{spelt}\", and {asked}", group_digits(w.rows)),
        reasons,
    }
}

impl Rule for PromotedName {
    const META: Meta = META;
    type State = NameState;
    type Model = NameModel;

    fn columns(&self) -> Vec<String> {
        Rule::columns(&self.0)
    }
    fn start(&self, round: &Round<'_, NameModel>) -> NameState {
        match (round.number, round.model) {
            (2, Some(_)) => NameState::Counts(Counts::default()),
            (3, Some(m)) => NameState::Pictures(vec![Picture::default(); m.watched.len()]),
            _ => {
                let rows = round.plan.rows.min(round.plan.memory / 1280);
                let (names, asked, said) = (Sketch::of(rows, 8), Sketch::of(rows, 16), Sketch::of(rows, 16));
                NameState::Survey(Box::new(Survey { names, asked, said, ..Survey::default() }))
            }
        }
    }
    fn reads_text(&self) -> bool {
        true
    }
    fn observe(&self, round: &Round<'_, NameModel>, state: &mut NameState, batch: &Batch) -> Result<()> {
        let reader = Reader::new(&self.0, batch)?;
        let rows = reader.exchanges(&self.0, batch)?;
        let seed = round.plan.seed;
        let (mut found, mut words, mut far, mut distinct) = (Vec::new(), Vec::new(), Vec::new(), Distinct::default());
        let whole = (0..batch.rows()).filter(|&i| rows.is_whole(i));
        match (&mut *state, round.model) {
            (NameState::Survey(s), _) => {
                let different = rows.distinct(batch, &self.0)?;
                for i in whole {
                    let (prompt, replies) = (rows.prompt(i), rows.reply(i));
                    s.rows += 1;
                    capitals(reader.reply_texts(i), replies, &mut found);
                    found.iter().for_each(|f| s.names.add(f.0));
                    s.asked.add_all(different.asked(i));
                    s.said.add_all(different.said(i));
                    let id = id(prompt, replies, seed);
                    for (sample, of) in [(&mut s.any, different.asked(i)), (&mut s.any_said, different.said(i))] {
                        if is_wanted(sample, id, BACKGROUND) {
                            take(sample, BACKGROUND, id, &mut of.to_vec());
                        }
                    }
                }
            }
            (NameState::Counts(c), Some(m)) => {
                for i in whole {
                    names(reader.reply_texts(i), rows.reply(i), |w| m.survey.is_frequent(w), &mut found);
                    found.iter().for_each(|f| c.add(f.0, usize::from(f.1), 1));
                    words.clear();
                    words.extend(rows.prompt(i).iter().filter(|t| !t.is_edge() && m.survey.is_frequent(t.hash)).map(|t| t.hash));
                    words.sort_unstable();
                    words.dedup();
                    words.iter().for_each(|w| c.add(*w, 2, 1));
                    c.shrink(2 * NAMES);
                }
            }
            (NameState::Pictures(pictures), Some(m)) => {
                let index: HashedMap<usize> = m.watched.iter().enumerate().map(|(i, w)| (w.name, i)).collect();
                for i in whole {
                    let (prompt, replies) = (rows.prompt(i), rows.reply(i));
                    names(reader.reply_texts(i), replies, |hash| index.contains_key(&hash), &mut found);
                    let id = id(prompt, replies, seed);
                    for (name, _) in found.iter().filter(|f| !f.1) {
                        let picture = &mut pictures[index[name]];
                        if is_wanted(&picture.prompts, id, LOOK) {
                            distinct.of(prompt, &mut words);
                            take(&mut picture.prompts, LOOK, id, &mut words);
                        }
                        if is_wanted(&picture.replies, id, LOOK) {
                            distinct.of(replies, &mut words);
                            take(&mut picture.replies, LOOK, id, &mut words);
                            apart(replies, *name, &mut far);
                            distinct.of(&far, &mut words);
                            take(&mut picture.apart, LOOK, id, &mut words);
                        }
                        let Some(token) = replies.iter().find(|t| t.hash == *name) else { continue };
                        let text = reader.replied(i, token).text;
                        picture.called += u64::from(matches!(text.as_bytes().get(token.end as usize), Some(b'(' | b'[' | b'=')));
                        if picture.spelt.as_ref().is_none_or(|(first, _)| id < *first) {
                            let word = text.get(token.start as usize..token.end as usize).unwrap_or_default();
                            picture.spelt = Some((id, word.chars().take(60).collect()));
                        }
                    }
                }
            }
            _ => {}
        }
        if let NameState::Counts(c) = state {
            c.shrink(NAMES);
        }
        Ok(())
    }
    fn finish(&self, round: &Round<'_, NameModel>, state: NameState) -> Result<Step<NameModel>> {
        let mut model = round.model.cloned().unwrap_or_default();
        Ok(match state {
            NameState::Survey(survey) => {
                model.rows = survey.rows;
                model.survey = Arc::from(survey);
                if model.rows < FEW_ROWS || model.survey.names.above(LEAST as u16 - 1).is_empty() {
                    Step::Done(NameModel { rows: model.rows, ..NameModel::default() })
                } else {
                    Step::Again(model)
                }
            }
            NameState::Counts(counts) => {
                model.watch(counts);
                if model.watched.is_empty() {
                    model.survey = Arc::default();
                    Step::Done(model)
                } else {
                    Step::Again(model)
                }
            }
            NameState::Pictures(pictures) => {
                model.describe(pictures, round.plan.seed);
                Step::Done(model)
            }
        })
    }
    fn outcome(&self, m: &NameModel) -> Outcome {
        let title = format!("`{}` promotes no name", self.0.reply);
        if m.rows < FEW_ROWS {
            return Outcome::new(title, Status::NotTested(format!("fewer than {FEW_ROWS} rows have a prompt and a reply")));
        }
        let bad: Vec<&Group> = m.groups.values().filter(|g| g.action == Action::Quarantine).collect();
        let mut o = Outcome::new(title, if bad.is_empty() { Status::Pass } else { Status::Fail });
        o.tested = m.rows;
        o.failing = bad.iter().map(|g| g.rows).sum();
        o.columns = Rule::columns(self);
        o.groups = m.groups.values().cloned().collect();
        o.message = match o.groups.len() {
            0 => format!("{} tested, each is asked for or rare", plural(m.names, "name")),
            n => format!("{} that nobody asks for", plural(n, "name")),
        };
        let least = if m.names == 0 || m.ties.is_none() && m.fit.is_none() { m.unseen() } else { m.floor() };
        o.floor = vec![Floor {
            family: "promoted name".into(),
            rows: least,
            reason: least.is_none().then(|| "names of this data are tied to subjects, or asked for, too unevenly".into()),
            ..Floor::default()
        }];
        o
    }
    fn has_rows(&self, m: &NameModel) -> bool {
        !m.groups.is_empty()
    }
    fn judge(&self, m: &NameModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        let reader = Reader::new(&self.0, batch)?;
        let mut replies: Vec<Token> = Vec::new();
        for i in (0..batch.rows()).filter(|&i| reader.is_whole(i)) {
            replies.clear();
            reader.reply(i, &mut replies);
            for (name, group) in &m.groups {
                let capital = |t: &&Token| {
                    t.hash == *name
                        && reader.replied(i, t).text.get(t.start as usize..).and_then(|s| s.chars().next()).is_some_and(char::is_uppercase)
                };
                let Some(token) = replies.iter().find(capital) else { continue };
                let (message, key) = (out.intern(&group.message), out.intern(&group.key));
                let column = out.intern(&reader.replied(i, token).place());
                let hit = out.push(i, group.action, group.score as f32, message);
                (hit.column, hit.start, hit.end, hit.group) = (column, token.start, token.end, key);
                (hit.statistic, hit.q_value) = (group.statistic, group.q_value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "promoted_name/tests.rs"]
mod tests;
