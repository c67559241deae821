//! The text of a cell as a typed value. Types that nobody declared are those that every value of
//! the column has; a declared type is tried on every cell, and what does not parse is null and
//! marked, never guessed.

use crate::batch::{has_name, relabelled};
use crate::error::Result;
use arrow::array::{
    Array, ArrayBuilder, ArrayRef, BooleanArray, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, StringViewBuilder,
};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::DataType;
use std::sync::Arc;

/// The types that still fit every value seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    seen: bool,
    /// A word like `nan` alone makes no column of numbers.
    digits: bool,
    int: bool,
    float: bool,
    boolean: bool,
    date: bool,
}

impl Default for Kind {
    fn default() -> Self {
        Kind { seen: false, digits: false, int: true, float: true, boolean: true, date: true }
    }
}

impl Kind {
    pub fn see(&mut self, text: &str) {
        self.seen = true;
        if !(self.int || self.float || self.boolean || self.date) {
            return;
        }
        let text = text.trim_matches(' ');
        self.digits |= text.bytes().any(|b| b.is_ascii_digit());
        self.int = self.int && is_int(text);
        self.float = self.float && is_float(text);
        self.boolean = self.boolean && boolean(text).is_some() && !text.bytes().all(|b| b.is_ascii_digit());
        self.date = self.date && is_date(text);
    }

    pub fn merge(&mut self, other: Kind) {
        *self = Kind {
            seen: self.seen || other.seen,
            digits: self.digits || other.digits,
            int: self.int && other.int,
            float: self.float && other.float,
            boolean: self.boolean && other.boolean,
            date: self.date && other.date,
        };
    }

    pub fn data_type(self) -> DataType {
        match self {
            Kind { seen: true, boolean: true, .. } => DataType::Boolean,
            Kind { seen: true, int: true, .. } => DataType::Int64,
            Kind { seen: true, float: true, digits: true, .. } => DataType::Float64,
            Kind { seen: true, date: true, .. } => DataType::Date32,
            _ => DataType::Utf8View,
        }
    }
}

/// Leading zeros mark a name (a postcode, an account), not a number.
fn leading_zero(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text).as_bytes();
    matches!(digits, [b'0', b'0'..=b'9', ..])
}

fn is_int(text: &str) -> bool {
    !text.starts_with('+') && !leading_zero(text) && text.parse::<i64>().is_ok()
}

