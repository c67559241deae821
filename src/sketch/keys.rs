//! Which rows share a key, for any number of rows in bounded memory: an external sort of
//! (128-bit hash, row). Hashes of equal keys are equal; two different keys among 2^40 collide with
//! a probability below 2^-48, so the hash stands for the key.
//!
//! ```text
//!  observe ─► buffer ─ full ─► sorted run in an unnamed temporary file (gone when the process is)
//!  merge: runs are handed over, buffers are joined
//!  groups: one k-way merge over runs and buffer ─► equal keys, rows ascending
//! ```
//! The result is a set of rows per key, so no order of shards or merges can change it.

use super::rowset::RowSet;
use crate::batch::RowId;
use crate::error::{Error, Result};
use crate::rule::State;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeSeq};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};

/// A key's hash and one row that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    pub hash: u128,
    pub row: RowId,
    /// Whatever the rule wants to see again beside the row.
    pub payload: u64,
}

const WIDTH: usize = 16 + 4 + 8 + 8;

impl Entry {
    fn write(&self, out: &mut impl Write) -> std::io::Result<()> {
        out.write_all(&self.hash.to_le_bytes())?;
        out.write_all(&self.row.source.to_le_bytes())?;
        out.write_all(&self.row.row.to_le_bytes())?;
        out.write_all(&self.payload.to_le_bytes())
    }
    fn read(from: &mut impl Read) -> std::io::Result<Entry> {
        let mut b = [0_u8; WIDTH];
        from.read_exact(&mut b)?;
        let wide = |from: usize| b[from..from + 8].iter().rev().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
        let source = b[16..20].iter().rev().fold(0_u32, |n, byte| n << 8 | u32::from(*byte));
        Ok(Entry { hash: u128::from(wide(8)) << 64 | u128::from(wide(0)), row: RowId { source, row: wide(20) }, payload: wide(28) })
    }
}

/// A sorted run on disk.
#[derive(Debug)]
struct Run {
    file: File,
    entries: u64,
}

/// More open files than this are merged into one.
const FAN_IN: usize = 64;

/// Keys seen so far.
#[derive(Debug)]
pub struct Keys {
    buffer: Vec<Entry>,
    runs: Vec<Run>,
    /// Entries held in memory at most.
    capacity: usize,
    /// A disk that filled up while merging; told when the keys are used.
    failed: Option<String>,
}

fn disk(e: std::io::Error) -> Error {
    Error::resource("temporary file for keys", e).help("free some space there, or pass --tmp DIR")
}

impl Keys {
    /// Holds about `memory` bytes; the rest goes to disk.
    pub fn new(memory: u64) -> Self {
        let capacity = usize::try_from(memory / size_of::<Entry>() as u64).unwrap_or(usize::MAX).max(64);
        Keys { buffer: Vec::new(), runs: Vec::new(), capacity, failed: None }
    }
    pub fn push(&mut self, entry: Entry) -> Result<()> {
        if self.buffer.len() >= self.capacity {
            self.spill()?;
        }
        self.buffer.push(entry);
        Ok(())
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    pub fn len(&self) -> u64 {
        self.buffer.len() as u64 + self.runs.iter().map(|r| r.entries).sum::<u64>()
    }
    /// Sorted runs on disk so far.
    pub fn spilled(&self) -> usize {
        self.runs.len()
    }

    fn spill(&mut self) -> Result<()> {
        self.buffer.sort_unstable();
        let mut out = BufWriter::with_capacity(1 << 18, tempfile::tempfile().map_err(disk)?);
        for entry in &self.buffer {
            entry.write(&mut out).map_err(disk)?;
        }
        self.runs.push(Run { file: finish(out)?, entries: self.buffer.len() as u64 });
        self.buffer.clear();
        self.bound_runs()
    }

    fn bound_runs(&mut self) -> Result<()> {
        if self.runs.len() > FAN_IN {
            let mut out = BufWriter::with_capacity(1 << 18, tempfile::tempfile().map_err(disk)?);
            let mut entries = 0;
            self.sorted(&mut |entry| {
                entries += 1;
                entry.write(&mut out).map_err(disk)
            })?;
            self.buffer.clear();
            self.runs = vec![Run { file: finish(out)?, entries }];
        }
        Ok(())
    }

    /// Every entry in order.
    fn sorted(&mut self, f: &mut dyn FnMut(Entry) -> Result<()>) -> Result<()> {
        if let Some(message) = self.failed.take() {
            return Err(Error::resource("temporary file for keys", message));
        }
        self.buffer.sort_unstable();
        let mut readers = Vec::with_capacity(self.runs.len());
        let mut heap = BinaryHeap::with_capacity(self.runs.len() + 1);
        for (i, run) in self.runs.iter_mut().enumerate() {
            run.file.seek(SeekFrom::Start(0)).map_err(disk)?;
            let mut reader = BufReader::with_capacity(1 << 16, &run.file);
            heap.push(Reverse((Entry::read(&mut reader).map_err(disk)?, i)));
            readers.push((reader, run.entries - 1));
        }
        let mut memory = self.buffer.iter();
        let last = readers.len();
        heap.extend(memory.next().map(|e| Reverse((*e, last))));
        while let Some(Reverse((entry, from))) = heap.pop() {
            f(entry)?;
            match readers.get_mut(from) {
                Some((reader, left)) if *left > 0 => {
                    *left -= 1;
                    heap.push(Reverse((Entry::read(reader).map_err(disk)?, from)));
                }
                Some(_) => {}
                None => heap.extend(memory.next().map(|e| Reverse((*e, last)))),
            }
        }
        Ok(())
    }

    /// Hands over every entry with whether it begins a new key, keys ascending, rows ascending.
    pub fn groups(&mut self, f: &mut dyn FnMut(Entry, bool)) -> Result<()> {
        let mut before = None;
        self.sorted(&mut |entry| {
            f(entry, before != Some(entry.hash));
            before = Some(entry.hash);
            Ok(())
        })
    }

    /// Rows whose key another row has too.
    pub fn duplicates(&mut self) -> Result<Duplicates> {
        let mut found = Duplicates::default();
        let mut first: Option<RowId> = None;
        self.groups(&mut |entry, fresh| {
            if fresh {
                first = Some(entry.row);
                return;
            }
            found.excess += 1;
            found.row_count += 1;
            found.rows.insert(entry.row);
            if let Some(first) = first.take() {
                found.groups += 1;
                found.row_count += 1;
                found.rows.insert(first);
            }
        })?;
        Ok(found)
    }
}

fn finish(out: BufWriter<File>) -> Result<File> {
    out.into_inner().map_err(|e| disk(e.into_error()))
}

/// Keys that several rows share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicates {
    pub groups: u64,
    pub row_count: u64,
    /// Rows beyond the first of each key.
    pub excess: u64,
    pub rows: RowSet,
}

