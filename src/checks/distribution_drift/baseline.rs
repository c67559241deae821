//! Opens the baselines that drift rules name: each file once, only below the contract's roots, and only
//! the columns that are asked for.

use super::Resolved;
use crate::contract::{DriftColumns, find};
use crate::error::{Diagnostic, Error, Result};
use crate::profile::{self, Column, Content, Detail, Profile};
use crate::rule::Context;
use crate::source::{OpenOptions, Source};
use std::collections::BTreeMap;

/// Against a data file numbers are compared exactly up to so many distinct values, all columns together.
const DISTINCT: usize = 1 << 21;
/// And no more than this in one column: 16 bytes each, per thread.
pub const EXACT: Detail = Detail { numbers: 1 << 20, texts: 1 << 16 };

/// The baseline's columns of each rule, in the order of `rules`, whose names shrink to what the baseline has where they
/// are `all`. Rules whose baseline cannot be read get none, and an error.
pub fn open(ctx: &Context<'_>, rules: &mut [Resolved<'_>], errors: &mut Vec<Diagnostic>) -> Vec<(Detail, Vec<Column>)> {
    let mut files: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, rule) in rules.iter().enumerate() {
        files.entry(rule.spec.baseline.value.clone()).or_default().push(i);
    }
    let mut out: Vec<(Detail, Vec<Column>)> = rules.iter().map(|_| (EXACT, Vec::new())).collect();
    for (file, users) in files {
        let mut wanted: Vec<String> = users.iter().flat_map(|&i| rules[i].names.iter().cloned()).collect();
        wanted.sort();
        wanted.dedup();
        let first = &rules[users[0]].spec.baseline;
        match read(ctx, &file, &wanted) {
            Err(d) => errors.push(d.at(first.span)),
            Ok((detail, columns)) => {
                for i in users {
                    out[i] = (detail, pick(&mut rules[i], &columns, errors));
                }
            }
        }
    }
    out
}

/// The columns of one rule among those of its baseline.
fn pick(rule: &mut Resolved<'_>, columns: &[Column], errors: &mut Vec<Diagnostic>) -> Vec<Column> {
    let all = matches!(rule.spec.columns, DriftColumns::All(_));
    let mut found = Vec::new();
    for name in &rule.names {
        match columns.iter().find(|c| c.name == *name) {
            Some(c) if all && matches!(&c.content, Content::Texts(t) if !t.categories.is_exact()) => {
                rule.left_out.push(format!("`{name}` (too many distinct texts)"));
            }
            Some(c) => found.push(c.clone()),
            None if all => rule.left_out.push(format!("`{name}` (not in the baseline)")),
            None => {
                let has: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
                let message = format!("the baseline `{}` has no column `{name}`", rule.spec.baseline.value);
                errors.push(Diagnostic::new("C150", message).at(rule.spec.baseline.span).help(format!("it has: {}", super::listing(&has))));
            }
        }
    }
    rule.names = found.iter().map(|c| c.name.clone()).collect();
    found
}

/// The wanted columns that the file has (of a profile: all), and how exactly they are held.
fn read(ctx: &Context<'_>, name: &str, wanted: &[String]) -> std::result::Result<(Detail, Vec<Column>), Diagnostic> {
    let wrong = |e: Error| {
        let help = match &e {
            Error::Usage { help: Some(h), .. } | Error::Data { help: Some(h), .. } => h.clone(),
            _ => "a baseline is a profile that `taster profile` wrote, or a data file".into(),
        };
        Diagnostic::new("C150", format!("the baseline `{name}` cannot be read: {e}")).help(help)
    };
    let path = ctx.contract.folder().join(name);
    let paths = [path.to_string_lossy().into_owned()];
    let files = if path.is_file() { vec![path.clone()] } else { Source::find(&paths).map_err(wrong)? };
    for file in &files {
        if !find::inside_roots(ctx.contract, ctx.contract.limit.as_deref(), file) {
            let d = Diagnostic::new("C010", format!("the baseline `{name}` lies outside what the contract may read"));
            return Err(d.help("widen `roots:`; never beyond --root"));
        }
    }
    if path.is_file() && Profile::is_one(&path) {
        let profile = Profile::load(&path).map_err(wrong)?;
        // A profile with larger tables than this program writes would make this run as large.
        let detail = Detail { numbers: profile.detail.numbers.min(EXACT.numbers), texts: profile.detail.texts.min(EXACT.texts) };
        return Ok((detail, profile.columns));
    }
    observe(ctx, &paths, wanted).map_err(wrong)
}

fn observe(ctx: &Context<'_>, paths: &[String], wanted: &[String]) -> Result<(Detail, Vec<Column>)> {
    let declared = ctx.schema.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect();
    let source = Source::open(paths, &OpenOptions { format: ctx.contract.format.clone(), declared, ..OpenOptions::default() })?;
    let names: Vec<String> = wanted.iter().filter(|n| source.schema.field_with_name(n).is_ok()).cloned().collect();
    let detail = Detail { numbers: (DISTINCT / names.len().max(1)).clamp(1024, EXACT.numbers), ..EXACT };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(ctx.plan.threads.max(1)).build().map_err(|e| Error::resource("threads", e))?;
    let columns = pool.install(|| profile::observe(&source, &source.schema, &names, detail))?;
    Ok((detail, columns))
}
