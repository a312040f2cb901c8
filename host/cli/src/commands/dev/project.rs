//! A handler's folder: how it is built, and what comes of it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::sources;
use crate::args::{DevArgs, Serving};
use crate::trouble::{Result, Trouble};

/// Where the templates' builds leave the component.
const COMPONENT: &str = "build/handler.wasm";

/// The end of what a failed build said, in bytes: some screens of it.
const WORDS: usize = 16 << 10;

/// A file that says how a folder is built, and the shell's command for it. What a language needs
/// once is fetched where it isn't there.
const BUILDS: [(&str, &str); 4] = [
    ("package.json", "{ test -d node_modules || npm ci; } && npm run build"),
    (
        "build.py",
        "{ test -d .venv || { python3 -m venv .venv && .venv/bin/pip install -r requirements.txt; } \
         || { rm -rf .venv; false; }; } && .venv/bin/python build.py",
    ),
    ("Makefile", "make"),
    ("build.sh", "sh build.sh"),
];

const CARGO: &str =
    "cargo build --release --target wasm32-wasip2 --message-format=json-render-diagnostics";

/// How a component comes about.
#[derive(Debug)]
enum Recipe {
    /// It is there.
    None,
    /// By cargo, which says what it made.
    Cargo,
    /// By a command of the shell.
    Shell(String),
}

/// A handler that is worked on.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) queue: String,
    /// Where it is built; of a component's file the folder that it lies in.
    pub(super) folder: PathBuf,
    /// The folder of its samples, if it has one.
    pub(super) samples: Option<PathBuf>,
    recipe: Recipe,
    /// `None`: cargo says.
    component: Option<PathBuf>,
}

impl Project {
    /// Finds out how `QUEUE=PATH` is built.
    ///
    /// # Errors
    /// When nothing is there, or nothing that says how to build it.
    pub(super) fn find(serving: &Serving, args: &DevArgs) -> Result<Self> {
        let (path, queue) = (&serving.component, serving.queue.clone());
        let absolute = std::fs::canonicalize(path).map_err(|error| {
            Trouble::misuse(format!("queue {queue}: can't find {}: {error}", path.display()))
        })?;
        let is_file = absolute.is_file();
        if is_file && (args.build.is_some() || args.component.is_some()) {
            let path = path.display();
            return Err(Trouble::misuse(format!(
                "queue {queue}: {path} is a file; --build and --component are for a folder"
            )));
        }
        let parent = absolute.parent().map(Path::to_owned).unwrap_or_default();
        let folder = if is_file { parent } else { absolute.clone() };
        let (recipe, component) = match (&args.build, is_file) {
            (_, true) => (Recipe::None, Some(absolute)),
            (Some(command), _) => (Recipe::Shell(command.clone()), Some(COMPONENT.into())),
            (None, _) if folder.join("Cargo.toml").is_file() => (Recipe::Cargo, None),
            (None, _) => (Recipe::Shell(command(&queue, &folder)?), Some(COMPONENT.into())),
        };
        let component = args.component.clone().or(component).map(|file| folder.join(file));
        let samples = samples(args, &folder, is_file)?;
        Ok(Self { queue, folder, samples, recipe, component })
    }

