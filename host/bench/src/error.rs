//! Why a measurement could not be made.

/// What this library answers.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The queue's own library failed.
    #[error(transparent)]
    Queue(#[from] mongoqueue::Error),
    /// A statement that the bare driver sent failed.
    #[error("the bare driver: {0}")]
    Driver(#[from] mongodb::error::Error),
    /// There are jobs that the bench would slow down.
    #[error("the database {database} holds a queue ({collection}), which a bench would slow down")]
    InUse {
        /// Its database.
        database: String,
        /// Its collection.
        collection: String,
    },
    /// No such part.
    #[error("no part {name:?}: there are {}", crate::names().join(", "))]
    NoPart {
        /// What was asked for.
        name: String,
    },
    /// The guest or its sandbox could not be made.
    #[error("the guest: {0}")]
    Guest(String),
    /// A worker process could not be started or spoken to.
    #[error("a worker process: {0}")]
    Process(#[from] std::io::Error),
    /// What was measured is not what should have been.
    #[error("not measured: {0}")]
    Wrong(String),
}

/// For conditions that a measurement has to fulfil to be one.
pub(crate) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Wrong(why())) }
}

impl From<wasmtime::Error> for Error {
    fn from(error: wasmtime::Error) -> Self {
        Self::Guest(format!("{error:#}"))
    }
}

impl From<mongoqueue_wasmtime::LoadError> for Error {
    fn from(error: mongoqueue_wasmtime::LoadError) -> Self {
        Self::Guest(error.to_string())
    }
}

impl From<mongoqueue_wasmtime::SandboxError> for Error {
    fn from(error: mongoqueue_wasmtime::SandboxError) -> Self {
        Self::Guest(error.to_string())
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Wrong(format!("a task ended early: {error}"))
    }
}
