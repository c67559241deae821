//! `taster check`: contract and detectors in one run.

use super::{Global, progress::Bar, say, signals};
use crate::check::{Options, check};
use crate::contract::decisions::{self, Decisions};
use crate::contract::{Contract, parse};
use crate::engine::{Progress, Silent};
use crate::error::{ContractError, Diagnostic, Error, Result};
use crate::report::Facts;
use crate::report::terminal::{self, View};
use crate::source::{OpenOptions, Source};
use crate::verdict::Verdict;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// What is looked at, and against which contract.
#[derive(Debug, Args)]
pub struct DataAndContract {
    /// Files, folders or globs; without any, the contract's `data:`
    pub data: Vec<String>,
    /// The contract; without it, one in . or ./contracts whose `data:` covers this dataset
    #[arg(short, long, value_name = "FILE")]
    pub contract: Option<PathBuf>,
    /// Which object of a contract in the Open Data Contract Standard, where it describes several
    #[arg(long, value_name = "NAME", requires = "contract")]
    pub object: Option<String>,
    /// What a contract may read; nothing outside
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

#[derive(Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub from: DataAndContract,
    /// Where report and quarantine list go
    #[arg(long, value_name = "DIR", default_value = "taster-out")]
    pub out: PathBuf,
    /// The quarantine list, its format by suffix: .parquet .arrow .csv .jsonl [default: OUT/quarantine.parquet]
    #[arg(long, value_name = "FILE")]
    pub quarantine: Option<PathBuf>,
    /// What makes the exit code 1
    #[arg(long, value_enum, default_value_t = FailOn::Error, value_name = "LEVEL")]
    pub fail_on: FailOn,
    /// Only these rules: code, prefix or name (`C`, `P110`, `shared-trigger`)
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub select: Vec<String>,
    /// Not these rules
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Only findings that this earlier report.json does not have count towards the exit code
    #[arg(long, value_name = "REPORT")]
    pub baseline: Option<PathBuf>,
    /// What people decided about suspect rows [default: CONTRACT with .decisions.yaml for .yaml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub decisions: Option<PathBuf>,
    /// No cell text in reports
    #[arg(long)]
    pub redact: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    Error,
    Warning,
    Never,
}

pub fn run(global: &Global, args: &CheckArgs) -> Result<u8> {
    let mut notes = Vec::new();
    let (contract, source, data) = open(&args.from, &mut notes).inspect_err(|e| warn_of_files(global, args, e))?;
    Ok(checked(global, args, &contract, &source, data, notes)?.0.exit)
}

/// Data that cannot be read may be so because of what lies among it: that is said all the same.
fn warn_of_files(global: &Global, args: &CheckArgs, e: &Error) {
    if !matches!(e, Error::Data { .. } | Error::Usage { .. }) {
        return;
    }
    let paths: Vec<PathBuf> = args.from.data.iter().map(PathBuf::from).collect();
    let wanted = |m: &crate::rule::Meta| crate::verdict::selected(&args.select, &args.ignore, m.code, m.name);
    let found = crate::supply::scan(&paths, global.threads(), &wanted, signals::stop_flag()).unwrap_or_default();
    let found = found.iter().filter(|(_, o)| o.status == crate::rule::Status::Fail);
    for (meta, outcome) in found.take(20) {
        super::complain(&super::lines(&format!("{} {}: {}", meta.code, meta.name, outcome.message)));
    }
}

/// Runs the check, with a progress bar where somebody is looking, and tells a person about it.
pub fn checked(
    global: &Global,
    args: &CheckArgs,
    contract: &Contract,
    source: &Source,
    data: Vec<String>,
    notes: Vec<String>,
) -> Result<(Verdict, Facts)> {
    let bar = Bar::new();
    let progress: &dyn Progress = if bar.is_shown() && !global.quiet { &bar } else { &Silent };
    let options = Options {
        out: args.out.clone(),
        quarantine: args.quarantine.clone(),
        fail_on: match args.fail_on {
            FailOn::Error => crate::verdict::FailOn::Error,
            FailOn::Warning => crate::verdict::FailOn::Warning,
            FailOn::Never => crate::verdict::FailOn::Never,
        },
        select: args.select.clone(),
        ignore: args.ignore.clone(),
        redact: args.redact,
        baseline: args.baseline.as_deref().map(crate::verdict::baseline::Baseline::load).transpose()?,
        decisions: decisions(args.decisions.as_deref(), contract.path.as_deref())?,
        threads: global.threads(),
        memory: global.memory(),
        seed: global.seed,
        now: global.now(),
        data,
        notes,
        progress,
        stop: signals::stop_flag(),
    };
    if global.verbose {
        super::complain(&format!("{}", Opened { source, contract, options: &options }));
    }
    let result = check(contract, source, &options);
    bar.clear();
    let (verdict, facts) = result?;
    if global.verbose {
        for rule in verdict.rules.iter().filter(|r| r.spent.as_millis() > 0) {
            super::complain(&super::lines(&format!("{:>8.1?} {} {}", rule.spent, rule.meta.code, rule.outcome.title)));
        }
        super::complain(&format!("{:>8.1?} in all", facts.elapsed));
    }
    let view = View { width: super::width(), color: global.stdout_color() };
    // Quiet keeps the one line that a log needs.
    let text = if global.quiet { terminal::verdict_line(&verdict, view) } else { terminal::summary(&verdict, &facts, view) };
    say(&text)?;
    Ok((verdict, facts))
}

