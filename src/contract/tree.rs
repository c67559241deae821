//! YAML text to a small tree in which every key and value knows where it stands and how it was
//! spelled. Nothing is typed here: a scalar is its characters. Contracts are untrusted, so size,
//! depth and the number of nodes that aliases unfold to are bounded, and what a contract never
//! needs (tags, several documents, keys that are not text) is refused.
//!
//! An event parser is used and no serde: a typed deserializer would decide what
//! `no` or `012` mean before the column's type is known, and would stop at the first error.

use crate::error::{Diagnostic, Span};
use granit_parser::{Event, Parser, Placement, ScalarStyle};
use std::collections::HashMap;
use std::rc::Rc;

/// A contract fits on a page; a megabyte is far beyond any real one.
pub const MAX_BYTES: usize = 1 << 20;
/// Deeper than any form of the grammar.
const MAX_DEPTH: usize = 32;
/// Nodes after unfolding aliases: ten thousand columns with five settings each.
const MAX_NODES: usize = 100_000;

#[derive(Debug)]
pub struct Node {
    pub kind: Kind,
    pub span: Span,
    /// Nodes in it once aliases are unfolded, itself included.
    size: usize,
}

#[derive(Debug)]
pub enum Kind {
    Scalar(Text),
    Seq(Vec<Rc<Node>>),
    Map(Vec<Entry>),
}

#[derive(Debug)]
pub struct Text {
    pub text: String,
    pub quoted: bool,
    /// A comment follows on the same line: the text may have been cut by ` #`.
    pub cut: Option<Span>,
}

#[derive(Debug)]
pub struct Entry {
    pub key: String,
    pub key_span: Span,
    pub value: Rc<Node>,
}

impl Node {
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(t) if !t.quoted && super::scalar::is_null(&t.text))
    }
    /// What it is, for messages.
    pub fn what(&self) -> &'static str {
        match &self.kind {
            _ if self.is_null() => "nothing",
            Kind::Scalar(_) => "a single value",
            Kind::Seq(_) => "a list",
            Kind::Map(_) => "a map of keys",
        }
    }
}

/// The same tree with the spans of other places: line `n` of it came from `lines[n - 1]`.
pub fn relocated(node: &Node, lines: &[Span]) -> Rc<Node> {
    let place = |s: Span| lines.get((s.line as usize).saturating_sub(1)).copied().unwrap_or(s);
    let kind = match &node.kind {
        Kind::Scalar(t) => Kind::Scalar(Text { text: t.text.clone(), quoted: t.quoted, cut: None }),
        Kind::Seq(items) => Kind::Seq(items.iter().map(|n| relocated(n, lines)).collect()),
        Kind::Map(entries) => Kind::Map(
            entries.iter().map(|e| Entry { key: e.key.clone(), key_span: place(e.key_span), value: relocated(&e.value, lines) }).collect(),
        ),
    };
    Rc::new(Node { kind, span: place(node.span), size: node.size })
}

fn malformed(message: impl Into<String>) -> Diagnostic {
    Diagnostic::new("C001", message)
}

/// A collection under construction.
struct Open {
    kind: OpenKind,
    span: Span,
    anchor: usize,
    size: usize,
}

enum OpenKind {
    Seq(Vec<Rc<Node>>),
    /// Entries, the line of each key, and the key that still waits for its value.
    Map(Vec<Entry>, HashMap<String, u32>, Option<(String, Span)>),
}

/// Reads the one document of a contract. Duplicate keys are reported together (the first one
/// stays in the tree, so that the rest of the contract is still checked); what breaks the text as
/// YAML ends the reading, for nothing after it can be trusted.
pub fn read(text: &str, problems: &mut Vec<Diagnostic>) -> Option<Rc<Node>> {
    read_as("contract", MAX_BYTES, text, problems)
}

