//! `taster verify`: the gate before training.

use super::{Global, say};
use crate::contract::parse;
use crate::error::Result;
use crate::supply::attest::{Demands, Outcome, load, open};
use crate::supply::key::Public;
use crate::supply::manifest::Measured;
use clap::Args as ClapArgs;
use std::path::PathBuf;

#[derive(ClapArgs)]
pub struct Args {
    /// Files, folders or globs, as they were attested; without any, the contract's `data:`
    #[arg(value_name = "DATA")]
    pub data: Vec<String>,
    /// The contract that the data must have passed
    #[arg(short, long, value_name = "FILE")]
    pub contract: PathBuf,
    /// What `taster attest` wrote
    #[arg(long, value_name = "STATEMENT")]
    pub attestation: PathBuf,
    /// The public key of whoever may attest
    #[arg(long, value_name = "NAME.pub.pem")]
    pub key: PathBuf,
    /// `warning` demands a verdict without warnings
    #[arg(long, value_enum, default_value_t = Worst::Error, value_name = "LEVEL")]
    pub fail_on: Worst,
    /// No statement of an older taster than this
    #[arg(long, value_name = "VERSION", value_parser = known_version)]
    pub at_least: Option<String>,
    /// No kind of poison may need more rows than this to be seen
    #[arg(long, value_name = "ROWS")]
    pub floor: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Worst {
    Error,
    Warning,
}

fn known_version(text: &str) -> std::result::Result<String, String> {
    let parts = text.split('.').filter(|p| p.parse::<u64>().is_ok()).count();
    if parts == 3 && text.split('.').count() == 3 { Ok(text.to_owned()) } else { Err("write three numbers, such as 0.1.0".into()) }
}

pub fn run(global: &Global, args: &Args) -> Result<u8> {
    let key = Public::load(&args.key)?;
    let contract = parse::load(&args.contract)?;
    let envelope = load(&args.attestation)?;
    let statement = match open(&envelope, &key) {
        Ok(statement) => statement,
        Err(why) => return refused(&[format!("{}: {why}", args.attestation.display())]),
    };
    let worst = if args.fail_on == Worst::Warning { Outcome::Passed } else { Outcome::Warned };
    let demands = Demands { now: global.now(), worst, at_least: args.at_least.clone(), floor: args.floor };
    let mut faults = statement.faults(&contract.digest, &demands);
    let data = if args.data.is_empty() { super::check::own_data(&contract, None)? } else { args.data.clone() };
    // Reading the data costs most; what is refused anyway need not be read.
    if faults.is_empty() {
        let stop = super::signals::stop_flag();
        let measured = super::pool(global.threads())?.install(|| Measured::of(&data, &[&args.attestation, &args.key], Some(stop)))?;
        let differences = statement.differences(&measured.manifest)?;
        faults.extend(differences.iter().map(|d| format!("the data is not what was attested: {d}")));
        measured.still()?;
        if faults.is_empty() {
            let own = &statement.predicate.taster;
            let result = statement.predicate.result.word();
            let text = format!(
                "verified: {result} on {} by taster {}\n  {}, root {}\n  {}; key {}",
                own.created,
                own.version,
                super::manifest::sizes(&measured),
                measured.manifest.root(),
                own.expires.as_ref().map_or("does not expire".to_owned(), |e| format!("expires {e}")),
                key.id()?
            );
            if !global.quiet {
                say(&super::lines(&text))?;
                say("\n")?;
            }
            return Ok(0);
        }
    }
    refused(&faults)
}

/// Why not, each reason on a line.
fn refused(faults: &[String]) -> Result<u8> {
    const SHOWN: usize = 100;
    let mut text = String::from("not verified\n");
    for fault in faults.iter().take(SHOWN) {
        text.push_str(&format!("  {}\n", crate::report::escape::terminal(fault)));
    }
    if faults.len() > SHOWN {
        text.push_str(&format!("  and {} more reasons\n", faults.len() - SHOWN));
    }
    say(&text)?;
    Ok(1)
}
