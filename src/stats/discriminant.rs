//! Linear discriminant analysis (Fisher 1936; Hastie, Tibshirani & Friedman 2009, §4.3): classes as
//! normal clouds of one shape. Closed form, no iterations, the same for any order of the classes.

use super::dense::{dot, scatter, whitener};

/// Share of each variance that is added to it: with few rows the estimate of the shape is too sure.
const RIDGE: f64 = 0.05;

#[derive(Debug, Clone)]
pub struct Discriminant {
    /// Mean of all rows, which everything is seen from: a column that hardly varies is large in white
    /// coordinates, and its level would drown what the others say.
    middle: Vec<f32>,
    /// One vector and one number per class; `None` for classes without rows.
    classes: Vec<Option<(Vec<f32>, f64)>>,
}

impl Discriminant {
    /// From rows of `d` numbers with their classes, those that `take` lets in. `None` when fewer than
    /// two classes have rows.
    pub fn fit(rows: &[f32], d: usize, labels: &[usize], classes: usize, take: impl Fn(usize) -> bool) -> Option<Discriminant> {
        let mut counts = vec![0u64; classes];
        let mut means = vec![vec![0f64; d]; classes];
        let chosen: Vec<usize> = (0..labels.len()).filter(|i| take(*i)).collect();
        for &i in &chosen {
            counts[labels[i]] += 1;
            means[labels[i]].iter_mut().zip(&rows[i * d..(i + 1) * d]).for_each(|(m, v)| *m += f64::from(*v));
        }
        if counts.iter().filter(|n| **n > 0).count() < 2 {
            return None;
        }
        for (mean, n) in means.iter_mut().zip(&counts) {
            mean.iter_mut().for_each(|m| *m /= (*n).max(1) as f64);
        }
        let mut centred = Vec::with_capacity(chosen.len() * d);
        for &i in &chosen {
            centred.extend(rows[i * d..(i + 1) * d].iter().zip(&means[labels[i]]).map(|(v, m)| (f64::from(*v) - m) as f32));
        }
        let mut shape = vec![0f64; d * d];
        scatter(&centred, d, &mut shape);
        shape.iter_mut().for_each(|v| *v /= chosen.len() as f64);
        // Constant columns say nothing and must not divide.
        let least = 1e-9 + 1e-9 * (0..d).map(|i| shape[i * d + i]).fold(0.0, f64::max);
        (0..d).for_each(|i| shape[i * d + i] += RIDGE * shape[i * d + i] + least);
        let lower = whitener(&shape, d)?;
        let all = chosen.len() as f64;
        let weighted = |i: usize| means.iter().zip(&counts).map(|(m, n)| m[i] * *n as f64).sum::<f64>() / all;
        let middle: Vec<f64> = (0..d).map(weighted).collect();
        let class = |(mean, n): (&Vec<f64>, &u64)| {
            if *n == 0 {
                return None;
            }
            let mean: Vec<f32> = mean.iter().zip(&middle).map(|(v, m)| (v - m) as f32).collect();
            let white: Vec<f32> = (0..d).map(|i| dot(&lower[i * d..=i * d + i], &mean[..=i])).collect();
            let mut direction = vec![0f32; d];
            for (i, w) in white.iter().enumerate() {
                direction.iter_mut().zip(&lower[i * d..=i * d + i]).for_each(|(o, l)| *o += w * l);
            }
            let offset = -0.5 * f64::from(dot(&white, &white)) + (*n as f64 / all).ln();
            Some((direction, offset))
        };
        let classes = means.iter().zip(&counts).map(class).collect();
        Some(Discriminant { middle: middle.iter().map(|m| *m as f32).collect(), classes })
    }

    /// Probability of one class given a row; 0 for a class that had no rows.
    pub fn probability(&self, row: &[f32], class: usize) -> f64 {
        let row: Vec<f32> = row.iter().zip(&self.middle).map(|(v, m)| v - m).collect();
        let scores: Vec<Option<f64>> = self.classes.iter().map(|c| c.as_ref().map(|(w, b)| f64::from(dot(w, &row)) + b)).collect();
        let Some(own) = scores[class] else { return 0.0 };
        1.0 / scores.iter().flatten().map(|s| (s - own).exp()).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four corners around the centre of each class: mean and covariance are exact.
    fn corners(centres: &[(f32, f32)]) -> (Vec<f32>, Vec<usize>) {
        let (mut rows, mut labels) = (Vec::new(), Vec::new());
        for (class, (x, y)) in centres.iter().enumerate() {
            for (dx, dy) in [(1.0, 2.0), (1.0, -2.0), (-1.0, 2.0), (-1.0, -2.0)] {
                rows.extend([x + dx, y + dy]);
                labels.push(class);
            }
        }
        (rows, labels)
    }

    #[test]
    fn the_log_odds_are_those_of_two_normal_clouds() {
        let (rows, labels) = corners(&[(0.0, 0.0), (3.0, 4.0)]);
        let model = Discriminant::fit(&rows, 2, &labels, 2, |_| true).unwrap();
        // Variances 1 and 4, each with the ridge: log odds at (1, 1) of equal priors.
        let (a, b) = (1.05, 4.2);
        let odds = -0.5 * (4.0 / a + 9.0 / b) + 0.5 * (1.0 / a + 1.0 / b);
        let expected = 1.0 / (1.0 + f64::exp(-odds));
        assert!((model.probability(&[1.0, 1.0], 1) - expected).abs() < 1e-5);
        assert!((model.probability(&[1.5, 2.0], 0) - 0.5).abs() < 1e-5);
    }

    #[test]
    fn larger_classes_are_likelier_and_absent_ones_impossible() {
        let (mut rows, mut labels) = corners(&[(0.0, 0.0), (3.0, 4.0)]);
        rows.extend_from_within(..8);
        labels.extend([0; 4]);
        let model = Discriminant::fit(&rows, 2, &labels, 3, |_| true).unwrap();
        assert!((model.probability(&[1.5, 2.0], 0) - 2.0 / 3.0).abs() < 1e-5);
        assert_eq!(model.probability(&[1.5, 2.0], 2), 0.0);
    }

    #[test]
    fn one_class_or_constant_columns_are_no_crash() {
        assert!(Discriminant::fit(&[1.0, 2.0], 1, &[0, 0], 2, |_| true).is_none());
        let rows = [1.0, 7.0, 2.0, 7.0, 5.0, 7.0, 6.0, 7.0];
        let model = Discriminant::fit(&rows, 2, &[0, 0, 1, 1], 2, |_| true).unwrap();
        let p = [1.5, 5.5].map(|x| model.probability(&[x, 7.0], 0));
        assert!(p[0] > 0.9 && (p[0] + p[1] - 1.0).abs() < 1e-6, "{p:?}");
    }
}
