//! A web service with the worker and its handlers in the same process:
//! `mongoqueue-service MONGODB_URI handler.wasm [ADDRESS]`.
//!
//! `POST /greetings` puts its JSON as a job and answers with the id, `GET /greetings/ID` says what
//! became of it. On Ctrl-C or SIGTERM no more requests are taken and no more jobs claimed; what
//! runs is finished, and what can't be finished in time goes back to the queue.
#![expect(clippy::print_stdout, reason = "an example tells what it did")]

use std::error::Error;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use mongoqueue::{JobId, MongoQueue, Queue, Worker, WorkerOptions};
use mongoqueue_wasmtime::{ComponentHandler, ComponentSource, Grants, Sandbox, SandboxOptions};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

type Answer = (StatusCode, Json<Value>);

async fn put(State(queue): State<Queue>, Json(body): Json<Value>) -> Result<Answer, Answer> {
    // Kept for an hour after its end, for whoever asks.
    let put = queue.put(body).retain(Duration::from_secs(3600));
    let receipt = put.await.map_err(refusal)?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": receipt.id.to_string() }))))
}

async fn look(State(queue): State<Queue>, Path(id): Path<String>) -> Result<Json<Value>, Answer> {
    let id: JobId = id.parse().map_err(refusal)?;
    let job = queue.get(&id).await.map_err(refusal)?;
    Ok(Json(json!({
        "state": job.state.name(),
        "output": job.output.as_ref().map(|output| output.to_json()),
        "error": job.last_error().map(|error| error.message.as_str()),
    })))
}

/// What the client can change is its fault; else the database's.
fn refusal(error: mongoqueue::Error) -> Answer {
    let status = match &error {
        mongoqueue::Error::NoSuchJob { .. } => StatusCode::NOT_FOUND,
        mongoqueue::Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        mongoqueue::Error::Invalid { .. } => StatusCode::BAD_REQUEST,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(json!({ "error": error.to_string() })))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [uri, component, rest @ ..] = args.as_slice() else {
        return Err("usage: mongoqueue-service MONGODB_URI COMPONENT [ADDRESS]".into());
    };
    let address = rest.first().map_or("127.0.0.1:8080", String::as_str);
    let mq = MongoQueue::init(uri, Default::default()).await?;
    let greetings = mq.queue("greetings")?;

    let sandbox = Sandbox::new(SandboxOptions::default())?;
    let source = ComponentSource::file(component);
    // The one queue that the handler may put on, if it asks for it by this name.
    let grants = Grants::default().queue("letters", mq.queue("letters")?);
    let handler = ComponentHandler::load(&sandbox, source, grants)?;
    let worker = Worker::new(&mq, WorkerOptions::default()).serve(greetings.clone(), handler);

    let app = Router::new()
        .route("/greetings", post(put))
        .route("/greetings/{id}", get(look))
        .with_state(greetings);
    let listener = TcpListener::bind(address).await?;
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    println!("listening on {}", listener.local_addr()?);

    let asked = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        asked.cancel();
    });
    let serving = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
    // Where one of the two ends, so does the other.
    let serving = async {
        let served = serving.await;
        stop.cancel();
        served
    };
    let working = async {
        let worked = worker.run(stop.clone().cancelled_owned()).await;
        stop.cancel();
        worked
    };
    let (served, worked) = tokio::join!(serving, working);
    served?;
    let summary = worked?;
    println!("stopped: {} completed, {} handed back", summary.completed, summary.handed_back);
    Ok(())
}
