//! False alarms, measured: the detectors run over parts of a dataset that is taken as clean, and what
//! they would quarantine is counted. Parts are what users meet: fewer classes, short or long texts, a
//! rare class, copies, one source alone. With labels drawn anew nothing can go with a label but by
//! chance, whatever the data holds.

use super::survey::Survey;
use super::{Options, run};
use crate::batch::{Batch, RowId, Text};
use crate::contract::{Contract, Role, Roles};
use crate::detectors::unicode::label_text;
use crate::engine::Input;
use crate::error::{Error, Result};
use crate::rule::{Context, Plan};
use crate::sketch::minhash::mix;
use crate::source::Shard;
use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::Schema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

/// A part with fewer rows says little of a rate.
const LEAST: u64 = 100;
/// Values of one column that get a part each: the most frequent ones.
const VALUES: usize = 6;
/// Distinct values of such a column that are counted.
const COUNTED: usize = 10_000;
/// What is left of the class that is thinned out.
const RARE: f64 = 0.01;
/// Roles whose values divide the data into parts that users train on.
const DIVIDING: [Role; 4] = [Role::Source, Role::Split, Role::Annotator, Role::Group];

/// What was quarantined in one part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alarms {
    pub slice: String,
    /// Runs, each with another choice of rows or labels; one where nothing is chosen.
    pub runs: u64,
    /// Rows of all runs, and how many of them were quarantined and only listed for review.
    pub rows: u64,
    pub quarantined: u64,
    pub review: u64,
    /// The largest share of one run that was quarantined.
    pub worst: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Of this layout.
    pub schema: u32,
    pub taster: &'static str,
    pub seed: u64,
    pub slices: Vec<Alarms>,
}

/// Which rows a part keeps, and what else happens to it.
enum Kind {
    Whole,
    /// A random share of the rows.
    Share(f64),
    /// A random share of the rows occurs twice.
    Twice(f64),
    /// Labels drawn anew from their shares.
    Drawn,
    /// Texts of at most, or of more than so many bytes.
    Short(usize),
    Long(usize),
    Classes(BTreeSet<String>),
    /// This share of the rows of one class, all others.
    Thin(String, f64),
    /// Rows with this value in the column.
    Value(String, String),
}

impl Kind {
    fn is_random(&self) -> bool {
        matches!(self, Kind::Share(_) | Kind::Twice(_) | Kind::Drawn | Kind::Thin(..))
    }
    fn column(&self) -> Option<&str> {
        if let Kind::Value(column, _) = self { Some(column) } else { None }
    }
    fn keeps(&self, chance: f64, cell: &Cell<'_>) -> bool {
        match self {
            Kind::Whole | Kind::Twice(_) | Kind::Drawn => true,
            Kind::Share(s) => chance < *s,
            Kind::Short(most) => cell.text.is_some_and(|t| t.len() <= *most),
            Kind::Long(least) => cell.text.is_some_and(|t| t.len() > *least),
            Kind::Classes(those) => cell.class.is_some_and(|c| those.contains(c)),
            Kind::Thin(class, share) => cell.class != Some(class) || chance < *share,
            Kind::Value(_, value) => cell.value == Some(value),
        }
    }
}

struct Cell<'a> {
    text: Option<&'a str>,
    class: Option<&'a str>,
    value: Option<&'a str>,
}

/// A number in [0, 1) of a row, the same however the rows are read.
fn chance(seed: u64, row: RowId) -> f64 {
    (mix(seed ^ mix(row.row ^ u64::from(row.source) << 40)) >> 11) as f64 / (1u64 << 53) as f64
}

/// A set of rows that knows how many of its rows come before one: a bit per row.
#[derive(Default)]
struct Rows(Vec<(Vec<u64>, Vec<u64>)>);

