//! Puts that were lost, doubled or answered wrongly; what is stuck or out of order.

use serde_json::json;

use super::tale::{LEASE, Tale};
use crate::history::{Answer, Event, Phase, PutAnswer, Verdict};
use crate::server::{Of, Write};

#[test]
fn an_acknowledged_put_that_the_server_lost() {
    for answer in [PutAnswer::Created, PutAnswer::Existed] {
        let mut tale = Tale::new();
        let call = tale.put_call("a", 2);
        tale.put_answer(call, answer);
        tale.breaks(&["lost-put"]);
    }
    // Created twice, and kept once.
    let mut tale = Tale::new();
    tale.put("a");
    let call = tale.put_call("a", 2);
    tale.put_answer(call, PutAnswer::Created);
    tale.breaks(&["lost-put"]);
}

#[test]
fn a_job_that_is_gone_without_having_been_settled() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.remove("a");
    tale.breaks(&["lost-put", "illegal-step"]);

    let mut tale = Tale::new();
    tale.put("a");
    tale.put("b");
    tale.account.read_at = Some(tale.now);
    // Nothing was left, and no write says why.
    tale.breaks(&["lost-put"]);
}

#[test]
fn a_job_that_nobody_put() {
    let mut tale = Tale::new();
    tale.put_doc("a", json!({}));
    tale.breaks(&["phantom-job"]);

    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.complete("w", ("A", "a"));
    tale.put_doc("a", json!({}));
    tale.breaks(&["phantom-job"]);

    let mut tale = Tale::new();
    let call = tale.put_call("a", 2);
    tale.put_doc("a", json!({ "max_attempts": 7 }));
    tale.put_answer(call, PutAnswer::Created);
    tale.breaks(&["phantom-job"]);
}

#[test]
fn a_put_that_said_no_and_happened() {
    for answer in [
        PutAnswer::Failed { why: "no host".to_owned() },
        PutAnswer::Refused { why: "invalid".to_owned() },
    ] {
        let mut tale = Tale::new();
        let call = tale.put_call("a", 2);
        tale.put_doc("a", json!({}));
        tale.put_answer(call, answer);
        tale.breaks(&["answer"]);
    }
}

#[test]
fn a_cancel_that_was_lost() {
    for state in ["cancelled", "running"] {
        let mut tale = Tale::new();
        tale.put("a");
        let answer = Answer::Done { state: Some(state.to_owned()) };
        tale.say("producer", Event::CancelAnswer { job: "a".to_owned(), answer });
        tale.breaks(&["acknowledged-write-rolled-back"]);
    }
}

#[test]
fn a_job_that_is_put_in_a_wrong_state() {
    let mut tale = Tale::new();
    let call = tale.put_call("a", 2);
    tale.put_doc("a", json!({ "state": "completed", "finished_at": 1 }));
    tale.put_answer(call, PutAnswer::Created);
    tale.breaks(&["illegal-step"]);
}

#[test]
fn a_ready_job_that_is_stuck() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.drain(Phase::Begin);
    tale.wait(20_000);
    tale.holds();
    tale.wait(20_000);
    tale.breaks(&["stuck"]);
}

#[test]
fn a_running_job_that_is_stuck() {
    let mut tale = Tale::new();
    tale.put("a");
    tale.begin("w", ("A", "a"));
    tale.drain(Phase::Begin);
    tale.wait(LEASE + 35_000);
    tale.breaks(&["stuck"]);
    tale.account.read_at = Some(tale.now + 400_000);
    // Put past everything that tells of it.
    let doc = json!({ "state": "running", "claim": { "token": "gone" } });
    let deed = crate::server::Deed::Left { doc: doc.as_object().cloned().unwrap_or_default() };
    tale.account.left = vec![Write { wall: 0, txn: None, of: Of::Job, id: "z".to_owned(), deed }];
    assert!(tale.broken().contains("stuck"));
}

#[test]
fn a_calm_phase_out_of_order() {
    let mut tale = Tale::new();
    for (job, priority) in [("a", 0), ("b", 2), ("c", 2)] {
        tale.put_doc(job, json!({ "priority": priority, "due": 1_000 }));
    }
    tale.mark("calm-begin q");
    for (token, job) in [("C", "c"), ("B", "b"), ("A", "a")] {
        tale.begin("calm", (token, job));
        tale.complete("calm", (token, job));
    }
    tale.mark("calm-end q");
    assert!(tale.broken().contains("order"));
    // Two consumers are no calm.
    for line in &mut tale.history.lines {
        if line.event.job() == Some("c") {
            line.process = "other".into();
        }
    }
    assert!(!tale.broken().contains("order"));
}

#[test]
fn claimed_before_it_was_due() {
    let mut tale = Tale::new();
    let call = tale.put_call("a", 2);
    tale.put_doc("a", json!({ "due": tale.now + 5_000 }));
    tale.put_answer(call, PutAnswer::Created);
    let due = tale.clone();
    tale.begin("w", ("A", "a"));
    tale.complete("w", ("A", "a"));
    tale.breaks(&["claimed-early"]);
    let mut tale = due;
    tale.wait(5_000);
    tale.begin("w", ("A", "a"));
    tale.settle("w", ("A", "a"), Verdict::Completed);
    tale.holds();
}
