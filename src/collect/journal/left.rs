//! What runs before this one left: to be written, to be read, to be removed.

use super::super::Error;
use super::super::state::{Pending, Standing, decode};
use super::Journal;
use crate::kept;
use bytes::Bytes;
use futures::TryStreamExt as _;
use std::collections::HashSet;

impl Journal {
    /// Writes what a killed run meant to write.
    pub(super) async fn recover(&mut self) -> Result<(), Error> {
        if self.dry_run || self.state.pending.is_empty() {
            return Ok(());
        }
        for pending in &self.state.pending {
            let bytes = self.staged(pending).await?;
            let place = if pending.beside_state { &self.store } else { &self.to };
            self.put(place, &pending.name, bytes).await?;
        }
        self.observer.detail("wrote what a run before had staged when it was ended");
        self.state.pending.clear();
        self.save().await
    }

    async fn staged(&self, pending: &Pending) -> Result<Bytes, Error> {
        let url = self.work.location().url(&pending.staged);
        let lost = |why: &str| {
            Error::Damaged(format!(
                "{url}: {why}, and a killed run meant to write it; restore it from a backup"
            ))
        };
        let (bytes, _) = self.work.read(&pending.staged).await?.ok_or_else(|| lost("it is not there"))?;
        if crate::sealed::sha256(&bytes) == pending.sha256 { Ok(bytes) } else { Err(lost("it is damaged")) }
    }

    /// Reads all that the state names: for who only looks.
    pub(crate) async fn verify(&self) -> Result<(), Error> {
        for list in self.state.lists() {
            self.seen(list).await?;
        }
        for pending in &self.state.pending {
            self.staged(pending).await?;
        }
        Ok(())
    }

    /// Removes what neither the state nor the copy before it speaks of any more. Only behind a save: a run that was thought
    /// dead fails from then on, so nothing here is anybody else's.
    pub(crate) async fn sweep(&self) -> Result<(), Error> {
        if !self.written {
            return Ok(());
        }
        let listed: Result<Vec<_>, _> = self.work.list().map_ok(|listed| listed.name).try_collect().await;
        let listed = match listed {
            // A directory that nothing was put into yet.
            Err(crate::store::Error::NotFound { .. }) => return Ok(()),
            listed => listed?,
        };
        // Whoever puts the copy in the state's place needs what it names.
        let before =
            match self.store.read(&kept::previous(&self.name)).await?.map(|(bytes, _)| decode(&bytes)) {
                Some(Ok(Standing::Ours(before))) => Some(before),
                _ => None,
            };
        let named: HashSet<&str> =
            self.state.names().chain(before.iter().flat_map(|before| before.names())).collect();
        for name in listed.iter().filter(|name| !named.contains(name.as_str())) {
            self.work.delete(name).await?;
        }
        Ok(())
    }
}
