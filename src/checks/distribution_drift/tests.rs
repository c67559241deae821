//! Values against scipy and closed forms through the whole rule; the answer does not hang on splits or orders;
//! what cannot be answered says so.

use super::*;
use crate::contract::Roles;
use crate::rule::{AnyState, DynRule, Plan};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use std::path::Path;
use std::sync::Arc;

/// A folder with `base.csv` (and its profile, `base.profile`), where contracts live.
struct Place(tempfile::TempDir);

impl Place {
    fn new(csv: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("base.csv"), csv).unwrap();
        let source =
            crate::source::Source::open(&[folder.path().join("base.csv").to_string_lossy().into_owned()], &Default::default()).unwrap();
        let profile = crate::profile::learn(&source, &source.schema).unwrap();
        std::fs::write(folder.path().join("base.profile"), profile.text().unwrap()).unwrap();
        Place(folder)
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
    fn built(&self, rules: &str, batch: &RecordBatch) -> std::result::Result<Built, Vec<Diagnostic>> {
        let text = format!("taster: 1\ncolumns: {{id: {{role: id}}, at: {{role: time}}}}\nrules:\n{rules}");
        let contract = crate::contract::parse::parse(Some(&self.path().join("c.yaml")), &text).unwrap_or_else(|e| panic!("{e}"));
        let schema = batch.schema();
        let roles = Roles::resolve(&contract, &schema);
        build(&Context { contract: &contract, schema: &schema, roles: &roles, plan: &plan(), now: chrono::Utc::now() })
    }
    fn run(&self, rule: &str, batch: &RecordBatch) -> Outcome {
        let built = self.built(&format!("  - drift: {{{rule}}}\n"), batch).unwrap_or_else(|d| panic!("{d:?}"));
        outcome(built.rules[0].as_ref(), batch, batch.num_rows().max(1), false)
    }
    fn errors(&self, rule: &str, batch: &RecordBatch) -> Vec<Diagnostic> {
        self.built(&format!("  - drift: {{{rule}}}\n"), batch).err().expect("a contract that does not fit")
    }
}

fn plan() -> Plan {
    Plan { seed: 0, rows: 0, memory: 1 << 30, false_alarms: 0.001, threads: 2 }
}

/// Shards of `step` rows, each with its own state, merged forwards or backwards.
fn outcome(rule: &dyn DynRule, batch: &RecordBatch, step: usize, backwards: bool) -> Outcome {
    let mut states: Vec<AnyState> = (0..batch.num_rows())
        .step_by(step)
        .map(|from| {
            let mut state = rule.start(1, None, &plan());
            let part = batch.slice(from, step.min(batch.num_rows() - from));
            rule.observe(1, None, &plan(), &mut state, &Batch::new(part, 0, from as u64)).unwrap();
            state
        })
        .collect();
    if backwards {
        states.reverse();
    }
    let mut all = rule.start(1, None, &plan());
    states.into_iter().for_each(|s| rule.merge(&mut all, s));
    let (model, again) = rule.finish(1, None, &plan(), all).unwrap();
    assert!(!again);
    rule.outcome(&model)
}

fn floats(values: impl IntoIterator<Item = f64>) -> RecordBatch {
    RecordBatch::try_from_iter([("x", Arc::new(Float64Array::from_iter_values(values)) as ArrayRef)]).unwrap()
}

fn texts(counts: &[(&str, usize)]) -> RecordBatch {
    let values = counts.iter().flat_map(|(t, n)| std::iter::repeat_n((!t.is_empty()).then_some(*t), *n));
    RecordBatch::try_from_iter_with_nullable([("x", Arc::new(StringArray::from_iter(values)) as ArrayRef, true)]).unwrap()
}

fn csv(counts: &[(&str, usize)]) -> String {
    let lines = counts.iter().flat_map(|(t, n)| std::iter::repeat_n(format!("{t},1\n"), *n));
    format!("x,y\n{}", lines.collect::<String>())
}

/// 0, 1, ..., n - 1 through a curve, 0.1 apart.
fn ramp(n: usize, curve: impl Fn(f64) -> f64) -> Vec<f64> {
    (0..n).map(|i| curve(i as f64 * 0.1)).collect()
}

fn near(got: Option<f64>, want: f64) {
    let got = got.expect("a number");
    assert!((got - want).abs() < 1e-6, "{got} is not {want}");
}

