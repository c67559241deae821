//! Every key of the contract language, once: the parser accepts them, the JSON Schema lists them
//! and "did you mean" searches them from these tables. A key that a later version fills in is here
//! too, marked [`Key::later`], so that a contract which uses it is told so instead of being read
//! past.

/// What a key's value looks like.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// `taster: 1`.
    FormatVersion,
    Text,
    Bool,
    /// A whole number, not negative.
    Count,
    /// A number.
    Number,
    /// `0.5%` or a decimal in [0, 1].
    Share,
    /// `25 rows`.
    Rows,
    /// `2027-02-01`.
    Date,
    /// `30d`.
    Duration,
    /// One character.
    Char,
    /// A value of the column, typed by the column.
    Value,
    Pattern,
    Expression,
    /// A column type.
    Type,
    Role,
    /// `default`, `off`, or a map from detector to one of them.
    Detectors,
    OneOf(&'static [&'static str]),
    List(&'static Shape),
    /// One, or a list of them.
    Some(&'static Shape),
    Map(&'static Section),
    /// Any name to a map of these keys.
    Named(&'static Section),
    /// Entries of `rules`.
    Rules,
    /// true, false or `strictly`.
    Direction,
    /// A map that another language defines.
    Anything,
}

#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub shape: Shape,
    pub doc: &'static str,
    pub needed: bool,
}

/// The keys of one map of the grammar.
#[derive(Debug)]
pub struct Section {
    /// As messages call it: `a column`.
    pub name: &'static str,
    pub keys: &'static [Key],
    /// Keys that people try here, and what is meant.
    pub hints: &'static [(&'static str, &'static str)],
}

impl Section {
    pub fn find(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|k| k.name == name)
    }
}

pub const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, doc, needed: false }
}
pub const fn needed(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, doc, needed: true }
}

pub const SEVERITIES: &[&str] = &["error", "warning"];
pub const EXTRA_COLUMNS: &[&str] = &["forbid", "warn", "allow"];
pub const NOT_EVALUATED: &[&str] = &["fail", "warn"];
pub const LENGTH_UNITS: &[&str] = &["chars", "graphemes", "bytes"];

pub static TOP: Section = Section {
    name: "a contract",
    keys: &[
        needed("taster", Shape::FormatVersion, "Version of the contract format; always 1."),
        key("name", Shape::Text, "What the dataset is called."),
        key("version", Shape::Text, "Version of this contract, for people."),
        key("description", Shape::Text, "What the dataset is, for people."),
        key(
            "data",
            Shape::Some(&Shape::Text),
            "Where the data usually lies: paths and globs relative to the contract. The command line overrides it.",
        ),
        key("roots", Shape::Some(&Shape::Text), "Folders that the contract may read, relative to it. Default: the contract's own folder."),
        key("format", Shape::Map(&FORMAT), "How text files are to be read; found out where it is not said."),
        key("columns", Shape::Named(&COLUMN), "The columns by name. A name may be a glob such as `feat_*`."),
        key(
            "extra_columns",
            Shape::OneOf(EXTRA_COLUMNS),
            "What a column that is in the data but not in the contract means. Default: allow.",
        ),
        key("rules", Shape::Rules, "Rules over more than one column, or over the dataset as a whole."),
        key("poisoning", Shape::Map(&POISONING), "How the poisoning detectors run."),
        key("ignore", Shape::List(&Shape::Map(&IGNORE)), "Findings that are known and accepted, each with its reason."),
        key("on_not_evaluated", Shape::OneOf(NOT_EVALUATED), "What a rule that could not be evaluated means. Default: fail."),
        key(
            "odcs",
            Shape::Anything,
            "The contract of the Open Data Contract Standard that this one was made from, kept by `taster convert`.",
        ),
    ],
    hints: &[
        ("schema", "`columns:` declares the columns"),
        ("fields", "`columns:` declares the columns"),
        ("checks", "`rules:` lists the rules"),
        ("tests", "`rules:` lists the rules"),
        ("detectors", "it belongs under `poisoning:`"),
        ("floor", "it belongs under `poisoning:`"),
        ("false_alarms", "it belongs under `poisoning:`"),
        ("<<", "YAML 1.2 has no merge keys; write the alias as the value of a key"),
    ],
};

