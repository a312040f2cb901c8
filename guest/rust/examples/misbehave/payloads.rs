//! Things to pass to the host, most of them awkward.

use std::error::Error as StdError;
use std::fmt;

use mongoqueue_guest::{IntoPayload, Payload, Result};
use serde_json::Value;

/// Deeper than any parser likes.
const DEEP: usize = 100_000;

pub(crate) fn json(value: &Value) -> Result<Payload> {
    value.into_payload()
}

/// A text of so many bytes, 4 MiB unless said.
pub(crate) fn text(bytes: Option<usize>) -> String {
    "x".repeat(bytes.unwrap_or(crate::BIG))
}

pub(crate) fn bad_json() -> Payload {
    Payload::new("application/json", "{\"half\": ")
}

pub(crate) fn deep(depth: Option<usize>) -> Payload {
    let depth = depth.unwrap_or(DEEP);
    Payload::new("application/json", "[".repeat(depth) + &"]".repeat(depth))
}

/// An error with two sources.
pub(crate) fn chain() -> impl StdError + 'static {
    let root = Link { text: "no route to host", source: None };
    let middle = Link { text: "connecting to mail.example", source: Some(Box::new(root)) };
    Link { text: "sending the mail", source: Some(Box::new(middle)) }
}

#[derive(Debug)]
struct Link {
    text: &'static str,
    source: Option<Box<Link>>,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

impl StdError for Link {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_deref()?)
    }
}
