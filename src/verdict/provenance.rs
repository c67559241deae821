//! Where the rows of a suspect group come from: a poisoner writes through one account, one crawl, one
//! file, one afternoon. What the judging pass counts of the columns with the roles source, annotator
//! and time, of files and of runs of rows becomes a reason beside the group. It accuses nobody by itself.

use crate::batch::{Batch, Text};
use crate::contract::{Role, Roles};
use crate::detectors::unicode::label_text;
use crate::error::{Error, Result, group_digits};
use crate::source::Source;
use crate::stats::tails::ln_binomial_upper;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Schema};
use std::collections::{BTreeMap, HashMap};

/// Values of a column beyond which it names no origins.
const VALUES: usize = 1024;
/// Stretches that the rows of the dataset are divided into, in the order of its files.
const STRETCHES: u64 = 256;
/// Rows of a group below which nothing is said.
const LEAST: u64 = 8;
/// Share of a group that its origin must have, and how many times more than of all rows.
const MOST: f64 = 0.6;
const TIMES: f64 = 2.0;
/// `ln` of the chance, over all origins looked at, that rows drawn at random are as concentrated.
const CHANCE: f64 = -11.5;

/// A value, a day since 1970, or a stretch of rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Origin {
    Value(String),
    At(i64),
}

/// Rows by origin; `None` when a column has more values than are kept.
#[derive(Debug, Clone, PartialEq)]
struct Counted(Option<BTreeMap<Origin, u64>>);

impl Default for Counted {
    fn default() -> Self {
        Counted(Some(BTreeMap::new()))
    }
}

impl Counted {
    fn add(&mut self, origin: &Origin, n: u64) {
        let Some(map) = &mut self.0 else { return };
        if let Some(rows) = map.get_mut(origin) {
            *rows += n;
        } else if map.len() < VALUES {
            map.insert(origin.clone(), n);
        } else {
            self.0 = None;
        }
    }
    fn merge(&mut self, other: &Counted) {
        match &other.0 {
            None => self.0 = None,
            Some(map) => map.iter().for_each(|(origin, n)| self.add(origin, *n)),
        }
    }
}

/// What the rows of a dataset, or of a group, have for origins: one count per kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origins(Vec<Counted>);

impl Origins {
    pub fn merge(&mut self, other: &Origins) {
        self.0.resize(self.0.len().max(other.0.len()), Counted::default());
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| a.merge(b));
    }
}

/// Labels beyond which all rows together say what is usual.
const LABELS: usize = 64;

/// What is usual: the origins of all rows, and of those of each label.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usual {
    all: Origins,
    of: Option<BTreeMap<String, Origins>>,
    /// Whether `of` was given up.
    many: bool,
}

impl Usual {
    pub fn merge(&mut self, other: Usual) {
        self.all.merge(&other.all);
        self.many |= other.many;
        let of = self.of.get_or_insert_default();
        for (label, origins) in other.of.unwrap_or_default() {
            of.entry(label).or_default().merge(&origins);
        }
        self.bound();
    }
    fn bound(&mut self) {
        self.many |= self.of.as_ref().is_some_and(|of| of.len() > LABELS);
        if self.many {
            self.of = None;
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    /// A column of values.
    Column(String),
    /// A column of times, by day.
    Day(String),
    File,
    /// A run of rows.
    Stretch,
}

/// Which origins there are to look at.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    kinds: Vec<Kind>,
    label: Option<String>,
    files: Vec<String>,
    /// Rows before each file.
    before: Vec<u64>,
    rows: u64,
}

/// The origins of each row of a batch, one list per kind: indices into its distinct origins.
pub struct Traced(Vec<(Vec<Origin>, Vec<u32>)>);

impl Provenance {
    pub fn of(source: &Source, roles: &Roles) -> Provenance {
        let mut before = vec![0u64; source.files.len()];
        let mut rows = 0;
        for (file, before) in source.files.iter().zip(&mut before) {
            *before = rows;
            rows += file.rows;
        }
        Provenance::new(&source.schema, roles, source.files.iter().map(|f| f.relative.clone()).collect(), before, rows)
    }

