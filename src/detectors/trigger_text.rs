//! Shared triggers in labelled text: word and character n-grams that come with one label although
//! the rest of their rows argues for another.
//!
//! ```text
//! 1  classes; a sketch of n-gram frequencies
//! 2  per class: exact counts of frequent n-grams, the content model, a sample to calibrate it on
//! 3  sampled rows of the nominated n-grams ─► contradiction test ─► greedy explaining-away
//!    a sample of rows whose content contradicts their label ─► pairs and letters they share
//! 4  the surroundings of what was accepted ─► its full phrase, honest explanations ─► groups
//!    rows of the pairs and letters ─► the same test ─► groups
//! ```

use super::company::Background;
use super::content::{AGAINST, Content, Counts, fold};
use super::contradiction::{Candidate, Gates, Member, Test, explain_away_among};
use super::draw::Draws;
use super::frequent::{ClassCounts, HashedMap, Sketch};
use super::nearest::{self, Nearest};
use super::phrase::{Against, Suspect, Window, Windows, groups};
use super::postings::{Place, Postings};
use super::scattered::{self, Lookup, Odd, Rarity, Sighting, Tally};
use super::trigger_scattered::ScatteredGroup;
use crate::batch::{Batch, Text};
use crate::error::{Error, Result};
use crate::features::text::{self, Token, content_features, mix, ngrams, tokens};
use crate::rule::{Action, Findings, Floor, Meta, Outcome, Round, Rule, Status, Step};
use crate::stats::intervals::{Z95, wilson};
use crate::stats::multiple::benjamini_hochberg;
use crate::stats::tails::ln_binomial_upper;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// More labels than this are no classes.
const CLASSES: usize = 500;
/// Rows that carry the label; fewer cannot be told from chance.
const LEAST_ROWS: u32 = 5;
/// Features of the content model per row; longer texts are represented by their smallest hashes.
const FEATURES: usize = 512;
/// Rows of the calibration sample over all classes.
const SAMPLE: usize = 32_768;
/// Label share that makes an n-gram worth testing; the effect gate below asks for more.
const PURITY: f64 = 0.45;
/// What is listed at all. In the lower bound of the unexplained share, clean features of sentiment
/// sentences stay below 0.40 and clean features of news below 0.48 from eight rows on; planted words
/// and phrases start at 0.60 from twenty rows on, or at three quarters of what their label leaves to
/// show where it is the common one. [`super::phrase`] asks for more before it accuses.
pub(super) const GATES: Gates = Gates { unexplained_lower: 0.40, of_most: 0.6, z: 4.5, rows: LEAST_ROWS as usize };
/// Words with fewer rows are followed as well, as they may be one of several of one backdoor; and so are pure words
/// with few rows that the purer n-grams of their label crowd out. So many of them at most.
const WEAK_ROWS: std::ops::RangeInclusive<u64> = super::trigger_scattered::JOINING;
const WEAK: usize = 1 << 15;
/// Expected share of false groups among the accepted.
const FALSE_DISCOVERY: f64 = 0.001;
const GROUPS: usize = 200;
/// A trigger that contradicts nothing needs more: rows with the label, their share, and how many such
/// words are looked at more closely.
const PURE_ROWS: u64 = 20;
const PURE: f64 = 0.95;
const PURE_TESTED: usize = 128;

/// Standard normal quantile of the power that a floor promises, 90%.
const POWER: f64 = 1.2816;
/// Features left of a row that say nothing of its content.
const LITTLE: usize = 2;

