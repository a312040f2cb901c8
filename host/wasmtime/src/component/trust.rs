//! Whether a component is the one that its operator meant: by its digest, by its signature.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::keys::SIGNATURE_BYTES;
use super::{Digest, LoadError, PublicKey};

/// What is asked of a component before anything of it is looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Trust {
    pub(super) digest: Option<Digest>,
    /// Any of them; none at all trusts nobody.
    pub(super) signers: Option<Vec<PublicKey>>,
    /// Where it is not beside the file.
    pub(super) signature: Option<Vec<u8>>,
}

impl Trust {
    /// Checks the bytes that will be compiled, and no others. `path`: where they come from.
    pub(super) fn check(
        &self,
        name: &str,
        path: Option<&Path>,
        bytes: &[u8],
    ) -> Result<(), LoadError> {
        if let Some(pinned) = self.digest {
            let found = Digest::of(bytes);
            if found != pinned {
                return Err(LoadError::WrongDigest { name: name.to_owned(), pinned, found });
            }
        }
        let Some(signers) = &self.signers else { return Ok(()) };
        let not_signed = |why| LoadError::NotSigned { name: name.to_owned(), why };
        let signature = self.signature(path).map_err(not_signed)?;
        if signers.iter().any(|key| key.verify(bytes, &signature)) {
            return Ok(());
        }
        Err(not_signed(format!(
            "the signature is by none of the {} that are trusted, or over other bytes",
            if signers.len() == 1 { "1 key".to_owned() } else { format!("{} keys", signers.len()) }
        )))
    }

    fn signature(&self, path: Option<&Path>) -> Result<Vec<u8>, String> {
        match (&self.signature, path) {
            (Some(signature), _) => Ok(signature.clone()),
            (None, Some(path)) => read_signature(&signature_path(path)),
            (None, None) => Err("it has no signature".to_owned()),
        }
    }
}

/// Where the signature of a component lies: beside it, `.sig` behind its whole name.
pub fn signature_path(component: &Path) -> PathBuf {
    let mut path = component.as_os_str().to_owned();
    path.push(".sig");
    path.into()
}

/// Reads a detached signature: 64 bytes, as they are.
///
/// # Errors
/// In words, for whoever asked for it.
pub fn read_signature(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let mut signature = Vec::new();
    let file = File::open(path);
    let read = file.and_then(|it| it.take(SIGNATURE_BYTES as u64 + 1).read_to_end(&mut signature));
    match read {
        Ok(SIGNATURE_BYTES) => Ok(signature),
        Ok(_) => Err(format!("{shown} is no signature, which has {SIGNATURE_BYTES} bytes")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(format!("there is no signature {shown}"))
        }
        Err(error) => Err(format!("the signature {shown} can't be read: {error}")),
    }
}
