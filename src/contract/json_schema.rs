//! A JSON Schema, checked against values: the assertions of draft 2020-12 that speak about one
//! value, with `$ref` into the schema itself. What is not understood is refused when the contract
//! is read, so that nobody believes it is checked; `format` and the annotations assert nothing, as
//! the standard has it. Written here because the crates for it bring network clients, back-tracking
//! patterns or a dozen dependencies.

use regex::Regex;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Schemas nest this deep at most, references included.
const MAX_DEPTH: usize = 64;
/// A compiled pattern may take this much memory.
const PATTERN_BYTES: usize = 1 << 20;

pub struct JsonSchema {
    root: Value,
    patterns: HashMap<String, Regex>,
}

const ANNOTATIONS: &[&str] = &[
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "contentEncoding",
    "contentMediaType",
];

const TYPES: &[&str] = &["null", "boolean", "object", "array", "number", "integer", "string"];

impl JsonSchema {
    /// # Errors
    /// What in the schema is wrong or not understood, and where.
    pub fn new(root: &Value) -> Result<JsonSchema, String> {
        let mut patterns = HashMap::new();
        examine(root, root, "#", 0, &mut patterns)?;
        Ok(JsonSchema { root: root.clone(), patterns })
    }

    pub fn accepts(&self, value: &Value) -> bool {
        self.check(&self.root, value, 0)
    }

    fn check(&self, schema: &Value, v: &Value, depth: usize) -> bool {
        // A schema that refers to itself without end accepts nothing.
        if depth > MAX_DEPTH {
            return false;
        }
        let map = match schema {
            Value::Bool(b) => return *b,
            Value::Object(map) => map,
            _ => return false,
        };
        let holds = |s: &Value, v: &Value| self.check(s, v, depth + 1);
        let list = |key: &str| map.get(key).and_then(Value::as_array);
        map.iter().all(|(key, arg)| match key.as_str() {
            "$ref" => arg.as_str().and_then(|r| target(&self.root, r)).is_some_and(|s| holds(s, v)),
            "type" => match arg {
                Value::Array(any) => any.iter().any(|t| is_type(t, v)),
                one => is_type(one, v),
            },
            "enum" => arg.as_array().is_some_and(|a| a.iter().any(|x| equal(x, v))),
            "const" => equal(arg, v),
            "allOf" => list(key).is_some_and(|l| l.iter().all(|s| holds(s, v))),
            "anyOf" => list(key).is_some_and(|l| l.iter().any(|s| holds(s, v))),
            "oneOf" => list(key).is_some_and(|l| l.iter().filter(|s| holds(s, v)).count() == 1),
            "not" => !holds(arg, v),
            "if" => {
                let branch = if holds(arg, v) { "then" } else { "else" };
                map.get(branch).is_none_or(|s| holds(s, v))
            }
            _ => match v {
                Value::Number(_) => number(key, arg, v),
                Value::String(s) => self.string(key, arg, s),
                Value::Array(items) => self.array(key, arg, map, items, depth),
                Value::Object(members) => self.object(key, arg, map, members, depth),
                _ => true,
            },
        })
    }

    fn string(&self, key: &str, arg: &Value, s: &str) -> bool {
        match key {
            "minLength" => arg.as_u64().is_none_or(|n| s.chars().count() as u64 >= n),
            "maxLength" => arg.as_u64().is_none_or(|n| s.chars().count() as u64 <= n),
            "pattern" => self.found(arg.as_str().unwrap_or(""), s),
            _ => true,
        }
    }

    fn found(&self, pattern: &str, s: &str) -> bool {
        self.patterns.get(pattern).is_some_and(|r| r.is_match(s))
    }

