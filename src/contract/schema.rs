//! The JSON Schema of a contract, for editors. Generated from the tables that the parser reads
//! ([`super::keys`]), so neither can know a key that the other does not. Keys that are not supported
//! yet are left out: an editor then marks them, as the parser does. A schema cannot say everything
//! the parser checks; `taster check` has the last word.

use super::Role;
use super::keys::{RULE_KINDS, RULE_SHARED, Section, Shape, TOP};
use serde_json::{Map, Value, json};

const SHARE: &str = "^\\s*([0-9]+\\.?[0-9]*|\\.[0-9]+)\\s*%?\\s*$";

/// The schema, draft 2020-12.
pub fn schema() -> Value {
    let mut out = object(&TOP);
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "taster contract",
        "description": "What a training set must look like, and how it is searched for poison.",
    });
    if let (Value::Object(body), Value::Object(mut head)) = (&mut out, head) {
        head.append(body);
        return Value::Object(head);
    }
    out
}

/// A map with exactly the keys of a section that work names.
fn object(section: &Section) -> Value {
    let needed: Vec<&str> = section.keys.iter().filter(|k| k.needed).map(|k| k.name).collect();
    let mut out = json!({"type": "object", "properties": properties(&[section]), "additionalProperties": false});
    if !needed.is_empty() {
        out["required"] = json!(needed);
    }
    out
}

fn properties(sections: &[&Section]) -> Value {
    let keys = sections.iter().flat_map(|s| s.keys);
    let described = keys.map(|k| {
        let mut shape = shape(&k.shape);
        shape["description"] = json!(k.doc);
        (k.name.to_owned(), shape)
    });
    Value::Object(described.collect::<Map<_, _>>())
}

fn shape(s: &Shape) -> Value {
    match s {
        Shape::FormatVersion => json!({"const": 1}),
        // Scalars are text to a contract, whatever YAML takes them for: `version: 1.4` is one.
        Shape::Text => json!({"type": ["string", "number", "boolean"]}),
        Shape::Expression | Shape::Pattern => json!({"type": "string", "minLength": 1}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Count => json!({"type": "integer", "minimum": 0}),
        Shape::Number => json!({"type": ["number", "string"]}),
        Shape::Share => json!({"anyOf": [
            {"type": "string", "pattern": SHARE},
            {"type": "number", "minimum": 0, "maximum": 1},
        ]}),
        Shape::Rows => json!({"type": "string", "pattern": "^[0-9]+ ?rows?$"}),
        Shape::Date => json!({"type": "string", "format": "date"}),
        Shape::Duration => json!({"type": "string", "pattern": "^[0-9]{1,9}[smhdw]$"}),
        Shape::Char => json!({"type": "string", "minLength": 1, "maxLength": 1}),
        Shape::Value => json!({"type": ["string", "number", "boolean"]}),
        Shape::Type => {
            let names: Vec<&str> = super::types::names().collect();
            json!({"type": "string", "pattern": format!("^({})([(<].*)?$", names.join("|"))})
        }
        Shape::Role => json!({"enum": Role::ALL.iter().map(|(n, _)| *n).collect::<Vec<_>>()}),
        // YAML 1.1 editors read a plain `off` as false.
        Shape::Detectors => json!({"anyOf": [
            {"enum": ["default", "off", false]},
            {"type": "object", "additionalProperties": {"enum": ["default", "off", false]}},
        ]}),
        Shape::OneOf(words) => json!({"enum": words}),
        Shape::List(item) => json!({"type": "array", "items": shape(item), "minItems": 1}),
        Shape::Some(item) => json!({"anyOf": [shape(item), {"type": "array", "items": shape(item), "minItems": 1}]}),
        Shape::Map(section) => object(section),
        Shape::Named(section) => {
            let mut one = object(section);
            one["type"] = json!(["object", "null"]);
            json!({"type": "object", "additionalProperties": one})
        }
        Shape::Rules => {
            let kinds = RULE_KINDS.keys.iter();
            json!({"type": "array", "items": {
                "type": "object",
                "properties": properties(&[&RULE_KINDS, &RULE_SHARED]),
                "additionalProperties": false,
                "oneOf": kinds.map(|k| json!({"required": [k.name]})).collect::<Vec<_>>(),
            }})
        }
        Shape::Direction => json!({"enum": [true, false, "strictly"]}),
        Shape::Anything => json!({"type": "object"}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks a section beside its schema: exactly its keys, each as its shape says.
    fn agree(sections: &[&'static Section], schema: &Value, seen: &mut Vec<&'static str>) {
        let name = sections[0].name;
        let properties = schema["properties"].as_object().unwrap_or_else(|| panic!("{name} has no properties"));
        assert_eq!(schema["additionalProperties"], json!(false), "{name}");
        let keys: Vec<_> = sections.iter().flat_map(|s| s.keys).collect();
        let names: Vec<&str> = keys.iter().map(|k| k.name).collect();
        assert_eq!(properties.keys().map(String::as_str).collect::<Vec<_>>(), names, "{name}");
        for key in keys.iter() {
            let property = &properties[key.name];
            assert_eq!(property["description"], json!(key.doc), "{name}: {}", key.name);
            if let Some(required) = schema["required"].as_array() {
                assert_eq!(required.contains(&json!(key.name)), key.needed, "{name}: {}", key.name);
            } else {
                assert!(!key.needed, "{name}: {}", key.name);
            }
            inner(&key.shape, property, seen);
        }
        seen.push(name);
    }

    fn inner(shape: &Shape, schema: &Value, seen: &mut Vec<&'static str>) {
        match shape {
            Shape::Map(section) => agree(&[section], schema, seen),
            Shape::Named(section) => agree(&[section], &schema["additionalProperties"], seen),
            Shape::List(item) => inner(item, &schema["items"], seen),
            Shape::Some(item) => {
                inner(item, &schema["anyOf"][0], seen);
                inner(item, &schema["anyOf"][1]["items"], seen);
            }
            Shape::Rules => {
                let rule = &schema["items"];
                agree(&[&RULE_KINDS, &RULE_SHARED], rule, seen);
                let kinds: Vec<&str> = rule["oneOf"].as_array().unwrap().iter().map(|k| k["required"][0].as_str().unwrap()).collect();
                assert_eq!(kinds, RULE_KINDS.keys.iter().map(|k| k.name).collect::<Vec<_>>());
            }
            Shape::OneOf(words) => assert_eq!(schema["enum"], json!(words)),
            _ => assert!(schema.as_object().is_some_and(|o| !o.is_empty())),
        }
    }

    #[test]
    fn the_schema_and_the_keys_say_the_same() {
        let schema = schema();
        let mut seen = Vec::new();
        agree(&[&TOP], &schema, &mut seen);
        for name in ["a contract", "a column", "a rule", "`format`", "`range`", "`length`", "`poisoning`", "an `ignore` entry"] {
            assert!(seen.contains(&name), "{name} was not reached: {seen:?}");
        }
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    }

    /// Every pattern of the schema is one that other engines read too.
    #[test]
    fn patterns_of_the_schema_compile() {
        fn walk(v: &Value, n: &mut usize) {
            if let Some(p) = v["pattern"].as_str() {
                regex::Regex::new(p).unwrap();
                *n += 1;
            }
            match v {
                Value::Object(o) => o.values().for_each(|v| walk(v, n)),
                Value::Array(a) => a.iter().for_each(|v| walk(v, n)),
                _ => {}
            }
        }
        let mut n = 0;
        walk(&schema(), &mut n);
        assert!(n >= 3);
    }
}
