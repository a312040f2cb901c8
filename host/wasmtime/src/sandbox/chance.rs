//! Chance, which is counted before WASI's own implementation is asked for it.

use wasmtime::component::{HasData, Linker};
use wasmtime_wasi::p2::bindings::random::{insecure, random};
use wasmtime_wasi::random::WasiRandomCtx;

use super::guest::{Cut, Guest};

/// Chance, and how many bytes of it are left.
pub(super) struct Chance<'a> {
    pub(super) source: &'a mut WasiRandomCtx,
    pub(super) left: &'a mut u64,
}

impl Chance<'_> {
    fn take(&mut self, bytes: u64) -> wasmtime::Result<()> {
        *self.left = self.left.checked_sub(bytes).ok_or(Cut::Random)?;
        Ok(())
    }
}

impl random::Host for Chance<'_> {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.take(len)?;
        self.source.get_random_bytes(len)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.take(8)?;
        self.source.get_random_u64()
    }
}

impl insecure::Host for Chance<'_> {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        self.take(len)?;
        self.source.get_insecure_random_bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        self.take(8)?;
        self.source.get_insecure_random_u64()
    }
}

struct HasChance;

impl HasData for HasChance {
    type Data<'a> = Chance<'a>;
}

/// In place of those that are in the linker.
pub(super) fn add_to_linker(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    random::add_to_linker::<Guest, HasChance>(linker, Guest::chance)?;
    insecure::add_to_linker::<Guest, HasChance>(linker, Guest::chance)?;
    linker.allow_shadowing(false);
    Ok(())
}
