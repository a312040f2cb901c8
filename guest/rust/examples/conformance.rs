//! What every SDK does alike: the payload names the case. Tried by `tests/it/languages`.

use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

use mongoqueue_guest::{
    Error, Job, Payload, PutOptions, Queue, Result, handler, heartbeat, is_cancelled, log,
    progress, reject, release, remaining, retry_after, save, saved,
};
use serde_json::{Value, json};

fn conform(job: Job<Payload>) -> Result<Payload> {
    if !job.payload.is_json() {
        return Ok(job.payload);
    }
    let payload: Value = serde_json::from_slice(&job.payload.data)?;
    let output = case(&job, &payload)?;
    Ok(Payload::new("application/json", serde_json::to_vec(&output)?))
}

fn case(job: &Job<Payload>, payload: &Value) -> Result<Value> {
    match payload["case"].as_str().unwrap_or_default() {
        "echo" => Ok(payload["value"].clone()),
        "nothing" => Ok(Value::Null),
        "retry" if job.attempt == 1 => {
            Err(retry_after(Duration::from_secs(2), "later").code("busy"))
        }
        "retry" => Ok(json!({ "attempt": job.attempt })),
        "reject" => Err(reject("never").code("bad-input")),
        "release" => match saved::<Value>()? {
            Some(saved) => Ok(json!({ "saved": saved })),
            None => {
                save(json!({ "released": true }))?;
                Err(release(Duration::from_millis(500)))
            }
        },
        "throw" => inner(),
        "progress" => {
            progress(3, Some(10), "third")?;
            Err(Error::new("enough"))
        }
        "save" if job.attempt == 1 => {
            save(json!({ "page": 7 }))?;
            Err(Error::new("half way"))
        }
        "save" => Ok(saved()?.unwrap_or(Value::Null)),
        "put" => put(),
        "put-nowhere" => Ok(Queue::open("elsewhere").map(|_| Value::Null)?),
        "cancelled" => {
            while !is_cancelled() {
                heartbeat()?;
                sleep(Duration::from_millis(10));
            }
            Ok(json!({ "cancelled": true }))
        }
        "big" => {
            let text = payload["text"].as_str().unwrap_or_default();
            Ok(text.chars().rev().collect::<String>().into())
        }
        "log" => {
            log::info("one");
            log::warn("two");
            writeln!(std::io::stdout(), "three")?;
            Ok(Value::Null)
        }
        "remaining" => Ok(u64::try_from(remaining().as_millis())?.into()),
        "attempt" => attempt(job),
        other => Err(reject(format!("no case {other:?}"))),
    }
}

#[inline(never)]
fn inner() -> ! {
    panic!("boom: the fuse")
}

fn put() -> Result<Value> {
    let next = Queue::open("next")?;
    let options = PutOptions::new().priority(5).header("from", "conformance").max_attempts(9);
    let one = next.put_with(json!({ "n": 1 }), &options)?;
    let many = [2, 3, 4].map(|n| json!({ "n": n }));
    let many = next.put_many(many, &PutOptions::new())?;
    let many = many.into_iter().collect::<Result<Vec<_>, _>>()?;
    let status = format!("{:?}", next.get(&one)?.status).to_lowercase();
    let status = status.rsplit("::").next().unwrap_or_default();
    Ok(json!({ "one": one, "many": many, "ready": next.stats()?.ready, "status": status }))
}

fn attempt(job: &Job<Payload>) -> Result<Value> {
    // Seconds of a year of 365.2425 days.
    const YEAR: u64 = 31_556_952;
    let since = job.created_at.duration_since(std::time::UNIX_EPOCH)?;
    Ok(json!({
        "id": job.id, "queue": job.queue, "attempt": job.attempt, "max": job.max_attempts,
        "year": 1970 + since.as_secs() / YEAR, "header": job.header("from"),
        "last": job.is_last_attempt(),
    }))
}

handler!(conform);
