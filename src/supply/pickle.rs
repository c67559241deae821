//! Walks a pickle's opcodes (protocols 0 to 5) without building an object: what it would import is
//! read off, nothing is imported. Memory, steps and nesting are bounded.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::sync::Arc;

/// A longer name is no name of a module.
const NAME: usize = 512;
/// Bytes objects are looked into up to here: a loader may unpickle them in turn.
const NESTED: usize = 1 << 20;
const MAX_STEPS: u64 = 50_000_000;
const MAX_VALUES: usize = 1 << 20;
const MAX_DEPTH: u8 = 4;

/// What a pickle asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Imports that no array or tensor needs, as `module.name`, at most a hundred.
    pub foreign: BTreeSet<String>,
    /// An imported thing is called, built or instantiated.
    pub calls: bool,
    /// Something is instantiated, which counts as a call when the stream is whole.
    pub instances: bool,
    /// The stream begins with the protocol opcode of protocol 2 or later.
    pub marked: bool,
    /// STOP was reached.
    pub whole: bool,
    /// Why the walk ended early.
    pub broken: Option<&'static str>,
}

/// Names that rebuild plain arrays, tensors and containers. Everything else is foreign: a list of
/// what is forbidden always has gaps.
fn allowed(module: &str, name: &str) -> bool {
    match module {
        "numpy.core.multiarray" | "numpy._core.multiarray" => matches!(name, "_reconstruct" | "scalar"),
        "numpy.core.numeric" | "numpy._core.numeric" => name == "_frombuffer",
        "numpy" => matches!(name, "ndarray" | "dtype"),
        "collections" => name == "OrderedDict",
        "_codecs" => name == "encode",
        "builtins" | "__builtin__" => matches!(name, "set" | "frozenset" | "complex" | "bytearray" | "slice" | "range" | "xrange"),
        "torch._utils" => matches!(name, "_rebuild_tensor_v2" | "_rebuild_parameter"),
        "torch" => matches!(
            name,
            "FloatStorage"
                | "DoubleStorage"
                | "HalfStorage"
                | "BFloat16Storage"
                | "LongStorage"
                | "IntStorage"
                | "ShortStorage"
                | "CharStorage"
                | "ByteStorage"
                | "BoolStorage"
                | "Size"
        ),
        _ => false,
    }
}

#[derive(Clone)]
enum Value {
    Mark,
    Text(Arc<str>),
    /// What a call takes as its arguments.
    Tuple,
    /// What an object takes as its state.
    Dict,
    Other,
}

struct Walk<'a, R> {
    input: &'a mut R,
    stack: Vec<Value>,
    memo: HashMap<u64, Value>,
    seen: Seen,
    depth: u8,
}

type Step<T> = Result<T, &'static str>;

/// Walks from the first opcode to STOP.
pub fn walk(input: &mut impl Read) -> Seen {
    walk_at(input, 0)
}

fn walk_at(input: &mut dyn Read, depth: u8) -> Seen {
    let mut input = input;
    let mut walk = Walk { input: &mut input, stack: Vec::new(), memo: HashMap::new(), seen: Seen::default(), depth };
    match walk.run() {
        Ok(()) => {
            walk.seen.whole = true;
            walk.seen.calls |= walk.seen.instances;
        }
        Err(why) => walk.seen.broken = Some(why),
    }
    walk.seen
}

