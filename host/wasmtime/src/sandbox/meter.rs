//! Counts what a guest takes, over all its memories and tables, and remembers what it was refused.

use wasmtime::ResourceLimiter;

use super::Limits;

/// What a guest asked for and did not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Memory { asked: usize, used: usize, limit: usize },
    Tables { asked: usize, used: usize, limit: usize },
}

pub(crate) struct Meter {
    memory: Account,
    tables: Account,
    instances: usize,
    refusal: Option<Refusal>,
}

struct Account {
    used: usize,
    limit: usize,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory: Account::new(limits.memory),
            tables: Account::new(limits.table_elements),
            instances: limits.instances,
            refusal: None,
        }
    }

    /// Bytes of all memories together. Memory never shrinks, so this is also the most there was.
    pub(crate) fn memory(&self) -> usize {
        self.memory.used
    }

    /// What was refused, if the guest has not been granted anything since: one that went on with
    /// less did not die of it.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }
}

impl Account {
    fn new(limit: usize) -> Self {
        Self { used: 0, limit }
    }

    /// `Err` with what was asked for beyond what is there.
    fn grow(&mut self, current: usize, desired: usize) -> Result<(), usize> {
        let more = desired.saturating_sub(current);
        match self.used.checked_add(more) {
            Some(used) if used <= self.limit => {
                self.used = used;
                Ok(())
            }
            _ => Err(more),
        }
    }
}

// `*_grow_failed` stays what it is, which is nothing: what was granted and then could not be had
// remains booked. It is also called for growth that was never asked for here, so taking back there
// could be used to book too little.
impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Beyond its own maximum a memory would not grow anyway: nothing is to be booked.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.refusal = match self.memory.grow(current, desired) {
            Ok(()) => None,
            Err(asked) => {
                let Account { used, limit } = self.memory;
                Some(Refusal::Memory { asked, used, limit })
            }
        };
        Ok(self.refusal.is_none())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // The same; but in the pool a table that has no maximum has the limit for one.
        if maximum.is_some_and(|maximum| desired > maximum && maximum < self.tables.limit) {
            return Ok(false);
        }
        if let Err(asked) = self.tables.grow(current, desired) {
            let Account { used, limit } = self.tables;
            self.refusal = Some(Refusal::Tables { asked, used, limit });
            return Ok(false);
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    // Each core instance has one memory and a few tables at most; their sizes are what counts.
    fn tables(&self) -> usize {
        self.instances.saturating_mul(4)
    }

    fn memories(&self) -> usize {
        self.instances
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter() -> Meter {
        Meter::new(&Limits { memory: 100, table_elements: 10, ..Limits::default() })
    }

    #[test]
    fn all_memories_share_one_limit() -> wasmtime::Result<()> {
        let mut meter = meter();
        assert!(meter.memory_growing(0, 60, None)?);
        assert!(meter.memory_growing(0, 30, None)?);
        assert!(!meter.memory_growing(60, 71, None)?);
        let refusal = Refusal::Memory { asked: 11, used: 90, limit: 100 };
        assert_eq!(meter.refusal(), Some(refusal));
        assert!(meter.memory_growing(60, 70, None)?);
        assert_eq!(meter.refusal(), None);
        assert!(!meter.memory_growing(70, usize::MAX, None)?);
        Ok(())
    }

    #[test]
    fn a_memory_at_its_own_maximum_is_no_refusal_of_ours() -> wasmtime::Result<()> {
        let mut meter = meter();
        assert!(!meter.memory_growing(10, 30, Some(20))?);
        assert_eq!(meter.refusal(), None);
        Ok(())
    }

    #[test]
    fn tables_are_counted_too() -> wasmtime::Result<()> {
        let mut meter = meter();
        assert!(meter.table_growing(0, 10, None)?);
        assert!(!meter.table_growing(10, 11, None)?);
        let refusal = Some(Refusal::Tables { asked: 1, used: 10, limit: 10 });
        assert_eq!(meter.refusal(), refusal);
        Ok(())
    }

    #[test]
    fn a_table_has_a_maximum_of_its_own_or_that_of_the_pool() -> wasmtime::Result<()> {
        let mut meter = meter();
        assert!(!meter.table_growing(2, 9, Some(8))?);
        assert_eq!(meter.refusal(), None);
        assert!(!meter.table_growing(2, 13, Some(10))?);
        assert_eq!(meter.refusal(), Some(Refusal::Tables { asked: 11, used: 0, limit: 10 }));
        Ok(())
    }
}
