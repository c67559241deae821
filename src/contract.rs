//! A checked contract: what the YAML says once every error in it has been ruled out. Parsing and
//! validation live in [`parse`]; nothing outside `contract/` sees YAML.

pub mod bind;
pub mod clauses;
mod columns;
mod compare;
pub mod dataset_rules;
pub mod decisions;
pub mod diagnostics;
pub mod diff;
mod doc;
#[cfg(feature = "polars")]
pub mod expression;
#[cfg(feature = "polars")]
pub mod expression_polars;
mod fields;
pub mod find;
mod guess;
#[cfg(test)]
mod hostile;
pub mod infer;
pub mod json_schema;
mod keys;
pub mod loose_date;
pub mod odcs;
pub mod odcs_export;
pub mod parse;
pub mod path;
mod policy;
mod quantity;
mod quote;
pub mod render;
mod rules;
pub mod scalar;
pub mod schema;
mod seen;
mod shape;
mod slack;
#[cfg(test)]
mod tests;
mod tree;
pub mod types;
mod values;
pub mod yaml;

pub use fields::nearest;

use crate::error::{Diagnostic, Span};
use arrow::datatypes::{DataType, Schema};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct At<T> {
    pub value: T,
    pub span: Span,
}

impl<T> At<T> {
    pub fn new(value: T, span: Span) -> Self {
        At { value, span }
    }
}

#[derive(Debug, Clone)]
pub struct Contract {
    /// Where it was read; `None` for one inferred from the data.
    pub path: Option<PathBuf>,
    pub text: String,
    /// SHA-256 of the text, lower-case hex.
    pub digest: String,
    pub name: Option<String>,
    pub version: Option<String>,
    pub description: Option<String>,
    /// Paths and globs, relative to the contract's folder.
    pub data: Vec<At<String>>,
    /// What the contract may read, relative to its folder.
    pub roots: Vec<At<String>>,
    pub format: Format,
    pub columns: Vec<ColumnSpec>,
    pub extra_columns: At<ExtraColumns>,
    pub on_not_evaluated: OnNotEvaluated,
    pub rules: Vec<RuleSpec>,
    pub poisoning: Poisoning,
    pub ignore: Vec<Ignore>,
    /// Problems that are not errors: expired ignores are found at run time, vacuous rules here.
    pub warnings: Vec<Diagnostic>,
    /// What the command line lets it read (`--root`); no contract widens that.
    pub limit: Option<PathBuf>,
    /// A document of the Open Data Contract Standard, and what became of it; `text` is then that document.
    pub odcs: Option<odcs::Imported>,
    /// Nobody wrote it: only the roles were guessed, so it promises nothing that could be checked.
    pub inferred: bool,
}

/// How text files are to be read; `None` means "find out".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Format {
    pub delimiter: Option<char>,
    pub quote: Option<char>,
    pub header: Option<bool>,
    /// Spellings of null; the default is the empty field alone.
    pub nulls: Option<Vec<String>>,
    pub encoding: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExtraColumns {
    Forbid,
    Warn,
    #[default]
    Allow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnNotEvaluated {
    #[default]
    Fail,
    Warn,
}

pub use crate::rule::Severity;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Id,
    Label,
    Text,
    Prompt,
    Response,
    Chosen,
    Rejected,
    Image,
    Embedding,
    Feature,
    Source,
    Annotator,
    Time,
    Group,
    Split,
    Weight,
}

impl Role {
    pub const ALL: [(&'static str, Role); 16] = [
        ("id", Role::Id),
        ("label", Role::Label),
        ("text", Role::Text),
        ("prompt", Role::Prompt),
        ("response", Role::Response),
        ("chosen", Role::Chosen),
        ("rejected", Role::Rejected),
        ("image", Role::Image),
        ("embedding", Role::Embedding),
        ("feature", Role::Feature),
        ("source", Role::Source),
        ("annotator", Role::Annotator),
        ("time", Role::Time),
        ("group", Role::Group),
        ("split", Role::Split),
        ("weight", Role::Weight),
    ];
    pub fn as_str(self) -> &'static str {
        Role::ALL.iter().find(|(_, r)| *r == self).map_or("", |(n, _)| n)
    }
    /// Whether people wrote what the column holds.
    pub fn is_text(self) -> bool {
        matches!(self, Role::Text | Role::Prompt | Role::Response | Role::Chosen | Role::Rejected)
    }
}

/// `integer` is any width; everything else is exact in width and ignores the encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogicalType {
    Integer,
    Exact(DataType),
}

