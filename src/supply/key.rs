//! Key pairs in PEM: ed25519 by default, ECDSA over P-256 for those who share keys with other signing
//! tools. Private keys are PKCS#8, public keys SubjectPublicKeyInfo, both without a password.

use crate::error::{Error, Result};
use crate::quarantine::hex;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, spki::der::pem::LineEnding};
use ed25519_dalek::{Signer, Verifier};
use sha2::{Digest, Sha256};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// No key is longer.
const MOST: u64 = 64 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Ed25519,
    EcdsaP256,
}

/// Signs.
pub enum Private {
    Ed25519(ed25519_dalek::SigningKey),
    EcdsaP256(p256::ecdsa::SigningKey),
}

/// Verifies.
#[derive(Debug, Clone)]
pub enum Public {
    Ed25519(ed25519_dalek::VerifyingKey),
    EcdsaP256(p256::ecdsa::VerifyingKey),
}

impl Private {
    /// # Errors
    /// A resource error when the system has no random bytes.
    pub fn generate(algorithm: Algorithm) -> Result<Private> {
        loop {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).map_err(|e| Error::resource("random bytes", e))?;
            match algorithm {
                Algorithm::Ed25519 => return Ok(Private::Ed25519(ed25519_dalek::SigningKey::from_bytes(&secret))),
                // One draw in 2^32 is no scalar of the curve.
                Algorithm::EcdsaP256 => {
                    if let Ok(key) = p256::ecdsa::SigningKey::from_slice(&secret) {
                        return Ok(Private::EcdsaP256(key));
                    }
                }
            }
        }
    }

    /// # Errors
    /// A data error for what is no private key that can be used, with what would be.
    pub fn load(path: &Path) -> Result<Private> {
        let pem = text(path)?;
        if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_pem(&pem) {
            return Ok(Private::Ed25519(key));
        }
        if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_pem(&pem) {
            return Ok(Private::EcdsaP256(key));
        }
        Err(unusable(path, &pem, "private"))
    }

    pub fn public(&self) -> Public {
        match self {
            Private::Ed25519(key) => Public::Ed25519(key.verifying_key()),
            Private::EcdsaP256(key) => Public::EcdsaP256(*key.verifying_key()),
        }
    }

    /// Ed25519: 64 bytes (RFC 8032). ECDSA: over SHA-256, DER.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Private::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Private::EcdsaP256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
        }
    }

    fn pem(&self) -> Result<String> {
        let pem = match self {
            Private::Ed25519(key) => key.to_pkcs8_pem(LineEnding::LF),
            Private::EcdsaP256(key) => key.to_pkcs8_pem(LineEnding::LF),
        };
        pem.map(|p| p.as_str().to_owned()).map_err(Error::internal)
    }
}

impl Public {
    /// # Errors
    /// A data error for what is no public key that can be used, with what would be.
    pub fn load(path: &Path) -> Result<Public> {
        let pem = text(path)?;
        if let Ok(key) = ed25519_dalek::VerifyingKey::from_public_key_pem(&pem) {
            // Under such a key one signature fits many messages.
            if key.is_weak() {
                return Err(Error::data(path, "is a weak key: its signatures prove nothing"));
            }
            return Ok(Public::Ed25519(key));
        }
        if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_pem(&pem) {
            return Ok(Public::EcdsaP256(key));
        }
        Err(unusable(path, &pem, "public"))
    }

    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Public::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature).is_ok_and(|s| key.verify_strict(message, &s).is_ok()),
            Public::EcdsaP256(key) => p256::ecdsa::Signature::from_der(signature).is_ok_and(|s| key.verify(message, &s).is_ok()),
        }
    }

    /// SHA-256 of the key in DER, lower-case hex: how envelopes name it.
    pub fn id(&self) -> Result<String> {
        let der = match self {
            Public::Ed25519(key) => key.to_public_key_der(),
            Public::EcdsaP256(key) => key.to_public_key_der(),
        };
        Ok(hex(&Sha256::digest(der.map_err(Error::internal)?.as_bytes())))
    }

    pub fn pem(&self) -> Result<String> {
        let pem = match self {
            Public::Ed25519(key) => key.to_public_key_pem(LineEnding::LF),
            Public::EcdsaP256(key) => key.to_public_key_pem(LineEnding::LF),
        };
        pem.map_err(Error::internal)
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Public::Ed25519(_) => "ed25519",
            Public::EcdsaP256(_) => "ECDSA P-256",
        }
    }
}

fn text(path: &Path) -> Result<String> {
    let mut out = String::new();
    let read = std::fs::File::open(path).and_then(|f| f.take(MOST).read_to_string(&mut out));
    match read {
        Ok(_) => Ok(out),
        Err(e) if e.kind() == std::io::ErrorKind::InvalidData => Err(Error::data(path, "is no key in PEM: it is no text")),
        Err(e) => Err(Error::data(path, format!("cannot be read: {e}")).help("`taster key NAME` makes NAME.pem and NAME.pub.pem")),
    }
}

