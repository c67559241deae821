//! CSV and TSV, after RFC 4180: a quote opens a field only at its start, a quoted line break is
//! part of the cell, a blank line is no record. Nothing is repaired: a short or long record, a
//! stray byte or an open quote is an error that names the line.

use super::cells::{Cells, Kind, readable};
use super::divide::{Content, Halves};
use super::format::Packed;
use super::guard::guarded;
use super::text::{Place, TextFile, Window};
use super::{OpenOptions, Rows, Table, schema};
use crate::batch::MAX_ROWS;
use crate::error::{Error, Result, plural};
use arrow::datatypes::{DataType, Field, Fields};
use std::path::Path;

/// Text of a batch, at most (about).
const BATCH_BYTES: usize = 8 << 20;
/// More columns than any table has; beyond it a file is no table.
const MAX_COLUMNS: usize = 100_000;

pub(super) struct CsvTable {
    text: TextFile,
    dialect: Dialect,
    header: bool,
    names: Vec<String>,
    kinds: Vec<Kind>,
    fields: Vec<Field>,
}

#[derive(Clone)]
struct Dialect {
    delimiter: u8,
    quote: u8,
    nulls: Vec<String>,
}

/// One record: the cells' text, one after the other.
#[derive(Default)]
struct Record {
    text: Vec<u8>,
    ends: Vec<usize>,
    quoted: Vec<bool>,
}

enum Step {
    /// Bytes of the record with its line break.
    Whole(usize),
    /// The window is too short; where a quote is open.
    More(Option<usize>),
    Bad(usize, &'static str),
}

impl Record {
    fn end(&mut self, quoted: bool) {
        self.ends.push(self.text.len());
        self.quoted.push(quoted);
    }

    fn cells<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (&'a str, bool)> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).zip(&self.quoted).map(move |((from, to), quoted)| (&text[from..*to], *quoted))
    }

    fn parse(&mut self, bytes: &[u8], ended: bool, dialect: &Dialect) -> Step {
        self.text.clear();
        self.ends.clear();
        self.quoted.clear();
        let Dialect { delimiter, quote, .. } = *dialect;
        let mut at = 0;
        loop {
            if self.ends.len() > MAX_COLUMNS {
                return Step::Bad(at, "more than 100,000 fields");
            }
            if bytes.get(at) != Some(&quote) {
                let rest = &bytes[at..];
                let n = match memchr::memchr2(delimiter, b'\n', rest) {
                    None if !ended => return Step::More(None),
                    n => n.unwrap_or(rest.len()),
                };
                let more = rest.get(n) == Some(&delimiter);
                let cell = &rest[..n];
                self.text.extend_from_slice(if more { cell } else { cell.strip_suffix(b"\r").unwrap_or(cell) });
                self.end(false);
                at += n + 1;
                if more {
                    continue;
                }
                return Step::Whole(at.min(bytes.len()));
            }
            let opened = at;
            at += 1;
            loop {
                let Some(n) = memchr::memchr(quote, &bytes[at..]) else {
                    return if ended { Step::Bad(opened, "the quote opened here is never closed") } else { Step::More(Some(opened)) };
                };
                self.text.extend_from_slice(&bytes[at..at + n]);
                at += n + 1;
                match bytes.get(at) {
                    Some(b) if *b == quote => self.text.push(quote),
                    None if !ended => return Step::More(Some(opened)),
                    _ => break,
                }
                at += 1;
            }
            self.end(true);
            match (bytes.get(at), bytes.get(at + 1)) {
                (Some(b), _) if *b == delimiter => at += 1,
                (Some(b'\n'), _) => return Step::Whole(at + 1),
                (Some(b'\r'), Some(b'\n')) => return Step::Whole(at + 2),
                (Some(b'\r'), None) if ended => return Step::Whole(at + 1),
                (Some(b'\r'), None) => return Step::More(None),
                (None, _) => return Step::Whole(at),
                _ => return Step::Bad(at, "text follows a closing quote; a quote inside a quoted field is written twice"),
            }
        }
    }
}

/// Reads the next record and its line, over blank lines; `None` at the end.
fn next(window: &mut Window, dialect: &Dialect, record: &mut Record) -> Result<Option<Place>> {
    loop {
        if window.bytes().is_empty() && !window.more(|_| None)? {
            return Ok(None);
        }
        match window.bytes() {
            [b'\n', ..] => {
                window.consume(1);
                continue;
            }
            [b'\r', b'\n', ..] => {
                window.consume(2);
                continue;
            }
            _ => {}
        }
        let n = match record.parse(window.bytes(), window.ended(), dialect) {
            Step::Whole(n) => n,
            Step::More(open) => {
                window.more(|_| open)?;
                continue;
            }
            Step::Bad(at, what) => {
                return Err(window.error(window.line_at(at), what).help("is the quote character right (`format.quote`)?"));
            }
        };
        let place = Place { row: 0, offset: window.offset, line: window.line };
        if memchr::memchr(0, &record.text).is_some() {
            let at = memchr::memchr(0, &window.bytes()[..n]).unwrap_or(0);
            return Err(window.error(window.line_at(at), "a NUL byte: not a text file, or a damaged one"));
        }
        let text = window.utf8(&record.text, place.line)?;
        if record.ends.iter().any(|end| !text.is_char_boundary(*end)) {
            return Err(window.error(place.line, "invalid UTF-8: a character is cut by a delimiter"));
        }
        window.consume(n);
        return Ok(Some(place));
    }
}

impl CsvTable {
    /// Scans the whole file: counts records, checks each, and learns the types of the columns.
    pub fn scan(path: &Path, tabs: bool, packed: Packed, options: &OpenOptions) -> Result<CsvTable> {
        guarded(path, || Self::scan_inside(path, tabs, packed, options))
    }

