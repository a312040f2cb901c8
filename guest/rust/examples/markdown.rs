//! Renders Markdown to HTML: a job with a payload and an output of several fields, done by a crate
//! that knows nothing of queues.
//!
//! `{"name": "notes.md", "markdown": "# Notes\n…"}` becomes
//! `{"name": "notes.md", "title": "Notes", "html": "<h1>Notes</h1>\n…"}`. Its tests at the end run
//! without a host, as those of any handler can.

use mongoqueue_guest::{Job, Result, handler, reject};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};
use serde::{Deserialize, Serialize};

/// What README files use beyond CommonMark.
const EXTENSIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS);

#[derive(Deserialize)]
struct Document {
    /// Comes back in the output, for whoever collects the pages.
    name: String,
    markdown: String,
}

#[derive(Serialize)]
struct Page {
    name: String,
    /// The text of the first heading, if there is one.
    title: Option<String>,
    html: String,
}

fn render(job: Job<Document>) -> Result<Page> {
    let Document { name, markdown } = job.payload;
    if markdown.trim().is_empty() {
        // Another attempt would find it just as empty.
        return Err(reject(format!("{name} is empty")).code("empty-document"));
    }
    let events: Vec<Event> = Parser::new_ext(&markdown, EXTENSIONS).collect();
    let title = title(&events);
    let mut html = String::with_capacity(markdown.len() * 3 / 2);
    html::push_html(&mut html, events.into_iter());
    Ok(Page { name, title, html })
}

fn title(events: &[Event]) -> Option<String> {
    let heading = events
        .iter()
        .skip_while(|event| !matches!(event, Event::Start(Tag::Heading { .. })))
        .take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    let text: String = heading
        .filter_map(|event| match event {
            Event::Text(text) | Event::Code(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect();
    (!text.is_empty()).then_some(text)
}

handler!(render);

#[cfg(test)]
mod tests {
    use mongoqueue_guest::Disposition;

    use super::*;

    fn job(name: &str, markdown: &str) -> Job<Document> {
        Job::new(Document { name: name.to_owned(), markdown: markdown.to_owned() })
    }

    #[test]
    fn the_first_heading_is_the_title() {
        let page = render(job("a.md", "Hm.\n\n## Of *two* `parts`\n\n# Later\n")).unwrap();
        assert_eq!(page.title.as_deref(), Some("Of two parts"));
        assert!(page.html.starts_with("<p>Hm.</p>\n<h2>"), "{}", page.html);
    }

    #[test]
    fn an_empty_document_is_rejected() {
        let error = render(job("b.md", " \n")).err().unwrap();
        assert_eq!(error.message(), "b.md is empty");
        assert_eq!(error.disposition(), Disposition::Reject);
    }
}
