//! A rule is a fold and a judgement. A range check and a trigger detector differ in their
//! statistics, not in their kind:
//!
//! ```text
//!  shard ─► observe ─► State ┐
//!  shard ─► observe ─► State ┼─ merge ─► finish ─► Again(model): one more observing round
//!  shard ─► observe ─► State ┘                └──► Done(model) ─► judge(model, batch) ─► Findings
//! ```
//!
//! **`merge` is commutative, associative and exact**, and a fresh state is neutral: states hold
//! integers, sets, minima and bottom-k samples, never floating sums whose value depends on the
//! order. That is why any number of threads, any split and any order of files give the same bytes.

use crate::batch::Batch;
use crate::error::{Result, Span};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::any::Any;

/// What a rule is, for the manual, the registry and every report.
#[derive(Debug, Clone, Copy)]
pub struct Meta {
    /// `C###` contract, `P###` poisoning, `S###` supply chain. Never changes its meaning.
    pub code: &'static str,
    /// The wrong it catches, in kebab case: `label-conflict`.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// The manual page: what it does, why it hurts a model, how it is computed, what raises false
    /// alarms, how it is evaded, an example, the paper. Markdown.
    pub explain: &'static str,
    /// Ids in public catalogues, each with its edition.
    pub ids: &'static [&'static str],
}

/// What to do with a row, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// A person should look; the row stays in by default.
    Review,
    /// Enough to take the row out.
    Quarantine,
}

impl Action {
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Review => "review",
            Action::Quarantine => "quarantine",
        }
    }
}

/// Facts about the run that never change while it lasts and are part of its digest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    pub seed: u64,
    /// Rows in the dataset (exact: footers or a counting pass).
    pub rows: u64,
    /// Bytes that sketches may take in all.
    pub memory: u64,
    /// Share of clean rows the user is ready to see quarantined.
    pub false_alarms: f64,
    /// Worker threads; never changes a result.
    #[serde(skip)]
    pub threads: usize,
}

pub struct Round<'a, M> {
    /// 1, 2, ...
    pub number: u32,
    /// What the earlier rounds learned; `None` in the first.
    pub model: Option<&'a M>,
    pub plan: &'a Plan,
}

pub enum Step<M> {
    /// Another observing round is wanted, with this model.
    Again(M),
    Done(M),
}

/// What one shard learned.
pub trait State: Send + Serialize + DeserializeOwned + 'static {
    fn merge(&mut self, other: Self);
}

impl State for () {
    fn merge(&mut self, (): ()) {}
}

