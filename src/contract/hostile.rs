//! A contract is untrusted input. Whatever its bytes are, reading it ends soon, in a contract or in a
//! bounded list of problems that can all be drawn, and never in a panic. What the fuzz targets found
//! interesting (`fuzz/corpus`) is read again here.

use super::tests::ALL;
use super::{bind, parse, render};
use crate::error::Error;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use proptest::prelude::*;
use std::path::Path;
use std::time::{Duration, Instant};

/// Columns of many types, called what the contract of [`ALL`] calls its own.
fn schema() -> Schema {
    let tags = DataType::List(std::sync::Arc::new(Field::new("item", DataType::Utf8View, true)));
    Schema::new(vec![
        Field::new("note_id", DataType::Int64, true),
        Field::new("text", DataType::Utf8View, true),
        Field::new("label", DataType::Boolean, true),
        Field::new("stars", DataType::Float32, true),
        Field::new("email", DataType::Decimal128(10, 2), true),
        Field::new("site", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), true),
        Field::new("split", tags, true),
    ])
}

/// 400 cases, or as many as `PROPTEST_CASES` says.
fn thorough() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig { cases: usual.cases.max(400), ..usual }
}

/// Reads a text to the end of everything that can be said about it.
fn read(text: &str) {
    match parse::parse(Some(Path::new("c.yaml")), text) {
        Ok(contract) => {
            let (errors, warnings) = bind::bind(&contract, &schema());
            for d in errors.iter().chain(&warnings).chain(&contract.warnings) {
                assert!(!render::warning(d, None, text, false).is_empty());
            }
        }
        Err(Error::Contract(e)) => {
            assert!(!e.diagnostics.is_empty() && e.diagnostics.len() <= 101);
            for d in &e.diagnostics {
                let Some(s) = d.span else { continue };
                assert!(text.get(s.offset..s.offset + s.len).is_some(), "{d:?} lies outside the text");
                assert!(s.line >= 1 && s.column >= 1, "{d:?}");
            }
            let drawn = render::render(&e, false);
            assert!(!drawn.contains('\u{1b}') && drawn.len() < 1 << 20);
        }
        Err(other) => panic!("{other}"),
    }
}

/// One change to a text: at a place, so many characters go and something comes.
fn mutated(text: &str, changes: &[(usize, usize, usize)]) -> String {
    const PIECES: [&str; 34] = [
        "",
        " ",
        "\n",
        "\n  ",
        ":",
        ": ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "'",
        "\"",
        "#",
        " #",
        "&a ",
        "*a",
        "!!str ",
        "|",
        ">-",
        "%",
        "---\n",
        "~",
        "\t",
        "\u{feff}",
        "\u{202e}",
        "é🧪",
        "\u{0}",
        "99999999999999999999",
        "-1",
        "1e999",
        "null",
        "taster: 1\n",
    ];
    let mut out: Vec<char> = text.chars().collect();
    for &(at, gone, piece) in changes {
        let at = at % (out.len() + 1);
        let end = (at + gone % 12).min(out.len());
        out.splice(at..end, PIECES[piece % PIECES.len()].chars());
    }
    out.into_iter().collect()
}

