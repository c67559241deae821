//! Sums without rounding: a number wide enough for every sum of products of two doubles (or of two
//! 128-bit integers), so that adding in any order, over any split, gives the same bits. Rounding
//! happens once, when a result is read. Kulisch's accumulator, with 32-bit digits in 64-bit cells.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// The lowest bit stands for 2^-LOW: the product of two smallest doubles is 2^-2148.
const LOW: i32 = 2176;
/// Up to 2^2048 for products of doubles, and 64 bits for how many are added.
const DIGITS: usize = 140;
/// A cell gains less than 2^33 at a time and holds 2^63.
const BEFORE_CARRY: u32 = 1 << 29;

/// `(-1)^negative * magnitude * 2^exponent`, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exact {
    pub negative: bool,
    pub magnitude: u128,
    pub exponent: i32,
}

impl Exact {
    pub fn int(v: i128) -> Exact {
        Exact { negative: v < 0, magnitude: v.unsigned_abs(), exponent: 0 }
    }
    /// `None` for NaN and infinities.
    pub fn float(v: f64) -> Option<Exact> {
        if !v.is_finite() {
            return None;
        }
        let bits = v.to_bits();
        let (field, fraction) = ((bits >> 52 & 0x7FF) as i32, bits & ((1 << 52) - 1));
        let (magnitude, exponent) = if field == 0 { (fraction, -1074) } else { (fraction | 1 << 52, field - 1075) };
        Some(Exact { negative: v.is_sign_negative(), magnitude: magnitude.into(), exponent })
    }
}

/// A sum of exact numbers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sum {
    /// Empty for zero; else [`DIGITS`] cells, lowest first.
    cells: Vec<i64>,
    additions: u32,
}

impl Sum {
    pub fn add(&mut self, v: Exact) {
        self.put(v.negative, v.magnitude, v.exponent);
    }
    pub fn add_product(&mut self, a: Exact, b: Exact) {
        let negative = a.negative != b.negative;
        let split = |m: u128| (m & u128::from(u64::MAX), m >> 64);
        let ((al, ah), (bl, bh)) = (split(a.magnitude), split(b.magnitude));
        let e = a.exponent + b.exponent;
        self.put(negative, al * bl, e);
        self.put(negative, al * bh, e + 64);
        self.put(negative, ah * bl, e + 64);
        self.put(negative, ah * bh, e + 128);
    }

    fn put(&mut self, negative: bool, magnitude: u128, exponent: i32) {
        if magnitude == 0 {
            return;
        }
        if self.cells.is_empty() {
            self.cells = vec![0; DIGITS];
        }
        let place = usize::try_from(exponent + LOW).unwrap_or(0);
        let (digit, shift) = (place / 32, place % 32);
        for k in 0..4 {
            let part = (magnitude >> (32 * k)) as u32;
            if part == 0 {
                continue;
            }
            let wide = u64::from(part) << shift;
            let (low, high) = ((wide & 0xFFFF_FFFF) as i64, (wide >> 32) as i64);
            let sign = if negative { -1 } else { 1 };
            self.cells[digit + k] += sign * low;
            self.cells[digit + k + 1] += sign * high;
        }
        self.additions += 1;
        if self.additions >= BEFORE_CARRY {
            self.carry();
        }
    }

    /// Every cell but the highest in [0, 2^32).
    fn carry(&mut self) {
        let mut over = 0;
        let last = self.cells.len().saturating_sub(1);
        for (i, cell) in self.cells.iter_mut().enumerate() {
            let v = *cell + over;
            over = if i == last { 0 } else { v >> 32 };
            *cell = if i == last { v } else { v & 0xFFFF_FFFF };
        }
        self.additions = 0;
    }

    pub fn merge(&mut self, mut other: Sum) {
        if other.cells.is_empty() {
            return;
        }
        other.carry();
        if self.cells.is_empty() {
            *self = other;
            return;
        }
        self.carry();
        self.cells.iter_mut().zip(&other.cells).for_each(|(a, b)| *a += b);
        self.carry();
    }

    pub fn value(&self) -> Big {
        let mut all = self.clone();
        all.carry();
        let negative = all.cells.last().is_some_and(|c| *c < 0);
        if negative {
            all.cells.iter_mut().for_each(|c| *c = -*c);
            all.carry();
        }
        Big { negative, digits: all.cells.iter().map(|c| *c as u32).collect(), exponent: -LOW }.trimmed()
    }
}

/// A result: sign, digits of 32 bits from the lowest, times a power of two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Big {
    negative: bool,
    digits: Vec<u32>,
    exponent: i32,
}

