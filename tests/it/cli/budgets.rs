//! Budgets in the file for `work`.

use anyhow::Result;

use super::{Cli, guest};

/// The file, and what `work` says about it.
async fn told(cli: &Cli, code: i32, text: &str) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("work.toml");
    std::fs::write(&file, text)?;
    let path = file.display().to_string();
    Ok(cli.error(code, &["work", "--config", &path]).await?.replace(&path, "work.toml"))
}

#[tokio::test]
async fn a_handler_has_no_more_memory_than_the_host() -> Result<()> {
    let cli = Cli::new().await?;
    let hello = guest("hello")?;
    let text = format!(
        "[host]\nmemory = \"100MiB\"\n[queue.q]\ncomponent = {hello:?}\nmemory = \"128MiB\"\n"
    );
    insta::assert_snapshot!(told(&cli, 4, &text).await?, @"error: queue q: hello may have 134217728 bytes of memory, and all guests of this host together have 104857600: give it less, or the host more");
    cli.end().await
}
