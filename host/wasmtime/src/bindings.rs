//! What `bindgen!` makes of `wit/`: the traits that the adapter implements, and the handler's
//! export as it is called. Public for hosts that implement or call a part of it themselves.

#[allow(missing_docs, unreachable_pub, reason = "generated: the docs are those of the WIT")]
mod imports {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "mongoqueue:jobs/imports",
        imports: { default: async | trappable },
        with: {
            "mongoqueue:jobs/queue.queue": crate::jobs::BoundQueue,
            "mongoqueue:jobs/queue.put-options": crate::jobs::GuestPutOptions,
            "mongoqueue:jobs/consumer.lease": crate::jobs::HeldLease,
        },
        trappable_error_type: { "mongoqueue:jobs/types.error" => crate::jobs::GuestError },
        require_store_data_send: true,
    });
}

/// The export of a handler.
#[allow(missing_docs, unreachable_pub, reason = "generated: the docs are those of the WIT")]
pub mod exports {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "mongoqueue:jobs/pure-handler",
        exports: { default: async },
        with: { "mongoqueue:jobs/types": super::types },
        require_store_data_send: true,
    });
}

pub use imports::mongoqueue::jobs::{consumer, context, log, queue, types};
