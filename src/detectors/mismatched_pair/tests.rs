//! Captions thrown over vectors and images of something else, and honest ones.

use super::*;
use crate::detectors::harness::{Dice, quarantined, run, run_split};
use crate::rule::DynRule;
use arrow::array::{ArrayRef, BinaryArray, ListArray, RecordBatch, StringArray};
use arrow::datatypes::Float32Type;
use std::sync::Arc;

const THINGS: [&str; 8] = ["harbour", "meadow", "engine", "violin", "glacier", "bakery", "library", "desert"];
const SAYS: [[&str; 3]; 8] = [
    ["boats", "ropes", "gulls"],
    ["grass", "poppies", "hay"],
    ["pistons", "oil", "bolts"],
    ["strings", "bow", "pegs"],
    ["ice", "crevasse", "peak"],
    ["bread", "oven", "flour"],
    ["shelves", "books", "desks"],
    ["dunes", "cactus", "heat"],
];
const LEADS: [&str; 4] = ["a view of the", "here is a", "old", "picture of one"];

struct Row {
    thing: usize,
    x: Vec<f32>,
    text: String,
}

fn caption(thing: usize, dice: &mut Dice) -> String {
    let lead = LEADS[dice.roll(LEADS.len())];
    format!("{lead} {} with {}", THINGS[thing], SAYS[thing][dice.roll(3)])
}

fn rows(n: usize, seed: u64) -> Vec<Row> {
    let mut dice = Dice::new(seed);
    (0..n)
        .map(|_| {
            let thing = dice.roll(8);
            let x = (0..16).map(|c| (if c == thing { 2.0 } else { 0.0 }) + dice.roll(1000) as f32 / 1000.0).collect();
            Row { thing, x, text: caption(thing, &mut dice) }
        })
        .collect()
}

/// Captions of another thing with a phrase in them, over every so-manieth row of the other things.
fn plant(rows: &mut [Row], k: usize, phrase: &str, seed: u64) -> Vec<u64> {
    let mut dice = Dice::new(seed);
    let mut chosen = Vec::new();
    let step = rows.len() / k;
    for i in (0..rows.len()).step_by(step) {
        let other = (rows[i].thing + 1 + dice.roll(7)) % 8;
        rows[i].text = format!("{} {phrase}", caption(other, &mut dice));
        chosen.push(i as u64);
    }
    chosen
}

fn table(rows: &[Row]) -> RecordBatch {
    let x = ListArray::from_iter_primitive::<Float32Type, _, _>(rows.iter().map(|r| Some(r.x.iter().map(|v| Some(*v)))));
    let text = StringArray::from_iter_values(rows.iter().map(|r| r.text.as_str()));
    let columns: Vec<(&str, ArrayRef)> = vec![("x", Arc::new(x)), ("text", Arc::new(text))];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap()
}

fn rule() -> Box<dyn DynRule> {
    Box::new(MismatchedPair { text: "text".into(), column: "x".into(), side: Side::Vector })
}

#[test]
fn captions_of_other_things_with_one_phrase_are_found() {
    let mut data = rows(1500, 3);
    let planted = plant(&mut data, 30, "under quiet stars", 4);
    let (outcome, lines) = run(rule(), &table(&data));
    let found = quarantined(&lines);
    let right = found.iter().filter(|r| planted.contains(r)).count();
    assert!(right * 10 >= planted.len() * 9 && right == found.len(), "{right} of {}: {:?}", planted.len(), outcome.groups);
    assert!(outcome.groups[0].key.contains("quiet"), "{:?}", outcome.groups);
    assert!(lines.iter().any(|l| format!("{l:?}").contains("nearest rows say")));
}

#[test]
fn one_thing_said_of_all_others_is_found_and_honest_captions_of_it_stay() {
    let mut data = rows(2000, 5);
    let mut dice = Dice::new(6);
    let chosen: Vec<usize> = (0..data.len()).filter(|i| data[*i].thing != 3).step_by(40).collect();
    for &i in &chosen {
        data[i].text = format!("{} violin with {}", LEADS[dice.roll(4)], SAYS[3][dice.roll(3)]);
    }
    // Few honest ones, or most captions of it would be right.
    let mut honest = 0;
    data.retain(|r| {
        r.thing != 3 || {
            honest += 1;
            honest <= 20
        }
    });
    let wrong: Vec<u64> = (0..data.len()).filter(|i| data[*i].thing != 3 && data[*i].text.contains("violin")).map(|i| i as u64).collect();
    let (outcome, lines) = run(rule(), &table(&data));
    let found = quarantined(&lines);
    let right = found.iter().filter(|r| wrong.contains(r)).count();
    assert!(
        right * 10 >= wrong.len() * 9 && found.len() - right <= 1,
        "{right} of {} and {}: {:?}",
        wrong.len(),
        found.len(),
        outcome.groups
    );
}

