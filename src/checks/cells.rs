//! Where a check's values come from: the columns that a clause names, and one batch's cells of
//! them, whatever their encoding. Nothing here knows what is being checked.

use super::row::Marks;
use crate::batch::Batch;
use crate::contract::path::{self, Place, Step};
use crate::contract::{At, ColumnSpec, Contract, RuleSpec, types};
use crate::error::{Diagnostic, Error, Result};
use crate::rule::{Built, Context, Outcome, Status};
use crate::source::unparsed_column;
use arrow::array::{Array, ArrayRef, AsArray, BooleanBufferBuilder, make_array};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::datatypes::DataType;

/// One column of the data, a field inside a struct column (`answer.text`), or the elements of a list
/// (`tags[]`): then a row has any number of values.
#[derive(Debug, Clone)]
pub struct Cells {
    /// As the contract and the list print it.
    pub name: String,
    place: Place,
    /// Without its encoding.
    pub kind: DataType,
    /// Name of the companion that marks cells of a text file which did not parse. It comes along
    /// unasked, from text files alone.
    unparsed: String,
}

impl Cells {
    /// `None` when the data has no such column.
    pub fn find(ctx: &Context<'_>, name: &str) -> Option<Cells> {
        let place = path::find(ctx.schema, name)?;
        let (unparsed, kind) = (unparsed_column(&place.column), place.kind.clone());
        Some(Cells { name: name.to_owned(), place, kind, unparsed })
    }

    /// Whether a row has any number of values here: only [`Cells::test`] can read them.
    pub fn is_elements(&self) -> bool {
        self.place.is_elements()
    }

    /// The columns to decode.
    pub fn reads(&self) -> Vec<String> {
        vec![self.place.column.clone()]
    }

    /// This batch's cells, one per row.
    pub fn of(&self, batch: &Batch) -> Result<ArrayRef> {
        match self.walk(batch)? {
            (array, None) => Ok(array),
            (_, Some(_)) => Err(Error::internal(format!("the elements of {:?} were read as one value per row", self.name))),
        }
    }

    /// Tests every value of the batch by `failing`, as [`test_values`] does. Of a list, every element
    /// is tested: a row with at least one value counts as tested, and fails if any of them fails.
    pub fn test(&self, batch: &Batch, failing: &mut dyn FnMut(&ArrayRef) -> Result<BooleanBuffer>) -> Result<Marks> {
        let (array, rows) = self.walk(batch)?;
        let (tested, bad) = test_values(&array, failing)?;
        let Some(rows) = rows else { return Ok(Marks { tested, undecided: 0, failing: bad }) };
        let valid = array.logical_nulls().filter(|n| n.null_count() > 0).map(|n| n.inner().clone());
        let some = |r: usize| match &valid {
            None => rows.end(r) > rows.start(r),
            Some(valid) => (rows.start(r)..rows.end(r)).any(|i| valid.value(i)),
        };
        let tested = (0..rows.len()).filter(|r| some(*r)).count();
        Ok(Marks { tested, undecided: 0, failing: bad.map(|b| rows.fold(&b)) })
    }

    /// The rows with a null among their values (elements, for a list), and how many rows have values
    /// that could be null.
    pub fn nulls(&self, batch: &Batch) -> Result<(usize, Option<BooleanBuffer>)> {
        let (array, rows) = self.walk(batch)?;
        let nulls = array.logical_nulls().filter(|n| n.null_count() > 0).map(|n| !n.inner());
        Ok(match rows {
            None => (array.len(), nulls),
            Some(rows) => ((0..rows.len()).filter(|r| rows.end(*r) > rows.start(*r)).count(), nulls.map(|n| rows.fold(&n))),
        })
    }