/// The decisions that were named, or those that stand beside the contract.
pub(super) fn decisions(named: Option<&Path>, contract: Option<&Path>) -> Result<Option<Decisions>> {
    match named {
        Some(path) => decisions::load(path).map(Some),
        None => decisions::load_if_there(&decisions::beside(contract)),
    }
}

/// What `--verbose` says before the work begins.
struct Opened<'a> {
    source: &'a Source,
    contract: &'a Contract,
    options: &'a Options<'a>,
}

impl std::fmt::Display for Opened<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (s, o) = (self.source, self.options);
        let rows = crate::error::plural(s.rows() as usize, "row");
        writeln!(f, "{} in {} below {}", rows, crate::error::plural(s.files.len(), "file"), super::lines(&s.root.display().to_string()))?;
        let roles = crate::contract::Roles::resolve(self.contract, &s.schema);
        for (name, role) in &roles.columns {
            writeln!(f, "  {} is {}", super::lines(name), role.as_str())?;
        }
        write!(f, "{} threads, {} MB, seed {}", o.threads, o.memory / 1_000_000, o.seed)
    }
}

/// The contract and the data it is about, each found by the other where only one was named.
pub fn open(args: &DataAndContract, notes: &mut Vec<String>) -> Result<(Contract, Source, Vec<String>)> {
    if let Some(path) = &args.contract {
        let contract = Contract { limit: args.root.clone(), ..parse::load_object(path, args.object.as_deref())? };
        if let Some(imported) = &contract.odcs {
            enforceable(&contract, imported, args.object.is_some())?;
            notes.extend(super::convert::summary(imported).lines().map(|l| l.trim_start().to_owned()));
        }
        let data = if args.data.is_empty() { own_data(&contract, args.root.as_deref())? } else { args.data.clone() };
        let source = Source::open(&data, &options_for(&contract))?;
        return Ok((contract, source, data));
    }
    if args.data.is_empty() {
        return Err(Error::usage("neither data nor a contract was named")
            .help("`taster check DATA`, or `taster check -c CONTRACT` for the data that the contract names"));
    }
    if let Some(path) = crate::contract::find::covering(&Source::find(&args.data)?, Path::new("."))? {
        notes.push(format!("contract {} covers this data", path.display()));
        let contract = Contract { limit: args.root.clone(), ..parse::load(&path)? };
        let source = Source::open(&args.data, &options_for(&contract))?;
        return Ok((contract, source, args.data.clone()));
    }
    let source = Source::open(&args.data, &OpenOptions { stop: Some(signals::stop_flag()), ..OpenOptions::default() })?;
    let contract = crate::contract::infer::roles_only(&source, &source.schema)?;
    let roles: Vec<String> =
        contract.columns.iter().filter_map(|c| c.role.as_ref().map(|r| format!("{} is {}", c.name.value, r.value.as_str()))).collect();
    let guessed = if roles.is_empty() { "no roles could be guessed".to_owned() } else { format!("guessed: {}", roles.join(", ")) };
    notes.push(format!("no contract was found; {guessed}; `taster init` writes one"));
    Ok((contract, source, args.data.clone()))
}

/// A quality rule that nobody checks must not look like one that passed, nor may it be left to chance
/// which object the data is.
fn enforceable(contract: &Contract, imported: &crate::contract::odcs::Imported, named: bool) -> Result<()> {
    use crate::contract::odcs::Fate;
    let mut diagnostics: Vec<Diagnostic> = imported
        .told
        .iter()
        .filter(|t| t.fate == Fate::Unsupported)
        .map(|t| {
            let d = Diagnostic::new("C005", format!("the quality rule `{}` is not supported: {}", t.place, t.why)).at(t.span);
            d.help("take it out, or mark it as `type: text`, so that nobody believes it is checked")
        })
        .collect();
    if !named && !imported.others.is_empty() {
        let names: Vec<&str> = std::iter::once(imported.object.as_str()).chain(imported.others.iter().map(String::as_str)).collect();
        diagnostics.push(
            Diagnostic::new("C008", "the contract describes several objects")
                .help(format!("name one of {} with --object", names.join(", "))),
        );
    }
    if diagnostics.is_empty() {
        return Ok(());
    }
    let path = contract.path.clone().unwrap_or_default();
    Err(Error::Contract(Box::new(ContractError { path, text: contract.text.clone(), diagnostics })))
}

/// The contract's `data:`, relative to its folder, and only what it may read.
pub(super) fn own_data(contract: &Contract, limit: Option<&Path>) -> Result<Vec<String>> {
    if contract.data.is_empty() {
        return Err(Error::usage("no data was named, neither here nor in the contract").help("name files or folders, or add `data:`"));
    }
    let folder = contract.folder();
    let paths: Vec<String> = contract.data.iter().map(|d| folder.join(&d.value).to_string_lossy().into_owned()).collect();
    let found = Source::find(&paths)?;
    for file in found {
        if !crate::contract::find::inside_roots(contract, limit, &file) {
            return Err(Error::usage(format!("the contract may not read {}: it lies outside its roots", file.display()))
                .help("name the data on the command line, or widen `roots:` (never beyond --root)"));
        }
    }
    Ok(paths)
}

/// How the contract says that text files are to be read.
pub(super) fn options_for(contract: &Contract) -> OpenOptions {
    let declared = contract.columns.iter().filter_map(|c| {
        let type_ = match &c.type_.as_ref()?.value {
            crate::contract::LogicalType::Integer => arrow::datatypes::DataType::Int64,
            crate::contract::LogicalType::Exact(t) => t.clone(),
        };
        Some((c.name.value.clone(), type_))
    });
    OpenOptions { format: contract.format.clone(), declared: declared.collect(), stop: Some(signals::stop_flag()) }
}
