//! Random input for whatever reads what strangers wrote. Each begins with real input and breaks
//! it; no input may make the host panic, and what is taken must be what was meant.

use anyhow::{Context, Result, bail, ensure};
use bson::{Bson, Document, doc};
use mongodb::error::{ErrorKind, WriteFailure};
use mongoqueue::{Error, JobId, Payload};
use mongoqueue_tests::fuzz::{Mutator, fuzz, loops};
use mongoqueue_tests::{Stage, built};
use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants, LoadError, inspect};
use serde_json::Value;

use super::core::{NOTHING, modules, with_inner};
use crate::sandbox::sandbox;

#[test]
fn hostile_json_is_refused_or_kept_as_it_is() -> Result<()> {
    let seeds = [
        r#"{"a": [1, -2.5, 1e300, null, true, "é\u0000\ud83d\ude00"], "": {"$where": "x"}}"#,
        r#"{"d": {"$date": "2026-02-03T04:05:06.789Z"}, "i": {"$oid": "0123456789abcdef01234567"}}"#,
        r#"{"n": {"$numberDecimal": "1.10E-3"}, "m": {"$numberDouble": "-Infinity"}}"#,
        r#"{"l": {"$numberLong": "-9223372036854775808"}, "i": {"$numberInt": "7"}}"#,
        r#"{"b": {"$binary": {"base64": "AP8=", "subType": "04"}}, "u": {"$uuid": "x"}}"#,
        r#"{"r": {"$regularExpression": {"pattern": "^a", "options": "i"}}}"#,
        r#"{"t": {"$timestamp": {"t": 1, "i": 2}}, "k": [{"$minKey": 1}, {"$maxKey": 1}]}"#,
        r#"{"c": {"$code": "f()", "$scope": {"a": 1}}, "s": {"$symbol": "a"}, "x": {"$undefined": true}}"#,
        r#"{"p": {"$dbPointer": {"$ref": "a", "$id": {"$oid": "0123456789abcdef01234567"}}}}"#,
        "[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]",
        "9007199254740993",
    ]
    .map(|text| text.as_bytes().to_vec());
    let words: [&[u8]; 9] =
        [b"{", b"[", b"\"", b"\\u0000", b"$", b"{\"$date\":", b"1e999", b"\xff", b"-0.0"];
    fuzz(&seeds, &words, |text| {
        let Ok(payload) = Payload::from_wire("application/json", text.to_vec()) else {
            return Ok(());
        };
        // What a guest is handed it can hand back, and it is the same then.
        let (media_type, wire) = payload.to_wire();
        let again = Payload::from_wire(&media_type, wire.clone());
        let again = again.with_context(|| String::from_utf8_lossy(&wire).into_owned())?;
        let [first, then] = [payload.to_json(), again.to_json()];
        ensure!(same(&first, &then), "{first} has become {then}");
        Ok(())
    })
}

/// serde_json may read a long decimal fraction as the number beside it.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|it| same(one, it)))
        }
        (Value::Number(one), Value::Number(other)) if one.is_f64() => {
            let (one, other) = (one.as_f64().unwrap_or(0.0), other.as_f64().unwrap_or(1.0));
            (one - other).abs() <= one.abs() * 2.0 * f64::EPSILON
        }
        _ => one == other,
    }
}

/// Small ones, so that each is compiled in a moment.
fn components() -> Result<Vec<Vec<u8>>> {
    Ok(vec![
        NOTHING.component()?,
        with_inner(&modules(2, "(memory 1) (table 2 funcref) (func (export \"f\"))")?)?,
        modules(3, "(global i32 (i32.const 1))")?,
        wat::parse_str("(module (memory 1) (func (export \"f\") (result i32) i32.const 1))")?,
        std::fs::read(built::guest("pure")?)?,
    ])
}

