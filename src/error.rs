//! Errors, sorted by whose fault they are. Each layer adds only what it knows: a parser knows the
//! position, a source knows the file, the command line knows the exit code. Every error here ends
//! a run with exit code 2; findings are not errors and live in [`crate::verdict`].

use std::path::{Path, PathBuf};

/// A place in a contract's text: 1-based line and column (in characters), byte offset and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Span {
    pub line: u32,
    pub column: u32,
    pub offset: usize,
    pub len: usize,
}

impl Span {
    /// The place where it begins, of no length: drawn, it points at the character there, however wide that is.
    pub fn start(self) -> Self {
        Self { len: 0, ..self }
    }
}

/// One problem in a contract, with everything needed to draw it under its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// `C###`.
    pub code: &'static str,
    pub message: String,
    /// Where; `None` when the problem is an absence.
    pub span: Option<Span>,
    /// What stands under the carets.
    pub label: Option<String>,
    /// What would satisfy it ("did you mean ...").
    pub help: Option<String>,
}

impl Diagnostic {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic { code, message: message.into(), span: None, label: None, help: None }
    }
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// All diagnostics of one contract, with the text they point into.
#[derive(Debug, Clone)]
pub struct ContractError {
    pub path: PathBuf,
    pub text: String,
    pub diagnostics: Vec<Diagnostic>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The contract's author must act. All problems at once, not the first.
    #[error("{}: {} in the contract, the first: {}", .0.path.display(), plural(.0.diagnostics.len(), "error"), .0.diagnostics.first().map_or("", |d| d.message.as_str()))]
    Contract(Box<ContractError>),
    /// The command line asks for something that cannot be.
    #[error("{message}")]
    Usage { message: String, help: Option<String> },
    /// The data cannot be read as what it claims to be.
    #[error("{}: {message}", .path.display())]
    Data { path: PathBuf, message: String, help: Option<String> },
    /// Disk, memory, permissions.
    #[error("{what}: {message}")]
    Resource { what: String, message: String, help: Option<String> },
    /// Ctrl-C or a termination signal.
    #[error("interrupted; nothing was written")]
    Interrupted,
    /// Ours.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub fn data(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Error::Data { path: path.as_ref().to_owned(), message: message.into(), help: None }
    }
    pub fn usage(message: impl Into<String>) -> Self {
        Error::Usage { message: message.into(), help: None }
    }
    pub fn resource(what: impl Into<String>, message: impl ToString) -> Self {
        Error::Resource { what: what.into(), message: message.to_string(), help: None }
    }
    pub fn internal(message: impl ToString) -> Self {
        Error::Internal(message.to_string())
    }
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        match &mut self {
            Error::Usage { help, .. } | Error::Data { help, .. } | Error::Resource { help, .. } => *help = Some(text.into()),
            _ => {}
        }
        self
    }
}

/// `1 row`, `2 rows`, `1,234 rows`.
pub fn plural(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", group_digits(n as u64), if n == 1 { "" } else { "s" })
}

/// Thousands separated by commas.
pub fn group_digits(n: u64) -> String {
    let s = n.to_string();
    let mut out = String::with_capacity(s.len() + s.len() / 3);
    for (i, c) in s.chars().enumerate() {
        if i > 0 && (s.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}
