//! `taster drill`: measured power on one's own data.

use super::check::{DataAndContract, open};
use super::progress::Bar;
use super::{Global, say, signals};
use crate::drill::slices::{self, slices};
use crate::drill::{Amount, Family, Options, Report, drill};
use crate::engine::{Progress, Silent};
use crate::error::{Error, Result, group_digits};
use crate::report::escape;
use std::fmt::Write as _;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub from: DataAndContract,
    /// Families to plant, comma-separated [default: every one for which the data has the roles]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FAMILY")]
    pub family: Vec<Family>,
    /// Trials per family, each with another trigger; runs per part that is chosen at random
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub seeds: u64,
    /// Rows to poison in a trial, such as 30 or 0.5% [default: 1%, at least 30]
    #[arg(long, value_name = "N", value_parser = amount)]
    pub rows: Option<Amount>,
    /// Run only these detectors: code, prefix or name
    #[arg(long, value_delimiter = ',', value_name = "CODE")]
    pub select: Vec<String>,
    /// Plant nothing: count what is quarantined in parts of the data, taken as clean, and with labels drawn anew
    #[arg(long, conflicts_with_all = ["family", "rows", "fail_under"])]
    pub slices: bool,
    /// With --slices: exit with 1 when more of a part is quarantined, such as 0.1%
    #[arg(long, value_name = "SHARE", value_parser = share, requires = "slices")]
    pub fail_over: Option<f64>,
    /// Exit with 1 when a family recovers less of its rows, such as 95%
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub fail_under: Option<f64>,
    /// What goes to stdout
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Table,
    Json,
}

fn amount(text: &str) -> std::result::Result<Amount, String> {
    if text.ends_with('%') {
        return share(text).map(Amount::Share);
    }
    text.parse().ok().filter(|n| *n > 0).map(Amount::Rows).ok_or_else(|| "write a number of rows or a share, such as 30 or 0.5%".into())
}

fn share(text: &str) -> std::result::Result<f64, String> {
    let percent: Option<f64> = text.strip_suffix('%').and_then(|t| t.trim().parse().ok());
    percent.filter(|p| *p > 0.0 && *p <= 100.0).map(|p| p / 100.0).ok_or_else(|| "write a share, such as 0.5%".into())
}

/// # Errors
/// As `check`; and when no family can be planted.
pub fn run(global: &Global, args: &Args) -> Result<u8> {
    let (contract, source, _) = open(&args.from, &mut Vec::new())?;
    if source.rows() == 0 {
        return Err(Error::data(&source.root, "has no rows: there is nothing to plant in"));
    }
    let bar = Bar::new();
    let progress: &dyn Progress = if bar.is_shown() && !global.quiet { &bar } else { &Silent };
    let options = Options {
        families: args.family.clone(),
        seeds: args.seeds,
        amount: args.rows.unwrap_or(Amount::Usual),
        select: args.select.clone(),
        threads: global.threads(),
        memory: global.memory(),
        seed: global.seed,
        progress,
        stop: signals::stop_flag(),
    };
    if args.slices {
        let result = slices(&contract, &source, &source.schema, source.rows(), &options);
        bar.clear();
        let report = result?;
        say(&match args.format {
            Format::Table => parts(&report),
            Format::Json => serde_json::to_string_pretty(&report).map_err(Error::internal)? + "\n",
        })?;
        if report.slices.is_empty() {
            return Ok(3);
        }
        return Ok(u8::from(args.fail_over.is_some_and(|most| report.slices.iter().any(|s| s.worst > most))));
    }
    let result = drill(&contract, &source, &source.schema, source.rows(), &options);
    bar.clear();
    let report = result?;
    match args.format {
        Format::Table => say(&table(&report, global.verbose))?,
        Format::Json => say(&(serde_json::to_string_pretty(&report).map_err(Error::internal)? + "\n"))?,
    }
    if report.trials.is_empty() {
        return Ok(3);
    }
    let weakest = report.power.iter().map(|p| p.quarantined as f64 / p.planted.max(1) as f64).fold(1.0, f64::min);
    Ok(u8::from(args.fail_under.is_some_and(|least| weakest < least)))
}

