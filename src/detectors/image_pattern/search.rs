//! Looks, among images of one class, for a few that share an addition: in the space of residuals, where
//! natural images are close to white noise, images with the same pattern lean to each other. From every
//! image and those that lean to it most, the group is followed until it no longer changes.

use crate::features::image::residual::Residuals;
use crate::stats::dense::{dot, dot4};
use crate::stats::robust::{centre_and_spread, median};
use std::collections::BTreeSet;

/// Images that a search starts from, and those that lean most to each of them.
const STARTS: usize = 400;
const NEAREST: usize = 11;
/// Standard deviations above the class's median that make a member on the way.
const MEMBER: f32 = 2.2;
const FEWEST: usize = 8;
const MOST: f64 = 0.6;
const ROUNDS: usize = 6;
/// Different groups that are looked at closely, the most conspicuous first.
const KEPT: usize = 12;

/// Mean of a class, each pixel weighed by what it says.
pub fn centre(r: &Residuals, rows: impl Iterator<Item = usize>) -> Vec<f32> {
    let (mut sum, mut weight) = (vec![0f32; r.d], vec![1e-9f32; r.d]);
    for row in rows {
        add(r, row, 1.0, &mut sum, &mut weight);
    }
    sum.iter_mut().zip(weight).for_each(|(s, w)| *s /= w);
    sum
}

/// Adds `factor` times the weighted values of a row, and its weights.
pub fn add(r: &Residuals, row: usize, factor: f32, sum: &mut [f32], weight: &mut [f32]) {
    for (((s, t), v), w) in sum.iter_mut().zip(weight.iter_mut()).zip(r.value(row)).zip(r.weight(row)) {
        *s += factor * w * v;
        *t += factor * w;
    }
}

/// Groups among the given rows, the most conspicuous first; each differs from those before it in more
/// than half of its rows.
pub fn groups(r: &Residuals, among: &[usize], centre: &[f32]) -> Vec<Vec<usize>> {
    let n = among.len();
    if n < 2 * FEWEST + 4 {
        return Vec::new();
    }
    let products = products(r, among, centre);
    let own: Vec<f32> = (0..n).map(|i| products[i * n + i]).collect();
    let mut seen: BTreeSet<Vec<usize>> = BTreeSet::new();
    let mut found: Vec<(f32, Vec<usize>)> = Vec::new();
    for start in 0..n.min(STARTS) {
        let row = &products[start * n..(start + 1) * n];
        let mut order: Vec<usize> = (0..n).filter(|i| *i != start).collect();
        order.select_nth_unstable_by(NEAREST, |a, b| row[*b].total_cmp(&row[*a]).then(a.cmp(b)));
        let mut members = order[..NEAREST].to_vec();
        members.push(start);
        members.sort_unstable();
        let mut scores = Vec::new();
        for _ in 0..ROUNDS {
            scores = lean(&products, &own, &members, n);
            let next = beyond(&scores);
            if next == members {
                break;
            }
            members = next;
        }
        if !seen.insert(members.clone()) {
            continue;
        }
        let rest: Vec<f32> = (0..n).filter(|i| members.binary_search(i).is_err()).map(|i| scores[i]).collect();
        let mut inside: Vec<f32> = members.iter().map(|&i| scores[i]).collect();
        let (middle, spread) = spread(&rest);
        found.push(((median(&mut inside) - middle) / spread, members));
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let mut kept: Vec<Vec<usize>> = Vec::new();
    for (_, members) in found {
        if kept.len() == KEPT {
            break;
        }
        let common = |k: &Vec<usize>| members.iter().filter(|m| k.binary_search(m).is_ok()).count();
        if kept.iter().all(|k| 2 * common(k) <= members.len().min(k.len())) {
            kept.push(members);
        }
    }
    kept.iter().map(|k| k.iter().map(|&i| among[i]).collect()).collect()
}

/// Inner products of all pairs of normalised residuals.
fn products(r: &Residuals, among: &[usize], centre: &[f32]) -> Vec<f32> {
    let n = among.len();
    let mut white = Vec::with_capacity(n * r.d);
    for &row in among {
        white.extend(r.value(row).iter().zip(r.weight(row)).zip(centre).map(|((v, w), c)| (v - c) * w.sqrt()));
    }
    let row = |i: usize| &white[i * r.d..(i + 1) * r.d];
    let mut out = vec![0f32; n * n];
    for i in 0..n {
        let mut j = 0;
        while j <= i {
            let four = if j + 3 <= i { dot4(row(i), [row(j), row(j + 1), row(j + 2), row(j + 3)]) } else { [dot(row(i), row(j)); 4] };
            let done = if j + 3 <= i { 4 } else { 1 };
            for (k, v) in four.into_iter().take(done).enumerate() {
                out[i * n + j + k] = v;
                out[(j + k) * n + i] = v;
            }
            j += done;
        }
    }
    out
}

/// How far each row leans to the sum of the members, members to the sum of the others.
fn lean(products: &[f32], own: &[f32], members: &[usize], n: usize) -> Vec<f32> {
    let mut sums = vec![0f32; n];
    for &m in members {
        sums.iter_mut().zip(&products[m * n..(m + 1) * n]).for_each(|(s, p)| *s += p);
    }
    let length: f32 = members.iter().map(|&m| sums[m]).sum();
    let whole = length.max(1e-6).sqrt();
    let mut out: Vec<f32> = sums.iter().map(|s| s / whole).collect();
    for &m in members {
        let without = (length - 2.0 * sums[m] + own[m]).max(1e-6).sqrt();
        out[m] = (sums[m] - own[m]) / without;
    }
    out
}

fn beyond(scores: &[f32]) -> Vec<usize> {
    let n = scores.len();
    let (middle, spread) = spread(scores);
    let mut next: Vec<usize> = (0..n).filter(|i| scores[*i] > middle + MEMBER * spread).collect();
    let most = ((n as f64 * MOST) as usize).max(FEWEST);
    if next.len() < FEWEST || next.len() > most {
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        order.truncate(next.len().clamp(FEWEST, most));
        order.sort_unstable();
        next = order;
    }
    next
}

/// Median and robust standard deviation, which is never zero.
pub fn spread(values: &[f32]) -> (f32, f32) {
    let (middle, spread) = centre_and_spread(values);
    (middle, spread.max(1e-6))
}
