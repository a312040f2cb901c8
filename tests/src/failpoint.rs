//! Commands that fail on purpose, by the server's own `failCommand`.

use anyhow::{Context, Result};
use bson::{Bson, Document, doc};
use tokio::sync::{Mutex, MutexGuard};

use crate::Stage;

/// A server has one `failCommand`, so one test at a time has it.
static ONE: Mutex<()> = Mutex::const_new(());

/// The commands of one test's connections fail, until [`off`](Self::off). A test that fails leaves
/// it on: nobody else's connections have its name.
pub struct FailPoint<'a> {
    stage: &'a Stage,
    before: i64,
    _one: MutexGuard<'static, ()>,
}

impl<'a> FailPoint<'a> {
    /// The connections of a [private](Stage::private) stage. `how` has `failCommands`, and
    /// `closeConnection`, `errorCode` or `writeConcernError`; the next `times` such commands fail,
    /// or all of them. Of inserts only those of jobs: who puts one also rings the bell.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn on(stage: &'a Stage, mut how: Document, times: Option<i32>) -> Result<Self> {
        let one = ONE.lock().await;
        how.insert("appName", stage.database.name());
        if how.get_array("failCommands").is_ok_and(|it| it.contains(&Bson::from("insert"))) {
            how.insert("namespace", format!("{}.jobs", stage.database.name()));
        }
        let mode = times.map_or(Bson::from("alwaysOn"), |n| doc! { "times": n }.into());
        let command = doc! { "configureFailPoint": "failCommand", "mode": mode, "data": how };
        let before = configure(stage, command).await?;
        Ok(Self { stage, before, _one: one })
    }

    /// The next such command is held back for three seconds, to do something before it: whoever does
    /// waits until it is [met](Self::met).
    ///
    /// # Errors
    /// Those of the database.
    pub async fn late(stage: &'a Stage, command: &str) -> Result<Self> {
        let late =
            doc! { "failCommands": [command], "blockConnection": true, "blockTimeMS": 3_000 };
        Self::on(stage, late, Some(1)).await
    }

    /// Waits until so many commands have met it.
    ///
    /// # Errors
    /// When they don't, and those of the database.
    pub async fn met(&self, times: i64) -> Result<()> {
        let admin = self.stage.database.client().database("admin");
        let limit = i64::try_from(crate::PATIENCE.as_millis())?;
        let wait = doc! {
            "waitForFailPoint": "failCommand", "timesEntered": self.before + times,
            "maxTimeMS": limit,
        };
        admin.run_command(wait).await.context("waiting for a command to fail")?;
        Ok(())
    }

    /// They succeed again; answers how many have failed.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn off(self) -> Result<i64> {
        let off = doc! { "configureFailPoint": "failCommand", "mode": "off" };
        Ok(configure(self.stage, off).await? - self.before)
    }
}

/// Answers how many commands have failed in the server's life.
async fn configure(stage: &Stage, command: Document) -> Result<i64> {
    let admin = stage.database.client().database("admin");
    let answer = admin.run_command(command).await;
    let answer = answer.context("the server needs --setParameter enableTestCommands=1")?;
    let count = answer.get("count").context("no count in the answer of configureFailPoint")?;
    let long = count.as_i64().or_else(|| count.as_i32().map(i64::from));
    long.context("the count of configureFailPoint is no number")
}
