//! Looks, among the sampled vectors of one class, for rows that were all moved the same way: whitened
//! by what the other classes look like, a direction in which the class has a far end and the others do
//! not; the rows at that end; and whether they are, in all other directions, a draw of everybody else.

use super::linear::{Rows, add, cholesky, dot, mean, unit, unwhiten, whiten};
use crate::features::table::mix;
use crate::stats::intervals::{Z95, wilson};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows of a class's sample, at least.
pub const LEAST: usize = 60;
/// Rows of a group, at least.
pub const GROUP: usize = 30;
/// A group is at most this share of its class: beyond it is the class.
const MOST: f64 = 0.4;
/// Directions to start from, per class, at most and at least.
const SEEDS: usize = 120;
const FEW_SEEDS: usize = 24;
/// Multiplications that the search of all classes may take, about.
const WORK: usize = 40_000_000_000;
const ITERATIONS: usize = 14;
/// Rows most aligned with a seed that make its first direction.
const NEAREST: usize = 25;
/// Different directions whose ends are looked at, per class.
const KEPT: usize = 10;
/// Rows longer than this many times the median are cut to it: a search must not chase single outliers.
const LONG: f32 = 1.5;
/// Ridge, in mean variances.
const RIDGE: f64 = 0.02;
/// Neighbours of a group's row, and rows of the group whose neighbours are looked at.
const NEIGHBOURS: usize = 10;
const PROBED: usize = 600;
/// Lower bound of the label's share among all rows at the far end. Ends of clean classes reach 0.99
/// (natural clusters), those of planted groups 0.91 and more: a gate for the eye, not the test.
const PURE: f64 = 0.88;
/// Distance of the group's median from the class's, in the class's spread.
const GAP: f64 = 2.7;
/// Upper bound of how much more often the nearest neighbours (without the direction) of a group's row
/// are of the group than a random draw of the others would have it. Planted shifts: 0.2 to 2.0. Ends of
/// clean classes that pass the gates above: 3.3 to 43 (sentences, news, digits, mixtures; 3,000 ends).
const DRAWN: f64 = 2.5;
/// Median squared length of the group's rows without the direction, over that of the others: a draw of
/// the others has 1 (0.6 to 0.8 when vectors are scaled back to length one after the shift); a cluster that is
/// tighter than the rest, or wider, is told by this where neighbours by angle do not tell it.
const SPREAD: std::ops::Range<f64> = 0.5..1.6;

/// A group in a class.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Shift {
    pub class: usize,
    /// A raw vector is at the far end when `direction . x > cut`.
    pub direction: Vec<f32>,
    pub cut: f32,
    /// Content hashes of the sampled rows of the group, sorted: the direction was learned from them, so
    /// they are judged by their scores without themselves.
    pub members: Vec<u64>,
    pub gap: f64,
    pub pure: f64,
    /// Group neighbours seen over expected, upper bound.
    pub drawn: f64,
    /// Squared length without the direction, over that of the others.
    pub spread: f64,
}

/// The sample of a class: hashes and vectors.
pub struct Class {
    pub hashes: Vec<u64>,
    pub rows: Rows,
}