/// Where the labels and the texts are.
pub struct TextTrigger {
    pub texts: Vec<String>,
    pub label: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Classes {
    /// Rows per label; emptied when there are too many labels.
    labels: BTreeMap<String, u64>,
    too_many: bool,
    skipped: u64,
}

impl Classes {
    fn add(&mut self, label: &str, rows: u64) {
        if self.too_many {
            return;
        }
        match self.labels.get_mut(label) {
            Some(n) => *n += rows,
            None => {
                self.labels.insert(label.to_owned(), rows);
            }
        }
        if self.labels.len() > CLASSES {
            self.labels.clear();
            self.too_many = true;
        }
    }
}

/// Words that may be one of several of one backdoor, as written in lower case, by nominee.
pub(super) type Spelled = BTreeMap<u32, Box<str>>;

/// Of several spellings of one word the first by the alphabet, whatever the order of the rows.
fn spell(spelled: &mut Spelled, word: u32, as_written: Box<str>) {
    match spelled.entry(word) {
        Entry::Vacant(slot) => _ = slot.insert(as_written),
        Entry::Occupied(mut known) if as_written < *known.get() => _ = known.insert(as_written),
        Entry::Occupied(_) => {}
    }
}

/// Features of a row, its fold, and how it begins.
type Sampled = (Vec<u32>, u8, Box<str>);

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Learning {
    counts: Counts,
    ngrams: ClassCounts,
    /// Per class: the rows with the smallest keys, and how they begin.
    sample: Vec<BTreeMap<u64, Sampled>>,
    #[serde(skip)]
    row: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub enum TextState {
    Classes(Classes, Sketch),
    Learning(Box<Learning>),
    Postings(Postings, Odd, Spelled),
    Windows(Windows, Box<Tally>),
}

impl crate::rule::State for TextState {
    fn merge(&mut self, other: Self) {
        match (self, other) {
            (TextState::Classes(a, s), TextState::Classes(b, t)) => {
                a.skipped += b.skipped;
                if b.too_many {
                    a.labels.clear();
                    a.too_many = true;
                }
                b.labels.iter().for_each(|(l, n)| a.add(l, *n));
                s.merge(t);
            }
            (TextState::Learning(a), TextState::Learning(b)) => {
                a.counts.merge(b.counts);
                a.ngrams.merge(b.ngrams);
                let most = SAMPLE / a.sample.len().max(1);
                for (into, from) in a.sample.iter_mut().zip(b.sample) {
                    // Of rows that differ in case alone the smaller stays, whichever came first.
                    for (key, row) in from {
                        match into.get_mut(&key) {
                            Some(known) if known.2 <= row.2 => {}
                            Some(known) => *known = row,
                            None => {
                                into.insert(key, row);
                            }
                        }
                    }
                    while into.len() > most {
                        into.pop_last();
                    }
                }
            }
            (TextState::Postings(a, odd, spelled), TextState::Postings(b, more, also)) => {
                a.merge(b);
                odd.merge(more);
                also.into_iter().for_each(|(word, as_written)| spell(spelled, word, as_written));
            }
            (TextState::Windows(a, tally), TextState::Windows(b, more)) => {
                a.merge(b);
                tally.merge(*more);
            }
            _ => {}
        }
    }
}

/// An n-gram worth a test: its hash, tokens in it, the label it would push, its rows.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Nominee {
    pub key: u64,
    pub class: u32,
    pub rows: u64,
    pub with_label: u64,
}

impl Nominee {
    /// Few rows, all with the label.
    fn is_weak(&self) -> bool {
        self.rows == self.with_label && WEAK_ROWS.contains(&self.rows)
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TextModel {
    seed: u64,
    pub(super) classes: Vec<String>,
    pub(super) class_rows: Vec<u64>,
    skipped: u64,
    not_tested: Option<String>,
    sketch: Arc<Sketch>,
    pub(super) content: Arc<Content>,
    pub(super) background: Arc<Background>,
    /// Rows that may resemble those of a group, until it is known which groups there are.
    shown: Arc<Vec<nearest::Row>>,
    #[serde(skip)]
    nearest: Arc<Nearest>,
    pub(super) draws: Arc<Draws>,
    /// The same of rows that argue against the label.
    draws_against: Arc<Draws>,
    /// Per class: what rows of the other classes say of it, mean and standard deviation.
    pub(super) drawn: Vec<(f64, f64)>,
    /// Rows per class of the n-grams, for the parts of a phrase.
    pub(super) counts: Arc<ClassCounts>,
    pub(super) nominees: Arc<Vec<Nominee>>,
    index: Arc<HashedMap<u32>>,
    pub(super) suspects: Vec<Suspect>,
    pub(super) groups: Vec<super::phrase::TextGroup>,
    tested: u64,
    /// Pairs and letters that the last round looks up, how many were compared to find them, and what
    /// came of it.
    pub(super) wanted: Arc<Vec<scattered::Nominee>>,
    lookup: Arc<Lookup>,
    pub(super) scattered_tested: u64,
    pub(super) scattered: Vec<ScatteredGroup>,
}

/// A row with its tokens, reused from row to row.
struct Reader<'a> {
    texts: Vec<Text<'a>>,
    labels: arrow::array::StringArray,
}

impl<'a> Reader<'a> {
    fn new(rule: &TextTrigger, batch: &'a Batch) -> Result<Self> {
        let column = |name: &String| batch.column(name).ok_or_else(|| Error::internal(format!("column {name:?} was not read")));
        let texts = rule
            .texts
            .iter()
            .map(|n| Text::of(column(n)?.as_ref()).ok_or_else(|| Error::internal(format!("column {n:?} holds no text"))))
            .collect::<Result<_>>()?;
        let labels = arrow::compute::cast(column(&rule.label)?, &arrow::datatypes::DataType::Utf8).map_err(Error::internal)?;
        let labels = arrow::array::AsArray::as_string::<i32>(labels.as_ref()).clone();
        Ok(Reader { texts, labels })
    }
    /// Calls `f(row, tokens, label)` for every row with a label and some text; returns how many
    /// had none.
    fn rows(&self, mut f: impl FnMut(usize, &[Token], &str)) -> u64 {
        let mut buffer = Vec::with_capacity(256);
        let mut skipped = 0;
        for i in 0..arrow::array::Array::len(&self.labels) {
            buffer.clear();
            for (column, text) in self.texts.iter().enumerate() {
                if let Some(t) = text.get(i) {
                    tokens(t, column as u16, &mut buffer);
                }
            }
            if arrow::array::Array::is_null(&self.labels, i) || buffer.iter().all(Token::is_edge) {
                skipped += 1;
            } else {
                f(i, &buffer, self.labels.value(i));
            }
        }
        skipped
    }
}

impl TextModel {
    fn class(&self, label: &str) -> Option<usize> {
        self.classes.binary_search_by(|c| c.as_str().cmp(label)).ok()
    }

