//! The smallest poisoning that the table families would have found.

use super::content::{Contrast, logit};
use super::{Class, Family, TableModel, evidence};
use crate::rule::Floor;
use crate::stats::intervals::Z95;

/// One line per class, and one more for its pairs.
pub fn floors(family: Family, model: &TableModel, rows: u64) -> Vec<Floor> {
    // A pair or a joint tail must show in the sample that they are looked for in.
    let distinct = (evidence::ROWS * rows).div_ceil(model.mined.max(1)).max(evidence::ROWS);
    let classes = || model.classes.iter().zip(&model.contrasts);
    let of = |name: &str, tested: usize, least: u64| -> Vec<Floor> {
        classes().map(|(class, contrast)| floor(name, class, contrast.as_ref(), tested, rows, least)).collect()
    };
    match (family, &model.pairs_skipped) {
        (Family::Tails, _) => of("joint tails", model.tested_pairs, distinct),
        (Family::Values, None) => {
            let values = of("table values", model.tested, model.least);
            let pairs = of("pairs of values", model.tested_pairs, distinct);
            values.into_iter().chain(pairs.into_iter().filter(|f| f.rows.is_some())).collect()
        }
        (Family::Values, Some(reason)) => {
            let mut all = of("table values", model.tested, model.least);
            all.push(Floor { family: "pairs of values".into(), class: None, rows: None, reason: Some(reason.clone()) });
            all
        }
    }
}

/// Normal quantile of 90% power on top of the one-sided 95% bound that a gate asks for.
const POWER: f64 = 1.281_551_565_544_600_4;

/// Fewest rows with which a value that is new to the table, planted into rows drawn from the other
/// classes, is quarantined nine times in ten: enough to be significant, to bound the share that looks
/// foreign, and to leave enough of the label unexplained.
fn floor(family: &str, class: &Class, contrast: Option<&Contrast>, tested: usize, rows: u64, least: u64) -> Floor {
    let name = Some(class.name.clone());
    let none = |reason: String| Floor { family: family.into(), class: name.clone(), rows: None, reason: Some(reason) };
    let Some(contrast) = contrast else { return none("too few rows of this class to learn what it looks like".into()) };
    let separation = contrast.separation();
    if separation < evidence::SEPARATION {
        return none(format!("the other columns hardly tell this class apart (separation {separation:.2})"));
    }
    let prior = (class.rows as f64 / rows.max(1) as f64).clamp(1e-9, 1.0 - 1e-9);
    // What a row of the other classes is given for this one.
    let p = 1.0 / (1.0 + (-(logit(contrast.others) + logit(prior))).exp());
    let room = 1.0 - evidence::UNEXPLAINED - p;
    // In the least favourable column: its values repeat as often as the planted one.
    let spread = 1.0 - evidence::FOREIGN_ALONE;
    let error = spread * separation / (Z95 + POWER);
    let left = error * error - contrast.means_variance;
    if room <= 0.0 {
        return none(format!("rows of the other classes are given this one with {:.0}% already", 100.0 * p));
    }
    if left <= 0.0 {
        return none("too few rows, or classes too alike, to promise that a value as common as its neighbours is found".into());
    }
    let significant = (tested.max(1) as f64 / evidence::Q).ln() / -p.clamp(1e-9, 0.99).ln();
    let foreign = contrast.others_variance / left;
    let unexplained = Z95 * Z95 * (evidence::UNEXPLAINED + p) / room;
    let needed = significant.max(foreign).max(unexplained).ceil() as u64;
    Floor { family: family.into(), class: name, rows: Some(needed.max(evidence::ROWS).max(least)), reason: None }
}
