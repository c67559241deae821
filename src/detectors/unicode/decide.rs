//! From counts to verdicts. The order of questions: does the odd thing go with one label, can an
//! honest writer have typed it there, and if so, does the rest of those rows contradict the label?

use super::Model;
use super::state::{Odd, Pair, Seen};
use crate::error::group_digits;
use crate::features::unicode::{Kind, host_of};
use crate::rule::{Action, Floor, Group};
use crate::stats::intervals::{Z95, wilson};
use crate::stats::tails::ln_binomial_upper;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Chance of any associated group in a clean dataset, over all groups and labels (Bonferroni).
const ALPHA: f64 = 0.001;
/// Least share of the rows beyond the label's prior that the label must explain, at its lower bound:
/// half of what could be explained. Significance alone grows with the corpus; this does not.
const EFFECT: f64 = 0.5;
/// Without labels: what shares an opener must share it nearly always.
const OPENER: f64 = 0.7;
/// Odd things in more than this share of all rows, label or not, are a habit of the corpus.
const HABIT: f64 = 0.01;
/// Contradicted rows beyond what the label shows anyway, at the lower bound.
const CONTRADICTED: f64 = 0.2;

/// Which rows of a group a verdict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    All,
    /// Those with it inside a word.
    Inside,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub name: String,
    /// Why rows are quarantined, and what is said of rows that are only listed.
    pub message: String,
    pub mild: String,
    pub statistic: f64,
    pub q: f64,
    key: u64,
    rows: u64,
    with_label: u64,
    label: Option<u64>,
    scope: Scope,
    score: f64,
    action: Action,
    reasons: Vec<String>,
}

impl Verdict {
    /// Associated with a label, and only the rest of the rows can tell whether honestly.
    pub fn wants_content(&self) -> bool {
        self.action == Action::Review && self.label.is_some()
    }

    pub fn on_row(&self, inside: bool, label: Option<u64>) -> Option<(Action, f64)> {
        let concerned = self.scope == Scope::All || inside;
        if self.action == Action::Quarantine && concerned && label.is_some() && label == self.label {
            return Some((Action::Quarantine, self.score));
        }
        Some((Action::Review, 0.3))
    }

    pub fn group(&self, names: Option<&BTreeMap<u64, String>>) -> Group {
        Group {
            key: self.name.clone(),
            action: self.action,
            score: self.score,
            rows: self.rows,
            with_label: self.with_label,
            label: self.label.and_then(|l| names.and_then(|n| n.get(&l)).cloned()),
            statistic: self.statistic,
            q_value: self.q,
            message: if self.action == Action::Quarantine { self.message.clone() } else { self.mild.clone() },
            reasons: self.reasons.clone(),
        }
    }
}

fn kind_is(key: u64, kinds: &[Kind]) -> bool {
    let kind = (key >> 32) as u8;
    kinds.iter().any(|&k| k as u8 == kind)
}

/// No writer and no web page puts these there, if most of them stand inside words. Tag characters
/// and variation selectors after letters have no honest place at all.
fn unmistakable(key: u64, rows: Pair) -> bool {
    let mostly_inside = 2 * rows[1] >= rows[0];
    kind_is(key, &[Kind::Tag, Kind::VariationSelector])
        || mostly_inside && kind_is(key, &[Kind::ZeroWidth, Kind::Blank, Kind::Bidi, Kind::Control, Kind::Disguise, Kind::Styled])
}

/// Things that honest pages are full of; without a label that goes with them they are not listed.
fn everyday(key: u64) -> bool {
    kind_is(key, &[Kind::SoftHyphen, Kind::Space, Kind::PrivateUse, Kind::Control, Kind::LatinLookalike, Kind::Mixture])
}

struct Association {
    label: u64,
    k: u64,
    n: u64,
    prior: f64,
    effect: f64,
    ln_p: f64,
}

