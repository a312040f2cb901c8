//! Commands that fail before they take effect, by the server's own `failCommand`, or after it, when
//! their write concern fails or their answer is lost on its way.

use std::time::Duration;

use anyhow::{Context, Result};
use bson::{Document, doc};

use super::Fault;
use super::world::{CLIENTS, CONSUMERS, Moment, World};
use crate::chance::Chance;
use crate::proxy::{Between, Catch, Command};
use crate::roles::Role;

/// Every command that the store sends, and who sends it often.
const COMMANDS: [(&str, &[Role]); 9] = [
    ("insert", &[Role::Producer]),
    ("update", &CONSUMERS),
    ("delete", &CONSUMERS),
    ("find", &CLIENTS),
    ("findAndModify", &CLIENTS),
    ("commitTransaction", &CONSUMERS),
    ("abortTransaction", &CONSUMERS),
    ("aggregate", &CONSUMERS),
    ("getMore", &CONSUMERS),
];

/// MongoDB's numbers of errors.
const NOT_WRITABLE_PRIMARY: i32 = 10_107;
const WRITE_CONFLICT: i32 = 112;
const EXCEEDED_TIME_LIMIT: i32 = 262;
const WRITE_CONCERN_FAILED: i32 = 64;
/// What a node says that shuts down or steps down, of a command that may have taken effect.
const INTERRUPTED: [i32; 5] = [91, 189, 11_600, 11_602, NOT_WRITABLE_PRIMARY];

pub(super) async fn suffer(world: &World, mut moment: Moment) -> Result<()> {
    // Many are about the commits, on which everything hangs.
    let (command, roles) = match moment.chance.percent(30) {
        true => ("commitTransaction", &CONSUMERS[..]),
        false => *moment.chance.pick(&COMMANDS).context("no command")?,
    };
    let name = world.victim(roles, &mut moment.chance).await?;
    match moment.fault {
        Fault::LostAnswer => lose(world, moment, &name, command).await,
        _ => fail(world, moment, &name, command).await,
    }
}

async fn fail(world: &World, mut moment: Moment, name: &str, command: &str) -> Result<()> {
    let chance = &mut moment.chance;
    let (how, mut data) = failure(command, chance);
    data.extend(doc! { "failCommands": [command], "appName": name });
    let times = i32::try_from(chance.between(1, 6)).unwrap_or(1);
    world.begin(moment.fault, format!("{command} of {name}, {times} times: {how}"))?;
    let before = world.cluster.fail_commands(&data, times).await?;
    moment.last(100).await;
    let failed = world.cluster.succeed().await? - before;
    // A node that was started again has forgotten how often it failed.
    world.end(moment.fault, format!("{command} of {name} has failed {} times", failed.max(0)))
}

/// A way of failing that such a command knows.
fn failure(command: &str, chance: &mut Chance) -> (&'static str, Document) {
    let error = |code: i32| doc! { "errorCode": code };
    let mut ways = vec![
        ("the connection closes", doc! { "closeConnection": true }),
        ("not writable primary", error(NOT_WRITABLE_PRIMARY)),
        ("exceeded time limit", error(EXCEEDED_TIME_LIMIT)),
    ];
    let writes = ["insert", "update", "delete", "findAndModify"].contains(&command);
    if writes {
        ways.push(("write conflict", error(WRITE_CONFLICT)));
    }
    if writes || command == "commitTransaction" {
        let concern = doc! { "code": WRITE_CONCERN_FAILED, "errmsg": "waiting timed out" };
        let failed = doc! { "writeConcernError": concern };
        // As likely as the others together: it is the one that comes after the effect.
        ways.push(("write concern failed, after it took effect", failed.clone()));
        ways.push(("write concern failed, after it took effect", failed));
    }
    chance.pick(&ways).cloned().unwrap_or(("not writable primary", error(NOT_WRITABLE_PRIMARY)))
}

/// The effect is there, the answer is dropped with its connection, or an error in its place.
async fn lose(world: &World, mut moment: Moment, name: &str, command: &'static str) -> Result<()> {
    let chance = &mut moment.chance;
    // A claim's commit asks for no majority, a settlement's does.
    let majority = (command == "commitTransaction").then(|| chance.percent(60));
    let code = if chance.percent(50) { None } else { chance.pick(&INTERRUPTED).copied() };
    let times = chance.between(1, 3);
    let how = code.map_or("no answer".to_owned(), |code| format!("error {code}"));
    world.begin(moment.fault, format!("{command} of {name}, {times} times: {how}"))?;
    let net = world.cluster.net();
    let mut traps = Vec::new();
    for _ in 0..times {
        let catch = code.map_or(Catch::DropAnswer, Catch::Fail);
        traps.push(net.trap(Between::app(name), Command { name: command, majority }, catch));
    }
    tokio::time::sleep(moment.lasts + Duration::from_millis(500)).await;
    let unmet = traps.into_iter().filter(|&trap| net.untrap(trap)).count() as u64;
    world.end(moment.fault, format!("{command} of {name}, {} lost", times - unmet))
}
