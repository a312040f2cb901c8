//! What users read is true: links lead somewhere, code is what it says it is, commands and names
//! are those of the program, and none of those is missing. The Rust in the documents is compiled
//! by the doc tests of this package's library.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use mongoqueue_tests::built;

use crate::house;

mod attacks;
mod commands;
mod limits;
mod links;
mod names;
mod tour;

/// The text of a file of the checkout.
pub(crate) fn text(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    fs::read_to_string(built::checkout().join(path)).with_context(|| path.display().to_string())
}

/// The documents: path and text. The demo's sample texts and the templates' are none.
fn documents() -> Result<Vec<(String, String)>> {
    let paths = house::files(".md")?.into_iter().filter(|path| {
        // Those of the templates are about another folder; the tests of the languages run them.
        !path.starts_with("host/cli/demo") && !path.iter().any(|part| part == "template")
    });
    let all: Vec<_> =
        paths.map(|path| Ok((path.display().to_string(), text(&path)?))).collect::<Result<_>>()?;
    let wanted = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/cli.md"];
    for wanted in wanted {
        ensure!(all.iter().any(|(path, _)| path == wanted), "no {wanted}");
    }
    Ok(all)
}

/// The blocks of code in this language.
pub(crate) fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(of) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if of.split(',').next() == Some(language) {
            blocks.push(block.join("\n"));
        }
    }
    blocks
}

/// The lines that are no code.
fn prose(text: &str) -> Vec<&str> {
    let mut in_code = false;
    let mut prose = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            prose.push(line);
        }
    }
    prose
}

/// The part of a document under a heading, up to the next one of the same level.
fn section<'a>(text: &'a str, heading: &str) -> Result<&'a str> {
    let (_, rest) = text.split_once(&format!("\n{heading}\n")).context(heading.to_owned())?;
    let level = heading.split(' ').next().unwrap_or_default();
    let next = format!("\n{level} ");
    Ok(rest.split(&next).next().unwrap_or(rest))
}

/// What stands in backticks in the first column of the tables.
fn first_column(text: &str) -> BTreeSet<String> {
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let words = cells.flat_map(|cell| cell.split("`, `"));
    words.map(|word| word.trim_end_matches('`').to_owned()).collect()
}

/// What stands in backticks, in no column.
fn quoted(text: &str) -> BTreeSet<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_first_handler_is_the_example() -> Result<()> {
    let example = text("guest/rust/examples/hello.rs")?;
    let code = example.lines().filter(|line| !line.starts_with("//!")).collect::<Vec<_>>();
    let shown = blocks(&text("README.md")?, "rust");
    let shown = shown.first().context("no Rust in the README")?;
    assert_eq!(shown.trim(), code.join("\n").trim());
    Ok(())
}

#[test]
fn comments_name_documents_that_are_there() -> Result<()> {
    let mut named = 0;
    for path in house::files(".rs")? {
        for word in text(&path)?.split(|c: char| !c.is_ascii_alphanumeric() && !"./_-".contains(c))
        {
            if word.starts_with("docs/") && word.ends_with(".md") {
                ensure!(built::checkout().join(word).is_file(), "{}: {word}", path.display());
                named += 1;
            }
        }
    }
    ensure!(named > 3, "{named}");
    Ok(())
}