    fn array(&self, key: &str, arg: &Value, map: &Map<String, Value>, items: &[Value], depth: usize) -> bool {
        let holds = |s: &Value, v: &Value| self.check(s, v, depth + 1);
        let n = items.len() as u64;
        match key {
            "minItems" => arg.as_u64().is_none_or(|m| n >= m),
            "maxItems" => arg.as_u64().is_none_or(|m| n <= m),
            "uniqueItems" => arg != &Value::Bool(true) || unique(items),
            "prefixItems" => arg.as_array().is_none_or(|p| p.iter().zip(items).all(|(s, v)| holds(s, v))),
            "items" => {
                let skip = map.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
                items.iter().skip(skip).all(|v| holds(arg, v))
            }
            "contains" => {
                let hits = items.iter().filter(|v| holds(arg, v)).count() as u64;
                let min = map.get("minContains").and_then(Value::as_u64).unwrap_or(1);
                hits >= min && map.get("maxContains").and_then(Value::as_u64).is_none_or(|m| hits <= m)
            }
            _ => true,
        }
    }

    fn object(&self, key: &str, arg: &Value, map: &Map<String, Value>, members: &Map<String, Value>, depth: usize) -> bool {
        let holds = |s: &Value, v: &Value| self.check(s, v, depth + 1);
        let n = members.len() as u64;
        let named = |k: &Value, members: &Map<String, Value>| k.as_str().is_some_and(|k| members.contains_key(k));
        match key {
            "minProperties" => arg.as_u64().is_none_or(|m| n >= m),
            "maxProperties" => arg.as_u64().is_none_or(|m| n <= m),
            "required" => arg.as_array().is_none_or(|r| r.iter().all(|k| named(k, members))),
            "properties" => arg.as_object().is_none_or(|p| p.iter().all(|(k, s)| members.get(k).is_none_or(|v| holds(s, v)))),
            "patternProperties" => arg
                .as_object()
                .is_none_or(|p| p.iter().all(|(r, s)| members.iter().filter(|(k, _)| self.found(r, k)).all(|(_, v)| holds(s, v)))),
            "additionalProperties" => {
                let known = |k: &str| {
                    let object = |key: &str| map.get(key).and_then(Value::as_object);
                    object("properties").is_some_and(|p| p.contains_key(k))
                        || object("patternProperties").is_some_and(|p| p.keys().any(|r| self.found(r, k)))
                };
                members.iter().filter(|(k, _)| !known(k)).all(|(_, v)| holds(arg, v))
            }
            "propertyNames" => members.keys().all(|k| holds(arg, &Value::String(k.clone()))),
            "dependentRequired" => arg.as_object().is_none_or(|d| {
                d.iter().all(|(k, needs)| !members.contains_key(k) || needs.as_array().is_none_or(|l| l.iter().all(|k| named(k, members))))
            }),
            "dependentSchemas" => {
                let whole = Value::Object(members.clone());
                arg.as_object().is_none_or(|d| d.iter().all(|(k, s)| !members.contains_key(k) || holds(s, &whole)))
            }
            _ => true,
        }
    }
}

