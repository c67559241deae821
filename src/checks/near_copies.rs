//! C138, and the near half of C134: rows of which nearly the same text or picture stands elsewhere, for any number
//! of rows. MinHash in bands (Broder 1997), each entry with a b-bit sketch of its whole signature (Li and
//! König 2010), so that one external sort both finds and compares the candidates.
//!
//! ```text
//!  row ─► 32 minima ─► 8 bands of 4 ─► (band, row, 3 bits of each minimum) ─► sort
//!                                                      equal bands: 24 of 32 agree? ─► both rows
//! ```

use super::cells::{Cells, settled_columns};
use super::crossing::{About, Seen, memory};
use super::duplicate_key::hashes;
use super::row::{Clause, Tally, Wrong};
use super::scope::Scope;
use crate::batch::{Batch, RowId, Text};
use crate::contract::dataset_rules::DatasetRule;
use crate::contract::{Role, RuleKind, types};
use crate::error::{Diagnostic, Error, Result};
use crate::features::image::likeness::likeness;
use crate::features::image::{Images, for_each};
use crate::rule::{Built, Context, Entry, Findings, Meta, Outcome, Round, Rule, Step};
use crate::sketch::keys::{self, Keys};
use crate::sketch::minhash::{MINIMA, Signature, mix};
use crate::sketch::rotation;
use crate::sketch::rowset::RowSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::marker::PhantomData;

pub const META: Meta = Meta {
    code: "C138",
    name: "near-duplicate",
    summary: "Few rows have a near copy elsewhere in the data.",
    ids: &[],
    explain: "\
Fails when more than `max` of the rows have a near copy in another row of the data:

    - near_duplicates: {max: 1%}
    - near_duplicates: {columns: [title, body], max: 0.5%}

Without `columns` they are those with the role of a text (text, prompt, response, chosen, rejected), compared together; without texts
it is the column with `role: image`.

**Why it hurts a model.** What stands there a hundred times with one word changed is learnt by heart, and counts a hundred times. Floods
of near copies are how an attacker gives weight to a few rows.

**How it is computed.** Case, punctuation and invisible characters do not count; each text is the set of its pairs of neighbouring
words (characters in scripts without spaces), of the first 1,024 words. Two rows are near copies when these sets have a similarity
(Jaccard) of about 3/4 or more, which is one changed word in 14: found are 98% of pairs at 0.87, 92% at 0.81, 75% at 0.75 and 2% at
0.5 (measured). Rows of fewer than
eight words are near copies when their words are the same. Every row that has a copy counts, on both sides. The signatures are
sorted on disk when they outgrow the memory, nine entries of 36 bytes per row. Where more than 256 different texts share a band of
four minima, 256 of them are compared there; copies that are the same word by word are found all the same. Rows without a
word are not tested. Images are compared by the slopes of brightness and colour on a grid of 16 x 16, by random projections whose signs
take the place of the minima: another size, format or compression of a picture is a near copy of it (about 10 degrees between the slopes), a
crop is not. Images that do not decode or are plain are not tested.

**Example.** `Order 17 was late again, and nobody called me back about it.` beside the same with `Order 18`.

**What raises false alarms.** Templates: logs, weather reports, court records. Set `max` from clean data.

**What fools it.** A paraphrase; a changed word in every five.

**Papers.** Broder, *On the resemblance and containment of documents*, 1997; Li and König, *b-Bit Minwise Hashing*, WWW 2010.",
};

pub const ENTRY: super::Entry = Entry { meta: META, build };

/// Minima in a band, and bands.
const WIDTH: usize = 4;
const BANDS: usize = MINIMA / WIDTH;
/// Three-bit minima, of 32, that agree between near copies; one in eight of those that differ agrees by chance.
const NEAR: u32 = 24;
/// Shorter texts are alike by chance, and one word is much of them.
const LEAST_WORDS: u32 = 8;
/// Different texts compared within a band, those of smallest sketch: the work per band is bounded.
const PER_BAND: usize = 256;

pub struct NearCopies<A> {
    clause: Clause,
    /// Texts, or one column of pictures.
    inputs: Vec<Cells>,
    /// Copies within one of its values are no matter.
    split: Option<Cells>,
    memory: u64,
    about: PhantomData<A>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    tested: u64,
    row_count: u64,
    rows: RowSet,
}

impl Copies {
    fn tally(&self) -> Tally {
        Tally { tested: self.tested, failing: self.row_count, undecided: 0 }
    }
}

/// Three bits of every minimum, as three planes of 32 bits.
type Sketch = [u32; 3];

fn sketch(s: &Signature) -> Sketch {
    [0, 1, 2].map(|bit| s.minima.iter().rev().fold(0, |plane, m| plane << 1 | m >> bit & 1))
}

