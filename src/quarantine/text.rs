//! The list as text: JSON Lines with the nesting of the schema, and CSV with lists as JSON text.

use super::Codes;
use super::rows::{Rows, span};
use crate::error::{Error, Result};
use crate::report::escape::neutralise_formula;
use crate::rule::Hit;
use serde::Serialize;

pub const CSV_HEADER: &str = "file,row,id,action,score,rules,evidence\n";

#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    row: u64,
    id: Option<&'a str>,
    action: &'a str,
    score: f64,
    rules: Vec<&'a str>,
    evidence: Vec<Evidence<'a>>,
}

#[derive(Serialize)]
struct Evidence<'a> {
    rule: &'a str,
    action: &'a str,
    column: Option<&'a str>,
    start: Option<u32>,
    end: Option<u32>,
    message: &'a str,
    // serde_json writes a float that is no number as null.
    statistic: f64,
    q_value: f64,
    group: Option<&'a str>,
}

fn line<'a>(rows: &'a Rows, codes: &'a Codes, file: &'a str, i: usize) -> Line<'a> {
    let name = |code: u16| codes.codes[usize::from(code)];
    let evidence = |h: &Hit| Evidence {
        rule: name(h.rule),
        action: h.action.as_str(),
        column: rows.strings.get(h.column),
        start: span(h).map(|s| s.0),
        end: span(h).map(|s| s.1),
        message: rows.strings.get(h.message).unwrap_or(""),
        statistic: h.statistic,
        q_value: h.q_value,
        group: rows.strings.get(h.group),
    };
    Line {
        file,
        row: rows.row[i],
        id: rows.ids.get(i),
        action: rows.action[i].as_str(),
        score: rows.score[i],
        rules: rows.rules_of(i).iter().map(|&r| name(r)).collect(),
        evidence: rows.hits_of(i).iter().map(evidence).collect(),
    }
}

pub fn json_lines(rows: &Rows, files: &[String], codes: &Codes) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(256 * rows.len());
    for (i, source) in rows.sources().enumerate() {
        serde_json::to_writer(&mut out, &line(rows, codes, &files[source as usize], i)).map_err(Error::internal)?;
        out.push(b'\n');
    }
    Ok(out)
}

/// Null is the empty field; an empty string, which only an id can be, is `""`.
pub fn csv(rows: &Rows, files: &[String], codes: &Codes) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(256 * rows.len());
    for (i, source) in rows.sources().enumerate() {
        let line = line(rows, codes, &files[source as usize], i);
        field(&mut out, line.file);
        out.extend_from_slice(format!(",{},", line.row).as_bytes());
        if let Some(id) = line.id {
            field(&mut out, id);
        }
        out.extend_from_slice(format!(",{},{},", line.action, line.score).as_bytes());
        field(&mut out, &serde_json::to_string(&line.rules).map_err(Error::internal)?);
        out.push(b',');
        field(&mut out, &serde_json::to_string(&line.evidence).map_err(Error::internal)?);
        out.push(b'\n');
    }
    Ok(out)
}

/// One CSV field, harmless to a spreadsheet and quoted where CSV needs it.
fn field(out: &mut Vec<u8>, text: &str) {
    let text = neutralise_formula(text);
    let plain = !text.is_empty() && !text.bytes().any(|b| matches!(b, b',' | b'"' | b'\n' | b'\r'));
    if plain {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for (i, piece) in text.split('"').enumerate() {
        if i > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(piece.as_bytes());
    }
    out.push(b'"');
}
