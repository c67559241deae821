//! JSON Lines: one object per line, blank lines skipped. The scan learns one shape for every key
//! over the whole file (integers widen to floats, a missing key is null) and refuses what has no
//! one shape; declared columns take the declared type instead. A key that an object names twice is
//! an error, because loaders disagree on which value counts. Depth is bounded by the parser (128).

use super::cells::{Cells, readable};
use super::divide::{Content, Halves};
use super::format::Packed;
use super::guard::guarded;
use super::text::{Place, TextFile, Window};
use super::{OpenOptions, Rows, Table, schema};
use crate::batch::MAX_ROWS;
use crate::error::{Error, Result};
use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, ListArray, NullBufferBuilder, StringViewBuilder, StructArray, UInt64Builder,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, Fields};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Text of a batch, at most (about).
const BATCH_BYTES: usize = 8 << 20;
/// More keys than this are values that somebody used as keys.
const MAX_KEYS: usize = 10_000;

pub(super) struct JsonTable {
    text: TextFile,
    shape: Shape,
    fields: Vec<Field>,
    declared: Vec<bool>,
}

/// What values were met at one place.
#[derive(Default)]
struct Shape {
    boolean: bool,
    int: bool,
    /// An integer above the signed range, or below zero: both together need a float.
    big: bool,
    negative: bool,
    float: bool,
    text: bool,
    list: Option<Box<Shape>>,
    object: Option<Keys>,
    /// The contract gives the type: any mixture is let through.
    declared: bool,
}

#[derive(Default)]
struct Keys {
    shapes: Vec<(String, Shape)>,
    index: HashMap<String, usize>,
    /// Objects seen, and per key the last one that had it: finds keys given twice.
    objects: u64,
    last: Vec<u64>,
    /// Keys that the contract gives a type.
    declared: Vec<(String, DataType)>,
}

impl Shape {
    fn families(&self) -> usize {
        let number = self.int || self.float;
        [self.boolean, number, self.text, self.list.is_some(), self.object.is_some()].iter().filter(|f| **f).count()
    }

    fn mixed<E: serde::de::Error>(&self, found: &str) -> std::result::Result<(), E> {
        if self.declared || self.families() <= 1 {
            return Ok(());
        }
        Err(E::custom(format!(
            "{found} where earlier rows have another type of value; a column has one type: declare it in the contract or write the data again"
        )))
    }

    fn data_type(&self) -> DataType {
        match self {
            Shape { text: true, .. } => DataType::Utf8View,
            Shape { list: Some(item), .. } => DataType::List(Arc::new(Field::new("item", item.data_type(), true))),
            Shape { object: Some(keys), .. } => {
                DataType::Struct(keys.shapes.iter().map(|(n, s)| Field::new(n, s.data_type(), true)).collect())
            }
            Shape { float: true, .. } | Shape { big: true, negative: true, .. } => DataType::Float64,
            Shape { big: true, .. } => DataType::UInt64,
            Shape { int: true, .. } => DataType::Int64,
            Shape { boolean: true, .. } => DataType::Boolean,
            _ => DataType::Utf8View,
        }
    }

    fn merge(&mut self, other: &Shape) {
        self.boolean |= other.boolean;
        self.int |= other.int;
        self.big |= other.big;
        self.negative |= other.negative;
        self.float |= other.float;
        self.text |= other.text;
        if let Some(item) = &other.list {
            self.list.get_or_insert_default().merge(item);
        }
        if let Some(keys) = &other.object {
            let mine = self.object.get_or_insert_default();
            for (name, shape) in &keys.shapes {
                let at = mine.position(name);
                mine.shapes[at].1.merge(shape);
            }
        }
    }
}

impl Keys {
    fn position(&mut self, name: &str) -> usize {
        if let Some(at) = self.index.get(name) {
            return *at;
        }
        let at = self.shapes.len();
        self.index.insert(name.to_owned(), at);
        let declared = crate::contract::declared_type(&self.declared, name).is_some();
        self.shapes.push((name.to_owned(), Shape { declared, ..Shape::default() }));
        self.last.push(0);
        at
    }
}