    /// The values at the end of the path, and to which row each belongs where that is not one each.
    fn walk(&self, batch: &Batch) -> Result<(ArrayRef, Option<Rows>)> {
        let gone = || Error::internal(format!("column {:?} was asked for and not delivered", self.name));
        let mut array = batch.column(&self.place.column).ok_or_else(gone)?.clone();
        let mut rows: Option<Rows> = None;
        for step in &self.place.steps {
            match step {
                Step::Field(name) => {
                    let parent = array.as_struct_opt().ok_or_else(gone)?.clone();
                    let child = parent.column_by_name(name).ok_or_else(gone)?;
                    // A field of an absent struct is absent, whatever its own slot holds.
                    let nulls = NullBuffer::union(parent.nulls(), child.nulls());
                    let data = child.to_data().into_builder().nulls(nulls).build().map_err(Error::internal)?;
                    array = make_array(data);
                }
                Step::Elements => {
                    let (values, inner) = elements(&array)?.ok_or_else(gone)?;
                    rows = Some(rows.map_or_else(|| inner.clone(), |outer| outer.through(&inner)));
                    array = values;
                }
            }
        }
        if let DataType::RunEndEncoded(_, values) = array.data_type() {
            array = arrow::compute::cast(&array, values.data_type()).map_err(Error::internal)?;
        }
        Ok((array, rows))
    }

    /// Cells of a text file that hold something, but not a value of the declared type. They read as
    /// null, and are neither absent nor values.
    pub fn unparsed(&self, batch: &Batch) -> Option<BooleanBuffer> {
        if !self.place.steps.is_empty() {
            return None;
        }
        let marks = batch.column(&self.unparsed)?.as_boolean_opt()?;
        Some(match marks.nulls() {
            Some(valid) => marks.values() & valid.inner(),
            None => marks.values().clone(),
        })
    }
}

/// Which elements of a flattened list belong to which row: row `r` has those from `0[r]` to
/// `0[r + 1]`.
#[derive(Debug, Clone)]
struct Rows(Vec<usize>);

impl Rows {
    fn len(&self) -> usize {
        self.0.len() - 1
    }
    fn start(&self, r: usize) -> usize {
        self.0[r]
    }
    fn end(&self, r: usize) -> usize {
        self.0[r + 1]
    }
    /// Lists in lists: what these elements own becomes the rows' own.
    fn through(&self, inner: &Rows) -> Rows {
        Rows(self.0.iter().map(|i| inner.0[*i]).collect())
    }
    /// The rows of which at least one element is marked.
    fn fold(&self, marked: &BooleanBuffer) -> BooleanBuffer {
        let mut out = BooleanBufferBuilder::new(self.len());
        out.append_n(self.len(), false);
        let mut row = 0;
        for i in marked.set_indices() {
            while self.end(row) <= i {
                row += 1;
            }
            out.set_bit(row, true);
        }
        out.finish()
    }
}

/// The elements of a list array, one after the other, and which row each belongs to. A null list has
/// none, whatever its offsets say. `None` when the array is no list.
fn elements(array: &ArrayRef) -> Result<Option<(ArrayRef, Rows)>> {
    let n = array.len();
    let (values, bounds): (ArrayRef, Vec<(usize, usize)>) = match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let o = list.value_offsets();
            (list.values().clone(), (0..n).map(|r| (o[r] as usize, o[r + 1] as usize)).collect())
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let o = list.value_offsets();
            (list.values().clone(), (0..n).map(|r| (o[r] as usize, o[r + 1] as usize)).collect())
        }
        DataType::FixedSizeList(_, size) => {
            let (list, size) = (array.as_fixed_size_list(), *size as usize);
            (list.values().clone(), (0..n).map(|r| (r * size, (r + 1) * size)).collect())
        }
        _ => return Ok(None),
    };
    let mut rows = Vec::with_capacity(n + 1);
    rows.push(0);
    let mut kept = 0;
    let mut whole = true;
    for (r, (start, end)) in bounds.iter().enumerate() {
        if array.is_null(r) {
            whole &= start == end;
        } else {
            kept += end - start;
        }
        rows.push(kept);
    }
    let from = bounds.first().map_or(0, |b| b.0);
    let values = if whole {
        values.slice(from, kept)
    } else {
        let indices = bounds.iter().enumerate().filter(|(r, _)| array.is_valid(*r)).flat_map(|(_, (start, end))| *start..*end);
        let indices = arrow::array::UInt64Array::from_iter_values(indices.map(|i| i as u64));
        arrow::compute::take(&values, &indices, None).map_err(Error::internal)?
    };
    Ok(Some((values, Rows(rows))))
}

