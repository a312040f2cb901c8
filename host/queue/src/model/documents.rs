//! The documents of the model. There are few different ones: each is kept once, under a number, so
//! that a state of the world is a handful of numbers.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use bson::{Bson, DateTime, Document, RawDocumentBuf, Uuid, doc};

use crate::job::{Job, JobId, Token};
use crate::store::{ExpiredLease, expired_lease};

/// The present. It never moves: when time passes, everything else gets older.
pub(super) const NOW: i64 = 1_000;
/// How long a lease and a back-off are.
pub(super) const MOMENT: Duration = Duration::from_millis(1);
pub(super) const QUEUE: &str = "q";

/// The number of a document.
pub(super) type Id = u16;

/// A document as it is read.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) document: Document,
    /// `None`: it is a lease.
    pub(super) job: Option<Job>,
}

impl Known {
    pub(super) fn job(&self) -> &Job {
        self.job.as_ref().expect("a job")
    }

    pub(super) fn date(&self, field: &str) -> i64 {
        self.document.get_datetime(field).expect("a date").timestamp_millis()
    }

    /// As the claimers read it.
    pub(super) fn lease(&self) -> ExpiredLease {
        expired_lease(&self.document).expect("a lease")
    }

    /// The number of the token that holds the job, or that the lease is of.
    pub(super) fn token(&self) -> Option<u8> {
        let token = match &self.job {
            Some(job) => job.claim.as_ref().map(|claim| claim.token),
            None => match self.document.get("_id") {
                Some(Bson::Binary(id)) => id.to_uuid().ok().map(Token),
                _ => None,
            },
        };
        token.map(|token| token.0.bytes()[0])
    }

    /// The jobs that a lease names.
    pub(super) fn names(&self) -> &[Bson] {
        self.document.get_array("jobs").map_or(&[], Vec::as_slice)
    }
}

#[derive(Default)]
struct Shelf {
    known: Vec<Arc<Known>>,
    numbers: HashMap<Vec<u8>, Id>,
    moved: HashMap<(Id, i64), Id>,
}

/// All documents that came up so far.
#[derive(Default)]
pub(super) struct Documents(RwLock<Shelf>);

impl Documents {
    pub(super) fn get(&self, id: Id) -> Arc<Known> {
        let shelf = self.0.read().unwrap_or_else(PoisonError::into_inner);
        shelf.known[usize::from(id)].clone()
    }

    /// When a job may be claimed, as long as that matters.
    pub(super) fn due(&self, id: Id) -> Option<i64> {
        let known = self.get(id);
        let job = known.job();
        (!job.state.is_final()).then(|| job.due.timestamp_millis())
    }

    /// The number of a document; of those that differ in nothing that matters it is the same.
    pub(super) fn put(&self, document: Document) -> Id {
        let document = plain(document);
        let raw = RawDocumentBuf::try_from(&document).expect("a document");
        let mut shelf = self.shelf();
        if let Some(id) = shelf.numbers.get(raw.as_bytes()) {
            return *id;
        }
        let is_job = document.contains_key("state");
        let job = is_job.then(|| Job::from_document(&raw).expect("a job"));
        let id = Id::try_from(shelf.known.len()).expect("few documents");
        shelf.known.push(Arc::new(Known { document, job }));
        shelf.numbers.insert(raw.into_bytes(), id);
        id
    }

    /// The same document with another time in its one field that matters.
    pub(super) fn moved(&self, id: Id, to: i64) -> Id {
        if let Some(moved) = self.shelf().moved.get(&(id, to)) {
            return *moved;
        }
        let known = self.get(id);
        let field = if known.job.is_some() { "due" } else { "until" };
        let mut document = known.document.clone();
        document.insert(field, DateTime::from_millis(to));
        let moved = self.put(document);
        self.shelf().moved.insert((id, to), moved);
        moved
    }

    fn shelf(&self) -> RwLockWriteGuard<'_, Shelf> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without what no filter asks for: when it happened, and in which words.
fn plain(document: Document) -> Document {
    let over = matches!(document.get_str("state"), Ok("completed" | "dead" | "cancelled"));
    let mut fields: Vec<(String, Bson)> = document.into_iter().collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    let plain = |(name, value): (String, Bson)| {
        let value = match (name.as_str(), value) {
            ("due", _) if over => DateTime::from_millis(0).into(),
            ("due" | "until", date) => date,
            (_, Bson::DateTime(_)) => DateTime::from_millis(0).into(),
            ("claim", Bson::Document(mut claim)) => {
                claim.insert("at", DateTime::from_millis(0));
                claim.into()
            }
            ("errors", Bson::Array(records)) => {
                let code = |it: Bson| -> Option<Bson> {
                    Some(doc! { "code": it.as_document()?.get("code").cloned() }.into())
                };
                records.into_iter().filter_map(code).collect::<Vec<_>>().into()
            }
            (_, value) => value,
        };
        (name, value)
    };
    fields.into_iter().map(plain).collect()
}

/// A new job, as a put makes it.
pub(super) fn new_job(number: usize, max_attempts: u32, retained: bool) -> Document {
    let mut job = doc! {
        "_id": job_id(number).to_string(), "queue": QUEUE, "state": "ready", "priority": 0,
        "due": DateTime::from_millis(NOW), "payload": null, "attempts": 0,
        "max_attempts": max_attempts, "claims": 0_i64, "errors": [],
        "created_at": DateTime::from_millis(0),
    };
    if retained {
        job.insert("retain_ms", 60_000_i64);
    }
    job
}

pub(super) fn job_id(number: usize) -> JobId {
    JobId::Own(["a", "b", "c"][number].to_owned())
}

/// Which job an id is of.
pub(super) fn number_of(id: &Bson) -> usize {
    (0..3).find(|n| job_id(*n).to_bson() == *id).expect("one of the jobs")
}

pub(super) fn token(number: u8) -> Token {
    Token(Uuid::from_bytes([number; 16]))
}

/// Those of `dates` that are over, moved to the latest past moments, in their order.
pub(super) fn recent_past(dates: impl Iterator<Item = i64>) -> HashMap<i64, i64> {
    let past: BTreeSet<i64> = dates.filter(|date| *date < NOW).collect();
    past.into_iter().rev().zip((0..NOW).rev()).collect()
}
