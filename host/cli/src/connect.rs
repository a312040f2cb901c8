//! The way to the database: `--uri`, then `MONGODB_URI`, then the private server in the background.

use mongoqueue::{ConnectOptions, Error, MongoQueue};

use crate::args::Global;
use crate::show::Show;
use crate::trouble::{Result, Trouble};

pub(crate) mod server;

/// How long a server may take to answer before a command gives it up, unless the URI says. A
/// person waits; the driver's own 30 s suit a program.
const SELECTION_TIMEOUT_MS: u32 = 5_000;

/// Connects, to a server that is there or to the private one, which is made ready by itself.
pub(crate) async fn open(global: &Global, show: Show) -> Result<MongoQueue> {
    let Some(uri) = &global.uri else { return private(global, show).await };
    Ok(MongoQueue::connect(&with_timeout(uri), options(global)).await?)
}

/// Makes the collections and their indexes, and connects.
pub(crate) async fn init(global: &Global, show: Show) -> Result<MongoQueue> {
    let uri = match &global.uri {
        Some(uri) => with_timeout(uri),
        None => server::uri(show).await?,
    };
    Ok(MongoQueue::init(&uri, options(global)).await?)
}

async fn private(global: &Global, show: Show) -> Result<MongoQueue> {
    let uri = server::uri(show).await?;
    match MongoQueue::connect(&uri, options(global)).await {
        // Nobody else's server: there is no one to ask.
        Err(Error::NotReady { .. }) => Ok(MongoQueue::init(&uri, options(global)).await?),
        answer => Ok(answer?),
    }
}

pub(crate) fn options(global: &Global) -> ConnectOptions {
    ConnectOptions {
        database: global.database.clone(),
        collection: global.collection.clone(),
        consumer: global.consumer.clone(),
        payload_limit: global.payload_limit,
    }
}

/// The URI with our time limit, unless it has one.
pub(crate) fn with_timeout(uri: &str) -> String {
    const NAME: &str = "serverSelectionTimeoutMS";
    let lower = uri.to_ascii_lowercase();
    let Some((_, rest)) = uri.split_once("://") else { return uri.to_owned() };
    if lower.contains(&format!("{}=", NAME.to_ascii_lowercase())) {
        return uri.to_owned();
    }
    let joint = match (rest.contains('?'), rest.contains('/')) {
        (true, _) if uri.ends_with(['?', '&']) => "",
        (true, _) => "&",
        (false, true) => "?",
        (false, false) => "/?",
    };
    format!("{uri}{joint}{NAME}={SELECTION_TIMEOUT_MS}")
}

impl From<mongoqueue_mongod::Error> for Trouble {
    fn from(error: mongoqueue_mongod::Error) -> Self {
        let message = format!("no database: {error}");
        Self::new(crate::trouble::Exit::Database, "no-server", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_gets_the_time_limit_unless_it_has_one() {
        let limit = "serverSelectionTimeoutMS=5000";
        for (uri, wanted) in [
            ("mongodb://h", format!("mongodb://h/?{limit}")),
            ("mongodb://h:1,i:2/", format!("mongodb://h:1,i:2/?{limit}")),
            ("mongodb://h/db", format!("mongodb://h/db?{limit}")),
            ("mongodb://h/?w=1", format!("mongodb://h/?w=1&{limit}")),
            ("mongodb://h/?", format!("mongodb://h/?{limit}")),
            ("mongodb+srv://u:p@h/db?w=1&", format!("mongodb+srv://u:p@h/db?w=1&{limit}")),
            ("mongodb://h/?ServerSelectionTimeoutMs=9", String::new()),
            ("no uri", String::new()),
        ] {
            let wanted = if wanted.is_empty() { uri.to_owned() } else { wanted };
            assert_eq!(with_timeout(uri), wanted);
        }
    }
}
