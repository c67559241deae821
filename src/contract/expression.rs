//! The contract's SQL-like expressions: parsed to a tree of our own, of which only the row-wise part
//! of SQL can be written, and type-checked against the data. What the tree means is defined here,
//! cell by cell ([`Fun::apply`]); polars ([`super::expression_polars`]) evaluates it over columns.
//!
//! null is three-valued; NaN is equal to and ordered with nothing; integers and floats compare by
//! value; an integer that leaves 64 bits, a division by zero and a cast that does not parse are null.

use super::scalar::{self, Value, int_float};
use super::{At, Scalar};
use crate::error::{Diagnostic, Span};
use arrow::datatypes::{DataType, Schema, TimeUnit};
use regex::Regex;
use sqlparser::ast::{self, BinaryOperator as B, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned, UnaryOperator};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;
use std::borrow::Cow;
use std::cmp::Ordering;

/// Bytes of an expression, and levels of its tree, at most: contracts are untrusted.
const MAX_TEXT: usize = 16 * 1024;
const MAX_DEPTH: usize = 64;

/// What a node yields. Exact numbers are integers times a power: decimals and times included.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Null,
    Bool,
    Int,
    /// Whether it comes from a 32-bit column: `0.1` then means that width's 0.1.
    Float {
        narrow: bool,
    },
    Decimal(i8),
    Str,
    Date,
    /// Nanoseconds per step, zoned.
    Timestamp(i64, bool),
    /// `DATE '...'` or `TIMESTAMP '...'` before it meets a column.
    Temporal,
}

impl Kind {
    pub fn of(t: &DataType) -> Option<Kind> {
        let unit = |u: &TimeUnit| scalar::nanos_per(*u);
        Some(match super::types::unencoded(t) {
            DataType::Boolean => Kind::Bool,
            DataType::Float16 | DataType::Float32 => Kind::Float { narrow: true },
            DataType::Float64 => Kind::Float { narrow: false },
            DataType::Decimal32(_, s) | DataType::Decimal64(_, s) if (0..=18).contains(s) => Kind::Decimal(*s),
            DataType::Decimal128(p, s) if *p <= 18 && (0..=18).contains(s) => Kind::Decimal(*s),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Str,
            DataType::Date32 => Kind::Date,
            DataType::Timestamp(u, zone) => Kind::Timestamp(unit(u), zone.is_some()),
            t if t.is_integer() => Kind::Int,
            _ => return None,
        })
    }
    fn name(&self) -> &'static str {
        match self {
            Kind::Null => "null",
            Kind::Bool => "a bool",
            Kind::Int => "an integer",
            Kind::Float { .. } => "a float",
            Kind::Decimal(_) => "a decimal",
            Kind::Str => "a string",
            Kind::Date => "a date",
            Kind::Timestamp(_, true) => "a timestamp with a zone",
            Kind::Timestamp(_, false) => "a timestamp without a zone",
            Kind::Temporal => "a date or time",
        }
    }
    fn is_number(&self) -> bool {
        matches!(self, Kind::Int | Kind::Float { .. } | Kind::Null)
    }
}

/// One value while a row is evaluated.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Cow<'a, str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

/// A function of one row's cells.
#[derive(Debug, Clone)]
pub enum Fun {
    /// Exact sides are multiplied by the factors first, which brings units and scales together.
    Compare(Cmp, i128, i128),
    Arith(Arith),
    Like(Regex),
    Concat,
    Length,
    Lower,
    Upper,
    Trim,
    Abs,
    Neg,
    Round,
    Floor,
    Ceil,
    ToInt,
    ToFloat,
    ToStr,
}

#[derive(Debug, Clone)]
pub enum Node {
    Column(String),
    Literal(Cell<'static>),
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    IsNull(Box<Node>),
    /// Conditions with results, then the rest.
    Case(Vec<(Node, Node)>, Box<Node>),
    Coalesce(Vec<Node>),
    /// With what it yields.
    Call(Fun, Vec<Node>, Kind),
}

fn fits(i: Option<i128>) -> Cell<'static> {
    i.filter(|i| i64::try_from(*i).is_ok()).map_or(Cell::Null, Cell::Int)
}

