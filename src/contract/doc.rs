//! YAML as plain values, for what a contract carries along without reading it: blocks of another
//! standard, kept for the way back. Numbers keep their spelling, so nothing is lost in between.

use super::tree::{Kind, Node};
use super::yaml;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doc {
    Null,
    Bool(bool),
    /// As spelled.
    Number(String),
    Text(String),
    List(Vec<Doc>),
    Map(Vec<(String, Doc)>),
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().any(|b| b.is_ascii_digit())
        && digits.parse::<f64>().is_ok()
}

impl Doc {
    pub fn of(node: &Node) -> Doc {
        match &node.kind {
            _ if node.is_null() => Doc::Null,
            Kind::Scalar(t) if t.quoted => Doc::Text(t.text.clone()),
            Kind::Scalar(t) => match t.text.as_str() {
                "true" | "True" | "TRUE" => Doc::Bool(true),
                "false" | "False" | "FALSE" => Doc::Bool(false),
                text if is_number(text) => Doc::Number(text.to_owned()),
                text => Doc::Text(text.to_owned()),
            },
            Kind::Seq(items) => Doc::List(items.iter().map(|n| Doc::of(n)).collect()),
            Kind::Map(entries) => Doc::Map(entries.iter().map(|e| (e.key.clone(), Doc::of(&e.value))).collect()),
        }
    }
    pub fn text(text: impl Into<String>) -> Doc {
        Doc::Text(text.into())
    }
    pub fn get(&self, key: &str) -> Option<&Doc> {
        match self {
            Doc::Map(entries) => entries.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Doc> {
        match self {
            Doc::Map(entries) => entries.iter_mut().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }
    pub fn items(&self) -> &[Doc] {
        match self {
            Doc::List(items) => items,
            _ => &[],
        }
    }
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Doc::Text(t) | Doc::Number(t) => Some(t),
            _ => None,
        }
    }
    /// Replaces or appends a key of a map; `None` takes it out.
    pub fn set(&mut self, key: &str, value: Option<Doc>) {
        let Doc::Map(entries) = self else { return };
        match (entries.iter().position(|(k, _)| k == key), value) {
            (Some(at), Some(value)) => entries[at].1 = value,
            (None, Some(value)) => entries.push((key.to_owned(), value)),
            (Some(at), None) => drop(entries.remove(at)),
            (None, None) => {}
        }
    }

    fn scalar(&self) -> Option<String> {
        Some(match self {
            Doc::Null => "null".into(),
            Doc::Bool(b) => b.to_string(),
            Doc::Number(n) => n.clone(),
            Doc::Text(t) if is_number(t) => format!("'{t}'"),
            Doc::Text(t) => yaml::scalar(t),
            Doc::List(items) if items.is_empty() => "[]".into(),
            Doc::Map(entries) if entries.is_empty() => "{}".into(),
            _ => return None,
        })
    }
    /// On one line.
    pub fn flow(&self) -> String {
        match self {
            Doc::List(items) => format!("[{}]", items.iter().map(Doc::flow).collect::<Vec<_>>().join(", ")),
            Doc::Map(entries) => {
                let parts: Vec<String> = entries.iter().map(|(k, v)| format!("{}: {}", key(k), v.flow())).collect();
                format!("{{{}}}", parts.join(", "))
            }
            other => other.scalar().unwrap_or_default(),
        }
    }
    /// On lines of its own, indented; a map or list at the top level.
    pub fn block(&self, indent: usize, out: &mut String) {
        let pad = " ".repeat(indent);
        match self {
            Doc::Map(entries) if !entries.is_empty() => {
                for (k, v) in entries {
                    match v.scalar() {
                        Some(s) => out.push_str(&format!("{}\n", yaml::entry(&pad, k, &s))),
                        None if key(k).len() > 400 => out.push_str(&format!("{}\n", yaml::entry(&pad, k, &v.flow()))),
                        None => {
                            out.push_str(&format!("{pad}{}:\n", key(k)));
                            v.block(indent + 2, out);
                        }
                    }
                }
            }
            Doc::List(items) if !items.is_empty() => {
                for item in items {
                    match item {
                        Doc::Map(entries) if !entries.is_empty() => {
                            let mut inner = String::new();
                            item.block(indent + 2, &mut inner);
                            // The first key stands beside the dash.
                            out.push_str(&format!("{pad}- {}", &inner[(indent + 2).min(inner.len())..]));
                        }
                        other => out.push_str(&format!("{pad}- {}\n", other.flow())),
                    }
                }
            }
            other => out.push_str(&format!("{pad}{}\n", other.flow())),
        }
    }
}

fn key(k: &str) -> String {
    if is_number(k) { format!("'{k}'") } else { yaml::scalar(k) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tree;
    use super::*;
    use proptest::prelude::*;

    pub fn read(text: &str) -> Doc {
        let mut problems = Vec::new();
        let node = tree::read(text, &mut problems);
        assert!(problems.is_empty(), "{problems:?}\n{text}");
        Doc::of(&node.expect("a document"))
    }

    pub fn any_doc() -> impl Strategy<Value = Doc> {
        let leaf = prop_oneof![
            Just(Doc::Null),
            any::<bool>().prop_map(Doc::Bool),
            "-?[1-9][0-9]{0,20}(\\.[0-9]{1,5})?".prop_map(Doc::Number),
            "[ -~]{0,12}|\\PC{0,6}|[0-9]{1,4}|true|null|~|2022-10-03|1e3|- x|a: b|# c".prop_map(Doc::Text),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Doc::List),
                proptest::collection::btree_map("[a-zA-Z ]{1,6}|\\PC{1,3}|12|true", inner, 0..4)
                    .prop_map(|m| Doc::Map(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(doc in any_doc()) {
            let mut text = String::new();
            Doc::Map(vec![("top".into(), doc.clone())]).block(0, &mut text);
            let back = read(&text);
            prop_assert_eq!(back.get("top"), Some(&doc), "{}", text);
            let flow = read(&format!("top: {}\n", doc.flow()));
            prop_assert_eq!(flow.get("top"), Some(&doc));
        }
    }
}