const A: [(&str, usize); 5] = [("a", 120), ("b", 80), ("c", 40), ("d", 10), ("e", 50)];
const B: [(&str, usize); 5] = [("a", 90), ("b", 100), ("c", 60), ("d", 30), ("e", 20)];

#[test]
fn categories_agree_with_scipy_against_a_file_and_against_a_profile() {
    let place = Place::new(&csv(&A));
    let now = texts(&B);
    let bias = 4.0 * (2.0 / 300.0);
    for file in ["base.csv", "base.profile"] {
        let get = |s: &str| place.run(&format!("column: x, baseline: {file}, statistic: {s}, max: 0.2"), &now);
        // (rel_entr(p, q) + rel_entr(q, p)).sum() of scipy.special
        near(get("psi").statistic, 0.235_545_343_638_625_92 - bias);
        assert!(get("psi").message.contains("psi 0.2088787 (0.2355453 before correction)"), "{}", get("psi").message);
        assert_eq!(get("psi").status, Status::Fail);
        // scipy.stats.entropy(now, base)
        near(get("kl").statistic, 0.117_944_763_732_702_63 - bias / 2.0);
        // scipy.spatial.distance.jensenshannon(base, now, base=2) ** 2
        near(get("js").statistic, 0.041_239_627_397_384_72 - bias / 8.0 / std::f64::consts::LN_2);
        near(get("linf").statistic, 0.1);
        // scipy.stats.contingency.association([base, now], method="cramer") squared, less (k - 1) / N
        near(get("chi2").statistic, (0.235_814_472_856_238_46_f64.powi(2) - 4.0 / 600.0).sqrt());
        // scipy.stats.chi2_contingency([base, now], correction=False): 33.365, p 1.0e-6
        assert!(get("chi2").message.contains("chi-square 33.37 on 4, p 1.0e-6"), "{}", get("chi2").message);
        assert_eq!((get("js").status, get("js").tested), (Status::Pass, 300));
    }
}

