//! A group as a mixture: what its images add to their class, how much of it every image shows, and from
//! which amount on an image is a member. Where the pattern and the image's own noise are known, the amount
//! is 1 for an image with the pattern and 0 for one without, up to an error that each image states itself.

use super::search::{add, spread};
use crate::features::image::residual::Residuals;
use crate::stats::robust::median;
use serde::{Deserialize, Serialize};

/// Rows of a group, at least, and its share of the class, at most.
pub const FEWEST: usize = 8;
pub const MOST: f64 = 0.5;
const ROUNDS: usize = 8;
const STEPS: usize = 40;
/// Bounds of how much the amount differs from member to member, as a share of it: an addition is the same
/// in every image but for clipping, while what images are like by nature comes in any amount.
const VARIES: (f32, f32) = (0.05, 0.4);
/// Share of the amount that images without the pattern have of it by nature, as a standard deviation: where
/// flat images leave no noise at all, a trace of the pattern is no membership.
const NATURAL: f32 = 0.07;
/// Share of the images without the pattern below which the lower tail is looked at, and where a normal has it.
const TAIL: (f64, f32) = (0.01, 2.326);
/// Log-odds are cut here: one image never decides more.
const SURE: f32 = 50.0;

/// A pattern and how to tell images with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pattern {
    /// What images of the class have without it, and what it adds.
    centre: Vec<f32>,
    pub template: Vec<f32>,
    fit: Fit,
}

/// Distribution of the score z = amount x strength, where strength is what the template would reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Images without the pattern: robust normal.
    middle: f32,
    spread: f32,
    /// Images with it: mean amount, and how it varies from one to the next.
    amount: f32,
    varies: f32,
    /// ln of the odds of a member.
    odds: f32,
}

#[derive(Debug, Clone)]
pub struct Group {
    pub pattern: Pattern,
    /// Sorted.
    pub members: Vec<usize>,
    /// Median score of the members, in spreads of the others.
    pub distance: f64,
    /// Mean probability of the members, by the mixture.
    pub certain: f64,
    /// Part of the template that shows in images which did not teach it: the rest of it is noise.
    pub amount: f64,
    /// How much the amount varies among members, as a share of it.
    pub varies: f64,
}

impl Group {
    /// `p`, scores and strengths of all rows.
    pub fn new(pattern: Pattern, members: Vec<usize>, p: &[f64], z: &[f32], strength: &[f32]) -> Group {
        let fit = pattern.fit;
        let mut distances: Vec<f32> = members.iter().map(|&i| fit.distance(z[i], strength[i])).collect();
        Group {
            distance: f64::from(median(&mut distances)),
            certain: members.iter().map(|&i| p[i]).sum::<f64>() / members.len().max(1) as f64,
            amount: f64::from(fit.amount),
            varies: f64::from(fit.varies / fit.amount),
            members,
            pattern,
        }
    }
}

impl Pattern {
    pub fn new(centre: Vec<f32>, template: Vec<f32>, fit: Fit) -> Pattern {
        Pattern { centre, template, fit }
    }
    /// Score and strength of a row that did not teach the template.
    fn score(&self, values: &[f32], weights: &[f32]) -> (f32, f32) {
        let (mut along, mut square) = ([0f32; 8], [0f32; 8]);
        let parts = values.chunks(8).zip(weights.chunks(8)).zip(self.centre.chunks(8)).zip(self.template.chunks(8));
        for (((v, w), c), t) in parts {
            for i in 0..v.len() {
                let weighted = w[i] * t[i];
                along[i] += (v[i] - c[i]) * weighted;
                square[i] += t[i] * weighted;
            }
        }
        let strength = square.iter().sum::<f32>().max(1e-9).sqrt();
        (along.iter().sum::<f32>() / strength, strength)
    }
    /// The same pattern in images of another class.
    pub fn around(&self, centre: Vec<f32>) -> Pattern {
        Pattern { centre, ..self.clone() }
    }
    /// Probability that an image has the pattern.
    pub fn probability(&self, values: &[f32], weights: &[f32]) -> f64 {
        let (z, strength) = self.score(values, weights);
        self.fit.probability(z, strength)
    }
}