/// Groups of one class. `total` is the scatter of all classes about their own means, `own` this one's.
pub fn search(classes: &[Class], class: usize, total: &[f64], own: &[f64], seed: u64) -> Vec<Shift> {
    let width = classes[class].rows.width;
    let n = classes[class].rows.len();
    let mut others = Rows::new(width);
    // A bounded, even choice of the others; samples are in hash order, so any stretch is random.
    let all: usize = classes.iter().enumerate().filter(|(k, _)| *k != class).map(|(_, c)| c.rows.len()).sum();
    if n < LEAST || all < LEAST {
        return Vec::new();
    }
    let wanted = (2 * n).clamp(1000, 4000).min(all);
    for (_, other) in classes.iter().enumerate().filter(|(k, _)| *k != class) {
        let take = (other.rows.len() * wanted).div_ceil(all);
        other.rows.iter().take(take).for_each(|r| others.push(r));
    }
    let mut covariance: Vec<f64> = total.iter().zip(own).map(|(t, o)| (t - o) / all as f64).collect();
    let ridge = RIDGE * (0..width).map(|i| covariance[i * width + i]).sum::<f64>() / width as f64;
    (0..width).for_each(|i| covariance[i * width + i] += ridge);
    let Some(factor) = cholesky(covariance, width) else { return Vec::new() };
    let centre = medians(&classes[class].rows);
    let inside = whiten(&classes[class].rows, &centre, &factor);
    let outside = whiten(&others, &centre, &factor);
    let space =
        Space { inside: shortened(&inside, &inside), outside: shortened(&outside, &inside), raw_inside: inside, raw_outside: outside };
    let each = 4 * (n + others.len()) * width * ITERATIONS;
    let seeds = (WORK / classes.len() / each.max(1)).clamp(FEW_SEEDS, SEEDS).min(n);
    let mut found = Vec::new();
    for start in space.directions(seeds) {
        let Some(group) = space.grow(&start) else { continue };
        let rows = group.members.iter().filter(|m| **m).count();
        let pure = wilson(rows as f64, (rows + group.outside) as f64, Z95).0;
        if rows < GROUP || pure < PURE || group.gap < GAP {
            continue;
        }
        let (drawn, spread) = space.drawn(&group, seed);
        if drawn > DRAWN || !SPREAD.contains(&spread) {
            continue;
        }
        let direction = unwhiten(&group.template, &factor);
        let cut = group.cut + dot(&direction, &centre);
        let mut members: Vec<u64> = (0..n).filter(|i| group.members[*i]).map(|i| classes[class].hashes[i]).collect();
        members.sort_unstable();
        found.push(Shift { class, direction, cut, members, gap: group.gap, pure, drawn, spread });
    }
    // The largest first; a second direction to the same rows says nothing new.
    found.sort_by(|a, b| b.members.len().cmp(&a.members.len()).then(b.gap.total_cmp(&a.gap)));
    let mut kept: Vec<Shift> = Vec::new();
    for shift in found {
        let again = |k: &Shift| 2 * shift.members.iter().filter(|m| k.members.binary_search(m).is_ok()).count() > shift.members.len();
        if !kept.iter().any(again) {
            kept.push(shift);
        }
    }
    kept
}

struct Space {
    /// Shortened, for learning.
    inside: Rows,
    outside: Rows,
    raw_inside: Rows,
    raw_outside: Rows,
}

struct Group {
    /// Of length one.
    template: Vec<f32>,
    members: Vec<bool>,
    cut: f32,
    gap: f64,
    /// Rows of other classes beyond the cut.
    outside: usize,
}

impl Space {
    /// Directions in which the class has a heavier end than the others, the heaviest first.
    fn directions(&self, seeds: usize) -> Vec<Vec<f32>> {
        let (n, step) = (self.inside.len(), (self.inside.len() / seeds.max(1)).max(1));
        let mut found: Vec<(f64, Vec<f32>)> = (0..seeds.min(n))
            .into_par_iter()
            .map(|s| {
                let mut w = self.inside.row(s * step % n).to_vec();
                unit(&mut w);
                let mut aligned: Vec<(f32, usize)> = self.inside.iter().enumerate().map(|(i, r)| (dot(r, &w), i)).collect();
                let nearest = NEAREST.min(n);
                aligned.select_nth_unstable_by(nearest - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                let mut nearest: Vec<usize> = aligned[..nearest].iter().map(|a| a.1).collect();
                nearest.sort_unstable();
                w = mean(nearest.into_iter().map(|i| self.inside.row(i)), self.inside.width);
                unit(&mut w);
                for _ in 0..ITERATIONS {
                    let (mine, theirs) = (pull(&self.inside, &w), pull(&self.outside, &w));
                    w = mine;
                    add(&mut w, -1.0, &theirs);
                    unit(&mut w);
                }
                (skewness(&self.inside, &w) - skewness(&self.outside, &w).min(3.0), w)
            })
            .collect();
        found.sort_by(|a, b| {
            b.0.total_cmp(&a.0)
                .then_with(|| a.1.iter().zip(&b.1).map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal))
        });
        let mut kept: Vec<Vec<f32>> = Vec::new();
        for (_, w) in found {
            if kept.len() < KEPT && kept.iter().all(|k| dot(k, &w).abs() < 0.8) {
                kept.push(w);
            }
        }
        kept
    }

