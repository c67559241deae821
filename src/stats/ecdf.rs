//! Distances between two empirical distributions of numbers, exactly. A sample is its distinct values in
//! ascending order, each with how often it occurs; nothing else of it matters here, so that a column read
//! in any order gives the same sums in the same order. Infinities are values; NaN must be left out.

use super::kolmogorov;

/// Distinct values in ascending order with their counts.
pub type Sample<'a> = &'a [(f64, u64)];

pub fn size(sample: Sample<'_>) -> u64 {
    sample.iter().map(|(_, n)| n).sum()
}

/// Sorts and counts; NaN is dropped, `-0.0` is `0.0`.
pub fn sample(mut values: Vec<f64>) -> Vec<(f64, u64)> {
    values.retain(|v| !v.is_nan());
    values.sort_unstable_by(f64::total_cmp);
    let mut out: Vec<(f64, u64)> = Vec::new();
    for v in values {
        match out.last_mut() {
            Some((last, n)) if *last == v => *n += 1,
            _ => out.push((v + 0.0, 1)),
        }
    }
    out
}

/// Calls `f(value, rows of a up to it, rows of b up to it)` at each distinct value of either, ascending.
fn walk(a: Sample<'_>, b: Sample<'_>, mut f: impl FnMut(f64, u64, u64)) {
    let (mut i, mut j, mut below_a, mut below_b) = (0, 0, 0, 0);
    while let Some(at) = match (a.get(i), b.get(j)) {
        (Some(x), Some(y)) => Some(if x.0 <= y.0 { x.0 } else { y.0 }),
        (x, y) => x.or(y).map(|v| v.0),
    } {
        // `<=` rather than `==`: a list out of order, which callers do not send, must still come to an end.
        while let Some((_, n)) = a.get(i).filter(|v| v.0 <= at || v.0.is_nan()) {
            below_a += n;
            i += 1;
        }
        while let Some((_, n)) = b.get(j).filter(|v| v.0 <= at || v.0.is_nan()) {
            below_b += n;
            j += 1;
        }
        f(at, below_a, below_b);
    }
}

/// Kolmogorov-Smirnov statistic of two samples: the largest distance of their distribution functions.
/// NaN when one is empty. `scipy.stats.ks_2samp(a, b).statistic`.
pub fn ks(a: Sample<'_>, b: Sample<'_>) -> f64 {
    let (n, m) = (size(a) as f64, size(b) as f64);
    if n == 0.0 || m == 0.0 {
        return f64::NAN;
    }
    let mut largest = 0.0_f64;
    walk(a, b, |_, x, y| largest = largest.max((x as f64 / n - y as f64 / m).abs()));
    largest
}

/// p-value of [`ks`]: the one-sample law at the effective size `n m / (n + m)`, rounded.
/// `scipy.stats.ks_2samp(a, b, method="asymp").pvalue`.
pub fn ks_p(statistic: f64, n: u64, m: u64) -> f64 {
    kolmogorov::upper(statistic, effective(n, m).round() as u64)
}

/// The size of one sample that is as uncertain as two of these sizes together.
pub fn effective(n: u64, m: u64) -> f64 {
    if n == 0 || m == 0 { 0.0 } else { 1.0 / (1.0 / n as f64 + 1.0 / m as f64) }
}

/// Kolmogorov-Smirnov statistic against a law. `scipy.stats.kstest(a, cdf).statistic`; its p-value is
/// [`kolmogorov::upper`].
pub fn ks_law(a: Sample<'_>, law: impl Fn(f64) -> f64) -> f64 {
    let n = size(a) as f64;
    if n == 0.0 {
        return f64::NAN;
    }
    let (mut below, mut largest) = (0, 0.0_f64);
    for &(v, count) in a {
        let f = law(v);
        let before = f - below as f64 / n;
        below += count;
        largest = largest.max(before).max(below as f64 / n - f);
    }
    largest
}

/// Wasserstein distance (earth mover's, of order 1) in units of the column: the area between the two
/// distribution functions. NaN when one is empty or the area is not finite.
/// `scipy.stats.wasserstein_distance(a, b)`.
pub fn wasserstein(a: Sample<'_>, b: Sample<'_>) -> f64 {
    area(a, b, |f, g, _| (f - g).abs())
}

