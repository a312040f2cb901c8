//! What happens to the messages between processes and nodes: rules, and traps for one message.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bson::RawDocument;
use tokio::sync::{oneshot, watch};

/// Who has made a connection, by what it says of itself in its first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A client with this `appName`.
    App(String),
    /// The node that listens on this port.
    Node(u16),
    /// Nobody that a rule can name.
    Stranger,
}

/// Whose connections are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    App(String),
    Node(u16),
    AnyNode,
}

/// Connections from somebody to one of the nodes, or to any.
#[derive(Clone, Debug)]
pub(crate) struct Between {
    pub(crate) who: Who,
    pub(crate) node: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    ToServer,
    FromServer,
}

/// What is done to every message, for as long as the rule is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// They wait, in this direction or in both. They arrive when the rule is lifted, unless the
    /// connection is [severed](Net::sever) before.
    Hold(Option<Direction>),
    /// Each is late by this much.
    Delay(Duration),
    /// Each comes in pieces of so many bytes, this long apart.
    Trickle(usize, Duration),
}

/// A message to wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// The name, for example `commitTransaction`.
    pub(crate) name: &'static str,
    /// Whether it asks for the majority's confirmation, where that matters.
    pub(crate) majority: Option<bool>,
}

impl Command {
    fn is(&self, body: &RawDocument) -> bool {
        let name = name_of(body);
        if name != Some(self.name) {
            return false;
        }
        let concern = body.get_document("writeConcern");
        let majority = concern.is_ok_and(|it| it.get_str("w").is_ok_and(|w| w == "majority"));
        self.majority.is_none_or(|wanted| wanted == majority)
    }
}

/// The name of a command.
pub(crate) fn name_of(body: &RawDocument) -> Option<&str> {
    let (name, _) = body.iter().next()?.ok()?;
    Some(name.as_str())
}

/// What happens to the one message that a trap catches.
pub(crate) enum Catch {
    /// It goes through, its answer is dropped and the connection closed.
    DropAnswer,
    /// It goes through, and an error with this code comes back instead of what the server answers.
    Fail(i32),
    /// Whoever set the trap is told, and says when it goes on its way.
    Tell(oneshot::Sender<oneshot::Sender<()>>),
}

struct Trap {
    id: u64,
    between: Between,
    command: Command,
    catch: Catch,
}

#[derive(Clone)]
struct Rule {
    id: u64,
    between: Between,
    effect: Effect,
    met: Arc<AtomicU64>,
}

/// All rules at one moment.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    severed: Vec<(u64, Between)>,
}

/// Everything that one message in one direction has to bear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) held: bool,
    pub(crate) delay: Duration,
    pub(crate) trickle: Option<(usize, Duration)>,
}

/// The network between all processes and all nodes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Net {
    inner: Arc<Inner>,
}

struct Inner {
    rules: watch::Sender<Rules>,
    traps: Mutex<Vec<Trap>>,
    /// Counts rules, traps and cuts.
    moments: AtomicU64,
}

impl Net {
    pub(crate) fn new() -> Self {
        let (rules, _) = watch::channel(Rules::default());
        let inner = Inner { rules, traps: Mutex::default(), moments: AtomicU64::new(0) };
        Self { inner: Arc::new(inner) }
    }

    /// Makes a rule, and answers what lifts it.
    pub(crate) fn rule(&self, between: Between, effect: Effect) -> Lifted {
        let id = self.moment();
        let met = Arc::new(AtomicU64::new(0));
        let rule = Rule { id, between, effect, met: met.clone() };
        self.inner.rules.send_modify(|rules| rules.rules.push(rule));
        Lifted { net: self.clone(), id, met }
    }

    /// Closes the connections that are there now, and drops what is on its way.
    pub(crate) fn sever(&self, between: Between) {
        let now = self.moment();
        self.inner.rules.send_modify(|rules| rules.severed.push((now, between)));
    }

    /// Catches the next such command.
    pub(crate) fn trap(&self, between: Between, command: Command, catch: Catch) -> u64 {
        let id = self.moment();
        self.traps().push(Trap { id, between, command, catch });
        id
    }

    /// Takes a trap away; false when it has caught something.
    pub(crate) fn untrap(&self, id: u64) -> bool {
        let mut traps = self.traps();
        let before = traps.len();
        traps.retain(|trap| trap.id != id);
        traps.len() < before
    }

    /// The trap that this command is caught in.
    pub(super) fn caught(&self, caller: &Caller, node: usize, body: &RawDocument) -> Option<Catch> {
        let mut traps = self.traps();
        let found = traps
            .iter()
            .position(|trap| trap.between.means(caller, node) && trap.command.is(body))?;
        Some(traps.swap_remove(found).catch)
    }

    pub(super) fn watch(&self) -> watch::Receiver<Rules> {
        self.inner.rules.subscribe()
    }

    /// A point in the order of all that happens here.
    pub(super) fn moment(&self) -> u64 {
        self.inner.moments.fetch_add(1, Ordering::Relaxed)
    }

