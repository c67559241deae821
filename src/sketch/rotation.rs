//! Signatures of vectors: the sign of a random projection differs between two vectors as often as their angle
//! says (Charikar 2002). Six signs make one place of a [`Signature`], so that near copies of pictures and vectors are found by
//! the same bands as near copies of texts. The projections are three rounds of random signs and a Walsh-Hadamard
//! transform (Ailon, Chazelle 2006), which take D log D steps instead of D times their number.

use super::minhash::{MINIMA, Signature, mix};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Signs per place: three quarters of the places agree at an angle of 8.4 degrees, a cosine of 0.989.
const SIGNS: usize = 6;
const LEAST: usize = (MINIMA * SIGNS).next_power_of_two();
const ROUNDS: u64 = 3;
/// A row of the sums is in units of this, so that they are exact and in any order the same.
const UNIT: f32 = (1 << 24) as f32;
/// Widths that are counted apart; a column of vectors has one.
const WIDTHS: usize = 16;

/// `None` when nothing is left that has a direction. `exact` names the content.
pub fn signature(x: &[f32], exact: u64) -> Option<Signature> {
    if !x.iter().all(|v| v.is_finite()) || x.iter().all(|v| *v == 0.0) {
        return None;
    }
    let mut v = vec![0f32; x.len().next_power_of_two().max(LEAST)];
    v[..x.len()].copy_from_slice(x);
    for round in 0..ROUNDS {
        for (block, part) in (0u64..).zip(v.chunks_mut(64)) {
            let signs = mix(round << 32 ^ block);
            part.iter_mut().enumerate().filter(|(i, _)| signs >> i & 1 == 1).for_each(|(_, v)| *v = -*v);
        }
        walsh_hadamard(&mut v);
    }
    let mut minima = [0u32; MINIMA];
    for (place, signs) in minima.iter_mut().zip(v.chunks_exact(SIGNS)) {
        // Mixed, so that any bits of two places agree by chance alone unless all their signs do.
        *place = mix(signs.iter().fold(0, |p, v| p << 1 | u64::from(*v > 0.0))) as u32;
    }
    Some(Signature { minima, words: u32::MAX, exact })
}

