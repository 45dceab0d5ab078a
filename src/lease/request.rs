//! Requests for leases: acquire, renew, release.

use super::owner::LeaseOwner;
use crate::clock::format_utc;
use crate::error::{Failure, RunError};
use crate::store::{Store, Version};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    holder: Option<LeaseOwner>,
    /// In milliseconds since the epoch.
    until: i64,
}

/// A lease that this run holds.
#[derive(Debug)]
pub(crate) struct LeaseHandle {
    name: String,
    version: Version,
    /// Whether the previous holder released the lease. If not, it was killed or stalled, or there was no holder.
    pub(crate) was_released: bool,
}

/// The result of asking for a lease.
pub(crate) enum Acquire {
    Acquired(LeaseHandle),
    /// Held by another run: its owner, and the earliest end, in words.
    HeldByOther(String),
}

/// The maximum duration of a lease in milliseconds. One that claims to last longer is damaged or was written under a
/// wrong clock, and would lock out all other runs.
const MAX_LEASE_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// A request for a lease.
pub(crate) struct LeaseRequest<'a> {
    pub(crate) store: &'a Store,
    pub(crate) holder: &'a LeaseOwner,
    pub(crate) now: i64,
    pub(crate) until: i64,
}

impl LeaseRequest<'_> {
    fn bytes(&self, until: i64) -> bytes::Bytes {
        let holder = (until > 0).then(|| self.holder.clone());
        serde_json::to_vec(&Lease { holder, until }).unwrap_or_default().into()
    }

    pub(crate) async fn acquire(&self, name: &str) -> Result<Acquire, RunError> {
        let name = name.to_owned();
        let (standing, version) = match self.store.read(&name).await? {
            None => (None, None),
            Some((bytes, version)) => (Some(self.parse(&name, &bytes)?), Some(version)),
        };
        let was_released = standing.as_ref().is_some_and(|standing| standing.holder.is_none());
        if let Some(by) = standing.and_then(|standing| self.held_by_other(standing)) {
            return Ok(Acquire::HeldByOther(by));
        }
        match self.store.compare_and_swap(&name, self.bytes(self.until), version).await? {
            Some(version) => Ok(Acquire::Acquired(LeaseHandle { name, version, was_released })),
            None => Ok(Acquire::HeldByOther(describe("a run that started at the same time", self.until))),
        }
    }

    /// Returns the owner and the earliest end of another run's lease, without acquiring it.
    pub(crate) async fn current_holder(&self, name: &str) -> Result<Option<String>, RunError> {
        let Some((bytes, _)) = self.store.read(name).await? else { return Ok(None) };
        Ok(self.held_by_other(self.parse(name, &bytes)?))
    }

    fn held_by_other(&self, standing: Lease) -> Option<String> {
        let Lease { holder, until } = standing;
        let lasts = (1..=MAX_LEASE_MILLIS).contains(&until.saturating_sub(self.now));
        let held = holder.filter(|holder| lasts && !holder.same_run(self.holder) && !holder.is_dead())?;
        Some(describe(&held.describe(), until))
    }

    /// Extends a lease; returns `false` if another run has taken it over.
    pub(crate) async fn renew(&self, held: &mut LeaseHandle) -> Result<bool, RunError> {
        match self
            .store
            .compare_and_swap(&held.name, self.bytes(self.until), Some(held.version.clone()))
            .await?
        {
            Some(version) => {
                held.version = version;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    pub(crate) async fn release(&self, held: LeaseHandle) -> Result<(), RunError> {
        // If another run has taken it over, there is nothing to release.
        self.store.compare_and_swap(&held.name, self.bytes(0), Some(held.version)).await?;
        Ok(())
    }

    fn parse(&self, name: &str, bytes: &[u8]) -> Result<Lease, RunError> {
        decode(&self.store.location().url(name), bytes)
    }
}

fn describe(by: &str, until: i64) -> String {
    format!("{by}; its lease is valid until at least {} unless that run ends earlier", format_utc(until))
}

fn decode(url: &str, bytes: &[u8]) -> Result<Lease, RunError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let what = format!("{url}: not a lease ({error})");
        RunError::Corrupt(Failure::new(what, "delete it if no run is active").caused_by(error))
    })
}

/// Properties of the bytes of a lease; used by the fuzz target.
#[cfg(any(test, fuzzing))]
pub(crate) mod invariants {
    use super::decode;

    /// The bytes are a lease that reads back as written, or are reported as damaged; never as an absent lease.
    pub(crate) fn bytes(bytes: &[u8]) {
        match decode("memory://", bytes) {
            Err(error) => assert!(error.to_string().contains("no lease")),
            Ok(lease) => {
                let gone = lease
                    .holder
                    .as_ref()
                    .is_some_and(|holder| !holder.describe().is_empty() && holder.is_dead());
                let written = serde_json::to_vec(&lease).unwrap_or_default();
                let again = decode("memory://", &written).map(|again| (again.holder, again.until));
                assert_eq!(again.ok(), Some((lease.holder, lease.until)), "{gone}");
            }
        }
    }
}
