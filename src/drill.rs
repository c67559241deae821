//! `drill`: the measured power of the detectors on this very dataset. Known triggers are planted as
//! the data streams by (an [`overlay`]: the input is never touched), the detectors run as they would
//! in `check`, and what they recover is counted. Triggers, rows and classes come from the seed, so
//! that nothing can be tuned to them.

mod attackers;
pub mod captions;
pub mod family;
pub mod images;
pub mod overlay;
mod replies;
pub mod slices;
pub mod survey;
pub mod talks;
pub mod vectors;

use crate::batch::{Batch, RowId};
use crate::contract::{Contract, Roles};
use crate::engine::{Engine, Input, Progress, Sink};
use crate::error::{Error, Result};
use crate::rule::{Action, Context, DynRule, Findings, Floor, Plan};
use crate::sketch::minhash::mix;
use crate::source::Shard;
use arrow::datatypes::Schema;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

pub use family::Family;

/// What to plant and how often.
pub struct Options<'a> {
    /// Empty: every family for which the data has the roles.
    pub families: Vec<Family>,
    /// Trials per family, each with a trigger of its own; the classes take turns.
    pub seeds: u64,
    pub amount: Amount,
    /// Detectors to run, as `--select` of `check`; empty: all.
    pub select: Vec<String>,
    pub threads: usize,
    pub memory: u64,
    pub seed: u64,
    pub progress: &'a dyn Progress,
    pub stop: &'a AtomicBool,
}

/// How many rows a trial poisons.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    Rows(u64),
    Share(f64),
    /// 1% of the rows, at least [`LEAST_ROWS`].
    Usual,
}

/// What the detectors promise for words and phrases starts here.
pub const LEAST_ROWS: u64 = 30;

impl Amount {
    pub fn rows(self, all: u64) -> u64 {
        match self {
            Amount::Rows(n) => n,
            Amount::Share(s) => (all as f64 * s).round() as u64,
            Amount::Usual => (all / 100).max(LEAST_ROWS),
        }
    }
}

/// One planted trigger and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    pub family: Family,
    pub number: u64,
    /// What was planted, for a person.
    pub trigger: String,
    /// The label that its rows were given.
    pub class: Option<String>,
    pub planted: u64,
    /// Planted rows with action `quarantine`, and planted rows with at least `review`.
    pub quarantined: u64,
    pub listed: u64,
    /// Rows without any part of the plant that are quarantined now and are not without it.
    pub false_alarms: u64,
    /// What the rule that is to find it said it would find, for this class.
    pub floor: Option<u64>,
}

/// All trials of one family.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Power {
    pub family: Family,
    pub trials: u64,
    /// Trials of which at least nine tenths of the rows were quarantined.
    pub found: u64,
    pub planted: u64,
    pub quarantined: u64,
    pub listed: u64,
    pub false_alarms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Of this layout.
    pub schema: u32,
    pub taster: &'static str,
    pub seed: u64,
    pub rows: u64,
    /// Rows quarantined with nothing planted.
    pub quarantined_before: u64,
    pub power: Vec<Power>,
    pub trials: Vec<Trial>,
    /// Families that were left out, and why.
    pub not_drilled: Vec<(Family, String)>,
}

/// Plants, runs and counts.
///
/// # Errors
/// A contract that does not fit the data, unreadable data, an interruption.
pub fn drill<I: Input>(contract: &Contract, input: &I, schema: &Schema, rows: u64, options: &Options<'_>) -> Result<Report> {
    let plan = Plan {
        seed: options.seed,
        rows,
        memory: options.memory,
        false_alarms: contract.poisoning.false_alarm_share(),
        threads: options.threads,
    };
    let roles = Roles::resolve(contract, schema);
    let context = Context { contract, schema, roles: &roles, plan: &plan, now: chrono::Utc::now() };
    let select = if options.select.is_empty() { vec!["P".to_owned()] } else { options.select.clone() };
    let rules: Vec<Box<dyn DynRule>> = crate::check::detectors(&context, &select)?;
    let survey = survey::Survey::of(input, schema, &roles, &plan, options.stop)?;
    let amount = options.amount.rows(rows);
    if amount == 0 {
        return Err(Error::usage("no row would be poisoned").help("name more rows, such as --rows 30"));
    }
    let mut report = Report {
        schema: 1,
        taster: env!("CARGO_PKG_VERSION"),
        seed: options.seed,
        rows,
        quarantined_before: 0,
        power: Vec::new(),
        trials: Vec::new(),
        not_drilled: Vec::new(),
    };
    let families = if options.families.is_empty() { Family::ALL.to_vec() } else { options.families.clone() };
    let mut ready = Vec::new();
    for family in families {
        match survey.lacks(family) {
            Some(reason) => report.not_drilled.push((family, reason)),
            None => ready.push(family),
        }
    }
    if ready.is_empty() {
        return Ok(report);
    }
    let before = run(input, &plan, &rules, options)?;
    report.quarantined_before = before.quarantined.len() as u64;
    for family in ready {
        let mut power = Power { family, trials: 0, found: 0, planted: 0, quarantined: 0, listed: 0, false_alarms: 0 };
        for number in 0..options.seeds {
            let seed = mix(options.seed ^ mix(number + 1) ^ family as u64);
            let plant = match survey.plant(family, number, seed, amount) {
                Ok(plant) => plant,
                Err(reason) => {
                    report.not_drilled.push((family, reason));
                    break;
                }
            };
            let overlay = overlay::Overlay::new(input, &plant, seed);
            let after = run(&overlay, &plan, &rules, options)?;
            let trial = count(family, number, &plant, &before, &after);
            power.trials += 1;
            power.found += u64::from(trial.quarantined * 10 >= trial.planted * 9);
            power.planted += trial.planted;
            power.quarantined += trial.quarantined;
            power.listed += trial.listed;
            power.false_alarms += trial.false_alarms;
            report.trials.push(trial);
        }
        if power.trials > 0 {
            report.power.push(power);
        }
    }
    Ok(report)
}