pub static FORMAT: Section = Section {
    name: "`format`",
    keys: &[
        key("delimiter", Shape::Char, "Character between the fields of a CSV file; a tab is written \"\\t\"."),
        key("quote", Shape::Char, "Character around fields that contain the delimiter. Default: `\"`."),
        key("header", Shape::Bool, "Whether the first line holds the column names."),
        key("nulls", Shape::Some(&Shape::Text), "Spellings of null in text files. Default: the empty field alone."),
        key(
            "encoding",
            Shape::Text,
            "Encoding of text files: utf-8 (the default), latin-1, windows-1252, utf-16le and others of the WHATWG list.",
        ),
    ],
    hints: &[("separator", "did you mean `delimiter`?"), ("sep", "did you mean `delimiter`?"), ("null", "did you mean `nulls`?")],
};

pub static COLUMN: Section = Section {
    name: "a column",
    keys: &[
        key("type", Shape::Type, "The type of its values. Encodings do not count; widths, units and zones do."),
        key("role", Shape::Role, "What the column is to training; detectors are chosen by it."),
        key("required", Shape::Bool, "True: no null. Default: false."),
        key("unique", Shape::Bool, "True: no value twice. Nulls are exempt unless the column is required."),
        key("allowed", Shape::List(&Shape::Value), "The only values there may be."),
        key("forbidden", Shape::List(&Shape::Value), "Values there must not be."),
        key("range", Shape::Map(&RANGE), "Smallest and largest value, inclusive."),
        key("length", Shape::Map(&LENGTH), "Shortest and longest text."),
        key(
            "pattern",
            Shape::Pattern,
            "Regular expression that each value must contain a match of; unanchored, linear-time (no look-around, no back-references).",
        ),
        key(
            "tolerance",
            Shape::Share,
            "Share of tested rows that may fail; they are listed for review. Written `0.5%` or as a decimal in [0, 1].",
        ),
        key("severity", Shape::OneOf(SEVERITIES), "What a failure means. Default: error."),
        key("description", Shape::Text, "What the column is, for people."),
        key("format", Shape::OneOf(super::clauses::FORMATS), "Well-known form that every text has."),
        key("time_format", Shape::Text, "strftime format by which every text parses: '%d/%m/%Y'."),
        key("json", Shape::Bool, "True: every text is JSON."),
        key("json_schema", Shape::Anything, "JSON Schema that every text, read as JSON, must meet."),
        key("patterns", Shape::Map(&PATTERNS), "Several regular expressions, of which any or all must be found."),
        key("not_pattern", Shape::Some(&Shape::Pattern), "Regular expressions of which none may be found."),
        key("like", Shape::Some(&Shape::Text), "SQL patterns with % and _, of which one must match the whole text."),
        key("not_like", Shape::Some(&Shape::Text), "SQL patterns with % and _, of which none may match the whole text."),
        key("multiple_of", Shape::Number, "Step of which every number is a multiple, compared in decimal."),
        key("finite", Shape::Bool, "True: no NaN and no infinity."),
        key("is_null", Shape::Bool, "True: nothing but null."),
        key("increasing", Shape::Direction, "Values never fall from row to row; `strictly`: they always rise."),
        key("decreasing", Shape::Direction, "Values never rise from row to row; `strictly`: they always fall."),
        key("not_constant", Shape::Bool, "True: more than one value."),
        key("z_score", Shape::Map(&Z_SCORE), "How many standard deviations a value may lie from the mean."),
        key("mean", Shape::Map(&BOUNDS), "Bounds on the mean."),
        key("median", Shape::Map(&BOUNDS), "Bounds on the median."),
        key("std", Shape::Map(&BOUNDS), "Bounds on the standard deviation (of a sample: n - 1)."),
        key("sum", Shape::Map(&BOUNDS), "Bounds on the sum."),
        key("smallest", Shape::Map(&BOUNDS), "Bounds on the smallest value."),
        key("largest", Shape::Map(&BOUNDS), "Bounds on the largest value."),
        key("quantiles", Shape::Named(&BOUNDS), "Bounds on quantiles by their level: `{0.95: {max: 7}}`."),
        key("distinct", Shape::Map(&COUNTS), "Bounds on the number of distinct values."),
        key("unique_share", Shape::Map(&SHARES), "Bounds on distinct values over values."),
        key("null_share", Shape::Map(&SHARES), "Bounds on the share of nulls."),
        key("distinct_values", Shape::Map(&DISTINCT_VALUES), "A set that the distinct values equal, contain or stay inside."),
        key("most_common", Shape::Map(&MOST_COMMON), "Values of which one is the most common."),
        key("order", Shape::Count, "Position of the column, counted from 0."),
        key("references", Shape::Map(&COLUMN_REFERENCES), "Data elsewhere that has every value of this column."),
    ],
    hints: &[
        ("min", "write `range: {min: ...}` for values, `length: {min: ...}` for text"),
        ("max", "write `range: {max: ...}` for values, `length: {max: ...}` for text"),
        ("regex", "did you mean `pattern`?"),
        ("nullable", "write `required: true` where null is wrong"),
        ("null", "write `required: true` where null is wrong"),
        ("not_null", "write `required: true`"),
        ("values", "did you mean `allowed`?"),
        ("enum", "did you mean `allowed`?"),
        ("in", "did you mean `allowed`?"),
        ("primary_key", "write `required: true, unique: true`"),
        ("dtype", "did you mean `type`?"),
        ("<<", "YAML 1.2 has no merge keys; write the alias as the value of a key"),
    ],
};

