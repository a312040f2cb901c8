//! What only the driver's error tells.

use mongodb::error::{Error, ErrorKind};

/// True for a name of a database or collection that MongoDB doesn't take: no database is needed to
/// say so again.
pub(crate) fn is_bad_name(error: &Error) -> bool {
    // InvalidNamespace
    matches!(error.kind.as_ref(), ErrorKind::Command(error) if error.code == 73)
}