/// The column entries of a contract that ask for a check, each with the columns it stands for.
/// `ask` picks the part of an entry that the check is about. Entries whose column is absent settle
/// as not evaluated: [`super::missing_column`] is what fails; so do elements of lists (`tags[]`),
/// which only [`each_value`] yields.
pub fn each_column<'c, Q>(
    ctx: &Context<'c>,
    built: &mut Built,
    what: &str,
    ask: impl Fn(&'c ColumnSpec) -> Option<Q>,
) -> Vec<(&'c ColumnSpec, Cells, Q)> {
    let mut found = each_value(ctx, built, what, ask);
    found.retain(|(spec, cells, _)| {
        if cells.is_elements() {
            let why = format!("{what} does not look at the elements of a list");
            built.settled.push(settled(spec, &format!("{}: {what}", cells.name), Status::NotEvaluated(why)));
        }
        !cells.is_elements()
    });
    found
}

/// As [`each_column`], elements of lists included: for checks that read by [`Cells::test`].
pub fn each_value<'c, Q>(
    ctx: &Context<'c>,
    built: &mut Built,
    what: &str,
    ask: impl Fn(&'c ColumnSpec) -> Option<Q>,
) -> Vec<(&'c ColumnSpec, Cells, Q)> {
    let mut found = Vec::new();
    for spec in &ctx.contract.columns {
        if ask(spec).is_none() {
            continue;
        }
        let columns = columns_of(ctx, spec);
        if columns.is_empty() {
            let name = &spec.name.value;
            let why = if spec.is_glob { format!("no column matches `{name}`") } else { format!("column `{name}` is not in the data") };
            built.settled.push(settled(spec, &format!("{name}: {what}"), Status::NotEvaluated(why)));
        }
        found.extend(columns.into_iter().filter_map(|cells| Some((spec, cells, ask(spec)?))));
    }
    found
}

/// The columns of the data that an entry stands for, in schema order.
pub fn columns_of(ctx: &Context<'_>, spec: &ColumnSpec) -> Vec<Cells> {
    if !spec.is_glob {
        return Cells::find(ctx, &spec.name.value).into_iter().collect();
    }
    let names = ctx.schema.fields().iter().map(|f| f.name()).filter(|n| !is_companion(n));
    names.filter(|n| spec.covers(n)).filter_map(|n| Cells::find(ctx, n)).collect()
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
            Some(cells) if cells.is_elements() => errors.push(elements_in_rule(name).at(span)),
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

/// As [`rule_columns`], with what is wrong noted: an error, or an outcome that says what is absent. `None` then.
pub fn settled_columns(
    ctx: &Context<'_>,
    rule: &RuleSpec,
    title: &str,
    names: &[At<String>],
    (built, errors): (&mut Built, &mut Vec<Diagnostic>),
) -> Option<Vec<Cells>> {
    match rule_columns(ctx, &names.iter().map(|n| (n.value.as_str(), n.span)).collect::<Vec<_>>()) {
        Err(more) => errors.extend(more),
        Ok(Err(why)) => built.settled.push(super::not_evaluated(rule, title, why)),
        Ok(Ok(columns)) => return Some(columns),
    }
    None
}

fn declares(contract: &Contract, name: &str) -> bool {
    contract.columns.iter().any(|c| !c.is_glob && c.name.value == name)
}

fn elements_in_rule(name: &str) -> Diagnostic {
    Diagnostic::new("C004", format!("`{name}` is any number of values per row, and a rule wants one"))
        .help("checks of the elements belong under `columns:`")
}

/// A rule names a column that is neither declared nor present.
pub fn unknown_column(ctx: &Context<'_>, name: &str) -> Diagnostic {
    let known: Vec<&str> = ctx.schema.fields().iter().map(|f| f.name().as_str()).filter(|n| !is_companion(n)).collect();
    let label = format!("the data has: {}", listing(&known));
    let d = Diagnostic::new("C002", format!("column `{name}` is neither in the data nor declared")).label(label);
    let places = path::names(ctx.schema);
    match crate::contract::nearest(name, places.iter().map(String::as_str)) {
        Some(k) => d.help(format!("did you mean `{k}`?")),
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
