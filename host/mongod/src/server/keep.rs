//! The keeper: holds the server, and lets it go when nobody needs it.

use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::room::{Room, Turn};
use super::{LOOK, Server};
use crate::admin::Admin;
use crate::{Data, Error, Mongod, Options, Places, Program, find};

/// How long the one before may take to end: its watcher grants mongod ten seconds.
const PREDECESSOR_TIMEOUT: Duration = Duration::from_secs(40);
/// How often clients are counted, at most and at least. Counting takes a millisecond.
const COUNT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

pub(super) async fn keep(places: &Places, idle: Duration) -> Result<(), Error> {
    let room = Room::of(places);
    room.enter()?;
    let mut end = End::listen()?;
    let Some(_keeping) = take_over(&room).await? else {
        return Ok(());
    };
    room.forget();
    let (program, mut mongod) = tokio::select! {
        started = start(places, &room) => started?,
        () = end.asked() => return Ok(()),
    };
    if let Some(server) = Server::of(&mongod, &program) {
        room.announce(&server)?;
    }
    let ended = tokio::select! {
        ended = until_idle(&room, &mut mongod, idle) => ended,
        () = end.asked() => Ok(()),
    };
    room.forget();
    mongod.stop().await?;
    ended
}

/// The signals that end a keeper.
struct End {
    terminate: Signal,
    interrupt: Signal,
    // Caught, and nothing follows: that a terminal is closed is no reason to end.
    _hangup: Signal,
}

impl End {
    fn listen() -> Result<End, Error> {
        let on = |kind| signal(kind).map_err(Error::io("catching signals"));
        Ok(End {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
            _hangup: on(SignalKind::hangup())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Becomes the keeper, after the one before if that is ending; `None` if it isn't.
async fn take_over(room: &Room) -> Result<Option<Turn>, Error> {
    let begun = Instant::now();
    loop {
        if let Some(keeping) = room.keeping()? {
            return Ok(Some(keeping));
        }
        if room.server_in_turn().await?.is_some() {
            return Ok(None);
        }
        if begun.elapsed() > PREDECESSOR_TIMEOUT {
            return Err(Error::Busy(PREDECESSOR_TIMEOUT));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Starts the server; waits for one whose keeper was killed and that is about to end.
async fn start(places: &Places, room: &Room) -> Result<(Program, Mongod), Error> {
    let program = find(places, &mut |_| ()).await?;
    let begun = Instant::now();
    loop {
        let data = Data::Kept(room.folder().to_owned());
        match Mongod::start(&program, data, Options::default()).await {
            Err(Error::DataInUse(_)) if begun.elapsed() < PREDECESSOR_TIMEOUT => {}
            started => return Ok((program, started?)),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Returns when nobody has been connected for the time; the server is forgotten then, so that
/// nobody finds it any more.
async fn until_idle(room: &Room, mongod: &mut Mongod, idle: Duration) -> Result<(), Error> {
    let admin = Admin::new(mongod.port())?;
    let mut used = Instant::now();
    let mut seen = None;
    loop {
        tokio::time::sleep((idle / 4).clamp(COUNT.0, COUNT.1)).await;
        mongod.check()?;
        // A count that fails says nothing; a dead server is found by its process.
        let Ok(count) = count(&admin).await else {
            continue;
        };
        if seen != Some(count) || count.now > 0 {
            used = Instant::now();
            seen = Some(count);
        }
        if used.elapsed() < idle {
            continue;
        }
        // While this turn is held nobody looks the server up; whoever did before was counted, or
        // is counted now.
        let Some(_turn) = room.turn()? else { continue };
        if self::count(&admin).await.is_ok_and(|last| last == count) {
            room.forget();
            return Ok(());
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Count {
    /// Connections of others at this moment.
    now: u64,
    /// Connections ever made: tells of those that came and went between two looks.
    ever: Option<u64>,
}

async fn count(admin: &Admin) -> Result<Count, Error> {
    Ok(Count { now: admin.clients().await?, ever: admin.status().await?.connections })
}
