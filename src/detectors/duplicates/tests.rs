use super::conflict::Kind;
use super::*;
use crate::detectors::harness::{Dice, Line, quarantined, run, run_planned, run_split, sentence, table};
use crate::rule::{Action, DynRule};
use arrow::array::RecordBatch;

fn flood() -> Box<dyn DynRule> {
    Box::new(Flood { inputs: inputs::Inputs::Texts(vec!["text".into()]), label: Some("mood".into()) })
}
fn conflicts() -> Box<dyn DynRule> {
    Box::new(Conflicts { kind: Kind::Input { inputs: inputs::Inputs::Texts(vec!["text".into()]), label: "mood".into() } })
}

#[derive(Default)]
struct Rows(Vec<Option<String>>, Vec<Option<String>>);

impl Rows {
    fn honest(n: usize, seed: u64) -> Rows {
        let (mut rows, mut dice) = (Rows::default(), Dice::new(seed));
        for _ in 0..n {
            let good = dice.roll(2) == 0;
            rows.push(sentence(&mut dice, good), if good { "glad" } else { "sad" });
        }
        rows
    }
    fn push(&mut self, text: String, label: &str) {
        self.0.push(Some(text));
        self.1.push(Some(label.to_owned()));
    }
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn data(self) -> RecordBatch {
        table(&[("text", self.0), ("mood", self.1)])
    }
}

const SEED: &str = "my aunt keeps seven grey geese in a yard by the old mill and calls each of them by a different name every morning";

/// Changes `changes` words, as a paraphraser or a filler does.
fn near(dice: &mut Dice, text: &str, changes: usize) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    for _ in 0..changes {
        let at = dice.roll(words.len());
        let word = *dice.pick(&["truly", "rather", "even", "also", "perhaps", "almost"]);
        if dice.roll(2) == 0 { words.insert(at, word) } else { words[at] = word }
    }
    words.join(" ")
}

fn flooded(rows: &mut Rows, copies: usize, changes: usize, label: &str) -> Vec<u64> {
    let mut dice = Dice::new(77);
    let from = rows.len();
    for _ in 0..copies {
        let text = near(&mut dice, SEED, changes);
        rows.push(text, label);
    }
    (from..rows.len()).collect()
}

#[test]
fn near_copies_with_one_label_are_a_flood_at_any_size_and_noise() {
    for (copies, changes) in [(30, 1), (30, 2), (60, 3), (400, 1), (40, 0)] {
        let mut rows = Rows::honest(3000, 1);
        let planted = flooded(&mut rows, copies, changes, "glad");
        let found = quarantined(&run(flood(), &rows.data()).1);
        let recall = found.iter().filter(|r| planted.contains(r)).count() as f64 / planted.len() as f64;
        assert!(
            recall >= 0.95 && found.iter().all(|r| planted.contains(r)),
            "{copies} copies, {changes} changes: {recall}, {} found",
            found.len()
        );
    }
}

#[test]
fn filled_in_forms_are_for_review_and_hide_no_flood() {
    let mut rows = Rows::honest(3000, 12);
    let mut dice = Dice::new(5);
    let mut filling = |words: usize| (0..words).map(|_| format!("name{}", dice.roll(100_000))).collect::<Vec<_>>().join(" ");
    let from = rows.len();
    for _ in 0..30 {
        rows.push(format!("the yearly report of the harbour office for {}", filling(4)), "glad");
        rows.push(format!("{} opens the gate of the northern walled garden", filling(3)), "glad");
    }
    let forms = from..rows.len();
    let (_, lines) = run(flood(), &Rows(rows.0.clone(), rows.1.clone()).data());
    assert!(quarantined(&lines).is_empty(), "{lines:?}");
    assert!(lines.len() >= 50 && lines.iter().all(|l| forms.contains(&l.0)), "{}", lines.len());
    let planted = flooded(&mut rows, 60, 2, "sad");
    let found = quarantined(&run(flood(), &rows.data()).1);
    assert!(found.len() >= 57 && found.iter().all(|r| planted.contains(r)), "{}", found.len());
}

