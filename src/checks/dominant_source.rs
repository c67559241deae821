//! C123: one source with too large a share.

use super::cells::Cells;
use super::duplicate_key::{can_be_key, hashes};
use super::row::percent;
use super::scope::Scope;
use super::times::by_role;
use crate::batch::{Batch, cell_text};
use crate::contract::dataset_rules::DatasetRule;
use crate::contract::{Role, RuleKind, Share, types};
use crate::error::{Diagnostic, Result, group_digits};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const META: Meta = Meta {
    code: "C123",
    name: "dominant-source",
    summary: "No single source has more than its share of the rows.",
    ids: &[],
    explain: "\
Fails when one value of the column with `role: source`, or of the one under `column`, takes more than `max` of the rows:

    - source_share: {max: 20%}
    - source_share: {column: domain, max: 5%}

**Why it hurts a model.** Whoever controls a source controls its rows. A bound on each says how much of the training set a single
compromised site, crawler or annotation shop can write; and a source that swells is how floods arrive.

**How it is computed.** Rows with a null source are left out; without any other the rule is not evaluated. Shares are compared as
integers. Up to 10,000 sources are counted one by one. Of more, a first pass counts them in 4,096 buckets by hash, and a second
pass counts one by one what stands in a bucket that is large enough to hold an offender: so the answer is exact for any number of
sources. There is no guilty row.

**Example.** `max: 20%` fails when 21 of 100 rows are from one site.

**What fools it.** An attacker with many names; group them first (registered domain, organisation).",
};

pub const ENTRY: Entry = Entry { meta: META, build };

const FEW: usize = 10_000;
const BUCKETS: usize = 4096;
/// Sources counted one by one in the second pass; a limit near 100% / BUCKETS would ask for all.
const MOST: usize = 1_000_000;
/// Offenders that are named.
const NAMED: usize = 8;

struct DominantSource {
    source: Cells,
    max: Share,
    base: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    rows: u64,
    buckets: Vec<u64>,
    /// By hash, with the name as it prints. Empty once there were more than fit.
    sources: BTreeMap<u128, (String, u64)>,
    limit: usize,
    too_many: bool,
}

impl Counts {
    fn add(&mut self, hash: u128, n: u64, name: impl FnOnce() -> String) {
        if self.too_many {
            return;
        }
        self.sources.entry(hash).or_insert_with(|| (name(), 0)).1 += n;
        if self.sources.len() > self.limit {
            self.sources.clear();
            self.too_many = true;
        }
    }
}

impl State for Counts {
    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.buckets.iter_mut().zip(&other.buckets).for_each(|(a, b)| *a += b);
        if other.too_many {
            self.sources.clear();
            self.too_many = true;
        }
        for (hash, (name, n)) in other.sources {
            self.add(hash, n, || name);
        }
    }
}

fn bucket(hash: u128) -> usize {
    (hash >> 116) as usize
}

/// The first pass of a column with many sources, or the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Model {
    rows: u64,
    /// Of the first pass.
    buckets: Vec<u64>,
    /// Largest first, then by name; of the sources that were counted one by one.
    top: Vec<(String, u64)>,
    /// Sources counted, `None` when they were too many to be.
    sources: Option<u64>,
    offenders: u64,
    gave_up: bool,
}

impl DominantSource {
    fn exceeds(&self, n: u64, rows: u64) -> bool {
        !self.max.covers(n, rows)
    }
}

impl Rule for DominantSource {
    const META: Meta = META;
    type State = Counts;
    type Model = Model;

