//! The JSON that callers hand in. A key that is not known is refused: it would do nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use queue::{ConnectOptions, JSON, JobId, NewJob, Payload, PutOptions, WorkerOptions};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::code::{Code, Result, Trouble};

/// Nothing stands for no options.
pub(crate) fn read<T: DeserializeOwned + Default>(text: Option<&str>) -> Result<T> {
    text.map_or_else(|| Ok(T::default()), |text| parse("options", text))
}

fn parse<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    let read = serde_json::from_str(text);
    read.map_err(|e| Trouble::new(Code::Invalid, format!("invalid {what}: {e}")))
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Connect {
    database: Option<String>,
    collection: Option<String>,
    consumer: Option<String>,
}

impl From<Connect> for ConnectOptions {
    fn from(it: Connect) -> Self {
        let defaults = Self::default();
        let collection = it.collection.unwrap_or(defaults.collection);
        Self { database: it.database, collection, consumer: it.consumer, ..Self::default() }
    }
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Put {
    pub(crate) content_type: Option<String>,
    id: Option<String>,
    priority: i32,
    delay_ms: u64,
    max_attempts: Option<u32>,
    timeout_ms: Option<u64>,
    retain_ms: Option<u64>,
    unique_key: Option<String>,
    headers: BTreeMap<String, String>,
}

impl Put {
    pub(crate) fn content_type(&self) -> &str {
        self.content_type.as_deref().unwrap_or(JSON)
    }

    pub(crate) fn options(self) -> Result<PutOptions> {
        Ok(PutOptions {
            id: self.id.map(|id| id.parse::<JobId>()).transpose()?,
            priority: self.priority,
            delay: Duration::from_millis(self.delay_ms),
            max_attempts: self.max_attempts,
            timeout: self.timeout_ms.map(Duration::from_millis),
            retain: self.retain_ms.map(Duration::from_millis),
            unique_key: self.unique_key,
            headers: self.headers.into_iter().collect(),
            ..PutOptions::default()
        })
    }
}

/// One of many: its payload is JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    payload: Value,
    #[serde(default)]
    options: Put,
}

/// The jobs of a list.
pub(crate) fn jobs(text: &str) -> Result<Vec<NewJob>> {
    let drafts: Vec<Draft> = parse("jobs", text)?;
    drafts.into_iter().enumerate().map(|(n, draft)| job(n, draft)).collect()
}

fn job(n: usize, draft: Draft) -> Result<NewJob> {
    if draft.options.content_type.is_some() {
        let message = format!("job {n}: the payload of one of many is JSON, without content_type");
        return Err(Trouble::new(Code::Invalid, message));
    }
    let payload = Payload::from_wire(JSON, draft.payload.to_string().into_bytes())?;
    Ok(NewJob { payload, options: draft.options.options()? })
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Run {
    slots: Option<usize>,
    until_empty: bool,
    /// The name that the component knows a queue by, and the queue.
    pub(crate) grants: BTreeMap<String, String>,
    pub(crate) memory_bytes: Option<usize>,
    pub(crate) cache: Option<PathBuf>,
}

impl Run {
    pub(crate) fn worker(&self) -> WorkerOptions {
        let defaults = WorkerOptions::default();
        let slots = self.slots.unwrap_or(defaults.slots);
        WorkerOptions { slots, until_empty: self.until_empty, ..defaults }
    }
}
