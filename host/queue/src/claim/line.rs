//! Standing in line for the turn of a queue: with a ticket, until it is served.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::store::{Store, Turn};

/// What standing in line comes to.
pub(super) enum Stood {
    /// The turn is ours; others had to have theirs first, or are waiting.
    Turn { turn: Box<Turn>, others: bool },
    /// Somebody before us looked after we came, and nothing was due.
    Nothing,
    /// The ticket is no longer good: another one will be.
    PassedBy,
}

/// Finding a batch takes some milliseconds; a claimer that dies with its turn, or before it, holds
/// the others up for no longer than this.
const TURN: Duration = Duration::from_millis(500);
/// Between two looks at whose turn it is.
const SHORTEST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(300);
/// Who has so many turns before it won't have its own by the next look.
const FAR: i64 = 3;

pub(super) async fn stand(store: &Store, queue: &str, pace: &mut Pace) -> Result<Stood> {
    let Some(ticket) = store.take_ticket(queue).await? else { return Ok(Stood::PassedBy) };
    let Some(mut turn) = look(store, queue, ticket).await? else { return Ok(Stood::PassedBy) };
    if !turn.is_good() {
        store.begin_line(queue, ticket).await?;
        let Some(now) = look(store, queue, ticket).await? else { return Ok(Stood::PassedBy) };
        turn = now;
    }
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
        let before = ticket.saturating_sub(turn.serving);
        tokio::time::sleep(pace.look_after(before, seen.since.elapsed())).await;
        if !look_again(store, queue, ticket, &mut turn).await? {
            return Ok(Stood::PassedBy);
        }
        if turn.serving != seen.serving {
            pace.saw(turn.serving.saturating_sub(seen.serving), seen.since.elapsed());
            seen = Seen::new(turn.serving);
        }
    }
    let others = waited || turn.tickets > ticket;
    Ok(Stood::Turn { turn: Box::new(turn), others })
}

/// False where the line does not know the ticket. Who is far from it asks for a number alone.
async fn look_again(store: &Store, queue: &str, ticket: i64, turn: &mut Turn) -> Result<bool> {
    let is_far = |serving| (turn.serving..=ticket.saturating_sub(FAR)).contains(&serving);
    if is_far(turn.serving)
        && let Some(serving) = store.serving(queue).await?
        && is_far(serving)
    {
        turn.serving = serving;
        return Ok(true);
    }
    let Some(now) = look(store, queue, ticket).await? else { return Ok(false) };
    *turn = now;
    Ok(true)
}

/// `None` where the line does not know the ticket: somebody may have dropped them all.
async fn look(store: &Store, queue: &str, ticket: i64) -> Result<Option<Turn>> {
    Ok(store.turn(queue).await?.filter(|turn| turn.tickets >= ticket))
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
}

/// How long a turn takes, as far as this claimer has seen.
pub(super) struct Pace(Duration);

impl Default for Pace {
    fn default() -> Self {
        Self(Duration::from_millis(6))
    }
}

impl Pace {
    /// So many turns took that long.
    fn saw(&mut self, turns: i64, took: Duration) {
        let turns = u32::try_from(turns).unwrap_or(u32::MAX).max(1);
        self.0 = (self.0 * 3).saturating_add(took / turns).min(LONGEST * 4) / 4;
    }

    /// Who is next looks often, for nobody else can use the turn meanwhile; the others leave the
    /// server alone. They look when half of the time is over: if all slept until their turns come, no
    /// turn would ever take less than they think. A line that stood still for so long is looked at
    /// less and less.
    fn look_after(&self, before: i64, stood: Duration) -> Duration {
        let turns = u32::try_from(before.saturating_sub(1)).unwrap_or(u32::MAX);
        let half = self.0.saturating_mul(turns) / 2;
        let wait = half.max(self.0 / 4).max(stood / 8);
        wait.clamp(SHORTEST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn the_nearer_the_turn_the_sooner_the_next_look() {
        let pace = Pace::default();
        assert_eq!(pace.look_after(1, NOW), SHORTEST);
        assert_eq!(pace.look_after(3, NOW), Duration::from_millis(6));
        assert_eq!(pace.look_after(i64::MAX, NOW), LONGEST);
    }

    #[test]
    fn the_longer_a_turn_takes_the_later_the_next_look() {
        let mut pace = Pace::default();
        for _ in 0..20 {
            pace.saw(2, Duration::from_millis(40));
        }
        let close =
            |wait: Duration, ms: u64| wait.abs_diff(Duration::from_millis(ms)).as_millis() < 2;
        assert!(close(pace.look_after(5, NOW), 40), "{:?}", pace.look_after(5, NOW));
        assert!(close(pace.look_after(1, NOW), 5), "{:?}", pace.look_after(1, NOW));
        // Turns that were jumped over, and numbers that somebody wrote.
        pace.saw(i64::MAX, Duration::MAX);
        pace.saw(-1, Duration::MAX);
        pace.saw(1, Duration::MAX);
        assert_eq!(pace.look_after(1, NOW), LONGEST / 4);
    }

    #[test]
    fn a_line_that_does_not_move_is_looked_at_less_and_less() {
        let pace = Pace::default();
        assert!(pace.look_after(1, Duration::from_millis(400)) >= Duration::from_millis(50));
    }
}
