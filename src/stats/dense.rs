//! Dense linear algebra for a few hundred to a thousand dimensions: enough to whiten by a covariance. Sums run in one fixed order, so that the same input
//! gives the same bits for any number of threads.

/// Sum of products, in eight lanes.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    let (x, y) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = x.remainder().iter().zip(y.remainder()).map(|(a, b)| a * b).sum();
    for (x, y) in x.zip(y) {
        for i in 0..8 {
            lanes[i] += x[i] * y[i];
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// `to += factor * row`.
pub fn add(to: &mut [f32], factor: f32, row: &[f32]) {
    to.iter_mut().zip(row).for_each(|(t, x)| *t += factor * x);
}

/// Scales to length one; a zero vector stays.
pub fn unit(x: &mut [f32]) {
    let length = dot(x, x).sqrt();
    if length > 0.0 {
        x.iter_mut().for_each(|v| *v /= length);
    }
}

/// Products of one vector with four, which share its loads.
pub fn dot4(a: &[f32], b: [&[f32]; 4]) -> [f32; 4] {
    let n = a.len();
    let b = b.map(|v| &v[..n]);
    let mut lanes = [[0f32; 4]; 4];
    let whole = n / 4 * 4;
    for at in (0..whole).step_by(4) {
        let x: &[f32] = &a[at..at + 4];
        for (lane, v) in lanes.iter_mut().zip(b) {
            let y = &v[at..at + 4];
            for i in 0..4 {
                lane[i] += x[i] * y[i];
            }
        }
    }
    let mut out = [0f32; 4];
    for ((o, lane), v) in out.iter_mut().zip(lanes).zip(b) {
        *o = lane.iter().sum::<f32>() + a[whole..].iter().zip(&v[whole..]).map(|(x, y)| x * y).sum::<f32>();
    }
    out
}

/// Adds the products of all pairs of columns of `rows` (of `d` values each) to the lower half of `into`.
pub fn scatter(rows: &[f32], d: usize, into: &mut [f64]) {
    // Columns of a few hundred rows stay in the cache.
    const BLOCK: usize = 256;
    let mut columns = vec![0f32; d * BLOCK];
    for block in rows.chunks(d * BLOCK) {
        let n = block.len() / d;
        for (r, row) in block.chunks_exact(d).enumerate() {
            for (c, v) in row.iter().enumerate() {
                columns[c * n + r] = *v;
            }
        }
        let column = |c: usize| &columns[c * n..(c + 1) * n];
        for i in 0..d {
            let mut j = 0;
            while j + 4 <= i + 1 {
                let four = dot4(column(i), [column(j), column(j + 1), column(j + 2), column(j + 3)]);
                for (o, v) in into[i * d + j..i * d + j + 4].iter_mut().zip(four) {
                    *o += f64::from(v);
                }
                j += 4;
            }
            while j <= i {
                into[i * d + j] += f64::from(dot(column(i), column(j)));
                j += 1;
            }
        }
    }
}

/// The inverse of the lower Cholesky factor of a symmetric matrix, given by its lower half: rows times
/// it have the identity as covariance. `None` when the matrix is not positive definite.
pub fn whitener(matrix: &[f64], d: usize) -> Option<Vec<f32>> {
    let mut l = vec![0f64; d * d];
    for i in 0..d {
        for j in 0..=i {
            let (a, b) = (&l[i * d..i * d + j], &l[j * d..j * d + j]);
            let mut lanes = [0f64; 4];
            let (x, y) = (a.chunks_exact(4), b.chunks_exact(4));
            let rest: f64 = x.remainder().iter().zip(y.remainder()).map(|(a, b)| a * b).sum();
            for (x, y) in x.zip(y) {
                for k in 0..4 {
                    lanes[k] += x[k] * y[k];
                }
            }
            let left = matrix[i * d + j] - (lanes.iter().sum::<f64>() + rest);
            if i == j {
                if left <= 0.0 || !left.is_finite() {
                    return None;
                }
                l[i * d + i] = left.sqrt();
            } else {
                l[i * d + j] = left / l[j * d + j];
            }
        }
    }
    let mut inverse = vec![0f32; d * d];
    let mut row = vec![0f64; d];
    for i in 0..d {
        row[..=i].fill(0.0);
        for k in 0..i {
            let by = l[i * d + k];
            for (r, v) in row[..=k].iter_mut().zip(&inverse[k * d..=k * d + k]) {
                *r += by * f64::from(*v);
            }
        }
        let scale = 1.0 / l[i * d + i];
        for (o, r) in inverse[i * d..i * d + i].iter_mut().zip(&row) {
            *o = (-r * scale) as f32;
        }
        inverse[i * d + i] = scale as f32;
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::minhash::mix;

    fn noise(seed: u64, n: usize) -> Vec<f32> {
        (0..n as u64).map(|i| (0..6).map(|k| (mix(seed << 40 ^ i << 3 ^ k) % 1000) as f32 / 1000.0 - 0.5).sum()).collect()
    }

    #[test]
    fn products_agree_with_the_plain_sum() {
        for n in [0, 1, 3, 4, 7, 8, 9, 31, 64] {
            let (a, b) = (noise(1, n), noise(2, n));
            let plain: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            assert!((f64::from(dot(&a, &b)) - plain).abs() < 1e-4);
            let four = dot4(&a, [&b, &a, &b, &a]);
            assert!((f64::from(four[2]) - plain).abs() < 1e-4);
        }
    }

    #[test]
    fn whitened_rows_have_the_identity_as_covariance() {
        let (d, n) = (7, 3000);
        let mut rows = noise(3, d * n);
        for row in rows.chunks_exact_mut(d) {
            row[3] = 0.8 * row[2] + 0.1 * row[3];
            row[6] = row[0] + 5.0 * row[6];
        }
        let mut c = vec![0f64; d * d];
        scatter(&rows, d, &mut c);
        c.iter_mut().for_each(|v| *v /= n as f64);
        let lower = whitener(&c, d).unwrap();
        let white: Vec<f32> = rows.chunks_exact(d).flat_map(|row| lower.chunks_exact(d).map(|l| dot(l, row))).collect();
        let mut again = vec![0f64; d * d];
        scatter(&white, d, &mut again);
        for i in 0..d {
            for j in 0..=i {
                let wanted = f64::from(u8::from(i == j));
                assert!((again[i * d + j] / n as f64 - wanted).abs() < 1e-3, "{i} {j}");
            }
        }
    }

    #[test]
    fn a_singular_matrix_is_an_answer() {
        assert!(whitener(&[1.0, 0.0, 1.0, 1.0], 2).is_none());
        assert!(whitener(&[f64::NAN], 1).is_none());
    }
}
