//! A store's data: all that one guest has, and the imports that it has it through.

use std::time::{Duration, Instant};

use bytes::Bytes;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime::{Engine, ResourceLimiter};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::p2::{self, bindings as wasi};
use wasmtime_wasi::random::{WasiRandom, WasiRandomView};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_config::{WasiConfig, WasiConfigVariables};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use super::chance::{self, Chance};
use super::engine::TICK;
use super::meter::{Meter, Refusal};
use super::output::Output;
use crate::jobs::{self, JobsCtx, JobsCtxView, JobsView};
use crate::log::Source;
use crate::powers::Http;
use crate::replay;

/// The host's reason to stop a guest that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cut {
    #[error("the time for this attempt is over")]
    Deadline,
    #[error("the lease is lost")]
    LeaseLost,
    #[error("it has computed for too long")]
    Cpu,
    #[error("it has taken too many random bytes")]
    Random,
}

/// What a program is started with. A handler has its job instead.
#[derive(Clone, Default)]
pub(crate) struct Input {
    pub(crate) args: Vec<String>,
    pub(crate) stdin: Bytes,
}

pub(crate) struct Guest {
    table: ResourceTable,
    jobs: JobsCtx,
    input: Input,
    // Made when it is first asked for, as many guests ask for neither.
    wasi: Option<WasiCtx>,
    http: Option<Http>,
    config: WasiConfigVariables,
    meter: Meter,
    // `None` is later than any clock goes.
    deadline: Option<Instant>,
    /// How long it may still compute.
    cpu: Duration,
    /// Random bytes that it may still take.
    random: u64,
    /// Ticks of the engine's clock that found it computing.
    ticks: u32,
}

impl Guest {
    /// # Errors
    /// Where something that it is granted isn't there.
    pub(super) fn new(
        jobs: JobsCtx,
        deadline: Option<Instant>,
        input: &Input,
    ) -> wasmtime::Result<Self> {
        let (limits, powers) = (jobs.limits(), jobs.grants().powers());
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles);
        // What may be missing is looked for before the guest begins.
        let wasi = match powers.folders.is_empty() {
            true => None,
            false => {
                let mut wasi = wasi_of(&jobs, input);
                powers.open(&mut wasi)?;
                Some(wasi.build())
            }
        };
        let (meter, cpu, config) = (Meter::new(limits), limits.cpu, powers.variables());
        let (input, http, ticks) = (input.clone(), None, 0);
        let random = limits.random_bytes as u64;
        Ok(Self { table, jobs, input, wasi, http, config, meter, deadline, cpu, random, ticks })
    }

    pub(super) fn meter(&mut self) -> &mut dyn ResourceLimiter {
        &mut self.meter
    }

    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.meter.refusal()
    }

    pub(super) fn chance(&mut self) -> Chance<'_> {
        let wasi = made(&mut self.wasi, &self.jobs, &self.input);
        Chance { source: wasi.random(), left: &mut self.random }
    }

    /// How long it has computed, to the precision of the clock.
    pub(crate) fn computed(&self) -> Duration {
        TICK.saturating_mul(self.ticks)
    }

    /// Bytes of all its memories together, when they were largest.
    pub(crate) fn memory(&self) -> usize {
        self.meter.memory()
    }

    /// Asked at each tick of the engine's clock while the guest computes.
    pub(super) fn tick(&mut self) -> Result<(), Cut> {
        self.ticks = self.ticks.saturating_add(1);
        if self.jobs.current_attempt().is_some_and(|attempt| attempt.is_lost()) {
            return Err(Cut::LeaseLost);
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Cut::Deadline);
        }
        self.cpu = self.cpu.checked_sub(TICK).ok_or(Cut::Cpu)?;
        Ok(())
    }
}

