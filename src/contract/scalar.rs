//! What a YAML scalar means once its column's type is known. The parser never guesses: `no`, `012`
//! and `2022-10-03` are text until they meet a column, and what does not read as the column's type
//! is an error in the contract.

use super::{Scalar, types};
use arrow::datatypes::{DataType, TimeUnit, i256};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use std::cmp::Ordering;

/// A literal in the domain of its column, ready to be compared exactly.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Bool(bool),
    /// Columns of integers; also an integer that a float column's type cannot represent.
    Int(i128),
    /// Rounded to the column's width (`0.1` against float32 is float32's 0.1). Never NaN.
    Float(f64),
    /// `unscaled / 10^scale`, at the column's scale.
    Decimal {
        unscaled: i256,
        scale: i8,
    },
    Str(String),
    Bytes(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Nanoseconds since midnight.
    Time(i64),
    /// Nanoseconds since 1970-01-01T00:00:00, in UTC for a zoned column, of the wall clock else.
    Timestamp(i128),
    /// Nanoseconds.
    Duration(i128),
}

impl Value {
    /// Order by value, exact also between an integer and a float; `None` between different kinds.
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        Some(match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Int(a), Value::Int(b)) => a.cmp(b),
            (Value::Float(a), Value::Float(b)) => a.partial_cmp(b)?,
            (Value::Int(a), Value::Float(b)) => int_float(*a, *b)?,
            (Value::Float(a), Value::Int(b)) => int_float(*b, *a)?.reverse(),
            (Value::Decimal { unscaled: a, scale: s }, Value::Decimal { unscaled: b, scale: t }) if s == t => a.cmp(b),
            (Value::Str(a), Value::Str(b)) => a.cmp(b),
            (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
            (Value::Date(a), Value::Date(b)) => a.cmp(b),
            (Value::Time(a), Value::Time(b)) => a.cmp(b),
            (Value::Timestamp(a), Value::Timestamp(b)) | (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
            _ => return None,
        })
    }
}

/// Compares an integer with a float by value, without rounding either (2^53 + 1 is not 2^53).
/// `None` for NaN.
pub fn int_float(a: i128, b: f64) -> Option<Ordering> {
    if b.is_nan() {
        return None;
    }
    // 2^127 is the first float beyond i128; every float below it in magnitude truncates exactly.
    const LIMIT: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    if b >= LIMIT {
        return Some(Ordering::Less);
    }
    if b < -LIMIT {
        return Some(Ordering::Greater);
    }
    let whole = b.trunc();
    Some(a.cmp(&(whole as i128)).then_with(|| 0.0_f64.partial_cmp(&(b - whole)).unwrap_or(Ordering::Equal)))
}

/// Reads a scalar as a value of the type. The error says what would satisfy it.
pub fn typed(scalar: &Scalar, t: &DataType) -> Result<Value, String> {
    let t = types::unencoded(t);
    let text = scalar.text.as_str();
    if !scalar.quoted && is_null(text) {
        let word = if text.is_empty() { "an empty value" } else { text };
        return Err(format!("{word} means null, which is absence and no value; for the text itself, put it in quotes"));
    }
    let wrong = |what: &str| Err(format!("`{text}` is not {what}"));
    match t {
        DataType::Boolean => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => wrong("a bool: true or false"),
        },
        t if t.is_integer() => integer(text).map_or_else(|| wrong(&format!("an integer, as {} is", types::name(t))), |i| Ok(Value::Int(i))),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => float(text, t),
        DataType::Decimal32(_, s) | DataType::Decimal64(_, s) | DataType::Decimal128(_, s) | DataType::Decimal256(_, s) => {
            decimal(text, *s).map(|unscaled| Value::Decimal { unscaled, scale: *s })
        }
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Ok(Value::Str(text.to_owned())),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            hex(text).map_or_else(|| wrong("bytes, written 0x and pairs of hexadecimal digits"), |b| Ok(Value::Bytes(b)))
        }
        DataType::Date32 | DataType::Date64 => match date(text) {
            Some(d) => Ok(Value::Date(days(d))),
            None => wrong("a date, written 2026-01-31"),
        },
        DataType::Time32(_) | DataType::Time64(_) => match time(text) {
            Some(t) => Ok(Value::Time(since_midnight(t))),
            None => wrong("a time of day, written 23:59 or 23:59:30.5"),
        },
        DataType::Timestamp(_, zone) => timestamp(text, zone.is_some()).map(Value::Timestamp),
        DataType::Duration(_) => match duration(text) {
            Some(ns) => Ok(Value::Duration(ns)),
            None => wrong("a duration: a number and one of s, m, h, d, w, such as 30d"),
        },
        other => Err(format!("a value of type {} cannot be written in a contract", types::name(other))),
    }
}

