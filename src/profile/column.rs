//! What a profile keeps of one column. Every part is a sum, a minimum, a set or a table whose form depends on
//! the values alone, so that parts of a dataset merge into exactly what the whole would have given.

use super::Detail;
use crate::batch::Text;
use crate::contract::types;
use crate::error::{Error, Result};
use crate::sketch::categories::Categories;
use crate::sketch::exact_sum::ExactSum;
use crate::sketch::values::{Table, Values};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, UInt64Type};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    /// As a contract writes it, without its encoding.
    #[serde(rename = "type")]
    pub kind: String,
    pub rows: u64,
    pub nulls: u64,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    Numbers(Numbers),
    Texts(Texts),
    /// Lists, structs, bytes: only rows and nulls are counted.
    Other,
}

/// Numbers, and times as numbers of their own unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Numbers {
    pub nan: u64,
    pub least: Option<Exact>,
    pub most: Option<Exact>,
    /// Of all finite values.
    pub sum: ExactSum,
    /// Of their squares, except those that no double can hold.
    pub squares: ExactSum,
    pub unsquared: u64,
    pub values: Values,
}

/// A number as the column holds it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exact {
    #[serde(with = "whole")]
    Int(i128),
    #[serde(with = "crate::sketch::values::number")]
    Float(f64),
    /// Unscaled, and the digits after the point.
    Decimal(#[serde(with = "whole")] i128, i8),
}