fn unusable(path: &Path, pem: &str, wanted: &str) -> Error {
    let has = |label: &str| pem.contains(&format!("-----BEGIN {label}-----"));
    let (what, help) = if has("ENCRYPTED PRIVATE KEY") {
        ("is protected by a password", "write it without: openssl pkcs8 -in KEY -out PLAIN.pem, readable by you alone")
    } else if has("EC PRIVATE KEY") {
        ("is in the form of SEC 1", "bring it into PKCS#8: openssl pkcs8 -topk8 -nocrypt -in KEY -out KEY.pem")
    } else if has("PUBLIC KEY") && wanted == "private" {
        ("is a public key", "signing wants the private one, NAME.pem")
    } else if has("PRIVATE KEY") && wanted == "public" {
        ("is a private key", "verifying wants the public one, NAME.pub.pem; keep the private one away from those who verify")
    } else if has("PRIVATE KEY") || has("PUBLIC KEY") {
        ("is neither an ed25519 nor an ECDSA P-256 key", "`taster key NAME` makes a pair")
    } else {
        ("is no key in PEM", "`taster key NAME` makes a pair, NAME.pem and NAME.pub.pem")
    };
    Error::data(path, what).help(help)
}

/// Whether others than the owner may read a private key.
pub fn is_exposed(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).is_ok_and(|m| m.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Writes `NAME.pem`, which only the owner may read, and `NAME.pub.pem`. An older key is never
/// replaced: what it signed could not be verified any more.
///
/// # Errors
/// A usage error when one of the files is there; a resource error when they cannot be written.
pub fn write_pair(name: &str, key: &Private) -> Result<(PathBuf, PathBuf)> {
    let (private, public) = (PathBuf::from(format!("{name}.pem")), PathBuf::from(format!("{name}.pub.pem")));
    if private.file_name().is_none_or(|n| n == ".pem") {
        return Err(Error::usage("a key wants a name").help("`taster key release` makes release.pem and release.pub.pem"));
    }
    if let Some(there) = [&private, &public].into_iter().find(|p| p.symlink_metadata().is_ok()) {
        return Err(Error::usage(format!("{} is there already; a key is never replaced", there.display())).help("choose another name"));
    }
    let folder = match private.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_owned(),
        _ => PathBuf::from("."),
    };
    let failed = |path: &Path, e: &std::io::Error| crate::quarantine::io_error(&format!("writing {}", path.display()), e);
    let make = |pem: &str, path: &Path, open: bool| {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".key.").suffix(".partial");
        // The library's own choice is 0600.
        #[cfg(unix)]
        if open {
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        }
        #[cfg(not(unix))]
        let _ = open;
        let mut file = builder.tempfile_in(&folder).map_err(|e| failed(path, &e))?;
        file.write_all(pem.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(|e| failed(path, &e))?;
        Ok::<_, Error>(file)
    };
    let secret = make(&key.pem()?, &private, false)?;
    let shared = make(&key.public().pem()?, &public, true)?;
    secret.persist_noclobber(&private).map_err(|e| failed(&private, &e.error))?;
    if let Err(e) = shared.persist_noclobber(&public) {
        let _ = std::fs::remove_file(&private);
        return Err(failed(&public, &e.error));
    }
    Ok((private, public))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_pair_is_read_back_and_its_signature_holds_for_that_message_alone() {
        for algorithm in [Algorithm::Ed25519, Algorithm::EcdsaP256] {
            let folder = tempfile::tempdir().unwrap();
            let name = folder.path().join("k").to_string_lossy().into_owned();
            let (private, public) = write_pair(&name, &Private::generate(algorithm).unwrap()).unwrap();
            let (private_key, public_key) = (Private::load(&private).unwrap(), Public::load(&public).unwrap());
            let signature = private_key.sign(b"message");
            assert!(public_key.verifies(b"message", &signature));
            assert!(!public_key.verifies(b"messagf", &signature));
            for at in 0..signature.len() {
                let mut bent = signature.clone();
                bent[at] ^= 1;
                assert!(!public_key.verifies(b"message", &bent), "byte {at}");
            }
            assert!(!Private::generate(algorithm).unwrap().public().verifies(b"message", &signature));
            assert!(!is_exposed(&private));
            assert!(write_pair(&name, &private_key).is_err());
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        }
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn ed25519_is_that_of_the_standard() {
        let bytes = |hex: &str| (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect::<Vec<u8>>();
        let secret = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let key = Private::Ed25519(ed25519_dalek::SigningKey::from_bytes(&secret.try_into().unwrap()));
        let expected = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(hex(&key.sign(&[0x72])), expected);
    }

    #[test]
    fn every_wrong_key_says_what_would_be_right() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        let name = folder.path().join("p").to_string_lossy().into_owned();
        let (private, public) = write_pair(&name, &Private::generate(Algorithm::Ed25519).unwrap()).unwrap();
        let told = |r: Result<(), Error>| match r {
            Err(Error::Data { message, help, .. }) => format!("{message}; {}", help.unwrap_or_default()),
            other => panic!("{other:?}"),
        };
        assert!(told(Public::load(&private).map(drop)).contains("NAME.pub.pem"));
        assert!(told(Private::load(&public).map(drop)).contains("NAME.pem"));
        for (pem, says) in [
            ("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", "PKCS#8"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "password"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "neither"),
            ("hello", "no key in PEM"),
            ("", "no key in PEM"),
        ] {
            std::fs::write(&path, pem).unwrap();
            assert!(told(Private::load(&path).map(drop)).contains(says), "{pem}");
        }
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(told(Public::load(&path).map(drop)).contains("no text"));
        assert!(told(Public::load(&folder.path().join("absent")).map(drop)).contains("cannot be read"));
    }

    #[test]
    fn a_key_without_a_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("{}/", folder.path().display());
        assert!(write_pair(&name, &Private::generate(Algorithm::Ed25519).unwrap()).is_err());
    }
}
