//! `mongoqueue put`: one job, or one per line.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use mongoqueue::{JSON, NewJob, Payload, PutOptions, Queue, Receipt};
use serde_json::json;

use crate::args::{Global, PutArgs};
use crate::input::lines::{Line, Lines};
use crate::show::{Show, bar, complain, plural};
use crate::signals::Signals;
use crate::trouble::{Exit, Result, Trouble};
use crate::{connect, input};

/// Jobs put by one command of the database.
const BATCH: usize = 1_000;
/// Bytes of lines after which a batch goes out though it has fewer jobs.
const BATCH_BYTES: usize = 8 << 20;

pub(super) async fn run(global: &Global, show: Show, args: PutArgs) -> Result<()> {
    if args.lines {
        return put_lines(global, show, args).await;
    }
    // Before the connection: what can never be put needs no server to say so.
    let payload = input::payload(&args.payload, args.content_type.as_deref())?;
    let options =
        PutOptions { id: args.id, unique_key: args.unique, ..args.options.to_put_options() };
    let queue = connect::open(global, show).await?.queue(&args.queue)?;
    let receipt = queue.put(payload).options(options).await?;
    if !receipt.created {
        show.note("this job was put before; nothing was changed");
    }
    answer(show, queue.name(), &receipt, None)
}

fn answer(show: Show, queue: &str, receipt: &Receipt, line: Option<u64>) -> Result<()> {
    let id = receipt.id.to_string();
    let mut value = json!({ "id": id, "queue": queue, "created": receipt.created });
    if let Some(line) = line {
        value["line"] = line.into();
    }
    show.answer(&value, || crate::show::escape::line(&id).into_owned())
}

async fn put_lines(global: &Global, show: Show, args: PutArgs) -> Result<()> {
    let mut lines = Lines::open(&args.payload)?;
    let queue = connect::open(global, show).await?.queue(&args.queue)?;
    let units = if lines.total.is_some() { "{percent}%" } else { "" };
    let progress = bar::bar(lines.total, units, !show.json);
    let mut putter =
        Putter { queue, show, options: args.options.to_put_options(), progress, put: 0, bad: 0 };
    let mut signals = Signals::listen()?;
    let started = Instant::now();
    loop {
        // Between two batches only: what is on its way is put, and counted.
        let batch = tokio::select! {
            biased;
            _ = signals.next() => Err(Trouble::new(Exit::No, "interrupted", "interrupted")),
            batch = lines.batch(BATCH, BATCH_BYTES) => batch,
        };
        let ended = match batch {
            Ok(batch) if batch.is_empty() => break,
            Ok(batch) => putter.put_batch(batch).await,
            Err(trouble) => Err(trouble),
        };
        if let Err(trouble) = ended {
            putter.progress.finish_and_clear();
            return Err(putter.so_far(trouble));
        }
    }
    putter.progress.finish_and_clear();
    putter.summary(started.elapsed())
}

struct Putter {
    queue: Queue,
    show: Show,
    options: PutOptions,
    progress: ProgressBar,
    put: u64,
    bad: u64,
}

impl Putter {
    async fn put_batch(&mut self, batch: Vec<Line>) -> Result<()> {
        let end = batch.last().map_or(0, |line| line.end);
        let range = batch.first().zip(batch.last()).map(|(a, b)| (a.number, b.number));
        let mut numbers = Vec::with_capacity(batch.len());
        let mut jobs = Vec::with_capacity(batch.len());
        for Line { number, text, .. } in batch {
            let payload =
                text.map_err(Trouble::misuse).and_then(|text| Ok(Payload::from_wire(JSON, text)?));
            match payload {
                Ok(payload) => {
                    numbers.push(number);
                    jobs.push(NewJob { payload, options: self.options.clone() });
                }
                Err(trouble) => self.bad_line(number, trouble),
            }
        }
        let receipts = self.queue.put_many(jobs).await.map_err(|error| {
            let (first, last) = range.unwrap_or_default();
            Trouble::from(error).reworded(|why| format!("lines {first} to {last}: {why}"))
        })?;
        for (number, receipt) in numbers.into_iter().zip(receipts) {
            match receipt {
                Ok(receipt) => {
                    self.put += 1;
                    if self.show.json {
                        answer(self.show, self.queue.name(), &receipt, Some(number))?;
                    }
                }
                Err(error) => self.bad_line(number, error.into()),
            }
        }
        self.progress.set_position(end);
        self.progress.set_message(format!("{} jobs", self.put));
        Ok(())
    }

    fn bad_line(&mut self, number: u64, trouble: Trouble) {
        self.bad += 1;
        let trouble =
            trouble.reworded(|why| format!("line {number}: {}", of_line(why))).with("line", number);
        let words = trouble.render(self.show.json);
        self.progress.suspend(|| complain(&words));
    }

    /// The end of a run that was cut short: what is in the database already.
    fn so_far(&self, trouble: Trouble) -> Trouble {
        let (put, queue) = (self.put, self.queue.name());
        trouble
            .reworded(|why| format!("{why}\nPut on {queue} before that: {}.", plural(put, "job")))
            .with("put", put)
            .with("bad_lines", self.bad)
    }

    fn summary(&self, elapsed: Duration) -> Result<()> {
        let (put, bad, queue) = (self.put, self.bad, self.queue.name());
        if bad > 0 {
            let (lines, jobs) = (plural(bad, "bad line"), plural(put, "job"));
            let message = format!("{lines} left out, as named above; put on {queue}: {jobs}");
            let trouble = Trouble::new(Exit::Misuse, "bad-lines", message);
            return Err(trouble.with("put", put).with("bad_lines", bad));
        }
        if self.show.json {
            return Ok(());
        }
        let rate = put as f64 / elapsed.as_secs_f64().max(0.001);
        let elapsed = crate::args::format_duration(elapsed);
        self.show.line(&format!(
            "{} put on {queue} in {elapsed} ({rate:.0} a second)",
            plural(put, "job")
        ))
    }
}

/// Each line is a document of its own, so serde's "line 1" would be taken for the file's.
fn of_line(why: &str) -> String {
    why.replace(" at line 1 column", " at column")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_bad_line_names_one_line_number() {
        assert_eq!(super::of_line("EOF at line 1 column 5"), "EOF at column 5");
    }
}
