//! S106: archives. Zip is read by its central directory and held against every local header; tar member by
//! member; gzip, zlib and zstd are unfolded as they are read. Nothing is written to the disk.

use super::scan::{Look, head_of};
use crate::error::group_digits;
use crate::rule::{Meta, Severity};
use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};

pub(super) const META: Meta = Meta {
    code: "S106",
    name: "hostile-archive",
    summary: "an archive would write elsewhere, says two things at once, or unfolds without end",
    explain: "
An archive among the data is unpacked by somebody. One whose members have absolute paths, `..` or links writes where it
wants; one whose two tables of contents differ shows one thing to a scanner and another to a loader; one whose members
overlap or unfold without end takes the machine down.

Zip (also `.npz` and torch files): the central directory is held against every local header: names, methods, flags, sizes,
overlaps, members that only one of them knows, bytes before and after. Tar: names, links, devices, members twice. Every member is
looked at by all rules of this kind, in archives within archives too, five deep; nothing is extracted. At most 512 MiB are
unfolded and 200,000 members looked at per file; beyond that it is an error, not a pass. What is packed with bzip2, xz, lz4, 7z
or rar is not looked into and is a warning, and so is what is encrypted.

False alarms: an archive that was appended to (tar keeps the older member too). Pack it again.
",
    ids: &["MITRE ATLAS AML.T0011.000", "NIST AI 100-2e2025 NISTAML.05", "OWASP LLM03:2025"],
};

/// A longer directory belongs to tens of millions of members.
const DIRECTORY: u64 = 256 << 20;
/// Deflate can pack 1,032 bytes into one; beyond this size only few ask for so much.
const PACKED_RATIO: u64 = 200;
const PACKED_SIZE: u64 = 4 << 30;
const END: &[u8] = b"PK\x05\x06";

pub(super) fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(END)
}

fn u16_at(b: &[u8], at: usize) -> u64 {
    b.get(at..at + 2).map_or(0, |b| u64::from(u16::from_le_bytes([b[0], b[1]])))
}
fn u32_at(b: &[u8], at: usize) -> u64 {
    b.get(at..at + 4).map_or(0, |b| u64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]])))
}
fn u64_at(b: &[u8], at: usize) -> u64 {
    b.get(at..at + 8).map_or(0, |b| b.try_into().map_or(0, u64::from_le_bytes))
}

fn piece<R: Read + Seek>(input: &mut R, at: u64, n: u64) -> std::io::Result<Vec<u8>> {
    input.seek(SeekFrom::Start(at))?;
    head_of(input, usize::try_from(n).unwrap_or(usize::MAX))
}

struct Member {
    name: Vec<u8>,
    flags: u64,
    method: u64,
    packed: u64,
    size: u64,
    offset: u64,
    unix_mode: u64,
}

/// Sizes and offset that did not fit stand in the extra field, in this order.
fn wide(extra: &[u8], values: [&mut u64; 3]) {
    let mut at = 0;
    while at + 4 <= extra.len() {
        let (id, n) = (u16_at(extra, at), u16_at(extra, at + 2) as usize);
        if id == 1 {
            let field = extra.get(at + 4..(at + 4 + n).min(extra.len())).unwrap_or_default();
            let mut from = 0;
            for value in values {
                if *value == u64::from(u32::MAX) && from + 8 <= field.len() {
                    *value = u64_at(field, from);
                    from += 8;
                }
            }
            return;
        }
        at += 4 + n;
    }
}

