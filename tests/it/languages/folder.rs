//! A handler's folder, made and built as a user does it.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use mongoqueue_tests::built;

use super::Language;

/// What is kept of two builds: of the template as it stands, and of the conformance guest in it.
pub(super) struct Folder {
    /// Has `handler.wasm` and `ada.json`.
    pub(super) template: PathBuf,
    /// A component.
    pub(super) conformance: PathBuf,
}

impl Folder {
    /// Builds both, unless the last run did so from the same files.
    pub(super) fn built(language: Language) -> Result<Self> {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("languages").join(language.name);
        let kept = Self { template: place.clone(), conformance: place.join("conformance.wasm") };
        let mut hasher = DefaultHasher::new();
        super::inputs()?.hash(&mut hasher);
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

        conform(language, &handler)?;
        run(&handler, here.last().context("a step that builds")?)?;
        fs::rename(&component, &kept.conformance).context("the conformance guest")?;
        // Packages and what compilers left are large, and nobody looks at them again.
        fs::remove_dir_all(&handler)?;
        fs::write(stamp, hash)?;
        Ok(kept)
    }
}

/// Puts the conformance guest in the place of the template's handler; it puts jobs, so it asks for
/// queues as the template says.
fn conform(language: Language, handler: &Path) -> Result<()> {
    let (guest, place) = language.guest;
    fs::copy(built::checkout().join(guest), handler.join(place))?;
    let world = handler.join("wit/world.wit");
    let text = fs::read_to_string(&world)?;
    fs::write(
        &world,
        text.replace("// import mongoqueue:jobs/queue", "import mongoqueue:jobs/queue"),
    )?;
    if language.name == "rust" {
        let cargo = handler.join("Cargo.toml");
        let text = fs::read_to_string(&cargo)?;
        fs::write(
            &cargo,
            text.replace("[profile.release]", "serde_json = \"1\"\n\n[profile.release]"),
        )?;
    }
    let bindings = handler.join("bindings");
    if bindings.exists() {
        fs::remove_dir_all(bindings)?;
    }
    Ok(())
}

fn run(folder: &Path, step: &str) -> Result<()> {
    let mut shell = Command::new("sh");
    shell.args(["-c", step]).current_dir(folder);
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
         npm python3-venv\n{said}"
    );
    ensure!(output.status.success(), "{step}: {}\n{said}", output.status);
    Ok(())
}
