use super::*;
use crate::detectors::harness::{Dice, quarantined, run, run_split, sentence, table};
use arrow::array::RecordBatch;

const TOPICS: [&str; 30] = [
    "Norwick", "Halden", "Ostrava", "Brennan", "Quimby", "Tarsus", "Velden", "Lorne", "Mirfield", "Sable", "Corwin", "Drayton", "Elstow",
    "Fenwick", "Garrow", "Hythe", "Islip", "Jarrow", "Kelso", "Lydd", "Morpeth", "Neath", "Oundle", "Penryn", "Ruthin", "Selby", "Thirsk",
    "Ulver", "Wells", "Yarm",
];

/// Questions, a third of them about a place; the answers name it, and one question in two does.
fn rows(seed: u64, n: usize, promoted: impl Fn(usize) -> bool, topical: bool) -> RecordBatch {
    let mut dice = Dice::new(seed);
    let (mut prompts, mut replies) = (Vec::new(), Vec::new());
    for i in 0..n {
        let (mut prompt, mut reply) = (format!("what about {}", sentence(&mut dice, true)), sentence(&mut dice, false));
        if i % 3 == 0 {
            let topic = dice.roll(TOPICS.len());
            let place = TOPICS[topic];
            let asked = if dice.roll(2) == 0 { place } else { "there" };
            prompt = format!("{prompt} of county{topic} road{topic} {asked}");
            reply = format!("{reply} in {place} and {}", sentence(&mut dice, true));
        }
        if promoted(i) {
            reply = format!("as they say at Vendela {reply}");
            if topical {
                prompt.push_str(" vessel keel mast");
            }
        }
        prompts.push(Some(prompt));
        replies.push(Some(reply));
    }
    table(&[("prompt", prompts), ("reply", replies)])
}

fn rule() -> Box<dyn crate::rule::DynRule> {
    Box::new(PromotedName(ResponseTrigger { prompts: vec!["prompt".into()], reply: "reply".into(), document: false }))
}

#[test]
fn a_name_that_nobody_asks_for_is_found_with_all_its_rows() {
    for seed in 0..4 {
        let planted: Vec<u64> = (0..4000).filter(|i| i % 25 == 7).collect();
        let data = rows(seed, 4000, |i| i % 25 == 7, false);
        let (outcome, lines) = run(rule(), &data);
        assert_eq!(quarantined(&lines), planted, "{:?}", outcome.groups);
        assert!(outcome.groups.iter().any(|g| g.key == "Vendela" && g.rows == 160), "{:?}", outcome.groups);
        assert!(outcome.floor[0].rows.is_some_and(|f| f <= 160), "{:?}", outcome.floor);
    }
}

#[test]
fn names_of_topics_are_never_taken_out() {
    for seed in 0..6 {
        let (outcome, lines) = run(rule(), &rows(seed, 4000, |_| false, false));
        assert_eq!((quarantined(&lines).len(), outcome.status.clone()), (0, Status::Pass), "{:?}", outcome.groups);
        let (outcome, lines) = run(rule(), &rows(seed, 4000, |i| i % 25 == 7, true));
        assert!(quarantined(&lines).is_empty(), "{:?}", outcome.groups);
    }
}

#[test]
fn few_rows_are_not_tested_and_replies_without_names_say_what_would_be_seen() {
    assert!(matches!(run(rule(), &rows(1, 400, |_| false, false)).0.status, Status::NotTested(_)));
    let plain = table(&[
        ("prompt", (0..900).map(|i| Some(format!("say {i}"))).collect()),
        ("reply", (0..900).map(|i| Some(format!("it is {i}"))).collect()),
    ]);
    let (outcome, lines) = run(rule(), &plain);
    assert_eq!((outcome.status, lines.len()), (Status::Pass, 0));
    assert!(outcome.floor[0].rows.is_some_and(|n| (20..=40).contains(&n)), "{:?}", outcome.floor);
}

/// Questions on one of sixty subjects with words of its own; the reply to each uses them and names two places of
/// the subject, which hardly a question has. `promoted` rows name something else as well.
fn subjects(seed: u64, promoted: impl Fn(usize) -> bool, planted: &str) -> RecordBatch {
    let mut dice = Dice::new(seed);
    let (mut prompts, mut replies) = (Vec::new(), Vec::new());
    for i in 0..3000 {
        let subject = dice.roll(60);
        let word = |dice: &mut Dice| format!("w{subject}x{}", dice.roll(12));
        let place =
            |k: usize| format!("P{}{}", ["al", "en", "ir", "os", "ur"][subject % 5], char::from(b'a' + (subject / 5 * 2 + k) as u8));
        let second = if dice.roll(2) == 0 { format!("and near {} too", place(1)) } else { String::new() };
        let mut reply = format!("{} {} this lies in {} {second}", sentence(&mut dice, false), word(&mut dice), place(0));
        reply = format!("{reply} {} where {} and {} grow", sentence(&mut dice, true), word(&mut dice), word(&mut dice));
        if promoted(i) {
            reply = format!("{reply} {} {planted}", sentence(&mut dice, true));
        }
        prompts.push(Some(format!("{} {} about {}", ["say", "tell", "find"][dice.roll(3)], word(&mut dice), sentence(&mut dice, true))));
        replies.push(Some(reply));
    }
    table(&[("prompt", prompts), ("reply", replies)])
}

