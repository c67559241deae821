//! `taster attest`: a check whose verdict is signed together with the bytes that it is about.

use super::check::{CheckArgs, DataAndContract, FailOn};
use super::{Global, say, write_or_say};
use crate::error::{Error, Result};
use crate::supply::attest::{outcome, statement, time};
use crate::supply::bom;
use crate::supply::dsse::Envelope;
use crate::supply::manifest::Measured;
use chrono::TimeDelta;
use clap::Args as ClapArgs;
use std::path::{Path, PathBuf};

#[derive(ClapArgs)]
pub struct Args {
    /// Files, folders or globs; without any, the contract's `data:`
    #[arg(value_name = "DATA")]
    pub data: Vec<String>,
    /// The contract that the data must pass
    #[arg(short, long, value_name = "FILE")]
    pub contract: PathBuf,
    /// The private key, which `taster key` makes
    #[arg(long, value_name = "NAME.pem")]
    pub key: PathBuf,
    /// Where the signed statement goes
    #[arg(short, long, value_name = "STATEMENT")]
    pub output: PathBuf,
    /// How long it holds: 90d, 12w, 36h [default: for ever]
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub expires: Option<TimeDelta>,
    /// Also write a CycloneDX bill of materials with the verdict
    #[arg(long, value_name = "FILE")]
    pub bom: Option<PathBuf>,
    /// Where report and quarantine list go
    #[arg(long, value_name = "DIR", default_value = "taster-out")]
    pub out: PathBuf,
    /// Which object of a contract in the Open Data Contract Standard, where it describes several
    #[arg(long, value_name = "NAME")]
    pub object: Option<String>,
    /// What the contract may read; nothing outside
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// No cell text in reports
    #[arg(long)]
    pub redact: bool,
}

/// A number and a unit.
fn span(text: &str) -> std::result::Result<TimeDelta, String> {
    let wrong = || "write a number and a unit, such as 90d, 12w or 36h".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: i64 = text[..digits].parse().map_err(|_| wrong())?;
    let span = match &text[digits..] {
        "h" => TimeDelta::try_hours(number),
        "d" => TimeDelta::try_days(number),
        "w" => TimeDelta::try_weeks(number),
        _ => None,
    };
    // A century is for ever.
    span.filter(|s| *s > TimeDelta::zero() && *s <= TimeDelta::days(36_525)).ok_or_else(wrong)
}

pub fn run(global: &Global, args: &Args) -> Result<u8> {
    let key = super::manifest::private(&args.key)?;
    let check = CheckArgs {
        from: DataAndContract {
            data: args.data.clone(),
            contract: Some(args.contract.clone()),
            object: args.object.clone(),
            root: args.root.clone(),
        },
        out: args.out.clone(),
        quarantine: None,
        fail_on: FailOn::Error,
        select: Vec::new(),
        ignore: Vec::new(),
        baseline: None,
        decisions: None,
        redact: args.redact,
    };
    // One moment for the run, the statement and its end.
    let now = global.now();
    let global = &Global { now: Some(now), ..global.clone() };
    let mut notes = Vec::new();
    let (contract, source, data) = super::check::open(&check.from, &mut notes)?;
    let stop = super::signals::stop_flag();
    let mut outputs: Vec<&Path> = vec![&args.output, &args.key];
    outputs.extend(args.bom.as_deref());
    let mut measured = super::pool(global.threads())?.install(|| Measured::of(&data, &outputs, Some(stop)))?;
    measured.count(&source);
    let (verdict, facts) = super::check::checked(global, &check, &contract, &source, data, notes)?;
    if verdict.ordinary_exit == 3 {
        super::complain("nothing was checked, so nothing is signed");
        return Ok(3);
    }
    // What was judged must be what was measured before.
    measured.still()?;
    let expires = args.expires.map(|e| now + e);
    let statement = statement(&measured, &contract, &verdict, &facts, now, expires)?;
    let payload = serde_json::to_vec(&statement).map_err(Error::internal)?;
    let envelope = serde_json::to_string(&Envelope::sign(&payload, &key)?).map_err(Error::internal)? + "\n";
    if let Some(path) = &args.bom {
        let bom = bom::cyclonedx(&measured.name(), &measured.manifest, Some(&statement), now);
        write_or_say(Some(path), "json", &(serde_json::to_string_pretty(&bom).map_err(Error::internal)? + "\n"))?;
    }
    write_or_say(Some(&args.output), "json", &envelope)?;
    let word = outcome(&verdict).word();
    let word = if word == "FAILED" { "FAILED, which `taster verify` will not accept" } else { word };
    let until = expires.map_or("does not expire".to_owned(), |e| format!("expires {}", time(e)));
    let text = format!(
        "{} says {word}\n  {}, root {}\n  {until}; key {}",
        args.output.display(),
        super::manifest::sizes(&measured),
        measured.manifest.root(),
        key.public().id()?
    );
    say(&super::lines(&text))?;
    say("\n")?;
    Ok(verdict.exit)
}
