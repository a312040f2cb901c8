//! Each verb as a value: what to match (the fence included) and what to change.
//!
//! The only room with update operators. Pure: time is the database's `$$NOW`, chance comes in as
//! an argument. What becomes of a job's state is not decided here but read off [`State::after`],
//! so that the pipelines can't disagree with the state machine.

use std::time::Duration;

use bson::{Bson, DateTime, Document, doc};

use crate::breaks::{self, Break};
use crate::defaults::Defaults;
use crate::job::{Event, JobId, Progress, State, Token, to_millis};
use crate::outcome::{Disposition, Failure};
use crate::payload::Payload;

mod lease;
mod lock;
mod record;
mod turn;

pub(crate) use lease::{
    close_lease, close_lease_of_one, has_expired, leave_lease, note_cancel, open_lease,
    renew_lease, take_back_lease,
};
pub(crate) use lock::{acquire, keep, let_go};
pub(crate) use record::as_recorded;
pub(crate) use turn::{
    announce_look, begin_line, found, found_nothing, pass_turn, take_ticket, tickets_of,
};

/// One conditional write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Transition {
    /// What has to hold, or nothing is written.
    pub(crate) filter: Document,
    /// What to write.
    pub(crate) change: Change,
    /// One document, or all that match.
    pub(crate) reach: Reach,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// Update operators.
    Operators(Document),
    /// An aggregation pipeline, so that `$$NOW` and the document's own fields can be used.
    Update(Vec<Document>),
    /// The same, and insert where nothing matches.
    Upsert(Vec<Document>),
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    One,
    Many,
}

/// A job under a claim: what every write after the claim is fenced by.
#[derive(Clone, Debug)]
pub(crate) struct Held<'a> {
    pub(crate) queue: &'a str,
    pub(crate) token: Token,
    pub(crate) id: &'a JobId,
}

impl Held<'_> {
    fn fence(&self) -> Document {
        fenced(doc! { "_id": self.id.to_bson(), "queue": self.queue }, self.token)
    }
}

/// Jobs as they were found, for a claim to ask whether they still are.
#[derive(Clone, Debug)]
pub(crate) struct AsFound {
    pub(crate) ids: Vec<Bson>,
    /// The latest due time among them; of those that had been claimed, what each was due.
    pub(crate) due: DateTime,
    /// How often each of them had been claimed.
    pub(crate) claims: u64,
}

/// Those that are still as they were found become running under `token`. One that was claimed
/// meanwhile and came back may have other attempts and another saved state than was read; one that
/// was cancelled and retried is due later. Where a failover undid how a claim ended, and another one
/// came to an end since, the number of claims is the same, and what it is due is not.
pub(crate) fn claim(queue: &str, found: AsFound, token: Token, consumer: &str) -> Transition {
    let AsFound { ids, due, claims } = found;
    let (claims, due): (Bson, Bson) = match i64::try_from(claims).unwrap_or(i64::MAX) {
        // Never claimed: who put it need not have said so.
        0 => (doc! { "$in": [0, null] }.into(), doc! { "$lte": due }.into()),
        claims => (claims.into(), due.into()),
    };
    let filter = doc! {
        "_id": { "$in": ids }, "queue": queue, "state": State::Ready.name(),
        "due": due, "claims": claims,
    };
    breaks::note_consumer(consumer);
    // Operators, no pipeline: half the server's work, for the write that is made most.
    let update = doc! {
        "$set": {
            "state": name_after(State::Ready, Event::Claim),
            "claim.token": token.to_bson(), "claim.consumer": consumer,
        },
        "$currentDate": { "claim.at": true },
        "$inc": { "claims": 1_i64 },
    };
    Transition { filter, change: Change::Operators(update), reach: Reach::Many }
}

/// Those of `ids` that `token` still holds are done and removed.
pub(crate) fn complete_and_remove(queue: &str, token: Token, ids: Vec<Bson>) -> Transition {
    Transition { filter: fence_many(queue, token, ids), change: Change::Delete, reach: Reach::Many }
}

