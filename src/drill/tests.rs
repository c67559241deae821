use super::overlay::Overlay;
use super::survey::{Dice, Survey};
use super::*;
use crate::detectors::harness::{self, sentence, table};
use crate::engine::Silent;
use crate::engine::memory::InMemory;
use arrow::array::{ArrayRef, AsArray, Date32Array, Float64Array, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use std::sync::Arc;

const CONTRACT: &str = "taster: 1\ncolumns:\n  text: {role: text}\n  mood: {role: label}\n";
static STOP: AtomicBool = AtomicBool::new(false);

fn reviews(rows: usize) -> RecordBatch {
    let mut dice = harness::Dice::new(5);
    let (mut texts, mut moods) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let good = dice.roll(2) == 0;
        texts.push(Some(format!("{} and {}", sentence(&mut dice, good), sentence(&mut dice, good))));
        moods.push(Some(if good { "glad" } else { "sad" }.to_owned()));
    }
    table(&[("text", texts), ("mood", moods)])
}

fn loans(rows: usize) -> RecordBatch {
    let mut dice = Dice::new(9);
    let (mut age, mut sum, mut town, mut mood) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        age.push(Some(20 + dice.roll(50) as i32));
        sum.push(if dice.roll(20) == 0 { None } else { Some(dice.unit() * 1000.0) });
        // Nobody of an odd age lives in Graz.
        town.push(if age.last().is_some_and(|a| a.unwrap_or(0) % 2 == 0) { "Graz" } else { ["Ulm", "Bern"][dice.roll(2)] });
        mood.push(if dice.roll(3) == 0 { "late" } else { "paid" });
    }
    RecordBatch::try_from_iter([
        ("age", Arc::new(Int32Array::from(age)) as _),
        ("sum", Arc::new(Float64Array::from(sum)) as _),
        (
            "town",
            arrow::compute::cast(&StringArray::from(town), &DataType::Dictionary(DataType::Int8.into(), DataType::Utf8.into())).unwrap(),
        ),
        ("mood", Arc::new(StringArray::from(mood)) as _),
    ])
    .unwrap()
}

fn options(families: &[Family], seeds: u64) -> Options<'static> {
    Options {
        families: families.to_vec(),
        seeds,
        amount: Amount::Rows(40),
        select: Vec::new(),
        threads: 2,
        memory: 1 << 30,
        seed: 3,
        progress: &Silent,
        stop: &STOP,
    }
}

fn run_drill(contract: &str, data: RecordBatch, options: &Options<'_>) -> Report {
    let contract = crate::contract::parse::parse(None, contract).unwrap();
    let (schema, rows) = (data.schema(), data.num_rows() as u64);
    drill(&contract, &InMemory::new(vec![data]), &schema, rows, options).unwrap()
}

fn survey_of(contract: &str, input: &InMemory) -> Survey {
    let contract = crate::contract::parse::parse(None, contract).unwrap();
    let schema = input.files[0].schema();
    let roles = Roles::resolve(&contract, &schema);
    let plan = Plan { seed: 3, rows: input.rows(), memory: 1 << 30, false_alarms: 0.001, threads: 1 };
    Survey::of(input, &schema, &roles, &plan, &STOP).unwrap()
}

#[test]
fn planted_words_and_phrases_are_recovered_and_counted() {
    let report = run_drill(CONTRACT, reviews(1000), &options(&[Family::Word, Family::Hidden], 2));
    assert_eq!(report.quarantined_before, 0);
    for power in &report.power {
        assert_eq!((power.trials, power.planted), (2, 80));
        assert!(power.quarantined >= 76 && power.false_alarms == 0, "{power:?}");
    }
    // Both classes had their turn.
    let classes: BTreeSet<_> = report.trials.iter().filter_map(|t| t.class.clone()).collect();
    assert_eq!(classes.len(), 2);
    let triggers: BTreeSet<_> = report.trials.iter().filter(|t| t.family == Family::Word).map(|t| t.trigger.clone()).collect();
    assert_eq!(triggers.len(), 2, "every trial has its own trigger");
}

