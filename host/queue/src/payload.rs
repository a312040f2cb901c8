//! What a job carries, what a handler returns, what a guest saves: a native BSON value, or bytes
//! with a media type.

use bson::raw::RawBson;
use bson::spec::BinarySubtype;
use bson::{Bson, Document, RawDocumentBuf};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

mod wire;

/// The media type of payloads that are native BSON in the database.
pub const JSON: &str = "application/json";

/// MongoDB refuses documents nested deeper than 100; the job's own document takes some of it.
const DEPTH_LIMIT: usize = 90;

/// A body: what was put, returned, or saved.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// A native value, readable and queryable in the database. Guests get it as relaxed Extended
    /// JSON under the media type `application/json`.
    Bson(RawBson),
    /// Bytes, untouched.
    Bytes {
        /// Their media type.
        content_type: String,
        /// The bytes.
        data: Vec<u8>,
    },
}

impl Payload {
    /// A native payload from anything that serde can serialise.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value that BSON can't hold (an integer above `i64::MAX`, a map
    /// whose keys are no strings).
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        let value = bson::serialize_to_bson(value).map_err(|e| unfit(&e))?;
        value.into_payload()
    }

    /// Bytes with their media type.
    pub fn bytes(content_type: impl Into<String>, data: impl Into<Vec<u8>>) -> Self {
        Self::Bytes { content_type: content_type.into(), data: data.into() }
    }

    /// From what a guest or a command line hands over: JSON text becomes native (Extended JSON
    /// such as `{"$date": …}` is understood), anything else stays bytes.
    ///
    /// # Errors
    /// [`Error::Invalid`] names line and column of what is no JSON.
    pub fn from_wire(content_type: &str, data: Vec<u8>) -> Result<Self> {
        if !is_json(content_type) {
            return Ok(Self::bytes(content_type, data));
        }
        let value: serde_json::Value =
            serde_json::from_slice(&data).map_err(|e| Error::invalid("payload", e.to_string()))?;
        value.into_payload()
    }

    /// The media type and the bytes as guests and programs see them.
    pub fn to_wire(&self) -> (String, Vec<u8>) {
        match self {
            Self::Bson(value) => (JSON.to_owned(), wire::json(value, self.size())),
            Self::Bytes { content_type, data } => (content_type.clone(), data.clone()),
        }
    }

    /// The media type.
    pub fn content_type(&self) -> &str {
        match self {
            Self::Bson(_) => JSON,
            Self::Bytes { content_type, .. } => content_type,
        }
    }

    /// As JSON: a native value in relaxed Extended JSON, bytes as a string where they are UTF-8,
    /// else as `{"$binary": …}`.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Bson(value) => to_json(value.clone()),
            Self::Bytes { data, .. } => match std::str::from_utf8(data) {
                Ok(text) => text.into(),
                Err(_) => to_json(self.to_raw()),
            },
        }
    }

    /// The payload as a type of the caller's.
    ///
    /// # Errors
    /// [`Error::Invalid`] where it doesn't fit, or is bytes.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T> {
        match self {
            Self::Bson(value) => {
                let value = Bson::try_from(value.clone()).map_err(|e| unfit(&e))?;
                bson::deserialize_from_bson(value).map_err(|e| unfit(&e))
            }
            Self::Bytes { content_type, .. } => {
                Err(Error::invalid("payload", format!("it is {content_type}, not JSON")))
            }
        }
    }

    /// The size in bytes that limits are measured against: of the BSON value, or of the bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::Bson(RawBson::Document(document)) => document.as_bytes().len(),
            Self::Bson(RawBson::Array(array)) => array.as_bytes().len(),
            Self::Bson(RawBson::String(text)) => text.len(),
            Self::Bson(RawBson::Binary(binary)) => binary.bytes.len(),
            // Every other type is at most a few words.
            Self::Bson(_) => 16,
            Self::Bytes { data, .. } => data.len(),
        }
    }

    pub(crate) fn check(&self, what: &'static str, limit: usize) -> Result<()> {
        let size = self.size();
        if size > limit {
            return Err(Error::TooLarge { what, size, limit });
        }
        match self {
            Self::Bson(value) => check_depth(value, what),
            Self::Bytes { content_type, .. } if content_type.len() > 255 => {
                Err(Error::invalid("content type", "it is longer than 255 bytes"))
            }
            Self::Bytes { .. } => Ok(()),
        }
    }

    /// The value as it is stored; the media type of bytes is stored beside it.
    pub(crate) fn to_raw(&self) -> RawBson {
        match self {
            Self::Bson(value) => value.clone(),
            Self::Bytes { data, .. } => RawBson::Binary(bson::Binary {
                subtype: BinarySubtype::Generic,
                bytes: data.clone(),
            }),
        }
    }

    /// From a stored value and the media type beside it. Any client may have put it, so a media
    /// type beside a value that is no bytes is served as that value's text.
    pub(crate) fn from_stored(value: RawBson, content_type: Option<String>) -> Self {
        match (value, content_type) {
            (value, None) => Self::Bson(value),
            (value, Some(content_type)) if is_json(&content_type) => Self::Bson(value),
            (RawBson::Binary(binary), Some(content_type)) => {
                Self::Bytes { content_type, data: binary.bytes }
            }
            (RawBson::String(text), Some(content_type)) => {
                Self::Bytes { content_type, data: text.into_bytes() }
            }
            (value, Some(content_type)) => {
                Self::Bytes { content_type, data: to_json(value).to_string().into_bytes() }
            }
        }
    }
}

