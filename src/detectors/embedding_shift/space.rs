//! One class and a choice of the others in whitened space: directions in which the class has a far end and the others
//! do not, the rows at such an end, and the gates that tell a shift from an end that is there by nature.

use super::linear::Rows;
use super::rest::{Contradiction, Rest, about_mean, narrowness};
use super::search::{GROUP, ITERATIONS};
use crate::stats::dense::{add, dot, unit};
use crate::stats::intervals::{Z95, wilson};
use crate::stats::robust::{centre_and_spread, median};
use rayon::prelude::*;

/// A group is at most this share of its class: beyond it is the class.
const MOST: f64 = 0.4;
/// Rows are of a group from this probability on. Half would lose a tenth of a shift of four deviations that one in fifty rows
/// has; at a fifth two clean rows in 10,000 are taken with them.
const ENOUGH: f32 = 0.2;
/// Rows most aligned with a seed that make its first direction.
const NEAREST: usize = 25;
/// A group whose spread is a smaller share of the others' is tight: what was drawn together.
const TIGHT: f32 = 0.7;
/// The same by squared lengths about the middle.
pub const TIGHT_SPREAD: f64 = 0.5;
/// The least spread that is looked for.
const TIGHTEST: f32 = 0.05;
/// Different directions whose ends are looked at, per class and weight.
const KEPT: usize = 8;
/// Rows around which it is looked for places where many lie close together, at most.
const PROBES: usize = 400;
/// Rows longer than this many times the median are cut to it: a search must not chase single outliers.
const LONG: f32 = 1.5;
/// Distance of the group's median from the class's, and from the other classes', in their spreads. An end of
/// mislabelled rows is far from the class and in the middle of the others.
const GAP: f64 = 2.7;
/// Share of the group that the class's own tail explains, at most, if it is shaped as those of the other classes
/// are. Where the neighbourhood cannot speak (below), ends of clean classes start at 0.20 and planted groups
/// end at 0.12; where it speaks for another class, groups reach 0.32 because what is planted sits on a tail.
const TAIL: f64 = 0.2;
const TAIL_IF_CONTRADICTED: f64 = 0.35;
/// Lower bound of the label's share among all rows at the far end, where the neighbourhood cannot speak.
const PURE: f64 = 0.7;
/// There, the skewness that the group adds (its share times the cube of its distance) must be this many times what normal rows
/// have in their most skewed direction, about the root of 6 width / rows. Clean halves and drawn labels reach 2.0, shifts of
/// 3.5 deviations in one row of fifty have 2.4.
const STANDS_OUT: f64 = 2.2;
/// Upper bound of how much more often the nearest neighbours of a group's row are of the group than a random
/// draw of the others would have it. Planted shifts: 0.2 to 2.1. Of 621 ends of clean classes (topics of short
/// texts, sentences, digits, mixtures; with halves of the rows, labels drawn anew, a twentieth of them wrong) 15 are below 3,
/// and none of these passes the gates above.
const DRAWN: f64 = 2.5;
/// Median squared length of the group's rows about their mean, over that of the others about theirs: a moved draw of the
/// others has 1 (0.8 to 1.3 measured), one that was drawn nine tenths of the way to a point as well 0.01. What is wider is
/// another kind of row; copies are another rule's.
const SPREAD: std::ops::Range<f64> = 0.005..2.0;
/// How much narrower the group may be than the others are: the mean squared cosine of two rows, each about its mean, over
/// that of the others. Planted groups have 0.8 to 1.3; natural ends that pass the gates above, 1.9 to 4.
const EVEN: f64 = 1.6;
/// Where the neighbourhoods of the class and of the others can be told from each other by this much, that of the
/// group must be the others': lower bound of its place between the class (0) and the others (1). Planted groups have
/// 0.75 to 1.14, ends of clean classes that pass the gates above at most 0.5.
pub const TELLING: f64 = 0.15;
const CONTRADICTED: f64 = 0.6;

