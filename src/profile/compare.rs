//! Two columns as two distributions: the same cells, or two samples of numbers, whatever each side
//! could still hold exactly. Where one side has only buckets or hash cells, the other is seen through
//! the same ones, so that both are blurred alike.

use super::{Column, Content, Numbers, Texts};
use crate::sketch::values::{self, Values};
use crate::stats::drift::{self, Measured, Statistic};
use serde::{Deserialize, Serialize};

/// Numbers with at most this many distinct values in the baseline are compared value by value.
const FEW: usize = 20;
/// Bins of other numbers: the baseline's quantiles, which is the custom for PSI.
const BINS: u32 = 10;

/// One column against its baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    pub measured: Measured,
    /// Rows compared: without nulls (and NaN) where numbers are.
    pub base_rows: u64,
    pub rows: u64,
    /// Shares of nulls, before and now.
    pub nulls: (f64, f64),
    /// Share of these rows in categories that the baseline lacks; `None` where nobody can tell.
    pub unseen: Option<f64>,
    /// The most frequent of these categories, at most three.
    pub news: Vec<String>,
    /// The textbook value may be off by this much, since a side was no longer held exactly.
    pub error: Option<f64>,
    /// What was compared, for a person: `5 categories`, `10 bins`, `values`.
    pub by: String,
}

/// # Errors
/// Why the two cannot be compared, as a sentence.
pub fn compare(base: &Column, now: &Column, statistic: Statistic, limit: f64, alpha: f64) -> Result<Compared, String> {
    for (side, column) in [("the baseline", base), ("the data", now)] {
        if column.rows == 0 {
            return Err(format!("{side} has no rows"));
        }
        if column.present() == 0 {
            return Err(format!("every row of {side} is null"));
        }
    }
    let nulls = (base.nulls as f64 / base.rows as f64, now.nulls as f64 / now.rows as f64);
    match (&base.content, &now.content) {
        (Content::Numbers(b), Content::Numbers(n)) => {
            let timed = |kind: &str| ["date", "time", "duration"].iter().any(|t| kind.starts_with(t));
            if base.kind != now.kind && (timed(&base.kind) || timed(&now.kind)) {
                return Err(format!("the baseline's column is {}, here it is {}", base.kind, now.kind));
            }
            let (b, n) = (b.clone(), n.clone());
            let mut out = if statistic.is_on_cells() {
                binned(&b, &n, (base.nulls, now.nulls), statistic, limit, alpha)
            } else {
                sampled(&b, &n, statistic, limit, alpha)?
            };
            out.nulls = nulls;
            Ok(out)
        }
        (Content::Texts(b), Content::Texts(n)) if statistic.is_on_cells() => {
            Ok(Compared { nulls, ..categories(b, n, (base.nulls, now.nulls), statistic, limit, alpha) })
        }
        (Content::Texts(_), Content::Texts(_)) => Err(format!("{} compares numbers", statistic.name())),
        _ => Err(format!("the baseline's column is {}, here it is {}", base.kind, now.kind)),
    }
}

/// Distinct values in ascending order with their counts.
type Sample = Vec<(f64, u64)>;

/// Both exactly, or both in buckets.
fn alike(base: &Values, now: &Values) -> (Sample, Sample, bool) {
    if base.is_exact() && now.is_exact() {
        return (base.sample(), now.sample(), true);
    }
    let blurred = |v: &Values| {
        let mut v = v.clone();
        v.collapse();
        v.sample()
    };
    (blurred(base), blurred(now), false)
}

fn sampled(base: &Numbers, now: &Numbers, statistic: Statistic, limit: f64, alpha: f64) -> Result<Compared, String> {
    let (b, n, exact) = alike(&base.values, &now.values);
    let (base_rows, rows) = (crate::stats::ecdf::size(&b), crate::stats::ecdf::size(&n));
    if base_rows == 0 || rows == 0 {
        return Err(format!("{} has no number that is not NaN", if rows == 0 { "the data" } else { "the baseline" }));
    }
    let measured = drift::of_numbers(statistic, &b, &n, limit, alpha);
    if measured.value.is_nan() {
        return Err("infinite values have no distance".into());
    }
    let error = (!exact).then(|| {
        let widest = |s: &[(f64, u64)], rows: u64| s.iter().map(|(_, c)| *c).max().unwrap_or(0) as f64 / rows as f64;
        let size = |s: &[(f64, u64)], rows: u64| s.iter().map(|(v, c)| v.abs() * *c as f64).sum::<f64>() / rows as f64;
        match statistic {
            // Within a bucket nobody knows the order: either function may be off by its share there.
            Statistic::Ks => widest(&b, base_rows).max(widest(&n, rows)),
            _ => values::ERROR * (size(&b, base_rows) + size(&n, rows)),
        }
    });
    Ok(Compared { measured, base_rows, rows, nulls: (0.0, 0.0), unseen: None, news: Vec::new(), error, by: "values".into() })
}

