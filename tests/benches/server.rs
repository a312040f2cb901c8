//! The server that is measured: the user's, or a private one.

use anyhow::Result;
use bson::doc;
use mongodb::Client;
use mongoqueue::{ConnectOptions, MongoQueue};
use mongoqueue_mongod::{Data, Mongod, Options, Places};

/// A MongoDB server, and databases of the bench's own on it.
pub(crate) struct Server {
    mongod: Option<Mongod>,
    uri: String,
    /// The bare driver, for what is measured beside the queue.
    pub(crate) client: Client,
}

/// All databases of a run begin like this.
const PREFIX: &str = "mongoqueue_bench";

impl Server {
    /// `MONGODB_URI`, or a private replica set of one.
    pub(crate) async fn start() -> Result<Self> {
        let (mongod, uri) = match std::env::var("MONGODB_URI") {
            Ok(uri) => (None, uri),
            Err(_) => {
                let program = mongoqueue_tests::server::program().await?;
                let mut options = Options::default();
                // As much cache as the backlog needs to stay in memory.
                options.cache_gib = 2.0;
                let data = Data::Temporary(Places::from_env()?.temp);
                let mongod = Mongod::start(program, data, options).await?;
                let uri = mongod.uri();
                (Some(mongod), uri)
            }
        };
        let client = Client::with_uri_str(&uri).await?;
        Ok(Self { mongod, uri, client })
    }

    /// The URI, for processes of the bench.
    pub(crate) fn uri(&self) -> &str {
        &self.uri
    }

    /// The server's version and how many cores this machine has.
    pub(crate) async fn describe(&self) -> Result<String> {
        let info = self.client.database("admin").run_command(doc! { "buildInfo": 1 }).await?;
        let cores = std::thread::available_parallelism()?;
        Ok(format!("MongoDB {}, {cores} cores", info.get_str("version")?))
    }

    /// The database's name for one measurement.
    pub(crate) fn database(&self, name: &str) -> String {
        format!("{PREFIX}_{}_{name}", std::process::id())
    }

    /// An empty, initialised queue collection of its own.
    pub(crate) async fn queues(&self, name: &str) -> Result<MongoQueue> {
        let database = self.database(name);
        self.client.database(&database).drop().await?;
        let options = ConnectOptions { database: Some(database), ..Default::default() };
        Ok(MongoQueue::init(&self.uri, options).await?)
    }

    /// Commands that the server has been sent, of every kind.
    pub(crate) async fn commands(&self) -> Result<i64> {
        let status = self.client.database("admin").run_command(doc! { "serverStatus": 1 }).await?;
        let counters = status.get_document("opcounters")?;
        let count = |name: &str| match counters.get(name) {
            Some(bson::Bson::Int32(n)) => i64::from(*n),
            Some(bson::Bson::Int64(n)) => *n,
            _ => 0,
        };
        Ok(["insert", "query", "update", "delete", "getmore", "command"].map(count).iter().sum())
    }

    /// Drops what the run made and ends the private server.
    pub(crate) async fn stop(self) -> Result<()> {
        for name in self.client.list_database_names().await? {
            if name.starts_with(&self.database("")) {
                self.client.database(&name).drop().await?;
            }
        }
        if let Some(mongod) = self.mongod {
            mongod.stop().await?;
        }
        Ok(())
    }
}
