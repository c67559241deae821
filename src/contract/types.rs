//! The names of column types: `int8`, `decimal(10, 2)`, `timestamp(us, UTC)`, `list<float32, 768>`.
//! One spelling per type, so that a contract reads the same everywhere; other tools' spellings are
//! refused with the right one. Also says when two types are the same to a contract: how values are
//! encoded (dictionary, view, large offsets, run-ends) is not part of the type.

use super::LogicalType;
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DECIMAL256_MAX_PRECISION, DataType, Field, Fields, IntervalUnit, TimeUnit};
use std::sync::Arc;

/// Types nest this deep at most; a contract is untrusted and the parser recurses.
const MAX_DEPTH: usize = 16;

/// Names without parameters, in the order in which the manual lists them.
const PLAIN: &[(&str, DataType)] = &[
    ("bool", DataType::Boolean),
    ("int8", DataType::Int8),
    ("int16", DataType::Int16),
    ("int32", DataType::Int32),
    ("int64", DataType::Int64),
    ("uint8", DataType::UInt8),
    ("uint16", DataType::UInt16),
    ("uint32", DataType::UInt32),
    ("uint64", DataType::UInt64),
    ("float16", DataType::Float16),
    ("float32", DataType::Float32),
    ("float64", DataType::Float64),
    ("string", DataType::Utf8),
    ("binary", DataType::Binary),
    ("date", DataType::Date32),
    ("date64", DataType::Date64),
    ("null", DataType::Null),
];

/// Names that take parameters, with the form to show.
const PARAMETRIC: &[(&str, &str)] = &[
    ("integer", "integer"),
    ("categorical", "categorical"),
    ("time", "time(us)"),
    ("timestamp", "timestamp(us) or timestamp(us, UTC)"),
    ("duration", "duration(us)"),
    ("interval", "interval(day_time)"),
    ("decimal", "decimal(10, 2)"),
    ("list", "list<string> or list<float32, 768>"),
    ("struct", "struct<name: string, age: int8>"),
    ("map", "map<string, int64>"),
];

/// What other tools call them. A hint, never an alias: a contract has one spelling.
const FOREIGN: &[(&str, &str)] = &[
    ("int", "int64, or integer for any width"),
    ("long", "int64"),
    ("bigint", "int64"),
    ("short", "int16"),
    ("smallint", "int16"),
    ("tinyint", "int8"),
    ("byte", "int8"),
    ("float", "float64, or float32"),
    ("double", "float64"),
    ("real", "float32"),
    ("half", "float16"),
    ("number", "float64, or integer"),
    ("numeric", "decimal(10, 2), float64 or integer"),
    ("str", "string"),
    ("text", "string"),
    ("utf8", "string"),
    ("large_string", "string"),
    ("varchar", "string"),
    ("char", "string"),
    ("object", "string"),
    ("boolean", "bool"),
    ("bytes", "binary"),
    ("blob", "binary"),
    ("date32", "date"),
    ("datetime", "timestamp(us)"),
    ("category", "categorical"),
    ("dictionary", "categorical"),
    ("enum", "categorical, with `allowed:`"),
    ("array", "list<...>"),
    ("record", "struct<...>"),
];

/// Every name a type may begin with, for the manual and the JSON Schema.
pub fn names() -> impl Iterator<Item = &'static str> {
    PLAIN.iter().map(|(n, _)| *n).chain(PARAMETRIC.iter().map(|(n, _)| *n))
}

/// Why a text is no type, and what may have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeError {
    pub message: String,
    pub help: Option<String>,
}

fn bad(message: impl Into<String>) -> TypeError {
    TypeError { message: message.into(), help: None }
}

