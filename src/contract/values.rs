//! Values of a column's settings against its type: what does not read as the type, what contradicts
//! itself, what can never fail. Called with the declared type when the contract is parsed, and with
//! the data's type when it meets the data ([`super::bind`]).

use super::fields::{Sink, not_supported};
use super::scalar::{Value, typed};
use super::{ColumnSpec, LengthUnit, LogicalType, Scalar, types};
use crate::error::{Diagnostic, Span};
use arrow::datatypes::DataType;
use std::cmp::Ordering;
use std::collections::HashSet;

fn contradiction(message: impl Into<String>, span: Span) -> Diagnostic {
    Diagnostic::new("C007", message).at(span)
}

fn vacuous(message: impl Into<String>, span: Span) -> Diagnostic {
    Diagnostic::new("C012", message).at(span)
}

/// What needs no type: settings that can never fail, or that have nothing to apply to.
pub fn check_untyped(spec: &ColumnSpec, sink: &mut Sink) {
    if let Some(t) = &spec.tolerance {
        if t.value.numerator == t.value.denominator {
            sink.warn(vacuous("a tolerance of everything lets every row fail", t.span).help("lower it, or take the checks out"));
        }
        let required = spec.required.as_ref().is_some_and(|b| b.value);
        let unique = spec.unique.as_ref().is_some_and(|b| b.value);
        let any = spec.type_.is_some() || spec.allowed.is_some() || spec.forbidden.is_some() || spec.range.is_some();
        if !(any || required || unique || !spec.clauses.is_empty() || spec.length.is_some() || spec.pattern.is_some()) {
            sink.warn(vacuous("there is no check that the tolerance could apply to", t.span));
        }
    }
    if let Some(l) = &spec.length
        && l.value.max.is_none()
        && l.value.min == Some(0)
    {
        sink.warn(vacuous("every text has at least no characters", l.span).help("`min: 1` rules out the empty text"));
    }
}

/// Everything that the declared type decides.
pub fn check(spec: &ColumnSpec, logical: &LogicalType, sink: &mut Sink) {
    let int64 = DataType::Int64;
    let t = match logical {
        LogicalType::Integer => &int64,
        LogicalType::Exact(t) => types::unencoded(t),
    };
    let bounds = match logical {
        LogicalType::Integer => None,
        LogicalType::Exact(_) => integer_bounds(t),
    };
    run(&Check { spec, t, bounds, name: logical.to_string(), column: &spec.name.value, declared: true }, sink);
}

/// What the data's type decides for a column whose declaration leaves it open. Data of another type
/// than the declared one is a finding, and its literals are then nobody's concern.
pub fn check_data(spec: &ColumnSpec, column: &str, t: &DataType, sink: &mut Sink) {
    let t = types::unencoded(t);
    if matches!(&spec.type_, Some(declared) if declared.value != LogicalType::Integer || !t.is_integer()) {
        return;
    }
    run(&Check { spec, t, bounds: integer_bounds(t), name: types::name(t), column, declared: false }, sink);
}

fn run(check: &Check<'_>, sink: &mut Sink) {
    check.applies(sink);
    let ends = check.range(sink);
    check.sets(ends, sink);
}

struct Check<'a> {
    spec: &'a ColumnSpec,
    t: &'a DataType,
    bounds: Option<(i128, i128)>,
    name: String,
    /// As messages call it: for a glob, one of its columns.
    column: &'a str,
    /// False for the data's type: a value that it cannot hold is then useless, not wrong.
    declared: bool,
}

type Ends = (Option<Value>, Option<Value>);