fn binned(base: &Numbers, now: &Numbers, nulls: (u64, u64), statistic: Statistic, limit: f64, alpha: f64) -> Compared {
    let (b, n, exact) = alike(&base.values, &now.values);
    let (mut x, mut y, by);
    if exact && b.len() <= FEW {
        // One cell per value of the baseline, and one for every other value.
        (x, y) = (vec![0; b.len() + 1], vec![0; b.len() + 1]);
        b.iter().enumerate().for_each(|(i, (_, c))| x[i] += c);
        for (v, c) in &n {
            y[b.binary_search_by(|o| o.0.total_cmp(v)).unwrap_or(b.len())] += c;
        }
        by = crate::error::plural(b.len(), "value");
    } else {
        let cuts = (1..BINS).filter_map(|i| values::quantile(&b, f64::from(i) / f64::from(BINS)));
        let mut edges: Vec<f64> = cuts.collect();
        edges.dedup();
        let fill = |sample: &[(f64, u64)]| {
            let mut counts = vec![0; edges.len() + 1];
            sample.iter().for_each(|(v, c)| counts[edges.partition_point(|e| e < v)] += c);
            counts
        };
        (x, y) = (fill(&b), fill(&n));
        by = crate::error::plural(edges.len() + 1, "bin");
    }
    for (before, after) in [nulls, (base.nan, now.nan)] {
        x.push(before);
        y.push(after);
    }
    let measured = drift::of_cells(statistic, &x, &y, limit, alpha);
    Compared {
        measured,
        base_rows: x.iter().sum(),
        rows: y.iter().sum(),
        nulls: (0.0, 0.0),
        unseen: None,
        news: Vec::new(),
        error: None,
        by,
    }
}

/// A category may be a whole text.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 40;
    if text.chars().count() <= SHOWN { text.to_owned() } else { text.chars().take(SHOWN).chain(['…']).collect() }
}

fn categories(base: &Texts, now: &Texts, nulls: (u64, u64), statistic: Statistic, limit: f64, alpha: f64) -> Compared {
    let (x, y, unseen, news, by) = match (base.categories.counts(), now.categories.counts()) {
        (Some(b), Some(n)) => {
            let mut all: Vec<&str> = b.iter().chain(&n).map(|(t, _)| *t).collect();
            all.sort_unstable();
            all.dedup();
            let count = |side: &[(&str, u64)], t: &str| side.binary_search_by(|o| o.0.cmp(t)).map_or(0, |i| side[i].1);
            let x: Vec<u64> = all.iter().map(|t| count(&b, t)).collect();
            let y: Vec<u64> = all.iter().map(|t| count(&n, t)).collect();
            let new: u64 = x.iter().zip(&y).filter(|(x, _)| **x == 0).map(|(_, y)| y).sum();
            let mut news: Vec<(&str, u64)> =
                all.iter().zip(x.iter().zip(&y)).filter(|(_, (x, _))| **x == 0).map(|(t, (_, y))| (*t, *y)).collect();
            news.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
            let news = news.into_iter().take(3).map(|(t, _)| shortened(t)).collect();
            let share = new as f64 / y.iter().sum::<u64>().max(1) as f64;
            let by =
                if all.len() == 1 { "1 category".into() } else { format!("{} categories", crate::error::group_digits(all.len() as u64)) };
            (x, y, Some(share), news, by)
        }
        // Texts that share a cell are told apart no more: the statistic can only come out smaller.
        _ => (base.categories.hashed(), now.categories.hashed(), None, Vec::new(), "hash cells".to_owned()),
    };
    let (mut x, mut y) = drift::lump(&x, &y);
    x.push(nulls.0);
    y.push(nulls.1);
    let measured = drift::of_cells(statistic, &x, &y, limit, alpha);
    Compared { measured, base_rows: x.iter().sum(), rows: y.iter().sum(), nulls: (0.0, 0.0), unseen, news, error: None, by }
}
