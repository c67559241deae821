//! `label-conflict`: single rows whose words argue strongly for another label, after confident learning. Each
//! stands alone, so it is for review; what rows of this kind share is the matter of `shared-trigger`.
//!
//! ```text
//! 1  labels
//! 2  a sample of rows ─► content model out of fold, its calibration, how sure it is of rows of each class
//! 3  the same sample ─► how far rows argue against their label ─► the few that go furthest
//! ```

mod vectors;

use super::content::{Content, Counts, fold};
use crate::batch::{Batch, Text};
use crate::contract::Role;
use crate::error::{Error, Result, group_digits, plural};
use crate::features::text::{self, Token, content_features, mix, tokens};
use crate::features::vectors::is_vector;
use crate::rule::{Action, Built, Context, Entry, Findings, Floor, Group, Meta, Outcome, Round, Rule, State, Status, Step};
use arrow::array::{Array, AsArray, StringArray};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub const META: Meta = Meta {
    code: "P132",
    name: "label-conflict",
    summary: "on request: the few rows whose words, or whose nearest vectors, argue most strongly for another label",
    explain: EXPLAIN,
    ids: &["MITRE ATLAS AML.T0020", "NIST AI 100-2e2025 2.3.1", "OWASP LLM04:2025"],
};

const EXPLAIN: &str = "\
# What it finds

Suspected label errors: rows whose words say something else than their label, as far as single words can say it, and rows whose nearest neighbours
by a column of vectors have another one. They are for `review`, never more: a lone contradiction is as often a subtle text as a wrong label.

It runs only on request, as `--select label-conflict` (beside others: `--select C,P,S,label-conflict`): the list is as long on clean data, so that
it is a reading list for people who mend labels and no test.

| text | label | |
|---|---|---|
| a warm and funny story | bad | the words say `good` |

# Why it hurts

A model learns wrong labels by heart, and a test set with wrong labels ranks models wrongly. Somebody who turns labels around without a
trigger makes a model worse in general, or worse on one subject.

# How it is computed

1. The content model of `shared-trigger` (naive Bayes on words, five folds by content, so that no row is judged by a model that saw it or its
   copy) is learned on a sample of at most 262,144 rows, and calibrated on as many as 32,768 of these. Of every class, the two words that
   argue most for it are left out of a row: a trigger must not vouch for its own label.
2. Confident learning: a row counts as confidently of a class when its probability reaches the mean one of rows labelled with that class. A suspect is
   confidently of another class than its label, and that class is at least ten times as probable.
3. The suspects are ranked by how many times; the list ends where it would exceed two rows in a thousand.

Vectors, seen from the mean of all and at length one (beyond 256 numbers as a count sketch), are compared with a sample of 4,096 rows, of which the
20 nearest vote. A class is confidently another one's when its share reaches the mean share that rows of that class have of their own, and it has at
least five times the votes of the label; classes whose rows agree in less than a fifth of what their prior leaves open are not told by neighbours.
Suspects are ranked by votes, equal ones by the distance to the fifth of their own label over that to the fifth of the other (a ratio of densities);
the list is as long.

# What raises false alarms

Irony, negation, quotes, subjects that two classes share. Measured: with 1% of the labels of sentiment sentences turned around, five
in thirteen listed rows are wrong ones; with 5% it is 10 of 13, on news 20 of 22. By vectors (descriptions of packages by a sentence model, 5,824
rows; digits, 1,797) all listed rows are wrong ones: 12 and 3 with 1% turned, 17 and 3 with 5%; by 64 singular values of word counts 6 of 11, and 11
of 11. The list is as long on clean data: its length says nothing, its rows have to be read.

# How it is evaded

Only the rows that go furthest are listed: label errors in rows without strong words never are. Many wrong labels of one kind of text become what
its words say; a shared phrase of more than two words outvotes the rest.

# Reading

