//! A contract meets its data: what only the schema can tell about it. A column whose type is not
//! declared has one in the data, and its literals are read as that; a glob stands for columns that
//! nobody can know before; two entries may speak about one column and contradict each other. Whether
//! the data keeps the contract is none of this module's business: that is what the rules are for.

use super::columns::{SINGLE, single_help};
use super::fields::{Sink, not_supported};
use super::path::{self, Place};
use super::scalar::{Value, typed};
use super::{ColumnSpec, Contract, LogicalType, types, values};
use crate::error::Diagnostic;
use arrow::datatypes::{DataType, Schema};
use std::cmp::Ordering;
use std::collections::HashSet;

/// Errors and warnings, each in the order of the text.
pub fn bind(contract: &Contract, schema: &Schema) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
    let mut sink = Sink::default();
    // The source's own companions begin with a character that no name has.
    let fields = schema.fields().iter().filter(|f| !f.name().starts_with('\0'));
    let columns: Vec<Column<'_>> = fields
        .map(|f| Column { name: f.name(), kind: types::unencoded(f.data_type()), specs: contract.specs_for(f.name()).collect() })
        .collect();
    for spec in contract.columns.iter().filter(|s| !s.is_glob) {
        if let Some(place) = path::find(schema, &spec.name.value) {
            inside(spec, &place, &mut sink);
            values::check_data(spec, &spec.name.value, &place.kind, &mut sink);
        }
    }
    for column in &columns {
        for spec in column.specs.iter().filter(|s| s.is_glob) {
            values::check_data(spec, column.name, column.kind, &mut sink);
        }
        for (i, later) in column.specs.iter().enumerate() {
            column.specs[..i].iter().for_each(|earlier| together(column.name, earlier, later, column.kind, &mut sink));
        }
    }
    roles(&columns, &mut sink);
    let (mut errors, mut warnings) = sink.finish();
    // A glob stumbles over the same word once per column.
    for list in [&mut errors, &mut warnings] {
        let mut said = HashSet::new();
        list.retain(|d| said.insert((d.code, d.span.map(|s| (s.offset, s.len)))));
    }
    (errors, warnings)
}

/// A column of the data, and the entries that speak about it: its own, then globs.
struct Column<'a> {
    name: &'a str,
    kind: &'a DataType,
    specs: Vec<&'a ColumnSpec>,
}

/// Settings that nobody reads for a place inside a column.
fn inside(spec: &ColumnSpec, place: &Place, sink: &mut Sink) {
    if place.steps.is_empty() {
        return;
    }
    let name = &spec.name.value;
    if let Some(role) = &spec.role {
        let d = not_supported(&format!("a role for `{name}`, a place inside the column `{}`,", place.column), role.span);
        sink.push(d.help("roles are for whole columns; unpack the column, or take the role out"));
    }
    if place.is_elements()
        && let Some(unique) = spec.unique.as_ref().filter(|u| u.value)
    {
        sink.push(not_supported(&format!("`unique` for the elements of a list (`{name}`)"), unique.span));
    }
}

