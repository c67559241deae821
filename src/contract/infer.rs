//! A first contract, written from the data: what `taster init` prints. The data it was made from
//! passes it, so every bound has slack and nothing is demanded that was not seen to hold. What was
//! seen stands in a comment beside each column, and a guessed role says that it is a guess.
//!
//! Names and values come from the data and may hold anything. They are quoted so that YAML reads
//! back the same characters, names are written so that no `*` in them becomes a pattern, and none
//! of them reaches a comment, where a line break would end it.

use super::guess::{self, Guess};
use super::seen::{MAX_DISTINCT, Seen, look, unique_pairs};
use super::yaml::{entry, literal_name, scalar};
use super::{Role, slack, types};
use crate::error::{Result, group_digits, plural};
use arrow::datatypes::{DataType, SchemaRef};
use std::fmt::Write as _;

/// Categories longer than this are left to the author.
const MAX_ALLOWED: usize = 20;
/// A class list is written out further, since a label's values matter most.
const MAX_CLASSES: usize = 100;
/// With fewer rows, that no value comes twice may be chance.
const FEWEST_KEYS: u64 = 100;
/// Pairs of columns that are tried as a key: each costs a set of all rows.
const MAX_PAIRS: usize = 6;
/// Classes with fewer rows may be gone from the next delivery without anything being wrong.
const FEWEST_OF_A_CLASS: u64 = 20;

/// What the contract says about itself.
#[derive(Debug, Clone, Default)]
pub struct About {
    pub name: String,
    /// Paths and globs, already relative to the folder the contract will live in.
    pub data: Vec<String>,
    /// Folders that hold data outside the contract's own, relative to it.
    pub roots: Vec<String>,
}

/// A rule that holds later data against a profile of this one.
#[derive(Debug, Clone)]
pub struct Drift {
    /// The profile, relative to the folder the contract will live in.
    pub baseline: String,
    pub columns: Vec<String>,
    /// Bound of the population stability index, nats.
    pub max: f64,
}

/// The role of a column, by its name.
pub type RoleOf<'a> = dyn Fn(&str) -> Option<Role> + 'a;

/// Reads the data once and writes a contract that it passes. `drift` is asked once the roles are guessed.
pub fn contract(
    input: &impl crate::engine::Input,
    schema: &SchemaRef,
    about: &About,
    drift: impl FnOnce(&RoleOf<'_>) -> Result<Option<Drift>>,
) -> Result<String> {
    let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
    let seen = look(input, &names)?;
    let columns: Vec<Column<'_>> = schema.fields().iter().zip(&seen).map(|(f, s)| (f.name().as_str(), f.data_type(), s)).collect();
    let guesses = guess::roles(&columns);
    let pairs = candidates(&columns, &guesses);
    let unique = unique_pairs(input, &pairs)?;
    let key = pairs.into_iter().zip(unique).find(|(_, unique)| *unique).map(|(pair, _)| pair);
    let role = |name: &str| columns.iter().zip(&guesses).find(|(c, _)| c.0 == name).and_then(|(_, g)| g.map(|(role, _)| role));
    let drift = drift(&role)?;
    Ok(write(&columns, &guesses, key, drift.as_ref(), about))
}

/// Name, type and what was seen.
type Column<'a> = (&'a str, &'a DataType, &'a Seen);

