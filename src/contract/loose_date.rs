//! Dates as people write them: `2019-04-01`, `01/31/2010`, `Jan 1st, 2020 5pm`, `20190401T0930+0200`.
//! Follows what users of Python's dateutil expect: month before day where both are possible, jumbled
//! separators, names of months and weekdays in English. For finding out whether a text is a date at
//! all; a contract's own literals are read strictly ([`super::scalar`]).

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// No date is longer.
const LONGEST: usize = 64;

const MONTHS: [&str; 12] =
    ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Words that say nothing.
const FILLERS: [&str; 9] = ["at", "on", "and", "of", "st", "nd", "rd", "th", "t"];

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// Digits as written.
    Number(String),
    Word(String),
    Mark(char),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            out.push(Token::Mark(' '));
            continue;
        }
        let digit = c.is_ascii_digit();
        if !digit && !c.is_alphabetic() {
            if !"-/.,:;+()'".contains(c) {
                return None;
            }
            out.push(Token::Mark(c));
            continue;
        }
        let mut run = String::from(c);
        while let Some(n) = chars.peek().filter(|n| if digit { n.is_ascii_digit() } else { n.is_alphabetic() }) {
            run.push(*n);
            chars.next();
        }
        out.push(if digit { Token::Number(run) } else { Token::Word(run.to_lowercase()) });
    }
    Some(out)
}

/// A name or its beginning of at least three letters.
fn named(word: &str, names: &[&str]) -> Option<u32> {
    let found = names.iter().position(|n| word.len() >= 3 && n.starts_with(word) || word == "sept" && *n == "september")?;
    u32::try_from(found).ok()
}

#[derive(Default)]
struct Parts {
    /// Numbers that may be day, month or year, with how many digits they had.
    numbers: Vec<(u32, usize)>,
    month: Option<u32>,
    /// Where among the numbers the month's name stood.
    time: Option<NaiveTime>,
    afternoon: Option<bool>,
    /// Seconds east of Greenwich.
    offset: Option<i32>,
    weekday: bool,
}

/// The point in time that a text names, with its offset from Greenwich in seconds where it has one.
/// What a text leaves out (the year of `5 March`) is taken from 1970-01-01. `None` for what is no
/// date.
pub fn parse(text: &str) -> Option<(NaiveDateTime, Option<i32>)> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    let tokens = tokens(text)?;
    let mut parts = Parts::default();
    let mut i = 0;
    while i < tokens.len() {
        i = step(&tokens, i, &mut parts)?;
    }
    finish(parts)
}

fn number(t: Option<&Token>) -> Option<&str> {
    match t {
        Some(Token::Number(n)) => Some(n),
        _ => None,
    }
}

fn is_mark(t: Option<&Token>, c: char) -> bool {
    t == Some(&Token::Mark(c))
}

/// Takes what stands at `i` and returns where to go on.
fn step(tokens: &[Token], i: usize, parts: &mut Parts) -> Option<usize> {
    match &tokens[i] {
        Token::Number(n) => {
            if is_mark(tokens.get(i + 1), ':') && parts.time.is_none() {
                return clock(tokens, i, parts);
            }
            let after_t = i > 0 && tokens[i - 1] == Token::Word("t".into());
            let value: u32 = if n.len() <= 9 { n.parse().ok()? } else { 0 };
            match n.len() {
                // 20190401093000
                14 => {
                    push_day(&n[..8], parts)?;
                    parts.time = Some(packed(&n[8..])?);
                }
                12 => {
                    push_day(&n[..8], parts)?;
                    parts.time = Some(packed(&n[8..])?);
                }
                8 => push_day(n, parts)?,
                4 | 6 if after_t && parts.time.is_none() => parts.time = Some(packed(n)?),
                6 => {
                    for k in [0, 2, 4] {
                        parts.numbers.push((n[k..k + 2].parse().ok()?, 2));
                    }
                }
                1..=4 => {
                    if let Some(Token::Word(w)) = tokens.get(skip(tokens, i + 1))
                        && let Some(pm) = half(w)
                        && parts.time.is_none()
                    {
                        parts.time = NaiveTime::from_hms_opt(value, 0, 0).filter(|_| (1..=12).contains(&value));
                        parts.time?;
                        parts.afternoon = Some(pm);
                        return Some(skip(tokens, i + 1) + 1);
                    }
                    if after_t && parts.time.is_none() && n.len() == 2 {
                        parts.time = Some(NaiveTime::from_hms_opt(value, 0, 0)?);
                    } else {
                        parts.numbers.push((value, n.len()));
                    }
                }
                _ => return None,
            }
            Some(i + 1)
        }
        Token::Word(w) => {
            if let Some(m) = named(w, &MONTHS) {
                return parts.month.replace(m + 1).is_none().then_some(i + 1);
            }
            if named(w, &DAYS).is_some() {
                return (!std::mem::replace(&mut parts.weekday, true)).then_some(i + 1);
            }
            if let Some(pm) = half(w) {
                return (parts.time.is_some() && parts.afternoon.replace(pm).is_none()).then_some(i + 1);
            }
            let zone = matches!(w.as_str(), "z" | "utc" | "gmt");
            if zone && parts.time.is_some() {
                parts.offset = Some(0);
                return Some(i + 1);
            }
            FILLERS.contains(&w.as_str()).then_some(i + 1)
        }
        Token::Mark('+' | '-') if parts.time.is_some() && number(tokens.get(i + 1)).is_some() => offset(tokens, i, parts),
        Token::Mark('+' | '(' | ')' | '\'' | ':') => None,
        Token::Mark(_) => Some(i + 1),
    }
}