    /// The rows at the end of a direction: their mean is the template that the next round scores by,
    /// each member without itself, and a cut where the end becomes likelier than the rest.
    fn grow(&self, start: &[f32]) -> Option<Group> {
        let n = self.inside.len();
        let scores: Vec<f32> = self.raw_inside.iter().map(|r| dot(r, start)).collect();
        let (middle, spread) = centre_and_spread(&scores);
        let mut members: Vec<bool> = scores.iter().map(|u| *u > middle + 2.5 * spread).collect();
        let mut last: Option<Group> = None;
        for _ in 0..8 {
            let m = members.iter().filter(|x| **x).count();
            if m < GROUP / 2 || m as f64 > MOST * n as f64 {
                return None;
            }
            let sum = mean((0..n).filter(|i| members[*i]).map(|i| self.inside.row(i)), self.inside.width);
            let length = dot(&sum, &sum).sqrt();
            if length <= 0.0 {
                return None;
            }
            let score = |i: usize| {
                let row = self.raw_inside.row(i);
                let plain = dot(row, &sum);
                if !members[i] {
                    return plain / length;
                }
                // The template without this row.
                let (own, k) = (self.inside.row(i), m as f32);
                let squared = (k * k * length * length - 2.0 * k * dot(own, &sum) + dot(own, own)).max(1e-12);
                (k * plain - dot(own, row)) / squared.sqrt()
            };
            let scores: Vec<f32> = (0..n).map(score).collect();
            let (middle, spread) = centre_and_spread(&scores);
            let ends: Vec<f32> = scores.iter().zip(&members).filter(|(_, m)| **m).map(|(s, _)| *s).collect();
            let (end, width) = centre_and_spread(&ends);
            let width = width.max(0.3 * spread);
            let cut = cut(m as f64 / n as f64, (f64::from(middle), f64::from(spread)), (f64::from(end), f64::from(width)))? as f32;
            let template: Vec<f32> = sum.iter().map(|x| x / length).collect();
            let outside = self.raw_outside.iter().filter(|r| dot(r, &template) > cut).count();
            let next: Vec<bool> = scores.iter().map(|s| *s > cut).collect();
            let settled = next == members;
            last = Some(Group { template, members: next.clone(), cut, gap: f64::from((end - middle) / spread.max(1e-6)), outside });
            members = next;
            if settled {
                break;
            }
        }
        last
    }