#[test]
fn numbers_agree_with_scipy_against_a_file_and_nearly_against_a_profile() {
    let base = ramp(2_000, |t| t);
    let lines: String = base.iter().map(|v| format!("{v}\n")).collect();
    let place = Place::new(&format!("x\n{lines}"));
    let now = floats(ramp(1_500, |t| t * 1.2 + 5.0));
    let get = |file: &str, s: &str, max: f64| place.run(&format!("column: x, baseline: {file}, statistic: {s}, max: {max}"), &now);
    // numpy: a = arange(2000) * 0.1; b = arange(1500) * 0.1 * 1.2 + 5
    // scipy.stats.ks_2samp(a, b).statistic, scipy.stats.wasserstein_distance(a, b)
    near(get("base.csv", "ks", 0.06).statistic, KS);
    near(get("base.csv", "wasserstein", 2.0).statistic, WASSERSTEIN);
    assert_eq!(get("base.csv", "ks", 0.06).status, Status::Fail);
    // A profile holds 1,024 values exactly: these are buckets, and the stated error covers the difference.
    for (s, max, truth) in [("ks", 0.06, KS), ("wasserstein", 2.0, WASSERSTEIN)] {
        let o = get("base.profile", s, max);
        let stated: f64 = o.message.split("± ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
        let off = (o.statistic.unwrap() - truth).abs();
        assert!(off <= stated && off > 0.0 && stated < 0.15 * truth, "{s}: off by {off}, stated {stated}");
    }
    // Ten bins at the baseline's deciles: a tenth of it in each, and here what the edges cut out of 1,500.
    let mut counts = [0_u64; 10];
    let edges: Vec<f64> = (1..10).map(|k| base[k * 200 - 1]).collect();
    ramp(1_500, |t| t * 1.2 + 5.0).iter().for_each(|v| counts[edges.partition_point(|e| e < v)] += 1);
    let raw: f64 = counts.iter().map(|c| *c as f64 / 1_500.0).map(|q| (q - 0.1) * (q / 0.1).ln()).sum();
    near(get("base.csv", "psi", 0.1).statistic, raw - 9.0 * (1.0 / 2_000.0 + 1.0 / 1_500.0));
}

/// scipy 1.17, see above.
const KS: f64 = 0.075_5;
const WASSERSTEIN: f64 = 6.255_1;

#[test]
fn no_split_and_no_order_changes_the_answer() {
    let place = Place::new(&csv(&A));
    let now = texts(&B);
    let rule = |s: &str| format!("  - drift: {{column: x, baseline: base.profile, statistic: {s}, max: 0.2}}\n");
    for s in ["psi", "linf"] {
        let built = place.built(&rule(s), &now).unwrap_or_else(|d| panic!("{d:?}"));
        let whole = outcome(built.rules[0].as_ref(), &now, 300, false);
        for (step, backwards) in [(1, true), (7, false), (64, true)] {
            let cut = outcome(built.rules[0].as_ref(), &now, step, backwards);
            assert_eq!((cut.message, cut.statistic), (whole.message.clone(), whole.statistic));
        }
    }
}

#[test]
fn too_few_rows_are_not_evaluated_and_the_number_needed_is_said() {
    let place = Place::new(&csv(&A));
    // (chi2.isf(0.01, 4) - 4) / 0.05 = 185.5 effective rows; 1 / (1 / 185.5 - 1 / 300) = 486.2
    let few = place.run("column: x, baseline: base.csv, statistic: psi, max: 0.05", &texts(&B));
    assert_eq!(
        few.status,
        Status::NotEvaluated("`x`: 300 rows here; a limit of 0.05 takes 487 rows against a baseline of 300 rows".into())
    );
    assert!(few.message.contains("psi 0.2088787"), "the number is printed all the same: {}", few.message);
    // (9.2767) / 0.02 = 463.8 effective rows are more than the baseline can ever give.
    let never = place.run("column: x, baseline: base.csv, statistic: psi, max: 0.02", &texts(&B));
    assert_eq!(never.status, Status::NotEvaluated("`x`: the baseline has 300 rows; a limit of 0.02 takes more than 464".into()));
    let enough = place.run("column: x, baseline: base.csv, statistic: psi, max: 0.05", &texts(&B.map(|(t, n)| (t, n * 2))));
    assert_eq!(enough.status, Status::Fail);
}

#[test]
fn nulls_and_new_categories_count_and_are_told() {
    let place = Place::new(&csv(&[("a", 500), ("b", 500)]));
    let o = place.run("column: x, baseline: base.csv, statistic: linf, max: 0.2", &texts(&[("a", 300), ("b", 300), ("", 400)]));
    assert_eq!(o.status, Status::Fail);
    near(o.statistic, 0.4);
    assert!(o.message.contains("null share 40% against 0%"), "{}", o.message);
    let o = place.run("column: x, baseline: base.profile, statistic: psi, max: 0.2", &texts(&[("a", 300), ("b", 300), ("new", 400)]));
    assert_eq!(o.status, Status::Fail);
    assert!(o.message.contains("40% in categories that the baseline lacks, such as `new`"), "{}", o.message);
    // Half a row in place of none, renormalised over 1000.5.
    let (p, q) = ([500.0 / 1_000.5, 0.5 / 1_000.5], [0.3, 0.4]);
    let raw: f64 = [(p[0], q[0]) as (f64, f64), (p[0], q[0]), (p[1], q[1])].iter().map(|(p, q)| (p - q) * (p / q).ln()).sum();
    near(o.statistic, raw - 2.0 * (2.0 / 1_000.0));
}

#[test]
fn degenerate_columns_have_an_answer_or_a_reason() {
    let place = Place::new(&format!("x,y\n{}", "3.5,\n".repeat(400)));
    for s in ["psi", "ks", "chi2", "js", "kl", "linf", "wasserstein"] {
        let rule = format!("column: x, baseline: base.profile, statistic: {s}, max: 0.2");
        let same = place.run(&rule, &floats(vec![3.5; 300]));
        assert_eq!((same.status, same.statistic), (Status::Pass, Some(0.0)), "{s}");
        let other = place.run(&rule, &floats(vec![7.0; 300]));
        assert_eq!(other.status, Status::Fail, "{s}: {}", other.message);
        let none = place.run(&rule, &floats([]));
        assert!(matches!(none.status, Status::NotEvaluated(ref w) if w.contains("no rows")), "{s}");
        let nan = place.run(&rule, &floats(vec![f64::NAN; 300]));
        assert!(matches!(nan.status, Status::Fail | Status::NotEvaluated(_)), "{s}: {}", nan.message);
        let nulls = RecordBatch::try_from_iter_with_nullable([("x", Arc::new(Float64Array::from(vec![None; 300])) as ArrayRef, true)]);
        assert!(matches!(place.run(&rule, &nulls.unwrap()).status, Status::NotEvaluated(ref w) if w.contains("null")), "{s}");
    }
    let infinite = place.run("column: x, baseline: base.csv, statistic: wasserstein, max: 2", &floats(vec![f64::INFINITY; 300]));
    assert!(matches!(infinite.status, Status::NotEvaluated(ref w) if w.contains("infinite")));
}

#[test]
fn all_takes_what_can_be_compared_and_says_what_it_leaves_out() {
    let place = Place::new(&format!("id,n,c,old\n{}", (0..900).map(|i| format!("{i},{},{},1\n", i % 50, i % 3)).collect::<String>()));
    let column = |f: &dyn Fn(i64) -> i64| Arc::new(Int64Array::from_iter_values((0..900).map(f))) as ArrayRef;
    let now = RecordBatch::try_from_iter([
        ("id", column(&|i| i + 9_000)),
        ("n", column(&|i| i % 50)),
        ("c", column(&|i| i % 2)),
        ("fresh", column(&|i| i)),
    ]);
    let o = place.run("columns: all, baseline: base.csv, statistic: psi, max: 0.2", &now.unwrap());
    assert_eq!(o.status, Status::Fail);
    assert_eq!(o.columns, ["n", "c"]);
    assert!(o.message.starts_with("`c`: psi") && o.message.contains("; `n`: psi 0,"), "{}", o.message);
    assert!(o.message.contains("; left out: `id` (id), `fresh` (not in the baseline)"), "{}", o.message);
}

#[test]
fn contracts_that_do_not_fit_are_errors_before_a_row_is_read() {
    let place = Place::new(&csv(&A));
    let now = texts(&B);
    let says = |rule: &str, what: &str| {
        let errors = place.errors(rule, &now);
        assert!(errors.len() == 1 && errors[0].message.contains(what), "{rule}: {errors:?}");
    };
    says("column: x, baseline: gone.profile, statistic: psi, max: 0.2", "cannot be read");
    says("column: x, baseline: base.csv, statistic: ks, max: 0.2", "ks compares numbers");
    says("column: z, baseline: base.csv, statistic: ks, max: 0.2", "neither in the data nor declared");
    std::fs::write(place.path().join("other.csv"), "w\n1\n").unwrap();
    says("column: x, baseline: other.csv, statistic: psi, max: 0.2", "has no column `x`");
    let ids = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    assert!(place.errors("column: id, baseline: base.csv, statistic: psi, max: 0.2", &ids)[0].message.contains("role `id`"));
    std::fs::write(place.path().join("bad.profile"), "{\"taster_profile\":7}").unwrap();
    says("column: x, baseline: bad.profile, statistic: psi, max: 0.2", "version 7");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_out_of_the_roots_is_not_followed() {
    let (place, outside) = (Place::new(&csv(&A)), Place::new(&csv(&A)));
    std::os::unix::fs::symlink(outside.path().join("base.profile"), place.path().join("link.profile")).unwrap();
    let errors = place.errors("column: x, baseline: link.profile, statistic: psi, max: 0.2", &texts(&B));
    assert_eq!(errors[0].code, "C010", "{errors:?}");
}

/// 20 columns, of which one has moved: the q-value is that of Benjamini and Hochberg over 20.
#[test]
fn columns_share_their_false_discoveries() {
    let header: Vec<String> = (0..20).map(|k| format!("c{k}")).collect();
    let line = |i: usize| (0..20).map(|k| ((i + k) % 7).to_string()).collect::<Vec<_>>().join(",");
    let place = Place::new(&format!("{}\n{}", header.join(","), (0..1_400).map(|i| line(i) + "\n").collect::<String>()));
    let columns = (0..20_usize).map(|k| {
        let values = (0..1_400_usize).map(|i| if k == 4 && i % 14 == 6 { 0 } else { ((i + k) % 7) as i64 });
        (format!("c{k}"), Arc::new(Int64Array::from_iter_values(values)) as ArrayRef)
    });
    let o = place.run("columns: all, baseline: base.csv, statistic: js, max: 0.005", &RecordBatch::try_from_iter(columns).unwrap());
    assert_eq!(o.status, Status::Fail);
    let first = o.message.split("; `").next().unwrap();
    assert!(first.starts_with("`c4`: js"), "{first}");
    let part = |name: &str| first.split(name).nth(1).unwrap().split([',', ' ']).next().unwrap().parse::<f64>().unwrap();
    assert!((part(", q ") / part(", p ") / 20.0 - 1.0).abs() < 0.12, "{first}");
}
