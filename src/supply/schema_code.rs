//! S102: schemas of Parquet and Arrow files that make a reader run code.

use super::scan::Look;
use crate::rule::{Meta, Severity};
use arrow::datatypes::{DataType, Field};
use std::io::{Read, Seek};

pub(super) const META: Meta = Meta {
    code: "S102",
    name: "code-in-schema",
    summary: "the schema of a Parquet or Arrow file makes a reader run code",
    explain: "
A column of Parquet or Arrow may have an extension type. Some of these carry a Python object in pickled form, which a
reader that knows the type unpickles as soon as the file is opened: `arrow.py_extension_type` (CVE-2023-47248), and the
tensor and object types of Ray. A schema of Avro that travels in Parquet can name Java classes to be instantiated
(CVE-2025-30065).

Only the footer is read, nested fields included, also in members of archives. An extension type of these is an error,
and so is any metadata that is a pickle, plain or in base64, and a Java class outside of `java.lang`, `java.math`,
`java.util`, `java.time`. Types that only say how to read numbers (`arrow.*` of the standard, geometry, pandas,
Hugging Face, polars) are passed; an extension type that nobody knows is a warning.

False alarms: old files of Ray or Arrow that you wrote yourself. Write the columns as lists or fixed-size lists.
",
    ids: &["MITRE ATLAS AML.T0011.000", "NIST AI 100-2e2025 NISTAML.05", "OWASP LLM03:2025"],
};

/// Types whose readers unpickle, or did so in versions that are still in use.
const UNPICKLED: [&str; 5] = [
    "arrow.py_extension_type",
    "ray.data.arrow_tensor",
    "ray.data.arrow_tensor_v2",
    "ray.data.arrow_variable_shaped_tensor",
    "ray.data.arrow_pickled_object",
];
/// Beginnings of types that say how to read plain values, and are read by names and numbers alone.
const PLAIN: [&str; 9] = ["arrow.", "geoarrow.", "ogc.", "pandas.", "datasets.features.", "polars.", "pl.", "lance.", "parquet."];
const NAME: &str = "ARROW:extension:name";
/// Where Java keeps plain values.
const JAVA: [&str; 4] = ["java.lang.", "java.math.", "java.util.", "java.time."];

pub(super) fn is_columnar(head: &[u8]) -> bool {
    head.starts_with(b"PAR1") || head.starts_with(b"ARROW1") || head.starts_with(&[0xff; 4])
}

/// Whether it is a file of this kind.
pub(super) fn look<R: Read + Seek>(out: &mut Look, place: &str, input: &mut R, len: u64) -> bool {
    let Some(found) = crate::source::footer(input, len) else { return false };
    let footer = match found {
        Ok(footer) => footer,
        // Another reader may understand it.
        Err(why) => {
            out.say(&META, place, Severity::Warning, format!("has a schema that cannot be looked at: {why}"));
            return true;
        }
    };
    for (key, value) in &footer.pairs {
        if key != "ARROW:schema" {
            pair(out, place, "the file", key, value);
        }
    }
    footer.schema.fields().iter().for_each(|f| field(out, place, f));
    true
}

fn field(out: &mut Look, place: &str, f: &Field) {
    let named = f.metadata().get(NAME);
    if let Some(name) = named {
        if UNPICKLED.contains(&name.as_str()) {
            out.say(
                &META,
                place,
                Severity::Error,
                format!("column `{}` has the extension type `{name}`, whose readers unpickle", f.name()),
            );
        } else if !PLAIN.iter().any(|p| name.starts_with(p)) {
            out.say(&META, place, Severity::Warning, format!("column `{}` has an unknown extension type, `{name}`", f.name()));
        }
    }
    let mut pairs: Vec<_> = f.metadata().iter().collect();
    pairs.sort();
    for (key, value) in pairs {
        pair(out, place, &format!("column `{}`", f.name()), key, value);
    }
    // No schema that a reader accepts is nested deeper than its decoder's own stack allows.
    match f.data_type() {
        DataType::List(c) | DataType::LargeList(c) | DataType::FixedSizeList(c, _) | DataType::ListView(c) | DataType::Map(c, _) => {
            field(out, place, c);
        }
        DataType::Struct(fields) => fields.iter().for_each(|c| field(out, place, c)),
        DataType::Union(fields, _) => fields.iter().for_each(|(_, c)| field(out, place, c)),
        DataType::RunEndEncoded(_, values) => field(out, place, values),
        _ => {}
    }
}

fn pair(out: &mut Look, place: &str, whose: &str, key: &str, value: &str) {
    let bytes = value.as_bytes();
    // Latin-1 bytes that became UTF-8: 0x80 is then two bytes.
    let plain = matches!(bytes, [0x80, 2..=5, ..] | [0xc2, 0x80, 2..=5, ..]);
    if plain || super::pickles::decoded(bytes).is_some() {
        out.say(&META, place, Severity::Error, format!("the metadata `{key}` of {whose} is a pickle"));
    }
    if key.contains("avro") {
        for class in java(value) {
            out.say(&META, place, Severity::Error, format!("the Avro schema in `{key}` names the Java class `{class}`"));
        }
    }
}

/// Classes that a schema of Avro wants to have instantiated.
fn java(schema: &str) -> Vec<String> {
    let Ok(json) = serde_json::from_str::<serde_json::Value>(schema) else { return Vec::new() };
    let (mut out, mut open) = (Vec::new(), vec![&json]);
    while let Some(value) = open.pop() {
        match value {
            serde_json::Value::Array(items) => open.extend(items),
            serde_json::Value::Object(map) => {
                for (key, value) in map {
                    let class = value.as_str().filter(|_| matches!(key.as_str(), "java-class" | "java-key-class" | "java-element-class"));
                    out.extend(class.filter(|c| !JAVA.iter().any(|j| c.starts_with(j))).map(str::to_owned));
                    open.push(value);
                }
            }
            _ => {}
        }
    }
    out.sort();
    out.truncate(5);
    out
}
