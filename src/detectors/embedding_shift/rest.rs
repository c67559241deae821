//! What a group is apart from where it lies: put back where the other classes are, is it a draw of them, and do
//! its rows resemble rows of the others or rows of its own class? Both are asked by nearest neighbours, by
//! angle, with the class, the others and the group each about its own mean.

use super::linear::{Rows, mean};
use super::space::{TELLING, medians};
use crate::features::table::mix;
use crate::stats::dense::{add, dot, unit};
use crate::stats::intervals::{Z95, poisson_upper};
use crate::stats::robust::median;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Neighbours looked at.
const NEIGHBOURS: usize = 20;
/// Rows of the group that are probed, of each side that they are compared with, and of each side to know what is
/// usual there.
const PROBED: usize = 400;
const COMPARED: usize = 2000;
const USUAL: usize = 300;

/// Shares of the class among nearest neighbours, in equal parts of class and others.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Contradiction {
    pub group: f64,
    /// Standard error of the group's.
    pub error: f64,
    pub class: f64,
    pub others: f64,
}

impl Contradiction {
    /// Where the group stands between the class (0) and the others (1), two standard errors short of it.
    pub fn place(&self) -> f64 {
        (self.class - self.group - 2.0 * self.error) / (self.class - self.others).max(1e-9)
    }
}

pub struct Rest<'a> {
    inside: &'a Rows,
    /// About their mean, of length one, with their squared lengths.
    outside: Rows,
    squares: Vec<f32>,
    seed: u64,
    usual: Option<Usual>,
}

/// Class and others side by side, and what is usual in each.
struct Usual {
    inside: Rows,
    outside: Rows,
    class: f64,
    others: f64,
    /// Variances of a row's share.
    class_variance: f64,
    others_variance: f64,
}

impl<'a> Rest<'a> {
    pub fn new(inside: &'a Rows, outside: &Rows, seed: u64) -> Self {
        let (squares, outside) = about_mean(outside.iter(), outside.width);
        Rest { inside, outside, squares, seed, usual: None }
    }

    fn members(&self, members: &[bool]) -> (Vec<f32>, Rows) {
        let mut chosen: Vec<usize> = (0..self.inside.len()).filter(|i| members[*i]).collect();
        chosen.sort_by_key(|i| (mix(self.seed ^ *i as u64), *i));
        chosen.truncate(PROBED);
        about_mean(chosen.into_iter().map(|i| self.inside.row(i)), self.inside.width)
    }

    /// How often the nearest neighbours of the group's rows are of the group, over what a random draw of the
    /// others would give (upper bound); and their spread over the others'.
    pub fn drawn(&self, members: &[bool]) -> (f64, f64) {
        let (mut lengths, mine) = self.members(members);
        let spread = f64::from(median(&mut lengths)) / f64::from(median(&mut self.squares.clone())).max(1e-12);
        let own = |i: usize| {
            let pool = mine.iter().chain(self.outside.iter()).enumerate().filter(|(j, _)| *j != i);
            nearest(pool.map(|(j, row)| (dot(mine.row(i), row), j)).collect()).iter().filter(|j| **j < mine.len()).count()
        };
        let seen: usize = (0..mine.len()).into_par_iter().map(own).sum();
        let share = (mine.len().max(1) - 1) as f64 / (mine.len() + self.outside.len()).max(2) as f64;
        let expected = (mine.len() * NEIGHBOURS) as f64 * share;
        (poisson_upper(seen as u64, Z95) / expected.max(1e-9), spread)
    }

    /// How narrow the group is, and the others are: see [`narrowness`].
    pub fn narrowness_of(&self, members: &[bool]) -> f64 {
        narrowness(&self.members(members).1)
    }

    pub fn narrowness(&self) -> f64 {
        let mut order: Vec<usize> = (0..self.outside.len()).collect();
        order.sort_by_key(|i| (mix(self.seed ^ 0xe7e ^ *i as u64), *i));
        let mut drawn = Rows::new(self.outside.width);
        order.into_iter().take(PROBED).for_each(|i| drawn.push(self.outside.row(i)));
        narrowness(&drawn)
    }

