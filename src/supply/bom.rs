//! Bills of materials: CycloneDX 1.6 with the verdict, and Croissant metadata of the files.

use super::attest::Statement;
use super::manifest::Manifest;
use crate::quarantine::hex;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// A document about the dataset as a component of type `data`, its files below it.
pub fn cyclonedx(name: &str, manifest: &Manifest, statement: Option<&Statement>, now: DateTime<Utc>) -> Value {
    let root = manifest.root();
    let mut properties = vec![("taster:files", manifest.entries.len().to_string()), ("taster:bytes", manifest.bytes().to_string())];
    properties.extend(manifest.rows().map(|r| ("taster:rows", r.to_string())));
    if let Some(s) = statement {
        let (p, own) = (&s.predicate, &s.predicate.taster);
        properties.push(("taster:verdict", p.result.word().to_owned()));
        properties.extend(p.configuration.first().and_then(|c| c.digest.get("sha256")).map(|d| ("taster:contract:sha256", d.clone())));
        properties.push(("taster:run_id", own.run_id.clone()));
        properties.push(("taster:rows:quarantine", own.rows_quarantine.to_string()));
        properties.push(("taster:rows:review", own.rows_review.to_string()));
        properties.extend(own.expires.iter().map(|e| ("taster:expires", e.clone())));
    }
    let properties: Vec<Value> = properties.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let files: Vec<Value> = manifest
        .entries
        .iter()
        .map(|e| {
            json!({
                "type": "file",
                "bom-ref": format!("file:{}", e.path),
                "name": e.path,
                "hashes": [{"alg": "SHA-256", "content": hex(&e.sha256)}],
            })
        })
        .collect();
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid(&root)),
        "version": 1,
        "metadata": {
            "timestamp": super::attest::time(now),
            "tools": {"components": [{"type": "application", "name": "taster", "version": env!("CARGO_PKG_VERSION")}]},
        },
        "components": [{
            "type": "data",
            "bom-ref": format!("dataset:{root}"),
            "name": name,
            "hashes": [{"alg": "SHA-256", "content": root}],
            "data": [{"type": "dataset", "name": name}],
            "properties": properties,
            "components": files,
        }],
    })
}

/// From the first 128 bits of a digest, marked as version 8 (RFC 9562): of one's own making.
fn uuid(digest: &str) -> String {
    let d: String = digest.chars().take(32).collect();
    let part = |from: usize, to: usize| d.get(from..to).unwrap_or_default().to_owned();
    format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// A description of the files for loaders: distribution only, no record sets.
pub fn croissant(name: &str, manifest: &Manifest) -> Value {
    let distribution: Vec<Value> = manifest
        .entries
        .iter()
        .map(|e| {
            json!({
                "@type": "cr:FileObject",
                "@id": e.path,
                "name": e.path,
                "contentUrl": e.path,
                "contentSize": format!("{} B", e.bytes),
                "encodingFormat": media_type(&e.path),
                "sha256": hex(&e.sha256),
            })
        })
        .collect();
    json!({
        "@context": {
            "@language": "en",
            "@vocab": "https://schema.org/",
            "citeAs": "cr:citeAs",
            "column": "cr:column",
            "conformsTo": "dct:conformsTo",
            "cr": "http://mlcommons.org/croissant/",
            "rai": "http://mlcommons.org/croissant/RAI/",
            "data": {"@id": "cr:data", "@type": "@json"},
            "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
            "dct": "http://purl.org/dc/terms/",
            "equivalentProperty": "cr:equivalentProperty",
            "examples": {"@id": "cr:examples", "@type": "@json"},
            "extract": "cr:extract",
            "field": "cr:field",
            "fileProperty": "cr:fileProperty",
            "fileObject": "cr:fileObject",
            "fileSet": "cr:fileSet",
            "format": "cr:format",
            "includes": "cr:includes",
            "isLiveDataset": "cr:isLiveDataset",
            "jsonPath": "cr:jsonPath",
            "key": "cr:key",
            "md5": "cr:md5",
            "parentField": "cr:parentField",
            "path": "cr:path",
            "recordSet": "cr:recordSet",
            "references": "cr:references",
            "regex": "cr:regex",
            "repeated": "cr:repeated",
            "replace": "cr:replace",
            "samplingRate": "cr:samplingRate",
            "sc": "https://schema.org/",
            "separator": "cr:separator",
            "source": "cr:source",
            "subField": "cr:subField",
            "transform": "cr:transform",
        },
        "@type": "sc:Dataset",
        "name": name,
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "distribution": distribution,
    })
}

/// By suffix; what is not known is bytes.
fn media_type(path: &str) -> &'static str {
    let suffix = path.rsplit_once('.').map(|(_, s)| s.to_ascii_lowercase());
    match suffix.as_deref() {
        Some("parquet") => "application/x-parquet",
        Some("csv") => "text/csv",
        Some("tsv") => "text/tab-separated-values",
        Some("jsonl" | "ndjson") => "application/jsonlines",
        Some("json") => "application/json",
        Some("arrow" | "feather") => "application/vnd.apache.arrow.file",
        Some("gz") => "application/gzip",
        Some("zst") => "application/zstd",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("bmp") => "image/bmp",
        Some("tif" | "tiff") => "image/tiff",
        Some("txt") => "text/plain",
        Some("md") => "text/markdown",
        Some("yaml" | "yml") => "application/yaml",
        _ => "application/octet-stream",
    }
}
