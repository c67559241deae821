//! C127: columns of a row that do not add up.

use super::cells::{Cells, settled_columns};
use super::moments::scale;
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use super::scalars::{Reader, Scalar, plain};
use super::scope::Scope;
use crate::batch::Batch;
use crate::contract::clauses::Decimal;
use crate::contract::dataset_rules::DatasetRule;
use crate::contract::{RuleKind, types};
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

pub const META: Meta = Meta {
    code: "C127",
    name: "wrong-sum",
    summary: "The listed columns of every row add up to a total.",
    ids: &[],
    explain: "\
A row fails when the columns listed under `sums` do not add up to `total`.

**Why it hurts a model.** Shares that must make 1, probabilities of annotators, parts of an amount: a row whose parts do not add
up was cut, shifted or filled in, and every ratio that is computed from it is wrong.

**How it is computed.** Rows with a null among the columns are not tested. Integers and decimals are added and compared exactly. As
soon as one column is a float the numbers are added as doubles, in the listed order, and compared with the total as a double:
0.1 + 0.2 is not 0.3 then, as in the program that wrote the data; use an expression with a difference where that matters. NaN and
infinities fail.

**Example.** `- sums: {columns: [share_a, share_b], total: 1}` fails for 0.5 and 0.4.

**What fools it.** Two errors that cancel each other.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct WrongSum {
    columns: Vec<Cells>,
    total: Decimal,
}

impl WrongSum {
    /// Whether a row's numbers add up; `None` without all of them.
    fn holds(&self, row: &[Option<Scalar>]) -> Option<bool> {
        let mut exact: Option<i128> = Some(0);
        let mut float = 0.0;
        let scales: Vec<i8> = self.columns.iter().map(|c| scale(&c.kind)).collect();
        let most = scales.iter().map(|s| i32::from(*s)).chain([self.total.scale as i32]).max().unwrap_or(0);
        let shift = |v: i128, s: i32| 10_i128.checked_pow(u32::try_from(most - s).ok()?)?.checked_mul(v);
        let mut floats = false;
        for (v, s) in row.iter().zip(&scales) {
            match v.as_ref()? {
                Scalar::Int(v) => {
                    exact = exact.and_then(|sum| sum.checked_add(shift(*v, (*s).into())?));
                    float += *v as f64 / 10_f64.powi((*s).into());
                }
                Scalar::Float(v) => {
                    floats = true;
                    float += v;
                }
                Scalar::Bytes(_) => return None,
            }
        }
        Some(match (floats, exact, shift(self.total.digits, self.total.scale as i32)) {
            (false, Some(sum), Some(total)) => sum == total,
            // Beyond 38 digits no total of 18 can be met.
            (false, ..) => false,
            (true, ..) => float == self.total.as_f64(),
        })
    }
}

impl Test for WrongSum {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        let arrays = self.columns.iter().map(|c| plain(c.of(batch)?)).collect::<Result<Vec<_>>>()?;
        let readers = arrays.iter().map(Reader::new).collect::<Result<Vec<_>>>()?;
        let mut tested = 0;
        let mut row = Vec::with_capacity(readers.len());
        let failing = BooleanBuffer::collect_bool(batch.rows(), |i| {
            row.clear();
            row.extend(readers.iter().map(|r| r.get(i)));
            let holds = self.holds(&row);
            tested += usize::from(holds.is_some());
            holds == Some(false)
        });
        Ok(Marks { tested, undecided: 0, failing: Some(failing) })
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Dataset(DatasetRule::Sums { columns, total, written }) = &rule.kind else { continue };
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let listed: Vec<&str> = columns.iter().map(|c| c.value.as_str()).collect();
        let title = rule.name.clone().unwrap_or_else(|| format!("{} = {written}", listed.join(" + ")));
        let Some(columns) = settled_columns(ctx, rule, &title, columns, (&mut built, &mut errors)) else { continue };
        let odd = |c: &&Cells| c.is_elements() || !c.kind.is_numeric() || matches!(c.kind, DataType::Decimal256(..)) || scale(&c.kind) < 0;
        if let Some(c) = columns.iter().find(odd) {
            let message = format!("sums need columns of numbers; `{}` is {}", c.name, types::name(&c.kind));
            errors.push(Diagnostic::new(META.code, message).at(rule.span));
            continue;
        }
        let wrong = Wrong { one: format!("does not add up to {written}"), many: format!("do not add up to {written}") };
        let evidence = format!("{} is not {written}", listed.join(" + "));
        let clause = Clause::of_rule(rule, title, &columns, wrong, evidence, written.clone());
        scope.push(&mut built, RowRule { clause, test: WrongSum { columns, total: *total } });
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