pub static RANGE: Section = Section {
    name: "`range`",
    keys: &[
        key("min", Shape::Value, "Smallest value."),
        key("max", Shape::Value, "Largest value."),
        key("exclusive", Shape::Bool, "True: the ends themselves are outside. Default: false."),
    ],
    hints: &[],
};

pub static LENGTH: Section = Section {
    name: "`length`",
    keys: &[
        key("min", Shape::Count, "Shortest length."),
        key("max", Shape::Count, "Longest length."),
        key(
            "unit",
            Shape::OneOf(LENGTH_UNITS),
            "What is counted: code points, what a reader sees as characters, or bytes. Default: chars.",
        ),
    ],
    hints: &[],
};

pub static PATTERNS: Section = Section {
    name: "`patterns`",
    keys: &[
        key("any", Shape::Some(&Shape::Pattern), "At least one of these is found in every text."),
        key("all", Shape::Some(&Shape::Pattern), "Each of these is found in every text."),
    ],
    hints: &[("none", "write `not_pattern: [...]` beside `patterns`")],
};

pub const SIDES: &[&str] = &["both", "upper", "lower"];

pub static Z_SCORE: Section = Section {
    name: "`z_score`",
    keys: &[
        key("max", Shape::Number, "Standard deviations at most."),
        key("below", Shape::Number, "Fewer standard deviations than this."),
        key("sides", Shape::OneOf(SIDES), "Which side of the mean is looked at. Default: both."),
    ],
    hints: &[("threshold", "did you mean `max`?")],
};

pub static COUNTS: Section = Section {
    name: "bounds on a number",
    keys: &[key("min", Shape::Count, "At least so many."), key("max", Shape::Count, "At most so many.")],
    hints: &[],
};

pub static BOUNDS: Section = Section {
    name: "bounds",
    keys: &[
        key("min", Shape::Value, "At least this."),
        key("max", Shape::Value, "At most this."),
        key("above", Shape::Value, "More than this."),
        key("below", Shape::Value, "Less than this."),
    ],
    hints: &[("exclusive", "`above` and `below` exclude the end")],
};

pub static SHARES: Section = Section {
    name: "bounds on a share",
    keys: &[key("min", Shape::Share, "At least this share."), key("max", Shape::Share, "At most this share.")],
    hints: &[],
};