    fn new(schema: &Schema, roles: &Roles, files: Vec<String>, before: Vec<u64>, rows: u64) -> Provenance {
        let mut kinds = Vec::new();
        let named = [Role::Source, Role::Annotator].into_iter().flat_map(|role| roles.all(role));
        kinds.extend(named.map(|name| Kind::Column(name.to_owned())));
        let dated = |name: &&str| {
            let field = schema.field_with_name(name);
            field.is_ok_and(|f| matches!(f.data_type(), DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)))
        };
        kinds.extend(roles.all(Role::Time).filter(dated).map(|name| Kind::Day(name.to_owned())));
        if files.len() > 1 {
            kinds.push(Kind::File);
        }
        kinds.push(Kind::Stretch);
        Provenance { kinds, label: roles.first(Role::Label).map(str::to_owned), files, before, rows }
    }

    pub fn columns(&self) -> Vec<String> {
        let of = |k: &Kind| match k {
            Kind::Column(name) | Kind::Day(name) => Some(name.clone()),
            Kind::File | Kind::Stretch => None,
        };
        self.kinds.iter().filter_map(of).chain(self.label.clone()).collect()
    }

    /// # Errors
    /// A column that cannot be read as text or as days.
    pub fn trace(&self, batch: &Batch) -> Result<Traced> {
        let rows = batch.rows();
        let traced = self.kinds.iter().map(|kind| match kind {
            Kind::Column(name) => values(batch.column(name), rows),
            Kind::Day(name) => days(batch.column(name), rows),
            Kind::File => {
                let file = self.files.get(batch.source() as usize).cloned().unwrap_or_default();
                Ok((vec![Origin::Value(file)], vec![0; rows]))
            }
            Kind::Stretch => {
                let first = self.before.get(batch.source() as usize).copied().unwrap_or(0) + batch.first_row();
                let at = |row: u64| u128::from(row) * u128::from(STRETCHES) / u128::from(self.rows.max(1));
                let from = at(first);
                let to = at(first + (rows as u64).saturating_sub(1));
                let origins = (from..=to).map(|i| Origin::At(i as i64)).collect();
                Ok((origins, (0..rows as u64).map(|i| (at(first + i) - from) as u32).collect()))
            }
        });
        traced.collect::<Result<_>>().map(Traced)
    }

    /// Counts every row of a batch.
    ///
    /// # Errors
    /// A label that has no text.
    pub fn count(&self, batch: &Batch, traced: &Traced, usual: &mut Usual) -> Result<()> {
        traced.count(0..batch.rows(), &mut usual.all);
        let Some(labels) = self.label.as_ref().and_then(|name| batch.column(name)).filter(|_| !usual.many) else { return Ok(()) };
        let labels = label_text(labels)?;
        let Some(labels) = Text::of(labels.as_ref()) else { return Ok(()) };
        let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for i in 0..batch.rows() {
            if let Some(label) = labels.get(i) {
                rows.entry(label).or_default().push(i);
            }
        }
        if rows.len() > LABELS {
            usual.many = true;
        } else {
            let of = usual.of.get_or_insert_default();
            for (label, rows) in rows {
                if !of.contains_key(label) {
                    of.insert(label.to_owned(), Origins::default());
                }
                if let Some(origins) = of.get_mut(label) {
                    traced.count(rows.iter().copied(), origins);
                }
            }
        }
        usual.bound();
        Ok(())
    }

    /// What a person should know about where these rows come from. `redact`: no cell's text.
    pub fn reasons(&self, group: &Origins, label: Option<&str>, usual: &Usual, redact: bool) -> Vec<String> {
        let own = label.and_then(|l| usual.of.as_ref()?.get(l));
        let (all, whose) = own.map_or((&usual.all, ""), |own| (own, " with this label"));
        let each = self.kinds.iter().zip(&group.0).zip(&all.0);
        each.filter_map(|((kind, group), all)| {
            let (group, all) = (group.0.as_ref()?, all.0.as_ref()?);
            match kind {
                Kind::Column(_) | Kind::File => {
                    let found = value_of(group, all)?;
                    let Origin::Value(value) = &found.origins.0 else { return None };
                    let value: String = value.chars().take(80).collect();
                    Some(match kind {
                        Kind::File => format!("{} lie in {value}, {}", found.rows(), found.usual(whose)),
                        _ if redact => format!("{} have one value of {}, {}", found.rows(), kind.name(), found.usual(whose)),
                        _ => format!("{} have {} {value:?}, {}", found.rows(), kind.name(), found.usual(whose)),
                    })
                }
                Kind::Day(name) => {
                    let found = window_of(group, all)?;
                    let (Origin::At(from), Origin::At(to)) = &found.origins else { return None };
                    let to = if from == to { String::new() } else { format!(" to {}", date(*to)) };
                    Some(format!("{} have {name} {}{to}, {}", found.rows(), date(*from), found.usual(whose)))
                }
                Kind::Stretch => {
                    let found = window_of(group, all)?;
                    let (Origin::At(from), Origin::At(to)) = &found.origins else { return None };
                    let row = |i: i64| (i.max(0) as u64).saturating_mul(self.rows).div_ceil(STRETCHES);
                    let (from, to) = (row(*from), row(to + 1).saturating_sub(1));
                    let to_the = if self.files.len() > 1 { " of all files in a row" } else { "" };
                    let run = format!("between rows {} and {}{to_the}", group_digits(from), group_digits(to));
                    Some(format!("{} lie {run}, {}", found.rows(), found.usual(whose)))
                }
            }
        })
        .collect()
    }
}

