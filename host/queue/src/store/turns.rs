//! Claimers' turns: two small documents per queue. One hands out tickets, one says whose turn it is,
//! and where the last claim ended.
//!
//! A hint, nothing more: a turn that is lost or broken costs a little time, the guard and the
//! transaction of a claim keep the promise.

use bson::{Bson, DateTime, Document, doc};
use futures_util::TryStreamExt;

use super::{Store, Target};
use crate::error::{Error, Result};
use crate::job::Job;
use crate::transition;

/// A place in a queue, which is the key of a job in the claim index: claims go on behind it, at
/// its priority.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) priority: i32,
    pub(crate) due: DateTime,
    pub(crate) id: Bson,
}

impl Place {
    /// So many milliseconds before this one, before whatever is due then.
    pub(crate) fn before(self, millis: i64) -> Self {
        let due = self.due.timestamp_millis().saturating_sub(millis);
        Self { due: DateTime::from_millis(due), id: Bson::MinKey, ..self }
    }

    /// Where its priority begins.
    pub(crate) fn first_of_priority(self) -> Self {
        Self { due: DateTime::MIN, id: Bson::MinKey, ..self }
    }

    /// That of a job.
    pub(crate) fn is_exact(&self) -> bool {
        self.id != Bson::MinKey
    }

    /// True where claims that go on from here come to the job.
    pub(crate) fn is_before(&self, job: &Job) -> bool {
        job.priority == self.priority && job.due >= self.due
    }

    /// Of a document with those fields; the id has the name that is said.
    pub(super) fn read(document: &Document, id: &str) -> Option<Self> {
        Some(Self {
            priority: document.get_i32("priority").ok()?,
            due: *document.get_datetime("due").ok()?,
            id: document.get(id)?.clone(),
        })
    }
}

/// What became of a turn.
#[derive(Debug)]
pub(crate) enum Found {
    /// Where claims go on from here, and whether the head was looked at.
    Up(Place, bool),
    /// Nothing is due.
    Nothing,
    /// Nothing yet, and the head was not looked at.
    TooEarly,
}

const DOING: &str = "take a turn";

impl Store {
    /// A ticket. `None` when two met that made the document, or the numbers have run out: the next
    /// one will be good.
    pub(crate) async fn take_ticket(&self, queue: &str) -> Result<Option<i64>> {
        let taken = self.changed(&self.inner.turns, &transition::take_ticket(queue)).await;
        let taken = taken.map_err(|e| Error::from_driver(DOING, e))?;
        Ok(taken.and_then(|taken| taken.get_i64("tickets").ok()))
    }

    /// Begins a line that serves this ticket, where there is none that could.
    pub(crate) async fn begin_line(&self, queue: &str, ticket: i64) -> Result<()> {
        let begun = self.changed(&self.inner.turns, &transition::begin_line(queue, ticket)).await;
        begun.map(|_| ()).map_err(|e| Error::from_driver(DOING, e))
    }

    /// Whose turn it is, and who waits; `None` where nobody ever did.
    pub(crate) async fn turn(&self, queue: &str) -> Result<Option<Turn>> {
        let tickets = Bson::from(transition::tickets_of(queue));
        let both = doc! { "_id": { "$in": [queue, tickets.clone()] } };
        let fields = doc! {
            "tickets": 1, "serving": 1, "place": 1, "given": 1, "head": 1, "before": 1, "empty": 1,
            "now": "$$NOW",
        };
        let failed = |e| Error::from_driver(DOING, e);
        let mut found = self.inner.turns.find(both).projection(fields).await.map_err(failed)?;
        let (mut line, mut turn) = (None, None);
        while let Some(document) = found.try_next().await.map_err(failed)? {
            match document.get("_id") == Some(&tickets) {
                true => line = Some(document),
                false => turn = Some(document),
            }
        }
        Ok(line.map(|line| read_turn(&turn.unwrap_or_default(), &line)))
    }

    /// The ticket whose turn it is, and no more than that: half of the server's work. `None` where
    /// nobody ever had a turn.
    pub(crate) async fn serving(&self, queue: &str) -> Result<Option<i64>> {
        let turn = self.inner.turns.find_one(doc! { "_id": queue }).await;
        let turn = turn.map_err(|e| Error::from_driver(DOING, e))?;
        Ok(turn.and_then(|turn| turn.get_i64("serving").ok()))
    }