pub static DISTINCT_VALUES: Section = Section {
    name: "`distinct_values`",
    keys: &[
        key("equal", Shape::List(&Shape::Value), "Exactly these values occur."),
        key("contain", Shape::List(&Shape::Value), "Each of these values occurs."),
        key("inside", Shape::List(&Shape::Value), "No other value occurs."),
    ],
    hints: &[("in", "did you mean `inside`?")],
};

pub static MOST_COMMON: Section = Section {
    name: "`most_common`",
    keys: &[
        needed("in", Shape::List(&Shape::Value), "The most common value is one of these."),
        key("ties", Shape::Bool, "True: it is enough that one of several equally common values is listed. Default: false."),
    ],
    hints: &[("values", "did you mean `in`?")],
};

pub static SUMS: Section = Section {
    name: "`sums`",
    keys: &[
        needed("columns", Shape::List(&Shape::Text), "Columns that are added."),
        needed("total", Shape::Number, "What they add up to."),
    ],
    hints: &[],
};

pub static PAIR: Section = Section {
    name: "a rule about two columns",
    keys: &[
        needed("columns", Shape::List(&Shape::Text), "The two columns."),
        key("min", Shape::Number, "At least this."),
        key("max", Shape::Number, "At most this."),
        key("above", Shape::Number, "More than this."),
        key("below", Shape::Number, "Less than this."),
    ],
    hints: &[],
};

pub static WEIGHTED: Section = Section {
    name: "`shares`",
    keys: &[
        needed("column", Shape::Text, "The column."),
        key("values", Shape::List(&Shape::Value), "Values, each a cell of its own."),
        key("bins", Shape::List(&Shape::Number), "Edges of the cells of a column of numbers; `-.inf` and `.inf` may be the outermost."),
        needed("weights", Shape::List(&Shape::Number), "Expected weight of each cell."),
        key("other", Shape::Number, "Expected weight of what lies in no cell. Default: 0."),
        key("p_value", Shape::Map(&BOUNDS), "Bounds on the p-value of a chi-square test."),
        key("kl", Shape::Map(&BOUNDS), "Bounds on the Kullback-Leibler divergence from the weights, in nats."),
    ],
    hints: &[("p", "did you mean `p_value`?"), ("threshold", "did you mean `kl: {max: ...}`?")],
};

pub static FITS: Section = Section {
    name: "`fits`",
    keys: &[
        needed("column", Shape::Text, "The column."),
        needed("distribution", Shape::OneOf(super::dataset_rules::DISTRIBUTION_NAMES), "The distribution."),
        key("parameters", Shape::Anything, "Its parameters by name."),
        needed("p_value", Shape::Map(&BOUNDS), "Bounds on the p-value of a Kolmogorov-Smirnov test."),
    ],
    hints: &[("params", "did you mean `parameters`?")],
};

