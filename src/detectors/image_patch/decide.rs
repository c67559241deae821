//! From counts to verdicts: which patches are looked at, how far the patch reaches, and whether it is
//! one that somebody stamped.

use super::near::{Anchor, OUTSIDE, SIDE, Stamp, corner};
use super::{Counted, LEAST, NOMINEES, Near, Witness};
use crate::detectors::image_classes::Classes;
use crate::detectors::trigger_table::sketch::BottomK;
use crate::rule::Action;
use crate::stats::tails::ln_binomial_upper;
use serde::{Deserialize, Serialize};

/// Share of a patch's images that must have one label.
const PURITY: f64 = 0.9;
/// Images that show the same pixels elsewhere, as a share of those that have them in place. Of clean
/// handwriting 84 patches are pure by chance and by nature; this share is above one half for each.
const ELSEWHERE: f64 = 0.1;
/// Chance of any group on clean data, after correction for all patches counted.
const Q: f64 = 1e-3;
/// Images that agree in a pixel of the patch.
const AGREE: f64 = 0.97;
/// A pixel that the other images agree on as well belongs to the background.
const BACKGROUND: f64 = 0.5;
/// Width and height of a stamp, at most; what is larger is a template that images share.
const LARGEST: usize = 16;
/// A patch in this share of a class is how its images are made (a watermark, a frame), or so much
/// poison that the class is known by it; a person decides.
const COMMON: f64 = 0.5;
/// Median distance between images of the group against that between images at large. Shots of one
/// scene share a corner because they share everything.
const ALIKE: f64 = 0.6;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Nominee {
    pub key: u64,
    pub content: u64,
    pub place: [u16; 4],
    pub anchor: Anchor,
    pub class: usize,
    pub rows: u64,
    pub with_label: u64,
    pub ln_p: f64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    pub class: usize,
    pub rows: u64,
    pub with_label: u64,
    pub elsewhere: u64,
    pub ln_p: f64,
    pub q: f64,
    pub score: f64,
    pub action: Action,
    pub reasons: Vec<String>,
    pub patch: Stamp,
}

/// Patches that lean to one class beyond chance, most significant first, and how many were counted.
pub fn nominate(classes: &Classes, least: u8, counted: &BottomK<Counted>) -> (Vec<Nominee>, u64) {
    let mut tested = 0;
    let mut out = Vec::new();
    for (key, c) in counted.iter() {
        let rows: u64 = c.classes.iter().map(|(_, n)| u64::from(*n)).sum();
        if rows < u64::from(least) {
            continue;
        }
        tested += 1;
        let Some(&(class, most)) = c.classes.iter().max_by_key(|(class, n)| (*n, std::cmp::Reverse(*class))) else { continue };
        // Copies of one image share everything.
        if c.images.0 == c.images.1 || (f64::from(most)) < PURITY * rows as f64 {
            continue;
        }
        let class = class as usize;
        let ln_p = ln_binomial_upper(u64::from(most), rows, classes.prior(class));
        let anchor = Anchor::of(c.place, c.size);
        out.push(Nominee { key, content: c.content, place: c.place, anchor, class, rows, with_label: u64::from(most), ln_p });
    }
    let bound = (Q / (tested.max(1) as f64)).ln();
    out.retain(|n| n.ln_p <= bound);
    out.sort_by(|a, b| a.ln_p.total_cmp(&b.ln_p).then(a.key.cmp(&b.key)));
    out.truncate(NOMINEES);
    (out, tested)
}

/// Fewest rows of a class that make a patch significant.
pub fn floor(classes: &Classes, class: usize, tested: u64) -> u64 {
    let needed = (tested.max(1) as f64 / Q).ln() / -classes.prior(class).ln();
    (needed.ceil() as u64).max(u64::from(LEAST))
}

pub fn findings(classes: &Classes, nominees: &[Nominee], witnesses: &[Witness], tested: u64) -> Vec<Finding> {
    let mut out: Vec<Finding> = Vec::new();
    for (n, w) in nominees.iter().zip(witnesses) {
        if w.elsewhere as f64 > ELSEWHERE * n.rows as f64 || w.with.len() < usize::from(LEAST) {
            continue;
        }
        // Every window of a patch is a nominee; the first one stands for all.
        if out.iter().any(|f| f.class == n.class && covers(&f.patch, n)) {
            continue;
        }
        let Some(patch) = grow(n, w) else { continue };
        let mut reasons = Vec::new();
        let share = n.with_label as f64 / classes.list[n.class].rows.max(1) as f64;
        if share > COMMON {
            reasons.push(format!("{:.0}% of the class have it: it may be how these images are made", 100.0 * share));
        }
        let spread = spread(w, n.class);
        if spread < ALIKE {
            reasons.push(format!("its images are alike beyond the patch (distance {spread:.2} of the usual)"));
        }
        let q = (n.ln_p + (tested.max(1) as f64).ln()).exp().min(1.0);
        let action = if reasons.is_empty() { Action::Quarantine } else { Action::Review };
        let purity = n.with_label as f64 / n.rows as f64;
        let score = if action == Action::Quarantine { 0.99 * purity } else { 0.5 };
        let (rows, with_label, elsewhere) = (n.rows, n.with_label, w.elsewhere);
        out.push(Finding { class: n.class, rows, with_label, elsewhere, ln_p: n.ln_p, q, score, action, reasons, patch });
    }
    out
}

