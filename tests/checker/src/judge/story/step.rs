//! What a write to a job amounts to.

use super::{JobDoc, Record, State};

/// A write to a job.
pub(in crate::judge) struct Step<'a> {
    /// The position in the account.
    pub(in crate::judge) at: usize,
    pub(in crate::judge) before: Option<JobDoc<'a>>,
    /// `None` when it is gone.
    pub(in crate::judge) after: Option<JobDoc<'a>>,
    pub(in crate::judge) kind: Kind<'a>,
}

/// What it amounts to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::judge) enum Kind<'a> {
    Put,
    Claim,
    /// The end of a claim; how many attempts it counted, and the record that it left.
    End {
        how: How,
        counted: i64,
        record: Option<Record<'a>>,
    },
    /// Something is noted on it, and its state stays.
    Note,
    Cancel,
    Retry,
    /// It waited, could not be read and was set aside.
    Condemn,
    /// Gone, without having run.
    Remove,
    /// Anything else.
    Odd,
}

/// How a claim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::judge) enum How {
    Completed,
    Failed,
    /// The lease had run out.
    Expired,
    /// With others of an expired lease, before it was begun.
    TakenBack,
    /// Released or handed back.
    Returned,
}

/// A claim on a job, from when to when.
pub(in crate::judge) struct Hold<'a> {
    pub(in crate::judge) token: &'a str,
    /// The steps of its begin and its end.
    pub(in crate::judge) from: usize,
    pub(in crate::judge) to: Option<usize>,
}

/// The record that a lease leaves which runs out.
const EXPIRED: &str = "lease-expired";
/// The record of a document that is set aside.
const MALFORMED: &str = "malformed";

pub(in crate::judge) fn kind<'a>(
    before: Option<&JobDoc<'a>>,
    after: Option<&JobDoc<'a>>,
) -> Kind<'a> {
    use State::{Cancelled, Completed, Dead, Ready, Running};
    let (before, after) = match (before, after) {
        (None, _) => return Kind::Put,
        (Some(before), None) if before.state == Running => {
            return end(How::Completed, before, None);
        }
        (Some(_), None) => return Kind::Remove,
        (Some(before), Some(after)) => (before, after),
    };
    match (before.state, after.state) {
        (Running, Running) if before.token == after.token => Kind::Note,
        (Running, Running) => Kind::Odd,
        (Running, Completed) => end(How::Completed, before, Some(after)),
        (Running, Ready | Dead | Cancelled) => {
            let how = match record(before, after) {
                Some(record) if record.kind == EXPIRED => How::Expired,
                Some(_) => How::Failed,
                None => How::Returned,
            };
            end(how, before, Some(after))
        }
        (Ready, Running) => Kind::Claim,
        (Ready, Cancelled) => Kind::Cancel,
        (Ready, Dead) if record(before, after).is_some_and(|record| record.kind == MALFORMED) => {
            Kind::Condemn
        }
        (Dead | Cancelled, Ready) => Kind::Retry,
        (from, to) if from == to => Kind::Note,
        _ => Kind::Odd,
    }
}

fn end<'a>(how: How, before: &JobDoc<'a>, after: Option<&JobDoc<'a>>) -> Kind<'a> {
    let counted = after.map_or(0, |after| after.attempts - before.attempts);
    let record = after.and_then(|after| record(before, after));
    Kind::End { how, counted, record }
}

/// The error record that is new.
fn record<'a>(before: &JobDoc<'a>, after: &JobDoc<'a>) -> Option<Record<'a>> {
    let new = after.records > before.records || after.last != before.last;
    after.last.filter(|_| new && after.records >= before.records)
}
