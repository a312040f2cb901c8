//! A wasmtime program whose guest puts jobs: `wasmtime_producer MONGODB_URI producer.wasm`. The
//! guest is a program of WASI that imports `mongoqueue:jobs/queue`; it reads this one's input.

use mongoqueue::MongoQueue;
use mongoqueue_wasmtime::{Grants, JobsCtx, JobsCtxView, JobsView, add_to_linker};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::p2::bindings::Command;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

struct Mine {
    table: ResourceTable,
    wasi: WasiCtx,
    jobs: JobsCtx,
}

impl WasiView for Mine {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl JobsView for Mine {
    fn jobs(&mut self) -> JobsCtxView<'_> {
        JobsCtxView { ctx: self.jobs.clone(), table: &mut self.table }
    }
}

#[tokio::main]
async fn main() -> wasmtime::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [uri, component] = args.as_slice() else {
        wasmtime::bail!("usage: wasmtime_producer MONGODB_URI COMPONENT");
    };
    let mq = MongoQueue::init(uri, Default::default()).await?;
    // The guest opens the queue `mails` under the name `jobs`, and no other.
    let grants = Grants::default().queue("jobs", mq.queue("mails")?);

    let engine = Engine::default();
    let mut linker = Linker::<Mine>::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    add_to_linker(&mut linker)?;

    let jobs = JobsCtx::builder().guest("producer").grants(grants).build();
    let wasi = WasiCtx::builder().inherit_stdio().build();
    let mut store = Store::new(&engine, Mine { table: ResourceTable::new(), wasi, jobs });
    let component = Component::from_file(&engine, component)?;
    let guest = Command::instantiate_async(&mut store, &component, &linker).await?;
    let ended = guest.wasi_cli_run().call_run(&mut store).await?;
    ended.map_err(|()| wasmtime::format_err!("the guest says that it failed"))
}
