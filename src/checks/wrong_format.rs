//! C110: a text without its well-known form.

use super::cells::{Cells, each_value};
use super::row::{Clause, Marks, RowRule, Test, Wrong};
use super::{forms, texts};
use crate::batch::Batch;
use crate::contract::clauses::ColumnClause;
use crate::error::{Diagnostic, Result};
use crate::rule::{Built, Context, Entry, Meta};

pub const META: Meta = Meta {
    code: "C110",
    name: "wrong-format",
    summary: "Every text has its declared form: email, uuid, date-time, a strftime format, JSON.",
    ids: &[],
    explain: "\
A row fails when its text does not have the form that the column declares: by name (`format: email`), by a strftime format
(`time_format: '%d/%m/%Y'`), or as JSON (`json: true`).

**Why it hurts a model.** A feature that is derived from a text (the domain of an address, the hour of a time stamp, a member of
a JSON object) becomes null or garbage for rows whose text has another form, and loaders seldom say so.

**How it is computed.** Nulls are skipped; the empty text has no form and fails. The whole text must have the form.
`email`: local part and host name by RFC 5321, without quoted parts. `uuid`: 8-4-4-4-12 hexadecimal digits. `uri`: a scheme and
the characters of RFC 3986. `hostname`: labels of letters, digits and inner hyphens, at most 63 each and 253 in all. `ipv4`,
`ipv6`, `ip`: addresses without a port or zone. `date`, `time`, `date-time`: RFC 3339, days that exist; a `date-time` has an
offset. `duration`: ISO 8601, `P3DT4H`. `base64`: RFC 4648 with its padding. `any-date`: whatever people write that names a day
(`Jan 1st, 2020`, `31/01/2010`). A `time_format` is read as strftime writes it, the whole text must be used up, and the day must
exist; leading zeros may be missing. JSON is one value of RFC 8259, nested at most 128 deep.

**Example.** `mail: {format: email}` fails for `nobody` and `a@b@c`.

**What fools it.** A well-formed value that is made up; nothing is looked up.",
};

pub const ENTRY: Entry = Entry { meta: META, build };

struct WrongFormat {
    cells: Cells,
    form: Form,
}

enum Form {
    Named(fn(&str) -> bool),
    Time(String),
}

impl Test for WrongFormat {
    const META: Meta = META;
    fn test(&self, batch: &Batch) -> Result<Marks> {
        match &self.form {
            Form::Named(holds) => texts::test(&self.cells, batch, holds),
            Form::Time(format) => {
                let items: Vec<_> = chrono::format::StrftimeItems::new(format).collect();
                texts::test(&self.cells, batch, &|t| forms::by_items(t, &items))
            }
        }
    }
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors) = (Built::default(), Vec::new());
    for key in ["format", "time_format", "json"] {
        for (spec, cells, at) in each_value(ctx, &mut built, key, |s| s.clause(key)) {
            if !texts::must_be_text(spec, &cells, key, META.code, at.span, &mut built, &mut errors) {
                continue;
            }
            let (what, noun, form) = match &at.value {
                ColumnClause::Format(name) => (format!("format {name}"), forms::noun(name), Form::Named(forms::named(name))),
                ColumnClause::TimeFormat(f) => (format!("time_format `{f}`"), format!("a time of the form `{f}`"), Form::Time(f.clone())),
                _ => ("json".to_owned(), "JSON".to_owned(), Form::Named(forms::json)),
            };
            let clause = Clause::of_column(spec, &cells, at.span, &what, Wrong::being(&format!("not {noun}")), format!("not {noun}"));
            built.rules.push(Box::new(RowRule { clause, test: WrongFormat { cells, form } }));
        }
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}
