//! Looks in one class for rows that share a pattern: whitened by what the other classes vary in, a
//! pattern is a direction along which a few rows stand apart from all the rest.

use crate::stats::dense::{dot, dot4, leading, scatter, times_lower, whitener};

/// Share of the mean variance that is added to every dimension. Measured on photographs: a tenth hides
/// coloured noise of 8% behind what natural images vary in, a three-hundredth shows it.
const RIDGE: f64 = 0.003;
/// Variance of rounding and of a single grey level's noise, so that constant pixels are no certainty.
const FLOOR: f64 = 1.0;
/// Directions of largest variance from which the search starts, both ways.
const DIRECTIONS: usize = 8;
/// Rows at the end of a direction that make the first template.
const SEEDS: usize = 12;
const ROUNDS: usize = 12;
/// Rows of a group, at least.
pub const LEAST: usize = 8;
/// Share of the class that a group may be while it is looked for.
const MOST: f64 = 0.6;
/// Rows per class that the covariance is taken from.
const COVARIANCE_ROWS: usize = 1200;

/// Rows of all classes in one view.
pub struct Data {
    pub d: usize,
    /// Per class, row by row.
    pub classes: Vec<Vec<f32>>,
}

impl Data {
    pub fn rows(&self, class: usize) -> usize {
        self.classes[class].len() / self.d
    }

    /// The mean of each class is taken out and the rest multiplied: one matrix per fold of classes.
    pub fn scatters(&self, folds: usize) -> Vec<(Vec<f64>, u64)> {
        use rayon::prelude::*;
        let d = self.d;
        let fold = |f: usize| {
            let (mut sum, mut n) = (vec![0f64; d * d], 0u64);
            for rows in self.classes.iter().skip(f).step_by(folds) {
                let rows = &rows[..rows.len().min(COVARIANCE_ROWS * d)];
                let count = rows.len() / d;
                if count < 2 {
                    continue;
                }
                let mut mean = vec![0f64; d];
                rows.chunks_exact(d).for_each(|r| mean.iter_mut().zip(r).for_each(|(m, v)| *m += f64::from(*v)));
                mean.iter_mut().for_each(|m| *m /= count as f64);
                let centred: Vec<f32> =
                    rows.chunks_exact(d).flat_map(|r| r.iter().zip(&mean).map(|(v, m)| (f64::from(*v) - m) as f32)).collect();
                scatter(&centred, d, &mut sum);
                n += count as u64;
            }
            (sum, n)
        };
        (0..folds).into_par_iter().map(fold).collect()
    }
}

/// The matrix that whitens by all folds but one; `None` when nothing varies.
pub fn whitener_without(scatters: &[(Vec<f64>, u64)], fold: usize, d: usize, profile: bool) -> Option<Vec<f32>> {
    let n: u64 = scatters.iter().enumerate().filter(|(f, _)| *f != fold).map(|(_, s)| s.1).sum();
    if n < 10 {
        return None;
    }
    let mut c = vec![0f64; d * d];
    for (_, (sum, _)) in scatters.iter().enumerate().filter(|(f, _)| *f != fold) {
        c.iter_mut().zip(sum).for_each(|(a, b)| *a += b);
    }
    c.iter_mut().for_each(|v| *v /= n as f64);
    let mean = (0..d).map(|i| c[i * d + i]).sum::<f64>() / d as f64;
    // Means over a row have a fraction of a pixel's noise.
    let floor = if profile { FLOOR / 16.0 } else { FLOOR };
    (0..d).for_each(|i| c[i * d + i] += RIDGE * mean + floor);
    whitener(&c, d)
}

pub fn median(values: &mut [f32]) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let at = values.len() / 2;
    *values.select_nth_unstable_by(at, f32::total_cmp).1
}

fn column_medians(rows: &[f32], d: usize) -> Vec<f32> {
    let mut buffer = vec![0f32; rows.len() / d];
    (0..d)
        .map(|c| {
            buffer.iter_mut().zip(rows.chunks_exact(d)).for_each(|(b, r)| *b = r[c]);
            median(&mut buffer)
        })
        .collect()
}

