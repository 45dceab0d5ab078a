//! Records without a time belong to no day, so both live and backfill runs may find one, even at the same time. A run
//! that finds a new one takes a lease, looks at what the other kind has written, and releases the lease once its own
//! are written.

use super::collector::{CollectError, Collector};
use super::dedup::PositionsByRecord;
use super::zoom::ZoomError;
use std::time::Duration;

/// The pause between attempts to acquire the lease.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

impl Collector {
    /// Ensures that the other kind of run does not write the records without a time of a page meanwhile, if one of them
    /// is new.
    pub(crate) async fn claim_undated(&mut self, page: &PositionsByRecord) -> Result<(), CollectError> {
        if !self.dedup.has_new_undated(page) || self.store.owns_undated() {
            return Ok(());
        }
        while !self.store.acquire_undated().await? {
            tokio::select! {
                () = tokio::time::sleep(RETRY_PAUSE) => {}
                reason = self.options.cancellation.stopped() => return Err(ZoomError::stopped(reason).into()),
            }
            self.store.renew_lease().await?;
        }
        if let Some((_, Some(written))) = self.store.read_peer_state(&self.options).await? {
            self.dedup.merge_undated_hints(&written);
        }
        Ok(())
    }
}
