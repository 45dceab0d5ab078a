//! Completes and cleans up after killed runs.

use super::store::StateStore;
use crate::collect::state::{PendingWrite, StoredState, decode};
use crate::collector_files;
use crate::error::RunError;
use bytes::Bytes;
use std::collections::{HashSet, VecDeque};

/// How long a verified lease is trusted, in milliseconds: Cloud Storage takes one write a second to an object.
const LEASE_CHECK_VALID_MILLIS: i64 = 1000;

impl StateStore {
    /// Writes what a killed run had recorded in the state.
    pub(super) async fn recover(&mut self) -> Result<(), RunError> {
        if self.dry_run || self.state.pending.is_empty() {
            return Ok(());
        }
        // No save of the state has shown yet that this run is not the one that stalled.
        if !self.still_holds_lease().await? {
            return Err(self.lost_lease());
        }
        self.write_pending(VecDeque::new()).await?;
        self.observer.info("completed the writes that an interrupted run had staged");
        self.save().await
    }

    /// Makes the objects that the state has announced, and saves the state after each: one that a feed has taken and removed
    /// is made again only where the run is killed between these two requests. `ready` holds the bytes of the first ones;
    /// those of the others are read from the work.
    pub(super) async fn write_pending(&mut self, mut ready: VecDeque<Bytes>) -> Result<(), RunError> {
        while let Some(pending) = self.state.pending.first().cloned() {
            let bytes = match ready.pop_front() {
                Some(bytes) => bytes,
                None => self.read_staged(&pending).await?,
            };
            let place = if pending.beside_state { &self.store } else { &self.to };
            self.put(place, &pending.name, bytes).await?;
            self.state.pending.remove(0);
            // No feed takes manifests: that one stands may be forgotten.
            if !pending.beside_state {
                self.save().await?;
            }
        }
        Ok(())
    }

    async fn read_staged(&self, pending: &PendingWrite) -> Result<Bytes, RunError> {
        let why = match self.work.read(&pending.staged).await? {
            Some((bytes, _)) if crate::checksummed::sha256(&bytes) == pending.sha256 => return Ok(bytes),
            Some(_) => "it is corrupt",
            None => "it is missing",
        };
        Err(self.corrupt_counts(&pending.staged, why).await)
    }

    /// Reads everything that the state refers to, for callers that only check.
    pub(crate) async fn verify(&self) -> Result<(), RunError> {
        for list in self.state.count_refs() {
            self.read_counts(list).await?;
        }
        for pending in &self.state.pending {
            self.read_staged(pending).await?;
        }
        Ok(())
    }

    /// Removes what neither the state nor the copy before it speaks of any more, and no later state can speak of. Ends where
    /// another run has taken over: the rest is left to that one.
    pub(crate) async fn collect_garbage(&mut self) -> Result<(), RunError> {
        if !self.written {
            return Ok(());
        }
        let mut verified = None;
        for name in self.stale_objects().await? {
            let now = self.clock.now();
            if verified.is_none_or(|at| now - at > LEASE_CHECK_VALID_MILLIS) {
                if !self.still_holds_lease().await? {
                    self.observer.info("another run took over and will clean up");
                    return Ok(());
                }
                verified = Some(now);
            }
            self.work.delete(&name).await?;
        }
        Ok(())
    }

    async fn stale_objects(&self) -> Result<Vec<String>, RunError> {
        let mut stale = self.listed().await?;
        // Whoever restores the previous copy needs what it refers to.
        let before = match self
            .store
            .read(&collector_files::previous_state_name(&self.name))
            .await?
            .map(|(bytes, _)| decode(&bytes))
        {
            Some(Ok(StoredState::Ours(before))) => Some(before),
            _ => None,
        };
        let named: HashSet<&str> = self
            .state
            .referenced_objects()
            .chain(before.iter().flat_map(|before| before.referenced_objects()))
            .collect();
        // A later revision is that of a run that has taken over and has not saved its state yet.
        stale.retain(|name| {
            !named.contains(name.as_str()) && collector_files::revision_of(name) <= self.state.revision
        });
        Ok(stale)
    }
}
