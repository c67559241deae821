//! What the well-known forms of text look like: one function each, from a text to yes or no. Linear
//! in the text; nothing is looked up.

use crate::contract::loose_date;
use chrono::format::{Item, Parsed};
use chrono::{DateTime, NaiveTime};
use std::net::{Ipv4Addr, Ipv6Addr};

/// The form of a name from [`crate::contract::clauses::FORMATS`].
pub fn named(name: &str) -> fn(&str) -> bool {
    match name {
        "email" => email,
        "uuid" => uuid,
        "uri" => uri,
        "hostname" => hostname,
        "ipv4" => ipv4,
        "ipv6" => ipv6,
        "ip" => |t| ipv4(t) || ipv6(t),
        "date" => |t| crate::contract::scalar::date(t).is_some(),
        "time" => time,
        "date-time" => date_time,
        "duration" => duration,
        "base64" => base64,
        _ => |t| loose_date::parse(t).is_some(),
    }
}

/// `an email address`.
pub fn noun(name: &str) -> String {
    match name {
        "email" => "an email address".into(),
        "ipv4" => "an IPv4 address".into(),
        "ipv6" => "an IPv6 address".into(),
        "ip" => "an IP address".into(),
        "uuid" => "a UUID".into(),
        "uri" => "a URI".into(),
        "hostname" => "a host name".into(),
        "any-date" => "a date".into(),
        other => format!("a {other}"),
    }
}

fn email(t: &str) -> bool {
    let Some((local, host)) = t.rsplit_once('@') else { return false };
    let legal = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-.".contains(c) || !c.is_ascii() && c.is_alphanumeric();
    let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    let local = !local.is_empty() && local.len() <= 64 && !dots && local.chars().all(legal);
    // A mail domain has a dot, or is an address literal.
    let literal = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host = match literal {
        Some(address) => ipv4(address) || address.strip_prefix("IPv6:").is_some_and(ipv6),
        None => host.contains('.') && international(host),
    };
    local && host
}

/// A host name, or one in letters of another script.
fn international(t: &str) -> bool {
    hostname(t)
        || !t.is_ascii() && t.len() <= 253 && t.split('.').all(|l| !l.is_empty() && l.chars().all(|c| c.is_alphanumeric() || c == '-'))
}

fn uuid(t: &str) -> bool {
    let b = t.as_bytes();
    b.len() == 36 && b.iter().enumerate().all(|(i, c)| if matches!(i, 8 | 13 | 18 | 23) { *c == b'-' } else { c.is_ascii_hexdigit() })
}

fn uri(t: &str) -> bool {
    let Some((scheme, rest)) = t.split_once(':') else { return false };
    let scheme_ok =
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let b = rest.as_bytes();
    let mut hashes = 0;
    let legal = |i: usize| match b[i] {
        b'%' => b.get(i + 1..i + 3).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit)),
        c => c.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(&c),
    };
    let all = (0..b.len()).all(|i| {
        hashes += usize::from(b[i] == b'#');
        legal(i)
    });
    let host = rest.strip_prefix("//").map(|r| r.split(['/', '?', '#']).next().unwrap_or(""));
    // A web address names a host.
    let hosted = !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https" | "ftp") || host.is_some_and(|h| !h.is_empty());
    scheme_ok && !rest.is_empty() && all && hashes <= 1 && hosted
}

fn hostname(t: &str) -> bool {
    let label = |l: &str| {
        let b = l.as_bytes();
        (1..=63).contains(&b.len()) && b[0] != b'-' && b[b.len() - 1] != b'-' && b.iter().all(|c| c.is_ascii_alphanumeric() || *c == b'-')
    };
    t.len() <= 253 && t.split('.').all(label)
}

fn ipv4(t: &str) -> bool {
    t.parse::<Ipv4Addr>().is_ok()
}

fn ipv6(t: &str) -> bool {
    t.parse::<Ipv6Addr>().is_ok()
}

fn time(t: &str) -> bool {
    let clock = t.strip_suffix(['Z', 'z']).or_else(|| zone(t)).unwrap_or(t);
    let shape = clock.as_bytes();
    let digits = shape.len() >= 8 && shape[2] == b':' && shape[5] == b':';
    digits && NaiveTime::parse_from_str(clock, "%H:%M:%S%.f").is_ok()
}

/// What stands before `+02:00`.
fn zone(t: &str) -> Option<&str> {
    let at = t.len().checked_sub(6)?;
    let (clock, zone) = (t.get(..at)?, t.get(at..)?);
    let b = zone.as_bytes();
    let two = |i: usize, most: u8| b[i].is_ascii_digit() && b[i + 1].is_ascii_digit() && (b[i] - b'0') * 10 + b[i + 1] - b'0' <= most;
    (matches!(b[0], b'+' | b'-') && two(1, 23) && b[3] == b':' && two(4, 59)).then_some(clock)
}

fn date_time(t: &str) -> bool {
    t.as_bytes().get(10).is_some_and(|c| matches!(c, b'T' | b't')) && DateTime::parse_from_rfc3339(t).is_ok()
}

/// `P1Y2M10DT2H30M`, `P3W`.
fn duration(t: &str) -> bool {
    let Some(rest) = t.strip_prefix('P') else { return false };
    let parts = |text: &str, units: &str| -> Option<usize> {
        let mut units = units.chars();
        let (mut n, mut digits) = (0, String::new());
        for c in text.chars() {
            if c.is_ascii_digit() || (matches!(c, '.' | ',') && !digits.is_empty() && !digits.contains(['.', ','])) {
                digits.push(c);
                continue;
            }
            // Units come in order, each once, behind a number.
            if digits.is_empty() || digits.ends_with(['.', ',']) || !units.any(|u| u == c) {
                return None;
            }
            digits.clear();
            n += 1;
        }
        digits.is_empty().then_some(n)
    };
    match rest.split_once('T') {
        Some((day, clock)) => parts(day, "YMD").is_some() && parts(clock, "HMS").is_some_and(|n| n > 0),
        None => parts(rest, "YMD").is_some_and(|n| n > 0) || parts(rest, "W") == Some(1),
    }
}