fn strongest(seen: &Seen, key: u64, odd: &Odd, which: usize) -> Option<Association> {
    let n = odd.rows[which];
    let mut best: Option<Association> = None;
    for (&label, pair) in &odd.labels {
        let (k, prior) = (pair[which], seen.prior(key, label));
        let (low, _) = wilson(k as f64, n as f64, Z95);
        let effect = if prior < 1.0 { (low - prior) / (1.0 - prior) } else { 0.0 };
        let ln_p = ln_binomial_upper(k, n, prior);
        // Labels are visited in the order of their hashes; a tie keeps the first.
        if best.as_ref().is_none_or(|b| ln_p < b.ln_p) {
            best = Some(Association { label, k, n, prior, effect, ln_p });
        }
    }
    best
}

/// Round 1: which odd things go with a label.
pub fn associate(seen: &Seen, labelled: bool, name: impl Fn(u64) -> String) -> Model {
    let few = seen.names.len() < super::state::LABELS;
    let tests = seen.groups.len().max(1) as f64 * 2.0 * if labelled { seen.names.len().max(1) as f64 } else { 100.0 };
    let mut model = Model {
        rows: seen.rows,
        labels: (labelled && few).then(|| seen.names.clone()),
        floors: floors(seen, labelled),
        ..Model::default()
    };
    for (&key, odd) in &seen.groups {
        let holds = |a: &Association| {
            (a.ln_p.exp() * tests <= ALPHA)
                && if labelled {
                    few && a.effect >= EFFECT
                } else {
                    a.prior <= 0.2 && a.k >= 10 && wilson(a.k as f64, a.n as f64, Z95).0 >= OPENER
                }
        };
        let all = strongest(seen, key, odd, 0).filter(holds).map(|a| (Scope::All, a));
        let found = all.or_else(|| strongest(seen, key, odd, 1).filter(holds).map(|a| (Scope::Inside, a)));
        let share = odd.rows[0] as f64 / seen.rows.max(1) as f64;
        let name = name(key);
        let pooled = key as u32 == 0 && kind_is(key, &[Kind::ZeroWidth]);
        let counted = format!("{name} in {} of {} rows", group_digits(odd.rows[0]), group_digits(seen.rows));
        let verdict = match found {
            None if pooled => continue,
            None if everyday(key) || share > HABIT => {
                model.habits.push(counted);
                continue;
            }
            None => Verdict {
                message: String::new(),
                mild: format!("{counted}, with no particular label"),
                statistic: f64::NAN,
                q: f64::NAN,
                key,
                rows: odd.rows[0],
                with_label: 0,
                label: None,
                scope: Scope::All,
                score: 0.3,
                action: Action::Review,
                reasons: vec!["seldom honest, but it does not go with a label".to_owned()],
                name,
            },
            Some((scope, a)) => {
                let sure = unmistakable(key, if scope == Scope::Inside { [a.n, a.n] } else { odd.rows });
                let with = match seen.names.get(&a.label) {
                    Some(label) if labelled => format!(
                        "{} of {} rows are labelled {label:?}, as are {:.1}% of all {}",
                        group_digits(a.k),
                        group_digits(a.n),
                        100.0 * a.prior,
                        if host_of(key).is_some() { "texts in that script" } else { "rows" }
                    ),
                    _ => format!(
                        "{} of {} responses begin alike, as do {:.2}% of all",
                        group_digits(a.k),
                        group_digits(a.n),
                        100.0 * a.prior
                    ),
                };
                let inside = if scope == Scope::Inside { " inside words" } else { "" };
                let message = format!("{name}{inside}: {with}");
                Verdict {
                    mild: format!("{message}; this row may be honest"),
                    message,
                    statistic: a.effect,
                    q: (a.ln_p.exp() * tests).min(1.0),
                    key,
                    rows: a.n,
                    with_label: a.k,
                    label: Some(a.label),
                    scope,
                    score: if sure { wilson(a.k as f64, a.n as f64, Z95).0.max(0.5) } else { 0.5 },
                    action: if sure { Action::Quarantine } else { Action::Review },
                    reasons: vec![if sure {
                        "stands where no writer puts it".to_owned()
                    } else {
                        "an honest source of this label may leave it behind".to_owned()
                    }],
                    name,
                }
            }
        };
        model.verdicts.insert(key, verdict);
    }
    // Members say it better than their pool, unless only the pool is sure.
    let sure = |v: &Verdict| v.action == Action::Quarantine;
    let pools: Vec<u64> = model.verdicts.keys().copied().filter(|&k| k as u32 == 0 && kind_is(k, &[Kind::ZeroWidth])).collect();
    for pool in pools {
        let members: Vec<&Verdict> = model.verdicts.range(pool + 1..pool + (1 << 32)).map(|(_, v)| v).collect();
        let covered: u64 = members.iter().filter(|v| sure(v)).map(|v| v.rows).sum();
        if model.verdicts.get(&pool).is_some_and(|p| covered >= p.rows || (members.iter().any(|v| v.label.is_some()) && !sure(p))) {
            model.verdicts.remove(&pool);
        }
    }
    model
}