/// A key, looked up without making a string of it.
struct Key<F>(F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Key<F> {
    type Value = T;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> std::result::Result<T, D::Error> {
        d.deserialize_str(self)
    }
}

impl<'de, T, F: FnOnce(&str) -> T> Visitor<'de> for Key<F> {
    type Value = T;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, key: &str) -> std::result::Result<T, E> {
        Ok((self.0)(key))
    }
}

struct Learn<'a>(&'a mut Shape);

impl<'de> DeserializeSeed<'de> for Learn<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> std::result::Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Learn<'_> {
    type Value = ();
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        Ok(())
    }
    fn visit_bool<E: serde::de::Error>(self, _: bool) -> std::result::Result<(), E> {
        self.0.boolean = true;
        self.0.mixed("true or false")
    }
    fn visit_i64<E: serde::de::Error>(self, v: i64) -> std::result::Result<(), E> {
        self.0.int = true;
        self.0.negative |= v < 0;
        self.0.mixed("a number")
    }
    fn visit_u64<E: serde::de::Error>(self, v: u64) -> std::result::Result<(), E> {
        self.0.int = true;
        self.0.big |= i64::try_from(v).is_err();
        self.0.mixed("a number")
    }
    fn visit_f64<E: serde::de::Error>(self, _: f64) -> std::result::Result<(), E> {
        self.0.float = true;
        self.0.mixed("a number")
    }
    fn visit_str<E: serde::de::Error>(self, _: &str) -> std::result::Result<(), E> {
        self.0.text = true;
        self.0.mixed("a string")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<(), A::Error> {
        self.0.list.get_or_insert_default();
        self.0.mixed("a list")?;
        let item = self.0.list.get_or_insert_default();
        item.declared |= self.0.declared;
        while seq.next_element_seed(Learn(item))?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        self.0.object.get_or_insert_default();
        self.0.mixed("an object")?;
        let declared = self.0.declared;
        let keys = self.0.object.get_or_insert_default();
        keys.objects += 1;
        while let Some(at) = map.next_key_seed(Key(|key: &str| keys.position(key)))? {
            if keys.last[at] == keys.objects {
                return Err(A::Error::custom(format!("the key `{}` is given twice in one object", keys.shapes[at].0)));
            }
            if keys.shapes.len() > MAX_KEYS {
                return Err(A::Error::custom("more than 10,000 different keys; write such a map as a list of key and value"));
            }
            keys.last[at] = keys.objects;
            keys.shapes[at].1.declared |= declared;
            map.next_value_seed(Learn(&mut keys.shapes[at].1))?;
        }
        Ok(())
    }
}

/// Builds one column, or one place inside a nested one.
enum Build {
    Bool(BooleanBuilder),
    Int(Int64Builder),
    Big(UInt64Builder),
    Float(Float64Builder),
    Text(StringViewBuilder),
    List { field: Arc<Field>, item: Box<Build>, ends: Vec<i32>, nulls: NullBufferBuilder },
    Object { fields: Fields, parts: Vec<Build>, index: HashMap<String, usize>, nulls: NullBufferBuilder },
    Declared(Cells, DataType),
}

impl Build {
    fn new(data_type: &DataType) -> Build {
        match data_type {
            DataType::Boolean => Build::Bool(BooleanBuilder::new()),
            DataType::Int64 => Build::Int(Int64Builder::new()),
            DataType::UInt64 => Build::Big(UInt64Builder::new()),
            DataType::Float64 => Build::Float(Float64Builder::new()),
            DataType::List(field) => Build::List {
                field: field.clone(),
                item: Box::new(Build::new(field.data_type())),
                ends: vec![0],
                nulls: NullBufferBuilder::new(0),
            },
            DataType::Struct(fields) => Build::Object {
                fields: fields.clone(),
                parts: fields.iter().map(|f| Build::new(f.data_type())).collect(),
                index: fields.iter().enumerate().map(|(i, f)| (f.name().clone(), i)).collect(),
                nulls: NullBufferBuilder::new(0),
            },
            _ => Build::Text(StringViewBuilder::new()),
        }
    }

    fn len(&self) -> usize {
        use arrow::array::ArrayBuilder;
        match self {
            Build::Bool(b) => b.len(),
            Build::Int(b) => b.len(),
            Build::Big(b) => b.len(),
            Build::Float(b) => b.len(),
            Build::Text(b) => b.len(),
            Build::List { nulls, .. } | Build::Object { nulls, .. } => nulls.len(),
            Build::Declared(cells, _) => cells.len(),
        }
    }

