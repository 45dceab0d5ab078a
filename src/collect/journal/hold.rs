//! The lease on the state: acquired, renewed, verified and released.

use super::Journal;
use crate::clock::millis;
use crate::collect::Error;
use crate::kept;
use crate::lease::{Asked, Terms};

impl Journal {
    fn terms(&self, until: i64) -> Terms<'_> {
        Terms { store: &self.store, holder: &self.holder, now: self.clock.now(), until }
    }

    pub(super) async fn acquire(&mut self) -> Result<(), Error> {
        if self.dry_run {
            return Ok(());
        }
        let now = self.clock.now();
        let terms = self.terms(now + millis(self.ttl));
        match terms.acquire(&kept::lease(&self.name)).await? {
            Asked::Got(held) => (self.lease, self.renewed) = (Some(held), now),
            Asked::Taken(by) => {
                return Err(Error::Held(format!("{}: {}", self.store.location(), at_work(&by))));
            }
        }
        Ok(())
    }

    /// Renews the lease if it is due; call it regularly.
    pub(crate) async fn keep(&mut self) -> Result<(), Error> {
        if self.clock.now() - self.renewed <= millis(self.ttl) / 3 || self.renew().await? {
            return Ok(());
        }
        Err(self.overtaken())
    }

    /// Extends what this run holds; `false` where another run has taken it over.
    async fn renew(&mut self) -> Result<bool, Error> {
        let now = self.clock.now();
        let terms = Terms { store: &self.store, holder: &self.holder, now, until: now + millis(self.ttl) };
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
    pub(super) async fn is_in_charge(&mut self) -> Result<bool, Error> {
        if !self.renew().await? {
            return Ok(false);
        }
        let standing = self.store.read(&self.name).await?;
        Ok(standing.map(|(bytes, _)| bytes) == self.standing.as_ref().map(|(bytes, _)| bytes.clone()))
    }

    pub(super) fn overtaken(&self) -> Error {
        Error::Held(format!(
            "{}: another run took over because this one stalled beyond --lease; it collects what this one had not written",
            self.store.location()
        ))
    }

    pub(crate) async fn release(&mut self) -> Result<(), Error> {
        let undated = self.release_undated().await;
        let Some(held) = self.lease.take() else { return undated };
        self.terms(0).release(held).await.and(undated)
    }

    pub(crate) fn owns_undated(&self) -> bool {
        self.undated_lease.is_some()
    }

    /// Asks for the lease on records without a time; `false` as long as the other kind of run has it.
    pub(crate) async fn acquire_undated(&mut self) -> Result<bool, Error> {
        if self.dry_run {
            return Ok(true);
        }
        let terms = self.terms(self.clock.now() + millis(self.ttl));
        match terms.acquire(&kept::lease(kept::UNDATED)).await? {
            Asked::Got(held) => self.undated_lease = Some(held),
            Asked::Taken(_) => return Ok(false),
        }
        Ok(true)
    }

    /// Fails where this run had that lease, and the other kind has taken it over.
    pub(crate) async fn verify_undated(&mut self) -> Result<(), Error> {
        if !self.owns_undated() || self.renew().await? { Ok(()) } else { Err(self.overtaken()) }
    }

    pub(crate) async fn release_undated(&mut self) -> Result<(), Error> {
        let Some(held) = self.undated_lease.take() else { return Ok(()) };
        self.terms(0).release(held).await
    }

    /// Describes the run that holds the lease.
    pub(crate) async fn held_by_another(&self) -> Result<Option<String>, Error> {
        let terms = self.terms(self.clock.now());
        Ok(terms.holder_of(&kept::lease(&self.name)).await?.map(|by| at_work(&by)))
    }
}

fn at_work(by: &str) -> String {
    format!("another run is active: {by}")
}
