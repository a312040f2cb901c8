//! What of the documents matters here, and how a change of the account applies to it.

use serde_json::{Map, Value};

use crate::server::Deed;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::judge) enum State {
    Ready,
    Running,
    Completed,
    Dead,
    Cancelled,
    /// None of these.
    Odd,
}

impl State {
    pub(in crate::judge) fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Odd => "in no state",
        }
    }

    pub(in crate::judge) fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Dead | Self::Cancelled)
    }

    fn read(value: Option<&Value>) -> Self {
        match value.and_then(Value::as_str) {
            Some("ready") => Self::Ready,
            Some("running") => Self::Running,
            Some("completed") => Self::Completed,
            Some("dead") => Self::Dead,
            Some("cancelled") => Self::Cancelled,
            _ => Self::Odd,
        }
    }
}

/// A job as it is after a write. Times are milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::judge) struct JobDoc<'a> {
    pub(in crate::judge) queue: &'a str,
    pub(in crate::judge) state: State,
    pub(in crate::judge) priority: i64,
    pub(in crate::judge) due: i64,
    pub(in crate::judge) attempts: i64,
    pub(in crate::judge) max_attempts: i64,
    pub(in crate::judge) claims: i64,
    pub(in crate::judge) token: Option<&'a str>,
    pub(in crate::judge) consumer: &'a str,
    pub(in crate::judge) claimed_at: Option<i64>,
    pub(in crate::judge) cancel_at: Option<i64>,
    pub(in crate::judge) finished_at: Option<i64>,
    pub(in crate::judge) expire_at: Option<i64>,
    /// The counter that was saved; `None` also for a saved state that is none.
    pub(in crate::judge) saved: Option<u64>,
    pub(in crate::judge) has_saved: bool,
    /// Error records.
    pub(in crate::judge) records: usize,
    pub(in crate::judge) last: Option<Record<'a>>,
}

/// An error record.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(in crate::judge) struct Record<'a> {
    pub(in crate::judge) attempt: i64,
    pub(in crate::judge) at: Option<i64>,
    pub(in crate::judge) kind: &'a str,
    pub(in crate::judge) code: &'a str,
}

/// A lease as it is after a write.
#[derive(Clone, Debug, PartialEq, Default)]
pub(in crate::judge) struct LeaseDoc<'a> {
    pub(in crate::judge) consumer: &'a str,
    pub(in crate::judge) until: Option<i64>,
    pub(in crate::judge) length_ms: Option<i64>,
    pub(in crate::judge) jobs: Vec<&'a str>,
}

/// A document that changes as the account goes on.
pub(super) trait Live<'a>: Default {
    fn set(&mut self, path: &'a str, value: Option<&'a Value>);
    fn cut(&mut self, path: &'a str, length: usize);

    /// A new document.
    fn put(doc: &'a Map<String, Value>) -> Self {
        let mut live = Self::default();
        doc.iter().for_each(|(path, value)| live.set(path, Some(value)));
        live
    }

    /// What the deed makes of it: `None` when it is gone.
    fn after(before: Option<Self>, deed: &'a Deed) -> Option<Self> {
        match deed {
            Deed::Put { doc } => Some(Self::put(doc)),
            Deed::Change { set, unset, cut } => {
                // A change of what was there before the account began.
                let mut live = before.unwrap_or_default();
                for (path, length) in cut {
                    let length = length.as_u64().and_then(|length| usize::try_from(length).ok());
                    live.cut(path, length.unwrap_or(usize::MAX));
                }
                set.iter().for_each(|(path, value)| live.set(path, Some(value)));
                unset.iter().for_each(|path| live.set(path, None));
                Some(live)
            }
            Deed::Delete => None,
            _ => before,
        }
    }
}

/// A job, with what changes bit by bit.
pub(super) struct LiveJob<'a> {
    doc: JobDoc<'a>,
    errors: Vec<Record<'a>>,
    saved: Option<Value>,
}

