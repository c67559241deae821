//! The image cells of a batch, each decoded once: several rules look at the same images, and decoding
//! costs more than what any of them does with the result.

use super::{Broken, Raster, decode};
use crate::batch::Batch;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use std::cell::RefCell;

/// A column of encoded images, read without a copy.
pub enum Images<'a> {
    Binary(&'a arrow::array::BinaryArray),
    Large(&'a arrow::array::LargeBinaryArray),
    View(&'a arrow::array::BinaryViewArray),
    Fixed(&'a arrow::array::FixedSizeBinaryArray),
    /// A struct with a field `bytes`, as image columns of dataset libraries have it.
    Field(&'a arrow::array::StructArray, Box<Images<'a>>),
}

impl<'a> Images<'a> {
    /// `None` when the column holds no bytes.
    pub fn of(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Binary => Images::Binary(array.as_binary()),
            DataType::LargeBinary => Images::Large(array.as_binary()),
            DataType::BinaryView => Images::View(array.as_binary_view()),
            DataType::FixedSizeBinary(_) => Images::Fixed(array.as_fixed_size_binary()),
            DataType::Struct(_) => {
                let whole = array.as_struct();
                Images::Field(whole, Box::new(Images::of(whole.column_by_name("bytes")?.as_ref())?))
            }
            _ => return None,
        })
    }

    /// Whether a column of this type can hold images.
    pub fn fits(t: &DataType) -> bool {
        match t {
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => true,
            DataType::Struct(fields) => fields.iter().any(|f| f.name() == "bytes" && Images::fits(f.data_type())),
            _ => false,
        }
    }

    /// The bytes in row `i`; `None` is null.
    pub fn get(&self, i: usize) -> Option<&[u8]> {
        match self {
            Images::Binary(a) => a.is_valid(i).then(|| a.value(i)),
            Images::Large(a) => a.is_valid(i).then(|| a.value(i)),
            Images::View(a) => a.is_valid(i).then(|| a.value(i)),
            Images::Fixed(a) => a.is_valid(i).then(|| a.value(i)),
            Images::Field(whole, bytes) => {
                if whole.is_valid(i) {
                    bytes.get(i)
                } else {
                    None
                }
            }
        }
    }
}

/// Decoded pixels that are kept for the next rule, per thread; later images of a batch are decoded anew.
const KEPT_PIXELS: usize = 16 << 20;

struct Kept {
    /// Held, so that its address stands for this batch and no other.
    array: ArrayRef,
    images: Vec<Option<Result<Raster, Broken>>>,
}

thread_local! {
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// Calls `f` with every row of the batch: its raster, why there is none, or `None` for null. A column
/// that the batch lacks, or that holds no bytes, reads as null.
pub fn for_each(batch: &Batch, column: &str, mut f: impl FnMut(usize, Option<Result<&Raster, &Broken>>)) {
    let Some(array) = batch.column(column) else {
        (0..batch.rows()).for_each(|row| f(row, None));
        return;
    };
    let Some(images) = Images::of(array.as_ref()) else {
        (0..batch.rows()).for_each(|row| f(row, None));
        return;
    };
    let kept = KEPT.with(RefCell::take).filter(|k| std::sync::Arc::ptr_eq(&k.array, array));
    let fresh = kept.is_none();
    let mut kept = kept.unwrap_or_else(|| Kept { array: array.clone(), images: Vec::new() });
    let mut pixels = 0;
    for row in 0..batch.rows() {
        if let Some(image) = kept.images.get(row) {
            f(row, image.as_ref().map(Result::as_ref));
            continue;
        }
        let image = images.get(row).map(decode);
        f(row, image.as_ref().map(Result::as_ref));
        if fresh && kept.images.len() == row {
            pixels += image.as_ref().and_then(|i| i.as_ref().ok()).map_or(0, |r| r.pixels.len());
            if pixels <= KEPT_PIXELS {
                kept.images.push(image);
            }
        }
    }
    KEPT.with(|k| k.replace(Some(kept)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BinaryArray, BinaryViewArray, RecordBatch, StringArray, StructArray};
    use arrow::datatypes::Field;
    use std::sync::Arc;

    #[test]
    fn bytes_are_read_alike_from_every_encoding() {
        let cells = vec![Some(b"ab".as_slice()), None, Some(b"c")];
        let plain = BinaryArray::from(cells.clone());
        let view = BinaryViewArray::from(cells.clone());
        let (bytes, path): (ArrayRef, ArrayRef) = (Arc::new(plain.clone()), Arc::new(StringArray::from(vec!["x"; 3])));
        let pair = StructArray::from(vec![
            (Arc::new(Field::new("bytes", DataType::Binary, true)), bytes),
            (Arc::new(Field::new("path", DataType::Utf8, true)), path),
        ]);
        for array in [&plain as &dyn Array, &view, &pair] {
            let images = Images::of(array).unwrap();
            assert!(Images::fits(array.data_type()));
            assert_eq!((images.get(0), images.get(1), images.get(2)), (Some(b"ab".as_slice()), None, Some(b"c".as_slice())));
        }
        assert!(Images::of(&StringArray::from(vec!["a"])).is_none());
    }

    #[test]
    fn a_second_look_at_a_batch_sees_what_the_first_saw() {
        let batch = |cell: &'static [u8]| {
            let column: ArrayRef = Arc::new(BinaryArray::from(vec![Some(cell), None]));
            Batch::new(RecordBatch::try_from_iter_with_nullable([("image", column, true)]).unwrap(), 0, 0)
        };
        let look = |b: &Batch| {
            let mut seen = Vec::new();
            for_each(b, "image", |row, image| seen.push((row, image.map(|i| i.cloned().map_err(Clone::clone)))));
            seen
        };
        let (first, second) = (batch(b"nothing"), batch(b""));
        let seen = look(&first);
        assert_eq!(seen, [(0, Some(Err(Broken::NotAnImage))), (1, None)]);
        assert_eq!(look(&first), seen);
        assert_eq!(look(&second)[0].1, Some(Err(Broken::Empty)));
        assert_eq!(look(&first), seen);
        for_each(&first, "absent", |_, image| assert!(image.is_none()));
    }
}
