//! `--baseline REPORT`: findings that an earlier report already had do not count towards the exit
//! code. They are still found, listed and shown, each with the remark that it is known. A group is
//! known by its rule and key, everything else by its rule and title; a number that got worse under
//! the same title is not noticed, which is why a baseline is for paying off debt, not for comfort.

use crate::error::{Error, Result};
use crate::report::json::SCHEMA;
use serde_json::Value;
use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

/// A report is read whole; no honest one is larger.
const MOST: u64 = 256 << 20;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Baseline {
    rules: HashSet<(String, String)>,
    groups: HashSet<(String, String)>,
    warnings: HashSet<String>,
}

impl Baseline {
    /// # Errors
    /// A usage error when the file is no report of this kind.
    pub fn load(path: &Path) -> Result<Baseline> {
        let no_report = |why: String| {
            Error::usage(format!("--baseline {}: {why}", path.display())).help("name the report.json of an earlier `taster check`")
        };
        let file = std::fs::File::open(path).map_err(|e| no_report(e.to_string()))?;
        let mut bytes = Vec::new();
        file.take(MOST + 1).read_to_end(&mut bytes).map_err(|e| no_report(e.to_string()))?;
        if bytes.len() as u64 > MOST {
            return Err(no_report("too large for a report".into()));
        }
        let report: Value = serde_json::from_slice(&bytes).map_err(|e| no_report(format!("not a report: {e}")))?;
        match report["schema"].as_str() {
            Some(SCHEMA) => Ok(Baseline::of(&report)),
            Some(other) => Err(no_report(format!("a report of version {other}, not {SCHEMA}"))),
            None => Err(no_report("not a report of taster".into())),
        }
    }

    fn of(report: &Value) -> Baseline {
        let mut out = Baseline::default();
        for rule in report["rules"].as_array().into_iter().flatten() {
            let (Some(code), Some(title)) = (rule["code"].as_str(), rule["title"].as_str()) else { continue };
            // A rule that passed then and fails now is news.
            if !rule["level"].is_null() {
                out.rules.insert((code.to_owned(), title.to_owned()));
            }
            let groups = rule["groups"].as_array().into_iter().flatten();
            out.groups.extend(groups.filter_map(|g| Some((code.to_owned(), g["group"].as_str()?.to_owned()))));
        }
        let warnings = report["contract"]["warnings"].as_array().into_iter().flatten();
        out.warnings.extend(warnings.filter_map(|w| Some(w["message"].as_str()?.to_owned())));
        out
    }

    /// A warning about the contract itself.
    pub fn has_warning(&self, message: &str) -> bool {
        self.warnings.contains(message)
    }

    pub fn has_rule(&self, code: &str, title: &str) -> bool {
        self.rules.contains(&(code.to_owned(), title.to_owned()))
    }

    pub fn has_group(&self, code: &str, group: &str) -> bool {
        self.groups.contains(&(code.to_owned(), group.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_weighed_is_known_and_what_passed_is_not() {
        let b = Baseline::of(&json!({"rules": [
            {"code": "C107", "title": "stars: range 1..5", "level": "error", "groups": []},
            {"code": "C105", "title": "label: allowed", "level": null, "groups": []},
            {"code": "P110", "title": "shared trigger", "level": "error", "groups": [{"group": "url url"}, {"group": null}]},
        ], "contract": {"warnings": [{"code": "C012", "message": "every bool is true or false"}]}}));
        assert!(b.has_warning("every bool is true or false") && !b.has_warning("another"));
        assert!(b.has_rule("C107", "stars: range 1..5") && !b.has_rule("C105", "label: allowed"));
        assert!(b.has_group("P110", "url url") && !b.has_group("P131", "url url"));
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.json");
        for text in ["", "{}", "[1]", "{\"schema\": \"taster-report/9\"}"] {
            std::fs::write(&path, text).unwrap();
            assert!(Baseline::load(&path).is_err(), "{text}");
        }
        assert!(Baseline::load(&dir.path().join("none")).is_err());
    }
}
