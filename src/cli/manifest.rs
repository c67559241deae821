//! `taster manifest`: what a dataset's files are, and whether they still are that.

use super::{Global, say, write_or_say};
use crate::error::{Error, Result, group_digits, plural};
use crate::source::{OpenOptions, Source};
use crate::supply::bom;
use crate::supply::dsse::Envelope;
use crate::supply::key::{Private, Public};
use crate::supply::manifest::{Difference, Entry, Measured, Promised, Truth, compare};
use clap::{Args, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub enum Verb {
    /// List every file below the paths with its size, rows and SHA-256, and one digest of all
    Create(Create),
    /// Compare the files with a manifest, a sha256sum list, Croissant metadata, or pointers of Git-LFS or DVC
    Verify(Verify),
    /// Compare two manifests: replaced, renamed, missing and added files
    Diff(Diff),
}

#[derive(Args)]
pub struct Create {
    /// Files, folders or globs
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// Where it goes [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What it looks like
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub format: Format,
    /// Sign it with this private key, in the form of OpenSSF model-signing
    #[arg(long, value_name = "NAME.pem")]
    pub key: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// An in-toto statement as OpenSSF model-signing has it
    Json,
    /// A list for `sha256sum --check`
    Sha256sum,
    /// Croissant metadata
    Croissant,
    /// A CycloneDX bill of materials
    Cyclonedx,
}

#[derive(Args)]
pub struct Verify {
    /// Files, folders or globs
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// What the files ought to be
    #[arg(short, long, value_name = "FILE")]
    pub manifest: PathBuf,
    /// The manifest must be signed by this public key
    #[arg(long, value_name = "NAME.pub.pem")]
    pub key: Option<PathBuf>,
    /// Files that the manifest does not name are a difference too
    #[arg(long)]
    pub exact: bool,
    /// Files of the manifest may be missing
    #[arg(long)]
    pub subset: bool,
}

#[derive(Args)]
pub struct Diff {
    /// The older one
    pub old: PathBuf,
    /// The newer one
    pub new: PathBuf,
}

/// Differences that are printed; a replaced dataset has millions.
const SHOWN: usize = 1000;

pub fn run(global: &Global, verb: &Verb) -> Result<u8> {
    super::pool(global.threads())?.install(|| match verb {
        Verb::Create(args) => create(global, args).map(|()| 0),
        Verb::Verify(args) => verify(global, args),
        Verb::Diff(args) => diff(global, args),
    })
}

fn create(global: &Global, args: &Create) -> Result<()> {
    if args.key.is_some() && args.format != Format::Json {
        return Err(Error::usage("only the JSON form can be signed").help("leave --format out"));
    }
    let key = args.key.as_deref().map(private).transpose()?;
    let stop = super::signals::stop_flag();
    let apart: Vec<&Path> = args.output.iter().map(PathBuf::as_path).collect();
    let mut measured = Measured::of(&args.data, &apart, Some(stop))?;
    match Source::open(&args.data, &OpenOptions { stop: Some(stop), ..OpenOptions::default() }) {
        Ok(source) => measured.count(&source),
        Err(Error::Interrupted) => return Err(Error::Interrupted),
        Err(e) if !global.quiet => super::complain(&format!("warning: rows are not counted: {}", super::lines(&e.to_string()))),
        Err(_) => {}
    }
    measured.still()?;
    let name = measured.name();
    let pretty = |v: &serde_json::Value| serde_json::to_string_pretty(v).map(|t| t + "\n").map_err(Error::internal);
    let text = match args.format {
        Format::Sha256sum => measured.manifest.sums(),
        Format::Croissant => pretty(&bom::croissant(&name, &measured.manifest))?,
        Format::Cyclonedx => pretty(&bom::cyclonedx(&name, &measured.manifest, None, global.now()))?,
        Format::Json => {
            let statement = measured.manifest.statement(&name);
            match &key {
                None => pretty(&statement)?,
                Some(key) => {
                    let payload = serde_json::to_vec(&statement).map_err(Error::internal)?;
                    pretty(&Envelope::sign(&payload, key)?.bundle(&key.public())?)?
                }
            }
        }
    };
    write_or_say(args.output.as_deref(), "json", &text)?;
    if args.output.is_some() && !global.quiet {
        super::complain(&super::lines(&format!("{}\nroot {}", sizes(&measured), measured.manifest.root())));
    }
    Ok(())
}

/// A private key; that others can read it is worth a word.
pub(super) fn private(path: &Path) -> Result<Private> {
    let key = Private::load(path)?;
    if crate::supply::key::is_exposed(path) {
        super::complain(&super::lines(&format!("warning: {} can be read by others; chmod 600 it", path.display())));
    }
    Ok(key)
}

pub(super) fn sizes(m: &Measured) -> String {
    let rows = m.manifest.rows().map_or(String::new(), |r| format!(", {}", plural(r as usize, "row")));
    format!("{}, {} bytes{rows}", plural(m.manifest.entries.len(), "file"), group_digits(m.manifest.bytes()))
}

fn verify(global: &Global, args: &Verify) -> Result<u8> {
    let key = args.key.as_deref().map(Public::load).transpose()?;
    let truth = Truth::load(&args.manifest, key.as_ref())?;
    let apart: Vec<&Path> = [Some(args.manifest.as_path()), args.key.as_deref()].into_iter().flatten().collect();
    let mut measured = Measured::of(&args.data, &apart, Some(super::signals::stop_flag()))?;
    if truth.lines.iter().any(|l| l.rows.is_some())
        && let Ok(source) = Source::open(&args.data, &OpenOptions::default())
    {
        // Only says how a changed file differs.
        measured.count(&source);
    }
    let all = compare(&truth.lines, &measured.manifest.entries, &|e: &Entry| measured.md5(e))?;
    let (mut found, mut tolerated): (Vec<Difference>, Vec<Difference>) = (Vec::new(), Vec::new());
    for difference in all {
        let passes = match &difference {
            Difference::Extra { .. } => !args.exact,
            Difference::Missing { .. } => args.subset,
            Difference::Changed { .. } | Difference::Renamed { .. } => false,
        };
        if passes { tolerated.push(difference) } else { found.push(difference) }
    }
    let weak = truth.lines.iter().any(|l| matches!(l.digest, Promised::Md5(_)));
    if !global.quiet {
        if weak {
            super::complain("warning: MD5 holds against accidents, not against whoever prepared the files");
        }
        if truth.unnamed > 0 {
            super::complain(&format!("warning: {} named there without a digest", plural(truth.unnamed, "file")));
        }
        for difference in tolerated.iter().take(SHOWN) {
            super::complain(&super::lines(&format!("warning: {difference}")));
        }
    }
    let signed = if key.is_some() { ", signed by this key" } else { "" };
    if found.is_empty() {
        let missing = tolerated.iter().filter(|d| matches!(d, Difference::Missing { .. })).count();
        let verified = truth.lines.len() - missing;
        say(&format!("{} of {}{signed}: unchanged\n", plural(verified, "file"), truth.kind))?;
        return Ok(if verified == 0 { 3 } else { 0 });
    }
    listed(&found)?;
    say(&format!("{} from {}{signed}\n", plural(found.len(), "difference"), truth.kind))?;
    Ok(1)
}

fn listed(found: &[Difference]) -> Result<()> {
    let mut text = String::new();
    for difference in found.iter().take(SHOWN) {
        text.push_str(&super::lines(&difference.to_string()));
        text.push('\n');
    }
    if found.len() > SHOWN {
        text.push_str(&format!("and {} more\n", group_digits((found.len() - SHOWN) as u64)));
    }
    say(&text)
}

fn diff(global: &Global, args: &Diff) -> Result<u8> {
    let (old, new) = (Truth::load(&args.old, None)?, Truth::load(&args.new, None)?);
    let entries: Option<Vec<Entry>> = new
        .lines
        .iter()
        .map(|l| match (&l.path, l.digest) {
            (Some(path), Promised::Sha256(sha256)) => Some(Entry { path: path.clone(), bytes: l.bytes.unwrap_or(0), sha256, rows: l.rows }),
            _ => None,
        })
        .collect();
    let entries =
        entries.ok_or_else(|| Error::data(&args.new, "has no SHA-256 of every file").help("compare two manifests or sha256sum lists"))?;
    // A list without sizes says nothing about them.
    let sized = new.lines.iter().all(|l| l.bytes.is_some());
    let lines: Vec<_> = old.lines.into_iter().map(|l| crate::supply::manifest::Line { bytes: l.bytes.filter(|_| sized), ..l }).collect();
    let found = compare(&lines, &entries, &|_| Err(Error::data(&args.old, "has MD5 digests only, which cannot be compared with SHA-256")))?;
    listed(&found)?;
    if !global.quiet {
        say(&format!("{}\n", plural(found.len(), "difference")))?;
    }
    Ok(u8::from(!found.is_empty()))
}
