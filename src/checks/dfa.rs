//! A pattern worked out in full, for the many short texts of a column: one table look per byte,
//! without the scratch memory that the regex crate borrows from a pool for every search. The table
//! is walked out of a lazy automaton once. Classes of Unicode (`\w`) may need too many states for the
//! bytes of other scripts: such a table is of ASCII alone and leaves other texts to the regex crate,
//! which gives the same answers; a pattern with too many states even so has no table.

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::start;
use regex_automata::{Anchored, nfa::thompson};
use std::collections::HashMap;

/// States at most. Patterns of columns (an identifier, a date, a host) have some dozens; the
/// table takes 512 bytes for each.
const MOST_STATES: usize = 512;
/// What may be spent on finding out that a pattern has more.
const WORKSHOP: usize = 4 << 20;

/// No match can follow.
const DEAD: u16 = 0;
/// A match was found.
const MATCHED: u16 = 1;
/// A byte beyond ASCII came where the table knows ASCII alone.
const UNKNOWN: u16 = 2;

pub struct Table {
    start: u16,
    /// At `state << 8 | byte`.
    next: Vec<u16>,
    /// Whether a text that ends in this state matches; `None` when the table cannot know.
    accepts: Vec<Option<bool>>,
}

impl Table {
    /// `None` for a pattern with too many states, and for the kinds that no such table can answer
    /// (word boundaries of Unicode).
    pub fn of(pattern: &str) -> Option<Table> {
        let config = DFA::config().cache_capacity(WORKSHOP).minimum_cache_clear_count(Some(0));
        let nfa = thompson::Config::new().nfa_size_limit(Some(WORKSHOP));
        let dfa = DFA::builder().configure(config).thompson(nfa).build(pattern).ok()?;
        // An empty match may lie inside a character, where the regex crate does not look for one.
        if dfa.get_nfa().has_empty() {
            return None;
        }
        let mut cache = dfa.create_cache();
        let start = dfa.start_state(&mut cache, &start::Config::new().anchored(Anchored::No)).ok()?;
        [u8::MAX, 0x7F].into_iter().find_map(|last| Self::walk(&dfa, &mut cache, start, last))
    }

    /// The table for bytes up to `last`.
    fn walk(dfa: &DFA, cache: &mut Cache, start: LazyStateID, last: u8) -> Option<Table> {
        let mut table = Table { start: 0, next: Vec::new(), accepts: vec![Some(false), Some(true), None] };
        [DEAD, MATCHED, UNKNOWN].into_iter().for_each(|ending| table.next.extend([ending; 256]));
        let mut numbers: HashMap<LazyStateID, u16> = HashMap::new();
        let mut open: Vec<LazyStateID> = Vec::new();
        let mut number = |id: LazyStateID, open: &mut Vec<LazyStateID>| -> Option<u16> {
            if id.is_quit() || id.is_unknown() {
                return None;
            }
            if id.is_dead() {
                return Some(DEAD);
            }
            // States are told of a match one byte late; the text matches whatever follows.
            if id.is_match() {
                return Some(MATCHED);
            }
            if let Some(known) = numbers.get(&id) {
                return Some(*known);
            }
            let fresh = numbers.len() + usize::from(UNKNOWN) + 1;
            if fresh >= MOST_STATES {
                return None;
            }
            numbers.insert(id, fresh as u16);
            open.push(id);
            Some(fresh as u16)
        };
        table.start = number(start, &mut open)?;
        // States are numbered in the order in which they are opened, so their rows follow.
        let mut at = 0;
        while let Some(&id) = open.get(at) {
            at += 1;
            for byte in 0..=last {
                let to = dfa.next_state(cache, id, byte).ok()?;
                table.next.push(number(to, &mut open)?);
            }
            table.next.extend((last..u8::MAX).map(|_| UNKNOWN));
            table.accepts.push(Some(dfa.next_eoi_state(cache, id).ok()?.is_match()));
        }
        // A cleared cache would have given its numbers to other states.
        (cache.clear_count() == 0).then_some(table)
    }

    /// Whether the pattern is found in the text; `None` where the table does not know.
    pub fn is_match(&self, text: &[u8]) -> Option<bool> {
        let end = text.iter().fold(self.start, |state, byte| self.next[usize::from(state) << 8 | usize::from(*byte)]);
        self.accepts[usize::from(end)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::LazyLock;

    const PATTERNS: [&str; 14] = [
        "^u[0-9]+$",
        "[0-9]+",
        r"^[^@\s]+@[^@\s]+$",
        "abc|b+c$",
        "(?i)straße",
        r"^\w{2,4}-\d\d$",
        "^(a|ab)(c|bcd)$",
        "(?m)^b$",
        r"\p{Greek}",
        "(?s)a.b",
        "a.b",
        "[^a]$",
        r"(?-u:\b)ab",
        "^.{3}$",
    ];

    proptest! {
        #[test]
        fn a_table_answers_as_the_regex_crate_does(text in "([abcu@βß\u{212a}\n0-9 -]|SS|ab){0,12}") {
            static BUILT: LazyLock<Vec<(&str, Table, regex::Regex)>> =
                LazyLock::new(|| PATTERNS.map(|p| (p, Table::of(p).unwrap(), regex::Regex::new(p).unwrap())).into());
            for (pattern, table, regex) in BUILT.iter() {
                let expected = regex.is_match(&text);
                match table.is_match(text.as_bytes()) {
                    Some(found) => prop_assert_eq!(found, expected, "{} in {:?}", pattern, text),
                    None => prop_assert!(!text.is_ascii(), "{} in {:?}", pattern, text),
                }
            }
        }
    }

    #[test]
    fn texts_beyond_ascii_are_answered_where_that_takes_few_states() {
        assert_eq!(Table::of("^[^@]+@[^@]+$").unwrap().is_match("é@ß".as_bytes()), Some(true));
        let words = Table::of(r"^\w{2,4}-\d\d$").unwrap();
        let found = |text: &str| words.is_match(text.as_bytes());
        assert_eq!([found("ab1-01"), found("a b-01"), found("éb1-01")], [Some(true), Some(false), None]);
    }

    #[test]
    fn what_a_table_cannot_answer_has_none() {
        for pattern in [r"\bword\b", "", "a*", "(a|b)*a(a|b){12}$"] {
            assert!(Table::of(pattern).is_none(), "{pattern}");
        }
    }
}
