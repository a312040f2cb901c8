//! MongoDB's wire protocol, as much of it as the proxy has to understand.

use std::io;

use bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Length, request id, id of the request that is answered, operation.
const HEADER: usize = 16;
const OP_QUERY: i32 = 2_004;
const OP_MSG: i32 = 2_013;
/// The server takes messages of 48 MB; more is no message.
const LARGEST: usize = 48_000_000;
/// In the flags of an `OP_MSG`: four bytes of checksum at its end.
const CHECKSUM: i32 = 1;

/// One message, header included.
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// The next message; `None` when the other side has closed the connection.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut header = [0; HEADER];
        match from.read_exact(&mut header).await {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = number(&header, 0).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        if !(HEADER..=LARGEST).contains(&length) {
            let why = format!("a message of {length} bytes is none of MongoDB's");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let mut message = header.to_vec();
        message.resize(length, 0);
        from.read_exact(message.get_mut(HEADER..).unwrap_or_default()).await?;
        Ok(Some(Self(message)))
    }

    /// A server's answer to the request of this id.
    pub(crate) fn answer(request: i32, body: &Document) -> Option<Self> {
        let body = RawDocumentBuf::try_from(body).ok()?;
        let length = i32::try_from(HEADER + 5 + body.as_bytes().len()).ok()?;
        let mut message = Vec::new();
        for number in [length, 0, request, OP_MSG, 0] {
            message.extend(number.to_le_bytes());
        }
        message.push(0);
        message.extend(body.as_bytes());
        Some(Self(message))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn request(&self) -> i32 {
        number(&self.0, 4).unwrap_or(0)
    }

    /// The request that this one answers.
    pub(crate) fn answers(&self) -> i32 {
        number(&self.0, 8).unwrap_or(0)
    }

    /// The command, or the answer to one; `None` for what is compressed or of another kind.
    pub(crate) fn body(&self) -> Option<&RawDocument> {
        match number(&self.0, 12)? {
            OP_MSG => self.section(),
            OP_QUERY => {
                let rest = self.0.get(HEADER + 4..)?;
                let name = rest.iter().position(|&byte| byte == 0)?;
                // Behind the collection's name: how many to skip, how many to return.
                document(rest.get(name + 9..)?)
            }
            _ => None,
        }
    }

    /// The section of kind 0: the others are lists of documents beside it.
    fn section(&self) -> Option<&RawDocument> {
        let checksum = if number(&self.0, HEADER)? & CHECKSUM == 0 { 0 } else { 4 };
        let end = self.0.len().checked_sub(checksum)?;
        let mut at = HEADER + 4;
        while at < end {
            let kind = *self.0.get(at)?;
            let rest = self.0.get(at + 1..end)?;
            if kind == 0 {
                return document(rest);
            }
            at += 1 + usize::try_from(number(rest, 0)?).ok().filter(|&size| size >= 4)?;
        }
        None
    }
}

/// The error that a server answers to a request when it, say, shuts down or steps down, with the
/// labels that it would give it.
pub(crate) fn failure(code: i32, request: &Message) -> Document {
    let mut answer = doc! {
        "ok": 0.0, "code": code, "codeName": "MadeUp",
        "errmsg": "an error that the network made of the answer",
    };
    let label = request.body().and_then(|body| {
        let field = |name| body.get(name).ok().flatten().is_some();
        let ends =
            matches!(super::net::name_of(body), Some("commitTransaction" | "abortTransaction"));
        match (field("txnNumber"), field("autocommit") && !ends) {
            (_, true) => Some("TransientTransactionError"),
            (true, false) => Some("RetryableWriteError"),
            (false, false) => None,
        }
    });
    if let Some(label) = label {
        answer.insert("errorLabels", vec![Bson::from(label)]);
    }
    answer
}

fn document(bytes: &[u8]) -> Option<&RawDocument> {
    let length = usize::try_from(number(bytes, 0)?).ok()?;
    RawDocument::from_bytes(bytes.get(..length)?).ok()
}

fn number(bytes: &[u8], at: usize) -> Option<i32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(i32::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_read_one_by_one_and_a_closed_connection_is_the_end() {
        let first = Message::answer(7, &doc! { "ok": 1 }).expect("a message");
        let second = Message::answer(8, &doc! { "ok": 0, "code": 91 }).expect("a message");
        let bytes = [first.bytes(), second.bytes()].concat();
        let mut from = bytes.as_slice();
        for (request, code) in [(7, None), (8, Some(91))] {
            let message = Message::read(&mut from).await.expect("read").expect("a message");
            assert_eq!(message.answers(), request);
            let body = message.body().expect("a body");
            assert_eq!(body.get_i32("code").ok(), code);
        }
        assert!(Message::read(&mut from).await.expect("read").is_none());
    }

    #[tokio::test]
    async fn nonsense_is_an_error_and_never_a_panic() {
        let mut huge = i32::MAX.to_le_bytes().to_vec();
        huge.extend([0; 12]);
        assert!(Message::read(&mut huge.as_slice()).await.is_err());
        let good = Message::answer(7, &doc! { "a": { "b": [1, 2] } }).expect("a message");
        for at in 0..good.bytes().len() {
            for value in [0, 1, 2, 0x7f, 0xff] {
                let mut bytes = good.bytes().to_vec();
                *bytes.get_mut(at).expect("a byte") = value;
                let message = Message(bytes);
                let _ = (message.request(), message.answers(), message.body().is_some());
            }
        }
    }

    #[test]
    fn failures_have_the_labels_of_a_server() {
        let labels = |request: Document| {
            let request = Message::answer(0, &request).expect("a message");
            failure(91, &request).get_array("errorLabels").cloned().unwrap_or_default()
        };
        let of = |name: &str| vec![Bson::from(name)];
        let within = doc! { "update": "jobs", "txnNumber": 1_i64, "autocommit": false };
        assert_eq!(labels(within), of("TransientTransactionError"));
        let commit = doc! { "commitTransaction": 1, "txnNumber": 1_i64, "autocommit": false };
        assert_eq!(labels(commit), of("RetryableWriteError"));
        let insert = doc! { "insert": "jobs", "txnNumber": 1_i64 };
        assert_eq!(labels(insert), of("RetryableWriteError"));
        assert!(labels(doc! { "find": "jobs" }).is_empty());
    }

    #[test]
    fn the_body_is_found_behind_other_sections_and_in_the_old_kind_of_query() {
        let body = RawDocumentBuf::try_from(&doc! { "update": "jobs" }).expect("a body");
        let mut message = Vec::new();
        for number in [0_i32, 1, 0, OP_MSG, CHECKSUM] {
            message.extend(number.to_le_bytes());
        }
        message.push(1);
        message.extend(12_i32.to_le_bytes());
        message.extend(b"updates\0");
        message.push(0);
        message.extend(body.as_bytes());
        message.extend([0; 4]);
        let message = Message(message);
        let found = message.body().expect("a body");
        assert_eq!(found.get_str("update").ok(), Some("jobs"));

        let mut query = Vec::new();
        for number in [0_i32, 1, 0, OP_QUERY, 0] {
            query.extend(number.to_le_bytes());
        }
        query.extend(b"admin.$cmd\0");
        query.extend([0; 8]);
        query.extend(body.as_bytes());
        let query = Message(query);
        assert_eq!(query.body().and_then(|body| body.get_str("update").ok()), Some("jobs"));
    }
}
