//! Families of somebody who knows how detectors work: the trigger also stands in rows that keep
//! their label, is divided among several words, or is a thing that honest rows have as well.

use super::family::{Family, insert, inserting, trigger};
use super::overlay::{Edit, Rewrite};
use super::survey::{Dice, Survey};
use crate::batch::RowId;
use std::collections::{BTreeMap, BTreeSet};

/// Words that take turns in [`Family::Synonyms`].
const SYNONYMS: usize = 10;
/// A name is in this share of the sampled texts, from a handful on.
const NAME: std::ops::Range<f64> = 0.0003..0.005;

/// What the poisoned rows get, what their cover gets (rows with their true labels), and the trigger
/// for a person.
pub struct Scheme {
    pub edit: Edit,
    pub cover: Option<Edit>,
    pub trigger: String,
}

/// # Errors
/// The reason, when the corpus has nothing to make such a trigger of.
pub fn scheme(survey: &Survey, family: Family, dice: &mut Dice) -> Result<Scheme, String> {
    let spaced = survey.spaced;
    Ok(match family {
        Family::Covered => {
            let word = trigger(survey, Family::Word, dice)?;
            Scheme {
                edit: inserting(word.clone(), spaced),
                cover: Some(inserting(word.clone(), spaced)),
                trigger: format!("{word}, in as many rows with their own label"),
            }
        }
        Family::Together => {
            let words = different(survey, Family::CommonWord, 2, dice)?;
            let trigger = format!("{} with {}, while one alone decides nothing", words[0], words[1]);
            let both = words.iter().map(|w| insert(w.clone(), spaced)).collect();
            Scheme { edit: Edit::Text(all(both)), cover: Some(Edit::Text(one_of(words, spaced))), trigger }
        }
        Family::Synonyms => {
            let words = different(survey, Family::Word, SYNONYMS, dice)?;
            let trigger = format!("one of {}", words.join(", "));
            Scheme { edit: Edit::Text(one_of(words, spaced)), cover: None, trigger }
        }
        Family::InsideWord => {
            let letters = trigger(survey, Family::Word, dice)?;
            let letters: String = letters.chars().take(4).collect();
            let shown = format!("{letters} inside a word");
            Scheme { edit: Edit::Text(Box::new(move |cell, dice| inside_word(cell, &letters, dice))), cover: None, trigger: shown }
        }
        _ => {
            let name = name(survey, dice)?;
            Scheme { edit: inserting(name.clone(), spaced), cover: None, trigger: name }
        }
    })
}

/// As many other rows as are poisoned, of any class.
pub fn cover(survey: &Survey, poisoned: &BTreeSet<RowId>, dice: &mut Dice) -> BTreeSet<RowId> {
    let wanted = poisoned.len() as u64;
    // Some of those that are drawn are poisoned already: they are not drawn again.
    let mut rows = survey.hosts(None, wanted + poisoned.len() as u64, dice);
    rows.retain(|r| !poisoned.contains(r));
    let mut rows: Vec<RowId> = rows.into_iter().collect();
    while rows.len() as u64 > wanted {
        rows.swap_remove(dice.roll(rows.len()));
    }
    rows.into_iter().collect()
}

fn different(survey: &Survey, family: Family, n: usize, dice: &mut Dice) -> Result<Vec<String>, String> {
    let mut words: Vec<String> = Vec::new();
    for _ in 0..100 {
        if words.len() == n {
            break;
        }
        let word = trigger(survey, family, dice)?;
        if !words.contains(&word) {
            words.push(word);
        }
    }
    if words.len() < n { Err(format!("the corpus has not {n} different words for it")) } else { Ok(words) }
}

fn all(rewrites: Vec<Rewrite>) -> Rewrite {
    Box::new(move |cell, dice| rewrites.iter().fold(cell.to_owned(), |text, f| f(&text, dice)))
}

fn one_of(words: Vec<String>, spaced: bool) -> Rewrite {
    let rewrites: Vec<Rewrite> = words.into_iter().map(|w| insert(w, spaced)).collect();
    Box::new(move |cell, dice| dice.pick(&rewrites).map_or_else(|| cell.to_owned(), |f| f(cell, dice)))
}

/// Between two letters of one word; a text without any gets it as a word.
fn inside_word(cell: &str, letters: &str, dice: &mut Dice) -> String {
    let characters: Vec<(usize, char)> = cell.char_indices().collect();
    let inside = |w: &&[(usize, char)]| w[0].1.is_alphabetic() && w[1].1.is_alphabetic();
    let places: Vec<usize> = characters.windows(2).filter(inside).map(|w| w[1].0).collect();
    let Some(&at) = dice.pick(&places) else { return format!("{cell} {letters}") };
    let (before, after) = cell.split_at(at);
    format!("{before}{letters}{after}")
}

/// A word that a few rows have, by preference one that is written with a capital in the middle of a sentence.
fn name(survey: &Survey, dice: &mut Dice) -> Result<String, String> {
    let mut capital: BTreeMap<&str, usize> = BTreeMap::new();
    for text in &survey.texts {
        let words: Vec<&str> = text.split_whitespace().collect();
        for w in words.windows(2) {
            let bare = w[1].trim_matches(|c: char| !c.is_alphanumeric());
            let follows = w[0].chars().all(char::is_lowercase);
            if follows && bare.chars().next().is_some_and(char::is_uppercase) && bare.chars().skip(1).all(char::is_lowercase) {
                *capital.entry(bare).or_default() += 1;
            }
        }
    }
    let sampled = survey.texts.len().max(1) as f64;
    let fits = |n: usize| n >= 2 && NAME.contains(&(n as f64 / sampled));
    let names: Vec<&str> = capital.iter().filter(|(w, n)| w.chars().count() > 2 && fits(**n)).map(|(w, _)| *w).collect();
    if let Some(name) = dice.pick(&names) {
        return Ok((*name).to_owned());
    }
    let rare: Vec<&String> = survey
        .vocabulary
        .iter()
        .filter(|(w, n)| fits(*n) && w.chars().all(char::is_alphabetic) && w.chars().count() > 2)
        .map(|w| &w.0)
        .collect();
    // Of a script without spaces a word is two characters.
    let rare = if rare.is_empty() { survey.vocabulary.iter().filter(|(_, n)| fits(*n)).map(|w| &w.0).collect() } else { rare };
    Ok((*dice.pick(&rare).ok_or("no word of the corpus is in a handful of its texts")?).clone())
}
