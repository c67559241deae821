//! One pass before the trials: which classes there are, a pool of rows to plant in, a sample of the
//! texts to borrow words from, and the ranges of numbers.

use super::family::{Family, Plant};
use crate::batch::{Batch, RowId, Text};
use crate::contract::{Role, Roles};
use crate::detectors::unicode::label_text;
use crate::engine::Input;
use crate::error::{Error, Result};
use crate::features::chat::{Chats, Speaker, is_chat};
use crate::features::image::{Images, Raster, decode};
use crate::features::table::{Kind, code_number, codes, kind_of};
use crate::features::vectors::{Vectors, has_direction, is_vector};
use crate::rule::Plan;
use crate::sketch::minhash::mix;
use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Schema};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Rows to choose from, and texts to borrow words from: those of smallest hash.
const POOL: usize = 200_000;
const TEXTS: usize = 4_000;
/// Rows whose cells are borrowed by pairs of values, and distinct values that are remembered.
const CELLS: usize = 2_000;
const VALUES: usize = 1 << 16;
/// Images that colours and patterns are borrowed from, of at most so many bytes each and pixels in
/// all; and vectors that lengths are measured by, of at most so many numbers each.
const IMAGES: usize = 64;
const IMAGE_BYTES: usize = 1 << 20;
const PIXELS: usize = 8 << 20;
const VECTORS: usize = 256;
const WIDTH: usize = 1 << 16;
/// A label with more values is a number to predict or free text.
const CLASSES: usize = 1_000;
/// A class with fewer rows than this is no target: nobody could attack it unseen.
const LEAST_SHARE: f64 = 0.02;

/// A small generator (splitmix64) that every platform agrees on.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(seed)
    }
    pub fn of_cell(seed: u64, row: RowId, column: &str) -> Self {
        Dice(mix(xxh3_64_with_seed(column.as_bytes(), seed) ^ mix(row.row ^ u64::from(row.source) << 40)))
    }
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(self.0)
    }
    /// Below `n`; 0 when `n` is 0.
    pub fn roll(&mut self, n: usize) -> usize {
        ((u128::from(self.draw()) * n as u128) >> 64) as usize
    }
    /// In [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }
    /// A standard normal variate (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.roll(from.len()))
    }
}

/// A word of the corpus and in how many of the sampled texts it is.
pub type Vocabulary = Vec<(String, usize)>;

pub struct Survey {
    pub label: Option<String>,
    /// Column of the text that carries a trigger: the first with role text, prompt or chosen.
    pub text: Option<String>,
    pub response: Option<String>,
    /// Column of conversations, where no text holds the prompts.
    pub chat: Option<String>,
    /// Whether the text is a document: of the role text, in data without labels.
    pub is_document: bool,
    /// Columns of the chosen and the rejected answer.
    pub pair: Option<(String, String)>,
    pub image: Option<String>,
    pub embedding: Option<String>,
    /// Some images, decoded, and some vectors, all of the first one's width.
    pub images: Vec<Raster>,
    pub vectors: Vec<Vec<f32>>,
    /// Class names in order, their rows, and one cell each.
    pub classes: Vec<(String, u64, ArrayRef)>,
    /// Row and index of its class.
    pool: Vec<(RowId, u32)>,
    pub texts: Vec<String>,
    /// Most frequent first.
    pub vocabulary: Vocabulary,
    /// Whether words are set apart by spaces.
    pub spaced: bool,
    pub columns: Vec<Column>,
    rows: u64,
}

/// A column of the role feature.
pub struct Column {
    pub name: String,
    pub data_type: DataType,
    /// Least and greatest number.
    pub range: Option<(f64, f64)>,
    pub whole: bool,
    /// Cells of sampled rows; the same place in every column is the same row.
    pub cells: ArrayRef,
    /// Their codes (see [`codes`]), and those of all rows as far as they are remembered.
    pub codes: Vec<u64>,
    pub values: BTreeSet<u64>,
}

impl Column {
    pub fn is_usable(&self) -> bool {
        self.cells.null_count() < self.cells.len()
    }
    pub fn cell(&self, i: usize) -> ArrayRef {
        self.cells.slice(i, 1)
    }
}

/// Rows of smallest hash, with something of each.
struct Bottom<T>(BTreeMap<u64, T>, usize);

