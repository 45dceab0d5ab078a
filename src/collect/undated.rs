//! Records without a time belong to no day, so either kind of run may meet one, and both at the same time. A run that meets a
//! new one takes a lease, looks at what the other kind has written, and releases the lease once its own are written.

use super::collector::{Collector, Groups, Halt, Slot};
use super::zoom::Trouble;
use std::time::Duration;

/// Between two tries to get the lease.
const PAUSE: Duration = Duration::from_millis(250);

impl Collector {
    /// Sees to it that the other kind of run writes none of these records meanwhile, where one without a time is new.
    pub(crate) async fn own_undated(&mut self, groups: &Groups) -> Result<(), Halt> {
        let seen = self.seen.get(&Slot::Undated);
        let new = groups.iter().any(|((slot, id), places)| {
            *slot == Slot::Undated && seen.is_none_or(|seen| seen.is_new(id, places.len()))
        });
        if !new || self.journal.owns_undated() {
            return Ok(());
        }
        while !self.journal.acquire_undated().await? {
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                reason = self.options.stop.wait() => return Err(Halt::Zoom(Trouble::Stopped(reason.to_owned()))),
            }
            self.journal.keep().await?;
        }
        if let Some((_, Some(written))) = self.journal.other(&self.options).await?
            && let Some(seen) = self.seen.get_mut(&Slot::Undated)
        {
            seen.hear(&written);
        }
        Ok(())
    }
}
