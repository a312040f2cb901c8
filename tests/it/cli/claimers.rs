//! Many claimers at once.

use std::collections::BTreeSet;

use anyhow::Result;
use tokio::task::JoinSet;

use super::{Cli, ran, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_claimers_get_a_job_each() -> Result<()> {
    const JOBS: usize = 200;
    let cli = Cli::new().await?;
    let input: String = (0..JOBS).map(|n| format!("{n}\n")).collect();
    cli.fed(&["put", "q", "-", "--lines"], &input).await?.ended(0)?;
    let mut claimers = JoinSet::new();
    for _ in 0..JOBS {
        claimers.spawn(ran(cli.command(&["next", "q", "--json"]), ""));
    }
    let (mut ids, mut tokens) = (BTreeSet::new(), BTreeSet::new());
    while let Some(ended) = claimers.join_next().await {
        let claimed = ended??.ended(0)?.documents()?;
        assert_eq!(claimed.len(), 1);
        ids.insert(text(&claimed[0]["id"])?.to_owned());
        tokens.insert(text(&claimed[0]["token"])?.to_owned());
    }
    assert_eq!((ids.len(), tokens.len()), (JOBS, JOBS));
    assert_eq!(cli.counts().await?, (0, JOBS as u64, 0));
    assert_eq!(cli.kind(1, &["next", "q"]).await?, "empty");
    cli.end().await
}
