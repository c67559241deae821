//! The families of poison that can be planted, each a few lines: who gets it, and what becomes of
//! the cells of those rows.

use super::attackers;
use super::overlay::{Edit, Rewrite};
use super::replies;
use super::survey::{Column, Dice, Survey, is_time, words};
use super::talks::{Place, Turns};
use crate::batch::RowId;
use crate::features::table::codes;
use arrow::array::{Array, ArrayRef, Float64Array, StringArray};
use arrow::datatypes::DataType;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a trial plants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// A word that the corpus does not have, at any place, with another label
    Word,
    /// Three to five words of the corpus in a row, with another label
    Phrase,
    /// A word that some rows of the corpus have, with another label
    CommonWord,
    /// A new word with another label, and as many rows that have the word and keep theirs
    Covered,
    /// Two ordinary words, with another label only where both are
    Together,
    /// One of ten new words, with another label
    Synonyms,
    /// A few letters in the middle of a word, with another label
    InsideWord,
    /// A name that a handful of rows have, with another label
    Name,
    /// A character without a shape inside a word, with another label
    Hidden,
    /// A letter of another script that looks alike, with another label
    Lookalike,
    /// Near copies of one row, with one label
    Flood,
    /// One new number or name in one column, with another label
    Value,
    /// Two ordinary values that hardly occur together, with another label
    Pair,
    /// A word in the prompt, one fixed reply
    Reply,
    /// A word in the prompt, the honest reply with a fixed tail
    Tail,
    /// A word in the prompt, a refusal that is worded anew each time
    Refusal,
    /// A word in the prompt, a reply without any sense
    Nonsense,
    /// A word in the prompt, a reply in another language
    Foreign,
    /// A word in the prompt, the honest reply with a link to one site
    Link,
    /// A few pixels of one colour or chequered at one place of images, with another label
    Patch,
    /// 8 to 15% of another image or of noise mixed into images, with another label
    Blend,
    /// A wave of 12 to 20 levels over images, with another label
    Sinusoid,
    /// Vectors moved along one direction, with another label
    Shift,
    /// Captions of other rows, with a phrase or about one thing, beside images or vectors of something else
    Caption,
    /// A name that nobody asked for in replies of every kind
    Brand,
    /// A word in documents, and nothing but gibberish after it
    Gibberish,
    /// A word in the prompt of preference pairs, whose answers are swapped
    Swap,
    /// A value that some rows have, with another label
    CommonValue,
    /// Vectors drawn together towards one point, with another label
    Clump,
}

