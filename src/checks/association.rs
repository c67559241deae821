//! C145: two columns that hang together too much or too little.

use super::cells::{Cells, settled_columns};
use super::limits::Limits;
use super::moments::{has_numbers, scale};
use super::scalars::{Reader, Scalar, plain};
use super::scope::Scope;
use crate::batch::{Batch, cell_text};
use crate::contract::clauses::Bounds;
use crate::contract::dataset_rules::DatasetRule;
use crate::contract::{RuleKind, types};
use crate::error::{Diagnostic, Result, group_digits};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use crate::sketch::exact::{Big, Exact, Sum};
use crate::stats::divergence;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const META: Meta = Meta {
    code: "C145",
    name: "association",
    summary: "The correlation or Cramér's V of two columns lies within its bounds.",
    ids: &[],
    explain: "\
Fails when Pearson's correlation of two columns of numbers (`correlation`), or Cramér's V of two columns of categories
(`cramers_v`), lies outside its bounds.

**Why it hurts a model.** A feature that follows the label too well is often the label under another name, or was computed from it:
the score in training is splendid and nothing is left of it in use. Two features that stopped hanging together were joined wrongly.

**How it is computed.** Over rows in which both columns have a value. Pearson's r from sums without rounding, rounded once; a
constant column or fewer than two rows leave it not evaluated, NaN or an infinity fails every bound. Cramér's V from the exact
table of counts, without a correction for small tables; values compare as they print, a column with more than 10,000 pairs of
values is no category and is not evaluated. There is no guilty row.

**Example.** `- correlation: {columns: [age, label_score], max: 0.9}`, `- cramers_v: {columns: [site, label], max: 0.3}`.

**What fools it.** A relation that is neither straight nor in categories.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

/// Pairs of values that a table of categories may have.
const PAIRS: usize = 10_000;

struct Association {
    a: Cells,
    b: Cells,
    numbers: bool,
    limits: Limits,
    base: Outcome,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Seen {
    rows: u64,
    odd: bool,
    /// Of a, b, a squared, b squared, and a times b.
    sums: [Sum; 5],
    table: BTreeMap<(String, String), u64>,
    too_many: bool,
}

impl Seen {
    fn bound(&mut self) {
        if self.table.len() > PAIRS || self.too_many {
            self.too_many = true;
            self.table.clear();
        }
    }
}

impl State for Seen {
    fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.odd |= other.odd;
        self.sums.iter_mut().zip(other.sums).for_each(|(a, b)| a.merge(b));
        self.too_many |= other.too_many;
        for (k, n) in other.table {
            *self.table.entry(k).or_default() += n;
        }
        self.bound();
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Answer {
    rows: u64,
    /// As bits, so that NaN survives every encoding.
    value: Option<u64>,
    why: String,
}

fn pearson(n: u64, sums: &[Sum; 5]) -> Option<f64> {
    let [a, b, aa, bb, ab] = sums.each_ref().map(Sum::value);
    let n = Big::int(n.into());
    let joint = n.times(&ab).minus(&a.times(&b));
    let (va, vb) = (n.times(&aa).minus(&a.times(&a)), n.times(&bb).minus(&b.times(&b)));
    if va.is_zero() || vb.is_zero() {
        return None;
    }
    let ((j, je), (x, xe), (y, ye)) = (joint.scaled(), va.scaled(), vb.scaled());
    // The exponents are multiples of two together or leave one factor of the root of two.
    let e = xe + ye;
    let root = (x * y * 2_f64.powi(e.rem_euclid(2))).sqrt();
    let r = j / root * 2_f64.powi(je - e.div_euclid(2));
    Some(r.clamp(-1.0, 1.0))
}

impl Rule for Association {
    const META: Meta = META;
    type State = Seen;
    type Model = Answer;

    fn columns(&self) -> Vec<String> {
        [&self.a, &self.b].into_iter().flat_map(Cells::reads).collect()
    }
    fn start(&self, _: &Round<'_, Answer>) -> Seen {
        Seen::default()
    }
    fn observe(&self, _: &Round<'_, Answer>, state: &mut Seen, batch: &Batch) -> Result<()> {
        let (a, b) = (plain(self.a.of(batch)?)?, plain(self.b.of(batch)?)?);
        if !self.numbers {
            for i in 0..batch.rows() {
                if let (Some(x), Some(y)) = (cell_text(a.as_ref(), i), cell_text(b.as_ref(), i)) {
                    state.rows += 1;
                    if !state.too_many {
                        *state.table.entry((x, y)).or_default() += 1;
                        state.bound();
                    }
                }
            }
            return Ok(());
        }
        let (x, y) = (Reader::new(&a)?, Reader::new(&b)?);
        let exact = |v: Scalar| match v {
            Scalar::Int(v) => Some(Exact::int(v)),
            Scalar::Float(v) => Exact::float(v),
            Scalar::Bytes(_) => None,
        };
        for i in 0..batch.rows() {
            let (Some(x), Some(y)) = (x.get(i), y.get(i)) else { continue };
            state.rows += 1;
            let (Some(x), Some(y)) = (exact(x), exact(y)) else {
                state.odd = true;
                continue;
            };
            let [sa, sb, saa, sbb, sab] = &mut state.sums;
            sa.add(x);
            sb.add(y);
            saa.add_product(x, x);
            sbb.add_product(y, y);
            sab.add_product(x, y);
        }
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Answer>, state: Seen) -> Result<Step<Answer>> {
        let mut why = String::new();
        let value = if state.rows < 2 {
            why = "fewer than two rows have both values".into();
            None
        } else if state.odd {
            Some(f64::NAN)
        } else if self.numbers {
            let r = pearson(state.rows, &state.sums);
            if r.is_none() {
                why = "a constant column correlates with nothing".into();
            }
            r
        } else if state.too_many {
            why = format!("more than {} pairs of values are no categories", group_digits(PAIRS as u64));
            None
        } else {
            let index = |f: fn(&(String, String)) -> &String| {
                let mut all: Vec<&String> = state.table.keys().map(f).collect();
                all.sort_unstable();
                all.dedup();
                all
            };
            let (rows, columns) = (index(|k| &k.0), index(|k| &k.1));
            let mut table = vec![vec![0_u64; columns.len()]; rows.len()];
            for ((x, y), n) in &state.table {
                if let (Ok(i), Ok(j)) = (rows.binary_search(&x), columns.binary_search(&y)) {
                    table[i][j] = *n;
                }
            }
            let table: Vec<&[u64]> = table.iter().map(Vec::as_slice).collect();
            Some(divergence::cramers_v(&table))
        };
        Ok(Step::Done(Answer { rows: state.rows, value: value.map(f64::to_bits), why }))
    }
    fn outcome(&self, answer: &Answer) -> Outcome {
        let base = Outcome { tested: answer.rows, ..self.base.clone() };
        let Some(value) = answer.value.map(f64::from_bits) else {
            return Outcome { status: Status::NotEvaluated(answer.why.clone()), message: answer.why.clone(), ..base };
        };
        let wanted = self.base.threshold.clone().unwrap_or_default();
        Outcome {
            status: if self.limits.admit(value) { Status::Pass } else { Status::Fail },
            statistic: Some(value),
            message: format!("{value:.6} over {} rows; the contract asks for {wanted}", group_digits(answer.rows)),
            ..base
        }
    }
    fn has_rows(&self, _: &Answer) -> bool {
        false
    }
    fn judge(&self, _: &Answer, _: &Batch, _: &mut Findings) -> Result<()> {
        Ok(())
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for rule in &ctx.contract.rules {
        let (word, names, bounds, numbers): (&str, _, &Bounds, bool) = match &rule.kind {
            RuleKind::Dataset(DatasetRule::Correlation { columns, bounds }) => ("correlation", columns, bounds, true),
            RuleKind::Dataset(DatasetRule::CramersV { columns, bounds }) => ("cramers_v", columns, bounds, false),
            _ => continue,
        };
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let limits = match Limits::new(bounds) {
            Ok(limits) => limits,
            Err((why, span)) => {
                errors.push(Diagnostic::new(META.code, format!("{word}: {why}")).at(span));
                continue;
            }
        };
        let listed: Vec<&str> = names.iter().map(|n| n.value.as_str()).collect();
        let title = rule.name.clone().unwrap_or_else(|| format!("{word} of {}", listed.join(" and ")));
        let Some(columns) = settled_columns(ctx, rule, &title, names, (&mut built, &mut errors)) else { continue };
        let odd = columns
            .iter()
            .find(|c| c.is_elements() || if numbers { !has_numbers(&c.kind) || scale(&c.kind) < 0 } else { c.kind.is_nested() });
        if let Some(c) = odd {
            let kind = if numbers { "numbers" } else { "plain values" };
            let message = format!("{word} needs columns of {kind}; `{}` is {}", c.name, types::name(&c.kind));
            errors.push(Diagnostic::new(META.code, message).at(rule.span));
            continue;
        }
        let base = Outcome {
            severity: rule.severity,
            span: Some(rule.span),
            columns: columns.iter().map(|c| c.name.clone()).collect(),
            threshold: Some(bounds.written()),
            ..Outcome::new(title, Status::Pass)
        };
        let mut columns = columns.into_iter();
        if let (Some(a), Some(b)) = (columns.next(), columns.next()) {
            scope.push(&mut built, Association { a, b, numbers, limits, base });
        }
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
