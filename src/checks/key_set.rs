//! The keys of other data that a contract names: read once when a rule is built, only below the
//! contract's roots, and only their columns. Keys are held as sorted 128-bit hashes; more of them than
//! the memory has room for is an error, never a smaller set.

use super::cells::listing;
use super::crossing::joint;
use super::duplicate_key::{can_be_key, hashes};
use crate::contract::{At, RuleKind, find, types};
use crate::error::{Diagnostic, Error, Result, group_digits};
use crate::rule::Context;
use crate::source::{OpenOptions, Source};
use arrow::array::ArrayRef;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use rayon::prelude::*;
use std::borrow::Cow;

/// Sorted, each once.
pub struct KeySet(Vec<u128>);

impl KeySet {
    pub fn contains(&self, key: u128) -> bool {
        self.0.binary_search(&key).is_ok()
    }
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// How values are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// As they are.
    Exact,
    /// Texts without case, and any run of characters that are neither letters nor digits as one space.
    Folded,
}

/// The type under which values of two files compare: encodings and widths of integers and floats do not count.
fn plain(t: &DataType) -> DataType {
    match t {
        DataType::Dictionary(_, v) => plain(v),
        DataType::RunEndEncoded(_, v) => plain(v.data_type()),
        // The widest integers of both signs fit.
        t if t.is_integer() => DataType::Decimal128(20, 0),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => DataType::Float64,
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        t => t.clone(),
    }
}

/// Letters and digits in lower case, one space between words. A text without any stays as it is.
pub fn folded(text: &str) -> Cow<'_, str> {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() {
            out.extend(c.to_lowercase());
        } else if !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
    }
    if out.ends_with(' ') {
        out.pop();
    }
    if out.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

/// One hash per row that values of another file can be compared with; `None` where a column is null.
pub fn row_keys(columns: &[ArrayRef], how: Likeness) -> Result<Vec<Option<u128>>> {
    let rows = columns.first().map_or(0, |c| c.len());
    let parts = columns.iter().map(|c| {
        let to = plain(c.data_type());
        if how == Likeness::Folded
            && let Some(text) = crate::batch::Text::of(c.as_ref())
        {
            let hash = |s: &str| xxhash_rust::xxh3::xxh3_128(folded(s).as_bytes());
            return Ok((0..c.len()).map(|i| text.get(i).map(hash)).collect());
        }
        if *c.data_type() == to { hashes(c) } else { hashes(&cast(c, &to).map_err(Error::internal)?) }
    });
    Ok(joint(parts.collect::<Result<Vec<_>>>()?, rows))
}

/// The keys of the data under `file`, in its columns `keys`, which must hold what `kinds` says.
pub fn read(
    ctx: &Context<'_>,
    code: &'static str,
    file: &At<String>,
    keys: &[String],
    kinds: &[DataType],
    how: Likeness,
) -> std::result::Result<KeySet, Diagnostic> {
    gather(ctx, code, file, keys, kinds, &|columns| Ok(row_keys(columns, how)?.into_iter().flatten().collect())).map(KeySet)
}

/// What each row of other data was labelled: ids with the labels that stand beside them.
pub struct Labels(Vec<(u128, u64)>);

impl Labels {
    /// Whether the id is known with other labels alone; `None` when it is not known.
    pub fn differs(&self, id: u128, label: u64) -> Option<bool> {
        let from = self.0.partition_point(|(i, _)| *i < id);
        let known = self.0.get(from).is_some_and(|(i, _)| *i == id);
        known.then(|| self.0[from..].binary_search(&(id, label)).is_err())
    }
}

/// A label as [`Labels`] holds it: the low half tells any realistic number of them apart.
pub fn short(label: u128) -> u64 {
    label as u64
}

/// The labels of other data by id; `columns` are the id and the label.
pub fn read_labels(
    ctx: &Context<'_>,
    code: &'static str,
    file: &At<String>,
    columns: &[String; 2],
    kinds: &[DataType; 2],
) -> std::result::Result<Labels, Diagnostic> {
    let pairs = |columns: &[ArrayRef]| {
        let [id, label] = columns else { return Ok(Vec::new()) };
        let (ids, labels) = (row_keys(std::slice::from_ref(id), Likeness::Exact)?, row_keys(std::slice::from_ref(label), Likeness::Exact)?);
        Ok(ids.into_iter().zip(labels).filter_map(|(id, label)| Some((id?, short(label?)))).collect())
    };
    gather(ctx, code, file, columns, kinds, &pairs).map(Labels)
}

