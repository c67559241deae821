//! Guesses the role of a column from its name and what it holds. A guess is written down as one:
//! the reason stands beside it, so that whoever reads the contract can disagree.

use super::Role;
use super::seen::Seen;
use arrow::datatypes::DataType;

/// A role and why.
pub type Guess = (Role, &'static str);

struct Column<'a> {
    words: Vec<String>,
    type_: &'a DataType,
    seen: &'a Seen,
}

impl Column<'_> {
    /// The whole name is one of these, or its last word is.
    fn is_called(&self, names: &[&str]) -> bool {
        let whole = self.words.join("_");
        names.iter().any(|n| *n == whole) || self.words.last().is_some_and(|w| names.contains(&w.as_str()))
    }
    fn is_string(&self) -> bool {
        matches!(self.type_, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
    }
    fn is_prose(&self) -> bool {
        let present = self.seen.present();
        self.is_string() && !self.is_chat() && present > 0 && self.seen.characters >= 12 * present && 2 * self.seen.spaced >= present
    }
    /// Some text, most of it different: what a prompt or reply looks like even when it is short.
    fn is_text(&self) -> bool {
        self.is_prose() || (self.is_string() && self.seen.values().is_none())
    }
    /// Lists of turns, as structs or in JSON.
    fn is_chat(&self) -> bool {
        crate::features::chat::is_chat(self.type_) || (self.seen.chats > 0 && 10 * self.seen.chats >= 9 * self.seen.present())
    }
    /// Few values for the number of rows.
    fn is_classes(&self) -> bool {
        let discrete = self.is_string() || self.type_.is_integer() || self.type_ == &DataType::Boolean;
        let few = match (self.type_, self.seen.distinct()) {
            (DataType::Boolean, _) => true,
            (_, Some(n)) => n >= 2 && self.seen.values().is_some() && (n as u64) * 2 <= self.seen.present(),
            (_, None) => false,
        };
        discrete && few
    }
}

/// `reviewText`, `review-text` and `review.text` are all `review`, `text`.
fn words(name: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut fresh = true;
    let mut lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            fresh = true;
            lower = false;
            continue;
        }
        if fresh || (lower && c.is_uppercase()) {
            out.push(String::new());
        }
        fresh = false;
        lower = c.is_lowercase();
        if let Some(word) = out.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    out
}

const LABELS: &[&str] = &["label", "labels", "target", "class", "y", "outcome", "sentiment", "intent", "category", "gold", "verdict"];
const TEXTS: &[&str] = &[
    "text",
    "sentence",
    "review",
    "content",
    "body",
    "comment",
    "document",
    "message",
    "title",
    "tweet",
    "headline",
    "passage",
    "utterance",
    "post",
];
const PROMPTS: &[&str] = &["instruction", "prompt", "question", "input", "query", "context"];
const RESPONSES: &[&str] = &["response", "output", "answer", "completion", "reply"];
const IDS: &[&str] = &["id", "uuid", "guid", "key", "index", "idx", "rowid"];
const SPLITS: &[&str] = &["split", "fold", "subset", "partition"];
const SOURCES: &[&str] = &["source", "site", "domain", "origin", "publisher", "provider"];
const ANNOTATORS: &[&str] = &["annotator", "worker", "rater", "labeler", "labeller", "annotator_id", "worker_id", "rater_id"];
const TIMES: &[&str] = &["time", "date", "timestamp", "at", "on", "day"];
const WEIGHTS: &[&str] = &["weight", "sample_weight", "weights"];

/// Whether a name says that its values tell rows apart.
pub fn names_a_key(name: &str) -> bool {
    words(name).last().is_some_and(|w| IDS.contains(&w.as_str()))
}

