//! A line of the server's account.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A write that a majority has. Values are plain JSON: dates are milliseconds since 1970, ids and
/// tokens are text, payloads and outputs are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// The server's wall clock when it was written, in milliseconds since 1970.
    #[serde(default)]
    pub wall: i64,
    /// The transaction that it is part of: what has the same name became visible together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txn: Option<String>,
    /// What was written to.
    pub of: Of,
    /// The job's id, the lease's token or the mark's name.
    #[serde(default)]
    pub id: String,
    /// What was done.
    #[serde(flatten)]
    pub deed: Deed,
}

/// A collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// The jobs.
    Job,
    /// Their leases.
    Lease,
    /// The checker's own marks in the stream of writes.
    Mark,
    /// The run as a whole.
    Run,
}

/// What a write did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "deed", rename_all = "kebab-case")]
pub enum Deed {
    /// A new document, or a new one in place of the old.
    Put {
        /// The document.
        doc: Map<String, Value>,
    },
    /// Some of its fields; a path has dots, a number is a position in an array.
    Change {
        /// New values by path.
        #[serde(default)]
        set: Map<String, Value>,
        /// Paths that are gone.
        #[serde(default)]
        unset: Vec<String>,
        /// New lengths of arrays by path.
        #[serde(default)]
        cut: Map<String, Value>,
    },
    /// It is gone.
    Delete,
    /// No write: the document as it was found after the run.
    Left {
        /// The document.
        doc: Map<String, Value>,
    },
    /// No write: from here on the collections were read; `wall` is the server's time.
    Read,
    /// No write: something is missing here.
    Gap {
        /// Why.
        why: String,
    },
    /// One that this version doesn't know.
    #[serde(other)]
    Unknown,
}
