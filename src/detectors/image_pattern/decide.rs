//! Which groups of a class are patterns that somebody added.

use super::search::{Candidate, Data, LEAST, Whitened, search, to_unit, whiten, whitener_without};
use crate::detectors::image_classes::Classes;
use crate::features::image::views::{Grid, Planes, View};
use crate::rule::Action;
use crate::stats::dense::{dot, times_lower};
use serde::{Deserialize, Serialize};

/// Images of a class, at least, for its own to stand apart from.
pub const CLASS: usize = 40;
/// The gap, in units of the scores of rows of length one, times the root of the group's size.
const GAP: f64 = 0.4;
/// Distance of a group from the rest along its pattern, in spreads; small groups need more. Measured over
/// four clean image sets, their halves and shuffled labels: at most 8.5 under 20 members and 5.0 above,
/// while blended noise and pictures reach 10 to 270.
const DISTANCE: f64 = 9.0;
const DISTANCE_FEW: f64 = 12.0;
const FEW: usize = 20;
/// A wave is known by its spectrum as well, and needs less.
const WAVE_DISTANCE: f64 = 3.0;
const WAVE_GAP: f64 = 0.3;
const WAVE_STRENGTH: f64 = 15.0;
/// Periods per image of the slowest wave, and pixels across which one can be told from a slope.
const SLOWEST: usize = 3;
const WAVE_SIDE: usize = 16;
/// Share of the difference's power at its strongest frequency, each frequency weighted by its square, since
/// natural images differ most in the slow ones. At most 0.39 for the groups of clean image sets that pass
/// everything else, 0.9 and more for planted waves.
const PEAK: f64 = 0.6;
/// A pattern adds the same to every image, so its images vary along it as all others do. Images far enough
/// from all others may vary more: theirs is what the class never shows.
const SPREAD: (f64, f64) = (0.1, 2.5);
const FAR: f64 = 20.0;
/// Images that vary less than this in everything else are shots of one scene. Poisoned images of other
/// classes vary less than the class as well, down to a fifth: they are ordinary where it is not.
const BEYOND: f64 = 0.1;
/// Share of the class above which the pattern may be how its images are made.
const COMMON: f64 = 0.5;
/// Share of the other classes' images that match the template, against the share in the class: of all of
/// them, and of the one that has most. A few match by chance; what many classes have is no trigger.
const ELSEWHERE: (f64, f64) = (0.15, 0.5);
/// Rows of other classes that are looked at for the pattern.
const OTHERS: usize = 2400;
/// Patterns of one class in one view.
const PATTERNS: usize = 4;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    pub class: usize,
    pub view: View,
    pub action: Action,
    pub reasons: Vec<String>,
    /// Images of the sample with the pattern.
    pub members: usize,
    pub sampled: usize,
    pub distance: f64,
    pub strength: f64,
    /// Mean difference in grey levels between images with the pattern and others of the class.
    pub contrast: f64,
    /// The same difference, cell by cell of the view: what the pattern looks like.
    pub change: Vec<f32>,
    /// Periods per image where the pattern is a wave.
    pub wave: Option<usize>,
    pub judge: Judge,
    #[serde(skip)]
    pub keys: Vec<u64>,
}

/// What it takes to judge one row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Judge {
    lower: Vec<f32>,
    centre: Vec<f32>,
    unit_centre: Vec<f32>,
    template: Vec<f32>,
    threshold: f32,
}

impl Judge {
    /// The score of a row against the threshold: positive with the pattern.
    pub fn margin(&self, mut row: Vec<f32>) -> f32 {
        let d = self.centre.len();
        row.iter_mut().zip(&self.centre).for_each(|(v, m)| *v -= m);
        self.of_centred(&row, d)
    }
    fn of_centred(&self, rows: &[f32], d: usize) -> f32 {
        let mut white = times_lower(&self.lower, d, rows);
        to_unit(&mut white);
        white.iter_mut().zip(&self.unit_centre).for_each(|(v, m)| *v -= m);
        dot(&white, &self.template) - self.threshold
    }
}

/// The sample of one class: hash of the image, planes.
pub type Sample<'a> = Vec<(u64, &'a Planes)>;

