//! A profile: what a later dataset is compared with. One [`Column`] per column, in sketches that merge
//! exactly: the profile of two datasets together is the merge of their profiles, byte for byte (except for lists of
//! frequent texts in columns with too many of them to hold, which become bounds).
//!
//! The file is JSON, one line per column, and says its version and the sizes of its sketches; profiles that
//! differ in either are not merged. It is data to whoever reads it: everything in it is checked.

mod column;
pub mod compare;
#[cfg(test)]
mod tests;

pub use column::{Column, Content, Exact, Numbers, Texts, content};

use crate::batch::Batch;
use crate::engine::Input;
use crate::error::{Error, Result, group_digits};
use crate::sketch::{categories, distinct, values};
use arrow::datatypes::{DataType, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

/// Written first in every file; a change in any sketch is a new version.
pub const VERSION: u64 = 1;
/// How every profile begins: what tells one from a data file.
const MAGIC: &[u8] = b"{\"taster_profile\":";
/// A profile is a few kilobytes per column; more is not one.
const MAX_BYTES: u64 = 1 << 30;

/// Distinct values that are held exactly; beyond them sketches take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    pub numbers: usize,
    pub texts: usize,
}

/// What `taster profile` writes.
pub const STANDARD: Detail = Detail { numbers: 1024, texts: 4096 };

#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    pub rows: u64,
    pub detail: Detail,
    /// In the order of the schema.
    pub columns: Vec<Column>,
}

/// One [`Column`] per name, over all rows.
pub fn observe(input: &impl Input, schema: &Schema, names: &[String], detail: Detail) -> Result<Vec<Column>> {
    use rayon::prelude::*;
    let kinds: Vec<DataType> =
        names.iter().map(|n| schema.field_with_name(n).map(|f| f.data_type().clone()).map_err(Error::internal)).collect::<Result<_>>()?;
    let empty = || -> Vec<Column> { names.iter().zip(&kinds).map(|(n, k)| Column::new(n, k, detail)).collect() };
    input
        .shards()
        .par_iter()
        .map(|shard| {
            let mut columns = empty();
            input.read(shard, names, &mut |batch: Batch| {
                for column in &mut columns {
                    let array = batch.column(&column.name).ok_or_else(|| Error::internal(format!("the batch lacks `{}`", column.name)))?;
                    column.observe(array)?;
                }
                Ok(())
            })?;
            Ok(columns)
        })
        .try_reduce(empty, |mut a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| a.merge(b, false));
            Ok(a)
        })
}

/// The profile of a dataset: one pass, and a second one over the columns whose texts are too many to hold.
pub fn learn(input: &impl Input, schema: &Schema) -> Result<Profile> {
    use rayon::prelude::*;
    let names: Vec<String> = schema.fields().iter().map(|f| f.name().clone()).collect();
    let mut columns = observe(input, schema, &names, STANDARD)?;
    let again: Vec<String> = columns.iter().filter(|c| c.wants_recount()).map(|c| c.name.clone()).collect();
    if !again.is_empty() {
        let open: Vec<&Column> = columns.iter().filter(|c| c.wants_recount()).collect();
        let empty = || vec![values::Table::<Box<str>>::default(); open.len()];
        let tables = input
            .shards()
            .par_iter()
            .map(|shard| {
                let mut tables = empty();
                input.read(shard, &again, &mut |batch: Batch| {
                    for (column, table) in open.iter().zip(&mut tables) {
                        let array =
                            batch.column(&column.name).ok_or_else(|| Error::internal(format!("the batch lacks `{}`", column.name)))?;
                        column.recount(array, table)?;
                    }
                    Ok(())
                })?;
                Ok::<_, Error>(tables)
            })
            .try_reduce(empty, |mut a, b| {
                for (a, b) in a.iter_mut().zip(b) {
                    b.into_iter().for_each(|(text, n)| *a.entry(text).or_default() += n);
                }
                Ok(a)
            })?;
        columns.iter_mut().filter(|c| c.wants_recount()).zip(tables).for_each(|(c, t)| c.set_recounted(t));
    }
    let rows = input.shards().iter().map(|s| s.rows).sum();
    Ok(Profile { rows, detail: STANDARD, columns })
}

impl Profile {
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The profile of both datasets together.
    ///
    /// # Errors
    /// A sentence when they are not of the same columns, types and sketch sizes.
    pub fn merge(&mut self, other: Profile) -> std::result::Result<(), String> {
        if self.detail != other.detail {
            return Err("their sketches are of different sizes".into());
        }
        if self.columns.len() != other.columns.len() {
            return Err(format!("one has {} columns, the other {}", self.columns.len(), other.columns.len()));
        }
        for column in &other.columns {
            match self.column(&column.name) {
                None => return Err(format!("column `{}` is in one of them only", column.name)),
                Some(own) if own.kind != column.kind => {
                    return Err(format!("column `{}` is {} in one and {} in the other", column.name, own.kind, column.kind));
                }
                Some(_) => {}
            }
        }
        self.rows = self.rows.checked_add(other.rows).ok_or("their rows exceed any number")?;
        for column in other.columns {
            if let Some(own) = self.columns.iter_mut().find(|c| c.name == column.name) {
                own.merge(column, true);
            }
        }
        Ok(())
    }

