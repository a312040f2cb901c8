//! Help, completions, and that the document tells of every command.

use anyhow::{Context, Result};
use mongoqueue_tests::built;

use super::{Ran, program, ran};

async fn bare(args: &[&str]) -> Result<Ran> {
    let mut command = program(&built::cli()?);
    command.args(args);
    ran(command, "").await?.ended(0)
}

/// The names of the commands in the help.
async fn commands() -> Result<Vec<String>> {
    let help = bare(&["--help"]).await?.stdout;
    let (_, rest) = help.split_once("Commands:\n").context("a list of commands")?;
    let (list, _) = rest.split_once("\n\n").context("its end")?;
    // A name is indented by two; what continues a line is by more.
    let names = list.lines().filter_map(|line| line.strip_prefix("  "));
    let names = names.filter(|line| !line.starts_with(' '));
    Ok(names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect())
}

#[tokio::test]
async fn help_names_every_exit_code() -> Result<()> {
    let codes = "\
Exit codes:
  0  done
  1  the answer is no: empty queue, lease lost, no such job, duplicate, not in that state
  2  misuse, or an input that can never be accepted
  3  the database can't be reached, or can't be used
  4  a component was refused
";
    let mut all = vec![vec!["--help".to_owned()]];
    let named = commands().await?;
    assert!(named.len() > 15, "{named:?}");
    let named = named.into_iter().filter(|name| name != "help");
    all.extend(named.map(|name| vec![name, "--help".to_owned()]));
    for args in all {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let help = bare(&args).await?;
        assert!(help.stdout.contains(codes), "{args:?}: {}", help.stdout);
        assert_eq!(help.stderr, "");
    }
    Ok(())
}

#[tokio::test]
async fn completions_know_every_command() -> Result<()> {
    for shell in ["bash", "zsh", "fish"] {
        let script = bare(&["completions", shell]).await?.stdout;
        for name in commands().await? {
            assert!(script.contains(&name), "{shell}: {name}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_version_is_that_of_the_package() -> Result<()> {
    let wanted = concat!("mongoqueue ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(bare(&["version"]).await?.stdout, wanted);
    assert_eq!(bare(&["--version"]).await?.stdout, wanted);
    Ok(())
}
