//! The façade: one contract, one dataset, one verdict. Everything that a run writes appears at its
//! end: first the quarantine list, then `report.json`, which commits the set.

use crate::contract::decisions::Decisions;
use crate::contract::{Contract, Roles};
use crate::engine::{Engine, Progress, Silent};
use crate::error::{ContractError, Diagnostic, Error, Result};
use crate::quarantine::{Codes, Writer};
use crate::report::pictures::Pictures;
use crate::report::{ContractFacts, Facts, json, run_id};
use crate::review::decided::{self, Decided};
use crate::rule::{Context, DynRule, Entry, NotTested, Outcome, Plan};
use crate::source::Source;
use crate::verdict::ignores::Ignores;
use crate::verdict::provenance::Provenance;
use crate::verdict::record::{Recorder, Tally};
use crate::verdict::{self, FailOn, Judged, Policy, Verdict};
use chrono::{DateTime, SubsecRound, Utc};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// How to run and where to write; what is right is the contract's word.
pub struct Options<'a> {
    pub out: PathBuf,
    /// `None`: `quarantine.parquet` in `out`.
    pub quarantine: Option<PathBuf>,
    pub fail_on: FailOn,
    /// Codes, prefixes or names; empty selects everything.
    pub select: Vec<String>,
    pub ignore: Vec<String>,
    pub redact: bool,
    /// Findings that an earlier report has, and that therefore do not count.
    pub baseline: Option<verdict::baseline::Baseline>,
    /// What people decided about rows.
    pub decisions: Option<Decisions>,
    pub threads: usize,
    pub memory: u64,
    pub seed: u64,
    pub now: DateTime<Utc>,
    /// Paths as given, for the report.
    pub data: Vec<String>,
    /// Why the run is not what one might expect, for the report.
    pub notes: Vec<String>,
    pub progress: &'a dyn Progress,
    pub stop: &'a AtomicBool,
}

static NEVER: AtomicBool = AtomicBool::new(false);

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            out: "taster-out".into(),
            quarantine: None,
            fail_on: FailOn::Error,
            select: Vec::new(),
            ignore: Vec::new(),
            redact: false,
            baseline: None,
            decisions: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory: 4 << 30,
            seed: 0,
            now: Utc::now(),
            data: Vec::new(),
            notes: Vec::new(),
            progress: &Silent,
            stop: &NEVER,
        }
    }
}

/// Every rule there is, contract checks first, each part in code order.
pub fn registry() -> impl Iterator<Item = &'static Entry> {
    crate::checks::REGISTRY.iter().chain(crate::detectors::REGISTRY)
}

