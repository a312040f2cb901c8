//! Looks at what the operator gave it beside its job: values of its configuration, a folder, the
//! precision of its clocks.
//!
//! `{"keys": ["region"], "files": ["/templates/a.txt"], "write": "/templates/b.txt"}` outputs the
//! values, the texts, and what came of the write.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use mongoqueue_guest::{Error, Job, Result, handler};
use serde::{Deserialize, Serialize};

mod config {
    wit_bindgen::generate!({
        inline: "
            package wasi:config@0.2.0-rc.1;
            interface store {
                variant error { upstream(string), io(string) }
                get: func(key: string) -> result<option<string>, error>;
                get-all: func() -> result<list<tuple<string, string>>, error>;
            }
            world settings { import store; }
        ",
    });
}

use config::wasi::config::store;

#[derive(Deserialize)]
struct Wishes {
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    files: Vec<String>,
    write: Option<String>,
}

#[derive(Serialize)]
struct Seen {
    values: BTreeMap<String, Option<String>>,
    all: usize,
    files: BTreeMap<String, String>,
    write: Option<String>,
    /// Of the wall clock and of the other one, in nanoseconds: what every reading is a multiple of.
    steps: [u64; 2],
}

fn settings(job: Job<Wishes>) -> Result<Seen> {
    let Wishes { keys, files, write } = job.payload;
    let failed = |error: store::Error| Error::new(format!("{error:?}"));
    let mut values = BTreeMap::new();
    for key in keys {
        let value = store::get(&key).map_err(failed)?;
        values.insert(key, value);
    }
    let all = store::get_all().map_err(failed)?.len();
    let read = |path: String| {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| error.to_string());
        (path, text)
    };
    let write = write.map(|path| match std::fs::write(path, "x") {
        Ok(()) => "written".to_owned(),
        Err(error) => error.to_string(),
    });
    let files = files.into_iter().map(read).collect();
    Ok(Seen { values, all, files, write, steps: steps() })
}

/// What all readings of the clocks for a while are multiples of.
fn steps() -> [u64; 2] {
    let began = Instant::now();
    let mut steps = [0, 0];
    while began.elapsed() < Duration::from_millis(60) {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let other = began.elapsed();
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        steps = [common(steps[0], nanos(wall)), common(steps[1], nanos(other))];
    }
    steps
}

fn common(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

handler!(settings);
