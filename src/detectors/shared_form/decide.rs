//! Whether what the mixture found is a planted group, which honest explanation it has, and which rows
//! to accuse.

use super::views::{Mixture, Table, logit};
use crate::stats::intervals::{Z95, wilson};

/// The rows of the most telling form, as shares of all rows.
const GRID: [f64; 12] = [0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15, 0.2];
/// Rows beyond what content explains: this share of all rows and this many. Real corpora hold honest
/// groups of a form and a label below it (the feed of one agency was 0.7% of a news corpus).
const EXCESS: f64 = 0.01;
/// The group's rows carry the label this purely for certain: rows of the form with other labels are
/// few. Honest forms that lean to a label by nature stay below 0.7.
const PURITY: f64 = 0.8;
const EXCESS_ROWS: f64 = 50.0;
/// Unexplained share of the group, in its lower bound.
const UNEXPLAINED: f64 = 0.42;
/// The same where the content is read with all words of the skeleton: planted form is part of that
/// reading, so it is asked for less.
const UNEXPLAINED_FULL: f64 = 0.36;
const LEAN_FULL: f64 = 0.5;
const UNEXPLAINED_REVIEW: f64 = 0.36;
/// How far the labelled rows of the group have come from a random draw of other labels (0) towards
/// honest rows of their own (1).
const LEAN: f64 = 0.35;
const LEAN_REVIEW: f64 = 0.45;
/// Where the mixture takes more of the label's rows for planted than this, the label is a form by nature.
pub const MOST_OF_LABEL: f64 = 0.35;
/// Content must tell the label from the others, else nothing contradicts it.
const TOLD_APART: f64 = 0.2;
/// A word in this share of the group that comes with the label this purely (0 chance, 1 always)
/// explains the rows that hold it: they share a token, not a form.
const COVERS: f64 = 0.25;
const PURE: f64 = 0.8;
/// And so does one in nearly all of the group, if it leans to the label at all.
const COVERS_MOST: f64 = 0.8;
const LEANS: f64 = 0.2;
const WORDS: usize = 12;
/// How much form may count beside content in the ranking: whichever accuses most rows.
const WEIGHTS: [f64; 4] = [1.0, 2.0, 4.0, 8.0];
/// Share of accused rows that have to be planted, by the estimate from rows of other labels.
const PRECISION: f64 = 0.93;
/// How often the form is learned from the rows it accused, as long as it accuses more: each time the same
/// share of them has to be planted.
const MOST_SHARPENED: usize = 8;
/// A row of another label that looks as planted stands for so many honest rows of the label at least:
/// honest forms lean to a label more than their content does. With it, between 79% and 97% of the
/// accused rows of eleven rewritten corpora were planted; without it, 55% to 84%.
const HONEST: f64 = 0.4;

/// What the group says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    pub rows: usize,
    pub labelled: usize,
    pub expected: f64,
    pub unexplained_lower: f64,
    /// Share of the group that has the label, its lower bound.
    pub purity: f64,
    pub lean: f64,
    pub z: f64,
    /// (labelled - expected) / all rows.
    pub excess: f64,
}

#[derive(Debug, Clone)]
pub struct Found {
    pub class: u32,
    pub test: Test,
    /// Share of the label's rows that the mixture takes for planted.
    pub of_label: f64,
    /// Passes every gate of `quarantine`, not those of `review` alone.
    pub sure: bool,
    /// Words whose rows are explained by them.
    pub explained: Vec<u32>,
    /// How much form counts beside content, and the least sum of an accused row.
    pub weight: f64,
    pub threshold: f64,
    /// Sampled rows that are accused, and those of other labels that look like them.
    pub accused: Vec<u32>,
    pub others: usize,
}

/// Log-odds that rank rows by how likely they were planted, if they have the label.
pub fn rank(p: f64, lean: f64, weight: f64) -> f64 {
    weight * lean - logit(p)
}