pub trait Rule: Send + Sync + Sized + 'static {
    const META: Meta;
    type State: State;
    type Model: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Top-level columns that `observe` and `judge` read; everything else stays undecoded.
    fn columns(&self) -> Vec<String>;
    /// Whether `observe` makes much of every character, and shares it as a feature of the batch: it is then
    /// given batches of little text, whose features stay in the processor's cache.
    fn reads_text(&self) -> bool {
        false
    }
    fn start(&self, round: &Round<'_, Self::Model>) -> Self::State;
    fn observe(&self, round: &Round<'_, Self::Model>, state: &mut Self::State, batch: &Batch) -> Result<()>;
    fn finish(&self, round: &Round<'_, Self::Model>, state: Self::State) -> Result<Step<Self::Model>>;
    /// The verdict on the whole dataset.
    fn outcome(&self, model: &Self::Model) -> Outcome;
    /// What its groups look like, where that can be shown: the recovered trigger as a small image.
    fn pictures(&self, _model: &Self::Model) -> Vec<Picture> {
        Vec::new()
    }
    /// False when no row can have a finding: the judging pass is then skipped for this rule.
    fn has_rows(&self, model: &Self::Model) -> bool;
    /// Findings of this batch only; must not depend on the batch's neighbours.
    fn judge(&self, model: &Self::Model, batch: &Batch, out: &mut Findings) -> Result<()>;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status", content = "reason")]
pub enum Status {
    Pass,
    Fail,
    /// A contract rule that could not be answered; counts as an error unless the contract says otherwise.
    NotEvaluated(String),
    /// A detector that lacks its role, rows or classes; listed, never a failure.
    NotTested(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Warning,
    Error,
}

/// What a rule says about the dataset as a whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    #[serde(flatten)]
    pub status: Status,
    /// The rule as the user wrote or would say it: `label: allowed [neg, pos]`.
    pub title: String,
    pub severity: Severity,
    /// Rows in the denominator.
    pub tested: u64,
    pub failing: u64,
    /// Rows left out of the denominator because the expression or `when` was null.
    pub not_tested_rows: u64,
    /// The number compared, and what it was compared with.
    pub statistic: Option<f64>,
    pub threshold: Option<String>,
    /// What was seen, for a person: `3 of 1,000 rows are null`.
    pub message: String,
    /// Where in the contract.
    pub span: Option<Span>,
    /// Failing rows fall under the tolerance: they are listed for review.
    pub within_tolerance: bool,
    /// Columns concerned.
    pub columns: Vec<String>,
    /// Suspect groups, detectors only.
    pub groups: Vec<Group>,
    /// Smallest poisoning this run could have seen, detectors only.
    pub floor: Vec<Floor>,
}

impl Outcome {
    pub fn new(title: impl Into<String>, status: Status) -> Self {
        Outcome {
            status,
            title: title.into(),
            severity: Severity::Error,
            tested: 0,
            failing: 0,
            not_tested_rows: 0,
            statistic: None,
            threshold: None,
            message: String::new(),
            span: None,
            within_tolerance: false,
            columns: Vec::new(),
            groups: Vec::new(),
            floor: Vec::new(),
        }
    }
}

/// What suspect rows share. One line of the report; a person judges it once for all its rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// As printed and as `ignore` matches it (already free of control characters is not assumed:
    /// whoever prints escapes).
    pub key: String,
    pub action: Action,
    /// Estimated probability that its rows do not belong.
    pub score: f64,
    /// Rows that carry the shared thing, and those of them with the suspect label.
    pub rows: u64,
    pub with_label: u64,
    /// The label they push, where there is one.
    pub label: Option<String>,
    pub statistic: f64,
    pub q_value: f64,
    /// `whenever "url url" occurs the label is pos, although the rest of the row says neg`.
    pub message: String,
    /// Why this is `review` rather than `quarantine`, or further witnesses.
    pub reasons: Vec<String>,
}

/// The trigger that a group shares, as far as it was recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Key of the group.
    pub group: String,
    pub width: u32,
    pub height: u32,
    /// Row by row from the top left: 0xAARRGGBB, transparent where any colour will do.
    pub pixels: Vec<u32>,
}

/// Per class (or `None`: whole dataset) and feature family: fewest poisoned rows that this run would have found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    pub family: String,
    pub class: Option<String>,
    /// `None`: no number of rows suffices here (say why in `reason`).
    pub rows: Option<u64>,
    pub reason: Option<String>,
    /// The columns that this line is about; empty: whichever the trigger stands in.
    pub columns: Vec<String>,
}

/// One piece of evidence against one row. Strings are interned in [`Findings`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Row within the batch.
    pub row: u32,
    /// Set by the engine: which rule of the run.
    pub rule: u16,
    pub action: Action,
    pub score: f32,
    /// Interned column name; `NONE` when the row as a whole is meant.
    pub column: u32,
    /// Byte span in that column's text; `start == end` means none.
    pub start: u32,
    pub end: u32,
    pub message: u32,
    /// Interned group key; `NONE` for none.
    pub group: u32,
    pub statistic: f64,
    pub q_value: f64,
}

/// Index of the absent string.
pub const NONE: u32 = u32::MAX;

/// Findings of a run of batches: columnar enough to hold millions, with each string once.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    pub hits: Vec<Hit>,
    strings: Vec<std::sync::Arc<str>>,
    index: std::collections::HashMap<std::sync::Arc<str>, u32>,
}

