//! A sum of floating-point numbers without rounding, so that no order and no split of the terms changes
//! it: every double is a multiple of 2^-1074 and goes as an integer into a long fixed-point number, cut
//! into digits of 32 bits (the "small superaccumulator" of Neal 2015). Rounding happens once, in
//! [`ExactSum::value`].

use serde::{Deserialize, Serialize};

/// Digits of 32 bits: 2^-1074 to 2^1024, and 64 bits above for carries.
const DIGITS: usize = 68;
/// A digit takes this many terms of 32 bits before its carry must move on.
const PATIENCE: u32 = 1 << 29;

/// Digits worth 2^(32 i - 1074); every digit but the top one lies in 0..2^32 once carried.
#[derive(Debug, Clone, Default)]
pub struct ExactSum {
    digits: Vec<i64>,
    terms: u32,
}

impl ExactSum {
    /// Adds a finite number; anything else is left out, and the caller counts it.
    pub fn add(&mut self, x: f64) {
        let bits = x.to_bits();
        let exponent = (bits >> 52 & 0x7FF) as usize;
        let fraction = bits & ((1 << 52) - 1);
        if exponent == 0x7FF || bits << 1 == 0 {
            return;
        }
        // x = significand * 2^(place - 1074).
        let (significand, place) = if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        if self.digits.is_empty() {
            self.digits = vec![0; DIGITS];
        }
        let wide = u128::from(significand) << (place % 32);
        let sign = if bits >> 63 == 1 { -1 } else { 1 };
        for (i, digit) in self.digits[place / 32..].iter_mut().take(3).enumerate() {
            *digit += sign * ((wide >> (32 * i)) & 0xFFFF_FFFF) as i64;
        }
        self.terms += 1;
        if self.terms >= PATIENCE {
            self.carry();
        }
    }

    /// Adds `x * x`, exactly where neither overflows nor underflows: the square is the sum of two doubles.
    /// False, and nothing added, where it overflows.
    pub fn add_square(&mut self, x: f64) -> bool {
        let high = x * x;
        if !high.is_finite() {
            return false;
        }
        self.add_product(x, x);
        true
    }

    /// Adds `a * b`, exactly where neither overflows nor underflows.
    pub fn add_product(&mut self, a: f64, b: f64) {
        let high = a * b;
        self.add(high);
        if high.is_finite() {
            self.add(a.mul_add(b, -high));
        }
    }

    /// Three doubles that together hold the first 150 bits of the sum.
    pub fn parts(&self) -> [f64; 3] {
        let mut rest = self.clone();
        std::array::from_fn(|_| {
            let part = rest.value();
            rest.add(-part);
            part
        })
    }

    fn carry(&mut self) {
        let mut over = 0;
        let top = self.digits.len().saturating_sub(1);
        for (i, digit) in self.digits.iter_mut().enumerate() {
            let all = digit.wrapping_add(over);
            if i == top {
                *digit = all;
            } else {
                *digit = all & 0xFFFF_FFFF;
                over = all >> 32;
            }
        }
        self.terms = 0;
    }

    pub fn merge(&mut self, other: &Self) {
        if other.digits.is_empty() {
            return;
        }
        if self.digits.is_empty() {
            self.digits = vec![0; DIGITS];
        }
        let mut other = other.clone();
        other.carry();
        self.carry();
        for (a, b) in self.digits.iter_mut().zip(&other.digits) {
            *a = a.wrapping_add(*b);
        }
        self.carry();
    }

    /// The digits that are not zero, carried: equal sums have equal lists.
    pub fn digits(&self) -> Vec<(u32, i64)> {
        let mut all = self.clone();
        all.carry();
        all.digits.iter().enumerate().filter(|(_, d)| **d != 0).map(|(i, d)| (i as u32, *d)).collect()
    }

    /// `None` for digits that no sum has.
    pub fn from_digits(list: &[(u32, i64)]) -> Option<Self> {
        let mut sum = ExactSum::default();
        if list.is_empty() {
            return Some(sum);
        }
        sum.digits = vec![0; DIGITS];
        for &(i, digit) in list {
            let place = sum.digits.get_mut(i as usize)?;
            if i as usize + 1 < DIGITS && !(0..1 << 32).contains(&digit) || *place != 0 || digit.unsigned_abs() > 1 << 40 {
                return None;
            }
            *place = digit;
        }
        Some(sum)
    }