fn skip(tokens: &[Token], i: usize) -> usize {
    if is_mark(tokens.get(i), ' ') { i + 1 } else { i }
}

fn half(w: &str) -> Option<bool> {
    match w {
        "am" => Some(false),
        "pm" => Some(true),
        _ => None,
    }
}

fn push_day(n: &str, parts: &mut Parts) -> Option<()> {
    if !parts.numbers.is_empty() || !n.is_ascii() {
        return None;
    }
    parts.numbers.push((n[..4].parse().ok()?, 4));
    parts.numbers.push((n[4..6].parse().ok()?, 2));
    parts.numbers.push((n[6..].parse().ok()?, 2));
    Some(())
}

/// `0930` or `093000`.
fn packed(n: &str) -> Option<NaiveTime> {
    let two = |from: usize| n.get(from..from + 2).map_or(Some(0), |d| d.parse().ok());
    NaiveTime::from_hms_opt(two(0)?, two(2)?, two(4)?)
}

/// `9:30`, `09:30:15`, `09:30:15.25`.
fn clock(tokens: &[Token], i: usize, parts: &mut Parts) -> Option<usize> {
    let small = |t: Option<&Token>| number(t).filter(|n| n.len() <= 2).and_then(|n| n.parse::<u32>().ok());
    let (hour, minute) = (small(tokens.get(i))?, small(tokens.get(i + 2))?);
    let mut at = i + 3;
    let (mut second, mut nanos) = (0, 0);
    if is_mark(tokens.get(at), ':') {
        second = small(tokens.get(at + 1))?;
        at += 2;
        let point = is_mark(tokens.get(at), '.') || is_mark(tokens.get(at), ',');
        if let Some(fraction) = number(tokens.get(at + 1)).filter(|_| point) {
            let digits = format!("{:0<9}", fraction.get(..9.min(fraction.len())).unwrap_or(""));
            nanos = digits.parse().ok()?;
            at += 2;
        }
    }
    parts.time = Some(NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)?);
    Some(at)
}

/// `+02:00`, `+0200`, `-8`.
fn offset(tokens: &[Token], i: usize, parts: &mut Parts) -> Option<usize> {
    let sign = if is_mark(tokens.get(i), '-') { -1 } else { 1 };
    let digits = number(tokens.get(i + 1))?;
    let mut at = i + 2;
    let (hours, minutes): (i32, i32) = match digits.len() {
        1 | 2 => {
            let mut minutes = 0;
            if is_mark(tokens.get(at), ':') {
                minutes = number(tokens.get(at + 1))?.parse().ok()?;
                at += 2;
            }
            (digits.parse().ok()?, minutes)
        }
        4 => (digits[..2].parse().ok()?, digits[2..].parse().ok()?),
        _ => return None,
    };
    let seconds = hours.checked_mul(3600)?.checked_add(minutes.checked_mul(60)?)?;
    (minutes < 60 && seconds < 86_400 && parts.offset.replace(sign * seconds).is_none()).then_some(at)
}

