//! A handler's folder, made and built as a user does it.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::Language;
use crate::built;

/// What is kept of two builds: of the template as it stands, and of the conformance guest in it.
pub struct Folder {
    /// Has `handler.wasm` and `ada.json`.
    pub template: PathBuf,
    /// A component.
    pub conformance: PathBuf,
}

impl Folder {
    /// Builds both, unless the last run did so from the same files.
    ///
    /// # Errors
    /// What a command of the template's README says, or what to install for it.
    pub fn built(language: Language, builds: &Path) -> Result<Self> {
        let place = builds.join("languages").join(language.name);
        let kept = Self { template: place.clone(), conformance: place.join("conformance.wasm") };
        let mut hasher = DefaultHasher::new();
        inputs(language)?.hash(&mut hasher);
        let (stamp, hash) = (place.join("built-from"), hasher.finish().to_string());
        if fs::read_to_string(&stamp).is_ok_and(|last| last == hash) {
            return Ok(kept);
        }
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        fs::create_dir_all(&place)?;
        let handler = place.join("greeter");
        let new = Command::new(built::cli()?)
            .args(["new", "--json", "--lang", language.name])
            .arg(&handler)
            .output()?;
        ensure!(new.status.success(), "{}", String::from_utf8_lossy(&new.stderr));
        let steps: serde_json::Value = serde_json::from_slice(&new.stdout)?;
        let steps = steps["next"].as_array().context("what is next")?;
        let steps: Vec<&str> = steps.iter().filter_map(|step| step.as_str()).collect();
        let here = steps.iter().filter(|step| !step.starts_with("mongoqueue "));
        let here: Vec<&str> = here.copied().collect();
        for step in &here {
            run(&handler, step)?;
        }
        let component = handler.join(language.component);
        fs::rename(&component, place.join("handler.wasm")).context("the template's component")?;
        fs::copy(handler.join("samples/ada.json"), place.join("ada.json"))?;

        let [.., test, build] = here.as_slice() else { bail!("steps: {here:?}") };
        let examples = examples(language, &handler)?;
        if !examples.is_empty() {
            run(&handler, test)?;
        }
        examples.iter().try_for_each(fs::remove_file)?;
        conform(language, &handler)?;
        run(&handler, build)?;
        fs::rename(&component, &kept.conformance).context("the conformance guest")?;
        // Packages and what compilers left are large, and nobody looks at them again.
        fs::remove_dir_all(&handler)?;
        fs::write(stamp, hash)?;
        Ok(kept)
    }
}

/// Puts the examples and their tests beside the template's handler; where they are now.
fn examples(language: Language, handler: &Path) -> Result<Vec<PathBuf>> {
    ask_for_queues(handler)?;
    let mut files = Vec::new();
    for (folder, place, ending) in language.examples {
        let place = handler.join(place);
        fs::create_dir_all(&place)?;
        for entry in fs::read_dir(built::checkout().join(folder))? {
            let file = entry?;
            if file.file_name().to_string_lossy().ends_with(ending) {
                let copy = place.join(file.file_name());
                fs::copy(file.path(), &copy)?;
                files.push(copy);
            }
        }
    }
    Ok(files)
}

/// Some of the examples put jobs, and so does the conformance guest: as the template says.
fn ask_for_queues(handler: &Path) -> Result<()> {
    let world = handler.join("wit/world.wit");
    let text = fs::read_to_string(&world)?;
    let asked = text.replace("// import mongoqueue:jobs/queue", "import mongoqueue:jobs/queue");
    fs::write(&world, asked)?;
    let bindings = handler.join("bindings");
    if bindings.exists() {
        fs::remove_dir_all(bindings)?;
    }
    Ok(())
}

/// Puts the conformance guest in the place of the template's handler.
fn conform(language: Language, handler: &Path) -> Result<()> {
    let (guest, place) = language.guest;
    fs::copy(built::checkout().join(guest), handler.join(place))?;
    if language.name == "rust" {
        let cargo = handler.join("Cargo.toml");
        let text = fs::read_to_string(&cargo)?;
        fs::write(
            &cargo,
            text.replace("[profile.release]", "serde_json = \"1\"\n\n[profile.release]"),
        )?;
    }
    Ok(())
}

fn run(folder: &Path, step: &str) -> Result<()> {
    let mut shell = Command::new("sh");
    shell.args(["-c", step]).current_dir(folder);
    // The last step of a build of C. Its compiler warns of nothing; and its tests find each access
    // that is out of bounds, but not what is left to the end of the instance.
    shell.env("MONGOQUEUE", built::cli()?).env("ASAN_OPTIONS", "detect_leaks=0");
    let sanitize = if step.starts_with("make test") { " -fsanitize=address,undefined" } else { "" };
    shell.env("CFLAGS", format!("-Werror{sanitize}"));
    // What cargo tells the tests is about another package.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_") && name != "CARGO_HOME" {
            shell.env_remove(name);
        }
    }
    let output = shell.output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let missing = output.status.code() == Some(127);
    ensure!(
        !missing,
        "{step}: a program is missing; install what the languages need with: sudo apt-get install \
         npm python3-venv make clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32 libjsmn-dev\n{said}"
    );
    ensure!(output.status.success(), "{step}: {}\n{said}", output.status);
    Ok(())
}

/// The text of each file that what is built depends on.
fn inputs(language: Language) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    // That of the language is two parts of its guest's path.
    let guest: PathBuf = Path::new(language.guest.0).iter().take(2).collect();
    for folder in [Path::new("wit"), &guest] {
        gather(&built::checkout().join(folder), &mut files)?;
    }
    files.sort();
    Ok(files)
}

fn gather(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        match path.is_dir() {
            true => gather(&path, files)?,
            false => files.push((path.clone(), fs::read(&path)?)),
        }
    }
    Ok(())
}
