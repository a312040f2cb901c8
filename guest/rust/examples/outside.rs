//! Wants more than a handler gets by default: files, and connections to others. It imports both of
//! WASI, as the libraries of some languages do; the host has no file for it, and denies each socket.
//!
//! `{"files": ["/etc/passwd"], "hosts": ["127.0.0.1:27017"]}` outputs for each what came of it:
//! `{"files": {"/etc/passwd": "…"}, "hosts": {"127.0.0.1:27017": "…"}}`, where `…` is `"open"` or
//! the error's text.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpStream;

use mongoqueue_guest::{Job, Result, handler};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Wishes {
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    hosts: Vec<String>,
}

#[derive(Serialize)]
struct Seen {
    files: BTreeMap<String, String>,
    hosts: BTreeMap<String, String>,
}

fn look_outside(job: Job<Wishes>) -> Result<Seen> {
    Ok(Seen {
        files: tried(job.payload.files, |path| File::open(path).map(drop)),
        hosts: tried(job.payload.hosts, |host| TcpStream::connect(host).map(drop)),
    })
}

fn tried(
    names: Vec<String>,
    open: impl Fn(&str) -> std::io::Result<()>,
) -> BTreeMap<String, String> {
    names
        .into_iter()
        .map(|name| {
            let answer = open(&name).map_or_else(|error| error.to_string(), |()| "open".to_owned());
            (name, answer)
        })
        .collect()
}

handler!(look_outside);
