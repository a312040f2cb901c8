//! Reading a job from its document. Any MongoDB client may have put it, so every field that has a
//! sensible default may be missing, and whole numbers may come in any numeric type.

use std::time::Duration;

use bson::raw::{RawBson, RawBsonRef, RawElement};
use bson::{DateTime, RawDocument, Uuid};

use super::{Claim, ErrorRecord, Job, JobId, Progress, State, Token};
use crate::defaults::Defaults;
use crate::error::{Error, Result};
use crate::outcome::Evidence;
use crate::payload::Payload;
use crate::retry::Backoff;

pub(super) fn job(document: &RawDocument) -> Result<Job> {
    let fields = Fields::of(document);
    let defaults = Defaults::default();
    let backoff = fields.document("backoff")?;
    Ok(Job {
        id: id(fields.required("_id")?)?,
        queue: fields.text("queue")?.ok_or_else(|| missing("queue"))?,
        state: state(&fields)?,
        priority: fields.number("priority")?.unwrap_or(0).clamp(i32::MIN.into(), i32::MAX.into())
            as i32,
        due: fields.date("due")?.ok_or_else(|| missing("due"))?,
        payload: fields.payload("payload", "content_type")?.unwrap_or(Payload::Bson(RawBson::Null)),
        headers: headers(&fields)?,
        attempts: fields.count("attempts")?.unwrap_or(0),
        max_attempts: fields.count("max_attempts")?.unwrap_or(defaults.max_attempts),
        timeout: fields.millis("timeout_ms")?.unwrap_or(defaults.timeout),
        backoff: match backoff {
            Some(backoff) => Backoff {
                first: backoff.millis("first_ms")?.unwrap_or_default(),
                max: backoff.millis("max_ms")?.unwrap_or_default(),
            },
            None => defaults.backoff,
        },
        retain: fields.millis("retain_ms")?,
        claims: claims(&fields)?,
        claim: claim(&fields)?,
        progress: progress(&fields)?,
        saved: fields.payload("saved", "saved_type")?,
        errors: errors(&fields)?,
        cancel_at: fields.date("cancel_at")?,
        unique_key: fields.text("unique_key")?,
        output: fields.payload("output", "output_type")?,
        created_at: match fields.date("created_at")? {
            Some(at) => at,
            None => fields.date("due")?.ok_or_else(|| missing("due"))?,
        },
        finished_at: fields.date("finished_at")?,
    })
}

fn state(fields: &Fields<'_>) -> Result<State> {
    let name = fields.text("state")?.ok_or_else(|| missing("state"))?;
    // Whoever wrote it did wrong, not whoever reads.
    name.parse().map_err(|error: Error| malformed("state", &error))
}

pub(super) fn id(value: RawBsonRef<'_>) -> Result<JobId> {
    match value {
        RawBsonRef::ObjectId(id) => Ok(JobId::Minted(id)),
        RawBsonRef::String(id) => Ok(JobId::Own(id.to_owned())),
        other => Err(wrong("_id", &other, "an ObjectId or a string")),
    }
}

/// Strictly read: a claim asks for the number that was found, so a job whose number is not exactly
/// this one could never be claimed.
fn claims(fields: &Fields<'_>) -> Result<u64> {
    // Doubles are exact up to here, and no job is claimed so often.
    const MOST: i64 = 1 << 53;
    let Some(claims) = fields.get("claims")? else { return Ok(0) };
    let exact = match claims {
        RawBsonRef::Int32(n) => Some(n.into()),
        RawBsonRef::Int64(n) => Some(n),
        RawBsonRef::Double(n) => Some(n as i64).filter(|whole| *whole as f64 == n),
        _ => None,
    };
    match exact {
        Some(n @ 0..=MOST) => Ok(n.unsigned_abs()),
        _ => Err(wrong("claims", &claims, "a whole number from 0 to 2^53")),
    }
}

fn claim(fields: &Fields<'_>) -> Result<Option<Claim>> {
    let Some(claim) = fields.document("claim")? else { return Ok(None) };
    Ok(Some(Claim {
        token: token(fields.document).ok_or_else(|| missing("claim.token"))?,
        consumer: claim.text("consumer")?.unwrap_or_default(),
        at: claim.date("at")?.ok_or_else(|| missing("claim.at"))?,
    }))
}

/// The token that holds a job.
pub(super) fn token(document: &RawDocument) -> Option<Token> {
    let claim = document.get_document("claim").ok()?;
    let bytes = claim.get_binary("token").ok()?.bytes;
    Some(Token(Uuid::from_bytes(bytes.try_into().ok()?)))
}

fn progress(fields: &Fields<'_>) -> Result<Option<Progress>> {
    let Some(progress) = fields.document("progress")? else { return Ok(None) };
    let units = |n: i64| n.max(0).unsigned_abs();
    Ok(Some(Progress {
        count: progress.number("count")?.map(units).unwrap_or(0),
        total: progress.number("total")?.map(units),
        note: progress.text("note")?,
    }))
}

fn headers(fields: &Fields<'_>) -> Result<Vec<(String, String)>> {
    let Some(headers) = fields.document("headers")? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for field in headers.document {
        let (name, value) = field.map_err(|e| malformed("headers", &e))?;
        if let RawBsonRef::String(value) = value {
            all.push((name.as_str().to_owned(), value.to_owned()));
        }
    }
    Ok(all)
}