/// Whether the file is a zip archive, by its head or by its end. `image`: it is a picture as well.
pub(super) fn zip<R: Read + Seek>(
    out: &mut Look,
    place: &str,
    head: &[u8],
    image: bool,
    input: &mut R,
    len: u64,
    depth: u8,
) -> std::io::Result<bool> {
    const TAIL: u64 = 22 + 65_535;
    let by_head = is_zip(head);
    let from = len.saturating_sub(TAIL);
    let tail = piece(input, from, TAIL)?;
    // The comment runs to the end of the file: the only record that a reader may take.
    let ends: Vec<usize> =
        memchr::memmem::find_iter(&tail, END).filter(|at| at + 22 + u16_at(&tail, at + 20) as usize == tail.len()).collect();
    let bad = |out: &mut Look, message: &str| out.say(&META, place, Severity::Error, message);
    let Some(&end) = ends.last() else {
        if by_head {
            bad(out, "a zip archive without its directory: cut short, or something was appended to it");
        }
        return Ok(by_head);
    };
    let record = &tail[end..];
    let at = from + end as u64;
    let (mut entries, mut size, mut start) = (u16_at(record, 10), u32_at(record, 12), u32_at(record, 16));
    let mut directory_end = at;
    let locator = end.checked_sub(20).and_then(|l| tail.get(l..l + 20)).filter(|l| l.starts_with(b"PK\x06\x07"));
    if let Some(locator) = locator {
        let wide_at = u64_at(locator, 8);
        let wide_end = piece(input, wide_at.min(len), 56)?;
        if wide_end.starts_with(b"PK\x06\x06") && wide_end.len() == 56 {
            (entries, size, start) = (u64_at(&wide_end, 32), u64_at(&wide_end, 40), u64_at(&wide_end, 48));
            directory_end = wide_at;
        } else if entries == 0xffff || size == 0xffff_ffff || start == 0xffff_ffff {
            bad(out, "a zip archive whose end record cannot be followed");
            return Ok(true);
        }
    }
    // What lies before the archive moves all its offsets.
    let Some(before) = directory_end.checked_sub(size).and_then(|d| d.checked_sub(start)) else {
        if by_head {
            bad(out, "a zip archive whose directory lies outside of it");
        }
        // A stretch of bytes in some other file that happens to look like an end.
        return Ok(by_head);
    };
    if size > DIRECTORY {
        bad(out, "a zip archive whose directory is too large to follow");
        return Ok(true);
    }
    let directory = piece(input, directory_end - size, size)?;
    if !by_head && !directory.starts_with(b"PK\x01\x02") {
        return Ok(false);
    }
    if image {
        out.say(&super::pictures::META, place, Severity::Error, "is an image and a zip archive at once");
    } else if before > 0 || !by_head {
        bad(out, "a zip archive behind something else: two loaders see two files");
    }
    if ends.len() > 1 {
        bad(out, "a zip archive with two ends: two loaders see two archives");
    }
    let (members, whole) = listed(&directory);
    if !whole || members.len() as u64 != entries {
        bad(out, "a zip archive whose directory cannot be followed to its end");
    }
    contents(out, place, input, &members, before, directory_end - size, depth)?;
    Ok(true)
}

fn listed(directory: &[u8]) -> (Vec<Member>, bool) {
    let (mut members, mut at) = (Vec::new(), 0);
    while let Some(h) = directory.get(at..at + 46).filter(|h| h.starts_with(b"PK\x01\x02")) {
        let (n, x, c) = (u16_at(h, 28) as usize, u16_at(h, 30) as usize, u16_at(h, 32) as usize);
        let Some(rest) = directory.get(at + 46..at + 46 + n + x + c) else { break };
        let (mut size, mut packed, mut offset) = (u32_at(h, 24), u32_at(h, 20), u32_at(h, 42));
        wide(&rest[n..n + x], [&mut size, &mut packed, &mut offset]);
        members.push(Member {
            name: rest[..n].to_vec(),
            flags: u16_at(h, 8),
            method: u16_at(h, 10),
            packed,
            size,
            offset,
            unix_mode: u32_at(h, 38) >> 16,
        });
        at += 46 + n + x + c;
    }
    (members, at == directory.len())
}

