//! Legitimate runs, with all the ambiguities that faults make.

use serde_json::json;

use super::tale::{LEASE, Tale};
use crate::history::{Answer, Event, Phase, PutAnswer, Verdict};
use crate::judge::judge;
use crate::server::{Deed, Of, Write};

fn why() -> String {
    "no answer".to_owned()
}

#[test]
fn nothing_happened() {
    Tale::new().holds();
}

#[test]
fn a_job_is_done() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.complete("w", ("A", "a"));
    tale.holds();
    let counts = tale.judged().counts;
    assert_eq!((counts.jobs, counts.claims, counts.settlements.completed), (1, 1, 1));
}

#[test]
fn a_kept_job_goes_when_its_time_has_come() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.settle("w", ("A", "a"), Verdict::Completed);
    tale.together(|tale| {
        tale.keep("a");
        tale.close_lease("A");
    });
    let state = Some("completed".to_owned());
    tale.settled("w", ("A", "a"), (Verdict::Completed, Answer::Done { state }));
    tale.holds();
    tale.remove("a");
    tale.holds();
}

#[test]
fn failures_until_it_is_dead_and_a_retry() {
    let mut tale = Tale::new();
    tale.put("a");
    for (attempt, token) in [(1, "A"), (2, "B")] {
        tale.claim(token, &["a"]);
        tale.has("w", (token, "a"), attempt);
        tale.settle("w", (token, "a"), Verdict::Failed);
        tale.together(|tale| {
            tale.count("a", "failure", None);
            tale.close_lease(token);
        });
        let state = Some(if attempt == 1 { "ready" } else { "dead" }.to_owned());
        tale.settled("w", (token, "a"), (Verdict::Failed, Answer::Done { state }));
    }
    tale.holds();
    let set = json!({ "state": "ready", "attempts": 0, "due": tale.now });
    tale.change(Of::Job, "a", set, &["finished_at"]);
    tale.claim("C", &["a"]);
    tale.has("w", ("C", "a"), 1);
    tale.complete("w", ("C", "a"));
    tale.holds();
}

#[test]
fn a_rejection_is_dead_at_once() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.settle("w", ("A", "a"), Verdict::Rejected);
    tale.together(|tale| {
        tale.count("a", "failure", Some("dead"));
        tale.close_lease("A");
    });
    let state = Some("dead".to_owned());
    tale.settled("w", ("A", "a"), (Verdict::Rejected, Answer::Done { state }));
    tale.holds();
    // Also when its holder was killed before it heard of it, and when it says nothing at all.
    tale.history.lines.pop();
    tale.holds();
    tale.history.lines.pop();
    tale.holds();
    // An output that is too large is rejected by the queue.
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.settle("w", ("A", "a"), Verdict::Completed);
    tale.together(|tale| {
        tale.count("a", "limit:output", Some("dead"));
        tale.close_lease("A");
    });
    tale.done("w", ("A", "a"), Verdict::Rejected);
    tale.holds();
}

#[test]
fn a_killed_worker_s_batch_is_taken_back() {
    let mut tale = Tale::new();
    tale.put_all(&["a", "b", "c"]);
    tale.claim("A", &["a", "b", "c"]);
    tale.has("w", ("A", "a"), 1);
    tale.renew("A");
    tale.wait(LEASE);
    // Of three one was begun.
    tale.take_back("A", &["a"], &["b", "c"]);
    tale.claim("B", &["a", "b", "c"]);
    tale.has("v", ("B", "a"), 2);
    tale.has("v", ("B", "b"), 1);
    for job in ["a", "b"] {
        tale.settle("v", ("B", job), Verdict::Completed);
        tale.remove(job);
        tale.done("v", ("B", job), Verdict::Completed);
    }
    tale.has("v", ("B", "c"), 1);
    tale.complete("v", ("B", "c"));
    tale.holds();
}