    fn scan_inside(path: &Path, tabs: bool, packed: Packed, options: &OpenOptions) -> Result<CsvTable> {
        let format = &options.format;
        let (mut text, mut window, hash) = TextFile::open(path, super::Format::Csv { tabs, packed }, packed, format.encoding.as_deref())?;
        let single = |c: Option<char>, key: &str| match c {
            None => Ok(None),
            Some(c) if c.is_ascii() && !matches!(c, '\n' | '\r' | '\0') => Ok(Some(c as u8)),
            Some(c) => Err(Error::usage(format!("`format.{key}: {c:?}` is not a single ASCII character"))),
        };
        let quote = single(format.quote, "quote")?.unwrap_or(b'"');
        let delimiter = single(format.delimiter, "delimiter")?.unwrap_or_else(|| if tabs { b'\t' } else { sniff(window.bytes()) });
        if quote == delimiter {
            return Err(Error::usage("`format.quote` and `format.delimiter` are the same character"));
        }
        let dialect = Dialect { delimiter, quote, nulls: format.nulls.clone().unwrap_or_else(|| vec![String::new()]) };
        let header = format.header.unwrap_or(true);
        let mut record = Record::default();
        let (mut rows, mut names, mut kinds) = (0u64, Vec::new(), Vec::new());
        while let Some(mut place) = next(&mut window, &dialect, &mut record)? {
            let cells = window.utf8(&record.text, place.line)?;
            if names.is_empty() {
                let cells = record.cells(cells).enumerate();
                names = cells.map(|(i, (name, _))| if header { name.to_owned() } else { format!("column_{}", i + 1) }).collect();
                kinds = vec![Kind::default(); names.len()];
                if header {
                    check_names(&window, place.line, &names)?;
                    continue;
                }
            }
            if record.ends.len() != names.len() {
                return Err(ragged(&window, place.line, names.len(), record.ends.len()));
            }
            place.row = rows;
            text.note(place);
            rows += 1;
            options.check_stop()?;
            for ((cell, quoted), kind) in record.cells(cells).zip(&mut kinds) {
                if !dialect.is_null(cell, quoted, false) {
                    kind.see(cell);
                }
            }
        }
        if names.is_empty() {
            return Err(Error::data(path, "the file holds no record, not even a header")
                .help("write the file again, or take it out of the dataset"));
        }
        text.seal(rows, window.offset, &hash);
        Ok(CsvTable { text, dialect, header, names, kinds, fields: Vec::new() })
    }

