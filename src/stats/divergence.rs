//! How far two discrete distributions lie apart, and whether chance alone explains it: pure functions
//! of shares or counts over the same cells in the same order. What the cells are (categories, bins,
//! hash buckets) is the caller's business.
//!
//! Shares may be any weights that are not negative: they are divided by their sum, as
//! `scipy.stats.entropy` does. Two empty lists, or a side whose weights sum to zero, have no distance:
//! NaN, which a caller must not take for zero.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF};

fn sum(x: &[f64]) -> f64 {
    x.iter().sum()
}

/// Counts as weights.
pub fn weights(counts: &[u64]) -> Vec<f64> {
    counts.iter().map(|&c| c as f64).collect()
}

/// Kullback-Leibler divergence of `p` from `q` in nats (Kullback & Leibler 1951); infinite where `q`
/// lacks a cell that `p` has. `scipy.stats.entropy(p, q)`.
pub fn kl(p: &[f64], q: &[f64]) -> f64 {
    let (a, b) = (sum(p), sum(q));
    if a.is_nan() || b.is_nan() || a <= 0.0 || b <= 0.0 {
        return f64::NAN;
    }
    let term = |p: f64, q: f64| if p == 0.0 { 0.0 } else { p * (p / q).ln() };
    p.iter().zip(q).map(|(p, q)| term(p / a, q / b)).sum::<f64>().max(0.0)
}

/// Population stability index: `kl(p, q) + kl(q, p)`, in nats (Jeffreys 1946 under its credit-scoring
/// name). Infinite where a cell is empty on one side alone; see [`without_empty_cells`].
pub fn psi(p: &[f64], q: &[f64]) -> f64 {
    kl(p, q) + kl(q, p)
}

/// Jensen-Shannon divergence in bits, 0 (same) to 1 (disjoint) (Lin 1991).
/// `scipy.spatial.distance.jensenshannon(p, q, base=2) ** 2`.
pub fn js(p: &[f64], q: &[f64]) -> f64 {
    let (a, b) = (sum(p), sum(q));
    if a.is_nan() || b.is_nan() || a <= 0.0 || b <= 0.0 {
        return f64::NAN;
    }
    let term = |p: f64, m: f64| if p == 0.0 { 0.0 } else { p * (p / m).log2() };
    let both = p.iter().zip(q).map(|(p, q)| {
        let (p, q) = (p / a, q / b);
        let m = f64::midpoint(p, q);
        f64::midpoint(term(p, m), term(q, m))
    });
    both.sum::<f64>().clamp(0.0, 1.0)
}

/// Largest difference of two shares.
pub fn linf(p: &[f64], q: &[f64]) -> f64 {
    let (a, b) = (sum(p), sum(q));
    if a.is_nan() || b.is_nan() || a <= 0.0 || b <= 0.0 {
        return f64::NAN;
    }
    p.iter().zip(q).map(|(p, q)| (p / a - q / b).abs()).fold(0.0, f64::max)
}

/// Counts with half a row in each cell that one side alone lacks: the logarithms of PSI and KL stay
/// finite, and two distributions without such a cell keep their textbook value to the last digit.
/// Cells that both sides lack are dropped.
pub fn without_empty_cells(a: &[u64], b: &[u64]) -> (Vec<f64>, Vec<f64>) {
    let some = |c: u64| if c == 0 { 0.5 } else { c as f64 };
    a.iter().zip(b).filter(|(a, b)| **a + **b > 0).map(|(&a, &b)| (some(a), some(b))).unzip()
}

/// A chi-square test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChiSquare {
    pub statistic: f64,
    pub degrees: u64,
    pub p_value: f64,
}

fn chi_square(statistic: f64, degrees: u64) -> ChiSquare {
    let p_value = chi_square_upper(statistic, degrees);
    ChiSquare { statistic, degrees, p_value }
}

/// `P(X >= x)` of a chi-square variable; 1 without a degree of freedom.
pub fn chi_square_upper(x: f64, degrees: u64) -> f64 {
    if x.is_nan() {
        return f64::NAN;
    }
    match ChiSquared::new(degrees as f64) {
        Ok(d) if x.is_finite() => d.sf(x),
        Ok(_) => 0.0,
        Err(_) => 1.0,
    }
}

/// The value that a chi-square variable exceeds with probability `upper`; 0 without a degree of
/// freedom. Bisection on [`chi_square_upper`], to a relative 1e-12.
pub fn chi_square_quantile(upper: f64, degrees: u64) -> f64 {
    if degrees == 0 || upper >= 1.0 {
        return 0.0;
    }
    if upper.is_nan() || upper <= 0.0 {
        return f64::INFINITY;
    }
    let (mut low, mut high) = (0.0, degrees as f64 + 10.0);
    while chi_square_upper(high, degrees) > upper {
        low = high;
        high *= 2.0;
    }
    while high - low > 1e-12 * high {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            break;
        }
        if chi_square_upper(middle, degrees) > upper { low = middle } else { high = middle }
    }
    high
}