fn float(c: &Cell<'_>) -> f64 {
    match c {
        Cell::Int(i) => *i as f64,
        Cell::Float(f) => *f,
        _ => f64::NAN,
    }
}

impl Fun {
    /// Null in, null out.
    pub fn apply<'a>(&self, args: &[Cell<'a>]) -> Cell<'a> {
        use Cell::{Bool, Float, Int, Null, Str};
        if args.contains(&Null) {
            return Null;
        }
        match (self, args) {
            (Fun::Compare(op, ka, kb), [a, b]) => {
                let order = match (a, b) {
                    (Int(a), Int(b)) => match (a.checked_mul(*ka), b.checked_mul(*kb)) {
                        (Some(a), Some(b)) => Some(a.cmp(&b)),
                        _ => return Null,
                    },
                    (Float(a), Float(b)) => a.partial_cmp(b),
                    (Int(a), Float(b)) => int_float(*a, *b),
                    (Float(a), Int(b)) => int_float(*b, *a).map(Ordering::reverse),
                    (Str(a), Str(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
                    (Bool(a), Bool(b)) => Some(a.cmp(b)),
                    _ => return Null,
                };
                Bool(match (op, order) {
                    // NaN: equal to nothing, ordered with nothing, different from everything.
                    (op, None) => *op == Cmp::Ne,
                    (Cmp::Eq, Some(o)) => o.is_eq(),
                    (Cmp::Ne, Some(o)) => o.is_ne(),
                    (Cmp::Lt, Some(o)) => o.is_lt(),
                    (Cmp::Le, Some(o)) => o.is_le(),
                    (Cmp::Gt, Some(o)) => o.is_gt(),
                    (Cmp::Ge, Some(o)) => o.is_ge(),
                })
            }
            (Fun::Arith(op), [Int(a), Int(b)]) => fits(match op {
                Arith::Add => a.checked_add(*b),
                Arith::Sub => a.checked_sub(*b),
                Arith::Mul => a.checked_mul(*b),
                Arith::Div => a.checked_div(*b),
                Arith::Rem => a.checked_rem(*b),
            }),
            (Fun::Arith(op), [a, b]) => {
                let (a, b) = (float(a), float(b));
                match op {
                    Arith::Add => Float(a + b),
                    Arith::Sub => Float(a - b),
                    Arith::Mul => Float(a * b),
                    Arith::Div | Arith::Rem if b == 0.0 => Null,
                    Arith::Div => Float(a / b),
                    Arith::Rem => Float(a % b),
                }
            }
            (Fun::Like(pattern), [Str(s)]) => Bool(pattern.is_match(s)),
            (Fun::Concat, [Str(a), Str(b)]) => Str(format!("{a}{b}").into()),
            (Fun::Length, [Str(s)]) => Int(s.chars().count() as i128),
            (Fun::Lower, [Str(s)]) => Str(s.to_lowercase().into()),
            (Fun::Upper, [Str(s)]) => Str(s.to_uppercase().into()),
            (Fun::Trim, [Str(s)]) => Str(s.trim().to_owned().into()),
            (Fun::Abs, [Int(i)]) => fits(i.checked_abs()),
            (Fun::Neg, [Int(i)]) => fits(i.checked_neg()),
            (Fun::Round | Fun::Floor | Fun::Ceil, [Int(i)]) => Int(*i),
            (Fun::Abs, [Float(f)]) => Float(f.abs()),
            (Fun::Neg, [Float(f)]) => Float(-f),
            (Fun::Round, [Float(f)]) => Float(f.round()),
            (Fun::Floor, [Float(f)]) => Float(f.floor()),
            (Fun::Ceil, [Float(f)]) => Float(f.ceil()),
            (Fun::ToInt, [Int(i)]) => Int(*i),
            (Fun::ToInt, [Float(f)]) if f.is_finite() => fits(Some(f.trunc() as i128)),
            (Fun::ToInt, [Str(s)]) => fits(s.trim().parse().ok()),
            (Fun::ToInt, [Bool(b)]) => Int(i128::from(*b)),
            (Fun::ToFloat, [Str(s)]) => s.trim().parse().map_or(Null, Float),
            (Fun::ToFloat, [a @ (Int(_) | Float(_))]) => Float(float(a)),
            (Fun::ToStr, [Str(s)]) => Str(s.clone()),
            (Fun::ToStr, [Int(i)]) => Str(i.to_string().into()),
            (Fun::ToStr, [Float(f)]) => Str(f.to_string().into()),
            (Fun::ToStr, [Bool(b)]) => Str(b.to_string().into()),
            _ => Null,
        }
    }
}

