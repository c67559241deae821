//! Shares and numbers of rows, exactly as written: a share is kept as a fraction of integers, so
//! that a tolerance is compared without rounding.

use super::Share;

/// Digits after the point that a share may have: 10^18 still fits the denominator.
const MAX_DIGITS: usize = 18;

/// `0.5%`, `60%`, or a decimal in [0, 1]. The error carries a message and what would satisfy it.
pub fn share(text: &str) -> Result<Share, (String, String)> {
    let trimmed = text.trim();
    let (number, percent) = match trimmed.strip_suffix('%') {
        Some(n) => (n.trim_end(), true),
        None => (trimmed, false),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return Err((format!("`{text}` is not a share"), "a share is written 0.5%, or as a decimal between 0 and 1 such as 0.005".into()));
    }
    if number == "1" && !percent {
        return Err(("`1` as a share may mean one percent or everything".into(), "write 1% or 100%".into()));
    }
    let fraction = fraction.trim_end_matches('0');
    let scale = fraction.len() + if percent { 2 } else { 0 };
    let whole = whole.trim_start_matches('0');
    if scale > MAX_DIGITS {
        return Err((format!("`{text}` has too many digits after the point"), format!("at most {} are read", MAX_DIGITS - 2)));
    }
    let beyond = || {
        let help = if percent {
            "a share is at most 100%".into()
        } else {
            format!("for a percentage write {number}%; else a decimal between 0 and 1")
        };
        (format!("`{text}` is more than everything"), help)
    };
    if whole.len() > 3 {
        return Err(beyond());
    }
    let numerator: u128 = format!("0{whole}{fraction}").parse().map_err(|_| beyond())?;
    let denominator = 10_u128.pow(scale as u32);
    if numerator > denominator {
        return Err(beyond());
    }
    let g = gcd(numerator, denominator);
    let part = |n: u128| u64::try_from(n / g).map_err(|_| beyond());
    Ok(Share { numerator: part(numerator)?, denominator: part(denominator)?, text: trimmed.to_owned() })
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

/// `25 rows` or `1 row`.
pub fn rows(text: &str) -> Result<u64, (String, String)> {
    let wrong = |help: String| Err((format!("`{text}` is not a number of rows"), help));
    let number = text.trim();
    let Some(digits) = number.strip_suffix("rows").or_else(|| number.strip_suffix("row")) else {
        let bare = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        return wrong(if bare { format!("write `{number} rows`") } else { "it is written `25 rows`".into() });
    };
    let digits = digits.trim_end();
    match digits.parse() {
        Ok(0) => Err(("a floor of no rows can never be reached".into(), "name at least `1 row`, or leave the key out".into())),
        Ok(n) if digits.bytes().all(|b| b.is_ascii_digit()) => Ok(n),
        _ => wrong("it is written `25 rows`".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fraction(text: &str) -> (u64, u64) {
        let s = share(text).unwrap();
        (s.numerator, s.denominator)
    }

    #[test]
    fn shares_are_exact_fractions() {
        assert_eq!(fraction("0.5%"), (1, 200));
        assert_eq!(fraction("60%"), (3, 5));
        assert_eq!(fraction("0.1"), (1, 10));
        assert_eq!(fraction("0"), (0, 1));
        assert_eq!(fraction("100%"), (1, 1));
        assert_eq!(fraction("1.0"), (1, 1));
        assert_eq!(fraction("0.0000000000000001%"), (1, 1_000_000_000_000_000_000));
        assert_eq!(share(" 0.5 %").unwrap().text, "0.5 %");
    }

    #[test]
    fn a_bare_one_is_ambiguous() {
        let (_, help) = share("1").unwrap_err();
        assert_eq!(help, "write 1% or 100%");
    }

    #[test]
    fn shares_outside_zero_to_one_are_refused() {
        for bad in ["-1%", "101%", "100.1%", "2", "60", "1.5", "1e-3", "", "%", ".", "a", "0.1%%", "99999999999999999999%", "0,5%", "+5%"] {
            assert!(share(bad).is_err(), "{bad}");
        }
        assert!(share("60").unwrap_err().1.contains("60%"));
    }

    #[test]
    fn too_many_digits_are_refused_rather_than_rounded() {
        assert!(share(&format!("0.{}1", "0".repeat(30))).is_err());
        assert_eq!(fraction(&format!("0.5{}", "0".repeat(100))), (1, 2));
    }

    #[test]
    fn a_floor_names_its_unit() {
        assert_eq!(rows("25 rows"), Ok(25));
        assert_eq!(rows("1 row"), Ok(1));
        assert_eq!(rows("25").unwrap_err().1, "write `25 rows`");
        for bad in ["0 rows", "-5 rows", "many rows", "2.5 rows", "rows", "25 lines", "+5 rows"] {
            assert!(rows(bad).is_err(), "{bad}");
        }
    }
}
