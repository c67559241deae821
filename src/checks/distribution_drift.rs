//! C150: a column's distribution has moved away from its baseline.

mod baseline;
#[cfg(test)]
mod tests;

use super::cells::{is_companion, listing, unknown_column};
use super::scope::Scope;
use crate::batch::Batch;
use crate::contract::{Drift as Spec, DriftColumns, Role, RuleKind, RuleSpec};
use crate::error::{Diagnostic, Error, Result, group_digits, plural};
use crate::profile::compare::{Compared, compare};
use crate::profile::{Column, Content, Detail, content};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, State, Status, Step};
use crate::stats::drift::{Statistic, least};
use crate::stats::multiple::benjamini_hochberg;
use serde::{Deserialize, Serialize};

pub const META: Meta = Meta {
    code: "C150",
    name: "distribution-drift",
    summary: "A column is distributed as in its baseline, a profile or a reference file.",
    ids: &[],
    explain: "\
Fails when a column's distribution lies further from that of its baseline than `max`. The baseline is a profile (`taster profile
DATA -o FILE`) or any data file; it is read only below the contract's roots and `--root`, links resolved first.

    - drift: {column: stars, baseline: reviews.profile, statistic: psi, max: 0.2}
    - drift: {columns: [age, income], baseline: train-2025.parquet, statistic: ks, max: 0.1}
    - drift: {columns: all, baseline: reviews.profile, statistic: js, max: 0.05}

`columns: all` stands for every number, boolean and category that the baseline has too. Columns with the role `id` or `time`
differ by nature: `all` leaves them out, and naming one is an error; so it is with free text, prompts, replies, images and embeddings.

**Why it hurts a model.** A model learns the shares it is shown. A feed that breaks, a unit that changes, a source that floods the set
all show as drift long before a metric does.

**How it is computed.** `psi` population stability index, nats (0.1 is watched, 0.2 is acted upon, by custom); `kl` divergence of the
data from the baseline, nats; `js` Jensen-Shannon divergence, bits, 0 to 1; `chi2` Cramér's V of the two rows of counts as if both sides
had equally many, 0 to 1; `linf` largest difference of two shares; `ks` largest difference of two distribution functions; `wasserstein`
mean distance that a value must move, in the column's own unit. The first five compare shares: of categories, of values where the
baseline has at most 20 distinct numbers, else of ten bins between the baseline's deciles. A null is a category of its own there, and so is
NaN; a category or value that the baseline lacks counts (a cell that one side alone lacks gets half a row, so that no logarithm is infinite; numbers
that are not among a baseline's few values share one cell). Beyond 100 categories the rarest are compared as one. `ks` and `wasserstein` look at values
alone, without nulls and NaN, and the null shares are printed beside them.

**How it is decided.** Effect first: two samples of one distribution are never equal, so psi, kl, js and chi2 are reduced by what chance
alone adds on average, `(cells - 1) (1/n + 1/m)` for psi and its multiples for the others; that number is compared with `max`. Then certainty: from the sizes
follows a least number of rows at which chance alone stays below `max` in 99 of 100 runs (divided by the number of drift columns in
the contract); with fewer rows here, or in the baseline, the rule is not evaluated and says how many it takes. A column fails when it exceeds `max`
and its q-value (Benjamini-Hochberg over the columns; columns of other entries count as untested) is at most 1%. The p-value is that of the chi-square test of
homogeneity, for `linf` of the largest share (Bonferroni), for `ks` of Kolmogorov's law, for `wasserstein` a bound. The numbers are printed whether or not it fails.

**Example.** A baseline is half `a`, half `b`; a million new rows are 60% `a`: psi is `0.1 ln(0.6/0.5) - 0.1 ln(0.4/0.5)` = 0.041 nats
and linf is 0.1. `max: 0.02` on psi fails, with a q-value near 0; of 100 rows one could not tell, and the rule says so.

**How exact it is.** Against a data file up to 1,048,576 distinct numbers (2,097,152 over all columns of the entry) and 65,536 categories are compared exactly,
against a profile 1,024 and 4,096. Beyond it numbers fall into buckets of a relative 0.4%, and the error is printed; categories fall into 1,024 hash cells, which can
only make a divergence smaller.

**What raises false alarms.** A season; a new annotator; a baseline that was too narrow. There is no guilty row.

**What fools it.** Drift that keeps each column's own distribution and changes how they go together.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

/// Share of false discoveries among the columns that fail, and of runs in which chance alone reaches
/// the limit at the least number of rows. A gate that fails for nothing is soon switched off.
const LEVEL: f64 = 0.01;
/// Columns in one message.
const SHOWN: usize = 40;

struct DistributionDrift {
    statistic: Statistic,
    max: f64,
    detail: Detail,
    /// Drift columns of the whole contract.
    hypotheses: usize,
    /// The baseline's columns, in the order of the rule.
    columns: Vec<Column>,
    /// The types of this data's columns.
    kinds: Vec<arrow::datatypes::DataType>,
    /// What `all` left out, and why.
    left_out: Vec<String>,
    base: Outcome,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seen(Vec<Column>);

impl State for Seen {
    fn merge(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| a.merge(b, false));
    }
}

/// One column's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Answer {
    column: String,
    compared: std::result::Result<Compared, String>,
    q_value: f64,
    verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Verdict {
    Within,
    Beyond,
    Unknown(String),
}

#[derive(Debug, Serialize, Deserialize)]
struct Model {
    rows: u64,
    answers: Vec<Answer>,
}

impl DistributionDrift {
    fn alpha(&self) -> f64 {
        LEVEL / self.hypotheses.max(1) as f64
    }

    fn sentence(&self, a: &Answer) -> String {
        let Ok(c) = &a.compared else {
            let why = a.compared.as_ref().err().cloned().unwrap_or_default();
            return format!("`{}`: {why}", a.column);
        };
        let m = &c.measured;
        let name = self.statistic.name();
        let mut out = format!("`{}`: {name} {}", a.column, distance(m.value));
        if m.raw != m.value {
            out.push_str(&format!(" ({} before correction)", distance(m.raw)));
        }
        if let Some(error) = c.error {
            out.push_str(&format!(" ± {}", number(error)));
        }
        if let (Statistic::Chi2, Some(t)) = (self.statistic, m.test) {
            out.push_str(&format!(", chi-square {} on {}", number(t.statistic), t.degrees));
        }
        out.push_str(&format!(
            ", p {}, q {} by {}, {} against {}",
            number(m.p_value),
            number(a.q_value),
            c.by,
            rows(c.rows),
            group_digits(c.base_rows)
        ));
        if c.nulls.0 != c.nulls.1 {
            out.push_str(&format!(", null share {} against {}", percent(c.nulls.1), percent(c.nulls.0)));
        }
        if let Some(new) = c.unseen.filter(|s| *s > 0.0) {
            out.push_str(&format!(", {} in categories that the baseline lacks, such as `{}`", percent(new), c.news.join("`, `")));
        }
        if let Verdict::Unknown(why) = &a.verdict {
            out.push_str(&format!(", not evaluated: {why}"));
        }
        out
    }
}

fn verdict(max: f64, c: &Compared, q: f64) -> Verdict {
    let (m, n) = (c.base_rows, c.rows);
    let limit = number(max);
    match least(&c.measured, m) {
        _ if m < c.measured.floor => Verdict::Unknown(format!("the baseline has {}; it takes {}", rows(m), rows(c.measured.floor))),
        None => {
            let more = group_digits(c.measured.enough.ceil() as u64);
            Verdict::Unknown(format!("the baseline has {}; a limit of {limit} takes more than {more}", rows(m)))
        }
        Some(needed) if n < needed => {
            Verdict::Unknown(format!("{} here; a limit of {limit} takes {} against a baseline of {}", rows(n), rows(needed), rows(m)))
        }
        Some(_) if c.measured.value > max && q <= LEVEL => Verdict::Beyond,
        Some(_) if c.measured.value > max => {
            Verdict::Unknown(format!("{} is beyond {limit}, but chance alone may do that (q {})", number(c.measured.value), number(q)))
        }
        Some(_) => Verdict::Within,
    }
}

/// The columns that a rule with this limit could judge if the baseline had as many rows as the data: what `init`
/// proposes must have an answer. `role` is that of a column by name.
pub fn comparable(columns: &[Column], statistic: Statistic, max: f64, role: &dyn Fn(&str) -> Option<Role>) -> Vec<String> {
    let fits = |c: &&Column| match &c.content {
        Content::Numbers(_) => true,
        Content::Texts(t) => t.categories.is_exact() && statistic.is_on_cells(),
        Content::Other => false,
    };
    let own: Vec<&Column> = columns.iter().filter(fits).filter(|c| !is_off(role(&c.name)) && !is_companion(&c.name)).collect();
    let alpha = LEVEL / own.len().max(1) as f64;
    let judged = |c: &&&Column| compare(c, c, statistic, max, alpha).is_ok_and(|compared| verdict(max, &compared, 1.0) == Verdict::Within);
    own.iter().filter(judged).map(|c| c.name.clone()).collect()
}

impl Rule for DistributionDrift {
    const META: Meta = META;
    type State = Seen;
    type Model = Model;

    fn columns(&self) -> Vec<String> {
        self.columns.iter().map(|c| c.name.clone()).collect()
    }
    fn start(&self, _: &Round<'_, Model>) -> Seen {
        Seen(self.columns.iter().zip(&self.kinds).map(|(c, kind)| Column::new(&c.name, kind, self.detail)).collect())
    }
    fn observe(&self, _: &Round<'_, Model>, state: &mut Seen, batch: &Batch) -> Result<()> {
        for column in &mut state.0 {
            let array = batch.column(&column.name).ok_or_else(|| Error::internal(format!("the batch lacks `{}`", column.name)))?;
            column.observe(array)?;
        }
        Ok(())
    }
    fn finish(&self, _: &Round<'_, Model>, state: Seen) -> Result<Step<Model>> {
        let one = |(base, now): (&Column, &Column)| compare(base, now, self.statistic, self.max, self.alpha());
        let compared: Vec<_> = self.columns.iter().zip(&state.0).map(one).collect();
        let known: Vec<f64> = compared.iter().flatten().map(|c| c.measured.p_value).collect();
        let mut q_values = benjamini_hochberg(&known, self.hypotheses).into_iter();
        let answers = self.columns.iter().zip(compared).map(|(column, compared)| {
            let (q_value, verdict) = match &compared {
                Ok(c) => {
                    let q = q_values.next().unwrap_or(1.0);
                    (q, verdict(self.max, c, q))
                }
                Err(why) => (1.0, Verdict::Unknown(why.clone())),
            };
            Answer { column: column.name.clone(), compared, q_value, verdict }
        });
        let answers = answers.collect();
        Ok(Step::Done(Model { rows: state.0.first().map_or(0, |c| c.rows), answers }))
    }
    fn outcome(&self, model: &Model) -> Outcome {
        let value = |a: &Answer| a.compared.as_ref().map_or(f64::NEG_INFINITY, |c| c.measured.value);
        let rank = |a: &Answer| match a.verdict {
            Verdict::Beyond => 0,
            Verdict::Unknown(_) => 1,
            Verdict::Within => 2,
        };
        let mut order: Vec<&Answer> = model.answers.iter().collect();
        order.sort_by(|a, b| rank(a).cmp(&rank(b)).then(value(b).total_cmp(&value(a))).then(a.column.cmp(&b.column)));
        let mut said: Vec<String> = order.iter().take(SHOWN).map(|a| self.sentence(a)).collect();
        if order.len() > SHOWN {
            said.push(format!("{} more", group_digits((order.len() - SHOWN) as u64)));
        }
        if !self.left_out.is_empty() {
            said.push(format!("left out: {}", listing(&self.left_out)));
        }
        let message = said.join("; ");
        let status = match order.first().map(|a| &a.verdict) {
            None => Status::NotEvaluated("no column is left to compare".into()),
            Some(Verdict::Beyond) => Status::Fail,
            Some(Verdict::Within) => Status::Pass,
            Some(Verdict::Unknown(why)) => {
                let others = order.iter().filter(|a| rank(a) == 1).count() - 1;
                let more = if others > 0 { format!(" (and {})", plural(others, "more column")) } else { String::new() };
                Status::NotEvaluated(format!("`{}`: {why}{more}", order[0].column))
            }
        };
        Outcome {
            status,
            tested: model.rows,
            statistic: order.iter().map(|a| value(a)).filter(|v| v.is_finite()).max_by(f64::total_cmp),
            threshold: Some(format!("{} at most {}", self.statistic.name(), number(self.max))),
            message,
            ..self.base.clone()
        }
    }
    fn has_rows(&self, _: &Model) -> bool {
        false
    }
    fn judge(&self, _: &Model, _: &Batch, _: &mut Findings) -> Result<()> {
        Ok(())
    }
}

fn rows(n: u64) -> String {
    plural(usize::try_from(n).unwrap_or(usize::MAX), "row")
}

/// A distance, to seven digits: what other programs compute can be compared with it.
fn distance(x: f64) -> String {
    let digits = (6 - x.abs().max(1e-3).log10().floor() as i32).clamp(0, 9) as usize;
    if x == 0.0 || (1e-3..1e6).contains(&x.abs()) { trimmed(format!("{x:.digits$}")) } else { format!("{x:.6e}") }
}

fn trimmed(text: String) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Four digits that matter.
fn number(x: f64) -> String {
    if x == 0.0 || (1e-3..1e6).contains(&x.abs()) {
        trimmed(format!("{:.*}", (3 - x.abs().max(1e-3).log10().floor() as i32).clamp(0, 6) as usize, x))
    } else {
        format!("{x:.1e}")
    }
}

fn percent(share: f64) -> String {
    format!("{}%", number(share * 100.0))
}

/// Roles whose values are new in every dataset, or are no distribution of this kind.
fn is_off(role: Option<Role>) -> bool {
    use Role as R;
    matches!(role, Some(R::Id | R::Time | R::Text | R::Prompt | R::Response | R::Chosen | R::Rejected | R::Image | R::Embedding))
}

/// The columns of one rule that can be compared, the baseline's in the same order.
struct Resolved<'c> {
    rule: &'c RuleSpec,
    spec: &'c Spec,
    names: Vec<String>,
    left_out: Vec<String>,
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    let mut resolved: Vec<Resolved<'_>> = Vec::new();
    let mut scopes = Vec::new();
    for rule in &ctx.contract.rules {
        let RuleKind::Drift(spec) = &rule.kind else { continue };
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        match columns(ctx, spec) {
            Err(more) => errors.extend(more),
            Ok(Err(why)) => built.settled.push(super::not_evaluated(rule, &title(rule, spec), why)),
            Ok(Ok((names, left_out))) => {
                scopes.push(scope);
                resolved.push(Resolved { rule, spec, names, left_out });
            }
        }
    }
    // Nothing outside is read for a contract that is wrong anyway.
    if !errors.is_empty() {
        return Err(errors);
    }
    let opened = baseline::open(ctx, &mut resolved, &mut errors);
    let hypotheses = resolved.iter().map(|r| r.names.len()).sum();
    for ((r, scope), (detail, columns)) in resolved.into_iter().zip(scopes).zip(opened) {
        let kinds = columns.iter().filter_map(|c| ctx.schema.field_with_name(&c.name).ok()).map(|f| f.data_type().clone()).collect();
        let base = Outcome {
            severity: r.rule.severity,
            span: Some(r.rule.span),
            columns: r.names.clone(),
            ..Outcome::new(title(r.rule, r.spec), Status::Pass)
        };
        let (statistic, max) = (r.spec.statistic, r.spec.max);
        scope.push(&mut built, DistributionDrift { statistic, max, detail, hypotheses, columns, kinds, left_out: r.left_out, base });
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}

fn title(rule: &RuleSpec, spec: &Spec) -> String {
    let what = match &spec.columns {
        DriftColumns::All(_) => "all columns".to_owned(),
        DriftColumns::Named(names) => listing(&names.iter().map(|n| n.value.as_str()).collect::<Vec<_>>()),
    };
    rule.name.clone().unwrap_or_else(|| format!("{what}: {} against {}", spec.statistic.name(), spec.baseline.value))
}

/// The names to compare and those that `all` leaves out; `Ok(Err)` when a declared column is absent.
#[allow(clippy::type_complexity, reason = "errors of the contract, of the data, and the answer, as `rule_columns` has it")]
fn columns(
    ctx: &Context<'_>,
    spec: &Spec,
) -> std::result::Result<std::result::Result<(Vec<String>, Vec<String>), String>, Vec<Diagnostic>> {
    let named = match &spec.columns {
        DriftColumns::Named(named) => named,
        DriftColumns::All(_) => {
            let own = ctx.schema.fields().iter().filter(|f| !is_companion(f.name()));
            let (mut names, mut left_out) = (Vec::new(), Vec::new());
            for field in own {
                let kind = content(field.data_type(), baseline::EXACT);
                let off = match ctx.roles.of(field.name()) {
                    role if is_off(role) => Some(role.map_or("", Role::as_str).to_owned()),
                    _ if matches!(kind, Content::Other) => Some("no number, boolean or category".into()),
                    _ if matches!(kind, Content::Texts(_)) && !spec.statistic.is_on_cells() => Some("no number".into()),
                    _ => None,
                };
                match off {
                    None => names.push(field.name().clone()),
                    Some(why) => left_out.push(format!("`{}` ({why})", field.name())),
                }
            }
            return Ok(Ok((names, left_out)));
        }
    };
    let (mut names, mut errors, mut absent) = (Vec::new(), Vec::new(), None);
    for name in named {
        let Ok(field) = ctx.schema.field_with_name(&name.value) else {
            if ctx.contract.columns.iter().any(|c| !c.is_glob && c.name.value == name.value) {
                absent.get_or_insert_with(|| format!("column `{}` is not in the data", name.value));
            } else {
                errors.push(unknown_column(ctx, &name.value).at(name.span));
            }
            continue;
        };
        let role = ctx.roles.of(field.name());
        let kind = content(field.data_type(), baseline::EXACT);
        let wrong = match kind {
            _ if is_off(role) => Some((
                format!("`{}` has the role `{}`, whose values are new in every dataset", name.value, role.map_or("", Role::as_str)),
                "take it out; `unique`, `fresh` and the detectors are for such columns",
            )),
            Content::Other => Some((format!("`{}` holds no numbers, booleans or categories", name.value), "drift compares plain columns")),
            Content::Texts(_) if !spec.statistic.is_on_cells() => Some((
                format!("{} compares numbers, and `{}` holds none", spec.statistic.name(), name.value),
                "take psi, js, chi2, kl or linf",
            )),
            _ => None,
        };
        match wrong {
            Some((message, help)) => errors.push(Diagnostic::new("C150", message).at(name.span).help(help)),
            None => names.push(name.value.clone()),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(absent.map_or(Ok((names, Vec::new())), Err))
}
