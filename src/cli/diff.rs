//! `taster diff`: two versions of a contract, and what the new one would do to the data.

use super::{Global, say};
use crate::check::{Options, check};
use crate::contract::diff::{Change, Effect, diff};
use crate::contract::{Contract, parse};
use crate::engine::Silent;
use crate::error::{Error, Result, Span, group_digits, plural};
use crate::report::escape;
use crate::source::Source;
use clap::ValueEnum;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The contract as it was
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The contract as it is to be
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
    /// Files, folders or globs: also count the rows that newly fail, and those that no longer do
    #[arg(value_name = "DATA")]
    pub data: Vec<String>,
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

pub fn run(global: &Global, args: &Args) -> Result<u8> {
    let (old, new) = (parse::load(&args.old)?, parse::load(&args.new)?);
    let changes = diff(&old, &new)?;
    let rows = if args.data.is_empty() { None } else { Some(rows(global, &args.data, &old, &new)?) };
    let breaks = rows.as_ref().is_some_and(|r| r.newly > 0);
    let exit = u8::from(breaks || changes.iter().any(|c| c.effect.is_alarm()));
    match args.format {
        Format::Text => say(&text(&changes, rows.as_ref(), &args.old, &args.new))?,
        Format::Json => say(&format!("{:#}\n", json(&changes, rows.as_ref(), exit)))?,
    }
    Ok(exit)
}

/// What the two contracts say about the same data.
struct Rows {
    total: u64,
    newly: u64,
    no_longer: u64,
    /// Rules of the new contract that fail, with the rows they put on the list.
    failing: Vec<(String, u64)>,
}

/// Runs both contracts over the data and compares the rows that they would take out.
fn rows(global: &Global, data: &[String], old: &Contract, new: &Contract) -> Result<Rows> {
    let scratch = tempfile::tempdir().map_err(|e| Error::resource("a folder for temporary files", e))?;
    let mut lists = Vec::new();
    let (mut total, mut failing) = (0, Vec::new());
    for (contract, name) in [(old, "old"), (new, "new")] {
        let source = Source::open(data, &super::check::options_for(contract))?;
        let options = Options {
            out: scratch.path().join(name),
            quarantine: Some(scratch.path().join(format!("{name}.arrow"))),
            select: vec!["C".into()],
            threads: global.threads(),
            memory: global.memory(),
            seed: global.seed,
            now: global.now(),
            data: data.to_vec(),
            progress: &Silent,
            stop: super::signals::stop_flag(),
            ..Options::default()
        };
        let (verdict, _) = check(contract, &source, &options)?;
        total = verdict.rows;
        let broken = verdict.rules.iter().filter(|r| r.quarantined > 0);
        failing = broken.map(|r| (r.outcome.title.clone(), r.quarantined)).collect();
        lists.push(scratch.path().join(format!("{name}.arrow")));
    }
    let (newly, no_longer) = compare(&lists[0], &lists[1])?;
    Ok(Rows { total, newly, no_longer, failing })
}

/// Lines of the second list that the first lacks, and the other way round. Both are sorted by file and
/// row, and both are about the same files; only rows to take out count.
fn compare(old: &Path, new: &Path) -> Result<(u64, u64)> {
    let (mut a, mut b) = (quarantined(old)?, quarantined(new)?);
    let (mut newly, mut no_longer) = (0, 0);
    let (mut x, mut y) = (a.next().transpose()?, b.next().transpose()?);
    loop {
        match (&x, &y) {
            (None, None) => return Ok((newly, no_longer)),
            (Some(p), Some(q)) if p == q => (x, y) = (a.next().transpose()?, b.next().transpose()?),
            (Some(p), q) if q.as_ref().is_none_or(|q| p < q) => {
                no_longer += 1;
                x = a.next().transpose()?;
            }
            _ => {
                newly += 1;
                y = b.next().transpose()?;
            }
        }
    }
}