impl Default for LiveJob<'_> {
    fn default() -> Self {
        let doc = JobDoc {
            queue: "",
            state: State::Odd,
            priority: 0,
            due: 0,
            attempts: 0,
            max_attempts: 0,
            claims: 0,
            token: None,
            consumer: "",
            claimed_at: None,
            cancel_at: None,
            finished_at: None,
            expire_at: None,
            saved: None,
            has_saved: false,
            records: 0,
            last: None,
        };
        Self { doc, errors: Vec::new(), saved: None }
    }
}

impl<'a> LiveJob<'a> {
    /// As it stands.
    pub(super) fn doc(&self) -> JobDoc<'a> {
        let saved = self.saved.as_ref();
        JobDoc {
            saved: saved.and_then(counter),
            has_saved: saved.is_some(),
            records: self.errors.len(),
            last: self.errors.last().copied(),
            ..self.doc
        }
    }
}

impl<'a> Live<'a> for LiveJob<'a> {
    fn set(&mut self, path: &'a str, value: Option<&'a Value>) {
        let doc = &mut self.doc;
        let (name, rest) = split(path);
        match name {
            "queue" => doc.queue = text(value),
            "state" => doc.state = State::read(value),
            "priority" => doc.priority = number(value).unwrap_or(0),
            "due" => doc.due = number(value).unwrap_or(0),
            "attempts" => doc.attempts = number(value).unwrap_or(0),
            "max_attempts" => doc.max_attempts = number(value).unwrap_or(0),
            "claims" => doc.claims = number(value).unwrap_or(0),
            "cancel_at" => doc.cancel_at = number(value),
            "finished_at" => doc.finished_at = number(value),
            "expire_at" => doc.expire_at = number(value),
            "claim" if rest.is_empty() => {
                (doc.token, doc.consumer, doc.claimed_at) = (None, "", None);
                each(value, |name, value| claim(doc, name, value));
            }
            "claim" => claim(doc, rest, value),
            "saved" => put_at(&mut self.saved, rest, value),
            "errors" if rest.is_empty() => {
                let records = value.and_then(Value::as_array);
                self.errors = records.into_iter().flatten().map(record).collect();
            }
            "errors" => {
                let (index, field) = split(rest);
                let Some(record_at) = at(&mut self.errors, index) else { return };
                match value {
                    Some(value) if field.is_empty() => *record_at = record(value),
                    _ => record_field(record_at, field, value),
                }
            }
            _ => {}
        }
    }

    fn cut(&mut self, path: &'a str, length: usize) {
        if path == "errors" {
            self.errors.truncate(length);
        }
    }
}

impl<'a> Live<'a> for LeaseDoc<'a> {
    fn set(&mut self, path: &'a str, value: Option<&'a Value>) {
        let (name, rest) = split(path);
        match name {
            "consumer" => self.consumer = text(value),
            "until" => self.until = number(value),
            "length_ms" => self.length_ms = number(value),
            "jobs" if rest.is_empty() => {
                let jobs = value.and_then(Value::as_array).into_iter().flatten();
                self.jobs = jobs.filter_map(Value::as_str).collect();
            }
            "jobs" => {
                if let Some(job) = at(&mut self.jobs, rest) {
                    *job = text(value);
                }
            }
            _ => {}
        }
    }

    fn cut(&mut self, path: &'a str, length: usize) {
        if path == "jobs" {
            self.jobs.truncate(length);
        }
    }
}

fn claim<'a>(doc: &mut JobDoc<'a>, name: &str, value: Option<&'a Value>) {
    match name {
        "token" => doc.token = value.and_then(Value::as_str),
        "consumer" => doc.consumer = text(value),
        "at" => doc.claimed_at = number(value),
        _ => {}
    }
}

fn record(value: &Value) -> Record<'_> {
    let mut record = Record::default();
    each(Some(value), |name, value| record_field(&mut record, name, value));
    record
}

fn record_field<'a>(record: &mut Record<'a>, name: &str, value: Option<&'a Value>) {
    match name {
        "attempt" => record.attempt = number(value).unwrap_or(0),
        "at" => record.at = number(value),
        "kind" => record.kind = text(value),
        "code" => record.code = text(value),
        _ => {}
    }
}