/// What can be put: documents, BSON values, [`Payload`]s, and JSON values.
pub trait IntoPayload {
    /// # Errors
    /// [`Error::Invalid`] for what BSON can't hold.
    fn into_payload(self) -> Result<Payload>;
}

impl IntoPayload for Payload {
    fn into_payload(self) -> Result<Payload> {
        Ok(self)
    }
}

impl IntoPayload for Bson {
    fn into_payload(self) -> Result<Payload> {
        RawBson::try_from(self).map(Payload::Bson).map_err(|e| unfit(&e))
    }
}

impl IntoPayload for Document {
    fn into_payload(self) -> Result<Payload> {
        RawDocumentBuf::try_from(&self).map_err(|e| unfit(&e))?.into_payload()
    }
}

impl IntoPayload for RawDocumentBuf {
    fn into_payload(self) -> Result<Payload> {
        Ok(Payload::Bson(RawBson::Document(self)))
    }
}

impl IntoPayload for serde_json::Value {
    fn into_payload(self) -> Result<Payload> {
        check_integers(&self)?;
        Bson::try_from(self).map_err(|e| unfit(&e))?.into_payload()
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(JSON)
}

fn to_json(value: RawBson) -> serde_json::Value {
    match Bson::try_from(value) {
        Ok(mut value) => {
            spell_late_dates(&mut value);
            value.into_relaxed_extjson()
        }
        // Only a document that some client wrote with broken BSON inside.
        Err(_) => serde_json::Value::Null,
    }
}

/// A date after the year 9999 has no text: bson would tell the last moment of that year instead.
/// Its recursion is that of the conversion after it.
fn spell_late_dates(value: &mut Bson) {
    const LAST: i64 = 253_402_300_799_999;
    match value {
        Bson::DateTime(at) if at.timestamp_millis() > LAST => {
            let millis = at.timestamp_millis().to_string();
            *value = bson::doc! { "$date": { "$numberLong": millis } }.into();
        }
        Bson::Document(document) => {
            document.iter_mut().for_each(|(_, value)| spell_late_dates(value));
        }
        Bson::Array(items) => items.iter_mut().for_each(spell_late_dates),
        Bson::JavaScriptCodeWithScope(code) => {
            code.scope.iter_mut().for_each(|(_, value)| spell_late_dates(value));
        }
        _ => {}
    }
}

/// BSON's integers are signed: a larger one would silently become a rounded double. JSON text is
/// parsed with a bound on its depth, so this recursion has one.
fn check_integers(value: &serde_json::Value) -> Result<()> {
    use serde_json::Value;
    match value {
        Value::Number(n) if n.as_u64().is_some_and(|n| n > i64::MAX.unsigned_abs()) => {
            let why = format!("{n} is above {}, the largest integer; put it as a string", i64::MAX);
            Err(Error::invalid("payload", why))
        }
        Value::Array(items) => items.iter().try_for_each(check_integers),
        Value::Object(fields) => fields.values().try_for_each(check_integers),
        _ => Ok(()),
    }
}

fn unfit(error: &dyn std::fmt::Display) -> Error {
    Error::invalid("payload", error.to_string())
}

/// The server would refuse what is nested too deep, with an error that doesn't say which job.
/// Walks without recursion, as the depth is the caller's.
fn check_depth(value: &RawBson, what: &'static str) -> Result<()> {
    let mut waiting = vec![(value.as_raw_bson_ref(), 1)];
    while let Some((value, depth)) = waiting.pop() {
        if depth > DEPTH_LIMIT {
            return Err(Error::invalid(what, format!("it is nested deeper than {DEPTH_LIMIT}")));
        }
        match value {
            bson::RawBsonRef::Document(document) => {
                for field in document {
                    waiting.push((field.map_err(|e| unfit(&e))?.1, depth + 1));
                }
            }
            bson::RawBsonRef::Array(array) => {
                for item in array {
                    waiting.push((item.map_err(|e| unfit(&e))?, depth + 1));
                }
            }
            _ => {}
        }
    }
    Ok(())
}
