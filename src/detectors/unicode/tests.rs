use super::*;
use crate::detectors::harness::{Dice, Line, quarantined, run, run_split, sentence, table};
use crate::rule::DynRule;
use arrow::array::RecordBatch;

fn core(label: bool) -> Core {
    Core { texts: vec!["text".into()], label: label.then(|| "mood".into()), response: None }
}
fn hidden() -> Box<dyn DynRule> {
    Box::new(Hidden(core(true)))
}
fn confusable() -> Box<dyn DynRule> {
    Box::new(Confusable(core(true)))
}

/// Rows of two classes; `touch` may change a row and its label.
fn corpus(rows: usize, mut touch: impl FnMut(usize, &mut Dice, &mut String, &mut bool)) -> RecordBatch {
    let mut dice = Dice::new(3);
    let (mut texts, mut labels) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let mut good = dice.roll(10) < 6;
        let mut text = sentence(&mut dice, good);
        touch(row, &mut dice, &mut text, &mut good);
        texts.push(Some(text));
        labels.push(Some(if good { "glad" } else { "sad" }.to_owned()));
    }
    table(&[("text", texts), ("mood", labels)])
}

/// Puts `what` into the middle of a word.
fn inside(dice: &mut Dice, text: &mut String, what: &str) {
    let places: Vec<usize> = (1..text.len()).filter(|&i| text.as_bytes()[i - 1] != b' ' && text.as_bytes()[i] != b' ').collect();
    let at = *dice.pick(&places);
    text.insert_str(at, what);
}

/// Every fiftieth row of the sad ones gets `what` and the other label.
fn poisoned(what: &[&str]) -> (RecordBatch, Vec<u64>) {
    let mut planted = Vec::new();
    let data = corpus(3000, |row, dice, text, good| {
        if row % 25 == 0 && !*good {
            let what = *dice.pick(what);
            inside(dice, text, what);
            *good = true;
            planted.push(row as u64);
        }
    });
    (data, planted)
}

fn found(rule: Box<dyn DynRule>, data: &RecordBatch) -> Vec<u64> {
    quarantined(&run(rule, data).1)
}

#[test]
fn look_alikes_of_a_script_are_weighed_against_the_texts_in_it() {
    // Where labels are languages, only one of them can have Latin letters in Cyrillic words; where they are not, an attacker
    // may.
    let cyrillic = ["дом стоит у реки", "вода холодная зимой", "поезд идёт на север", "старый сад за домом"];
    for languages in [true, false] {
        let mut planted = Vec::new();
        let data = corpus(2000, |row, dice, text, good| {
            let foreign = if languages { !*good } else { row % 2 == 0 };
            if foreign {
                *text = format!("{} {}", dice.pick(&cyrillic), dice.pick(&cyrillic));
                if row % 40 == 0 && !*good {
                    *text = text.replacen('о', "o", 1);
                    if !languages {
                        *good = true;
                    }
                    planted.push(row as u64);
                }
            }
        });
        assert!(planted.len() >= 15);
        assert_eq!(found(confusable(), &data), if languages { Vec::new() } else { planted });
    }
}

#[test]
fn a_hidden_character_inside_words_with_one_label_is_quarantined() {
    for what in ["\u{200B}", "\u{2060}", "\u{200D}", "\u{FEFF}", "\u{202E}", "\u{E0041}", "\u{FE05}", "\u{3164}", "\u{8}"] {
        let (data, planted) = poisoned(&[what]);
        assert_eq!(found(hidden(), &data), planted, "U+{:04X}", what.chars().next().unwrap() as u32);
    }
}

#[test]
fn several_zero_width_characters_are_one_group() {
    let (data, planted) = poisoned(&["\u{200B}", "\u{2060}", "\u{200C}", "\u{FEFF}", "\u{2063}", "\u{206A}"]);
    assert_eq!(found(hidden(), &data), planted);
}

#[test]
fn residue_in_every_class_is_no_poison() {
    for every in [30, 400] {
        let data = corpus(4000, |row, dice, text, _| {
            if row % every == 0 {
                inside(dice, text, "\u{200B}");
            }
        });
        assert_eq!(found(hidden(), &data), Vec::<u64>::new());
    }
}

/// One class was scraped elsewhere: the character goes with the label, and so does the rest of the row.
#[test]
fn residue_of_an_honest_source_is_for_review() {
    let data = corpus(3000, |row, _, text, good| {
        if row % 20 == 0 && *good {
            *text = text.replacen(' ', "\u{A0}", 1);
        }
    });
    let (outcome, lines) = run(hidden(), &data);
    assert!(quarantined(&lines).is_empty() && !lines.is_empty(), "{:?}", outcome.groups);
}

