//! An expectation as a contract. What the contract language says in another way is said in that way
//! (a comparison of two columns is an expression); what it cannot say is refused with the reason.

use arrow::array::RecordBatch;
use arrow::datatypes::DataType;
use serde_json::{Map, Value, json};
use taster::contract::loose_date;

type Said = Result<Vec<String>, String>;

/// The contracts of which one must hold.
pub fn contracts(kind: &str, a: &Value, frame: &RecordBatch) -> Said {
    let t = Test { a, frame, tolerance: tolerance(a)?, when: when(a)? };
    let name = kind.strip_prefix("expect_").unwrap_or(kind).to_lowercase();
    let name = name.as_str();
    if t.when.is_some() {
        return t.conditional(name);
    }
    t.plain(name)
}

struct Test<'a> {
    a: &'a Value,
    frame: &'a RecordBatch,
    tolerance: Option<String>,
    when: Option<String>,
}

/// `mostly: 0.9` tolerates a tenth, in decimal.
fn tolerance(a: &Value) -> Result<Option<String>, String> {
    match a["mostly"].as_f64() {
        None => Ok(None),
        Some(m) if m >= 1.0 => Ok(None),
        Some(m) => {
            let share = format!("{:.12}", 1.0 - m);
            let share = share.trim_end_matches('0').trim_end_matches('.');
            Ok(Some(if share == "1" { "100%".into() } else { share.to_owned() }))
        }
    }
}

/// A condition of pandas as an expression.
fn when(a: &Value) -> Result<Option<String>, String> {
    let Some(text) = a["row_condition"].as_str() else { return Ok(None) };
    if a["condition_parser"] != "pandas" {
        return Err("a row condition in another language than pandas'".into());
    }
    let text = text.replace("==", "=").replace("!=", "<>").replace('&', " AND ").replace('|', " OR ").replace('"', "'");
    if text.contains(['`', '.']) && text.contains('(') && text.contains(").") {
        return Err("a row condition that calls methods".into());
    }
    Ok(Some(text))
}

/// Digits of a share that may be 1.
fn share(v: &Value) -> Option<String> {
    let n = v.as_f64()?;
    Some(if n >= 1.0 { "100%".into() } else { v.to_string() })
}

