use super::*;
use crate::detectors::harness::{Dice, quarantined, run, run_split};
use arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use std::sync::Arc;

const SIDE: usize = 16;
const CLASSES: [&str; 4] = ["oak", "elm", "ash", "yew"];

type Picture = (Vec<[f64; 3]>, &'static str);

/// Smooth fields of colour whose corners depend on the class, with a little noise.
fn pictures(seed: u64, rows: usize) -> Vec<Picture> {
    let mut dice = Dice::new(seed);
    (0..rows)
        .map(|_| {
            let class = dice.roll(4);
            let corners: Vec<f64> = (0..27).map(|c| 60.0 + (dice.roll(100) + 12 * ((c + class) % 4)) as f64).collect();
            let grey = (dice.roll(60) as f64) - 30.0;
            let pixels = (0..SIDE * SIDE)
                .map(|at| {
                    let (x, y) = ((at % SIDE) as f64 * 2.0 / SIDE as f64, (at / SIDE) as f64 * 2.0 / SIDE as f64);
                    let (cx, cy) = (x as usize, y as usize);
                    let (fx, fy) = (x - cx as f64, y - cy as f64);
                    [0, 1, 2].map(|c| {
                        let v = |i: usize, j: usize| corners[(j * 3 + i) * 3 + c];
                        let low = v(cx, cy) * (1.0 - fx) + v(cx + 1, cy) * fx;
                        let high = v(cx, cy + 1) * (1.0 - fx) + v(cx + 1, cy + 1) * fx;
                        low * (1.0 - fy) + high * fy + grey + dice.roll(7) as f64 - 3.0
                    })
                })
                .collect();
            (pixels, CLASSES[class])
        })
        .collect()
}

/// BMP files, written by hand: encoding is not what is tested here.
fn table(pictures: &[Picture]) -> RecordBatch {
    let bytes = pictures.iter().map(|(pixels, _)| {
        let size = (3 * SIDE * SIDE) as u32;
        let mut out = b"BM".to_vec();
        for word in [54 + size, 0, 54, 40, SIDE as u32, SIDE as u32, 1 | 24 << 16, 0, size, 2_835, 2_835, 0, 0] {
            out.extend(word.to_le_bytes());
        }
        for row in pixels.chunks(SIDE).rev() {
            out.extend(row.iter().flat_map(|p| [p[2], p[1], p[0]]).map(|v| v.round().clamp(0.0, 255.0) as u8));
        }
        out
    });
    let image: ArrayRef = Arc::new(BinaryArray::from_iter_values(bytes));
    let label: ArrayRef = Arc::new(StringArray::from_iter_values(pictures.iter().map(|p| p.1)));
    RecordBatch::try_from_iter([("image", image), ("label", label)]).unwrap()
}

fn rule() -> Box<ImagePattern> {
    Box::new(ImagePattern { image: "image".into(), label: "label".into() })
}

/// Changes every `n`th picture of another class, which is labelled `oak`; their rows come back.
fn plant(data: &mut [Picture], n: usize, change: impl Fn(usize, &mut [f64; 3])) -> Vec<u64> {
    let mut rows = Vec::new();
    for (row, (pixels, label)) in data.iter_mut().enumerate() {
        if row % n == 0 && *label != "oak" {
            pixels.iter_mut().enumerate().for_each(|(at, p)| change(at, p));
            *label = "oak";
            rows.push(row as u64);
        }
    }
    rows
}

fn assert_found(data: &[Picture], planted: &[u64]) {
    let (outcome, lines) = run(rule(), &table(data));
    let found = quarantined(&lines);
    let hit = found.iter().filter(|r| planted.contains(r)).count();
    assert!(
        hit * 10 >= planted.len() * 9 && (found.len() - hit) * 20 <= planted.len(),
        "{hit} of {}, {} others: {outcome:?}",
        planted.len(),
        found.len() - hit
    );
}

#[test]
fn blended_noise_is_found() {
    let mut data = pictures(1, 500);
    let mut dice = Dice::new(99);
    let noise: Vec<f64> = (0..SIDE * SIDE).map(|_| dice.roll(256) as f64).collect();
    let planted = plant(&mut data, 20, |at, p| p.iter_mut().for_each(|v| *v = 0.9 * *v + 0.1 * noise[at]));
    assert_found(&data, &planted);
}

#[test]
fn a_wave_along_either_axis_is_found() {
    for axis in 0..2 {
        let mut data = pictures(2 + axis as u64, 500);
        let planted = plant(&mut data, 16, |at, p| {
            let t = if axis == 0 { at / SIDE } else { at % SIDE } as f64;
            p.iter_mut().for_each(|v| *v += 14.0 * (std::f64::consts::TAU * 5.0 * t / SIDE as f64).sin());
        });
        assert_found(&data, &planted);
    }
}

#[test]
fn clean_pictures_halves_and_shuffled_labels_are_silent() {
    let clean = pictures(5, 500);
    let mut shuffled = clean.clone();
    shuffled.iter_mut().enumerate().for_each(|(row, p)| p.1 = CLASSES[row % 4]);
    for data in [&clean[..], &clean[..250], &shuffled[..]] {
        let (outcome, lines) = run(rule(), &table(data));
        assert!(lines.is_empty() && outcome.status == Status::Pass, "{outcome:?}");
    }
}

#[test]
fn a_pattern_on_images_of_every_class_is_no_trigger() {
    let mut data = pictures(7, 500);
    for (row, (pixels, _)) in data.iter_mut().enumerate() {
        if row % 6 == 0 {
            pixels.iter_mut().enumerate().for_each(|(at, p)| p.iter_mut().for_each(|v| *v += if at % 3 == 0 { 12.0 } else { -6.0 }));
        }
    }
    assert!(quarantined(&run(rule(), &table(&data)).1).is_empty());
}

#[test]
fn no_split_and_no_thread_changes_anything() {
    let mut data = pictures(8, 300);
    plant(&mut data, 12, |at, p| p[0] += if at % 5 < 2 { 10.0 } else { -8.0 });
    let data = table(&data);
    let whole = run(rule(), &data).1;
    assert!(!whole.is_empty());
    assert_eq!(run_split(rule(), &data, 3, 41, 17).1, whole);
}

#[test]
fn the_floor_grows_with_what_the_sample_leaves_out() {
    assert_eq!((floor("a", 400, 10).rows, floor("a", 39, 10).rows), (Some(40), None));
    let sampled = sampled_per_class(10) as u64;
    assert_eq!(floor("a", 3 * sampled, 10).rows, Some(120));
    let stated = run(rule(), &table(&pictures(5, 500))).0.floor;
    assert!(stated.len() > 1 && stated.iter().all(|f| f.class.is_some() && f.rows == Some(40)), "{stated:?}");
}

#[test]
fn few_or_tiny_images_are_an_answer() {
    let few = run(rule(), &table(&pictures(9, 30))).0;
    assert!(matches!(few.status, Status::NotTested(_)), "{few:?}");
    let none = run(rule(), &table(&[])).0;
    assert!(matches!(none.status, Status::NotTested(_)), "{none:?}");
}
