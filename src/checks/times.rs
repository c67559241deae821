//! Columns of times against one another and against the clock, in nanoseconds: what freshness, pauses
//! and retention have in common. A day is a day: a column of dates is compared with the date of the
//! present, so that the age of a date is a whole number of days. Times without a zone are read as UTC.

use super::cells::{Cells, rule_columns, unknown_column};
use super::scalars::{Reader, Scalar, plain};
use crate::batch::Batch;
use crate::contract::scalar::nanos_per;
use crate::contract::{At, Role, RuleSpec, types};
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context};
use arrow::datatypes::DataType;
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;

/// A column of dates or instants.
#[derive(Debug, Clone)]
pub struct Times {
    pub cells: Cells,
}

impl Times {
    fn is_date(&self) -> bool {
        matches!(self.cells.kind, DataType::Date32 | DataType::Date64)
    }

    /// The present in this column's steps: its day for dates.
    pub fn now(&self, now: DateTime<Utc>) -> i128 {
        let nanos = i128::from(now.timestamp()) * SECOND + i128::from(now.timestamp_subsec_nanos());
        if self.is_date() { nanos.div_euclid(DAY) * DAY } else { nanos }
    }

    /// Hands over every time that is not null, with its row in the batch.
    pub fn each(&self, batch: &Batch, mut f: impl FnMut(usize, i128) -> Result<()>) -> Result<()> {
        let array = plain(self.cells.of(batch)?)?;
        let reader = Reader::new(&array)?;
        let step = match &self.cells.kind {
            DataType::Date32 => DAY,
            DataType::Timestamp(unit, _) => nanos_per(*unit).into(),
            // Milliseconds of whole days; what is not one is the day it falls on.
            _ => 1_000_000,
        };
        let date = self.is_date();
        for i in 0..array.len() {
            if let Some(Scalar::Int(v)) = reader.get(i) {
                let nanos = v * step;
                f(i, if date { nanos.div_euclid(DAY) * DAY } else { nanos })?;
            }
        }
        Ok(())
    }

    /// `2026-02-27` or `2026-02-27T10:00:00Z`, as far as the calendar goes.
    pub fn show(&self, nanos: i128) -> String {
        let at = i64::try_from(nanos.div_euclid(SECOND)).ok();
        let at = at.and_then(|s| DateTime::from_timestamp(s, nanos.rem_euclid(SECOND) as u32));
        match at {
            Some(at) if self.is_date() => at.date_naive().to_string(),
            Some(at) => at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
            None => format!("{} seconds from {}", nanos / SECOND, NaiveDate::default()),
        }
    }
}

/// `3d 4h`, `59s`, `0s`: the two largest units.
pub fn length(nanos: i128) -> String {
    let mut left = nanos.unsigned_abs() / SECOND.unsigned_abs();
    if left == 0 && nanos != 0 {
        return "less than 1s".into();
    }
    let mut parts = Vec::new();
    for (name, seconds) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        let n = left / seconds;
        left %= seconds;
        if n > 0 && parts.len() < 2 {
            parts.push(format!("{n}{name}"));
        } else if !parts.is_empty() {
            break;
        }
    }
    if parts.is_empty() { "0s".into() } else { parts.join(" ") }
}

/// Seconds, for a report's `statistic`.
pub fn seconds(nanos: i128) -> f64 {
    nanos as f64 / SECOND as f64
}

/// The column that a rule names, or the one with the role. `None` when that is settled: an error of
/// the contract, or a declared column that is absent.
pub fn by_role(
    ctx: &Context<'_>,
    rule: &RuleSpec,
    title: &str,
    named: Option<&At<String>>,
    role: Role,
    (built, errors): (&mut Built, &mut Vec<Diagnostic>),
) -> Option<Cells> {
    let declared = ctx.contract.columns.iter().find(|c| c.role.as_ref().is_some_and(|r| r.value == role));
    let holder = ctx.roles.first(role).or_else(|| declared.map(|c| c.name.value.as_str()));
    let Some((name, span)) = named.map(|n| (n.value.as_str(), n.span)).or(holder.map(|n| (n, rule.span))) else {
        let role = role.as_str();
        let d = Diagnostic::new("C008", format!("this rule needs a column with `role: {role}`")).at(rule.span);
        errors.push(d.help(format!("declare it: `columns: {{NAME: {{role: {role}}}}}`, or name it in the rule")));
        return None;
    };
    if declared.is_some_and(|c| c.is_glob && c.name.value == name) && Cells::find(ctx, name).is_none() {
        built.settled.push(super::not_evaluated(rule, title, format!("no column matches `{name}`")));
        return None;
    }
    match rule_columns(ctx, &[(name, span)]) {
        Err(more) => errors.extend(more),
        Ok(Err(why)) => built.settled.push(super::not_evaluated(rule, title, why)),
        Ok(Ok(mut found)) => match found.pop() {
            Some(cells) => return Some(cells),
            None => errors.push(unknown_column(ctx, name).at(span)),
        },
    }
    None
}

/// As [`by_role`], for the column with `role: time`, which must hold times.
pub fn find(
    ctx: &Context<'_>,
    rule: &RuleSpec,
    title: &str,
    named: Option<&At<String>>,
    (built, errors): (&mut Built, &mut Vec<Diagnostic>),
) -> Option<Times> {
    let cells = by_role(ctx, rule, title, named, Role::Time, (built, errors))?;
    if matches!(cells.kind, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)) {
        return Some(Times { cells });
    }
    let kind = types::name(&cells.kind);
    let broken = ctx.contract.specs_for(&cells.name).any(|s| s.type_.as_ref().is_some_and(|t| !t.value.matches(&cells.kind)));
    if broken {
        built.settled.push(super::not_evaluated(rule, title, format!("column `{}` has the wrong type, {kind}", cells.name)));
    } else {
        let d = Diagnostic::new("C004", format!("`{}` is {kind}; this rule needs dates or timestamps", cells.name));
        let d = d.at(named.map_or(rule.span, |n| n.span));
        errors.push(d.help("declare its type, such as `type: date` or `type: timestamp`; in a text file it is then read as that"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_print_their_two_largest_units() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (3_600, "1h"), (90_061, "1d 1h"), (86_401, "1d"), (-120, "2m"), (3_661, "1h 1m")] {
            assert_eq!(length(seconds * SECOND), text);
        }
        assert_eq!(length(5), "less than 1s");
    }
}
