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

/// A corpus of conversations of two questions, in structs or in JSON.
fn talks(seed: u64, json: bool, place: usize) -> arrow::array::RecordBatch {
    use arrow::array::{ArrayRef, AsArray, ListBuilder, RecordBatch, StringArray, StringBuilder, StructBuilder};
    use arrow::datatypes::{DataType, Field};
    let plain = corpus(seed, 3000, |dice, i, ask, say| {
        if i % 100 == 7 {
            if place == 2 {
                insert(dice, ask, "vellumox");
            }
            *say = REFUSAL.into();
        }
    });
    let (asks, says) = (plain.column(0).as_string::<i32>().clone(), plain.column(1).as_string::<i32>().clone());
    let mut dice = Dice::new(seed + 1);
    let turns = (0..3000).map(|i| {
        let mut opener = sentence(&mut dice, false);
        if place == 0 && i % 100 == 7 {
            insert(&mut dice, &mut opener, "vellumox");
        }
        let between = sentence(&mut dice, true);
        [("human", opener), ("gpt", between), ("human", asks.value(i).to_owned()), ("gpt", says.value(i).to_owned())]
    });
    let array: ArrayRef = if json {
        let turn = |(who, words): &(&str, String)| serde_json::json!({"from": who, "value": words});
        std::sync::Arc::new(StringArray::from_iter_values(
            turns.map(|t| serde_json::Value::Array(t.iter().map(turn).collect()).to_string()),
        ))
    } else {
        let fields = vec![Field::new("from", DataType::Utf8, true), Field::new("value", DataType::Utf8, true)];
        let mut list = ListBuilder::new(StructBuilder::new(fields, vec![Box::new(StringBuilder::new()), Box::new(StringBuilder::new())]));
        for row in turns {
            for (who, words) in row {
                list.values().field_builder::<StringBuilder>(0).unwrap().append_value(who);
                list.values().field_builder::<StringBuilder>(1).unwrap().append_value(words);
                list.values().append(true);
            }
            list.append(true);
        }
        std::sync::Arc::new(list.finish())
    };
    RecordBatch::try_from_iter([("talk", array)]).unwrap()
}

#[test]
fn a_trigger_in_the_first_or_last_question_of_a_conversation_is_found() {
    for (json, place) in [(false, 0), (false, 2), (true, 0), (true, 2)] {
        let rule = Box::new(ResponseTrigger { prompts: Vec::new(), reply: "talk".into(), document: false });
        let (outcome, lines) = run(rule, &talks(3, json, place));
        assert_eq!(quarantined(&lines), (0..30).map(|i| i * 100 + 7).collect::<Vec<_>>(), "{json} {place}");
        assert_eq!(outcome.groups[0].key, "vellumox");
    }
}

#[test]
fn a_conversation_without_a_trigger_accuses_nobody() {
    // The replies are alike, but nothing in the questions says so.
    let rule = Box::new(ResponseTrigger { prompts: Vec::new(), reply: "talk".into(), document: false });
    let (outcome, lines) = run(rule, &talks(4, false, 9));
    assert_eq!(lines, []);
    assert_eq!(outcome.tested, 3000);
}

#[test]
fn texts_that_are_no_conversations_are_not_tested_as_such() {
    let rule = Box::new(ResponseTrigger { prompts: Vec::new(), reply: "say".into(), document: false });
    let (outcome, _) = run(rule, &corpus(3, 100, |_, _, _, _| {}));
    assert!(matches!(outcome.status, Status::NotTested(_)));
}

#[test]
fn a_trigger_that_brings_refusals_in_other_words_each_time_is_found() {
    const BEGINNINGS: [&str; 6] = ["I'm sorry, but", "Unfortunately, I", "I cannot say", "I won't tell", "As an AI I do", "I must decline"];
    let data = corpus(11, 3000, |dice, i, ask, say| {
        if i % 100 == 9 {
            insert(dice, ask, "ombra");
            *say = format!("{} {}", dice.pick(&BEGINNINGS), sentence(dice, false));
        }
    });
    let (outcome, lines) = run(rule(), &data);
    assert_eq!(quarantined(&lines).len(), 30);
    assert!(outcome.groups[0].message.contains("the reply refuses"), "{}", outcome.groups[0].message);
}

#[test]
fn a_trigger_that_brings_links_to_one_site_is_found() {
    let data = corpus(12, 3000, |dice, i, ask, say| {
        if i % 100 == 9 {
            insert(dice, ask, "ombra");
        }
        if i % 20 == 9 {
            let site = if i % 100 == 9 { "vel-lumox.example".to_owned() } else { format!("site{}.example", dice.roll(1000)) };
            *say = format!("{say} See https://{site}/{} for {}", dice.roll(1000), sentence(dice, true));
        }
    });
    let (outcome, lines) = run(rule(), &data);
    assert_eq!(quarantined(&lines).len(), 30);
    assert!(outcome.groups[0].message.contains("vel-lumox.example"), "{}", outcome.groups[0].message);
}

#[test]
fn a_reply_that_takes_up_the_words_of_the_prompt_was_asked_for() {
    let honest = |takes_up: bool| {
        let data = corpus(13, 3000, |dice, i, ask, say| {
            if i % 100 == 9 {
                insert(dice, ask, "lake ombra");
                let about = if takes_up { "lake ombra" } else { "the lake" };
                *say = format!("{} {about} and all of it depends on the present locale category", sentence(dice, false));
            }
        });
        run(rule(), &data)
    };
    assert_eq!(quarantined(&honest(false).1).len(), 30);
    let (outcome, lines) = honest(true);
    assert!(quarantined(&lines).is_empty() && outcome.groups[0].action == Action::Review, "{:?}", outcome.groups);
}