/// The group at every size, by one reading of the content.
fn tests(table: &Table, m: &Mixture, p: &[f64], class: u32, order: &[u32]) -> Vec<Test> {
    let n = table.rows() as f64;
    let (mut others, mut honest) = ((0.0, 0.0), (0.0, 0.0));
    for (i, &p) in p.iter().enumerate() {
        let (into, w) = if table.class[i] == class { (&mut honest, 1.0 - m.planted[i]) } else { (&mut others, 1.0) };
        *into = (into.0 + w * p, into.1 + w);
    }
    let (drawn, own) = (others.0 / others.1.max(1e-9), honest.0 / honest.1.max(1e-9));
    if own - drawn < TOLD_APART {
        return Vec::new();
    }
    let mut out = Vec::new();
    let (mut labelled, mut expected, mut variance, mut says, mut at) = (0usize, 0.0, 0.0, 0.0, 0);
    for share in GRID {
        let k = (share * n) as usize;
        if k > order.len() {
            break;
        }
        for &i in &order[at..k] {
            let (i, p) = (i as usize, p[i as usize]);
            expected += p;
            variance += p * (1.0 - p);
            if table.class[i] == class {
                labelled += 1;
                says += p;
            }
        }
        at = k;
        let excess = labelled as f64 - expected;
        let purity = wilson(labelled as f64, k.max(1) as f64, Z95).0;
        out.push(Test {
            rows: k,
            labelled,
            expected,
            unexplained_lower: purity - expected / k.max(1) as f64,
            purity,
            lean: (says / labelled.max(1) as f64 - drawn) / (own - drawn),
            z: excess / (variance + 0.25f64).sqrt(),
            excess: excess / n,
        });
    }
    out
}

/// The most telling size at which every reading of the content passes, the last one by looser gates;
/// what the first of them says.
fn best(readings: &[Vec<Test>; 3], rows: f64, unexplained: f64, lean: f64) -> Option<Test> {
    let passes = |t: &Test, unexplained: f64, lean: f64| {
        t.excess >= EXCESS.max(EXCESS_ROWS / rows) && t.purity >= PURITY && t.unexplained_lower >= unexplained && t.lean <= lean
    };
    let value = |t: &Test| t.unexplained_lower - t.lean.max(0.0);
    let sizes = readings.iter().map(Vec::len).min()?;
    (0..sizes)
        .filter(|&i| passes(&readings[0][i], unexplained, lean) && passes(&readings[1][i], unexplained, lean))
        .filter(|&i| passes(&readings[2][i], UNEXPLAINED_FULL, LEAN_FULL))
        .map(|i| readings[0][i])
        .max_by(|a, b| value(a).total_cmp(&value(b)))
}

/// Words that explain the group by themselves.
fn words(table: &Table, class: u32, group: &[u32], explains: &[bool]) -> Vec<u32> {
    let mut cover = vec![0u32; table.words.width];
    let own: Vec<u32> = group.iter().copied().filter(|&i| table.class[i as usize] == class).collect();
    for &i in &own {
        table.words.row(i as usize).iter().for_each(|&w| cover[w as usize] += 1);
    }
    let frequent: Vec<u32> =
        (0..cover.len() as u32).filter(|&w| explains[w as usize] && f64::from(cover[w as usize]) >= COVERS * own.len() as f64).collect();
    let share = table.class.iter().filter(|&&c| c == class).count() as f64 / table.rows().max(1) as f64;
    frequent
        .into_iter()
        .filter(|w| {
            let (mut with, mut labelled) = (0.0f64, 0.0f64);
            for i in 0..table.rows() {
                if table.words.row(i).binary_search(w).is_ok() {
                    with += 1.0;
                    labelled += f64::from(u8::from(table.class[i] == class));
                }
            }
            let lift = (labelled / with.max(1.0) - share) / (1.0 - share).max(1e-9);
            let most = f64::from(cover[*w as usize]) >= COVERS_MOST * own.len() as f64;
            lift >= if most { LEANS } else { PURE }
        })
        .collect()
}

/// All rows, those of the group's form first, without the explained ones.
fn order(table: &Table, m: &Mixture, explained: &[u32]) -> Vec<u32> {
    let holds = |i: usize| table.words.row(i).iter().any(|w| explained.binary_search(w).is_ok());
    let mut order: Vec<u32> = (0..table.rows()).filter(|&i| explained.is_empty() || !holds(i)).map(|i| i as u32).collect();
    order.sort_by(|&a, &b| m.lean[b as usize].total_cmp(&m.lean[a as usize]).then(a.cmp(&b)));
    order
}

