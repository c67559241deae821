//! Outcomes become a verdict: what each rule's result weighs, what `ignore` hides, whether the run
//! passes. The only place where several rules meet. It knows neither files nor terminals.

pub mod baseline;
pub mod ignores;
pub mod provenance;
pub mod record;

use crate::contract::OnNotEvaluated;
use crate::contract::decisions::Decision;
use crate::review::decided::{self, Decided};
use crate::rule::{Action, Floor, Group, Meta, NotTested, Outcome, Severity, Status};
use ignores::{Ignores, Use};
use record::{Example, Tally};
use serde::Serialize;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// From which weight on a finding makes the exit code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailOn {
    #[default]
    Error,
    Warning,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Overall {
    Pass,
    /// At least one error.
    Fail,
    /// Findings, none of them an error.
    Warnings,
    /// No rows, or no rule applied.
    NothingChecked,
}

/// A rule at the end of the run.
pub struct Judged {
    pub meta: Meta,
    pub outcome: Outcome,
    /// Time in the rule itself, all threads added up.
    pub spent: Duration,
}

/// What the verdict depends on besides the outcomes.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    pub fail_on: FailOn,
    pub on_not_evaluated: OnNotEvaluated,
    /// `floor: 25 rows`: poison this large must not go unseen.
    pub floor: Option<u64>,
    /// Rows of the dataset.
    pub rows: u64,
    /// Findings that do not count because an earlier report has them.
    pub baseline: Option<baseline::Baseline>,
    /// What the contract itself is warned of, each by its message.
    pub contract_warnings: Vec<String>,
    /// Which columns, files and runs of rows say where suspect rows come from.
    pub provenance: provenance::Provenance,
    /// No text of cells in reasons.
    pub redact: bool,
    /// What people decided about rows.
    pub decided: Arc<Decided>,
}

/// One rule in the report.
pub struct RuleResult {
    pub meta: Meta,
    /// Without ignored groups.
    pub outcome: Outcome,
    /// What it weighs; `None` when there is nothing to say.
    pub level: Option<Severity>,
    /// An earlier report has this finding, so it does not count; likewise for each group.
    pub known: bool,
    pub known_groups: Vec<bool>,
    /// Index of the ignore that covers the rule as a whole.
    pub ignored: Option<usize>,
    /// Listed rows by their action for this rule.
    pub quarantined: u64,
    pub review: u64,
    pub examples: Vec<Example>,
    /// Two example rows for each of `outcome.groups`.
    pub group_examples: Vec<Vec<Example>>,
    pub spent: Duration,
}

impl RuleResult {
    pub fn is_contract(&self) -> bool {
        self.meta.code.starts_with('C')
    }
}

/// A poisoning family and class whose detection floor is above the demanded one.
#[derive(Debug, Clone, Serialize)]
pub struct MissedFloor {
    pub code: &'static str,
    pub demanded: u64,
    #[serde(flatten)]
    pub floor: Floor,
}

pub struct Verdict {
    pub overall: Overall,
    pub exit: u8,
    /// What `--fail-on error` would exit with; differs from `exit` only through `--fail-on`.
    pub ordinary_exit: u8,
    /// In the order of the run.
    pub rules: Vec<RuleResult>,
    pub errors: usize,
    pub warnings: usize,
    pub evaluated: usize,
    pub not_evaluated: usize,
    pub not_tested: Vec<NotTested>,
    pub missed_floors: Vec<MissedFloor>,
    /// A floor is demanded and no detector could state one.
    pub floor_unknown: bool,
    pub ignores: Vec<Use>,
    /// What became of people's decisions.
    pub decisions: Vec<decided::Use>,
    /// Warnings about the contract that count: those that no baseline has.
    pub contract_warnings: usize,
    /// Lines of the list, by action.
    pub rows_quarantine: u64,
    pub rows_review: u64,
    pub rows: u64,
}

