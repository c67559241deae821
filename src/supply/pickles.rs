//! S101: Python pickles, by content.

use super::pickle;
use super::scan::Look;
use crate::rule::{Meta, Severity};
use base64::Engine;
use std::io::BufRead;

pub(super) const META: Meta = Meta {
    code: "S101",
    name: "unsafe-pickle",
    summary: "a file is a Python pickle, which can run code in whoever loads it",
    explain: "
A pickle is a program: loading it imports names and calls them. A data set has no need of one.

Every file under the data paths is looked at by content, whatever its name, and so is every member of zip (`.npz`,
torch) and tar archives and what gzip, zlib (joblib) and zstd unfold to. A walker reads the opcodes of protocols 0
to 5 and builds no object; it follows stack and memo to see which names would be imported, also in bytes objects and
base64 strings that are pickles themselves and in `.npy` arrays of objects. Only the names that rebuild plain
numpy arrays, torch tensors and containers are allowed. Any other name, a name that is computed, or a stream that
breaks is an error; a pickle of plain values is a warning. In files of text, the first 64 KiB are searched for pickles
encoded as base64.

False alarms: a pickle of your own classes is harmless to you and is an error all the same. Store the data as
Parquet or as a plain array.

How it is evaded: a pickle that is encrypted, packed with bzip2, xz or lz4 (S106 says so where it sees them), encoded in another
way, or cut into pieces that only the loader puts together.
",
    ids: &["MITRE ATLAS AML.T0011.000", "NIST AI 100-2e2025 NISTAML.05", "OWASP LLM03:2025"],
};

/// Pickles that follow one another in a file, of which each is loaded by a call of its own.
const IN_A_ROW: usize = 1000;
/// A longer header belongs to no array.
const HEADER: usize = 1 << 20;
/// Encoded pickles that are opened in one file.
const ENCODED: usize = 100;

pub(super) fn look(out: &mut Look, place: &str, head: &[u8], input: &mut dyn BufRead) -> std::io::Result<()> {
    let objects = objects_at(head);
    if let Some(skipped) = objects {
        std::io::copy(&mut std::io::Read::take(&mut *input, skipped), &mut std::io::sink())?;
    } else if head.starts_with(b"\x93NUMPY") {
        return Ok(());
    }
    if let Some((severity, message)) = pickled(input, objects.is_some())? {
        out.say(&META, place, severity, message);
    } else if objects.is_none() {
        encoded(out, place, head);
    }
    Ok(())
}

fn pickled(mut input: &mut dyn BufRead, sure: bool) -> std::io::Result<Option<(Severity, String)>> {
    let mut seen = pickle::walk(&mut input);
    let sure = seen.marked || sure;
    let mut more = 0;
    while sure && seen.whole && !input.fill_buf()?.is_empty() {
        more += 1;
        if more == IN_A_ROW {
            return Ok(Some((Severity::Error, format!("more than {IN_A_ROW} pickles, one after the other"))));
        }
        let next = pickle::walk(&mut input);
        seen.foreign.extend(next.foreign);
        (seen.whole, seen.broken) = (next.whole, next.broken);
    }
    if !seen.foreign.is_empty() && (sure || seen.calls) {
        let names: Vec<&str> = seen.foreign.iter().take(5).map(String::as_str).collect();
        return Ok(Some((Severity::Error, format!("a pickle that imports {}", names.join(", ")))));
    }
    Ok(match seen.broken {
        Some(why) if sure => Some((Severity::Error, format!("a pickle that cannot be followed: {why}"))),
        None if sure => Some((Severity::Warning, "a pickle of plain values".into())),
        _ => None,
    })
}

/// A text that decodes to a pickle of protocol 2 to 5: it then begins with `gA` and one of these.
pub(super) fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    if !matches!(text, [b'g', b'A', b'I' | b'J' | b'K' | b'L' | b'M' | b'N' | b'O' | b'P' | b'Q'..=b'X', _, ..]) {
        return None;
    }
    let end = text.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_'))).unwrap_or(text.len());
    // Whole groups of four; what is cut off at the end is padding or a rest that no pickle needs.
    let text: Vec<u8> = text[..end]
        .iter()
        .map(|b| {
            if *b == b'-' {
                b'+'
            } else if *b == b'_' {
                b'/'
            } else {
                *b
            }
        })
        .collect();
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(&text);
    let bytes = bytes.or_else(|_| base64::engine::general_purpose::STANDARD_NO_PAD.decode(&text[..text.len() / 4 * 4])).ok()?;
    matches!(bytes.as_slice(), [0x80, 2..=5, ..]).then_some(bytes)
}

/// Pickles in base64 within text; only what imports something is said: short runs of letters look like much.
fn encoded(out: &mut Look, place: &str, head: &[u8]) {
    let mut at = 0;
    for _ in 0..ENCODED {
        let Some(next) = memchr::memmem::find(&head[at..], b"gA") else { return };
        at += next;
        let fresh = at == 0 || !head[at - 1].is_ascii_alphanumeric();
        if fresh
            && let Some(bytes) = decoded(&head[at..])
            && let Ok(Some((Severity::Error, message))) = pickled(&mut bytes.as_slice(), false)
            && message.contains("imports")
        {
            out.say(&META, place, Severity::Error, format!("in base64 at byte {at}: {message}"));
            return;
        }
        at += 2;
    }
}

/// Where the pickle of a `.npy` array of objects begins.
fn objects_at(head: &[u8]) -> Option<u64> {
    let rest = head.strip_prefix(b"\x93NUMPY")?;
    let (start, length) = match *rest {
        [1, _, a, b, ..] => (10, usize::from(u16::from_le_bytes([a, b]))),
        [_, _, a, b, c, d, ..] => (12, u32::from_le_bytes([a, b, c, d]) as usize),
        _ => return None,
    };
    let end = start + length.min(HEADER);
    let header = String::from_utf8_lossy(head.get(start..end.min(head.len()))?);
    // A type code `O` stands alone in quotes, after a byte order and before a size.
    let is_object = |word: &str| {
        let word = word.trim_start_matches(['|', '<', '>', '=']);
        word.strip_prefix('O').is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()))
    };
    header.split(['\'', '"']).any(is_object).then_some(end as u64)
}