    fn null(&mut self) {
        match self {
            Build::Bool(b) => b.append_null(),
            Build::Int(b) => b.append_null(),
            Build::Big(b) => b.append_null(),
            Build::Float(b) => b.append_null(),
            Build::Text(b) => b.append_null(),
            Build::List { ends, nulls, .. } => {
                ends.push(ends.last().copied().unwrap_or(0));
                nulls.append_null();
            }
            Build::Object { parts, nulls, .. } => {
                parts.iter_mut().for_each(Build::null);
                nulls.append_null();
            }
            Build::Declared(cells, _) => cells.null(),
        }
    }

    fn finish(&mut self) -> Result<(ArrayRef, Option<ArrayRef>)> {
        Ok(match self {
            Build::Bool(b) => (Arc::new(b.finish()), None),
            Build::Int(b) => (Arc::new(b.finish()), None),
            Build::Big(b) => (Arc::new(b.finish()), None),
            Build::Float(b) => (Arc::new(b.finish()), None),
            Build::Text(b) => (Arc::new(b.finish()), None),
            Build::List { field, item, ends, nulls } => {
                let offsets = OffsetBuffer::new(std::mem::replace(ends, vec![0]).into());
                let list = ListArray::try_new(field.clone(), offsets, item.finish()?.0, nulls.finish());
                (Arc::new(list.map_err(Error::internal)?), None)
            }
            Build::Object { fields, parts, nulls, .. } => {
                let len = nulls.len();
                let columns = parts.iter_mut().map(|p| p.finish().map(|(a, _)| a)).collect::<Result<Vec<_>>>()?;
                (Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls.finish(), len).map_err(Error::internal)?), None)
            }
            Build::Declared(cells, _) => cells.finish()?,
        })
    }
}

struct Fill<'a>(&'a mut Build);

/// The scan saw every value, so a misfit means that the bytes are no longer the same.
fn changed<E: serde::de::Error>() -> E {
    E::custom("the value is not of the type found at opening; the file changed during the run")
}

