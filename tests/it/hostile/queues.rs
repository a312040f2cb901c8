//! Attacks on jobs, queues and leases, and on those who read what a guest says.

use mongoqueue_wasmtime::Limits;

use super::attack::End::{Completes, Dies, Told, ToldEach};
use super::attack::{Attack, Guest, rust};

const NOT_THERE: super::attack::End = ToldEach("no-such-job");
const DENIED: super::attack::End = ToldEach("access-denied");
const INVALID: super::attack::End = Told("invalid-argument");
const LIMIT: super::attack::End = Told("limit-exceeded");
const HANDLES: super::attack::End = Dies("limit:handles");
const ABI: super::attack::End = Dies("trap:abi");

pub(super) fn handles() -> Vec<Attack> {
    vec![
        rust("options-without-number", "makes options of a put and keeps them", HANDLES),
        rust("queues-without-number", "opens a queue again and again", HANDLES),
        rust("handle-dropped-twice", "drops an opened queue twice", ABI),
        rust("handle-used-after-drop", "uses a queue that it has dropped", ABI),
        rust("handle-of-another-kind", "uses a queue as a lease", ABI),
        rust("handles-guessed", "tries every number for an opened queue", ABI),
        rust("lease-forged", "completes a job by a lease that it was never given", ABI),
        rust("lease-settled-twice", "releases a job, and completes it then", ABI),
        rust("lease-used-after-end", "reads a job that it has released", ABI),
        rust("lease-kept", "claims a job and ends without settling it", Completes),
        Attack {
            name: "leases-without-number",
            does: "claims jobs and keeps them, in a limit of three",
            guest: Guest::RustIn(|| Limits { leases: 3, ..Limits::default() }),
            end: LIMIT,
        },
        rust(
            "lease-for-ever",
            "claims for no time, for 500 million years, for 25 hours",
            ToldEach("invalid-argument"),
        ),
    ]
}

pub(super) fn names() -> Vec<Attack> {
    vec![
        rust(
            "ids-like-operators",
            "looks at and cancels jobs by ids like `{\"$gt\": \"\"}`",
            NOT_THERE,
        ),
        rust("ids-of-others", "looks at jobs of queues that it may not use", NOT_THERE),
        rust("cancel-of-others", "cancels jobs of queues that it may not use", NOT_THERE),
        rust("id-of-its-own", "looks at its own job through queues that it may use", NOT_THERE),
        rust("queue-names", "opens queues named by NUL, dots, operators, 10 KB, escapes", DENIED),
        rust("queue-names-known", "opens queues that are there and not granted", DENIED),
        rust("look-at-neighbour", "looks for its host's names in a job that it may see", Completes),
    ]
}

fn few(name: &'static str, does: &'static str) -> Attack {
    let guest = Guest::RustIn(|| Limits { puts: 50, ..Limits::default() });
    Attack { name, does, guest, end: LIMIT }
}

pub(super) fn puts() -> Vec<Attack> {
    vec![
        rust("keys-like-operators", "puts a document of `$where`, `$set`, `a.b`, `_id`", Completes),
        rust("keys-twice", "puts a document that has a key twice", Completes),
        rust(
            "numbers-odd",
            "puts NaN, infinity, a huge decimal, the smallest of numbers",
            Completes,
        ),
        rust(
            "extended-json-broken",
            "puts Extended JSON that stands for nothing",
            ToldEach("invalid-argument"),
        ),
        rust("nested-200-deep", "puts lists nested 200 deep", INVALID),
        rust("nested-100-deep", "puts lists nested 100 deep", INVALID),
        rust("key-with-nul", "puts a document with NUL in a key", INVALID),
        rust("unique-keys-like-operators", "puts jobs whose unique keys are operators", Completes),
        rust(
            "options-beyond-measure",
            "puts for the year 500 million, and other options",
            ToldEach("invalid-argument"),
        ),
        rust("headers-without-number", "adds headers to a put without end", LIMIT),
        few("put-storm", "puts jobs without end, in a limit of 50"),
        rust("put-heavy-storm", "puts jobs of a megabyte without end", LIMIT),
        rust("put-many-at-once", "puts 20,000 jobs by one call", LIMIT),
        few("self-multiplying", "puts copies of itself without end, in a limit of 50"),
        rust("state-too-large", "saves a state of 4 MiB", LIMIT),
    ]
}

pub(super) fn words() -> Vec<Attack> {
    vec![
        rust(
            "escapes-in-message",
            "fails with commands for a terminal in message and code",
            Told(ESCAPES),
        ),
        rust("escapes-in-panic", "panics with commands for a terminal", Dies("trap:unreachable")),
        rust("escapes-in-log", "logs and prints commands for a terminal", Completes),
        rust("escapes-in-note", "reports progress with commands for a terminal", Completes),
        rust("escapes-in-media-type", "outputs bytes of a media type for a terminal", Completes),
        rust("lines-faked", "logs lines as if others had", Completes),
        rust("lines-without-number", "logs four million empty lines", Completes),
        rust("message-without-end", "fails with a message and a code of 1 MiB each", Told(LONG)),
        rust("surroundings", "looks for arguments, environment and input", Completes),
        rust("clocks", "reads clocks and chance", Completes),
        rust("exit-0", "leaves by `exit(0)`", Dies("exit")),
        rust("exit-255", "leaves by `exit(255)`", Dies("exit")),
    ]
}

/// A code that is the guest's own, whatever it is.
pub(super) const ESCAPES: &str = "its own code, escaped where shown";
pub(super) const LONG: &str = "its own code, cut";