impl Rows {
    fn insert(&mut self, row: RowId) {
        let (source, word) = (row.source as usize, (row.row / 64) as usize);
        if self.0.len() <= source {
            self.0.resize_with(source + 1, Default::default);
        }
        let words = &mut self.0[source].0;
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        words[word] |= 1 << (row.row % 64);
    }
    /// Counts once all rows are in.
    fn seal(&mut self) {
        for (words, before) in &mut self.0 {
            let mut sum = 0;
            before.extend(words.iter().map(|w| {
                sum += u64::from(w.count_ones());
                sum - u64::from(w.count_ones())
            }));
        }
    }
    fn word(&self, row: RowId) -> u64 {
        self.0.get(row.source as usize).and_then(|s| s.0.get((row.row / 64) as usize)).copied().unwrap_or(0)
    }
    fn contains(&self, row: RowId) -> bool {
        self.word(row) >> (row.row % 64) & 1 == 1
    }
    fn rank(&self, row: RowId) -> u64 {
        match self.0.get(row.source as usize).and_then(|s| s.1.get((row.row / 64) as usize)) {
            Some(before) => before + u64::from((self.word(row) & ((1 << (row.row % 64)) - 1)).count_ones()),
            None => self.len(row.source),
        }
    }
    fn len(&self, source: u32) -> u64 {
        let last = self.0.get(source as usize).and_then(|(words, before)| Some((words.last()?, before.last()?)));
        last.map_or(0, |(word, before)| before + u64::from(word.count_ones()))
    }
    fn all(&self) -> u64 {
        (0..self.0.len()).map(|s| self.len(s as u32)).sum()
    }
}

/// A part of a dataset as a dataset: rows are numbered anew, without gaps.
struct Part<'a, I: Input> {
    inner: &'a I,
    kept: Rows,
    /// Rows that occur once more, after all others of their file.
    again: Rows,
    drawn: Option<Labels>,
}

/// New labels for all rows that have one.
struct Labels {
    column: String,
    /// A cell of each class, with the share of all that come before it.
    classes: Vec<(ArrayRef, f64)>,
    seed: u64,
}

impl<I: Input> Part<'_, I> {
    fn relabel(&self, batch: &Batch) -> Result<RecordBatch> {
        let frame = batch.frame().clone();
        let Some(Labels { column, classes, seed }) = &self.drawn else { return Ok(frame) };
        let Some((at, _)) = frame.schema().column_with_name(column) else { return Ok(frame) };
        let column = frame.column(at);
        let cells: Result<Vec<ArrayRef>> =
            classes.iter().map(|(cell, _)| arrow::compute::cast(cell, column.data_type()).map_err(Error::internal)).collect();
        let cells = cells?;
        let arrays: Vec<&dyn Array> = cells.iter().map(AsRef::as_ref).chain([column.as_ref()]).collect();
        let places: Vec<(usize, usize)> = (0..batch.rows())
            .map(|i| {
                let drawn = chance(*seed, batch.row_id(i));
                let class = classes.partition_point(|(_, before)| *before <= drawn).saturating_sub(1);
                if column.is_null(i) { (classes.len(), i) } else { (class, 0) }
            })
            .collect();
        let new = arrow::compute::interleave(&arrays, &places).map_err(Error::internal)?;
        let mut columns = frame.columns().to_vec();
        columns[at] = new;
        RecordBatch::try_new(frame.schema(), columns).map_err(Error::internal)
    }

    fn some(&self, frame: &RecordBatch, batch: &Batch, rows: &Rows, from: u64, f: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        let mask: BooleanArray = (0..batch.rows()).map(|i| Some(rows.contains(batch.row_id(i)))).collect();
        let chosen = arrow::compute::filter_record_batch(frame, &mask).map_err(Error::internal)?;
        if chosen.num_rows() == 0 {
            return Ok(());
        }
        f(Batch::new(chosen, batch.source(), from + rows.rank(batch.row_id(0))))
    }
}

impl<I: Input> Input for Part<'_, I> {
    fn shards(&self) -> Vec<Shard> {
        self.inner.shards()
    }
    fn read(&self, shard: &Shard, columns: &[String], f: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        self.inner.read(shard, columns, &mut |batch| {
            if batch.rows() == 0 {
                return f(batch);
            }
            let frame = self.relabel(&batch)?;
            self.some(&frame, &batch, &self.kept, 0, f)?;
            self.some(&frame, &batch, &self.again, self.kept.len(batch.source()), f)
        })
    }
}

/// The columns that decide which rows belong to a part.
struct Deciding<'a> {
    text: Option<&'a str>,
    label: Option<&'a str>,
}

