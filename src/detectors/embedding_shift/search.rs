//! Looks, among the sampled vectors of one class, for rows that were all moved the same way: whitened
//! by what its honest rows and the other classes look like, a direction in which the class has a far end
//! and the others do not; the rows at that end; and whether they are, put back where the others are, a draw
//! of the others.

use super::doubt;
use super::linear::{Rows, cholesky, mean, scatter, unwhiten, whiten};
use super::rest::{Contradiction, Rest};
use super::space::{Group, Space, TIGHT_SPREAD, medians};
use crate::rule::Action;
use crate::stats::dense::{add, dot};
use serde::{Deserialize, Serialize};

/// Rows of a class's sample, at least.
pub const LEAST: usize = 60;
/// Rows of a group, at least: neighbours of fewer tell nothing.
pub const GROUP: usize = 20;
/// Directions to start from, per class and weight, at most and at least.
const SEEDS: usize = 60;
const FEW_SEEDS: usize = 12;
/// Rows count in the search for a direction by their doubt to this power: a shift among honest rows of
/// other classes stands out when only rows that another class could claim are looked at; a shift that is
/// farther than the classes are apart hides that, and stands out without.
const WEIGHTS: [i32; 3] = [0, 1, 2];
/// Multiplications that the search of all classes may take, about.
const WORK: usize = 60_000_000_000;
pub const ITERATIONS: usize = 14;
/// Ends of a class that are looked at again without themselves in the covariance, at least.
const FEWEST_REFINED: usize = 3;
/// Ridge, in mean variances.
const RIDGE: f64 = 0.02;

/// A group in a class.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Shift {
    pub class: usize,
    /// A raw vector is at the far end when `direction . x > cut`, and not beyond `until`.
    pub direction: Vec<f32>,
    pub cut: f32,
    pub until: Option<f32>,
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

impl Shift {
    pub fn is_tight(&self) -> bool {
        self.spread < TIGHT_SPREAD
    }
    /// A round cluster may be there by nature; where nothing says that its label is another's, a person decides.
    pub fn action(&self) -> Action {
        if self.is_tight() && self.contradiction.is_none() { Action::Review } else { Action::Quarantine }
    }
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
    let far = WEIGHTS.into_iter().flat_map(|power| space.directions(seeds, power));
    let whole = Rest::new(&space.raw_inside, &space.raw_outside, seed);
    let grown = far.filter_map(|start| space.grow(&start));
    for group in grown.chain(space.dense(&whole)) {
        if ends.iter().all(|g| dot(&g.template, &group.template) < 0.95) {
            ends.push(group);
        }
    }
    // What the class is like without the group, which until now was a part of it, is another whitening for each.
    ends.sort_by(|a, b| space.promise(b).total_cmp(&space.promise(a)));
    let each = (n + others.len()) * width * width / 2 + width.pow(3) / 3;
    ends.truncate((WORK / classes.len() / each.max(1)).max(FEWEST_REFINED));
    let mut found = Vec::new();
    for group in ends {
        let mixed = without(raw, own, &group.members).iter().zip(&foreign).map(|(l, f)| (l + f) / 2.0).collect();
        let Some(factor) = cholesky(ridged(mixed, width), width) else { continue };
        let (inside, outside) = (whiten(raw, &centre, &factor), whiten(&others, &centre, &factor));
        let space = Space::new(inside, outside, &of, doubts.clone());
        let mut rest = Rest::new(&space.raw_inside, &space.raw_outside, seed);
        let Some(group) = space.refine(&group.members, &mut rest) else { continue };
        let Some((drawn, spread, contradiction)) = space.judge(&group, &mut rest) else { continue };
        let direction = unwhiten(&group.template, &factor);
        let from = dot(&direction, &centre);
        let (cut, until) = (group.cut + from, group.until.map(|u| u + from));
        let mut members: Vec<u64> = (0..n).filter(|i| group.members[*i]).map(|i| classes[class].hashes[i]).collect();
        members.sort_unstable();
        found.push(Shift { class, direction, cut, until, members, gap: group.gap, tail: group.tail, drawn, spread, contradiction });
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
