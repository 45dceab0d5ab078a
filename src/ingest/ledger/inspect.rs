//! Reads and edits a ledger without a lease.

use super::codec;
use super::entry::Entry;
use super::manifest::manifest;
use super::segment::{self, Segment};
use crate::error::RunError;
use crate::store::Store;
use std::collections::{HashMap, HashSet};
use std::future::ready;

/// Passes on every entry, segment after segment, without a lease.
///
/// # Errors
/// As [`manifest`].
pub async fn entries(store: &Store, each: &mut (dyn FnMut(Entry) + Send)) -> Result<(), RunError> {
    for number in 0..manifest(store).await?.segments {
        let name = Segment::name(number);
        if let Some((bytes, _)) = store.read(&name).await? {
            codec::decode(&store.location().url(&name), &bytes, &mut |header| {
                header.parse_full().map(&mut *each)
            })?;
        }
    }
    Ok(())
}

/// Forgets entries, so that their objects are read again, and those of local files with the same content: otherwise they
/// would be found done by it. Returns which.
///
/// # Errors
/// As [`manifest`].
pub async fn forget(
    store: &Store,
    chosen: &(dyn Fn(&Entry) -> bool + Sync),
) -> Result<Vec<String>, RunError> {
    let mut contents = HashSet::new();
    let id = |entry: &Entry| entry.content.as_ref().map(crate::ingest::content_id::ContentId::id);
    entries(store, &mut |entry| contents.extend(id(&entry).filter(|_| chosen(&entry)))).await?;
    let chosen = |entry: &Entry| chosen(entry) || id(entry).is_some_and(|id| contents.contains(&id));
    let mut forgotten = Vec::new();
    for number in 0..manifest(store).await?.segments {
        let name = Segment::name(number);
        let url = store.location().url(&name);
        let Some((bytes, _)) = store.read(&name).await? else { continue };
        let before = forgotten.len();
        codec::decode(&url, &bytes, &mut |header| {
            let entry = header.parse_full()?;
            if chosen(&entry) {
                forgotten.push(entry.object);
            }
            Ok(())
        })?;
        if forgotten.len() > before {
            let keep = |header: &codec::EntryHeader<'_>| header.parse_full().map(|entry| !chosen(&entry));
            segment::cas_loop(store, number, |stored| {
                ready(segment::rewrite(&url, stored.as_deref(), &keep, &HashMap::new()))
            })
            .await?;
        }
    }
    Ok(forgotten)
}
