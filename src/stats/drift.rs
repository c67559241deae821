//! How far a column has moved from its baseline, how much of that chance alone explains, and how many
//! rows it takes before the answer means anything. Pure functions of counts and samples.
//!
//! Two samples of one and the same distribution are never equal: the expected PSI of two samples in k
//! cells is about `(k - 1) (1/n + 1/m)`, whatever the distribution. So the divergences are corrected by
//! that expectation before they are compared with a limit, and below the size at which two samples of one
//! distribution would stay under the limit with the asked certainty there is no answer at all.

use super::divergence::{self, ChiSquare};
use super::{ecdf, kolmogorov};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Statistic {
    Psi,
    Ks,
    Chi2,
    Js,
    Kl,
    Linf,
    Wasserstein,
}

/// In the order of [`Statistic::ALL`].
pub const NAMES: &[&str] = &["psi", "ks", "chi2", "js", "kl", "linf", "wasserstein"];

impl Statistic {
    pub const ALL: [Statistic; 7] =
        [Statistic::Psi, Statistic::Ks, Statistic::Chi2, Statistic::Js, Statistic::Kl, Statistic::Linf, Statistic::Wasserstein];
    pub fn name(self) -> &'static str {
        Statistic::ALL.iter().zip(NAMES).find(|(s, _)| **s == self).map_or("", |(_, n)| n)
    }
    /// Whether it compares shares of cells (categories, bins); the others compare numbers.
    pub fn is_on_cells(self) -> bool {
        !matches!(self, Statistic::Ks | Statistic::Wasserstein)
    }
    /// The largest value there is.
    pub fn most(self) -> f64 {
        match self {
            Statistic::Ks | Statistic::Chi2 | Statistic::Js | Statistic::Linf => 1.0,
            Statistic::Psi | Statistic::Kl | Statistic::Wasserstein => f64::INFINITY,
        }
    }
    /// Near the null, the statistic (chi2: its square) is this times a chi-square variable over the
    /// effective size: the second-order term of its expansion around equal shares.
    fn scale(self) -> f64 {
        match self {
            Statistic::Psi => 1.0,
            Statistic::Kl => 0.5,
            Statistic::Chi2 => 0.25,
            Statistic::Js => 0.125 / std::f64::consts::LN_2,
            Statistic::Ks | Statistic::Linf | Statistic::Wasserstein => 0.0,
        }
    }
}

/// One column against its baseline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The textbook value.
    pub raw: f64,
    /// Without what chance alone adds on average; this is what a limit is compared with.
    pub value: f64,
    /// Of the hypothesis that both sides are samples of one distribution.
    pub p_value: f64,
    /// The effective size ([`ecdf::effective`]) from which chance alone stays below the limit.
    pub enough: f64,
    /// Rows that either side needs at least, whatever the other has.
    pub floor: u64,
    /// Cells that either side has rows in; 0 for numbers.
    pub cells: usize,
    /// The chi-square test behind the p-value of cells.
    pub test: Option<ChiSquare>,
}

/// Rows per cell on either side below which the corrections and the chi-square law no longer hold.
const PER_CELL: u64 = 5;

/// Cells that are compared one by one; see [`lump`].
pub const MOST_CELLS: usize = 100;

