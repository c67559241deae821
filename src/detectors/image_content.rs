//! What the images of a group show, apart from what they share: members of their class, or a random draw
//! of all others? A planted pattern lies over images of other classes; what honest images of a class
//! share, a kind of background or a kind of ship, lies over images that the rest of the class vouches for.

use crate::features::image::shape;
use crate::features::image::views::{Grid, Planes};
use crate::stats::discriminant::Discriminant;

/// Images sampled in all and per class; at 32 x 32 a sample of this size takes 32 MB.
const SAMPLE: usize = 16_000;
const PER_CLASS: (usize, usize) = (64, 1600);
/// Where on the way from the others to its class a group may lie, and how far below the class in standard errors.
const FOREIGN: f64 = 0.45;
const BELOW: f64 = 3.0;
/// Rows of each class that a judgement of one group learns from and compares with.
const LEARNED: usize = 600;
const COMPARED: usize = 150;
/// Share of the images beyond either end of the range that a number is cut to.
const TAIL: f64 = 0.02;
/// Difference of mean probability between own and other images below which content tells nothing.
const TELLS: f64 = 0.05;

/// The sample of one class: hash of the image, planes.
pub type Sample<'a> = Vec<(u64, &'a Planes)>;

/// Images of each class in a sample.
pub fn sampled_per_class(classes: usize) -> usize {
    (SAMPLE / classes.max(1)).clamp(PER_CLASS.0, PER_CLASS.1)
}

/// Every sampled image by what it shows, class after class.
pub struct Content {
    d: usize,
    rows: Vec<f32>,
    labels: Vec<usize>,
    /// First row of each class, and the end.
    from: Vec<usize>,
    /// Probability of its own class, by a model that did not see it.
    own: Vec<f64>,
}

/// A group beside honest images of its class and images of the others.
#[derive(Debug, Clone, Copy)]
pub struct Lean {
    /// 0 as images of the others, 1 as images of the class.
    pub share: f64,
    /// Standard errors below images of the class.
    pub below: f64,
}

impl Lean {
    /// Whether what the group shows argues against its label.
    pub fn contradicts(&self) -> bool {
        self.share <= FOREIGN && self.below >= BELOW
    }
    /// For a person.
    pub fn says(&self) -> String {
        format!("{:.0}% of the way to their own, {:.1} standard errors below it", 100.0 * self.share.max(0.0), self.below)
    }
}

impl Content {
    pub fn of(samples: &[Sample<'_>], grid: Grid) -> Content {
        let d = shape::dimensions(grid);
        let mut content = Content { d, rows: Vec::new(), labels: Vec::new(), from: vec![0], own: Vec::new() };
        for (class, sample) in samples.iter().enumerate() {
            for (_, planes) in sample {
                shape::write(planes, grid, &mut content.rows);
                content.labels.push(class);
            }
            content.from.push(content.labels.len());
        }
        content.bound();
        let classes = samples.len();
        let models = [0, 1].map(|fold| content.model(classes, |i| i % 2 != fold));
        let own = |i: usize| models[i % 2].as_ref().map_or(1.0, |m| m.probability(content.row(i), content.labels[i]));
        content.own = (0..content.labels.len()).map(own).collect();
        content
    }

    /// Cuts every number to the range of nearly all images: what a pattern does to places that never vary
    /// otherwise would else say more than the picture.
    fn bound(&mut self) {
        let n = self.labels.len();
        let cut = (n as f64 * TAIL) as usize;
        let mut column = vec![0f32; n];
        for i in 0..self.d {
            column.iter_mut().zip(self.rows.chunks_exact(self.d)).for_each(|(c, r)| *c = r[i]);
            column.sort_unstable_by(f32::total_cmp);
            if let (Some(&low), Some(&high)) = (column.get(cut), column.get(n.saturating_sub(cut + 1))) {
                self.rows.iter_mut().skip(i).step_by(self.d).for_each(|v| *v = v.clamp(low, high.max(low)));
            }
        }
    }

    fn row(&self, i: usize) -> &[f32] {
        &self.rows[i * self.d..(i + 1) * self.d]
    }
    fn model(&self, classes: usize, take: impl Fn(usize) -> bool) -> Option<Discriminant> {
        let early = |i: usize| i - self.from[self.labels[i]] < LEARNED;
        Discriminant::fit(&self.rows, self.d, &self.labels, classes, |i| early(i) && take(i))
    }

    /// The half of a class whose images look least like it.
    pub fn doubtful(&self, class: usize) -> Vec<usize> {
        let own = &self.own[self.from[class]..self.from[class + 1]];
        let mut order: Vec<usize> = (0..own.len()).collect();
        order.sort_by(|a, b| own[*a].total_cmp(&own[*b]).then(a.cmp(b)));
        order.truncate(own.len().div_ceil(2));
        order.sort_unstable();
        order
    }

    /// How a group leans, by models that saw none of it; `None` where content does not tell the class.
    pub fn lean(&self, class: usize, members: &[usize]) -> Option<Lean> {
        let first = self.from[class];
        let inside = |i: usize| self.labels[i] == class && members.binary_search(&(i - first)).is_ok();
        let classes = self.from.len() - 1;
        let models = [0, 1].map(|fold| self.model(classes, |i| i % 2 != fold && !inside(i)));
        let probability = |i: usize| models[i % 2].as_ref().map(|m| m.probability(self.row(i), class));
        let mean = |p: &[f64]| p.iter().sum::<f64>() / p.len().max(1) as f64;
        let group: Vec<f64> = members.iter().filter_map(|m| probability(first + m)).collect();
        let others: Vec<f64> = (0..classes)
            .filter(|c| *c != class)
            .flat_map(|c| self.from[c]..self.from[c + 1].min(self.from[c] + COMPARED))
            .filter_map(probability)
            .collect();
        let rest = (first..self.from[class + 1]).filter(|i| !inside(*i)).take(LEARNED);
        let own: Vec<f64> = rest.filter_map(probability).collect();
        if group.len() < members.len() || others.is_empty() || own.len() < 2 {
            return None;
        }
        let (g, o, c) = (mean(&group), mean(&others), mean(&own));
        if c - o < TELLS {
            return None;
        }
        let variance = own.iter().map(|p| (p - c).powi(2)).sum::<f64>() / (own.len() - 1) as f64;
        let error = (variance / group.len() as f64).sqrt().max(1e-6);
        Some(Lean { share: (g - o) / (c - o), below: (c - g) / error })
    }

    /// Mean squared distance of a group's images to their mean, over that of the class: near 0 for shots of one scene.
    pub fn variety(&self, class: usize, members: &[usize]) -> f64 {
        let first = self.from[class];
        let spread = |rows: &mut dyn Iterator<Item = usize>| {
            let (mut n, mut sum, mut square) = (0f64, vec![0f64; self.d], vec![0f64; self.d]);
            for i in rows {
                n += 1.0;
                for ((s, q), v) in sum.iter_mut().zip(&mut square).zip(self.row(i)) {
                    *s += f64::from(*v);
                    *q += f64::from(*v) * f64::from(*v);
                }
            }
            let n = n.max(1.0);
            sum.iter().zip(&square).map(|(s, q)| q / n - (s / n).powi(2)).collect::<Vec<f64>>()
        };
        let group = spread(&mut members.iter().map(|m| first + m));
        let class = spread(&mut (first..self.from[class + 1]));
        let (mut sum, mut n) = (0.0, 0.0);
        for (g, c) in group.iter().zip(&class).filter(|(_, c)| **c > 1e-9) {
            sum += g / c;
            n += 1.0;
        }
        sum / f64::max(n, 1.0)
    }
}
