//! `taster rules`: every rule of the registry, one line each.

use super::say;
use crate::error::{Error, Result};
use crate::rule::Meta;
use std::fmt::Write as _;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// `text` for people, `json` for programs
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Text,
    Json,
}

pub fn run(args: &Args) -> Result<()> {
    let metas = metas();
    match args.format {
        Format::Text => {
            let width = metas.iter().map(|m| m.name.len()).max().unwrap_or(0);
            let mut out = String::new();
            for m in &metas {
                let _ = writeln!(out, "{}  {:width$}  {}", m.code, m.name, m.summary);
            }
            say(&out)
        }
        Format::Json => {
            let list: Vec<_> =
                metas.iter().map(|m| serde_json::json!({"code": m.code, "name": m.name, "summary": m.summary, "ids": m.ids})).collect();
            say(&format!("{}\n", serde_json::to_string_pretty(&list).map_err(Error::internal)?))
        }
    }
}

/// Every rule, in code order. A rule that several entries build is one rule.
pub fn metas() -> Vec<Meta> {
    let mut all: Vec<Meta> = crate::checks::REGISTRY.iter().chain(crate::detectors::REGISTRY).map(|e| e.meta).collect();
    all.extend(crate::supply::REGISTRY);
    all.sort_by_key(|m| m.code);
    all.dedup_by_key(|m| m.code);
    all
}