/// The job is done and stays for `retain`, with what the handler returned.
pub(crate) fn complete_and_keep(
    held: &Held<'_>,
    output: Option<&Payload>,
    retain: Duration,
) -> Transition {
    let mut set = doc! {
        "state": name_after(State::Running, Event::Complete),
        "expire_at": after(retain),
    };
    put_payload(&mut set, "output", output);
    let mut update = vec![doc! { "$set": set }];
    update.extend(leave_running());
    Transition { filter: held.fence(), change: Change::Update(update), reach: Reach::One }
}

/// The attempt failed: counted, recorded, and tried again after `wait` while attempts are left.
pub(crate) fn fail(
    held: &Held<'_>,
    consumer: &str,
    failure: &Failure,
    wait: Duration,
) -> Transition {
    let state = match failure.disposition {
        Disposition::Reject => name_after(State::Running, Event::Reject).into(),
        Disposition::Retry | Disposition::RetryAfter(_) => {
            state_after(|spent, cancelled| Event::Fail { spent, cancelled })
        }
    };
    let mut update = count_attempt(record::record(consumer, failure));
    update.push(doc! { "$set": { "state": state } });
    update.push(doc! { "$set": { "due": if_ready(after(wait), "$due") } });
    update.extend(leave_running());
    Transition { filter: held.fence(), change: Change::Update(update), reach: Reach::One }
}

/// The attempt puts the job back, due after `delay`; not counted.
pub(crate) fn release(held: &Held<'_>, delay: Duration) -> Transition {
    let state = state_after(|_, cancelled| Event::Release { cancelled });
    let mut update = vec![doc! { "$set": { "state": state, "due": after(delay) } }];
    if breaks::on(Break::ReleaseCounts) {
        update.push(doc! { "$set": { "attempts": { "$add": ["$attempts", 1] } } });
    }
    update.extend(leave_running());
    Transition { filter: held.fence(), change: Change::Update(update), reach: Reach::One }
}

/// The worker gives jobs back to their old places; not counted.
pub(crate) fn hand_back(queue: &str, token: Token, ids: Vec<Bson>) -> Transition {
    let state = state_after(|_, cancelled| Event::HandBack { cancelled });
    let mut update = vec![doc! { "$set": { "state": state } }];
    update.extend(leave_running());
    let filter = fence_many(queue, token, ids);
    Transition { filter, change: Change::Update(update), reach: Reach::Many }
}

/// The lease ran out: each job that `token` still holds has failed an attempt, silently, and says
/// so itself. It keeps its place in the queue.
pub(crate) fn expire(queue: &str, token: Token, ids: Vec<Bson>, consumer: &str) -> Transition {
    let failure = Failure::of_kind("lease-expired", format!("lease expired on {consumer}"));
    let mut filter = doc! { "_id": { "$in": ids }, "queue": queue };
    if breaks::on(Break::BlindReclaim) {
        filter.insert("state", State::Running.name());
    } else {
        filter.insert("claim.token", token.to_bson());
    }
    let change = Change::Update(end_silently(&failure, consumer));
    Transition { filter, change, reach: Reach::Many }
}

/// Jobs that have run for `age` at least, or don't say since when.
pub(crate) fn running_for(age: Duration) -> Document {
    let before = doc! { "$subtract": ["$$NOW", to_millis(age)] };
    doc! { "state": State::Running.name(), "$expr": { "$lt": ["$claim.at", before] } }
}

/// As [`expire`], where no lease of that token is left; `Null` is none.
pub(crate) fn expire_orphans(
    queue: &str,
    token: Bson,
    ids: Vec<Bson>,
    consumer: &str,
) -> Transition {
    let failure = Failure::of_kind("lease-expired", format!("the lease of {consumer} is gone"));
    let filter = doc! {
        "_id": { "$in": ids }, "queue": queue, "state": State::Running.name(),
        "claim.token": { "$eq": token },
    };
    let change = Change::Update(end_silently(&failure, consumer));
    Transition { filter, change, reach: Reach::Many }
}

fn end_silently(failure: &Failure, consumer: &str) -> Vec<Document> {
    let mut update = count_attempt(record::record(consumer, failure));
    let state = state_after(|spent, cancelled| Event::Expire { spent, cancelled });
    update.push(doc! { "$set": { "state": state } });
    update.extend(leave_running());
    update
}