fn contents<R: Read + Seek>(
    out: &mut Look,
    place: &str,
    input: &mut R,
    members: &[Member],
    before: u64,
    end: u64,
    depth: u8,
) -> std::io::Result<()> {
    let mut names = BTreeSet::new();
    let mut ranges: Vec<(u64, u64)> = Vec::with_capacity(members.len());
    let (mut total, mut packed) = (0_u64, 0_u64);
    for m in members {
        if !out.member(place) {
            break;
        }
        let name = String::from_utf8_lossy(&m.name).into_owned();
        let inner = format!("{place}!{name}");
        let bad = |out: &mut Look, message: &str| out.say(&META, &inner, Severity::Error, message);
        path(out, &inner, &name);
        if !names.insert(m.name.clone()) {
            bad(out, "is in the archive twice: which one is read depends on the loader");
        }
        if m.unix_mode & 0o170_000 == 0o120_000 {
            bad(out, "is a link");
        }
        (total, packed) = (total.saturating_add(m.size), packed.saturating_add(m.packed));
        let header = piece(input, m.offset.saturating_add(before).min(end), 30)?;
        if header.len() < 30 || !header.starts_with(b"PK\x03\x04") {
            bad(out, "is not where the directory says");
            continue;
        }
        let (n, x) = (u16_at(&header, 26), u16_at(&header, 28));
        let named = head_of(input, n as usize)?;
        let extra = head_of(input, x as usize)?;
        let (flags, method) = (u16_at(&header, 6), u16_at(&header, 8));
        let (mut size, mut packed) = (u32_at(&header, 22), u32_at(&header, 18));
        wide(&extra, [&mut size, &mut packed, &mut 0]);
        if named != m.name {
            let other = String::from_utf8_lossy(&named).into_owned();
            bad(out, &format!("is called `{other}` by its own header: two loaders see two names"));
        }
        if method != m.method {
            bad(out, "is packed in one way by the directory and in another by its own header");
        }
        let sealed = (flags | m.flags) & 1 != 0;
        if sealed {
            bad(out, "is marked as encrypted, which makes scanners pass over it");
        }
        if flags & 8 == 0 && (size, packed) != (m.size, m.packed) {
            bad(out, "has one size by the directory and another by its own header");
        }
        let data = m.offset + before + 30 + n + x;
        let Some(data_end) = data.checked_add(m.packed).filter(|e| *e <= end) else {
            bad(out, "reaches beyond the archive");
            continue;
        };
        ranges.push((m.offset + before, data_end));
        if m.name.ends_with(b"/") && m.packed == 0 {
            continue;
        }
        input.seek(SeekFrom::Start(data))?;
        let mut body = input.by_ref().take(m.packed);
        unfold(out, &inner, m.method, &mut body, depth);
    }
    ranges.sort_unstable();
    if ranges.windows(2).any(|w| w[1].0 < w[0].1) {
        out.say(&META, place, Severity::Error, "a zip archive whose members overlap: it unfolds to more than it holds");
    }
    hidden(out, place, input, &ranges, before)?;
    if total > PACKED_SIZE && total / packed.max(1) > PACKED_RATIO {
        let message = format!("a zip archive of {} bytes that unfolds to {}", group_digits(packed), group_digits(total));
        out.say(&META, place, Severity::Error, message);
    }
    Ok(())
}

/// Members between those that the directory knows: loaders that read from the front see them.
fn hidden<R: Read + Seek>(out: &mut Look, place: &str, input: &mut R, ranges: &[(u64, u64)], before: u64) -> std::io::Result<()> {
    let mut at = before;
    for (start, end) in ranges {
        if *start >= at + 30 && piece(input, at, 4)? == b"PK\x03\x04" {
            out.say(&META, place, Severity::Error, "a zip archive with a member that its directory does not know");
            return Ok(());
        }
        // A descriptor of up to 24 bytes may follow a member.
        at = (*end).max(at);
        let next = piece(input, at, 28)?;
        if next.starts_with(b"PK\x07\x08") {
            at += if next.get(16..20) == Some(b"PK\x03\x04") || next.get(16..20) == Some(b"PK\x01\x02") { 16 } else { 24 };
        }
    }
    Ok(())
}