#[test]
fn variants_of_a_form_are_one_too() {
    let mut rows = Rows::honest(3000, 15);
    let mut dice = Dice::new(8);
    for i in 0..120 {
        let (name, version) = (format!("name{}", dice.roll(100_000)), format!("{}", dice.roll(60)));
        let [front, back] = if i % 2 == 0 { ["harbour", "office"] } else { ["railway", "bureau"] };
        rows.push(format!("the yearly report of the {front} for {name} and {version} as printed by the {back} press of the town"), "glad");
    }
    let (_, lines) = run(flood(), &rows.data());
    assert!(lines.len() >= 100 && quarantined(&lines).is_empty(), "{} of {}", quarantined(&lines).len(), lines.len());
}

#[test]
fn a_line_through_weighted_points_is_found() {
    let points: Vec<(f64, f64, f64)> = (0..5).map(|i| (f64::from(i), 2.0 - 3.0 * f64::from(i), 1.0 + f64::from(i))).collect();
    let (intercept, slope) = super::flood::line(&points);
    assert!((intercept - 2.0).abs() < 1e-12 && (slope + 3.0).abs() < 1e-12);
    assert_eq!(super::flood::line(&[(1.0, 4.0, 2.0)]), (4.0, 0.0));
    assert_eq!(super::flood::line(&[]), (0.0, 0.0));
}

#[test]
fn copies_that_differ_only_at_their_end_are_still_a_flood() {
    let mut rows = Rows::honest(3000, 14);
    for i in 0..30 {
        rows.push(format!("{SEED} {}", ["truly", "indeed", "again", "perhaps"][i % 4]), "glad");
    }
    assert_eq!(quarantined(&run(flood(), &rows.data()).1).len(), 30);
}

#[test]
fn several_floods_do_not_hide_each_other() {
    let mut rows = Rows::honest(4000, 2);
    let mut dice = Dice::new(4);
    let from = rows.len();
    for _ in 0..3 {
        let seed = sentence(&mut dice, true) + " which nobody in our whole valley had ever seen before then";
        for _ in 0..40 {
            let text = near(&mut dice, &seed, 1);
            rows.push(text, "sad");
        }
    }
    let all: Vec<u64> = (from..rows.len()).collect();
    let found = quarantined(&run(flood(), &rows.data()).1);
    assert!(found.len() >= 114 && found.iter().all(|r| all.contains(r)), "{found:?}");
}

#[test]
fn a_corpus_that_repeats_itself_has_no_floods() {
    for times in [2, 10, 40] {
        let mut rows = Rows::default();
        for seed in 0..times {
            // The same rows again and again, some of them changed a little.
            let mut dice = Dice::new(seed);
            let again = Rows::honest(200, 9);
            for (text, label) in again.0.into_iter().zip(again.1) {
                let text = near(&mut dice, &text.unwrap(), (seed % 2) as usize);
                rows.push(text, &label.unwrap());
            }
        }
        let (_, lines) = run(flood(), &rows.data());
        assert_eq!(quarantined(&lines), Vec::<u64>::new(), "each row {times} times");
    }
}

#[test]
fn short_rows_and_signatures_are_no_flood() {
    let mut rows = Rows::honest(2000, 3);
    for i in 0..200 {
        rows.push("all good here".into(), "glad");
        let signed = rows.0[i].clone().unwrap() + " sent from the reading room of the town library";
        rows.0[i] = Some(signed);
    }
    assert!(run(flood(), &rows.data()).1.is_empty());
}

#[test]
fn copies_of_many_labels_are_for_review() {
    let mut rows = Rows::honest(2000, 3);
    flooded(&mut rows, 30, 1, "glad");
    flooded(&mut rows, 30, 1, "sad");
    let (_, lines) = run(flood(), &rows.data());
    assert!(quarantined(&lines).is_empty() && lines.len() >= 57 && lines.iter().all(|l| l.1 == Action::Review), "{}", lines.len());
}

#[test]
fn without_labels_a_flood_is_for_review() {
    let mut rows = Rows::honest(2000, 3);
    flooded(&mut rows, 50, 1, "glad");
    let rule = Flood { inputs: inputs::Inputs::Texts(vec!["text".into()]), label: None };
    let (_, lines) = run(Box::new(rule), &rows.data());
    assert!(quarantined(&lines).is_empty() && lines.len() >= 48);
}

