//! `sign`, `verify`, and what the file for `work` asks of a component.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use mongoqueue_tests::keys;
use mongoqueue_wasmtime::Digest;
use serde_json::json;
use tempfile::TempDir;

use super::{Cli, guest, text};
use crate::sandbox::versioned;

/// A folder with a component and keys, as an operator has them.
struct Folder(TempDir);

impl Folder {
    fn new() -> Result<Self> {
        let folder = Self(tempfile::tempdir()?);
        fs::copy(guest("hello")?, folder.path("hello.wasm"))?;
        fs::write(folder.path("team.pem"), keys::TEAM)?;
        fs::set_permissions(folder.path("team.pem"), fs::Permissions::from_mode(0o600))?;
        fs::write(folder.path("team.pub.pem"), keys::TEAM_PUBLIC)?;
        fs::write(folder.path("other.pub.pem"), keys::OTHER_PUBLIC)?;
        Ok(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// The file for `work`, with more lines about the queue `q`; its name.
    fn config(&self, more: &str) -> Result<String> {
        let text = "until_empty = true\n[queue.q]\ncomponent = \"hello.wasm\"\n";
        fs::write(self.path("work.toml"), format!("{text}{more}\n"))?;
        Ok(self.name("work.toml"))
    }

    /// Without what differs from run to run.
    fn filtered(&self, said: &str) -> String {
        said.replace(&format!("{}/", self.0.path().display()), "")
    }
}

#[tokio::test]
async fn what_is_signed_is_verified_and_nothing_else() -> Result<()> {
    let (cli, folder) = (Cli::new().await?, Folder::new()?);
    let [hello, key, public] = ["hello.wasm", "team.pem", "team.pub.pem"].map(|it| folder.name(it));
    let verify = ["verify", &hello, "--key", &public];
    let no = folder.filtered(&cli.error(1, &verify).await?);
    insta::assert_snapshot!(no, @"error: hello.wasm: there is no signature hello.wasm.sig");
    assert_eq!(cli.kind(1, &verify).await?, "not-signed");

    let signed = cli.json(&["sign", &hello, "--key", &key]).await?;
    let digest = Digest::of(&fs::read(&hello)?).to_string();
    assert_eq!(signed["signature"], format!("{hello}.sig"));
    assert_eq!((signed["component"].as_str(), &signed["digest"]), (Some(&*hello), &json!(digest)));
    assert_eq!(fs::read(folder.path("hello.wasm.sig"))?.len(), 64);
    let verified = cli.json(&verify).await?;
    assert_eq!(
        verified,
        json!({
            "component": hello, "digest": digest, "key": signed["key"], "verified": true,
        })
    );
    ensure!(text(&signed["key"])?.starts_with("ed25519:"), "{signed}");
    // For people; and nothing that was said has anything of the private key.
    let said = cli.run(&["sign", &hello, "--key", &key]).await?.ended(0)?;
    let secret = keys::TEAM.lines().nth(1).context("the key's second line")?;
    ensure!(!said.stdout.contains(secret.get(20..).context("its end")?), "{}", said.stdout);
    ensure!(cli.run(&verify).await?.ended(0)?.stdout.starts_with("verified "));

    let foreign = ["verify", &hello, "--key", &folder.name("other.pub.pem")];
    let no = folder.filtered(&cli.error(1, &foreign).await?);
    insta::assert_snapshot!(no, @"error: hello.wasm: the signature is not by other.pub.pem, or over other bytes");
    fs::write(&hello, [fs::read(&hello)?, vec![0]].concat())?;
    assert_eq!(cli.kind(1, &verify).await?, "not-signed");
    fs::write(folder.path("hello.wasm.sig"), "short")?;
    ensure!(cli.error(1, &verify).await?.contains("which has 64 bytes"));
    cli.end().await
}

#[tokio::test]
async fn keys_that_are_none_are_misuse() -> Result<()> {
    let (cli, folder) = (Cli::new().await?, Folder::new()?);
    let [hello, key, public] = ["hello.wasm", "team.pem", "team.pub.pem"].map(|it| folder.name(it));
    let said = async |args: &[&str]| anyhow::Ok(folder.filtered(&cli.error(2, args).await?));
    insta::assert_snapshot!(
        said(&["sign", &hello, "--key", "none.pem"]).await?,
        @"error: cannot read the key none.pem: No such file or directory (os error 2)"
    );
    insta::assert_snapshot!(
        said(&["verify", &hello, "--key", &key]).await?,
        @"error: team.pem is no such key: this is the private key, which belongs with whoever signs; the public one is made from it by `openssl pkey -in KEY.pem -pubout`"
    );
    fs::set_permissions(&public, fs::Permissions::from_mode(0o600))?;
    insta::assert_snapshot!(
        said(&["sign", &hello, "--key", &public]).await?,
        @"error: team.pub.pem is no such key: this is a public key, and it takes the private one to sign"
    );
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640))?;
    insta::assert_snapshot!(
        said(&["sign", &hello, "--key", &key]).await?,
        @"error: others may read the private key team.pem (mode 640); make it private by `chmod 600`"
    );
    ensure!(!folder.path("hello.wasm.sig").exists(), "it was signed");
    let missing = said(&["verify", "missing.wasm", "--key", &public]).await?;
    ensure!(missing.contains("can't read missing.wasm"), "{missing}");
    cli.end().await
}