/// The counter in a saved state: a number, or that of the next step.
fn counter(saved: &Value) -> Option<u64> {
    saved.as_u64().or_else(|| saved.get("next")?.as_u64())
}

fn put_at(to: &mut Option<Value>, path: &str, value: Option<&Value>) {
    if path.is_empty() {
        *to = value.cloned();
        return;
    }
    let (name, rest) = split(path);
    if let Some(Value::Object(fields)) = to {
        let mut field = fields.remove(name);
        put_at(&mut field, rest, value);
        fields.extend(field.map(|field| (name.to_owned(), field)));
    }
}

fn each<'a>(value: Option<&'a Value>, mut to: impl FnMut(&'a str, Option<&'a Value>)) {
    for (name, value) in value.and_then(Value::as_object).into_iter().flatten() {
        to(name, Some(value));
    }
}

/// The element at a position, made if it is the next one.
fn at<'b, T: Default>(elements: &'b mut Vec<T>, index: &str) -> Option<&'b mut T> {
    let index: usize = index.parse().ok()?;
    if index == elements.len() {
        elements.push(T::default());
    }
    elements.get_mut(index)
}

fn split(path: &str) -> (&str, &str) {
    path.split_once('.').unwrap_or((path, ""))
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or("")
}

fn number(value: Option<&Value>) -> Option<i64> {
    value.and_then(|value| value.as_i64().or_else(|| Some(value.as_f64()? as i64)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(set: Value, unset: &[&str], cut: Value) -> Deed {
        let map = |value: Value| value.as_object().cloned().unwrap_or_default();
        let unset = unset.iter().map(|path| (*path).to_owned()).collect();
        Deed::Change { set: map(set), unset, cut: map(cut) }
    }

    #[test]
    fn changes_bit_by_bit() {
        let put =
            json!({ "queue": "q", "state": "ready", "due": 5, "saved": { "next": 2, "sum": 1 } });
        let deeds = [
            Deed::Put { doc: put.as_object().cloned().unwrap_or_default() },
            change(
                json!({ "state": "running", "claim": { "token": "t", "at": 9 } }),
                &[],
                json!({}),
            ),
            change(json!({ "saved.next": 3 }), &["saved.sum"], json!({})),
            change(json!({ "errors": [{ "attempt": 1, "kind": "a" }] }), &["claim"], json!({})),
            change(json!({ "errors.1": { "attempt": 2, "kind": "b" } }), &[], json!({})),
            change(json!({ "errors.1.attempt": 3 }), &[], json!({})),
        ];
        let mut live: Option<LiveJob<'_>> = None;
        for deed in &deeds[..3] {
            live = LiveJob::after(live, deed);
        }
        let doc = live.as_ref().map(LiveJob::doc);
        assert_eq!(doc.and_then(|doc| doc.token), Some("t"));
        assert_eq!(doc.and_then(|doc| doc.saved), Some(3));
        for deed in &deeds[3..] {
            live = LiveJob::after(live, deed);
        }
        let doc = live.as_ref().map(LiveJob::doc);
        assert_eq!(doc.map(|doc| (doc.token, doc.records)), Some((None, 2)));
        let last = Record { attempt: 3, at: None, kind: "b", code: "" };
        assert_eq!(doc.and_then(|doc| doc.last), Some(last));
        let cut = change(json!({}), &["saved"], json!({ "errors": 1 }));
        live = LiveJob::after(live, &cut);
        let doc = live.as_ref().map(LiveJob::doc);
        assert_eq!(doc.map(|doc| (doc.has_saved, doc.records)), Some((false, 1)));
        assert!(LiveJob::after(live, &Deed::Delete).is_none());
    }

    #[test]
    fn the_jobs_of_a_lease() {
        let put = json!({ "jobs": ["a", "b", "c"], "until": 7 });
        let put = Deed::Put { doc: put.as_object().cloned().unwrap_or_default() };
        let less = change(json!({ "jobs.0": "b", "jobs.1": "c" }), &[], json!({ "jobs": 2 }));
        let lease = LeaseDoc::after(LeaseDoc::after(None, &put), &less);
        assert_eq!(lease.map(|lease| lease.jobs), Some(vec!["b", "c"]));
    }
}