fn covers(patch: &Stamp, n: &Nominee) -> bool {
    let (p, a) = (patch.anchor, n.anchor);
    if (p.right, p.low) != (a.right, a.low) {
        // A patch across the middle of the image has windows on both sides.
        return false;
    }
    let overlap = |far: bool, d: i64, size: usize, e: i64, side: u16| {
        let (from, to) = if far { (-d, -d + size as i64) } else { (d, d + size as i64) };
        let start = if far { -e } else { e };
        start < to && start + i64::from(side) > from
    };
    overlap(p.right, p.dx, patch.width, a.dx, n.place[2]) && overlap(p.low, p.dy, patch.height, a.dy, n.place[3])
}

/// The most frequent colour of a pixel among the images, and its share.
fn mode<'a>(images: impl Iterator<Item = &'a Near>, at: usize, buffer: &mut Vec<u32>) -> (u32, f64) {
    buffer.clear();
    buffer.extend(images.map(|i| i.pixels[at]));
    buffer.sort_unstable();
    let all = buffer.len().max(1) as f64;
    let best = buffer.chunk_by(|a, b| a == b).map(|run| (run.len(), run[0])).max_by_key(|(n, c)| (*n, std::cmp::Reverse(*c)));
    best.map_or((OUTSIDE, 0.0), |(n, colour)| (colour, n as f64 / all))
}

/// The connected pixels around the nominee that its images agree on and other images do not. `None`
/// when that is no small patch: a gradual agreement is what images of one kind have.
fn grow(n: &Nominee, w: &Witness) -> Option<Stamp> {
    let with: Vec<&Near> = w.with.iter().map(|(_, near)| near).filter(|near| near.class == n.class as u32).collect();
    let without: Vec<&Near> = w.without.iter().map(|(_, near)| near).collect();
    let mut buffer = Vec::new();
    let mut colours = vec![OUTSIDE; SIDE * SIDE];
    let (mut agreed, mut own) = (vec![false; SIDE * SIDE], vec![false; SIDE * SIDE]);
    for at in 0..SIDE * SIDE {
        let (colour, share) = mode(with.iter().copied(), at, &mut buffer);
        if colour == OUTSIDE || share < AGREE {
            continue;
        }
        let same = without.iter().filter(|i| i.pixels[at] == colour).count() as f64 / without.len().max(1) as f64;
        (colours[at], agreed[at], own[at]) = (colour, true, same <= BACKGROUND);
    }
    // From the nominee's own pixels outwards, over gaps of one pixel: the dark fields of a chequered
    // patch on a dark background are the background's too.
    let (left, top) = corner(n);
    let (x0, y0) = ((-left) as usize, (-top) as usize);
    let (width, height) = (usize::from(n.place[2]), usize::from(n.place[3]));
    let mut inside = vec![false; SIDE * SIDE];
    let mut stack: Vec<usize> = Vec::new();
    for y in y0..(y0 + height).min(SIDE) {
        for x in x0..(x0 + width).min(SIDE) {
            if own[y * SIDE + x] {
                inside[y * SIDE + x] = true;
                stack.push(y * SIDE + x);
            }
        }
    }
    while let Some(at) = stack.pop() {
        let (x, y) = (at % SIDE, at / SIDE);
        for ny in y.saturating_sub(2)..(y + 3).min(SIDE) {
            for nx in x.saturating_sub(2)..(x + 3).min(SIDE) {
                let to = ny * SIDE + nx;
                if own[to] && !inside[to] {
                    inside[to] = true;
                    stack.push(to);
                }
            }
        }
    }
    let members: Vec<(usize, usize)> = (0..SIDE * SIDE).filter(|&at| inside[at]).map(|at| (at % SIDE, at / SIDE)).collect();
    let (first, last) = (
        (members.iter().map(|m| m.0).min()?, members.iter().map(|m| m.1).min()?),
        (members.iter().map(|m| m.0).max()?, members.iter().map(|m| m.1).max()?),
    );
    let (width, height) = (last.0 + 1 - first.0, last.1 + 1 - first.1);
    if members.len() < 2 || width > LARGEST || height > LARGEST {
        return None;
    }
    let mut pixels = Vec::with_capacity(width * height);
    for y in first.1..=last.1 {
        for x in first.0..=last.0 {
            pixels.push(if agreed[y * SIDE + x] { colours[y * SIDE + x] } else { OUTSIDE });
        }
    }
    let (dx, dy) = (first.0 as i64 + left, first.1 as i64 + top);
    let shown = (i64::from(n.place[0]) + dx, i64::from(n.place[1]) + dy);
    Some(Stamp { anchor: n.anchor.moved(dx, dy), width, height, pixels, shown })
}

/// Median distance between the images of the group, relative to that between images at large.
fn spread(w: &Witness, class: usize) -> f64 {
    let median = |images: &[&Near]| -> Option<f64> {
        let mut all = Vec::new();
        for (i, a) in images.iter().enumerate() {
            for b in &images[i + 1..] {
                all.push(a.thumb.iter().zip(&b.thumb).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>());
            }
        }
        all.sort_unstable();
        all.get(all.len() / 2).map(|d| *d as f64)
    };
    let with: Vec<&Near> = w.with.iter().map(|(_, n)| n).filter(|n| n.class == class as u32).collect();
    let without: Vec<&Near> = w.without.iter().map(|(_, n)| n).collect();
    match (median(&with), median(&without)) {
        (Some(a), Some(b)) if b > 0.0 => a / b,
        _ => 1.0,
    }
}