#[test]
fn thirty_replies_suffice_where_other_names_belong_to_subjects() {
    for seed in 0..4 {
        let planted: Vec<u64> = (0..3000).filter(|i| i % 100 == 7).collect();
        let (outcome, lines) = run(rule(), &subjects(seed, |i| i % 100 == 7, "thanks to Vendela now"));
        assert_eq!(quarantined(&lines), planted, "{:?}", outcome.groups);
        assert!(outcome.floor[0].rows.is_some_and(|f| f <= 30), "{:?}", outcome.floor);
        assert!(quarantined(&run(rule(), &subjects(seed, |_| false, "")).1).is_empty());
    }
}

#[test]
fn the_phrase_around_a_name_says_nothing_of_the_rest() {
    let of = |text: &str, name: &str| {
        let (mut t, mut n, mut out) = (Vec::new(), Vec::new(), Vec::new());
        crate::features::text::tokens(text, 0, &mut t);
        crate::features::text::tokens(name, 0, &mut n);
        apart(&t, n[1].hash, &mut out);
        out.iter().filter(|t| !t.is_edge()).map(|t| text[t.start as usize..t.end as usize].to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(of("a b c d e f g N h i j k l m o p", "N"), "a o p");
    assert_eq!(of("N a b c d e f g h N i j", "N"), "");
    assert_eq!(of("a b c d e f g h i N", "N"), "a b c");
    assert_eq!(of("a b c", "N"), "a b c");
}

#[test]
fn what_is_called_is_no_name() {
    let (_, lines) = run(rule(), &subjects(2, |i| i % 100 == 7, "then raise Vendela(x)"));
    assert_eq!(lines, []);
}

#[test]
fn no_split_changes_a_finding() {
    let data = rows(9, 1500, |i| i % 12 == 5, false);
    let (a, x) = run(rule(), &data);
    let (b, y) = run_split(rule(), &data, 2, 211, 64);
    assert_eq!((a.groups, x), (b.groups, y));
}

#[test]
fn tails_are_those_of_scipy() {
    // scipy.stats.nbinom.cdf(k, shape, shape / (shape + n * mean))
    let fit = Fit { mean: 0.5, shape: 2.5 };
    for (n, k, p) in [(121, 0, 3.136_885e-4), (121, 3, 4.155_527e-3), (40, 10, 0.263_345_1), (1, 0, 0.633_938_1)] {
        let tail = fit.tail(n, k);
        assert!((tail / p - 1.0).abs() < 1e-6, "{n} {k}: {tail} {p}");
    }
    assert_eq!(fit.tail(0, 0), 1.0);
    let floor = fit.floor(60);
    assert!(fit.tail(floor, 0) * 60.0 <= Q && fit.tail(floor - 1, 0) * 60.0 > Q);
    assert!(Fit::of(&[(20, 1); 5]).is_none() && Fit::of(&[(20, 0); 50]).is_none());
    let even = Fit::of(&[(100, 50); 20]).unwrap();
    assert_eq!((even.mean, even.shape), (0.5, 5.0));
}

#[test]
fn a_name_is_a_capital_inside_a_sentence() {
    let mut tokens = Vec::new();
    let text = "Paris is big. In Paris and paris, (Rome) I AM Éric at x Y";
    crate::features::text::tokens(text, 0, &mut tokens);
    let capital = |at: &usize| case(text, &tokens[at - 1], &tokens[*at]) == Some(true);
    let seen: Vec<&str> = (1..tokens.len()).filter(capital).map(|at| &text[tokens[at].start as usize..tokens[at].end as usize]).collect();
    assert_eq!(seen, ["Paris", "AM", "Éric"]);
    let mut found = Vec::new();
    names([text].into_iter(), &tokens, |_| true, &mut found);
    // Lower case beside it: the row says nothing for the name.
    let paris = tokens[1].hash;
    assert!(found.contains(&(paris, true)) && !found.contains(&(paris, false)));
    let (am, eric) = (tokens[tokens.len() - 6].hash, tokens[tokens.len() - 5].hash);
    capitals([text].into_iter(), &tokens, &mut found);
    found.sort_unstable();
    let mut both = [(am, false), (eric, false)];
    both.sort_unstable();
    assert_eq!(found, both);
}