/// A YAML scalar before a column's type gives it a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The characters as written (after unquoting).
    pub text: String,
    pub quoted: bool,
    pub span: Span,
}

/// An exact share in [0, 1]: `numerator / denominator`, with its spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub numerator: u64,
    pub denominator: u64,
    pub text: String,
}

impl Share {
    /// `failing / tested <= self`, in integers.
    pub fn covers(&self, failing: u64, tested: u64) -> bool {
        u128::from(failing) * u128::from(self.denominator) <= u128::from(self.numerator) * u128::from(tested)
    }
    pub fn as_f64(&self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

/// A length of time, more than none, with its spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    pub nanos: i128,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Range {
    pub min: Option<Scalar>,
    pub max: Option<Scalar>,
    /// Both ends exclusive.
    pub exclusive: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LengthUnit {
    #[default]
    Chars,
    Graphemes,
    Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Length {
    pub min: Option<u64>,
    pub max: Option<u64>,
    pub unit: LengthUnit,
}

#[derive(Debug, Clone)]
pub struct ColumnSpec {
    /// A literal name, or a glob (`feat_*`) that stands for every column it matches.
    pub name: At<String>,
    pub is_glob: bool,
    /// The glob, compiled once.
    pub matcher: Option<globset::GlobMatcher>,
    pub type_: Option<At<LogicalType>>,
    pub role: Option<At<Role>>,
    pub required: Option<At<bool>>,
    pub unique: Option<At<bool>>,
    pub allowed: Option<At<Vec<Scalar>>>,
    pub forbidden: Option<At<Vec<Scalar>>>,
    pub range: Option<At<Range>>,
    pub length: Option<At<Length>>,
    /// Compiled once already, to prove that it compiles.
    pub pattern: Option<At<String>>,
    /// The other checks, by key.
    pub clauses: Vec<(&'static str, At<clauses::ColumnClause>)>,
    pub tolerance: Option<At<Share>>,
    pub severity: Severity,
    pub description: Option<String>,
}

impl ColumnSpec {
    /// What the column's entry says under a key of [`clauses`].
    pub fn clause(&self, key: &str) -> Option<&At<clauses::ColumnClause>> {
        self.clauses.iter().find(|(k, _)| *k == key).map(|(_, c)| c)
    }
    /// Whether the entry stands for a column of that name: it is called so, or a glob that matches. A
    /// column that is really called like the glob is matched as well.
    pub fn covers(&self, column: &str) -> bool {
        self.name.value == column || self.matcher.as_ref().is_some_and(|m| m.is_match(column))
    }
    /// A column of which only the role is known.
    pub fn guessed(name: String, role: Role) -> Self {
        ColumnSpec {
            name: At::new(name, Span::default()),
            is_glob: false,
            matcher: None,
            type_: None,
            role: Some(At::new(role, Span::default())),
            required: None,
            unique: None,
            allowed: None,
            forbidden: None,
            range: None,
            length: None,
            pattern: None,
            clauses: Vec::new(),
            tolerance: None,
            severity: Severity::Error,
            description: None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct RuleSpec {
    /// The key of its kind: `label_share`.
    pub key: &'static str,
    pub kind: RuleKind,
    /// The whole entry.
    pub span: Span,
    pub name: Option<String>,
    pub severity: Severity,
    pub tolerance: Option<At<Share>>,
    pub when: Option<At<String>>,
    pub by: Option<At<Vec<String>>>,
}

/// The kinds of rules.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "a contract holds a few of them, made once")]
pub enum RuleKind {
    Rows {
        min: Option<u64>,
        max: Option<u64>,
    },
    /// Composite key.
    Unique(Vec<At<String>>),
    Expression(At<String>),
    LabelShare {
        min: Option<Share>,
        max: Option<Share>,
        /// Bounds for single classes, in place of the others.
        classes: Vec<(At<String>, clauses::Shares)>,
    },
    ColumnCount {
        min: Option<u64>,
        max: Option<u64>,
    },
    ColumnOrder(Vec<At<String>>),
    /// The kinds of [`dataset_rules`].
    Dataset(dataset_rules::DatasetRule),
    Drift(Drift),
}

/// How far columns may lie from a baseline.
#[derive(Debug, Clone)]
pub struct Drift {
    pub columns: DriftColumns,
    /// A profile or data, relative to the contract's folder.
    pub baseline: At<String>,
    pub statistic: crate::stats::drift::Statistic,
    pub max: f64,
}

#[derive(Debug, Clone)]
pub enum DriftColumns {
    Named(Vec<At<String>>),
    All(Span),
}

/// How much a detector was told.
#[derive(Debug, Clone, Default)]
pub struct Poisoning {
    /// `detectors: off`.
    pub off: bool,
    /// Detectors switched off one by one, by name or code, as written.
    pub disabled: Vec<At<String>>,
    /// Default 0.1%.
    pub false_alarms: Option<At<Share>>,
    /// `25 rows`.
    pub floor: Option<At<u64>>,
    pub span: Span,
}

impl Poisoning {
    pub fn false_alarm_share(&self) -> f64 {
        self.false_alarms.as_ref().map_or(0.001, |s| s.value.as_f64())
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignore {
    /// Code, prefix or name.
    pub rule: At<String>,
    /// The printed group key, exactly.
    pub group: Option<At<String>>,
    pub reason: String,
    /// The last day on which it holds.
    pub expires: Option<At<chrono::NaiveDate>>,
    pub span: Span,
}

/// Which columns play which role in this dataset: the contract's word, else (for `feature`) the
/// column's type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// In schema order.
    pub columns: Vec<(String, Role)>,
}

impl Roles {
    pub fn all(&self, role: Role) -> impl Iterator<Item = &str> {
        self.columns.iter().filter(move |(_, r)| *r == role).map(|(n, _)| n.as_str())
    }
    pub fn first(&self, role: Role) -> Option<&str> {
        self.all(role).next()
    }
    pub fn of(&self, column: &str) -> Option<Role> {
        self.columns.iter().find(|(n, _)| n == column).map(|(_, r)| *r)
    }
    /// Declared roles (globs expanded), then `feature` for every other column that is numeric,
    /// boolean or a dictionary. String columns without a role are `feature` candidates: whether
    /// they have at most 1,000 distinct values only the data can tell, so they are listed in
    /// `maybe_categorical` for the table detector to decide.
    pub fn resolve(contract: &Contract, schema: &Schema) -> Self {
        let mut columns = Vec::new();
        for field in schema.fields() {
            let declared = contract.specs_for(field.name()).filter_map(|s| s.role.as_ref()).next();
            if let Some(role) = declared {
                columns.push((field.name().clone(), role.value));
            } else if is_feature_type(field.data_type()) {
                columns.push((field.name().clone(), Role::Feature));
            }
        }
        Roles { columns }
    }
}

fn is_feature_type(t: &DataType) -> bool {
    match t {
        DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, v) => is_feature_type(v),
        other => other.is_numeric(),
    }
}

impl Contract {
    /// Whether a rule compares times with the clock, so that the moment of the run decides findings.
    pub fn asks_the_clock(&self) -> bool {
        use dataset_rules::DatasetRule as D;
        self.rules.iter().any(|r| matches!(r.kind, RuleKind::Dataset(D::Fresh { .. } | D::Retention { .. })))
    }
    /// The column entries that apply to a column: its own, then globs that match it.
    pub fn specs_for<'a>(&'a self, column: &'a str) -> impl Iterator<Item = &'a ColumnSpec> {
        let literal = self.columns.iter().filter(move |c| !c.is_glob && c.name.value == column);
        let globs = self.columns.iter().filter(move |c| c.is_glob && c.covers(column));
        literal.chain(globs)
    }
    /// The contract as a tree of this language, whatever it was written in.
    fn tree(&self) -> Result<std::rc::Rc<tree::Node>, crate::error::Error> {
        let mut problems = Vec::new();
        let text = self.odcs.as_ref().map_or(&self.text, |o| &o.yaml);
        let root = tree::read(text, &mut problems).ok_or_else(|| crate::error::Error::internal("a contract that was read is no tree"))?;
        Ok(self.odcs.as_ref().map_or(root.clone(), |o| tree::relocated(&root, &o.lines)))
    }
    /// Folder against which `data:` and `roots:` are resolved.
    pub fn folder(&self) -> PathBuf {
        self.path.as_deref().and_then(Path::parent).map(Path::to_owned).unwrap_or_default()
    }
}

/// The declared type of a column among `(name or glob, type)`: its own entry's, else the first glob's.
pub fn declared_type<'a>(declared: &'a [(String, DataType)], column: &str) -> Option<&'a DataType> {
    let own = declared.iter().find(|(name, _)| name == column);
    let glob = || declared.iter().find(|(name, _)| columns::is_glob(name) && columns::matcher(name).is_some_and(|m| m.is_match(column)));
    own.or_else(glob).map(|(_, t)| t)
}