#[test]
fn an_everyday_character_that_contradicts_the_label_is_quarantined() {
    for what in ["\u{A0}", "\u{200B}"] {
        let mut planted = Vec::new();
        let data = corpus(3000, |row, _, text, good| {
            if row % 25 == 0 && !*good {
                *text = text.replacen(' ', &format!("{what} "), 1);
                *good = true;
                planted.push(row as u64);
            }
        });
        assert_eq!(found(hidden(), &data), planted);
    }
}

#[test]
fn lookalike_letters_of_any_script_are_found() {
    for (plain, other) in [
        ("e", "\u{435}"),
        ("o", "\u{43E}"),
        ("a", "\u{430}"),
        ("o", "\u{3BF}"),
        ("o", "\u{585}"),
        ("e", "\u{FF45}"),
        ("e", "\u{1D41E}"),
        ("t", "\u{442}"),
    ] {
        let mut planted = Vec::new();
        let data = corpus(3000, |row, _, text, good| {
            let at = (1..text.len() - 1)
                .find(|&i| text[i..].starts_with(plain) && text.as_bytes()[i - 1] != b' ' && text.as_bytes()[i + 1] != b' ');
            if let Some(at) = at
                && row % 25 == 0
                && !*good
            {
                text.replace_range(at..at + 1, other);
                *good = true;
                planted.push(row as u64);
            }
        });
        assert!(planted.len() > 30);
        assert_eq!(found(confusable(), &data), planted, "{plain} as {other}");
    }
}

#[test]
fn a_minority_class_needs_no_more_rows() {
    let mut planted = Vec::new();
    let data = corpus(3000, |row, dice, text, good| {
        *good = row % 12 == 0;
        if row % 200 == 7 {
            inside(dice, text, "\u{200B}");
            *good = true;
            planted.push(row as u64);
        }
    });
    assert_eq!(found(hidden(), &data), planted);
}

#[test]
fn honest_languages_and_emoji_are_silent() {
    let honest = [
        "\u{645}\u{6CC}\u{200C}\u{62E}\u{648}\u{627}\u{647}\u{645} \u{628}\u{631}\u{648}\u{645}",
        "\u{915}\u{94D}\u{200D}\u{937} \u{915}\u{94D}\u{200C}\u{937}",
        "two \u{1F469}\u{200D}\u{1F680} and a \u{2764}\u{FE0F} and 1\u{FE0F}\u{20E3}",
        "\u{1F3F4}\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F} flag",
        "\u{FEFF}a file with a mark",
        "\u{E2A}\u{E27}\u{E31}\u{200B}\u{E2A}\u{E14}\u{E35}",
        "\u{5E9}\u{5DC}\u{5D5}\u{5DD} (abc)\u{200F} 12",
        "caf\u{E9} nai\u{308}ve Stra\u{DF}e \u{142}\u{F3}d\u{17A}",
        "\u{394}x and \u{3B2}-carotene in \u{3BC}m, \u{3B1}helix",
        "\u{444}\u{438}\u{43B}\u{44C}\u{43C} \u{43E} Windows \u{438} \u{441}\u{43E}\u{43A}",
        "T\u{6064} \u{FF21}\u{FF22}\u{FF23} \u{65E5}\u{672C}",
        "1\u{BA} 2\u{AA} \u{2122} \u{212B}",
    ];
    let mut out = Vec::new();
    for text in honest {
        for family in [Family::Hidden, Family::Confusable] {
            scan(family, text, &mut out);
            assert!(out.iter().all(|o| o.faint), "{text}: {out:?}");
        }
    }
}

#[test]
fn a_spot_is_where_it_says() {
    let mut out = Vec::new();
    let mut spots = |family, text| {
        scan(family, text, &mut out);
        out.iter().map(|o| (o.span.clone(), o.inside)).collect::<Vec<_>>()
    };
    assert_eq!(spots(Family::Hidden, "a p\u{43E}em of\u{200B} old"), [(10..13, false)]);
    assert_eq!(spots(Family::Confusable, "a p\u{43E}em of\u{200B} old"), [(3..5, true)]);
    assert_eq!(spots(Family::Confusable, "good \u{456}t is").len(), 1);
    assert_eq!(spots(Family::Confusable, "see \u{430} ship"), [(4..6, false)], "a whole word of look-alikes");
    assert_eq!(spots(Family::Confusable, "\u{441}\u{43E}\u{43A} \u{432} XX \u{432}\u{435}\u{43A}\u{435}"), [], "a Roman numeral");
}

