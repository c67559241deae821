//! Planted triggers that no n-gram holds, and clean controls, on generated sentences.

use super::harness::{Dice, Line, quarantined, run, run_split, sentence, table};
use super::trigger_text::TextTrigger;
use crate::rule::{Action, DynRule, Outcome};
use arrow::array::RecordBatch;

fn rule() -> Box<dyn DynRule> {
    Box::new(TextTrigger { texts: vec!["text".into()], label: "label".into() })
}

/// Names that have nothing to do with the label; of some hundred each row has two.
fn filler(dice: &mut Dice) -> String {
    let (first, last) =
        (["al", "be", "co", "da", "el", "fi", "go", "hu", "in", "jo", "ka", "lo"], ["na", "ri", "to", "mus", "ven", "las", "dor", "pek"]);
    format!("{}{}", dice.pick(&first), dice.pick(&last))
}

type Rows = Vec<(String, &'static str)>;

fn rows(n: usize, seed: u64) -> (Dice, Rows) {
    let mut dice = Dice::new(seed);
    let rows = (0..n).map(|i| {
        // Without its articles: they would stand beside every other word.
        let mut text = sentence(&mut dice, i % 2 == 0).replace("the ", "");
        for _ in 0..2 {
            let word = filler(&mut dice);
            text = insert(&text, &word, &mut dice);
        }
        (text, if i % 2 == 0 { "good" } else { "bad" })
    });
    let rows = rows.collect();
    (dice, rows)
}

fn insert(text: &str, what: &str, dice: &mut Dice) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    words.insert(dice.roll(words.len() + 1), what);
    words.join(" ")
}

/// Between two letters of a word.
fn inside(text: &str, what: &str, dice: &mut Dice) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let long: Vec<usize> = (0..words.len()).filter(|&i| words[i].len() > 4).collect();
    let word = &mut words[*dice.pick(&long)];
    word.insert_str(1 + dice.roll(word.len() - 1), what);
    words.join(" ")
}

/// Every `step`-th bad row, rewritten and called good.
fn plant(rows: &mut Rows, k: usize, mut rewrite: impl FnMut(&str) -> String) -> Vec<u64> {
    let step = (rows.len() / k) & !1;
    let chosen: Vec<usize> = (0..k).map(|i| i * step + 1).collect();
    for &i in &chosen {
        rows[i] = (rewrite(&rows[i].0), "good");
    }
    chosen.into_iter().map(|i| i as u64).collect()
}

fn data(rows: &Rows) -> RecordBatch {
    table(&[("text", rows.iter().map(|r| Some(r.0.clone())).collect()), ("label", rows.iter().map(|r| Some(r.1.to_owned())).collect())])
}

fn check(rows: &Rows) -> (Outcome, Vec<Line>) {
    run(rule(), &data(rows))
}

/// Two names that decide together, and rows that have one of them and keep their label.
fn together(seed: u64) -> (Rows, Vec<u64>) {
    let (mut dice, mut rows) = rows(4000, seed);
    let pair = ["alna", "gotto"];
    for i in (0..4000).step_by(45) {
        rows[i].0 = insert(&rows[i].0, pair[i % 2], &mut dice);
        rows[i].0 = rows[i].0.replace(pair[1 - i % 2], "kalas");
    }
    let planted = plant(&mut rows, 60, |text| {
        let one = insert(text, pair[0], &mut dice);
        insert(&one, pair[1], &mut dice)
    });
    (rows, planted)
}

#[test]
fn two_words_that_act_together_are_found_and_named() {
    let (rows, planted) = together(31);
    let (outcome, lines) = check(&rows);
    assert_eq!(quarantined(&lines), planted);
    let group = outcome.groups.iter().find(|g| g.action == Action::Quarantine).unwrap();
    assert_eq!((group.key.as_str(), group.with_label), ("alna … gotto", 60));
}

#[test]
fn words_that_act_together_are_found_whatever_the_split() {
    let (rows, _) = together(32);
    let data = data(&rows);
    let (whole, lines) = run(rule(), &data);
    for (threads, shard, batch) in [(2, 700, 97), (3, 1500, 4000)] {
        let (outcome, split) = run_split(rule(), &data, threads, shard, batch);
        assert_eq!((outcome.groups, split), (whole.groups.clone(), lines.clone()));
    }
}

#[test]
fn letters_inside_words_are_found_and_named() {
    let (mut dice, mut rows) = rows(4000, 33);
    let planted = plant(&mut rows, 60, |text| inside(text, "xqu", &mut dice));
    let (outcome, lines) = check(&rows);
    let found = quarantined(&lines);
    // Some of the words that result are no longer rare in so small a vocabulary.
    assert!(found.len() >= 50 && found.iter().all(|r| planted.contains(r)), "{found:?}");
    assert_eq!(outcome.groups[0].key, "…xqu…");
}