impl Fit {
    fn probability(&self, z: f32, strength: f32) -> f64 {
        let without = self.distance(z, strength);
        if without < 0.0 {
            return 0.0;
        }
        let off = z - self.amount * strength;
        let (narrow, wide) = (self.natural(strength), self.spread.hypot(self.varies * strength));
        // Nobody is less of a member for showing more of it.
        let with = if off > 0.0 { 0.0 } else { off / wide };
        let odds = 0.5 * (without * without - with * with) + (narrow / wide).ln() + self.odds;
        1.0 / (1.0 + f64::from(-odds.clamp(-SURE, SURE)).exp())
    }
    /// Standard deviation of the score of an image without the pattern.
    fn natural(&self, strength: f32) -> f32 {
        self.spread.hypot(NATURAL * self.amount * strength)
    }
    /// Standard deviations above images without the pattern.
    fn distance(&self, z: f32, strength: f32) -> f32 {
        (z - self.middle) / self.natural(strength)
    }

    /// Expectation maximisation from a first set of members.
    pub fn of(z: &[f32], strength: &[f32], members: &[usize]) -> Option<(Fit, Vec<f64>)> {
        let n = z.len();
        let mut p = vec![0f64; n];
        members.iter().for_each(|&m| p[m] = 1.0);
        let mut varies = 0.3;
        let mut last = None;
        for _ in 0..STEPS {
            let rest: Vec<f32> = (0..n).filter(|i| p[*i] < 0.5).map(|i| z[i]).collect();
            let inside: Vec<usize> = (0..n).filter(|i| p[*i] > 0.5).collect();
            if rest.len() < 20 || inside.len() < FEWEST / 2 {
                return None;
            }
            let (middle, spread) = (spread(&rest).0, body(&rest));
            let share = (p.iter().sum::<f64>() / n as f64).clamp(2.0 / n as f64, 1.0 - 2.0 / n as f64);
            let (mut top, mut bottom) = (0f64, 0f64);
            for i in 0..n {
                let weight = p[i] / f64::from(1.0 + (varies * strength[i]).powi(2));
                top += weight * f64::from(strength[i] * z[i]);
                bottom += weight * f64::from(strength[i] * strength[i]);
            }
            let amount = (top / bottom.max(1e-9)) as f32;
            if amount <= 0.0 {
                return None;
            }
            let mut off: Vec<f32> = inside.iter().map(|&i| (z[i] / strength[i].max(1e-6) / amount - 1.0).abs()).collect();
            varies = (1.4826 * median(&mut off)).clamp(VARIES.0, VARIES.1) * amount;
            let fit = Fit { middle, spread, amount, varies, odds: (share / (1.0 - share)).ln() as f32 };
            let next: Vec<f64> = (0..n).map(|i| fit.probability(z[i], strength[i])).collect();
            let moved = next.iter().zip(&p).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            p = next;
            last = Some(fit);
            if moved < 1e-3 {
                break;
            }
        }
        last.map(|fit| (fit, p))
    }
}

/// Standard deviation of the scores without the pattern: by the median distance, or by the lower tail where
/// that is heavier (the upper one may hold members that are not known yet).
fn body(rest: &[f32]) -> f32 {
    let (middle, spread) = spread(rest);
    let at = (rest.len() as f64 * TAIL.0) as usize;
    let mut v = rest.to_vec();
    let low = *v.select_nth_unstable_by(at, f32::total_cmp).1;
    spread.max((middle - low) / TAIL.1)
}

/// Follows a group until its members no longer change; `None` when it dissolves.
pub fn grow(r: &Residuals, start: &[usize]) -> Option<Group> {
    let n = r.rows();
    let mut members = start.to_vec();
    members.sort_unstable();
    let mut last = None;
    for _ in 0..ROUNDS {
        let (mut pattern, z, strength) = learn(r, &members);
        let (fit, p) = Fit::of(&z, &strength, &members)?;
        pattern.fit = fit;
        let next: Vec<usize> = (0..n).filter(|i| p[*i] > 0.5).collect();
        if next.len() < FEWEST || next.len() as f64 > MOST * n as f64 {
            return None;
        }
        let settled = next == members;
        members = next;
        last = Some(Group::new(pattern, members.clone(), &p, &z, &strength));
        if settled {
            break;
        }
    }
    last
}

/// The template of the members, and scores and strengths of all rows, each member's without itself.
fn learn(r: &Residuals, members: &[usize]) -> (Pattern, Vec<f32>, Vec<f32>) {
    let n = r.rows();
    let centre = super::search::centre(r, (0..n).filter(|i| members.binary_search(i).is_err()));
    let (mut sum, mut weight) = (vec![0f32; r.d], vec![1e-9f32; r.d]);
    members.iter().for_each(|&m| add(r, m, 1.0, &mut sum, &mut weight));
    let template = sum.iter().zip(&weight).zip(&centre).map(|((s, w), c)| s / w - c).collect();
    let pattern = Pattern { centre, template, fit: Fit { middle: 0.0, spread: 1.0, amount: 1.0, varies: 0.0, odds: 0.0 } };
    let (mut z, mut strength) = (Vec::with_capacity(n), Vec::with_capacity(n));
    for row in 0..n {
        let (score, reach) = if members.binary_search(&row).is_ok() {
            without(r, row, &sum, &weight, &pattern.centre)
        } else {
            pattern.score(r.value(row), r.weight(row))
        };
        z.push(score);
        strength.push(reach);
    }
    (pattern, z, strength)
}

