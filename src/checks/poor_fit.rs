//! C148: numbers that a named distribution does not explain.

use super::cells::{Cells, settled_columns};
use super::limits::Limits;
use super::moments::{has_numbers, scale};
use super::scalars::{Reader, Scalar, plain};
use super::scope::Scope;
use crate::batch::Batch;
use crate::contract::dataset_rules::DatasetRule;
use crate::contract::{RuleKind, types};
use crate::error::{Diagnostic, Error, Result, group_digits};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use crate::sketch::keys::{self, Keys};
use crate::stats::kolmogorov;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Beta, ChiSquared, ContinuousCDF, Exp, Gamma, Normal};

pub const META: Meta = Meta {
    code: "C148",
    name: "poor-fit",
    summary: "The numbers of a column follow a named distribution.",
    ids: &[],
    explain: "\
Fails when the Kolmogorov-Smirnov test of a column against a named distribution gives a p-value outside `p_value`.

**Why it hurts a model.** Generated and simulated columns come with a distribution on paper; a generator that was changed or
clipped still produces plausible numbers.

**How it is computed.** The largest distance between the share of values up to x and the distribution's own, over all x, exactly:
values are sorted on disk when they outgrow the memory. The p-value is that of the distance for so many independent values
(exact for few, to 5e-8 for many). Distributions: normal (mean, std), uniform (min, max), exponential (loc, scale), gamma (alpha,
loc, scale), beta (alpha, beta, loc, scale), chi2 (df, loc, scale), named as in scipy but for `alpha`; the parameters are the
contract's, none is fitted. Nulls are skipped; NaN fails. Without a value the rule is not evaluated. It is a test: with enough
rows it sees any difference; for large data prefer bounds on quantiles. There is no guilty row.

**Example.** `- fits: {column: noise, distribution: normal, parameters: {std: 2}, p_value: {min: 0.01}}`.

**What fools it.** Values in another order, and dependence between rows.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

type Law = Box<dyn Fn(f64) -> f64 + Send + Sync>;

struct PoorFit {
    cells: Cells,
    law: Law,
    limits: Limits,
    base: Outcome,
    memory: u64,
}

/// The share of a distribution up to a point.
fn law(name: &str, p: &[f64]) -> std::result::Result<Law, String> {
    let wrong = |e: &dyn std::fmt::Display| e.to_string();
    let at = |i: usize| p.get(i).copied().unwrap_or(0.0);
    Ok(match name {
        "normal" => {
            let d = Normal::new(at(0), at(1)).map_err(|e| wrong(&e))?;
            Box::new(move |x| d.cdf(x))
        }
        "uniform" => {
            let (low, high) = (at(0), at(1));
            Box::new(move |x| ((x - low) / (high - low)).clamp(0.0, 1.0))
        }
        "exponential" => {
            let d = Exp::new(1.0).map_err(|e| wrong(&e))?;
            let (loc, scale) = (at(0), at(1));
            Box::new(move |x| d.cdf((x - loc) / scale))
        }
        "gamma" => {
            let d = Gamma::new(at(0), 1.0).map_err(|e| wrong(&e))?;
            let (loc, scale) = (at(1), at(2));
            Box::new(move |x| if x <= loc { 0.0 } else { d.cdf((x - loc) / scale) })
        }
        "beta" => {
            let d = Beta::new(at(0), at(1)).map_err(|e| wrong(&e))?;
            let (loc, scale) = (at(2), at(3));
            Box::new(move |x| d.cdf(((x - loc) / scale).clamp(0.0, 1.0)))
        }
        _ => {
            let d = ChiSquared::new(at(0)).map_err(|e| wrong(&e))?;
            let (loc, scale) = (at(1), at(2));
            Box::new(move |x| if x <= loc { 0.0 } else { d.cdf((x - loc) / scale) })
        }
    })
}

#[derive(Serialize, Deserialize)]
struct Seen {
    values: Keys,
    nan: bool,
}

impl State for Seen {
    fn merge(&mut self, other: Self) {
        self.values.merge(other.values);
        self.nan |= other.nan;
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Answer {
    values: u64,
    nan: bool,
    distance: f64,
}

impl Rule for PoorFit {
    const META: Meta = META;
    type State = Seen;
    type Model = Answer;

    fn columns(&self) -> Vec<String> {
        self.cells.reads()
    }
    fn start(&self, _: &Round<'_, Answer>) -> Seen {
        Seen { values: Keys::new(self.memory), nan: false }
    }
    fn observe(&self, _: &Round<'_, Answer>, state: &mut Seen, batch: &Batch) -> Result<()> {
        let array = plain(self.cells.of(batch)?)?;
        let reader = Reader::new(&array)?;
        let unit = 10_f64.powi(i32::from(scale(&self.cells.kind)));
        for i in 0..batch.rows() {
            let v = match reader.get(i) {
                Some(Scalar::Int(v)) => v as f64 / unit,
                Some(Scalar::Float(v)) => v,
                _ => continue,
            };
            if v.is_nan() {
                state.nan = true;
                continue;
            }
            state.values.push(keys::Entry { hash: super::aggregate_bounds::ordered(v), row: batch.row_id(i), payload: 0 })?;
        }
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Answer>, mut state: Seen) -> Result<Step<Answer>> {
        let n = state.values.len();
        let (mut seen, mut distance) = (0_u64, 0.0_f64);
        // Over equal values the empirical share jumps from before the first to after the last; each
        // step between is nearer to the law than one of these.
        state.values.groups(&mut |entry, _| {
            let f = (self.law)(super::aggregate_bounds::unordered(entry.hash));
            distance = distance.max(f - seen as f64 / n as f64);
            seen += 1;
            distance = distance.max(seen as f64 / n as f64 - f);
        })?;
        if distance.is_nan() {
            return Err(Error::internal("a distribution without a value"));
        }
        Ok(Step::Done(Answer { values: n, nan: state.nan, distance }))
    }
    fn outcome(&self, answer: &Answer) -> Outcome {
        let base = Outcome { tested: answer.values, ..self.base.clone() };
        let wanted = self.base.threshold.clone().unwrap_or_default();
        if answer.nan {
            return Outcome { status: Status::Fail, message: "there is a NaN, which no distribution has".into(), ..base };
        }
        if answer.values == 0 {
            return Outcome { status: Status::NotEvaluated("there is no value".into()), message: "there is no value".into(), ..base };
        }
        let p = kolmogorov::upper(answer.distance, answer.values);
        Outcome {
            status: if self.limits.admit(p) { Status::Pass } else { Status::Fail },
            statistic: Some(p),
            message: format!(
                "distance {:.6}, p-value {p:.6} over {} values; the contract asks for {wanted}",
                answer.distance,
                group_digits(answer.values)
            ),
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
    let memory = ctx.plan.memory / 16 / ctx.plan.threads.max(1) as u64;
    for rule in &ctx.contract.rules {
        let RuleKind::Dataset(DatasetRule::Fits { column, distribution, parameters, p_value }) = &rule.kind else { continue };
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let title = rule.name.clone().unwrap_or_else(|| format!("{} fits {distribution}", column.value));
        let Some(mut columns) = settled_columns(ctx, rule, &title, std::slice::from_ref(column), (&mut built, &mut errors)) else {
            continue;
        };
        let cells = columns.swap_remove(0);
        if cells.is_elements() || !has_numbers(&cells.kind) {
            let message = format!("a distribution needs a column of numbers; `{}` is {}", cells.name, types::name(&cells.kind));
            errors.push(Diagnostic::new(META.code, message).at(column.span));
            continue;
        }
        let (law, limits) = match (law(distribution, parameters), Limits::new(p_value)) {
            (Ok(law), Ok(limits)) => (law, limits),
            (Err(why), _) | (_, Err((why, _))) => {
                errors.push(Diagnostic::new(META.code, format!("fits: {why}")).at(rule.span));
                continue;
            }
        };
        let base = Outcome {
            severity: rule.severity,
            span: Some(rule.span),
            columns: vec![cells.name.clone()],
            threshold: Some(format!("p-value {}", p_value.written())),
            ..Outcome::new(title, Status::Pass)
        };
        scope.push(&mut built, PoorFit { cells, law, limits, base, memory });
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