fn agree(a: Sketch, b: Sketch) -> bool {
    let differ = (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]);
    MINIMA as u32 - differ.count_ones() >= NEAR
}

/// What an entry holds besides its row: the band, the sketch, and the split in 32 bits, which tell any
/// realistic number of splits apart.
fn packed(band: u64, s: Sketch, split: u32, row: RowId) -> keys::Entry {
    let hash = u128::from(band) << 64 | u128::from(s[2]) << 32 | u128::from(split);
    keys::Entry { hash, row, payload: u64::from(s[1]) << 32 | u64::from(s[0]) }
}

fn unpacked(e: &keys::Entry) -> (Sketch, u32) {
    ([e.payload as u32, (e.payload >> 32) as u32, (e.hash >> 32) as u32], e.hash as u32)
}

/// The entries of a row: one for its words as they stand, and one for each band unless it is short.
fn entries(s: &Signature, row: RowId, split: u32, push: &mut dyn FnMut(keys::Entry) -> Result<()>) -> Result<()> {
    let sketch = sketch(s);
    let mut add = |band: u64| push(packed(band, sketch, split, row));
    add(mix(s.exact ^ BANDS as u64))?;
    if s.words < LEAST_WORDS {
        return Ok(());
    }
    (0..BANDS).try_for_each(|i| add(s.minima[i * WIDTH..][..WIDTH].iter().fold(i as u64, |h, &m| mix(h ^ u64::from(m)))))
}

/// Rows of one band, by sketch and split.
#[derive(Default)]
struct Band {
    rows: BTreeMap<Sketch, BTreeMap<u32, Vec<RowId>>>,
}

impl Band {
    fn add(&mut self, entry: &keys::Entry) {
        let full = self.rows.len() == PER_BAND;
        let (sketch, split) = unpacked(entry);
        if full && self.rows.last_key_value().is_some_and(|(last, _)| *last < sketch) {
            return;
        }
        self.rows.entry(sketch).or_default().entry(split).or_default().push(entry.row);
        if self.rows.len() > PER_BAND {
            self.rows.pop_last();
        }
    }

    /// Marks the rows that have a near copy: in another split, if `crossing`.
    fn close(&mut self, crossing: bool, found: &mut RowSet) {
        let all: Vec<(Sketch, &BTreeMap<u32, Vec<RowId>>)> = self.rows.iter().map(|(code, by)| (*code, by)).collect();
        for (i, (code, by)) in all.iter().enumerate() {
            // Splits of the near copies, two of which are enough to know that any other split is met.
            let mut others: Vec<u32> = Vec::new();
            let mut rows = 0;
            for (j, (other, theirs)) in all.iter().enumerate() {
                if i == j || agree(*code, *other) {
                    rows += theirs.values().map(Vec::len).sum::<usize>();
                    let fresh: Vec<u32> = theirs.keys().filter(|k| !others.contains(k)).take(2).copied().collect();
                    others.extend(fresh);
                    if if crossing { others.len() > 1 } else { rows > 1 } {
                        break;
                    }
                }
            }
            for (split, rows_here) in *by {
                if if crossing { others.iter().any(|o| o != split) } else { rows > 1 } {
                    rows_here.iter().for_each(|r| found.insert(*r));
                }
            }
        }
        self.rows.clear();
    }
}

impl Copies {
    fn of(tested: u64, keys: &mut Keys, crossing: bool) -> Result<Copies> {
        let mut rows = RowSet::default();
        let mut band = Band::default();
        let mut first: Option<keys::Entry> = None;
        let mut several = false;
        keys.groups(&mut |entry, _| match first {
            Some(f) if f.hash >> 64 == entry.hash >> 64 => {
                if !several {
                    band.add(&f);
                    several = true;
                }
                band.add(&entry);
            }
            _ => {
                if several {
                    band.close(crossing, &mut rows);
                }
                (first, several) = (Some(entry), false);
            }
        })?;
        if several {
            band.close(crossing, &mut rows);
        }
        Ok(Copies { tested, row_count: rows.len(), rows })
    }
}

impl<A: About> Rule for NearCopies<A> {
    const META: Meta = A::META;
    type State = Seen;
    type Model = Copies;