impl Check<'_> {
    /// Settings that mean nothing for the type.
    fn applies(&self, sink: &mut Sink) {
        let text = matches!(self.t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
        let column = self.column;
        if let Some(p) = &self.spec.pattern
            && !text
        {
            let d = Diagnostic::new("C004", format!("`pattern` is about text, but `{column}` is {}", self.name));
            sink.push(d.at(p.span).help("bound other types by `range` or `allowed`; digits in a text file are text under `type: string`"));
        }
        if let Some(l) = &self.spec.length
            && !text
        {
            let list = matches!(
                self.t,
                DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) | DataType::Binary | DataType::LargeBinary
            );
            if list && !(self.is_bytes() && l.value.unit == LengthUnit::Bytes) {
                sink.push(not_supported(&format!("`length` of a column of type {}", self.name), l.span));
            } else if !list {
                let d = Diagnostic::new("C004", format!("`length` is about text, but `{column}` is {}", self.name));
                sink.push(d.at(l.span).help("bound numbers and times by `range`; digits in a text file are text under `type: string`"));
            } else {
                sink.push(not_supported("`length` of binary columns", l.span));
            }
        }
    }
    fn is_bytes(&self) -> bool {
        matches!(self.t, DataType::Binary | DataType::LargeBinary)
    }

    /// One literal; `None` after a diagnostic.
    fn value(&self, s: &Scalar, sink: &mut Sink) -> Option<Value> {
        match typed(s, self.t) {
            Ok(v) => Some(v),
            Err(message) => {
                let head = format!("in the column `{}` of type {}: {message}", self.column, self.name);
                sink.push(Diagnostic::new("C004", head).at(s.span));
                None
            }
        }
    }

    fn range(&self, sink: &mut Sink) -> Ends {
        let Some(at) = &self.spec.range else { return (None, None) };
        let ordered = self.t.is_numeric()
            || self.t.is_temporal()
            || matches!(self.t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
            || self.is_bytes();
        if !ordered || matches!(self.t, DataType::Interval(_)) {
            let d = Diagnostic::new("C004", format!("values of type {} have no order, so `range` means nothing", self.name));
            sink.push(d.at(at.span).help("list the values under `allowed`"));
            return (None, None);
        }
        let min = at.value.min.as_ref().and_then(|s| self.value(s, sink).map(|v| (s, v)));
        let max = at.value.max.as_ref().and_then(|s| self.value(s, sink).map(|v| (s, v)));
        if let (Some((low, a)), Some((high, b))) = (&min, &max) {
            match a.compare(b) {
                Some(Ordering::Greater) => {
                    let d = contradiction(format!("no value lies between a min of {} and a max of {}", low.text, high.text), low.span);
                    sink.push(d.label("larger than max").help("swap them?"));
                }
                Some(Ordering::Equal) if at.value.exclusive => {
                    let d = contradiction(format!("no value lies between {} and {0} with both ends excluded", low.text), at.span);
                    sink.push(d.help("leave out `exclusive: true`"));
                }
                _ => {}
            }
        }
        let (min, max) = (min.map(|(_, v)| v), max.map(|(_, v)| v));
        if let Some((lowest, highest)) = self.bounds {
            self.against_type(min.as_ref(), max.as_ref(), lowest, highest, at.span, sink);
        }
        (min, max)
    }

    fn against_type(&self, min: Option<&Value>, max: Option<&Value>, lowest: i128, highest: i128, span: Span, sink: &mut Sink) {
        let int = |v: Option<&Value>| match v {
            Some(Value::Int(i)) => Some(*i),
            _ => None,
        };
        let (min, max) = (int(min), int(max));
        let help = format!("{} holds {lowest} to {highest}", self.name);
        if min.is_some_and(|m| m > highest) || max.is_some_and(|m| m < lowest) {
            if !self.declared {
                return;
            }
            let d = contradiction(format!("no value of type {} lies in this range", self.name), span);
            sink.push(d.help(help));
        } else if !self.spec.range.as_ref().is_some_and(|r| r.value.exclusive)
            && min.is_none_or(|m| m <= lowest)
            && max.is_none_or(|m| m >= highest)
            && (min.is_some() || max.is_some())
        {
            sink.warn(vacuous(format!("every value of type {} lies in this range", self.name), span).help(help));
        }
    }

    fn sets(&self, (min, max): Ends, sink: &mut Sink) {
        let comparable = !self.t.is_nested() && !matches!(self.t, DataType::Interval(_) | DataType::Null);
        for (key, set) in [("allowed", &self.spec.allowed), ("forbidden", &self.spec.forbidden)] {
            if let Some(set) = set
                && !comparable
            {
                let d = Diagnostic::new("C004", format!("values of type {} cannot be written, so `{key}` means nothing", self.name));
                sink.push(d.at(set.span));
            }
        }
        if !comparable {
            return;
        }
        let exclusive = self.spec.range.as_ref().is_some_and(|r| r.value.exclusive);
        let mut allowed = HashSet::new();
        for s in self.spec.allowed.iter().flat_map(|a| &a.value) {
            let Some(v) = self.value(s, sink) else { continue };
            self.holds(s, &v, sink);
            let low = min.as_ref().and_then(|m| v.compare(m));
            let high = max.as_ref().and_then(|m| v.compare(m));
            let outside = low == Some(Ordering::Less) || high == Some(Ordering::Greater);
            if outside || exclusive && (low == Some(Ordering::Equal) || high == Some(Ordering::Equal)) {
                let message = format!("`{}` is allowed, but lies outside the range", s.text);
                sink.push(contradiction(message, s.span).help("widen `range`, or take the value out"));
            }
            if !allowed.insert(identity(&v)) {
                sink.warn(vacuous(format!("`{}` is allowed twice", s.text), s.span));
            }
        }
        if self.spec.allowed.is_some() && matches!(self.t, DataType::Boolean) && allowed.len() == 2 {
            let span = self.spec.allowed.as_ref().map_or(Span::default(), |a| a.span);
            sink.warn(vacuous("every bool is true or false", span));
        }
        for s in self.spec.forbidden.iter().flat_map(|a| &a.value) {
            let Some(v) = self.value(s, sink) else { continue };
            self.holds(s, &v, sink);
            if allowed.contains(&identity(&v)) {
                let message = format!("`{}` is both allowed and forbidden", s.text);
                sink.push(contradiction(message, s.span).help("with `allowed`, everything else is forbidden already"));
            }
        }
    }

    /// Whether the type can hold the integer at all.
    fn holds(&self, s: &Scalar, v: &Value, sink: &mut Sink) {
        if let (Some((lowest, highest)), Value::Int(i)) = (self.bounds, v)
            && !(lowest..=highest).contains(i)
        {
            let (message, help) = (format!("{} can never be {}", self.name, s.text), format!("{} holds {lowest} to {highest}", self.name));
            if self.declared {
                sink.push(Diagnostic::new("C004", message).at(s.span).help(help));
            } else {
                sink.warn(vacuous(message, s.span).help(help));
            }
        }
    }
}