impl State for Keys {
    fn merge(&mut self, mut other: Self) {
        self.capacity = self.capacity.max(other.capacity);
        self.runs.append(&mut other.runs);
        self.failed = self.failed.take().or(other.failed);
        let pushed = other.buffer.into_iter().try_for_each(|entry| self.push(entry)).and_then(|()| self.bound_runs());
        if let Err(e) = pushed {
            self.failed = Some(e.to_string());
        }
    }
}

impl Serialize for Keys {
    fn serialize<S: Serializer>(&self, s: S) -> std::result::Result<S::Ok, S::Error> {
        let wrong = |e: std::io::Error| serde::ser::Error::custom(e);
        let total = usize::try_from(self.len()).map_err(serde::ser::Error::custom)?;
        let mut seq = s.serialize_seq(Some(total + 1))?;
        // The first element carries the capacity.
        seq.serialize_element(&Entry { hash: self.capacity as u128, row: RowId { source: 0, row: 0 }, payload: 0 })?;
        for run in &self.runs {
            let mut file = run.file.try_clone().map_err(wrong)?;
            file.seek(SeekFrom::Start(0)).map_err(wrong)?;
            let mut reader = BufReader::new(file);
            for _ in 0..run.entries {
                seq.serialize_element(&Entry::read(&mut reader).map_err(wrong)?)?;
            }
        }
        for entry in &self.buffer {
            seq.serialize_element(entry)?;
        }
        seq.end()
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(d: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Keys;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a capacity and keys")
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Keys, A::Error> {
                let head: Entry = seq.next_element()?.ok_or_else(|| de::Error::custom("a state without its capacity"))?;
                let mut keys = Keys::new(0);
                keys.capacity = usize::try_from(head.hash).map_err(de::Error::custom)?.max(64);
                while let Some(entry) = seq.next_element()? {
                    keys.push(entry).map_err(de::Error::custom)?;
                }
                Ok(keys)
            }
        }
        d.deserialize_seq(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn entry(hash: u128, row: u64) -> Entry {
        Entry { hash, row: RowId { source: (row % 3) as u32, row }, payload: row }
    }

    proptest! {
        #[test]
        fn duplicates_agree_with_a_map_however_small_the_memory(hashes in prop::collection::vec(0_u128..200, 0..1500), cut in 0_usize..1500) {
            let cut = cut.min(hashes.len());
            let (mut a, mut b) = (Keys::new(0), Keys::new(0));
            for (i, h) in hashes.iter().enumerate() {
                let into = if i < cut { &mut a } else { &mut b };
                into.push(entry(*h << 64 | *h, i as u64)).unwrap();
            }
            let bytes = postcard::to_stdvec(&b).unwrap();
            let b: Keys = postcard::from_bytes(&bytes).unwrap();
            a.merge(b);
            prop_assert_eq!(a.len(), hashes.len() as u64);
            let found = a.duplicates().unwrap();
            let mut rows: BTreeMap<u128, Vec<u64>> = BTreeMap::new();
            for (i, h) in hashes.iter().enumerate() {
                rows.entry(*h).or_default().push(i as u64);
            }
            let shared: Vec<_> = rows.values().filter(|r| r.len() > 1).collect();
            prop_assert_eq!(found.groups, shared.len() as u64);
            prop_assert_eq!(found.row_count, shared.iter().map(|r| r.len() as u64).sum::<u64>());
            prop_assert_eq!(found.excess, found.row_count - found.groups);
            for (i, h) in hashes.iter().enumerate() {
                prop_assert_eq!(found.rows.contains(entry(*h, i as u64).row), rows[h].len() > 1);
            }
        }
    }

    #[test]
    fn keys_beyond_the_memory_go_to_disk_and_runs_stay_few() {
        let mut keys = Keys::new(0);
        for i in 0..64 * 200 {
            keys.push(entry(u128::from(i % 6400), i)).unwrap();
        }
        assert!((1..=FAN_IN).contains(&keys.spilled()), "{} runs", keys.spilled());
        let found = keys.duplicates().unwrap();
        assert_eq!((found.groups, found.row_count, found.excess), (6400, 12_800, 6400));
    }
}
