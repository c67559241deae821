//! Two views of sampled rows and the mixture over them: content says what a row's label should be,
//! form says whether the row belongs to a group; rows of the group are what form and content agree on.
//!
//! For one label y, a row with it is either honest (content of y, form of any row) or planted (content
//! of the other labels, a form of its own). The two steps of the mixture are those of EM:
//! responsibilities from both views, then both views anew from the responsibilities. Form is learned
//! against *all* other rows: a form that rows of other labels have as well explains nothing.

use crate::stats::calibration::Isotonic;

/// Every model is read by rows of a fold that it has not seen.
/// Four stand side by side in a vector register.
pub const FOLDS: usize = 4;
/// No word argues harder, in log-odds.
const CLIP: f64 = 2.0;
/// Pseudo-rows at the label's share behind every word.
const PRIOR: f64 = 2.0;
/// P(label | content) stays within this and its complement.
const LEAST: f64 = 0.005;
/// Ridge of the form view: fifty rows without a lean stand behind every feature.
const RIDGE: f64 = 50.0;
/// Step of the stochastic gradient, and the squared gradient it starts from. With a hundred features
/// per row the first rows move a margin by about one.
const STEP: f32 = 0.1;
const START: f32 = 10.0;
/// Content argues at most this hard, in log-odds, where form is first fitted on top of it.
const OFFSET: f64 = 2.5;
/// What a word of the skeleton counts in the content view, where an honest `not` belongs and a planted
/// `when` does not.
pub const KEPT: f32 = 0.25;
/// Rounds that start the mixture and rounds of the mixture. More change the groups by a few rows.
const STARTS: usize = 2;
const ROUNDS: usize = 5;
/// Passes over the rows: from nothing, and from the round before.
const PASSES: usize = 4;
const AGAIN: usize = 2;
/// Below this share of all rows there is nothing to follow.
pub const NEGLIGIBLE: f64 = 0.002;

/// Rows of sorted, distinct feature numbers.
#[derive(Debug, Default)]
pub struct Sparse {
    at: Vec<usize>,
    ids: Vec<u32>,
    pub width: usize,
}

impl Sparse {
    pub fn new(width: usize) -> Sparse {
        Sparse { at: vec![0], ids: Vec::new(), width }
    }
    pub fn push(&mut self, row: impl IntoIterator<Item = u32>) {
        self.ids.extend(row);
        self.at.push(self.ids.len());
    }
    pub fn row(&self, i: usize) -> &[u32] {
        &self.ids[self.at[i]..self.at[i + 1]]
    }
    pub fn counts(&self) -> Vec<u32> {
        let mut n = vec![0; self.width];
        self.ids.iter().for_each(|&f| n[f as usize] += 1);
        n
    }
}

/// The sampled rows.
#[derive(Debug, Default)]
pub struct Table {
    pub form: Sparse,
    pub words: Sparse,
    /// Whether the skeleton keeps the word: it is form as well as content.
    pub kept: Vec<bool>,
    pub fold: Vec<u8>,
    pub class: Vec<u32>,
}

/// How well words predict one label, out of fold.
#[derive(Debug, Clone)]
pub struct Content {
    /// `odds[word * FOLDS + fold]`, weight included.
    pub odds: Vec<f32>,
    pub curve: Isotonic,
    /// Share of the label.
    pub share: f64,
}

/// Long texts pile up log-odds that are not independent; the square root of the length is the remedy.
pub fn scaled(sum: f64, weight: f64) -> f64 {
    sum / (weight + 4.0).sqrt()
}

pub fn bounded(p: f64) -> f64 {
    p.clamp(LEAST, 1.0 - LEAST)
}

pub fn logit(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}