pub struct Space {
    /// Shortened, for learning.
    inside: Rows,
    outside: Rows,
    pub raw_inside: Rows,
    pub raw_outside: Rows,
    /// Rows of the others about the medians of their classes: how far a tail reaches without a plant.
    tails: Rows,
    middle: Vec<f32>,
    /// How much another class claims each row of this one, 0 to 1.
    doubts: Vec<f32>,
    /// Rows, the most doubtful first.
    by_doubt: Vec<usize>,
}

pub struct Group {
    /// Of length one.
    pub template: Vec<f32>,
    pub members: Vec<bool>,
    /// Scores from here on are of the group, for rows that it was not learned from.
    pub cut: f32,
    /// And up to here, where the group lies together.
    pub until: Option<f32>,
    pub gap: f64,
    gap_to_others: f64,
    /// Share of the group that the class's own tail explains.
    pub tail: f64,
    /// Rows of other classes beyond the cut.
    outside: usize,
}

impl Space {
    pub fn new(inside: Rows, outside: Rows, of: &[usize], doubts: Vec<f32>) -> Self {
        let mut tails = outside.clone();
        let mut classes: Vec<usize> = of.to_vec();
        classes.dedup();
        for class in classes {
            let mut part = Rows::new(outside.width);
            outside.iter().zip(of).filter(|(_, k)| **k == class).for_each(|(r, _)| part.push(r));
            let middle = medians(&part);
            let rows = tails.data.chunks_exact_mut(outside.width.max(1)).zip(of);
            rows.filter(|(_, k)| **k == class).for_each(|(r, _)| add(r, -1.0, &middle));
        }
        let mut by_doubt: Vec<usize> = (0..inside.len()).collect();
        by_doubt.sort_by(|a, b| doubts[*b].total_cmp(&doubts[*a]).then(a.cmp(b)));
        Space {
            inside: shortened(&inside, &inside),
            outside: shortened(&outside, &inside),
            middle: medians(&outside),
            raw_inside: inside,
            raw_outside: outside,
            tails,
            doubts,
            by_doubt,
        }
    }