/// As [`read`], for another document of the same untrusted kind: messages call it `what`, and at most
/// `most` bytes of it are read.
pub fn read_as(what: &'static str, most: usize, text: &str, problems: &mut Vec<Diagnostic>) -> Option<Rc<Node>> {
    if text.len() > most {
        problems.push(malformed(format!(
            "the {what} has {} bytes; at most {} are read",
            crate::error::group_digits(text.len() as u64),
            crate::error::group_digits(most as u64)
        )));
        return None;
    }
    let mut builder = Builder { what, text, stack: Vec::new(), anchors: HashMap::new(), root: None, nodes: 0, problems: Vec::new() };
    let outcome = builder.run();
    let Builder { root, problems: found, .. } = builder;
    problems.extend(found);
    match outcome {
        Ok(()) => root,
        Err(stop) => {
            problems.push(stop);
            None
        }
    }
}

struct Builder<'a> {
    /// What messages call the document.
    what: &'static str,
    text: &'a str,
    stack: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    nodes: usize,
    problems: Vec<Diagnostic>,
}

impl Builder<'_> {
    fn run(&mut self) -> Result<(), Diagnostic> {
        let options = granit_parser::options! { flow_nesting_limit: MAX_DEPTH, block_nesting_limit: MAX_DEPTH };
        let mut documents = 0;
        let text = self.text;
        let parser = Parser::new_from_str_with_options(text, options);
        // The scalar that a comment on the same line may have cut short.
        let mut pending: Option<(String, ScalarStyle, usize, Span)> = None;
        for event in parser {
            let (event, raw) = event.map_err(|e| self.scan_error(&e))?;
            let span = self.span(&raw);
            if let Some((value, style, anchor, at)) = pending.take() {
                let cut = match &event {
                    Event::Comment(_, Placement::Right) if style == ScalarStyle::Plain && follows(text, at, span) => Some(span),
                    _ => None,
                };
                let quoted = style != ScalarStyle::Plain;
                self.add(Kind::Scalar(Text { text: value, quoted, cut }), at, 1, anchor)?;
            }
            match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        let what = self.what;
                        return Err(malformed(format!("a {what} is one YAML document; here a second one begins")).at(span));
                    }
                }
                Event::Scalar(.., Some(_)) | Event::SequenceStart(.., Some(_)) | Event::MappingStart(.., Some(_)) => {
                    let at = raw.tag_span().map_or(span, |t| self.span(&t));
                    let what = self.what;
                    return Err(malformed(format!("YAML tags (`!...`) have no place in a {what}; a value's type is its column's")).at(at));
                }
                Event::Scalar(value, style, anchor, None) => pending = Some((value.into_owned(), style, anchor, span)),
                Event::SequenceStart(_, anchor, None) => self.open(OpenKind::Seq(Vec::new()), span, anchor)?,
                Event::MappingStart(_, anchor, None) => self.open(OpenKind::Map(Vec::new(), HashMap::new(), None), span, anchor)?,
                Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
                Event::Alias(id) => {
                    let Some(node) = self.anchors.get(&id).cloned() else {
                        return Err(malformed("this alias stands inside the node that it names").at(span));
                    };
                    self.count(node.size, span)?;
                    self.attach(node, span)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn span(&self, s: &granit_parser::Span) -> Span {
        let offset = s.start.byte_offset().unwrap_or(0).min(self.text.len());
        let end = s.end.byte_offset().unwrap_or(offset).clamp(offset, self.text.len());
        // Block scalars and collections end where the next token begins: leave out the space.
        let len = self.text.get(offset..end).map_or(0, |t| t.trim_end().len());
        Span {
            line: u32::try_from(s.start.line()).unwrap_or(u32::MAX),
            column: u32::try_from(s.start.col() + 1).unwrap_or(u32::MAX),
            offset,
            len,
        }
    }

    fn scan_error(&self, e: &granit_parser::ScanError) -> Diagnostic {
        let m = e.marker();
        let offset = m.byte_offset().unwrap_or(0).min(self.text.len());
        let len = self.text.get(offset..).and_then(|t| t.chars().next()).map_or(0, char::len_utf8);
        let span = Span { line: m.line() as u32, column: m.col() as u32 + 1, offset, len };
        let line = self.text.lines().nth(m.line().saturating_sub(1)).unwrap_or("");
        if let Some(key) = super::quote::expression_key(line) {
            return super::quote::broken(key, span).label("YAML sees the end of the value here");
        }
        let d = malformed(format!("this is not YAML: {}", e.info())).at(span);
        if line.contains('\t') {
            return d.help("YAML indents by spaces, never by tabs");
        }
        d
    }

    fn count(&mut self, n: usize, span: Span) -> Result<(), Diagnostic> {
        self.nodes = self.nodes.saturating_add(n);
        if self.nodes > MAX_NODES {
            let limit = crate::error::group_digits(MAX_NODES as u64);
            return Err(malformed(format!("the {} unfolds to more than {limit} values; aliases may be multiplying", self.what)).at(span));
        }
        Ok(())
    }

    fn open(&mut self, kind: OpenKind, span: Span, anchor: usize) -> Result<(), Diagnostic> {
        self.count(1, span)?;
        if self.stack.len() >= MAX_DEPTH {
            return Err(malformed(format!("the {} nests deeper than {MAX_DEPTH} levels", self.what)).at(span));
        }
        self.stack.push(Open { kind, span, anchor, size: 1 });
        Ok(())
    }

    fn close(&mut self, end: Span) -> Result<(), Diagnostic> {
        let Some(open) = self.stack.pop() else {
            return Err(malformed("a collection ends that never began").at(end));
        };
        let mut span = open.span;
        let stop = (end.offset + end.len).clamp(span.offset, self.text.len());
        span.len = self.text.get(span.offset..stop).map_or(span.len, |t| t.trim_end().len());
        let kind = match open.kind {
            OpenKind::Seq(items) => Kind::Seq(items),
            OpenKind::Map(entries, ..) => Kind::Map(entries),
        };
        let node = Rc::new(Node { kind, span, size: open.size });
        if open.anchor != 0 {
            self.anchors.insert(open.anchor, node.clone());
        }
        self.attach(node, span)
    }

    fn add(&mut self, kind: Kind, span: Span, size: usize, anchor: usize) -> Result<(), Diagnostic> {
        self.count(size, span)?;
        let node = Rc::new(Node { kind, span, size });
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.attach(node, span)
    }

    /// Puts a finished node where it belongs: into the sequence, or as key or value of the map.
    fn attach(&mut self, node: Rc<Node>, span: Span) -> Result<(), Diagnostic> {
        let Some(top) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        top.size = top.size.saturating_add(node.size);
        match &mut top.kind {
            OpenKind::Seq(items) => items.push(node),
            OpenKind::Map(entries, lines, key) => match key.take() {
                Some((key, key_span)) => match lines.get(&key) {
                    Some(line) => {
                        let twice = Diagnostic::new("C006", format!("the key `{key}` stands here twice")).at(key_span);
                        self.problems.push(twice.label(format!("first on line {line}")).help("keep one of them"));
                    }
                    None => {
                        lines.insert(key.clone(), key_span.line);
                        entries.push(Entry { key, key_span, value: node });
                    }
                },
                None => match &node.kind {
                    Kind::Scalar(t) => *key = Some((t.text.clone(), span)),
                    _ => return Err(malformed("a key must be text, not a list or a map").at(span)),
                },
            },
        }
        Ok(())
    }
}