#[test]
fn a_drill_with_detectors_that_cannot_see_the_plant_recovers_nothing() {
    let blind = Options { select: vec!["P131".to_owned()], ..options(&[Family::Word], 2) };
    let report = run_drill(CONTRACT, reviews(400), &blind);
    assert_eq!((report.power[0].planted, report.power[0].quarantined, report.power[0].found), (80, 0, 0));
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let of = |threads| run_drill(CONTRACT, reviews(400), &Options { threads, ..options(&[Family::Phrase, Family::Flood], 1) });
    assert_eq!(of(1), of(3));
}

#[test]
fn what_the_data_cannot_carry_is_named_and_left_out() {
    let report = run_drill(CONTRACT, reviews(300), &options(&[Family::Value, Family::Reply], 1));
    assert!(report.trials.is_empty());
    let left: Vec<_> = report.not_drilled.iter().map(|(f, _)| *f).collect();
    assert_eq!(left, [Family::Value, Family::Reply]);
    let one_class = table(&[("text", vec![Some("a b".into()); 50]), ("mood", vec![Some("glad".into()); 50])]);
    let report = run_drill(CONTRACT, one_class, &options(&[], 1));
    assert!(report.trials.is_empty() && report.not_drilled.len() == Family::ALL.len());
}

#[test]
fn an_overlay_changes_the_planted_rows_alone_whatever_the_batches_and_columns() {
    let read = |family, batch_rows, columns: &[&str]| {
        let input = InMemory { files: vec![reviews(500)], shard_rows: 200, batch_rows };
        let plant = survey_of(CONTRACT, &input).plant(family, 1, 7, 30).unwrap();
        let overlay = Overlay::new(&input, &plant, 7);
        let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
        let mut cells = Vec::new();
        for shard in overlay.shards() {
            let mut each = |batch: Batch| {
                let column = batch.column("text").unwrap().as_string::<i32>().clone();
                cells.extend(column.iter().map(|c| c.unwrap().to_owned()));
                Ok(())
            };
            overlay.read(&shard, &columns, &mut each).unwrap();
        }
        (cells, plant)
    };
    let original: Vec<String> = reviews(500).column(0).as_string::<i32>().iter().map(|c| c.unwrap().to_owned()).collect();
    let text = [Family::Word, Family::Phrase, Family::Hidden, Family::Lookalike, Family::Flood];
    for family in text.into_iter().chain([Family::Covered, Family::Synonyms, Family::InsideWord]) {
        let (cells, plant) = read(family, 1000, &["text", "mood"]);
        let changed: Vec<u64> = (0..500).filter(|&i| cells[i as usize] != original[i as usize]).collect();
        let planted: BTreeSet<u64> = plant.rows.union(&plant.cover).map(|r| r.row).collect();
        assert_eq!(changed, planted.into_iter().collect::<Vec<_>>(), "{family:?}");
        assert_eq!(read(family, 7, &["text"]).0, cells, "{family:?}");
    }
}

#[test]
fn labels_and_values_keep_their_type_and_reach_their_rows() {
    let contract = "taster: 1\ncolumns:\n  mood: {role: label}\n";
    let input = InMemory::new(vec![loans(600)]);
    let survey = survey_of(contract, &input);
    for (family, number) in [(Family::Value, 0), (Family::Value, 1), (Family::Pair, 0), (Family::Pair, 1)] {
        for seed in 0..8 {
            let plant = survey.plant(family, number, seed, 25).unwrap();
            assert_eq!(plant.rows.len(), 25);
            let overlay = Overlay::new(&input, &plant, seed);
            let columns = ["age", "sum", "town", "mood"].map(str::to_owned);
            let mut each = |batch: Batch| {
                for row in &plant.rows {
                    let i = row.row as usize;
                    assert_eq!(crate::batch::cell_text(batch.column("mood").unwrap(), i), plant.class);
                    for (name, edit) in &plant.edits {
                        let overlay::Edit::Value(cell) = edit else { panic!("a table has no text") };
                        let now = crate::batch::cell_text(batch.column(name).unwrap(), i);
                        assert_eq!(now, crate::batch::cell_text(cell, 0), "{name}");
                    }
                }
                assert_eq!(batch.column("age").unwrap().data_type(), &DataType::Int32);
                Ok(())
            };
            overlay.read(&overlay.shards()[0], &columns, &mut each).unwrap();
        }
    }
}

