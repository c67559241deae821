//! `when` and `by`: a rule that is about some rows only, or about each group of rows by itself. Any
//! rule can be: [`Scoped`] hands it the rows of one group after the other, and they keep their
//! identity.
//!
//! ```text
//!  batch ─► when ─► groups of `by` ─► a state of the inner rule for each ─► one outcome
//! ```

use super::cells::{Cells, rule_columns};
use super::crossing::joint;
use super::duplicate_key::{can_be_key, hashes};
use crate::batch::{Batch, cell_text};
use crate::contract::{Role, RuleKind, RuleSpec, types};
use crate::error::{Diagnostic, Error, Result, group_digits, plural};
use crate::rule::{AnyModel, AnyState, Built, Context, DynRule, Findings, Meta, OWN, Outcome, Plan, Status};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Groups of a rule whose state is a few numbers, and of one that holds a sketch or a table.
const MOST: usize = 10_000;
const MOST_LARGE: usize = 200;

/// Values of the `by` columns.
type Key = Vec<String>;
/// Rows of a batch by group.
type Groups = Vec<(Key, Vec<u32>)>;

/// Which rows a rule is about.
#[derive(Clone)]
pub struct Scope {
    #[cfg(feature = "polars")]
    when: Option<Arc<crate::contract::expression_polars::Plan>>,
    by: Arc<[Cells]>,
    /// ` by country`, for titles.
    words: String,
    most: usize,
}

impl Scope {
    /// The scope that a rule asks for. `None` when that is settled: errors of the contract, or a
    /// declared column that is absent.
    pub fn of(ctx: &Context<'_>, rule: &RuleSpec, (built, errors): (&mut Built, &mut Vec<Diagnostic>)) -> Option<Scope> {
        let light = match &rule.kind {
            RuleKind::Dataset(d) => d.is_about_rows(),
            RuleKind::Expression(_) | RuleKind::Rows { .. } => true,
            _ => false,
        };
        let most = if light { MOST } else { MOST_LARGE };
        let title = rule.name.clone().unwrap_or_else(|| rule.key.to_owned());
        let mut words = String::new();
        if let Some(by) = &rule.by {
            words = format!(" by {}", by.value.join(", "));
        }
        let names: Vec<(String, _)> = rule.by.iter().flat_map(|b| b.value.iter().map(|n| (holder(ctx, n), b.span))).collect();
        let names: Vec<_> = names.iter().map(|(n, span)| (n.as_str(), *span)).collect();
        let by = match rule_columns(ctx, &names) {
            Err(more) => {
                errors.extend(more);
                return None;
            }
            Ok(Err(why)) => {
                built.settled.push(super::not_evaluated(rule, &title, why));
                return None;
            }
            Ok(Ok(by)) => by,
        };
        if let Some((c, b)) = by.iter().find(|c| !can_be_key(&c.kind)).zip(rule.by.as_ref()) {
            let message = format!("`by` needs plain values; `{}` is {}", c.name, types::name(&c.kind));
            errors.push(Diagnostic::new("C004", message).at(b.span));
            return None;
        }
        #[cfg(feature = "polars")]
        let when = match &rule.when {
            None => None,
            Some(text) => match super::broken_expression::compiled(ctx, text) {
                Ok(Ok(e)) => {
                    words.push_str(&format!(" when {}", text.value.split_whitespace().collect::<Vec<_>>().join(" ")));
                    Some(Arc::new(crate::contract::expression_polars::Plan::new(&e)))
                }
                Ok(Err(why)) => {
                    built.settled.push(super::not_evaluated(rule, &title, why));
                    return None;
                }
                Err(d) => {
                    errors.push(d);
                    return None;
                }
            },
        };
        #[cfg(not(feature = "polars"))]
        if let Some(text) = &rule.when {
            errors.push(super::broken_expression::none_here(text.span));
            return None;
        }
        Some(Scope {
            #[cfg(feature = "polars")]
            when,
            by: by.into(),
            words,
            most,
        })
    }

    /// The columns of `by`, for a rule about keys: there they are a part of the key.
    pub fn take_by(&mut self) -> Vec<Cells> {
        std::mem::replace(&mut self.by, Arc::new([])).to_vec()
    }

