//! What people read: every command's answer in words, with what differs from one run to the next
//! left out.

use anyhow::Result;

use super::{Cli, guest, text};

/// Times become `WHEN` or `TIME`, minted ids `ID`, tokens `TOKEN`; gaps are of two spaces, as their
/// width depends on what stands above.
fn filtered(shown: &str) -> String {
    let lines = shown.lines().map(|line| {
        let indent = line.len() - line.trim_start().len();
        let columns = line.trim().split("  ").map(str::trim).filter(|column| !column.is_empty());
        let columns = columns.map(|column| {
            let words: Vec<&str> = column.split(' ').map(word).collect();
            when(&words.join(" "))
        });
        let columns: Vec<String> = columns.collect();
        format!("{}{}", " ".repeat(indent), columns.join("  "))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn word(word: &str) -> &str {
    let bytes = word.as_bytes();
    let at = |places: &[usize], byte| places.iter().all(|&place| bytes.get(place) == Some(&byte));
    match bytes.len() {
        24 if bytes.iter().all(u8::is_ascii_hexdigit) => "ID",
        36 if at(&[8, 13, 18, 23], b'-') => "TOKEN",
        24 if at(&[4, 7], b'-') && word.ends_with('Z') => "TIME",
        8 if at(&[2, 5], b':') => "TIME",
        _ => word,
    }
}

/// `now`, `5s ago`, `in 1h` and `(12ms)`; a job that waits for an hour may have an hour or a little
/// less to wait.
fn when(words: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for word in words.split(' ') {
        let digit = word.starts_with(|c: char| c.is_ascii_digit());
        match word.trim_end_matches(',') {
            "ago" => {
                kept.pop();
                kept.push("WHEN");
            }
            "now" => kept.push("WHEN"),
            _ if digit && kept.last() == Some(&"in") => {
                kept.pop();
                kept.push("WHEN");
            }
            _ if word.starts_with('(') && word.ends_with("s)") => kept.push("(LONG)"),
            _ => kept.push(word),
        }
    }
    kept.join(" ")
}

impl Cli {
    async fn shown(&self, args: &[&str]) -> Result<String> {
        let ran = self.run(args).await?.ended(0)?;
        Ok(filtered(&(ran.stdout + &ran.stderr)))
    }
}

#[tokio::test]
async fn a_job_and_what_happens_to_it() -> Result<()> {
    let cli = Cli::new().await?;
    let options = [
        ["--id", "letter-7"],
        ["--priority", "5"],
        ["--backoff", "1h..1d"],
        ["--retain", "1d"],
        ["--header", "trace=abc"],
        ["--unique", "ada"],
    ];
    let put = [&["put", "q", "{\"to\": \"ada\"}"], options.concat().as_slice()].concat();
    insta::assert_snapshot!(cli.shown(&put).await?, @"letter-7");
    insta::assert_snapshot!(cli.shown(&["next", "q", "--consumer", "me"]).await?, @r#"
id  letter-7
queue  q
state  running
claimed  by me, WHEN
token  TOKEN
created  WHEN TIME
attempts  0 failed of 3
timeout  5m
priority  5
backoff  1h..1d
retain  1d
unique  ada
header  trace = abc
payload  {"to":"ada"}
"#);
    let job = cli.json(&["get", "letter-7"]).await?;
    let token = text(&job["token"])?.to_owned();
    let of = async |command, more: &[&str]| {
        cli.shown(&[&[command, "letter-7", "--token", &token], more].concat()).await
    };
    let progress = ["--count", "3", "--total", "7", "--note", "page 3"];
    insta::assert_snapshot!(of("progress", &progress).await?, @"3 of 7, page 3");
    insta::assert_snapshot!(of("heartbeat", &[]).await?, @"lease extended");
    insta::assert_snapshot!(cli.shown(&["cancel", "letter-7"]).await?, @"
letter-7 is running
it runs; it was asked to stop
");
    insta::assert_snapshot!(of("heartbeat", &[]).await?, @"lease extended; somebody asked this job to stop");
    let failed = ["--message", "no paper\nin tray 2", "--code", "lp-1"];
    insta::assert_snapshot!(of("fail", &failed).await?, @"letter-7 is cancelled");
    insta::assert_snapshot!(cli.shown(&["get", "letter-7"]).await?, @r#"
id  letter-7
queue  q
state  cancelled
progress  3 of 7, page 3
created  WHEN TIME
finished  WHEN TIME
attempts  1 failed of 3
timeout  5m
priority  5
backoff  1h..1d
retain  1d
header  trace = abc
payload  {"to":"ada"}
failure [lp-1] attempt 1, WHEN on me
  no paper
  in tray 2
"#);
    insta::assert_snapshot!(cli.shown(&["retry", "letter-7"]).await?, @"letter-7 is ready");
    cli.end().await
}

#[tokio::test]
async fn the_other_ends_of_a_claim() -> Result<()> {
    let cli = Cli::new().await?;
    for id in ["a", "b", "c", "d"] {
        cli.put("{}", &["--id", id, "--max-attempts", "2", "--retain", "1h"]).await?;
    }
    let ends: [(&str, &[&str]); 4] = [
        ("complete", &["--output", "\"done\""]),
        ("release", &["--delay", "1h"]),
        ("fail", &["--reject"]),
        ("fail", &["--retry-after", "1h"]),
    ];
    let mut shown = Vec::new();
    for (command, more) in ends {
        let job = cli.next().await?;
        let of = [command, text(&job["id"])?, "--token", text(&job["token"])?];
        shown.push(cli.shown(&[&of[..], more].concat()).await?);
    }
    insta::assert_snapshot!(shown.join("\n"), @"
a is completed
b is ready WHEN
c is dead (attempt 1 of 2)
d is ready (attempt 1 of 2)
");
    insta::assert_snapshot!(cli.shown(&["list"]).await?, @"
ID  QUEUE  STATE  ATTEMPTS  WHEN  WHAT
b  q  scheduled  0/2  WHEN  {}
d  q  scheduled  1/2  WHEN  failure: failed
c  q  dead  1/2  WHEN  failure: failed
a  q  completed  0/2  WHEN  {}
");
    insta::assert_snapshot!(cli.shown(&["stats"]).await?, @"
QUEUE  SCHEDULED  READY  RUNNING  COMPLETED  DEAD  CANCELLED  OLDEST READY
q  2  0  0  1  1  0  -
");
    insta::assert_snapshot!(cli.shown(&["retry", "--queue", "q"]).await?, @"1 dead job of q made ready again");
    insta::assert_snapshot!(cli.shown(&["clear", "q"]).await?, @"4 jobs of q removed");
    let nothing = cli.shown(&["stats"]).await?.replace(cli.stage.database.name(), "DB");
    insta::assert_snapshot!(nothing, @"no jobs in DB.jobs");
    cli.end().await
}

#[tokio::test]
async fn a_component_and_what_it_would_need() -> Result<()> {
    let cli = Cli::new().await?;
    let shown = cli.shown(&["inspect", &guest("pure")?]).await?;
    let lines: Vec<&str> = shown.lines().filter(|line| !line.starts_with("sha256")).collect();
    let size = |line: &str| line.split(',').next().unwrap_or_default().to_owned();
    let first = lines.first().map(|line| size(line)).unwrap_or_default();
    insta::assert_snapshot!(format!("{first}\n{}", lines[1..].join("\n")), @"
a handler
exports
  mongoqueue:jobs/handler@0.1.0
imports
  mongoqueue:jobs/types@0.1.0  always there
  wasi:io/poll@0.2.6  always there
  wasi:io/error@0.2.6  always there
  wasi:io/streams@0.2.6  always there
  wasi:cli/environment@0.2.6  always there
  wasi:cli/exit@0.2.6  always there
  wasi:cli/stdin@0.2.6  always there
  wasi:cli/stdout@0.2.6  always there
  wasi:cli/stderr@0.2.6  always there
  wasi:cli/terminal-input@0.2.6  always there
  wasi:cli/terminal-output@0.2.6  always there
  wasi:cli/terminal-stdin@0.2.6  always there
  wasi:cli/terminal-stdout@0.2.6  always there
  wasi:cli/terminal-stderr@0.2.6  always there
");
    cli.end().await
}
