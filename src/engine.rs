//! observe → merge → finish → judge over shards; the only file that knows that threads and rounds
//! exist. Each worker thread owns one state per rule and takes the next shard when it is free;
//! because merging is commutative and exact (see [`crate::rule`]), it does not matter which worker
//! saw which shard. Judged shards are handed to the sink in shard order, so every output is
//! byte-identical for any number of threads.

pub mod memory;

use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::rule::{AnyModel, AnyState, DynRule, Findings, Outcome, Plan};
use crate::source::{Shard, Source};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// Text that rules which read all of it are given at once: its tokens, four times as much, and what the rules
/// count them in are to share the cache of one core.
const TEXT: usize = 256 << 10;

/// More rounds than this is a rule that never ends.
const MAX_ROUNDS: u32 = 16;

/// What the engine reads rows from: a [`Source`], or rows in memory in tests and overlays.
pub trait Input: Sync {
    fn shards(&self) -> Vec<Shard>;
    fn read(&self, shard: &Shard, columns: &[String], f: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()>;
}

impl Input for Source {
    fn shards(&self) -> Vec<Shard> {
        Source::shards(self)
    }
    fn read(&self, shard: &Shard, columns: &[String], f: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        Source::read(self, shard, columns, f)
    }
}

/// Receives judged batches. `batch` runs in parallel, one part per shard; `append` runs alone and
/// in shard order.
pub trait Sink: Sync {
    type Part: Send;
    fn part(&self, shard: &Shard) -> Result<Self::Part>;
    /// `findings` holds the hits of this batch, sorted by row and then by rule.
    fn batch(&self, part: &mut Self::Part, batch: &Batch, findings: &Findings) -> Result<()>;
    fn append(&self, part: Self::Part) -> Result<()>;
    /// Columns that the sink itself reads (the id).
    fn columns(&self) -> Vec<String>;
    /// Whether it wants the batches even when no rule has findings.
    fn always(&self) -> bool {
        false
    }
}

/// What a long run tells whoever waits for it.
pub trait Progress: Sync {
    fn pass(&self, name: &str, rows: u64);
    fn rows(&self, n: u64);
}

pub struct Silent;

impl Progress for Silent {
    fn pass(&self, _: &str, _: u64) {}
    fn rows(&self, _: u64) {}
}

pub struct Engine<'a, I: Input> {
    pub input: &'a I,
    pub plan: &'a Plan,
    pub progress: &'a dyn Progress,
    /// Set by a signal handler; checked between batches.
    pub stop: &'a AtomicBool,
    pool: rayon::ThreadPool,
}

/// A rule after its last observing round.
pub struct Learned {
    pub model: AnyModel,
    pub outcome: Outcome,
    pub pictures: Vec<crate::rule::Picture>,
    /// Time spent in the rule itself, all threads added up.
    pub spent: Duration,
}

