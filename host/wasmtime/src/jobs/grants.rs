//! Which queues a guest may open, and by which names.

use std::collections::BTreeMap;
use std::sync::Arc;

use mongoqueue::Queue;

/// The queues that a guest may put jobs on or claim jobs of, by the names that it knows them by.
/// None unless added. Cheap to clone.
///
/// ```no_run
/// # fn example(mq: &mongoqueue::MongoQueue) -> mongoqueue::Result<()> {
/// use mongoqueue_wasmtime::Grants;
///
/// // `Queue::open("next")` in the guest opens the queue `emails`.
/// let grants = Grants::default().queue("next", mq.queue("emails")?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Grants(Arc<Names>);

#[derive(Clone, Default)]
struct Names {
    put: BTreeMap<String, Queue>,
    consume: BTreeMap<String, Queue>,
}

impl Grants {
    /// Lets the guest put jobs on `queue`, look at its jobs, and cancel them.
    pub fn queue(mut self, name: impl Into<String>, queue: Queue) -> Self {
        Arc::make_mut(&mut self.0).put.insert(name.into(), queue);
        self
    }

    /// Lets the guest claim and settle jobs of `queue`, and look at them.
    pub fn consume(mut self, name: impl Into<String>, queue: Queue) -> Self {
        Arc::make_mut(&mut self.0).consume.insert(name.into(), queue);
        self
    }

    /// True where there is a queue to put on.
    pub fn may_put(&self) -> bool {
        !self.0.put.is_empty()
    }

    /// True where there is a queue to claim from.
    pub fn may_consume(&self) -> bool {
        !self.0.consume.is_empty()
    }

    pub(super) fn to_put(&self, name: &str) -> Option<&Queue> {
        self.0.put.get(name)
    }

    pub(super) fn to_consume(&self, name: &str) -> Option<&Queue> {
        self.0.consume.get(name)
    }

    /// What the guest calls `queue`: the name that it is granted by, else the queue's own.
    pub(crate) fn name_of<'a>(&'a self, queue: &'a str) -> &'a str {
        let granted = self.0.consume.iter().chain(&self.0.put);
        granted
            .filter(|(_, bound)| bound.name() == queue)
            .map(|(name, _)| name.as_str())
            .next()
            .unwrap_or(queue)
    }
}

impl std::fmt::Debug for Grants {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = |queues: &BTreeMap<String, Queue>| -> Vec<(String, String)> {
            queues.iter().map(|(name, queue)| (name.clone(), queue.name().to_owned())).collect()
        };
        f.debug_struct("Grants")
            .field("put", &names(&self.0.put))
            .field("consume", &names(&self.0.consume))
            .finish()
    }
}
