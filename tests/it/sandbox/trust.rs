//! Whether a component is the one that is meant: its digest, its signature.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use mongoqueue_tests::{built, keys};
use mongoqueue_wasmtime::{
    Blame, ComponentHandler, ComponentSource, Digest, Grants, LoadError, PrivateKey, PublicKey,
    signature_path,
};

use super::{filtered, sandbox};

fn load(source: ComponentSource) -> Result<ComponentHandler, LoadError> {
    let sandbox = sandbox().unwrap_or_else(|error| panic!("{error}"));
    ComponentHandler::load(sandbox, source, Grants::default())
}

fn refused(source: ComponentSource) -> Result<LoadError> {
    load(source).err().context("it was not refused")
}

fn hello() -> Result<Vec<u8>> {
    Ok(fs::read(built::guest("hello")?)?)
}

fn public(pem: &str) -> Result<PublicKey> {
    PublicKey::from_pem(pem).map_err(anyhow::Error::msg)
}

fn signed(bytes: &[u8]) -> Result<[u8; 64]> {
    let key = PrivateKey::from_pem(keys::TEAM).map_err(anyhow::Error::msg)?;
    Ok(key.sign(bytes))
}

#[test]
fn a_component_of_another_digest_is_refused_before_it_is_looked_at() -> Result<()> {
    let bytes = hello()?;
    let digest = Digest::of(&bytes);
    let handler = load(ComponentSource::bytes("hello", bytes.clone()).pinned(digest))?;
    assert_eq!(format!("sha256:{}", handler.digest()), digest.to_string());
    // Whatever it is: here no component at all.
    let other = ComponentSource::bytes("hello", &b"junk"[..]).pinned(digest);
    let error = refused(other)?;
    let LoadError::WrongDigest { pinned, found, .. } = &error else { anyhow::bail!("{error}") };
    assert_eq!((*pinned, *found), (digest, Digest::of(b"junk")));
    let words = error.to_string();
    let line = format!("digest = \"{found}\"");
    ensure!(words.contains(&digest.to_string()) && words.contains(&line), "{words}");
    assert_eq!(error.blame(), Blame::Operator);
    Ok(())
}

#[test]
fn a_signature_is_asked_for_and_any_of_the_keys_is_enough() -> Result<()> {
    let bytes = hello()?;
    let (team, other) = (public(keys::TEAM_PUBLIC)?, public(keys::OTHER_PUBLIC)?);
    let source = || ComponentSource::bytes("hello", bytes.clone());
    let good = signed(&bytes)?;
    load(source().signed_by([team.clone()]).with_signature(good))?;
    load(source().signed_by([other.clone(), team.clone()]).with_signature(good))?;

    let none = refused(source().signed_by([team.clone()]))?;
    insta::assert_snapshot!(
        none.to_string(),
        @"hello is not signed as it has to be: it has no signature"
    );
    let foreign = refused(source().signed_by([other.clone()]).with_signature(good))?;
    insta::assert_snapshot!(filtered(&foreign.to_string()), @r"
    hello is not signed as it has to be: the signature is by none of the 1 key that are
    trusted, or over other bytes
    ");
    assert_eq!(foreign.blame(), Blame::Operator);
    // No key: nobody is trusted, rather than everybody.
    let nobody = source().signed_by([]).with_signature(good);
    assert!(matches!(refused(nobody)?, LoadError::NotSigned { .. }));
    let mut changed = bytes.clone();
    changed.push(0);
    let changed = ComponentSource::bytes("hello", changed);
    let changed = changed.signed_by([team.clone()]).with_signature(good);
    assert!(matches!(refused(changed)?, LoadError::NotSigned { .. }));
    for junk in [&good[..63], &[], &[0; 64], &[&good[..], &[0]].concat()] {
        let source = source().signed_by([team.clone()]).with_signature(junk);
        assert!(matches!(refused(source)?, LoadError::NotSigned { .. }));
    }
    Ok(())
}

#[test]
fn the_signature_of_a_file_lies_beside_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("hello.wasm");
    let bytes = hello()?;
    fs::write(&file, &bytes)?;
    let source = || {
        Ok::<_, anyhow::Error>(
            ComponentSource::file(&file).signed_by(vec![public(keys::TEAM_PUBLIC)?]),
        )
    };
    let beside = signature_path(&file);
    assert_eq!(beside.file_name(), Path::new("hello.wasm.sig").file_name());
    let words = |error: LoadError| error.to_string();
    ensure!(words(refused(source()?)?).contains("there is no signature"));
    fs::write(&beside, vec![0; 1 << 20])?;
    ensure!(words(refused(source()?)?).contains("which has 64 bytes"));
    fs::write(&beside, signed(&bytes)?)?;
    load(source()?)?;
    fs::remove_file(&beside)?;
    fs::create_dir(&beside)?;
    ensure!(words(refused(source()?)?).contains("can't be read"));
    Ok(())
}
