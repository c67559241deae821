//! How much another class claims a row: linear discriminant analysis in whitened space, each row judged by
//! means and a covariance that it did not help to make, and calibrated on rows of both kinds.

use super::linear::{Rows, mean};
use crate::stats::calibration::Isotonic;
use crate::stats::dense::dot;
use rayon::prelude::*;

/// For every row inside, how much the others claim it, 0 to 1, as if both were equally many. `of` says which class each
/// row outside is of; `parts` is what one row of the class and one of the others add to the covariance that
/// whitened them.
pub fn of(inside: &Rows, outside: &Rows, of: &[usize], parts: (f32, f32)) -> Vec<f32> {
    let own = Centre { mean: mean(inside.iter(), inside.width), rows: inside.len() };
    let mut names: Vec<usize> = of.to_vec();
    names.sort_unstable();
    names.dedup();
    let centres: Vec<Centre> = names
        .iter()
        .map(|class| {
            let rows = || outside.iter().zip(of).filter(|(_, k)| **k == *class).map(|(r, _)| r);
            Centre { mean: mean(rows(), outside.width), rows: rows().count() }
        })
        .collect();
    // Log odds of the others. `home` is the row's own centre: `None` is the class.
    let odds = |row: &[f32], home: Option<usize>, part: f32| {
        let base = home.map_or(&own, |h| &centres[h]);
        let residual = base.from(row);
        let length = dot(&residual, &residual);
        let alone = base.rows as f32 / (base.rows as f32 - 1.0).max(1.0);
        let fit = |centre: &Centre, is_home: bool| {
            let there = centre.from(row);
            let (mut squared, mut product) = (dot(&there, &there), dot(&residual, &there));
            if is_home {
                squared *= alone * alone;
                product *= alone;
            }
            // The covariance without this row, by Sherman and Morrison.
            let a = part * alone;
            squared += a * product * product / (1.0 - a * length).max(0.05);
            (centre.rows as f64).ln() - 0.5 * f64::from(squared)
        };
        let theirs: Vec<f64> = centres.iter().enumerate().map(|(j, c)| fit(c, home == Some(j))).collect();
        let most = theirs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let all = most + theirs.iter().map(|t| (t - most).exp()).sum::<f64>().ln();
        // Far from all classes the odds are endless and mean nothing.
        (all - fit(&own, home.is_none())).clamp(-50.0, 50.0)
    };
    let mine: Vec<f64> = (0..inside.len()).into_par_iter().map(|i| odds(inside.row(i), None, parts.0)).collect();
    let home = |i: usize| names.binary_search(&of[i]).ok();
    let theirs: Vec<f64> = (0..outside.len()).into_par_iter().map(|i| odds(outside.row(i), home(i), parts.1)).collect();
    let balance = inside.len() as f64 / outside.len().max(1) as f64;
    let points = mine.iter().map(|o| (*o, false, 1.0)).chain(theirs.iter().map(|o| (*o, true, balance))).collect();
    let calibrated = Isotonic::fit(points);
    mine.into_iter().map(|o| calibrated.at(o) as f32).collect()
}

struct Centre {
    mean: Vec<f32>,
    rows: usize,
}

impl Centre {
    fn from(&self, row: &[f32]) -> Vec<f32> {
        row.iter().zip(&self.mean).map(|(x, m)| x - m).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::harness::Dice;

    fn around(centre: f32, n: usize, width: usize, dice: &mut Dice) -> Rows {
        let mut rows = Rows::new(width);
        for _ in 0..n {
            let row: Vec<f32> = (0..width)
                .map(|c| (0..12).map(|_| dice.roll(1000) as f32 / 1000.0).sum::<f32>() - 6.0 + if c == 0 { centre } else { 0.0 })
                .collect();
            rows.push(&row);
        }
        rows
    }

    #[test]
    fn rows_of_another_class_are_claimed_by_it() {
        let mut dice = Dice::new(5);
        let mut inside = around(0.0, 400, 8, &mut dice);
        around(4.0, 40, 8, &mut dice).iter().for_each(|r| inside.push(r));
        let outside = around(4.0, 500, 8, &mut dice);
        let doubts = of(&inside, &outside, &vec![3; 500], (0.0, 1.0 / 500.0));
        let share = |of: &[f32]| of.iter().filter(|d| **d > 0.5).count() as f64 / of.len() as f64;
        assert!(share(&doubts[..400]) < 0.1 && share(&doubts[400..]) > 0.9, "{} {}", share(&doubts[..400]), share(&doubts[400..]));
    }

    #[test]
    fn classes_that_are_alike_claim_nothing_even_in_many_dimensions() {
        let mut dice = Dice::new(6);
        let (inside, outside) = (around(0.0, 200, 60, &mut dice), around(0.0, 200, 60, &mut dice));
        let doubts = of(&inside, &outside, &vec![0; 200], (0.0, 0.0));
        let mean = doubts.iter().sum::<f32>() / 200.0;
        // Judged with themselves in the mean, rows of 60 numbers would all seem to belong where they are.
        assert!((mean - 0.5).abs() < 0.05, "{mean}");
    }
}
