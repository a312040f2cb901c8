//! `docs/security.md` has every limit, with the default that it has.

use std::time::Duration;

use anyhow::Result;
use mongoqueue_wasmtime::{HostLimits, Limits};

use super::{section, text};

/// What the first and the third column of the table that begins with `first` say.
fn told(section: &str, first: &str) -> Vec<(String, String)> {
    let lines = section.lines().skip_while(|line| !line.starts_with(&format!("| `{first}` ")));
    let rows = lines.take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.trim_matches('|').split(" | ").collect::<Vec<_>>());
    let columns = cells.map(|cells| match cells.as_slice() {
        [key, _, default, _] => (key.trim().trim_matches('`').into(), (*default).into()),
        other => (format!("{other:?}"), String::new()),
    });
    columns.collect()
}

fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes.is_multiple_of(1 << 30) => format!("{} GiB", bytes >> 30),
        bytes if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        bytes => format!("{} KiB", bytes >> 10),
    }
}

fn bytes(bytes: usize) -> String {
    size(bytes as u64)
}

fn count(n: u64) -> String {
    let (thousands, rest) = (n / 1_000, n % 1_000);
    if thousands == 0 { rest.to_string() } else { format!("{thousands},{rest:03}") }
}

fn time(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds > 60 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

#[test]
fn every_limit_of_a_guest_has_its_line() -> Result<()> {
    // Named one by one, so that a new one is missed here first.
    let Limits {
        memory,
        cpu,
        table_elements,
        instances,
        handles,
        hostcall_bytes,
        payload_bytes,
        output_bytes,
        saved_bytes,
        log_lines,
        log_bytes,
        stderr_tail,
        log_tail,
        random_bytes,
        puts,
        put_bytes,
        puts_per_second,
        waiting,
        notes_per_second,
        saves_per_second,
        asks_per_second,
        http_requests,
        http_open,
        http_bytes,
        http_header_bytes,
        leases,
        wait,
        component_bytes,
    } = Limits::default();
    let limits = [
        ("memory", bytes(memory)),
        ("cpu", time(cpu)),
        ("tables", count(table_elements as u64)),
        ("instances", count(instances as u64)),
        ("handles", count(handles as u64)),
        ("hostcall", bytes(hostcall_bytes)),
        ("payload", bytes(payload_bytes)),
        ("output", bytes(output_bytes)),
        ("saved", bytes(saved_bytes)),
        ("log_lines", count(log_lines.into())),
        ("log", bytes(log_bytes)),
        ("stderr", bytes(stderr_tail)),
        ("log_tail", bytes(log_tail)),
        ("random", bytes(random_bytes)),
        ("puts", count(puts.into())),
        ("put_bytes", bytes(put_bytes)),
        ("puts_per_second", count(puts_per_second.into())),
        ("waiting", count(waiting)),
        ("notes_per_second", count(notes_per_second.into())),
        ("saves_per_second", count(saves_per_second.into())),
        ("asks_per_second", count(asks_per_second.into())),
        ("http_requests", count(http_requests.into())),
        ("http_open", count(http_open as u64)),
        ("http_bytes", bytes(http_bytes)),
        ("http_headers", bytes(http_header_bytes)),
        ("leases", count(leases as u64)),
        ("wait", time(wait)),
        ("component_size", bytes(component_bytes)),
    ];
    let limits = limits.map(|(key, default)| (key.to_owned(), default));
    let document = text("docs/security.md")?;
    assert_eq!(told(section(&document, "## Limits")?, "memory"), limits);
    Ok(())
}

#[test]
fn every_limit_of_the_host_has_its_line() -> Result<()> {
    let HostLimits { memory, compile_time, compile_memory, components, cache_bytes } =
        HostLimits::default();
    assert_eq!(memory, None);
    let limits = [
        ("compile_time", time(compile_time)),
        ("compile_memory", size(compile_memory)),
        ("components", count(components as u64)),
        ("cache", size(cache_bytes)),
    ];
    let limits = limits.map(|(key, default)| (key.to_owned(), default));
    let document = text("docs/security.md")?;
    assert_eq!(told(section(&document, "## Limits")?, "compile_time"), limits);
    Ok(())
}
