//! Where a check's values come from: the columns that a clause names, and one batch's cells of
//! them, whatever their encoding. Nothing here knows what is being checked.

use crate::batch::Batch;
use crate::contract::{ColumnSpec, Contract, glob_matches, types};
use crate::error::{Diagnostic, Error, Result};
use crate::rule::{Built, Context, Outcome, Status};
use crate::source::unparsed_column;
use arrow::array::{Array, ArrayRef, AsArray, make_array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::DataType;

/// One column of the data, or a field inside a struct column (`answer.text`).
#[derive(Debug, Clone)]
pub struct Cells {
    /// As the contract and the list print it.
    pub name: String,
    /// Top-level column, then fields.
    path: Vec<String>,
    /// Without its encoding.
    pub kind: DataType,
    /// Name of the companion that marks cells of a text file which did not parse. It comes along
    /// unasked, from text files alone.
    unparsed: String,
}

impl Cells {
    /// `None` when the data has no such column.
    pub fn find(ctx: &Context<'_>, name: &str) -> Option<Cells> {
        let (path, kind) = match ctx.schema.field_with_name(name) {
            Ok(field) => (vec![name.to_owned()], field.data_type()),
            Err(_) => {
                // A dot inside a column's own name wins over a path, so try every split.
                let cut = name.match_indices('.').find(|(at, _)| ctx.schema.field_with_name(&name[..*at]).is_ok())?.0;
                let mut kind = ctx.schema.field_with_name(&name[..cut]).ok()?.data_type();
                let mut path = vec![name[..cut].to_owned()];
                for part in name[cut + 1..].split('.') {
                    let DataType::Struct(fields) = kind else { return None };
                    kind = fields.iter().find(|f| f.name() == part)?.data_type();
                    path.push(part.to_owned());
                }
                (path, kind)
            }
        };
        let unparsed = unparsed_column(&path[0]);
        Some(Cells { name: name.to_owned(), path, kind: types::unencoded(kind).clone(), unparsed })
    }

    /// The columns to decode.
    pub fn reads(&self) -> Vec<String> {
        self.path[..1].to_vec()
    }

    /// This batch's cells.
    pub fn of(&self, batch: &Batch) -> Result<ArrayRef> {
        let gone = || Error::internal(format!("column {:?} was asked for and not delivered", self.name));
        let mut array = batch.column(&self.path[0]).ok_or_else(gone)?.clone();
        for part in &self.path[1..] {
            let parent = array.as_struct_opt().ok_or_else(gone)?.clone();
            let child = parent.column_by_name(part).ok_or_else(gone)?;
            // A field of an absent struct is absent, whatever its own slot holds.
            let nulls = NullBuffer::union(parent.nulls(), child.nulls());
            let data = child.to_data().into_builder().nulls(nulls).build().map_err(Error::internal)?;
            array = make_array(data);
        }
        if let DataType::RunEndEncoded(_, values) = array.data_type() {
            array = arrow::compute::cast(&array, values.data_type()).map_err(Error::internal)?;
        }
        Ok(array)
    }

    /// Cells of a text file that hold something, but not a value of the declared type. They read as
    /// null, and are neither absent nor values.
    pub fn unparsed(&self, batch: &Batch) -> Option<BooleanBuffer> {
        let marks = batch.column(&self.unparsed)?.as_boolean_opt()?;
        Some(match marks.nulls() {
            Some(valid) => marks.values() & valid.inner(),
            None => marks.values().clone(),
        })
    }
}

/// The column entries of a contract that ask for a check, each with the columns it stands for.
/// `ask` picks the part of an entry that the check is about. Entries whose column is absent settle
/// as not evaluated: [`super::missing_column`] is what fails.
pub fn each_column<'c, Q>(
    ctx: &Context<'c>,
    built: &mut Built,
    what: &str,
    ask: impl Fn(&'c ColumnSpec) -> Option<Q>,
) -> Vec<(&'c ColumnSpec, Cells, Q)> {
    let mut found = Vec::new();
    for spec in &ctx.contract.columns {
        for cells in columns_of(ctx, spec) {
            if let Some(q) = ask(spec) {
                found.push((spec, cells, q));
            }
        }
        if columns_of(ctx, spec).is_empty() && ask(spec).is_some() {
            let name = &spec.name.value;
            let why = if spec.is_glob { format!("no column matches `{name}`") } else { format!("column `{name}` is not in the data") };
            built.settled.push(settled(spec, &format!("{name}: {what}"), Status::NotEvaluated(why)));
        }
    }
    found
}

/// The columns of the data that an entry stands for, in schema order.
pub fn columns_of(ctx: &Context<'_>, spec: &ColumnSpec) -> Vec<Cells> {
    if !spec.is_glob {
        return Cells::find(ctx, &spec.name.value).into_iter().collect();
    }
    let names = ctx.schema.fields().iter().map(|f| f.name()).filter(|n| !is_companion(n));
    names.filter(|n| glob_matches(&spec.name.value, n)).filter_map(|n| Cells::find(ctx, n)).collect()
}

/// A column that the source added, not the user.
pub fn is_companion(name: &str) -> bool {
    name.starts_with(&unparsed_column(""))
}

/// An outcome known without reading a row.
pub fn settled(spec: &ColumnSpec, title: &str, status: Status) -> Outcome {
    let message = match &status {
        Status::NotEvaluated(why) => why.clone(),
        _ => String::new(),
    };
    Outcome {
        severity: spec.severity,
        span: Some(spec.name.span),
        columns: vec![spec.name.value.clone()],
        message,
        ..Outcome::new(title, status)
    }
}

/// A clause that does not fit the column's type: a contract error, unless the data itself has the
/// wrong type. Then that is what fails, and the clause is not evaluated because of it.
pub fn misfit(spec: &ColumnSpec, cells: &Cells, what: &str, d: Diagnostic, built: &mut Built, errors: &mut Vec<Diagnostic>) {
    match &spec.type_ {
        Some(t) if !t.value.matches(&cells.kind) => {
            let why = format!("column `{}` has the wrong type, {}", cells.name, types::name(&cells.kind));
            built.settled.push(settled(spec, &format!("{}: {what}", cells.name), Status::NotEvaluated(why)));
        }
        _ => errors.push(d),
    }
}

/// The columns that a rule names. `Err(diagnostic)` for one that is neither declared nor present;
/// `Ok(Err(reason))` for one that is declared and absent.
pub fn rule_columns(ctx: &Context<'_>, names: &[(&str, crate::error::Span)]) -> Result<Result<Vec<Cells>, String>, Vec<Diagnostic>> {
    let (mut found, mut absent, mut errors) = (Vec::new(), None, Vec::new());
    for &(name, span) in names {
        match Cells::find(ctx, name) {
            Some(cells) => found.push(cells),
            None if declares(ctx.contract, name) => {
                absent.get_or_insert_with(|| format!("column `{name}` is not in the data"));
            }
            None => errors.push(unknown_column(ctx, name).at(span)),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(absent.map_or(Ok(found), Err))
}

fn declares(contract: &Contract, name: &str) -> bool {
    contract.columns.iter().any(|c| !c.is_glob && c.name.value == name)
}

/// A rule names a column that is neither declared nor present.
pub fn unknown_column(ctx: &Context<'_>, name: &str) -> Diagnostic {
    let known: Vec<&str> = ctx.schema.fields().iter().map(|f| f.name().as_str()).filter(|n| !is_companion(n)).collect();
    let near = known.iter().map(|k| (strsim::damerau_levenshtein(name, k), *k)).min().filter(|(d, k)| *d <= 1 + k.chars().count() / 4);
    let label = format!("the data has: {}", listing(&known));
    let d = Diagnostic::new("C002", format!("column `{name}` is neither in the data nor declared")).label(label);
    match near {
        Some((_, k)) => d.help(format!("did you mean `{k}`?")),
        None => d,
    }
}

/// `a, b, c` or `a, b, c and 12 more`.
pub fn listing<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 8;
    let mut out = names.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        out.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    out
}

/// Evaluates `failing` on the values of an array and masks nulls: a value rule skips them. A
/// dictionary's values are looked at once each. Returns (values tested, failing rows).
pub fn test_values(
    array: &ArrayRef,
    failing: &mut dyn FnMut(&ArrayRef) -> Result<BooleanBuffer>,
) -> Result<(usize, Option<BooleanBuffer>)> {
    let nulls = array.logical_nulls().filter(|n| n.null_count() > 0);
    let tested = array.len() - nulls.as_ref().map_or(0, NullBuffer::null_count);
    if tested == 0 {
        return Ok((0, None));
    }
    let bad = match array.as_any_dictionary_opt() {
        Some(dict) => {
            let values = test_values(dict.values(), failing)?.1;
            let Some(values) = values.filter(|v| v.count_set_bits() > 0) else { return Ok((tested, None)) };
            // Keys under a null may hold anything.
            let keys = dict.normalized_keys();
            BooleanBuffer::collect_bool(keys.len(), |i| keys[i] < values.len() && values.value(keys[i]))
        }
        None => failing(array)?,
    };
    let bad = match &nulls {
        Some(n) => &bad & n.inner(),
        None => bad,
    };
    Ok((tested, Some(bad)))
}
