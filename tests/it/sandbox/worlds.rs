//! The contract in `wit/`: it parses, and each of its worlds has a guest that uses it.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use mongoqueue_tests::built;
use mongoqueue_wasmtime::inspect;
use wit_parser::{Resolve, WorldId, WorldItem, WorldKey};

/// The worlds that guests are built for, each with one that is.
const GUESTS: [(&str, &str); 4] = [
    ("pure-handler", "pure"),
    ("job-handler", "misbehave"),
    ("producer", "producer"),
    ("worker", "worker"),
];

/// What hosts are built for.
const HOST: &str = "imports";

type Names = BTreeSet<String>;

fn contract() -> Result<(Resolve, Vec<(String, WorldId)>)> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(built::checkout().join("wit"))?;
    let package = resolve.packages.get(package).context("no package")?;
    assert_eq!(package.name.to_string(), "mongoqueue:jobs@0.1.0");
    let worlds = package.worlds.iter().map(|(name, id)| (name.clone(), *id)).collect();
    Ok((resolve, worlds))
}

/// The interfaces that a world imports and exports, without `types`, which is no more than names.
fn interfaces(resolve: &Resolve, world: WorldId) -> Result<(Names, Names)> {
    let world = resolve.worlds.get(world).context("no such world")?;
    let names = |items: &mut dyn Iterator<Item = (&WorldKey, &WorldItem)>| -> Names {
        let interfaces = items.filter(|(_, item)| matches!(item, WorldItem::Interface { .. }));
        let names = interfaces.map(|(key, _)| resolve.name_world_key(key));
        names.filter(|name| !name.contains("/types@")).collect()
    };
    Ok((names(&mut world.imports.iter()), names(&mut world.exports.iter())))
}

/// The interfaces of this package that a guest imports and exports.
fn used(guest: &str) -> Result<(Names, Names)> {
    let inspection = inspect(&fs::read(built::guest(guest)?)?);
    let ours = |name: &&String| name.starts_with("mongoqueue:") && !name.contains("/types@");
    let imports = inspection.imports.iter().map(|import| &import.name).filter(ours).cloned();
    Ok((imports.collect(), inspection.exports.iter().filter(ours).cloned().collect()))
}

#[test]
fn each_world_has_a_guest_that_uses_all_of_it() -> Result<()> {
    let (resolve, worlds) = contract()?;
    let named: Names = worlds.iter().map(|(name, _)| name.clone()).collect();
    let expected = GUESTS.iter().map(|(world, _)| *world).chain([HOST]);
    assert_eq!(named, expected.map(str::to_owned).collect());
    for (name, world) in worlds.iter().filter(|(name, _)| name != HOST) {
        let guest = GUESTS.iter().find(|(world, _)| world == name).map(|(_, guest)| *guest);
        let guest = guest.with_context(|| format!("no guest for {name}"))?;
        assert_eq!(used(guest)?, interfaces(&resolve, *world)?, "{guest} for {name}");
    }
    Ok(())
}

#[test]
fn a_host_has_what_any_world_imports() -> Result<()> {
    let (resolve, worlds) = contract()?;
    let mut wanted = Names::new();
    let mut given = Names::new();
    for (name, world) in &worlds {
        let (imports, exports) = interfaces(&resolve, *world)?;
        if name == HOST {
            ensure!(exports.is_empty());
            given = imports;
        } else {
            wanted.extend(imports);
        }
    }
    assert_eq!(given, wanted);
    Ok(())
}
