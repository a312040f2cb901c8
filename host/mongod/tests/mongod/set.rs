//! Three nodes, of which some fail.

use std::time::Duration;

use anyhow::{Context, Result};
use mongoqueue_mongod::{Options, ReplicaSet};

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
