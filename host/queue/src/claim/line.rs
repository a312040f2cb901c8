//! Standing in line for the turn of a queue: with a ticket, until it is served.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::store::{Store, Turn};

/// What standing in line comes to.
pub(super) enum Stood {
    /// The turn is ours; others had to have theirs first, or are waiting.
    Turn { turn: Turn, others: bool },
    /// Somebody before us looked after we came, and nothing was due.
    Nothing,
    /// The ticket is no longer good: another one will be.
    PassedBy,
}

/// Finding a batch takes some milliseconds; a claimer that dies with its turn, or before it, holds
/// the others up for no longer than this.
const TURN: Duration = Duration::from_millis(500);
/// How long a turn takes.
const USUALLY: Duration = Duration::from_millis(6);
/// Between two looks at whose turn it is.
const SHORTEST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(150);

pub(super) async fn stand(store: &Store, queue: &str) -> Result<Stood> {
    let Some(mut turn) = store.take_ticket(queue).await? else { return Ok(Stood::PassedBy) };
    let ticket = turn.tickets;
    let waited = turn.serving != ticket;
    let mut seen = Seen::new(turn.serving);
    while turn.serving != ticket {
        if turn.empty >= ticket {
            return Ok(Stood::Nothing);
        }
        if turn.serving > ticket {
            return Ok(Stood::PassedBy);
        }
        if seen.since.elapsed() > TURN && store.jump(queue, turn.serving, ticket).await? {
            turn.serving = ticket;
            break;
        }
        tokio::time::sleep(seen.look_after(ticket.saturating_sub(turn.serving))).await;
        // Somebody may have dropped them all.
        let Some(now) = store.turn(queue).await?.filter(|now| now.tickets >= ticket) else {
            return Ok(Stood::PassedBy);
        };
        turn = now;
        seen.again(turn.serving);
    }
    let others = waited || turn.tickets > ticket;
    Ok(Stood::Turn { turn, others })
}

/// Whom the line was seen to serve, and since when.
struct Seen {
    serving: i64,
    since: Instant,
}

impl Seen {
    fn new(serving: i64) -> Self {
        Self { serving, since: Instant::now() }
    }

    fn again(&mut self, serving: i64) {
        if serving != self.serving {
            *self = Self::new(serving);
        }
    }

    /// Who is next looks often, for nobody else can use the turn meanwhile; the others leave the
    /// server alone. A line that doesn't move is looked at less and less.
    fn look_after(&self, before: i64) -> Duration {
        let turns = u32::try_from(before.saturating_sub(1)).unwrap_or(u32::MAX);
        let wait = USUALLY.saturating_mul(turns).max(self.since.elapsed() / 8);
        wait.clamp(SHORTEST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_the_turn_the_sooner_the_next_look() {
        let seen = Seen::new(1);
        assert_eq!(seen.look_after(1), SHORTEST);
        assert_eq!(seen.look_after(3), USUALLY * 2);
        assert_eq!(seen.look_after(i64::MAX), LONGEST);
    }

    #[test]
    fn a_line_that_does_not_move_is_looked_at_less_and_less() {
        let mut seen = Seen::new(1);
        seen.since -= Duration::from_millis(400);
        seen.again(1);
        assert!(seen.look_after(1) >= Duration::from_millis(50));
        seen.again(2);
        assert_eq!(seen.look_after(1), SHORTEST);
    }
}
