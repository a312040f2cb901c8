//! Times as Rust has them and as the WIT counts them, in milliseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Rounded up, so that no wait that somebody asked for becomes none at all.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// A time before 1970 counts as 1970: it is past either way.
pub(crate) fn timestamp(at: SystemTime) -> u64 {
    millis(at.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// The time a WIT timestamp stands for; one that this platform cannot hold counts as 1970.
pub(crate) fn system_time(timestamp: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(timestamp)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_round_up_and_saturate() {
        assert_eq!(millis(Duration::ZERO), 0);
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_millis(1500)), 1500);
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }

    #[test]
    fn timestamps_survive_the_way_there_and_back() {
        assert_eq!(timestamp(system_time(1_700_000_000_123)), 1_700_000_000_123);
        assert_eq!(timestamp(UNIX_EPOCH - Duration::from_secs(1)), 0);
        // Not a panic, whatever a host sends.
        system_time(u64::MAX);
    }
}
