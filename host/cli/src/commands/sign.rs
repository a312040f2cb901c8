//! `mongoqueue sign` and `mongoqueue verify`: who answers for a component.

use std::fs;
use std::path::Path;

use mongoqueue_wasmtime::{
    Digest, KeyError, Limits, PrivateKey, PublicKey, read_signature, signature_path,
};
use serde_json::json;

use crate::args::{SignArgs, VerifyArgs};
use crate::component;
use crate::show::{Show, Tone, escape};
use crate::trouble::{Exit, Result, Trouble};

/// Writes the signature beside the component.
pub(super) fn sign(show: Show, args: &SignArgs) -> Result<()> {
    let key = PrivateKey::read(&args.key)?;
    let bytes = read(&args.component)?;
    let path = signature_path(&args.component);
    fs::write(&path, key.sign(&bytes)).map_err(|error| {
        Trouble::misuse(format!("can't write the signature {}: {error}", path.display()))
    })?;
    let (digest, key) = (Digest::of(&bytes).to_string(), key.public_key().to_string());
    let value = json!({
        "component": args.component.display().to_string(),
        "signature": path.display().to_string(),
        "digest": digest,
        "key": key,
    });
    show.answer(&value, || {
        let path = path.display().to_string();
        let signed = show.paint(Tone::Good, "signed");
        format!("{signed} {}\ndigest {digest}\nby {key}", escape::line(&path))
    })
}

/// Says whether the component beside its signature is what the key's owner signed.
pub(super) fn verify(show: Show, args: &VerifyArgs) -> Result<()> {
    let key = PublicKey::read(&args.key)?;
    let bytes = read(&args.component)?;
    let component = args.component.display();
    let no = |why: &str| Trouble::new(Exit::No, "not-signed", format!("{component}: {why}"));
    let signature = read_signature(&signature_path(&args.component)).map_err(|why| no(&why))?;
    if !key.verify(&bytes, &signature) {
        let why = format!("the signature is not by {}, or over other bytes", args.key.display());
        return Err(no(&why));
    }
    let (digest, key) = (Digest::of(&bytes).to_string(), key.to_string());
    let component = component.to_string();
    let value = json!({ "component": component, "digest": digest, "key": key, "verified": true });
    show.answer(&value, || {
        let verified = show.paint(Tone::Good, "verified");
        format!("{verified} {}\ndigest {digest}\nby {key}", escape::line(&component))
    })
}

/// As large as a component may be, and no larger.
fn read(path: &Path) -> Result<Vec<u8>> {
    component::read(path, Limits::default().component_bytes)
}

impl From<KeyError> for Trouble {
    fn from(error: KeyError) -> Self {
        Self::misuse(error.to_string())
    }
}
