//! Membership and intervals over a column's raw values: the inner loops of `allowed`, `forbidden`
//! and `range`. Each loop runs over a native slice without a branch per row; nulls are masked by the
//! caller, so what stands under a null does not matter.
//!
//! NaN is in no set and in no interval; `-0.0` equals `0.0`; an integer that a float column cannot
//! hold equals none of its values. Comparisons of time happen in the column's own unit, with the
//! bound moved to it: nothing is rounded.

use crate::contract::scalar::{Value, nanos_per};
use crate::error::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, i256};
use std::collections::HashSet;

/// Nanoseconds (or the type's own unit: 1) per native step of an integer-like type.
fn step(t: &DataType) -> i128 {
    match t {
        DataType::Timestamp(u, _) | DataType::Time32(u) | DataType::Time64(u) | DataType::Duration(u) => nanos_per(*u).into(),
        _ => 1,
    }
}

/// The value on the native scale of a type, times [`step`].
fn scaled(value: &Value, t: &DataType) -> Option<i256> {
    Some(match value {
        Value::Int(i) | Value::Timestamp(i) | Value::Duration(i) => i256::from_i128(*i),
        Value::Decimal { unscaled, .. } => *unscaled,
        Value::Date(d) if *t == DataType::Date64 => i256::from_i128(i128::from(*d) * 86_400_000),
        Value::Date(d) => i256::from_i128((*d).into()),
        Value::Time(n) => i256::from_i128((*n).into()),
        Value::Bool(b) => i256::from_i128((*b).into()),
        Value::Float(_) | Value::Str(_) | Value::Bytes(_) => return None,
    })
}

/// Runs `$body` with `$v` bound to the native slice of an integer-like array.
macro_rules! with_integers {
    ($array:expr, $v:ident, $T:ident => $body:expr, else $other:expr) => {{
        let data = $array.to_data();
        let len = data.len();
        macro_rules! run {
            ($t:ty) => {{
                type $T = $t;
                let $v: &[$t] = &data.buffer::<$t>(0)[..len];
                $body
            }};
        }
        match $array.data_type() {
            DataType::Int8 => run!(i8),
            DataType::Int16 => run!(i16),
            DataType::Int32 | DataType::Date32 | DataType::Time32(_) | DataType::Decimal32(..) => run!(i32),
            DataType::Int64
            | DataType::Date64
            | DataType::Time64(_)
            | DataType::Timestamp(..)
            | DataType::Duration(_)
            | DataType::Decimal64(..) => run!(i64),
            DataType::Decimal128(..) => run!(i128),
            DataType::UInt8 => run!(u8),
            DataType::UInt16 => run!(u16),
            DataType::UInt32 => run!(u32),
            DataType::UInt64 => run!(u64),
            _ => $other,
        }
    }};
}

/// The values of a float array, widened (which is exact), one by one.
fn floats(array: &ArrayRef, f: impl Fn(f64) -> bool) -> Option<BooleanBuffer> {
    use arrow::datatypes::{Float16Type, Float32Type, Float64Type};
    Some(match array.data_type() {
        DataType::Float64 => mask(array.as_primitive::<Float64Type>().values(), f),
        DataType::Float32 => mask(array.as_primitive::<Float32Type>().values(), |v| f(f64::from(v))),
        DataType::Float16 => mask(array.as_primitive::<Float16Type>().values(), |v| f(v.to_f64())),
        _ => return None,
    })
}