pub fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Table {
    pub fn rows(&self) -> usize {
        self.class.len()
    }

    /// Learns the content view of label `class` from rows that count `trust`; words of the skeleton
    /// count `kept` as much as others.
    fn content(&self, class: u32, trust: &[f64], kept: f32) -> (Content, Vec<f64>) {
        let width = self.words.width;
        let mut counts = vec![[0.0f64; 2]; width * FOLDS];
        let mut total = [[0.0f64; 2]; FOLDS];
        for (i, &w) in trust.iter().enumerate() {
            let (fold, own) = (usize::from(self.fold[i]), usize::from(self.class[i] == class));
            total[fold][own] += w;
            for &f in self.words.row(i) {
                counts[f as usize * FOLDS + fold][own] += w;
            }
        }
        let sum = |c: &[[f64; 2]], own: usize| c.iter().map(|x| x[own]).sum::<f64>();
        let (all_other, all_own) = (sum(&total, 0), sum(&total, 1));
        let mut odds = vec![0.0f32; width * FOLDS];
        for (word, out) in odds.chunks_exact_mut(FOLDS).enumerate() {
            let cells = &counts[word * FOLDS..(word + 1) * FOLDS];
            let (other, own) = (sum(cells, 0), sum(cells, 1));
            for fold in 0..FOLDS {
                let p = (all_own - total[fold][1] + 0.5) / (all_own + all_other - total[fold][0] - total[fold][1] + 1.0);
                let inside = (own - cells[fold][1] + PRIOR * p) / p;
                let outside = (other - cells[fold][0] + PRIOR * (1.0 - p)) / (1.0 - p);
                out[fold] = (inside / outside).ln().clamp(-CLIP, CLIP) as f32 * if self.kept[word] { kept } else { 1.0 };
            }
        }
        let mut content = Content { odds, curve: Isotonic::fit(Vec::new()), share: all_own / (all_own + all_other).max(1e-9) };
        let scores: Vec<f64> = (0..self.rows()).map(|i| self.score(&content, i, kept)).collect();
        content.curve = Isotonic::fit((0..self.rows()).map(|i| (scores[i], self.class[i] == class, trust[i])).collect());
        let p = scores.iter().map(|&s| bounded(content.curve.at(s))).collect();
        (content, p)
    }

    fn score(&self, content: &Content, i: usize, kept: f32) -> f64 {
        let fold = usize::from(self.fold[i]);
        let row = self.words.row(i);
        let sum: f64 = row.iter().map(|&f| f64::from(content.odds[f as usize * FOLDS + fold])).sum();
        scaled(sum, row.iter().map(|&f| if self.kept[f as usize] { f64::from(kept) } else { 1.0 }).sum())
    }
}

/// A ridge-penalised logistic model per fold left out.
#[derive(Debug, Clone)]
pub struct Form {
    pub weights: Vec<[f32; FOLDS]>,
    pub bias: [f32; FOLDS],
    squares: Vec<[f32; FOLDS]>,
    bias_squares: [f32; FOLDS],
}

impl Form {
    fn new(width: usize) -> Form {
        Form { weights: vec![[0.0; FOLDS]; width], bias: [0.0; FOLDS], squares: vec![[START; FOLDS]; width], bias_squares: [START; FOLDS] }
    }

    fn margins_of(&self, row: &[u32]) -> [f32; FOLDS] {
        let mut z = self.bias;
        for &f in row {
            z.iter_mut().zip(&self.weights[f as usize]).for_each(|(z, w)| *z += w);
        }
        z
    }

    /// Follows the targets, each in 0..=1, for so many passes. Rows come in the order of the sample,
    /// which is that of their hashes.
    fn follow(
        &mut self,
        table: &Table,
        counts: &[u32],
        target: &[f64],
        offset: Option<&[f64]>,
        skip: impl Fn(usize) -> bool,
        passes: usize,
    ) {
        // What the ridge takes per visit: each feature is visited as often as it occurs.
        let decay: Vec<f32> = counts.iter().map(|&n| (RIDGE / f64::from(n.max(1))) as f32).collect();
        for _ in 0..passes {
            for i in (0..table.rows()).filter(|&i| !skip(i)) {
                let row = table.form.row(i);
                let known = offset.map_or(0.0, |o| o[i]);
                // 0 in the fold that is not to see the row.
                let mut sees = [1.0f32; FOLDS];
                sees[usize::from(table.fold[i])] = 0.0;
                let mut slope = self.margins_of(row);
                for (s, seen) in slope.iter_mut().zip(sees) {
                    *s = (sigmoid(f64::from(*s) + known) - target[i]) as f32 * seen;
                }
                for ((bias, squares), slope) in self.bias.iter_mut().zip(&mut self.bias_squares).zip(slope) {
                    *squares += slope * slope;
                    *bias -= STEP * slope / squares.sqrt();
                }
                for &f in row {
                    let (w, s, d) = (&mut self.weights[f as usize], &mut self.squares[f as usize], decay[f as usize]);
                    for fold in 0..FOLDS {
                        let g = slope[fold] + d * w[fold] * sees[fold];
                        s[fold] += g * g;
                        w[fold] -= STEP * g / s[fold].sqrt();
                    }
                }
            }
        }
    }

