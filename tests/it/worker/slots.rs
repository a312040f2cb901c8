//! How many run at once, and from which queue.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use bson::doc;
use mongoqueue::{Attempt, Error, Payload, PutOptions, Summary, Worker, WorkerOptions, from_fn};
use mongoqueue_tests::{Running, Stage, eventually, every, soon};

use super::{Gate, HOUR, assert_empty, drain, put, until_empty, worker};

#[tokio::test]
async fn an_empty_queue_is_done_at_once() -> Result<()> {
    let stage = Stage::new().await?;
    let summary = drain(&stage, until_empty(4), from_fn(async |_| anyhow::Ok(()))).await?;
    assert_eq!(summary, Summary::default());
    stage.end().await
}

#[tokio::test]
async fn all_is_drained_with_any_number_of_slots() -> Result<()> {
    let stage = Stage::new().await?;
    for (slots, jobs) in [(1, 30), (2, 100), (7, 300), (500, 600), (100_000, 50)] {
        put(&stage, jobs, PutOptions::default()).await?;
        let handler = from_fn(async |_| anyhow::Ok(()));
        let options = WorkerOptions { poll: HOUR, watch: false, ..until_empty(slots) };
        let summary = drain(&stage, options, handler).await?;
        assert_eq!(summary.completed, jobs as u64, "{slots} slots");
        assert_empty(&stage).await?;
    }
    stage.end().await
}

#[tokio::test]
async fn no_more_run_at_once_than_there_are_slots() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 40, PutOptions::default()).await?;
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let (inside, most) = (inside.clone(), most.clone());
        from_fn(move |_| {
            let (inside, most) = (inside.clone(), most.clone());
            async move {
                let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(now, Ordering::SeqCst);
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                inside.fetch_sub(1, Ordering::SeqCst);
                anyhow::Ok(())
            }
        })
    };
    let summary = drain(&stage, until_empty(3), handler).await?;
    assert_eq!(summary.completed, 40);
    assert_eq!(most.load(Ordering::SeqCst), 3);
    stage.end().await
}

#[tokio::test]
async fn a_slot_that_comes_free_is_used_while_others_are_busy() -> Result<()> {
    let stage = Stage::new().await?;
    let gate = Gate::new();
    let gated = gate.clone();
    let handler = from_fn(move |_| {
        let gate = gated.clone();
        async move {
            gate.pass().await;
            anyhow::Ok(())
        }
    });
    put(&stage, 12, PutOptions::default()).await?;
    let options = WorkerOptions { poll: HOUR, watch: false, slots: 2, ..WorkerOptions::default() };
    let running = Running::start(worker(&stage, options, handler)?);
    gate.begun(2).await?;
    for _ in 0..10 {
        gate.open(1);
        gate.begun(1).await?;
    }
    assert_eq!(stage.queue()?.stats().await?.ready, 0);
    gate.open(2);
    let summary = running.stop().await?;
    assert_eq!((summary.completed, summary.handed_back), (12, 0));
    assert_empty(&stage).await?;
    stage.end().await
}

#[tokio::test]
async fn a_slow_job_holds_back_no_other_of_its_batch() -> Result<()> {
    let stage = Stage::new().await?;
    let gate = Gate::new();
    let gated = gate.clone();
    let slow = Payload::Bson(0.into());
    let handler = from_fn(move |attempt: Attempt| {
        let gate = (attempt.job().payload == slow).then(|| gated.clone());
        async move {
            if let Some(gate) = gate {
                gate.pass().await;
            }
            anyhow::Ok(())
        }
    });
    // The slow one is first, and in the batch of all the others.
    put(&stage, 100, PutOptions::default()).await?;
    let running = Running::start(worker(&stage, until_empty(2), handler)?);
    gate.begun(1).await?;
    eventually("all others are settled", async || {
        Ok((stage.jobs().count_documents(every()).await? == 1).then_some(()))
    })
    .await?;
    gate.open(1);
    assert_eq!(running.ended().await?.completed, 100);
    assert_empty(&stage).await?;
    stage.end().await
}

#[tokio::test]
async fn two_queues_are_both_served_though_one_has_more_than_enough() -> Result<()> {
    let stage = Stage::new().await?;
    let gate = Gate::new();
    let (busy, calm) = (stage.queue()?, stage.mq.queue("calm")?);
    put(&stage, 300, PutOptions::default()).await?;
    calm.put(doc! {}).await?;
    let gated = gate.clone();
    let handler = from_fn(async |_: Attempt| Ok::<(), Error>(()));
    let rare = from_fn(move |_| {
        let gate = gated.clone();
        async move {
            gate.pass().await;
            anyhow::Ok(())
        }
    });
    let worker = Worker::new(&stage.mq, until_empty(2)).serve(busy, handler).serve(calm, rare);
    let running = Running::start(worker);
    gate.begun(1).await?;
    gate.open(1);
    assert_eq!(running.ended().await?.completed, 301);
    assert_empty(&stage).await?;
    stage.end().await
}

#[tokio::test]
async fn what_a_handler_puts_on_another_queue_is_done_before_the_end() -> Result<()> {
    let stage = Stage::new().await?;
    let (first, then) = (stage.queue()?, stage.mq.queue("then")?);
    for round in 0..10 {
        first.put(doc! { "round": round }).await?;
        let next = then.clone();
        let puts = from_fn(move |_| {
            let next = next.clone();
            async move { next.put(doc! {}).await.map(|_| ()) }
        });
        let done = from_fn(async |_| anyhow::Ok(()));
        let options = WorkerOptions { poll: HOUR, watch: false, ..until_empty(2) };
        // Served first, `then` is found empty before there is anything on it.
        let worker = Worker::new(&stage.mq, options).serve(then.clone(), done);
        let running = worker.serve(first.clone(), puts).run(std::future::pending());
        let summary = soon("the worker is done", running).await??;
        assert_eq!(summary.completed, 2, "round {round}");
    }
    stage.end().await
}

