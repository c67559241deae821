//! Numbers of a column, added without rounding: count, sum and sum of squares, with what is NaN or
//! infinite counted beside. A mean or deviation is rounded once, when it is read, so no order of rows
//! and no split changes a bit of it.

use super::scalars::{Reader, Scalar};
use crate::error::Result;
use crate::sketch::exact::{Big, Exact, Sum};
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

/// Whether a column holds numbers that can be added: all but decimals beyond 38 digits; true is 1.
pub fn has_numbers(t: &DataType) -> bool {
    (t.is_numeric() && !matches!(t, DataType::Decimal256(..))) || matches!(t, DataType::Boolean | DataType::Null)
}

/// Digits after the point of a decimal column.
pub fn scale(t: &DataType) -> i8 {
    match t {
        DataType::Decimal32(_, s) | DataType::Decimal64(_, s) | DataType::Decimal128(_, s) => *s,
        _ => 0,
    }
}

/// One number of a column, in units of its scale.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    Finite(Exact),
    /// NaN, or an infinity with its sign.
    Other(f64),
}

/// Calls `f` with every row that has a number.
pub fn each_number(array: &ArrayRef, mut f: impl FnMut(usize, Number)) -> Result<()> {
    let reader = Reader::new(array)?;
    for i in 0..array.len() {
        match reader.get(i) {
            Some(Scalar::Int(v)) => f(i, Number::Finite(Exact::int(v))),
            Some(Scalar::Float(v)) => f(i, Exact::float(v).map_or(Number::Other(v), Number::Finite)),
            _ => {}
        }
    }
    Ok(())
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Moments {
    pub count: u64,
    nan: u64,
    up: u64,
    down: u64,
    sum: Sum,
    squares: Sum,
}

impl Moments {
    pub fn add(&mut self, v: Number) {
        self.count += 1;
        match v {
            Number::Finite(v) => {
                self.sum.add(v);
                self.squares.add_product(v, v);
            }
            Number::Other(v) if v.is_nan() => self.nan += 1,
            Number::Other(v) if v > 0.0 => self.up += 1,
            Number::Other(_) => self.down += 1,
        }
    }
    pub fn merge(&mut self, other: Moments) {
        self.count += other.count;
        self.nan += other.nan;
        self.up += other.up;
        self.down += other.down;
        self.sum.merge(other.sum);
        self.squares.merge(other.squares);
    }
    /// What a sum with these values is, where it is no finite number.
    fn odd(&self) -> Option<f64> {
        match (self.nan, self.up, self.down) {
            (0, 0, 0) => None,
            (0, _, 0) => Some(f64::INFINITY),
            (0, 0, _) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }
    /// The sum in units of the scale, where it is finite.
    pub fn exact_sum(&self) -> Option<Big> {
        self.odd().is_none().then(|| self.sum.value())
    }
    pub fn sum(&self, scale: i8) -> f64 {
        self.odd().unwrap_or_else(|| over(&self.sum.value(), &[], scale))
    }
    /// `None` without a value.
    pub fn mean(&self, scale: i8) -> Option<f64> {
        if self.count == 0 {
            return None;
        }
        Some(self.odd().unwrap_or_else(|| over(&self.sum.value(), &[self.count], scale)))
    }
    /// Of a sample (n - 1). `None` with fewer than two values.
    pub fn deviation(&self, s: i8) -> Option<f64> {
        if self.count < 2 {
            return None;
        }
        if self.odd().is_some() {
            return Some(f64::NAN);
        }
        let n = Big::int(self.count.into());
        let sum = self.sum.value();
        let spread = n.times(&self.squares.value()).minus(&sum.times(&sum));
        // Scaled twice: the variance is in squares of the unit.
        let variance = over(&spread, &[self.count, self.count - 1], 0);
        Some(scaled(variance.sqrt(), s))
    }
}

/// A quotient moved to the scale of its column.
fn over(value: &Big, divisors: &[u64], scale: i8) -> f64 {
    let mut all = divisors.to_vec();
    match scale {
        0.. => {
            all.extend(std::iter::repeat_n(10_000_000_000_000_000_000, usize::from(scale.unsigned_abs() / 19)));
            all.push(10_u64.pow(u32::from(scale.unsigned_abs() % 19)));
            value.over(&all)
        }
        _ => value.over(&all) * 10_f64.powi(i32::from(scale.unsigned_abs())),
    }
}

fn scaled(v: f64, scale: i8) -> f64 {
    if scale >= 0 { v / 10_f64.powi(scale.into()) } else { v * 10_f64.powi(i32::from(scale.unsigned_abs())) }
}
