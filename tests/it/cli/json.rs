//! What every command answers a program that asks with `--json`: these documents are a promise.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Cli, guest, text};

/// What was asked and answered, with times, ids and tokens by what they are.
#[derive(Default)]
struct Said(String);

impl Said {
    fn add(&mut self, asked: &str, answers: &[Value]) {
        self.0 += &format!("$ {asked}\n");
        for answer in answers {
            self.0 += &format!("{}\n", plain(answer));
        }
    }
}

/// The same with what differs from run to run replaced.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let plain = |(name, value): (&String, &Value)| match name.as_str() {
                "elapsed_ms" | "seconds" | "oldest_ready_ms" if value.is_number() => {
                    (name.clone(), json!("[time]"))
                }
                "consumer" => (name.clone(), json!("[consumer]")),
                "namespace" => (name.clone(), json!("[namespace]")),
                "digest" if value.is_string() => (name.clone(), json!("[digest]")),
                "size" => (name.clone(), json!("[size]")),
                "backtrace" if value.is_string() => (name.clone(), json!("[backtrace]")),
                _ => (name.clone(), self::plain(value)),
            };
            fields.iter().map(plain).collect()
        }
        // What a language's library asks of WASI is its own affair.
        Value::Array(items) => items.iter().filter(|it| !is_of_wasi(it)).map(plain).collect(),
        Value::String(text) => json!(word(text)),
        other => other.clone(),
    }
}

fn is_of_wasi(import: &Value) -> bool {
    import["name"].as_str().is_some_and(|name| name.starts_with("wasi:"))
}

fn word(text: &str) -> &str {
    let hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.len() == 24 && hexadecimal(text) {
        return "[id]";
    }
    if text.len() == 36 && hexadecimal(&text.replace('-', "")) {
        return "[token]";
    }
    let is_time = text.ends_with('Z') && text.get(10..11) == Some("T");
    if is_time { "[time]" } else { text }
}

