//! Sends a request over HTTP, as far as the operator lets it.
//!
//! `{"method": "GET", "url": "https://api.example.com/x", "headers": {"authorization": "Bearer
//! {{secret:token}}"}, "body": "…"}` outputs `{"status": 200, "body": "…"}`, or `{"error": "…"}`
//! with the code that the host answers. The host writes the secret in; the guest never sees it.
//! `"open": 20` begins so many such requests at once, and says how many the host took.

use std::collections::BTreeMap;

use mongoqueue_guest::{Job, Result, handler, reject};
use serde::{Deserialize, Serialize};
use wasip2::http::outgoing_handler::{FutureIncomingResponse, handle};
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    Scheme,
};
use wasip2::io::streams::StreamError;

#[derive(Deserialize)]
struct Wish {
    #[serde(default)]
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    open: usize,
}

#[derive(Default, Serialize)]
struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    taken: Option<usize>,
}

fn fetch(job: Job<Wish>) -> Result<Answer> {
    let wish = job.payload;
    if wish.open > 0 {
        let begun = (0..wish.open).map(|_| begin(&wish)).collect::<Result<Vec<_>>>()?;
        let answers: Vec<_> = begun.into_iter().map(|begun| begun.and_then(finish)).collect();
        let taken = answers.iter().filter(|answer| answer.is_ok()).count();
        return Ok(Answer { taken: Some(taken), ..Answer::default() });
    }
    Ok(match begin(&wish)?.and_then(finish).and_then(|response| read(&response)) {
        Ok((status, body)) => {
            Answer { status: Some(status), body: Some(body), ..Answer::default() }
        }
        Err(code) => Answer { error: Some(format!("{code:?}")), ..Answer::default() },
    })
}

/// The request on its way, or the code of its refusal.
fn begin(wish: &Wish) -> Result<std::result::Result<FutureIncomingResponse, ErrorCode>> {
    let (scheme, rest) = wish.url.split_once("://").ok_or_else(|| reject("a URL has a scheme"))?;
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let headers = Fields::new();
    for (name, value) in &wish.headers {
        let added = headers.append(name, value.as_bytes());
        added.map_err(|error| reject(format!("the header {name}: {error:?}")))?;
    }
    let request = OutgoingRequest::new(headers);
    let method = match wish.method.as_str() {
        "" | "GET" => Method::Get,
        "POST" => Method::Post,
        other => Method::Other(other.to_owned()),
    };
    let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
    let set = request.set_method(&method).is_ok()
        && request.set_scheme(Some(&scheme)).is_ok()
        && request.set_authority(Some(authority)).is_ok()
        && request.set_path_with_query(Some(path)).is_ok();
    if !set {
        return Err(reject("the host takes no such URL or method"));
    }
    let body = request.body().map_err(|()| reject("the request has no body"))?;
    let begun = match handle(request, None) {
        Ok(begun) => begun,
        Err(code) => return Ok(Err(code)),
    };
    if !wish.body.is_empty() {
        let stream = body.write().map_err(|()| reject("its body can't be written"))?;
        for piece in wish.body.as_bytes().chunks(4_096) {
            // A host that has refused the request has closed its body; its answer says why.
            if stream.blocking_write_and_flush(piece).is_err() {
                break;
            }
        }
    }
    // The same: what became of the request is in its answer.
    let _ = OutgoingBody::finish(body, None);
    Ok(Ok(begun))
}

fn finish(begun: FutureIncomingResponse) -> std::result::Result<IncomingResponse, ErrorCode> {
    begun.subscribe().block();
    let answer = begun.get().and_then(std::result::Result::ok);
    answer.unwrap_or(Err(ErrorCode::InternalError(Some("no answer".to_owned()))))
}

fn read(response: &IncomingResponse) -> std::result::Result<(u16, String), ErrorCode> {
    let lost = || ErrorCode::InternalError(Some("its body can't be read".to_owned()));
    let body = response.consume().map_err(|()| lost())?;
    let stream = body.stream().map_err(|()| lost())?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 << 10) {
            Ok(more) => bytes.extend(more),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                let code = wasip2::http::types::http_error_code(&error);
                return Err(code.unwrap_or_else(lost));
            }
        }
    }
    drop(stream);
    drop(IncomingBody::finish(body));
    Ok((response.status(), String::from_utf8_lossy(&bytes).into_owned()))
}

handler!(fetch);
