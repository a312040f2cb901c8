//! Handles: numbers in a table, never given twice. One that is closed, or was never there, is an
//! error and no access to memory.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use queue::{Lease, MongoQueue, Queue};
use tokio::sync::watch;

use crate::call;
use crate::code::{Code, Result, Trouble};

/// A connection, and how its runs are told to stop.
pub(crate) struct Connection {
    pub(crate) mq: MongoQueue,
    pub(crate) stop: watch::Sender<bool>,
}

/// A queue of a connection.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) queue: Queue,
    pub(crate) connection: Arc<Connection>,
}

/// A claimed job; nothing once it is settled.
pub(crate) type Held = Arc<tokio::sync::Mutex<Option<Lease>>>;

pub(crate) enum Object {
    Connection(Arc<Connection>),
    Queue(Opened),
    Lease(Held),
    Result(Arc<[u8]>),
}

impl Object {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Connection(_) => "a connection",
            Self::Queue(_) => "a queue",
            Self::Lease(_) => "a lease",
            Self::Result(_) => "a result",
        }
    }
}

#[derive(Default)]
struct Table {
    last: u64,
    objects: HashMap<u64, Object>,
}

static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A new handle.
pub(crate) fn add(object: Object) -> u64 {
    let mut table = table();
    table.last += 1;
    let handle = table.last;
    table.objects.insert(handle, object);
    handle
}

fn find<T>(
    handle: u64,
    wanted: &'static str,
    of_kind: impl FnOnce(&Object) -> Option<T>,
) -> Result<T> {
    let table = table();
    let object = table.objects.get(&handle).ok_or_else(|| stale(handle, table.last))?;
    of_kind(object).ok_or_else(|| {
        let message = format!("handle {handle} is {}, {wanted} is needed here", object.kind());
        Trouble::new(Code::Kind, message)
    })
}

pub(crate) fn connection(handle: u64) -> Result<Arc<Connection>> {
    find(handle, "a connection", |object| match object {
        Object::Connection(connection) => Some(connection.clone()),
        _ => None,
    })
}

pub(crate) fn queue(handle: u64) -> Result<Opened> {
    find(handle, "a queue", |object| match object {
        Object::Queue(queue) => Some(queue.clone()),
        _ => None,
    })
}

pub(crate) fn lease(handle: u64) -> Result<Held> {
    find(handle, "a lease", |object| match object {
        Object::Lease(lease) => Some(lease.clone()),
        _ => None,
    })
}

pub(crate) fn result(handle: u64) -> Result<Arc<[u8]>> {
    find(handle, "a result", |object| match object {
        Object::Result(bytes) => Some(bytes.clone()),
        _ => None,
    })
}

/// Takes a handle out of the table, and ends what it stands for.
pub(crate) fn close(handle: u64) -> Result<()> {
    let object = {
        let mut table = table();
        let last = table.last;
        table.objects.remove(&handle).ok_or_else(|| stale(handle, last))?
    };
    if let Object::Connection(connection) = &object {
        connection.stop.send_replace(true);
    }
    // A lease that is dropped goes back by a task of the runtime.
    let _in_runtime = call::runtime()?.enter();
    drop(object);
    Ok(())
}

pub(crate) fn stale(handle: u64, last: u64) -> Trouble {
    let why = match handle {
        0 => "handle 0 is none: the call that should have made it failed".to_owned(),
        _ if handle <= last => format!("handle {handle} is closed or its lease is settled already"),
        _ => format!("handle {handle} was never given"),
    };
    Trouble::new(Code::Handle, why)
}