#[tokio::test]
async fn what_is_scheduled_for_later_is_left() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 3, PutOptions::default()).await?;
    put(&stage, 2, PutOptions { delay: HOUR, ..PutOptions::default() }).await?;
    let summary = drain(&stage, until_empty(4), from_fn(async |_| anyhow::Ok(()))).await?;
    assert_eq!(summary.completed, 3);
    assert_eq!(stage.queue()?.stats().await?.scheduled, 2);
    stage.end().await
}

#[tokio::test]
async fn workers_that_can_never_be() -> Result<()> {
    let stage = Stage::new().await?;
    let run = async |worker: Worker| {
        let ran = worker.run(std::future::pending()).await;
        ran.map_err(|error| error.to_string())
    };
    let handler = || from_fn(async |_| anyhow::Ok(()));
    let none = run(Worker::new(&stage.mq, WorkerOptions::default())).await;
    assert_eq!(none, Err("invalid worker: it serves no queue".to_owned()));
    let no_slot = WorkerOptions { slots: 0, ..WorkerOptions::default() };
    let no_slot = run(worker(&stage, no_slot, handler())?).await;
    assert_eq!(no_slot, Err("invalid slots: a worker needs at least 1".to_owned()));
    let short = std::time::Duration::from_millis(99);
    let short = WorkerOptions { lease: short, ..WorkerOptions::default() };
    let short = run(worker(&stage, short, handler())?).await;
    assert_eq!(short, Err("invalid lease: a worker needs at least 100 ms to renew it".to_owned()));
    let twice = worker(&stage, WorkerOptions::default(), handler())?;
    let twice = run(twice.serve(stage.queue()?, handler())).await;
    assert!(twice.is_err_and(|words| words.contains("twice")));
    stage.end().await
}

#[tokio::test]
async fn a_slot_that_one_queue_gives_back_is_had_by_another() -> Result<()> {
    let stage = Stage::new().await?;
    let (gate, other) = (Gate::new(), stage.mq.queue("p")?);
    let waits = {
        let gate = gate.clone();
        from_fn(move |_| {
            let gate = gate.clone();
            async move {
                gate.pass().await;
                anyhow::Ok(())
            }
        })
    };
    let poll = std::time::Duration::from_millis(10);
    let options = WorkerOptions { slots: 1, poll, watch: false, ..WorkerOptions::default() };
    let worker = worker(&stage, options, waits)?;
    let worker = worker.serve(other.clone(), from_fn(async |_| anyhow::Ok(())));
    let mut running = Running::start(worker);
    put(&stage, 1, PutOptions::default()).await?;
    gate.begun(1).await?;
    // Longer than a poll: the other queue's feed finds that there is no slot.
    for n in 0..30 {
        other.put(doc! { "n": n }).await?;
    }
    gate.open(1);
    for _ in 0..31 {
        running.events.finished().await?;
    }
    assert_eq!(running.stop().await?, Summary { completed: 31, ..Summary::default() });
    stage.end().await
}

#[tokio::test]
async fn a_backlog_in_one_queue_keeps_no_other_waiting() -> Result<()> {
    const BACKLOG: i32 = 4_000;
    let stage = Stage::new().await?;
    put(&stage, BACKLOG, PutOptions::default()).await?;
    let other = stage.mq.queue("other")?;
    let (gate, done) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
    let (gated, counted) = (gate.clone(), done.clone());
    let backlog = from_fn(move |_| {
        let (gate, done) = (gated.clone(), counted.clone());
        async move {
            gate.pass().await;
            done.fetch_add(1, Ordering::SeqCst);
            anyhow::Ok(())
        }
    });
    let before = Arc::new(AtomicUsize::new(usize::MAX));
    let noted = before.clone();
    let single = from_fn(move |_| {
        noted.store(done.load(Ordering::SeqCst), Ordering::SeqCst);
        async { anyhow::Ok(()) }
    });
    let worker = Worker::new(&stage.mq, until_empty(1));
    let worker = worker.serve(stage.queue()?, backlog).serve(other.clone(), single);
    let running = Running::start(worker);
    // At full rate, with many claimed ahead and the one slot taken.
    gate.open(500);
    gate.begun(501).await?;
    other.put(doc! { "n": 1 }).await?;
    gate.open(BACKLOG as usize);
    let summary = running.ended().await?;
    assert_eq!(summary.completed, BACKLOG as u64 + 1);
    let before = before.load(Ordering::SeqCst);
    assert!(before < BACKLOG as usize, "the other queue waited for all of them");
    stage.end().await
}

#[tokio::test]
async fn others_have_their_turn_after_a_job_that_computed() -> Result<()> {
    let stage = Stage::new().await?;
    put(&stage, 100, PutOptions::default()).await?;
    // As heartbeats and settlements would, in the only thread that there is.
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = turns.clone();
    let other = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let handler = from_fn(move |_| {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(1) {
            std::hint::spin_loop();
        }
        noted.lock().unwrap_or_else(PoisonError::into_inner).push(turns.load(Ordering::SeqCst));
        async { anyhow::Ok(()) }
    });
    let summary = drain(&stage, until_empty(1), handler).await?;
    other.abort();
    let seen = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
    assert_eq!((summary.completed, seen.len()), (100, 100));
    // It may be the other's turn before or after the next job.
    let later = |jobs: &[usize]| matches!(jobs, [first, .., third] if first < third);
    assert!(seen.windows(3).all(later), "{seen:?}");
    stage.end().await
}
