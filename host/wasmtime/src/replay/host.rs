//! The adapter's interfaces, each call traced on its way to the adapter itself.

use wasmtime::component::{HasData, Linker, Resource};

use super::rehearsal::Rehearsal;
use crate::bindings::{self, consumer, context, log, queue, types};
use crate::jobs::{BoundQueue, GuestError, GuestPutOptions, HeldLease, JobsCtxView, JobsView};

mod words;

/// The adapter's view, with an eye on it.
pub(crate) struct Traced<'a>(JobsCtxView<'a>);

struct TracedJobs;

impl HasData for TracedJobs {
    type Data<'a> = Traced<'a>;
}

/// Adds what [`crate::add_to_linker`] adds, traced where the context has a [`Rehearsal`] that
/// traces.
pub(crate) fn add_to_linker<T: JobsView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    fn view<T: JobsView>(data: &mut T) -> Traced<'_> {
        Traced(data.jobs())
    }
    bindings::types::add_to_linker::<T, TracedJobs>(linker, view)?;
    bindings::context::add_to_linker::<T, TracedJobs>(linker, view)?;
    bindings::log::add_to_linker::<T, TracedJobs>(linker, view)?;
    bindings::queue::add_to_linker::<T, TracedJobs>(linker, view)?;
    bindings::consumer::add_to_linker::<T, TracedJobs>(linker, view)
}

/// A call on its way; one that is cut off stays without an answer.
struct Call(Option<(Rehearsal, u64)>);

impl Call {
    fn end(self, answer: impl FnOnce() -> String) {
        if let Self(Some((rehearsal, number))) = self {
            rehearsal.end(number, &answer());
        }
    }
}

impl Traced<'_> {
    fn begin(&self, name: &'static str, arguments: impl FnOnce() -> String) -> Call {
        let rehearsal = self.0.ctx.rehearsal();
        let begun = rehearsal.and_then(|it| Some((it.clone(), it.begin(name, arguments)?)));
        Call(begun)
    }
}

impl types::Host for Traced<'_> {
    fn convert_error(&mut self, error: GuestError) -> wasmtime::Result<types::Error> {
        self.0.convert_error(error)
    }
}

impl context::Host for Traced<'_> {
    async fn report(&mut self, progress: types::Progress) -> Result<(), GuestError> {
        let call = self.begin("context.report", || words::progress(&progress));
        let answer = context::Host::report(&mut self.0, progress).await;
        call.end(|| words::done(&answer));
        answer
    }

    async fn save(&mut self, state: types::Payload) -> Result<(), GuestError> {
        let call = self.begin("context.save", || words::payload(&state));
        let answer = self.0.save(state).await;
        call.end(|| words::done(&answer));
        answer
    }

    async fn saved(&mut self) -> Result<Option<types::Payload>, GuestError> {
        let call = self.begin("context.saved", String::new);
        let answer = self.0.saved().await;
        call.end(|| words::told(&answer, |it| words::optional(it.as_ref())));
        answer
    }

    async fn heartbeat(&mut self) -> Result<(), GuestError> {
        let call = self.begin("context.heartbeat", String::new);
        let answer = self.0.heartbeat().await;
        call.end(|| words::done(&answer));
        answer
    }

    async fn remaining(&mut self) -> wasmtime::Result<u64> {
        let call = self.begin("context.remaining", String::new);
        let answer = self.0.remaining().await;
        call.end(|| words::plain(&answer, |it| format!("{it} ms")));
        answer
    }

    async fn is_cancelled(&mut self) -> wasmtime::Result<bool> {
        let call = self.begin("context.is-cancelled", String::new);
        let answer = self.0.is_cancelled().await;
        call.end(|| words::plain(&answer, |it| it.to_string()));
        answer
    }
}

impl log::Host for Traced<'_> {
    async fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let call = self.begin("log.write", || words::log(level, &message));
        let answer = self.0.write(level, message).await;
        call.end(|| words::plain(&answer, words::ok));
        answer
    }
}

