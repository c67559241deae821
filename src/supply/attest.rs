//! The statement that exactly these bytes were judged by exactly this contract, and the gate that asks for
//! it: an in-toto statement of kind test-result (<https://in-toto.io/attestation/test-result/v0.1>) about
//! the root of a manifest, in a signed envelope.
//!
//! ```text
//!  files ─► manifest ─► check ─► files unchanged? ─► statement ─► envelope        (attest)
//!  envelope ─► signature ─► statement ─► contract, time, verdict ─► files' root   (verify)
//! ```

use super::dsse::{self, Envelope};
use super::key::Public;
use super::manifest::{self, Difference, Entry, Line, Manifest, Measured, Promised, STATEMENT};
use crate::contract::Contract;
use crate::error::{Error, Result, group_digits};
use crate::quarantine::hex;
use crate::report::Facts;
use crate::rule::Severity;
use crate::verdict::{Overall, Verdict};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

pub const PREDICATE: &str = "https://in-toto.io/attestation/test-result/v0.1";
const SCHEMA: &str = "taster-attestation/1";
/// Clocks of two machines differ by less.
const SKEW: TimeDelta = TimeDelta::minutes(10);

/// In the order of trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Outcome {
    Passed,
    Warned,
    Failed,
}

impl Outcome {
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Passed => "PASSED",
            Outcome::Warned => "WARNED",
            Outcome::Failed => "FAILED",
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    pub subject: Vec<Resource>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    pub predicate: Predicate,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resource {
    pub name: String,
    pub digest: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Predicate {
    pub result: Outcome,
    /// The contract first, then the files that it compares with.
    pub configuration: Vec<Resource>,
    #[serde(default)]
    pub passed_tests: Vec<String>,
    #[serde(default)]
    pub warned_tests: Vec<String>,
    #[serde(default)]
    pub failed_tests: Vec<String>,
    pub taster: Own,
}

/// What test results have no word for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Own {
    schema: String,
    pub version: String,
    pub created: String,
    #[serde(default)]
    pub expires: Option<String>,
    pub run_id: String,
    pub seed: u64,
    pub rows: u64,
    pub rows_quarantine: u64,
    pub rows_review: u64,
    /// Detectors that lacked something, with the reason.
    pub not_tested: Vec<String>,
    /// How many poisoned rows would have been seen, by kind of poison and class.
    pub floor: Vec<Floor>,
    pub files: Vec<FileDigest>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Floor {
    pub code: String,
    pub family: String,
    #[serde(default)]
    pub class: Option<String>,
    /// `None`: no number of rows would be seen for sure.
    #[serde(default)]
    pub rows: Option<u64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FileDigest {
    pub name: String,
    pub size: u64,
    pub sha256: String,
    #[serde(default)]
    pub rows: Option<u64>,
}

fn sha256(digest: String) -> BTreeMap<String, String> {
    BTreeMap::from([("sha256".to_owned(), digest)])
}

/// RFC 3339 in whole seconds.
pub fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// What a run's verdict is called in a statement.
pub fn outcome(verdict: &Verdict) -> Outcome {
    match verdict.overall {
        Overall::Pass => Outcome::Passed,
        Overall::Warnings => Outcome::Warned,
        Overall::Fail | Overall::NothingChecked => Outcome::Failed,
    }
}

/// The statement about a run. Its texts are rule codes and names and the contract's own titles, never cells.
///
/// # Errors
/// A data error for a file of the contract that cannot be read.
pub fn statement(
    measured: &Measured,
    contract: &Contract,
    verdict: &Verdict,
    facts: &Facts,
    now: DateTime<Utc>,
    expires: Option<DateTime<Utc>>,
) -> Result<Statement> {
    let name = contract.path.as_deref().and_then(Path::file_name).map_or_else(|| "contract".into(), |n| n.to_string_lossy().into_owned());
    let mut configuration = vec![Resource { name, digest: sha256(contract.digest.clone()) }];
    for pattern in crate::contract::find::compared_with(contract) {
        let (_, found) = crate::source::every_file(&[contract.folder().join(&pattern).to_string_lossy().into_owned()])?;
        let alone = found.len() == 1;
        for (relative, path) in found {
            let name = if alone { pattern.clone() } else { format!("{pattern}: {relative}") };
            configuration.push(Resource { name, digest: sha256(hex(&crate::source::measure(&path, None)?.1)) });
        }
    }
    // What people decided is part of what the verdict depends on.
    if let Some(decisions) = &facts.decisions {
        let name = decisions.path.file_name().map_or_else(|| "decisions".into(), |n| n.to_string_lossy().into_owned());
        configuration.push(Resource { name, digest: sha256(decisions.sha256.clone()) });
    }
    let (mut passed, mut warned, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for rule in &verdict.rules {
        let what = if rule.is_contract() { rule.outcome.title.as_str() } else { rule.meta.name };
        let text = format!("{} {what}", rule.meta.code);
        match (&rule.outcome.status, rule.level) {
            (crate::rule::Status::NotTested(_), _) => {}
            (_, Some(Severity::Error)) => failed.push(text),
            (_, Some(Severity::Warning)) => warned.push(text),
            (_, None) => passed.push(text),
        }
    }
    for list in [&mut passed, &mut warned, &mut failed] {
        list.sort();
        list.dedup();
    }
    let floor = verdict.rules.iter().flat_map(|r| {
        let code = r.meta.code;
        r.outcome.floor.iter().map(move |f| Floor { code: code.into(), family: f.family.clone(), class: f.class.clone(), rows: f.rows })
    });
    let digest = |e: &Entry| FileDigest { name: e.path.clone(), size: e.bytes, sha256: hex(&e.sha256), rows: e.rows };
    Ok(Statement {
        kind: STATEMENT.into(),
        subject: vec![Resource { name: measured.name(), digest: sha256(measured.manifest.root()) }],
        predicate_type: PREDICATE.into(),
        predicate: Predicate {
            result: outcome(verdict),
            configuration,
            passed_tests: passed,
            warned_tests: warned,
            failed_tests: failed,
            taster: Own {
                schema: SCHEMA.into(),
                version: env!("CARGO_PKG_VERSION").into(),
                created: time(now),
                expires: expires.map(time),
                run_id: facts.run_id.clone(),
                seed: facts.seed,
                rows: verdict.rows,
                rows_quarantine: verdict.rows_quarantine,
                rows_review: verdict.rows_review,
                not_tested: verdict.not_tested.iter().map(|n| format!("{} {}: {}", n.code, n.name, n.reason)).collect(),
                floor: floor.collect(),
                files: measured.manifest.entries.iter().map(digest).collect(),
            },
        },
    })
}

/// What whoever trains demands.
#[derive(Debug, Clone)]
pub struct Demands {
    pub now: DateTime<Utc>,
    /// The worst verdict that is good enough.
    pub worst: Outcome,
    /// No statement of an older taster.
    pub at_least: Option<String>,
    /// No kind of poison may need more rows than this to be seen.
    pub floor: Option<u64>,
}

/// Three numbers, compared as numbers; anything after them is not looked at.
fn version(text: &str) -> Option<[u64; 3]> {
    let core = text.split(['-', '+']).next()?;
    let parts: Vec<u64> = core.split('.').map(|p| p.parse().ok()).collect::<Option<_>>()?;
    parts.try_into().ok()
}

/// The statement in an envelope, once its signature holds and it is one of ours.
///
/// # Errors
/// A sentence that says what does not hold.
pub fn open(envelope: &Envelope, key: &Public) -> std::result::Result<Statement, String> {
    let payload = envelope.open(key)?;
    manifest::of_kind(&payload, PREDICATE)?;
    let statement: Statement = serde_json::from_slice(&payload).map_err(|e| format!("its payload is no statement of taster: {e}"))?;
    let own = &statement.predicate.taster;
    if own.schema != SCHEMA {
        return Err(format!("it is written in `{}`, this taster reads `{SCHEMA}`", own.schema));
    }
    // The list of files must be what was signed as the subject.
    let root = of_files(&own.files).ok_or("its list of files is damaged")?.root();
    let subject = statement.subject.first().and_then(|s| s.digest.get("sha256"));
    if statement.subject.len() != 1 || subject != Some(&root) {
        return Err("its subject is not the digest of the files that it lists".into());
    }
    Ok(statement)
}

fn of_files(files: &[FileDigest]) -> Option<Manifest> {
    let entry = |f: &FileDigest| {
        Some(Entry { path: manifest::plain(&f.name).ok()?, bytes: f.size, sha256: manifest::unhex(&f.sha256)?, rows: f.rows })
    };
    Some(Manifest { entries: files.iter().map(entry).collect::<Option<Vec<_>>>()? })
}

impl Statement {
    /// What this statement does not fulfil, whatever the data is; one sentence each.
    pub fn faults(&self, contract: &str, demands: &Demands) -> Vec<String> {
        let (p, own) = (&self.predicate, &self.predicate.taster);
        let mut out = Vec::new();
        let of = p.configuration.first();
        if of.and_then(|c| c.digest.get("sha256")).is_none_or(|d| d != contract) {
            out.push(format!("it is about another contract: `{}` as it was then", of.map_or("none", |c| c.name.as_str())));
        }
        if p.result > demands.worst {
            let tests = if p.result == Outcome::Failed { &p.failed_tests } else { &p.warned_tests };
            let which: Vec<&str> = tests.iter().take(5).map(String::as_str).collect();
            let which = if which.is_empty() { String::new() } else { format!(" ({})", which.join("; ")) };
            let good = if demands.worst == Outcome::Passed { "PASSED" } else { "PASSED or WARNED" };
            out.push(format!("its verdict is {}, and {good} is demanded{which}", p.result.word()));
        }
        let at = |text: &str| DateTime::parse_from_rfc3339(text).map(|t| t.to_utc()).ok();
        match at(&own.created) {
            Some(created) if created > demands.now + SKEW => out.push(format!("it was made in the future: {}", own.created)),
            Some(_) => {}
            None => out.push("nobody can tell when it was made".into()),
        }
        match own.expires.as_deref().map(at) {
            None => {}
            Some(Some(expires)) if expires > demands.now => {}
            Some(Some(_)) => out.push(format!("it expired {}", own.expires.as_deref().unwrap_or_default())),
            Some(None) => out.push("nobody can tell when it expires".into()),
        }
        if let Some(least) = &demands.at_least
            && version(&own.version).is_none_or(|v| version(least).is_none_or(|l| v < l))
        {
            out.push(format!("it was made by taster {}, at least {least} is demanded", own.version));
        }
        if let Some(most) = demands.floor {
            let high = own.floor.iter().filter(|f| f.rows.is_none_or(|r| r > most));
            let high: Vec<String> = high
                .map(|f| {
                    let rows = f.rows.map_or("unknown".to_owned(), group_digits);
                    format!("{} {}{} {rows}", f.code, f.family, f.class.as_ref().map_or(String::new(), |c| format!(" in {c}")))
                })
                .collect();
            if own.floor.is_empty() {
                out.push(format!("no detection floor is stated, {} rows are demanded", group_digits(most)));
            } else if !high.is_empty() {
                out.push(format!("detection floors above {} rows: {}", group_digits(most), high.join("; ")));
            }
        }
        out
    }

    /// How the files differ from those that were judged.
    ///
    /// # Errors
    /// Internal ones only.
    pub fn differences(&self, now: &Manifest) -> Result<Vec<Difference>> {
        let line = |f: &FileDigest| {
            let digest = manifest::unhex(&f.sha256).ok_or_else(|| Error::internal("a digest that was read before"))?;
            Ok(Line { path: Some(f.name.clone()), digest: Promised::Sha256(digest), bytes: Some(f.size), rows: f.rows })
        };
        let lines = self.predicate.taster.files.iter().map(line).collect::<Result<Vec<_>>>()?;
        let mut out = manifest::compare(&lines, &now.entries, &|_| Err(Error::internal("statements have no md5")))?;
        // Belt and braces: the root decides, the list only explains.
        let subject = self.subject.first().and_then(|s| s.digest.get("sha256"));
        if out.is_empty() && subject != Some(&now.root()) {
            out.push(Difference::Changed { path: ".".into(), how: "another root digest".into() });
        }
        Ok(out)
    }
}

/// An envelope from a file.
///
/// # Errors
/// A data error for what is none.
pub fn load(path: &Path) -> Result<Envelope> {
    let bytes = dsse::read(path)?;
    Envelope::of(&bytes).ok_or_else(|| Error::data(path, "is no signed statement (DSSE envelope)").help("`taster attest` writes one"))
}

#[cfg(test)]
mod tests {
    use super::super::key::{Algorithm, Private};
    use super::*;
    use serde_json::{Value, json};

    fn files() -> Manifest {
        let entry = |path: &str, byte: u8| Entry { path: path.into(), bytes: 3, sha256: [byte; 32], rows: Some(2) };
        Manifest { entries: vec![entry("a.csv", 1), entry("b.csv", 2)] }
    }

    fn payload() -> Value {
        let manifest = files();
        let list: Vec<Value> =
            manifest.entries.iter().map(|e| json!({"name": e.path, "size": e.bytes, "sha256": hex(&e.sha256), "rows": 2})).collect();
        json!({
            "_type": STATEMENT,
            "subject": [{"name": "d", "digest": {"sha256": manifest.root()}}],
            "predicateType": PREDICATE,
            "predicate": {
                "result": "PASSED",
                "configuration": [{"name": "c.yaml", "digest": {"sha256": "aa"}}],
                "warnedTests": ["P110 shared-trigger"],
                "taster": {
                    "schema": SCHEMA, "version": "0.2.0", "created": "2026-01-01T00:00:00Z", "expires": "2026-02-01T00:00:00Z",
                    "runId": "r", "seed": 0, "rows": 4, "rowsQuarantine": 0, "rowsReview": 0, "notTested": [],
                    "floor": [{"code": "P110", "family": "word", "class": "x", "rows": 30}],
                    "files": list,
                },
            },
        })
    }

    fn opened(payload: &Value) -> std::result::Result<Statement, String> {
        let key = Private::generate(Algorithm::Ed25519).unwrap();
        open(&Envelope::sign(&serde_json::to_vec(payload).unwrap(), &key).unwrap(), &key.public())
    }

    fn changed(change: impl FnOnce(&mut Value)) -> std::result::Result<Statement, String> {
        let mut value = payload();
        change(&mut value);
        opened(&value)
    }

    fn demands() -> Demands {
        let now = "2026-01-15T00:00:00Z".parse().unwrap();
        Demands { now, worst: Outcome::Warned, at_least: None, floor: None }
    }

    #[test]
    fn a_statement_of_another_kind_or_about_another_list_does_not_open() {
        assert!(opened(&payload()).is_ok());
        let kinds = [("_type", "https://in-toto.io/Statement/v0.1"), ("predicateType", manifest::PREDICATE)];
        for (key, value) in kinds {
            assert!(changed(|v| v[key] = value.into()).unwrap_err().contains("another kind"), "{key}");
        }
        assert!(
            changed(|v| v["predicate"]["taster"]["schema"] = "taster-attestation/0".into()).unwrap_err().contains("taster-attestation/0")
        );
        assert!(changed(|v| v["subject"][0]["digest"]["sha256"] = "00".into()).unwrap_err().contains("subject"));
        assert!(changed(|v| v["subject"] = json!([])).unwrap_err().contains("subject"));
        assert!(changed(|v| v["predicate"]["taster"]["files"][0]["name"] = "c.csv".into()).unwrap_err().contains("subject"));
        assert!(changed(|v| v["predicate"]["taster"]["files"][0]["name"] = "../a.csv".into()).unwrap_err().contains("damaged"));
        assert!(changed(|v| v["predicate"]["result"] = "GOOD".into()).is_err());
        assert!(opened(&json!([])).is_err());
    }

    #[test]
    fn a_key_that_is_there_twice_is_no_statement() {
        let key = Private::generate(Algorithm::Ed25519).unwrap();
        let text = payload().to_string().replacen("\"result\":\"PASSED\"", "\"result\":\"FAILED\",\"result\":\"PASSED\"", 1);
        let envelope = Envelope::sign(text.as_bytes(), &key).unwrap();
        assert!(open(&envelope, &key.public()).unwrap_err().contains("duplicate"));
    }

    #[test]
    fn each_demand_that_is_not_met_is_one_fault() {
        let of = |change: &dyn Fn(&mut Value), demands: Demands| {
            let mut value = payload();
            change(&mut value);
            opened(&value).unwrap().faults("aa", &demands)
        };
        let same = |_: &mut Value| {};
        assert!(of(&same, demands()).is_empty());
        assert!(of(&same, Demands { worst: Outcome::Passed, at_least: Some("0.2.0".into()), floor: Some(30), ..demands() }).is_empty());
        let fault = |change: &dyn Fn(&mut Value), demands: Demands, says: &str| {
            let faults = of(change, demands);
            assert!(faults.len() == 1 && faults[0].contains(says), "{says}: {faults:?}");
        };
        fault(&|v| v["predicate"]["configuration"][0]["digest"]["sha256"] = "ab".into(), demands(), "another contract");
        fault(&|v| v["predicate"]["configuration"] = json!([]), demands(), "another contract");
        fault(&|v| v["predicate"]["result"] = "FAILED".into(), demands(), "FAILED");
        fault(&|v| v["predicate"]["result"] = "WARNED".into(), Demands { worst: Outcome::Passed, ..demands() }, "(P110 shared-trigger)");
        fault(&|v| v["predicate"]["taster"]["expires"] = "2026-01-15T00:00:00Z".into(), demands(), "expired");
        fault(&|v| v["predicate"]["taster"]["expires"] = "never".into(), demands(), "when it expires");
        fault(&|v| v["predicate"]["taster"]["created"] = "2026-01-16T00:00:00Z".into(), demands(), "future");
        fault(&|v| v["predicate"]["taster"]["created"] = "".into(), demands(), "when it was made");
        fault(&same, Demands { at_least: Some("0.2.1".into()), ..demands() }, "0.2.1 is demanded");
        fault(&|v| v["predicate"]["taster"]["version"] = "new".into(), Demands { at_least: Some("0.0.1".into()), ..demands() }, "made by");
        fault(&same, Demands { floor: Some(29), ..demands() }, "P110 word in x 30");
        fault(&|v| v["predicate"]["taster"]["floor"] = json!([]), Demands { floor: Some(29), ..demands() }, "no detection floor");
    }

    #[test]
    fn differences_name_the_file_and_equal_files_have_none() {
        let statement = opened(&payload()).unwrap();
        assert!(statement.differences(&files()).unwrap().is_empty());
        let mut other = files();
        other.entries[1].sha256 = [3; 32];
        let told: Vec<String> = statement.differences(&other).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["changed  b.csv: still 2 rows, other content"]);
        let mut fewer = files();
        fewer.entries[0].path = "c.csv".into();
        fewer.entries.rotate_left(1);
        let told: Vec<String> = statement.differences(&fewer).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(told, ["renamed  a.csv -> c.csv"]);
    }
}