fn errors(fields: &Fields<'_>) -> Result<Vec<ErrorRecord>> {
    let records = match fields.get("errors")? {
        None => return Ok(Vec::new()),
        Some(RawBsonRef::Array(records)) => records,
        // No record could be added to it.
        Some(other) => return Err(wrong("errors", &other, "an array")),
    };
    let mut all = Vec::new();
    for record in records {
        let RawBsonRef::Document(record) = record.map_err(|e| malformed("errors", &e))? else {
            continue;
        };
        let record = Fields::of(record);
        all.push(ErrorRecord {
            attempt: record.count("attempt")?.unwrap_or(0),
            at: record.date("at")?.unwrap_or(DateTime::from_millis(0)),
            consumer: record.text("consumer")?.unwrap_or_default(),
            kind: record.text("kind")?.unwrap_or_default(),
            message: record.text("message")?.unwrap_or_default(),
            code: record.text("code")?,
            stderr: record.text("stderr")?,
            backtrace: record.text("backtrace")?,
            evidence: evidence(&record)?,
        });
    }
    Ok(all)
}

fn evidence(record: &Fields<'_>) -> Result<Evidence> {
    Ok(Evidence {
        digest: record.text("digest")?,
        version: record.text("version")?,
        log: record.text("log")?,
        cpu: record.millis("cpu_ms")?,
        memory: record.number("memory_bytes")?.map(|n| n.max(0).unsigned_abs()),
        wall: record.millis("wall_ms")?,
        worker: record.text("worker")?,
    })
}

/// A document's fields, found in one walk: to look for each from the beginning would be most of what a
/// client computes for a job.
struct Fields<'a> {
    document: &'a RawDocument,
    elements: Vec<RawElement<'a>>,
    /// What ended the walk before the end of the document.
    broken: Option<bson::error::Error>,
}

impl<'a> Fields<'a> {
    fn of(document: &'a RawDocument) -> Self {
        let (mut elements, mut broken) = (Vec::with_capacity(16), None);
        for element in document.iter_elements() {
            match element {
                Ok(element) => elements.push(element),
                Err(error) => broken = Some(error),
            }
        }
        Self { document, elements, broken }
    }

    /// A `null` is a value here.
    fn value(&self, name: &str) -> Result<Option<RawBsonRef<'a>>> {
        let found = self.elements.iter().find(|element| element.key().as_str() == name);
        match (found, &self.broken) {
            (Some(element), _) => element.value().map(Some).map_err(|e| malformed(name, &e)),
            (None, Some(broken)) => Err(malformed(name, broken)),
            (None, None) => Ok(None),
        }
    }

    /// A `null` is a missing field.
    fn get(&self, name: &str) -> Result<Option<RawBsonRef<'a>>> {
        Ok(self.value(name)?.filter(|value| !matches!(value, RawBsonRef::Null)))
    }

    fn required(&self, name: &str) -> Result<RawBsonRef<'a>> {
        self.get(name)?.ok_or_else(|| missing(name))
    }

    fn text(&self, name: &str) -> Result<Option<String>> {
        match self.get(name)? {
            None => Ok(None),
            Some(RawBsonRef::String(text)) => Ok(Some(text.to_owned())),
            Some(other) => Err(wrong(name, &other, "a string")),
        }
    }

    fn number(&self, name: &str) -> Result<Option<i64>> {
        match self.get(name)? {
            None => Ok(None),
            Some(RawBsonRef::Int32(n)) => Ok(Some(n.into())),
            Some(RawBsonRef::Int64(n)) => Ok(Some(n)),
            // `as` saturates, and makes NaN a zero.
            Some(RawBsonRef::Double(n)) => Ok(Some(n as i64)),
            Some(other) => Err(wrong(name, &other, "a number")),
        }
    }

    fn count(&self, name: &str) -> Result<Option<u32>> {
        Ok(self.number(name)?.map(|n| u32::try_from(n.max(0)).unwrap_or(u32::MAX)))
    }

    fn millis(&self, name: &str) -> Result<Option<Duration>> {
        Ok(self.number(name)?.map(|n| Duration::from_millis(n.max(0).unsigned_abs())))
    }

    fn date(&self, name: &str) -> Result<Option<DateTime>> {
        match self.get(name)? {
            None => Ok(None),
            Some(RawBsonRef::DateTime(at)) => Ok(Some(at)),
            Some(other) => Err(wrong(name, &other, "a date")),
        }
    }

    fn document(&self, name: &str) -> Result<Option<Fields<'a>>> {
        match self.get(name)? {
            None => Ok(None),
            Some(RawBsonRef::Document(document)) => Ok(Some(Fields::of(document))),
            Some(other) => Err(wrong(name, &other, "a document")),
        }
    }

    fn payload(&self, name: &str, content_type: &str) -> Result<Option<Payload>> {
        // A payload that is null is a payload.
        let Some(value) = self.value(name)? else { return Ok(None) };
        let value = RawBson::from(value);
        Ok(Some(Payload::from_stored(value, self.text(content_type)?)))
    }
}

fn missing(name: &str) -> Error {
    Error::Malformed { why: format!("the field {name} is missing") }
}

fn wrong(name: &str, value: &RawBsonRef<'_>, wanted: &str) -> Error {
    let found = value.element_type();
    Error::Malformed { why: format!("the field {name} is a {found:?}, not {wanted}") }
}

fn malformed(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Malformed { why: format!("the field {name}: {error}") }
}
