//! Tails beyond a threshold (peaks over threshold): a generalised Pareto law fitted to two quantiles of the
//! excesses rather than to their moments, so that the outliers which it is to judge hardly move it.

use serde::{Deserialize, Serialize};

/// `P(X >= x) = share * (1 + shape (x - from) / scale)^(-1/shape)` for `x > from`; exponential at shape 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tail {
    pub from: f64,
    pub ln_share: f64,
    pub shape: f64,
    pub scale: f64,
}

/// A heavier tail than this is no tail that anything could lie beyond.
const HEAVIEST: f64 = 3.0;

/// Excesses that a tail is fitted to: 2% of the values, and fifty where there are enough.
pub fn excesses(values: usize) -> usize {
    (values / 50).max(50).min(values / 5)
}

impl Tail {
    /// Of the largest values of an ascending list; `None` when they do not spread. Tails lighter than
    /// exponential are taken for exponential, which accuses less.
    pub fn fit(ascending: &[f64]) -> Option<Tail> {
        let (mut tail, median, ninth) = Tail::above(ascending)?;
        if median > 0.0 && ninth / median > ratio(0.0) {
            tail.shape = shape_of(ninth / median);
            tail.scale = median * tail.shape / (tail.shape.exp2() - 1.0);
        } else {
            tail.scale = (median / std::f64::consts::LN_2).max(ninth / std::f64::consts::LN_10);
        }
        (tail.scale > 0.0 && tail.scale.is_finite()).then_some(tail)
    }

    /// The exponential tail whose mean excess is at least `least` and explains both quantiles.
    pub fn exponential(ascending: &[f64], least: f64) -> Option<Tail> {
        let (tail, median, ninth) = Tail::above(ascending)?;
        let scale = (median / std::f64::consts::LN_2).max(ninth / std::f64::consts::LN_10).max(least);
        scale.is_finite().then_some(Tail { scale, ..tail })
    }

    /// The threshold with the share beyond it, and the median and 90th percentile of the excesses.
    fn above(ascending: &[f64]) -> Option<(Tail, f64, f64)> {
        let k = excesses(ascending.len());
        let at = ascending.len().checked_sub(k + 1)?;
        let from = ascending[at];
        let beyond = &ascending[at + 1..];
        let (median, ninth) = (quantile(beyond, 0.5)? - from, quantile(beyond, 0.9)? - from);
        let ln_share = (k as f64 / ascending.len() as f64).ln();
        (median.is_finite() && ninth.is_finite()).then_some((Tail { from, ln_share, shape: 0.0, scale: 0.0 }, median, ninth))
    }

    /// Log of the probability of `x` or more.
    pub fn ln_beyond(&self, x: f64) -> f64 {
        let z = ((x - self.from) / self.scale).max(0.0);
        self.ln_share - if self.shape == 0.0 { z } else { (self.shape * z).ln_1p() / self.shape }
    }

    /// Where an exponential tail has fallen to a probability.
    pub fn reaches(&self, ln_p: f64) -> f64 {
        self.from + self.scale * (self.ln_share - ln_p).max(0.0)
    }
}

/// 90th percentile over median of a generalised Pareto law.
fn ratio(shape: f64) -> f64 {
    if shape < 1e-6 { std::f64::consts::LN_10 / std::f64::consts::LN_2 } else { (10_f64.powf(shape) - 1.0) / (shape.exp2() - 1.0) }
}

/// The ratio grows with the shape, so that halving finds it.
fn shape_of(wanted: f64) -> f64 {
    let (mut low, mut high) = (0.0, HEAVIEST);
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if ratio(middle) < wanted { low = middle } else { high = middle }
    }
    high
}

/// Between the two nearest ranks, as `numpy.quantile` does.
fn quantile(ascending: &[f64], q: f64) -> Option<f64> {
    let at = q * ascending.len().checked_sub(1)? as f64;
    let (below, part) = (at.floor() as usize, at.fract());
    let (a, b) = (ascending[below], ascending[(below + 1).min(ascending.len() - 1)]);
    Some(a + (b - a) * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of an ideal sample of a law with this survival function's inverse.
    fn ideal(n: usize, at: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..n).rev().map(|i| at((i as f64 + 0.5) / n as f64)).collect()
    }

    #[test]
    fn an_exponential_law_continues_as_itself() {
        let values = ideal(10_000, |p| 3.0 - 2.0 * p.ln());
        for tail in [Tail::fit(&values).unwrap(), Tail::exponential(&values, 0.5).unwrap()] {
            for x in [13.0, 20.0, 60.0] {
                // P(X >= x) = exp(-(x - 3) / 2).
                let want = -(x - 3.0) / 2.0;
                assert!((tail.ln_beyond(x) / want - 1.0).abs() < 0.02, "{x}: {} {want}", tail.ln_beyond(x));
            }
        }
        let tail = Tail::exponential(&values, 0.5).unwrap();
        assert!((tail.ln_beyond(tail.reaches(-15.0)) + 15.0).abs() < 1e-9);
    }

    #[test]
    fn a_pareto_law_continues_as_itself() {
        let values = ideal(50_000, |p| p.powf(-0.5));
        let tail = Tail::fit(&values).unwrap();
        assert!((tail.shape - 0.5).abs() < 0.02, "{tail:?}");
        // P(X >= 1000) = 1000^-2.
        assert!((tail.ln_beyond(1000.0) - (1e-6_f64).ln()).abs() < 0.3, "{}", tail.ln_beyond(1000.0));
    }

    #[test]
    fn outliers_among_the_excesses_do_not_move_the_tail() {
        let values = ideal(10_000, |p| -p.ln());
        let mut dirty = values.clone();
        dirty[9_995..].fill(1e9);
        let (clean, dirty) = (Tail::fit(&values).unwrap(), Tail::fit(&dirty).unwrap());
        assert!((clean.ln_beyond(20.0) - dirty.ln_beyond(20.0)).abs() < 2.0, "{clean:?} {dirty:?}");
    }

    #[test]
    fn what_does_not_spread_has_no_tail() {
        assert_eq!(Tail::fit(&[1.0; 500]), None);
        assert_eq!(Tail::fit(&[]), None);
        assert_eq!(Tail::fit(&[1.0, 2.0]), None);
        assert!(Tail::exponential(&[1.0; 500], 1.0).is_some_and(|t| t.scale == 1.0));
        let vast = ideal(500, |p| if p < 0.1 { f64::MAX } else { -f64::MAX });
        assert!(Tail::fit(&vast).is_none_or(|t| t.ln_beyond(f64::MAX).is_finite()));
    }
}
