//! The head of a queue: when a claimer that goes on from a place looks there for what came in front.
//!
//! Such a look walks over the keys of all that was claimed lately. So while there is something to
//! claim it is made beside the claims: it asks whether there is anything, and only then a claim is
//! made from the head.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::store::{Place, Store, Stretch};

/// A look at the head may cost up to a twentieth of the time, where it finds nothing that the place
/// would not have. Where the queue is full it is put off for a second at least, and never for long.
const SHARE: u32 = 20;
const NOT_BEFORE: Duration = Duration::from_secs(1);
const AT_LEAST: Duration = Duration::from_secs(30);
/// Who has found nothing for so long has the time to look there itself.
const QUIET: Duration = Duration::from_millis(250);

pub(super) struct Head {
    /// The next find is to begin there.
    wanted: bool,
    /// When somebody is to look there.
    next: Instant,
    /// A look beside the claims: whether there is anything, and the pause until the next one.
    beside: JoinSet<(bool, Duration)>,
    /// Where the last finds began, the newest first: what lies behind those may still be being marked.
    begun: [Option<Place>; 2],
    /// When a find got something.
    got: Instant,
}

impl Head {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self { wanted: true, next: now, beside: JoinSet::new(), begun: [None, None], got: now }
    }

    /// Something may have come in front.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// The next find is to begin at the head, rather than at the place, and waits for that.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted || self.is_due() && (self.begun[1].is_none() || self.got.elapsed() > QUIET)
    }

    /// How long until somebody is to look there.
    pub(super) fn left(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    fn is_due(&self) -> bool {
        Instant::now() >= self.next
    }

    /// A find begins at a place. Looks at the head beside it, when that is due.
    pub(super) fn passed(&mut self, store: &Store, queue: &Arc<str>, place: &Place) {
        if self.is_due()
            && self.beside.is_empty()
            && let [_, Some(front)] = self.begun.clone()
        {
            let (store, queue, began) = (store.clone(), queue.clone(), Instant::now());
            let at_least = if place.is_exact() { NOT_BEFORE } else { Duration::ZERO };
            self.beside.spawn(async move {
                let stretch = Stretch::Before(&front);
                // What hinders this will hinder a find, which says so.
                let any = store.is_any_due(&queue, stretch).await.unwrap_or(true);
                (any, pause(began.elapsed(), at_least))
            });
        }
        let [last, _] = std::mem::take(&mut self.begun);
        self.begun = [Some(place.clone()), last];
    }

    /// A find got something from the place.
    pub(super) fn got(&mut self) {
        self.got = Instant::now();
    }

    /// Waits until a look beside has found something in front, if need be for ever.
    pub(super) async fn found(&mut self) {
        while let Some(looked) = self.beside.join_next().await {
            let (any, pause) = looked.unwrap_or((true, Duration::ZERO));
            self.next = Instant::now() + pause;
            if any {
                self.wanted = true;
                return;
            }
        }
        std::future::pending().await
    }

    /// A find has begun at the head, and took so long; `in_front`: it got what the place would not have.
    pub(super) fn looked(&mut self, took: Duration, busy: bool, in_front: bool) {
        let at_least = if busy { NOT_BEFORE } else { Duration::ZERO };
        // More of that may follow.
        let pause = if in_front { at_least } else { pause(took, at_least) };
        self.wanted = in_front && !busy;
        self.next = Instant::now() + pause;
        self.begun = [None, None];
    }
}

fn pause(took: Duration, at_least: Duration) -> Duration {
    (took * SHARE).clamp(at_least, AT_LEAST)
}
