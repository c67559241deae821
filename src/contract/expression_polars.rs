//! The one place where polars runs: a checked expression becomes a lazy plan over one batch. Logic,
//! branches and nulls are polars'; whatever compares or computes is [`Fun::apply`], so that polars'
//! order of NaN, its wrapping integers and its casts cannot leak. Cells are copied into polars'
//! columns: a batch is at most 32 k rows, and a copy needs no unsafe code.

use super::expression::{Cell, Expression, Fun, Kind, Node};
use crate::batch::{Batch, Text};
use crate::error::{Error, Result};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType as Arrow, Decimal32Type, Decimal64Type, Decimal128Type, Int64Type};
use polars::prelude::*;
use std::borrow::Cow;

/// Per row: true, and known (not null).
pub struct Truth {
    pub holds: BooleanBuffer,
    pub known: BooleanBuffer,
}

pub struct Plan {
    expr: Expr,
    columns: Vec<String>,
}

impl Plan {
    pub fn new(e: &Expression) -> Plan {
        Plan { expr: lower(&e.root, &e.columns).alias("holds"), columns: e.columns.clone() }
    }
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    pub fn evaluate(&self, batch: &Batch) -> Result<Truth> {
        let n = batch.rows();
        let mut columns = Vec::with_capacity(self.columns.len());
        for name in &self.columns {
            let array = batch.column(name).ok_or_else(|| Error::internal(format!("column {name:?} was not read")))?;
            columns.push(column(&place(name, &self.columns), array)?);
        }
        let frame = DataFrame::new(n, columns).map_err(Error::internal)?;
        let out = frame.lazy().select([self.expr.clone()]).collect().map_err(Error::internal)?;
        let out = out.column("holds").map_err(Error::internal)?.bool().map_err(Error::internal)?.clone();
        let cells: Vec<Option<bool>> = (0..out.len()).map(|i| out.get(i)).collect();
        if cells.len() != n {
            return Err(Error::internal(format!("an expression gave {} answers for {n} rows", cells.len())));
        }
        Ok(Truth {
            holds: BooleanBuffer::collect_bool(n, |i| cells[i] == Some(true)),
            known: BooleanBuffer::collect_bool(n, |i| cells[i].is_some()),
        })
    }
}

fn column(name: &str, array: &ArrayRef) -> Result<Column> {
    let name = PlSmallStr::from_str(name);
    if let Some(text) = Text::of(array.as_ref()) {
        let cells: Vec<Option<&str>> = (0..array.len()).map(|i| text.get(i)).collect();
        return Ok(Column::new(name, cells));
    }
    let cast = |t: &Arrow| arrow::compute::cast(array, t).map_err(Error::internal);
    let array = match array.data_type() {
        Arrow::Dictionary(_, v) => cast(v)?,
        Arrow::RunEndEncoded(_, v) => cast(v.data_type())?,
        _ => array.clone(),
    };
    macro_rules! ints {
        ($a:expr) => {{
            let cells: Vec<Option<i64>> = $a.iter().map(|v| v.and_then(|v| i64::try_from(v).ok())).collect();
            Column::new(name, cells)
        }};
    }
    Ok(match array.data_type() {
        Arrow::Boolean => Column::new(name, array.as_boolean().iter().collect::<Vec<_>>()),
        Arrow::UInt64 => Column::new(name, array.as_primitive::<arrow::datatypes::UInt64Type>().iter().collect::<Vec<_>>()),
        Arrow::Float16 | Arrow::Float32 | Arrow::Float64 => {
            let wide = arrow::compute::cast(&array, &Arrow::Float64).map_err(Error::internal)?;
            Column::new(name, wide.as_primitive::<arrow::datatypes::Float64Type>().iter().collect::<Vec<_>>())
        }
        Arrow::Decimal32(..) => ints!(array.as_primitive::<Decimal32Type>()),
        Arrow::Decimal64(..) => ints!(array.as_primitive::<Decimal64Type>()),
        Arrow::Decimal128(..) => ints!(array.as_primitive::<Decimal128Type>()),
        Arrow::Date32 => ints!(array.as_primitive::<arrow::datatypes::Date32Type>()),
        _ => {
            let wide = arrow::compute::cast(&array, &Arrow::Int64).map_err(Error::internal)?;
            Column::new(name, wide.as_primitive::<Int64Type>().iter().collect::<Vec<_>>())
        }
    })
}

/// Columns go by number: polars reads `*` and `^...$` in a name as a pattern.
fn place(name: &str, columns: &[String]) -> String {
    columns.iter().position(|c| c == name).map_or_else(String::new, |i| format!("c{i}"))
}

