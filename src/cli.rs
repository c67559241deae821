//! The command line: flags shared by all verbs here, one file per verb. Results go to stdout,
//! everything else to stderr.

mod attest;
mod check;
mod completions;
mod convert;
mod diff;
mod drill;
mod explain;
mod init;
mod key;
mod manifest;
mod profile;
mod progress;
mod review;
mod rules;
mod schema;
mod signals;
mod split;
mod verify;

use crate::error::{Error, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "taster", version, about = "Tastes a training set before the model does.", propagate_version = true)]
#[command(after_help = "Exit codes: 0 pass, 1 findings, 2 could not complete, 3 nothing was checked.")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    verb: Verb,
}

/// Flags of every verb.
#[derive(Args, Clone)]
pub struct Global {
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// No progress and no warnings; results still go to stdout
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Also say what is going on
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Worker threads [default: all cores]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Memory to stay within, such as 2GB [default: half of the machine's]
    #[arg(long, global = true, value_name = "SIZE", value_parser = parse_size)]
    pub memory: Option<u64>,
    /// Folder for spill files [default: the system's]
    #[arg(long, global = true, value_name = "DIR")]
    pub tmp: Option<PathBuf>,
    /// Seed of folds and samples
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// The time that `expires` is compared with, such as 2026-11-23 or 2026-11-23T10:00:00Z [default: the clock]
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_time)]
    pub now: Option<chrono::DateTime<chrono::Utc>>,
}

#[derive(Subcommand)]
enum Verb {
    /// Check data against its contract and search it for poison
    Check(check::CheckArgs),
    /// Plant known triggers as the data streams by, and report how many rows are recovered
    Drill(drill::Args),
    /// Write a first contract from the data
    Init(init::Args),
    /// Walk through the suspect groups of a finished check, and decide which rows stay
    Review(review::Args),
    /// Divide data into clean and quarantined copies, and prove that no row was lost
    Split(split::Args),
    /// List every file with its digest, and compare such a list with what is there
    #[command(subcommand)]
    Manifest(manifest::Verb),
    /// Make a key pair that signs statements
    Key(key::Args),
    /// Check data, and sign a statement that exactly these bytes were judged by exactly this contract
    Attest(attest::Args),
    /// Demand such a statement before training: exit 0 only for these bytes, this contract, this key
    Verify(verify::Args),
    /// Compare two contracts: tightened, loosened, renamed; exit 1 on a loosening or breaking change
    Diff(diff::Args),
    /// Write what later data is compared with
    Profile(profile::Args),
    /// Turn a contract into the Open Data Contract Standard, or a document of it into a contract
    Convert(convert::Args),
    /// Print the manual page of one rule
    Explain(explain::Args),
    /// List all rules
    Rules(rules::Args),
    /// Print the JSON Schema of a contract
    Schema,
    /// Print the script that completes verbs and flags in a shell
    Completions(completions::Args),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    Auto,
    Always,
    Never,
}

impl Global {
    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.now.unwrap_or_else(chrono::Utc::now)
    }
    pub fn threads(&self) -> usize {
        self.threads.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
    }
    pub fn memory(&self) -> u64 {
        self.memory.unwrap_or_else(|| machine_memory().map_or(4 << 30, |m| m / 2))
    }
    /// Whether what goes to stdout is coloured.
    pub fn stdout_color(&self) -> bool {
        self.wants_color(std::io::stdout().is_terminal())
    }
    pub fn stderr_color(&self) -> bool {
        self.wants_color(std::io::stderr().is_terminal())
    }
    fn wants_color(&self, terminal: bool) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        }
    }
}

/// Physical memory in bytes, where the system says (Linux; bounded by a control group's limit).
fn machine_memory() -> Option<u64> {
    let total = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib: u64 = total.lines().find(|l| l.starts_with("MemTotal:"))?.split_ascii_whitespace().nth(1)?.parse().ok()?;
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|s| s.trim().parse::<u64>().ok());
    Some(limit.unwrap_or(u64::MAX).min(kib * 1024))
}

fn parse_size(text: &str) -> std::result::Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "kib" => 1 << 10,
        "m" | "mb" => 1_000_000,
        "mib" => 1 << 20,
        "g" | "gb" => 1_000_000_000,
        "gib" => 1 << 30,
        "t" | "tb" => 1_000_000_000_000,
        "tib" => 1 << 40,
        _ => return Err("write a number and a unit, such as 2GB or 512MiB".into()),
    };
    let number: f64 = number.parse().map_err(|_| "write a number and a unit, such as 2GB or 512MiB".to_owned())?;
    let bytes = number * scale as f64;
    if !(64e6..1e18).contains(&bytes) {
        return Err("at least 64MB are needed".into());
    }
    Ok(bytes as u64)
}

