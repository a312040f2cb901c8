//! The core dump of a trap, as bytes for a file.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wasmtime::{Store, WasmCoreDump};

use crate::sandbox::Guest;

/// More memory is not copied. A guest has 64 MiB unless its operator says more.
const MOST_BYTES: usize = 1 << 30;

/// The dump that came with the error, or why there is none.
pub(crate) fn dump(
    store: &mut Store<Guest>,
    error: Option<&wasmtime::Error>,
    name: &str,
) -> Result<Vec<u8>, String> {
    let Some(error) = error else { return Err("there was no trap".to_owned()) };
    let Some(dump) = error.downcast_ref::<WasmCoreDump>() else {
        return Err("it did not trap in its own code".to_owned());
    };
    let bytes: usize = dump.memories().iter().map(|memory| memory.data_size(&*store)).sum();
    if bytes > MOST_BYTES {
        return Err(format!(
            "its memory has {bytes} bytes, the most that is dumped is {MOST_BYTES}"
        ));
    }
    // The serializer indexes by what it finds in the store, and has no error to return.
    let writing = AssertUnwindSafe(|| dump.serialize(&mut *store, name));
    catch_unwind(writing).map_err(|_| "the dump could not be written out".to_owned())
}
