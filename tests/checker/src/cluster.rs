//! The servers: one node or three, behind proxies, which can be killed, frozen, cut off from each
//! other, told to step down, and told to fail commands.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bson::oid::ObjectId;
use bson::{Bson, Document, doc};
use mongodb::Client;
use mongodb::options::{ClientOptions, ServerAddress};
use mongoqueue_mongod::{Data, Options, Program, ReplicaSet};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::proxy::{Between, Effect, Lifted, Net, Proxy, Who};

mod disk;

pub(crate) use disk::{SmallDisk, in_a_namespace};

/// How many nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Topology {
    /// A replica set of one.
    Single,
    /// A replica set of three.
    Three,
}

impl Topology {
    pub(crate) fn nodes(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Three => 3,
        }
    }
}

/// The name of this program's own connections, past the proxies.
const ADMIN: &str = "checker-admin";
/// A node that is there answers in milliseconds; one that is down or frozen doesn't.
const ANSWER: Duration = Duration::from_secs(2);
/// An election takes some seconds, on a busy machine more.
const ELECTION: Duration = Duration::from_secs(40);
/// How long a node may need to replay its journal, undo what the others don't have, and catch up.
const RETURN: Duration = Duration::from_secs(180);
/// How often it is asked who is the primary.
const LOOK: Duration = Duration::from_millis(50);

/// The nodes of one run. They end with this value, or with this process.
pub(crate) struct Cluster {
    net: Net,
    nodes: Vec<Node>,
    set: Mutex<ReplicaSet>,
    uri: String,
    disk: Option<SmallDisk>,
    // Dropped last: who is still connected sees a node that is down, not a proxy.
    _proxies: Vec<Proxy>,
}

struct Node {
    port: u16,
    admin: Client,
}

impl Cluster {
    /// Starts the nodes with their data in temporary folders inside `within`; that of the last one
    /// on the small disk, if there is one.
    pub(crate) async fn start(
        program: &Program,
        topology: Topology,
        within: &Path,
        disk: Option<SmallDisk>,
    ) -> Result<Self> {
        let net = Net::new();
        let mut proxies = Vec::new();
        for node in 0..topology.nodes() {
            proxies.push(Proxy::open(&net, node).await.context("opening a proxy")?);
        }
        let mut data = vec![Data::Temporary(within.to_owned()); topology.nodes()];
        if let (Some(disk), Some(last)) = (&disk, data.last_mut()) {
            *last = Data::Temporary(disk.folder().to_owned());
        }
        let mut options = Options::default();
        (options.cache_gib, options.test_commands) = (0.25, true);
        let mut nodes = Vec::new();
        let behind = |place: usize, port| {
            nodes.push(port);
            let proxy = proxies.get(place);
            proxy.inspect(|proxy| proxy.lead_to(port)).map(Proxy::address).unwrap_or_default()
        };
        let set = ReplicaSet::start_behind(program, data, options, behind).await?;
        let nodes = nodes.into_iter().map(Node::new).collect::<Result<_>>()?;
        let uri = set.uri();
        Ok(Self { net, nodes, set: Mutex::new(set), uri, disk, _proxies: proxies })
    }

    /// The URI for a client of this name.
    pub(crate) fn uri(&self, app: &str) -> String {
        mongoqueue_tests::server::with_option(&self.uri, &format!("appName={app}"))
    }

    pub(crate) fn net(&self) -> &Net {
        &self.net
    }

    pub(crate) fn disk(&self) -> Option<&SmallDisk> {
        self.disk.as_ref()
    }

    /// How many nodes there are.
    pub(crate) fn size(&self) -> usize {
        self.nodes.len()
    }

