//! Attacks on the host, each by its name: `{"attack": "drop-twice"}`. What a call is refused is
//! the handler's failure; where several are tried, the answers are its output. The list, and how
//! each has to end, is in `docs/security.md`.

use mongoqueue_guest::{Error, HostError, Job, Payload, Result, handler};
use serde::Deserialize;
use serde_json::{Value, json};

mod handles;
mod names;
mod puts;
mod sights;
mod words;

#[derive(Deserialize)]
struct Order {
    attack: String,
    /// The ids of jobs that are none of its business, for attacks that would have guessed them.
    #[serde(default)]
    ids: Vec<String>,
}

fn hostile(job: Job<Order>) -> Result<Payload> {
    let ids = &job.payload.ids;
    match job.payload.attack.as_str() {
        "none" => output(&json!("as asked")),

        "options-without-number" => handles::options(),
        "queues-without-number" => handles::queues(),
        "handle-dropped-twice" => handles::dropped_twice(),
        "handle-used-after-drop" => handles::used_after_drop(),
        "handle-of-another-kind" => handles::another_kind(),
        "handles-guessed" => handles::guessed(),
        "lease-forged" => handles::forged_lease(),
        "lease-settled-twice" => handles::settled_twice(),
        "lease-used-after-end" => handles::used_after_end(),
        "lease-kept" => handles::kept_lease(),
        "leases-without-number" => handles::leases(),
        "lease-for-ever" => handles::endless_lease(),

        "ids-like-operators" => names::operators(),
        "ids-of-others" => names::others(ids),
        "cancel-of-others" => names::cancels(ids),
        "id-of-its-own" => names::others(std::slice::from_ref(&job.id)),
        "queue-names" => names::queues(),
        "queue-names-known" => names::known_queues(),
        "look-at-neighbour" => names::neighbour(ids),

        "keys-like-operators" => puts::operators(),
        "keys-twice" => puts::json(r#"{"a": 1, "b": 2, "a": 3}"#),
        "numbers-odd" => puts::odd_numbers(),
        "extended-json-broken" => puts::broken(),
        "nested-200-deep" => puts::json(&format!("{}1{}", "[".repeat(200), "]".repeat(200))),
        "nested-100-deep" => puts::json(&format!("{}1{}", "[".repeat(100), "]".repeat(100))),
        "key-with-nul" => puts::json(r#"{"a\u0000b": 1}"#),
        "unique-keys-like-operators" => puts::unique_keys(),
        "options-beyond-measure" => puts::options(),
        "headers-without-number" => puts::headers(),
        "put-storm" => puts::storm(),
        "put-heavy-storm" => puts::heavy_storm(),
        "put-many-at-once" => puts::many(),
        "self-multiplying" => puts::copies(&job.payload.attack),
        "state-too-large" => puts::state(),

        "escapes-in-message" => Err(words::message()),
        "escapes-in-panic" => words::panics(),
        "escapes-in-log" => words::log(),
        "escapes-in-note" => words::note(),
        "escapes-in-media-type" => Ok(Payload::new(words::ESCAPES, "x")),
        "lines-faked" => words::faked(),
        "lines-without-number" => words::flood(),
        "message-without-end" => Err(Error::new("x".repeat(1 << 20)).code("c".repeat(1 << 20))),

        "files" => output(&json!(sights::files())),
        "surroundings" => output(&sights::surroundings()),
        "clocks" => output(&sights::clocks()),
        "exit-0" => std::process::exit(0),
        "exit-255" => std::process::exit(255),
        other => Err(Error::new(format!("no attack {other}")).reject()),
    }
}

fn output(value: &Value) -> Result<Payload> {
    Ok(Payload::new("application/json", serde_json::to_vec(value)?))
}

/// What the host answered: "ok", or its refusal.
fn told<T>(answer: Result<T, HostError>) -> &'static str {
    answer.map_or_else(|refusal| refusal.code(), |_| "ok")
}

handler!(hostile);