fn contract(body: Value) -> String {
    let mut all = Map::new();
    all.insert("taster".into(), json!(1));
    if let Value::Object(body) = body {
        all.extend(body);
    }
    Value::Object(all).to_string()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Test<'_> {
    fn column(&self) -> Result<&str, String> {
        self.a["column"].as_str().or_else(|| self.a[0].as_str()).ok_or_else(|| "a test without a column".into())
    }
    fn kind_of(&self, column: &str) -> Option<DataType> {
        self.frame.schema().field_with_name(column).ok().map(|f| f.data_type().clone())
    }
    /// One setting of the tested column.
    fn column_says(&self, settings: Value) -> Said {
        let mut settings = settings;
        if let Some(t) = &self.tolerance {
            settings["tolerance"] = json!(t);
        }
        let mut columns = Map::new();
        columns.insert(self.column()?.to_owned(), settings);
        Ok(vec![contract(json!({"columns": columns}))])
    }
    fn rule_says(&self, rule: Value) -> Said {
        Ok(vec![contract(json!({"rules": [rule]}))])
    }
    fn expression(&self, text: String) -> Said {
        let mut rule = json!({"expression": text});
        if let Some(t) = &self.tolerance {
            rule["tolerance"] = json!(t);
        }
        if let Some(w) = &self.when {
            rule["when"] = json!(w);
        }
        self.rule_says(rule)
    }
    /// A value as the column's type writes it.
    fn literal(&self, column: &str, v: &Value) -> Result<Value, String> {
        let v = match v["$PARAMETER"].as_str() {
            Some(p) => parameter(p).ok_or_else(|| format!("the evaluation parameter `{p}`"))?,
            None => v.clone(),
        };
        match (self.kind_of(column), &v) {
            (Some(DataType::Timestamp(_, zone)), Value::String(s)) => {
                let (at, offset) = loose_date::parse(s).ok_or_else(|| format!("`{s}` as a time"))?;
                let utc = at - chrono::Duration::seconds(offset.unwrap_or(0).into());
                let text = utc.format("%Y-%m-%dT%H:%M:%S%.9f").to_string();
                Ok(json!(if zone.is_some() { format!("{text}Z") } else { text }))
            }
            (Some(DataType::Float64), Value::Number(n)) if n.is_f64() => Ok(v),
            _ => Ok(v),
        }
    }
    fn literals(&self, column: &str, list: &Value) -> Result<Vec<Value>, String> {
        let items = list.as_array().ok_or("a set that is no list")?;
        // Null is absence here, and in no set.
        items.iter().filter(|v| !v.is_null()).map(|v| self.literal(column, v)).collect()
    }
    /// A literal of SQL.
    fn sql(&self, column: &str, v: &Value) -> Result<String, String> {
        let v = self.literal(column, v)?;
        Ok(match v {
            Value::String(s) => format!("'{}'", s.replace('\'', "''")),
            other => other.to_string(),
        })
    }
    /// `min_value`, `max_value` and whether the ends belong, as bounds on a number of the dataset.
    fn bounds(&self, column: &str) -> Result<Option<Value>, String> {
        let mut out = Map::new();
        for (end, strict, with, without) in [("min_value", "strict_min", "min", "above"), ("max_value", "strict_max", "max", "below")] {
            if !self.a[end].is_null() {
                let key = if self.a[strict] == true { without } else { with };
                out.insert(key.into(), self.literal(column, &self.a[end])?);
            }
        }
        Ok((!out.is_empty()).then_some(Value::Object(out)))
    }
    /// A check of the whole column that bounds nothing still needs its column.
    fn bounded(&self, key: &str) -> Said {
        let column = self.column()?;
        match self.bounds(column)? {
            Some(bounds) => self.column_says(json!({ key: bounds })),
            None => self.column_says(json!({})),
        }
    }
    fn shares(&self, key: &str) -> Said {
        let mut out = Map::new();
        for (end, name) in [("min_value", "min"), ("max_value", "max")] {
            if let Some(s) = share(&self.a[end]) {
                out.insert(name.into(), json!(s));
            }
            if self.a[end.replace("_value", "").as_str()] == true {
                return Err("a strict bound on a share".into());
            }
        }
        if self.a["strict_min"] == true || self.a["strict_max"] == true {
            return Err("a strict bound on a share".into());
        }
        self.column_says(if out.is_empty() { json!({}) } else { json!({ key: out }) })
    }
    /// Bounds on a whole number, where an excluded end is the next number.
    fn counts(&self) -> Result<Option<Value>, String> {
        let mut out = Map::new();
        if let Some(v) = self.a["value"].as_u64() {
            return Ok(Some(json!({"min": v, "max": v})));
        }
        if let Some(min) = self.a["min_value"].as_f64() {
            out.insert("min".into(), json!(if self.a["strict_min"] == true { min.floor() + 1.0 } else { min.ceil() }.max(0.0) as u64));
        }
        if let Some(max) = self.a["max_value"].as_f64() {
            let most = if self.a["strict_max"] == true { max.ceil() - 1.0 } else { max.floor() };
            if most < 0.0 {
                return Err("a count below zero".into());
            }
            out.insert("max".into(), json!(most as u64));
        }
        Ok((!out.is_empty()).then_some(Value::Object(out)))
    }

    fn plain(&self, name: &str) -> Said {
        let a = self.a;
        match name {
            "column_to_exist" => match a["column_index"].as_u64() {
                Some(i) => self.column_says(json!({"order": i})),
                None => self.column_says(json!({})),
            },
            "column_values_to_not_be_null" => self.column_says(json!({"required": true})),
            "column_values_to_be_null" => self.column_says(json!({"is_null": true})),
            "column_values_to_be_unique" => self.column_says(json!({"unique": true})),
            "column_values_to_be_between" => self.between(),
            "column_values_to_be_in_set" => {
                let set = self.literals(self.column()?, &a["value_set"])?;
                if a["value_set"].is_null() || set.is_empty() {
                    return Err("an empty set, which the contract language refuses".into());
                }
                self.column_says(json!({"allowed": set}))
            }
            "column_values_to_not_be_in_set" => {
                let set = self.literals(self.column()?, &a["value_set"])?;
                // Nothing is forbidden: nothing to say.
                self.column_says(if set.is_empty() { json!({}) } else { json!({"forbidden": set}) })
            }
            "column_values_to_be_of_type" => self.types(std::slice::from_ref(&a["type_"])),
            "column_values_to_be_in_type_list" => self.types(a["type_list"].as_array().ok_or("no list of types")?),
            "column_value_lengths_to_be_between" | "column_value_lengths_to_equal" => match self.counts()? {
                Some(counts) => self.column_says(json!({"length": counts})),
                None => Err("lengths without a bound".into()),
            },
            "column_values_to_match_regex" => self.column_says(json!({"pattern": a["regex"]})),
            "column_values_to_not_match_regex" => self.column_says(json!({"not_pattern": a["regex"]})),
            "column_values_to_match_regex_list" => {
                let quantifier = if a["match_on"] == "all" { "all" } else { "any" };
                self.column_says(json!({"patterns": {quantifier: a["regex_list"]}}))
            }
            "column_values_to_not_match_regex_list" => self.column_says(json!({"not_pattern": a["regex_list"]})),
            "column_values_to_match_like_pattern" => self.column_says(json!({"like": a["like_pattern"]})),
            "column_values_to_not_match_like_pattern" => self.column_says(json!({"not_like": a["like_pattern"]})),
            "column_values_to_match_like_pattern_list" if a["match_on"] != "all" => {
                self.column_says(json!({"like": a["like_pattern_list"]}))
            }
            "column_values_to_not_match_like_pattern_list" => self.column_says(json!({"not_like": a["like_pattern_list"]})),
            "column_values_to_match_strftime_format" => self.column_says(json!({"time_format": a["strftime_format"]})),
            "column_values_to_be_dateutil_parseable" => self.column_says(json!({"format": "any-date"})),
            "column_values_to_be_json_parseable" => self.column_says(json!({"json": true})),
            "column_values_to_match_json_schema" => self.column_says(json!({"json_schema": a["json_schema"]})),
            "column_values_to_be_increasing" | "column_values_to_be_decreasing" => {
                let key = name.strip_prefix("column_values_to_be_").unwrap_or(name);
                self.column_says(json!({ key: if a["strictly"] == true { json!("strictly") } else { json!(true) } }))
            }
            "column_value_z_scores_to_be_less_than" => {
                let sides = if a["double_sided"] == true { "both" } else { "upper" };
                self.column_says(json!({"z_score": {"below": a["threshold"], "sides": sides}}))
            }
            "column_mean_to_be_between" => self.bounded("mean"),
            "column_median_to_be_between" => self.bounded("median"),
            "column_stdev_to_be_between" => self.bounded("std"),
            "column_sum_to_be_between" => self.bounded("sum"),
            "column_min_to_be_between" => self.bounded("smallest"),
            "column_max_to_be_between" => self.bounded("largest"),
            "column_quantile_values_to_be_between" => self.quantiles(),
            "column_unique_value_count_to_be_between" => match self.counts()? {
                Some(counts) => self.column_says(json!({"distinct": counts})),
                None => self.column_says(json!({})),
            },
            "column_proportion_of_unique_values_to_be_between" => self.shares("unique_share"),
            "column_distinct_values_to_be_in_set" => self.distinct("inside"),
            "column_distinct_values_to_contain_set" => self.distinct("contain"),
            "column_distinct_values_to_equal_set" => self.distinct("equal"),
            "column_most_common_value_to_be_in_set" => {
                let set = self.literals(self.column()?, &a["value_set"])?;
                self.column_says(json!({"most_common": {"in": set, "ties": a["ties_okay"] == true}}))
            }
            "table_column_count_to_be_between" | "table_column_count_to_equal" => match self.counts()? {
                Some(counts) => self.rule_says(json!({"column_count": counts})),
                None => Ok(vec![contract(json!({"rules": [{"column_count": {"min": 0}}]}))]),
            },
            "table_row_count_to_be_between" | "table_row_count_to_equal" => match self.counts()? {
                Some(counts) => self.rule_says(json!({"rows": counts})),
                None => self.rule_says(json!({"rows": {"min": 0}})),
            },
            "table_columns_to_match_ordered_list" => match a["column_list"].as_array() {
                Some(list) if !list.is_empty() => self.rule_says(json!({"column_order": list})),
                _ => Err("an empty list of columns, which the contract language refuses".into()),
            },
            "table_columns_to_match_set" => {
                let names = a["column_set"].as_array().cloned().unwrap_or_default();
                let columns: Map<String, Value> = names.iter().filter_map(|n| Some((n.as_str()?.to_owned(), json!({})))).collect();
                let extra = if a["exact_match"] == false { "allow" } else { "forbid" };
                let mut body = json!({"extra_columns": extra});
                if !columns.is_empty() {
                    body["columns"] = Value::Object(columns);
                }
                Ok(vec![contract(body)])
            }
            "compound_columns_to_be_unique" => {
                let mut rule = json!({"unique": a["column_list"]});
                if let Some(t) = &self.tolerance {
                    rule["tolerance"] = json!(t);
                }
                if let Some(w) = &self.when {
                    rule["when"] = json!(w);
                }
                self.rule_says(rule)
            }
            "column_pair_values_to_be_equal" | "column_pair_values_a_to_be_greater_than_b" | "column_pair_values_to_be_in_set" => {
                self.pair(name)
            }
            "multicolumn_sum_to_equal" if self.when.is_some() => {
                let columns: Vec<String> =
                    a["column_list"].as_array().ok_or("no columns")?.iter().filter_map(Value::as_str).map(quoted).collect();
                self.expression(format!("{} = {}", columns.join(" + "), a["sum_total"]))
            }
            "multicolumn_sum_to_equal" => {
                let columns: Vec<&str> = a["column_list"].as_array().ok_or("no columns")?.iter().filter_map(Value::as_str).collect();
                let mut rule = json!({"sums": {"columns": columns, "total": a["sum_total"]}});
                if let Some(t) = &self.tolerance {
                    rule["tolerance"] = json!(t);
                }
                self.rule_says(rule)
            }
            "select_column_values_to_be_unique_within_record" => {
                let mut rule = json!({"different": a["column_list"]});
                if let Some(t) = &self.tolerance {
                    rule["tolerance"] = json!(t);
                }
                self.rule_says(rule)
            }
            "column_pair_cramers_phi_value_to_be_less_than" => {
                if a.as_object().is_some_and(|m| m.keys().any(|k| k.contains("bins"))) {
                    return Err("Cramer's phi over values that are put into bins first".into());
                }
                let most = a["threshold"].as_f64().unwrap_or(0.1);
                self.rule_says(json!({"cramers_v": {"columns": [a["column_A"], a["column_B"]], "max": most}}))
            }
            "column_chisquare_test_p_value_to_be_greater_than" => {
                let p = &a["partition_object"];
                let least = if a["p"].is_null() { json!(0.05) } else { a["p"].clone() };
                self.rule_says(json!({"shares": {"column": self.column()?, "values": p["values"], "weights": p["weights"], "p_value": {"above": least}}}))
            }
            "column_kl_divergence_to_be_less_than" => self.divergence(),
            "column_parameterized_distribution_ks_test_p_value_to_be_greater_than" => self.fits(),
            other => Err(format!("`{other}`: no rule of the contract language says this")),
        }
    }

    /// Checks of one column under a condition are expressions.
    fn conditional(&self, name: &str) -> Said {
        let a = self.a;
        let column = || self.column().map(quoted);
        let ends = |what: String| -> Result<String, String> {
            let mut parts = Vec::new();
            for (end, strict, with, without) in
                [("min_value", "strict_min", ">=", ">"), ("max_value", "strict_max", "<=", "<"), ("value", "", "=", "=")]
            {
                if !a[end].is_null() {
                    let op = if a[strict] == true { without } else { with };
                    parts.push(format!("{what} {op} {}", self.sql(self.column()?, &a[end])?));
                }
            }
            Ok(parts.join(" AND "))
        };
        let set = |column: &str| -> Result<String, String> {
            let items = a["value_set"].as_array().ok_or("a set that is no list")?;
            Ok(items.iter().map(|v| self.sql(column, v)).collect::<Result<Vec<_>, _>>()?.join(", "))
        };
        match name {
            "column_values_to_be_between" => self.expression(ends(column()?)?),
            "column_value_lengths_to_be_between" | "column_value_lengths_to_equal" => {
                self.expression(ends(format!("LENGTH({})", column()?))?)
            }
            "column_values_to_be_in_set" => self.expression(format!("{} IN ({})", column()?, set(self.column()?)?)),
            "column_values_to_not_be_in_set" => self.expression(format!("{} NOT IN ({})", column()?, set(self.column()?)?)),
            "column_values_to_not_be_null" => self.expression(format!("{} IS NOT NULL", column()?)),
            "column_values_to_be_null" => self.expression(format!("{} IS NULL", column()?)),
            "compound_columns_to_be_unique"
            | "multicolumn_sum_to_equal"
            | "column_pair_values_to_be_equal"
            | "column_pair_values_a_to_be_greater_than_b"
            | "column_pair_values_to_be_in_set" => self.plain(name),
            other => Err(format!("`{other}` under a row condition")),
        }
    }

    fn between(&self) -> Said {
        let column = self.column()?;
        let strict = (self.a["strict_min"] == true, self.a["strict_max"] == true);
        let (min, max) = (&self.a["min_value"], &self.a["max_value"]);
        // A range excludes both ends or none; one of two is said by an expression.
        if strict.0 != strict.1 && !min.is_null() && !max.is_null() {
            let (low, high) = (if strict.0 { ">" } else { ">=" }, if strict.1 { "<" } else { "<=" });
            let c = quoted(column);
            return self.expression(format!("{c} {low} {} AND {c} {high} {}", self.sql(column, min)?, self.sql(column, max)?));
        }
        let mut range = Map::new();
        for (key, v) in [("min", min), ("max", max)] {
            if !v.is_null() {
                range.insert(key.into(), self.literal(column, v)?);
            }
        }
        if strict.0 || strict.1 {
            range.insert("exclusive".into(), json!(true));
        }
        self.column_says(json!({"range": range}))
    }

    fn distinct(&self, how: &str) -> Said {
        let set = self.literals(self.column()?, &self.a["value_set"])?;
        if set.is_empty() {
            return Err("an empty set, which the contract language refuses".into());
        }
        self.column_says(json!({"distinct_values": {how: set}}))
    }

    fn quantiles(&self) -> Said {
        let ranges = &self.a["quantile_ranges"];
        let (Some(levels), Some(bounds)) = (ranges["quantiles"].as_array(), ranges["value_ranges"].as_array()) else {
            return Err("quantiles without ranges".into());
        };
        let mut out = Map::new();
        for (level, range) in levels.iter().zip(bounds) {
            let mut one = Map::new();
            for (key, v) in [("min", &range[0]), ("max", &range[1])] {
                if !v.is_null() {
                    one.insert(key.into(), self.literal(self.column()?, v)?);
                }
            }
            if !one.is_empty() {
                out.insert(level.to_string(), Value::Object(one));
            }
        }
        self.column_says(json!({"quantiles": out}))
    }

    /// Weights that are held out for what the partition leaves empty become weights of the contract.
    fn divergence(&self) -> Said {
        let a = self.a;
        let p = &a["partition_object"];
        let (Some(weights), Some(threshold)) = (p["weights"].as_array(), a["threshold"].as_f64()) else {
            return Err("a partition that the tool makes up from the data itself".into());
        };
        let number = |v: &Value| v.as_f64().or_else(|| v.as_str().and_then(|s| s.to_lowercase().replace("infinity", "inf").parse().ok()));
        let mut weights: Vec<f64> = weights.iter().filter_map(number).collect();
        let (tail, inner) = (a["tail_weight_holdout"].as_f64().unwrap_or(0.0), a["internal_weight_holdout"].as_f64().unwrap_or(0.0));
        // Empty cells share what is held out for them.
        let empty = weights.iter().filter(|w| **w == 0.0).count();
        let fill = if empty > 0 { inner } else { 0.0 };
        weights.iter_mut().for_each(|w| *w = if *w == 0.0 { fill / empty as f64 } else { *w * (1.0 - fill) });
        let mut rule = json!({"column": self.column()?, "kl": {"max": threshold}});
        if p["values"].is_array() {
            weights.iter_mut().for_each(|w| *w *= 1.0 - tail);
            rule["values"] = p["values"].clone();
            rule["other"] = json!(tail);
        } else {
            let mut bins: Vec<f64> = p["bins"].as_array().ok_or("a partition without bins")?.iter().filter_map(number).collect();
            let open = [bins.first() != Some(&f64::NEG_INFINITY), bins.last() != Some(&f64::INFINITY)];
            // Tails of their own come with the partition, or share what is held out for them.
            let own: Vec<f64> = p["tail_weights"].as_array().map(|t| t.iter().filter_map(number).collect()).unwrap_or_default();
            if own.is_empty() {
                let tails = open.iter().filter(|o| **o).count();
                weights.iter_mut().for_each(|w| *w *= if tails > 0 { 1.0 - tail } else { 1.0 });
                if open[0] {
                    bins.insert(0, f64::NEG_INFINITY);
                    weights.insert(0, tail / tails as f64);
                }
                if open[1] {
                    bins.push(f64::INFINITY);
                    weights.push(tail / tails as f64);
                }
            } else {
                bins.insert(0, f64::NEG_INFINITY);
                weights.insert(0, own[0]);
                bins.push(f64::INFINITY);
                weights.push(own.get(1).copied().unwrap_or(0.0));
            }
            let edge = |b: &f64| if b.is_infinite() { json!(if *b > 0.0 { ".inf" } else { "-.inf" }) } else { json!(b) };
            rule["bins"] = Value::Array(bins.iter().map(edge).collect());
        }
        rule["weights"] = json!(weights);
        self.rule_says(json!({"shares": rule}))
    }

    /// scipy's names of distributions and parameters, by name or in their order.
    fn fits(&self) -> Said {
        let a = self.a;
        let (ours, names): (&str, &[(&str, &str)]) = match a["distribution"].as_str().unwrap_or("") {
            "norm" => ("normal", &[("mean", "mean"), ("std_dev", "std")]),
            "uniform" => ("uniform", &[("min", "min"), ("max", "max")]),
            "expon" => ("exponential", &[("loc", "loc"), ("scale", "scale")]),
            "gamma" => ("gamma", &[("alpha", "alpha"), ("loc", "loc"), ("scale", "scale")]),
            "beta" => ("beta", &[("alpha", "alpha"), ("beta", "beta"), ("loc", "loc"), ("scale", "scale")]),
            "chi2" => ("chi2", &[("df", "df"), ("loc", "loc"), ("scale", "scale")]),
            other => return Err(format!("the distribution `{other}`")),
        };
        let mut parameters = Map::new();
        match &a["params"] {
            Value::Object(given) => {
                for (theirs, mine) in names {
                    if let Some(v) = given.get(*theirs) {
                        parameters.insert((*mine).into(), v.clone());
                    }
                }
                // What that tool calls `max` it hands to scipy as the width.
                if let (Some(low), Some(width), "uniform") =
                    (given.get("min").and_then(Value::as_f64), given.get("max").and_then(Value::as_f64), ours)
                {
                    parameters.insert("max".into(), json!(low + width));
                }
            }
            Value::Array(given) => {
                let shapes = names.iter().zip(given);
                parameters.extend(shapes.map(|((_, mine), v)| ((*mine).to_owned(), v.clone())));
                // scipy writes a uniform distribution as its lower end and its width.
                if ours == "uniform"
                    && let (Some(low), Some(width)) = (given.first().and_then(Value::as_f64), given.get(1).and_then(Value::as_f64))
                {
                    parameters.insert("max".into(), json!(low + width));
                }
            }
            Value::Null => {}
            _ => return Err("parameters that are no list".into()),
        }
        let least = if a["p_value"].is_null() { json!(0.05) } else { a["p_value"].clone() };
        let mut rule = json!({"column": self.column()?, "distribution": ours, "p_value": {"min": least}});
        if !parameters.is_empty() {
            rule["parameters"] = Value::Object(parameters);
        }
        self.rule_says(json!({"fits": rule}))
    }

    /// Names of types in Python, numpy and pandas.
    fn types(&self, names: &[Value]) -> Said {
        let column = self.column()?;
        let mut all = Vec::new();
        for name in names.iter().filter_map(Value::as_str) {
            let ours = match name.trim_start_matches("np.") {
                "int" | "int_" | "integer" | "INTEGER" | "long" => "integer",
                n @ ("int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64" | "float32" | "float16") => n,
                "Int64" | "Int64Dtype" => "int64",
                "float" | "float_" | "float64" | "double" | "Float64" => "float64",
                // Text is what an object column of one type holds here.
                "str" | "object" | "object_" | "O" | "string" | "StringDtype" | "str_" => "string",
                "bool" | "bool_" | "boolean" | "BooleanDtype" => "bool",
                "datetime" | "datetime64" | "datetime64[ns]" | "Timestamp" | "datetime_" | "datetime.datetime" => "timestamp(ns)",
                "DatetimeTZDtype" | "DatetimeTZDtypeType" | "datetime64[ns, UTC]" => "timestamp(ns, UTC)",
                "bytes" => "binary",
                "date" => "date",
                // Names of other engines' types are the type of no column here.
                _ => "null",
            };
            let mut columns = Map::new();
            let mut settings = json!({"type": ours});
            if let Some(t) = &self.tolerance {
                settings["tolerance"] = json!(t);
            }
            columns.insert(column.to_owned(), settings);
            all.push(contract(json!({"columns": columns})));
        }
        if all.is_empty() { Err("no type is named".into()) } else { Ok(all) }
    }

    fn pair(&self, name: &str) -> Said {
        let (a, b) = match (self.a["column_A"].as_str(), self.a["column_B"].as_str()) {
            (Some(a), Some(b)) => (a, b),
            _ => return Err("a pair without two columns".into()),
        };
        let (x, y) = (quoted(a), quoted(b));
        let holds = match name {
            "column_pair_values_to_be_equal" => format!("{x} = {y}"),
            "column_pair_values_a_to_be_greater_than_b" => format!("{x} {} {y}", if self.a["or_equal"] == true { ">=" } else { ">" }),
            _ => {
                let pairs = self.a["value_pairs_set"].as_array().ok_or("no pairs")?;
                let one = |p: &Value| -> Result<String, String> {
                    let part = |c: &str, q: &str, v: &Value| -> Result<String, String> {
                        Ok(if v.is_null() { format!("{q} IS NULL") } else { format!("{q} = {}", self.sql(c, v)?) })
                    };
                    Ok(format!("({} AND {})", part(a, &x, &p[0])?, part(b, &y, &p[1])?))
                };
                format!("({})", pairs.iter().map(one).collect::<Result<Vec<_>, _>>()?.join(" OR "))
            }
        };
        // A row of which one value is missing fails, unless such rows are to be left out.
        let (guarded, left_out) = match self.a["ignore_row_if"].as_str().unwrap_or("both_values_are_missing") {
            "either_value_is_missing" => (holds, Some(format!("{x} IS NOT NULL AND {y} IS NOT NULL"))),
            "both_values_are_missing" => {
                let guard = format!("{x} IS NOT NULL AND {y} IS NOT NULL AND {holds}");
                (guard, Some(format!("{x} IS NOT NULL OR {y} IS NOT NULL")))
            }
            _ => (format!("{x} IS NOT NULL AND {y} IS NOT NULL AND {holds}"), None),
        };
        let when = match (&self.when, left_out) {
            (Some(w), Some(l)) => Some(format!("({w}) AND ({l})")),
            (Some(w), None) => Some(w.clone()),
            (None, l) => l,
        };
        Test { when, tolerance: self.tolerance.clone(), ..*self }.expression(guarded)
    }
}