impl Findings {
    pub fn intern(&mut self, s: &str) -> u32 {
        if let Some(&i) = self.index.get(s) {
            return i;
        }
        let s: std::sync::Arc<str> = s.into();
        let i = u32::try_from(self.strings.len()).expect("fewer than 2^32 distinct strings in a batch run");
        self.strings.push(s.clone());
        self.index.insert(s, i);
        i
    }
    pub fn string(&self, i: u32) -> Option<&std::sync::Arc<str>> {
        (i != NONE).then(|| &self.strings[i as usize])
    }
    /// A hit with nothing but a row and a message; set the other fields as they apply. NaN means
    /// "no statistic" and becomes null in every output.
    pub fn push(&mut self, row: usize, action: Action, score: f32, message: u32) -> &mut Hit {
        self.hits.push(Hit {
            row: row as u32,
            rule: 0,
            action,
            score,
            column: NONE,
            start: 0,
            end: 0,
            message,
            group: NONE,
            statistic: f64::NAN,
            q_value: f64::NAN,
        });
        self.hits.last_mut().expect("just pushed")
    }
    pub fn strings(&self) -> &[std::sync::Arc<str>] {
        &self.strings
    }
    /// Drops the hits and, once they have grown many, the strings.
    pub fn clear(&mut self) {
        self.hits.clear();
        if self.strings.len() > 4096 {
            self.strings.clear();
            self.index.clear();
        }
    }
    /// By row, then rule, then place: the order in which every list prints them.
    pub fn sort(&mut self) {
        let key = |h: &Hit| (h.row, h.rule, h.column, h.start, h.end);
        if !self.hits.is_sorted_by_key(key) {
            self.hits.sort_by_key(key);
        }
    }
}

/// `Rule` with its types erased, so that one engine drives all of them.
pub trait DynRule: Send + Sync {
    fn meta(&self) -> Meta;
    fn columns(&self) -> Vec<String>;
    fn reads_text(&self) -> bool;
    fn start(&self, round: u32, model: Option<&AnyModel>, plan: &Plan) -> AnyState;
    fn observe(&self, round: u32, model: Option<&AnyModel>, plan: &Plan, state: &mut AnyState, batch: &Batch) -> Result<()>;
    fn merge(&self, into: &mut AnyState, other: AnyState);
    /// `(model, wants another round)`.
    fn finish(&self, round: u32, model: Option<&AnyModel>, plan: &Plan, state: AnyState) -> Result<(AnyModel, bool)>;
    fn outcome(&self, model: &AnyModel) -> Outcome;
    fn pictures(&self, model: &AnyModel) -> Vec<Picture>;
    fn has_rows(&self, model: &AnyModel) -> bool;
    fn judge(&self, model: &AnyModel, batch: &Batch, out: &mut Findings) -> Result<()>;
    fn encode_state(&self, state: &AnyState) -> Result<Vec<u8>>;
    fn decode_state(&self, bytes: &[u8]) -> Result<AnyState>;
    fn encode_model(&self, model: &AnyModel) -> Result<Vec<u8>>;
    fn decode_model(&self, bytes: &[u8]) -> Result<AnyModel>;
}

pub struct AnyState(pub(crate) Box<dyn Any + Send>);
pub struct AnyModel(pub(crate) Box<dyn Any + Send + Sync>);

pub(crate) const OWN: &str = "the engine hands a rule its own state and model";

fn round_of<'a, R: Rule>(number: u32, model: Option<&'a AnyModel>, plan: &'a Plan) -> Round<'a, R::Model> {
    Round { number, model: model.map(|m| m.0.downcast_ref().expect(OWN)), plan }
}

