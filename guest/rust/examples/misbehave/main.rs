//! One guest does all the harm: its payload names the misbehaviour, `{"do": "panic"}`, and has
//! the sizes, where there are any: `{"do": "big-output", "bytes": 100}`. [`Do`] is the list.
//!
//! What a misbehaviour is refused by the host is not hidden: the failure is the host's own answer.

use std::time::Duration;

use mongoqueue_guest::{Error, Job, Payload, Result, handler, reject, release, retry_after};
use serde::Deserialize;
use serde_json::{Value, json};

mod deaths;
mod floods;
mod patience;
mod payloads;
mod queues;
mod sights;

/// Bytes for the host, unless a job says how many: above its default limit of 1 MiB for a payload,
/// and not so much that the guest would run out of memory instead.
const BIG: usize = 4 << 20;
/// Bytes of memory, unless a job says how many: more than a host is likely to allow, and less than
/// the 2 GiB above which Rust does not even ask.
const HUGE: usize = 1 << 30;

/// What a job can ask for. Sizes are in bytes, times in milliseconds.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Do {
    // Ends that are no misbehaviour.
    /// Completes without an output.
    Ok {},
    /// Completes with `value` as the output.
    Echo { value: Value },
    /// Completes with what the handler was told: id, queue, headers, attempt and so on.
    Describe {},
    /// Completes at the attempt of this number, fails before it.
    Flaky { succeed_at: u32 },

    // Failures that the guest reports.
    /// Fails, to be retried; the message is a chain of three errors.
    Fail {},
    /// The same with this code.
    FailCode { code: String },
    /// Fails for good.
    Reject {},
    /// Fails, to be retried after this long.
    RetryAfter { ms: u64 },
    /// Puts the job back for this long.
    Release { ms: u64 },
    /// Fails with a message of so many bytes.
    LongMessage { bytes: Option<usize> },
    /// Fails with a message and a code that are no UTF-8.
    BadUtf8 {},

    // Deaths.
    /// Panics with `message`.
    Panic { message: Option<String> },
    /// Indexes a list past its end.
    OutOfBounds {},
    /// Divides by zero.
    DivZero {},
    /// `std::process::abort`.
    Abort {},
    /// `std::process::exit(code)`.
    Exit { code: i32 },
    /// The bare `unreachable` instruction.
    Unreachable {},
    /// Recurses until the stack ends.
    Stack {},
    /// The same with frames that a wasm guest keeps in its memory, so that it is their stack,
    /// which lies at the beginning of the memory, that ends.
    StackInMemory {},
    /// Reads outside its memory.
    WildRead {},
    /// Calls through a pointer to a function of another type.
    WildCall {},
    /// Allocates pieces of 64 KiB until there are no more, then dies of it.
    Memory {},
    /// Allocates this much at once (1 GiB unless said) and dies if that is refused.
    MemoryBig { bytes: Option<usize> },
    /// Asks for this much and says whether it was granted.
    MemoryAsk { bytes: Option<usize> },

    // Time.
    /// Computes for ever.
    Loop {},
    /// Computes for so long by its own clock.
    Busy { ms: u64 },
    /// Sleeps for so long.
    Sleep { ms: u64 },
    /// Works for so long, asking often whether it is to stop; puts the job back then.
    SlowCooperative { ms: u64 },
    /// Works until it is asked to stop, and completes then.
    UntilAsked {},
    /// Says how much time is left, and whether it is to stop.
    Remaining {},
    /// Sends heartbeats for so long, without a pause.
    HeartbeatStorm { ms: u64 },

    // Too much of something.
    /// Writes `lines` log lines of `bytes` each.
    LogFlood { lines: Option<usize>, bytes: Option<usize> },
    /// Prints so many bytes to stdout.
    StdoutFlood { bytes: Option<usize> },
    /// Prints so many bytes to stderr.
    StderrFlood { bytes: Option<usize> },
    /// Reports progress `count` times.
    ProgressStorm { count: Option<u64> },
    /// The same, and sleeps then.
    ProgressThenSleep { count: u64, ms: u64 },
    /// Reports progress with a note of so many bytes.
    ProgressBig { bytes: Option<usize> },
    /// Saves a state of so many bytes.
    SaveBig { bytes: Option<usize> },
    /// Saves `count` states, one after the other, each with its number.
    SaveStorm { count: u64 },
    /// Outputs a string of so many bytes.
    BigOutput { bytes: Option<usize> },
    /// Makes put options and keeps them all, `count` or for ever.
    HandleFlood { count: Option<u64> },

    // Outputs that are not what they seem.
    /// Calls JSON what is none.
    BadJson {},
    /// A list in a list in a list, so many levels deep.
    DeepOutput { depth: Option<usize> },
    /// A document with a zero byte in a field's name, which no database takes.
    NulKey {},
    /// Bytes of a media type of its own.
    Raw { content_type: String, text: String },

    // Queues.
    /// Opens this queue and nothing else.
    Open { queue: String },
    /// Puts `payload` on it and outputs the new job's id.
    Put { queue: String, payload: Value },
    /// Puts a job with a payload of so many bytes.
    BigPut { queue: String, bytes: Option<usize> },
    /// Puts `count` jobs, one by one; outputs how many went in.
    PutStorm { queue: String, count: Option<u64> },
    /// Puts `count` jobs by one call; outputs how many went in.
    PutMany { queue: String, count: u64 },
    /// Puts two jobs that do the same.
    Twins { queue: String },
    /// Puts a job that calls JSON what is none.
    PutBadJson { queue: String },
    /// Looks at a job of this queue by its id; outputs where it stands.
    Get { queue: String, id: String },
    /// Cancels one; outputs where it stands then.
    Cancel { queue: String, id: String },

    // Sights.
    /// Outputs its arguments, environment, standard input, clocks and some random bytes.
    Look {},
}