fn parse_time(text: &str) -> std::result::Result<chrono::DateTime<chrono::Utc>, String> {
    if let Ok(time) = chrono::DateTime::parse_from_rfc3339(text) {
        return Ok(time.to_utc());
    }
    chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .and_then(|d| d.and_hms_opt(0, 0, 0))
        .map(|t| t.and_utc())
        .ok_or_else(|| "write 2026-11-23 or 2026-11-23T10:00:00Z".into())
}

pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let code = if e.use_stderr() { 2 } else { 0 };
            // Nobody is left to tell when the terminal is gone.
            let _ = e.print();
            return ExitCode::from(code);
        }
    };
    let global = cli.global.clone();
    // Before any file is opened: an interruption always ends as "could not complete".
    signals::stop_flag();
    // A panic is a bug of ours; it must still end as "could not complete", never as a pass.
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(cli)));
    match ran.unwrap_or_else(|_| Err(Error::internal("a part of the program panicked; the message above says where"))) {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            complain(&describe(&e, global.stderr_color()));
            ExitCode::from(2)
        }
    }
}

/// A pool of as many threads as were asked for.
fn pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|e| Error::resource("threads", e))
}

/// A file that appears whole or not at all; without a path, stdout.
fn write_or_say(path: Option<&std::path::Path>, format: &'static str, text: &str) -> Result<()> {
    let Some(path) = path else { return say(text) };
    let mut file = crate::quarantine::AtomicFile::create(path, false)?;
    file.write_all(text.as_bytes()).map_err(|e| crate::quarantine::io_error(&format!("writing {}", path.display()), &e))?;
    file.finish(format, 1)?.commit().map(drop)
}

/// Prints a result. A reader that went away (`| head`) is no error; any other failure is.
pub fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::resource("stdout", e)),
        _ => Ok(()),
    }
}

/// Prints to stderr; when even that is gone nobody is left to tell.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}

/// Columns of the terminal, 100 where there is none.
fn width() -> usize {
    terminal_size::terminal_size().map_or(100, |(w, _)| usize::from(w.0))
}

fn run(cli: Cli) -> Result<u8> {
    if let Some(folder) = &cli.global.tmp {
        if !folder.is_dir() {
            return Err(Error::usage(format!("--tmp {}: there is no such folder", folder.display())));
        }
        // The first caller decides, and this is the first.
        let _ = tempfile::env::override_temp_dir(folder);
    }
    match cli.verb {
        Verb::Check(args) => return check::run(&cli.global, &args),
        Verb::Convert(args) => convert::run(&cli.global, &args),
        Verb::Diff(args) => return diff::run(&cli.global, &args),
        Verb::Manifest(verb) => return manifest::run(&cli.global, &verb),
        Verb::Key(args) => key::run(&args),
        Verb::Attest(args) => return attest::run(&cli.global, &args),
        Verb::Verify(args) => return verify::run(&cli.global, &args),
        Verb::Review(args) => return review::run(&cli.global, &args),
        Verb::Split(args) => split::run(&cli.global, &args),
        Verb::Drill(args) => return drill::run(&cli.global, &args),
        Verb::Init(args) => init::run(&args, cli.global.threads()),
        Verb::Profile(args) => profile::run(&args, cli.global.threads()),
        Verb::Explain(args) => explain::run(&args),
        Verb::Rules(args) => rules::run(&args),
        Verb::Schema => schema::run(),
        Verb::Completions(args) => completions::run(&args),
    }
    .map(|()| 0)
}

/// An error as a person reads it: what is wrong, where, what would satisfy it.
fn describe(error: &Error, color: bool) -> String {
    if let Error::Contract(e) = error {
        return crate::contract::render::render(e, color);
    }
    let help = match error {
        Error::Usage { help, .. } | Error::Data { help, .. } | Error::Resource { help, .. } => help.as_deref(),
        _ => None,
    };
    let (bold, end) = if color { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
    let mut text = format!("{bold}error{end}: {}", lines(&error.to_string()));
    if let Some(help) = help {
        text.push_str(&format!("\n  = help: {}", lines(help)));
    }
    text
}

/// Escaped line by line: our own messages may have several lines, what they quote may not.
fn lines(text: &str) -> String {
    text.lines().map(crate::report::escape::terminal).collect::<Vec<_>>().join("\n")
}