#[test]
fn a_paused_worker_hears_that_its_lease_is_lost() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.renew("A");
    tale.heartbeat("w", ("A", "a"), Answer::DONE);
    tale.wait(LEASE);
    // Begun while it was held, answered later.
    let (job, token) = ("a".to_owned(), "A".to_owned());
    tale.say("w", Event::HeartbeatCall { job: job.clone(), token: token.clone() });
    tale.take_back("A", &["a"], &[]);
    tale.claim("B", &["a"]);
    tale.has("v", ("B", "a"), 2);
    tale.say("w", Event::HeartbeatAnswer { job, token, answer: Answer::DONE });
    tale.heartbeat("w", ("A", "a"), Answer::LeaseLost);
    tale.save_call("w", ("A", "a"), 1);
    tale.saved("w", ("A", "a"), (1, Answer::LeaseLost));
    tale.settle("w", ("A", "a"), Verdict::Completed);
    tale.settled("w", ("A", "a"), (Verdict::Unknown, Answer::LeaseLost));
    tale.complete("v", ("B", "a"));
    tale.holds();
}

#[test]
fn killed_between_call_and_answer() {
    for effect in [false, true] {
        let mut tale = Tale::new();
        tale.put("a");
        tale.begin("w", ("A", "a"));
        tale.save_call("w", ("A", "a"), 1);
        if effect {
            tale.save("a", 1);
        }
        tale.settle("w", ("A", "a"), Verdict::Completed);
        if effect {
            tale.remove("a");
            tale.close_lease("A");
        } else {
            tale.wait(LEASE);
            tale.take_back("A", &["a"], &[]);
        }
        tale.holds();
        let may = Answer::MayHaveHappened { why: why() };
        tale.settled("w", ("A", "a"), (Verdict::Unknown, may));
        tale.holds();
    }
}

#[test]
fn a_settlement_repeated_after_no_answer() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("p", ("A", "a"));
    tale.settle("p", ("A", "a"), Verdict::Completed);
    tale.remove("a");
    let may = Answer::MayHaveHappened { why: why() };
    tale.settled("p", ("A", "a"), (Verdict::Completed, may));
    // By id and token, once more.
    tale.settle("p", ("A", "a"), Verdict::Completed);
    tale.settled("p", ("A", "a"), (Verdict::Completed, Answer::LeaseLost));
    tale.close_lease("A");
    tale.holds();
}

#[test]
fn a_claim_that_a_failover_rolled_back() {
    let mut tale = Tale::new();
    tale.put("a");
    // It had been answered; the server's account never has it.
    tale.has("w", ("A", "a"), 1);
    tale.heartbeat("w", ("A", "a"), Answer::LeaseLost);
    tale.settle("w", ("A", "a"), Verdict::Completed);
    tale.settled("w", ("A", "a"), (Verdict::Unknown, Answer::LeaseLost));
    tale.begin("v", ("B", "a"));
    tale.complete("v", ("B", "a"));
    tale.holds();
}

#[test]
fn puts_that_may_have_happened_are_repeated() {
    let may = || PutAnswer::MayHaveHappened { why: why() };
    let mut tale = Tale::new();
    // It had happened: the job is there.
    let call = tale.put_call("a", 2);
    tale.put_doc("a", json!({}));
    tale.put_answer(call, may());
    let call = tale.put_call("a", 2);
    tale.put_answer(call, PutAnswer::Existed);
    // It had not.
    let call = tale.put_call("b", 2);
    tale.put_answer(call, may());
    tale.put("b");
    // It had happened, and the job was done and gone: it is put again.
    let call = tale.put_call("c", 2);
    tale.put_doc("c", json!({}));
    tale.begin("w", ("C", "c"));
    tale.complete("w", ("C", "c"));
    tale.put_answer(call, may());
    tale.put("c");
    tale.begin("w", ("D", "c"));
    tale.complete("w", ("D", "c"));
    // The producer was killed before its answer.
    tale.put_call("d", 2);
    tale.put_call("e", 2);
    tale.put_doc("e", json!({}));
    // Refused, failed: and not there.
    for (job, answer) in
        [("f", PutAnswer::Refused { why: why() }), ("g", PutAnswer::Failed { why: why() })]
    {
        let call = tale.put_call(job, 2);
        tale.put_answer(call, answer);
    }
    tale.holds();
    let puts = tale.judged().counts.puts;
    assert_eq!((puts.created, puts.existed, puts.unknown), (2, 1, 5));
}

