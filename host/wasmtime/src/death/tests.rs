use super::*;

fn scene(limits: &Limits) -> Scene<'_> {
    Scene { limits, refusal: None, stderr: None, time: Duration::from_secs(2), unborn: false }
}

fn failure(death: Death) -> (String, String) {
    match death {
        Death::Guest(failure) => (failure.kind.into_owned(), failure.message),
        other => (format!("{other:?}"), String::new()),
    }
}

fn named(error: impl Into<wasmtime::Error>) -> (String, String) {
    failure(Death::of(&error.into(), scene(&Limits::default())))
}

fn pair(kind: &str, message: &str) -> (String, String) {
    (kind.to_owned(), message.to_owned())
}

#[test]
fn exits_and_cuts() {
    assert_eq!(named(I32Exit(1)), pair("exit", "it left by exit with a failing status"));
    assert_eq!(named(I32Exit(0)), pair("exit", "it left by exit(0), without an answer"));
    let over = "the attempt took longer than its time-out of 2s";
    assert_eq!(named(Cut::Deadline), pair("timeout", over));
    let spent = "it computed for longer than the 60s that it may";
    assert_eq!(named(Cut::Cpu), pair("cpu", spent));
    let limits = Limits::default();
    assert_eq!(failure(Death::timed_out(scene(&limits))), pair("timeout", over));
    assert!(matches!(Death::of(&Cut::LeaseLost.into(), scene(&limits)), Death::LeaseLost));
}

#[test]
fn a_context_around_an_error_does_not_hide_it() {
    let error = wasmtime::Error::from(Trap::StackOverflow).context("error while executing");
    let overflow = pair("trap:stack-overflow", "stack overflow: it called itself too often");
    assert_eq!(named(error), overflow);
}

#[test]
fn an_abort_after_a_refusal_is_named_after_it() {
    let limits = Limits::default();
    let memory = Refusal::Memory { asked: 32 << 20, used: 40 << 20, limit: 64 << 20 };
    let trap = wasmtime::Error::from(Trap::UnreachableCodeReached);
    let death = |refusal, stderr: Option<&str>| {
        let stderr = stderr.map(str::to_owned);
        failure(Death::of(&trap, Scene { refusal, stderr, ..scene(&limits) }))
    };
    assert_eq!(
        death(Some(memory), Some("memory allocation of 33554432 bytes failed")),
        pair("memory", "out of memory: 40 MiB in use, 32 MiB more wanted, the limit is 64 MiB")
    );
    let tables = Refusal::Tables { asked: 9, used: 2, limit: 10 };
    assert_eq!(death(Some(tables), None).0, "limit:tables");
    // Refused, and then a panic of another cause.
    let panic = "thread 'main' panicked at a.rs:1:2:\nno\n";
    assert_eq!(
        death(Some(memory), Some(panic)),
        pair("trap:unreachable", "panicked at a.rs:1:2: no")
    );
    assert_eq!(death(None, None), pair("trap:unreachable", "it aborted"));
    // Not an abort: the refusal has nothing to do with it.
    let trap = wasmtime::Error::from(Trap::IntegerDivisionByZero);
    let scene = Scene { refusal: Some(memory), ..scene(&limits) };
    assert_eq!(failure(Death::of(&trap, scene)).0, "trap:integer-divide-by-zero");
}

#[test]
fn limits_that_only_have_words() {
    let words = "too much data is being copied between the host and the guest: fuel";
    let (kind, message) = named(wasmtime::Error::msg(words));
    assert_eq!((kind.as_str(), message.contains("8 MiB")), ("limit:hostcall", true));
    let words = "cannot allocate another handle: store handle limit exceeded";
    assert_eq!(named(wasmtime::Error::msg(words)).0, "limit:handles");
    assert_eq!(named(ResourceTableError::Full).0, "limit:handles");
    let words = "resource limit exceeded: instance count too high at 65";
    assert_eq!(named(wasmtime::Error::msg(words)).0, "limit:instances");
}

#[test]
fn what_is_left_is_the_guests_while_it_runs_and_ours_before() {
    let (kind, message) = named(wasmtime::Error::msg("borrow handles still remain"));
    assert_eq!(kind, "trap:abi");
    assert!(message.ends_with("borrow handles still remain"));

    let limits = Limits::default();
    let unborn = |refusal| {
        let scene = Scene { unborn: true, refusal, ..scene(&limits) };
        Death::of(&wasmtime::Error::msg("memory minimum size exceeds"), scene)
    };
    assert!(matches!(unborn(None), Death::Host(_)));
    let refusal = Refusal::Memory { asked: 9, used: 0, limit: 8 };
    assert_eq!(failure(unborn(Some(refusal))).0, "load");
}

#[test]
fn only_the_guests_own_deaths_count() {
    let pause = Duration::from_secs(5);
    assert_eq!(Death::NoRoom.outcome(pause), (Outcome::HandedBack, None));
    assert_eq!(
        Death::Host("why".into()).outcome(pause),
        (Outcome::Released { delay: pause }, Some("why".into()))
    );
}
