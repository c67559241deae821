//! The errors and warnings about a contract itself, as opposed to what it finds in data: one manual
//! page per code. A code never changes its meaning.

use crate::rule::Meta;

const fn page(code: &'static str, name: &'static str, summary: &'static str, explain: &'static str) -> Meta {
    Meta { code, name, summary, explain, ids: &[] }
}

/// In code order. All but C012, and C005 about a converted contract, which warn, end the run with exit code 2 before any row is read.
pub static DIAGNOSTICS: &[Meta] = &[
    page(
        "C001",
        "malformed-contract",
        "The contract is not readable YAML",
        "The file is not UTF-8, not YAML, nested too deeply, too large, or expands through aliases beyond a fixed budget. \
         A contract is untrusted input, so these limits are part of the language: one document, no tags that run code, \
         bounded depth, size and aliases.\n\n\
         What to do: the message names the line; indentation and unquoted `: ` or ` #` are the usual causes.",
    ),
    page(
        "C002",
        "unknown-column",
        "A rule names a column that is neither declared nor in the data",
        "A rule about a column that nobody knows would silently check nothing, so it is an error rather than a pass. \
         A column that is declared under `columns` but absent from the data is another matter: the data breaks the contract, \
         and that is a finding (C101).\n\n\
         Example: `unique: [site, reveiw_id]` where the data has `review_id`.",
    ),
    page(
        "C003",
        "unknown-key",
        "The contract has a key that the language does not know",
        "A misspelt `requird: true` that is passed over protects nobody. Every key is either understood or refused; \
         the message names the nearest one.\n\nThe list of keys: `taster schema`.",
    ),
    page(
        "C004",
        "bad-value",
        "A key has a value that it cannot have",
        "The wrong kind (a list where a map is wanted), an unknown type or role, a number out of its range, a literal that \
         does not parse as its column's type, a check that means nothing for the column's type. Scalars are typed by their \
         column, not by YAML: under `type: string` the word `no` is a string, under `type: date` `2022-10-03` is a day.",
    ),
    page(
        "C005",
        "not-supported",
        "The contract asks for something this version does not do yet",
        "The whole language is parsed, and what this version cannot check is refused: a rule that is passed over looks like \
         a rule that passed. Take the entry out, or use a version that has it. In a contract that was converted from the Open \
         Data Contract Standard it is a warning: the original rule is carried along, and nobody checks it.",
    ),
    page(
        "C006",
        "twice",
        "A key, a column or a value stands twice",
        "YAML readers disagree on which of two equal keys counts, so a second one is an error. It is also the oldest trick \
         to slip a looser rule past a reviewer.",
    ),
    page(
        "C007",
        "contradiction",
        "No row could ever satisfy this",
        "A minimum above its maximum, an empty list of allowed values, a value both allowed and forbidden, two columns with \
         the role of which there is one. Bounds are compared as the column's type compares them.",
    ),
    page(
        "C008",
        "incomplete",
        "Something that must be said is missing",
        "The format version (`taster: 1`), a bound of a `range`, the reason of an `ignore`, the label that `label_share` is \
         about, the rule of an entry under `rules`.",
    ),
    page(
        "C009",
        "bad-pattern",
        "A pattern or glob cannot be used",
        "Patterns are searched in linear time, whatever the text; look-around and back-references cannot be, and are refused. \
         A glob in a column's name uses `*`, `?` and `[...]`.",
    ),
    page(
        "C010",
        "outside-the-roots",
        "The contract wants to read outside its roots",
        "A contract is untrusted and reads nothing outside `roots:`, by default its own folder, with links resolved. \
         It cannot widen `--root` of the command line. Data named on the command line is the user's choice and is not bound.",
    ),
    page(
        "C011",
        "broken-expression",
        "YAML cut an expression short",
        "In plain YAML text ` #` begins a comment and `: ` a map, so an expression with either arrives in pieces. \
         Write it as a folded block:\n\n\
         ```yaml\n- expression: >-\n    note = 'a: b' OR note LIKE '% #%'\n```",
    ),
    page(
        "C012",
        "vacuous-rule",
        "A rule that can never fail (a warning)",
        "A range wider than the column's type, a tolerance of everything, a minimum of no rows: the rule looks like \
         protection and is none. The run goes on.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes below C100 that the sources of the parser and the checks use.
    fn used() -> std::collections::BTreeSet<String> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut codes = std::collections::BTreeSet::new();
        for entry in walkdir::WalkDir::new(folder).into_iter().flatten().filter(|e| e.path().extension().is_some_and(|x| x == "rs")) {
            if entry.path().ends_with("diagnostics.rs") {
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).unwrap();
            codes.extend(text.match_indices("\"C0").filter_map(|(i, _)| text.get(i + 1..i + 5)).map(str::to_owned));
        }
        codes
    }

    #[test]
    fn every_code_in_use_has_its_page_and_every_page_a_use() {
        let pages: std::collections::BTreeSet<String> = DIAGNOSTICS.iter().map(|m| m.code.to_owned()).collect();
        assert_eq!(used(), pages);
        assert!(DIAGNOSTICS.is_sorted_by_key(|m| m.code));
    }
}