    fn columns(&self) -> Vec<String> {
        self.source.reads()
    }
    fn start(&self, round: &Round<'_, Model>) -> Counts {
        let first = round.model.is_none();
        let (limit, buckets) = if first { (FEW, vec![0; BUCKETS]) } else { (MOST, Vec::new()) };
        Counts { rows: 0, buckets, sources: BTreeMap::new(), limit, too_many: false }
    }
    fn observe(&self, round: &Round<'_, Model>, state: &mut Counts, batch: &Batch) -> Result<()> {
        let array = self.source.of(batch)?;
        for (i, hash) in hashes(&array)?.into_iter().enumerate() {
            let Some(hash) = hash else { continue };
            let name = || cell_text(array.as_ref(), i).unwrap_or_default();
            match round.model {
                None => {
                    state.rows += 1;
                    state.buckets[bucket(hash)] += 1;
                    state.add(hash, 1, name);
                }
                Some(m) if self.exceeds(m.buckets[bucket(hash)], m.rows) => state.add(hash, 1, name),
                Some(_) => {}
            }
        }
        Ok(())
    }
    fn finish(&self, round: &Round<'_, Model>, state: Counts) -> Result<Step<Model>> {
        let first = round.model.is_none();
        let rows = round.model.map_or(state.rows, |m| m.rows);
        let mut model = Model { rows, buckets: Vec::new(), top: Vec::new(), sources: None, offenders: 0, gave_up: false };
        if state.too_many {
            if first && state.buckets.iter().any(|n| self.exceeds(*n, rows)) {
                model.buckets = state.buckets;
                return Ok(Step::Again(model));
            }
            model.gave_up = !first;
            return Ok(Step::Done(model));
        }
        model.sources = first.then_some(state.sources.len() as u64);
        model.top = state.sources.into_values().collect();
        model.top.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        model.offenders = model.top.iter().filter(|(_, n)| self.exceeds(*n, rows)).count() as u64;
        model.top.truncate(NAMED);
        Ok(Step::Done(model))
    }
    fn outcome(&self, m: &Model) -> Outcome {
        let mut out = Outcome { tested: m.rows, ..self.base.clone() };
        if m.rows == 0 || m.gave_up {
            out.message = match m.gave_up {
                true => format!("more than {} sources could each have more than {}", group_digits(MOST as u64), self.max.text),
                false => "no row has a source".into(),
            };
            out.status = Status::NotEvaluated(out.message.clone());
            return out;
        }
        let told = |(name, n): &(String, u64)| {
            format!("`{name}` has {} ({} of {} rows)", percent(*n, m.rows), group_digits(*n), group_digits(m.rows))
        };
        out.statistic = m.top.first().map(|(_, n)| *n as f64 / m.rows as f64);
        if m.offenders == 0 {
            out.message = match (m.sources, m.top.first()) {
                (Some(sources), Some(largest)) => format!("{}, the largest of {} sources", told(largest), group_digits(sources)),
                _ => format!("none of more than {} sources has more than {}", group_digits(FEW as u64), self.max.text),
            };
            return out;
        }
        out.status = Status::Fail;
        let named: Vec<String> = m.top.iter().take(m.offenders as usize).map(told).collect();
        let more = m.offenders - named.len() as u64;
        let more = if more > 0 { format!(" and {} more", group_digits(more)) } else { String::new() };
        out.message = format!("{}{more}; the contract asks for at most {}", named.join(", "), self.max.text);
        out
    }
    fn has_rows(&self, _: &Model) -> bool {
        false
    }
    fn judge(&self, _: &Model, _: &Batch, _: &mut Findings) -> Result<()> {
        Ok(())
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Dataset(DatasetRule::SourceShare { column, max }) = &rule.kind else { continue };
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let title =
            rule.name.clone().unwrap_or_else(|| column.as_ref().map_or("source_share".into(), |c| format!("source_share: {}", c.value)));
        let found = by_role(ctx, rule, &title, column.as_ref(), Role::Source, (&mut built, &mut errors));
        let Some(source) = found else { continue };
        if !can_be_key(&source.kind) {
            let message = format!("a source is a plain value; `{}` is {}", source.name, types::name(&source.kind));
            errors.push(Diagnostic::new(META.code, message).at(rule.span));
            continue;
        }
        let base = Outcome {
            severity: rule.severity,
            span: Some(rule.span),
            columns: vec![source.name.clone()],
            threshold: Some(format!("at most {}", max.text)),
            ..Outcome::new(title, Status::Pass)
        };
        scope.push(&mut built, DominantSource { source, max: max.clone(), base });
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
