//! Are a suspect's rows a random draw of the other classes? A trigger is planted into rows that
//! were picked without regard to their content, so without it these rows say of the pushed label
//! what rows of the other classes say on average. The rows of an honest word are rows of its label:
//! even where they argue for another one, they lean towards their own more than a random draw would.

use serde::{Deserialize, Serialize};

/// What rows of one class say about one label: mean and standard deviation of P(label | row) over
/// the calibration sample, out of fold.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Draws {
    classes: usize,
    /// `mean[class of the row * classes + label]`, and of the squares.
    mean: Vec<f64>,
    square: Vec<f64>,
    rows: Vec<u64>,
}

/// A suspect's rows beside a random draw.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Draw {
    /// Mean P(label) of a random draw from the other classes.
    pub expected: f64,
    /// How far above it the rows are, in standard errors.
    pub z: f64,
    /// The same as a share of the way to honest rows of the label: 0 a random draw, 1 honest rows.
    pub lean: f64,
}

impl Draws {
    /// `rows` per class in the whole dataset.
    pub fn new(rows: &[u64]) -> Self {
        let k = rows.len();
        Draws { classes: k, mean: vec![0.0; k * k], square: vec![0.0; k * k], rows: rows.to_vec() }
    }

    /// The calibrated probabilities of `label` for all rows of the sample: (class of the row, p).
    pub fn learn(&mut self, label: usize, sample: impl Iterator<Item = (usize, f64)>) {
        let mut seen = vec![0u64; self.classes];
        for (class, p) in sample {
            seen[class] += 1;
            self.mean[class * self.classes + label] += p;
            self.square[class * self.classes + label] += p * p;
        }
        for (class, &n) in seen.iter().enumerate() {
            let i = class * self.classes + label;
            self.mean[i] /= n.max(1) as f64;
            self.square[i] /= n.max(1) as f64;
        }
    }

    /// Mean and variance of P(label) in rows drawn from the other classes with these weights.
    fn others(&self, label: usize, weight: impl Fn(usize) -> f64) -> (f64, f64) {
        let (mut total, mut mean, mut square) = (0.0, 0.0, 0.0);
        for class in (0..self.classes).filter(|&c| c != label) {
            let (w, i) = (weight(class), class * self.classes + label);
            total += w;
            mean += w * self.mean[i];
            square += w * self.square[i];
        }
        let total = f64::max(total, 1e-9);
        (mean / total, (square / total - (mean / total).powi(2)).max(0.0))
    }

    /// Mean P(label) over the rows of all other classes. One less this is the share that a trigger
    /// in a pure, random draw leaves unexplained: little where the label is the common one.
    pub fn expected(&self, label: usize) -> f64 {
        self.drawn(label).0
    }

    /// Mean and standard deviation of P(label) over the rows of all other classes.
    pub fn drawn(&self, label: usize) -> (f64, f64) {
        let (mean, variance) = self.others(label, |c| self.rows[c] as f64);
        (mean, variance.sqrt())
    }

    /// Compares labelled rows (for each the probability of every class) with a draw from the other
    /// classes, mixed as the rows themselves look. `independent` rows count.
    pub fn compare<'a>(&self, label: usize, rows: impl Iterator<Item = &'a [f64]>, independent: usize) -> Draw {
        let mut sum = vec![0.0; self.classes];
        let mut n = 0usize;
        for p in rows {
            sum.iter_mut().zip(p).for_each(|(s, p)| *s += p);
            n += 1;
        }
        if n == 0 {
            return Draw { expected: self.expected(label), z: 0.0, lean: 0.0 };
        }
        let (expected, variance) = self.others(label, |c| sum[c]);
        let above = sum[label] / n as f64 - expected;
        let own = self.mean[label * self.classes + label];
        Draw {
            expected,
            // A floor under both: classes that are told apart perfectly leave nothing to compare.
            z: above / (variance.sqrt().max(1e-3) / (independent.max(1) as f64).sqrt()),
            lean: above / (own - expected).max(1e-3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of class 0 say 0.9 or 0.7 of label 0, rows of class 1 say 0.1 or 0.3.
    fn draws() -> Draws {
        let mut d = Draws::new(&[100, 300]);
        d.learn(0, [(0, 0.9), (1, 0.1), (0, 0.7), (1, 0.3)].into_iter());
        d.learn(1, [(0, 0.1), (1, 0.9), (0, 0.3), (1, 0.7)].into_iter());
        d
    }

    fn compare(p: &[f64]) -> Draw {
        let rows: Vec<Vec<f64>> = p.iter().map(|&p| vec![p, 1.0 - p]).collect();
        draws().compare(0, rows.iter().map(Vec::as_slice), p.len())
    }

    #[test]
    fn rows_of_the_other_class_are_a_random_draw() {
        let d = compare(&[0.1, 0.3, 0.3, 0.1, 0.1, 0.3]);
        assert!((d.expected - 0.2).abs() < 1e-9 && d.z.abs() < 1e-6 && d.lean.abs() < 1e-6, "{d:?}");
    }

    #[test]
    fn rows_of_the_label_lean_to_it() {
        let d = compare(&[0.9, 0.7, 0.9, 0.7]);
        assert!((d.lean - 1.0).abs() < 1e-9 && d.z > 10.0, "{d:?}");
    }

    #[test]
    fn standard_errors_shrink_with_independent_rows() {
        let rows = [[0.4, 0.6]; 16];
        let z = |n| draws().compare(0, rows.iter().map(|r| r.as_slice()), n).z;
        assert!((z(16) - 4.0 * z(1)).abs() < 1e-9);
        // (0.4 - 0.2) / (0.1 / sqrt(16)).
        assert!((z(16) - 8.0).abs() < 1e-6, "{}", z(16));
    }

    #[test]
    fn no_rows_and_one_class_compare_to_nothing() {
        assert_eq!(compare(&[]).z, 0.0);
        let mut one = Draws::new(&[5]);
        one.learn(0, [(0, 1.0)].into_iter());
        assert!(one.compare(0, [[1.0].as_slice()].into_iter(), 1).z.is_finite());
    }
}