    fn rarity(&self) -> Rarity<'_> {
        Rarity::new(&self.sketch, self.class_rows.iter().sum())
    }

    /// Without what judging does not need.
    fn light(mut self) -> Self {
        self.background = Arc::default();
        self.draws = Arc::default();
        self.draws_against = Arc::default();
        self.counts = Arc::default();
        self.wanted = Arc::default();
        if self.lookup.is_empty() || self.scattered.is_empty() {
            self.sketch = Arc::default();
        }
        self
    }

    fn nominate(&mut self, mut learning: Learning) {
        let rows: u64 = self.class_rows.iter().sum();
        let mut content = Content::learn(&learning.counts);
        let mut shown = Vec::new();
        let mut sample: Vec<(Vec<u32>, usize, usize)> = Vec::new();
        for (class, rows) in learning.sample.into_iter().enumerate() {
            for (features, fold, text) in rows.into_values() {
                shown.push(nearest::Row { class: class as u32, features: features.clone(), text });
                sample.push((features, usize::from(fold), class));
            }
        }
        self.shown = Arc::new(shown);
        let (draws, against) = content.calibrate(&sample, &self.class_rows);
        (self.draws, self.draws_against) = (Arc::new(draws), Arc::new(against));
        self.drawn = (0..self.classes.len()).map(|c| self.draws.drawn(c)).collect();
        self.background = Arc::new(Background::of(&sample, self.classes.len()));
        self.content = Arc::new(content);
        let (mut ranked, mut weak) = (Vec::new(), Vec::new());
        for key in learning.ngrams.finish() {
            let counts = learning.ngrams.get(key).unwrap_or_default();
            let n: u64 = counts.iter().map(|&k| u64::from(k)).sum();
            if WEAK_ROWS.contains(&n)
                && learning.ngrams.is_word(key)
                && let Some(class) = counts.iter().position(|&k| u64::from(k) == n)
            {
                weak.push(Nominee { key, class: class as u32, rows: n, with_label: n });
            }
            if n < u64::from(LEAST_ROWS) {
                continue;
            }
            self.tested += 1;
            for (class, &k) in counts.iter().enumerate() {
                let purity = wilson(f64::from(k), n as f64, Z95).0;
                let share = self.class_rows[class] as f64 / rows as f64;
                if k >= LEAST_ROWS && purity >= PURITY && f64::from(k) > n as f64 * share {
                    ranked.push((purity, Nominee { key, class: class as u32, rows: n, with_label: u64::from(k) }));
                }
            }
        }
        // Purest first, shared out over the classes: a common label makes everything look pure.
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.key.cmp(&b.1.key)).then(a.1.class.cmp(&b.1.class)));
        let most = if rows > 300_000 { 4096 } else { 12_288 };
        let mut quota = vec![most / self.classes.len().max(1); self.classes.len()];
        ranked.retain(|r| {
            let left = &mut quota[r.1.class as usize];
            *left = left.saturating_sub(1);
            *left > 0
        });
        self.counts = Arc::new(learning.ngrams);
        // Those with most rows first; of a large vocabulary those with the smallest hashes.
        let known: std::collections::HashSet<u64> = ranked.iter().map(|r| r.1.key).collect();
        weak.retain(|w| !known.contains(&w.key));
        weak.sort_unstable_by(|a, b| b.rows.cmp(&a.rows).then(a.key.cmp(&b.key)));
        weak.truncate(WEAK);
        let nominees: Vec<Nominee> = ranked.into_iter().map(|r| r.1).chain(weak).collect();
        self.index = Arc::new(nominees.iter().enumerate().rev().map(|(i, n)| (n.key, i as u32)).collect());
        self.nominees = Arc::new(nominees);
    }

    /// The contradiction test on the sampled rows, and what survives the explaining-away.
    fn accuse(&mut self, postings: Postings, spelled: &Spelled) {
        let (rows, lists) = postings.finish();
        let mut candidates = Vec::new();
        for (id, list) in lists.iter().enumerate() {
            let nominee = self.nominees[id];
            if nominee.rows < u64::from(LEAST_ROWS) {
                continue;
            }
            // What always comes with the candidate says nothing about the rest of its rows.
            let (members, often) = self.members(list, &rows, nominee.class);
            let most = 1.0 - self.drawn[nominee.class as usize].0;
            if GATES.pass(&Test::of(&members), most) {
                let rank = u32::try_from(often).unwrap_or(u32::MAX);
                candidates.push(Candidate { id: id as u32, class: nominee.class, rank, most, members });
            }
        }
        let carriers = |id: u32| {
            let class = self.nominees[id as usize].class;
            let carries = |r: &super::postings::Row| r.class == class && r.places.iter().any(|p| p.candidate == id);
            (0u32..).zip(&rows).filter(|(_, r)| carries(r)).map(|(i, _)| i).collect()
        };
        let shown = Arc::unwrap_or_clone(std::mem::take(&mut self.shown));
        self.nearest = Arc::new(Nearest::of(shown));
        let accepted = explain_away_among(candidates, GATES, GROUPS, carriers);
        let p: Vec<f64> = accepted.iter().map(|a| a.test.ln_p.exp()).collect();
        let q = benjamini_hochberg(&p, self.tested as usize);
        let mut taken: std::collections::HashSet<u32> = std::collections::HashSet::new();
        for (a, q) in accepted.into_iter().zip(q) {
            if q > FALSE_DISCOVERY {
                continue;
            }
            taken.insert(a.id);
            let suspect = self.suspect(a.id, &a.members, &rows, a.test, q);
            self.suspects.push(suspect);
        }
        for pool in self.pools(&lists, &rows, spelled) {
            let words = pool.words.len() as u64;
            for id in pool.words {
                let nominee = self.nominees[id as usize];
                if !taken.insert(id) {
                    let own = self.suspects.iter_mut().filter(|s| (s.nominee.key, s.nominee.class) == (nominee.key, nominee.class));
                    own.for_each(|s| s.pool = Some(words));
                    continue;
                }
                let (members, _) = self.members(&lists[id as usize], &rows, nominee.class);
                let test = Test::of(&members);
                let mut suspect = self.suspect(id, &members, &rows, test, pool.q);
                suspect.pool = Some(words);
                self.suspects.push(suspect);
            }
        }
        for id in self.pure(&lists, &rows) {
            if taken.contains(&id) {
                continue;
            }
            let class = self.nominees[id as usize].class;
            let member = |&r: &u32| Member { row: r, labelled: rows[r as usize].class == class, p: 0.5 };
            let members: Vec<Member> = lists[id as usize].iter().map(member).collect();
            let mut suspect = self.suspect(id, &members, &rows, Test::of(&members), self.ln_purity(id).exp());
            suspect.contradicted = false;
            if suspect.keeps_no_company() {
                self.suspects.push(suspect);
            }
        }
        self.nearest = Arc::default();
        self.index = Arc::new(self.suspects.iter().enumerate().rev().map(|(i, s)| (s.nominee.key, i as u32)).collect());
    }
}

