//! Which reader a file belongs to: by its extension, confirmed by its first bytes. The two must
//! agree; a guess would read a renamed file as something it is not.

use crate::error::{Error, Result};
use std::io::Read;
use std::path::Path;

pub(super) const SUPPORTED: &str = ".parquet .pq .arrow .feather .ipc .csv .tsv .jsonl .ndjson .json (text also as .gz .zst) .npy IDX (*-ubyte); folders of .png .jpg .bmp .gif .webp .tiff";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Parquet,
    Arrow,
    Csv {
        tabs: bool,
        packed: Packed,
    },
    Json {
        packed: Packed,
    },
    /// NumPy or IDX.
    Array,
    /// One row per file.
    Image,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    No,
    Gzip,
    Zstd,
}

impl Format {
    /// The name of the family: one dataset holds one of them.
    pub fn family(self) -> &'static str {
        match self {
            Format::Parquet => "Parquet",
            Format::Arrow => "Arrow IPC",
            Format::Csv { .. } => "CSV",
            Format::Json { .. } => "JSON Lines",
            Format::Array => "an array (.npy or IDX)",
            Format::Image => "an image",
        }
    }
}

/// By extension alone; `Err` carries the extension that is known but not read.
fn by_extension(path: &Path) -> std::result::Result<Option<Format>, String> {
    let Some(name) = path.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()) else { return Ok(None) };
    let is_idx = |name: &str| ["idx1-ubyte", "idx3-ubyte"].iter().any(|end| name.ends_with(end));
    if is_idx(&name) {
        return Ok(Some(Format::Array));
    }
    if name.strip_suffix(".gz").is_some_and(is_idx) {
        return Err("a packed IDX file".into());
    }
    let (stem, packed) = match name.rsplit_once('.') {
        Some((stem, "gz" | "gzip")) => (stem, Packed::Gzip),
        Some((stem, "zst" | "zstd")) => (stem, Packed::Zstd),
        _ => (name.as_str(), Packed::No),
    };
    let extension = stem.rsplit_once('.').map_or("", |(_, e)| e);
    Ok(Some(match (extension, packed) {
        ("csv" | "tsv" | "tab", packed) => Format::Csv { tabs: extension != "csv", packed },
        ("jsonl" | "ndjson" | "jsonlines" | "json", packed) => Format::Json { packed },
        ("parquet" | "pq", Packed::No) => Format::Parquet,
        ("arrow" | "feather" | "ipc" | "arrows", Packed::No) => Format::Arrow,
        ("npy", Packed::No) => Format::Array,
        ("png" | "jpg" | "jpeg" | "bmp" | "gif" | "webp" | "tif" | "tiff", Packed::No) => Format::Image,
        ("parquet" | "pq" | "arrow" | "feather" | "ipc" | "npy", _) => return Err(format!("a packed .{extension} file")),
        ("avro" | "orc" | "xlsx" | "xls" | "ods", _) => return Err(format!("a .{extension} file")),
        (packer @ ("bz2" | "xz" | "zip" | "lz4" | "br" | "7z" | "z"), _) => {
            let inner = Path::new(stem).with_extension("");
            return match by_extension(&inner) {
                Ok(None) => Ok(None),
                _ => Err(format!("a .{packer} archive")),
            };
        }
        _ => return Ok(None),
    }))
}

/// Format of a file that the user named: every name must lead to a reader.
pub(super) fn of_named(path: &Path) -> Result<Format> {
    match by_extension(path) {
        Ok(Some(format)) => Ok(format),
        Ok(None) => match magic(path)? {
            Some(format @ (Format::Parquet | Format::Arrow)) => Ok(format),
            _ => Err(Error::data(path, "the extension names no format that taster reads").help(format!("taster reads {SUPPORTED}"))),
        },
        Err(what) => Err(unread(path, &what)),
    }
}

/// Format of a file met in a folder or glob; `None` when it is no data (`README.md`).
pub(super) fn of_seen(path: &Path) -> Result<Option<Format>> {
    by_extension(path).map_err(|what| unread(path, &what))
}

fn unread(path: &Path, what: &str) -> Error {
    Error::data(path, format!("{what} is not read by taster"))
        .help(format!("taster reads {SUPPORTED}; convert or unpack the file, or move it out of the folder"))
}

/// Pictures lie beside data of every kind; they are data where nothing else is.
/// Whether a loader would take a file of this name for data.
pub(crate) fn is_data_name(path: &Path) -> bool {
    !matches!(by_extension(path), Ok(None))
}

