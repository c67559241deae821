//! The schema of a Parquet or Arrow file with everything that its writer attached to it, without a row:
//! what a reader would act upon. Every length is checked against the input before it is allocated.

use arrow::datatypes::Schema;
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::{root_as_footer, root_as_message};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::file::metadata::ParquetMetaDataReader;
use std::io::{Read, Seek, SeekFrom};

/// Longer footers belong to files of millions of row groups; nobody's schema is there.
const MOST: u64 = 256 << 20;

/// What a file says of its columns.
pub(crate) struct Footer {
    pub schema: Schema,
    /// Key and value pairs of the file as a whole.
    pub pairs: Vec<(String, String)>,
}

/// `None`: neither Parquet nor Arrow. `Err`: one of them, and damaged.
pub(crate) fn footer(input: &mut (impl Read + Seek), len: u64) -> Option<Result<Footer, String>> {
    let mut head = [0; 8];
    input.seek(SeekFrom::Start(0)).ok()?;
    input.read_exact(&mut head).ok()?;
    if head.starts_with(b"PAR1") {
        return Some(parquet(input, len));
    }
    if head.starts_with(b"ARROW1") {
        return Some(arrow(input, len));
    }
    let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
    if head.starts_with(&[0xff; 4]) && length < len {
        let bytes = piece(input, 8, length, len).ok()?;
        let message = root_as_message(&bytes).ok()?;
        return Some(try_fb_to_schema(message.header_as_schema()?).map(of_schema).map_err(|e| e.to_string()));
    }
    None
}

fn piece(input: &mut (impl Read + Seek), at: u64, n: u64, len: u64) -> Result<Vec<u8>, String> {
    if n > MOST || at.checked_add(n).is_none_or(|end| end > len) {
        return Err(format!("{n} bytes at {at} lie beyond its end ({len} bytes)"));
    }
    let mut bytes = vec![0; n as usize];
    input.seek(SeekFrom::Start(at)).and_then(|_| input.read_exact(&mut bytes)).map_err(|e| e.to_string())?;
    Ok(bytes)
}

fn of_schema(schema: Schema) -> Footer {
    let mut pairs: Vec<(String, String)> = schema.metadata().iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    pairs.sort();
    Footer { schema, pairs }
}

fn arrow(input: &mut (impl Read + Seek), len: u64) -> Result<Footer, String> {
    let start = len.checked_sub(10).ok_or("it is too short to hold a footer")?;
    let tail = piece(input, start, 10, len)?;
    if &tail[4..] != b"ARROW1" {
        return Err("the magic bytes at its end are missing".into());
    }
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    let at = start.checked_sub(length).ok_or("its footer is longer than the file")?;
    let bytes = piece(input, at, length, len)?;
    let footer = root_as_footer(&bytes).map_err(|e| e.to_string())?;
    try_fb_to_schema(footer.schema().ok_or("its footer has no schema")?).map(of_schema).map_err(|e| e.to_string())
}

fn parquet(input: &mut (impl Read + Seek), len: u64) -> Result<Footer, String> {
    let start = len.checked_sub(8).ok_or("it is too short to hold a footer")?;
    let tail = piece(input, start, 8, len)?;
    if &tail[4..] != b"PAR1" {
        return Err("the magic bytes at its end are missing".into());
    }
    let length = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    let at = start.checked_sub(length).ok_or("its footer is longer than the file")?;
    let bytes = piece(input, at, length, len)?;
    super::nesting::shallow(&bytes)?;
    let metadata = ParquetMetaDataReader::decode_metadata(&bytes).map_err(|e| e.to_string())?;
    let file = metadata.file_metadata();
    let listed = file.key_value_metadata();
    let mut pairs: Vec<(String, String)> =
        listed.into_iter().flatten().map(|p| (p.key.clone(), p.value.clone().unwrap_or_default())).collect();
    let schema = parquet_to_arrow_schema(file.schema_descr(), listed).map_err(|e| e.to_string())?;
    pairs.extend(schema.metadata().iter().map(|(k, v)| (k.clone(), v.clone())));
    pairs.sort();
    pairs.dedup();
    Ok(Footer { schema, pairs })
}
