//! Column names that lead into a column: `answer.text` is a field of a struct, `tags[]` each element
//! of a list, and `turns[].role` a field of each. What a name means depends on the schema: a column
//! that is really called `a.b` is that column. Whoever reads values follows the steps found here.

use super::types;
use arrow::datatypes::{DataType, Field, Schema};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into a struct.
    Field(String),
    /// To every element of a list.
    Elements,
}

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The top-level column to decode.
    pub column: String,
    pub steps: Vec<Step>,
    /// Of the values there, without their encoding.
    pub kind: DataType,
}

impl Place {
    /// Whether a row has any number of values there rather than one.
    pub fn is_elements(&self) -> bool {
        self.steps.contains(&Step::Elements)
    }
}

/// `None` when the schema has nothing of that name. A whole name wins over a path, and a shorter
/// column over a longer one.
pub fn find(schema: &Schema, name: &str) -> Option<Place> {
    if let Ok(field) = schema.field_with_name(name) {
        return Some(Place { column: name.to_owned(), steps: Vec::new(), kind: types::unencoded(field.data_type()).clone() });
    }
    let cuts = name.match_indices(['.', '[']).map(|(at, _)| at);
    cuts.filter_map(|at| Some((at, schema.field_with_name(&name[..at]).ok()?))).find_map(|(at, field)| {
        let mut steps = Vec::new();
        let kind = follow(field.data_type(), &name[at..], &mut steps)?;
        Some(Place { column: name[..at].to_owned(), steps, kind })
    })
}

/// The type at the end of the rest of a path; no recursion is deeper than the schema.
fn follow(t: &DataType, rest: &str, steps: &mut Vec<Step>) -> Option<DataType> {
    let t = types::unencoded(t);
    if rest.is_empty() {
        return Some(t.clone());
    }
    if let Some(rest) = rest.strip_prefix("[]") {
        steps.push(Step::Elements);
        return follow(item(t)?.data_type(), rest, steps);
    }
    let (DataType::Struct(fields), Some(rest)) = (t, rest.strip_prefix('.')) else { return None };
    let depth = steps.len();
    for field in fields {
        // A field's own name may hold dots.
        let Some(rest) = rest.strip_prefix(field.name().as_str()) else { continue };
        if !rest.is_empty() && !rest.starts_with('.') && !rest.starts_with("[]") {
            continue;
        }
        steps.push(Step::Field(field.name().clone()));
        if let Some(found) = follow(field.data_type(), rest, steps) {
            return Some(found);
        }
        steps.truncate(depth);
    }
    None
}

/// The elements of a list type.
pub fn item(t: &DataType) -> Option<&Field> {
    match t {
        DataType::List(f) | DataType::LargeList(f) | DataType::ListView(f) | DataType::LargeListView(f) | DataType::FixedSizeList(f, _) => {
            Some(f)
        }
        _ => None,
    }
}

/// Every name under which something can be declared, for "did you mean": columns, fields inside
/// them, and elements. Bounded, since a schema may be wide and deep.
pub fn names(schema: &Schema) -> Vec<String> {
    const MOST: usize = 2_000;
    fn inside(name: String, t: &DataType, out: &mut Vec<String>) {
        if out.len() >= MOST {
            return;
        }
        let t = types::unencoded(t);
        if let DataType::Struct(fields) = t {
            fields.iter().for_each(|f| inside(format!("{name}.{}", f.name()), f.data_type(), out));
        } else if let Some(item) = item(t) {
            inside(format!("{name}[]"), item.data_type(), out);
        }
        out.push(name);
    }
    let mut out = Vec::new();
    // The source's own companions begin with a character that no name has.
    let fields = schema.fields().iter().filter(|f| !f.name().starts_with('\0'));
    fields.for_each(|f| inside(f.name().clone(), f.data_type(), &mut out));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn schema() -> Schema {
        let list = |t: DataType| DataType::List(Arc::new(Field::new("item", t, true)));
        let turn = DataType::Struct(vec![Field::new("role", DataType::Utf8, true), Field::new("a.b", DataType::Int8, true)].into());
        Schema::new(vec![
            Field::new("a.b", DataType::Int64, true),
            Field::new(
                "a",
                DataType::Struct(vec![Field::new("b", DataType::Utf8, true), Field::new("c", turn.clone(), true)].into()),
                true,
            ),
            Field::new("tags", list(DataType::Utf8), true),
            Field::new("turns", list(turn), true),
            Field::new("grid", list(DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Float32, true)), 3)), true),
            Field::new("odd[]", DataType::Boolean, true),
        ])
    }
    fn kind(name: &str) -> Option<DataType> {
        find(&schema(), name).map(|p| p.kind)
    }

    #[test]
    fn a_column_of_that_very_name_wins_over_a_path() {
        assert_eq!(kind("a.b"), Some(DataType::Int64));
        assert_eq!(kind("odd[]"), Some(DataType::Boolean));
    }

    #[test]
    fn paths_lead_through_structs_and_lists() {
        assert_eq!(kind("a.c.role"), Some(DataType::Utf8));
        assert_eq!(kind("a.c.a.b"), Some(DataType::Int8));
        assert_eq!(kind("tags[]"), Some(DataType::Utf8));
        assert_eq!(kind("turns[].role"), Some(DataType::Utf8));
        assert_eq!(kind("grid[][]"), Some(DataType::Float32));
        let place = find(&schema(), "turns[].role").unwrap();
        assert_eq!((place.column.as_str(), place.steps.len(), place.is_elements()), ("turns", 2, true));
    }

    #[test]
    fn what_leads_nowhere_is_not_found() {
        for name in ["", ".", "[]", "a.", "a.d", "a[]", "tags.x", "tags[", "tags[].x", "grid[][][]", "turns.role", "a.b.c", "none"] {
            assert_eq!(kind(name), None, "{name}");
        }
    }

    #[test]
    fn names_list_every_place_once() {
        let schema = schema();
        let names = names(&schema);
        assert!(names.iter().all(|n| find(&schema, n).is_some()), "{names:?}");
        assert!(names.contains(&"turns[].role".to_owned()) && names.contains(&"grid[][]".to_owned()));
    }
}
