//! The server that tests run against.
//!
//! A private one is started by the first test that needs it, with its data in a temporary folder.
//! It ends with the process, also when that is killed (see [`mongoqueue_mongod`]).

use std::io::Write;

use anyhow::{Context, Result};
use mongoqueue_mongod::{Data, Mongod, Options, Places, Program, Step, find};
use tokio::sync::OnceCell;

static PROGRAM: OnceCell<Program> = OnceCell::const_new();
static PRIVATE: OnceCell<Mongod> = OnceCell::const_new();

/// The URI of the server: `MONGODB_URI` where it is set, else that of the private one.
///
/// # Errors
/// Says what is missing for a private server, and what installs it.
pub async fn uri() -> Result<String> {
    match std::env::var("MONGODB_URI") {
        Ok(uri) if !uri.is_empty() => Ok(uri),
        _ => private().await,
    }
}

/// The URI of the private server, whatever `MONGODB_URI` says: it takes `configureFailPoint`.
///
/// # Errors
/// As [`uri`].
pub async fn private() -> Result<String> {
    Ok(PRIVATE.get_or_try_init(own).await?.uri())
}

/// Another server, for a test that stops or breaks it.
///
/// # Errors
/// As [`uri`].
pub async fn own() -> Result<Mongod> {
    let places = Places::from_env()?;
    let mut options = Options::default();
    options.test_commands = true;
    let started = Mongod::start(program().await?, Data::Temporary(places.temp), options).await;
    started.context("a private mongod for the tests; MONGODB_URI names another server to use")
}

/// The `mongod` that is started; fetched where there is none yet.
///
/// # Errors
/// As [`uri`].
pub async fn program() -> Result<&'static Program> {
    let look = async || {
        let mut told = 0;
        find(&Places::from_env()?, &mut |step| tell(&step, &mut told)).await
    };
    PROGRAM.get_or_try_init(look).await.context("no mongod for the tests")
}

/// The URI with one more option, such as `appName=x`.
pub fn with_option(uri: &str, option: &str) -> String {
    let path = uri.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    let between = match (uri.contains('?'), path) {
        (true, _) => "&",
        (false, true) => "?",
        (false, false) => "/?",
    };
    format!("{uri}{between}{option}")
}

/// Past the capture of test output, as a download takes a while. Every tenth of it is told.
fn tell(step: &Step, told: &mut u64) {
    match *step {
        Step::Looking => return,
        Step::Downloading { bytes, total } => {
            let tenth = bytes * 10 / total.max(1) + 1;
            if tenth <= *told {
                return;
            }
            *told = tenth;
        }
        _ => {}
    }
    // Nobody reads it where stderr is closed.
    let _ = writeln!(std::io::stderr(), "tests: {step}");
}

#[cfg(test)]
mod tests {
    use super::with_option;

    #[test]
    fn options_are_added_to_any_uri() {
        for (uri, longer) in [
            ("mongodb://a:1", "mongodb://a:1/?x=1"),
            ("mongodb://a:1/", "mongodb://a:1/?x=1"),
            ("mongodb://a:1/db", "mongodb://a:1/db?x=1"),
            ("mongodb://a:1,b:2/?replicaSet=r", "mongodb://a:1,b:2/?replicaSet=r&x=1"),
        ] {
            assert_eq!(with_option(uri, "x=1"), longer);
        }
    }
}
