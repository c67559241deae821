//! Which groups of a class are patterns that somebody added.

use super::mixture::{Group, Pattern, grow};
use super::{search, waves};
use crate::detectors::image_classes::Classes;
use crate::detectors::image_content::{Content, Sample};
use crate::features::image::residual::{Residuals, Scale, integrated};
use crate::features::image::views::Grid;
use crate::rule::Action;
use serde::{Deserialize, Serialize};

/// Images of a class, at least, for its own to stand apart from.
pub const CLASS: usize = 40;
/// Rows that a search among all images of a class starts from.
const SEARCHED: usize = 800;
/// Probability from which a row is taken out.
pub const SURE: f64 = 0.8;
/// How much of the template must show in images that did not teach it, and how much it may differ among them. Planted
/// patterns differ by 0.05 to 0.25; what honest images share comes in any amount and meets the fit's bound, 0.4.
const AMOUNT: f64 = 0.5;
const VARIES: f64 = 0.35;
const MEMBERS: usize = 12;
/// For images that look like those of other classes; others need more. Of honest groups in 14 sets of photographs,
/// clothes and digits (with true and with shuffled labels, 86,000 images) that meet the two bounds above, none reaches
/// what contradicts a label at 5.1, nor at 4.4 when they are waves (stripes of clothes); planted ones stand at 5 to 14.
const DISTANCE: f64 = 5.5;
const WAVE_DISTANCE: f64 = 5.0;
/// From here on a wave is shown to a person.
const FAINT_WAVE: f64 = 4.5;
const CERTAIN: f64 = 0.96;
const PLAIN_DISTANCE: f64 = 9.0;
const PLAIN_CERTAIN: f64 = 0.995;
/// Share of the class above which the pattern may be how its images are made.
const COMMON: f64 = 0.5;
/// Images that vary less than this in what they show are shots of one scene.
const VARIETY: f64 = 0.1;
/// Share of the other classes' images with the pattern, against the share in the class: of all, and of the one with most.
const ELSEWHERE: (f64, f64) = (0.15, 0.5);
const OTHERS: usize = 2400;
/// Share of the pattern's power at its strongest frequency that makes it a wave.
const WAVE: f64 = 0.6;
/// Patterns of one class.
const PATTERNS: usize = 4;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    pub class: usize,
    pub action: Action,
    pub reasons: Vec<String>,
    /// Images of the sample with the pattern.
    pub members: usize,
    pub sampled: usize,
    /// Of the members' scores from the others', in spreads.
    pub distance: f64,
    /// Mean change in grey levels, and what the pattern looks like: one value per plane and pixel.
    pub contrast: f64,
    pub change: Vec<f32>,
    /// Periods across and down where the pattern is a wave.
    pub wave: Option<(i64, i64)>,
    pub pattern: Pattern,
    /// Hashes of the sampled images of the class, sorted, and which of them are members: they taught the
    /// pattern, so that their own scores would flatter them.
    known: Vec<(u64, bool)>,
}

impl Finding {
    /// Probability that an image of the class has the pattern.
    pub fn probability(&self, key: u64, residuals: &Residuals) -> f64 {
        match self.known.binary_search_by_key(&key, |k| k.0) {
            Ok(at) => f64::from(u8::from(self.known[at].1)),
            Err(_) => self.pattern.probability(residuals.value(0), residuals.weight(0)),
        }
    }
}

pub fn findings(classes: &Classes, samples: &[Sample<'_>], scale: &Scale, grid: Grid) -> Vec<Finding> {
    use rayon::prelude::*;
    let content = Content::of(samples, grid);
    let look = Look { samples, scale, grid, content: &content };
    let per_class: Vec<Vec<Finding>> =
        (0..classes.list.len()).into_par_iter().filter(|&class| samples[class].len() >= CLASS).map(|class| look.in_class(class)).collect();
    per_class.into_iter().flatten().collect()
}

struct Look<'a> {
    samples: &'a [Sample<'a>],
    scale: &'a Scale,
    grid: Grid,
    content: &'a Content,
}