/// Reads a type's name.
pub fn parse(text: &str) -> Result<LogicalType, TypeError> {
    if text.trim() == "integer" {
        return Ok(LogicalType::Integer);
    }
    let mut p = Parser { rest: text.trim(), depth: 0 };
    let t = p.data_type()?;
    if p.rest.is_empty() {
        return Ok(LogicalType::Exact(t));
    }
    Err(bad(format!("`{}` is left over after the type `{}`", p.rest, name(&t))))
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn eat(&mut self, c: char) -> bool {
        self.rest = self.rest.trim_start();
        let hit = self.rest.strip_prefix(c);
        if let Some(rest) = hit {
            self.rest = rest.trim_start();
        }
        hit.is_some()
    }
    fn expect(&mut self, c: char, form: &str) -> Result<(), TypeError> {
        if self.eat(c) {
            return Ok(());
        }
        let mut e = bad(format!("`{c}` is missing in the type; it is written {form}"));
        if self.rest.is_empty() && matches!(c, ')' | '>') {
            e.help = Some("inside `{...}` a type with a comma needs quotes: `{type: 'decimal(10, 2)'}`".into());
        }
        Err(e)
    }
    /// Characters up to one of the stops, trimmed.
    fn word(&mut self, stops: &[char]) -> &'a str {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|c| stops.contains(&c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.trim_end()
    }
    fn number<N: std::str::FromStr>(&mut self, what: &str, form: &str) -> Result<N, TypeError> {
        let word = self.word(&[',', ')', '>']);
        word.parse().map_err(|_| bad(format!("`{word}` is no {what}; the type is written {form}")))
    }

    fn data_type(&mut self) -> Result<DataType, TypeError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(bad(format!("a type may nest {MAX_DEPTH} levels deep at most")));
        }
        let t = self.one_type();
        self.depth -= 1;
        t
    }

    fn one_type(&mut self) -> Result<DataType, TypeError> {
        let word = self.word(&['(', ')', '<', '>', ',']);
        let form = PARAMETRIC.iter().find(|(n, _)| *n == word).map_or("", |(_, f)| f);
        Ok(match word {
            "integer" => return Err(bad("`integer` (any width) cannot stand inside another type; name the width: `int64`")),
            "categorical" => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            "binary" if self.eat('(') => {
                let n: i32 = self.number("number of bytes", "binary(16)")?;
                self.expect(')', "binary(16)")?;
                if n < 1 {
                    return Err(bad("binary(n) needs at least one byte"));
                }
                DataType::FixedSizeBinary(n)
            }
            "time" => match self.unit(form)? {
                u @ (TimeUnit::Second | TimeUnit::Millisecond) => DataType::Time32(u),
                u => DataType::Time64(u),
            },
            "duration" => DataType::Duration(self.unit(form)?),
            "timestamp" => self.timestamp(form)?,
            "interval" => self.interval(form)?,
            "decimal" => self.decimal(form)?,
            "list" => self.list(form)?,
            "struct" => self.structure(form)?,
            "map" => {
                self.expect('<', form)?;
                let key = self.data_type()?;
                self.expect(',', form)?;
                let value = self.data_type()?;
                self.expect('>', form)?;
                let pair = Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)]);
                DataType::Map(Arc::new(Field::new("entries", DataType::Struct(pair), false)), false)
            }
            _ => match PLAIN.iter().find(|(n, _)| *n == word) {
                Some((_, t)) => t.clone(),
                None => return Err(unknown(word)),
            },
        })
    }

    /// `(us)` or nothing, which means microseconds.
    fn unit(&mut self, form: &str) -> Result<TimeUnit, TypeError> {
        if !self.eat('(') {
            return Ok(TimeUnit::Microsecond);
        }
        let unit = self.unit_word(form)?;
        self.expect(')', form)?;
        Ok(unit)
    }
    fn unit_word(&mut self, form: &str) -> Result<TimeUnit, TypeError> {
        let word = self.word(&[',', ')']);
        let unit = UNITS.iter().find(|(n, _)| *n == word).map(|(_, u)| *u);
        unit.ok_or_else(|| bad(format!("`{word}` is no unit of time: s, ms, us or ns; the type is written {form}")))
    }
    fn timestamp(&mut self, form: &str) -> Result<DataType, TypeError> {
        if !self.eat('(') {
            return Ok(DataType::Timestamp(TimeUnit::Microsecond, None));
        }
        let unit = self.unit_word(form)?;
        let mut zone = None;
        if self.eat(',') {
            let word = self.word(&[',', ')']);
            let legal = |c: char| c.is_ascii_alphanumeric() || "_/+-:".contains(c);
            if word.is_empty() || word.len() > 64 || !word.chars().all(legal) {
                return Err(bad(format!("`{word}` is no time zone; use a name such as UTC or Europe/Berlin, or an offset such as +02:00")));
            }
            zone = Some(Arc::from(word));
        }
        self.expect(')', form)?;
        Ok(DataType::Timestamp(unit, zone))
    }
    fn interval(&mut self, form: &str) -> Result<DataType, TypeError> {
        self.expect('(', form)?;
        let word = self.word(&[')']);
        let unit = INTERVALS.iter().find(|(n, _)| *n == word).map(|(_, u)| *u);
        let unit = unit.ok_or_else(|| bad(format!("`{word}` is no kind of interval: year_month, day_time or month_day_nano")))?;
        self.expect(')', form)?;
        Ok(DataType::Interval(unit))
    }
    fn decimal(&mut self, form: &str) -> Result<DataType, TypeError> {
        self.expect('(', form)?;
        let precision: u8 = self.number("number of digits", form)?;
        self.expect(',', form)?;
        let scale: i8 = self.number("number of digits after the point", form)?;
        self.expect(')', form)?;
        if precision == 0 || precision > DECIMAL256_MAX_PRECISION {
            return Err(bad(format!("a decimal has 1 to {DECIMAL256_MAX_PRECISION} digits, not {precision}")));
        }
        if i16::from(scale) > i16::from(precision) || i16::from(scale) < -i16::from(precision) {
            return Err(bad(format!("a decimal of {precision} digits cannot have {scale} of them after the point")));
        }
        Ok(match precision {
            p if p <= DECIMAL128_MAX_PRECISION => DataType::Decimal128(p, scale),
            p => DataType::Decimal256(p, scale),
        })
    }
    fn list(&mut self, form: &str) -> Result<DataType, TypeError> {
        self.expect('<', form)?;
        let item = Arc::new(Field::new("item", self.data_type()?, true));
        let mut size = None;
        if self.eat(',') {
            let n: i32 = self.number("size of a list", form)?;
            if n < 0 {
                return Err(bad("a list cannot have a negative size"));
            }
            size = Some(n);
        }
        self.expect('>', form)?;
        Ok(size.map_or_else(|| DataType::List(item.clone()), |n| DataType::FixedSizeList(item.clone(), n)))
    }
    fn structure(&mut self, form: &str) -> Result<DataType, TypeError> {
        self.expect('<', form)?;
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let field = self.word(&[':', ',', '<', '>']);
            if field.is_empty() {
                return Err(bad(format!("a field of the struct has no name; it is written {form}")));
            }
            if fields.iter().any(|f| f.name() == field) {
                return Err(bad(format!("the struct has two fields called `{field}`")));
            }
            self.expect(':', form)?;
            fields.push(Field::new(field, self.data_type()?, true));
            if !self.eat(',') {
                break;
            }
        }
        self.expect('>', form)?;
        Ok(DataType::Struct(fields.into()))
    }
}

