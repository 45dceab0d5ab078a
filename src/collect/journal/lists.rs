//! Lists of what was seen: written for the next state to name, and read.

use super::super::Error;
use super::super::options::{Options, Task};
use super::super::seen::Seen;
use super::super::state::{SeenRef, Standing, State};
use super::{Journal, cure, decoded, refuse_lost_state};
use crate::kept::{self, BACKFILL};

/// How often the state of the other kind of run is read again where it changes while it is looked at.
const LOOKS: usize = 4;

impl Journal {
    /// Makes a list of record counts durable, for the next state to name.
    pub(crate) async fn put_seen(&self, slot: &str, seen: &Seen) -> Result<SeenRef, Error> {
        let bytes = seen.encode();
        let name = kept::seen(slot, self.state.revision + 1, &crate::sealed::sha256(&bytes));
        let size = u64::try_from(bytes.len()).unwrap_or(0);
        if !self.dry_run {
            self.put(&self.work, &name, bytes.into()).await?;
        }
        Ok(SeenRef { name, bytes: size })
    }

    /// Reads such a list.
    pub(crate) async fn seen(&self, seen: &SeenRef) -> Result<Seen, Error> {
        let read = self.work.read(&seen.name).await?;
        let why = match read.map(|(bytes, _)| Seen::decode(&bytes)) {
            Some(Ok(seen)) => return Ok(seen),
            Some(Err(why)) => why,
            None => "it is missing".into(),
        };
        Err(self.broken(&seen.name, &why).await)
    }

    /// The error of an object of the work that the state names and that cannot be used.
    pub(super) async fn broken(&self, name: &str, why: &str) -> Error {
        let standing = self.store.read(&self.name).await.ok().flatten().map(|(bytes, _)| bytes);
        if standing.is_some() && standing.as_ref() != self.standing.as_ref().map(|(bytes, _)| bytes) {
            // A run that took over has no use for it any more, and removed it.
            return self.overtaken();
        }
        let why = format!("the state names {}, but {why}", self.work.location().url(name));
        cure::unusable(&self.store, &self.name, &why, self.clock.now()).await
    }

    /// Reads the state of the other kind of run, if there is one.
    pub(crate) async fn other(&self, options: &Options) -> Result<Option<(State, Option<Seen>)>, Error> {
        let name = match options.task {
            Task::Live { .. } => BACKFILL,
            Task::Backfill { .. } => &options.state.name,
        };
        let work = self.store.below(&kept::work(name));
        let mut last = None;
        for _ in 0..LOOKS {
            let Some((bytes, _)) = self.store.read(name).await? else {
                self.refuse_lost_other(name, options).await?;
                return Ok(None);
            };
            let Standing::Ours(state) = decoded(&self.store, name, &bytes, self.clock.now()).await? else {
                return Ok(None);
            };
            let Some(undated) = &state.undated else { return Ok(Some((*state, None))) };
            match work.read(&undated.name).await?.map(|(bytes, _)| Seen::decode(&bytes)) {
                Some(Ok(seen)) => return Ok(Some((*state, Some(seen)))),
                // The other run may have replaced both since.
                None if last.as_ref() != Some(&bytes) => last = Some(bytes),
                _ => {
                    self.observer.warn(&format!(
                        "{}: this list of records without a time cannot be used, and {name} names it; such records may be \
                         collected again",
                        work.location().url(&undated.name)
                    ));
                    return Ok(Some((*state, None)));
                }
            }
        }
        Err(Error::Store(format!(
            "{}: it changed {LOOKS} times while it was read; run again",
            self.store.location().url(name)
        )))
    }

    /// A state of the other kind that is missing matters where days may be its own.
    async fn refuse_lost_other(&self, name: &str, options: &Options) -> Result<(), Error> {
        let live = matches!(options.task, Task::Live { .. });
        if live && (options.new_state || (self.state.sequence > 0 && self.state.theirs.is_empty())) {
            return Ok(());
        }
        refuse_lost_state(&self.store, name, self.clock.now()).await
    }
}
