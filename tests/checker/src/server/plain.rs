//! BSON as the plain JSON of the account.

use bson::{Bson, Document};
use serde_json::{Map, Value};

/// Fields that nobody asks for, and that may be large.
const LEFT_OUT: [&str; 5] = ["payload", "headers", "output", "stderr", "backtrace"];
/// Texts are for people.
const TEXT: usize = 200;

/// A document.
pub(super) fn document(document: &Document) -> Map<String, Value> {
    let kept = document.iter().filter(|(path, _)| {
        // `errors.0.stderr`, `output.text`.
        path.split('.').all(|name| !LEFT_OUT.contains(&name))
    });
    kept.map(|(name, value)| (name.clone(), plain(value))).collect()
}

/// A value.
pub(super) fn plain(value: &Bson) -> Value {
    match value {
        Bson::Document(fields) => Value::Object(document(fields)),
        Bson::Array(values) => values.iter().map(plain).collect(),
        Bson::Int32(n) => (*n).into(),
        Bson::Int64(n) => (*n).into(),
        Bson::Double(n) => (*n).into(),
        Bson::Boolean(yes) => (*yes).into(),
        Bson::Null | Bson::Undefined => Value::Null,
        Bson::DateTime(at) => at.timestamp_millis().into(),
        other => text(other).into(),
    }
}

/// An id or a token as the library prints it; any other value in some form.
pub(super) fn text(value: &Bson) -> String {
    match value {
        Bson::String(text) => text.chars().take(TEXT).collect(),
        Bson::ObjectId(id) => id.to_hex(),
        Bson::Binary(binary) => match binary.to_uuid() {
            Ok(uuid) => uuid.to_string(),
            Err(_) => value.to_string().chars().take(TEXT).collect(),
        },
        _ => value.to_string().chars().take(TEXT).collect(),
    }
}

#[cfg(test)]
mod tests {
    use bson::oid::ObjectId;
    use bson::{DateTime, Uuid, doc};
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_plain_and_without_what_is_large() {
        let (id, token) = (ObjectId::new(), Uuid::new());
        let written = doc! {
            "_id": id, "claims": 3_i64, "attempts": 1, "due": DateTime::from_millis(1_700),
            "claim": { "token": token }, "payload": { "x": 1 }, "output.text": "x",
            "errors": [{ "kind": "failure", "stderr": "long", "at": DateTime::from_millis(5) }],
            "errors.3.backtrace": "long", "cancel_at": Bson::Null,
        };
        let expected = json!({
            "_id": id.to_hex(), "claims": 3, "attempts": 1, "due": 1_700,
            "claim": { "token": token.to_string() },
            "errors": [{ "kind": "failure", "at": 5 }], "cancel_at": null,
        });
        assert_eq!(Value::Object(document(&written)), expected);
    }
}