impl Big {
    pub fn int(v: i128) -> Big {
        let m = v.unsigned_abs();
        Big { negative: v < 0, digits: (0..4).map(|k| (m >> (32 * k)) as u32).collect(), exponent: 0 }.trimmed()
    }
    fn trimmed(mut self) -> Big {
        while self.digits.last() == Some(&0) {
            self.digits.pop();
        }
        let zeros = self.digits.iter().take_while(|d| **d == 0).count();
        self.digits.drain(..zeros);
        self.exponent += 32 * zeros as i32;
        if self.digits.is_empty() {
            return Big { negative: false, digits: Vec::new(), exponent: 0 };
        }
        self
    }
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    pub fn times(&self, other: &Big) -> Big {
        let mut digits = vec![0_u32; self.digits.len() + other.digits.len() + 1];
        for (i, a) in self.digits.iter().enumerate() {
            let mut over = 0_u64;
            for (j, b) in other.digits.iter().enumerate() {
                let v = u64::from(*a) * u64::from(*b) + u64::from(digits[i + j]) + over;
                digits[i + j] = v as u32;
                over = v >> 32;
            }
            digits[i + other.digits.len()] = over as u32;
        }
        Big { negative: self.negative != other.negative, digits, exponent: self.exponent + other.exponent }.trimmed()
    }

    /// Digits at a lower exponent.
    fn at(&self, exponent: i32) -> Vec<u32> {
        let by = usize::try_from(self.exponent - exponent).unwrap_or(0);
        let (whole, bits) = (by / 32, by % 32);
        let mut out = vec![0_u32; whole];
        let mut over = 0_u32;
        for d in &self.digits {
            let wide = u64::from(*d) << bits;
            out.push(wide as u32 | over);
            over = (wide >> 32) as u32;
        }
        out.push(over);
        out
    }

    pub fn minus(&self, other: &Big) -> Big {
        let exponent = self.exponent.min(other.exponent);
        let (a, b) = (self.at(exponent), other.at(exponent));
        let n = a.len().max(b.len()) + 1;
        let signed = |v: &[u32], negative: bool, i: usize| {
            let d = i64::from(v.get(i).copied().unwrap_or(0));
            if negative { -d } else { d }
        };
        let mut cells: Vec<i64> = (0..n).map(|i| signed(&a, self.negative, i) - signed(&b, other.negative, i)).collect();
        let carry = |cells: &mut Vec<i64>| {
            let last = cells.len() - 1;
            for i in 0..last {
                let over = cells[i] >> 32;
                cells[i] &= 0xFFFF_FFFF;
                cells[i + 1] += over;
            }
        };
        carry(&mut cells);
        let negative = cells.last().is_some_and(|c| *c < 0);
        if negative {
            cells.iter_mut().for_each(|c| *c = -*c);
            carry(&mut cells);
        }
        Big { negative, digits: cells.iter().map(|c| *c as u32).collect(), exponent }.trimmed()
    }

    pub fn compare(&self, other: &Big) -> Ordering {
        let d = self.minus(other);
        match (d.is_zero(), d.negative) {
            (true, _) => Ordering::Equal,
            (_, true) => Ordering::Less,
            _ => Ordering::Greater,
        }
    }

    /// Divided by all of these, rounded once to the nearest double. Zero divisors give NaN.
    pub fn over(&self, divisors: &[u64]) -> f64 {
        if divisors.contains(&0) {
            return f64::NAN;
        }
        // Enough bits below that the quotient has 64 good ones, and more, whatever the divisors.
        let extra = 96 + 64 * divisors.len() as i32;
        let exponent = self.exponent - extra;
        let mut digits = self.at(exponent);
        let mut inexact = false;
        for d in divisors {
            let mut rest = 0_u128;
            for digit in digits.iter_mut().rev() {
                let v = rest << 32 | u128::from(*digit);
                *digit = (v / u128::from(*d)) as u32;
                rest = v % u128::from(*d);
            }
            inexact |= rest != 0;
        }
        round(self.negative, &digits, exponent, inexact)
    }

    pub fn as_f64(&self) -> f64 {
        round(self.negative, &self.digits, self.exponent, false)
    }

    /// The value as a double near 1 and a power of two: for ratios of numbers beyond any double.
    pub fn scaled(&self) -> (f64, i32) {
        let bits = 32 * self.digits.len() as i32;
        (round(self.negative, &self.digits, -bits, false), self.exponent + bits)
    }
}

