//! From evidence to accusations: which values and pairs are taken out, which are shown for review, and which an
//! honest explanation covers.

use super::content::logit;
use super::evidence::{Evidence, Finding, ROWS, Weighed};
use super::nominate::{SPIKE, most_rows};
use super::{Family, LEAST, Part};
use crate::features::table::{code_number, mix};
use crate::rule::Action;
use crate::stats::intervals::{Z95, wilson};
use crate::stats::multiple::benjamini_hochberg;

// The gates were chosen on 704 labellings of 291 clean tables (teaching sets of R packages and benchmark sets for
// classifiers, up to three columns with 2 to 12 values taken as the label in turn). On them one pair was accused, 45 of
// 4.8 million rows. On 795 labellings of 311 other tables it was six pairs in four labellings, 333 of 3.8 million rows;
// only what is said below of columns with two values was learned from these.

/// False discovery rate of accused values.
pub const Q: f64 = 0.01;
/// Label share left unexplained by other columns and neighbouring values, lower bound.
pub const UNEXPLAINED: f64 = 0.20;
/// Lower bound of the share of rows that look like the other classes. Where a column's values do not decide the label
/// one by one, natural values with this share are no random draw.
pub const FOREIGN: f64 = 0.50;
/// The same with fewer rows than [`FEW`]: a dozen rows of one label are a random draw of anything now and then.
pub const FOREIGN_SPIKE: f64 = 0.70;
/// The same with fewer rows than [`MANY`] among values that are as frequent: where one label in twenty is wrong, a column's
/// values no longer decide it, and of 27 natural ones of such columns three reached 0.78 to 0.91. It costs 2 in 100 planted
/// ones.
const FOREIGN_ALONE: f64 = 0.85;
pub const FEW: u64 = 25;
/// Labelled rows that a pair rests on: far more of them come across by chance.
const PAIR_ROWS: u64 = 20;
/// Share of the other values of a column that decide the label by themselves, from which one more is a surprise only if
/// it is foreign beyond doubt in [`MANY`] rows; and from which it is none.
pub const RULED: f64 = 0.15;
const RULES: f64 = 0.50;
const FOREIGN_RULED: f64 = 0.88;
/// Times as frequent as the values around it, from which on a value that is foreign needs no further witness. Five
/// natural values that tower like this were foreign at all, and none had one label.
const TOWER: f64 = 5.0;
const FOREIGN_TOWER: f64 = 0.40;
/// Log10 of the probability, over all columns, that rows drawn from the other classes differ as much
/// as these do. A planted value fails this gate once in a hundred; natural spikes score -1.6 to -15.
const DRAWN: f64 = -2.0;
/// The same below [`FEW`] rows, where the test sees little.
const DRAWN_FEW: f64 = -1.5;
/// The same for a foreign tower: an attacker may choose his rows, and then they are no random draw.
const CHOSEN: f64 = -6.0;
/// Standard errors by which the rows may look more like other classes than these do themselves, and less.
const BEYOND: f64 = 3.0;
const SHORT: f64 = -2.33;
/// A value or pair with this many rows, nearly all of one label, that are a random draw from the other classes is a
/// surprise even where the label is common or each half of the pair leans to it.
pub const MANY: u64 = 50;
const NEARLY_ALL: f64 = 0.90;
pub const FOREIGN_MANY: f64 = 0.75;
const DRAWN_MANY: f64 = -1.5;
/// Times as frequent as its values would meet by chance: from here on a pair whose values both lean to its label is
/// strange all the same. Natural pairs of this kind have 0.6 to 1.6, and one of their columns has but two values (those
/// that one category was spread over); without such a column the pair is strange at any frequency.
const LIFT: f64 = 3.0;
/// A natural value that nearly always has a label takes it along into its pairs: where the two values by themselves give it more
/// than three times the odds and this share, the rows must be foreign beyond doubt ([`FOREIGN_RULED`]). Where all rows
/// have the label as often, it tells nothing in either direction.
const LEAN: f64 = 1.1;
const DECIDES: f64 = 0.9;
/// Rows that are foreign beyond doubt may differ a little more: a draw is a draw in 99 of 100 tables.
const FOREIGN_SURE: f64 = 0.93;
const DRAWN_SURE: f64 = -4.0;
/// Groups for review that a reader can be asked to read.
const REVIEWS: usize = 12;
/// The same for pairs, of which there are far more to come across.
const PAIR_REVIEWS: usize = 3;
/// Share of the rarer value's rows that a pair may be. Redundant columns (a square, a code beside its name) have natural
/// pairs with all of them: that is one value under two names.
const PART: f64 = 0.9;
/// More accused pairs than this are the nature of the table (labels made by rules over columns).
const PAIRS: usize = 3;
/// Foreign share of a value's rows beside an accused pair, below which the pair explains the value.
const BESIDE: f64 = 0.6;