/// Compares counts over the same cells. `limit` and `alpha` decide only how many rows are enough.
pub fn of_cells(statistic: Statistic, base: &[u64], now: &[u64], limit: f64, alpha: f64) -> Measured {
    let (m, n) = (base.iter().sum::<u64>(), now.iter().sum::<u64>());
    let size = ecdf::effective(n, m);
    let test = divergence::chi_square_table(&[base, now]);
    let cells = base.iter().zip(now).filter(|(a, b)| **a + **b > 0).count();
    let freedom = cells.saturating_sub(1) as u64;
    let (p, q) = divergence::without_empty_cells(base, now);
    let (b, a) = (divergence::weights(base), divergence::weights(now));
    let raw = match statistic {
        Statistic::Psi => divergence::psi(&p, &q),
        Statistic::Kl => divergence::kl(&q, &p),
        Statistic::Js => divergence::js(&b, &a),
        Statistic::Chi2 => cramers_v_of_shares(&b, &a),
        _ => divergence::linf(&b, &a),
    };
    let excess = statistic.scale() * (divergence::chi_square_quantile(alpha, freedom) - freedom as f64).max(0.0);
    let bias = statistic.scale() * freedom as f64 / size;
    let (value, enough, p_value) = match statistic {
        Statistic::Chi2 => ((raw * raw - bias).max(0.0).sqrt(), excess / (limit * limit), test.p_value),
        Statistic::Linf => {
            let worst = widest(base, now);
            (raw, (normal_quantile(alpha / (2.0 * cells.max(1) as f64)) / limit).powi(2) * worst, linf_p(base, now, cells))
        }
        _ => ((raw - bias).max(0.0), excess / limit, test.p_value),
    };
    let value = if raw.is_nan() || size == 0.0 { f64::NAN } else { value };
    let floor = if cells > 1 { PER_CELL * cells as u64 } else { 1 };
    Measured { raw, value, p_value, enough, floor, cells, test: Some(test) }
}

/// Compares samples of numbers; see [`of_cells`].
pub fn of_numbers(statistic: Statistic, base: ecdf::Sample<'_>, now: ecdf::Sample<'_>, limit: f64, alpha: f64) -> Measured {
    let (m, n) = (ecdf::size(base), ecdf::size(now));
    let size = ecdf::effective(n, m);
    let (raw, p_value, enough) = if statistic == Statistic::Wasserstein {
        let raw = ecdf::wasserstein(base, now);
        // sqrt(size) times the distance is, under one distribution, the mean of |B(F(x))| over x: for a
        // convex function no more than one |Z| of standard deviation `spread`, so
        // P(> t spread) <= min over s of E exp(s |Z|) exp(-s t) <= 2 exp(-t^2 / 2).
        let t = raw * size.sqrt() / ecdf::spread(base, now);
        let p = if raw == 0.0 { 1.0 } else { (2.0 * (-t * t / 2.0).exp()).min(1.0) };
        let needed = (2.0 * (2.0 / alpha).ln()).sqrt();
        (raw, p, (needed * ecdf::spread(base, base) / limit).powi(2))
    } else {
        let raw = ecdf::ks(base, now);
        (raw, ecdf::ks_p(raw, n, m), (kolmogorov::limit_quantile(alpha) / limit).powi(2))
    };
    Measured { raw, value: raw, p_value, enough, floor: 1, cells: 0, test: None }
}

/// Rows needed when the other side has `other` of them; `None`: no number is enough.
pub fn least(measured: &Measured, other: u64) -> Option<u64> {
    if measured.enough <= 0.0 {
        return Some(measured.floor);
    }
    let inverse = 1.0 / measured.enough - 1.0 / other as f64;
    // An honest "never" also for sizes that nobody has.
    (inverse > 1e-15).then(|| ((1.0 / inverse).ceil() as u64).max(measured.floor))
}

/// Cramér's V of two rows if both had equally many counts: `sqrt(sum (p - q)^2 / (p + q) / 2)`. It
/// depends on the shares alone, where V itself shrinks when one side is much larger; with equal sizes it
/// is `scipy.stats.contingency.association([base, now])`.
fn cramers_v_of_shares(base: &[f64], now: &[f64]) -> f64 {
    let (m, n) = (base.iter().sum::<f64>(), now.iter().sum::<f64>());
    if m <= 0.0 || n <= 0.0 {
        return f64::NAN;
    }
    let term = |p: f64, q: f64| if p + q > 0.0 { (p - q).powi(2) / (p + q) } else { 0.0 };
    let sum: f64 = base.iter().zip(now).map(|(b, a)| term(b / m, a / n)).sum();
    (sum / 2.0).sqrt().min(1.0)
}