/// Whether a plain scalar is YAML's null.
pub fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Nanoseconds in one unit of a time type.
pub fn nanos_per(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1_000_000_000,
        TimeUnit::Millisecond => 1_000_000,
        TimeUnit::Microsecond => 1_000,
        TimeUnit::Nanosecond => 1,
    }
}

/// Digits with a sign; `012` is 12. No base prefixes, no separators, no exponent.
fn integer(text: &str) -> Option<i128> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn float(text: &str, t: &DataType) -> Result<Value, String> {
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    let magnitude = bare.strip_prefix('.').filter(|w| matches!(*w, "inf" | "nan")).unwrap_or(bare);
    if matches!(magnitude, "nan") {
        return Err("NaN equals nothing and is ordered with nothing, so no value can be compared with it".into());
    }
    let spelled = if matches!(magnitude, "inf" | "infinity") { "inf" } else { bare };
    let parsed: Result<f64, _> = if spelled != "inf" && !spelled.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(format!("`{text}` is not a number"));
    } else {
        match t {
            DataType::Float16 => spelled.parse::<f32>().map(|v| {
                let half = <arrow::datatypes::Float16Type as arrow::datatypes::ArrowPrimitiveType>::Native::from_f32(v);
                half.to_f64()
            }),
            DataType::Float32 => spelled.parse::<f32>().map(f64::from),
            _ => spelled.parse::<f64>(),
        }
    };
    let value = parsed.map_err(|_| format!("`{text}` is not a number"))?;
    if value.is_infinite() && spelled != "inf" {
        return Err(format!("`{text}` is beyond the largest {}", types::name(t)));
    }
    let value = if lower.starts_with('-') { -value } else { value };
    // An integer that the float cannot hold stays exact: 2^53 + 1 is not 2^53.
    Ok(match integer(text) {
        Some(i) if int_float(i, value) != Some(Ordering::Equal) => Value::Int(i),
        _ => Value::Float(value),
    })
}

fn decimal(text: &str, scale: i8) -> Result<i256, String> {
    let wrong = || format!("`{text}` is not a decimal number");
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let mut all: String = format!("{whole}{fraction}");
    // Move the point to the column's scale; digits that fall off must be zero.
    let shift = i64::from(scale) - fraction.len() as i64;
    if shift >= 0 {
        all.extend(std::iter::repeat_n('0', shift as usize));
    } else {
        let cut = all.len().saturating_sub(shift.unsigned_abs() as usize);
        if all[cut..].bytes().any(|b| b != b'0') {
            return Err(format!("`{text}` has more digits than a decimal with {scale} after the point can hold"));
        }
        all.truncate(cut);
    }
    let trimmed = all.trim_start_matches('0');
    let magnitude = if trimmed.is_empty() { Some(i256::ZERO) } else { i256::from_string(trimmed) };
    let value = magnitude.filter(|_| trimmed.len() <= 76).ok_or_else(|| format!("`{text}` has more than 76 digits"))?;
    Ok(if negative { value.wrapping_neg() } else { value })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?;
    if !digits.len().is_multiple_of(2) || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    digits.as_bytes().chunks(2).map(|p| u8::from_str_radix(std::str::from_utf8(p).ok()?, 16).ok()).collect()
}

/// `2026-01-31`, nothing looser.
pub fn date(text: &str) -> Option<NaiveDate> {
    let shape = text.len() == 10 && text.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    if shape { NaiveDate::parse_from_str(text, "%Y-%m-%d").ok() } else { None }
}

fn days(date: NaiveDate) -> i32 {
    // A four-digit year is within a few million days of 1970.
    i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).unwrap_or(i32::MAX)
}