impl Weighed {
    /// Whether nearly all rows have the label.
    fn is_pure(&self) -> bool {
        wilson(self.labelled as f64, self.rows as f64, Z95).0 >= NEARLY_ALL
    }
    /// Large, nearly all of one label, and a random draw of rows that look like other classes.
    fn many(&self) -> bool {
        self.keys.len() as u64 >= MANY && self.is_pure() && self.foreign >= FOREIGN_MANY && self.drawn >= DRAWN_MANY
    }
    fn is_tower(&self) -> bool {
        self.spike.is_some_and(|s| s >= TOWER)
    }
    /// Whether the rows are, in every other column, a random draw of the other classes.
    fn is_drawn(&self) -> bool {
        let sure = self.foreign >= FOREIGN_SURE && self.keys.len() as u64 >= 2 * MANY;
        let few = (self.keys.len() as u64) < FEW;
        self.drawn
            >= if sure {
                DRAWN_SURE
            } else if few {
                DRAWN_FEW
            } else {
                DRAWN
            }
    }
    /// Whether the other columns speak of a random draw as clearly as its size allows.
    fn is_as_foreign(&self) -> bool {
        self.beyond <= BEYOND && (self.beyond >= SHORT || self.foreign >= FOREIGN_SPIKE)
    }
    /// Whether values that decide the label are the nature of the column.
    fn is_common(&self) -> bool {
        self.ruled >= RULES || (self.ruled >= RULED && (self.keys.len() as u64) < MANY)
    }
    /// Lower bound of the share of foreign rows that is asked for.
    fn needed(&self) -> f64 {
        if self.is_tower() {
            FOREIGN_TOWER
        } else if self.ruled >= RULED {
            FOREIGN_RULED
        } else if (self.keys.len() as u64) < MANY && self.spike.is_some_and(|s| s < SPIKE) {
            FOREIGN_ALONE
        } else if self.keys.len() as u64 >= FEW {
            FOREIGN
        } else if self.spike.is_some_and(|s| s >= SPIKE) {
            FOREIGN_SPIKE
        } else {
            FOREIGN_ALONE
        }
    }
    /// Rows beside a pair: how many, the share of them that has the label, and their mean share of foreign rows.
    fn beside(&self, pair: &Weighed) -> (u64, f64, f64) {
        let (rows, labelled) = (self.rows.saturating_sub(pair.rows), self.labelled.saturating_sub(pair.labelled));
        let rest = self.keys.range(..=self.limit.min(pair.limit)).filter(|(k, _)| !pair.keys.contains_key(k));
        let rest: Vec<f64> = rest.map(|(_, p)| *p).collect();
        let mean = rest.iter().sum::<f64>() / rest.len().max(1) as f64;
        (rest.len() as u64, labelled as f64 / rows.max(1) as f64, (self.contrast.members - mean) / self.contrast.separation())
    }
    /// Whether a value is honest once the rows of an accused pair are taken out: what remains has other
    /// labels too, and its rows look like their label. A planted value leaves nothing of the kind.
    fn explained_by(&self, pair: &Weighed, prior: f64) -> bool {
        let (rows, labelled, foreign) = self.beside(pair);
        labelled < 0.5 * (1.0 + prior) && (rows < LEAST || foreign < BESIDE)
    }
    /// Whether a pair is but a part of a value's rows: those beside it are of the same kind.
    fn explains(&self, pair: &Weighed, prior: f64) -> bool {
        let (rows, labelled, foreign) = self.beside(pair);
        rows >= LEAST && labelled >= 0.5 * (1.0 + prior) && foreign >= BESIDE
    }
}

