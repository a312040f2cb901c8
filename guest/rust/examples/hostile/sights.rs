//! What can be seen and reached from inside.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

pub(crate) fn files() -> Vec<&'static str> {
    let tried = [
        fs::read("/etc/passwd").map(drop),
        fs::read("/proc/self/environ").map(drop),
        fs::read("../../../../etc/hostname").map(drop),
        fs::read_dir("/").map(drop),
        fs::read_dir(".").map(drop),
        fs::write("/tmp/hostile", "x"),
        fs::write("hostile", "x"),
        fs::create_dir("/tmp/hostile"),
        fs::remove_file("/tmp/hostile"),
        fs::rename("/etc/passwd", "/tmp/passwd"),
        fs::hard_link("/etc/passwd", "/tmp/passwd"),
        std::env::current_exe().map(drop),
    ];
    tried.into_iter().map(|tried| if tried.is_ok() { "ok" } else { "denied" }).collect()
}

pub(crate) fn surroundings() -> Value {
    let env: BTreeMap<String, String> = std::env::vars().collect();
    let mut input = Vec::new();
    let read = std::io::stdin().read_to_end(&mut input);
    json!({ "args": std::env::args().count(), "env": env, "stdin": read.unwrap_or_default() })
}

/// The clocks go on and don't go back, and chance differs.
pub(crate) fn clocks() -> Value {
    let (begun, wall) = (Instant::now(), SystemTime::now());
    let mut last = begun;
    let backwards = (0..10_000).any(|_| {
        let now = Instant::now();
        let back = now < last;
        last = now;
        back
    });
    let chance: BTreeSet<u64> = (0..100).map(|n| RandomState::new().hash_one(n)).collect();
    let before_2020 = wall < SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_577_836_800);
    json!({ "backwards": backwards, "before_2020": before_2020, "chances": chance.len() })
}