/// Runs the contract and the detectors over the data, writes list and report, and says what came
/// of it.
///
/// # Errors
/// Everything that exits with 2: a contract that does not fit the data, unreadable data, a full
/// disk, an interruption. Nothing is left half-written then.
pub fn check(contract: &Contract, source: &Source, options: &Options<'_>) -> Result<(Verdict, Facts)> {
    let clock = Instant::now();
    for pattern in options.select.iter().chain(&options.ignore) {
        known(pattern)?;
    }
    let rows = source.rows();
    let plan = Plan {
        seed: options.seed,
        rows,
        memory: options.memory,
        false_alarms: contract.poisoning.false_alarm_share(),
        threads: options.threads,
    };
    let roles = Roles::resolve(contract, &source.schema);
    // What the report prints is what was used, so that `--now` repeats the run.
    let now = options.now.trunc_subsecs(0);
    let context = Context { contract, schema: &source.schema, roles: &roles, plan: &plan, now };
    let (errors, warnings) = crate::contract::bind::bind(contract, &source.schema);
    let Assembled { rules, mut settled, not_tested } = assemble(&context, &options.select, &options.ignore, errors)?;

    let mut facts = facts(contract, source, options);
    if let Some(facts) = &mut facts.contract {
        facts.warnings.extend(warnings);
        facts.warnings.sort_by_key(|d| d.span.map_or(0, |s| s.offset));
    }
    // The list's temporary file comes first: a folder that cannot be written to is known before
    // any work is done.
    let list = options.quarantine.clone().unwrap_or_else(|| options.out.join("quarantine.parquet"));
    let wanted = |meta: &crate::rule::Meta| verdict::selected(&options.select, &options.ignore, meta.code, meta.name);
    if crate::supply::REGISTRY.iter().any(wanted) {
        let paths: Vec<PathBuf> = options.data.iter().map(PathBuf::from).chain(source.files.iter().map(|f| f.path.clone())).collect();
        settled.extend(crate::supply::scan(&paths, options.threads, &wanted, options.stop).ok_or(Error::Interrupted)?);
    }
    let mut codes: Vec<&'static str> = rules.iter().map(|r| r.meta().code).collect();
    codes.extend(settled.iter().map(|(meta, _)| meta.code));
    let writer = Writer::create(&list, facts.files.clone(), Codes::new(&codes), &facts.run_id)?;
    let report = options.out.join("report.json");
    writable(&report)?;

    let engine = Engine::new(source, &plan, options.progress, options.stop)?;
    let decided = options.decisions.clone().map(|d| engine.within(|| Decided::find(source, d, options.stop)));
    let decided = Arc::new(decided.transpose()?.unwrap_or_default());
    let learned = engine.learn(&rules)?;
    let ignores = Ignores::new(&contract.ignore, options.now.date_naive());
    // What the images share is part of the images.
    let shown: Vec<_> = rules.iter().zip(&learned).map(|(r, l)| (r.meta().code, l.pictures.as_slice())).collect();
    let pictures = Pictures::write(&options.out, if options.redact { &[] } else { &shown })?;
    let outcomes: Vec<_> = rules.iter().zip(&learned).map(|(r, l)| (r.meta(), &l.outcome)).collect();
    let id = roles.first(crate::contract::Role::Id).map(str::to_owned);
    let provenance = Provenance::of(source, &roles);
    let recorder = Recorder::new(writer, &outcomes, &ignores, id, provenance.clone(), options.redact);
    let recorder = recorder.deciding(decided.clone());
    let judging = engine.judge(&rules, &learned, &recorder)?;
    let (tally, list): (Tally, _) = recorder.finish()?;

    let judged = rules.iter().zip(learned).zip(judging).map(|((rule, l), judging)| Judged {
        meta: rule.meta(),
        outcome: l.outcome,
        spent: l.spent + judging,
    });
    let settled = settled.into_iter().map(|(meta, outcome)| Judged { meta, outcome, spent: Duration::ZERO });
    let judged: Vec<Judged> = judged.chain(settled).collect();
    let policy = Policy {
        fail_on: options.fail_on,
        on_not_evaluated: contract.on_not_evaluated,
        floor: contract.poisoning.floor.as_ref().map(|f| f.value),
        rows,
        baseline: options.baseline.clone(),
        contract_warnings: facts.contract.iter().flat_map(|c| &c.warnings).map(|w| w.message.clone()).collect(),
        provenance,
        redact: options.redact,
        decided,
    };
    let mut verdict = verdict::decide(judged, not_tested, tally, &ignores, &policy);
    // Settled outcomes were appended for the tally's sake; people read rules in code order.
    verdict.rules.sort_by_key(|r| r.meta.code);

    let facts = Facts {
        elapsed: clock.elapsed(),
        written: vec![list.written().clone()],
        report: Some(report.clone()),
        pictures: pictures.paths.clone(),
        ..facts
    };
    let pending = json::write(&report, &verdict, &facts)?;
    if options.stop.load(std::sync::atomic::Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    list.commit()?;
    pictures.commit()?;
    pending.commit()?;
    Ok((verdict, facts))
}

/// A report that could not be written at the end would waste the whole run.
fn writable(report: &std::path::Path) -> Result<()> {
    crate::quarantine::AtomicFile::create(report, false).map(drop)
}

struct Assembled {
    rules: Vec<Box<dyn DynRule>>,
    settled: Vec<(crate::rule::Meta, Outcome)>,
    not_tested: Vec<NotTested>,
}

/// The rules this run consists of, or everything in the contract that does not fit the data: what
/// binding found already, and what the rules find when they are built.
fn assemble(context: &Context<'_>, select: &[String], ignore: &[String], bound: Vec<Diagnostic>) -> Result<Assembled> {
    let mut out = Assembled { rules: Vec::new(), settled: Vec::new(), not_tested: Vec::new() };
    let mut diagnostics = bound;
    let poisoning = &context.contract.poisoning;
    for entry in registry() {
        let meta = entry.meta;
        if !verdict::selected(select, ignore, meta.code, meta.name) {
            continue;
        }
        if context.contract.inferred && meta.code.starts_with('C') {
            continue;
        }
        let listed = |reason: String| NotTested { code: meta.code.into(), name: meta.name.into(), reason };
        if meta.code.starts_with('P') {
            if poisoning.off {
                out.not_tested.push(listed("the contract says `detectors: off`".into()));
                continue;
            }
            if poisoning.disabled.iter().any(|d| verdict::matches(&d.value, meta.code, meta.name)) {
                out.not_tested.push(listed("switched off in the contract".into()));
                continue;
            }
        }
        match (entry.build)(context) {
            Ok(built) => {
                out.rules.extend(built.rules);
                out.settled.extend(built.settled.into_iter().map(|o| (meta, o)));
                out.not_tested.extend(built.not_tested.into_iter().map(listed));
            }
            // A rule may stumble over the same word.
            Err(more) => {
                let news = |d: &Diagnostic| d.span.is_none() || diagnostics.iter().all(|o| o.span != d.span);
                let more: Vec<Diagnostic> = more.into_iter().filter(news).collect();
                diagnostics.extend(more);
            }
        }
    }
    if u16::try_from(out.rules.len() + out.settled.len()).is_err() {
        return Err(Error::usage("the contract has more than 65,535 rules"));
    }
    if diagnostics.is_empty() {
        return Ok(out);
    }
    diagnostics.sort_by_key(|d| d.span.map_or(0, |s| s.offset));
    Err(contract_error(context.contract, diagnostics))
}

/// The detectors that a drill runs: those of `check`, by the same selection.
///
/// # Errors
/// A selection that names no rule; everything in the contract that does not fit the data.
pub(crate) fn detectors(context: &Context<'_>, select: &[String]) -> Result<Vec<Box<dyn DynRule>>> {
    select.iter().try_for_each(|s| known(s))?;
    let (errors, _) = crate::contract::bind::bind(context.contract, context.schema);
    Ok(assemble(context, select, &["C".to_owned()], errors)?.rules)
}

fn contract_error(contract: &Contract, diagnostics: Vec<Diagnostic>) -> Error {
    let path = contract.path.clone().unwrap_or_else(|| "<inferred contract>".into());
    Error::Contract(Box::new(ContractError { path, text: contract.text.clone(), diagnostics }))
}

/// A pattern of `--select` or `--ignore` that means nothing would silently check nothing.
fn known(pattern: &str) -> Result<()> {
    let mut metas = registry().map(|e| &e.meta).chain(crate::supply::REGISTRY);
    if metas.any(|m| verdict::matches(pattern, m.code, m.name)) {
        return Ok(());
    }
    let error = Error::usage(format!("no rule is called `{pattern}`"));
    Err(match nearest(pattern) {
        Some(near) => error.help(format!("did you mean `{near}`? `taster rules` lists them all")),
        None => error.help("`taster rules` lists them all"),
    })
}

/// The rule name or code closest to a word, if any is close.
pub fn nearest(word: &str) -> Option<&'static str> {
    let words = registry().flat_map(|e| [e.meta.name, e.meta.code]);
    let scored = words.map(|w| (strsim::jaro_winkler(w, word), w)).filter(|(s, _)| *s > 0.85);
    scored.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1))).map(|(_, w)| w)
}

