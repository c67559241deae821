//! How likely chance alone makes an empirical distribution stray from its law: the distribution of the
//! Kolmogorov-Smirnov statistic. Exact where that is cheap, with an error below 1e-6 elsewhere, by the
//! division of labour in Simard & L'Ecuyer (2011), "Computing the two-sided Kolmogorov-Smirnov distribution".

use statrs::function::gamma::ln_gamma;
use std::f64::consts::PI;

/// Up to here the matrix of Marsaglia, Tsang & Wang is small enough.
const EXACT: u64 = 140;
/// From this `n d^2` on both one-sided events never meet in practice: twice the one-sided tail is off by
/// less than 5e-8.
const ONE_SIDED: f64 = 2.2;
/// The one-sided tail is a sum over n terms.
const SUMMED: u64 = 100_000;

/// `P(D_n >= d)` for `n` independent draws from a continuous law. `scipy.stats.kstwo.sf(d, n)`.
/// Laws with ties make the answer too large, which errs on the quiet side.
pub fn upper(d: f64, n: u64) -> f64 {
    if d.is_nan() {
        return f64::NAN;
    }
    let size = n as f64;
    if n == 0 || d <= 0.5 / size {
        return 1.0;
    }
    if d >= 1.0 {
        return 0.0;
    }
    let s = size * d * d;
    let p = if d >= 0.5 || s >= ONE_SIDED {
        2.0 * one_sided(d, n)
    } else if n <= EXACT {
        1.0 - marsaglia_tsang_wang(d, n as usize)
    } else {
        1.0 - pelz_good(d, size)
    };
    p.clamp(0.0, 1.0)
}

/// `P(K >= x)` of Kolmogorov's limit law of `sqrt(n) D_n`. `scipy.special.kolmogorov(x)`.
pub fn limit_upper(x: f64) -> f64 {
    if x.is_nan() {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 1.0;
    }
    if x < 1.0 {
        // The theta function's other side converges at once where the alternating series does not.
        let below: f64 = (0..20).map(|k| f64::from(2 * k + 1)).map(|odd| (-(odd * PI / x).powi(2) / 8.0).exp()).sum();
        return (1.0 - (2.0 * PI).sqrt() / x * below).clamp(0.0, 1.0);
    }
    let term = |k: i32| f64::from(if k % 2 == 1 { 2 } else { -2 }) * (-2.0 * f64::from(k * k) * x * x).exp();
    (1..=20).map(term).sum::<f64>().clamp(0.0, 1.0)
}

/// The `x` with `limit_upper(x) = upper`, by bisection.
pub fn limit_quantile(upper: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if limit_upper(middle) > upper { low = middle } else { high = middle }
    }
    high
}

/// `P(D+_n >= d)` (Smirnov 1944); its limit with the first-order shift beyond [`SUMMED`] draws.
fn one_sided(d: f64, n: u64) -> f64 {
    let size = n as f64;
    if n > SUMMED {
        return (-(6.0 * size * d + 1.0).powi(2) / (18.0 * size)).exp();
    }
    let all = ln_gamma(size + 1.0);
    let last = (size * (1.0 - d)).floor() as u64;
    let mut total = 0.0;
    for j in 0..=last {
        let (j, left) = (j as f64, (n - j) as f64);
        let at = d + j / size;
        let rest = 1.0 - at;
        let tail = if left == 0.0 {
            0.0
        } else if rest <= 0.0 {
            continue;
        } else {
            left * rest.ln()
        };
        total += (all - ln_gamma(j + 1.0) - ln_gamma(left + 1.0) + (j - 1.0) * at.ln() + tail).exp();
    }
    d * total
}

/// `P(D_n < d)`, exactly: the middle entry of a matrix power (Marsaglia, Tsang & Wang 2003).
fn marsaglia_tsang_wang(d: f64, n: usize) -> f64 {
    let size = n as f64;
    let k = (size * d) as usize + 1;
    let m = 2 * k - 1;
    let h = k as f64 - size * d;
    let mut base = vec![vec![0.0; m]; m];
    for (i, row) in base.iter_mut().enumerate() {
        for (j, cell) in row.iter_mut().enumerate() {
            *cell = if i + 1 < j { 0.0 } else { 1.0 };
        }
    }
    for (i, row) in base.iter_mut().enumerate() {
        row[0] -= h.powi(i as i32 + 1);
    }
    for (i, cell) in base[m - 1].iter_mut().enumerate() {
        *cell -= h.powi((m - i) as i32);
    }
    base[m - 1][0] += if 2.0 * h - 1.0 > 0.0 { (2.0 * h - 1.0).powi(m as i32) } else { 0.0 };
    for (i, row) in base.iter_mut().enumerate() {
        for (j, cell) in row.iter_mut().enumerate().take(i + 2) {
            // Divided by (i - j + 1)!.
            for g in 1..=(i + 1).saturating_sub(j) {
                *cell /= g as f64;
            }
        }
    }
    // Powers grow like e^n: with n at most [`EXACT`] they stay far inside a double.
    let mut power: Option<Vec<Vec<f64>>> = None;
    let mut left = n;
    while left > 0 {
        if left & 1 == 1 {
            power = Some(power.map_or_else(|| base.clone(), |p| product(&p, &base)));
        }
        left >>= 1;
        if left > 0 {
            base = product(&base, &base);
        }
    }
    let middle = power.map_or(0.0, |p| p[k - 1][k - 1]);
    (1..=n).fold(middle, |s, i| s * i as f64 / size)
}

