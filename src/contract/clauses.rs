//! The settings of a column beyond type, range and sets: formats, patterns, steps, order, and
//! bounds on the distribution. Each is read to one [`ColumnClause`]; what the column's type makes
//! of it is said by the check of the same name.

use super::fields::{Fields, Sink};
use super::tree::{Entry, Kind, Node};
use super::{At, Scalar, Share, columns, keys};
use crate::error::Diagnostic;

/// Well-known forms of text.
pub const FORMATS: &[&str] =
    &["email", "uuid", "uri", "hostname", "ipv4", "ipv6", "ip", "date", "time", "date-time", "duration", "base64", "any-date"];

/// A number as it is written: `digits / 10^scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    pub digits: i128,
    pub scale: u32,
}

/// Digits of a number in a contract, at most: products with another such number fit an i128.
const DIGITS: usize = 18;

impl Decimal {
    /// `2`, `-0.25`, `1e-3`. `None` for what is no number or has too many digits.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (mantissa, exponent) = match text.find(['e', 'E']) {
            Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, bare) = match mantissa.as_bytes().first()? {
            b'-' => (true, &mantissa[1..]),
            b'+' => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let trimmed = digits.trim_start_matches('0');
        let mut scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
        let mut value: i128 = if trimmed.is_empty() { 0 } else { (trimmed.len() <= DIGITS).then(|| trimmed.parse().ok())?? };
        while scale < 0 {
            value = value.checked_mul(10).filter(|v| *v < 10_i128.pow(DIGITS as u32))?;
            scale += 1;
        }
        let scale = u32::try_from(scale).ok().filter(|s| *s <= DIGITS as u32)?;
        Some(Decimal { digits: if negative { -value } else { value }, scale })
    }
    pub fn as_f64(&self) -> f64 {
        // Both are exact doubles up to 2^53, and division rounds once; beyond, the text would be
        // read no better than to the last place.
        self.digits as f64 / 10_f64.powi(self.scale as i32)
    }
}

/// Bounds on a value of the column, or on a number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bounds {
    pub min: Option<Scalar>,
    pub max: Option<Scalar>,
    pub above: Option<Scalar>,
    pub below: Option<Scalar>,
}

