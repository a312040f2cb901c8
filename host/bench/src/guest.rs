//! Guests that are measured, written in WebAssembly's own text so that nothing has to be built.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, SourceMap};

use crate::error::{Error, Result};

/// What a guest does with its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Completes it.
    Nothing,
    /// Computes until it is cut off.
    Spin,
}

/// The contract, as the handlers' SDKs have it.
const WIT: [(&str, &str); 4] = [
    ("types.wit", include_str!("../../../wit/types.wit")),
    ("handler.wit", include_str!("../../../wit/handler.wit")),
    ("queue.wit", include_str!("../../../wit/queue.wit")),
    ("world.wit", include_str!("../../../wit/world.wit")),
];

/// A component of the world `pure-handler`. Those of different numbers are different components.
pub(crate) fn component(deed: Deed, number: u32) -> Result<Vec<u8>> {
    let odd = |error: &dyn std::fmt::Display| Error::Guest(format!("{error:#}"));
    let mut module = wat::parse_str(text(deed, number)).map_err(|e| odd(&e))?;
    let mut resolve = Resolve::default();
    let mut sources = SourceMap::default();
    WIT.iter().for_each(|(name, text)| sources.push_str(name, *text));
    let group = sources.parse().map_err(|(_, e)| odd(&e))?;
    let package = resolve.push_group(group).map_err(|e| odd(&e))?;
    let world = resolve.select_world(&[package], Some("pure-handler")).map_err(|e| odd(&e))?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(|e| odd(&e))?;
    let mut encoder = ComponentEncoder::default();
    let encoded = encoder.validate(true).module(&module).and_then(|encoder| encoder.encode());
    encoded.map_err(|e| odd(&e))
}

/// The core module. Its allocator goes upwards and never back; the instance is gone soon. Its
/// answer is at address 16, where zeros say `ok` of no output.
fn text(deed: Deed, number: u32) -> String {
    let body = match deed {
        Deed::Nothing => "i32.const 16",
        Deed::Spin => "(loop $again (br $again)) i32.const 16",
    };
    format!(
        r#"(module
             (memory (export "memory") 1)
             (global $next (mut i32) (i32.const 1024))
             (global (export "number") i32 (i32.const {number}))
             (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32)
               (result i32)
               (local $at i32)
               (local.set $at (i32.and
                 (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1)))
                 (i32.sub (i32.const 0) (local.get $align))))
               (global.set $next (i32.add (local.get $at) (local.get $size)))
               (block $fits
                 (br_if $fits (i32.le_u (global.get $next)
                   (i32.shl (memory.size) (i32.const 16))))
                 (drop (memory.grow (i32.add (i32.const 1)
                   (i32.shr_u (local.get $size) (i32.const 16))))))
               (local.get $at))
             (func (export "mongoqueue:jobs/handler@0.1.0#handle")
               (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64) (result i32)
               {body}))"#
    )
}

#[cfg(test)]
mod tests {
    use mongoqueue::{Attempt, Handler, Job, Outcome, Payload};
    use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants, Sandbox, SandboxOptions};

    use super::*;

    #[tokio::test]
    async fn it_does_its_job_whatever_the_size() -> Result<()> {
        let sandbox = Sandbox::new(SandboxOptions { instances: 2, ..SandboxOptions::default() })?;
        let source = ComponentSource::bytes("tiny", component(Deed::Nothing, 0)?);
        let handler = ComponentHandler::load(&sandbox, source, Grants::default())?;
        for bytes in [0, 200, 70_000, 1 << 20] {
            let job = Job::new("q", Payload::bytes("text/plain", "x".repeat(bytes)));
            let ended = handler.handle(Attempt::detached(job)).await;
            assert_eq!(ended, Outcome::Completed(None), "{bytes}");
        }
        Ok(())
    }

    #[test]
    fn numbers_make_them_different() -> Result<()> {
        assert_ne!(component(Deed::Nothing, 1)?, component(Deed::Nothing, 2)?);
        Ok(())
    }
}
