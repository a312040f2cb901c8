//! `mongoqueue demo`: the main job of this program from end to end, on a MongoDB of its own. It
//! looks at what it shows, and ends with exit code 0 only when that is what was expected.

use std::time::Instant;

use mongoqueue::Job;

use crate::args::Global;
use crate::show::Show;
use crate::signals::Signals;
use crate::trouble::{Exit, Result, Trouble};

mod database;
mod expected;
mod guests;
mod play;
mod report;
mod stage;
mod texts;

use database::Database;
use guests::Guests;
use stage::Stage;

/// Jobs that render a document or a section of one.
const DOCUMENTS: usize = 200;

/// The queue whose jobs are Markdown, and the one whose jobs misbehave.
const PAGES: &str = "pages";
const TROUBLE: &str = "trouble";

/// What came of it all.
struct Played {
    /// Documents per second, from the first claim to the last page.
    rate: f64,
    /// From the first claim to the last end.
    elapsed: std::time::Duration,
    pages: Vec<Job>,
    dead: Vec<Job>,
    counts: [(&'static str, mongoqueue::Stats); 2],
}

pub(crate) async fn run(global: &Global, show: Show) -> Result<()> {
    let started = Instant::now();
    let mut signals = Signals::listen()?;
    let root = guests::checkout()?;
    let documents = texts::documents(&root, DOCUMENTS)?;
    let database = tokio::select! {
        database = Database::open(global, show) => database?,
        _ = signals.next() => return Err(interrupted()),
    };
    let ended = tokio::select! {
        ended = show_it(&database, show, &root, &documents) => ended,
        _ = signals.next() => Err(interrupted()),
    };
    let closed = database.close().await;
    let (guests, played) = ended?;
    closed?;
    let differences = expected::differences(&documents, &played);
    report::answer(show, &played, &differences, started.elapsed())?;
    if !differences.is_empty() {
        let message = format!("this is not what was expected:\n  {}", differences.join("\n  "));
        return Err(Trouble::new(Exit::No, "not-as-expected", message));
    }
    report::further(show, global, &guests, &root)
}

async fn show_it(
    database: &Database,
    show: Show,
    root: &std::path::Path,
    documents: &[texts::Document],
) -> Result<(Guests, Played)> {
    let guests = Guests::build(show, root).await?;
    let stage = Stage::begin(show, "putting the jobs");
    let bad = expected::misdeeds();
    let put = play::put(&database.mq, documents, &bad).await?;
    stage.end(&format!(
        "{put} jobs put: {} documents and sections, {} that misbehave",
        documents.len(),
        bad.len()
    ))?;
    let played = play::work(show, &database.mq, &guests, put).await?;
    Ok((guests, played))
}

fn interrupted() -> Trouble {
    Trouble::new(Exit::No, "interrupted", "the demo was interrupted; nothing of it is left")
}