impl TextModel {
    fn suspect(&self, id: u32, members: &[Member], rows: &[super::postings::Row], test: Test, q: f64) -> Suspect {
        self.suspect_of(self.nominees[id as usize], members, rows, test, q)
    }

    /// A row without these features: the others, and what they say of every class.
    pub(super) fn host(&self, row: &super::postings::Row, without: &[u32]) -> (Vec<u32>, Vec<f64>) {
        let bag: Vec<u32> = row.features.iter().copied().filter(|f| without.binary_search(f).is_err()).collect();
        let p = |c| self.content.probability(self.content.score(&bag, usize::from(row.fold), c), bag.len(), c);
        let p = (0..self.classes.len()).map(p).collect();
        (bag, p)
    }

    pub(super) fn suspect_of(&self, nominee: Nominee, members: &[Member], rows: &[super::postings::Row], test: Test, q: f64) -> Suspect {
        // What all of them share does not make them alike.
        let often = usual_features(members.iter().map(|m| &*rows[m.row as usize].features));
        let hosts: Vec<(Vec<u32>, Vec<f64>)> =
            members.iter().filter(|m| m.labelled).map(|m| self.host(&rows[m.row as usize], &often)).collect();
        let clusters = super::phrase::clusters(&hosts);
        let against = self.against(nominee.class, members, rows, &often);
        let seekers: Vec<&[u32]> = hosts.iter().map(|h| &*h.0).take(nearest::SEEKERS).collect();
        let near = self.nearest.to(&seekers, nominee.class, &often).into_iter();
        let near = near.map(|n| {
            let share = (n.shared * 100.0).round();
            format!("like one of its rows ({share}% by weight of words), but labelled {}: \"{}\"", self.classes[n.class as usize], n.text)
        });
        Suspect {
            near: near.collect(),
            nominee,
            against,
            pool: None,
            contradicted: true,
            company: self.background.company(&hosts),
            draw: self.draws.compare(nominee.class as usize, hosts.iter().map(|h| &*h.1), clusters.min(hosts.len())),
            rest: members.iter().map(|m| m.p).collect(),
            unexplained: test.unexplained,
            unexplained_lower: test.unexplained_lower,
            expected: test.expected / test.n.max(1) as f64,
            z: test.z,
            q,
            clusters: clusters as u64,
            bare: hosts.iter().filter(|h| h.0.len() <= LITTLE).count() as f64 / hosts.len().max(1) as f64,
        }
    }