/// `now()`, `now() - timedelta(weeks=52)`, `datetime(2003, 1, 1)`.
fn parameter(text: &str) -> Option<Value> {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix("datetime(").and_then(|t| t.strip_suffix(')')) {
        let n: Vec<u32> = inner.split(',').map(|p| p.trim().parse().ok()).collect::<Option<_>>()?;
        let at = |i: usize| n.get(i).copied().unwrap_or(0);
        return Some(json!(format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", at(0), at(1), at(2), at(3), at(4), at(5))));
    }
    let rest = text.strip_prefix("now()")?.trim();
    let mut at = chrono::Utc::now().naive_utc();
    if !rest.is_empty() {
        let (sign, rest) = (if rest.starts_with('-') { -1 } else { 1 }, rest.trim_start_matches(['-', '+']).trim());
        for part in rest.strip_prefix("timedelta(")?.strip_suffix(')')?.split(',') {
            let (unit, n) = part.split_once('=')?;
            let n: i64 = n.split('*').map(|f| f.trim().parse::<i64>().ok()).product::<Option<i64>>()?;
            at += match unit.trim() {
                "weeks" => chrono::Duration::weeks(sign * n),
                "days" => chrono::Duration::days(sign * n),
                "hours" => chrono::Duration::hours(sign * n),
                "minutes" => chrono::Duration::minutes(sign * n),
                "seconds" => chrono::Duration::seconds(sign * n),
                _ => return None,
            };
        }
    }
    Some(json!(at.format("%Y-%m-%d %H:%M:%S%.f").to_string()))
}
