//! The few numbers of a Parquet page header that decide how much is allocated for the page, read before the
//! Parquet library does. A header is a struct in Thrift's compact protocol: fields in ascending order, each a byte
//! of (distance to the last field's number, type), integers as zigzag varints.

/// Bytes in which a header's numbers stand; statistics may follow.
pub(super) const BYTES: usize = 512;
/// `PageType::DICTIONARY_PAGE`.
const DICTIONARY: i64 = 2;
/// Types of the compact protocol.
const I32: u8 = 5;
const STRUCT: u8 = 12;

/// What a dictionary page says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dictionary {
    /// Bytes once decompressed.
    pub size: i64,
    pub values: i64,
}

impl Dictionary {
    /// A value takes four bytes or more, or its length does; one byte is asked for.
    pub fn is_possible(self) -> bool {
        (0..=self.size.max(0)).contains(&self.values)
    }
}

/// `None` for pages of other kinds and for what is no header: the library has the last word on those.
pub(super) fn dictionary(mut header: &[u8]) -> Option<Dictionary> {
    let (mut kind, mut size, mut last) = (None, None, 0);
    loop {
        let (field, of) = next(&mut header, &mut last)?;
        match (field, of) {
            (1, I32) => kind = Some(integer(&mut header)?),
            (2, I32) => size = Some(integer(&mut header)?),
            // Compressed size and checksum.
            (3 | 4, I32) => drop(integer(&mut header)?),
            (7, STRUCT) if kind == Some(DICTIONARY) => {
                let mut inner = 0;
                let (1, I32) = next(&mut header, &mut inner)? else { return None };
                return Some(Dictionary { size: size?, values: integer(&mut header)? });
            }
            _ => return None,
        }
    }
}

/// Number and type of the next field; `None` at the end of the struct.
fn next(from: &mut &[u8], last: &mut i64) -> Option<(i64, u8)> {
    let byte = take(from)?;
    if byte == 0 {
        return None;
    }
    *last = match byte >> 4 {
        0 => integer(from)?,
        distance => last.checked_add(i64::from(distance))?,
    };
    Some((*last, byte & 15))
}

fn take(from: &mut &[u8]) -> Option<u8> {
    let (first, rest) = from.split_first()?;
    *from = rest;
    Some(*first)
}

fn integer(from: &mut &[u8]) -> Option<i64> {
    let mut zigzag = 0u64;
    for at in 0..10 {
        let byte = take(from)?;
        zigzag |= u64::from(byte & 127).checked_shl(7 * at)?;
        if byte < 128 {
            return Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::arrow::ArrowWriter;
    use proptest::prelude::*;

    #[test]
    fn a_written_dictionary_says_how_many_values_it_has() {
        let towns: Vec<&str> = (0..900).map(|i| ["Ulm", "Bern", "Graz"][i % 3]).collect();
        let column: arrow::array::ArrayRef = std::sync::Arc::new(arrow::array::StringArray::from(towns));
        let batch = arrow::array::RecordBatch::try_from_iter([("town", column)]).unwrap();
        let mut file = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        // The first page stands behind the four letters that open a file; the next one holds data.
        let found = dictionary(&file[4..]).unwrap();
        assert_eq!(found, Dictionary { size: 3 * 4 + 3 + 4 + 4, values: 3 });
        assert!(found.is_possible());
        assert_eq!(dictionary(b"PAR1"), None);
        assert_eq!(dictionary(&[]), None);
    }

    #[test]
    fn more_values_than_bytes_and_fewer_than_none_are_not_possible() {
        // type 2, 8 bytes, 8 compressed, dictionary { 16 values }
        assert_eq!(dictionary(&[0x15, 4, 0x15, 16, 0x15, 16, 0x4c, 0x15, 32]), Some(Dictionary { size: 8, values: 16 }));
        for (size, values, is_possible) in [(8, 16, false), (8, 8, true), (0, 0, true), (8, -1, false), (-8, 0, true), (-8, 1, false)] {
            assert_eq!(Dictionary { size, values }.is_possible(), is_possible, "{values} in {size}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = dictionary(&bytes);
        }
        #[test]
        fn integers_come_back(x in any::<i64>()) {
            let mut zigzag = ((x << 1) ^ (x >> 63)) as u64;
            let mut bytes = Vec::new();
            while zigzag >= 128 {
                bytes.push(zigzag as u8 | 128);
                zigzag >>= 7;
            }
            bytes.push(zigzag as u8);
            prop_assert_eq!(integer(&mut &bytes[..]), Some(x));
        }
    }
}