impl<'a, I: Input> Engine<'a, I> {
    pub fn new(input: &'a I, plan: &'a Plan, progress: &'a dyn Progress, stop: &'a AtomicBool) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(plan.threads.max(1))
            .thread_name(|i| format!("taster-{i}"))
            .build()
            .map_err(|e| Error::resource("threads", e))?;
        Ok(Engine { input, plan, progress, stop, pool })
    }

    /// Runs every rule's observing rounds. Each round decodes only the columns that the rules still
    /// learning ask for.
    pub fn learn(&self, rules: &[Box<dyn DynRule>]) -> Result<Vec<Learned>> {
        let shards = self.input.shards();
        let spent: Vec<AtomicU64> = rules.iter().map(|_| AtomicU64::new(0)).collect();
        let mut models: Vec<Option<AnyModel>> = rules.iter().map(|_| None).collect();
        let mut active: Vec<usize> = (0..rules.len()).collect();
        let mut round = 0;
        while !active.is_empty() {
            round += 1;
            if round > MAX_ROUNDS {
                return Err(Error::internal(format!("rule {} does not end", rules[active[0]].meta().code)));
            }
            self.progress.pass(&format!("observing, round {round}"), self.plan.rows);
            let states = self.observe(rules, &active, &models, round, &shards, &spent)?;
            let mut still = Vec::new();
            for (&r, state) in active.iter().zip(states) {
                self.check_stop()?;
                let clock = Instant::now();
                let (model, again) = self.pool.install(|| rules[r].finish(round, models[r].as_ref(), self.plan, state))?;
                add(&spent[r], clock);
                models[r] = Some(model);
                if again {
                    still.push(r);
                }
            }
            active = still;
        }
        let learned = rules.iter().zip(models).zip(spent).map(|((rule, model), spent)| {
            let model = model.ok_or_else(|| Error::internal("a rule without a model"))?;
            let (outcome, pictures) = (rule.outcome(&model), rule.pictures(&model));
            Ok(Learned { outcome, pictures, model, spent: Duration::from_nanos(spent.into_inner()) })
        });
        learned.collect()
    }

    fn observe(
        &self,
        rules: &[Box<dyn DynRule>],
        active: &[usize],
        models: &[Option<AnyModel>],
        round: u32,
        shards: &[Shard],
        spent: &[AtomicU64],
    ) -> Result<Vec<AnyState>> {
        let columns = union(active.iter().map(|&r| rules[r].columns()));
        let reads_text = active.iter().any(|&r| rules[r].reads_text());
        let start = || -> Vec<AnyState> { active.iter().map(|&r| rules[r].start(round, models[r].as_ref(), self.plan)).collect() };
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let merged: Mutex<Option<Vec<AnyState>>> = Mutex::new(None);
        let results: Vec<Result<()>> = self.pool.broadcast(|_| {
            let mut states: Option<Vec<AnyState>> = None;
            let run = || -> Result<()> {
                while let Some(shard) = shards.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let states = states.get_or_insert_with(&start);
                    self.input.read(shard, &columns, &mut |batch| {
                        self.check_stop()?;
                        if failed.load(Ordering::Relaxed) {
                            return Err(Error::Interrupted);
                        }
                        let mut tell = |batch: &Batch, text: bool| -> Result<()> {
                            for (&r, state) in active.iter().zip(states.iter_mut()).filter(|(r, _)| rules[**r].reads_text() == text) {
                                let clock = Instant::now();
                                rules[r].observe(round, models[r].as_ref(), self.plan, state, batch)?;
                                add(&spent[r], clock);
                            }
                            Ok(())
                        };
                        tell(&batch, false)?;
                        if reads_text {
                            parts(&batch).try_for_each(|part| tell(&part, true))?;
                        }
                        self.progress.rows(batch.rows() as u64);
                        Ok(())
                    })?;
                }
                Ok(())
            };
            let result = run_failing(run, &failed);
            if result.is_ok()
                && let Some(mine) = states
            {
                let mut merged = merged.lock().expect("no worker panics while it merges");
                match merged.as_mut() {
                    None => *merged = Some(mine),
                    Some(all) => {
                        for ((&r, into), other) in active.iter().zip(all.iter_mut()).zip(mine) {
                            rules[r].merge(into, other);
                        }
                    }
                }
            }
            result
        });
        first_error(results)?;
        let merged = merged.into_inner().expect("no worker panics while it merges");
        Ok(merged.unwrap_or_else(start))
    }

    /// Runs the judging pass for the rules that have findings and hands them to `sink`. Returns the
    /// time each rule took.
    pub fn judge<S: Sink>(&self, rules: &[Box<dyn DynRule>], learned: &[Learned], sink: &S) -> Result<Vec<Duration>> {
        let spent: Vec<AtomicU64> = rules.iter().map(|_| AtomicU64::new(0)).collect();
        let active: Vec<usize> = (0..rules.len()).filter(|&r| rules[r].has_rows(&learned[r].model)).collect();
        if !active.is_empty() || sink.always() {
            let shards = self.input.shards();
            let columns = union(active.iter().map(|&r| rules[r].columns()).chain([sink.columns()]));
            self.progress.pass("judging", self.plan.rows);
            let order = Order::new();
            let next = AtomicUsize::new(0);
            let failed = AtomicBool::new(false);
            let ahead = 2 * self.plan.threads.max(1);
            let results: Vec<Result<()>> = self.pool.broadcast(|_| {
                let run = || -> Result<()> {
                    let mut findings = Findings::default();
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(shard) = shards.get(at) else { return Ok(()) };
                        // Memory stays bounded: nobody runs far ahead of the shard being written.
                        order.wait_until_near(at, ahead, &failed)?;
                        let mut part = sink.part(shard)?;
                        self.input.read(shard, &columns, &mut |batch| {
                            self.check_stop()?;
                            if failed.load(Ordering::Relaxed) {
                                return Err(Error::Interrupted);
                            }
                            findings.clear();
                            for &r in &active {
                                let clock = Instant::now();
                                let before = findings.hits.len();
                                rules[r].judge(&learned[r].model, &batch, &mut findings)?;
                                for hit in &mut findings.hits[before..] {
                                    hit.rule = r as u16;
                                }
                                add(&spent[r], clock);
                            }
                            findings.sort();
                            self.progress.rows(batch.rows() as u64);
                            sink.batch(&mut part, &batch, &findings)
                        })?;
                        order.in_turn(at, &failed, || sink.append(part))?;
                    }
                };
                let result = run_failing(run, &failed);
                if result.is_err() {
                    order.wake();
                }
                result
            });
            first_error(results)?;
        }
        Ok(spent.into_iter().map(|s| Duration::from_nanos(s.into_inner())).collect())
    }

    /// Runs work of somebody else on the run's threads.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }

    fn check_stop(&self) -> Result<()> {
        if self.stop.load(Ordering::Relaxed) { Err(Error::Interrupted) } else { Ok(()) }
    }
}

