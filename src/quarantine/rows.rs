//! Lines of the list before they are encoded: all hits of a row merged into one line, every string
//! once.

use super::{CHUNK, CHUNK_BYTES, Codes};
use crate::batch::{Batch, Text};
use crate::error::{Error, Result};
use crate::rule::{Action, Findings, Hit, NONE};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

/// Consecutive lines, columnar. Every vector of line values has the same length; `rule_ends` and
/// `hit_ends` say where a line's rules and hits end.
#[derive(Default)]
pub struct Rows {
    /// (file, lines) for runs of lines of one file.
    pub runs: Vec<(u32, u32)>,
    pub row: Vec<u64>,
    pub ids: Texts,
    pub action: Vec<Action>,
    pub score: Vec<f64>,
    pub rule_ends: Vec<u32>,
    /// Indices into [`Codes`], sorted and distinct per line.
    pub rules: Vec<u16>,
    pub hit_ends: Vec<u32>,
    /// `rule` indexes [`Codes`], strings index `strings`; otherwise as the rule made them.
    pub hits: Vec<Hit>,
    pub strings: Strings,
}

/// One optional string per line, in one buffer.
#[derive(Default)]
pub struct Texts {
    pub bytes: String,
    pub ends: Vec<u32>,
    pub valid: Vec<bool>,
}

impl Texts {
    pub fn get(&self, i: usize) -> Option<&str> {
        let start = if i == 0 { 0 } else { self.ends[i - 1] as usize };
        self.valid[i].then(|| &self.bytes[start..self.ends[i] as usize])
    }
    fn close(&mut self, valid: bool) -> Result<()> {
        let end = u32::try_from(self.bytes.len()).map_err(|_| Error::resource("the id column", "a value of 4 GB"))?;
        self.ends.push(end);
        self.valid.push(valid);
        Ok(())
    }
}

#[derive(Default)]
pub struct Strings {
    pub list: Vec<Arc<str>>,
    index: HashMap<Arc<str>, u32>,
    bytes: usize,
}

impl Strings {
    fn intern(&mut self, s: &Arc<str>) -> u32 {
        if let Some(&i) = self.index.get(s) {
            return i;
        }
        let i = self.list.len() as u32;
        self.bytes += s.len();
        self.list.push(s.clone());
        self.index.insert(s.clone(), i);
        i
    }
    pub fn get(&self, i: u32) -> Option<&str> {
        (i != NONE).then(|| &*self.list[i as usize])
    }
}

/// A batch whose hits become lines.
pub struct Incoming<'a> {
    codes: &'a Codes,
    batch: &'a Batch,
    ids: Option<Ids<'a>>,
    findings: &'a Findings,
    /// String of the findings -> string of the rows, found out as needed.
    map: Vec<u32>,
}

impl<'a> Incoming<'a> {
    pub fn new(codes: &'a Codes, batch: &'a Batch, ids: Option<&'a dyn Array>, findings: &'a Findings) -> Result<Self> {
        let ids = ids.map(Ids::of).transpose()?;
        Ok(Incoming { codes, batch, ids, findings, map: vec![NONE; findings.strings().len()] })
    }
    /// To be called when the rows have been cleared, and their strings with them.
    pub fn forget(&mut self) {
        self.map.fill(NONE);
    }
    fn string(&mut self, i: u32, strings: &mut Strings) -> u32 {
        let Some(s) = self.findings.string(i) else { return NONE };
        let known = &mut self.map[i as usize];
        if *known == NONE {
            *known = strings.intern(s);
        }
        *known
    }
}

/// The id column as text: strings as they are, integers in decimal, the rest as Arrow displays it.
enum Ids<'a> {
    Text(Text<'a>),
    Integer(&'a dyn Array),
    /// Times of a zone with a name.
    Times(ArrayRef),
    Other(&'a dyn Array, ArrayFormatter<'a>),
}

impl<'a> Ids<'a> {
    fn of(array: &'a dyn Array) -> Result<Self> {
        if let Some(text) = Text::of(array) {
            return Ok(Ids::Text(text));
        }
        if array.data_type().is_integer() {
            return Ok(Ids::Integer(array));
        }
        if let Some(utc) = crate::batch::in_utc(array) {
            return Ok(Ids::Times(utc));
        }
        static OPTIONS: FormatOptions<'static> = FormatOptions::new();
        Ok(Ids::Other(array, ArrayFormatter::try_new(array, &OPTIONS).map_err(Error::internal)?))
    }

    /// Appends the id of row `i`; false for null.
    fn write(&self, i: usize, out: &mut String) -> bool {
        match self {
            Ids::Text(text) => text.get(i).map(|s| out.push_str(s)).is_some(),
            Ids::Integer(array) => {
                if array.is_null(i) {
                    return false;
                }
                match array.data_type() {
                    DataType::Int8 => signed(array.as_primitive::<Int8Type>().value(i).into(), out),
                    DataType::Int16 => signed(array.as_primitive::<Int16Type>().value(i).into(), out),
                    DataType::Int32 => signed(array.as_primitive::<Int32Type>().value(i).into(), out),
                    DataType::Int64 => signed(array.as_primitive::<Int64Type>().value(i), out),
                    DataType::UInt8 => decimal(array.as_primitive::<UInt8Type>().value(i).into(), out),
                    DataType::UInt16 => decimal(array.as_primitive::<UInt16Type>().value(i).into(), out),
                    DataType::UInt32 => decimal(array.as_primitive::<UInt32Type>().value(i).into(), out),
                    DataType::UInt64 => decimal(array.as_primitive::<UInt64Type>().value(i), out),
                    _ => return false,
                }
                true
            }
            Ids::Times(utc) => crate::batch::cell_text(utc.as_ref(), i).map(|t| out.push_str(&t)).is_some(),
            Ids::Other(array, format) => {
                let before = out.len();
                let written = array.is_valid(i) && write!(out, "{}", format.value(i)).is_ok();
                if !written {
                    out.truncate(before);
                }
                written
            }
        }
    }
}

fn signed(n: i64, out: &mut String) {
    if n < 0 {
        out.push('-');
    }
    decimal(n.unsigned_abs(), out);
}

/// Ids are written once per suspect row; going through `Display` costs as much as the whole line.
fn decimal(mut n: u64, out: &mut String) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend(digits[at..].iter().map(|&d| char::from(d)));
}

