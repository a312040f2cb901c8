//! A component was refused: why, and what its operator or author can do.

use mongoqueue_wasmtime::{Import, LoadError, Need};
use serde_json::json;

use super::{Exit, Trouble};
use crate::policy::check::line_for;

/// How this component would be granted what it needs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Granting<'a> {
    /// In the file of `work --config`, under the queue that it serves.
    File { queue: &'a str },
    /// By options of the command; with the queue that it serves, if it does.
    Options { queue: Option<&'a str> },
}

/// The refusal in words. A file that can't be read is the command line's mistake.
pub(crate) fn refused(error: &LoadError, granting: Granting<'_>) -> Trouble {
    let served = match granting {
        Granting::File { queue } | Granting::Options { queue: Some(queue) } => {
            format!("queue {queue}: ")
        }
        Granting::Options { queue: None } => String::new(),
    };
    let LoadError::MissingGrants { name, missing } = error else {
        let message = format!("{served}{error}");
        return match error {
            LoadError::Unreadable { .. } => Trouble::new(Exit::Misuse, "refused", message),
            LoadError::WrongDigest { pinned, found, .. } => {
                Trouble::new(Exit::Refused, "wrong-digest", message)
                    .with("pinned", pinned.to_string())
                    .with("found", found.to_string())
            }
            LoadError::NotSigned { .. } => Trouble::new(Exit::Refused, "not-signed", message),
            _ => Trouble::new(Exit::Refused, "refused", message),
        };
    };
    let mut message = format!("{served}{name} imports more than it is granted:");
    for import in missing {
        message += &format!("\n  {}: {}", import.name, import.need);
    }
    if let Some(remedy) = remedy(missing, granting) {
        message += &remedy;
    }
    let names: Vec<&str> = missing.iter().map(|import| import.name.as_str()).collect();
    Trouble::new(Exit::Refused, "missing-grants", message).with("missing", json!(names))
}

fn remedy(missing: &[Import], granting: Granting<'_>) -> Option<String> {
    let needs = |wanted: Need| missing.iter().any(|import| import.need == wanted);
    let wanted = [Need::Queue, Need::Consume, Need::Http, Need::Config];
    let wanted: Vec<Need> = wanted.into_iter().filter(|need| needs(need.clone())).collect();
    if wanted.is_empty() {
        return None;
    }
    let by_option = |need: &Need| match need {
        Need::Queue => Some("--queue next=emails    (its name = the queue it may put on)"),
        Need::Consume => Some("--consume work=emails  (its name = the queue it may claim from)"),
        _ => None,
    };
    let options = match granting {
        Granting::File { .. } => None,
        Granting::Options { .. } => wanted.iter().map(by_option).collect::<Option<Vec<&str>>>(),
    };
    let (mut text, lines) = match (options, granting) {
        (Some(options), _) => ("\nGrant it by options:".to_owned(), options),
        (None, Granting::File { queue } | Granting::Options { queue: Some(queue) }) => {
            let text = "\nGrant it in a file for `mongoqueue work --config`:";
            let lines = wanted.iter().filter_map(line_for).collect();
            (format!("{text}\n  [queue.{queue}]"), lines)
        }
        (None, Granting::Options { queue: None }) => {
            return Some("\nOnly handlers are granted that, by `mongoqueue work --config`.".into());
        }
    };
    for line in lines {
        text += &format!("\n  {line}");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(needs: &[Need]) -> LoadError {
        let import = |need: &Need| Import { name: "a:b/c@0.1.0".to_owned(), need: need.clone() };
        LoadError::MissingGrants {
            name: "notes".to_owned(),
            missing: needs.iter().map(import).collect(),
        }
    }

    #[test]
    fn what_can_be_granted_comes_with_what_to_write() {
        let error = missing(&[Need::Queue]);
        let trouble = refused(&error, Granting::File { queue: "mail" });
        assert_eq!(trouble.exit, Exit::Refused);
        assert!(trouble.message.starts_with("queue mail: notes imports more"));
        assert!(trouble.message.contains("[queue.mail]\n  queues = { next"));
        let trouble = refused(&missing(&[Need::Consume]), Granting::Options { queue: None });
        assert!(trouble.message.contains("--consume work=emails"));
        assert!(!trouble.message.contains("--queue"));
    }

    #[test]
    fn what_nobody_can_grant_has_no_remedy() {
        let trouble = refused(
            &missing(&[Need::Unavailable("no network")]),
            Granting::Options { queue: None },
        );
        assert!(trouble.message.ends_with("a:b/c@0.1.0: not to be had: no network"));
    }

    #[test]
    fn a_file_that_is_not_there_is_misuse() {
        let source = std::io::Error::other("gone");
        let error = LoadError::Unreadable { path: "x.wasm".into(), source };
        assert_eq!(refused(&error, Granting::Options { queue: None }).exit, Exit::Misuse);
    }
}