/// Independence in a table of counts, rows by columns, without Yates' correction. Rows and columns
/// that are empty drop out. `scipy.stats.chi2_contingency(table, correction=False)`.
pub fn chi_square_table(table: &[&[u64]]) -> ChiSquare {
    let columns = table.iter().map(|r| r.len()).max().unwrap_or(0);
    let at = |r: &[u64], c: usize| r.get(c).copied().unwrap_or(0) as f64;
    let down: Vec<f64> = (0..columns).map(|c| table.iter().map(|r| at(r, c)).sum()).collect();
    let across: Vec<f64> = table.iter().map(|r| r.iter().map(|&n| n as f64).sum()).collect();
    let n = sum(&down);
    let used = |totals: &[f64]| totals.iter().filter(|t| **t > 0.0).count() as u64;
    let (rows, columns_used) = (used(&across), used(&down));
    let mut statistic = 0.0;
    for (row, a) in table.iter().zip(&across).filter(|(_, a)| **a > 0.0) {
        for (c, d) in down.iter().enumerate().filter(|(_, d)| **d > 0.0) {
            let expected = a / n * d;
            statistic += (at(row, c) - expected).powi(2) / expected;
        }
    }
    chi_square(statistic, rows.saturating_sub(1) * columns_used.saturating_sub(1))
}

/// Counts against given weights. A cell that should be empty and is not makes the statistic infinite.
/// `scipy.stats.chisquare(observed, weights / sum(weights) * sum(observed))`.
pub fn chi_square_fit(observed: &[u64], expected: &[f64]) -> ChiSquare {
    let (n, total) = (observed.iter().map(|&o| o as f64).sum::<f64>(), sum(expected));
    let mut statistic = 0.0;
    let mut cells = 0;
    for (&o, &w) in observed.iter().zip(expected) {
        let e = w / total * n;
        if e > 0.0 {
            statistic += (o as f64 - e).powi(2) / e;
            cells += 1;
        } else if o > 0 {
            return chi_square(f64::INFINITY, cells.max(1));
        }
    }
    chi_square(statistic, cells.saturating_sub(1))
}

/// Cramér's V of a table (Cramér 1946), 0 to 1: `scipy.stats.contingency.association(table)`. Zero
/// for a table with a single used row or column.
pub fn cramers_v(table: &[&[u64]]) -> f64 {
    let (phi2, rows, columns) = phi_squared(table);
    let least = rows.min(columns).saturating_sub(1);
    if least == 0 { 0.0 } else { (phi2 / least as f64).sqrt().min(1.0) }
}

/// Cramér's V without the upward bias of small tables (Bergsma 2013): for independent rows and columns its
/// square is zero on average, before it is cut off at zero.
pub fn cramers_v_corrected(table: &[&[u64]]) -> f64 {
    let (phi2, rows, columns) = phi_squared(table);
    let n: u64 = table.iter().flat_map(|r| r.iter()).sum();
    if rows < 2 || columns < 2 || n < 2 {
        return 0.0;
    }
    let (r, c, n1) = (rows as f64, columns as f64, n as f64 - 1.0);
    let phi2 = (phi2 - (r - 1.0) * (c - 1.0) / n1).max(0.0);
    let (r, c) = (r - (r - 1.0).powi(2) / n1, c - (c - 1.0).powi(2) / n1);
    let least = r.min(c) - 1.0;
    if least <= 0.0 { 0.0 } else { (phi2 / least).sqrt().min(1.0) }
}

