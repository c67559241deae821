//! How an image file was made: its format, what its encoder wrote beside the picture, its tables, what follows
//! its end, and how coarsely its levels are cut. Two people rarely save pictures the same way, so that rows of
//! one hand share such marks. Reads attacker-controlled bytes: every length is checked, nothing is unpacked.

use super::{Raster, bands};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::sync::LazyLock;
use xxhash_rust::xxh3::xxh3_64;

/// Segments of one file that are read.
const SEGMENTS: usize = 64;
/// Pictures of fewer pixels have few levels by nature.
const PIXELS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// How the file is built; there are few of these.
    File,
    /// What stands in it, named by a hash: it is anybody's text, and may differ from file to file.
    Value,
    /// A property of the picture, not of its file: honest pictures of one kind may share it.
    Pixels,
    /// How sharp the picture is, in steps: what it shows is not independent of that.
    Bands,
}

/// One property of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub kind: Kind,
    pub name: Cow<'static, str>,
    /// A hash of the name. Values come after all others, so that a sample by smallest keys keeps the few before the many.
    pub key: u64,
}

impl Mark {
    fn new(kind: Kind, name: impl Into<Cow<'static, str>>) -> Mark {
        let name = name.into();
        let hash = xxh3_64(name.as_bytes()) >> 1;
        let key = if kind == Kind::Value { hash | 1 << 63 } else { hash };
        Mark { kind, name, key }
    }
}

/// Marks of one file.
#[derive(Default)]
struct Marks(Vec<Mark>);

impl Marks {
    fn file(&mut self, name: impl Into<Cow<'static, str>>) {
        self.0.push(Mark::new(Kind::File, name));
    }
    fn value(&mut self, name: impl Into<Cow<'static, str>>) {
        self.0.push(Mark::new(Kind::Value, name));
    }
}

/// Every mark once.
pub fn marks(bytes: &[u8], raster: &Raster) -> Vec<Mark> {
    let mut found = Marks::default();
    match image::guess_format(bytes) {
        Ok(image::ImageFormat::Png) => png(bytes, &mut found),
        Ok(image::ImageFormat::Jpeg) => jpeg(bytes, &mut found),
        Ok(other) => found.file(format!("{other:?} file")),
        Err(_) => {}
    }
    found.file(format!("{} x {} pixels", raster.width, raster.height));
    let mut all = found.0;
    all.extend(levels(raster).into_iter().map(|name| Mark::new(Kind::Pixels, name)));
    energies(raster, &mut all);
    all.sort_unstable();
    all.dedup();
    all
}

fn digest(bytes: &[u8]) -> String {
    format!("{:08x}", xxh3_64(bytes) as u32)
}

/// A short name that a format gives in ASCII; anything else by its hash.
fn identifier(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len()).min(24);
    match bytes.get(..end) {
        Some(name) if !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || b" -_".contains(b)) => {
            String::from_utf8_lossy(name).into_owned()
        }
        _ => digest(bytes),
    }
}

fn after_the_end(rest: &[u8], found: &mut Marks) {
    if !rest.is_empty() {
        found.file("data after the end of the image");
        found.value(format!("{} bytes after the end of the image ({})", rest.len(), digest(rest)));
    }
}

fn png(bytes: &[u8], found: &mut Marks) {
    found.file("PNG file");
    let mut rest = bytes.get(8..).unwrap_or_default();
    for _ in 0..SEGMENTS {
        let (Some(length), Some(kind)) = (number(rest, 0, 4), rest.get(4..8)) else { return };
        let Some(body) = rest.get(8..).and_then(|b| b.get(..length)) else { return };
        let after = rest.get(12 + length..).unwrap_or_default();
        let name = identifier(kind);
        match kind {
            b"IHDR" => {
                let at = |i: usize| body.get(i).copied().unwrap_or_default();
                found.file(format!("PNG of {} bits and colour type {}{}", at(8), at(9), if at(12) == 0 { "" } else { ", interlaced" }));
            }
            b"IDAT" => {
                // The second byte of the stream tells the effort of the encoder; of later pieces it is data.
                if let Some(header) = body.get(..2)
                    && !found.0.iter().any(|m| m.name.starts_with("PNG compressed"))
                {
                    found.file(format!("PNG compressed with header {:02x}{:02x}", header[0], header[1]));
                }
            }
            b"IEND" => return after_the_end(after, found),
            b"PLTE" | b"tRNS" => found.file(format!("PNG chunk {name}")),
            b"tEXt" | b"zTXt" | b"iTXt" => {
                found.file(format!("PNG chunk {name} {}", identifier(body)));
                found.value(format!("PNG chunk {name} {} ({})", identifier(body), digest(body)));
            }
            _ => {
                found.file(format!("PNG chunk {name}"));
                found.value(format!("PNG chunk {name} ({})", digest(body)));
            }
        }
        rest = after;
    }
}

