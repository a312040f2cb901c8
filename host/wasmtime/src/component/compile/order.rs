//! What the parent asks of the compiling process, and how it sees to it that an end comes.
//!
//! One line goes to the child, then the component; from it come a word, the end of a line, and the
//! code or the reason why there is none.

use std::ffi::OsString;
use std::io::{self, BufRead, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::sandbox::Sandbox;

/// The first words of an order; another version of this library has others.
const PREAMBLE: &str = concat!("mongoqueue-compile ", env!("CARGO_PKG_VERSION"));

pub(super) const COMPILED: &str = "compiled";
pub(super) const INVALID: &str = "invalid";
pub(super) const FAILED: &str = "failed";

/// Threads that compile: each takes address space of its own, of which there is a limit.
const MOST_THREADS: usize = 8;

/// What is kept of the child's last words.
const LAST_WORDS: usize = 4 << 10;

/// Why nothing was compiled.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    Invalid(String),
    Failed(String),
    Time,
    Memory,
    /// More code than so many bytes.
    Size(u64),
}

/// What is to be compiled, for what, and with what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) parent: u32,
    /// Where memory is kept ready, code is compiled for its layout; else for this many bytes.
    pub(super) memory: Option<u64>,
    /// CPU time in seconds.
    pub(super) seconds: u64,
    /// Address space in bytes.
    pub(super) space: u64,
    /// Bytes of the component.
    pub(super) size: u64,
}

impl Order {
    pub(super) fn of(sandbox: &Sandbox, wasm: &[u8]) -> Self {
        let host = sandbox.host();
        let memory = (sandbox.pooled() == 0).then_some(sandbox.limits().memory as u64);
        let time = host.compile_time.as_secs().saturating_add(1);
        Self {
            parent: std::process::id(),
            memory,
            // Of all threads together.
            seconds: time.saturating_mul(threads() as u64),
            space: host.compile_memory,
            size: wasm.len() as u64,
        }
    }

    fn line(&self) -> String {
        let Self { parent, memory, seconds, space, size } = self;
        let memory = memory.unwrap_or(0);
        format!("{PREAMBLE} {parent} {memory} {seconds} {space} {size}\n")
    }

    /// The order that comes in here.
    pub(super) fn read(input: &mut impl BufRead) -> io::Result<Self> {
        let unknown = || io::Error::new(io::ErrorKind::InvalidData, "this is no order to compile");
        let mut line = String::new();
        input.take(256).read_line(&mut line)?;
        let words = line.strip_suffix('\n').and_then(|line| line.strip_prefix(PREAMBLE));
        let numbers = words.ok_or_else(unknown)?.split_whitespace().map(str::parse::<u64>);
        let numbers: Vec<u64> = numbers.collect::<Result<_, _>>().map_err(|_| unknown())?;
        let &[parent, memory, seconds, space, size] = numbers.as_slice() else {
            return Err(unknown());
        };
        let parent = u32::try_from(parent).map_err(|_| unknown())?;
        Ok(Self { parent, memory: (memory > 0).then_some(memory), seconds, space, size })
    }

    /// Code is a few times larger than what it is made from. That of a child that never stops
    /// writing is not waited for.
    fn most_code(&self) -> u64 {
        self.size.saturating_mul(32).saturating_add(16 << 20).min(self.space)
    }

    /// Has a child do it, which is killed when the time is over.
    pub(super) fn give(
        &self,
        program: &Path,
        args: &[OsString],
        wasm: &[u8],
        time: Duration,
    ) -> Result<Vec<u8>, Stopped> {
        let cannot = |error: io::Error| {
            Stopped::Failed(format!("can't run {} to compile it: {error}", program.display()))
        };
        let deadline = Instant::now().checked_add(time);
        let mut child = start(program, args).map_err(cannot)?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let most = self.most_code();
        let (status, answer, words) = thread::scope(|scope| {
            scope.spawn(move || {
                // One that doesn't read to the end says why, or has died.
                let mut input = stdin?;
                input.write_all(self.line().as_bytes()).and_then(|()| input.write_all(wasm)).ok()
            });
            let answer = scope.spawn(move || {
                let mut answer = Vec::new();
                let all = most.saturating_add(64);
                let _ = stdout.map(|output| output.take(all).read_to_end(&mut answer));
                answer
            });
            let words = scope.spawn(move || stderr.map(last_words).unwrap_or_default());
            let status = ended(&mut child, deadline);
            (status, answer.join().unwrap_or_default(), words.join().unwrap_or_default())
        });
        match status.map_err(cannot)? {
            None => Err(Stopped::Time),
            Some(_) if answer.len() as u64 > most => Err(Stopped::Size(most)),
            Some(status) if status.success() => judge(answer),
            Some(status) => Err(died(status, &words)),
        }
    }
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, |all| all.get().min(MOST_THREADS))
}

fn start(program: &Path, args: &[OsString]) -> io::Result<Child> {
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .env("RAYON_NUM_THREADS", threads().to_string())
        // glibc reserves 64 MiB of address space for each of them.
        .env("MALLOC_ARENA_MAX", "2")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // Killed as a whole; and a Ctrl-C for the parent is not for it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn()
}

/// Waits for its end; `None` when that had to be brought about.
fn ended(child: &mut Child, deadline: Option<Instant>) -> io::Result<Option<ExitStatus>> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let now = Instant::now();
        if deadline.is_some_and(|deadline| now >= deadline) {
            kill(child);
            child.wait()?;
            return Ok(None);
        }
        // A small component is not kept waiting, and a large one is not asked too often.
        let pause = Duration::from_millis(1).max(begin.elapsed() / 64);
        thread::sleep(pause.min(Duration::from_millis(20)));
    }
}

