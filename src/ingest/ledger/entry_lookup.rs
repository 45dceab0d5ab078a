//! Stored entries, by address and by content.

use super::entry::Entry;
use super::ledger::{AT_ONCE, Ledger};
use super::segment::{self, segment_of};
use crate::error::RunError;
use crate::ingest::content_id::{ContentId, ProcessedContents};
use futures::{StreamExt as _, TryStreamExt as _};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

impl Ledger {
    /// Returns the stored entries of these objects.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub(in crate::ingest) async fn fetch_entries(
        &self,
        objects: HashSet<String>,
    ) -> Result<HashMap<String, Entry>, RunError> {
        let segments: BTreeSet<u16> = objects.iter().map(|object| segment_of(object, self.count)).collect();
        let wanted: segment::EntryPredicate = Arc::new(move |header| objects.contains(&*header.object));
        let found = self.scan_entries(segments, wanted).await?;
        Ok(found.into_iter().map(|entry| (entry.object.clone(), entry)).collect())
    }

    async fn scan_entries(
        &self,
        segments: impl IntoIterator<Item = u16>,
        wanted: segment::EntryPredicate,
    ) -> Result<Vec<Entry>, RunError> {
        let found: Vec<Vec<Entry>> = futures::stream::iter(segments)
            .map(|number| segment::find(&self.store, number, Arc::clone(&wanted)))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Returns whether another run ended without releasing a segment that this run holds now: its outputs may be unrecorded.
    pub(in crate::ingest) fn was_abandoned(&self) -> bool {
        let segments = self.lock();
        segments
            .iter()
            .flatten()
            .filter_map(|segment| segment.lease.as_ref())
            .any(|lease| !lease.was_released)
    }

    /// Returns the stems of all outputs of the feed's files.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub(in crate::ingest) async fn output_stems(&self) -> Result<HashSet<String>, RunError> {
        let from = self.options.feed.from.clone();
        let wanted: segment::EntryPredicate = Arc::new(move |header| header.object.starts_with(&from));
        let entries = self.scan_entries(0..self.count, wanted).await?;
        Ok(entries.into_iter().flat_map(|entry| entry.parts).map(|part| part.stem).collect())
    }

    /// Returns the contents of local files that are done; `None` for other sources.
    pub(in crate::ingest) fn contents(&self) -> Option<Arc<ProcessedContents>> {
        self.contents.clone()
    }

    /// Entries with these contents, by the ids of these and their addresses: marked ones, and those in the store.
    ///
    /// # Errors
    /// If the ledger cannot be read.
    pub(in crate::ingest) async fn index_contents(
        &self,
        ids: HashSet<u128>,
    ) -> Result<HashMap<(u128, String), Entry>, RunError> {
        let ids = Arc::new(ids);
        let is_wanted = |id: u128| ids.contains(&id);
        let pending: Vec<Entry> =
            self.lock().iter().flatten().flat_map(|segment| segment.pending().cloned()).collect();
        let stored = Arc::clone(&ids);
        let wanted: segment::EntryPredicate = Arc::new(move |header| {
            header.content.as_ref().is_some_and(|content| stored.contains(&content.id()))
        });
        let stored = self.scan_entries(0..self.count, wanted).await?;
        let by_id = |entry: Entry| {
            let id = entry.content.as_ref().map(ContentId::id).filter(|id| is_wanted(*id))?;
            Some(((id, entry.object.clone()), entry))
        };
        Ok(stored.into_iter().chain(pending).filter_map(by_id).collect())
    }
}
