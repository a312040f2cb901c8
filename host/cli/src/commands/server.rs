//! `mongoqueue server`: the private MongoDB of this user.

use bson::DateTime;
use mongoqueue_mongod::{Places, Server};
use serde_json::json;

use crate::args::{ServerCommand, format_duration};
use crate::connect::server::IDLE;
use crate::show::time::{relative, rfc3339};
use crate::show::{Show, escape, now};
use crate::trouble::{Exit, Result, Trouble};

pub(super) async fn run(show: Show, command: ServerCommand) -> Result<()> {
    let places = Places::from_env()?;
    match command {
        ServerCommand::Status => status(show, &places).await,
        ServerCommand::Stop => stop(show, &places).await,
        ServerCommand::Run => Ok(Server::keep(&places, IDLE).await?),
    }
}

async fn status(show: Show, places: &Places) -> Result<()> {
    let folder = Server::folder(places).display().to_string();
    let Some(server) = Server::find(places).await? else {
        let message = "the private server does not run; the first command that needs it starts it";
        return Err(Trouble::new(Exit::No, "not-running", message).with("folder", folder));
    };
    let clients = server.clients().await?;
    let since = DateTime::from_system_time(server.since);
    let value = json!({
        "uri": server.uri(),
        "version": server.version.to_string(),
        "pid": server.pid,
        "since": rfc3339(since),
        "clients": clients,
        "idle_ms": u64::try_from(IDLE.as_millis()).unwrap_or(u64::MAX),
        "folder": folder,
    });
    show.answer(&value, || {
        let (uri, version, pid) = (server.uri(), &server.version, server.pid);
        let (idle, since) = (format_duration(IDLE), relative(since, now()));
        let folder = escape::line(&folder);
        format!(
            "uri      {uri}\nversion  {version}\nprocess  {pid}, started {since}\n\
             clients  {clients} connected; ends when nobody was for {idle}\nfolder   {folder}"
        )
    })
}

async fn stop(show: Show, places: &Places) -> Result<()> {
    let stopped = Server::stop(places).await?;
    show.answer(&json!({ "stopped": stopped }), || match stopped {
        true => "stopped; the data stays for the next start".to_owned(),
        false => "it did not run".to_owned(),
    })
}
