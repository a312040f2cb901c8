//! The judge's own rules and the queue's state machine say the same.

use mongoqueue::{Event, State as Queue};

use crate::judge::illegal_step::expected;
use crate::judge::story::{How, JobDoc, Kind, State, kind};

fn state(state: Queue) -> State {
    match state {
        Queue::Ready => State::Ready,
        Queue::Running => State::Running,
        Queue::Completed => State::Completed,
        Queue::Dead => State::Dead,
        Queue::Cancelled => State::Cancelled,
    }
}

fn doc(state: State, attempts: i64, cancelled: bool) -> JobDoc<'static> {
    JobDoc {
        queue: "q",
        state,
        priority: 0,
        due: 0,
        attempts,
        max_attempts: 3,
        claims: 0,
        token: (state == State::Running).then_some("t"),
        consumer: "",
        claimed_at: None,
        cancel_at: cancelled.then_some(1),
        finished_at: None,
        expire_at: None,
        saved: None,
        has_saved: false,
        records: 0,
        last: None,
    }
}

#[test]
fn the_ends_of_claims() {
    for (spent, cancelled) in [(false, false), (false, true), (true, false), (true, true)] {
        let ends = [
            (How::Completed, Event::Complete, 0),
            (How::Failed, Event::Fail { spent, cancelled }, 1),
            (How::Expired, Event::Expire { spent, cancelled }, 1),
            (How::Returned, Event::Release { cancelled }, 0),
            (How::TakenBack, Event::HandBack { cancelled }, 0),
        ];
        for (how, event, counted) in ends {
            let had = if spent { 2 } else { 0 };
            let before = doc(State::Running, had, cancelled);
            let to = Queue::Running.after(event).map(state);
            let after = doc(to.unwrap_or(State::Odd), had + counted, false);
            let expected = expected(how, &before, &after);
            // A dead job may have been rejected.
            let free = how == How::Failed && to == Some(State::Dead);
            assert!(free || expected == to, "{how:?} {event:?}: {expected:?}, not {to:?}");
        }
    }
}

#[test]
fn every_other_step() {
    for from in Queue::ALL {
        for to in Queue::ALL {
            if from == Queue::Running || from == to {
                continue;
            }
            let events = [Event::Claim, Event::Cancel, Event::Retry];
            let event = events.into_iter().find(|event| from.after(*event) == Some(to));
            let (before, after) = (doc(state(from), 0, false), doc(state(to), 0, false));
            let kind = kind(Some(&before), Some(&after));
            let expected = match event {
                Some(Event::Claim) => Kind::Claim,
                Some(Event::Cancel) => Kind::Cancel,
                Some(Event::Retry) => Kind::Retry,
                _ => Kind::Odd,
            };
            assert_eq!(kind, expected, "{from} to {to}");
        }
    }
}