fn product(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let m = a.len();
    a.iter().map(|row| (0..m).map(|j| row.iter().zip(b).map(|(x, b)| x * b[j]).sum()).collect()).collect()
}

/// `P(D_n <= d)` by the expansion of Pelz & Good (1976); off by less than 4e-7 from 141 draws on.
fn pelz_good(d: f64, n: f64) -> f64 {
    let z = n.sqrt() * d;
    let z2 = z * z;
    let (z4, z6) = (z2 * z2, z2 * z2 * z2);
    let z8 = z4 * z4;
    let mut k = [0.0; 4];
    for i in 0..40 {
        let h = ((f64::from(i) + 0.5) * PI).powi(2);
        let e = 2.0 * (-h / (2.0 * z2)).exp();
        k[0] += e;
        k[1] += (h - z2) * e;
        k[2] += (6.0 * z6 + 2.0 * z4 + h * (2.0 * z4 - 5.0 * z2) + h * h * (1.0 - 2.0 * z2)) * e;
        let cubic = h.powi(3) * (5.0 - 30.0 * z2) + h * h * (212.0 * z4 - 60.0 * z2);
        k[3] += (cubic + h * (135.0 * z4 - 96.0 * z6) - 30.0 * z6 - 90.0 * z8) * e;
    }
    let (mut second, mut third) = (0.0, 0.0);
    for i in 1..40 {
        let h = (f64::from(i) * PI).powi(2);
        let e = 2.0 * (-h / (2.0 * z2)).exp();
        second += h * e;
        third += (3.0 * h * z2 - h * h) * e;
    }
    let c = (PI / 2.0).sqrt();
    let k0 = c * k[0] / z;
    let k1 = c * k[1] / (6.0 * z4);
    let k2 = c * (k[2] / (72.0 * z6 * z) - second / (36.0 * z2 * z));
    let k3 = c * (k[3] / (6480.0 * z8 * z2) + third / (216.0 * z6));
    k0 + k1 / n.sqrt() + k2 / n + k3 / n.powf(1.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_agree_with_scipy() {
        // scipy.stats.kstwo.sf(d, n)
        for (n, d, want) in [
            (1, 0.6, 0.8),
            (6, 0.2959, 0.572_584_300_967_926_6),
            (10, 0.274, 0.371_520_384_543_495_7),
            (50, 0.2, 0.031_438_777_769_532_41),
            (100, 0.1, 0.252_692_757_006_387_4),
            (500, 0.01, 0.999_999_999_107_338_9),
            (1000, 0.05, 0.013_012_074_781_090_332),
            (2000, 0.03, 0.053_546_947_939_325_57),
            (5000, 0.02, 0.036_139_413_953_256_37),
            (20_000, 0.01, 0.036_386_039_052_487_27),
        ] {
            let got = upper(d, n);
            assert!((got - want).abs() < 1e-6, "n {n} d {d}: {got} is not {want}");
        }
    }

    #[test]
    fn the_limit_agrees_with_scipy() {
        // scipy.special.kolmogorov(x)
        for (x, want) in [
            (0.3, 0.999_990_694_198_665_5),
            (0.5, 0.963_945_243_664_875_1),
            (0.8, 0.544_142_411_574_198_1),
            (1.2, 0.112_249_666_670_724_97),
            (1.6276, 0.010_001_537_333_060_776),
            (2.5, 7.453_306_344_157_342e-6),
        ] {
            assert!((limit_upper(x) - want).abs() < 1e-12, "{x}: {}", limit_upper(x));
        }
        assert!((limit_upper(limit_quantile(0.01)) - 0.01).abs() < 1e-12);
    }

    #[test]
    fn the_methods_meet_without_a_step() {
        for (n, d) in [(EXACT, 0.09), (EXACT + 1, 0.09), (EXACT, (2.2 / 140.0_f64).sqrt()), (SUMMED, 0.006), (SUMMED + 1, 0.006)] {
            let (a, b) = (upper(d * 0.999_999, n), upper(d * 1.000_001, n));
            assert!((a - b).abs() < 2e-5 && a >= b - 1e-6, "{n} {d}: {a} {b}");
        }
        assert!((upper(0.09, EXACT) - upper(0.09, EXACT + 1)).abs() < 5e-3);
    }

    #[test]
    fn no_draws_and_no_distance_say_nothing() {
        assert_eq!((upper(0.3, 0), upper(0.0, 10), upper(1.0, 10)), (1.0, 1.0, 0.0));
        assert!(upper(f64::NAN, 10).is_nan() && limit_upper(f64::NAN).is_nan());
        assert_eq!(limit_upper(0.0), 1.0);
    }
}
