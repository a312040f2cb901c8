//! A native value as JSON text: from the bytes of the database at once, with no third form of it in
//! between.

use bson::raw::{RawBson, RawBsonRef};
use serde::ser::{Error, Serialize, SerializeMap, SerializeSeq, Serializer};

use super::to_json;

/// The relaxed Extended JSON of `value`, which is about `size` bytes long.
pub(super) fn json(value: &RawBson, size: usize) -> Vec<u8> {
    // Quotes and commas are about what BSON has for types and lengths: a large text fits at once.
    let mut text = Vec::with_capacity(size + 64);
    match serde_json::to_writer(&mut text, &Wire(value.as_raw_bson_ref())) {
        Ok(()) => text,
        // Only a document that some client wrote with broken BSON inside.
        Err(_) => b"null".to_vec(),
    }
}

struct Wire<'a>(RawBsonRef<'a>);

impl Serialize for Wire<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            RawBsonRef::Document(document) => {
                let mut map = serializer.serialize_map(None)?;
                for field in document {
                    let (name, value) = field.map_err(S::Error::custom)?;
                    map.serialize_entry(name.as_str(), &Wire(value))?;
                }
                map.end()
            }
            RawBsonRef::Array(items) => {
                let mut list = serializer.serialize_seq(None)?;
                for item in items {
                    list.serialize_element(&Wire(item.map_err(S::Error::custom)?))?;
                }
                list.end()
            }
            RawBsonRef::String(text) => serializer.serialize_str(text),
            RawBsonRef::Int32(n) => serializer.serialize_i32(n),
            RawBsonRef::Int64(n) => serializer.serialize_i64(n),
            RawBsonRef::Double(n) if n.is_finite() => serializer.serialize_f64(n),
            RawBsonRef::Boolean(yes) => serializer.serialize_bool(yes),
            RawBsonRef::Null => serializer.serialize_unit(),
            // What JSON has no word for.
            other => to_json(other.into()).serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::spec::BinarySubtype;
    use bson::{Bson, DateTime, Document, doc};
    use proptest::prelude::*;

    use super::super::Payload;
    use super::*;

    fn value() -> impl Strategy<Value = Bson> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(Bson::Int32),
            any::<i64>().prop_map(Bson::Int64),
            any::<f64>().prop_map(Bson::Double),
            any::<bool>().prop_map(Bson::Boolean),
            any::<String>().prop_map(Bson::String),
            any::<i64>().prop_map(|ms| DateTime::from_millis(ms).into()),
            any::<[u8; 12]>().prop_map(|id| bson::oid::ObjectId::from_bytes(id).into()),
            any::<Vec<u8>>().prop_map(|bytes| {
                bson::Binary { subtype: BinarySubtype::Generic, bytes }.into()
            }),
            Just(Bson::Null),
            Just(Bson::MaxKey),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            let name = "[^\0]{0,8}";
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Bson::Array),
                prop::collection::btree_map(name, inner, 0..6)
                    .prop_map(|map| map.into_iter().collect::<Document>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_the_text_of_the_value_as_json(value in value()) {
            let payload = Payload::Bson(RawBson::try_from(value)?);
            let (_, text) = payload.to_wire();
            prop_assert_eq!(String::from_utf8(text)?, payload.to_json().to_string());
        }
    }

    #[test]
    fn a_document_that_is_broken_is_null() -> Result<(), Box<dyn std::error::Error>> {
        let mut bytes = bson::RawDocumentBuf::try_from(&doc! { "a": 1, "b": "text" })?.into_bytes();
        // No UTF-8 in the text.
        let at = bytes.len() - 4;
        bytes[at] = 0xff;
        let broken = bson::RawDocumentBuf::from_bytes(bytes)?;
        let (_, text) = Payload::Bson(RawBson::Document(broken)).to_wire();
        assert_eq!(text, b"null");
        Ok(())
    }
}
