//! Powers beside queues: requests over HTTP with their secrets, configuration, folders, clocks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use mongoqueue::{Attempt, Handler, Job, Outcome};
use mongoqueue_tests::soon;
use mongoqueue_wasmtime::{Blame, ComponentHandler, Grants, HttpGrant, Limits, LoadError, Source};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{Lines, filtered, outcome, sandbox, source};

/// A server that answers each request by what its path asks for.
struct Site {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Site {
    async fn open() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let hears = heard.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, hears.clone()));
            }
        });
        Ok(Self { port, heard, serving })
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The whole text of each request, as it came.
    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets a guest ask this server.
    fn grant(&self) -> Result<HttpGrant> {
        Ok(HttpGrant::to("127.0.0.1")?.plain().port(self.port).private())
    }
}

async fn answer(mut stream: TcpStream, heard: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut text = String::new();
    let mut bytes = [0; 4_096];
    // Bodies come in chunks here, the last of which is empty.
    while !(text.ends_with("\r\n\r\n") && (text.starts_with("GET") || text.contains("\r\n0\r\n"))) {
        let read = stream.read(&mut bytes).await.ok().filter(|read| *read > 0)?;
        text.push_str(&String::from_utf8_lossy(bytes.get(..read)?));
        // Not even the beginning of a request.
        text.chars().next().filter(char::is_ascii_uppercase)?;
    }
    heard.lock().unwrap_or_else(PoisonError::into_inner).push(text.clone());
    let path = text.split(' ').nth(1)?;
    let answer = match path.split_once('?').map_or(path, |(path, _)| path) {
        "/moved" => "HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n"
            .to_owned(),
        "/large" => {
            let body = "x".repeat(100_000);
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        }
        "/headers" => format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(1 << 20)),
        "/never" => {
            // Until the other side has had enough.
            let _ = stream.read(&mut bytes).await;
            heard.lock().unwrap_or_else(PoisonError::into_inner).push("gone".to_owned());
            return None;
        }
        "/junk" => "this is no HTTP\r\n\r\n".to_owned(),
        _ => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned(),
    };
    // One that reads no further has closed its end.
    let _ = stream.write_all(answer.as_bytes()).await;
    Some(())
}

fn fetch(grants: Grants) -> Result<ComponentHandler> {
    Ok(ComponentHandler::load(sandbox()?, source("fetch")?, grants)?)
}

/// What the handler says of a request.
async fn asked(handler: &ComponentHandler, wish: Value) -> Result<Value> {
    match outcome(handler, &wish).await? {
        Outcome::Completed(Some(output)) => Ok(output.to_json()),
        other => bail!("{wish}: {other:?}"),
    }
}

