//! Lists of digests that others write: `sha256sum` files (also the BSD form), Croissant metadata, Git-LFS
//! pointers, DVC pointers and folder listings. Everything here is untrusted text.

use super::manifest::{Line, Promised, Truth, of_statement, plain, unhex};
use crate::error::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// A pointer file is a few lines.
const POINTER: u64 = 64 << 10;

type Read<T> = std::result::Result<T, String>;

/// Finds out what it is by its content.
pub(super) fn of(bytes: &[u8]) -> Read<Truth> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is no list of digests: it is no UTF-8 text".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let start = text.trim_start();
    if start.starts_with('{') || start.starts_with('[') {
        let json: Value = serde_json::from_str(text).map_err(|e| format!("is no valid JSON: {e}"))?;
        return match &json {
            Value::Array(list) => dvc_listing(list),
            _ if json.get("predicateType").is_some() => of_statement(text.as_bytes()),
            _ if json.get("distribution").is_some() => croissant(&json),
            _ => Err("is JSON, and neither a manifest nor Croissant metadata nor a listing of DVC".into()),
        };
    }
    if start.starts_with("version https://git-lfs.github.com/spec/") {
        return lfs(text).map(|line| Truth { kind: "a Git-LFS pointer", lines: vec![line], unnamed: 0 });
    }
    if text.lines().any(|l| l.trim_end() == "outs:") {
        return dvc(text).map(|lines| Truth { kind: "a DVC pointer", lines, unnamed: 0 });
    }
    sums(text)
}

/// Every pointer below a folder is about the file of its own path.
pub(super) fn folder(root: &Path) -> Result<Truth> {
    let mut lines = Vec::new();
    for entry in walkdir::WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(|e| {
        let hidden = e.file_name().to_string_lossy().starts_with('.');
        e.depth() == 0 || !hidden
    }) {
        let entry = entry.map_err(|e| Error::data(root, format!("cannot be read: {e}")))?;
        let path = entry.path();
        if !entry.file_type().is_file() || entry.metadata().map_or(true, |m| m.len() > POINTER) {
            continue;
        }
        let bytes = super::dsse::read(path)?;
        let Ok(text) = std::str::from_utf8(&bytes) else { continue };
        let below = path.strip_prefix(root).unwrap_or(path);
        let name = below.to_str().ok_or_else(|| Error::data(path, "the file's name is not valid Unicode"))?.replace('\\', "/");
        let bad = |why: String| Error::data(path, why);
        if text.starts_with("version https://git-lfs.github.com/spec/") {
            lines.push(Line { path: Some(name), ..lfs(text).map_err(bad)? });
        } else if path.extension().is_some_and(|e| e == "dvc") {
            let beside = name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            for line in dvc(text).map_err(bad)? {
                let full = format!("{beside}{}", line.path.as_deref().unwrap_or_default());
                lines.push(Line { path: Some(plain(&full).map_err(bad)?), ..line });
            }
        }
    }
    Truth { kind: "pointers", lines, unnamed: 0 }.sound().map_err(|_| {
        Error::data(root, "holds no pointer of Git-LFS or DVC, or two for one file")
            .help("name a manifest, a sha256sum file, or a folder of pointers")
    })
}

/// `digest  name`, `digest *name`, with a backslash in front where the name is escaped; or
/// `SHA256 (name) = digest`.
fn sums(text: &str) -> Read<Truth> {
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let parsed = sum(line).ok_or_else(|| format!("line {} is no line of a list of SHA-256 digests", number + 1))?;
        lines.push(Line { path: Some(plain(&parsed.0)?), digest: Promised::Sha256(parsed.1), bytes: None, rows: None });
    }
    Ok(Truth { kind: "a sha256sum list", lines, unnamed: 0 })
}

fn sum(line: &str) -> Option<(String, [u8; 32])> {
    if let Some(rest) = line.strip_prefix("SHA256 (") {
        let (name, digest) = rest.rsplit_once(") = ")?;
        return Some((name.to_owned(), unhex(digest.trim_end())?));
    }
    let escaped = line.strip_prefix('\\');
    let (digest, rest) = escaped.unwrap_or(line).split_at_checked(64)?;
    let name = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *"))?;
    let name = if escaped.is_some() { unescape(name)? } else { name.to_owned() };
    Some((name, unhex(digest)?))
}

fn unescape(name: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                '\\' => '\\',
                _ => return None,
            }),
            c => out.push(c),
        }
    }
    Some(out)
}