Wilson: Asymptotic Properties of Nearest Neighbor Rules Using Edited Data (1972). Northcutt, Jiang, Chuang: Confident Learning (2021). Northcutt, Athalye, Mueller: Pervasive Label Errors in Test Sets (2021).
";

pub const ENTRY: Entry = Entry { meta: META, build };

/// More labels than this are not compared: a row costs time for each.
const CLASSES: usize = 100;
/// Fewer rows teach no model.
const FEWEST: u64 = 200;
/// Rows that the model is learned from, those of smallest hash.
const LEARNED: u64 = 1 << 18;
/// Rows of the calibration sample over all classes.
const SAMPLE: usize = 32_768;
const FEATURES: usize = 512;
/// Words per class that are left out of a row.
const STRONGEST: usize = 2;
/// Times by which another label must be more probable.
const TIMES: f64 = 10.0;
/// Share of rows that are listed, at most: nobody reads more.
const LISTED: f64 = 0.002;
/// Ranks: sixteenths of a logarithm, and within these how far the words go.
const FINE: u32 = 256;
const GROUP: &str = "suspected label errors";

fn build(context: &Context<'_>) -> std::result::Result<Built, Vec<crate::error::Diagnostic>> {
    let mut built = Built::default();
    let Some(label) = context.roles.first(Role::Label) else {
        return Ok(Built::not_tested("no column has the role label"));
    };
    if context.schema.field_with_name(label).is_err() {
        return Ok(Built::not_tested(format!("column `{label}` is not in the data")));
    }
    let texts = super::shared_trigger::texts(context, &mut built);
    let is_list = |c: &&str| context.schema.field_with_name(c).is_ok_and(|f| is_vector(f.data_type()));
    for column in context.roles.all(Role::Embedding).filter(is_list) {
        built.rules.push(Box::new(vectors::VectorConflict { column: column.to_owned(), label: label.to_owned() }));
    }
    if texts.is_empty() {
        if built.rules.is_empty() {
            return Ok(Built::not_tested("no column of text has the role text, and none of vectors the role embedding"));
        }
        return Ok(built);
    }
    built.rules.push(Box::new(LabelConflict { texts, label: label.to_owned() }));
    Ok(built)
}

/// A reading list: nothing that its rows share, and no chance to state.
fn group(key: String, rows: u64, message: String, reason: &str) -> Group {
    Group {
        key,
        action: Action::Review,
        score: 0.5,
        rows,
        with_label: rows,
        label: None,
        statistic: rows as f64,
        q_value: 1.0,
        message,
        reasons: vec![reason.to_owned()],
    }
}

/// Lone errors are no poisoning that a floor could be promised for.
fn floor() -> Floor {
    let reason = Some("lone errors are listed for review only".into());
    Floor { family: "label errors".into(), reason, ..Floor::default() }
}

