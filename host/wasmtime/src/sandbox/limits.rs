//! What one attempt, or one program, may use.

use std::time::Duration;

/// The most that a guest may use. How long it may take is not here: a handler's time is what its job
/// allows.
///
/// ```
/// use mongoqueue_wasmtime::Limits;
///
/// let limits = Limits { memory: 256 << 20, ..Limits::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all linear memories together. Spent: the guest sees that memory doesn't grow; when
    /// it gives up over that, its death is called `memory`. Default: 64 MiB.
    pub memory: usize,
    /// Time that it computes, counted in ticks of 10 ms; what it waits is not. Spent: `cpu`. Default:
    /// 60 s.
    pub cpu: Duration,
    /// Elements of all tables together. Default: 100,000.
    pub table_elements: usize,
    /// Core instances in the component. Default: 64 (a Python interpreter has 39).
    pub instances: usize,
    /// Resources that the guest holds at the same time, on its side and on the host's, and those that
    /// it waits for in one call. Spent:
    /// `limit:handles`. Default: 1,000.
    pub handles: usize,
    /// Bytes that cross from guest to host in one call, the handler's answer included. Spent:
    /// `limit:hostcall`. Default: 8 MiB.
    pub hostcall_bytes: usize,
    /// Bytes of a payload that the guest puts, before they are parsed. Default: 1 MiB.
    pub payload_bytes: usize,
    /// Bytes that the handler returns. Spent: `limit:output`. Default: 1 MiB.
    pub output_bytes: usize,
    /// Bytes of state that an attempt saves for a later one. Default: 256 KiB.
    pub saved_bytes: usize,
    /// Lines of log; further ones are dropped. Default: 1,000.
    pub log_lines: u32,
    /// Bytes of log; further lines are dropped. Default: 64 KiB.
    pub log_bytes: usize,
    /// Bytes from the end of stderr that go into the record of a failed attempt. Default: 8 KiB.
    pub stderr_tail: usize,
    /// Bytes from the end of the log that go into the record of a failed attempt. Default: 4 KiB.
    pub log_tail: usize,
    /// Random bytes that it takes in all. Spent: `limit:random`. Default: 16 MiB.
    pub random_bytes: usize,
    /// Jobs that may be put. Default: 1,000.
    pub puts: u32,
    /// Bytes of all payloads that may be put, together. Default: 16 MiB.
    pub put_bytes: usize,
    /// Jobs put in a second, after that many at once; further ones wait in the call, or are refused
    /// where the attempt's time would be over by then. Default: 500.
    pub puts_per_second: u32,
    /// Jobs that may wait on a queue, ready or for their time, for a guest to put more there; what
    /// it puts beyond that is refused. Looked up at most once a second. Default: 100,000.
    pub waiting: u64,
    /// Reports and heartbeats that reach the database in a second, after that many at once. A report
    /// that comes too soon is held back and written in a moment, at the latest when the attempt
    /// ends, unless a later one takes its place; a heartbeat that comes too soon is answered from
    /// what is known. Default: 10.
    pub notes_per_second: u32,
    /// States saved in a second, after that many at once; further ones wait in the call. Default: 10.
    pub saves_per_second: u32,
    /// Other calls in a second that ask the database something, after that many at once: looking at
    /// jobs and queues, cancelling, claiming, and what a program reports about a claimed job.
    /// Further ones wait in the call. Default: 1,000.
    pub asks_per_second: u32,
    /// Requests over HTTP, those that are denied included. Default: 100.
    pub http_requests: u32,
    /// Requests whose responses aren't read to their ends. Default: 8.
    pub http_open: usize,
    /// Bytes of bodies that are sent and received, all together. Default: 16 MiB.
    pub http_bytes: usize,
    /// Bytes of the headers of one request, with what keeping them takes. Default: 32 KiB.
    pub http_header_bytes: usize,
    /// Claimed jobs that a program holds at the same time. Default: 64.
    pub leases: usize,
    /// The longest that one call waits for a job to come; a longer wait is shortened.
    /// Default: 60 s.
    pub wait: Duration,
    /// Bytes of a component's file; checked when it is loaded. Default: 64 MiB.
    pub component_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            cpu: Duration::from_secs(60),
            table_elements: 100_000,
            instances: 64,
            handles: 1_000,
            hostcall_bytes: 8 << 20,
            payload_bytes: 1 << 20,
            output_bytes: 1 << 20,
            saved_bytes: 256 << 10,
            log_lines: 1_000,
            log_bytes: 64 << 10,
            stderr_tail: 8 << 10,
            log_tail: 4 << 10,
            random_bytes: 16 << 20,
            puts: 1_000,
            put_bytes: 16 << 20,
            puts_per_second: 500,
            waiting: 100_000,
            notes_per_second: 10,
            saves_per_second: 10,
            asks_per_second: 1_000,
            http_requests: 100,
            http_open: 8,
            http_bytes: 16 << 20,
            http_header_bytes: 32 << 10,
            leases: 64,
            wait: Duration::from_secs(60),
            component_bytes: 64 << 20,
        }
    }
}