/// Scores are estimates held in single precision: as a double they keep their six decimals and lose
/// the digits that only the conversion would add.
fn widen(score: f32) -> f64 {
    let score = f64::from(score);
    if score.is_nan() { 0.0 } else { (score.clamp(0.0, 1.0) * 1e6).round() / 1e6 }
}

impl Rows {
    pub fn len(&self) -> usize {
        self.row.len()
    }
    pub fn is_full(&self) -> bool {
        self.len() >= CHUNK || self.ids.bytes.len() + self.strings.bytes + self.hits.len() * size_of::<Hit>() / 4 >= CHUNK_BYTES
    }
    pub fn clear(&mut self) {
        self.runs.clear();
        self.row.clear();
        self.ids.bytes.clear();
        self.ids.ends.clear();
        self.ids.valid.clear();
        self.action.clear();
        self.score.clear();
        self.rule_ends.clear();
        self.rules.clear();
        self.hit_ends.clear();
        self.hits.clear();
        self.strings.list.clear();
        self.strings.index.clear();
        self.strings.bytes = 0;
    }

    /// Merges the hits of one row, at least one, into one line: the strongest action, the highest
    /// score, each rule once.
    pub fn push(&mut self, from: &mut Incoming<'_>, hits: &[Hit]) -> Result<()> {
        let (mut action, mut score) = (Action::Review, 0.0f64);
        let first_rule = self.rules.len();
        for hit in hits {
            let code = from.codes.of(hit.rule);
            action = action.max(hit.action);
            // A broken rule of the contract is a fact, not an estimate.
            let certain = hit.action == Action::Quarantine && from.codes.is_contract(code);
            score = score.max(if certain { 1.0 } else { widen(hit.score) });
            if !self.rules[first_rule..].contains(&code) {
                self.rules.push(code);
            }
            self.hits.push(Hit {
                rule: code,
                column: from.string(hit.column, &mut self.strings),
                message: from.string(hit.message, &mut self.strings),
                group: from.string(hit.group, &mut self.strings),
                ..*hit
            });
        }
        self.rules[first_rule..].sort_unstable();
        let row = hits[0].row as usize;
        let id = from.batch.row_id(row);
        match self.runs.last_mut() {
            Some((source, n)) if *source == id.source => *n += 1,
            _ => self.runs.push((id.source, 1)),
        }
        self.row.push(id.row);
        let valid = from.ids.as_ref().is_some_and(|ids| ids.write(row, &mut self.ids.bytes));
        self.ids.close(valid)?;
        self.action.push(action);
        self.score.push(score);
        self.rule_ends.push(self.rules.len() as u32);
        self.hit_ends.push(self.hits.len() as u32);
        Ok(())
    }

    /// Appends the lines of `other`.
    pub fn extend(&mut self, other: &Rows) -> Result<()> {
        let map: Vec<u32> = other.strings.list.iter().map(|s| self.strings.intern(s)).collect();
        let mapped = |i: u32| if i == NONE { NONE } else { map[i as usize] };
        for &(source, n) in &other.runs {
            match self.runs.last_mut() {
                Some((last, m)) if *last == source => *m += n,
                _ => self.runs.push((source, n)),
            }
        }
        for i in 0..other.len() {
            let id = other.ids.get(i);
            self.ids.bytes.push_str(id.unwrap_or(""));
            self.ids.close(id.is_some())?;
        }
        let (rules, hits) = (self.rules.len() as u32, self.hits.len() as u32);
        self.row.extend_from_slice(&other.row);
        self.action.extend_from_slice(&other.action);
        self.score.extend_from_slice(&other.score);
        self.rule_ends.extend(other.rule_ends.iter().map(|e| rules + e));
        self.rules.extend_from_slice(&other.rules);
        self.hit_ends.extend(other.hit_ends.iter().map(|e| hits + e));
        self.hits.extend(other.hits.iter().map(|h| Hit {
            column: mapped(h.column),
            message: mapped(h.message),
            group: mapped(h.group),
            ..*h
        }));
        Ok(())
    }

    /// The file of each line.
    pub fn sources(&self) -> impl Iterator<Item = u32> {
        self.runs.iter().flat_map(|&(source, n)| std::iter::repeat_n(source, n as usize))
    }
    pub fn rules_of(&self, line: usize) -> &[u16] {
        &self.rules[range(&self.rule_ends, line)]
    }
    pub fn hits_of(&self, line: usize) -> &[Hit] {
        &self.hits[range(&self.hit_ends, line)]
    }
}

fn range(ends: &[u32], i: usize) -> std::ops::Range<usize> {
    let start = if i == 0 { 0 } else { ends[i - 1] as usize };
    start..ends[i] as usize
}

/// The byte span of a hit; `start == end` means none.
pub fn span(hit: &Hit) -> Option<(u32, u32)> {
    (hit.start < hit.end).then_some((hit.start, hit.end))
}
