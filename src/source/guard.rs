//! Decoders meet attacker-controlled bytes. A panic inside one becomes a data error that names the
//! file, and a file that changes while it is read is an error too: both would otherwise end in a
//! verdict about something else than the data.

use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a decoder; a panic in it comes back as its text rather than on stderr: the hook that is in
/// place stays in charge of every panic outside.
pub(crate) fn quietly<T>(decode: impl FnOnce() -> T) -> std::result::Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !INSIDE.with(Cell::get) {
                previous(info);
            }
        }));
    });
    let outer = INSIDE.with(|inside| inside.replace(true));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode));
    INSIDE.with(|inside| inside.set(outer));
    result.map_err(|cause| {
        let text = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
        text.unwrap_or("no reason given").chars().take(200).collect()
    })
}

/// Runs the decoder of a file.
pub(super) fn guarded<T>(path: &Path, decode: impl FnOnce() -> Result<T>) -> Result<T> {
    quietly(decode).unwrap_or_else(|text| {
        Err(Error::data(path, format!("the file is damaged: its decoder gave up ({text})")).help("write or fetch the file again"))
    })
}

/// What must stay the same from opening to the last read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub bytes: u64,
    modified: Option<SystemTime>,
    identity: Identity,
}

/// Device, inode and the time of the last change of either content or attributes, which no program can
/// set back.
#[cfg(unix)]
type Identity = (u64, u64, i64, i64);
#[cfg(not(unix))]
type Identity = ();

#[cfg(unix)]
fn identity(meta: &std::fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (meta.dev(), meta.ino(), meta.ctime(), meta.ctime_nsec())
}
#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> Identity {}

/// The SHA-256 of a file, and the stamp that it had while it was read.
pub(crate) fn measure(path: &Path, stop: Option<&AtomicBool>) -> Result<(Stamp, [u8; 32])> {
    let mut file = File::open(path).map_err(|e| super::paths::unreadable(path, &e))?;
    let stamp = Stamp::of(path, &file)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 18]);
    loop {
        if stop.is_some_and(|s| s.load(Ordering::Relaxed)) {
            return Err(Error::Interrupted);
        }
        match file.read(&mut buffer).map_err(|e| super::paths::unreadable(path, &e))? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    stamp.check(path, &file)?;
    Ok((stamp, hash.finalize().into()))
}

impl Stamp {
    pub fn of(path: &Path, file: &File) -> Result<Stamp> {
        let meta = file.metadata().map_err(|e| super::paths::unreadable(path, &e))?;
        if !meta.is_file() {
            return Err(Error::data(path, "is neither a file nor a folder (a pipe or a device?)"));
        }
        Ok(Stamp { bytes: meta.len(), modified: meta.modified().ok(), identity: identity(&meta) })
    }

    /// Opens the file and checks that it is still the one that was opened first.
    pub fn reopen(&self, path: &Path) -> Result<File> {
        let file = File::open(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => {
                Error::data(path, "the file vanished during the run").help("run again when nobody writes to the dataset")
            }
            _ => super::paths::unreadable(path, &e),
        })?;
        self.check(path, &file)?;
        Ok(file)
    }

    /// Whether a file of this size can hold so many rows. A run of one value packs a hundred thousand into a
    /// byte at most; a header that claims more would keep a reader busy for ever with rows of nothing.
    pub fn holds(&self, rows: u64) -> bool {
        rows >> 17 <= self.bytes
    }

    pub fn check(&self, path: &Path, file: &File) -> Result<()> {
        if Stamp::of(path, file)? == *self {
            return Ok(());
        }
        Err(Error::data(path, "the file changed during the run").help("run again when nobody writes to the dataset"))
    }
}
