//! What a call answers: a code for programs, and words for people.

use queue::Error;

/// The codes of the header, by the same numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Code {
    Ok = 0,
    None = 1,
    Null = -1,
    Handle = -2,
    Kind = -3,
    Forked = -4,
    Panic = -5,
    TooSmall = -6,
    Invalid = -7,
    TooLarge = -8,
    Duplicate = -9,
    NoSuchJob = -10,
    LeaseLost = -11,
    NotReady = -12,
    NotAllowed = -13,
    Unreachable = -14,
    MayHaveHappened = -15,
    Refused = -16,
    Database = -17,
}

/// A call that did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Trouble {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

pub(crate) type Result<T> = std::result::Result<T, Trouble>;

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Invalid { .. } => Code::Invalid,
            Error::TooLarge { .. } => Code::TooLarge,
            Error::Duplicate { .. } => Code::Duplicate,
            Error::NoSuchJob { .. } => Code::NoSuchJob,
            Error::LeaseLost { .. } => Code::LeaseLost,
            Error::NotReady { .. } | Error::UnsuitableServer { .. } => Code::NotReady,
            Error::NotAllowed { .. } => Code::NotAllowed,
            Error::Unreachable { .. } => Code::Unreachable,
            Error::MayHaveHappened { .. } => Code::MayHaveHappened,
            _ => Code::Database,
        };
        Self::new(code, error.to_string())
    }
}