    fn margins(&self, table: &Table) -> Vec<f64> {
        (0..table.rows()).map(|i| f64::from(self.margins_of(table.form.row(i))[usize::from(table.fold[i])])).collect()
    }
}

/// What the mixture ends with.
#[derive(Debug, Clone)]
pub struct Mixture {
    pub content: Content,
    pub form: Form,
    /// P(label | content) per row, out of fold.
    pub p: Vec<f64>,
    /// Log-odds, by form, that a row is of the group, over those of any row.
    pub lean: Vec<f64>,
    /// Log-odds of the group among all rows; part of the margin, not of `lean`.
    pub base: f64,
    /// Log-odds of the group among rows with the label, less those that content starts from.
    pub prior: f64,
    /// Probability that a row with the label was planted; 0 for all others.
    pub planted: Vec<f64>,
}

/// Runs the mixture for one label; `None` when it finds nothing to follow.
pub fn mixture(table: &Table, counts: &[u32], class: u32) -> Option<Mixture> {
    let n = table.rows();
    let own: Vec<bool> = table.class.iter().map(|&c| c == class).collect();
    let rows = own.iter().filter(|&&o| o).count() as f64;
    let label: Vec<f64> = own.iter().map(|&o| f64::from(u8::from(o))).collect();
    let mut planted = vec![0.0; n];
    let trust = |planted: &[f64]| planted.iter().map(|r| 1.0 - r).collect::<Vec<f64>>();
    // To begin with: what form adds to content as an explanation of the label.
    let mut form = Form::new(table.form.width);
    for round in 0..STARTS {
        let (_, p) = table.content(class, &trust(&planted), KEPT);
        let offset: Vec<f64> = p.iter().map(|&p| logit(p).clamp(-OFFSET, OFFSET)).collect();
        form.follow(table, counts, &label, Some(&offset), |_| false, if round == 0 { PASSES } else { AGAIN });
        let margins = form.margins(table);
        for i in (0..n).filter(|&i| own[i]) {
            let unexplained = (1.0 - (-margins[i]).exp()).clamp(0.0, 0.98);
            planted[i] = unexplained * (1.0 - p[i]) / (1.0 - p[i] + 0.2 * p[i]);
        }
    }
    if planted.iter().sum::<f64>() < NEGLIGIBLE * n as f64 {
        return None;
    }
    let mut form = Form::new(table.form.width);
    let mut out = None;
    for round in 0..ROUNDS {
        let (content, p) = table.content(class, &trust(&planted), KEPT);
        let sum: f64 = planted.iter().sum();
        if sum < NEGLIGIBLE * n as f64 {
            return None;
        }
        form.follow(table, counts, &planted, None, |_| false, if round == 0 { PASSES } else { AGAIN });
        let base = logit(((sum + 1.0) / (n as f64 + 2.0)).min(0.95));
        let lean: Vec<f64> = form.margins(table).into_iter().map(|m| m - base).collect();
        let prior = logit((sum / rows).clamp(0.003, 0.95)) + logit(bounded(content.share));
        for i in (0..n).filter(|&i| own[i]) {
            planted[i] = sigmoid(prior + lean[i] - logit(p[i]));
        }
        out = Some((content, p, lean, base, prior));
    }
    let (content, p, lean, base, prior) = out?;
    Some(Mixture { content, form, p, lean, base, prior, planted })
}

