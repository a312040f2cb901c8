//! The engine's settings: what guests may be made of, how their memory is kept, and its clock.

use std::num::NonZeroUsize;
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use super::Limits;

/// Address space for more is beyond what 47 bits have room for.
pub(super) const MOST_INSTANCES: u32 = 4_000;

/// How often a running guest looks up: whether it is to stop, whether others want to run.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// A panic's own machinery takes about ten frames; what follows is the guest's.
const BACKTRACE_FRAMES: Option<NonZeroUsize> = NonZeroUsize::new(40);

/// Resident bytes that a slot keeps when its guest is gone: clearing them is cheaper than having
/// the kernel take the pages and give them back. Where the kernel tells which pages a guest wrote
/// (Linux 6.7), only those are cleared, and a small guest writes less than this; where it doesn't,
/// all of it is. A hundred slots kept warm come to 25 MiB at the most.
fn keep_resident() -> usize {
    if PoolingAllocationConfig::is_pagemap_scan_available() { 256 << 10 } else { 64 << 10 }
}

/// An engine, and how many guests' memory it keeps ready. Tries fewer where the machine (a limit
/// on address space, a small container) has no room for all; none in the end.
/// With `coredumps` a trap leaves one, which costs a walk over the stack and the store's parts.
pub(super) fn make(
    limits: &Limits,
    instances: u32,
    coredumps: bool,
) -> wasmtime::Result<(Engine, u32)> {
    let engine = |mut config: Config| Engine::new(config.coredump_on_trap(coredumps));
    let mut pooled = instances;
    while pooled > 0 {
        if let Ok(engine) = engine(pooled_config(limits, pooled)) {
            return Ok((engine, pooled));
        }
        // Below eight a pool makes more jobs wait than it saves.
        pooled = if pooled > 8 { (pooled / 4).max(8) } else { 0 };
    }
    Ok((engine(on_demand_config(limits))?, 0))
}

/// A component may have this many memories and tables; one that has more than a share of them
/// takes several slots ([`weight`]).
const MEMORIES: u32 = 8;
const TABLES: u32 = 32;
/// What the pool has for each slot. Most components have one memory and one or two tables;
/// interpreters in components are made of many small core instances (Python: 39).
const MEMORIES_EACH: u32 = 3;
const TABLES_EACH: u32 = 4;
const CORE_INSTANCES_EACH: u32 = 40;

/// The slots that an instance of the component takes.
pub(crate) fn weight(component: &Component) -> u32 {
    let Some(needed) = component.resources_required() else { return 1 };
    let memories = needed.num_memories.div_ceil(MEMORIES_EACH);
    let tables = needed.num_tables.div_ceil(TABLES_EACH);
    memories.max(tables).max(1)
}

fn pooled_config(limits: &Limits, instances: u32) -> Config {
    let core_instances = u32::try_from(limits.instances).unwrap_or(u32::MAX);
    let share = |each: u32| instances.saturating_mul(each);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        // However few slots: the largest component that is allowed has to fit.
        .total_core_instances(share(CORE_INSTANCES_EACH).max(core_instances))
        .total_memories(share(MEMORIES_EACH).max(MEMORIES))
        .total_tables(share(TABLES_EACH).max(TABLES))
        .total_stacks(instances)
        .max_core_instances_per_component(core_instances)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memories_per_module(1)
        .max_tables_per_module(1)
        .table_elements(limits.table_elements)
        .max_memory_size(limits.memory)
        .linear_memory_keep_resident(keep_resident())
        .table_keep_resident(keep_resident())
        .pagemap_scan(Enabled::Auto)
        .max_unused_warm_slots(100);
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

fn on_demand_config(limits: &Limits) -> Config {
    compiling_config(Some(limits.memory as u64))
}

/// For an engine that compiles what another one runs, and reserves no address space itself: where
/// that one has no pool, for memories of so many bytes.
pub(crate) fn compiling_config(memory: Option<u64>) -> Config {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    if let Some(memory) = memory {
        config
            // Address space is short there, or there would be a pool.
            .memory_reservation(memory)
            .memory_reservation_for_growth(0)
            .memory_guard_size(64 << 10);
    }
    config
}

/// What every engine has. Multi-memory stays on: without it the compiler panics on components
/// that are composed of several (wasmtime 48).
fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // Said here, as the default asks the environment.
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .wasm_backtrace_max_frames(BACKTRACE_FRAMES)
        // The contract has no async functions; without them stores are smaller.
        .concurrency_support(false)
        // No handler's toolchain needs these, and what is off can't be attacked.
        .wasm_memory64(false)
        .wasm_tail_call(false)
        .wasm_relaxed_simd(false);
    config
}

/// Moves the engine's clock until the engine is gone.
pub(super) fn tick(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    let clock = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new().name("mongoqueue-epoch".into()).spawn(clock).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_keep_memory_work() -> wasmtime::Result<()> {
        let limits = Limits::default();
        let (_, pooled) = make(&limits, 8, false)?;
        assert!(pooled == 8 || pooled == 0);
        Engine::new(&on_demand_config(&limits))?;
        Ok(())
    }

    #[test]
    fn code_of_a_compiling_engine_runs_in_those_that_it_compiles_for() -> wasmtime::Result<()> {
        const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";
        let limits = Limits::default();
        let (pooled, kept) = make(&limits, 8, false)?;
        let on_demand = Engine::new(&on_demand_config(&limits))?;
        let memory = limits.memory as u64;
        for (engine, memory) in [(pooled, (kept == 0).then_some(memory)), (on_demand, Some(memory))]
        {
            let compiling = Engine::new(&compiling_config(memory))?;
            let hash = |engine: &Engine| {
                let mut hasher = std::hash::DefaultHasher::new();
                std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hasher);
                std::hash::Hasher::finish(&hasher)
            };
            assert_eq!(hash(&compiling), hash(&engine), "{memory:?}");
            assert!(compiling.precompile_component(EMPTY).is_ok());
        }
        Ok(())
    }

    #[test]
    fn the_clock_ends_with_its_engine() -> wasmtime::Result<()> {
        let engine = Engine::new(&on_demand_config(&Limits::default()))?;
        let weak = engine.weak();
        tick(&engine)?;
        drop(engine);
        // The thread may hold it for the moment of a tick.
        while weak.upgrade().is_some() {
            std::thread::yield_now();
        }
        Ok(())
    }
}
