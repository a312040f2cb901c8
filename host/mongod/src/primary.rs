//! From a server that listens to a replica set that takes writes.

use std::time::{Duration, Instant};

use mongodb::bson::{Bson, Document, doc};
use mongodb::error::ErrorKind;

use crate::admin::{Admin, HOST};
use crate::{Error, Mongod};

/// The name of every replica set that this crate makes.
pub(crate) const SET_NAME: &str = "mongoqueue";

/// How long it may take. A set of one needs a tenth of a second; the rest is for a slow disk.
const PRIMARY_TIMEOUT: Duration = Duration::from_secs(60);
/// How often it is asked.
const LOOK: Duration = Duration::from_millis(10);

/// Codes of MongoDB's errors.
const ALREADY_INITIALIZED: i32 = 23;
const NOT_YET_INITIALIZED: i32 = 94;
const CONFIGURATION_IN_PROGRESS: i32 = 109;

/// Makes the server the primary of a set of one: a new one, or the one it was before, be it on
/// another port.
pub(crate) async fn alone(mongod: &mut Mongod) -> Result<(), Error> {
    let port = mongod.port();
    let admin = Admin::new(port)?;
    let host = format!("{HOST}:{port}");
    until(mongod, async || {
        let hello = admin.run(doc! { "hello": 1 }).await?;
        if takes_writes(&hello) && hello.get_str("me").is_ok_and(|me| me == host) {
            return Ok(true);
        }
        let asked = match admin.run(doc! { "replSetGetConfig": 1 }).await {
            Ok(answer) => match moved(answer, &host) {
                Some(config) => admin.run(doc! { "replSetReconfig": config, "force": true }).await,
                None => return Ok(false),
            },
            Err(error) if code(&error) == Some(NOT_YET_INITIALIZED) => {
                admin.run(doc! { "replSetInitiate": config(std::slice::from_ref(&host)) }).await
            }
            Err(error) => Err(error),
        };
        settled(asked)
    })
    .await
}

/// Makes a set of the servers with these addresses; this one, whose data is new, is told.
pub(crate) async fn together(mongod: &mut Mongod, hosts: &[String]) -> Result<(), Error> {
    let admin = Admin::new(mongod.port())?;
    until(mongod, async || {
        settled(admin.run(doc! { "replSetInitiate": config(hosts) }).await)?;
        Ok(true)
    })
    .await
}

/// Waits until the server is a primary or a secondary.
pub(crate) async fn member(mongod: &mut Mongod) -> Result<(), Error> {
    let admin = Admin::new(mongod.port())?;
    until(mongod, async || {
        let hello = admin.run(doc! { "hello": 1 }).await?;
        Ok(takes_writes(&hello) || hello.get_bool("secondary").unwrap_or(false))
    })
    .await
}

/// Whether a server that has answered `hello` so is a primary that takes writes.
pub(crate) fn takes_writes(hello: &Document) -> bool {
    hello.get_bool("isWritablePrimary").unwrap_or(false)
}

/// Repeats the question until the answer is yes, the server has ended, or it took too long.
async fn until(
    mongod: &mut Mongod,
    mut question: impl AsyncFnMut() -> Result<bool, Error>,
) -> Result<(), Error> {
    let begun = Instant::now();
    loop {
        let answer = question().await;
        mongod.check()?;
        match answer {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // A refusal stays one, a broken connection may be a server that changes its state.
            Err(error) if code(&error).is_some() => return Err(error),
            Err(_) => {}
        }
        if begun.elapsed() > PRIMARY_TIMEOUT {
            return Err(mongod.not_ready(PRIMARY_TIMEOUT));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A configuration was asked for; not yet whether it is in force. That one is on its way is no
/// failure.
fn settled(asked: Result<Document, Error>) -> Result<bool, Error> {
    const ON_ITS_WAY: [i32; 3] =
        [ALREADY_INITIALIZED, NOT_YET_INITIALIZED, CONFIGURATION_IN_PROGRESS];
    match asked {
        Ok(_) => Ok(false),
        Err(error) if code(&error).is_some_and(|code| ON_ITS_WAY.contains(&code)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn config(hosts: &[String]) -> Document {
    let members = hosts.iter().zip(0_i32..);
    let members = members.map(|(host, id)| doc! { "_id": id, "host": host });
    doc! {
        "_id": SET_NAME,
        "members": members.map(Bson::Document).collect::<Vec<_>>(),
        "settings": {
            // On one machine a silence of two seconds is a dead member. The default of ten suits
            // networks, and a test of a failover would wait for it.
            "electionTimeoutMillis": 2000,
            "heartbeatIntervalMillis": 500,
        },
    }
}

/// The answer's configuration with the host as its only member, if it isn't so already.
fn moved(mut answer: Document, host: &str) -> Option<Document> {
    let config = answer.get_document_mut("config").ok()?;
    let members = config.get_array("members").ok()?;
    let only =
        |member: &Bson| member.as_document().and_then(|it| it.get_str("host").ok()) == Some(host);
    if members.len() == 1 && members.iter().all(only) {
        return None;
    }
    let version = config.get_i32("version").unwrap_or(1);
    config.insert("members", vec![doc! { "_id": 0, "host": host }]);
    config.insert("version", version.saturating_add(1));
    Some(config.clone())
}

fn code(error: &Error) -> Option<i32> {
    let Error::Command { source, .. } = error else {
        return None;
    };
    match source.kind.as_ref() {
        ErrorKind::Command(refusal) => Some(refusal.code),
        _ => None,
    }
}