/// The integral of `sqrt(F (1 - F))` over the pooled distribution function: what the root of the size
/// times [`wasserstein`] is measured in when chance alone acts.
pub fn spread(a: Sample<'_>, b: Sample<'_>) -> f64 {
    area(a, b, |_, _, pooled| (pooled * (1.0 - pooled)).max(0.0).sqrt())
}

fn area(a: Sample<'_>, b: Sample<'_>, height: impl Fn(f64, f64, f64) -> f64) -> f64 {
    let (n, m) = (size(a), size(b));
    if n == 0 || m == 0 {
        return f64::NAN;
    }
    let mut total = 0.0;
    let mut last: Option<(f64, f64)> = None;
    walk(a, b, |at, x, y| {
        if let Some((from, h)) = last
            && h > 0.0
        {
            total += h * (at - from);
        }
        last = Some((at, height(x as f64 / n as f64, y as f64 / m as f64, (x + y) as f64 / (n + m) as f64)));
    });
    if total.is_finite() { total } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-9, "{got} is not {want}");
    }

    fn two() -> [Vec<(f64, u64)>; 2] {
        let a = sample(vec![5.0, 2.0, 1.0, 2.0, 3.0, 8.0, 8.0, 9.5]);
        [a, sample(vec![0.0, 2.0, 4.0, 4.0, 4.0, 7.0, 10.0, 11.0, 12.5])]
    }

    #[test]
    fn distances_agree_with_scipy() {
        let [a, b] = two();
        // scipy.stats.ks_2samp(a, b, method="asymp")
        near(ks(&a, &b), 0.333_333_333_333_333_37);
        assert!((ks_p(ks(&a, &b), 8, 9) - 0.662_037_037_037_036_9).abs() < 1e-6);
        // scipy.stats.wasserstein_distance(a, b), and with weights
        near(wasserstein(&a, &b), 1.659_722_222_222_222_3);
        near(wasserstein(&[(0.0, 3), (1.0, 1), (3.0, 2)], &[(5.0, 1), (6.0, 4), (8.0, 1)]), 5.0);
        // scipy.stats.kstest([-1.2, 0.1, 0.4, 0.5, 1.9, 2.2], "norm")
        let z = sample(vec![-1.2, 0.1, 0.4, 0.5, 1.9, 2.2]);
        let normal = |x: f64| 0.5 * statrs::function::erf::erfc(-x / std::f64::consts::SQRT_2);
        let d = ks_law(&z, normal);
        assert!((d - 0.373_161_170_610_362_36).abs() < 1e-6, "{d}");
        assert!((kolmogorov::upper(d, 6) - 0.295_274_491_176_148_76).abs() < 1e-6);
    }

    #[test]
    fn both_distances_are_symmetric() {
        let [a, b] = two();
        near(ks(&a, &b), ks(&b, &a));
        near(wasserstein(&a, &b), wasserstein(&b, &a));
    }

    #[test]
    fn disjoint_supports_and_constants() {
        let (low, high) = ([(1.0, 7)], [(4.0, 2)]);
        assert_eq!((ks(&low, &high), wasserstein(&low, &high)), (1.0, 3.0));
        assert_eq!((ks(&low, &[(1.0, 500)]), wasserstein(&low, &[(1.0, 500)])), (0.0, 0.0));
        // Half of nine rows at each end: sqrt(F (1 - F)) times the way.
        near(spread(&low, &high), 3.0 * (7.0 / 9.0 * 2.0 / 9.0_f64).sqrt());
    }

    #[test]
    fn nothing_has_no_distance_rather_than_none() {
        assert!(ks(&[], &[(1.0, 1)]).is_nan() && wasserstein(&[(1.0, 1)], &[]).is_nan() && ks_law(&[], |_| 0.5).is_nan());
        assert_eq!(effective(0, 5), 0.0);
    }

    #[test]
    fn infinities_are_values_and_have_no_finite_area() {
        let (a, b) = ([(1.0, 1), (f64::INFINITY, 1)], [(1.0, 2)]);
        assert_eq!(ks(&a, &b), 0.5);
        assert!(wasserstein(&a, &b).is_nan());
        assert_eq!(wasserstein(&a, &a), 0.0);
    }

    #[test]
    fn zeros_are_one_value_and_nan_is_none() {
        assert_eq!(sample(vec![0.0, f64::NAN, -0.0, 1.0]), [(0.0, 2), (1.0, 1)]);
    }
}
