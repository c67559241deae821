//! `taster review`: a person walks through the suspect groups of a finished run and decides. Plain lines in
//! and out, so that it works over any connection; what it asks can also be said by flags.

use super::{Global, complain, say, signals};
use crate::contract::decisions::{self, Decision, Decisions};
use crate::contract::{Contract, Roles, parse};
use crate::error::{Error, Result, group_digits, plural};
use crate::report::terminal::View;
use crate::review::page;
use crate::review::session::{Run, list_of, report};
use crate::source::{OpenOptions, Source};
use clap::Args as ClapArgs;
use std::io::{BufRead, IsTerminal, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

#[derive(ClapArgs)]
#[command(after_help = "Exit codes: 0 every group is decided, 1 some are not, 2 could not complete.")]
pub struct Args {
    /// Files, folders or globs: what was checked, by the same paths [default: what the report says]
    #[arg(value_name = "DATA")]
    pub data: Vec<String>,
    /// The folder with the report of a finished `taster check`
    #[arg(long, value_name = "DIR", default_value = "taster-out")]
    pub from: PathBuf,
    /// The quarantine list of that run [default: what the report says]
    #[arg(long, value_name = "FILE")]
    pub quarantine: Option<PathBuf>,
    /// The contract [default: what the report says]
    #[arg(short, long, value_name = "FILE")]
    pub contract: Option<PathBuf>,
    /// Where decisions are written [default: CONTRACT with .decisions.yaml for .yaml]
    #[arg(long, value_name = "FILE")]
    pub decisions: Option<PathBuf>,
    /// List the groups and what is decided about them, and ask nothing
    #[arg(long, conflicts_with_all = ["group", "keep", "remove"])]
    pub list: bool,
    /// One group: its number in the list, or what its rows share. Shown, or decided by --keep or --remove
    #[arg(long, value_name = "GROUP")]
    pub group: Option<String>,
    /// With --group: the rows are honest, and are not accused for this again
    #[arg(long, requires = "group", conflicts_with = "remove")]
    pub keep: bool,
    /// With --group: the rows do not belong, and are quarantined whatever the rules say
    #[arg(long, requires = "group")]
    pub remove: bool,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Who decides [default: the user's name on this machine]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Rows shown of each group
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub examples: u16,
    /// Also ask about groups that are decided already
    #[arg(long)]
    pub all: bool,
    /// Show no cell text, and write none into the decisions
    #[arg(long)]
    pub redact: bool,
}

pub fn run(global: &Global, args: &Args) -> Result<u8> {
    let stop = signals::stop_flag();
    let report = report(&args.from)?;
    let told = |v: &serde_json::Value| v.as_str().map(PathBuf::from);
    let contract = match args.contract.clone().or_else(|| told(&report["contract"]["path"])) {
        Some(path) => Some(parse::load(&path)?),
        None => None,
    };
    let data: Vec<String> = if args.data.is_empty() {
        report["data"]["paths"].as_array().into_iter().flatten().filter_map(|p| p.as_str().map(str::to_owned)).collect()
    } else {
        args.data.clone()
    };
    if data.is_empty() {
        return Err(Error::usage("the report does not say which data it is about").help("name the data: `taster review DATA`"));
    }
    let options = match &contract {
        Some(contract) => super::check::options_for(contract),
        None => OpenOptions { stop: Some(stop), ..OpenOptions::default() },
    };
    let source = Source::open(&data, &options)?;
    let contract = match contract {
        Some(contract) => contract,
        None => crate::contract::infer::roles_only(&source, &source.schema)?,
    };
    let roles = Roles::resolve(&contract, &source.schema);
    let list = match &args.quarantine {
        Some(path) => path.clone(),
        None => list_of(&report, &args.from)?,
    };
    let decisions = decisions_at(args, &report, &contract)?;
    let pool = super::pool(global.threads())?;
    let mut run = pool.install(|| Run::open(report, list, source, decisions, args.redact, stop))?;
    let view = View { width: super::width(), color: global.stdout_color() };
    let desk = Desk { args, roles, view, today: global.now().date_naive(), pool };
    if let Some(group) = &args.group {
        let at = find(&run, group)?;
        return desk.one(&mut run, at);
    }
    if args.list {
        say(&page::list(&run, view))?;
        return Ok(code(&run));
    }
    desk.walk(&mut run, &mut Lines::of_stdin(stop))?;
    Ok(code(&run))
}

/// The decisions so far, at the place where new ones go: named, as the run had it, or beside the contract.
fn decisions_at(args: &Args, report: &serde_json::Value, contract: &Contract) -> Result<Decisions> {
    let of_run = report["decisions"]["path"].as_str().map(PathBuf::from);
    let path = args.decisions.clone().or(of_run).unwrap_or_else(|| decisions::beside(contract.path.as_deref()));
    let there = decisions::load_if_there(&path)?;
    Ok(there.unwrap_or_else(|| Decisions { path, ..Decisions::default() }))
}

/// 1 while a group waits for its decision.
fn code(run: &Run) -> u8 {
    u8::from(run.groups.iter().any(|g| g.is_open()))
}

/// By number, or by what the rows share, alone or after the rule's code and a colon.
fn find(run: &Run, wanted: &str) -> Result<usize> {
    let number = wanted.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).filter(|n| *n < run.groups.len());
    let shown = |key: &str| crate::report::escape::terminal(key).into_owned();
    let is = |g: &crate::review::session::Suspects| {
        let key = g.group.as_deref().unwrap_or("");
        let with_code = wanted.strip_prefix(&g.rule).and_then(|rest| rest.strip_prefix(':'));
        [Some(wanted), with_code].into_iter().flatten().any(|w| w == key || w == shown(key))
    };
    // Without cell text a group is known by its number alone: a guess must not be confirmed.
    let named: Vec<usize> = (0..run.groups.len()).filter(|i| !run.redacted && is(&run.groups[*i])).collect();
    let help = "`taster review --list` numbers the groups";
    match (named.as_slice(), number) {
        ([one], None) => Ok(*one),
        ([], Some(n)) => Ok(n),
        ([one], Some(n)) if *one == n => Ok(n),
        ([], None) => Err(Error::usage(format!("no group is called `{wanted}`, and none has that number")).help(help)),
        _ => Err(Error::usage(format!("`{wanted}` may mean several groups")).help(format!("{help}; CODE:KEY is exact"))),
    }
}

/// What the dialogue and the flags need.
struct Desk<'a> {
    args: &'a Args,
    roles: Roles,
    view: View,
    today: chrono::NaiveDate,
    pool: rayon::ThreadPool,
}

