//! Claims that end as they may not, and settlements that are answered wrongly.

use serde_json::json;

use super::tale::{LEASE, Tale};
use crate::history::{Answer, Event, Verdict};
use crate::server::Of;

fn failed() -> Answer {
    Answer::Failed { why: "no host".to_owned() }
}

/// A job that was taken back from `w`, and is held by `v`.
fn taken() -> Tale {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.wait(LEASE);
    tale.take_back("A", &["a"], &[]);
    tale.claim("B", &["a"]);
    tale.has("v", ("B", "a"), 2);
    tale
}

/// No fence, or a fence by the consumer's name: who lost the job completes it under the next claim.
#[test]
fn settled_by_one_who_had_lost_it() {
    let mut tale = taken();
    tale.settle("w", ("A", "a"), Verdict::Completed);
    tale.remove("a");
    tale.done("w", ("A", "a"), Verdict::Completed);
    tale.breaks(&["settled-after-loss"]);
    // Who holds it hears of that.
    tale.settle("v", ("B", "a"), Verdict::Completed);
    tale.settled("v", ("B", "a"), (Verdict::Completed, Answer::LeaseLost));
    tale.breaks(&["settled-after-loss", "answer"]);
}

#[test]
fn settled_by_one_who_was_killed_before_the_answer() {
    let mut tale = taken();
    tale.settle("w", ("A", "a"), Verdict::Completed);
    tale.remove("a");
    // Who holds it goes on, without a word of that.
    tale.holds();
    tale.put("b");
    tale.begin("v", ("C", "b"));
    tale.breaks(&["settled-after-loss"]);
}

/// The same on a job that waits: nobody held it.
#[test]
fn settled_while_it_waited() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.wait(LEASE);
    tale.take_back("A", &["a"], &[]);
    tale.settle("w", ("A", "a"), Verdict::Completed);
    tale.remove("a");
    tale.done("w", ("A", "a"), Verdict::Completed);
    tale.breaks(&["settled-after-loss", "lost-put", "illegal-step"]);
}

/// Whose session made the write tells who did it, though nobody says so.
#[test]
fn ended_by_a_stranger() {
    let two = || {
        let mut tale = Tale::new();
        tale.put_all(&["a", "b"]);
        for (who, token, job) in [("w", "A", "a"), ("v", "B", "b")] {
            tale.together_in(who, |tale| {
                tale.open_lease(token, &[job]);
                tale.run(token, job);
            });
            tale.has(who, (token, job), 1);
        }
        tale
    };
    let give_back = |tale: &mut Tale, who: &str| {
        tale.together_in(who, |tale| {
            tale.give_back("a");
            tale.close_lease("A");
        });
    };
    // Its lease ran out, and was taken back as if nothing had been begun.
    let mut tale = two();
    tale.wait(LEASE);
    give_back(&mut tale, "v");
    tale.breaks(&["settled-after-loss"]);
    // By its holder.
    let mut tale = two();
    give_back(&mut tale, "w");
    tale.holds();
    // By one who was told the claim.
    let mut tale = two();
    tale.settle("v", ("A", "a"), Verdict::Released);
    give_back(&mut tale, "v");
    tale.holds();
    // By a session that nobody knows.
    let mut tale = two();
    give_back(&mut tale, "x");
    tale.holds();
}

#[test]
fn saved_by_one_who_had_lost_it() {
    let mut tale = taken();
    tale.save_call("v", ("B", "a"), 1);
    tale.save("a", 1);
    tale.saved("v", ("B", "a"), (1, Answer::DONE));
    tale.save_call("w", ("A", "a"), 5);
    tale.save("a", 5);
    let before = tale.clone();
    tale.saved("w", ("A", "a"), (5, Answer::DONE));
    tale.breaks(&["settled-after-loss", "acknowledged-write-rolled-back"]);
    // Killed before the answer.
    let mut tale = before;
    tale.say("v", Event::Ended { clean: true });
    tale.breaks(&["settled-after-loss"]);
}

