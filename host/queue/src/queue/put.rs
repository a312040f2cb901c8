//! Putting: the options, the builder, and the document that comes of them.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use bson::raw::{CStr, RawBson, cstr};
use bson::{DateTime, RawDocumentBuf};

use super::Queue;
use crate::check::{date_is_valid, duration_is_valid};
use crate::defaults::LONGEST;
use crate::error::{Error, Result};
use crate::job::{JobId, State, to_millis};
use crate::payload::{IntoPayload, Payload};
use crate::retry::Backoff;
use crate::store::{Draft, Receipt};

/// The options of a put.
#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    /// An id of the caller's own, which makes the put idempotent while the job is there. Default:
    /// `None`, one is minted.
    pub id: Option<JobId>,
    /// Higher first. Default: 0.
    pub priority: i32,
    /// Due this long from now. Default: zero.
    pub delay: Duration,
    /// Due at this time; the later of this and `delay` counts. Default: `None`.
    pub due: Option<DateTime>,
    /// How many attempts may fail, at least 1. Default: the queue's.
    pub max_attempts: Option<u32>,
    /// The longest that one attempt may take, at least 1 ms. Default: the queue's.
    pub timeout: Option<Duration>,
    /// The wait between attempts. Default: the queue's.
    pub backoff: Option<Backoff>,
    /// How long it stays once completed. Default: the queue's.
    pub retain: Option<Duration>,
    /// Small strings beside the payload, 64 of 16 KiB together at the most; a name given twice
    /// keeps the last value. Default: none.
    pub headers: Vec<(String, String)>,
    /// At most one live job of the queue has this key, 1 to 200 bytes. Default: `None`.
    pub unique_key: Option<String>,
}

/// A job to be put.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// What to work on.
    pub payload: Payload,
    /// How.
    pub options: PutOptions,
}

impl NewJob {
    /// A job with default options.
    pub fn new(payload: Payload) -> Self {
        Self { payload, options: PutOptions::default() }
    }
}

/// A put that has not been done yet: await it.
#[must_use = "nothing is put before this is awaited"]
pub struct Put {
    queue: Queue,
    payload: Result<Payload>,
    options: PutOptions,
}

impl Put {
    pub(super) fn new(queue: Queue, payload: Result<Payload>) -> Self {
        Self { queue, payload, options: PutOptions::default() }
    }

    /// All options at once, in place of those given so far.
    pub fn options(mut self, options: PutOptions) -> Self {
        self.options = options;
        self
    }

    /// See [`PutOptions::priority`].
    pub fn priority(mut self, priority: i32) -> Self {
        self.options.priority = priority;
        self
    }

    /// See [`PutOptions::delay`].
    pub fn delay(mut self, delay: Duration) -> Self {
        self.options.delay = delay;
        self
    }

    /// See [`PutOptions::due`].
    pub fn due(mut self, due: DateTime) -> Self {
        self.options.due = Some(due);
        self
    }

    /// See [`PutOptions::max_attempts`].
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.options.max_attempts = Some(attempts);
        self
    }

    /// See [`PutOptions::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// See [`PutOptions::backoff`].
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.options.backoff = Some(backoff);
        self
    }

    /// See [`PutOptions::retain`].
    pub fn retain(mut self, retain: Duration) -> Self {
        self.options.retain = Some(retain);
        self
    }

    /// Adds one to [`PutOptions::headers`].
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.headers.push((name.into(), value.into()));
        self
    }

    /// See [`PutOptions::id`].
    pub fn id(mut self, id: JobId) -> Self {
        self.options.id = Some(id);
        self
    }

    /// See [`PutOptions::unique_key`].
    pub fn unique_key(mut self, key: impl Into<String>) -> Self {
        self.options.unique_key = Some(key.into());
        self
    }
}

impl IntoFuture for Put {
    type Output = Result<Receipt>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let job = NewJob { payload: self.payload?.into_payload()?, options: self.options };
            check(&self.queue, &job)?;
            let now = self.queue.store.now().await?;
            let draft = draft(&self.queue, job, now)?;
            self.queue.store.insert(&self.queue.name, draft).await
        })
    }
}

/// MongoDB's drivers split larger commands themselves; the answers stay small in this way.
const AT_ONCE: usize = 1_000;

pub(super) async fn put_many(queue: &Queue, jobs: Vec<NewJob>) -> Result<Vec<Result<Receipt>>> {
    let mut answers = Vec::with_capacity(jobs.len());
    let mut jobs = jobs.into_iter().peekable();
    while jobs.peek().is_some() {
        let now = queue.store.now().await?;
        let mut drafts = Vec::new();
        let mut slots = Vec::new();
        for job in jobs.by_ref().take(AT_ONCE) {
            match check(queue, &job).and_then(|()| draft(queue, job, now)) {
                Ok(draft) => {
                    drafts.push(draft);
                    slots.push(None);
                }
                Err(error) => slots.push(Some(Err(error))),
            }
        }
        let put = if drafts.is_empty() {
            Vec::new()
        } else {
            queue.store.insert_many(&queue.name, drafts).await?
        };
        let mut put = put.into_iter();
        answers.extend(slots.into_iter().filter_map(|slot| slot.or_else(|| put.next())));
    }
    Ok(answers)
}

