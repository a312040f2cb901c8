//! Puts follow-up jobs: splits a text into its words and puts one job for each on the queue that
//! the operator has bound to `next`.
//!
//! A handler may run more than once, so the follow-ups carry a unique key made of this job's id: a
//! second attempt finds those that the first one put, and puts the rest.
//!
//! `{"text": "one two"}` puts `{"word": "one"}` and `{"word": "two"}`; the output is
//! `{"put": 2, "found": 0}`.

use std::time::Duration;

use mongoqueue_guest::{
    Context, HostError, Job, PutOptions, Queue, Result, handler, log, progress,
};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Serialize)]
struct Word<'a> {
    word: &'a str,
}

#[derive(Serialize)]
struct Done {
    /// Follow-ups that this attempt put.
    put: u64,
    /// Follow-ups that an earlier attempt had put already.
    found: u64,
}

fn split(job: Job<Text>) -> Result<Done> {
    let next = Queue::open("next").context("opening the queue of the follow-ups")?;
    let words: Vec<&str> = job.payload.text.split_whitespace().collect();
    let mut done = Done { put: 0, found: 0 };
    for (position, word) in words.iter().enumerate() {
        let options = PutOptions::new()
            .unique_key(format!("{}/{position}", job.id))
            // Shouting is urgent.
            .priority(if word.ends_with('!') { 10 } else { 0 })
            .max_attempts(5)
            .backoff(Duration::from_millis(200), Duration::from_secs(60))
            .timeout(Duration::from_secs(10))
            .header("parent", &job.id);
        match next.put_with(Word { word }, &options) {
            Ok(id) => {
                log::debug(format_args!("put {id} for {word:?}"));
                done.put += 1;
            }
            Err(HostError::Duplicate(_)) => done.found += 1,
            Err(error) => return Err(error).context(format_args!("putting word {position}")),
        }
        progress(done.put + done.found, Some(words.len() as u64), word)?;
    }
    log::info(format_args!("{} words", words.len()));
    Ok(done)
}

handler!(split);