/// Pairs that may be a key where no column is one: something called an id, which repeats, beside what
/// it may be counted within.
fn candidates(columns: &[Column<'_>], guesses: &[Option<Guess>]) -> Vec<(String, String)> {
    let simple = |(_, t, s): &Column<'_>| s.present() >= FEWEST_KEYS && s.nulls == 0 && (t.is_integer() || s.lengths.is_some());
    if columns.iter().zip(guesses).any(|(c, g)| is_key(c, *g)) {
        return Vec::new();
    }
    let ids = columns.iter().filter(|c| simple(c) && guess::names_a_key(c.0));
    let within = |c: &&Column<'_>| simple(c) && (guess::names_a_key(c.0) || c.2.values().is_some());
    let pairs = ids.flat_map(|id| columns.iter().filter(within).filter(|c| c.0 != id.0).map(|c| (c.0.to_owned(), id.0.to_owned())));
    let mut out: Vec<(String, String)> = Vec::new();
    for (a, b) in pairs {
        if !out.iter().any(|(x, y)| (x, y) == (&a, &b) || (x, y) == (&b, &a)) && out.len() < MAX_PAIRS {
            out.push((a, b));
        }
    }
    out
}

/// Whether no value repeats by rule rather than by chance: it is called an id or looks like one.
fn is_key((name, type_, seen): &Column<'_>, guess: Option<Guess>) -> bool {
    if !seen.is_unique() || seen.nulls > 0 {
        return false;
    }
    let role = guess.map(|(role, _)| role);
    let plain = type_.is_integer() || seen.lengths.is_some();
    let named = plain && (guess::names_a_key(name) || seen.shape.pattern().is_some_and(|(_, known)| known == Some("a UUID")));
    role == Some(Role::Id) || (named && role.is_none() && seen.present() >= FEWEST_KEYS)
}

/// A contract that says nothing but the roles that were guessed: what `check` works with when
/// there is no other.
pub fn roles_only(input: &impl crate::engine::Input, schema: &SchemaRef) -> Result<super::Contract> {
    let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
    let seen = look(input, &names)?;
    let columns: Vec<(&str, &DataType, &Seen)> =
        schema.fields().iter().zip(&seen).map(|(f, s)| (f.name().as_str(), f.data_type(), s)).collect();
    let mut contract = super::parse::parse(None, "taster: 1\n")?;
    contract.inferred = true;
    for ((name, ..), guess) in columns.iter().zip(guess::roles(&columns)) {
        if let Some((role, _)) = guess {
            contract.columns.push(super::ColumnSpec::guessed((*name).to_owned(), role));
        }
    }
    Ok(contract)
}

fn write(columns: &[Column<'_>], guesses: &[Option<Guess>], key: Option<(String, String)>, drift: Option<&Drift>, about: &About) -> String {
    let rows = columns.first().map_or(0, |c| c.2.rows);
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line("# Written by `taster init` from the data below, which passes it. Bounds have slack, roles are".into());
    line("# guesses: read it once, correct what is wrong, tighten what you know.".into());
    line("taster: 1".into());
    line(format!("name: {}", scalar(&about.name)));
    line("version: 0.1.0".into());
    if !about.data.is_empty() {
        let list = |paths: &[String]| paths.iter().map(|d| scalar(d)).collect::<Vec<_>>().join(", ");
        line(format!("data: [{}]", list(&about.data)));
        if !about.roots.is_empty() {
            line("# What this contract may read; without this line its own folder alone.".into());
            line(format!("roots: [{}]", list(&about.roots)));
        }
    }
    line(String::new());
    line("columns:".into());
    for (column, guess) in columns.iter().zip(guesses) {
        line(format!("  # {}", comment(column, *guess)));
        line(entry("  ", &literal_name(column.0), &body(column, *guess)));
    }
    line("# A column that is not named above is a warning; `forbid` makes it an error, `allow` is silent.".into());
    line("extra_columns: warn".into());

    line(String::new());
    line("rules:".into());
    line(format!("  # {} seen. Half of them is taken for a truncated file.", plural(rows as usize, "row")));
    line(format!("  - rows: {{min: {}}}", (rows / 2).max(1)));
    if let Some((a, b)) = key {
        line("  # Neither of the two is a key; together no pair of values comes twice.".into());
        line(format!("  - unique: [{}, {}]", scalar(&a), scalar(&b)));
    }
    if let Some((least, most, total)) = classes(columns, guesses) {
        let share = |n: u64| n as f64 / total as f64 * 100.0;
        let mut bounds = Vec::new();
        // Half of the smallest class, a fifth more than the largest.
        let min = (share(least) / 2.0 * 100.0).floor() / 100.0;
        if least >= FEWEST_OF_A_CLASS && min > 0.0 {
            bounds.push(format!("min: {min}%"));
        }
        let max = (share(most) * 1.2 + 5.0).ceil().min(99.0);
        if share(most) < max {
            bounds.push(format!("max: {max}%"));
        }
        if !bounds.is_empty() {
            let (least, most) = (share(least), share(most));
            line(format!("  # The smallest class has {least:.2}% of the rows with a label, the largest {most:.1}%."));
            line(format!("  - label_share: {{{}}}", bounds.join(", ")));
        }
    }
    if let Some(Drift { baseline, columns, max }) = drift {
        let names = columns.iter().map(|c| scalar(c)).collect::<Vec<_>>().join(", ");
        line("  # The columns with rows enough to tell a drift of this size from chance.".into());
        line(format!("  - drift: {{columns: [{names}], baseline: {}, statistic: psi, max: {max}}}", scalar(baseline)));
    }
    line(String::new());
    line("# Every detector whose roles are given above; the share of clean rows you are ready to lose.".into());
    line("poisoning:".into());
    line("  detectors: default".into());
    line("  false_alarms: 0.1%".into());
    out
}

/// Rows of the smallest and of the largest class, and all rows with a label.
fn classes(columns: &[Column<'_>], guesses: &[Option<Guess>]) -> Option<(u64, u64, u64)> {
    let label = guesses.iter().position(|g| matches!(g, Some((Role::Label, _))))?;
    let seen = columns[label].2;
    let (least, most, n) = match seen.values().filter(|v| !v.is_empty()) {
        Some(values) => (*values.values().min()?, *values.values().max()?, values.len()),
        None if seen.truths > 0 && seen.truths < seen.present() => {
            let lies = seen.present() - seen.truths;
            (seen.truths.min(lies), seen.truths.max(lies), 2)
        }
        None => return None,
    };
    (n > 1).then_some((least, most, seen.present()))
}

fn comment((_, type_, seen): &Column<'_>, guess: Option<Guess>) -> String {
    let mut parts = vec![plural(seen.present() as usize, "value")];
    parts.push(match seen.nulls {
        0 => "no null".into(),
        n => plural(n as usize, "null"),
    });
    if seen.nan > 0 {
        parts.push(format!("{} NaN", group_digits(seen.nan)));
    }
    if seen.infinite > 0 {
        parts.push(format!("{} infinite", group_digits(seen.infinite)));
    }
    if seen.is_unique() && seen.present() > 1 {
        parts.push("all distinct".into());
    } else if let Some(n) = seen.distinct() {
        parts.push(format!("{} distinct", group_digits(n as u64)));
    } else if seen.present() > 0 && (seen.lengths.is_some() || seen.ints.is_some()) {
        parts.push(format!("more than {} distinct", group_digits(MAX_DISTINCT as u64)));
    }
    if let Some((lo, hi)) = seen.ints {
        parts.push(format!("{lo} to {hi}"));
    }
    if let Some((lo, hi)) = seen.floats {
        parts.push(format!("{lo:?} to {hi:?}"));
    }
    if let Some((lo, hi)) = seen.times {
        parts.push(format!("{} to {}", slack::moment(lo, type_), slack::moment(hi, type_)));
    }
    if matches!(type_, DataType::Boolean) && seen.present() > 0 {
        parts.push(format!("{} true", group_digits(seen.truths)));
    }
    if let Some((lo, hi)) = seen.lengths {
        parts.push(format!("{lo} to {hi} characters"));
    }
    if let Some((_, Some(known))) = seen.shape.pattern() {
        parts.push(format!("each {known}"));
    }
    if matches!(type_, DataType::Null) {
        parts.push("no type in the data".into());
    }
    let mut text = parts.join(", ");
    if let Some((role, why)) = guess {
        let _ = write!(text, ". Role `{}` is a guess {why}", role.as_str());
    }
    text
}

fn body(column: &Column<'_>, guess: Option<Guess>) -> String {
    let (_, type_, seen) = *column;
    let mut parts = Vec::new();
    // What the contract cannot name, or cannot read back as the same type, stays unchecked.
    let name = types::name(type_);
    let declarable = !matches!(type_, DataType::Null)
        && matches!(types::parse(&name), Ok(super::LogicalType::Exact(parsed)) if types::same(&parsed, type_));
    if declarable {
        parts.push(format!("type: {}", scalar(&name)));
    }
    let role = guess.map(|(role, _)| role);
    if let Some(role) = role {
        parts.push(format!("role: {}", role.as_str()));
    }
    if seen.present() > 0 && seen.nulls == 0 {
        parts.push("required: true".into());
    }
    if is_key(column, guess) {
        parts.push("unique: true".into());
    }
    let prose = matches!(role, Some(Role::Text | Role::Prompt | Role::Response | Role::Chosen | Role::Rejected));
    if let Some(allowed) = allowed(seen, role) {
        parts.push(format!("allowed: [{}]", allowed.iter().map(|v| scalar(v)).collect::<Vec<_>>().join(", ")));
    } else if let Some((lo, hi)) = seen.lengths.filter(|_| declarable) {
        // An empty string is allowed only where one was seen; the longest gets half as much again.
        let min = if lo > 0 { "min: 1, " } else { "" };
        parts.push(format!("length: {{{min}max: {}}}", slack::round_up(hi + hi / 2)));
        if let Some((pattern, _)) = seen.shape.pattern().filter(|_| !prose) {
            parts.push(format!("pattern: {}", scalar(&pattern)));
        }
    } else if declarable && let Some((lo, hi)) = range(seen, type_, role) {
        parts.push(format!("range: {{min: {lo}, max: {hi}}}"));
    }
    format!("{{{}}}", parts.join(", "))
}

/// Bounds for what is measured; an id or a label is none.
fn range(seen: &Seen, type_: &DataType, role: Option<Role>) -> Option<(String, String)> {
    let measured = role.is_none_or(|r| matches!(r, Role::Feature | Role::Weight | Role::Time));
    if !measured {
        return None;
    }
    let ints = || seen.ints.and_then(|r| slack::ints(r, type_)).map(|(a, b)| (a.to_string(), b.to_string()));
    let floats = || {
        let (a, b) = seen.floats.filter(|_| seen.nan == 0 && seen.infinite == 0).and_then(|r| slack::floats(r, type_))?;
        Some((format!("{a:?}"), format!("{b:?}")))
    };
    let decimals = || seen.decimals.and_then(|r| slack::decimals(r, type_));
    let times = || seen.times.and_then(|r| slack::times(r, type_)).map(|(a, b)| (scalar(&a), scalar(&b)));
    ints().or_else(floats).or_else(decimals).or_else(times)
}

/// The values to list: of a label or split always, of another string column when each comes back
/// often enough to look like a closed set.
fn allowed(seen: &Seen, role: Option<Role>) -> Option<Vec<&str>> {
    let values = seen.values()?;
    let closed = match role {
        Some(Role::Label | Role::Split) => values.len() <= MAX_CLASSES,
        Some(Role::Source) | None => seen.lengths.is_some() && values.len() <= MAX_ALLOWED && seen.present() >= 10 * values.len() as u64,
        _ => false,
    };
    let short = values.keys().all(|v| v.chars().count() <= 60);
    (closed && short && !values.is_empty()).then(|| values.keys().map(String::as_str).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::memory::InMemory;
    use arrow::array::{ArrayRef, Float64Array, Int8Array, Int64Array, RecordBatch, StringArray};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn infer(columns: Vec<(&str, ArrayRef)>) -> String {
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let schema = batch.schema();
        let about = About { name: "a: b".into(), data: vec!["x.parquet".into()], roots: Vec::new() };
        contract(&InMemory::new(vec![batch]), &schema, &about, |_| Ok(None)).expect("rows in memory can be read")
    }
    fn parsed(text: &str) -> crate::contract::Contract {
        crate::contract::parse::parse(None, text).unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    #[test]
    fn hostile_names_and_values_come_back_as_they_are() {
        let names = [
            "a: b",
            "no",
            "null",
            "tab\there",
            "line\nbreak",
            "quo'te\"s",
            "- dash",
            "# hash",
            "{x}",
            "\u{202e}rtl",
            "émoji 🧪",
            "012",
            "~",
            "&a",
            "%",
        ];
        let values: ArrayRef = Arc::new(StringArray::from_iter_values((0..200).map(|i| names[i % names.len()])));
        let text = infer(names.iter().map(|n| (*n, values.clone())).collect());
        let contract = parsed(&text);
        for name in names {
            let spec = contract.specs_for(name).next().unwrap_or_else(|| panic!("{name:?} is not in\n{text}"));
            let mut allowed: Vec<&str> = spec.allowed.as_ref().expect("few values").value.iter().map(|s| s.text.as_str()).collect();
            allowed.sort_unstable();
            let mut wanted = names;
            wanted.sort_unstable();
            assert_eq!(allowed, wanted);
        }
    }

    #[test]
    fn a_star_in_a_name_is_no_pattern() {
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let text = infer(vec![("a*", ints.clone()), ("ab", ints.clone()), ("x[0]", ints.clone()), ("w\\*{1}", ints)]);
        let contract = parsed(&text);
        for name in ["a*", "ab", "x[0]", "w\\*{1}"] {
            assert_eq!(contract.specs_for(name).count(), 1, "{name}\n{text}");
        }
        assert_eq!(contract.specs_for("ac").count(), 0);
    }

    #[test]
    fn nan_leaves_a_column_without_a_range() {
        let with: ArrayRef = Arc::new(Float64Array::from(vec![1.0, f64::NAN]));
        let without: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 2.0]));
        let contract = parsed(&infer(vec![("with", with), ("without", without)]));
        assert!(contract.specs_for("with").next().expect("declared").range.is_none());
        assert!(contract.specs_for("without").next().expect("declared").range.is_some());
    }

    #[test]
    fn a_range_stays_within_its_type() {
        let edge: ArrayRef = Arc::new(Int8Array::from(vec![100, i8::MAX]));
        let whole: ArrayRef = Arc::new(Int8Array::from(vec![i8::MIN, i8::MAX]));
        let text = infer(vec![("edge", edge), ("whole", whole)]);
        assert!(text.contains("edge: {type: int8, required: true, range: {min: 88, max: 127}}"), "{text}");
        assert!(text.contains("whole: {type: int8, required: true}"), "{text}");
    }

    #[test]
    fn nothing_is_demanded_of_an_all_null_column() {
        let nulls: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>; 3]));
        let text = infer(vec![("empty", nulls)]);
        assert!(text.contains("empty: {type: string}"), "{text}");
    }

    #[test]
    fn a_long_name_is_still_a_key() {
        let name = "n".repeat(3_000);
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        assert_eq!(parsed(&infer(vec![(&name, ints)])).specs_for(&name).count(), 1);
    }

    /// Nothing in the contract fails on the data it was made from, can never fail, or is in doubt.
    fn holds(columns: Vec<(&str, ArrayRef)>) -> Result<(), String> {
        use crate::engine::{Engine, Silent};
        use crate::rule::{Context, Plan, Status};
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let schema = batch.schema();
        let about = About { name: "x".into(), data: Vec::new(), roots: Vec::new() };
        let input = InMemory { shard_rows: 7, batch_rows: 5, ..InMemory::new(vec![batch]) };
        let text = contract(&input, &schema, &about, |_| Ok(None)).map_err(|e| e.to_string())?;
        let told = |what: &dyn std::fmt::Debug| format!("{what:?}\n{text}");
        let contract = crate::contract::parse::parse(None, &text).map_err(|e| told(&e))?;
        let (errors, warnings) = crate::contract::bind::bind(&contract, &schema);
        if !(errors.is_empty() && warnings.is_empty() && contract.warnings.is_empty()) {
            return Err(told(&(errors, warnings, contract.warnings)));
        }
        let roles = crate::contract::Roles::resolve(&contract, &schema);
        let plan = Plan { seed: 1, rows: input.rows(), memory: 1 << 20, false_alarms: 0.001, threads: 1 };
        let ctx = Context { contract: &contract, schema: &schema, roles: &roles, plan: &plan, now: chrono::Utc::now() };
        let stop = std::sync::atomic::AtomicBool::new(false);
        let engine = Engine::new(&input, &plan, &Silent, &stop).map_err(|e| e.to_string())?;
        for entry in crate::checks::REGISTRY {
            let built = (entry.build)(&ctx).map_err(|e| told(&e))?;
            let learned = engine.learn(&built.rules).map_err(|e| e.to_string())?;
            for outcome in built.settled.into_iter().chain(learned.into_iter().map(|l| l.outcome)) {
                if outcome.status != Status::Pass || outcome.failing > 0 {
                    return Err(told(&(outcome.title, outcome.status, outcome.message)));
                }
            }
        }
        Ok(())
    }

    #[test]
    fn keys_patterns_and_bounds_of_time_are_proposed() {
        let codes: ArrayRef = Arc::new(StringArray::from_iter_values((0..300).map(|i| format!("AB-{i:04}"))));
        let order: ArrayRef = Arc::new(Int64Array::from_iter_values((0..300).map(|i| i / 3)));
        let line: ArrayRef = Arc::new(Int8Array::from_iter_values((0..300).map(|i| (i % 3) as i8)));
        let day: ArrayRef = Arc::new(arrow::array::Date32Array::from_iter_values(20_000..20_300));
        let text = infer(vec![("code", codes), ("order_id", order), ("line", line), ("bought", day)]);
        assert!(text.contains(r"pattern: '^[A-Z]{2}\-[0-9]{4}$'"), "{text}");
        assert!(text.contains("unique: [line, order_id]"), "{text}");
        assert!(text.contains("bought: {type: date, required: true, range: {min: '2024-09-05', max: '2026-07-31'}}"), "{text}");
    }

    #[test]
    fn a_label_is_kept_in_balance_on_both_sides() {
        let label: ArrayRef = Arc::new(StringArray::from_iter_values((0..400).map(|i| if i % 4 == 0 { "pos" } else { "neg" })));
        let flag: ArrayRef = Arc::new(arrow::array::BooleanArray::from_iter((0..400).map(|i| Some(i % 10 == 0))));
        assert!(infer(vec![("label", label)]).contains("label_share: {min: 12.5%, max: 95%}"));
        assert!(infer(vec![("label", flag)]).contains("label_share: {min: 5%"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]
        #[test]
        fn data_passes_the_contract_made_from_it(
            rows in proptest::collection::vec((
                (proptest::option::weighted(0.9, any::<i64>()), any::<u8>(), proptest::option::of(any::<f32>())),
                (proptest::option::weighted(0.9, "[a-c]{1,2}-[0-9]{2}|\\PC{0,6}"), 0_u8..3, any::<bool>()),
                (any::<i32>(), any::<i64>(), any::<i128>(), proptest::option::weighted(0.2, any::<u64>())),
            ), 1..40), copies in 1_usize..4)
        {
            let n = rows.len() * copies;
            let row = |i: usize| &rows[i % rows.len()];
            let columns: Vec<(&str, ArrayRef)> = vec![
                ("id", Arc::new(Int64Array::from_iter((0..n).map(|i| row(i).0.0)))),
                ("small", Arc::new(arrow::array::UInt8Array::from_iter_values((0..n).map(|i| row(i).0.1)))),
                ("x", Arc::new(arrow::array::Float32Array::from_iter((0..n).map(|i| row(i).0.2)))),
                ("text", Arc::new(StringArray::from_iter((0..n).map(|i| row(i).1.0.clone())))),
                ("label", Arc::new(Int8Array::from_iter_values((0..n).map(|i| row(i).1.1 as i8)))),
                ("flag", Arc::new(arrow::array::BooleanArray::from_iter((0..n).map(|i| Some(row(i).1.2))))),
                ("day", Arc::new(arrow::array::Date32Array::from_iter_values((0..n).map(|i| row(i).2.0)))),
                ("at", Arc::new(arrow::array::TimestampMicrosecondArray::from_iter_values((0..n).map(|i| row(i).2.1)).with_timezone("UTC"))),
                ("price", Arc::new(arrow::array::Decimal128Array::from_iter_values((0..n).map(|i| row(i).2.2 % 10_i128.pow(12))).with_precision_and_scale(12, 2).unwrap())),
                ("big", Arc::new(arrow::array::UInt64Array::from_iter((0..n).map(|i| row(i).2.3)))),
                ("x*[1]", Arc::new(Int64Array::from_iter_values((0..n).map(|i| i as i64)))),
            ];
            if let Err(why) = holds(columns) {
                prop_assert!(false, "{}", why);
            }
        }
    }
}
