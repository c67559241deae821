//! What the fuzz targets run, and what the tests replay their corpus through: every parser of ours and every
//! way for bytes to come in. Each function takes anything and ends in an answer. Not part of the library.

use crate::source::{OpenOptions, Source};
use crate::supply;
use crate::supply::key::{Algorithm, Private};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Takes any bytes and ends.
pub type Target = fn(&[u8]);

/// Name, as that of the target and of the folder of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("pickle", pickle),
    ("content", content),
    ("manifest", manifest),
    ("attestation", attestation),
    ("quarantine", quarantine),
    ("decisions", decisions),
    ("parquet", parquet),
    ("ipc", ipc),
    ("csv", csv),
    ("json", json),
    ("array", array),
    ("image", image),
];

/// A file of that name with these bytes, in a folder that goes away.
fn file(name: &str, bytes: &[u8], f: impl FnOnce(&Path)) {
    let Ok(folder) = tempfile::tempdir() else { return };
    let path: PathBuf = folder.path().join(name);
    if std::fs::write(&path, bytes).is_ok() {
        f(&path);
    }
}

/// Opens it as data and reads every row.
fn rows(name: &str, bytes: &[u8]) {
    file(name, bytes, |path| {
        let Ok(source) = Source::open(&[path.to_string_lossy().into_owned()], &OpenOptions::default()) else { return };
        let columns: Vec<String> = source.schema.fields().iter().map(|f| f.name().clone()).collect();
        for shard in source.shards() {
            let mut seen = 0;
            let read = source.read(&shard, &columns, &mut |batch| {
                seen += batch.rows() as u64;
                Ok(())
            });
            assert!(read.is_err() || seen == shard.rows);
        }
        source.fingerprint();
    });
}

pub fn pickle(bytes: &[u8]) {
    supply::pickle::walk(&mut &*bytes);
}

/// Archives, pickles, footers, images, programs: whatever may lie beside the data.
pub fn content(bytes: &[u8]) {
    supply::of_bytes("x", bytes);
}

pub fn manifest(bytes: &[u8]) {
    file("m", bytes, |path| drop(supply::manifest::Truth::load(path, None)));
}

/// As an envelope from anybody, and as a statement of the right key.
pub fn attestation(bytes: &[u8]) {
    static KEY: LazyLock<Option<Private>> = LazyLock::new(|| Private::generate(Algorithm::Ed25519).ok());
    let Some(key) = &*KEY else { return };
    if let Some(envelope) = supply::dsse::Envelope::of(bytes) {
        assert!(supply::attest::open(&envelope, &key.public()).is_err(), "nobody but the key signs");
    }
    let Ok(envelope) = supply::dsse::Envelope::sign(bytes, key) else { return };
    if let Ok(statement) = supply::attest::open(&envelope, &key.public()) {
        let worst = supply::attest::Outcome::Warned;
        let demands = supply::attest::Demands { now: chrono::DateTime::UNIX_EPOCH, worst, at_least: None, floor: Some(10) };
        statement.faults("aa", &demands);
        let _ = statement.differences(&supply::manifest::Manifest::default());
    }
}

/// The first byte chooses the format.
pub fn quarantine(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    let name = ["list.csv", "list.jsonl", "list.parquet", "list.arrow"][usize::from(first % 4)];
    file(name, rest, |path| {
        drop(crate::split::read_list(path));
        let _ = crate::review::evidence::read(path, &|_, _| true, &mut |_, _, _| Ok(()));
    });
}

pub fn decisions(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(read) = crate::contract::decisions::parse(Path::new("d.yaml"), &text) {
        let again = crate::contract::decisions::parse(Path::new("d.yaml"), &read.to_yaml());
        assert!(again.is_ok(), "what was read and written is read again");
    }
}

pub fn parquet(bytes: &[u8]) {
    rows("x.parquet", bytes);
}
pub fn ipc(bytes: &[u8]) {
    rows("x.arrow", bytes);
}
/// The first byte chooses whether it is packed.
pub fn csv(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    rows(["x.csv", "x.tsv", "x.csv.gz", "x.csv.zst"][usize::from(first % 4)], rest);
}
pub fn json(bytes: &[u8]) {
    rows("x.jsonl", bytes);
}
pub fn array(bytes: &[u8]) {
    rows(if bytes.first() == Some(&0x93) { "x.npy" } else { "x-idx3-ubyte" }, bytes);
}
pub fn image(bytes: &[u8]) {
    let _ = crate::features::image::decode(bytes);
    rows("x.png", bytes);
}

#[cfg(test)]
mod tests {
    use super::TARGETS;
    use std::path::Path;

    #[test]
    fn the_corpus_of_every_target_ends_in_answers() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (name, target) in TARGETS {
            let files: Vec<_> = std::fs::read_dir(corpus.join(name)).unwrap_or_else(|e| panic!("{name}: {e}")).flatten().collect();
            assert!(!files.is_empty(), "{name}");
            for file in files {
                target(&std::fs::read(file.path()).unwrap());
            }
            for bytes in [&b""[..], b"\0", &[0xff; 64], &[0; 4096]] {
                target(bytes);
            }
        }
    }
}