fn jpeg(bytes: &[u8], found: &mut Marks) {
    found.file("JPEG file");
    let mut tables = Vec::new();
    let mut rest = bytes.get(2..).unwrap_or_default();
    for _ in 0..SEGMENTS {
        let (Some(0xff), Some(&marker)) = (rest.first(), rest.get(1)) else { break };
        if marker == 0xff {
            rest = &rest[1..];
            continue;
        }
        let Some(length) = number(rest, 2, 2).filter(|l| *l >= 2) else { break };
        let Some(body) = rest.get(4..2 + length) else { break };
        match marker {
            0xdb => tables.extend_from_slice(body),
            0xc0..=0xc2 => {
                let sampling: Vec<String> =
                    body.get(6..).unwrap_or_default().chunks(3).filter_map(|c| Some(format!("{:02x}", c.get(1)?))).collect();
                let kind = if marker == 0xc2 { "progressive" } else { "sequential" };
                found.file(format!("JPEG {kind}, sampling {}", sampling.join("-")));
            }
            0xdd => found.file("JPEG with restart intervals"),
            0xe0..=0xef => {
                let name = format!("JPEG segment APP{} {}", marker - 0xe0, identifier(body));
                found.value(format!("{name} ({})", digest(body)));
                found.file(name);
            }
            0xfe => {
                found.file("JPEG comment");
                found.value(format!("JPEG comment ({})", digest(body)));
            }
            0xda => break,
            _ => {}
        }
        rest = &rest[2 + length..];
    }
    found.file(format!("JPEG quantisation tables {}", digest(&tables)));
    if let Some(end) = bytes.windows(2).rposition(|w| w == [0xff, 0xd9]) {
        after_the_end(&bytes[end + 2..], found);
    }
}

/// Big-endian.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    Some(bytes.get(at..at + width)?.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
}

/// Posterised pictures: how few levels there are, and of how many bits.
fn levels(raster: &Raster) -> Vec<String> {
    let mut out = Vec::new();
    if raster.pixels.len() < PIXELS {
        return out;
    }
    let mut seen = [false; 256];
    let mut bits = 0u8;
    for p in &raster.pixels {
        for c in [p >> 16, p >> 8, *p] {
            seen[(c & 255) as usize] = true;
            bits |= c as u8;
        }
    }
    let distinct = seen.iter().filter(|s| **s).count();
    out.extend([4, 8, 16, 32, 64].iter().filter(|n| distinct <= **n).map(|n| format!("at most {n} levels")));
    if bits != 0 && bits.trailing_zeros() > 0 {
        out.push(format!("levels are multiples of {}", 1u32 << bits.trailing_zeros()));
    }
    out
}

/// Marks of one band: a share of at most, and of at least `1 / 2^(i + 1)`.
type Tails = [Vec<Mark>; 2];

/// Of the middle and of the upper band. Every picture has two dozen of these, so they are named once.
static TAILS: LazyLock<[Tails; 2]> = LazyLock::new(|| {
    let mark =
        |side: &str, k: usize, band: &str| Mark::new(Kind::Bands, format!("{side} 1/{} of the energy in the {band} DCT band", 1u32 << k));
    ["middle", "upper"].map(|band| ["at most", "at least"].map(|side| (1..=bands::OCTAVES).map(|k| mark(side, k, band)).collect()))
});