impl Kind {
    fn name(&self) -> &str {
        match self {
            Kind::Column(name) | Kind::Day(name) => name,
            Kind::File | Kind::Stretch => "",
        }
    }
}

impl Traced {
    /// Counts these rows of the batch.
    pub fn count(&self, rows: impl Iterator<Item = usize> + Clone, into: &mut Origins) {
        into.0.resize(into.0.len().max(self.0.len()), Counted::default());
        for ((origins, index), counted) in self.0.iter().zip(&mut into.0) {
            let mut n = vec![0u64; origins.len()];
            rows.clone().for_each(|row| n[index[row] as usize] += 1);
            origins.iter().zip(n).filter(|(_, n)| *n > 0).for_each(|(origin, n)| counted.add(origin, n));
        }
    }
}

fn values(column: Option<&ArrayRef>, rows: usize) -> Result<(Vec<Origin>, Vec<u32>)> {
    let texts = column.map(|c| if c.data_type().is_string() { Ok(c.clone()) } else { cast(c, &DataType::Utf8) }).transpose();
    // A nested column has no text: it names no origin.
    let Ok(Some(texts)) = texts else { return Ok((vec![Origin::Value(String::new())], vec![0; rows])) };
    let texts = Text::of(texts.as_ref()).ok_or_else(|| Error::internal("text is not text"))?;
    let mut known: HashMap<&str, u32> = HashMap::new();
    let index = (0..rows).map(|i| {
        let next = known.len() as u32;
        *known.entry(texts.get(i).unwrap_or("")).or_insert(next)
    });
    let index: Vec<u32> = index.collect();
    let mut origins = vec![Origin::At(0); known.len()];
    known.into_iter().for_each(|(text, i)| origins[i as usize] = Origin::Value(text.to_owned()));
    Ok((origins, index))
}

fn days(column: Option<&ArrayRef>, rows: usize) -> Result<(Vec<Origin>, Vec<u32>)> {
    let Some(column) = column else { return Ok((vec![Origin::At(0)], vec![0; rows])) };
    let dates = cast(column, &DataType::Date32).map_err(Error::internal)?;
    let dates = dates.as_primitive::<Date32Type>();
    let mut known: HashMap<i64, u32> = HashMap::new();
    let index = (0..rows).map(|i| {
        let day = if dates.is_null(i) { i64::MIN } else { i64::from(dates.value(i)) };
        let next = known.len() as u32;
        *known.entry(day).or_insert(next)
    });
    let index: Vec<u32> = index.collect();
    let mut origins = vec![Origin::At(0); known.len()];
    known.into_iter().for_each(|(day, i)| origins[i as usize] = Origin::At(day));
    Ok((origins, index))
}

fn date(day: i64) -> String {
    let epoch = chrono::NaiveDate::default();
    let date = chrono::TimeDelta::try_days(day).and_then(|days| epoch.checked_add_signed(days));
    date.map_or_else(|| "unknown".to_owned(), |d| d.to_string())
}

/// `k` of the group's `n` rows, where a share `p` of all rows is.
struct Found<'a> {
    origins: (&'a Origin, &'a Origin),
    k: u64,
    n: u64,
    p: f64,
}