impl JobsView for Guest {
    fn jobs(&mut self) -> JobsCtxView<'_> {
        JobsCtxView { ctx: self.jobs.clone(), table: &mut self.table }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let ctx = made(&mut self.wasi, &self.jobs, &self.input);
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl WasiHttpView for Guest {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let jobs = &self.jobs;
        let http = self.http.get_or_insert_with(|| {
            Http::new(jobs.grants().powers().clone(), jobs.log().clone(), jobs.limits())
        });
        http.view(&mut self.table)
    }
}

/// The guest's WASI, which is made now if it is asked for the first time.
fn made<'a>(wasi: &'a mut Option<WasiCtx>, jobs: &JobsCtx, input: &Input) -> &'a mut WasiCtx {
    wasi.get_or_insert_with(|| wasi_of(jobs, input).build())
}

/// WASI for one guest, all but its folders.
fn wasi_of(jobs: &JobsCtx, input: &Input) -> WasiCtxBuilder {
    let (log, limits) = (jobs.log(), jobs.limits());
    let mut wasi = WasiCtx::builder();
    wasi.stdout(Output::new(log.clone(), Source::Stdout))
        .stderr(Output::new(log.clone(), Source::Stderr))
        .args(&input.args)
        .max_random_size(limits.random_bytes as u64)
        // The interfaces are there, and every attempt to use them is denied.
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false);
    if !input.stdin.is_empty() {
        wasi.stdin(MemoryInputPipe::new(input.stdin.clone()));
    }
    jobs.grants().powers().clocks(&mut wasi);
    wasi
}

/// All that a component can import. Of WASI: a clock, chance, stdio into the job's log, and what
/// every language's library asks for and finds empty: arguments, environment, files; and sockets,
/// which are denied.
pub(super) fn linker(engine: &Engine, for_replay: bool) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    let l = &mut linker;
    match for_replay {
        true => replay::add_to_linker(l)?,
        false => jobs::add_to_linker(l)?,
    }
    // Streams, polls, clocks, randomness, stdio.
    p2::add_to_linker_proxy_interfaces_async(l)?;
    wasi::random::insecure_seed::add_to_linker::<Guest, WasiRandom>(l, Guest::random)?;
    wasi::cli::exit::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    wasi::cli::environment::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    wasi::cli::terminal_input::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    wasi::cli::terminal_output::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    wasi::cli::terminal_stdin::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    wasi::cli::terminal_stdout::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    wasi::cli::terminal_stderr::add_to_linker::<Guest, WasiCli>(l, Guest::cli)?;
    wasi::filesystem::preopens::add_to_linker::<Guest, WasiFilesystem>(l, Guest::filesystem)?;
    wasi::filesystem::types::add_to_linker::<Guest, WasiFilesystem>(l, Guest::filesystem)?;
    sockets(l)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(l)?;
    wasmtime_wasi_config::add_to_linker(l, |guest| WasiConfig::new(&guest.config))?;
    chance::add_to_linker(l)?;
    Ok(linker)
}

fn sockets(l: &mut Linker<Guest>) -> wasmtime::Result<()> {
    use wasi::sockets::{instance_network, ip_name_lookup, network, tcp_create_socket};
    use wasi::sockets::{tcp, udp, udp_create_socket};
    let options = network::LinkOptions::default();
    network::add_to_linker::<Guest, WasiSockets>(l, &options, Guest::sockets)?;
    instance_network::add_to_linker::<Guest, WasiSockets>(l, Guest::sockets)?;
    ip_name_lookup::add_to_linker::<Guest, WasiSockets>(l, Guest::sockets)?;
    tcp::add_to_linker::<Guest, WasiSockets>(l, Guest::sockets)?;
    tcp_create_socket::add_to_linker::<Guest, WasiSockets>(l, Guest::sockets)?;
    udp::add_to_linker::<Guest, WasiSockets>(l, Guest::sockets)?;
    udp_create_socket::add_to_linker::<Guest, WasiSockets>(l, Guest::sockets)
}