/// A hashable name of the value: equal exactly where values of one column are equal.
pub fn identity(v: &Value) -> String {
    match v {
        // -0.0 = 0.0.
        Value::Float(f) => format!("{:?}", f + 0.0),
        other => format!("{other:?}"),
    }
}

/// Smallest and largest value of an integer type.
pub fn integer_bounds(t: &DataType) -> Option<(i128, i128)> {
    Some(match t {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        DataType::Int64 => (i64::MIN.into(), i64::MAX.into()),
        DataType::UInt8 => (0, u8::MAX.into()),
        DataType::UInt16 => (0, u16::MAX.into()),
        DataType::UInt32 => (0, u32::MAX.into()),
        DataType::UInt64 => (0, u64::MAX.into()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{contract, errors};

    fn codes(column: &str) -> Vec<&'static str> {
        errors(&format!("taster: 1\ncolumns:\n  a: {{{column}}}\n")).iter().map(|d| d.code).collect()
    }
    fn warnings(column: &str) -> Vec<String> {
        contract(&format!("taster: 1\ncolumns:\n  a: {{{column}}}\n")).warnings.iter().map(|d| d.message.clone()).collect()
    }

    #[test]
    fn bounds_are_compared_as_the_declared_type_compares_them() {
        assert_eq!(codes("type: int64, range: {min: 9, max: 10}"), [""; 0]);
        assert_eq!(codes("type: string, range: {min: 9, max: 10}"), ["C007"]);
        assert_eq!(codes("type: 'decimal(5, 2)', range: {min: 0.10, max: 0.1}"), [""; 0]);
        assert_eq!(codes("type: 'decimal(5, 2)', range: {min: 0.1, max: 0.1, exclusive: true}"), ["C007"]);
        assert_eq!(codes("type: float64, range: {min: 9007199254740993, max: 9007199254740992}"), ["C007"]);
        assert_eq!(codes("type: duration, range: {min: 1w, max: 8d}"), [""; 0]);
    }

    #[test]
    fn every_unreadable_literal_is_told() {
        assert_eq!(codes("type: int8, allowed: [a, 1, b], forbidden: [c], range: {min: d}"), ["C004"; 4]);
        assert_eq!(codes("type: timestamp, range: {min: '2026-01-01T00:00:00Z'}"), ["C004"]);
        assert_eq!(codes("type: float64, allowed: [nan]"), ["C004"]);
    }

    #[test]
    fn literals_beyond_the_declared_type_are_errors() {
        assert_eq!(codes("type: int8, allowed: [300]"), ["C004"]);
        assert_eq!(codes("type: uint8, range: {min: 256}"), ["C007"]);
        assert_eq!(codes("type: integer, allowed: [300]"), [""; 0]);
    }

    #[test]
    fn what_can_never_fail_is_a_warning() {
        for vacuous in [
            "type: uint8, range: {min: 0}",
            "type: int8, range: {min: -128, max: 127}",
            "type: bool, allowed: [true, false]",
            "type: string, length: {min: 0}",
            "type: string, allowed: [a, b, a]",
            "tolerance: 1%",
            "required: true, tolerance: 100%",
        ] {
            assert_eq!(warnings(vacuous).len(), 1, "{vacuous}");
        }
        for sound in
            ["type: uint8, range: {min: 1}", "type: int8, range: {min: -128, max: 127, exclusive: true}", "type: bool, allowed: [true]"]
        {
            assert_eq!(warnings(sound), [""; 0], "{sound}");
        }
    }

    #[test]
    fn a_value_outside_the_range_cannot_be_allowed() {
        assert_eq!(codes("type: int8, allowed: [1, 9], range: {max: 5}"), ["C007"]);
        assert_eq!(codes("type: int8, allowed: [1, 5], range: {max: 5, exclusive: true}"), ["C007"]);
        assert_eq!(codes("type: float64, allowed: [0.0], forbidden: [-0.0]"), ["C007"]);
    }
}