    /// Serves a later ticket than the one that is served; false when that one is no longer.
    pub(crate) async fn jump(&self, queue: &str, from: i64, to: i64) -> Result<bool> {
        let jump = transition::pass_turn(queue, (from, to), Document::new());
        Ok(self.write(DOING, Target::Turns, &jump).await? == 1)
    }

    /// Says that the head is being looked at; false when somebody else has just said so.
    pub(crate) async fn announce_look(&self, queue: &str, turn: &Turn) -> Result<bool> {
        let look = transition::announce_look(queue, turn.head);
        Ok(self.write(DOING, Target::Turns, &look).await? == 1)
    }

    /// Gives a turn back. Where it was jumped over meanwhile, nothing comes of it.
    pub(crate) async fn give_turn(&self, queue: &str, turn: &Turn, found: Found) -> Result<()> {
        let (next, more) = match found {
            Found::Up(Place { priority, due, id }, at_head) => {
                let place = doc! { "priority": priority, "due": due, "id": id };
                (after(turn.serving), transition::found(place, at_head))
            }
            // Whoever had a ticket when the look began is answered by it.
            Found::Nothing => (after(turn.tickets), transition::found_nothing(turn.tickets)),
            Found::TooEarly => (after(turn.serving), Document::new()),
        };
        let give = transition::pass_turn(queue, (turn.serving, next), more);
        self.write(DOING, Target::Turns, &give).await.map(|_| ())
    }
}

/// The state of a queue's turns when it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// The ticket whose turn it is; none yet where that is 0.
    pub(crate) serving: i64,
    /// The last ticket that was handed out.
    pub(crate) tickets: i64,
    /// The last ticket that was answered by somebody else's look: nothing was due.
    pub(crate) empty: i64,
    /// Where the last claim ended.
    pub(crate) place: Option<Place>,
    /// Where it was when somebody last looked at the head: what lies before that is marked by now, or
    /// came in front.
    pub(crate) before: Option<Place>,
    /// When somebody last looked at the head.
    head: Option<DateTime>,
    /// Nobody has for a while.
    pub(crate) head_is_due: bool,
    /// What the claimer before found is likely still being marked: who looks at the head finds it
    /// again.
    pub(crate) being_marked: bool,
}

impl Turn {
    /// Somebody with a ticket can have a turn some time. Anybody may have written there, or dropped one
    /// of the documents.
    pub(crate) fn is_good(&self) -> bool {
        self.serving > 0 && self.serving <= after(self.tickets)
    }
}

/// While they are busy, the claimers of a queue look at its head once in this time, whoever's turn
/// it is then.
const LOOK_AT_HEAD: u64 = 1_000;
/// Marking a batch takes no longer than this on a busy server, in milliseconds.
const MARKING: u64 = 100;

fn read_turn(turn: &Document, line: &Document) -> Turn {
    let number = |of: &Document, field: &str| of.get_i64(field).unwrap_or_default();
    let tickets = number(line, "tickets");
    // From then until it was read, or the other way round, in milliseconds: clocks are set back.
    let between = |field: &str| {
        let now = turn.get_datetime("now").ok()?.timestamp_millis();
        Some(turn.get_datetime(field).ok()?.timestamp_millis().abs_diff(now))
    };
    let place = |field: &str| Place::read(turn.get_document(field).ok()?, "id");
    Turn {
        serving: number(turn, "serving"),
        tickets,
        // No ticket is answered before it is handed out.
        empty: Some(number(turn, "empty")).filter(|it| *it <= tickets).unwrap_or_default(),
        place: place("place"),
        before: place("before"),
        head: turn.get_datetime("head").ok().copied(),
        head_is_due: between("head").is_none_or(|it| it > LOOK_AT_HEAD),
        being_marked: between("given").is_some_and(|it| it < MARKING),
    }
}

/// Anybody may have written the largest number there.
fn after(ticket: i64) -> i64 {
    ticket.saturating_add(1)
}
