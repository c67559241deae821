//! The folder that a split writes to. Everything is made under a hidden name in it and moved to its
//! place when it is whole; `split.json`, written after that, says that the split is complete. What a killed
//! run left is known by its hidden folder and cleared away by the next one; two runs at once exclude each
//! other by a lock that ends with the process.

use super::SUMMARY;
use crate::error::{Error, Result};
use crate::quarantine::io_error;
use std::fs::File;
use std::path::{Path, PathBuf};

const WORK: &str = ".unfinished-split";
const LOCK: &str = ".split.lock";
const HALVES: [&str; 2] = ["clean", "quarantined"];

pub struct Folder {
    out: PathBuf,
    lock: Option<File>,
    /// Whether the folder itself is new, and goes again when nothing comes of it.
    made: bool,
    /// The place of the halves is being taken.
    moving: bool,
    done: bool,
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |e| io_error(&format!("cannot write to {}", path.display()), &e)
}

/// `None` where there is nothing.
fn gone(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A folder with all that is in it; of a link, the link.
fn remove(path: &Path) -> std::io::Result<()> {
    let link = std::fs::symlink_metadata(path).is_ok_and(|m| m.is_symlink());
    gone(if link { std::fs::remove_file(path) } else { std::fs::remove_dir_all(path) })
}

impl Folder {
    /// # Errors
    /// A usage error when something else stands there, or a split that may not be replaced; a resource
    /// error when another run is writing, or the folder cannot be written to.
    pub fn open(out: &Path, overwrite: bool) -> Result<Folder> {
        if out.exists() && !out.is_dir() {
            return Err(Error::usage(format!("--out {}: is a file", out.display())).help("name a folder"));
        }
        let made = !out.exists();
        std::fs::create_dir_all(out).map_err(failed(out))?;
        let lock = File::options().create(true).truncate(false).write(true).open(out.join(LOCK)).map_err(failed(out))?;
        let folder = match lock.try_lock() {
            // A file system without locks: the hidden folder still tells.
            Ok(()) | Err(std::fs::TryLockError::Error(_)) => {
                Folder { out: out.to_owned(), lock: Some(lock), made, moving: false, done: false }
            }
            Err(std::fs::TryLockError::WouldBlock) => {
                return Err(
                    Error::resource(out.display().to_string(), "another run is writing there").help("wait for it, or name another folder")
                );
            }
        };
        folder.look(overwrite)?;
        Ok(folder)
    }

    /// Refuses what it must not touch, and clears away what a killed run left.
    fn look(&self, overwrite: bool) -> Result<()> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.out).map_err(failed(&self.out))? {
            names.push(entry.map_err(failed(&self.out))?.file_name());
        }
        let has = |name: &str| names.iter().any(|n| n == name);
        let ours = |n: &std::ffi::OsString| {
            n == WORK
                || n == LOCK
                || n == SUMMARY
                || HALVES.iter().any(|h| n == h)
                || n.to_str().is_some_and(|n| n.starts_with(".split.json."))
        };
        let shown = self.out.display();
        if let Some(other) = names.iter().find(|n| !ours(n)) {
            let message = format!("--out {shown}: holds `{}`, which no split wrote", other.to_string_lossy());
            return Err(Error::usage(message).help("name a new or an empty folder"));
        }
        if has(SUMMARY) && !overwrite {
            return Err(
                Error::usage(format!("--out {shown}: holds a split already")).help("name another folder, or replace it with --overwrite")
            );
        }
        if !has(SUMMARY) && HALVES.iter().any(|h| has(h)) {
            if !has(WORK) {
                let message = format!("--out {shown}: holds a folder `clean` or `quarantined` that no split wrote");
                return Err(Error::usage(message).help("name a new or an empty folder"));
            }
            self.remove_halves()?;
        }
        if has(WORK) {
            remove(&self.work()).map_err(failed(&self.out))?;
        }
        std::fs::create_dir(self.work()).map_err(failed(&self.out))
    }

    fn remove_halves(&self) -> Result<()> {
        HALVES.iter().try_for_each(|name| remove(&self.out.join(name)).map_err(failed(&self.out)))
    }

    /// Where the halves are made.
    pub fn work(&self) -> PathBuf {
        self.out.join(WORK)
    }

    /// Moves the halves to their places.
    ///
    /// # Errors
    /// A resource error when a rename fails.
    pub fn publish(&mut self) -> Result<()> {
        self.moving = true;
        // The word that an older split is complete goes first.
        gone(std::fs::remove_file(self.out.join(SUMMARY))).map_err(failed(&self.out))?;
        self.remove_halves()?;
        for name in HALVES {
            std::fs::rename(self.work().join(name), self.out.join(name)).map_err(failed(&self.out))?;
        }
        #[cfg(unix)]
        if let Ok(folder) = File::open(&self.out) {
            // A file system that cannot sync a folder has no such promise to give.
            let _ = folder.sync_all();
        }
        Ok(())
    }

    /// After the summary: the hidden folder and the lock go.
    pub fn close(mut self) {
        self.done = true;
        let _ = std::fs::remove_dir_all(self.work());
        let _ = std::fs::remove_file(self.out.join(LOCK));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // Nothing came of it. Halves that were moved already go before the folder that tells whose they are.
        if self.moving {
            let _ = self.remove_halves();
        }
        let _ = std::fs::remove_dir_all(self.work());
        let _ = std::fs::remove_file(self.out.join(LOCK));
        drop(self.lock.take());
        if self.made {
            let _ = std::fs::remove_dir(&self.out);
        }
    }
}