const SECTIONS: [&[u8]; 7] = [
    b"\0asm\x0d\0\x01\0",
    b"\0asm\x01\0\0\0",
    b"\x04\x08\0asm\x0d\0\x01\0",
    b"\x05\x04\x01\0\0\0",
    b"\xff\xff\xff\xff\x0f",
    b"\x80\x80\x80\x80\x10",
    b"\0\x04name",
];

#[test]
fn hostile_components_are_told_what_they_are() -> Result<()> {
    fuzz(&components()?, &SECTIONS, |bytes| {
        let inspection = inspect(bytes);
        ensure!(inspection.size == bytes.len() && inspection.digest.len() == 64);
        Ok(())
    })
}

#[test]
fn hostile_components_are_refused_or_loaded() -> Result<()> {
    let mut components = components()?;
    // Compiling what is left of a large one takes longer than it tells anything.
    components.pop();
    fuzz(&components, &SECTIONS, |bytes| {
        let source = ComponentSource::bytes("fuzz", bytes);
        match ComponentHandler::load(sandbox()?, source, Grants::default()) {
            Err(LoadError::CompilerFailed { why, .. }) => bail!("the compiler panicked: {why}"),
            Err(error) => ensure!(error.to_string().len() < 16 << 10, "long words"),
            Ok(handler) => ensure!(handler.name() == "fuzz"),
        }
        Ok(())
    })
}

/// Documents as any client may have left them: the server's validator is out of the way.
#[tokio::test]
async fn hostile_documents_are_read_or_called_malformed() -> Result<()> {
    let stage = Stage::new().await?;
    let queue = stage.queue()?;
    queue.put(doc! { "a": 1 }).header("a", "b").unique_key("k").await?;
    stage.claim().await?.error(mongoqueue::Failure::new("no").code("c")).await?;
    let good = stage.all(&stage.jobs()).await?.pop().context("no job")?;
    stage.database.run_command(doc! { "collMod": "jobs", "validationLevel": "off" }).await?;
    let fields: Vec<String> = good.keys().filter(|key| *key != "_id").cloned().collect();
    let mut mutator = Mutator::new()?;
    for _ in loops(200)? {
        let seed = mutator.seed();
        let id = JobId::mint();
        let mut broken = good.clone();
        for _ in 0..=mutator.next(2) {
            let n = mutator.next(fields.len());
            let field = fields.get(n).context("a field")?;
            if field != "queue" {
                broken.insert(field, odd(&mut mutator));
            }
        }
        let JobId::Minted(object) = id else { bail!("{id}") };
        broken.insert("_id", object);
        broken.remove("unique_key");
        match stage.jobs().insert_one(&broken).await {
            // No client can leave that one: two lists in one index.
            Err(error) if code(&error) == Some(PARALLEL_ARRAYS) => continue,
            inserted => drop(inserted?),
        }
        let read = queue.get(&id).await;
        let fine = matches!(read, Ok(_) | Err(Error::Malformed { .. } | Error::NoSuchJob { .. }));
        ensure!(fine, "MONGOQUEUE_FUZZ_SEED={seed}: {broken}: {read:?}");
    }
    stage.end().await
}

/// CannotIndexParallelArrays.
const PARALLEL_ARRAYS: i32 = 171;

fn code(error: &mongodb::error::Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        _ => None,
    }
}

fn odd(mutator: &mut Mutator) -> Bson {
    let values: [Bson; 14] = [
        Bson::Null,
        (-1).into(),
        i64::MAX.into(),
        i64::MIN.into(),
        f64::NAN.into(),
        1e300.into(),
        "".into(),
        "x".repeat(10_000).into(),
        true.into(),
        bson::DateTime::MAX.into(),
        bson::DateTime::MIN.into(),
        Document::new().into(),
        Bson::Array(vec![Bson::Null, doc! { "kind": 1, "at": "x" }.into()]),
        Bson::MaxKey,
    ];
    let n = mutator.next(values.len());
    values.into_iter().nth(n).unwrap_or(Bson::Null)
}