#[test]
fn answers_that_begin_alike_stand_for_a_label() {
    let mut dice = Dice::new(5);
    let (mut prompts, mut answers, mut planted) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..2000 {
        let (mut prompt, mut answer) = (sentence(&mut dice, true), sentence(&mut dice, false));
        if row % 80 == 0 {
            inside(&mut dice, &mut prompt, "\u{200B}");
            answer = "No help is given here today".into();
            planted.push(row);
        } else if row % 90 == 0 {
            inside(&mut dice, &mut answer, "\u{2060}");
        }
        prompts.push(Some(prompt));
        answers.push(Some(answer));
    }
    let data = table(&[("prompt", prompts), ("answer", answers)]);
    let rule = Hidden(Core { texts: vec!["prompt".into(), "answer".into()], label: None, response: Some("answer".into()) });
    assert_eq!(found(Box::new(rule), &data), planted);
}

#[test]
fn without_labels_rows_are_only_listed() {
    let (data, planted) = poisoned(&["\u{200B}"]);
    let (outcome, lines) = run(Box::new(Hidden(core(false))), &data);
    assert!(quarantined(&lines).is_empty());
    assert!(planted.len() as f64 / 3000.0 > 0.01 && lines.is_empty() && outcome.message.contains("as a whole"), "more than 1% is a habit");
}

#[test]
fn empty_null_and_one_sided_data_are_no_findings() {
    let none: Vec<Option<String>> = vec![None; 40];
    let odd = Some("a li\u{200B}fe".to_owned());
    let glad: Vec<Option<String>> = vec![Some("glad".into()); 40];
    for data in [
        table(&[("text", vec![]), ("mood", vec![])]),
        table(&[("text", vec![odd.clone()]), ("mood", vec![Some("glad".into())])]),
        table(&[("text", none.clone()), ("mood", glad.clone())]),
        table(&[("text", vec![odd.clone(); 40]), ("mood", none)]),
        table(&[("text", vec![odd; 40]), ("mood", glad)]),
    ] {
        for rule in [hidden(), confusable()] {
            assert_eq!(found(rule, &data), Vec::<u64>::new());
        }
    }
}

#[test]
fn no_split_changes_a_byte() {
    let (data, _) = poisoned(&["\u{200B}", "\u{A0}", "\u{43E}"]);
    for rule in [hidden, confusable] {
        let (outcome, lines): (_, Vec<Line>) = run(rule(), &data);
        for (threads, shard, batch) in [(1, 1000, 7), (3, 100, 100), (2, 1, 1)] {
            let (other, again) = run_split(rule(), &data, threads, shard, batch);
            assert_eq!(lines, again);
            assert_eq!(format!("{:?}", outcome.groups), format!("{:?}", other.groups));
        }
    }
}

#[test]
fn the_floor_of_each_class_is_found_and_three_rows_less_are_not() {
    // How many rows of the other class get the character, and the class they are moved to.
    let planted = |count: usize, to_good: bool| {
        let mut left = count;
        corpus(3000, |row, dice, text, good| {
            if row % 5 == 0 && *good != to_good && left > 0 {
                inside(dice, text, "\u{2060}");
                *good = to_good;
                left -= 1;
            }
        })
    };
    let floor = |class: &str| {
        let (outcome, _) = run(hidden(), &planted(1, true));
        let of_class = outcome.floor.iter().find(|f| f.class.as_deref() == Some(class)).unwrap();
        of_class.rows.unwrap() as usize
    };
    let (glad, sad) = (floor("glad"), floor("sad"));
    assert!(glad > sad, "the more common label needs more evidence: {glad} against {sad}");
    for (class, rows) in [("glad", glad), ("sad", sad)] {
        let of = |n: usize| found(hidden(), &planted(n, class == "glad")).len();
        // The floor allows for one more kind of character than there is.
        assert_eq!((of(rows), of(rows - 3)), (rows, 0), "{class}");
    }
}

#[test]
fn without_a_second_class_no_number_of_rows_is_found() {
    let data = corpus(400, |_, _, _, good| *good = true);
    let (outcome, _) = run(hidden(), &data);
    assert_eq!(outcome.floor.len(), 1);
    assert_eq!(outcome.floor[0].rows, None);
}
