//! Ed25519 keys, as OpenSSL writes them, and signatures over a component's bytes.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// A signature has so many bytes, no more and no less.
pub(super) const SIGNATURE_BYTES: usize = 64;

/// Keys of this kind have about 120 bytes; this leaves room for what some write around them.
const KEY_FILE_BYTES: u64 = 4 << 10;

/// Why a file gives no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file can't be read.
    #[error("cannot read the key {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// What is in the file is not the key that is needed. Says nothing of what it is made of.
    #[error("{} is no such key: {why}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is wrong, and how it is made right.
        why: &'static str,
    },
    /// Others than its owner may read a private key, so that it may not be private any more.
    #[error(
        "others may read the private key {} (mode {mode:o}); make it private by `chmod 600`",
        path.display()
    )]
    NotPrivate {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
}

/// The key that signs. Nothing shows it.
pub struct PrivateKey(SigningKey);

/// The key that a signature is verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PrivateKey {
    /// From PEM, PKCS#8: as `openssl genpkey -algorithm ed25519` makes it.
    ///
    /// # Errors
    /// Where it is none, in words that say what it is instead.
    pub fn from_pem(pem: &str) -> Result<Self, &'static str> {
        if let Ok(key) = SigningKey::from_pkcs8_pem(pem.trim()) {
            return Ok(Self(key));
        }
        Err(match label(pem) {
            "PUBLIC KEY" => "this is a public key, and it takes the private one to sign",
            "ENCRYPTED PRIVATE KEY" => "it is encrypted; decrypt it by `openssl pkey`",
            "PRIVATE KEY" => "it is a private key of another kind than ed25519, or damaged",
            _ => "a private key is made by `openssl genpkey -algorithm ed25519`",
        })
    }

    /// From a file that nobody but its owner may read.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(KeyError::NotPrivate { path: path.to_owned(), mode });
            }
        }
        let why = |why| KeyError::NoKey { path: path.to_owned(), why };
        Self::from_pem(&read(path, file)?).map_err(why)
    }

    /// The signature over these bytes: 64 bytes, the same ones each time.
    pub fn sign(&self, bytes: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(bytes).to_bytes()
    }

    /// The key that verifies what this one signs.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("public_key", &self.public_key()).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// From PEM, SPKI: as `openssl pkey -pubout` makes it.
    ///
    /// # Errors
    /// Where it is none, in words that say what it is instead.
    pub fn from_pem(pem: &str) -> Result<Self, &'static str> {
        match VerifyingKey::from_public_key_pem(pem.trim()) {
            // Of such a key a signature can be made without knowing any secret.
            Ok(key) if key.is_weak() => Err("it is a weak key, which anybody can sign for"),
            Ok(key) => Ok(Self(key)),
            Err(_) => Err(match label(pem) {
                "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => {
                    "this is the private key, which belongs with whoever signs; the public one is \
                     made from it by `openssl pkey -in KEY.pem -pubout`"
                }
                "PUBLIC KEY" => "it is a public key of another kind than ed25519, or damaged",
                _ => "a public key is made by `openssl pkey -in KEY.pem -pubout`",
            }),
        }
    }

    /// From a file.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let why = |why| KeyError::NoKey { path: path.to_owned(), why };
        Self::from_pem(&read(path, file)?).map_err(why)
    }

    /// Whether `signature` is the owner's, over exactly these bytes.
    pub fn verify(&self, bytes: &[u8], signature: &[u8]) -> bool {
        // Strict: of one message there is one signature, whatever others accept beside it.
        Signature::from_slice(signature).is_ok_and(|it| self.0.verify_strict(bytes, &it).is_ok())
    }
}

/// `ed25519:` and the key's 32 bytes in hexadecimal.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ed25519:")?;
        self.0.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn read(path: &Path, file: File) -> Result<String, KeyError> {
    let mut pem = Vec::new();
    let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
    file.take(KEY_FILE_BYTES + 1).read_to_end(&mut pem).map_err(unreadable)?;
    let why = |why| KeyError::NoKey { path: path.to_owned(), why };
    if pem.len() as u64 > KEY_FILE_BYTES {
        return Err(why("it has more than 4 KiB; a key in PEM has about 100 bytes"));
    }
    String::from_utf8(pem).map_err(|_| why("it is no text; keys are taken in PEM"))
}

/// What a PEM says that it is.
fn label(pem: &str) -> &str {
    let begun = pem.split_once("-----BEGIN ").map_or("", |(_, rest)| rest);
    begun.split_once("-----").map_or("", |(label, _)| label)
}

#[cfg(test)]
mod tests;