impl Bounds {
    /// `at least 1, less than 5`.
    pub fn written(&self) -> String {
        let said = [("at least", &self.min), ("more than", &self.above), ("at most", &self.max), ("less than", &self.below)];
        let parts: Vec<String> = said.iter().filter_map(|(word, s)| s.as_ref().map(|s| format!("{word} {}", s.text))).collect();
        parts.join(", ")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counts {
    pub min: Option<u64>,
    pub max: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shares {
    pub min: Option<Share>,
    pub max: Option<Share>,
}

impl Counts {
    /// `at least 1, at most 5`.
    pub fn written(&self) -> String {
        written([self.min.map(|n| n.to_string()), self.max.map(|n| n.to_string())])
    }
}

impl Shares {
    /// `at least 1%, at most 5%`.
    pub fn written(&self) -> String {
        written([self.min.as_ref().map(|s| s.text.clone()), self.max.as_ref().map(|s| s.text.clone())])
    }
    /// Whether `part / whole` lies within, in integers.
    pub fn hold(&self, part: u64, whole: u64) -> bool {
        let times = |a: u64, b: u64| u128::from(a) * u128::from(b);
        self.min.as_ref().is_none_or(|m| times(part, m.denominator) >= times(m.numerator, whole))
            && self.max.as_ref().is_none_or(|m| m.covers(part, whole))
    }
}

fn written([min, max]: [Option<String>; 2]) -> String {
    let parts = [min.map(|m| format!("at least {m}")), max.map(|m| format!("at most {m}"))];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// How distinct values relate to a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetRelation {
    Equal,
    Contain,
    Inside,
}

impl SetRelation {
    pub fn word(self) -> &'static str {
        match self {
            SetRelation::Equal => "equal",
            SetRelation::Contain => "contain",
            SetRelation::Inside => "inside",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// One of the patterns must match.
    Any,
    /// Each must.
    All,
    /// None may.
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Both,
    Upper,
    Lower,
}

/// Data elsewhere in which a column's values are looked up.
#[derive(Debug, Clone, PartialEq)]
pub struct Lookup {
    /// Relative to the contract's folder.
    pub file: At<String>,
    /// What the column is called there, when it is not called the same.
    pub key: Option<String>,
}

#[derive(Debug, Clone)]
pub enum ColumnClause {
    /// One of [`FORMATS`].
    Format(&'static str),
    TimeFormat(String),
    Json,
    JsonSchema(serde_json::Value),
    /// Regular expressions, each of which compiles.
    Patterns(Quantifier, Vec<At<String>>),
    /// SQL patterns.
    Like(Quantifier, Vec<String>),
    MultipleOf(Decimal),
    Finite,
    IsNull,
    Ordered {
        falling: bool,
        strictly: bool,
    },
    NotConstant,
    ZScore {
        most: f64,
        exclusive: bool,
        side: Side,
        written: String,
    },
    Order(u64),
    /// Mean, median, std, sum, smallest or largest.
    Aggregate(Bounds),
    /// Level, as written, bounds.
    Quantiles(Vec<(f64, String, Bounds)>),
    Distinct(Counts),
    UniqueShare(Shares),
    NullShare(Shares),
    References(Lookup),
    DistinctValues(SetRelation, Vec<Scalar>),
    MostCommon {
        values: Vec<Scalar>,
        ties: bool,
    },
}

/// Every clause that an entry has, in the order of the table.
pub fn read(f: &Fields, sink: &mut Sink) -> Vec<(&'static str, At<ColumnClause>)> {
    let mut out = Vec::new();
    for key in keys::COLUMN.keys.iter() {
        let Some(e) = f.get(key.name) else { continue };
        if let Some(clause) = one(key.name, e, sink) {
            out.push((key.name, At::new(clause, e.value.span)));
        }
    }
    out
}

fn one(key: &'static str, e: &Entry, sink: &mut Sink) -> Option<ColumnClause> {
    use ColumnClause as C;
    let flag = |sink: &mut Sink, c: ColumnClause| sink.bool(e).filter(|b| b.value).map(|_| c);
    match key {
        "format" => sink.one_of(e, FORMATS).map(|i| C::Format(FORMATS[i.value])),
        "time_format" => time_format(e, sink).map(C::TimeFormat),
        "json" => flag(sink, C::Json),
        "json_schema" => json_schema(e, sink).map(C::JsonSchema),
        "patterns" => patterns(e, sink),
        "not_pattern" => pattern_list(e, sink).map(|p| C::Patterns(Quantifier::None, p)),
        "like" => likes(e, sink).map(|l| C::Like(Quantifier::Any, l)),
        "not_like" => likes(e, sink).map(|l| C::Like(Quantifier::None, l)),
        "multiple_of" => multiple_of(e, sink).map(C::MultipleOf),
        "finite" => flag(sink, C::Finite),
        "is_null" => flag(sink, C::IsNull),
        "increasing" => direction(e, sink).map(|strictly| C::Ordered { falling: false, strictly }),
        "decreasing" => direction(e, sink).map(|strictly| C::Ordered { falling: true, strictly }),
        "not_constant" => flag(sink, C::NotConstant),
        "z_score" => z_score(e, sink),
        "mean" | "median" | "std" | "sum" | "smallest" | "largest" => bounds(e, sink).map(C::Aggregate),
        "quantiles" => quantiles(e, sink).map(C::Quantiles),
        "distinct" => counts(e, sink).map(C::Distinct),
        "unique_share" => shares(e, sink).map(C::UniqueShare),
        "null_share" => shares(e, sink).map(C::NullShare),
        "distinct_values" => distinct_values(e, sink),
        "most_common" => most_common(e, sink),
        "references" => references(e, sink).map(C::References),
        "order" => sink.count(e).map(|n| C::Order(n.value)),
        _ => None,
    }
}

/// A number as decimal digits; says what is wrong with any other text.
pub fn number(e: &Entry, sink: &mut Sink) -> Option<Decimal> {
    let t = sink.scalar(e, "a number")?;
    let read = Decimal::parse(&t.text);
    if read.is_none() {
        let d = Diagnostic::new("C004", format!("`{}` wants a number of at most {DIGITS} digits, not `{}`", e.key, t.text));
        sink.push(d.at(e.value.span));
    }
    read
}

/// `min`, `max`, `above` and `below` of a map that holds nothing else.
pub fn bounds(e: &Entry, sink: &mut Sink) -> Option<Bounds> {
    let f = Fields::read(&keys::BOUNDS, &e.key, &e.value, sink)?;
    bounds_of(&f, &e.key, sink)
}

/// The same among other keys of a map.
pub fn bounds_of(f: &Fields, what: &str, sink: &mut Sink) -> Option<Bounds> {
    let mut value = |key: &'static str| f.get(key).and_then(|e| columns::value(&e.value, key, sink));
    let b = Bounds { min: value("min"), max: value("max"), above: value("above"), below: value("below") };
    if b == Bounds::default() {
        let d = Diagnostic::new("C008", format!("`{what}` bounds nothing")).at(f.span);
        sink.push(d.help("give it `min`, `max`, `above` or `below`"));
        return None;
    }
    // As numbers where both are; of other types the check compares.
    fn number(s: &Option<Scalar>) -> Option<(f64, &Scalar)> {
        let s = s.as_ref()?;
        s.text.parse().ok().map(|n| (n, s))
    }
    let low = number(&b.min).or_else(|| number(&b.above));
    let high = number(&b.max).or_else(|| number(&b.below));
    if let (Some((low, l)), Some((high, h))) = (low, high) {
        let open = b.above.is_some() || b.below.is_some();
        if low > high || open && low == high {
            let d = Diagnostic::new("C007", format!("nothing lies between {} and {}", l.text, h.text)).at(l.span);
            sink.push(d.help("swap them?"));
            return None;
        }
    }
    Some(b)
}

fn quantiles(e: &Entry, sink: &mut Sink) -> Option<Vec<(f64, String, Bounds)>> {
    let Kind::Map(entries) = &e.value.kind else {
        let d =
            Diagnostic::new("C004", format!("`quantiles` wants a map from level to bounds, here is {}", e.value.what())).at(e.value.span);
        sink.push(d.help("written `quantiles: {0.95: {max: 7}}`"));
        return None;
    };
    let mut out = Vec::with_capacity(entries.len());
    for one in entries {
        let level = Decimal::parse(&one.key).map(|d| d.as_f64()).filter(|l| (0.0..=1.0).contains(l));
        let Some(level) = level else {
            let d = Diagnostic::new("C004", format!("`{}` is no level of a quantile", one.key)).at(one.key_span);
            sink.push(d.help("a level is a decimal between 0 and 1; 0.5 is the median"));
            return None;
        };
        out.push((level, one.key.clone(), bounds(one, sink)?));
    }
    (!out.is_empty()).then_some(out)
}

pub fn counts(e: &Entry, sink: &mut Sink) -> Option<Counts> {
    let f = Fields::read(&keys::COUNTS, &e.key, &e.value, sink)?;
    let (min, max) = (f.get("min").and_then(|e| sink.count(e)), f.get("max").and_then(|e| sink.count(e)));
    if f.get("min").is_none() && f.get("max").is_none() {
        columns::no_bounds(&e.key, f.span, sink);
    }
    columns::min_max(min.as_ref(), max.as_ref(), sink);
    Some(Counts { min: min.map(|m| m.value), max: max.map(|m| m.value) })
}

fn references(e: &Entry, sink: &mut Sink) -> Option<Lookup> {
    let f = Fields::read(&keys::COLUMN_REFERENCES, &e.key, &e.value, sink)?;
    let file = f.get("in").and_then(|e| sink.text(e));
    let key = match f.get("key") {
        None => None,
        Some(e) => Some(sink.text(e)?.value),
    };
    Some(Lookup { file: file?, key })
}

pub fn shares(e: &Entry, sink: &mut Sink) -> Option<Shares> {
    let f = Fields::read(&keys::SHARES, &e.key, &e.value, sink)?;
    let (min, max) = (f.get("min").and_then(|e| sink.share(e)), f.get("max").and_then(|e| sink.share(e)));
    if f.get("min").is_none() && f.get("max").is_none() {
        columns::no_bounds(&e.key, f.span, sink);
    }
    if let (Some(a), Some(b)) = (&min, &max)
        && !b.value.covers(a.value.numerator, a.value.denominator)
    {
        let d =
            Diagnostic::new("C007", format!("no share lies between a min of {} and a max of {}", a.value.text, b.value.text)).at(a.span);
        sink.push(d.help("swap them?"));
    }
    Some(Shares { min: min.map(|m| m.value), max: max.map(|m| m.value) })
}

fn distinct_values(e: &Entry, sink: &mut Sink) -> Option<ColumnClause> {
    let f = Fields::read(&keys::DISTINCT_VALUES, "distinct_values", &e.value, sink)?;
    let said = [("equal", SetRelation::Equal), ("contain", SetRelation::Contain), ("inside", SetRelation::Inside)];
    let given: Vec<_> = said.into_iter().filter_map(|(key, r)| f.get(key).map(|e| (r, e))).collect();
    let [(relation, e)] = given.as_slice() else {
        sink.push(Diagnostic::new("C008", "`distinct_values` needs one of `equal`, `contain` and `inside`").at(f.span));
        return None;
    };
    columns::set(e, sink).map(|s| ColumnClause::DistinctValues(*relation, s.value))
}

fn most_common(e: &Entry, sink: &mut Sink) -> Option<ColumnClause> {
    let f = Fields::read(&keys::MOST_COMMON, "most_common", &e.value, sink)?;
    let ties = f.get("ties").and_then(|e| sink.bool(e)).is_some_and(|b| b.value);
    let values = f.get("in").and_then(|e| columns::set(e, sink))?;
    Some(ColumnClause::MostCommon { values: values.value, ties })
}

fn multiple_of(e: &Entry, sink: &mut Sink) -> Option<Decimal> {
    let n = number(e, sink)?;
    if n.digits <= 0 {
        let d = Diagnostic::new("C007", "a step must be more than zero").at(e.value.span);
        sink.push(d.help("`multiple_of: 5` accepts -10, 0 and 5"));
        return None;
    }
    Some(n)
}

fn direction(e: &Entry, sink: &mut Sink) -> Option<bool> {
    let t = sink.scalar(e, "true or strictly")?;
    match t.text.as_str() {
        "true" => Some(false),
        "strictly" => Some(true),
        "false" => None,
        other => {
            let d = Diagnostic::new("C004", format!("`{}` is true, false or strictly, not `{other}`", e.key)).at(e.value.span);
            sink.push(d);
            None
        }
    }
}

fn time_format(e: &Entry, sink: &mut Sink) -> Option<String> {
    use chrono::format::{Item, StrftimeItems};
    let t = sink.text(e)?;
    let items: Vec<Item<'_>> = StrftimeItems::new(&t.value).collect();
    if items.iter().any(|i| matches!(i, Item::Error)) {
        let d = Diagnostic::new("C009", format!("`{}` is no time format", t.value)).at(t.span);
        sink.push(d.help("written as for strftime: '%Y-%m-%d %H:%M:%S'"));
        return None;
    }
    if !items.iter().any(|i| matches!(i, Item::Numeric(..) | Item::Fixed(..))) {
        let d = Diagnostic::new("C007", format!("`{}` holds no date and no time", t.value)).at(t.span);
        sink.push(d.help("`%d` is the day, `%m` the month, `%Y` the year"));
        return None;
    }
    Some(t.value)
}

fn pattern_list(e: &Entry, sink: &mut Sink) -> Option<Vec<At<String>>> {
    let items = sink.items(e, true)?;
    let patterns: Vec<At<String>> = items
        .iter()
        .filter_map(|node| {
            let one = Entry { key: e.key.clone(), key_span: e.key_span, value: node.clone() };
            columns::pattern(&one, sink)
        })
        .collect();
    (patterns.len() == items.len()).then_some(patterns)
}

fn patterns(e: &Entry, sink: &mut Sink) -> Option<ColumnClause> {
    let f = Fields::read(&keys::PATTERNS, "patterns", &e.value, sink)?;
    match (f.get("any"), f.get("all")) {
        (Some(any), None) => pattern_list(any, sink).map(|p| ColumnClause::Patterns(Quantifier::Any, p)),
        (None, Some(all)) => pattern_list(all, sink).map(|p| ColumnClause::Patterns(Quantifier::All, p)),
        _ => {
            let d = Diagnostic::new("C008", "`patterns` needs either `any` or `all`").at(f.span);
            sink.push(d.help("written `patterns: {any: ['^a', '^b']}`"));
            None
        }
    }
}

fn likes(e: &Entry, sink: &mut Sink) -> Option<Vec<String>> {
    let texts = sink.texts(e);
    (!texts.is_empty()).then(|| texts.into_iter().map(|t| t.value).collect())
}

fn z_score(e: &Entry, sink: &mut Sink) -> Option<ColumnClause> {
    let f = Fields::read(&keys::Z_SCORE, "z_score", &e.value, sink)?;
    let (max, below) = (f.get("max"), f.get("below"));
    let (entry, exclusive) = match (max, below) {
        (Some(max), None) => (max, false),
        (None, Some(below)) => (below, true),
        _ => {
            sink.push(Diagnostic::new("C008", "`z_score` needs either `max` or `below`").at(f.span).help("written `z_score: {max: 4}`"));
            return None;
        }
    };
    let most = number(entry, sink)?;
    if most.digits <= 0 {
        sink.push(Diagnostic::new("C007", "a number of standard deviations is more than zero").at(entry.value.span));
        return None;
    }
    let side =
        f.get("sides").and_then(|e| sink.one_of(e, keys::SIDES)).map_or(Side::Both, |i| [Side::Both, Side::Upper, Side::Lower][i.value]);
    let text = sink.scalar(entry, "a number")?.text.clone();
    let written = format!("{} {text} standard deviations", if exclusive { "fewer than" } else { "at most" });
    Some(ColumnClause::ZScore { most: most.as_f64(), exclusive, side, written })
}

fn json_schema(e: &Entry, sink: &mut Sink) -> Option<serde_json::Value> {
    if !matches!(e.value.kind, Kind::Map(_)) {
        let d = Diagnostic::new("C004", format!("`json_schema` wants a schema, here is {}", e.value.what())).at(e.value.span);
        sink.push(d.help("written `json_schema: {type: object, required: [a]}`"));
        return None;
    }
    let schema = json(&e.value);
    if let Err(why) = super::json_schema::JsonSchema::new(&schema) {
        sink.push(Diagnostic::new("C009", format!("the schema cannot be used: {why}")).at(e.value.span));
        return None;
    }
    Some(schema)
}

/// YAML as JSON, by YAML 1.2's own reading of plain scalars.
fn json(node: &Node) -> serde_json::Value {
    use serde_json::Value;
    match &node.kind {
        _ if node.is_null() => Value::Null,
        Kind::Seq(items) => Value::Array(items.iter().map(|n| json(n)).collect()),
        Kind::Map(entries) => Value::Object(entries.iter().map(|e| (e.key.clone(), json(&e.value))).collect()),
        Kind::Scalar(t) if t.quoted => Value::String(t.text.clone()),
        Kind::Scalar(t) => match t.text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            // What reads as a JSON number is one.
            text => match serde_json::from_str::<serde_json::Number>(text) {
                Ok(n) => Value::Number(n),
                Err(_) => Value::String(text.to_owned()),
            },
        },
    }
}

/// Whether a number, written as a program prints it (`12`, `-0.3`, `1e-7`), is a multiple of the
/// step, in decimal: 0.3 is three times 0.1, although their doubles are not. False for NaN and
/// infinities.
pub fn is_multiple(text: &str, step: Decimal) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => match text[at + 1..].parse::<i32>() {
            Ok(e) => (&text[..at], e),
            Err(_) => return false,
        },
        None => (text, 0),
    };
    let bare = mantissa.trim_start_matches(['-', '+']);
    let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    if (whole.is_empty() && fraction.is_empty()) || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return false;
    }
    let fraction = fraction.trim_end_matches('0');
    let digits = || whole.bytes().chain(fraction.bytes()).map(|b| i128::from(b - b'0'));
    // value / step = digits * 10^power / step.digits
    let power = i64::from(exponent) - fraction.len() as i64 + i64::from(step.scale);
    let modulus = |m: i128| digits().fold(0, |r, d| (r * 10 + d) % m);
    if digits().all(|d| d == 0) {
        return true;
    }
    if power >= 0 {
        // Powers of ten repeat modulo the step; a double's exponent is at most a few hundred.
        return (0..power.min(1_000)).fold(modulus(step.digits), |r, _| r * 10 % step.digits) == 0;
    }
    // Below one step's last digit: the digits must make up for every power of ten that is missing.
    let missing = u32::try_from(-power).ok().filter(|p| *p <= 18);
    missing.is_some_and(|p| modulus(step.digits * 10_i128.pow(p)) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiples_are_decimal() {
        let of = |text, step| is_multiple(text, Decimal::parse(step).unwrap());
        for (good, step) in
            [("0.3", "0.1"), ("-10", "5"), ("0", "7"), ("1e21", "0.5"), ("1e-7", "0.0000001"), ("2.50", "0.25"), ("0.75", "0.25")]
        {
            assert!(of(good, step), "{good} {step}");
        }
        for (bad, step) in [("0.35", "0.1"), ("7", "5"), ("NaN", "1"), ("inf", "1"), ("1e-300", "0.5"), ("0.1", "0.25"), ("1e21", "3")] {
            assert!(!of(bad, step), "{bad} {step}");
        }
    }

    #[test]
    fn numbers_are_kept_as_decimal_digits() {
        let of = |t| Decimal::parse(t).map(|d| (d.digits, d.scale));
        assert_eq!(of("0.25"), Some((25, 2)));
        assert_eq!(of("-3"), Some((-3, 0)));
        assert_eq!(of("1e-3"), Some((1, 3)));
        assert_eq!(of("2.5E1"), Some((25, 0)));
        for bad in ["", ".", "e5", "1e", "one", "0x1", "1_000", "1e400", "99999999999999999999", "1e-40"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
