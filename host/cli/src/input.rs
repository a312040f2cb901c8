//! What a job is put with: from the command line, standard input, or a file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use mongoqueue::{JSON, Payload};

use crate::trouble::{Exit, Result, Trouble};

pub(crate) mod lines;

/// The most text that is read for one payload: MongoDB takes no document beyond 16 MiB, and JSON
/// that says as much is seldom four times as long.
const TEXT_LIMIT: u64 = 64 << 20;

/// Where a payload comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Argument(String),
    Stdin,
    File(PathBuf),
}

impl Source {
    /// `-` is standard input, `@FILE` a file, anything else the text itself.
    pub(crate) fn of(argument: &str) -> Self {
        match (argument, argument.strip_prefix('@')) {
            ("-", _) => Self::Stdin,
            (_, Some(file)) => Self::File(file.into()),
            (text, None) => Self::Argument(text.to_owned()),
        }
    }

    /// Opens it; with its length in bytes where that is known.
    fn open(&self) -> Result<(Box<dyn Read + Send>, Option<u64>)> {
        match self {
            Self::Argument(text) => {
                let length = u64::try_from(text.len()).ok();
                Ok((Box::new(io::Cursor::new(text.clone().into_bytes())), length))
            }
            Self::Stdin => Ok((Box::new(io::stdin()), None)),
            Self::File(path) => {
                let file = File::open(path).map_err(|error| unreadable(path, &error))?;
                let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
                // The length of a pipe or a device says nothing.
                Ok((Box::new(file), metadata.is_file().then_some(metadata.len())))
            }
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Argument(_) => "the argument".to_owned(),
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// What usually went wrong when this was meant to be JSON and isn't.
    fn hint(&self) -> &'static str {
        match self {
            Self::Argument(text) if Path::new(text).is_file() => "\nTo read a file, write @FILE.",
            // What is left when the shell took the quotes.
            Self::Argument(text) if !text.contains('"') && text.contains(char::is_alphabetic) => {
                "\nIs it quoted for the shell? For example: '{\"to\": \"ada\"}'"
            }
            _ => "",
        }
    }
}

/// Reads one payload. Without a `content_type` it is JSON.
pub(crate) fn payload(argument: &str, content_type: Option<&str>) -> Result<Payload> {
    let source = Source::of(argument);
    let bytes = read(&source)?;
    if let Some(content_type) = content_type {
        return Ok(Payload::from_wire(content_type, bytes)?);
    }
    if bytes.trim_ascii().is_empty() {
        let message = format!("invalid payload: {} is empty, JSON was expected", source.name());
        return Err(Trouble::new(Exit::Misuse, "invalid", message).with("what", "payload"));
    }
    Payload::from_wire(JSON, bytes)
        .map_err(|error| Trouble::from(error).reworded(|why| format!("{why}{}", source.hint())))
}

fn read(source: &Source) -> Result<Vec<u8>> {
    let (reader, _) = source.open()?;
    let mut bytes = Vec::new();
    let unreadable =
        |error: io::Error| Trouble::misuse(format!("can't read {}: {error}", source.name()));
    reader.take(TEXT_LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > TEXT_LIMIT {
        let message = format!("{} has more than {} MiB", source.name(), TEXT_LIMIT >> 20);
        return Err(Trouble::new(Exit::Misuse, "too-large", message));
    }
    Ok(bytes)
}

fn unreadable(path: &Path, error: &io::Error) -> Trouble {
    Trouble::misuse(format!("can't read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(argument: &str, content_type: Option<&str>) -> String {
        payload(argument, content_type).map_or_else(|e| e.message, |p| panic!("accepted: {p:?}"))
    }

    #[test]
    fn arguments_are_text_standard_input_or_a_file() {
        assert_eq!(Source::of("-"), Source::Stdin);
        assert_eq!(Source::of("@a b"), Source::File("a b".into()));
        assert_eq!(Source::of("-5"), Source::Argument("-5".to_owned()));
        assert_eq!(Source::of("\"@a\""), Source::Argument("\"@a\"".to_owned()));
    }

    #[test]
    fn json_becomes_native_and_other_types_stay_bytes() {
        let native = payload(r#"{"at": {"$date": "2027-01-15T08:00:00Z"}}"#, None).ok();
        assert_eq!(native.map(|p| p.content_type().to_owned()).as_deref(), Some(JSON));
        let bytes = payload("<p>", Some("text/html")).ok();
        assert_eq!(bytes, Some(Payload::bytes("text/html", "<p>")));
        assert_eq!(payload("", Some("text/html")).ok(), Some(Payload::bytes("text/html", "")));
    }

    #[test]
    fn what_is_no_json_says_where_and_what_to_do() {
        assert!(message("{a:1}", None).contains("line 1 column 2"));
        assert!(message("{a:1}", None).contains("quoted for the shell"));
        assert!(message(" ", None).contains("is empty"));
        assert!(message("Cargo.toml", None).contains("write @FILE"));
        assert!(message("@no/such/file", None).contains("can't read no/such/file"));
        assert!(message("@.", None).contains("can't read"));
        assert!(message(&"[".repeat(200_000), None).contains("invalid payload"));
    }
}