/// Refuses what is not understood; compiles the patterns.
fn examine(root: &Value, schema: &Value, at: &str, depth: usize, patterns: &mut HashMap<String, Regex>) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("it nests deeper than {MAX_DEPTH} levels"));
    }
    let map = match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(map) => map,
        _ => return Err(format!("{at} is no schema")),
    };
    for (key, arg) in map {
        let at = format!("{at}/{key}");
        let wrong = |wants: &str| Err(format!("{at} wants {wants}"));
        match key.as_str() {
            "type" => {
                let one = |t: &Value| t.as_str().is_some_and(|t| TYPES.contains(&t));
                if !(one(arg) || arg.as_array().is_some_and(|a| !a.is_empty() && a.iter().all(one))) {
                    return wrong("one of JSON's types");
                }
            }
            "enum" if !arg.is_array() => return wrong("a list"),
            "required" if !arg.as_array().is_some_and(|a| a.iter().all(Value::is_string)) => return wrong("a list of names"),
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" if !arg.is_number() => return wrong("a number"),
            "multipleOf" if !arg.as_f64().is_some_and(|n| n > 0.0) => return wrong("a number above zero"),
            "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" | "minContains" | "maxContains"
                if arg.as_u64().is_none() =>
            {
                return wrong("a whole number");
            }
            "pattern" => match arg.as_str() {
                Some(p) => compile(p, &at, patterns)?,
                None => return wrong("a pattern"),
            },
            "$ref" if arg.as_str().is_none_or(|r| target(root, r).is_none()) => {
                return wrong("a place in this schema, such as #/$defs/name");
            }
            "not" | "if" | "then" | "else" | "items" | "contains" | "propertyNames" | "additionalProperties" => {
                examine(root, arg, &at, depth + 1, patterns)?;
            }
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => match arg.as_array() {
                Some(all) if !all.is_empty() => all.iter().try_for_each(|s| examine(root, s, &at, depth + 1, patterns))?,
                _ => return wrong("a list of schemas"),
            },
            "properties" | "patternProperties" | "dependentSchemas" | "$defs" | "definitions" => match arg.as_object() {
                Some(all) => {
                    for (name, s) in all {
                        if key == "patternProperties" {
                            compile(name, &at, patterns)?;
                        }
                        examine(root, s, &format!("{at}/{name}"), depth + 1, patterns)?;
                    }
                }
                None => return wrong("a map of schemas"),
            },
            "enum" | "const" | "required" | "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf"
            | "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties" | "minContains" | "maxContains"
            | "uniqueItems" | "$ref" | "dependentRequired" => {}
            known if ANNOTATIONS.contains(&known) => {}
            other => return Err(format!("`{other}` is not understood")),
        }
    }
    Ok(())
}

fn compile(p: &str, at: &str, patterns: &mut HashMap<String, Regex>) -> Result<(), String> {
    let regex =
        regex::RegexBuilder::new(p).size_limit(PATTERN_BYTES).build().map_err(|_| format!("{at}: `{p}` is no linear-time pattern"))?;
    patterns.insert(p.to_owned(), regex);
    Ok(())
}

/// `#/$defs/name` in the schema itself.
fn target<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    let pointer = reference.strip_prefix('#')?;
    root.pointer(pointer)
}

fn is_type(t: &Value, v: &Value) -> bool {
    match (t.as_str().unwrap_or(""), v) {
        ("null", Value::Null)
        | ("boolean", Value::Bool(_))
        | ("object", Value::Object(_))
        | ("array", Value::Array(_))
        | ("number", Value::Number(_))
        | ("string", Value::String(_)) => true,
        // 1.0 is an integer to JSON Schema.
        ("integer", Value::Number(n)) => n.is_i64() || n.is_u64() || n.as_f64().is_some_and(|f| f.fract() == 0.0),
        _ => false,
    }
}

fn number(key: &str, arg: &Value, v: &Value) -> bool {
    use std::cmp::Ordering;
    let order = || compare(v, arg);
    match key {
        "minimum" => order() != Some(Ordering::Less),
        "maximum" => order() != Some(Ordering::Greater),
        "exclusiveMinimum" => order() == Some(Ordering::Greater),
        "exclusiveMaximum" => order() == Some(Ordering::Less),
        "multipleOf" => match (super::clauses::Decimal::parse(&arg.to_string()), v.to_string()) {
            (Some(step), text) => super::clauses::is_multiple(&text, step),
            _ => false,
        },
        _ => true,
    }
}

/// Integers exactly, else as doubles.
fn compare(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    let whole = |v: &Value| v.as_i64().map(i128::from).or_else(|| v.as_u64().map(i128::from));
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        (Some(a), None) => super::scalar::int_float(a, b.as_f64()?),
        (None, Some(b)) => super::scalar::int_float(b, a.as_f64()?).map(std::cmp::Ordering::reverse),
        (None, None) => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// 1 and 1.0 are one value to JSON Schema.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => compare(a, b) == Some(std::cmp::Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| equal(x, y)),
        (Value::Object(a), Value::Object(b)) => a.len() == b.len() && a.iter().all(|(k, x)| b.get(k).is_some_and(|y| equal(x, y))),
        _ => a == b,
    }
}