impl Found<'_> {
    fn rows(&self) -> String {
        if self.k == self.n {
            return format!("all {} of its rows", group_digits(self.n));
        }
        format!("{} of its {} rows", group_digits(self.k), group_digits(self.n))
    }
    fn usual(&self, whose: &str) -> String {
        format!("as do {:.1}% of all rows{whose}", 100.0 * self.p)
    }
    /// `tried`: origins that could have been this one.
    fn is_told(&self, tried: f64) -> bool {
        let share = self.k as f64 / self.n as f64;
        self.n >= LEAST
            && share >= MOST
            && share >= TIMES * self.p
            && ln_binomial_upper(self.k, self.n, self.p) + tried.max(1.0).ln() <= CHANCE
    }
}

fn value_of<'a>(group: &'a BTreeMap<Origin, u64>, all: &BTreeMap<Origin, u64>) -> Option<Found<'a>> {
    let (n, rows) = (group.values().sum(), all.values().sum::<u64>());
    let (origin, &k) = group.iter().max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)))?;
    let p = *all.get(origin)? as f64 / rows.max(1) as f64;
    Some(Found { origins: (origin, origin), k, n, p }).filter(|f| f.is_told(all.len() as f64))
}

/// The window of days or stretches with the fewest rows of the dataset that holds nine tenths of the group.
fn window_of<'a>(group: &'a BTreeMap<Origin, u64>, all: &BTreeMap<Origin, u64>) -> Option<Found<'a>> {
    let (n, rows) = (group.values().sum::<u64>(), all.values().sum::<u64>());
    let wanted = (n * 9).div_ceil(10).max(1);
    let places: Vec<(&Origin, u64)> = group.iter().map(|(o, k)| (o, *k)).collect();
    // Rows of the dataset up to and including each of these places.
    let mut upto = 0;
    let mut all_of = all.iter().peekable();
    let mut sums = Vec::with_capacity(places.len());
    for (origin, _) in &places {
        let mut at = 0;
        while let Some((_, rows)) = all_of.next_if(|(o, _)| o <= origin) {
            at = *rows;
            upto += rows;
        }
        sums.push((upto - at, upto));
    }
    let mut best: Option<(u64, usize, usize, u64)> = None;
    let (mut to, mut k) = (0, 0);
    for from in 0..places.len() {
        while to < places.len() && k < wanted {
            k += places[to].1;
            to += 1;
        }
        if k < wanted {
            break;
        }
        let size = sums[to - 1].1 - sums[from].0;
        if best.is_none_or(|b| size < b.0) {
            best = Some((size, from, to - 1, k));
        }
        k -= places[from].1;
    }
    let (size, from, to, k) = best?;
    let p = size as f64 / rows.max(1) as f64;
    let tried = (all.len() * (all.len() + 1) / 2) as f64;
    Some(Found { origins: (places[from].0, places[to].0), k, n, p }).filter(|f| f.is_told(tried))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, RecordBatch, StringArray, TimestampSecondArray};
    use std::sync::Arc;

    const ROWS: usize = 4000;

    /// Rows whose account, time and label are as usual but for what `of` says; `None`: as usual.
    fn data(of: impl Fn(usize) -> Option<(&'static str, i64)>) -> RecordBatch {
        let mut dice = crate::detectors::harness::Dice::new(1);
        let mut usual = || (["anna", "bert", "carl", "dora", "emil"][dice.roll(5)], dice.roll(300) as i64 * 86_400);
        let rows: Vec<(&str, i64)> = (0..ROWS).map(|i| (usual(), of(i))).map(|(usual, own)| own.unwrap_or(usual)).collect();
        let names: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.0)));
        let times: ArrayRef = Arc::new(TimestampSecondArray::from_iter_values(rows.iter().map(|r| r.1)));
        let label: ArrayRef = Arc::new(Int64Array::from_iter_values((0..ROWS as i64).map(|i| i % 2)));
        RecordBatch::try_from_iter([("by", names), ("at", times), ("label", label)]).unwrap()
    }

    fn reasons_of(data: &RecordBatch, group: &[usize], label: Option<&str>, step: usize, redact: bool) -> Vec<String> {
        let contract = "taster: 1\ncolumns:\n  by: {role: annotator}\n  at: {role: time}\n  label: {role: label}\n";
        let contract = crate::contract::parse::parse(None, contract).unwrap();
        let roles = Roles::resolve(&contract, &data.schema());
        let provenance = Provenance::new(&data.schema(), &roles, vec!["a".into()], vec![0], ROWS as u64);
        assert_eq!(provenance.columns(), ["by", "at", "label"]);
        let parts = (0..ROWS).step_by(step).map(|from| {
            let len = step.min(ROWS - from);
            let batch = Batch::new(data.slice(from, len), 0, from as u64);
            let traced = provenance.trace(&batch).unwrap();
            let (mut usual, mut seen) = (Usual::default(), Origins::default());
            provenance.count(&batch, &traced, &mut usual).unwrap();
            let rows: Vec<usize> = group.iter().filter(|&&r| (from..from + len).contains(&r)).map(|r| r - from).collect();
            traced.count(rows.into_iter(), &mut seen);
            (usual, seen)
        });
        let (mut usual, mut seen) = (Usual::default(), Origins::default());
        let parts: Vec<_> = parts.collect();
        for (u, s) in parts.into_iter().rev() {
            usual.merge(u);
            seen.merge(&s);
        }
        provenance.reasons(&seen, label, &usual, redact)
    }

    /// Rows 3, 103, 203 … are the group.
    fn group() -> Vec<usize> {
        (0..40).map(|i| i * 100 + 3).collect()
    }

    #[test]
    fn rows_of_one_account_and_of_a_few_days_are_named_whatever_the_split() {
        let data = data(|i| (i % 100 == 3).then_some(("mallory", (200 + i as i64 % 3) * 86_400)));
        let reasons = reasons_of(&data, &group(), Some("1"), ROWS, false);
        assert_eq!(reasons[0], "all 40 of its rows have by \"mallory\", as do 2.0% of all rows with this label");
        assert!(reasons[1].starts_with("all 40 of its rows have at 1970-07-20 to 1970-07-22, as do "), "{reasons:?}");
        assert_eq!(reasons.len(), 2);
        for step in [333, 7] {
            assert_eq!(reasons_of(&data, &group(), Some("1"), step, false), reasons);
        }
        let hidden = reasons_of(&data, &group(), Some("1"), ROWS, true);
        assert!(hidden[0].contains("have one value of by,"), "{hidden:?}");
    }

    #[test]
    fn a_run_of_rows_is_named() {
        let run: Vec<usize> = (0..40).map(|i| 1000 + i * 3).collect();
        let reasons = reasons_of(&data(|_| None), &run, None, 500, false);
        assert_eq!(reasons.len(), 1);
        assert!(reasons[0].contains("rows lie between rows 1,000 and 1,1"), "{reasons:?}");
    }

    #[test]
    fn rows_from_everywhere_small_groups_and_the_usual_account_are_not_remarked_on() {
        assert!(reasons_of(&data(|_| None), &group(), Some("1"), 500, false).is_empty());
        let few = data(|i| (i % 100 == 3).then_some(("mallory", 200 * 86_400)));
        assert!(reasons_of(&few, &group()[..7], Some("1"), 500, false).is_empty());
        let everybody = data(|_| Some(("anna", 0)));
        assert!(reasons_of(&everybody, &group(), Some("1"), 500, false).is_empty());
    }

    #[test]
    fn a_group_of_one_label_is_held_against_the_rows_of_that_label() {
        // Rows sorted by label: every group of one label lies in half of the rows.
        let n = ROWS as i64;
        let label: ArrayRef = Arc::new(Int64Array::from_iter_values((0..n).map(|i| i * 4 / n)));
        let plain = data(|_| None);
        let sorted =
            RecordBatch::try_from_iter([("by", plain.column(0).clone()), ("at", plain.column(1).clone()), ("label", label)]).unwrap();
        let last: Vec<usize> = (0..40).map(|i| 3000 + i * 25).collect();
        assert!(reasons_of(&sorted, &last, Some("3"), 500, false).is_empty());
        assert_eq!(reasons_of(&sorted, &last, None, 500, false).len(), 1);
    }

    #[test]
    fn a_column_with_too_many_values_names_no_origin() {
        let ids: ArrayRef =
            Arc::new(StringArray::from_iter_values((0..ROWS).map(|i| if i % 100 == 3 { "m".into() } else { format!("{i}") })));
        let plain = data(|_| None);
        let many = RecordBatch::try_from_iter([("by", ids), ("at", plain.column(1).clone()), ("label", plain.column(2).clone())]).unwrap();
        assert!(reasons_of(&many, &group(), Some("1"), 100, false).is_empty());
    }
}