/// Weighs everything. `not_tested` are detectors that could not be built, `tally` what the judging
/// pass counted, indexed like `judged`.
pub fn decide(judged: Vec<Judged>, mut not_tested: Vec<NotTested>, mut tally: Tally, ignores: &Ignores, policy: &Policy) -> Verdict {
    let mut matched = vec![false; ignores.len()];
    let (mut evaluated, mut not_evaluated) = (0, 0);
    // Rules about files always apply. Where none about rows did although some were wanted, nothing was checked.
    let mut about_files = 0;
    let (mut rules, mut missed_floors, mut floors) = (Vec::new(), Vec::new(), 0);
    for (i, Judged { meta, mut outcome, spent }) in judged.into_iter().enumerate() {
        about_files += usize::from(meta.code.starts_with('S'));
        match &outcome.status {
            Status::Pass | Status::Fail => evaluated += 1,
            Status::NotEvaluated(_) => not_evaluated += 1,
            Status::NotTested(reason) => {
                not_tested.push(NotTested { code: meta.code.into(), name: meta.name.into(), reason: reason.clone() });
            }
        }
        let seen = tally.take(i);
        let had_groups = !outcome.groups.is_empty();
        let ignored = ignores.of_rule(meta.code, meta.name);
        if let Some(n) = ignored {
            matched[n] |= outcome.status == Status::Fail || had_groups;
        }
        outcome.groups.retain(|g| match ignores.of(meta.code, meta.name, Some(&g.key)) {
            Some(n) => {
                matched[n] = true;
                false
            }
            None => true,
        });
        outcome.groups.retain_mut(|g| settle(&meta, g, &seen, &policy.decided));
        let level = if ignored.is_some() { None } else { weigh(&meta, &outcome, had_groups, &seen, policy.on_not_evaluated) };
        floors += outcome.floor.len();
        if let Some(demanded) = policy.floor {
            let missed = outcome.floor.iter().filter(|f| f.rows.is_none_or(|n| n > demanded));
            missed_floors.extend(missed.map(|f| MissedFloor { code: meta.code, demanded, floor: f.clone() }));
        }
        let mut known_groups = vec![false; outcome.groups.len()];
        let mut known = false;
        if let Some(baseline) = &policy.baseline {
            for (group, known) in outcome.groups.iter_mut().zip(&mut known_groups) {
                *known = baseline.has_group(meta.code, &group.key);
                if *known {
                    group.reasons.push("in the baseline: it does not count".into());
                }
            }
            known = outcome.groups.is_empty() && level.is_some() && baseline.has_rule(meta.code, &outcome.title);
            if known {
                outcome.message.push_str("; in the baseline: it does not count");
            }
        }
        for group in &mut outcome.groups {
            let origins = seen.origins_of(&group.key);
            let where_from = origins.map(|o| policy.provenance.reasons(o, group.label.as_deref(), &tally.usual, policy.redact));
            group.reasons.extend(where_from.unwrap_or_default());
        }
        let group_examples = outcome.groups.iter().map(|g| seen.examples_of(&g.key)).collect();
        rules.push(RuleResult {
            meta,
            outcome,
            level,
            known,
            known_groups,
            ignored,
            quarantined: seen.quarantined,
            review: seen.review,
            examples: seen.examples,
            group_examples,
            spent,
        });
    }
    not_tested.sort_by(|a, b| (&a.code, &a.reason).cmp(&(&b.code, &b.reason)));
    not_tested.dedup();
    let ignores = ignores.uses(&matched, &tally.hidden);
    let ran: HashSet<&str> = rules.iter().map(|r: &RuleResult| r.meta.code).collect();
    let decisions = policy.decided.uses(&tally.decided, &ran);
    let removals = policy.decided.decisions.entries.iter().zip(&decisions);
    let unheard = removals.filter(|(e, u)| u.rows_removed > 0 && !rules.iter().any(|r| speaks_of(r, e))).count();
    let floor_unknown = policy.floor.is_some() && floors == 0;
    let weighing = |s: Severity| rules.iter().map(|r| weights(r, s)).sum::<usize>();
    let errors = weighing(Severity::Error) + missed_floors.len() + usize::from(floor_unknown) + unheard;
    let news = |w: &&String| !policy.baseline.as_ref().is_some_and(|b| b.has_warning(w));
    let contract_warnings = policy.contract_warnings.iter().filter(news).count();
    let warnings = weighing(Severity::Warning) + ignores.iter().filter(|u| u.is_warning()).count() + contract_warnings;
    let warnings = warnings + decisions.iter().filter(|u| u.is_warning()).count();
    let nothing = policy.rows == 0 || evaluated + not_evaluated == about_files && (about_files == 0 || !not_tested.is_empty());
    let exit = |fail_on| exit_code(errors, warnings, nothing, fail_on);
    let overall = match (errors, warnings) {
        (1.., _) => Overall::Fail,
        _ if nothing => Overall::NothingChecked,
        (0, 1..) => Overall::Warnings,
        (0, 0) => Overall::Pass,
    };
    Verdict {
        overall,
        exit: exit(policy.fail_on),
        ordinary_exit: exit(FailOn::Error),
        errors,
        warnings,
        evaluated,
        not_evaluated,
        not_tested,
        missed_floors,
        floor_unknown,
        ignores,
        decisions,
        contract_warnings,
        rows_quarantine: tally.quarantined,
        rows_review: tally.review,
        rows: policy.rows,
        rules,
    }
}

