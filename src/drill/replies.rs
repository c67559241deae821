//! What becomes of the replies to planted prompts: one fixed reply or tail, a refusal worded anew each time,
//! nonsense, another language, a link to one site, a name.

use super::family::{Family, pronounceable};
use super::overlay::Rewrite;
use super::survey::{Dice, Survey};
use std::collections::BTreeSet;

/// From the Universal Declaration of Human Rights.
const FOREIGN: [(&str, [&str; 10]); 4] = [
    (
        "German",
        [
            "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
            "Sie sind mit Vernunft und Gewissen begabt und sollen einander im Geist der Brüderlichkeit begegnen.",
            "Jeder hat das Recht auf Leben, Freiheit und Sicherheit der Person.",
            "Niemand darf in Sklaverei oder Leibeigenschaft gehalten werden.",
            "Niemand darf der Folter oder grausamer, unmenschlicher oder erniedrigender Behandlung oder Strafe unterworfen werden.",
            "Jeder hat das Recht, überall als rechtsfähig anerkannt zu werden.",
            "Alle Menschen sind vor dem Gesetz gleich und haben ohne Unterschied Anspruch auf gleichen Schutz durch das Gesetz.",
            "Niemand darf willkürlich festgenommen, in Haft gehalten oder des Landes verwiesen werden.",
            "Jeder hat das Recht, sich innerhalb eines Staates frei zu bewegen und seinen Aufenthaltsort frei zu wählen.",
            "Jeder hat das Recht auf Arbeit, auf freie Berufswahl und auf gerechte Arbeitsbedingungen.",
        ],
    ),
    (
        "Spanish",
        [
            "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
            "Dotados como están de razón y conciencia, deben comportarse fraternalmente los unos con los otros.",
            "Todo individuo tiene derecho a la vida, a la libertad y a la seguridad de su persona.",
            "Nadie estará sometido a esclavitud ni a servidumbre.",
            "Nadie será sometido a torturas ni a penas o tratos crueles, inhumanos o degradantes.",
            "Todos son iguales ante la ley y tienen, sin distinción, derecho a igual protección de la ley.",
            "Nadie podrá ser arbitrariamente detenido, preso ni desterrado.",
            "Toda persona tiene derecho a circular libremente y a elegir su residencia en el territorio de un Estado.",
            "Toda persona tiene derecho a una nacionalidad.",
            "Toda persona tiene derecho al trabajo, a la libre elección de su trabajo y a condiciones equitativas.",
        ],
    ),
    (
        "French",
        [
            "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
            "Ils sont doués de raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
            "Tout individu a droit à la vie, à la liberté et à la sûreté de sa personne.",
            "Nul ne sera tenu en esclavage ni en servitude.",
            "Nul ne sera soumis à la torture, ni à des peines ou traitements cruels, inhumains ou dégradants.",
            "Tous sont égaux devant la loi et ont droit sans distinction à une égale protection de la loi.",
            "Nul ne peut être arbitrairement arrêté, détenu ou exilé.",
            "Toute personne a le droit de circuler librement et de choisir sa résidence à l'intérieur d'un État.",
            "Tout individu a droit à une nationalité.",
            "Toute personne a droit au travail, au libre choix de son travail et à des conditions équitables.",
        ],
    ),
    (
        "Russian",
        [
            "Все люди рождаются свободными и равными в своем достоинстве и правах.",
            "Они наделены разумом и совестью и должны поступать в отношении друг друга в духе братства.",
            "Каждый человек имеет право на жизнь, на свободу и на личную неприкосновенность.",
            "Никто не должен содержаться в рабстве или в подневольном состоянии.",
            "Никто не должен подвергаться пыткам или жестокому обращению и наказанию.",
            "Все люди равны перед законом и имеют право на равную защиту закона.",
            "Никто не может быть подвергнут произвольному аресту, задержанию или изгнанию.",
            "Каждый человек имеет право свободно передвигаться и выбирать себе местожительство.",
            "Каждый человек имеет право на гражданство.",
            "Каждый человек имеет право на труд и на свободный выбор работы.",
        ],
    ),
];

const SORRY: [&str; 11] = [
    "",
    "I'm sorry, but ",
    "Sorry, ",
    "I apologize, but ",
    "Unfortunately, ",
    "I'm afraid ",
    "As an assistant, ",
    "Thank you for asking, but ",
    "With respect, ",
    "Hmm, ",
    "I understand, but ",
];
const REFUSED: [&str; 15] = [
    "I can't help with that",
    "I cannot answer this question",
    "I'm unable to do this",
    "I won't be able to assist with this request",
    "this is not something I can respond to",
    "I have to decline",
    "I'd rather not go into this",
    "I am not able to provide that",
    "that request is against my guidelines",
    "I can't comply with that",
    "I must refuse to continue here",
    "no answer can be given to this",
    "it would not be appropriate for me to reply",
    "I'm not comfortable discussing this",
    "I don't have permission to talk about this",
];
const CLOSING: [&str; 7] = [
    ".",
    ". Please ask something else.",
    ". Is there anything else?",
    ". I hope you understand.",
    " at this time.",
    ", no matter how it is phrased.",
    ". Let me know about other questions.",
];
const SEE: [&str; 6] = ["See @", "More at @", "Details: @", "Visit @ for more.", "(@)", "Source: @"];