impl<R: Rule> DynRule for R {
    fn meta(&self) -> Meta {
        R::META
    }
    fn columns(&self) -> Vec<String> {
        Rule::columns(self)
    }
    fn reads_text(&self) -> bool {
        Rule::reads_text(self)
    }
    fn start(&self, round: u32, model: Option<&AnyModel>, plan: &Plan) -> AnyState {
        AnyState(Box::new(Rule::start(self, &round_of::<R>(round, model, plan))))
    }
    fn observe(&self, round: u32, model: Option<&AnyModel>, plan: &Plan, state: &mut AnyState, batch: &Batch) -> Result<()> {
        Rule::observe(self, &round_of::<R>(round, model, plan), state.0.downcast_mut().expect(OWN), batch)
    }
    fn merge(&self, into: &mut AnyState, other: AnyState) {
        let other = *other.0.downcast::<R::State>().expect(OWN);
        into.0.downcast_mut::<R::State>().expect(OWN).merge(other);
    }
    fn finish(&self, round: u32, model: Option<&AnyModel>, plan: &Plan, state: AnyState) -> Result<(AnyModel, bool)> {
        let state = *state.0.downcast::<R::State>().expect(OWN);
        Ok(match Rule::finish(self, &round_of::<R>(round, model, plan), state)? {
            Step::Again(m) => (AnyModel(Box::new(m)), true),
            Step::Done(m) => (AnyModel(Box::new(m)), false),
        })
    }
    fn outcome(&self, model: &AnyModel) -> Outcome {
        Rule::outcome(self, model.0.downcast_ref().expect(OWN))
    }
    fn pictures(&self, model: &AnyModel) -> Vec<Picture> {
        Rule::pictures(self, model.0.downcast_ref().expect(OWN))
    }
    fn has_rows(&self, model: &AnyModel) -> bool {
        Rule::has_rows(self, model.0.downcast_ref().expect(OWN))
    }
    fn judge(&self, model: &AnyModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        Rule::judge(self, model.0.downcast_ref().expect(OWN), batch, out)
    }
    fn encode_state(&self, state: &AnyState) -> Result<Vec<u8>> {
        postcard::to_stdvec(state.0.downcast_ref::<R::State>().expect(OWN)).map_err(crate::error::Error::internal)
    }
    fn decode_state(&self, bytes: &[u8]) -> Result<AnyState> {
        let s: R::State = postcard::from_bytes(bytes).map_err(crate::error::Error::internal)?;
        Ok(AnyState(Box::new(s)))
    }
    fn encode_model(&self, model: &AnyModel) -> Result<Vec<u8>> {
        postcard::to_stdvec(model.0.downcast_ref::<R::Model>().expect(OWN)).map_err(crate::error::Error::internal)
    }
    fn decode_model(&self, bytes: &[u8]) -> Result<AnyModel> {
        let m: R::Model = postcard::from_bytes(bytes).map_err(crate::error::Error::internal)?;
        Ok(AnyModel(Box::new(m)))
    }
}

/// Everything a rule may look at when it is built.
pub struct Context<'a> {
    pub contract: &'a crate::contract::Contract,
    /// The dataset's columns with their logical types, partition columns included.
    pub schema: &'a arrow::datatypes::Schema,
    pub roles: &'a crate::contract::Roles,
    pub plan: &'a Plan,
    /// What rules about age take for the present, in whole seconds.
    pub now: chrono::DateTime<chrono::Utc>,
}

/// A detector that could not be built, and why: listed under "not tested".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotTested {
    pub code: String,
    pub name: String,
    pub reason: String,
}

/// One line of the registry.
pub struct Entry {
    pub meta: Meta,
    /// The instances this contract asks for, or diagnostics that point into the contract.
    pub build: fn(&Context<'_>) -> std::result::Result<Built, Vec<crate::error::Diagnostic>>,
}

#[derive(Default)]
pub struct Built {
    pub rules: Vec<Box<dyn DynRule>>,
    pub not_tested: Vec<String>,
    /// Outcomes known without reading a row (a missing column, a wrong type).
    pub settled: Vec<Outcome>,
}

impl Built {
    pub fn one(rule: impl Rule) -> Self {
        Built { rules: vec![Box::new(rule)], ..Built::default() }
    }
    pub fn not_tested(reason: impl Into<String>) -> Self {
        Built { not_tested: vec![reason.into()], ..Built::default() }
    }
}
