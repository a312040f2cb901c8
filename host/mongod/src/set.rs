//! Several nodes on one machine, to try what the loss of one does.

use std::path::Path;
use std::time::{Duration, Instant};

use mongodb::bson::doc;
use mongodb::bson::oid::ObjectId;
use tokio::task::JoinSet;

use crate::admin::{Admin, HOST};
use crate::mongod::uri;
use crate::{Data, Error, Mongod, Options, Program, primary};

/// A set may have seven members that vote.
const LARGEST: usize = 7;
/// How long a primary may be looked for: an election takes some seconds, on a busy machine more.
const PRIMARY_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a member may take to say what it is: a frozen one never does.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// A replica set whose members can be killed, frozen and restarted one by one. All data is
/// temporary. A dead primary is replaced after about three seconds, a frozen one after five.
#[derive(Debug)]
pub struct ReplicaSet {
    members: Vec<Mongod>,
}

impl ReplicaSet {
    /// Starts so many members, one to seven, with their data in temporary folders inside `within`,
    /// and waits until each is the primary or a secondary. `options.port` is not used.
    ///
    /// # Errors
    /// As [`Mongod::start`].
    pub async fn start(
        program: &Program,
        members: usize,
        within: &Path,
        options: Options,
    ) -> Result<ReplicaSet, Error> {
        let options = Options { port: None, ..options };
        let mut set = ReplicaSet { members: Vec::new() };
        for _ in 0..members.clamp(1, LARGEST) {
            let data = Data::Temporary(within.to_owned());
            set.members.push(Mongod::listening(program, data, options.clone()).await?);
        }
        let ports: Vec<u16> = set.members.iter().map(Mongod::port).collect();
        let hosts: Vec<String> = ports.iter().map(|port| format!("{HOST}:{port}")).collect();
        if let Some(first) = set.members.first_mut() {
            primary::together(first, &ports).await?;
        }
        for member in &mut set.members {
            member.joined(&hosts.join(","));
            primary::member(member).await?;
        }
        set.primary().await?;
        Ok(set)
    }

    /// The URI that drivers connect to, with all members.
    pub fn uri(&self) -> String {
        let hosts: Vec<String> =
            self.members.iter().map(|member| format!("{HOST}:{}", member.port())).collect();
        uri(&hosts.join(","))
    }

    /// The members, in an order that stays.
    pub fn members(&mut self) -> &mut [Mongod] {
        &mut self.members
    }

    /// Which of the [`members`](Self::members) takes writes; waits for an election if none does.
    ///
    /// # Errors
    /// [`Error::NoPrimary`] after a minute.
    pub async fn primary(&self) -> Result<usize, Error> {
        let begun = Instant::now();
        while begun.elapsed() < PRIMARY_TIMEOUT {
            let mut asked = JoinSet::new();
            for (place, member) in self.members.iter().enumerate() {
                let port = member.port();
                asked.spawn(async move { Some((elected(port).await?, place)) });
            }
            // One that was frozen or cut off may not know that it was replaced: the last election
            // counts.
            if let Some((_, place)) = asked.join_all().await.into_iter().flatten().max() {
                return Ok(place);
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(Error::NoPrimary(PRIMARY_TIMEOUT))
    }
}

/// The election that made this member the primary; `None` if it isn't, or does not answer.
async fn elected(port: u16) -> Option<ObjectId> {
    let admin = Admin::new(port).ok()?;
    let hello = tokio::time::timeout(ANSWER_TIMEOUT, admin.run(doc! { "hello": 1 })).await;
    let hello = hello.ok()?.ok().filter(primary::takes_writes)?;
    hello.get_object_id("electionId").ok()
}
