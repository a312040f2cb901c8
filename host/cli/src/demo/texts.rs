//! The demo's real work: this project's own documents and a folder of sample texts, whole and
//! section by section.

use std::fs;
use std::path::{Path, PathBuf};

use crate::trouble::{Result, Trouble};

/// How deep documents are looked for: `guest/rust/README.md` and a level more.
const DEPTH: usize = 4;

/// One text to render.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// The file, and the section if it is one.
    pub(super) name: String,
    pub(super) markdown: String,
}

/// At most `count` texts: whole documents first, then sections.
pub(super) fn documents(root: &Path, count: usize) -> Result<Vec<Document>> {
    let mut files = Vec::new();
    find(root, DEPTH, &mut files);
    files.sort();
    let mut whole = Vec::new();
    let mut sections = Vec::new();
    for file in files {
        let unreadable = |error| Trouble::misuse(format!("can't read {}: {error}", file.display()));
        let markdown = fs::read_to_string(&file).map_err(unreadable)?;
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        if markdown.trim().is_empty() {
            continue;
        }
        sections.extend(split(&name, &markdown));
        whole.push(Document { name, markdown });
    }
    whole.extend(sections);
    whole.truncate(count);
    Ok(whole)
}

/// Markdown files, without what is hidden, built or installed. What can't be listed is left out.
fn find(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = entry.file_type();
        if kind.as_ref().is_ok_and(fs::FileType::is_file) && name.ends_with(".md") {
            files.push(path);
        } else if kind.is_ok_and(|kind| kind.is_dir())
            && depth > 0
            && !name.starts_with('.')
            && !matches!(name.as_ref(), "target" | "node_modules")
        {
            find(&path, depth - 1, files);
        }
    }
}

/// The sections of a document that has several: each from its heading up to the next one.
fn split(name: &str, markdown: &str) -> Vec<Document> {
    let mut sections: Vec<Document> = Vec::new();
    let mut in_code = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let title = line.trim_start_matches('#').trim();
        let heading = !in_code && line.starts_with('#') && !title.is_empty();
        if heading || sections.is_empty() {
            let name = format!("{name} § {title}");
            sections.push(Document { name, markdown: String::new() });
        }
        if let Some(section) = sections.last_mut() {
            section.markdown.push_str(line);
            section.markdown.push('\n');
        }
    }
    sections.retain(|section| !section.markdown.trim().is_empty());
    if sections.len() < 2 { Vec::new() } else { sections }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_end_at_headings_but_not_inside_of_code() {
        let text = "# A\none\n```\n# no heading\n```\n## B\ntwo\n";
        let sections = split("a.md", text);
        let names: Vec<_> = sections.iter().map(|section| section.name.as_str()).collect();
        assert_eq!(names, ["a.md § A", "a.md § B"]);
        assert_eq!(sections[0].markdown, "# A\none\n```\n# no heading\n```\n");
        assert_eq!(split("b.md", "only text"), []);
    }

    #[test]
    fn the_checkout_has_texts_enough() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let found = documents(&root, 120).map(|documents| documents.len());
        assert_eq!(found.ok(), Some(120));
    }
}