/// A job that waits is cancelled.
pub(crate) fn cancel_ready(queue: &str, id: &JobId) -> Transition {
    let mut update = vec![doc! { "$set": { "state": name_after(State::Ready, Event::Cancel) } }];
    update.extend(leave_running());
    let filter = doc! { "_id": id.to_bson(), "queue": queue, "state": State::Ready.name() };
    Transition { filter, change: Change::Update(update), reach: Reach::One }
}

/// A running job is asked to stop; the end of its attempt heeds it even if nobody else does.
pub(crate) fn ask_to_stop(queue: &str, id: &JobId) -> Transition {
    let update = vec![doc! { "$set": { "cancel_at": { "$ifNull": ["$cancel_at", "$$NOW"] } } }];
    let filter = doc! { "_id": id.to_bson(), "queue": queue, "state": State::Running.name() };
    Transition { filter, change: Change::Update(update), reach: Reach::One }
}

/// A dead or cancelled job runs again, with all its attempts; its error records stay.
pub(crate) fn retry(queue: &str, id: &JobId) -> Transition {
    let from: Vec<&str> = State::ALL
        .into_iter()
        .filter(|state| state.after(Event::Retry).is_some())
        .map(State::name)
        .collect();
    let filter = doc! { "_id": id.to_bson(), "queue": queue, "state": { "$in": from } };
    Transition { filter, change: Change::Update(run_again()), reach: Reach::One }
}

/// All dead jobs of a queue run again.
pub(crate) fn retry_dead(queue: &str) -> Transition {
    let filter = doc! {
        "queue": queue, "state": State::Dead.name(), "finished_at": { "$exists": true },
    };
    Transition { filter, change: Change::Update(run_again()), reach: Reach::Many }
}

/// A document that waits like a job but can't be read as one would be found again at every claim:
/// it goes to the dead ones, and says why. Any field may be of any type.
///
/// One that is `full` has no room for that; what makes it so is removed.
pub(crate) fn condemn(queue: &str, id: Bson, why: &str, full: bool) -> Transition {
    let mut update = Vec::new();
    if full {
        let rest = doc! { "queue": "$queue", "priority": "$priority", "due": "$due" };
        let kept = doc! { "$mergeObjects": [{ "_id": "$_id", "payload": null }, rest] };
        update.push(doc! { "$replaceWith": kept });
    }
    update.push(doc! { "$set": {
        "attempts": { "$cond": [{ "$isNumber": "$attempts" }, "$attempts", 0] },
        "errors": { "$cond": [{ "$isArray": "$errors" }, "$errors", []] },
    } });
    let failure = Failure::of_kind("malformed", why);
    update.extend(count_attempt(record::record("", &failure)));
    update.push(doc! { "$set": { "state": State::Dead.name() } });
    update.extend(leave_running());
    // `$eq`: the id may be a document.
    let filter = doc! { "_id": { "$eq": id }, "queue": queue, "state": State::Ready.name() };
    Transition { filter, change: Change::Update(update), reach: Reach::One }
}

/// What the attempt reports.
pub(crate) fn progress(held: &Held<'_>, progress: &Progress) -> Transition {
    let count = i64::try_from(progress.count).unwrap_or(i64::MAX);
    let mut set = doc! { "count": count, "at": "$$NOW" };
    if let Some(total) = progress.total {
        set.insert("total", i64::try_from(total).unwrap_or(i64::MAX));
    }
    if let Some(note) = &progress.note {
        set.insert("note", doc! { "$literal": record::cut(note, record::NOTE_LIMIT) });
    }
    // Removed first: `$set` would merge into the last report.
    let update = vec![doc! { "$unset": "progress" }, doc! { "$set": { "progress": set } }];
    Transition { filter: held.fence(), change: Change::Update(update), reach: Reach::One }
}

