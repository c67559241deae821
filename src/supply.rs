//! The gate: what a dataset's files are (manifest), the signed word that they passed (attestation), and what
//! lies among them that would harm whoever loads them. Nothing here reads rows, and nothing is executed,
//! unpickled or extracted.

mod archives;
pub mod attest;
pub mod bom;
pub mod dsse;
pub mod key;
pub mod manifest;
mod names;
pub mod pickle;
mod pickles;
mod pictures;
pub mod pointers;
mod scan;
mod schema_code;
mod scripts;

pub use scan::{of_bytes, scan};

use crate::rule::Meta;

/// The rules about files, in code order.
pub static REGISTRY: &[Meta] =
    &[pickles::META, schema_code::META, scripts::META, names::LINKS, names::NAMES, archives::META, pictures::META];

#[cfg(test)]
mod tests;
