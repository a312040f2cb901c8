//! Dead jobs by how they died: equal deaths are one row, however many there are.

use bson::{Bson, DateTime, Document, doc};

use super::transact::Target;
use super::{Store, read};
use crate::error::Result;
use crate::fingerprint::{FRAMES, frame};
use crate::job::{JobId, State};

/// Dead jobs of a queue whose last attempts ended alike: of the same kind, with the same code, in
/// the same place.
#[derive(Clone, Debug, PartialEq)]
pub struct Deaths {
    /// The kind of the last failure.
    pub kind: String,
    /// Its code.
    pub code: Option<String>,
    /// The uppermost frames of its backtrace, five at the most; empty where there was none.
    pub frames: Vec<String>,
    /// How many jobs.
    pub jobs: u64,
    /// When the first of them died.
    pub first: DateTime,
    /// When the last of them died.
    pub last: DateTime,
    /// The one that died last.
    pub example: JobId,
    /// What its last failure said.
    pub message: String,
}

impl Store {
    /// The most frequent deaths first, `limit` of them at the most.
    pub(crate) async fn deaths(&self, queue: &str, limit: usize) -> Result<Vec<Deaths>> {
        if !self.any_finished().await? {
            return Ok(Vec::new());
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let text = |field: &str| {
            let is_text = doc! { "$eq": [{ "$type": field }, "string"] };
            doc! { "$cond": [is_text, field, null] }
        };
        // Any client may have written it.
        let records = doc! { "$cond": [{ "$isArray": "$errors" }, "$errors", []] };
        let lines = doc! { "$split": [{ "$ifNull": [text("$end.backtrace"), ""] }, "\n"] };
        let pipeline = vec![
            doc! { "$match": {
                "queue": queue, "state": State::Dead.name(), "finished_at": { "$exists": true },
            } },
            doc! { "$sort": { "finished_at": -1 } },
            doc! { "$project": {
                "finished_at": 1, "end": { "$arrayElemAt": [records, -1] },
            } },
            doc! { "$group": {
                "_id": {
                    "kind": text("$end.kind"), "code": text("$end.code"),
                    "frames": { "$slice": [lines, i32::from(FRAMES)] },
                },
                "n": { "$sum": 1_i64 },
                "first": { "$last": "$finished_at" }, "last": { "$first": "$finished_at" },
                "example": { "$first": "$_id" }, "message": { "$first": text("$end.message") },
            } },
            doc! { "$sort": { "n": -1, "last": -1 } },
            doc! { "$limit": limit },
        ];
        let groups = self.aggregate(Target::Jobs, pipeline, None).await?;
        Ok(groups.iter().filter_map(deaths).collect())
    }
}

fn deaths(group: &Document) -> Option<Deaths> {
    let id = group.get_document("_id").ok()?;
    let frames = id.get_array("frames").ok()?.iter().filter_map(Bson::as_str);
    Some(Deaths {
        kind: id.get_str("kind").unwrap_or_default().to_owned(),
        code: id.get_str("code").ok().map(str::to_owned),
        frames: frames.map(frame).filter(|frame| !frame.is_empty()).collect(),
        jobs: read::count(group),
        first: *group.get_datetime("first").ok()?,
        last: *group.get_datetime("last").ok()?,
        example: JobId::from_bson(group.get("example")?)?,
        message: group.get_str("message").unwrap_or_default().to_owned(),
    })
}
