//! `mongoqueue componentize`: the last step of a build by a compiler that knows core modules only.

use std::fs;

use mongoqueue_wasmtime::{Kind, Limits, inspect};
use serde_json::json;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::ComponentEncoder;

use crate::args::ComponentizeArgs;
use crate::component;
use crate::show::{Show, Tone, escape};
use crate::trouble::{Result, Trouble};

pub(super) fn run(show: Show, args: &ComponentizeArgs) -> Result<()> {
    let core = component::read(&args.core, Limits::default().component_bytes)?;
    let component = encode(&core).map_err(|why| {
        Trouble::misuse(format!("{} makes no component: {why}", args.core.display()))
    })?;
    fs::write(&args.output, &component).map_err(|error| {
        Trouble::misuse(format!("can't write {}: {error}", args.output.display()))
    })?;
    let (file, size) = (args.output.display().to_string(), component.len());
    show.answer(&json!({ "component": file, "bytes": size }), || {
        let made = show.paint(Tone::Good, "made");
        format!("{made} {}, {:.1} KB", escape::line(&file), size as f64 / 1e3)
    })
}

/// The component around the module, and around the adapter as far as the module calls it.
fn encode(core: &[u8]) -> Result<Vec<u8>, String> {
    match inspect(core).kind {
        Kind::CoreModule => {}
        Kind::Broken(why) => return Err(why),
        kind => return Err(format!("it is {kind}")),
    }
    let (name, adapter) =
        (WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER);
    let encode = || {
        let mut encoder = ComponentEncoder::default();
        encoder.validate(true).module(core)?.adapter(name, adapter)?;
        encoder.encode()
    };
    let component = encode().map_err(|error| format!("{error:#}"))?;
    if inspect(&component).exports.is_empty() {
        return Err(
            "it exports nothing: is what wit-bindgen made for its world linked into it, the \
                    object file too?"
                .to_owned(),
        );
    }
    Ok(component)
}
