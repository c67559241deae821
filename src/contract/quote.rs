//! Expressions that YAML cuts short. A plain scalar ends at `: ` and at ` #`, so half an expression
//! may still be a valid one and would check something else than what was written. Both are refused,
//! with the form that cannot break.

use crate::error::{Diagnostic, Span};

/// Keys whose value is an expression.
const KEYS: [&str; 2] = ["expression", "when"];

/// The expression key that begins on this line, if one does.
pub fn expression_key(line: &str) -> Option<&'static str> {
    let rest = line.trim_start().trim_start_matches("- ").trim_start_matches(['{', ' ']);
    KEYS.into_iter().find(|k| rest.strip_prefix(k).is_some_and(|r| r.trim_start().starts_with(':')))
}

/// The diagnostic, with the form that works.
pub fn broken(key: &str, span: Span) -> Diagnostic {
    Diagnostic::new("C011", format!("the {key} is broken by YAML: plain text ends at `: ` and at ` #`"))
        .at(span)
        .help(format!("put the text on the line below `{key}: >-`, indented; there both are ordinary characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expression_lines_are_known_by_their_key() {
        assert_eq!(expression_key("  - expression: a = 'b: c'"), Some("expression"));
        assert_eq!(expression_key("    when: a: b"), Some("when"));
        assert_eq!(expression_key("  - {expression: a: b}"), Some("expression"));
        assert_eq!(expression_key("  expressions: a"), None);
        assert_eq!(expression_key("name: expression: a"), None);
    }
}
