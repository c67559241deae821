//! Looks, among the sampled vectors of one class, for rows that were all moved the same way: whitened
//! by what its honest rows and the other classes look like, a direction in which the class has a far end
//! and the others do not; the rows at that end; and whether they are, put back where the others are, a draw
//! of the others.

use super::doubt;
use super::linear::{Rows, add, cholesky, dot, mean, scatter, unit, unwhiten, whiten};
use super::rest::{Contradiction, Rest};
use crate::stats::intervals::{Z95, wilson};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Rows of a class's sample, at least.
pub const LEAST: usize = 60;
/// Rows of a group, at least: neighbours of fewer tell nothing.
pub const GROUP: usize = 20;
/// A group is at most this share of its class: beyond it is the class.
const MOST: f64 = 0.4;
/// Directions to start from, per class and weight, at most and at least.
const SEEDS: usize = 60;
const FEW_SEEDS: usize = 12;
/// Rows count in the search for a direction by their doubt to this power: a shift among honest rows of
/// other classes stands out when only rows that another class could claim are looked at; a shift that is
/// farther than the classes are apart hides that, and stands out without.
const WEIGHTS: [i32; 3] = [0, 1, 2];
/// Multiplications that the search of all classes may take, about.
const WORK: usize = 60_000_000_000;
const ITERATIONS: usize = 14;
/// Rows are of a group from this probability on. Half would lose a tenth of a shift of four deviations that one in fifty rows
/// has; at a fifth two clean rows in 10,000 are taken with them.
const ENOUGH: f32 = 0.2;
/// Ends of a class that are looked at again without themselves in the covariance, at least.
const FEWEST_REFINED: usize = 3;
/// Rows most aligned with a seed that make its first direction.
const NEAREST: usize = 25;
/// Different directions whose ends are looked at, per class and weight.
const KEPT: usize = 8;
/// Rows longer than this many times the median are cut to it: a search must not chase single outliers.
const LONG: f32 = 1.5;
/// Ridge, in mean variances.
const RIDGE: f64 = 0.02;
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
/// Median squared length of the group's rows about their mean, over that of the others about theirs: a draw of the
/// others has 1 (0.8 to 1.3 measured); a cluster that is tighter than the rest, or wider, is told by this where
/// neighbours by angle do not tell it.
const SPREAD: std::ops::Range<f64> = 0.5..2.0;
/// Where the neighbourhoods of the class and of the others can be told from each other by this much, that of the
/// group must be the others': lower bound of its place between the class (0) and the others (1). Planted groups have
/// 0.75 to 1.14, ends of clean classes that pass the gates above at most 0.5.
pub const TELLING: f64 = 0.1;
const CONTRADICTED: f64 = 0.6;

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
    /// Share of the group that the class's own tail explains.
    pub tail: f64,
    /// Group neighbours seen over expected, upper bound.
    pub drawn: f64,
    /// Squared length about the mean, over that of the others.
    pub spread: f64,
    /// Shares of the class among the neighbours of the group, of the class and of the others, where these two differ.
    pub contradiction: Option<Contradiction>,
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
    let mut of = Vec::new();
    // A bounded, even choice of the others; samples are in hash order, so any stretch is random.
    let all: usize = classes.iter().enumerate().filter(|(k, _)| *k != class).map(|(_, c)| c.rows.len()).sum();
    if n < LEAST || all < LEAST {
        return Vec::new();
    }
    let wanted = (2 * n).clamp(1000, 4000).min(all);
    for (k, other) in classes.iter().enumerate().filter(|(k, _)| *k != class) {
        let take = (other.rows.len() * wanted).div_ceil(all);
        for row in other.rows.iter().take(take) {
            others.push(row);
            of.push(k);
        }
    }
    let foreign: Vec<f64> = total.iter().zip(own).map(|(t, o)| (t - o) / all as f64).collect();
    let centre = medians(&classes[class].rows);
    let raw = &classes[class].rows;
    // Which rows of the class could be another's is asked with the others' covariance; that of the rows which
    // could not is then a part of it, so that a property of this class alone does not stand out as a shift.
    let Some(factor) = cholesky(ridged(foreign.clone(), width), width) else { return Vec::new() };
    let (inside, outside) = (whiten(raw, &centre, &factor), whiten(&others, &centre, &factor));
    let first = doubt::of(&inside, &outside, &of, (0.0, 1.0 / all as f32));
    let mut honest = Rows::new(width);
    raw.iter().zip(&first).filter(|(_, d)| **d < 0.5).for_each(|(r, _)| honest.push(r));
    if honest.len() < LEAST / 2 {
        honest = raw.clone();
    }
    let share = honest.len() as f64;
    let mixed = foreign.iter().zip(scatter(&honest)).map(|(f, h)| (f + h / share) / 2.0).collect();
    let Some(factor) = cholesky(ridged(mixed, width), width) else { return Vec::new() };
    let (inside, outside) = (whiten(raw, &centre, &factor), whiten(&others, &centre, &factor));
    let doubts = doubt::of(&inside, &outside, &of, (0.5 / share as f32, 0.5 / all as f32));
    let space = Space::new(inside, outside, &of, doubts.clone());
    let each = 4 * (n + others.len()) * width * ITERATIONS * WEIGHTS.len();
    let seeds = (WORK / classes.len() / each.max(1)).clamp(FEW_SEEDS, SEEDS).min(n);
    let mut ends: Vec<Group> = Vec::new();
    for power in WEIGHTS {
        for start in space.directions(seeds, power) {
            let Some(group) = space.grow(&start) else { continue };
            if ends.iter().all(|g| dot(&g.template, &group.template) < 0.95) {
                ends.push(group);
            }
        }
    }
    // What the class is like without the group, which until now was a part of it, is another whitening for each.
    if let Ok(pl) = std::env::var("PL") { let p: Vec<u64> = pl.split(',').filter_map(|x| x.parse().ok()).collect(); for g in &ends { let tp = (0..n).filter(|i| g.members[*i] && p.contains(&classes[class].hashes[*i])).count(); eprint!("{tp}/{} ", g.members.iter().filter(|m| **m).count()); } let d: f32 = (0..n).filter(|i| p.contains(&classes[class].hashes[*i])).map(|i| doubts[i]).sum::<f32>() / p.len() as f32; let all = doubts.iter().sum::<f32>() / n as f32; eprintln!("ends {} doubt planted {d:.2} all {all:.2}", ends.len()); } //DBG
    ends.sort_by(|a, b| space.promise(b).total_cmp(&space.promise(a)));
    let each = (n + others.len()) * width * width / 2 + width.pow(3) / 3;
    ends.truncate((WORK / classes.len() / each.max(1)).max(FEWEST_REFINED));
    let mut found = Vec::new();
    for group in ends {
        let (left, foreign) = (without(raw, own, &group.members), &foreign);
        let mixed = left.iter().zip(foreign).map(|(l, f)| (l + f) / 2.0).collect();
        let Some(factor) = cholesky(ridged(mixed, width), width) else { continue };
        let (inside, outside) = (whiten(raw, &centre, &factor), whiten(&others, &centre, &factor));
        let space = Space::new(inside, outside, &of, doubts.clone());
        let mut rest = Rest::new(&space.raw_inside, &space.raw_outside, seed);
        if let Ok(pl) = std::env::var("PL") { let p: Vec<u64> = pl.split(',').filter_map(|x| x.parse().ok()).collect(); let tp = (0..n).filter(|i| group.members[*i] && p.contains(&classes[class].hashes[*i])).count(); eprint!("\nREF tp {tp} "); } //DBG
        let Some(group) = space.refine(&group.members, &mut rest) else { continue };
        if let Ok(pl) = std::env::var("PL") { let p: Vec<u64> = pl.split(',').filter_map(|x| x.parse().ok()).collect(); let tp = (0..n).filter(|i| group.members[*i] && p.contains(&classes[class].hashes[*i])).count(); eprint!("tp {tp} "); } //DBG
        let Some((drawn, spread, contradiction)) = space.judge(&group, &mut rest) else { continue };
        let direction = unwhiten(&group.template, &factor);
        let cut = group.cut + dot(&direction, &centre);
        let mut members: Vec<u64> = (0..n).filter(|i| group.members[*i]).map(|i| classes[class].hashes[i]).collect();
        members.sort_unstable();
        found.push(Shift { class, direction, cut, members, gap: group.gap, tail: group.tail, drawn, spread, contradiction });
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

/// Covariance of the rows that are no members, from the scatter of all; those few more or less about another mean.
fn without(rows: &Rows, own: &[f64], members: &[bool]) -> Vec<f64> {
    let width = rows.width;
    let centre = mean(rows.iter(), width);
    let mut left = own.to_vec();
    let mut out = 0f64;
    let mut sum = vec![0f64; width];
    for (row, _) in rows.iter().zip(members).filter(|(_, m)| **m) {
        let mut row = row.to_vec();
        add(&mut row, -1.0, &centre);
        out += 1.0;
        for i in 0..width {
            sum[i] += f64::from(row[i]);
            let x = f64::from(row[i]);
            left[i * width..=i * width + i].iter_mut().zip(&row).for_each(|(l, r)| *l -= x * f64::from(*r));
        }
    }
    // The mean of the rest is the other way by as much as the members pulled it.
    let n = (rows.len() as f64 - out).max(1.0);
    for i in 0..width {
        let x = sum[i] / n;
        left[i * width..=i * width + i].iter_mut().zip(&sum).for_each(|(l, s)| *l -= x * s);
    }
    left.iter_mut().for_each(|l| *l /= n);
    left
}

/// A covariance that no direction without variance makes singular.
fn ridged(mut covariance: Vec<f64>, width: usize) -> Vec<f64> {
    let ridge = RIDGE * (0..width).map(|i| covariance[i * width + i]).sum::<f64>() / width as f64;
    (0..width).for_each(|i| covariance[i * width + i] += ridge);
    covariance
}

struct Space {
    /// Shortened, for learning.
    inside: Rows,
    outside: Rows,
    raw_inside: Rows,
    raw_outside: Rows,
    /// Rows of the others about the medians of their classes: how far a tail reaches without a plant.
    tails: Rows,
    middle: Vec<f32>,
    /// How much another class claims each row of this one, 0 to 1.
    doubts: Vec<f32>,
    /// Rows, the most doubtful first.
    by_doubt: Vec<usize>,
}

struct Group {
    /// Of length one.
    template: Vec<f32>,
    members: Vec<bool>,
    cut: f32,
    gap: f64,
    gap_to_others: f64,
    tail: f64,
    /// Rows of other classes beyond the cut.
    outside: usize,
}

impl Space {
    fn new(inside: Rows, outside: Rows, of: &[usize], doubts: Vec<f32>) -> Self {
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
    fn directions(&self, seeds: usize, power: i32) -> Vec<Vec<f32>> {
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
                let mut aligned: Vec<(f32, usize)> = self.inside.iter().enumerate().map(|(i, r)| (dot(r, &w), i)).collect();
                let nearest = NEAREST.min(n);
                aligned.select_nth_unstable_by(nearest - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                let mut nearest: Vec<usize> = aligned[..nearest].iter().map(|a| a.1).collect();
                nearest.sort_unstable();
                w.fill(0.0);
                nearest.into_iter().for_each(|i| add(&mut w, weights[i], self.inside.row(i)));
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

    /// The rows at the end of a direction, by expectation and maximisation: their mean, by how likely each is
    /// of the end, is the template that the next round scores by, each row without itself; the scores are a
    /// mixture of the body and the end.
    fn grow(&self, start: &[f32]) -> Option<Group> {
        let scores: Vec<f32> = self.raw_inside.iter().map(|r| dot(r, start)).collect();
        let (middle, spread) = centre_and_spread(&scores);
        self.settle(scores.iter().map(|u| f32::from(u8::from(*u > middle + 2.7 * spread))).collect(), &[], false)
    }

    /// The group without what the covariance knew of it; then by what its rows' neighbours say as well.
    fn refine(&self, members: &[bool], rest: &mut Rest<'_>) -> Option<Group> {
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
        let mut scores = Vec::new();
        for round in 0..15 {
            let k: f64 = likely.iter().map(|p| f64::from(*p)).sum();
            if std::env::var("DBG").is_ok() && heavy_tailed { eprint!("DBGR r{round} k {k:.1} body {body:?} end {end:?} speaks {}; ", speaks.len()); }
            if k < GROUP as f64 / 2.0 || k > MOST * n as f64 {
                if std::env::var("DBG").is_ok() && heavy_tailed { eprintln!("NONE"); }
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
            // What was moved is as wide as the others are, about.
            let theirs: Vec<f32> = self.raw_outside.iter().map(|r| dot(r, &template)).collect();
            let usual = centre_and_spread(&theirs).1.max(1e-9);
            let wide = weighted(&|s| (s - at) * (s - at)).sqrt().clamp(0.7 * usual, 1.4 * usual);
            end = (at, wide);
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
                    // Beyond its middle the end is no less likely.
                    let u = u.min(at);
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
            if std::env::var("DBG").is_ok() { let z = (end.0 - body.0) / body.1; eprintln!("DBG none share {share:.3} z {z:.1} wide {:.2} heavy {:.2} odds {odds:.2}", end.1 / body.1, heavy(z)); }
            return None;
        }
        let cut = at(last + 1);
        let members: Vec<bool> = likely.iter().map(|p| *p > ENOUGH).collect();
        let m = members.iter().filter(|x| **x).count();
        if m < GROUP / 2 || m as f64 > MOST * n as f64 {
            return None;
        }
        let ends: Vec<f32> = scores.iter().zip(&members).filter(|(_, m)| **m).map(|(s, _)| *s).collect();
        let far = median(ends);
        let theirs: Vec<f32> = self.raw_outside.iter().map(|r| dot(r, &template)).collect();
        // Away from the others is another direction than away from the class.
        let mut away = vec![0f32; self.inside.width];
        self.inside.iter().zip(&members).filter(|(_, m)| **m).for_each(|(r, _)| add(&mut away, 1.0 / m as f32, r));
        add(&mut away, -1.0, &self.middle);
        let along = |rows: &Rows| -> Vec<f32> { rows.iter().map(|r| dot(r, &away)).collect() };
        let ends: Vec<f32> = along(&self.raw_inside).into_iter().zip(&members).filter(|(_, m)| **m).map(|(s, _)| s).collect();
        let others = along(&self.raw_outside);
        let (middle, spread) = centre_and_spread(&others);
        let their_end = median(ends);
        let half = (middle + their_end) / 2.0;
        let outside = theirs.iter().zip(&others).filter(|(t, a)| **t > cut && **a > half).count();
        let tails: Vec<f32> = self.tails.iter().map(|r| dot(r, &template)).collect();
        let (tail_middle, tail_spread) = centre_and_spread(&tails);
        let reach = (cut - body.0) / body.1;
        let beyond = tails.iter().filter(|t| **t - tail_middle > reach * tail_spread).count();
        Some(Group {
            gap: f64::from((far - body.0) / body.1),
            gap_to_others: f64::from((their_end - middle) / spread.max(1e-9)),
            tail: beyond as f64 / tails.len() as f64 * n as f64 / m as f64,
            template,
            members,
            cut,
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
    fn promise(&self, group: &Group) -> f64 {
        let doubts = self.doubts.iter().zip(&group.members).filter(|(_, m)| **m).map(|(d, _)| f64::from(*d));
        let rows = group.members.iter().filter(|m| **m).count().max(1);
        doubts.sum::<f64>() / rows as f64 - group.tail.min(1.0) / 2.0
    }

    /// What the gates need, if the group passes them all: draw, spread, contradiction.
    fn judge(&self, group: &Group, rest: &mut Rest<'_>) -> Option<(f64, f64, Option<Contradiction>)> {
        let rows = group.members.iter().filter(|m| **m).count();
        if std::env::var("DBG").is_ok() { let d = rest.drawn(&group.members); let c = rest.contradiction(&group.members); eprintln!("DBG rows {rows} gap {:.1} {:.1} tail {:.2} out {}/{} drawn {:.2} spread {:.2} place {:.2} {:?}", group.gap, group.gap_to_others, group.tail, group.outside, self.raw_outside.len(), d.0, d.1, c.place(), (c.group, c.class, c.others, group.members.iter().enumerate().filter(|(i, m)| **m).map(|(i, _)| i).take(3).collect::<Vec<_>>())); }
        if rows < GROUP || group.gap < GAP || group.gap_to_others < GAP || group.tail > TAIL_IF_CONTRADICTED {
            return None;
        }
        let (drawn, spread) = rest.drawn(&group.members);
        if drawn > DRAWN || !SPREAD.contains(&spread) {
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

/// Median, and the median distance from it scaled to a normal's standard deviation.
fn centre_and_spread(x: &[f32]) -> (f32, f32) {
    let middle = median(x.to_vec());
    (middle, 1.4826 * median(x.iter().map(|v| (v - middle).abs()).collect()))
}

pub fn median(mut x: Vec<f32>) -> f32 {
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
    fn the_third_power_counts_the_positive_side_by_weight() {
        let got = third(&[-5.0, 1.0, 2.0], &[1.0, 3.0, 1.0]);
        assert!((got - 11.0 / 5.0).abs() < 1e-12, "{got}");
        assert_eq!(third(&[], &[]), 0.0);
    }
}
