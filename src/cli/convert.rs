//! `taster convert`: a contract to the Open Data Contract Standard, and a document of the standard to a
//! contract; which way is seen from what the file is.

use super::{Global, say};
use crate::contract::odcs::{Fate, Imported, to_contract};
use crate::contract::{odcs_export, parse};
use crate::error::{Error, Result, plural};
use crate::report::escape;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A contract, or a document of the Open Data Contract Standard (`kind: DataContract`)
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Where to write; stdout without it
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the output if it is there
    #[arg(long, requires = "output")]
    pub force: bool,
    /// Which object of the document, where it describes several [default: the first]
    #[arg(long, value_name = "NAME")]
    pub object: Option<String>,
}

pub fn run(global: &Global, args: &Args) -> Result<()> {
    if let Some(file) = args.output.as_deref().filter(|f| f.exists() && !args.force) {
        return Err(Error::usage(format!("{} is already there", file.display())).help("choose another name, or replace it with --force"));
    }
    let contract = parse::load_object(&args.file, args.object.as_deref())?;
    let text = match &contract.odcs {
        Some(imported) => {
            if !global.quiet {
                super::complain(&summary(imported));
            }
            to_contract(&contract.text, args.object.as_deref())?
        }
        None if args.object.is_some() => return Err(Error::usage("--object is about documents of the standard, and this is a contract")),
        None => odcs_export::export(&contract)?,
    };
    match &args.output {
        None => say(&text),
        Some(file) => super::init::write(file, &text),
    }
}

/// What became of every quality rule, and what was left out.
pub fn summary(imported: &Imported) -> String {
    let count = |fate| imported.told.iter().filter(|t| t.fate == fate).count();
    let mut out = format!(
        "{} in the document: {} enforced, {} documentation only, {} unsupported\n",
        plural(imported.told.len(), "quality rule"),
        count(Fate::Enforced),
        count(Fate::Documentation),
        count(Fate::Unsupported)
    );
    for t in &imported.told {
        let fate = match t.fate {
            Fate::Enforced => "enforced",
            Fate::Documentation => "documentation only",
            Fate::Unsupported => "unsupported",
        };
        let why = if t.why.is_empty() { String::new() } else { format!(": {}", escape::terminal(&t.why)) };
        out.push_str(&format!("  line {}: {}: {fate}{why}\n", t.span.line, escape::terminal(&t.place)));
    }
    if !imported.others.is_empty() {
        let names: Vec<String> = imported.others.iter().map(|o| format!("`{}`", escape::terminal(o))).collect();
        out.push_str(&format!(
            "  read the object `{}`; not {}: name one with --object\n",
            escape::terminal(&imported.object),
            names.join(", ")
        ));
    }
    out
}
