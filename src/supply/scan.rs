//! Looks at what lies in a dataset's folders as a hostile loader's accomplice would: file by file, by
//! content, into archives, never by extension alone. Nothing is executed, unpickled or extracted to the disk.
//!
//! ```text
//!  paths ─► walk (names, links) ─► each file, in parallel ─┬─ seekable: zip, Parquet, Arrow, images
//!                                                          └─ streamed: gzip, zlib, zstd, tar, npy, pickles, scripts
//!                                   members of archives ◄──┘   (bounded in number, depth and inflated bytes)
//! ```

use super::{archives, pickles, pictures, schema_code, scripts};
use crate::error::{group_digits, plural};
use crate::rule::{Meta, Outcome, Severity, Status};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// Enough to tell what something is.
pub(super) const HEAD: usize = 64 << 10;
/// What one file may unfold to while it is looked at.
const UNFOLDED: u64 = 512 << 20;
/// A member that must be looked at from its end is held in memory up to this size.
const HELD: u64 = 64 << 20;
/// Members of archives, looked at in one file.
const MEMBERS: u64 = 200_000;
/// Archives in archives.
const DEPTH: u8 = 5;
/// The report carries one line per finding: a folder of pickles must not make it endless.
const MOST: usize = 1000;

/// Something to say about one file or one member of an archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    pub rule: &'static str,
    pub place: String,
    pub severity: Severity,
    pub message: String,
}

/// What is left to spend on one file, and what was found in it.
pub(super) struct Look {
    pub found: Vec<Finding>,
    unfolded: u64,
    members: u64,
}

/// Counts what is read against the budget of the file; beyond it the stream fails.
struct Metered<'a> {
    input: &'a mut dyn Read,
    left: &'a mut u64,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if *self.left == 0 {
            return Err(std::io::Error::other(TOO_MUCH));
        }
        let most = buffer.len().min(usize::try_from(*self.left).unwrap_or(usize::MAX));
        let n = self.input.read(&mut buffer[..most])?;
        *self.left -= n as u64;
        Ok(n)
    }
}

const TOO_MUCH: &str = "it unfolds to more than is looked at";

/// Reads until the buffer is full or the input ends.
pub(super) fn head_of(input: &mut dyn Read, most: usize) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    input.take(most as u64).read_to_end(&mut head)?;
    Ok(head)
}

impl Look {
    fn new() -> Look {
        Look { found: Vec::new(), unfolded: UNFOLDED, members: MEMBERS }
    }

    pub fn say(&mut self, rule: &Meta, place: &str, severity: Severity, message: impl Into<String>) {
        // One file of a million bad members is one bad file.
        if self.found.len() < MOST {
            self.found.push(Finding { rule: rule.code, place: place.to_owned(), severity, message: message.into() });
        }
    }

    /// Whether one more member may be looked at; the first that may not is said.
    pub fn member(&mut self, place: &str) -> bool {
        match self.members.checked_sub(1) {
            Some(left) => {
                self.members = left;
                true
            }
            None => {
                let why = format!("holds more than {} members; the rest was not looked at", group_digits(MEMBERS));
                if !self.found.iter().any(|f| f.message == why) {
                    self.say(&archives::META, place, Severity::Error, why);
                }
                false
            }
        }
    }

    /// A file, or a member that is held in memory.
    fn seekable<R: Read + Seek>(&mut self, place: &str, input: &mut R, len: u64, depth: u8) -> std::io::Result<()> {
        input.seek(SeekFrom::Start(0))?;
        let head = head_of(input, HEAD)?;
        let image = pictures::look(self, place, &head, input, len)?;
        let zipped = archives::zip(self, place, &head, image, input, len, depth)?;
        scripts::look(self, place, &head);
        if zipped || image {
            return Ok(());
        }
        if schema_code::look(self, place, input, len) {
            return Ok(());
        }
        input.seek(SeekFrom::Start(head.len() as u64))?;
        self.streamed(place, &head, input, depth)
    }

    /// The head of something and what follows it.
    fn streamed(&mut self, place: &str, head: &[u8], rest: &mut dyn Read, depth: u8) -> std::io::Result<()> {
        let mut all = Cursor::new(head).chain(rest);
        if archives::packed(self, place, head, &mut all, depth)? {
            return Ok(());
        }
        pickles::look(self, place, head, &mut BufReader::new(all))
    }