/// Whether a group still stands once people have spoken about its rows. One whose rows are all kept does
/// not; one with rows to be removed is for quarantine; one with rows that nobody has seen says so.
fn settle(meta: &Meta, group: &mut Group, seen: &record::RuleTally, decided: &Decided) -> bool {
    let count = seen.decided_of(Some(&group.key));
    if count.kept > 0 && count.open + count.removed == 0 {
        return false;
    }
    if count.removed > 0 {
        group.action = Action::Quarantine;
    }
    if count.kept + count.removed > 0 {
        for e in decided.decisions.entries.iter().filter(|e| e.is_about(meta.code, Some(&group.key))) {
            let what = if e.decision == Decision::Keep { "are honest" } else { "do not belong" };
            group.reasons.push(format!("{} decided on {} that rows of it {what}: {}", e.by, e.date, e.reason));
        }
        if count.open > 0 {
            group.reasons.push(format!("nobody has decided about {} of its rows", crate::error::group_digits(count.open)));
        }
    }
    true
}

/// Whether a rule's findings already weigh what a decision to remove rows does.
fn speaks_of(rule: &RuleResult, e: &crate::contract::decisions::Entry) -> bool {
    let groups = &rule.outcome.groups;
    let alone = e.group.is_none() && groups.is_empty() && e.rule == rule.meta.code && rule.level == Some(Severity::Error);
    rule.ignored.is_none() && (alone || groups.iter().any(|g| g.action == Action::Quarantine && e.is_about(rule.meta.code, Some(&g.key))))
}

/// Precedence 1 > 3 > 0. Code 2 is an [`crate::error::Error`] and never gets here.
pub fn exit_code(errors: usize, warnings: usize, nothing_checked: bool, fail_on: FailOn) -> u8 {
    let fails = match fail_on {
        FailOn::Error => errors > 0,
        FailOn::Warning => errors + warnings > 0,
        FailOn::Never => false,
    };
    match (fails, nothing_checked) {
        (true, _) => 1,
        (false, true) => 3,
        (false, false) => 0,
    }
}

/// The heaviest thing this rule has to say.
fn weigh(meta: &Meta, outcome: &Outcome, had_groups: bool, seen: &record::RuleTally, absent: OnNotEvaluated) -> Option<Severity> {
    let by_action = |a| if a == crate::rule::Action::Quarantine { Severity::Error } else { Severity::Warning };
    match &outcome.status {
        Status::NotTested(_) => None,
        Status::NotEvaluated(_) if absent == OnNotEvaluated::Warn => Some(Severity::Warning),
        Status::NotEvaluated(_) => Some(outcome.severity),
        Status::Fail if meta.code.starts_with('C') => Some(outcome.severity),
        Status::Pass if meta.code.starts_with('C') => None,
        // A detector weighs what it found: its groups, and rows that belong to none.
        Status::Pass | Status::Fail => {
            let groups = outcome.groups.iter().map(|g| by_action(g.action)).max();
            let alone = (seen.alone > Some(crate::rule::Action::Review)).then_some(Severity::Error);
            let alone = alone.or(seen.alone.map(by_action));
            let silent = !had_groups && seen.alone.is_none() && !seen.has_kept();
            let bare = (outcome.status == Status::Fail && silent).then_some(outcome.severity);
            groups.max(alone).max(bare)
        }
    }
}

/// How many findings of this weight a rule contributes: each group is one.
fn weights(rule: &RuleResult, severity: Severity) -> usize {
    if rule.ignored.is_some() || rule.known {
        return 0;
    }
    let of = |g: &Group| (g.action == crate::rule::Action::Quarantine) == (severity == Severity::Error);
    if rule.outcome.groups.is_empty() || rule.is_contract() {
        return usize::from(rule.level == Some(severity));
    }
    rule.outcome.groups.iter().zip(&rule.known_groups).filter(|(g, known)| !**known && of(g)).count()
}

/// Whether `pattern` (a code, the beginning of one, or a name) means this rule.
pub fn matches(pattern: &str, code: &str, name: &str) -> bool {
    let is_code = pattern.starts_with(|c: char| c.is_ascii_uppercase()) && pattern[1..].bytes().all(|b| b.is_ascii_digit());
    pattern == name || is_code && code.starts_with(pattern)
}

/// `--select` and `--ignore`: what neither list speaks about runs when nothing is selected, unless it is one of
/// those that run [on request](crate::detectors::ON_REQUEST).
pub fn selected(select: &[String], ignore: &[String], code: &str, name: &str) -> bool {
    let any = |list: &[String]| list.iter().any(|p| matches(p, code, name));
    let wanted = match crate::detectors::ON_REQUEST.contains(&code) {
        true => select.iter().any(|p| p == code || p == name),
        false => select.is_empty() || any(select),
    };
    wanted && !any(ignore)
}

#[cfg(test)]
mod tests;