    /// The sum as a double, within one unit of its last digit.
    pub fn value(&self) -> f64 {
        let mut all = self.clone();
        all.carry();
        let negative = all.digits.last().is_some_and(|d| *d < 0);
        if negative {
            all.digits.iter_mut().for_each(|d| *d = -*d);
            all.carry();
        }
        // From the top: what lies 128 bits below the first digit no longer moves the result.
        let Some(first) = all.digits.iter().rposition(|d| *d != 0) else { return 0.0 };
        let low = first.saturating_sub(4);
        let head = all.digits[low..=first].iter().rev().fold(0.0, |sum, d| sum * 4_294_967_296.0 + *d as f64);
        let size = scale(head, 32 * low as i32 - 1074);
        if negative { -size } else { size }
    }
}

/// `x * 2^power` in steps that neither overflow nor underflow before the result does.
fn scale(mut x: f64, mut power: i32) -> f64 {
    while power != 0 {
        let step = power.clamp(-512, 512);
        x *= 2f64.powi(step);
        power -= step;
    }
    x
}

impl PartialEq for ExactSum {
    fn eq(&self, other: &Self) -> bool {
        self.digits() == other.digits()
    }
}

impl Serialize for ExactSum {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.digits().serialize(s)
    }
}

impl<'de> Deserialize<'de> for ExactSum {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let list = Vec::<(u32, i64)>::deserialize(d)?;
        ExactSum::from_digits(&list).ok_or_else(|| serde::de::Error::custom("these digits are no sum"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(values: &[f64]) -> ExactSum {
        let mut s = ExactSum::default();
        values.iter().for_each(|v| s.add(*v));
        s
    }

    #[test]
    fn what_floats_lose_is_kept() {
        assert_eq!(sum(&[1e300, 1.0, -1e300]).value(), 1.0);
        assert_eq!(sum(&[1e16, 1.0, 1.0]).value(), 1e16 + 2.0);
        assert_eq!(sum(&[0.1; 10]).value(), 1.0 + 0.0);
        assert_eq!(sum(&[f64::MAX, f64::MAX]).value(), f64::INFINITY);
        assert_eq!(sum(&[f64::from_bits(1), f64::from_bits(1)]).value(), f64::from_bits(2));
        assert_eq!(sum(&[-3.5, 1.25]).value(), -2.25);
        assert_eq!(sum(&[]).value(), 0.0);
    }

    #[test]
    fn squares_are_exact() {
        let mut s = ExactSum::default();
        let x = 1.0 + f64::EPSILON;
        assert!(s.add_square(x));
        s.add(-1.0);
        s.add(-2.0 * f64::EPSILON);
        assert_eq!(s.value(), f64::EPSILON * f64::EPSILON);
        assert!(!s.add_square(1e200) && s.value() == f64::EPSILON * f64::EPSILON);
    }

    proptest! {
        #[test]
        fn no_order_and_no_split_changes_a_sum(mut values in proptest::collection::vec(any::<f64>(), 0..60), at in 0_usize..60) {
            let whole = sum(&values);
            let mut parts = sum(&values[values.len().min(at)..]);
            parts.merge(&ExactSum::default());
            parts.merge(&sum(&values[..values.len().min(at)]));
            prop_assert_eq!(&parts, &whole);
            values.reverse();
            prop_assert_eq!(&sum(&values), &whole);
            prop_assert_eq!(ExactSum::from_digits(&whole.digits()), Some(whole));
        }

        #[test]
        fn integers_agree_with_integer_arithmetic(values in proptest::collection::vec(-1_000_000_000_i64..1_000_000_000, 0..80)) {
            let exact: i64 = values.iter().sum();
            let floats: Vec<f64> = values.iter().map(|v| *v as f64).collect();
            prop_assert_eq!(sum(&floats).value(), exact as f64);
        }
    }
}
