//! Bounds on a number of the dataset: at least, at most, more than, less than. NaN meets none.

use crate::contract::Scalar;
use crate::contract::clauses::{Bounds, Decimal};
use crate::error::Span;
use std::cmp::Ordering;

pub struct Limit {
    /// As written, where it has few enough digits to be compared exactly.
    pub decimal: Option<Decimal>,
    pub number: f64,
}

pub struct Limits {
    min: Option<Limit>,
    max: Option<Limit>,
    above: Option<Limit>,
    below: Option<Limit>,
}

impl Limits {
    /// # Errors
    /// What is no number, and where.
    pub fn new(b: &Bounds) -> Result<Limits, (String, Span)> {
        let one = |s: &Option<Scalar>| match s {
            None => Ok(None),
            Some(s) => match s.text.parse::<f64>() {
                Ok(number) if !number.is_nan() => Ok(Some(Limit { decimal: Decimal::parse(&s.text), number })),
                _ => Err((format!("`{}` is not a number", s.text), s.span)),
            },
        };
        Ok(Limits { min: one(&b.min)?, max: one(&b.max)?, above: one(&b.above)?, below: one(&b.below)? })
    }
    /// `compare` says where the number lies from a limit; `None` meets no bound.
    pub fn hold(&self, compare: impl Fn(&Limit) -> Option<Ordering>) -> bool {
        let test = |limit: &Option<Limit>, ok: fn(Ordering) -> bool| limit.as_ref().is_none_or(|l| compare(l).is_some_and(ok));
        test(&self.min, Ordering::is_ge)
            && test(&self.max, Ordering::is_le)
            && test(&self.above, Ordering::is_gt)
            && test(&self.below, Ordering::is_lt)
    }
    pub fn admit(&self, value: f64) -> bool {
        self.hold(|l| value.partial_cmp(&l.number))
    }
}
