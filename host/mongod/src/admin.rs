//! Commands to one server on 127.0.0.1, whatever state it is in.

use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::options::{ClientOptions, ServerAddress};
use mongodb::{Client, error};

use crate::Error;

/// The one address that a server of this crate listens on.
pub(crate) const HOST: &str = "127.0.0.1";

/// How long an answer may take. On the same machine it takes milliseconds; the rest is for one
/// that is busy or swaps.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may take to be there: whoever waits for one asks again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How the connections of this crate are called in the server's list of clients.
const APP_NAME: &str = "mongoqueue-mongod";

/// Parts of `serverStatus` that cost the server some work and that nobody here reads.
const UNREAD_SECTIONS: [&str; 8] = [
    "locks",
    "metrics",
    "opLatencies",
    "repl",
    "tcmalloc",
    "transactions",
    "twoPhaseCommitCoordinator",
    "wiredTiger",
];

/// What a server says of itself.
pub(crate) struct Status {
    /// Its process id.
    pub(crate) pid: Option<u64>,
    /// Connections ever made to it.
    pub(crate) connections: Option<u64>,
}

/// A connection to one server, past any replica set.
pub(crate) struct Admin {
    client: Client,
    port: u16,
}

impl Admin {
    /// Connects when first used.
    pub(crate) fn new(port: u16) -> Result<Admin, Error> {
        let options = ClientOptions::builder()
            .hosts(vec![ServerAddress::Tcp { host: HOST.to_owned(), port: Some(port) }])
            .app_name(APP_NAME.to_owned())
            .direct_connection(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .server_selection_timeout(CONNECT_TIMEOUT)
            .build();
        let client = Client::with_options(options).map_err(|source| failed(port, source))?;
        Ok(Admin { client, port })
    }

    /// Runs a command on the database `admin`.
    pub(crate) async fn run(&self, command: Document) -> Result<Document, Error> {
        let database = self.client.database("admin");
        let answer = database.run_command(command).into_future();
        match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(failed(self.port, source)),
            Err(_) => {
                let silence = format!("no answer after {} s", ANSWER_TIMEOUT.as_secs());
                Err(failed(self.port, error::Error::custom(silence)))
            }
        }
    }

    /// Which process answers, and how often it was connected to.
    pub(crate) async fn status(&self) -> Result<Status, Error> {
        let mut command = doc! { "serverStatus": 1 };
        for section in UNREAD_SECTIONS {
            command.insert(section, 0);
        }
        let answer = self.run(command).await?;
        let connections = answer.get_document("connections").ok();
        Ok(Status {
            pid: whole(&answer, "pid"),
            connections: connections.and_then(|all| whole(all, "totalCreated")),
        })
    }

    /// Connections that are not this crate's. The server's own threads are no clients.
    pub(crate) async fn clients(&self) -> Result<u64, Error> {
        let others = doc! { "client": { "$exists": true }, "appName": { "$ne": APP_NAME } };
        let pipeline = [
            doc! { "$currentOp": { "allUsers": true, "idleConnections": true } },
            doc! { "$match": others },
            doc! { "$count": "clients" },
        ];
        let command = doc! { "aggregate": 1, "pipeline": pipeline.to_vec(), "cursor": {} };
        let answer = self.run(command).await?;
        let batch = answer.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
        // No line at all when there is nobody.
        let first = batch.ok().and_then(|batch| batch.first()?.as_document());
        Ok(first.and_then(|first| whole(first, "clients")).unwrap_or_default())
    }
}

fn failed(port: u16, source: error::Error) -> Error {
    Error::Command { port, source: Box::new(source) }
}

/// A number that the server sends as an int or a long.
fn whole(document: &Document, name: &str) -> Option<u64> {
    let value = document.get(name)?;
    let value = value.as_i64().or_else(|| value.as_i32().map(i64::from))?;
    u64::try_from(value).ok()
}