impl Desk<'_> {
    fn page(&self, run: &Run, at: usize, examples: usize) -> Result<String> {
        page::group(run, at, &self.roles, examples, self.view)
    }

    /// One group, by flags.
    fn one(&self, run: &mut Run, at: usize) -> Result<u8> {
        let decision = match (self.args.keep, self.args.remove) {
            (true, _) => Decision::Keep,
            (_, true) => Decision::Remove,
            _ => {
                say(&self.page(run, at, usize::from(self.args.examples))?)?;
                return Ok(u8::from(run.groups[at].is_open()));
            }
        };
        let reason = self.args.reason.as_deref().map(str::trim).filter(|r| !r.is_empty());
        let reason =
            reason.ok_or_else(|| Error::usage("a decision needs its reason: --reason").help("whoever reads it in a year was not there"))?;
        let by = self.args.by.clone().or_else(user).filter(|b| !b.trim().is_empty());
        let by = by.ok_or_else(|| Error::usage("a decision needs the name of who decides: --by"))?;
        self.decide(run, at, decision, reason, by.trim())?;
        Ok(0)
    }

    fn decide(&self, run: &mut Run, at: usize, decision: Decision, reason: &str, by: &str) -> Result<()> {
        let rows = plural(run.groups[at].members.len(), "row");
        let nameless = self.pool.install(|| run.record(at, decision, reason, by, self.today))?;
        if nameless > 0 {
            let rows = plural(nameless as usize, "row");
            complain(&format!("{rows} with a cell that does not parse cannot be named, so the decision leaves them out"));
        }
        let what = if decision == Decision::Keep { "kept" } else { "to be removed" };
        say(&super::lines(&format!("{rows} {what}; {} says so", run.decisions.path.display())))?;
        say("\n")
    }

    /// Group after group. Every answer is on disk before the next question.
    fn walk(&self, run: &mut Run, input: &mut Lines) -> Result<()> {
        let waiting: Vec<usize> = (0..run.groups.len()).filter(|i| self.args.all || run.groups[*i].is_open()).collect();
        if waiting.is_empty() {
            return say(&page::list(run, self.view));
        }
        let mut by = self.args.by.clone();
        for at in waiting {
            let mut examples = usize::from(self.args.examples);
            say(&format!("\n{}", self.page(run, at, examples)?))?;
            loop {
                say("\n[k]eep, [r]emove, [s]kip, [m]ore rows, [e]xplain, [q]uit? ")?;
                // The end of the input is the end of the walk.
                let Some(answer) = input.next()? else { return leave(run) };
                let decision = match answer.trim().to_lowercase().as_str() {
                    "k" | "keep" => Decision::Keep,
                    "r" | "remove" => Decision::Remove,
                    "s" | "skip" => break,
                    "q" | "quit" => return leave(run),
                    "m" | "more" => {
                        examples = (examples * 4).min(1000);
                        say(&self.page(run, at, examples)?)?;
                        continue;
                    }
                    "e" | "explain" => {
                        super::explain::run(&super::explain::Args { rule: run.groups[at].rule.clone() })?;
                        continue;
                    }
                    _ => continue,
                };
                let reason = match &self.args.reason {
                    Some(reason) => reason.clone(),
                    None => match ask(input, "Why? ", None)? {
                        Some(reason) => reason,
                        None => return leave(run),
                    },
                };
                let usual = by.clone().or_else(user);
                let name = match (&self.args.by, usual) {
                    (Some(by), _) => by.clone(),
                    (None, usual) => match ask(input, "Who decides? ", usual.as_deref())? {
                        Some(name) => name,
                        None => return leave(run),
                    },
                };
                by = Some(name.clone());
                self.decide(run, at, decision, reason.trim(), name.trim())?;
                break;
            }
        }
        leave(run)
    }
}

