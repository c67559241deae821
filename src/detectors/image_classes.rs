//! The classes of an image dataset, learned in the first round of every image detector.

use super::trigger_table::sketch::BottomK;
use crate::batch::{Batch, cell_text};
use crate::contract::Role;
use crate::features::image::{Images, Raster};
use crate::features::table::{Kind, NULL, codes, kind_of};
use crate::rule::Context;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Distinct labels; more of them are a quantity or names.
const MOST: usize = 4096;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Labels(BottomK<(u64, String)>);

impl Default for Labels {
    fn default() -> Self {
        Labels(BottomK::new(MOST + 1))
    }
}

impl Labels {
    pub fn observe(&mut self, batch: &Batch, label: &str) {
        let Some(array) = batch.column(label) else { return };
        for (row, code) in codes(array.as_ref()).into_iter().enumerate() {
            if code != NULL
                && let Some(entry) = self.0.entry(code, || (0, cell_text(array.as_ref(), row).unwrap_or_default()))
            {
                entry.0 += 1;
            }
        }
    }
    pub fn merge(&mut self, other: Self) {
        self.0.merge(other.0, |a, b| {
            a.0 += b.0;
            a.1 = std::mem::take(&mut a.1).min(b.1);
        });
    }
    /// # Errors
    /// Why these are no classes that a trigger could push.
    pub fn classes(&self, label: &str) -> Result<Classes, String> {
        let n = self.0.len();
        let rows: u64 = self.0.iter().map(|(_, (rows, _))| rows).sum();
        if n > MOST || (n > 20 && 2 * n as u64 > rows) {
            return Err(format!(
                "`{label}` has {} distinct values in {rows} rows: not classes",
                if n > MOST { "too many".into() } else { n.to_string() }
            ));
        }
        if n < 2 {
            return Err(format!("`{label}` has {n} class; a trigger needs two"));
        }
        let mut list: Vec<Class> = self.0.iter().map(|(code, (rows, name))| Class { code, name: name.clone(), rows: *rows }).collect();
        list.sort_by_key(|c| c.code);
        Ok(Classes { list, rows })
    }
}

/// Sizes of images that are told apart.
const SIZES: usize = 1024;

/// Images by width and height.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Sizes(BTreeMap<(u32, u32), u64>);

impl Sizes {
    pub fn add(&mut self, raster: &Raster) {
        *self.0.entry((raster.width as u32, raster.height as u32)).or_default() += 1;
        self.shrink();
    }
    pub fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|(size, n)| *self.0.entry(size).or_default() += n);
        self.shrink();
    }
    fn shrink(&mut self) {
        while self.0.len() > SIZES {
            self.0.pop_last();
        }
    }
    /// The size of most images, and of how many; of two the smaller.
    pub fn usual(&self) -> Option<((usize, usize), u64)> {
        let (&(w, h), &n) = self.0.iter().max_by_key(|(size, n)| (**n, std::cmp::Reverse(**size)))?;
        Some(((w as usize, h as usize), n))
    }
    pub fn images(&self) -> u64 {
        self.0.values().sum()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Class {
    code: u64,
    pub name: String,
    pub rows: u64,
}

/// In the order of their codes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Classes {
    pub list: Vec<Class>,
    pub rows: u64,
}

impl Classes {
    /// The class of every row; `None` without a label.
    pub fn read(&self, batch: &Batch, label: &str) -> Vec<Option<u32>> {
        let Some(array) = batch.column(label) else { return vec![None; batch.rows()] };
        let of = |code: u64| self.list.binary_search_by_key(&code, |c| c.code).ok().map(|c| c as u32);
        codes(array.as_ref()).into_iter().map(of).collect()
    }
    pub fn position(&self, code: u64) -> Option<usize> {
        self.list.binary_search_by_key(&code, |c| c.code).ok()
    }
    /// Share of the labelled rows that a class has.
    pub fn prior(&self, class: usize) -> f64 {
        (self.list[class].rows as f64 / self.rows.max(1) as f64).clamp(1e-9, 1.0 - 1e-9)
    }
}

/// The image and the label column, or why an image detector cannot run.
///
/// # Errors
/// The reason, for "not tested".
pub fn columns(context: &Context<'_>) -> Result<(String, String), String> {
    let image = image_column(context)?;
    let label = context.roles.first(Role::Label).ok_or("no column has the role label")?;
    match context.schema.field_with_name(label) {
        Ok(field) if kind_of(field.data_type()).is_some_and(Kind::names_classes) => Ok((image, label.to_owned())),
        Ok(field) => Err(format!("`{label}` is {}, neither text nor a number", field.data_type())),
        Err(_) => Err(format!("column `{label}` is not in the data")),
    }
}

/// # Errors
/// The reason, for "not tested".
pub fn image_column(context: &Context<'_>) -> Result<String, String> {
    let image = context.roles.first(Role::Image).ok_or("no column has the role image")?;
    match context.schema.field_with_name(image) {
        Ok(field) if Images::fits(field.data_type()) => Ok(image.to_owned()),
        Ok(field) => {
            Err(format!("`{image}` is {}; images are read from bytes, alone or in a struct with a field `bytes`", field.data_type()))
        }
        Err(_) => Err(format!("column `{image}` is not in the data")),
    }
}