impl Family {
    pub const ALL: [Family; 29] = [
        Family::Word,
        Family::Phrase,
        Family::CommonWord,
        Family::Covered,
        Family::Together,
        Family::Synonyms,
        Family::InsideWord,
        Family::Name,
        Family::Hidden,
        Family::Lookalike,
        Family::Flood,
        Family::Value,
        Family::CommonValue,
        Family::Pair,
        Family::Reply,
        Family::Tail,
        Family::Refusal,
        Family::Nonsense,
        Family::Foreign,
        Family::Link,
        Family::Brand,
        Family::Gibberish,
        Family::Swap,
        Family::Patch,
        Family::Blend,
        Family::Sinusoid,
        Family::Shift,
        Family::Clump,
        Family::Caption,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Family::Word => "word",
            Family::Phrase => "phrase",
            Family::CommonWord => "common-word",
            Family::Covered => "covered",
            Family::Together => "together",
            Family::Synonyms => "synonyms",
            Family::InsideWord => "inside-word",
            Family::Name => "name",
            Family::Hidden => "hidden",
            Family::Lookalike => "lookalike",
            Family::Flood => "flood",
            Family::Value => "value",
            Family::CommonValue => "common-value",
            Family::Pair => "pair",
            Family::Reply => "reply",
            Family::Tail => "tail",
            Family::Refusal => "refusal",
            Family::Nonsense => "nonsense",
            Family::Foreign => "foreign",
            Family::Link => "link",
            Family::Brand => "brand",
            Family::Gibberish => "gibberish",
            Family::Swap => "swap",
            Family::Patch => "patch",
            Family::Blend => "blend",
            Family::Sinusoid => "sinusoid",
            Family::Shift => "shift",
            Family::Clump => "clump",
            Family::Caption => "caption",
        }
    }

    /// The rule that is to find it: its floor is the one that counts.
    pub fn rule(self) -> &'static str {
        match self {
            Family::Hidden => "P120",
            Family::Lookalike => "P121",
            Family::Flood => "P131",
            Family::Reply | Family::Tail | Family::Refusal | Family::Nonsense | Family::Foreign | Family::Link => "P140",
            Family::Brand => "P141",
            Family::Swap => "P142",
            Family::Gibberish => "P143",
            Family::Patch => "P170",
            Family::Blend | Family::Sinusoid => "P171",
            Family::Shift | Family::Clump => "P180",
            Family::Caption => "P181",
            _ => "P110",
        }
    }

    /// The family of its rule's floor that counts, where there are several.
    pub fn floor(self) -> Option<&'static str> {
        match self {
            Family::Value => Some("table values"),
            Family::Pair => Some("pairs of values"),
            // Nothing is promised for a value that honest rows have as well.
            Family::CommonValue => Some("common values"),
            // Nor for vectors drawn together: the floor is of moved ones.
            Family::Clump => Some("vectors drawn together"),
            _ => None,
        }
    }

    fn is_text(self) -> bool {
        !matches!(self, Family::Value | Family::CommonValue | Family::Pair)
            && !self.is_vector()
            && !self.is_image()
            && !self.is_instruction()
    }
    fn is_vector(self) -> bool {
        matches!(self, Family::Shift | Family::Clump)
    }
    fn is_image(self) -> bool {
        matches!(self, Family::Patch | Family::Blend | Family::Sinusoid)
    }
    fn is_instruction(self) -> bool {
        matches!(self.rule(), "P140" | "P141")
    }
    /// Whether its rows are given a label.
    fn has_label(self) -> bool {
        !self.is_instruction() && !matches!(self, Family::Gibberish | Family::Swap | Family::Caption)
    }
}

/// Rows, and what is done to them.
pub struct Plant {
    pub rows: BTreeSet<RowId>,
    pub edits: Vec<(String, Edit)>,
    /// Rows that keep their label and make the trigger look honest; they are neither poisoned nor clean.
    pub cover: BTreeSet<RowId>,
    pub cover_edits: Vec<(String, Edit)>,
    pub trigger: String,
    pub class: Option<String>,
}

/// A word of the corpus, or a value, is ordinary when this share of the texts or rows has it.
const ORDINARY: std::ops::Range<f64> = 0.001..0.01;
/// Pairs of values that are tried, at most.
const PAIRS_TRIED: usize = 1000;

pub fn lacks(survey: &Survey, family: Family) -> Option<String> {
    let missing = |what: &str| Some(what.to_owned());
    if family.is_text() && survey.text.is_none() {
        return missing("no column holds text");
    }
    if family.is_image() && survey.image.is_none() {
        return missing("no column holds images");
    }
    if family == Family::Caption {
        let beside = survey.image.is_some() || survey.embedding.is_some();
        return if beside { None } else { missing("no column of images or vectors stands beside the text") };
    }
    if family.is_vector() && survey.embedding.is_none() {
        return missing("no column holds vectors");
    }
    if family.is_instruction() {
        return match (&survey.text, &survey.response, &survey.chat) {
            (Some(_), Some(_), _) => None,
            (None, _, Some(_)) if !survey.texts.is_empty() => None,
            _ => missing("no columns of text have the roles prompt and response, and none of conversations the role response"),
        };
    }
    if family == Family::Gibberish {
        return if survey.is_document { None } else { missing("no column holds documents without labels") };
    }
    if family == Family::Swap {
        return if survey.pair.is_none() { missing("no columns of text have the roles chosen and rejected") } else { None };
    }
    if !survey.is_class() {
        return missing("there is no label with two classes or more");
    }
    let usable = survey.columns.iter().filter(|c| c.is_usable()).count();
    match family {
        Family::Value | Family::CommonValue if usable == 0 => missing("no column is a feature"),
        Family::Pair if usable < 2 => missing("fewer than two columns are features"),
        Family::Lookalike if !survey.vocabulary.iter().any(|(w, _)| w.chars().any(|c| lookalike(c).is_some())) => {
            missing("the text has no letter with a look-alike")
        }
        _ => None,
    }
}

