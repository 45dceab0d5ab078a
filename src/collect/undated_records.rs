//! Records without a time belong to no day, so both live and backfill runs may find one, even at the same time. A run
//! that finds a new one takes a lease, looks at what the other kind has written, and releases the lease once its own
//! are written.

use super::collector::{CollectError, Collector, DayKey, PositionsByRecord};
use super::zoom::ZoomError;
use std::time::Duration;

/// Between two tries to get the lease.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

impl Collector {
    /// Sees to it that the other kind of run writes none of these records meanwhile, where one without a time is new.
    pub(crate) async fn claim_undated(&mut self, groups: &PositionsByRecord) -> Result<(), CollectError> {
        let seen = self.seen.get(&DayKey::Undated);
        let new = groups.iter().any(|((slot, id), places)| {
            *slot == DayKey::Undated && seen.is_none_or(|seen| seen.is_new(id, places.len()))
        });
        if !new || self.journal.owns_undated() {
            return Ok(());
        }
        while !self.journal.acquire_undated().await? {
            tokio::select! {
                () = tokio::time::sleep(RETRY_PAUSE) => {}
                reason = self.options.stop.wait() => return Err(CollectError::Zoom(ZoomError::Stopped(reason.to_owned()))),
            }
            self.journal.renew_lease().await?;
        }
        if let Some((_, Some(written))) = self.journal.read_peer_state(&self.options).await?
            && let Some(seen) = self.seen.get_mut(&DayKey::Undated)
        {
            seen.merge_hints(&written);
        }
        Ok(())
    }
}