fn unfold(out: &mut Look, inner: &str, method: u64, body: &mut dyn Read, depth: u8) {
    match method {
        0 => out.member_of(inner, body, depth + 1),
        8 => out.member_of(inner, &mut flate2::read::DeflateDecoder::new(body), depth + 1),
        93 => match zstd::Decoder::new(body) {
            Ok(mut unpacked) => out.member_of(inner, &mut unpacked, depth + 1),
            Err(e) => out.say(&META, inner, Severity::Error, format!("a member that cannot be unfolded: {e}")),
        },
        _ => out.say(&META, inner, Severity::Warning, format!("is packed by method {method}, and was not looked into")),
    }
}

/// Where a member would be written.
fn path(out: &mut Look, inner: &str, name: &str) {
    let parts = || name.split(['/', '\\']);
    let drive = matches!(name.as_bytes(), [b'a'..=b'z' | b'A'..=b'Z', b':', ..]);
    if name.starts_with(['/', '\\']) || drive {
        out.say(&META, inner, Severity::Error, "has an absolute path");
    } else if parts().any(|p| p == "..") {
        out.say(&META, inner, Severity::Error, "has a path that leaves the folder it is unpacked in");
    } else if name.contains('\0') {
        out.say(&META, inner, Severity::Error, "has a null character in its name");
    }
}

