//! Conversations inside one column: a list of turns, each with a speaker and what was said, as
//! structs (`role`/`content`, `from`/`value`) or as the same in JSON text. A conversation is read as
//! what instruction data is: what the system and the user said before the assistant's last turn is
//! the prompt, what the assistant said are the replies. Tool calls and their results are not read.

use crate::batch::Text;
use arrow::array::{Array, AsArray, OffsetSizeTrait, StructArray};
use arrow::datatypes::{DataType, Fields};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt::Formatter;

const SPEAKERS: [&str; 4] = ["role", "from", "speaker", "author"];
pub const CONTENTS: [&str; 3] = ["content", "value", "text"];
const SYSTEMS: [&str; 2] = ["system", "developer"];
const USERS: [&str; 4] = ["user", "human", "prompter", "customer"];
const ASSISTANTS: [&str; 7] = ["assistant", "gpt", "chatgpt", "bot", "chatbot", "model", "ai"];

/// The fields that name the speaker and hold the words.
fn fields(fields: &Fields) -> Option<(&'static str, &'static str)> {
    let has = |n: &&&str| fields.iter().any(|f| f.name() == **n && Text::reads(f.data_type()));
    Some((SPEAKERS.iter().find(has)?, CONTENTS.iter().find(has)?))
}

/// Whether values of this type are lists of turns.
pub fn is_chat(t: &DataType) -> bool {
    match t {
        DataType::List(item) | DataType::LargeList(item) => match item.data_type() {
            DataType::Struct(inner) => fields(inner).is_some(),
            _ => false,
        },
        _ => false,
    }
}

/// Whether a text is a list of turns in JSON, one of them by the user or the assistant.
pub fn is_json(text: &str) -> bool {
    let mut chats = Chats::default();
    chats.push_json(Some(text));
    chats.turns.iter().any(|t| t.speaker != Speaker::System)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    System,
    User,
    Assistant,
}

impl Speaker {
    fn of(name: &str) -> Option<Self> {
        let is = |names: &[&str]| names.iter().any(|n| n.eq_ignore_ascii_case(name.trim()));
        if is(&USERS) {
            Some(Speaker::User)
        } else if is(&ASSISTANTS) {
            Some(Speaker::Assistant)
        } else {
            is(&SYSTEMS).then_some(Speaker::System)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    pub speaker: Speaker,
    /// Which turn of the conversation it is, all speakers counted.
    pub number: u32,
    from: usize,
    to: usize,
}

/// What was said in the conversations of one batch.
#[derive(Debug, Default)]
pub struct Chats {
    words: String,
    turns: Vec<Turn>,
    /// Where the turns of each row end.
    ends: Vec<usize>,
    /// The name of the field that holds the words.
    pub content: &'static str,
}

impl Chats {
    /// `None` when the column can hold no conversations. A row that holds none has no turns.
    pub fn of(array: &dyn Array) -> Option<Chats> {
        let mut out = Chats { content: CONTENTS[0], ..Chats::default() };
        if let Some(text) = Text::of(array) {
            (0..array.len()).for_each(|i| out.push_json(text.get(i)));
        } else if let Some(list) = array.as_list_opt::<i32>() {
            out.push_structs(list)?;
        } else {
            out.push_structs(array.as_list_opt::<i64>()?)?;
        }
        Some(out)
    }

    pub fn row(&self, i: usize) -> &[Turn] {
        let from = i.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.turns[from..self.ends[i]]
    }

    pub fn text(&self, turn: &Turn) -> &str {
        &self.words[turn.from..turn.to]
    }

    /// What the system and the user said before the assistant spoke last.
    pub fn asked(&self, i: usize) -> impl DoubleEndedIterator<Item = &Turn> {
        let row = self.row(i);
        let last = row.iter().rposition(|t| t.speaker == Speaker::Assistant).unwrap_or(row.len());
        row[..last].iter().filter(|t| t.speaker != Speaker::Assistant)
    }

    pub fn replies(&self, i: usize) -> impl DoubleEndedIterator<Item = &Turn> {
        self.row(i).iter().filter(|t| t.speaker == Speaker::Assistant)
    }

    fn push_structs<O: OffsetSizeTrait>(&mut self, list: &arrow::array::GenericListArray<O>) -> Option<()> {
        let turns: &StructArray = list.values().as_struct_opt()?;
        let (who, content) = fields(turns.fields())?;
        let speakers = Text::of(turns.column_by_name(who)?.as_ref())?;
        let words = Text::of(turns.column_by_name(content)?.as_ref())?;
        self.content = content;
        for i in 0..list.len() {
            if list.is_valid(i) {
                let (from, to) = (list.value_offsets()[i].as_usize(), list.value_offsets()[i + 1].as_usize());
                for at in (from..to).filter(|at| turns.is_valid(*at)) {
                    // A turn without words was not spoken.
                    let Some((speaker, words)) = speakers.get(at).and_then(Speaker::of).zip(words.get(at)) else { continue };
                    let start = self.words.len();
                    self.words.push_str(words);
                    self.turns.push(Turn { speaker, number: (at - from) as u32, from: start, to: self.words.len() });
                }
            }
            self.ends.push(self.turns.len());
        }
        Some(())
    }

    /// A text that is no list of turns is a row that holds nothing.
    fn push_json(&mut self, text: Option<&str>) {
        let (words, turns) = (self.words.len(), self.turns.len());
        // What is not even the beginning of such a list is not worth parsing.
        let opens = |t: &&str| t.trim_start().strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with('{'));
        if let Some(text) = text.filter(opens) {
            let mut json = serde_json::Deserializer::from_str(text);
            if Turns(self).deserialize(&mut json).and_then(|()| json.end()).is_err() {
                self.words.truncate(words);
                self.turns.truncate(turns);
            }
        }
        self.ends.push(self.turns.len());
    }
}

/// The turns of one conversation in JSON.
struct Turns<'a>(&'a mut Chats);