    /// With the direction taken out: how often the nearest neighbours of the group's rows are of the
    /// group, over what a random draw of the others would give (upper bound); and their spread over the
    /// others'.
    fn drawn(&self, group: &Group, seed: u64) -> (f64, f64) {
        let rest = |row: &[f32]| {
            let mut rest = row.to_vec();
            add(&mut rest, -dot(row, &group.template), &group.template);
            let squared = dot(&rest, &rest);
            unit(&mut rest);
            (squared, rest)
        };
        let mut chosen: Vec<usize> = (0..self.raw_inside.len()).filter(|i| group.members[*i]).collect();
        chosen.sort_by_key(|i| (mix(seed ^ *i as u64), *i));
        chosen.truncate(PROBED);
        let (lengths, mine): (Vec<f32>, Vec<Vec<f32>>) = chosen.iter().map(|i| rest(self.raw_inside.row(*i))).unzip();
        let (others, theirs): (Vec<f32>, Vec<Vec<f32>>) = self.raw_outside.iter().map(rest).unzip();
        let spread = f64::from(median(lengths)) / f64::from(median(others)).max(1e-12);
        let own = |i: usize| {
            let near = |(j, row): (usize, &Vec<f32>)| (dot(&mine[i], row), j);
            let pool = mine.iter().chain(&theirs).enumerate().filter(|(j, _)| *j != i);
            let mut near: Vec<(f32, usize)> = pool.map(near).collect();
            let k = NEIGHBOURS.min(near.len());
            near.select_nth_unstable_by(k - 1, |a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
            near[..k].iter().filter(|(_, j)| *j < mine.len()).count()
        };
        let seen: usize = (0..mine.len()).into_par_iter().map(own).sum();
        let share = (mine.len() - 1) as f64 / (mine.len() + theirs.len() - 1) as f64;
        let expected = (mine.len() * NEIGHBOURS) as f64 * share;
        let upper = seen as f64 + Z95 * Z95 / 2.0 + Z95 * (seen as f64 + Z95 * Z95 / 4.0).sqrt();
        (upper / expected.max(1e-9), spread)
    }
}

/// Mean of the rows on the positive side, by the squares of their scores: the step towards the end.
fn pull(rows: &Rows, w: &[f32]) -> Vec<f32> {
    let mut out = vec![0f32; rows.width];
    for row in rows.iter() {
        let u = dot(row, w);
        if u > 0.0 {
            add(&mut out, u * u, row);
        }
    }
    let n = rows.len() as f32;
    out.iter_mut().for_each(|x| *x /= n);
    out
}

fn skewness(rows: &Rows, w: &[f32]) -> f64 {
    let scores: Vec<f64> = rows.iter().map(|r| f64::from(dot(r, w))).collect();
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let moment = |k: i32| scores.iter().map(|s| (s - mean).powi(k)).sum::<f64>() / n;
    moment(3) / moment(2).powf(1.5).max(1e-12)
}

/// Where two normal densities cross on the way from the body to the end; `None` where the end never wins.
fn cut(share: f64, body: (f64, f64), end: (f64, f64)) -> Option<f64> {
    let ln = |x: f64, (m, s): (f64, f64)| -0.5 * ((x - m) / s).powi(2) - s.ln();
    if end.0 <= body.0 || body.1 <= 0.0 || end.1 <= 0.0 {
        return None;
    }
    let at = |i: i32| body.0 + (end.0 - body.0) * f64::from(i) / 200.0;
    (0..=200).map(at).find(|x| share.ln() + ln(*x, end) > (1.0 - share).ln() + ln(*x, body))
}

/// Median, and the median distance from it scaled to a normal's standard deviation.
fn centre_and_spread(x: &[f32]) -> (f32, f32) {
    let middle = median(x.to_vec());
    (middle, 1.4826 * median(x.iter().map(|v| (v - middle).abs()).collect()))
}

fn median(mut x: Vec<f32>) -> f32 {
    if x.is_empty() {
        return 0.0;
    }
    let at = x.len() / 2;
    *x.select_nth_unstable_by(at, f32::total_cmp).1
}

fn medians(rows: &Rows) -> Vec<f32> {
    (0..rows.width).into_par_iter().map(|c| median(rows.iter().map(|r| r[c]).collect())).collect()
}

/// Rows cut to [`LONG`] times the median length of `by`.
fn shortened(rows: &Rows, by: &Rows) -> Rows {
    let most = LONG * median(by.iter().map(|r| dot(r, r).sqrt()).collect());
    let mut out = rows.clone();
    for row in out.data.chunks_exact_mut(rows.width.max(1)) {
        let length = dot(row, row).sqrt();
        if length > most {
            row.iter_mut().for_each(|x| *x *= most / length);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_equal_normals_are_cut_in_the_middle_and_a_rare_end_farther_out() {
        let half = cut(0.5, (0.0, 1.0), (4.0, 1.0)).unwrap();
        assert!((half - 2.0).abs() < 0.05, "{half}");
        let rare = cut(0.02, (0.0, 1.0), (4.0, 1.0)).unwrap();
        assert!((rare - (2.0 + 49f64.ln() / 4.0)).abs() < 0.05, "{rare}");
        assert!(cut(0.5, (1.0, 1.0), (0.0, 1.0)).is_none());
    }

    #[test]
    fn skewness_of_an_even_spread_is_zero_and_of_an_exponential_two() {
        let of = |f: &dyn Fn(f64) -> f64| {
            let rows = Rows { width: 1, data: (0..20_000).map(|i| f((f64::from(i) + 0.5) / 20_000.0) as f32).collect() };
            skewness(&rows, &[1.0])
        };
        assert!(of(&|p| p).abs() < 1e-3);
        assert!((of(&|p| -(1.0 - p).ln()) - 2.0).abs() < 0.05);
    }
}