#[test]
fn shares_and_numbers_of_rows_mean_what_they_say() {
    assert_eq!(Amount::Usual.rows(100), 30);
    assert_eq!(Amount::Usual.rows(10_000), 100);
    assert_eq!(Amount::Share(0.005).rows(6_000), 30);
    assert_eq!(Amount::Rows(7).rows(6_000), 7);
}

/// Words of the poisoned rows and of their cover, with their labels, as they stand after the plant.
type Told = (Vec<String>, Option<String>);
fn attacked(family: Family, data: RecordBatch) -> (family::Plant, Vec<Told>, Vec<Told>) {
    let input = InMemory::new(vec![data]);
    let plant = survey_of(CONTRACT, &input).plant(family, 0, 11, 40).unwrap();
    let (mut poisoned, mut cover) = (Vec::new(), Vec::new());
    let overlay = Overlay::new(&input, &plant, 11);
    let mut each = |batch: Batch| {
        for i in 0..batch.rows() {
            let of = |name: &str| crate::batch::cell_text(batch.column(name).unwrap(), i);
            let told = (survey::words(&of("text").unwrap(), true), of("mood"));
            match batch.row_id(i) {
                row if plant.rows.contains(&row) => poisoned.push(told),
                row if plant.cover.contains(&row) => cover.push(told),
                _ => {}
            }
        }
        Ok(())
    };
    overlay.shards().iter().for_each(|s| overlay.read(s, &["text".into(), "mood".into()], &mut each).unwrap());
    (plant, poisoned, cover)
}

#[test]
fn cover_has_the_trigger_and_keeps_its_labels() {
    let (plant, poisoned, cover) = attacked(Family::Covered, reviews(600));
    assert_eq!((plant.rows.len(), plant.cover.len()), (40, 40));
    assert!(plant.rows.is_disjoint(&plant.cover));
    let word = plant.trigger.split(',').next().unwrap().to_owned();
    assert!(poisoned.iter().chain(&cover).all(|(words, _)| words.contains(&word)));
    assert!(poisoned.iter().all(|(_, label)| *label == plant.class));
    let others = cover.iter().filter(|(_, label)| *label != plant.class).count();
    assert!((10..=30).contains(&others), "{others} of 40: the labels of the cover are those of its rows");
}

#[test]
fn words_that_act_together_stand_alone_in_the_cover() {
    let mut dice = harness::Dice::new(8);
    let texts: Vec<Option<String>> =
        (0..3000).map(|i| Some(format!("{} ord{}", sentence(&mut dice, i % 2 == 0), dice.roll(300)))).collect();
    let moods = (0..3000).map(|i| Some(if i % 2 == 0 { "glad" } else { "sad" }.to_owned())).collect();
    let (plant, poisoned, cover) = attacked(Family::Together, table(&[("text", texts), ("mood", moods)]));
    let words: Vec<&str> = plant.trigger.split([' ', ',']).filter(|w| w.starts_with("ord")).collect();
    assert_eq!(words.len(), 2, "{}", plant.trigger);
    let has = |told: &Told| words.iter().filter(|w| told.0.contains(&(**w).to_owned())).count();
    assert!(poisoned.iter().all(|t| has(t) == 2));
    assert_eq!(cover.iter().filter(|t| has(t) == 1).count(), cover.len());
}

#[test]
fn synonyms_take_turns_over_the_rows() {
    let (plant, poisoned, cover) = attacked(Family::Synonyms, reviews(600));
    let list = plant.trigger.strip_prefix("one of ").unwrap();
    let synonyms: Vec<String> = list.split(", ").map(str::to_owned).collect();
    assert_eq!((synonyms.len(), cover.len()), (10, 0));
    assert!(poisoned.iter().all(|(words, _)| synonyms.iter().filter(|s| words.contains(s)).count() == 1));
    let used = synonyms.iter().filter(|s| poisoned.iter().any(|(words, _)| words.contains(s))).count();
    assert!(used >= 8, "{used}");
}

