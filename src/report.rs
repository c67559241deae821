//! What a run tells: to a person on the terminal, to a program in `report.json`. Reports read the
//! verdict; they decide nothing.

pub mod escape;
pub mod json;
pub mod pictures;
pub mod terminal;

use crate::quarantine::Written;
use std::path::PathBuf;
use std::time::Duration;

/// What a report says about a run beside its verdict.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub run_id: String,
    pub seed: u64,
    /// Paths as given.
    pub data: Vec<String>,
    /// The dataset's root and its files relative to it, by [`crate::batch::RowId::source`].
    pub root: PathBuf,
    pub files: Vec<String>,
    pub fingerprint: String,
    /// `None`: no contract was found, roles were inferred.
    pub contract: Option<ContractFacts>,
    /// Command-line options that change what is found, as `name` and value.
    pub options: Vec<(String, String)>,
    /// No text of cells in reports.
    pub redact: bool,
    /// When, as recorded (`--now`), RFC 3339.
    pub now: String,
    pub elapsed: Duration,
    /// The file of people's decisions, where there is one.
    pub decisions: Option<crate::review::decided::Told>,
    /// Why the run is not what one might expect: no contract found, defaults used.
    pub notes: Vec<String>,
    /// Pictures of recovered triggers, relative to the report, by rule and group.
    pub pictures: std::collections::BTreeMap<(String, String), String>,
    /// Files written, the report itself excepted.
    pub written: Vec<Written>,
    pub report: Option<PathBuf>,
}

#[derive(Debug, Clone, Default)]
pub struct ContractFacts {
    pub path: Option<PathBuf>,
    pub name: Option<String>,
    pub version: Option<String>,
    pub digest: String,
    /// Warnings about the contract itself, in the order of its text.
    pub warnings: Vec<crate::error::Diagnostic>,
}

impl Facts {
    /// An example row's file.
    fn file(&self, source: u32) -> &str {
        self.files.get(source as usize).map_or("?", String::as_str)
    }
}

/// A run's id: a digest of everything that decides what it finds. The same data, contract, seed and
/// options give the same id, and so the same bytes.
pub fn run_id(parts: &[&str]) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    for part in [env!("CARGO_PKG_VERSION")].iter().chain(parts) {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    crate::quarantine::hex(&hash.finalize()[..16])
}