/// How rows of one class are brought into the space in which patterns are looked for.
pub struct Frame {
    pub d: usize,
    /// Median of the class.
    pub centre: Vec<f32>,
    /// Median of its whitened rows of length one.
    pub unit_centre: Vec<f32>,
}

/// Whitened rows, and the same at length one around their median.
pub struct Whitened {
    pub frame: Frame,
    pub white: Vec<f32>,
    pub unit: Vec<f32>,
}

pub fn to_unit(row: &mut [f32]) {
    let norm = dot(row, row).sqrt().max(1e-9);
    row.iter_mut().for_each(|v| *v /= norm);
}

pub fn whiten(rows: &[f32], d: usize, lower: &[f32]) -> Whitened {
    let centre = column_medians(rows, d);
    let centred: Vec<f32> = rows.chunks_exact(d).flat_map(|r| r.iter().zip(&centre).map(|(v, m)| v - m)).collect();
    let white = times_lower(lower, d, &centred);
    let mut unit = white.clone();
    unit.chunks_exact_mut(d).for_each(to_unit);
    let unit_centre = column_medians(&unit, d);
    unit.chunks_exact_mut(d).for_each(|r| r.iter_mut().zip(&unit_centre).for_each(|(v, m)| *v -= m));
    Whitened { frame: Frame { d, centre, unit_centre }, white, unit }
}

/// Rows that stand apart along one template.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Sorted.
    pub members: Vec<usize>,
    /// Length one, in the space of unit rows.
    pub template: Vec<f32>,
    /// Halfway between the lowest member and the highest other row.
    pub threshold: f32,
    /// The gap between them, times the root of the number of members.
    pub gap: f64,
    /// Distance of the medians of members and others in units of both spreads, along the template.
    pub distance: f64,
    /// Spread of the members along the template, relative to the others'.
    pub spread: f64,
    /// Spread of the members in all other directions, relative to the class.
    pub beyond: f64,
}

impl Candidate {
    pub fn strength(&self) -> f64 {
        self.distance * (self.members.len() as f64).sqrt()
    }
}

fn products(rows: &[f32], d: usize, with: &[f32]) -> Vec<f32> {
    let n = rows.len() / d;
    let mut out = Vec::with_capacity(n);
    for four in rows.chunks(4 * d) {
        let count = four.len() / d;
        let row = |r: usize| &four[r.min(count - 1) * d..(r.min(count - 1) + 1) * d];
        out.extend_from_slice(&dot4(with, [row(0), row(1), row(2), row(3)])[..count]);
    }
    out
}

/// Sum of the unit rows of a group, and the scores of all rows, each member's without itself.
fn score(w: &Whitened, members: &[usize], raw: bool) -> (Vec<f32>, Vec<f32>) {
    let d = w.frame.d;
    let row = |rows: &[f32], i: usize| -> Vec<f32> { rows[i * d..(i + 1) * d].to_vec() };
    let mut sum = vec![0f32; d];
    for &i in members {
        sum.iter_mut().zip(&w.unit[i * d..(i + 1) * d]).for_each(|(s, v)| *s += v);
    }
    let rows = if raw { &w.white } else { &w.unit };
    let norm = dot(&sum, &sum).sqrt().max(1e-9);
    let mut scores = products(rows, d, &sum);
    scores.iter_mut().for_each(|s| *s /= norm);
    for &i in members {
        let own = row(&w.unit, i);
        let without: Vec<f32> = sum.iter().zip(&own).map(|(s, v)| s - v).collect();
        let norm = dot(&without, &without).sqrt().max(1e-9);
        scores[i] = dot(&rows[i * d..(i + 1) * d], &without) / norm;
    }
    (sum, scores)
}

/// Group sizes end at the widest gap, weighted by the root of the size: (gap · √k, k, order of rows).
fn cut(scores: &[f32]) -> (f64, usize, Vec<usize>) {
    let n = scores.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    let most = ((n as f64 * MOST) as usize).min(n.saturating_sub(2)).max(LEAST + 1);
    let mut best = (f64::NEG_INFINITY, LEAST);
    for k in LEAST..most.min(n - 1) {
        let gap = f64::from(scores[order[k - 1]] - scores[order[k]]) * (k as f64).sqrt();
        if gap > best.0 {
            best = (gap, k);
        }
    }
    (best.0, best.1, order)
}