    /// A member of an archive, or what something packed unfolds to.
    pub fn member_of(&mut self, place: &str, input: &mut dyn Read, depth: u8) {
        if depth > DEPTH {
            self.say(&archives::META, place, Severity::Error, format!("archives are nested more than {DEPTH} deep; it was not looked at"));
            return;
        }
        let mut left = self.unfolded;
        let looked = self.inside(place, &mut Metered { input, left: &mut left }, depth);
        // Members inside of this one have spent from the same budget.
        self.unfolded = self.unfolded.min(left);
        match looked {
            Ok(()) => {}
            Err(e) if e.to_string() == TOO_MUCH => {
                let why = format!("unfolds to more than {} bytes; the rest was not looked at", group_digits(UNFOLDED));
                self.say(&archives::META, place, Severity::Error, why);
            }
            Err(e) => self.say(&archives::META, place, Severity::Error, format!("a member that cannot be unfolded: {e}")),
        }
    }

    fn inside(&mut self, place: &str, input: &mut Metered<'_>, depth: u8) -> std::io::Result<()> {
        let mut head = head_of(input, HEAD)?;
        let seeks = pictures::is_image(&head) || archives::is_zip(&head) || schema_code::is_columnar(&head);
        if !seeks {
            scripts::look(self, place, &head);
            return self.streamed(place, &head, input, depth);
        }
        input.take(HELD - head.len() as u64 + 1).read_to_end(&mut head)?;
        if head.len() as u64 > HELD {
            self.say(
                &archives::META,
                place,
                Severity::Warning,
                format!("is larger than {} bytes and was not looked into", group_digits(HELD)),
            );
            return Ok(());
        }
        let len = head.len() as u64;
        self.seekable(place, &mut Cursor::new(head), len, depth)
    }
}

/// Everything found under these paths, folders or files; what is neither (a glob) is passed over. One
/// outcome for each finding of a selected rule, and one for each rule without any. `None`: interrupted.
pub fn scan(paths: &[PathBuf], threads: usize, wanted: &dyn Fn(&Meta) -> bool, stop: &AtomicBool) -> Option<Vec<(Meta, Outcome)>> {
    let mut found = Vec::new();
    let files = super::names::walk(paths, &mut found);
    let look = |path: &PathBuf| -> Vec<Finding> {
        if stop.load(Ordering::Relaxed) {
            return Vec::new();
        }
        of_file(path)
    };
    // Without threads of its own the scan is only slower.
    match rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build() {
        Ok(pool) => found.extend(pool.install(|| files.par_iter().flat_map_iter(look).collect::<Vec<_>>())),
        Err(_) => found.extend(files.iter().flat_map(look)),
    }
    if stop.load(Ordering::Relaxed) {
        return None;
    }
    Some(outcomes(found, files.len(), wanted))
}

/// A decoder that panics is a finding, never a pass.
fn of_file(path: &Path) -> Vec<Finding> {
    let place = path.display().to_string();
    let looked = crate::source::quietly(|| {
        let mut look = Look::new();
        let read = File::open(path).and_then(|mut file| {
            let len = file.metadata()?.len();
            look.seekable(&place, &mut file, len, 0)
        });
        if let Err(e) = read {
            look.say(&pickles::META, &place, Severity::Error, format!("cannot be read: {e}"));
        }
        look.found
    });
    looked.unwrap_or_else(|_| {
        let message = "could not be looked at: its decoder gave up".into();
        vec![Finding { rule: pickles::META.code, place, severity: Severity::Error, message }]
    })
}

fn outcomes(found: Vec<Finding>, files: usize, wanted: &dyn Fn(&Meta) -> bool) -> Vec<(Meta, Outcome)> {
    let mut by_rule: BTreeMap<&str, BTreeSet<Finding>> = BTreeMap::new();
    for finding in found {
        by_rule.entry(finding.rule).or_default().insert(finding);
    }
    let mut out = Vec::new();
    for meta in super::REGISTRY.iter().filter(|m| wanted(m)) {
        let found = by_rule.remove(meta.code).unwrap_or_default();
        if found.is_empty() {
            let message = format!("{} looked at", plural(files, "file"));
            out.push((*meta, Outcome { message, ..Outcome::new(meta.name, Status::Pass) }));
        }
        let more = found.len().saturating_sub(MOST);
        for finding in found.into_iter().take(MOST) {
            let message = format!("{}: {}", finding.place, finding.message);
            out.push((*meta, Outcome { severity: finding.severity, message, ..Outcome::new(finding.place, Status::Fail) }));
        }
        if more > 0 {
            let message = format!("and {} more findings of this kind", group_digits(more as u64));
            out.push((*meta, Outcome { message, ..Outcome::new("more findings", Status::Fail) }));
        }
    }
    out
}

/// What is found in one stretch of bytes, for fuzzing and tests.
#[doc(hidden)]
pub fn of_bytes(place: &str, bytes: &[u8]) -> Vec<(&'static str, String)> {
    let mut look = Look::new();
    let looked = look.seekable(place, &mut Cursor::new(bytes), bytes.len() as u64, 0);
    let failed = looked.err().map(|e| ("", e.to_string()));
    look.found.into_iter().map(|f| (f.rule, format!("{}: {}", f.place, f.message))).chain(failed).collect()
}
