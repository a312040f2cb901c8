//! Three nodes, of which some fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use mongoqueue_mongod::{Data, Options, ReplicaSet};
use tokio::net::{TcpListener, TcpStream};

use crate::{count, program, write};

#[tokio::test]
async fn a_dead_and_a_frozen_primary_are_replaced() -> Result<()> {
    let temp = std::env::temp_dir();
    let mut options = Options::default();
    (options.cache_gib, options.test_commands) = (0.25, true);
    let mut set = ReplicaSet::start(&program().await?, 3, &temp, options).await?;
    let uri = set.uri();
    write(&uri, 1).await?;

    let first = set.primary().await?;
    let member = set.members().get_mut(first).context("a member")?;
    let (port, pid) = (member.port(), member.pid());
    member.kill()?;
    let second = set.primary().await?;
    assert_ne!(second, first);
    write(&uri, 2).await?;

    let member = set.members().get_mut(first).context("a member")?;
    member.restart().await?;
    assert_eq!(member.port(), port);
    assert_ne!(member.pid(), pid);

    let second = set.primary().await?;
    set.members().get_mut(second).context("a member")?.freeze()?;
    let third = set.primary().await?;
    assert_ne!(third, second);
    write(&uri, 3).await?;
    set.members().get_mut(second).context("a member")?.thaw()?;

    let counted = tokio::time::timeout(Duration::from_secs(60), count(&uri)).await??;
    assert_eq!(counted, 3);
    Ok(())
}

/// Forwards what connects to it, and counts that.
struct Door {
    port: u16,
    to: Arc<AtomicU16>,
    passed: Arc<AtomicU64>,
}

impl Door {
    async fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let door = Self {
            port: listener.local_addr()?.port(),
            to: Arc::default(),
            passed: Arc::default(),
        };
        let (to, passed) = (door.to.clone(), door.passed.clone());
        tokio::spawn(async move {
            while let Ok((mut inside, _)) = listener.accept().await {
                passed.fetch_add(1, Ordering::Relaxed);
                let to = to.load(Ordering::Relaxed);
                tokio::spawn(async move {
                    // A member that is down closes the connection.
                    if let Ok(mut outside) = TcpStream::connect(("127.0.0.1", to)).await {
                        let _ = tokio::io::copy_bidirectional(&mut inside, &mut outside).await;
                    }
                });
            }
        });
        Ok(door)
    }
}

#[tokio::test]
async fn a_set_behind_doors_is_reached_through_them_also_after_a_restart() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let doors = [Door::open().await?, Door::open().await?];
    let data =
        vec![Data::Kept(folder.path().join("first")), Data::Temporary(folder.path().to_owned())];
    let mut options = Options::default();
    options.cache_gib = 0.25;
    let address = |place: usize, port| {
        let door = doors.get(place).expect("a door for each member");
        door.to.store(port, Ordering::Relaxed);
        format!("127.0.0.1:{}", door.port)
    };
    let mut set = ReplicaSet::start_behind(&program().await?, data, options, address).await?;
    let uri = set.uri();
    for door in &doors {
        assert!(uri.contains(&door.port.to_string()), "{uri}");
    }
    assert!(folder.path().join("first/db").is_dir());
    write(&uri, 1).await?;

    // It finds itself in the configuration by the door's address.
    let member = set.members().first_mut().context("a member")?;
    member.kill()?;
    assert!(!member.is_running());
    member.restart().await?;
    assert!(member.is_running());
    set.primary().await?;
    write(&uri, 2).await?;
    assert_eq!(count(&uri).await?, 2);
    let passed = doors.each_ref().map(|door| door.passed.load(Ordering::Relaxed));
    assert!(passed.iter().all(|&passed| passed > 0), "{passed:?}");
    Ok(())
}
