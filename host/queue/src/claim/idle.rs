//! A claimer that is idle beside others: whether there is anything due.
//!
//! A look at the head walks over the keys of all that was claimed lately. Where that takes long, one
//! of those who are idle makes it, once a second, and the others look around the place of the last
//! claim.

use std::time::{Duration, Instant};

use super::{Claimer, ON_ITS_WAY};
use crate::error::Result;
use crate::store::{Place, Stretch};

/// A look at the head that took longer is left to one: it walked over a hundred thousand keys or so,
/// or the server is far or busy, which the looks beside it don't make worse.
const DEAR: Duration = Duration::from_millis(5);
/// When who leaves it to others is to look at the head.
const LEFT_TO_OTHERS: Duration = Duration::MAX;

impl Claimer {
    /// Nobody who is idle stands in line to be told so. Those who were about are taken to be still.
    pub(super) async fn nothing_is_due(&mut self) -> Result<bool> {
        let any = match self.last_place().await? {
            Some(place) => self.is_any_around(place).await?,
            None => self.is_any().await?,
        };
        if !any && self.company {
            self.others_are_about();
        }
        Ok(!any)
    }

    /// Where the last claim of anybody ended, if the head is left to others.
    async fn last_place(&self) -> Result<Option<Place>> {
        if !self.head_is_dear {
            return Ok(None);
        }
        let Some(turn) = self.store.turn(&self.queue).await? else { return Ok(None) };
        let ours = turn.head_is_due && self.store.announce_look(&self.queue, &turn).await?;
        Ok(turn.place.filter(|_| !ours))
    }

    async fn is_any(&mut self) -> Result<bool> {
        let looked = Instant::now();
        let any = self.store.is_any_due(&self.queue, Stretch::All).await?;
        self.head_is_dear = looked.elapsed() > DEAR;
        Ok(any)
    }

    /// Of a higher priority than the last claim's, or behind it.
    async fn is_any_around(&mut self, place: Place) -> Result<bool> {
        let (above, behind) = (place.clone().first_of_priority(), place.before(ON_ITS_WAY));
        let look = |stretch| self.store.is_any_due(&self.queue, stretch);
        let (above, behind) =
            tokio::try_join!(look(Stretch::Before(&above)), look(Stretch::Behind(&behind)))?;
        let any = above || behind;
        self.head_left_out = (!any).then_some(LEFT_TO_OTHERS);
        Ok(any)
    }
}