/// `(file, row)` of every line with the action `quarantine`, a batch at a time.
fn quarantined(list: &Path) -> Result<impl Iterator<Item = Result<(String, u64)>>> {
    use crate::batch::Text;
    use arrow::array::AsArray;
    let file = std::fs::File::open(list).map_err(|e| Error::data(list, e.to_string()))?;
    let reader = arrow::ipc::reader::FileReader::try_new(std::io::BufReader::new(file), None).map_err(Error::internal)?;
    Ok(reader.flat_map(|batch| {
        let lines = || -> Result<Vec<(String, u64)>> {
            let batch = batch.map_err(Error::internal)?;
            let gone = || Error::internal("a quarantine list lacks a column");
            let file = batch.column_by_name("file").and_then(|c| Text::of(c.as_ref())).ok_or_else(gone)?;
            let action = batch.column_by_name("action").and_then(|c| Text::of(c.as_ref())).ok_or_else(gone)?;
            let row = batch.column_by_name("row").and_then(|c| c.as_primitive_opt::<arrow::datatypes::UInt64Type>()).ok_or_else(gone)?;
            let out = (0..batch.num_rows()).filter(|i| action.get(*i) == Some("quarantine"));
            Ok(out.map(|i| (file.get(i).unwrap_or_default().to_owned(), row.value(i))).collect())
        };
        match lines() {
            Ok(lines) => lines.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(e) => vec![Err(e)],
        }
    }))
}

const MEANING: [(Effect, &str); 5] = [
    (Effect::Loosened, "what failed before may pass now; look at each, for a poisoner begins here"),
    (Effect::Changed, "neither contract includes the other"),
    (Effect::Renamed, "whoever relies on the old name must follow"),
    (Effect::Tightened, "what passed before may fail now"),
    (Effect::Neutral, "no row is judged differently"),
];

fn text(changes: &[Change], rows: Option<&Rows>, old: &Path, new: &Path) -> String {
    let mut out = String::new();
    let counts: Vec<String> = Effect::ALL
        .iter()
        .map(|e| (changes.iter().filter(|c| c.effect == *e).count(), e.as_str()))
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}"))
        .collect();
    out.push_str(&if counts.is_empty() { "no difference\n".to_owned() } else { format!("{}\n", counts.join(", ")) });
    let place = |span: Option<Span>, path: &Path| {
        span.map(|s| format!("{}:{}:{}", escape::terminal(&path.display().to_string()), s.line, s.column))
    };
    for (effect, meaning) in MEANING {
        let of: Vec<&Change> = changes.iter().filter(|c| c.effect == effect).collect();
        if of.is_empty() {
            continue;
        }
        out.push_str(&format!("\n{}: {meaning}\n", effect.as_str()));
        for c in of {
            out.push_str(&format!("  {}: {}\n", escape::terminal(&c.place), escape::terminal(&c.message)));
            let places: Vec<String> = [place(c.old, old), place(c.new, new)].into_iter().flatten().collect();
            out.push_str(&format!("    --> {}\n", places.join(" -> ")));
        }
    }
    if let Some(r) = rows {
        out.push_str(&format!(
            "\nOf {}, {} newly fail and {} no longer do.\n",
            plural(r.total as usize, "row"),
            group_digits(r.newly),
            group_digits(r.no_longer)
        ));
        for (title, n) in &r.failing {
            out.push_str(&format!("  {}: {}\n", escape::terminal(title), plural(*n as usize, "row")));
        }
    }
    out
}

fn json(changes: &[Change], rows: Option<&Rows>, exit: u8) -> serde_json::Value {
    let failing = |r: &Rows| r.failing.iter().map(|(t, n)| serde_json::json!({"rule": t, "rows": n})).collect::<Vec<_>>();
    serde_json::json!({
        "schema": "taster-diff/1",
        "exit_code": exit,
        "changes": changes,
        "rows": rows.map(|r| serde_json::json!({
            "total": r.total, "newly_failing": r.newly, "no_longer_failing": r.no_longer, "failing": failing(r),
        })),
    })
}