#[test]
fn cancelled_while_it_waits_and_while_it_runs() {
    let mut tale = Tale::new();
    tale.put_all(&["a", "b", "c", "d"]);
    let cancelled = |tale: &mut Tale, job: &str, state: &str| {
        let answer = Answer::Done { state: Some(state.to_owned()) };
        tale.say("producer", Event::CancelAnswer { job: job.to_owned(), answer });
    };
    let set = json!({ "state": "cancelled", "finished_at": tale.now });
    tale.change(Of::Job, "a", set, &[]);
    cancelled(&mut tale, "a", "cancelled");
    tale.claim("B", &["b", "c", "d"]);
    for job in ["b", "c", "d"] {
        tale.change(Of::Job, job, json!({ "cancel_at": tale.now }), &[]);
        cancelled(&mut tale, job, "running");
    }
    // One does its work all the same, one heeds it, one dies.
    tale.has("w", ("B", "b"), 1);
    tale.settle("w", ("B", "b"), Verdict::Completed);
    tale.remove("b");
    tale.done("w", ("B", "b"), Verdict::Completed);
    tale.has("w", ("B", "c"), 1);
    tale.settle("w", ("B", "c"), Verdict::Released);
    let set = json!({ "state": "cancelled", "finished_at": tale.now });
    tale.change(Of::Job, "c", set, &["claim", "cancel_at"]);
    // A worker that hasn't heard of it says what it knows.
    let state = Some("ready".to_owned());
    tale.settled("w", ("B", "c"), (Verdict::Released, Answer::Done { state }));
    tale.has("w", ("B", "d"), 1);
    tale.wait(LEASE);
    tale.together(|tale| {
        tale.close_lease("B");
        tale.count("d", "lease-expired", Some("cancelled"));
    });
    tale.holds();
}

#[test]
fn saved_state_is_passed_on() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.save_call("w", ("A", "a"), 1);
    tale.save("a", 1);
    tale.saved("w", ("A", "a"), (1, Answer::DONE));
    tale.wait(LEASE);
    tale.take_back("A", &["a"], &[]);
    tale.claim("B", &["a"]);
    tale.has_saved("v", ("B", "a"), (2, Some(1)));
    // The one who lost it tries the same value.
    tale.save_call("w", ("A", "a"), 2);
    tale.saved("w", ("A", "a"), (2, Answer::LeaseLost));
    tale.save_call("v", ("B", "a"), 2);
    tale.save("a", 2);
    tale.saved("v", ("B", "a"), (2, Answer::DONE));
    tale.complete("v", ("B", "a"));
    tale.holds();
}

#[test]
fn a_guest_saves_without_a_word() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.change(Of::Job, "a", json!({ "saved": { "next": 2, "sum": 1 } }), &[]);
    tale.change(Of::Job, "a", json!({ "saved.next": 3, "saved.sum": 3 }), &[]);
    tale.settle("w", ("A", "a"), Verdict::Released);
    tale.together(|tale| {
        tale.give_back("a");
        tale.close_lease("A");
    });
    tale.done("w", ("A", "a"), Verdict::Released);
    tale.claim("B", &["a"]);
    tale.has_saved("w", ("B", "a"), (1, Some(3)));
    tale.complete("w", ("B", "a"));
    tale.holds();
}