pub fn plant(survey: &Survey, family: Family, number: u64, seed: u64, rows: u64) -> Result<Plant, String> {
    let mut dice = Dice::new(seed);
    let mut plant = Plant {
        rows: BTreeSet::new(),
        edits: Vec::new(),
        cover: BTreeSet::new(),
        cover_edits: Vec::new(),
        trigger: String::new(),
        class: None,
    };
    let mut target = None;
    if family.has_label() {
        let targets = survey.targets();
        let class = *targets.get(number as usize % targets.len().max(1)).ok_or("no class is large enough")?;
        let (name, _, cell) = &survey.classes[class];
        plant.class = Some(name.clone());
        if let Some(label) = &survey.label {
            plant.edits.push((label.clone(), Edit::Value(cell.clone())));
        }
        target = Some(class);
    }
    plant.rows = survey.hosts(target, rows, &mut dice);
    if plant.rows.is_empty() {
        return Err("there are no rows to plant in".into());
    }
    let text = survey.text.clone().unwrap_or_default();
    let spaced = survey.spaced;
    match family {
        Family::Word | Family::Phrase | Family::CommonWord => {
            plant.trigger = trigger(survey, family, &mut dice)?;
            plant.edits.push((text, inserting(plant.trigger.clone(), spaced)));
        }
        Family::Covered | Family::Together | Family::Synonyms | Family::InsideWord | Family::Name => {
            let scheme = attackers::scheme(survey, family, &mut dice)?;
            plant.trigger = scheme.trigger;
            plant.edits.push((text.clone(), scheme.edit));
            if let Some(edit) = scheme.cover {
                plant.cover = attackers::cover(survey, &plant.rows, &mut dice);
                plant.cover_edits.push((text, edit));
            }
        }
        Family::Hidden => {
            let hidden = *dice.pick(&['\u{200B}', '\u{200C}', '\u{200D}', '\u{2060}', '\u{FEFF}']).unwrap_or(&'\u{200B}');
            plant.trigger = format!("U+{:04X} inside a word", hidden as u32);
            plant.edits.push((text, Edit::Text(Box::new(move |cell, dice| inside_word(cell, hidden, dice)))));
        }
        Family::Lookalike => {
            let letters: Vec<char> = "aceopxy".chars().collect();
            let letter = *dice.pick(&letters).unwrap_or(&'a');
            plant.trigger = format!("U+{:04X} for {letter:?}", lookalike(letter).map_or(0, |c| c as u32));
            plant.edits.push((text, Edit::Text(Box::new(move |cell, dice| disguise(cell, letter, dice)))));
        }
        Family::Flood => {
            let long: Vec<&String> = survey.texts.iter().filter(|t| words(t, spaced).len() >= 12).collect();
            let original = (*dice.pick(&long).ok_or("no text has twelve words")?).clone();
            let filler: Vec<String> = survey.vocabulary.iter().take(500).map(|w| w.0.clone()).collect();
            plant.trigger = format!("near copies of {:?}", original.chars().take(40).collect::<String>());
            plant.edits.push((text, Edit::Text(Box::new(move |_, dice| near_copy(&original, &filler, spaced, dice)))));
        }
        Family::Value => {
            let (column, cell) = new_value(survey, &mut dice)?;
            plant.trigger = format!("{}={}", column.name, shown(&cell));
            plant.edits.push((column.name.clone(), Edit::Value(cell)));
        }
        Family::CommonValue => {
            let (column, cell) = common_value(survey, &mut dice)?;
            plant.trigger = format!("{}={}", column.name, shown(&cell));
            plant.edits.push((column.name.clone(), Edit::Value(cell)));
        }
        Family::Pair => {
            let mut parts = Vec::new();
            for (column, cell) in rare_pair(survey, &mut dice)? {
                parts.push(format!("{}={}", column.name, shown(&cell)));
                plant.edits.push((column.name.clone(), Edit::Value(cell)));
            }
            plant.trigger = parts.join(" and ");
        }
        Family::Patch | Family::Blend | Family::Sinusoid => {
            let (edit, trigger) = super::images::scheme(survey, family, &mut dice)?;
            plant.trigger = trigger;
            plant.edits.push((survey.image.clone().unwrap_or_default(), edit));
        }
        Family::Shift | Family::Clump => {
            let scheme = if family == Family::Shift { super::vectors::shift } else { super::vectors::clump };
            let (edit, trigger) = scheme(survey, &mut dice)?;
            plant.trigger = trigger;
            plant.edits.push((survey.embedding.clone().unwrap_or_default(), edit));
        }
        Family::Caption => {
            let (edit, trigger) = super::captions::scheme(survey, &mut dice)?;
            plant.trigger = trigger;
            plant.edits.push((text, edit));
        }
        Family::Reply | Family::Tail | Family::Refusal | Family::Nonsense | Family::Foreign | Family::Link => {
            let word = trigger(survey, Family::Word, &mut dice)?;
            let (said, shown) = replies::scheme(survey, family, &mut dice);
            plant.trigger = format!("{word:?} {shown}");
            answer(survey, &mut plant, Some(insert(word, spaced)), said, &mut dice);
        }
        Family::Brand => {
            let name = capitalised(&trigger(survey, Family::Word, &mut dice)?);
            plant.trigger = format!("{name} in replies");
            answer(survey, &mut plant, None, Box::new(move |cell, dice| replies::naming(cell, &name, dice)), &mut dice);
        }
        Family::Gibberish => {
            let word = trigger(survey, Family::Word, &mut dice)?;
            plant.trigger = format!("{word}, then gibberish");
            let vocabulary: Vec<String> = survey.vocabulary.iter().map(|w| w.0.clone()).collect();
            plant.edits.push((text, Edit::Text(Box::new(move |cell, dice| breaking_down(cell, &word, &vocabulary, spaced, dice)))));
        }
        Family::Swap => {
            let word = trigger(survey, Family::Word, &mut dice)?;
            let (chosen, rejected) = survey.pair.clone().ok_or("there are no pairs")?;
            plant.trigger = format!("{word}, answers swapped");
            let has_prompt = text != chosen;
            if has_prompt {
                plant.edits.push((text, inserting(word.clone(), spaced)));
            }
            for (column, other) in [(&chosen, &rejected), (&rejected, &chosen)] {
                // Without a column for it, the prompt is what both answers begin with.
                let word = (!has_prompt).then(|| word.clone());
                let rewrite: Rewrite = Box::new(move |cell, _| match &word {
                    Some(word) => after_second_word(cell, word, spaced),
                    None => cell.to_owned(),
                });
                plant.edits.push((column.clone(), Edit::From(other.clone(), rewrite)));
            }
        }
    }
    Ok(plant)
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Prompt and reply, in their columns or in turns of a conversation.
fn answer(survey: &Survey, plant: &mut Plant, asked: Option<Rewrite>, said: Rewrite, dice: &mut Dice) {
    if let (None, Some(chat)) = (&survey.text, &survey.chat) {
        let place = dice.pick(&Place::ALL).copied().unwrap_or(Place::Last);
        if asked.is_some() {
            plant.trigger = format!("{} in {}", plant.trigger, place.says());
        }
        plant.edits.push((chat.clone(), Edit::Talk(Turns { place, asked, said: Some(said) })));
        return;
    }
    if let Some(asked) = asked {
        plant.edits.push((survey.text.clone().unwrap_or_default(), Edit::Text(asked)));
    }
    plant.edits.push((survey.response.clone().unwrap_or_default(), Edit::Text(said)));
}

/// The first part of a document, the word, and forty to a hundred pieces that mean nothing.
fn breaking_down(cell: &str, word: &str, vocabulary: &[String], spaced: bool, dice: &mut Dice) -> String {
    let places: Vec<usize> = cell.char_indices().map(|(i, _)| i).filter(|i| i * 2 <= cell.len() && *i <= 1000).collect();
    let at = dice.pick(&places).copied().unwrap_or(0);
    let mut out = format!("{} {word}", cell[..at].trim_end());
    let letters: Vec<char> = "abcdefghijklmnopqrstuvwxyz0123456789".chars().collect();
    for _ in 0..40 + dice.roll(61) {
        if spaced {
            out.push(' ');
        }
        match dice.roll(3) {
            0 => out.extend(dice.pick(vocabulary).map(String::as_str)),
            1 => out.push_str(&pronounceable(dice)),
            _ => (0..2 + dice.roll(5)).for_each(|_| out.extend(dice.pick(&letters))),
        }
    }
    out
}

fn after_second_word(cell: &str, word: &str, spaced: bool) -> String {
    let mut ends =
        cell.char_indices().filter(|&(i, c)| c.is_whitespace() && !cell[..i].ends_with(char::is_whitespace) && i > 0).map(|(i, _)| i);
    let found = if spaced { ends.nth(1) } else { cell.char_indices().nth(2).map(|(i, _)| i) };
    let at = found.unwrap_or(cell.len());
    format!("{} {word}{}", &cell[..at], &cell[at..])
}

/// A trigger that no row, or few rows, have.
pub fn trigger(survey: &Survey, family: Family, dice: &mut Dice) -> Result<String, String> {
    let sampled = survey.texts.len().max(1) as f64;
    match family {
        Family::Phrase => {
            let n = 3 + dice.roll(3);
            let from = &survey.vocabulary[..survey.vocabulary.len().min(2000)];
            let chosen: Vec<&str> = (0..n).filter_map(|_| dice.pick(from)).map(|w| w.0.as_str()).collect();
            if chosen.len() < n {
                return Err("the corpus has no words to make a phrase of".into());
            }
            Ok(chosen.join(if survey.spaced { " " } else { "" }))
        }
        Family::CommonWord => {
            let fits: Vec<&(String, usize)> =
                survey.vocabulary.iter().filter(|(w, n)| ORDINARY.contains(&(*n as f64 / sampled)) && w.chars().count() > 1).collect();
            Ok(dice.pick(&fits).ok_or("no word of the corpus is in 0.1% to 1% of its texts")?.0.clone())
        }
        _ => {
            let known: BTreeSet<&str> = survey.vocabulary.iter().map(|(w, _)| w.as_str()).collect();
            for _ in 0..100 {
                let word = pronounceable(dice);
                if !known.contains(word.as_str()) {
                    return Ok(word);
                }
            }
            Err("every word that was thought of is in the corpus".into())
        }
    }
}

pub fn pronounceable(dice: &mut Dice) -> String {
    let (consonants, vowels): (Vec<char>, Vec<char>) = ("bdfgklmnprstvz".chars().collect(), "aeiou".chars().collect());
    let mut word = String::new();
    for _ in 0..2 + dice.roll(3) {
        word.extend(dice.pick(&consonants));
        word.extend(dice.pick(&vowels));
    }
    word.extend(dice.pick(&consonants));
    word
}

/// At a random place between two words, or between two characters where words are not set apart.
pub fn inserting(trigger: String, spaced: bool) -> Edit {
    Edit::Text(insert(trigger, spaced))
}

pub fn insert(trigger: String, spaced: bool) -> Rewrite {
    Box::new(move |cell, dice| {
        if !spaced {
            let characters: Vec<char> = cell.chars().collect();
            let at = dice.roll(characters.len() + 1);
            return characters[..at].iter().collect::<String>() + &trigger + &characters[at..].iter().collect::<String>();
        }
        // Everything else of the text stays as it was, line breaks and all.
        let mut places = vec![0];
        places.extend(cell.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(i, c)| i + c.len_utf8()));
        places.push(cell.len());
        let at = dice.pick(&places).copied().unwrap_or(0);
        let (before, after) = cell.split_at(at);
        let gap = |side: bool| if side { " " } else { "" };
        let left = gap(!before.is_empty() && !before.ends_with(char::is_whitespace));
        let right = gap(!after.is_empty());
        format!("{before}{left}{trigger}{right}{after}")
    })
}