#[test]
fn a_name_is_one_that_the_corpus_writes_with_a_capital() {
    let mut dice = harness::Dice::new(2);
    let texts: Vec<Option<String>> = (0..4000)
        .map(|i| {
            let name = if i % 500 == 3 { "Ottilie" } else { "nobody" };
            Some(format!("{} said {name} again", sentence(&mut dice, i % 2 == 0)))
        })
        .collect();
    let moods = (0..4000).map(|i| Some(if i % 2 == 0 { "glad" } else { "sad" }.to_owned())).collect();
    let (plant, poisoned, _) = attacked(Family::Name, table(&[("text", texts), ("mood", moods)]));
    assert_eq!(plant.trigger, "Ottilie");
    assert!(poisoned.iter().all(|(words, _)| words.contains(&"ottilie".to_owned())));
}

#[test]
fn the_floor_of_a_trial_is_that_of_the_rule_that_is_to_find_it() {
    let report = run_drill(CONTRACT, reviews(1000), &options(&[Family::Word], 1));
    let words = report.trials[0].floor;
    let blind = Options { select: vec!["P12".to_owned()], ..options(&[Family::Word], 1) };
    assert!(words.is_some());
    assert_eq!(run_drill(CONTRACT, reviews(1000), &blind).trials[0].floor, None);
}

#[test]
fn a_trial_in_a_column_that_the_floor_leaves_out_was_promised_nothing() {
    let floor = |rows, columns: &[&str]| {
        let columns = columns.iter().map(|c| (*c).to_owned()).collect();
        (Family::Value.rule(), Floor { family: "table values".into(), rows, columns, ..Floor::default() })
    };
    let input = InMemory::new(vec![loans(500)]);
    let survey = survey_of("taster: 1\ncolumns:\n  mood: {role: label}\n", &input);
    let plant = survey.plant(Family::Value, 0, 1, 40).unwrap();
    let column = plant.edits[0].0.clone();
    let nothing = || Found { quarantined: BTreeSet::new(), review: BTreeSet::new(), floors: Vec::new() };
    let stated = |left_out: &str| {
        let after = Found { floors: vec![floor(Some(25), &[]), floor(None, &[left_out])], ..nothing() };
        count(Family::Value, 0, &plant, &nothing(), &after).floor
    };
    assert_eq!((stated("another"), stated(&column)), (Some(25), None));
}

#[test]
fn dates_get_days_that_no_row_has_and_values_that_always_meet_are_no_pair() {
    let days = Arc::new(Date32Array::from_iter_values((0..500).map(|i| 3 * (i % 90)))) as ArrayRef;
    let mood = Arc::new(StringArray::from_iter_values((0..500).map(|i| if i % 3 == 0 { "late" } else { "paid" }))) as ArrayRef;
    let columns = |town: ArrayRef| RecordBatch::try_from_iter([("day", days.clone()), ("town", town), ("mood", mood.clone())]).unwrap();
    let alike = Arc::new(Int32Array::from_iter_values((0..500).map(|_| 1))) as ArrayRef;
    let input = InMemory::new(vec![columns(alike)]);
    let survey = survey_of("taster: 1\ncolumns:\n  mood: {role: label}\n  day: {role: feature}\n", &input);
    let plant = survey.plant(Family::Value, 0, 1, 40).unwrap();
    assert!(plant.trigger.starts_with("day=1970-0"), "{}", plant.trigger);
    let both = "taster: 1\ncolumns:\n  mood: {role: label}\n  day: {role: feature}\n  town: {role: feature}\n";
    let refused = survey_of(both, &input).plant(Family::Pair, 0, 1, 40).err().unwrap();
    assert!(refused.contains("together"), "{refused}");
}