proptest! {
    #![proptest_config(thorough())]

    #[test]
    fn any_bytes_end_in_a_contract_or_in_problems(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_characters_under_a_valid_head_do_too(tail in "[ -~\n]{0,300}|\\PC{0,100}") {
        read(&format!("taster: 1\n{tail}"));
        read(&format!("taster: 1\ncolumns:\n  text: {{{tail}}}\n"));
        read(&format!("taster: 1\nrules:\n  - {tail}\n"));
    }

    #[test]
    fn a_damaged_contract_is_read_to_the_end(changes in proptest::collection::vec((any::<usize>(), any::<usize>(), any::<usize>()), 1..8)) {
        read(&mutated(ALL, &changes));
    }

    #[test]
    fn any_type_name_is_a_type_or_an_error(text in "(list<|struct<a: |map<string, |decimal\\(|timestamp\\(|int8|us|, |>|\\)|[0-9-]{1,3}| ){0,12}") {
        if let Ok(t) = super::types::parse(&text) {
            let name = t.to_string();
            prop_assert_eq!(super::types::parse(&name).expect("a type's own name").to_string(), name);
        }
    }

    #[test]
    fn any_literal_is_a_value_or_an_error(text in "[0-9eE.+-]{0,60}|[0-9T:Z +-]{0,30}|\\PC{0,20}", quoted: bool) {
        let s = super::Scalar { text, quoted, span: Default::default() };
        for field in schema().fields() {
            let _ = super::scalar::typed(&s, field.data_type());
        }
        for t in [DataType::Decimal256(76, 76), DataType::Decimal128(38, -38), DataType::Float16, DataType::Date64, DataType::Binary] {
            let _ = super::scalar::typed(&s, &t);
        }
    }
}

/// Far more than any of these needs, even unoptimised on a busy machine; what grows without bound
/// does not stop at it.
const SOON: Duration = Duration::from_secs(20);

#[test]
fn bombs_are_disarmed_soon() {
    let big = super::tree::MAX_BYTES;
    let fill = |unit: &str| unit.repeat(big / 4 / unit.len());
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for i in 1..30 {
        let item = format!("*a{}", i - 1);
        laughs.push_str(&format!("a{i}: &a{i} [{}]\n", [item.as_str(); 9].join(", ")));
    }
    let wide: String = (0..20_000).map(|i| format!("  c{i}: {{role: label, unique: maybe}}\n")).collect();
    let globs: String = (0..2_000).map(|i| format!("  '*{i}?': {{role: feature}}\n")).collect();
    let bombs = [
        laughs,
        fill("["),
        fill("{a: "),
        fill("- "),
        fill("a\n"),
        fill("a: \n"),
        fill("&a "),
        fill("\"\\u0041"),
        fill("? "),
        fill("#\n"),
        fill("é"),
        " ".repeat(big),
        "[".repeat(big),
        fill("\t\n"),
        format!("taster: 1\ncolumns:\n{wide}"),
        format!("taster: 1\ncolumns:\n{globs}"),
        format!("taster: 1\ncolumns: {{a: {{type: '{}'}}}}\n", "list<".repeat(100_000)),
        format!("taster: 1\ncolumns: {{a: {{pattern: '{}'}}}}\n", "(a{1,99}){1,99}".repeat(500)),
        format!("taster: 1\ncolumns: {{a: {{type: int8, allowed: [{}]}}}}\n", "1, ".repeat(90_000)),
        format!("taster: 1\nrules:\n  - expression: {}\n", "(".repeat(100_000)),
        format!("taster: 1\n{}: 1\n", "x".repeat(500_000)),
    ];
    for text in &bombs {
        let start: String = text.chars().take(40).collect();
        let clock = Instant::now();
        read(text);
        assert!(clock.elapsed() < SOON, "{start:?} took {:?}", clock.elapsed());
    }
    read(&"a".repeat(big + 1));
}

#[test]
fn a_schema_of_many_columns_is_bound_soon() {
    let wide = Schema::new((0..3_000).map(|i| Field::new(format!("c{i}"), DataType::Int64, true)).collect::<Vec<_>>());
    let globs: String = (0..300).map(|i| format!("  'c*{i}': {{range: {{min: 1}}}}\n")).collect();
    let contract = super::tests::contract(&format!("taster: 1\ncolumns:\n{globs}"));
    let clock = Instant::now();
    let (errors, _) = bind::bind(&contract, &wide);
    assert!(errors.is_empty() && clock.elapsed() < SOON, "{:?}", clock.elapsed());
}

/// The files of a folder of the fuzz corpus.
fn corpus(name: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let files = std::fs::read_dir(&folder).expect("the corpus").map(|e| e.expect("a readable folder").path());
    let mut out: Vec<(String, String)> =
        files.map(|p| (p.display().to_string(), String::from_utf8_lossy(&std::fs::read(&p).expect("a file")).into_owned())).collect();
    out.sort();
    assert!(out.len() >= 10, "{} is nearly empty", folder.display());
    out
}

#[test]
fn the_corpus_of_contracts_is_read() {
    for (name, text) in corpus("contract") {
        let clock = Instant::now();
        read(&text);
        assert!(clock.elapsed() < SOON, "{name}");
    }
}

#[cfg(feature = "polars")]
mod expressions {
    use super::*;
    use crate::contract::{At, expression};

    fn compile(text: &str) {
        let text = At::new(text.to_owned(), Default::default());
        let _ = expression::columns(&text.value);
        if let Ok(e) = expression::compile(&text, &schema()) {
            assert!(!e.columns.is_empty());
        }
    }

    #[test]
    fn the_corpus_of_expressions_is_read() {
        for (name, text) in corpus("expression") {
            let clock = Instant::now();
            compile(&text);
            assert!(clock.elapsed() < SOON, "{name}");
        }
    }

    #[test]
    fn long_and_deep_expressions_are_refused_soon() {
        for unit in ["(", "NOT ", "-", "stars + ", "CASE WHEN ", "f(", "'", "[", "a.", "stars IN (", "CAST(", "!", "~", "{"] {
            for n in [50, 1_000, 100_000] {
                let clock = Instant::now();
                compile(&unit.repeat(n));
                compile(&format!("{}stars > 1{}", unit.repeat(n), ")".repeat(n)));
                assert!(clock.elapsed() < SOON, "{unit} {n}");
            }
        }
    }

    proptest! {
        #![proptest_config(thorough())]
        #[test]
        fn any_words_of_sql_end_in_a_tree_or_a_problem(words in proptest::collection::vec(proptest::sample::select(vec![
            "stars", "text", "note_id", "label", "email", "site", "split", "nobody", "(", ")", "=", "<", ">=", "<>", "+", "-", "*", "/", "%", "||",
            "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "ILIKE", "IS", "NULL", "TRUE", "CASE", "WHEN", "THEN", "ELSE", "END", "CAST", "AS",
            "BIGINT", "DATE", "'2026-01-01'", "'a%'", "''", "1", "0", "9223372036854775808", "1e400", ".5", ",", "LENGTH", "COALESCE", "SELECT",
            "\"text\"", "INTERVAL", "EXISTS", "--", "/*", ";", "\u{202e}",
        ]), 0..14)) {
            compile(&words.join(" "));
        }
    }
}