fn normal_quantile(upper: f64) -> f64 {
    Normal::standard().inverse_cdf(1.0 - upper)
}

/// Largest variance of one row's membership in a cell.
fn widest(base: &[u64], now: &[u64]) -> f64 {
    let total: u64 = base.iter().chain(now).sum();
    let variance = |c: u64| c as f64 / total as f64 * (1.0 - c as f64 / total as f64);
    base.iter().zip(now).map(|(a, b)| variance(a + b)).fold(0.0, f64::max)
}

/// Two-sample test of each share against its pooled variance; the smallest p times the number of cells
/// (Bonferroni).
fn linf_p(base: &[u64], now: &[u64], cells: usize) -> f64 {
    let (m, n) = (base.iter().sum::<u64>() as f64, now.iter().sum::<u64>() as f64);
    let size = ecdf::effective(n as u64, m as u64);
    let z = base.iter().zip(now).map(|(&a, &b)| {
        let pooled = (a + b) as f64 / (m + n);
        let error = (pooled * (1.0 - pooled) / size).sqrt();
        if error > 0.0 { (a as f64 / m - b as f64 / n).abs() / error } else { 0.0 }
    });
    let z = z.fold(0.0, f64::max);
    let p = statrs::function::erf::erfc(z / std::f64::consts::SQRT_2);
    (p * cells as f64).min(1.0)
}