impl<'de> DeserializeSeed<'de> for Turns<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Turns<'_> {
    type Value = ();
    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of turns")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut number = 0;
        while let Some(turn) = seq.next_element_seed(OneTurn(&mut self.0.words))? {
            if let Some((speaker, (from, to))) = turn {
                self.0.turns.push(Turn { speaker, number, from, to });
            }
            number += 1;
        }
        Ok(())
    }
}

/// Speaker and words of one turn, if both are there. Of several keys for the same the first of the list
/// counts, in whatever order they stand.
struct OneTurn<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for OneTurn<'_> {
    type Value = Option<(Speaker, (usize, usize))>;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Self::Value, D::Error> {
        d.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneTurn<'_> {
    type Value = Option<(Speaker, (usize, usize))>;
    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("a turn")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut speaker, mut content) = (None, None);
        while let Some(key) = map.next_key_seed(AnyKey)? {
            match key {
                Key::Speaker(rank) => {
                    let mut name = String::new();
                    map.next_value_seed(Words(&mut name))?;
                    if speaker.is_none_or(|(best, _)| rank < best) {
                        speaker = Some((rank, Speaker::of(&name)));
                    }
                }
                Key::Content(rank) => {
                    let from = self.0.len();
                    let is_said = map.next_value_seed(Words(self.0))?;
                    if is_said && content.is_none_or(|(best, _)| rank < best) {
                        content = Some((rank, (from, self.0.len())));
                    }
                }
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(speaker.and_then(|s| s.1).zip(content.map(|c| c.1)))
    }
}

/// A key of a turn, with its rank among those that mean the same.
enum Key {
    Speaker(usize),
    Content(usize),
    Other,
}

struct AnyKey;

impl<'de> DeserializeSeed<'de> for AnyKey {
    type Value = Key;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<Key, D::Error> {
        d.deserialize_str(self)
    }
}

impl Visitor<'_> for AnyKey {
    type Value = Key;
    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, key: &str) -> Result<Key, E> {
        let rank = |names: &[&str]| names.iter().position(|n| *n == key);
        Ok(rank(&SPEAKERS).map(Key::Speaker).or_else(|| rank(&CONTENTS).map(Key::Content)).unwrap_or(Key::Other))
    }
}