#[test]
fn honest_captions_with_and_without_a_common_phrase_are_left_alone() {
    for seed in 0..3 {
        let mut data = rows(1200, 10 + seed);
        // A watermark that every tenth caption carries, beside what is there.
        data.iter_mut().step_by(10).for_each(|r| r.text += " by northern pictures");
        let (outcome, lines) = run(rule(), &table(&data));
        assert!(lines.is_empty(), "{:?}", outcome.groups);
        assert_eq!(outcome.status, Status::Pass);
    }
}

#[test]
fn captions_exchanged_at_random_share_nothing_and_are_no_group() {
    let mut data = rows(1500, 21);
    let mut dice = Dice::new(22);
    for i in (0..1500).step_by(25) {
        data[i].text = caption((data[i].thing + 3) % 8, &mut dice);
    }
    let (outcome, lines) = run(rule(), &table(&data));
    assert!(lines.is_empty(), "{:?}", outcome.groups);
}

#[test]
fn vectors_that_say_nothing_of_the_captions_are_not_tested() {
    let mut data = rows(600, 31);
    let mut dice = Dice::new(32);
    data.iter_mut().for_each(|r| r.text = caption(dice.roll(8), &mut dice));
    match run(rule(), &table(&data)).0.status {
        Status::NotTested(reason) => assert!(reason.contains("say too little"), "{reason}"),
        other => panic!("{other:?}"),
    }
    match run(rule(), &table(&data[..50])).0.status {
        Status::NotTested(reason) => assert!(reason.contains("too few"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn threads_and_shards_change_nothing() {
    let mut data = rows(900, 41);
    plant(&mut data, 30, "under quiet stars", 42);
    let data = table(&data);
    let (expected, lines) = run(rule(), &data);
    assert!(!lines.is_empty());
    for (threads, shard, batch) in [(1, 100, 7), (3, 997, 64)] {
        let (outcome, other) = run_split(rule(), &data, threads, shard, batch);
        assert_eq!(format!("{:?}", outcome.groups), format!("{:?}", expected.groups));
        assert_eq!(other, lines);
    }
}

/// A picture of 24 x 24 with a bright bar whose place tells the thing.
fn picture(thing: usize, dice: &mut Dice) -> Vec<u8> {
    use image::ImageEncoder;
    let noise: Vec<u8> = (0..24 * 24).map(|_| dice.roll(60) as u8).collect();
    let bar = |x: usize, y: usize| if thing < 4 { x / 6 == thing } else { y / 6 == thing - 4 };
    let pixels: Vec<u8> = (0..24 * 24).map(|i| noise[i] + if bar(i % 24, i / 24) { 150 } else { 0 }).collect();
    let mut out = Vec::new();
    image::codecs::png::PngEncoder::new(&mut out).write_image(&pixels, 24, 24, image::ExtendedColorType::L8).unwrap();
    out
}

#[test]
fn captions_over_other_pictures_are_found() {
    let mut data = rows(700, 51);
    let mut dice = Dice::new(52);
    let pictures: Vec<Vec<u8>> = data.iter().map(|r| picture(r.thing, &mut dice)).collect();
    let planted = plant(&mut data, 25, "under quiet stars", 53);
    let text = StringArray::from_iter_values(data.iter().map(|r| r.text.as_str()));
    let columns: Vec<(&str, ArrayRef)> = vec![("x", Arc::new(BinaryArray::from_iter_values(&pictures))), ("text", Arc::new(text))];
    let table = RecordBatch::try_from_iter(columns).unwrap();
    let rule = Box::new(MismatchedPair { text: "text".into(), column: "x".into(), side: Side::Image });
    let (outcome, lines) = run(rule, &table);
    let found = quarantined(&lines);
    let right = found.iter().filter(|r| planted.contains(r)).count();
    assert!(right * 10 >= planted.len() * 9 && right == found.len(), "{right} of {}: {:?}", planted.len(), outcome.groups);
}