/// A whole number beyond 64 bits is a name too: a float would lose its digits.
fn is_float(text: &str) -> bool {
    if leading_zero(text) || text.parse::<f64>().is_err() {
        return false;
    }
    let whole = text.strip_prefix(['-', '+']).unwrap_or(text).bytes().all(|b| b.is_ascii_digit());
    !whole || text.parse::<i64>().is_ok()
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

/// Whether text can be read as the type at all; lists and structs cannot.
pub(super) fn readable(data_type: &DataType) -> bool {
    !data_type.is_nested() && can_cast_types(&DataType::Utf8, data_type)
}

/// A zone whose wall clock is not that of UTC, known by name alone.
fn is_local(t: &DataType) -> bool {
    const UTC: [&str; 6] = ["UTC", "Etc/UTC", "GMT", "Etc/GMT", "Z", "Zulu"];
    matches!(t, DataType::Timestamp(_, Some(zone)) if has_name(zone) && !UTC.iter().any(|u| zone.eq_ignore_ascii_case(u)))
}

/// Whether a point in time says its offset from UTC: `...Z`, `...+02:00`.
fn has_offset(text: &str) -> bool {
    text.ends_with(['Z', 'z']) || text.get(10..).is_some_and(|clock| clock.contains(['+', '-']))
}

/// Collects the cells of one column of a batch.
pub(super) enum Cells {
    Text(StringViewBuilder, Vec<usize>),
    Int(Int64Builder, Vec<usize>),
    Float(Float64Builder, Vec<usize>),
    Bool(BooleanBuilder, Vec<usize>),
    Other(DataType, StringBuilder, Vec<usize>),
}

impl Cells {
    pub fn new(data_type: &DataType) -> Cells {
        match data_type {
            DataType::Utf8View => Cells::Text(StringViewBuilder::new(), Vec::new()),
            DataType::Int64 => Cells::Int(Int64Builder::new(), Vec::new()),
            DataType::Float64 => Cells::Float(Float64Builder::new(), Vec::new()),
            DataType::Boolean => Cells::Bool(BooleanBuilder::new(), Vec::new()),
            other => Cells::Other(other.clone(), StringBuilder::new(), Vec::new()),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Cells::Text(b, _) => b.len(),
            Cells::Int(b, _) => b.len(),
            Cells::Float(b, _) => b.len(),
            Cells::Bool(b, _) => b.len(),
            Cells::Other(_, b, _) => b.len(),
        }
    }

    pub fn is_text(&self) -> bool {
        matches!(self, Cells::Text(..))
    }

    pub fn null(&mut self) {
        match self {
            Cells::Text(b, _) => b.append_null(),
            Cells::Int(b, _) => b.append_null(),
            Cells::Float(b, _) => b.append_null(),
            Cells::Bool(b, _) => b.append_null(),
            Cells::Other(_, b, _) => b.append_null(),
        }
    }

    /// A cell that is there and is not of the type.
    pub fn unparsed(&mut self) {
        let row = self.len();
        self.null();
        match self {
            Cells::Text(_, bad) | Cells::Int(_, bad) | Cells::Float(_, bad) | Cells::Bool(_, bad) | Cells::Other(_, _, bad) => {
                bad.push(row)
            }
        }
    }

    pub fn text(&mut self, text: &str) {
        let trimmed = text.trim_matches(' ');
        match self {
            Cells::Text(b, _) => return b.append_value(text),
            Cells::Int(b, _) => {
                if let Ok(v) = trimmed.parse() {
                    return b.append_value(v);
                }
            }
            Cells::Float(b, _) => {
                if let Ok(v) = trimmed.parse() {
                    return b.append_value(v);
                }
            }
            Cells::Bool(b, _) => {
                if let Some(v) = boolean(trimmed) {
                    return b.append_value(v);
                }
            }
            // Arrow would read the wall clock of a zone that it has no table of.
            Cells::Other(t, b, _) => {
                if !is_local(t) || has_offset(trimmed) {
                    return b.append_value(trimmed);
                }
            }
        }
        self.unparsed();
    }

    /// The column, and the marks of the cells that did not parse if there are any.
    pub fn finish(&mut self) -> Result<(ArrayRef, Option<ArrayRef>)> {
        let (array, bad): (ArrayRef, Vec<usize>) = match self {
            Cells::Text(b, bad) => (Arc::new(b.finish()), std::mem::take(bad)),
            Cells::Int(b, bad) => (Arc::new(b.finish()), std::mem::take(bad)),
            Cells::Float(b, bad) => (Arc::new(b.finish()), std::mem::take(bad)),
            Cells::Bool(b, bad) => (Arc::new(b.finish()), std::mem::take(bad)),
            Cells::Other(data_type, b, bad) => {
                let text = b.finish();
                let options = CastOptions { safe: true, ..Default::default() };
                let array = match data_type {
                    DataType::Timestamp(unit, Some(zone)) if has_name(zone) => {
                        let utc = DataType::Timestamp(*unit, Some("+00:00".into()));
                        let array = cast_with_options(&text, &utc, &options).map_err(crate::error::Error::internal)?;
                        relabelled(array.as_ref(), data_type.clone())
                            .ok_or_else(|| crate::error::Error::internal("times have one layout"))?
                    }
                    _ => cast_with_options(&text, data_type, &options).map_err(crate::error::Error::internal)?,
                };
                let mut bad = std::mem::take(bad);
                bad.extend((0..text.len()).filter(|i| text.is_valid(*i) && array.is_null(*i)));
                (array, bad)
            }
        };
        if bad.is_empty() {
            return Ok((array, None));
        }
        let mut marks = vec![false; array.len()];
        bad.into_iter().for_each(|row| marks[row] = true);
        Ok((array, Some(Arc::new(BooleanArray::from(marks)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(values: &[&str]) -> DataType {
        let mut kind = Kind::default();
        values.iter().for_each(|v| kind.see(v));
        kind.data_type()
    }

    #[test]
    fn a_type_must_fit_every_value() {
        assert_eq!(kind(&["1", "-2", " 3"]), DataType::Int64);
        assert_eq!(kind(&["1", "0"]), DataType::Int64);
        assert_eq!(kind(&["1", "2.5", "1e9", "nan"]), DataType::Float64);
        assert_eq!(kind(&["nan"]), DataType::Utf8View);
        assert_eq!(kind(&["True", "false"]), DataType::Boolean);
        assert_eq!(kind(&["2024-02-29"]), DataType::Date32);
        assert_eq!(kind(&["2023-02-29"]), DataType::Utf8View);
        assert_eq!(kind(&["1", "x"]), DataType::Utf8View);
        assert_eq!(kind(&[]), DataType::Utf8View);
    }

    #[test]
    fn digits_that_a_number_would_lose_stay_text() {
        assert_eq!(kind(&["007", "12"]), DataType::Utf8View);
        assert_eq!(kind(&["123456789012345678901"]), DataType::Utf8View);
        assert_eq!(kind(&["0", "0.5"]), DataType::Float64);
    }

    #[test]
    fn a_named_zone_wants_an_offset_unless_it_is_utc() {
        let read = |zone: &str, text: &str| {
            let t = DataType::Timestamp(arrow::datatypes::TimeUnit::Second, Some(zone.into()));
            let mut cells = Cells::new(&t);
            cells.text(text);
            let (array, bad) = cells.finish().unwrap();
            assert_eq!((array.data_type(), array.is_null(0)), (&t, bad.is_some()));
            crate::batch::cell_text(array.as_ref(), 0)
        };
        let noon = Some("2026-03-01T12:00:00Z".to_owned());
        for zone in ["UTC", "Etc/UTC", "Europe/Berlin", "+02:00"] {
            assert_eq!(read(zone, "2026-03-01T13:00:00+01:00").map(|t| t.replace("14:00:00+02:00", "12:00:00Z")), noon, "{zone}");
        }
        assert_eq!(read("UTC", "2026-03-01 12:00:00"), noon);
        assert_eq!(read("Europe/Berlin", "2026-03-01 12:00:00"), None);
        assert_eq!(read("Europe/Berlin", "never"), None);
    }

    #[test]
    fn what_does_not_parse_is_null_and_marked() {
        for data_type in [DataType::Int64, DataType::Int8, DataType::Float64, DataType::Date32, DataType::Boolean] {
            let mut cells = Cells::new(&data_type);
            cells.text("no such value");
            cells.null();
            let (array, marks) = cells.finish().unwrap();
            assert_eq!((array.data_type(), array.null_count()), (&data_type, 2));
            assert_eq!(marks.unwrap().as_ref(), &BooleanArray::from(vec![true, false]) as &dyn Array);
        }
        let mut cells = Cells::new(&DataType::Int8);
        cells.text("300");
        assert!(cells.finish().unwrap().1.is_some());
    }
}