/// Where things stand at the end of a walk.
fn leave(run: &Run) -> Result<()> {
    let open = run.groups.iter().filter(|g| g.is_open()).count();
    say(&format!("\n{} of {} decided\n", group_digits((run.groups.len() - open) as u64), plural(run.groups.len(), "group")))?;
    if run.decisions.entries.is_empty() {
        return Ok(());
    }
    let path = crate::report::escape::terminal(&run.decisions.path.display().to_string()).into_owned();
    say(&format!("The next `taster check` acts on {path}; `taster split` does with --decisions {path}\n"))
}

/// An answer that is not empty; `usual` is what an empty line means.
fn ask(input: &mut Lines, question: &str, usual: Option<&str>) -> Result<Option<String>> {
    loop {
        match usual {
            Some(usual) => say(&format!("{question}[{}] ", crate::report::escape::terminal(usual)))?,
            None => say(question)?,
        }
        let Some(answer) = input.next()? else { return Ok(None) };
        let answer = answer.trim();
        if !answer.is_empty() {
            return Ok(Some(answer.to_owned()));
        }
        if let Some(usual) = usual {
            return Ok(Some(usual.to_owned()));
        }
    }
}

fn user() -> Option<String> {
    ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|v| std::env::var(v).ok()).filter(|v| !v.trim().is_empty())
}

/// Lines from the keyboard. They are read by a thread of their own, since a read cannot be interrupted and
/// Ctrl-C shall end the walk at once.
struct Lines {
    lines: Receiver<std::io::Result<String>>,
    stop: &'static AtomicBool,
    /// Nobody sees what is typed into a pipe, so it is repeated.
    echo: bool,
}

/// Longer lines are no answers.
const LINE: u64 = 64 << 10;

impl Lines {
    fn of_stdin(stop: &'static AtomicBool) -> Lines {
        let (send, lines) = sync_channel(0);
        std::thread::spawn(move || {
            let mut input = std::io::stdin().lock();
            loop {
                let mut line = Vec::new();
                let read = input.by_ref().take(LINE).read_until(b'\n', &mut line);
                let line = read.map(|_| String::from_utf8_lossy(&line).into_owned());
                let end = line.as_ref().is_ok_and(String::is_empty) || line.is_err();
                if send.send(line).is_err() || end {
                    return;
                }
            }
        });
        Lines { lines, stop, echo: !std::io::stdin().is_terminal() }
    }

    /// `None` at the end of the input, and when somebody wants to stop.
    fn next(&mut self) -> Result<Option<String>> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            match self.lines.recv_timeout(Duration::from_millis(100)) {
                Ok(Ok(line)) if line.is_empty() => return Ok(None),
                Ok(Ok(line)) => {
                    if self.echo {
                        say(&format!("{}\n", crate::report::escape::terminal(line.trim_end())))?;
                    }
                    return Ok(Some(line));
                }
                Ok(Err(e)) => return Err(Error::resource("the keyboard", e)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }
}