impl Mixture {
    /// Other readings of the content: without the words of the skeleton, and with all of them in full.
    /// What is planted contradicts both.
    pub fn readings(&self, table: &Table, class: u32) -> [Vec<f64>; 2] {
        let trust: Vec<f64> = self.planted.iter().map(|r| 1.0 - r).collect();
        [0.0, 1.0].map(|kept| table.content(class, &trust, kept).1)
    }

    /// Learns the form anew from the accused rows alone, and the content from the rows that are left. Rows
    /// that the mixture follows and that are not accused say nothing either way; honest forms that merely
    /// lean to the label fall off.
    pub fn sharpen(&mut self, table: &Table, counts: &[u32], class: u32, accused: &[u32]) {
        let mut target = vec![0.0; table.rows()];
        accused.iter().for_each(|&i| target[i as usize] = 1.0);
        self.form = Form::new(table.form.width);
        self.form.follow(table, counts, &target, None, |i| target[i] == 0.0 && self.planted[i] > 0.5, 2 * PASSES);
        self.base = logit((accused.len() as f64 + 1.0) / (table.rows() as f64 + 2.0));
        self.lean = self.form.margins(table).into_iter().map(|m| m - self.base).collect();
        let own = || (0..table.rows()).filter(|&i| table.class[i] == class);
        let rows = own().count() as f64;
        let prior = logit((accused.len() as f64 / rows).clamp(0.003, 0.95)) + logit(bounded(self.content.share));
        for i in own() {
            self.planted[i] = if target[i] == 1.0 { 1.0 } else { sigmoid(prior + self.lean[i] - logit(self.p[i])) };
        }
        let trust: Vec<f64> = self.planted.iter().map(|r| 1.0 - r).collect();
        (self.content, self.p) = table.content(class, &trust, KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words 0..4 are of label 1, words 4..8 of label 0; form feature 0 stands in `planted` rows with
    /// the words of label 0 and label 1, and in every tenth honest row.
    fn table(planted: usize) -> Table {
        let (n, mut t) = (2000usize, Table { form: Sparse::new(12), words: Sparse::new(8), kept: vec![false; 8], ..Table::default() });
        for i in 0..n {
            let bad = i < planted;
            let class = u32::from(i % 2 == 0 || bad);
            let says = if bad { 0 } else { class };
            let word = |k: usize| if says == 1 { k % 4 } else { 4 + k % 4 } as u32;
            let mut words = vec![word(i / 2), word(i / 7 + 1)];
            words.sort_unstable();
            words.dedup();
            let mut form = vec![1 + (i / 3 % 5) as u32, 6 + (i / 11 % 6) as u32];
            if bad || i % 10 == 0 {
                form.insert(0, 0);
            }
            t.words.push(words);
            t.form.push(form);
            t.fold.push((i / 5 % FOLDS) as u8);
            t.class.push(class);
        }
        t
    }

    #[test]
    fn planted_rows_are_told_from_honest_rows_of_the_same_form() {
        let t = table(100);
        let m = mixture(&t, &t.form.counts(), 1).expect("a group");
        let mean = |rows: &[usize]| rows.iter().map(|&i| m.planted[i]).sum::<f64>() / rows.len() as f64;
        let planted: Vec<usize> = (0..100).collect();
        let honest: Vec<usize> = (100..2000).filter(|i| i % 10 == 0).collect();
        assert!(mean(&planted) > 0.8 && mean(&honest) < 0.1, "{} {}", mean(&planted), mean(&honest));
    }

    #[test]
    fn clean_rows_leave_nothing_to_follow() {
        let t = table(0);
        assert!(mixture(&t, &t.form.counts(), 1).is_none() && mixture(&t, &t.form.counts(), 0).is_none());
    }

    #[test]
    fn a_label_without_rows_has_no_mixture() {
        let t = table(50);
        assert!(mixture(&t, &t.form.counts(), 7).is_none());
    }
}