fn time(text: &str) -> Option<NaiveTime> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) || text.bytes().any(|b| b.is_ascii_whitespace()) {
        return None;
    }
    ["%H:%M:%S%.f", "%H:%M"].iter().find_map(|f| NaiveTime::parse_from_str(text, f).ok())
}

fn since_midnight(t: NaiveTime) -> i64 {
    t.signed_duration_since(NaiveTime::MIN).num_nanoseconds().unwrap_or(0)
}

/// Nanoseconds since the epoch. The zone is part of the type: a zoned column needs a literal with
/// its offset, a naive column one without.
fn timestamp(text: &str, zoned: bool) -> Result<i128, String> {
    let nanos = |t: NaiveDateTime| i128::from(t.and_utc().timestamp()) * 1_000_000_000 + i128::from(t.and_utc().timestamp_subsec_nanos());
    let with_offset = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)).ok();
    let naive = || {
        let (day, clock) = match text.split_once(['T', ' ']) {
            Some((day, clock)) => (day, time(clock)?),
            None => (text, NaiveTime::MIN),
        };
        Some(date(day)?.and_time(clock))
    };
    match (with_offset, zoned) {
        (Some(t), true) => Ok(nanos(t.naive_utc())),
        (Some(_), false) => Err(format!("`{text}` has a zone, the column has none; write the wall-clock time without it")),
        (None, _) => match (naive(), zoned) {
            (Some(t), false) => Ok(nanos(t)),
            (Some(_), true) => {
                Err(format!("`{text}` has no zone, the column has one; write 2026-01-31T23:59:00Z or an offset such as +02:00"))
            }
            (None, _) => Err(format!("`{text}` is not a point in time, written 2026-01-31T23:59:00")),
        },
    }
}

