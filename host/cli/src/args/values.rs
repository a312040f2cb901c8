//! What options take, read from text: due times, back-offs, headers, sizes, `QUEUE=COMPONENT`.

use std::path::PathBuf;
use std::time::Duration;

use bson::DateTime;
use mongoqueue::Backoff;

use super::duration;

/// The longest wait of a back-off whose maximum is not given.
const BACKOFF_MAX: Duration = Duration::from_secs(3_600);

/// When a job is due: at a time, or this long from the moment it is put.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Due {
    At(DateTime),
    In(Duration),
}

pub(crate) fn due(text: &str) -> Result<Due, String> {
    if let Ok(at) = DateTime::parse_rfc3339_str(text.trim()) {
        return Ok(Due::At(at));
    }
    // A date has a dash inside, a duration never.
    if text.trim().get(1..).is_some_and(|rest| rest.contains('-')) {
        return Err("a time is written with date, time and zone: 2027-01-31T09:30:00Z".to_owned());
    }
    duration::parse(text).map(Due::In)
}

/// `FIRST` or `FIRST..MAX`.
pub(crate) fn backoff(text: &str) -> Result<Backoff, String> {
    let (first, max) = match text.split_once("..") {
        Some((first, max)) => (duration::parse(first)?, duration::parse(max)?),
        None => {
            let first = duration::parse(text)?;
            (first, first.max(BACKOFF_MAX))
        }
    };
    if max < first {
        return Err("the longest wait is shorter than the first: write FIRST..MAX".to_owned());
    }
    Ok(Backoff::exponential(first, max))
}

/// `NAME=VALUE`.
pub(crate) fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a header is written NAME=VALUE".to_owned()),
    }
}

/// A queue and the component that does its jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Serving {
    pub(crate) queue: String,
    pub(crate) component: PathBuf,
}

/// `QUEUE=COMPONENT.wasm`; split at the first `=`, as file names may have more.
pub(crate) fn serving(text: &str) -> Result<Serving, String> {
    match text.split_once('=') {
        Some((queue, component)) if !queue.is_empty() && !component.is_empty() => {
            Ok(Serving { queue: queue.to_owned(), component: component.into() })
        }
        _ => Err("a served queue is written QUEUE=COMPONENT.wasm".to_owned()),
    }
}

/// `QUEUE=PATH`: a queue and the folder of its handler, or a component's file.
pub(crate) fn developed(text: &str) -> Result<Serving, String> {
    serving(text).map_err(|_| "a queue and its handler are written QUEUE=PATH".to_owned())
}

/// `NAME=QUEUE`: a queue, and the name that a component knows it by.
pub(crate) fn grant(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, queue)) if !name.is_empty() && !queue.is_empty() => {
            Ok((name.to_owned(), queue.to_owned()))
        }
        _ => Err("a grant is written NAME=QUEUE".to_owned()),
    }
}

/// A number of bytes: `64MiB`, `512KiB`, `1000000`.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: usize = match unit.trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" | "K" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        other => return Err(format!("no such unit {other:?} (KiB, MiB, GiB, kB, MB, GB)")),
    };
    let number: usize = match number.parse() {
        Ok(number) => number,
        Err(_) => return Err("a size is written like 64MiB, 512KiB or 1000000".to_owned()),
    };
    number.checked_mul(factor).ok_or_else(|| format!("{text} is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_is_a_time_or_a_duration_from_now() {
        let at = DateTime::from_millis(1_800_000_000_250);
        assert_eq!(due("2027-01-15T08:00:00.25Z"), Ok(Due::At(at)));
        assert_eq!(due("2027-01-15T09:00:00.25+01:00"), Ok(Due::At(at)));
        assert_eq!(due("1h30m"), Ok(Due::In(Duration::from_secs(5_400))));
        for (text, why) in [
            ("2027-01-15", "and zone"),
            ("2027-01-15T08:00:00", "and zone"),
            ("tomorrow", "expected a number"),
            ("15", "needs its unit"),
            ("-5s", "expected a number"),
            ("é", "expected a number"),
        ] {
            assert!(due(text).is_err_and(|e| e.contains(why)), "{text}: {:?}", due(text));
        }
    }

    #[test]
    fn backoff_has_a_first_and_a_longest_wait() {
        let second = Duration::from_secs(1);
        assert_eq!(backoff("1s..5s"), Ok(Backoff::exponential(second, 5 * second)));
        assert_eq!(backoff("1s"), Ok(Backoff::exponential(second, BACKOFF_MAX)));
        assert_eq!(backoff("2h").map(|b| b.max), Ok(Duration::from_secs(7_200)));
        assert!(backoff("5s..1s").is_err());
        assert!(backoff("1..5").is_err());
    }

    #[test]
    fn pairs_are_split_at_the_first_sign() {
        assert_eq!(header("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(header("a="), Ok(("a".to_owned(), String::new())));
        assert!(header("=b").is_err() && header("ab").is_err());
        let file = serving("q=a=b.wasm").map(|s| s.component);
        assert_eq!(file, Ok(PathBuf::from("a=b.wasm")));
        assert_eq!(grant("next=emails"), Ok(("next".to_owned(), "emails".to_owned())));
        assert!(grant("next=").is_err() && grant("emails").is_err());
        assert!(serving("q=").is_err() && serving("=f").is_err() && serving("f.wasm").is_err());
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("1000"), Ok(1000));
        assert_eq!(size("2 kB"), Ok(2000));
        assert!(size("MiB").is_err() && size("5 stones").is_err() && size("-1").is_err());
        assert!(size("99999999999GiB").is_err());
    }
}
