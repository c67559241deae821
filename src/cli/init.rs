//! `taster init`: a first contract, from the data, to stdout or a file.

use super::say;
use crate::checks::distribution_drift::comparable;
use crate::contract::infer::{self, About};
use crate::error::{Error, Result};
use crate::source::{OpenOptions, Source};
use crate::stats::drift::Statistic;
use std::path::{Component, Path, PathBuf};

/// Population stability index that is acted upon by custom (0.1 is watched), nats.
const DRIFT: f64 = 0.2;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, folders or globs
    #[arg(required = true, value_name = "DATA")]
    pub data: Vec<String>,
    /// Where to write the contract; stdout without it
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Also write a profile of the data there, and a rule that holds later data against it
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Replace the files if they are there
    #[arg(long)]
    pub force: bool,
}

pub fn run(args: &Args, threads: usize) -> Result<()> {
    if args.output.is_some() && args.output == args.profile {
        return Err(Error::usage("the contract and the profile cannot be one file").help("give --profile another name"));
    }
    if let Some(file) = [&args.output, &args.profile].into_iter().flatten().find(|f| f.exists() && !args.force) {
        return Err(Error::usage(format!("{} is already there", file.display())).help("choose another name, or replace it with --force"));
    }
    let source = Source::open(&args.data, &OpenOptions { stop: Some(super::signals::stop_flag()), ..OpenOptions::default() })?;
    if source.rows() == 0 {
        return Err(Error::data(&source.root, "has no rows: there is nothing to learn a contract from"));
    }
    let folder = args.output.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
    let data: Vec<String> = args.data.iter().map(|d| relative(folder, d)).collect();
    let baseline = args.profile.as_deref().map(|p| relative(folder, &p.to_string_lossy()));
    let read: Vec<String> = data.iter().chain(&baseline).cloned().collect();
    let about = About { name: name(&args.data), roots: roots(&read), data };
    let pool = super::pool(threads)?;
    let mut profile = None;
    let drift = |role: &infer::RoleOf<'_>| {
        let Some(baseline) = baseline.clone() else { return Ok(None) };
        let learned = profile.insert(crate::profile::learn(&source, &source.schema)?);
        let columns = comparable(&learned.columns, Statistic::Psi, DRIFT, role);
        if columns.is_empty() {
            super::complain(
                "no column is a number, boolean or category with rows enough to tell drift from chance: the contract gets no rule on it\n",
            );
            return Ok(None);
        }
        Ok(Some(infer::Drift { baseline, columns, max: DRIFT }))
    };
    let text = pool.install(|| infer::contract(&source, &source.schema, &about, drift))?;
    // What is written must be readable; if it is not, that is a mistake of this program.
    crate::contract::parse::parse(None, &text)
        .map_err(|e| Error::internal(format!("the contract made from the data cannot be read: {e}")))?;
    // The profile first: a contract that is there never names a baseline that is not.
    if let (Some(file), Some(profile)) = (&args.profile, profile) {
        write(file, &profile.text()?)?;
    }
    match &args.output {
        None => say(&text),
        Some(file) => write(file, &text),
    }
}

/// Whole or not at all.
pub fn write(file: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    let failed = |e: std::io::Error| Error::resource(format!("cannot write {}", file.display()), e);
    let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // A contract is for colleagues to read; temporary files are for their owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
    let mut temporary = builder.prefix(".taster-").tempfile_in(folder).map_err(failed)?;
    temporary.write_all(text.as_bytes()).and_then(|()| temporary.as_file().sync_all()).map_err(failed)?;
    temporary.persist(file).map_err(|e| failed(e.error))?;
    Ok(())
}

/// The dataset's name: its file or folder without suffix and glob.
fn name(data: &[String]) -> String {
    let last = data.first().map_or("", |d| d.trim_end_matches('/').rsplit('/').next().unwrap_or(""));
    let stem = last.split(['.', '*', '?', '[']).next().unwrap_or("").trim_matches(['-', '_']);
    if stem.is_empty() { "dataset".into() } else { stem.into() }
}

/// A path as seen from the contract's folder. Absolute paths stay; a folder that cannot be told
/// apart from a link or a missing one gives an absolute path as well.
fn relative(folder: &Path, data: &str) -> String {
    if folder.as_os_str().is_empty() || folder == Path::new(".") || Path::new(data).is_absolute() {
        return data.to_owned();
    }
    let (Ok(from), Ok(here)) = (folder.canonicalize(), std::env::current_dir().and_then(|d| d.canonicalize())) else {
        return data.to_owned();
    };
    let target = here.join(data);
    let mut plain = PathBuf::new();
    for part in target.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    let shared = from.components().zip(plain.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(shared).map(|_| "..".to_owned());
    let down = plain.components().skip(shared).map(|c| c.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// The folders of data that lies outside the contract's own: a contract must say that it reads them.
fn roots(data: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for path in data.iter().filter(|d| d.starts_with("..") || Path::new(d).is_absolute()) {
        // The part before a glob, without the file itself.
        let plain = path.find(['*', '?', '[', '{']).map_or(path.as_str(), |glob| &path[..glob]);
        let folder = plain.rsplit_once('/').map_or("..", |(folder, _)| folder);
        let folder = if folder.is_empty() { "/" } else { folder };
        if !out.iter().any(|o| o == folder) {
            out.push(folder.to_owned());
        }
    }
    // Data inside the contract's folder stays readable beside the others.
    if !out.is_empty() && data.iter().any(|d| !d.starts_with("..") && !Path::new(d).is_absolute()) {
        out.insert(0, ".".into());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_file_without_suffix_and_glob() {
        assert_eq!(name(&["data/reviews-*.parquet".into()]), "reviews");
        assert_eq!(name(&["data/x/".into()]), "x");
        assert_eq!(name(&["*.csv".into()]), "dataset");
    }

    #[test]
    fn data_outside_the_contracts_folder_needs_a_root() {
        let roots = |data: &[&str]| super::roots(&data.iter().map(|d| (*d).to_owned()).collect::<Vec<_>>());
        assert_eq!(roots(&["a.csv", "data/*.csv"]), Vec::<String>::new());
        assert_eq!(roots(&["../data/a.csv", "../data/b-*.csv", "c.csv"]), [".", "../data"]);
        assert_eq!(roots(&["/abs/a.csv", "/a.csv"]), ["/abs", "/"]);
    }

    #[test]
    fn data_is_named_as_seen_from_the_contract() {
        assert_eq!(relative(Path::new(""), "data/a.csv"), "data/a.csv");
        assert_eq!(relative(Path::new("src"), "data/a.csv"), "../data/a.csv");
        assert_eq!(relative(Path::new("src"), "src/./a*.csv"), "a*.csv");
        assert_eq!(relative(Path::new("src"), "/abs/a.csv"), "/abs/a.csv");
    }
}
