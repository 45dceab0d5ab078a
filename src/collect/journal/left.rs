//! Completes and cleans up after killed runs.

use super::super::Error;
use super::super::state::{Pending, Standing, decode};
use super::Journal;
use crate::kept;
use bytes::Bytes;
use std::collections::{HashSet, VecDeque};

/// For so long, in milliseconds, a lease counts as just verified: Cloud Storage takes one write a second to an object.
const VERIFIED_FOR: i64 = 1000;

impl Journal {
    /// Writes what a killed run had recorded in the state.
    pub(super) async fn recover(&mut self) -> Result<(), Error> {
        if self.dry_run || self.state.pending.is_empty() {
            return Ok(());
        }
        // No save of the state has shown yet that this run is not the one that stalled.
        if !self.is_in_charge().await? {
            return Err(self.overtaken());
        }
        self.write_pending(VecDeque::new()).await?;
        self.observer.detail("completed the writes that an interrupted run had staged");
        self.save().await
    }

    /// Makes the objects that the state has announced, and saves the state after each: one that a feed has taken and removed
    /// is made again only where the run is killed between these two requests. `ready` holds the bytes of the first ones;
    /// those of the others are read from the work.
    pub(super) async fn write_pending(&mut self, mut ready: VecDeque<Bytes>) -> Result<(), Error> {
        while let Some(pending) = self.state.pending.first().cloned() {
            let bytes = match ready.pop_front() {
                Some(bytes) => bytes,
                None => self.staged(&pending).await?,
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

    async fn staged(&self, pending: &Pending) -> Result<Bytes, Error> {
        let why = match self.work.read(&pending.staged).await? {
            Some((bytes, _)) if crate::sealed::sha256(&bytes) == pending.sha256 => return Ok(bytes),
            Some(_) => "it is corrupt",
            None => "it is missing",
        };
        Err(self.broken(&pending.staged, why).await)
    }

    /// Reads everything that the state refers to, for callers that only check.
    pub(crate) async fn verify(&self) -> Result<(), Error> {
        for list in self.state.lists() {
            self.seen(list).await?;
        }
        for pending in &self.state.pending {
            self.staged(pending).await?;
        }
        Ok(())
    }

    /// Removes what neither the state nor the copy before it speaks of any more, and no later state can speak of. Ends where
    /// another run has taken over: the rest is left to that one.
    pub(crate) async fn sweep(&mut self) -> Result<(), Error> {
        if !self.written {
            return Ok(());
        }
        let mut verified = None;
        for name in self.stale().await? {
            let now = self.clock.now();
            if verified.is_none_or(|at| now - at > VERIFIED_FOR) {
                if !self.is_in_charge().await? {
                    self.observer.detail("another run took over; what is no longer needed is left to it");
                    return Ok(());
                }
                verified = Some(now);
            }
            self.work.delete(&name).await?;
        }
        Ok(())
    }

    async fn stale(&self) -> Result<Vec<String>, Error> {
        let mut stale = self.listed().await?;
        // Whoever restores the previous copy needs what it refers to.
        let before =
            match self.store.read(&kept::previous(&self.name)).await?.map(|(bytes, _)| decode(&bytes)) {
                Some(Ok(Standing::Ours(before))) => Some(before),
                _ => None,
            };
        let named: HashSet<&str> =
            self.state.names().chain(before.iter().flat_map(|before| before.names())).collect();
        // A later revision is that of a run that has taken over and has not saved its state yet.
        stale.retain(|name| !named.contains(name.as_str()) && kept::revision_of(name) <= self.state.revision);
        Ok(stale)
    }
}