/// The kinds of rule; an entry of `rules` has exactly one of them.
pub static RULE_KINDS: Section = Section {
    name: "a rule",
    keys: &[
        key("rows", Shape::Map(&ROWS), "How many rows the dataset has."),
        key("unique", Shape::Some(&Shape::Text), "Columns whose values together must not repeat."),
        key("expression", Shape::Expression, "An SQL-like condition over the columns that every row must meet. Best written as `>-`."),
        key("label_share", Shape::Map(&LABEL_SHARE), "Bounds on the share of each class of the label."),
        key("references", Shape::Map(&REFERENCES), "Columns whose values must exist in another file."),
        key("drift", Shape::Map(&DRIFT), "How far columns may lie from a baseline."),
        key("disjoint_splits", Shape::Map(&DISJOINT_SPLITS), "Keys of which none may stand in two splits."),
        key("fresh", Shape::Map(&FRESH), "How old the newest time may be."),
        key("gaps", Shape::Map(&GAPS), "How long times may pause."),
        key("retention", Shape::Map(&RETENTION), "How old any row may be."),
        key("column_count", Shape::Map(&COUNTS), "How many columns there are."),
        key("column_order", Shape::List(&Shape::Text), "All columns, in order."),
        key("correlation", Shape::Map(&PAIR), "Bounds on the correlation of two columns."),
        key("cramers_v", Shape::Map(&PAIR), "Bounds on the association of two columns of categories."),
        key("sums", Shape::Map(&SUMS), "Columns of each row that add up to a total."),
        key("different", Shape::List(&Shape::Text), "Columns of which no two hold the same value in a row."),
        key("fits", Shape::Map(&FITS), "A named distribution that a column of numbers follows."),
        key("shares", Shape::Map(&WEIGHTED), "Shares of values or bins against given weights."),
        key("same_input", Shape::Some(&Shape::Text), "Columns that are the input: the same input must have the same label."),
        key("near_duplicates", Shape::Map(&NEAR_DUPLICATES), "Share of rows of which nearly the same stands elsewhere in the data."),
        key("contamination", Shape::Map(&CONTAMINATION), "Evaluation sets of which no row may stand in the data."),
        key("flip_rate", Shape::Map(&FLIP_RATE), "Share of rows whose label differs from that in the previous version."),
        key("source_share", Shape::Map(&SOURCE_SHARE), "Largest share of any one source."),
        key("licence", Shape::Map(&LICENCE), "Licences and consents that every row must have."),
    ],
    hints: &[
        ("sql", "did you mean `expression`?"),
        ("check", "did you mean `expression`?"),
        ("row_count", "did you mean `rows`?"),
        ("primary_key", "did you mean `unique`?"),
        ("license", "did you mean `licence`?"),
        ("column", "settings of one column belong under `columns:`"),
    ],
};

/// Keys that any entry of `rules` may have beside its kind.
pub static RULE_SHARED: Section = Section {
    name: "a rule",
    keys: &[
        key("name", Shape::Text, "How reports call the rule."),
        key("severity", Shape::OneOf(SEVERITIES), "What a failure means. Default: error."),
        key("tolerance", Shape::Share, "Share of tested rows that may fail (rules about rows only)."),
        key("when", Shape::Expression, "Condition that selects the rows which the rule is about."),
        key("by", Shape::Some(&Shape::Text), "Columns, or roles such as `split`, whose groups are judged one by one."),
    ],
    hints: &[],
};

pub static ROWS: Section =
    Section { name: "`rows`", keys: &[key("min", Shape::Count, "Fewest rows."), key("max", Shape::Count, "Most rows.")], hints: &[] };

pub static LABEL_SHARE: Section = Section {
    name: "`label_share`",
    keys: &[
        key("min", Shape::Share, "Smallest share of any class."),
        key("max", Shape::Share, "Largest share of any class."),
        key("classes", Shape::Named(&SHARES), "Bounds for single classes, in place of those for all: `{pos: {min: 30%}}`."),
    ],
    hints: &[("by", "`by:` stands beside `label_share:`, not inside it")],
};

pub static DRIFT: Section = Section {
    name: "`drift`",
    keys: &[
        key("column", Shape::Text, "The column that is compared."),
        key("columns", Shape::Some(&Shape::Text), "Several columns, or `all` that the baseline has and that can be compared."),
        needed("baseline", Shape::Text, "What it is compared with: a profile (`taster profile`) or a data file, relative to the contract."),
        needed("statistic", Shape::OneOf(crate::stats::drift::NAMES), "How the distance is measured."),
        needed("max", Shape::Number, "Largest distance."),
    ],
    hints: &[
        ("threshold", "did you mean `max`?"),
        ("reference", "did you mean `baseline`?"),
        ("against", "did you mean `baseline`?"),
        ("method", "did you mean `statistic`?"),
        ("test", "did you mean `statistic`?"),
    ],
};

