//! Leases: which run works on what. They prevent double work. That nothing is written twice rests on compare-and-swap
//! and put-if-absent, not on leases.

mod holder;

use crate::clock::instant;
use crate::halt::Error;
use crate::store::{Store, Version};
pub(crate) use holder::Holder;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    holder: Option<Holder>,
    /// In milliseconds since the epoch.
    until: i64,
}

/// A lease that this run holds.
#[derive(Debug)]
pub(crate) struct Held {
    name: String,
    version: Version,
    /// Whether the run that had it before gave it back. Otherwise that run was killed or stands still, or there was none.
    pub(crate) was_released: bool,
}

/// The result of asking for a lease.
pub(crate) enum Asked {
    Got(Held),
    /// Held by another run: its owner, and the earliest end, in words.
    Taken(String),
}

/// The maximum duration of a lease in milliseconds. One that claims to last longer is damaged or was written under a
/// wrong clock, and would lock out all other runs.
const LONGEST: i64 = 24 * 60 * 60 * 1000;

/// A request for a lease.
pub(crate) struct Terms<'a> {
    pub(crate) store: &'a Store,
    pub(crate) holder: &'a Holder,
    pub(crate) now: i64,
    pub(crate) until: i64,
}

impl Terms<'_> {
    fn bytes(&self, until: i64) -> bytes::Bytes {
        let holder = (until > 0).then(|| self.holder.clone());
        serde_json::to_vec(&Lease { holder, until }).unwrap_or_default().into()
    }

    pub(crate) async fn acquire(&self, name: &str) -> Result<Asked, Error> {
        let name = name.to_owned();
        let (standing, version) = match self.store.read(&name).await? {
            None => (None, None),
            Some((bytes, version)) => (Some(self.parse(&name, &bytes)?), Some(version)),
        };
        let was_released = standing.as_ref().is_some_and(|standing| standing.holder.is_none());
        if let Some(by) = standing.and_then(|standing| self.others(standing)) {
            return Ok(Asked::Taken(by));
        }
        match self.store.update(&name, self.bytes(self.until), version).await? {
            Some(version) => Ok(Asked::Got(Held { name, version, was_released })),
            None => Ok(Asked::Taken(lasting("a run that started at the same time", self.until))),
        }
    }

    /// Returns the owner and the earliest end of another run's lease, without acquiring it.
    pub(crate) async fn holder_of(&self, name: &str) -> Result<Option<String>, Error> {
        let Some((bytes, _)) = self.store.read(name).await? else { return Ok(None) };
        Ok(self.others(self.parse(name, &bytes)?))
    }

    fn others(&self, standing: Lease) -> Option<String> {
        let Lease { holder, until } = standing;
        let lasts = (1..=LONGEST).contains(&until.saturating_sub(self.now));
        let held = holder.filter(|holder| lasts && !holder.is(self.holder) && !holder.is_gone())?;
        Some(lasting(&held.describe(), until))
    }

    /// Extends a lease; returns `false` if another run has taken it over.
    pub(crate) async fn renew(&self, held: &mut Held) -> Result<bool, Error> {
        match self.store.update(&held.name, self.bytes(self.until), Some(held.version.clone())).await? {
            Some(version) => {
                held.version = version;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    pub(crate) async fn release(&self, held: Held) -> Result<(), Error> {
        // If another run has taken it over, there is nothing to release.
        self.store.update(&held.name, self.bytes(0), Some(held.version)).await?;
        Ok(())
    }

    fn parse(&self, name: &str, bytes: &[u8]) -> Result<Lease, Error> {
        understood(&self.store.location().url(name), bytes)
    }
}

fn lasting(by: &str, until: i64) -> String {
    format!("{by}, until at least {} unless it ends earlier", instant(until))
}

fn understood(url: &str, bytes: &[u8]) -> Result<Lease, Error> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::Damaged(format!("{url}: not a lease ({error}); delete it if no run is active"))
    })
}

/// Properties of the bytes of a lease; used by the fuzz target.
#[cfg(any(test, fuzzing))]
pub(crate) mod properties {
    use super::understood;

    /// The bytes are a lease that reads back as written, or are reported as damaged; never as an absent lease.
    pub(crate) fn bytes(bytes: &[u8]) {
        match understood("memory://", bytes) {
            Err(error) => assert!(error.to_string().contains("no lease")),
            Ok(lease) => {
                let gone = lease
                    .holder
                    .as_ref()
                    .is_some_and(|holder| !holder.describe().is_empty() && holder.is_gone());
                let written = serde_json::to_vec(&lease).unwrap_or_default();
                let again = understood("memory://", &written).map(|again| (again.holder, again.until));
                assert_eq!(again.ok(), Some((lease.holder, lease.until)), "{gone}");
            }
        }
    }
}
