//! What CSV and JSON Lines share: bytes are unpacked, brought to UTF-8 and shown through a window
//! that grows with the longest record, never with the file. Places at which a read may start are
//! noted while the file is scanned once at opening, so that later reads share it among cores.

use super::divide::{Content, Halves, TextOut, record};
use super::format::Packed;
use super::guard::{Stamp, guarded};
use super::portion::Portion;
use crate::error::{Error, Result};
use encoding_rs::Encoding;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// A longer record is taken for damage: a quote that nobody closed, or a file without line breaks.
const MAX_RECORD: usize = 64 << 20;
/// Start of a window; a record that does not fit doubles it.
const WINDOW: usize = 256 << 10;
/// A place to start from is noted after this many bytes; how many of them make a shard is known at the end.
const PLACES: u64 = 512 << 10;

/// Where a record starts: its row, its byte and its line (1-based).
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub row: u64,
    pub offset: u64,
    pub line: u64,
}

/// A text file as it was found at opening.
pub(super) struct TextFile {
    pub path: PathBuf,
    pub stamp: Stamp,
    packed: Packed,
    encoding: Option<&'static Encoding>,
    pub places: Vec<Place>,
    pub rows: u64,
    /// Bytes of all of it, as UTF-8 and without compression.
    end: u64,
    pub digest: [u8; 32],
}

/// The hash of all bytes that passed through the reader.
type Hash = Arc<Mutex<Sha256>>;

struct Hashing {
    file: File,
    hash: Option<Hash>,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(buffer)?;
        if let Some(hash) = &self.hash {
            hash.lock().unwrap_or_else(PoisonError::into_inner).update(&buffer[..n]);
        }
        Ok(n)
    }
}

impl TextFile {
    /// Opens for the first scan; [`TextFile::seal`] completes what the scan learned.
    pub fn open(path: &Path, format: super::Format, packed: Packed, encoding: Option<&str>) -> Result<(TextFile, Window, Hash)> {
        let file = File::open(path).map_err(|e| super::paths::unreadable(path, &e))?;
        let stamp = Stamp::of(path, &file)?;
        let wide = encoding.is_some_and(|e| e.to_ascii_lowercase().starts_with("utf-16") || e.to_ascii_lowercase().starts_with("utf16"));
        if !wide {
            super::format::confirm(path, format)?;
        }
        let encoding = match encoding {
            None => None,
            Some(label) => {
                let label = if label.eq_ignore_ascii_case("utf8") { "utf-8" } else { label };
                let known = Encoding::for_label(label.as_bytes())
                    .or_else(|| label.eq_ignore_ascii_case("latin-1").then_some(encoding_rs::WINDOWS_1252));
                let known = known.ok_or_else(|| {
                    Error::usage(format!("`format.encoding: {label}` is not known"))
                        .help("known are utf-8, latin-1, windows-1252, utf-16le and utf-16be, among others")
                })?;
                (known != encoding_rs::UTF_8).then_some(known)
            }
        };
        let hash: Hash = Arc::default();
        let text = TextFile { path: path.to_owned(), stamp, packed, encoding, places: Vec::new(), rows: 0, end: 0, digest: [0; 32] };
        let mut window = text.window(file, Some(hash.clone()))?;
        window.skip_mark()?;
        Ok((text, window, hash))
    }

    fn window(&self, file: File, hash: Option<Hash>) -> Result<Window> {
        let raw = Hashing { file, hash };
        let unpacked: Box<dyn Read + Send> = match self.packed {
            Packed::No => Box::new(raw),
            Packed::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::with_capacity(WINDOW, raw))),
            Packed::Zstd => Box::new(zstd::stream::read::Decoder::new(raw).map_err(|e| broken(&self.path, &e))?),
        };
        let input = match self.encoding {
            None => unpacked,
            Some(encoding) => Box::new(Transcoder {
                input: unpacked,
                decoder: encoding.new_decoder(),
                raw: Vec::new(),
                ready: Vec::new(),
                at: 0,
                ended: false,
            }),
        };
        Ok(Window {
            input,
            path: self.path.clone(),
            buffer: vec![0; WINDOW],
            start: 0,
            end: 0,
            offset: 0,
            line: 1,
            ended: false,
            tap: None,
        })
    }

    fn seekable(&self) -> bool {
        self.packed == Packed::No && self.encoding.is_none()
    }

    /// Called by the scan before it takes the record at this place.
    pub fn note(&mut self, place: Place) {
        let last = self.places.last();
        let far = last.is_none_or(|l| place.row > l.row && place.offset - l.offset >= PLACES);
        if far && (self.seekable() || last.is_none()) {
            self.places.push(place);
        }
    }

    pub fn seal(&mut self, rows: u64, end: u64, hash: &Hash) {
        (self.rows, self.end) = (rows, end);
        self.digest = hash.lock().unwrap_or_else(PoisonError::into_inner).clone().finalize().into();
    }

    pub fn shards(&self) -> Vec<(u64, u64)> {
        let ends = self.places.iter().skip(1).map(|p| (p.row, p.offset)).chain([(self.rows, self.end)]);
        let pieces = self.places.iter().zip(ends).map(|(p, (row, offset))| (p.row, row - p.row, offset.saturating_sub(p.offset)));
        Portion::of(self.rows, self.end).join(pieces)
    }

    /// A window at the last noted place that is not behind `row`. The caller skips from there on.
    pub fn reopen(&self, row: u64) -> Result<(Window, Place)> {
        let mut file = self.stamp.reopen(&self.path)?;
        let at = self.places.partition_point(|p| p.row <= row);
        let place = self.places[..at].last().copied().unwrap_or(Place { row: 0, offset: 0, line: 1 });
        if self.seekable() {
            file.seek(SeekFrom::Start(place.offset)).map_err(|e| super::paths::unreadable(&self.path, &e))?;
            let mut window = self.window(file, None)?;
            (window.offset, window.line) = (place.offset, place.line);
            return Ok((window, place));
        }
        let mut window = self.window(file, None)?;
        while window.offset < place.offset {
            if window.bytes().is_empty() && !window.more(|_| None)? {
                return Err(broken(&self.path, &std::io::ErrorKind::UnexpectedEof.into()));
            }
            let n = (window.bytes().len() as u64).min(place.offset - window.offset) as usize;
            window.consume(n);
        }
        Ok((window, place))
    }
}

