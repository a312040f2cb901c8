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

/// A replica set whose members can be killed, frozen and restarted one by one. A dead primary is
/// replaced after about three seconds, a frozen one after five.
#[derive(Debug)]
pub struct ReplicaSet {
    members: Vec<Mongod>,
    /// `host:port` of each, as the set's configuration has it.
    addresses: Vec<String>,
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
        let data = vec![Data::Temporary(within.to_owned()); members.clamp(1, LARGEST)];
        Self::start_behind(program, data, options, |_, port| format!("{HOST}:{port}")).await
    }

    /// The same with a place for each member's data, and with addresses of the caller's: members
    /// and drivers reach each member by the one that `address` answers, for example that of a proxy
    /// in front of it. It is told the member's place among the [`members`](Self::members), and the
    /// port on 127.0.0.1 where it listens; who connects to the address from then on has to reach
    /// the member.
    ///
    /// # Errors
    /// As [`Mongod::start`]; [`Error::NotReady`] where a member is not reached by its address.
    pub async fn start_behind(
        program: &Program,
        data: Vec<Data>,
        options: Options,
        mut address: impl FnMut(usize, u16) -> String,
    ) -> Result<ReplicaSet, Error> {
        let options = Options { port: None, ..options };
        let mut set = ReplicaSet { members: Vec::new(), addresses: Vec::new() };
        for (place, data) in data.into_iter().take(LARGEST).enumerate() {
            let member = Mongod::listening(program, data, options.clone()).await?;
            set.addresses.push(address(place, member.port()));
            set.members.push(member);
        }
        if let Some(first) = set.members.first_mut() {
            primary::together(first, &set.addresses).await?;
        }
        for member in &mut set.members {
            member.joined(&set.addresses.join(","));
            primary::member(member).await?;
        }
        set.primary().await?;
        Ok(set)
    }

    /// The URI that drivers connect to, with all members.
    pub fn uri(&self) -> String {
        uri(&self.addresses.join(","))
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
