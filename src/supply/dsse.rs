//! Dead Simple Signing Envelope: a payload, its type, and signatures over both
//! (<https://github.com/secure-systems-lab/dsse>, protocol v1.0.2). Nothing in the payload is looked at
//! before a signature holds. A Sigstore bundle around the envelope is read too.

use super::key::{Private, Public};
use crate::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The type of in-toto statements.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// What a bundle of OpenSSF model-signing calls itself.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// A list of a few million files fits.
pub const MOST: u64 = 1 << 30;
/// Beyond these nobody signs together.
const SIGNATURES: usize = 64;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Signature {
    #[serde(default)]
    keyid: String,
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    dsse_envelope: Envelope,
}

/// Pre-authentication encoding: what is signed.
fn pae(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}

/// Both alphabets are allowed by the protocol.
fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

impl Envelope {
    /// # Errors
    /// An internal error when the key has no encoding.
    pub fn sign(payload: &[u8], key: &Private) -> Result<Envelope> {
        let signature = Signature { keyid: key.public().id()?, sig: STANDARD.encode(key.sign(&pae(IN_TOTO, payload))) };
        Ok(Envelope { payload: STANDARD.encode(payload), payload_type: IN_TOTO.into(), signatures: vec![signature] })
    }

    /// `None`: no envelope and no bundle.
    pub fn of(json: &[u8]) -> Option<Envelope> {
        serde_json::from_slice(json).ok().or_else(|| serde_json::from_slice::<Bundle>(json).ok().map(|b| b.dsse_envelope))
    }

    /// The payload, once a signature by `key` holds.
    ///
    /// # Errors
    /// A sentence that says what does not hold.
    pub fn open(&self, key: &Public) -> std::result::Result<Vec<u8>, String> {
        if self.payload_type != IN_TOTO {
            return Err(format!("its payload is `{}`, not `{IN_TOTO}`", self.payload_type));
        }
        if self.signatures.is_empty() {
            return Err("it is not signed".into());
        }
        if self.signatures.len() > SIGNATURES {
            return Err(format!("it carries more than {SIGNATURES} signatures"));
        }
        let payload = decode(&self.payload).ok_or("its payload is not base64")?;
        let signed = pae(&self.payload_type, &payload);
        // A key id is a hint that nobody signed; every signature is tried.
        if self.signatures.iter().filter_map(|s| decode(&s.sig)).any(|s| key.verifies(&signed, &s)) {
            return Ok(payload);
        }
        let id = key.id().unwrap_or_default();
        let mine = self.signatures.iter().any(|s| s.keyid == id);
        Err(if mine { "its signature does not hold: it was changed after it was signed" } else { "it was not signed by this key" }.into())
    }

    /// The payload, whoever signed it: only for what is not to be trusted yet.
    pub fn unverified(&self) -> Option<Vec<u8>> {
        decode(&self.payload)
    }

    /// The form in which model-signing stores its signatures.
    ///
    /// # Errors
    /// An internal error when the key has no encoding.
    pub fn bundle(&self, key: &Public) -> Result<serde_json::Value> {
        use sha2::Digest;
        let hint = crate::quarantine::hex(&sha2::Sha256::digest(key.pem()?.as_bytes()));
        Ok(serde_json::json!({
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
            "dsseEnvelope": self,
        }))
    }
}

/// A file that is read whole, within bounds.
///
/// # Errors
/// A data error with the file's name.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let failed = |e: std::io::Error| Error::data(path, format!("cannot be read: {e}"));
    let file = std::fs::File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(Error::data(path, "is no file"));
    }
    let mut bytes = Vec::new();
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST {
        return Err(Error::data(path, "is larger than any list of files or statement"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::key::Algorithm;
    use super::*;

    fn key() -> Private {
        Private::generate(Algorithm::Ed25519).unwrap()
    }

    /// The example of the protocol's own description.
    #[test]
    fn what_is_signed_is_encoded_as_the_protocol_says() {
        assert_eq!(pae("http://example.com/HelloWorld", b"hello world"), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
        assert_eq!(pae("", "é".as_bytes()), "DSSEv1 0  2 é".as_bytes());
    }

    #[test]
    fn an_envelope_opens_with_its_key_and_no_other() {
        let key = key();
        let envelope = Envelope::sign(b"{}", &key).unwrap();
        assert_eq!(envelope.open(&key.public()).unwrap(), b"{}");
        assert!(envelope.open(&self::key().public()).unwrap_err().contains("not signed by this key"));
        let json = serde_json::to_vec(&envelope).unwrap();
        assert_eq!(Envelope::of(&json).unwrap().open(&key.public()).unwrap(), b"{}");
        let bundle = serde_json::to_vec(&envelope.bundle(&key.public()).unwrap()).unwrap();
        assert_eq!(Envelope::of(&bundle).unwrap().open(&key.public()).unwrap(), b"{}");
    }

    #[test]
    fn a_changed_payload_type_or_signature_does_not_open() {
        let key = key();
        let envelope = Envelope::sign(b"{}", &key).unwrap();
        let with = |change: &dyn Fn(&mut Envelope)| {
            let mut changed = envelope.clone();
            change(&mut changed);
            changed.open(&key.public()).unwrap_err()
        };
        assert!(with(&|e| e.payload = STANDARD.encode("{ }")).contains("changed after"));
        assert!(with(&|e| e.payload_type = "text/plain".into()).contains("text/plain"));
        assert!(with(&|e| e.signatures.clear()).contains("not signed"));
        assert!(with(&|e| e.payload = "%".into()).contains("base64"));
        assert!(with(&|e| e.signatures[0].sig = String::new()).contains("changed after"));
        assert!(with(&|e| e.signatures = vec![e.signatures[0].clone(); SIGNATURES + 1]).contains("more than"));
    }

    #[test]
    fn one_good_signature_among_bad_ones_is_enough() {
        let key = key();
        let mut envelope = Envelope::sign(b"{}", &key).unwrap();
        envelope.signatures.insert(0, Signature { keyid: String::new(), sig: "AAAA".into() });
        assert!(envelope.open(&key.public()).is_ok());
    }
}