/// Keeps the [`MOST_CELLS`] - 1 fullest cells (both sides together, the earlier of equals) and sums the rest
/// into one at the end: a thousand rare names would drown every statistic in noise.
pub fn lump(base: &[u64], now: &[u64]) -> (Vec<u64>, Vec<u64>) {
    if base.len() <= MOST_CELLS {
        return (base.to_vec(), now.to_vec());
    }
    let mut order: Vec<usize> = (0..base.len()).collect();
    order.sort_by_key(|&i| (std::cmp::Reverse(base[i] + now[i]), i));
    let (kept, rest) = order.split_at(MOST_CELLS - 1);
    let side = |counts: &[u64]| {
        let mut out: Vec<u64> = kept.iter().map(|&i| counts[i]).collect();
        out.push(rest.iter().map(|&i| counts[i]).sum());
        out
    };
    (side(base), side(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u64; 5] = [120, 80, 40, 10, 50];
    const B: [u64; 5] = [90, 100, 60, 30, 20];

    fn cells(s: Statistic) -> Measured {
        of_cells(s, &A, &B, 0.2, 0.01)
    }

    fn near(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-9, "{got} is not {want}");
    }

    #[test]
    fn raw_values_agree_with_scipy_and_the_corrections_are_their_expectation() {
        let psi = cells(Statistic::Psi);
        near(psi.raw, 0.235_545_343_638_625_92);
        near(psi.value, psi.raw - 4.0 * (1.0 / 300.0 + 1.0 / 300.0));
        // scipy.stats.entropy(B, A)
        near(cells(Statistic::Kl).raw, 0.117_944_763_732_702_63);
        // scipy.spatial.distance.jensenshannon(A, B, base=2) ** 2
        near(cells(Statistic::Js).raw, 0.041_239_627_397_384_72);
        near(cells(Statistic::Linf).value, 0.1);
        // scipy.stats.contingency.association([A, B], method="cramer"): both sides have 300 rows
        near(cells(Statistic::Chi2).raw, 0.235_814_472_856_238_46);
        assert!((cells(Statistic::Chi2).p_value / 1.005_563_991_341_971_6e-6 - 1.0).abs() < 1e-6);
    }

    /// `scipy.stats.chi2.isf(0.01, 4)` is 13.2767.
    #[test]
    fn the_least_size_is_the_closed_form() {
        let psi = cells(Statistic::Psi);
        near(psi.enough, (13.276_704_135_987_625 - 4.0) / 0.2);
        assert_eq!(least(&psi, 1_000_000_000), Some(47));
        assert_eq!(least(&psi, 46), None);
        assert_eq!(least(&psi, 100), Some((1.0 / (0.2 / 9.276_704_135_987_625 - 0.01_f64)).ceil() as u64));
        // Kolmogorov's 99% quantile is 1.6276.
        let ks = of_numbers(Statistic::Ks, &[(1.0, 10)], &[(2.0, 10)], 0.1, 0.01);
        assert!((ks.enough - 264.9).abs() < 0.1, "{}", ks.enough);
    }

    #[test]
    fn nothing_and_constants() {
        for s in Statistic::ALL {
            let (same, other, empty) = if s.is_on_cells() {
                let of = |a: &[u64], b: &[u64]| of_cells(s, a, b, 0.2, 0.01);
                (of(&[50], &[70]), of(&[500, 0], &[0, 700]), of(&[], &[]))
            } else {
                let of = |a: &[(f64, u64)], b: &[(f64, u64)]| of_numbers(s, a, b, 0.2, 0.01);
                (of(&[(3.0, 50)], &[(3.0, 70)]), of(&[(3.0, 500)], &[(5.0, 700)]), of(&[], &[]))
            };
            assert_eq!((same.value, same.p_value), (0.0, 1.0), "{s:?}");
            assert!(other.value > 0.9 && other.value.is_finite() && other.p_value < 1e-9, "{s:?} {other:?}");
            assert!(empty.value.is_nan(), "{s:?} {empty:?}");
        }
    }

    #[test]
    fn rare_cells_are_compared_together() {
        let base: Vec<u64> = (0..250).map(|i| 1000 - i).collect();
        let (a, b) = lump(&base, &base);
        assert_eq!((a.len(), b.iter().sum::<u64>()), (MOST_CELLS, base.iter().sum()));
        assert_eq!(a[..3], [1000, 999, 998]);
        assert_eq!(lump(&A, &B), (A.to_vec(), B.to_vec()));
    }

    /// SplitMix64: draws that are the same on every machine.
    fn draw(state: &mut u64) -> f64 {
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// 400 pairs of samples of one skewed distribution, each just as large as is enough at alpha 1%: the
    /// limit and the test together are passed by chance at most 2% of the time, for every statistic.
    #[test]
    fn two_samples_of_one_distribution_seldom_fail() {
        let mut state = 7;
        for s in Statistic::ALL {
            let limit = if s == Statistic::Wasserstein { 0.5 } else { 0.1 };
            let sized = {
                let first: Vec<u64> = (1..=8).map(|i| 4000 / i).collect();
                let numbers: Vec<(f64, u64)> = first.iter().enumerate().map(|(i, n)| (i as f64, *n)).collect();
                if s.is_on_cells() { of_cells(s, &first, &first, limit, 0.01) } else { of_numbers(s, &numbers, &numbers, limit, 0.01) }
            };
            let n = ((2.0 * sized.enough).ceil() as u64).max(sized.floor);
            assert!(n < 20_000, "{s:?} {n}");
            let mut failed = 0;
            for _ in 0..400 {
                let mut side = || {
                    let mut counts = [0_u64; 8];
                    (0..n).for_each(|_| counts[(8.0 * draw(&mut state).powi(2)) as usize] += 1);
                    counts
                };
                let (a, b) = (side(), side());
                let numbers = |c: &[u64]| c.iter().enumerate().filter(|(_, n)| **n > 0).map(|(i, n)| (i as f64, *n)).collect::<Vec<_>>();
                let got =
                    if s.is_on_cells() { of_cells(s, &a, &b, limit, 0.01) } else { of_numbers(s, &numbers(&a), &numbers(&b), limit, 0.01) };
                failed += u32::from(got.value > limit && got.p_value <= 0.01);
            }
            assert!(failed <= 8, "{s:?}: {failed} of 400 at {n} rows");
        }
    }
}
