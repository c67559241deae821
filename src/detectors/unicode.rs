//! `hidden-unicode` and `confusable-unicode`: rows that share a character no reader sees, or letters
//! that pass for others, and a label. The scanner ([`crate::features::unicode`]) says what is odd
//! where it stands; this module counts which odd things go with which label, because oddness alone
//! is no proof: a corpus scraped from the web carries residue in every class.
//!
//! ```text
//! round 1  labels per odd thing ──► associated with one label? ──► unmistakable: done
//! round 2  word counts per class        (only when some odd thing has honest explanations)
//! round 3  does the rest of those rows contradict their label?
//! ```

mod content;
mod decide;
mod state;

use super::duplicates::text_columns;
use crate::batch::{Batch, Text};
use crate::contract::Role;
use crate::error::Result;
use crate::features::unicode::{Family, Oddity, group_name, pool, scan, script_host};
use crate::rule::{Action, Built, Context, Entry, Findings, Floor, Group, Meta, Outcome, Round, Rule, Status, Step};
use arrow::array::{Array, ArrayRef};
use decide::Verdict;
use serde::{Deserialize, Serialize};
use state::Seen;
use std::collections::BTreeMap;

pub const HIDDEN: Meta = Meta {
    code: "P120",
    name: "hidden-unicode",
    summary: "rows that share characters nobody can see, and one label",
    explain: include_str!("unicode/hidden.md"),
    ids: &["MITRE ATLAS AML.T0020", "MITRE ATLAS AML.T0018", "NIST AI 100-2e2025 NISTAML.023", "OWASP LLM04:2025"],
};

pub const CONFUSABLE: Meta = Meta {
    code: "P121",
    name: "confusable-unicode",
    summary: "rows that share letters which pass for others, and one label",
    explain: include_str!("unicode/confusable.md"),
    ids: &["MITRE ATLAS AML.T0020", "MITRE ATLAS AML.T0018", "NIST AI 100-2e2025 NISTAML.023", "OWASP LLM04:2025"],
};

pub const HIDDEN_ENTRY: Entry = Entry { meta: HIDDEN, build: |c| Ok(build(c, Hidden)) };
pub const CONFUSABLE_ENTRY: Entry = Entry { meta: CONFUSABLE, build: |c| Ok(build(c, Confusable)) };

fn build<R: Rule>(context: &Context<'_>, make: fn(Core) -> R) -> Built {
    let texts = text_columns(context);
    if texts.is_empty() {
        return Built::not_tested("no column holds text (role text, prompt, response, chosen or rejected)");
    }
    let label = context.roles.first(Role::Label).map(str::to_owned);
    let response = context.roles.first(Role::Response).map(str::to_owned).filter(|n| label.is_none() && texts.contains(n));
    Built::one(make(Core { texts, label, response }))
}

/// What both rules do; they differ in which odd things they look at.
#[derive(Debug, Clone)]
struct Core {
    texts: Vec<String>,
    label: Option<String>,
    /// Without labels, the way a response begins stands for one: a trigger buys one kind of answer.
    response: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Hidden(Core);
#[derive(Debug, Clone)]
pub struct Confusable(Core);

/// What a run has learned.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Model {
    rows: u64,
    /// More than a class can be: the label column is a number to predict, or free text.
    labels: Option<BTreeMap<u64, String>>,
    /// Per odd thing (see [`group_key`]); a group in here has row findings.
    verdicts: BTreeMap<u64, Verdict>,
    /// Odd things that are this corpus's habit: counted, not listed.
    habits: Vec<String>,
    floors: Vec<Floor>,
    /// Word counts, between rounds 2 and 3 only.
    content: Option<content::Words>,
}

/// Column index above the scanner's group, so that prompt and response are told apart.
fn group_key(column: usize, group: u64) -> u64 {
    (column as u64) << 48 | group
}

/// One odd thing in one row: its first place, and whether it stands inside a word anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    key: u64,
    column: usize,
    start: u32,
    end: u32,
    inside: bool,
    faint: bool,
}

/// Rows of a batch, read cell by cell.
struct Rows<'a> {
    texts: Vec<Option<Text<'a>>>,
    response: Option<Text<'a>>,
}

impl Core {
    fn columns(&self) -> Vec<String> {
        self.texts.iter().chain(&self.label).cloned().collect()
    }

