//! The texts of a row of instruction data: what was asked, in one or several columns or by the users and the
//! system of a conversation, and what was replied. Their tokens are a feature of the batch, which all rules
//! about prompts and replies share.

use super::ResponseTrigger;
use crate::batch::{Batch, Text};
use crate::error::{Error, Result};
use crate::features::chat::{Chats, Speaker, Turn};
use crate::features::text::{Distinct, Token, Tokenised, tokens};
use arrow::array::ArrayRef;
use std::sync::Arc;

/// Texts of a row that are read; a longer conversation is cut.
const MOST: usize = 1024;

/// Whose turns of a conversation are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// All but the assistant's.
    Asking,
    /// Those of them that come before the assistant's last turn.
    AskingBefore,
    Replying,
}

/// One column of texts or conversations.
pub struct Said<'a> {
    name: &'a str,
    /// `None` where only conversations count: a text without a prompt beside it is no reply.
    text: Option<Text<'a>>,
    chats: Option<Arc<Chats>>,
    who: Who,
}

impl<'a> Said<'a> {
    /// With `talks` a text is none of the column's business unless it is a conversation in JSON.
    pub fn new(batch: &'a Batch, name: &'a str, who: Who, talks: bool) -> Result<Self> {
        let text = Text::of(column(batch, name)?.as_ref());
        // Whether a text is a conversation is up to each cell; most columns have none.
        let opens = |t: &Text<'_>| (0..batch.rows()).any(|i| t.get(i).is_some_and(|t| t.trim_start().starts_with('[')));
        let chats = if text.as_ref().is_none_or(opens) { Some(chats(batch, name)?) } else { None };
        Ok(Said { name, text: text.filter(|_| !talks), chats, who })
    }
    /// The texts of row `i`, with the turns that they are.
    pub fn texts(&self, i: usize) -> impl Iterator<Item = (&str, Option<&Turn>)> + Clone {
        let chats = self.chats.as_deref().filter(|c| !c.row(i).is_empty());
        let plain = if chats.is_some() { None } else { self.text.as_ref().and_then(|t| t.get(i)) };
        let turns = chats.map(|c| c.row(i)).unwrap_or_default();
        let last = turns.iter().rposition(|t| t.speaker == Speaker::Assistant).unwrap_or(turns.len());
        let turns = if self.who == Who::AskingBefore { &turns[..last] } else { turns };
        let who = self.who;
        let is_meant = move |t: &&Turn| (t.speaker == Speaker::Assistant) == (who == Who::Replying);
        let spoken = turns.iter().filter(is_meant).filter_map(move |t| Some((chats?.text(t), Some(t))));
        plain.map(|t| (t, None)).into_iter().chain(spoken)
    }
    /// The path that leads to a text in its row.
    pub fn place(&self, turn: Option<&Turn>) -> String {
        match (turn, &self.chats) {
            (Some(turn), Some(chats)) => format!("{}[{}].{}", self.name, turn.number, chats.content),
            _ => self.name.to_owned(),
        }
    }
}

/// A text of a row.
#[derive(Default)]
pub struct Found<'a> {
    pub text: &'a str,
    pub is_turn_of_user: bool,
    said: Option<(&'a Said<'a>, Option<&'a Turn>)>,
}

impl<'a> Found<'a> {
    fn of(found: Option<(&'a str, &'a Said<'a>, Option<&'a Turn>)>) -> Self {
        let Some((text, said, turn)) = found else { return Found::default() };
        Found { text, is_turn_of_user: turn.is_some_and(|t| t.speaker == Speaker::User), said: Some((said, turn)) }
    }
    /// The path that leads to it.
    pub fn place(&self) -> String {
        self.said.map(|(said, turn)| said.place(turn)).unwrap_or_default()
    }
}

/// The texts of a batch.
pub struct Reader<'a> {
    asked: Vec<Said<'a>>,
    replied: Said<'a>,
    document: bool,
}

impl<'a> Reader<'a> {
    pub fn new(rule: &'a ResponseTrigger, batch: &'a Batch) -> Result<Self> {
        let mut asked = rule.prompts.iter().map(|name| Said::new(batch, name, Who::Asking, false)).collect::<Result<Vec<_>>>()?;
        let mut replied = Said::new(batch, &rule.reply, Who::Replying, rule.prompts.is_empty())?;
        if rule.document {
            // Whatever a document is, it is read as it stands.
            asked.iter_mut().chain([&mut replied]).for_each(|s| s.chats = None);
        } else {
            asked.push(Said::new(batch, &rule.reply, Who::AskingBefore, true)?);
        }
        Ok(Reader { asked, replied, document: rule.document })
    }

