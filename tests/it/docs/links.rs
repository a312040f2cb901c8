//! Links lead somewhere: to a file of the checkout, to a heading.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use mongoqueue_tests::built;

use super::{documents, prose, text};

/// Where the links of a document lead.
fn targets(document: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in prose(document) {
        let after = line.split("](").skip(1);
        targets.extend(after.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
    }
    targets
}

/// The anchors of a document, made of its headings as GitHub makes them.
fn anchors(document: &str) -> BTreeSet<String> {
    let lines = prose(document);
    let headings = lines.iter().filter(|line| line.starts_with('#'));
    let slug = |heading: &&str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    let mut anchors: BTreeSet<String> = headings.map(slug).collect();
    for line in lines {
        let after = line.split("<a id=\"").skip(1);
        anchors.extend(after.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    }
    anchors
}

#[test]
fn every_link_leads_somewhere() -> Result<()> {
    let mut inside = 0;
    for (path, document) in documents()? {
        for target in targets(&document) {
            if target.starts_with("https://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let folder = Path::new(&path).parent().context("a document is a file")?;
            let file = if file.is_empty() { Path::new(&path).into() } else { folder.join(file) };
            let there = built::checkout().join(&file);
            ensure!(there.exists(), "{path}: {target} leads nowhere");
            if !anchor.is_empty() {
                let anchors = anchors(&text(&file)?);
                ensure!(anchors.contains(anchor), "{path}: {target}: none of {anchors:#?}");
            }
            inside += 1;
        }
    }
    ensure!(inside > 40, "only {inside} links");
    Ok(())
}

#[test]
fn every_document_is_linked_from_the_readme() -> Result<()> {
    let linked = targets(&text("README.md")?);
    for (path, _) in documents()? {
        let of_a_guest = path.starts_with("guest/") && path != "guest/rust/README.md";
        if path != "README.md" && !of_a_guest {
            ensure!(linked.contains(&path), "the README has no link to {path}");
        }
    }
    Ok(())
}

#[test]
fn anchors_are_made_as_github_makes_them() {
    let anchors =
        anchors("# `put` QUEUE JSON|-|@FILE\n```sh\n# no heading\n```\n## What it's for…\n");
    let expected = ["put-queue-json-file", "what-its-for"];
    assert!(expected.iter().all(|anchor| anchors.contains(*anchor)), "{anchors:?}");
    assert_eq!(anchors.len(), 2);
}