fn parse(text: &At<String>) -> Result<Expr, Diagnostic> {
    let wrong = |m: String| Diagnostic::new("C121", m).at(text.span);
    if text.value.len() > MAX_TEXT {
        return Err(wrong(format!("the expression is longer than {MAX_TEXT} bytes")));
    }
    let read = || {
        let mut p = Parser::new(&GenericDialect {}).with_recursion_limit(MAX_DEPTH).try_with_sql(&text.value)?;
        let e = p.parse_expr()?;
        Ok::<_, sqlparser::parser::ParserError>((e, p.peek_token()))
    };
    let (expr, rest) = read().map_err(|e| wrong(format!("the expression cannot be read: {e}")))?;
    if rest.token != Token::EOF {
        return Err(wrong(format!(
            "`{}` is left over after the expression (line {}, column {} of it)",
            rest.token, rest.span.start.line, rest.span.start.column
        )));
    }
    Ok(expr)
}

/// A checked expression that yields a bool.
#[derive(Debug, Clone)]
pub struct Expression {
    pub root: Node,
    /// Columns it reads, each once, in order of first use.
    pub columns: Vec<String>,
}

/// A stack on which an expression of the greatest length can be read: the parser recurses, its frames
/// are large without optimisation, and how deep it goes is the contract's choice. Only what is used
/// of it is ever committed.
const STACK: usize = 64 << 20;

/// Runs on a thread with a [`STACK`] of its own. `None` when the system has no thread left.
fn on_a_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).ok()?;
        match thread.join() {
            Ok(done) => Some(done),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Columns an expression names; empty for one that cannot be read (which [`check`] reports).
pub fn columns(text: &str) -> Vec<String> {
    on_a_deep_stack(|| columns_of(text)).unwrap_or_default()
}

fn columns_of(text: &str) -> Vec<String> {
    let Ok(expr) = parse(&At::new(text.to_owned(), Span::default())) else { return Vec::new() };
    let schema = Schema::empty();
    let mut c = Checker { schema: &schema, at: Span::default(), columns: Vec::new(), absent: Vec::new() };
    let _ = c.node(&expr, 0);
    c.columns.append(&mut c.absent);
    c.columns
}

/// Problems of an expression against this data.
pub fn check(text: &At<String>, schema: &Schema) -> Vec<Diagnostic> {
    compile(text, schema).err().map(|d| vec![d]).unwrap_or_default()
}

pub fn compile(text: &At<String>, schema: &Schema) -> Result<Expression, Diagnostic> {
    on_a_deep_stack(|| compile_here(text, schema))
        .unwrap_or_else(|| Err(Diagnostic::new("C121", "the system has no thread left to read the expression on").at(text.span)))
}

fn compile_here(text: &At<String>, schema: &Schema) -> Result<Expression, Diagnostic> {
    let expr = parse(text)?;
    let mut c = Checker { schema, at: text.span, columns: Vec::new(), absent: Vec::new() };
    let (root, kind) = c.node(&expr, 0)?;
    if kind != Kind::Bool {
        return Err(c.wrong(&expr, format!("the expression yields {}, not true or false", kind.name())));
    }
    if c.columns.is_empty() {
        return Err(c.wrong(&expr, "the expression names no column".into()));
    }
    Ok(Expression { root, columns: c.columns })
}

struct Checker<'a> {
    schema: &'a Schema,
    at: Span,
    columns: Vec<String>,
    absent: Vec<String>,
}

