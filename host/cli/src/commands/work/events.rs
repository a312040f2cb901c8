//! What a worker tells, as lines.

use mongoqueue::{Disposition, Failure, Outcome, State, Summary, WorkerEvent};
use serde_json::{Value, json};

use crate::args::format_duration;
use crate::show::time::{clock, rfc3339};
use crate::show::{Show, Tone, escape, job, now, plural};
use crate::trouble::Result;

/// Characters of a guest's words in one line.
const WORDS: usize = 200;

/// Prints what happened. Batches that were claimed are of no interest to people.
pub(super) fn print(show: Show, event: &WorkerEvent) -> Result<()> {
    if show.json {
        let mut value = json(event);
        value["at"] = rfc3339(now()).into();
        return show.line(&escape::json(&value));
    }
    match people(show, event) {
        Some(text) => stamped(show, &text),
        None => Ok(()),
    }
}

/// Prints the sums, last.
pub(super) fn print_summary(show: Show, summary: &Summary) -> Result<()> {
    let Summary { completed, failed, dead, released, handed_back, lost, unknown } = *summary;
    let value = json!({
        "event": "summary", "completed": completed, "failed": failed, "dead": dead,
        "released": released, "handed_back": handed_back, "lost": lost, "unknown": unknown,
    });
    show.answer(&value, || {
        let mut parts = vec![format!("{completed} completed")];
        let mut part = |n: u64, words: String| parts.extend((n > 0).then_some(words));
        part(failed, format!("{} failed", plural(failed, "attempt")));
        part(dead, format!("{} dead", plural(dead, "job")));
        part(released, format!("{released} released"));
        part(handed_back, format!("{handed_back} handed back"));
        part(lost, format!("{} lost", plural(lost, "lease")));
        part(unknown, format!("{unknown} with an unknown end"));
        parts.join(", ")
    })
}

/// Says that some events came too fast to be shown.
pub(super) fn print_missed(show: Show, missed: u64) -> Result<()> {
    match show.json {
        true => show.line(&json!({ "event": "missed", "events": missed }).to_string()),
        false => stamped(show, &format!("… {missed} events not shown")),
    }
}

/// A line for people, with the time in front.
pub(in crate::commands) fn stamped(show: Show, text: &str) -> Result<()> {
    show.line(&format!("{} {text}", show.paint(Tone::Faint, &clock(now()))))
}

fn people(show: Show, event: &WorkerEvent) -> Option<String> {
    Some(match event {
        WorkerEvent::Ready { queues } => {
            format!("serving {}", escape::line(&queues.join(", ")))
        }
        WorkerEvent::Finished { queue, id, attempt, elapsed, outcome, state, .. } => {
            let job = format!("{} {}", escape::line(queue), escape::line(&id.to_string()));
            let ended = ended(show, outcome, *attempt, *state);
            let elapsed = show.paint(Tone::Faint, &format!("({})", format_duration(*elapsed)));
            format!("{job} {ended} {elapsed}")
        }
        WorkerEvent::LeaseLost { queue, id, .. } => {
            let job = format!("{} {}", escape::line(queue), escape::line(&id.to_string()));
            format!("{job} {}", show.paint(Tone::Bad, "lease lost, its result is dropped"))
        }
        WorkerEvent::MayHaveHappened { queue, id, .. } => {
            let job = format!("{} {}", escape::line(queue), escape::line(&id.to_string()));
            let what = "lease lost; whether its result was written before is not known";
            format!("{job} {}", show.paint(Tone::Bad, what))
        }
        WorkerEvent::TookBack { queue, jobs, consumer } => {
            let (queue, consumer) = (escape::line(queue), escape::line(consumer));
            format!(
                "{queue} {} taken back from {consumer}, whose lease ran out",
                plural(*jobs, "job")
            )
        }
        WorkerEvent::Mended { queue, jobs } => {
            let (queue, jobs) = (escape::line(queue), plural(*jobs, "job"));
            format!("{queue} {jobs} ran under no lease; given back")
        }
        WorkerEvent::Trouble { error } => {
            show.paint(Tone::Bad, &format!("database: {}", escape::cut(error, WORDS)))
        }
        WorkerEvent::Recovered { after } => {
            format!("the database answers again, after {}", format_duration(*after))
        }
        WorkerEvent::Stopping { running } => {
            format!("stopping; {} still running", plural(*running as u64, "job"))
        }
        // Claimed: of use to programs.
        _ => return None,
    })
}