pub(super) fn is_image(format: Format) -> bool {
    format == Format::Image
}

/// `.json` may be a settings file; the line formats never are.
pub(super) fn is_plain_json(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"))
}

fn head(path: &Path) -> Result<Vec<u8>> {
    let file = std::fs::File::open(path).map_err(|e| super::paths::unreadable(path, &e))?;
    let mut head = Vec::with_capacity(512);
    file.take(512).read_to_end(&mut head).map_err(|e| super::paths::unreadable(path, &e))?;
    Ok(head)
}

fn magic(path: &Path) -> Result<Option<Format>> {
    let head = head(path)?;
    Ok(match () {
        () if head.starts_with(b"PAR1") => Some(Format::Parquet),
        () if head.starts_with(b"ARROW1") => Some(Format::Arrow),
        () => None,
    })
}

/// What the first bytes look like, for a message.
fn looks_like(head: &[u8]) -> Option<&'static str> {
    let text = || std::str::from_utf8(head).or_else(|e| std::str::from_utf8(&head[..e.valid_up_to()])).unwrap_or("");
    Some(match head {
        [b'P', b'A', b'R', b'1', ..] => "Parquet",
        [b'P', b'A', b'R', b'E', ..] => "encrypted Parquet",
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => "Arrow IPC",
        [b'F', b'E', b'A', b'1', ..] => "Feather version 1",
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        [b'P', b'K', 3, 4, ..] => "a zip archive (or .xlsx)",
        [b'B', b'Z', b'h', ..] => "bzip2",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "xz",
        [b'O', b'b', b'j', 1, ..] => "Avro",
        [b'O', b'R', b'C', ..] => "ORC",
        _ if ["<!doctype", "<html", "<?xml"].iter().any(|tag| text().trim_start().to_ascii_lowercase().starts_with(tag)) => {
            "HTML or XML (a failed download?)"
        }
        _ if text().starts_with("version https://git-lfs") => "a Git LFS pointer: the data itself was not fetched",
        _ if text().trim_start().starts_with(['{', '[']) => "JSON",
        _ if text().len() > 8 && text().contains([',', '\t', ';']) && !head.contains(&0) => "CSV",
        _ => return None,
    })
}

/// The first bytes must agree with the extension.
pub(super) fn confirm(path: &Path, format: Format) -> Result<()> {
    let head = head(path)?;
    let packed = |p: Packed| match p {
        Packed::Gzip => head.starts_with(&[0x1f, 0x8b]),
        Packed::Zstd => head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || matches!(head.as_slice(), [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]),
        Packed::No => !matches!(
            looks_like(&head),
            Some(
                "Parquet"
                    | "Arrow IPC"
                    | "gzip"
                    | "zstd"
                    | "a zip archive (or .xlsx)"
                    | "bzip2"
                    | "xz"
                    | "Avro"
                    | "HTML or XML (a failed download?)"
                    | "a Git LFS pointer: the data itself was not fetched"
            )
        ),
    };
    let (ok, name) = match format {
        Format::Parquet => (head.starts_with(b"PAR1"), "Parquet"),
        // A stream has no magic of its own: a continuation marker or a small length opens it.
        Format::Arrow => {
            (head.starts_with(b"ARROW1") || head.starts_with(&[0xff; 4]) || matches!(head.as_slice(), [_, _, 0, 0, ..]), "Arrow IPC")
        }
        // What an image file holds is for the detectors to say; arrays read their own headers.
        Format::Image | Format::Array => return Ok(()),
        Format::Csv { packed: p, .. } | Format::Json { packed: p } => (
            packed(p),
            match p {
                Packed::Gzip => "gzip",
                Packed::Zstd => "zstd",
                Packed::No => format.family(),
            },
        ),
    };
    if head.is_empty() {
        return Err(
            Error::data(path, format!("is empty (0 bytes): not {name}")).help("write the file again, or take it out of the dataset")
        );
    }
    if ok {
        return Ok(());
    }
    let article = if name.starts_with('A') { "an" } else { "a" };
    let looks = looks_like(&head).map_or_else(String::new, |l| format!("; it looks like {l}"));
    let help = match looks_like(&head) {
        Some("Feather version 1") => "write it again as Feather version 2 (pyarrow.feather.write_feather does)",
        _ => "fetch or write the file again, or give it the extension of what it is",
    };
    Err(Error::data(path, format!("not {article} {name} file: wrong magic bytes at its start{looks}")).help(help))
}
