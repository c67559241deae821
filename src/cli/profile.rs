//! `taster profile`: a baseline file from data, or from other profiles.

use super::{init::write, say};
use crate::error::{Error, Result};
use crate::profile::{Profile, learn};
use crate::source::{OpenOptions, Source};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, folders or globs; with --merge, profiles
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// Where to write the profile; stdout without it
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// A contract that says how the data is to be read: types of text columns, format
    #[arg(short, long, value_name = "FILE", conflicts_with = "merge")]
    pub contract: Option<PathBuf>,
    /// DATA are profiles of parts; write that of the whole
    #[arg(long)]
    pub merge: bool,
    /// Replace FILE if it is there
    #[arg(long, requires = "output")]
    pub force: bool,
}

pub fn run(args: &Args, threads: usize) -> Result<()> {
    if let Some(file) = args.output.as_deref().filter(|f| f.exists() && !args.force) {
        return Err(Error::usage(format!("{} is already there", file.display())).help("choose another name, or replace it with --force"));
    }
    let profile = if args.merge { merged(&args.data)? } else { learned(args, threads)? };
    let text = profile.text()?;
    match &args.output {
        None => say(&text),
        Some(file) => write(file, &text),
    }
}

fn learned(args: &Args, threads: usize) -> Result<Profile> {
    let options = match &args.contract {
        Some(path) => super::check::options_for(&crate::contract::parse::load(path)?),
        None => OpenOptions { stop: Some(super::signals::stop_flag()), ..OpenOptions::default() },
    };
    let source = Source::open(&args.data, &options)?;
    if source.rows() == 0 {
        return Err(Error::data(&source.root, "has no rows: nothing could be compared with it"));
    }
    let pool = super::pool(threads)?;
    pool.install(|| learn(&source, &source.schema))
}

fn merged(paths: &[String]) -> Result<Profile> {
    for (i, path) in paths.iter().enumerate() {
        let same = |o: &String| {
            o == path || Path::new(o).canonicalize().ok().is_some_and(|o| Path::new(path).canonicalize().is_ok_and(|p| p == o))
        };
        if paths[..i].iter().any(same) {
            return Err(Error::usage(format!("{path} is named twice")).help("its rows would count twice"));
        }
    }
    let mut all: Option<Profile> = None;
    for path in paths {
        let path = Path::new(path);
        let next = Profile::load(path)?;
        match &mut all {
            None => all = Some(next),
            Some(all) => all.merge(next).map_err(|why| Error::data(path, format!("does not go with the profiles before it: {why}")))?,
        }
    }
    all.ok_or_else(|| Error::usage("no profile was named"))
}
