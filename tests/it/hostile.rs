//! Handlers that try to leave their sandbox, to exhaust their host, or to confuse whoever reads of
//! them: one table of attacks, run by one worker, which has to be as good as new afterwards.
//!
//! `docs/security.md` has the same table. One of them alone: `MONGOQUEUE_ATTACK=NAME`.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use mongoqueue_tests::server;

use crate::sandbox::{passed, start_again};

mod arena;
pub(crate) mod attack;
mod contract;
mod core;
mod files;
mod fuzz;
mod marks;
mod queues;
mod shown;
mod stored;
mod system;
mod time_and_space;
mod witnesses;

use attack::Attack;

/// Which attack is to run, where not all of them are.
const ONE: &str = "MONGOQUEUE_ATTACK";

/// The table.
pub(crate) fn attacks() -> Vec<Attack> {
    let parts = [
        time_and_space::loops(),
        time_and_space::stacks(),
        time_and_space::memories(),
        contract::answers(),
        contract::texts(),
        contract::calls(),
        contract::rooms(),
        system::attacks(),
        queues::handles(),
        queues::names(),
        queues::puts(),
        queues::words(),
        files::attacks(),
    ];
    parts.into_iter().flatten().collect()
}

#[test]
fn hostile_guests_have_names_of_their_own() -> Result<()> {
    let attacks = attacks();
    let names: BTreeSet<&str> = attacks.iter().map(|attack| attack.name).collect();
    assert_eq!(names.len(), attacks.len());
    ensure!(names.len() >= 60, "{}", names.len());
    Ok(())
}

/// In a process of its own, whose memory and descriptors nobody else uses.
#[tokio::test]
async fn every_attack_ends_as_it_has_to_and_leaves_nothing_behind() -> Result<()> {
    let uri = server::uri().await?;
    passed(start_again("hostile::all_attacks_on_one_worker", &[("MONGODB_URI", &uri)])?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the test before it, in a process of its own"]
async fn all_attacks_on_one_worker() -> Result<()> {
    let mut attacks = attacks();
    if let Ok(one) = std::env::var(ONE) {
        attacks.retain(|attack| attack.name == one);
        ensure!(!attacks.is_empty(), "no attack {one}");
    }
    arena::run(&attacks).await
}