/// Roles that globs hand out: to several columns where there is one holder, or two to one column.
fn roles(columns: &[Column<'_>], sink: &mut Sink) {
    for role in SINGLE {
        let mut holders: Vec<(&str, &ColumnSpec)> = Vec::new();
        for column in columns {
            // The first entry that gives a role decides, as `Roles::resolve` has it.
            let giver = column.specs.iter().find(|s| s.role.is_some());
            holders.extend(giver.filter(|s| s.role.as_ref().is_some_and(|r| r.value == role)).map(|s| (column.name, *s)));
        }
        let (Some(glob), true) = (holders.iter().find(|h| h.1.is_glob), holders.len() > 1) else { continue };
        let Some(at) = &glob.1.role else { continue };
        let shown: Vec<String> = holders.iter().take(4).map(|h| format!("`{}`", h.0)).collect();
        let more = if holders.len() > shown.len() { format!(" and {} more", holders.len() - shown.len()) } else { String::new() };
        let message = format!("{}{more} would all have the role `{}`", shown.join(", "), role.as_str());
        let d = Diagnostic::new("C007", message).at(at.span).label(format!("`{}` matches more than one column", glob.1.name.value));
        sink.push(d.help(single_help(role)));
    }
    for Column { name, specs, .. } in columns {
        let mut given = specs.iter().filter(|s| s.is_glob).filter_map(|s| s.role.as_ref().map(|r| (s, r)));
        let own = specs.iter().any(|s| !s.is_glob && s.role.is_some());
        let Some((first, role)) = given.next().filter(|_| !own) else { continue };
        if let Some((other, at)) = given.find(|(_, r)| r.value != role.value) {
            let (a, b) = (role.value.as_str(), at.value.as_str());
            let message = format!("`{name}` is `{a}` by `{}` and `{b}` by `{}`", first.name.value, other.name.value);
            sink.push(Diagnostic::new("C007", message).at(at.span).help(format!("give `{name}` an entry of its own, with its role")));
        }
    }
}

/// The literals of an entry as values of the column; what does not read as such is told elsewhere.
struct Literals {
    min: Option<Value>,
    max: Option<Value>,
    exclusive: bool,
    allowed: Option<Vec<Value>>,
}

impl Literals {
    fn of(spec: &ColumnSpec, t: &DataType) -> Literals {
        let range = spec.range.as_ref().map(|r| &r.value);
        let read = |s: &Option<super::Scalar>| s.as_ref().and_then(|s| typed(s, t).ok());
        Literals {
            min: range.and_then(|r| read(&r.min)),
            max: range.and_then(|r| read(&r.max)),
            exclusive: range.is_some_and(|r| r.exclusive),
            allowed: spec.allowed.as_ref().and_then(|a| a.value.iter().map(|s| typed(s, t).ok()).collect()),
        }
    }
    fn holds(&self, v: &Value) -> bool {
        let beyond = |end: &Option<Value>, wrong: Ordering| {
            let order = end.as_ref().and_then(|e| v.compare(e));
            order == Some(wrong) || self.exclusive && order == Some(Ordering::Equal)
        };
        !beyond(&self.min, Ordering::Less) && !beyond(&self.max, Ordering::Greater)
    }
}

/// Two entries for one column: every value would break one of them.
fn together(name: &str, earlier: &ColumnSpec, later: &ColumnSpec, t: &DataType, sink: &mut Sink) {
    let both = format!("`{}` and `{}` both speak about `{name}`", earlier.name.value, later.name.value);
    if let (Some(a), Some(b)) = (&earlier.type_, &later.type_)
        && !agree(&a.value, &b.value)
    {
        let message = format!("{both}, and no value is {} and {}", a.value, b.value);
        sink.push(Diagnostic::new("C007", message).at(b.span).help("leave the type out of one of them"));
        return;
    }
    let (a, b) = (Literals::of(earlier, t), Literals::of(later, t));
    let apart = |low: &Option<Value>, high: &Option<Value>| match (low, high) {
        (Some(low), Some(high)) => match low.compare(high) {
            Some(Ordering::Greater) => true,
            Some(Ordering::Equal) => a.exclusive || b.exclusive,
            _ => false,
        },
        _ => false,
    };
    if let Some(span) = later.range.as_ref().map(|r| r.span)
        && (apart(&a.min, &b.max) || apart(&b.min, &a.max))
    {
        let d = Diagnostic::new("C007", format!("{both}, and no value lies in both ranges")).at(span);
        sink.push(d.help("widen one of them, or narrow the glob"));
    }
    let lists = [(&a, &b, later.allowed.as_ref()), (&b, &a, earlier.allowed.as_ref())];
    for (other, own, list) in lists {
        let (Some(values), Some(list)) = (&own.allowed, list) else { continue };
        let allowed = |v: &Value| other.allowed.as_ref().is_none_or(|o| o.iter().any(|o| o.compare(v) == Some(Ordering::Equal)));
        if !values.is_empty() && !values.iter().any(|v| other.holds(v) && allowed(v)) {
            let d = Diagnostic::new("C007", format!("{both}, and none of these values is allowed by both")).at(list.span);
            sink.push(d.help("let the lists and ranges overlap, or narrow the glob"));
            return;
        }
    }
}

fn agree(a: &LogicalType, b: &LogicalType) -> bool {
    match (a, b) {
        (LogicalType::Integer, LogicalType::Integer) => true,
        (LogicalType::Exact(a), b) => b.matches(a),
        (a, LogicalType::Exact(b)) => a.matches(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::Field;
    use std::sync::Arc;

    fn schema() -> Schema {
        let list = |t: DataType| DataType::List(Arc::new(Field::new("item", t, true)));
        let turn = DataType::Struct(vec![Field::new("text", DataType::Utf8View, true)].into());
        Schema::new(vec![
            Field::new("n", DataType::Int64, true),
            Field::new("small", DataType::UInt8, true),
            Field::new("x", DataType::Float64, true),
            Field::new("flag", DataType::Boolean, true),
            Field::new("text", DataType::Utf8View, true),
            Field::new("day", DataType::Date32, true),
            Field::new("feat_a", DataType::Int64, true),
            Field::new("feat_b", DataType::Int64, true),
            Field::new("tags", list(DataType::Utf8View), true),
            Field::new("answer", turn, true),
        ])
    }

    fn bound(columns: &str) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let text = format!("taster: 1\ncolumns:\n  {}\n", columns.replace('\n', "\n  "));
        bind(&super::super::tests::contract(&text), &schema())
    }
    /// Code and what is marked, of the errors.
    fn errors(columns: &str) -> Vec<(&'static str, String)> {
        let text = format!("taster: 1\ncolumns:\n  {}\n", columns.replace('\n', "\n  "));
        let (errors, _) = bind(&super::super::tests::contract(&text), &schema());
        errors.into_iter().map(|d| (d.code, d.span.map_or(String::new(), |s| text[s.offset..s.offset + s.len].to_owned()))).collect()
    }
    fn warnings(columns: &str) -> Vec<&'static str> {
        let (errors, warnings) = bound(columns);
        assert!(errors.is_empty(), "{errors:?}");
        warnings.iter().map(|d| d.code).collect()
    }

    #[test]
    fn literals_are_read_as_the_type_that_the_data_has() {
        assert_eq!(errors("n: {allowed: [1, two]}"), [("C004", "two".into())]);
        assert_eq!(errors("day: {range: {min: 2026-13-01}}"), [("C004", "2026-13-01".into())]);
        assert_eq!(errors("flag: {forbidden: [yes]}"), [("C004", "yes".into())]);
        assert_eq!(errors("text: {allowed: [1, two, 2026-13-01]}"), []);
    }

    #[test]
    fn contradictions_that_only_the_type_reveals_are_found() {
        // As text 9 is above 10; as numbers it is not.
        assert_eq!(errors("n: {range: {min: 9, max: 10}}"), []);
        assert_eq!(errors("text: {range: {min: 9, max: 10}}"), [("C007", "9".into())]);
        assert_eq!(errors("n: {range: {min: 10, max: 9}}"), [("C007", "10".into())]);
        assert_eq!(errors("n: {allowed: [1, 2], forbidden: [002]}"), [("C007", "002".into())]);
        assert_eq!(errors("text: {allowed: [1, 2], forbidden: [002]}"), []);
        assert_eq!(errors("x: {allowed: [0.5, 3], range: {max: 1}}"), [("C007", "3".into())]);
    }

    #[test]
    fn checks_that_mean_nothing_for_the_type_are_errors() {
        assert_eq!(errors("n: {pattern: '^a'}"), [("C004", "'^a'".into())]);
        assert_eq!(errors("day: {length: {max: 3}}"), [("C004", "{max: 3}".into())]);
        assert_eq!(errors("flag: {range: {min: 0}}"), [("C004", "{min: 0}".into())]);
        assert_eq!(errors("answer: {allowed: [a]}"), [("C004", "[a]".into())]);
    }

    #[test]
    fn what_the_datas_type_makes_vacuous_is_a_warning() {
        assert_eq!(warnings("small: {range: {min: 0, max: 300}}"), ["C012"]);
        assert_eq!(warnings("small: {range: {min: 0, max: 200}}"), [""; 0]);
        assert_eq!(warnings("small: {forbidden: [300]}"), ["C012"]);
        assert_eq!(warnings("flag: {allowed: [true, false]}"), ["C012"]);
        assert_eq!(warnings("small: {type: integer, range: {min: 0, max: 300}}"), ["C012"]);
    }

    #[test]
    fn data_that_breaks_the_contract_is_no_error_of_the_contract() {
        // No uint8 is a thousand, and no int64 a string: findings, for the rules to make.
        assert_eq!(errors("small: {range: {min: 1000}}"), []);
        assert_eq!(errors("n: {type: string, allowed: [a, b], pattern: a}"), []);
        assert_eq!(errors("gone: {allowed: [a]}"), []);
    }

    #[test]
    fn a_glob_is_judged_by_every_column_and_told_once() {
        assert_eq!(errors("feat_*: {pattern: a}"), [("C004", "a".into())]);
        let (errors, _) = bound("feat_*: {pattern: a}");
        assert!(errors[0].message.contains("`feat_a`"), "{}", errors[0].message);
    }

    #[test]
    fn one_holder_roles_refuse_a_glob_of_several_columns() {
        for role in ["id", "label", "split", "weight"] {
            let (errors, _) = bound(&format!("feat_*: {{role: {role}}}"));
            assert_eq!(errors.len(), 1, "{role}");
            assert!(errors[0].message.contains("`feat_a`, `feat_b`"), "{}", errors[0].message);
        }
        assert_eq!(errors("feat_*: {role: feature}"), []);
        assert_eq!(errors("fea*_a: {role: label}"), []);
        assert_eq!(errors("n: {role: label}\nfea*_a: {role: feature}"), []);
    }

    #[test]
    fn an_own_entry_settles_what_two_globs_dispute() {
        let globs = "feat_*: {role: feature}\n'*_a': {role: weight}";
        assert_eq!(errors(globs), [("C007", "weight".into())]);
        assert_eq!(errors(&format!("{globs}\nfeat_a: {{role: feature}}")), []);
    }

    #[test]
    fn two_entries_for_one_column_must_leave_a_value() {
        assert_eq!(errors("feat_a: {range: {max: 5}}\nfeat_*: {range: {min: 10}}"), [("C007", "{min: 10}".into())]);
        assert_eq!(errors("feat_a: {range: {max: 10}}\nfeat_*: {range: {min: 10}}"), []);
        assert_eq!(errors("feat_a: {range: {max: 10, exclusive: true}}\nfeat_*: {range: {min: 10}}").len(), 1);
        assert_eq!(errors("feat_a: {allowed: [1, 2]}\nfeat_*: {allowed: [3]}"), [("C007", "[3]".into())]);
        assert_eq!(errors("feat_a: {allowed: [1, 2]}\nfeat_*: {range: {min: 3}}"), [("C007", "[1, 2]".into())]);
        assert_eq!(errors("feat_a: {allowed: [1, 2]}\nfeat_*: {allowed: [2, 3]}"), []);
        assert_eq!(errors("feat_a: {type: int64}\nfeat_*: {type: string}"), [("C007", "string".into())]);
        assert_eq!(errors("feat_a: {type: int64}\nfeat_*: {type: integer}"), []);
    }

    #[test]
    fn places_inside_columns_have_types_too_and_no_roles() {
        assert_eq!(errors("answer.text: {length: {max: 3}}\n'tags[]': {pattern: a}"), []);
        assert_eq!(errors("answer.text: {role: text}"), [("C005", "text".into())]);
        assert_eq!(errors("'tags[]': {unique: true}"), [("C005", "true".into())]);
        assert_eq!(errors("tags: {pattern: a}"), [("C004", "a".into())]);
    }
}
