//! Leases: which run works on which segment. They keep two runs from doing the same work; that nothing is written twice
//! rests on compare-and-swap and put-if-absent, not on them.

use super::Error;
use super::holder::Holder;
use crate::store::{Store, Version};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    holder: Option<Holder>,
    /// In milliseconds since the epoch.
    until: i64,
}

/// A lease that is held.
#[derive(Debug)]
pub(super) struct Held {
    name: String,
    version: Version,
}

/// What asking for a lease came to.
pub(super) enum Asked {
    Got(Held),
    /// Somebody else's: whose, and until when at least.
    Taken {
        by: String,
        until: i64,
    },
}

/// How a lease is asked for.
pub(super) struct Terms<'a> {
    pub(super) store: &'a Store,
    pub(super) holder: &'a Holder,
    pub(super) now: i64,
    pub(super) until: i64,
}

impl Terms<'_> {
    fn bytes(&self, until: i64) -> bytes::Bytes {
        let holder = (until > 0).then(|| self.holder.clone());
        serde_json::to_vec(&Lease { holder, until }).unwrap_or_default().into()
    }

    pub(super) async fn acquire(&self, segment: u16) -> Result<Asked, Error> {
        let name = format!("lease-{segment:04}");
        let (standing, version) = match self.store.read(&name).await? {
            None => (None, None),
            Some((bytes, version)) => (Some(self.parse(&name, &bytes)?), Some(version)),
        };
        if let Some(Lease { holder: Some(holder), until }) = &standing
            && *until > self.now
            && !holder.is(self.holder)
            && !holder.is_gone()
        {
            return Ok(Asked::Taken { by: holder.describe(), until: *until });
        }
        match self.store.update(&name, self.bytes(self.until), version).await? {
            Some(version) => Ok(Asked::Got(Held { name, version })),
            None => Ok(Asked::Taken { by: "a run that started at the same time".into(), until: self.until }),
        }
    }

    /// Extends a lease; `false` where another run has taken it over.
    pub(super) async fn renew(&self, held: &mut Held) -> Result<bool, Error> {
        match self.store.update(&held.name, self.bytes(self.until), Some(held.version.clone())).await? {
            Some(version) => {
                held.version = version;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    pub(super) async fn release(&self, held: Held) -> Result<(), Error> {
        // Where another run has taken it over there is nothing to give back.
        self.store.update(&held.name, self.bytes(0), Some(held.version)).await?;
        Ok(())
    }

    fn parse(&self, name: &str, bytes: &[u8]) -> Result<Lease, Error> {
        let url = self.store.location().url(name);
        serde_json::from_slice(bytes).map_err(|error| {
            Error::Ledger(format!("{url}: this is no lease ({error}); remove it if no run is at work"))
        })
    }
}