    /// Directions in which the class has a heavier end than the others, the heaviest first; its rows
    /// count by their doubt to a power.
    pub fn directions(&self, seeds: usize, power: i32) -> Vec<Vec<f32>> {
        let n = self.inside.len();
        let weights: Vec<f32> = self.doubts.iter().map(|d| d.powi(power)).collect();
        let even = vec![1.0; self.outside.len()];
        let pool = if power == 0 { n } else { (n / 4).max(3 * seeds).min(n) };
        let step = (pool / seeds.max(1)).max(1);
        let mut found: Vec<(f64, Vec<f32>)> = (0..seeds.min(n))
            .into_par_iter()
            .map(|s| {
                let at = s * step % pool;
                let mut w = self.inside.row(if power == 0 { at } else { self.by_doubt[at] }).to_vec();
                unit(&mut w);
                let nearest = lowest(self.inside.iter().map(|r| -dot(r, &w)), NEAREST);
                w.fill(0.0);
                nearest.into_iter().for_each(|(_, i)| add(&mut w, weights[i], self.inside.row(i)));
                unit(&mut w);
                for _ in 0..ITERATIONS {
                    let (mine, theirs) = (pull(&self.inside, &weights, &w), pull(&self.outside, &even, &w));
                    w = mine;
                    add(&mut w, -1.0, &theirs);
                    unit(&mut w);
                }
                let scores: Vec<f32> = self.inside.iter().map(|r| dot(r, &w)).collect();
                let spread = f64::from(centre_and_spread(&scores).1).max(1e-9);
                let theirs: Vec<f32> = self.outside.iter().map(|r| dot(r, &w)).collect();
                ((third(&scores, &weights) - third(&theirs, &even)) / spread.powi(3), w)
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

    /// Groups at places where rows of the class lie closer together than elsewhere, and yet differ in as many ways as rows
    /// of the others do: a draw of these that was pulled together shows there, whatever lies beyond it. Places of one topic
    /// are as close, and narrow.
    pub fn dense(&self, rest: &Rest<'_>) -> Vec<Group> {
        let n = self.inside.len();
        let squares: Vec<f32> = self.inside.iter().map(|r| dot(r, r)).collect();
        let usual = squares.iter().sum::<f32>() / n.max(1) as f32;
        let most = 2.0 * EVEN * rest.narrowness();
        let mut places: Vec<(f32, usize, Vec<usize>)> = (0..n)
            .into_par_iter()
            .step_by(n.div_ceil(PROBES).max(1))
            .filter_map(|at| {
                let row = self.inside.row(at);
                let near = lowest(self.inside.iter().zip(&squares).map(|(r, square)| square - 2.0 * dot(r, row)), GROUP);
                let distance = near.iter().map(|(d, _)| d + squares[at]).sum::<f32>() / near.len() as f32;
                let near: Vec<usize> = near.into_iter().map(|n| n.1).collect();
                let rows = near.iter().map(|i| self.inside.row(*i));
                let is_even = narrowness(&about_mean(rows, row.len()).1) <= most;
                is_even.then(|| (distance / (usual + squares[at]).max(1e-12), at, near))
            })
            .collect();
        places.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut kept: Vec<Vec<f32>> = Vec::new();
        let mut found = Vec::new();
        for (_, _, near) in places {
            if kept.len() == KEPT {
                break;
            }
            let mut w = vec![0f32; self.inside.width];
            near.iter().for_each(|i| add(&mut w, 1.0, self.inside.row(*i)));
            unit(&mut w);
            if kept.iter().all(|k| dot(k, &w) < 0.8) {
                kept.push(w);
                let mut likely = vec![0f32; n];
                near.into_iter().for_each(|i| likely[i] = 1.0);
                found.extend(self.settle(likely, &[], false));
            }
        }
        found
    }

    /// The rows at the end of a direction, by expectation and maximisation: their mean, by how likely each is
    /// of the end, is the template that the next round scores by, each row without itself; the scores are a
    /// mixture of the body and the end.
    pub fn grow(&self, start: &[f32]) -> Option<Group> {
        let scores: Vec<f32> = self.raw_inside.iter().map(|r| dot(r, start)).collect();
        let (middle, spread) = centre_and_spread(&scores);
        self.settle(scores.iter().map(|u| f32::from(u8::from(*u > middle + 2.7 * spread))).collect(), &[], false)
    }

    /// The group without what the covariance knew of it; then by what its rows' neighbours say as well.
    pub fn refine(&self, members: &[bool], rest: &mut Rest<'_>) -> Option<Group> {
        let mut group = self.settle(members.iter().map(|m| f32::from(u8::from(*m))).collect(), &[], true)?;
        for _ in 0..2 {
            let speaks = rest.speaks(&group.members);
            if speaks.is_empty() {
                break;
            }
            group = self.settle(group.members.iter().map(|m| f32::from(u8::from(*m))).collect(), &speaks, true)?;
        }
        Some(group)
    }

    /// `speaks`: log odds of each row, from elsewhere, that it is of the end; empty for none.
    fn settle(&self, mut likely: Vec<f32>, speaks: &[f32], heavy_tailed: bool) -> Option<Group> {
        let n = self.inside.len();
        let squares: Vec<f32> = self.inside.iter().map(|r| dot(r, r)).collect();
        let with_raw: Vec<f32> = self.inside.iter().zip(self.raw_inside.iter()).map(|(a, b)| dot(a, b)).collect();
        let mut template = vec![0f32; self.inside.width];
        let (mut body, mut end, mut share) = ((0f32, 0f32), (0f32, 0f32), 0f64);
        let (mut scores, mut tight) = (Vec::new(), false);
        for round in 0..15 {
            let k: f64 = likely.iter().map(|p| f64::from(*p)).sum();
            if k < GROUP as f64 / 2.0 || k > MOST * n as f64 {
                return None;
            }
            let mut sum = vec![0f32; self.inside.width];
            self.inside.iter().zip(&likely).filter(|(_, p)| **p > 1e-4).for_each(|(r, p)| add(&mut sum, *p, r));
            let squared = dot(&sum, &sum);
            if squared <= 0.0 || !squared.is_finite() {
                return None;
            }
            scores = (0..n)
                .into_par_iter()
                .map(|i| {
                    let p = likely[i];
                    let left = squared - 2.0 * p * dot(self.inside.row(i), &sum) + p * p * squares[i];
                    (dot(self.raw_inside.row(i), &sum) - p * with_raw[i]) / left.max(1e-12).sqrt()
                })
                .collect();
            template = sum;
            unit(&mut template);
            body = centre_and_spread(&scores);
            let weighted = |f: &dyn Fn(f32) -> f32| {
                let total: f64 = scores.iter().zip(&likely).map(|(s, p)| f64::from(*p * f(*s))).sum();
                (total / k) as f32
            };
            let at = weighted(&|s| s);
            // What was moved is as wide as the others are, about; what was drawn together as well is not.
            let theirs: Vec<f32> = self.raw_outside.iter().map(|r| dot(r, &template)).collect();
            let usual = centre_and_spread(&theirs).1.max(1e-9);
            let wide = weighted(&|s| (s - at) * (s - at)).sqrt().clamp(TIGHTEST * usual, 1.4 * usual);
            end = (at, wide);
            tight = wide < TIGHT * usual;
            if body.1 <= 0.0 || at <= body.0 + 1.5 * body.1 {
                return None;
            }
            share = (k / n as f64).clamp(1e-3, MOST);
            let odds = (share / (1.0 - share)).ln() as f32;
            let heavy = self.heaviness(&template, heavy_tailed);
            let next: Vec<f32> = scores
                .iter()
                .enumerate()
                .map(|(i, u)| {
                    // Beyond its middle the end is no less likely, unless its rows lie together.
                    let u = if tight { *u } else { u.min(at) };
                    let z = (u - body.0) / body.1;
                    let normal = -0.5 * z * z - body.1.ln();
                    let ratio = -0.5 * ((u - at) / wide).powi(2) - wide.ln() - normal.max(heavy(z) - body.1.ln());
                    1.0 / (1.0 + (-(ratio + odds + speaks.get(i).unwrap_or(&0.0))).exp())
                })
                .collect();
            let moved = next.iter().zip(&likely).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
            likely = next;
            if moved < 0.02 && round > 3 {
                break;
            }
        }
        // Where the end becomes the likelier explanation, by the score alone.
        let heavy = self.heaviness(&template, heavy_tailed);
        let odds = (share / (1.0 - share)).ln() as f32 + ((1.0 - ENOUGH) / ENOUGH).ln();
        let better = |u: f32| {
            let z = (u - body.0) / body.1;
            let normal = (-0.5 * z * z).max(heavy(z)) - body.1.ln();
            odds - 0.5 * ((u - end.0) / end.1).powi(2) - end.1.ln() > normal
        };
        let at = |i: usize| body.0 + (end.0 - body.0) * i as f32 / 200.0;
        let last = (0..=200).rev().find(|i| !better(at(*i)))?;
        if last >= 200 {
            return None;
        }
        let cut = at(last + 1);
        let until = tight.then(|| (200..2000).map(at).find(|u| !better(*u)).unwrap_or(f32::MAX));
        let is_within = |u: f32| u > cut && until.is_none_or(|until| u <= until);
        let members: Vec<bool> = likely.iter().map(|p| *p > ENOUGH).collect();
        let m = members.iter().filter(|x| **x).count();
        if m < GROUP / 2 || m as f64 > MOST * n as f64 {
            return None;
        }
        let mut ends: Vec<f32> = scores.iter().zip(&members).filter(|(_, m)| **m).map(|(s, _)| *s).collect();
        let far = median(&mut ends);
        let theirs: Vec<f32> = self.raw_outside.iter().map(|r| dot(r, &template)).collect();
        // Away from the others is another direction than away from the class.
        let mut away = vec![0f32; self.inside.width];
        self.inside.iter().zip(&members).filter(|(_, m)| **m).for_each(|(r, _)| add(&mut away, 1.0 / m as f32, r));
        add(&mut away, -1.0, &self.middle);
        let along = |rows: &Rows| -> Vec<f32> { rows.iter().map(|r| dot(r, &away)).collect() };
        let mut ends: Vec<f32> = along(&self.raw_inside).into_iter().zip(&members).filter(|(_, m)| **m).map(|(s, _)| s).collect();
        let others = along(&self.raw_outside);
        let (middle, spread) = centre_and_spread(&others);
        let their_end = median(&mut ends);
        let half = (middle + their_end) / 2.0;
        let outside = theirs.iter().zip(&others).filter(|(t, a)| is_within(**t) && **a > half).count();
        let tails: Vec<f32> = self.tails.iter().map(|r| dot(r, &template)).collect();
        let (tail_middle, tail_spread) = centre_and_spread(&tails);
        // At the same place of the others' own tails.
        let beyond = tails.iter().filter(|t| is_within((**t - tail_middle) / tail_spread.max(1e-9) * body.1 + body.0)).count();
        Some(Group {
            gap: f64::from((far - body.0) / body.1),
            gap_to_others: f64::from((their_end - middle) / spread.max(1e-9)),
            tail: beyond as f64 / tails.len() as f64 * n as f64 / m as f64,
            template,
            members,
            cut,
            until,
            outside,
        })
    }

    /// Log density of standardised scores, up to the normal's constant, in the classes' own tails: they are as heavy
    /// as they are, and far out a normal body would believe anything.
    fn heaviness(&self, template: &[f32], wanted: bool) -> impl Fn(f32) -> f32 + use<> {
        let scores: Vec<f32> = self.tails.iter().map(|r| dot(r, template)).collect();
        let (middle, spread) = centre_and_spread(&scores);
        let mut standard: Vec<f32> = scores.into_iter().map(|s| (s - middle) / spread.max(1e-9)).collect();
        standard.sort_by(f32::total_cmp);
        let all = standard.len().max(1) as f32;
        move |z: f32| {
            if !wanted {
                return f32::NEG_INFINITY;
            }
            let half = 0.5 + 0.1 * z.abs();
            let inside = standard.partition_point(|s| *s < z + half) - standard.partition_point(|s| *s < z - half);
            // The root of two pi is left out of both densities.
            ((inside as f32 + 0.2) / all / (2.0 * half) * 2.506_628_3).ln()
        }
    }

    /// How likely it is worth a closer look: doubtful rows that no tail explains.
    pub fn promise(&self, group: &Group) -> f64 {
        let doubts = self.doubts.iter().zip(&group.members).filter(|(_, m)| **m).map(|(d, _)| f64::from(*d));
        let rows = group.members.iter().filter(|m| **m).count().max(1);
        doubts.sum::<f64>() / rows as f64 - group.tail.min(1.0) / 2.0
    }

    /// What the gates need, if the group passes them all: draw, spread, contradiction.
    pub fn judge(&self, group: &Group, rest: &mut Rest<'_>) -> Option<(f64, f64, Option<Contradiction>)> {
        let rows = group.members.iter().filter(|m| **m).count();
        if rows < GROUP || group.gap < GAP || group.tail > TAIL_IF_CONTRADICTED {
            return None;
        }
        let (drawn, spread) = rest.drawn(&group.members);
        // What lies together is apart from the others at as many of its own deviations.
        if drawn > DRAWN || !SPREAD.contains(&spread) || group.gap_to_others < GAP * spread.sqrt().min(1.0) {
            return None;
        }
        if rest.narrowness_of(&group.members) > EVEN * rest.narrowness() {
            return None;
        }
        let contradiction = rest.contradiction(&group.members);
        if contradiction.class - contradiction.others < TELLING {
            let pure = wilson(rows as f64, (rows + group.outside) as f64, Z95).0;
            let (n, width) = (self.inside.len() as f64, self.inside.width as f64);
            let stands_out = rows as f64 / n * group.gap.powi(3) / (6.0 * width / n).sqrt();
            return (pure >= PURE && group.tail <= TAIL && stands_out >= STANDS_OUT).then_some((drawn, spread, None));
        }
        // Rows of other classes that are mislabelled lie where those classes lie, this end included.
        let claimed = self.doubts.iter().zip(&group.members).filter(|(d, m)| !**m && **d > 0.5).count();
        let mislabelled = claimed as f64 * group.outside as f64 / self.raw_outside.len() as f64 / rows as f64;
        let contradicted = contradiction.place() >= CONTRADICTED && mislabelled <= TAIL_IF_CONTRADICTED;
        contradicted.then_some((drawn, spread, Some(contradiction)))
    }
}

/// The `k` least of the scores, of equals the first ones, with their places and in the order of these.
fn lowest(scores: impl Iterator<Item = f32>, k: usize) -> Vec<(f32, usize)> {
    let mut scored: Vec<(f32, usize)> = scores.enumerate().map(|(i, s)| (s, i)).collect();
    let k = k.min(scored.len());
    if k > 0 {
        scored.select_nth_unstable_by(k - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    }
    scored.truncate(k);
    scored.sort_by_key(|s| s.1);
    scored
}

/// Mean of the rows on the positive side, by the squares of their scores: the step towards the end.
fn pull(rows: &Rows, weights: &[f32], w: &[f32]) -> Vec<f32> {
    let mut out = vec![0f32; rows.width];
    let mut total = 0f32;
    for (row, weight) in rows.iter().zip(weights) {
        let u = dot(row, w);
        total += weight;
        if u > 0.0 {
            add(&mut out, weight * u * u, row);
        }
    }
    let total = total.max(1e-12);
    out.iter_mut().for_each(|x| *x /= total);
    out
}

/// Weighted mean of the third powers of positive scores.
fn third(scores: &[f32], weights: &[f32]) -> f64 {
    let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
    scores.iter().zip(weights).map(|(s, w)| f64::from(w * s.max(0.0).powi(3))).sum::<f64>() / total.max(1e-12)
}

pub fn medians(rows: &Rows) -> Vec<f32> {
    (0..rows.width).into_par_iter().map(|c| median(&mut rows.iter().map(|r| r[c]).collect::<Vec<f32>>())).collect()
}

/// Rows cut to [`LONG`] times the median length of `by`.
fn shortened(rows: &Rows, by: &Rows) -> Rows {
    let most = LONG * median(&mut by.iter().map(|r| dot(r, r).sqrt()).collect::<Vec<f32>>());
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
    fn the_least_scores_come_in_their_order_and_of_equals_the_first() {
        assert_eq!(lowest([3.0, 1.0, 2.0, 1.0, 0.5].into_iter(), 2), [(1.0, 1), (0.5, 4)]);
        assert_eq!(lowest([2.0, 1.0].into_iter(), 5), [(2.0, 0), (1.0, 1)]);
        assert!(lowest(std::iter::empty(), 3).is_empty());
    }

    #[test]
    fn the_third_power_counts_the_positive_side_by_weight() {
        let got = third(&[-5.0, 1.0, 2.0], &[1.0, 3.0, 1.0]);
        assert!((got - 11.0 / 5.0).abs() < 1e-12, "{got}");
        assert_eq!(third(&[], &[]), 0.0);
    }
}