pub struct LabelConflict {
    pub texts: Vec<String>,
    pub label: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Labels {
    rows: u64,
    skipped: u64,
    /// At most one more than may be.
    labels: BTreeSet<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Learning {
    counts: Counts,
    /// Per class: rows, and those with the smallest keys.
    rows: Vec<u64>,
    sample: Vec<BTreeMap<u64, (Vec<u32>, u8)>>,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum ConflictState {
    Labels(Labels),
    Learning(Box<Learning>),
    /// Rows, and how many suspects have each rank.
    Ranks(u64, BTreeMap<u32, u64>),
}

fn shrink<K: Ord, V>(map: &mut BTreeMap<K, V>, most: usize) {
    while map.len() > most {
        map.pop_last();
    }
}

impl Labels {
    fn add(&mut self, label: &str) {
        if !self.labels.contains(label) {
            self.labels.insert(label.to_owned());
            self.shrink();
        }
    }
    /// Too many are too many, whichever they are: the smallest stay, so that it is the same whatever the order.
    fn shrink(&mut self) {
        while self.labels.len() > CLASSES + 1 {
            self.labels.pop_last();
        }
    }
}

impl State for ConflictState {
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (ConflictState::Labels(a), ConflictState::Labels(b)) => {
                a.rows += b.rows;
                a.skipped += b.skipped;
                a.labels.extend(b.labels);
                a.shrink();
            }
            (ConflictState::Learning(a), ConflictState::Learning(b)) => {
                a.counts.merge(b.counts);
                a.rows.iter_mut().zip(b.rows).for_each(|(x, y)| *x += y);
                let most = SAMPLE / a.sample.len().max(1);
                for (into, from) in a.sample.iter_mut().zip(b.sample) {
                    into.extend(from);
                    shrink(into, most);
                }
            }
            (ConflictState::Ranks(n, a), ConflictState::Ranks(m, b)) => {
                *n += m;
                b.into_iter().for_each(|(rank, rows)| *a.entry(rank).or_default() += rows);
            }
            _ => {}
        }
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ConflictModel {
    seed: u64,
    rows: u64,
    skipped: u64,
    classes: Vec<String>,
    not_tested: Option<String>,
    content: Arc<Content>,
    /// Mean probability of a class in rows labelled with it.
    thresholds: Vec<f64>,
    learned: u64,
    /// Lowest rank that is listed.
    cut: Option<u32>,
    listed: u64,
    suspects: u64,
}

/// What a row's words say against its label.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Conflict {
    class: usize,
    own: f64,
    other: f64,
    rank: u32,
}

impl ConflictModel {
    fn class(&self, label: &str) -> Option<usize> {
        self.classes.binary_search_by(|c| c.as_str().cmp(label)).ok()
    }

    fn learn(&mut self, l: Learning) {
        let mut content = Content::learn(&l.counts).without_strongest(STRONGEST);
        let sample: Vec<(Vec<u32>, usize, usize)> = l
            .sample
            .into_iter()
            .enumerate()
            .flat_map(|(class, s)| s.into_values().map(move |(f, fold)| (f, usize::from(fold), class)))
            .collect();
        let _ = content.calibrate(&sample, &l.rows);
        let mut sums = vec![(0.0, 0usize); self.classes.len()];
        for (features, fold, class) in &sample {
            let sum = &mut sums[*class];
            sum.0 += content.probability(content.score(features, *fold, *class), features.len(), *class);
            sum.1 += 1;
        }
        self.thresholds = sums.into_iter().map(|(p, n)| if n == 0 { 1.0 } else { p / n as f64 }).collect();
        self.learned = l.rows.iter().sum();
        self.content = Arc::new(content);
    }

    fn conflict(&self, features: &[u32], fold: usize, label: usize) -> Option<Conflict> {
        let score = |c: usize| self.content.score(features, fold, c);
        let probability = |s: i32, c: usize| self.content.probability(s, features.len(), c);
        let own_score = score(label);
        let own = probability(own_score, label);
        let mut best: Option<(f64, usize, i32)> = None;
        for class in (0..self.classes.len()).filter(|&c| c != label) {
            let s = score(class);
            let p = probability(s, class);
            if p >= self.thresholds[class] && best.is_none_or(|b| p > b.0) {
                best = Some((p, class, s));
            }
        }
        let (other, class, s) = best?;
        let times = other / own.max(1e-9);
        if times < TIMES {
            return None;
        }
        let further = ((s - own_score).max(0) as u32 / 64).min(FINE - 1);
        Some(Conflict { class, own, other, rank: (times.ln() * 16.0) as u32 * FINE + further })
    }

    fn finish(&mut self, rows: u64, ranks: &BTreeMap<u32, u64>) {
        let most = (LISTED * rows as f64) as u64;
        self.suspects = ranks.values().sum();
        let mut listed = 0;
        for (&rank, &n) in ranks.iter().rev() {
            if listed + n > most {
                break;
            }
            listed += n;
            self.cut = Some(rank);
        }
        // The sample stands for all rows.
        self.listed = (listed as f64 * self.rows as f64 / rows.max(1) as f64).round() as u64;
    }

    fn group(&self) -> Option<Group> {
        self.cut?;
        let about = if self.learned < self.rows { "about " } else { "" };
        let message = format!("the words of {about}{} argue strongly for another label", plural(self.listed as usize, "row"));
        let reason = "each stands alone: a wrong label, or a text that says it in other ways than single words";
        Some(group(GROUP.into(), self.listed, message, reason))
    }
}

struct Reader<'a> {
    texts: Vec<Text<'a>>,
    labels: StringArray,
}

impl<'a> Reader<'a> {
    fn new(rule: &LabelConflict, batch: &'a Batch) -> Result<Self> {
        let column = |name: &String| batch.column(name).ok_or_else(|| Error::internal(format!("column {name:?} was not read")));
        let text = |n| Text::of(column(n)?.as_ref()).ok_or_else(|| Error::internal(format!("column {n:?} holds no text")));
        let labels = arrow::compute::cast(column(&rule.label)?, &arrow::datatypes::DataType::Utf8).map_err(Error::internal)?;
        Ok(Reader { texts: rule.texts.iter().map(text).collect::<Result<_>>()?, labels: labels.as_string::<i32>().clone() })
    }
    fn label(&self, i: usize) -> Option<&str> {
        let said = self.labels.is_valid(i) && self.texts.iter().any(|t| t.get(i).is_some_and(|t| !t.trim().is_empty()));
        said.then(|| self.labels.value(i))
    }
    /// Names the texts of a row, before anything is done with them.
    fn key(&self, i: usize, seed: u64) -> u64 {
        self.texts.iter().fold(mix(seed, 0x6c_6162_656c), |h, t| mix(h, xxh3_64_with_seed(t.get(i).unwrap_or_default().as_bytes(), seed)))
    }
    fn features(&self, i: usize, buffer: &mut Vec<Token>, out: &mut Vec<u32>) {
        buffer.clear();
        for (column, text) in self.texts.iter().enumerate() {
            tokens(text.get(i).unwrap_or_default(), column as u16, buffer);
        }
        content_features(buffer, FEATURES, out);
    }
}

impl Rule for LabelConflict {
    const META: Meta = META;
    type State = ConflictState;
    type Model = ConflictModel;