impl Look<'_> {
    fn residuals(&self, class: usize, most: usize) -> Residuals {
        let mut out = Residuals::default();
        self.samples[class].iter().take(most).for_each(|(_, p)| self.scale.write(p, self.grid, &mut out));
        out
    }

    fn in_class(&self, class: usize) -> Vec<Finding> {
        let own = self.residuals(class, usize::MAX);
        let centre = search::centre(&own, 0..own.rows());
        let all: Vec<usize> = (0..own.rows().min(SEARCHED)).collect();
        let mut found: Vec<(f64, Group, Finding)> = Vec::new();
        let free = [self.content.doubtful(class), all].into_iter().flat_map(|among| search::groups(&own, &among, &centre));
        let free: Vec<Group> = free.filter_map(|start| grow(&own, &start)).collect();
        for group in free.into_iter().chain(waves::groups(&own, self.grid)) {
            if found.iter().any(|f| f.1.members == group.members) {
                continue;
            }
            if let Some(finding) = self.weigh(class, &own, &group) {
                found.push((group.distance * (group.members.len() as f64).sqrt(), group, finding));
            }
        }
        // The strongest first; a second pattern of the same images says nothing new.
        found.sort_by(|a, b| b.2.action.cmp(&a.2.action).then(b.0.total_cmp(&a.0)).then_with(|| a.1.members.cmp(&b.1.members)));
        let mut kept: Vec<(f64, Group, Finding)> = Vec::new();
        for f in found {
            let common = |k: &Group| f.1.members.iter().filter(|m| k.members.binary_search(m).is_ok()).count();
            if kept.len() < PATTERNS && kept.iter().all(|k| 2 * common(&k.1) <= f.1.members.len().min(k.1.members.len())) {
                kept.push(f);
            }
        }
        kept.into_iter().map(|k| k.2).collect()
    }

    /// Whether a group is accused, shown to a person, or neither.
    fn weigh(&self, class: usize, own: &Residuals, group: &Group) -> Option<Finding> {
        let k = group.members.len();
        if group.amount < AMOUNT || group.varies >= VARIES {
            return None;
        }
        let wave = waves::frequency(&group.pattern.template, self.grid, WAVE);
        let needed = if wave.is_some() { FAINT_WAVE } else { DISTANCE };
        let faint = group.distance >= needed && group.certain >= CERTAIN && k >= MEMBERS;
        let plain = group.distance >= PLAIN_DISTANCE && group.certain >= PLAIN_CERTAIN && k >= MEMBERS;
        if !faint && !plain {
            return None;
        }
        let lean = self.content.lean(class, &group.members);
        let contradicted = lean.is_some_and(|l| l.contradicts());
        if !contradicted && !plain {
            return None;
        }
        let share = k as f64 / own.rows() as f64;
        if self.elsewhere(class, share, &group.pattern) {
            return None;
        }
        let (mut reasons, mut honest) = (Vec::new(), Vec::new());
        match lean {
            Some(l) if contradicted => {
                reasons.push(format!("apart from it they look like images of other classes ({})", l.says()));
            }
            _ if wave.is_some() => reasons.push("no honest image has a wave of one frequency all over".into()),
            _ => honest.push("they look like other images of the class: it may be how one source makes its images".into()),
        }
        if group.distance < DISTANCE.min(WAVE_DISTANCE) {
            honest.push("it is as faint as what images share by nature".into());
        }
        if share > COMMON {
            honest.push(format!("{:.0}% of the class have it: it may be how these images are made", 100.0 * share));
        }
        let variety = self.content.variety(class, &group.members);
        if variety < VARIETY {
            honest.push(format!("its images are alike beyond the pattern (variance {variety:.2} of the usual)"));
        }
        let action = if honest.is_empty() { Action::Quarantine } else { Action::Review };
        reasons.extend(honest);
        let change = self.change(&group.pattern);
        let cells = self.grid.width * self.grid.height;
        let contrast = (change.iter().take(cells).map(|v| f64::from(*v * *v)).sum::<f64>() / cells as f64).sqrt();
        let known = self.samples[class].iter().enumerate().map(|(i, (key, _))| (*key, group.members.binary_search(&i).is_ok())).collect();
        Some(Finding {
            class,
            action,
            reasons,
            members: k,
            sampled: own.rows(),
            distance: group.distance,
            contrast,
            change,
            wave,
            pattern: group.pattern.clone(),
            known,
        })
    }

    /// Whether images of other classes, each around the mean of its own, have the pattern too: of all of them, or
    /// of the one that has most. What many classes have is no trigger.
    fn elsewhere(&self, class: usize, share: f64, pattern: &Pattern) -> bool {
        let classes = self.samples.len();
        let each = (OTHERS / classes.saturating_sub(1).max(1)).clamp(8, 400);
        let (mut with, mut looked, mut worst) = (0usize, 0usize, 0f64);
        for other in (0..classes).filter(|o| *o != class) {
            let r = self.residuals(other, each);
            if r.rows() == 0 {
                continue;
            }
            let moved = pattern.around(search::centre(&r, 0..r.rows()));
            let hits = (0..r.rows()).filter(|i| moved.probability(r.value(*i), r.weight(*i)) > 0.5).count();
            (with, looked) = (with + hits, looked + r.rows());
            // One image of few is no share.
            worst = worst.max((hits as f64 - 1.0) / r.rows() as f64);
        }
        with as f64 > ELSEWHERE.0 * share * looked as f64 || worst > ELSEWHERE.1 * share
    }

    /// The pattern as a change of brightness and colours.
    fn change(&self, pattern: &Pattern) -> Vec<f32> {
        let cells = self.grid.width * self.grid.height;
        pattern.template.chunks_exact(cells).flat_map(|plane| integrated(plane, self.grid)).collect()
    }
}