/// Score and strength of a member by the template of the others.
fn without(r: &Residuals, row: usize, sum: &[f32], weight: &[f32], centre: &[f32]) -> (f32, f32) {
    let (mut along, mut square) = ([0f32; 8], [0f32; 8]);
    let own = r.value(row).chunks(8).zip(r.weight(row).chunks(8));
    for ((((v, w), s), t), c) in own.zip(sum.chunks(8)).zip(weight.chunks(8)).zip(centre.chunks(8)) {
        for i in 0..v.len() {
            let left = (t[i] - w[i]).max(1e-9);
            let template = (s[i] - w[i] * v[i]) / left - c[i];
            along[i] += (v[i] - c[i]) * w[i] * template;
            square[i] += template * template * w[i];
        }
    }
    let strength = square.iter().sum::<f32>().max(1e-9).sqrt();
    (along.iter().sum::<f32>() / strength, strength)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::harness::Dice;

    /// Rows of noise of variance one; those that are a multiple of ten have the pattern at full or half strength.
    fn rows(n: usize, d: usize, strength: f32, halves: bool) -> Residuals {
        let mut dice = Dice::new(3);
        let mut noise = || (0..12).map(|_| dice.roll(1000) as f32 / 1000.0).sum::<f32>() - 6.0;
        let pattern: Vec<f32> = (0..d).map(|_| strength * noise() / (d as f32).sqrt()).collect();
        let mut out = Residuals { d, ..Residuals::default() };
        for row in 0..n {
            let part = if row % 10 != 0 {
                0.0
            } else if halves && row % 20 == 0 {
                0.5
            } else {
                1.0
            };
            out.values.extend(pattern.iter().map(|p| part * p + noise()));
            out.weights.extend(std::iter::repeat_n(1.0, d));
        }
        out
    }

    #[test]
    fn a_group_grows_to_all_its_rows_from_half_of_them() {
        let r = rows(400, 256, 7.0, false);
        let start: Vec<usize> = (0..400).filter(|i| i % 20 == 0).collect();
        let g = grow(&r, &start).unwrap();
        let planted = g.members.iter().filter(|m| *m % 10 == 0).count();
        assert!(planted >= 38 && g.members.len() <= planted + 1, "{:?}", g.members);
        assert!(g.distance > 5.0 && g.certain > 0.97 && g.varies < 0.3, "{} {} {}", g.distance, g.certain, g.varies);
        // 40 rows estimate 256 numbers: their noise adds 256 / 40 to the square of the template's length.
        let real = 7.0 / (49.0f64 + 256.0 / 40.0).sqrt();
        assert!((g.amount - real * real).abs() < 0.1, "{} {}", g.amount, real * real);
    }

    #[test]
    fn an_amount_that_differs_from_row_to_row_shows() {
        let r = rows(400, 256, 14.0, true);
        let start: Vec<usize> = (0..400).filter(|i| i % 10 == 0).collect();
        assert!(grow(&r, &start).unwrap().varies > 0.3);
    }

    #[test]
    fn noise_dissolves_or_stays_faint() {
        let r = rows(300, 256, 0.0, false);
        for from in 0..10 {
            let start: Vec<usize> = (0..300).filter(|i| i % 10 == from).collect();
            assert!(grow(&r, &start).is_none_or(|g| g.distance < 5.0 && g.amount < 0.4));
        }
    }

    #[test]
    fn more_of_the_pattern_is_never_less_of_a_member() {
        let fit = Fit { middle: 0.0, spread: 1.0, amount: 1.0, varies: 0.2, odds: -2.0 };
        let p: Vec<f64> = (-20..200).map(|z| fit.probability(z as f32 / 10.0, 8.0)).collect();
        assert!(p.is_sorted() && p[0] == 0.0 && p[219] > 0.999);
        // Half of the strength, at the log-odds of equal normals but for the prior.
        let even = Fit { varies: NATURAL, odds: 0.0, ..fit };
        assert!((even.probability(4.0, 8.0) - 0.5).abs() < 1e-6);
    }
}