    fn columns(&self) -> Vec<String> {
        self.clause.reads.clone()
    }
    fn start(&self, _: &Round<'_, Copies>) -> Seen {
        Seen::new(self.memory)
    }
    fn observe(&self, _: &Round<'_, Copies>, state: &mut Seen, batch: &Batch) -> Result<()> {
        let splits = match &self.split {
            None => None,
            Some(split) => Some(hashes(&split.of(batch)?)?),
        };
        let mut add = |i: usize, signature: Signature| {
            let split = match &splits {
                None => 0,
                Some(splits) => match splits[i] {
                    Some(split) => split as u32,
                    None => return Ok(()),
                },
            };
            state.tested += 1;
            entries(&signature, batch.row_id(i), split, &mut |e| state.keys.push(e))
        };
        if let [pictures] = self.inputs.as_slice()
            && Images::fits(&pictures.kind)
        {
            let mut done = Ok(());
            for_each(batch, &pictures.name, |i, image| {
                let Some(Ok(raster)) = image else { return };
                if let (Ok(()), Some(signature)) = (&done, rotation::signature(&likeness(raster), raster.content())) {
                    done = add(i, signature);
                }
            });
            return done;
        }
        let arrays = self.inputs.iter().map(|c| c.of(batch)).collect::<Result<Vec<_>>>()?;
        let gone = || Error::internal("a column of texts was not delivered as one");
        let texts = arrays.iter().map(|a| Text::of(a.as_ref()).ok_or_else(gone)).collect::<Result<Vec<_>>>()?;
        (0..batch.rows()).try_for_each(|i| Signature::of(texts.iter().map(|t| t.get(i))).map_or(Ok(()), |s| add(i, s)))
    }
    fn finish(&self, _: &Round<'_, Copies>, mut state: Seen) -> Result<Step<Copies>> {
        Ok(Step::Done(Copies::of(state.tested, &mut state.keys, self.split.is_some())?))
    }
    fn outcome(&self, model: &Copies) -> Outcome {
        self.clause.outcome(&model.tally())
    }
    fn has_rows(&self, model: &Copies) -> bool {
        model.row_count > 0
    }
    fn judge(&self, model: &Copies, batch: &Batch, out: &mut Findings) -> Result<()> {
        self.clause.report_set(&model.tally(), &model.rows, batch, out);
        Ok(())
    }
}

/// Near copies of one text or picture in two splits.
pub fn across<A: About>(clause: Clause, input: Cells, split: Cells, memory: u64) -> NearCopies<A> {
    NearCopies { clause, inputs: vec![input], split: Some(split), memory, about: PhantomData }
}

/// Whether a column can be compared by its pictures.
pub fn are_pictures(ctx: &Context<'_>, cells: &Cells) -> bool {
    Images::fits(&cells.kind) && ctx.roles.of(&cells.name) == Some(Role::Image)
}

struct Anywhere;

impl About for Anywhere {
    const META: Meta = META;
    const KEY: &'static str = "near copies";
}

