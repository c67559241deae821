//! Vectors of numbers in a list column, row by row, as `f32` of one width. Whoever reads wide vectors
//! may have them folded to a bounded width by a count sketch, which keeps inner products on average.

use crate::features::table::mix;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes::{DataType, Float32Type};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Whether a column of this type holds vectors.
pub fn is_vector(t: &DataType) -> bool {
    match t {
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => f.data_type().is_numeric(),
        _ => false,
    }
}

/// The vectors of a batch: all numbers in one run, and where each row's begin and end.
pub struct Vectors {
    numbers: ScalarBuffer<f32>,
    rows: Vec<Option<(usize, usize)>>,
}

impl Vectors {
    /// `None` when the column holds no lists of numbers. Null elements read as NaN.
    pub fn of(array: &ArrayRef) -> Option<Self> {
        let valid = |i: usize| array.is_valid(i);
        let rows = array.len();
        let (values, bounds): (ArrayRef, Vec<(usize, usize)>) = match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list_opt::<i32>()?;
                cut(list.values(), list.value_offsets().iter().map(|o| *o as usize))
            }
            DataType::LargeList(_) => {
                let list = array.as_list_opt::<i64>()?;
                cut(list.values(), list.value_offsets().iter().map(|o| *o as usize))
            }
            DataType::FixedSizeList(_, _) => {
                let list = array.as_fixed_size_list_opt()?;
                let (width, first) = (list.value_length() as usize, list.value_offset_at(0));
                cut(list.values(), (0..=rows).map(|i| first + i * width))
            }
            _ => return None,
        };
        let numbers = arrow::compute::cast(&values, &DataType::Float32).ok()?;
        let numbers = numbers.as_primitive_opt::<Float32Type>()?;
        let read = |i: usize| if numbers.is_valid(i) { numbers.value(i) } else { f32::NAN };
        let all = if numbers.null_count() == 0 { numbers.values().clone() } else { (0..numbers.len()).map(read).collect() };
        let rows = bounds.into_iter().enumerate().map(|(i, b)| valid(i).then_some(b)).collect();
        Some(Vectors { numbers: all, rows })
    }
    /// The numbers of row `i`; `None` is null.
    pub fn row(&self, i: usize) -> Option<&[f32]> {
        let (from, to) = self.rows.get(i).copied().flatten()?;
        self.numbers.get(from..to)
    }
}

/// The stretch of the values that the rows of a slice use, and each row's bounds in it.
fn cut(values: &ArrayRef, offsets: impl Iterator<Item = usize>) -> (ArrayRef, Vec<(usize, usize)>) {
    let offsets: Vec<usize> = offsets.collect();
    let (first, last) = (offsets.first().copied().unwrap_or(0), offsets.last().copied().unwrap_or(0));
    let bounds = offsets.windows(2).map(|w| (w[0] - first, w[1] - first)).collect();
    (values.slice(first, last - first), bounds)
}

/// Finite, and not all zero: something that has a direction.
pub fn has_direction(x: &[f32]) -> bool {
    x.iter().all(|v| v.is_finite()) && x.iter().any(|v| *v != 0.0)
}

/// Of the numbers, bit by bit.
pub fn hash(x: &[f32], seed: u64) -> u64 {
    let bytes: Vec<u8> = x.iter().flat_map(|v| v.to_le_bytes()).collect();
    xxh3_64_with_seed(&bytes, seed)
}

/// The vector itself, or its count sketch (Charikar, Chen & Farach-Colton 2002) of `width` cells.
pub fn folded(x: &[f32], width: usize, seed: u64) -> Vec<f32> {
    if x.len() <= width {
        return x.to_vec();
    }
    let mut out = vec![0f32; width];
    for (i, v) in x.iter().enumerate() {
        let hash = mix(seed ^ i as u64);
        let cell = (hash >> 1) as usize % width;
        out[cell] += if hash & 1 == 0 { *v } else { -*v };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{FixedSizeListArray, Float32Array, ListArray};
    use arrow::datatypes::{Float64Type, Int32Type};
    use std::sync::Arc;

    #[test]
    fn every_kind_of_list_reads_alike_slices_included() {
        let rows = [Some(vec![Some(1), Some(2)]), None, Some(vec![Some(3), None])];
        let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows.clone()));
        let fixed: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(rows, 2));
        for array in [list, fixed] {
            let all = Vectors::of(&array).unwrap();
            assert_eq!((all.row(0), all.row(1)), (Some(&[1.0f32, 2.0][..]), None));
            assert!(all.row(2).unwrap()[1].is_nan());
            let cut = Vectors::of(&array.slice(2, 1)).unwrap();
            assert_eq!(cut.row(0).unwrap()[0], 3.0);
        }
        let numbers: ArrayRef = Arc::new(Float32Array::from(vec![1.0]));
        assert!(Vectors::of(&numbers).is_none());
    }

    #[test]
    fn ragged_and_empty_rows_keep_their_own_length() {
        let rows = [Some(vec![Some(1.0)]), Some(vec![]), Some(vec![Some(2.0), Some(3.0)])];
        let list: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(rows));
        let all = Vectors::of(&list).unwrap();
        assert_eq!((0..3).map(|i| all.row(i).map(<[f32]>::len)).collect::<Vec<_>>(), [Some(1), Some(0), Some(2)]);
    }

    #[test]
    fn only_finite_vectors_with_a_number_other_than_zero_have_a_direction() {
        assert!(has_direction(&[0.0, -1.0]));
        for x in [&[0.0, 0.0][..], &[f32::NAN, 1.0], &[f32::INFINITY, 1.0], &[]] {
            assert!(!has_direction(x));
        }
    }

    #[test]
    fn folding_keeps_narrow_vectors_and_lengths_of_wide_ones_on_average() {
        assert_eq!(folded(&[1.0, 2.0], 4, 7), [1.0, 2.0]);
        let x: Vec<f32> = (0..4000).map(|i| (i as f32).sin()).collect();
        let square = |v: &[f32]| v.iter().map(|a| f64::from(*a).powi(2)).sum::<f64>();
        let mean = (0..40).map(|seed| square(&folded(&x, 512, seed))).sum::<f64>() / 40.0;
        assert!((mean / square(&x) - 1.0).abs() < 0.05, "{mean}");
    }
}
