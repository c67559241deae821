//! C147: values whose shares are not the given ones.

use super::cells::{Cells, listing, settled_columns};
use super::limits::Limits;
use super::moments::{has_numbers, scale};
use super::scalars::{Reader, Scalar, plain};
use super::scope::Scope;
use super::set::Set;
use crate::batch::Batch;
use crate::contract::dataset_rules::{DatasetRule, Partition};
use crate::contract::{RuleKind, scalar, types};
use crate::error::{Diagnostic, Result, group_digits};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use crate::stats::divergence;
use arrow::array::{Array, AsArray};
use arrow::buffer::BooleanBuffer;
use serde::{Deserialize, Serialize};

pub const META: Meta = Meta {
    code: "C147",
    name: "wrong-shares",
    summary: "The shares of values, or of bins, agree with given weights.",
    ids: &[],
    explain: "\
`shares` holds the shares of some values (`values`), or of intervals of numbers (`bins`), against `weights`: by the p-value of a
chi-square test (`p_value: {min: 0.01}`) or by the Kullback-Leibler divergence from the weights in nats (`kl: {max: 0.1}`).

**Why it hurts a model.** Class weights, samplers and thresholds are tuned to a mix of classes or prices; when the mix moves, the
model stays tuned to the old one.

**How it is computed.** Nulls are skipped. Weights are brought to a sum of one. Bins run from edge to edge, `-.inf` and `.inf`
may be the outermost; a value on an edge belongs to the bin above, on the last edge to the last bin. What lies in no cell, NaN
included, counts as one more cell of the weight `other` (default 0): with weight zero and at least one such value the divergence
is infinite and the p-value zero. The chi-square test is Pearson's, with one degree of freedom fewer than cells of a weight above
zero; it is a test, so with enough rows it sees any difference: prefer `kl` for large data. Without a value the rule is not
evaluated. There is no guilty row.

**Example.** `- shares: {column: label, values: [neg, pos], weights: [0.5, 0.5], kl: {max: 0.01}}`.

**What fools it.** Another joint distribution with the same shares.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

enum Cut {
    Values(Vec<Set>),
    Bins(Vec<f64>),
}

struct WrongShares {
    cells: Cells,
    cut: Cut,
    weights: Vec<f64>,
    other: f64,
    p_value: Option<Limits>,
    kl: Option<Limits>,
    base: Outcome,
}

/// Rows per cell; the last one is what lies in none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Counts(Vec<u64>);

impl State for Counts {
    fn merge(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
    }
}

impl Rule for WrongShares {
    const META: Meta = META;
    type State = Counts;
    type Model = Counts;

    fn columns(&self) -> Vec<String> {
        self.cells.reads()
    }
    fn start(&self, _: &Round<'_, Counts>) -> Counts {
        Counts(vec![0; self.weights.len() + 1])
    }
    fn observe(&self, _: &Round<'_, Counts>, state: &mut Counts, batch: &Batch) -> Result<()> {
        let last = self.weights.len();
        let array = plain(self.cells.of(batch)?)?;
        match &self.cut {
            Cut::Values(sets) => {
                let array = match array.as_any_dictionary_opt() {
                    Some(d) => arrow::compute::cast(&array, d.values().data_type()).map_err(crate::error::Error::internal)?,
                    None => array,
                };
                let n = array.len();
                let mut rest = array.logical_nulls().map_or_else(|| BooleanBuffer::new_set(n), |v| v.inner().clone());
                for (set, count) in sets.iter().zip(&mut state.0) {
                    let hit = &rest & &set.contains(&array)?;
                    *count += hit.count_set_bits() as u64;
                    rest = &rest & &!&hit;
                }
                state.0[last] += rest.count_set_bits() as u64;
            }
            Cut::Bins(edges) => {
                let unit = 10_f64.powi(i32::from(scale(&self.cells.kind)));
                let reader = Reader::new(&array)?;
                for i in 0..batch.rows() {
                    let v = match reader.get(i) {
                        Some(Scalar::Int(v)) => v as f64 / unit,
                        Some(Scalar::Float(v)) => v,
                        _ => continue,
                    };
                    // Edges at or below the value.
                    let below = edges.partition_point(|e| *e <= v);
                    let cell = match below {
                        _ if v.is_nan() => last,
                        0 => last,
                        b if b == edges.len() => {
                            if edges.last() == Some(&v) {
                                last - 1
                            } else {
                                last
                            }
                        }
                        b => b - 1,
                    };
                    state.0[cell] += 1;
                }
            }
        }
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Counts>, state: Counts) -> Result<Step<Counts>> {
        Ok(Step::Done(state))
    }
    fn outcome(&self, counts: &Counts) -> Outcome {
        let n: u64 = counts.0.iter().sum();
        let base = Outcome { tested: n, ..self.base.clone() };
        if n == 0 {
            return Outcome { status: Status::NotEvaluated("there is no value".into()), message: "there is no value".into(), ..base };
        }
        let weights: Vec<f64> = self.weights.iter().copied().chain([self.other]).collect();
        let p = divergence::chi_square_fit(&counts.0, &weights).p_value;
        let kl = divergence::kl(&divergence::weights(&counts.0), &weights);
        let holds = self.p_value.as_ref().is_none_or(|l| l.admit(p)) && self.kl.as_ref().is_none_or(|l| l.admit(kl));
        let outside = counts.0.last().copied().unwrap_or(0);
        let outside = if outside > 0 { format!(", {} values in no cell", group_digits(outside)) } else { String::new() };
        let wanted = self.base.threshold.clone().unwrap_or_default();
        Outcome {
            status: if holds { Status::Pass } else { Status::Fail },
            statistic: Some(if self.kl.is_some() { kl } else { p }).filter(|s| s.is_finite()),
            message: format!(
                "divergence {kl:.6} nats, p-value {p:.6} over {} values{outside}; the contract asks for {wanted}",
                group_digits(n)
            ),
            ..base
        }
    }
    fn has_rows(&self, _: &Counts) -> bool {
        false
    }
    fn judge(&self, _: &Counts, _: &Batch, _: &mut Findings) -> Result<()> {
        Ok(())
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Dataset(DatasetRule::Shares { column, partition, weights, other, p_value, kl }) = &rule.kind else { continue };
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let title = rule.name.clone().unwrap_or_else(|| format!("shares of {}", column.value));
        let Some(mut columns) = settled_columns(ctx, rule, &title, std::slice::from_ref(column), (&mut built, &mut errors)) else {
            continue;
        };
        let cells = columns.swap_remove(0);
        let cut = match partition {
            Partition::Bins(edges) if has_numbers(&cells.kind) && !cells.is_elements() => Ok(Cut::Bins(edges.clone())),
            Partition::Bins(_) => {
                Err((format!("bins need a column of numbers; `{}` is {}", cells.name, types::name(&cells.kind)), rule.span))
            }
            Partition::Values(values) => {
                let set = |v: &crate::contract::Scalar| {
                    let value = scalar::typed(v, &cells.kind).map_err(|why| (why, v.span))?;
                    Set::new(&[value], &cells.kind)
                        .ok_or_else(|| (format!("values of type {} cannot be listed", types::name(&cells.kind)), v.span))
                };
                values.iter().map(set).collect::<std::result::Result<Vec<_>, _>>().map(Cut::Values)
            }
        };
        let limits = |b: &Option<crate::contract::clauses::Bounds>| b.as_ref().map(Limits::new).transpose();
        let (cut, p_limits, kl_limits) = match (cut, limits(p_value), limits(kl)) {
            (Ok(cut), Ok(p), Ok(kl)) => (cut, p, kl),
            (Err((why, span)), ..) | (_, Err((why, span)), _) | (.., Err((why, span))) => {
                errors.push(Diagnostic::new(META.code, format!("shares of `{}`: {why}", cells.name)).at(span));
                continue;
            }
        };
        let said = [("p-value", p_value), ("divergence", kl)];
        let wanted = said.iter().filter_map(|(w, b)| b.as_ref().map(|b| format!("{w} {}", b.written()))).collect::<Vec<_>>();
        let base = Outcome {
            severity: rule.severity,
            span: Some(rule.span),
            columns: vec![cells.name.clone()],
            threshold: Some(listing(&wanted)),
            ..Outcome::new(title, Status::Pass)
        };
        scope.push(&mut built, WrongShares { cells, cut, weights: weights.clone(), other: *other, p_value: p_limits, kl: kl_limits, base });
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