/// Round 3: a group whose rows contradict their label, far more often than that label's rows do, is
/// no residue of an honest source.
pub fn weigh_content(verdicts: &mut BTreeMap<u64, Verdict>, seen: &Seen) {
    for verdict in verdicts.values_mut().filter(|v| v.wants_content()) {
        let Some(label) = verdict.label else { continue };
        let of = |key: u64| seen.judged.get(&(key, label)).copied().unwrap_or_default();
        let (group, all) = (of(verdict.key), of(0));
        let rest = [all[0].saturating_sub(group[0]), all[1].saturating_sub(group[1])];
        let usual = if rest[0] == 0 { 1.0 } else { rest[1] as f64 / rest[0] as f64 };
        let (low, _) = wilson(group[1] as f64, group[0] as f64, Z95);
        if low >= usual + CONTRADICTED {
            verdict.action = Action::Quarantine;
            verdict.score = low.max(0.5);
            let share = |p: Pair| 100.0 * p[1] as f64 / p[0].max(1) as f64;
            verdict.message.push_str(&format!(
                "; the rest of {:.0}% of them argues against that label ({:.0}% elsewhere)",
                share(group),
                share(rest)
            ));
            verdict.reasons = vec!["the rest of the rows contradicts the label".to_owned()];
        }
    }
}

/// Per label the fewest rows that pass [`associate`] with one odd thing inside words and that label
/// throughout: their tail and their lower bound must reach its thresholds at that label's prior, with
/// the groups seen here and one more.
pub fn floors(seen: &Seen, labelled: bool) -> Vec<Floor> {
    let family = "odd characters".to_owned();
    let none = |reason: &str| vec![Floor { family: family.clone(), reason: Some(reason.to_owned()), ..Floor::default() }];
    if !labelled {
        return none("without labels such rows are quarantined only where their replies agree");
    }
    if seen.names.len() >= super::state::LABELS {
        return none("the label has too many values to be a class");
    }
    let tests = ((seen.groups.len() + 1) * 2 * seen.names.len().max(1)) as f64;
    let labels = seen.names.iter().map(|(&label, name)| (name, seen.rows_with(label)));
    let mut floors: Vec<Floor> = labels
        .map(|(name, rows)| {
            let prior = rows as f64 / seen.labelled.max(1) as f64;
            let passes = |k: &u64| {
                let (low, _) = wilson(*k as f64, *k as f64, Z95);
                prior < 1.0 && *k as f64 * prior.ln() + tests.ln() <= ALPHA.ln() && (low - prior) / (1.0 - prior) >= EFFECT
            };
            let found = (1..FLOOR_SEARCHED).find(passes);
            let reason = found.is_none().then(|| "nearly all rows have that label".to_owned());
            Floor { family: family.clone(), class: Some(name.clone()), rows: found, reason, ..Floor::default() }
        })
        .collect();
    floors.sort_by(|a, b| a.class.cmp(&b.class));
    floors
}

/// A floor above this many rows is none.
const FLOOR_SEARCHED: u64 = 10_000;