/// False alarms as a table, all parts together in its last line.
fn parts(report: &slices::Report) -> String {
    if report.slices.is_empty() {
        return "No part of the data has enough rows to measure false alarms\n".into();
    }
    let widest = report.slices.iter().map(|s| escape::terminal(&s.slice).chars().count()).max().unwrap_or_default().clamp(12, 60);
    let mut out = String::new();
    let mut line = |name: &str, cells: [String; 5]| {
        let [runs, rows, quarantined, worst, review] = cells;
        let _ = writeln!(out, "{name:<widest$} {runs:>5} {rows:>12} {quarantined:>12} {worst:>13} {review:>8}");
    };
    line("part", ["runs", "rows", "quarantined", "worst of a run", "review"].map(str::to_owned));
    for s in &report.slices {
        let numbers = [s.runs, s.rows, s.quarantined].map(group_digits);
        let [runs, rows, quarantined] = numbers;
        line(&escape::terminal(&s.slice), [runs, rows, quarantined, format!("{:.3}%", 100.0 * s.worst), group_digits(s.review)]);
    }
    let sum = |f: fn(&slices::Alarms) -> u64| report.slices.iter().map(f).sum::<u64>();
    let (rows, quarantined) = (sum(|s| s.rows), sum(|s| s.quarantined));
    let _ = writeln!(
        out,
        "\n{} of {} rows quarantined, {:.4}%",
        group_digits(quarantined),
        group_digits(rows),
        100.0 * quarantined as f64 / rows.max(1) as f64
    );
    out
}

/// The report as a table; `each`: every trial too.
fn table(report: &Report, each: bool) -> String {
    let mut out = String::new();
    let percent = |n: u64, of: u64| format!("{:.1}%", 100.0 * n as f64 / of.max(1) as f64);
    if !report.power.is_empty() {
        let _ = writeln!(
            out,
            "{} rows; {} of them are quarantined with nothing planted",
            group_digits(report.rows),
            group_digits(report.quarantined_before)
        );
        let _ = writeln!(
            out,
            "\n{:<12} {:>6} {:>7} {:>9} {:>11} {:>9} {:>13}",
            "family", "trials", "found", "planted", "quarantined", "listed", "false alarms"
        );
    }
    for p in &report.power {
        // Of all clean rows that the trials judged.
        let clean = p.trials * report.rows - p.planted;
        let _ = writeln!(
            out,
            "{:<12} {:>6} {:>7} {:>9} {:>11} {:>9} {:>13}",
            p.family.name(),
            p.trials,
            p.found,
            group_digits(p.planted),
            percent(p.quarantined, p.planted),
            percent(p.listed, p.planted),
            format!("{:.3}%", 100.0 * p.false_alarms as f64 / clean.max(1) as f64),
        );
    }
    let weak: Vec<_> = report.trials.iter().filter(|t| each || t.quarantined * 10 < t.planted * 9).collect();
    if !weak.is_empty() {
        let _ = writeln!(out, "\n{}", if each { "Trials" } else { "Trials that recovered less than 90%" });
    }
    const SHOWN: usize = 40;
    for t in weak.iter().take(if each { usize::MAX } else { SHOWN }) {
        let class = t.class.as_ref().map_or(String::new(), |c| format!(" as {}", escape::terminal(c)));
        let floor = t.floor.map_or("no floor was stated".to_owned(), |f| format!("stated floor {f} rows"));
        let _ = writeln!(
            out,
            "  {} {}: {} of {} rows{class}, {} listed, {} false alarms, {floor}: {}",
            t.family.name(),
            t.number,
            group_digits(t.quarantined),
            group_digits(t.planted),
            group_digits(t.listed),
            group_digits(t.false_alarms),
            escape::terminal(&t.trigger),
        );
    }
    if !each && weak.len() > SHOWN {
        let _ = writeln!(out, "  ... and {} more; --verbose or --format json has them all", weak.len() - SHOWN);
    }
    if !report.not_drilled.is_empty() {
        let _ = writeln!(out, "\nNot planted");
        let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
        for (family, reason) in &report.not_drilled {
            match by_reason.iter_mut().find(|(r, _)| r == reason) {
                Some((_, families)) => families.push(family.name()),
                None => by_reason.push((reason, vec![family.name()])),
            }
        }
        for (reason, families) in by_reason {
            let _ = writeln!(out, "  {}: {}", families.join(", "), escape::terminal(reason));
        }
    }
    out
}
