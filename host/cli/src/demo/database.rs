//! The demo's database: a private mongod with temporary data, or a database of its own on the
//! server that `MONGODB_URI` or `--uri` names. Nothing of it is left in the end.

use mongoqueue::{ConnectOptions, JobId, MongoQueue};
use mongoqueue_mongod::{Data, Mongod, Options, Places, find};

use super::stage::Stage;
use crate::args::Global;
use crate::connect;
use crate::connect::server::Teller;
use crate::show::{Show, escape};
use crate::trouble::{Exit, Result, Trouble};

pub(super) struct Database {
    pub(super) mq: MongoQueue,
    home: Home,
}

enum Home {
    /// Ends with this value, data and all.
    Private(Mongod),
    /// A database on somebody's server.
    Guest { uri: String, name: String },
}

impl Database {
    pub(super) async fn open(global: &Global, show: Show) -> Result<Self> {
        if let Some(uri) = &global.uri {
            return Self::guest(&connect::with_timeout(uri), show).await;
        }
        let places = Places::from_env()?;
        let mut teller = Teller::new(show);
        let program = find(&places, &mut |step| teller.tell(&step)).await;
        teller.end();
        let program = program?;
        let stage = Stage::begin(show, &format!("starting MongoDB {}", program.version));
        let mongod =
            Mongod::start(&program, Data::Temporary(places.temp), Options::default()).await?;
        let mq = MongoQueue::init(&mongod.uri(), ConnectOptions::default()).await?;
        let (version, port) = (program.version, mongod.port());
        stage.end(&format!("MongoDB {version} of its own, on 127.0.0.1:{port}"))?;
        Ok(Self { mq, home: Home::Private(mongod) })
    }

    async fn guest(uri: &str, show: Show) -> Result<Self> {
        let stage = Stage::begin(show, "connecting");
        // A name that nobody else has: it is dropped in the end.
        let name = format!("mongoqueue-demo-{}", JobId::mint());
        let options = ConnectOptions { database: Some(name.clone()), ..Default::default() };
        let mq = MongoQueue::init(uri, options).await?;
        stage.end(&format!("a database of its own on your server: {}", escape::line(&name)))?;
        Ok(Self { mq, home: Home::Guest { uri: uri.to_owned(), name } })
    }

    /// Removes everything that the demo made.
    pub(super) async fn close(self) -> Result<()> {
        match self.home {
            // Killed, not stopped: its data goes with it.
            Home::Private(mongod) => drop(mongod),
            Home::Guest { uri, name } => {
                let dropped = async {
                    let client = mongodb::Client::with_uri_str(&uri).await?;
                    client.database(&name).drop().await
                };
                dropped.await.map_err(|error| {
                    let message = format!("the database {name} could not be dropped: {error}");
                    Trouble::new(Exit::Database, "not-dropped", message)
                })?;
            }
        }
        Ok(())
    }
}