fn lfs(text: &str) -> Read<Line> {
    let value = |key: &str| text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(' ')).map(str::trim_end);
    let digest = value("oid").and_then(|o| o.strip_prefix("sha256:")).and_then(unhex);
    let digest = digest.ok_or("is a Git-LFS pointer without a SHA-256")?;
    let bytes = value("size").and_then(|s| s.parse().ok()).ok_or("is a Git-LFS pointer without a size")?;
    Ok(Line { path: None, digest: Promised::Sha256(digest), bytes: Some(bytes), rows: None })
}

/// The few keys that a pointer of DVC has: a list of outputs, each with `md5`, `size` and `path`.
fn dvc(text: &str) -> Read<Vec<Line>> {
    let mut outs: Vec<Vec<(String, String)>> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if !line.starts_with([' ', '-']) {
            inside = line.trim_end() == "outs:";
            continue;
        }
        if !inside || line.trim().is_empty() {
            continue;
        }
        let item = line.trim_start();
        let (fresh, rest) = item.strip_prefix("- ").map_or((false, item), |r| (true, r));
        if fresh {
            outs.push(Vec::new());
        }
        let (Some((key, value)), Some(out)) = (rest.split_once(':'), outs.last_mut()) else { continue };
        let value = value.trim();
        let quoted = value.strip_prefix(['\'', '"']).and_then(|v| v.strip_suffix(['\'', '"']));
        out.push((key.trim().to_owned(), quoted.unwrap_or(value).to_owned()));
    }
    let mut lines = Vec::new();
    for out in outs {
        let of = |key: &str| out.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        let path = plain(of("path").ok_or("is a DVC pointer without a path")?)?;
        let digest = of("md5").ok_or_else(|| format!("the DVC pointer has no md5 for `{path}`"))?;
        if digest.ends_with(".dir") {
            return Err(format!("`{path}` is a folder, whose listing lies in the cache of DVC; name that listing (files/md5/../*.dir)"));
        }
        let digest = unhex(digest).ok_or_else(|| format!("the md5 of `{path}` is none"))?;
        lines.push(Line { path: Some(path), digest: Promised::Md5(digest), bytes: of("size").and_then(|s| s.parse().ok()), rows: None });
    }
    Ok(lines)
}

/// `[{"md5": .., "relpath": ..}]`
fn dvc_listing(list: &[Value]) -> Read<Truth> {
    let line = |item: &Value| {
        let of = |key: &str| item.get(key).and_then(Value::as_str).ok_or_else(|| format!("an entry of the listing has no `{key}`"));
        let path = plain(of("relpath")?)?;
        let digest = unhex(of("md5")?).ok_or_else(|| format!("the md5 of `{path}` is none"))?;
        Ok(Line { path: Some(path), digest: Promised::Md5(digest), bytes: None, rows: None })
    };
    Ok(Truth { kind: "a listing of DVC", lines: list.iter().map(line).collect::<Read<_>>()?, unnamed: 0 })
}

