//! A finished run, opened again for a person: its report, its list and its data, and the groups in them.

use super::content;
use super::decided::Decided;
use super::evidence::{self, Evidence};
use crate::batch::{Batch, RowId};
use crate::contract::decisions::{Content, Decision, Decisions, Entry, hidden};
use crate::error::{Error, Result};
use crate::quarantine::{Format, RUN_ID_KEY, hex};
use crate::report::json::SCHEMA;
use crate::rule::Action;
use crate::source::{OpenOptions, Shard, Source};
use chrono::NaiveDate;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// A report is read whole; no honest one is larger.
const MOST: u64 = 256 << 20;

/// A row of a group, and the place in it that the rule marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    pub row: RowId,
    /// Index into [`Run::columns`]; `None` when the row as a whole is meant.
    pub column: Option<u32>,
    pub start: u32,
    pub end: u32,
}

/// Suspect rows that a person judges together.
#[derive(Debug, Clone)]
pub struct Suspects {
    pub rule: String,
    /// What they share; `None` for rows that the rule accuses each by itself.
    pub group: Option<String>,
    pub action: Action,
    pub members: Vec<Member>,
    /// What the evidence says, where the report says nothing of the group.
    pub message: String,
    /// The group as the report has it.
    pub told: Option<Value>,
    /// Rows that people have decided about since.
    pub kept: u64,
    pub removed: u64,
    /// Who decided last, when and why, for a list.
    pub word: Option<String>,
}

impl Suspects {
    pub fn is_open(&self) -> bool {
        self.kept + self.removed < self.members.len() as u64
    }
    pub fn score(&self) -> f64 {
        self.told.as_ref().and_then(|g| g["score"].as_f64()).unwrap_or(0.0)
    }
}

/// By rule and what is shared.
type Found = BTreeMap<(String, Option<String>), Suspects>;

/// What a finished run left, with the data it is about.
pub struct Run {
    pub report: Value,
    pub source: Source,
    pub list: PathBuf,
    /// Columns that evidence points into.
    pub columns: Vec<String>,
    /// The worst first.
    pub groups: Vec<Suspects>,
    /// Rows that break rules of the contract, which are not decided here.
    pub by_contract: u64,
    pub decisions: Decisions,
    /// No cell text is to be shown: the report was written so, or somebody wants it so.
    pub redacted: bool,
}