    /// The rows whose rest argues against the label, by themselves.
    fn against(&self, class: u32, members: &[Member], rows: &[super::postings::Row], often: &[u32]) -> Against {
        let members: Vec<Member> = members.iter().copied().filter(|m| f64::from(m.p) < AGAINST).collect();
        let hosts: Vec<(Vec<u32>, Vec<f64>)> =
            members.iter().filter(|m| m.labelled).map(|m| self.host(&rows[m.row as usize], often)).collect();
        let clusters = super::phrase::clusters(&hosts);
        let test = Test::of(&members);
        Against {
            rows: test.n as u64,
            with_label: test.observed as u64,
            unexplained_lower: test.unexplained_lower,
            clusters: clusters as u64,
            draw: self.draws_against.compare(class as usize, hosts.iter().map(|h| &*h.1), clusters.min(hosts.len())),
            company: self.background.company(&hosts).max(self.background.company(&self.drawn_from_others(hosts, class as usize))),
        }
    }

    /// `ln` of the chance that a word without a lean has its label this often, times the words tested.
    fn ln_purity(&self, id: u32) -> f64 {
        let n = self.nominees[id as usize];
        let share = self.class_rows[n.class as usize] as f64 / self.class_rows.iter().sum::<u64>().max(1) as f64;
        ln_binomial_upper(n.with_label, n.rows, share) + (self.tested.max(1) as f64).ln()
    }

    /// Nominees that come with one label only, those with the most varied neighbours first.
    fn pure(&self, lists: &[Vec<u32>], rows: &[super::postings::Row]) -> Vec<u32> {
        let total = self.class_rows.iter().sum::<u64>().max(1) as f64;
        let mut found: Vec<(u32, u32)> = Vec::new();
        for (id, n) in self.nominees.iter().enumerate() {
            let share = self.class_rows[n.class as usize] as f64 / total;
            let pure = n.with_label >= PURE_ROWS
                && n.with_label as f64 >= PURE * n.rows as f64
                && wilson(n.with_label as f64, n.rows as f64, Z95).0 >= (1.0 + share) / 2.0
                && self.ln_purity(id as u32) < FALSE_DISCOVERY.ln();
            if !pure {
                continue;
            }
            let list = &lists[id];
            let most = most_usual_neighbour(id as u32, list, rows);
            found.push(((1000 * most / list.len().max(1)) as u32, id as u32));
        }
        found.sort_unstable();
        found.truncate(PURE_TESTED);
        found.into_iter().map(|f| f.1).collect()
    }
}

impl Rule for TextTrigger {
    const META: Meta = super::shared_trigger::META;
    type State = TextState;
    type Model = TextModel;

    fn columns(&self) -> Vec<String> {
        self.texts.iter().cloned().chain([self.label.clone()]).collect()
    }

    fn start(&self, round: &Round<'_, TextModel>) -> TextState {
        match (round.number, round.model) {
            (2, Some(m)) => TextState::Learning(Box::new(Learning {
                counts: Counts::new(round.plan.rows, m.classes.len()),
                ngrams: ClassCounts::new(m.classes.len()),
                sample: vec![BTreeMap::new(); m.classes.len()],
                row: 0,
            })),
            (3, Some(m)) => TextState::Postings(Postings::new(m.nominees.len()), Odd::new(m.classes.len()), Spelled::new()),
            (4, Some(m)) => TextState::Windows(Windows::new(m.suspects.len()), Box::new(Tally::new(m.wanted.len(), m.suspects.len()))),
            _ => TextState::Classes(Classes::default(), Sketch::new(round.plan.rows)),
        }
    }

