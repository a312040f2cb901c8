//! Options of the queue's verbs.

use std::time::Duration;

use crate::job::State;

/// How to claim with [`Queue::next`](crate::Queue::next).
#[derive(Clone, Debug, Default)]
pub struct NextOptions {
    /// How long to wait for a job when none is due. Default: zero, answer at once.
    pub wait: Duration,
    /// How long the claim is good for unless it is extended. Default: `None`, the job's own
    /// time-out.
    pub lease: Option<Duration>,
    /// Who claims. Default: `None`, the consumer of the connection.
    pub consumer: Option<String>,
}

/// Which jobs to list.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListOptions {
    /// Only those in this state. Default: `None`, those that run, wait, and are over, in this
    /// order.
    pub state: Option<State>,
    /// How many at the most. Default: 0, which stands for 100.
    pub limit: usize,
}
