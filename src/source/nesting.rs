//! How deep the schema of a Parquet file is nested, read off its footer (Thrift, compact protocol) before the
//! decoder sees it: that one descends group by group on the stack, which a schema of a few hundred
//! kilobytes can exhaust. Nothing here recurses or allocates by what the footer claims.

/// No honest schema has as many groups in each other; decoders manage some thousands.
const DEEPEST: usize = 200;
/// Structures in each other, of which the format has a handful.
const STRUCTS: usize = 64;

type Read<T> = Result<T, &'static str>;

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Read<u8> {
        let (first, rest) = self.0.split_first().ok_or("the footer ends early")?;
        self.0 = rest;
        Ok(*first)
    }
    fn pass(&mut self, n: u64) -> Read<()> {
        let n = usize::try_from(n).map_err(|_| "the footer ends early")?;
        self.0 = self.0.get(n..).ok_or("the footer ends early")?;
        Ok(())
    }
    fn varint(&mut self) -> Read<u64> {
        let mut out = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            out |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(out);
            }
        }
        Err("a number in the footer is too long")
    }
    fn zigzag(&mut self) -> Read<i64> {
        let n = self.varint()?;
        Ok((n >> 1) as i64 ^ -((n & 1) as i64))
    }
    /// Identifier and type of the next field; `None` at the end of the structure.
    fn field(&mut self, last: i64) -> Read<Option<(i64, u8)>> {
        let head = self.byte()?;
        if head == 0 {
            return Ok(None);
        }
        let id = if head >> 4 == 0 { self.zigzag()? } else { last + i64::from(head >> 4) };
        Ok(Some((id, head & 0x0f)))
    }
    /// Length and type of a list's elements.
    fn list(&mut self) -> Read<(u64, u8)> {
        let head = self.byte()?;
        let n = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        Ok((n, head & 0x0f))
    }
    /// Passes over one value. In a list a truth value is a byte, in a field it is the type.
    fn skip(&mut self, kind: u8, in_list: bool) -> Read<()> {
        /// What is still to be passed over: fields of a structure (with the last identifier), or elements.
        enum Open {
            Struct(i64),
            List(u64, u8),
            Map(u64, u8, u8),
        }
        let mut open: Vec<Open> = Vec::new();
        let mut next = Some((kind, in_list));
        loop {
            if let Some((kind, in_list)) = next.take() {
                match kind {
                    1 | 2 if !in_list => {}
                    1..=3 => self.pass(1)?,
                    4..=6 => drop(self.varint()?),
                    7 => self.pass(8)?,
                    8 => {
                        let n = self.varint()?;
                        self.pass(n)?;
                    }
                    9 | 10 => {
                        let (n, of) = self.list()?;
                        open.push(Open::List(n, of));
                    }
                    11 => {
                        let n = self.varint()?;
                        let kinds = if n > 0 { self.byte()? } else { 0 };
                        open.push(Open::Map(n.saturating_mul(2), kinds >> 4, kinds & 0x0f));
                    }
                    12 => open.push(Open::Struct(0)),
                    13 => self.pass(16)?,
                    _ => return Err("a type in the footer is unknown"),
                }
                if open.len() > STRUCTS {
                    return Err("its footer is nested too deep");
                }
            }
            match open.pop() {
                None => return Ok(()),
                Some(Open::Struct(last)) => {
                    if let Some((id, kind)) = self.field(last)? {
                        open.push(Open::Struct(id));
                        next = Some((kind, false));
                    }
                }
                Some(Open::List(0, _) | Open::Map(0, ..)) => {}
                Some(Open::List(n, of)) => {
                    open.push(Open::List(n - 1, of));
                    next = Some((of, true));
                }
                Some(Open::Map(n, key, value)) => {
                    open.push(Open::Map(n - 1, key, value));
                    next = Some((if n % 2 == 0 { key } else { value }, true));
                }
            }
        }
    }
}

/// Refuses a footer whose schema is nested deeper than any decoder should follow.
pub(super) fn shallow(footer: &[u8]) -> Result<(), &'static str> {
    /// The schema in the file's metadata, and the number of children in one of its elements.
    const SCHEMA: i64 = 2;
    const CHILDREN: i64 = 5;
    let (mut bytes, mut last) = (Bytes(footer), 0);
    while let Some((id, kind)) = bytes.field(last)? {
        last = id;
        if id != SCHEMA || kind != 9 {
            bytes.skip(kind, false)?;
            continue;
        }
        let (n, of) = bytes.list()?;
        if of != 12 {
            return Err("its schema is no list of columns");
        }
        // Children that are still to come, for every group that is open.
        let mut open: Vec<i64> = Vec::new();
        for _ in 0..n {
            let (mut at, mut children) = (0, 0);
            while let Some((id, kind)) = bytes.field(at)? {
                at = id;
                if id == CHILDREN && kind == 5 { children = bytes.zigzag()? } else { bytes.skip(kind, false)? }
            }
            if let Some(left) = open.last_mut() {
                *left -= 1;
            }
            if children > 0 {
                open.push(children);
            }
            if open.len() > DEEPEST {
                return Err("its schema is nested more than 200 levels deep");
            }
            while open.last().is_some_and(|left| *left <= 0) {
                open.pop();
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int32Array, ListArray, RecordBatch, StructArray};
    use arrow::datatypes::{Field, Fields};
    use std::sync::Arc;

    fn file(levels: usize) -> Vec<u8> {
        let mut column: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        for _ in 0..levels {
            let field = Field::new("g", column.data_type().clone(), true);
            column = Arc::new(StructArray::new(Fields::from(vec![field]), vec![column], None));
        }
        let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<arrow::datatypes::Int32Type, _, _>([Some([Some(1)]), None]));
        let batch = RecordBatch::try_from_iter([("a", column), ("b", list)]).unwrap();
        let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap()
    }

    fn footer(file: &[u8]) -> &[u8] {
        let n = file.len();
        let length = u32::from_le_bytes(file[n - 8..n - 4].try_into().unwrap()) as usize;
        &file[n - 8 - length..n - 8]
    }

    #[test]
    fn real_footers_are_followed_to_their_end_and_deep_ones_refused() {
        for levels in [0, 1, 20] {
            assert_eq!(shallow(footer(&file(levels))), Ok(()));
        }
        assert!(shallow(footer(&file(50))).is_ok());
        let deep: Vec<u8> =
            [&[0x15, 2, 0x19, 0xfc, 0xad, 2, 0x48, 1, b'r', 0x15, 2, 0][..], &[0x35, 0, 0x18, 1, b'g', 0x15, 2, 0].repeat(300), &[0]]
                .concat();
        assert_eq!(shallow(&deep), Err("its schema is nested more than 200 levels deep"));
    }

    #[test]
    fn any_damage_is_an_answer() {
        let file = file(2);
        let footer = footer(&file);
        for at in 0..footer.len() {
            let _ = shallow(&footer[..at]);
            for byte in [0, 0x19, 0x9c, 0xfc, 0x7f, 0xff] {
                let mut bent = footer.to_vec();
                bent[at] = byte;
                let _ = shallow(&bent);
            }
        }
        assert!(shallow(&[]).is_err());
        // A list of structures in each other, and one that claims more elements than there are bytes.
        assert!(shallow(&[0x1c; 1000]).is_err());
        assert!(shallow(&[0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
    }
}
