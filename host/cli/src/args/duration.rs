//! Durations as people write them: `500ms`, `2s`, `5m`, `1h30m`, `1.5h`.

use std::time::Duration;

/// Milliseconds of each unit; a longer name only where it can't be mistaken for another.
const UNITS: [(&str, u64); 8] = [
    ("ms", 1),
    ("s", 1_000),
    ("sec", 1_000),
    ("m", 60_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];

/// Reads a duration: numbers, each with its unit, added up.
///
/// A number without a unit is refused: programs differ in what they take it for.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("it is empty; write a duration such as 500ms, 2s, 5m or 1h30m".to_owned());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let part = part(number, unit).map_err(|why| format!("{why} in {text:?}"))?;
        total = total.checked_add(part).ok_or_else(|| format!("{text:?} is too long"))?;
        rest = after.trim_start();
    }
    Ok(total)
}

fn part(number: &str, unit: &str) -> Result<Duration, String> {
    let value: f64 = match number.parse() {
        Ok(value) => value,
        Err(_) => return Err("expected a number with a unit such as 500ms, 2s, 5m".to_owned()),
    };
    if unit.is_empty() {
        return Err(format!(
            "a number needs its unit ({number}ms, {number}s, {number}m or {number}h)"
        ));
    }
    let Some((_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("no such unit {unit:?} (ms, s, m, h, d, w)"));
    };
    // A whole number stays exact; a fraction is a fraction of something a person rounded.
    match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(*millis).map(Duration::from_millis),
        Err(_) => Duration::try_from_secs_f64(value * *millis as f64 / 1_000.0).ok(),
    }
    .ok_or_else(|| format!("{number}{unit} is too long"))
}

/// Writes a duration the way [`parse`] reads it, in at most two units.
pub(crate) fn format(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis < 10 && duration.subsec_micros() % 1_000 >= 100 {
        return format!("{}.{}ms", millis, duration.subsec_micros() % 1_000 / 100);
    }
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    if millis < 10_000 && !millis.is_multiple_of(1_000) {
        // One digit says enough: 1.2s.
        return format!("{}.{}s", millis / 1_000, millis % 1_000 / 100);
    }
    let seconds = millis / 1_000;
    let (big, small) = match seconds {
        0..60 => return format!("{seconds}s"),
        60..3_600 => ((seconds / 60, "m"), (seconds % 60, "s")),
        3_600..86_400 => ((seconds / 3_600, "h"), (seconds % 3_600 / 60, "m")),
        _ => ((seconds / 86_400, "d"), (seconds % 86_400 / 3_600, "h")),
    };
    match small.0 {
        0 => format!("{}{}", big.0, big.1),
        _ => format!("{}{}{}{}", big.0, big.1, small.0, small.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("500ms", 500),
            ("2s", 2_000),
            ("5m", 300_000),
            ("5min", 300_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            (" 1.5h ", 5_400_000),
            ("0.25s", 250),
            ("0s", 0),
            ("2d", 172_800_000),
            ("1w", 604_800_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_and_says_why() {
        for (text, why) in [
            ("5", "a number needs its unit"),
            ("0", "a number needs its unit"),
            ("", "empty"),
            ("s", "expected a number"),
            ("-5s", "expected a number"),
            ("1.2.3s", "expected a number"),
            ("5 apples", "no such unit \"apples\""),
            ("5M", "no such unit \"M\""),
            ("1h5", "a number needs its unit"),
            ("99999999999999999999s", "too long"),
            ("18446744073709551615ms1s2w", ""),
            ("٣s", "expected a number"),
        ] {
            match parse(text) {
                Err(message) => assert!(message.contains(why), "{text}: {message}"),
                Ok(duration) => assert!(why.is_empty(), "{text}: {duration:?}"),
            }
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in
            ["0ms", "0.4ms", "999ms", "1s", "1.2s", "59s", "1m", "1m1s", "1h30m", "2d", "10d3h"]
        {
            assert_eq!(format(parse(text).unwrap_or_default()), text);
        }
        assert_eq!(format(Duration::from_millis(12_345)), "12s");
        assert!(format(Duration::MAX).ends_with('h') || format(Duration::MAX).ends_with('d'));
    }
}
