//! Every family of row rules against an oracle that is as slow and as plain as the sentences of the contract language:
//! one loop over the rows, a list in place of a hash table, three-valued logic spelled out. The data
//! has what hurts: nulls, NaN, infinities, both zeros, extreme integers, decimals, instants with zones. Each case is cut
//! into other shards and batches, which must change nothing.

use super::tests::*;
use crate::rule::Status;
use arrow::array::*;
use arrow::datatypes::{DataType, TimeUnit};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

/// A cell of any kind, compared as the language says.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Null,
    Number(f64),
    Word(String),
}

impl Cell {
    /// As keys are equal: NaN is one key, the zeros are one, null is none.
    fn same_key(&self, other: &Cell) -> bool {
        match (self, other) {
            (Cell::Number(a), Cell::Number(b)) => a == b || a.is_nan() && b.is_nan(),
            (Cell::Word(a), Cell::Word(b)) => a == b,
            _ => false,
        }
    }
}

fn odd() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        2 => Just(None),
        8 => (-3_i32..4).prop_map(|i| Some(f64::from(i) / 2.0)),
        1 => Just(Some(f64::NAN)),
        1 => Just(Some(-f64::NAN)),
        1 => Just(Some(f64::INFINITY)),
        1 => Just(Some(f64::NEG_INFINITY)),
        1 => Just(Some(-0.0)),
        1 => Just(Some(f64::MIN_POSITIVE / 2.0)),
    ]
}

fn word() -> impl Strategy<Value = Option<String>> {
    prop_oneof![1 => Just(None), 1 => Just(Some(String::new())), 5 => "[abç]{1,2}".prop_map(Some)]
}

fn cells_of(v: &[Option<f64>]) -> Vec<Cell> {
    v.iter().map(|x| x.map_or(Cell::Null, Cell::Number)).collect()
}

fn words_of(v: &[Option<String>]) -> Vec<Cell> {
    v.iter().map(|x| x.clone().map_or(Cell::Null, Cell::Word)).collect()
}

fn texts(v: &[Option<String>]) -> ArrayRef {
    Arc::new(StringArray::from(v.to_vec()))
}

/// Rows for which the oracle says so.
fn at(n: usize, wrong: impl Fn(usize) -> bool) -> Vec<u64> {
    (0..n).filter(|&i| wrong(i)).map(|i| i as u64).collect()
}

/// Whole and cut, which must agree in every finding and every printed number.
fn both(text: &str, columns: Vec<(&str, ArrayRef)>, shard: usize, batch: usize) -> Run {
    let frame = RecordBatch::try_from_iter(columns).unwrap();
    let whole = run_split(text, vec![frame.clone()], 1 << 16, 1 << 15);
    let cut = run_split(text, vec![frame], shard, batch);
    assert_eq!(whole.hits, cut.hits);
    let print = |r: &Run| r.outcomes.iter().map(|o| serde_json::to_string(o).unwrap()).collect::<Vec<_>>();
    assert_eq!(print(&whole), print(&cut));
    whole
}

/// Rows whose key, with no null in it, stands in another row that `other` lets count.
fn crossed(keys: &[&[Cell]], n: usize, other: impl Fn(usize, usize) -> bool) -> Vec<u64> {
    let key = |i: usize| keys.iter().map(|k| &k[i]).collect::<Vec<_>>();
    at(n, |i| (0..n).any(|j| i != j && other(i, j) && key(i).iter().zip(key(j)).all(|(a, b)| a.same_key(b))))
}

