//! Reads and writes the count lists that a state references.

use super::recovery_advice::{decode_or_explain, refuse_lost_state, state_error};
use super::store::StateStore;
use crate::collect::config::{Mode, Options};
use crate::collect::record_counts::RecordCounts;
use crate::collect::state::{CollectorState, CountsRef, StoredState};
use crate::collector_files::{self, BACKFILL};
use crate::error::{Failure, RunError};

/// Maximum rereads of the peer state if it changes during a read.
const MAX_PEER_READS: usize = 4;

impl StateStore {
    /// Makes a list of record counts durable, for the next state to name.
    pub(crate) async fn put_counts(
        &mut self,
        slot: &str,
        seen: &RecordCounts,
    ) -> Result<CountsRef, RunError> {
        let bytes = seen.encode();
        let name =
            collector_files::counts_name(slot, self.state.revision + 1, &crate::checksummed::sha256(&bytes));
        let size = u64::try_from(bytes.len()).unwrap_or(0);
        if !self.dry_run {
            self.put_work(&name, bytes.into()).await?;
        }
        Ok(CountsRef { name, bytes: size })
    }

    /// Reads such a list.
    pub(crate) async fn read_counts(&self, seen: &CountsRef) -> Result<RecordCounts, RunError> {
        let read = self.work.read(&seen.name).await?;
        let why = match read.map(|(bytes, _)| RecordCounts::decode(&bytes)) {
            Some(Ok(seen)) => return Ok(seen),
            Some(Err(why)) => why,
            None => "it is missing".into(),
        };
        Err(self.corrupt_counts(&seen.name, &why).await)
    }

    /// The error of an object of the work that the state names and that cannot be used.
    pub(super) async fn corrupt_counts(&self, name: &str, why: &str) -> RunError {
        let standing = self.store.read(&self.name).await.ok().flatten().map(|(bytes, _)| bytes);
        if standing.is_some() && standing.as_ref() != self.current.as_ref().map(|(bytes, _)| bytes) {
            // A run that took over has no use for it any more, and removed it.
            return self.lost_lease();
        }
        let why = format!("the state names {}, but {why}", self.work.location().url(name));
        state_error(&self.store, &self.name, &why, self.clock.now()).await
    }

    /// Reads the state of the other kind of run, if there is one.
    pub(crate) async fn read_peer_state(
        &self,
        options: &Options,
    ) -> Result<Option<(CollectorState, Option<RecordCounts>)>, RunError> {
        let name = match options.mode {
            Mode::Live { .. } => BACKFILL,
            Mode::Backfill { .. } => &options.state.name,
        };
        let work = self.store.subdir(&collector_files::work_dir(name));
        let mut last = None;
        for _ in 0..MAX_PEER_READS {
            let Some((bytes, _)) = self.store.read(name).await? else {
                self.refuse_lost_peer_state(name, options).await?;
                return Ok(None);
            };
            let StoredState::Ours(state) =
                decode_or_explain(&self.store, name, &bytes, options.logs, self.clock.now()).await?
            else {
                return Ok(None);
            };
            let Some(undated) = &state.undated else { return Ok(Some((*state, None))) };
            match work.read(&undated.name).await?.map(|(bytes, _)| RecordCounts::decode(&bytes)) {
                Some(Ok(seen)) => return Ok(Some((*state, Some(seen)))),
                // The other run may have replaced both since.
                None if last.as_ref() != Some(&bytes) => last = Some(bytes),
                _ => {
                    self.observer.warn(&format!(
                        "{}: unusable list of undated records (referenced by {name}); such records may be \
                         collected twice",
                        work.location().url(&undated.name)
                    ));
                    return Ok(Some((*state, None)));
                }
            }
        }
        let url = self.store.location().url(name);
        let what = format!("{url}: changed {MAX_PEER_READS} times while being read");
        Err(RunError::Storage(Failure::new(what, "run again")))
    }

    /// A state of the other kind that is missing matters where days may be its own.
    async fn refuse_lost_peer_state(&self, name: &str, options: &Options) -> Result<(), RunError> {
        let live = matches!(options.mode, Mode::Live { .. });
        if live && (options.new_state || (self.state.sequence > 0 && self.state.backfill_ranges.is_empty())) {
            return Ok(());
        }
        refuse_lost_state(&self.store, name, self.clock.now()).await
    }
}
