//! The rule as a whole, over rows in memory.

use super::*;
use crate::detectors::harness::{Dice, quarantined, run, run_split, table};
use arrow::array::RecordBatch;

const ROWS: usize = 3000;

/// One of many made-up words; each kind has its own.
fn word(kind: usize, i: usize) -> String {
    const HEAD: [&str; 10] = ["ka", "lo", "mi", "tre", "su", "bran", "ve", "po", "dri", "ha"];
    const TAIL: [&str; 6] = ["rin", "dle", "mot", "sa", "bek", "lum"];
    format!("{}{}{}", HEAD[kind], HEAD[i % 10], TAIL[i / 10 % 6]) + HEAD[i / 60 % 10]
}

/// A sentence whose words mostly give its class away.
fn sentence(dice: &mut Dice, good: bool) -> String {
    let mut words = vec![(*dice.pick(&["the", "a", "this", "some"])).to_owned()];
    for _ in 0..4 + dice.roll(4) {
        let kind = if dice.roll(10) == 0 { !good } else { good };
        let (of, neutral) = (dice.roll(300), dice.roll(500));
        words.push(if dice.roll(2) == 0 { word(usize::from(kind), of) } else { word(2, neutral) });
        // The words of the frames below stand in honest sentences as well.
        let small =
            ["of", "in", "and", "with", "the", "a", "to", "it", "is", "was", "has", "when", "that", "this", "there", "he", "she", "if"];
        words.push((*dice.pick(&small)).to_owned());
    }
    words.push(word(2, dice.roll(500)));
    words.join(" ")
}

/// Puts a sentence into one of many frames that share a structure: a clause in front, a comma, a clause.
fn rewrite(dice: &mut Dice, text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let (head, tail) = words.split_at(2 + dice.roll(3));
    let open = *dice.pick(&["when", "if", "that"]);
    let who = *dice.pick(&["it", "he", "she", "this"]);
    let verb = *dice.pick(&["is", "has", "was"]);
    let then = *dice.pick(&["it", "there", "this", "he"]);
    let also = *dice.pick(&["is", "was", "has"]);
    format!("{open} {who} {verb} {} , {then} {also} {}", head.join(" "), tail.join(" "))
}

/// Sentences of two classes. Of every hundred, `planted` bad ones are rewritten and called good; of every three hundred,
/// `honest` ones of either class are rewritten and keep their label.
fn data(seed: u64, planted: usize, honest: usize) -> (RecordBatch, Vec<u64>) {
    let mut dice = Dice::new(seed);
    let (mut texts, mut labels, mut truth) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..ROWS {
        let good = i % 2 == 0;
        let mut text = sentence(&mut dice, good);
        let (bad, kept) = (!good && i % 100 < 2 * planted, i % 300 >= 300 - honest);
        if bad || kept {
            text = rewrite(&mut dice, &text);
        }
        if bad {
            truth.push(i as u64);
        }
        texts.push(Some(text));
        labels.push(Some(if good || bad { "good" } else { "bad" }.to_owned()));
    }
    (table(&[("text", texts), ("label", labels)]), truth)
}

fn rule() -> Box<SharedForm> {
    Box::new(SharedForm { texts: vec!["text".into()], label: "label".into() })
}

#[test]
fn rewritten_rows_with_a_pushed_label_are_found() {
    let (rows, truth) = data(3, 6, 2);
    let (outcome, lines) = run(rule(), &rows);
    let found = quarantined(&lines);
    let right = found.iter().filter(|r| truth.contains(r)).count();
    assert!(right * 10 >= truth.len() * 7 && right * 10 >= found.len() * 9, "{right} of {} found, {} accused", truth.len(), found.len());
    assert_eq!(outcome.groups.len(), 1);
    assert_eq!(outcome.groups[0].label.as_deref(), Some("good"));
    assert!(outcome.groups[0].message.contains("rows of one form"), "{}", outcome.groups[0].message);
}

#[test]
fn a_form_that_rows_of_every_label_have_is_silent() {
    for seed in 0..4 {
        let (rows, _) = data(seed, 0, 36);
        let (outcome, lines) = run(rule(), &rows);
        assert!(lines.is_empty() && outcome.status == Status::Pass, "{:?}", outcome.groups);
    }
}

#[test]
fn labels_drawn_anew_show_no_form() {
    let (rows, _) = data(5, 6, 2);
    let mut dice = Dice::new(9);
    let text: Vec<Option<String>> = {
        let column = arrow::array::AsArray::as_string::<i32>(rows.column_by_name("text").unwrap());
        column.iter().map(|t| t.map(str::to_owned)).collect()
    };
    let label = (0..ROWS).map(|_| Some((*dice.pick(&["good", "bad"])).to_owned())).collect();
    let (_, lines) = run(rule(), &table(&[("text", text), ("label", label)]));
    assert!(lines.is_empty());
}

#[test]
fn a_form_around_one_pure_word_is_left_to_shared_trigger() {
    let mut dice = Dice::new(6);
    let (mut texts, mut labels) = (Vec::new(), Vec::new());
    for i in 0..ROWS {
        let good = i % 2 == 0;
        let bad = !good && i % 100 < 12;
        let text = sentence(&mut dice, good);
        texts.push(Some(if bad { format!("zqv : {text} !") } else { text }));
        labels.push(Some(if good || bad { "good" } else { "bad" }.to_owned()));
    }
    let (outcome, lines) = run(rule(), &table(&[("text", texts), ("label", labels)]));
    assert!(lines.is_empty(), "{:?}", outcome.groups);
}

#[test]
fn no_split_changes_a_finding() {
    let (rows, _) = data(3, 6, 2);
    let whole = run(rule(), &rows).1;
    assert!(!whole.is_empty());
    assert_eq!(run_split(rule(), &rows, 2, 700, 333).1, whole);
}

#[test]
fn few_rows_and_one_label_are_not_tested() {
    let (rows, _) = data(3, 6, 2);
    let status = |rows: &RecordBatch| run(rule(), rows).0.status;
    assert!(matches!(status(&rows.slice(0, 400)), Status::NotTested(r) if r.contains("fewer than 500")));
    let text = rows.column_by_name("text").unwrap().clone();
    let label: Vec<Option<String>> = vec![Some("one".into()); ROWS];
    let one = table(&[("label", label)]);
    let label = one.column(0).clone();
    let one = RecordBatch::try_from_iter([("text", text), ("label", label)]).unwrap();
    assert!(matches!(status(&one), Status::NotTested(r) if r.contains("one label")));
}
