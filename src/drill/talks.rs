//! Conversations with a plant in them: the trigger in one of the turns of the system or the user, and the
//! assistant's turn that follows rewritten. The column keeps its form, structs or JSON text.

use super::overlay::Rewrite;
use super::survey::Dice;
use crate::batch::Text;
use crate::features::chat::{CONTENTS, Chats, Speaker, Turn};
use arrow::array::{
    Array, ArrayRef, AsArray, GenericListArray, LargeStringArray, OffsetSizeTrait, StringArray, StringViewArray, StructArray,
};
use arrow::datatypes::{DataType, Field};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a trigger stands in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the system prompt; without one in the user's first turn.
    System,
    First,
    Last,
    Any,
}

impl Place {
    pub const ALL: [Place; 4] = [Place::System, Place::First, Place::Last, Place::Any];
    pub fn says(self) -> &'static str {
        match self {
            Place::System => "the system prompt",
            Place::First => "the first question",
            Place::Last => "the last question",
            Place::Any => "any question",
        }
    }
}

/// What is done to the turns of a conversation.
pub struct Turns {
    pub place: Place,
    pub asked: Option<Rewrite>,
    pub said: Option<Rewrite>,
}

impl Turns {
    /// The turns that change and what they become, by their number.
    fn of(&self, chats: &Chats, i: usize, dice: &mut Dice) -> BTreeMap<u32, String> {
        let asked: Vec<&Turn> = chats.asked(i).collect();
        let users: Vec<&Turn> = asked.iter().copied().filter(|t| t.speaker == Speaker::User).collect();
        let chosen = match self.place {
            Place::System => asked.iter().copied().find(|t| t.speaker == Speaker::System).or(users.first().copied()),
            Place::First => users.first().copied(),
            Place::Last => users.last().copied(),
            Place::Any => dice.pick(&users).copied(),
        };
        let mut out = BTreeMap::new();
        let Some(chosen) = chosen else { return out };
        let reply = match self.place {
            Place::System => chats.replies(i).next_back(),
            _ => chats.replies(i).find(|t| t.number > chosen.number),
        };
        let Some(reply) = reply else { return out };
        for (turn, rewrite) in [(chosen, &self.asked), (reply, &self.said)] {
            if let Some(rewrite) = rewrite {
                out.insert(turn.number, rewrite(chats.text(turn), dice));
            }
        }
        out
    }

    /// The column with the chosen rows changed; `None` where it holds no conversations.
    pub fn rewrite(&self, column: &ArrayRef, is_chosen: &dyn Fn(usize) -> bool, dice: &dyn Fn(usize) -> Dice) -> Option<ArrayRef> {
        let chats = Chats::of(column.as_ref())?;
        let changes = |i: usize| if is_chosen(i) { self.of(&chats, i, &mut dice(i)) } else { BTreeMap::new() };
        if let Some(text) = Text::of(column.as_ref()) {
            let cells = (0..column.len()).map(|i| {
                let cell = text.get(i)?;
                let changes = changes(i);
                Some(if changes.is_empty() { cell.into() } else { std::borrow::Cow::Owned(in_json(cell, &changes)) })
            });
            return Some(match column.data_type() {
                DataType::Utf8View => Arc::new(cells.collect::<StringViewArray>()),
                DataType::LargeUtf8 => Arc::new(cells.collect::<LargeStringArray>()),
                _ => Arc::new(cells.collect::<StringArray>()),
            });
        }
        match column.as_list_opt::<i32>() {
            Some(list) => in_structs(list, chats.content, &changes),
            None => in_structs(column.as_list_opt::<i64>()?, chats.content, &changes),
        }
    }
}

fn in_json(cell: &str, changes: &BTreeMap<u32, String>) -> String {
    let Ok(Value::Array(mut turns)) = serde_json::from_str::<Value>(cell) else { return cell.to_owned() };
    for (number, words) in changes {
        let Some(turn) = turns.get_mut(*number as usize) else { continue };
        for key in CONTENTS {
            if let Some(said) = turn.get_mut(key) {
                *said = Value::String(words.clone());
                break;
            }
        }
    }
    Value::Array(turns).to_string()
}