/// Scaled so that lengths stay.
fn walsh_hadamard(v: &mut [f32]) {
    let mut half = 1;
    while half < v.len() {
        for pair in v.chunks_exact_mut(2 * half) {
            let (a, b) = pair.split_at_mut(half);
            for (a, b) in a.iter_mut().zip(b) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
    let scale = (v.len() as f32).sqrt().recip();
    v.iter_mut().for_each(|v| *v *= scale);
}

/// Sums of vectors of length one, by their width.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums(BTreeMap<usize, (u64, Vec<i64>)>);

impl Sums {
    pub fn add(&mut self, x: &[f32]) {
        if self.0.len() == WIDTHS && self.0.last_key_value().is_some_and(|(last, _)| *last < x.len()) {
            return;
        }
        let scale = UNIT / length(x);
        let (rows, sums) = self.0.entry(x.len()).or_insert_with(|| (0, vec![0; x.len()]));
        *rows += 1;
        sums.iter_mut().zip(x).for_each(|(s, v)| *s += (v * scale).round() as i64);
        self.shrink();
    }
    pub fn merge(&mut self, other: Self) {
        for (width, (n, theirs)) in other.0 {
            let (rows, sums) = self.0.entry(width).or_insert_with(|| (0, vec![0; width]));
            *rows += n;
            sums.iter_mut().zip(theirs).for_each(|(s, t)| *s += t);
        }
        self.shrink();
    }
    fn shrink(&mut self) {
        while self.0.len() > WIDTHS {
            self.0.pop_last();
        }
    }
    /// Mean of the width that most rows have.
    pub fn centre(&self) -> Vec<f32> {
        let most = self.0.values().max_by_key(|(rows, sums)| (*rows, std::cmp::Reverse(sums.len())));
        most.map_or_else(Vec::new, |(rows, sums)| sums.iter().map(|s| *s as f32 / UNIT / *rows as f32).collect())
    }
}

/// The vector at length one, seen from the centre; `None` when it has another width.
pub fn about(centre: &[f32], x: &[f32]) -> Option<Vec<f32>> {
    let scale = length(x).recip();
    (centre.len() == x.len()).then(|| x.iter().zip(centre).map(|(v, c)| v * scale - c).collect())
}

fn length(x: &[f32]) -> f32 {
    x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(f64::from(f32::MIN_POSITIVE)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of four even numbers is nearly normal.
    fn noise(state: &mut u64, n: usize) -> Vec<f32> {
        let mut next = || {
            *state = mix(*state);
            (0..4).map(|i| (*state >> (16 * i) & 0xffff) as f32 / 65_536.0).sum::<f32>() - 2.0
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn places_agree_as_often_as_the_angle_says() {
        let mut state = 5;
        for (angle, dimensions) in [(0.05f32, 700), (0.147, 64), (0.5, 300), (1.5, 3)] {
            let mut agree = 0;
            for _ in 0..60 {
                let (a, mut b) = (noise(&mut state, dimensions), noise(&mut state, dimensions));
                // The part of b across a, turned by the angle.
                let along = a.iter().zip(&b).map(|(x, y)| x * y).sum::<f32>() / a.iter().map(|x| x * x).sum::<f32>();
                b.iter_mut().zip(&a).for_each(|(y, x)| *y -= along * x);
                let (la, lb) = (length(&a), length(&b));
                let turned: Vec<f32> = a.iter().zip(&b).map(|(x, y)| x / la * angle.cos() + y / lb * angle.sin()).collect();
                agree += signature(&a, 0).unwrap().agreement(&signature(&turned, 0).unwrap().minima);
            }
            let expected = (1.0 - f64::from(angle) / std::f64::consts::PI).powi(SIGNS as i32);
            let seen = agree as f64 / (60 * MINIMA) as f64;
            assert!((seen - expected).abs() < 0.05, "{angle}: {seen} for {expected}");
        }
    }

    #[test]
    fn length_says_nothing_and_without_a_direction_there_is_no_signature() {
        let x = [1.0, -2.0, 0.5];
        assert_eq!(signature(&x, 1).unwrap(), signature(&x.map(|v| v * 40.0), 1).unwrap());
        assert!([&[][..], &[0.0, 0.0], &[f32::NAN, 1.0], &[f32::INFINITY]].iter().all(|x| signature(x, 1).is_none()));
    }

    #[test]
    fn the_transform_is_its_own_inverse_and_keeps_lengths() {
        let x: Vec<f32> = (0..64).map(|i| ((i * 37) % 11) as f32 - 5.0).collect();
        let mut y = x.clone();
        walsh_hadamard(&mut y);
        assert!((length(&x) - length(&y)).abs() < 1e-4);
        walsh_hadamard(&mut y);
        assert!(x.iter().zip(&y).all(|(a, b)| (a - b).abs() < 1e-4));
    }

    #[test]
    fn the_centre_is_the_mean_direction_in_any_order_and_of_the_usual_width() {
        let rows: Vec<Vec<f32>> = vec![vec![3.0, 0.0], vec![0.0, 0.5], vec![1.0; 3], vec![0.0, -2.0]];
        let mut forward = Sums::default();
        rows.iter().for_each(|r| forward.add(r));
        let (mut a, mut b) = (Sums::default(), Sums::default());
        rows.iter().rev().take(2).for_each(|r| a.add(r));
        rows.iter().rev().skip(2).for_each(|r| b.add(r));
        b.merge(a);
        assert_eq!(forward, b);
        let centre = b.centre();
        assert!((centre[0] - 1.0 / 3.0).abs() < 1e-6 && centre[1].abs() < 1e-6);
        assert_eq!((about(&centre, &[1.0; 3]), Sums::default().centre()), (None, vec![]));
        assert!((about(&centre, &[2.0, 0.0]).unwrap()[0] - 2.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn more_widths_than_are_counted_merge_alike_in_any_order() {
        let (mut a, mut b) = (Sums::default(), Sums::default());
        (1..40).for_each(|w| if w % 2 == 0 { a.add(&vec![1.0; w]) } else { b.add(&vec![1.0; w]) });
        let mut left = a.clone();
        left.merge(b.clone());
        b.merge(a);
        assert_eq!(left, b);
    }
}