    fn traps(&self) -> MutexGuard<'_, Vec<Trap>> {
        self.inner.traps.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// A rule, until this is dropped.
#[must_use = "the rule is lifted when this is dropped"]
pub(crate) struct Lifted {
    net: Net,
    id: u64,
    met: Arc<AtomicU64>,
}

impl Lifted {
    /// How many messages it has met.
    pub(crate) fn met(&self) -> u64 {
        self.met.load(Ordering::Relaxed)
    }
}

impl Drop for Lifted {
    fn drop(&mut self) {
        self.net.inner.rules.send_modify(|rules| rules.rules.retain(|rule| rule.id != self.id));
    }
}

impl Between {
    pub(crate) fn app(name: &str) -> Self {
        Self { who: Who::App(name.to_owned()), node: None }
    }

    fn means(&self, caller: &Caller, node: usize) -> bool {
        let who = match (&self.who, caller) {
            (Who::App(name), Caller::App(app)) => name == app,
            (Who::Node(port), Caller::Node(caller)) => port == caller,
            (Who::AnyNode, Caller::Node(_)) => true,
            _ => false,
        };
        who && self.node.is_none_or(|only| only == node)
    }
}

impl Rules {
    /// What a message has to bear. `first`: it is counted by the rules that it meets.
    pub(super) fn fate(
        &self,
        caller: &Caller,
        node: usize,
        direction: Direction,
        first: bool,
    ) -> Fate {
        let mut fate = Fate::default();
        for rule in self.rules.iter().filter(|rule| rule.between.means(caller, node)) {
            match rule.effect {
                Effect::Hold(only) if only.is_none_or(|only| only == direction) => fate.held = true,
                Effect::Hold(_) => continue,
                Effect::Delay(delay) => fate.delay += delay,
                Effect::Trickle(bytes, pause) => fate.trickle = Some((bytes, pause)),
            }
            rule.met.fetch_add(u64::from(first), Ordering::Relaxed);
        }
        fate
    }

    /// Whether a connection that was made at this moment has been closed.
    pub(super) fn has_severed(&self, caller: &Caller, node: usize, born: u64) -> bool {
        self.severed.iter().any(|(when, between)| *when > born && between.means(caller, node))
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    fn app(name: &str) -> Caller {
        Caller::App(name.to_owned())
    }

    #[test]
    fn rules_are_for_whom_they_name_and_end_when_lifted() {
        let net = Net::new();
        let seen = net.watch();
        let to = Effect::Hold(Some(Direction::ToServer));
        let cut = net.rule(Between { who: Who::App("a".to_owned()), node: Some(1) }, to);
        let slow = net.rule(Between::app("b"), Effect::Delay(Duration::from_millis(5)));
        let fate =
            |caller: &Caller, node, direction| seen.borrow().fate(caller, node, direction, true);
        assert!(fate(&app("a"), 1, Direction::ToServer).held);
        assert!(!fate(&app("a"), 1, Direction::FromServer).held);
        assert!(!fate(&app("a"), 0, Direction::ToServer).held);
        assert_eq!(fate(&app("b"), 2, Direction::FromServer).delay, Duration::from_millis(5));
        assert_eq!(fate(&Caller::Node(7), 1, Direction::ToServer), Fate::default());
        assert_eq!((cut.met(), slow.met()), (1, 1));
        drop(cut);
        assert!(!fate(&app("a"), 1, Direction::ToServer).held);
    }

    #[test]
    fn a_cut_closes_what_was_there_before_it() {
        let net = Net::new();
        let before = net.moment();
        net.sever(Between { who: Who::AnyNode, node: None });
        let after = net.moment();
        let rules = net.watch().borrow().clone();
        assert!(rules.has_severed(&Caller::Node(1), 0, before));
        assert!(!rules.has_severed(&Caller::Node(1), 0, after));
        assert!(!rules.has_severed(&app("a"), 0, before));
    }

    #[test]
    fn a_trap_catches_one_command_of_its_kind() {
        let net = Net::new();
        let command = Command { name: "commitTransaction", majority: Some(true) };
        let id = net.trap(Between::app("a"), command.clone(), Catch::DropAnswer);
        let quick = rawdoc! { "commitTransaction": 1, "writeConcern": { "w": 1 } };
        let safe = rawdoc! { "commitTransaction": 1, "writeConcern": { "w": "majority" } };
        assert!(net.caught(&app("a"), 0, &quick).is_none());
        assert!(net.caught(&app("b"), 0, &safe).is_none());
        assert!(matches!(net.caught(&app("a"), 0, &safe), Some(Catch::DropAnswer)));
        assert!(net.caught(&app("a"), 0, &safe).is_none());
        assert!(!net.untrap(id));
        assert!(net.untrap(net.trap(Between::app("a"), command, Catch::DropAnswer)));
        assert!(net.caught(&app("a"), 0, &safe).is_none());
    }
}