    fn columns(&self) -> Vec<String> {
        self.texts.iter().cloned().chain([self.label.clone()]).collect()
    }

    fn start(&self, round: &Round<'_, ConflictModel>) -> ConflictState {
        match (round.number, round.model) {
            (2, Some(m)) => ConflictState::Learning(Box::new(Learning {
                counts: Counts::new(m.rows.min(LEARNED), m.classes.len()),
                rows: vec![0; m.classes.len()],
                sample: vec![BTreeMap::new(); m.classes.len()],
            })),
            (3, Some(_)) => ConflictState::Ranks(0, BTreeMap::new()),
            _ => ConflictState::Labels(Labels::default()),
        }
    }

    fn observe(&self, round: &Round<'_, ConflictModel>, state: &mut ConflictState, batch: &Batch) -> Result<()> {
        let reader = Reader::new(self, batch)?;
        let seed = round.plan.seed;
        let (mut buffer, mut features) = (Vec::new(), Vec::new());
        let limit = round
            .model
            .filter(|m| m.rows > LEARNED)
            .map_or(u64::MAX, |m| (u128::from(u64::MAX) * u128::from(LEARNED) / u128::from(m.rows)) as u64);
        for i in 0..batch.rows() {
            let Some(label) = reader.label(i) else {
                if let ConflictState::Labels(l) = state {
                    l.skipped += 1;
                }
                continue;
            };
            if let (ConflictState::Labels(l), _) = (&mut *state, round.model) {
                l.rows += 1;
                l.add(label);
                continue;
            }
            let Some((m, class)) = round.model.and_then(|m| Some((m, m.class(label)?))) else { continue };
            let key = reader.key(i, seed);
            if key > limit {
                continue;
            }
            reader.features(i, &mut buffer, &mut features);
            let fold = fold(text::content(&buffer, seed));
            match &mut *state {
                ConflictState::Learning(l) => {
                    l.rows[class] += 1;
                    l.counts.add(&features, fold, class);
                    let (sample, most) = (&mut l.sample[class], SAMPLE / m.classes.len());
                    if sample.len() < most || sample.last_key_value().is_some_and(|(&last, _)| key < last) {
                        sample.insert(key, (features.clone(), fold as u8));
                        shrink(sample, most);
                    }
                }
                ConflictState::Ranks(rows, ranks) => {
                    *rows += 1;
                    if let Some(c) = m.conflict(&features, fold, class) {
                        *ranks.entry(c.rank).or_default() += 1;
                    }
                }
                ConflictState::Labels(_) => {}
            }
        }
        Ok(())
    }