/// Appends a text, or the texts of the parts of which some programs make a turn, one per line. Says whether
/// there was any: a turn that calls a tool has none.
struct Words<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Words<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<bool, D::Error> {
        d.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Words<'_> {
    type Value = bool;
    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("words")
    }
    fn visit_str<E>(self, words: &str) -> Result<bool, E> {
        self.0.push_str(words);
        Ok(true)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<bool, A::Error> {
        let mut any = false;
        loop {
            let before = self.0.len();
            if any {
                self.0.push('\n');
            }
            match parts.next_element_seed(Words(self.0))? {
                Some(true) => any = true,
                said => {
                    self.0.truncate(before);
                    if said.is_none() {
                        return Ok(any);
                    }
                }
            }
        }
    }
    /// A part of a turn: its text.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut any = false;
        while let Some(key) = map.next_key_seed(AnyKey)? {
            match key {
                Key::Content(_) => any |= map.next_value_seed(Words(self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(any)
    }
    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ListBuilder, StringArray, StringBuilder, StructBuilder};
    use arrow::datatypes::Field;

    type Row<'a> = Option<&'a [(&'a str, Option<&'a str>)]>;

    fn structs(who: &str, content: &str, rows: &[Row<'_>]) -> arrow::array::ListArray {
        let fields = vec![Field::new(who, DataType::Utf8, true), Field::new(content, DataType::Utf8, true)];
        let turn = StructBuilder::new(fields, vec![Box::new(StringBuilder::new()), Box::new(StringBuilder::new())]);
        let mut list = ListBuilder::new(turn);
        for row in rows {
            for (who, words) in row.unwrap_or_default() {
                list.values().field_builder::<StringBuilder>(0).unwrap().append_value(who);
                list.values().field_builder::<StringBuilder>(1).unwrap().append_option(*words);
                list.values().append(true);
            }
            list.append(row.is_some());
        }
        list.finish()
    }

    /// What was asked, and what was replied.
    fn row(chats: &Chats, i: usize) -> (Vec<&str>, Vec<&str>) {
        (chats.asked(i).map(|t| chats.text(t)).collect(), chats.replies(i).map(|t| chats.text(t)).collect())
    }

    #[test]
    fn a_conversation_is_what_was_asked_before_its_last_reply_and_all_replies() {
        let long: &[_] = &[
            ("system", Some("Be brief.")),
            ("user", Some("Hello?")),
            ("assistant", Some("Yes.")),
            ("user", Some("And now?")),
            ("assistant", Some("It is noon.")),
            ("user", Some("Thanks.")),
        ];
        let array = structs("role", "content", &[Some(long), None, Some(&long[1..3]), Some(&[]), Some(&[("user", None)])]);
        let chats = Chats::of(&array).unwrap();
        assert_eq!(row(&chats, 0), (vec!["Be brief.", "Hello?", "And now?"], vec!["Yes.", "It is noon."]));
        assert_eq!(chats.row(0).iter().map(|t| t.number).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert_eq!((chats.row(0)[0].speaker, chats.content), (Speaker::System, "content"));
        assert_eq!(row(&chats, 2), (vec!["Hello?"], vec!["Yes."]));
        assert!([1, 3, 4].iter().all(|&i| chats.row(i).is_empty()));
    }

    #[test]
    fn speakers_go_by_other_names_and_rows_may_be_a_slice() {
        let array = structs("from", "value", &[Some(&[("human", Some("a"))]), Some(&[("Human", Some("b")), ("gpt", Some("c"))])]);
        let chats = Chats::of(&array.slice(1, 1)).unwrap();
        assert_eq!((row(&chats, 0), chats.content), ((vec!["b"], vec!["c"]), "value"));
    }

    #[test]
    fn json_says_the_same_and_what_is_no_conversation_says_nothing() {
        let array = StringArray::from(vec![
            Some(r#" [ {"role": "user", "content": "a \"b\""}, {"content": [{"type": "text", "text": "c"}], "role": "assistant"}]"#),
            Some(r#"[{"name": "user"}]"#),
            Some(r#"[{"role": "user", "content": "cut off"#),
            Some("[1, 2]"),
            None,
            Some(
                r#"[{"role": "user", "content": "d"}, {"role": "assistant", "content": null, "calls": [{}]}, {"role": "tool", "content": "7"},
                {"value": "not this", "content": ["e", {"type": "image"}, {"text": "f"}], "from": "human", "role": "assistant"}]"#,
            ),
        ]);
        let chats = Chats::of(&array).unwrap();
        assert_eq!(row(&chats, 0), (vec!["a \"b\""], vec!["c"]));
        assert!((1..5).all(|i| chats.row(i).is_empty()));
        assert_eq!(row(&chats, 5), (vec!["d"], vec!["e\nf"]));
        assert_eq!(chats.row(5)[1].number, 3);
        assert_eq!([0, 1, 2, 3].map(|i| is_json(array.value(i))), [true, false, false, false]);
    }

    #[test]
    fn a_deep_or_hostile_text_is_no_conversation() {
        let deep = format!("[{{\"role\": {}", "[".repeat(100_000));
        assert!(!is_json(&deep));
        assert!(!is_json("[{\"role\": 7, \"content\": null}]"));
    }

    #[test]
    fn only_lists_of_turns_are_chat() {
        let chat = structs("role", "content", &[]);
        assert!(is_chat(chat.data_type()));
        assert!(!is_chat(structs("kind", "content", &[]).data_type()));
        assert!(!is_chat(&DataType::Utf8));
        assert!(Chats::of(&arrow::array::Int64Array::from(vec![1])).is_none());
    }
}
