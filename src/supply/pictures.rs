//! S107: images that are more than images.

use super::scan::{Look, head_of};
use crate::rule::{Meta, Severity};
use std::io::{Cursor, Read, Seek, SeekFrom};

pub(super) const META: Meta = Meta {
    code: "S107",
    name: "hostile-image",
    summary: "an image file that is a program or archive too, or that no memory can hold",
    explain: "
An image that is an archive, a script or an executable as well passes every check for images and is run by somebody else. One
whose header promises a hundred thousand pixels a side takes the machine down when it is decoded.

PNG, JPEG, GIF, BMP, WebP and TIFF files are looked at wherever they lie, also in archives: the dimensions by the header
alone (more than 2^28 pixels are an error), what follows the end of the image, and whether the end of the file is that
of a zip archive. Images in columns, and images that are cut short or damaged, are `P172 broken-image`.

False alarms: scans of maps or tissue beyond 268 megapixels. Cut them into tiles; no training reads them whole.
",
    ids: &["NIST AI 100-2e2025 NISTAML.05", "OWASP LLM03:2025"],
};

const PIXELS: u64 = 1 << 28;
/// Images up to here are followed to their end.
const FOLLOWED: u64 = 64 << 20;

pub(super) fn is_image(head: &[u8]) -> bool {
    kind(head).is_some()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Png,
    Jpeg,
    Gif,
    Bmp,
    Webp,
    Tiff,
}

fn kind(head: &[u8]) -> Option<Kind> {
    Some(match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Kind::Png,
        [0xff, 0xd8, 0xff, ..] => Kind::Jpeg,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Kind::Gif,
        // Text may begin with these two letters; the reserved bytes and the header's size may not be text.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Kind::Bmp,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Kind::Webp,
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Kind::Tiff,
        _ => return None,
    })
}

/// Whether it is an image.
pub(super) fn look<R: Read + Seek>(out: &mut Look, place: &str, head: &[u8], input: &mut R, len: u64) -> std::io::Result<bool> {
    let Some(kind) = kind(head) else { return Ok(false) };
    let reader = image::ImageReader::new(Cursor::new(head)).with_guessed_format()?;
    if let Ok((width, height)) = reader.into_dimensions()
        && u64::from(width) * u64::from(height) > PIXELS
    {
        out.say(&META, place, Severity::Error, format!("an image of {width} x {height} pixels, which no decoder should try"));
    }
    if len > FOLLOWED {
        return Ok(true);
    }
    input.seek(SeekFrom::Start(0))?;
    let bytes = head_of(input, FOLLOWED as usize)?;
    if let Some(end) = end(kind, &bytes)
        && let Some(what) = bytes.get(end..).and_then(behind)
    {
        out.say(&META, place, Severity::Error, format!("an image with {what} behind its end"));
    }
    Ok(true)
}

/// What follows an image and is more than padding.
fn behind(rest: &[u8]) -> Option<&'static str> {
    let start = rest.iter().position(|b| !matches!(b, 0 | b'\r' | b'\n' | b' ' | b'\t')).unwrap_or(rest.len());
    let rest = &rest[start..];
    let lower: Vec<u8> = rest.iter().take(16).map(u8::to_ascii_lowercase).collect();
    if let Some(kind) = super::scripts::executable(rest, "") {
        return Some(kind);
    }
    match rest {
        [b'P', b'K', 3, 4, ..] | [0x1f, 0x8b, 8, ..] | [b'R', b'a', b'r', b'!', ..] | [b'7', b'z', 0xbc, 0xaf, ..] => Some("an archive"),
        [0x80, 2..=5, ..] => Some("a pickle"),
        [b'#', b'!', b'/', ..] => Some("a script"),
        _ if [&b"<?php"[..], b"<script", b"<html", b"<!doctype"].iter().any(|s| lower.starts_with(s)) => Some("a page or script"),
        _ => None,
    }
}

fn be32(b: &[u8], at: usize) -> Option<usize> {
    b.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize)
}
fn le32(b: &[u8], at: usize) -> Option<usize> {
    b.get(at..at + 4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize)
}

/// Where the image ends by its own structure; `None` where that cannot be told.
fn end(kind: Kind, b: &[u8]) -> Option<usize> {
    match kind {
        Kind::Png => {
            let mut at: usize = 8;
            loop {
                let next = at.checked_add(12)?.checked_add(be32(b, at)?)?;
                if b.get(at + 4..at + 8)? == b"IEND" {
                    return Some(next);
                }
                at = next;
            }
        }
        Kind::Jpeg => {
            let mut at = 2;
            loop {
                let marker = *b.get(at + 1)?;
                match (*b.get(at)?, marker) {
                    (0xff, 0xd9) => return Some(at + 2),
                    // Fill bytes, and markers without a length.
                    (0xff, 0xff) => at += 1,
                    (0xff, 0x01 | 0xd0..=0xd7) => at += 2,
                    (0xff, 0) => return None,
                    (0xff, _) => {
                        let length = usize::from(u16::from_be_bytes([*b.get(at + 2)?, *b.get(at + 3)?]));
                        at += 2 + length;
                        if marker == 0xda {
                            // Packed data runs to the next marker that is none of its own.
                            loop {
                                at += memchr::memchr(0xff, b.get(at..)?)?;
                                match b.get(at + 1)? {
                                    0 | 0xd0..=0xd7 => at += 2,
                                    _ => break,
                                }
                            }
                        }
                    }
                    _ => return None,
                }
            }
        }
        Kind::Gif => {
            let table = |flags: u8| if flags & 0x80 != 0 { 3 << ((flags & 7) + 1) } else { 0 };
            let mut at = 13 + table(*b.get(10)?);
            let blocks = |mut at: usize| loop {
                match *b.get(at)? {
                    0 => return Some(at + 1),
                    n => at += usize::from(n) + 1,
                }
            };
            loop {
                match *b.get(at)? {
                    0x3b => return Some(at + 1),
                    0x21 => at = blocks(at + 2)?,
                    0x2c => at = blocks(at + 11 + table(*b.get(at + 9)?))?,
                    _ => return None,
                }
            }
        }
        Kind::Bmp => le32(b, 2).filter(|n| *n >= 26),
        Kind::Webp => le32(b, 4)?.checked_add(8),
        Kind::Tiff => None,
    }
}
