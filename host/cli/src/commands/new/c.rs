//! What a handler in C includes of the contract: its functions and types as C has them.

use std::path::PathBuf;

use include_dir::Dir;
use wit_bindgen_c::Opts;
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::{Resolve, SourceMap};

/// All that a handler may import; a component imports what its code calls of it and nothing else.
const WORLD: &str = "job-handler";

/// A header, a source file, and an object file that tells `componentize` of the world.
pub(super) fn bindings(contract: &Dir<'_>) -> Result<Vec<(PathBuf, Vec<u8>)>, String> {
    let mut sources = SourceMap::default();
    for file in contract.files() {
        sources.push_str(&file.path().to_string_lossy(), file.contents_utf8().unwrap_or_default());
    }
    let mut resolve = Resolve::default();
    let group = sources.parse().map_err(|(_, error)| error.to_string())?;
    let package = resolve.push_group(group).map_err(|error| error.to_string())?;
    let world = resolve.select_world(&[package], Some(WORLD));
    let world = world.map_err(|error| error.to_string())?;
    let mut files = Files::default();
    let generated = Opts::default().build().generate(&mut resolve, world, &mut files);
    generated.map_err(|error| format!("{error:#}"))?;
    Ok(files.iter().map(|(name, bytes)| (PathBuf::from(name), bytes.to_owned())).collect())
}