    /// Per row of the class, the log odds by its neighbours that it is of the others, in a group put back where the others
    /// are; empty where neighbours do not tell.
    pub fn speaks(&mut self, members: &[bool]) -> Vec<f32> {
        if self.usual.is_none() {
            self.usual = Some(self.learn());
        }
        let Some(usual) = self.usual.as_ref().filter(|u| u.class - u.others >= TELLING) else { return Vec::new() };
        let centre = mean(self.inside.iter().zip(members).filter(|(_, m)| **m).map(|(r, _)| r), self.inside.width);
        let (c, o) = (usual.class_variance.max(0.01), usual.others_variance.max(0.01));
        let odds = |i: usize| {
            if !members[i] {
                return 0.0;
            }
            let mut row = self.inside.row(i).to_vec();
            add(&mut row, -1.0, &centre);
            unit(&mut row);
            let share = usual.share(&row, None).clamp(usual.others, usual.class);
            let ln = |mean: f64, variance: f64| -0.5 * (share - mean).powi(2) / variance - 0.5 * variance.ln();
            (ln(usual.others, o) - ln(usual.class, c)).clamp(-4.0, 4.0) as f32
        };
        (0..self.inside.len()).into_par_iter().map(odds).collect()
    }

    pub fn contradiction(&mut self, members: &[bool]) -> Contradiction {
        let (_, mine) = self.members(members);
        if self.usual.is_none() {
            self.usual = Some(self.learn());
        }
        let Some(usual) = &self.usual else { return Contradiction { group: 0.0, error: 0.0, class: 0.0, others: 0.0 } };
        let shares: Vec<f64> = (0..mine.len()).into_par_iter().map(|i| usual.share(mine.row(i), None)).collect();
        let n = shares.len().max(1) as f64;
        let group = shares.iter().sum::<f64>() / n;
        let variance = shares.iter().map(|s| (s - group).powi(2)).sum::<f64>() / n;
        Contradiction { group, error: (variance / n).sqrt(), class: usual.class, others: usual.others }
    }

    fn learn(&self) -> Usual {
        // Samples are in the order of hashes, so any stretch of one class is random; the others are in order of class.
        let each = self.inside.len().min(self.outside.len()).min(COMPARED);
        // The middle of the class is where its honest rows are, however far the others of it lie.
        let (_, inside) = about(&medians(self.inside), self.inside.iter().take(each));
        let mut order: Vec<usize> = (0..self.outside.len()).collect();
        order.sort_by_key(|i| (mix(self.seed ^ 0x0ff ^ *i as u64), *i));
        let mut outside = Rows::new(self.outside.width);
        order.into_iter().take(each).for_each(|i| outside.push(self.outside.row(i)));
        let mut usual = Usual { inside, outside, class: 0.0, others: 0.0, class_variance: 0.0, others_variance: 0.0 };
        let few = each.min(USUAL);
        let moments = |from: &Rows, offset: usize| {
            let shares: Vec<f64> = (0..few).into_par_iter().map(|i| usual.share(from.row(i), Some(offset + i))).collect();
            let n = few.max(1) as f64;
            let mean = shares.iter().sum::<f64>() / n;
            (mean, shares.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / n)
        };
        let (class, others) = (moments(&usual.inside, 0), moments(&usual.outside, usual.inside.len()));
        (usual.class, usual.class_variance) = class;
        (usual.others, usual.others_variance) = others;
        usual
    }
}

impl Usual {
    /// Share of the class among the nearest of both sides; `own` is the row's own place among them.
    fn share(&self, row: &[f32], own: Option<usize>) -> f64 {
        let pool = self.inside.iter().chain(self.outside.iter()).enumerate().filter(|(j, _)| Some(*j) != own);
        let near = nearest(pool.map(|(j, other)| (dot(row, other), j)).collect());
        near.iter().filter(|j| **j < self.inside.len()).count() as f64 / near.len().max(1) as f64
    }
}