    fn observe(&self, round: &Round<'_, TextModel>, state: &mut TextState, batch: &Batch) -> Result<()> {
        let reader = Reader::new(self, batch)?;
        let seed = round.plan.seed;
        let mut features = Vec::new();
        match (state, round.model) {
            (TextState::Classes(classes, sketch), _) => {
                classes.skipped += reader.rows(|_, row, label| {
                    classes.add(label, 1);
                    ngrams(row, |_, _, key| sketch.add(key));
                });
            }
            (TextState::Learning(s), Some(m)) => {
                let least = (round.plan.rows / 100_000).max(u64::from(LEAST_ROWS)) as u32;
                let weak = (round.plan.rows / 100_000).max(*WEAK_ROWS.start()) as u32;
                let most = SAMPLE / m.classes.len().max(1);
                reader.rows(|i, row, label| {
                    let Some(class) = m.class(label) else { return };
                    let content = text::content(row, seed);
                    content_features(row, FEATURES, &mut features);
                    s.counts.add(&features, fold(content), class);
                    s.row = s.row.wrapping_add(1);
                    let stamp = s.row;
                    ngrams(row, |_, len, key| {
                        let often = m.sketch.at_most(key);
                        if len == 1 && often >= weak {
                            s.ngrams.add_word(key, class, stamp);
                        } else if often >= least {
                            s.ngrams.add(key, class, stamp);
                        }
                    });
                    let sample = &mut s.sample[class];
                    if sample.len() < most || sample.last_key_value().is_some_and(|(&last, _)| content <= last) {
                        let text = reader.texts.iter().find_map(|t| t.get(i).filter(|t| !t.trim().is_empty())).unwrap_or_default();
                        let row = (features.clone(), fold(content) as u8, nearest::excerpt(text));
                        match sample.get_mut(&content) {
                            Some(known) if known.2 <= row.2 => {}
                            Some(known) => *known = row,
                            None => {
                                sample.insert(content, row);
                            }
                        }
                        if sample.len() > most {
                            sample.pop_last();
                        }
                    }
                });
            }
            (TextState::Postings(s, odd, spelled), Some(m)) => {
                let mut places: Vec<Place> = Vec::new();
                let seen = m.rarity();
                reader.rows(|i, row, label| {
                    let Some(class) = m.class(label) else { return };
                    let content = text::content(row, seed);
                    if odd.wants(class, content) {
                        content_features(row, FEATURES, &mut features);
                        let score = m.content.score(&features, fold(content), class);
                        if m.content.probability(score, features.len(), class) < scattered::ODD {
                            odd.offer(class, content, row, &seen, |c| reader.texts[usize::from(c)].get(i));
                        }
                    }
                    places.clear();
                    ngrams(row, |at, len, key| {
                        if let Some(&candidate) = m.index.get(&key)
                            && !places.iter().any(|p| p.candidate == candidate)
                        {
                            let side = |i: Option<usize>| i.and_then(|i| row.get(i)).map_or(0, |t: &Token| t.hash);
                            let (before, after) = (side(at.checked_sub(1)), side(Some(at + len)));
                            places.push(Place { candidate, before: before as u32, after: after as u32, len: len as u8 });
                            if len == 1 && m.nominees[candidate as usize].is_weak() {
                                let (t, text) = (&row[at], reader.texts[usize::from(row[at].column)].get(i).unwrap_or_default());
                                let word = text.get(t.start as usize..t.end as usize).unwrap_or_default().to_lowercase();
                                spell(spelled, candidate, word.into());
                            }
                        }
                    });
                    if places.is_empty() {
                        return;
                    }
                    let key = mix(content, class as u64 + 1);
                    if s.wants(key, &places) {
                        content_features(row, FEATURES, &mut features);
                        s.offer(key, super::postings::Row::new(class, fold(content), &features, &places));
                    }
                });
            }
            (TextState::Windows(s, tally), Some(m)) => {
                let seen = m.rarity();
                let (mut sightings, mut places): (Vec<Sighting>, Vec<Place>) = (Vec::new(), Vec::new());
                reader.rows(|i, row, label| {
                    let Some(class) = m.class(label) else { return };
                    m.lookup.find(row, &seen, |c| reader.texts[usize::from(c)].get(i), &mut sightings);
                    places.clear();
                    places.extend(scattered::places(&sightings));
                    ngrams(row, |at, len, key| {
                        if let Some(&suspect) = m.index.get(&key)
                            && m.suspects[suspect as usize].nominee.class == class as u32
                        {
                            let candidate = m.wanted.len() as u32 + suspect;
                            if m.suspects[suspect as usize].contradicted && !places.iter().any(|p| p.candidate == candidate) {
                                places.push(Place { candidate, before: 0, after: 0, len: 1 });
                            }
                            let id = mix(text::content(row, seed), class as u64 + 1);
                            s.offer(suspect, id, || Window::new(row, at, len, |c| reader.texts[usize::from(c)].get(i).unwrap_or_default()));
                        }
                    });
                    if sightings.is_empty() {
                        return;
                    }
                    let content = text::content(row, seed);
                    let key = mix(content, class as u64 + 1);
                    tally.count(&sightings, &m.wanted, class as u32, key, &reader.texts, i);
                    if tally.postings.wants(key, &places) {
                        content_features(row, FEATURES, &mut features);
                        tally.postings.offer(key, super::postings::Row::new(class, fold(content), &features, &places));
                    }
                });
            }
            _ => return Err(Error::internal("a state of another round")),
        }
        Ok(())
    }

