//! Sabotage, for the fault checker alone: each [`Break`] takes one safeguard away, and the checker
//! has to notice.
//!
//! Compiled in by the feature `breaks` and off until [`set`] is called. Without the feature [`on`]
//! is a constant `false`, and nothing of this is in the program. In this crate's own tests the
//! model sets them, each thread for itself.

/// One safeguard less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "breaks"), allow(unreachable_pub, reason = "public with the feature"))]
pub enum Break {
    /// Writes after the claim ask for no token.
    NoFence,
    /// They ask for the consumer's name instead.
    FenceByConsumer,
    /// A put is answered when the primary has it in memory.
    PutUnsafe,
    /// Leases begin and end by the consumer's own clock.
    ClientClock,
    /// A heartbeat that finds no lease takes that for a yes.
    DeafHeartbeat,
    /// Lease and marks, settlement and lease: written one after the other, no transaction.
    NoTransaction,
    /// The lease goes with the first job of a batch that is settled.
    LeaseWithFirst,
    /// A commit whose answer is lost is taken for a failure.
    UnknownIsFailure,
    /// A commit whose answer is lost is taken for a success.
    UnknownIsSuccess,
    /// What takes an expired lease back doesn't look at whether its jobs still hold the token.
    BlindReclaim,
    /// A release counts an attempt.
    ReleaseCounts,
}

#[cfg(not(any(feature = "breaks", test)))]
pub(crate) use off::{consumer, note_consumer, on};
#[cfg(test)]
pub(crate) use rehearsed::{consumer, note_consumer, on, rehearse};
#[cfg(feature = "breaks")]
pub use switched::set;
#[cfg(all(feature = "breaks", not(test)))]
pub(crate) use switched::{consumer, note_consumer, on};

#[cfg(test)]
mod rehearsed {
    use std::cell::{Cell, RefCell};

    use super::Break;

    thread_local! {
        static SET: Cell<Option<Break>> = const { Cell::new(None) };
        static CONSUMER: RefCell<String> = const { RefCell::new(String::new()) };
    }

    /// From now on this thread is without that safeguard.
    pub(crate) fn rehearse(broken: Option<Break>) {
        SET.set(broken);
    }

    pub(crate) fn on(asked: Break) -> bool {
        SET.get() == Some(asked)
    }

    pub(crate) fn consumer() -> String {
        CONSUMER.with_borrow(Clone::clone)
    }

    pub(crate) fn note_consumer(name: &str) {
        CONSUMER.with_borrow_mut(|consumer| name.clone_into(consumer));
    }
}

#[cfg(not(any(feature = "breaks", test)))]
mod off {
    use super::Break;

    pub(crate) const fn on(_: Break) -> bool {
        false
    }

    pub(crate) const fn note_consumer(_: &str) {}

    pub(crate) const fn consumer() -> String {
        String::new()
    }
}

#[cfg(feature = "breaks")]
#[cfg_attr(test, allow(dead_code, reason = "tests rehearse"))]
mod switched {
    use std::str::FromStr;
    use std::sync::{Mutex, OnceLock};

    use super::Break;

    static SET: OnceLock<Break> = OnceLock::new();
    static CONSUMER: Mutex<String> = Mutex::new(String::new());

    /// From now on this process is without that safeguard. The first call counts.
    pub fn set(broken: Break) {
        // One process tries one break.
        let _ = SET.set(broken);
    }

    pub(crate) fn on(asked: Break) -> bool {
        SET.get() == Some(&asked)
    }

    /// The name that the last claim of this process was made under.
    pub(crate) fn consumer() -> String {
        CONSUMER.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    pub(crate) fn note_consumer(name: &str) {
        name.clone_into(&mut CONSUMER.lock().unwrap_or_else(|e| e.into_inner()));
    }

    impl Break {
        /// All of them.
        pub const ALL: [Self; 11] = [
            Self::NoFence,
            Self::FenceByConsumer,
            Self::PutUnsafe,
            Self::ClientClock,
            Self::DeafHeartbeat,
            Self::NoTransaction,
            Self::LeaseWithFirst,
            Self::UnknownIsFailure,
            Self::UnknownIsSuccess,
            Self::BlindReclaim,
            Self::ReleaseCounts,
        ];

        /// Its name, as on the command line.
        pub const fn name(self) -> &'static str {
            match self {
                Self::NoFence => "no-fence",
                Self::FenceByConsumer => "fence-by-consumer",
                Self::PutUnsafe => "put-unsafe",
                Self::ClientClock => "client-clock",
                Self::DeafHeartbeat => "deaf-heartbeat",
                Self::NoTransaction => "no-transaction",
                Self::LeaseWithFirst => "lease-with-first",
                Self::UnknownIsFailure => "unknown-is-failure",
                Self::UnknownIsSuccess => "unknown-is-success",
                Self::BlindReclaim => "blind-reclaim",
                Self::ReleaseCounts => "release-counts",
            }
        }
    }

    impl FromStr for Break {
        type Err = String;

        fn from_str(name: &str) -> Result<Self, String> {
            let found = Self::ALL.into_iter().find(|broken| broken.name() == name);
            found.ok_or_else(|| {
                let names: Vec<&str> = Self::ALL.into_iter().map(Self::name).collect();
                format!("no break is called {name:?}; there are {}", names.join(", "))
            })
        }
    }
}