fn finish(parts: Parts) -> Option<(NaiveDateTime, Option<i32>)> {
    let Parts { numbers, month, mut time, afternoon, offset, weekday } = parts;
    if let (Some(t), Some(pm)) = (time, afternoon) {
        use chrono::Timelike;
        if !(1..=12).contains(&t.hour()) {
            return None;
        }
        time = t.with_hour(t.hour() % 12 + if pm { 12 } else { 0 });
    }
    let year = |(n, digits): (u32, usize)| -> Option<i32> {
        let n = i32::try_from(n).ok()?;
        // Two digits mean a year around now, as Python reads them.
        Some(if digits <= 2 { n + if n < 69 { 2000 } else { 1900 } } else { n })
    };
    let long = |(n, digits): &(u32, usize)| *digits > 2 || *n > 31;
    let date = match (month, numbers.as_slice()) {
        (Some(m), []) => NaiveDate::from_ymd_opt(1970, m, 1),
        (Some(m), [one]) if long(one) => NaiveDate::from_ymd_opt(year(*one)?, m, 1),
        (Some(m), [one]) => NaiveDate::from_ymd_opt(1970, m, one.0),
        (Some(m), [a, b]) if long(a) => NaiveDate::from_ymd_opt(year(*a)?, m, b.0),
        (Some(m), [a, b]) => NaiveDate::from_ymd_opt(year(*b)?, m, a.0),
        (None, []) if time.is_some() || weekday => Some(NaiveDate::default()),
        (None, [one]) if long(one) => NaiveDate::from_ymd_opt(year(*one)?, 1, 1),
        (None, [one]) => NaiveDate::from_ymd_opt(1970, 1, one.0),
        (None, [a, b]) if long(a) => NaiveDate::from_ymd_opt(year(*a)?, b.0, 1),
        (None, [a, b]) if long(b) => NaiveDate::from_ymd_opt(year(*b)?, a.0, 1),
        (None, [a, b]) => NaiveDate::from_ymd_opt(1970, a.0, b.0).or_else(|| NaiveDate::from_ymd_opt(1970, b.0, a.0)),
        (None, [a, b, c]) if long(a) => {
            NaiveDate::from_ymd_opt(year(*a)?, b.0, c.0).or_else(|| NaiveDate::from_ymd_opt(year(*a)?, c.0, b.0))
        }
        (None, [a, b, c]) => NaiveDate::from_ymd_opt(year(*c)?, a.0, b.0).or_else(|| NaiveDate::from_ymd_opt(year(*c)?, b.0, a.0)),
        _ => None,
    }?;
    // Year 0 is in no calendar that anybody writes dates in.
    use chrono::Datelike;
    (date.year() > 0).then(|| (date.and_time(time.unwrap_or(NaiveTime::MIN)), offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        parse(text).map(|(t, z)| format!("{t}{}", z.map_or(String::new(), |z| format!(" {z}"))))
    }

    #[test]
    fn dates_as_people_write_them_are_read() {
        for (text, meant) in [
            ("2019-04-01", "2019-04-01 00:00:00"),
            ("01/31/2010", "2010-01-31 00:00:00"),
            ("31/01/2010", "2010-01-31 00:00:00"),
            ("1/2/2016", "2016-01-02 00:00:00"),
            ("Jan 01 1970 12:00:01", "1970-01-01 12:00:01"),
            ("1st of March, 2020 5pm", "2020-03-01 17:00:00"),
            ("Mon, 6 Jul 2009 12:00:00 GMT", "2009-07-06 12:00:00 0"),
            ("1970-01-01 12:00:01.000000 +0530", "1970-01-01 12:00:01 19800"),
            ("2016-01-01T12:34:56Z", "2016-01-01 12:34:56 0"),
            ("20190401T0930", "2019-04-01 09:30:00"),
            ("20190401", "2019-04-01 00:00:00"),
            ("12:30", "1970-01-01 12:30:00"),
            ("3.12.99", "1999-03-12 00:00:00"),
            ("2000-02-29T23:59:59.25-08:00", "2000-02-29 23:59:59.250 -28800"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(meant), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_dates() {
        for text in [
            "",
            "abc",
            "cat",
            "2019-13-45",
            "2019-02-30",
            "12:60",
            "32/32/2010",
            "hello 2020",
            "1 2 3 4",
            "99999999999",
            "é",
            "2001-02-29",
            "13 pm",
            "+",
            "::",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
