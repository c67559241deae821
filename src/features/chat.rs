//! Conversations inside one column: a list of turns, each with a speaker and what was said, as
//! structs (`role`/`content`, `from`/`value`) or as the same in JSON text. A conversation is read as
//! what instruction data is: the first and the last thing the user asked before the assistant's last
//! turn, and that turn. What stands in between, system prompts and tool calls are not read.

use crate::batch::Text;
use arrow::array::{Array, AsArray, LargeStringArray, LargeStringBuilder, OffsetSizeTrait, StructArray};
use arrow::datatypes::{DataType, Fields};
use serde_json::Value;

const SPEAKERS: [&str; 4] = ["role", "from", "speaker", "author"];
const CONTENTS: [&str; 3] = ["content", "value", "text"];
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
    opens(text) && json(text).iter().any(|(who, _)| Speaker::of(who).is_some())
}

/// What is not even the beginning of such a list is not worth parsing.
fn opens(text: &str) -> bool {
    text.trim_start().strip_prefix('[').is_some_and(|rest| rest.trim_start().starts_with('{'))
}

/// Speaker and words of each element; empty where this is no list of turns.
fn json(text: &str) -> Vec<(String, String)> {
    let Ok(Value::Array(turns)) = serde_json::from_str::<Value>(text) else { return Vec::new() };
    let field = |turn: &Value, names: &[&str]| names.iter().find_map(|n| turn.get(n)).map(words).unwrap_or_default();
    turns.iter().map(|turn| (field(turn, &SPEAKERS), field(turn, &CONTENTS))).collect()
}

/// A text, or the texts among the parts of which some programs make a turn.
fn words(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Array(parts) => parts.iter().filter_map(|p| p.get("text")?.as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    User,
    Assistant,
}

impl Speaker {
    fn of(name: &str) -> Option<Self> {
        let is = |names: &[&str]| names.iter().any(|n| n.eq_ignore_ascii_case(name.trim()));
        if is(&USERS) { Some(Speaker::User) } else { is(&ASSISTANTS).then_some(Speaker::Assistant) }
    }
}

/// The turns that matter, of each row of one batch.
#[derive(Debug)]
pub struct Chats {
    /// The user's first turn before the reply, the last one if that is another, and the reply.
    pub texts: [LargeStringArray; 3],
    /// Which turns of the conversation these are.
    pub turns: Vec<[u32; 3]>,
    /// The name of the field that holds the words.
    pub content: &'static str,
}

pub const FIRST: usize = 0;
pub const LAST: usize = 1;
pub const REPLY: usize = 2;

struct Builder {
    texts: [LargeStringBuilder; 3],
    turns: Vec<[u32; 3]>,
}

impl Builder {
    /// A row whose turns were spoken by `speakers` in the words `words(turn)`.
    fn push<'a>(&mut self, speakers: &[Option<Speaker>], words: impl Fn(usize) -> &'a str) {
        let reply = speakers.iter().rposition(|s| *s == Some(Speaker::Assistant));
        let asked = &speakers[..reply.unwrap_or(speakers.len())];
        let first = asked.iter().position(|s| *s == Some(Speaker::User));
        let last = asked.iter().rposition(|s| *s == Some(Speaker::User)).filter(|l| Some(*l) != first);
        let turns = [first, last, reply];
        for (text, turn) in self.texts.iter_mut().zip(turns) {
            text.append_option(turn.map(&words));
        }
        self.turns.push(turns.map(|t| t.map_or(0, |t| t as u32)));
    }
}

impl Chats {
    /// `None` when the column can hold no conversations. A row that holds none has three nulls.
    pub fn of(array: &dyn Array) -> Option<Chats> {
        let mut out = Builder { texts: std::array::from_fn(|_| LargeStringBuilder::new()), turns: Vec::with_capacity(array.len()) };
        let content = if let Some(text) = Text::of(array) {
            from_json(&text, array.len(), &mut out);
            CONTENTS[0]
        } else if let Some(list) = array.as_list_opt::<i32>() {
            from_structs(list, &mut out)?
        } else {
            from_structs(array.as_list_opt::<i64>()?, &mut out)?
        };
        let Builder { mut texts, turns } = out;
        Some(Chats { texts: std::array::from_fn(|i| texts[i].finish()), turns, content })
    }
}

fn from_json(text: &Text<'_>, rows: usize, out: &mut Builder) {
    let mut speakers = Vec::new();
    for i in 0..rows {
        let turns = text.get(i).filter(|t| opens(t)).map(json).unwrap_or_default();
        speakers.clear();
        speakers.extend(turns.iter().map(|(who, _)| Speaker::of(who)));
        out.push(&speakers, |at| &turns[at].1);
    }
}

fn from_structs<O: OffsetSizeTrait>(list: &arrow::array::GenericListArray<O>, out: &mut Builder) -> Option<&'static str> {
    let turns: &StructArray = list.values().as_struct_opt()?;
    let (who, content) = fields(turns.fields())?;
    let speakers_of = Text::of(turns.column_by_name(who)?.as_ref())?;
    let words = Text::of(turns.column_by_name(content)?.as_ref())?;
    let mut speakers = Vec::new();
    for i in 0..list.len() {
        speakers.clear();
        let from = list.value_offsets()[i].as_usize();
        if list.is_valid(i) {
            let to = list.value_offsets()[i + 1].as_usize();
            // A turn without words was not spoken.
            let spoken = |at: &usize| turns.is_valid(*at) && words.get(*at).is_some();
            speakers.extend((from..to).map(|at| Some(at).filter(spoken).and_then(|at| Speaker::of(speakers_of.get(at)?))));
        }
        out.push(&speakers, |at| words.get(from + at).unwrap_or_default());
    }
    Some(content)
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

    fn row(chats: &Chats, i: usize) -> [Option<&str>; 3] {
        chats.texts.each_ref().map(|t| t.is_valid(i).then(|| t.value(i)))
    }

    #[test]
    fn a_conversation_is_its_first_and_last_question_and_its_last_reply() {
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
        assert_eq!(row(&chats, 0), [Some("Hello?"), Some("And now?"), Some("It is noon.")]);
        assert_eq!((chats.turns[0], chats.content), ([1, 3, 4], "content"));
        assert_eq!(row(&chats, 2), [Some("Hello?"), None, Some("Yes.")]);
        assert!([1, 3, 4].iter().all(|&i| row(&chats, i) == [None; 3]));
    }

    #[test]
    fn speakers_go_by_other_names_and_rows_may_be_a_slice() {
        let array = structs("from", "value", &[Some(&[("human", Some("a"))]), Some(&[("Human", Some("b")), ("gpt", Some("c"))])]);
        let chats = Chats::of(&array.slice(1, 1)).unwrap();
        assert_eq!((row(&chats, 0), chats.content), ([Some("b"), None, Some("c")], "value"));
    }

    #[test]
    fn json_says_the_same_and_what_is_no_conversation_says_nothing() {
        let array = StringArray::from(vec![
            Some(r#" [ {"role": "user", "content": "a \"b\""}, {"content": [{"type": "text", "text": "c"}], "role": "assistant"}]"#),
            Some(r#"[{"name": "user"}]"#),
            Some(r#"[{"role": "user", "content": "cut off"#),
            Some("[1, 2]"),
            None,
        ]);
        let chats = Chats::of(&array).unwrap();
        assert_eq!(row(&chats, 0), [Some("a \"b\""), None, Some("c")]);
        assert!((1..5).all(|i| row(&chats, i) == [None; 3]));
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