#[tokio::test]
async fn a_file_pins_a_component_by_its_digest() -> Result<()> {
    let (cli, folder) = (Cli::new().await?, Folder::new()?);
    let digest = Digest::of(&fs::read(folder.path("hello.wasm"))?).to_string();
    let file = folder.config(&format!("digest = \"{digest}\""))?;
    cli.run(&["work", "--config", &file]).await?.ended(0)?;
    let other = Digest::of(b"other").to_string();
    let file = folder.config(&format!("digest = \"{other}\""))?;
    let said = cli.error(4, &["work", "--config", &file]).await?;
    let said = said.replace(&digest, "sha256:IS").replace(&other, "sha256:PINNED");
    insta::assert_snapshot!(said, @r#"
    error: queue q: hello is not the component that is pinned: pinned is sha256:PINNED, this is sha256:IS
      if this one is meant: digest = "sha256:IS"
    "#);
    assert_eq!(cli.kind(4, &["work", "--config", &file]).await?, "wrong-digest");
    let file = folder.config("digest = \"sha256:abc\"")?;
    let said = folder.filtered(&cli.error(2, &["work", "--config", &file]).await?);
    insta::assert_snapshot!(said, @r#"
    error: work.toml:4:10: error: `digest` can't be "sha256:abc": a digest is `sha256:` and 64 hexadecimal digits, as `mongoqueue inspect` prints it
      Such as: digest = "sha256:…"
    "#);
    cli.end().await
}

#[tokio::test]
async fn a_file_asks_for_a_signature() -> Result<()> {
    let (cli, folder) = (Cli::new().await?, Folder::new()?);
    let work = async |more: &str| {
        anyhow::Ok(["work", "--config", &folder.config(more)?].map(str::to_owned))
    };
    let team = work("signed_by = \"team.pub.pem\"").await?;
    let team: Vec<&str> = team.iter().map(String::as_str).collect();
    let said = folder.filtered(&cli.error(4, &team).await?);
    insta::assert_snapshot!(said, @"error: queue q: hello is not signed as it has to be: there is no signature hello.wasm.sig");
    assert_eq!(cli.kind(4, &team).await?, "not-signed");
    let (hello, key) = (folder.name("hello.wasm"), folder.name("team.pem"));
    cli.run(&["sign", &hello, "--key", &key]).await?.ended(0)?;
    cli.run(&team).await?.ended(0)?;
    folder.config("signed_by = [\"other.pub.pem\", \"team.pub.pem\"]")?;
    cli.run(&team).await?.ended(0)?;
    folder.config("signed_by = [\"other.pub.pem\"]")?;
    assert_eq!(cli.kind(4, &team).await?, "not-signed");
    folder.config("signed_by = \"missing.pem\"")?;
    let said = folder.filtered(&cli.error(2, &team).await?);
    insta::assert_snapshot!(said, @"error: work.toml:4:13: error: cannot read the key missing.pem: No such file or directory (os error 2)");
    folder.config("signed_by = []")?;
    let said = cli.error(2, &team).await?;
    ensure!(said.contains("work.toml:4:13: ") && said.contains("nobody is trusted"), "{said}");
    cli.end().await
}

#[tokio::test]
async fn a_version_is_shown_escaped() -> Result<()> {
    let (cli, folder) = (Cli::new().await?, Folder::new()?);
    let file = folder.name("misbehave.wasm");
    fs::write(&file, versioned("misbehave", "7\u{1b}[2J")?)?;
    assert_eq!(cli.json(&["inspect", &file]).await?["version"], "7\u{1b}[2J");
    let shown = cli.run(&["inspect", &file]).await?.ended(0)?.stdout;
    ensure!(shown.contains("\nversion 7\\u{1b}[2J\n"), "{shown}");
    let id = cli.put("{\"do\": \"panic\"}", &["--max-attempts", "1"]).await?;
    let serve = format!("q={file}");
    cli.run(&["work", &serve, "--queue", "next=other", "--until-empty"]).await?.ended(0)?;
    let job = cli.json(&["get", &id]).await?;
    let record = &job["errors"][0];
    assert_eq!(record["version"], "7\u{1b}[2J");
    assert_eq!(record["digest"], Digest::of(&fs::read(&file)?).to_string());
    assert_eq!(record["worker"], env!("CARGO_PKG_VERSION"));
    for number in ["cpu_ms", "memory_bytes", "wall_ms"] {
        ensure!(record[number].is_u64(), "{record}");
    }
    let shown = cli.run(&["get", &id]).await?.ended(0)?.stdout;
    ensure!(shown.contains(", version 7\\u{1b}[2J, worker "), "{shown}");
    ensure!(shown.contains("\n  took ") && shown.contains(" KiB"), "{shown}");
    cli.end().await
}

#[tokio::test]
async fn what_is_no_file_is_not_read() -> Result<()> {
    let (cli, folder) = (Cli::new().await?, Folder::new()?);
    let why = "/dev/null: it is no regular file";
    for args in [
        &["sign", "/dev/null", "--key", &folder.name("team.pem")][..],
        &["verify", "/dev/null", "--key", &folder.name("team.pub.pem")],
        &["inspect", "/dev/null"],
    ] {
        let said = cli.error(2, args).await?;
        ensure!(said.contains(why), "{args:?}: {said}");
    }
    let file = folder.name("work.toml");
    fs::write(&file, "[queue.q]\ncomponent = \"/dev/null\"\n")?;
    let said = cli.error(2, &["policy", "check", &file]).await?;
    ensure!(said.contains(why), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_policy_is_checked_with_the_payload_limit_that_work_will_have() -> Result<()> {
    let (cli, folder) = (Cli::new().await?, Folder::new()?);
    folder.config("output = \"2MiB\"")?;
    let file = folder.name("work.toml");
    let check = ["policy", "check", &file];
    let said = folder.filtered(&cli.error(2, &check).await?);
    insta::assert_snapshot!(said, @r"
    error: work.toml:2:1: error: output, payload or saved state of 2097152 bytes needs a --payload-limit as large
      Here as for `work`; or let it have less.
    ");
    let work = ["work", "--config", &file, "--until-empty"];
    let refused = cli.error(2, &work).await?;
    ensure!(refused.contains("2097152 bytes needs a --payload-limit as large"), "{refused}");
    let more = ["--payload-limit", "2MiB"];
    cli.run(&[&check[..], &more].concat()).await?.ended(0)?;
    cli.run(&[&work[..], &more].concat()).await?.ended(0)?;
    cli.end().await
}