/// Whether only spaces lie between the end of a scalar and a comment.
fn follows(text: &str, scalar: Span, comment: Span) -> bool {
    text.get(scalar.offset + scalar.len..comment.offset).is_some_and(|gap| gap.bytes().all(|b| b == b' ' || b == b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Option<Rc<Node>>, Vec<Diagnostic>) {
        let mut problems = Vec::new();
        let root = read(text, &mut problems);
        (root, problems)
    }
    fn problem(text: &str) -> String {
        let (_, problems) = parsed(text);
        assert_eq!(problems.len(), 1, "{problems:#?}");
        problems[0].message.clone()
    }
    fn entries(node: &Node) -> &[Entry] {
        match &node.kind {
            Kind::Map(entries) => entries,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_node_knows_where_it_stands() {
        fn walk(node: &Node, text: &str, out: &mut Vec<String>) {
            out.push(text[node.span.offset..node.span.offset + node.span.len].to_owned());
            match &node.kind {
                Kind::Map(entries) => {
                    for e in entries {
                        assert_eq!(text[e.key_span.offset..][..e.key_span.len].trim_matches(['\'', '"']), e.key);
                        walk(&e.value, text, out);
                    }
                }
                Kind::Seq(items) => items.iter().for_each(|i| walk(i, text, out)),
                Kind::Scalar(_) => {}
            }
        }
        let text = "é: {b: [1, 'two', ~]}\n'c d': >-\n  folded\n  text\ne: last\n";
        let (root, problems) = parsed(text);
        assert!(problems.is_empty());
        let mut places = Vec::new();
        walk(&root.unwrap(), text, &mut places);
        assert_eq!(places[1..6], ["{b: [1, 'two', ~]}", "[1, 'two', ~]", "1", "'two'", "~"]);
        assert_eq!(places.last().map(String::as_str), Some("last"));
    }

    #[test]
    fn scalars_keep_their_spelling_and_whether_they_were_quoted() {
        let (root, _) = parsed("a: no\nb: '012'\nc: 1.50\nd: ~\ne: ''\n");
        let root = root.unwrap();
        let texts: Vec<(String, bool, bool)> = entries(&root)
            .iter()
            .map(|e| match &e.value.kind {
                Kind::Scalar(t) => (t.text.clone(), t.quoted, e.value.is_null()),
                other => panic!("{other:?}"),
            })
            .collect();
        let wanted = [("no", false, false), ("012", true, false), ("1.50", false, false), ("~", false, true), ("", true, false)];
        assert_eq!(texts, wanted.map(|(t, q, n)| (t.to_owned(), q, n)));
    }

    #[test]
    fn a_comment_right_behind_plain_text_may_have_cut_it() {
        let cut = |text: &str| match &entries(&parsed(text).0.unwrap())[0].value.kind {
            Kind::Scalar(t) => t.cut.is_some(),
            other => panic!("{other:?}"),
        };
        assert!(cut("a: b #c\n"));
        assert!(!cut("a: 'b' #c\n"));
        assert!(!cut("a: b\n# c\n"));
        assert!(!cut("a: b#c\n"));
    }

    #[test]
    fn the_first_of_two_equal_keys_stays_and_both_are_shown() {
        let (root, problems) = parsed("a: 1\nb: 2\na: 3\n");
        assert_eq!(entries(&root.unwrap()).len(), 2);
        assert_eq!((problems[0].code, problems[0].span.unwrap().line, problems[0].label.as_deref()), ("C006", 3, Some("first on line 1")));
    }

    #[test]
    fn what_a_contract_never_needs_is_refused() {
        assert!(problem("a: !!str x\n").contains("tags"));
        assert!(problem("a: 1\n---\nb: 2\n").contains("one YAML document"));
        assert!(problem("? [a]\n: 1\n").contains("a key must be text"));
        assert!(problem("a: &x [*x]\n").contains("alias"));
        assert!(problem("a: *nobody\n").contains("not YAML"));
        assert!(problem("a: [1\n").contains("not YAML"));
    }

    #[test]
    fn depth_size_and_aliases_are_bounded() {
        assert!(parsed(&format!("{}1{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH))).1.is_empty());
        assert!(!parsed(&format!("{}1{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1))).1.is_empty());
        assert!(problem(&"a".repeat(MAX_BYTES + 1)).contains("at most"));
        let tens = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n";
        assert!(parsed(tens).1.is_empty());
        let more = format!(
            "{tens}c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]\n"
        );
        assert!(problem(&more).contains("unfolds"));
    }

    #[test]
    fn tabs_are_named_as_the_cause() {
        let (_, problems) = parsed("a:\n\tb: 1\n");
        assert!(problems[0].help.as_ref().unwrap().contains("tabs"), "{problems:?}");
    }
}