/// One guess per column, in the order of the columns. A role that stands for one column is given
/// once: to the column whose name speaks most clearly, then to the first.
pub fn roles(columns: &[(&str, &DataType, &Seen)]) -> Vec<Option<Guess>> {
    let columns: Vec<Column<'_>> =
        columns.iter().map(|(name, type_, seen)| Column { words: words(name), type_: super::types::unencoded(type_), seen }).collect();
    let mut out: Vec<Option<Guess>> = vec![None; columns.len()];
    let mut give = |role: Role, why: &'static str, fits: &dyn Fn(&Column<'_>) -> bool| -> bool {
        let found = columns.iter().enumerate().position(|(i, c)| out[i].is_none() && c.seen.present() > 0 && fits(c));
        if let Some(i) = found {
            out[i] = Some((role, why));
        }
        found.is_some()
    };

    let preferred = give(Role::Chosen, "by its name", &|c| c.is_called(&["chosen"]));
    give(Role::Rejected, "by its name", &|c| c.is_called(&["rejected"]));
    give(Role::Image, "by its name and type", &|c| c.is_called(&["image", "img", "picture"]) && !c.is_string());
    give(Role::Embedding, "by its type, a list of numbers", &|c| match c.type_ {
        DataType::FixedSizeList(item, _) | DataType::List(item) => item.data_type().is_floating(),
        _ => false,
    });
    let replied = give(Role::Response, "by its name and its prose", &|c| c.is_called(RESPONSES) && (c.is_text() || c.is_chat()));
    // A conversation holds its prompt; beside a reply of its own it is nothing else.
    let (role, why) = match replied || preferred {
        true => (Role::Prompt, "by the conversations in it"),
        false => (Role::Response, "by the conversations in it; their users are the prompt"),
    };
    let talked = give(role, why, &|c| c.is_chat());
    let replied = replied || talked;
    // `input` and `question` are prompts where something answers them.
    let asked = if replied { PROMPTS } else { &PROMPTS[..2] };
    for name in asked {
        give(Role::Prompt, "by its name and its prose", &|c| c.is_called(&[name]) && c.is_text());
    }
    // The clearest name first: `label` beats `category`.
    let _ = LABELS.iter().any(|name| give(Role::Label, "by its name and its few values", &|c| c.is_called(&[name]) && c.is_classes()));
    give(Role::Id, "by its name; no value repeats", &|c| c.is_called(IDS) && c.seen.is_unique() && c.seen.nulls == 0);
    give(Role::Split, "by its name and its few values", &|c| c.is_called(SPLITS) && c.seen.values().is_some());
    give(Role::Annotator, "by its name", &|c| c.is_called(ANNOTATORS) && !c.seen.is_unique());
    give(Role::Source, "by its name and its repeated values", &|c| c.is_called(SOURCES) && c.is_string() && !c.seen.is_unique());
    give(Role::Time, "by its type", &|c| {
        matches!(c.type_, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)) && c.is_called(TIMES)
    });
    give(Role::Weight, "by its name and type", &|c| {
        c.is_called(WEIGHTS) && c.seen.floats.is_some_and(|(lo, _)| lo >= 0.0) && c.words.len() <= 2
    });
    let named = give(Role::Text, "by its name and its prose", &|c| c.is_called(TEXTS) && c.is_prose());
    if !named && !replied {
        give(Role::Text, "the first column of prose", &|c| c.is_prose() && c.seen.values().is_none());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use std::sync::Arc;

    fn guess(columns: &[(&str, ArrayRef)]) -> Vec<Option<Role>> {
        let seen: Vec<Seen> = columns
            .iter()
            .map(|(_, a)| {
                let mut seen = Seen::default();
                seen.observe(a).expect("a readable column");
                seen
            })
            .collect();
        let rows: Vec<_> = columns.iter().zip(&seen).map(|((n, a), s)| (*n, a.data_type(), s)).collect();
        roles(&rows).into_iter().map(|g| g.map(|(r, _)| r)).collect()
    }
    fn prose(n: usize) -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..n).map(|i| format!("some words about the number {i}"))))
    }
    fn classes(n: usize) -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..n).map(|i| if i % 3 == 0 { "yes" } else { "no" })))
    }
    fn ids(n: i64) -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(0..n))
    }

    #[test]
    fn names_split_at_case_and_punctuation() {
        assert_eq!(words("reviewText"), ["review", "text"]);
        assert_eq!(words("Review-ID"), ["review", "id"]);
        assert_eq!(words(""), Vec::<String>::new());
    }

    #[test]
    fn a_label_needs_few_values_and_an_id_needs_unique_ones() {
        assert_eq!(guess(&[("label", ids(200)), ("id", classes(200))]), [None, None]);
        assert_eq!(guess(&[("label", classes(200)), ("id", ids(200))]), [Some(Role::Label), Some(Role::Id)]);
    }

    #[test]
    fn the_clearer_name_takes_the_label() {
        assert_eq!(guess(&[("category", classes(50)), ("label", classes(50))]), [None, Some(Role::Label)]);
    }

    #[test]
    fn an_input_is_a_prompt_only_where_something_answers() {
        assert_eq!(guess(&[("input", prose(300)), ("output", prose(300))]), [Some(Role::Prompt), Some(Role::Response)]);
        assert_eq!(guess(&[("input", prose(300)), ("y", classes(300))]), [Some(Role::Text), Some(Role::Label)]);
    }

    fn talk(turns: &[(&str, &str)], n: usize) -> ArrayRef {
        let turn = |(who, words): &(&str, &str), i: usize| format!(r#"{{"role": "{who}", "content": "{words} {i}"}}"#);
        Arc::new(StringArray::from_iter_values(
            (0..n).map(|i| format!("[{}]", turns.iter().map(|t| turn(t, i)).collect::<Vec<_>>().join(", "))),
        ))
    }

    #[test]
    fn the_usual_layouts_of_conversations_have_roles() {
        use Role::{Chosen, Id, Label, Prompt, Rejected, Response};
        let whole = || talk(&[("user", "what is the square of"), ("assistant", "it is more than")], 200);
        let asked = || talk(&[("user", "what is the square of")], 200);
        let said = || talk(&[("assistant", "it is more than")], 200);
        assert_eq!(guess(&[("messages", whole()), ("id", ids(200))]), [Some(Response), Some(Id)]);
        assert_eq!(guess(&[("prompt", prose(200)), ("messages", whole())]), [Some(Prompt), Some(Response)]);
        assert_eq!(
            guess(&[("conversations", asked()), ("chosen", said()), ("rejected", said())]),
            [Some(Prompt), Some(Chosen), Some(Rejected)]
        );
        assert_eq!(
            guess(&[("prompt", prose(200)), ("chosen", prose(200)), ("rejected", prose(200))]),
            [Some(Prompt), Some(Chosen), Some(Rejected)]
        );
        let flags: ArrayRef = Arc::new(arrow::array::BooleanArray::from_iter((0..200).map(|i| Some(i % 3 == 0))));
        assert_eq!(
            guess(&[("prompt", prose(200)), ("completion", prose(200)), ("label", flags)]),
            [Some(Prompt), Some(Response), Some(Label)]
        );
    }

    #[test]
    fn an_all_null_column_has_no_role() {
        let nulls: ArrayRef = Arc::new(StringArray::from(vec![None::<&str>; 20]));
        assert_eq!(guess(&[("label", nulls.clone()), ("text", nulls)]), [None, None]);
    }
}