#[test]
fn settled_twice() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("p", ("A", "a"));
    tale.complete("p", ("A", "a"));
    tale.settle("p", ("A", "a"), Verdict::Completed);
    tale.done("p", ("A", "a"), Verdict::Completed);
    tale.breaks(&["settled-twice"]);

    let mut tale = Tale::new();
    tale.put("a");
    tale.claim("A", &["a"]);
    tale.together(|tale| {
        tale.give_back("a");
        tale.close_lease("A");
    });
    tale.claim("A", &["a"]);
    tale.together(|tale| {
        tale.give_back("a");
        tale.close_lease("A");
    });
    assert!(tale.broken().contains("settled-twice"));
}

/// An unknown commit that is taken for a success.
#[test]
fn done_that_was_not() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.settle("w", ("A", "a"), Verdict::Completed);
    tale.done("w", ("A", "a"), Verdict::Completed);
    tale.breaks(&["answer"]);
    // It comes back when its lease is over.
    tale.wait(LEASE);
    tale.take_back("A", &["a"], &[]);
    tale.breaks(&["settled-after-loss"]);
}

/// An unknown commit that is taken for a failure.
#[test]
fn no_that_was_done() {
    for (verdict, answer) in [
        (Verdict::Unknown, Answer::LeaseLost),
        (Verdict::Completed, Answer::LeaseLost),
        (Verdict::Completed, failed()),
    ] {
        let mut tale = Tale::new();
        tale.put("a");
        tale.begin("w", ("A", "a"));
        tale.settle("w", ("A", "a"), Verdict::Completed);
        tale.remove("a");
        tale.close_lease("A");
        tale.settled("w", ("A", "a"), (verdict, answer));
        tale.breaks(&["answer"]);
    }
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.settle("w", ("A", "a"), Verdict::Failed);
    tale.count("a", "failure", None);
    tale.settled("w", ("A", "a"), (Verdict::Failed, failed()));
    tale.breaks(&["answer"]);
}

#[test]
fn saves_that_are_answered_wrongly() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.save_call("w", ("A", "a"), 1);
    let before = tale.clone();
    tale.saved("w", ("A", "a"), (1, Answer::DONE));
    let lost = tale.clone();
    tale.breaks(&["acknowledged-write-rolled-back"]);
    // The next one saves it again.
    let mut tale = lost;
    tale.wait(LEASE);
    tale.take_back("A", &["a"], &[]);
    tale.claim("B", &["a"]);
    tale.has("v", ("B", "a"), 2);
    tale.save_call("v", ("B", "a"), 1);
    tale.save("a", 1);
    tale.breaks(&["acknowledged-write-rolled-back"]);
    let mut tale = before;
    tale.save("a", 1);
    tale.saved("w", ("A", "a"), (1, failed()));
    tale.breaks(&["answer"]);
}

#[test]
fn another_end_than_was_told() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.settle("w", ("A", "a"), Verdict::Failed);
    tale.give_back("a");
    tale.done("w", ("A", "a"), Verdict::Failed);
    tale.breaks(&["answer"]);

    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.settle("w", ("A", "a"), Verdict::Failed);
    tale.count("a", "failure", None);
    let state = Some("dead".to_owned());
    tale.settled("w", ("A", "a"), (Verdict::Failed, Answer::Done { state }));
    tale.breaks(&["answer"]);

    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.settle("w", ("A", "a"), Verdict::Rejected);
    tale.count("a", "failure", None);
    tale.done("w", ("A", "a"), Verdict::Rejected);
    tale.breaks(&["answer"]);
}

#[test]
fn written_under_a_claim_that_the_server_lost() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.has("w", ("A", "a"), 1);
    let claimed = tale.clone();
    tale.settle("w", ("A", "a"), Verdict::Completed);
    tale.done("w", ("A", "a"), Verdict::Completed);
    tale.breaks(&["acknowledged-write-rolled-back"]);
    let mut tale = claimed;
    tale.save_call("w", ("A", "a"), 1);
    tale.saved("w", ("A", "a"), (1, Answer::DONE));
    tale.breaks(&["acknowledged-write-rolled-back"]);
}

