//! Wake-ups: a change stream that tells when something became claimable. A hint: a dead, blind or
//! missing stream costs latency, never a job.

use std::time::Duration;

use bson::{Bson, DateTime, Document, doc};
use mongodb::change_stream::ChangeStream;
use mongodb::options::ReadConcern;

use super::Store;
use crate::error::{Error, Result};

/// How long the server holds an answer back when there is nothing to tell.
const AWAIT: Duration = Duration::from_secs(10);

const DOING: &str = "watch the queue";

/// An open stream.
pub(crate) struct Watch {
    stream: ChangeStream<Document>,
}

impl Watch {
    /// The next time at which some job of the watched queues may be claimed.
    pub(crate) async fn next(&mut self) -> Result<Option<DateTime>> {
        use futures_util::StreamExt;
        match self.stream.next().await {
            Some(Ok(event)) => Ok(event.get_datetime("due").ok().copied()),
            Some(Err(e)) => Err(Error::from_driver(DOING, e)),
            None => Err(Error::UnsuitableServer { why: "it ended the change stream".to_owned() }),
        }
    }
}

impl Store {
    /// Watches for jobs of `queues` that are put, retried or come back.
    pub(crate) async fn watch(&self, queues: &[String]) -> Result<Watch> {
        let queues: Vec<Bson> = queues.iter().map(Bson::from).collect();
        // An update doesn't carry the queue; a wake-up too many is cheap.
        let ready = doc! { "$or": [
            { "operationType": "insert", "fullDocument.queue": { "$in": queues } },
            { "operationType": "update", "updateDescription.updatedFields.state": "ready" },
        ] };
        let due = doc! { "$ifNull": ["$fullDocument.due", "$updateDescription.updatedFields.due"] };
        let pipeline = vec![doc! { "$match": ready }, doc! { "$project": { "due": due } }];
        // The server opens a change stream with no other.
        let majority = ReadConcern::majority();
        let stream = self
            .inner
            .jobs
            .watch()
            .pipeline(pipeline)
            .read_concern(majority)
            .max_await_time(AWAIT)
            .await;
        let stream = stream.map_err(|e| Error::from_driver(DOING, e))?.with_type::<Document>();
        Ok(Watch { stream })
    }
}
