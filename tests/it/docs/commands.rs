//! Commands and options in the documents are those of the program, and the other way round.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use mongoqueue_tests::built;

use super::{blocks, documents, first_column, section, text};

type Options = BTreeSet<String>;

fn help(command: &[&str]) -> Result<String> {
    let output = Command::new(built::cli()?).args(command).arg("--help").output()?;
    ensure!(output.status.success(), "{command:?} --help: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// The long options that a help lists.
fn options(help: &str) -> Options {
    let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let long = lines.filter_map(|line| line.split(' ').find(|word| word.starts_with("--")));
    long.map(str::to_owned).collect()
}

/// The commands that a help lists.
fn commands(help: &str) -> Result<Vec<String>> {
    let (_, list) = help.split_once("Commands:\n").context("a list of commands")?;
    let list = list.split("\n\n").next().unwrap_or(list);
    // A name is indented by two; what continues a line is by more.
    let lines = list.lines().filter_map(|line| line.strip_prefix("  "));
    let names = lines.filter(|line| !line.starts_with(' '));
    let names = names.filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| *name != "help").map(str::to_owned).collect())
}

/// The options that every command has, and those of each command alone.
fn program() -> Result<(Options, BTreeMap<String, Options>)> {
    let help_of_all = help(&[])?;
    let global = options(&help_of_all);
    let mut own = BTreeMap::new();
    for command in commands(&help_of_all)? {
        let of_command = options(&help(&[&command])?);
        own.insert(command, of_command.difference(&global).cloned().collect());
    }
    ensure!(global.len() > 5 && own.len() > 15, "{global:?} {own:?}");
    Ok((global, own))
}

/// The long options in the first column of a text's tables.
fn described(text: &str) -> Options {
    let cells = first_column(text).into_iter();
    let words = cells.map(|cell| cell.split(' ').next().unwrap_or_default().to_owned());
    words.filter(|word| word.starts_with("--")).collect()
}

/// The sections of commands: the words of the heading, and the text.
fn sections(document: &str) -> Vec<(Vec<&str>, &str)> {
    let parts = document.split("\n### ").skip(1);
    let parts = parts.filter_map(|part| part.split_once('\n'));
    let parts = parts.map(|(heading, text)| (heading, text.split("\n## ").next().unwrap_or(text)));
    let commands = parts.filter(|(heading, _)| !heading.starts_with("The "));
    commands.map(|(heading, text)| (heading.split([' ', '|']).collect(), text)).collect()
}

#[test]
fn every_command_is_described_with_its_options() -> Result<()> {
    let document = text("docs/cli.md")?;
    let (global, own) = program()?;
    assert_eq!(described(section(&document, "## What every command takes")?), global);
    let mut told = BTreeSet::new();
    for (heading, text) in sections(&document) {
        let command = heading.first().context("a heading has words")?;
        let expected = own.get(*command).with_context(|| format!("no command {command}"))?;
        assert_eq!(&described(text), expected, "{command}");
        told.insert((*command).to_owned());
        if *command == "server" {
            let parts = commands(&help(&["server"])?)?;
            assert_eq!(heading.get(1..).context("its commands")?, parts);
        }
    }
    assert_eq!(told, own.keys().cloned().collect());
    Ok(())
}

#[test]
fn no_option_is_named_that_the_program_does_not_have() -> Result<()> {
    let (global, own) = program()?;
    let known: Options = own.into_values().flatten().chain(global).collect();
    for line in text("docs/cli.md")?.lines().filter(|line| !line.contains("cargo ")) {
        let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        for word in words.filter(|word| word.len() > 3 && word.starts_with("--")) {
            let rule = word.chars().all(|c| c == '-');
            ensure!(rule || known.contains(word), "{word} in: {line}");
        }
    }
    Ok(())
}

#[test]
fn every_exit_code_is_described_as_the_help_does() -> Result<()> {
    let help = help(&[])?;
    let (_, codes) = help.split_once("Exit codes:\n").context("exit codes")?;
    let document = text("docs/cli.md")?;
    let table = section(&document, "## Exit codes")?;
    let mut count = 0;
    for line in codes.lines().take_while(|line| !line.is_empty()) {
        let (code, words) = line.trim().split_once("  ").context("a code and its words")?;
        let row = format!("| {code} | {words}");
        ensure!(table.contains(&row), "no row {row:?}");
        count += 1;
    }
    assert_eq!(count, table.lines().filter(|line| line.starts_with("| ")).count() - 2);
    Ok(())
}

/// The lines of the shell blocks, a long one in one piece, without comments.
fn shell() -> Result<Vec<(String, String)>> {
    let mut lines = Vec::new();
    for (path, document) in documents()? {
        for block in blocks(&document, "sh") {
            for line in block.replace("\\\n", " ").lines() {
                let line = line.split(" # ").next().unwrap_or(line).trim();
                if !line.is_empty() && !line.starts_with('#') {
                    lines.push((path.clone(), line.to_owned()));
                }
            }
        }
    }
    ensure!(lines.len() > 15, "{lines:#?}");
    Ok(lines)
}

#[test]
fn commands_in_the_documents_can_be_run() -> Result<()> {
    let (global, own) = program()?;
    for (path, line) in shell()? {
        let words: Vec<&str> = line.split_whitespace().collect();
        let of = || format!("{path}: {line}");
        match words.as_slice() {
            ["mongoqueue", command, rest @ ..] => {
                let own = own.get(*command).with_context(of)?;
                for option in rest.iter().filter(|word| word.starts_with("--")) {
                    ensure!(own.contains(*option) || global.contains(*option), of());
                }
            }
            ["cargo", rest @ ..] => cargo(rest).with_context(of)?,
            ["alias", rest @ ..] => ensure!(rest.join(" ").contains("mongoqueue-cli"), of()),
            ["rustup", "target", "add", target] => assert_eq!(*target, "wasm32-wasip2"),
            // A folder that the command before it made.
            ["cd", _] => {}
            [file, ..] => ensure!(built::checkout().join(file).is_file(), of()),
            [] => {}
        }
    }
    Ok(())
}

/// Packages, examples and aliases are there.
fn cargo(words: &[&str]) -> Result<()> {
    let command = words.first().context("no command")?;
    // Its own, and a tool that the document says how to use.
    if !["build", "test", "bench", "install", "run", "semver-checks"].contains(command) {
        let aliases = fs::read_to_string(built::checkout().join(".cargo/config.toml"))?;
        ensure!(aliases.contains(&format!("\n{command} = ")), "no alias {command}");
    }
    for pair in words.windows(2) {
        let there = match pair {
            ["-p" | "--package", package] => package.strip_prefix("mongoqueue-").map(|package| {
                ["c", "cli", "guest", "tests", "mongod", "wasmtime"].contains(&package)
            }),
            ["--example", example] => {
                let rooms = ["guest/rust", "host/queue", "host/wasmtime"];
                let file = |room| format!("{room}/examples/{example}.rs");
                Some(rooms.iter().any(|room| built::checkout().join(file(room)).is_file()))
            }
            ["--path", path] => Some(built::checkout().join(path).join("Cargo.toml").is_file()),
            _ => None,
        };
        ensure!(there != Some(false), "{} is not there", pair.join(" "));
    }
    Ok(())
}