impl Evidence<'_> {
    /// The accused values and pairs, and those for review, strongest first.
    pub fn decide(&self, singles: Vec<Weighed>, pairs: Vec<Weighed>) -> Vec<Finding> {
        let prior = |w: &Weighed| self.prior(w);
        let part_of = |single: &Weighed, pair: &Weighed| {
            let (one, two) = (&self.model.candidates[single.index], &self.model.candidates[pair.index]);
            one.class == two.class && two.parts.contains(&one.parts[0])
        };
        let joints = with_q(pairs, self.model.tested_pairs).into_iter().filter(|(w, q)| self.is_strange(w, *q));
        let joints = joints.filter(|(p, _)| !singles.iter().any(|s| part_of(s, p) && s.explains(p, prior(s))));
        // Pairs: those that are accused first, then the largest, so that a part of one comes after it.
        let mut joints: Vec<(Finding, Weighed)> = joints.filter_map(|(w, q)| Some((self.joint(&w, q)?, w))).collect::<Vec<_>>();
        joints.sort_by(|a, b| b.0.action.cmp(&a.0.action).then(b.1.labelled.cmp(&a.1.labelled)).then(a.0.parts.cmp(&b.0.parts)));
        let explained =
            |w: &Weighed| joints.iter().any(|(f, p)| f.action == Action::Quarantine && part_of(w, p) && w.explained_by(p, prior(w)));
        let mut values: Vec<(Finding, Weighed)> = Vec::new();
        for (w, q) in significant(singles, self.model.tested) {
            if !explained(&w) {
                values.push((self.finding(&w, q), w));
            }
        }
        // A pair that is all but a few rows of a value with an honest explanation has the same one.
        let rides = |p: &Weighed| {
            let mut doubtful = values.iter().filter(|(f, _)| f.action == Action::Review);
            doubtful.any(|(_, w)| part_of(w, p) && w.beside(p).0 < LEAST)
        };
        joints.retain(|(_, p)| !rides(p));
        // What is accused comes first: a suspicion that an honest explanation covers must not hide it.
        let split = |all: Vec<(Finding, Weighed)>| all.into_iter().partition(|(f, _): &(Finding, _)| f.action == Action::Quarantine);
        let (accused, doubtful) = split(values);
        let (accused_pairs, doubtful_pairs) = split(joints);
        let mut taken: Vec<Weighed> = Vec::new();
        let mut findings = disjoint(accused, usize::MAX, &mut taken);
        let mut pairs = disjoint(accused_pairs, usize::MAX, &mut taken);
        let accused = pairs.len();
        if self.rule.family == Family::Values && accused > PAIRS {
            pairs.truncate(PAIR_REVIEWS);
            for finding in &mut pairs {
                finding.action = Action::Review;
                finding.score = 0.3;
                finding.reasons.push(format!("{accused} pairs of this table do so: its labels may follow rules over columns"));
            }
        }
        findings.extend(pairs);
        findings.extend(disjoint(doubtful, REVIEWS, &mut taken));
        findings.extend(disjoint(doubtful_pairs, PAIR_REVIEWS, &mut taken));
        findings.sort_by_key(|f| std::cmp::Reverse(f.action));
        findings
    }

    /// Share of all rows that has the label.
    fn prior(&self, w: &Weighed) -> f64 {
        self.model.content.as_ref().map_or(0.0, |c| c.prior[self.model.candidates[w.index].class])
    }

    /// Whether the label of two conditions together is a surprise.
    fn is_strange(&self, w: &Weighed, q: f64) -> bool {
        match self.rule.family {
            Family::Values => {
                let k = &self.model.candidates[w.index];
                let table: u64 = self.model.classes.iter().map(|c| c.rows).sum();
                let prior = self.prior(w);
                let decides = prior < DECIDES && w.shift > LEAN && logit(prior) + w.shift > logit(DECIDES);
                let plain = (!decides || w.foreign >= FOREIGN_RULED)
                    && w.rows <= most_rows(table)
                    && !k.parts.iter().any(|p| self.model.is_one_of_two(*p));
                (q <= Q && (w.unexplained >= UNEXPLAINED || w.many())) || (w.many() && (w.shift <= 0.0 || w.lift >= LIFT || plain))
            }
            // Joint tails are rare by themselves: where most rows have the label, it need not be a surprise.
            Family::Tails => q <= Q || w.many(),
        }
    }

    fn finding(&self, w: &Weighed, q: f64) -> Finding {
        let k = &self.model.candidates[w.index];
        let name = |c: usize| self.rule.columns[self.model.used[c]].0.as_str();
        let mut reasons = Vec::new();
        let mut honest = Vec::new();
        if let Some(spike) = w.spike.filter(|s| *s >= SPIKE) {
            reasons.push(format!("{spike:.0} times as frequent as the values around it"));
        }
        reasons
            .push(format!("at least {:.0}% of its rows look like other classes in the other columns", 100.0 * w.foreign.clamp(0.0, 1.0)));
        if k.labelled < ROWS {
            honest.push(format!("only {} rows", k.labelled));
        }
        if self.model.is_one_of_two(k.parts[0]) {
            honest.push("its column has two values: of columns that one category was spread over, one excludes the others".into());
        }
        if w.foreign < FOREIGN.min(w.needed()) {
            honest.push(format!("its rows may partly be honest: the bound is {:.0}%", 100.0 * w.foreign));
        } else if (w.is_common() && !w.is_tower()) || (w.foreign < w.needed() && w.ruled >= RULED) {
            honest.push(format!("{:.0}% of the other values of its column decide the label as well", 100.0 * w.ruled));
        } else if w.foreign < w.needed() {
            honest.push("too few rows to be sure, and it does not stand out from the values around it".into());
        }
        let chosen = w.is_tower() && w.foreign >= FOREIGN_ALONE && w.drawn >= CHOSEN;
        if !w.is_drawn() && !chosen {
            let column = w.drawn_column.map_or("another column", name);
            honest.push(format!(
                "its rows are no random draw from the other classes: they differ in `{column}` (p {:.0e}), as those of a natural value do",
                10f64.powf(w.drawn)
            ));
        } else if !w.is_as_foreign() && !chosen && !w.is_tower() {
            let than = if w.beyond > 0.0 { "further from" } else { "nearer to" };
            honest.push(format!("its rows are no random draw from the other classes: they are {than} the label than these"));
        }
        self.accuse(w, q, honest.is_empty(), w.foreign, reasons.into_iter().chain(honest).collect())
    }

    /// Two conditions together; `None` when too little speaks against them to be worth a look.
    fn joint(&self, w: &Weighed, q: f64) -> Option<Finding> {
        let (mut reasons, mut honest) = (Vec::new(), Vec::new());
        reasons
            .push(format!("at least {:.0}% of its rows look like other classes in the other columns", 100.0 * w.foreign.clamp(0.0, 1.0)));
        let needed = match self.rule.family {
            // Where the label is no surprise, only the rows speak.
            Family::Values if q > Q || w.unexplained < UNEXPLAINED => FOREIGN_MANY,
            Family::Values => w.needed(),
            Family::Tails => {
                reasons.push("cut off from all other rows in all these columns at once".into());
                FOREIGN_SPIKE
            }
        };
        let rows = if self.rule.family == Family::Values { PAIR_ROWS } else { ROWS };
        if w.labelled < rows {
            honest.push(format!("only {} rows", w.labelled));
        }
        if self.rule.family == Family::Values && self.model.candidates[w.index].parts.iter().all(|p| self.model.is_one_of_two(*p)) {
            honest.push("both columns have two values: the label may follow a rule over such columns".into());
        }
        if self.rule.family == Family::Values && (w.part > PART || w.is_common()) {
            return None;
        }
        if w.foreign < needed.min(FOREIGN_SPIKE) {
            return None;
        }
        if w.foreign < needed {
            honest.push(format!("its rows may partly be honest: the bound is {:.0}%", 100.0 * w.foreign));
        }
        if self.rule.family == Family::Values && !(w.is_drawn() && w.is_as_foreign()) {
            return None;
        }
        if !w.is_drawn() {
            let name = |c: usize| self.rule.columns[self.model.used[c]].0.as_str();
            let column = w.drawn_column.map_or("another column", name);
            honest.push(format!(
                "its rows are no random draw from the other classes: they differ in `{column}` (p {:.0e})",
                10f64.powf(w.drawn)
            ));
        }
        Some(self.accuse(w, q, honest.is_empty(), w.foreign, reasons.into_iter().chain(honest).collect()))
    }

    fn accuse(&self, w: &Weighed, q: f64, quarantine: bool, foreign: f64, reasons: Vec<String>) -> Finding {
        let k = &self.model.candidates[w.index];
        let name = |p: &Part| self.rule.columns[self.model.used[p.column]].0.as_str();
        let (key, said): (Vec<String>, Vec<String>) = match self.rule.family {
            Family::Values => {
                let shown = self.tests.shown[w.index].clone().unwrap_or_default();
                let both = |(p, s): (&Part, &String)| (format!("{}={s}", name(p)), format!("{} is {s}", name(p)));
                k.parts.iter().zip(&shown).map(both).unzip()
            }
            Family::Tails => {
                let range = |p: &Part| {
                    let (sign, words, edge) = if p.to == u64::MAX { (">", "above", p.from) } else { ("<", "below", p.to) };
                    let edge = code_number(edge);
                    (format!("{}{sign}{edge}", name(p)), format!("{} is {words} {edge}", name(p)))
                };
                k.parts.iter().map(range).unzip()
            }
        };
        Finding {
            parts: k.parts.clone(),
            class: k.class,
            class_name: self.model.classes[k.class].name.clone(),
            key: key.join(" & "),
            said: said.join(" and "),
            rows: w.rows,
            labelled: w.labelled,
            action: super::action(quarantine),
            score: if quarantine { foreign.clamp(0.5, 0.99) } else { 0.3 },
            unexplained: w.unexplained,
            q,
            expected: w.expected,
            shift: w.shift,
            contrast: w.contrast,
            reasons,
            seed: mix(self.plan.seed ^ 0x7ab1e),
        }
    }
}