/// The tails of the energy in the upper bands, from both sides.
fn energies(raster: &Raster, out: &mut Vec<Mark>) {
    let Some(shares) = bands::shares(raster) else { return };
    for (share, [at_most, at_least]) in shares.into_iter().zip(TAILS.iter()) {
        let (most, least) = bands::octaves(share);
        out.extend(at_most.iter().take(most).cloned());
        out.extend(at_least.iter().skip(least.saturating_sub(1)).cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use super::*;
    use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
    use std::io::Cursor;

    fn encoded(format: ImageFormat, step: u32) -> Vec<u8> {
        let picture = RgbImage::from_fn(24, 20, |x, y| {
            Rgb([(x * 10 / step * step) as u8, (y * 11 / step * step) as u8, (x * y % 251 / step * step) as u8])
        });
        let mut out = Cursor::new(Vec::new());
        DynamicImage::ImageRgb8(picture).write_to(&mut out, format).unwrap();
        out.into_inner()
    }
    fn names(bytes: &[u8]) -> Vec<String> {
        marks(bytes, &decode(bytes).unwrap()).into_iter().map(|m| m.name.into_owned()).collect()
    }
    fn has(names: &[String], what: &str) -> bool {
        names.iter().any(|n| n == what)
    }

    /// The file with a chunk of this name before its data; the checksum is left out of the count, as decoders skip the chunk.
    fn with_chunk(png: &[u8], kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut crc = !0u32;
        for b in kind.iter().chain(body) {
            crc ^= u32::from(*b);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            }
        }
        let mut out = png[..33].to_vec();
        out.extend((body.len() as u32).to_be_bytes());
        out.extend(kind);
        out.extend(body);
        out.extend((!crc).to_be_bytes());
        out.extend(&png[33..]);
        out
    }

    #[test]
    fn a_png_is_marked_by_its_chunks_and_by_what_follows_its_end() {
        let plain = encoded(ImageFormat::Png, 1);
        let before = names(&plain);
        assert!(
            has(&before, "PNG file") && has(&before, "PNG of 8 bits and colour type 2") && has(&before, "24 x 20 pixels"),
            "{before:?}"
        );
        let mut odd = with_chunk(&plain, b"tEXt", b"Software\0painter 3");
        odd.extend(b"more");
        let after = names(&odd);
        let fresh: Vec<&String> = after.iter().filter(|n| !before.contains(n)).collect();
        assert_eq!(fresh.len(), 4, "{fresh:?}");
        assert!(has(&after, "PNG chunk tEXt Software") && has(&after, "data after the end of the image"));
        assert!(after.iter().all(|n| !n.contains("painter")), "values are named by a hash alone");
    }

    #[test]
    fn a_jpeg_is_marked_by_its_tables_and_segments() {
        let jpeg = encoded(ImageFormat::Jpeg, 1);
        let before = names(&jpeg);
        assert!(has(&before, "JPEG file") && before.iter().any(|n| n.starts_with("JPEG quantisation tables")), "{before:?}");
        let mut odd = jpeg[..2].to_vec();
        odd.extend([0xff, 0xfe, 0, 6]);
        odd.extend(b"note");
        odd.extend(&jpeg[2..]);
        let after = names(&odd);
        assert!(has(&after, "JPEG comment"));
        assert!(before.iter().all(|n| after.contains(n)));
    }

    #[test]
    fn coarse_levels_are_a_mark_of_the_pixels() {
        let coarse = encoded(ImageFormat::Png, 32);
        let of = marks(&coarse, &decode(&coarse).unwrap());
        let pixels: Vec<&str> = of.iter().filter(|m| m.kind == Kind::Pixels).map(|m| m.name.as_ref()).collect();
        assert_eq!(
            pixels,
            ["at most 16 levels", "at most 32 levels", "at most 64 levels", "at most 8 levels", "levels are multiples of 32"]
        );
        let fine = encoded(ImageFormat::Png, 1);
        assert!(marks(&fine, &decode(&fine).unwrap()).iter().all(|m| m.kind != Kind::Pixels));
    }

    #[test]
    fn cut_and_mangled_files_are_no_panic() {
        let raster = decode(&encoded(ImageFormat::Png, 1)).unwrap();
        for whole in [encoded(ImageFormat::Png, 1), encoded(ImageFormat::Jpeg, 1)] {
            for cut in 0..whole.len().min(400) {
                marks(&whole[..cut], &raster);
                let mut mangled = whole.clone();
                mangled[cut] = 0xff;
                marks(&mangled, &raster);
            }
        }
    }
}