const HEADERS: usize = 64;
const HEADER_BYTES: usize = 16 * 1024;

pub(super) fn check(queue: &Queue, job: &NewJob) -> Result<()> {
    let options = &job.options;
    job.payload.check("payload", queue.store.payload_limit())?;
    if options.max_attempts == Some(0) {
        return Err(Error::invalid("max_attempts", "a job needs at least 1"));
    }
    if options.timeout.is_some_and(|timeout| timeout < Duration::from_millis(1)) {
        return Err(Error::invalid("timeout", "an attempt needs at least 1 ms"));
    }
    duration_is_valid("delay", options.delay)?;
    duration_is_valid("timeout", options.timeout.unwrap_or_default())?;
    duration_is_valid("retention", options.retain.unwrap_or_default())?;
    let backoff = options.backoff.unwrap_or_default();
    duration_is_valid("back-off", backoff.first.max(backoff.max))?;
    if let Some(due) = options.due {
        date_is_valid("due time", due)?;
    }
    if let Some(key) = &options.unique_key
        && !(1..=200).contains(&key.len())
    {
        let why = format!("it has {} bytes, 1 to 200 are allowed", key.len());
        return Err(Error::invalid("unique key", why));
    }
    if options.headers.len() > HEADERS {
        let why = format!("there are {}, at most {HEADERS} are allowed", options.headers.len());
        return Err(Error::invalid("headers", why));
    }
    let size = options.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > HEADER_BYTES {
        return Err(Error::TooLarge { what: "headers", size, limit: HEADER_BYTES });
    }
    let bad = |(name, value): &(String, String)| {
        name.is_empty() || name.contains('\0') || value.contains('\0')
    };
    if options.headers.iter().any(bad) {
        return Err(Error::invalid("headers", "a name is empty, or a NUL is in one"));
    }
    Ok(())
}

/// The document of a new job; `now` is the database's.
fn draft(queue: &Queue, job: NewJob, now: DateTime) -> Result<Draft> {
    let NewJob { payload, options } = job;
    let defaults = queue.defaults();
    let backoff = options.backoff.unwrap_or(defaults.backoff);
    let id = options.id.unwrap_or_else(JobId::mint);
    let delay = to_millis(options.delay.min(LONGEST));
    let delayed = DateTime::from_millis(now.timestamp_millis().saturating_add(delay));
    let due = options.due.map_or(delayed, |due| due.max(delayed));

    let mut fields = Fields(RawDocumentBuf::new());
    fields.add(cstr!("_id"), id_value(&id));
    fields.add(cstr!("queue"), RawBson::String(queue.name.to_string()));
    fields.add(cstr!("state"), RawBson::String(State::Ready.name().to_owned()));
    fields.add(cstr!("priority"), RawBson::Int32(options.priority));
    fields.add(cstr!("due"), RawBson::DateTime(due));
    fields.add(cstr!("attempts"), RawBson::Int32(0));
    let attempts = options.max_attempts.unwrap_or(defaults.max_attempts);
    fields.add(cstr!("max_attempts"), RawBson::Int64(attempts.into()));
    let timeout = options.timeout.unwrap_or(defaults.timeout);
    fields.add(cstr!("timeout_ms"), RawBson::Int64(to_millis(timeout)));
    if backoff != Backoff::NONE {
        let mut waits = Fields(RawDocumentBuf::new());
        waits.add(cstr!("first_ms"), RawBson::Int64(to_millis(backoff.first)));
        waits.add(cstr!("max_ms"), RawBson::Int64(to_millis(backoff.max)));
        fields.add(cstr!("backoff"), RawBson::Document(waits.0));
    }
    let retain = options.retain.or(defaults.retain);
    if let Some(retain) = retain {
        fields.add(cstr!("retain_ms"), RawBson::Int64(to_millis(retain)));
    }
    if !options.headers.is_empty() {
        let headers: bson::Document =
            options.headers.into_iter().map(|(n, v)| (n, v.into())).collect();
        let headers = RawDocumentBuf::try_from(&headers);
        let headers = headers.map_err(|e| Error::invalid("headers", e.to_string()))?;
        fields.add(cstr!("headers"), RawBson::Document(headers));
    }
    if let Some(key) = &options.unique_key {
        fields.add(cstr!("unique_key"), RawBson::String(key.clone()));
    }
    fields.add(cstr!("created_at"), RawBson::DateTime(now));
    if let Payload::Bytes { content_type, .. } = &payload {
        fields.add(cstr!("content_type"), RawBson::String(content_type.clone()));
    }
    // Last: who scans the document for a small field needn't pass it.
    fields.add(cstr!("payload"), payload.to_raw());
    let (unique_key, retained) = (options.unique_key, retain.is_some());
    let due = (due > now).then_some(due);
    Ok(Draft { id, unique_key, retained, due, document: fields.0 })
}

struct Fields(RawDocumentBuf);

impl Fields {
    fn add(&mut self, name: &CStr, value: RawBson) {
        self.0.append(name, value);
    }
}

fn id_value(id: &JobId) -> RawBson {
    match id {
        JobId::Minted(id) => RawBson::ObjectId(*id),
        JobId::Own(id) => RawBson::String(id.clone()),
    }
}