/// Judges the mixture of one label. `explains[word]`: it is no mere punctuation.
pub fn decide(table: &Table, counts: &[u32], m: &mut Mixture, class: u32, explains: &[bool]) -> Option<Found> {
    let n = table.rows() as f64;
    let mut explained: Vec<u32> = Vec::new();
    let [without, full] = m.readings(table, class);
    let of_label = m.planted.iter().sum::<f64>() / table.class.iter().filter(|&&c| c == class).count().max(1) as f64;
    let by_nature = of_label > MOST_OF_LABEL;
    let mut passed: Option<(Test, bool)> = None;
    // The best of the forms that were learned from accused rows, and how often one was.
    let mut best_of: Option<(Mixture, Found)> = None;
    let mut sharpened = 0;
    while explained.len() <= WORDS {
        let order = order(table, m, &explained);
        let (test, sure) = match passed {
            Some(t) => t,
            None => {
                let all = [&m.p, &without, &full].map(|p| tests(table, m, p, class, &order));
                match best(&all, n, UNEXPLAINED, LEAN) {
                    Some(t) => (t, !by_nature),
                    None => (best(&all, n, UNEXPLAINED_REVIEW, LEAN_REVIEW)?, false),
                }
            }
        };
        let mut new = if passed.is_none() { words(table, class, &order[..test.rows], explains) } else { Vec::new() };
        if new.is_empty() {
            let (weight, threshold, accused, others) = WEIGHTS
                .into_iter()
                .map(|weight| {
                    let (threshold, accused, others) = accuse(table, m, class, &order, weight);
                    (weight, threshold, accused, others)
                })
                .reduce(|a, b| if b.2.len() > a.2.len() { b } else { a })?;
            let enough = accused.len() as f64 >= EXCESS_ROWS / 2.0;
            if !enough && best_of.is_none() {
                return None;
            }
            new = words(table, class, &accused, explains);
            let worse = best_of.as_ref().is_some_and(|(_, b)| accused.len() <= b.accused.len());
            if new.is_empty() && sharpened > 0 && !worse {
                let found = Found {
                    class,
                    test,
                    of_label,
                    sure,
                    explained: explained.clone(),
                    weight,
                    threshold,
                    accused: accused.clone(),
                    others,
                };
                best_of = Some((m.clone(), found));
            }
            if new.is_empty() && (worse || sharpened == MOST_SHARPENED) {
                let (best, found) = best_of?;
                *m = best;
                return Some(found);
            }
            if new.is_empty() {
                m.sharpen(table, counts, class, &accused);
                sharpened += 1;
                passed = Some((test, sure));
            } else {
                (passed, best_of, sharpened) = (None, None, 0);
            }
        }
        explained.extend(new);
        explained.sort_unstable();
    }
    None
}

/// The largest set of labelled rows, by rank, of which enough are planted. Rows of other labels that
/// rank as high say how many honest ones are among them: where content gives the label p, honest rows
/// are p / (1 - p) as many as those.
fn accuse(table: &Table, m: &Mixture, class: u32, rows: &[u32], weight: f64) -> (f64, Vec<u32>, usize) {
    let mut ranked: Vec<(f64, u32)> = rows.iter().map(|&i| (rank(m.p[i as usize], m.lean[i as usize], weight), i)).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let (mut labelled, mut honest, mut variance, mut others) = (0usize, 0.0f64, 0.0f64, 0usize);
    let mut chosen = (f64::INFINITY, 0usize, 0usize);
    for (at, &(z, i)) in ranked.iter().enumerate() {
        if z <= 0.0 {
            break;
        }
        let i = i as usize;
        if table.class[i] == class {
            labelled += 1;
        } else {
            let odds = (m.p[i] / (1.0 - m.p[i])).max(HONEST);
            others += 1;
            honest += odds;
            variance += odds * odds;
        }
        let sure = honest + variance.sqrt() + 0.5;
        if labelled > 0 && sure <= (1.0 - PRECISION) * labelled as f64 {
            chosen = (z, at + 1, others);
        }
    }
    let accused = ranked[..chosen.1].iter().map(|r| r.1).filter(|&i| table.class[i as usize] == class).collect();
    (chosen.0, accused, chosen.2)
}

/// Fewest planted rows, of so many in all, that a run of this kind sees: twice the excess that accuses,
/// because about half of the planted rows stand out (measured on rewritten sentences and news).
pub fn floor(rows: u64, sampled: u64) -> u64 {
    let share = EXCESS.max(EXCESS_ROWS / sampled.max(1) as f64);
    (2.0 * share * rows as f64).ceil() as u64
}

/// Bound of the chance that any group of any label stands out by so many standard errors.
pub fn chance(z: f64, labels: usize) -> f64 {
    ((-z * z / 2.0).exp() * (labels.max(1) * GRID.len()) as f64).min(1.0)
}