/// Numbers of the most alike.
fn nearest(mut near: Vec<(f32, usize)>) -> Vec<usize> {
    let k = NEIGHBOURS.min(near.len());
    if k == 0 {
        return Vec::new();
    }
    near.select_nth_unstable_by(k - 1, |a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    near[..k].iter().map(|n| n.1).collect()
}

/// Mean squared cosine of two rows of length one about their mean, less what this mean adds: one over the dimensions that
/// they fill.
pub fn narrowness(rows: &Rows) -> f64 {
    let n = rows.len();
    if n < 3 {
        return 0.0;
    }
    let sum: f64 = (0..n).map(|i| (0..i).map(|j| f64::from(dot(rows.row(i), rows.row(j)).powi(2))).sum::<f64>()).sum();
    (sum / (n * (n - 1) / 2) as f64 - 1.0 / ((n - 1) * (n - 1)) as f64).max(0.0)
}

/// Squared lengths about the mean, and the rows about it, of length one.
pub fn about_mean<'r>(rows: impl Iterator<Item = &'r [f32]> + Clone, width: usize) -> (Vec<f32>, Rows) {
    let centre = mean(rows.clone(), width);
    about(&centre, rows)
}

fn about<'r>(centre: &[f32], rows: impl Iterator<Item = &'r [f32]>) -> (Vec<f32>, Rows) {
    let width = centre.len();
    let mut out = Rows::new(width);
    let mut squares = Vec::new();
    for row in rows {
        let mut row = row.to_vec();
        add(&mut row, -1.0, centre);
        squares.push(dot(&row, &row));
        unit(&mut row);
        out.push(&row);
    }
    (squares, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::harness::Dice;

    /// Rows in five bundles of directions, or in none.
    fn rows(n: usize, bundled: bool, by: f32, dice: &mut Dice) -> Rows {
        let mut rows = Rows::new(10);
        for _ in 0..n {
            let bundle = dice.roll(5);
            let row: Vec<f32> = (0..10)
                .map(|c| {
                    let noise = (0..12).map(|_| dice.roll(1000) as f32 / 1000.0).sum::<f32>() - 6.0;
                    noise + by + if bundled && c / 2 == bundle { 5.0 } else { 0.0 }
                })
                .collect();
            rows.push(&row);
        }
        rows
    }

    #[test]
    fn rows_are_as_narrow_as_the_dimensions_that_they_fill_are_few() {
        // Plus and minus each of three axes: a row's cosine to one of the five others is -1, to the rest 0.
        let mut axes = Rows::new(3);
        for (at, sign) in [(0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0), (2, 1.0), (2, -1.0)] {
            let row: Vec<f32> = (0..3).map(|c| if c == at { sign } else { 0.0 }).collect();
            axes.push(&row);
        }
        assert!((narrowness(&axes) - (0.2 - 0.04)).abs() < 1e-9);
        assert_eq!(narrowness(&Rows::new(3)), 0.0);
        // Normal rows of ten dimensions fill them, in any number.
        for n in [25, 400] {
            let (_, drawn) = about_mean(rows(n, false, 2.0, &mut Dice::new(3)).iter(), 10);
            let of = 1.0 / narrowness(&drawn);
            assert!((7.0..13.0).contains(&of), "{n}: {of}");
        }
    }

    #[test]
    fn a_moved_draw_of_the_others_is_one_and_a_cluster_is_none() {
        let mut dice = Dice::new(1);
        let (mut inside, outside) = (rows(400, false, 0.0, &mut dice), rows(800, true, 3.0, &mut dice));
        rows(50, true, 9.0, &mut dice).iter().for_each(|r| inside.push(r));
        let tight = rows(50, true, 9.0, &mut dice).row(0).to_vec();
        for i in 0..50 {
            let row: Vec<f32> = tight.iter().enumerate().map(|(c, x)| x + if c == i % 10 { 0.3 } else { 0.0 }).collect();
            inside.push(&row);
        }
        let mut rest = Rest::new(&inside, &outside, 7);
        let members = |from: usize| (0..500).map(|i| (from..from + 50).contains(&i)).collect::<Vec<bool>>();
        let (drawn, spread) = rest.drawn(&members(400));
        assert!(drawn < 2.0 && (0.8..1.25).contains(&spread), "{drawn} {spread}");
        let seen = rest.contradiction(&members(400));
        assert!(seen.class - seen.others > 0.3 && seen.place() > 0.6, "{seen:?}");
        let (drawn, spread) = rest.drawn(&members(450));
        assert!(drawn > 3.0 && spread < 0.1, "{drawn} {spread}");
        // Honest rows of the class resemble it wherever they lie.
        let honest = rest.contradiction(&members(0));
        assert!(honest.place() < 0.45, "{honest:?}");
    }
}
