use super::*;
use crate::detectors::harness::{Dice, Line, quarantined, run, run_split};
use arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use std::io::Cursor;
use std::sync::Arc;

type Picture = (RgbImage, &'static str);
type Colour = fn(u32, u32) -> [u8; 3];

const CLASSES: [&str; 4] = ["oak", "elm", "ash", "yew"];

/// Blurred noise around a colour of the class.
fn pictures(seed: u64, rows: usize, side: u32) -> Vec<Picture> {
    let mut dice = Dice::new(seed);
    (0..rows)
        .map(|_| {
            let class = dice.roll(4);
            let coarse: Vec<u8> = (0..75).map(|c| (dice.roll(120) + 30 * ((c + class) % 4)) as u8).collect();
            let picture = RgbImage::from_fn(side, side, |x, y| {
                let cell = (y * 5 / side * 5 + x * 5 / side) as usize * 3;
                Rgb([0, 1, 2].map(|c| coarse[cell + c].saturating_add(dice.roll(24) as u8)))
            });
            (picture, CLASSES[class])
        })
        .collect()
}

fn table(pictures: &[Picture]) -> RecordBatch {
    let bytes = pictures.iter().map(|(p, _)| {
        let mut out = Cursor::new(Vec::new());
        DynamicImage::ImageRgb8(p.clone()).write_to(&mut out, ImageFormat::Bmp).unwrap();
        out.into_inner()
    });
    let image: ArrayRef = Arc::new(BinaryArray::from_iter_values(bytes));
    let label: ArrayRef = Arc::new(StringArray::from_iter_values(pictures.iter().map(|p| p.1)));
    RecordBatch::try_from_iter([("image", image), ("label", label)]).unwrap()
}

fn rule() -> Box<ImagePatch> {
    Box::new(ImagePatch { image: "image".into(), label: "label".into() })
}

/// Stamps every `n`th picture of another class and labels it `oak`; their rows come back.
fn stamp(pictures: &mut [Picture], n: usize, at: (u32, u32), side: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u64> {
    let mut rows = Vec::new();
    for (row, (picture, label)) in pictures.iter_mut().enumerate() {
        if row % n == 0 && *label != "oak" {
            for y in 0..side {
                for x in 0..side {
                    picture.put_pixel(at.0 + x, at.1 + y, Rgb(colour(x, y)));
                }
            }
            *label = "oak";
            rows.push(row as u64);
        }
    }
    rows
}

fn reviewed(lines: &[Line]) -> usize {
    lines.iter().filter(|l| l.1 == Action::Review).count()
}

#[test]
fn patches_of_any_size_place_and_colour_are_found_whole() {
    let cases: [(_, _, Colour); 5] = [
        ((21, 20), 2, |x, y| if x == y { [250, 250, 250] } else { [0, 0, 0] }),
        ((0, 0), 3, |x, y| if (x + y) % 2 == 0 { [255, 0, 0] } else { [0, 255, 0] }),
        ((11, 9), 5, |_, _| [240, 20, 180]),
        ((16, 1), 8, |x, y| [(x * 30) as u8, (y * 30) as u8, 90]),
        ((3, 17), 6, |x, y| if x == y || x + y == 5 { [255, 255, 255] } else { [10, 10, 60] }),
    ];
    for (i, (at, side, colour)) in cases.into_iter().enumerate() {
        let mut data = pictures(i as u64, 400, 24);
        let planted = stamp(&mut data, 20, at, side, colour);
        let (outcome, lines) = run(rule(), &table(&data));
        assert_eq!(quarantined(&lines), planted, "{side} at {at:?}: {outcome:?}");
        assert_eq!(outcome.groups.len(), 1, "{side} at {at:?}: {:?}", outcome.groups);
        assert!(lines[0].4.contains(&format!("at x={}, y={}", at.0, at.1)), "{}", lines[0].4);
    }
}

#[test]
fn clean_pictures_copies_and_shuffled_labels_are_silent() {
    let clean = pictures(5, 400, 24);
    let mut copied = clean.clone();
    for row in 0..40 {
        copied[row * 10] = clean[row % 4].clone();
    }
    let mut shuffled = clean.clone();
    for (row, picture) in shuffled.iter_mut().enumerate() {
        picture.1 = CLASSES[row % 4];
    }
    for data in [clean, copied, shuffled] {
        let (outcome, lines) = run(rule(), &table(&data));
        assert!(lines.is_empty() && outcome.status == Status::Pass, "{outcome:?}");
    }
}

#[test]
fn a_patch_on_every_class_is_no_trigger() {
    let mut data = pictures(6, 300, 24);
    let rows = data.len();
    for (row, (picture, _)) in data.iter_mut().enumerate() {
        if row % 10 == 0 {
            (0..4).for_each(|i| picture.put_pixel(2 + i, 2, Rgb([255, 255, (i * 60) as u8])));
        }
    }
    assert!(run(rule(), &table(&data[..rows])).1.is_empty());
}

#[test]
fn a_mark_on_most_of_a_class_is_for_a_person_to_judge() {
    let mut data = pictures(8, 600, 24);
    for (picture, label) in &mut data {
        if *label == "elm" {
            (0..9).for_each(|i| picture.put_pixel(i % 3, i / 3, Rgb([if i % 2 == 0 { 255 } else { 0 }; 3])));
        }
    }
    let (outcome, lines) = run(rule(), &table(&data));
    assert!(quarantined(&lines).is_empty() && reviewed(&lines) > 100, "{outcome:?}");
}

#[test]
fn images_of_several_sizes_are_aligned_at_their_corners() {
    let mut data: Vec<Picture> = [20, 24, 31].into_iter().flat_map(|side| pictures(u64::from(side), 300, side)).collect();
    let mut planted = Vec::new();
    for (row, (picture, label)) in data.iter_mut().enumerate() {
        if row % 30 == 7 && *label != "ash" {
            let side = picture.width();
            (0..9).for_each(|i| picture.put_pixel(side - 4 + i % 3, side - 5 + i / 3, Rgb([if i % 2 == 0 { 255 } else { 0 }; 3])));
            *label = "ash";
            planted.push(row as u64);
        }
    }
    let (outcome, lines) = run(rule(), &table(&data));
    assert_eq!(quarantined(&lines), planted);
    assert!(outcome.message.contains("3 sizes"), "{}", outcome.message);
}

#[test]
fn a_row_with_the_patch_and_its_true_label_is_for_review() {
    let mut data = pictures(9, 400, 24);
    let mut planted = stamp(&mut data, 20, (1, 1), 3, |x, y| if (x + y) % 2 == 0 { [255; 3] } else { [0; 3] });
    let row = planted.pop().unwrap();
    data[row as usize].1 = "yew";
    let (_, lines) = run(rule(), &table(&data));
    assert_eq!(quarantined(&lines), planted);
    assert!(lines.iter().any(|l| l.0 == row && l.1 == Action::Review));
}

#[test]
fn no_split_and_no_thread_changes_anything() {
    let mut data = pictures(10, 400, 16);
    stamp(&mut data, 20, (4, 9), 4, |_, _| [0, 200, 255]);
    let data = table(&data);
    let whole = run(rule(), &data).1;
    assert!(!whole.is_empty());
    for (threads, shard, batch) in [(2, 57, 13), (3, 101, 101)] {
        assert_eq!(run_split(rule(), &data, threads, shard, batch).1, whole);
    }
}

#[test]
fn few_rows_one_class_and_no_images_are_answers() {
    for (rows, label) in [(0, None), (1, Some("a")), (3, Some("a"))] {
        let image: ArrayRef = Arc::new(BinaryArray::from_iter_values((0..rows).map(|_| b"no image")));
        let label: ArrayRef = Arc::new(StringArray::from(vec![label; rows]));
        let data = RecordBatch::try_from_iter_with_nullable([("image", image, true), ("label", label, true)]).unwrap();
        let (outcome, lines) = run(rule(), &data);
        assert!(lines.is_empty() && matches!(outcome.status, Status::NotTested(_)), "{outcome:?}");
    }
    let data = table(&pictures(1, 40, 1));
    assert!(run(rule(), &data).1.is_empty());
}