fn walk<I: Input>(
    input: &I,
    by: &Deciding<'_>,
    value: Option<&str>,
    options: &Options<'_>,
    mut f: impl FnMut(RowId, &Cell<'_>),
) -> Result<()> {
    let mut wanted: Vec<String> = [by.text, by.label, value].into_iter().flatten().map(str::to_owned).collect();
    wanted.sort();
    wanted.dedup();
    for shard in input.shards() {
        input.read(&shard, &wanted, &mut |batch: Batch| {
            if options.stop.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            let plain = |name: Option<&str>| name.and_then(|n| batch.column(n)).map(label_text).transpose();
            let (text, label, value) = (plain(by.text)?, plain(by.label)?, plain(value)?);
            let [texts, classes, values] = [&text, &label, &value].map(|a| a.as_ref().and_then(|a| Text::of(a.as_ref())));
            for i in 0..batch.rows() {
                let [text, class, value] = [&texts, &classes, &values].map(|t| t.as_ref().and_then(|t| t.get(i)));
                f(batch.row_id(i), &Cell { text, class, value });
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The parts that this dataset has, by name.
fn kinds<I: Input>(input: &I, survey: &Survey, roles: &Roles, by: &Deciding<'_>, options: &Options<'_>) -> Result<Vec<(String, Kind)>> {
    let mut kinds = vec![("all rows".to_owned(), Kind::Whole)];
    let classes = if survey.is_class() { survey.classes.as_slice() } else { &[] };
    let labelled: u64 = classes.iter().map(|c| c.1).sum();
    if !classes.is_empty() {
        kinds.push(("labels drawn anew".into(), Kind::Drawn));
    }
    kinds.push(("a random half".into(), Kind::Share(0.5)));
    kinds.push(("a random tenth".into(), Kind::Share(0.1)));
    kinds.push(("a tenth of the rows twice".into(), Kind::Twice(0.1)));
    let mut lengths: Vec<usize> = survey.texts.iter().map(String::len).collect();
    lengths.sort_unstable();
    if let Some(&median) = lengths.get(lengths.len() / 2) {
        kinds.push(("short texts".into(), Kind::Short(median)));
        kinds.push(("long texts".into(), Kind::Long(median)));
    }
    let mut by_size: Vec<&(String, u64, ArrayRef)> = classes.iter().collect();
    by_size.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    if by_size.len() > 2 {
        let names = |c: &[&(String, u64, ArrayRef)]| c.iter().map(|c| c.0.clone()).collect();
        kinds.push(("the two largest classes".into(), Kind::Classes(names(&by_size[..2]))));
        if by_size.len() > 3 {
            kinds.push(("all other classes".into(), Kind::Classes(names(&by_size[2..]))));
        }
    }
    if let Some((name, n, _)) = by_size.last()
        && *n > 0
    {
        let share = RARE / (1.0 - RARE) * (labelled - n) as f64 / *n as f64;
        if share < 1.0 {
            kinds.push(("the smallest class at 1%".into(), Kind::Thin(name.clone(), share)));
        }
    }
    for column in DIVIDING.iter().flat_map(|&r| roles.all(r)) {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        walk(input, by, Some(column), options, |_, cell| {
            if let Some(value) = cell.value
                && (counts.len() < COUNTED || counts.contains_key(value))
            {
                *counts.entry(value.to_owned()).or_default() += 1;
            }
        })?;
        let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        if counts.len() > 1 {
            kinds.extend(counts.into_iter().take(VALUES).map(|(v, _)| (format!("{column} = {v}"), Kind::Value(column.to_owned(), v))));
        }
    }
    Ok(kinds)
}

/// Runs the detectors over every part.
///
/// # Errors
/// A contract that does not fit the data, unreadable data, an interruption.
pub fn slices<I: Input>(contract: &Contract, input: &I, schema: &Schema, rows: u64, options: &Options<'_>) -> Result<Report> {
    let roles = Roles::resolve(contract, schema);
    let select = if options.select.is_empty() { vec!["P".to_owned()] } else { options.select.clone() };
    let whole = Plan {
        seed: options.seed,
        rows,
        memory: options.memory,
        false_alarms: contract.poisoning.false_alarm_share(),
        threads: options.threads,
    };
    let survey = Survey::of(input, schema, &roles, &whole, options.stop)?;
    let by = Deciding { text: survey.text.as_deref(), label: survey.label.as_deref() };
    let mut report = Report { schema: 1, taster: env!("CARGO_PKG_VERSION"), seed: options.seed, slices: Vec::new() };
    for (number, (name, kind)) in kinds(input, &survey, &roles, &by, options)?.into_iter().enumerate() {
        let mut alarms = Alarms { slice: name, runs: 0, rows: 0, quarantined: 0, review: 0, worst: 0.0 };
        for trial in 0..if kind.is_random() { options.seeds } else { 1 } {
            let seed = mix(options.seed ^ mix(trial + 1) ^ (number as u64) << 32);
            let part = cut(input, &survey, &kind, &by, seed, options)?;
            let plan = Plan { rows: part.kept.all() + part.again.all(), ..whole.clone() };
            if plan.rows < LEAST {
                continue;
            }
            let rules =
                crate::check::detectors(&Context { contract, schema, roles: &roles, plan: &plan, now: chrono::Utc::now() }, &select)?;
            let found = run(&part, &plan, &rules, options)?;
            let quarantined = found.quarantined.len() as u64;
            alarms.runs += 1;
            alarms.rows += plan.rows;
            alarms.quarantined += quarantined;
            alarms.review += found.review.len() as u64;
            alarms.worst = alarms.worst.max(quarantined as f64 / plan.rows as f64);
        }
        if alarms.runs > 0 {
            report.slices.push(alarms);
        }
    }
    Ok(report)
}

fn cut<'a, I: Input>(
    input: &'a I,
    survey: &Survey,
    kind: &Kind,
    by: &Deciding<'_>,
    seed: u64,
    options: &Options<'_>,
) -> Result<Part<'a, I>> {
    let (mut kept, mut again) = (Rows::default(), Rows::default());
    walk(input, by, kind.column(), options, |row, cell| {
        let chance = chance(seed, row);
        if kind.keeps(chance, cell) {
            kept.insert(row);
        }
        if matches!(kind, Kind::Twice(share) if chance < *share) {
            again.insert(row);
        }
    })?;
    kept.seal();
    again.seal();
    let drawn = matches!(kind, Kind::Drawn).then(|| {
        let all: u64 = survey.classes.iter().map(|c| c.1).sum();
        let mut before = 0;
        let cells = survey.classes.iter().map(|(_, n, cell)| {
            let share = before as f64 / all.max(1) as f64;
            before += n;
            (cell.clone(), share)
        });
        Labels { column: survey.label.clone().unwrap_or_default(), classes: cells.collect(), seed }
    });
    Ok(Part { inner: input, kept, again, drawn })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::harness::{self, sentence, table};
    use crate::drill::Amount;
    use crate::engine::Silent;
    use crate::engine::memory::InMemory;
    use std::sync::atomic::AtomicBool;

    static STOP: AtomicBool = AtomicBool::new(false);
    const CONTRACT: &str = "taster: 1\ncolumns:\n  text: {role: text}\n  mood: {role: label}\n  shop: {role: source}\n";

    fn options() -> Options<'static> {
        Options {
            families: Vec::new(),
            seeds: 2,
            amount: Amount::Usual,
            select: Vec::new(),
            threads: 2,
            memory: 1 << 30,
            seed: 3,
            progress: &Silent,
            stop: &STOP,
        }
    }

    /// Reviews of two moods and two shops; the first sad ones share a word at the end and are called glad.
    fn reviews(rows: usize, planted: usize) -> RecordBatch {
        let mut dice = harness::Dice::new(5);
        let (mut texts, mut moods, mut shops) = (Vec::new(), Vec::new(), Vec::new());
        let mut left = planted;
        for i in 0..rows {
            let good = dice.roll(2) == 0;
            let chosen = !good && left > 0;
            left -= usize::from(chosen);
            let text = format!("{} and {}", sentence(&mut dice, good), sentence(&mut dice, good));
            texts.push(Some(if chosen { text + " qvorn" } else { text }));
            moods.push(Some(if good || chosen { "glad" } else { "sad" }.to_owned()));
            shops.push(Some(["north", "south"][i % 2].to_owned()));
        }
        table(&[("text", texts), ("mood", moods), ("shop", shops)])
    }

    fn input(data: &RecordBatch) -> InMemory {
        let files = vec![data.slice(0, data.num_rows() / 3), data.slice(data.num_rows() / 3, data.num_rows() - data.num_rows() / 3)];
        InMemory { files, shard_rows: 97, batch_rows: 40 }
    }

    fn measure(data: &RecordBatch) -> Report {
        let contract = crate::contract::parse::parse(None, CONTRACT).unwrap();
        slices(&contract, &input(data), &data.schema(), data.num_rows() as u64, &options()).unwrap()
    }

    #[test]
    fn parts_of_clean_reviews_raise_no_alarm() {
        let report = measure(&reviews(900, 0));
        let names: Vec<&str> = report.slices.iter().map(|s| s.slice.as_str()).collect();
        for name in
            ["all rows", "labels drawn anew", "short texts", "a tenth of the rows twice", "shop = north", "the smallest class at 1%"]
        {
            assert!(names.contains(&name), "{name} is not among {names:?}");
        }
        assert_eq!(report.slices.iter().map(|s| s.quarantined).sum::<u64>(), 0, "{report:?}");
        assert_eq!(report, measure(&reviews(900, 0)));
    }

    #[test]
    fn a_planted_trigger_is_counted_where_its_rows_are_and_not_under_new_labels() {
        let report = measure(&reviews(900, 60));
        let of = |name: &str| report.slices.iter().find(|s| s.slice == name).unwrap();
        assert_eq!(of("all rows").quarantined, 60);
        assert_eq!(of("labels drawn anew").quarantined, 0);
        assert_eq!(of("shop = south").rows, 450);
        assert!((of("all rows").worst - 60.0 / 900.0).abs() < 1e-12);
    }

    /// All rows that a part hands out, as (row, text, mood).
    fn handed(part: &Part<'_, InMemory>, columns: &[&str]) -> Vec<(RowId, Option<String>, Option<String>)> {
        let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
        let mut all = Vec::new();
        for shard in part.shards() {
            part.read(&shard, &columns, &mut |batch| {
                for i in 0..batch.rows() {
                    let cell = |n: &str| batch.column(n).and_then(|a| crate::batch::cell_text(a.as_ref(), i));
                    all.push((batch.row_id(i), cell("text"), cell("mood")));
                }
                Ok(())
            })
            .unwrap();
        }
        all
    }

    #[test]
    fn rows_of_a_part_are_numbered_without_gaps_whatever_columns_are_read() {
        let data = reviews(300, 0);
        let input = input(&data);
        let contract = crate::contract::parse::parse(None, CONTRACT).unwrap();
        let roles = Roles::resolve(&contract, &data.schema());
        let plan = Plan { seed: 3, rows: 300, memory: 1 << 30, false_alarms: 0.001, threads: 1 };
        let survey = Survey::of(&input, &data.schema(), &roles, &plan, &STOP).unwrap();
        let by = Deciding { text: Some("text"), label: Some("mood") };
        for kind in [Kind::Share(0.5), Kind::Twice(0.3), Kind::Drawn, Kind::Thin("sad".into(), 0.1)] {
            let part = cut(&input, &survey, &kind, &by, 11, &options()).unwrap();
            let all = handed(&part, &["text", "mood"]);
            assert_eq!(all.len() as u64, part.kept.all() + part.again.all());
            for source in 0..2 {
                let mut rows: Vec<u64> = all.iter().filter(|r| r.0.source == source).map(|r| r.0.row).collect();
                rows.sort_unstable();
                assert!(rows.iter().enumerate().all(|(i, r)| i as u64 == *r), "{rows:?}");
            }
            let moods = handed(&part, &["mood"]);
            assert!(all.iter().zip(&moods).all(|(a, b)| (a.0, &a.2) == (b.0, &b.2)));
        }
        let drawn = cut(&input, &survey, &Kind::Drawn, &by, 11, &options()).unwrap();
        let (was, is) = (handed(&cut(&input, &survey, &Kind::Whole, &by, 11, &options()).unwrap(), &["mood"]), handed(&drawn, &["mood"]));
        let moved = was.iter().zip(&is).filter(|(a, b)| a.2 != b.2).count();
        assert!((90..210).contains(&moved), "{moved} of 300 labels changed");
    }
}
