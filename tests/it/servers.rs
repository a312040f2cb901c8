//! Servers as somebody might have them who has not read our instructions.

use std::hash::{BuildHasher, RandomState};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use bson::{Document, doc};
use mongodb::{Client, Database};
use mongoqueue::{ConnectOptions, Error, MongoQueue};
use mongoqueue_tests::{eventually, server};

fn options() -> ConnectOptions {
    ConnectOptions { database: Some("x".to_owned()), ..ConnectOptions::default() }
}

async fn refused(uri: &str) -> Result<Error> {
    MongoQueue::connect(uri, options()).await.err().context("it was not refused")
}

/// A mongod, killed when this is dropped, and when the tests are.
pub(crate) struct Bare {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Bare {
    pub(crate) async fn start(more: &[&str]) -> Result<Self> {
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        // The shell lives until its stdin ends, which is when this process does.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "\"$@\" & read -r _; kill -KILL $!; wait", "sh"]);
        command.arg(&server::program().await?.path).arg("--dbpath").arg(folder.path());
        command.arg("--logpath").arg(folder.path().join("log"));
        command.arg(format!("--port={port}")).args(["--bind_ip=127.0.0.1", "--nounixsocket"]);
        let child = command.args(more).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        Ok(Self { child, folder, port })
    }

    pub(crate) async fn uri(&self, user: &str) -> Result<String> {
        let log = self.folder.path().join("log");
        eventually("mongod listens", async || {
            // It may not be there yet.
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            Ok(text.contains("Waiting for connections").then_some(()))
        })
        .await?;
        Ok(format!("mongodb://{user}127.0.0.1:{}/?directConnection=true", self.port))
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Below the ports that systems lend to outgoing connections, of which tests make many.
fn free_port() -> Result<u16> {
    let chance = RandomState::new();
    let ports =
        (0..100_u16).filter_map(|i| u16::try_from(20_000 + chance.hash_one(i) % 12_000).ok());
    let mut free = ports.filter(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok());
    free.next().context("no port is free")
}

#[tokio::test]
async fn a_standalone_is_refused_with_the_two_commands() -> Result<()> {
    let bare = Bare::start(&[]).await?;
    let uri = bare.uri("").await?;
    let words = "unsuitable server: a standalone mongod has no transactions. Make it a replica set \
                 of one: start it with `mongod --replSet rs0 …`, then once `mongosh --eval \
                 'rs.initiate()'`";
    assert_eq!(refused(&uri).await?.to_string(), words);
    let set_up = MongoQueue::init(&uri, options()).await.err().context("refused")?;
    assert_eq!(set_up.to_string(), words);
    Ok(())
}

/// A replica set of one that asks for passwords, with the user `root`.
pub(crate) async fn with_passwords() -> Result<(Bare, Database)> {
    let keys = tempfile::NamedTempFile::new()?;
    std::fs::write(keys.path(), "only for a test")?;
    std::fs::set_permissions(keys.path(), std::fs::Permissions::from_mode(0o600))?;
    let file = format!("--keyFile={}", keys.path().display());
    let bare = Bare::start(&["--auth", "--replSet=rs0", &file]).await?;
    // The first user may be made from this machine, before there is one.
    let admin = Client::with_uri_str(bare.uri("").await?).await?.database("admin");
    let members = [doc! { "_id": 0, "host": format!("127.0.0.1:{}", bare.port) }];
    let set = doc! { "_id": "rs0", "members": &members[..] };
    admin.run_command(doc! { "replSetInitiate": set }).await?;
    eventually("there is a primary", async || {
        let hello = admin.run_command(doc! { "hello": 1 }).await?;
        Ok(hello.get_bool("isWritablePrimary")?.then_some(()))
    })
    .await?;
    let root = doc! { "createUser": "root", "pwd": "secret", "roles": ["root"] };
    admin.run_command(root).await?;
    let root = Client::with_uri_str(bare.uri("root:secret@").await?).await?;
    Ok((bare, root.database("x")))
}

#[tokio::test]
async fn a_user_without_the_right_is_told_what_to_ask_for() -> Result<()> {
    let (bare, root) = with_passwords().await?;
    for (name, role) in [("ada", "read"), ("bob", "readWrite")] {
        let roles = [doc! { "role": role, "db": "x" }];
        let user = doc! { "createUser": name, "pwd": "secret", "roles": &roles[..] };
        root.client().database("admin").run_command(user).await?;
    }
    let stranger = refused(&bare.uri("ada:wrong@").await?).await?;
    assert!(matches!(stranger, Error::NotAllowed { .. }), "{stranger}");
    assert!(stranger.to_string().contains("check the user, the password and authSource"));
    let nobody = refused(&bare.uri("").await?).await?;
    assert!(matches!(nobody, Error::NotAllowed { .. }), "{nobody}");

    let ada = bare.uri("ada:secret@").await?;
    assert!(matches!(refused(&ada).await?, Error::NotReady { .. }));
    let error = MongoQueue::init(&ada, options()).await.err().context("refused")?;
    let Error::NotAllowed { why, .. } = error else { anyhow::bail!("{error}") };
    let (words, script) = why.split_once("can run in mongosh:\n").context("a script")?;
    assert!(words.contains("Somebody with the role dbAdmin on x"), "{words}");
    run(&root, script).await?;
    // Now it's set up, for whoever may write.
    let bob = MongoQueue::connect(&bare.uri("bob:secret@").await?, options()).await?;
    let queue = bob.queue("q")?;
    queue.put(doc! {}).await?;
    let job = queue.next(&Default::default()).await?.context("due")?;
    job.complete(None).await?;
    // And ada can look.
    let ada = MongoQueue::connect(&ada, options()).await?;
    assert_eq!(ada.queue("q")?.stats().await?, Default::default());
    let put = ada.queue("q")?.put(doc! {}).await;
    assert!(matches!(put, Err(Error::NotAllowed { .. })), "{put:?}");
    Ok(())
}

/// The script's lines, as mongosh would run them.
async fn run(database: &Database, script: &str) -> Result<()> {
    let mut lines = script.lines();
    assert_eq!(lines.next(), Some("use x"));
    for line in lines {
        let json = line.strip_prefix("db.runCommand(").and_then(|it| it.strip_suffix(")"));
        let json: serde_json::Value = serde_json::from_str(json.context(line.to_owned())?)?;
        let command = Document::try_from(json.as_object().context("an object")?.clone())?;
        database.run_command(command).await?;
    }
    Ok(())
}
