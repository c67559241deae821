//! Files that appear whole or not at all: written under a hidden temporary name in the folder where
//! they will stand, brought to disk, then renamed. An error or Ctrl-C removes the temporary file; a
//! killed process or a power cut can leave one behind, but never under the final name, and the next
//! run that writes there clears it away.

use crate::error::{Error, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file being written.
pub struct AtomicFile {
    temporary: NamedTempFile,
    path: PathBuf,
    bytes: u64,
    hash: Option<Sha256>,
}

/// A finished file that still has its temporary name; dropped, it vanishes.
#[derive(Debug)]
pub struct Pending {
    temporary: NamedTempFile,
    written: Written,
}

/// What a report says about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    pub path: PathBuf,
    pub format: &'static str,
    pub lines: u64,
    pub bytes: u64,
    /// Of formats that cannot carry the run id themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Disk full, no permission, a folder where a file should be: what went wrong and what would help.
pub fn io_error(what: &str, e: &io::Error) -> Error {
    let error = Error::resource(what, e);
    match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            error.help("nothing was left behind; make room or choose another folder with --out")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            error.help("choose a folder that can be written to with --out")
        }
        _ => error,
    }
}

const PARTIAL: &str = ".partial";
/// A younger file may belong to a run that has not locked it yet.
const ABANDONED: std::time::Duration = std::time::Duration::from_secs(60);

/// Removes what a killed run left of this very output: the lock on it ended with the process.
/// Whatever cannot be looked at stays.
fn sweep(folder: &Path, prefix: &str) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if !name.to_str().is_some_and(|n| n.starts_with(prefix) && n.ends_with(PARTIAL)) {
            continue;
        }
        let old = entry.metadata().is_ok_and(|m| m.is_file() && m.modified().is_ok_and(|t| t.elapsed().is_ok_and(|a| a > ABANDONED)));
        if old && std::fs::File::open(entry.path()).is_ok_and(|f| f.try_lock().is_ok()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

impl AtomicFile {
    /// Makes the folder and the temporary file in it. `hashed`: whether the report will need the
    /// file's SHA-256.
    ///
    /// # Errors
    /// A resource error when the folder cannot be made or written to, or `path` is a folder.
    pub fn create(path: &Path, hashed: bool) -> Result<AtomicFile> {
        let name = path.file_name().ok_or_else(|| Error::usage(format!("`{}` does not name a file", path.display())))?;
        if path.is_dir() {
            return Err(Error::resource(path.display().to_string(), "is a folder").help("name a file in it"));
        }
        let folder = match path.parent() {
            Some(p) if !p.as_os_str().is_empty() => p,
            _ => Path::new("."),
        };
        let failed = |e: io::Error| io_error(&format!("cannot write to {}", folder.display()), &e);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let prefix = format!(".{}.", name.to_string_lossy());
        sweep(folder, &prefix);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(PARTIAL);
        // A result is as readable as any other new file; the umask still applies.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let temporary = builder.tempfile_in(folder).map_err(failed)?;
        // Says that somebody is still writing; a file system without locks only loses the sweeping.
        let _ = temporary.as_file().try_lock();
        Ok(AtomicFile { temporary, path: path.to_owned(), bytes: 0, hash: hashed.then(Sha256::new) })
    }

    /// Brings the file to disk. `lines` is only reported.
    ///
    /// # Errors
    /// A resource error when the disk is full or fails.
    pub fn finish(self, format: &'static str, lines: u64) -> Result<Pending> {
        let what = || format!("writing {}", self.path.display());
        self.temporary.as_file().sync_all().map_err(|e| io_error(&what(), &e))?;
        let sha256 = self.hash.map(|h| hex(&h.finalize()));
        let written = Written { path: self.path, format, lines, bytes: self.bytes, sha256 };
        Ok(Pending { temporary: self.temporary, written })
    }
}

impl Write for AtomicFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.temporary.write(buf)?;
        self.bytes += n as u64;
        if let Some(hash) = &mut self.hash {
            hash.update(&buf[..n]);
        }
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.temporary.flush()
    }
}

impl Pending {
    /// What will stand there once committed.
    pub fn written(&self) -> &Written {
        &self.written
    }

    /// Gives the file its name, replacing an older one.
    ///
    /// # Errors
    /// A resource error when the rename fails.
    pub fn commit(self) -> Result<Written> {
        let path = &self.written.path;
        self.temporary.persist(path).map_err(|e| io_error(&format!("writing {}", path.display()), &e.error))?;
        // The rename itself must survive a power cut; a file system that cannot sync a folder has
        // no such promise to give.
        #[cfg(unix)]
        if let Some(folder) = path.parent()
            && let Ok(folder) = std::fs::File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        {
            let _ = folder.sync_all();
        }
        Ok(self.written)
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn nothing_has_the_final_name_before_commit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/list.csv");
        let mut file = AtomicFile::create(&path, true).unwrap();
        file.write_all(b"abc").unwrap();
        let pending = file.finish("csv", 0).unwrap();
        assert!(!path.exists());
        let written = pending.commit().unwrap();
        assert_eq!((written.bytes, std::fs::read(&path).unwrap().as_slice()), (3, b"abc".as_slice()));
        assert_eq!(written.sha256.unwrap(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(names(path.parent().unwrap()), ["list.csv"]);
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_what_is_being_written_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let hours_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
        let old = |name: &str| std::fs::File::create(dir.path().join(name)).unwrap().set_modified(hours_ago).unwrap();
        old(".list.csv.dead.partial");
        old(".other.csv.dead.partial");
        std::fs::write(dir.path().join(".list.csv.young.partial"), "").unwrap();
        let path = dir.path().join("list.csv");
        let writing = AtomicFile::create(&path, false).unwrap();
        let mine = writing.temporary.path().file_name().unwrap().to_str().unwrap().to_owned();
        writing.temporary.as_file().set_modified(hours_ago).unwrap();
        drop(AtomicFile::create(&path, false).unwrap());
        let mut kept = vec![mine, ".list.csv.young.partial".to_owned(), ".other.csv.dead.partial".to_owned()];
        kept.sort();
        assert_eq!(names(dir.path()), kept);
    }

    #[test]
    fn a_dropped_file_leaves_the_old_one_untouched_and_no_rest() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.csv");
        std::fs::write(&path, "old").unwrap();
        let mut file = AtomicFile::create(&path, false).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        drop(AtomicFile::create(&path, false).unwrap().finish("csv", 0).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(dir.path()), ["list.csv"]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_a_resource_error() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        assert!(matches!(AtomicFile::create(&plain.join("x.csv"), false), Err(Error::Resource { .. })));
        assert!(matches!(AtomicFile::create(dir.path(), false), Err(Error::Resource { .. })));
    }
}
