//! The lease on the state: acquired, renewed, verified and released.

use super::store::StateStore;
use crate::clock::duration_millis;
use crate::collector_files;
use crate::error::RunError;
use crate::lease::{Acquire, LeaseRequest};

impl StateStore {
    fn lease_request(&self, until: i64) -> LeaseRequest<'_> {
        LeaseRequest { store: &self.store, holder: &self.holder, now: self.clock.now(), until }
    }

    pub(super) async fn acquire(&mut self) -> Result<(), RunError> {
        if self.dry_run {
            return Ok(());
        }
        let now = self.clock.now();
        let terms = self.lease_request(now + duration_millis(self.ttl));
        match terms.acquire(&collector_files::lease_name(&self.name)).await? {
            Acquire::Acquired(held) => (self.lease, self.renewed) = (Some(held), now),
            Acquire::HeldByOther(by) => {
                return Err(RunError::Locked(
                    format!("{}: {}", self.store.location(), live_run_message(&by)).into(),
                ));
            }
        }
        Ok(())
    }

    /// Renews the lease if it is due; call it regularly.
    pub(crate) async fn renew_lease(&mut self) -> Result<(), RunError> {
        if self.clock.now() - self.renewed <= duration_millis(self.ttl) / 3 || self.renew().await? {
            return Ok(());
        }
        Err(self.lost_lease())
    }

    /// Extends what this run holds; `false` where another run has taken it over.
    async fn renew(&mut self) -> Result<bool, RunError> {
        let now = self.clock.now();
        let terms = LeaseRequest {
            store: &self.store,
            holder: &self.holder,
            now,
            until: now + duration_millis(self.ttl),
        };
        for held in self.lease.iter_mut().chain(&mut self.undated_lease) {
            if !terms.renew(held).await? {
                return Ok(false);
            }
        }
        self.renewed = now;
        Ok(self.lease.is_some() || self.dry_run)
    }

    /// Whether this run still holds the lease, and the state is what it read or wrote last: both are looked at now, and the
    /// lease is renewed.
    pub(super) async fn still_holds_lease(&mut self) -> Result<bool, RunError> {
        if !self.renew().await? {
            return Ok(false);
        }
        let standing = self.store.read(&self.name).await?;
        Ok(standing.map(|(bytes, _)| bytes) == self.current.as_ref().map(|(bytes, _)| bytes.clone()))
    }

    pub(super) fn lost_lease(&self) -> RunError {
        RunError::Locked(format!(
            "{}: lease lost: this run stalled longer than --lease, and another run took over its remaining \
             work",
            self.store.location()
        ).into())
    }

    pub(crate) async fn release(&mut self) -> Result<(), RunError> {
        let undated = self.release_undated().await;
        let Some(held) = self.lease.take() else { return undated };
        self.lease_request(0).release(held).await.and(undated)
    }

    pub(crate) fn owns_undated(&self) -> bool {
        self.undated_lease.is_some()
    }

    /// Asks for the lease on records without a time; `false` as long as the other kind of run has it.
    pub(crate) async fn acquire_undated(&mut self) -> Result<bool, RunError> {
        if self.dry_run {
            return Ok(true);
        }
        let terms = self.lease_request(self.clock.now() + duration_millis(self.ttl));
        match terms.acquire(&collector_files::lease_name(collector_files::UNDATED)).await? {
            Acquire::Acquired(held) => self.undated_lease = Some(held),
            Acquire::HeldByOther(_) => return Ok(false),
        }
        Ok(true)
    }

    /// Fails where this run had that lease, and the other kind has taken it over.
    pub(crate) async fn verify_undated(&mut self) -> Result<(), RunError> {
        if !self.owns_undated() || self.renew().await? { Ok(()) } else { Err(self.lost_lease()) }
    }

    pub(crate) async fn release_undated(&mut self) -> Result<(), RunError> {
        let Some(held) = self.undated_lease.take() else { return Ok(()) };
        self.lease_request(0).release(held).await
    }

    /// Describes the run that holds the lease.
    pub(crate) async fn held_by_another(&self) -> Result<Option<String>, RunError> {
        let terms = self.lease_request(self.clock.now());
        Ok(terms
            .current_holder(&collector_files::lease_name(&self.name))
            .await?
            .map(|by| live_run_message(&by)))
    }
}

fn live_run_message(by: &str) -> String {
    format!("another run is active: {by}")
}