/// The report of a finished run.
///
/// # Errors
/// A usage error when there is none.
pub fn report(folder: &Path) -> Result<Value> {
    let path = folder.join("report.json");
    let none = |why: String| {
        Error::usage(format!("{}: {why}", path.display())).help("run `taster check` first, or name the folder of its report with --from")
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(&path).map_err(|e| none(format!("no report can be read there: {e}")))?;
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(|e| none(e.to_string()))?;
    let report: Value = serde_json::from_slice(&bytes).map_err(|e| none(format!("is no report: {e}")))?;
    match report["schema"].as_str() {
        Some(SCHEMA) => Ok(report),
        _ => Err(none("is no report of this version of taster".into())),
    }
}

/// Where the run's list is: where the report says, or in the folder of the report, should that have moved.
///
/// # Errors
/// A usage error when neither is the list of this run.
pub fn list_of(report: &Value, folder: &Path) -> Result<PathBuf> {
    let told = report["files"].as_array().into_iter().flatten().filter_map(|f| f["path"].as_str()).map(PathBuf::from).next();
    let moved = told.as_ref().and_then(|p| p.file_name()).map(|n| folder.join(n));
    let there = told.into_iter().chain(moved).find(|p| p.is_file() && is_list_of(report, p).unwrap_or(false));
    there.ok_or_else(|| Error::usage("the quarantine list of that run is gone").help("name it with --quarantine, or check the data again"))
}

/// Whether a list was written by the run of this report: it carries the run's id, or the report its digest.
fn is_list_of(report: &Value, list: &Path) -> Result<bool> {
    if matches!(Format::of(list)?, Format::Parquet | Format::Arrow) {
        let id = Source::open_result(list, &OpenOptions::default())?.metadata(RUN_ID_KEY);
        return Ok(id.is_some() && id.as_deref() == report["run_id"].as_str());
    }
    let digest = std::fs::File::open(list).and_then(|mut f| crate::source::sha256_of(&mut f));
    let digest = hex(&digest.map_err(|e| Error::data(list, format!("cannot be read: {e}")))?);
    Ok(report["files"].as_array().into_iter().flatten().any(|f| f["sha256"].as_str() == Some(&digest)))
}

impl Run {
    /// Finds the groups of a run and what was decided about them so far.
    ///
    /// # Errors
    /// A data error when list and data do not go together; those of reading them.
    pub fn open(report: Value, list: PathBuf, source: Source, decisions: Decisions, redact: bool, stop: &AtomicBool) -> Result<Run> {
        if report["data"]["fingerprint"].as_str() != Some(&source.fingerprint()) {
            let message = "is about other data than this: other files, other names or other bytes";
            return Err(Error::data(&list, message).help("check the data again, or name the data that was checked, with the same paths"));
        }
        if !is_list_of(&report, &list)? {
            return Err(
                Error::data(&list, "is not the list of that run").help("name the list that was written with the report, or check again")
            );
        }
        let index: HashMap<&str, u32> = source.files.iter().enumerate().map(|(i, f)| (f.relative.as_str(), i as u32)).collect();
        let (mut columns, mut found) = (Vec::new(), Found::new());
        let mut by_contract = 0;
        evidence::read(&list, &|_, _| true, &mut |file, row, evidence| {
            // A list in CSV puts an apostrophe before what a spreadsheet would compute.
            let at = index.get(file).or_else(|| index.get(file.strip_prefix('\'')?)).copied();
            let Some(at) = at.filter(|at| row < source.files[*at as usize].rows) else {
                return Err(
                    Error::data(&list, format!("names row {row} of `{file}`, which the data does not have")).help("check the data again")
                );
            };
            by_contract += u64::from(evidence.iter().any(|e| e.rule.starts_with('C')));
            if let Some(e) = evidence.iter().find(|e| e.rule.starts_with('P') && !is_detector(&e.rule)) {
                return Err(Error::data(&list, format!("names a detector `{}`, which this taster does not have", e.rule))
                    .help("check the data again with this version"));
            }
            for e in evidence.into_iter().filter(|e| is_detector(&e.rule)) {
                take(&mut found, &mut columns, RowId { source: at, row }, e);
            }
            Ok(())
        })?;
        let mut groups: Vec<Suspects> = found.into_values().collect();
        for g in &mut groups {
            let of_rule = report["rules"].as_array().into_iter().flatten().filter(|r| r["code"].as_str() == Some(&g.rule));
            let mut told = of_rule.flat_map(|r| r["groups"].as_array().into_iter().flatten());
            g.told = told.find(|t| g.group.is_some() && t["group"].as_str() == g.group.as_deref()).cloned();
        }
        groups.sort_by(|a, b| {
            let order = b.action.cmp(&a.action).then(b.score().total_cmp(&a.score())).then(b.members.len().cmp(&a.members.len()));
            order.then_with(|| (&a.rule, &a.group).cmp(&(&b.rule, &b.group)))
        });
        let redacted = redact || report["redacted"].as_bool() == Some(true);
        let mut run = Run { report, source, list, columns, groups, by_contract, decisions, redacted };
        run.refresh(stop)?;
        Ok(run)
    }

    /// Looks up again what is decided about the groups.
    fn refresh(&mut self, stop: &AtomicBool) -> Result<()> {
        let decided = Decided::find(&self.source, self.decisions.clone(), stop)?;
        for g in &mut self.groups {
            (g.kept, g.removed, g.word) = (0, 0, None);
            for m in &g.members {
                let entry =
                    decided.of(m.row).filter(|(_, e)| e.is_about(&g.rule, g.group.as_deref())).map(|(_, e)| e).max_by_key(|e| e.decision);
                match entry.map(|e| e.decision) {
                    Some(Decision::Keep) => g.kept += 1,
                    Some(Decision::Remove) => g.removed += 1,
                    None => {}
                }
                if let Some(e) = entry.filter(|_| g.word.is_none()) {
                    g.word = Some(word(e.decision, &e.by, e.date, &e.reason));
                }
            }
        }
        Ok(())
    }

    /// Rows of a group spread evenly over it, at most so many.
    pub fn sample(group: &Suspects, most: usize) -> Vec<Member> {
        let n = group.members.len();
        let most = most.min(n);
        (0..most).map(|i| group.members[i * n / most]).collect()
    }

    /// Reads the given rows, ascending and distinct, with some columns.
    ///
    /// # Errors
    /// Those of reading the data.
    pub fn read(&self, rows: &[RowId], columns: &[String], f: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        for shard in self.source.shards() {
            let at = |row: u64| rows.partition_point(|r| *r < RowId { source: shard.source, row });
            let wanted = &rows[at(shard.first_row)..at(shard.first_row + shard.rows)];
            let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { continue };
            let part = Shard { source: shard.source, first_row: first.row, rows: last.row - first.row + 1 };
            self.source.read(&part, columns, &mut |batch| {
                let (from, to) = (batch.first_row(), batch.first_row() + batch.rows() as u64);
                let within = wanted.iter().filter(|r| (from..to).contains(&r.row)).map(|r| (r.row - from) as u32);
                let picked: Vec<u32> = within.collect();
                if picked.is_empty() { Ok(()) } else { f(batch.pick(&picked)?) }
            })?;
        }
        Ok(())
    }

    /// Writes down what was decided about a group. The file is read again first: somebody else may have
    /// decided about other groups meanwhile.
    ///
    /// Returns how many rows cannot be named because a cell of theirs does not parse.
    ///
    /// # Errors
    /// Those of reading the data and of writing the file.
    pub fn record(&mut self, at: usize, decision: Decision, reason: &str, by: &str, date: NaiveDate) -> Result<u64> {
        let group = self.groups.get(at).ok_or_else(|| Error::internal("an unknown group"))?;
        let mut rows: Vec<RowId> = group.members.iter().map(|m| m.row).collect();
        rows.dedup();
        let columns = content::columns(&self.source.schema);
        let (mut contents, mut nameless): (Vec<Content>, u64) = (Vec::new(), 0);
        self.read(&rows, &columns, &mut |batch| {
            let found = content::contents(&batch, &columns)?;
            nameless += found.iter().filter(|c| c.is_none()).count() as u64;
            contents.extend(found.into_iter().flatten());
            Ok(())
        })?;
        contents.sort_unstable();
        contents.dedup();
        if contents.is_empty() {
            return Err(Error::usage("every row of this group has a cell that does not parse; nobody can say what stands there")
                .help("mend the data, or declare the columns as text"));
        }
        let key = group.group.as_deref().map(|g| if self.redacted { hidden(g) } else { g.to_owned() });
        let mut decisions = crate::contract::decisions::load_if_there(&self.decisions.path)?
            .unwrap_or_else(|| Decisions { path: self.decisions.path.clone(), ..Decisions::default() });
        decisions.record(Entry {
            rule: group.rule.clone(),
            group: key,
            decision,
            reason: reason.to_owned(),
            by: by.to_owned(),
            date,
            contents,
            span: Default::default(),
        });
        decisions.save()?;
        self.decisions = decisions;
        // A decision is about one group, so nothing else has changed, and the data need not be read again.
        let word = word(decision, by, date, reason);
        let group = self.groups.get_mut(at).ok_or_else(|| Error::internal("an unknown group"))?;
        let named = rows.len() as u64 - nameless;
        (group.kept, group.removed) = if decision == Decision::Keep { (named, 0) } else { (0, named) };
        group.word = Some(word);
        Ok(nameless)
    }
}

/// A decision in a line.
fn word(decision: Decision, by: &str, date: NaiveDate, reason: &str) -> String {
    format!("{} ({by}, {date}: {reason})", decision.as_str())
}

fn is_detector(code: &str) -> bool {
    crate::detectors::REGISTRY.iter().any(|e| e.meta.code == code)
}

fn take(found: &mut Found, columns: &mut Vec<String>, row: RowId, e: Evidence) {
    let column = e.column.map(|name| match columns.iter().position(|c| *c == name) {
        Some(i) => i as u32,
        None => {
            columns.push(name);
            columns.len() as u32 - 1
        }
    });
    let place = |n: Option<u64>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let member = Member { row, column, start: place(e.start), end: place(e.end) };
    let action = if e.action == "quarantine" { Action::Quarantine } else { Action::Review };
    let group = found.entry((e.rule, e.group)).or_insert_with_key(|(rule, group)| Suspects {
        rule: rule.clone(),
        group: group.clone(),
        action,
        members: Vec::new(),
        message: e.message.unwrap_or_default(),
        told: None,
        kept: 0,
        removed: 0,
        word: None,
    });
    group.action = group.action.max(action);
    // The list is sorted, so the same row comes again at once, if at all.
    if group.members.last().is_none_or(|m| m.row != row) {
        group.members.push(member);
    }
}