    /// Adds a rule, about these rows.
    pub fn push(&self, built: &mut Built, rule: impl DynRule + 'static) {
        #[cfg(feature = "polars")]
        let everywhere = self.when.is_none();
        #[cfg(not(feature = "polars"))]
        let everywhere = true;
        if everywhere && self.by.is_empty() {
            built.rules.push(Box::new(rule));
        } else {
            built.rules.push(Box::new(Scoped { inner: Box::new(rule), scope: self.clone() }));
        }
    }

    fn columns(&self) -> Vec<String> {
        #[cfg(feature = "polars")]
        let condition = self.when.iter().flat_map(|w| w.columns().iter().cloned());
        #[cfg(not(feature = "polars"))]
        let condition = std::iter::empty();
        self.by.iter().flat_map(Cells::reads).chain(condition).collect()
    }

    /// The rows for which `when` is true, all of them without one, and for how many it is null.
    #[cfg(feature = "polars")]
    fn selected(&self, batch: &Batch) -> Result<(Option<arrow::buffer::BooleanBuffer>, u64)> {
        let Some(when) = &self.when else { return Ok((None, 0)) };
        let truth = when.evaluate(batch)?;
        Ok((Some(truth.holds), (batch.rows() - truth.known.count_set_bits()) as u64))
    }
    #[cfg(not(feature = "polars"))]
    fn selected(&self, _: &Batch) -> Result<(Option<arrow::buffer::BooleanBuffer>, u64)> {
        Ok((None, 0))
    }

    /// The rows in question, by group, and how many are left out because `when` or `by` is null.
    fn groups(&self, batch: &Batch) -> Result<(Groups, u64)> {
        let n = batch.rows();
        let (selected, mut left_out) = self.selected(batch)?;
        let rows = (0..n).filter(|i| selected.as_ref().is_none_or(|s| s.value(*i)));
        if self.by.is_empty() {
            let rows: Vec<u32> = rows.map(|i| i as u32).collect();
            return Ok((if rows.is_empty() { Vec::new() } else { vec![(Vec::new(), rows)] }, left_out));
        }
        let arrays = self.by.iter().map(|c| c.of(batch)).collect::<Result<Vec<_>>>()?;
        let parts = arrays.iter().map(hashes).collect::<Result<Vec<_>>>()?;
        let keys = joint(parts, n);
        let mut found: BTreeMap<u128, Vec<u32>> = BTreeMap::new();
        for i in rows {
            match keys[i] {
                Some(key) => found.entry(key).or_default().push(i as u32),
                None => left_out += 1,
            }
        }
        let name = |rows: &[u32]| arrays.iter().map(|a| cell_text(a.as_ref(), rows[0] as usize).unwrap_or_default()).collect();
        Ok((found.into_values().map(|rows| (name(&rows), rows)).collect(), left_out))
    }
}

/// A column, or the one with a role of that name.
fn holder(ctx: &Context<'_>, name: &str) -> String {
    if Cells::find(ctx, name).is_some() {
        return name.to_owned();
    }
    let role = Role::ALL.iter().find(|(n, _)| *n == name);
    role.and_then(|(_, r)| ctx.roles.first(*r)).unwrap_or(name).to_owned()
}

/// A rule about each group of the rows of a scope.
struct Scoped {
    inner: Box<dyn DynRule>,
    scope: Scope,
}

#[derive(Default)]
struct Seen {
    groups: BTreeMap<Key, AnyState>,
    left_out: u64,
    too_many: bool,
}

struct Model {
    /// With whether another round is wanted.
    groups: BTreeMap<Key, (Arc<AnyModel>, bool)>,
    left_out: u64,
    too_many: bool,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    groups: Vec<(Key, Vec<u8>, bool)>,
    left_out: u64,
    too_many: bool,
}

impl Scoped {
    fn start_inner(&self, round: u32, model: Option<&Model>, key: &Key, plan: &Plan) -> AnyState {
        self.inner.start(round, model.and_then(|m| m.groups.get(key)).map(|g| g.0.as_ref()), plan)
    }
    /// `eu: `, in front of what is said about a group.
    fn place(key: &Key) -> String {
        if key.is_empty() { String::new() } else { format!("{}: ", key.join(", ")) }
    }
}

fn own(model: &AnyModel) -> &Model {
    model.0.downcast_ref().expect(OWN)
}

