//! Runs the stories in `tests/cmd`. A story is a text file that a newcomer can add without knowing
//! Rust; its lines are:
//!
//! ```text
//! Free text: what the story shows. Up to the first line that is one of these:
//! file NAME              the indented lines below become that file
//! raw NAME TEXT          TEXT with \n, \r, \t, \\ and \xNN becomes that file
//! repeat NAME N TEXT     the same, N times over, `{}` being the count; appended to the file
//! parquet NAME           the indented lines below, `name:type,...` first, become a Parquet file;
//!                        an empty cell is null
//! sample NAME [N]        copies (the first N bytes of) a file of examples/data
//! folder NAME
//! move NAME NEW          gives a file another name; without NEW it is removed
//! type TEXT              what the next run reads from the keyboard, `\n` being Enter
//! $ taster ARGUMENTS     runs; quotes as in a shell. What follows speaks of the last run
//! exit N
//! out TEXT               stdout holds it (`err`: stderr)
//! no-out TEXT            stdout does not hold it (`no-err`: stderr)
//! exists NAME            (`absent NAME`)
//! ```

use crate::{repository, show, taster};
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use std::io::Write;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// `\n`, `\r`, `\t`, `\\`, `\xNN`.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        match bytes.next() {
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'\\') => out.push(b'\\'),
            Some(b'x') => {
                let hex: String = bytes.by_ref().take(2).map(char::from).collect();
                out.push(u8::from_str_radix(&hex, 16).map_err(|_| format!("`\\x{hex}` is no byte"))?);
            }
            other => return Err(format!("unknown escape {other:?}")),
        }
    }
    Ok(out)
}

/// Words of a command line; single quotes are literal, double quotes only group.
fn words(line: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut quote = None;
    let mut open = false;
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                if !open {
                    out.push(String::new());
                    open = true;
                }
            }
            (None, ' ') => open = false,
            (_, c) => {
                if !open {
                    out.push(String::new());
                    open = true;
                }
                out.last_mut().expect("just opened").push(c);
            }
        }
    }
    out
}

fn parquet(path: &Path, lines: &[&str]) -> Result<(), String> {
    let header = lines.first().ok_or("a parquet file needs a header line")?;
    let mut columns: Vec<(&str, ArrayRef)> = Vec::new();
    for (i, column) in header.split(',').enumerate() {
        let (name, type_) = column.split_once(':').ok_or("a column is written name:type")?;
        let type_ = match type_ {
            "int64" => DataType::Int64,
            "int8" => DataType::Int8,
            "float64" => DataType::Float64,
            "date" => DataType::Date32,
            "bool" => DataType::Boolean,
            "string" => DataType::Utf8,
            other => return Err(format!("unknown type {other}")),
        };
        let cells = lines[1..].iter().map(|l| l.split(',').nth(i).filter(|c| !c.is_empty()));
        let text: ArrayRef = Arc::new(StringArray::from_iter(cells));
        columns.push((name, arrow::compute::cast(&text, &type_).map_err(|e| e.to_string())?));
    }
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).map_err(|e| e.to_string())?;
    let file = std::fs::File::create(path).map_err(|e| e.to_string())?;
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).map_err(|e| e.to_string())?;
    writer.write(&batch).map_err(|e| e.to_string())?;
    writer.close().map_err(|e| e.to_string())?;
    Ok(())
}

const DIRECTIVES: &[&str] = &[
    "file", "raw", "repeat", "parquet", "sample", "folder", "move", "type", "$", "exit", "out", "err", "no-out", "no-err", "exists",
    "absent",
];

/// Runs the program with something to read.
fn run(folder: &Path, words: Vec<String>, typed: Vec<u8>) -> std::io::Result<Output> {
    use std::process::Stdio;
    if typed.is_empty() {
        return taster(folder).args(words).output();
    }
    let mut child = taster(folder).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut keyboard) = child.stdin.take() {
        // Whoever stops reading early has read enough.
        let _ = keyboard.write_all(&typed);
    }
    child.wait_with_output()
}

