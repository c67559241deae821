//! Rows in memory as an input: for tests of rules and laws, and for data that a caller of the
//! library already holds.

use super::Input;
use crate::batch::Batch;
use crate::error::{Error, Result};
use crate::source::Shard;
use arrow::array::RecordBatch;

/// One record batch per file, cut into shards of `shard_rows` and read in batches of `batch_rows`.
/// No choice of the two changes a finding.
pub struct InMemory {
    pub files: Vec<RecordBatch>,
    pub shard_rows: usize,
    pub batch_rows: usize,
}

impl InMemory {
    pub fn new(files: Vec<RecordBatch>) -> Self {
        InMemory { files, shard_rows: 64 * 1024, batch_rows: crate::batch::MAX_ROWS }
    }
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|f| f.num_rows() as u64).sum()
    }
}

impl Input for InMemory {
    fn shards(&self) -> Vec<Shard> {
        let mut shards = Vec::new();
        for (source, file) in self.files.iter().enumerate() {
            let mut first = 0;
            while first < file.num_rows() {
                let rows = self.shard_rows.max(1).min(file.num_rows() - first);
                shards.push(Shard { source: source as u32, first_row: first as u64, rows: rows as u64 });
                first += rows;
            }
        }
        shards
    }

    fn read(&self, shard: &Shard, columns: &[String], f: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        let file = &self.files[shard.source as usize];
        let schema = file.schema();
        let indices: Vec<usize> = columns
            .iter()
            .map(|c| schema.index_of(c).map_err(|_| Error::internal(format!("column {c:?} was asked for and does not exist"))))
            .collect::<Result<_>>()?;
        let file = file.project(&indices).map_err(Error::internal)?;
        let (mut at, end) = (shard.first_row, shard.first_row + shard.rows);
        while at < end {
            let rows = (self.batch_rows.max(1) as u64).min(end - at);
            f(Batch::new(file.slice(at as usize, rows as usize), shard.source, at))?;
            at += rows;
        }
        Ok(())
    }
}