/// The bytes of a string or binary array, one by one.
fn bytes(array: &ArrayRef, mut f: impl FnMut(&[u8]) -> bool) -> Option<BooleanBuffer> {
    let n = array.len();
    macro_rules! plain {
        ($a:expr) => {{
            let a = $a;
            let (offsets, data) = (a.value_offsets(), a.value_data());
            BooleanBuffer::collect_bool(n, |i| f(&data[offsets[i] as usize..offsets[i + 1] as usize]))
        }};
    }
    Some(match array.data_type() {
        DataType::Utf8 => plain!(array.as_string::<i32>()),
        DataType::LargeUtf8 => plain!(array.as_string::<i64>()),
        DataType::Binary => plain!(array.as_binary::<i32>()),
        DataType::LargeBinary => plain!(array.as_binary::<i64>()),
        DataType::Utf8View => {
            let a = array.as_string_view();
            BooleanBuffer::collect_bool(n, |i| f(a.value(i).as_bytes()))
        }
        DataType::BinaryView => {
            let a = array.as_binary_view();
            BooleanBuffer::collect_bool(n, |i| f(a.value(i)))
        }
        DataType::FixedSizeBinary(_) => {
            let a = array.as_fixed_size_binary();
            BooleanBuffer::collect_bool(n, |i| f(a.value(i)))
        }
        _ => return None,
    })
}

/// A view of at most 12 bytes: length, then the bytes, zero-padded. Equal views are equal strings.
fn inline_view(b: &[u8]) -> Option<u128> {
    let mut view = [0_u8; 16];
    view[0] = b.len() as u8;
    view.get_mut(4..4 + b.len())?.copy_from_slice(b);
    Some(u128::from_le_bytes(view))
}

/// A set of short texts as views.
pub enum Views {
    Table(ViewTable),
    Sorted(Vec<u128>),
}

/// No two views of the set share a slot: one multiplication, one look and one comparison answer,
/// without a branch that depends on the value.
pub struct ViewTable {
    slots: Vec<u128>,
    factor: u64,
    shift: u32,
}

/// Slots at most (16 kB: the table shares the fastest cache with the column).
const MOST_SLOTS: usize = 1024;

