//! What tests run and cargo builds: the guests' components, and the binary `mongoqueue`. Each is
//! built once per process, by the first test that asks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;

/// What components are built for.
const TARGET: &str = "wasm32-wasip2";

type Files = BTreeMap<String, PathBuf>;

/// The component of an example of the guest crate, for example `hello`.
///
/// # Errors
/// What cargo says, or the command that installs what is missing.
pub fn guest(example: &str) -> Result<PathBuf> {
    static GUESTS: OnceLock<Result<Files, String>> = OnceLock::new();
    let guests = GUESTS.get_or_init(|| guests().map_err(|error| format!("{error:#}")));
    let guests = guests.as_ref().map_err(|error| anyhow!("{error}"))?;
    let known = || guests.keys().cloned().collect::<Vec<_>>().join(", ");
    let guest = guests.get(example);
    guest
        .cloned()
        .with_context(|| format!("no example {example:?} of the guest crate: {}", known()))
}

/// The binary `mongoqueue`.
///
/// # Errors
/// What cargo says.
pub fn cli() -> Result<PathBuf> {
    static CLI: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let cli = CLI.get_or_init(|| {
        // With the features that its dependencies have in the whole workspace, as the tests were
        // built: those of the package alone would have all of them compiled once more.
        let files = build(&["--workspace", "--bin", "mongoqueue"], "");
        let cli = files.and_then(|mut files| files.remove("mongoqueue").context("no binary"));
        cli.map_err(|error| format!("{error:#}"))
    });
    cli.clone().map_err(|error| anyhow!("{error}"))
}

/// A program of the documents: an example of `host/queue` or `host/wasmtime`.
///
/// # Errors
/// What cargo says.
pub fn example(name: &str) -> Result<PathBuf> {
    static EXAMPLES: OnceLock<Result<Files, String>> = OnceLock::new();
    let built = EXAMPLES.get_or_init(|| {
        let named = EMBEDDING.iter().flat_map(|name| ["--example", *name]);
        let what: Vec<&str> = std::iter::once("--workspace").chain(named).collect();
        build(&what, "").map_err(|error| format!("{error:#}"))
    });
    let built = built.as_ref().map_err(|error| anyhow!("{error}"))?;
    built.get(name).cloned().with_context(|| format!("no example {name:?}"))
}

/// What [`example`] knows.
pub const EMBEDDING: [&str; 5] =
    ["native_handlers", "wasmtime_producer", "sandbox_loop", "wasmtime_host", "two_tenants"];

/// The program of `examples/service`.
///
/// # Errors
/// What cargo says.
pub fn service() -> Result<PathBuf> {
    let mut built = build(&["--workspace", "--bin", "mongoqueue-service"], "")?;
    built.remove("mongoqueue-service").context("no program")
}

/// The shared library of `host/c`.
///
/// # Errors
/// What cargo says.
pub fn library() -> Result<PathBuf> {
    static LIBRARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| {
        let built = build(&["--workspace", "--lib"], std::env::consts::DLL_SUFFIX);
        let library = built.and_then(|mut it| it.remove("mongoqueue").context("no library"));
        library.map_err(|error| format!("{error:#}"))
    });
    library.clone().map_err(|error| anyhow!("{error}"))
}

/// The root of the checkout.
pub fn checkout() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

fn guests() -> Result<Files> {
    target()?;
    let what = ["--package", "mongoqueue-guest", "--examples", "--profile", "guest"];
    build(&[&what[..], &["--target", TARGET]].concat(), ".wasm")
}

/// Rustup brings the target with the toolchain that the checkout names; another way to install
/// Rust may not have it.
fn target() -> Result<()> {
    let libraries = ["--print", "target-libdir", "--target", TARGET];
    let asked = Command::new("rustc").args(libraries).current_dir(checkout()).output();
    let asked = asked.context("can't run rustc; Rust is installed from https://rustup.rs")?;
    let folder = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    if !folder.is_empty() && Path::new(&folder).is_dir() {
        return Ok(());
    }
    let add = ["target", "add", TARGET];
    let added = Command::new("rustup").args(add).current_dir(checkout()).output();
    match added {
        Ok(added) if added.status.success() => Ok(()),
        _ => bail!("the guests need a target of Rust; install it with: rustup target add {TARGET}"),
    }
}

/// The cargo that runs the tests, if one does, in the checkout.
///
/// It doesn't inherit what that one tells of the package under test: build scripts that ask for it
/// would run again, and what the tests were built with would be replaced under them.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let of_package = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_"];
        if of_package.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.current_dir(checkout()).stdin(Stdio::null());
    command
}

/// Runs cargo; answers the file of each target it built that ends with `ending`.
fn build(what: &[&str], ending: &str) -> Result<Files> {
    let mut command = cargo();
    command.arg("build").args(what).args(["--message-format", "json-render-diagnostics"]);
    let output = command.output().context("can't run cargo")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo build {}:\n{said}", what.join(" "));
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let built = messages.filter(|message| message["reason"] == "compiler-artifact");
    let file = |message: Value| {
        let name = message["target"]["name"].as_str()?.to_owned();
        // A component is a file of a library, a program is named as such.
        let file = match ending {
            "" => message["executable"].as_str(),
            _ => {
                let files = message["filenames"].as_array()?.iter().filter_map(Value::as_str);
                files.into_iter().find(|file| file.ends_with(ending))
            }
        };
        Some((name, PathBuf::from(file?)))
    };
    Ok(built.filter_map(file).collect())
}
