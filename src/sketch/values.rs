//! The distribution of a column of numbers: each distinct value with its count while there are few, and
//! from then on logarithmic buckets. Which of the two depends on the values alone, never on the split:
//! the set of distinct values only grows.
//!
//! A bucket holds the doubles that agree in sign, exponent and the first 7 bits of the fraction: 128 to
//! each power of two, so its middle is within a relative [`ERROR`] of every value in it (the idea of DDSketch,
//! Masson et al. 2019, without a logarithm whose last digit could differ between machines).

use super::distinct::Distinct;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::xxh3_64;

/// Bits of a double that do not count.
const DROPPED: u32 = 45;
/// Half a bucket's width over its lower end, at most.
pub const ERROR: f64 = 1.0 / 256.0;

/// Hashes short keys well enough for a table: one multiplication per word, text by xxh3.
#[derive(Default, Clone)]
pub struct Quick(u64);

impl Hasher for Quick {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = self.0.rotate_left(5) ^ xxh3_64(bytes);
    }
    fn write_u8(&mut self, x: u8) {
        self.write_u64(x.into());
    }
    fn write_i32(&mut self, x: i32) {
        self.write_u64(x as u64);
    }
    fn write_u64(&mut self, x: u64) {
        let wide = u128::from(self.0 ^ x ^ 0x9E37_79B9_7F4A_7C15) * 0xD6E8_FEB8_6659_FD93_u128;
        self.0 = (wide >> 64) as u64 ^ wide as u64;
    }
}

pub type Table<K> = HashMap<K, u64, BuildHasherDefault<Quick>>;

/// Numbers without NaN; `-0.0` is `0.0`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Values {
    /// Distinct values beyond which buckets take over.
    most: usize,
    held: Held,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Held {
    /// By the bits of the value.
    #[serde(with = "by_value")]
    Exact(Table<u64>),
    Buckets {
        #[serde(with = "by_bucket")]
        counts: Table<i32>,
        distinct: Distinct,
    },
}

/// The bucket of a number; ascending in it. Zero shares its bucket with what is within 2⁻¹⁰²⁹ of it.
pub fn bucket(v: f64) -> i32 {
    let cut = (v.abs().to_bits() >> DROPPED) as i32;
    if v < 0.0 && cut != 0 { -1 - cut } else { cut }
}

/// The middle of a bucket; zero and the infinities are themselves.
pub fn middle(bucket: i32) -> f64 {
    let cut = if bucket < 0 { -1 - bucket } else { bucket } as u64;
    let low = f64::from_bits(cut << DROPPED);
    let high = f64::from_bits((cut + 1) << DROPPED);
    let size = if cut == 0 || !low.is_finite() {
        low
    } else if high.is_finite() {
        f64::midpoint(low, high)
    } else {
        low * (1.0 + ERROR)
    };
    if bucket < 0 { -size } else { size }
}

/// Every bucket a double can fall into.
fn is_bucket(b: i32) -> bool {
    let top = (f64::INFINITY.to_bits() >> DROPPED) as i32;
    (-1 - top..=top).contains(&b) && b != -1
}

impl Values {
    pub fn new(most: usize) -> Self {
        Values { most, held: Held::Exact(Table::default()) }
    }

    pub fn add(&mut self, v: f64, n: u64) {
        debug_assert!(!v.is_nan());
        let v = v + 0.0;
        match &mut self.held {
            Held::Exact(table) => {
                *table.entry(v.to_bits()).or_default() += n;
                if table.len() > self.most {
                    self.collapse();
                }
            }
            Held::Buckets { counts, distinct } => {
                *counts.entry(bucket(v)).or_default() += n;
                distinct.add(xxh3_64(&v.to_bits().to_le_bytes()));
            }
        }
    }

    /// Gives up the exact values.
    pub fn collapse(&mut self) {
        if let Held::Exact(table) = &mut self.held {
            let table = std::mem::take(table);
            self.held = Held::Buckets { counts: Table::default(), distinct: Distinct::default() };
            for (bits, n) in table {
                self.add(f64::from_bits(bits), n);
            }
        }
    }

    pub fn merge(&mut self, other: Self) {
        match other.held {
            Held::Exact(table) => {
                for (bits, n) in table {
                    self.add(f64::from_bits(bits), n);
                }
            }
            Held::Buckets { counts: more, distinct: others } => {
                self.collapse();
                if let Held::Buckets { counts, distinct } = &mut self.held {
                    more.into_iter().for_each(|(b, n)| *counts.entry(b).or_default() += n);
                    distinct.merge(&others);
                }
            }
        }
    }

    pub fn is_exact(&self) -> bool {
        matches!(self.held, Held::Exact(_))
    }

    /// Values beyond which buckets take over: two sketches that differ in it do not go together.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Ascending, with counts: the values, or the middles of their buckets.
    pub fn sample(&self) -> Vec<(f64, u64)> {
        let mut all: Vec<(f64, u64)> = match &self.held {
            Held::Exact(table) => table.iter().map(|(bits, n)| (f64::from_bits(*bits), *n)).collect(),
            Held::Buckets { counts, .. } => counts.iter().map(|(b, n)| (middle(*b), *n)).collect(),
        };
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        all
    }

    /// Exact while the values are, else an estimate.
    pub fn distinct(&self) -> f64 {
        match &self.held {
            Held::Exact(table) => table.len() as f64,
            Held::Buckets { distinct, .. } => distinct.estimate(),
        }
    }

