//! Upper tails of counts. Logarithms throughout: a trigger in a thousand rows has a tail far below
//! the smallest double.

use statrs::function::gamma::ln_gamma;

fn ln_choose(n: u64, k: u64) -> f64 {
    ln_gamma(n as f64 + 1.0) - ln_gamma(k as f64 + 1.0) - ln_gamma((n - k) as f64 + 1.0)
}

/// `ln(exp(a) + exp(b))`.
fn ln_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// `ln P(X >= k)` for X ~ Binomial(n, p), summed from the larger end of the tail until terms vanish.
pub fn ln_binomial_upper(k: u64, n: u64, p: f64) -> f64 {
    if k == 0 {
        return 0.0;
    }
    if k > n || p <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if p >= 1.0 {
        return 0.0;
    }
    let (lp, lq) = (p.ln(), (-p).ln_1p());
    let term = |i: u64| ln_choose(n, i) + i as f64 * lp + (n - i) as f64 * lq;
    if k as f64 <= n as f64 * p {
        // The lower tail is the short one here: P(X >= k) = 1 - P(X < k).
        let mut lower = f64::NEG_INFINITY;
        for i in (0..k).rev() {
            let t = term(i);
            lower = ln_add(lower, t);
            if t < lower - 40.0 {
                break;
            }
        }
        return (-lower.exp().min(1.0)).ln_1p();
    }
    let mut sum = f64::NEG_INFINITY;
    for i in k..=n {
        let t = term(i);
        sum = ln_add(sum, t);
        if t < sum - 40.0 {
            break;
        }
    }
    sum.min(0.0)
}

/// `ln P(X >= k)` for a sum of independent Bernoulli variables with these probabilities
/// (Poisson-binomial), by the exact recurrence: O(n * k), meant for at most some hundred rows.
pub fn ln_poisson_binomial_upper(k: usize, probabilities: &[f64]) -> f64 {
    if k == 0 {
        return 0.0;
    }
    if k > probabilities.len() {
        return f64::NEG_INFINITY;
    }
    // mass[j] = P(j successes so far) for j < k; `reached` absorbs everything from k on. The tail is
    // floored at 1e-300: beyond that the order of two tails no longer matters to any decision.
    let mut mass = vec![0.0f64; k];
    mass[0] = 1.0;
    let mut reached = 0.0;
    for &p in probabilities {
        let p = p.clamp(0.0, 1.0);
        reached += mass[k - 1] * p;
        for j in (1..k).rev() {
            mass[j] = mass[j] * (1.0 - p) + mass[j - 1] * p;
        }
        mass[0] *= 1.0 - p;
    }
    reached.clamp(1e-300, 1.0).ln()
}

/// `ln P(X >= k)` for X ~ Poisson(mean), bounded from above by its first term and the geometric series
/// that dominates the rest; 0 (certain) unless `k` exceeds the mean.
pub fn ln_poisson_upper(k: u64, mean: f64) -> f64 {
    if k as f64 <= mean {
        return 0.0;
    }
    if mean <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let first = k as f64 * mean.ln() - mean - ln_gamma(k as f64 + 1.0);
    (first - (-(mean / (k as f64 + 1.0))).ln_1p()).min(0.0)
}

/// Cochran-Mantel-Haenszel: common association over strata, each a 2x2 table
/// `[exposed with, exposed without, others with, others without]`. Returns the signed z without
/// continuity correction (Mantel & Haenszel 1959); 0 when no stratum informs.
pub fn cochran_mantel_haenszel(strata: &[[f64; 4]]) -> f64 {
    let (mut difference, mut variance) = (0.0, 0.0);
    for &[a, b, c, d] in strata {
        let n = a + b + c + d;
        if n < 2.0 {
            continue;
        }
        let (row, column) = (a + b, a + c);
        difference += a - row * column / n;
        variance += row * (n - row) * column * (n - column) / (n * n * (n - 1.0));
    }
    if variance > 0.0 { difference / variance.sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binomial_tail_agrees_with_scipy() {
        // scipy.stats.binom.logsf(k - 1, n, p)
        for (k, n, p, expected) in [
            (20, 20, 0.1, -46.051_701_859_880_914),
            (5, 30, 0.2, -0.294_684_203_237_782_1),
            (3, 30, 0.2, -0.045_184_606_421_482_53),
            (60, 200, 0.25, -2.773_033_124_068_218_2),
        ] {
            let got = ln_binomial_upper(k, n, p);
            assert!((got - expected).abs() < 1e-9, "{k} of {n} at {p}: {got} against {expected}");
        }
    }

    #[test]
    fn a_tail_far_below_the_smallest_double_keeps_its_logarithm() {
        let got = ln_binomial_upper(1000, 1000, 0.01);
        assert!((got - 1000.0 * 0.01f64.ln()).abs() < 1e-6);
    }

    #[test]
    fn edges_of_the_binomial_are_certain_or_impossible() {
        assert_eq!(ln_binomial_upper(0, 5, 0.3), 0.0);
        assert_eq!(ln_binomial_upper(6, 5, 0.3), f64::NEG_INFINITY);
        assert_eq!(ln_binomial_upper(1, 5, 0.0), f64::NEG_INFINITY);
        assert_eq!(ln_binomial_upper(5, 5, 1.0), 0.0);
    }

    #[test]
    fn the_poisson_binomial_agrees_with_a_convolution() {
        // numpy.convolve over [1 - p, p]
        let p = [0.1, 0.2, 0.3, 0.4, 0.5];
        let expected =
            [-0.163_931_691_682_363_68, -0.739_400_565_077_410_4, -1.897_119_984_885_881, -3.789_805_372_703_897, -6.725_433_722_188_182];
        for (k, want) in expected.iter().enumerate() {
            assert!((ln_poisson_binomial_upper(k + 1, &p) - want).abs() < 1e-9);
        }
    }

    #[test]
    fn equal_probabilities_make_the_poisson_binomial_a_binomial() {
        let got = ln_poisson_binomial_upper(12, &[0.3; 25]);
        assert!((got - ln_binomial_upper(12, 25, 0.3)).abs() < 1e-9);
    }

    #[test]
    fn the_poisson_bound_is_close_to_the_tail_and_never_below_it() {
        for (k, mean) in [(10u64, 2.0f64), (5, 0.1), (40, 20.0)] {
            let below: f64 = (0..k).map(|i| (i as f64 * mean.ln() - mean - ln_gamma(i as f64 + 1.0)).exp()).sum();
            let (exact, bound) = ((1.0 - below).ln(), ln_poisson_upper(k, mean));
            assert!(bound >= exact - 1e-6 && bound - exact < 0.2, "{k} at {mean}: {bound} against {exact}");
        }
        assert_eq!(ln_poisson_upper(2, 3.0), 0.0);
        assert_eq!(ln_poisson_upper(1, 0.0), f64::NEG_INFINITY);
    }

    #[test]
    fn mantel_haenszel_agrees_with_its_formula_by_hand() {
        // Computed with numpy from the 1959 definition, without continuity correction.
        let got = cochran_mantel_haenszel(&[[10.0, 5.0, 8.0, 20.0], [4.0, 6.0, 9.0, 30.0]]);
        assert!((got - 2.528_421_258_692_506_3).abs() < 1e-9);
        assert_eq!(cochran_mantel_haenszel(&[]), 0.0);
        assert_eq!(cochran_mantel_haenszel(&[[1.0, 0.0, 0.0, 0.0]]), 0.0);
    }
}