fn facts(contract: &Contract, source: &Source, options: &Options<'_>) -> Facts {
    let fingerprint = source.fingerprint();
    let mut settings: Vec<(String, String)> = vec![("fail_on".into(), format!("{:?}", options.fail_on).to_lowercase())];
    for (name, list) in [("select", &options.select), ("ignore", &options.ignore)] {
        if !list.is_empty() {
            settings.push((name.into(), list.join(",")));
        }
    }
    let now = options.now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let seed = options.seed.to_string();
    // Only what decides the findings goes into the id; `now` does through the day it falls on,
    // since `ignore` entries expire by day, and in full where a rule asks how old something is.
    let day = if contract.asks_the_clock() { now.clone() } else { options.now.date_naive().to_string() };
    let (select, ignore) = (options.select.join(","), options.ignore.join(","));
    let mut parts: Vec<&str> = vec![&fingerprint, &contract.digest, &seed, &day, &select, &ignore];
    parts.extend(options.decisions.as_ref().map(|d| d.digest.as_str()));
    Facts {
        run_id: run_id(&parts),
        decisions: options.decisions.as_ref().map(|d| decided::Told { path: d.path.clone(), sha256: d.digest.clone() }),
        seed: options.seed,
        data: options.data.clone(),
        root: source.root.clone(),
        files: source.files.iter().map(|f| f.relative.clone()).collect(),
        fingerprint,
        contract: contract.path.as_ref().map(|path| ContractFacts {
            path: Some(path.clone()),
            name: contract.name.clone(),
            version: contract.version.clone(),
            digest: contract.digest.clone(),
            warnings: contract.warnings.clone(),
        }),
        options: settings,
        redact: options.redact,
        now,
        notes: options.notes.clone(),
        ..Facts::default()
    }
}
