//! The families of poison in embeddings: some rows moved along one direction, or drawn towards one point.

use super::overlay::Edit;
use super::survey::{Dice, Survey};
use arrow::array::{Array, ArrayRef, AsArray, FixedSizeListArray, Float64Array, GenericListArray, OffsetSizeTrait};
use arrow::datatypes::{DataType, Float64Type};
use std::sync::Arc;

/// How far the rows are moved, in standard deviations of all rows along the direction. Less than
/// three drowns in what vectors vary by; more than five, a glance at a histogram finds.
const FAR: (f64, f64) = (3.0, 5.0);

/// Share of the way to one point that rows are drawn. With less than a third of it they are moved, and little else; what is all
/// but there is a copy.
const DRAWN: (f64, f64) = (0.4, 0.9);

/// What becomes of a vector: so much of it is kept, and this is added.
#[derive(Debug, Clone)]
pub struct Move {
    pub keep: f64,
    pub add: Vec<f64>,
}

/// The edit and what it is, for a person: rows drawn towards a vector of the dataset (half of the trials) or towards a place
/// where none need be, each number as wide as its column.
///
/// # Errors
/// The reason, when there are no vectors to draw towards.
pub fn clump(survey: &Survey, dice: &mut Dice) -> Result<(Edit, String), String> {
    let (rows, width) = (&survey.vectors, width_of(survey)?);
    let far = DRAWN.0 + dice.unit() * (DRAWN.1 - DRAWN.0);
    let of_the_data = dice.roll(2) == 0;
    let point: Vec<f64> = if of_the_data {
        rows[dice.roll(rows.len())].iter().map(|x| f64::from(*x)).collect()
    } else {
        let column = |c: usize| moments(&rows.iter().map(|r| f64::from(r[c])).collect::<Vec<f64>>());
        (0..width).map(column).map(|(mean, deviation)| mean + deviation * dice.normal()).collect()
    };
    let place = if of_the_data { "a vector of the data" } else { "a random place" };
    let moved = Move { keep: 1.0 - far, add: point.into_iter().map(|x| far * x).collect() };
    Ok((Edit::Vector(moved), format!("drawn {:.0}% of the way towards {place}", 100.0 * far)))
}

/// The edit and what it is, for a person.
///
/// # Errors
/// The reason, when there is no direction to move along.
pub fn shift(survey: &Survey, dice: &mut Dice) -> Result<(Edit, String), String> {
    let width = width_of(survey)?;
    // A normal variate in every dimension points anywhere with the same probability.
    let mut direction: Vec<f64> = (0..width).map(|_| dice.normal()).collect();
    let length = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
    direction.iter_mut().for_each(|x| *x /= length);
    let along: Vec<f64> = survey.vectors.iter().map(|v| v.iter().zip(&direction).map(|(a, b)| f64::from(*a) * b).sum()).collect();
    let (_, deviation) = moments(&along);
    if !(deviation.is_finite() && deviation > 0.0) {
        return Err("all vectors are alike along the direction".into());
    }
    let far = FAR.0 + dice.unit() * (FAR.1 - FAR.0);
    direction.iter_mut().for_each(|x| *x *= far * deviation);
    Ok((Edit::Vector(Move { keep: 1.0, add: direction }), format!("moved by {far:.1} standard deviations along a random direction")))
}

fn width_of(survey: &Survey) -> Result<usize, String> {
    let width = survey.vectors.first().map_or(0, Vec::len);
    if survey.vectors.len() < 2 || width == 0 { Err("there are not two vectors of one width".into()) } else { Ok(width) }
}

/// Mean and standard deviation of a sample.
fn moments(x: &[f64]) -> (f64, f64) {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    (mean, (x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}

/// The column with the chosen rows moved; rows of another width stay as they are. `None` when it
/// holds no vectors.
pub fn moved(column: &ArrayRef, chosen: &dyn Fn(usize) -> bool, by: &Move) -> Option<ArrayRef> {
    match column.data_type() {
        DataType::List(_) => list::<i32>(column, chosen, by),
        DataType::LargeList(_) => list::<i64>(column, chosen, by),
        DataType::FixedSizeList(field, width) => {
            let lists = column.as_fixed_size_list_opt()?;
            let n = *width as usize;
            let values = shifted(lists.values(), (0..lists.len()).filter(|&i| chosen(i)).map(|i| (i * n, n)), by)?;
            Some(Arc::new(FixedSizeListArray::try_new(field.clone(), *width, values, lists.nulls().cloned()).ok()?))
        }
        _ => None,
    }
}

fn list<O: OffsetSizeTrait>(column: &ArrayRef, chosen: &dyn Fn(usize) -> bool, by: &Move) -> Option<ArrayRef> {
    let lists = column.as_list_opt::<O>()?;
    let (DataType::List(field) | DataType::LargeList(field)) = lists.data_type() else { return None };
    let offsets = lists.value_offsets();
    let runs = (0..lists.len()).filter(|&i| chosen(i)).map(|i| (offsets[i].as_usize(), (offsets[i + 1] - offsets[i]).as_usize()));
    let values = shifted(lists.values(), runs, by)?;
    Some(Arc::new(GenericListArray::<O>::try_new(field.clone(), lists.offsets().clone(), values, lists.nulls().cloned()).ok()?))
}

/// The numbers with every run of the move's length moved, in their own type.
fn shifted(values: &ArrayRef, runs: impl Iterator<Item = (usize, usize)>, by: &Move) -> Option<ArrayRef> {
    let wide = arrow::compute::cast(values, &DataType::Float64).ok()?;
    let wide = wide.as_primitive_opt::<Float64Type>()?;
    let mut numbers = wide.values().to_vec();
    let whole = values.data_type().is_integer();
    for (from, _) in runs.filter(|(_, n)| *n == by.add.len()) {
        for (x, add) in numbers.get_mut(from..from + by.add.len())?.iter_mut().zip(&by.add) {
            let to = by.keep * *x + add;
            *x = if whole { to.round() } else { to };
        }
    }
    let made = Float64Array::new(numbers.into(), wide.nulls().cloned());
    arrow::compute::cast(&made, values.data_type()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::vectors::Vectors;
    use arrow::array::ListArray;
    use arrow::datatypes::{Float32Type, Int32Type};

    #[test]
    fn chosen_rows_of_that_width_move_in_every_kind_of_list() {
        let rows = [Some(vec![Some(1), Some(2)]), Some(vec![Some(5), Some(6)]), None, Some(vec![Some(3), None])];
        let ints: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(rows.clone()));
        let fixed: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<Int32Type, _, _>(rows, 2));
        for array in [ints, fixed] {
            let cut = array.slice(1, 3);
            let made = moved(&cut, &|i| i != 1, &Move { keep: 2.0, add: vec![0.6, -2.0] }).unwrap();
            assert_eq!(made.data_type(), cut.data_type());
            let made = Vectors::of(&made).unwrap();
            assert_eq!((made.row(0), made.row(1)), (Some(&[11.0f32, 10.0][..]), None));
            assert!(made.row(2).unwrap()[0] == 7.0 && made.row(2).unwrap()[1].is_nan());
        }
        let ragged = [Some(vec![Some(1.0)]), Some(vec![Some(2.0), Some(3.0)])];
        let ragged: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(ragged));
        let made = Vectors::of(&moved(&ragged, &|_| true, &Move { keep: 1.0, add: vec![1.0, 1.0] }).unwrap()).unwrap();
        assert_eq!((made.row(0), made.row(1)), (Some(&[1.0f32][..]), Some(&[3.0f32, 4.0][..])));
    }
}
