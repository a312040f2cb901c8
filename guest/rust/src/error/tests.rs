use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use super::*;

/// An error with a source, whose own text may or may not repeat it.
#[derive(Debug)]
struct Link(&'static str, Option<Box<dyn StdError + 'static>>);

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Link {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.1.as_deref()
    }
}

fn chain(texts: &[&'static str], end: Option<Box<dyn StdError>>) -> Option<Box<dyn StdError>> {
    texts.iter().rev().fold(end, |source, text| Some(Box::new(Link(text, source))))
}

fn by_question_mark(texts: &[&'static str], end: Option<Box<dyn StdError>>) -> Error {
    fn fails(link: Link) -> Result<()> {
        Err(link)?
    }
    fails(Link("sending", chain(texts, end))).unwrap_err()
}

#[test]
fn the_chain_of_sources_becomes_the_message() {
    let error = by_question_mark(&["connecting", "refused"], None);
    assert_eq!(error.message(), "sending: connecting: refused");
    assert_eq!(error.disposition(), Disposition::Retry);
    assert_eq!(error.get_code(), None);
}

#[test]
fn a_source_that_was_already_told_is_not_told_again() {
    let error = by_question_mark(&["no route: down", "down"], None);
    assert_eq!(error.message(), "sending: no route: down");
}

#[test]
fn a_host_error_anywhere_in_the_chain_gives_its_code() {
    let error = by_question_mark(&["saving"], Some(Box::new(HostError::LeaseLost)));
    assert_eq!(error.get_code(), Some("lease-lost"));
    assert_eq!(error.message(), "sending: saving: the lease on the job is lost");
}

#[test]
fn context_keeps_code_and_disposition() {
    let failed: Result<()> = Err(reject("mailbox full").code("smtp-552"));
    let error = failed.context("sending to a@b").unwrap_err();
    assert_eq!(error.message(), "sending to a@b: mailbox full");
    assert_eq!(error.get_code(), Some("smtp-552"));
    assert_eq!(error.disposition(), Disposition::Reject);
    assert_eq!(format!("{error:?}"), "sending to a@b: mailbox full (smtp-552)");

    let none: Option<u8> = None;
    assert_eq!(none.context("no port given").unwrap_err().message(), "no port given");
}

#[test]
fn every_disposition_reaches_the_host_in_milliseconds() {
    let failure = |error: Error| types::Failure::from(error).disposition;
    assert_eq!(failure(Error::new("x")), types::Disposition::Retry);
    assert_eq!(failure(reject("x")), types::Disposition::Reject);
    let soon = Duration::from_secs(3);
    assert_eq!(failure(retry_after(soon, "x")), types::Disposition::RetryAfter(3000));
    assert_eq!(failure(release(soon)), types::Disposition::Release(3000));
    assert_eq!(failure(release(Duration::MAX)), types::Disposition::Release(u64::MAX));
}