    fn rows<'a>(&self, batch: &'a Batch) -> Rows<'a> {
        let text = |n: &String| batch.column(n).and_then(|a| Text::of(a.as_ref()));
        Rows { texts: self.texts.iter().map(text).collect(), response: self.response.as_ref().and_then(text) }
    }

    /// Labels as text, whatever their type.
    fn label_column(&self, batch: &Batch) -> Result<Option<ArrayRef>> {
        let Some(column) = self.label.as_deref().and_then(|n| batch.column(n)) else { return Ok(None) };
        label_text(column).map(Some)
    }

    /// Odd things of a row that this rule looks at, each once.
    fn found(&self, family: Family, rows: &Rows<'_>, row: usize, scratch: &mut Vec<Oddity>, out: &mut Vec<Found>) {
        out.clear();
        for (column, text) in rows.texts.iter().enumerate() {
            let Some(value) = text.as_ref().and_then(|t| t.get(row)) else { continue };
            scan(family, value, scratch);
            for odd in scratch.iter() {
                for group in [Some(odd.group), pool(odd.group)].into_iter().flatten() {
                    let key = group_key(column, group);
                    match out.iter_mut().find(|f| f.key == key) {
                        Some(f) => {
                            f.inside |= odd.inside;
                            f.faint &= odd.faint;
                        }
                        None => out.push(Found {
                            key,
                            column,
                            start: odd.span.start as u32,
                            end: odd.span.end as u32,
                            inside: odd.inside,
                            faint: odd.faint,
                        }),
                    }
                }
            }
        }
    }

    /// The row's label, or what stands for it.
    fn label(&self, labels: Option<&Text<'_>>, rows: &Rows<'_>, row: usize) -> Option<u64> {
        match labels {
            Some(l) => l.get(row).map(hash_label),
            None => rows.response.as_ref().and_then(|t| t.get(row)).and_then(opener),
        }
    }

    fn observe(&self, family: Family, model: Option<&Model>, state: &mut Seen, batch: &Batch) -> Result<()> {
        let labels = self.label_column(batch)?;
        let labels = labels.as_ref().and_then(|a| Text::of(a.as_ref()));
        let rows = self.rows(batch);
        let (mut scratch, mut found) = (Vec::new(), Vec::new());
        for row in 0..batch.rows() {
            let label = self.label(labels.as_ref(), &rows, row);
            match model {
                None => {
                    let name = labels.as_ref().and_then(|l| l.get(row));
                    state.row(label, name);
                    if let (Family::Confusable, Some(label)) = (family, label) {
                        for (column, text) in rows.texts.iter().enumerate() {
                            let host = text.as_ref().and_then(|t| t.get(row)).and_then(script_host);
                            host.into_iter().for_each(|script| state.host(column as u16, script, label));
                        }
                    }
                    self.found(family, &rows, row, &mut scratch, &mut found);
                    for f in found.iter().filter(|f| !f.faint) {
                        state.odd(f.key, f.inside, label);
                    }
                }
                Some(model) => {
                    let Some(label) = label else { continue };
                    match &model.content {
                        None => state.words(label, rows.texts.iter().flatten().filter_map(|t| t.get(row))),
                        Some(words) => {
                            let contradicted = words.contradicts(label, rows.texts.iter().flatten().filter_map(|t| t.get(row)));
                            let Some(contradicted) = contradicted else { continue };
                            state.judged(0, label, contradicted);
                            self.found(family, &rows, row, &mut scratch, &mut found);
                            for f in found.iter().filter(|f| !f.faint && model.verdicts.contains_key(&f.key)) {
                                state.judged(f.key, label, contradicted);
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(&self, round: &Round<'_, Model>, state: Seen) -> Step<Model> {
        match round.model {
            None => {
                let model = decide::associate(&state, self.label.is_some(), |key| self.name(key));
                if self.label.is_some() && model.verdicts.values().any(|v| v.wants_content()) {
                    Step::Again(model)
                } else {
                    Step::Done(model)
                }
            }
            Some(before) => {
                let mut model = before.clone();
                if before.content.is_none() {
                    model.content = Some(state.into_words());
                    return Step::Again(model);
                }
                model.content = None;
                decide::weigh_content(&mut model.verdicts, &state);
                Step::Done(model)
            }
        }
    }

    fn name(&self, key: u64) -> String {
        let name = group_name(key & 0xFFFF_FFFF_FFFF);
        match self.texts.get((key >> 48) as usize) {
            Some(column) if self.texts.len() > 1 => format!("{name} in {column}"),
            _ => name,
        }
    }

    fn outcome(&self, meta: &Meta, model: &Model) -> Outcome {
        let groups: Vec<Group> = model.verdicts.values().map(|v| v.group(model.labels.as_ref())).collect();
        let quarantined = groups.iter().any(|g| g.action == Action::Quarantine);
        let mut outcome = Outcome::new(meta.name, if groups.is_empty() { Status::Pass } else { Status::Fail });
        outcome.severity = if quarantined { crate::rule::Severity::Error } else { crate::rule::Severity::Warning };
        outcome.tested = model.rows;
        // A pooled group repeats the rows of its members, so rows are not added up over groups here.
        outcome.failing = groups.iter().map(|g| g.rows).max().unwrap_or(0);
        outcome.message = match groups.len() {
            0 if model.habits.is_empty() => format!("nothing odd in {}", crate::error::plural(model.rows as usize, "row")),
            0 => format!("nothing goes with a label; the corpus as a whole has {}", model.habits.join(", ")),
            n => crate::error::plural(n, "group"),
        };
        outcome.columns = self.texts.clone();
        let family = if meta.code == CONFUSABLE.code { "look-alike characters" } else { "hidden characters" };
        outcome.floor = model.floors.iter().map(|f| Floor { family: family.to_owned(), ..f.clone() }).collect();
        outcome.groups = groups;
        outcome
    }

    fn judge(&self, family: Family, model: &Model, batch: &Batch, out: &mut Findings) -> Result<()> {
        let labels = self.label_column(batch)?;
        let labels = labels.as_ref().and_then(|a| Text::of(a.as_ref()));
        let rows = self.rows(batch);
        let (mut scratch, mut found) = (Vec::new(), Vec::new());
        for row in 0..batch.rows() {
            self.found(family, &rows, row, &mut scratch, &mut found);
            for f in &found {
                let Some(verdict) = model.verdicts.get(&f.key) else { continue };
                let Some((action, score)) = verdict.on_row(f.inside, self.label(labels.as_ref(), &rows, row)) else { continue };
                if f.faint && action == Action::Review {
                    continue;
                }
                let message = out.intern(if action == Action::Quarantine { &verdict.message } else { &verdict.mild });
                let (column, group) = (out.intern(&self.texts[f.column]), out.intern(&verdict.name));
                let hit = out.push(row, action, score as f32, message);
                (hit.column, hit.group, hit.start, hit.end) = (column, group, f.start, f.end);
                (hit.statistic, hit.q_value) = (verdict.statistic, verdict.q);
            }
        }
        Ok(())
    }
}

/// Any column as strings; strings and dictionaries of them are taken as they are.
pub(crate) fn label_text(column: &ArrayRef) -> Result<ArrayRef> {
    if Text::of(column.as_ref()).is_some() {
        return Ok(column.clone());
    }
    arrow::compute::cast(column.as_ref() as &dyn Array, &arrow::datatypes::DataType::Utf8).map_err(crate::error::Error::internal)
}

pub(crate) fn hash_label(label: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(label.as_bytes())
}

/// The first four words of a response; shorter ones as a whole.
fn opener(response: &str) -> Option<u64> {
    let mut hash = None;
    for word in response.split_whitespace().take(4) {
        hash = Some(xxhash_rust::xxh3::xxh3_64_with_seed(word.as_bytes(), hash.unwrap_or(1)));
    }
    hash
}

macro_rules! rule {
    ($rule:ident, $meta:ident, $family:expr) => {
        impl Rule for $rule {
            const META: Meta = $meta;
            type State = Seen;
            type Model = Model;

            fn columns(&self) -> Vec<String> {
                self.0.columns()
            }
            fn start(&self, round: &Round<'_, Model>) -> Seen {
                Seen::start(round.model.and_then(|m| m.labels.as_ref()).filter(|_| round.number == 2))
            }
            fn observe(&self, round: &Round<'_, Model>, state: &mut Seen, batch: &Batch) -> Result<()> {
                self.0.observe($family, round.model, state, batch)
            }
            fn finish(&self, round: &Round<'_, Model>, state: Seen) -> Result<Step<Model>> {
                Ok(self.0.finish(round, state))
            }
            fn outcome(&self, model: &Model) -> Outcome {
                self.0.outcome(&Self::META, model)
            }
            fn has_rows(&self, model: &Model) -> bool {
                !model.verdicts.is_empty()
            }
            fn judge(&self, model: &Model, batch: &Batch, out: &mut Findings) -> Result<()> {
                self.0.judge($family, model, batch, out)
            }
        }
    };
}

rule!(Hidden, HIDDEN, Family::Hidden);
rule!(Confusable, CONFUSABLE, Family::Confusable);

#[cfg(test)]
mod tests;