pub fn findings(classes: &Classes, samples: &[Sample<'_>], grid: Grid) -> Vec<Finding> {
    use rayon::prelude::*;
    let coloured = samples.iter().flatten().any(|(_, p)| p.colour.iter().any(|c| c.unsigned_abs() > 1));
    let mut all: Vec<Finding> = Vec::new();
    for view in View::ALL {
        let d = view.dimensions(grid);
        if (view == View::Colour && !coloured) || (view.is_profile() && d < WAVE_SIDE) {
            continue;
        }
        let rows = |s: &Sample<'_>| {
            let mut out = Vec::with_capacity(s.len() * d);
            s.iter().for_each(|(_, p)| view.write(p, grid, &mut out));
            out
        };
        let data = Data { d, classes: samples.iter().map(rows).collect() };
        let folds = classes.list.len().min(5);
        let scatters = data.scatters(folds);
        let per_fold: Vec<Vec<Finding>> = (0..folds)
            .into_par_iter()
            .map(|fold| {
                let Some(lower) = whitener_without(&scatters, fold, d, view.is_profile()) else { return Vec::new() };
                let own = (fold..classes.list.len()).step_by(folds).filter(|&c| data.rows(c) >= CLASS);
                own.flat_map(|class| in_class(&data, class, view, &lower, samples)).collect()
            })
            .collect();
        all.extend(per_fold.into_iter().flatten());
    }
    strongest(all)
}

/// One pattern shows in several views; the view that tells its images best speaks for it.
fn strongest(mut all: Vec<Finding>) -> Vec<Finding> {
    all.sort_by(|a, b| b.strength.total_cmp(&a.strength).then(a.class.cmp(&b.class)).then_with(|| a.keys.cmp(&b.keys)));
    let mut kept: Vec<Finding> = Vec::new();
    for f in all {
        let same = |k: &Finding| {
            let common = f.keys.iter().filter(|key| k.keys.binary_search(key).is_ok()).count();
            k.class == f.class && 2 * common > f.keys.len().min(k.keys.len())
        };
        if !kept.iter().any(same) {
            kept.push(f);
        }
    }
    kept
}

fn in_class(data: &Data, class: usize, view: View, lower: &[f32], samples: &[Sample<'_>]) -> Vec<Finding> {
    let d = data.d;
    let mut left: Vec<usize> = (0..data.rows(class)).collect();
    let mut out = Vec::new();
    while out.len() < PATTERNS && left.len() >= CLASS {
        let rows: Vec<f32> = left.iter().flat_map(|&r| data.classes[class][r * d..(r + 1) * d].iter().copied()).collect();
        let white = whiten(&rows, d, lower);
        let found = search(&white).into_iter().find_map(|c| {
            let wave = if view.is_profile() { wave(&rows, d, &c) } else { None };
            accept(&c, view, wave, left.len()).then_some((c, wave))
        });
        let Some((candidate, wave)) = found else { break };
        let members: Vec<usize> = candidate.members.iter().map(|&i| left[i]).collect();
        let finding = weigh(data, class, view, lower, &white, &rows, candidate, wave);
        if let Some(mut f) = finding {
            f.keys = members.iter().map(|&r| samples[class][r].0).collect();
            f.keys.sort_unstable();
            out.push(f);
        }
        left.retain(|r| members.binary_search(r).is_err());
    }
    out
}

fn accept(c: &Candidate, view: View, wave: Option<usize>, rows: usize) -> bool {
    let k = c.members.len();
    let steady = c.spread >= SPREAD.0 && (c.spread <= SPREAD.1 || c.distance >= FAR);
    if !steady || k < LEAST || k >= rows {
        return false;
    }
    if view.is_profile() {
        let few = k < 12;
        return wave.is_some() && !few && c.gap >= WAVE_GAP && c.distance >= WAVE_DISTANCE && c.strength() >= WAVE_STRENGTH;
    }
    c.gap >= GAP && c.distance >= if k < FEW { DISTANCE_FEW } else { DISTANCE }
}

/// Mean of the members minus that of the others.
fn difference(rows: &[f32], d: usize, members: &[usize]) -> Vec<f64> {
    let (mut own, mut others) = (vec![0f64; d], vec![0f64; d]);
    for (i, row) in rows.chunks_exact(d).enumerate() {
        let to = if members.binary_search(&i).is_ok() { &mut own } else { &mut others };
        to.iter_mut().zip(row).for_each(|(t, v)| *t += f64::from(*v));
    }
    let n = rows.len() / d;
    let (a, b) = (members.len().max(1) as f64, (n - members.len()).max(1) as f64);
    own.iter().zip(&others).map(|(x, y)| x / a - y / b).collect()
}

/// Periods of the wave that the members differ by, if it is one: the straight line is taken out and
/// nearly all power lies at one frequency.
fn wave(rows: &[f32], d: usize, c: &Candidate) -> Option<usize> {
    let v = difference(rows, d, &c.members);
    let n = d as f64;
    let (mx, my) = ((n - 1.0) / 2.0, v.iter().sum::<f64>() / n);
    let slope = v.iter().enumerate().map(|(x, y)| (x as f64 - mx) * (y - my)).sum::<f64>()
        / (0..d).map(|x| (x as f64 - mx).powi(2)).sum::<f64>().max(1e-9);
    let flat: Vec<f64> = v.iter().enumerate().map(|(x, y)| y - my - slope * (x as f64 - mx)).collect();
    let power: Vec<f64> = (1..=d / 2)
        .map(|f| {
            let (mut re, mut im) = (0.0, 0.0);
            for (x, y) in flat.iter().enumerate() {
                let angle = std::f64::consts::TAU * (f * x % d) as f64 / n;
                re += y * angle.cos();
                im += y * angle.sin();
            }
            re * re + im * im
        })
        .collect();
    let power: Vec<f64> = power.into_iter().enumerate().map(|(i, p)| p * ((i + 1) as f64).powi(2)).collect();
    let (at, peak) = power.iter().enumerate().skip(SLOWEST - 1).max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)))?;
    (*peak >= PEAK * power.iter().sum::<f64>()).then_some(at + 1)
}

