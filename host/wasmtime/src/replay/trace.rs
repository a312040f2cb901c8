//! What a guest called, in bounded memory: the first calls and the last ones.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Calls kept from the beginning, and as many from the end: how it began, and what it died of.
const KEPT: usize = 1_000;

/// Characters of arguments, and of an answer.
const TEXT: usize = 200;

/// One call of a guest into `mongoqueue:jobs`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostCall {
    /// Which one, from 0.
    pub number: u64,
    /// Interface and function, for example `queue.put`.
    pub name: &'static str,
    /// Its arguments in words, 200 characters at the most.
    pub arguments: String,
    /// The answer in words, 200 characters at the most. `None`: the guest was cut off before.
    pub answer: Option<String>,
    /// When it was called, from the start of the attempt.
    pub at: Duration,
    /// How long it took; `None` as for the answer.
    pub took: Option<Duration>,
}

pub(super) struct Trace {
    start: Instant,
    first: Vec<HostCall>,
    last: VecDeque<HostCall>,
    dropped: u64,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), first: Vec::new(), last: VecDeque::new(), dropped: 0 }
    }

    /// A call begins; answers its number.
    pub(super) fn begin(&mut self, name: &'static str, arguments: &str) -> u64 {
        let kept = (self.first.len() + self.last.len()) as u64;
        let number = self.dropped + kept;
        let (arguments, at) = (short(arguments), self.start.elapsed());
        let call = HostCall { number, name, arguments, answer: None, at, took: None };
        if self.first.len() < KEPT {
            self.first.push(call);
            return number;
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
            self.dropped += 1;
        }
        self.last.push_back(call);
        number
    }

    /// The call of this number is over. Calls end before the next one begins, so it is the last.
    pub(super) fn end(&mut self, number: u64, answer: &str) {
        let now = self.start.elapsed();
        let last = self.last.back_mut().or(self.first.last_mut());
        if let Some(call) = last.filter(|call| call.number == number) {
            call.answer = Some(short(answer));
            call.took = Some(now.saturating_sub(call.at));
        }
    }

    /// The calls that were kept, and how many were not.
    pub(super) fn take(&mut self) -> (Vec<HostCall>, u64) {
        let mut calls = std::mem::take(&mut self.first);
        calls.extend(self.last.drain(..));
        (calls, self.dropped)
    }
}

/// The beginning of a text.
pub(super) fn short(text: &str) -> String {
    let mut characters = text.chars();
    let mut short: String = characters.by_ref().take(TEXT).collect();
    if characters.next().is_some() {
        short.pop();
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_calls_are_kept() {
        let mut trace = Trace::new();
        for n in 0..5 * KEPT {
            let number = trace.begin("a.b", &n.to_string());
            trace.end(number, "ok");
        }
        let open = trace.begin("a.c", &"é".repeat(10_000));
        let (calls, dropped) = trace.take();
        assert_eq!((calls.len(), dropped), (2 * KEPT, 3 * KEPT as u64 + 1));
        assert_eq!(calls[KEPT - 1].arguments, "999");
        assert_eq!(calls[KEPT].number, 4 * KEPT as u64 + 1);
        assert!(calls[..2 * KEPT - 1].iter().all(|call| call.answer.as_deref() == Some("ok")));
        let last = &calls[2 * KEPT - 1];
        assert_eq!((last.number, last.answer.as_ref(), last.took), (open, None, None));
        assert_eq!(last.arguments.chars().count(), TEXT);
    }
}