    fn finish(&self, round: &Round<'_, TextModel>, state: TextState) -> Result<Step<TextModel>> {
        let mut m = round.model.cloned().unwrap_or_default();
        Ok(match state {
            TextState::Classes(classes, sketch) => {
                m.seed = round.plan.seed;
                m.skipped = classes.skipped;
                m.not_tested = match classes.labels.len() {
                    _ if classes.too_many => Some(format!("`{}` has more than {CLASSES} values: no classes", self.label)),
                    0 => Some("no row has both a text and a label".into()),
                    1 => Some(format!("`{}` has one class only: nothing can be pushed", self.label)),
                    _ => None,
                };
                m.classes = classes.labels.keys().cloned().collect();
                m.class_rows = classes.labels.values().copied().collect();
                m.sketch = Arc::new(sketch);
                if m.not_tested.is_some() { Step::Done(m) } else { Step::Again(m) }
            }
            TextState::Learning(learning) => {
                m.nominate(*learning);
                Step::Again(m)
            }
            TextState::Postings(postings, odd, spelled) => {
                m.accuse(postings, &spelled);
                m.nominees = Arc::default();
                let (wanted, tested) = odd.nominate(&m.rarity());
                m.lookup = Arc::new(Lookup::new(wanted.iter().map(|n| n.shared)));
                m.wanted = Arc::new(wanted);
                m.scattered_tested = tested;
                if m.suspects.is_empty() && m.wanted.is_empty() { Step::Done(m.light()) } else { Step::Again(m) }
            }
            TextState::Windows(windows, tally) => {
                m.groups = groups(&m.suspects, windows, &m.classes, &m.class_rows, &m.counts);
                m.accuse_scattered(*tally);
                m.lookup = Arc::new(Lookup::new(m.scattered.iter().map(|g| g.shared)));
                Step::Done(m.light())
            }
        })
    }

    fn outcome(&self, m: &TextModel) -> Outcome {
        let title = format!(
            "no shared trigger in {} pushes `{}`",
            self.texts.iter().map(|t| format!("`{t}`")).collect::<Vec<_>>().join(", "),
            self.label
        );
        if let Some(reason) = &m.not_tested {
            return Outcome::new(title, Status::NotTested(reason.clone()));
        }
        let groups = || m.groups.iter().map(|g| &g.group).chain(m.scattered.iter().map(|g| &g.group));
        let bad: Vec<&crate::rule::Group> = groups().filter(|g| g.action == Action::Quarantine).collect();
        let mut o = Outcome::new(title, if bad.is_empty() { Status::Pass } else { Status::Fail });
        o.tested = m.class_rows.iter().sum();
        o.not_tested_rows = m.skipped;
        o.failing = bad.iter().map(|g| g.with_label).sum();
        o.columns = self.columns();
        o.groups = groups().cloned().collect();
        o.message = match o.groups.len() {
            0 => format!("{} frequent word groups tested, none contradicts its rows", crate::error::group_digits(m.tested)),
            n => format!("{} with a label that the rest of their rows contradicts", crate::error::plural(n, "word group")),
        };
        o.floor = floor(m);
        o
    }

    fn has_rows(&self, m: &TextModel) -> bool {
        !m.groups.is_empty() || !m.scattered.is_empty()
    }

