//! What a job carries and what a handler returns.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::mongoqueue::jobs::types::Payload;
use crate::error::{Context, Error, Result};

const JSON: &str = "application/json";

impl Payload {
    /// Bytes of a media type. What is called `application/json` has to be JSON.
    pub fn new(content_type: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Payload { content_type: content_type.into(), data: data.into() }
    }

    /// JSON's `null`. Of a handler it is no output.
    pub fn null() -> Self {
        Payload::new(JSON, "null")
    }

    /// Whether the media type is JSON: `application/json`, or one that ends with `+json`;
    /// parameters and case do not matter.
    pub fn is_json(&self) -> bool {
        let media = self.content_type.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case(JSON) || media.to_ascii_lowercase().ends_with("+json")
    }
}

/// What a handler takes: every type that serde reads from JSON, and [`Payload`] as it is.
///
/// What the database holds and JSON does not (dates, object ids) comes as relaxed Extended JSON:
/// `{"$date": "2026-01-31T12:00:00Z"}`. Implement the trait for a type of another format; a job
/// whose payload it refuses is rejected with the code `bad-payload`, whatever the error says, for
/// a payload never changes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a job's payload",
    note = "derive `serde::Deserialize` for it, or take the bytes as a `Payload`"
)]
pub trait FromPayload: Sized {
    /// Reads the payload.
    fn from_payload(payload: Payload) -> Result<Self>;
}

/// What a handler returns and what is put: every type that serde writes as JSON, and [`Payload`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written as a payload",
    note = "derive `serde::Serialize` for it, or make a `Payload` of it"
)]
pub trait IntoPayload {
    /// Writes the payload.
    fn into_payload(self) -> Result<Payload>;
}

impl<T: DeserializeOwned> FromPayload for T {
    fn from_payload(payload: Payload) -> Result<Self> {
        if !payload.is_json() {
            let found = &payload.content_type;
            return Err(Error::new(format!("expected {JSON}, found {found}")));
        }
        let mut reader = serde_json::Deserializer::from_slice(&payload.data);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            match path.as_str() {
                "." => Error::new(error.into_inner()),
                _ => Error::new(error.into_inner()).context(format!("at `{path}`")),
            }
        })?;
        reader.end()?;
        Ok(value)
    }
}

impl FromPayload for Payload {
    fn from_payload(payload: Payload) -> Result<Self> {
        Ok(payload)
    }
}

impl<T: Serialize> IntoPayload for T {
    fn into_payload(self) -> Result<Payload> {
        let data = serde_json::to_vec(&self).context("cannot be written as JSON")?;
        Ok(Payload::new(JSON, data))
    }
}

impl IntoPayload for Payload {
    fn into_payload(self) -> Result<Payload> {
        Ok(self)
    }
}

impl IntoPayload for &Payload {
    fn into_payload(self) -> Result<Payload> {
        Ok(self.clone())
    }
}

/// The payload of a job. A payload never changes, so one that does not fit is not tried again.
pub(crate) fn input<T: FromPayload>(payload: Payload) -> Result<T> {
    T::from_payload(payload)
        .map_err(|error| error.context("the payload").code("bad-payload").reject())
}

/// The output of a job; none when it is JSON's `null`, as `()` and `None` are.
pub(crate) fn output(value: impl IntoPayload) -> Result<Option<Payload>> {
    let payload = value
        .into_payload()
        .map_err(|error| error.context("the output").code("bad-output").reject())?;
    let nothing = payload.data == b"null" && payload.is_json();
    Ok((!nothing).then_some(payload))
}

#[cfg(test)]
mod tests;