/// Consumes the next record, with the blank lines before it; `false` at the end.
pub(super) type NextRecord<'a> = &'a mut dyn FnMut(&mut Window) -> Result<bool>;

/// The file as it stands, record by record.
impl TextFile {
    /// Of this file or of another of its kind.
    fn tapped(&self, path: &Path) -> Result<Window> {
        let file =
            if path == self.path { self.stamp.reopen(path)? } else { File::open(path).map_err(|e| super::paths::unreadable(path, &e))? };
        let mut window = self.window(file, None)?;
        window.path = path.to_owned();
        window.tap = Some(Vec::new());
        window.skip_mark()?;
        Ok(window)
    }

    /// The byte order mark that a decoder takes off; UTF-8 keeps its own in the window.
    fn mark(&self) -> Result<Option<[u8; 2]>> {
        let Some(encoding) = self.encoding else { return Ok(None) };
        let plain = TextFile { path: self.path.clone(), encoding: None, places: Vec::new(), ..*self };
        let mut window = plain.window(self.stamp.reopen(&self.path)?, None)?;
        window.more(|_| None)?;
        let mark = if encoding == encoding_rs::UTF_16LE { [0xff, 0xfe] } else { [0xfe, 0xff] };
        let wide = encoding == encoding_rs::UTF_16LE || encoding == encoding_rs::UTF_16BE;
        Ok((wide && window.bytes().starts_with(&mark)).then_some(mark))
    }

    pub fn divide(&self, halves: &Halves<'_>, header: bool, next: NextRecord<'_>) -> Result<()> {
        guarded(&self.path, || {
            let open = |path| TextOut::create(path, self.packed, self.encoding);
            let (mut clean, mut out) = (open(halves.clean)?, halves.quarantined.map(open).transpose()?);
            if let Some(mark) = self.mark()? {
                clean.raw(&mark)?;
                out.as_mut().map_or(Ok(()), |o| o.raw(&mark))?;
            }
            let mut window = self.tapped(&self.path)?;
            if header {
                next(&mut window)?;
            }
            // The mark and the header stand in both.
            let head = std::mem::take(window.tap.get_or_insert_default());
            clean.text(&head)?;
            out.as_mut().map_or(Ok(()), |o| o.text(&head))?;
            let mut row = 0;
            while next(&mut window)? {
                let tap = window.tap.get_or_insert_default();
                match &mut out {
                    Some(out) if row < self.rows && halves.removed.contains(row) => out.text(tap)?,
                    _ => clean.text(tap)?,
                }
                tap.clear();
                row += 1;
                if row % 1024 == 0 {
                    halves.check_stop()?;
                }
            }
            // Blank lines at the end.
            clean.text(window.tap.get_or_insert_default())?;
            if row != self.rows {
                return Err(Error::data(&self.path, "the file changed during the run").help("run again when nobody writes to the dataset"));
            }
            clean.finish()?;
            out.map_or(Ok(()), TextOut::finish)
        })
    }

    pub fn content(&self, path: &Path, header: bool, next: NextRecord<'_>) -> Result<Content> {
        guarded(path, || {
            let mut window = self.tapped(path)?;
            if header {
                next(&mut window)?;
            }
            window.tap.get_or_insert_default().clear();
            let mut content = Content::default();
            while next(&mut window)? {
                let tap = window.tap.get_or_insert_default();
                let blank = tap.iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
                content.add(record(&tap[blank..]));
                tap.clear();
            }
            Ok(content)
        })
    }
}

