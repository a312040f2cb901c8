//! What a component is granted beside queues.

use std::path::Path;

use mongoqueue_wasmtime::HttpGrant;

use super::table::Table;
use super::{Folder, Kept, Powers, Secret};

const HTTP: &str = "[{ host = \"api.example.com\", methods = [\"GET\"] }]";
const SECRETS: &str = "{ token = { env = \"API_TOKEN\" } }";
const FOLDERS: &str = "{ \"/templates\" = \"templates\" }";

impl Powers {
    pub(super) fn of(table: &mut Table<'_>, folder: &Path) -> Self {
        let config = table.texts("config", "{ region = \"eu\" }");
        let secrets = table.tables("secrets", SECRETS);
        let secrets: std::collections::BTreeMap<String, Secret> = secrets
            .into_iter()
            .filter_map(|(name, table)| Some((name, secret(table, folder)?)))
            .collect();
        let mut http = Vec::new();
        let mut used = Vec::new();
        for grant in table.table_list("http", HTTP) {
            http.extend(request(grant, &secrets, &mut used));
        }
        for (name, secret) in &secrets {
            if !used.contains(name) {
                let what = format!("no request may carry the secret `{name}`");
                let help = format!("Add secrets = [{name:?}] to the hosts that it is for.");
                table.warning(secret.place, what, help);
            }
        }
        let folders = folders(table, folder);
        Self { config, http, secrets, folders, clock: table.duration("clock") }
    }
}

fn secret(mut table: Table<'_>, folder: &Path) -> Option<Secret> {
    let place = table.place();
    let variable = table.text("env", "\"API_TOKEN\"");
    let file = table.text("file", "\"token.txt\"");
    let kept = match (variable, file) {
        (Some((name, _)), None) => Some(Kept::Variable(name)),
        (None, Some((path, _))) => Some(Kept::File(folder.join(path))),
        _ => {
            let what = "a secret is kept in a variable of the environment, or in a file";
            table.error(place, what, format!("Such as: secrets = {SECRETS}"));
            None
        }
    };
    table.end();
    Some(Secret { place, kept: kept? })
}

fn request(
    mut table: Table<'_>,
    known: &std::collections::BTreeMap<String, Secret>,
    used: &mut Vec<String>,
) -> Option<HttpGrant> {
    let host = table.required_text("host", "\"api.example.com\"");
    let port = table.count("port", 1..=65_535);
    let plain = table.flag("plain").unwrap_or_default();
    let private = table.flag("private").unwrap_or_default();
    let methods = table.list("methods", "[\"GET\", \"POST\"]");
    let secrets = table.list("secrets", "[\"token\"]");
    let mut grant = None;
    if let Some((host, place)) = host {
        match HttpGrant::to(host) {
            Ok(to) => grant = Some(to),
            Err(error) => table.error(place, error.to_string(), ""),
        }
    }
    for (method, place) in methods {
        match grant.take().map(|grant| grant.methods([&method])) {
            Some(Ok(with)) => grant = Some(with),
            Some(Err(error)) => table.error(place, error.to_string(), ""),
            None => {}
        }
    }
    for (name, place) in secrets {
        if !known.contains_key(&name) {
            let what = format!("there is no secret `{name}`");
            let help = format!("Say where it is kept: secrets = {{ {name} = {{ env = \"…\" }} }}");
            table.error(place, what, help);
        }
        grant = grant.map(|grant| grant.secret(name.clone()));
        used.push(name);
    }
    if let Some(port) = port.and_then(|port| u16::try_from(port).ok()) {
        grant = grant.map(|grant| grant.port(port));
    }
    if plain {
        grant = grant.map(HttpGrant::plain);
    }
    if private {
        grant = grant.map(HttpGrant::private);
    }
    table.end();
    grant
}

fn folders(table: &mut Table<'_>, folder: &Path) -> std::collections::BTreeMap<String, Folder> {
    let mut folders = std::collections::BTreeMap::new();
    let place = table.place_of("folders");
    for (guest, path) in table.texts("folders", FOLDERS) {
        if !guest.starts_with('/') {
            let what =
                format!("the component's path of a folder begins with `/`, {guest:?} doesn't");
            table.error(place, what, format!("Such as: folders = {FOLDERS}"));
        }
        folders.insert(guest, Folder { place, path: folder.join(path) });
    }
    folders
}