/// Items are untrusted and may be many: a text form that is equal for equal values, sorted.
fn unique(items: &[Value]) -> bool {
    fn canonical(v: &Value) -> String {
        match v {
            Value::Number(n) => {
                n.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9e15).map_or_else(|| n.to_string(), |f| format!("{f:.0}"))
            }
            Value::Array(a) => format!("[{}]", a.iter().map(canonical).collect::<Vec<_>>().join(",")),
            Value::Object(o) => {
                let mut members: Vec<String> = o.iter().map(|(k, v)| format!("{k:?}:{}", canonical(v))).collect();
                members.sort();
                format!("{{{}}}", members.join(","))
            }
            other => other.to_string(),
        }
    }
    let mut all: Vec<String> = items.iter().map(canonical).collect();
    all.sort();
    all.windows(2).all(|w| w[0] != w[1])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn accepts(schema: Value, value: Value) -> bool {
        JsonSchema::new(&schema).unwrap().accepts(&value)
    }

    #[test]
    fn types_bounds_and_members_are_asserted() {
        let s = json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "minimum": 1}, "b": {"type": ["string", "null"]}}, "additionalProperties": false});
        for good in [json!({"a": 1}), json!({"a": 2.0, "b": null})] {
            assert!(accepts(s.clone(), good.clone()), "{good}");
        }
        for bad in [json!({}), json!({"a": 0}), json!({"a": 1.5}), json!({"a": 1, "b": 2}), json!({"a": 1, "c": 1}), json!([])] {
            assert!(!accepts(s.clone(), bad.clone()), "{bad}");
        }
    }

    #[test]
    fn keywords_of_another_type_assert_nothing() {
        assert!(accepts(json!({"minLength": 5, "minimum": 3, "required": ["x"]}), json!(null)));
        assert!(accepts(json!({"minLength": 5}), json!(1)));
    }

    #[test]
    fn arrays_count_their_items() {
        assert!(!accepts(json!({"uniqueItems": true}), json!([1, {"a": 1, "b": 2}, {"b": 2.0, "a": 1}])));
        assert!(accepts(json!({"prefixItems": [{"type": "string"}], "items": {"type": "number"}}), json!(["a", 1, 2])));
        assert!(!accepts(json!({"prefixItems": [{"type": "string"}], "items": {"type": "number"}}), json!(["a", "b"])));
        assert!(accepts(json!({"contains": {"const": 3}, "maxContains": 1}), json!([1, 3])));
        assert!(!accepts(json!({"contains": {"const": 3}, "maxContains": 1}), json!([3, 3])));
    }

    #[test]
    fn combinations_and_references_work() {
        let s = json!({"$defs": {"p": {"exclusiveMinimum": 0}}, "oneOf": [{"$ref": "#/$defs/p"}, {"type": "string"}]});
        assert!(accepts(s.clone(), json!(1)) && !accepts(s, json!(0)));
        assert!(accepts(json!({"if": {"type": "string"}, "then": {"pattern": "^a"}, "else": {"multipleOf": 0.1}}), json!(0.3)));
        assert!(!accepts(json!({"if": {"type": "string"}, "then": {"pattern": "^a"}}), json!("ba")));
        // A tree of any depth, and a loop without end.
        let tree = json!({"properties": {"next": {"$ref": "#"}}, "required": ["v"]});
        assert!(!accepts(tree.clone(), json!({"v": 1, "next": {"next": {}}})) && accepts(tree, json!({"v": 1, "next": {"v": 2}})));
        assert!(!accepts(json!({"$ref": "#"}), json!(1)));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            json!({"typo": 1}),
            json!({"type": "int"}),
            json!({"pattern": "(?=a)"}),
            json!({"$ref": "http://x/y"}),
            json!({"required": "a"}),
            json!(3),
        ] {
            assert!(JsonSchema::new(&bad).is_err(), "{bad}");
        }
    }
}