/// What begins like something packed is unfolded; whether it was.
pub(super) fn packed(out: &mut Look, place: &str, head: &[u8], all: &mut dyn Read, depth: u8) -> std::io::Result<bool> {
    let inner = format!("{place}!");
    match head {
        [0x1f, 0x8b, 8, ..] => out.member_of(&inner, &mut flate2::read::MultiGzDecoder::new(all), depth + 1),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => match zstd::Decoder::new(all) {
            Ok(mut unpacked) => out.member_of(&inner, &mut unpacked, depth + 1),
            Err(e) => out.say(&META, place, Severity::Error, format!("cannot be unfolded: {e}")),
        },
        // Two bytes prove little: text may begin like this.
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] if unfolds(head) => {
            out.member_of(&inner, &mut flate2::read::ZlibDecoder::new(all), depth + 1);
        }
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
        | [0xfd, b'7', b'z', b'X', b'Z', 0, ..]
        | [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..]
        | [b'R', b'a', b'r', b'!', 0x1a, 0x07, ..]
        | [0x04, 0x22, 0x4d, 0x18, ..] => {
            out.say(&META, place, Severity::Warning, "is packed in a way that is not looked into (bzip2, xz, 7z, rar or lz4)");
        }
        _ if is_tar(head) => tar(out, place, all, depth)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn unfolds(head: &[u8]) -> bool {
    let mut start = Vec::new();
    let _ = flate2::read::ZlibDecoder::new(head).take(16).read_to_end(&mut start);
    start.len() == 16
}

fn is_tar(head: &[u8]) -> bool {
    let Some(block) = head.get(..512) else { return false };
    if &block[257..262] == b"ustar" {
        return true;
    }
    // Before POSIX only the checksum tells; no text and no zeros pass it.
    block[0] != 0 && sum(block).is_some()
}

/// A header's checksum, where it holds.
fn sum(block: &[u8]) -> Option<u64> {
    let stored = octal(&block[148..156])?;
    let sum: u64 = block.iter().enumerate().map(|(i, b)| if (148..156).contains(&i) { 32 } else { u64::from(*b) }).sum();
    (sum == stored).then_some(sum)
}

fn octal(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|b| b & 0x80 != 0) {
        // Base 256, for what octal digits cannot hold.
        return field[1..].iter().try_fold(u64::from(field[0] & 0x7f), |n, b| n.checked_mul(256)?.checked_add(u64::from(*b)));
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() { None } else { u64::from_str_radix(text, 8).ok() }
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

fn tar(out: &mut Look, place: &str, input: &mut dyn Read, depth: u8) -> std::io::Result<()> {
    /// Longer names are no names.
    const NAME: u64 = 1 << 20;
    let mut names = BTreeSet::new();
    let (mut long_name, mut long_link, mut long_size) = (None, None, None);
    loop {
        let block = head_of(input, 512)?;
        if block.len() < 512 || block.iter().all(|b| *b == 0) {
            let rest = block.len() < 512 && !block.is_empty();
            if rest {
                out.say(&META, place, Severity::Error, "a tar archive that was cut short");
            }
            return Ok(());
        }
        if sum(&block).is_none() {
            out.say(&META, place, Severity::Error, "a tar archive with a header that does not hold");
            return Ok(());
        }
        if !out.member(place) {
            return Ok(());
        }
        let Some(size) = long_size.take().or_else(|| octal(&block[124..136])) else {
            out.say(&META, place, Severity::Error, "a tar archive with a member of no size");
            return Ok(());
        };
        let kind = block[156];
        if matches!(kind, b'L' | b'K' | b'x' | b'g') {
            let body = head_of(&mut input.take(size), NAME as usize)?;
            skip(input, size, body.len() as u64)?;
            match kind {
                b'L' => long_name = Some(text(&body)),
                b'K' => long_link = Some(text(&body)),
                _ => {
                    for (key, value) in records(&body) {
                        match key.as_str() {
                            "path" => long_name = Some(value),
                            "linkpath" => long_link = Some(value),
                            "size" => long_size = value.parse().ok(),
                            _ => {}
                        }
                    }
                }
            }
            continue;
        }
        let prefix = if &block[257..262] == b"ustar" && block[263] != b' ' { text(&block[345..500]) } else { String::new() };
        let own = text(&block[..100]);
        let name = long_name.take().unwrap_or(if prefix.is_empty() { own } else { format!("{prefix}/{own}") });
        let target = long_link.take().unwrap_or_else(|| text(&block[157..257]));
        let inner = format!("{place}!{name}");
        path(out, &inner, &name);
        match kind {
            b'1' | b'2' => {
                // A soft link counts from its own folder, a hard one from the root of the archive.
                let up = if kind == b'2' { name.split('/').filter(|p| !matches!(*p, "" | ".")).count() as i64 - 1 } else { 0 };
                let mut depth_now = up;
                let leaves = target.split('/').any(|p| {
                    depth_now += match p {
                        ".." => -1,
                        "" | "." => 0,
                        _ => 1,
                    };
                    depth_now < 0
                });
                if target.starts_with('/') || leaves {
                    out.say(&META, &inner, Severity::Error, format!("is a link out of the archive, to {target}"));
                }
            }
            b'3' | b'4' | b'6' => out.say(&META, &inner, Severity::Error, "is a device or a pipe"),
            _ => {}
        }
        let is_file = matches!(kind, 0 | b'0' | b'7');
        if is_file && !names.insert(name.clone()) {
            out.say(&META, &inner, Severity::Warning, "is in the archive twice: the last one counts");
        }
        let mut body = input.take(size);
        if is_file && size > 0 {
            out.member_of(&inner, &mut body, depth + 1);
        }
        let left = body.limit();
        skip(input, size, size - left)?;
    }
}

/// Passes over the rest of a member and its padding.
fn skip(input: &mut dyn Read, size: u64, read: u64) -> std::io::Result<()> {
    let rest = size.div_ceil(512).saturating_mul(512).saturating_sub(read);
    std::io::copy(&mut input.take(rest), &mut std::io::sink()).map(drop)
}

/// `length key=value` lines of a pax header.
fn records(body: &[u8]) -> Vec<(String, String)> {
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(space) = body.get(at..).and_then(|b| b.iter().take(20).position(|b| *b == b' ')) {
        let length: usize = std::str::from_utf8(&body[at..at + space]).ok().and_then(|t| t.parse().ok()).unwrap_or(0);
        let Some(record) = body.get(at + space + 1..at + length) else { break };
        if let Some((key, value)) = String::from_utf8_lossy(record).trim_end_matches('\n').split_once('=') {
            out.push((key.to_owned(), value.to_owned()));
        }
        at += length;
    }
    out
}