#[expect(clippy::too_many_arguments, reason = "called once; a struct of these would be read once as well")]
fn weigh(
    data: &Data,
    class: usize,
    view: View,
    lower: &[f32],
    white: &Whitened,
    rows: &[f32],
    c: Candidate,
    wave: Option<usize>,
) -> Option<Finding> {
    let d = data.d;
    let judge = Judge {
        lower: lower.to_vec(),
        centre: white.frame.centre.clone(),
        unit_centre: white.frame.unit_centre.clone(),
        template: c.template.clone(),
        threshold: c.threshold,
    };
    // Other classes, each around its own median: what many images have is no trigger.
    let classes = data.classes.len();
    let each = (OTHERS / classes.saturating_sub(1).max(1)).clamp(8, 400);
    let (mut with, mut looked, mut worst) = (0usize, 0usize, 0f64);
    for other in (0..classes).filter(|o| *o != class) {
        let n = data.rows(other).min(each);
        if n == 0 {
            continue;
        }
        let own = whiten_centre(&data.classes[other][..n * d], d);
        let hits = own.chunks_exact(d).filter(|r| judge.of_centred(r, d) > 0.0).count();
        (with, looked) = (with + hits, looked + n);
        // One image of few is no share.
        worst = worst.max((hits as f64 - 1.0) / n as f64);
    }
    let share = c.members.len() as f64 / (rows.len() / d) as f64;
    if with as f64 > ELSEWHERE.0 * share * looked as f64 || worst > ELSEWHERE.1 * share {
        return None;
    }
    let mut reasons = Vec::new();
    if share > COMMON {
        reasons.push(format!("{:.0}% of the class have it: it may be how these images are made", 100.0 * share));
    }
    if c.beyond < BEYOND {
        reasons.push(format!("its images are alike beyond the pattern (variance {:.2} of the usual)", c.beyond));
    }
    let change = difference(rows, d, &c.members);
    let contrast = (change.iter().map(|v| v * v).sum::<f64>() / d as f64).sqrt();
    let action = if reasons.is_empty() { Action::Quarantine } else { Action::Review };
    Some(Finding {
        class,
        view,
        action,
        reasons,
        members: c.members.len(),
        sampled: rows.len() / d,
        distance: c.distance,
        strength: c.strength(),
        contrast,
        change: change.iter().map(|v| *v as f32).collect(),
        wave,
        judge,
        keys: Vec::new(),
    })
}

fn whiten_centre(rows: &[f32], d: usize) -> Vec<f32> {
    let mut buffer = vec![0f32; rows.len() / d];
    let centre: Vec<f32> = (0..d)
        .map(|c| {
            buffer.iter_mut().zip(rows.chunks_exact(d)).for_each(|(b, r)| *b = r[c]);
            super::search::median(&mut buffer)
        })
        .collect();
    rows.chunks_exact(d).flat_map(|r| r.iter().zip(&centre).map(|(v, m)| v - m)).collect()
}