fn lower(node: &Node, columns: &[String]) -> Expr {
    let lower = |n: &Node| lower(n, columns);
    match node {
        Node::Column(name) => col(place(name, columns)),
        Node::Literal(Cell::Null) => lit(NULL),
        Node::Literal(Cell::Bool(b)) => lit(*b),
        Node::Literal(Cell::Int(i)) => i64::try_from(*i).map_or_else(|_| lit(NULL), lit),
        Node::Literal(Cell::Float(f)) => lit(*f),
        Node::Literal(Cell::Str(s)) => lit(s.to_string()),
        Node::Not(a) => lower(a).not(),
        Node::And(a, b) => lower(a).and(lower(b)),
        Node::Or(a, b) => lower(a).or(lower(b)),
        Node::IsNull(a) => lower(a).is_null(),
        Node::Coalesce(all) => coalesce(&all.iter().map(&lower).collect::<Vec<_>>()),
        Node::Case(arms, rest) => arms.iter().rev().fold(lower(rest), |rest, (c, then)| when(lower(c)).then(lower(then)).otherwise(rest)),
        Node::Call(fun, args, kind) => {
            let (fun, kind) = (fun.clone(), kind.clone());
            let dtype = dtype(&kind);
            let mut args = args.iter().map(&lower);
            let first = args.next().unwrap_or_else(|| lit(NULL));
            let rest: Vec<Expr> = args.collect();
            let output = move |_: &Schema, fields: &[Field]| Ok(Field::new(fields[0].name().clone(), dtype.clone()));
            first.map_many(move |columns: &mut [Column]| call(&fun, &kind, columns), &rest, output)
        }
    }
}

fn dtype(kind: &Kind) -> DataType {
    match kind {
        Kind::Bool | Kind::Null => DataType::Boolean,
        Kind::Float { .. } => DataType::Float64,
        Kind::Str | Kind::Temporal => DataType::String,
        Kind::Int | Kind::Decimal(_) | Kind::Date | Kind::Timestamp(..) => DataType::Int64,
    }
}

/// One column's cells by row; a column of one cell stands for all rows.
enum Cells<'a> {
    Null,
    Bool(&'a BooleanChunked),
    Int(&'a Int64Chunked),
    UInt(&'a UInt64Chunked),
    Float(&'a Float64Chunked),
    Str(&'a StringChunked),
}

impl<'a> Cells<'a> {
    fn of(c: &'a Series) -> PolarsResult<Self> {
        Ok(match c.dtype() {
            DataType::Boolean => Cells::Bool(c.bool()?),
            DataType::Int64 => Cells::Int(c.i64()?),
            DataType::UInt64 => Cells::UInt(c.u64()?),
            DataType::Float64 => Cells::Float(c.f64()?),
            DataType::String => Cells::Str(c.str()?),
            DataType::Null => Cells::Null,
            other => polars_bail!(ComputeError: "an expression met a column of {other}"),
        })
    }
    fn get(&self, i: usize) -> Cell<'a> {
        match self {
            Cells::Null => None,
            Cells::Bool(c) => c.get(i).map(Cell::Bool),
            Cells::Int(c) => c.get(i).map(|v| Cell::Int(v.into())),
            Cells::UInt(c) => c.get(i).map(|v| Cell::Int(v.into())),
            Cells::Float(c) => c.get(i).map(Cell::Float),
            Cells::Str(c) => c.get(i).map(|s| Cell::Str(Cow::Borrowed(s))),
        }
        .unwrap_or(Cell::Null)
    }
}

fn call(fun: &Fun, kind: &Kind, columns: &mut [Column]) -> PolarsResult<Column> {
    let n = columns.iter().map(Column::len).max().unwrap_or(0);
    let n = if columns.iter().any(|c| c.is_empty()) { 0 } else { n };
    let name = columns[0].name().clone();
    // Polars narrows literals as it plans; widening them back is exact.
    let widen = |c: &Column| match c.dtype() {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 | DataType::UInt32 => {
            c.cast(&DataType::Int64)
        }
        DataType::Float32 => c.cast(&DataType::Float64),
        _ => Ok(c.clone()),
    };
    let wide = columns.iter().map(widen).collect::<PolarsResult<Vec<_>>>()?;
    let series: Vec<&Series> = wide.iter().map(Column::as_materialized_series).collect();
    let cells = series.iter().map(|s| Ok((Cells::of(s)?, s.len()))).collect::<PolarsResult<Vec<_>>>()?;
    let rows = (0..n).map(|i| {
        let at = |k: usize| cells[k].0.get(if cells[k].1 == 1 { 0 } else { i });
        match cells.len() {
            1 => own(fun.apply(&[at(0)])),
            2 => own(fun.apply(&[at(0), at(1)])),
            _ => Cell::Null,
        }
    });
    Ok(match dtype(kind) {
        DataType::Boolean => Column::new(name, rows.map(|c| if let Cell::Bool(b) = c { Some(b) } else { None }).collect::<Vec<_>>()),
        DataType::Float64 => Column::new(name, rows.map(|c| if let Cell::Float(f) = c { Some(f) } else { None }).collect::<Vec<_>>()),
        DataType::Int64 => {
            Column::new(name, rows.map(|c| if let Cell::Int(v) = c { i64::try_from(v).ok() } else { None }).collect::<Vec<_>>())
        }
        _ => Column::new(name, rows.map(|c| if let Cell::Str(s) = c { Some(s.into_owned()) } else { None }).collect::<Vec<_>>()),
    })
}

fn own(c: Cell<'_>) -> Cell<'static> {
    match c {
        Cell::Str(s) => Cell::Str(Cow::Owned(s.into_owned())),
        Cell::Null => Cell::Null,
        Cell::Bool(b) => Cell::Bool(b),
        Cell::Int(i) => Cell::Int(i),
        Cell::Float(f) => Cell::Float(f),
    }
}
