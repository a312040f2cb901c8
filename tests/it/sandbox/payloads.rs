//! Payloads on their way into a guest and out of it.

use anyhow::{Context, Result, bail};
use bson::oid::ObjectId;
use bson::raw::cstr;
use bson::{Bson, DateTime, Document, doc};
use mongoqueue::{Attempt, Handler, IntoPayload, Job, Outcome, Payload, State};
use mongoqueue_tests::{Stage, built};
use serde_json::{Value, json};

use super::{HOUR, alone, misbehave, work};

async fn output(handler: &impl Handler, payload: Payload) -> Result<Payload> {
    match handler.handle(Attempt::detached(Job::new("q", payload))).await {
        Outcome::Completed(Some(output)) => Ok(output),
        other => bail!("{other:?}"),
    }
}

/// The bytes that a guest gets, by one that turns them around and gives them back.
async fn seen(payload: Payload) -> Result<Vec<u8>> {
    match output(&alone("pure")?, payload).await? {
        Payload::Bytes { content_type, mut data } => {
            assert_eq!(content_type, "application/octet-stream");
            data.reverse();
            Ok(data)
        }
        other => bail!("{other:?}"),
    }
}

#[tokio::test]
async fn a_document_arrives_as_extended_json() -> Result<()> {
    let date = DateTime::parse_rfc3339_str("2026-02-03T04:05:06.789Z")?;
    let id = ObjectId::parse_str("0123456789abcdef01234567")?;
    for (value, text) in [
        (Bson::from(doc! {}), "{}"),
        (doc! { "b": 1, "a": 2 }.into(), r#"{"b":1,"a":2}"#),
        (Bson::Int64(9_007_199_254_740_993), "9007199254740993"),
        (Bson::Int32(-7), "-7"),
        (Bson::Double(2.0), "2.0"),
        (Bson::Double(f64::NAN), r#"{"$numberDouble":"NaN"}"#),
        (date.into(), r#"{"$date":"2026-02-03T04:05:06.789Z"}"#),
        (id.into(), r#"{"$oid":"0123456789abcdef01234567"}"#),
        ("é\u{0}\u{1f600}".into(), "\"é\\u0000\u{1f600}\""),
        (Bson::Null, "null"),
    ] {
        let bytes = seen(value.clone().into_payload()?).await?;
        assert_eq!(String::from_utf8(bytes)?, text, "{value:?}");
    }
    Ok(())
}

#[tokio::test]
async fn bytes_arrive_untouched() -> Result<()> {
    let every: Vec<u8> = (0..=255).collect();
    let long = vec![7; 1 << 20];
    for data in [every, long, Vec::new(), b"{\"half\": ".to_vec()] {
        let payload = Payload::bytes("application/x-anything", data.clone());
        assert!(seen(payload).await? == data);
    }
    Ok(())
}

#[tokio::test]
async fn bytes_leave_with_their_media_type() -> Result<()> {
    let stage = Stage::new().await?;
    let raw = |content_type: &str| {
        let text = "{ \"a\": 1 }";
        json!({"do": "raw", "content_type": content_type, "text": text})
    };
    for (content_type, expected) in [
        ("text/plain; charset=utf-8", Payload::bytes("text/plain; charset=utf-8", "{ \"a\": 1 }")),
        ("$odd", Payload::bytes("$odd", "{ \"a\": 1 }")),
        // JSON by any of its names is a document.
        ("application/json", doc! { "a": 1 }.into_payload()?),
        ("Application/JSON; charset=utf-8", doc! { "a": 1 }.into_payload()?),
    ] {
        let put = stage.queue()?.put(raw(content_type)).retain(HOUR);
        let id = put.await?.id;
        work(&stage, misbehave(&stage)?).await?;
        let job = stage.queue()?.get(&id).await?;
        assert_eq!(job.output, Some(expected), "{content_type}");
    }
    stage.end().await
}

/// What is in the database before the guest, and after it has read it and written it back.
fn values() -> Result<Document> {
    Ok(doc! {
        "int64": 9_007_199_254_740_993_i64,
        "int64 min": i64::MIN,
        "int32": -7,
        "double": 0.1,
        "whole double": 2.0,
        "infinity": f64::NEG_INFINITY,
        "date": DateTime::parse_rfc3339_str("2026-02-03T04:05:06.789Z")?,
        "early date": DateTime::from_millis(-62_135_596_800_001),
        "late date": DateTime::from_millis(900_719_925_474_099),
        "id": ObjectId::parse_str("0123456789abcdef01234567")?,
        "decimal": "1.10".parse::<bson::Decimal128>()?,
        "bytes": bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes: vec![0, 255] },
        "uuid": bson::Uuid::from_bytes([7; 16]),
        "regex": Bson::RegularExpression(bson::Regex {
            pattern: cstr!("^a").into(),
            options: cstr!("i").into(),
        }),
        "timestamp": bson::Timestamp { time: 1, increment: 2 },
        "ends": [Bson::MinKey, Bson::MaxKey],
        "nested": { "": [null, true, { "é": "\u{1f600}" }] },
    })
}

#[tokio::test]
async fn an_echo_is_what_was_put() -> Result<()> {
    let stage = Stage::new().await?;
    let value = values()?;
    let put = stage.queue()?.put(doc! { "do": "echo", "value": value.clone() }).retain(HOUR);
    let id = put.await?.id;
    work(&stage, misbehave(&stage)?).await?;
    let job = stage.queue()?.get(&id).await?;
    assert_eq!(job.state, State::Completed, "{:?}", job.errors);
    assert_eq!(job.output, Some(value.clone().into_payload()?));
    // As a native document, not as text.
    let document = stage.document(&job).await?;
    assert_eq!(document.get_document("output")?, &value);
    stage.end().await
}

#[tokio::test]
async fn a_follow_up_is_what_its_parent_had() -> Result<()> {
    let stage = Stage::new().await?;
    let value = values()?;
    let job = doc! { "do": "put", "queue": "next", "payload": value.clone() };
    stage.queue()?.put(job).await?;
    work(&stage, misbehave(&stage)?).await?;
    let next = stage.mq.queue("next")?.next(&Default::default()).await?.context("no follow-up")?;
    assert_eq!(next.payload(), &value.into_payload()?);
    next.complete(None).await?;
    stage.end().await
}

#[tokio::test]
async fn markdown_becomes_html() -> Result<()> {
    let stage = Stage::new().await?;
    let readme = built::checkout().join("guest/rust/README.md");
    let text = std::fs::read_to_string(readme)?;
    let queue = stage.queue()?;
    let notes = "# Notes on `jobs`\n\n| a | b |\n|---|---|\n| 1 | ~~2~~ |\n";
    let small = queue.put(json!({"name": "notes.md", "markdown": notes})).retain(HOUR).await?.id;
    let large = text.repeat((900 << 10) / text.len());
    let large = queue.put(json!({"name": "large.md", "markdown": large})).retain(HOUR).await?.id;
    let blank = queue.put(json!({"name": "blank.md", "markdown": " \n"})).await?.id;
    let wrong = queue.put(json!({"name": "wrong.md", "markdown": 7})).await?.id;
    work(&stage, alone("markdown")?).await?;

    let page: Value = queue.get(&small).await?.output.context("no page")?.to_json();
    assert_eq!((&page["name"], &page["title"]), (&json!("notes.md"), &json!("Notes on jobs")));
    insta::assert_snapshot!(page["html"].as_str().context("no HTML")?, @r"
    <h1>Notes on <code>jobs</code></h1>
    <table><thead><tr><th>a</th><th>b</th></tr></thead><tbody>
    <tr><td>1</td><td><del>2</del></td></tr>
    </tbody></table>
    ");
    // Its page may be above the limit of an output.
    let job = queue.get(&large).await?;
    let ended = job.state == State::Completed
        || job.last_error().is_some_and(|record| record.kind == "limit:output");
    assert!(ended, "{:?}", job.errors);
    for (id, code, words) in [
        (blank, "empty-document", "blank.md is empty"),
        (wrong, "bad-payload", "at `markdown`: invalid type: integer `7`, expected a string"),
    ] {
        let job = queue.get(&id).await?;
        let record = job.last_error().context("no record")?;
        assert_eq!((job.state, record.code.as_deref()), (State::Dead, Some(code)));
        assert!(record.message.contains(words), "{}", record.message);
    }
    stage.end().await
}
