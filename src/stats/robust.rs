//! Location and scale that a minority of strange values does not move.

/// The upper of the two middle values of an even number; 0 of none. Reorders.
pub fn median(x: &mut [f32]) -> f32 {
    if x.is_empty() {
        return 0.0;
    }
    let at = x.len() / 2;
    *x.select_nth_unstable_by(at, f32::total_cmp).1
}

/// Median, and the median distance from it scaled to a normal's standard deviation.
pub fn centre_and_spread(x: &[f32]) -> (f32, f32) {
    let mut x = x.to_vec();
    let middle = median(&mut x);
    x.iter_mut().for_each(|v| *v = (*v - middle).abs());
    (middle, 1.4826 * median(&mut x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minority_of_strange_values_moves_neither() {
        assert_eq!(centre_and_spread(&[3.0, 1.0, 2.0, 5.0, 4.0]), (3.0, 1.4826));
        assert_eq!(centre_and_spread(&[3.0, 1.0, 2.0, 5e9, f32::INFINITY]), (3.0, 2.0 * 1.4826));
        assert_eq!((centre_and_spread(&[7.0]), centre_and_spread(&[])), ((7.0, 0.0), (0.0, 0.0)));
        assert_eq!(median(&mut [1.0, 2.0, 3.0, 4.0]), 3.0);
    }
}
