//! The demo's handlers: two examples of the guest crate, built by cargo from this checkout.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;

use super::stage::Stage;
use crate::show::Show;
use crate::trouble::{Result, Trouble};

/// What components are built for.
const TARGET: &str = "wasm32-wasip2";

/// The examples, the first renders Markdown and the second misbehaves.
const EXAMPLES: [&str; 2] = ["markdown", "misbehave"];

/// Files of the components.
pub(super) struct Guests {
    pub(super) markdown: PathBuf,
    pub(super) misbehave: PathBuf,
}

/// The root of the checkout: cargo says where the crate is that it runs, else the current folder
/// is inside of it.
pub(super) fn checkout() -> Result<PathBuf> {
    let start = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let start = start.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    let root = start.ancestors().find(|folder| {
        folder.join("guest/rust/Cargo.toml").is_file() && folder.join("host/cli/demo").is_dir()
    });
    root.map(Path::to_owned).ok_or_else(|| {
        Trouble::misuse(
            "the demo builds its handlers from the source: run `cargo demo` in a checkout of it",
        )
    })
}

impl Guests {
    /// Builds both; seconds the first time, a moment when nothing has changed.
    pub(super) async fn build(show: Show, root: &Path) -> Result<Self> {
        let stage = Stage::begin(show, "building the handlers");
        target(&stage, root).await?;
        let mut command = cargo(root);
        command.args(["build", "--package", "mongoqueue-guest", "--profile", "guest"]);
        command.args(["--target", TARGET, "--message-format", "json-render-diagnostics"]);
        for example in EXAMPLES {
            command.args(["--example", example]);
        }
        let output = run(&mut command, &stage).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(Trouble::misuse(format!("the handlers can't be built:\n{said}")));
        }
        let messages = String::from_utf8_lossy(&output.stdout);
        let [markdown, misbehave] = EXAMPLES.map(|example| artifact(&messages, example));
        let missing = || Trouble::misuse("cargo built the handlers and doesn't say where they are");
        let guests = Self {
            markdown: markdown.ok_or_else(missing)?,
            misbehave: misbehave.ok_or_else(missing)?,
        };
        stage.end(&format!(
            "2 handlers built: markdown.wasm ({}), misbehave.wasm ({})",
            size(&guests.markdown),
            size(&guests.misbehave)
        ))?;
        Ok(guests)
    }
}

/// The cargo that runs us, if one does, without what that one tells of our own package: build
/// scripts that ask for it would run again, here and at the next build.
fn cargo(root: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    for (name, _) in std::env::vars_os() {
        let of_package = ["CARGO_MANIFEST_", "CARGO_PKG_"];
        if of_package.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.current_dir(root).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Makes sure that components can be built at all.
async fn target(stage: &Stage, root: &Path) -> Result<()> {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(root);
    rustc.kill_on_drop(true);
    let folder = match rustc.output().await {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(error) => {
            let words = "Rust is missing; install it from https://rustup.rs";
            return Err(Trouble::misuse(format!("can't run rustc ({error}): {words}")));
        }
    };
    if !folder.is_empty() && Path::new(&folder).is_dir() {
        return Ok(());
    }
    stage.detail("getting the Wasm target: rustup target add wasm32-wasip2");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(root).kill_on_drop(true);
    let words = match rustup.output().await {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("rustup can't be run: {error}"),
    };
    Err(Trouble::misuse(format!(
        "the Wasm target of Rust is missing; install it with: rustup target add {TARGET}\n{words}"
    )))
}

/// Runs cargo and shows what it does.
async fn run(command: &mut Command, stage: &Stage) -> Result<Output> {
    let failed = |error: std::io::Error| Trouble::misuse(format!("can't run cargo: {error}"));
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(failed)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let telling = |line: &str| stage.detail(&format!("building the handlers: {}", line.trim()));
    let (stdout, stderr) = tokio::join!(lines(stdout, |_| ()), lines(stderr, telling));
    let status = child.wait().await.map_err(failed)?;
    Ok(Output { status, stdout: stdout.into_bytes(), stderr: stderr.into_bytes() })
}

/// All lines; each is told as it comes. What is no UTF-8 ends them.
async fn lines(stream: Option<impl AsyncRead + Unpin>, tell: impl Fn(&str)) -> String {
    let mut all = String::new();
    let Some(stream) = stream else { return all };
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        tell(&line);
        all.push_str(&line);
        all.push('\n');
    }
    all
}

/// Where cargo's messages say that the component of an example is.
fn artifact(messages: &str, example: &str) -> Option<PathBuf> {
    messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|it| {
        let named = it["reason"] == "compiler-artifact" && it["target"]["name"] == example;
        let files = it["filenames"].as_array().filter(|_| named)?;
        files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm")).map(Into::into)
    })
}

fn size(file: &Path) -> String {
    std::fs::metadata(file).map_or_else(|_| "?".to_owned(), |it| format!("{} KiB", it.len() >> 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_found_among_cargos_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"serde\"},\
                        \"filenames\":[\"/t/serde.rlib\"]}\nno json\n\
                        {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"markdown\"},\
                        \"filenames\":[\"/t/markdown.d\",\"/t/markdown.wasm\"]}\n";
        assert_eq!(artifact(messages, "markdown"), Some("/t/markdown.wasm".into()));
        assert_eq!(artifact(messages, "misbehave"), None);
    }
}
