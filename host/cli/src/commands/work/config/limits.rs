//! What each component may use, as the operator's file has it.

use mongoqueue_wasmtime::Limits;

use super::{Config, Served};
use crate::trouble::{Exit, Result, Trouble};

impl Config {
    /// What any of the components may use: the sandbox is made for that.
    pub(in super::super) fn most(&self) -> Limits {
        let default = Limits::default();
        let most = |default: usize, said: fn(&Served) -> Option<usize>| {
            self.queues.values().filter_map(said).max().unwrap_or(0).max(default)
        };
        Limits {
            memory: most(default.memory, |served| served.memory),
            table_elements: most(default.table_elements, |served| served.tables),
            instances: most(default.instances, |served| served.instances),
            ..default
        }
    }
}

impl Served {
    /// What this component may use. `payload_limit`: the most that the connection lets through.
    pub(in super::super) fn limits(&self, payload_limit: usize) -> Result<Limits> {
        let default = Limits::default();
        let output = self.output.unwrap_or(default.output_bytes);
        let saved = self.saved.unwrap_or(default.saved_bytes);
        let payload = self.payload.unwrap_or(default.payload_bytes);
        let over = |said: Option<usize>| said.is_some_and(|bytes| bytes > payload_limit);
        if over(self.output) || over(self.payload) || saved > payload_limit {
            let most = output.max(saved).max(payload);
            return Err(Trouble::new(
                Exit::Misuse,
                "misuse",
                format!(
                    "output, payload or saved state of {most} bytes needs a --payload-limit as \
                     large"
                ),
            ));
        }
        // What is returned or put crosses in one call, with something around it.
        let crossing = default.hostcall_bytes.max(2 * output.max(saved).max(payload));
        Ok(Limits {
            memory: self.memory.unwrap_or(default.memory),
            cpu: self.cpu.unwrap_or(default.cpu),
            table_elements: self.tables.unwrap_or(default.table_elements),
            instances: self.instances.unwrap_or(default.instances),
            handles: self.handles.unwrap_or(default.handles),
            hostcall_bytes: self.hostcall.unwrap_or(crossing),
            payload_bytes: payload,
            output_bytes: output,
            saved_bytes: saved,
            log_lines: self.log_lines.unwrap_or(default.log_lines),
            log_bytes: self.log.unwrap_or(default.log_bytes),
            stderr_tail: self.stderr.unwrap_or(default.stderr_tail),
            random_bytes: self.random.unwrap_or(default.random_bytes),
            puts: self.puts.unwrap_or(default.puts),
            put_bytes: self.put_bytes.unwrap_or(default.put_bytes),
            puts_per_second: self.puts_per_second.unwrap_or(default.puts_per_second),
            waiting: self.waiting.unwrap_or(default.waiting),
            notes_per_second: self.notes_per_second.unwrap_or(default.notes_per_second),
            saves_per_second: self.saves_per_second.unwrap_or(default.saves_per_second),
            asks_per_second: self.asks_per_second.unwrap_or(default.asks_per_second),
            leases: self.leases.unwrap_or(default.leases),
            wait: self.wait.unwrap_or(default.wait),
            component_bytes: self.component_size.unwrap_or(default.component_bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_not_larger_than_what_can_be_stored() {
        let served = Served { output: Some(2 << 20), ..Served::default() };
        assert!(served.limits(1 << 20).is_err());
        let limits = served.limits(4 << 20).map(|l| (l.output_bytes, l.hostcall_bytes));
        assert_eq!(limits.ok(), Some((2 << 20, 8 << 20)));
        let served = Served { payload: Some(5 << 20), ..Served::default() };
        assert!(served.limits(1 << 20).is_err());
        assert_eq!(served.limits(5 << 20).ok().map(|l| l.hostcall_bytes), Some(10 << 20));
    }

    #[test]
    fn what_is_not_said_is_as_ever() {
        assert_eq!(Served::default().limits(1 << 20).ok(), Some(Limits::default()));
    }

    #[test]
    fn the_sandbox_is_made_for_the_largest() {
        let served = |memory, tables| Served { memory, tables, ..Served::default() };
        let all = [served(Some(128 << 20), Some(7)), served(None, Some(300_000))];
        let names = ["a", "b"].map(str::to_owned);
        let config = Config { queues: names.into_iter().zip(all).collect(), ..Config::default() };
        let most = config.most();
        assert_eq!((most.memory, most.table_elements), (128 << 20, 300_000));
        assert_eq!(most.instances, Limits::default().instances);
    }
}