/// To the nearest double, ties to even; `inexact`: something is left below the digits.
fn round(negative: bool, digits: &[u32], exponent: i32, mut inexact: bool) -> f64 {
    let Some(top) = digits.iter().rposition(|d| *d != 0) else { return 0.0 };
    // The highest 128 bits, lowest first beyond.
    let mut head = 0_u128;
    let used = top.min(3) + 1;
    for k in 0..used {
        head = head << 32 | u128::from(digits[top - k]);
    }
    inexact |= digits[..top + 1 - used].iter().any(|d| *d != 0);
    let mut e = exponent + 32 * (top + 1 - used) as i32;
    let shift = head.leading_zeros();
    head <<= shift;
    e -= shift as i32;
    // head is in [2^127, 2^128): the value is head * 2^e. A double keeps 53 bits, fewer when subnormal.
    let kept = (53_i32).min(e + 128 + 1074);
    if kept < 0 {
        return if negative { -0.0 } else { 0.0 };
    }
    let drop = 128 - kept as u32;
    let (mut m, rest, half) =
        if drop == 128 { (0_u128, head, 1_u128 << 127) } else { (head >> drop, head & ((1_u128 << drop) - 1), 1_u128 << (drop - 1)) };
    if rest > half || rest == half && (inexact || m & 1 == 1) {
        m += 1;
    }
    e += drop as i32;
    // m has at most 54 bits; both factors below are exact powers of two.
    let m = m as f64;
    let v = if e < -1000 {
        m * 2_f64.powi(e + 200) * 2_f64.powi(-200)
    } else if e > 900 {
        m * 2_f64.powi(900) * 2_f64.powi(e - 900)
    } else {
        m * 2_f64.powi(e)
    };
    if negative { -v } else { v }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(values: &[f64]) -> f64 {
        let mut s = Sum::default();
        values.iter().filter_map(|v| Exact::float(*v)).for_each(|v| s.add(v));
        s.value().as_f64()
    }

    #[test]
    fn what_doubles_lose_is_kept() {
        assert_eq!(sum(&[1e308, 1.0, -1e308]), 1.0);
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(sum(&[f64::MIN_POSITIVE / 4.0, f64::MIN_POSITIVE / 4.0]), f64::MIN_POSITIVE / 2.0);
        assert_eq!(sum(&[]), 0.0);
    }

    #[test]
    fn division_rounds_once() {
        let mut s = Sum::default();
        (0..3).for_each(|_| s.add(Exact::float(0.1).unwrap()));
        assert_eq!(s.value().over(&[3]), 0.1);
        assert_eq!(Big::int(1).over(&[3]), 1.0 / 3.0);
        assert_eq!(Big::int(-7).over(&[10]), -0.7);
        assert!(Big::int(1).over(&[0]).is_nan());
    }

    #[test]
    fn integers_of_128_bits_multiply_exactly() {
        let v = i128::MAX;
        let mut s = Sum::default();
        s.add_product(Exact::int(v), Exact::int(v));
        s.add_product(Exact::int(v), Exact::int(-v));
        s.add(Exact::int(5));
        assert_eq!(s.value(), Big::int(5));
        assert_eq!(Big::int(v).times(&Big::int(v)).minus(&Big::int(v).times(&Big::int(v))), Big::int(0));
    }

    proptest! {
        #[test]
        fn one_number_comes_back(v: f64) {
            prop_assume!(v.is_finite());
            prop_assert_eq!(sum(&[v]), v);
        }

        #[test]
        fn any_order_and_split_gives_the_same_bits(v in prop::collection::vec(any::<f64>(), 0..40), cut in 0_usize..40) {
            let v: Vec<f64> = v.into_iter().filter(|v| v.is_finite()).collect();
            let cut = cut.min(v.len());
            let part = |v: &[f64]| {
                let mut s = Sum::default();
                v.iter().filter_map(|v| Exact::float(*v)).for_each(|e| { s.add(e); s.add_product(e, e); });
                s
            };
            let whole = part(&v).value();
            let (mut a, b) = (part(&v[cut..]), part(&v[..cut]));
            a.merge(b);
            prop_assert_eq!(&a.value(), &whole);
            let back: Vec<f64> = v.iter().rev().copied().collect();
            prop_assert_eq!(&part(&back).value(), &whole);
        }

        #[test]
        fn small_integers_agree_with_i128(v in prop::collection::vec(any::<i64>(), 0..40), d in 1_u64..1000) {
            let mut s = Sum::default();
            v.iter().for_each(|v| s.add(Exact::int(i128::from(*v))));
            let total: i128 = v.iter().map(|v| i128::from(*v)).sum();
            prop_assert_eq!(s.value(), Big::int(total));
            // Within 2^53 a quotient of doubles is the nearest one.
            let small = total % (1 << 53);
            prop_assert_eq!(Big::int(small).over(&[d]), small as f64 / d as f64);
        }
    }
}