    /// Settles the columns' types over all files: declared, or fitting every value.
    pub fn settle(tables: &mut [CsvTable], declared: &[(String, DataType)]) -> Result<()> {
        let mut all: std::collections::HashMap<String, Kind> = std::collections::HashMap::new();
        for table in tables.iter() {
            for (name, kind) in table.names.iter().zip(&table.kinds) {
                all.entry(name.clone()).or_default().merge(*kind);
            }
        }
        for table in tables {
            let mut fields = Vec::with_capacity(table.names.len());
            for name in &table.names {
                let data_type = match crate::contract::declared_type(declared, name) {
                    Some(t) => t.clone(),
                    None => all.get(name).copied().unwrap_or_default().data_type(),
                };
                let field = schema::canonical(&Field::new(name, data_type, true));
                if !readable(field.data_type()) {
                    let message = format!("the column `{name}` is declared as {}, which a CSV cell cannot hold", field.data_type());
                    return Err(
                        Error::data(&table.text.path, message).help("declare it as a string, or write the data as Parquet or JSON Lines")
                    );
                }
                fields.push(field);
            }
            table.fields = fields;
        }
        Ok(())
    }
}

impl Dialect {
    /// A quoted empty cell is an empty string, but never a number or a date.
    fn is_null(&self, cell: &str, quoted: bool, text: bool) -> bool {
        self.nulls.iter().any(|n| n == cell && !(cell.is_empty() && quoted && text))
    }
}

/// A comma wherever the header has one; else the most frequent of the usual others.
fn sniff(head: &[u8]) -> u8 {
    let line = head.split(|b| *b == b'\n').find(|l| !l.is_empty()).unwrap_or_default();
    let count = |d: u8| line.iter().filter(|b| **b == d).count();
    if count(b',') > 0 {
        return b',';
    }
    let best = [b'|', b';', b'\t'].into_iter().max_by_key(|d| count(*d)).unwrap_or(b',');
    if count(best) > 0 { best } else { b',' }
}

fn check_names(window: &Window, line: u64, names: &[String]) -> Result<()> {
    if let Some(i) = names.iter().position(|n| n.trim().is_empty()) {
        let error = window.error(line, format!("field {} of the header is empty: a column without a name", i + 1));
        return Err(error.help("name it; pandas writes such a column for its index: use `to_csv(..., index=False)`"));
    }
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(window
            .error(line, format!("two columns are named `{}`", pair[0]))
            .help("rename one of them, or declare `format: {header: false}` if this is data")),
        None => Ok(()),
    }
}

fn ragged(window: &Window, line: u64, expected: usize, found: usize) -> Error {
    let error = window.error(line, format!("expected {}, found {found}", plural(expected, "field")));
    error.help("quote cells that hold the delimiter or a line break, or declare `format: {delimiter: ...}`")
}

impl Table for CsvTable {
    fn fields(&self) -> &[Field] {
        &self.fields
    }
    fn rows(&self) -> u64 {
        self.text.rows
    }
    fn bytes(&self) -> u64 {
        self.text.stamp.bytes
    }
    fn digest(&self) -> [u8; 32] {
        self.text.digest
    }
    fn shards(&self) -> Vec<(u64, u64)> {
        self.text.shards()
    }

    fn divide(&self, halves: &Halves<'_>) -> Result<()> {
        let mut record = Record::default();
        self.text.divide(halves, self.header, &mut |window| Ok(next(window, &self.dialect, &mut record)?.is_some()))
    }
    fn content(&self, path: &Path) -> Result<Content> {
        let mut record = Record::default();
        self.text.content(path, self.header, &mut |window| Ok(next(window, &self.dialect, &mut record)?.is_some()))
    }

    fn read(&self, first: u64, rows: u64, columns: &[usize], f: Rows<'_>) -> Result<()> {
        let (mut window, place) = self.text.reopen(first)?;
        let mut record = Record::default();
        let mut row = place.row;
        let end = first + rows;
        let fields: Fields = columns.iter().map(|c| self.fields[*c].clone()).collect();
        // Position of a file's column among those asked for.
        let mut slots = vec![None; self.fields.len()];
        columns.iter().enumerate().for_each(|(slot, column)| slots[*column] = Some(slot));
        let mut cells: Vec<Cells> = columns.iter().map(|c| Cells::new(self.fields[*c].data_type())).collect();
        while row < end {
            let batch = guarded(&self.text.path, || {
                let (mut taken, mut bytes) = (0, 0);
                while row < end && taken < MAX_ROWS && bytes < BATCH_BYTES {
                    let Some(place) = next(&mut window, &self.dialect, &mut record)? else { break };
                    if record.ends.len() != self.fields.len() {
                        return Err(ragged(&window, place.line, self.fields.len(), record.ends.len()));
                    }
                    row += 1;
                    if row <= first {
                        continue;
                    }
                    taken += 1;
                    bytes += record.text.len();
                    let text = window.utf8(&record.text, place.line)?;
                    for ((cell, quoted), slot) in record.cells(text).zip(&slots) {
                        let Some(column) = slot.map(|s: usize| &mut cells[s]) else { continue };
                        if self.dialect.is_null(cell, quoted, column.is_text()) {
                            column.null();
                        } else {
                            column.text(cell);
                        }
                    }
                }
                super::gather(taken, &fields, cells.iter_mut().map(Cells::finish).collect::<Result<_>>()?)
            })?;
            if batch.num_rows() == 0 {
                break;
            }
            f(batch)?;
        }
        Ok(())
    }
}