    /// The node that takes writes; waits for an election if none does.
    pub(crate) async fn primary(&self) -> Result<usize> {
        let begun = Instant::now();
        while begun.elapsed() < ELECTION {
            let mut asked = JoinSet::new();
            for (place, node) in self.nodes.iter().enumerate() {
                let admin = node.admin.clone();
                asked.spawn(async move { Some((elected(&admin).await?, place)) });
            }
            // One that was frozen or cut off may not know that it was replaced: the last election
            // counts.
            if let Some((_, place)) = asked.join_all().await.into_iter().flatten().max() {
                return Ok(place);
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!("no node became the primary within {} s", ELECTION.as_secs())
    }

    /// Kills a node, as `kill -9` does.
    pub(crate) async fn kill(&self, node: usize) -> Result<()> {
        Ok(member(self.set.lock().await.members(), node)?.kill()?)
    }

    /// Starts a node again that was killed or has died, and waits until it is back in the set.
    pub(crate) async fn restart(&self, node: usize) -> Result<()> {
        Ok(member(self.set.lock().await.members(), node)?.restart().await?)
    }

    /// Whether the node's process is there.
    pub(crate) async fn is_running(&self, node: usize) -> Result<bool> {
        Ok(member(self.set.lock().await.members(), node)?.is_running())
    }

    /// Stops a node where it is.
    pub(crate) async fn freeze(&self, node: usize) -> Result<()> {
        Ok(member(self.set.lock().await.members(), node)?.freeze()?)
    }

    /// Lets a frozen node go on.
    pub(crate) async fn thaw(&self, node: usize) -> Result<()> {
        Ok(member(self.set.lock().await.members(), node)?.thaw()?)
    }

    /// Tells the primary that it is none for a while. `catch_up` gives the others time to get what
    /// they lack; without, it may be lost.
    pub(crate) async fn step_down(&self, node: usize, catch_up: bool) -> Result<()> {
        let seconds = i32::from(catch_up) * 2;
        let step_down = doc! {
            "replSetStepDown": 5, "secondaryCatchUpPeriodSecs": seconds, "force": true,
        };
        self.admin(node, step_down).await.map(drop)
    }

    /// Asks a node to become the primary; it may fail, when it lacks what others have.
    pub(crate) async fn step_up(&self, node: usize) -> Result<()> {
        self.admin(node, doc! { "replSetStepUp": 1 }).await.map(drop)
    }

    /// Lets a node write all it has to its disk.
    pub(crate) async fn checkpoint(&self, node: usize) -> Result<()> {
        self.admin(node, doc! { "fsync": 1 }).await.map(drop)
    }

    /// Cuts a node off from the others; clients still reach all of them.
    pub(crate) fn isolate(&self, node: usize) -> Result<[Lifted; 2]> {
        let port = self.nodes.get(node).context("no such node")?.port;
        let out = Between { who: Who::Node(port), node: None };
        let into = Between { who: Who::AnyNode, node: Some(node) };
        Ok([out, into].map(|between| self.net.rule(between, Effect::Hold(None))))
    }

    /// Lets the next `times` commands fail on every node, as the server's `failCommand` does;
    /// answers how often it had failed any before.
    pub(crate) async fn fail_commands(&self, how: &Document, times: i32) -> Result<i64> {
        let mode: Bson = doc! { "times": times }.into();
        self.fail_point(doc! { "mode": mode, "data": how.clone() }).await
    }

    /// Commands succeed again; answers how often any have failed.
    pub(crate) async fn succeed(&self) -> Result<i64> {
        self.fail_point(doc! { "mode": "off" }).await
    }

    /// Where there is one node alone, it may be down: then this waits until it is back.
    async fn fail_point(&self, how: Document) -> Result<i64> {
        let begun = Instant::now();
        loop {
            if let Some(count) = self.try_fail_point(&how).await {
                return Ok(count);
            }
            ensure!(begun.elapsed() < ELECTION, "no node takes configureFailPoint");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// `None` when no node takes it.
    async fn try_fail_point(&self, how: &Document) -> Option<i64> {
        let (mut count, mut reached) = (0, 0);
        for node in 0..self.size() {
            let mut configure = doc! { "configureFailPoint": "failCommand" };
            configure.extend(how.clone());
            // A node that is down has no failing commands when it comes back.
            let Ok(answer) = self.admin(node, configure).await else { continue };
            reached += 1;
            let number = answer.get("count");
            let number = number.and_then(|n| n.as_i64().or_else(|| n.as_i32().map(i64::from)));
            count += number.unwrap_or(0);
        }
        (reached > 0).then_some(count)
    }

    /// The transactions that are open on the primary, as it describes them.
    pub(crate) async fn transactions(&self) -> Result<Vec<Document>> {
        let node = self.primary().await?;
        let pipeline = vec![
            doc! { "$currentOp": { "allUsers": true, "idleSessions": true } },
            doc! { "$match": { "transaction": { "$exists": true } } },
        ];
        let open = doc! { "aggregate": 1, "pipeline": pipeline, "cursor": {} };
        let open = self.admin(node, open).await?;
        let open = open.get_document("cursor")?.get_array("firstBatch")?;
        Ok(open.iter().filter_map(Bson::as_document).cloned().collect())
    }

    /// Copies the nodes' logs into the folder.
    pub(crate) async fn keep_logs(&self, folder: &Path) -> Result<()> {
        for (place, member) in self.set.lock().await.members().iter().enumerate() {
            let log = member.log();
            // The one before is that of the life before.
            for (log, ending) in [(log.with_extension("log.old"), "old.log"), (log, "log")] {
                if log.is_file() {
                    std::fs::copy(log, folder.join(format!("node-{place}.{ending}")))?;
                }
            }
        }
        Ok(())
    }

    /// Waits until every node is a primary or a secondary, and one is the primary.
    pub(crate) async fn whole(&self) -> Result<()> {
        let begun = Instant::now();
        for node in 0..self.size() {
            while !self.is_member(node).await {
                ensure!(begun.elapsed() < RETURN, "node {node} didn't come back into the set");
                tokio::time::sleep(LOOK).await;
            }
        }
        self.primary().await.map(drop)
    }

    async fn is_member(&self, node: usize) -> bool {
        let Ok(hello) = self.admin(node, doc! { "hello": 1 }).await else { return false };
        ["isWritablePrimary", "secondary"].iter().any(|it| hello.get_bool(it).unwrap_or(false))
    }

    async fn admin(&self, node: usize, command: Document) -> Result<Document> {
        let admin = &self.nodes.get(node).context("no such node")?.admin;
        run(admin, command).await
    }
}

impl Node {
    fn new(port: u16) -> Result<Self> {
        let address = ServerAddress::Tcp { host: "127.0.0.1".to_owned(), port: Some(port) };
        let options = ClientOptions::builder()
            .hosts(vec![address])
            .app_name(ADMIN.to_owned())
            .direct_connection(true)
            .connect_timeout(ANSWER)
            .server_selection_timeout(ANSWER)
            .build();
        Ok(Self { port, admin: Client::with_options(options)? })
    }
}

async fn run(admin: &Client, command: Document) -> Result<Document> {
    let name = command.keys().next().cloned().unwrap_or_default();
    let admin = admin.database("admin");
    let answer = admin.run_command(command).into_future();
    // A step-down waits for the others, at most as long as it was told.
    let answered = tokio::time::timeout(ANSWER * 3, answer).await;
    let answer = answered.with_context(|| format!("{name}: no answer"))?;
    answer.with_context(|| format!("{name} failed"))
}

/// The election that made this node the primary.
async fn elected(admin: &Client) -> Option<ObjectId> {
    let hello = tokio::time::timeout(ANSWER, run(admin, doc! { "hello": 1 })).await.ok()?.ok()?;
    let takes_writes = hello.get_bool("isWritablePrimary").unwrap_or(false);
    takes_writes.then(|| hello.get_object_id("electionId").ok()).flatten()
}

fn member(
    members: &mut [mongoqueue_mongod::Mongod],
    node: usize,
) -> Result<&mut mongoqueue_mongod::Mongod> {
    members.get_mut(node).context("no such node")
}
