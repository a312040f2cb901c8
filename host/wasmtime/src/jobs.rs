//! The adapter: `mongoqueue:jobs` for any wasmtime program.
//!
//! Five pieces: the [bindings](crate::bindings), a context ([`JobsCtx`]), a view of it in the
//! store ([`JobsView`]), the `Host` implementations, and [`add_to_linker`].

use wasmtime::component::{HasData, Linker, ResourceTable};

use crate::bindings;

mod consumer;
mod context;
mod ctx;
mod error;
mod grants;
mod log;
mod notes;
mod pace;
mod put_options;
mod queue;
mod rates;
mod translate;

pub use consumer::HeldLease;
pub(crate) use consumer::failure_from_guest;
pub use ctx::{JobsCtx, JobsCtxBuilder};
pub use error::GuestError;
pub use grants::Grants;
pub use put_options::GuestPutOptions;
pub use queue::BoundQueue;
pub(crate) use translate::{check_content_type, job};

/// What the `Host` implementations work on.
pub struct JobsCtxView<'a> {
    /// Cheap to clone, so a getter can hand out a clone of one that it keeps anywhere.
    pub ctx: JobsCtx,
    /// The store's resources.
    pub table: &'a mut ResourceTable,
}

/// A store's data that has a [`JobsCtx`].
pub trait JobsView: Send {
    /// The context and the resource table.
    fn jobs(&mut self) -> JobsCtxView<'_>;
}

/// Marks the adapter for wasmtime's bindings: pass it as `D` to a single interface's
/// `add_to_linker` in [`bindings`](crate::bindings).
pub struct Jobs;

impl HasData for Jobs {
    type Data<'a> = JobsCtxView<'a>;
}

/// Adds every import of the package to a linker.
///
/// ```
/// use mongoqueue_wasmtime::{JobsCtx, JobsCtxView, JobsView, add_to_linker};
/// use wasmtime::component::{Linker, ResourceTable};
///
/// struct Mine {
///     jobs: JobsCtx,
///     table: ResourceTable,
/// }
///
/// impl JobsView for Mine {
///     fn jobs(&mut self) -> JobsCtxView<'_> {
///         JobsCtxView { ctx: self.jobs.clone(), table: &mut self.table }
///     }
/// }
///
/// let mut linker = Linker::<Mine>::new(&wasmtime::Engine::default());
/// add_to_linker(&mut linker)?;
/// # Ok::<(), wasmtime::Error>(())
/// ```
///
/// # Errors
/// Where the linker has one of the interfaces already.
pub fn add_to_linker<T: JobsView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    add_to_linker_with(linker, T::jobs)
}

/// The same for a store whose data is a stranger's: `view` finds the context in it.
///
/// # Errors
/// Where the linker has one of the interfaces already.
pub fn add_to_linker_with<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> JobsCtxView<'_>,
) -> wasmtime::Result<()> {
    bindings::types::add_to_linker::<T, Jobs>(linker, view)?;
    bindings::context::add_to_linker::<T, Jobs>(linker, view)?;
    bindings::log::add_to_linker::<T, Jobs>(linker, view)?;
    bindings::queue::add_to_linker::<T, Jobs>(linker, view)?;
    bindings::consumer::add_to_linker::<T, Jobs>(linker, view)
}
