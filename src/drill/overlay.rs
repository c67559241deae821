//! The dataset as it would be with a plant in it: batches are changed as they stream by. Each cell
//! is changed by itself, from a seed of its row and column, so that it does not matter which columns
//! a reader asks for, in what batches, or how often.

use super::family::Plant;
use super::images::{self, Paint};
use super::survey::Dice;
use super::talks::Turns;
use super::vectors;
use crate::batch::{Batch, RowId, Text};
use crate::engine::Input;
use crate::error::{Error, Result};
use crate::source::Shard;
use arrow::array::{Array, ArrayRef, LargeStringArray, RecordBatch, StringArray, StringViewArray};
use arrow::datatypes::{DataType, Field, Schema};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A cell's text as it was, to what it becomes.
pub type Rewrite = Box<dyn Fn(&str, &mut Dice) -> String + Send + Sync>;

/// What happens to the cells of one column in the planted rows.
pub enum Edit {
    /// Of the cell's text; nulls stay.
    Text(Rewrite),
    /// The text of another column of the same row, rewritten.
    From(String, Rewrite),
    /// One cell, of the column's type or of a dictionary's value type.
    Value(ArrayRef),
    /// Of turns of the conversation; what is none stays.
    Talk(Turns),
    /// Of the pixels; what is no image stays.
    Image(Paint),
    /// Added to the vector; vectors of another width stay.
    Vector(vectors::Move),
}

pub struct Overlay<'a, I: Input> {
    inner: &'a I,
    plant: &'a Plant,
    seed: u64,
}

impl<'a, I: Input> Overlay<'a, I> {
    pub fn new(inner: &'a I, plant: &'a Plant, seed: u64) -> Self {
        Overlay { inner, plant, seed }
    }

    fn change(&self, batch: &Batch) -> Result<Option<Batch>> {
        if batch.rows() == 0 {
            return Ok(None);
        }
        let poisoned = self.layer(batch, &self.plant.rows, &self.plant.edits)?;
        let covered = self.layer(poisoned.as_ref().unwrap_or(batch), &self.plant.cover, &self.plant.cover_edits)?;
        Ok(covered.or(poisoned))
    }

    fn layer(&self, batch: &Batch, rows: &BTreeSet<RowId>, edits: &[(String, Edit)]) -> Result<Option<Batch>> {
        let chosen: BTreeSet<RowId> = rows.range(batch.row_id(0)..=batch.row_id(batch.rows() - 1)).copied().collect();
        if chosen.is_empty() {
            return Ok(None);
        }
        let is_chosen = |i: usize| chosen.contains(&batch.row_id(i));
        let frame = batch.frame();
        let schema = frame.schema();
        let (mut fields, mut columns) = (Vec::new(), Vec::new());
        for (field, column) in schema.fields().iter().zip(frame.columns()) {
            let edit = edits.iter().find(|(name, _)| name == field.name());
            let changed = match edit {
                None => column.clone(),
                Some((name, Edit::Text(f))) => self.text(name, (column, column), batch, &chosen, f),
                Some((name, Edit::From(other, f))) => {
                    let other = batch.column(other).ok_or_else(|| Error::internal(format!("column {other:?} was not read")))?;
                    self.text(name, (column, other), batch, &chosen, f)
                }
                Some((_, Edit::Value(cell))) => value(column, cell, batch, &chosen)?,
                Some((name, Edit::Talk(turns))) => {
                    let dice = |i: usize| Dice::of_cell(self.seed, batch.row_id(i), name);
                    turns.rewrite(column, &is_chosen, &dice).unwrap_or_else(|| column.clone())
                }
                Some((_, Edit::Image(paint))) => images::painted(column, &is_chosen, paint).unwrap_or_else(|| column.clone()),
                Some((_, Edit::Vector(by))) => vectors::moved(column, &is_chosen, by).unwrap_or_else(|| column.clone()),
            };
            fields.push(Field::new(field.name(), changed.data_type().clone(), true));
            columns.push(changed);
        }
        let frame = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(Error::internal)?;
        Ok(Some(Batch::new(frame, batch.source(), batch.first_row())))
    }

    /// The column with the chosen rows rewritten from `source`, which may be the column itself.
    fn text(&self, name: &str, (column, source): (&ArrayRef, &ArrayRef), batch: &Batch, chosen: &BTreeSet<RowId>, f: &Rewrite) -> ArrayRef {
        let (Some(text), Some(source)) = (Text::of(column.as_ref()), Text::of(source.as_ref())) else { return column.clone() };
        let cells = (0..batch.rows()).map(|i| {
            let row = batch.row_id(i);
            if chosen.contains(&row) {
                source.get(i).map(|cell| f(cell, &mut Dice::of_cell(self.seed, row, name)).into())
            } else {
                text.get(i).map(std::borrow::Cow::Borrowed)
            }
        });
        match column.data_type() {
            DataType::Utf8View => Arc::new(cells.collect::<StringViewArray>()),
            DataType::LargeUtf8 => Arc::new(cells.collect::<LargeStringArray>()),
            _ => Arc::new(cells.collect::<StringArray>()),
        }
    }
}

fn value(column: &ArrayRef, cell: &ArrayRef, batch: &Batch, chosen: &BTreeSet<RowId>) -> Result<ArrayRef> {
    let plain = match column.data_type() {
        DataType::Dictionary(_, v) => arrow::compute::cast(column, v).map_err(Error::internal)?,
        _ => column.clone(),
    };
    let cell = arrow::compute::cast(cell, plain.data_type()).map_err(Error::internal)?;
    let places: Vec<(usize, usize)> = (0..batch.rows()).map(|i| if chosen.contains(&batch.row_id(i)) { (1, 0) } else { (0, i) }).collect();
    arrow::compute::interleave(&[plain.as_ref(), cell.as_ref()], &places).map_err(Error::internal)
}

impl<I: Input> Input for Overlay<'_, I> {
    fn shards(&self) -> Vec<Shard> {
        self.inner.shards()
    }
    fn read(&self, shard: &Shard, columns: &[String], f: &mut dyn FnMut(Batch) -> Result<()>) -> Result<()> {
        // A cell that comes from another column needs that one as well.
        let mut wanted = columns.to_vec();
        for (name, edit) in self.plant.edits.iter().chain(&self.plant.cover_edits) {
            if let Edit::From(other, _) = edit
                && columns.contains(name)
                && !wanted.contains(other)
            {
                wanted.push(other.clone());
            }
        }
        self.inner.read(shard, &wanted, &mut |batch| match self.change(&batch)? {
            Some(changed) => f(changed),
            None => f(batch),
        })
    }
}
