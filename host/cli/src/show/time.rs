//! Times: RFC 3339 for programs, relative for people.

use std::time::Duration;

use bson::DateTime;
use serde_json::Value;

use crate::args::format_duration;

/// The years 0 to 9999, in milliseconds: RFC 3339 has no form for others.
const WRITABLE: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

/// RFC 3339 in UTC with milliseconds, always of the same length: `2027-01-31T09:30:00.000Z`.
pub(crate) fn rfc3339(at: DateTime) -> String {
    let millis = at.timestamp_millis();
    match at.try_to_rfc3339_string() {
        // The formatter leaves out zeros at the end of a second's fraction.
        Ok(text) if WRITABLE.contains(&millis) => {
            let whole = text.get(..19).unwrap_or(&text);
            format!("{whole}.{:03}Z", millis.rem_euclid(1_000))
        }
        _ => format!("{millis} ms from 1970"),
    }
}

pub(crate) fn rfc3339_or_null(at: Option<DateTime>) -> Value {
    at.map_or(Value::Null, |at| rfc3339(at).into())
}

/// The time of day, in UTC: `09:30:00`.
pub(crate) fn clock(at: DateTime) -> String {
    rfc3339(at).get(11..19).unwrap_or_default().to_owned()
}

/// `3m ago`, `in 2h`, `now`; in one unit, as that is what a glance takes in.
pub(crate) fn relative(at: DateTime, now: DateTime) -> String {
    let millis = at.timestamp_millis().saturating_sub(now.timestamp_millis());
    let distance = coarse(Duration::from_millis(millis.unsigned_abs()));
    match millis {
        // A second is about what the clocks of two machines differ by.
        -999..=999 => "now".to_owned(),
        ..=-1_000 => format!("{distance} ago"),
        1_000.. => format!("in {distance}"),
    }
}

fn coarse(distance: Duration) -> String {
    let seconds = distance.as_secs();
    let unit = match seconds {
        // Two units of the smaller say more than one of the larger.
        0..120 => 1,
        120..7_200 => 60,
        7_200..172_800 => 3_600,
        _ => 86_400,
    };
    format_duration(Duration::from_secs(seconds / unit * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_has_milliseconds_always() {
        assert_eq!(rfc3339(DateTime::from_millis(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(DateTime::from_millis(1_800_000_000_250)), "2027-01-15T08:00:00.250Z");
        assert_eq!(rfc3339(DateTime::from_millis(-1)), "1969-12-31T23:59:59.999Z");
        assert!(rfc3339(DateTime::MAX).ends_with("ms from 1970"));
        assert_eq!(clock(DateTime::from_millis(1_800_000_000_250)), "08:00:00");
    }

    #[test]
    fn relative_is_one_glance() {
        let now = DateTime::from_millis(1_800_000_000_000);
        for (seconds, wanted) in [
            (0, "now"),
            (-5, "5s ago"),
            (90, "in 1m30s"),
            (-125, "2m ago"),
            (-3 * 3_600 - 1_700, "3h ago"),
            (86_400 * 40, "in 40d"),
        ] {
            let at = DateTime::from_millis(now.timestamp_millis() + seconds * 1_000);
            assert_eq!(relative(at, now), wanted);
        }
        assert!(relative(DateTime::MAX, now).starts_with("in "));
        assert!(relative(DateTime::MIN, now).ends_with(" ago"));
    }
}
