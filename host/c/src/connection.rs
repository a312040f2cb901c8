//! Connections and their queues.

use std::ffi::c_char;
use std::sync::Arc;

use queue::MongoQueue;
use tokio::sync::watch;

use crate::call::{call, wait};
use crate::code::Code;
use crate::input::{Out, text, text_or_none};
use crate::options::{self, Connect};
use crate::table::{self, Connection, Object, Opened};

/// # Safety
/// As the header says of the pointers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mq_connect(
    uri: *const c_char,
    options: *const c_char,
    connection: *mut u64,
) -> i32 {
    call(|| {
        // SAFETY: the caller's promise.
        let (out, uri, options) = unsafe {
            let out = Out::new("connection", connection)?;
            (out, text("uri", uri)?, text_or_none("options", options)?)
        };
        let options: Connect = options::read(options)?;
        let mq = wait(MongoQueue::init(uri, options.into()))?;
        let connection = Connection { mq, stop: watch::Sender::new(false) };
        out.set(table::add(Object::Connection(Arc::new(connection))));
        Ok(Code::Ok)
    })
}

/// # Safety
/// As the header says of the pointers.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn mq_queue(
    connection: u64,
    name: *const c_char,
    queue: *mut u64,
) -> i32 {
    call(|| {
        // SAFETY: the caller's promise.
        let (out, name) = unsafe { (Out::new("queue", queue)?, text("name", name)?) };
        let connection = table::connection(connection)?;
        let queue = connection.mq.queue(name)?;
        out.set(table::add(Object::Queue(Opened { queue, connection })));
        Ok(Code::Ok)
    })
}

#[unsafe(no_mangle)]
pub(crate) extern "C" fn mq_stop(connection: u64) -> i32 {
    call(|| {
        table::connection(connection)?.stop.send_replace(true);
        Ok(Code::Ok)
    })
}