impl<R: Read> Walk<'_, R> {
    fn number(&mut self, bytes: usize) -> Step<u64> {
        let mut buffer = [0; 8];
        self.input.read_exact(&mut buffer[..bytes]).map_err(|_| "the stream ends early")?;
        Ok(u64::from_le_bytes(buffer))
    }
    /// The first `keep` bytes of `length`; the others are passed over.
    fn bytes(&mut self, length: u64, keep: usize) -> Step<Vec<u8>> {
        let mut kept = Vec::new();
        let first = length.min(keep as u64);
        self.input.by_ref().take(first).read_to_end(&mut kept).map_err(|_| "the stream cannot be read")?;
        let rest = length - first;
        let passed = std::io::copy(&mut self.input.by_ref().take(rest), &mut std::io::sink()).map_err(|_| "the stream cannot be read")?;
        if kept.len() as u64 == first && passed == rest { Ok(kept) } else { Err("the stream ends early") }
    }
    fn line(&mut self) -> Step<String> {
        let mut line = Vec::new();
        loop {
            match self.number(1)? as u8 {
                b'\n' => return Ok(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned()),
                _ if line.len() > NESTED => return Err("a line is too long"),
                byte => line.push(byte),
            }
        }
    }
    fn push(&mut self, value: Value) -> Step<()> {
        if self.stack.len() >= MAX_VALUES {
            return Err("the stack grows too large to follow");
        }
        self.stack.push(value);
        Ok(())
    }
    fn pop(&mut self) -> Step<Value> {
        self.stack.pop().ok_or("an opcode takes from an empty stack")
    }
    /// How many values stood above the mark.
    fn pop_to_mark(&mut self) -> Step<usize> {
        let mut values = 0;
        while !matches!(self.pop()?, Value::Mark) {
            values += 1;
        }
        Ok(values)
    }
    fn text(&mut self, length: u64) -> Step<()> {
        let bytes = self.bytes(length, NESTED)?;
        if let Some(inner) = super::pickles::decoded(&bytes) {
            self.nested(&inner);
        }
        let value = if length > NAME as u64 { Value::Other } else { Value::Text(String::from_utf8_lossy(&bytes).into()) };
        self.push(value)
    }
    fn blob(&mut self, length: u64) -> Step<()> {
        let bytes = self.bytes(length, NESTED)?;
        if matches!(bytes.as_slice(), [0x80, 2..=5, ..]) {
            self.nested(&bytes);
        } else if let Some(inner) = super::pickles::decoded(&bytes) {
            self.nested(&inner);
        }
        // Python takes names from byte strings too.
        let value = if length > NAME as u64 { Value::Other } else { Value::Text(String::from_utf8_lossy(&bytes).into()) };
        self.push(value)
    }
    fn nested(&mut self, mut bytes: &[u8]) {
        if self.depth >= MAX_DEPTH {
            self.import("?", "pickles nested too deep to follow");
            self.seen.calls = true;
            return;
        }
        let inner = walk_at(&mut bytes, self.depth + 1);
        self.seen.foreign.extend(inner.foreign);
        self.seen.calls |= inner.calls;
    }
    fn import(&mut self, module: &str, name: &str) {
        if !allowed(module, name) && self.seen.foreign.len() < 100 {
            let shown: String = format!("{module}.{name}").chars().take(120).collect();
            self.seen.foreign.insert(shown);
        }
    }
    fn remember(&mut self, key: u64) -> Step<()> {
        let top = self.stack.last().cloned().ok_or("an opcode takes from an empty stack")?;
        if self.memo.len() >= MAX_VALUES {
            return Err("the memo grows too large to follow");
        }
        self.memo.insert(key, top);
        Ok(())
    }
    fn recall(&mut self, key: u64) -> Step<()> {
        let value = self.memo.get(&key).cloned().ok_or("the memo has no such entry")?;
        self.push(value)
    }
    fn key(&mut self) -> Step<u64> {
        self.line()?.trim().parse().map_err(|_| "a memo key is no number")
    }
    fn other(&mut self, takes: usize) -> Step<()> {
        for _ in 0..takes {
            self.pop()?;
        }
        self.push(Value::Other)
    }

    fn retype(&mut self, value: Value) {
        if let Some(top) = self.stack.last_mut() {
            *top = value;
        }
    }

    fn run(&mut self) -> Step<()> {
        for step in 0..MAX_STEPS {
            let op = self.number(1)? as u8;
            match op {
                0x80 => {
                    let version = self.number(1)?;
                    if version > 5 {
                        return Err("the protocol is unknown");
                    }
                    self.seen.marked |= step == 0 && version >= 2;
                }
                b'.' => return self.pop().map(drop),
                b'(' => self.push(Value::Mark)?,
                b'0' => drop(self.pop()?),
                b'1' => self.pop_to_mark().map(|_| ())?,
                b'2' => {
                    let top = self.stack.last().cloned().ok_or("an opcode takes from an empty stack")?;
                    self.push(top)?;
                }
                b')' => self.push(Value::Tuple)?,
                b'}' => self.push(Value::Dict)?,
                b'N' | 0x88 | 0x89 | b']' | 0x8f | 0x97 => self.push(Value::Other)?,
                0x98 => {}
                b'F' | b'I' | b'L' | b'P' => {
                    self.line()?;
                    self.push(Value::Other)?;
                }
                b'J' => self.number(4).and_then(|_| self.push(Value::Other))?,
                b'K' => self.number(1).and_then(|_| self.push(Value::Other))?,
                b'M' => self.number(2).and_then(|_| self.push(Value::Other))?,
                b'G' => self.number(8).and_then(|_| self.push(Value::Other))?,
                0x8a | 0x8b => {
                    let length = self.number(if op == 0x8a { 1 } else { 4 })?;
                    self.bytes(length, 0)?;
                    self.push(Value::Other)?;
                }
                b'S' | b'V' => {
                    let line = self.line()?;
                    self.push(Value::Text(line.trim_matches(['\'', '"']).into()))?;
                }
                b'T' => self.number(4).and_then(|n| self.blob(n))?,
                b'U' | b'C' => self.number(1).and_then(|n| self.blob(n))?,
                b'B' => self.number(4).and_then(|n| self.blob(n))?,
                0x8e | 0x96 => self.number(8).and_then(|n| self.blob(n))?,
                b'X' => self.number(4).and_then(|n| self.text(n))?,
                0x8c => self.number(1).and_then(|n| self.text(n))?,
                0x8d => self.number(8).and_then(|n| self.text(n))?,
                b'a' => drop(self.pop()?),
                b's' => {
                    self.pop()?;
                    self.pop()?;
                }
                b'e' | b'u' | 0x90 => self.pop_to_mark().map(|_| ())?,
                b't' => self.pop_to_mark().and_then(|_| self.push(Value::Tuple))?,
                b'd' => self.pop_to_mark().and_then(|_| self.push(Value::Dict))?,
                b'l' | 0x91 => self.pop_to_mark().and_then(|_| self.push(Value::Other))?,
                0x85 => self.other(1).map(|()| self.retype(Value::Tuple))?,
                0x86 => self.other(2).map(|()| self.retype(Value::Tuple))?,
                0x87 => self.other(3).map(|()| self.retype(Value::Tuple))?,
                b'Q' => self.other(1)?,
                b'p' => self.key().and_then(|k| self.remember(k))?,
                b'q' => self.number(1).and_then(|k| self.remember(k))?,
                b'r' => self.number(4).and_then(|k| self.remember(k))?,
                0x94 => self.remember(self.memo.len() as u64)?,
                b'g' => self.key().and_then(|k| self.recall(k))?,
                b'h' => self.number(1).and_then(|k| self.recall(k))?,
                b'j' => self.number(4).and_then(|k| self.recall(k))?,
                b'c' | b'i' => {
                    let (module, name) = (self.line()?, self.line()?);
                    let plain = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
                    // Prose may begin with these letters; no module is called like prose.
                    if !(self.seen.marked || plain(&module) && plain(&name)) {
                        return Err("no name of a module");
                    }
                    if op == b'i' {
                        // Two short lines of prose look like an instance of nothing; arguments they have none.
                        self.seen.calls |= self.pop_to_mark()? > 0 || self.seen.marked;
                        self.seen.instances = true;
                    }
                    self.import(&module, &name);
                    self.push(Value::Other)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    match (module, name) {
                        (Value::Text(m), Value::Text(n)) => self.import(&m, &n),
                        _ => self.import("?", "a name that is computed"),
                    }
                    self.push(Value::Other)?;
                }
                0x82..=0x84 => {
                    let code = self.number([1, 2, 4][usize::from(op - 0x82)])?;
                    self.import("copyreg extension", &code.to_string());
                    self.push(Value::Other)?;
                }
                b'R' | 0x81 => {
                    // Python refuses other arguments, and a list of words may well look like them.
                    self.seen.calls |= matches!(self.stack.last(), Some(Value::Tuple));
                    self.other(2)?;
                }
                0x92 => {
                    self.other(3)?;
                    self.seen.calls = true;
                }
                b'o' => {
                    self.pop_to_mark()?;
                    self.push(Value::Other)?;
                    self.seen.calls = true;
                }
                b'b' => {
                    let state = self.pop()?;
                    self.seen.calls |= !self.stack.is_empty() && matches!(state, Value::Dict | Value::Tuple);
                }
                0x95 => drop(self.number(8)?),
                _ => return Err("an opcode is unknown"),
            }
        }
        Err("it has too many opcodes to follow")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(mut bytes: &[u8]) -> Seen {
        walk(&mut bytes)
    }

    #[test]
    fn every_way_to_import_is_seen() {
        let cases: [&[u8]; 9] = [
            b"cos\ngetcwd\n(tR.",
            b"(ios\ngetcwd\n.",
            b"(cos\ngetcwd\no.",
            b"cos\ngetcwd\n}(Vx\nNub.",
            b"\x80\x02cos\ngetcwd\n)\x81.",
            b"\x80\x04\x8c\x02os\x8c\x06getcwd\x93)R.",
            // Names out of the memo.
            b"\x80\x04\x8c\x02os\x94\x8c\x06getcwd\x9400h\x00h\x01\x93)R.",
            // The stream breaks after the payload.
            b"\x80\x04\x8c\x02os\x8c\x06getcwd\x93)R\xff",
            // A pickle in a bytes object.
            b"\x80\x04C\x13\x80\x02cos\ngetcwd\n)R.....\x2e",
        ];
        for case in cases {
            let seen = of(case);
            assert!(seen.foreign.contains("os.getcwd") && seen.calls, "{seen:?} in {case:?}");
        }
    }

    #[test]
    fn what_cannot_be_resolved_is_foreign() {
        assert!(!of(b"\x80\x04NN\x93.").foreign.is_empty());
        assert!(!of(b"\x80\x02\x82\x07.").foreign.is_empty());
    }

    #[test]
    fn plain_values_and_arrays_import_nothing_foreign() {
        for case in [&b"\x80\x04]\x94(K\x01K\x02e."[..], b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R.", b"(lp0\nI1\na."] {
            let seen = of(case);
            assert!(seen.whole && seen.foreign.is_empty(), "{seen:?}");
        }
    }

    #[test]
    fn prose_and_tables_are_no_calls() {
        for case in [
            &b"comment\nfoo\nbar\n"[..],
            b"country\nFrance\nItaly\nRussia\n",
            b"id,text\n1,a\n",
            b"(it was late\nand dark\n",
            b"(in\nfoo\nbar\n",
            b"PAR1\x15\x04",
            b"",
        ] {
            assert!(!of(case).calls, "{case:?}");
        }
    }

    #[test]
    fn damaged_bytes_never_panic() {
        let base = b"\x80\x04\x8c\x02os\x94\x8c\x06getcwd\x9400h\x00h\x01\x93)R.";
        for at in 0..base.len() {
            for byte in 0..=255 {
                let mut damaged = base.to_vec();
                damaged[at] = byte;
                of(&damaged);
                of(&damaged[..at]);
            }
        }
    }
}