pub static REFERENCES: Section = Section {
    name: "`references`",
    keys: &[
        key("column", Shape::Text, "The column whose values must exist elsewhere."),
        key("columns", Shape::Some(&Shape::Text), "Several columns whose values together must exist elsewhere."),
        needed("in", Shape::Text, "The data that has them: a file, folder or glob relative to the contract, below its roots."),
        key("key", Shape::Some(&Shape::Text), "What they are called there, in the same order. Default: the same names."),
    ],
    hints: &[
        ("keys", "did you mean `key`?"),
        ("file", "did you mean `in`?"),
        ("to", "did you mean `in`?"),
        ("table", "did you mean `in`?"),
    ],
};

pub static COLUMN_REFERENCES: Section = Section {
    name: "`references` of a column",
    keys: &[
        needed("in", Shape::Text, "The data that has them: a file, folder or glob relative to the contract, below its roots."),
        key("key", Shape::Text, "What the column is called there. Default: the same name."),
    ],
    hints: &[
        ("file", "did you mean `in`?"),
        ("to", "did you mean `in`?"),
        ("table", "did you mean `in`?"),
        ("column", "did you mean `key`?"),
    ],
};

pub static NEAR_DUPLICATES: Section = Section {
    name: "`near_duplicates`",
    keys: &[
        key("columns", Shape::Some(&Shape::Text), "Columns of text that are compared together. Default: those with the role of a text."),
        needed("max", Shape::Share, "Largest share of rows that have a near copy."),
    ],
    hints: &[("column", "did you mean `columns`?"), ("keys", "did you mean `columns`?"), ("threshold", "did you mean `max`?")],
};

pub static DISJOINT_SPLITS: Section = Section {
    name: "`disjoint_splits`",
    keys: &[
        needed("keys", Shape::Some(&Shape::Text), "Columns, each a key of its own, whose values stand in one split only."),
        key("split", Shape::Text, "The column that holds the splits. Default: the one with `role: split`."),
        key("near", Shape::Bool, "Whether near copies count too, in keys with the role of a text. Default: true."),
    ],
    hints: &[("key", "did you mean `keys`?"), ("columns", "did you mean `keys`?")],
};

pub static FRESH: Section = Section {
    name: "`fresh`",
    keys: &[
        key("column", Shape::Text, "The column of times. Default: the one with `role: time`."),
        needed("within", Shape::Duration, "Age of the newest time, at most: `30s`, `5m`, `12h`, `30d`, `2w`."),
    ],
    hints: &[("max", "did you mean `within`?"), ("max_age", "did you mean `within`?")],
};

pub static GAPS: Section = Section {
    name: "`gaps`",
    keys: &[
        key("column", Shape::Text, "The column of times. Default: the one with `role: time`."),
        needed("max", Shape::Duration, "Longest pause between one time and the next: `30s`, `5m`, `12h`, `30d`, `2w`."),
    ],
    hints: &[("within", "did you mean `max`?")],
};

pub static RETENTION: Section = Section {
    name: "`retention`",
    keys: &[
        key("column", Shape::Text, "The column of times. Default: the one with `role: time`."),
        needed("max", Shape::Duration, "Age of a row, at most: `30s`, `5m`, `12h`, `30d`, `2w`."),
    ],
    hints: &[("within", "did you mean `max`?"), ("max_age", "did you mean `max`?")],
};

pub static SOURCE_SHARE: Section = Section {
    name: "`source_share`",
    keys: &[
        key("column", Shape::Text, "The column of sources. Default: the one with `role: source`."),
        needed("max", Shape::Share, "Largest share of any one source."),
    ],
    hints: &[("by", "`by:` stands beside `source_share:`, not inside it")],
};

pub static LICENCE: Section = Section {
    name: "`licence`",
    keys: &[
        key("column", Shape::Text, "The column that says under which licence a row may be used."),
        key("allowed", Shape::Some(&Shape::Text), "Licences under which rows may be used; case does not count."),
        key("consent", Shape::Some(&Shape::Text), "Columns of true and false, each of which must be true."),
    ],
    hints: &[("license", "did you mean `column`?"), ("in", "did you mean `allowed`?"), ("values", "did you mean `allowed`?")],
};