/// The findings that do not ride on the rows of an earlier one, at most so many.
fn disjoint(family: Vec<(Finding, Weighed)>, most: usize, taken: &mut Vec<Weighed>) -> Vec<Finding> {
    let mut kept = Vec::new();
    for (finding, w) in family {
        if kept.len() < most && !taken.iter().any(|t| w.within(t) > 0.5) {
            taken.push(w);
            kept.push(finding);
        }
    }
    kept
}

/// Values whose label the rest of their rows leaves unexplained, the least probable first.
fn significant(weighed: Vec<Weighed>, tested: usize) -> Vec<(Weighed, f64)> {
    // Where nearly every row has the label it is no surprise; then a value must tower over its neighbours, or what these
    // say must be the contrary, and its rows be foreign beyond doubt where it does not.
    let surprising = |w: &Weighed, q: f64| {
        let far = w.spike.is_none_or(|s| s >= TOWER) || w.foreign >= FOREIGN_ALONE;
        (q <= Q && (w.unexplained >= UNEXPLAINED || w.many())) || (w.is_pure() && w.is_tower()) || (w.many() && w.shift <= 0.0 && far)
    };
    let strong = |(w, q): &(Weighed, f64)| surprising(w, *q) && w.foreign >= FOREIGN_TOWER;
    let mut kept: Vec<(Weighed, f64)> = with_q(weighed, tested).into_iter().filter(strong).collect();
    kept.sort_by(|a, b| a.0.ln_p.total_cmp(&b.0.ln_p).then(a.0.index.cmp(&b.0.index)));
    kept
}

fn with_q(weighed: Vec<Weighed>, tested: usize) -> Vec<(Weighed, f64)> {
    let p: Vec<f64> = weighed.iter().map(|w| w.ln_p.exp()).collect();
    let q = benjamini_hochberg(&p, tested);
    weighed.into_iter().zip(q).collect()
}