/// Chi-square over the number of rows, and the used rows and columns.
fn phi_squared(table: &[&[u64]]) -> (f64, usize, usize) {
    let columns = table.iter().map(|r| r.len()).max().unwrap_or(0);
    let rows_used = table.iter().filter(|r| r.iter().any(|&n| n > 0)).count();
    let columns_used = (0..columns).filter(|&c| table.iter().any(|r| r.get(c).is_some_and(|&n| n > 0))).count();
    let n: f64 = table.iter().flat_map(|r| r.iter()).map(|&n| n as f64).sum();
    if n <= 0.0 { (0.0, 0, 0) } else { (chi_square_table(table).statistic / n, rows_used, columns_used) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u64; 5] = [120, 80, 40, 10, 50];
    const B: [u64; 5] = [90, 100, 60, 30, 20];

    fn near(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-9 * want.abs().max(1.0), "{got} is not {want}");
    }

    #[test]
    fn divergences_agree_with_scipy() {
        let (p, q) = (weights(&A), weights(&B));
        // scipy.stats.entropy(q, p), scipy.stats.entropy(p, q)
        near(kl(&q, &p), 0.117_944_763_732_702_63);
        near(kl(&p, &q), 0.117_600_579_905_923_25);
        // (scipy.special.rel_entr(p, q) + scipy.special.rel_entr(q, p)).sum() over shares
        near(psi(&p, &q), 0.235_545_343_638_625_92);
        // scipy.spatial.distance.jensenshannon(p, q, base=2) ** 2
        near(js(&p, &q), 0.041_239_627_397_384_72);
        // abs(p - q).max() over shares
        near(linf(&p, &q), 0.1);
    }

    #[test]
    fn chi_square_tests_agree_with_scipy() {
        // scipy.stats.chi2_contingency([A, B], correction=False)
        let t = chi_square_table(&[&A, &B]);
        near(t.statistic, 33.365_079_365_079_37);
        assert_eq!(t.degrees, 4);
        assert!((t.p_value / 1.005_563_991_341_971_6e-6 - 1.0).abs() < 1e-6, "{}", t.p_value);
        // the same and scipy.stats.contingency.association(table, method="cramer") of a square table
        let square: [&[u64]; 3] = [&[10, 20, 30], &[6, 9, 17], &[8, 1, 2]];
        let t = chi_square_table(&square);
        near(t.statistic, 17.121_281_694_495_977);
        near(t.p_value, 0.001_830_829_587_769_279_2);
        near(cramers_v(&square), 0.288_293_284_580_904_7);
        near(cramers_v(&[&A, &B]), 0.235_814_472_856_238_46);
        // scipy.stats.chisquare(B, A / A.sum() * B.sum())
        let t = chi_square_fit(&B, &weights(&A));
        near(t.statistic, 80.5);
        assert!((t.p_value / 1.364_806_418_574_147_5e-16 - 1.0).abs() < 1e-6, "{}", t.p_value);
    }

    #[test]
    fn chi_square_quantiles_agree_with_scipy() {
        // scipy.stats.chi2.isf(0.01, k)
        for (k, want) in [
            (1, 6.634_896_601_021_217),
            (4, 13.276_704_135_987_625),
            (9, 21.665_994_333_461_928),
            (49, 74.919_474_308_478_14),
            (1000, 1_106.968_994_352_217_4),
        ] {
            near(chi_square_quantile(0.01, k), want);
        }
        assert_eq!(chi_square_quantile(0.01, 0), 0.0);
        assert_eq!(chi_square_quantile(0.0, 3), f64::INFINITY);
    }

    #[test]
    fn a_distribution_has_no_distance_from_itself() {
        let p = weights(&A);
        let scaled: Vec<f64> = p.iter().map(|x| x * 3.0).collect();
        for distance in [kl, psi, js, linf] {
            assert!(distance(&p, &scaled).abs() < 1e-12);
        }
        assert_eq!(chi_square_table(&[&A, &A]).statistic, 0.0);
        assert_eq!(cramers_v_corrected(&[&A, &A]), 0.0);
    }

    #[test]
    fn disjoint_supports_are_as_far_apart_as_can_be() {
        let (p, q) = ([1.0, 0.0], [0.0, 1.0]);
        assert_eq!((kl(&p, &q), psi(&p, &q)), (f64::INFINITY, f64::INFINITY));
        assert_eq!((js(&p, &q), linf(&p, &q)), (1.0, 1.0));
        near(cramers_v(&[&[50, 0], &[0, 50]]), 1.0);
        let (p, q) = without_empty_cells(&[50, 0, 0], &[0, 50, 0]);
        assert_eq!((p.len(), psi(&p, &q).is_finite()), (2, true));
    }

    #[test]
    fn nothing_has_no_distance_rather_than_none() {
        for distance in [kl, psi, js, linf] {
            assert!(distance(&[], &[]).is_nan() && distance(&[0.0, 0.0], &[1.0, 2.0]).is_nan());
        }
        let empty = chi_square_table(&[&[0, 0], &[0, 0]]);
        assert_eq!((empty.statistic, empty.degrees, empty.p_value), (0.0, 0, 1.0));
        assert_eq!((cramers_v(&[]), cramers_v_corrected(&[&[5, 5]])), (0.0, 0.0));
    }

    #[test]
    fn what_should_be_empty_and_is_not_fails_every_fit() {
        let t = chi_square_fit(&[5, 1], &[1.0, 0.0]);
        assert_eq!((t.statistic, t.p_value), (f64::INFINITY, 0.0));
        assert_eq!(chi_square_fit(&[5, 0], &[1.0, 0.0]).statistic, 0.0);
    }

    #[test]
    fn full_cells_keep_the_textbook_value() {
        let (p, q) = without_empty_cells(&A, &B);
        assert_eq!((p, q), (weights(&A), weights(&B)));
    }

    /// Bergsma's correction: by hand for [[30, 20], [20, 30]], chi-square 4, n 100.
    #[test]
    fn the_corrected_v_is_the_closed_form() {
        let n1 = 99.0_f64;
        let want = ((0.04 - 1.0 / n1) / (2.0 - 1.0 / n1 - 1.0)).sqrt();
        near(cramers_v_corrected(&[&[30, 20], &[20, 30]]), want);
    }
}