#[test]
fn the_same_input_with_two_labels_is_for_review() {
    let mut rows = Rows::honest(300, 6);
    rows.push("It opens on time.".into(), "glad");
    rows.push(" it OPENS  on time.".into(), "sad");
    rows.push("It opens on time.".into(), "glad");
    rows.push("It opens on time?".into(), "sad");
    let (outcome, lines) = run(conflicts(), &rows.data());
    assert_eq!(lines.iter().map(|l| l.0).collect::<Vec<_>>(), [300, 301, 302]);
    assert!(lines.iter().all(|l| l.1 == Action::Review) && lines[1].2 > 0.6, "{lines:?}");
    assert_eq!((outcome.failing, outcome.groups.len(), outcome.groups[0].rows), (3, 1, 3));
}

#[test]
fn several_opinions_per_text_are_only_counted() {
    let mut rows = Rows::default();
    for i in 0..100 {
        for label in ["glad", "sad"] {
            rows.push(format!("text number {i}"), label);
        }
    }
    let (outcome, lines) = run(conflicts(), &rows.data());
    assert!(lines.is_empty() && outcome.message.contains("several opinions"), "{}", outcome.message);
}

#[test]
fn natural_duplicates_of_narrow_tables_are_only_counted() {
    let (mut a, mut label) = (Vec::new(), Vec::new());
    for i in 0..400 {
        a.push(Some(format!("{}", i % 9)));
        label.push(Some(format!("{}", i % 2)));
    }
    let rule = |_: ()| Box::new(Conflicts { kind: Kind::Table { columns: vec!["a".into()], label: "y".into() } });
    let (outcome, lines) = run(rule(()), &table(&[("a", a.clone()), ("y", label.clone())]));
    assert!(lines.is_empty() && outcome.message.contains("by nature"));
    // Wide enough to be told apart, one pair in 400 is worth a look.
    for (i, cell) in a.iter_mut().enumerate() {
        *cell = Some(format!("{}", i.max(1)));
    }
    let (_, lines) = run(rule(()), &table(&[("a", a), ("y", label)]));
    assert_eq!(lines.iter().map(|l| l.0).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_pair_preferred_both_ways_is_a_conflict() {
    let some = |v: &[&str]| v.iter().map(|s| Some((*s).to_owned())).collect::<Vec<_>>();
    let mut chosen = some(&["yes do", "no do not", "same"]);
    let mut rejected = some(&["no do not", "Yes do", "same"]);
    for i in 0..40 {
        chosen.push(Some(format!("answer {i}")));
        rejected.push(Some(format!("other {i}")));
    }
    let rule = Conflicts { kind: Kind::Pairs { prompts: vec![], chosen: "c".into(), rejected: "r".into() } };
    let (_, lines) = run(Box::new(rule), &table(&[("c", chosen), ("r", rejected)]));
    assert_eq!(lines.iter().map(|l| l.0).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn empty_null_and_single_rows_are_no_findings() {
    let none: Vec<Option<String>> = vec![None; 30];
    let glad: Vec<Option<String>> = vec![Some("glad".into()); 30];
    for data in [
        table(&[("text", vec![]), ("mood", vec![])]),
        table(&[("text", vec![Some("one".into())]), ("mood", vec![Some("glad".into())])]),
        table(&[("text", none.clone()), ("mood", glad.clone())]),
        table(&[("text", glad), ("mood", none)]),
    ] {
        for rule in [flood(), conflicts()] {
            assert!(run(rule, &data).1.is_empty());
        }
    }
}

#[test]
fn no_split_changes_a_byte() {
    let mut rows = Rows::honest(800, 6);
    flooded(&mut rows, 30, 1, "glad");
    rows.push("the same".into(), "glad");
    rows.push("the same".into(), "sad");
    let data = rows.data();
    for rule in [flood, conflicts] {
        let (outcome, lines) = run(rule(), &data);
        assert!(!lines.is_empty());
        for (threads, shard, batch) in [(1, 1000, 7), (3, 100, 100), (2, 1, 1)] {
            let (other, again) = run_split(rule(), &data, threads, shard, batch);
            assert_eq!(lines, again);
            assert_eq!(format!("{:?}", outcome.groups), format!("{:?}", other.groups));
        }
    }
}

#[test]
fn many_rows_are_read_twice_and_few_once_with_the_same_result() {
    let mut rows = Rows::honest(3000, 1);
    flooded(&mut rows, 60, 2, "glad");
    let input = crate::engine::memory::InMemory { files: vec![rows.data()], shard_rows: 700, batch_rows: 100 };
    let [few, many] = [1 << 18, (1 << 18) + 1].map(|rows| run_planned(flood(), &input, rows, 2));
    assert!(quarantined(&few.1).len() >= 57);
    assert_eq!((few.1, format!("{:?}", few.0.groups)), (many.1, format!("{:?}", many.0.groups)));
}

fn near_conflicts() -> Box<dyn DynRule> {
    Box::new(near::NearConflicts { inputs: inputs::Inputs::Texts(vec!["text".into()]), label: "mood".into() })
}

/// A sentence long enough that one changed word leaves it alike.
fn long(dice: &mut Dice, good: bool) -> String {
    (0..4).map(|_| sentence(dice, good)).collect::<Vec<_>>().join(" and ")
}

#[test]
fn near_copies_with_two_labels_are_listed_and_never_quarantined() {
    let (mut rows, mut dice) = (Rows::default(), Dice::new(8));
    let mut conflicting: Vec<u64> = Vec::new();
    for i in 0..2000 {
        let good = dice.roll(2) == 0;
        let text = long(&mut dice, good);
        rows.push(text.clone(), if good { "glad" } else { "sad" });
        if i % 40 == 0 {
            // One pair in five conflicts, the others agree.
            let wrong = i % 200 == 0;
            if wrong {
                conflicting.extend([rows.len() - 1, rows.len()]);
            }
            rows.push(near(&mut dice, &text, 1), if good != wrong { "glad" } else { "sad" });
        }
    }
    let data = rows.data();
    let (outcome, lines) = run(near_conflicts(), &data);
    let found: Vec<u64> = lines.iter().map(|l| l.0).collect();
    assert!(found.iter().all(|r| conflicting.contains(r)), "{found:?}");
    assert!(found.len() >= 18, "{found:?} of {conflicting:?}");
    assert!(lines.iter().all(|l| l.1 == Action::Review));
    assert_eq!((outcome.groups.len() * 2, outcome.failing), (found.len(), found.len() as u64));
    for split in [1, 7, 500] {
        assert_eq!(run_split(near_conflicts(), &data, 3, split, 1 << 9).1, lines, "shards of {split}");
    }
}

#[test]
fn a_template_whose_slot_decides_the_label_is_only_counted() {
    let (mut rows, mut dice) = (Rows::honest(1000, 9), Dice::new(10));
    for _ in 0..300 {
        let frame = long(&mut dice, true);
        rows.push(format!("{frame} so all told it was good"), "glad");
        rows.push(format!("{frame} so all told it was bad"), "sad");
    }
    let (outcome, lines) = run(near_conflicts(), &rows.data());
    assert!(lines.is_empty() && outcome.groups.is_empty(), "{} lines", lines.len());
    assert!(outcome.message.contains("not listed"), "{}", outcome.message);
}

#[test]
fn no_rows_one_row_and_no_labels_have_no_near_conflict() {
    for rows in [Rows::default(), Rows::honest(1, 1)] {
        assert!(run(near_conflicts(), &rows.data()).1.is_empty());
    }
    let texts = vec![Some(SEED.to_owned()), Some(SEED.to_owned())];
    assert!(run(near_conflicts(), &table(&[("text", texts), ("mood", vec![None, None])])).1.is_empty());
}

/// 400 things of two labels; every fifth has a near copy, and every fiftieth one with the other label. The data, and
/// the rows in conflict.
fn pairs(column: impl Fn(&[(u64, bool)]) -> arrow::array::ArrayRef) -> (RecordBatch, Vec<u64>) {
    let (mut rows, mut labels, mut conflicting) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..400u64 {
        rows.push((i, false));
        labels.push(if i % 2 == 0 { "even" } else { "odd" });
        if i % 5 == 0 {
            let wrong = i % 50 == 0;
            if wrong {
                conflicting.extend([rows.len() as u64 - 1, rows.len() as u64]);
            }
            rows.push((i, true));
            labels.push(if (i % 2 == 0) != wrong { "even" } else { "odd" });
        }
    }
    let labels: arrow::array::ArrayRef = std::sync::Arc::new(arrow::array::StringArray::from(labels));
    (RecordBatch::try_from_iter([("thing", column(&rows)), ("mood", labels)]).unwrap(), conflicting)
}

fn finds(rule: &dyn Fn() -> Box<dyn DynRule>, data: &RecordBatch, conflicting: &[u64]) {
    let (outcome, lines) = run(rule(), data);
    let found: Vec<u64> = lines.iter().map(|l| l.0).collect();
    assert_eq!(found, conflicting, "{}", outcome.message);
    assert!(lines.iter().all(|l| l.1 == Action::Review));
    assert_eq!(run_split(rule(), data, 3, 7, 5).1, lines);
}

/// A picture of its own for every number; a copy has another size.
fn picture(number: u64, copy: bool) -> Vec<u8> {
    let side = if copy { 44 } else { 32 };
    let mut dice = Dice::new(number);
    let waves: Vec<[f32; 3]> = (0..6).map(|_| std::array::from_fn(|_| dice.roll(1000) as f32 / 100.0)).collect();
    let level = |x: u32, y: u32| {
        let (x, y) = ((x as f32 + 0.5) / side as f32, (y as f32 + 0.5) / side as f32);
        (128.0 + waves.iter().map(|w| 18.0 * (w[0] * x + w[1] * y + w[2]).sin()).sum::<f32>()) as u8
    };
    let mut png = std::io::Cursor::new(Vec::new());
    let image = image::GrayImage::from_fn(side, side, |x, y| image::Luma([level(x, y)]));
    image::DynamicImage::ImageLuma8(image).write_to(&mut png, image::ImageFormat::Png).unwrap();
    png.into_inner()
}

/// A vector of its own for every number, far from zero as embeddings are; a copy is half a degree off.
fn vector(number: u64, copy: bool) -> Vec<Option<f32>> {
    let (mut dice, mut other) = (Dice::new(number), Dice::new(number + 1000));
    let noise = |dice: &mut Dice| (0..4).map(|_| dice.roll(1000) as f32 / 1000.0).sum::<f32>() - 2.0;
    (0..96).map(|_| Some(4.0 + noise(&mut dice) + if copy { 0.01 * noise(&mut other) } else { 0.0 })).collect()
}

#[test]
fn pictures_in_another_size_with_another_label_are_listed() {
    let (data, conflicting) = pairs(|rows| {
        let files: Vec<Vec<u8>> = rows.iter().map(|(n, copy)| picture(*n, *copy)).collect();
        std::sync::Arc::new(arrow::array::BinaryArray::from_iter_values(files))
    });
    finds(&|| Box::new(near::NearConflicts { inputs: inputs::Inputs::Image("thing".into()), label: "mood".into() }), &data, &conflicting);
}

#[test]
fn vectors_in_nearly_the_same_direction_with_another_label_are_listed() {
    let (data, conflicting) = pairs(|rows| {
        let rows = rows.iter().map(|(n, copy)| Some(vector(*n, *copy)));
        std::sync::Arc::new(arrow::array::ListArray::from_iter_primitive::<arrow::datatypes::Float32Type, _, _>(rows))
    });
    finds(&|| Box::new(near::NearConflicts { inputs: inputs::Inputs::Vectors("thing".into()), label: "mood".into() }), &data, &conflicting);
}

#[test]
fn the_same_picture_or_vector_under_two_labels_is_listed_by_the_exact_rule() {
    let image = |number| picture(number, false);
    let column: arrow::array::ArrayRef =
        std::sync::Arc::new(arrow::array::BinaryArray::from_iter_values([image(1), image(2), image(1), image(3), b"no image".to_vec()]));
    let labels: arrow::array::ArrayRef = std::sync::Arc::new(arrow::array::StringArray::from(vec!["a", "b", "b", "a", "a"]));
    let data = RecordBatch::try_from_iter([("thing", column), ("mood", labels.clone())]).unwrap();
    let kind = || Kind::Input { inputs: inputs::Inputs::Image("thing".into()), label: "mood".into() };
    let found = |rule, data: &RecordBatch| run(rule, data).1.iter().map(|l| l.0).collect::<Vec<u64>>();
    // Two of five rows are more than a tenth: several opinions.
    assert!(found(Box::new(Conflicts { kind: kind() }), &data).is_empty());
    let many: Vec<Vec<u8>> = (0..30).map(|i| image(if i == 20 { 4 } else { i })).collect();
    let column: arrow::array::ArrayRef = std::sync::Arc::new(arrow::array::BinaryArray::from_iter_values(many));
    let labels: arrow::array::ArrayRef =
        std::sync::Arc::new(arrow::array::StringArray::from_iter_values((0..30).map(|i| if i == 20 { "b" } else { "a" })));
    let data = RecordBatch::try_from_iter([("thing", column), ("mood", labels.clone())]).unwrap();
    assert_eq!(found(Box::new(Conflicts { kind: kind() }), &data), [4, 20]);
    let vectors = (0..30).map(|i| Some(if i > 27 { vec![Some(0.0); 96] } else { vector(if i == 20 { 4 } else { i }, false) }));
    let column: arrow::array::ArrayRef =
        std::sync::Arc::new(arrow::array::ListArray::from_iter_primitive::<arrow::datatypes::Float32Type, _, _>(vectors));
    let data = RecordBatch::try_from_iter([("thing", column), ("mood", labels)]).unwrap();
    let kind = Kind::Input { inputs: inputs::Inputs::Vectors("thing".into()), label: "mood".into() };
    assert_eq!(found(Box::new(Conflicts { kind }), &data), [4, 20]);
}

/// 600 strangers in two classes, and `copies` of one thing that all have one label.
fn flooded_things(inputs: inputs::Inputs, copies: usize, make: impl Fn(&[(u64, u64)]) -> arrow::array::ArrayRef) -> (Vec<Line>, Vec<u64>) {
    let mut rows: Vec<(u64, u64)> = (0..600).map(|n| (n, 0)).collect();
    rows.extend((1..=copies as u64).map(|version| (7000, version)));
    let labels: Vec<&str> = rows.iter().map(|(n, _)| if *n >= 7000 || n % 2 == 0 { "glad" } else { "sad" }).collect();
    let labels: arrow::array::ArrayRef = std::sync::Arc::new(arrow::array::StringArray::from(labels));
    let data = RecordBatch::try_from_iter([("thing", make(&rows)), ("mood", labels)]).unwrap();
    let rule = || Box::new(Flood { inputs: inputs.clone(), label: Some("mood".into()) });
    let (outcome, lines) = run(rule(), &data);
    assert!(outcome.floor.iter().all(|f| f.rows.is_none() && f.reason.is_some()));
    for (threads, shard, batch) in [(1, 1000, 9), (3, 111, 50)] {
        assert_eq!(run_split(rule(), &data, threads, shard, batch).1, lines);
    }
    (lines, (600..600 + copies as u64).collect())
}

#[test]
fn a_flood_of_vectors_or_pictures_is_for_review() {
    let noise = |dice: &mut Dice| (0..4).map(|_| dice.roll(1000) as f32 / 1000.0).sum::<f32>() - 2.0;
    let vectors = |rows: &[(u64, u64)]| -> arrow::array::ArrayRef {
        let rows = rows.iter().map(|(n, version)| {
            let (mut dice, mut other) = (Dice::new(*n), Dice::new(n + 31 * version));
            Some((0..96).map(|_| Some(4.0 + noise(&mut dice) + 0.02 * noise(&mut other))).collect::<Vec<_>>())
        });
        std::sync::Arc::new(arrow::array::ListArray::from_iter_primitive::<arrow::datatypes::Float32Type, _, _>(rows))
    };
    let pictures = |rows: &[(u64, u64)]| -> arrow::array::ArrayRef {
        let files = rows.iter().map(|(n, version)| {
            let (mut dice, mut other) = (Dice::new(*n), Dice::new(n + 31 * version));
            let corners: Vec<f32> = (0..25).map(|_| dice.roll(200) as f32 + 20.0).collect();
            let picture = image::GrayImage::from_fn(32, 32, |x, y| {
                image::Luma([(corners[(x / 7 + y / 7 * 5) as usize] + 2.0 * noise(&mut other)) as u8])
            });
            let mut out = std::io::Cursor::new(Vec::new());
            image::DynamicImage::ImageLuma8(picture).write_to(&mut out, image::ImageFormat::Png).unwrap();
            out.into_inner()
        });
        std::sync::Arc::new(arrow::array::BinaryArray::from_iter_values(files.collect::<Vec<_>>()))
    };
    for copies in [0, 11, 25] {
        let found = [
            flooded_things(inputs::Inputs::Vectors("thing".into()), copies, vectors),
            flooded_things(inputs::Inputs::Image("thing".into()), copies, pictures),
        ];
        for (lines, planted) in found {
            assert!(lines.iter().all(|l| l.1 == Action::Review));
            let rows: Vec<u64> = lines.iter().map(|l| l.0).collect();
            assert_eq!(rows, if copies >= 12 { planted } else { Vec::new() });
        }
    }
}