    /// True when it is nothing but a component's file.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.recipe, Recipe::None)
    }

    /// True of a path that the component is made of, as far as can be told.
    fn is_source(&self, path: &Path) -> bool {
        let made = self.component.as_deref() == Some(path);
        let sample = self.samples.as_ref().is_some_and(|samples| path.starts_with(samples));
        let inside = path.strip_prefix(&self.folder);
        !made && !sample && inside.is_ok_and(|path| !sources::is_made(path))
    }

    /// What its sources are now, for comparison.
    pub(super) fn sources(&self) -> u64 {
        if let (true, Some(file)) = (self.is_file(), &self.component) {
            return sources::content(file).unwrap_or_default();
        }
        sources::fingerprint(&self.folder, &|path| self.is_source(path) || path.is_dir())
    }

    /// Builds it; answers the component's file, or else what the build said.
    pub(super) async fn build(&self) -> Result<PathBuf, String> {
        let said = match &self.recipe {
            Recipe::None => Vec::new(),
            Recipe::Cargo => self.run(CARGO).await?,
            Recipe::Shell(command) => self.run(&format!("exec 2>&1\n{command}")).await?,
        };
        match &self.component {
            Some(file) if file.is_file() => Ok(file.clone()),
            Some(file) => Err(format!(
                "the build made no {}; --component names what it makes",
                file.display()
            )),
            None => made(&said).ok_or_else(|| {
                "cargo made no component: the crate needs `crate-type = [\"cdylib\"]`".to_owned()
            }),
        }
    }

    /// Runs a command of the shell; answers its output.
    async fn run(&self, script: &str) -> Result<Vec<u8>, String> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).current_dir(&self.folder).kill_on_drop(true);
        // For builds that end with `componentize`: whoever runs this need not have it on the path.
        if let Ok(program) = std::env::current_exe() {
            command.env("MONGOQUEUE", program);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let ended = command.output().await.map_err(|error| format!("can't run sh: {error}"))?;
        if ended.status.success() {
            return Ok(ended.stdout);
        }
        // Cargo's diagnostics; the shell has both in the one.
        let said = if ended.stderr.is_empty() { ended.stdout } else { ended.stderr };
        let end = said.get(said.len().saturating_sub(WORDS)..).unwrap_or_default();
        let words = String::from_utf8_lossy(end);
        Err(format!("{}\n({})", words.trim_end(), ended.status))
    }
}

/// The command that the folder's own files ask for.
fn command(queue: &str, folder: &Path) -> Result<String> {
    let mut all = BUILDS.iter();
    if let Some((_, command)) = all.find(|(file, _)| folder.join(file).is_file()) {
        return Ok((*command).to_owned());
    }
    let folder = folder.display();
    Err(Trouble::misuse(format!(
        "queue {queue}: {folder} has no Cargo.toml, package.json, build.py, Makefile or build.sh; \
         say how to build it with --build"
    )))
}

/// The folder of the samples: the one that is named, or `samples` where that is there.
fn samples(args: &DevArgs, folder: &Path, is_file: bool) -> Result<Option<PathBuf>> {
    let Some(named) = &args.samples else {
        let usual = folder.join("samples");
        return Ok((!is_file && usual.is_dir()).then_some(usual));
    };
    match std::fs::canonicalize(named) {
        Ok(path) if path.is_dir() => Ok(Some(path)),
        Ok(_) => Err(Trouble::misuse(format!("--samples: {} is no folder", named.display()))),
        Err(error) => {
            Err(Trouble::misuse(format!("--samples: can't find {}: {error}", named.display())))
        }
    }
}

/// The last component among what cargo's messages say it made.
fn made(messages: &[u8]) -> Option<PathBuf> {
    let messages = String::from_utf8_lossy(messages);
    let messages = messages.lines().filter_map(|line| {
        serde_json::from_str::<serde_json::Value>(line)
            .ok()
            .filter(|message| message["reason"] == "compiler-artifact")
    });
    let mut files = messages.flat_map(|message| {
        let files = message["filenames"].as_array().cloned().unwrap_or_default();
        files.into_iter().filter_map(|file| file.as_str().map(PathBuf::from))
    });
    files.rfind(|file| file.extension().is_some_and(|ending| ending == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_component_that_cargo_made_is_the_handler() {
        let messages = "\
{\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/libserde.rlib\"]}
{\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/a.wasm\"]}
{\"reason\":\"compiler-artifact\",\"filenames\":[\"/t/handler.wasm\",\"/t/handler.rlib\"]}
no message
{\"reason\":\"build-finished\",\"success\":true}";
        assert_eq!(made(messages.as_bytes()), Some("/t/handler.wasm".into()));
        assert_eq!(made(b"{\"reason\":\"build-finished\"}"), None);
    }
}
