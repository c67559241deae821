//! `outlier-group`: rows that lie apart from all others in more than one column at once, share one
//! label, and look like other classes everywhere else. The statistics are those of the table families
//! of `shared-trigger`; only what is nominated differs, see `trigger_table::blocks`.

use super::trigger_table::{Family, TableModel, TableState, TableTrigger, build as table};
use crate::batch::Batch;
use crate::contract::Role;
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, Step};

pub const META: Meta = Meta {
    code: "P190",
    name: "outlier-group",
    summary: "rows that lie apart from all others in several columns at once and share one label",
    explain: include_str!("outlier_group/outlier_group.md"),
    ids: &["MITRE ATLAS AML.T0020 (v4)", "NIST AI 100-2e2025 2.3.2"],
};

pub const ENTRY: Entry = Entry { meta: META, build };

/// The table detector, looking for joint tails.
pub struct OutlierGroup(TableTrigger);

fn build(context: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let Some(label) = context.roles.first(Role::Label) else {
        return Ok(Built::not_tested("no column has the role label"));
    };
    if context.schema.field_with_name(label).is_err() {
        return Ok(Built::not_tested(format!("column `{label}` is not in the data")));
    }
    Ok(match table(context, label, Family::Tails) {
        Ok(rule) => Built::one(OutlierGroup(rule)),
        Err(reason) => Built::not_tested(reason),
    })
}

impl Rule for OutlierGroup {
    const META: Meta = META;
    type State = TableState;
    type Model = TableModel;

    fn columns(&self) -> Vec<String> {
        self.0.columns()
    }
    fn start(&self, round: &Round<'_, TableModel>) -> TableState {
        self.0.start(round)
    }
    fn observe(&self, round: &Round<'_, TableModel>, state: &mut TableState, batch: &Batch) -> Result<()> {
        self.0.observe(round, state, batch)
    }
    fn finish(&self, round: &Round<'_, TableModel>, state: TableState) -> Result<Step<TableModel>> {
        self.0.finish(round, state)
    }
    fn outcome(&self, model: &TableModel) -> Outcome {
        self.0.outcome(model)
    }
    fn has_rows(&self, model: &TableModel) -> bool {
        self.0.has_rows(model)
    }
    fn judge(&self, model: &TableModel, batch: &Batch, out: &mut Findings) -> Result<()> {
        self.0.judge(model, batch, out)
    }
}