impl DynRule for Scoped {
    fn meta(&self) -> Meta {
        self.inner.meta()
    }
    fn columns(&self) -> Vec<String> {
        let mut columns = self.inner.columns();
        columns.extend(self.scope.columns());
        columns.sort();
        columns.dedup();
        columns
    }
    fn reads_text(&self) -> bool {
        self.inner.reads_text()
    }
    fn start(&self, _: u32, _: Option<&AnyModel>, _: &Plan) -> AnyState {
        AnyState(Box::<Seen>::default())
    }
    fn observe(&self, round: u32, model: Option<&AnyModel>, plan: &Plan, state: &mut AnyState, batch: &Batch) -> Result<()> {
        let (model, state): (_, &mut Seen) = (model.map(own), state.0.downcast_mut().expect(OWN));
        if state.too_many || model.is_some_and(|m| m.too_many) {
            return Ok(());
        }
        let (groups, left_out) = self.scope.groups(batch)?;
        state.left_out += left_out;
        for (key, rows) in groups {
            let of = match model {
                None => None,
                Some(m) => match m.groups.get(&key) {
                    Some((of, true)) => Some(of.as_ref()),
                    _ => continue,
                },
            };
            if !state.groups.contains_key(&key) {
                if state.groups.len() == self.scope.most {
                    *state = Seen { too_many: true, ..Seen::default() };
                    return Ok(());
                }
                state.groups.insert(key.clone(), self.inner.start(round, of, plan));
            }
            if let Some(inner) = state.groups.get_mut(&key) {
                self.inner.observe(round, of, plan, inner, &batch.pick(&rows)?)?;
            }
        }
        Ok(())
    }
    fn merge(&self, into: &mut AnyState, other: AnyState) {
        let into: &mut Seen = into.0.downcast_mut().expect(OWN);
        let other: Seen = *other.0.downcast().expect(OWN);
        into.left_out += other.left_out;
        into.too_many |= other.too_many;
        for (key, state) in other.groups {
            match into.groups.get_mut(&key) {
                Some(mine) => self.inner.merge(mine, state),
                None => {
                    into.groups.insert(key, state);
                }
            }
        }
        if into.too_many || into.groups.len() > self.scope.most {
            *into = Seen { too_many: true, ..Seen::default() };
        }
    }
    fn finish(&self, round: u32, model: Option<&AnyModel>, plan: &Plan, state: AnyState) -> Result<(AnyModel, bool)> {
        let before = model.map(own);
        let mut state: Seen = *state.0.downcast().expect(OWN);
        let mut out = Model {
            groups: BTreeMap::new(),
            left_out: before.map_or(state.left_out, |m| m.left_out),
            too_many: state.too_many || before.is_some_and(|m| m.too_many),
        };
        if out.too_many {
            return Ok((AnyModel(Box::new(out)), false));
        }
        match before {
            // No row at all: the rule itself says what that means.
            None if state.groups.is_empty() => {
                state.groups.insert(Vec::new(), self.start_inner(round, None, &Vec::new(), plan));
            }
            None => {}
            Some(before) => {
                for (key, (done, again)) in &before.groups {
                    if !again {
                        out.groups.insert(key.clone(), (done.clone(), false));
                    } else if !state.groups.contains_key(key) {
                        state.groups.insert(key.clone(), self.start_inner(round, Some(before), key, plan));
                    }
                }
            }
        }
        for (key, inner) in state.groups {
            let of = before.and_then(|m| m.groups.get(&key)).map(|g| g.0.as_ref());
            let (learned, again) = self.inner.finish(round, of, plan, inner)?;
            out.groups.insert(key, (Arc::new(learned), again));
        }
        let again = out.groups.values().any(|g| g.1);
        Ok((AnyModel(Box::new(out)), again))
    }
    fn outcome(&self, model: &AnyModel) -> Outcome {
        let model = own(model);
        let each: Vec<(&Key, Outcome)> = model.groups.iter().map(|(key, g)| (key, self.inner.outcome(&g.0))).collect();
        let Some((_, first)) = each.first() else {
            let why = format!("more than {} groups", group_digits(self.scope.most as u64));
            return Outcome { message: why.clone(), ..Outcome::new(self.inner.meta().name, Status::NotEvaluated(why)) };
        };
        let failing: Vec<&(&Key, Outcome)> = each.iter().filter(|(_, o)| o.status == Status::Fail).collect();
        let open: Vec<&(&Key, Outcome)> = each.iter().filter(|(_, o)| matches!(o.status, Status::NotEvaluated(_))).collect();
        let told = |these: &[&(&Key, Outcome)]| {
            let lines: Vec<String> = these.iter().take(4).map(|(key, o)| format!("{}{}", Scoped::place(key), o.message)).collect();
            let more = these.len().saturating_sub(lines.len());
            lines.join("; ") + &(if more > 0 { format!("; and {}", plural(more, "more group")) } else { String::new() })
        };
        let tested: u64 = each.iter().map(|(_, o)| o.tested).sum();
        let (status, mut message) = match (failing.as_slice(), open.as_slice()) {
            ([], []) if each.len() == 1 => (Status::Pass, told(&each.iter().collect::<Vec<_>>())),
            ([], []) => {
                (Status::Pass, format!("{} in {}, each of which passes", plural(tested as usize, "row"), plural(each.len(), "group")))
            }
            ([], open) => (Status::NotEvaluated(told(open)), told(open)),
            (failing, _) => (Status::Fail, told(failing)),
        };
        if model.left_out > 0 {
            let n = plural(usize::try_from(model.left_out).unwrap_or(usize::MAX), "row");
            message.push_str(&format!("; {n} left out, where `when` or `by` is null"));
        }
        let named = failing.first().or(open.first()).map_or(first, |(_, o)| o);
        Outcome {
            title: format!("{}{}", first.title, self.scope.words),
            tested,
            failing: each.iter().map(|(_, o)| o.failing).sum(),
            not_tested_rows: model.left_out + each.iter().map(|(_, o)| o.not_tested_rows).sum::<u64>(),
            within_tolerance: status == Status::Pass && each.iter().any(|(_, o)| o.within_tolerance),
            status,
            message,
            ..named.clone()
        }
    }
    fn pictures(&self, model: &AnyModel) -> Vec<crate::rule::Picture> {
        own(model).groups.values().flat_map(|(m, _)| self.inner.pictures(m)).collect()
    }
    fn has_rows(&self, model: &AnyModel) -> bool {
        own(model).groups.values().any(|(m, _)| self.inner.has_rows(m))
    }
    fn judge(&self, model: &AnyModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        let model = own(model);
        for (key, rows) in self.scope.groups(batch)?.0 {
            let Some((of, _)) = model.groups.get(&key).filter(|(m, _)| self.inner.has_rows(m)) else { continue };
            let from = out.hits.len();
            self.inner.judge(of, &batch.pick(&rows)?, out)?;
            for hit in &mut out.hits[from..] {
                hit.row = rows[hit.row as usize];
            }
        }
        Ok(())
    }
    fn encode_state(&self, state: &AnyState) -> Result<Vec<u8>> {
        let state: &Seen = state.0.downcast_ref().expect(OWN);
        let groups = state.groups.iter().map(|(k, s)| Ok((k.clone(), self.inner.encode_state(s)?, false))).collect::<Result<_>>()?;
        stored(&Stored { groups, left_out: state.left_out, too_many: state.too_many })
    }
    fn decode_state(&self, bytes: &[u8]) -> Result<AnyState> {
        let s: Stored = postcard::from_bytes(bytes).map_err(Error::internal)?;
        let groups = s.groups.into_iter().map(|(k, b, _)| Ok((k, self.inner.decode_state(&b)?))).collect::<Result<_>>()?;
        Ok(AnyState(Box::new(Seen { groups, left_out: s.left_out, too_many: s.too_many })))
    }
    fn encode_model(&self, model: &AnyModel) -> Result<Vec<u8>> {
        let model = own(model);
        let groups =
            model.groups.iter().map(|(k, (m, again))| Ok((k.clone(), self.inner.encode_model(m)?, *again))).collect::<Result<_>>()?;
        stored(&Stored { groups, left_out: model.left_out, too_many: model.too_many })
    }
    fn decode_model(&self, bytes: &[u8]) -> Result<AnyModel> {
        let s: Stored = postcard::from_bytes(bytes).map_err(Error::internal)?;
        let groups =
            s.groups.into_iter().map(|(k, b, again)| Ok((k, (Arc::new(self.inner.decode_model(&b)?), again)))).collect::<Result<_>>()?;
        Ok(AnyModel(Box::new(Model { groups, left_out: s.left_out, too_many: s.too_many })))
    }
}

fn stored(s: &Stored) -> Result<Vec<u8>> {
    postcard::to_stdvec(s).map_err(Error::internal)
}