type Typed = (Node, Kind);

impl Checker<'_> {
    fn wrong(&self, e: &Expr, message: String) -> Diagnostic {
        let start = e.span().start;
        let place =
            if start.line > 0 { format!(" (line {}, column {} of the expression)", start.line, start.column) } else { String::new() };
        Diagnostic::new("C121", format!("{message}{place}")).at(self.at)
    }

    fn bool(&mut self, e: &Expr, depth: usize) -> Result<Node, Diagnostic> {
        let (n, k) = self.node(e, depth)?;
        if matches!(k, Kind::Bool | Kind::Null) {
            Ok(n)
        } else {
            Err(self.wrong(e, format!("{} stands where true or false is needed", k.name())))
        }
    }

    fn column(&mut self, e: &Expr, name: &str) -> Result<Typed, Diagnostic> {
        let Ok(field) = self.schema.field_with_name(name) else {
            self.absent.push(name.to_owned());
            let names: Vec<&str> =
                self.schema.fields().iter().map(|f| f.name().as_str()).filter(|n| !n.starts_with('\0')).take(20).collect();
            let near = names.iter().filter(|n| strsim::damerau_levenshtein(n, name) <= 1 + name.chars().count() / 4).min();
            let mut d = self.wrong(e, format!("column `{name}` is not in the data"));
            d.code = "C002";
            d.help = near
                .map(|n| format!("did you mean `{n}`?"))
                .or(Some(format!("the data has: {}; a text is written 'in single quotes'", names.join(", "))));
            return Err(d);
        };
        let kind = Kind::of(field.data_type()).ok_or_else(|| {
            self.wrong(e, format!("column `{name}` of type {} cannot stand in an expression", super::types::name(field.data_type())))
        })?;
        if !self.columns.iter().any(|c| c == name) {
            self.columns.push(name.to_owned());
        }
        Ok((Node::Column(name.to_owned()), kind))
    }

    fn node(&mut self, e: &Expr, depth: usize) -> Result<Typed, Diagnostic> {
        if depth > MAX_DEPTH {
            return Err(self.wrong(e, format!("the expression nests deeper than {MAX_DEPTH} levels")));
        }
        let d = depth + 1;
        let boxed = |n: Node| Box::new(n);
        let not = |n: Node, negated: bool| if negated { Node::Not(Box::new(n)) } else { n };
        Ok(match e {
            Expr::Nested(inner) => self.node(inner, d)?,
            Expr::Identifier(id) => self.column(e, &id.value)?,
            Expr::Value(v) => match &v.value {
                ast::Value::Number(text, _) => match text.parse::<i64>() {
                    Ok(i) => (Node::Literal(Cell::Int(i.into())), Kind::Int),
                    Err(_) => match text.parse::<f64>() {
                        Ok(f) => (Node::Literal(Cell::Float(f)), Kind::Float { narrow: false }),
                        Err(_) => return Err(self.wrong(e, format!("`{text}` is not a number"))),
                    },
                },
                ast::Value::SingleQuotedString(s) => (Node::Literal(Cell::Str(s.clone().into())), Kind::Str),
                ast::Value::Boolean(b) => (Node::Literal(Cell::Bool(*b)), Kind::Bool),
                ast::Value::Null => (Node::Literal(Cell::Null), Kind::Null),
                other => return Err(self.wrong(e, format!("`{other}` is not a supported literal"))),
            },
            Expr::TypedString(t) => match (&t.data_type, &t.value.value) {
                (ast::DataType::Date | ast::DataType::Timestamp(..), ast::Value::SingleQuotedString(s)) => {
                    (Node::Literal(Cell::Str(s.clone().into())), Kind::Temporal)
                }
                _ => return Err(self.wrong(e, format!("`{e}` is not a supported literal"))),
            },
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => (Node::Not(boxed(self.bool(expr, d)?)), Kind::Bool),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match self.node(expr, d)? {
                (Node::Literal(Cell::Int(i)), k) => (Node::Literal(Cell::Int(-i)), k),
                (Node::Literal(Cell::Float(f)), k) => (Node::Literal(Cell::Float(-f)), k),
                (n, k) if k.is_number() => (Node::Call(Fun::Neg, vec![n], k.clone()), k),
                (_, k) => return Err(self.wrong(e, format!("`-` needs a number and has {}", k.name()))),
            },
            Expr::IsNull(x) => (Node::IsNull(boxed(self.node(x, d)?.0)), Kind::Bool),
            Expr::IsNotNull(x) => (not(Node::IsNull(boxed(self.node(x, d)?.0)), true), Kind::Bool),
            Expr::IsTrue(x) => (Node::Coalesce(vec![self.bool(x, d)?, Node::Literal(Cell::Bool(false))]), Kind::Bool),
            Expr::IsFalse(x) => (not(Node::Coalesce(vec![self.bool(x, d)?, Node::Literal(Cell::Bool(true))]), true), Kind::Bool),
            Expr::Between { expr, negated, low, high } => {
                let x = self.node(expr, d)?;
                let (lo, hi) = (self.node(low, d)?, self.node(high, d)?);
                let above = self.compare(e, Cmp::Ge, x.clone(), lo)?;
                let below = self.compare(e, Cmp::Le, x, hi)?;
                (not(Node::And(boxed(above), boxed(below)), *negated), Kind::Bool)
            }
            Expr::InList { expr, list, negated } => {
                let x = self.node(expr, d)?;
                // The number of values is not depth: halves are joined.
                let mut each = Vec::with_capacity(list.len());
                for v in list {
                    let v = self.node(v, d)?;
                    each.push(self.compare(e, Cmp::Eq, x.clone(), v)?);
                }
                while each.len() > 1 {
                    let mut halves = Vec::with_capacity(each.len().div_ceil(2));
                    let mut pairs = each.into_iter();
                    while let Some(a) = pairs.next() {
                        halves.push(match pairs.next() {
                            Some(b) => Node::Or(boxed(a), boxed(b)),
                            None => a,
                        });
                    }
                    each = halves;
                }
                let any = each.pop().ok_or_else(|| self.wrong(e, "IN () needs a value".into()))?;
                (not(any, *negated), Kind::Bool)
            }
            Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
                (not(self.like(e, expr, pattern, false, d)?, *negated), Kind::Bool)
            }
            Expr::ILike { negated, any: false, expr, pattern, escape_char: None } => {
                (not(self.like(e, expr, pattern, true, d)?, *negated), Kind::Bool)
            }
            Expr::BinaryOp { left, op, right } => self.binary(e, left, op, right, d)?,
            Expr::Case { operand, conditions, else_result, .. } => {
                let mut arms = Vec::new();
                let mut kind = Kind::Null;
                for arm in conditions {
                    let when = match operand {
                        None => self.bool(&arm.condition, d)?,
                        Some(x) => {
                            let (x, v) = (self.node(x, d)?, self.node(&arm.condition, d)?);
                            self.compare(e, Cmp::Eq, x, v)?
                        }
                    };
                    let (then, k) = self.node(&arm.result, d)?;
                    kind = self.same(e, kind, k)?;
                    arms.push((when, then));
                }
                let (rest, k) = match else_result {
                    Some(x) => self.node(x, d)?,
                    None => (Node::Literal(Cell::Null), Kind::Null),
                };
                (Node::Case(arms, boxed(rest)), self.same(e, kind, k)?)
            }
            Expr::Cast { kind: ast::CastKind::Cast | ast::CastKind::TryCast, expr, data_type, .. } => {
                let (n, k) = self.node(expr, d)?;
                if !(k.is_number() || matches!(k, Kind::Str | Kind::Bool)) {
                    return Err(self.wrong(e, format!("{} cannot be cast", k.name())));
                }
                let (fun, to) = match data_type.to_string().to_ascii_uppercase().as_str() {
                    "INT" | "INTEGER" | "BIGINT" | "INT64" => (Fun::ToInt, Kind::Int),
                    "DOUBLE" | "DOUBLE PRECISION" | "FLOAT" | "FLOAT64" | "REAL" => (Fun::ToFloat, Kind::Float { narrow: false }),
                    "VARCHAR" | "TEXT" | "STRING" => (Fun::ToStr, Kind::Str),
                    other => return Err(self.wrong(e, format!("CAST to {other} is not supported; BIGINT, DOUBLE and VARCHAR are"))),
                };
                (Node::Call(fun, vec![n], to.clone()), to)
            }
            Expr::Trim { trim_where: None, trim_what: None, expr, trim_characters: None } => self.function(e, "TRIM", &[expr], d)?,
            Expr::Floor { expr, field: ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
                self.function(e, "FLOOR", &[expr], d)?
            }
            Expr::Ceil { expr, field: ast::CeilFloorKind::DateTimeField(ast::DateTimeField::NoDateTime) } => {
                self.function(e, "CEIL", &[expr], d)?
            }
            Expr::Function(f) => {
                let name = f.name.to_string().to_ascii_uppercase();
                if f.over.is_some() {
                    return Err(self.wrong(e, format!("{name} is a window function; an expression sees one row at a time")));
                }
                let FunctionArguments::List(list) = &f.args else {
                    return Err(self.wrong(e, format!("{name} needs its arguments in parentheses")));
                };
                let plain = |a: &FunctionArg| match a {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(x)) => Some(x.clone()),
                    _ => None,
                };
                let args: Option<Vec<Expr>> = list.args.iter().map(plain).collect();
                if ["COUNT", "SUM", "AVG", "MIN", "MAX", "STDDEV", "MEDIAN"].contains(&name.as_str()) {
                    return Err(self.wrong(e, format!("{name} is an aggregate; an expression sees one row at a time")));
                }
                let Some(args) = args.filter(|_| f.filter.is_none() && list.clauses.is_empty()) else {
                    return Err(self.wrong(e, format!("{name} is called in a form that is not supported")));
                };
                self.function(e, &name, &args.iter().collect::<Vec<_>>(), d)?
            }
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
                return Err(self.wrong(e, "a subquery is not allowed; an expression sees one row at a time".into()));
            }
            other => return Err(self.wrong(e, format!("`{other}` is not supported in an expression"))),
        })
    }

    fn function(&mut self, e: &Expr, name: &str, args: &[&Expr], d: usize) -> Result<Typed, Diagnostic> {
        let mut typed = args.iter().map(|a| self.node(a, d)).collect::<Result<Vec<_>, _>>()?;
        if name == "COALESCE" && !typed.is_empty() {
            let mut kind = Kind::Null;
            for (_, k) in &typed {
                kind = self.same(e, kind, k.clone())?;
            }
            return Ok((Node::Coalesce(typed.into_iter().map(|(n, _)| n).collect()), kind));
        }
        if name == "CONCAT" && typed.len() == 2 && typed.iter().all(|(_, k)| *k == Kind::Str) {
            return Ok((Node::Call(Fun::Concat, typed.into_iter().map(|(n, _)| n).collect(), Kind::Str), Kind::Str));
        }
        let text = |f: Fun, to: Kind| (f, Some(to));
        let (fun, of_text) = match name {
            "LENGTH" | "CHAR_LENGTH" => text(Fun::Length, Kind::Int),
            "LOWER" => text(Fun::Lower, Kind::Str),
            "UPPER" => text(Fun::Upper, Kind::Str),
            "TRIM" => text(Fun::Trim, Kind::Str),
            "ABS" => (Fun::Abs, None),
            "ROUND" => (Fun::Round, None),
            "FLOOR" => (Fun::Floor, None),
            "CEIL" | "CEILING" => (Fun::Ceil, None),
            _ => {
                let known = "COALESCE, CONCAT, LENGTH, LOWER, UPPER, TRIM, ABS, ROUND, FLOOR, CEIL";
                return Err(self.wrong(e, format!("function {name} is not supported")).help(format!("the functions are {known}")));
            }
        };
        let (Some((n, k)), true) = (typed.pop(), typed.is_empty()) else { return Err(self.wrong(e, format!("{name} takes one argument"))) };
        match of_text {
            Some(to) if matches!(k, Kind::Str | Kind::Null) => Ok((Node::Call(fun, vec![n], to.clone()), to)),
            None if k.is_number() => Ok((Node::Call(fun, vec![n], k.clone()), k)),
            _ => Err(self.wrong(e, format!("{name} does not take {}", k.name()))),
        }
    }

    fn binary(&mut self, e: &Expr, left: &Expr, op: &B, right: &Expr, d: usize) -> Result<Typed, Diagnostic> {
        if let B::And | B::Or = op {
            let (a, b) = (Box::new(self.bool(left, d)?), Box::new(self.bool(right, d)?));
            return Ok((if *op == B::And { Node::And(a, b) } else { Node::Or(a, b) }, Kind::Bool));
        }
        let (a, b) = (self.node(left, d)?, self.node(right, d)?);
        let cmp = match op {
            B::Eq => Some(Cmp::Eq),
            B::NotEq => Some(Cmp::Ne),
            B::Lt => Some(Cmp::Lt),
            B::LtEq => Some(Cmp::Le),
            B::Gt => Some(Cmp::Gt),
            B::GtEq => Some(Cmp::Ge),
            _ => None,
        };
        if let Some(cmp) = cmp {
            return Ok((self.compare(e, cmp, a, b)?, Kind::Bool));
        }
        if *op == B::StringConcat {
            if a.1 != Kind::Str || b.1 != Kind::Str {
                return Err(self.wrong(e, format!("`||` needs strings and has {} and {}", a.1.name(), b.1.name())));
            }
            return Ok((Node::Call(Fun::Concat, vec![a.0, b.0], Kind::Str), Kind::Str));
        }
        let arith = match op {
            B::Plus => Arith::Add,
            B::Minus => Arith::Sub,
            B::Multiply => Arith::Mul,
            B::Divide => Arith::Div,
            B::Modulo => Arith::Rem,
            other => return Err(self.wrong(e, format!("operator `{other}` is not supported"))),
        };
        if !a.1.is_number() || !b.1.is_number() {
            return Err(self.wrong(e, format!("`{op}` needs numbers and has {} and {}", a.1.name(), b.1.name())));
        }
        let whole = matches!((&a.1, &b.1), (Kind::Int, Kind::Int));
        let kind = if whole { Kind::Int } else { Kind::Float { narrow: false } };
        Ok((Node::Call(Fun::Arith(arith), vec![a.0, b.0], kind.clone()), kind))
    }

    fn same(&self, e: &Expr, a: Kind, b: Kind) -> Result<Kind, Diagnostic> {
        match (a, b) {
            (Kind::Null, k) | (k, Kind::Null) => Ok(k),
            (a, b) if a == b => Ok(a),
            (Kind::Float { .. }, Kind::Float { .. }) => Ok(Kind::Float { narrow: false }),
            (a, b) => Err(self.wrong(e, format!("the branches yield {} and {}; write a CAST", a.name(), b.name()))),
        }
    }

    fn like(&mut self, e: &Expr, x: &Expr, pattern: &Expr, fold: bool, d: usize) -> Result<Node, Diagnostic> {
        let (n, k) = self.node(x, d)?;
        let (pattern, pk) = self.node(pattern, d)?;
        let (Kind::Str | Kind::Null, Kind::Str, Node::Literal(Cell::Str(pattern))) = (&k, pk, pattern) else {
            return Err(self.wrong(e, "LIKE needs a string and a pattern in single quotes".into()));
        };
        let mut regex = String::from("^");
        for c in pattern.chars() {
            match c {
                '%' => regex.push_str(".*"),
                '_' => regex.push('.'),
                c => regex.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
            }
        }
        regex.push('$');
        let built = regex::RegexBuilder::new(&regex).dot_matches_new_line(true).case_insensitive(fold).size_limit(1 << 20).build();
        let regex = built.map_err(|_| self.wrong(e, "the pattern is too large".into()))?;
        Ok(Node::Call(Fun::Like(regex), vec![n], Kind::Bool))
    }

    /// A literal takes the type of what it is compared with, as in the rest of the contract.
    fn adapt(&self, e: &Expr, side: Typed, other: &Kind) -> Result<Typed, Diagnostic> {
        let t = match (&side, other) {
            ((Node::Literal(Cell::Str(_)), Kind::Str | Kind::Temporal), Kind::Date) => DataType::Date32,
            ((Node::Literal(Cell::Str(_)), Kind::Str | Kind::Temporal), Kind::Timestamp(_, zoned)) => {
                DataType::Timestamp(TimeUnit::Nanosecond, zoned.then(|| "UTC".into()))
            }
            ((Node::Literal(Cell::Float(_) | Cell::Int(_)), _), Kind::Decimal(s)) => DataType::Decimal128(38, *s),
            ((Node::Literal(Cell::Float(f)), _), Kind::Float { narrow: true }) => {
                return Ok((Node::Literal(Cell::Float(f64::from(*f as f32))), other.clone()));
            }
            _ => return Ok(side),
        };
        let text = match &side.0 {
            Node::Literal(Cell::Str(s)) => s.to_string(),
            Node::Literal(Cell::Int(i)) => i.to_string(),
            Node::Literal(Cell::Float(f)) => f.to_string(),
            _ => return Ok(side),
        };
        let value = scalar::typed(&Scalar { text, quoted: true, span: self.at }, &t).map_err(|why| self.wrong(e, why))?;
        // Instants are nanoseconds here, whatever the column's unit.
        let (cell, kind) = match value {
            Value::Date(days) => (Some(i128::from(days)), Kind::Date),
            Value::Timestamp(ns) => (Some(ns), Kind::Timestamp(1, matches!(other, Kind::Timestamp(_, true)))),
            Value::Decimal { unscaled, scale } => (unscaled.to_i128(), Kind::Decimal(scale)),
            _ => (None, Kind::Null),
        };
        let cell = cell.filter(|c| i64::try_from(*c).is_ok()).ok_or_else(|| self.wrong(e, "the literal is out of reach".into()))?;
        Ok((Node::Literal(Cell::Int(cell)), kind))
    }

    fn compare(&self, e: &Expr, op: Cmp, a: Typed, b: Typed) -> Result<Node, Diagnostic> {
        let (ka, kb) = (a.1.clone(), b.1.clone());
        let (a, b) = (self.adapt(e, a, &kb)?, self.adapt(e, b, &ka)?);
        let power = |s: i8| 10_i128.pow(s.unsigned_abs().into());
        let factors = match (&a.1, &b.1) {
            (Kind::Null, _) | (_, Kind::Null) => (1, 1),
            (Kind::Bool, Kind::Bool) | (Kind::Str, Kind::Str) | (Kind::Date, Kind::Date) => (1, 1),
            (Kind::Int | Kind::Float { .. }, Kind::Int | Kind::Float { .. }) => (1, 1),
            (Kind::Timestamp(x, z), Kind::Timestamp(y, w)) if z == w => (i128::from(*x), i128::from(*y)),
            (Kind::Decimal(s), Kind::Decimal(t)) => (power(s.max(t) - s), power(s.max(t) - t)),
            (Kind::Decimal(s), Kind::Int) => (1, power(*s)),
            (Kind::Int, Kind::Decimal(s)) => (power(*s), 1),
            (x, y) => return Err(self.wrong(e, format!("{} cannot be compared with {}", x.name(), y.name()))),
        };
        Ok(Node::Call(Fun::Compare(op, factors.0, factors.1), vec![a.0, b.0], Kind::Bool))
    }
}