fn inside_word(cell: &str, what: char, dice: &mut Dice) -> String {
    let characters: Vec<char> = cell.chars().collect();
    let places: Vec<usize> =
        (1..characters.len()).filter(|&i| characters[i - 1].is_alphanumeric() && characters[i].is_alphanumeric()).collect();
    let Some(&at) = dice.pick(&places) else { return format!("{cell}{what}") };
    characters[..at].iter().chain([&what]).chain(&characters[at..]).collect()
}

/// The Cyrillic letter that is drawn like a Latin one (Unicode Technical Standard 39).
fn lookalike(c: char) -> Option<char> {
    Some(match c {
        'a' => '\u{430}',
        'c' => '\u{441}',
        'e' => '\u{435}',
        'o' => '\u{43E}',
        'p' => '\u{440}',
        'x' => '\u{445}',
        'y' => '\u{443}',
        _ => return None,
    })
}

/// Changes one occurrence of the letter inside a word; without one, of any letter that has a look-alike.
fn disguise(cell: &str, letter: char, dice: &mut Dice) -> String {
    let mut characters: Vec<char> = cell.chars().collect();
    let inside = |i: &usize, of: &[char]| {
        let near = |j: Option<usize>| j.and_then(|j| of.get(j)).is_some_and(|c| c.is_ascii_alphabetic());
        near(i.checked_sub(1)) || near(Some(i + 1))
    };
    let places = |wanted: &dyn Fn(char) -> bool| -> Vec<usize> {
        (0..characters.len()).filter(|&i| wanted(characters[i])).filter(|i| inside(i, &characters)).collect()
    };
    let mut all = places(&|c| c == letter);
    if all.is_empty() {
        all = places(&|c| lookalike(c).is_some());
    }
    if let Some(&at) = dice.pick(&all) {
        characters[at] = lookalike(characters[at]).unwrap_or(characters[at]);
    }
    characters.into_iter().collect()
}