    /// `None` when the counts exceed any number of rows.
    pub fn size(&self) -> Option<u64> {
        match &self.held {
            Held::Exact(table) => table.values().try_fold(0_u64, |s, n| s.checked_add(*n)),
            Held::Buckets { counts, .. } => counts.values().try_fold(0_u64, |s, n| s.checked_add(*n)),
        }
    }
}

/// The value at rank `ceil(q n)` of an ascending sample: the inverse of its distribution function.
pub fn quantile(sample: &[(f64, u64)], q: f64) -> Option<f64> {
    let n: u64 = sample.iter().map(|(_, n)| n).sum();
    let rank = ((q * n as f64).ceil() as u64).clamp(1, n.max(1));
    let mut below = 0;
    sample
        .iter()
        .find(|(_, n)| {
            below += n;
            below >= rank
        })
        .map(|(v, _)| *v)
}

/// A table as a sorted list of `[value, count]`; an infinity is written as text, which JSON can hold.
mod by_value {
    use super::Table;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Pair(#[serde(with = "super::number")] f64, u64);

    pub fn serialize<S: Serializer>(table: &Table<u64>, s: S) -> Result<S::Ok, S::Error> {
        let mut all: Vec<Pair> = table.iter().map(|(bits, n)| Pair(f64::from_bits(*bits), *n)).collect();
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        all.serialize(s)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Table<u64>, D::Error> {
        let mut table = Table::default();
        for Pair(v, n) in Vec::<Pair>::deserialize(d)? {
            if v.is_nan() || n == 0 || table.insert((v + 0.0).to_bits(), n).is_some() {
                return Err(serde::de::Error::custom("these are not the counts of distinct numbers"));
            }
        }
        Ok(table)
    }
}

mod by_bucket {
    use super::Table;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(table: &Table<i32>, s: S) -> Result<S::Ok, S::Error> {
        let mut all: Vec<(i32, u64)> = table.iter().map(|(b, n)| (*b, *n)).collect();
        all.sort_unstable();
        all.serialize(s)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Table<i32>, D::Error> {
        let mut table = Table::default();
        for (b, n) in Vec::<(i32, u64)>::deserialize(d)? {
            if !super::is_bucket(b) || n == 0 || table.insert(b, n).is_some() {
                return Err(serde::de::Error::custom("these are not the counts of buckets"));
            }
        }
        Ok(table)
    }
}

/// A number that JSON may hold: its shortest digits, infinities as text.
pub mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(v: &f64, s: S) -> Result<S::Ok, S::Error> {
        format!("{v:?}").serialize(s)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        let text = String::deserialize(d)?;
        text.parse().map_err(|_| serde::de::Error::custom("this is no number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64], most: usize) -> Values {
        let mut v = Values::new(most);
        values.iter().filter(|v| !v.is_nan()).for_each(|x| v.add(*x, 1));
        v
    }

    #[test]
    fn zeros_are_one_value_and_infinities_are_values() {
        let v = of(&[0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY], 10);
        assert_eq!(v.sample(), [(f64::NEG_INFINITY, 1), (0.0, 2), (f64::INFINITY, 1)]);
        let v = of(&[0.0, -7e-311, f64::INFINITY, f64::NEG_INFINITY], 0);
        assert_eq!(v.sample(), [(f64::NEG_INFINITY, 1), (0.0, 2), (f64::INFINITY, 1)]);
    }

    #[test]
    fn one_value_too_many_turns_values_into_buckets() {
        assert!(of(&[1.0, 2.0, 2.0], 2).is_exact());
        let v = of(&[1.0, 2.0, 3.0], 2);
        assert!(!v.is_exact() && v.size() == Some(3));
    }

    #[test]
    fn quantiles_are_within_the_stated_error() {
        let values: Vec<f64> = (1..=20_000).map(|i| (f64::from(i) * 0.001).exp()).collect();
        let sample = of(&values, 100).sample();
        for q in [0.001, 0.01, 0.25, 0.5, 0.9, 0.999, 1.0] {
            let truth = values[((q * 20_000.0_f64).ceil() as usize).max(1) - 1];
            let got = quantile(&sample, q).unwrap();
            assert!((got / truth - 1.0).abs() <= ERROR, "{q}: {got} {truth}");
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    proptest! {
        #[test]
        fn a_bucket_is_near_its_values_and_in_their_order(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            if a.is_normal() {
                let m = middle(bucket(a));
                prop_assert!((m / a - 1.0).abs() <= ERROR * 1.000_001, "{a} {m}");
            }
            prop_assert_eq!(bucket(middle(bucket(a))), bucket(a));
            prop_assert!(is_bucket(bucket(a)));
            if a < b { prop_assert!(bucket(a) <= bucket(b)); }
        }

        #[test]
        fn no_order_and_no_split_changes_a_sketch(mut values in proptest::collection::vec(-30_i32..30, 0..120), at in 0_usize..120, most in 0_usize..80) {
            let floats = |v: &[i32]| v.iter().map(|x| f64::from(*x) * 0.37).collect::<Vec<_>>();
            let whole = of(&floats(&values), most);
            let (a, b) = values.split_at(at.min(values.len()));
            let mut parts = Values::new(most);
            parts.merge(of(&floats(b), most));
            parts.merge(of(&floats(a), most));
            prop_assert_eq!(&parts, &whole);
            let text = serde_json::to_string(&whole).unwrap();
            prop_assert_eq!(&serde_json::to_string(&parts).unwrap(), &text);
            prop_assert_eq!(&serde_json::from_str::<Values>(&text).unwrap(), &whole);
            values.reverse();
            prop_assert_eq!(&of(&floats(&values), most), &whole);
        }
    }
}