#[tokio::test]
async fn the_verbs_of_pull_mode() -> Result<()> {
    let cli = Cli::new().await?;
    let mut said = Said::default();
    let mut asked = async |args: &[&str]| {
        let ran = cli.run(&[args, &["--json"]].concat()).await?;
        let mut answers = ran.documents()?;
        if ran.code != 0 {
            answers.push(serde_json::from_str(&ran.stderr).context(ran.stderr)?);
        }
        let shown: Vec<&str> = args.iter().map(|arg| word(arg)).collect();
        said.add(&shown.join(" "), &answers);
        answers.into_iter().next().context("an answer")
    };
    asked(&["init"]).await?;
    let more = ["--priority", "5", "--max-attempts", "2", "--header", "trace=1", "--retain", "1h"];
    asked(&[&["put", "q", "{\"to\": \"ada\"}", "--id", "a", "--unique", "k"], &more[..]].concat())
        .await?;
    asked(&["put", "q", "1", "--unique", "k"]).await?;
    asked(&["get", "a"]).await?;
    let job = asked(&["next", "q"]).await?;
    let token = text(&job["token"])?.to_owned();
    asked(&["progress", "a", "--token", &token, "--count", "1", "--total", "2", "--note", "half"])
        .await?;
    asked(&["heartbeat", "a", "--token", &token]).await?;
    let failure = ["--message", "no route", "--code", "smtp-550", "--retry-after", "0s"];
    asked(&[&["fail", "a", "--token", &token], &failure[..]].concat()).await?;
    let job = asked(&["next", "q"]).await?;
    let token = text(&job["token"])?.to_owned();
    asked(&["release", "a", "--token", &token]).await?;
    let job = asked(&["next", "q"]).await?;
    let token = text(&job["token"])?.to_owned();
    asked(&["complete", "a", "--token", &token, "--output", "{\"sent\": true}"]).await?;
    asked(&["list", "q"]).await?;
    asked(&["put", "q", "2", "--id", "b"]).await?;
    asked(&["cancel", "b"]).await?;
    asked(&["retry", "b"]).await?;
    asked(&["stats", "q"]).await?;
    asked(&["clear", "q", "--yes"]).await?;
    insta::assert_snapshot!(said.0, @r#"
$ init
{"namespace":"[namespace]"}
$ put q {"to": "ada"} --id a --unique k --priority 5 --max-attempts 2 --header trace=1 --retain 1h
{"id":"a","queue":"q","created":true}
$ put q 1 --unique k
{"error":{"kind":"duplicate","message":"duplicate: job a of queue \"q\" is live and has the unique key \"k\"","exit_code":1,"id":"a","unique_key":"k"}}
$ get a
{"id":"a","queue":"q","state":"ready","token":null,"priority":5,"due":"[time]","payload":{"to":"ada"},"content_type":"application/json","headers":{"trace":"1"},"attempt":1,"attempts":0,"max_attempts":2,"timeout_ms":300000,"backoff":{"first_ms":0,"max_ms":0},"retain_ms":3600000,"claim":null,"claims":0,"progress":null,"saved":null,"saved_type":null,"errors":[],"cancel_at":null,"unique_key":"k","output":null,"output_type":null,"created_at":"[time]","finished_at":null}
$ next q
{"id":"a","queue":"q","state":"running","token":"[token]","priority":5,"due":"[time]","payload":{"to":"ada"},"content_type":"application/json","headers":{"trace":"1"},"attempt":1,"attempts":0,"max_attempts":2,"timeout_ms":300000,"backoff":{"first_ms":0,"max_ms":0},"retain_ms":3600000,"claim":{"token":"[token]","consumer":"[consumer]","at":"[time]"},"claims":1,"progress":null,"saved":null,"saved_type":null,"errors":[],"cancel_at":null,"unique_key":"k","output":null,"output_type":null,"created_at":"[time]","finished_at":null}
$ progress a --token [token] --count 1 --total 2 --note half
{"id":"a","queue":"q","state":"running","cancel_at":null,"progress":{"count":1,"total":2,"note":"half"}}
$ heartbeat a --token [token]
{"id":"a","queue":"q","state":"running","cancel_at":null}
$ fail a --token [token] --message no route --code smtp-550 --retry-after 0s
{"id":"a","queue":"q","state":"ready"}
$ next q
{"id":"a","queue":"q","state":"running","token":"[token]","priority":5,"due":"[time]","payload":{"to":"ada"},"content_type":"application/json","headers":{"trace":"1"},"attempt":2,"attempts":1,"max_attempts":2,"timeout_ms":300000,"backoff":{"first_ms":0,"max_ms":0},"retain_ms":3600000,"claim":{"token":"[token]","consumer":"[consumer]","at":"[time]"},"claims":2,"progress":{"count":1,"total":2,"note":"half"},"saved":null,"saved_type":null,"errors":[{"attempt":1,"at":"[time]","consumer":"[consumer]","kind":"failure","message":"no route","code":"smtp-550","stderr":null,"backtrace":null,"log":null,"digest":null,"version":null,"cpu_ms":null,"memory_bytes":null,"wall_ms":null,"worker":null}],"cancel_at":null,"unique_key":"k","output":null,"output_type":null,"created_at":"[time]","finished_at":null}
$ release a --token [token]
{"id":"a","queue":"q","state":"ready"}
$ next q
{"id":"a","queue":"q","state":"running","token":"[token]","priority":5,"due":"[time]","payload":{"to":"ada"},"content_type":"application/json","headers":{"trace":"1"},"attempt":2,"attempts":1,"max_attempts":2,"timeout_ms":300000,"backoff":{"first_ms":0,"max_ms":0},"retain_ms":3600000,"claim":{"token":"[token]","consumer":"[consumer]","at":"[time]"},"claims":3,"progress":{"count":1,"total":2,"note":"half"},"saved":null,"saved_type":null,"errors":[{"attempt":1,"at":"[time]","consumer":"[consumer]","kind":"failure","message":"no route","code":"smtp-550","stderr":null,"backtrace":null,"log":null,"digest":null,"version":null,"cpu_ms":null,"memory_bytes":null,"wall_ms":null,"worker":null}],"cancel_at":null,"unique_key":"k","output":null,"output_type":null,"created_at":"[time]","finished_at":null}
$ complete a --token [token] --output {"sent": true}
{"id":"a","queue":"q","state":"completed"}
$ list q
{"id":"a","queue":"q","state":"completed","token":null,"priority":5,"due":"[time]","payload":{"to":"ada"},"content_type":"application/json","headers":{"trace":"1"},"attempt":2,"attempts":1,"max_attempts":2,"timeout_ms":300000,"backoff":{"first_ms":0,"max_ms":0},"retain_ms":3600000,"claim":null,"claims":3,"progress":{"count":1,"total":2,"note":"half"},"saved":null,"saved_type":null,"errors":[{"attempt":1,"at":"[time]","consumer":"[consumer]","kind":"failure","message":"no route","code":"smtp-550","stderr":null,"backtrace":null,"log":null,"digest":null,"version":null,"cpu_ms":null,"memory_bytes":null,"wall_ms":null,"worker":null}],"cancel_at":null,"unique_key":null,"output":{"sent":true},"output_type":"application/json","created_at":"[time]","finished_at":"[time]"}
$ put q 2 --id b
{"id":"b","queue":"q","created":true}
$ cancel b
{"id":"b","queue":"q","state":"cancelled"}
$ retry b
{"id":"b","queue":"q","state":"ready"}
$ stats q
{"queue":"q","scheduled":0,"ready":1,"running":0,"completed":1,"dead":0,"cancelled":0,"oldest_ready_ms":"[time]"}
$ clear q --yes
{"queue":"q","removed":2}
"#);
    cli.end().await
}

#[tokio::test]
async fn a_worker_and_its_components() -> Result<()> {
    let cli = Cli::new().await?;
    let mut said = Said::default();
    said.add("inspect hello.wasm", &cli.all(&["inspect", &guest("hello")?]).await?);
    let worker = guest("worker")?;
    said.add("inspect worker.wasm", &cli.all(&["inspect", &worker]).await?);
    let serve = format!("q={}", guest("hello")?);
    for (payload, more) in [("{\"name\": \"Ada\"}", vec![]), ("7", vec!["--max-attempts", "1"])] {
        cli.put(payload, &more).await?;
        let ran = cli.run(&["work", &serve, "--until-empty", "--json"]).await?;
        said.add("work q=hello.wasm --until-empty", &ran.ended(0)?.documents()?);
    }
    insta::assert_snapshot!(said.0, @r#"
$ inspect hello.wasm
{"kind":"handler","digest":"[digest]","version":null,"size":"[size]","exports":["mongoqueue:jobs/handler@0.1.0"],"imports":[{"name":"mongoqueue:jobs/types@0.1.0","grant":null,"unavailable":null}]}
$ inspect worker.wasm
{"kind":"program","digest":"[digest]","version":null,"size":"[size]","exports":["wasi:cli/run@0.2.0"],"imports":[{"name":"mongoqueue:jobs/types@0.1.0","grant":null,"unavailable":null},{"name":"mongoqueue:jobs/log@0.1.0","grant":null,"unavailable":null},{"name":"mongoqueue:jobs/queue@0.1.0","grant":"queues","unavailable":null},{"name":"mongoqueue:jobs/consumer@0.1.0","grant":"consume","unavailable":null}]}
$ work q=hello.wasm --until-empty
{"event":"ready","queues":["q"],"at":"[time]"}
{"event":"claimed","queue":"q","jobs":1,"at":"[time]"}
{"event":"finished","queue":"q","id":"[id]","token":"[token]","attempt":1,"elapsed_ms":"[time]","state":"completed","outcome":"completed","at":"[time]"}
{"event":"stopping","running":0,"at":"[time]"}
{"event":"summary","completed":1,"failed":0,"dead":0,"released":0,"handed_back":0,"lost":0,"unknown":0}
$ work q=hello.wasm --until-empty
{"event":"ready","queues":["q"],"at":"[time]"}
{"event":"claimed","queue":"q","jobs":1,"at":"[time]"}
{"event":"finished","queue":"q","id":"[id]","token":"[token]","attempt":1,"elapsed_ms":"[time]","state":"dead","outcome":"failed","kind":"failure","message":"the payload: invalid type: integer `7`, expected struct Person at line 1 column 1","code":"bad-payload","rejected":true,"at":"[time]"}
{"event":"stopping","running":0,"at":"[time]"}
{"event":"summary","completed":0,"failed":1,"dead":1,"released":0,"handed_back":0,"lost":0,"unknown":0}
"#);
    cli.end().await
}