fn build(ctx: &Context<'_>) -> std::result::Result<Built, Vec<Diagnostic>> {
    let (mut built, mut errors, mut found) = (Built::default(), Vec::new(), Vec::new());
    for rule in &ctx.contract.rules {
        let RuleKind::Dataset(DatasetRule::NearDuplicates { columns, max }) = &rule.kind else { continue };
        let Some(scope) = Scope::of(ctx, rule, (&mut built, &mut errors)) else { continue };
        let title = rule.name.clone().unwrap_or_else(|| "near_duplicates".into());
        let texts = if columns.is_empty() {
            let held = ctx.roles.columns.iter().filter(|(_, role)| role.is_text());
            let mut held: Vec<Cells> = held.filter_map(|(name, _)| Cells::find(ctx, name)).filter(|c| Text::reads(&c.kind)).collect();
            if held.is_empty() {
                let pictures = ctx.roles.first(Role::Image).and_then(|name| Cells::find(ctx, name));
                held.extend(pictures.filter(|c| are_pictures(ctx, c)));
            }
            if held.is_empty() {
                let d = Diagnostic::new("C008", "near_duplicates needs texts or images, and no column has such a role").at(rule.span);
                errors.push(d.help("name them: `near_duplicates: {columns: [NAME], max: 1%}`"));
                continue;
            }
            held
        } else {
            match settled_columns(ctx, rule, &title, columns, (&mut built, &mut errors)) {
                Some(texts) => texts,
                None => continue,
            }
        };
        let one_of_pictures = texts.len() == 1 && texts.iter().all(|c| are_pictures(ctx, c));
        if let Some(c) = texts.iter().find(|c| !one_of_pictures && !Text::reads(&c.kind)) {
            let message =
                format!("near_duplicates compares texts, or one column with `role: image`; `{}` is {}", c.name, types::name(&c.kind));
            errors.push(Diagnostic::new("C004", message).at(rule.span));
            continue;
        }
        let wrong = Wrong::having("a near copy in another row");
        let threshold = format!("at most {}", max.text);
        let mut clause = Clause::of_rule(rule, title, &texts, wrong, "nearly the same stands in another row".into(), threshold);
        clause.tolerance = Some(max.clone());
        found.push((scope, clause, texts));
    }
    let memory = memory(ctx, found.len());
    for (scope, clause, texts) in found {
        scope.push(&mut built, NearCopies::<Anywhere> { clause, inputs: texts, split: None, memory, about: PhantomData });
    }
    if errors.is_empty() { Ok(built) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(i: usize) -> RowId {
        RowId { source: (i % 3) as u32, row: i as u64 }
    }

    #[test]
    fn sketches_agree_in_all_places_or_in_an_eighth_by_chance() {
        let (a, none) = ([0x1234_5678, 0x9ABC_DEF0, 0x0F1E_2D3C], [0; 3]);
        assert!(agree(a, a) && !agree(none, [u32::MAX, 0, 0]));
        // 24 of 32 agree, and 23.
        let differ = |n: usize| {
            (0..n).fold(a, |mut s, i| {
                s[i % 3] ^= 1 << (3 * i);
                s
            })
        };
        assert!(agree(a, differ(8)));
        assert!(!agree(a, differ(9)));
        let mut z = 1;
        let mut equal = 0;
        for _ in 0..1000 {
            let signature = |seed: u64| Signature { minima: std::array::from_fn(|i| mix(seed + i as u64) as u32), words: 9, exact: 0 };
            let (a, b) = (sketch(&signature(z)), sketch(&signature(mix(z))));
            z = mix(z ^ 3);
            equal += 32 - ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2])).count_ones();
        }
        // Mean 4, standard error 0.06.
        assert!((3_800..4_200).contains(&equal), "{equal}");
        let e = packed(u64::MAX, a, 77, row(5));
        assert_eq!((unpacked(&e), (e.hash >> 64) as u64), ((a, 77), u64::MAX));
    }

    #[test]
    fn pairs_are_found_as_often_as_the_manual_says() {
        // Texts of 57 words have 56 pairs; c changed words apart from each other change 2 c of them: J = (56 - 2c) / (56 + 2c).
        let share = |changed: usize| {
            let trials = 400;
            let mut keys = Keys::new(1 << 20);
            for t in 0..trials {
                let words: Vec<String> = (0..57).map(|i| format!("w{t}x{i}")).collect();
                let mut other = words.clone();
                for c in 0..changed {
                    other[2 + 53 * c / changed.max(1)] = format!("y{t}z{c}");
                }
                for (side, words) in [words, other].into_iter().enumerate() {
                    let s = Signature::of([Some(words.join(" ").as_str())].into_iter()).unwrap();
                    entries(&s, row(2 * t + side), 0, &mut |e| keys.push(e)).unwrap();
                }
            }
            Copies::of(0, &mut keys, false).unwrap().row_count as f64 / (2 * trials) as f64
        };
        assert_eq!(share(0), 1.0);
        for (changed, similarity, least, most) in
            [(2, 0.87, 0.98, 1.0), (3, 0.81, 0.87, 0.97), (4, 0.75, 0.65, 0.8), (9, 0.51, 0.0, 0.06), (18, 0.22, 0.0, 0.002)]
        {
            let found = share(changed);
            println!("J = {similarity}: {found:.3}");
            assert!((least..=most).contains(&found), "J = {similarity}: {found}");
        }
    }

    proptest! {
        #[test]
        fn copies_agree_with_all_pairs_however_small_the_memory(
            rows in prop::collection::vec((0_u64..5, 0_u64..9, 0_u64..3), 0..300), crossing: bool, cut in 0_usize..300)
        {
            // Bands by hand, sketches near and far from each other, splits.
            let code = |c: u64| if c < 5 { [0, (0..3 * c).fold(0, |x, i| x | 1 << i), 0] } else { [0, 9, 40].map(|s| (mix(c) >> s) as u32) };
            let (mut a, mut b) = (Keys::new(0), Keys::new(0));
            for (i, (band, c, split)) in rows.iter().enumerate() {
                let into = if i < cut { &mut a } else { &mut b };
                into.push(packed(mix(*band), code(*c), if crossing { *split as u32 } else { 0 }, row(i))).unwrap();
            }
            crate::rule::State::merge(&mut a, b);
            let found = Copies::of(rows.len() as u64, &mut a, crossing).unwrap();
            let mut n = 0;
            for (i, x) in rows.iter().enumerate() {
                let near = |(j, y): (usize, &(u64, u64, u64))| i != j && x.0 == y.0 && agree(code(x.1), code(y.1)) && (!crossing || x.2 != y.2);
                let guilty = rows.iter().enumerate().any(near);
                n += u64::from(guilty);
                prop_assert_eq!(found.rows.contains(row(i)), guilty);
            }
            prop_assert_eq!(found.row_count, n);
        }
    }
}
