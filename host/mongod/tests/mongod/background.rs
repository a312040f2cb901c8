//! The server that all commands of a user share.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mongoqueue_mongod::{Error, Places, Server, Step};

use crate::{another_process, count, eventually, gone, signal, write};

/// Longer than any of these tests.
const LONG: &str = "3600";
/// Long enough for a client to be seen, and short.
const SHORT: &str = "0.4";

/// A user who has no server yet.
struct User {
    // The keeper works in it: it must be gone before the folder is.
    home: tempfile::TempDir,
    places: Places,
}

fn user(idle: &str) -> Result<User> {
    let home = tempfile::tempdir()?;
    fs::write(home.path().join("idle"), idle)?;
    let places = places(home.path())?;
    Ok(User { home, places })
}

fn places(home: &Path) -> Result<Places> {
    let mut places = Places::from_env()?;
    places.data = home.join("data");
    Ok(places)
}

impl User {
    async fn obtain(&self) -> Result<Server> {
        let keeper = another_process("background::keeps", self.home.path())?;
        Ok(Server::obtain(&self.places, keeper, &mut |_| ()).await?)
    }

    async fn find(&self) -> Result<Option<Server>> {
        Ok(Server::find(&self.places).await?)
    }

    /// Waits until the server has ended, and its keeper, which is the one to reap it.
    async fn over(&self, server: &Server) -> Result<()> {
        gone(server.keeper).await?;
        gone(server.pid).await?;
        ensure!(self.find().await?.is_none(), "it is still found");
        Ok(())
    }
}

#[tokio::test]
#[ignore = "the keeper that other tests start"]
async fn keeps() -> Result<()> {
    // Run by hand with the other ignored ones, there is nothing to do.
    let Some(home) = std::env::var_os("TEST_ARGUMENT").map(PathBuf::from) else { return Ok(()) };
    let idle = fs::read_to_string(home.join("idle"))?.parse()?;
    Ok(Server::keep(&places(&home)?, Duration::from_secs_f64(idle)).await?)
}

#[tokio::test]
async fn two_at_once_share_one() -> Result<()> {
    let user = user(LONG)?;
    ensure!(user.find().await?.is_none());
    ensure!(!Server::stop(&user.places).await?, "there is none to stop");
    let (one, two) = tokio::join!(user.obtain(), user.obtain());
    let server = one?;
    assert_eq!(server, two?);
    assert_eq!(user.find().await?.as_ref(), Some(&server));
    assert_eq!(server.clients().await?, 0);

    write(&server.uri(), 1).await?;
    ensure!(Server::stop(&user.places).await?, "it is stopped");
    user.over(&server).await?;
    ensure!(!Server::stop(&user.places).await?, "it is stopped already");

    let server = user.obtain().await?;
    assert_eq!(count(&server.uri()).await?, 1, "the data has stayed");
    ensure!(Server::stop(&user.places).await?);
    user.over(&server).await
}

#[tokio::test]
async fn it_ends_when_nobody_is_connected() -> Result<()> {
    let user = user(SHORT)?;
    let server = user.obtain().await?;
    let client = mongodb::Client::with_uri_str(server.uri()).await?;
    let begun = Instant::now();
    while begun.elapsed() < 4 * Duration::from_secs_f64(SHORT.parse()?) {
        client.list_database_names().await.context("it runs while a client is connected")?;
        ensure!(server.clients().await? > 0);
    }
    client.shutdown().await;
    user.over(&server).await
}

#[tokio::test]
async fn a_signal_ends_it() -> Result<()> {
    let user = user(LONG)?;
    let server = user.obtain().await?;
    signal("TERM", server.keeper)?;
    user.over(&server).await
}

#[tokio::test]
async fn what_a_killed_keeper_leaves_heals() -> Result<()> {
    let user = user(LONG)?;
    let first = user.obtain().await?;
    write(&first.uri(), 1).await?;
    signal("KILL", first.keeper)?;
    let forgotten = || async { Ok(user.find().await?.is_none().then_some(())) };
    eventually("nobody finds it", forgotten).await?;
    // At once, while the watcher is still ending the old server.
    let second = user.obtain().await?;
    assert_ne!((first.keeper, first.pid), (second.keeper, second.pid));
    assert_eq!(count(&second.uri()).await?, 1);
    gone(first.pid).await?;
    ensure!(Server::stop(&user.places).await?);
    user.over(&second).await
}

#[tokio::test]
async fn a_state_that_fits_somebody_else_is_none() -> Result<()> {
    let user = user(LONG)?;
    let server = user.obtain().await?;
    let state = Server::folder(&user.places).join("state");
    let truth = fs::read_to_string(&state)?;
    for (line, lie) in [("port", 9), ("pid", 1)] {
        let lied: Vec<String> = truth
            .lines()
            .map(|it| if it.starts_with(line) { format!("{line} {lie}") } else { it.to_owned() })
            .collect();
        fs::write(&state, lied.join("\n") + "\n")?;
        assert_eq!(user.find().await?, None, "{line}");
    }
    fs::write(&state, truth)?;
    assert_eq!(user.find().await?.as_ref(), Some(&server));
    ensure!(Server::stop(&user.places).await?);
    user.over(&server).await
}

#[tokio::test]
async fn a_keeper_that_fails_is_quoted() -> Result<()> {
    let user = user(LONG)?;
    let mut steps = Vec::new();
    let mut keeper = std::process::Command::new("/bin/sh");
    keeper.args(["-c", "echo it rains >&2; exit 1"]);
    let obtained = Server::obtain(&user.places, keeper, &mut |step| steps.push(step)).await;
    let Err(Error::Keeper { tail, .. }) = obtained else { anyhow::bail!("{obtained:?}") };
    assert_eq!(tail, "it rains");
    ensure!(matches!(steps.last(), Some(Step::Starting { .. })), "{steps:?}");
    let found = eventually("nobody has the turn", || async { Ok(Some(user.find().await?)) });
    assert_eq!(found.await?, None);
    Ok(())
}