fn count(family: Family, number: u64, plant: &family::Plant, before: &Found, after: &Found) -> Trial {
    let hit = |set: &BTreeSet<RowId>| plant.rows.iter().filter(|r| set.contains(r)).count() as u64;
    let quarantined = hit(&after.quarantined);
    let planted = |r: &RowId| plant.rows.contains(r) || plant.cover.contains(r);
    let others = after.quarantined.iter().filter(|r| !planted(r) && !before.quarantined.contains(r));
    let meant = |(rule, f): &(&'static str, Floor)| {
        *rule == family.rule() && family.floor().is_none_or(|name| name == f.family) && (f.class.is_none() || f.class == plant.class)
    };
    // Nothing is promised where the trigger stands in a column that is left out.
    let left_out = |f: &Floor| f.rows.is_none() && plant.edits.iter().any(|(column, _)| f.columns.contains(column));
    let stated: Vec<&Floor> = after.floors.iter().filter(|f| meant(f)).map(|(_, f)| f).collect();
    let floor = if stated.iter().any(|f| left_out(f)) { None } else { stated.iter().filter_map(|f| f.rows).min() };
    Trial {
        family,
        number,
        trigger: plant.trigger.clone(),
        class: plant.class.clone(),
        planted: plant.rows.len() as u64,
        quarantined,
        listed: quarantined + hit(&after.review),
        false_alarms: others.count() as u64,
        floor,
    }
}

/// Which rows one run lists.
struct Found {
    quarantined: BTreeSet<RowId>,
    /// Not quarantined as well.
    review: BTreeSet<RowId>,
    /// By the code of the rule that states them.
    floors: Vec<(&'static str, Floor)>,
}

fn run<I: Input>(input: &I, plan: &Plan, rules: &[Box<dyn DynRule>], options: &Options<'_>) -> Result<Found> {
    let engine = Engine::new(input, plan, options.progress, options.stop)?;
    let learned = engine.learn(rules)?;
    let rows = Rows::default();
    engine.judge(rules, &learned, &rows)?;
    let (quarantined, review) = rows.0.into_inner().map_err(Error::internal)?;
    let review = review.difference(&quarantined).copied().collect();
    let stated = rules.iter().zip(&learned).flat_map(|(rule, l)| l.outcome.floor.iter().map(|f| (rule.meta().code, f.clone())));
    Ok(Found { quarantined, review, floors: stated.collect() })
}

type Listed = (BTreeSet<RowId>, BTreeSet<RowId>);

/// Keeps nothing but which rows are listed.
#[derive(Default)]
struct Rows(Mutex<Listed>);

impl Sink for Rows {
    type Part = Listed;
    fn part(&self, _: &Shard) -> Result<Listed> {
        Ok(Listed::default())
    }
    fn batch(&self, part: &mut Listed, batch: &Batch, findings: &Findings) -> Result<()> {
        for hit in &findings.hits {
            let set = if hit.action == Action::Quarantine { &mut part.0 } else { &mut part.1 };
            set.insert(batch.row_id(hit.row as usize));
        }
        Ok(())
    }
    fn append(&self, part: Listed) -> Result<()> {
        let mut all = self.0.lock().map_err(Error::internal)?;
        all.0.extend(part.0);
        all.1.extend(part.1);
        Ok(())
    }
    fn columns(&self) -> Vec<String> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