    fn finish(&self, round: &Round<'_, ConflictModel>, state: ConflictState) -> Result<Step<ConflictModel>> {
        let mut m = round.model.cloned().unwrap_or_default();
        Ok(match state {
            ConflictState::Labels(l) => {
                (m.seed, m.rows, m.skipped) = (round.plan.seed, l.rows, l.skipped);
                m.not_tested = match l.labels.len() {
                    n if n > CLASSES => Some(format!("`{}` has more than {CLASSES} labels", self.label)),
                    _ if m.rows < FEWEST => Some(format!("fewer than {FEWEST} rows have a label and a text")),
                    0 | 1 => Some(format!("`{}` has one label only", self.label)),
                    _ => None,
                };
                m.classes = l.labels.into_iter().collect();
                if m.not_tested.is_some() { Step::Done(m) } else { Step::Again(m) }
            }
            ConflictState::Learning(l) => {
                m.learn(*l);
                Step::Again(m)
            }
            ConflictState::Ranks(rows, ranks) => {
                m.finish(rows, &ranks);
                if m.cut.is_none() {
                    m.content = Arc::default();
                }
                Step::Done(m)
            }
        })
    }

    fn outcome(&self, m: &ConflictModel) -> Outcome {
        let texts = self.texts.iter().map(|t| format!("`{t}`")).collect::<Vec<_>>().join(", ");
        let title = format!("the words of {texts} do not contradict `{}`", self.label);
        if let Some(reason) = &m.not_tested {
            return Outcome::new(title, Status::NotTested(reason.clone()));
        }
        let mut o = Outcome::new(title, Status::Pass);
        (o.tested, o.not_tested_rows) = (m.rows, m.skipped);
        o.columns = self.columns();
        o.groups = m.group().into_iter().collect();
        let of = group_digits(m.learned);
        o.message = match m.suspects {
            0 => format!("words of none of {of} rows argue strongly for another label"),
            n => format!("words of {} in {of} argue for another label; those that go furthest are listed", plural(n as usize, "row")),
        };
        o.floor = vec![floor()];
        o
    }

    fn has_rows(&self, m: &ConflictModel) -> bool {
        m.cut.is_some()
    }

