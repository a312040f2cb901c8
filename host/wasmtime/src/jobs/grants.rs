//! What a guest is granted: queues by the names that it knows them by, and powers beside them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mongoqueue::Queue;

use crate::powers::{HttpGrant, Powers};

/// What a guest may: queues to put jobs on or claim jobs of, by the names that it knows them by,
/// and a few powers beside them. Nothing unless added. Cheap to clone.
///
/// The powers beside queues work in a [`Sandbox`](crate::Sandbox); a host of your own, with
/// [`add_to_linker`](crate::add_to_linker), gives its guests what it likes.
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
    powers: Arc<Powers>,
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

    /// Gives the guest a value of its configuration, which it reads by `wasi:config`.
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.powers_mut().config.insert(key.into(), value.into());
        self
    }

    /// Lets the guest send requests to a host, by `wasi:http`.
    pub fn http(mut self, grant: HttpGrant) -> Self {
        self.powers_mut().http.grant(grant);
        self
    }

    /// A secret that the guest never sees: it writes `{{secret:NAME}}` into a header, and the host
    /// writes the value there as the request leaves, for the hosts that were
    /// [granted it](HttpGrant::secret). A server that answers with what it was sent gives it away.
    pub fn secret(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.powers_mut().http.secret(name.into(), value.into());
        self
    }

    /// Lets the guest read the folder `host`, which it finds under the path `guest`.
    pub fn folder(mut self, guest: impl Into<String>, host: impl Into<PathBuf>) -> Self {
        self.powers_mut().folders.insert(guest.into(), host.into());
        self
    }

    /// How finely the guest's clocks show the time. Default: 1 ms.
    pub fn clock(mut self, precision: Duration) -> Self {
        self.powers_mut().clock = Some(precision);
        self
    }

    pub(crate) fn powers(&self) -> &Arc<Powers> {
        &self.0.powers
    }

    fn powers_mut(&mut self) -> &mut Powers {
        Arc::make_mut(&mut Arc::make_mut(&mut self.0).powers)
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
            .field("powers", &self.0.powers)
            .finish()
    }
}
