//! The adapter in a host that has a store type, limits and runtime settings already:
//! `wasmtime_host MONGODB_URI handler.wasm`. It pulls the jobs of the queue `work` one by one, and
//! calls the handler in a store of its own, which has fuel and a bound on its memory.
#![expect(clippy::print_stdout, reason = "an example tells what it did")]

use mongoqueue::{Attempt, Failure, Lease, MongoQueue, NextOptions, Payload};
use mongoqueue_wasmtime::bindings::exports::{PureHandler, PureHandlerPre};
use mongoqueue_wasmtime::bindings::types::{self, Disposition};
use mongoqueue_wasmtime::{Grants, JobsCtx, JobsCtxView, Limits, add_to_linker_with};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// What this host gives a guest: 16 MiB, and so much fuel, about as many instructions.
const MEMORY: usize = 16 << 20;
const FUEL: u64 = 200_000_000;
/// After so many the guest lets others run.
const SLICE: u64 = 1_000_000;

/// The store's data as this host had it before; the queue is one part of its services.
struct Tenant {
    table: ResourceTable,
    wasi: WasiCtx,
    limits: StoreLimits,
    services: Services,
}

struct Services {
    jobs: JobsCtx,
}

impl WasiView for Tenant {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

fn jobs_of(tenant: &mut Tenant) -> JobsCtxView<'_> {
    JobsCtxView { ctx: tenant.services.jobs.clone(), table: &mut tenant.table }
}

struct Host {
    engine: Engine,
    handler: PureHandlerPre<Tenant>,
}

impl Host {
    fn new(component: &str) -> wasmtime::Result<Self> {
        let mut config = Config::new();
        config.consume_fuel(true).max_wasm_stack(256 << 10);
        let engine = Engine::new(&config)?;
        let mut linker = Linker::<Tenant>::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        // A function in place of the trait: the store's type may be somebody else's.
        add_to_linker_with(&mut linker, jobs_of)?;
        let component = Component::from_file(&engine, component)?;
        let handler = PureHandlerPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, handler })
    }

    fn store(&self, attempt: &Attempt) -> wasmtime::Result<Store<Tenant>> {
        // The adapter's own limits: of puts, payloads, log, leases and rates.
        let limits = Limits { puts: 10, ..Limits::default() };
        let jobs = JobsCtx::builder()
            .guest("handler")
            .grants(Grants::default())
            .attempt(attempt.clone())
            .limits(limits)
            .build();
        let tenant = Tenant {
            table: ResourceTable::new(),
            wasi: WasiCtx::builder().build(),
            limits: StoreLimitsBuilder::new().memory_size(MEMORY).build(),
            services: Services { jobs },
        };
        let mut store = Store::new(&self.engine, tenant);
        store.limiter(|tenant| &mut tenant.limits);
        store.set_fuel(FUEL)?;
        store.fuel_async_yield_interval(Some(SLICE))?;
        Ok(store)
    }

    /// The guest's answer; the error is that of a guest that gave none.
    async fn call(
        &self,
        attempt: &Attempt,
    ) -> wasmtime::Result<Result<Option<types::Payload>, types::Failure>> {
        let mut store = self.store(attempt)?;
        let guest: PureHandler = self.handler.instantiate_async(&mut store).await?;
        let job = to_guest(attempt);
        guest.mongoqueue_jobs_handler().call_handle(&mut store, &job).await
    }

    async fn work(&self, lease: Lease) -> wasmtime::Result<()> {
        let id = lease.job().id.clone();
        let called = tokio::time::timeout(lease.attempt().remaining(), self.call(lease.attempt()));
        let state = match called.await {
            Ok(Ok(Ok(output))) => {
                let output = output.map(|it| Payload::from_wire(&it.content_type, it.data));
                lease.complete(output.transpose()?).await?;
                "completed"
            }
            Ok(Ok(Err(failure))) => lease.error(from_guest(failure)).await?.name(),
            Ok(Err(trap)) => {
                lease.error(Failure::of_kind("trap", format!("{trap:#}"))).await?.name()
            }
            Err(_) => lease.error(Failure::of_kind("timeout", "out of time")).await?.name(),
        };
        println!("{id} {state}");
        Ok(())
    }
}

fn to_guest(attempt: &Attempt) -> types::Job {
    let job = attempt.job();
    let (content_type, data) = job.payload.to_wire();
    types::Job {
        id: job.id.to_string(),
        queue: job.queue.clone(),
        payload: types::Payload { content_type, data },
        headers: job.headers.clone(),
        attempt: job.attempt(),
        max_attempts: job.max_attempts,
        created_at: u64::try_from(job.created_at.timestamp_millis()).unwrap_or(0),
    }
}

fn from_guest(failure: types::Failure) -> Failure {
    let mut ours = Failure::new(failure.message);
    ours.code = failure.code;
    match failure.disposition {
        Disposition::Reject => ours.reject(),
        // This host knows no other wishes.
        _ => ours,
    }
}

#[tokio::main]
async fn main() -> wasmtime::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [uri, component] = args.as_slice() else {
        wasmtime::bail!("usage: wasmtime_host MONGODB_URI COMPONENT");
    };
    let work = MongoQueue::init(uri, Default::default()).await?.queue("work")?;
    let host = Host::new(component)?;
    while let Some(lease) = work.next(&NextOptions::default()).await? {
        host.work(lease).await?;
    }
    Ok(())
}
