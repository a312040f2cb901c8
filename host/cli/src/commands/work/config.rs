//! All that `work` was told: by its file, and on the command line, which comes first.

use mongoqueue::WorkerOptions;
use mongoqueue_wasmtime::Limits;

use crate::args::WorkArgs;
use crate::policy::{Finding, Findings, Policy, Served};
use crate::trouble::{Exit, Result, Trouble};

/// The file, if there is one, and what the command line says in its place.
pub(super) fn of(args: &WorkArgs) -> Result<Policy> {
    let mut policy = match &args.config {
        Some(path) => Policy::read(path).map_err(|findings| wrong(&findings))?.0,
        None => Policy::default(),
    };
    for serving in &args.queues {
        let served = Served {
            component: serving.component.clone(),
            queues: args.grants.queue.iter().cloned().collect(),
            consume: args.grants.consume.iter().cloned().collect(),
            by_options: true,
            ..Served::default()
        };
        if policy.queues.insert(serving.queue.clone(), served).is_some() {
            let message = format!("queue {:?} is to be served twice", serving.queue);
            return Err(Trouble::misuse(message));
        }
    }
    if policy.queues.is_empty() {
        return Err(Trouble::misuse("no queue to serve: add one as [queue.NAME]"));
    }
    policy.concurrency = args.concurrency.or(policy.concurrency);
    policy.lease = args.lease.or(policy.lease);
    policy.grace = args.grace.or(policy.grace);
    policy.until_empty |= args.until_empty;
    Ok(policy)
}

/// What is wrong with the file stops the worker.
pub(crate) fn wrong(findings: &Findings) -> Trouble {
    Trouble::misuse(findings.lines()).with("findings", findings.json())
}

/// One thing that is wrong with it.
pub(super) fn wrong_there(args: &WorkArgs, finding: Finding) -> Trouble {
    let path = args.config.clone().unwrap_or_default();
    wrong(&Findings::new(&path, vec![finding]))
}

pub(super) fn worker_options(policy: &Policy) -> WorkerOptions {
    let default = WorkerOptions::default();
    WorkerOptions {
        slots: policy.concurrency.unwrap_or(default.slots),
        lease: policy.lease.unwrap_or(default.lease),
        grace: policy.grace.unwrap_or(default.grace),
        until_empty: policy.until_empty,
        ..default
    }
}

/// What any of the components may use: the sandbox is made for that.
pub(crate) fn most(policy: &Policy) -> Limits {
    let default = Limits::default();
    let memory = policy.queues.values().filter_map(|served| served.memory).max();
    Limits { memory: memory.unwrap_or(0).max(default.memory), ..default }
}

/// What this component may use. `payload_limit`: the most that the connection lets through.
pub(crate) fn limits(served: &Served, payload_limit: usize) -> Result<Limits> {
    let default = Limits::default();
    let output = served.output.unwrap_or(default.output_bytes);
    let saved = served.saved.unwrap_or(default.saved_bytes);
    if served.output.is_some_and(|output| output > payload_limit) || saved > payload_limit {
        let most = output.max(saved);
        return Err(Trouble::new(
            Exit::Misuse,
            "misuse",
            format!("output or saved state of {most} bytes needs a --payload-limit as large"),
        ));
    }
    Ok(Limits {
        memory: served.memory.unwrap_or(default.memory),
        cpu: served.cpu.unwrap_or(default.cpu),
        output_bytes: output,
        saved_bytes: saved,
        // What is returned crosses in one call, with something around it.
        hostcall_bytes: default.hostcall_bytes.max(2 * output.max(saved)),
        log_bytes: served.log.unwrap_or(default.log_bytes),
        puts: served.puts.unwrap_or(default.puts),
        http_requests: served.http_requests.unwrap_or(default.http_requests),
        http_bytes: served.http_bytes.unwrap_or(default.http_bytes),
        ..default
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_output_is_not_larger_than_what_can_be_stored() {
        let served = Served { output: Some(2 << 20), ..Served::default() };
        assert!(limits(&served, 1 << 20).is_err());
        let limits = limits(&served, 4 << 20).map(|l| (l.output_bytes, l.hostcall_bytes));
        assert_eq!(limits.ok(), Some((2 << 20, 8 << 20)));
    }

    #[test]
    fn what_the_file_says_is_what_the_worker_does() {
        let policy = Policy {
            concurrency: Some(3),
            lease: Some(Duration::from_secs(60)),
            until_empty: true,
            ..Policy::default()
        };
        let options = worker_options(&policy);
        assert_eq!((options.slots, options.until_empty), (3, true));
        assert_eq!(options.lease, Duration::from_secs(60));
        assert_eq!(options.grace, WorkerOptions::default().grace);
    }
}