/// With all that it started: whoever else held its pipes would keep us waiting.
fn kill(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        // It has not been waited for, so that the number is still its own.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
}

fn last_words(mut stderr: impl Read) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; LAST_WORDS];
    while let Ok(n @ 1..) = stderr.read(&mut buffer) {
        kept.extend_from_slice(buffer.get(..n).unwrap_or_default());
        kept.drain(..kept.len().saturating_sub(LAST_WORDS));
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

fn judge(mut answer: Vec<u8>) -> Result<Vec<u8>, Stopped> {
    let end = answer.iter().position(|byte| *byte == b'\n').map_or(answer.len(), |end| end + 1);
    let rest = answer.split_off(end);
    let words = || String::from_utf8_lossy(&rest).into_owned();
    match String::from_utf8_lossy(&answer).trim_end() {
        COMPILED => Ok(rest),
        INVALID if wants_memory(&words()) => Err(Stopped::Memory),
        INVALID => Err(Stopped::Invalid(words())),
        FAILED if wants_memory(&words()) => Err(Stopped::Memory),
        FAILED => Err(Stopped::Failed(words())),
        _ => Err(Stopped::Failed("the compiling process speaks another language".to_owned())),
    }
}

/// What is said where there is no memory, by Rust, by the system and by wasmtime; the last where
/// there is none for a thread's stack.
fn wants_memory(words: &str) -> bool {
    [
        "memory allocation of ",
        "Cannot allocate memory",
        "os error 12",
        "out of memory",
        "Resource temporarily unavailable",
    ]
    .iter()
    .any(|sign| words.contains(sign))
}

fn died(status: ExitStatus, words: &str) -> Stopped {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        let cpu = rustix::process::Signal::XCPU.as_raw();
        if status.signal() == Some(cpu) {
            return Stopped::Time;
        }
    }
    if wants_memory(words) {
        return Stopped::Memory;
    }
    let last = words.lines().next_back().unwrap_or("it said nothing");
    Stopped::Failed(format!("the compiling process ended by {status}: {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order { parent: 7, memory: None, seconds: 9, space: 1 << 30, size: 8 }
    }

    #[test]
    fn an_order_is_read_as_it_was_written() {
        for order in [order(), Order { memory: Some(64 << 20), ..order() }] {
            assert_eq!(Order::read(&mut order.line().as_bytes()).ok(), Some(order));
        }
        let line = order().line();
        for junk in ["", "x\n", &line[1..], &line[..line.len() - 1], &line.replace('7', "-7")] {
            assert!(Order::read(&mut junk.as_bytes()).is_err(), "{junk:?}");
        }
    }

    #[test]
    fn answers_have_a_meaning() {
        let judged = |text: &str| judge(text.as_bytes().to_vec());
        assert_eq!(judged("compiled\n\0code\n"), Ok(b"\0code\n".to_vec()));
        assert_eq!(judged("invalid\nno such type"), Err(Stopped::Invalid("no such type".into())));
        assert_eq!(judged("failed\nhelp"), Err(Stopped::Failed("help".into())));
        assert_eq!(judged("failed\nmmap: (os error 12)"), Err(Stopped::Memory));
        assert!(matches!(judged(""), Err(Stopped::Failed(_))));
        assert!(matches!(judged("compiled"), Ok(code) if code.is_empty()));
    }

    #[cfg(unix)]
    mod processes {
        use super::*;

        /// A shell in the place of the compiler.
        fn shell(script: &str, time: Duration) -> Result<Vec<u8>, Stopped> {
            let args = ["-c".into(), script.into()];
            order().give(Path::new("/bin/sh"), &args, b"12345678", time)
        }

        const LONG: Duration = Duration::from_secs(600);

        #[test]
        fn a_child_gets_the_order_and_the_component() {
            let given = shell("echo compiled; cat", LONG);
            assert_eq!(given, Ok(format!("{}12345678", order().line()).into_bytes()));
        }

        #[test]
        fn a_child_that_goes_on_for_ever_is_killed_with_all_it_started() {
            let short = Duration::from_millis(50);
            assert_eq!(shell("sleep 1000 & sleep 1000", short), Err(Stopped::Time));
            assert_eq!(shell("while :; do :; done", short), Err(Stopped::Time));
        }

        #[test]
        fn a_child_that_says_too_much_is_not_listened_to() {
            let most = order().most_code();
            assert_eq!(shell("cat /dev/zero", LONG), Err(Stopped::Size(most)));
        }

        #[test]
        fn how_a_child_died_is_told() {
            assert_eq!(shell("kill -XCPU $$", LONG), Err(Stopped::Time));
            let words = "echo 'memory allocation of 9 bytes failed' >&2; kill -ABRT $$";
            assert_eq!(shell(words, LONG), Err(Stopped::Memory));
            let Err(Stopped::Failed(why)) = shell("echo alas >&2; exit 3", LONG) else {
                panic!("it did not fail")
            };
            assert!(why.ends_with("exit status: 3: alas"), "{why}");
            let missing = order().give(Path::new("/no/such"), &[], b"", LONG);
            assert!(matches!(missing, Err(Stopped::Failed(why)) if why.contains("/no/such")));
        }
    }
}