fn spread(values: &[f32]) -> (f32, f32) {
    let mut v = values.to_vec();
    let middle = median(&mut v);
    v.iter_mut().for_each(|x| *x = (*x - middle).abs());
    (middle, 1.4826 * median(&mut v))
}

/// Every group that the search ends in, strongest first.
pub fn search(w: &Whitened) -> Vec<Candidate> {
    let d = w.frame.d;
    let n = w.unit.len() / d;
    if n < 2 * LEAST + 4 {
        return Vec::new();
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut out: Vec<Candidate> = Vec::new();
    for direction in leading(&w.unit, d, DIRECTIONS, 20) {
        let along = products(&w.unit, d, &direction);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| along[*b].total_cmp(&along[*a]).then(a.cmp(b)));
        for end in 0..2 {
            if end == 1 {
                order.reverse();
            }
            let mut members: Vec<usize> = order[..SEEDS.min(n / 2)].to_vec();
            members.sort_unstable();
            let mut last = (0.0, Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let (sum, scores) = score(w, &members, false);
                let (gap, k, ranked) = cut(&scores);
                let mut next = ranked[..k].to_vec();
                next.sort_unstable();
                last = (gap, sum, scores);
                if next == members {
                    break;
                }
                members = next;
            }
            if seen.insert(members.clone()) {
                out.push(measure(w, members, last.0, last.1, &last.2));
            }
        }
    }
    out.sort_by(|a, b| b.strength().total_cmp(&a.strength()).then_with(|| a.members.cmp(&b.members)));
    out
}

fn measure(w: &Whitened, members: Vec<usize>, gap: f64, sum: Vec<f32>, scores: &[f32]) -> Candidate {
    let d = w.frame.d;
    let n = scores.len();
    let mut inside = vec![false; n];
    members.iter().for_each(|&i| inside[i] = true);
    let split = |values: &[f32]| -> (Vec<f32>, Vec<f32>) {
        let take = |want: bool| (0..n).filter(|&i| inside[i] == want).map(|i| values[i]).collect();
        (take(true), take(false))
    };
    let (own, others) = split(scores);
    let lowest = own.iter().copied().fold(f32::INFINITY, f32::min);
    let highest = others.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let threshold = (lowest + highest) / 2.0;
    let (_, raw) = score(w, &members, true);
    let (own, others) = split(&raw);
    let ((m, s), (m0, s0)) = (spread(&own), spread(&others));
    let apart = f64::from(m - m0);
    // Both forms: a group of constant rows is no nearer for that.
    let distance = apart / f64::from(s * s + s0 * s0).sqrt().max(1e-6);
    let template: Vec<f32> = {
        let norm = dot(&sum, &sum).sqrt().max(1e-9);
        sum.iter().map(|v| v / norm).collect()
    };
    let beyond = beyond(w, &inside, &template, d);
    Candidate { members, template, threshold, gap, distance, spread: f64::from(s) / f64::from(s0).max(1e-6), beyond }
}

/// Median squared distance to the own mean with the template taken out: members against others.
fn beyond(w: &Whitened, inside: &[bool], template: &[f32], d: usize) -> f64 {
    let distances = |want: bool| -> f32 {
        let rows: Vec<&[f32]> = w.white.chunks_exact(d).zip(inside).filter(|(_, i)| **i == want).map(|(r, _)| r).collect();
        let mut mean = vec![0f32; d];
        rows.iter().for_each(|r| mean.iter_mut().zip(*r).for_each(|(m, v)| *m += v));
        mean.iter_mut().for_each(|m| *m /= rows.len().max(1) as f32);
        let mut all: Vec<f32> = rows
            .iter()
            .map(|r| {
                let left: Vec<f32> = r.iter().zip(&mean).map(|(v, m)| v - m).collect();
                let along = dot(&left, template);
                dot(&left, &left) - along * along
            })
            .collect();
        median(&mut all)
    };
    f64::from(distances(true)) / f64::from(distances(false)).max(1e-9)
}