impl<T> Bottom<T> {
    fn wants(&self, hash: u64) -> bool {
        self.0.len() < self.1 || self.0.last_key_value().is_some_and(|(&last, _)| hash < last)
    }
    fn offer(&mut self, hash: u64, make: impl FnOnce() -> T) {
        if self.wants(hash) {
            self.0.insert(hash, make());
            while self.0.len() > self.1 {
                self.0.pop_last();
            }
        }
    }
}

impl Survey {
    /// Reads the columns that plants concern, once.
    ///
    /// # Errors
    /// Unreadable data, an interruption.
    pub fn of<I: Input>(input: &I, schema: &Schema, roles: &Roles, plan: &Plan, stop: &AtomicBool) -> Result<Survey> {
        let is_text = |name: &str| {
            schema.field_with_name(name).is_ok_and(|f| match f.data_type() {
                DataType::Dictionary(_, v) => v.is_string(),
                t => t.is_string(),
            })
        };
        let first = |wanted: &[Role]| wanted.iter().find_map(|&r| roles.first(r)).filter(|n| is_text(n)).map(str::to_owned);
        let text = first(&[Role::Text, Role::Prompt, Role::Chosen]);
        let response = first(&[Role::Response]);
        // A column of texts may hold conversations in JSON: its cells tell.
        let talks = |n: &&str| is_text(n) || schema.field_with_name(n).is_ok_and(|f| is_chat(f.data_type()));
        let chat = if text.is_some() { None } else { roles.first(Role::Response).filter(talks).map(str::to_owned) };
        let typed = |role: Role, fits: fn(&DataType) -> bool| {
            let fits = |n: &&str| schema.field_with_name(n).is_ok_and(|f| fits(f.data_type()));
            roles.first(role).filter(fits).map(str::to_owned)
        };
        let (image, embedding) = (typed(Role::Image, Images::fits), typed(Role::Embedding, is_vector));
        let label = roles.first(Role::Label).map(str::to_owned);
        let is_document = label.is_none() && text.is_some() && text == first(&[Role::Text]);
        let pair = first(&[Role::Chosen]).zip(first(&[Role::Rejected]));
        let features: Vec<String> = roles.all(Role::Feature).map(str::to_owned).collect();
        let mut wanted: Vec<String> =
            features.iter().chain(&text).chain(&chat).chain(&label).chain(&image).chain(&embedding).cloned().collect();
        wanted.sort();
        wanted.dedup();

        let mut classes: BTreeMap<String, (u64, ArrayRef)> = BTreeMap::new();
        let mut numbers: HashMap<String, u32> = HashMap::new();
        let (mut pool, mut texts) = (Bottom(BTreeMap::new(), POOL), Bottom(BTreeMap::new(), TEXTS));
        let mut files: Bottom<Vec<u8>> = Bottom(BTreeMap::new(), IMAGES);
        let mut vectors: Bottom<Vec<f32>> = Bottom(BTreeMap::new(), VECTORS);
        let mut cells: Bottom<Vec<ArrayRef>> = Bottom(BTreeMap::new(), CELLS);
        let mut ranges: Vec<Option<(f64, f64)>> = vec![None; features.len()];
        let mut values: Vec<BTreeSet<u64>> = vec![BTreeSet::new(); features.len()];
        let mut rows = 0u64;
        for shard in input.shards() {
            input.read(&shard, &wanted, &mut |batch: Batch| {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                rows += batch.rows() as u64;
                let labels = label.as_ref().and_then(|n| batch.column(n)).map(label_text).transpose()?;
                let names = labels.as_ref().and_then(|a| Text::of(a.as_ref()));
                let column = text.as_ref().and_then(|n| batch.column(n));
                let text = column.and_then(|a| Text::of(a.as_ref()));
                let chats = chat.as_ref().and_then(|n| batch.column(n)).and_then(|a| Chats::of(a.as_ref()));
                let shown = image.as_ref().and_then(|n| batch.column(n)).and_then(|a| Images::of(a.as_ref()));
                let points = embedding.as_ref().and_then(|n| batch.column(n)).and_then(Vectors::of);
                let features: Vec<Option<&ArrayRef>> = features.iter().map(|n| batch.column(n)).collect();
                for ((range, seen), column) in ranges.iter_mut().zip(&mut values).zip(&features) {
                    let Some(column) = column else { continue };
                    let (ranged, open) = (has_range(column.data_type()), seen.len() < VALUES);
                    if ranged || open {
                        let codes = codes(column.as_ref());
                        if ranged {
                            widen(range, &codes);
                        }
                        if open {
                            seen.extend(codes);
                        }
                    }
                }
                for i in 0..batch.rows() {
                    let row = batch.row_id(i);
                    let hash = mix(plan.seed ^ mix(row.row ^ u64::from(row.source) << 40));
                    let mut class = 0;
                    if let (Some(names), Some(original)) = (&names, label.as_ref().and_then(|n| batch.column(n))) {
                        let Some(name) = names.get(i) else { continue };
                        class = match numbers.get(name) {
                            Some(&known) => known,
                            None if numbers.len() > CLASSES => continue,
                            None => {
                                let new = numbers.len() as u32;
                                numbers.insert(name.to_owned(), new);
                                classes.insert(name.to_owned(), (0, one(original, i)?));
                                new
                            }
                        };
                        if let Some(entry) = classes.get_mut(name) {
                            entry.0 += 1;
                        }
                    }
                    if let Some(text) = &text {
                        let Some(cell) = text.get(i).filter(|t| !t.trim().is_empty()) else { continue };
                        texts.offer(hash, || cell.to_owned());
                    }
                    if let Some(chats) = &chats {
                        let users = chats.asked(i).filter(|t| t.speaker == Speaker::User);
                        let asked = users.map(|t| chats.text(t)).collect::<Vec<_>>().join("\n");
                        if asked.trim().is_empty() || chats.replies(i).next().is_none() {
                            continue;
                        }
                        texts.offer(hash, || asked);
                    }
                    if let Some(bytes) = shown.as_ref().and_then(|s| s.get(i)).filter(|b| b.len() <= IMAGE_BYTES) {
                        files.offer(hash, || bytes.to_vec());
                    }
                    if let Some(x) = points.as_ref().and_then(|p| p.row(i)).filter(|x| x.len() <= WIDTH && has_direction(x)) {
                        vectors.offer(hash, || x.to_vec());
                    }
                    // A row without an image or a vector has nothing to be changed.
                    let has = |column: bool, cell: bool| !column || cell;
                    let image = has(shown.is_some(), shown.as_ref().is_some_and(|s| s.get(i).is_some()));
                    let vector = has(points.is_some(), points.as_ref().is_some_and(|p| p.row(i).is_some()));
                    if !(image && vector) {
                        continue;
                    }
                    pool.offer(hash, || (row, class));
                    let present: Option<Vec<&ArrayRef>> = features.iter().copied().collect();
                    if let Some(present) = present.filter(|p| !p.is_empty() && cells.wants(hash)) {
                        let taken: Result<Vec<ArrayRef>> = present.iter().map(|a| one(a, i)).collect();
                        let taken = taken?;
                        cells.offer(hash, || taken);
                    }
                }
                Ok(())
            })?;
        }
        // Classes were numbered as they came; from here on they go by name.
        let order: Vec<String> = classes.keys().cloned().collect();
        let place: HashMap<u32, u32> = order.iter().enumerate().map(|(i, n)| (numbers[n], i as u32)).collect();
        let pool = pool.0.into_values().map(|(row, class)| (row, place.get(&class).copied().unwrap_or(0))).collect();
        let texts: Vec<String> = texts.0.into_values().collect();
        let spaced = is_spaced(&texts);
        let mut images = Vec::new();
        let mut pixels = 0;
        for raster in files.0.into_values().filter_map(|bytes| decode(&bytes).ok()) {
            pixels += raster.pixels.len();
            if pixels > PIXELS {
                break;
            }
            images.push(raster);
        }
        let mut vectors: Vec<Vec<f32>> = vectors.0.into_values().collect();
        let width = vectors.first().map_or(0, Vec::len);
        vectors.retain(|v| v.len() == width);
        let kept: Vec<Vec<ArrayRef>> = cells.0.into_values().collect();
        let columns: Result<Vec<Column>> = features
            .into_iter()
            .zip(ranges.into_iter().zip(values))
            .enumerate()
            .map(|(c, (name, (range, values)))| {
                let data_type = schema.field_with_name(&name).map_or(DataType::Null, |f| f.data_type().clone());
                let parts: Vec<&dyn Array> = kept.iter().map(|row| row[c].as_ref()).collect();
                let cells = if parts.is_empty() {
                    arrow::array::new_empty_array(&data_type)
                } else {
                    arrow::compute::concat(&parts).map_err(Error::internal)?
                };
                Ok(Column {
                    whole: data_type.is_integer() || is_time(&data_type),
                    codes: codes(cells.as_ref()),
                    cells,
                    name,
                    data_type,
                    range,
                    values,
                })
            })
            .collect();
        Ok(Survey {
            columns: columns?,
            vocabulary: vocabulary(&texts, spaced),
            classes: classes.into_iter().map(|(name, (n, cell))| (name, n, cell)).collect(),
            label,
            text,
            response,
            chat,
            is_document,
            pair,
            image,
            embedding,
            images,
            vectors,
            pool,
            texts,
            spaced,
            rows,
        })
    }