/// Marks the run as failed when `run` errs or panics, so that the other workers stop soon and none
/// waits forever for a shard that will not come.
fn run_failing(run: impl FnOnce() -> Result<()>, failed: &AtomicBool) -> Result<()> {
    struct Guard<'a>(&'a AtomicBool, bool);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            if !self.1 {
                self.0.store(true, Ordering::Relaxed);
            }
        }
    }
    let mut guard = Guard(failed, false);
    let result = run();
    guard.1 = result.is_ok();
    result
}

/// A batch in pieces of about [`TEXT`] bytes of text, of whole rows.
fn parts(batch: &Batch) -> impl Iterator<Item = Batch> {
    let n = batch.text_bytes().div_ceil(TEXT).clamp(1, batch.rows().max(1));
    (0..n).map(move |i| {
        let (from, to) = (batch.rows() * i / n, batch.rows() * (i + 1) / n);
        if n == 1 { batch.clone() } else { batch.slice(from, to - from) }
    })
}

fn add(total: &AtomicU64, since: Instant) {
    total.fetch_add(since.elapsed().as_nanos() as u64, Ordering::Relaxed);
}

fn union(lists: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let mut all: Vec<String> = lists.flatten().collect();
    all.sort();
    all.dedup();
    all
}

/// A worker that stopped because another failed reports `Interrupted`; the cause goes first.
fn first_error(results: Vec<Result<()>>) -> Result<()> {
    let mut interrupted = None;
    for result in results {
        match result {
            Ok(()) => {}
            Err(Error::Interrupted) => interrupted = Some(Error::Interrupted),
            Err(e) => return Err(e),
        }
    }
    interrupted.map_or(Ok(()), Err)
}

/// Lets workers act in shard order.
struct Order {
    turn: Mutex<usize>,
    moved: Condvar,
}

/// A failing worker wakes the others, but one that panics may not; nobody sleeps longer than this.
const NAP: Duration = Duration::from_millis(50);

