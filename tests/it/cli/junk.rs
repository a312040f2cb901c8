//! Payloads as nobody should write them: refused with a reason, or kept as they are.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Cli, guest};

#[tokio::test]
async fn what_can_never_be_a_payload_says_why() -> Result<()> {
    let cli = Cli::new().await?;
    let deep = "[".repeat(200) + &"]".repeat(200);
    let abyss = "{\"a\":".repeat(200_000);
    let long = format!("{{\"{}\": 1}}", "x".repeat(2 << 20));
    let mut said = Vec::new();
    for junk in [
        " \n",
        "{",
        "[1,]",
        "{} {}",
        "nope",
        "NaN",
        "'a'",
        "1e999",
        "\"\\ud800\"",
        "\"tab\tinside\"",
        "\u{feff}{}",
        "{\"a\\u0000b\": 1}",
        "{\"$oid\": \"zz\"}",
        "{\"$date\": \"yesterday\"}",
        "{\"$numberLong\": \"1.5\"}",
        "{\"$binary\": 7}",
        &deep,
        &abyss,
        &long,
    ] {
        let ran = cli.fed(&["put", "q", "-"], junk).await?.ended(2)?;
        assert_eq!(ran.stdout, "");
        said.push(ran.stderr.trim_end().to_owned());
    }
    let ran = cli.fed(&["put", "q", "-"], b"{\"a\": \"\xff\xfe\"}").await?.ended(2)?;
    said.push(ran.stderr.trim_end().to_owned());
    insta::assert_snapshot!(said.join("\n"), @r#"
error: invalid payload: standard input is empty, JSON was expected
error: invalid payload: EOF while parsing an object at line 1 column 1
error: invalid payload: trailing comma at line 1 column 4
error: invalid payload: trailing characters at line 1 column 4
error: invalid payload: expected ident at line 1 column 2
error: invalid payload: expected value at line 1 column 1
error: invalid payload: expected value at line 1 column 1
error: invalid payload: number out of range at line 1 column 5
error: invalid payload: unexpected end of hex escape at line 1 column 8
error: invalid payload: control character (\u0000-\u001F) found while parsing a string at line 1 column 5
error: invalid payload: expected value at line 1 column 1
error: invalid payload: BSON error. Kind: Malformed BSON bytes. Message: cstring with interior null: "a\0b".
error: invalid payload: BSON error. Kind: An ObjectId-related error occurred: invalid character 'z' encountered at index 0.
error: invalid payload: BSON error. Kind: A deserialization-related error occurred. Message: invalid value: string "yesterday", expected rfc3339 formatted utc datetime.
error: invalid payload: BSON error. Kind: A deserialization-related error occurred. Message: invalid value: string "1.5", expected i64 as a string.
error: invalid payload: BSON error. Kind: A deserialization-related error occurred. Message: invalid type: integer `7`, expected struct BinaryBody.
error: invalid payload: recursion limit exceeded at line 1 column 128
error: invalid payload: recursion limit exceeded at line 1 column 636
error: payload too large: 2097163 bytes, the limit is 1048576
A larger --payload-limit lets it through, up to 15MiB.
error: invalid payload: invalid unicode code point at line 1 column 8
"#);
    assert_eq!(cli.counts().await?, (0, 0, 0));
    cli.end().await
}

/// Odd, and as good as any: what comes out is what went in.
#[tokio::test]
async fn what_is_only_odd_comes_out_as_it_went_in() -> Result<()> {
    let cli = Cli::new().await?;
    for (text, value) in [
        ("null", Value::Null),
        ("-0.5", json!(-0.5)),
        ("9223372036854775807", json!(i64::MAX)),
        ("\"\\u0000 \\u001b[31m\"", json!("\0 \u{1b}[31m")),
        ("\"$$NOW\"", json!("$$NOW")),
        ("[[[]]]", json!([[[]]])),
        ("{\"\": {\"\": 1}}", json!({ "": { "": 1 } })),
        (
            "{\"$where\": \"this.a == 1\", \"a.b\": {\"$gt\": 1}}",
            json!({ "$where": "this.a == 1", "a.b": { "$gt": 1 } }),
        ),
        ("{\"_id\": [1], \"queue\": \"x\"}", json!({ "_id": [1], "queue": "x" })),
        ("{\"é\": \"\u{1f600}\"}", json!({ "é": "\u{1f600}" })),
        // The last one counts, as with most readers of JSON.
        ("{\"a\": 1, \"a\": 2}", json!({ "a": 2 })),
    ] {
        cli.fed(&["put", "q", "-"], text).await?.ended(0).context(text)?;
        let job = cli.next().await?;
        assert_eq!(job["payload"], value, "{text}");
        // Both ways of showing it.
        let page = cli.run(&["get", super::text(&job["id"])?]).await?.ended(0)?;
        assert!(page.stdout.contains("payload"), "{}", page.stdout);
        cli.settle("complete", &job, &[]).await?;
    }
    cli.end().await
}

#[tokio::test]
async fn numbers_beyond_all_integers_are_refused_or_told() -> Result<()> {
    let cli = Cli::new().await?;
    let ran = cli.fed(&["put", "q", "-"], "18446744073709551615").await?;
    insta::assert_snapshot!(format!("{}: {}", ran.code, ran.stderr), @"2: error: invalid payload: 18446744073709551615 is above 9223372036854775807, the largest integer; put it as a string");
    cli.end().await
}

/// A handler that wants something else rejects each of them, and the worker goes on.
#[tokio::test]
async fn junk_kills_jobs_and_no_worker() -> Result<()> {
    let cli = Cli::new().await?;
    let junk = [
        "null",
        "[]",
        "7",
        "\"x\"",
        "{}",
        "{\"name\": 7}",
        "{\"name\": {\"$oid\": \"0123456789abcdef01234567\"}}",
    ];
    for payload in junk {
        cli.put(payload, &[]).await?;
    }
    cli.fed(&["put", "q", "-", "--content-type", "image/png"], b"\x89PNG\xff").await?.ended(0)?;
    cli.fed(&["put", "q", "-", "--content-type", "text/plain"], "").await?.ended(0)?;
    cli.put("{\"name\": \"Ada\"}", &["--id", "good", "--retain", "1h"]).await?;
    let serving = format!("q={}", guest("hello")?);
    let told = cli.all(&["work", &serving, "--until-empty"]).await?;
    let summary = told.last().context("a summary")?;
    assert_eq!((&summary["completed"], &summary["dead"]), (&json!(1), &json!(junk.len() + 2)));
    let dead = cli.all(&["list", "q", "--state", "dead"]).await?;
    assert_eq!(dead.len(), junk.len() + 2);
    for job in dead {
        let error = &job["errors"][0];
        assert_eq!(
            (&error["kind"], &error["code"]),
            (&json!("failure"), &json!("bad-payload")),
            "{job}"
        );
    }
    assert_eq!(cli.json(&["get", "good"]).await?["output"], "Hello, Ada!");
    cli.end().await
}