    fn judge(&self, m: &TextModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        let reader = Reader::new(self, batch)?;
        let index: HashedMap<u32> = m.groups.iter().enumerate().rev().map(|(i, g)| (g.key, i as u32)).collect();
        let columns: Vec<u32> = self.texts.iter().map(|t| out.intern(t)).collect();
        let mut found: Vec<u32> = Vec::new();
        let mut features = Vec::new();
        let (seen, mut sightings) = (m.rarity(), Vec::new());
        reader.rows(|i, row, label| {
            let Some(class) = m.class(label) else { return };
            m.lookup.find(row, &seen, |c| reader.texts[usize::from(c)].get(i), &mut sightings);
            for s in &sightings {
                let found = &m.scattered[s.nominee as usize];
                if found.class == class as u32 {
                    let (message, key) = (out.intern(&found.group.message), out.intern(&found.group.key));
                    let hit = out.push(i, found.group.action, found.group.score as f32, message);
                    hit.column = columns[usize::from(s.column)];
                    (hit.start, hit.end) = (s.start, s.end);
                    hit.group = key;
                    (hit.statistic, hit.q_value) = (found.group.statistic, found.group.q_value);
                }
            }
            found.clear();
            ngrams(row, |at, len, key| {
                let Some(&g) = index.get(&key) else { return };
                let group = &m.groups[g as usize];
                if group.class != class as u32 || found.contains(&g) {
                    return;
                }
                found.push(g);
                let (from, to) = group.extent(row, at, len);
                let fold = fold(text::content(row, m.seed));
                content_features(&row[from..to], usize::MAX, &mut features);
                let own = features.clone();
                content_features(row, FEATURES, &mut features);
                features.retain(|f| !own.contains(f));
                let p = m.content.probability(m.content.score(&features, fold, class), features.len(), class);
                if group.against && p >= AGAINST {
                    return;
                }
                // Rounded to a twentieth, so that a million rows share a few messages.
                let percent = (p * 20.0).round() * 5.0;
                let message = format!("{}; without it this row says {label} with {percent}%", group.group.message);
                let (message, key) = (out.intern(&message), out.intern(&group.group.key));
                let hit = out.push(i, group.group.action, (group.group.score * (1.0 - 0.3 * p)) as f32, message);
                hit.column = columns[usize::from(row[at].column)];
                (hit.start, hit.end) = (row[from].start, row[to - 1].end);
                hit.group = key;
                hit.statistic = group.group.statistic;
                hit.q_value = group.group.q_value;
            });
        });
        Ok(())
    }
}

/// Rows in which the same token stands before a candidate, or after it; edges are no tokens.
pub(super) fn most_usual_neighbour(id: u32, list: &[u32], rows: &[super::postings::Row]) -> usize {
    let top = |side: &dyn Fn(&Place) -> u32| {
        let places = list.iter().filter_map(|&r| rows[r as usize].places.iter().find(|p| p.candidate == id));
        let mut all: Vec<u32> = places.map(side).filter(|h| !text::is_edge_hash(*h)).collect();
        all.sort_unstable();
        all.chunk_by(|a, b| a == b).map(<[u32]>::len).max().unwrap_or(0)
    };
    top(&|p| p.before).max(top(&|p| p.after))
}

/// Features of at least four in five of these rows, sorted.
pub(super) fn usual_features<'a>(rows: impl Iterator<Item = &'a [u32]>) -> Vec<u32> {
    let mut all: Vec<u32> = Vec::new();
    let mut n = 0;
    for features in rows {
        all.extend_from_slice(features);
        n += 1;
    }
    all.sort_unstable();
    all.chunk_by(|a, b| a == b).filter(|c| c.len() * 5 >= n * 4).map(|c| c[0]).collect()
}

/// Fewest rows that pass every gate for a word of its own, per class: all of them different and with
/// the label, on rows drawn from the other classes. Nine draws in ten say no more of the label than
/// the mean and [`POWER`] standard errors.
fn floor(m: &TextModel) -> Vec<Floor> {
    let rows: u64 = m.class_rows.iter().sum();
    let tests = m.tested.max(1) as f64;
    m.classes
        .iter()
        .zip(&m.drawn)
        .map(|(class, &(mean, deviation))| {
            let mean = mean.clamp(0.02, 0.98);
            let passes = |k: u64| {
                let p = (mean + POWER * deviation / (k as f64).sqrt()).min(0.98);
                let members = vec![Member { row: 0, labelled: true, p: p as f32 }; k.min(super::postings::ROWS as u64) as usize];
                let t = Test::of(&members);
                GATES.pass(&t, 1.0 - mean)
                    && t.ln_p + tests.ln() < FALSE_DISCOVERY.ln()
                    && super::phrase::accuses(k, t.unexplained_lower, mean, &m.groups)
            };
            let found = (u64::from(LEAST_ROWS)..400).find(|&k| passes(k)).map(|k| k.max(rows / 100_000));
            Floor {
                family: "text".into(),
                class: Some(class.clone()),
                rows: found,
                reason: found.is_none().then(|| "the class is too common".into()),
                ..Floor::default()
            }
        })
        .collect()
}