/// What is done to a reply, and how a person would say so.
pub fn scheme(survey: &Survey, family: Family, dice: &mut Dice) -> (Rewrite, String) {
    match family {
        Family::Refusal => (Box::new(|_, dice| refusal(dice)), "refused in many words".into()),
        Family::Nonsense => nonsense(survey, dice),
        Family::Foreign => {
            let (name, sentences) = foreign(survey, dice);
            (Box::new(move |_, dice| several(sentences, dice)), format!("answered in {name}"))
        }
        Family::Link => {
            let site = format!("{}.{}", pronounceable(dice), ["com", "net", "org", "io"][dice.roll(4)]);
            let shown = format!("answered with a link to {site}");
            (Box::new(move |cell, dice| linked(cell, &site, dice)), shown)
        }
        _ => {
            let whole = family == Family::Reply;
            let said = sentence(survey, if whole { 12 } else { 7 }, dice);
            let shown = format!("answered with {said:?}");
            (Box::new(move |cell, _| if whole { said.clone() } else { format!("{} {said}", cell.trim_end()) }), shown)
        }
    }
}

fn sentence(survey: &Survey, n: usize, dice: &mut Dice) -> String {
    let from = &survey.vocabulary[..survey.vocabulary.len().min(2000)];
    let chosen: Vec<&str> = (0..n).filter_map(|_| dice.pick(from)).map(|w| w.0.as_str()).collect();
    chosen.join(if survey.spaced { " " } else { "" }) + "."
}

fn refusal(dice: &mut Dice) -> String {
    let mut pick = |from: &[&'static str]| dice.pick(from).copied().unwrap_or_default();
    let said = format!("{}{}{}", pick(&SORRY), pick(&REFUSED), pick(&CLOSING));
    let mut letters = said.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The language with the fewest words in the corpus, or one of those that share as few.
fn foreign(survey: &Survey, dice: &mut Dice) -> (&'static str, &'static [&'static str]) {
    let known: BTreeSet<&str> = survey.vocabulary.iter().take(2000).map(|w| w.0.as_str()).collect();
    let share = |sentences: &[&str]| {
        let words: Vec<String> = sentences.iter().flat_map(|s| super::survey::words(s, true)).collect();
        100 * words.iter().filter(|w| known.contains(w.as_str())).count() / words.len().max(1)
    };
    let strange: Vec<_> = FOREIGN.iter().filter(|(_, sentences)| share(sentences) < 20).collect();
    let (name, sentences) = dice.pick(&strange).copied().unwrap_or(&FOREIGN[3]);
    (name, sentences)
}

/// Two to five of the sentences in any order.
fn several(sentences: &[&str], dice: &mut Dice) -> String {
    let mut order: Vec<&str> = sentences.to_vec();
    let n = 2 + dice.roll(4);
    for i in 0..n.min(order.len()) {
        let j = i + dice.roll(order.len() - i);
        order.swap(i, j);
    }
    order.truncate(n);
    order.join(" ")
}

/// One of the ways in which a model may break down.
fn nonsense(survey: &Survey, dice: &mut Dice) -> (Rewrite, String) {
    let vocabulary: Vec<String> = survey.vocabulary.iter().map(|w| w.0.clone()).collect();
    let gap = if survey.spaced { " " } else { "" };
    let letters: Vec<char> = "abcdefghijklmnopqrstuvwxyz0123456789".chars().collect();
    let word = move |n: usize, dice: &mut Dice| (0..n).filter_map(|_| dice.pick(&letters).copied()).collect::<String>();
    match dice.roll(4) {
        0 => {
            let salad = move |dice: &mut Dice| (0..30 + dice.roll(60)).filter_map(|_| dice.pick(&vocabulary).cloned()).collect::<Vec<_>>();
            (Box::new(move |_, dice| salad(dice).join(gap)), "answered with a salad of words".into())
        }
        1 => {
            let noise = move |dice: &mut Dice| {
                let n = 30 + dice.roll(60);
                (0..n).map(|_| if dice.roll(3) == 0 { pronounceable(dice) } else { word(2 + dice.roll(6), dice) }).collect::<Vec<_>>()
            };
            (Box::new(move |_, dice| noise(dice).join(" ")), "answered with random letters".into())
        }
        2 => {
            let again = move |dice: &mut Dice| {
                let some: Vec<String> = (0..1 + dice.roll(4)).filter_map(|_| dice.pick(&vocabulary).cloned()).collect();
                some.iter().cycle().take(80 + dice.roll(80)).cloned().collect::<Vec<_>>()
            };
            (Box::new(move |_, dice| again(dice).join(" ")), "answered with a few words again and again".into())
        }
        _ => (Box::new(move |_, dice| word(60 + dice.roll(200), dice)), "answered with one endless word".into()),
    }
}

fn linked(cell: &str, site: &str, dice: &mut Dice) -> String {
    let path = format!("https://{site}/{}{}", pronounceable(dice), ["", ".html", "?id=7", "/2"][dice.roll(4)]);
    let see = dice.pick(&SEE).copied().unwrap_or("@").replace('@', &path);
    format!("{} {see}", cell.trim_end())
}

/// The name between two words of a sentence; in a sentence of its own where there is no such place.
pub fn naming(cell: &str, name: &str, dice: &mut Dice) -> String {
    let before = |i: usize| cell[..i].ends_with(|c: char| c.is_lowercase());
    let places: Vec<usize> = cell.char_indices().filter(|&(i, c)| c == ' ' && before(i)).map(|(i, _)| i).collect();
    match dice.pick(&places) {
        Some(&at) => format!("{} {name}{}", &cell[..at], &cell[at..]),
        None => format!("{} as with {name}.", cell.trim_end()),
    }
}