/// `30s`, `5m`, `12h`, `30d`, `2w` in nanoseconds.
pub fn duration(text: &str) -> Option<i128> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse::<i128>().ok()? * seconds * 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn plain(text: &str) -> Scalar {
        Scalar { text: text.into(), quoted: false, span: Default::default() }
    }
    fn of(text: &str, t: DataType) -> Result<Value, String> {
        typed(&plain(text), &t)
    }
    fn zoned() -> DataType {
        DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
    }

    #[test]
    fn words_of_yaml_keep_their_spelling_in_a_string_column() {
        for word in ["no", "012", "2022-10-03", "1.0", "true", "0x1F"] {
            assert_eq!(of(word, DataType::Utf8), Ok(Value::Str(word.into())));
        }
    }

    #[test]
    fn a_plain_null_is_no_value_and_a_quoted_one_is_text() {
        assert!(of("null", DataType::Utf8).unwrap_err().contains("quotes"));
        let quoted = Scalar { quoted: true, ..plain("null") };
        assert_eq!(typed(&quoted, &DataType::Utf8), Ok(Value::Str("null".into())));
    }

    #[test]
    fn a_leading_zero_is_decimal_in_an_integer_column() {
        assert_eq!(of("012", DataType::Int8), Ok(Value::Int(12)));
        assert!(of("1.0", DataType::Int8).is_err());
        assert!(of("1_000", DataType::Int64).is_err());
        assert_eq!(of("18446744073709551615", DataType::UInt64), Ok(Value::Int(u64::MAX.into())));
    }

    #[test]
    fn only_true_and_false_are_booleans() {
        assert_eq!(of("true", DataType::Boolean), Ok(Value::Bool(true)));
        assert!(of("yes", DataType::Boolean).is_err());
    }

    #[test]
    fn a_float_literal_is_rounded_to_the_columns_width() {
        assert_eq!(of("0.1", DataType::Float32), Ok(Value::Float(f64::from(0.1_f32))));
        assert_eq!(of("0.1", DataType::Float64), Ok(Value::Float(0.1)));
        assert_eq!(of("-.inf", DataType::Float64), Ok(Value::Float(f64::NEG_INFINITY)));
        assert_eq!(of("0.5", DataType::Float16), Ok(Value::Float(0.5)));
        assert!(of("1e39", DataType::Float32).unwrap_err().contains("largest"));
        assert!(of("nan", DataType::Float64).unwrap_err().contains("equals nothing"));
        assert!(of("one", DataType::Float64).is_err());
        assert!(of("--1", DataType::Float64).is_err());
    }

    #[test]
    fn an_integer_beyond_the_floats_precision_stays_exact() {
        assert_eq!(of("9007199254740993", DataType::Float64), Ok(Value::Int(9_007_199_254_740_993)));
        assert_eq!(of("9007199254740992", DataType::Float64), Ok(Value::Float(9_007_199_254_740_992.0)));
    }

    #[test]
    fn integers_and_floats_compare_by_value() {
        assert_eq!(int_float((1 << 53) + 1, (1_u64 << 53) as f64), Some(Ordering::Greater));
        assert_eq!(int_float(1, 1.5), Some(Ordering::Less));
        assert_eq!(int_float(-1, -1.5), Some(Ordering::Greater));
        assert_eq!(int_float(i128::MAX, f64::INFINITY), Some(Ordering::Less));
        assert_eq!(int_float(i128::MIN, -170_141_183_460_469_231_731_687_303_715_884_105_728.0), Some(Ordering::Equal));
        assert_eq!(int_float(0, f64::NAN), None);
        assert_eq!(int_float(0, -0.0), Some(Ordering::Equal));
    }

    #[test]
    fn decimals_are_exact_and_never_rounded() {
        let unscaled = |text, t| match of(text, t) {
            Ok(Value::Decimal { unscaled, .. }) => unscaled,
            other => panic!("{other:?}"),
        };
        assert_eq!(unscaled("0.1", DataType::Decimal128(10, 2)), i256::from_i128(10));
        assert_eq!(unscaled("-12.500", DataType::Decimal128(10, 2)), i256::from_i128(-1250));
        assert_eq!(unscaled("1200", DataType::Decimal128(10, -2)), i256::from_i128(12));
        assert!(of("0.005", DataType::Decimal128(10, 2)).is_err());
        assert!(of("1250", DataType::Decimal128(10, -2)).is_err());
        assert!(of(&"9".repeat(80), DataType::Decimal256(76, 0)).is_err());
        assert!(of("1e3", DataType::Decimal128(10, 2)).is_err());
        assert!(of(".", DataType::Decimal128(10, 2)).is_err());
    }

    #[test]
    fn dates_and_times_have_one_spelling() {
        assert_eq!(of("1970-01-02", DataType::Date32), Ok(Value::Date(1)));
        assert!(of("1970-1-2", DataType::Date32).is_err());
        assert!(of("2023-02-29", DataType::Date32).is_err());
        assert_eq!(of("00:00:01.5", DataType::Time64(TimeUnit::Nanosecond)), Ok(Value::Time(1_500_000_000)));
        assert!(of("24:00", DataType::Time64(TimeUnit::Nanosecond)).is_err());
    }

    #[test]
    fn a_naive_literal_against_a_zoned_column_is_an_error() {
        assert!(of("2026-01-31T00:00:00", zoned()).unwrap_err().contains("no zone"));
        assert!(of("2026-01-31", zoned()).is_err());
        assert!(of("2026-01-31T00:00:00Z", DataType::Timestamp(TimeUnit::Second, None)).unwrap_err().contains("has a zone"));
    }

    #[test]
    fn zoned_literals_are_instants() {
        assert_eq!(of("1970-01-01T02:00:00+02:00", zoned()), Ok(Value::Timestamp(0)));
        assert_eq!(of("1970-01-01 00:00:01Z", zoned()), Ok(Value::Timestamp(1_000_000_000)));
        assert_eq!(of("1969-12-31", DataType::Timestamp(TimeUnit::Second, None)), Ok(Value::Timestamp(-86_400_000_000_000)));
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("2w"), Some(1_209_600_000_000_000));
        for bad in ["30", "d", "-1d", "1y", "1.5h", "9999999999s", ""] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn bytes_are_hexadecimal() {
        assert_eq!(of("0xDEad", DataType::Binary), Ok(Value::Bytes(vec![0xDE, 0xAD])));
        assert!(of("0xabc", DataType::Binary).is_err());
        assert!(of("abc", DataType::Binary).is_err());
    }

    #[test]
    fn encodings_do_not_change_what_a_literal_means() {
        let dict = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
        assert_eq!(of("a", dict), Ok(Value::Str("a".into())));
    }

    #[test]
    fn nested_values_cannot_be_written() {
        assert!(of("[1]", DataType::new_list(DataType::Int8, true)).unwrap_err().contains("list<int8>"));
    }
}
