//! Long random runs over many jobs, two queues and three consumers, against the real server and a
//! model of it: after every step each document is as the model has it, and each answer was.
//!
//! Time is moved by direct writes, an hour at once, so that nothing depends on how long a run
//! takes. Workers take part as whoever claims several jobs together: each makes one claim, and its
//! attempts end when the test says so.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use mongoqueue::MongoQueue;
use mongoqueue_tests::Stage;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use tokio::runtime::{Builder, Runtime};

use player::{Player, connect};
use verbs::Step;

mod held;
mod look;
mod model;
mod operator;
mod player;
mod verbs;

/// What was done up to a failure, and what failed.
struct Failed {
    steps: Vec<Step>,
    why: String,
}

async fn follow(stage: &Stage, consumers: &[MongoQueue], steps: &[Step]) -> Result<(), Failed> {
    let failed = |n: usize, what: &str, error: anyhow::Error| {
        let steps = steps.iter().take(n).cloned().collect();
        Failed { steps, why: format!("{what}: {error:#}") }
    };
    let player = Player::new(stage, consumers).await;
    let mut player = player.map_err(|error| failed(0, "the beginning", error))?;
    for (number, step) in steps.iter().enumerate() {
        let played = player.play(&step.0).await;
        played.map_err(|error| failed(number + 1, &format!("{step:?}"), error))?;
    }
    player.finish().await.map_err(|error| failed(steps.len(), "the end", error))
}

/// What is short after so long is short enough.
const PATIENCE: Duration = Duration::from_secs(120);

/// The same failure, or another, after fewer steps: leaves out the half of them, then quarters, and
/// so on. proptest's own way leaves out one after the other and makes each as simple as can be: on
/// a server, two minutes are not enough for that.
fn shortened(mut failed: Failed, play: impl Fn(&[Step]) -> Result<(), Failed>) -> Failed {
    let begun = Instant::now();
    let mut size = failed.steps.len();
    while size > 0 {
        let before = failed.steps.len();
        let mut end = before;
        while end > 0 && begun.elapsed() < PATIENCE {
            let begin = end.saturating_sub(size);
            let mut steps = failed.steps.clone();
            steps.drain(begin..end);
            if let Err(again) = play(&steps) {
                failed = again;
            }
            end = begin.min(failed.steps.len());
        }
        // One may be left out only after another was.
        if size > 1 || failed.steps.len() == before {
            size /= 2;
        }
    }
    failed
}

/// So many sequences of so many steps at the most.
fn run(cases: usize, steps: usize) -> Result<()> {
    // One thread: an event of a worker is followed by what the worker does after it, before the
    // test does anything.
    let runtime: Runtime = Builder::new_current_thread().enable_all().build()?;
    let (stage, consumers) = runtime.block_on(async {
        let stage = Stage::new().await?;
        let consumers = connect(&stage).await?;
        anyhow::Ok((stage, consumers))
    })?;
    let play = |steps: &[Step]| runtime.block_on(follow(&stage, &consumers, steps));
    let mut runner = TestRunner::default();
    for _ in 0..cases {
        let tree = verbs::steps(steps).new_tree(&mut runner).map_err(anyhow::Error::msg)?;
        if let Err(failed) = play(&tree.current()) {
            let Failed { steps, why } = shortened(failed, play);
            bail!("{why}\nafter {steps:#?}");
        }
    }
    runtime.block_on(stage.end())
}

#[test]
fn long_runs_are_as_the_model_says() -> Result<()> {
    run(6, 500)
}

/// Some minutes: `cargo test -p mongoqueue-tests --test it random -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn longer_runs_are_as_the_model_says() -> Result<()> {
    run(25, 1_000)
}
