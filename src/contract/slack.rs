//! Bounds with room: from the extremes that were seen to a range that tomorrow's rows of the same
//! kind keep as well. Never narrower than what was seen, never beyond what the type holds, and `None`
//! where every value of the type would pass.

use super::{scalar, types};
use arrow::datatypes::{DataType, TimeUnit};
use chrono::{DateTime, Days, NaiveDate};

/// A tenth of the span on both sides, but no negative minimum where none was seen, and never
/// beyond what the type holds. `None` when every value of the type would pass.
pub fn ints((lo, hi): (i128, i128), type_: &DataType) -> Option<(i128, i128)> {
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
pub fn floats((lo, hi): (f64, f64), type_: &DataType) -> Option<(f64, f64)> {
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
pub fn round_up(n: u64) -> u64 {
    let mut scale = 1;
    while n / scale >= 100 {
        scale *= 10;
    }
    n.div_ceil(scale).saturating_mul(scale).max(1)
}

/// Decimals, unscaled: as for integers, within the digits of the type. Written with their point.
pub fn decimals((lo, hi): (i128, i128), type_: &DataType) -> Option<(String, String)> {
    let DataType::Decimal128(precision, scale) = types::unencoded(type_) else { return None };
    let scale = usize::try_from(*scale).ok()?;
    let most = 10_i128.checked_pow(u32::from(*precision))? - 1;
    let slack = (hi.checked_sub(lo)? / 10).max(hi.checked_abs()? / 10).max(1);
    let floor = if lo >= 0 { 0 } else { -most };
    let (a, b) = ((lo - slack).max(floor), (hi + slack).min(most));
    let written = |v: i128| {
        let digits = format!("{:0width$}", v.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        format!("{}{whole}{}{fraction}", if v < 0 { "-" } else { "" }, if scale > 0 { "." } else { "" })
    };
    (a <= lo && hi <= b && (a > -most || b < most)).then(|| (written(a), written(b)))
}

/// Dates and timestamps: a tenth of the span, at least a day below and a year above. `None` outside
/// of the years that a contract can write.
pub fn times((lo, hi): (i64, i64), type_: &DataType) -> Option<(String, String)> {
    let steps = match types::unencoded(type_) {
        DataType::Date32 => 1,
        DataType::Timestamp(unit, _) => 86_400 * (1_000_000_000 / scalar::nanos_per(*unit)),
        _ => return None,
    };
    let day = |v: i64, up: bool| {
        let whole = v.div_euclid(steps) + i64::from(up && v.rem_euclid(steps) != 0);
        NaiveDate::default().checked_add_signed(chrono::TimeDelta::try_days(whole)?)
    };
    let (first, last) = (day(lo, false)?, day(hi, true)?);
    let span = u64::try_from(last.signed_duration_since(first).num_days()).ok()?;
    let (a, b) = (first.checked_sub_days(Days::new((span / 10).max(1)))?, last.checked_add_days(Days::new((span / 10).max(366)))?);
    let written = |d: NaiveDate| {
        let text = d.format("%Y-%m-%d").to_string();
        match type_ {
            _ if scalar::date(&text).is_none() => None,
            DataType::Timestamp(_, Some(_)) => Some(format!("{text}T00:00:00Z")),
            DataType::Timestamp(_, None) => Some(format!("{text}T00:00:00")),
            _ => Some(text),
        }
    };
    written(a).zip(written(b))
}

/// A date or timestamp as a comment says it.
pub fn moment(v: i64, type_: &DataType) -> String {
    let text = match types::unencoded(type_) {
        DataType::Date32 => chrono::TimeDelta::try_days(v).and_then(|d| NaiveDate::default().checked_add_signed(d)).map(|d| d.to_string()),
        DataType::Timestamp(unit, _) => match unit {
            TimeUnit::Second => DateTime::from_timestamp(v, 0),
            TimeUnit::Millisecond => DateTime::from_timestamp_millis(v),
            TimeUnit::Microsecond => DateTime::from_timestamp_micros(v),
            TimeUnit::Nanosecond => Some(DateTime::from_timestamp_nanos(v)),
        }
        .map(|t| t.naive_utc().to_string()),
        _ => None,
    };
    text.unwrap_or_else(|| v.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rounding_never_cuts_a_value_off() {
        for x in [1.0, 99.0, 100.0, 101.0, 12_345.0, 0.001_234, 1e300, 5e-324] {
            assert!(tidy(x, f64::ceil) >= x && tidy(-x, f64::floor) <= -x, "{x}");
        }
        assert_eq!([0, 7, 99, 100, 101, 12_345].map(round_up), [1, 7, 99, 100, 110, 13_000]);
    }

    #[test]
    fn decimals_keep_their_point_and_their_digits() {
        let of = |lo, hi, p, s| decimals((lo, hi), &DataType::Decimal128(p, s));
        assert_eq!(of(150, 1_000, 6, 2), Some(("0.50".into(), "11.00".into())));
        assert_eq!(of(-5, 5, 4, 0), Some(("-6".into(), "6".into())));
        assert_eq!(of(0, 9_999, 4, 0), Some(("0".into(), "9999".into())));
        assert_eq!(of(-9_999, 9_999, 4, 0), None);
        assert_eq!(of(i128::MIN, i128::MAX, 38, 0), None);
    }

    #[test]
    fn times_have_a_year_of_room_above() {
        assert_eq!(times((0, 10), &DataType::Date32), Some(("1969-12-31".into(), "1971-01-12".into())));
        let second = DataType::Timestamp(TimeUnit::Second, Some("UTC".into()));
        assert_eq!(times((0, 1), &second), Some(("1969-12-31T00:00:00Z".into(), "1971-01-03T00:00:00Z".into())));
        assert_eq!(times((i64::MIN, i64::MAX), &second), None);
        assert_eq!(times((0, 4_000_000), &DataType::Date32), None);
    }

    proptest! {
        #[test]
        fn widened_floats_hold_what_was_seen(a in proptest::num::f64::NORMAL, b in proptest::num::f64::NORMAL) {
            let (lo, hi) = (a.min(b), a.max(b));
            if let Some((x, y)) = super::floats((lo, hi), &DataType::Float64) {
                prop_assert!(x <= lo && hi <= y);
            }
        }
    }
}
