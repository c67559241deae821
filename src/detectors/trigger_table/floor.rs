//! The smallest poisoning that the table families would have found.

use super::content::logit;
use super::evidence::Told;
use super::{Class, Family, TableModel, decide, evidence};
use crate::rule::Floor;
use crate::stats::intervals::Z95;

/// What a family asks of its rows.
struct Asked {
    family: &'static str,
    /// Hypotheses behind it.
    tested: usize,
    /// Rows, at least.
    least: u64,
    /// Lower bound of the share that looks foreign.
    foreign: f64,
    /// Columns that the trigger stands in, at least; 1 or 2.
    columns: usize,
}

/// One line per class, and one more for its pairs.
pub fn floors(family: Family, model: &TableModel, rows: u64) -> Vec<Floor> {
    // A pair or a joint tail must show in the sample that they are looked for in.
    let sampled = |n: u64| (n * rows).div_ceil(model.mined.max(1)).max(n);
    let of = |asked: &Asked, lean: &dyn Fn(usize) -> f64| -> Vec<Floor> {
        let classes = model.classes.iter().zip(&model.told).enumerate();
        classes.map(|(k, (class, told))| floor(asked, class, &told[asked.columns - 1], rows, lean(k))).collect()
    };
    if family == Family::Tails {
        let least = sampled(evidence::ROWS);
        return of(
            &Asked { family: "joint tails", tested: model.tested_pairs, least, foreign: decide::FOREIGN_SPIKE, columns: 2 },
            &|_| 0.0,
        );
    }
    let none = |family: &str, reason: String, columns: &[String]| {
        vec![Floor { family: family.into(), reason: Some(reason), columns: columns.to_vec(), ..Floor::default() }]
    };
    // What holds for no number of rows, because the columns are what they are.
    let ruled = |family: &str, columns: &[String]| {
        let reason = |names| format!("values of {names} decide the label by themselves, so that one more is no surprise");
        list(columns).map_or_else(Vec::new, |names| none(family, reason(names), columns))
    };
    let least = model.least.max(decide::FEW);
    let values = Asked { family: "table values", tested: model.tested, least, foreign: decide::FOREIGN, columns: 1 };
    let mut all = of(&values, &|_| 0.0);
    all.extend(ruled("table values", &model.ruled[0]));
    match &model.pairs_skipped {
        None => {
            let least = sampled(decide::FEW);
            let pairs = Asked { family: "pairs of values", tested: model.tested_pairs, least, foreign: decide::FOREIGN, columns: 2 };
            all.extend(of(&pairs, &|k| model.leans.get(k).copied().unwrap_or(0.0)).into_iter().filter(|f| f.rows.is_some()));
            all.extend(ruled("pairs of values", &model.ruled[1]));
        }
        Some(reason) => all.extend(none("pairs of values", reason.clone(), &[])),
    }
    all
}

/// Names of columns, the first few.
fn list(names: &[String]) -> Option<String> {
    const SHOWN: usize = 3;
    let quoted: Vec<String> = names.iter().take(SHOWN).map(|n| format!("`{n}`")).collect();
    match names.len() {
        0 => None,
        n if n > SHOWN => Some(format!("{} and {} more columns", quoted.join(", "), n - SHOWN)),
        _ => Some(quoted.join(", ")),
    }
}

/// Normal quantile of 90% power on top of the one-sided 95% bound that a gate asks for.
const POWER: f64 = 1.281_551_565_544_600_4;

/// Fewest rows with which a value that is new to the table, planted into rows drawn from the other
/// classes, is quarantined nine times in ten: enough to be significant, to bound the share that looks
/// foreign, and to leave enough of the label unexplained, or to be a large and pure draw where that cannot be.
/// `lean` is what the halves of a pair give the class by themselves, in log-odds.
fn floor(asked: &Asked, class: &Class, told: &Told, rows: u64, lean: f64) -> Floor {
    let name = Some(class.name.clone());
    let none = |reason: String| Floor { family: asked.family.into(), class: name.clone(), reason: Some(reason), ..Floor::default() };
    let Some(contrast) = &told.contrast else { return none("too few rows of this class to learn what it looks like".into()) };
    let separation = contrast.separation();
    if separation < evidence::SEPARATION {
        let without = list(&told.without).map_or_else(String::new, |names| format!("without {names} "));
        return none(format!("{without}the other columns hardly tell this class apart (separation {separation:.2})"));
    }
    let prior = (class.rows as f64 / rows.max(1) as f64).clamp(1e-9, 1.0 - 1e-9);
    // What a row of the other classes is given for this one.
    let p = 1.0 / (1.0 + (-(logit(contrast.others) + logit(prior) + lean)).exp());
    // Rows that bound the foreign share.
    let foreign = |share: f64| {
        let error = (1.0 - share) * separation / (Z95 + POWER);
        let left = error * error - contrast.means_variance;
        (left > 0.0).then(|| contrast.others_variance / left)
    };
    let significant = (asked.tested.max(1) as f64 / decide::Q).ln() / -p.clamp(1e-9, 1.0 - 1e-9).ln();
    let room = 1.0 - decide::UNEXPLAINED - p;
    let unexplained = (room > 0.0).then(|| Z95 * Z95 * (decide::UNEXPLAINED + p) / room);
    let plain = unexplained.zip(foreign(asked.foreign)).map(|(a, b)| significant.max(a).max(b));
    let many = foreign(decide::FOREIGN_MANY).map(|b| significant.max(b).max(decide::MANY as f64));
    let Some(needed) = [plain, many].into_iter().flatten().min_by(f64::total_cmp) else {
        return none("too few rows, or classes too alike, to tell a draw of the others from a mixture".into());
    };
    let needed = (needed.ceil() as u64).max(asked.least);
    // An attack needs hosts: rows of the other classes, half of them at most.
    if needed > rows.saturating_sub(class.rows) / 2 {
        return none(format!("rows of the other classes are given this one with {:.0}% already", 100.0 * p));
    }
    Floor { family: asked.family.into(), class: name, rows: Some(needed), ..Floor::default() }
}
