//! Long random runs over many jobs, two queues and three consumers, against the real server and a
//! model of it: after every step each document is as the model has it, and each answer was.
//!
//! Time is moved by direct writes, an hour at once, so that nothing depends on how long a run
//! takes. Workers take part as whoever claims several jobs together: each makes one claim, and its
//! attempts end when the test says so.

use anyhow::{Context, Result};
use mongoqueue::MongoQueue;
use mongoqueue_tests::Stage;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::{Builder, Runtime};

use player::{Player, connect};
use verbs::Step;

mod held;
mod look;
mod model;
mod operator;
mod player;
mod verbs;

async fn follow(stage: &Stage, consumers: &[MongoQueue], steps: &[Step]) -> Result<()> {
    let mut player = Player::new(stage, consumers).await?;
    for (number, step) in steps.iter().enumerate() {
        player.play(&step.0).await.with_context(|| format!("step {number}, {step:?}"))?;
    }
    player.finish().await.context("the end")
}

/// That many sequences of so many dozens of steps at the most.
fn run(cases: u32, dozens: usize) -> Result<()> {
    // One thread: an event of a worker is followed by what the worker does after it, before the
    // test does anything.
    let runtime: Runtime = Builder::new_current_thread().enable_all().build()?;
    let (stage, consumers) = runtime.block_on(async {
        let stage = Stage::new().await?;
        let consumers = connect(&stage).await?;
        anyhow::Ok((stage, consumers))
    })?;
    let config = Config {
        cases,
        failure_persistence: None,
        // Each try is a run on the server. In milliseconds: what is short by then is short enough.
        max_shrink_time: 180_000,
        max_shrink_iters: u32::MAX,
        ..Config::default()
    };
    let ran = TestRunner::new(config).run(&verbs::steps(dozens), |steps| {
        let followed = runtime.block_on(follow(&stage, &consumers, &steps));
        followed.map_err(|error| TestCaseError::fail(format!("{error:#}")))
    });
    ran?;
    runtime.block_on(stage.end())
}

#[test]
fn long_runs_are_as_the_model_says() -> Result<()> {
    run(8, 60)
}

/// Some minutes: `cargo test -p mongoqueue-tests --test it random -- --ignored`.
#[test]
#[ignore = "takes minutes"]
fn longer_runs_are_as_the_model_says() -> Result<()> {
    run(60, 100)
}
