//! C121: a row for which an expression is false.

#[cfg(feature = "polars")]
use super::row::{Clause, Marks, RowRule, Test, Wrong};
#[cfg(feature = "polars")]
use super::scope::Scope;
use crate::contract::RuleKind;
use crate::error::Diagnostic;
use crate::rule::{Built, Context, Entry, Meta};

pub const META: Meta = Meta {
    code: "C121",
    name: "broken-expression",
    summary: "An SQL-like expression holds in every row.",
    ids: &[],
    explain: "\
A row fails when the expression is false for it. With `when`, only rows for which that is true are tested.

**Why it hurts a model.** Columns that are each plausible and contradict one another are how wrong joins, shifted exports and
flipped labels look: five stars on a negative review, an end before its start.

**How it is computed.** Row by row: comparison, AND, OR, NOT, IN, BETWEEN, LIKE, ILIKE, IS NULL, arithmetic, CASE, CAST, `||` and
COALESCE, CONCAT, LENGTH, LOWER, UPPER, TRIM, ABS, ROUND, FLOOR, CEIL. Aggregates, windows and subqueries are refused, and so is
a comparison between types, such as a string and a number. A row for which the expression, or `when`, is null is not tested; the
outcome counts such rows. An integer beyond 64 bits and a division by zero are null. NaN is equal to and ordered with nothing;
`<>` is true for it. Integers and floats compare by value without rounding, strings by code point, timestamps as instants.

**Example.** `- expression: stars >= 4 OR label = 'neg'` fails for a row with 2 stars and the label `pos`.

**What fools it.** A null in either column; say `required` as well.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

#[cfg(not(feature = "polars"))]
fn build(ctx: &Context<'_>) -> Result<Built, Vec<Diagnostic>> {
    let asked = ctx.contract.rules.iter().filter(|r| matches!(r.kind, RuleKind::Expression(_)));
    let errors: Vec<Diagnostic> = asked.map(|r| none_here(r.span)).collect();
    if errors.is_empty() { Ok(Built::default()) } else { Err(errors) }
}

#[cfg(not(feature = "polars"))]
pub fn none_here(span: crate::error::Span) -> Diagnostic {
    Diagnostic::new("C121", "this build has no expressions").at(span).help("build taster with its default features, or `--features polars`")
}

#[cfg(feature = "polars")]
struct BrokenExpression {
    holds: crate::contract::expression_polars::Plan,
    when: Option<crate::contract::expression_polars::Plan>,
}

#[cfg(feature = "polars")]
impl Test for BrokenExpression {
    const META: Meta = META;
    fn test(&self, batch: &crate::batch::Batch) -> crate::error::Result<Marks> {
        let truth = self.holds.evaluate(batch)?;
        let n = batch.rows();
        let Some(when) = &self.when else {
            let tested = truth.known.count_set_bits();
            return Ok(Marks { tested, undecided: n - tested, failing: Some(&truth.known & &!&truth.holds) });
        };
        let when = when.evaluate(batch)?;
        let tested = &when.holds & &truth.known;
        // Rows that `when` leaves out are not asked about; rows that it cannot decide are counted.
        let undecided = n - when.known.count_set_bits() + (&when.holds & &!&truth.known).count_set_bits();
        Ok(Marks { tested: tested.count_set_bits(), undecided, failing: Some(&tested & &!&truth.holds) })
    }
}

#[cfg(feature = "polars")]
fn build(ctx: &Context<'_>) -> Result<Built, Vec<Diagnostic>> {
    use crate::contract::expression_polars::Plan;
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Expression(text) = &rule.kind else { continue };
        // It decides by itself about the rows for which `when` is null.
        let everywhere = crate::contract::RuleSpec { when: None, ..rule.clone() };
        let Some(scope) = Scope::of(ctx, &everywhere, (&mut built, &mut errors)) else { continue };
        let written = text.value.split_whitespace().collect::<Vec<_>>().join(" ");
        let title = rule.name.clone().unwrap_or_else(|| written.clone());
        let mut plans = Vec::new();
        let mut columns: Vec<String> = Vec::new();
        for part in [Some(text), rule.when.as_ref()].into_iter().flatten() {
            match compiled(ctx, part) {
                Ok(Ok(e)) => {
                    columns.extend(e.columns.iter().cloned());
                    plans.push(Plan::new(&e));
                }
                Ok(Err(why)) => {
                    built.settled.push(super::not_evaluated(rule, &title, why));
                    plans.clear();
                    break;
                }
                Err(d) => errors.push(d),
            }
        }
        let mut plans = plans.into_iter();
        let Some(holds) = plans.next() else { continue };
        columns.sort();
        columns.dedup();
        let clause = Clause {
            title,
            span: rule.span,
            severity: rule.severity,
            tolerance: rule.tolerance.as_ref().map(|t| t.value.clone()),
            about: columns.clone(),
            reads: columns,
            wrong: Wrong { one: format!("breaks `{written}`"), many: format!("break `{written}`") },
            evidence: format!("breaks `{written}`"),
            threshold: written,
        };
        scope.push(&mut built, RowRule { clause, test: BrokenExpression { holds, when: plans.next() } });
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}

/// An expression over the columns of the data; `Ok(Err(reason))` where one that is declared is absent.
#[cfg(feature = "polars")]
pub fn compiled(
    ctx: &Context<'_>,
    text: &crate::contract::At<String>,
) -> Result<Result<crate::contract::expression::Expression, String>, Diagnostic> {
    use crate::contract::expression;
    match expression::compile(text, ctx.schema) {
        Ok(e) => Ok(Ok(e)),
        Err(d) if d.code == "C002" && expression::columns(&text.value).iter().any(|c| absent(ctx, c)) => Ok(Err(d.message)),
        Err(d) => Err(d),
    }
}

/// Declared in the contract, and not in the data.
#[cfg(feature = "polars")]
fn absent(ctx: &Context<'_>, column: &str) -> bool {
    ctx.schema.field_with_name(column).is_err() && ctx.contract.columns.iter().any(|c| c.name.value == column)
}
