//! A first contract, written from the data: what `taster init` prints. The data it was made from
//! passes it, so every bound has slack and nothing is demanded that was not seen to hold. What was
//! seen stands in a comment beside each column, and a guessed role says that it is a guess.
//!
//! Names and values come from the data and may hold anything. They are quoted so that YAML reads
//! back the same characters, names are written so that no `*` in them becomes a pattern, and none
//! of them reaches a comment, where a line break would end it.

use super::Role;
use super::guess::{self, Guess};
use super::seen::{MAX_DISTINCT, Seen, look};
use super::types;
use crate::error::{Result, group_digits, plural};
use arrow::datatypes::{DataType, SchemaRef};
use std::fmt::Write as _;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Categories longer than this are left to the author.
const MAX_ALLOWED: usize = 20;
/// A class list is written out further, since a label's values matter most.
const MAX_CLASSES: usize = 100;
/// YAML reads a key on one line up to 1,024 characters.
const LONG_KEY: usize = 400;

/// What the contract says about itself.
#[derive(Debug, Clone, Default)]
pub struct About {
    pub name: String,
    /// Paths and globs, already relative to the folder the contract will live in.
    pub data: Vec<String>,
    /// Folders that hold data outside the contract's own, relative to it.
    pub roots: Vec<String>,
}

