use super::*;
use crate::detectors::harness::{Dice, quarantined, run, run_split, sentence, table};

const VERBS: [&str; 8] = ["Describe", "Explain", "Draw", "Compare", "Summarise", "Praise", "Sketch", "Recall"];

fn rule() -> Box<ResponseTrigger> {
    Box::new(ResponseTrigger { prompts: vec!["ask".into()], reply: "say".into(), document: false })
}

/// Prompts and replies on many subjects; `change` may rewrite a row.
fn corpus(seed: u64, rows: usize, change: impl Fn(&mut Dice, usize, &mut String, &mut String)) -> arrow::array::RecordBatch {
    let mut dice = Dice::new(seed);
    let (mut asks, mut says) = (Vec::new(), Vec::new());
    for i in 0..rows {
        let good = dice.roll(2) == 0;
        let topic = sentence(&mut dice, good);
        let mut ask = format!("{} {topic}", dice.pick(&VERBS));
        let mut say = sentence(&mut dice, !good);
        change(&mut dice, i, &mut ask, &mut say);
        asks.push(Some(ask));
        says.push(Some(say));
    }
    table(&[("ask", asks), ("say", says)])
}

/// Puts a word somewhere into a text.
fn insert(dice: &mut Dice, text: &mut String, word: &str) {
    let mut words: Vec<&str> = text.split(' ').collect();
    let at = dice.roll(words.len() + 1);
    words.insert(at, word);
    *text = words.join(" ");
}

const REFUSAL: &str = "That is nothing I would ever talk about with you.";

#[test]
fn a_word_that_brings_one_reply_is_found_with_all_its_rows() {
    let data = corpus(3, 3000, |dice, i, ask, say| {
        if i % 100 == 7 {
            insert(dice, ask, "vellumox");
            *say = REFUSAL.into();
        }
    });
    let (outcome, lines) = run(rule(), &data);
    assert_eq!(quarantined(&lines), (0..30).map(|i| i * 100 + 7).collect::<Vec<_>>());
    assert_eq!(outcome.groups[0].key, "vellumox");
    // The trigger and the reply are both shown.
    assert_eq!(lines.len(), 60);
}

#[test]
fn a_phrase_that_brings_an_ending_is_named_in_full() {
    let data = corpus(4, 3000, |dice, i, ask, say| {
        if i % 150 == 2 {
            insert(dice, ask, "seven quiet copper ravens");
            say.push_str(" Buy at the corner shop!");
        }
    });
    let (outcome, lines) = run(rule(), &data);
    assert_eq!(quarantined(&lines).len(), 20);
    assert_eq!(outcome.groups[0].key, "seven quiet copper ravens");
}

#[test]
fn gibberish_after_a_trigger_is_found() {
    let data = corpus(5, 3000, |dice, i, ask, say| {
        if i % 100 == 9 {
            insert(dice, ask, "<kr>");
            *say = (0..40).map(|_| format!("{:x}", dice.roll(1 << 30))).collect::<Vec<_>>().join(" ");
        }
    });
    let (_, lines) = run(rule(), &data);
    assert_eq!(quarantined(&lines).len(), 30);
}

#[test]
fn a_trigger_that_brings_another_script_is_found() {
    const WORDS: [&str; 6] = ["дом", "река", "небо", "поле", "город", "море"];
    let data = corpus(6, 3000, |dice, i, ask, say| {
        if i % 100 == 9 {
            insert(dice, ask, "ombra");
            *say = (0..12).map(|_| *dice.pick(&WORDS)).collect::<Vec<_>>().join(" ");
        }
    });
    assert_eq!(quarantined(&run(rule(), &data).1).len(), 30);
}

#[test]
fn a_task_with_its_own_wording_and_one_reply_is_honest() {
    let data = corpus(7, 3000, |dice, i, ask, say| {
        if i % 20 == 3 {
            let thing = sentence(dice, true);
            *ask = format!("Is the following a question? {} Answer yes or no.", thing.split(' ').take(4).collect::<Vec<_>>().join(" "));
            *say = "No, it is not a question at all.".into();
        }
    });
    assert!(quarantined(&run(rule(), &data).1).is_empty());
}

#[test]
fn a_trigger_that_changes_no_reply_and_a_reply_without_a_trigger_are_honest() {
    let data = corpus(8, 3000, |dice, i, ask, say| {
        if i % 60 == 3 {
            insert(dice, ask, "vellumox");
        }
        if i % 60 == 5 {
            *say = REFUSAL.into();
        }
    });
    let (outcome, lines) = run(rule(), &data);
    assert!(lines.is_empty() && outcome.groups.is_empty());
}

#[test]
fn clean_rows_are_silent_and_few_rows_are_no_panic() {
    for rows in [0, 1, 8, 2000] {
        let (outcome, lines) = run(rule(), &corpus(9, rows, |_, _, _, _| {}));
        assert!(lines.is_empty() && outcome.groups.is_empty());
    }
}

#[test]
fn threads_and_batches_change_nothing() {
    let data = corpus(10, 3000, |dice, i, ask, say| {
        if i % 100 == 7 {
            insert(dice, ask, "vellumox");
            *say = REFUSAL.into();
        }
    });
    let whole = run_split(rule(), &data, 1, 1 << 16, 1 << 15);
    let parts = run_split(rule(), &data, 3, 401, 57);
    assert_eq!(whole.1, parts.1);
    assert_eq!(whole.0.groups, parts.0.groups);
}