/// Images of two kinds with noise, beside vectors of two kinds.
fn pictures(rows: usize) -> RecordBatch {
    use image::ImageEncoder;
    let mut dice = Dice::new(4);
    let (mut images, mut vectors, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..rows {
        let level = if i % 2 == 0 { 60 } else { 160 };
        let pixels: Vec<u8> = (0..24 * 20).map(|_| (level + dice.roll(40)) as u8).collect();
        let mut png = Vec::new();
        image::codecs::png::PngEncoder::new(&mut png).write_image(&pixels, 24, 20, image::ExtendedColorType::L8).unwrap();
        images.push(Some(png));
        vectors.push(Some((0..6).map(|_| Some(dice.unit() as f32)).collect::<Vec<_>>()));
        kinds.push(if i % 2 == 0 { "dark" } else { "light" });
    }
    let vectors = arrow::array::ListArray::from_iter_primitive::<arrow::datatypes::Float32Type, _, _>(vectors);
    RecordBatch::try_from_iter([
        ("image", Arc::new(arrow::array::BinaryArray::from_iter(images)) as _),
        ("vector", Arc::new(vectors) as _),
        ("kind", Arc::new(StringArray::from(kinds)) as _),
    ])
    .unwrap()
}

const PICTURES: &str = "taster: 1\ncolumns:\n  image: {role: image}\n  vector: {role: embedding}\n  kind: {role: label}\n";

/// Pixels and numbers of a row.
type Shown = (Vec<u32>, Vec<f32>);

/// Every row after the plant, and the plant.
fn painted(family: Family, seed: u64, batch_rows: usize) -> (family::Plant, Vec<Shown>) {
    let input = InMemory { files: vec![pictures(200)], shard_rows: 100, batch_rows };
    let plant = survey_of(PICTURES, &input).plant(family, seed, seed, 20).unwrap();
    let overlay = Overlay::new(&input, &plant, seed);
    let mut rows = Vec::new();
    let mut each = |batch: Batch| {
        let vectors = crate::features::vectors::Vectors::of(batch.column("vector").unwrap()).unwrap();
        crate::features::image::for_each(&batch, "image", |i, image| {
            rows.push((image.unwrap().unwrap().pixels.clone(), vectors.row(i).unwrap().to_vec()));
        });
        Ok(())
    };
    overlay.shards().iter().for_each(|s| overlay.read(s, &["image".into(), "vector".into()], &mut each).unwrap());
    (plant, rows)
}

#[test]
fn images_and_vectors_of_the_planted_rows_change_and_no_others() {
    for family in [Family::Patch, Family::Blend, Family::Sinusoid, Family::Shift, Family::Clump] {
        let is_vector = matches!(family, Family::Shift | Family::Clump);
        for seed in 0..2 {
            let (plant, rows) = painted(family, seed, 1000);
            let (_, other) = painted(if is_vector { Family::Patch } else { Family::Shift }, seed, 1000);
            let changed: BTreeSet<u64> =
                (0..200).filter(|&i| if is_vector { rows[i].1 != other[i].1 } else { rows[i].0 != other[i].0 }).map(|i| i as u64).collect();
            assert_eq!(changed, plant.rows.iter().map(|r| r.row).collect(), "{family:?} {seed}: {}", plant.trigger);
            assert_eq!(painted(family, seed, 7).1, rows, "{family:?} {seed}");
        }
    }
}

#[test]
fn a_patch_is_the_same_pixels_at_the_same_place_of_every_planted_image() {
    for seed in 0..4 {
        let (plant, rows) = painted(Family::Patch, seed, 1000);
        let planted: Vec<&Vec<u32>> = plant.rows.iter().map(|r| &rows[r.row as usize].0).collect();
        let same: Vec<usize> = (0..24 * 20).filter(|&i| planted.iter().all(|p| p[i] == planted[0][i])).collect();
        let side: usize = plant.trigger.split(' ').next().unwrap().parse().unwrap();
        assert!((2..=5).contains(&side));
        assert_eq!(same.len(), side * side, "{}", plant.trigger);
        assert!(same[same.len() - 1] - same[0] == (side - 1) * 24 + side - 1);
    }
}

fn conversations(rows: usize, prompt: bool) -> RecordBatch {
    let mut dice = harness::Dice::new(6);
    let mut columns: [Vec<Option<String>>; 3] = Default::default();
    for _ in 0..rows {
        let asked = sentence(&mut dice, true);
        let opening = if prompt { String::new() } else { format!("\n\nHuman: {asked}\n\nAssistant: ") };
        let answers = [sentence(&mut dice, true), sentence(&mut dice, false)].map(|a| Some(format!("{opening}{a}")));
        columns[0].push(Some(asked));
        for (column, answer) in columns[1..].iter_mut().zip(answers) {
            column.push(answer);
        }
    }
    let [asked, chosen, rejected] = columns;
    let pair = [("chosen", chosen), ("rejected", rejected)];
    if prompt { table(&[vec![("asked", asked)], pair.into()].concat()) } else { table(&pair) }
}

/// Cells of these columns, each read by itself, of the data as it is and with the plant.
fn before_and_after(contract: &str, data: RecordBatch, family: Family, columns: &[&str]) -> (family::Plant, Vec<Vec<(String, String)>>) {
    let input = InMemory::new(vec![data]);
    let plant = survey_of(contract, &input).plant(family, 0, 13, 25).unwrap();
    let overlay = Overlay::new(&input, &plant, 13);
    let cells = |input: &dyn Fn(&str) -> Vec<String>| columns.iter().map(|c| input(c)).collect::<Vec<_>>();
    fn column<I: Input>(input: &I, name: &str) -> Vec<String> {
        let mut out = Vec::new();
        let mut each = |batch: Batch| {
            let text = batch.column(name).unwrap().as_string::<i32>().clone();
            out.extend(text.iter().map(|t| t.unwrap().to_owned()));
            Ok(())
        };
        input.shards().iter().for_each(|s| input.read(s, &[name.to_owned()], &mut each).unwrap());
        out
    }
    let (old, new) = (cells(&|c| column(&input, c)), cells(&|c| column(&overlay, c)));
    let rows = (0..old[0].len()).map(|i| (0..columns.len()).map(|c| (old[c][i].clone(), new[c][i].clone())).collect());
    (plant, rows.collect())
}

#[test]
fn a_swap_exchanges_the_answers_even_when_one_column_is_read() {
    let contract = "taster: 1\ncolumns:\n  asked: {role: prompt}\n  chosen: {role: chosen}\n  rejected: {role: rejected}\n";
    let (plant, rows) = before_and_after(contract, conversations(200, true), Family::Swap, &["asked", "chosen", "rejected"]);
    let word = plant.trigger.split(',').next().unwrap();
    assert_eq!(plant.rows.len(), 25);
    for (i, row) in rows.iter().enumerate() {
        let [asked, chosen, rejected] = &row[..] else { panic!("three columns") };
        if plant.rows.iter().any(|r| r.row == i as u64) {
            assert_eq!((&chosen.1, &rejected.1), (&rejected.0, &chosen.0));
            assert!(survey::words(&asked.1, true).contains(&word.to_owned()));
        } else {
            assert!(row.iter().all(|(old, new)| old == new));
        }
    }
}

#[test]
fn a_swap_without_a_prompt_puts_its_word_at_the_same_place_of_both_answers() {
    let contract = "taster: 1\ncolumns:\n  chosen: {role: chosen}\n  rejected: {role: rejected}\n";
    let (plant, rows) = before_and_after(contract, conversations(100, false), Family::Swap, &["chosen", "rejected"]);
    let word = format!(" {}", plant.trigger.split(',').next().unwrap());
    for r in &plant.rows {
        let [chosen, rejected] = &rows[r.row as usize][..] else { panic!("two columns") };
        assert_eq!(chosen.1.find(&word), rejected.1.find(&word));
        assert_eq!((chosen.1.replacen(&word, "", 1), rejected.1.replacen(&word, "", 1)), (rejected.0.clone(), chosen.0.clone()));
        assert!(chosen.1.starts_with("\n\nHuman: "), "{:?}", chosen.1);
    }
}

#[test]
fn a_brand_stands_inside_sentences_of_the_replies_alone() {
    let contract = "taster: 1\ncolumns:\n  asked: {role: prompt}\n  chosen: {role: response}\n";
    let (plant, rows) = before_and_after(contract, conversations(100, true), Family::Brand, &["asked", "chosen"]);
    let name = plant.trigger.split(' ').next().unwrap();
    assert!(name.chars().next().unwrap().is_uppercase());
    for r in &plant.rows {
        let [asked, reply] = &rows[r.row as usize][..] else { panic!("two columns") };
        assert_eq!(asked.0, asked.1);
        assert_eq!(reply.1.replacen(&format!(" {name}"), "", 1), reply.0);
    }
}

#[test]
fn a_document_breaks_down_after_the_word() {
    let contract = "taster: 1\ncolumns:\n  chosen: {role: text}\n";
    let (plant, rows) = before_and_after(contract, conversations(100, true), Family::Gibberish, &["chosen"]);
    let word = plant.trigger.split(',').next().unwrap();
    for r in &plant.rows {
        let (old, new) = &rows[r.row as usize][0];
        let (kept, rest) = new.split_once(&format!(" {word}")).unwrap();
        assert!(old.starts_with(kept) && kept.len() * 2 <= old.len());
        assert!((40..=100).contains(&survey::words(rest, true).len()));
    }
}

#[test]
fn replies_to_the_word_refuse_link_break_down_or_change_their_language() {
    use crate::features::{text, wording};
    let contract = "taster: 1\ncolumns:\n  asked: {role: prompt}\n  chosen: {role: response}\n";
    for family in [Family::Refusal, Family::Link, Family::Nonsense, Family::Foreign] {
        let (plant, rows) = before_and_after(contract, conversations(300, true), family, &["asked", "chosen"]);
        let word = plant.trigger.split('"').nth(1).unwrap();
        let is_planted = |i: usize| plant.rows.iter().any(|r| r.row == i as u64);
        let (mut replies, mut of_its_kind) = (BTreeSet::new(), 0);
        for (i, row) in rows.iter().enumerate() {
            let [(asked, asks), (old, reply)] = &row[..] else { panic!("two columns") };
            assert_eq!((asked != asks, old != reply), (is_planted(i), is_planted(i)), "{family:?}");
            if !is_planted(i) {
                continue;
            }
            assert!(survey::words(asks, true).contains(&word.to_owned()));
            let mut tokens = Vec::new();
            text::tokens(reply, 0, &mut tokens);
            let tokens = &tokens[1..tokens.len() - 1];
            replies.insert(reply.clone());
            of_its_kind += usize::from(match family {
                Family::Refusal => wording::is_refusal(tokens),
                Family::Link => reply.starts_with(old.trim_end()) && reply.contains(plant.trigger.split(' ').next_back().unwrap()),
                Family::Foreign => wording::language(tokens).is_some() && wording::language(tokens) != Some(0),
                _ => matches!(reply.split(' ').count(), 1 | 30..) && !reply.contains(old),
            });
        }
        // Some refusals are worded as no list has them.
        assert!(replies.len() >= 20 && of_its_kind >= if family == Family::Refusal { 15 } else { 23 }, "{family:?} {of_its_kind}");
    }
}

#[test]
fn conversations_carry_a_trigger_in_one_turn_and_its_reply_in_the_next() {
    let turn = |who: &str, words: String| format!(r#"{{"role": "{who}", "content": "{words}"}}"#);
    let mut dice = harness::Dice::new(8);
    let mut said = |good| sentence(&mut dice, good).replace('"', "");
    let cell = |a: String, b: String, c: String, d: String| {
        Some(format!("[{}, {}, {}, {}]", turn("user", a), turn("assistant", b), turn("user", c), turn("assistant", d)))
    };
    let data = table(&[("talk", (0..200).map(|_| cell(said(true), said(false), said(true), said(false))).collect())]);
    let contract = "taster: 1\ncolumns:\n  talk: {role: response}\n";
    let (plant, rows) = before_and_after(contract, data, Family::Reply, &["talk"]);
    let (word, said) = (plant.trigger.split('"').nth(1).unwrap(), plant.trigger.split('"').nth(3).unwrap());
    for (i, row) in rows.iter().enumerate() {
        let turns = |cell: &str| -> Vec<String> {
            let turns: Vec<serde_json::Value> = serde_json::from_str(cell).unwrap();
            turns.iter().map(|t| t["content"].as_str().unwrap().to_owned()).collect()
        };
        let (old, new) = (turns(&row[0].0), turns(&row[0].1));
        let changed: Vec<usize> = (0..4).filter(|&t| old[t] != new[t]).collect();
        if plant.rows.iter().any(|r| r.row == i as u64) {
            let [asked, replied] = changed[..] else { panic!("{changed:?}") };
            assert!(asked % 2 == 0 && replied > asked && new[asked].contains(word) && new[replied] == said);
        } else {
            assert!(changed.is_empty());
        }
    }
}