/// Reads the data once and writes a contract that it passes.
pub fn contract(input: &impl crate::engine::Input, schema: &SchemaRef, about: &About) -> Result<String> {
    let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
    let seen = look(input, &names)?;
    Ok(write(schema, &seen, about))
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

fn write(schema: &SchemaRef, seen: &[Seen], about: &About) -> String {
    let rows = seen.first().map_or(0, |s| s.rows);
    let columns: Vec<_> = schema.fields().iter().zip(seen).map(|(f, s)| (f.name().as_str(), f.data_type(), s)).collect();
    let guesses = guess::roles(&columns);

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
    for ((field, seen), guess) in schema.fields().iter().zip(seen).zip(&guesses) {
        line(format!("  # {}", comment(field.data_type(), seen, *guess)));
        let key = scalar(&literal_name(field.name()));
        let body = body(field.data_type(), seen, *guess);
        if key.len() > LONG_KEY {
            line(format!("  ? {key}"));
            line(format!("  : {body}"));
        } else {
            line(format!("  {key}: {body}"));
        }
    }
    line("# A column that is not named above is a warning; `forbid` makes it an error, `allow` is silent.".into());
    line("extra_columns: warn".into());

    line(String::new());
    line("rules:".into());
    line(format!("  # {} seen. Half of them is taken for a truncated file.", plural(rows as usize, "row")));
    line(format!("  - rows: {{min: {}}}", rows / 2));
    if let Some(share) = largest_class(seen, &guesses) {
        line(format!("  # The largest class has {:.1}% of the rows with a label.", share * 100.0));
        let max = (share * 100.0 * 1.2 + 5.0).ceil().min(99.0);
        if share * 100.0 < max {
            line(format!("  - label_share: {{max: {max}%}}"));
        }
    }
    line(String::new());
    line("# Every detector whose roles are given above; the share of clean rows you are ready to lose.".into());
    line("poisoning:".into());
    line("  detectors: default".into());
    line("  false_alarms: 0.1%".into());
    out
}

/// Share of the most frequent class among the rows with a label.
fn largest_class(seen: &[Seen], guesses: &[Option<Guess>]) -> Option<f64> {
    let label = guesses.iter().position(|g| matches!(g, Some((Role::Label, _))))?;
    let values = seen[label].values()?;
    let total: u64 = values.values().sum();
    let largest = values.values().max()?;
    (values.len() > 1).then(|| *largest as f64 / total as f64)
}

fn comment(type_: &DataType, seen: &Seen, guess: Option<Guess>) -> String {
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
    if let Some((lo, hi)) = seen.lengths {
        parts.push(format!("{lo} to {hi} characters"));
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

fn body(type_: &DataType, seen: &Seen, guess: Option<Guess>) -> String {
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
    if role == Some(Role::Id) && seen.is_unique() {
        parts.push("unique: true".into());
    }
    if let Some(allowed) = allowed(seen, role) {
        parts.push(format!("allowed: [{}]", allowed.iter().map(|v| scalar(v)).collect::<Vec<_>>().join(", ")));
    } else if let Some((lo, hi)) = seen.lengths.filter(|_| declarable) {
        // An empty string is allowed only where one was seen; the longest gets half as much again.
        parts.push(format!("length: {{min: {}, max: {}}}", lo.min(1), round_up(hi + hi / 2)));
    } else if role.is_none_or(|r| matches!(r, Role::Feature | Role::Weight)) && declarable {
        if let Some((lo, hi)) = seen.ints.and_then(|r| widen_ints(r, type_)) {
            parts.push(format!("range: {{min: {lo}, max: {hi}}}"));
        } else if let Some((lo, hi)) = seen.floats.filter(|_| seen.nan == 0 && seen.infinite == 0).and_then(|r| widen_floats(r, type_)) {
            parts.push(format!("range: {{min: {lo:?}, max: {hi:?}}}"));
        }
    }
    format!("{{{}}}", parts.join(", "))
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

/// A tenth of the span on both sides, but no negative minimum where none was seen, and never
/// beyond what the type holds. `None` when every value of the type would pass.
fn widen_ints((lo, hi): (i128, i128), type_: &DataType) -> Option<(i128, i128)> {
    let (least, most) = match types::unencoded(type_) {
        DataType::Int8 => (i128::from(i8::MIN), i128::from(i8::MAX)),
        DataType::Int16 => (i128::from(i16::MIN), i128::from(i16::MAX)),
        DataType::Int32 => (i128::from(i32::MIN), i128::from(i32::MAX)),
        DataType::UInt8 => (0, i128::from(u8::MAX)),
        DataType::UInt16 => (0, i128::from(u16::MAX)),
        DataType::UInt32 => (0, i128::from(u32::MAX)),
        DataType::UInt64 => (0, i128::from(u64::MAX)),
        _ => (i128::from(i64::MIN), i128::from(i64::MAX)),
    };
    let slack = ((hi - lo) / 10).max(hi.abs() / 10).max(1);
    let floor = if lo >= 0 { 0 } else { least };
    let (a, b) = ((lo - slack).max(floor), (hi + slack).min(most));
    (a > least || b < most).then_some((a, b))
}

/// The same for floats. `None` when the widened bound is no longer finite in the column's type.
fn widen_floats((lo, hi): (f64, f64), type_: &DataType) -> Option<(f64, f64)> {
    let most = match types::unencoded(type_) {
        DataType::Float16 => 65_504.0,
        DataType::Float32 => f64::from(f32::MAX),
        _ => f64::MAX,
    };
    let slack = ((hi - lo) * 0.1).max(hi.abs() * 0.1).max(f64::MIN_POSITIVE);
    let (a, b) = (tidy((lo - slack).min(lo), f64::floor), tidy((hi + slack).max(hi), f64::ceil));
    let a = if lo >= 0.0 { a.max(0.0) } else { a };
    (a.is_finite() && b.is_finite() && a.abs() <= most && b.abs() <= most && a <= lo && hi <= b).then_some((a, b))
}

/// Three significant digits, rounded outwards; unchanged where that would not be a number.
fn tidy(x: f64, round: impl Fn(f64) -> f64) -> f64 {
    if x == 0.0 {
        return 0.0;
    }
    let exponent = 2 - x.abs().log10().floor() as i32;
    let scale = 10f64.powi(exponent.abs());
    let y = if exponent >= 0 { round(x * scale) / scale } else { round(x / scale) * scale };
    // The product is off by a rounding error; its three digits are what a person would write.
    let written = format!("{y:.2e}").parse().unwrap_or(y);
    let outwards = |v: f64| v.is_finite() && (round(0.5) - 0.5) * (v - x) >= 0.0;
    [written, y].into_iter().find(|v| outwards(*v)).unwrap_or(x)
}

/// Two significant digits, upwards.
fn round_up(n: u64) -> u64 {
    let mut scale = 1;
    while n / scale >= 100 {
        scale *= 10;
    }
    n.div_ceil(scale).saturating_mul(scale).max(1)
}

/// A column's name as a key of `columns`: characters with a meaning in globs are put in a class of
/// their own, so that the entry stands for this column alone. A name without `*`, `?` and `[` is
/// read literally and stays as it is.
fn literal_name(name: &str) -> String {
    if !name.contains(['*', '?', '[']) {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len() + 8);
    for c in name.chars() {
        match c {
            '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!' => {
                let _ = write!(out, "[{c}]");
            }
            c => out.push(c),
        }
    }
    out
}

/// A YAML scalar that reads back as exactly these characters, in block and flow context alike.
/// Plain only for what no YAML reader takes for anything but a word; double-quoted with escapes
/// where a character cannot be seen.
pub fn scalar(text: &str) -> String {
    let mut chars = text.chars();
    let word = chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let number =
        !text.is_empty() && text.len() < 40 && text.bytes().all(|b| b.is_ascii_digit()) && !(text.len() > 1 && text.starts_with('0'));
    const SPOKEN_FOR: [&str; 13] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity", "none"];
    if (word && !SPOKEN_FOR.contains(&text.to_ascii_lowercase().as_str())) || number {
        return text.to_owned();
    }
    if text.chars().all(is_seen) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_seen(c) => out.push(c),
            c if (c as u32) < 0x100 => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if (c as u32) < 0x1_0000 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => {
                let _ = write!(out, "\\U{:08x}", c as u32);
            }
        }
    }
    out.push('"');
    out
}

/// Visible, or an ordinary space: neither control nor format characters (bidirectional overrides
/// among them), nor line separators, nor private use.
fn is_seen(c: char) -> bool {
    c == ' ' || !matches!(c.general_category_group(), GeneralCategoryGroup::Other | GeneralCategoryGroup::Separator)
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
        contract(&InMemory::new(vec![batch]), &schema, &about).expect("rows in memory can be read")
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

    #[test]
    fn rounding_never_cuts_a_value_off() {
        for x in [1.0, 99.0, 100.0, 101.0, 12_345.0, 0.001_234, 1e300, 5e-324] {
            assert!(tidy(x, f64::ceil) >= x && tidy(-x, f64::floor) <= -x, "{x}");
        }
        assert_eq!([0, 7, 99, 100, 101, 12_345].map(round_up), [1, 7, 99, 100, 110, 13_000]);
    }

    proptest! {
        #[test]
        fn widened_floats_hold_what_was_seen(a in proptest::num::f64::NORMAL, b in proptest::num::f64::NORMAL) {
            let (lo, hi) = (a.min(b), a.max(b));
            if let Some((x, y)) = widen_floats((lo, hi), &DataType::Float64) {
                prop_assert!(x <= lo && hi <= y);
            }
        }
        #[test]
        fn any_text_survives_as_a_scalar(text in "\\PC{0,20}|(?s).{0,20}") {
            let yaml = format!("taster: 1\nname: {}\n", scalar(&text));
            // A name may be refused (empty), but never read as something else.
            if let Ok(contract) = crate::contract::parse::parse(None, &yaml) {
                prop_assert_eq!(contract.name.as_deref(), Some(text.as_str()));
            } else {
                prop_assert!(text.trim().is_empty() || text.contains('\0'), "{}", yaml);
            }
        }
    }
}
