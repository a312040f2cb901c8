//! What stands around each call: the process that it belongs to, panics, the last error, and the
//! runtime that it waits on.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::runtime::Runtime;

use crate::code::{Code, Result, Trouble};

/// The process that made the first call; 0 before it.
static HOME: AtomicU32 = AtomicU32::new(0);
static RUNTIME: OnceLock<Runtime> = OnceLock::new();

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Makes a call, and keeps the words of its trouble for `mq_error`.
pub(crate) fn call(work: impl FnOnce() -> Result<Code>) -> i32 {
    // Before anything else: in a child of fork the locks may be held by threads that are not there.
    let answer = at_home().and_then(|()| {
        catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(&*panic)))
    });
    let (code, message) = match answer {
        Ok(code) => (code, String::new()),
        Err(trouble) => (trouble.code, trouble.message),
    };
    // A thread that is ending keeps no words.
    let _ = LAST.try_with(|last| last.replace(message));
    code as i32
}

/// The words of the last call of this thread; empty where it had no trouble.
pub(crate) fn last() -> String {
    LAST.try_with(|last| last.borrow().clone()).unwrap_or_default()
}

fn at_home() -> Result<()> {
    let here = std::process::id();
    match HOME.compare_exchange(0, here, Ordering::Relaxed, Ordering::Relaxed) {
        Err(home) if home != here => Err(Trouble::new(
            Code::Forked,
            format!(
                "libmongoqueue was first used in process {home}, and this is its child {here}: \
                 a fork has no threads and no connections; call the library after fork, or exec"
            ),
        )),
        _ => Ok(()),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> Trouble {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let text = text.unwrap_or_else(|| "no words".to_owned());
    Trouble::new(Code::Panic, format!("a bug of libmongoqueue, please report it: {text}"))
}

/// The threads that all connections of the process share.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let made = Runtime::new();
    let made = made.map_err(|e| Trouble::new(Code::Refused, format!("starting threads: {e}")))?;
    // Another thread may have been first; then this one is dropped.
    Ok(RUNTIME.get_or_init(|| made))
}

/// Blocks this thread until the work is done.
pub(crate) fn wait<T, E>(work: impl Future<Output = std::result::Result<T, E>>) -> Result<T>
where
    Trouble: From<E>,
{
    Ok(runtime()?.block_on(work)?)
}