fn ended(show: Show, outcome: &Outcome, attempt: u32, state: Option<State>) -> String {
    match outcome {
        Outcome::Completed(_) => show.paint(Tone::Good, "completed"),
        Outcome::Failed(failure) => {
            let kind = show.paint(Tone::Bad, &escape::cut(&failure.kind, WORDS));
            let message = escape::cut(&failure.message, WORDS);
            let then = state.map_or_else(String::new, |state| {
                format!(", now {}", show.paint(job::tone(state), state.name()))
            });
            format!("attempt {attempt} failed: {kind}: {message}{then}")
        }
        Outcome::Released { delay } => format!("released for {}", format_duration(*delay)),
        Outcome::HandedBack => "handed back".to_owned(),
    }
}

fn json(event: &WorkerEvent) -> Value {
    match event {
        WorkerEvent::Ready { queues } => json!({ "event": "ready", "queues": queues }),
        WorkerEvent::Claimed { queue, jobs } => {
            json!({ "event": "claimed", "queue": queue, "jobs": jobs })
        }
        WorkerEvent::Finished { queue, id, token, attempt, elapsed, outcome, state } => {
            let mut value = json!({
                "event": "finished", "queue": queue, "id": id.to_string(),
                "token": token.to_string(), "attempt": attempt, "elapsed_ms": elapsed.as_secs_f64() * 1_000.0,
                "state": state.map_or("completed", State::name),
            });
            outcome_fields(&mut value, outcome);
            value
        }
        WorkerEvent::LeaseLost { queue, id, token } => json!({
            "event": "lease-lost", "queue": queue, "id": id.to_string(), "token": token.to_string(),
        }),
        WorkerEvent::MayHaveHappened { queue, id, token } => json!({
            "event": "may-have-happened", "queue": queue, "id": id.to_string(),
            "token": token.to_string(),
        }),
        WorkerEvent::TookBack { queue, jobs, consumer } => {
            json!({ "event": "took-back", "queue": queue, "jobs": jobs, "consumer": consumer })
        }
        WorkerEvent::Mended { queue, jobs } => {
            json!({ "event": "mended", "queue": queue, "jobs": jobs })
        }
        WorkerEvent::Trouble { error } => json!({ "event": "trouble", "error": error }),
        WorkerEvent::Recovered { after } => {
            json!({ "event": "recovered", "after_ms": after.as_secs_f64() * 1_000.0 })
        }
        WorkerEvent::Stopping { running } => json!({ "event": "stopping", "running": running }),
        other => json!({ "event": "other", "text": format!("{other:?}") }),
    }
}

fn outcome_fields(value: &mut Value, outcome: &Outcome) {
    match outcome {
        Outcome::Completed(_) => value["outcome"] = "completed".into(),
        Outcome::Failed(Failure { kind, message, code, disposition, .. }) => {
            value["outcome"] = "failed".into();
            value["kind"] = kind.as_ref().into();
            value["message"] = message.as_str().into();
            value["code"] = code.as_deref().into();
            value["rejected"] = (*disposition == Disposition::Reject).into();
        }
        Outcome::Released { delay } => {
            value["outcome"] = "released".into();
            value["delay_ms"] = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX).into();
        }
        Outcome::HandedBack => value["outcome"] = "handed-back".into(),
    }
}