impl queue::Host for Traced<'_> {}

impl queue::HostQueue for Traced<'_> {
    async fn open(&mut self, name: String) -> Result<Resource<BoundQueue>, GuestError> {
        let call = self.begin("queue.open", || words::text(&name));
        let answer = self.0.open(name).await;
        call.end(|| words::told(&answer, words::handle));
        answer
    }

    async fn put(
        &mut self,
        this: Resource<BoundQueue>,
        payload: types::Payload,
        options: Option<Resource<GuestPutOptions>>,
    ) -> Result<String, GuestError> {
        let call = self.begin("queue.put", || words::put(&this, &payload));
        let answer = self.0.put(this, payload, options).await;
        call.end(|| words::told(&answer, |it| it.clone()));
        answer
    }

    async fn put_many(
        &mut self,
        this: Resource<BoundQueue>,
        payloads: Vec<types::Payload>,
        options: Option<Resource<GuestPutOptions>>,
    ) -> Result<Vec<Result<String, types::Error>>, GuestError> {
        let call = self.begin("queue.put-many", || words::put_many(&this, &payloads));
        let answer = self.0.put_many(this, payloads, options).await;
        call.end(|| words::told(&answer, |it| words::answers(it)));
        answer
    }

    async fn get(
        &mut self,
        this: Resource<BoundQueue>,
        id: String,
    ) -> Result<queue::JobInfo, GuestError> {
        let call = self.begin("queue.get", || words::of(&this, &id));
        let answer = self.0.get(this, id).await;
        call.end(|| words::told(&answer, words::info));
        answer
    }

    async fn cancel(
        &mut self,
        this: Resource<BoundQueue>,
        id: String,
    ) -> Result<types::Status, GuestError> {
        let call = self.begin("queue.cancel", || words::of(&this, &id));
        let answer = self.0.cancel(this, id).await;
        call.end(|| words::told(&answer, |it| format!("{it:?}")));
        answer
    }

    async fn stats(&mut self, this: Resource<BoundQueue>) -> Result<queue::Stats, GuestError> {
        let call = self.begin("queue.stats", || words::handle(&this));
        let answer = self.0.stats(this).await;
        call.end(|| words::told(&answer, words::stats));
        answer
    }

    async fn drop(&mut self, this: Resource<BoundQueue>) -> wasmtime::Result<()> {
        let call = self.begin("queue.drop", || words::handle(&this));
        let answer = queue::HostQueue::drop(&mut self.0, this).await;
        call.end(|| words::plain(&answer, words::ok));
        answer
    }
}

