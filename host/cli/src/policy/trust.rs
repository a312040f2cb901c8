//! The fields that say which component is meant: `digest` and `signed_by`.

use std::path::{Path, PathBuf};

use mongoqueue_wasmtime::{ComponentSource, Digest, PublicKey};

use super::table::Table;
use super::{Finding, Place, Served};

/// What a component must be before it may serve a queue.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    pub(crate) digest: Option<Digest>,
    /// Files of public keys, one of which has to have signed it; empty where nobody has to.
    pub(crate) signed_by: Vec<(PathBuf, Place)>,
}

impl Trust {
    pub(super) fn of(table: &mut Table<'_>, folder: &Path) -> Self {
        let digest = table.parsed("digest", "a digest", "\"sha256:…\"", |text| {
            text.parse::<Digest>().map_err(|error| error.to_string())
        });
        let mut signed_by = Vec::new();
        let keys = table.text_or_list("signed_by", "\"team.pub.pem\"");
        if keys.as_ref().is_some_and(Vec::is_empty) {
            // Read as "anybody" it would be the opposite of what stands there.
            let what = "`signed_by` is an empty list: nobody is trusted";
            table.error(table.place_of("signed_by"), what, "Name the file of a public key.");
        }
        for (file, place) in keys.unwrap_or_default() {
            if file.is_empty() {
                table.error(place, "an empty name is no file of a public key", "");
            }
            signed_by.push((folder.join(file), place));
        }
        Self { digest, signed_by }
    }
}

impl Served {
    /// The component's file, with what its operator asks of it.
    ///
    /// # Errors
    /// Where a key can't be read.
    pub(crate) fn source(&self) -> Result<ComponentSource, Finding> {
        let mut source = ComponentSource::file(&self.component);
        if let Some(digest) = self.trust.digest {
            source = source.pinned(digest);
        }
        if self.trust.signed_by.is_empty() {
            return Ok(source);
        }
        let mut keys = Vec::new();
        for (file, place) in &self.trust.signed_by {
            let key = PublicKey::read(file);
            keys.push(key.map_err(|error| Finding::error(*place, error.to_string(), ""))?);
        }
        Ok(source.signed_by(keys))
    }
}