/// What the attempt saves for a later one.
pub(crate) fn save(held: &Held<'_>, state: &Payload) -> Transition {
    let mut set = Document::new();
    put_payload(&mut set, "saved", Some(state));
    let update = vec![doc! { "$unset": ["saved", "saved_type"] }, doc! { "$set": set }];
    Transition { filter: held.fence(), change: Change::Update(update), reach: Reach::One }
}

/// The name of the state after an event that `from` always allows.
fn name_after(from: State, event: Event) -> &'static str {
    from.after(event).unwrap_or(from).name()
}

/// The state after the end of an attempt, as an expression over the job's fields.
fn state_after(event: impl Fn(bool, bool) -> Event) -> Bson {
    let name = |spent, cancelled| name_after(State::Running, event(spent, cancelled));
    doc! { "$cond": [
        { "$gt": ["$cancel_at", null] },
        name(false, true),
        { "$cond": [spent(attempts()), name(true, false), name(false, false)] },
    ] }
    .into()
}

/// Whether a job that had so many attempts has none left, as an expression over its fields.
fn spent(attempts: Document) -> Document {
    let max_attempts = Defaults::default().max_attempts;
    doc! { "$gte": [attempts, { "$ifNull": ["$max_attempts", max_attempts] }] }
}

/// How many it had; those and one more.
fn attempts() -> Document {
    doc! { "$ifNull": ["$attempts", 0] }
}

fn one_more_attempt() -> Document {
    doc! { "$add": [attempts(), 1] }
}

/// Of the jobs that `filter` finds, those that one more failed attempt is the end of.
pub(crate) fn at_the_last(mut filter: Document) -> Document {
    filter.insert("$expr", spent(one_more_attempt()));
    filter
}

fn count_attempt(record: Document) -> Vec<Document> {
    vec![
        doc! { "$set": { "attempts": one_more_attempt() } },
        doc! { "$set": { "errors": record::append(record) } },
    ]
}

/// What holds for every way out of `running` (and of `ready`, for good): no claim, and in a final
/// state a time of the end and no unique key.
fn leave_running() -> Vec<Document> {
    vec![
        doc! { "$set": {
            "finished_at": if_ready("$$REMOVE", "$$NOW"),
            "unique_key": if_ready("$unique_key", "$$REMOVE"),
        } },
        doc! { "$unset": ["claim", "cancel_at"] },
    ]
}

fn run_again() -> Vec<Document> {
    let state = name_after(State::Dead, Event::Retry);
    vec![
        doc! { "$set": { "state": state, "attempts": 0, "due": "$$NOW" } },
        doc! { "$unset": ["finished_at", "expire_at", "cancel_at"] },
    ]
}

fn if_ready(then: impl Into<Bson>, otherwise: impl Into<Bson>) -> Document {
    let ready = doc! { "$eq": ["$state", State::Ready.name()] };
    doc! { "$cond": [ready, then.into(), otherwise.into()] }
}

/// So long from now, by the database's clock.
fn after(delay: Duration) -> Document {
    // A date that far off is as good as never; beyond it the server's dates overflow.
    let delay = to_millis(delay).min(to_millis(crate::defaults::LONGEST));
    doc! { "$add": ["$$NOW", delay] }
}

fn fence_many(queue: &str, token: Token, ids: Vec<Bson>) -> Document {
    fenced(doc! { "_id": { "$in": ids }, "queue": queue }, token)
}

/// What every write after a claim asks for: that the claim still holds the job.
fn fenced(mut filter: Document, token: Token) -> Document {
    if breaks::on(Break::FenceByConsumer) {
        filter.insert("claim.consumer", breaks::consumer());
    } else if !breaks::on(Break::NoFence) {
        filter.insert("claim.token", token.to_bson());
    }
    filter
}

fn put_payload(set: &mut Document, name: &str, payload: Option<&Payload>) {
    let Some(payload) = payload else { return };
    // `$literal`: a guest's own "$…" strings are data, not expressions.
    if let Ok(value) = Bson::try_from(payload.to_raw()) {
        set.insert(name, doc! { "$literal": value });
    }
    if let Payload::Bytes { content_type, .. } = payload {
        set.insert(format!("{name}_type"), doc! { "$literal": content_type });
    }
}

#[cfg(test)]
mod tests;
