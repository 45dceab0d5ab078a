//! Finds outputs of local files that a killed run wrote without recording them. A file that has grown since is first read
//! up to where that run had read it, so that it gives the same outputs, and then continued from there.

use super::content_id::ProcessedPrefix;
use super::output_name;
use crate::store::{self, Store};
use futures::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};

/// Stems of outputs that are not in the ledger, by length and hash of the content up to their end.
#[derive(Debug, Default)]
pub(super) struct OrphanOutputs(BTreeMap<u64, HashMap<String, String>>);

impl OrphanOutputs {
    /// Lists the outputs in these stores. `known` are the stems that the ledger has.
    pub(super) async fn list_orphans(
        stores: impl Iterator<Item = &Store>,
        known: &HashSet<String>,
    ) -> Result<Self, store::Error> {
        let mut found = Self::default();
        for store in stores {
            let mut listing = store.list();
            loop {
                match listing.try_next().await {
                    Ok(Some(object)) => found.add(&object.name, known),
                    // A destination that does not exist yet is empty.
                    Ok(None) | Err(store::Error::NotFound { .. }) => break,
                    Err(store::Error::UnlistableEntry { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(found)
    }

    fn add(&mut self, output: &str, known: &HashSet<String>) {
        if let Some((stem, length, hash)) = output_name::parse_content(output)
            && !known.contains(stem)
        {
            self.0.entry(length).or_default().insert(hash.to_owned(), stem.to_owned());
        }
    }

    /// The shortest content that a file begins with, is longer than what is done of it, and was read by a killed run: its
    /// length, and the stem of what it became.
    pub(super) fn next_part_end(
        &self,
        file: &mut File,
        done: Option<&ProcessedPrefix>,
        size: u64,
    ) -> io::Result<Option<(u64, String)>> {
        let mut at = done.map_or(0, |done| done.content.length);
        let mut hasher = done.map_or_else(Sha256::new, |done| done.hasher.clone());
        file.seek(SeekFrom::Start(at))?;
        for (&end, contents) in self.0.range(at + 1..).take_while(|(end, _)| **end <= size) {
            super::content_id::hash_up_to(file, end - at, &mut hasher)?;
            at = end;
            let hash = crate::checksummed::hex(&hasher.clone().finalize());
            if let Some(stem) = contents.get(&hash[..output_name::HASH]) {
                return Ok(Some((end, stem.clone())));
            }
        }
        Ok(None)
    }
}