impl<'de> DeserializeSeed<'de> for Fill<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> std::result::Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = ();
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        self.0.null();
        Ok(())
    }
    fn visit_bool<E: serde::de::Error>(self, v: bool) -> std::result::Result<(), E> {
        match self.0 {
            Build::Bool(b) => b.append_value(v),
            Build::Declared(cells, DataType::Boolean) => cells.text(if v { "true" } else { "false" }),
            Build::Declared(cells, _) => cells.unparsed(),
            _ => return Err(changed()),
        }
        Ok(())
    }
    fn visit_i64<E: serde::de::Error>(self, v: i64) -> std::result::Result<(), E> {
        match self.0 {
            Build::Int(b) => b.append_value(v),
            Build::Float(b) => b.append_value(v as f64),
            Build::Declared(cells, t) if t.is_numeric() => cells.text(&v.to_string()),
            Build::Declared(cells, _) => cells.unparsed(),
            _ => return Err(changed()),
        }
        Ok(())
    }
    fn visit_u64<E: serde::de::Error>(self, v: u64) -> std::result::Result<(), E> {
        match (self.0, i64::try_from(v)) {
            (Build::Int(b), Ok(v)) => b.append_value(v),
            (Build::Big(b), _) => b.append_value(v),
            (Build::Float(b), _) => b.append_value(v as f64),
            (Build::Declared(cells, t), _) if t.is_numeric() => cells.text(&v.to_string()),
            (Build::Declared(cells, _), _) => cells.unparsed(),
            _ => return Err(changed()),
        }
        Ok(())
    }
    fn visit_f64<E: serde::de::Error>(self, v: f64) -> std::result::Result<(), E> {
        match self.0 {
            Build::Float(b) => b.append_value(v),
            Build::Declared(cells, t) if t.is_numeric() => cells.text(&v.to_string()),
            Build::Declared(cells, _) => cells.unparsed(),
            _ => return Err(changed()),
        }
        Ok(())
    }
    fn visit_str<E: serde::de::Error>(self, v: &str) -> std::result::Result<(), E> {
        match self.0 {
            Build::Text(b) => b.append_value(v),
            // Dates, times and decimals have no other spelling in JSON; numbers and booleans do.
            Build::Declared(cells, t) if t.is_integer() || t.is_floating() || *t == DataType::Boolean => cells.unparsed(),
            Build::Declared(cells, _) => cells.text(v),
            _ => return Err(changed()),
        }
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<(), A::Error> {
        match self.0 {
            Build::List { item, ends, nulls, .. } => {
                while seq.next_element_seed(Fill(item))?.is_some() {}
                ends.push(i32::try_from(item.len()).map_err(|_| A::Error::custom("too many list items in one batch"))?);
                nulls.append_non_null();
            }
            Build::Declared(cells, _) => {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                cells.unparsed();
            }
            _ => return Err(changed()),
        }
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<(), A::Error> {
        match self.0 {
            Build::Object { parts, index, nulls, .. } => {
                let before = nulls.len();
                while let Some(at) = map.next_key_seed(Key(|key: &str| index.get(key).copied()))? {
                    match at {
                        Some(at) if parts[at].len() == before => map.next_value_seed(Fill(&mut parts[at]))?,
                        Some(_) => return Err(changed()),
                        None => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                parts.iter_mut().filter(|p| p.len() == before).for_each(Build::null);
                nulls.append_non_null();
            }
            Build::Declared(cells, _) => {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                cells.unparsed();
            }
            _ => return Err(changed()),
        }
        Ok(())
    }
}

/// Reads a value and keeps nothing.
struct Skip;

impl<'de> DeserializeSeed<'de> for Skip {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> std::result::Result<(), D::Error> {
        d.deserialize_ignored_any(IgnoredAny).map(|_| ())
    }
}

/// Feeds the next line that is not blank to the seed. The line must be one object and no more.
fn next<S>(window: &mut Window, seed: S) -> Result<Option<(Place, usize)>>
where
    S: for<'de> DeserializeSeed<'de, Value = ()>,
{
    loop {
        let Some((text, whole)) = window.line()? else { return Ok(None) };
        let place = Place { row: 0, offset: window.offset, line: window.line };
        let bytes = &window.bytes()[text.clone()];
        let line = window.utf8(bytes, place.line)?;
        if line.trim().is_empty() {
            window.consume(whole);
            continue;
        }
        if !line.trim_start().starts_with('{') {
            let error = window.error(place.line, "not an object; a JSON Lines file has one object per line");
            let array = line.trim_start().starts_with('[');
            return Err(error.help(if array {
                "write the array's items one per line, for example `jq -c '.[]'`"
            } else {
                "wrap the value: {\"text\": ...}"
            }));
        }
        let mut json = serde_json::Deserializer::from_str(line);
        let result = seed.deserialize(&mut json).and_then(|()| json.end());
        if let Err(e) = result {
            let text = e.to_string();
            let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(t, _)| t);
            let error = window.error(place.line, format!("{text} (character {})", e.column()));
            return Err(if e.is_eof() { error.help("one object must stand on one line, whole") } else { error });
        }
        window.consume(whole);
        return Ok(Some((place, whole)));
    }
}

impl JsonTable {
    pub fn scan(path: &Path, packed: Packed, options: &OpenOptions) -> Result<JsonTable> {
        guarded(path, || {
            let (mut text, mut window, hash) =
                TextFile::open(path, super::Format::Json { packed }, packed, options.format.encoding.as_deref())?;
            let mut shape = Shape::default();
            let keys = shape.object.get_or_insert_default();
            keys.declared = options.declared.iter().filter(|(_, t)| readable(&schema::plain(t))).cloned().collect();
            let mut rows = 0;
            while let Some((mut place, _)) = next(&mut window, Learn(&mut shape))? {
                place.row = rows;
                text.note(place);
                rows += 1;
                options.check_stop()?;
            }
            text.seal(rows, window.offset, &hash);
            Ok(JsonTable { text, shape, fields: Vec::new(), declared: Vec::new() })
        })
    }

    /// Settles the columns over all files: a key that a file lacks is null in it.
    pub fn settle(tables: &mut [JsonTable], declared: &[(String, DataType)]) -> Result<()> {
        let mut all = Shape::default();
        for table in tables.iter() {
            all.merge(&table.shape);
        }
        let declared_of = |name: &str| crate::contract::declared_type(declared, name).filter(|t| readable(&schema::plain(t)));
        let mut fields = Vec::new();
        let mut flags = Vec::new();
        for (name, shape) in all.object.iter().flat_map(|k| &k.shapes) {
            if declared_of(name).is_none() && !consistent(shape) {
                let mut parts = tables.iter().filter(|t| t.shape.object.as_ref().is_some_and(|k| k.index.contains_key(name)));
                let path = parts.next_back().map(|t| t.text.path.clone()).unwrap_or_default();
                let message = format!("the column `{name}` has another type of value here than in an earlier file");
                return Err(Error::data(path, message).help("declare its type in the contract, or write the data again"));
            }
            let data_type = declared_of(name).cloned().unwrap_or_else(|| shape.data_type());
            fields.push(schema::canonical(&Field::new(name, data_type, true)));
            flags.push(declared_of(name).is_some());
        }
        for table in tables {
            table.fields = fields.clone();
            table.declared = flags.clone();
        }
        Ok(())
    }
}

/// One family of values at every place.
fn consistent(shape: &Shape) -> bool {
    shape.families() <= 1
        && shape.list.as_ref().is_none_or(|item| consistent(item))
        && shape.object.as_ref().is_none_or(|keys| keys.shapes.iter().all(|(_, s)| consistent(s)))
}

impl Table for JsonTable {
    fn fields(&self) -> &[Field] {
        &self.fields
    }
    fn rows(&self) -> u64 {
        self.text.rows
    }
    fn bytes(&self) -> u64 {
        self.text.stamp.bytes
    }
    fn digest(&self) -> [u8; 32] {
        self.text.digest
    }
    fn shards(&self) -> Vec<(u64, u64)> {
        self.text.shards()
    }

    fn divide(&self, halves: &Halves<'_>) -> Result<()> {
        self.text.divide(halves, false, &mut |window| Ok(next(window, Skip)?.is_some()))
    }
    fn content(&self, path: &Path) -> Result<Content> {
        self.text.content(path, false, &mut |window| Ok(next(window, Skip)?.is_some()))
    }

    fn read(&self, first: u64, rows: u64, columns: &[usize], f: Rows<'_>) -> Result<()> {
        let (mut window, place) = self.text.reopen(first)?;
        let fields: Fields = columns.iter().map(|c| self.fields[*c].clone()).collect();
        let part = |(column, field): (&usize, &Arc<Field>)| match self.declared[*column] {
            true => Build::Declared(Cells::new(field.data_type()), field.data_type().clone()),
            false => Build::new(field.data_type()),
        };
        let mut row = Build::Object {
            parts: columns.iter().zip(&fields).map(part).collect(),
            index: fields.iter().enumerate().map(|(i, f)| (f.name().clone(), i)).collect(),
            fields: fields.clone(),
            nulls: NullBufferBuilder::new(0),
        };
        let (mut at, end) = (place.row, first + rows);
        while at < first {
            let mut skipped =
                Build::Object { fields: Fields::empty(), parts: Vec::new(), index: HashMap::new(), nulls: NullBufferBuilder::new(0) };
            if next(&mut window, Fill(&mut skipped))?.is_none() {
                return Ok(());
            }
            at += 1;
        }
        while at < end {
            let batch = guarded(&self.text.path, || {
                let (mut taken, mut bytes) = (0, 0);
                while at < end && taken < MAX_ROWS && bytes < BATCH_BYTES {
                    let Some((_, whole)) = next(&mut window, Fill(&mut row))? else { break };
                    at += 1;
                    taken += 1;
                    bytes += whole;
                }
                let Build::Object { parts, nulls, .. } = &mut row else { return Err(Error::internal("a row is an object")) };
                nulls.finish();
                let columns = parts.iter_mut().map(Build::finish).collect::<Result<Vec<_>>>()?;
                super::gather(taken, &fields, columns)
            })?;
            if batch.num_rows() == 0 {
                break;
            }
            f(batch)?;
        }
        Ok(())
    }
}