const UNITS: [(&str, TimeUnit); 4] =
    [("s", TimeUnit::Second), ("ms", TimeUnit::Millisecond), ("us", TimeUnit::Microsecond), ("ns", TimeUnit::Nanosecond)];

const INTERVALS: [(&str, IntervalUnit); 3] =
    [("year_month", IntervalUnit::YearMonth), ("day_time", IntervalUnit::DayTime), ("month_day_nano", IntervalUnit::MonthDayNano)];

fn unknown(word: &str) -> TypeError {
    let lower = word.to_ascii_lowercase();
    let foreign = FOREIGN.iter().find(|(n, _)| *n == lower).map(|(_, meant)| (*meant).to_owned());
    let meant = foreign.or_else(|| super::fields::nearest(&lower, names()).map(|n| format!("`{n}`")));
    TypeError {
        message: if word.is_empty() { "a type is missing".into() } else { format!("`{word}` is not a type") },
        help: Some(
            meant.map_or_else(|| format!("the types are {}", names().collect::<Vec<_>>().join(", ")), |m| format!("did you mean {m}?")),
        ),
    }
}

/// The name under which a contract declares the type; [`parse`] reads it back to the same type as
/// far as a contract is concerned ([`same`]).
pub fn name(t: &DataType) -> String {
    let unit = |u: &TimeUnit| UNITS.iter().find(|(_, v)| v == u).map_or("", |(n, _)| *n);
    match t {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".into(),
        DataType::FixedSizeBinary(n) => format!("binary({n})"),
        DataType::Time32(u) | DataType::Time64(u) => format!("time({})", unit(u)),
        DataType::Duration(u) => format!("duration({})", unit(u)),
        DataType::Timestamp(u, None) => format!("timestamp({})", unit(u)),
        DataType::Timestamp(u, Some(zone)) => format!("timestamp({}, {zone})", unit(u)),
        DataType::Interval(u) => format!("interval({})", INTERVALS.iter().find(|(_, v)| v == u).map_or("", |(n, _)| *n)),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => {
            format!("decimal({p}, {s})")
        }
        DataType::List(f) | DataType::LargeList(f) | DataType::ListView(f) | DataType::LargeListView(f) => {
            format!("list<{}>", name(f.data_type()))
        }
        DataType::FixedSizeList(f, n) => format!("list<{}, {n}>", name(f.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields.iter().map(|f| format!("{}: {}", f.name(), name(f.data_type()))).collect();
            format!("struct<{}>", fields.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => format!("map<{}, {}>", name(pair[0].data_type()), name(pair[1].data_type())),
            _ => "map".into(),
        },
        DataType::Dictionary(_, v) if is_string(v) => "categorical".into(),
        DataType::Dictionary(_, v) => name(v),
        DataType::RunEndEncoded(_, v) => name(v.data_type()),
        DataType::Union(..) => "union".into(),
        plain => PLAIN.iter().find(|(_, t)| t == plain).map_or_else(|| plain.to_string(), |(n, _)| (*n).to_owned()),
    }
}

fn is_string(t: &DataType) -> bool {
    matches!(t, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The type of the values once their encoding is taken off.
pub fn unencoded(t: &DataType) -> &DataType {
    match t {
        DataType::Dictionary(_, v) => unencoded(v),
        DataType::RunEndEncoded(_, v) => unencoded(v.data_type()),
        other => other,
    }
}

/// Whether two types hold the same values to a contract: encodings, offset widths and the names of
/// list items do not count; width, unit, zone, precision and field names do.
pub fn same(a: &DataType, b: &DataType) -> bool {
    use DataType as T;
    let (a, b) = (unencoded(a), unencoded(b));
    match (a, b) {
        (T::Timestamp(u, Some(x)), T::Timestamp(v, Some(y))) => u == v && (x == y || (is_utc(x) && is_utc(y))),
        (T::Struct(x), T::Struct(y)) => {
            x.len() == y.len() && x.iter().zip(y).all(|(f, g)| f.name() == g.name() && same(f.data_type(), g.data_type()))
        }
        (T::Map(x, _), T::Map(y, _)) => match (x.data_type(), y.data_type()) {
            (T::Struct(x), T::Struct(y)) => x.len() == y.len() && x.iter().zip(y).all(|(f, g)| same(f.data_type(), g.data_type())),
            _ => false,
        },
        (T::FixedSizeList(x, n), T::FixedSizeList(y, m)) => n == m && same(x.data_type(), y.data_type()),
        _ => match (decimal(a), decimal(b), item(a), item(b)) {
            (Some(x), Some(y), ..) => x == y,
            (.., Some(x), Some(y)) => same(x, y),
            _ => a == b || (is_string(a) && is_string(b)) || (is_binary(a) && is_binary(b)),
        },
    }
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "Z" | "+00:00" | "Etc/UTC")
}

fn is_binary(t: &DataType) -> bool {
    matches!(t, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

/// Precision and scale, whatever the width of the integer that carries them.
fn decimal(t: &DataType) -> Option<(u8, i8)> {
    match t {
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => Some((*p, *s)),
        _ => None,
    }
}

fn item(t: &DataType) -> Option<&DataType> {
    match t {
        DataType::List(f) | DataType::LargeList(f) | DataType::ListView(f) | DataType::LargeListView(f) => Some(f.data_type()),
        _ => None,
    }
}

impl LogicalType {
    /// Whether a column of that type satisfies the declaration.
    pub fn matches(&self, t: &DataType) -> bool {
        match self {
            LogicalType::Integer => unencoded(t).is_integer(),
            LogicalType::Exact(declared) => same(declared, t),
        }
    }
}

impl std::fmt::Display for LogicalType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LogicalType::Integer => f.write_str("integer"),
            LogicalType::Exact(t) => f.write_str(&name(t)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_the_same_type() {
        let texts = [
            "bool",
            "int8",
            "uint64",
            "float16",
            "string",
            "binary",
            "binary(16)",
            "date",
            "date64",
            "null",
            "time(s)",
            "time(ns)",
            "timestamp(ms)",
            "timestamp(us, Europe/Berlin)",
            "timestamp(ns, +02:00)",
            "duration(ms)",
            "interval(month_day_nano)",
            "decimal(10, 2)",
            "decimal(60, -3)",
            "categorical",
            "list<string>",
            "list<float32, 768>",
            "map<string, list<int64>>",
            "struct<a: int8, b c: struct<d: decimal(5, 5)>>",
            "integer",
        ];
        for text in texts {
            assert_eq!(parse(text).expect(text).to_string(), text);
        }
    }

    #[test]
    fn a_bare_time_type_is_in_microseconds() {
        assert_eq!(parse("timestamp").unwrap().to_string(), "timestamp(us)");
        assert_eq!(parse("time").unwrap().to_string(), "time(us)");
    }

    #[test]
    fn other_tools_spellings_are_refused_with_the_right_one() {
        for (text, meant) in
            [("int", "int64"), ("VARCHAR", "string"), ("datetime", "timestamp(us)"), ("Int64", "int64"), ("strng", "string")]
        {
            let help = parse(text).unwrap_err().help.unwrap();
            assert!(help.contains(meant), "{text}: {help}");
        }
    }

    #[test]
    fn malformed_types_are_refused() {
        for text in [
            "",
            "decimal",
            "decimal(10",
            "decimal(0, 0)",
            "decimal(77, 2)",
            "decimal(4, 5)",
            "decimal(a, b)",
            "list<>",
            "list<integer>",
            "list<int8, -1>",
            "struct<>",
            "struct<a>",
            "struct<a: int8, a: int8>",
            "timestamp(us, )",
            "timestamp(us, a b)",
            "timestamp(minutes)",
            "int8 int8",
            "binary(0)",
            "interval(days)",
            "int8)",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_type_cut_at_a_comma_is_told_to_be_quoted() {
        assert!(parse("decimal(10").unwrap_err().message.contains("`,` is missing"));
        assert!(parse("list<string").unwrap_err().help.unwrap().contains("quotes"));
    }

    #[test]
    fn types_nest_to_a_bound() {
        let deep = "list<".repeat(10_000) + "int8" + &">".repeat(10_000);
        assert!(parse(&deep).unwrap_err().message.contains("deep"));
    }

    #[test]
    fn encodings_are_not_part_of_the_type() {
        let dict = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::LargeUtf8));
        assert!(same(&dict, &DataType::Utf8View));
        assert!(same(&DataType::Decimal32(5, 2), &DataType::Decimal128(5, 2)));
        let list = |t, n: &str| DataType::LargeList(Arc::new(Field::new(n, t, false)));
        assert!(LogicalType::Exact(DataType::new_list(DataType::Utf8, true)).matches(&list(DataType::LargeUtf8, "element")));
    }

    #[test]
    fn width_unit_zone_and_scale_are_part_of_the_type() {
        let stamp = |u, z: Option<&str>| DataType::Timestamp(u, z.map(Arc::from));
        assert!(!same(&DataType::Int8, &DataType::Int16));
        assert!(!same(&stamp(TimeUnit::Second, None), &stamp(TimeUnit::Millisecond, None)));
        assert!(!same(&stamp(TimeUnit::Second, None), &stamp(TimeUnit::Second, Some("UTC"))));
        assert!(same(&stamp(TimeUnit::Second, Some("+00:00")), &stamp(TimeUnit::Second, Some("UTC"))));
        assert!(!same(&DataType::Decimal128(5, 2), &DataType::Decimal128(5, 3)));
        assert!(!same(&DataType::Utf8, &DataType::Binary));
    }

    #[test]
    fn integer_is_any_width_and_no_float() {
        assert!(LogicalType::Integer.matches(&DataType::UInt8));
        assert!(!LogicalType::Integer.matches(&DataType::Float64));
    }
}