impl queue::HostPutOptions for Traced<'_> {
    async fn new(&mut self) -> wasmtime::Result<Resource<GuestPutOptions>> {
        let call = self.begin("put-options.new", String::new);
        let answer = self.0.new().await;
        call.end(|| words::plain(&answer, words::handle));
        answer
    }

    async fn priority(
        &mut self,
        this: Resource<GuestPutOptions>,
        priority: i32,
    ) -> Result<(), GuestError> {
        let call = self.begin("put-options.priority", || words::of(&this, &priority.to_string()));
        let answer = self.0.priority(this, priority).await;
        call.end(|| words::done(&answer));
        answer
    }

    async fn delay(
        &mut self,
        this: Resource<GuestPutOptions>,
        delay: u64,
    ) -> Result<(), GuestError> {
        let call = self.begin("put-options.delay", || words::of(&this, &delay.to_string()));
        let answer = self.0.delay(this, delay).await;
        call.end(|| words::done(&answer));
        answer
    }

    async fn due(&mut self, this: Resource<GuestPutOptions>, at: u64) -> Result<(), GuestError> {
        let call = self.begin("put-options.due", || words::of(&this, &at.to_string()));
        let answer = self.0.due(this, at).await;
        call.end(|| words::done(&answer));
        answer
    }

    async fn unique_key(
        &mut self,
        this: Resource<GuestPutOptions>,
        key: String,
    ) -> Result<(), GuestError> {
        let call = self.begin("put-options.unique-key", || words::of(&this, &key));
        let answer = self.0.unique_key(this, key).await;
        call.end(|| words::done(&answer));
        answer
    }

    async fn max_attempts(
        &mut self,
        this: Resource<GuestPutOptions>,
        attempts: u32,
    ) -> Result<(), GuestError> {
        let call =
            self.begin("put-options.max-attempts", || words::of(&this, &attempts.to_string()));
        let answer = self.0.max_attempts(this, attempts).await;
        call.end(|| words::done(&answer));
        answer
    }

    async fn timeout(
        &mut self,
        this: Resource<GuestPutOptions>,
        timeout: u64,
    ) -> Result<(), GuestError> {
        let call = self.begin("put-options.timeout", || words::of(&this, &timeout.to_string()));
        let answer = self.0.timeout(this, timeout).await;
        call.end(|| words::done(&answer));
        answer
    }

    async fn backoff(
        &mut self,
        this: Resource<GuestPutOptions>,
        first: u64,
        max: u64,
    ) -> Result<(), GuestError> {
        let call =
            self.begin("put-options.backoff", || words::of(&this, &format!("{first} {max}")));
        let answer = self.0.backoff(this, first, max).await;
        call.end(|| words::done(&answer));
        answer
    }

    async fn header(
        &mut self,
        this: Resource<GuestPutOptions>,
        name: String,
        value: String,
    ) -> Result<(), GuestError> {
        let call =
            self.begin("put-options.header", || words::of(&this, &format!("{name} {value}")));
        let answer = self.0.header(this, name, value).await;
        call.end(|| words::done(&answer));
        answer
    }

    async fn drop(&mut self, this: Resource<GuestPutOptions>) -> wasmtime::Result<()> {
        let call = self.begin("put-options.drop", || words::handle(&this));
        let answer = queue::HostPutOptions::drop(&mut self.0, this).await;
        call.end(|| words::plain(&answer, words::ok));
        answer
    }
}

impl consumer::Host for Traced<'_> {
    async fn next(
        &mut self,
        queue: Resource<BoundQueue>,
        lease: u64,
        wait: u64,
    ) -> Result<Option<Resource<HeldLease>>, GuestError> {
        let call = self.begin("consumer.next", || {
            words::of(&queue, &format!("lease {lease} ms, wait {wait} ms"))
        });
        let answer = self.0.next(queue, lease, wait).await;
        call.end(|| words::told(&answer, |it| words::optional_handle(it.as_ref())));
        answer
    }
}

/// No lease is ever handed out here, so none of these is called with one: the adapter refuses what
/// a guest makes up.
impl consumer::HostLease for Traced<'_> {
    async fn job(&mut self, this: Resource<HeldLease>) -> wasmtime::Result<types::Job> {
        self.0.job(this).await
    }

    async fn report(
        &mut self,
        this: Resource<HeldLease>,
        progress: types::Progress,
    ) -> Result<(), GuestError> {
        consumer::HostLease::report(&mut self.0, this, progress).await
    }

    async fn extend(&mut self, this: Resource<HeldLease>, by: u64) -> Result<(), GuestError> {
        self.0.extend(this, by).await
    }

    async fn complete(
        &mut self,
        this: Resource<HeldLease>,
        output: Option<types::Payload>,
    ) -> Result<(), GuestError> {
        self.0.complete(this, output).await
    }

    async fn fail(
        &mut self,
        this: Resource<HeldLease>,
        failure: types::Failure,
    ) -> Result<(), GuestError> {
        self.0.fail(this, failure).await
    }

    async fn release(&mut self, this: Resource<HeldLease>, delay: u64) -> Result<(), GuestError> {
        self.0.release(this, delay).await
    }

    async fn drop(&mut self, this: Resource<HeldLease>) -> wasmtime::Result<()> {
        consumer::HostLease::drop(&mut self.0, this).await
    }
}
