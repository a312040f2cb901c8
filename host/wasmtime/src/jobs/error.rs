//! What guests are told of the library's errors: never a host's name, an address or a user.

use mongoqueue::Error;
use wasmtime_wasi::TrappableError;

use super::JobsCtxView;
use crate::bindings::types;

/// An answer for the guest, or a trap.
pub type GuestError = TrappableError<types::Error>;

impl types::Host for JobsCtxView<'_> {
    fn convert_error(&mut self, error: GuestError) -> wasmtime::Result<types::Error> {
        error.downcast()
    }
}

/// The guest's view of an error.
pub(super) fn told(error: &Error) -> types::Error {
    match error {
        Error::LeaseLost { .. } => types::Error::LeaseLost,
        Error::Duplicate { id, .. } => types::Error::Duplicate(id.to_string()),
        Error::NoSuchJob { .. } => types::Error::NoSuchJob,
        Error::TooLarge { .. } => types::Error::LimitExceeded(error.to_string()),
        Error::Invalid { .. } => types::Error::InvalidArgument(error.to_string()),
        // The driver's words name servers; ours don't.
        Error::Unreachable { doing, .. } => {
            types::Error::Unavailable(format!("no database to {doing}"))
        }
        Error::MayHaveHappened { doing, .. } => {
            types::Error::Unavailable(format!("may have happened, or not: to {doing}"))
        }
        Error::Contended { doing, .. } => {
            types::Error::Unavailable(format!("too many others tried to {doing}"))
        }
        Error::Database { doing, .. } if error.is_transient() => {
            types::Error::Unavailable(format!("the database can't {doing} at the moment"))
        }
        Error::Database { doing, .. } => {
            types::Error::Other(format!("the database failed to {doing}"))
        }
        _ => types::Error::Other("the host's queue is not set up for this".into()),
    }
}

pub(super) fn tell(error: Error) -> GuestError {
    told(&error).into()
}

#[cfg(test)]
mod tests {
    use mongoqueue::JobId;

    use super::*;

    #[test]
    fn conditions_have_their_own_answers() {
        let id = || JobId::Own("a".into());
        let (queue, key) = ("q".to_owned(), "k".to_owned());
        assert!(matches!(told(&Error::LeaseLost { id: id() }), types::Error::LeaseLost));
        let error = Error::NoSuchJob { queue: queue.clone(), id: id() };
        assert!(matches!(told(&error), types::Error::NoSuchJob));
        let error = Error::Duplicate { queue, key, id: id() };
        assert!(matches!(told(&error), types::Error::Duplicate(id) if id == "a"));
        let error = Error::TooLarge { what: "payload", size: 9, limit: 8 };
        assert!(matches!(told(&error), types::Error::LimitExceeded(why) if why.contains('8')));
    }

    #[test]
    fn nothing_about_the_host_reaches_the_guest() {
        let secrets = [
            Error::NotReady { namespace: "db.jobs".into(), why: "run init at s3cret".into() },
            Error::UnsuitableServer { why: "s3cret:27017 is a standalone".into() },
            Error::NotAllowed { doing: "put", why: "user s3cret".into() },
            Error::Malformed { why: "s3cret".into() },
        ];
        for error in secrets {
            let told = format!("{:?}", told(&error));
            assert!(!told.contains("s3cret") && !told.contains("db.jobs"), "{told}");
        }
    }
}
