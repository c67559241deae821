//! What is compared when copies are looked for: the texts of a row, its picture, or its vector.

use super::conflict::normalise;
use super::{text_columns, texts};
use crate::batch::Batch;
use crate::contract::Role;
use crate::features::image::likeness::likeness;
use crate::features::image::{Images, for_each};
use crate::features::vectors::{Vectors, folded, has_direction, is_vector};
use crate::rule::Context;
use crate::sketch::minhash::{BANDS, MINIMA, Signature, mix};
use crate::sketch::rotation::{self, Sums};
use arrow::datatypes::DataType;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Shorter texts are alike by chance, and one word is much of them.
const LEAST_WORDS: u32 = 8;
/// Places of 32 that agree between near copies. Of texts: similarity 3/4, one or two words in twenty. Of pictures: an angle
/// of 11 degrees; and of vectors 4, since rows of few columns come close to one another by nature.
const NEAR: [usize; 3] = [24, 22, 28];
/// Places that agree between rows of one flood, at least, and that are asked at most. Of texts: similarity 3/8; unrelated texts of a
/// language agree in none or one. Of pictures and vectors 22 (11 degrees) to 29: honest ones at 30 degrees agree in eleven.
const OF_A_FLOOD: [(usize, usize); 2] = [(12, 24), (22, 29)];
/// Places in a band of pictures and vectors: those at 4 degrees share one in three, strangers at 60 degrees none.
const WIDE: usize = 8;
/// Wider vectors are folded.
const WIDTH: usize = 512;

#[derive(Debug, Clone)]
pub enum Inputs {
    Texts(Vec<String>),
    Image(String),
    Vectors(String),
}

impl Inputs {
    /// All texts of a dataset; without any, its pictures, or else its vectors.
    pub fn of(context: &Context<'_>) -> Option<Inputs> {
        let texts = text_columns(context);
        if !texts.is_empty() {
            return Some(Inputs::Texts(texts));
        }
        let held = |role, fits: fn(&DataType) -> bool| {
            let column = context.roles.first(role)?;
            context.schema.field_with_name(column).is_ok_and(|f| fits(f.data_type())).then(|| column.to_owned())
        };
        let image = held(Role::Image, Images::fits).map(Inputs::Image);
        image.or_else(|| held(Role::Embedding, is_vector).map(Inputs::Vectors))
    }
    pub fn columns(&self) -> Vec<String> {
        match self {
            Inputs::Texts(columns) => columns.clone(),
            Inputs::Image(column) | Inputs::Vectors(column) => vec![column.clone()],
        }
    }
    /// Whether likeness is seen from the centre of all, which has to be found first.
    pub fn have_centre(&self) -> bool {
        matches!(self, Inputs::Vectors(_))
    }
    /// Places of two signatures that agree between near copies.
    pub fn near(&self) -> usize {
        let [texts, images, vectors] = NEAR;
        match self {
            Inputs::Texts(_) => texts,
            Inputs::Image(_) => images,
            Inputs::Vectors(_) => vectors,
        }
    }
    /// Agreement that makes rows members of one flood, at least, and asked at most.
    pub fn flood(&self) -> (usize, usize) {
        OF_A_FLOOD[usize::from(!self.are_texts())]
    }
    pub fn are_texts(&self) -> bool {
        matches!(self, Inputs::Texts(_))
    }
    /// Bands in which members of a flood are looked for, and how many of them must be frequent.
    pub fn bands(&self) -> (usize, usize) {
        if self.are_texts() { (BANDS, 2) } else { (MINIMA / WIDE, 1) }
    }
    pub fn band(&self, s: &Signature, i: usize) -> u64 {
        if self.are_texts() {
            return s.band(i);
        }
        s.minima[i * WIDE..(i + 1) * WIDE].iter().fold(i as u64, |h, &m| mix(h ^ u64::from(m)))
    }
    /// What near copies nearly always share, and strangers nearly never, where one band is not enough: pictures and vectors share
    /// a few of their places with many.
    pub fn halves(&self, s: &Signature) -> Option<[u64; 2]> {
        let half = |i: usize| s.minima[i * MINIMA / 2..][..MINIMA / 2].iter().fold(i as u64, |h, &m| mix(h ^ u64::from(m)));
        (!self.are_texts()).then(|| [half(0), half(1)])
    }
    /// What rows of the same input are called, for a person.
    pub fn name(&self) -> &'static str {
        match self {
            Inputs::Texts(_) => "input",
            Inputs::Image(_) => "picture",
            Inputs::Vectors(_) => "vector",
        }
    }

    pub fn sum(&self, batch: &Batch, sums: &mut Sums) {
        let Inputs::Vectors(column) = self else { return };
        each_vector(batch, column, |_, x| sums.add(&folded(x, WIDTH, 0)));
    }

    /// Calls `f` with every row that can be compared: its number, its content's hash, its signature and how it begins.
    pub fn each(&self, batch: &Batch, centre: &[f32], mut f: impl FnMut(usize, u64, &Signature, &str)) {
        match self {
            Inputs::Texts(columns) => {
                let texts = texts(columns, batch);
                let mut scratch = String::new();
                for row in 0..batch.rows() {
                    let of = || texts.iter().map(|t| t.as_ref().and_then(|t| t.get(row)));
                    let Some(s) = Signature::of(of()).filter(|s| s.words >= LEAST_WORDS) else { continue };
                    let content = of().fold(0, |hash, text| {
                        normalise(text.unwrap_or_default(), &mut scratch);
                        xxh3_64_with_seed(scratch.as_bytes(), hash)
                    });
                    f(row, content, &s, of().flatten().find(|t| !t.trim().is_empty()).unwrap_or_default());
                }
            }
            Inputs::Image(column) => for_each(batch, column, |row, image| {
                let Some(Ok(raster)) = image else { return };
                let content = raster.content();
                if let Some(s) = rotation::signature(&likeness(raster), content) {
                    f(row, content, &s, "");
                }
            }),
            Inputs::Vectors(column) => each_vector(batch, column, |row, x| {
                let content = content(x);
                if let Some(s) = rotation::about(centre, &folded(x, WIDTH, 0)).and_then(|x| rotation::signature(&x, content)) {
                    f(row, content, &s, "");
                }
            }),
        }
    }
}

/// Every vector with a direction.
pub fn each_vector(batch: &Batch, column: &str, mut f: impl FnMut(usize, &[f32])) {
    let Some(vectors) = batch.column(column).and_then(Vectors::of) else { return };
    for row in 0..batch.rows() {
        if let Some(x) = vectors.row(row).filter(|x| has_direction(x)) {
            f(row, x);
        }
    }
}

/// Equal numbers, equal hashes: a negative zero is a zero.
pub fn content(x: &[f32]) -> u64 {
    let bytes: Vec<u8> = x.iter().flat_map(|v| (v + 0.0).to_le_bytes()).collect();
    xxh3_64(&bytes)
}