fn misbehave(job: Job<Do>) -> Result<Payload> {
    match &job.payload {
        Do::Ok {} => Ok(Payload::null()),
        Do::Echo { value } => payloads::json(value),
        Do::Describe {} => payloads::json(&sights::describe(&job)),
        Do::Flaky { succeed_at } if job.attempt >= *succeed_at => Ok(Payload::null()),
        Do::Flaky { .. } => Err(Error::new(format!("attempt {} is too early", job.attempt))),

        Do::Fail {} => Err(payloads::chain().into()),
        Do::FailCode { code } => Err(Error::from(payloads::chain()).code(code)),
        Do::Reject {} => Err(reject("rejected, as asked")),
        Do::RetryAfter { ms } => Err(retry_after(Duration::from_millis(*ms), "not now, as asked")),
        Do::Release { ms } => Err(release(Duration::from_millis(*ms))),
        Do::LongMessage { bytes } => Err(Error::new(payloads::text(*bytes))),
        Do::BadUtf8 {} => Err(deaths::bad_utf8()),

        Do::Panic { message } => panic!("{}", message.as_deref().unwrap_or("panicking, as asked")),
        Do::OutOfBounds {} => deaths::out_of_bounds(job.attempt),
        Do::DivZero {} => deaths::div_zero(job.attempt),
        Do::Abort {} => std::process::abort(),
        Do::Exit { code } => std::process::exit(*code),
        Do::Unreachable {} => deaths::unreachable(),
        Do::Stack {} => deaths::stack(),
        Do::StackInMemory {} => deaths::stack_in_memory(),
        Do::WildRead {} => deaths::wild_read(),
        Do::WildCall {} => deaths::wild_call(),
        Do::Memory {} => deaths::memory(),
        Do::MemoryBig { bytes } => deaths::memory_big(bytes.unwrap_or(HUGE)),
        Do::MemoryAsk { bytes } => deaths::memory_ask(bytes.unwrap_or(HUGE)),

        Do::Loop {} => patience::forever(),
        Do::Busy { ms } => patience::busy(*ms),
        Do::Sleep { ms } => patience::sleep(*ms),
        Do::SlowCooperative { ms } => patience::slow_cooperative(*ms),
        Do::UntilAsked {} => patience::until_asked(),
        Do::Remaining {} => patience::remaining(),
        Do::HeartbeatStorm { ms } => patience::heartbeats(*ms),

        Do::LogFlood { lines, bytes } => floods::log(*lines, *bytes),
        Do::StdoutFlood { bytes } => floods::print(std::io::stdout(), *bytes),
        Do::StderrFlood { bytes } => floods::print(std::io::stderr(), *bytes),
        Do::ProgressStorm { count } => floods::progress(*count),
        Do::ProgressThenSleep { count, ms } => {
            floods::progress(Some(*count)).and_then(|_| patience::sleep(*ms))
        }
        Do::ProgressBig { bytes } => floods::progress_big(*bytes),
        Do::SaveBig { bytes } => floods::save(*bytes),
        Do::SaveStorm { count } => floods::saves(*count),
        Do::BigOutput { bytes } => payloads::json(&json!(payloads::text(*bytes))),
        Do::HandleFlood { count } => floods::handles(*count),

        Do::BadJson {} => Ok(payloads::bad_json()),
        Do::DeepOutput { depth } => Ok(payloads::deep(*depth)),
        Do::NulKey {} => payloads::json(&json!({ "a\0b": 1 })),
        Do::Raw { content_type, text } => Ok(Payload::new(content_type, text.as_str())),

        Do::Open { queue } => queues::open(queue),
        Do::Put { queue, payload } => queues::put(queue, payload),
        Do::BigPut { queue, bytes } => queues::put(queue, json!(payloads::text(*bytes))),
        Do::PutStorm { queue, count } => queues::storm(queue, *count),
        Do::PutMany { queue, count } => queues::many(queue, *count),
        Do::Twins { queue } => queues::twins(queue),
        Do::PutBadJson { queue } => queues::put(queue, payloads::bad_json()),
        Do::Get { queue, id } => queues::get(queue, id),
        Do::Cancel { queue, id } => queues::cancel(queue, id),

        Do::Look {} => payloads::json(&sights::look()),
    }
}

handler!(misbehave);