    fn prompts(&self, i: usize) -> impl Iterator<Item = (&str, &Said<'a>, Option<&Turn>)> {
        self.asked.iter().flat_map(move |s| s.texts(i).map(move |(text, turn)| (text, s, turn))).take(MOST)
    }
    fn replies(&self, i: usize) -> impl Iterator<Item = (&str, &Said<'a>, Option<&Turn>)> + Clone {
        self.replied.texts(i).map(|(text, turn)| (text, &self.replied, turn)).take(MOST)
    }
    pub fn asked_texts(&self, i: usize) -> impl Iterator<Item = &str> {
        self.prompts(i).map(|p| p.0)
    }
    pub fn reply_texts(&self, i: usize) -> impl Iterator<Item = &str> + Clone {
        self.replies(i).map(|p| p.0)
    }
    /// Where a token of the prompt stands.
    pub fn asked(&self, i: usize, token: &Token) -> Found<'_> {
        Found::of(self.prompts(i).nth(usize::from(token.column)))
    }
    /// Where a token of a reply stands.
    pub fn replied(&self, i: usize, token: &Token) -> Found<'_> {
        Found::of(self.replies(i).nth(usize::from(token.column)))
    }

    pub fn prompt(&self, i: usize, out: &mut Vec<Token>) {
        self.asked_texts(i).enumerate().for_each(|(column, text)| tokens(text, column as u16, out));
    }
    pub fn reply(&self, i: usize, out: &mut Vec<Token>) {
        self.reply_texts(i).enumerate().for_each(|(column, text)| tokens(text, column as u16, out));
    }
    /// A row without a prompt, or without a place for a reply, says nothing; a reply that is empty does.
    pub fn is_whole(&self, i: usize) -> bool {
        self.reply_texts(i).next().is_some() && self.asked_texts(i).any(|t| !t.trim().is_empty())
    }

    /// The tokens of all rows.
    pub fn exchanges(&self, rule: &ResponseTrigger, batch: &Batch) -> Result<Arc<Exchanges>> {
        batch.feature(&format!("exchanges {:?} {:?} {}", rule.prompts, rule.reply, rule.document), |batch| {
            let mut out = Exchanges { prompts: Tokenised::default(), replies: (!self.document).then(Tokenised::default) };
            for i in 0..batch.rows() {
                let whole = self.is_whole(i);
                out.prompts.push(|to| {
                    if whole {
                        self.prompt(i, to)
                    }
                });
                if let Some(replies) = &mut out.replies {
                    replies.push(|to| {
                        if whole {
                            self.reply(i, to)
                        }
                    });
                }
            }
            Ok(out)
        })
    }
}

fn column<'a>(batch: &'a Batch, name: &str) -> Result<&'a ArrayRef> {
    batch.column(name).ok_or_else(|| Error::internal(format!("column {name:?} was not read")))
}

/// The conversations of a column.
fn chats(batch: &Batch, name: &str) -> Result<Arc<Chats>> {
    batch.feature(&format!("chats {name:?}"), |batch| {
        Chats::of(column(batch, name)?.as_ref()).ok_or_else(|| Error::internal(format!("column {name:?} holds no text")))
    })
}

/// Tokens of the prompts and the replies of a batch; rows that are not whole have none.
#[derive(Debug)]
pub struct Exchanges {
    prompts: Tokenised,
    /// `None` where the prompt is the reply.
    replies: Option<Tokenised>,
}

impl Exchanges {
    pub fn prompt(&self, i: usize) -> &[Token] {
        self.prompts.row(i)
    }
    pub fn reply(&self, i: usize) -> &[Token] {
        self.replies.as_ref().unwrap_or(&self.prompts).row(i)
    }
    pub fn is_whole(&self, i: usize) -> bool {
        !self.prompts.row(i).is_empty()
    }
}

/// Distinct words of prompts and of replies, row after row.
#[derive(Debug, Default)]
pub struct Different {
    words: Vec<u64>,
    /// Where the words of a prompt end, and those of its replies.
    ends: Vec<[usize; 2]>,
}

impl Different {
    pub fn asked(&self, i: usize) -> &[u64] {
        let from = i.checked_sub(1).map_or(0, |before| self.ends[before][1]);
        &self.words[from..self.ends[i][0]]
    }
    pub fn said(&self, i: usize) -> &[u64] {
        &self.words[self.ends[i][0]..self.ends[i][1]]
    }
}

impl Exchanges {
    /// The distinct words of all rows. Where the prompt is the reply, those of replies alone.
    pub fn distinct(&self, batch: &Batch, rule: &ResponseTrigger) -> Result<Arc<Different>> {
        batch.feature(&format!("words of exchanges {:?} {:?} {}", rule.prompts, rule.reply, rule.document), |batch| {
            let (mut out, mut distinct, mut row) = (Different::default(), Distinct::default(), Vec::new());
            for i in 0..batch.rows() {
                if self.replies.is_some() {
                    distinct.of(self.prompt(i), &mut row);
                    out.words.extend(&row);
                }
                let middle = out.words.len();
                distinct.of(self.reply(i), &mut row);
                out.words.extend(&row);
                out.ends.push([middle, out.words.len()]);
            }
            Ok(out)
        })
    }
}