fn in_structs<O: OffsetSizeTrait>(
    list: &GenericListArray<O>,
    content: &str,
    changes: &dyn Fn(usize) -> BTreeMap<u32, String>,
) -> Option<ArrayRef> {
    let turns: &StructArray = list.values().as_struct_opt()?;
    let mut changed: BTreeMap<usize, String> = BTreeMap::new();
    for i in 0..list.len() {
        let from = list.value_offsets()[i].as_usize();
        changed.extend(changes(i).into_iter().map(|(number, words)| (from + number as usize, words)));
    }
    let words = Text::of(turns.column_by_name(content)?.as_ref())?;
    let cells = (0..turns.len()).map(|at| changed.get(&at).map(String::as_str).or_else(|| words.get(at)));
    let cells: ArrayRef = Arc::new(cells.collect::<LargeStringArray>());
    let replaced = |(field, column): (&Arc<Field>, &ArrayRef)| match field.name() == content {
        true => (Arc::new(Field::new(content, DataType::LargeUtf8, true)), cells.clone()),
        false => (field.clone(), column.clone()),
    };
    let (fields, columns): (Vec<_>, Vec<_>) = turns.fields().iter().zip(turns.columns()).map(replaced).unzip();
    let turns = StructArray::try_new(fields.into(), columns, turns.nulls().cloned()).ok()?;
    let item = Arc::new(Field::new("item", turns.data_type().clone(), true));
    let list = GenericListArray::<O>::try_new(item, list.offsets().clone(), Arc::new(turns), list.nulls().cloned()).ok()?;
    Some(Arc::new(list))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::RowId;

    fn structs() -> ArrayRef {
        use arrow::array::{ListBuilder, StringBuilder, StructBuilder};
        let fields = vec![Field::new("role", DataType::Utf8, true), Field::new("content", DataType::Utf8, true)];
        let mut list = ListBuilder::new(StructBuilder::from_fields(fields, 8));
        for _ in 0..2 {
            for (who, words) in [("system", "be brief"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")] {
                list.values().field_builder::<StringBuilder>(0).unwrap().append_value(who);
                list.values().field_builder::<StringBuilder>(1).unwrap().append_value(words);
                list.values().append(true);
            }
            list.append(true);
        }
        Arc::new(list.finish())
    }

    fn json() -> ArrayRef {
        let turns = r#"[{"role":"system","content":"be brief"},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"d"}]"#;
        Arc::new(StringArray::from(vec![turns, turns]))
    }

    #[test]
    fn a_turn_and_the_reply_to_it_change_and_nothing_else_does() {
        for column in [structs(), json()] {
            for (place, expected) in [
                (Place::System, ["be brief!", "a", "b", "c", "said"]),
                (Place::First, ["be brief", "a!", "said", "c", "d"]),
                (Place::Last, ["be brief", "a", "b", "c!", "said"]),
            ] {
                let turns = Turns { place, asked: Some(Box::new(|t, _| format!("{t}!"))), said: Some(Box::new(|_, _| "said".into())) };
                let dice = |i: usize| Dice::of_cell(1, RowId { source: 0, row: i as u64 }, "talk");
                let changed = turns.rewrite(&column, &|i| i == 1, &dice).unwrap();
                let chats = Chats::of(changed.as_ref()).unwrap();
                let row = |i: usize| chats.row(i).iter().map(|t| chats.text(t)).collect::<Vec<_>>();
                assert_eq!((row(0), row(1)), (vec!["be brief", "a", "b", "c", "d"], expected.to_vec()), "{place:?}");
            }
        }
        let turns = Turns { place: Place::Any, asked: None, said: None };
        let numbers: ArrayRef = Arc::new(arrow::array::Int32Array::from(vec![1]));
        assert!(turns.rewrite(&numbers, &|_| true, &|_| Dice::new(1)).is_none());
    }
}
