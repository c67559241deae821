//! The floor of every bench: the same file decoded by the parquet crate alone.

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The running bench, told to decode: a process of its own, as what it is compared with.
pub fn command(data: &Path) -> Command {
    let mut c = Command::new(std::env::current_exe().expect("a running program"));
    c.arg("decode").arg(data);
    c
}

/// The floor: every row group decoded once, row groups shared among all cores, nothing looked at.
pub fn all(path: &Path) {
    let groups = {
        let file = File::open(path).expect("made before");
        ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").metadata().num_row_groups()
    };
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let group = next.fetch_add(1, Ordering::Relaxed);
                    if group >= groups {
                        return;
                    }
                    let file = File::open(path).expect("made before");
                    let builder = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet");
                    let reader = builder.with_row_groups(vec![group]).with_batch_size(32 * 1024).build().expect("Parquet");
                    let rows: usize = reader.map(|b| b.expect("Parquet").num_rows()).sum();
                    std::hint::black_box(rows);
                }
            });
        }
    });
}
