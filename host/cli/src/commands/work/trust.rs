//! The keys of the operator's file that say which component is meant: `digest` and `signed_by`.

use std::fmt;
use std::path::{Path, PathBuf};

use mongoqueue_wasmtime::{ComponentSource, Digest, PublicKey};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::trouble::{Result, Trouble};

/// `digest = "sha256:…"`.
pub(super) fn digest<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Digest>, D::Error> {
    String::deserialize(input)?.parse().map(Some).map_err(D::Error::custom)
}

/// `signed_by = "team.pub.pem"`, or a list of such files, of which one is enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedBy(Vec<PathBuf>);

impl<'de> Deserialize<'de> for SignedBy {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(Files)
    }
}

struct Files;

impl<'de> Visitor<'de> for Files {
    type Value = SignedBy;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the file of a public key, or a list of such files")
    }

    fn visit_str<E: Error>(self, file: &str) -> Result<SignedBy, E> {
        match file {
            "" => Err(E::custom("an empty name is no file of a public key")),
            file => Ok(SignedBy(vec![file.into()])),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<SignedBy, A::Error> {
        let mut files = Vec::new();
        while let Some(file) = list.next_element::<String>()? {
            files.extend(self::Files.visit_str::<A::Error>(&file)?.0);
        }
        // Read as "anybody" it would be the opposite of what stands there.
        if files.is_empty() {
            return Err(A::Error::custom("an empty list trusts nobody: name a public key"));
        }
        Ok(SignedBy(files))
    }
}

impl SignedBy {
    /// The same files, as they are named from the folder of the operator's file.
    pub(super) fn relative_to(&mut self, folder: &Path) {
        self.0.iter_mut().for_each(|file| *file = folder.join(&*file));
    }
}

/// The component's file, with what its operator asks of it.
pub(super) fn source(
    queue: &str,
    component: &Path,
    digest: Option<Digest>,
    signed_by: Option<&SignedBy>,
) -> Result<ComponentSource> {
    let mut source = ComponentSource::file(component);
    if let Some(digest) = digest {
        source = source.pinned(digest);
    }
    if let Some(SignedBy(files)) = signed_by {
        let keys: Result<Vec<PublicKey>, _> = files.iter().map(PublicKey::read).collect();
        let keys = keys.map_err(|error| {
            Trouble::misuse(format!("signed_by, under [queue.{queue}]: {error}"))
        })?;
        source = source.signed_by(keys);
    }
    Ok(source)
}
