use super::*;

fn log(limits: &Limits) -> (JobLog, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    let sink: LogSink = Arc::new(move |line: &LogLine<'_>| {
        let line = format!("{:?} {} {}", line.source, line.level, line.text);
        kept.lock().expect("no test panics here").push(line);
    });
    (JobLog::new("guest".into(), None, Some(sink), limits), lines)
}

fn taken(lines: &Arc<Mutex<Vec<String>>>) -> Vec<String> {
    std::mem::take(&mut lines.lock().expect("no test panics here"))
}

#[test]
fn streams_become_lines_wherever_they_are_cut() {
    let (log, lines) = log(&Limits::default());
    log.bytes(Source::Stdout, b"one\ntw");
    log.bytes(Source::Stderr, b"bad\n");
    log.bytes(Source::Stdout, b"o\n\nrest");
    log.finish();
    assert_eq!(
        taken(&lines),
        [
            "Stdout info one",
            "Stderr warn bad",
            "Stdout info two",
            "Stdout info ",
            "Stdout info rest"
        ]
    );
    assert_eq!(log.stderr_tail().as_deref(), Some("bad\n"));
}

#[test]
fn endless_lines_are_broken() {
    let (log, lines) = log(&Limits::default());
    log.bytes(Source::Stdout, &[b'x'; LINE_BYTES + 5]);
    log.bytes(Source::Stdout, &[b'y'; 10]);
    log.finish();
    let lengths: Vec<usize> =
        taken(&lines).iter().map(|l| l.len() - "Stdout info ".len()).collect();
    assert_eq!(lengths, [LINE_BYTES, 15]);
}

#[test]
fn past_the_limit_lines_are_dropped_and_that_is_said_once() {
    let (log, lines) = log(&Limits { log_lines: 2, ..Limits::default() });
    log.message(Level::Info, "a\nb\nc\nd");
    log.message(Level::Error, "e");
    let said = "Host warn the limit of this attempt's log is reached: further lines are dropped";
    assert_eq!(taken(&lines), ["Log info a", "Log info b", said]);

    let (log, lines) = self::log(&Limits { log_bytes: 8, ..Limits::default() });
    log.message(Level::Debug, "1234567");
    log.message(Level::Debug, "8");
    assert_eq!(taken(&lines), ["Log debug 1234567", said]);
}

#[test]
fn the_last_lines_are_kept_whoever_listens_and_whatever_was_dropped() {
    let limits = Limits { log_lines: 1, ..Limits::default() };
    for listens in [true, false] {
        let log = match listens {
            true => log(&limits).0,
            false => JobLog::new("guest".into(), None, None, &limits),
        };
        log.message(Level::Debug, "one\ntwo");
        log.bytes(Source::Stdout, b"thr");
        log.bytes(Source::Stderr, b"elsewhere\n");
        log.bytes(Source::Stdout, b"ee");
        log.finish();
        assert_eq!(log.last_lines().as_deref(), Some("debug: one\ndebug: two\ninfo: three\n"));
        assert_eq!(log.stderr_tail().as_deref(), Some("elsewhere\n"));
    }
}

#[test]
fn control_characters_never_reach_the_sink() {
    let (log, lines) = log(&Limits::default());
    log.message(Level::Info, "\u{1b}[2J\tok");
    assert_eq!(taken(&lines), ["Log info \u{fffd}[2J\tok"]);
}