impl ViewTable {
    fn new(views: &[u128]) -> Option<ViewTable> {
        let least = (2 * views.len()).max(2).next_power_of_two();
        let sizes = (0..).map(|k| least << k).take_while(|n| *n <= MOST_SLOTS);
        // Half of all factors are good where there are about as many slots as pairs of views.
        let tries = sizes.flat_map(|n| (0..32_u64).map(move |i| (n, (2 * i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)));
        tries.into_iter().find_map(|(n, factor)| {
            // No view of a short text is all ones.
            let mut table = ViewTable { slots: vec![u128::MAX; n], factor, shift: 64 - n.trailing_zeros() };
            let free = views.iter().all(|view| {
                let slot = table.slot(*view);
                std::mem::replace(&mut table.slots[slot], *view) == u128::MAX
            });
            free.then_some(table)
        })
    }
    fn slot(&self, view: u128) -> usize {
        let folded = (view as u64) ^ ((view >> 64) as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
        (folded.wrapping_mul(self.factor) >> self.shift) as usize
    }
    fn contains(&self, view: u128) -> bool {
        self.slots[self.slot(view)] == view
    }
}

impl Views {
    fn new(mut views: Vec<u128>) -> Views {
        views.sort_unstable();
        views.dedup();
        match ViewTable::new(&views) {
            Some(table) => Views::Table(table),
            None => Views::Sorted(views),
        }
    }
    fn contains(&self, view: u128) -> bool {
        match self {
            Views::Table(table) => table.contains(view),
            Views::Sorted(list) => list.binary_search(&view).is_ok(),
        }
    }
}

/// One bit per value. Where none of 64 is set, which is nearly always so for what the contract
/// asks, that costs no more than a comparison of the whole stretch at once.
fn mask<T: Copy>(values: &[T], f: impl Fn(T) -> bool) -> BooleanBuffer {
    let word = |stretch: &[T]| {
        if !stretch.iter().fold(false, |any, v| any | f(*v)) {
            return 0;
        }
        stretch.iter().enumerate().fold(0_u64, |word, (i, v)| word | u64::from(f(*v)) << i)
    };
    let words: Vec<u64> = values.chunks(64).map(word).collect();
    BooleanBuffer::new(words.into(), 0, values.len())
}

/// A set of values of one column type.
pub enum Set {
    /// Native integers, sorted.
    Integers(Vec<i128>),
    Wide(Vec<i256>),
    Floats(Vec<f64>),
    Bools {
        has_true: bool,
        has_false: bool,
    },
    /// Short ones as views, the others whole.
    Bytes {
        short: Views,
        long: HashSet<Vec<u8>>,
    },
}

/// Up to this many values are compared one after the other, which vectorises; beyond, by bisection.
const LINEAR: usize = 16;

impl Set {
    /// `None` when the values do not fit the type.
    pub fn new(values: &[Value], t: &DataType) -> Option<Set> {
        let scaled = || values.iter().map(|v| scaled(v, t)).collect::<Option<Vec<i256>>>();
        Some(match t {
            DataType::Boolean => {
                Set::Bools { has_true: values.contains(&Value::Bool(true)), has_false: values.contains(&Value::Bool(false)) }
            }
            DataType::Float16 | DataType::Float32 | DataType::Float64 => {
                let one = |v: &Value| match v {
                    Value::Float(f) => Some(Some(*f)),
                    // No float of this width has that value.
                    Value::Int(_) => Some(None),
                    _ => None,
                };
                Set::Floats(values.iter().map(one).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
            }
            DataType::Decimal256(..) => {
                let mut wide = scaled()?;
                wide.sort_unstable();
                Set::Wide(wide)
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Self::of_bytes(values.iter().map(|v| match v {
                Value::Str(s) => Some(s.as_bytes()),
                _ => None,
            }))?,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Self::of_bytes(values.iter().map(|v| match v {
                    Value::Bytes(b) => Some(b.as_slice()),
                    _ => None,
                }))?
            }
            t => {
                let k = step(t);
                // What lies between two native steps equals no value of the column.
                let native = scaled()?.into_iter().filter_map(|v| v.to_i128()).filter(|v| v % k == 0).map(|v| v / k);
                let mut native: Vec<i128> = native.collect();
                native.sort_unstable();
                Set::Integers(native)
            }
        })
    }

    fn of_bytes<'a>(values: impl Iterator<Item = Option<&'a [u8]>>) -> Option<Set> {
        let (mut short, mut long) = (Vec::new(), HashSet::new());
        for value in values {
            let value = value?;
            match inline_view(value) {
                Some(view) => short.push(view),
                None => drop(long.insert(value.to_vec())),
            }
        }
        Some(Set::Bytes { short: Views::new(short), long })
    }

    /// One bit per row: is the value in the set? The array must have the type the set was made for.
    pub fn contains(&self, array: &ArrayRef) -> Result<BooleanBuffer> {
        let misfit = || Error::internal(format!("a set of other values than {}", array.data_type()));
        let n = array.len();
        Ok(match self {
            Set::Bools { has_true, has_false } => {
                let v = array.as_boolean_opt().ok_or_else(misfit)?.values();
                match (has_true, has_false) {
                    (true, true) => BooleanBuffer::new_set(n),
                    (false, false) => BooleanBuffer::new_unset(n),
                    (true, false) => v.clone(),
                    (false, true) => !v,
                }
            }
            Set::Floats(set) => floats(array, |v| set.contains(&v)).ok_or_else(misfit)?,
            Set::Wide(set) => {
                let v = array.as_primitive_opt::<arrow::datatypes::Decimal256Type>().ok_or_else(misfit)?.values();
                BooleanBuffer::collect_bool(n, |i| set.binary_search(&v[i]).is_ok())
            }
            Set::Integers(set) => with_integers!(array, v, T => {
                let set: Vec<T> = set.iter().filter_map(|s| T::try_from(*s).ok()).collect();
                if set.len() <= LINEAR {
                    BooleanBuffer::collect_bool(n, |i| set.iter().fold(false, |hit, s| hit | (*s == v[i])))
                } else {
                    BooleanBuffer::collect_bool(n, |i| set.binary_search(&v[i]).is_ok())
                }
            }, else return Err(misfit())),
            Set::Bytes { short, long } => {
                if let Some(a) = array.as_string_view_opt() {
                    let views = a.views();
                    // No long text has the view of a short one.
                    if long.is_empty() {
                        return Ok(match short {
                            Views::Table(table) => BooleanBuffer::collect_bool(n, |i| table.contains(views[i])),
                            Views::Sorted(list) => BooleanBuffer::collect_bool(n, |i| list.binary_search(&views[i]).is_ok()),
                        });
                    }
                    return Ok(BooleanBuffer::collect_bool(n, |i| {
                        let view = views[i];
                        // A null's view may hold anything; its bytes are never followed.
                        if (view as u32) <= 12 { short.contains(view) } else { a.is_valid(i) && long.contains(a.value(i).as_bytes()) }
                    }));
                }
                let test = |b: &[u8]| match inline_view(b) {
                    Some(view) => short.contains(view),
                    None => long.contains(b),
                };
                bytes(array, test).ok_or_else(misfit)?
            }
        })
    }
}

/// An interval over one column type.
pub enum Interval {
    /// Native integers, both ends inclusive; empty when `lo > hi`.
    Integers {
        lo: i256,
        hi: i256,
    },
    /// Both ends inclusive; empty when `lo > hi`.
    Floats {
        lo: f64,
        hi: f64,
    },
    Bytes {
        lo: Option<Vec<u8>>,
        hi: Option<Vec<u8>>,
        exclusive: bool,
    },
}

impl Interval {
    /// `None` when the type has no order or the bounds do not fit it.
    pub fn new(min: Option<&Value>, max: Option<&Value>, exclusive: bool, t: &DataType) -> Option<Interval> {
        match t {
            DataType::Float16 | DataType::Float32 | DataType::Float64 => {
                let end = |v: &Value, up: bool| match v {
                    Value::Float(f) => Some(*f),
                    // The next double inside the interval; no value of the column lies between.
                    Value::Int(i) => {
                        let f = *i as f64;
                        Some(match crate::contract::scalar::int_float(*i, f)? {
                            std::cmp::Ordering::Greater if up => f.next_up(),
                            std::cmp::Ordering::Less if !up => f.next_down(),
                            _ => f,
                        })
                    }
                    _ => None,
                };
                let whole = |v: Option<&Value>| matches!(v, Some(Value::Int(_)));
                let mut lo = min.map_or(Some(f64::NEG_INFINITY), |v| end(v, true))?;
                let mut hi = max.map_or(Some(f64::INFINITY), |v| end(v, false))?;
                if !exclusive {
                    return Some(Interval::Floats { lo, hi });
                }
                // An end that is no double is already outside its bound; an absent end excludes nothing.
                if min.is_some() && !whole(min) {
                    lo = lo.next_up();
                }
                if max.is_some() && !whole(max) {
                    hi = hi.next_down();
                }
                // Beyond infinity there is no value: mark the interval as empty.
                let beyond =
                    min.is_some_and(|v| *v == Value::Float(f64::INFINITY)) || max.is_some_and(|v| *v == Value::Float(f64::NEG_INFINITY));
                Some(if beyond { Interval::Floats { lo: f64::INFINITY, hi: f64::NEG_INFINITY } } else { Interval::Floats { lo, hi } })
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
                let end = |v: Option<&Value>| match v {
                    None => Some(None),
                    Some(Value::Str(s)) => Some(Some(s.as_bytes().to_vec())),
                    Some(_) => None,
                };
                Some(Interval::Bytes { lo: end(min)?, hi: end(max)?, exclusive })
            }
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) | DataType::Boolean => None,
            t => {
                let k = i256::from_i128(step(t));
                let one = i256::ONE;
                let floor = |v: i256| {
                    let q = v.wrapping_div(k);
                    if v.wrapping_rem(k).is_negative() { q.wrapping_sub(one) } else { q }
                };
                let ceil = |v: i256| {
                    let q = v.wrapping_div(k);
                    if v.wrapping_rem(k).is_positive() { q.wrapping_add(one) } else { q }
                };
                let lo = match min.map(|v| scaled(v, t)) {
                    None => i256::MIN,
                    Some(v) if exclusive => floor(v?).wrapping_add(one),
                    Some(v) => ceil(v?),
                };
                let hi = match max.map(|v| scaled(v, t)) {
                    None => i256::MAX,
                    Some(v) if exclusive => ceil(v?).wrapping_sub(one),
                    Some(v) => floor(v?),
                };
                Some(Interval::Integers { lo, hi })
            }
        }
    }

    /// One bit per row: does the value lie outside?
    pub fn excludes(&self, array: &ArrayRef) -> Result<BooleanBuffer> {
        let misfit = || Error::internal(format!("an interval of other values than {}", array.data_type()));
        let n = array.len();
        Ok(match self {
            Interval::Floats { lo, hi } => {
                let (lo, hi) = (*lo, *hi);
                // Negated so that NaN, which is inside nothing, comes out as outside.
                floats(array, |v| !((v >= lo) & (v <= hi))).ok_or_else(misfit)?
            }
            Interval::Bytes { lo, hi, exclusive } => {
                use std::cmp::Ordering::Equal;
                let below = |v: &[u8]| lo.as_ref().is_some_and(|l| v < l.as_slice() || (*exclusive && v.cmp(l) == Equal));
                let above = |v: &[u8]| hi.as_ref().is_some_and(|h| v > h.as_slice() || (*exclusive && v.cmp(h) == Equal));
                bytes(array, |v| below(v) || above(v)).ok_or_else(misfit)?
            }
            Interval::Integers { lo, hi } => {
                if let Some(a) = array.as_primitive_opt::<arrow::datatypes::Decimal256Type>() {
                    let v = a.values();
                    return Ok(BooleanBuffer::collect_bool(n, |i| v[i] < *lo || v[i] > *hi));
                }
                with_integers!(array, v, T => {
                    let (least, most) = (i256::from_i128(i128_of(T::MIN)), i256::from_i128(i128_of(T::MAX)));
                    if lo > hi || *lo > most || *hi < least {
                        return Ok(BooleanBuffer::new_set(n));
                    }
                    let native = |x: i256, edge: T| x.to_i128().and_then(|x| T::try_from(x).ok()).unwrap_or(edge);
                    let (lo, hi) = (native(*lo, T::MIN), native(*hi, T::MAX));
                    if lo == T::MIN && hi == T::MAX {
                        return Ok(BooleanBuffer::new_unset(n));
                    }
                    mask(v, |v| (v < lo) | (v > hi))
                }, else return Err(misfit()))
            }
        })
    }
}

/// Every native integer fits.
fn i128_of<T: TryInto<i128>>(v: T) -> i128 {
    v.try_into().unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_views_holds_what_was_put_in_and_nothing_else() {
        let word = |i: usize| format!("{i:x}{}", "y".repeat(i % 9));
        for size in [0, 1, 2, 3, 8, 20, 100, 1000] {
            let set = Views::new((0..size).chain(0..size / 2).filter_map(|i| inline_view(word(i).as_bytes())).collect());
            assert!(size > 20 || matches!(set, Views::Table(_)), "{size}");
            for i in 0..2 * size + 2 {
                let view = inline_view(word(i).as_bytes()).unwrap();
                assert_eq!(set.contains(view), i < size, "{} of {size}", word(i));
            }
        }
    }

    #[test]
    fn a_mask_has_the_bits_of_the_test_at_every_length() {
        for n in [0, 1, 63, 64, 65, 1000] {
            for every in [1, 3, 100, 5000] {
                let values: Vec<i64> = (1..=n).collect();
                let bits = mask(&values, |v| v % every == 0);
                assert_eq!(bits, BooleanBuffer::collect_bool(n as usize, |i| values[i] % every == 0));
            }
        }
    }
}