#[test]
fn a_release_that_counts() {
    for recorded in [false, true] {
        let mut tale = Tale::new();
        tale.put_of("a", 3);
        tale.begin("w", ("A", "a"));
        tale.settle("w", ("A", "a"), Verdict::Released);
        if recorded {
            tale.count("a", "failure", None);
        } else {
            let set = json!({ "state": "ready", "attempts": 1 });
            tale.change(Of::Job, "a", set, &["claim"]);
        }
        tale.done("w", ("A", "a"), Verdict::Released);
        tale.breaks(&["attempts"]);
    }
}

#[test]
fn a_failure_that_does_not_count() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    let record = json!([{ "attempt": 0, "kind": "failure" }]);
    tale.change(Of::Job, "a", json!({ "state": "ready", "errors": record }), &["claim"]);
    tale.breaks(&["attempts"]);
}

#[test]
fn a_failure_without_its_record() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.settle("w", ("A", "a"), Verdict::Failed);
    tale.change(Of::Job, "a", json!({ "state": "ready", "attempts": 1 }), &["claim"]);
    assert!(tale.broken().contains("torn-record"));
    // And one with another attempt's.
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.count("a", "failure", None);
    let last = tale.account.writes.last_mut().map(|write| &mut write.deed);
    if let Some(crate::server::Deed::Change { set, .. }) = last {
        set["errors.0"]["attempt"] = 7.into();
    }
    tale.breaks(&["torn-record"]);
}

#[test]
fn dead_before_its_time() {
    // By a lease that ran out.
    let mut tale = Tale::new();
    tale.put_of("a", 3);
    tale.begin("w", ("A", "a"));
    tale.wait(LEASE);
    tale.together(|tale| {
        tale.close_lease("A");
        tale.count("a", "lease-expired", Some("dead"));
    });
    tale.breaks(&["died-early", "illegal-step"]);
    // By a failure that was no rejection.
    let mut tale = Tale::new();
    tale.put_of("a", 3);
    tale.begin("w", ("A", "a"));
    tale.settle("w", ("A", "a"), Verdict::Failed);
    tale.count("a", "failure", Some("dead"));
    tale.breaks(&["died-early"]);
}

#[test]
fn alive_after_its_last_attempt() {
    let mut tale = Tale::new();
    tale.put_of("a", 1);
    tale.begin("w", ("A", "a"));
    tale.settle("w", ("A", "a"), Verdict::Failed);
    tale.count("a", "failure", Some("ready"));
    tale.breaks(&["illegal-step"]);
}

#[test]
fn a_cancel_that_is_not_heeded() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.change(Of::Job, "a", json!({ "cancel_at": tale.now }), &[]);
    tale.settle("w", ("A", "a"), Verdict::Failed);
    tale.count("a", "failure", Some("ready"));
    tale.breaks(&["illegal-step"]);
}

#[test]
fn saved_state_that_goes_back() {
    for end in [json!({ "saved": 1 }), json!({})] {
        let mut tale = Tale::new();
        tale.put("a");
        tale.begin("w", ("A", "a"));
        tale.save("a", 2);
        let unset: &[&str] = if end.get("saved").is_some() { &[] } else { &["saved"] };
        tale.change(Of::Job, "a", end, unset);
        tale.breaks(&["saved-went-back"]);
    }
}

#[test]
fn steps_that_no_job_may_take() {
    type Deed = fn(&mut Tale);
    let deeds: [Deed; 5] = [
        // A completed job runs again.
        |tale| {
            tale.claim("A", &["a"]);
            tale.keep("a");
            tale.change(Of::Job, "a", json!({ "state": "ready" }), &["finished_at"]);
        },
        // Something changes while it waits.
        |tale| tale.change(Of::Job, "a", json!({ "priority": 3 }), &[]),
        |tale| tale.change(Of::Job, "a", json!({ "due": 3 }), &[]),
        // A claim stays on a job that waits.
        |tale| {
            tale.claim("A", &["a"]);
            tale.change(Of::Job, "a", json!({ "state": "ready" }), &[]);
        },
        // A job ends without saying when.
        |tale| tale.change(Of::Job, "a", json!({ "state": "cancelled" }), &[]),
    ];
    for deed in deeds {
        let mut tale = Tale::new();
        tale.put("a");
        deed(&mut tale);
        tale.breaks(&["illegal-step"]);
    }
}