impl Order {
    fn new() -> Self {
        Order { turn: Mutex::new(0), moved: Condvar::new() }
    }
    fn wait(&self, failed: &AtomicBool, ready: impl Fn(usize) -> bool) -> Result<()> {
        let mut turn = self.turn.lock().expect("no worker panics with the lock");
        while !ready(*turn) {
            if failed.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            turn = self.moved.wait_timeout(turn, NAP).expect("no worker panics with the lock").0;
        }
        Ok(())
    }
    fn wait_until_near(&self, at: usize, ahead: usize, failed: &AtomicBool) -> Result<()> {
        self.wait(failed, |turn| at <= turn + ahead)
    }
    /// Runs `act` when every earlier shard is done.
    fn in_turn(&self, at: usize, failed: &AtomicBool, act: impl FnOnce() -> Result<()>) -> Result<()> {
        self.wait(failed, |turn| turn == at)?;
        act()?;
        *self.turn.lock().expect("no worker panics with the lock") += 1;
        self.wake();
        Ok(())
    }
    fn wake(&self) {
        self.moved.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::memory::InMemory;
    use super::*;
    use crate::rule::{Action, Meta, Round, Rule, State, Status, Step};
    use arrow::array::{AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::Int64Type;
    use serde::{Deserialize, Serialize};
    use std::sync::Arc;

    /// Round 1 finds the largest value, round 2 counts how often it occurs; those rows are findings.
    struct Largest {
        fail_at: Option<i64>,
    }

    #[derive(Serialize, Deserialize)]
    struct Seen {
        max: i64,
        count: u64,
    }

    impl State for Seen {
        fn merge(&mut self, other: Self) {
            self.max = self.max.max(other.max);
            self.count += other.count;
        }
    }

    fn values(batch: &Batch) -> &[i64] {
        batch.column("x").unwrap().as_primitive::<Int64Type>().values()
    }

    impl Rule for Largest {
        const META: Meta = Meta { code: "T001", name: "largest", summary: "", explain: "", ids: &[] };
        type State = Seen;
        type Model = (i64, u64);
        fn columns(&self) -> Vec<String> {
            vec!["x".into()]
        }
        fn start(&self, _: &Round<'_, (i64, u64)>) -> Seen {
            Seen { max: i64::MIN, count: 0 }
        }
        fn observe(&self, round: &Round<'_, (i64, u64)>, state: &mut Seen, batch: &Batch) -> Result<()> {
            for &v in values(batch) {
                if Some(v) == self.fail_at {
                    return Err(Error::internal("found what must not be"));
                }
                match round.model {
                    None => state.max = state.max.max(v),
                    Some(&(max, _)) => state.count += u64::from(v == max),
                }
            }
            Ok(())
        }
        fn finish(&self, round: &Round<'_, (i64, u64)>, state: Seen) -> Result<Step<(i64, u64)>> {
            Ok(match round.model {
                None => Step::Again((state.max, 0)),
                Some(&(max, _)) => Step::Done((max, state.count)),
            })
        }
        fn outcome(&self, model: &(i64, u64)) -> Outcome {
            Outcome { failing: model.1, ..Outcome::new("largest", Status::Fail) }
        }
        fn has_rows(&self, model: &(i64, u64)) -> bool {
            model.1 > 0
        }
        fn judge(&self, model: &(i64, u64), batch: &Batch, out: &mut Findings) -> Result<()> {
            let message = out.intern("the largest");
            for (i, &v) in values(batch).iter().enumerate() {
                if v == model.0 {
                    out.push(i, Action::Review, 0.5, message);
                }
            }
            Ok(())
        }
    }

    struct Collect(Mutex<Vec<(u32, u64)>>);

    impl Sink for Collect {
        type Part = Vec<(u32, u64)>;
        fn part(&self, _: &Shard) -> Result<Self::Part> {
            Ok(Vec::new())
        }
        fn batch(&self, part: &mut Self::Part, batch: &Batch, findings: &Findings) -> Result<()> {
            part.extend(findings.hits.iter().map(|h| batch.row_id(h.row as usize)).map(|id| (id.source, id.row)));
            Ok(())
        }
        fn append(&self, part: Self::Part) -> Result<()> {
            self.0.lock().unwrap().extend(part);
            Ok(())
        }
        fn columns(&self) -> Vec<String> {
            Vec::new()
        }
    }

    fn input(shard_rows: usize, batch_rows: usize) -> InMemory {
        let file = |n: i64| {
            let x = Int64Array::from_iter_values((0..n).map(|i| i % 7));
            RecordBatch::try_from_iter([("x", Arc::new(x) as _)]).unwrap()
        };
        InMemory { files: vec![file(100), file(0), file(23)], shard_rows, batch_rows }
    }

    fn plan(threads: usize) -> Plan {
        Plan { seed: 0, rows: 123, memory: 1 << 30, false_alarms: 0.001, threads }
    }

    fn run(input: &InMemory, threads: usize, fail_at: Option<i64>, stop: &AtomicBool) -> Result<(u64, Vec<(u32, u64)>)> {
        let plan = plan(threads);
        let engine = Engine::new(input, &plan, &Silent, stop)?;
        let rules: Vec<Box<dyn DynRule>> = vec![Box::new(Largest { fail_at })];
        let learned = engine.learn(&rules)?;
        let sink = Collect(Mutex::default());
        engine.judge(&rules, &learned, &sink)?;
        Ok((learned[0].outcome.failing, sink.0.into_inner().unwrap()))
    }

    #[test]
    fn threads_shards_and_batches_change_nothing_and_rows_come_in_order() {
        let expected = run(&input(1000, 1000), 1, None, &AtomicBool::new(false)).unwrap();
        assert_eq!(expected.0, 17);
        assert!(expected.1.is_sorted() && expected.1.len() == 17);
        for (threads, shard, batch) in [(1, 1, 1), (4, 1, 1), (3, 10, 4), (8, 64, 1000)] {
            assert_eq!(run(&input(shard, batch), threads, None, &AtomicBool::new(false)).unwrap(), expected);
        }
    }

    #[test]
    fn an_error_in_one_worker_is_the_error_of_the_run() {
        for threads in [1, 4] {
            let e = run(&input(5, 5), threads, Some(3), &AtomicBool::new(false)).unwrap_err();
            assert!(e.to_string().contains("found what must not be"), "{e}");
        }
    }

    #[test]
    fn a_stop_ends_the_run_as_interrupted() {
        let e = run(&input(5, 5), 2, None, &AtomicBool::new(true)).unwrap_err();
        assert!(matches!(e, Error::Interrupted), "{e}");
    }

    #[test]
    fn a_dataset_without_rows_is_learned_and_judged() {
        let empty = InMemory { files: vec![], shard_rows: 1, batch_rows: 1 };
        let (failing, rows) = run(&empty, 2, None, &AtomicBool::new(false)).unwrap();
        assert_eq!((failing, rows.len()), (0, 0));
    }
}
