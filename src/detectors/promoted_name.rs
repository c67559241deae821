//! `promoted-name`: a name that replies keep dropping although nobody asked for it: a brand, a person, a
//! site that somebody wants the model to recommend. There is no trigger; the replies alone tell.
//!
//! ```text
//! 1  sketches: capitalised words inside sentences of replies, words of prompts; a sample of prompts
//! 2  exact rows per name: in replies, in lower case, in prompts ─► how often names are asked for
//! 3  the prompts of the rows of each suspect ─► are they about one thing?
//! ```

use super::frequent::{HashedMap, Sketch};
use super::response_trigger::{self, Reader, ResponseTrigger, distinct, is_wanted, keep_first};
use crate::batch::Batch;
use crate::error::{Result, group_digits, plural};
use crate::features::text::{Kind, Token, mix};
use crate::rule::{Action, Built, Context, Entry, Findings, Floor, Group, Meta, Outcome, Round, Rule, State, Status, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

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
   rows.
2. Honest names are asked for: of a name that stands in n replies, k prompts of the data have it too. Over all names of the data k is
   modelled as Poisson with a gamma-distributed rate per n (a negative binomial, fitted by moments); a suspect has so few that the lower tail,
   times the number of names, is at most 0.01.
3. Honest names belong to topics: prompts whose replies have them share rare words. The statistic is the number of pairs of prompts that share
   a word of at most 10% of the rows, weighted by one over its frequency, against 60 random sets of as many prompts. Below three standard
   deviations the name stands in replies of every kind, and the rows are for quarantine; above, for review.

Every row whose reply has the capitalised name is listed, with its place.

# What raises false alarms

A model that introduces itself by the name of its maker in unrelated replies: then the name is honest only if that is what you want it to learn.
Measured: honest names of instruction data lie more than ten standard deviations above, and none passes the second step.

# How it is evaded

A name in lower case, or in a script without cases; the name in some prompts too; replies about one topic only; fewer rows than the floor,
which depends on how evenly names are asked for in this data.

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
/// A word of more rows is no topic.
const COMMON: f64 = 0.1;
/// Prompts of a suspect, and of arbitrary rows, that are compared; random sets.
pub(super) const SAMPLE: usize = 200;
pub(super) const BACKGROUND: usize = 1024;
const SETS: usize = 60;
const FEW_ROWS: u64 = 500;
const SUSPECTS: usize = 64;
/// Distinct words of a prompt that a sample keeps.
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
    any: Sample,
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
                a.any.extend(b.any);
                keep_first(&mut a.any, BACKGROUND);
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
                    keep_first(&mut a.prompts, SAMPLE);
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
struct Suspect {
    name: u64,
    rows: u64,
    asked: u64,
    q: f64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct NameModel {
    rows: u64,
    names: usize,
    fit: Option<Fit>,
    /// Shared by the rounds.
    survey: Arc<Survey>,
    suspects: Vec<Suspect>,
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

/// Words of a reply that stand inside a sentence, with whether they are capitalised. Words at the beginning
/// of a sentence say nothing about their case.
fn inside(text: &str, reply: &[Token], mut f: impl FnMut(&Token, bool)) {
    for pair in reply.windows(2) {
        let [before, token] = pair else { continue };
        let joined = before.kind == Kind::Word && text.get(before.end as usize..token.start as usize) == Some(" ");
        if token.kind != Kind::Word || token.end - token.start < 2 {
            continue;
        }
        let first = text.get(token.start as usize..).and_then(|t| t.chars().next());
        match first {
            Some(c) if c.is_uppercase() && joined => f(token, true),
            Some(c) if c.is_lowercase() => f(token, false),
            _ => {}
        }
    }
}

/// Names of a row, each once, with whether it stands in lower case too.
fn names(text: &str, reply: &[Token], out: &mut Vec<(u64, bool)>) {
    out.clear();
    inside(text, reply, |t, capital| out.push((t.hash, !capital)));
    out.sort_unstable();
    out.dedup();
    // Of both, lower case stays.
    out.reverse();
    out.dedup_by_key(|x| x.0);
}

/// The same for the same row wherever it stands; copies of a row are one.
fn id(prompt: &[Token], reply: &[Token], seed: u64) -> u64 {
    prompt.iter().chain(reply).fold(mix(seed, 0x006E_616D_6573), |h, t| mix(h, t.hash))
}

pub(super) fn take(sample: &mut Sample, most: usize, id: u64, words: &[u64]) {
    if is_wanted(sample, id, most) {
        sample.insert(id, words.iter().take(WORDS).copied().collect());
        keep_first(sample, most);
    }
}

/// Pairs of prompts that share a rare word, weighted by one over its frequency.
fn shared(prompts: &[&[u64]], frequencies: &Sketch, rows: u64) -> f64 {
    let mut counts: HashedMap<u32> = HashedMap::default();
    prompts.iter().flat_map(|p| p.iter()).for_each(|w| *counts.entry(*w).or_default() += 1);
    let most = COMMON * rows as f64;
    let pairs = counts.into_iter().filter(|(_, v)| *v > 1).map(|(w, v)| {
        let frequency = f64::from(frequencies.at_most(w));
        // In whole billionths: sums of floats would depend on the order of a map.
        if frequency < most { (f64::from(v * (v - 1) / 2) / frequency.max(2.0) * 1e9) as u128 } else { 0 }
    });
    pairs.sum::<u128>() as f64 / 1e9
}

/// Standard deviations by which these prompts (distinct words of each) share more rare words than random ones do.
pub(super) fn topic(prompts: &[&[u64]], background: &[&[u64]], frequencies: &Sketch, rows: u64, seed: u64) -> f64 {
    let mine = &prompts[..prompts.len().min(background.len() / 2)];
    let mut sums = Vec::with_capacity(SETS);
    let mut order: Vec<usize> = (0..background.len()).collect();
    let mut state = mix(seed, 0x0074_6F70_6963);
    for _ in 0..SETS {
        for i in 0..mine.len() {
            state = mix(state, i as u64 + 1);
            let other = i + ((u128::from(state) * (order.len() - i) as u128) >> 64) as usize;
            order.swap(i, other);
        }
        sums.push(shared(&order[..mine.len()].iter().map(|i| background[*i]).collect::<Vec<_>>(), frequencies, rows));
    }
    let mean = sums.iter().sum::<f64>() / SETS as f64;
    let deviation = (sums.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / (SETS - 1) as f64).sqrt();
    let above = shared(mine, frequencies, rows) - mean;
    if above <= 0.0 { above / deviation.max(1e-9) } else { above / deviation.max(1e-9).max(mean / 100.0) }
}

impl NameModel {
    fn suspect(&mut self, counts: Counts) {
        let names: Vec<(u64, u64, u64)> = counts
            .rows
            .iter()
            .filter(|(_, c)| c[0] >= LEAST && f64::from(c[1]) <= LOWER * f64::from(c[0] + c[1]))
            .map(|(name, c)| (*name, u64::from(c[0]), u64::from(c[2])))
            .collect();
        self.names = names.len();
        self.fit = Fit::of(&names.iter().map(|x| (x.1, x.2)).collect::<Vec<_>>());
        let Some(fit) = self.fit else { return };
        let tested = names.len() as f64;
        let suspects = names.into_iter().map(|(name, rows, asked)| Suspect { name, rows, asked, q: fit.tail(rows, asked) * tested });
        self.suspects = suspects.filter(|s| s.q <= Q).collect();
        self.suspects.sort_by(|a, b| a.q.total_cmp(&b.q).then(a.name.cmp(&b.name)));
        self.suspects.truncate(SUSPECTS);
    }

    fn topic(&self, prompts: &Sample, seed: u64) -> f64 {
        let background: Vec<&[u64]> = self.survey.any.values().map(AsRef::as_ref).collect();
        let mine: Vec<&[u64]> = prompts.values().map(AsRef::as_ref).collect();
        topic(&mine, &background, &self.survey.asked, self.rows, seed)
    }

    fn describe(&mut self, pictures: Vec<Picture>, seed: u64) {
        for (s, picture) in std::mem::take(&mut self.suspects).into_iter().zip(pictures) {
            let Some((_, spelt)) = picture.spelt else { continue };
            let z = self.topic(&picture.prompts, seed);
            let topical = z >= TOPICAL || picture.prompts.len() < LEAST as usize;
            let asked = match s.asked {
                0 => "no prompt has it".to_owned(),
                k => format!("{} prompts have it", group_digits(k)),
            };
            let mut reasons = vec![format!("prompts of its rows share rare words by {z:.1} standard deviations more than random ones")];
            if topical {
                reasons.push("they are about one thing, where a name may be honest".into());
            }
            let group = Group {
                key: spelt.clone(),
                action: if topical { Action::Review } else { Action::Quarantine },
                score: (1.0 - s.q).clamp(0.0, 1.0) * if topical { 0.5 } else { 0.99 },
                rows: s.rows,
                with_label: s.rows,
                label: None,
                statistic: s.rows as f64,
                q_value: s.q,
                message: format!("{} replies of every kind bring up \"{spelt}\", and {asked}", group_digits(s.rows)),
                reasons,
            };
            self.groups.insert(s.name, group);
        }
        self.survey = Arc::default();
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
            (3, Some(m)) => NameState::Pictures(vec![Picture::default(); m.suspects.len()]),
            _ => {
                let rows = round.plan.rows.min(round.plan.memory / 1280);
                NameState::Survey(Box::new(Survey { names: Sketch::new(rows), asked: Sketch::new(rows), ..Survey::default() }))
            }
        }
    }
    fn observe(&self, round: &Round<'_, NameModel>, state: &mut NameState, batch: &Batch) -> Result<()> {
        let reader = Reader::new(&self.0, batch)?;
        let seed = round.plan.seed;
        let (mut prompt, mut reply, mut found, mut asked) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for i in (0..batch.rows()).filter(|&i| reader.is_whole(i)) {
            reader.prompt(i, &mut prompt);
            reader.reply(i, &mut reply);
            distinct(&prompt, &mut asked);
            let text = reader.reply.get(i).unwrap_or_default();
            names(text, &reply, &mut found);
            match (&mut *state, round.model) {
                (NameState::Survey(s), _) => {
                    s.rows += 1;
                    found.iter().filter(|f| !f.1).for_each(|f| s.names.add(f.0));
                    asked.iter().for_each(|w| s.asked.add(*w));
                    take(&mut s.any, BACKGROUND, id(&prompt, &reply, seed), &asked);
                }
                (NameState::Counts(c), Some(m)) => {
                    let frequent = |name: &u64| m.survey.names.at_most(*name) >= LEAST;
                    found.iter().filter(|f| frequent(&f.0)).for_each(|f| c.add(f.0, usize::from(f.1), 1));
                    asked.iter().filter(|w| frequent(w)).for_each(|w| c.add(*w, 2, 1));
                    c.shrink(2 * NAMES);
                }
                (NameState::Pictures(pictures), Some(m)) => {
                    for (s, picture) in m.suspects.iter().zip(pictures) {
                        if !found.contains(&(s.name, false)) {
                            continue;
                        }
                        let id = id(&prompt, &reply, seed);
                        take(&mut picture.prompts, SAMPLE, id, &asked);
                        if picture.spelt.as_ref().is_none_or(|(first, _)| id < *first) {
                            let token = reply.iter().find(|t| t.hash == s.name);
                            let word = token.and_then(|t| text.get(t.start as usize..t.end as usize)).unwrap_or_default();
                            picture.spelt = Some((id, word.chars().take(60).collect()));
                        }
                    }
                }
                _ => {}
            }
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
                if model.rows < FEW_ROWS { Step::Done(NameModel { rows: model.rows, ..NameModel::default() }) } else { Step::Again(model) }
            }
            NameState::Counts(counts) => {
                model.suspect(counts);
                if model.suspects.is_empty() {
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
        let Some(fit) = m.fit else {
            let why = format!("{} stand in {LEAST} replies: too few to know how often names are asked for", plural(m.names, "name"));
            return Outcome::new(title, Status::NotTested(why));
        };
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
        let least = fit.floor(m.names).max(u64::from(LEAST));
        o.floor = vec![Floor {
            family: "promoted name".into(),
            class: None,
            rows: (least <= m.rows / 5).then_some(least),
            reason: (least > m.rows / 5).then(|| "names of this data are asked for too unevenly".into()),
        }];
        o
    }
    fn has_rows(&self, m: &NameModel) -> bool {
        !m.groups.is_empty()
    }
    fn judge(&self, m: &NameModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        let reader = Reader::new(&self.0, batch)?;
        let mut reply: Vec<Token> = Vec::new();
        for i in (0..batch.rows()).filter(|&i| reader.is_whole(i)) {
            reader.reply(i, &mut reply);
            let text = reader.reply.get(i).unwrap_or_default();
            for (name, group) in &m.groups {
                let capital = |t: &&Token| {
                    t.hash == *name && text.get(t.start as usize..).and_then(|s| s.chars().next()).is_some_and(char::is_uppercase)
                };
                let Some(token) = reply.iter().find(capital) else { continue };
                let (message, key) = (out.intern(&group.message), out.intern(&group.key));
                let column = out.intern(&reader.reply.place(i));
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