fn broken(path: &Path, e: &std::io::Error) -> Error {
    match e.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::data(path, "the compressed file is cut short").help("fetch or write the file again"),
        _ => Error::data(path, format!("cannot be read: {e}")).help("the file is damaged, or its extension names the wrong compression"),
    }
}

/// Text in another encoding, as UTF-8. A malformed sequence is an error: a replacement character
/// would be data that nobody wrote.
struct Transcoder {
    input: Box<dyn Read + Send>,
    decoder: encoding_rs::Decoder,
    raw: Vec<u8>,
    ready: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Read for Transcoder {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.at == self.ready.len() && !self.ended {
            self.raw.resize(64 << 10, 0);
            let n = self.input.read(&mut self.raw)?;
            self.ended = n == 0;
            let room = self.decoder.max_utf8_buffer_length(n).unwrap_or(n * 4 + 16);
            self.ready.resize(room, 0);
            let (_, _, written, malformed) = self.decoder.decode_to_utf8(&self.raw[..n], &mut self.ready, self.ended);
            if malformed {
                let name = self.decoder.encoding().name();
                return Err(std::io::Error::new(
                    std::io::ErrorKind::InvalidData,
                    format!("it is not valid {name} as `format.encoding` declares"),
                ));
            }
            self.ready.truncate(written);
            self.at = 0;
        }
        let n = buffer.len().min(self.ready.len() - self.at);
        buffer[..n].copy_from_slice(&self.ready[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

/// The part of the text that is in memory, from the current record on.
pub(super) struct Window {
    input: Box<dyn Read + Send>,
    path: PathBuf,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes (of UTF-8, without compression) before the window.
    pub offset: u64,
    /// The line at which the window starts, from 1.
    pub line: u64,
    ended: bool,
    /// What was consumed, for whoever copies it.
    tap: Option<Vec<u8>>,
}

impl Window {
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Nothing follows the window.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Makes the window longer; `false` when nothing follows. `blame` names the byte that made the
    /// record so long (an open quote), if there is one.
    pub fn more(&mut self, blame: impl Fn(&[u8]) -> Option<usize>) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        } else if self.end == self.buffer.len() {
            if self.buffer.len() >= MAX_RECORD {
                let (line, why) = match blame(self.bytes()) {
                    Some(at) => (self.line_at(at), "the quote opened here is never closed"),
                    None => (self.line, "a record of more than 64 MB starts here"),
                };
                return Err(self.error(line, why).help("is the quote character right (`format.quote`), and the file complete?"));
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        let before = self.end;
        while self.end < self.buffer.len() {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(n) => self.end += n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(broken(&self.path, &e)),
            }
        }
        Ok(self.end > before)
    }

    pub fn consume(&mut self, n: usize) {
        if let Some(tap) = &mut self.tap {
            tap.extend_from_slice(&self.buffer[self.start..self.start + n]);
        }
        self.line += memchr::memchr_iter(b'\n', &self.buffer[self.start..self.start + n]).count() as u64;
        self.offset += n as u64;
        self.start += n;
    }

    pub fn line_at(&self, at: usize) -> u64 {
        self.line + memchr::memchr_iter(b'\n', &self.bytes()[..at]).count() as u64
    }

    pub fn error(&self, line: u64, message: impl std::fmt::Display) -> Error {
        Error::data(&self.path, format!("line {line}: {message}"))
    }

    /// Skips a byte order mark; the marks of other encodings are errors that say so.
    fn skip_mark(&mut self) -> Result<()> {
        self.more(|_| None)?;
        match self.bytes() {
            [0xef, 0xbb, 0xbf, ..] => self.consume(3),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
                return Err(Error::data(&self.path, "the text is UTF-16, not UTF-8")
                    .help("declare it in the contract: `format: {encoding: utf-16le}`, or convert the file"));
            }
            _ => {}
        }
        Ok(())
    }

    /// The next line without its break, and its length with it; `None` at the end.
    pub fn line(&mut self) -> Result<Option<(std::ops::Range<usize>, usize)>> {
        let mut from = 0;
        loop {
            if let Some(n) = memchr::memchr(b'\n', &self.bytes()[from..]) {
                return Ok(Some((0..from + n, from + n + 1)));
            }
            from = self.bytes().len();
            if !self.more(|_| None)? && self.ended {
                return Ok((from > 0).then_some((0..from, from)));
            }
        }
    }

    /// The text of a record; an error names the line of the first byte that is no UTF-8.
    pub fn utf8<'a>(&self, bytes: &'a [u8], line: u64) -> Result<&'a str> {
        std::str::from_utf8(bytes).map_err(|e| {
            let line = line + memchr::memchr_iter(b'\n', &bytes[..e.valid_up_to()]).count() as u64;
            self.error(line, format!("invalid UTF-8 (byte 0x{:02x})", bytes.get(e.valid_up_to()).copied().unwrap_or(0)))
                .help("write the file as UTF-8, or declare its encoding in the contract: `format: {encoding: latin-1}`")
        })
    }
}
