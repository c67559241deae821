//! Confidence bounds of a share.

/// One-sided 95% normal quantile.
pub const Z95: f64 = 1.644_853_626_951_472_2;

/// Wilson's score interval (Wilson 1927) for `k` successes of `n`, at `z` standard deviations on each
/// side. No trials say nothing: `(0, 1)`.
pub fn wilson(k: f64, n: f64, z: f64) -> (f64, f64) {
    if n <= 0.0 {
        return (0.0, 1.0);
    }
    let p = (k / n).clamp(0.0, 1.0);
    let z2 = z * z;
    let centre = p + z2 / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    (((centre - spread) / scale).max(0.0), ((centre + spread) / scale).min(1.0))
}

/// Upper bound of the mean of a Poisson count, by its score interval: the larger mean from which the count is `z` standard
/// deviations away.
pub fn poisson_upper(count: u64, z: f64) -> f64 {
    count as f64 + z * z / 2.0 + z * (count as f64 + z * z / 4.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_bound_of_a_count_is_z_deviations_above_it() {
        for count in [0, 1, 7, 1_000_000] {
            let mean = poisson_upper(count, Z95);
            assert!(((mean - count as f64) / mean.sqrt() - Z95).abs() < 1e-6, "{count}: {mean}");
        }
    }

    #[test]
    fn wilson_agrees_with_scipy() {
        // scipy.stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
        let z = 1.959_963_984_540_054;
        for (k, n, low, high) in [(8.0, 10.0, 0.490_162_471_536_642, 0.943_317_848_545_684), (0.0, 20.0, 0.0, 0.161_125_158_052_822)] {
            let (a, b) = wilson(k, n, z);
            assert!((a - low).abs() < 1e-9 && (b - high).abs() < 1e-9, "{k} of {n}: {a} {b}");
        }
    }

    #[test]
    fn no_trials_leave_the_whole_interval() {
        assert_eq!(wilson(0.0, 0.0, Z95), (0.0, 1.0));
    }

    #[test]
    fn the_lower_bound_grows_with_pure_evidence() {
        let low = |n: f64| wilson(n, n, Z95).0;
        assert!(low(5.0) < low(20.0) && low(20.0) < low(200.0) && low(200.0) < 1.0);
    }
}
