//! The contract's `ignore` list at work: what it hides is absent from the list and counted in the
//! report; an entry that hides nothing, or has expired, is a warning.

use super::matches;
use crate::contract::Ignore;
use crate::report::escape;
use chrono::NaiveDate;
use serde::Serialize;

pub struct Ignores {
    entries: Vec<Ignore>,
    /// Those whose last day has passed hide nothing.
    expired: Vec<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Used,
    Unmatched,
    Expired,
}

/// One entry in the report.
#[derive(Debug, Clone, Serialize)]
pub struct Use {
    pub rule: String,
    pub group: Option<String>,
    pub reason: String,
    pub expires: Option<String>,
    pub line: u32,
    pub state: State,
    /// Pieces of evidence left out of the list.
    pub hidden: u64,
}

impl Use {
    pub fn is_warning(&self) -> bool {
        self.state != State::Used
    }
}

impl Ignores {
    /// An entry holds through its last day.
    pub fn new(entries: &[Ignore], today: NaiveDate) -> Self {
        let expired = entries.iter().map(|e| e.expires.as_ref().is_some_and(|d| d.value < today)).collect();
        Ignores { entries: entries.to_vec(), expired }
    }
    pub fn none() -> Self {
        Ignores { entries: Vec::new(), expired: Vec::new() }
    }
    pub fn len(&self) -> usize {
        self.entries.len()
    }
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
    /// The first entry that hides this group, given as it is or as a terminal shows it, of this
    /// rule, or the rule as a whole.
    pub fn of(&self, code: &str, name: &str, group: Option<&str>) -> Option<usize> {
        self.entries.iter().zip(&self.expired).position(|(e, expired)| {
            !expired
                && matches(&e.rule.value, code, name)
                && e.group.as_ref().is_none_or(|g| group.is_some_and(|key| g.value == key || g.value == escape::terminal(key)))
        })
    }
    /// The first entry that hides the rule as a whole.
    pub fn of_rule(&self, code: &str, name: &str) -> Option<usize> {
        self.of(code, name, None)
    }
    pub(super) fn uses(&self, matched: &[bool], hidden: &[u64]) -> Vec<Use> {
        let state = |i: usize| {
            let hidden = hidden.get(i).copied().unwrap_or(0);
            match (self.expired[i], matched[i] || hidden > 0) {
                (true, _) => (State::Expired, 0),
                (false, true) => (State::Used, hidden),
                (false, false) => (State::Unmatched, 0),
            }
        };
        let line = |(i, e): (usize, &Ignore)| {
            let (state, hidden) = state(i);
            Use {
                rule: e.rule.value.clone(),
                group: e.group.as_ref().map(|g| g.value.clone()),
                reason: e.reason.clone(),
                expires: e.expires.as_ref().map(|d| d.value.to_string()),
                line: e.span.line,
                state,
                hidden,
            }
        };
        self.entries.iter().enumerate().map(line).collect()
    }
}
