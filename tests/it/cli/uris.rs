//! Wrong URIs, and servers that are not what is needed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mongoqueue_tests::built;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::{Ran, program, ran, text};
use crate::servers::{Bare, with_passwords};

async fn stats(uri: &str, more: &[&str]) -> Result<Ran> {
    let mut command = program(&built::cli()?);
    command.args(["stats", "--uri", uri]).args(more);
    ran(command, "").await
}

/// Its words for people; and that programs are told the same.
async fn refused(code: i32, kind: &str, uri: &str) -> Result<String> {
    let ran = stats(uri, &["--json"]).await?.ended(code).context(uri.to_owned())?;
    let told: Value = serde_json::from_str(&ran.stderr)?;
    assert_eq!(text(&told["error"]["kind"])?, kind, "{uri}: {told}");
    let people = stats(uri, &[]).await?.ended(code)?;
    assert_eq!(people.stdout, "");
    Ok(people.stderr.trim_end().to_owned())
}

#[tokio::test]
async fn what_is_no_uri_is_misuse() -> Result<()> {
    let mut said = Vec::new();
    for uri in [
        "",
        "localhost",
        "localhost:27017",
        "http://localhost",
        "mongodb://",
        "mongodb://:27017",
        "mongodb://a:b:c",
        "mongodb://a:99999",
        "mongodb://user:pass@word@a",
        "mongodb://a/?nonsense=%zz",
        "mongodb://a/?readPreference=sometimes",
        "mongodb://a/?tls=perhaps",
        "mongodb+srv://a:1",
    ] {
        said.push(refused(2, "invalid", uri).await?);
    }
    insta::assert_snapshot!(said.join("\n"), @"
error: invalid URI: connection string contains no scheme
error: invalid URI: connection string contains no scheme
error: invalid URI: connection string contains no scheme
error: invalid URI: unsupported connection string scheme: http
error: invalid URI: invalid server address : the hostname cannot be empty
error: invalid URI: invalid server address :27017: the hostname cannot be empty
error: invalid URI: invalid server address a:b:c: the port must be an integer between 1 and 65535, got b:c
error: invalid URI: invalid server address a:99999: the port must be an integer between 1 and 65535, got 99999
error: invalid URI: password must be URL encoded
error: invalid URI: nonsense is an invalid option
error: invalid URI: 'sometimes' is not a valid read preference
error: invalid URI: connection string `tls` option must be a boolean
error: invalid URI: a port cannot be specified with 'mongodb+srv'
");
    Ok(())
}

#[tokio::test]
async fn names_that_no_database_has_are_misuse() -> Result<()> {
    let mut said = Vec::new();
    for more in [
        &["--database", ""][..],
        &["--database", "a b"],
        &["--database", "a/b"],
        &["--collection", ""],
        &["--collection", "$jobs"],
        &["--consumer", ""],
        &["--payload-limit", "16MiB"],
    ] {
        let uri = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300";
        let ran = stats(uri, more).await?;
        said.push(format!("{}: {}", ran.code, ran.stderr.trim_end()));
    }
    insta::assert_snapshot!(said.join("\n"), @"
2: error: invalid database name: it is empty
3: error: can't reach the database to connect: no server is fit for it, 127.0.0.1:1: I/O error: Connection refused (os error 111)
Is the server up, and does --uri or MONGODB_URI name it?
3: error: can't reach the database to connect: no server is fit for it, 127.0.0.1:1: I/O error: Connection refused (os error 111)
Is the server up, and does --uri or MONGODB_URI name it?
2: error: invalid collection name: it is empty
3: error: can't reach the database to connect: no server is fit for it, 127.0.0.1:1: I/O error: Connection refused (os error 111)
Is the server up, and does --uri or MONGODB_URI name it?
2: error: invalid consumer name: it is empty
2: error: invalid payload limit: 16777216 bytes is above 15728640
");
    Ok(())
}

/// One that listens and does with its connections as it is told.
async fn listening(answer: &'static [u8], hangs: bool) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            // It may have gone already.
            let _ = connection.write_all(answer).await;
            if hangs {
                open.push(connection);
            }
        }
    });
    Ok(format!("mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=500"))
}

#[tokio::test]
async fn what_is_no_mongodb_is_given_up() -> Result<()> {
    for (answer, hangs) in [
        (&b""[..], false),
        (b"", true),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", false),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", true),
    ] {
        let uri = listening(answer, hangs).await?;
        let begun = Instant::now();
        let said = refused(3, "unreachable", &uri).await?;
        // Two commands, far below the driver's own 30 s each.
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
        assert!(said.starts_with("error: can't reach the database to connect"), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn nobody_by_that_name_is_unreachable() -> Result<()> {
    // No such name is ever given out (RFC 2606).
    let uri = "mongodb://nobody.invalid/?serverSelectionTimeoutMS=500";
    let said = refused(3, "unreachable", uri).await?;
    assert!(said.contains("nobody.invalid"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_password_is_never_shown() -> Result<()> {
    for uri in [
        "mongodb://ada:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=300",
        "mongodb://ada:s3cret@127.0.0.1:1:2/",
        "mongodb://ada:s3cret@/x",
        "mongodb://ada:s3cret@a/?tls=perhaps",
        "mongo://ada:s3cret@a",
        "ada:s3cret@a",
    ] {
        let ran = stats(uri, &[]).await?;
        assert!(ran.code == 2 || ran.code == 3, "{uri}: {}", ran.code);
        assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
    }
    Ok(())
}

#[tokio::test]
async fn a_standalone_is_refused_with_the_two_commands() -> Result<()> {
    let bare = Bare::start(&[]).await?;
    let uri = bare.uri("").await?;
    insta::assert_snapshot!(refused(3, "unsuitable-server", &uri).await?, @"error: unsuitable server: a standalone mongod has no transactions. Make it a replica set of one: start it with `mongod --replSet rs0 …`, then once `mongosh --eval 'rs.initiate()'`");
    Ok(())
}

#[tokio::test]
async fn who_may_not_is_told_what_to_ask_for() -> Result<()> {
    let (bare, _) = with_passwords().await?;
    insta::assert_snapshot!(refused(3, "not-allowed", &bare.uri("root:wrong@").await?).await?, @"error: not allowed to connect: SCRAM failure: Authentication failed.; check the user, the password and authSource in the URI");
    insta::assert_snapshot!(refused(3, "not-allowed", &bare.uri("").await?).await?, @"error: not allowed to check the collections: command find requires authentication");
    let missing = refused(3, "not-ready", &bare.uri("root:secret@").await?).await?;
    insta::assert_snapshot!(missing, @"error: collection mongoqueue.jobs is not ready: it has not been set up. Run `mongoqueue init` (or call MongoQueue::init) once");
    Ok(())
}