pub static FLIP_RATE: Section = Section {
    name: "`flip_rate`",
    keys: &[
        needed("in", Shape::Text, "The previous version: a file, folder or glob relative to the contract, below its roots."),
        needed("max", Shape::Share, "Share of rows whose label may differ from the one before."),
        key("id", Shape::Text, "The column by which rows are found again. Default: the one with `role: id`."),
        key("label", Shape::Text, "The column that is compared. Default: the one with `role: label`."),
    ],
    hints: &[
        ("previous", "did you mean `in`?"),
        ("against", "did you mean `in`?"),
        ("baseline", "did you mean `in`?"),
        ("key", "did you mean `id`?"),
        ("column", "did you mean `label`?"),
    ],
};

pub static CONTAMINATION: Section = Section {
    name: "`contamination`",
    keys: &[
        key("column", Shape::Text, "The column that is compared."),
        key("columns", Shape::Some(&Shape::Text), "Several columns that are compared together."),
        needed("in", Shape::Some(&Shape::Text), "The evaluation sets: files, folders or globs relative to the contract, below its roots."),
        key("key", Shape::Some(&Shape::Text), "What the columns are called there, in the same order. Default: the same names."),
    ],
    hints: &[("against", "did you mean `in`?"), ("sets", "did you mean `in`?"), ("keys", "did you mean `key`?")],
};

pub static POISONING: Section = Section {
    name: "`poisoning`",
    keys: &[
        key("detectors", Shape::Detectors, "Which detectors run: `default`, `off`, or a map from detector to one of them."),
        key("false_alarms", Shape::Share, "Share of clean rows that may be quarantined for nothing. Default: 0.1%."),
        key("floor", Shape::Rows, "Fail if poison of this many rows could go unseen. Written `25 rows`."),
    ],
    hints: &[],
};

pub static IGNORE: Section = Section {
    name: "an `ignore` entry",
    keys: &[
        needed("rule", Shape::Text, "Code, prefix or name of the rule whose finding is accepted."),
        key("group", Shape::Text, "The printed key of the group, exactly; without it every finding of the rule is meant."),
        needed("reason", Shape::Text, "Why it is accepted."),
        key("expires", Shape::Date, "Last day on which it holds, written 2027-02-01."),
    ],
    hints: &[("code", "did you mean `rule`?"), ("until", "did you mean `expires`?"), ("key", "did you mean `group`?")],
};

#[cfg(test)]
mod tests {
    use super::*;

    pub static ALL: [&Section; 22] = [
        &SOURCE_SHARE,
        &LICENCE,
        &FLIP_RATE,
        &FRESH,
        &GAPS,
        &RETENTION,
        &REFERENCES,
        &DISJOINT_SPLITS,
        &COLUMN_REFERENCES,
        &NEAR_DUPLICATES,
        &CONTAMINATION,
        &DRIFT,
        &TOP,
        &FORMAT,
        &COLUMN,
        &RANGE,
        &LENGTH,
        &RULE_KINDS,
        &RULE_SHARED,
        &ROWS,
        &LABEL_SHARE,
        &POISONING,
    ];

    #[test]
    fn no_section_lists_a_key_twice() {
        for section in ALL.iter().chain([&&IGNORE]) {
            for (i, k) in section.keys.iter().enumerate() {
                assert!(section.keys[i + 1..].iter().all(|o| o.name != k.name), "{} in {}", k.name, section.name);
            }
        }
        assert!(RULE_SHARED.keys.iter().all(|k| RULE_KINDS.find(k.name).is_none()));
    }

    #[test]
    fn hints_are_about_keys_that_do_not_exist() {
        for section in ALL.iter().chain([&&IGNORE]) {
            assert!(section.hints.iter().all(|(wrong, _)| section.find(wrong).is_none()), "{}", section.name);
        }
    }

    #[test]
    fn every_key_is_described() {
        for section in ALL.iter().chain([&&IGNORE]) {
            assert!(section.keys.iter().all(|k| !k.doc.is_empty()));
        }
    }
}