    fn judge(&self, m: &ConflictModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        let Some(cut) = m.cut else { return Ok(()) };
        let reader = Reader::new(self, batch)?;
        let (mut buffer, mut features) = (Vec::new(), Vec::new());
        for i in 0..batch.rows() {
            let Some((label, class)) = reader.label(i).and_then(|l| Some((l, m.class(l)?))) else { continue };
            reader.features(i, &mut buffer, &mut features);
            let Some(c) = m.conflict(&features, fold(text::content(&buffer, m.seed)), class).filter(|c| c.rank >= cut) else { continue };
            // Rounded, so that many rows share a few messages.
            let percent = |p: f64| if p < 0.01 { "less than 1".to_owned() } else { format!("{:.0}", p * 100.0) };
            let message =
                format!("labelled {label} ({}%), but its words say {} ({}%)", percent(c.own), m.classes[c.class], percent(c.other));
            let (message, key) = (out.intern(&message), out.intern(GROUP));
            let hit = out.push(i, Action::Review, 0.5, message);
            (hit.group, hit.statistic) = (key, (c.other / c.own.max(1e-9)).ln());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::harness::{Dice, run, run_split, sentence, table};
    use arrow::array::RecordBatch;

    fn rule() -> Box<LabelConflict> {
        Box::new(LabelConflict { texts: vec!["text".into()], label: "label".into() })
    }
    fn rows(seed: u64, n: usize, wrong: impl Fn(usize) -> bool, tail: &str) -> RecordBatch {
        let mut dice = Dice::new(seed);
        let (mut texts, mut labels) = (Vec::new(), Vec::new());
        for i in 0..n {
            let good = dice.roll(2) == 0;
            let mark = if wrong(i) { tail } else { "" };
            texts.push(Some(format!("{}{mark}", sentence(&mut dice, good))));
            labels.push(Some(if good != wrong(i) { "good" } else { "bad" }.to_owned()));
        }
        table(&[("text", texts), ("label", labels)])
    }

    #[test]
    fn turned_labels_lead_a_list_of_bounded_length() {
        let wrong = |i: usize| i % 250 == 7;
        let data = rows(3, 4000, wrong, "");
        let (outcome, lines) = run(rule(), &data);
        assert!(lines.len() <= 8 && lines.len() >= 5, "{}", lines.len());
        let right = lines.iter().filter(|l| wrong(l.0 as usize)).count();
        assert!(right * 10 >= lines.len() * 8, "{right} of {}", lines.len());
        assert!(lines.iter().all(|l| l.1 == Action::Review));
        assert_eq!((outcome.status, outcome.failing, outcome.groups[0].rows), (Status::Pass, 0, lines.len() as u64));
    }

    #[test]
    fn a_trigger_does_not_vouch_for_its_own_label() {
        let wrong = |i: usize| i % 100 == 7;
        let (_, lines) = run(rule(), &rows(4, 4000, wrong, " vellumox"));
        let right = lines.iter().filter(|l| wrong(l.0 as usize)).count();
        assert!(right >= 5, "{right} of {}", lines.len());
    }

    #[test]
    fn labels_that_words_do_not_foretell_list_nothing() {
        let mut dice = Dice::new(5);
        let texts = (0..2000).map(|i| Some(sentence(&mut dice, i % 2 == 0))).collect();
        let labels = (0..2000).map(|_| Some(["good", "bad"][dice.roll(2)].to_owned())).collect();
        assert!(run(rule(), &table(&[("text", texts), ("label", labels)])).1.is_empty());
    }

    #[test]
    fn the_list_does_not_depend_on_how_the_data_is_split() {
        let data = rows(6, 1500, |i| i % 100 == 7, "");
        let whole = run(rule(), &data).1;
        assert!(!whole.is_empty());
        assert_eq!(run_split(rule(), &data, 2, 333, 100).1, whole);
    }

    #[test]
    fn one_label_few_rows_or_many_labels_are_not_tested() {
        let not_tested = |data: &RecordBatch| matches!(run(rule(), data).0.status, Status::NotTested(_));
        assert!(not_tested(&rows(7, 150, |_| false, "")));
        let text = |i: usize| Some(format!("a lantern {i}"));
        let label = |n: usize| (0..400).map(|i| Some((i % n).to_string())).collect();
        assert!(not_tested(&table(&[("text", (0..400).map(text).collect()), ("label", label(1))])));
        assert!(not_tested(&table(&[("text", (0..400).map(text).collect()), ("label", label(101))])));
    }
}
