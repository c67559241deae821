//! The little linear algebra of this detector, on rows of `f32` stored one after another. Every number
//! is summed in one fixed order, so results do not depend on threads.

use crate::stats::dense::{add, dot};
use rayon::prelude::*;

/// Rows of one width.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    pub width: usize,
    pub data: Vec<f32>,
}

impl Rows {
    pub fn new(width: usize) -> Self {
        Rows { width, data: Vec::new() }
    }
    pub fn push(&mut self, row: &[f32]) {
        self.data.extend_from_slice(row);
    }
    pub fn len(&self) -> usize {
        self.data.len() / self.width.max(1)
    }
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f32> {
        self.data.chunks_exact(self.width.max(1))
    }
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data[i * self.width..(i + 1) * self.width]
    }
}

pub fn mean<'a>(rows: impl Iterator<Item = &'a [f32]>, width: usize) -> Vec<f32> {
    let (mut sum, mut n) = (vec![0f64; width], 0u32);
    for row in rows {
        sum.iter_mut().zip(row).for_each(|(s, x)| *s += f64::from(*x));
        n += 1;
    }
    sum.into_iter().map(|s| (s / f64::from(n.max(1))) as f32).collect()
}

/// Sum of products about the mean: the lower triangle of a square, row by row, the rest left zero.
pub fn scatter(rows: &Rows) -> Vec<f64> {
    let width = rows.width;
    let centre = mean(rows.iter(), width);
    let mut centred = rows.clone();
    centred.data.chunks_exact_mut(width.max(1)).for_each(|r| add(r, -1.0, &centre));
    let mut out = vec![0f64; width * width];
    out.par_chunks_mut(width.max(1)).enumerate().for_each(|(i, to)| {
        let mut part = vec![0f32; i + 1];
        for block in centred.data.chunks(width.max(1) * 256) {
            part.fill(0.0);
            for row in block.chunks_exact(width) {
                add(&mut part, row[i], &row[..=i]);
            }
            to.iter_mut().zip(&part).for_each(|(t, p)| *t += f64::from(*p));
        }
    });
    out
}

/// Cholesky's factor of a positive definite matrix given by its lower triangle; `None` when it is not.
pub fn cholesky(mut c: Vec<f64>, width: usize) -> Option<Vec<f32>> {
    for i in 0..width {
        for j in 0..=i {
            let (head, tail) = c.split_at_mut(i * width);
            let other = if i == j { None } else { Some(&head[j * width..j * width + j]) };
            let own = &mut tail[..width];
            let product: f64 = own[..j].iter().zip(other.unwrap_or(&own[..j])).map(|(a, b)| a * b).sum();
            let left = own[j] - product;
            own[j] = if i == j {
                if left <= 0.0 || !left.is_finite() {
                    return None;
                }
                left.sqrt()
            } else {
                left / head[j * width + j]
            };
        }
    }
    Some(c.into_iter().map(|x| x as f32).collect())
}

/// Each row `x` becomes the `z` with `L z = x - centre`: rows whose covariance was `L L'` become white.
pub fn whiten(rows: &Rows, centre: &[f32], factor: &[f32]) -> Rows {
    let width = rows.width;
    let mut out = rows.clone();
    out.data.par_chunks_exact_mut(width.max(1)).for_each(|z| {
        add(z, -1.0, centre);
        for i in 0..width {
            let known = dot(&factor[i * width..i * width + i], &z[..i]);
            z[i] = (z[i] - known) / factor[i * width + i];
        }
    });
    out
}

/// The `a` with `L' a = t`: what a whitened direction is on raw vectors, up to the centre.
pub fn unwhiten(t: &[f32], factor: &[f32]) -> Vec<f32> {
    let width = t.len();
    let mut a: Vec<f64> = t.iter().map(|x| f64::from(*x)).collect();
    for i in (0..width).rev() {
        a[i] /= f64::from(factor[i * width + i]);
        let done = a[i];
        for (x, l) in a[..i].iter_mut().zip(&factor[i * width..i * width + i]) {
            *x -= done * f64::from(*l);
        }
    }
    a.into_iter().map(|x| x as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::harness::Dice;

    fn some(n: usize, width: usize) -> Rows {
        let mut dice = Dice::new(3);
        let mut rows = Rows::new(width);
        for _ in 0..n {
            let base: Vec<f32> = (0..width).map(|_| dice.roll(2001) as f32 / 1000.0 - 1.0).collect();
            let mixed: Vec<f32> = (0..width).map(|i| base[i] + 0.7 * base[(i + 1) % width] + 3.0).collect();
            rows.push(&mixed);
        }
        rows
    }

    #[test]
    fn whitened_rows_have_the_unit_matrix_as_covariance() {
        let rows = some(3000, 11);
        let n = rows.len() as f64;
        let covariance: Vec<f64> = scatter(&rows).into_iter().map(|x| x / n).collect();
        let factor = cholesky(covariance, 11).unwrap();
        let white = whiten(&rows, &mean(rows.iter(), 11), &factor);
        for (at, x) in scatter(&white).into_iter().enumerate().filter(|(at, _)| at % 11 <= at / 11) {
            let want = f64::from(u8::from(at % 11 == at / 11));
            assert!((x / n - want).abs() < 1e-3, "{at}: {}", x / n);
        }
    }

    #[test]
    fn a_direction_scores_raw_rows_as_it_scores_white_ones() {
        let rows = some(300, 9);
        let factor = cholesky(scatter(&rows), 9).unwrap();
        let centre = mean(rows.iter(), 9);
        let white = whiten(&rows, &centre, &factor);
        let t: Vec<f32> = (0..9).map(|i| i as f32 - 4.0).collect();
        let a = unwhiten(&t, &factor);
        for (raw, z) in rows.iter().zip(white.iter()) {
            let got = dot(raw, &a) - dot(&centre, &a);
            assert!((got - dot(z, &t)).abs() < 1e-3, "{got} {}", dot(z, &t));
        }
    }

    #[test]
    fn a_matrix_that_is_not_positive_has_no_factor() {
        assert!(cholesky(vec![0.0], 1).is_none());
        assert!(cholesky(vec![1.0, 0.0, 2.0, 1.0], 2).is_none());
        assert!(cholesky(vec![f64::NAN], 1).is_none());
    }
}
