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
fn floats(array: &ArrayRef, mut f: impl FnMut(f64) -> bool) -> Option<BooleanBuffer> {
    use arrow::datatypes::{Float16Type, Float32Type, Float64Type};
    let n = array.len();
    Some(match array.data_type() {
        DataType::Float64 => {
            let v = array.as_primitive::<Float64Type>().values();
            BooleanBuffer::collect_bool(n, |i| f(v[i]))
        }
        DataType::Float32 => {
            let v = array.as_primitive::<Float32Type>().values();
            BooleanBuffer::collect_bool(n, |i| f(f64::from(v[i])))
        }
        DataType::Float16 => {
            let v = array.as_primitive::<Float16Type>().values();
            BooleanBuffer::collect_bool(n, |i| f(v[i].to_f64()))
        }
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
    /// Short ones as views, sorted; the others whole.
    Bytes {
        short: Vec<u128>,
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
        short.sort_unstable();
        Some(Set::Bytes { short, long })
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
                let few = short.len() <= LINEAR;
                let has_short = |view: u128| if few { short.contains(&view) } else { short.binary_search(&view).is_ok() };
                if let Some(a) = array.as_string_view_opt() {
                    let views = a.views();
                    return Ok(BooleanBuffer::collect_bool(n, |i| {
                        let view = views[i];
                        // A null's view may hold anything; its bytes are never followed.
                        if (view as u32) <= 12 {
                            has_short(view)
                        } else {
                            !long.is_empty() && a.is_valid(i) && long.contains(a.value(i).as_bytes())
                        }
                    }));
                }
                let test = |b: &[u8]| match inline_view(b) {
                    Some(view) => has_short(view),
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
                    BooleanBuffer::collect_bool(n, |i| (v[i] < lo) | (v[i] > hi))
                }, else return Err(misfit()))
            }
        })
    }
}

/// Every native integer fits.
fn i128_of<T: TryInto<i128>>(v: T) -> i128 {
    v.try_into().unwrap_or(i128::MAX)
}