/// File objects of a dataset's description; those without a digest are counted.
fn croissant(json: &Value) -> Read<Truth> {
    let list = json.get("distribution").and_then(Value::as_array).ok_or("its `distribution` is no list")?;
    let (mut lines, mut unnamed) = (Vec::new(), 0);
    for item in list {
        let text = |key: &str| item.get(key).and_then(Value::as_str);
        let kind = text("@type").unwrap_or_default();
        if !kind.ends_with("FileObject") {
            continue;
        }
        let Some(digest) = text("sha256").and_then(unhex) else {
            unnamed += 1;
            continue;
        };
        let url = text("contentUrl").ok_or("a file object has no `contentUrl`")?;
        // A file that was downloaded lies under the last part of its address.
        let path = if url.contains("://") { url.split(['?', '#']).next().and_then(|u| u.rsplit('/').next()).unwrap_or(url) } else { url };
        let bytes = text("contentSize").and_then(|s| s.trim().trim_end_matches('B').trim_end().parse().ok());
        lines.push(Line { path: Some(plain(path)?), digest: Promised::Sha256(digest), bytes, rows: None });
    }
    Ok(Truth { kind: "Croissant metadata", lines, unnamed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const D: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    fn paths(text: &str) -> Vec<String> {
        of(text.as_bytes()).unwrap().lines.into_iter().map(|l| l.path.unwrap_or_default()).collect()
    }

    #[test]
    fn both_forms_of_sum_lists_are_read() {
        assert_eq!(paths(&format!("{D}  a b.csv\r\n# said\n\n{D} *./c\nSHA256 (d) e) = {D}\n")), ["a b.csv", "c", "d) e"]);
        assert_eq!(paths(&format!("\\{D}  a\\nb\\\\c\n")), ["a\nb\\c"]);
        assert!(of(format!("\\{D}  a\\x\n").as_bytes()).is_err());
        assert!(of(format!("{D} a\n").as_bytes()).is_err());
        assert!(of(format!("{}é  a\n", &D[..62]).as_bytes()).is_err());
    }

    #[test]
    fn paths_that_leave_the_folder_are_refused_everywhere() {
        for path in ["../a", "/a", "a/../../b", "a//b", "", "./", "a\0"] {
            assert!(plain(path).is_err(), "{path}");
            let dvc = format!("outs:\n- md5: 5d41402abc4b2a76b9719d911017c592\n  path: '{path}'\n");
            assert!(of(dvc.as_bytes()).is_err(), "{path}");
            let listing = serde_json::json!([{"md5": "5d41402abc4b2a76b9719d911017c592", "relpath": path}]).to_string();
            assert!(of(listing.as_bytes()).is_err(), "{path}");
            let croissant = serde_json::json!({"distribution": [{"@type": "cr:FileObject", "contentUrl": path, "sha256": D}]}).to_string();
            assert!(of(croissant.as_bytes()).is_err(), "{path}");
        }
    }

    #[test]
    fn a_folder_of_dvc_is_told_where_its_listing_lies() {
        let text = "outs:\n- md5: 5d41402abc4b2a76b9719d911017c592.dir\n  nfiles: 3\n  path: images\nmeta: x\n";
        assert!(of(text.as_bytes()).unwrap_err().contains("*.dir"));
    }

    #[test]
    fn croissant_counts_what_it_names_without_a_digest() {
        let json = serde_json::json!({"distribution": [
            {"@type": "sc:FileObject", "contentUrl": "https://example.org/x/a.csv?download=1", "sha256": D, "contentSize": "5 B"},
            {"@type": "cr:FileObject", "contentUrl": "b.csv", "sha256": "see elsewhere"},
            {"@type": "cr:FileSet", "includes": "*.csv"},
        ]});
        let truth = of(json.to_string().as_bytes()).unwrap();
        assert_eq!(
            (truth.lines.len(), truth.unnamed, truth.lines[0].path.as_deref(), truth.lines[0].bytes),
            (1, 1, Some("a.csv"), Some(5))
        );
    }

    #[test]
    fn a_path_named_twice_is_no_truth() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sums");
        std::fs::write(&path, format!("{D}  a\n{D}  ./a\n")).unwrap();
        assert!(Truth::load(&path, None).unwrap_err().to_string().contains("twice"));
        std::fs::write(&path, "\n").unwrap();
        assert!(Truth::load(&path, None).is_err());
    }

    #[test]
    fn a_folder_of_pointers_speaks_of_the_files_at_their_own_paths() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("x")).unwrap();
        let lfs = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{D}\nsize 5\n");
        std::fs::write(folder.path().join("x/a.csv"), lfs).unwrap();
        std::fs::write(folder.path().join("x/b.dvc"), "outs:\n- md5: 5d41402abc4b2a76b9719d911017c592\n  path: b\n").unwrap();
        std::fs::write(folder.path().join("readme"), "hello").unwrap();
        let truth = Truth::load(folder.path(), None).unwrap();
        let paths: Vec<_> = truth.lines.iter().filter_map(|l| l.path.as_deref()).collect();
        assert_eq!(paths, ["x/a.csv", "x/b"]);
    }

    proptest! {
        #[test]
        fn any_text_is_a_truth_or_an_error(
            parts in prop::collection::vec(prop::sample::select(vec![
                "outs:\n", "- md5: ", "  path: ", "version https://git-lfs.github.com/spec/v1\n", "oid sha256:", "size ", D, "  ", " *", "\\", "\n",
                "a", "é", "{", "}", "[", "]", "\"distribution\":", "\"predicateType\":", "\"resources\":", ",", "\"", ":", "1", "SHA256 (", ") = ",
            ]), 0..40),
            cut in 0_usize..400,
        ) {
            let text: String = parts.concat();
            let bytes = &text.as_bytes()[..cut.min(text.len())];
            let _ = of(bytes);
            let _ = of_statement(bytes);
            let _ = super::super::dsse::Envelope::of(bytes);
        }
    }
}