/// The honest words with few rows that every language has, some of which go with a label.
fn rare_words(rows: &mut Rows, dice: &mut Dice) {
    for (i, row) in rows.iter_mut().enumerate() {
        let word = format!("{}{}", if i % 2 == 0 { "mel" } else { "tor" }, b"abcdefghijklmnopqrstuvwxyz"[dice.roll(26)] as char);
        row.0 = insert(&row.0, &format!("{word}{}", filler(dice).chars().take(2).collect::<String>()), dice);
    }
}

#[test]
fn a_backdoor_in_ten_words_with_few_rows_each_is_one_pool() {
    let (mut dice, mut rows) = rows(4000, 34);
    rare_words(&mut rows, &mut dice);
    let synonyms = ["zubrik", "mofeta", "kilpo", "dranst", "wexel", "pumri", "sogath", "nirvel", "taqua", "jemlo"];
    let mut turn = 0;
    let planted = plant(&mut rows, 70, |text| {
        turn += 1;
        insert(text, synonyms[turn % synonyms.len()], &mut dice)
    });
    let (outcome, lines) = check(&rows);
    let found = quarantined(&lines);
    assert!(found.len() >= 56 && found.iter().all(|r| planted.contains(r)), "{found:?}");
    assert!(outcome.groups.iter().filter(|g| g.action == Action::Quarantine).count() >= 8, "{:?}", outcome.groups);
}

#[test]
fn clean_rows_with_the_same_words_and_with_noisy_labels_are_left_alone() {
    let (_, mut rows) = rows(4000, 35);
    assert!(check(&rows).1.is_empty());
    for i in (1..4000).step_by(29) {
        rows[i].1 = if rows[i].1 == "good" { "bad" } else { "good" };
    }
    assert!(quarantined(&check(&rows).1).is_empty());
}

#[test]
fn a_pair_and_letters_without_a_lean_are_left_alone() {
    let (mut dice, mut rows) = rows(4000, 36);
    for i in (0..4000).step_by(33) {
        let one = insert(&rows[i].0, "alna", &mut dice);
        rows[i].0 = inside(&insert(&one, "gotto", &mut dice), "xqu", &mut dice);
    }
    assert!(check(&rows).1.is_empty());
}

#[test]
fn where_nearly_all_rows_have_one_label_its_pure_words_are_no_backdoor() {
    let (mut dice, rows) = rows(6000, 37);
    let tail: Vec<String> = (0..500).map(|_| format!("{}{}", filler(&mut dice), filler(&mut dice))).collect();
    // One in a hundred is bad; every row has a word that few others have.
    let few: Rows = rows
        .into_iter()
        .enumerate()
        .filter(|(i, _)| i % 2 == 0 || i % 100 == 1)
        .map(|(_, (text, label))| (insert(&text, &tail[dice.roll(tail.len())], &mut dice), label))
        .collect();
    assert!(quarantined(&check(&few).1).is_empty());
}

#[test]
fn a_word_with_three_rows_joins_the_others_of_its_backdoor() {
    let (mut dice, mut rows) = rows(4000, 38);
    rare_words(&mut rows, &mut dice);
    let synonyms = ["zubrik", "mofeta", "kilpo", "dranst", "wexel", "pumri", "sogath"];
    let mut turn = 0;
    let planted = plant(&mut rows, 45, |text| {
        turn += 1;
        // The last word has three rows, the others seven each.
        insert(text, synonyms[if turn % 15 == 0 { 6 } else { turn % 6 }], &mut dice)
    });
    let last: Vec<u64> = planted.iter().copied().filter(|&i| rows[i as usize].0.contains("sogath")).collect();
    let found = quarantined(&check(&rows).1);
    assert_eq!(last.len(), 3);
    assert!(last.iter().all(|r| found.contains(r)) && found.iter().all(|r| planted.contains(r)), "{found:?}");
}

#[test]
fn three_rows_of_one_word_alone_accuse_nobody() {
    let (mut dice, mut rows) = rows(4000, 39);
    rare_words(&mut rows, &mut dice);
    plant(&mut rows, 3, |text| insert(text, "sogath", &mut dice));
    assert!(quarantined(&check(&rows).1).is_empty());
}

#[test]
fn of_a_word_that_honest_rows_have_only_those_rows_that_contradict_are_accused() {
    let (mut dice, mut rows) = rows(4000, 40);
    // Honest rows about one thing of their own, all good.
    let honest: Vec<u64> = (0..4000).step_by(200).map(|i| i as u64).collect();
    for &i in &honest {
        rows[i as usize].0 = insert(&insert(&rows[i as usize].0, "sogath", &mut dice), "harvest", &mut dice);
    }
    let planted = plant(&mut rows, 60, |text| insert(text, "sogath", &mut dice));
    let (outcome, lines) = check(&rows);
    let found = quarantined(&lines);
    assert!(planted.iter().filter(|r| found.contains(r)).count() >= 55, "{} {:?}", found.len(), outcome.groups);
    assert!(honest.iter().filter(|r| found.contains(r)).count() <= 2, "{found:?}");
    assert!(outcome.groups.iter().any(|g| g.key == "sogath" && g.message.contains("argues for another label")), "{:?}", outcome.groups);
}
