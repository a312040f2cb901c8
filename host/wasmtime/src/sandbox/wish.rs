//! What a job itself asks for: less than its handler may have, never more.

use std::time::Duration;

use super::Limits;

/// What a header that sets a limit begins with.
const PREFIX: &str = "mq-limit-";

impl Limits {
    /// These limits, lowered to what a job's headers ask for (`mq-limit-memory: 16MiB`). A limit
    /// that would be larger stays what it is; of two for the same the smaller one counts. The names
    /// are those of the file for `work`, with hyphens.
    ///
    /// # Errors
    /// A limit that there isn't, or a value that can't be read, in words for people.
    pub fn lowered_by<'a>(
        &self,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, String> {
        let mut limits = self.clone();
        for (header, value) in headers {
            if let Some(name) = header.strip_prefix(PREFIX) {
                limits.lower(name, value).map_err(|why| format!("header {header}: {why}"))?;
            }
        }
        Ok(limits)
    }

    fn lower(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "memory" => least(&mut self.memory, bytes(value)?),
            "cpu" => least(&mut self.cpu, time(value)?),
            "tables" => least(&mut self.table_elements, count(value)?),
            "instances" => least(&mut self.instances, count(value)?),
            "handles" => least(&mut self.handles, count(value)?),
            "hostcall" => least(&mut self.hostcall_bytes, bytes(value)?),
            "payload" => least(&mut self.payload_bytes, bytes(value)?),
            "output" => least(&mut self.output_bytes, bytes(value)?),
            "saved" => least(&mut self.saved_bytes, bytes(value)?),
            "log-lines" => least(&mut self.log_lines, count(value)?),
            "log" => least(&mut self.log_bytes, bytes(value)?),
            "log-tail" => least(&mut self.log_tail, bytes(value)?),
            "stderr" => least(&mut self.stderr_tail, bytes(value)?),
            "random" => least(&mut self.random_bytes, bytes(value)?),
            "puts" => least(&mut self.puts, count(value)?),
            "put-bytes" => least(&mut self.put_bytes, bytes(value)?),
            "puts-per-second" => least(&mut self.puts_per_second, count(value)?),
            "waiting" => least(&mut self.waiting, count(value)?),
            "notes-per-second" => least(&mut self.notes_per_second, count(value)?),
            "saves-per-second" => least(&mut self.saves_per_second, count(value)?),
            "asks-per-second" => least(&mut self.asks_per_second, count(value)?),
            "http-requests" => least(&mut self.http_requests, count(value)?),
            "http-open" => least(&mut self.http_open, count(value)?),
            "http-bytes" => least(&mut self.http_bytes, bytes(value)?),
            "http-headers" => least(&mut self.http_header_bytes, bytes(value)?),
            "leases" => least(&mut self.leases, count(value)?),
            "wait" => least(&mut self.wait, time(value)?),
            _ => return Err("there is no such limit".to_owned()),
        }
        Ok(())
    }
}

fn least<T: Ord + Copy>(limit: &mut T, wish: T) {
    *limit = wish.min(*limit);
}

/// Digits, and what follows them.
fn parts(value: &str) -> (&str, &str) {
    value.split_at(value.bytes().take_while(u8::is_ascii_digit).count())
}

fn count<T: std::str::FromStr>(value: &str) -> Result<T, String> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if digits { value.parse().ok() } else { None };
    parsed.ok_or_else(|| "a number is needed, such as 100".to_owned())
}

fn bytes(value: &str) -> Result<usize, String> {
    let (number, unit) = parts(value);
    let unit = match unit {
        "" | "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        "kB" => Some(1_000),
        "MB" => Some(1_000_000),
        "GB" => Some(1_000_000_000),
        _ => None,
    };
    let bytes = unit.and_then(|unit: usize| count::<usize>(number).ok()?.checked_mul(unit));
    bytes.ok_or_else(|| "a size is needed, such as 512KiB or 16MiB".to_owned())
}

fn time(value: &str) -> Result<Duration, String> {
    let (number, unit) = parts(value);
    let unit = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let millis = unit.and_then(|unit: u64| count::<u64>(number).ok()?.checked_mul(unit));
    let time = millis.map(Duration::from_millis);
    time.ok_or_else(|| "a time is needed, such as 500ms or 10s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lowered(header: &str, value: &str) -> Result<Limits, String> {
        Limits::default().lowered_by([("traceparent", "00-x"), (header, value)])
    }

    #[test]
    fn a_job_may_ask_for_less_and_never_gets_more() {
        let default = Limits::default();
        let got = lowered("mq-limit-memory", "16MiB").map(|limits| limits.memory);
        assert_eq!(got, Ok(16 << 20));
        assert_eq!(lowered("mq-limit-memory", "99GiB").as_ref(), Ok(&default));
        assert_eq!(lowered("mq-limit-cpu", "1500ms").map(|l| l.cpu.as_millis()), Ok(1_500));
        assert_eq!(lowered("mq-limit-puts", "0").map(|limits| limits.puts), Ok(0));
        let http = lowered("mq-limit-http-requests", "3").map(|limits| limits.http_requests);
        assert_eq!(http, Ok(3));
        assert_eq!(lowered("mq-limit", "junk").as_ref(), Ok(&default));
        let twice = [("mq-limit-log", "9"), ("mq-limit-log", "1KiB")];
        assert_eq!(default.lowered_by(twice).map(|limits| limits.log_bytes), Ok(9));
    }

    #[test]
    fn what_can_not_be_read_is_told() {
        for (header, value, words) in [
            ("mq-limit-memroy", "1MiB", "header mq-limit-memroy: there is no such limit"),
            ("mq-limit-", "1", "there is no such limit"),
            ("mq-limit-memory", "1 MiB", "a size is needed"),
            ("mq-limit-memory", "-1", "a size is needed"),
            ("mq-limit-memory", "", "a size is needed"),
            ("mq-limit-memory", "18446744073709551615GiB", "a size is needed"),
            ("mq-limit-cpu", "10", "a time is needed"),
            ("mq-limit-cpu", "s", "a time is needed"),
            ("mq-limit-puts", "+5", "a number is needed"),
            ("mq-limit-puts", "4294967296", "a number is needed"),
            ("mq-limit-puts", "\u{665}", "a number is needed"),
        ] {
            let told = lowered(header, value).map_or_else(|why| why, |_| "it was read".to_owned());
            assert!(told.contains(words), "{header}: {value}: {told}");
        }
    }
}