    /// The file's text. `seen` of a column is for people; nothing reads it back.
    pub fn text(&self) -> Result<String> {
        let mut out = format!(
            "{{\"taster_profile\":{VERSION},\"rows\":{},\"detail\":{},\"columns\":[",
            self.rows,
            serde_json::to_string(&self.detail).map_err(Error::internal)?
        );
        for (i, column) in self.columns.iter().enumerate() {
            out.push_str(if i == 0 { "\n" } else { ",\n" });
            let mut value = serde_json::to_value(column).map_err(Error::internal)?;
            if let Value::Object(map) = &mut value {
                let content = map.remove("content");
                map.insert("seen".into(), seen(column));
                map.extend(content.map(|c| ("content".to_owned(), c)));
            }
            out.push_str(&value.to_string());
        }
        out.push_str("\n]}\n");
        Ok(out)
    }

    /// Whether a file claims to be a profile.
    pub fn is_one(path: &Path) -> bool {
        let mut head = Vec::new();
        let read = std::fs::File::open(path).and_then(|f| f.take(MAGIC.len() as u64).read_to_end(&mut head));
        read.is_ok() && head == MAGIC
    }

    /// # Errors
    /// Data errors that name the file: not a profile, another version, numbers that cannot be.
    pub fn load(path: &Path) -> Result<Profile> {
        let failed = |e: std::io::Error| Error::data(path, format!("cannot be read: {e}"));
        let file = std::fs::File::open(path).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(Error::data(path, format!("has more than {} bytes: that is no profile", group_digits(MAX_BYTES))));
        }
        Profile::parse(&bytes).map_err(|why| Error::data(path, why).help("write it again with `taster profile DATA -o FILE`"))
    }

    /// # Errors
    /// What is wrong, as a sentence without its subject.
    pub fn parse(bytes: &[u8]) -> std::result::Result<Profile, String> {
        #[derive(Deserialize)]
        struct Head {
            taster_profile: u64,
        }
        #[derive(Deserialize)]
        struct Whole {
            rows: u64,
            detail: Detail,
            columns: Vec<Column>,
        }
        if !bytes.starts_with(MAGIC) {
            return Err("is no profile".into());
        }
        let head: Head = serde_json::from_slice(bytes).map_err(|e| format!("is a damaged profile: {e}"))?;
        if head.taster_profile != VERSION {
            return Err(format!("is a profile of version {}; this program reads version {VERSION}", head.taster_profile));
        }
        let Whole { rows, detail, columns } = serde_json::from_slice(bytes).map_err(|e| format!("is a damaged profile: {e}"))?;
        let mut names = HashSet::new();
        for c in &columns {
            if c.rows != rows || !c.is_sound(detail) || !names.insert(&c.name) {
                return Err(format!("is a damaged profile: the counts of column `{}` do not add up", c.name));
            }
        }
        Ok(Profile { rows, detail, columns })
    }
}

/// Shares at which the file shows quantiles.
const SHOWN: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];

/// What a person wants to know, each with its error where there is one.
fn seen(column: &Column) -> Value {
    let distinct = |n: f64, exact: bool| {
        if exact {
            json!({"distinct": n as u64})
        } else {
            json!({"distinct": n.round() as u64, "distinct_error": distinct::STANDARD_ERROR})
        }
    };
    let spread = |v: &values::Values| {
        let sample = v.sample();
        let shown: Vec<Value> = SHOWN.iter().filter_map(|q| Some(json!([q, values::quantile(&sample, *q)?]))).collect();
        (shown, if v.is_exact() { 0.0 } else { values::ERROR })
    };
    match &column.content {
        Content::Other => json!({}),
        Content::Numbers(n) => {
            let mut out = distinct(n.values.distinct(), n.values.is_exact());
            let (quantiles, error) = spread(&n.values);
            out["mean"] = json!(n.mean());
            out["std"] = json!(n.std());
            out["quantiles"] = json!(quantiles);
            out["quantile_error"] = json!(error);
            out
        }
        Content::Texts(t) => {
            let mut out = distinct(t.categories.distinct(), t.categories.is_exact());
            out["top"] = t
                .categories
                .top(20)
                .into_iter()
                .map(|(text, least, most)| if least == most { json!([text, least]) } else { json!([text, least, most]) })
                .collect();
            if t.categories.is_exact() {
                out["top_error"] = json!(0.0);
            } else {
                out["top_share"] = json!(1.0 / categories::HEAVY as f64);
            }
            let (quantiles, error) = spread(&t.lengths);
            out["lengths"] = json!(quantiles);
            out["length_error"] = json!(error);
            out
        }
    }
}
