//! The sandbox without a single cap: what anybody gets from wasmtime in thirty lines. Beside it the
//! sandbox shows what its caps, its log and its judgement cost.

use mongoqueue::{Attempt, BoxError, Handler, from_fn};
use mongoqueue_wasmtime::bindings::exports::PureHandlerPre;
use mongoqueue_wasmtime::bindings::types;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// What an instance needs that may do anything.
struct Bare {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Bare {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// The same guest as the sandbox's, in a fresh instance for each job.
pub(crate) fn handler(guest: &[u8]) -> wasmtime::Result<impl Handler + use<>> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(256)
        .total_core_instances(1_024)
        .total_memories(256)
        .total_tables(1_024)
        .total_stacks(256)
        .max_memory_size(64 << 20)
        .linear_memory_keep_resident(256 << 10)
        .table_keep_resident(256 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config.concurrency_support(false);
    let engine = Engine::new(&config)?;
    let component = Component::new(&engine, guest)?;
    let mut linker = Linker::<Bare>::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    let pre = PureHandlerPre::new(linker.instantiate_pre(&component)?)?;
    Ok(from_fn(move |attempt: Attempt| {
        let (engine, pre) = (engine.clone(), pre.clone());
        async move {
            match run(&engine, &pre, &attempt).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(failure)) => Err(BoxError::from(failure.message)),
                Err(error) => Err(BoxError::from(format!("{error:#}"))),
            }
        }
    }))
}

async fn run(
    engine: &Engine,
    pre: &PureHandlerPre<Bare>,
    attempt: &Attempt,
) -> wasmtime::Result<Result<Option<types::Payload>, types::Failure>> {
    let bare = Bare { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
    let mut store = Store::new(engine, bare);
    let job = attempt.job();
    let (content_type, data) = job.payload.to_wire();
    let job = types::Job {
        id: job.id.to_string(),
        queue: job.queue.clone(),
        payload: types::Payload { content_type, data },
        headers: Vec::new(),
        attempt: job.attempt(),
        max_attempts: job.max_attempts,
        created_at: 0,
    };
    let instance = pre.instantiate_async(&mut store).await?;
    instance.mongoqueue_jobs_handler().call_handle(&mut store, &job).await
}