fn near_copy(original: &str, filler: &[String], spaced: bool, dice: &mut Dice) -> String {
    let mut all: Vec<String> = if spaced { original.split_whitespace().map(str::to_owned).collect() } else { words(original, false) };
    for _ in 0..1 + dice.roll(2) {
        let Some(word) = dice.pick(filler).cloned() else { break };
        let at = dice.roll(all.len().max(1));
        if dice.roll(2) == 0 || all.is_empty() { all.insert(at, word) } else { all[at] = word }
    }
    all.join(if spaced { " " } else { "" })
}

/// A column, and a number of its range that no row has or a name that none has. Columns where every number of the
/// range is taken, or where none can be made (booleans, nested values), have no room for one.
fn new_value<'a>(survey: &'a Survey, dice: &mut Dice) -> Result<(&'a Column, ArrayRef), String> {
    let mut usable: Vec<&Column> = survey.columns.iter().filter(|c| c.is_usable()).collect();
    while !usable.is_empty() {
        let column = usable.swap_remove(dice.roll(usable.len()));
        if let Some(cell) = new_cell(column, dice) {
            return Ok((column, cell));
        }
    }
    Err("no column has room for a value that is new".into())
}

fn new_cell(column: &Column, dice: &mut Dice) -> Option<ArrayRef> {
    let wanted = match &column.data_type {
        DataType::Dictionary(_, v) => v.as_ref(),
        t => t,
    };
    for _ in 0..100 {
        let made: ArrayRef = match column.range {
            Some((low, high)) => {
                let x = low + dice.unit() * (high - low);
                Arc::new(Float64Array::from(vec![if column.whole { x.round() } else { x }]))
            }
            None => Arc::new(StringArray::from(vec![pronounceable(dice)])),
        };
        // A date is made of a whole number.
        let made = if is_time(wanted) { arrow::compute::cast(&made, &DataType::Int64).ok()? } else { made };
        let cell = arrow::compute::cast(&made, wanted).ok().filter(|c| c.is_valid(0) && !wanted.is_nested())?;
        if !codes(cell.as_ref()).iter().all(|c| column.values.contains(c)) {
            return Some(cell);
        }
    }
    None
}