fn tell(story: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let folder = folder.path();
    let mut last: Option<Output> = None;
    let mut typed: Vec<u8> = Vec::new();
    let mut checked = 0;
    let lines: Vec<&str> = story.lines().collect();
    let mut i = lines.iter().position(|l| DIRECTIVES.contains(&l.split(' ').next().unwrap_or(""))).ok_or("no directive")?;
    while i < lines.len() {
        let line = lines[i];
        i += 1;
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (directive, rest) = line.split_once(' ').unwrap_or((line, ""));
        let place = || -> Result<std::path::PathBuf, String> {
            let path = folder.join(rest.split(' ').next().unwrap_or(""));
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent).map_err(|e| e.to_string())?;
            }
            Ok(path)
        };
        let mut block = || {
            let from = i;
            while i < lines.len()
                && (lines[i].starts_with("    ") || (lines[i].is_empty() && lines.get(i + 1).is_some_and(|l| l.starts_with("    "))))
            {
                i += 1;
            }
            lines[from..i].iter().map(|l| l.get(4..).unwrap_or("")).collect::<Vec<&str>>()
        };
        let seen = |wanted: bool, stream: fn(&Output) -> &Vec<u8>| {
            let output = last.as_ref().ok_or("nothing ran yet")?;
            let wanted_bytes = unescape(rest)?;
            let text = stream(output);
            let found = !wanted_bytes.is_empty() && text.windows(wanted_bytes.len()).any(|w| w == wanted_bytes);
            if found == wanted { Ok(()) } else { Err(format!("`{line}` does not hold\n{}", show(output))) }
        };
        match directive {
            "file" => std::fs::write(place()?, block().iter().map(|l| format!("{l}\n")).collect::<String>()).map_err(|e| e.to_string())?,
            "raw" => {
                let text = rest.split_once(' ').map_or("", |(_, t)| t);
                std::fs::write(place()?, unescape(text)?).map_err(|e| e.to_string())?;
            }
            "repeat" => {
                let mut parts = rest.splitn(3, ' ').skip(1);
                let n: usize = parts.next().and_then(|n| n.parse().ok()).ok_or("repeat NAME N TEXT")?;
                let text = String::from_utf8(unescape(parts.next().unwrap_or(""))?).map_err(|e| e.to_string())?;
                let path = place()?;
                let mut all = std::fs::read_to_string(&path).unwrap_or_default();
                all.extend((0..n).map(|k| text.replace("{}", &k.to_string())));
                std::fs::write(path, all).map_err(|e| e.to_string())?;
            }
            "parquet" => parquet(&place()?, &block())?,
            "sample" => {
                let mut parts = rest.split(' ');
                let name = parts.next().unwrap_or("");
                let mut bytes = std::fs::read(repository().join("examples/data").join(name)).map_err(|e| format!("{name}: {e}"))?;
                if let Some(n) = parts.next() {
                    bytes.truncate(n.parse().map_err(|_| "sample NAME [BYTES]")?);
                }
                std::fs::write(place()?, bytes).map_err(|e| e.to_string())?;
            }
            "type" => typed = unescape(rest)?,
            "folder" => std::fs::create_dir_all(place()?).map_err(|e| e.to_string())?,
            "move" => {
                let from = folder.join(rest.split(' ').next().unwrap_or(""));
                let moved = match rest.split_once(' ') {
                    Some((_, to)) => std::fs::rename(from, folder.join(to)),
                    None => std::fs::remove_file(from),
                };
                moved.map_err(|e| e.to_string())?;
            }
            "$" => {
                let mut words = words(rest).into_iter();
                if words.next().as_deref() != Some("taster") {
                    return Err(format!("only taster can be run: {line}"));
                }
                last = Some(run(folder, words.collect(), std::mem::take(&mut typed)).map_err(|e| e.to_string())?);
            }
            "exit" => {
                let output = last.as_ref().ok_or("nothing ran yet")?;
                if output.status.code().map(|c| c.to_string()).as_deref() != Some(rest) {
                    return Err(format!("`{line}` does not hold\n{}", show(output)));
                }
                checked += 1;
            }
            "out" => seen(true, |o| &o.stdout)?,
            "err" => seen(true, |o| &o.stderr)?,
            "no-out" => seen(false, |o| &o.stdout)?,
            "no-err" => seen(false, |o| &o.stderr)?,
            "exists" | "absent" => {
                if place()?.exists() != (directive == "exists") {
                    return Err(format!("`{line}` does not hold\n{}", last.as_ref().map(show).unwrap_or_default()));
                }
            }
            other => return Err(format!("unknown directive `{other}`")),
        }
    }
    if checked == 0 { Err("the story never says an exit code".into()) } else { Ok(()) }
}

#[test]
fn every_story_ends_as_told() {
    let mut paths: Vec<_> = std::fs::read_dir(repository().join("tests/cmd"))
        .expect("the folder of stories")
        .map(|e| e.expect("a readable folder").path())
        .filter(|p| p.extension().is_some_and(|e| e == "story"))
        .collect();
    paths.sort();
    // `STORY=part-of-a-name cargo test stories` tells only those.
    if let Ok(part) = std::env::var("STORY") {
        paths.retain(|p| p.to_string_lossy().contains(&part));
    }
    let next = AtomicUsize::new(0);
    let failures = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, |n| n.get()) {
            scope.spawn(|| {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let told = std::fs::read_to_string(path).map_err(|e| e.to_string()).and_then(|text| tell(&text));
                    if let Err(why) = told {
                        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                        failures.lock().expect("no thread panics").push(format!("==== {name}\n{why}"));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().expect("no thread panics");
    failures.sort();
    assert!(failures.is_empty(), "{} of {} stories\n{}", failures.len(), paths.len(), failures.join("\n"));
}
