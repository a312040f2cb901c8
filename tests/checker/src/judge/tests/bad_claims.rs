//! Claims that overlap, that have no lease, that come back at the wrong time.

use serde_json::json;

use super::tale::{LEASE, Tale};
use crate::history::{Answer, Verdict};
use crate::server::Of;

#[test]
fn taken_back_before_the_lease_was_over() {
    for early in [1, LEASE / 2, LEASE - 100] {
        let mut tale = Tale::new();
        tale.put("a");
        tale.begin("w", ("A", "a"));
        tale.renew("A");
        // The record is dated by the write after the next.
        tale.wait(LEASE - early - 30);
        tale.take_back("A", &["a"], &[]);
        tale.claim("B", &["a"]);
        tale.breaks(&["overlap"]);
    }
}

#[test]
fn claimed_while_another_claim_holds_it() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.claim("B", &["a"]);
    tale.breaks(&["overlap", "illegal-step", "attempts"]);
}

#[test]
fn one_claim_in_two_hands() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.has("v", ("A", "a"), 1);
    tale.complete("w", ("A", "a"));
    tale.breaks(&["overlap"]);
}

/// A reclaim that doesn't look at the token: the job was released from the expired lease and runs
/// under another.
#[test]
fn taken_back_from_the_next_holder() {
    let mut tale = Tale::new();
    tale.put_all(&["a", "b"]);
    tale.claim("A", &["a", "b"]);
    tale.has("w", ("A", "a"), 1);
    tale.settle("w", ("A", "a"), Verdict::Released);
    tale.give_back("a");
    tale.done("w", ("A", "a"), Verdict::Released);
    tale.wait(LEASE);
    tale.begin("v", ("B", "a"));
    tale.take_back("A", &["a", "b"], &[]);
    tale.breaks(&["overlap"]);
}

#[test]
fn a_lease_that_goes_with_its_first_job() {
    let mut tale = Tale::new();
    tale.put_all(&["a", "b"]);
    tale.claim("A", &["a", "b"]);
    tale.has("w", ("A", "a"), 1);
    tale.settle("w", ("A", "a"), Verdict::Completed);
    tale.together(|tale| {
        tale.remove("a");
        tale.close_lease("A");
    });
    tale.breaks(&["no-lease"]);
}

#[test]
fn a_lease_outside_the_transaction() {
    // Before the marks.
    let mut tale = Tale::new();
    tale.put("a");
    tale.open_lease("A", &["a"]);
    tale.run("A", "a");
    tale.breaks(&["no-lease"]);
    // Behind them.
    let mut tale = Tale::new();
    tale.put("a");
    tale.run("A", "a");
    tale.open_lease("A", &["a"]);
    tale.breaks(&["no-lease"]);
    // Removed before its jobs come back.
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.wait(LEASE);
    tale.close_lease("A");
    tale.count("a", "lease-expired", None);
    tale.breaks(&["no-lease"]);
}

#[test]
fn a_lease_that_doesn_t_name_its_job() {
    let mut tale = Tale::new();
    tale.put_all(&["a", "b"]);
    tale.together(|tale| {
        tale.open_lease("A", &["a"]);
        tale.run("A", "a");
        tale.run("A", "b");
    });
    tale.breaks(&["no-lease"]);
    // And one that forgets it later.
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.change(Of::Lease, "A", json!({ "jobs": [] }), &[]);
    tale.breaks(&["no-lease"]);
}

#[test]
fn a_lease_by_another_clock() {
    for off in [-600_000, 600_000] {
        let mut tale = Tale::new();
        tale.put("a");
        tale.together(|tale| {
            let until = tale.now + LEASE + off;
            tale.open_lease("A", &["a"]);
            tale.change(Of::Lease, "A", json!({ "until": until }), &[]);
            tale.run("A", "a");
        });
        // As one write.
        tale.account.writes.remove(2);
        if let crate::server::Deed::Put { doc } = &mut tale.account.writes[1].deed {
            doc.insert("until".to_owned(), (tale.now + LEASE + off).into());
        }
        tale.breaks(&["lease-clock"]);
    }
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.change(Of::Lease, "A", json!({ "until": tale.now }), &[]);
    tale.breaks(&["lease-clock"]);
}

#[test]
fn a_heartbeat_that_keeps_what_is_gone() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.wait(LEASE);
    tale.take_back("A", &["a"], &[]);
    tale.claim("B", &["a"]);
    tale.has("v", ("B", "a"), 2);
    let taken = tale.clone();
    tale.wait(20);
    tale.heartbeat("w", ("A", "a"), Answer::DONE);
    tale.breaks(&["heartbeat"]);
    // It heard of it, and then not.
    let mut tale = taken;
    tale.heartbeat("w", ("A", "a"), Answer::LeaseLost);
    tale.heartbeat("w", ("A", "a"), Answer::DONE);
    tale.breaks(&["heartbeat"]);
    // It was kept, and its end never moved.
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.wait(20);
    tale.heartbeat("w", ("A", "a"), Answer::DONE);
    tale.breaks(&["heartbeat"]);
    // The server never had it.
    let mut tale = Tale::new();
    tale.put("a");
    tale.has("w", ("A", "a"), 1);
    tale.heartbeat("w", ("A", "a"), Answer::DONE);
    tale.breaks(&["heartbeat"]);
}

#[test]
fn given_out_as_the_wrong_attempt() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.wait(LEASE);
    tale.take_back("A", &["a"], &[]);
    // Found before, marked afterwards.
    tale.claim("B", &["a"]);
    tale.has("v", ("B", "a"), 1);
    tale.breaks(&["attempts"]);
}

#[test]
fn given_an_older_state() {
    for stale in [None, Some(1), Some(3)] {
        let mut tale = Tale::new();
        tale.put("a");
        tale.begin("w", ("A", "a"));
        for value in [1, 2] {
            tale.save_call("w", ("A", "a"), value);
            tale.save("a", value);
            tale.saved("w", ("A", "a"), (value, Answer::DONE));
        }
        tale.together(|tale| {
            tale.give_back("a");
            tale.close_lease("A");
        });
        tale.claim("B", &["a"]);
        tale.has_saved("v", ("B", "a"), (1, stale));
        tale.breaks(&["saved-went-back"]);
    }
}

#[test]
fn claims_that_aren_t_counted() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    if let crate::server::Deed::Change { set, .. } = &mut tale.account.writes[2].deed {
        set.insert("claims".to_owned(), 3.into());
    }
    tale.breaks(&["attempts"]);
}