impl Exact {
    /// Within one column all are of one variant and scale.
    fn is_below(self, other: Exact) -> bool {
        match (self, other) {
            (Exact::Int(a), Exact::Int(b)) | (Exact::Decimal(a, _), Exact::Decimal(b, _)) => a < b,
            (a, b) => a.as_f64() < b.as_f64(),
        }
    }
    pub fn as_f64(self) -> f64 {
        match self {
            Exact::Int(i) => i as f64,
            Exact::Float(f) => f,
            Exact::Decimal(i, scale) => i as f64 / 10f64.powi(scale.into()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Texts {
    pub categories: Categories,
    /// Characters of each text; none for booleans.
    pub lengths: Values,
}

impl Numbers {
    fn new(detail: Detail) -> Self {
        let values = Values::new(detail.numbers);
        Numbers { nan: 0, least: None, most: None, sum: ExactSum::default(), squares: ExactSum::default(), unsquared: 0, values }
    }
    fn add(&mut self, exact: Exact) {
        let v = exact.as_f64();
        if v.is_nan() {
            self.nan += 1;
            return;
        }
        if self.least.is_none_or(|l| exact.is_below(l)) {
            self.least = Some(exact);
        }
        if self.most.is_none_or(|m| m.is_below(exact)) {
            self.most = Some(exact);
        }
        self.values.add(v, 1);
        if v.is_finite() {
            self.sum.add(v);
            self.unsquared += u64::from(!self.squares.add_square(v));
        }
    }
    fn merge(&mut self, other: Numbers) {
        self.nan += other.nan;
        self.unsquared += other.unsquared;
        self.sum.merge(&other.sum);
        self.squares.merge(&other.squares);
        self.values.merge(other.values);
        if let Some(o) = other.least
            && self.least.is_none_or(|l| o.is_below(l))
        {
            self.least = Some(o);
        }
        if let Some(o) = other.most
            && self.most.is_none_or(|m| m.is_below(o))
        {
            self.most = Some(o);
        }
    }
    fn finite(&self) -> u64 {
        self.values.sample().iter().filter(|(v, _)| v.is_finite()).map(|(_, n)| n).sum()
    }
    /// Of the finite values.
    pub fn mean(&self) -> Option<f64> {
        let n = self.finite();
        (n > 0).then(|| self.sum.value() / n as f64)
    }
    /// Standard deviation of the finite values, with n - 1; `None` below two of them or where squares overflow.
    pub fn std(&self) -> Option<f64> {
        let n = self.finite();
        if n < 2 || self.unsquared > 0 {
            return None;
        }
        // Squared deviations from the rounded mean, as squares - 2 mean x + n mean^2, each product exact and
        // summed without rounding: what is left after cancellation is right, however far the mean is from zero.
        let mean = self.mean()?;
        let mut deviations = self.squares.clone();
        for part in self.sum.parts() {
            deviations.add_product(-2.0 * mean, part);
        }
        let square = mean * mean;
        deviations.add_product(square, n as f64);
        deviations.add_product(mean.mul_add(mean, -square), n as f64);
        Some((deviations.value().max(0.0) / (n - 1) as f64).sqrt())
    }
}

impl Texts {
    fn new(detail: Detail) -> Self {
        Texts { categories: Categories::new(detail.texts), lengths: Values::new(detail.numbers) }
    }
    fn add(&mut self, text: &str) {
        self.categories.add(text, 1);
        self.lengths.add(text.chars().count() as f64, 1);
    }
}

/// What a column of this type can be summarised as. Encodings are left aside.
pub fn content(kind: &DataType, detail: Detail) -> Content {
    use DataType as T;
    match types::unencoded(kind) {
        T::Boolean | T::Utf8 | T::LargeUtf8 | T::Utf8View => Content::Texts(Texts::new(detail)),
        T::Date32 | T::Date64 | T::Time32(_) | T::Time64(_) | T::Timestamp(..) | T::Duration(_) => Content::Numbers(Numbers::new(detail)),
        T::Decimal256(..) => Content::Other,
        other if other.is_numeric() => Content::Numbers(Numbers::new(detail)),
        _ => Content::Other,
    }
}

impl Column {
    pub fn new(name: &str, kind: &DataType, detail: Detail) -> Self {
        let content = content(kind, detail);
        Column { name: name.to_owned(), kind: types::name(types::unencoded(kind)), rows: 0, nulls: 0, content }
    }

    pub fn observe(&mut self, array: &ArrayRef) -> Result<()> {
        let plain = decoded(array)?;
        self.rows += plain.len() as u64;
        self.nulls += plain.logical_null_count() as u64;
        match &mut self.content {
            Content::Other => {}
            Content::Texts(texts) => {
                if let Some(text) = Text::of(plain.as_ref()) {
                    (0..plain.len()).filter_map(|i| text.get(i)).for_each(|t| texts.add(t));
                } else if let Some(flags) = plain.as_boolean_opt() {
                    let (yes, no) = (flags.true_count() as u64, flags.false_count() as u64);
                    for (text, n) in [("true", yes), ("false", no)] {
                        if n > 0 {
                            texts.categories.add(text, n);
                        }
                    }
                }
            }
            Content::Numbers(numbers) => {
                let cast = |to: &DataType| arrow::compute::cast(&plain, to).map_err(Error::internal);
                match plain.data_type() {
                    DataType::UInt64 => {
                        plain.as_primitive::<UInt64Type>().iter().flatten().for_each(|v| numbers.add(Exact::Int(v.into())));
                    }
                    DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
                        let wide = cast(&DataType::Decimal128(arrow::datatypes::DECIMAL128_MAX_PRECISION, *scale))?;
                        let wide = wide.as_primitive::<Decimal128Type>();
                        wide.iter().flatten().for_each(|v| numbers.add(Exact::Decimal(v, *scale)));
                    }
                    t if t.is_floating() => {
                        let wide = cast(&DataType::Float64)?;
                        wide.as_primitive::<Float64Type>().iter().flatten().for_each(|v| numbers.add(Exact::Float(v)));
                    }
                    t => {
                        // 32-bit times have no direct way to 64 bits.
                        let narrow = matches!(t, DataType::Time32(_) | DataType::Date32);
                        let step = if narrow { cast(&DataType::Int32)? } else { plain.clone() };
                        let wide = arrow::compute::cast(&step, &DataType::Int64).map_err(Error::internal)?;
                        wide.as_primitive::<Int64Type>().iter().flatten().for_each(|v| numbers.add(Exact::Int(v.into())));
                    }
                }
            }
        }
        Ok(())
    }

    /// Both must be of one name, type and detail. `counted`: whether lists of frequent texts are kept, as between profiles.
    pub fn merge(&mut self, other: Column, counted: bool) {
        self.rows += other.rows;
        self.nulls += other.nulls;
        match (&mut self.content, other.content) {
            (Content::Numbers(a), Content::Numbers(b)) => a.merge(b),
            (Content::Texts(a), Content::Texts(b)) => {
                a.lengths.merge(b.lengths);
                if counted { a.categories.join(b.categories) } else { a.categories.merge(b.categories) }
            }
            _ => {}
        }
    }

    /// Rows that hold a value, NaN included.
    pub fn present(&self) -> u64 {
        self.rows - self.nulls
    }

    /// Second round: the texts that may be frequent, where they are too many to hold.
    pub fn wants_recount(&self) -> bool {
        matches!(&self.content, Content::Texts(t) if !t.categories.is_exact())
    }
    pub fn recount(&self, array: &ArrayRef, table: &mut Table<Box<str>>) -> Result<()> {
        let Content::Texts(texts) = &self.content else { return Ok(()) };
        let plain = decoded(array)?;
        let Some(text) = Text::of(plain.as_ref()) else { return Ok(()) };
        let rows = self.present();
        for t in (0..plain.len()).filter_map(|i| text.get(i)).filter(|t| texts.categories.may_be_heavy(t, rows)) {
            match table.get_mut(t) {
                Some(n) => *n += 1,
                None => drop(table.insert(t.into(), 1)),
            }
        }
        Ok(())
    }
    pub fn set_recounted(&mut self, table: Table<Box<str>>) {
        let rows = self.present();
        if let Content::Texts(texts) = &mut self.content {
            texts.categories.set_heavy(table, rows);
        }
    }

    /// Whether the counts of a file that was read can be those of a column.
    pub fn is_sound(&self, detail: Detail) -> bool {
        let Some(present) = self.rows.checked_sub(self.nulls) else { return false };
        match &self.content {
            Content::Other => true,
            Content::Numbers(n) => {
                let sized = n.values.size().and_then(|s| s.checked_add(n.nan)) == Some(present);
                sized && n.unsquared <= present && n.values.most() == detail.numbers && n.least.is_some() == n.most.is_some()
            }
            Content::Texts(t) => {
                let lengths = t.lengths.size();
                let counted = t.categories.size() == Some(present);
                counted
                    && t.categories.is_sound()
                    && t.lengths.most() == detail.numbers
                    && t.categories.most() == detail.texts
                    && (lengths == Some(present) || lengths == Some(0))
            }
        }
    }
}

/// Dictionaries and run-ends unpacked, unless they hold strings, which [`Text`] reads as they are.
fn decoded(array: &ArrayRef) -> Result<ArrayRef> {
    let inner = match array.data_type() {
        DataType::Dictionary(_, v) if Text::of(array.as_ref()).is_none() => v.as_ref().clone(),
        DataType::RunEndEncoded(_, v) => v.data_type().clone(),
        _ => return Ok(array.clone()),
    };
    arrow::compute::cast(array, &inner).map_err(Error::internal)
}

/// JSON has no integers of 128 bits.
mod whole {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(v: &i128, s: S) -> Result<S::Ok, S::Error> {
        v.to_string().serialize(s)
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<i128, D::Error> {
        String::deserialize(d)?.parse().map_err(|_| serde::de::Error::custom("this is no whole number"))
    }
}