/// What `of` makes of the rows of the data under `file`, sorted, each once.
fn gather<T: Ord + Copy + Send>(
    ctx: &Context<'_>,
    code: &'static str,
    file: &At<String>,
    keys: &[String],
    kinds: &[DataType],
    of: &(dyn Fn(&[ArrayRef]) -> Result<Vec<T>> + Sync),
) -> std::result::Result<Vec<T>, Diagnostic> {
    let name = &file.value;
    let cannot = |e: Error| {
        let d = Diagnostic::new(code, format!("`{name}` cannot be read: {e}")).at(file.span);
        match &e {
            Error::Usage { help: Some(h), .. } | Error::Data { help: Some(h), .. } => d.help(h.clone()),
            _ => d,
        }
    };
    let path = ctx.contract.folder().join(name);
    let paths = [path.to_string_lossy().into_owned()];
    let files = if path.is_file() { vec![path.clone()] } else { Source::find(&paths).map_err(cannot)? };
    for one in &files {
        if !find::inside_roots(ctx.contract, ctx.contract.limit.as_deref(), one) {
            let d = Diagnostic::new("C010", format!("`{name}` lies outside what the contract may read")).at(file.span);
            return Err(d.help("widen `roots:`; never beyond --root"));
        }
    }
    // In a text file the other side is read as what this side is.
    let declared = keys.iter().cloned().zip(kinds.iter().map(plain_declared)).collect();
    let options = OpenOptions { format: ctx.contract.format.clone(), declared, ..OpenOptions::default() };
    let source = Source::open(&paths, &options).map_err(cannot)?;
    for (key, kind) in keys.iter().zip(kinds) {
        let Ok(field) = source.schema.field_with_name(key) else {
            let has: Vec<&str> = source.schema.fields().iter().map(|f| f.name().as_str()).collect();
            let d = Diagnostic::new(code, format!("`{name}` has no column `{key}`")).at(file.span);
            return Err(d.help(format!("it has: {}", listing(&has))));
        };
        if plain(field.data_type()) != plain(kind) || !can_be_key(&plain(kind)) {
            let (there, here) = (types::name(field.data_type()), types::name(kind));
            let d = Diagnostic::new(code, format!("`{key}` of `{name}` is {there}, which cannot be compared with {here}")).at(file.span);
            return Err(d.help("both sides need one type; the widths of integers and floats do not count"));
        }
    }
    // The sets of a contract share a quarter of the memory.
    let sets = ctx.contract.rules.iter().map(|r| if let RuleKind::Dataset(d) = &r.kind { d.files().len() } else { 0 }).sum::<usize>();
    let most = usize::try_from(ctx.plan.memory / 4 / size_of::<T>() as u64 / sets.max(1) as u64).unwrap_or(usize::MAX).max(1024);
    let full = || {
        let held = group_digits(most as u64);
        Error::resource("keys in memory", format!("`{name}` has more than the {held} that fit")).help("pass a larger --memory")
    };
    let one = |shard: &crate::source::Shard| -> Result<Vec<T>> {
        let mut out: Vec<T> = Vec::new();
        source.read(shard, keys, &mut |batch| {
            let columns: Vec<ArrayRef> = keys.iter().filter_map(|k| batch.column(k).cloned()).collect();
            out.extend(of(&columns)?);
            if out.len() > most {
                out.sort_unstable();
                out.dedup();
            }
            if out.len() > most { Err(full()) } else { Ok(()) }
        })?;
        out.sort_unstable();
        out.dedup();
        Ok(out)
    };
    let joined = |mut a: Vec<T>, b: Vec<T>| {
        a.extend(b);
        a.sort_unstable();
        a.dedup();
        if a.len() > most { Err(full()) } else { Ok(a) }
    };
    let shards = source.shards();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(ctx.plan.threads.max(1)).build();
    let pool = pool.map_err(|e| cannot(Error::resource("threads", e)))?;
    let read = pool.install(|| shards.par_iter().map(one).try_reduce(Vec::new, joined));
    read.map_err(cannot)
}

/// What a text file is told about a column: its type without the encoding.
fn plain_declared(t: &DataType) -> DataType {
    match t {
        DataType::Dictionary(_, v) => plain_declared(v),
        DataType::RunEndEncoded(_, v) => plain_declared(v.data_type()),
        t => t.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{DictionaryArray, Int8Array, Int64Array, LargeStringArray, StringArray, UInt64Array};
    use arrow::datatypes::Int8Type;
    use std::sync::Arc;

    #[test]
    fn keys_compare_across_widths_and_encodings() {
        let one = |a: ArrayRef| row_keys(&[a], Likeness::Exact).unwrap();
        let wide = one(Arc::new(Int64Array::from(vec![Some(7), None, Some(-1)])));
        assert_eq!(wide, one(Arc::new(Int8Array::from(vec![Some(7), None, Some(-1)]))));
        assert_eq!(wide[0], one(Arc::new(UInt64Array::from(vec![7])))[0]);
        assert!(one(Arc::new(UInt64Array::from(vec![u64::MAX])))[0] != wide[2]);
        let dict: DictionaryArray<Int8Type> = vec![Some("a"), None].into_iter().collect();
        assert_eq!(one(Arc::new(dict)), one(Arc::new(LargeStringArray::from(vec![Some("a"), None]))));
    }

    #[test]
    fn folding_forgets_case_and_signs_and_keeps_what_has_no_letters() {
        assert_eq!(folded("  The  CAT, sat. "), "the cat sat");
        assert_eq!(folded("?!"), "?!");
        assert_eq!(folded(""), "");
        let key = |s: &str| row_keys(&[Arc::new(StringArray::from(vec![s])) as ArrayRef], Likeness::Folded).unwrap()[0];
        assert_eq!(key("The cat"), key("the\tcat!"));
        assert!(key("the cat") != key("the cats"));
    }

    #[test]
    fn parts_of_a_composite_key_are_not_glued() {
        let of = |a: &str, b: &str| {
            let parts: Vec<ArrayRef> = vec![Arc::new(StringArray::from(vec![a])), Arc::new(StringArray::from(vec![b]))];
            row_keys(&parts, Likeness::Exact).unwrap()[0]
        };
        assert!(of("ab", "c") != of("a", "bc"));
    }
}