#[test]
fn a_stopped_worker_hands_back_what_it_never_began() {
    let mut tale = Tale::new();
    tale.put_all(&["a", "b"]);
    tale.claim("A", &["a", "b"]);
    tale.together(|tale| {
        tale.give_back("a");
        tale.give_back("b");
        tale.close_lease("A");
    });
    for job in ["a", "b"] {
        tale.done("w", ("A", job), Verdict::HandedBack);
    }
    tale.say("w", Event::Ended { clean: true });
    tale.claim("B", &["a"]);
    // A lease that names more jobs than it holds, and is left over.
    tale.claim("C", &["b"]);
    tale.has("v", ("B", "a"), 1);
    tale.settle("v", ("B", "a"), Verdict::Completed);
    tale.remove("a");
    tale.wait(2 * LEASE);
    tale.take_back("B", &[], &[]);
    tale.take_back("C", &["b"], &[]);
    tale.holds();
}

#[test]
fn what_is_unknown_and_torn_is_no_violation() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.say("w", Event::Unknown);
    tale.history.add("w", b"{\"n\": 7, \"event\": \"Settl");
    // The worker stops to write its history, and goes on working.
    tale.remove("a");
    tale.close_lease("A");
    tale.put("b");
    tale.claim("B", &["b"]);
    tale.together(|tale| {
        tale.count("b", "failure", None);
        tale.close_lease("B");
    });
    tale.holds();
    assert_eq!(tale.judged().counts.lines_torn, 1);
}

#[test]
fn a_server_s_coarse_clock_is_behind() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.wait(LEASE);
    tale.take_back("A", &["a"], &[]);
    // Frozen, and just woken: its log says a time from before.
    for write in tale.account.writes.iter_mut().rev().take(2) {
        write.wall -= 700;
    }
    tale.holds();
}

#[test]
fn what_was_done_by_hand_is_nobody_s_fault() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    let (of, id, deed) = ("lease".to_owned(), "A".to_owned(), "deleted".to_owned());
    tale.say("checker", Event::ByHand { of, id, deed });
    tale.close_lease("A");
    // Long before the lease would have been over it is mended.
    tale.count("a", "lease-expired", None);
    tale.claim("B", &["a"]);
    tale.has("v", ("B", "a"), 2);
    tale.complete("v", ("B", "a"));
    tale.holds();
}

#[test]
fn a_calm_phase_and_a_drain() {
    let mut tale = Tale::new();
    for (job, priority) in [("a", 0), ("b", 2), ("c", 2)] {
        let call = tale.put_call(job, 2);
        if let Some(Event::PutCall { jobs, .. }) =
            tale.history.lines.last_mut().map(|line| &mut line.event)
        {
            jobs[0].priority = priority;
        }
        tale.put_doc(job, json!({ "priority": priority, "due": 1_000 }));
        tale.put_answer(call, PutAnswer::Created);
    }
    tale.mark("calm-begin q");
    for (token, job) in [("B", "b"), ("C", "c"), ("A", "a")] {
        tale.begin("calm", (token, job));
        tale.complete("calm", (token, job));
    }
    tale.mark("calm-end q");
    tale.drain(Phase::Begin);
    // Put a moment ago; and running under a good lease.
    tale.put("d");
    tale.put("e");
    tale.begin("w", ("E", "e"));
    tale.drain(Phase::End);
    tale.holds();
    assert!(tale.judged().not_judged.is_empty());
}

#[test]
fn a_gap_in_the_account_is_no_judgement() {
    let mut tale = Tale::new();
    tale.put("a");
    let deed = Deed::Gap { why: "history lost".to_owned() };
    tale.account.push(Write { wall: 0, txn: None, of: Of::Run, id: String::new(), deed });
    tale.account.writes.clear();
    let judgement = tale.judged();
    assert!(judgement.invariants.is_empty());
    assert_eq!(judgement.missing, ["the server's account has a gap: history lost"]);
}

#[test]
fn a_run_that_did_not_end_is_no_judgement() {
    let mut tale = Tale::new();
    let call = tale.put_call("a", 2);
    tale.put_answer(call, PutAnswer::Created);
    // What the server still had to tell of it is not known.
    let judgement = judge(&tale.history, &tale.account);
    assert!(judgement.invariants.is_empty());
    assert!(judgement.missing.iter().any(|why| why.contains("did not end")));
}
