//! Components that are refused, `inspect`, and the file for `work --config`.

use anyhow::Result;

use super::{Cli, guest};
use crate::sandbox::WISHFUL;

fn serving(name: &str) -> Result<String> {
    Ok(format!("q={}", guest(name)?))
}

#[tokio::test]
async fn a_component_that_is_missing_is_misuse() -> Result<()> {
    let cli = Cli::new().await?;
    insta::assert_snapshot!(
        cli.error(2, &["work", "q=missing.wasm"]).await?,
        @"error: queue q: cannot read missing.wasm: No such file or directory (os error 2)"
    );
    insta::assert_snapshot!(
        cli.error(2, &["inspect", "missing.wasm"]).await?,
        @"error: can't read missing.wasm: No such file or directory (os error 2)"
    );
    cli.end().await
}

#[tokio::test]
async fn a_component_that_wants_the_outside_is_refused() -> Result<()> {
    let cli = Cli::new().await?;
    let folder = tempfile::tempdir()?;
    let wishful = folder.path().join("wishful.wasm");
    std::fs::write(&wishful, wat::parse_str(WISHFUL)?)?;
    let serving = format!("q={}", wishful.display());
    let said = cli.error(4, &["work", &serving]).await?;
    let words: Vec<&str> = said.lines().take(2).collect();
    insta::assert_snapshot!(words.join("\n"), @"
    error: queue q: wishful imports more than it is granted:
      acme:db/client@1.0.0: not to be had: this host does not know it
    ");
    assert_eq!(cli.kind(4, &["work", &serving]).await?, "missing-grants");
    cli.end().await
}

#[tokio::test]
async fn what_can_be_granted_comes_with_what_to_write() -> Result<()> {
    let cli = Cli::new().await?;
    insta::assert_snapshot!(cli.error(4, &["work", &serving("pipeline")?]).await?, @"
    error: queue q: pipeline imports more than it is granted:
      mongoqueue:jobs/queue@0.1.0: needs a queue to put on
    Grant it by options:
      --queue next=emails    (its name = the queue it may put on)
    ");
    insta::assert_snapshot!(cli.error(4, &["work", &serving("worker")?]).await?, @"error: queue q: worker is a program; a handler exports mongoqueue:jobs/handler@0.1, this exports wasi:cli/run@0.2.0");
    cli.end().await
}

/// What becomes of one that is right is in `languages`: C's build ends with it.
#[tokio::test]
async fn what_makes_no_component_says_why_and_leaves_nothing() -> Result<()> {
    let cli = Cli::new().await?;
    let folder = tempfile::tempdir()?;
    let made = folder.path().join("made.wasm").display().to_string();
    let core = folder.path().join("core.wasm");
    let mut said = Vec::new();
    let endless = wat::parse_str("(module (func (export \"f\") (loop br 0)))")?;
    let wants = wat::parse_str("(module (import \"env\" \"open\" (func)))")?;
    for bytes in [&b"int main(void)"[..], &b"\0asm"[..], &endless[..9], &endless, &wants] {
        std::fs::write(&core, bytes)?;
        said.push(cli.error(2, &["componentize", &core.display().to_string(), "-o", &made]).await?);
    }
    said.push(cli.error(2, &["componentize", &guest("hello")?, "-o", &made]).await?);
    said.push(cli.error(2, &["componentize", "missing.wasm", "-o", &made]).await?);
    assert!(!std::fs::exists(&made)?);
    let shown = said.join("\n").replace(&folder.path().display().to_string(), "FOLDER");
    insta::assert_snapshot!(shown.replace(&guest("hello")?, "HELLO"), @"
    error: FOLDER/core.wasm makes no component: it doesn't start as WebAssembly does

    error: FOLDER/core.wasm makes no component: unexpected end-of-file (at offset 0x4)

    error: FOLDER/core.wasm makes no component: decoding item in module: unexpected end-of-file (at offset 0x9)

    error: FOLDER/core.wasm makes no component: it exports nothing: is what wit-bindgen made for its world linked into it, the object file too?

    error: FOLDER/core.wasm makes no component: failed to decode world from module: module was not valid: failed to resolve import `env::open`: module requires an import interface named `env`

    error: HELLO makes no component: it is a handler

    error: can't read missing.wasm: No such file or directory (os error 2)
    ");
    cli.end().await
}

#[tokio::test]
async fn inspect_says_what_a_component_is() -> Result<()> {
    let cli = Cli::new().await?;
    let hello = cli.json(&["inspect", &guest("hello")?]).await?;
    assert_eq!(hello["kind"], "handler");
    assert_eq!(hello["exports"][0], "mongoqueue:jobs/handler@0.1.0");
    let worker = cli.json(&["inspect", &guest("worker")?]).await?;
    assert_eq!(worker["kind"], "program");
    let imports = worker["imports"].as_array().map_or(&[][..], Vec::as_slice);
    assert!(imports.iter().any(|import| import["grant"] == "consume"), "{worker}");
    let people = cli.run(&["inspect", &guest("pipeline")?]).await?.ended(0)?;
    assert!(people.stdout.contains("to grant it what it needs"), "{}", people.stdout);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("no.wasm");
    std::fs::write(&file, "no wasm at all")?;
    let ran = cli.run(&["inspect", &file.display().to_string()]).await?.ended(4)?;
    let said = ran.stderr.replace(&file.display().to_string(), "no.wasm");
    insta::assert_snapshot!(
        said,
        @"error: no.wasm is no component (it doesn't start as WebAssembly does): it can't be run here"
    );
    cli.end().await
}

#[tokio::test]
async fn a_file_says_where_it_is_wrong() -> Result<()> {
    let cli = Cli::new().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("work.toml");
    std::fs::write(&file, "concurrency = 2\nconcurency = 3\n")?;
    let path = file.display().to_string();
    let said = cli.error(2, &["work", "--config", &path]).await?.replace(&path, "work.toml");
    insta::assert_snapshot!(said, @"
    error: work.toml:2:1: error: the file has no field `concurency`
      Did you mean `concurrency`?
    ");
    std::fs::write(&file, "lease = \"30\"\n")?;
    let said = cli.error(2, &["work", "--config", &path]).await?;
    assert!(said.contains("work.toml:1:9: ") && said.contains("a number needs its unit"), "{said}");
    let pipeline = guest("pipeline")?;
    std::fs::write(&file, format!("[queue.words]\ncomponent = {pipeline:?}\n"))?;
    insta::assert_snapshot!(cli.error(4, &["work", "--config", &path]).await?, @r#"
    error: queue words: pipeline imports more than it is granted:
      mongoqueue:jobs/queue@0.1.0: needs a queue to put on
    Grant it in a file for `mongoqueue work --config`:
      [queue.words]
      queues = { next = "emails" }   # its name = the queue it may put on
    "#);
    cli.end().await
}

#[tokio::test]
async fn a_file_grants_queues() -> Result<()> {
    let cli = Cli::new().await?;
    let folder = tempfile::tempdir()?;
    let (pipeline, hello) = (folder.path().join("p.wasm"), folder.path().join("work.toml"));
    std::fs::copy(guest("pipeline")?, pipeline)?;
    // The component's path is relative to the file.
    let text = "until_empty = true\nlease = \"10s\"\n[queue.texts]\ncomponent = \"p.wasm\"\n\
                queues = { next = \"words\" }\n";
    std::fs::write(&hello, text)?;
    cli.json(&["put", "texts", "{\"text\": \"one two three!\"}", "--retain", "1h", "--id", "t"])
        .await?;
    let told = cli.all(&["work", "--config", &hello.display().to_string()]).await?;
    assert_eq!(told.last().map(|last| &last["completed"]), Some(&1.into()));
    let words = cli.all(&["list", "words"]).await?;
    let words: Vec<_> = words.iter().map(|job| &job["payload"]["word"]).collect();
    assert_eq!(words, ["three!", "one", "two"]);
    assert_eq!(cli.json(&["get", "t"]).await?["output"]["put"], 3);
    cli.end().await
}

#[tokio::test]
async fn run_lets_a_program_claim_for_itself() -> Result<()> {
    let cli = Cli::new().await?;
    for text in ["a", "b"] {
        cli.put(&serde_json::json!({ "text": text }).to_string(), &["--retain", "1h"]).await?;
    }
    let worker = guest("worker")?;
    assert_eq!(cli.kind(4, &["run", &worker]).await?, "missing-grants");
    let granted = ["run", &worker, "--consume", "jobs=q", "--queue", "next=other"];
    cli.run(&granted).await?.ended(0)?;
    let done = cli.all(&["list", "q", "--state", "completed"]).await?;
    let mut outputs: Vec<_> = done.iter().filter_map(|job| job["output"].as_str()).collect();
    outputs.sort_unstable();
    assert_eq!(outputs, ["A", "B"]);
    cli.end().await
}