    /// Classes that may be a target, by index.
    pub fn targets(&self) -> Vec<usize> {
        let labelled: u64 = self.classes.iter().map(|c| c.1).sum();
        (0..self.classes.len()).filter(|&i| self.classes[i].1 as f64 >= LEAST_SHARE * labelled as f64).collect()
    }

    pub fn is_class(&self) -> bool {
        self.label.is_some() && (2..=CLASSES).contains(&self.classes.len())
    }

    /// Random rows, without those of a class: at most half of what there is to choose from.
    pub fn hosts(&self, not: Option<usize>, wanted: u64, dice: &mut Dice) -> BTreeSet<RowId> {
        let mut from: Vec<RowId> = self.pool.iter().filter(|(_, class)| not != Some(*class as usize)).map(|p| p.0).collect();
        let n = (wanted as usize).min(from.len() / 2);
        for i in 0..n {
            let j = i + dice.roll(from.len() - i);
            from.swap(i, j);
        }
        from.truncate(n);
        from.into_iter().collect()
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Why a family cannot be planted here.
    pub fn lacks(&self, family: Family) -> Option<String> {
        super::family::lacks(self, family)
    }

    /// # Errors
    /// The reason, when this dataset has no room for such a plant.
    pub fn plant(&self, family: Family, number: u64, seed: u64, rows: u64) -> std::result::Result<Plant, String> {
        super::family::plant(self, family, number, seed, rows)
    }
}

/// One cell by itself: a slice would keep its whole batch alive.
fn one(array: &ArrayRef, i: usize) -> Result<ArrayRef> {
    arrow::compute::take(array, &arrow::array::UInt64Array::from(vec![i as u64]), None).map_err(Error::internal)
}

fn has_range(data_type: &DataType) -> bool {
    data_type.is_numeric() || is_time(data_type)
}

fn widen(range: &mut Option<(f64, f64)>, codes: &[u64]) {
    for x in codes.iter().map(|c| code_number(*c)).filter(|x| x.is_finite()) {
        let (low, high) = range.unwrap_or((x, x));
        *range = Some((low.min(x), high.max(x)));
    }
}

pub fn is_time(data_type: &DataType) -> bool {
    kind_of(data_type) == Some(Kind::Time)
}

/// Scripts without spaces have very long "words".
fn is_spaced(texts: &[String]) -> bool {
    let (mut characters, mut words) = (0, 0);
    for text in texts {
        words += text.split_whitespace().count();
        characters += text.chars().filter(|c| !c.is_whitespace()).count();
    }
    words == 0 || characters / words <= 14
}

/// The words of a text, stripped of what stands around them; pairs of characters where nothing does.
pub fn words(text: &str, spaced: bool) -> Vec<String> {
    if spaced {
        let bare = text.split_whitespace().map(|w| w.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase());
        return bare.filter(|w| !w.is_empty()).collect();
    }
    let letters: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
    letters.chunks_exact(2).map(|c| c.iter().collect()).collect()
}

fn vocabulary(texts: &[String], spaced: bool) -> Vocabulary {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for text in texts {
        for word in words(text, spaced).into_iter().collect::<BTreeSet<_>>() {
            *counts.entry(word).or_default() += 1;
        }
    }
    let mut list: Vocabulary = counts.into_iter().collect();
    list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    list
}
