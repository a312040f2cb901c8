//! Dead jobs by how they died.

use anyhow::Result;
use serde_json::json;

use super::{Cli, guest};

#[tokio::test]
async fn equal_deaths_are_one_row() -> Result<()> {
    let cli = Cli::new().await?;
    let none = cli.run(&["list", "--group"]).await?.ended(0)?;
    assert_eq!((none.stdout.as_str(), none.stderr.trim_end()), ("", "no dead jobs"));
    let misbehaviours = [
        ("{\"do\": \"panic\", \"message\": \"one\"}", 3),
        ("{\"do\": \"unreachable\"}", 1),
        ("{\"do\": \"fail-code\", \"code\": \"smtp-550\"}", 2),
        ("{\"do\": \"fail-code\", \"code\": \"smtp-421\"}", 1),
    ];
    for (payload, times) in misbehaviours {
        for _ in 0..times {
            cli.put(payload, &["--max-attempts", "1"]).await?;
        }
    }
    let serve = format!("q={}", guest("misbehave")?);
    cli.run(&["work", &serve, "--queue", "next=other", "--until-empty"]).await?.ended(0)?;
    let mut groups = cli.all(&["list", "q", "--group"]).await?;
    let counted = |group: &serde_json::Value| {
        (group["jobs"].clone(), group["kind"].clone(), group["code"].clone())
    };
    let firsts: Vec<_> = groups.iter().take(2).map(counted).collect();
    let trap = "trap:unreachable";
    assert_eq!(firsts[0], (json!(3), json!(trap), json!(null)));
    assert_eq!(firsts[1], (json!(2), json!("failure"), json!("smtp-550")));
    // Two that trapped in different places are two deaths.
    assert_eq!(groups.len(), 4, "{groups:#?}");
    let panic = groups.remove(0);
    assert!(panic["message"].as_str().is_some_and(|it| it.ends_with(": one")), "{panic}");
    assert!(panic["frames"][0].as_str().is_some_and(|it| !it.starts_with("0:")), "{panic}");
    assert!(panic["frames"].as_array().is_some_and(|it| it.len() <= 5), "{panic}");
    let example = cli.json(&["get", panic["id"].as_str().unwrap_or_default()]).await?;
    assert_eq!(example["errors"][0]["message"], panic["message"]);
    let shown = cli.run(&["list", "--group", "--limit", "1"]).await?.ended(0)?.stdout;
    assert!(shown.contains("3  q      trap:unreachable in mongoqueue_guest::"), "{shown}");
    assert_eq!(shown.trim_end().lines().count(), 2, "{shown}");
    let told = cli.error(2, &["list", "--group", "--state", "ready"]).await?;
    assert!(told.contains("--group is for dead jobs: leave --state out"), "{told}");
    cli.end().await
}