fn base64(t: &str) -> bool {
    let body = t.trim_end_matches('=');
    !t.is_empty()
        && t.len().is_multiple_of(4)
        && t.len() - body.len() <= 2
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

pub fn json(t: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(t).is_ok()
}

/// Whether a text reads by a strftime format, and names a day and a time that exist.
pub fn by_items(t: &str, items: &[Item<'_>]) -> bool {
    let mut parsed = Parsed::new();
    if chrono::format::parse(&mut parsed, t, items.iter()).is_err() {
        return false;
    }
    let day_of_year = parsed.ordinal.is_some() || parsed.month.is_some() || parsed.day.is_some();
    let dated = parsed.year.is_some() || parsed.year_mod_100.is_some();
    if parsed.timestamp.is_some() {
        return parsed.to_naive_datetime_with_offset(0).is_ok();
    }
    let date = if dated && day_of_year {
        // A format without a day or a month means the first.
        let month = parsed.month.is_some() || parsed.ordinal.is_some() || parsed.set_month(1).is_ok();
        let day = parsed.day.is_some() || parsed.ordinal.is_some() || parsed.set_day(1).is_ok();
        month && day && parsed.to_naive_date().is_ok()
    } else if let (Some(month), Some(day)) = (parsed.month, parsed.day) {
        // Without a year: a leap year, so that the 29th of February is one.
        chrono::NaiveDate::from_ymd_opt(2000, month, day).is_some()
    } else {
        true
    };
    let timed = parsed.hour_mod_12.is_some() && parsed.minute.is_some();
    date && (!timed || parsed.hour_div_12.is_none() || parsed.to_naive_time().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(name: &str, good: &[&str], bad: &[&str]) {
        let holds = named(name);
        assert!(good.iter().all(|t| holds(t)), "{name}: {:?}", good.iter().filter(|t| !holds(t)).collect::<Vec<_>>());
        assert!(!bad.iter().any(|t| holds(t)), "{name}: {:?}", bad.iter().filter(|t| holds(t)).collect::<Vec<_>>());
    }

    #[test]
    fn well_known_forms_are_told_from_others() {
        all(
            "email",
            &["a@b.co", "first.last+tag@sub.example.org", "x@[127.0.0.1]", "ü@exämple.org"],
            &["", "a", "a@b@c.de", "a@b", ".a@b.co", "a..b@b.co", "a@-b.co", "a b@c.de", "a@b.co "],
        );
        all(
            "uuid",
            &["123e4567-e89b-12d3-a456-426614174000"],
            &["123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g", ""],
        );
        all(
            "uri",
            &["https://example.org/a?b=c#d", "urn:isbn:0451450523", "mailto:a@b.c", "file:///tmp/x"],
            &["example.org", "http://", "http://a b", "1http://a", "http://a/%zz", "a:b#c#d", ""],
        );
        all("hostname", &["localhost", "a-b.example.org"], &["", "-a.org", "a..b", "a_b.org", "a.org."]);
        all("ipv4", &["127.0.0.1"], &["127.0.0", "256.1.1.1", "01.2.3.4", "1.2.3.4:80"]);
        all("ipv6", &["::1", "2001:db8::ff00:42:8329"], &["1::2::3", "::1%eth0", "127.0.0.1"]);
        all("ip", &["::1", "10.0.0.1"], &["x"]);
        all("date", &["2024-02-29"], &["2023-02-29", "24-02-29", "2024-2-29"]);
        all("time", &["23:59:59", "23:59:59.5Z", "00:00:00+02:00"], &["24:00:00", "1:2:3", "23:59", "12:00:00+25:00"]);
        all(
            "date-time",
            &["2024-02-29T12:00:00Z", "2024-02-29T12:00:00.123+05:30"],
            &["2024-02-29T12:00:00", "2024-02-29 12:00:00Z", "2024-02-30T12:00:00Z"],
        );
        all("duration", &["P3DT4H", "PT0.5S", "P2W", "P1Y2M3D"], &["P", "PT", "3D", "P3H", "PT4D", "P1D2M", "P1.DT1H"]);
        all("base64", &["YQ==", "YWI=", "YWJj"], &["", "YQ", "YQ===", "Y Q=", "=YQ="]);
        all("any-date", &["01/01/2010", "Jan 1st, 2020"], &["cat", ""]);
    }

    #[test]
    fn a_time_format_must_use_up_the_text_and_name_a_day_that_exists() {
        let holds = |t: &str, f: &str| by_items(t, &chrono::format::StrftimeItems::new(f).collect::<Vec<_>>());
        assert!(holds("2019-04-01", "%Y-%m-%d") && holds("31/01/2010", "%d/%m/%Y") && holds("2020-02-29T23:59:59", "%Y-%m-%dT%H:%M:%S"));
        assert!(holds("2020-02", "%Y-%m") && holds("23:59", "%H:%M") && holds("2020-366", "%Y-%j") && holds("11 PM", "%I %p"));
        for (t, f) in [
            ("2019-02-29", "%Y-%m-%d"),
            ("2019-04-01x", "%Y-%m-%d"),
            ("55/01/2010", "%d/%m/%Y"),
            ("", "%Y"),
            ("24:00", "%H:%M"),
            ("2019-366", "%Y-%j"),
            ("30/02", "%d/%m"),
        ] {
            assert!(!holds(t, f), "{t} {f}");
        }
    }
}
