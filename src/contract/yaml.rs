//! Contracts are also written: scalars that read back as exactly the same characters, and names that
//! stand for one column alone, whatever they hold. The data chose them.

use std::fmt::Write as _;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// YAML reads a key on one line up to 1,024 characters.
const LONG_KEY: usize = 400;

/// `key: value` on lines of their own, indented.
pub fn entry(indent: &str, key: &str, value: &str) -> String {
    let key = scalar(key);
    if key.len() > LONG_KEY { format!("{indent}? {key}\n{indent}: {value}") } else { format!("{indent}{key}: {value}") }
}

/// A column's name as a key of `columns`: characters with a meaning in globs are put in a class of
/// their own, so that the entry stands for this column alone. A name without `*`, `?` and `[` is
/// read literally and stays as it is.
pub fn literal_name(name: &str) -> String {
    if !name.contains(['*', '?', '[']) {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len() + 8);
    for c in name.chars() {
        match c {
            '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!' => {
                let _ = write!(out, "[{c}]");
            }
            c => out.push(c),
        }
    }
    out
}

/// A YAML scalar that reads back as exactly these characters, in block and flow context alike.
/// Plain only for what no YAML reader takes for anything but a word; double-quoted with escapes
/// where a character cannot be seen.
pub fn scalar(text: &str) -> String {
    let mut chars = text.chars();
    let word = chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let number =
        !text.is_empty() && text.len() < 40 && text.bytes().all(|b| b.is_ascii_digit()) && !(text.len() > 1 && text.starts_with('0'));
    const SPOKEN_FOR: [&str; 13] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity", "none"];
    if (word && !SPOKEN_FOR.contains(&text.to_ascii_lowercase().as_str())) || number {
        return text.to_owned();
    }
    if text.chars().all(is_seen) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_seen(c) => out.push(c),
            c if (c as u32) < 0x100 => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c if (c as u32) < 0x1_0000 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => {
                let _ = write!(out, "\\U{:08x}", c as u32);
            }
        }
    }
    out.push('"');
    out
}

/// Visible, or an ordinary space: neither control nor format characters (bidirectional overrides
/// among them), nor line separators, nor private use.
fn is_seen(c: char) -> bool {
    c == ' ' || !matches!(c.general_category_group(), GeneralCategoryGroup::Other | GeneralCategoryGroup::Separator)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_survives_as_a_scalar(text in "\\PC{0,20}|(?s).{0,20}") {
            let yaml = format!("taster: 1\nname: {}\n", scalar(&text));
            // A name may be refused (empty), but never read as something else.
            if let Ok(contract) = crate::contract::parse::parse(None, &yaml) {
                prop_assert_eq!(contract.name.as_deref(), Some(text.as_str()));
            } else {
                prop_assert!(text.trim().is_empty() || text.contains('\0'), "{}", yaml);
            }
        }
    }
}