#[tokio::test]
async fn who_asks_for_the_network_is_granted_hosts_or_refused() -> Result<()> {
    let Err(error) = fetch(Grants::default()) else { bail!("it was not refused") };
    let error = error.downcast::<LoadError>()?;
    assert_eq!(error.blame(), Blame::Operator);
    insta::assert_snapshot!(filtered(&error.to_string()), @r#"
    fetch imports more than it is granted:
      wasi:http/types@0.2.x
      wasi:http/outgoing-handler@0.2.x
        to grant it, add under [handler.fetch]: http = [{ host = "api.example.com" }]
    "#);
    Ok(())
}

#[tokio::test]
async fn a_granted_request_goes_out_and_its_secret_is_written_in() -> Result<()> {
    let site = Site::open().await?;
    let grants = Grants::default()
        .http(site.grant()?.secret("token"))
        .secret("token", "s3cret")
        .secret("other", "0ther");
    let lines = Lines::default();
    let handler = fetch(grants)?.with_log(lines.sink());
    let answer = asked(&handler, json!({ "url": site.url("/a?b=c") })).await?;
    assert_eq!(answer, json!({ "status": 200, "body": "ok" }));
    let headers = json!({ "authorization": "Bearer {{secret:token}}" });
    let wish = json!({ "method": "POST", "url": site.url("/"), "headers": headers, "body": "hi" });
    assert_eq!(asked(&handler, wish).await?["status"], 200);

    let heard = site.heard();
    let [get, post] = &heard[..] else { bail!("{heard:?}") };
    assert!(get.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{get}");
    assert!(get.contains(&format!("host: 127.0.0.1:{}\r\n", site.port)), "{get}");
    assert!(post.contains("authorization: Bearer s3cret\r\n") && post.contains("\r\nhi\r\n"));

    // One that is not for this host, and one that nobody knows.
    for name in ["other", "nobody"] {
        let headers = json!({ "x": format!("{{{{secret:{name}}}}}") });
        let answer = asked(&handler, json!({ "url": site.url("/"), "headers": headers })).await?;
        assert_eq!(answer, json!({ "error": "ErrorCode::HttpRequestDenied" }));
    }
    assert_eq!(site.heard().len(), 2);
    let said = lines.of(Source::Host).join("\n");
    assert!(said.contains("not granted there: other") && !said.contains("0ther"), "{said}");
    Ok(())
}

#[tokio::test]
async fn what_is_not_granted_does_not_go_out() -> Result<()> {
    let site = Site::open().await?;
    let port = site.port;
    let lines = Lines::default();
    let grants = Grants::default().http(site.grant()?.methods(["GET"])?);
    let handler = fetch(grants)?.with_log(lines.sink());
    for wish in [
        json!({ "method": "POST", "url": site.url("/") }),
        json!({ "method": "TRACE", "url": site.url("/") }),
        json!({ "url": format!("https://127.0.0.1:{port}/") }),
        json!({ "url": format!("http://127.0.0.1:{}/", port.wrapping_add(1)) }),
        json!({ "url": "http://127.0.0.1/" }),
        json!({ "url": format!("http://localhost:{port}/") }),
        json!({ "url": format!("http://[::1]:{port}/") }),
        json!({ "url": format!("http://2130706433:{port}/") }),
        json!({ "url": "http://169.254.169.254/latest/meta-data/" }),
    ] {
        let answer = asked(&handler, wish.clone()).await?;
        assert_eq!(answer, json!({ "error": "ErrorCode::HttpRequestDenied" }), "{wish}");
    }
    let said = lines.of(Source::Host);
    assert_eq!(said.len(), 9);
    assert!(said[0].ends_with(&format!("covers it: POST http://127.0.0.1:{port}")), "{}", said[0]);
    assert_eq!(site.heard(), [""; 0]);
    Ok(())
}

#[tokio::test]
async fn names_and_addresses_lead_into_no_private_network() -> Result<()> {
    let site = Site::open().await?;
    let named =
        |host: &str| -> Result<HttpGrant> { Ok(HttpGrant::to(host)?.plain().port(site.port)) };
    let grants = Grants::default().http(named("127.0.0.1")?).http(named("localhost")?);
    let handler = fetch(grants)?;
    for host in ["127.0.0.1", "localhost", "LOCALHOST"] {
        let wish = json!({ "url": format!("http://{host}:{}/", site.port) });
        let answer = asked(&handler, wish).await?;
        assert_eq!(answer, json!({ "error": "ErrorCode::DestinationIpProhibited" }), "{host}");
    }
    assert_eq!(site.heard(), [""; 0]);
    // The same name, where that is what the operator wants.
    let handler = fetch(Grants::default().http(named("localhost")?.private()))?;
    let wish = json!({ "url": format!("http://localhost:{}/", site.port) });
    assert_eq!(asked(&handler, wish).await?["status"], 200);
    Ok(())
}

#[tokio::test]
async fn servers_that_misbehave_are_errors_of_the_request() -> Result<()> {
    let site = Site::open().await?;
    let tls = HttpGrant::to("127.0.0.1")?.port(site.port).private();
    let handler = fetch(Grants::default().http(site.grant()?).http(tls))?;
    // The guest's to follow: by a request of its own, which is not granted.
    let answer = asked(&handler, json!({ "url": site.url("/moved") })).await?;
    assert_eq!(answer["status"], 302);
    for (url, code) in [
        (site.url("/headers"), "HttpProtocolError"),
        (site.url("/junk"), "HttpProtocolError"),
        (site.url("/").replace("http:", "https:"), "TlsProtocolError"),
    ] {
        let answer = asked(&handler, json!({ "url": url })).await?;
        assert_eq!(answer, json!({ "error": format!("ErrorCode::{code}") }), "{url}");
    }
    Ok(())
}

#[tokio::test]
async fn requests_and_their_bytes_are_counted() -> Result<()> {
    let site = Site::open().await?;
    let limits = Limits { http_bytes: 50_000, http_open: 3, ..Limits::default() };
    let handler = fetch(Grants::default().http(site.grant()?))?.with_limits(limits.clone());
    // The guest is told in the stream's own words.
    let answer = asked(&handler, json!({ "url": site.url("/large") })).await?;
    assert_eq!((&answer["body"], answer["error"].is_string()), (&Value::Null, true), "{answer}");
    let more = Limits { http_bytes: 150_000, ..Limits::default() };
    let roomy = handler.clone().with_limits(more);
    let answer = asked(&roomy, json!({ "url": site.url("/large") })).await?;
    assert_eq!(answer["body"].as_str().map(str::len), Some(100_000));
    let body = "x".repeat(60_000);
    let wish = json!({ "method": "POST", "url": site.url("/"), "body": body });
    let answer = asked(&handler, wish).await?;
    assert_eq!(answer, json!({ "error": "ErrorCode::HttpRequestBodySize(None)" }));
    let answer = asked(&handler, json!({ "url": site.url("/"), "open": 9 })).await?;
    assert_eq!(answer, json!({ "taken": 3 }));

    let handler = handler.with_limits(Limits { http_requests: 2, ..limits });
    let answer = asked(&handler, json!({ "url": site.url("/"), "open": 9 })).await?;
    assert_eq!(answer, json!({ "taken": 2 }));
    Ok(())
}

#[tokio::test]
async fn a_request_ends_with_its_attempt() -> Result<()> {
    let site = Site::open().await?;
    let handler = fetch(Grants::default().http(site.grant()?))?;
    let payload = mongoqueue::Payload::json(&json!({ "url": site.url("/never") }))?;
    let mut job = Job::new("q", payload);
    job.timeout = Duration::from_millis(300);
    let attempt = Attempt::detached(job);
    let outcome = soon("the attempt ends", handler.handle(attempt)).await?;
    let Outcome::Failed(failure) = outcome else { bail!("{outcome:?}") };
    assert_eq!(failure.kind, "timeout");
    soon("the connection is closed", async {
        while site.heard().last().is_none_or(|last| last != "gone") {
            tokio::task::yield_now().await;
        }
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn settings_are_what_was_granted_and_no_more() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let templates = folder.path().join("templates");
    std::fs::create_dir(&templates)?;
    std::fs::write(templates.join("a.txt"), "Hello")?;
    std::fs::write(folder.path().join("secret.txt"), "not yours")?;
    std::os::unix::fs::symlink("../secret.txt", templates.join("link.txt"))?;
    let load = |grants: Grants| -> Result<ComponentHandler> {
        Ok(ComponentHandler::load(sandbox()?, source("settings")?, grants)?)
    };
    let Err(error) = load(Grants::default()) else { bail!("it was not refused") };
    assert!(error.to_string().contains("config = { region = \"eu\" }"), "{error}");

    let grants = Grants::default().config("region", "eu").config("tier", "2");
    let handler = load(grants.clone().folder("/templates", &templates))?;
    let files =
        ["/templates/a.txt", "/templates/../secret.txt", "/templates/link.txt", "/etc/passwd"];
    let wish = json!({ "keys": ["region", "no"], "files": files, "write": "/templates/b.txt" });
    let seen = asked(&handler, wish).await?;
    assert_eq!(seen["values"], json!({ "region": "eu", "no": null }));
    assert_eq!((&seen["all"], &seen["files"]["/templates/a.txt"]), (&json!(2), &json!("Hello")));
    assert!(!seen.to_string().contains("not yours") && !seen.to_string().contains("root:"));
    assert_ne!(seen["write"], "written");
    assert_eq!(std::fs::read_dir(&templates)?.count(), 2);
    // Clocks go in steps: of a millisecond, or as was granted.
    let steps = |seen: &Value| -> Result<Vec<u64>> {
        let steps = seen["steps"].as_array().context("steps")?;
        Ok(steps.iter().filter_map(Value::as_u64).collect())
    };
    assert!(steps(&seen)?.iter().all(|step| step % 1_000_000 == 0), "{seen}");
    let handler = load(grants.clone().clock(Duration::from_millis(10)))?;
    let seen = asked(&handler, json!({})).await?;
    assert!(steps(&seen)?.iter().all(|step| step % 10_000_000 == 0), "{seen}");
    let handler = load(grants.clock(Duration::from_nanos(1)))?;
    let seen = asked(&handler, json!({})).await?;
    assert!(steps(&seen)?.iter().any(|step| step % 1_000_000 != 0), "{seen}");
    Ok(())
}
