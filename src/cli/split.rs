//! `taster split`: clean and quarantined copies of a dataset.

use super::{Global, say};
use crate::error::{Result, group_digits, plural};
use crate::review::decided::Decided;
use crate::source::{OpenOptions, Source};
use crate::split::{Options, Summary, read_list, split};
use clap::{Args as ClapArgs, ValueEnum};
use std::path::PathBuf;

#[derive(ClapArgs)]
pub struct Args {
    /// Files, folders or globs: what was checked, by the same paths
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// The list that `taster check` wrote: .parquet .arrow .csv .jsonl
    #[arg(long, value_name = "FILE")]
    pub quarantine: PathBuf,
    /// A new or empty folder for `clean`, `quarantined` and split.json
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Whether rows for review stay in the clean copy
    #[arg(long, value_enum, default_value_t = Review::Keep, value_name = "WHAT")]
    pub review: Review,
    /// The contract, where it says how text files are to be read (`format:`)
    #[arg(short, long, value_name = "FILE")]
    pub contract: Option<PathBuf>,
    /// What people decided since the list was written [default: CONTRACT with .decisions.yaml for .yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub decisions: Option<PathBuf>,
    /// Replace an earlier split in DIR
    #[arg(long)]
    pub overwrite: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Review {
    Keep,
    Out,
}

pub fn run(global: &Global, args: &Args) -> Result<()> {
    let stop = super::signals::stop_flag();
    let options = match &args.contract {
        Some(path) => super::check::options_for(&crate::contract::parse::load(path)?),
        None => OpenOptions { stop: Some(stop), ..OpenOptions::default() },
    };
    let mut list = read_list(&args.quarantine)?;
    let decisions = match (&args.decisions, &args.contract) {
        (None, None) => None,
        (named, contract) => super::check::decisions(named.as_deref(), contract.as_deref())?,
    };
    let source = Source::open(&args.data, &options)?;
    let options = Options { out: &args.out, review_out: args.review == Review::Out, overwrite: args.overwrite, stop: Some(stop) };
    let pool = super::pool(global.threads())?;
    if let Some(decisions) = decisions {
        // A list about other data is refused before its rows are looked up.
        list.agrees_with(&source)?;
        let decided = pool.install(|| Decided::find(&source, decisions, stop))?;
        list.hear(&source, &decided)?;
    }
    let summary = pool.install(|| split(&source, list, &options))?;
    say(&super::lines(&told(&summary)))?;
    say("\n")
}

/// The proof, for a person: two sums.
fn told(s: &Summary) -> String {
    let sides = [("clean", &s.clean), ("quarantined", &s.quarantined)];
    let width = sides.iter().map(|(_, side)| group_digits(side.rows).len()).max().unwrap_or(0);
    let mut out = format!("{} of {}\n", plural(s.input.rows as usize, "row"), plural(s.files.len(), "file"));
    for (name, side) in sides {
        out.push_str(&format!("  {name:<11}  {:>width$}  {}\n", group_digits(side.rows), side.path.display()));
    }
    out.push_str(&format!(
        "No row is lost: {} + {} = {},",
        group_digits(s.clean.rows),
        group_digits(s.quarantined.rows),
        group_digits(s.input.rows)
    ));
    out.push_str(&format!(
        " and so do the contents\n  {}\n+ {}\n= {} (mod 2^128)\n",
        s.clean.content, s.quarantined.content, s.input.content
    ));
    if let Some(d) = s.decisions.as_ref().filter(|d| d.kept + d.removed > 0) {
        let rows = |n: u64| plural(n as usize, "row");
        out.push_str(&format!("By decision {} stayed and {} went ({})\n", rows(d.kept), rows(d.removed), d.path.display()));
    }
    if s.list.review > 0 && s.review == "kept" {
        out.push_str(&format!("{} for review stayed; --review out takes them out too\n", plural(s.list.review as usize, "row")));
    }
    if !s.list.matched_report {
        out.push_str("No report.json beside the list says that it is about this data; only files and row numbers were compared\n");
    }
    out.push_str(&format!("{} says so", s.clean.path.with_file_name(crate::split::SUMMARY).display()));
    out
}
