//! What a person reads when something is wrong, and its exit code.

use std::time::{Duration, Instant};

use anyhow::Result;
use mongoqueue_tests::built;

use super::{Cli, program, ran, text};

#[tokio::test]
async fn what_is_no_json_says_where() -> Result<()> {
    let cli = Cli::new().await?;
    let bad = ["put", "q", "{\"a\": 1,\n\"b\" 2}"];
    insta::assert_snapshot!(
        cli.error(2, &bad).await?,
        @"error: invalid payload: expected `:` at line 2 column 5"
    );
    assert_eq!(cli.kind(2, &bad).await?, "invalid");
    insta::assert_snapshot!(cli.error(2, &["put", "q", "{to: ada}"]).await?, @r#"
    error: invalid payload: key must be a string at line 1 column 2
    Is it quoted for the shell? For example: '{"to": "ada"}'
    "#);
    insta::assert_snapshot!(
        cli.error(2, &["put", "q", "-"]).await?,
        @"error: invalid payload: standard input is empty, JSON was expected"
    );
    insta::assert_snapshot!(
        cli.error(2, &["put", "q", "@no/such/file"]).await?,
        @"error: can't read no/such/file: No such file or directory (os error 2)"
    );
    assert_eq!(cli.counts().await?, (0, 0, 0));
    cli.end().await
}

#[tokio::test]
async fn options_that_make_no_sense_are_misuse() -> Result<()> {
    let cli = Cli::new().await?;
    insta::assert_snapshot!(cli.error(2, &["put", "q", "1", "--delay", "5"]).await?, @r#"
    error: invalid value '5' for '--delay <DURATION>': a number needs its unit (5ms, 5s, 5m or 5h) in "5"

    For more information, try '--help'.
    "#);
    insta::assert_snapshot!(cli.error(2, &["put", "q", "1", "--due", "2027-01-15"]).await?, @"
    error: invalid value '2027-01-15' for '--due <TIME>': a time is written with date, time and zone: 2027-01-31T09:30:00Z

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(cli.error(2, &["list", "--state", "waiting"]).await?, @r#"
    error: invalid value 'waiting' for '--state <STATE>': invalid state: "waiting" is none of ready, running, completed, dead, cancelled

    For more information, try '--help'.
    "#);
    insta::assert_snapshot!(cli.error(2, &["complete", "a", "--token", "123"]).await?, @"
    error: invalid value '123' for '--token <TOKEN>': invalid token: it is no UUID as `next` prints them

    For more information, try '--help'.
    ");
    for args in [
        &["nonsense"][..],
        &["put", "q"],
        &["retry"],
        &["retry", "a", "--queue", "q"],
        &["work"],
        &["put", "q", "1", "--timeout", "5M"],
        &["put", "q", "1", "--backoff", "5s..1s"],
        &["put", "q", "1", "--header", "none"],
        &["put", "q", "1", "--payload-limit", "16MiB"],
        &["put", "q", "1", "--max-attempts", "0"],
        &["put", "", "1"],
        &["work", "hello.wasm"],
        &["complete", "a"],
        &["fail", "a", "--token", "x", "--reject", "--retry-after", "1s"],
    ] {
        let kind = cli.kind(2, args).await?;
        assert!(kind == "misuse" || kind == "invalid", "{args:?}: {kind}");
    }
    cli.end().await
}

#[tokio::test]
async fn without_arguments_it_is_misuse_and_help_is_shown() -> Result<()> {
    let bare = ran(program(&built::cli()?), "").await?.ended(2)?;
    assert!((bare.stdout + &bare.stderr).contains("Usage: mongoqueue"));
    Ok(())
}

#[tokio::test]
async fn only_the_token_of_the_last_claim_settles_a_job() -> Result<()> {
    let cli = Cli::new().await?;
    let id = cli.put("1", &[]).await?;
    let wrong = ["complete", &id, "--token", "00000000-0000-4000-8000-000000000000"];
    assert_eq!(cli.kind(1, &wrong).await?, "lease-lost");
    let first = cli.next().await?;
    insta::assert_snapshot!(
        cli.error(1, &wrong).await?.replace(&id, "ID"),
        @"error: lease lost: job ID is no longer held by this claim; nothing was written"
    );
    cli.settle("release", &first, &[]).await?;
    let second = cli.next().await?;
    let token = text(&first["token"])?;
    for command in ["complete", "fail", "release", "progress", "heartbeat"] {
        let kind = cli.kind(1, &[command, &id, "--token", token]).await?;
        assert_eq!(kind, "lease-lost", "{command}");
    }
    let job = cli.json(&["get", &id]).await?;
    assert_eq!((&job["token"], &job["attempts"]), (&second["token"], &0.into()));
    cli.settle("complete", &second, &[]).await?;
    cli.end().await
}

#[tokio::test]
async fn a_claim_whose_lease_ran_out_is_lost() -> Result<()> {
    let cli = Cli::new().await?;
    cli.put("1", &[]).await?;
    let first = cli.json(&["next", "q", "--lease", "1s"]).await?;
    cli.stage.expire_leases().await?;
    let second = cli.next().await?;
    assert_eq!((&second["id"], &second["attempts"]), (&first["id"], &1.into()));
    assert_eq!(second["errors"][0]["kind"], "lease-expired");
    let late = ["complete", text(&first["id"])?, "--token", text(&first["token"])?];
    assert_eq!(cli.kind(1, &late).await?, "lease-lost");
    cli.settle("complete", &second, &[]).await?;
    cli.end().await
}

#[tokio::test]
async fn no_such_job() -> Result<()> {
    let cli = Cli::new().await?;
    insta::assert_snapshot!(
        cli.error(1, &["get", "nobody"]).await?,
        @"error: no such job: nobody (completed jobs are removed unless put with --retain)"
    );
    for command in ["get", "retry", "cancel"] {
        assert_eq!(cli.kind(1, &[command, "nobody"]).await?, "no-such-job", "{command}");
    }
    cli.end().await
}

#[tokio::test]
async fn a_payload_that_is_too_large_says_how_it_gets_in() -> Result<()> {
    let cli = Cli::new().await?;
    let large = "x".repeat((1 << 20) + 1);
    let args = ["put", "q", "-", "--content-type", "text/plain"];
    let ran = cli.fed(&args, &large).await?.ended(2)?;
    insta::assert_snapshot!(ran.stderr, @"
    error: payload too large: 1048577 bytes, the limit is 1048576
    A larger --payload-limit lets it through, up to 15MiB.
    ");
    let more = [&args[..], &["--payload-limit", "2MiB"]].concat();
    cli.fed(&more, &large).await?.ended(0)?;
    cli.end().await
}

#[tokio::test]
async fn a_collection_that_is_not_set_up_says_what_does_it() -> Result<()> {
    let cli = Cli::new().await?;
    let args = ["put", "q", "1", "--collection", "others"];
    let said = cli.error(3, &args).await?.replace(cli.stage.database.name(), "DB");
    insta::assert_snapshot!(said, @"error: collection DB.others is not ready: it has not been set up. Run `mongoqueue init` (or call MongoQueue::init) once");
    assert_eq!(cli.kind(3, &args).await?, "not-ready");
    for _ in 0..2 {
        let made = cli.json(&["init", "--collection", "others"]).await?;
        assert_eq!(made["namespace"], format!("{}.others", cli.stage.database.name()));
    }
    cli.json(&args).await?;
    assert_eq!(cli.counts().await?, (0, 0, 0));
    cli.end().await
}

#[tokio::test]
async fn a_server_that_is_not_there_is_given_up() -> Result<()> {
    let mut command = program(&built::cli()?);
    // The lowest port, which no server has.
    let uri = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300";
    command.args(["stats", "--uri", uri]);
    let begun = Instant::now();
    let ended = ran(command, "").await?.ended(3)?;
    // Far less than the driver's own 30 s.
    assert!(begun.elapsed() < Duration::from_secs(10));
    insta::assert_snapshot!(ended.stderr, @"
    error: can't reach the database to connect: no server is fit for it, 127.0.0.1:1: I/O error: Connection refused (os error 111)
    Is the server up, and does --uri or MONGODB_URI name it?
    ");
    let mut command = program(&built::cli()?);
    command.args(["stats", "--json"]).env("MONGODB_URI", uri);
    let ended = ran(command, "").await?.ended(3)?;
    assert!(ended.stderr.contains("\"kind\":\"unreachable\""), "{}", ended.stderr);
    Ok(())
}