/// A random condition over two numbers and a word, as text and as the function that it means.
#[derive(Debug, Clone)]
enum Condition {
    /// Left column, operator, right: a column or a number.
    Compare(bool, &'static str, Result<bool, i32>),
    Between(bool, i32, i32),
    In(Vec<&'static str>),
    IsNull(bool),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    fn text(&self) -> String {
        let name = |a: &bool| if *a { "a" } else { "b" };
        match self {
            Condition::Compare(l, op, Ok(r)) => format!("{} {op} {}", name(l), name(r)),
            Condition::Compare(l, op, Err(r)) => format!("{} {op} {r}", name(l)),
            Condition::Between(c, lo, hi) => format!("{} BETWEEN {lo} AND {hi}", name(c)),
            Condition::In(list) => format!("s IN ({})", list.iter().map(|w| format!("'{w}'")).collect::<Vec<_>>().join(", ")),
            Condition::IsNull(c) => format!("{} IS NULL", name(c)),
            Condition::Not(x) => format!("NOT ({})", x.text()),
            Condition::And(x, y) => format!("({}) AND ({})", x.text(), y.text()),
            Condition::Or(x, y) => format!("({}) OR ({})", x.text(), y.text()),
        }
    }
    fn value(&self, a: Option<f64>, b: Option<f64>, s: Option<&str>) -> Option<bool> {
        let of = |c: &bool| if *c { a } else { b };
        match self {
            Condition::Compare(l, op, r) => {
                let (x, y) = (of(l)?, r.as_ref().map_or_else(|n| Some(f64::from(*n)), of)?);
                Some(match *op {
                    "=" => x == y,
                    "<>" => x != y,
                    "<" => x < y,
                    "<=" => x <= y,
                    ">" => x > y,
                    _ => x >= y,
                })
            }
            Condition::Between(c, lo, hi) => of(c).map(|x| x >= f64::from(*lo) && x <= f64::from(*hi)),
            Condition::In(list) => s.map(|s| list.contains(&s)),
            Condition::IsNull(c) => Some(of(c).is_none()),
            Condition::Not(x) => x.value(a, b, s).map(|v| !v),
            Condition::And(x, y) => match (x.value(a, b, s), y.value(a, b, s)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Condition::Or(x, y) => match (x.value(a, b, s), y.value(a, b, s)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
        }
    }
}

fn condition() -> impl Strategy<Value = Condition> {
    let operator = prop_oneof![Just("="), Just("<>"), Just("<"), Just("<="), Just(">"), Just(">=")];
    let leaf = prop_oneof![
        4 => (any::<bool>(), operator, prop_oneof![any::<bool>().prop_map(Ok), (-2_i32..3).prop_map(Err)])
            .prop_map(|(l, op, r)| Condition::Compare(l, op, r)),
        1 => (any::<bool>(), -2_i32..1, 0_i32..3).prop_map(|(c, lo, hi)| Condition::Between(c, lo, hi)),
        1 => vec(prop_oneof![Just("a"), Just("b"), Just("ab"), Just("")], 1..3).prop_map(Condition::In),
        1 => any::<bool>().prop_map(Condition::IsNull),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|x| Condition::Not(Box::new(x))),
            (inner.clone(), inner.clone()).prop_map(|(x, y)| Condition::And(Box::new(x), Box::new(y))),
            (inner.clone(), inner).prop_map(|(x, y)| Condition::Or(Box::new(x), Box::new(y))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn values_of_doubles(v in vec(odd(), 1..40), shard in 1_usize..9, batch in 1_usize..9) {
        let text = "taster: 1\ncolumns:\n  a: {required: true, allowed: [0, 0.5, 1, 1.5], forbidden: [-1, 0], multiple_of: 1, finite: true, unique: true}\n";
        let r = both(text, vec![("a", doubles(v.clone()))], shard, batch);
        let n = v.len();
        let is = |i: usize, wrong: &dyn Fn(f64) -> bool| v[i].is_some_and(wrong);
        prop_assert_eq!(r.rows("C103"), at(n, |i| v[i].is_none()));
        prop_assert_eq!(r.rows("C105"), at(n, |i| is(i, &|x| ![0.0, 0.5, 1.0, 1.5].contains(&x))));
        prop_assert_eq!(r.rows("C106"), at(n, |i| is(i, &|x| x == -1.0 || x == 0.0)));
        prop_assert_eq!(r.rows("C112"), at(n, |i| is(i, &|x| x.fract() != 0.0)));
        prop_assert_eq!(r.rows("C113"), at(n, |i| is(i, &|x| !x.is_finite())));
        // Required, so that nulls are a key as well.
        let same = |i: usize, j: usize| match (v[i], v[j]) {
            (Some(x), Some(y)) => x == y || x.is_nan() && y.is_nan(),
            (x, y) => x.is_none() && y.is_none(),
        };
        prop_assert_eq!(r.rows("C104"), at(n, |i| (0..n).any(|j| i != j && same(i, j))));
        prop_assert_eq!(r.outcome("a: required").tested, n as u64);
        prop_assert_eq!(r.outcome("a: finite").tested, v.iter().flatten().count() as u64);
    }

    #[test]
    fn ranges_of_decimals_are_exact(v in vec(prop::option::of(-2000_i128..2000), 1..40), lo in -15_i64..0, hi in 0_i64..15, exclusive: bool, shard in 1_usize..9, batch in 1_usize..9) {
        // Two digits after the point; bounds with one, which no double holds.
        let bound = |x: i64| format!("{}{}.{}", if x < 0 { "-" } else { "" }, x.abs() / 10, x.abs() % 10);
        let text = format!("taster: 1\ncolumns:\n  a: {{range: {{min: {}, max: {}.01, exclusive: {exclusive}}}}}\n", bound(lo), hi);
        let array = Decimal128Array::from(v.clone()).with_precision_and_scale(12, 2).unwrap();
        let r = both(&text, vec![("a", Arc::new(array))], shard, batch);
        let (lo, hi) = (i128::from(lo) * 10, i128::from(hi) * 100 + 1);
        let outside = |x: i128| if exclusive { x <= lo || x >= hi } else { x < lo || x > hi };
        prop_assert_eq!(r.rows("C107"), at(v.len(), |i| v[i].is_some_and(outside)));
    }

    #[test]
    fn ranges_of_instants_heed_the_zone(v in vec(prop::option::of(-40_i64..40), 1..40), hours in 0_i64..4, offset in -3_i64..4, shard in 1_usize..9, batch in 1_usize..9) {
        // Quarters of an hour around midnight in UTC; the bound is written in another zone.
        let base = 1_700_006_400_000_000_i64;
        let quarter = 15 * 60 * 1_000_000;
        let zone: Arc<str> = "+02:00".into();
        let array = TimestampMicrosecondArray::from(v.iter().map(|x| x.map(|x| base + x * quarter)).collect::<Vec<_>>()).with_timezone(zone.clone());
        prop_assert_eq!(array.data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some(zone)));
        let sign = if offset < 0 { '-' } else { '+' };
        // 2023-11-15T00:00:00Z + `hours`, as a clock at `offset` shows it.
        let shown = chrono::DateTime::from_timestamp_micros(base + (hours + offset) * 4 * quarter).unwrap().format("%Y-%m-%dT%H:%M:%S");
        let text = format!("taster: 1\ncolumns:\n  a: {{range: {{min: '{shown}{sign}0{}:00'}}}}\n", offset.abs());
        let r = both(&text, vec![("a", Arc::new(array))], shard, batch);
        prop_assert_eq!(r.rows("C107"), at(v.len(), |i| v[i].is_some_and(|x| x < hours * 4)));
    }

    #[test]
    fn keys_of_two_columns(rows in vec((odd(), word()), 1..40), shard in 1_usize..9, batch in 1_usize..9) {
        let (a, s): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let n = a.len();
        let text = "taster: 1\nrules:\n  - unique: [a, s]\n  - different: [a, b]\n";
        let b: Vec<Option<f64>> = a.iter().rev().copied().collect();
        let r = both(text, vec![("a", doubles(a.clone())), ("s", texts(&s)), ("b", doubles(b.clone()))], shard, batch);
        let (ka, ks) = (cells_of(&a), words_of(&s));
        prop_assert_eq!(r.rows("C104"), crossed(&[&ka, &ks], n, |_, _| true));
        prop_assert_eq!(r.outcome("unique").tested, (0..n).filter(|&i| a[i].is_some() && s[i].is_some()).count() as u64);
        let kb = cells_of(&b);
        prop_assert_eq!(r.rows("C131"), at(n, |i| ka[i].same_key(&kb[i])));
    }

    #[test]
    fn labels_and_splits_cross(rows in vec((odd(), word(), word(), word()), 1..40), shard in 1_usize..9, batch in 1_usize..9) {
        let n = rows.len();
        let a: Vec<_> = rows.iter().map(|r| r.0).collect();
        let [s, y, split]: [Vec<_>; 3] = [|r: &(_, Option<String>, _, _)| r.1.clone(), |r: &(_, _, Option<String>, _)| r.2.clone(), |r: &(_, _, _, Option<String>)| r.3.clone()].map(|f| rows.iter().map(f).collect());
        let text = "taster: 1\ncolumns: {y: {role: label}, part: {role: split}}\nrules:\n  - same_input: [a, s]\n  - disjoint_splits: {keys: [s]}\n";
        let r = both(text, vec![("a", doubles(a.clone())), ("s", texts(&s)), ("y", texts(&y)), ("part", texts(&split))], shard, batch);
        let (ka, ks) = (cells_of(&a), words_of(&s));
        let differ = |of: &[Option<String>], i: usize, j: usize| of[i].is_some() && of[j].is_some() && of[i] != of[j];
        prop_assert_eq!(r.rows("C133"), crossed(&[&ka, &ks], n, |i, j| differ(&y, i, j)));
        prop_assert_eq!(r.rows("C134"), crossed(&[&ks], n, |i, j| differ(&split, i, j)));
    }

    #[test]
    fn shares_are_compared_exactly(v in vec(word(), 1..40), most in 1_u32..100, shard in 1_usize..9, batch in 1_usize..9) {
        let text = format!("taster: 1\ncolumns:\n  y: {{role: label, null_share: {{max: {most}%}}, most_common: {{in: [a, b, ab]}}, distinct_values: {{inside: [a, b, aa, ab, '']}}}}\nrules:\n  - label_share: {{max: {most}%}}\n");
        let r = both(&text, vec![("y", texts(&v))], shard, batch);
        let held: Vec<&String> = v.iter().flatten().collect();
        let nulls = v.len() - held.len();
        let status = |title: &str| r.outcome(title).status.clone();
        let verdict = |ok: bool| if ok { Status::Pass } else { Status::Fail };
        prop_assert_eq!(status("y: null_share"), verdict(nulls * 100 <= most as usize * v.len()));
        let count = |w: &str| held.iter().filter(|h| h.as_str() == w).count();
        let top = held.iter().map(|w| count(w)).max().unwrap_or(0);
        if held.is_empty() {
            prop_assert!(matches!(status("label_share"), Status::NotEvaluated(_)));
            prop_assert!(matches!(status("y: most_common"), Status::NotEvaluated(_)));
        } else {
            prop_assert_eq!(status("label_share"), verdict(top * 100 <= most as usize * held.len()));
            let winners: Vec<&str> = held.iter().map(|w| w.as_str()).filter(|w| count(w) == top).collect();
            let one = winners.iter().all(|w| *w == winners[0]);
            prop_assert_eq!(status("y: most_common"), verdict(one && ["a", "b", "ab"].contains(&winners[0])));
            prop_assert_eq!(status("y: distinct_values"), verdict(held.iter().all(|w| ["a", "b", "aa", "ab", ""].contains(&w.as_str()))));
        }
        prop_assert!(r.hits.is_empty());
    }

    #[test]
    fn sums_of_integers_do_not_wrap(rows in vec((prop_oneof![Just(None), Just(Some(i64::MAX)), Just(Some(i64::MIN)), (-5_i64..5).prop_map(Some)], prop_oneof![Just(None), Just(Some(i64::MAX)), (-5_i64..5).prop_map(Some)]), 1..40), total in -3_i64..3, shard in 1_usize..9, batch in 1_usize..9) {
        let (a, b): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let text = format!("taster: 1\nrules:\n  - sums: {{columns: [a, b], total: {total}}}\n");
        let r = both(&text, vec![("a", ints(a.clone())), ("b", ints(b.clone()))], shard, batch);
        let wrong = |i: usize| matches!((a[i], b[i]), (Some(x), Some(y)) if i128::from(x) + i128::from(y) != i128::from(total));
        prop_assert_eq!(r.rows("C127"), at(a.len(), wrong));
    }

    #[test]
    fn tolerance_is_a_share_of_the_rows_tested(v in vec(prop::option::of(-3_i64..3), 1..60), tenths in 1_u32..999, shard in 1_usize..9, batch in 1_usize..9) {
        let text = format!("taster: 1\ncolumns:\n  a: {{range: {{min: 0}}, tolerance: {}.{}%}}\n", tenths / 10, tenths % 10);
        let r = both(&text, vec![("a", ints(v.clone()))], shard, batch);
        let tested = v.iter().flatten().count() as u64;
        let failing = v.iter().flatten().filter(|x| **x < 0).count() as u64;
        let o = r.outcome("a: range");
        prop_assert_eq!((o.tested, o.failing), (tested, failing));
        prop_assert_eq!(&o.status, if failing * 1000 <= u64::from(tenths) * tested { &Status::Pass } else { &Status::Fail });
    }
}

/// Mean and sample deviation, by the textbook.
fn moments(v: &[f64]) -> (f64, f64) {
    let n = v.len() as f64;
    let mean = v.iter().sum::<f64>() / n;
    (mean, (v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
}

fn near(got: Option<f64>, want: f64) -> bool {
    got.is_some_and(|g| (g - want).abs() <= 1e-9 * want.abs().max(1.0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn aggregates_of_doubles(v in vec(prop::option::of(-400_i32..400), 3..60), bad in prop::option::weighted(0.2, prop_oneof![Just(f64::NAN), Just(f64::INFINITY)]), shard in 1_usize..9, batch in 1_usize..9) {
        let bounds = "{min: -1000, max: 1000}";
        let text = format!("taster: 1\ncolumns:\n  a: {{mean: {bounds}, std: {{min: 0, max: 1000}}, sum: {{min: -99999, max: 99999}}, median: {bounds}, largest: {bounds}, smallest: {bounds}, unique_share: {{min: 0%}}, z_score: {{max: 1.5}}}}\n");
        let mut all: Vec<Option<f64>> = v.iter().map(|x| x.map(|x| f64::from(x) / 8.0)).collect();
        all.extend(bad.map(Some));
        let r = both(&text, vec![("a", doubles(all.clone()))], shard, batch);
        let mut held: Vec<f64> = all.iter().flatten().copied().collect();
        prop_assume!(held.len() > 2);
        let status = |name: &str| r.outcome(&format!("a: {name}")).status.clone();
        if let Some(bad) = bad {
            // What is no number, or has no end, meets no bound that it enters.
            for name in ["mean", "std", "sum", "largest"] {
                prop_assert_eq!(status(name), Status::Fail, "{} of {}", name, bad);
            }
            return Ok(());
        }
        let (mean, std) = moments(&held);
        let value = |name: &str| r.outcome(&format!("a: {name}")).statistic;
        prop_assert!(near(value("mean"), mean) && near(value("std"), std) && near(value("sum"), held.iter().sum()));
        let far = |x: f64| std > 0.0 && ((x - mean) / std).abs() > 1.5;
        let decided = all.iter().flatten().all(|x| (((x - mean) / std).abs() - 1.5).abs() > 1e-9);
        if decided {
            prop_assert_eq!(r.rows("C119"), at(all.len(), |i| all[i].is_some_and(far)));
        }
        let mut distinct = held.clone();
        distinct.sort_by(f64::total_cmp);
        distinct.dedup();
        prop_assert!(near(value("unique_share"), distinct.len() as f64 / held.len() as f64));
        held.sort_by(f64::total_cmp);
        let n = held.len();
        prop_assert!(near(value("median"), f64::midpoint(held[(n - 1) / 2], held[n / 2])));
        prop_assert!(near(value("largest"), held[n - 1]) && near(value("smallest"), held[0]));
    }

    #[test]
    fn columns_hang_together(rows in vec((prop::option::of(-9_i64..9), prop::option::of(-9_i64..9)), 4..60), shard in 1_usize..9, batch in 1_usize..9) {
        let (a, b): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
        let text = "taster: 1\nrules:\n  - correlation: {columns: [a, b], min: -1}\n    name: r\n  - cramers_v: {columns: [a, b], min: 0}\n    name: v\n";
        let r = both(text, vec![("a", ints(a)), ("b", ints(b))], shard, batch);
        let pairs: Vec<(i64, i64)> = rows.iter().filter_map(|(x, y)| Some(((*x)?, (*y)?))).collect();
        let of = |f: fn(&(i64, i64)) -> i64| pairs.iter().map(|p| f(p) as f64).collect::<Vec<_>>();
        let (x, y) = (of(|p| p.0), of(|p| p.1));
        prop_assume!(pairs.len() > 2);
        let ((mx, sx), (my, sy)) = (moments(&x), moments(&y));
        let n = pairs.len() as f64;
        if sx > 0.0 && sy > 0.0 {
            let covariance = x.iter().zip(&y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>() / (n - 1.0);
            prop_assert!(near(r.outcome("r").statistic, covariance / (sx * sy)));
            let count = |f: &dyn Fn(&(i64, i64)) -> bool| pairs.iter().filter(|p| f(p)).count() as f64;
            let values = |f: fn(&(i64, i64)) -> i64| {
                let mut v: Vec<i64> = pairs.iter().map(f).collect();
                v.sort_unstable();
                v.dedup();
                v
            };
            let (us, vs) = (values(|p| p.0), values(|p| p.1));
            let mut chi = 0.0;
            for u in &us {
                for w in &vs {
                    let expected = count(&|p| p.0 == *u) * count(&|p| p.1 == *w) / n;
                    chi += (count(&|p| p == &(*u, *w)) - expected).powi(2) / expected;
                }
            }
            let smaller = us.len().min(vs.len()) as f64 - 1.0;
            prop_assert!(near(r.outcome("v").statistic, (chi / n / smaller).sqrt()), "{:?}", r.outcome("v"));
        }
    }
}

#[cfg(feature = "polars")]
proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn conditions_mean_what_three_valued_logic_says(rows in vec((odd(), odd(), word()), 1..30), c in condition(), when in prop::option::of(condition()), shard in 1_usize..9, batch in 1_usize..9) {
        let (mut text, n) = (format!("taster: 1\nrules:\n  - name: it\n    expression: >-\n      {}\n", c.text()), rows.len());
        if let Some(w) = &when {
            text.push_str(&format!("    when: >-\n      {}\n", w.text()));
        }
        let columns = vec![
            ("a", doubles(rows.iter().map(|r| r.0).collect())),
            ("b", doubles(rows.iter().map(|r| r.1).collect())),
            ("s", texts(&rows.iter().map(|r| r.2.clone()).collect::<Vec<_>>())),
        ];
        let r = both(&text, columns, shard, batch);
        let value = |i: usize, c: &Condition| c.value(rows[i].0, rows[i].1, rows[i].2.as_deref());
        let chosen = |i: usize| when.as_ref().is_none_or(|w| value(i, w) == Some(true));
        prop_assert_eq!(r.rows("C121"), at(n, |i| chosen(i) && value(i, &c) == Some(false)), "{}", text);
        prop_assert_eq!(r.outcome("it").tested, (0..n).filter(|&i| chosen(i) && value(i, &c).is_some()).count() as u64);
    }
}