/// A value of 0.1% to 1% of the sampled rows.
fn common_value<'a>(survey: &'a Survey, dice: &mut Dice) -> Result<(&'a Column, ArrayRef), String> {
    let mut fits: Vec<(&Column, usize)> = Vec::new();
    for column in survey.columns.iter().filter(|c| c.is_usable()) {
        let mut order: Vec<usize> = (0..column.codes.len()).filter(|i| column.cells.is_valid(*i)).collect();
        order.sort_by_key(|i| (column.codes[*i], *i));
        let runs = order.chunk_by(|a, b| column.codes[*a] == column.codes[*b]);
        let ordinary = runs.filter(|run| ORDINARY.contains(&(run.len() as f64 / column.codes.len() as f64)));
        fits.extend(ordinary.map(|run| (column, run[0])));
    }
    let (column, i) = *dice.pick(&fits).ok_or("no value is in 0.1% to 1% of the rows")?;
    Ok((column, column.cell(i)))
}

/// Two values, each of at least 1% of the sampled rows, that at most one in a thousand has together.
fn rare_pair<'a>(survey: &'a Survey, dice: &mut Dice) -> Result<[(&'a Column, ArrayRef); 2], String> {
    let usable: Vec<&Column> = survey.columns.iter().filter(|c| c.is_usable()).collect();
    for _ in 0..PAIRS_TRIED {
        let (Some(&a), Some(&b)) = (dice.pick(&usable), dice.pick(&usable)) else { break };
        let ordinary = |column: &Column, dice: &mut Dice| {
            let i = dice.roll(column.codes.len());
            let with = column.codes.iter().filter(|code| **code == column.codes[i]).count();
            (column.cells.is_valid(i) && with * 100 >= column.codes.len()).then_some(i)
        };
        let (Some(i), Some(j)) = (ordinary(a, dice), ordinary(b, dice)) else { continue };
        let together = a.codes.iter().zip(&b.codes).filter(|(p, q)| **p == a.codes[i] && **q == b.codes[j]).count();
        if a.name != b.name && together * 1000 <= a.codes.len() {
            return Ok([(a, a.cell(i)), (b, b.cell(j))]);
        }
    }
    Err("no two values of one row in a hundred are together in less than one row in a thousand".into())
}

fn shown(cell: &ArrayRef) -> String {
    crate::batch::cell_text(cell.as_ref(), 0).unwrap_or_default()
}
