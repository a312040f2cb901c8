//! What the kernel says of a process, where it is Linux.

use std::fs;
use std::time::Duration;

/// Memory that the process has in use now, in MiB; `NaN` where that can't be told.
pub(crate) fn resident(process: u32) -> f64 {
    status(process, "VmRSS:")
}

/// The most that it ever had.
pub(crate) fn peak(process: u32) -> f64 {
    status(process, "VmHWM:")
}

fn status(process: u32, name: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    kibibytes(&text, name) / 1_024.0
}

fn kibibytes(text: &str, name: &str) -> f64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let number = value.and_then(|value| value.split_whitespace().next()?.parse().ok());
    number.unwrap_or(f64::NAN)
}

/// The time that its threads computed so far.
pub(crate) fn computed(process: u32) -> Option<Duration> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let nanos = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Some(Duration::from_nanos(nanos.sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_line() {
        let text = "Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(kibibytes(text, "VmRSS:"), 1_024.0);
        assert!(kibibytes(text, "VmSwap:").is_nan());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn of_this_process() {
        let me = std::process::id();
        // Other tests run beside it: two looks don't see the same.
        assert!(resident(me) > 1.0 && peak(me) > 1.0);
        assert!(computed(me).is_some());
    }
}
