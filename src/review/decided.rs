//! Which rows of a dataset were decided about. Every row's content is looked up once, before anything is
//! judged: that is the only way to know that a decision has lost its rows.

use super::content;
use crate::batch::RowId;
use crate::contract::decisions::{Content, Decision, Decisions, Entry, hidden};
use crate::error::{Error, Result};
use crate::source::{Shard, Source};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Decisions and the rows they are about.
#[derive(Debug, Clone, Default)]
pub struct Decided {
    pub decisions: Decisions,
    /// Sorted: a row, and an entry of the decisions.
    rows: Vec<(RowId, u32)>,
    /// Per entry, contents that are still in the data.
    present: Vec<u64>,
    /// What the entries are about: rule and group, as they have it.
    about: HashSet<(String, Option<String>)>,
}

impl Decided {
    /// Reads every row. To be called within the pool whose threads may be used.
    ///
    /// # Errors
    /// Those of reading the data; an interruption.
    pub fn find(source: &Source, decisions: Decisions, stop: &AtomicBool) -> Result<Decided> {
        let mut wanted: HashMap<Content, Vec<u32>> = HashMap::new();
        for (i, e) in decisions.entries.iter().enumerate() {
            e.contents.iter().for_each(|c| wanted.entry(*c).or_default().push(i as u32));
        }
        let about = decisions.entries.iter().map(|e| (e.rule.clone(), e.group.clone())).collect();
        let mut out = Decided { present: vec![0; decisions.entries.len()], decisions, rows: Vec::new(), about };
        if wanted.is_empty() {
            return Ok(out);
        }
        let columns = content::columns(&source.schema);
        let one = |shard: &Shard| {
            let (mut rows, mut seen) = (Vec::new(), HashSet::new());
            source.read(shard, &columns, &mut |batch| {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                for (i, content) in content::contents(&batch, &columns)?.into_iter().enumerate() {
                    let Some((content, entries)) = content.and_then(|c| wanted.get_key_value(&c)) else { continue };
                    seen.insert(*content);
                    rows.extend(entries.iter().map(|e| (batch.row_id(i), *e)));
                }
                Ok(())
            })?;
            Ok((rows, seen))
        };
        let found = source.shards().par_iter().map(one).collect::<Result<Vec<_>>>()?;
        let mut seen: HashSet<Content> = HashSet::new();
        for (rows, contents) in found {
            out.rows.extend(rows);
            seen.extend(contents);
        }
        out.rows.sort_unstable();
        for content in seen {
            for e in wanted.get(&content).into_iter().flatten() {
                out.present[*e as usize] += 1;
            }
        }
        Ok(out)
    }

    /// The entries about a row, each with its index; in the order of the file.
    pub fn of(&self, row: RowId) -> impl Iterator<Item = (usize, &Entry)> {
        self.between(row, RowId { row: row.row + 1, ..row }).iter().map(|(_, e)| (*e as usize, &self.decisions.entries[*e as usize]))
    }
    /// Rows decided about from one row to before another, with their entries.
    pub fn between(&self, from: RowId, to: RowId) -> &[(RowId, u32)] {
        let at = |row: RowId| self.rows.partition_point(|r| r.0 < row);
        &self.rows[at(from)..at(to)]
    }
    /// Whether anything is decided about a group, about any row of it.
    pub fn is_about(&self, rule: &str, group: Option<&str>) -> bool {
        let has = |group: Option<String>| self.about.contains(&(rule.to_owned(), group));
        has(group.map(str::to_owned)) || group.is_some_and(|g| has(Some(hidden(g))))
    }
    pub fn rows(&self) -> &[(RowId, u32)] {
        &self.rows
    }
    pub fn len(&self) -> usize {
        self.present.len()
    }
    pub fn is_empty(&self) -> bool {
        self.present.is_empty()
    }

    /// Which entry keeps a row that a rule accuses for what it shares. A row that is also to be removed is
    /// not kept: of two people, the careful one is heard.
    pub fn keeps(&self, row: RowId, rule: &str, group: Option<&str>) -> Option<usize> {
        let mut kept = None;
        for (i, e) in self.of(row).filter(|(_, e)| e.is_about(rule, group)) {
            match e.decision {
                Decision::Remove => return None,
                Decision::Keep => kept = kept.or(Some(i)),
            }
        }
        kept
    }
}

/// What became of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Rows of it are in the data and were treated so.
    Applied,
    /// Its rows are in the data, and nothing accuses them any more.
    Idle,
    /// Its rule did not run, so its rows were left as they are.
    NotRun,
    /// Rows to be removed, and removed.
    Done,
    /// None of the rows it kept is left.
    Stale,
}

/// Evidence that an entry touched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Rows not accused although the rule does.
    pub kept: u64,
    /// Rows accused because a person says so.
    pub removed: u64,
    /// Rows of the group about which nobody decided.
    pub open: u64,
}

impl Count {
    pub fn add(&mut self, other: Count) {
        self.kept += other.kept;
        self.removed += other.removed;
        self.open += other.open;
    }
}

/// One decision in the report.
#[derive(Debug, Clone, Serialize)]
pub struct Use {
    pub rule: String,
    /// `None` too where cell text is not shown.
    pub group: Option<String>,
    pub decision: Decision,
    pub reason: String,
    pub by: String,
    pub date: String,
    pub line: u32,
    pub state: State,
    /// Distinct contents decided about, and those of them still in the data.
    pub contents: u64,
    pub present: u64,
    pub rows_kept: u64,
    pub rows_removed: u64,
}

impl Use {
    pub fn is_warning(&self) -> bool {
        self.state == State::Stale || self.state == State::NotRun && self.decision == Decision::Remove
    }
}

impl Decided {
    /// What became of each decision. `ran`: codes of the rules of the run.
    pub fn uses(&self, counts: &[Count], ran: &HashSet<&str>) -> Vec<Use> {
        let one = |(i, e): (usize, &Entry)| {
            let count = counts.get(i).copied().unwrap_or_default();
            let present = self.present[i];
            let state = match (present, e.decision) {
                (0, Decision::Keep) => State::Stale,
                (0, Decision::Remove) => State::Done,
                _ if !ran.contains(e.rule.as_str()) => State::NotRun,
                _ if count.kept + count.removed > 0 => State::Applied,
                _ => State::Idle,
            };
            Use {
                rule: e.rule.clone(),
                group: e.group.clone(),
                decision: e.decision,
                reason: e.reason.clone(),
                by: e.by.clone(),
                date: e.date.to_string(),
                line: e.span.line,
                state,
                contents: e.contents.len() as u64,
                present,
                rows_kept: count.kept,
                rows_removed: count.removed,
            }
        };
        self.decisions.entries.iter().enumerate().map(one).collect()
    }
}

/// The file that the decisions stand in, for the report.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Told {
    pub path: PathBuf,
    pub sha256: String,
}
