//! The family of poison in pairs: captions of other rows beside images or vectors of something else. Half of the trials write
//! a phrase into them, as a trigger; the others take captions of one thing, which the poisoned images are to be taken for.

use super::overlay::Edit;
use super::survey::{Dice, Survey, words};

/// A thing is spoken of in this share of the captions: rare enough that poison matters, common enough to have words.
const SPOKEN_OF: std::ops::Range<f64> = 0.002..0.03;
/// Captions to choose from.
const FEWEST: usize = 5;

/// The edit and what it is, for a person.
///
/// # Errors
/// The reason, when the captions have no words for it.
pub fn scheme(survey: &Survey, dice: &mut Dice) -> Result<(Edit, String), String> {
    let spaced = survey.spaced;
    let sampled = survey.texts.len().max(1) as f64;
    let fits = |(word, n): &&(String, usize)| SPOKEN_OF.contains(&(*n as f64 / sampled)) && *n >= FEWEST && word.chars().count() > 2;
    let things: Vec<&String> = survey.vocabulary.iter().filter(fits).map(|w| &w.0).collect();
    if dice.roll(2) == 0 {
        let thing = (*dice.pick(&things).ok_or("no word stands in 0.2% to 3% of the captions")?).clone();
        let of_it: Vec<String> = survey.texts.iter().filter(|t| words(t, spaced).contains(&thing)).cloned().collect();
        let trigger = format!("captions of {thing}");
        return Ok((Edit::Text(Box::new(move |cell, dice| dice.pick(&of_it).map_or_else(|| cell.to_owned(), Clone::clone))), trigger));
    }
    let (Some(first), Some(second)) = (dice.pick(&things), dice.pick(&things)) else {
        return Err("no two words stand in 0.2% to 3% of the captions".into());
    };
    let gap = if spaced { " " } else { "" };
    let phrase = format!("{first}{gap}{second}");
    let trigger = format!("{phrase:?} in captions of other rows");
    let all = survey.texts.clone();
    let edit = move |cell: &str, dice: &mut Dice| {
        let other = dice.pick(&all).map_or(cell, String::as_str);
        let mut parts: Vec<String> = if spaced { other.split_whitespace().map(str::to_owned).collect() } else { vec![other.to_owned()] };
        parts.insert(dice.roll(parts.len() + 1), phrase.clone());
        parts.join(gap)
    };
    Ok((Edit::Text(Box::new(edit)), trigger))
}
