//! Why a command could not do what it was told: its exit code, its name for programs, and words
//! that tell a person what to do.

use mongoqueue_wasmtime::SandboxError;
use serde_json::{Map, Value, json};

use crate::show::escape;

pub(crate) mod driver;
mod refused;

pub(crate) use refused::{Granting, refused};

/// The largest payload that a connection can be told to let through.
const LARGEST: usize = 15 << 20;

/// What a command answers.
pub(crate) type Result<T, E = Trouble> = std::result::Result<T, E>;

/// The exit codes, as `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// The answer is no.
    No = 1,
    /// Misuse, or an input that can never be accepted.
    Misuse = 2,
    /// The database can't be reached, or can't be used.
    Database = 3,
    /// A component was refused.
    Refused = 4,
}

/// The end of a command that did not do what it was told.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) exit: Exit,
    /// Names the condition for programs: `lease-lost`, `empty`, `unreachable`, …
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    /// Further fields for programs.
    details: Map<String, Value>,
}

impl Trouble {
    pub(crate) fn new(exit: Exit, kind: &'static str, message: impl Into<String>) -> Self {
        Self { exit, kind, message: message.into(), details: Map::new() }
    }

    pub(crate) fn misuse(message: impl Into<String>) -> Self {
        Self::new(Exit::Misuse, "misuse", message)
    }

    /// Whoever reads our output has gone: the end, without a word.
    pub(crate) fn unheard() -> Self {
        Self::new(Exit::Done, "unheard", "")
    }

    pub(crate) fn is_unheard(&self) -> bool {
        self.kind == "unheard"
    }

    /// With one more field for programs.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }

    /// With more words in front or behind.
    pub(crate) fn reworded(mut self, words: impl FnOnce(&str) -> String) -> Self {
        self.message = words(&self.message);
        self
    }

    /// What goes to stderr, without the newline.
    pub(crate) fn render(&self, json: bool) -> String {
        if !json {
            return format!("error: {}", escape::lines(&self.message));
        }
        let mut error = Map::new();
        error.insert("kind".to_owned(), self.kind.into());
        error.insert("message".to_owned(), self.message.as_str().into());
        error.insert("exit_code".to_owned(), (self.exit as u8).into());
        error.extend(self.details.clone());
        escape::json(&json!({ "error": error }))
    }
}

impl From<mongoqueue::Error> for Trouble {
    fn from(error: mongoqueue::Error) -> Self {
        use mongoqueue::Error as E;
        let message = sentence(&error);
        let new = |exit, kind| Self::new(exit, kind, message);
        match &error {
            E::LeaseLost { id } => new(Exit::No, "lease-lost").with("id", id.to_string()),
            E::LockLost { .. } => new(Exit::No, "lock-lost"),
            E::Duplicate { id, key, .. } => new(Exit::No, "duplicate")
                .with("id", id.to_string())
                .with("unique_key", key.as_str()),
            E::NoSuchJob { id, .. } => new(Exit::No, "no-such-job").with("id", id.to_string()),
            E::TooLarge { size, limit, .. } => {
                new(Exit::Misuse, "too-large").with("size", *size).with("limit", *limit)
            }
            E::Invalid { what, .. } => new(Exit::Misuse, "invalid").with("what", *what),
            E::NotReady { .. } => new(Exit::Database, "not-ready"),
            E::UnsuitableServer { .. } => new(Exit::Database, "unsuitable-server"),
            E::NotAllowed { .. } => new(Exit::Database, "not-allowed"),
            E::Unreachable { .. } => new(Exit::Database, "unreachable"),
            E::MayHaveHappened { .. } => new(Exit::Database, "may-have-happened"),
            E::Contended { .. } => new(Exit::Database, "contended"),
            E::Malformed { .. } => new(Exit::Database, "malformed"),
            E::Database { source, .. } if driver::is_bad_name(source) => {
                new(Exit::Misuse, "invalid")
            }
            _ => new(Exit::Database, "database"),
        }
    }
}

impl From<SandboxError> for Trouble {
    fn from(error: SandboxError) -> Self {
        Self::new(Exit::Misuse, "sandbox", error.to_string())
    }
}

/// The library's words, and what a person at a command line can do about them.
fn sentence(error: &mongoqueue::Error) -> String {
    use mongoqueue::Error as E;
    match error {
        E::NoSuchJob { queue, id } if queue.is_empty() => {
            format!("no such job: {id} (completed jobs are removed unless put with --retain)")
        }
        E::TooLarge { limit, .. } if *limit < LARGEST => {
            format!("{error}\nA larger --payload-limit lets it through, up to 15MiB.")
        }
        E::Unreachable { .. } => {
            format!("{error}\nIs the server up, and does --uri or MONGODB_URI name it?")
        }
        E::MayHaveHappened { .. } => format!(
            "{error}\nLook with `mongoqueue get` or `mongoqueue list` before you repeat it."
        ),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_exit_code() {
        let id = mongoqueue::JobId::Own("a".to_owned());
        let lost = Trouble::from(mongoqueue::Error::LeaseLost { id });
        assert_eq!((lost.exit, lost.kind), (Exit::No, "lease-lost"));
        let large = mongoqueue::Error::TooLarge { what: "payload", size: 9, limit: 8 };
        assert_eq!(Trouble::from(large).exit, Exit::Misuse);
        let why = String::new();
        let unsuitable = mongoqueue::Error::UnsuitableServer { why };
        assert_eq!(Trouble::from(unsuitable).exit as u8, 3);
    }

    #[test]
    fn renders_for_people_and_for_programs() {
        let trouble = Trouble::new(Exit::No, "empty", "no \u{1b}[31mjob").with("queue", "q");
        assert_eq!(trouble.render(false), "error: no \\u{1b}[31mjob");
        assert_eq!(
            trouble.render(true),
            r#"{"error":{"kind":"empty","message":"no \u001b[31mjob","exit_code":1,"queue":"q"}}"#
        );
    }
}
