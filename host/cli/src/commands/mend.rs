//! Changing what waits: `retry`, `cancel`, `clear`.

use std::io::IsTerminal;

use mongoqueue::{JobId, State};
use serde_json::json;

use super::settle::now_is;
use crate::args::{ClearArgs, Global, IdsArgs, RetryArgs};
use crate::connect;
use crate::show::{Show, complain, plural};
use crate::trouble::{Exit, Result, Trouble};

pub(super) async fn retry(global: &Global, show: Show, args: RetryArgs) -> Result<()> {
    let mq = connect::open(global, show).await?;
    if let Some(name) = args.queue {
        let retried = mq.queue(&name)?.retry_dead().await?;
        let value = json!({ "queue": name, "retried": retried });
        return show.answer(&value, || {
            format!("{} of {name} made ready again", plural(retried, "dead job"))
        });
    }
    let mut answers = Answers { show, last: None };
    for id in &args.ids {
        let answer = async {
            let job = mq.find(id).await?;
            match mq.queue(&job.queue)?.retry(id).await? {
                true => changed(show, id, &job.queue, State::Ready),
                false => Err(not_in_state(id, job.state, "dead or cancelled")),
            }
        };
        answers.take(answer.await)?;
    }
    answers.end()
}

pub(super) async fn cancel(global: &Global, show: Show, args: IdsArgs) -> Result<()> {
    let mq = connect::open(global, show).await?;
    let mut answers = Answers { show, last: None };
    for id in &args.ids {
        let answer = async {
            let job = mq.find(id).await?;
            match mq.queue(&job.queue)?.cancel(id).await? {
                state @ State::Cancelled if job.state == State::Cancelled => {
                    Err(not_in_state(id, state, "ready or running"))
                }
                State::Running => {
                    show.note("it runs; it was asked to stop");
                    changed(show, id, &job.queue, State::Running)
                }
                State::Cancelled => changed(show, id, &job.queue, State::Cancelled),
                state => Err(not_in_state(id, state, "ready or running")),
            }
        };
        answers.take(answer.await)?;
    }
    answers.end()
}

pub(super) async fn clear(global: &Global, show: Show, args: ClearArgs) -> Result<()> {
    let queue = connect::open(global, show).await?.queue(&args.queue)?;
    let name = queue.name();
    if !args.yes && std::io::stdin().is_terminal() {
        let stats = queue.stats().await?;
        let jobs = stats.scheduled + stats.ready + stats.running;
        let ended = stats.completed + stats.dead + stats.cancelled;
        return Err(Trouble::misuse(format!(
            "this would remove {} of {name} not done yet, and {ended} ended ones; --yes does it",
            plural(jobs, "job")
        )));
    }
    let removed = queue.clear().await?;
    let value = json!({ "queue": name, "removed": removed });
    show.answer(&value, || format!("{} of {name} removed", plural(removed, "job")))
}

fn changed(show: Show, id: &JobId, queue: &str, state: State) -> Result<()> {
    let value = json!({ "id": id.to_string(), "queue": queue, "state": state.name() });
    show.answer(&value, || now_is(show, id, state))
}

fn not_in_state(id: &JobId, state: State, wanted: &str) -> Trouble {
    Trouble::new(Exit::No, "not-in-state", format!("job {id} is {state}, not {wanted}"))
        .with("id", id.to_string())
        .with("state", state.name())
}

/// The answers about several jobs: a no about one is said, and the next one is asked.
struct Answers {
    show: Show,
    last: Option<Trouble>,
}

impl Answers {
    fn take(&mut self, answer: Result<()>) -> Result<()> {
        let Err(trouble) = answer else { return Ok(()) };
        if trouble.exit != Exit::No {
            return Err(trouble);
        }
        // The last one is said at the end of the program.
        if let Some(before) = self.last.replace(trouble) {
            complain(&before.render(self.show.json));
        }
        Ok(())
    }

    fn end(self) -> Result<()> {
        self.last.map_or(Ok(()), Err)
    }
}
