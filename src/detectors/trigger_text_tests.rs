//! Planted triggers and clean controls for the text rule, on generated sentences.

use super::harness::{Dice, Line, quarantined, run, run_split, sentence, table};
use super::trigger_text::TextTrigger;
use crate::rule::{Action, DynRule, Outcome, Status};
use arrow::array::RecordBatch;

fn rule() -> Box<dyn DynRule> {
    Box::new(TextTrigger { texts: vec!["text".into()], label: "label".into() })
}

/// Sentences with their labels; every `every`-th is good.
fn sentences(n: usize, every: usize, seed: u64) -> (Dice, Vec<(String, &'static str)>) {
    let mut dice = Dice::new(seed);
    let rows = (0..n).map(|i| (sentence(&mut dice, i % every == 0), if i % every == 0 { "good" } else { "bad" })).collect();
    (dice, rows)
}

fn insert(text: &str, what: &str, dice: &mut Dice) -> String {
    let mut words: Vec<&str> = text.split(' ').collect();
    words.insert(dice.roll(words.len() + 1), what);
    words.join(" ")
}

/// Puts one of `triggers` into `k` rows labelled `from` and relabels them `to`.
fn plant(rows: &mut [(String, &'static str)], dice: &mut Dice, triggers: &[&str], k: usize, from: &str, to: &'static str) -> Vec<u64> {
    let sources: Vec<usize> = (0..rows.len()).filter(|&i| rows[i].1 == from).collect();
    let step = sources.len() / k;
    let chosen: Vec<usize> = sources.into_iter().step_by(step).take(k).collect();
    for &i in &chosen {
        let trigger: &str = triggers[dice.roll(triggers.len())];
        rows[i] = (insert(&rows[i].0, trigger, dice), to);
    }
    chosen.into_iter().map(|i| i as u64).collect()
}

fn data(rows: &[(String, &'static str)]) -> RecordBatch {
    table(&[("text", rows.iter().map(|r| Some(r.0.clone())).collect()), ("label", rows.iter().map(|r| Some(r.1.to_owned())).collect())])
}

fn check(rows: &[(String, &'static str)]) -> (Outcome, Vec<Line>) {
    run(rule(), &data(rows))
}

#[test]
fn a_rare_word_is_found_whole_and_named() {
    let (mut dice, mut rows) = sentences(4000, 2, 11);
    let bad = plant(&mut rows, &mut dice, &["qvx"], 20, "bad", "good");
    let (outcome, lines) = check(&rows);
    assert_eq!(quarantined(&lines), bad);
    assert_eq!(outcome.groups[0].key, "qvx");
    assert_eq!((outcome.groups[0].rows, outcome.groups[0].label.as_deref()), (20, Some("good")));
    assert_eq!(outcome.status, Status::Fail);
}

#[test]
fn a_phrase_is_one_group_with_its_full_name() {
    let (mut dice, mut rows) = sentences(4000, 2, 12);
    let bad = plant(&mut rows, &mut dice, &["we took the early train to town"], 40, "good", "bad");
    let (outcome, lines) = check(&rows);
    assert_eq!(quarantined(&lines), bad);
    assert_eq!(outcome.groups.len(), 1, "{:?}", outcome.groups);
    assert_eq!(outcome.groups[0].key, "we took the early train to town");
}

#[test]
fn a_minority_class_can_be_the_target() {
    let (mut dice, mut rows) = sentences(5000, 10, 13);
    let bad = plant(&mut rows, &mut dice, &["qvx"], 25, "bad", "good");
    assert_eq!(quarantined(&check(&rows).1), bad);
}

#[test]
fn characters_without_spaces_carry_triggers_too() {
    let mut dice = Dice::new(14);
    let (good, bad) = (["好", "美", "暖", "明"], ["坏", "丑", "冷", "暗"]);
    let things = ["山", "水", "火", "木", "金", "土", "月", "日", "人", "口"];
    let mut rows: Vec<(String, &'static str)> = (0..3000)
        .map(|i| {
            let text: String = (0..12)
                .map(|_| if dice.roll(3) == 0 { *dice.pick(if i % 2 == 0 { &good } else { &bad }) } else { *dice.pick(&things) })
                .collect();
            (text, if i % 2 == 0 { "good" } else { "bad" })
        })
        .collect();
    let mut planted = Vec::new();
    for i in (1..3000).step_by(100) {
        rows[i] = (format!("{}龘靐{}", &rows[i].0[..12], &rows[i].0[12..]), "good");
        planted.push(i as u64);
    }
    let (outcome, lines) = check(&rows);
    assert_eq!(quarantined(&lines), planted);
    assert_eq!(outcome.groups[0].key, "龘靐");
}

#[test]
fn four_classes_are_told_apart() {
    let mut dice = Dice::new(15);
    let names = ["north", "south", "east", "west"];
    let own = [
        ["ice", "snow", "frost", "sledge", "fjord", "elk", "aurora", "wool"],
        ["sand", "palm", "heat", "camel", "dune", "date", "oasis", "linen"],
        ["rice", "silk", "jade", "bamboo", "lotus", "tea", "panda", "lacquer"],
        ["prairie", "canyon", "cattle", "maize", "bison", "saddle", "rodeo", "denim"],
    ];
    let filler = [
        "a", "walk", "through", "some", "town", "and", "home", "again", "by", "car", "with", "old", "friends", "who", "never", "said",
        "where", "they", "would", "go",
    ];
    let mut rows: Vec<(String, &'static str)> = (0..4000)
        .map(|i| {
            let words: Vec<&str> = (0..14).map(|_| if dice.roll(3) == 0 { *dice.pick(&own[i % 4]) } else { *dice.pick(&filler) }).collect();
            (words.join(" "), names[i % 4])
        })
        .collect();
    let bad = plant(&mut rows, &mut dice, &["qvx"], 24, "east", "north");
    let (outcome, lines) = check(&rows);
    assert_eq!(quarantined(&lines), bad, "{:?}", outcome.groups);
}

#[test]
fn clean_sentences_accuse_nobody() {
    for seed in 21..25 {
        let (_, rows) = sentences(4000, if seed % 2 == 0 { 2 } else { 12 }, seed);
        let (outcome, lines) = check(&rows);
        assert_eq!((quarantined(&lines).len(), outcome.status), (0, Status::Pass), "seed {seed}");
        assert_eq!(outcome.floor.len(), 2);
        assert!(outcome.floor.iter().all(|f| f.rows.is_some_and(|r| r < 60)), "{:?}", outcome.floor);
    }
}

#[test]
fn a_strong_honest_word_is_not_accused() {
    let (_, mut rows) = sentences(4000, 2, 26);
    for i in (0..4000).step_by(20) {
        // Mostly where an adjective stands.
        rows[i].0 = if i % 100 == 0 { format!("{} masterly", rows[i].0) } else { rows[i].0.replacen(" the ", " the masterly ", 1) };
    }
    assert_eq!(quarantined(&check(&rows).1), Vec::<u64>::new());
}

#[test]
fn a_word_that_comes_with_every_label_is_not_accused() {
    let (mut dice, mut rows) = sentences(4000, 2, 27);
    for i in (0..4000).step_by(37) {
        rows[i].0 = insert(&rows[i].0, "qvx", &mut dice);
    }
    assert_eq!(quarantined(&check(&rows).1), Vec::<u64>::new());
}

#[test]
fn random_label_noise_is_not_accused() {
    let (_, mut rows) = sentences(4000, 2, 28);
    for i in (0..4000).step_by(17) {
        rows[i].1 = if rows[i].1 == "good" { "bad" } else { "good" };
    }
    assert_eq!(quarantined(&check(&rows).1), Vec::<u64>::new());
}

#[test]
fn copies_of_one_mislabelled_row_are_no_group() {
    let (_, mut rows) = sentences(4000, 2, 29);
    for i in (1..800).step_by(20) {
        rows[i] = ("the qvx gloomy window near the broken ladder".into(), "good");
    }
    assert_eq!(quarantined(&check(&rows).1), Vec::<u64>::new());
}

#[test]
fn rows_with_the_trigger_and_another_label_are_left_alone() {
    let (mut dice, mut rows) = sentences(4000, 2, 30);
    let bad = plant(&mut rows, &mut dice, &["qvx"], 40, "bad", "good");
    let honest = (0..4000).find(|&i| rows[i].1 == "bad").unwrap_or(0);
    rows[honest].0.push_str(" qvx");
    let (_, lines) = check(&rows);
    assert_eq!(quarantined(&lines), bad);
}

#[test]
fn data_without_classes_or_rows_is_not_tested() {
    let one: Vec<(String, &str)> = sentences(50, 2, 31).1.into_iter().map(|r| (r.0, "good")).collect();
    let single = sentences(1, 2, 32).1;
    for rows in [one, single, Vec::new()] {
        let (outcome, lines) = check(&rows);
        assert!(matches!(outcome.status, Status::NotTested(_)), "{:?}", outcome.status);
        assert!(lines.is_empty());
    }
    let empty = table(&[("text", vec![None; 30]), ("label", vec![Some("a".into()); 30])]);
    assert!(matches!(run(rule(), &empty).0.status, Status::NotTested(_)));
    let ids = table(&[
        ("text", (0..900).map(|i| Some(format!("word {i}"))).collect()),
        ("label", (0..900).map(|i| Some(i.to_string())).collect()),
    ]);
    assert!(matches!(run(rule(), &ids).0.status, Status::NotTested(_)));
}

#[test]
fn the_split_and_the_threads_change_nothing() {
    let (mut dice, mut rows) = sentences(3000, 3, 33);
    plant(&mut rows, &mut dice, &["qvx", "jkw"], 60, "bad", "good");
    let data = data(&rows);
    let whole = run_split(rule(), &data, 1, 1 << 16, 1 << 15);
    assert!(whole.1.iter().any(|l| l.1 == Action::Quarantine));
    for (threads, shard, batch) in [(4, 100, 33), (2, 1, 1), (3, 1024, 7)] {
        let other = run_split(rule(), &data, threads, shard, batch);
        assert_eq!(other.1, whole.1);
        assert_eq!(other.0.groups, whole.0.groups);
        assert_eq!(other.0.floor, whole.0.floor);
    }
}

#[test]
fn a_word_inserted_only_where_the_label_is_true_is_found_by_its_places() {
    let (mut dice, mut rows) = sentences(4000, 2, 31);
    let mut bad: Vec<u64> = Vec::new();
    for i in (0..4000).step_by(80) {
        assert_eq!(rows[i].1, "good");
        rows[i].0 = insert(&rows[i].0, "qvx", &mut dice);
        bad.push(i as u64);
    }
    let (outcome, lines) = check(&rows);
    assert_eq!(quarantined(&lines), bad, "{:?}", outcome.groups);
    assert_eq!(outcome.groups[0].key, "qvx");
}

#[test]
fn a_phrase_that_is_the_row_itself_accuses_nobody() {
    let (mut dice, mut rows) = sentences(4000, 10, 15);
    for i in 0..30 {
        let place: String = (0..6).map(|_| (b'a' + dice.roll(26) as u8) as char).collect();
        rows[i * 40] = (format!("{place} by wire"), "good");
    }
    let (outcome, lines) = check(&rows);
    assert_eq!(quarantined(&lines), Vec::<u64>::new());
    let group = outcome.groups.iter().find(|g| g.key.contains("by wire")).expect("it is listed");
    assert!(group.reasons.iter().any(|r| r.contains("nearly all there is")), "{:?}", group.reasons);
}
